/* others_test.c - which names the branches of others' mailboxes may have. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "imapd/others.h"

static void
test_a_branch_is_one_level_and_no_other(void **state)
{
	(void)state;
	static const struct {
		const char *name, *others, *shared;
		char separator;
		bool ok;
	} rows[] = {
		{"the defaults",          "Người khác",       "Dùng chung", '/', true },
		{"one is off",            "",                   "Dùng chung", '/', true },
		{"both are off",          "",                   "",            '/', true },
		{"the same",              "Chung",              "Chung",       '/', false},
		{"INBOX",                 "Inbox",              "Chung",       '/', false},
		{"two levels",            "Khac/nua",           "Chung",       '/', false},
		{"another separator",     "Khac/nua",           "Chung",       '.', true },
		{"its separator",         "Khac",               "Chung.nua",   '.', false},
		{"a wildcard",            "Khac*",              "Chung",       '/', false},
		{"another wildcard",      "Khac",               "%",           '/', false},
		{"a control character",   "Khac\x01",           "Chung",       '/', false},
		{"no UTF-8",              "Khac",               "Ch\xff",      '/', false},
		{"not composed (NFD)",    "Khac",               "Du\xcc\x80ng", '/', false},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_err err = {0};
		bool ok = !imapd_check_spaces(
			rows[i].others, rows[i].shared, rows[i].separator, &err);
		if (ok != rows[i].ok)
			print_error("row: %s\n", rows[i].name);
		assert_int_equal(ok, rows[i].ok);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_branch_is_one_level_and_no_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
