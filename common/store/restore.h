/* restore.h - messages that were removed, and mailboxes that were deleted, come back.
 *
 * What EXPUNGE, POP3 or the deletion of a mailbox takes away keeps its rows and bodies for the
 * restore window (store.h: restore_secs). A restored message is a new one in its mailbox: new UID
 * and MODSEQ, the same body (its count stays), internal date, EMAILID, keywords and flags but
 * \Deleted. It leaves the list of what can be restored in the batch that brings it back, so that
 * repeating a restore, also after a crash, brings back each message once. Moved messages live on
 * elsewhere and are not in it.
 * Threads: any; the account's lock is held for a thousand messages at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_RESTORE_H
#define CV_RESTORE_H

#include "common/store/mailbox.h"

struct cv_restorable {
	struct cv_str mailbox;     /* its name when the message went */
	bool is_box;               /* the whole mailbox was deleted */
	int64_t removed_secs, until_secs;
	uint32_t flags;            /* CV_FLAG_*, as they were */
	const struct cv_msg *msg;  /* NULL: a deleted mailbox without messages */
};
struct cv_restore_options {
	struct cv_str mailbox;            /* only what was there, then or by its present name; p
	                                   * NULL: all */
	int64_t since_secs, before_secs;  /* removed at or after, and before; 0: open */
	struct cv_str to;                 /* the mailbox that gets all; p NULL: where it was.
	                                   * Missing ones are made */
	bool dry_run;                     /* choose and count, change nothing */
	bool with_summary;                /* WANT needs msg->summary */
	/* Chooses; NULL: all. Called with the account locked: it must not call the store. */
	bool (*want)(void *arg, const struct cv_restorable *r);
	void *arg;
};
struct cv_restore_report {
	uint64_t messages, size_bytes; /* restored; chosen, with dry_run */
	uint64_t mailboxes;            /* made for them */
	uint64_t without_row;          /* damaged: nothing left to restore */
};
/* CV_OVERQUOTA (err says how much room is missing) before anything changed. Other failures may
 * leave a part restored: the same call goes on with the rest. */
CV_MUST_CHECK enum cv_status cv_acct_restore(struct cv_acct *a, const struct cv_restore_options *o,
                                             struct cv_restore_report *report,
                                             cv_ticket *ticket_out, struct cv_err *err);

#endif
