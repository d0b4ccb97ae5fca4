/* fuzz: imapd */
/* imap_url_fuzz.c - any bytes as a URL of CATENATE. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct imapd_url url;

	if (size <= IMAPD_URL_MAX &&
		imapd_parse_url(cv_str((const char *)data, size), &arena, &url))
		assert(url.uid && (!url.section.is_partial || url.section.length) &&
		       !url.section.is_binary);
	cv_arena_done(&arena);
	return 0;
}
