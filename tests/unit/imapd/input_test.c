/* input_test.c - commands are framed alike however the bytes come. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/input.h"

static const struct imapd_input_limits limits = {
	.line = 60, .literal = 20, .text = 100, .message = 1000, .spool_dir = "/tmp"};

/* Feeds BYTES in pieces of PIECE and writes what happens: commands in <>, + for GO, !tag:n for a
 * refusal, [n] for the size of each message of a command. */
static void
trace(struct cv_str bytes, size_t piece, struct cv_buf *out)
{
	struct imapd_input in = {0};

	for (size_t at = 0; at < bytes.n;) {
		struct cv_str part = cv_str_sub(bytes, at, at + piece);
		size_t used;
		enum imapd_input_result r = imapd_input_feed(&in, &limits, part, &used);
		assert_true(used <= part.n);
		at += used;
		switch (r) {
		case IMAPD_INPUT_MORE:
			assert_int_equal(used, part.n);
			break;
		case IMAPD_INPUT_GO:
			cv_buf_c(out, '+');
			break;
		case IMAPD_INPUT_COMMAND:
			cv_buf_c(out, '<');
			cv_buf_str(out, in.command);
			cv_buf_c(out, '>');
			for (unsigned i = 0; i < in.spool_count; i++)
				cv_buf_printf(out, "[%llu]",
					(unsigned long long)in.spools[i]->size_bytes);
			imapd_input_reset(&in);
			break;
		case IMAPD_INPUT_REFUSED:
			cv_buf_printf(out, "!%s:%d", in.tag, in.refusal);
			imapd_input_reset(&in);
			break;
		case IMAPD_INPUT_HOPELESS:
			cv_buf_z(out, "X");
			at = bytes.n;
			break;
		}
	}
	imapd_input_done(&in);
}

#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"

/* clang-format off */
static const struct {
	const char *name, *bytes, *want;
} rows[] = {
	{"a line", "a NOOP\r\n", "<a NOOP>"},
	{"a line ended by LF alone", "a NOOP\nb NOOP\r\n", "<a NOOP><b NOOP>"},
	{"an empty line", "\r\na NOOP\r\n", "<><a NOOP>"},
	{"several at once", "a NOOP\r\nb NOOP\r\nc LOGOUT\r\n", "<a NOOP><b NOOP><c LOGOUT>"},
	{"a literal", "a LOGIN {3}\r\njoe {2}\r\npw\r\nb NOOP\r\n",
	 "++<a LOGIN {3}\r\njoe {2}\r\npw><b NOOP>"},
	{"a literal nobody waits for", "a LOGIN {3+}\r\njoe pw\r\n", "<a LOGIN {3+}\r\njoe pw>"},
	{"an empty literal", "a LOGIN {0+}\r\n {0}\r\n\r\nb NOOP\r\n",
	 "+<a LOGIN {0+}\r\n {0}\r\n><b NOOP>"},
	{"a literal that looks like one", "a X {4+}\r\n{9+}\r\nb NOOP\r\n",
	 "<a X {4+}\r\n{9+}><b NOOP>"},
	{"a literal with line ends", "a X {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
	 "<a X {8+}\r\nb NOOP\r\n><c NOOP>"},
	{"a message that replaces another", "a REPLACE 4 x {3+}\r\nabc\r\n",
	 "<a REPLACE 4 x {3+}\r\n>[3]"},
	{"one by UID, as a literal8", "a UID REPLACE * \"y z\" ~{3}\r\na{1\r\nb NOOP\r\n",
	 "+<a UID REPLACE * \"y z\" ~{3}\r\n>[3]<b NOOP>"},
	{"no message: several are no one", "a REPLACE 1:2 x {3+}\r\nabc\r\n",
	 "<a REPLACE 1:2 x {3+}\r\nabc>"},
	{"no message: no such command", "a UID APPEND x {3+}\r\nabc\r\n",
	 "<a UID APPEND x {3+}\r\nabc>"},
	{"a brace that is no literal",
	 "a X {a}\r\nb X {}\r\nc X 3}\r\n", "<a X {a}><b X {}><c X 3}>"},
	{"a line too long", "a " LONG "\r\nb NOOP\r\n", "!a:0<b NOOP>"},
	{"a line too long with a literal",
	 "a " LONG " {6+}\r\nx NOOP\r\nb NOOP\r\n", "!a:0<b NOOP>"},
	{"a literal too large", "a X {21}\r\nb NOOP\r\n", "!a:1<b NOOP>"},
	{"a literal too large, sent all the same",
	 "a X {22+}\r\n0123456789\r\nz NOOP\r\n rest\r\nb NOOP\r\n", "!a:1<b NOOP>"},
	{"many literals past the limit together",
	 "a X {20+}\r\n01234567890123456789 {20+}\r\n01234567890123456789 {20+}\r\n"
	 "01234567890123456789 {20+}\r\n01234567890123456789\r\nb NOOP\r\n", "!a:1<b NOOP>"},
	{"a number no integer holds",
	 "a X {99999999999999999999999}\r\nb NOOP\r\n", "!a:1<b NOOP>"},
	{"the same, not waiting", "a X {99999999999999999999999+}\r\nb NOOP\r\n", "X"},
	{"a refusal without a tag", " X {21}\r\nb NOOP\r\n", "!*:1<b NOOP>"},
	{"a message", "a APPEND box {5}\r\nhello\r\n", "+<a APPEND box {5}\r\n>[5]"},
	{"a message after flags and date",
	 "a APPEND \"b x\" (\\Seen) \" 1-Jan-2026 00:00:00 +0700\" {5+}\r\nhello\r\nb NOOP\r\n",
	 "<a APPEND \"b x\" (\\Seen) \" 1-Jan-2026 00:00:00 +0700\" {5+}\r\n>[5]<b NOOP>"},
	{"the mailbox as a literal", "a APPEND {3}\r\nbox {5+}\r\nhello\r\n",
	 "+<a APPEND {3}\r\nbox {5+}\r\n>[5]"},
	{"two messages", "a append box {5+}\r\nhello (x) {2+}\r\nhi\r\n",
	 "<a append box {5+}\r\n (x) {2+}\r\n>[5][2]"},
	{"a message too large", "a APPEND box {1001}\r\nb NOOP\r\n", "!a:2<b NOOP>"},
	{"messages too large together",
	 "a APPEND box {1000}\r\n", "+"},
};
/* clang-format on */

static void
test_input__frames_commands_whole_and_byte_by_byte(void **state)
{
	static const size_t pieces[] = {SIZE_MAX / 2, 1, 2, 3, 7};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		for (size_t k = 0; k < CV_COUNT(pieces); k++) {
			struct cv_buf got = CV_BUF_INIT(10000);
			trace(cv_str_z(rows[i].bytes), pieces[k], &got);
			if (strcmp(got.p ? got.p : "", rows[i].want) != 0)
				fail_msg("%s, pieces of %zu: got %s", rows[i].name, pieces[k],
					got.p);
			cv_buf_done(&got);
		}
	}
}

static void
test_input__reads_single_lines_without_literals(void **state)
{
	struct imapd_input in = {0};
	size_t used;
	(void)state;

	assert_int_equal(imapd_input_feed_line(&in, &limits, CV_STR("abc{5}\r\nrest"), &used),
		IMAPD_INPUT_COMMAND);
	assert_int_equal(used, 8);
	assert_true(cv_str_eq_z(in.command, "abc{5}"));
	imapd_input_done(&in);
}

static void
test_input__keeps_what_a_message_holds(void **state)
{
	struct imapd_input in = {0};
	char got[16];
	size_t used, n;
	struct cv_str bytes = CV_STR("a APPEND x {7+}\r\na\0b\r\n\r\n\r\n");
	(void)state;

	assert_int_equal(imapd_input_feed(&in, &limits, bytes, &used), IMAPD_INPUT_COMMAND);
	assert_int_equal(in.spool_count, 1);
	assert_int_equal(cv_spool_read(in.spools[0], 0, got, sizeof(got), &n, NULL), CV_OK);
	assert_int_equal(n, 7);
	assert_memory_equal(got, "a\0b\r\n\r\n", 7);
	assert_false(in.text.n == 0);
	imapd_input_done(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_input__frames_commands_whole_and_byte_by_byte),
		cmocka_unit_test(test_input__reads_single_lines_without_literals),
		cmocka_unit_test(test_input__keeps_what_a_message_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
