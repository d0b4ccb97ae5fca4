/* sheets.c - see sheets.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/sheets.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/map.h"
#include "common/text/summary.h"

#define TEXTS_MAX  (IMAPD_SHEET_UIDS * 2u * CV_VALUE_MAX)
#define TEXT_GUESS 768u /* of one message */

struct key {
	cv_acct_id acct;
	uint64_t mbox;
	uint32_t uidvalidity, number;
};

struct entry {
	struct key key;
	struct cv_link link; /* the latest first */
	struct imapd_sheet *sheet;
};

struct imapd_sheets {
	pthread_mutex_t lock;
	struct cv_map entries;
	struct cv_link by_use;
	size_t bytes, max_bytes;
};

/* ---- sheets ---- */

void
imapd_sheet_unref(struct imapd_sheet *sheet)
{
	if (sheet && atomic_fetch_sub_explicit(&sheet->refs, 1, memory_order_acq_rel) == 1)
		free(sheet);
}

static size_t
bytes_of(const struct imapd_sheet *s)
{
	return sizeof(struct entry) + sizeof *s + s->count * sizeof *s->rows + s->text_bytes;
}

const struct imapd_sheet_row *
imapd_sheet_find(const struct imapd_sheet *sheet, uint32_t from, uint32_t uid)
{
	uint32_t low = from, high = sheet->count;

	if (low < high && sheet->rows[low].uid >= uid)
		return &sheet->rows[low];
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (sheet->rows[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < sheet->count ? &sheet->rows[low] : NULL;
}

struct builder {
	struct imapd_sheet_row rows[IMAPD_SHEET_UIDS];
	uint32_t count;
	struct cv_buf texts;
};

static bool
on_msg(void *arg, const struct cv_msg *msg)
{
	struct builder *b = arg;
	struct imapd_sheet_row *row = &b->rows[b->count++];
	struct cv_summary s;

	*row = (struct imapd_sheet_row){
		.uid = msg->uid,
		.size_bytes = msg->size_bytes,
		.internal_secs = msg->internal_secs,
		.saved_secs = msg->saved_secs,
		.internal_zone = msg->internal_zone,
		.text_at = (uint32_t)b->texts.n,
		.is_odd = true,
	};
	memcpy(row->email_id, msg->email_id, sizeof row->email_id);
	memcpy(row->thread_id, msg->thread_id, sizeof row->thread_id);
	if (!msg->summary.p || cv_summary_decode(msg->summary, &s) ||
		(s.missing & (CV_SUMMARY_ENVELOPE | CV_SUMMARY_BODYSTRUCTURE)))
		return true;
	char *to = cv_buf_room(&b->texts, s.envelope.n + s.bodystructure.n);
	if (!to)
		return true;
	memcpy(to, s.envelope.p, s.envelope.n);
	memcpy(to + s.envelope.n, s.bodystructure.p, s.bodystructure.n);
	b->texts.n += s.envelope.n + s.bodystructure.n;
	row->envelope_bytes = (uint32_t)s.envelope.n;
	row->structure_bytes = (uint32_t)s.bodystructure.n;
	row->is_odd = false;
	return true;
}

/* The rows of OLD that are still of use stand before the new ones. */
static void
take_over(struct builder *b, const struct imapd_sheet *old, const struct cv_view *view)
{
	for (uint32_t i = 0; i < old->count; i++) {
		const struct imapd_sheet_row *row = &old->rows[i];
		if (!cv_view_uid(view, row->uid))
			continue;
		b->rows[b->count] = *row;
		b->rows[b->count++].text_at = (uint32_t)b->texts.n;
		cv_buf_add(&b->texts, old->texts + row->text_at,
			row->envelope_bytes + row->structure_bytes);
	}
}

static struct imapd_sheet *
finish(const struct builder *b, uint32_t covered)
{
	size_t rows = b->count * sizeof *b->rows;
	struct imapd_sheet *sheet = cv_malloc(sizeof *sheet + rows + b->texts.n);
	char *texts = (char *)sheet->rows + rows;

	atomic_init(&sheet->refs, 1);
	sheet->count = b->count;
	sheet->covered = covered;
	sheet->text_bytes = (uint32_t)b->texts.n;
	sheet->texts = texts;
	memcpy(sheet->rows, b->rows, rows);
	if (b->texts.n)
		memcpy(texts, b->texts.p, b->texts.n);
	return sheet;
}

/* A sheet of NUMBER's messages in VIEW, with what OLD (or NULL) has of them. */
static enum cv_status
build(struct cv_mbox *m, const struct cv_view *view, uint32_t number, struct imapd_sheet *old,
	struct imapd_sheet **out, struct cv_err *err)
{
	uint32_t uids[IMAPD_SHEET_UIDS], n = 0;
	uint64_t first = (uint64_t)number * IMAPD_SHEET_UIDS, end = first + IMAPD_SHEET_UIDS;
	struct builder *b = cv_malloc(sizeof *b);

	b->count = 0;
	b->texts = CV_BUF_INIT(TEXTS_MAX);
	if (old)
		take_over(b, old, view);
	const struct cv_entry *e;
	uint32_t seq = cv_view_seq_at(view, old ? old->covered : (uint32_t)first);
	for (; (e = cv_view_seq(view, seq)) && e->uid < end; seq++)
		uids[n++] = e->uid;
	(void)cv_buf_room(&b->texts, n * TEXT_GUESS);
	enum cv_status status = n ? cv_msg_each(m, uids, n, true, on_msg, b, err) : CV_OK;
	if (!status)
		*out = finish(b, (uint32_t)CV_MIN(CV_MIN(end, UINT32_MAX), view->uidnext));
	cv_buf_done(&b->texts);
	free(b);
	return status;
}

/* ---- the cache ---- */

static struct cv_str
key_str(const struct key *key)
{
	return cv_str((const char *)key, sizeof *key);
}

struct imapd_sheets *
imapd_sheets_new(size_t max_bytes)
{
	struct imapd_sheets *cache = cv_calloc(1, sizeof *cache);

	pthread_mutex_init(&cache->lock, NULL);
	cv_map_init(&cache->entries);
	cv_list_init(&cache->by_use);
	cache->max_bytes = max_bytes;
	return cache;
}

/* Under the lock. */
static void
drop(struct imapd_sheets *cache, struct entry *e)
{
	cv_map_del(&cache->entries, key_str(&e->key));
	cv_list_remove(&e->link);
	cache->bytes -= bytes_of(e->sheet);
	imapd_sheet_unref(e->sheet);
	free(e);
}

void
imapd_sheets_free(struct imapd_sheets *cache)
{
	if (!cache)
		return;
	while (!cv_list_is_empty(&cache->by_use))
		drop(cache, CV_CONTAINER(cache->by_use.prev, struct entry, link));
	cv_map_done(&cache->entries);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

size_t
imapd_sheets_bytes(struct imapd_sheets *cache)
{
	pthread_mutex_lock(&cache->lock);
	size_t bytes = cache->bytes;
	pthread_mutex_unlock(&cache->lock);
	return bytes;
}

static struct imapd_sheet *
find(struct imapd_sheets *cache, const struct key *key)
{
	struct imapd_sheet *sheet = NULL;

	pthread_mutex_lock(&cache->lock);
	struct entry *e = cv_map_get(&cache->entries, key_str(key));
	if (e) {
		cv_list_remove(&e->link);
		cv_list_prepend(&cache->by_use, &e->link);
		sheet = e->sheet;
		atomic_fetch_add_explicit(&sheet->refs, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&cache->lock);
	return sheet;
}

static void
keep(struct imapd_sheets *cache, const struct key *key, struct imapd_sheet *sheet)
{
	pthread_mutex_lock(&cache->lock);
	struct entry *old = cv_map_get(&cache->entries, key_str(key));
	if (old && old->sheet->covered > sheet->covered) {
		pthread_mutex_unlock(&cache->lock); /* another session saw more */
		return;
	}
	if (old)
		drop(cache, old);
	struct entry *e = cv_malloc(sizeof *e);
	*e = (struct entry){.key = *key, .sheet = sheet};
	atomic_fetch_add_explicit(&sheet->refs, 1, memory_order_relaxed);
	cv_list_init(&e->link);
	cv_list_prepend(&cache->by_use, &e->link);
	cv_map_put(&cache->entries, key_str(&e->key), e);
	cache->bytes += bytes_of(sheet);
	while (cache->bytes > cache->max_bytes && !cv_list_is_empty(&cache->by_use))
		drop(cache, CV_CONTAINER(cache->by_use.prev, struct entry, link));
	pthread_mutex_unlock(&cache->lock);
}

enum cv_status
imapd_sheets_get(struct imapd_sheets *cache, struct cv_mbox *m, const struct cv_view *view,
	uint32_t number, uint32_t last, bool may_build, struct imapd_sheet **out,
	struct cv_err *err)
{
	struct key key = {
		cv_acct_number(cv_mbox_acct(m)), cv_mbox_id(m), view->uidvalidity, number};
	struct imapd_sheet *old = find(cache, &key);

	*out = NULL;
	if (old && old->covered > last) {
		*out = old;
		return CV_OK;
	}
	enum cv_status status = CV_OK;
	if (may_build) {
		status = build(m, view, number, old, out, err);
		if (!status)
			keep(cache, &key, *out);
	}
	imapd_sheet_unref(old);
	return status;
}
