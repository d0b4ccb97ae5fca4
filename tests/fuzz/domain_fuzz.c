/* fuzz: text */
/* Domain names: a valid one has an A-label form that equals it, and literals are literals. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_buf ascii = CV_BUF_INIT(1000), shown = CV_BUF_INIT(4000);
	struct cv_literal literal;
	struct cv_err err;
	bool valid = cv_domain_is_valid(in, true);
	enum cv_status status = cv_domain_to_ascii(in, &ascii, &err);
	assert(!valid || status == CV_OK);
	if (valid) {
		assert(cv_domain_is_valid(cv_buf_view(&ascii), false));
		assert(cv_domain_eq(in, cv_buf_view(&ascii)));
		cv_domain_to_unicode(cv_buf_view(&ascii), &shown);
		assert(cv_domain_eq(cv_buf_view(&shown), in));
	}
	cv_buf_reset(&shown);
	cv_domain_to_unicode(in, &shown);
	(void)!cv_literal_parse(in, &literal);
	(void)!cv_ip_parse(in, &literal);
	(void)!cv_domain_is_full(in);
	cv_buf_done(&ascii);
	cv_buf_done(&shown);
	return 0;
}
