/* utf7_test.c - modified UTF-7: one spelling for each name. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/text/utf7.h"

static void
test_names__go_both_ways(void **state)
{
	(void)state;
	static const struct { const char *utf7, *utf8; } rows[] = {
		{ "", "" },
		{ "INBOX", "INBOX" },
		{ "a&-b", "a&b" },
		{ "&-", "&" },
		{ "&-&-", "&&" },
		{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語" },
		{ "C&APQ-ng v&AQM-n &AREevw-n", "Công văn đến" },
		{ "&ARAA4w- g&Hu0-i", "Đã gửi" },
		{ "Th&AbA- r&AOE-c", "Thư rác" },
		{ "&2D3eAA-", "😀" },
		{ "&AOk-&-&AOk-", "é&é" },
		{ "Entw&APw-rfe", "Entwürfe" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf b = CV_BUF_INIT(100);
		if (cv_utf7_decode(cv_str_z(rows[i].utf7), &b) ||
		    !cv_str_eq_z(cv_buf_view(&b), rows[i].utf8))
			fail_msg("%s: %.*s", rows[i].utf7, CV_STR_ARGS(cv_buf_view(&b)));
		cv_buf_reset(&b);
		if (cv_utf7_encode(cv_str_z(rows[i].utf8), &b) ||
		    !cv_str_eq_z(cv_buf_view(&b), rows[i].utf7))
			fail_msg("%s: %.*s", rows[i].utf8, CV_STR_ARGS(cv_buf_view(&b)));
		cv_buf_done(&b);
	}
}

static void
test_decoding__refuses_other_spellings(void **state)
{
	(void)state;
	static const struct { const char *why, *in; } rows[] = {
		{ "8-bit", "\xc3\xa9" }, { "control", "a\tb" }, { "DEL", "a\x7f" },
		{ "no end", "&AOk" }, { "no end, empty", "a&" }, { "letter in a shift", "&AGE-" },
		{ "ampersand in a shift", "&ACY-" }, { "NUL in a shift", "&AAA-" },
		{ "two shifts in a row", "&AOk-&AOk-" }, { "padding not zero", "&AOl-" },
		{ "one digit", "&A-" }, { "a digit too many", "&AOkA-" }, { "high alone", "&2D0-" },
		{ "low alone", "&3gA-" }, { "high, then a letter", "&2D0A6Q-" }, { "base64 slash", "&U/BTFw-" },
		{ "padding", "&AOk=-" }, { "UTF-7 plus", "&AOk+" }, { "UTF-8 in a shift", "&\xc3\xa9-" },
		{ "DEL in a shift", "&AH8-" }, { "newline in a shift", "&AAo-" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf b = CV_BUF_INIT(100);
		cv_buf_c(&b, 'x');
		if (cv_utf7_decode(cv_str_z(rows[i].in), &b) != CV_INVALID || b.n != 1)
			fail_msg("taken: %s", rows[i].why);
		cv_buf_done(&b);
	}
}

static void
test_encoding__refuses_broken_text_and_long_names(void **state)
{
	(void)state;
	static const char *const bad[] = { "\xc3",     "\xc3(", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		                           "\xc0\x80", "a\nb",  "\x7f" };
	struct cv_buf b = CV_BUF_INIT(10000), small = CV_BUF_INIT(5);
	for (size_t i = 0; i < CV_COUNT(bad); i++)
		if (cv_utf7_encode(cv_str_z(bad[i]), &b) != CV_INVALID || b.n)
			fail_msg("taken: row %zu", i);
	assert_int_equal(cv_utf7_encode(cv_str("a\0b", 3), &b), CV_INVALID);
	char *huge = cv_malloc(CV_UTF7_MAX + 1);
	memset(huge, 'a', CV_UTF7_MAX + 1);
	assert_int_equal(cv_utf7_encode(cv_str(huge, CV_UTF7_MAX + 1), &b), CV_LIMIT);
	assert_int_equal(cv_utf7_decode(cv_str(huge, CV_UTF7_MAX + 1), &b), CV_LIMIT);
	assert_int_equal(cv_utf7_decode(cv_str(huge, CV_UTF7_MAX), &b), CV_OK);
	assert_int_equal(cv_utf7_decode(cv_str_z("&ZeVnLIqe-"), &small), CV_LIMIT);
	assert_int_equal(small.n, 0);
	free(huge);
	cv_buf_done(&b);
	cv_buf_done(&small);
}

/* Whatever is accepted is spelt the one way that the encoder has. */
static void
test_decoding__accepts_nothing_it_would_not_write(void **state)
{
	(void)state;
	static const char letters[] = "&-A6Dek,a";
	for (unsigned n = 0; n < 9 * 9 * 9 * 9 * 9 * 9; n++) {
		char in[6];
		unsigned v = n;
		for (size_t i = 0; i < sizeof(in); i++, v /= 9)
			in[i] = letters[v % 9];
		struct cv_buf text = CV_BUF_INIT(100), back = CV_BUF_INIT(100);
		if (cv_utf7_decode(cv_str(in, sizeof(in)), &text) == CV_OK) {
			assert_int_equal(cv_utf7_encode(cv_buf_view(&text), &back), CV_OK);
			assert_true(cv_str_eq(cv_buf_view(&back), cv_str(in, sizeof(in))));
		}
		cv_buf_done(&text);
		cv_buf_done(&back);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names__go_both_ways),
		cmocka_unit_test(test_decoding__refuses_other_spellings),
		cmocka_unit_test(test_encoding__refuses_broken_text_and_long_names),
		cmocka_unit_test(test_decoding__accepts_nothing_it_would_not_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
