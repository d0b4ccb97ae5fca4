/* date.c - dates as mail, IMAP and people write them. See date.h.
 *
 * Readers work on a cursor over the slice; each returns false as soon as the text is no date. Days
 * are counted in eras of 400 years that start on 1 March, so that leap days come last.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/date.h"

#define DAY_SECS 86400
#define ERA_DAYS 146097 /* 400 Gregorian years */
#define EPOCH_SHIFT 719468 /* days from 0000-03-01 to 1970-01-01 */

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

int64_t
cv_days_from_civil(int year, int month, int day)
{
	int64_t y = month <= 2 ? (int64_t)year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * ERA_DAYS + day_of_era - EPOCH_SHIFT;
}

void
cv_civil_from_days(int64_t days, struct cv_civil *out)
{
	int64_t z = days + EPOCH_SHIFT;
	int64_t era = (z >= 0 ? z : z - (ERA_DAYS - 1)) / ERA_DAYS;
	int64_t day_of_era = z - era * ERA_DAYS;
	int64_t leap_days = day_of_era / 1460 - day_of_era / 36524 + day_of_era / (ERA_DAYS - 1);
	int64_t year_of_era = (day_of_era - leap_days) / 365;
	int64_t first_day = 365 * year_of_era + year_of_era / 4 - year_of_era / 100;
	int64_t day_of_year = day_of_era - first_day;
	int64_t month_from_march = (5 * day_of_year + 2) / 153;

	out->day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
	out->month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
	out->year = (int)(year_of_era + era * 400 + (out->month <= 2));
	out->weekday = (int)(((days + 4) % 7 + 7) % 7);
}

bool
cv_civil_is_valid(int year, int month, int day)
{
	static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1)
		return false;
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return day <= lengths[month - 1] + (month == 2 && leap);
}

static int64_t
local_secs(struct cv_date date)
{
	static const int64_t first = -719162LL * DAY_SECS, last = 2932897LL * DAY_SECS - 1;
	int64_t secs = CV_MAX(CV_MIN(date.unix_secs, last), first);
	secs += (int64_t)date.zone_min * 60;
	return CV_MAX(CV_MIN(secs, last), first);
}

int64_t
cv_date_local_days(struct cv_date date)
{
	int64_t secs = local_secs(date);
	return (secs >= 0 ? secs : secs - (DAY_SECS - 1)) / DAY_SECS;
}

void
cv_date_civil(struct cv_date date, struct cv_civil *out)
{
	int64_t days = cv_date_local_days(date);
	int64_t in_day = local_secs(date) - days * DAY_SECS;
	cv_civil_from_days(days, out);
	out->hour = (int)(in_day / 3600);
	out->minute = (int)(in_day / 60 % 60);
	out->second = (int)(in_day % 60);
}

struct cv_date
cv_date_at(int64_t unix_secs, int zone_min)
{
	return (struct cv_date){.unix_secs = unix_secs,
	                        .zone_min = CV_MAX(CV_MIN(zone_min, CV_ZONE_MAX), -CV_ZONE_MAX)};
}

/* ---- reading ---- */

struct cursor {
	const unsigned char *p, *end;
};

static struct cursor
cursor_of(struct cv_str in)
{
	const unsigned char *p = (const unsigned char *)in.p;
	return (struct cursor){p, in.n ? p + in.n : p};
}

static bool
take_byte(struct cursor *c, char byte)
{
	if (c->p == c->end || *c->p != (unsigned char)byte)
		return false;
	c->p++;
	return true;
}

/* Between MIN and MAX digits; no more may follow. */
static bool
take_number(struct cursor *c, int min, int max, int *value_out, int *digits_out)
{
	int value = 0, digits = 0;
	for (; c->p < c->end && cv_is_digit(*c->p) && digits < max; digits++)
		value = value * 10 + (*c->p++ - '0');
	if (digits < min || (c->p < c->end && cv_is_digit(*c->p)))
		return false;
	*value_out = value;
	if (digits_out)
		*digits_out = digits;
	return true;
}

/* Blanks, line ends and comments; false when a comment does not end. */
static bool
skip_cfws(struct cursor *c)
{
	size_t depth = 0;
	for (; c->p < c->end; c->p++) {
		if (*c->p == '(')
			depth++;
		else if (*c->p == ')' && depth)
			depth--;
		else if (*c->p == '\\' && depth && c->end - c->p > 1)
			c->p++;
		else if (!depth && *c->p != ' ' && *c->p != '\t' && *c->p != '\r' && *c->p != '\n')
			break;
	}
	return depth == 0;
}

static struct cv_str
take_word(struct cursor *c)
{
	const unsigned char *start = c->p;
	while (c->p < c->end && cv_is_alpha(*c->p))
		c->p++;
	return cv_str((const char *)start, (size_t)(c->p - start));
}

static bool
take_month(struct cursor *c, bool exact, int *month_out)
{
	struct cv_str word = take_word(c);
	if (word.n < 3 || (exact && word.n != 3))
		return false;
	for (int i = 0; i < 12; i++) {
		if (cv_str_ieq(cv_str(word.p, 3), cv_str(month_names[i], 3))) {
			*month_out = i + 1;
			return true;
		}
	}
	return false;
}

static bool
date_from(const struct cv_civil *t, int zone_min, bool zone_unknown, struct cv_date *out)
{
	if (!cv_civil_is_valid(t->year, t->month, t->day) || t->hour > 23 || t->minute > 59 ||
	    t->second > 60)
		return false;
	int64_t secs = cv_days_from_civil(t->year, t->month, t->day) * DAY_SECS +
	               (int64_t)t->hour * 3600 + (int64_t)t->minute * 60 + CV_MIN(t->second, 59);
	*out = (struct cv_date){secs - (int64_t)zone_min * 60, zone_min, zone_unknown};
	return true;
}

/* "+hhmm" or "-hhmm"; STRICT refuses minutes over 59. */
static bool
take_zone_digits(struct cursor *c, bool strict, int *zone_out, bool *unknown_out)
{
	int value, sign = take_byte(c, '-') ? -1 : take_byte(c, '+') ? 1 : 0;
	if (!sign || !take_number(c, 4, 4, &value, NULL))
		return false;
	if (value % 100 > 59) {
		if (strict)
			return false;
		*unknown_out = true; /* a number that means nothing: the time stands as UTC */
		return true;
	}
	*zone_out = sign * (value / 100 * 60 + value % 100);
	*unknown_out = sign < 0 && value == 0;
	return true;
}

/* The zone of a mail date, RFC 5322 4.3. A missing or unheard-of zone is UTC, marked unknown. */
static void
take_mail_zone(struct cursor *c, int *zone_out, bool *unknown_out)
{
	static const struct { const char *name; int hours; } zones[] = {
		{ "UT", 0 }, { "GMT", 0 }, { "UTC", 0 }, { "Z", 0 },
		{ "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
		{ "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 },
	};
	*zone_out = 0;
	*unknown_out = true;
	if (c->p < c->end && (*c->p == '+' || *c->p == '-')) {
		if (!take_zone_digits(c, false, zone_out, unknown_out))
			*zone_out = 0;
		return;
	}
	struct cv_str word = take_word(c);
	for (size_t i = 0; i < CV_COUNT(zones); i++) {
		if (cv_str_ieq_z(word, zones[i].name)) {
			*zone_out = zones[i].hours * 60;
			*unknown_out = false;
			return;
		}
	}
}

/* RFC 5322 4.3: 00-49 are this century, 50-99 and three digits the last. */
static int
full_year(int year, int digits)
{
	if (digits == 2)
		return year + (year < 50 ? 2000 : 1900);
	return digits == 3 ? year + 1900 : year;
}

static bool
take_mail_day(struct cursor *c, struct cv_civil *t)
{
	int digits;
	if (!skip_cfws(c))
		return false;
	if (c->p < c->end && cv_is_alpha(*c->p)) { /* the day's name is not checked: it is often
						    * wrong */
		if (take_word(c).n < 3 || !skip_cfws(c))
			return false;
		take_byte(c, ',');
		if (!skip_cfws(c))
			return false;
	}
	if (!take_number(c, 1, 2, &t->day, NULL) || !skip_cfws(c))
		return false;
	bool dashes = take_byte(c, '-'); /* "17-Jul-1996", as old news programs wrote */
	if (!take_month(c, false, &t->month) || !skip_cfws(c) || (dashes && !take_byte(c, '-')))
		return false;
	if (!take_number(c, 2, 4, &t->year, &digits))
		return false;
	t->year = full_year(t->year, digits);
	return true;
}

static bool
take_mail_time(struct cursor *c, struct cv_civil *t)
{
	if (!skip_cfws(c) || !take_number(c, 1, 2, &t->hour, NULL) || !skip_cfws(c))
		return false;
	if (!take_byte(c, ':') || !skip_cfws(c) || !take_number(c, 2, 2, &t->minute, NULL))
		return false;
	if (!skip_cfws(c))
		return false;
	if (take_byte(c, ':'))
		return skip_cfws(c) && take_number(c, 2, 2, &t->second, NULL);
	return true;
}

enum cv_status
cv_date_parse_mail(struct cv_str in, struct cv_date *out)
{
	struct cursor c = cursor_of(in);
	struct cv_civil t = {0};
	int zone = 0;
	bool unknown = true;
	if (in.n > CV_DATE_FIELD_MAX || !take_mail_day(&c, &t) || !take_mail_time(&c, &t))
		return CV_INVALID;
	if (skip_cfws(&c))
		take_mail_zone(&c, &zone, &unknown);
	return date_from(&t, zone, unknown, out) ? CV_OK : CV_INVALID;
}

enum cv_status
cv_date_parse_imap_day(struct cv_str in, int64_t *days_out)
{
	struct cv_civil t = {0};
	if (in.n >= 2 && in.p[0] == '"' && in.p[in.n - 1] == '"')
		in = cv_str_sub(in, 1, in.n - 1);
	struct cursor c = cursor_of(in);
	if (!take_number(&c, 1, 2, &t.day, NULL) || !take_byte(&c, '-') ||
	    !take_month(&c, true, &t.month) || !take_byte(&c, '-') ||
	    !take_number(&c, 4, 4, &t.year, NULL) || c.p != c.end ||
	    !cv_civil_is_valid(t.year, t.month, t.day))
		return CV_INVALID;
	*days_out = cv_days_from_civil(t.year, t.month, t.day);
	return CV_OK;
}

/* "hh:mm:ss", two digits each. */
static bool
take_clock(struct cursor *c, struct cv_civil *t)
{
	return take_number(c, 2, 2, &t->hour, NULL) && take_byte(c, ':') &&
	       take_number(c, 2, 2, &t->minute, NULL) && take_byte(c, ':') &&
	       take_number(c, 2, 2, &t->second, NULL);
}

enum cv_status
cv_date_parse_imap(struct cv_str in, struct cv_date *out)
{
	struct cursor c = cursor_of(in);
	struct cv_civil t = {0};
	int zone = 0;
	bool unknown = false;
	/* date-day-fixed is two digits, or a blank and one (RFC 3501 section 9); one alone is
	 * taken. */
	bool blank = take_byte(&c, ' ');
	if (!take_number(&c, 1, blank ? 1 : 2, &t.day, NULL) || !take_byte(&c, '-') ||
	    !take_month(&c, true, &t.month) || !take_byte(&c, '-') ||
	    !take_number(&c, 4, 4, &t.year, NULL) || !take_byte(&c, ' ') || !take_clock(&c, &t) ||
	    !take_byte(&c, ' ') || !take_zone_digits(&c, true, &zone, &unknown) || c.p != c.end)
		return CV_INVALID;
	return date_from(&t, zone, unknown, out) ? CV_OK : CV_INVALID;
}

static bool
take_iso_zone(struct cursor *c, int *zone_out, bool *unknown_out)
{
	int hours, minutes;
	if (take_byte(c, 'Z') || take_byte(c, 'z'))
		return true;
	int sign = take_byte(c, '-') ? -1 : take_byte(c, '+') ? 1 : 0;
	if (!sign || !take_number(c, 2, 2, &hours, NULL) || !take_byte(c, ':') ||
	    !take_number(c, 2, 2, &minutes, NULL) || minutes > 59)
		return false;
	*zone_out = sign * (hours * 60 + minutes);
	*unknown_out = sign < 0 && *zone_out == 0;
	return true;
}

/* ".123": read and dropped. */
static bool
skip_fraction(struct cursor *c)
{
	if (!take_byte(c, '.'))
		return true;
	const unsigned char *start = c->p;
	while (c->p < c->end && cv_is_digit(*c->p))
		c->p++;
	return c->p > start;
}

enum cv_status
cv_date_parse_iso(struct cv_str in, int default_zone_min, struct cv_date *out)
{
	struct cursor c = cursor_of(in);
	struct cv_civil t = {0};
	int zone = 0;
	bool unknown = false;
	if (!take_number(&c, 4, 4, &t.year, NULL) || !take_byte(&c, '-') ||
	    !take_number(&c, 2, 2, &t.month, NULL) || !take_byte(&c, '-') ||
	    !take_number(&c, 2, 2, &t.day, NULL))
		return CV_INVALID;
	if (c.p == c.end) {
		zone = default_zone_min;
	} else {
		if (!take_byte(&c, 'T') && !take_byte(&c, 't') && !take_byte(&c, ' '))
			return CV_INVALID;
		if (!take_clock(&c, &t) || !skip_fraction(&c) ||
		    !take_iso_zone(&c, &zone, &unknown) || c.p != c.end)
			return CV_INVALID;
	}
	return date_from(&t, zone, unknown, out) ? CV_OK : CV_INVALID;
}

enum cv_status
cv_date_parse_vn(struct cv_str in, int64_t *days_out)
{
	struct cursor c = cursor_of(in);
	struct cv_civil t = {0};
	if (!take_number(&c, 1, 2, &t.day, NULL) || c.p == c.end)
		return CV_INVALID;
	char sep = (char)*c.p;
	if ((sep != '/' && sep != '-' && sep != '.') || !take_byte(&c, sep) ||
	    !take_number(&c, 1, 2, &t.month, NULL) || !take_byte(&c, sep) ||
	    !take_number(&c, 4, 4, &t.year, NULL) || c.p != c.end ||
	    !cv_civil_is_valid(t.year, t.month, t.day))
		return CV_INVALID;
	*days_out = cv_days_from_civil(t.year, t.month, t.day);
	return CV_OK;
}

/* ---- writing ---- */

/* "+0700", or with SEP ':' "+07:00". Whoever does not know the zone says so with "-0000". */
static void
write_zone(struct cv_buf *out, struct cv_date date, const char *sep)
{
	int minutes = date.zone_min < 0 ? -date.zone_min : date.zone_min;
	bool minus = date.zone_min < 0 || date.is_zone_unknown;
	cv_buf_printf(out, "%c%02d%s%02d", minus ? '-' : '+', minutes / 60, sep, minutes % 60);
}

void
cv_date_write_mail(struct cv_buf *out, struct cv_date date)
{
	struct cv_civil t;
	cv_date_civil(date, &t);
	cv_buf_printf(out, "%s, %02d %s %04d %02d:%02d:%02d ", day_names[t.weekday], t.day,
	              month_names[t.month - 1], t.year, t.hour, t.minute, t.second);
	write_zone(out, date, "");
}

void
cv_date_write_imap(struct cv_buf *out, struct cv_date date)
{
	struct cv_civil t;
	cv_date_civil(date, &t);
	cv_buf_printf(out, "%2d-%s-%04d %02d:%02d:%02d ", t.day, month_names[t.month - 1], t.year,
	              t.hour, t.minute, t.second);
	write_zone(out, date, "");
}

void
cv_date_write_iso(struct cv_buf *out, struct cv_date date)
{
	struct cv_civil t;
	cv_date_civil(date, &t);
	cv_buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", t.year, t.month, t.day, t.hour,
	              t.minute, t.second);
	write_zone(out, date, ":");
}

void
cv_date_write_iso_day(struct cv_buf *out, struct cv_date date)
{
	struct cv_civil t;
	cv_date_civil(date, &t);
	cv_buf_printf(out, "%04d-%02d-%02d", t.year, t.month, t.day);
}

void
cv_date_write_vn(struct cv_buf *out, struct cv_date date)
{
	struct cv_civil t;
	cv_date_civil(date, &t);
	cv_buf_printf(out, "%02d/%02d/%04d", t.day, t.month, t.year);
}

void
cv_date_write_vn_time(struct cv_buf *out, struct cv_date date)
{
	struct cv_civil t;
	cv_date_civil(date, &t);
	cv_buf_printf(out, "%02d:%02d ", t.hour, t.minute);
	cv_date_write_vn(out, date);
}
