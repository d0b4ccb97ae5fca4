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
		{ "LF CR", "a\n\rb\r\n", "a\r\n\r\nb\r\n.\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		for (size_t piece = 1; piece < 8; piece++) {
			struct cv_buf out = CV_BUF_INIT(1000);
			stuff(cv_str_z(rows[i].in), piece, &out);
			CHECK(rows[i].name, cv_str_eq_z(cv_buf_view(&out), rows[i].out));
			cv_buf_done(&out);
		}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stuff__makes_every_body_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
