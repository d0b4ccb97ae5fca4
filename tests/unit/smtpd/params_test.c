/* params_test.c - the grammar of ESMTP parameters. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "smtpd/params.h"

static void
test_params__reads_what_the_grammar_allows(void **state)
{
	static const struct {
		const char *name, *in;
		unsigned count;
		bool bad;
		const char *last_name, *last_value; /* value NULL: none */
	} rows[] = {
		{ "nothing", "", 0, false, "", NULL },
		{ "blanks only", "   ", 0, false, "", NULL },
		{ "one with value", "SIZE=1000", 1, false, "SIZE", "1000" },
		{ "one without", "SMTPUTF8", 1, false, "SMTPUTF8", NULL },
		{ "several, blanks between", "SIZE=1  BODY=8BITMIME", 2, false, "BODY", "8BITMIME" },
		{ "hyphen in the name", "MT-PRIORITY=3", 1, false, "MT-PRIORITY", "3" },
		{ "empty value", "SIZE=", 0, true, "", NULL },
		{ "no name", "=5", 0, true, "", NULL },
		{ "equals in the value", "A=b=c", 0, true, "", NULL },
		{ "bad byte in the name", "SI_ZE=1", 0, true, "", NULL },
		{ "good then bad", "SIZE=1 ?", 1, true, "SIZE", "1" },
		{ "name starts with a hyphen", "-A=1", 0, true, "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str rest = cv_str_z(rows[i].in), name, value, last = CV_STR_EMPTY,
			      last_value = CV_STR_EMPTY;
		bool has_value, bad = false, had_value = false;
		unsigned count = 0;
		while (smtpd_param_next(&rest, &name, &value, &has_value, &bad)) {
			count++;
			last = name;
			last_value = value;
			had_value = has_value;
		}
		CHECK(rows[i].name, count == rows[i].count);
		CHECK(rows[i].name, bad == rows[i].bad);
		CHECK(rows[i].name, cv_str_eq_z(last, rows[i].last_name));
		CHECK(rows[i].name, had_value == (rows[i].last_value != NULL));
		if (rows[i].last_value)
			CHECK(rows[i].name, cv_str_eq_z(last_value, rows[i].last_value));
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_params__reads_what_the_grammar_allows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
