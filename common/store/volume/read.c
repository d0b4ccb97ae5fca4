/* read.c - reading bodies: ranges, facts, and every record there is. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/store/volume/volume.h"

#define FIND_BYTES (64u << 10)

/* Makes [at, at + n) of the file available in r->stored. */
static const char *
load(struct cv_reader *r, uint64_t at, size_t n)
{
	if (at >= r->from && at + n <= r->from + r->have)
		return r->stored + (at - r->from);
	assert(n <= CV_FRAME_MEMORY);
	unsigned slot = cv_watch_enter(r->s->watchdog, "volume.read");
	bool ok = cv_volume_pread(r->s, r->v->number, r->v->fd, r->stored, n, at);
	cv_watch_leave(r->s->watchdog, slot);
	r->from = at;
	r->have = ok ? n : 0;
	return ok ? r->stored : NULL;
}

bool
cv_reader_open(struct cv_volumes *s, struct cv_volume *v, uint64_t at, uint64_t limit, size_t want,
               struct cv_reader *r)
{
	*r = (struct cv_reader){.s = s, .v = v, .at = at, .stored = cv_frame_take(s)};
	if (at > limit || limit - at < CV_RECORD_HEADER)
		return false;
	size_t first = (size_t)CV_MIN(CV_MIN(want, CV_FRAME_MEMORY), limit - at);
	const char *p = load(r, at, CV_MAX(first, (size_t)CV_RECORD_HEADER));
	if (!p || !cv_record_peek((const unsigned char *)p, &r->record))
		return false;
	size_t head_n = cv_record_head_bytes(r->record.frames);
	if (cv_record_bytes(r->record.size, r->record.stored) > limit - at ||
		!(p = load(r, at, head_n)))
		return false;
	r->frames = cv_malloc(CV_MAX(1u, r->record.frames) * sizeof *r->frames);
	return cv_record_decode((const unsigned char *)p, v->salt, &r->record, r->frames);
}

void
cv_reader_close(struct cv_reader *r)
{
	cv_frame_give(r->s, r->stored);
	free(r->frames);
}

size_t
cv_reader_frame(struct cv_reader *r, uint32_t i, char *out)
{
	uint64_t at = r->at + cv_record_head_bytes(r->record.frames);
	for (uint32_t before = 0; before < i; before++)
		at += r->frames[before].stored & ~CV_FRAME_RAW;
	size_t raw_n = (size_t)CV_MIN(r->record.size - (uint64_t)i * CV_FRAME_BYTES,
	                              CV_FRAME_BYTES);
	const char *p = load(r, at, r->frames[i].stored & ~CV_FRAME_RAW);
	return p && cv_frame_unpack(r->s, r->frames[i], p, out, raw_n) ? raw_n : 0;
}

bool
cv_reader_is_whole(struct cv_reader *r)
{
	uint8_t sha256[32];
	char *out = cv_frame_take(r->s);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, r->s->sha256, NULL) == 1;
	for (uint32_t i = 0; ok && i < r->record.frames; i++) {
		size_t n = cv_reader_frame(r, i, out);
		ok = n && EVP_DigestUpdate(ctx, out, n) == 1;
	}
	ok = ok && EVP_DigestFinal_ex(ctx, sha256, NULL) == 1 &&
		memcmp(sha256, r->record.sha256, sizeof sha256) == 0;
	EVP_MD_CTX_free(ctx);
	cv_frame_give(r->s, out);
	return ok;
}

uint64_t
cv_record_find(struct cv_volumes *s, struct cv_volume *v, uint64_t at, uint64_t limit)
{
	struct cv_record ignored;
	struct cv_reader r;
	unsigned char *window = cv_malloc(FIND_BYTES);
	uint64_t from = at, have = 0;
	for (; at + CV_RECORD_HEADER <= limit; at += CV_RECORD_ALIGN) {
		if (at + CV_RECORD_HEADER > from + have) {
			from = at;
			have = CV_MIN(limit - at, FIND_BYTES);
			if (!cv_volume_pread(s, v->number, v->fd, window, have, from))
				break;
		}
		if (!cv_record_peek(window + (at - from), &ignored))
			continue;
		bool is_record = cv_reader_open(s, v, at, limit, CV_RECORD_HEADER, &r);
		cv_reader_close(&r);
		if (is_record) {
			free(window);
			return at;
		}
	}
	free(window);
	return limit;
}

/* ---- by ref ---- */

static enum cv_status
open_ref(struct cv_volumes *s, const struct cv_place *p, struct cv_volume *v, size_t want,
         struct cv_reader *r, struct cv_err *err)
{
	uint64_t end = atomic_load(&v->end);
	*r = (struct cv_reader){.s = s};
	if (p->at < CV_VOLUME_HEADER || p->at + cv_record_bytes(p->size, p->stored) > end)
		return cv_fail(err, CV_NOT_FOUND, "no body at %u/%" PRIu64, v->number, p->at);
	if (!cv_reader_open(s, v, p->at, end, want, r) || r->record.size != p->size ||
		r->record.stored != p->stored ||
		memcmp(r->record.sha256, p->check, sizeof p->check) != 0)
		return cv_fail(err, CV_CORRUPT, "the body at %u/%" PRIu64 " is broken", v->number,
			p->at);
	return CV_OK;
}

static enum cv_status
send_range(struct cv_reader *r, uint64_t offset, uint64_t end, cv_sink_fn *sink, void *arg,
           struct cv_err *err)
{
	char *out = cv_frame_take(r->s);
	enum cv_status status = CV_OK;
	while (!status && offset < end) {
		uint32_t i = (uint32_t)(offset / CV_FRAME_BYTES);
		size_t skip = (size_t)(offset % CV_FRAME_BYTES);
		size_t n = cv_reader_frame(r, i, out);
		if (n <= skip) {
			status = cv_fail(err, CV_CORRUPT, "frame %u of the body at %u/%" PRIu64
				" is broken", i, r->v->number, r->at);
			break;
		}
		n = (size_t)CV_MIN(n - skip, end - offset);
		status = sink(arg, cv_str(out + skip, n), err);
		offset += n;
	}
	cv_frame_give(r->s, out);
	return status;
}

enum cv_status
cv_volumes_read(struct cv_blobs *b, const struct cv_blob_ref *ref, uint64_t offset, uint64_t length,
                cv_sink_fn *sink, void *arg, struct cv_err *err)
{
	struct cv_volumes *s = cv_volumes_of(b);
	struct cv_place p;
	struct cv_volume *v;
	struct cv_reader r;
	enum cv_status status = cv_place_decode(ref, &p, err);
	if (!status)
		status = cv_volume_find(s, &p, &v, err);
	if (status)
		return status;
	/* Small, or wanted from the beginning: head and frames in one read. */
	size_t head_n = cv_record_head_bytes(cv_record_frames(p.size));
	size_t want = head_n + (size_t)CV_MIN(p.stored, CV_FRAME_BYTES);
	if (offset >= CV_FRAME_BYTES)
		want = head_n;
	status = open_ref(s, &p, v, want, &r, err);
	if (!status) {
		offset = CV_MIN(offset, p.size);
		status = send_range(&r, offset, offset + CV_MIN(length, p.size - offset), sink, arg,
			err);
	}
	cv_reader_close(&r);
	cv_volume_put(s, v);
	return status;
}

enum cv_status
cv_volumes_stat(struct cv_blobs *b, const struct cv_blob_ref *ref, struct cv_blob_stat *out,
                struct cv_err *err)
{
	struct cv_volumes *s = cv_volumes_of(b);
	struct cv_place p;
	struct cv_volume *v;
	struct cv_reader r;
	enum cv_status status = cv_place_decode(ref, &p, err);
	if (!status)
		status = cv_volume_find(s, &p, &v, err);
	if (status)
		return status;
	status = open_ref(s, &p, v, cv_record_head_bytes(cv_record_frames(p.size)), &r, err);
	if (!status) {
		*out = (struct cv_blob_stat){.size_bytes = p.size,
			.stored_bytes = cv_record_bytes(p.size, p.stored)};
		memcpy(out->sha256, r.record.sha256, sizeof out->sha256);
	}
	cv_reader_close(&r);
	cv_volume_put(s, v);
	return status;
}

/* ---- all of them ---- */

static enum cv_status
each_in(struct cv_volumes *s, struct cv_volume *v, cv_blob_fn *fn, void *arg, bool *go_on,
        struct cv_err *err)
{
	struct cv_dead dead;
	struct cv_reader r;
	struct cv_blob_ref ref;
	uint64_t at = CV_VOLUME_HEADER, end = atomic_load(&v->end);
	enum cv_status status = cv_dead_load(s, v->number, &dead, err);
	while (!status && *go_on && at < end) {
		if (!cv_reader_open(s, v, at, end, 4096, &r)) {
			cv_reader_close(&r);
			at = cv_record_find(s, v, at + CV_RECORD_ALIGN, end);
			continue;
		}
		struct cv_place p = {.volume = v->number, .at = at, .size = r.record.size,
			.stored = r.record.stored};
		memcpy(p.check, r.record.sha256, sizeof p.check);
		cv_reader_close(&r);
		if (v->is_compacted)
			p.at = cv_forward_was(v, at);
		cv_place_encode(&p, &ref);
		*go_on = fn(arg, &ref, p.size, cv_dead_has(&dead, p.at));
		at += cv_record_bytes(p.size, p.stored);
	}
	cv_dead_done(&dead);
	return status;
}

enum cv_status
cv_volumes_each(struct cv_blobs *b, cv_blob_fn *fn, void *arg, struct cv_err *err)
{
	struct cv_volumes *s = cv_volumes_of(b);
	enum cv_status status = CV_OK;
	bool go_on = true;
	for (uint32_t number = 0; !status && go_on; number++) {
		struct cv_volume *v;
		pthread_mutex_lock(&s->lock);
		bool is_last = number >= s->table_count;
		bool is_there = !is_last && s->table[number] && !s->table[number]->is_bad;
		pthread_mutex_unlock(&s->lock);
		if (is_last)
			break;
		if (!is_there)
			continue;
		status = cv_volume_get(s, number, &v, err);
		if (status == CV_NOT_FOUND || status == CV_CORRUPT) {
			status = CV_OK; /* empty since a crash, or broken: nothing to list */
			continue;
		}
		if (!status) {
			status = each_in(s, v, fn, arg, &go_on, err);
			cv_volume_put(s, v);
		}
	}
	return status;
}
