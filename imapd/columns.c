/* columns.c - see columns.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/columns.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/map.h"
#include "common/base/rng.h"
#include "common/text/encoded_word.h"
#include "common/text/fold.h"
#include "common/text/header.h"
#include "common/text/summary.h"

#define BLOCK_ROWS  512u
#define FIELD_MAX   2048u /* folded bytes of one field name that are kept */
#define REFS_MAX    100u  /* the newest ones count */
#define WASTE_ROWS  1000u /* rows of expunged messages beside as many as there are */
#define BLOCK_TEXTS (BLOCK_ROWS * 16384u)

struct key {
	cv_acct_id acct;
	uint64_t mbox;
	uint32_t uidvalidity, zero;
};

struct entry {
	struct key key;
	struct cv_link link; /* the latest first */
	struct imapd_block **blocks;
	uint32_t count, covered; /* every UID below `covered` was looked at */
	size_t bytes;
};

struct imapd_columns_cache {
	pthread_mutex_t lock;
	struct cv_map entries;
	struct cv_link by_use;
	size_t bytes, max_bytes;
	uint64_t seed;
};

struct imapd_columns {
	struct imapd_columns_cache *cache;
	struct cv_mbox *m;
	struct key key;
	struct imapd_block **blocks;
	uint32_t count, room, covered;
	bool is_grown;
	uint32_t at_block, at_row; /* where the last search ended */
};

/* ---- blocks ---- */

static void
block_unref(struct imapd_block *b)
{
	if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		free(b);
}

static size_t
block_bytes(const struct imapd_block *b)
{
	return sizeof *b + b->count * sizeof *b->rows + b->text_bytes;
}

/* A row whose summary must be worked out, which cannot be done inside the walk. */
struct odd {
	uint32_t row;
	struct cv_msg msg;
};

/* A block under construction. */
struct builder {
	struct imapd_columns *c;
	struct imapd_facts *rows;
	uint32_t count, odd_count;
	struct odd *odd; /* room for BLOCK_ROWS, once there is one */
	struct cv_buf texts, scratch, folded;
};

/* Closes column COLUMN of the newest row. */
static void
end_column(struct builder *b, struct imapd_facts *f, enum imapd_column column)
{
	f->ends[column] = (uint32_t)(b->texts.n - f->text_at);
}

static void
put_text(struct builder *b, struct imapd_facts *f, enum imapd_column column, struct cv_str text)
{
	cv_buf_str(&b->texts, text);
	end_column(b, f, column);
}

/* All fields NAME of HEADERS as a search sees them. */
static void
put_field(struct builder *b, struct imapd_facts *f, enum imapd_column column, struct cv_str headers,
	const char *name)
{
	struct cv_header_scan scan;
	struct cv_field field;
	bool fits = true, is_first = true;

	cv_buf_reset(&b->folded);
	cv_header_scan_init(&scan, headers);
	while (fits && cv_header_next(&scan, &field)) {
		if (!cv_str_ieq_z(field.name, name))
			continue;
		cv_buf_reset(&b->scratch);
		cv_words_decode(field.value, CV_STR_EMPTY, &b->scratch);
		if (!is_first)
			cv_buf_c(&b->folded, '\0');
		is_first = false;
		fits = !b->scratch.full && !cv_fold(cv_buf_view(&b->scratch), &b->folded) &&
		       b->folded.n <= FIELD_MAX;
	}
	if (fits)
		cv_buf_str(&b->texts, cv_buf_view(&b->folded));
	else
		f->missing |= (uint16_t)(1u << column);
	if (is_first) /* which is not the same as an empty one */
		f->absent |= (uint16_t)(1u << column);
	end_column(b, f, column);
}

static uint64_t
number_of(const struct builder *b, struct cv_str id)
{
	uint64_t n = cv_hash(id.p, id.n, b->c->cache->seed);
	return n ? n : 1;
}

static void
put_refs(struct builder *b, struct imapd_facts *f, struct cv_str references)
{
	struct cv_str rest = references, id;
	size_t total = 0, seen = 0;

	while (cv_str_split(&rest, ' ', &id))
		total += id.n > 0;
	rest = references;
	while (cv_str_split(&rest, ' ', &id)) {
		if (!id.n || ++seen + REFS_MAX <= total)
			continue;
		uint64_t n = number_of(b, id);
		cv_buf_add(&b->texts, &n, sizeof n);
	}
	end_column(b, f, IMAPD_COL_REFS);
}

static void
put_summary(struct builder *b, struct imapd_facts *f, const struct cv_summary *s)
{
	static const char *const fields[] = {
		[IMAPD_COL_SUBJECT] = "Subject",
		[IMAPD_COL_FROM] = "From",
		[IMAPD_COL_TO] = "To",
		[IMAPD_COL_CC] = "Cc",
	};

	f->flags |= s->flags & CV_SUMMARY_HAS_SENT ? IMAPD_FACT_SENT : 0;
	f->flags |= s->flags & CV_SUMMARY_IS_REPLY ? IMAPD_FACT_REPLY : 0;
	f->sent_secs = s->sent_secs;
	f->sent_zone = (int16_t)s->sent_zone_mins;
	f->message_id = s->message_id.n ? number_of(b, s->message_id) : 0;
	for (unsigned i = 0; i < CV_COUNT(fields); i++) {
		if (s->missing & CV_SUMMARY_HEADERS) {
			f->missing |= (uint16_t)(1u << i);
			end_column(b, f, i);
		} else {
			put_field(b, f, i, s->headers, fields[i]);
		}
	}
	put_text(b, f, IMAPD_COL_SORT_SUBJECT, s->sort_subject);
	put_text(b, f, IMAPD_COL_SORT_FROM, s->sort_from);
	put_text(b, f, IMAPD_COL_SORT_TO, s->sort_to);
	put_text(b, f, IMAPD_COL_SORT_CC, s->sort_cc);
	put_text(b, f, IMAPD_COL_SORT_DISPLAY_FROM, s->sort_display_from);
	put_text(b, f, IMAPD_COL_SORT_DISPLAY_TO, s->sort_display_to);
	put_refs(b, f, s->references);
}

static bool
on_msg(void *arg, const struct cv_msg *msg)
{
	struct builder *b = arg;
	struct imapd_facts *f = &b->rows[b->count++];
	struct cv_summary summary;

	*f = (struct imapd_facts){
		.uid = msg->uid,
		.size_bytes = msg->size_bytes,
		.internal_secs = msg->internal_secs,
		.internal_zone = msg->internal_zone,
		.text_at = (uint32_t)b->texts.n,
	};
	if (msg->summary.p && !cv_summary_decode(msg->summary, &summary)) {
		put_summary(b, f, &summary);
		return true;
	}
	if (!b->odd)
		b->odd = cv_malloc(BLOCK_ROWS * sizeof *b->odd);
	b->odd[b->odd_count++] = (struct odd){b->count - 1, *msg};
	return true;
}

static enum cv_status
feed_summary(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	cv_summary_feed(arg, bytes);
	return CV_OK;
}

/* Works out from the bodies what was not stored. */
static enum cv_status
mend_odd(struct builder *b, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	enum cv_status status = CV_OK;

	for (uint32_t i = 0; i < b->odd_count && !status; i++) {
		struct imapd_facts *f = &b->rows[b->odd[i].row];
		const struct cv_msg *msg = &b->odd[i].msg;
		struct cv_summary summary;
		struct cv_summary_scan *scan = cv_summary_begin(&arena);
		status = cv_msg_read(b->c->m, &msg->body, 0, msg->size_bytes, feed_summary, scan,
			err);
		if (status) {
			cv_summary_abandon(scan);
			break;
		}
		cv_summary_finish(scan, &summary, NULL);
		f->text_at = (uint32_t)b->texts.n;
		put_summary(b, f, &summary);
		cv_arena_reset(&arena);
	}
	cv_arena_done(&arena);
	return status;
}

/* The rows of OLD stand before the new ones. */
static void
take_over(struct builder *b, const struct imapd_block *old)
{
	memcpy(b->rows, old->rows, old->count * sizeof *old->rows);
	b->count = old->count;
	cv_buf_add(&b->texts, old->texts, old->text_bytes);
}

static struct imapd_block *
finish(struct builder *b)
{
	size_t rows = b->count * sizeof *b->rows;
	struct imapd_block *block = cv_malloc(sizeof *block + rows + b->texts.n);
	char *texts = (char *)block->rows + rows;

	atomic_init(&block->refs, 1);
	block->count = b->count;
	block->text_bytes = (uint32_t)b->texts.n;
	block->texts = texts;
	memcpy(block->rows, b->rows, rows);
	if (b->texts.n)
		memcpy(texts, b->texts.p, b->texts.n);
	return block;
}

/* ---- a hold ---- */

static struct cv_str
key_str(const struct key *key)
{
	return cv_str((const char *)key, sizeof *key);
}

struct imapd_columns *
imapd_columns_open(struct imapd_columns_cache *cache, struct cv_mbox *m, uint32_t uidvalidity)
{
	struct imapd_columns *c = cv_calloc(1, sizeof *c);

	c->cache = cache;
	c->m = m;
	c->key = (struct key){cv_acct_number(cv_mbox_acct(m)), cv_mbox_id(m), uidvalidity, 0};
	pthread_mutex_lock(&cache->lock);
	struct entry *e = cv_map_get(&cache->entries, key_str(&c->key));
	if (e) {
		cv_list_remove(&e->link);
		cv_list_prepend(&cache->by_use, &e->link);
		c->count = c->room = e->count;
		c->covered = e->covered;
		c->blocks = cv_malloc((e->count + 1) * sizeof *c->blocks);
		for (uint32_t i = 0; i < e->count; i++) {
			c->blocks[i] = e->blocks[i];
			atomic_fetch_add_explicit(&c->blocks[i]->refs, 1, memory_order_relaxed);
		}
	}
	pthread_mutex_unlock(&cache->lock);
	return c;
}

static void
drop_blocks(struct imapd_block **blocks, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		block_unref(blocks[i]);
	free(blocks);
}

/* Under the lock. */
static void
drop_entry(struct imapd_columns_cache *cache, struct entry *e)
{
	cv_map_del(&cache->entries, key_str(&e->key));
	cv_list_remove(&e->link);
	cache->bytes -= e->bytes;
	drop_blocks(e->blocks, e->count);
	free(e);
}

/* Under the lock: C's blocks become the cache's, unless it has as many already. */
static void
publish(struct imapd_columns *c)
{
	struct imapd_columns_cache *cache = c->cache;
	struct entry *old = cv_map_get(&cache->entries, key_str(&c->key));

	if (old && old->covered >= c->covered && old->count <= c->count)
		return;
	if (old)
		drop_entry(cache, old);
	struct entry *e = cv_calloc(1, sizeof *e);
	*e = (struct entry){.key = c->key, .blocks = c->blocks, .count = c->count,
		.covered = c->covered};
	for (uint32_t i = 0; i < e->count; i++)
		e->bytes += block_bytes(e->blocks[i]);
	c->blocks = NULL;
	c->count = 0;
	cv_list_init(&e->link);
	cv_list_prepend(&cache->by_use, &e->link);
	cv_map_put(&cache->entries, key_str(&e->key), e);
	cache->bytes += e->bytes;
	while (cache->bytes > cache->max_bytes && !cv_list_is_empty(&cache->by_use))
		drop_entry(cache, CV_CONTAINER(cache->by_use.prev, struct entry, link));
}

void
imapd_columns_close(struct imapd_columns *c)
{
	if (!c)
		return;
	if (c->is_grown) {
		pthread_mutex_lock(&c->cache->lock);
		publish(c);
		pthread_mutex_unlock(&c->cache->lock);
	}
	drop_blocks(c->blocks, c->count);
	free(c);
}

uint32_t
imapd_columns_lacking(const struct imapd_columns *c, const struct cv_view *view)
{
	return view->exists + 1 - cv_view_seq_at(view, c->covered);
}

/* So many rows are of expunged messages that starting anew is better. */
static bool
is_wasteful(const struct imapd_columns *c, const struct cv_view *view)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < c->count; i++)
		rows += c->blocks[i]->count;
	return rows > 2 * (uint64_t)view->exists + WASTE_ROWS;
}

static void
push_block(struct imapd_columns *c, struct imapd_block *block)
{
	if (c->count == c->room) {
		c->room = c->room ? 2 * c->room : 16;
		c->blocks = cv_realloc(c->blocks, c->room * sizeof(struct imapd_block *));
	}
	c->blocks[c->count++] = block;
}

enum cv_status
imapd_columns_fill(struct imapd_columns *c, const struct cv_view *view, struct cv_err *err)
{
	uint32_t uids[BLOCK_ROWS], n = 0, seq;
	struct builder b = {.c = c, .texts = CV_BUF_INIT(BLOCK_TEXTS),
		.scratch = CV_BUF_INIT(CV_HEADER_BYTES_MAX * 4),
		.folded = CV_BUF_INIT(CV_HEADER_BYTES_MAX * 4)};

	if (is_wasteful(c, view)) {
		drop_blocks(c->blocks, c->count);
		c->blocks = NULL;
		c->count = c->room = c->covered = 0;
	}
	c->at_block = c->at_row = 0;
	struct imapd_block *last = c->count ? c->blocks[c->count - 1] : NULL;
	bool merges = last && last->count < BLOCK_ROWS / 2;
	uint32_t room = merges ? BLOCK_ROWS - last->count : BLOCK_ROWS;
	for (seq = cv_view_seq_at(view, c->covered); seq <= view->exists && n < room; seq++)
		uids[n++] = cv_view_seq(view, seq)->uid;
	if (!n)
		return CV_OK;
	b.rows = cv_malloc(BLOCK_ROWS * sizeof *b.rows);
	if (merges)
		take_over(&b, last);
	enum cv_status status = cv_msg_each(c->m, uids, n, true, on_msg, &b, err);
	if (!status)
		status = mend_odd(&b, err);
	if (!status && b.texts.full)
		status = cv_fail(err, CV_LIMIT, "the texts of %u messages do not fit", n);
	if (!status) {
		if (merges) {
			block_unref(last);
			c->count--;
		}
		if (b.count)
			push_block(c, finish(&b));
		c->covered = uids[n - 1] + 1;
		c->is_grown = true;
	}
	free(b.rows);
	free(b.odd);
	cv_buf_done(&b.texts);
	cv_buf_done(&b.scratch);
	cv_buf_done(&b.folded);
	return status;
}

static const struct imapd_facts *
last_row(const struct imapd_block *b)
{
	return &b->rows[b->count - 1];
}

/* The first block that ends at UID or behind it. */
static uint32_t
block_of(const struct imapd_columns *c, uint32_t uid)
{
	uint32_t low = 0, high = c->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (last_row(c->blocks[mid])->uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static uint32_t
row_of(const struct imapd_block *b, uint32_t uid)
{
	uint32_t low = 0, high = b->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (b->rows[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct imapd_facts *
imapd_columns_find(struct imapd_columns *c, uint32_t uid, const struct imapd_block **block_out)
{
	const struct imapd_block *b = c->at_block < c->count ? c->blocks[c->at_block] : NULL;

	if (b && c->at_row + 1 < b->count && b->rows[c->at_row + 1].uid == uid) {
		c->at_row++;
	} else {
		c->at_block = block_of(c, uid);
		if (c->at_block == c->count)
			return NULL;
		b = c->blocks[c->at_block];
		c->at_row = row_of(b, uid);
	}
	*block_out = b;
	return b->rows[c->at_row].uid == uid ? &b->rows[c->at_row] : NULL;
}

/* ---- the cache ---- */

struct imapd_columns_cache *
imapd_columns_cache_new(size_t max_bytes)
{
	struct imapd_columns_cache *cache = cv_calloc(1, sizeof *cache);

	pthread_mutex_init(&cache->lock, NULL);
	cv_map_init(&cache->entries);
	cv_list_init(&cache->by_use);
	cache->max_bytes = max_bytes;
	cache->seed = cv_random_u64();
	return cache;
}

void
imapd_columns_cache_free(struct imapd_columns_cache *cache)
{
	if (!cache)
		return;
	while (!cv_list_is_empty(&cache->by_use))
		drop_entry(cache, CV_CONTAINER(cache->by_use.prev, struct entry, link));
	cv_map_done(&cache->entries);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

size_t
imapd_columns_cache_bytes(struct imapd_columns_cache *cache)
{
	pthread_mutex_lock(&cache->lock);
	size_t bytes = cache->bytes;
	pthread_mutex_unlock(&cache->lock);
	return bytes;
}
