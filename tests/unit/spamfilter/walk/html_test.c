/* html_test.c - what a reader sees of HTML, what it hides, where it leads (SPM-03, SPM-04). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <time.h>

#include "spamfilter/walk/html.h"
#include "spamfilter/walk/walk.h"
#include "tests/unit/check.h"

struct result {
	struct spam_html h;
	struct cv_buf visible, hidden, links;
};

static void
note_link(void *ctx, const struct spam_html_link *link)
{
	static const char *const words[] = {
		"text", "link", "form", "image", "frame", "file", "header", "inner"};
	struct result *r = ctx;

	cv_buf_printf(&r->links, "%s%s:%.*s", r->links.n ? " " : "", words[link->source],
		CV_STR_ARGS(link->raw));
	if (link->shown.n)
		cv_buf_printf(&r->links, "[%.*s]", CV_STR_ARGS(link->shown));
	if (link->flags & SPAM_URL_HIDDEN)
		cv_buf_z(&r->links, "(hidden)");
	if (link->flags & SPAM_URL_PASSWORD)
		cv_buf_z(&r->links, "(password)");
}

static void
read_html(const char *html, struct result *r)
{
	*r = (struct result){.visible = CV_BUF_INIT(1u << 20),
		.hidden = CV_BUF_INIT(1u << 20),
		.links = CV_BUF_INIT(1u << 20)};
	r->h = (struct spam_html){
		.visible = &r->visible, .hidden = &r->hidden, .link = note_link, .ctx = r};
	spam_html_read(cv_str_z(html), &r->h);
}

static void
result_done(struct result *r)
{
	cv_buf_done(&r->visible);
	cv_buf_done(&r->hidden);
	cv_buf_done(&r->links);
}

static void
test_read__tells_what_is_seen_from_what_is_hidden(void **state)
{
	static const struct {
		const char *html, *visible, *hidden;
	} rows[] = {
		{"<p>a<b>b</b> c</p>d", "ab c\nd", ""},
		{"<div style='display:none'>x</div>y", "y", "x"},
		{"<div style=\"DISPLAY : None !important\">x</div>y", "y", "x"},
		{"<div style='d\\69splay:/**/none'>x</div>y", "y", "x"},
		{"<div style='display&#58;none'>x</div>y", "y", "x"},
		{"<span style='visibility:hidden'>x<i style='visibility:visible'>z</i></span>y", "zy", "x"},
		{"<span style='font-size:0'>x</span>y", "y", "x"},
		{"<span style='font-size:1px'>x<b style='font-size:14px'>z</b></span>y", "zy", "x"},
		{"<span style='font:0/0 a'>x</span><span style='font:bold 12px a'>y</span>", "y", "x"},
		{"<span style='font-size:1%'>x</span>y", "y", "x"},
		{"<font color=white>x</font>y", "y", "x"},
		{"<font color='#FEFEFE'>x</font><font color=\"#999\">y</font>", "y", "x"},
		{"<table bgcolor=#123456><tr><td><font color='#123457'>x</font><font color=#fff>y</table>", "y", "x"},
		{"<p style='color:rgb(255, 255, 255)'>x<p>y", "y", "x"},
		{"<p style='color:rgba(0,0,0,0.01)'>x<p>y", "y", "x"},
		{"<div style='background:#000;color:#fff'>x<div style='color:black'>z</div></div>", "x", "z"},
		{"<div style='background:url(http://a.example/p.png);color:#fff'>x</div>", "x", ""},
		{"<span style='color:transparent'>x</span>y", "y", "x"},
		{"<div style='position:absolute;left:-9999px'>x</div>y", "y", "x"},
		{"<div style='text-indent:-1000px'>x</div>y", "y", "x"},
		{"<div style='height:0;overflow:hidden'>x</div><div style='height:0'>y</div>", "y", "x"},
		{"<div style='opacity:0'>x</div><div style='opacity:.8'>y</div>", "y", "x"},
		{"<p hidden>x</p>y", "y", "x"},
		{"<style>.h{display:none}</style><p class='a h'>x</p><p class=a>y</p>", "y", "x"},
		{"<style>p.h, #i {font-size:0px} div p{}</style><p class=h>x<p id=I>z<div class=h>y</div>", "y", "xz"},
		{"<style>@media print{.h{display:none}} @media screen{.g{display:none}}</style><p class=h>y<p class=g>x", "y", "x"},
		{"<style>@media (max-width:600px){p{display:none}} .x:hover{display:none}</style><p class=x>y", "y", ""},
		{"<style><!-- .h{display:none} --></style><p class=h>x</p>y", "y", "x"},
		{"<script>x</script><title>t</title><template>z</template>y<!-- w -->", "y", ""},
		{"<p style='display:none'>x<p>y", "y", "x"},
		{"<ul><li style='display:none'>x<li>y</ul>", "y", "x"},
		{"<table><tr><td style='display:none'>x<td>y<tr><td>z</table>", "y\nz", "x"},
		{"<table><tr style='display:none'><td>x<tr><td>y</table>", "y", "x"},
		{"<table><tr><td>w<table style='display:none'><tr><td>x</table>y</table>", "w\ny", "x"},
		{"<b><div style='display:none'>x</b>z</div>y", "y", "xz"},
		{"<div style='display:none'><span>x</div>y", "y", "x"},
		{"<div style='display:none'></span></p>x</div>y", "y", "x"},
		{"<td style='display:none'></div></table>x", "", "x"},
		{"<x-y style='display:none'>x</x-y>y", "y", "x"},
		{"gi\xE2\x80\x8B\xE1\xBA\xA3i th\xC2\xADtr\xC6\xB0\xE1\xBB\x9Fng", "gi\xE1\xBA\xA3i thtr\xC6\xB0\xE1\xBB\x9Fng", ""},
		{"a&zwnj;b&nbsp;&nbsp;c &#8203; d", "ab c d", ""},
		{"<img src=x alt='Khuy\xE1\xBA\xBFn m\xE1\xBA\xA1i'>a<br>b<hr>c", "Khuy\xE1\xBA\xBFn m\xE1\xBA\xA1i a\nb\nc", ""},
		{"1 < 2", "1 < 2", ""},
		{"", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct result r;
		read_html(rows[i].html, &r);
		struct cv_buf hidden = CV_BUF_INIT(1000);
		for (size_t k = 0; k < r.hidden.n; k++)
			if (r.hidden.p[k] != '\n')
				cv_buf_c(&hidden, r.hidden.p[k]);
		struct cv_str seen = cv_str_trim(cv_buf_view(&r.visible));
		CHECK(rows[i].html, cv_str_eq_z(seen, rows[i].visible));
		CHECK(rows[i].html, cv_str_eq_z(cv_buf_view(&hidden), rows[i].hidden));
		if (!cv_str_eq_z(seen, rows[i].visible)
			|| !cv_str_eq_z(cv_buf_view(&hidden), rows[i].hidden))
			print_error("  [%.*s] [%s]\n", CV_STR_ARGS(seen), hidden.n ? hidden.p : "");
		cv_buf_done(&hidden);
		result_done(&r);
	}
	CHECK_END();
}

static void
test_read__tells_where_it_leads(void **state)
{
	static const struct {
		const char *html, *links;
	} rows[] = {
		{"<a href='http://a.example/'>xem <b>ngay</b></a>", "link:http://a.example/[xem ngay]"},
		{"<a href=http://a.example/>http://b.example</a>", "link:http://a.example/[http://b.example]"},
		{"<a href='http://a.example/?a=1&amp;b=2&copy=3'>x</a>", "link:http://a.example/?a=1&b=2&copy=3[x]"},
		{"<a href='http://a.example'><img src='http://b.example/p.png'></a>", "image:http://b.example/p.png link:http://a.example"},
		{"<a href='http://a.example'></a>", "link:http://a.example(hidden)"},
		{"<a href='http://a.example' style='display:none'>x</a>", "link:http://a.example(hidden)"},
		{"<a href='http://a.example'>x<a href='http://b.example'>y", "link:http://a.example[x] link:http://b.example[y]"},
		{"<a name=x>y</a>", ""},
		{"<base href='https://e.example/d/f'><a href='g/h'>x</a><a href='/i'>y</a><a href='#j'>z</a>", "frame:https://e.example/d/f link:https://e.example/d/g/h[x] link:https://e.example/i[y] link:#j[z]"},
		{"<form action='http://a.example/f'><input type=PASSWORD></form>", "form:http://a.example/f(password)"},
		{"<form action='http://a.example/f'><input><button formaction='http://b.example'>", "form:http://b.example form:http://a.example/f"},
		{"<meta http-equiv=Refresh content=\"0; URL='http://a.example'\">", "frame:http://a.example"},
		{"<iframe src='http://a.example'>x</iframe>", "frame:http://a.example"},
		{"<img src='//a.example/t' width=1 height=1><img src=cid:x>", "image://a.example/t(hidden) image:cid:x"},
		{"<body background='http://a.example/b'>", "image:http://a.example/b"},
		{"<script src='http://a.example/s'></script>", "frame:http://a.example/s"},
		{"<area href='http://a.example'>", "link:http://a.example"},
		{"<a href='java&#10;script:x'>y</a>", "link:java\nscript:x[y]"},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct result r;
		read_html(rows[i].html, &r);
		CHECK(rows[i].html, cv_str_eq_z(cv_buf_view(&r.links), rows[i].links));
		if (!cv_str_eq_z(cv_buf_view(&r.links), rows[i].links))
			print_error("  [%s]\n", r.links.n ? r.links.p : "");
		result_done(&r);
	}
	CHECK_END();
}

static void
test_read__names_what_is_odd(void **state)
{
	static const struct {
		const char *html;
		uint64_t facts;
	} rows[] = {
		{"<p>a", 0},
		{"<form>", SPAM_FACT(HTML_FORM)},
		{"<input type=' password '>", SPAM_FACT(HTML_PASSWORD)},
		{"<svg/onload=x>", SPAM_FACT(HTML_SCRIPT)},
		{"<a href='JAVASCRIPT:x'>y</a>", SPAM_FACT(HTML_SCRIPT)},
		{"<a href='data:text/html,x'>y</a>", SPAM_FACT(HTML_DATA_URL)},
		{"<img src='data:image/png;base64,xx'>", 0},
		{"<img src='http://a.example/x'>", SPAM_FACT(REMOTE_IMAGE)},
		{"<img src='http://a.example/x' style='display:none'>", SPAM_FACT(REMOTE_IMAGE) | SPAM_FACT(TRACKER)},
		{"<meta http-equiv=refresh content='5'>", 0},
		{"<object data=x>", SPAM_FACT(HTML_FRAME)},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct result r;
		read_html(rows[i].html, &r);
		CHECK(rows[i].html, r.h.facts == rows[i].facts);
		result_done(&r);
	}
	struct result r;
	read_html("kh\xC3\xB4\xE2\x80\x8B" "ng m\xE1\xBA\xAD\xE2\x81\xA0t "
		  "kh\xE1\xBA\xA9\xEF\xBB\xBFu", &r);
	CHECK("zero width", r.h.zero_width == 3);
	result_done(&r);
	CHECK_END();
}

static void
test_read__takes_time_in_proportion(void **state)
{
	static const char *const units[] = {"<b>", "<div>", "<p>", "</b>", "<a href=x>", "<td>",
		"<table><tr><td>", "<x>", "</x>", "<li>", "<b></div>", "<p class='a b c d e f g h'>",
		"<style>a{}</style>", "<p style='color:red;color:red;color:red'>", "<font color=#fff>a",
		"&zwnj;", "<i><td></i>", "<img src=http://a.example/ alt=x>", "<base href=//a/>",
		"<style>a,a,a,a,a{color:red}", "<b style='/*'>", "<dd><dt>", "<b><p></b>"};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(units); i++) {
		struct cv_buf html = CV_BUF_INIT(1u << 20);
		struct result r;
		while (!html.full)
			cv_buf_z(&html, units[i]);
		struct timespec a, b;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		read_html(html.p, &r);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
		CHECK(units[i], ms < 5000);
		if (getenv("HTML_TIMES"))
			print_message("%6ld ms %s\n", ms, units[i]);
		result_done(&r);
		cv_buf_done(&html);
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read__tells_what_is_seen_from_what_is_hidden),
		cmocka_unit_test(test_read__tells_where_it_leads),
		cmocka_unit_test(test_read__names_what_is_odd),
		cmocka_unit_test(test_read__takes_time_in_proportion),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
