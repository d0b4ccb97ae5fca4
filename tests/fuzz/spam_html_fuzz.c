/* fuzz: spamfilter */
/* spam_html_fuzz.c - any bytes as HTML: buffers keep their limits, links come one at a time. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "spamfilter/walk/html.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
see_link(void *ctx, const struct spam_html_link *link)
{
	size_t *count = ctx;

	++*count;
	assert(link->raw.n && link->shown.n <= SPAM_HTML_SHOWN_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_buf visible = CV_BUF_INIT(4096), hidden = CV_BUF_INIT(1024);
	struct cv_buf utf8 = CV_BUF_INIT(size * 3 + 64);
	size_t links = 0;
	struct spam_html h = {
		.visible = &visible, .hidden = &hidden, .link = see_link, .ctx = &links};

	(void)cv_utf8_nfc(cv_str((const char *)data, size), &utf8);
	spam_html_read(cv_buf_view(&utf8), &h);
	assert(visible.n <= 4096 && hidden.n <= 1024 && links <= SPAM_HTML_LINKS_MAX);
	assert(cv_utf8_is_valid(cv_buf_view(&visible)) && cv_utf8_is_valid(cv_buf_view(&hidden)));
	cv_buf_done(&visible);
	cv_buf_done(&hidden);
	cv_buf_done(&utf8);
	return 0;
}
