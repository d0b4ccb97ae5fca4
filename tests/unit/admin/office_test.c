/* office_test.c - one document in six formats (REP-05): Vietnamese numbers, harmless cells, the
 * same octets each time. tests/clients/reports.py reads the files with office libraries. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <locale.h>

#include "admin/office/office.h"
#include "common/base/clock.h"
#include "common/text/date.h"

static struct admin_doc *
sample(size_t rows, const char *name)
{
	/* clang-format off */
	static const struct admin_doc_column columns[] = {
		{ "agency", "Đơn vị",         0, ADMIN_TEXT },
		{ "staff",  "Số cán bộ",      0, ADMIN_COUNT },
		{ "share",  "Tỷ lệ",          0, ADMIN_SHARE },
		{ "median", "Trung vị (giờ)", 0, ADMIN_DECIMAL },
		{ "day",    "Ngày",           0, ADMIN_DAY },
	};
	/* clang-format on */
	static const struct admin_chart chart = {
		ADMIN_CHART_BARS, "Tỷ lệ theo đơn vị", 0, {1, 2}, 2};
	int64_t day = cv_days_from_civil(2026, 11, 23);
	struct admin_doc *d =
		admin_doc_new(true, day, "Báo cáo <thử>", "Số liệu đến 23/11/2026");
	struct admin_doc_head head = {
		.agency = "SỞ KHOA HỌC VÀ CÔNG NGHỆ", .place = "Lam Giang", .kind = "BÁO CÁO"};

	admin_doc_set_head(d, &head);
	admin_doc_heading(d, "I. Kết quả");
	admin_doc_text(d, "Có %d đơn vị.", 2);
	admin_doc_annex(d, "PHỤ LỤC");
	struct admin_doc_table *t =
		admin_doc_table(d, "usage", "Theo đơn vị", columns, CV_COUNT(columns));
	for (size_t i = 0; i < rows; i++) {
		struct admin_value cells[] = {admin_text_z(name), admin_count(12077),
			admin_share(10628, 12077), admin_decimal(7, 2), admin_on_day(day)};
		admin_doc_row(d, t, cells, false);
	}
	struct admin_value total[] = {admin_text_z("Tổng"), admin_count(-1234567),
		admin_share(1, 0), admin_none(), admin_none()};
	admin_doc_row(d, t, total, true);
	admin_doc_chart(d, t, &chart);
	return d;
}

static bool
holds(const struct cv_buf *b, const char *text)
{
	return cv_str_search(cv_buf_view(b), cv_str_z(text)) < b->n;
}

static void
rep_05_numbers_and_days_have_vietnamese_forms(void **state)
{
	(void)state;
	/* clang-format off */
	const struct {
		struct admin_value value;
		const char *want;
	} rows[] = {
		{ admin_count(0),             "0" },
		{ admin_count(999),           "999" },
		{ admin_count(12077),         "12.077" },
		{ admin_count(1234567),       "1.234.567" },
		{ admin_count(-1000),         "-1.000" },
		{ admin_count(INT64_MIN),     "-9.223.372.036.854.775.808" },
		{ admin_share(10628, 12077),  "88,0%" },
		{ admin_share(8454, 12077),   "70,0%" },
		{ admin_share(1, 3),          "33,3%" },
		{ admin_share(1999, 2000),    "100,0%" }, /* halves go up */
		{ admin_share(0, 5),          "0,0%" },
		{ admin_share(0, 0),          "" },
		{ admin_decimal(7, 2),        "3,5" },
		{ admin_decimal(12345678, 10), "1.234.567,8" },
		{ admin_decimal(-1, 4),       "-0,3" },
		{ admin_on_day(0),            "01/01/1970" },
		{ admin_on_day(20780),        "23/11/2026" },
		{ admin_none(),               "" },
		{ admin_text_z("Sở Tư pháp"), "Sở Tư pháp" },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf got = CV_BUF_INIT(1000);
		admin_value_put(&got, rows[i].value);
		CHECK(rows[i].want, cv_str_eq_z(cv_buf_view(&got), rows[i].want));
		cv_buf_done(&got);
	}
	CHECK_END();
}

static void
test_office__every_format_says_what_the_document_says(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct { enum admin_format format; const char *want; } rows[] = {
		{ ADMIN_FORMAT_TABLE, "12.077  88,0%             3,5  23/11/2026\n" },
		{ ADMIN_FORMAT_TABLE, "-1.234.567      –" },
		{ ADMIN_FORMAT_CSV,   "\xef\xbb\xbfĐơn vị,Số cán bộ," },
		{ ADMIN_FORMAT_CSV,   "\" =1+2\",12077,\"88,0%\",\"3,5\",23/11/2026\r\n" },
		{ ADMIN_FORMAT_CSV,   "Tổng,-1234567,,,\r\n" },
		{ ADMIN_FORMAT_JSON,  "\"share\": 0.88," },
		{ ADMIN_FORMAT_JSON,  "\"day\": \"2026-11-23\"" },
		{ ADMIN_FORMAT_JSON,  "\"is_total\": true" },
		{ ADMIN_FORMAT_HTML,  "<h1>Báo cáo &lt;thử&gt;</h1>" },
		{ ADMIN_FORMAT_HTML,  "<td class=\"n\">88,0%</td>" },
		{ ADMIN_FORMAT_HTML,  "<svg role=\"img\" aria-labelledby=\"ct1 cd1\"" },
		{ ADMIN_FORMAT_HTML,  "<html lang=\"vi\">" },
		{ ADMIN_FORMAT_XLSX,  "PK\003\004" },
		{ ADMIN_FORMAT_ODT,   "PK\003\004" },
	};
	/* clang-format on */
	struct admin_doc *d = sample(2, "=1+2");

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(1u << 24);
		struct cv_err err = {0};
		CHECK(rows[i].want, admin_doc_write(d, rows[i].format, &out, &err) == CV_OK);
		CHECK(rows[i].want, holds(&out, rows[i].want));
		if (rows[i].format == ADMIN_FORMAT_HTML)
			CHECK("no script", !holds(&out, "<script"));
		cv_buf_done(&out);
	}
	admin_doc_free(d);
	CHECK_END();
}

static void
test_office__the_same_document_gives_the_same_octets(void **state)
{
	(void)state;
	setlocale(LC_ALL, "vi_VN.UTF-8"); /* with a decimal comma, when the machine has it */
	for (int f = 0; f < ADMIN_FORMAT_COUNT; f++) {
		struct cv_buf out[2] = {CV_BUF_INIT(1u << 24), CV_BUF_INIT(1u << 24)};
		struct cv_err err = {0};
		for (int i = 0; i < 2; i++) {
			struct admin_doc *d = sample(3, "Sở Tư pháp");
			CHECK("written",
				admin_doc_write(d, (enum admin_format)f, &out[i], &err) == CV_OK);
			admin_doc_free(d);
			cv_clock_shift(3 * 86400 + 7);
		}
		CHECK("same", cv_str_eq(cv_buf_view(&out[0]), cv_buf_view(&out[1])));
		cv_buf_done(&out[0]);
		cv_buf_done(&out[1]);
	}
	setlocale(LC_ALL, "C");
	CHECK_END();
}

/* ODF 1.2 part 3, 3.3: the first file is "mimetype", stored, without an extra field. */
static void
rep_05_an_odt_file_begins_with_its_media_type(void **state)
{
	(void)state;
	struct admin_doc *d = sample(1, "x");
	struct cv_buf out = CV_BUF_INIT(1u << 20);
	struct cv_err err = {0};

	CHECK("written", admin_doc_write(d, ADMIN_FORMAT_ODT, &out, &err) == CV_OK);
	CHECK("name", cv_str_has_prefix(cv_str_sub(cv_buf_view(&out), 30, out.n),
			      "mimetypeapplication/vnd.oasis.opendocument.text"));
	cv_buf_done(&out);
	admin_doc_free(d);
	CHECK_END();
}

static void
test_office__what_cannot_stand_in_a_document_becomes_a_question_mark(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct { const char *name, *text, *want; } rows[] = {
		{ "escape",       "a\x1b[31mb",          "a?[31mb" },
		{ "C1",           "a\xc2\x9b" "b",       "a?b" },
		{ "broken UTF-8", "a\xff\xc3" "b",       "a??b" },
		{ "noncharacter", "a\xef\xbf\xbf" "b",   "a?b" },
		{ "good",         "Đặng Thị Duyên",      "Đặng Thị Duyên" },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct admin_doc *d = sample(1, rows[i].text);
		struct cv_str got = admin_doc_main_table(d)->rows[0].cells[0].text;
		CHECK(rows[i].name, cv_str_eq_z(got, rows[i].want));
		admin_doc_free(d);
	}
	CHECK_END();
}

static void
test_office__a_province_of_rows_takes_little_time(void **state)
{
	(void)state;
	struct admin_doc *d = sample(12077, "Trung tâm Phục vụ hành chính công xã Tân Lập");

	for (int f = 0; f < ADMIN_FORMAT_COUNT; f++) {
		struct cv_buf out = CV_BUF_INIT(1u << 26);
		struct cv_err err = {0};
		int64_t start = cv_mono_ms();
		CHECK("written", admin_doc_write(d, (enum admin_format)f, &out, &err) == CV_OK);
		CHECK("quick", cv_mono_ms() - start < 30000);
		print_message("format %d: %zu octets, %lld ms\n", f, out.n,
			(long long)(cv_mono_ms() - start));
		cv_buf_done(&out);
	}
	admin_doc_free(d);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rep_05_numbers_and_days_have_vietnamese_forms),
		cmocka_unit_test(test_office__every_format_says_what_the_document_says),
		cmocka_unit_test(test_office__the_same_document_gives_the_same_octets),
		cmocka_unit_test(rep_05_an_odt_file_begins_with_its_media_type),
		cmocka_unit_test(
			test_office__what_cannot_stand_in_a_document_becomes_a_question_mark),
		cmocka_unit_test(test_office__a_province_of_rows_takes_little_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
