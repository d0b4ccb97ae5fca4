/* digest_test.c - what a held message says of itself, and that no stranger's words
 * become links, lines or markup (SPM-02). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text/date.h"
#include "imapd/digest_text.h"
#include "imapd/mail_notice.h"

static void
test_digest__time_is_read_strictly(void **state)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {{"07:30", 450}, {"00:00", 0}, {"23:59", 1439}, {"24:00", -1}, {"7:30", -1},
		{"07:60", -1}, {"07.30", -1}, {"", -1}, {"07:3x", -1}};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		assert_int_equal(imapd_digest_minute(rows[i].text), rows[i].want);
}

static void
test_held__says_what_our_own_fields_say(void **state)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct imapd_held h = {0};

	(void)state;
	imapd_held_parse(CV_STR("Return-Path: <a@b.example>\r\n"
				"X-Congvu-Quarantine: quarantine; score=9.1;\r\n rules=bayes(3.1),x(6.0)\r\n"
				"Received: by x\r\nX-Congvu-Quarantine: forged; score=0\r\n"
				"Return-Path: <forged@b.example>\r\n"
				"From: =?utf-8?q?S=E1=BB=9F_T=C6=B0_ph=C3=A1p?= <stp@b.example>\r\n"
				"Subject: =?utf-8?b?YQ1iCmPigK5k?=\r\n\r\nSubject: body\r\n"),
		&arena, &h);
	assert_true(cv_str_eq_z(h.sender, "a@b.example"));
	assert_true(cv_str_eq_z(h.score, "9.1") && cv_str_eq_z(h.rules, "bayes(3.1),x(6.0)"));
	assert_true(cv_str_eq_z(h.from, "Sở Tư pháp <stp@b.example>"));
	assert_true(cv_str_eq_z(h.subject, "a b c d")); /* no lines, no turned writing */
	imapd_held_parse(CV_STR("Return-Path: <>\r\n\r\n"), &arena, &h);
	assert_true(!h.sender.n && !h.subject.n && !h.score.n);
	cv_arena_done(&arena);
}

static void
test_digest__makes_no_link_or_markup_of_what_strangers_write(void **state)
{
	struct imapd_held h = {.uid = 7,
		.sender = CV_STR("a@b.example"),
		.from = CV_STR("\"><img src=x> https://evil.example"),
		.subject = CV_STR("</table><script>x</script>$ ftp://e.example javascript:x"),
		.reason = CV_STR("dang ngo")};
	struct cv_str token = CV_STR("TOKEN");
	struct imapd_digest_facts f = {.address = CV_STR("an@lamgiang.example"),
		.url = CV_STR("https://thu.example/c"),
		.items = &h,
		.tokens = &token,
		.count = 1,
		.more = 4,
		.dropped = 2};
	struct cv_buf text = CV_BUF_INIT(1u << 16), html = CV_BUF_INIT(1u << 16);

	(void)state;
	imapd_digest_text(&f, &text);
	imapd_digest_html(&f, &html);
	assert_non_null(strstr(text.p, "https://thu.example/c/TOKEN"));
	assert_non_null(strstr(html.p, "href=\"https://thu.example/c/TOKEN\""));
	assert_null(strstr(text.p, "https://evil"));
	assert_null(strstr(text.p, "ftp://"));
	assert_null(strstr(html.p, "<script"));
	assert_null(strstr(html.p, "<img"));
	assert_non_null(strstr(html.p, "&lt;script&gt;"));
	assert_non_null(strstr(text.p, "Còn 4 thư khác"));
	assert_non_null(strstr(html.p, "2 thư cũ nhất"));
	assert_null(strstr(text.p, "English"));
	f.url = CV_STR_EMPTY;
	f.english = true;
	cv_buf_reset(&text);
	cv_buf_reset(&html);
	imapd_digest_text(&f, &text);
	imapd_digest_html(&f, &html);
	assert_null(strstr(text.p, "TOKEN"));
	assert_null(strstr(html.p, "href"));
	assert_non_null(strstr(text.p, "Số thư: 7"));
	assert_non_null(strstr(html.p, "lang=\"en\""));
	cv_buf_done(&text);
	cv_buf_done(&html);
}

static void
test_notice__is_filled_with_values_alone(void **state)
{
	static const struct {
		const char *text, *values, *want; /* NULL: refused */
	} rows[] = {
		{"a {x} b {y}", "{\"x\": \"1\", \"y\": \"{x}\"}", "a 1 b {x}"},
		{"{x}", "{\"x\": \"a\\r\\nb\\u0000c\"}", "a  b c"},
		{"{x}", "{}", NULL}, {"{x}", "{\"x\": 5}", NULL}, {"{x}", "{\"x\": \"\"}", NULL},
		{"no values", "{}", "no values"},
	};
	struct cv_err err;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		json_t *values = json_loads(rows[i].values, JSON_ALLOW_NUL, NULL);
		struct cv_buf out = CV_BUF_INIT(1000);
		assert_non_null(values);
		enum cv_status status = imapd_notice_fill(rows[i].text, values, &out, &err);
		assert_int_equal(status, rows[i].want ? CV_OK : CV_INVALID);
		if (rows[i].want && !cv_str_eq_z(cv_buf_view(&out), rows[i].want))
			fail_msg("%s", out.p);
		json_decref(values);
		cv_buf_done(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest__time_is_read_strictly),
		cmocka_unit_test(test_held__says_what_our_own_fields_say),
		cmocka_unit_test(test_digest__makes_no_link_or_markup_of_what_strangers_write),
		cmocka_unit_test(test_notice__is_filled_with_values_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
