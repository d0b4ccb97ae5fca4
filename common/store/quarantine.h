/* quarantine.h - what a filter held back from a box, until its owner or time decides.
 *
 * Each account has at most one mailbox of this use. It is a mailbox like others in rows, batches,
 * restore, export and check, so S1 to S8 hold for it; three things set it apart:
 *  - its name is no valid mailbox name, and no list has it: nothing that takes a name from a client
 *    (IMAP, POP3, METADATA, URLs) can reach it; only the functions below and deliver.h's folder
 *    "\Quarantine" do. The delivery that needs it makes it.
 *  - it is no part of the account's quota, nor of a pool's: strangers must not be able to fill a
 *    box. It has limits of its own instead. Past them the oldest messages go and are counted
 *    (cv_quarantine_dropped) until somebody was told.
 *  - its messages go after `keep_secs`. What goes, by time, by the limits or by hand, cannot be
 *    restored by the account's owner; its body waits for the reaper as others do.
 * \Seen on a message in it means: its owner was told of it.
 * Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_QUARANTINE_H
#define CV_QUARANTINE_H

#include "common/store/mailbox.h"

#define CV_QUARANTINE_FOLDER "\\Quarantine" /* in a struct cv_deliver_rcpt */

struct cv_quarantine_limits {
	uint32_t max_messages; /* in one account; 0: 1000 */
	uint64_t max_bytes;    /* in one account; 0: 100 MB */
	int64_t keep_secs;     /* 0: 30 days */
};
/* At any time; what is over new limits goes with the account's next delivery or the next pass. */
void cv_quarantine_limit(struct cv_store *s, const struct cv_quarantine_limits *limits);
int64_t cv_quarantine_keep_secs(struct cv_store *s);

struct cv_quarantine_counts {
	uint32_t messages, untold;
	uint64_t size_bytes;
};
/* Of account ID, without taking it into memory; zeros when there is nothing. */
CV_MUST_CHECK enum cv_status cv_quarantine_count(struct cv_store *s, cv_acct_id id,
                                                 struct cv_quarantine_counts *out,
                                                 struct cv_err *err);
/* A handle as from cv_mbox_open(). CV_NOT_FOUND: nothing was ever held. */
CV_MUST_CHECK enum cv_status cv_quarantine_open(struct cv_acct *a, struct cv_mbox **out,
                                                struct cv_err *err);
/* How many messages the limits pushed out since the last call with FORGET. */
CV_MUST_CHECK enum cv_status cv_quarantine_dropped(struct cv_acct *a, bool forget,
                                                   uint32_t *count_out, struct cv_err *err);
/* Takes away what is older than keep_secs at NOW_SECS, and what is over the limits: the reaper. */
CV_MUST_CHECK enum cv_status cv_quarantine_tidy(struct cv_store *s, cv_acct_id id,
                                                int64_t now_secs, struct cv_err *err);

#endif
