/* workday.h - which days are worked: weekdays, but for those that a file names (OPS-06).
 *
 * A line of the file is a day off "YYYY-MM-DD", or "+YYYY-MM-DD" for a Saturday or Sunday worked
 * instead; "#" begins a comment, what follows the day is for people. Pure but for the reading.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_WORKDAY_H
#define IMAPD_WORKDAY_H

#include "common/base/err.h"
#include "common/base/str.h"

#define IMAPD_HOLIDAYS_MAX (64u << 10) /* octets of the file */

/* DAY counts from 1970-01-01. HOLIDAYS is the text of such a file; lines that are none are passed
 * over. */
bool imapd_is_workday(struct cv_str holidays, int64_t day);
/* The number of the first line that is no such line, or 0. */
unsigned imapd_holidays_fault(struct cv_str holidays);
/* Reads PATH ("": nothing is a holiday) and asks it of DAY. */
CV_MUST_CHECK enum cv_status imapd_workday_read(
	const char *path, int64_t day, bool *out, struct cv_err *err);

#endif
