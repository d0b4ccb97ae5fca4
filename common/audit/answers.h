/* answers.h - what arrived from outside in agency and role boxes, and when it was answered
 * (DOC-02).
 *
 * Message ids are kept as hashes; no subjects, no correspondents. Rows of an account of the audit:
 * "M" + box + time + UID: an arrival; "R" + hash of a message id: when one of our accounts first
 * sent something that refers to it; "F" + box + mailbox + UID: when somebody set \Answered there.
 * An arrival counts as answered by either. Commits do not wait for the disk: a crash loses at most
 * what was noted since the last sync.
 * Threads: all calls from any thread of the owner process.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ANSWERS_H
#define CV_ANSWERS_H

#include "common/store/deliver.h"

#define CV_ANSWERS_KEEP_SECS (400 * 86400ll) /* longer than a year's report looks back */

struct cv_arrival_note {
	cv_acct_id box;
	int64_t secs;
	uint32_t mailbox, uid;
	uint8_t email_id[16];
	uint8_t message[CV_SENT_HASH]; /* cv_sent_hash() of its Message-ID; zeros without one */
	/* filled by cv_answers_each() */
	int64_t answered_secs;         /* 0: not yet */
};
CV_MUST_CHECK enum cv_status cv_answers_arrived(
	struct cv_store *s, const struct cv_arrival_note *n, struct cv_err *err);
/* Something that refers to these COUNT messages went out at SECS. The first time counts. */
CV_MUST_CHECK enum cv_status cv_answers_sent(struct cv_store *s,
	const uint8_t (*messages)[CV_SENT_HASH], size_t count, int64_t secs, struct cv_err *err);
/* Somebody marked these UIDs of MAILBOX of BOX as answered at SECS. The first time counts. */
CV_MUST_CHECK enum cv_status cv_answers_flagged(struct cv_store *s, cv_acct_id box,
	uint32_t mailbox, const uint32_t *uids, size_t count, int64_t secs, struct cv_err *err);
/* The arrivals in BOX in [from_secs, to_secs), in order. */
CV_MUST_CHECK enum cv_status cv_answers_each(struct cv_store *s, cv_acct_id box, int64_t from_secs,
	int64_t to_secs, bool (*fn)(void *arg, const struct cv_arrival_note *n), void *arg,
	struct cv_err *err);
/* Removes rows of what happened before CV_ANSWERS_KEEP_SECS, and damaged ones. The daemon's log of
 * readers calls it every six hours (access.c). */
CV_MUST_CHECK enum cv_status cv_answers_expire(
	struct cv_store *s, int64_t now_secs, struct cv_err *err);

#endif
