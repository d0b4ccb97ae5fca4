/* fuzz: smtpd */
/* smtp_dot_fuzz.c - a DATA stream gives the same message however it is cut, and ends where a
 * second, slower reading says. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/buf.h"
#include "smtpd/dot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
feed(struct cv_str in, size_t piece, struct cv_buf *out, bool *ended)
{
	struct smtpd_dot dot = SMTPD_DOT_INIT;
	size_t at = 0;

	while (at < in.n && !dot.ended) {
		struct cv_str part = cv_str_sub(in, at, at + piece), run;
		size_t n = part.n;
		while (smtpd_dot_next(&dot, &part, &run))
			cv_buf_str(out, run);
		at += n - part.n;
	}
	*ended = dot.ended;
	return at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_buf whole = CV_BUF_INIT(1u << 20), bytes = CV_BUF_INIT(1u << 20);
	bool ended_whole, ended_bytes;

	if (size > 1u << 16)
		return 0;
	size_t a = feed(in, size ? size : 1, &whole, &ended_whole);
	size_t b = feed(in, 1, &bytes, &ended_bytes);
	assert(a == b && ended_whole == ended_bytes);
	assert(cv_str_eq(cv_buf_view(&whole), cv_buf_view(&bytes)));

	struct cv_buf with_start = CV_BUF_INIT(1u << 20);
	cv_buf_z(&with_start, "\r\n");
	cv_buf_str(&with_start, in);
	size_t end = cv_str_search(cv_buf_view(&with_start), CV_STR("\r\n.\r\n"));
	assert(ended_whole == (end < with_start.n));
	if (ended_whole)
		assert(a == end + 3);
	cv_buf_done(&with_start);
	cv_buf_done(&whole);
	cv_buf_done(&bytes);
	return 0;
}
