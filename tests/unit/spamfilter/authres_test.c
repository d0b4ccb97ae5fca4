/* authres_test.c - Authentication-Results written by RFC 8601, and forged ones known again. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/authres.h"
#include "tests/unit/check.h"

#define OURS "mail.lamgiang.example"

static void
test_authres_is_from__knows_our_name_however_written(void **state)
{
	static const struct {
		const char *value;
		bool ours;
	} rows[] = {
		{" " OURS "; spf=pass",                            true },
		{OURS ";spf=pass",                                 true },
		{" MAIL.LamGiang.Example; spf=pass",               true },
		{"\n\t" OURS "\n\t; none",                         true },
		{" " OURS " 1; none",                              true },
		{" " OURS "",				      true },
		{" (comment) " OURS " (x (y) \\) z) 1 (w); none",  true },
		{" \"" OURS "\"; none",                            true },
		{" \"mail.lam\\giang.example\"; none",             true },
		{" other.example; spf=pass",                       false},
		{" other.example; spf=pass smtp.mailfrom=x@" OURS, false},
		{" x." OURS "; none",                              false},
		{" " OURS ".other.example; none",                  false},
		{" other.example (" OURS "); none",                false},
		{"",					       false},
		{";",					      false},
		{" ; spf=pass",				    false},
 /* what cannot be read claims whatever it names */
		{" (" OURS,					true },
		{" @; " OURS,				      true },
		{" \"" OURS,				       true },
		{" " OURS "=x; none",                              true },
		{" other.example x " OURS "; none",                true },
		{" ((((((",					false},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].value,
			spam_authres_is_from(cv_str_z(rows[i].value), OURS) == rows[i].ours);
	CHECK_END();
}

static void
test_authres_is_from__survives_nesting(void **state)
{
	struct cv_buf value = CV_BUF_INIT(1u << 20);

	(void)state;
	while (value.n < 100000)
		cv_buf_c(&value, '(');
	CHECK("open brackets", !spam_authres_is_from(cv_buf_view(&value), OURS));
	cv_buf_z(&value, OURS);
	CHECK("and our name", spam_authres_is_from(cv_buf_view(&value), OURS));
	cv_buf_done(&value);
	CHECK_END();
}

static void
test_authres__writes_results(void **state)
{
	struct cv_buf out = CV_BUF_INIT(SPAM_AUTHRES_MAX);

	(void)state;
	spam_authres_begin(&out, OURS);
	spam_authres_end(&out);
	CHECK("none", cv_str_eq_z(cv_buf_view(&out), OURS "; none"));
	cv_buf_reset(&out);
	spam_authres_begin(&out, OURS);
	spam_authres_result(&out, "spf", "fail", "");
	spam_authres_property(&out, "smtp.mailfrom", CV_STR("a@b.test"));
	spam_authres_result(&out, "dkim", "permerror", "no key (yet)");
	spam_authres_property(&out, "header.d", CV_STR("b.test"));
	spam_authres_property(&out, "header.s", CV_STR_EMPTY);
	spam_authres_property(&out, "header.b", CV_STR("Ab+/cd=="));
	spam_authres_end(&out);
	CHECK("two results",
		cv_str_eq_z(cv_buf_view(&out), OURS ";\n\tspf=fail smtp.mailfrom=a@b.test"
						    ";\n\tdkim=permerror (no key _yet_) "
						    "header.d=b.test header.b=\"Ab+/cd==\""));
	cv_buf_reset(&out);
	spam_authres_begin(&out, "odd name");
	spam_authres_result(&out, "spf", "none", "");
	spam_authres_property(&out, "smtp.mailfrom", CV_STR("\"a\r\nX: y\\\"@b.test"));
	spam_authres_end(&out);
	CHECK("quoted", cv_str_eq_z(cv_buf_view(&out), "\"odd name\";\n\tspf=none smtp.mailfrom="
						       "\"\\\"a??X: y\\\\\\\"@b.test\""));
	cv_buf_done(&out);
	CHECK_END();
}

static void
test_authres__knows_what_it_wrote(void **state)
{
	static const char *const names[] = {OURS, "odd name", "a\"b\\c", "x"};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		struct cv_buf out = CV_BUF_INIT(SPAM_AUTHRES_MAX);
		spam_authres_begin(&out, names[i]);
		spam_authres_result(&out, "spf", "pass", "");
		CHECK(names[i], spam_authres_is_from(cv_buf_view(&out), names[i]));
		CHECK(names[i], !spam_authres_is_from(cv_buf_view(&out), "another.test"));
		cv_buf_done(&out);
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_authres_is_from__knows_our_name_however_written),
		cmocka_unit_test(test_authres_is_from__survives_nesting),
		cmocka_unit_test(test_authres__writes_results),
		cmocka_unit_test(test_authres__knows_what_it_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
