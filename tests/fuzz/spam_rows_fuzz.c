/* fuzz: spamfilter */
/* Rows of the classifier's folder: up to the first octet 0xff the key, then the value. What can be
 * read writes itself again. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/classify/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct cv_buf *key, struct cv_buf *value, struct cv_str want_key)
{
	assert(cv_str_eq(cv_buf_view(key), want_key));
	assert(!key->full && !value->full);
	cv_buf_reset(key);
	cv_buf_reset(value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str all = cv_str((const char *)data, size);
	size_t end = cv_str_find(all, '\xff', 0);
	struct cv_str key = cv_str_sub(all, 0, end), value = cv_str_sub(all, end + 1, size);
	struct cv_buf k = CV_BUF_INIT(1u << 16), v = CV_BUF_INIT(1u << 20);
	struct spam_head_row head, head2;
	struct spam_layer_row layer, layer2;
	struct spam_model_entry e, e2;
	struct spam_lesson_row lesson, lesson2;
	struct spam_account_row account, account2;

	if (spam_head_row_read(value, &head)) {
		spam_head_row_write(&head, &v);
		assert(spam_head_row_read(cv_buf_view(&v), &head2) && head.seed == head2.seed);
		cv_buf_reset(&v);
	}
	if (spam_layer_row_read(key, value, &layer)) {
		spam_layer_row_write(&layer, &k, &v);
		assert(spam_layer_row_read(cv_buf_view(&k), cv_buf_view(&v), &layer2));
		assert(cv_str_eq(layer.name, layer2.name));
		check(&k, &v, key);
	}
	if (spam_token_row_read(key, value, &e)) {
		spam_token_key_write(e.key, &k);
		spam_token_row_write(&e, &v);
		assert(spam_token_row_read(cv_buf_view(&k), cv_buf_view(&v), &e2));
		assert(e.counts[0] == e2.counts[0] && e.touched == e2.touched);
		check(&k, &v, key);
	}
	if (spam_lesson_row_read(key, value, &lesson)) {
		spam_lesson_key_write(lesson.number, &k);
		spam_lesson_row_write(&lesson, &v);
		assert(spam_lesson_row_read(cv_buf_view(&k), cv_buf_view(&v), &lesson2));
		assert(lesson.account == lesson2.account && lesson.weight == lesson2.weight);
		check(&k, &v, key);
	}
	if (spam_account_row_read(key, value, &account)) {
		spam_account_row_write(&account, &k, &v);
		assert(spam_account_row_read(cv_buf_view(&k), cv_buf_view(&v), &account2));
		check(&k, &v, key);
	}
	cv_buf_done(&k);
	cv_buf_done(&v);
	return 0;
}
