/* fuzz: spamfilter */
/* spam_walk_fuzz.c - any bytes as a message: lists keep their limits, texts are UTF-8, slices stay
 * inside. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "common/text/charset.h"
#include "spamfilter/walk/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_files(const struct spam_walk *w)
{
	const struct spam_file *files;
	size_t n = spam_walk_files(w, &files);

	assert(n <= SPAM_WALK_FILES_MAX);
	for (size_t i = 0; i < n; i++) {
		assert(files[i].kind < SPAM_FILE_KINDS && cv_utf8_is_valid(files[i].name));
		assert(files[i].part < spam_walk_tree(w)->count);
		assert(files[i].container == SPAM_FILE_NO_CONTAINER ? !files[i].level
								    : files[i].container < i);
		struct cv_buf bytes = CV_BUF_INIT(65536);
		(void)!spam_walk_file_bytes(w, i, &bytes);
		cv_buf_done(&bytes);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	/* No answer may depend on how fast the machine is. */
	static const struct spam_walk_options patient = {.cpu_ms = 60000};
	const struct spam_text *texts;
	const struct spam_url *urls;
	struct cv_err err;

	if (!ready && spam_walk_prepare(NULL, NULL, &err))
		abort();
	ready = true;
	struct cv_str message = cv_str((const char *)data, size);
	size_t body = cv_header_body_at(message);
	struct spam_walk *w = spam_walk_message(
		cv_str_sub(message, 0, body), cv_str_sub(message, body, size), &patient);
	size_t n = spam_walk_texts(w, &texts);
	assert(n <= SPAM_WALK_TEXTS_MAX);
	for (size_t i = 0; i < n; i++)
		assert(cv_utf8_is_valid(texts[i].visible) && cv_utf8_is_valid(texts[i].hidden));
	n = spam_walk_urls(w, &urls);
	assert(n <= SPAM_URLS_MAX);
	for (size_t i = 0; i < n; i++)
		assert(urls[i].host.n && urls[i].organisation.n <= urls[i].host.n);
	assert(spam_walk_visible(w).n <= SPAM_WALK_TEXT_MAX);
	assert(cv_utf8_is_valid(spam_walk_folded(w)) && cv_utf8_is_valid(spam_walk_subject(w)));
	check_files(w);
	spam_walk_free(w);
	return 0;
}
