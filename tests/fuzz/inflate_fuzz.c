/* fuzz: net */
/* inflate_fuzz.c - any bytes as the compressed stream of a peer; and what was packed comes back. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/deflate.h"

#define OUT_MAX (1u << 20) /* where the protocol above would have said stop */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum cv_status
unpack(struct cv_str in, size_t cut, bool rests, struct cv_buf *out)
{
	struct cv_unpack u = {0};
	char piece[512];
	struct cv_err err;
	enum cv_status status = CV_OK;

	for (size_t at = 0; !status && (at < in.n || u.may_have_more) && out->n < OUT_MAX;) {
		size_t used, got;
		status = cv_unpack_bytes(
			&u, cv_str_sub(in, at, at + cut), &used, piece, sizeof(piece), &got, &err);
		/* With nothing left to take, the call that looks for more may find none. */
		assert(used || got || u.may_have_more || status || at == in.n);
		at += used;
		cv_buf_add(out, piece, got);
		if (rests)
			cv_unpack_rest(&u);
	}
	cv_unpack_done(&u);
	return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut = size && data[0] ? data[0] : SIZE_MAX / 2;
	struct cv_str bytes = cv_str((const char *)data + (size > 0), size - (size > 0));
	struct cv_buf a = CV_BUF_INIT(2 * OUT_MAX), b = CV_BUF_INIT(2 * OUT_MAX);
	struct cv_pack pack = {0};

	/* Resting changes nothing. */
	enum cv_status one = unpack(bytes, cut, false, &a), two = unpack(bytes, cut, true, &b);
	assert(one == two && a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n)));

	cv_buf_reset(&a);
	cv_buf_reset(&b);
	for (size_t at = 0; at < bytes.n; at += CV_PACK_CHUNK_BYTES)
		cv_pack_chunk(&pack, cv_str_sub(bytes, at, at + CV_PACK_CHUNK_BYTES), &a);
	if (bytes.n && bytes.n < OUT_MAX) {
		one = unpack(cv_buf_view(&a), cut, true, &b);
		assert(!one && b.n == bytes.n && !memcmp(b.p, bytes.p, b.n));
	}
	cv_pack_done(&pack);
	cv_buf_done(&a);
	cv_buf_done(&b);
	return 0;
}
