/* pop3_ascii_test.c - headers become ASCII and still say what they said. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/pop3_ascii.h"

/* clang-format off */
static const struct {
	const char *name, *header, *want;
} rows[] = {
	{ "ASCII", "From: \"A, B\" <a@b.example>\r\nX: y\r\n\tz\r\n\r\n",
		"From: \"A, B\" <a@b.example>\r\nX: y\r\n\tz\r\n\r\n" },
	{ "one word", "Subject: Re: chữ\r\n\r\n", "Subject: Re: =?UTF-8?B?Y2jhu68=?=\r\n\r\n" },
	{ "two words keep their blank", "Subject: ể ể a\r\n\r\n",
		"Subject: =?UTF-8?B?4buD?= =?UTF-8?B?IOG7gw==?= a\r\n\r\n" },
	{ "a folded line", "Subject: a\r\n ể\r\nTo: b\r\n\r\n",
		"Subject: a\r\n =?UTF-8?B?4buD?=\r\nTo: b\r\n\r\n" },
	{ "a long word is cut between letters",
		"Subject: ểểểểểểểểểểểểểểểểể\r\n\r\n",
		"Subject: =?UTF-8?B?4buD4buD4buD4buD4buD4buD4buD4buD4buD4buD4buD4buD4buD?=\r\n"
		" =?UTF-8?B?4buD4buD4buD4buD?=\r\n\r\n" },
	{ "no charset known", "Subject: \xff\r\n\r\n", "Subject: =?UNKNOWN-8BIT?B?/w==?=\r\n\r\n" },
	{ "a display name", "From: Hòa <hoa@b.example>\r\n\r\n",
		"From: =?UTF-8?B?SMOyYQ==?= <hoa@b.example>\r\n\r\n" },
	{ "a quoted one", "From: \"a\\\"ò, b\" <hoa@b.example>\r\n\r\n",
		"From: =?UTF-8?B?YSLDsiwgYg==?= <hoa@b.example>\r\n\r\n" },
	{ "a comment", "To: a@b.example (ò), c@b.example\r\n\r\n",
		"To: a@b.example (=?UTF-8?B?w7I=?=), c@b.example\r\n\r\n" },
	{ "an address", "To: ò <ò@b.example>, a@ò.example\r\n\r\n",
		"To: =?UTF-8?B?w7I=?= =?UTF-8?B?IDzDskBiLmV4YW1wbGU+?= :;, "
		"=?UTF-8?B?YUDDsi5leGFtcGxl?= :;\r\n\r\n" },
	{ "a file name", "Content-Disposition: attachment; filename=\"bò 1.pdf\"; size=3\r\n\r\n",
		"Content-Disposition: attachment; filename*=UTF-8''b%C3%B2%201.pdf; size=3\r\n\r\n" },
	{ "a bare file name", "content-type: a/b; name=ò; c=\"d=é\"\r\n\r\n",
		"content-type: a/b; name*=UTF-8''%C3%B2; c*=UTF-8''d%3D%C3%A9\r\n\r\n" },
	{ "a name of a field", "Chủ: a\r\n\r\n", "=?UTF-8?B?Q2jhu6c6?= a\r\n\r\n" },
	{ "a line without a colon", "ò\r\n\r\n", "=?UTF-8?B?w7I=?=\r\n\r\n" },
	{ "bare LF", "Subject: ể\nTo: b\n\n", "Subject: =?UTF-8?B?4buD?=\nTo: b\n\n" },
	{ "no line end", "Subject: ể", "Subject: =?UTF-8?B?4buD?=" },
	{ "quotes that do not end", "From: \"ò\r\n\r\n", "From: =?UTF-8?B?w7I=?=\r\n\r\n" },
	{ "nothing", "", "" },
};
/* clang-format on */

static void
test_header__is_ascii_and_says_the_same(void **state)
{
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf got = CV_BUF_INIT(4096);
		imapd_pop3_ascii_header(cv_str_z(rows[i].header), &got);
		if (!cv_str_eq_z(cv_buf_view(&got), rows[i].want))
			fail_msg("%s: %.*s", rows[i].name, CV_STR_ARGS(cv_buf_view(&got)));
		cv_buf_done(&got);
	}
}

static void
test_header_end__is_behind_the_blank_line(void **state)
{
	static const struct {
		const char *text;
		size_t want;
	} ends[] = {
		{"A: b\r\n\r\nc", 8},
		{"A: b\n\nc", 6},
		{"\r\nc", 2},
		{"A: b\r\n\r\r\n\r\n", 11},
		{"A: b\r\n\r", 0},
		{"A: b\r\n", 0},
		{"", 0},
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(ends); i++)
		assert_int_equal(imapd_pop3_header_end(cv_str_z(ends[i].text)), ends[i].want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header__is_ascii_and_says_the_same),
		cmocka_unit_test(test_header_end__is_behind_the_blank_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
