/* html_token_test.c - where browsers cut HTML (13.2.5 of its standard), and what a reader sees of
 * it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <time.h>

#include "common/text/html.h"
#include "common/text/html_token.h"
#include "tests/unit/check.h"

/* Tokens in a form to compare: text as it is, <a x=y>, </a>, <!c>. */
static void
put_tokens(struct cv_str html, struct cv_buf *out)
{
	struct cv_html_scan scan;
	struct cv_html_token t;
	struct cv_str name, value;

	cv_html_scan_init(&scan, html);
	while (cv_html_next(&scan, &t)) {
		if (t.kind == CV_HTML_TEXT && t.is_raw)
			cv_buf_printf(out, "{%.*s}", CV_STR_ARGS(t.text));
		else if (t.kind == CV_HTML_TEXT)
			cv_html_decode(t.text, false, out);
		else if (t.kind == CV_HTML_COMMENT)
			cv_buf_printf(out, "<!%.*s>", CV_STR_ARGS(t.text));
		else
			cv_buf_printf(out, "<%s%.*s", t.kind == CV_HTML_END ? "/" : "",
				CV_STR_ARGS(t.name));
		while (t.kind == CV_HTML_START && cv_html_attribute(&t.attributes, &name, &value)) {
			cv_buf_printf(out, " %.*s=", CV_STR_ARGS(name));
			cv_html_decode(value, true, out);
		}
		if (t.kind == CV_HTML_START || t.kind == CV_HTML_END)
			cv_buf_c(out, '>');
	}
}

static void
test_next__cuts_where_browsers_cut(void **state)
{
	static const struct {
		const char *html, *want;
	} rows[] = {
		{"a<b>c</b>d", "a<b>c</b>d"},
		{"<A HREF='x>y' b=\"1\" c=2 d>z", "<a HREF=x>y b=1 c=2 d=>z"},
		{"<a href=x/y/>z", "<a href=x/y/>z"},
		{"<a/b/c=d>", "<a b= c=d>"},
		{"<a =b=c>", "<a =b=c>"},
		{"<a b = c>", "<a b=c>"},
		{"<a b='c'd=e>", "<a b=c d=e>"},
		{"<a b= >x", "<a b=>x"},
		{"1 < 2 & 3 <4", "1 < 2 & 3 <4"},
		{"<!--x-->y<!-- a --!>z", "<!x>y<! a >z"},
		{"<!-->a-->b", "<!>a-->b"},
		{"<!--->a", "<!>a"},
		{"<!-- never", "<! never>"},
		{"<!doctype html><?php x?></ x></>y", "<!doctype html><!php x?><! x><!>y"},
		{"<script>if (a<b) \"</b>\"</script>x", "<script>{if (a<b) \"</b>\"}</script>x"},
		{"<style></styles></style >x", "<style>{</styles>}</style>x"},
		{"<title>a&amp;b<i></title>x", "<title>a&b<i></title>x"},
		{"<textarea></TEXTAREA>x", "<textarea></textarea>x"},
		{"<script>never", "<script>{never}"},
		{"<plaintext>a</plaintext><b>", "<plaintext>{a</plaintext><b>}"},
		{"a<b", "a"},
		{"a<b c='", "a"},
		{"a<", "a<"},
		{"a</", "a</"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(4096);
		put_tokens(cv_str_z(rows[i].html), &out);
		CHECK(rows[i].html, cv_str_eq_z(cv_buf_view(&out), rows[i].want));
		if (!cv_str_eq_z(cv_buf_view(&out), rows[i].want))
			print_error("  %s\n", out.p ? out.p : "");
		cv_buf_done(&out);
	}
	CHECK_END();
}

static void
test_decode__knows_every_named_character(void **state)
{
	static const struct {
		const char *raw, *want;
		bool is_attribute;
	} rows[] = {
		{"&amp;&lt;&gt;&quot;&apos;", "&<>\"'", false},
		{"Vi&ecirc;&#803;t &#x1EA1;", "Vi\xC3\xAA\xCC\xA3t \xE1\xBA\xA1", false},
		{"&CounterClockwiseContourIntegral;", "\xE2\x88\xB3", false},
		{"&NotEqualTilde;", "\xE2\x89\x82\xCC\xB8", false},
		{"&copy2026 &notit; &notin;", "\xC2\xA9" "2026 \xC2\xACit; \xE2\x88\x89", false},
		{"?a=1&copy=2&copy;&lt", "?a=1&copy=2\xC2\xA9<", true},
		{"?a&ampb", "?a&ampb", true},
		{"&#128;&#0;&#xD800;&#x110000;&#99999999999;", "\xE2\x82\xAC\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", false},
		{"&#65 &#x; &#; &; &bogus; &", "A &#x; &#; &; &bogus; &", false},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(4096);
		cv_html_decode(cv_str_z(rows[i].raw), rows[i].is_attribute, &out);
		CHECK(rows[i].raw, cv_str_eq_z(cv_buf_view(&out), rows[i].want));
		cv_buf_done(&out);
	}
	CHECK_END();
}

static void
test_text__shows_what_a_reader_sees(void **state)
{
	static const struct {
		const char *html, *want;
	} rows[] = {
		{"<head><title>x</title></head><p>a<script>b</script>c", "\nac"},
		{"<head><style>x</style><body>a", "a"},
		{"a<!-- b -- >c --!>d", "ad"},
		{"a&nbsp;b", "a b"},
		{"<noscript>x</noscript>a", "a"},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(4096);
		cv_html_text(cv_str_z(rows[i].html), &out);
		CHECK(rows[i].html, cv_str_eq_z(cv_buf_view(&out), rows[i].want));
		cv_buf_done(&out);
	}
	CHECK_END();
}

static void
test_next__takes_time_in_proportion(void **state)
{
	static const char *const units[] = {"<", "<a ", "<!--", "</a", "&", "<script>", "<a b='",
		"<a =", "</script ", "&#", "&CounterClockwise", "<!-", "--!", "<title></"};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(units); i++) {
		struct cv_buf html = CV_BUF_INIT(1u << 20), out = CV_BUF_INIT(4u << 20);
		while (!html.full)
			cv_buf_z(&html, units[i]);
		struct timespec a, b;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		cv_html_text(cv_buf_view(&html), &out);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		CHECK(units[i], (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000
			< 3000); /* quadratic would be minutes */
		cv_buf_done(&html);
		cv_buf_done(&out);
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next__cuts_where_browsers_cut),
		cmocka_unit_test(test_decode__knows_every_named_character),
		cmocka_unit_test(test_text__shows_what_a_reader_sees),
		cmocka_unit_test(test_next__takes_time_in_proportion),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
