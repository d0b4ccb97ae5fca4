/* timing_test.c - the values of BY, HOLDFOR, HOLDUNTIL and MT-PRIORITY. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/timing.h"
#include "tests/unit/check.h"

static void
test_by__is_a_time_and_what_follows_it(void **state)
{
	static const struct {
		const char *in;
		bool good;
		int64_t secs;
		enum cv_queue_by mode;
		bool trace;
	} rows[] = {
		{ "120;R", true, 120, CV_BY_RETURN, false },
		{ "120;r", true, 120, CV_BY_RETURN, false },
		{ "+1;RT", true, 1, CV_BY_RETURN, true },
		{ "-5;N", true, -5, CV_BY_NOTIFY, false },
		{ "0;nt", true, 0, CV_BY_NOTIFY, true },
		{ "999999999;N", true, 999999999, CV_BY_NOTIFY, false },
		{ "0;R", false, 0, 0, 0 },
		{ "-1;R", false, 0, 0, 0 },
		{ "1000000000;N", false, 0, 0, 0 },
		{ "120", false, 0, 0, 0 },
		{ "120;", false, 0, 0, 0 },
		{ ";R", false, 0, 0, 0 },
		{ "120;X", false, 0, 0, 0 },
		{ "120;RX", false, 0, 0, 0 },
		{ "120;RTT", false, 0, 0, 0 },
		{ "+-1;N", false, 0, 0, 0 },
		{ "1 ;N", false, 0, 0, 0 },
		{ "", false, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		int64_t secs = 0;
		enum cv_queue_by mode = CV_BY_NONE;
		bool trace = false;
		bool good = smtpd_by_parse(cv_str_z(rows[i].in), &secs, &mode, &trace);
		CHECK(rows[i].in, good == rows[i].good);
		CHECK(rows[i].in, !good || (secs == rows[i].secs && mode == rows[i].mode
			&& trace == rows[i].trace));
	}
	CHECK_END();
}

static void
test_hold__is_seconds_or_a_moment(void **state)
{
	static const struct {
		const char *in;
		int64_t hold_for, until; /* -1: refused */
	} rows[] = {
		{ "1", 1, -1 }, { "999999999", 999999999, -1 }, { "0", -1, -1 }, { "01", -1, -1 },
		{ "1000000000", -1, -1 }, { "-1", -1, -1 }, { "", -1, -1 }, { "1h", -1, -1 },
		{ "1970-01-01T00:01:00Z", -1, 60 }, { "1970-01-01T07:01:00+07:00", -1, 60 },
		{ "1970-01-01 00:01:00Z", -1, -1 }, { "1970-01-01", -1, -1 },
		{ "1970-01-01T00:01:00", -1, -1 }, { "1970-13-01T00:01:00Z", -1, -1 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		int64_t secs = -1;
		if (!smtpd_holdfor_parse(cv_str_z(rows[i].in), &secs))
			secs = -1;
		CHECK(rows[i].in, secs == rows[i].hold_for);
		if (!smtpd_holduntil_parse(cv_str_z(rows[i].in), &secs))
			secs = -1;
		CHECK(rows[i].in, secs == rows[i].until);
	}
	CHECK_END();
}

static void
test_priority__is_one_digit_with_a_sign(void **state)
{
	static const struct {
		const char *in;
		int want; /* 100: refused */
	} rows[] = { { "0", 0 }, { "9", 9 }, { "-9", -9 }, { "-0", 100 }, { "+1", 100 },
		{ "10", 100 },
		{ "", 100 }, { "-", 100 }, { "a", 100 } };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		int8_t got = 0;
		bool good = smtpd_priority_parse(cv_str_z(rows[i].in), &got);
		CHECK(rows[i].in, good ? got == rows[i].want : rows[i].want == 100);
	}
	CHECK_END();
}

static void
test_timing__must_leave_time_behind_the_release(void **state)
{
	struct smtpd_timing t = { .by_mode = CV_BY_NOTIFY, .by_secs = 1000, .hold_secs = 0 };

	(void)state;
	assert_true(smtpd_timing_fits(&t));
	t.hold_secs = 1000;
	assert_false(smtpd_timing_fits(&t));
	t.hold_secs = 1000 - SMTPD_BY_MIN_SECS;
	assert_true(smtpd_timing_fits(&t));
	t.by_mode = CV_BY_NONE;
	t.by_secs = 0;
	assert_true(smtpd_timing_fits(&t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by__is_a_time_and_what_follows_it),
		cmocka_unit_test(test_hold__is_seconds_or_a_moment),
		cmocka_unit_test(test_priority__is_one_digit_with_a_sign),
		cmocka_unit_test(test_timing__must_leave_time_behind_the_release),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
