/* pop3_parse_test.c - POP3 lines and their arguments are read alike however the bytes come. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "imapd/pop3.h"

#define MAX 20

/* Feeds BYTES in pieces of PIECE, as a connection does, and writes what happens: lines in <>, ! for
 * one that was too long. */
static void
trace(struct cv_str bytes, size_t piece, struct cv_buf *out)
{
	struct cv_buf in = CV_BUF_INIT(4096);
	bool is_skipping = false;

	for (size_t at = 0; at < bytes.n; at += piece) {
		cv_buf_str(&in, cv_str_sub(bytes, at, at + piece));
		for (;;) {
			struct cv_str line = CV_STR_EMPTY;
			size_t used;
			enum imapd_pop3_frame frame = imapd_pop3_frame(
				cv_buf_view(&in), MAX, &is_skipping, &line, &used);
			assert_true(used <= in.n);
			if (frame == IMAPD_POP3_LINE)
				cv_buf_printf(out, "<%.*s>", CV_STR_ARGS(line));
			if (frame == IMAPD_POP3_TOO_LONG)
				cv_buf_c(out, '!');
			cv_buf_drop(&in, used);
			if (frame == IMAPD_POP3_MORE)
				break;
		}
		/* What is kept cannot grow. */
		assert_true(in.n <= MAX + 1);
	}
	cv_buf_done(&in);
}

static void
test_frame__cuts_lines_alike_however_they_come(void **state)
{
	static const struct {
		const char *name, *bytes, *want;
	} rows[] = {
		{ "two lines", "STAT\r\nQUIT\r\n", "<STAT><QUIT>" },
		{ "bare line feeds", "STAT\nQUIT\n", "<STAT><QUIT>" },
		{ "an empty line", "\r\n\r\n", "<><>" },
		{ "half a line", "STAT\r\nQU", "<STAT>" },
		{ "as long as it may be", "12345678901234567890\r\nA\r\n", "<12345678901234567890><A>" },
		{ "too long by one", "123456789012345678901\r\nA\r\n", "!<A>" },
		{ "far too long", "1234567890123456789012345678901234567890123456789\r\nA\r\n", "!<A>" },
		{ "two too long", "123456789012345678901234567890\n123456789012345678901234567890\nB\n",
			"!!<B>" },
		{ "a CR inside", "A\rB\r\n", "<A\rB>" },
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		for (size_t piece = 1; piece <= 64; piece++) {
			struct cv_buf got = CV_BUF_INIT(4096);
			trace(cv_str_z(rows[i].bytes), piece, &got);
			if (!cv_str_eq_z(cv_buf_view(&got), rows[i].want))
				fail_msg("%s in pieces of %zu: %.*s", rows[i].name, piece,
					CV_STR_ARGS(cv_buf_view(&got)));
			cv_buf_done(&got);
		}
	}
}

static void
test_command__has_a_verb_and_the_arguments_of_its_row(void **state)
{
	static const struct {
		const char *line, *want; /* "" where it is refused */
	} rows[] = {
		{ "STAT", "STAT" },
		{ "stat ", "STAT" },
		{ "STAT 1", "" },
		{ " STAT", "" },
		{ "", "" },
		{ "FROB", "" },
		{ "STATS", "" },
		{ "LIST", "LIST" },
		{ "LIST 7", "LIST 7" },
		{ "LIST  7 ", "LIST 7" },
		{ "LIST 7 8", "" },
		{ "LIST 4294967295", "LIST 4294967295" },
		{ "LIST 4294967296", "" },
		{ "LIST 18446744073709551617", "" },
		{ "LIST -7", "" },
		{ "LIST +7", "" },
		{ "LIST 7x", "" },
		{ "RETR", "" },
		{ "RETR 007", "RETR 7" },
		{ "TOP 1", "" },
		{ "TOP 1 2", "TOP 1 2" },
		{ "TOP 1 2 3", "" },
		{ "USER", "" },
		{ "USER a b", "USER <a b>" },
		{ "PASS  two blanks ", "PASS < two blanks >" },
		{ "PASS ", "" },
		{ "PASS a\rb", "" },
		{ "AUTH", "AUTH" },
		{ "AUTH PLAIN", "AUTH <PLAIN>" },
		{ "AUTH PLAIN =", "AUTH <PLAIN> <=>" },
		{ "AUTH PLAIN a b", "" },
		{ "LANG vi", "LANG <vi>" },
		{ "LANG vi en", "" },
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf got = CV_BUF_INIT(4096);
		struct cv_str verb, rest;
		struct imapd_pop3_args args;
		const struct imapd_pop3_row *row = NULL;
		if (imapd_pop3_verb(cv_str_z(rows[i].line), &verb, &rest))
			row = imapd_pop3_find(verb);
		if (row && imapd_pop3_args(rest, row->grammar, &args)) {
			bool words = row->grammar >= IMAPD_POP3_MAY_WORD;
			cv_buf_z(&got, row->name);
			for (unsigned k = 0; k < args.count; k++) {
				if (words)
					cv_buf_printf(&got, " <%.*s>", CV_STR_ARGS(args.word[k]));
				else
					cv_buf_printf(&got, " %u", args.number[k]);
			}
		}
		if (!cv_str_eq_z(cv_buf_view(&got), rows[i].want))
			fail_msg("%s: %.*s", rows[i].line, CV_STR_ARGS(cv_buf_view(&got)));
		cv_buf_done(&got);
	}
}

static void
test_verb__refuses_a_line_with_nul(void **state)
{
	struct cv_str verb, rest;
	(void)state;

	assert_false(imapd_pop3_verb(CV_STR("PASS a\0b"), &verb, &rest));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame__cuts_lines_alike_however_they_come),
		cmocka_unit_test(test_command__has_a_verb_and_the_arguments_of_its_row),
		cmocka_unit_test(test_verb__refuses_a_line_with_nul),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
