/* fuzz: imapd */
/* held_fuzz.c - the head of a held message, from strangers, as its owner is shown it: one line of
 * valid UTF-8 each, no control characters, nothing of HTML; and links that strangers write. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <assert.h>

#include "common/text/charset.h"
#include "imapd/digest_text.h"
#include "imapd/quarantine.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
check(struct cv_str s)
{
	assert(cv_utf8_is_valid(s));
	for (size_t i = 0; i < s.n; i++)
		assert((unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct imapd_held h = {.uid = 1};
	struct cv_buf out = CV_BUF_INIT(1u << 20);
	struct cv_str token = CV_STR("t");

	imapd_held_parse(cv_str((const char *)data, size), &arena, &h);
	check(h.sender);
	check(h.reason);
	check(h.from);
	check(h.subject);
	const struct imapd_digest_facts f = {.address = CV_STR("a@b.example"),
		.url = CV_STR("https://x.example"),
		.english = true,
		.items = &h,
		.tokens = &token,
		.count = 1};
	imapd_digest_text(&f, &out);
	/* Ours is the only link. */
	struct cv_str rest = cv_buf_view(&out);
	size_t at = cv_str_search(rest, CV_STR("://"));
	rest = cv_str_sub(rest, at + 3, rest.n);
	assert(cv_str_search(rest, CV_STR("://")) == rest.n);
	cv_buf_reset(&out);
	imapd_held_html(&h, &out);
	assert(cv_utf8_is_valid(cv_buf_view(&out)));
	assert(cv_str_search(cv_buf_view(&out), CV_STR("<script")) == out.n);
	cv_buf_done(&out);
	cv_arena_done(&arena);
	return 0;
}
