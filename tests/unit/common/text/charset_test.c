/* charset_test.c - every Vietnamese letter through every charset, bad bytes, limits. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <iconv.h>

#include "common/text/charset.h"
#include "common/text/charset_tables.h"

#define LETTERS                                                                                    \
	"ÀÁẢÃẠĂẰẮẲẴẶÂẦẤẨẪẬÈÉẺẼẸÊỀẾỂỄỆÌÍỈĨỊÒÓỎÕỌÔỒỐỔỖỘƠỜỚỞỠỢÙÚỦŨỤƯỪỨỬỮỰỲÝỶỸỴĐ"                          \
	"àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ"

static const char *const vietnamese[] = { "UTF-8",       "windows-1258", "VISCII", "TCVN3",
	                                      "TCVN5712-1",  "x-viet-tcvn5712", "VPS", "VNI",
	                                      "VIQR",        "utf-16le",     "UTF-7", "gb18030" };

static void
check(const char *charset, const char *in, size_t n, enum cv_status want_status, const char *want)
{
	struct cv_buf out = CV_BUF_INIT(1 << 20);
	enum cv_status status = cv_charset_to_utf8(cv_str_z(charset), cv_str(in, n), &out);
	if (status != want_status || !cv_str_eq_z(cv_buf_view(&out), want))
		fail_msg("%s: status %d, got '%.*s', want '%s'", charset, status,
		         CV_STR_ARGS(cv_buf_view(&out)), want);
	cv_buf_done(&out);
}

static void
test_charset__round_trips_all_134_letters(void **state)
{
	(void)state;
	struct cv_str letters = CV_STR(LETTERS);
	size_t count = 0;
	for (size_t i = 0; i < letters.n; count++)
		(void)cv_utf8_next(letters, &i);
	assert_int_equal(count, 134);

	for (size_t c = 0; c < CV_COUNT(vietnamese); c++) {
		struct cv_str name = cv_str_z(vietnamese[c]);
		/* Alone, between letters, at the very end (where iconv forgets), and all in a
		 * row. */
		for (size_t i = 0; i < letters.n;) {
			size_t at = i;
			(void)cv_utf8_next(letters, &i);
			char text[64];
			int n = snprintf(text, sizeof text, "%.*sx a%.*s b%.*s", (int)(i - at),
			                 letters.p + at, (int)(i - at), letters.p + at,
			                 (int)(i - at), letters.p + at);
			struct cv_buf coded = CV_BUF_INIT(1000);
			assert_int_equal(cv_charset_from_utf8(name, cv_str(text, (size_t)n),
			                                      &coded),
			                 CV_OK);
			check(vietnamese[c], coded.p, coded.n, CV_OK, text);
			cv_buf_done(&coded);
		}
		struct cv_buf coded = CV_BUF_INIT(4000);
		assert_int_equal(cv_charset_from_utf8(name, letters, &coded), CV_OK);
		check(vietnamese[c], coded.p, coded.n, CV_OK, LETTERS);
		cv_buf_done(&coded);
	}
}

static void
test_charset__decodes_known_samples(void **state)
{
	(void)state;
	static const struct {
		const char *charset, *in, *want;
	} rows[] = {
		{ "TCVN3", "C\xe9ng ho\xb5 x\xb7 h\xe9i ch\xf1 ngh\xdc" "a Vi\xd6t Nam",
		  "Cộng hoà xã hội chủ nghĩa Việt Nam" },
		{ "tcvn-5712", "\xa7\xc6ng", "Đặng" },
		{ "VNI-Win", "Co\xe4ng ho\xf8" "a xa\xf5 ho\xe4i chu\xfb ngh\xf3" "a Vie\xe4t Nam",
		  "Cộng hòa xã hội chủ nghĩa Việt Nam" },
		{ "x-viet-vni", "\xd1\xf6\xf4\xf8ng pho\xe1", "Đường phố" },
		{ "VISCII", "Vi\xae" "t Nam", "Việt Nam" },
		{ "VPS", "Vi\x8ct Nam", "Việt Nam" },
		{ "VIQR", "Vie^.t Nam, ddu+o+`ng pho^', DDi\\. Dd", "Việt Nam, đường phố, Đi. Đ" },
		{ "viqr", "Ha` No^.i", "Hà Nội" },
		{ "windows-1258", "Vi\xea\xf2t Nam", "Việt Nam" },
		{ "CP1258", "\xd0\xe3\xf2ng", "Đặng" },
		{ "windows-1258", "kh\xf4ng h\xf4\xec", "không hố" },
		{ "ISO-8859-1", "caf\xe9 \x93q\x94", "café “q”" },
		{ "ISO_8859-1:1987", "\xe9", "é" },
		{ "'utf-8'", "\xc3\xa9", "é" },
		{ "utf-8*vi", "\xc3\xa9", "é" },
		{ "UTF-8", "e\xcc\x82\xcc\xa3", "ệ" },
		{ "iso-2022-jp", "\x1b$B$3$s\x1b(B", "こん" },
		{ "ISO-2022-KR", "\x1b$)C\x0e\x30\x21\x0f", "가" },
		{ "gb2312", "\xc4\xe3", "你" },
		{ "cp-850", "\x82", "é" },
		{ "ks_c_5601-1987", "\xb0\xa1", "가" },
		{ "iso-8859-8-i", "\xe0", "א" },
		{ "unicode-1-1-utf-7", "+AOk-", "é" },
		{ "koi8-r", "\xc1", "а" },
		{ "us-ascii", "\xc3\xa9", "é" },
		{ "", "plain", "plain" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		check(rows[i].charset, rows[i].in, strlen(rows[i].in), CV_OK, rows[i].want);
}

static void
test_charset__agrees_with_iconv_on_every_byte(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const uint16_t *table;
	} rows[] = { { "VISCII", cv_charset_viscii },
		         { "TCVN5712-1", cv_charset_tcvn1 },
		         { "CP1258", cv_charset_cp1258 },
		         { "CP1252", cv_charset_cp1252 } };
	for (size_t r = 0; r < CV_COUNT(rows); r++) {
		for (int b = 0; b < 256; b++) {
			iconv_t cd = iconv_open("UTF-16LE", rows[r].name);
			assert_true(cd != (iconv_t)-1);
			char in = (char)b, *ip = &in, *op;
			unsigned char got[8] = { 0xFD, 0xFF };
			size_t in_left = 1, out_left = sizeof got;
			op = (char *)got;
			if (iconv(cd, &ip, &in_left, &op, &out_left) != (size_t)-1)
				(void)iconv(cd, NULL, NULL, &op, &out_left);
			iconv_close(cd);
			if ((got[0] | got[1] << 8) != rows[r].table[b])
				fail_msg("%s byte %02x", rows[r].name, (unsigned)b);
		}
	}
}

static void
test_charset__survives_bad_bytes(void **state)
{
	(void)state;
	static const struct {
		const char *charset, *in;
		enum cv_status status;
		const char *want;
	} rows[] = {
		{ "utf-8", "a\xff" "b\xc3", CV_OK, "a\uFFFDb\uFFFD" },
		{ "utf-8", "\xc0\xaf\xed\xa0\x80", CV_OK, "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD" },
		{ "us-ascii", "a\xe9", CV_OK, "a\uFFFD" },
		{ "no-such", "a\xe9", CV_NOT_FOUND, "a\uFFFD" },
		{ "no-such", "a\xc3\xa9", CV_NOT_FOUND, "aé" },
		{ "UTF-8//IGNORE/../..", "a\xe9", CV_NOT_FOUND, "a\uFFFD" },
		{ "euc-jp", "a\xff" "b\xa4", CV_OK, "a\uFFFDb\uFFFD" },
		{ "windows-1258", "a\x81" "b", CV_OK, "a\uFFFDb" },
		{ "vps", "a\xfc" "b", CV_OK, "a\uFFFDb" },
		{ "viqr", "a\xfc" "b\\", CV_OK, "a\uFFFDb\\" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		check(rows[i].charset, rows[i].in, strlen(rows[i].in), rows[i].status,
		      rows[i].want);
	check("utf-16le", "a\0b\0\0\xd8", 6, CV_OK, "ab\uFFFD\uFFFD");
}

static void
test_charset__keeps_the_buffer_when_it_is_full(void **state)
{
	(void)state;
	static const char *const charsets[] = { "utf-8", "viscii", "euc-jp", "us-ascii", "none" };
	for (size_t i = 0; i < CV_COUNT(charsets); i++) {
		struct cv_buf out = CV_BUF_INIT(8);
		cv_buf_z(&out, "abc");
		assert_int_equal(cv_charset_to_utf8(cv_str_z(charsets[i]),
		                                    CV_STR("\xd5\xd5\xd5 123456"), &out),
		                 CV_LIMIT);
		assert_true(out.full);
		assert_int_equal(out.n, 3);
		cv_buf_done(&out);
	}
}

static void
test_utf8__cuts_between_letters_and_bounds_marks(void **state)
{
	(void)state;
	struct cv_str s = CV_STR("aệb");
	static const size_t want[] = { 0, 1, 1, 1, 4, 5, 5 };
	for (size_t i = 0; i < CV_COUNT(want); i++)
		assert_int_equal(cv_utf8_cut(s, i).n, want[i]);

	struct cv_buf in = CV_BUF_INIT(1 << 20), out = CV_BUF_INIT(1 << 20);
	cv_buf_z(&in, "a");
	for (int i = 0; i < 5000; i++)
		cv_buf_z(&in, i % 2 ? "\u0316" : "\u0300");
	assert_int_equal(cv_utf8_nfc(cv_buf_view(&in), &out), CV_OK);
	assert_true(out.n <= 2 * (CV_UTF8_RUN_MAX + 1));
	cv_buf_done(&in);
	cv_buf_done(&out);
	assert_true(cv_utf8_is_valid(CV_STR("ok \u1ec7 \U0001F600")));
	assert_false(cv_utf8_is_valid(CV_STR("\xf4\x90\x80\x80")));
	assert_int_equal(cv_utf8_valid_prefix(CV_STR("1234567890\xff")), 10);
}

static void
test_charset__knows_names_in_any_spelling(void **state)
{
	(void)state;
	static const char *const known[] = { "UTF8", "utf-8", "Utf_8", "WINDOWS-1258",
		                                 "TCVN3 (ABC)", "tcvn5712-3", "VISCII1.1-1", "x-viet-vps", "KS_C_5601-1987" };
	static const char *const unknown[] = { "x-martian", "ISO-2022-JP-3", "utf-8\xc3\xa9",
		"utf-8utf-8utf-8utf-8utf-8utf-8utf-8utf-8utf-8utf-8utf-8utf-8utf-8utf-8" };
	for (size_t i = 0; i < CV_COUNT(known); i++)
		if (!cv_charset_known(cv_str_z(known[i])))
			fail_msg("%s", known[i]);
	for (size_t i = 0; i < CV_COUNT(unknown); i++)
		if (cv_charset_known(cv_str_z(unknown[i])))
			fail_msg("%s", unknown[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_charset__round_trips_all_134_letters),
		cmocka_unit_test(test_charset__decodes_known_samples),
		cmocka_unit_test(test_charset__agrees_with_iconv_on_every_byte),
		cmocka_unit_test(test_charset__survives_bad_bytes),
		cmocka_unit_test(test_charset__keeps_the_buffer_when_it_is_full),
		cmocka_unit_test(test_charset__knows_names_in_any_spelling),
		cmocka_unit_test(test_utf8__cuts_between_letters_and_bounds_marks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
