/* boxes.h - the accounts one message goes to: each once, in the order in which they were named.
 *
 * A group brings thousands, so membership is asked of a hash table once there are more than a few.
 * Belongs to one thread at a time. A zeroed struct is empty.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_BOXES_H
#define SMTPD_BOXES_H

#include "common/store/store.h"

struct smtpd_boxes {
	cv_acct_id *ids;
	size_t n, room;
	uint32_t *slots;   /* index + 1, 0: free; NULL while few */
	size_t slot_count; /* a power of two, at least twice n */
};

/* The place of ACCT, which is new at the end or was there before. */
size_t smtpd_boxes_add(struct smtpd_boxes *b, cv_acct_id acct);
/* The place of ACCT, or SIZE_MAX. */
size_t smtpd_boxes_find(const struct smtpd_boxes *b, cv_acct_id acct);
/* Takes out what was added since there were N. */
void smtpd_boxes_cut(struct smtpd_boxes *b, size_t n);
void smtpd_boxes_done(struct smtpd_boxes *b);

#endif
