/* pop3_lines_test.c - a message becomes a multi-line answer, whole or cut, in any pieces. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/pop3_lines.h"

#define ALL IMAPD_POP3_ALL_LINES

/* clang-format off */
static const struct {
	const char *name, *message;
	uint64_t lines;
	const char *want;
} rows[] = {
	{ "plain", "A: b\r\n\r\nc\r\n", ALL, "A: b\r\n\r\nc\r\n.\r\n" },
	{ "dots", ".A: b\r\n\r\n.\r\n..\r\n.c.d\r\n", ALL, "..A: b\r\n\r\n..\r\n...\r\n..c.d\r\n.\r\n" },
	{ "no line end", "A: b\r\n\r\nc", ALL, "A: b\r\n\r\nc\r\n.\r\n" },
	{ "ends in a dot", "A: b\r\n\r\n.", ALL, "A: b\r\n\r\n..\r\n.\r\n" },
	{ "ends in CR", "A: b\r\n\r\nc\r", ALL, "A: b\r\n\r\nc\r\n.\r\n" },
	{ "ends in two CR", "A: b\r\n\r\nc\r\r", ALL, "A: b\r\n\r\nc\r\r\n.\r\n" },
	{ "bare LF", "A: b\n\n.\nc\n", ALL, "A: b\n\n..\nc\n.\r\n" },
	{ "CR and a dot", "A: b\r\n\r\nc\r.d\r\n", ALL, "A: b\r\n\r\nc\r.d\r\n.\r\n" },
	{ "nothing", "", ALL, ".\r\n" },
	{ "top 0", "A: b\r\n\r\nc\r\nd\r\n", 0, "A: b\r\n\r\n.\r\n" },
	{ "top 1", "A: b\r\n\r\nc\r\nd\r\n", 1, "A: b\r\n\r\nc\r\n.\r\n" },
	{ "top 2", "A: b\r\n\r\nc\r\nd\r\n", 2, "A: b\r\n\r\nc\r\nd\r\n.\r\n" },
	{ "top 3", "A: b\r\n\r\nc\r\nd\r\n", 3, "A: b\r\n\r\nc\r\nd\r\n.\r\n" },
	{ "top of blank lines", "A: b\r\n\r\n\r\n\r\nd\r\n", 1, "A: b\r\n\r\n\r\n.\r\n" },
	{ "top 1 without a line end", "A: b\r\n\r\nc", 1, "A: b\r\n\r\nc\r\n.\r\n" },
	{ "top without a body", "A: b\r\nC: d\r\n", 0, "A: b\r\nC: d\r\n.\r\n" },
	{ "top without a header", "\r\nc\r\n", 0, "\r\n.\r\n" },
	{ "top by bare LF", "A: b\n\nc\nd\n", 1, "A: b\n\nc\n.\r\n" },
	{ "two CR are no blank line", "A: b\r\n\r\r\nc\r\n\r\nd\r\n", 0, "A: b\r\n\r\r\nc\r\n\r\n.\r\n" },
};
/* clang-format on */

static void
test_lines__are_stuffed_and_cut_alike_in_any_pieces(void **state)
{
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str message = cv_str_z(rows[i].message);
		for (size_t piece = 1; piece <= message.n + 1; piece++) {
			struct imapd_pop3_lines l = {.left = rows[i].lines};
			struct cv_buf got = CV_BUF_INIT(4096);
			for (size_t at = 0; at < message.n; at += piece)
				imapd_pop3_lines_add(&l, cv_str_sub(message, at, at + piece), &got);
			imapd_pop3_lines_end(&l, &got);
			if (!cv_str_eq_z(cv_buf_view(&got), rows[i].want))
				fail_msg("%s in pieces of %zu: %.*s", rows[i].name, piece,
					CV_STR_ARGS(cv_buf_view(&got)));
			cv_buf_done(&got);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines__are_stuffed_and_cut_alike_in_any_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
