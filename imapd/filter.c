/* filter.c - see filter.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/filter.h"

#include "imapd/args.h"

static const struct {
	const char *word;
	bool has_names;
} rows[] = {
	[IMAPD_FILTER_SELECTED] = {"SELECTED",                 false},
	[IMAPD_FILTER_SELECTED_DELAYED] = {"SELECTED-DELAYED", false},
	[IMAPD_FILTER_INBOXES] = {"INBOXES",                   false},
	[IMAPD_FILTER_PERSONAL] = {"PERSONAL",                 false},
	[IMAPD_FILTER_SUBSCRIBED] = {"SUBSCRIBED",             false},
	[IMAPD_FILTER_SUBTREE] = {"SUBTREE",                   true },
	[IMAPD_FILTER_SUBTREE_ONE] = {"SUBTREE-ONE",           true },
	[IMAPD_FILTER_MAILBOXES] = {"MAILBOXES",               true },
};

static bool
parse_name(struct imapd_parse *p, struct cv_str *out, bool *is_bad)
{
	struct cv_str wire;

	if (!imapd_parse_astring(p, &wire))
		return false;
	if (!imapd_take_name(p, wire, out)) {
		*is_bad = true;
		*out = CV_STR_EMPTY;
	}
	return true;
}

/* mailbox / "(" mailbox *(SP mailbox) ")" */
static bool
parse_names(struct imapd_parse *p, struct imapd_filter *f, bool *is_bad)
{
	size_t cap = 0;

	if (!imapd_take(p, '(')) {
		f->names = CV_ARENA_ARRAY(p->arena, struct cv_str, 1);
		f->count = 1;
		return parse_name(p, &f->names[0], is_bad);
	}
	do {
		if (f->count == IMAPD_FILTER_NAMES_MAX)
			return imapd_fault(p, "too many mailboxes");
		if (f->count == cap) {
			cap = cap ? 4 * cap : 8;
			struct cv_str *grown = CV_ARENA_ARRAY(p->arena, struct cv_str, cap);
			if (f->count)
				memcpy(grown, f->names, f->count * sizeof *grown);
			f->names = grown;
		}
		if (!parse_name(p, &f->names[f->count], is_bad))
			return false;
		f->count++;
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing");
}

bool
imapd_parse_filter(struct imapd_parse *p, struct imapd_filter *out, bool *is_bad_name_out)
{
	size_t i = 0;

	*out = (struct imapd_filter){0};
	while (i < CV_COUNT(rows) && !imapd_take_word(p, rows[i].word))
		i++;
	if (i == CV_COUNT(rows))
		return imapd_fault(p, "an unknown mailbox specifier");
	out->kind = (enum imapd_filter_kind)i;
	return !rows[i].has_names || (imapd_parse_sp(p) && parse_names(p, out, is_bad_name_out));
}

/* Whether NAME is BELOW levels under ROOT: 0 for itself, else any of up to so many. */
static bool
is_in_tree(struct cv_str root, struct cv_str name, char separator, bool one_level)
{
	if (cv_str_eq(root, name))
		return true;
	size_t from = root.n ? root.n + 1 : 0;
	if (name.n <= from || memcmp(name.p, root.p ? root.p : "", root.n) ||
		(root.n && name.p[root.n] != separator))
		return false;
	return !one_level || cv_str_find(name, separator, from) == name.n;
}

bool
imapd_filter_has_name(const struct imapd_filter *f, struct cv_str name, char separator)
{
	for (size_t i = 0; i < f->count; i++) {
		bool fits = f->kind == IMAPD_FILTER_MAILBOXES
		                    ? cv_str_eq(f->names[i], name) && name.n
		                    : is_in_tree(f->names[i], name, separator,
					      f->kind == IMAPD_FILTER_SUBTREE_ONE);
		if (fits)
			return true;
	}
	return !rows[f->kind].has_names && f->kind > IMAPD_FILTER_SELECTED_DELAYED;
}

bool
imapd_filter_has(const struct imapd_filter *f, const struct cv_mbox_info *box, bool is_own,
	char separator)
{
	if (!box->id || !box->selectable || !imapd_filter_has_name(f, box->name, separator))
		return false;
	switch (f->kind) {
	case IMAPD_FILTER_INBOXES:
	case IMAPD_FILTER_PERSONAL:
		return is_own;
	case IMAPD_FILTER_SUBSCRIBED:
		return box->subscribed;
	default:
		return true;
	}
}
