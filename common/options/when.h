/* when.h - times that come again, as an option says them: when a job of the scheduler runs.
 *
 *   off
 *   every 5m                 every so many minutes, from midnight UTC on (1m to 24h)
 *   hourly | hourly :20      once an hour, at that minute
 *   daily 02:30
 *   weekly mon 02:30         mon tue wed thu fri sat sun
 *   monthly 1 02:30          the last day in months that are shorter
 *
 * In the process's time zone (TZ). Pure but for that; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_WHEN_H
#define CV_WHEN_H

#include "common/base/err.h"
#include "common/base/str.h"

enum cv_when_kind { CV_WHEN_OFF, CV_WHEN_EVERY, CV_WHEN_DAILY, CV_WHEN_WEEKLY, CV_WHEN_MONTHLY };
struct cv_when {
	enum cv_when_kind kind;
	unsigned every_secs, offset_secs; /* EVERY */
	unsigned day;                     /* WEEKLY: 0 is Sunday; MONTHLY: from 1 */
	unsigned hour, minute;
};

CV_MUST_CHECK enum cv_status cv_when_parse(
	struct cv_str text, struct cv_when *out, struct cv_err *err);
/* The last time at or before T, in Unix seconds; 0 when off. */
int64_t cv_when_before(const struct cv_when *w, int64_t t);
/* The first time after T; INT64_MAX when off. */
int64_t cv_when_after(const struct cv_when *w, int64_t t);

#endif
