/* fuzz: text */
/* The header scanner: fields follow each other without gaps, and the body comes behind them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_header_scan scan;
	struct cv_field f;
	cv_header_scan_init(&scan, in);
	for (size_t at = scan.pos; cv_header_next(&scan, &f); at = f.end) {
		assert(f.start == at && f.end > at && f.end <= size);
		struct cv_buf flat = CV_BUF_INIT(size);
		cv_header_unfold(f.value, &flat);
		assert(!flat.full && !memchr(flat.p ? flat.p : "", '\n', flat.n));
		cv_buf_done(&flat);
		struct cv_str rest = f.value, id;
		while (cv_msgid_next(&rest, &id))
			assert(id.n);
	}
	assert(scan.end != CV_HEADER_MORE && scan.body_at <= size);

	struct cv_buf out = CV_BUF_INIT(size * 40 + 1000);
	cv_header_fold(&out, "Subject", in);
	cv_header_fold_tokens(&out, "X", in);
	assert(!out.full);
	cv_header_scan_init(&scan, cv_buf_view(&out));
	assert(cv_header_next(&scan, &f) && cv_str_eq_z(f.name, "Subject"));
	assert(cv_header_next(&scan, &f) && cv_str_eq_z(f.name, "X") && f.end == out.n);
	cv_buf_done(&out);
	return 0;
}
