/* args_list.c - the arguments of LIST (RFC 3501, 5258, 5819, 6154, 9590) and LSUB. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/args.h"

struct option_row {
	const char *word;
	unsigned option;
};

static bool
parse_options(struct imapd_parse *p, const struct option_row *rows, size_t count,
	struct imapd_list_args *list)
{
	while (!imapd_take(p, ')')) {
		size_t i = 0;
		while (i < count && !imapd_take_word(p, rows[i].word))
			i++;
		if (i == count)
			return imapd_fault(p, "an unknown option of LIST");
		list->options |= rows[i].option;
		if (rows[i].option == IMAPD_LIST_RET_STATUS &&
			(!imapd_parse_sp(p) || !imapd_parse_status_items(p, &list->status_items)))
			return false;
		if (rows[i].option == IMAPD_LIST_RET_METADATA &&
			(!imapd_parse_sp(p) || !imapd_parse_list_metadata(p, &list->metadata)))
			return false;
		if (!imapd_take(p, ' ') && imapd_peek(p) != ')')
			return imapd_fault(p, "a parenthesis is missing");
	}
	list->options |= IMAPD_LIST_EXTENDED;
	return true;
}

static bool
parse_selection(struct imapd_parse *p, struct imapd_list_args *list)
{
	static const struct option_row rows[] = {
		{"SUBSCRIBED",     IMAPD_LIST_SUBSCRIBED  },
		{"REMOTE",         IMAPD_LIST_REMOTE      },
		{"RECURSIVEMATCH", IMAPD_LIST_RECURSIVE   },
		{"SPECIAL-USE",    IMAPD_LIST_ONLY_SPECIAL},
	};

	if (!parse_options(p, rows, CV_COUNT(rows), list))
		return false;
	if ((list->options & IMAPD_LIST_RECURSIVE) && !(list->options & IMAPD_LIST_SUBSCRIBED))
		return imapd_fault(p, "RECURSIVEMATCH needs SUBSCRIBED");
	return imapd_parse_sp(p);
}

static bool
parse_returns(struct imapd_parse *p, struct imapd_list_args *list)
{
	static const struct option_row rows[] = {
		{"SUBSCRIBED",  IMAPD_LIST_RET_SUBSCRIBED},
		{"CHILDREN",    IMAPD_LIST_RET_CHILDREN  },
		{"SPECIAL-USE", IMAPD_LIST_RET_SPECIAL   },
		{"STATUS",      IMAPD_LIST_RET_STATUS    },
		{"METADATA",    IMAPD_LIST_RET_METADATA  },
		{"MYRIGHTS",    IMAPD_LIST_RET_MYRIGHTS  },
	};

	if (!imapd_take_word(p, "RETURN") || !imapd_take(p, ' ') || !imapd_take(p, '('))
		return imapd_fault(p, "RETURN (...) was expected");
	return parse_options(p, rows, CV_COUNT(rows), list);
}

static bool
parse_pattern(struct imapd_parse *p, struct imapd_args *args, struct imapd_list_args *list)
{
	struct cv_str wire;

	if (list->pattern_count == IMAPD_PATTERNS_MAX)
		return imapd_fault(p, "too many patterns");
	if (!imapd_parse_list_mailbox(p, &wire))
		return false;
	if (!imapd_take_name(p, wire, &list->patterns[list->pattern_count]))
		args->is_bad_name = true;
	list->pattern_count++;
	return true;
}

static bool
parse_patterns(struct imapd_parse *p, struct imapd_args *args, struct imapd_list_args *list)
{
	list->patterns = CV_ARENA_ARRAY(p->arena, struct cv_str, IMAPD_PATTERNS_MAX);
	if (!imapd_take(p, '('))
		return parse_pattern(p, args, list);
	list->options |= IMAPD_LIST_EXTENDED;
	do {
		if (!parse_pattern(p, args, list))
			return false;
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing");
}

bool
imapd_parse_list(struct imapd_parse *p, struct imapd_args *args, bool is_lsub)
{
	struct imapd_list_args *list = args->list = CV_ARENA_NEW(p->arena, struct imapd_list_args);
	struct cv_str reference;

	if (!is_lsub && imapd_take(p, '(') && !parse_selection(p, list))
		return false;
	if (!imapd_parse_astring(p, &reference) || !imapd_parse_sp(p))
		return false;
	if (!imapd_take_name(p, reference, &list->reference))
		args->is_bad_name = true;
	if (is_lsub) {
		list->patterns = CV_ARENA_ARRAY(p->arena, struct cv_str, 1);
		return parse_pattern(p, args, list);
	}
	if (!parse_patterns(p, args, list))
		return false;
	return !imapd_take(p, ' ') || parse_returns(p, list);
}
