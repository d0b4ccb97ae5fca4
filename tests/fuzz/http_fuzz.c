/* fuzz: net */
/* http_fuzz.c - any octets as an HTTP request: no wild reads, the same answer however they come,
 * and nothing behind the request counts. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <assert.h>

#include "common/net/http.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
check_slice(struct cv_str whole, struct cv_str s)
{
	assert(!s.n || (s.p >= whole.p && s.p + s.n <= whole.p + whole.n));
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_http_request r, part;
	const char *status = NULL, *other = NULL;
	struct cv_buf value = CV_BUF_INIT(64);

	enum cv_http_state state = cv_http_parse(in, 1024, &r, &status);
	if (state == CV_HTTP_REFUSED)
		assert(status && strlen(status) > 4);
	if (state != CV_HTTP_WHOLE)
		return 0;
	const struct cv_str slices[] = {r.path, r.query, r.host, r.content_type, r.sec_fetch_site,
		r.forwarded_for, r.body};
	for (size_t i = 0; i < CV_COUNT(slices); i++)
		check_slice(in, slices[i]);
	assert(r.path.n && r.path.p[0] == '/' && r.method != CV_HTTP_OTHER);
	/* A piece of it is never a whole request with another body. */
	for (size_t n = 0; n < size; n++) {
		enum cv_http_state before =
			cv_http_parse(cv_str_sub(in, 0, n), 1024, &part, &other);
		assert(before != CV_HTTP_REFUSED);
		assert(before == CV_HTTP_MORE || cv_str_eq(part.body, r.body));
	}
	(void)cv_http_form(r.body, "do", &value);
	cv_buf_done(&value);
	return 0;
}
