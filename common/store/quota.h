/* quota.h - how much room an account has: its own limits, the pool it shares, and the notices.
 *
 * An account's use is the sum over its mailbox rows, so it changes in the batch of the change
 * (S6). A *pool* is a limit that several accounts share (those of an agency). Its use is the sum of
 * theirs and lives in memory alone: after a start each account is summed once, in the background,
 * and every later change of an account moves the sum. So there is nothing to be wrong after a
 * crash; until all are summed the pool refuses nobody. Two deliveries at the same moment to two
 * accounts may pass the pool's limit by what they bring.
 *
 * A *notice* is due when use has reached 75 or 90 per cent. Which was sent stands in the account's
 * head row and is written in the batch that puts the message into INBOX: once is once. It is due
 * again only after use fell ten per cent below.
 * Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_QUOTA_H
#define CV_QUOTA_H

#include "common/store/mailbox.h"

/* ---- pools ---- */
#define CV_POOL_NAME_MAX 80u
struct cv_pool_def {
	struct cv_str name;          /* at most CV_POOL_NAME_MAX bytes */
	uint64_t limit_bytes;
	const cv_acct_id *members;   /* an account is in one pool; the first one counts */
	size_t member_count;
};
/* Replaces all pools of the store. Sums that are known stay so. */
void cv_pools_set(struct cv_store *s, const struct cv_pool_def *defs, size_t count);

struct cv_pool_info {
	char name[CV_POOL_NAME_MAX + 1];
	uint64_t used_bytes, used_messages, limit_bytes;
	size_t members;
	bool is_summed; /* all members are counted */
};
/* The pool of account ID; false: it is in none. */
bool cv_pool_of(struct cv_store *s, cv_acct_id id, struct cv_pool_info *out);
/* The pool NAME; false: there is none. */
bool cv_pool_named(struct cv_store *s, struct cv_str name, struct cv_pool_info *out);
/* Sums what is not summed yet; the reaper's thread does the same after a start or a change. */
CV_MUST_CHECK enum cv_status cv_pools_sum(struct cv_store *s, struct cv_err *err);

/* What account ID holds and may hold, read without taking it into memory. CV_OK with zeros for
 * one that has no rows. */
CV_MUST_CHECK enum cv_status cv_quota_used(struct cv_store *s, cv_acct_id id,
                                           struct cv_quota *out, struct cv_err *err);

/* ---- notices ---- */
enum cv_quota_level { CV_QUOTA_FINE, CV_QUOTA_WARN, CV_QUOTA_FULL_SOON, CV_QUOTA_LEVELS };
extern const unsigned cv_quota_percent[CV_QUOTA_LEVELS]; /* 0, 75, 90 */

typedef bool cv_quota_fn(void *arg, cv_acct_id id);
/* FN is told the account whose level changed, on the changing thread: it must be quick and must not
 * call the store. True: somebody will call cv_quota_due(); false: FN is told again with the next
 * change. Set once, before the store is used. */
void cv_quota_watch(struct cv_store *s, cv_quota_fn *fn, void *arg);
/* The level of a notice that is due now, else CV_QUOTA_FINE; writes down a level that fell. */
CV_MUST_CHECK enum cv_status cv_quota_due(struct cv_acct *a, enum cv_quota_level *level_out,
                                          cv_ticket *ticket_out, struct cv_err *err);
/* Puts MESSAGE into INBOX, whatever the limits say, and remembers that LEVEL was told; CV_EXISTS
 * when no notice is due any more. */
CV_MUST_CHECK enum cv_status cv_quota_put_notice(struct cv_acct *a, enum cv_quota_level level,
                                                 struct cv_spool *message, cv_ticket *ticket_out,
                                                 struct cv_err *err);
#endif
