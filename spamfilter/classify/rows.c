/* rows.c - see rows.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/classify/rows.h"

#define FORM 1 /* first octet of every value */

static uint32_t
small(struct cv_rd *r)
{
	uint64_t n = cv_rd_varint(r);

	if (n > UINT32_MAX)
		r->bad = true;
	return (uint32_t)n;
}

static bool
is_whole(const struct cv_rd *r)
{
	return !r->bad && !cv_rd_left(r);
}

/* Behind the key's first octet, which must be KIND. */
static struct cv_rd
read_key(struct cv_str key, char kind)
{
	struct cv_rd r = cv_rd(key);

	if (cv_rd_u8(&r) != (unsigned char)kind)
		r.bad = true;
	return r;
}

static struct cv_rd
read_value(struct cv_str value)
{
	struct cv_rd r = cv_rd(value);

	if (cv_rd_u8(&r) != FORM)
		r.bad = true;
	return r;
}

void
spam_head_row_write(const struct spam_head_row *h, struct cv_buf *value)
{
	cv_buf_c(value, FORM);
	cv_buf_varint(value, h->version);
	cv_buf_be64(value, h->seed);
	cv_buf_varint(value, h->number);
}

bool
spam_head_row_read(struct cv_str value, struct spam_head_row *out)
{
	struct cv_rd r = read_value(value);

	out->version = small(&r);
	out->seed = cv_rd_be64(&r);
	out->number = small(&r);
	return is_whole(&r);
}

void
spam_layer_row_write(const struct spam_layer_row *l, struct cv_buf *key, struct cv_buf *value)
{
	cv_buf_c(key, 'N');
	cv_buf_be32(key, l->layer);
	cv_buf_c(value, FORM);
	cv_buf_varint(value, l->totals[SPAM_CLASS_HAM]);
	cv_buf_varint(value, l->totals[SPAM_CLASS_SPAM]);
	cv_buf_bytes(value, l->name);
}

bool
spam_layer_row_read(struct cv_str key, struct cv_str value, struct spam_layer_row *out)
{
	struct cv_rd k = read_key(key, 'N'), r = read_value(value);

	out->layer = cv_rd_be32(&k);
	out->totals[SPAM_CLASS_HAM] = cv_rd_varint(&r);
	out->totals[SPAM_CLASS_SPAM] = cv_rd_varint(&r);
	out->name = cv_rd_bytes(&r);
	return is_whole(&k) && is_whole(&r) && out->layer < SPAM_MODEL_LAYERS;
}

void
spam_token_key_write(uint64_t key, struct cv_buf *out)
{
	cv_buf_c(out, 'T');
	cv_buf_be64(out, key);
}

void
spam_token_row_write(const struct spam_model_entry *e, struct cv_buf *value)
{
	cv_buf_c(value, FORM);
	cv_buf_varint(value, e->counts[SPAM_CLASS_HAM]);
	cv_buf_varint(value, e->counts[SPAM_CLASS_SPAM]);
	cv_buf_varint(value, e->born);
	cv_buf_varint(value, e->touched);
	cv_buf_varint(value, e->layer);
}

bool
spam_token_row_read(struct cv_str key, struct cv_str value, struct spam_model_entry *out)
{
	struct cv_rd k = read_key(key, 'T'), r = read_value(value);

	out->key = cv_rd_be64(&k);
	out->counts[SPAM_CLASS_HAM] = small(&r);
	out->counts[SPAM_CLASS_SPAM] = small(&r);
	out->born = small(&r);
	out->touched = small(&r);
	out->layer = small(&r);
	return is_whole(&k) && is_whole(&r) && out->key && out->layer < SPAM_MODEL_LAYERS &&
	       (out->counts[0] || out->counts[1]);
}

void
spam_lesson_key_write(uint32_t number, struct cv_buf *out)
{
	cv_buf_c(out, 'D');
	cv_buf_be32(out, number);
}

void
spam_lesson_row_write(const struct spam_lesson_row *l, struct cv_buf *value)
{
	cv_buf_c(value, FORM);
	cv_buf_add(value, l->digest, sizeof l->digest);
	cv_buf_c(value, (char)l->class_);
	cv_buf_varint(value, l->weight);
	cv_buf_varint(value, l->layer);
	cv_buf_varint(value, l->account);
}

bool
spam_lesson_row_read(struct cv_str key, struct cv_str value, struct spam_lesson_row *out)
{
	struct cv_rd k = read_key(key, 'D'), r = read_value(value);

	out->number = cv_rd_be32(&k);
	cv_rd_copy(&r, out->digest, sizeof out->digest);
	uint8_t class_ = cv_rd_u8(&r);
	out->class_ = class_ == SPAM_CLASS_SPAM ? SPAM_CLASS_SPAM : SPAM_CLASS_HAM;
	out->weight = small(&r);
	out->layer = small(&r);
	out->account = cv_rd_varint(&r);
	return is_whole(&k) && is_whole(&r) && class_ < SPAM_CLASSES &&
	       out->layer < SPAM_MODEL_LAYERS;
}

void
spam_account_row_write(const struct spam_account_row *a, struct cv_buf *key, struct cv_buf *value)
{
	cv_buf_c(key, 'A');
	cv_buf_be64(key, a->account);
	cv_buf_c(value, FORM);
	cv_buf_varint(value, a->day);
	cv_buf_varint(value, a->count);
}

bool
spam_account_row_read(struct cv_str key, struct cv_str value, struct spam_account_row *out)
{
	struct cv_rd k = read_key(key, 'A'), r = read_value(value);

	out->account = cv_rd_be64(&k);
	out->day = small(&r);
	out->count = small(&r);
	return is_whole(&k) && is_whole(&r);
}
