/* http_test.c - requests read strictly, whole and byte by byte (RFC 9112); forms. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/net/http.h"

#define BODY_MAX 64

static void
test_http__reads_strictly(void **state)
{
	static const struct {
		const char *name, *in, *status; /* NULL: whole */
	} rows[] = {
		{"a GET", "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", NULL},
		{"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", NULL},
		{"a POST", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", NULL},
		{"empty fields", "GET / HTTP/1.1\r\nHost:\r\nX-A:  \r\n\r\n", NULL},
		{"no Host (3.2)", "GET / HTTP/1.1\r\n\r\n", "400"},
		{"two Hosts (3.2)", "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", "400"},
		{"a blank before the colon (5.1)", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
		{"folding (5.2)", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "400"},
		{"a bare LF (2.2)", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "400"},
		{"a bare CR (2.2)", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", "400"},
		{"an absolute target", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"octets above 127 in the target", "GET /\xc3 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"a fragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"HTTP/2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
		{"no HTTP", "HELO a b\r\n\r\n", "400"},
		{"an unknown method", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n", "405"},
		{"chunks (6.1)", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "501"},
		{"both lengths (6.3)",
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
			"Transfer-Encoding: chunked\r\n\r\n", "501"},
		{"a length twice (6.3)",
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "400"},
		{"a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na", "400"},
		{"a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", "400"},
		{"no length", "POST / HTTP/1.1\r\nHost: a\r\n\r\n", "411"},
		{"too long a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n\r\n", "413"},
		{"a body for GET", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na", "400"},
		{"Expect", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "417"},
		{"a NUL", NULL, "400"},
	};
	static const char nul[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str in = rows[i].in ? cv_str_z(rows[i].in) : cv_str(nul, sizeof nul - 1);
		struct cv_http_request r;
		const char *status = "none";
		enum cv_http_state got = cv_http_parse(in, BODY_MAX, &r, &status);
		if (got != (rows[i].status ? CV_HTTP_REFUSED : CV_HTTP_WHOLE) ||
			(rows[i].status && strncmp(status, rows[i].status, 3)))
			fail_msg("%s: %d %s", rows[i].name, got, status);
		for (size_t n = 0; !rows[i].status && n < in.n; n++) {
			got = cv_http_parse(cv_str_sub(in, 0, n), BODY_MAX, &r, &status);
			if (got != CV_HTTP_MORE)
				fail_msg("%s: %zu octets of it", rows[i].name, n);
		}
	}
}

static void
test_http__knows_limits(void **state)
{
	struct cv_buf in = CV_BUF_INIT(1u << 20);
	struct cv_http_request r;
	const char *status;

	(void)state;
	cv_buf_z(&in, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (size_t i = 0; i < CV_HTTP_FIELDS_MAX; i++)
		cv_buf_z(&in, "X: y\r\n");
	cv_buf_z(&in, "\r\n");
	assert_int_equal(cv_http_parse(cv_buf_view(&in), 0, &r, &status), CV_HTTP_REFUSED);
	assert_int_equal(strncmp(status, "431", 3), 0);
	cv_buf_reset(&in);
	cv_buf_z(&in, "GET /");
	while (in.n < CV_HTTP_HEAD_MAX - 1)
		cv_buf_c(&in, 'a');
	assert_int_equal(cv_http_parse(cv_buf_view(&in), 0, &r, &status), CV_HTTP_MORE);
	cv_buf_c(&in, 'a');
	assert_int_equal(cv_http_parse(cv_buf_view(&in), 0, &r, &status), CV_HTTP_REFUSED);
	/* Without a body no POST. */
	struct cv_str post = CV_STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(cv_http_parse(post, 0, &r, &status), CV_HTTP_REFUSED);
	cv_buf_done(&in);
}

static void
test_http__takes_the_parts_out(void **state)
{
	struct cv_http_request r;
	const char *status;

	(void)state;
	assert_int_equal(
		cv_http_parse(CV_STR("POST /a/b?c=d?e HTTP/1.1\r\nHost: h:1\r\n"
				     "X-Forwarded-For: 192.0.2.1,\t2001:db8::1 \r\n"
				     "content-type: text/plain; charset=x\r\nSec-Fetch-Site: same-origin\r\n"
				     "Content-Length: 2\r\n\r\nabcd"),
			BODY_MAX, &r, &status),
		CV_HTTP_WHOLE);
	assert_true(cv_str_eq_z(r.path, "/a/b") && cv_str_eq_z(r.query, "c=d?e"));
	assert_true(cv_str_eq_z(r.host, "h:1") && cv_str_eq_z(r.body, "ab"));
	assert_true(cv_str_eq_z(r.forwarded_for, "2001:db8::1"));
	assert_true(cv_str_eq_z(r.content_type, "text/plain; charset=x"));
	assert_true(cv_str_eq_z(r.sec_fetch_site, "same-origin") && r.method == CV_HTTP_POST);
}

static void
test_form__gives_one_value_or_none(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"do=release", "release"}, {"a=b&do=x%20y+z", "x y z"}, {"do=", ""},
		{"do=%41%4a%4B", "AJK"}, {"do=a&do=a", NULL}, {"do", NULL}, {"", NULL}, {"xdo=a", NULL},
		{"do=%4", NULL}, {"do=%", NULL}, {"do=%zz", NULL}, {"do=%%", NULL}, {"do=&do=", NULL},
		{"do=0123456789012345678", NULL}, /* no room */
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(16);
		bool got = cv_http_form(cv_str_z(rows[i].in), "do", &out);
		if (got != (rows[i].want != NULL) ||
			(got && !cv_str_eq_z(cv_buf_view(&out), rows[i].want)))
			fail_msg("%s: %d", rows[i].in, got);
		cv_buf_done(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http__reads_strictly),
		cmocka_unit_test(test_http__knows_limits),
		cmocka_unit_test(test_http__takes_the_parts_out),
		cmocka_unit_test(test_form__gives_one_value_or_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
