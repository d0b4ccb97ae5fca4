/* calendar.c - see calendar.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/calendar.h"

#include <stdlib.h>

#include "common/text/date.h"

#define DAY_SECS 86400
#define ZONE_SECS (CV_ZONE_VIETNAM * 60)
#define SPANS_MAX 4

static const struct {
	const char *name, *text;
} builtin[] = {
#include "common/text/holidays.inc"
};

struct named_day {
	int64_t day;       /* or, of every year, month * 100 + day */
	bool every_year, is_worked;
};
struct cv_calendar {
	struct named_day *days; /* in the order of the list */
	size_t count;
	struct { int from_min, until_min; } spans[SPANS_MAX];
	size_t span_count;
	int last_year;
};

/* ---- the list ---- */

/* False: no such line. *is_day_out: it names a day. */
static bool
read_line(struct cv_str line, struct named_day *out, bool *is_day_out)
{
	struct cv_str text = cv_str_trim(cv_str_sub(line, 0, cv_str_find(line, '#', 0)));
	uint64_t year = 2000, month, day; /* a leap year, for "*-02-29" */
	*is_day_out = text.n > 0;
	*out = (struct named_day){0};
	if (!text.n)
		return true;
	out->is_worked = text.p[0] == '+';
	text = cv_str_sub(text, out->is_worked, text.n);
	struct cv_str word = cv_str_sub(text, 0, cv_str_find(text, ' ', 0));
	out->every_year = word.n && word.p[0] == '*';
	size_t at = out->every_year ? 1 : 4;
	if (word.n != at + 6 || word.p[at] != '-' || word.p[at + 3] != '-' ||
	    (!out->every_year && cv_str_u64(cv_str_sub(word, 0, 4), 9999, &year)) ||
	    cv_str_u64(cv_str_sub(word, at + 1, at + 3), 12, &month) ||
	    cv_str_u64(cv_str_sub(word, at + 4, at + 6), 31, &day) ||
	    !cv_civil_is_valid((int)year, (int)month, (int)day))
		return false;
	out->day = out->every_year ? (int64_t)(month * 100 + day)
	                           : cv_days_from_civil((int)year, (int)month, (int)day);
	return !(out->every_year && out->is_worked);
}

static enum cv_status
read_list(struct cv_str list, struct cv_calendar *c, struct cv_err *err)
{
	struct cv_str rest = list, line;
	struct named_day named;
	struct cv_civil civil;
	bool is_day;
	if (list.n > CV_HOLIDAYS_MAX)
		return cv_fail(err, CV_LIMIT, "a list of holidays has at most %u octets",
		               CV_HOLIDAYS_MAX);
	for (unsigned n = 1; cv_str_split(&rest, '\n', &line); n++) {
		if (!read_line(line, &named, &is_day))
			return cv_fail(err, CV_INVALID, "line %u is no day (YYYY-MM-DD)", n);
		if (!is_day)
			continue;
		c->days = cv_realloc(c->days, (c->count + 1) * sizeof *c->days);
		c->days[c->count++] = named;
		if (named.every_year)
			continue;
		cv_civil_from_days(named.day, &civil);
		c->last_year = CV_MAX(c->last_year, civil.year);
	}
	return CV_OK;
}

/* ---- hours ---- */

static bool
read_clock(struct cv_str text, int *out)
{
	uint64_t hour, minute;
	if (text.n != 5 || text.p[2] != ':' || cv_str_u64(cv_str_sub(text, 0, 2), 24, &hour) ||
	    cv_str_u64(cv_str_sub(text, 3, 5), 59, &minute) || hour * 60 + minute > 24 * 60)
		return false;
	*out = (int)(hour * 60 + minute);
	return true;
}

static enum cv_status
read_hours(struct cv_str text, struct cv_calendar *c, struct cv_err *err)
{
	struct cv_str rest = text, word;
	int before = -1;
	while (cv_str_split(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		int from, until;
		size_t dash = cv_str_find(word, '-', 0);
		if (c->span_count == SPANS_MAX || dash == word.n ||
		    !read_clock(cv_str_sub(word, 0, dash), &from) ||
		    !read_clock(cv_str_sub(word, dash + 1, word.n), &until) || from >= until ||
		    from < before)
			return cv_fail(err, CV_INVALID,
				"'%.*s' is no span of working hours such as 07:30-11:30, at most %d, "
				"ascending", CV_STR_ARGS(word), SPANS_MAX);
		c->spans[c->span_count].from_min = from;
		c->spans[c->span_count++].until_min = before = until;
	}
	return c->span_count ? CV_OK : cv_fail(err, CV_INVALID, "there are no working hours");
}

enum cv_status
cv_calendar_new(struct cv_str holidays, struct cv_str hours, struct cv_calendar **out,
                struct cv_err *err)
{
	struct cv_calendar *c = cv_calloc(1, sizeof *c);
	enum cv_status status =
		read_list(holidays.p ? holidays : cv_str_z(builtin[0].text), c, err);
	if (!status)
		status = read_hours(cv_str_trim(hours).n ? hours : CV_STR(CV_HOURS_DEFAULT), c,
		                    err);
	if (status) {
		cv_calendar_free(c);
		return status;
	}
	*out = c;
	return CV_OK;
}

void
cv_calendar_free(struct cv_calendar *c)
{
	if (!c)
		return;
	free(c->days);
	free(c);
}

/* ---- asking ---- */

int64_t
cv_calendar_day(int64_t secs)
{
	int64_t local = secs + ZONE_SECS;
	return local / DAY_SECS - (local % DAY_SECS < 0);
}

int64_t
cv_calendar_midnight(int64_t day)
{
	return day * DAY_SECS - ZONE_SECS;
}

bool
cv_calendar_is_workday(const struct cv_calendar *c, int64_t day)
{
	struct cv_civil civil;
	cv_civil_from_days(day, &civil);
	bool out = civil.weekday != 0 && civil.weekday != 6;
	for (size_t i = 0; i < c->count; i++) {
		const struct named_day *d = &c->days[i];
		if (d->day == (d->every_year ? civil.month * 100 + civil.day : day))
			out = d->is_worked;
	}
	return out;
}

int64_t
cv_calendar_workday_after(const struct cv_calendar *c, int64_t day, unsigned n)
{
	/* A list that leaves no working day must not keep us for ever. */
	unsigned tries = 0;
	while (!n && !cv_calendar_is_workday(c, day) && tries++ < CV_WORKDAYS_MAX)
		day++;
	for (n = CV_MIN(n, CV_WORKDAYS_MAX); n && tries < CV_WORKDAYS_MAX * 2; tries++)
		n -= cv_calendar_is_workday(c, ++day);
	return day;
}

unsigned
cv_calendar_workdays(const struct cv_calendar *c, int64_t from, int64_t until)
{
	unsigned n = 0;
	for (int64_t day = from; day < until && day - from < CV_WORKDAYS_MAX * 2; day++)
		n += cv_calendar_is_workday(c, day);
	return n;
}

int64_t
cv_calendar_deadline(const struct cv_calendar *c, int64_t secs, unsigned workdays)
{
	int64_t day = cv_calendar_day(secs);
	int end_min = c->spans[c->span_count - 1].until_min;
	bool is_late = secs >= cv_calendar_midnight(day) + end_min * 60;
	if (is_late || !cv_calendar_is_workday(c, day))
		day = cv_calendar_workday_after(c, day + 1, 0);
	day = cv_calendar_workday_after(c, day, workdays);
	return cv_calendar_midnight(day) + end_min * 60;
}

int64_t
cv_calendar_work_secs(const struct cv_calendar *c, int64_t from, int64_t until)
{
	int64_t sum = 0, first = cv_calendar_day(from);
	for (int64_t day = first; day - first < CV_WORKDAYS_MAX; day++) {
		int64_t midnight = cv_calendar_midnight(day);
		if (midnight >= until)
			break;
		for (size_t i = 0; cv_calendar_is_workday(c, day) && i < c->span_count; i++) {
			int64_t a = midnight + c->spans[i].from_min * 60;
			int64_t b = midnight + c->spans[i].until_min * 60;
			a = CV_MAX(a, from);
			b = CV_MIN(b, until);
			sum += a < b ? b - a : 0;
		}
	}
	return sum;
}

bool
cv_calendar_is_working_time(const struct cv_calendar *c, int64_t secs)
{
	return cv_calendar_work_secs(c, secs, secs + 1) == 1;
}

int
cv_calendar_last_year(const struct cv_calendar *c)
{
	return c->last_year;
}
