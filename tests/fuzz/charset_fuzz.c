/* fuzz: text */
/* Charset conversion: the first line names the charset. What comes out is valid and stays as it is
 * when it is composed again; the way back does not fail on it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	size_t line = cv_str_find(in, '\n', 0);
	struct cv_str name = cv_str_sub(in, 0, line), text = cv_str_sub(in, line + 1, in.n);
	struct cv_buf out = CV_BUF_INIT(size * 16 + 1024), again = CV_BUF_INIT(size * 16 + 1024);
	struct cv_buf back = CV_BUF_INIT(size * 64 + 1024);

	enum cv_status status = cv_charset_to_utf8(name, text, &out);
	assert(status == CV_OK || status == CV_NOT_FOUND);
	assert((status == CV_OK) == cv_charset_known(name));
	assert(cv_utf8_is_valid(cv_buf_view(&out)));
	assert(cv_utf8_nfc(cv_buf_view(&out), &again) == CV_OK);
	assert(cv_str_eq(cv_buf_view(&out), cv_buf_view(&again)));
	status = cv_charset_from_utf8(name, cv_buf_view(&out), &back);
	assert(status == CV_OK || status == CV_NOT_FOUND);
	cv_buf_done(&out);
	cv_buf_done(&again);
	cv_buf_done(&back);
	return 0;
}
