/* params_test.c - parameters of Content-* fields and RFC 2231. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/text/header.h"

static struct cv_str
z(const char *s)
{
	return cv_str_z(s);
}

static void
print(const struct cv_params *p, struct cv_buf *b)
{
	cv_buf_str(b, p->value);
	for (size_t i = 0; i < p->n; i++) {
		cv_buf_c(b, '|');
		cv_buf_str(b, p->items[i].name);
		cv_buf_c(b, '=');
		cv_buf_str(b, p->items[i].value);
	}
}

static void
test_parameters__are_read_forgivingly(void **state)
{
	(void)state;
	static const struct { const char *in, *want; bool broken; } rows[] = {
		{ " text/plain; charset=us-ascii", "text/plain|charset=us-ascii", false },
		{ "text/plain; charset=us-ascii (Plain text)", "text/plain|charset=us-ascii", false },
		{ "text/plain; charset=\"us-ascii\"", "text/plain|charset=us-ascii", false },
		{ "Text / (x) Plain ; A = \"b\\\"c\\\\;\" ;\r\n\tD=e", "Text/Plain|A=b\"c\\;|D=e", false },
		{ "multipart/mixed; boundary=\"a\r\n b\"", "multipart/mixed|boundary=a b", false },
		{ "attachment", "attachment", false },
		{ "attachment;", "attachment", false },
		{ "", "", false },
		{ "a/b; x*0=1; x*1*=2", "a/b|x*0=1|x*1*=2", false },
		{ "a/b; x=\"\"", "a/b|x=", false },
		/* broken */
		{ "a/b; filename=my file.doc; y=2", "a/b|filename=my file.doc|y=2", true },
		{ "a/b; name=\xc3\xa9", "a/b|name=\xc3\xa9", true },
		{ "a/b; x=a=b", "a/b|x=a=b", true },
		{ "a/b; x y=1; z=2", "a/b|z=2", true },
		{ "a/b; =1; z=2", "a/b|z=2", true },
		{ "a/b; x; z=2", "a/b|z=2", false },
		{ "a/b; x=\"unended; z=2", "a/b|x=unended; z=2", true },
		{ "a/b; x=\"1\"2; z=3", "a/b|x=1|z=3", true },
		{ "a/b; (unended; z=3", "a/b", true },
		{ "a/b;;; z=3", "a/b|z=3", false },
		{ "a/b c=d; e=f", "a/b|c=d|e=f", true },
		{ "attachment filename=\"a b\"", "attachment|filename=a b", true },
		{ "a/b(x)c=d", "a/b|c=d", true },
		{ "a/bc=d", "a/bc=d", false },
		{ "base 64", "base64", false },
		{ "a/b; x=\"\\", "a/b|x=", true },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_buf b = CV_BUF_INIT(1000);
		struct cv_params p;
		cv_params_parse(&arena, z(rows[i].in), &p);
		print(&p, &b);
		struct cv_str got = cv_buf_view(&b);
		if (i == CV_COUNT(rows) - 1)
			assert_true(cv_str_has_prefix(got, rows[i].want));
		else if (!cv_str_eq_z(got, rows[i].want))
			fail_msg("%s: %s", rows[i].in, b.p);
		if (p.is_broken != rows[i].broken)
			fail_msg("%s: broken %d", rows[i].in, p.is_broken);
		cv_buf_done(&b);
		cv_arena_done(&arena);
	}
}

static void
test_media_type__has_two_tokens(void **state)
{
	(void)state;
	static const struct { const char *in, *type, *subtype; } rows[] = {
		{ "Text/Plain; x=1", "Text", "Plain" }, { "text", "", "" }, { "text/", "", "" }, { "/x", "", "" },
		{ "a/b/c", "", "" }, { "a/b c", "a", "bc" }, { "a/\"b\"", "", "" }, { "", "", "" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_params p;
		struct cv_str type, subtype;
		cv_params_parse(&arena, z(rows[i].in), &p);
		assert_int_equal(cv_params_media(&p, &type, &subtype), *rows[i].type != 0);
		if (!cv_str_eq_z(type, rows[i].type) || !cv_str_eq_z(subtype, rows[i].subtype))
			fail_msg("%s", rows[i].in);
		cv_arena_done(&arena);
	}
}

/* RFC 2231 sections 3 to 4.1, and file names as programs wrongly write them. */
static void
test_joined__are_continuations_and_charsets(void **state)
{
	(void)state;
	static const struct { const char *in, *name, *want; } rows[] = {
		{ "m/x; URL*0=\"ftp://\";\r\n URL*1=\"cs.utk.edu/pub\"", "url", "ftp://cs.utk.edu/pub" },
		{ "a/x; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "title", "This is ***fun***" },
		{ "a/x; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
		  "title", "This is even more ***fun*** isn't it!" },
		{ "a; f*1=b; f*0=a; f*2=c", "f", "abc" },
		{ "a; f*0=a; f*2=c", "f", "a" },
		{ "a; f*1=x", "f", "x" },
		{ "a; f=plain; f*=utf-8''%E1%BA%BF", "f", "ế" },
		{ "a; f=plain; f*0=x; f*1=y", "f", "xy" },
		{ "a; f=one; f=two", "f", "one" },
		{ "a; f*=iso-8859-1''caf%E9", "f", "café" },
		{ "a; f*0*=utf-8''%E1%BA; f*1*=%BF", "f", "ế" },
		{ "a; f*=utf-8''100%; g=1", "f", "100%" },
		{ "a; f*=no-quotes", "f", "no-quotes" },
		{ "a; f*=x-none''a%E9", "f", "a\xef\xbf\xbd" },
		{ "a; f*=utf-8''a%0D%0Ab%00", "f", "a  b " },
		{ "a; f=\"=?utf-8?Q?t=E1=BB=87p.doc?=\"", "f", "tệp.doc" },
		{ "a; f=\"t\xe1\xbb\x87p.doc\"", "f", "tệp.doc" },
		{ "a; f*01=x", "f*01", "x" }, { "a; f*999=x", "f*999", "x" }, { "a; *=x", "*", "x" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_buf b = CV_BUF_INIT(1000);
		struct cv_params raw, p;
		cv_params_parse(&arena, z(rows[i].in), &raw);
		cv_params_join(&arena, &raw, &p);
		const struct cv_param *f = cv_params_find(&p, rows[i].name);
		if (!f)
			fail_msg("%s: no %s", rows[i].in, rows[i].name);
		cv_param_text(f, &b);
		if (!cv_str_eq_z(cv_buf_view(&b), rows[i].want))
			fail_msg("%s: %s", rows[i].in, b.p);
		assert_null(cv_params_find(&p, "absent"));
		cv_buf_done(&b);
		cv_arena_done(&arena);
	}
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_params p;
	cv_params_parse(&arena, z("a; t*=UTF-8'vi'x"), &p);
	cv_params_join(&arena, &p, &p);
	assert_true(cv_str_eq_z(p.items[0].charset, "UTF-8") &&
	            cv_str_eq_z(p.items[0].language, "vi"));
	cv_arena_done(&arena);
}

static void
test_parameters__end_at_their_limits(void **state)
{
	(void)state;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf b = CV_BUF_INIT(1u << 20);
	struct cv_params p;
	cv_buf_z(&b, "a/b");
	for (int i = 0; i < CV_PARAMS_MAX; i++)
		cv_buf_printf(&b, "; x*%d*=%%41", i);
	cv_params_parse(&arena, cv_buf_view(&b), &p);
	assert_int_equal(p.n, CV_PARAMS_MAX);
	assert_false(p.is_broken);
	cv_params_join(&arena, &p, &p);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.items[0].value.n, CV_PARAMS_MAX);
	cv_buf_z(&b, "; y=1");
	cv_params_parse(&arena, cv_buf_view(&b), &p);
	assert_int_equal(p.n, CV_PARAMS_MAX);
	assert_true(p.is_broken);

	/* Many quoted strings in the wrong place must not take memory by the square. */
	cv_buf_reset(&b);
	cv_buf_z(&b, "a/b; x");
	while (b.n < CV_PARAM_BYTES_MAX + 100)
		cv_buf_z(&b, "\"\"");
	size_t before = arena.used_bytes;
	cv_params_parse(&arena, cv_buf_view(&b), &p);
	assert_true(p.is_broken);
	assert_true(arena.used_bytes - before < 4 * CV_PARAM_BYTES_MAX);
	cv_buf_done(&b);
	cv_arena_done(&arena);
}

static void
test_written_parameters__come_back(void **state)
{
	(void)state;
	static const struct { const char *value, *want; } rows[] = {
		{ "simple.doc", "; f=simple.doc" }, { "", "; f=\"\"" }, { "a b", "; f=\"a b\"" },
		{ "a\"\\b", "; f=\"a\\\"\\\\b\"" }, { "tệp.doc", "; f*=UTF-8''t%E1%BB%87p.doc" },
		{ "a\r\nb", "; f*=UTF-8''a%0D%0Ab" }, { "Công văn số 123-UBND về việc triển khai hệ thống thư điện tử.docx", NULL },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.doc", NULL },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_buf b = CV_BUF_INIT(1000), text = CV_BUF_INIT(1000);
		struct cv_params p;
		cv_param_write(&b, "f", z(rows[i].value));
		if (rows[i].want && !cv_str_eq_z(cv_buf_view(&b), rows[i].want))
			fail_msg("%s: %s", rows[i].value, b.p);
		cv_params_parse(&arena, cv_buf_view(&b), &p);
		assert_false(p.is_broken);
		cv_params_join(&arena, &p, &p);
		assert_int_equal(p.n, 1);
		assert_true(cv_str_eq_z(p.items[0].value, rows[i].value));
		cv_buf_done(&b);
		cv_buf_done(&text);
		cv_arena_done(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parameters__are_read_forgivingly),
		cmocka_unit_test(test_media_type__has_two_tokens),
		cmocka_unit_test(test_joined__are_continuations_and_charsets),
		cmocka_unit_test(test_parameters__end_at_their_limits),
		cmocka_unit_test(test_written_parameters__come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
