/* calendar_test.c - working days, hours and terms (OPS-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text/calendar.h"
#include "common/text/date.h"

static struct cv_calendar *
make(const char *holidays, const char *hours)
{
	struct cv_calendar *c = NULL;
	struct cv_err err = {0};
	struct cv_str list = holidays ? cv_str_z(holidays) : CV_STR_EMPTY;
	if (cv_calendar_new(list, cv_str_z(hours), &c, &err))
		fail_msg("%s", err.text);
	return c;
}

static int64_t
at(int year, int month, int day, int hour, int minute)
{
	int64_t midnight = cv_calendar_midnight(cv_days_from_civil(year, month, day));
	return midnight + hour * 3600 + minute * 60;
}

static void
ops_06_tet_2027_is_right(void **state)
{
	static const struct { int month, day; bool is_worked; } rows[] = {
		{ 2, 3, true }, { 2, 4, true }, { 2, 5, false }, { 2, 6, false }, { 2, 7, false },
		{ 2, 8, false }, { 2, 9, false }, { 2, 10, false }, { 2, 11, false }, { 2, 12, true },
		{ 2, 13, false }, { 1, 1, false }, { 4, 16, false }, { 4, 30, false }, { 5, 3, false },
		{ 5, 4, true }, { 9, 2, false }, { 9, 3, false }, { 9, 6, true },
	};
	struct cv_calendar *c = make(NULL, "");
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		int64_t day = cv_days_from_civil(2027, rows[i].month, rows[i].day);
		if (cv_calendar_is_workday(c, day) != rows[i].is_worked)
			fail_msg("2027-%02d-%02d", rows[i].month, rows[i].day);
	}
	/* What is asked for on the last day before Tet is due on the second day after it. */
	assert_int_equal(cv_calendar_deadline(c, at(2027, 2, 4, 9, 0), 2), at(2027, 2, 15, 17, 0));
	assert_int_equal(cv_calendar_workdays(c, cv_days_from_civil(2027, 2, 1),
		cv_days_from_civil(2027, 3, 1)), 15);
	/* Days of every year need no line of their own. */
	assert_false(cv_calendar_is_workday(c, cv_days_from_civil(2031, 9, 2)));
	assert_true(cv_calendar_last_year(c) >= 2027);
	cv_calendar_free(c);
}

static void
ops_06_a_holiday_file_names_days_off_and_days_worked_instead(void **state)
{
	static const char file[] = "# ngày nghỉ\n2027-02-05 tất niên\n2027-02-08\r\n2027-02-09\n"
				   "+2027-02-20 làm bù\n*-09-02 # Quốc khánh\n";
	static const struct { int year, month, day; bool want; } rows[] = {
		{ 2026, 11, 23, true },  { 2026, 11, 22, false }, { 2026, 11, 21, false },
		{ 2027, 2, 4, true },    { 2027, 2, 5, false },   { 2027, 2, 8, false },
		{ 2027, 2, 9, false },   { 2027, 2, 10, true },   { 2027, 2, 20, true },
		{ 2027, 2, 21, false },  { 2026, 9, 2, false },   { 2030, 9, 2, false },
	};
	struct cv_calendar *c = make(file, "");
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_calendar_is_workday(c, cv_days_from_civil(rows[i].year, rows[i].month,
			rows[i].day)) != rows[i].want)
			fail_msg("%d-%d-%d", rows[i].year, rows[i].month, rows[i].day);
	cv_calendar_free(c);
	c = make("", "");
	assert_true(cv_calendar_is_workday(c, cv_days_from_civil(2026, 9, 2)));
	cv_calendar_free(c);
}

static void
ops_06_faults_of_lists_and_hours_are_named(void **state)
{
	static const struct { const char *holidays, *hours, *says; } rows[] = {
		{ "2026-13-01\n", "", "line 1" },  { "\n2026-02-30", "", "line 2" }, { "x", "", "line 1" },
		{ "+\n", "", "line 1" },           { "2026-1-1\n", "", "line 1" },
		{ "01/02/2026\n", "", "line 1" },  { "+*-01-01\n", "", "line 1" },
		{ "*-1-01", "", "line 1" },        { "", "07:30", "07:30" },
		{ "", "11:30-07:30", "11:30" },    { "", "07:30-11:30 11:00-12:00", "11:00" },
		{ "", "07:30-25:00", "25:00" },    { "", "08:00-24:01", "24:01" },
		{ "", "00:00-01:00 02:00-03:00 04:00-05:00 06:00-07:00 08:00-09:00", "08:00" },
	};
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_calendar *c = NULL;
		struct cv_err err = {0};
		enum cv_status got = cv_calendar_new(cv_str_z(rows[i].holidays),
			cv_str_z(rows[i].hours), &c, &err);
		if (got != CV_INVALID || !strstr(err.text, rows[i].says))
			fail_msg("row %zu: %s", i, err.text);
	}
}

static void
ops_06_terms_count_working_days_and_hours(void **state)
{
	struct cv_calendar *c = make("2026-11-25\n", "07:30-11:30 13:30-17:00");
	static const struct { int day, hour, minute; unsigned n; int due; } terms[] = {
		{ 23, 9, 0, 2, 26 },   /* Monday; Wednesday is off */
		{ 23, 17, 0, 1, 26 },  /* after hours: counts from Tuesday */
		{ 20, 16, 59, 1, 23 }, { 21, 9, 0, 0, 23 }, { 21, 9, 0, 1, 24 }, { 22, 23, 0, 2, 26 },
	};
	(void)state;
	for (size_t i = 0; i < CV_COUNT(terms); i++) {
		int64_t got = cv_calendar_deadline(c, at(2026, 11, terms[i].day, terms[i].hour,
			terms[i].minute), terms[i].n);
		if (got != at(2026, 11, terms[i].due, 17, 0))
			fail_msg("term %zu: day %d", i, (int)(cv_calendar_day(got) -
				cv_days_from_civil(2026, 11, 0)));
	}
	assert_int_equal(cv_calendar_work_secs(c, at(2026, 11, 23, 0, 0), at(2026, 11, 24, 0, 0)),
		7 * 3600 + 1800);
	assert_int_equal(cv_calendar_work_secs(c, at(2026, 11, 23, 11, 0), at(2026, 11, 23, 14, 0)),
		3600);
	assert_int_equal(cv_calendar_work_secs(c, at(2026, 11, 24, 16, 0), at(2026, 11, 26, 8, 0)),
		5400);
	assert_int_equal(cv_calendar_work_secs(c, 5, 5), 0);
	assert_true(cv_calendar_is_working_time(c, at(2026, 11, 24, 7, 30)));
	assert_false(cv_calendar_is_working_time(c, at(2026, 11, 24, 12, 0)));
	assert_false(cv_calendar_is_working_time(c, at(2026, 11, 25, 8, 0)));
	cv_calendar_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ops_06_tet_2027_is_right),
		cmocka_unit_test(ops_06_a_holiday_file_names_days_off_and_days_worked_instead),
		cmocka_unit_test(ops_06_faults_of_lists_and_hours_are_named),
		cmocka_unit_test(ops_06_terms_count_working_days_and_hours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
