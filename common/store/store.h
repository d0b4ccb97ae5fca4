/* store.h - the mailbox store: one owner process opens it; see mailbox.h and deliver.h for its use.
 *
 * Numbered invariants (ARCHITECTURE.md lists them all; `congvu store check` proves them):
 *  S1  UIDs only grow; a UID, once seen by anyone, never names another message.
 *  S2  UID, MODSEQ, quota and message row change in one batch.
 *  S3  Nothing acknowledged is lost: no answer before its ticket is durable.
 *  S4  A body is stored once; its count is never below the number of accounts that name it.
 *  S5  No row names a body that is not there.
 *  S6  Counts in mailbox rows equal the rows counted; quota used equals the sizes summed, the
 *      quarantine's aside.
 *  S7  A delivery id is applied at most once an account for 7 days.
 *  S8  After a crash every UIDNEXT and next MODSEQ is past all that were handed out.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_STORE_H
#define CV_STORE_H

#include "common/store/engine.h"

struct cv_store;

struct cv_store_options {
	struct cv_engine_options engine;
	char separator;              /* hierarchy separator in names; 0: '/' */
	const char *spool_dir;       /* for large messages on their way in; NULL:
				      * <engine.dir>/tmp */
	uint64_t restore_secs;       /* expunged messages can be restored this long; 0: 14 days */
	uint64_t default_quota_bytes;/* of accounts that have none set; 0: 2 GB */
	uint64_t max_messages;       /* in one account; 0: no limit */
	bool is_copy;                /* only looked at: nothing is reaped */
};

CV_MUST_CHECK enum cv_status cv_store_open(const struct cv_store_options *o, struct cv_store **out,
                                           struct cv_err *err);
void cv_store_close(struct cv_store *s);
/* The rows just opened are those of an older day, and clients have seen UIDs, flags and MODSEQs
 * since that these rows do not know (S1, S8): every mailbox that is there gets a new UIDVALIDITY,
 * durably, so that clients forget what they know of its UIDs. To be called before anybody is
 * served. */
CV_MUST_CHECK enum cv_status cv_store_restored(struct cv_store *s, struct cv_err *err);
struct cv_engine *cv_store_engine(struct cv_store *s);
char cv_store_separator(const struct cv_store *s);
const char *cv_store_spool_dir(const struct cv_store *s);

/* What `store check` found. With REPAIR it mends what can be mended without losing anything that
 * was acknowledged: raises or lowers counts, removes orphan bodies, recounts. */
struct cv_check_report {
	uint64_t accounts, mailboxes, messages, bodies, body_bytes;
	uint64_t dangling_rows, wrong_body_counts, orphan_bodies, wrong_mailbox_counts,
		wrong_quotas, bad_bodies, bad_rows, uid_faults, repaired;
};
CV_MUST_CHECK enum cv_status cv_store_check(struct cv_store *s, bool repair, bool read_bodies,
                                            void (*fault)(void *arg, const char *text), void *arg,
                                            struct cv_check_report *out, struct cv_err *err);

#endif
