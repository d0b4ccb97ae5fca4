/* calendar.h - working days and working hours of a province (OPS-06), and terms counted in them.
 *
 * A line of a holiday list is a day off "YYYY-MM-DD", the same day of every year "*-MM-DD", or
 * "+YYYY-MM-DD" for a Saturday or Sunday that is worked; "#" begins a comment, what follows the day
 * is for people. Later lines win. Saturdays and Sundays are off unless such a line says otherwise.
 * Hours are spans of a working day, ascending: "07:30-11:30 13:30-17:00".
 * Days count from 1970-01-01 in Vietnam's zone; moments are Unix seconds.
 * Pure; a calendar is not changed once it is made, so any thread may ask it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_CALENDAR_H
#define CV_CALENDAR_H

#include "common/base/err.h"
#include "common/base/str.h"

#define CV_HOLIDAYS_MAX (64u << 10) /* octets of a list */
#define CV_HOURS_DEFAULT "07:30-11:30 13:30-17:00"
#define CV_WORKDAYS_MAX 3660 /* a term of more working days is cut to this */

struct cv_calendar;

/* Reads both; HOLIDAYS without octets (p NULL) is the list that comes with the program
 * (conf/policy/holidays.txt), empty HOURS are CV_HOURS_DEFAULT. CV_INVALID names the line or the
 * span at fault. */
CV_MUST_CHECK enum cv_status cv_calendar_new(struct cv_str holidays, struct cv_str hours,
                                             struct cv_calendar **out, struct cv_err *err);
void cv_calendar_free(struct cv_calendar *c);
/* The day in Vietnam of SECS, and its midnight. */
int64_t cv_calendar_day(int64_t secs);
int64_t cv_calendar_midnight(int64_t day);

bool cv_calendar_is_workday(const struct cv_calendar *c, int64_t day);
/* The Nth working day after DAY; N 0: DAY itself, or the first working day after it. */
int64_t cv_calendar_workday_after(const struct cv_calendar *c, int64_t day, unsigned n);
/* Working days in [FROM, UNTIL). */
unsigned cv_calendar_workdays(const struct cv_calendar *c, int64_t from, int64_t until);
/* The end of work on the Nth working day after the day of SECS: what came in on a day off, or after
 * hours, counts from the next working day on. */
int64_t cv_calendar_deadline(const struct cv_calendar *c, int64_t secs, unsigned workdays);
/* Working time in [FROM, UNTIL), in seconds; at most CV_WORKDAYS_MAX days are looked at. */
int64_t cv_calendar_work_secs(const struct cv_calendar *c, int64_t from, int64_t until);
bool cv_calendar_is_working_time(const struct cv_calendar *c, int64_t secs);
/* The last year that a line of the list names; 0 when none does. */
int cv_calendar_last_year(const struct cv_calendar *c);

#endif
