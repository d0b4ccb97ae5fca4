/* fuzz: text */
/* Skeletons are valid UTF-8, never longer than folding makes a text, and equal texts have equal
 * ones. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "common/text/lookalike.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const official[] = {"gov", "vn", NULL};
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_buf a = CV_BUF_INIT(16 * size + 16), b = CV_BUF_INIT(16 * size + 16);
	size_t half = size / 2;

	if (cv_skeleton(in, &a) == CV_OK) {
		assert(cv_utf8_is_valid(cv_buf_view(&a)));
		assert(cv_skeleton(in, &b) == CV_OK && cv_str_eq(cv_buf_view(&a), cv_buf_view(&b)));
	}
	(void)cv_is_mixed_script(in);
	(void)cv_likeness(cv_str_sub(in, 0, half), cv_str_sub(in, half, size), official);
	cv_buf_done(&a);
	cv_buf_done(&b);
	return 0;
}
