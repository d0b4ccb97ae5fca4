/* period.c - the words for periods of reports (REP-03). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/report/report.h"
#include "common/text/date.h"

static int
days_of(int year, int month)
{
	int last = 31;

	while (!cv_civil_is_valid(year, month, last))
		last--;
	return last;
}

/* COUNT months from MONTH of YEAR on. */
static void
set_months(struct admin_period *p, int year, int month, int count)
{
	int end = year * 12 + month - 1 + count - 1;

	p->from = cv_days_from_civil(year, month, 1);
	p->to = cv_days_from_civil(end / 12, end % 12 + 1, days_of(end / 12, end % 12 + 1));
}

/* The COUNT months that end with the last whole one before TODAY. */
static void
set_last_months(struct admin_period *p, int64_t today, int count)
{
	struct cv_civil c;

	cv_civil_from_days(today, &c);
	int first = c.year * 12 + c.month - 1 - count;
	set_months(p, first / 12, first % 12 + 1, count);
}

static bool
read_day(struct cv_str text, int64_t *out)
{
	struct cv_date date;

	if (text.n != 10 || cv_date_parse_iso(text, CV_ZONE_VIETNAM, &date))
		return false;
	*out = cv_date_local_days(date);
	return true;
}

static bool
read_range(struct cv_str word, struct admin_period *p)
{
	size_t dots = cv_str_search(word, CV_STR(".."));

	return dots < word.n && read_day(cv_str_sub(word, 0, dots), &p->from) &&
	       read_day(cv_str_sub(word, dots + 2, word.n), &p->to) && p->from <= p->to &&
	       p->to - p->from < 3660;
}

/* "6m" and the like: 1 to 60 months. */
static bool
read_count(struct cv_str word, int *out)
{
	uint64_t n;

	if (word.n < 2 || word.p[word.n - 1] != 'm' ||
		cv_str_u64(cv_str_sub(word, 0, word.n - 1), 60, &n) || !n)
		return false;
	*out = (int)n;
	return true;
}

/* "2026", "2026-10", "2026-Q3", "2026-6m" */
static bool
read_calendar(struct cv_str word, struct admin_period *p)
{
	uint64_t year, n;
	int count;

	if (word.n < 4 || cv_str_u64(cv_str_sub(word, 0, 4), 9998, &year) || year < 1970)
		return false;
	struct cv_str rest = cv_str_sub(word, 5, word.n);
	if (word.n == 4)
		set_months(p, (int)year, 1, 12);
	else if (word.p[4] != '-')
		return false;
	else if (rest.n == 2 && (rest.p[0] == 'Q' || rest.p[0] == 'q') && rest.p[1] >= '1' &&
		 rest.p[1] <= '4')
		set_months(p, (int)year, (rest.p[1] - '1') * 3 + 1, 3);
	else if (rest.n == 2 && !cv_str_u64(rest, 12, &n) && n)
		set_months(p, (int)year, (int)n, 1);
	else if (read_count(rest, &count) && count <= 12)
		set_months(p, (int)year, 1, count);
	else
		return false;
	return true;
}

/* "tháng 10/2026" where it is one; else its days. */
static void
name_period(struct admin_period *p, bool vietnamese)
{
	struct cv_civil from, to;

	cv_civil_from_days(p->from, &from);
	cv_civil_from_days(p->to, &to);
	bool is_whole = from.day == 1 && to.day == days_of(to.year, to.month);
	int months = (to.year - from.year) * 12 + to.month - from.month + 1;
	if (is_whole && months == 1)
		snprintf(p->text, sizeof p->text, vietnamese ? "tháng %d/%d" : "%02d/%d",
			from.month, from.year);
	else if (is_whole && months == 3 && from.month % 3 == 1)
		snprintf(p->text, sizeof p->text, vietnamese ? "quý %d/%d" : "quarter %d of %d",
			from.month / 3 + 1, from.year);
	else if (is_whole && months == 12 && from.month == 1)
		snprintf(p->text, sizeof p->text, vietnamese ? "năm %d" : "%d", from.year);
	else if (is_whole && from.month == 1 && from.year == to.year)
		snprintf(p->text, sizeof p->text,
			vietnamese ? "%d tháng đầu năm %d" : "first %d months of %d", months,
			from.year);
	else
		snprintf(p->text, sizeof p->text,
			vietnamese ? "từ %02d/%02d/%04d đến %02d/%02d/%04d"
				   : "%02d/%02d/%04d to %02d/%02d/%04d",
			from.day, from.month, from.year, to.day, to.month, to.year);
}

bool
admin_period_read(const char *word, bool cumulative, int64_t today, bool vietnamese,
	struct admin_period *out)
{
	struct cv_str text = cv_str_z(word ? word : "1m");
	struct cv_civil last;
	int count;

	*out = (struct admin_period){.is_cumulative = cumulative};
	snprintf(out->word, sizeof out->word, "%.*s", (int)CV_MIN(text.n, 31), text.p);
	if (read_count(text, &count))
		set_last_months(out, today, count);
	else if (!read_range(text, out) && !read_calendar(text, out))
		return false;
	if (cumulative) {
		cv_civil_from_days(out->to, &last);
		out->from = cv_days_from_civil(last.year, 1, 1);
	}
	name_period(out, vietnamese);
	return true;
}
