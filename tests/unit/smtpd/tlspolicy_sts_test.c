/* tlspolicy_sts_test.c - MTA-STS records and policies by the letter of RFC 8461. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "smtpd/tlspolicy_sts.h"
#include "tests/unit/check.h"

static void
test_record__is_read_strictly(void **state)
{
	static const struct {
		const char *txt, *id; /* NULL: none */
		bool is_sts;
	} rows[] = {
		{ "v=STSv1; id=20160831085700Z;", "20160831085700Z", 1 },
		{ "v=STSv1;id=a", "a", 1 },
		{ "v=STSv1 \t; \tid=a \t; ", "a", 1 },
		{ "v=STSv1; x=1; id=a; y-._=b c;", "a", 1 },
		{ "v=STSv1; id=a; id=b", "a", 1 },
		{ "v=STSv1; id=12345678901234567890123456789012;",
			"12345678901234567890123456789012", 1 },
		{ "v=STSv1; id=123456789012345678901234567890123;", NULL, 1 },
		{ "v=STSv1; id=;", NULL, 1 },
		{ "v=STSv1; id=a-b;", NULL, 1 },
		{ "v=STSv1; ID=a;", NULL, 1 },
		{ "v=STSv1;", NULL, 1 },
		{ "v=STSv1;; id=a", NULL, 1 },
		{ "v=STSv1; =x; id=a", NULL, 1 },
		{ "v=STSv1", NULL, 0 },
		{ "v=STSv10; id=a", NULL, 0 },
		{ "v=stsv1; id=a", NULL, 0 },
		{ " v=STSv1; id=a", NULL, 0 },
		{ "v=spf1 -all", NULL, 0 },
		{ "", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char id[SMTPD_STS_ID_MAX + 1] = "";
		bool is_sts, good = smtpd_sts_record(cv_str_z(rows[i].txt), id, &is_sts);
		CHECK(rows[i].txt, good == (rows[i].id != NULL));
		CHECK(rows[i].txt, is_sts == rows[i].is_sts);
		CHECK(rows[i].txt, !good || !strcmp(id, rows[i].id));
	}
	CHECK_END();
}

static void
test_policy__is_read_strictly(void **state)
{
	static const char *const modes[] = { "absent", "none", "testing", "enforce" };
	static const struct {
		const char *name, *text, *want; /* mode, age, names; NULL: refused */
	} rows[] = {
		{ "as in 3.2",
			"version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\n"
			"mx: backupmx.example.com\nmax_age: 604800\n",
			"enforce 604800 mail.example.com *.example.net backupmx.example.com " },
		{ "CR LF, no last line end, no blanks",
			"version:STSv1\r\nmode:testing\r\nmx:A.Example\r\nmax_age:1",
			"testing 1 a.example " },
		{ "another order, trailing blanks",
			"max_age: 5 \t\nmx: a.b\t\nmode: enforce \nversion:\t STSv1\n",
			"enforce 5 a.b " },
		{ "mode none needs no mx", "version: STSv1\nmode: none\nmax_age: 0\n", "none 0 " },
		{ "the first of each counts",
			"version: STSv1\nmode: none\nmode: bad\nmax_age: 7\nmax_age: x\nversion: 2\n",
			"none 7 " },
		{ "unknown fields", "version: STSv1\nx1: \xc4\x91 y\nmode: none\na_-.b: c\nmax_age: 7",
			"none 7 " },
		{ "more than a year is a year", "version: STSv1\nmode: none\nmax_age: 9999999999",
			"none 31557600 " },
		{ "nothing", "", NULL },
		{ "no version", "mode: none\nmax_age: 1\n", NULL },
		{ "no mode", "version: STSv1\nmax_age: 1\n", NULL },
		{ "no max_age", "version: STSv1\nmode: none\n", NULL },
		{ "no mx", "version: STSv1\nmode: enforce\nmax_age: 1\n", NULL },
		{ "another version", "version: STSv2\nmode: none\nmax_age: 1\n", NULL },
		{ "another case", "version: STSv1\nmode: None\nmax_age: 1\n", NULL },
		{ "unknown mode", "version: STSv1\nmode: report\nmax_age: 1\n", NULL },
		{ "age below zero", "version: STSv1\nmode: none\nmax_age: -1\n", NULL },
		{ "age of words", "version: STSv1\nmode: none\nmax_age: 1 day\n", NULL },
		{ "age of eleven digits", "version: STSv1\nmode: none\nmax_age: 10000000000\n",
			NULL },
		{ "mx of two words", "version: STSv1\nmode: enforce\nmx: a.b c.d\nmax_age: 1\n",
			NULL },
		{ "star inside", "version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 1\n", NULL },
		{ "star alone", "version: STSv1\nmode: enforce\nmx: *.\nmax_age: 1\n", NULL },
		{ "star of part", "version: STSv1\nmode: enforce\nmx: *a.b\nmax_age: 1\n", NULL },
		{ "empty mx", "version: STSv1\nmode: enforce\nmx:\nmax_age: 1\n", NULL },
		{ "empty line inside", "version: STSv1\n\nmode: none\nmax_age: 1\n", NULL },
		{ "no colon", "version: STSv1\nmode none\nmax_age: 1\n", NULL },
		{ "blank before the colon", "version : STSv1\nmode: none\nmax_age: 1\n", NULL },
		{ "a web page", "<!DOCTYPE html>\n<title>x</title>\n", NULL },
		{ "lone CR", "version: STSv1\rmode: none\nmax_age: 1\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct smtpd_sts_policy p = SMTPD_STS_POLICY_INIT;
		struct cv_err err;
		char got[300] = "";
		bool good = smtpd_sts_parse(cv_str_z(rows[i].text), &p, &err) == CV_OK;
		if (good) {
			snprintf(got, sizeof got, "%s %u %.*s", modes[p.mode], p.max_age_secs,
				CV_STR_ARGS(cv_buf_view(&p.mx)));
			for (char *c = got; *c; c++)
				*c = *c == '\n' ? ' ' : *c;
		}
		if (good && rows[i].want && strcmp(got, rows[i].want) != 0)
			print_error("got %s\n", got);
		CHECK(rows[i].name, good == (rows[i].want != NULL));
		CHECK(rows[i].name, !good || !rows[i].want || !strcmp(got, rows[i].want));
		smtpd_sts_policy_done(&p);
	}
	CHECK_END();
}

static void
test_policy__is_bounded(void **state)
{
	struct smtpd_sts_policy p = SMTPD_STS_POLICY_INIT;
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	struct cv_err err;

	(void)state;
	cv_buf_z(&text, "version: STSv1\nmode: enforce\nmax_age: 1\n");
	for (unsigned i = 0; i < SMTPD_STS_MX_MAX; i++)
		cv_buf_printf(&text, "mx: m%u.example\n", i);
	CHECK("as many as may be", smtpd_sts_parse(cv_buf_view(&text), &p, &err) == CV_OK);
	cv_buf_z(&text, "mx: one-more.example\n");
	CHECK("one more", smtpd_sts_parse(cv_buf_view(&text), &p, &err) == CV_INVALID);
	cv_buf_reset(&text);
	cv_buf_z(&text, "version: STSv1\nmode: none\nmax_age: 1\nx: ");
	while (text.n <= SMTPD_STS_BYTES_MAX)
		cv_buf_c(&text, 'x');
	CHECK("bytes", smtpd_sts_parse(cv_buf_view(&text), &p, &err) == CV_INVALID);
	cv_buf_done(&text);
	smtpd_sts_policy_done(&p);
	CHECK_END();
}

static void
test_names__stand_for_whole_hosts_or_one_label(void **state)
{
	static const char text[] = "version: STSv1\nmode: enforce\nmx: mail.example\n"
				   "mx: *.example.net\nmax_age: 1\n";
	static const struct {
		const char *host;
		bool want;
	} rows[] = {
		{ "mail.example", 1 }, { "MAIL.example", 1 }, { "xmail.example", 0 },
		{ "a.mail.example", 0 }, { "a.example.net", 1 }, { "example.net", 0 },
		{ "a.b.example.net", 0 }, { "aexample.net", 0 }, { ".example.net", 0 },
		{ "example", 0 }, { "", 0 }, { "*.example.net", 1 },
	};
	struct smtpd_sts_policy p = SMTPD_STS_POLICY_INIT;
	struct cv_err err;

	(void)state;
	assert_int_equal(smtpd_sts_parse(cv_str_z(text), &p, &err), CV_OK);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].host, smtpd_sts_has_host(&p, rows[i].host) == rows[i].want);
	smtpd_sts_policy_done(&p);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record__is_read_strictly),
		cmocka_unit_test(test_policy__is_read_strictly),
		cmocka_unit_test(test_policy__is_bounded),
		cmocka_unit_test(test_names__stand_for_whole_hosts_or_one_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
