/* fuzz: net */
/* proxy_fuzz.c - PROXY headers: whole and cut off anywhere, the answers must agree. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/addr.h"
#include "common/net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_proxy whole, part;
	size_t used = 0, part_used = 0;
	struct cv_err err;
	struct cv_str in = cv_str((const char *)data, CV_MIN(size, (size_t)CV_PROXY_MAX));
	enum cv_status status = cv_proxy_parse(in, &whole, &used, &err);
	assert(status == CV_OK || status == CV_AGAIN || status == CV_INVALID);
	if (status == CV_OK) {
		char text[64];
		assert(used && used <= in.n);
		cv_sockaddr_text(&whole.peer, text, sizeof(text));
	}
	for (size_t n = 0; status == CV_OK && n < used; n++)
		assert(cv_proxy_parse(cv_str_sub(in, 0, n), &part, &part_used, &err) == CV_AGAIN);
	return 0;
}
