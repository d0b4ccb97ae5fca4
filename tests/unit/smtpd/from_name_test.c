/* from_name_test.c - the From field gets the register's name, and nothing else changes. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "common/text/header.h"
#include "smtpd/from_name.h"

/* hoa@ and van@ have names in the register, app@ has an empty one, nobody else has any. */
static bool
look_up(void *arg, struct cv_str local, struct cv_str domain, struct cv_buf *name_out)
{
	(void)arg;
	if (!cv_str_ieq_z(domain, "lamgiang.example"))
		return false;
	if (cv_str_ieq_z(local, "hoa") || cv_str_eq_z(local, "\"hoa\""))
		cv_buf_z(name_out, "Nguyễn Văn Hòa");
	else if (cv_str_ieq_z(local, "van"))
		cv_buf_z(name_out, "Van phong");
	else
		return cv_str_ieq_z(local, "app");
	return true;
}

#define HOA_WORD "=?UTF-8?Q?Nguy=E1=BB=85n_V=C4=83n_H=C3=B2a?="
#define HOA_B64  "=?UTF-8?B?Tmd1eeG7hW4gVsSDbiBIw7Jh?="
#define AT       "@lamgiang.example"

static void
test_from_name__only_the_field_changes(void **state)
{
	/* NULL: stays as it is */
	static const struct {
		const char *name, *in, *decoded_name;
	} rows[] = {
		{"another name", "From: Chu tich tinh <hoa" AT ">\r\n", "Nguyễn Văn Hòa"},
		{"no name", "From: hoa" AT "\r\n", "Nguyễn Văn Hòa"},
		{"brackets only", "From: <hoa" AT ">\r\n", "Nguyễn Văn Hòa"},
		{"the right name in words", "From: " HOA_B64 " <hoa" AT ">\r\n", NULL},
		{"the right name in UTF-8", "From: Nguyễn Văn Hòa <hoa" AT ">\r\n", NULL},
		{"in quotes", "From: \"Nguyễn Văn Hòa\" <hoa" AT ">\r\n", NULL},
		{"in NFD", "From: Nguyê\xcc\x83n V\x61\xcc\x86n Ho\xcc\x80\x61 <hoa" AT ">\r\n", NULL},
		{"folded", "From: Gia\r\n danh <hoa" AT ">\r\n", "Nguyễn Văn Hòa"},
		{"a comment is a name", "From: hoa" AT " (Chu tich)\r\n", "Nguyễn Văn Hòa"},
		{"brackets in the name", "From: \"Chu tich (tinh)\" <hoa" AT ">\r\n",
			"Nguyễn Văn Hòa"},
		{"brackets that stay", "From: \"Bot (1)\" <x@far.example>\r\n", NULL},
		{"LF lines", "From: X <hoa" AT ">\n", "Nguyễn Văn Hòa"},
		{"case", "fROM: X <HOA@LamGiang.Example>\r\n", "Nguyễn Văn Hòa"},
		{"quoted local part", "From: X <\"hoa\"" AT ">\r\n", "Nguyễn Văn Hòa"},
		{"the register has an empty name", "From: Bot <app" AT ">\r\n", NULL},
		{"the register knows it not", "From: Bot <x@far.example>\r\n", NULL},
		{"group", "From: A: hoa" AT ";\r\n", NULL},
		{"not readable", "From: hoa" AT " <x\r\n", NULL},
		{"none", "", NULL},
		{"two", "From: X <hoa" AT ">\r\nFrom: X <hoa" AT ">\r\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char text[1000];
		struct cv_buf field = CV_BUF_INIT(100000);
		size_t start = 0, end = 0;
		snprintf(text, sizeof text,
			"Received: by x\r\nX-From: y\r\n%sSubject: =?utf-8?q?a?=\r\n\t8bit \xff\r\n\r\n",
			rows[i].in);
		bool edit = smtpd_from_name_edit(
			cv_str_z(text), look_up, NULL, &start, &end, &field);
		CHECK(rows[i].name, edit == (rows[i].decoded_name != NULL));
		if (edit && rows[i].decoded_name) {
			const char *at = strstr(text, rows[i].in);
			CHECK(rows[i].name, text + start == at);
			CHECK(rows[i].name, end - start == strlen(rows[i].in));
			CHECK(rows[i].name, strstr(field.p, HOA_WORD) || strstr(field.p, HOA_B64));
			CHECK(rows[i].name, cv_str_has_suffix(cv_buf_view(&field), ">\r\n"));
			CHECK(rows[i].name, cv_str_has_prefix(cv_buf_view(&field), "From: "));
			/* done once, it is done */
			CHECK(rows[i].name, !smtpd_from_name_edit(cv_buf_view(&field), look_up,
						    NULL, &start, &end, &field));
		}
		cv_buf_done(&field);
	}
	CHECK_END();
}

static void
test_from_name__each_of_several_authors_gets_its_own(void **state)
{
	struct cv_buf field = CV_BUF_INIT(100000);
	size_t start, end;

	(void)state;
	assert_true(smtpd_from_name_edit(
		CV_STR("From: a <hoa" AT ">, Van phong <van" AT ">,\r\n"
		       " \"Nguoi, khac\" <x@far.example>\r\n\r\n"),
		look_up, NULL, &start, &end, &field));
	struct cv_buf flat = CV_BUF_INIT(100000);
	cv_header_unfold(cv_buf_view(&field), &flat);
	assert_non_null(strstr(flat.p, "Van phong <van" AT ">"));
	assert_non_null(strstr(flat.p, "\"Nguoi, khac\" <x@far.example>"));
	assert_null(strstr(flat.p, "a <hoa"));
	cv_buf_done(&flat);
	cv_buf_done(&field);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_name__only_the_field_changes),
		cmocka_unit_test(test_from_name__each_of_several_authors_gets_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
