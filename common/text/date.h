/* date.h - dates as mail, IMAP and people write them; our own calendar arithmetic.
 *
 * The proleptic Gregorian calendar, no leap seconds (second 60 is read as 59), no time zone files.
 * Pure functions, no I/O, thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_DATE_H
#define CV_DATE_H

#include "common/base/buf.h"

#define CV_DATE_FIELD_MAX 1000     /* octets of a date field that is read */
#define CV_ZONE_VIETNAM (7 * 60)   /* minutes east; no daylight saving */
#define CV_ZONE_MAX (99 * 60 + 59) /* what four digits can say */

struct cv_date {
	int64_t unix_secs;
	int zone_min;         /* minutes east of Greenwich, as written */
	bool is_zone_unknown; /* "-0000" or a zone without meaning: the time is UTC */
};

struct cv_civil {
	int year;         /* 1 .. 9999 */
	int month, day;   /* from 1 */
	int hour, minute, second;
	int weekday;      /* 0 is Sunday */
};

/* Days since 1970-01-01. */
int64_t cv_days_from_civil(int year, int month, int day);
void cv_civil_from_days(int64_t days, struct cv_civil *out); /* leaves the time of day alone */
bool cv_civil_is_valid(int year, int month, int day);
/* What a clock in the date's own zone shows. Years outside 1..9999 are clamped. */
void cv_date_civil(struct cv_date date, struct cv_civil *out);
/* Days since 1970-01-01 of the day that the date's own zone has: SENTON, SENTBEFORE compare
 * this. */
int64_t cv_date_local_days(struct cv_date date);
struct cv_date cv_date_at(int64_t unix_secs, int zone_min);

/* Reading. CV_INVALID when the text is no date; *out is then untouched. */

/* RFC 5322 3.3 and 4.3: day name, comments and folding allowed, names of zones, years of two and
 * three digits, missing seconds or zone. Text after the zone is ignored. */
CV_MUST_CHECK enum cv_status cv_date_parse_mail(struct cv_str in, struct cv_date *out);
/* IMAP date, "1-Feb-1994" or "01-Feb-1994", quoted or not: days since 1970-01-01. */
CV_MUST_CHECK enum cv_status cv_date_parse_imap_day(struct cv_str in, int64_t *days_out);
/* IMAP date-time without its quotes: "17-Jul-1996 02:44:25 -0700", day with blank or zero first. */
CV_MUST_CHECK enum cv_status cv_date_parse_imap(struct cv_str in, struct cv_date *out);
/* RFC 3339: "2026-11-22T08:00:00+07:00", "T" or a blank, fraction dropped, "Z"; or the day alone,
 * which is midnight in DEFAULT_ZONE_MIN. */
CV_MUST_CHECK enum cv_status cv_date_parse_iso(struct cv_str in, int default_zone_min,
                                               struct cv_date *out);
/* Vietnamese "22/11/2026", also "-" or "." between, one or two digits: days since 1970-01-01. */
CV_MUST_CHECK enum cv_status cv_date_parse_vn(struct cv_str in, int64_t *days_out);

/* Writing, appended to OUT. */
/* Sun, 22 Nov 2026 08:00:00 +0700 */
void cv_date_write_mail(struct cv_buf *out, struct cv_date date);
void cv_date_write_imap(struct cv_buf *out, struct cv_date date); /* 22-Nov-2026 08:00:00 +0700 */
void cv_date_write_iso(struct cv_buf *out, struct cv_date date);  /* 2026-11-22T08:00:00+07:00 */
void cv_date_write_iso_day(struct cv_buf *out, struct cv_date date); /* 2026-11-22 */
void cv_date_write_vn(struct cv_buf *out, struct cv_date date);   /* 22/11/2026 */
void cv_date_write_vn_time(struct cv_buf *out, struct cv_date date); /* 08:00 22/11/2026 */

#endif
