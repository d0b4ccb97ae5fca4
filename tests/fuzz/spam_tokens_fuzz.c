/* fuzz: spamfilter */
/* A message taken apart for the classifier: bounded, each token once, the same however the body is
 * cut. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/header.h"
#include "spamfilter/classify/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
sum_of(const struct spam_tokens *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < t->count; i++)
		sum += t->hashes[i];
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str message = cv_str((const char *)data, size);
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_token_how how = {.own_hosts = {"mx.lamgiang.example"}, .with_gaps = size % 2};
	struct spam_tokens whole, pieces;
	struct cv_header_scan scan;
	struct cv_field field;

	spam_tokens_read(&arena, &how, message, &whole);
	assert(whole.count <= SPAM_TOKENS_MAX);
	struct spam_tokenizer *t = spam_tokenizer_new(&arena, &how);
	cv_header_scan_init(&scan, message);
	while (cv_header_next(&scan, &field))
		spam_tokenizer_field(t, field.name, field.value);
	for (size_t at = scan.body_at; at < message.n; at += 1 + size % 7)
		spam_tokenizer_body(t, cv_str_sub(message, at, at + 1 + size % 7));
	spam_tokenizer_end(t, &pieces);
	assert(whole.count == pieces.count && sum_of(&whole) == sum_of(&pieces));
	cv_arena_done(&arena);
	return 0;
}
