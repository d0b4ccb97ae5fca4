/* fuzz: store */
/* What people have seen, as it is stored: the first byte chooses head, chunk or key. What decodes
 * must encode to what decodes to the same, in no more than its bound. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/seen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_head(struct cv_str in)
{
	struct cv_seen a = {0}, b = {0};
	struct cv_buf again = CV_BUF_INIT(100);

	if (cv_row_seen_decode(in, &a))
		return;
	cv_row_seen_encode(&a, &again);
	assert(!cv_row_seen_decode(cv_buf_view(&again), &b));
	assert(a.seen == b.seen && a.gaps == b.gaps && a.recent_from == b.recent_from);
	cv_buf_done(&again);
}

static void
try_chunk(struct cv_str in)
{
	struct cv_seen_chunk a, b;
	struct cv_buf again = CV_BUF_INIT(1000);

	if (cv_row_chunk_decode(in, &a))
		return;
	cv_row_chunk_encode(&a, &again);
	assert(again.n <= sizeof(a.bits) + 2);
	assert(!cv_row_chunk_decode(cv_buf_view(&again), &b));
	assert(!memcmp(a.bits, b.bits, sizeof(a.bits)));
	cv_buf_done(&again);
}

static void
try_key(struct cv_str in)
{
	struct cv_buf again = CV_BUF_INIT(100);
	cv_acct_id person;
	uint32_t box, n;

	if (!cv_key_read_seen(in, &box, &person, &n))
		return;
	cv_key_seen(&again, box, person, n);
	assert(cv_str_eq(cv_buf_view(&again), in));
	cv_buf_done(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct cv_str in = cv_str((const char *)data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		try_head(in);
		break;
	case 1:
		try_chunk(in);
		break;
	default:
		try_key(in);
		break;
	}
	return 0;
}
