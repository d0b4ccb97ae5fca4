/* fuzz: extractor */
/* Pictures, as PNG or JPEG: twice the same outcome and pixels, and never more than the bound. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/extractor/extractor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct extractor_gray first, again;

	extractor_begin_time();
	enum cv_extract_outcome outcome = extractor_picture_gray(in, &first);
	extractor_begin_time();
	bool is_same = extractor_picture_gray(in, &again) == outcome;
	size_t n = (size_t)first.width * first.height;
	assert(is_same && first.width == again.width && first.height == again.height);
	assert(n <= EXTRACTOR_PIXELS_MAX && !first.pixels == !n);
	assert(outcome != CV_EXTRACT_TEXT || n);
	assert(outcome != CV_EXTRACT_UNKNOWN || !extractor_is_picture(in));
	assert(!n || !memcmp(first.pixels, again.pixels, n));
	free(first.pixels);
	free(again.pixels);
	return 0;
}
