/* fuzz: smtpd */
/* srs_fuzz.c - any bytes as a sender and as a local part: refused, or there and back the same. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/srs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtpd_srs_keys k = { .keys = { CV_STR("a secret for the fuzzer") }, .n = 1 };
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_buf there = CV_BUF_INIT(600), back = CV_BUF_INIT(600);

	(void)!smtpd_srs_reverse(&k, in, 20779, 21, &back);
	cv_buf_reset(&back);
	if (smtpd_srs_forward(&k, in, CV_STR("us.example"), 20779, &there) == CV_OK) {
		struct cv_str whole = cv_buf_view(&there);
		struct cv_str local = cv_str_sub(whole, 0, cv_str_find(whole, '@', 0));
		/* What is no address at all does not come back; what comes back is the same. */
		if (smtpd_srs_reverse(&k, local, 20779, 21, &back) == CV_OK &&
			!smtpd_srs_is(in) && !cv_str_eq(cv_buf_view(&back), in))
			abort();
	}
	cv_buf_done(&there);
	cv_buf_done(&back);
	return 0;
}
