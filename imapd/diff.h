/* diff.h - what happened to a mailbox between two views, in the order a client must hear it. Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_DIFF_H
#define IMAPD_DIFF_H

#include "common/store/mailbox.h"

struct imapd_change {
	uint32_t seq; /* in the new view */
	const struct cv_entry *entry;
	const struct cv_entry *old; /* as it was; the old view's */
};

struct imapd_diff {
	uint32_t *expunged; /* message numbers in the old view, ascending */
	uint32_t expunged_count;
	struct imapd_change *changed; /* entries in both whose MODSEQ grew, ascending */
	uint32_t changed_count;
	uint32_t arrived; /* entries only in the new view: its last ones */
};

/* Compares page by page: pages the views share cost nothing. The result is in ARENA. */
void imapd_view_diff(const struct cv_view *old_view, const struct cv_view *new_view,
	struct cv_arena *arena, struct imapd_diff *out);

#endif
