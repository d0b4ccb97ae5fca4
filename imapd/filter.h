/* filter.h - which mailboxes a command means: the mailbox specifiers of NOTIFY (RFC 5465 6) and
 * ESEARCH (RFC 7377 2.2). Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_FILTER_H
#define IMAPD_FILTER_H

#include "common/store/mailbox.h"
#include "imapd/parse.h"

#define IMAPD_FILTER_NAMES_MAX 1000 /* in one specifier */

enum imapd_filter_kind {
	IMAPD_FILTER_SELECTED,
	IMAPD_FILTER_SELECTED_DELAYED,
	/* Mail may be delivered to any mailbox (address with a detail): inboxes is personal */
	IMAPD_FILTER_INBOXES,
	IMAPD_FILTER_PERSONAL,
	IMAPD_FILTER_SUBSCRIBED,
	IMAPD_FILTER_SUBTREE,
	IMAPD_FILTER_SUBTREE_ONE, /* the mailbox and its children, not theirs */
	IMAPD_FILTER_MAILBOXES
};

struct imapd_filter {
	enum imapd_filter_kind kind;
	struct cv_str *names; /* UTF-8 in NFC */
	size_t count;
};

/* One specifier, in P's arena. *is_bad_name_out is set when a name is not well formed, and
 * otherwise left alone. */
bool imapd_parse_filter(
	struct imapd_parse *p, struct imapd_filter *out, bool *is_bad_name_out);

/* Whether the mailbox NAME may be meant by its name: whatever else F asks of it. */
bool imapd_filter_has_name(const struct imapd_filter *f, struct cv_str name, char separator);
/* Whether F, which is none of the selected ones, means BOX. IS_OWN: in the personal namespace. */
bool imapd_filter_has(const struct imapd_filter *f, const struct cv_mbox_info *box, bool is_own,
	char separator);
/* Whether F names mailboxes one by one: those need no right to be listed (RFC 7377 2.2). */
static inline bool
imapd_filter_is_explicit(const struct imapd_filter *f)
{
	return f->kind == IMAPD_FILTER_MAILBOXES;
}

#endif
