/* when.c - see when.h. Days are walked by the calendar, so that a day with 23 hours is one too. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/options/when.h"

#include <string.h>
#include <time.h>

#define DAY_SECS 86400

static const char *const weekdays[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

/* ---- reading ---- */

static bool
take_number(struct cv_str text, uint64_t max, unsigned *out)
{
	uint64_t value;

	if (!text.n || cv_str_u64(text, max, &value) != CV_OK)
		return false;
	*out = (unsigned)value;
	return true;
}

/* "02:30" */
static bool
take_clock(struct cv_str word, struct cv_when *w)
{
	size_t colon = cv_str_find(word, ':', 0);

	return colon <= 2 && word.n == colon + 3 &&
	       take_number(cv_str_sub(word, 0, colon), 23, &w->hour) &&
	       take_number(cv_str_sub(word, colon + 1, word.n), 59, &w->minute);
}

static bool
take_every(struct cv_str word, struct cv_when *w)
{
	unsigned n, unit = word.n && word.p[word.n - 1] == 'h' ? 3600 : 60;

	if (!word.n || (word.p[word.n - 1] != 'h' && word.p[word.n - 1] != 'm') ||
		!take_number(cv_str_sub(word, 0, word.n - 1), 1440, &n))
		return false;
	w->every_secs = n * unit;
	return n > 0 && w->every_secs <= DAY_SECS;
}

static bool
take_weekday(struct cv_str word, struct cv_when *w)
{
	for (unsigned i = 0; i < CV_COUNT(weekdays); i++)
		if (cv_str_ieq_z(word, weekdays[i])) {
			w->day = i;
			return true;
		}
	return false;
}

static bool
take_words(const struct cv_str *words, size_t n, struct cv_when *w)
{
	unsigned minute = 0;

	if (n == 1 && cv_str_ieq_z(words[0], "off"))
		return true;
	if (n == 2 && cv_str_ieq_z(words[0], "every")) {
		w->kind = CV_WHEN_EVERY;
		return take_every(words[1], w);
	}
	if (cv_str_ieq_z(words[0], "hourly")) {
		w->kind = CV_WHEN_EVERY;
		w->every_secs = 3600;
		bool well = n == 1 || (n == 2 && words[1].n == 3 && words[1].p[0] == ':' &&
					      take_number(cv_str_sub(words[1], 1, 3), 59, &minute));
		w->offset_secs = minute * 60;
		return well;
	}
	if (n == 2 && cv_str_ieq_z(words[0], "daily")) {
		w->kind = CV_WHEN_DAILY;
		return take_clock(words[1], w);
	}
	if (n == 3 && cv_str_ieq_z(words[0], "weekly")) {
		w->kind = CV_WHEN_WEEKLY;
		return take_weekday(words[1], w) && take_clock(words[2], w);
	}
	if (n == 3 && cv_str_ieq_z(words[0], "monthly")) {
		w->kind = CV_WHEN_MONTHLY;
		return take_number(words[1], 31, &w->day) && w->day && take_clock(words[2], w);
	}
	return false;
}

enum cv_status
cv_when_parse(struct cv_str text, struct cv_when *out, struct cv_err *err)
{
	struct cv_str words[4], rest = text, word;
	size_t n = 0;

	*out = (struct cv_when){ .kind = CV_WHEN_OFF };
	while (n < CV_COUNT(words) && cv_str_split(&rest, ' ', &word))
		if (word.n)
			words[n++] = word;
	if (n && n < CV_COUNT(words) && take_words(words, n, out))
		return CV_OK;
	return cv_fail(err, CV_INVALID,
		"\"%.*s\" is no time: off, every 5m, hourly :20, daily 02:30, weekly mon 02:30, "
		"monthly 1 02:30",
		(int)CV_MIN(text.n, 60), text.p ? text.p : "");
}

/* ---- times ---- */

static int
days_of_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month] + (month == 1 && leap);
}

/* The time of W on the day of DAY (year, month, mday; normalised), if it has one. */
static bool
time_on(const struct cv_when *w, struct tm day, int64_t *out)
{
	day.tm_hour = 12; /* no clock is changed at noon */
	day.tm_min = day.tm_sec = 0;
	day.tm_isdst = -1;
	if (mktime(&day) == -1)
		return false;
	if (w->kind == CV_WHEN_WEEKLY && day.tm_wday != (int)w->day)
		return false;
	if (w->kind == CV_WHEN_MONTHLY &&
		day.tm_mday != CV_MIN((int)w->day, days_of_month(day.tm_year + 1900, day.tm_mon)))
		return false;
	day.tm_hour = (int)w->hour;
	day.tm_min = (int)w->minute;
	day.tm_isdst = -1;
	*out = (int64_t)mktime(&day);
	return *out != -1;
}

/* Walks from the day of T in steps of one day, FORWARD or back, to the first time that is after T
 * or not. */
static int64_t
walk(const struct cv_when *w, int64_t t, bool forward)
{
	time_t secs = (time_t)t;
	struct tm tm;
	int64_t found;

	if (!localtime_r(&secs, &tm))
		return forward ? INT64_MAX : 0;
	for (int i = 0; i <= 64; i++) {
		struct tm day = { .tm_year = tm.tm_year, .tm_mon = tm.tm_mon,
			.tm_mday = tm.tm_mday + (forward ? i : -i) };
		if (time_on(w, day, &found) && (forward ? found > t : found <= t))
			return found;
	}
	return forward ? INT64_MAX : 0;
}

int64_t
cv_when_before(const struct cv_when *w, int64_t t)
{
	if (w->kind == CV_WHEN_OFF || t <= 0)
		return 0;
	if (w->kind == CV_WHEN_EVERY)
		return t < w->offset_secs ? 0 : t - (t - w->offset_secs) % w->every_secs;
	return walk(w, t, false);
}

int64_t
cv_when_after(const struct cv_when *w, int64_t t)
{
	if (w->kind == CV_WHEN_OFF)
		return INT64_MAX;
	if (w->kind == CV_WHEN_EVERY)
		return cv_when_before(w, CV_MAX(t, (int64_t)w->offset_secs)) + w->every_secs;
	return walk(w, t, true);
}
