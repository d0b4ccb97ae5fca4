/* fuzz: text */
/* Modified UTF-7: whatever is accepted, either way, has one spelling. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/utf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_buf a = CV_BUF_INIT(CV_UTF7_MAX), b = CV_BUF_INIT(CV_UTF7_MAX * 4);
	if (cv_utf7_decode(in, &a) == CV_OK) {
		assert(cv_utf7_encode(cv_buf_view(&a), &b) == CV_OK);
		assert(cv_str_eq(cv_buf_view(&b), in));
	}
	cv_buf_reset(&a);
	cv_buf_reset(&b);
	if (cv_utf7_encode(in, &a) == CV_OK) {
		assert(cv_utf7_decode(cv_buf_view(&a), &b) == CV_OK);
		assert(cv_str_eq(cv_buf_view(&b), in));
	}
	cv_buf_done(&a);
	cv_buf_done(&b);
	return 0;
}
