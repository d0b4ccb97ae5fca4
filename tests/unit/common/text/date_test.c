/* date_test.c - the calendar, and dates of mail, IMAP, ISO and Vietnamese offices. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/text/date.h"

#define BAD INT64_MIN

static struct cv_str
z(const char *s)
{
	return cv_str_z(s);
}

static void
test_calendar__goes_both_ways_over_all_years(void **state)
{
	(void)state;
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t days = cv_days_from_civil(1, 1, 1);
	assert_int_equal(days, -719162);
	for (int y = 1; y <= 9999; y++) {
		for (int m = 1; m <= 12; m++) {
			bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
			int last = lengths[m - 1] + (leap && m == 2);
			assert_int_equal(cv_days_from_civil(y, m, 1), days);
			struct cv_civil c;
			cv_civil_from_days(days + last - 1, &c);
			assert_int_equal(c.year * 10000 + c.month * 100 + c.day,
			                 y * 10000 + m * 100 + last);
			assert_int_equal(c.weekday, ((days + last + 3) % 7 + 7) % 7);
			assert_true(cv_civil_is_valid(y, m, last));
			assert_false(cv_civil_is_valid(y, m, last + 1));
			days += last;
		}
	}
	assert_int_equal(cv_days_from_civil(1970, 1, 1), 0);
}

struct row {
	const char *in;
	int64_t secs;
	int zone_min;
	bool unknown;
};

static void
check_dates(const struct row *rows, size_t n,
            enum cv_status (*parse)(struct cv_str, struct cv_date *))
{
	for (size_t i = 0; i < n; i++) {
		struct cv_date d = {0};
		enum cv_status status = parse(z(rows[i].in), &d);
		if (rows[i].secs == BAD) {
			if (status != CV_INVALID)
				fail_msg("taken: %s", rows[i].in);
			continue;
		}
		if (status || d.unix_secs != rows[i].secs || d.zone_min != rows[i].zone_min ||
		    d.is_zone_unknown != rows[i].unknown)
			fail_msg("%s: status %d, %lld %d %d", rows[i].in, status,
			         (long long)d.unix_secs, d.zone_min, d.is_zone_unknown);
	}
}

/* RFC 5322 appendix A, and section 4.3. */
static void
test_mail_date__reads_new_and_old_forms(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360, false },
		{ "Tue, 1 Jul 2003 10:52:37 +0200", 1057049557, 120, false },
		{ "Sun, 22 Nov 2026 08:00:00 +0700", 1795309200, 420, false },
		{ " Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)", -27723480, -210, false },
		{ "21 Nov 97 09:55:06 GMT", 880106106, 0, false },
		{ "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360, false },
		{ "21 Nov 1997 09:55:06 EST", 880124106, -300, false },
		{ "21 Nov 1997 09:55:06 pdt", 880131306, -420, false },
		{ "21 Nov 1997 09:55:06 -0000", 880106106, 0, true },
		{ "21 Nov 1997 09:55:06", 880106106, 0, true },
		{ "21 Nov 1997 09:55:06 ICT", 880106106, 0, true },
		{ "21 Nov 1997 09:55:06 K", 880106106, 0, true },
		{ "21 Nov 1997 09:55:06 +0260", 880106106, 0, true },
		{ "21 Nov 1997 09:55 +0000", 880106100, 0, false },
		{ "1 Jan 49 00:00:00 +0000", 2493072000, 0, false },
		{ "1 Jan 50 00:00:00 +0000", -631152000, 0, false },
		{ "1 Jan 100 00:00:00 +0000", 946684800, 0, false },
		{ "31 Dec 2016 23:59:60 +0000", 1483228799, 0, false },
		{ "29 February 2024 00:00:00 +0000 (x (y) \\) z)", 1709164800, 0, false },
		{ "Fri 21 Nov 1997 09:55:06 -0600", 880127706, -360, false },
		{ "17-Jul-1996 02:44:25 -0700", 837596665, -420, false },
		{ "29 Feb 2023 00:00:00 +0000", BAD, 0, false },
		{ "31 Apr 2023 00:00:00 +0000", BAD, 0, false },
		{ "0 Apr 2023 00:00:00 +0000", BAD, 0, false },
		{ "1 Apr 2023 24:00:00 +0000", BAD, 0, false },
		{ "1 Apr 2023 00:60:00 +0000", BAD, 0, false },
		{ "1 Apr 2023 00:00:61 +0000", BAD, 0, false },
		{ "1 Xyz 2023 00:00:00 +0000", BAD, 0, false },
		{ "1 Apr 20233 00:00:00 +0000", BAD, 0, false },
		{ "1 Apr 2 00:00:00 +0000", BAD, 0, false },
		{ "1 Apr 2023", BAD, 0, false },
		{ "(", BAD, 0, false },
		{ "", BAD, 0, false },
	};
	check_dates(rows, CV_COUNT(rows), cv_date_parse_mail);
}

static void
test_mail_date__never_looks_past_its_end(void **state)
{
	(void)state;
	const char *whole = "Fri, 21 Nov 1997 09:55:06 -0600 (x)";
	for (size_t n = 0; n <= strlen(whole); n++) {
		char *copy = cv_malloc(n + 1);
		memcpy(copy, whole, n);
		struct cv_date d;
		enum cv_status status = cv_date_parse_mail(cv_str(copy, n), &d);
		assert_int_equal(status, n < 22 || n == 23 || n == 24 ? CV_INVALID : CV_OK);
		free(copy);
	}
	char *huge = cv_malloc(CV_DATE_FIELD_MAX + 1);
	memset(huge, '(', CV_DATE_FIELD_MAX + 1);
	struct cv_date d;
	assert_int_equal(cv_date_parse_mail(cv_str(huge, CV_DATE_FIELD_MAX + 1), &d), CV_INVALID);
	free(huge);
}

static void
test_imap_date_time__is_exact(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "17-Jul-1996 02:44:25 -0700", 837596665, -420, false },
		{ " 1-Feb-1994 21:52:25 -0800", 760168345, -480, false },
		{ "01-feb-1994 21:52:25 -0800", 760168345, -480, false },
		{ "1-Feb-1994 21:52:25 -0800", 760168345, -480, false },
		{ "22-Nov-2026 08:00:00 +0700", 1795309200, 420, false },
		{ " 17-Jul-1996 02:44:25 -0700", BAD, 0, false },
		{ "17-July-1996 02:44:25 -0700", BAD, 0, false },
		{ "17-Jul-96 02:44:25 -0700", BAD, 0, false },
		{ "17-Jul-1996 2:44:25 -0700", BAD, 0, false },
		{ "17-Jul-1996 02:44 -0700", BAD, 0, false },
		{ "17-Jul-1996 02:44:25 GMT", BAD, 0, false },
		{ "17-Jul-1996 02:44:25 -0760", BAD, 0, false },
		{ "17-Jul-1996 02:44:25 -0700 ", BAD, 0, false },
		{ "17-Jul-1996  02:44:25 -0700", BAD, 0, false },
		{ "17 Jul 1996 02:44:25 -0700", BAD, 0, false },
		{ "31-Jun-1996 02:44:25 -0700", BAD, 0, false },
		{ "17-Jul-0000 02:44:25 -0700", BAD, 0, false },
	};
	check_dates(rows, CV_COUNT(rows), cv_date_parse_imap);
}

static void
test_days__are_read_for_search_and_forms(void **state)
{
	(void)state;
	static const struct { bool vn; const char *in; int64_t days; } rows[] = {
		{ false, "1-Feb-1994", 8797 }, { false, "01-FEB-1994", 8797 }, { false, "\"1-Feb-1994\"", 8797 },
		{ false, "1-Feb-94", BAD }, { false, "1-Feb-1994 ", BAD }, { false, "30-Feb-1994", BAD },
		{ false, "\"1-Feb-1994", BAD }, { false, "", BAD }, { false, "\"", BAD },
		{ true, "22/11/2026", 20779 }, { true, "1/2/1994", 8797 }, { true, "01-02-1994", 8797 },
		{ true, "1.2.1994", 8797 }, { true, "11/22/2026", BAD }, { true, "22/11-2026", BAD },
		{ true, "22/11/26", BAD }, { true, "22 11 2026", BAD }, { true, "22/11/2026x", BAD },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		int64_t days = BAD;
		enum cv_status status = rows[i].vn ? cv_date_parse_vn(z(rows[i].in), &days)
		                                   : cv_date_parse_imap_day(z(rows[i].in), &days);
		if (days != rows[i].days || (status == CV_OK) != (rows[i].days != BAD))
			fail_msg("%s: status %d, %lld", rows[i].in, status, (long long)days);
	}
}

static enum cv_status
parse_iso(struct cv_str in, struct cv_date *out)
{
	return cv_date_parse_iso(in, CV_ZONE_VIETNAM, out);
}

static void
test_iso_date__is_rfc_3339_or_a_day(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "2026-11-22T08:00:00+07:00", 1795309200, 420, false },
		{ "2026-11-22 01:00:00.123Z", 1795309200, 0, false },
		{ "2026-11-22t01:00:00z", 1795309200, 0, false },
		{ "2026-11-22", 1795280400, 420, false },
		{ "1985-04-12T23:20:50.52Z", 482196050, 0, false },
		{ "2026-11-22T08:00:00", BAD, 0, false },
		{ "2026-11-22T08:00:00.Z", BAD, 0, false },
		{ "2026-11-22T08:00:00+0700", BAD, 0, false },
		{ "2026-11-22T08:00:00+07:60", BAD, 0, false },
		{ "2026-1-22", BAD, 0, false },
		{ "20261122", BAD, 0, false },
	};
	check_dates(rows, CV_COUNT(rows), parse_iso);
}

static void
test_writing__gives_each_form_and_reads_back(void **state)
{
	(void)state;
	static const struct {
		void (*write)(struct cv_buf *, struct cv_date);
		const char *want;
	} rows[] = {
		{ cv_date_write_mail, "Sun, 01 Nov 2026 08:05:09 +0700" },
		{ cv_date_write_imap, " 1-Nov-2026 08:05:09 +0700" },
		{ cv_date_write_iso, "2026-11-01T08:05:09+07:00" },
		{ cv_date_write_iso_day, "2026-11-01" },
		{ cv_date_write_vn, "01/11/2026" },
		{ cv_date_write_vn_time, "08:05 01/11/2026" },
	};
	struct cv_date d = cv_date_at(1793495109, CV_ZONE_VIETNAM), back;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf b = CV_BUF_INIT(100);
		rows[i].write(&b, d);
		assert_string_equal(b.p, rows[i].want);
		cv_buf_done(&b);
	}
	for (int64_t secs = -4000000000; secs < 9000000000; secs += 86399 * 1237) {
		d = cv_date_at(secs, (int)(secs % 719));
		struct cv_buf b = CV_BUF_INIT(100);
		cv_date_write_mail(&b, d);
		assert_int_equal(cv_date_parse_mail(cv_buf_view(&b), &back), CV_OK);
		assert_int_equal(back.unix_secs, secs);
		assert_int_equal(back.zone_min, d.zone_min);
		cv_buf_reset(&b);
		cv_date_write_imap(&b, d);
		assert_int_equal(cv_date_parse_imap(cv_buf_view(&b), &back), CV_OK);
		assert_int_equal(back.unix_secs, secs);
		cv_buf_done(&b);
	}
}

static void
test_extremes__are_clamped_not_overflowed(void **state)
{
	(void)state;
	struct cv_buf b = CV_BUF_INIT(100);
	cv_date_write_iso(&b, cv_date_at(INT64_MAX, 100000));
	assert_string_equal(b.p, "9999-12-31T23:59:59+99:59");
	cv_buf_reset(&b);
	cv_date_write_iso(&b, cv_date_at(INT64_MIN, -100000));
	assert_string_equal(b.p, "0001-01-01T00:00:00-99:59");
	cv_buf_done(&b);
	/* The day of the sender's own clock counts, not the day in Greenwich. */
	assert_int_equal(cv_date_local_days(cv_date_at(1795309200 - 3600 * 2, 420)), 20779);
	assert_int_equal(cv_date_local_days(cv_date_at(1795309200 - 3600 * 2, 0)), 20778);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calendar__goes_both_ways_over_all_years),
		cmocka_unit_test(test_mail_date__reads_new_and_old_forms),
		cmocka_unit_test(test_mail_date__never_looks_past_its_end),
		cmocka_unit_test(test_imap_date_time__is_exact),
		cmocka_unit_test(test_days__are_read_for_search_and_forms),
		cmocka_unit_test(test_iso_date__is_rfc_3339_or_a_day),
		cmocka_unit_test(test_writing__gives_each_form_and_reads_back),
		cmocka_unit_test(test_extremes__are_clamped_not_overflowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
