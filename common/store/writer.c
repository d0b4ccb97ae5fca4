/* writer.c - gathers the rows of one batch in one buffer; pointers are made at the end, because the
 * buffer moves while it grows. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"

void
cv_writer_done(struct cv_writer *w)
{
	cv_buf_done(&w->bytes);
	free(w->items);
	free(w->puts);
	*w = CV_WRITER_INIT;
}

void
cv_writer_reset(struct cv_writer *w)
{
	cv_buf_reset(&w->bytes);
	w->count = 0;
	w->size_bytes = 0;
}

struct cv_buf *
cv_writer_key(struct cv_writer *w)
{
	if (w->count == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 16;
		w->items = cv_realloc(w->items, w->cap * sizeof *w->items);
		w->puts = cv_realloc(w->puts, w->cap * sizeof *w->puts);
	}
	w->items[w->count] = (struct cv_writer_item){.at = w->bytes.n};
	return &w->bytes;
}

struct cv_buf *
cv_writer_value(struct cv_writer *w)
{
	struct cv_writer_item *item = &w->items[w->count];
	item->key_n = w->bytes.n - item->at;
	return &w->bytes;
}

static void
finish(struct cv_writer *w)
{
	struct cv_writer_item *item = &w->items[w->count++];
	w->size_bytes += item->key_n + item->value_n;
}

void
cv_writer_end(struct cv_writer *w)
{
	struct cv_writer_item *item = &w->items[w->count];
	item->value_n = w->bytes.n - item->at - item->key_n;
	finish(w);
}

void
cv_writer_outside(struct cv_writer *w, struct cv_str value)
{
	struct cv_writer_item *item = &w->items[w->count];
	item->key_n = w->bytes.n - item->at;
	item->outside = value.p;
	item->value_n = value.n;
	finish(w);
}

void
cv_writer_delete(struct cv_writer *w)
{
	struct cv_writer_item *item = &w->items[w->count];
	item->key_n = w->bytes.n - item->at;
	item->is_delete = true;
	finish(w);
}

const struct cv_put *
cv_writer_puts(struct cv_writer *w)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct cv_writer_item *item = &w->items[i];
		const char *key = w->bytes.p + item->at;
		const char *value = item->outside ? item->outside : key + item->key_n;
		w->puts[i] = (struct cv_put){
			.key = cv_str(key, item->key_n),
			.value = item->is_delete ? CV_STR_EMPTY : cv_str(value, item->value_n),
		};
	}
	return w->puts;
}
