/* grants.h - which accounts give rights to whom, over all accounts, for who looks for what is
 * shared with a person without opening 12,000 accounts.
 *
 * A row for each pair of account and identifier that has a positive entry in one of its mailboxes'
 * lists (acl.h), in an account of the store's own. It is written before the list and taken away
 * after it, so there may be a row too many after a crash, never one too few: who finds a row must
 * still look at the lists.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_GRANTS_H
#define CV_GRANTS_H

#include "common/store/store.h"

/* Calls FN for every row, by owner, until it answers false. */
typedef bool cv_grant_fn(void *arg, cv_acct_id owner, struct cv_str id);
CV_MUST_CHECK enum cv_status cv_grants_each(
	struct cv_store *s, cv_grant_fn *fn, void *arg, struct cv_err *err);
/* Another number after each change of the rows; without a lock. */
uint64_t cv_grants_version(struct cv_store *s);

#endif
