/* lookalike_test.c - what is made to be taken for something else (POL-06), and what is not. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "common/text/lookalike.h"
#include "tests/unit/check.h"

static void
test_likeness__finds_what_a_hasty_reader_takes_for_ours(void **state)
{
	static const char *const official[] = {"gov", "vn", "ubnd", "mail", NULL};
	/* clang-format off */
	static const struct {
		const char *theirs, *ours;
		enum cv_likeness want;
	} rows[] = {
		{"lamgiang", "lamgiang", CV_ALIKE_EQUAL},
		{"LamGiang", "lamgiang", CV_ALIKE_EQUAL},
		{"lаmgiang", "lamgiang", CV_ALIKE_LETTERS}, /* Cyrillic a */ {"lamgіang",
			"lamgiang", CV_ALIKE_LETTERS}, /* Cyrillic i */ {"lɑmgiang", "lamgiang",
			CV_ALIKE_LETTERS}, /* Latin alpha */ {"lαmgιαng", "lamgiang",
			CV_ALIKE_LETTERS}, /* Greek */ {"lámgiang", "lamgiang", CV_ALIKE_LETTERS},
		{"lạmgiang", "lamgiang", CV_ALIKE_LETTERS},
		{"larngiang", "lamgiang", CV_ALIKE_LETTERS},
		{"1amgiang", "lamgiang", CV_ALIKE_LETTERS},
		{"iamgiang", "lamgiang", CV_ALIKE_LETTERS},
		{"lamg1ang", "lamgiang", CV_ALIKE_LETTERS},
		{"lamglang", "lamgiang", CV_ALIKE_LETTERS},
		{"ｌａｍｇｉａｎｇ", "lamgiang", CV_ALIKE_LETTERS},
		{"𝐥𝐚𝐦𝐠𝐢𝐚𝐧𝐠", "lamgiang", CV_ALIKE_LETTERS},
		{"ⓛⓐⓜⓖⓘⓐⓝⓖ", "lamgiang", CV_ALIKE_LETTERS},
		{"lam\xe2\x80\x8bgiang", "lamgiang", CV_ALIKE_LETTERS},
			/* a space of no width */ {"h0idong", "hoidong", CV_ALIKE_LETTERS},
		{"vvebsite", "website", CV_ALIKE_LETTERS},
		{"cluc", "duc", CV_ALIKE_LETTERS},
		{"lamgang", "lamgiang", CV_ALIKE_TYPING},
		{"lammgiang", "lamgiang", CV_ALIKE_TYPING},
		{"langgiang", "lamgiang", CV_UNLIKE},
		{"langiang", "lamgiang", CV_ALIKE_TYPING},
		{"lamigang", "lamgiang", CV_ALIKE_TYPING},
		{"lamgiagn", "lamgiang", CV_ALIKE_TYPING},
		{"xlamgiang", "lamgiang", CV_ALIKE_TYPING},
		{"lamgian", "lamgiang", CV_ALIKE_TYPING},
		{"lam-giang", "lamgiang", CV_ALIKE_TYPING},
		{"hui", "hue", CV_UNLIKE}, /* short names are near by chance */ {"snx",
			"snv", CV_UNLIKE},
		{"lamgiang-gov", "lamgiang", CV_ALIKE_WORDS},
		{"lamgianggov", "lamgiang", CV_ALIKE_WORDS},
		{"lamgianggovvn", "lamgiang", CV_ALIKE_WORDS},
		{"ubndlamgiang", "lamgiang", CV_ALIKE_WORDS},
		{"ubnd-tinh-lamgiang", "lamgiang", CV_ALIKE_WORDS},
		{"thue-lamgiang-online", "lamgiang", CV_ALIKE_WORDS},
		{"hue-gov", "hue", CV_ALIKE_WORDS},
		{"hue-dulich", "hue", CV_UNLIKE},
		{"huegov", "hue", CV_ALIKE_WORDS},
		{"lamgiangfood", "lamgiang", CV_UNLIKE},
			/* a business of the region */ {"banlamgiang", "lamgiang", CV_UNLIKE},
		{"vinhphuc", "lamgiang", CV_UNLIKE},
		{"", "lamgiang", CV_UNLIKE},
		{"lamgiang", "", CV_UNLIKE},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		enum cv_likeness got =
			cv_likeness(cv_str_z(rows[i].theirs), cv_str_z(rows[i].ours), official);
		if (got != rows[i].want)
			print_error("%s: %s\n", rows[i].theirs, cv_likeness_word(got));
		CHECK(rows[i].theirs, got == rows[i].want);
	}
	CHECK_END();
}

static void
test_mixed_script__spares_what_people_write(void **state)
{
	/* clang-format off */
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{"lamgiang", false}, {"lаmgiang", true}, {"Đặng Thị Duyên", false}, {"αβγ", false},
		{"аbc", true}, {"почта", false}, {"mail-почта", true}, {"東京mail", false},
		{"abc123-x", false}, {"", false}, {"ρaypal", true}, {"hoà", false},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].text, cv_is_mixed_script(cv_str_z(rows[i].text)) == rows[i].want);
	CHECK_END();
}

static void
test_skeleton__bears_anything(void **state)
{
	struct cv_buf out = CV_BUF_INIT(10);

	(void)state;
	assert_int_equal(cv_skeleton(CV_STR("a\xff\xfe\x80"), &out), CV_OK);
	assert_true(cv_utf8_is_valid(cv_buf_view(&out)));
	cv_buf_reset(&out);
	assert_int_equal(cv_skeleton(CV_STR("eleven letters"), &out), CV_LIMIT);
	assert_int_equal(out.n, 0);
	cv_buf_done(&out);
}

/* Found by halves, so a row out of order is a row lost: each letter of these is in the tables. */
static void
test_skeleton__knows_every_letter_of_its_tables(void **state)
{
	/* clang-format off */
	static const char *const rows[][2] = {
		{"ΒΕΖΗΚΜΝΡΤΥΧ", "bezhkmnptyx"},
		{"аесорхуктмнв", "aecopxyktmhb"},
		{"ԁԛԝһјѕ", "dqwhjs"},
		{"օսհց", "ouhg"},
		{"ᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢ", "acdejkmoptuvwz"},
		{"ʙʜʏɴʀɢ", "bhynrg"},
		{"ⅽⅾⅿⅹⅴ", "cdmxv"},
		{"ØĦŁ", "ohl"}
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(100);
		CHECK(rows[i][0], cv_skeleton(cv_str_z(rows[i][0]), &out) == CV_OK);
		CHECK(rows[i][0], cv_str_eq_z(cv_buf_view(&out), rows[i][1]));
		cv_buf_done(&out);
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_likeness__finds_what_a_hasty_reader_takes_for_ours),
		cmocka_unit_test(test_mixed_script__spares_what_people_write),
		cmocka_unit_test(test_skeleton__bears_anything),
		cmocka_unit_test(test_skeleton__knows_every_letter_of_its_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
