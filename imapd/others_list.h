/* others_list.h - the mailboxes of others among the rows of LIST and LSUB. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_OTHERS_LIST_H
#define IMAPD_OTHERS_LIST_H

#include "imapd/conn.h"

/* Adds to the BOXES of the person, who has *COUNT, what of others PATTERNS may match: the levels
 * above (not selectable) and the mailboxes, with the person's own subscriptions. The array is
 * replaced by one in the command's arena. Accounts are opened only when a pattern reaches below
 * their level. */
CV_MUST_CHECK enum cv_status imapd_list_others(struct imapd_conn *c, const struct cv_str *patterns,
	size_t pattern_count, struct cv_mbox_info **boxes, size_t *count, struct cv_err *err);

#endif
