/* url_test.c - addresses as browsers read them (WHATWG URL), as people write them, as tricksters
 * hide them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/walk/url.h"
#include "tests/unit/check.h"

static int
prepare(void **state)
{
	struct cv_err err;

	(void)state;
	return spam_url_prepare(NULL, &err) != CV_OK;
}

static void
test_parse__writes_one_form_and_says_what_is_odd(void **state)
{
	static const struct {
		const char *raw, *url, *host, *organisation;
		unsigned flags;
	} rows[] = {
		{"http://Mail.LamGiang.example", "http://mail.lamgiang.example/", "mail.lamgiang.example", "lamgiang.example", 0},
		{"https://gov.example@evil.example/x", "https://evil.example/x", "evil.example", "evil.example", SPAM_URL_USERINFO},
		{"https://a:b@c@evil.example", "https://evil.example/", "evil.example", "evil.example", SPAM_URL_USERINFO},
		{"http:/\\evil.example\\a\\b", "http://evil.example/a/b", "evil.example", "evil.example", 0},
		{"http:evil.example/a", "http://evil.example/a", "evil.example", "evil.example", 0},
		{"//evil.example/a", "https://evil.example/a", "evil.example", "evil.example", 0},
		{" ht\ntp://ev\til.example/ \r\n", "http://evil.example/", "evil.example", "evil.example", 0},
		{"http://3221225985/", "http://192.0.2.1/", "192.0.2.1", "192.0.2.1", SPAM_URL_IP | SPAM_URL_IP_ODD},
		{"http://0xC0.0x00.02.1", "http://192.0.2.1/", "192.0.2.1", "192.0.2.1", SPAM_URL_IP | SPAM_URL_IP_ODD},
		{"http://0300.0.0002.01/", "http://192.0.2.1/", "192.0.2.1", "192.0.2.1", SPAM_URL_IP | SPAM_URL_IP_ODD},
		{"http://192.0.513/", "http://192.0.2.1/", "192.0.2.1", "192.0.2.1", SPAM_URL_IP | SPAM_URL_IP_ODD},
		{"http://192.0.2.1:8080/", "http://192.0.2.1:8080/", "192.0.2.1", "192.0.2.1", SPAM_URL_IP | SPAM_URL_PORT},
		{"http://192.0.2.256/", "http://192.0.2.256/", "192.0.2.256", "192.0.2.256", SPAM_URL_BROKEN},
		{"http://[2001:DB8:0::1]:443/a", "http://[2001:db8::1]:443/a", "[2001:db8::1]", "[2001:db8::1]", SPAM_URL_IP | SPAM_URL_PORT},
		{"http://[::ffff:192.0.2.1]/", "http://192.0.2.1/", "192.0.2.1", "192.0.2.1", SPAM_URL_IP},
		{"https://ex%61mple.vn/%7Ea/%2e%2e/b", "https://example.vn/b", "example.vn", "example.vn", SPAM_URL_ENCODED},
		{"https://example.vn:443/a/./b//c?x=%3a", "https://example.vn/a/b//c?x=%3A", "example.vn", "example.vn", 0},
		{"https://example.vn/a b?q=\"#frag", "https://example.vn/a%20b?q=%22", "example.vn", "example.vn", 0},
		{"https://sub.x.com.vn/", "https://sub.x.com.vn/", "sub.x.com.vn", "x.com.vn", 0},
		{"https://stp.lamgiang.gov.vn", "https://stp.lamgiang.gov.vn/", "stp.lamgiang.gov.vn", "lamgiang.gov.vn", 0},
		{"hxxps://evil[.]example/a", "https://evil.example/a", "evil.example", "evil.example", SPAM_URL_DEFANGED},
		{"hXXp://evil(dot)example", "http://evil.example/", "evil.example", "evil.example", SPAM_URL_DEFANGED},
		{"http://\xEF\xBD\x85vil\xE3\x80\x82" "example/", "http://evil.example/", "evil.example", "evil.example", 0},
		{"http://ev\xC2\xADil\xE2\x80\x8B.example/", "http://evil.example/", "evil.example", "evil.example", 0},
		{"http://vi\xE1\xBB\x87t.example/", "http://xn--vit-5kz.example/", "xn--vit-5kz.example", "xn--vit-5kz.example", SPAM_URL_PUNYCODE},
		{"http://gm\xD0\xB0il.example/", "http://xn--gmil-63d.example/", "xn--gmil-63d.example", "xn--gmil-63d.example", SPAM_URL_PUNYCODE | SPAM_URL_MIXED},
		{"http://xn--gmil-63d.example/", "http://xn--gmil-63d.example/", "xn--gmil-63d.example", "xn--gmil-63d.example", SPAM_URL_PUNYCODE | SPAM_URL_MIXED},
		{"https://bit.ly/3abc", "https://bit.ly/3abc", "bit.ly", "bit.ly", SPAM_URL_SHORTENER},
		{"www.evil.example/a", "http://www.evil.example/a", "www.evil.example", "evil.example", SPAM_URL_NO_SCHEME},
		{"evil.example:8080/a", "http://evil.example:8080/a", "evil.example", "evil.example", SPAM_URL_NO_SCHEME | SPAM_URL_PORT},
		{"https://a.example/v?t=Ab3dE6gH1jK2mN4pQ", "https://a.example/v?t=Ab3dE6gH1jK2mN4pQ", "a.example", "a.example", SPAM_URL_TOKEN},
		{"http://evil..example/", "http://evil..example/", "evil..example", "evil..example", SPAM_URL_BROKEN},
		{"http://ev<il.example/", "http://ev<il.example/", "ev<il.example", "ev<il.example", SPAM_URL_BROKEN},
		{"http://localhost/", "http://localhost/", "localhost", "localhost", 0},
		{"http://evil.example./", "http://evil.example/", "evil.example", "evil.example", 0},
		{"mailto:a@b.example", NULL, NULL, NULL, 0},
		{"javascript:alert(1)", NULL, NULL, NULL, 0},
		{"#top", NULL, NULL, NULL, 0},
		{"/relative", NULL, NULL, NULL, 0},
		{"a.html", "http://a.html/", "a.html", "a.html", SPAM_URL_NO_SCHEME},
		{"", NULL, NULL, NULL, 0},
		{"http://", NULL, NULL, NULL, 0},
		{"http:///?", NULL, NULL, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct spam_url url;
		bool found = spam_url_parse(&arena, cv_str_z(rows[i].raw), &url);
		CHECK(rows[i].raw, found == (rows[i].url != NULL));
		if (found && rows[i].url) {
			CHECK(rows[i].raw, cv_str_eq_z(url.url, rows[i].url));
			CHECK(rows[i].raw, cv_str_eq_z(url.host, rows[i].host));
			CHECK(rows[i].raw, cv_str_eq_z(url.organisation, rows[i].organisation));
			CHECK(rows[i].raw, url.flags == rows[i].flags);
			if (!cv_str_eq_z(url.url, rows[i].url) || url.flags != rows[i].flags)
				print_error("  %s %s %x\n", url.url.p, url.host.p, url.flags);
		}
		cv_arena_done(&arena);
	}
	CHECK_END();
}

static void
test_next__finds_addresses_in_running_text(void **state)
{
	static const struct {
		const char *text, *found; /* joined by blanks */
	} rows[] = {
		{"Xem https://a.example/b.", "https://a.example/b"},
		{"(xem http://a.example/b_(c)), rồi", "http://a.example/b_(c)"},
		{"((http://a.example/[b]))].).", "http://a.example/[b]"},
		{"http://a.example/(b){c}})])", "http://a.example/(b){c}"},
		{"<http://a.example>", "http://a.example"},
		{"“https://a.example/x”", "https://a.example/x"},
		{"truy cập www.a.example, ngay!", "www.a.example"},
		{"bidv-vn.top/dang-nhap ngay", "bidv-vn.top/dang-nhap"},
		{"tại bidv-vn.top.", "bidv-vn.top"},
		{"Web:abc.com.vn", "abc.com.vn"},
		{"hxxps://evil[.]example/a[.]b", "hxxps://evil[.]example/a[.]b"},
		{"hxxp[:]//evil[.]example", "hxxp[:]//evil[.]example"},
		{"http://a.example,http://b.example;https://c.example", "http://a.example http://b.example https://c.example"},
		{"http://a.example/?u=http://b.example/", "http://a.example/?u=http://b.example/"},
		{"viết thư a@b.example hoặc c.d@e.vn", ""},
		{"hoso.zip tailieu.pdf readme.md TP.HCM ngày 1.2.2026 v.v. xong.La", ""},
		{"số 12/2026/QĐ-UBND.VN 3.5 triệu", ""},
		{"http:// https:// ://", ""},
		{"**https://a.example/b**", "https://a.example/b"},
		{"http://việt.example/đường", "http://việt.example/đường"},
		{"http://1.2.3.4/a\xE3\x80\x80x", "http://1.2.3.4/a"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf found = CV_BUF_INIT(4096);
		struct cv_str raw;
		size_t pos = 0;
		while (spam_url_next(cv_str_z(rows[i].text), &pos, &raw)) {
			if (found.n)
				cv_buf_c(&found, ' ');
			cv_buf_str(&found, raw);
		}
		CHECK(rows[i].text, cv_str_eq_z(cv_buf_view(&found), rows[i].found));
		if (!cv_str_eq_z(cv_buf_view(&found), rows[i].found))
			print_error("  found: %s\n", found.p ? found.p : "");
		cv_buf_done(&found);
	}
	CHECK_END();
}

static void
test_inner__follows_redirectors(void **state)
{
	static const struct {
		const char *raw, *inner;
	} rows[] = {
		{"https://www.google.com/url?q=https://evil.example/a&sa=D", "https://evil.example/a"},
		{"https://r.example/?x=1&next=https%3A%2F%2Fevil.example%2Fb", "https://evil.example/b"},
		{"https://r.example/?u=https%253A%252F%252Fevil.example", "https://evil.example/"},
		{"https://r.example/?u=aHR0cHM6Ly9ldmlsLmV4YW1wbGUvYw==", "https://evil.example/c"},
		{"https://urldefense.example/v2/url?u=https-3A__evil.example_d&d=x", "https://evil.example/d"},
		{"https://urldefense.example/v3/__https://evil.example/e__;!!abc", "https://evil.example/e"},
		{"https://www.google.com/amp/s/evil.example/f", "https://evil.example/f"},
		{"https://web.example/web/2026/http://evil.example/", "http://evil.example/"},
		{"https://r.example/?https://evil.example/g", "https://evil.example/g"},
		{"https://r.example/?to=//evil.example/h", "https://evil.example/h"},
		{"https://r.example/?a=b&c=httpfoo", NULL},
		{"https://r.example/path/http", NULL},
		{"https://r.example/", NULL},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct spam_url url, inner;
		assert_true(spam_url_parse(&arena, cv_str_z(rows[i].raw), &url));
		bool found = spam_url_inner(&arena, &url, &inner);
		CHECK(rows[i].raw, found == (rows[i].inner != NULL));
		if (found && rows[i].inner)
			CHECK(rows[i].raw, cv_str_eq_z(inner.url, rows[i].inner));
		cv_arena_done(&arena);
	}
	CHECK_END();
}

static void
test_scheme__is_read_as_browsers_do(void **state)
{
	static const struct {
		const char *raw, *scheme;
	} rows[] = {
		{"JavaScript:alert(1)", "javascript"},
		{" \n java\tscr\nipt:x", "javascript"},
		{"data:text/html,x", "data"},
		{"abc", ""},
		{"a b:c", ""},
		{":x", ""},
		{"1a:x", ""},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char scheme[20];
		size_t n = spam_url_scheme(cv_str_z(rows[i].raw), scheme, sizeof scheme);
		CHECK(rows[i].raw, n == strlen(scheme));
		CHECK(rows[i].raw, !strcmp(scheme, rows[i].scheme));
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse__writes_one_form_and_says_what_is_odd),
		cmocka_unit_test(test_next__finds_addresses_in_running_text),
		cmocka_unit_test(test_inner__follows_redirectors),
		cmocka_unit_test(test_scheme__is_read_as_browsers_do),
	};
	return cmocka_run_group_tests(tests, prepare, NULL);
}
