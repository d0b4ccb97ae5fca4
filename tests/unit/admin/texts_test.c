/* texts_test.c - texts of catalogues are used when their conversions fit; bars say what is left. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <string.h>

#include "admin/admin.h"
#include "admin/progress.h"

static void
test_texts__with_other_conversions_are_told_apart(CV_UNUSED void **state)
{
	/* clang-format off */
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "",                    "",                      true  },
		{ "no",                  "không",                 true  },
		{ "%s",                  "%s",                    true  },
		{ "%lld of %s",          "%lld trong %s",         true  },
		{ "%-20s|%5.2f",         "%s|%f",                 true  },
		{ "100%%",               "một trăm phần trăm",    true  },
		{ "%s",                  "",                      false },
		{ "",                    "%s",                    false },
		{ "%s %lld",             "%lld %s",               false },
		{ "%lld",                "%d",                    false },
		{ "%s",                  "%n",                    false },
		{ "%s",                  "%s%s",                  false },
		{ "%s",                  "%*s",                   false },
		{ "%s",                  "%1$s",                  false },
		{ "%s",                  "%",                     false },
		{ "100%%",               "100%",                  false },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].b, admin_same_conversions(rows[i].a, rows[i].b) == rows[i].same);
	CHECK_END();
}

static void
test_bar__says_rate_and_what_is_left(CV_UNUSED void **state)
{
	struct admin_call call = {0};
	char line[256];

	admin_progress_line(&call, "import ", 3000, 12000, 1500, 100, line, sizeof line);
	assert_string_equal(
		line, "import [=======                       ] 3000/12000  1500/s  left 0:06");
	admin_progress_line(&call, "", 0, 10, 0, 100, line, sizeof line);
	assert_string_equal(line, "[                              ] 0/10  0/s  ");
	admin_progress_line(&call, "", 10, 10, 1, 40, line, sizeof line);
	assert_string_equal(line, "100%  1/s  left 0:00");
	admin_progress_line(&call, "", 1, 7200, 1, 40, line, sizeof line);
	assert_string_equal(line, "0%  1/s  left 119:59");
}

static void
test_bar__goes_by_the_last_seconds(CV_UNUSED void **state)
{
	double mean = 0;

	for (int i = 0; i < 10; i++)
		admin_progress_rate(&mean, 1000);
	assert_true(mean > 999 && mean < 1001);
	for (int i = 0; i < 10; i++)
		admin_progress_rate(&mean, 10); /* slow work after fast work */
	assert_true(mean < 60);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts__with_other_conversions_are_told_apart),
		cmocka_unit_test(test_bar__says_rate_and_what_is_left),
		cmocka_unit_test(test_bar__goes_by_the_last_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
