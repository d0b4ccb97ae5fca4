/* live_test.c - what a second reading of the configuration changes, and what must wait. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>

#include <cmocka.h>

#include "common/options/live.h"
#include "common/options/sections.h"

static const struct cv_section *const mine[] = {&congvu_section, &smtpd_section};
static const char *const fixed[] = {"smtpd.workers", "smtpd.listen_*", NULL};

static struct cv_conf *
conf(const char *text)
{
	struct cv_err err = {0};
	struct cv_conf *c;

	if (cv_conf_parse(cv_str_z(text), "t.conf", cv_sections, cv_sections_count, &c, &err))
		fail_msg("%s", err.text);
	return c;
}

static void
test_live__changes_are_named_and_fixed_values_stay(void **state)
{
	static const struct {
		const char *now, *next, *changed, *fixed;
	} rows[] = {
		{"", "", "", ""},
		{"", "[smtpd]\nmax_errors = 20\n", "", ""},
		{"", "[smtpd]\nmax_errors = 21\n", "smtpd.max_errors", ""},
		{"", "[smtpd]\nworkers = 3\n", "", "smtpd.workers"},
		{"[smtpd]\nlisten_mx = 127.0.0.1:2525\n", "[smtpd]\nsmarthost = a.example\n",
			"smtpd.smarthost", "smtpd.listen_mx"},
		{"", "[congvu]\nlog_level = debug\n[smtpd]\nmax_message = 1M\n",
			"congvu.log_level smtpd.max_message", ""},
		{"", "[imapd]\nmax_conns = 7\n", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_conf *now = conf(rows[i].now), *next = conf(rows[i].next);
		struct cv_live_diff d;
		cv_live_diff_init(&d);
		bool any = cv_live_compare(now, next, mine, CV_COUNT(mine), fixed, &d);
		assert_int_equal(any, rows[i].changed[0] || rows[i].fixed[0]);
		assert_true(cv_str_eq_z(cv_str(d.changed.p, d.changed.n), rows[i].changed));
		assert_true(cv_str_eq_z(cv_str(d.fixed.p, d.fixed.n), rows[i].fixed));
		const struct smtpd_options *a = cv_conf_get(now, &smtpd_section);
		const struct smtpd_options *b = cv_conf_get(next, &smtpd_section);
		assert_int_equal(a->workers, b->workers);
		assert_string_equal(a->listen_mx, b->listen_mx);
		cv_live_diff_done(&d);
		cv_conf_free(next);
		cv_conf_free(now);
	}
}

static void
test_live__a_name_is_found_whole(void **state)
{
	struct cv_buf names = CV_BUF_INIT(100);

	(void)state;
	assert_false(cv_live_names(&names, ""));
	cv_buf_z(&names, "smtpd.max_rcpts smtpd.workers");
	assert_true(cv_live_names(&names, "smtpd.workers"));
	assert_false(cv_live_names(&names, "smtpd.max"));
	cv_buf_done(&names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live__changes_are_named_and_fixed_values_stay),
		cmocka_unit_test(test_live__a_name_is_found_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
