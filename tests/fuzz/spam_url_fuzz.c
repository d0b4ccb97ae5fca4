/* fuzz: spamfilter */
/* spam_url_fuzz.c - any bytes as an address, as text with addresses, as addresses in addresses; the
 * canonical form read again gives itself. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "spamfilter/walk/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_parse(struct cv_str raw)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_url url, again, inner;
	char scheme[16];

	assert(spam_url_scheme(raw, scheme, sizeof scheme) < sizeof scheme);
	if (spam_url_parse(&arena, raw, &url)) {
		assert(url.host.n && url.host.n <= SPAM_HOST_MAX && url.url.n <= SPAM_URL_MAX);
		assert(url.organisation.n && url.organisation.n <= url.host.n);
		if (!(url.flags & (SPAM_URL_BROKEN | SPAM_URL_CUT))) {
			bool same = spam_url_parse(&arena, url.url, &again);
			assert(same && cv_str_eq(again.url, url.url)
				&& cv_str_eq(again.host, url.host));
		}
		if (spam_url_inner(&arena, &url, &inner))
			assert(inner.host.n && inner.url.n <= SPAM_URL_MAX);
	}
	cv_arena_done(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct cv_str text = cv_str((const char *)data, size), raw;
	struct cv_err err;
	size_t pos = 0, last = 0;

	if (!ready && spam_url_prepare(NULL, &err))
		abort();
	ready = true;
	check_parse(text);
	while (spam_url_next(text, &pos, &raw)) {
		assert(pos > last && pos <= size && raw.p >= text.p
			&& raw.p + raw.n <= text.p + text.n);
		last = pos;
		check_parse(raw);
	}
	return 0;
}
