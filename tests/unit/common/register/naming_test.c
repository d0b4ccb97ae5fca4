/* naming_test.c - the people of the demo province and harder ones. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>

#include <cmocka.h>

#include "common/register/naming.h"

static void
adr_01_local_parts_follow_the_template(void **state)
{
	(void)state;
	static const struct {
		enum cv_name_template t;
		const char *surname, *middle, *given, *unit;
		unsigned number;
		const char *want;
	} rows[] = {
		{ CV_NAME_INITIALS, "Đặng", "Thị", "Duyên", "stp", 0, "dtduyen.stp" },
		{ CV_NAME_INITIALS, "Nguyễn", "Văn", "An", "snv", 2, "nvan2.snv" },
		{ CV_NAME_INITIALS, "Rơ Mah", "", "H'Bia", "", 0, "rmhbia" },
		{ CV_NAME_INITIALS, "Niê", "Y", "Bhiu", "snv", 0, "nybhiu.snv" },
		{ CV_NAME_INITIALS, "Nguyễn", "Hoàng Bảo Trâm", "Anh", "syt", 0, "nhbtanh.syt" },
		{ CV_NAME_INITIALS, "Ông", "Mai", "Xuân", "stp", 0, "omxuan.stp" },
		{ CV_NAME_INITIALS, "Ngô", "", "Toàn", "stp", 0, "ntoan.stp" },
		{ CV_NAME_INITIALS, "Đoàn", "Văn", "Nỉ", "stp", 0, "dvni.stp" },
		/* the two ways to place a tone, and NFD */
		{ CV_NAME_INITIALS, "Lê", "Thị", "Thuý", "stp", 0, "ltthuy.stp" },
		{ CV_NAME_INITIALS, "Lê", "Thị", "Thúy", "stp", 0, "ltthuy.stp" },
		{ CV_NAME_INITIALS, "Le\xcc\x82", "Thi\xcc\xa3", "Thu\xcc\x81y", "stp", 0, "ltthuy.stp" },
		{ CV_NAME_FLAT, "Nguyễn", "Văn", "Hoà", "", 0, "nguyenvanhoa" },
		{ CV_NAME_FLAT, "Nguyễn", "Văn", "Hòa", "", 3, "nguyenvanhoa3" },
		{ CV_NAME_GIVEN, "Nguyễn", "Văn", "Hòa", "", 0, "hoanv" },
		{ CV_NAME_INITIALS, "", "", "", "stp", 0, NULL },
		{ CV_NAME_INITIALS, "'", "", "…", "stp", 0, NULL },
	};
	unsigned failed = 0;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(256);
		struct cv_err err;
		enum cv_status status = cv_name_local_part(rows[i].t, cv_str_z(rows[i].surname),
			cv_str_z(rows[i].middle), cv_str_z(rows[i].given), cv_str_z(rows[i].unit),
			rows[i].number, &out, &err);
		bool ok = rows[i].want ? !status && !strcmp(out.p, rows[i].want)
		                       : status == CV_INVALID;
		if (!ok) {
			print_error("row %zu: %d %s\n", i, status, out.p ? out.p : "");
			failed++;
		}
		cv_buf_done(&out);
	}
	assert_int_equal(failed, 0);
}

static void
adr_03_names_split_into_surname_middle_and_given(void **state)
{
	(void)state;
	static const struct {
		const char *full, *surname, *middle, *given;
	} rows[] = {
		{ "Đặng Thị Duyên", "Đặng", "Thị", "Duyên" },
		{ "  Nguyễn   Văn\xc2\xa0 Hoà ", "Nguyễn", "Văn", "Hoà" },
		{ "Ngô Toàn", "Ngô", "", "Toàn" },
		{ "Toàn", "", "", "Toàn" },
		{ "Ông Mai Xuân", "Ông", "Mai", "Xuân" },
		{ "Rơ Mah H'Bia", "Rơ Mah", "", "H'Bia" },
		{ "Rơ Châm Y Thanh", "Rơ Châm", "Y", "Thanh" },
		{ "Kpă Klơng", "Kpă", "", "Klơng" },
		{ "Y Bhiu Niê", "Niê", "Y", "Bhiu" },
		{ "H'Hen Niê", "Niê", "", "H'Hen" },
		{ "Y Moan Niê Kđăm", "Niê Kđăm", "Y", "Moan" },
		{ "Tôn Nữ Thị Ninh", "Tôn Nữ", "Thị", "Ninh" },
		{ "Nguyễn Hoàng Bảo Trâm Anh", "Nguyễn", "Hoàng Bảo Trâm", "Anh" },
		{ "Le\xcc\x82 Thu\xcc\x81y", "Lê", "", "Thúy" },
	};
	unsigned failed = 0;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf s = CV_BUF_INIT(256), m = CV_BUF_INIT(256), g = CV_BUF_INIT(256);
		struct cv_err err;
		if (cv_name_split(cv_str_z(rows[i].full), &s, &m, &g, &err) ||
		    !cv_str_eq_z(cv_buf_view(&s), rows[i].surname) ||
		    !cv_str_eq_z(cv_buf_view(&m), rows[i].middle) ||
		    !cv_str_eq_z(cv_buf_view(&g), rows[i].given)) {
			print_error("%s: '%s' '%s' '%s'\n", rows[i].full, s.p ? s.p : "",
			            m.p ? m.p : "", g.p ? g.p : "");
			failed++;
		}
		cv_buf_done(&s);
		cv_buf_done(&m);
		cv_buf_done(&g);
	}
	assert_int_equal(failed, 0);
	struct cv_buf b = CV_BUF_INIT(256);
	struct cv_err err;
	assert_int_equal(cv_name_split(CV_STR("  "), &b, &b, &b, &err), CV_INVALID);
	assert_int_equal(cv_name_split(CV_STR("\xff"), &b, &b, &b, &err), CV_INVALID);
	cv_buf_done(&b);
}

static void
adr_04_reserved_indecent_and_look_alike_names_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *local;
		bool refused;
	} rows[] = {
		{ "postmaster", true },  { "PostMaster", true }, { "p0stmaster", true },
		{ "post-master", true }, { "adm1n", true },      { "adrnin", true },
		{ "dcm.stp", true },     { "dcm2.stp", true },   { "lon", true },
		{ "chutich", true },     { "nvhoa.snv", false }, { "dcmai.stp", false },
		{ "vanthu.stp", false }, { "nvlon.snv", false }, { "sotuphap", false },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const char *why = NULL, *why_vi = NULL;
		bool got = cv_name_is_refused(cv_str_z(rows[i].local), "chutich bithu", &why,
		                              &why_vi);
		if (got != rows[i].refused || (got && (!why || !why_vi)))
			fail_msg("%s", rows[i].local);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adr_01_local_parts_follow_the_template),
		cmocka_unit_test(adr_03_names_split_into_surname_middle_and_given),
		cmocka_unit_test(adr_04_reserved_indecent_and_look_alike_names_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
