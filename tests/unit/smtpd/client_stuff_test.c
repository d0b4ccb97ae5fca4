/* client_stuff_test.c - the body as DATA wants it: no lone CR or LF leaves, dots are doubled, and
 * it does not matter how the bytes were cut. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/client.h"
#include "tests/unit/check.h"

static void
stuff(struct cv_str in, size_t piece, struct cv_buf *out)
{
	bool line_start = true, after_cr = false;

	for (size_t at = 0; at < in.n; at += piece)
		smtpd_client_stuff(out, cv_str_sub(in, at, at + piece), &line_start, &after_cr);
	/* the end, as send_body() writes it */
	if (after_cr || !line_start)
		cv_buf_z(out, "\r\n");
	cv_buf_z(out, ".\r\n");
}

static void
test_stuff__makes_every_body_harmless(void **state)
{
	static const struct {
		const char *name, *in, *out;
	} rows[] = {
		{ "plain", "a\r\nb\r\n", "a\r\nb\r\n.\r\n" },
		{ "empty", "", ".\r\n" },
		{ "no end of line", "a", "a\r\n.\r\n" },
		{ "ends in CR", "a\r", "a\r\n.\r\n" },
		{ "a dot alone", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n" },
		{ "dots at starts", ".a\r\n..b\r\n", "..a\r\n...b\r\n.\r\n" },
		{ "dot inside", "a.b\r\n", "a.b\r\n.\r\n" },
		{ "smuggled LF dot LF", "a\n.\nb\r\n", "a\r\n..\r\nb\r\n.\r\n" },
		{ "smuggled LF dot CR LF", "a\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n" },
		{ "smuggled CR LF dot LF", "a\r\n.\nb", "a\r\n..\r\nb\r\n.\r\n" },
		{ "smuggled CR dot CR", "a\r.\rb\r\n", "a\r\n..\r\nb\r\n.\r\n" },
		{ "CR CR LF", "a\r\r\nb\r\n", "a\r\n\r\nb\r\n.\r\n" },
		/* "%" stands for NUL, which some servers drop. */
		{ "NUL dot CR LF", "a\r\n%.\r\nb\r\n", "a\r\n?.\r\nb\r\n.\r\n" },
		{ "dot NUL CR LF", "a\r\n.%\r\nb\r\n", "a\r\n..?\r\nb\r\n.\r\n" },
		{ "LF CR", "a\n\rb\r\n", "a\r\n\r\nb\r\n.\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		for (size_t piece = 1; piece < 8; piece++) {
			struct cv_buf out = CV_BUF_INIT(1000);
			char in[40];
			size_t n = strlen(rows[i].in);
			for (size_t k = 0; k < n; k++)
				in[k] = rows[i].in[k] == '%' ? '\0' : rows[i].in[k];
			stuff(cv_str(in, n), piece, &out);
			CHECK(rows[i].name, cv_str_eq_z(cv_buf_view(&out), rows[i].out));
			cv_buf_done(&out);
		}
	CHECK_END();
}

/* Lines that end in CR LF, no NUL; ".", where dots are doubled, only as the last one. */
static bool
is_one_message(struct cv_str out, bool dots)
{
	size_t at = 0, lone = 0;

	while (at < out.n) {
		size_t end = cv_str_find(out, '\r', at);
		if (end + 1 >= out.n || out.p[end + 1] != '\n')
			return false;
		struct cv_str line = cv_str_sub(out, at, end);
		if (cv_str_find(line, '\n', 0) < line.n || cv_str_find(line, '\0', 0) < line.n)
			return false;
		at = end + 2;
		lone += line.n == 1 && line.p[0] == '.';
		if (!dots || !line.n || line.p[0] != '.')
			continue;
		if (line.n > 1 ? line.p[1] != '.' : at != out.n)
			return false;
	}
	return !dots || lone == 1;
}

static void
test_stuff__lets_nothing_out_that_another_server_could_split(void **state)
{
	static const char letters[] = { 'a', '.', '\r', '\n', '\0' };
	char in[6];

	(void)state;
	for (unsigned code = 0; code < 5 * 5 * 5 * 5 * 5 * 5; code++) {
		unsigned rest = code;
		for (size_t i = 0; i < sizeof in; i++, rest /= 5)
			in[i] = letters[rest % 5];
		for (size_t piece = 1; piece <= sizeof in; piece += 2) {
			struct cv_buf out = CV_BUF_INIT(1000);
			bool line_start = true, after_cr = false;
			stuff(cv_str(in, sizeof in), piece, &out);
			CHECK("DATA", is_one_message(cv_buf_view(&out), true));
			cv_buf_reset(&out);
			for (size_t at = 0; at < sizeof in; at += piece)
				smtpd_client_lines(&out, cv_str_sub(cv_str(in, sizeof in), at,
					at + piece), &line_start, &after_cr);
			if (after_cr || !line_start)
				cv_buf_z(&out, "\r\n");
			CHECK("BDAT", is_one_message(cv_buf_view(&out), false));
			cv_buf_done(&out);
		}
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stuff__makes_every_body_harmless),
		cmocka_unit_test(test_stuff__lets_nothing_out_that_another_server_could_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
