/* encode_test.c - base64, quoted-printable, hex and xtext. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/text/encode.h"

static struct cv_str
z(const char *s)
{
	return cv_str_z(s);
}

static void
check(const char *name, const struct cv_buf *got, const char *want)
{
	if (!cv_str_eq(cv_buf_view(got), z(want)))
		fail_msg("%s: got \"%.*s\", want \"%s\"", name, CV_STR_ARGS(cv_buf_view(got)),
		         want);
}

/* RFC 4648 section 10, and what a strict reader must refuse. */
static void
test_base64__is_strict_for_protocols(void **state)
{
	(void)state;
	static const struct { const char *coded, *plain; } good[] = {
		{ "", "" }, { "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" },
		{ "Zm9vYg==", "foob" }, { "Zm9vYmE=", "fooba" }, { "Zm9vYmFy", "foobar" },
		{ "AHRpbQB0YW5zdGFhZg==", NULL },
	};
	static const char *const bad[] = {
		"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v\r\n", "Z m9v", "=", "====", "Zg==Zg==",
		"Zm9v=", "Zm-_", "Z===", "Zm8=Zm8=", "\xc3\xa9\xc3\xa9",
	};
	for (size_t i = 0; i < CV_COUNT(good); i++) {
		struct cv_buf plain = CV_BUF_INIT(100), back = CV_BUF_INIT(100);
		assert_int_equal(cv_base64_decode(z(good[i].coded), &plain), CV_OK);
		if (good[i].plain)
			check(good[i].coded, &plain, good[i].plain);
		cv_base64_encode(cv_buf_view(&plain), &back);
		check(good[i].coded, &back, good[i].coded);
		cv_buf_done(&plain);
		cv_buf_done(&back);
	}
	for (size_t i = 0; i < CV_COUNT(bad); i++) {
		struct cv_buf out = CV_BUF_INIT(100);
		if (cv_base64_decode(z(bad[i]), &out) != CV_INVALID || out.n)
			fail_msg("taken: %s", bad[i]);
		cv_buf_done(&out);
	}
}

static void
test_base64__fits_a_buffer_of_exactly_its_size(void **state)
{
	(void)state;
	for (size_t n = 0; n < 9; n++) {
		struct cv_buf coded = CV_BUF_INIT(CV_BASE64_SIZE(n)), plain = CV_BUF_INIT(n);
		struct cv_buf mime = CV_BUF_INIT(n), small = CV_BUF_INIT(n ? n - 1 : 0);
		struct cv_base64_reader r = {0};
		cv_base64_encode(cv_str("abcdefghi", n), &coded);
		assert_false(coded.full);
		assert_int_equal(cv_base64_decode(cv_buf_view(&coded), &plain), CV_OK);
		assert_int_equal(plain.n, n);
		cv_base64_read(&r, cv_buf_view(&coded), &mime);
		cv_base64_read_end(&r, &mime);
		assert_false(mime.full);
		assert_int_equal(mime.n, n);
		if (n)
			assert_int_equal(cv_base64_decode(cv_buf_view(&coded), &small), CV_LIMIT);
		cv_buf_done(&coded);
		cv_buf_done(&plain);
		cv_buf_done(&mime);
		cv_buf_done(&small);
	}
}

static void
test_base64url__has_no_padding_of_its_own(void **state)
{
	(void)state;
	struct cv_buf b = CV_BUF_INIT(100), back = CV_BUF_INIT(100);
	cv_base64url_encode(cv_str("\xfb\xff\xfe?", 4), &b);
	check("encode", &b, "-__-Pw");
	assert_int_equal(cv_base64url_decode(cv_buf_view(&b), &back), CV_OK);
	assert_int_equal(cv_base64url_decode(z("-__-Pw=="), &back), CV_OK);
	assert_int_equal(back.n, 8);
	assert_int_equal(cv_base64url_decode(z("-__-Pw="), &back), CV_INVALID);
	assert_int_equal(cv_base64url_decode(z("+//+Pw"), &back), CV_INVALID);
	assert_int_equal(cv_base64url_decode(z("-__-Px"), &back), CV_INVALID);
	cv_buf_done(&b);
	cv_buf_done(&back);
}

typedef void read_fn(struct cv_str in, size_t step, struct cv_buf *out, bool *damaged);

static void
read_base64(struct cv_str in, size_t step, struct cv_buf *out, bool *damaged)
{
	struct cv_base64_reader r = {0};
	for (size_t at = 0; at < in.n; at += step)
		cv_base64_read(&r, cv_str_sub(in, at, at + step), out);
	cv_base64_read_end(&r, out);
	*damaged = r.is_damaged;
}

static void
read_qp(struct cv_str in, size_t step, struct cv_buf *out, bool *damaged)
{
	struct cv_qp_reader r = {0};
	for (size_t at = 0; at < in.n; at += step)
		cv_qp_read(&r, cv_str_sub(in, at, at + step), out);
	cv_qp_read_end(&r, out);
	*damaged = r.is_damaged;
}

struct row {
	const char *in, *want;
	bool damaged;
};

/* Whole, byte by byte, and in pieces between. */
static void
check_rows(read_fn *read, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t step = 1; step < 9; step++) {
			struct cv_buf out = CV_BUF_INIT(1000);
			bool damaged;
			read(z(rows[i].in), step == 8 ? 1000 : step, &out, &damaged);
			check(rows[i].in, &out, rows[i].want);
			if (damaged != rows[i].damaged)
				fail_msg("%s: damage %s", rows[i].in,
				         damaged ? "seen" : "not seen");
			cv_buf_done(&out);
		}
	}
}

static void
test_base64_reader__takes_what_mail_brings(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "Zm9v\r\nYmFy\r\n",     "foobar", false },
		{ "Z\r\nm\n9 v\tYmFy",    "foobar", false },
		{ "Zm9vYg==",             "foob",   false },
		{ "Zm9vYg",               "foob",   false },
		{ "Zm9vYm",               "foob",   false },
		{ "Zm9vYmE",              "fooba",  false },
		{ "Zm9vY",                "foo",    true  },
		{ "Zg==Zm9v",             "ffoo",   true  },
		{ "Zg=\r\n=\r\n",         "f",      false },
		{ "Zm9v!YmFy",            "foobar", true  },
		{ "Zm\xc3\xa9" "9v",      "foo",    true  },
		{ "=Zm9v",                "foo",    true  },
		{ "",                     "",       false },
	};
	check_rows(read_base64, rows, CV_COUNT(rows));
}

static void
test_base64_writer__cuts_lines_of_76(void **state)
{
	(void)state;
	char in[200];
	memset(in, 'x', sizeof(in));
	for (size_t step = 1; step <= sizeof(in); step = step * 3 + 1) {
		struct cv_buf out = CV_BUF_INIT(1000), back = CV_BUF_INIT(1000);
		struct cv_base64_writer w = {0};
		for (size_t at = 0; at < sizeof(in); at += step)
			cv_base64_write(&w, cv_str_sub(cv_str(in, sizeof(in)), at, at + step),
			                &out);
		cv_base64_write_end(&w, &out);
		assert_int_equal(out.n, 268 + 4 * 2);
		assert_memory_equal(out.p + 76, "\r\n", 2);
		bool damaged;
		read_base64(cv_buf_view(&out), out.n, &back, &damaged);
		assert_false(damaged);
		assert_int_equal(back.n, sizeof(in));
		assert_memory_equal(back.p, in, sizeof(in));
		cv_buf_done(&out);
		cv_buf_done(&back);
	}
}

static void
test_qp_reader__takes_what_mail_brings(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "plain",                        "plain",             false },
		{ "a=3Db",                        "a=b",               false },
		{ "a=3db=c3=A9",                  "a=b\xc3\xa9",       false },
		{ "soft=\r\nbreak",               "softbreak",         false },
		{ "soft=\nbreak",                 "softbreak",         false },
		{ "soft= \t\r\nbreak",            "softbreak",         false },
		{ "padding  \r\nnext \t\nlast ",  "padding\r\nnext\nlast", false },
		{ "kept  inside",                 "kept  inside",      false },
		{ "=20\r\n",                      " \r\n",             false },
		{ "bad=zz",                       "bad=zz",            true  },
		{ "bad=3z",                       "bad=3z",            true  },
		{ "bad= x",                       "bad= x",            true  },
		{ "bad==41",                      "bad=A",             true  },
		{ "cut=",                         "cut",               false },
		{ "cut=4",                        "cut=4",             true  },
		{ "cr\rin \rside",                "cr\rin \rside",     false },
		{ "a \r\r\n",                     "a \r\r\n",          false },
		{ "8bit \xc3\xa9=",               "8bit \xc3\xa9",     false },
		{ "=\r=41",                       "A",                 false },
	};
	check_rows(read_qp, rows, CV_COUNT(rows));
}

static void
test_qp_encode__comes_back_and_keeps_lines_short(void **state)
{
	(void)state;
	static const struct { const char *in, *want; } rows[] = {
		{ "plain",              "plain" },
		{ "a=b",                "a=3Db" },
		{ "end \r\nnext\t",     "end=20\r\nnext=09" },
		{ "lf\nonly",           "lf\r\nonly" },
		{ "From here\r\n.\r\n", "=46rom here\r\n=2E\r\n" },
		{ "From\r\n..",         "From\r\n.." },
		{ "\xe1\xba\xbf",       "=E1=BA=BF" },
		{ "cr\rhere",           "cr=0Dhere" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(1000);
		cv_qp_encode(z(rows[i].in), &out);
		check(rows[i].in, &out, rows[i].want);
		cv_buf_done(&out);
	}
	for (size_t n = 1; n < 400; n++) {
		char in[400];
		for (size_t i = 0; i < n; i++)
			in[i] = "ab .F=\xe1\xba\xbf"[(i * 7 + n) % 9];
		struct cv_buf out = CV_BUF_INIT(4000), back = CV_BUF_INIT(4000);
		bool damaged;
		cv_qp_encode(cv_str(in, n), &out);
		read_qp(cv_buf_view(&out), 1, &back, &damaged);
		assert_false(damaged);
		assert_true(cv_str_eq(cv_buf_view(&back), cv_str(in, n)));
		struct cv_str rest = cv_buf_view(&out), line;
		while (cv_str_split(&rest, '\n', &line))
			assert_true(cv_str_trim(line).n <= CV_MIME_COLUMNS);
		cv_buf_done(&out);
		cv_buf_done(&back);
	}
}

static void
test_hex__takes_pairs_only(void **state)
{
	(void)state;
	struct cv_buf b = CV_BUF_INIT(100), t = CV_BUF_INIT(100);
	assert_int_equal(cv_hex_decode(z("00ffAb"), &b), CV_OK);
	assert_memory_equal(b.p, "\x00\xff\xab", 3);
	cv_hex_encode(cv_buf_view(&b), &t);
	check("encode", &t, "00ffab");
	assert_int_equal(cv_hex_decode(z("abc"), &b), CV_INVALID);
	assert_int_equal(cv_hex_decode(z("0g"), &b), CV_INVALID);
	assert_int_equal(cv_hex_decode(z(" 0"), &b), CV_INVALID);
	assert_int_equal(b.n, 3);
	assert_int_equal(cv_hex_digit('f'), 15);
	assert_int_equal(cv_hex_digit('G'), -1);
	cv_buf_done(&b);
	cv_buf_done(&t);
}

static void
test_xtext__follows_rfc_3461(void **state)
{
	(void)state;
	static const char *const bad[] = { "a b", "a=b", "+", "+4", "+4g", "+ab", "\xc3\xa9" };
	struct cv_buf b = CV_BUF_INIT(100), t = CV_BUF_INIT(100);
	cv_xtext_encode(z("a+b=c d\xc3\xa9"), &b);
	check("encode", &b, "a+2Bb+3Dc+20d+C3+A9");
	assert_int_equal(cv_xtext_decode(cv_buf_view(&b), &t), CV_OK);
	check("decode", &t, "a+b=c d\xc3\xa9");
	for (size_t i = 0; i < CV_COUNT(bad); i++)
		if (cv_xtext_decode(z(bad[i]), &t) != CV_INVALID)
			fail_msg("taken: %s", bad[i]);
	cv_buf_done(&b);
	cv_buf_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64__is_strict_for_protocols),
		cmocka_unit_test(test_base64__fits_a_buffer_of_exactly_its_size),
		cmocka_unit_test(test_base64url__has_no_padding_of_its_own),
		cmocka_unit_test(test_base64_reader__takes_what_mail_brings),
		cmocka_unit_test(test_base64_writer__cuts_lines_of_76),
		cmocka_unit_test(test_qp_reader__takes_what_mail_brings),
		cmocka_unit_test(test_qp_encode__comes_back_and_keeps_lines_short),
		cmocka_unit_test(test_hex__takes_pairs_only),
		cmocka_unit_test(test_xtext__follows_rfc_3461),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
