/* use.h - use of mail that was counted elsewhere: brought along from an older system (REP-01).
 *
 * A span is what one account did in some days: in one day, or in a month of which only sums are
 * known. Putting a span again replaces it. Counts only. Row "U" + account + first day + days of the
 * counters' account. Threads: all calls from any thread of the owner process.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_USE_H
#define CV_USE_H

#include "common/audit/audit.h"

#define CV_USE_DAYS_MAX 366u

struct cv_use_span {
	cv_acct_id acct;
	uint32_t from_day, days;          /* days since 1970; 1 to CV_USE_DAYS_MAX */
	uint32_t active;                  /* working days on which mail was sent or opened */
	uint32_t sent, received, opened;
};
/* Writes COUNT spans, some thousand at a time. */
CV_MUST_CHECK enum cv_status cv_use_put(
	struct cv_audit *a, const struct cv_use_span *spans, size_t count, struct cv_err *err);
/* The spans of ACCT that lie whole in [from_day, to_day], ascending. */
CV_MUST_CHECK enum cv_status cv_use_each(struct cv_audit *a, cv_acct_id acct, uint32_t from_day,
	uint32_t to_day, bool (*fn)(void *arg, const struct cv_use_span *s), void *arg,
	struct cv_err *err);

#endif
