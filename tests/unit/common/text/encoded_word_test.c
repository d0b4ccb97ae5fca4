/* encoded_word_test.c - RFC 2047 as it should be and as it comes. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/text/charset.h"
#include "common/text/encoded_word.h"

#define FFFD "\xef\xbf\xbd"

static void
test_decoding__reads_what_mail_brings(void **state)
{
	(void)state;
	static const struct { const char *in, *want; } rows[] = {
		{ "", "" }, { " plain text ", "plain text" }, { "a = b", "a = b" },
		/* RFC 2047 section 8 */
		{ "=?ISO-8859-1?Q?a?=", "a" },
		{ "=?ISO-8859-1?Q?a?= b", "a b" },
		{ "=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab" },
		{ "=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab" },
		{ "=?ISO-8859-1?Q?a?=\r\n\t=?ISO-8859-1?Q?b?=", "ab" },
		{ "=?ISO-8859-1?Q?a_b?=", "a b" },
		{ "=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b" },
		{ "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>" },
		{ "=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard" },
		{ "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
		  "If you can read this you understand the example." },
		{ "=?utf-8?b?Q8O0bmcgdsSDbiDEkeG6v24=?=", "Công văn đến" },
		/* a character split between words; padding within */
		{ "=?utf-8?B?4bo=?= =?utf-8?B?vw==?=", "ế" },
		{ "=?utf-8?Q?=E1=BA?= =?UTF-8?B?vw==?=", "ế" },
		{ "=?utf-8*vi?Q?=E1=BA=BF?=", "ế" },
		{ "x=?utf-8?Q?a?=y", "xay" },
		{ "=?utf-8?Q?a b?=", "a b" },
		{ "=?utf-8?Q?a?b?=", "a?b" },
		{ "=?utf-8?Q?=zz=4?=", "=zz=4" },
		{ "=?utf-8?Q?" "?= x", " x" },
		{ "=?windows-1258?Q?H=E0?=", "H\xc3\xa0" },
		/* unknown charset, broken bytes, controls */
		{ "=?x-none?Q?a=E9=E8?=", "a" FFFD FFFD },
		{ "=?utf-8?Q?a=E9?=", "a" FFFD },
		{ "=?utf-8?Q?a=0D=0ABcc:_x=00?=", "a  Bcc: x " },
		{ "raw \xc3\xa9 \xe1\xba\xbf", "raw é ế" },
		{ "raw \xe9", "raw " FFFD },
		/* not words */
		{ "=?utf-8?X?a?=", "=?utf-8?X?a?=" }, { "=?utf-8?Q?a", "=?utf-8?Q?a" },
		{ "=?utf-8?Q?a?", "=?utf-8?Q?a?" }, { "=??Q?a?=", "=??Q?a?=" }, { "=?u t?Q?a?=", "=?u t?Q?a?=" },
		{ "=?=?utf-8?Q?a?=", "=?a" }, { "=?utf-8?Q?a =?utf-8?Q?b?=", "=?utf-8?Q?a b" },
		{ "a\r\n b\r\n\tc", "a b\tc" }, { "a\r\nb", "a b" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf b = CV_BUF_INIT(1000);
		cv_words_decode(cv_str_z(rows[i].in), CV_STR_EMPTY, &b);
		/* Tabs are control characters here. */
		struct cv_str want = cv_str_z(rows[i].want);
		struct cv_buf w = CV_BUF_INIT(1000);
		for (size_t k = 0; k < want.n; k++)
			cv_buf_c(&w, want.p[k] == '\t' ? ' ' : want.p[k]);
		if (!cv_str_eq(cv_buf_view(&b), cv_buf_view(&w)))
			fail_msg("%s: %s", rows[i].in, b.p ? b.p : "");
		assert_true(cv_utf8_is_valid(cv_buf_view(&b)));
		cv_buf_done(&b);
		cv_buf_done(&w);
	}
}

static void
test_fallback__names_the_charset_of_raw_bytes(void **state)
{
	(void)state;
	struct cv_buf b = CV_BUF_INIT(100);
	cv_words_decode(cv_str_z("H\xe0 =?utf-8?Q?N=E1=BB=99i?="), CV_STR("windows-1258"), &b);
	assert_string_equal(b.p, "H\xc3\xa0 Nội");
	cv_buf_reset(&b);
	cv_words_decode(cv_str_z("caf\xe9"), CV_STR("iso-8859-1"), &b);
	assert_string_equal(b.p, "café");
	cv_buf_done(&b);
}

static void
test_is_coded__tells_plain_text_apart(void **state)
{
	(void)state;
	assert_false(cv_words_is_coded(cv_str_z(" plain =? text?=\r\n more")));
	assert_true(cv_words_is_coded(cv_str_z("a =?utf-8?Q?b?=")));
	assert_true(cv_words_is_coded(cv_str_z("\xc3\xa9")));
	assert_true(cv_words_is_coded(cv_str_z("a\x01")));
}

static void
test_encoding__comes_back_word_for_word(void **state)
{
	(void)state;
	static const struct { const char *in, *want; } rows[] = {
		{ "plain text", "plain text" },
		{ "", "" },
		{ "Họp giao ban", "=?UTF-8?B?SOG7jXA=?= giao ban" },
		{ "v/v mời họp về ABC", "v/v =?UTF-8?B?beG7nWkgaOG7jXAgduG7gQ==?= ABC" },
		{ "a  é", "a =?UTF-8?B?IMOp?=" },
		{ "=?utf-8?Q?x?=", "=?UTF-8?B?PT91dGYtOD9RP3g/PQ==?=" },
		{ "a\r\nBcc: x", "a  Bcc: x" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf b = CV_BUF_INIT(1000);
		cv_words_encode(cv_str_z(rows[i].in), &b);
		if (!cv_str_eq_z(cv_buf_view(&b), rows[i].want))
			fail_msg("%s: %s", rows[i].in, b.p);
		cv_buf_done(&b);
	}
}

/* Texts of all lengths and mixtures: no word over 75 octets, none with half a character, and the
 * text comes back. */
static void
test_encoding__keeps_words_short_and_characters_whole(void **state)
{
	(void)state;
	static const char *const bits[] = { "ế",   "a",  " ", "😀", "b.c",
		                            " é ", "=?", "_", "q", "ệệệệệệệệ" };
	for (unsigned seed = 1; seed < 600; seed++) {
		struct cv_buf in = CV_BUF_INIT(4000), out = CV_BUF_INIT(40000),
			      back = CV_BUF_INIT(8000);
		uint32_t r = seed;
		for (unsigned i = 0; i < seed; i++) {
			r = r * 1103515245u + 12345u;
			cv_buf_z(&in, bits[(r >> 16) % CV_COUNT(bits)]);
		}
		for (int phrase = 0; phrase < 2; phrase++) {
			cv_buf_reset(&out);
			cv_buf_reset(&back);
			if (phrase)
				cv_phrase_encode(cv_buf_view(&in), &out);
			else
				cv_words_encode(cv_buf_view(&in), &out);
			assert_false(out.full);
			struct cv_str rest = cv_buf_view(&out), piece;
			while (cv_str_split(&rest, ' ', &piece)) {
				assert_true(piece.n <= CV_WORD_MAX);
				struct cv_buf one = CV_BUF_INIT(200);
				cv_words_decode(piece, CV_STR_EMPTY, &one);
				assert_int_equal(cv_str_search(cv_buf_view(&one), CV_STR(FFFD)),
				                 one.n);
				cv_buf_done(&one);
			}
			cv_words_decode(cv_buf_view(&out), CV_STR_EMPTY, &back);
			/* A quoted phrase has its quotes, which belong to the address reader. */
			if (!phrase || out.p[0] != '"')
				assert_true(cv_str_eq(cv_buf_view(&back),
				                      cv_str_trim(cv_buf_view(&in))));
		}
		cv_buf_done(&in);
		cv_buf_done(&out);
		cv_buf_done(&back);
	}
}

/* A row of word starts without an end must not cost the square of its length. */
static void
test_decoding__stays_linear(void **state)
{
	(void)state;
	struct cv_buf in = CV_BUF_INIT(4u << 20), out = CV_BUF_INIT(16u << 20);
	while (in.n < (1u << 20))
		cv_buf_z(&in, in.n < (1u << 19) ? "=?a?q?" : "=?a?b??");
	cv_words_decode(cv_buf_view(&in), CV_STR_EMPTY, &out);
	assert_true(out.n > 0);
	cv_buf_done(&in);
	cv_buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decoding__reads_what_mail_brings),
		cmocka_unit_test(test_fallback__names_the_charset_of_raw_bytes),
		cmocka_unit_test(test_is_coded__tells_plain_text_apart),
		cmocka_unit_test(test_encoding__comes_back_word_for_word),
		cmocka_unit_test(test_encoding__keeps_words_short_and_characters_whole),
		cmocka_unit_test(test_decoding__stays_linear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
