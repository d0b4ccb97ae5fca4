/* tally.c - see tally.h. Rows: 'T' bucket -> form, entries; whatever their bucket was called when
 * they were written, entries find their place by their key. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/reputation/tally.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"

#define WAYS        8 /* entries of a bucket */
#define LOCKS       64
#define FORM        1
#define BATCH_ROWS  512
#define BUCKETS_MAX (1u << 24)
#define ENTRY_BYTES (16 + 4 * (SPAM_TALLY_COUNTS + 2))

struct slot {
	struct spam_tally_key key;
	struct spam_tally_entry entry; /* last_secs 0: empty */
};
struct bucket {
	struct slot slots[WAYS];
};

struct spam_tally {
	struct spam_tally_options o;
	uint32_t bucket_count;
	struct bucket *buckets;
	bool *is_dirty;               /* of each bucket, under its lock */
	pthread_mutex_t locks[LOCKS]; /* of the buckets whose number leaves this remainder */
	pthread_mutex_t writing;
	uint32_t rows; /* that may exist: buckets of the largest table so far */
	uint64_t unreadable;
};

struct spam_tally_key
spam_tally_key(char kind, const struct cv_str *parts, size_t count)
{
	struct cv_buf text = CV_BUF_INIT(64u << 10);
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct spam_tally_key key;

	cv_buf_c(&text, kind);
	for (size_t i = 0; i < count; i++)
		cv_buf_bytes(&text, cv_str_sub(parts[i], 0, 4096));
	if (EVP_Digest(text.p, text.n, digest, NULL, EVP_sha256(), NULL) != 1)
		cv_die("no SHA-256");
	memcpy(&key, digest, sizeof key);
	cv_buf_done(&text);
	return key;
}

static uint32_t
now_secs(void)
{
	return (uint32_t)cv_wall_secs();
}

static bool
is_live(const struct spam_tally *t, const struct slot *slot, uint32_t now)
{
	/* A clock that was set back makes nothing older. */
	return slot->entry.last_secs &&
	       (now < slot->entry.last_secs || now - slot->entry.last_secs <= t->o.keep_secs);
}

static uint32_t
bucket_of(const struct spam_tally *t, struct spam_tally_key key)
{
	return (uint32_t)(key.high % t->bucket_count);
}

static pthread_mutex_t *
lock_of(struct spam_tally *t, uint32_t bucket)
{
	return &t->locks[bucket % LOCKS];
}

/* The key's slot, or NULL. */
static struct slot *
find(struct spam_tally *t, uint32_t bucket, struct spam_tally_key key, uint32_t now)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct slot *slot = &t->buckets[bucket].slots[i];
		if (slot->key.high == key.high && slot->key.low == key.low && is_live(t, slot, now))
			return slot;
	}
	return NULL;
}

/* The key's slot; else one for it: empty, too old, or the one touched longest ago. */
static struct slot *
find_or_make(struct spam_tally *t, uint32_t bucket, struct spam_tally_key key, uint32_t now)
{
	struct slot *slot = find(t, bucket, key, now);

	if (slot)
		return slot;
	slot = &t->buckets[bucket].slots[0];
	for (size_t i = 1; i < WAYS && is_live(t, slot, now); i++) {
		struct slot *other = &t->buckets[bucket].slots[i];
		if (!is_live(t, other, now) || other->entry.last_secs < slot->entry.last_secs)
			slot = other;
	}
	*slot = (struct slot){.key = key, .entry = {.first_secs = now}};
	return slot;
}

/* ---- reading at the start ---- */

static void
read_entries(struct spam_tally *t, struct cv_rd *r)
{
	uint32_t now = now_secs();

	for (unsigned n = cv_rd_u8(r); n > 0 && !r->bad; n--) {
		struct slot slot;
		slot.key.high = cv_rd_be64(r);
		slot.key.low = cv_rd_be64(r);
		for (size_t i = 0; i < SPAM_TALLY_COUNTS; i++)
			slot.entry.counts[i] = cv_rd_be32(r);
		slot.entry.first_secs = cv_rd_be32(r);
		slot.entry.last_secs = cv_rd_be32(r);
		if (r->bad || !is_live(t, &slot, now))
			continue;
		uint32_t bucket = bucket_of(t, slot.key);
		struct slot *place = find_or_make(t, bucket, slot.key, now);
		if (place->entry.last_secs <= slot.entry.last_secs)
			*place = slot;
	}
}

static bool
read_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct spam_tally *t = arg;
	struct cv_rd k = cv_rd(key), r = cv_rd(value);

	(void)cv_rd_u8(&k);
	uint32_t number = cv_rd_be32(&k);
	if (k.bad || number >= BUCKETS_MAX || cv_rd_u8(&r) != FORM) {
		t->unreadable++;
		return true;
	}
	t->rows = CV_MAX(t->rows, number + 1);
	read_entries(t, &r);
	t->unreadable += r.bad;
	return true;
}

static enum cv_status
read_rows(struct spam_tally *t, struct cv_engine *engine, struct cv_err *err)
{
	enum cv_status status =
		cv_meta_scan(engine, t->o.acct, CV_STR("T"), CV_STR("U"), 0, read_row, t, err);

	if (t->unreadable)
		cv_log(0, CV_WARN, "tally.unreadable", "acct=%llx rows=%llu",
			(unsigned long long)t->o.acct, (unsigned long long)t->unreadable);
	/* After the table was made smaller or larger every entry lies in another row. */
	if (status == CV_OK && t->rows && t->rows != t->bucket_count)
		memset(t->is_dirty, true, t->bucket_count * sizeof *t->is_dirty);
	t->rows = CV_MAX(t->rows, t->bucket_count);
	return status;
}

static void
free_table(struct spam_tally *t)
{
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&t->locks[i]);
	pthread_mutex_destroy(&t->writing);
	free(t->buckets);
	free(t->is_dirty);
	free(t);
}

enum cv_status
spam_tally_open(const struct spam_tally_options *o, struct cv_engine *engine,
	struct spam_tally **out, struct cv_err *err)
{
	struct spam_tally *t = cv_calloc(1, sizeof *t);
	enum cv_status status = CV_OK;

	t->o = *o;
	t->bucket_count = CV_MIN(CV_MAX(o->entries_max / WAYS, 1u), BUCKETS_MAX);
	t->buckets = cv_calloc(t->bucket_count, sizeof *t->buckets);
	t->is_dirty = cv_calloc(t->bucket_count, sizeof *t->is_dirty);
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_init(&t->locks[i], NULL);
	pthread_mutex_init(&t->writing, NULL);
	if (engine)
		status = read_rows(t, engine, err);
	if (status) {
		free_table(t);
		return status;
	}
	*out = t;
	return CV_OK;
}

/* ---- writing behind ---- */

static void
write_bucket(struct spam_tally *t, uint32_t number, uint32_t now, struct cv_buf *out)
{
	const struct bucket *b = &t->buckets[number];
	unsigned n = 0;

	for (size_t i = 0; i < WAYS; i++)
		n += is_live(t, &b->slots[i], now);
	if (!n)
		return;
	cv_buf_c(out, FORM);
	cv_buf_c(out, (char)n);
	for (size_t i = 0; i < WAYS; i++) {
		const struct slot *slot = &b->slots[i];
		if (!is_live(t, slot, now))
			continue;
		cv_buf_be64(out, slot->key.high);
		cv_buf_be64(out, slot->key.low);
		for (size_t k = 0; k < SPAM_TALLY_COUNTS; k++)
			cv_buf_be32(out, slot->entry.counts[k]);
		cv_buf_be32(out, slot->entry.first_secs);
		cv_buf_be32(out, slot->entry.last_secs);
	}
}

struct writing {
	struct cv_buf keys, values;
	uint32_t numbers[BATCH_ROWS];
	size_t ends[BATCH_ROWS]; /* of the values */
	size_t count;
};

/* Rows behind the table are left from a larger one: they are deleted as empty buckets are. */
static void
collect(struct spam_tally *t, uint32_t *next, struct writing *w)
{
	uint32_t now = now_secs();

	cv_buf_reset(&w->keys);
	cv_buf_reset(&w->values);
	for (w->count = 0; *next < t->rows && w->count < BATCH_ROWS; (*next)++) {
		if (*next < t->bucket_count) {
			pthread_mutex_t *lock = lock_of(t, *next);
			pthread_mutex_lock(lock);
			bool is_dirty = t->is_dirty[*next];
			t->is_dirty[*next] = false;
			if (is_dirty)
				write_bucket(t, *next, now, &w->values);
			pthread_mutex_unlock(lock);
			if (!is_dirty)
				continue;
		}
		cv_buf_c(&w->keys, 'T');
		cv_buf_be32(&w->keys, *next);
		w->numbers[w->count] = *next;
		w->ends[w->count++] = w->values.n;
	}
}

static enum cv_status
commit(struct spam_tally *t, struct cv_engine *engine, const struct writing *w, struct cv_err *err)
{
	struct cv_put puts[BATCH_ROWS];
	struct cv_batch batch = {
		.acct = t->o.acct, .expect = CV_VERSION_ANY, .puts = puts, .count = w->count};
	cv_ticket ticket;

	for (size_t i = 0, from = 0; i < w->count; from = w->ends[i++])
		puts[i] = (struct cv_put){cv_str(w->keys.p + 5 * i, 5),
			w->ends[i] > from ? cv_str(w->values.p + from, w->ends[i] - from)
					  : CV_STR_EMPTY};
	enum cv_status status = cv_meta_commit(engine, &batch, 1, &ticket, err);
	if (status == CV_OK && batch.result != CV_OK)
		status = cv_fail(err, batch.result, "the counters could not be written");
	return status;
}

static void
mark_dirty_again(struct spam_tally *t, const struct writing *w)
{
	for (size_t i = 0; i < w->count; i++) {
		if (w->numbers[i] >= t->bucket_count)
			continue;
		pthread_mutex_t *lock = lock_of(t, w->numbers[i]);
		pthread_mutex_lock(lock);
		t->is_dirty[w->numbers[i]] = true;
		pthread_mutex_unlock(lock);
	}
}

enum cv_status
spam_tally_write(struct spam_tally *t, struct cv_engine *engine, struct cv_err *err)
{
	struct writing *w = cv_calloc(1, sizeof *w);
	enum cv_status status = CV_OK;

	cv_buf_init(&w->keys, BATCH_ROWS * 5);
	cv_buf_init(&w->values, BATCH_ROWS * (2 + WAYS * ENTRY_BYTES));
	pthread_mutex_lock(&t->writing);
	for (uint32_t next = 0; next < t->rows && status == CV_OK;) {
		collect(t, &next, w);
		if (w->count)
			status = commit(t, engine, w, err);
		if (status)
			mark_dirty_again(t, w);
	}
	if (status == CV_OK)
		t->rows = t->bucket_count;
	pthread_mutex_unlock(&t->writing);
	cv_buf_done(&w->keys);
	cv_buf_done(&w->values);
	free(w);
	return status;
}

void
spam_tally_close(struct spam_tally *t)
{
	if (t)
		free_table(t);
}

/* ---- use ---- */

bool
spam_tally_get(struct spam_tally *t, struct spam_tally_key key, struct spam_tally_entry *out)
{
	uint32_t bucket = bucket_of(t, key);
	pthread_mutex_t *lock = lock_of(t, bucket);

	pthread_mutex_lock(lock);
	const struct slot *slot = find(t, bucket, key, now_secs());
	*out = slot ? slot->entry : (struct spam_tally_entry){0};
	pthread_mutex_unlock(lock);
	return slot != NULL;
}

void
spam_tally_update(struct spam_tally *t, struct spam_tally_key key, spam_tally_fn *fn, void *arg)
{
	uint32_t bucket = bucket_of(t, key), now = now_secs();
	pthread_mutex_t *lock = lock_of(t, bucket);

	pthread_mutex_lock(lock);
	struct slot *slot = find_or_make(t, bucket, key, now);
	fn(&slot->entry, arg);
	slot->entry.last_secs = now;
	t->is_dirty[bucket] = true;
	pthread_mutex_unlock(lock);
}

struct addition {
	unsigned index;
	uint32_t n;
	struct spam_tally_entry after;
};

static void
add(struct spam_tally_entry *entry, void *arg)
{
	struct addition *a = arg;
	uint32_t *count = &entry->counts[a->index];

	*count = *count > UINT32_MAX - a->n ? UINT32_MAX : *count + a->n;
	a->after = *entry;
}

struct spam_tally_entry
spam_tally_add(struct spam_tally *t, struct spam_tally_key key, unsigned index, uint32_t n)
{
	struct addition a = {.index = index, .n = n};

	spam_tally_update(t, key, add, &a);
	return a.after;
}

size_t
spam_tally_used(struct spam_tally *t)
{
	uint32_t now = now_secs();
	size_t used = 0;

	for (uint32_t i = 0; i < t->bucket_count; i++) {
		pthread_mutex_t *lock = lock_of(t, i);
		pthread_mutex_lock(lock);
		for (size_t k = 0; k < WAYS; k++)
			used += is_live(t, &t->buckets[i].slots[k], now);
		pthread_mutex_unlock(lock);
	}
	return used;
}

size_t
spam_tally_bytes(const struct spam_tally *t)
{
	return t->bucket_count * (sizeof *t->buckets + sizeof *t->is_dirty) + sizeof *t;
}
