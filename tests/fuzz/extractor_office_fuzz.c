/* fuzz: extractor */
/* Office documents: an archive as it is, or, behind an 'x', a file of XML in an archive of ours.
 * Twice the same outcome and text, which is UTF-8 and within its bound.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "common/extractor/extractor.h"
#include "tests/unit/common/extractor/stored_zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_buf zip = CV_BUF_INIT(64u << 20), a = CV_BUF_INIT(20000), b = CV_BUF_INIT(20000);
	struct extractor_text first = {.out = &a}, again = {.out = &b};

	if (size && data[0] == 'x')
		stored_zip(&zip, "a.xml", cv_str_sub(in, 1, in.n));
	else
		cv_buf_str(&zip, in);
	extractor_begin_time();
	enum cv_extract_outcome outcome = extractor_office(cv_buf_view(&zip), &first);
	extractor_begin_time();
	bool is_same = extractor_office(cv_buf_view(&zip), &again) == outcome;
	assert(is_same && cv_str_eq(cv_buf_view(&a), cv_buf_view(&b)));
	assert(a.n <= 20000 && cv_utf8_is_valid(cv_buf_view(&a)));
	assert(!a.n || a.p[0] != '\n');
	for (size_t i = 1; i < a.n; i++)
		assert(a.p[i] != '\n' || (a.p[i - 1] != '\n' && a.p[i - 1] != ' '));
	cv_buf_done(&zip);
	cv_buf_done(&a);
	cv_buf_done(&b);
	return 0;
}
