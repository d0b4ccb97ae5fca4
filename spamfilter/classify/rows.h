/* rows.h - the classifier's rows, read and written; pure, and fuzzed.
 *
 *   H                head: version of the tokens, seed, number of the last lesson
 *   N layer          a layer: totals, name ("" is the province)
 *   T key            a token's counts
 *   D number         a lesson that is remembered: digest, class, weight, layer, account
 *   A account        how many lessons on which day
 * Numbers in keys are big-endian. What cannot be read is left out when the folder is opened.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_CLASSIFY_ROWS_H
#define SPAM_CLASSIFY_ROWS_H

#include "common/base/buf.h"
#include "spamfilter/classify/model.h"

#define SPAM_DIGEST_BYTES 16u

struct spam_head_row {
	uint32_t version; /* SPAM_TOKENS_VERSION */
	uint64_t seed;
	uint32_t number;
};
void spam_head_row_write(const struct spam_head_row *h, struct cv_buf *value);
bool spam_head_row_read(struct cv_str value, struct spam_head_row *out);

struct spam_layer_row {
	uint32_t layer;
	uint64_t totals[SPAM_CLASSES];
	struct cv_str name;
};
void spam_layer_row_write(const struct spam_layer_row *l, struct cv_buf *key, struct cv_buf *value);
bool spam_layer_row_read(struct cv_str key, struct cv_str value, struct spam_layer_row *out);

void spam_token_key_write(uint64_t key, struct cv_buf *out);
void spam_token_row_write(const struct spam_model_entry *e, struct cv_buf *value);
bool spam_token_row_read(struct cv_str key, struct cv_str value, struct spam_model_entry *out);

struct spam_lesson_row {
	uint32_t number;
	unsigned char digest[SPAM_DIGEST_BYTES];
	enum spam_class class_;
	uint32_t weight, layer;
	uint64_t account;
};
void spam_lesson_key_write(uint32_t number, struct cv_buf *out);
void spam_lesson_row_write(const struct spam_lesson_row *l, struct cv_buf *value);
bool spam_lesson_row_read(struct cv_str key, struct cv_str value, struct spam_lesson_row *out);

struct spam_account_row {
	uint64_t account;
	uint32_t day, count;
};
void spam_account_row_write(
	const struct spam_account_row *a, struct cv_buf *key, struct cv_buf *value);
bool spam_account_row_read(struct cv_str key, struct cv_str value, struct spam_account_row *out);

#endif
