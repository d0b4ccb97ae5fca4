/* dot_test.c - where a DATA stream ends, and that nothing else ends it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "common/base/buf.h"
#include "smtpd/dot.h"

struct result {
	struct cv_buf text;
	size_t used;
	bool ended, bad;
};

/* Feeds IN in pieces of PIECE bytes. */
static struct result
feed(struct cv_str in, size_t piece)
{
	struct result r = { .text = CV_BUF_INIT(1u << 20) };
	struct smtpd_dot dot = SMTPD_DOT_INIT;

	for (size_t at = 0; at < in.n && !dot.ended;) {
		struct cv_str part = cv_str_sub(in, at, at + piece), run;
		size_t n = part.n;
		while (smtpd_dot_next(&dot, &part, &run))
			cv_buf_str(&r.text, run);
		at += n - part.n;
		r.used = at;
	}
	r.ended = dot.ended;
	r.bad = dot.bad;
	return r;
}

static const struct row {
	const char *name;
	struct cv_str in, text;
	bool ended, bad;
	size_t left; /* bytes behind the end */
} rows[] = {
	{ "empty message", CV_STR(".\r\n"), CV_STR(""), true, false, 0 },
	{ "one line", CV_STR("a\r\n.\r\n"), CV_STR("a\r\n"), true, false, 0 },
	{ "stuffed dot", CV_STR("..a\r\n.\r\n"), CV_STR(".a\r\n"), true, false, 0 },
	{ "stuffed lone dot", CV_STR("..\r\n.\r\n"), CV_STR(".\r\n"), true, false, 0 },
	{ "dot and text, not stuffed by the client", CV_STR(".a\r\n.\r\n"), CV_STR("a\r\n"), true, false, 0 },
	{ "dot inside a line", CV_STR("a.\r\n.\r\n"), CV_STR("a.\r\n"), true, false, 0 },
	{ "blank lines", CV_STR("\r\n\r\n.\r\n"), CV_STR("\r\n\r\n"), true, false, 0 },
	{ "pipelined command stays", CV_STR("a\r\n.\r\nQUIT\r\n"), CV_STR("a\r\n"), true, false, 6 },
	{ "LF . LF does not end", CV_STR("a\n.\nb\r\n.\r\n"), CV_STR("a\n.\nb\r\n"), true, true, 0 },
	{ "LF . CRLF does not end", CV_STR("a\n.\r\nb\r\n.\r\n"), CV_STR("a\n.\r\nb\r\n"), true, true, 0 },
	{ "CRLF . LF does not end", CV_STR("a\r\n.\nb\r\n.\r\n"), CV_STR("a\r\n\nb\r\n"), true, true, 0 },
	{ "CRLF . CR does not end", CV_STR("a\r\n.\rb\r\n.\r\n"), CV_STR("a\r\n\rb\r\n"), true, true, 0 },
	{ "CR . CR does not end", CV_STR("a\r.\rb\r\n.\r\n"), CV_STR("a\r.\rb\r\n"), true, true, 0 },
	{ "CR . CRLF does not end", CV_STR("a\r.\r\nb\r\n.\r\n"), CV_STR("a\r.\r\nb\r\n"), true, true, 0 },
	{ "CR CR LF . CR CR LF does not end", CV_STR("a\r\r\n.\r\r\nb\r\n.\r\n"), CV_STR("a\r\r\n\r\r\nb\r\n"), true, true, 0 },
	{ "CRLF . CR CR LF does not end", CV_STR("a\r\n.\r\r\nb\r\n.\r\n"), CV_STR("a\r\n\r\r\nb\r\n"), true, true, 0 },
	{ "NUL is bad", CV_STR("a\0b\r\n.\r\n"), CV_STR("a\0b\r\n"), true, true, 0 },
	{ "CRLF . NUL CRLF does not end", CV_STR("a\r\n.\0\r\nb\r\n.\r\n"), CV_STR("a\r\n\0\r\nb\r\n"), true, true, 0 },
	{ "no end yet", CV_STR("a\r\n."), CV_STR("a\r\n"), false, false, 0 },
	{ "no end yet after the dot's CR", CV_STR("a\r\n.\r"), CV_STR("a\r\n"), false, false, 0 },
};

static void
test_dot__ends_only_at_crlf_dot_crlf(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		for (size_t piece = 1; piece <= rows[i].in.n; piece++) {
			struct result r = feed(rows[i].in, piece);
			CHECK(rows[i].name, cv_str_eq(cv_buf_view(&r.text), rows[i].text));
			CHECK(rows[i].name, r.ended == rows[i].ended);
			CHECK(rows[i].name, r.bad == rows[i].bad);
			CHECK(rows[i].name, rows[i].in.n - r.used == rows[i].left);
			cv_buf_done(&r.text);
		}
	}
	CHECK_END();
}

static void
test_dot__passes_whole_lines_as_one_run(void **state)
{
	struct smtpd_dot dot = SMTPD_DOT_INIT;
	struct cv_str in = CV_STR("one\r\ntwo\r\nthree\r\n"), run;

	(void)state;
	assert_true(smtpd_dot_next(&dot, &in, &run));
	assert_int_equal(run.n, 17);
	assert_false(smtpd_dot_next(&dot, &in, &run));
}

static void
test_dot__checks_chunks_across_their_borders(void **state)
{
	static const struct {
		const char *name;
		struct cv_str in;
		bool bad;
	} checks[] = {
		{ "lines", CV_STR("a\r\n.\r\nb\r\n"), false },
		{ "no line end at all", CV_STR("abc"), false },
		{ "bare LF", CV_STR("a\nb\r\n"), true },
		{ "bare CR", CV_STR("a\rb\r\n"), true },
		{ "CR at the very end", CV_STR("a\r\nb\r"), true },
		{ "NUL", CV_STR("a\0b"), true },
		{ "LF first", CV_STR("\nb"), true },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(checks); i++) {
		for (size_t piece = 1; piece <= checks[i].in.n; piece++) {
			struct smtpd_dot dot = SMTPD_DOT_INIT;
			for (size_t at = 0; at < checks[i].in.n; at += piece)
				smtpd_dot_check(&dot, cv_str_sub(checks[i].in, at, at + piece));
			smtpd_dot_check_end(&dot);
			CHECK(checks[i].name, dot.bad == checks[i].bad);
		}
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dot__ends_only_at_crlf_dot_crlf),
		cmocka_unit_test(test_dot__passes_whole_lines_as_one_run),
		cmocka_unit_test(test_dot__checks_chunks_across_their_borders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
