/* fuzz: text */
/* Base64, quoted-printable, hex, xtext: cut anywhere, the streams give the same; writers come
 * back. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
streams(struct cv_str in, size_t step)
{
	struct cv_buf a = CV_BUF_INIT(in.n * 2 + 64), b = CV_BUF_INIT(in.n * 2 + 64);
	struct cv_base64_reader r = {0}, s = {0};
	struct cv_qp_reader q = {0}, t = {0};
	cv_base64_read(&r, in, &a);
	cv_base64_read_end(&r, &a);
	cv_qp_read(&q, in, &a);
	cv_qp_read_end(&q, &a);
	for (size_t at = 0; at < in.n; at += step)
		cv_base64_read(&s, cv_str_sub(in, at, at + step), &b);
	cv_base64_read_end(&s, &b);
	for (size_t at = 0; at < in.n; at += step)
		cv_qp_read(&t, cv_str_sub(in, at, at + step), &b);
	cv_qp_read_end(&t, &b);
	assert(!a.full && cv_str_eq(cv_buf_view(&a), cv_buf_view(&b)));
	assert(r.is_damaged == s.is_damaged && q.is_damaged == t.is_damaged);
	cv_buf_done(&a);
	cv_buf_done(&b);
}

typedef void encode_fn(struct cv_str in, struct cv_buf *out);
typedef enum cv_status decode_fn(struct cv_str in, struct cv_buf *out);

static void
both_ways(struct cv_str in, encode_fn *encode, decode_fn *decode, bool unique)
{
	struct cv_buf a = CV_BUF_INIT(in.n * 4 + 64), b = CV_BUF_INIT(in.n * 4 + 64);
	encode(in, &a);
	assert(decode(cv_buf_view(&a), &b) == CV_OK && cv_str_eq(cv_buf_view(&b), in));
	cv_buf_reset(&a);
	cv_buf_reset(&b);
	if (decode(in, &a) == CV_OK) {
		encode(cv_buf_view(&a), &b);
		assert(!unique || cv_str_eq(cv_buf_view(&b), in));
	} else {
		assert(!a.n);
	}
	cv_buf_done(&a);
	cv_buf_done(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct cv_str in = cv_str((const char *)data + 1, size - 1);
	streams(in, data[0] % 7u + 1);
	both_ways(in, cv_base64_encode, cv_base64_decode, true);
	both_ways(in, cv_base64url_encode, cv_base64url_decode, false);
	both_ways(in, cv_hex_encode, cv_hex_decode, false);
	both_ways(in, cv_xtext_encode, cv_xtext_decode, false);

	struct cv_buf a = CV_BUF_INIT(in.n * 4 + 64), b = CV_BUF_INIT(in.n * 4 + 64);
	struct cv_qp_reader q = {0};
	cv_qp_encode(in, &a);
	cv_qp_read(&q, cv_buf_view(&a), &b);
	cv_qp_read_end(&q, &b);
	assert(!q.is_damaged && !a.full);
	cv_buf_done(&a);
	cv_buf_done(&b);
	return 0;
}
