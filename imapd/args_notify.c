/* args_notify.c - the arguments of NOTIFY (RFC 5465 8), and the list of FETCH items that it and the
 * UPDATE of a search may have. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/args.h"

bool
imapd_parse_described(struct imapd_parse *p, struct cv_str *out)
{
	struct imapd_fetch_args unused = {0};
	size_t from = p->pos;

	if (!imapd_parse_fetch_items(p, &unused))
		return false;
	*out = cv_str_sub(p->text, from, p->pos);
	return out->n <= IMAPD_DESCRIBED_MAX ||
	       imapd_fault(p, "the items for new messages are too long");
}

static bool
parse_event(struct imapd_parse *p, struct imapd_notify_args *n, struct imapd_notify_group *g)
{
	static const struct {
		const char *word;
		unsigned event;
	} rows[] = {
		{"MessageNew",            IMAPD_EVENT_NEW         },
		{"MessageExpunge",        IMAPD_EVENT_EXPUNGE     },
		{"FlagChange",            IMAPD_EVENT_FLAGS       },
		{"MailboxName",           IMAPD_EVENT_NAME        },
		{"SubscriptionChange",    IMAPD_EVENT_SUBSCRIPTION},
		{"MailboxMetadataChange", IMAPD_EVENT_METADATA    },
		{"ServerMetadataChange",  IMAPD_EVENT_SERVER_METADATA},
	};
	struct cv_str word;

	if (!imapd_parse_atom(p, &word))
		return imapd_fault(p, "an event is missing");
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_str_ieq_z(word, rows[i].word))
			g->events |= rows[i].event;
	/* AnnotationChange, and what may be invented: NO, not BAD (3.1). */
	bool is_known = false;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		is_known |= cv_str_ieq_z(word, rows[i].word);
	n->has_unsupported |= !is_known;
	if (!cv_str_ieq_z(word, "MessageNew") || !imapd_take_prefix(p, " ("))
		return true;
	p->pos--;
	if (g->filter.kind > IMAPD_FILTER_SELECTED_DELAYED)
		return imapd_fault(p, "items are for new messages of the selected mailbox");
	return imapd_parse_described(p, &g->described);
}

/* What RFC 5465 5 and 6.1 say of events that need one another. */
static bool
check_group(struct imapd_parse *p, const struct imapd_notify_group *g)
{
	unsigned both = IMAPD_EVENT_NEW | IMAPD_EVENT_EXPUNGE, e = g->events;

	if ((e & both) && (e & both) != both)
		return imapd_fault(p, "MessageNew and MessageExpunge go together");
	if ((e & IMAPD_EVENT_FLAGS) && !(e & both))
		return imapd_fault(p, "FlagChange needs MessageNew and MessageExpunge");
	if (g->filter.kind <= IMAPD_FILTER_SELECTED_DELAYED &&
		(e & ~(unsigned)IMAPD_EVENTS_OF_MESSAGES))
		return imapd_fault(p, "the selected mailbox has events of messages only");
	return true;
}

static bool
parse_group(struct imapd_parse *p, struct imapd_args *args, struct imapd_notify_args *n)
{
	struct imapd_notify_group *g = &n->groups[n->count];

	if (!imapd_need(p, '(', "a group of events was expected") ||
		!imapd_parse_filter(p, &g->filter, &args->is_bad_name) || !imapd_parse_sp(p))
		return false;
	if (g->filter.kind == IMAPD_FILTER_SUBTREE_ONE)
		return imapd_fault(p, "SUBTREE-ONE is for ESEARCH");
	if (!imapd_take_word(p, "NONE")) {
		if (!imapd_need(p, '(', "events in parentheses were expected"))
			return false;
		do {
			if (!parse_event(p, n, g))
				return false;
		} while (imapd_take(p, ' '));
		if (!imapd_need(p, ')', "a parenthesis is missing"))
			return false;
	}
	return imapd_need(p, ')', "a parenthesis is missing") && check_group(p, g);
}

bool
imapd_parse_notify(struct imapd_parse *p, struct imapd_args *args)
{
	struct imapd_notify_args *n = args->notify =
		CV_ARENA_NEW(p->arena, struct imapd_notify_args);
	unsigned selected = 0;

	if (imapd_take_word(p, "NONE"))
		return true;
	if (!imapd_take_word(p, "SET"))
		return imapd_fault(p, "SET or NONE was expected");
	n->is_set = true;
	if (!imapd_parse_sp(p))
		return false;
	if (imapd_take_word(p, "STATUS")) {
		n->with_status = true;
		if (!imapd_parse_sp(p))
			return false;
	}
	n->groups = CV_ARENA_ARRAY(p->arena, struct imapd_notify_group, IMAPD_GROUPS_MAX);
	do {
		if (n->count == IMAPD_GROUPS_MAX)
			return imapd_fault(p, "too many groups of events");
		if (!parse_group(p, args, n))
			return false;
		selected += n->groups[n->count].filter.kind <= IMAPD_FILTER_SELECTED_DELAYED;
		n->count++;
	} while (imapd_take(p, ' '));
	return selected <= 1 || imapd_fault(p, "the selected mailbox is named twice");
}
