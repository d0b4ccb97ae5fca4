/* put.c - writing a body: frames are packed as they come; see volume.h for where they go. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <unistd.h>

#include "common/base/kill.h"
#include "common/store/volume/volume.h"

/* Written in one go when the zeros are used up: about one append in a hundred waits for it. */
#define ZERO_BYTES ((uint64_t)1 << 20)
#define ZERO_PIECE (32u << 10)

struct put {
	struct cv_blob_put base;
	struct cv_volumes *s;
	struct cv_record record;
	EVP_MD_CTX *sha256;
	uint64_t taken;          /* bytes of the body given so far */
	char *raw;               /* the frame being filled, when it comes in pieces */
	size_t raw_n;
	struct cv_frame *frames;
	struct cv_frame one[1];  /* most bodies have one frame */
	uint32_t frames_done;
	size_t head_n;
	struct cv_buf staged;    /* room for the head, then packed frames */
	struct cv_volume *lane;  /* else it goes here */
	uint64_t lane_at;
	enum cv_status failed;
};

static struct put *
put_of(struct cv_blob_put *p)
{
	return CV_CONTAINER(p, struct put, base);
}

/* ---- lanes ---- */

static enum cv_status
take_lane(struct cv_volumes *s, struct cv_volume **out, struct cv_err *err)
{
	pthread_mutex_lock(&s->lock);
	*out = s->lane_count ? s->lanes[--s->lane_count] : NULL;
	pthread_mutex_unlock(&s->lock);
	return *out ? CV_OK : cv_volume_create(s, out, err);
}

static void
give_lane(struct cv_volumes *s, struct cv_volume *v)
{
	pthread_mutex_lock(&s->lock);
	bool keep = atomic_load(&v->end) < s->volume_bytes && s->lane_count < CV_COUNT(s->lanes);
	if (keep)
		s->lanes[s->lane_count++] = v;
	pthread_mutex_unlock(&s->lock);
	if (!keep)
		cv_volume_seal(s, v);
}

/* ---- writing ---- */

static int
pwrite_all(int fd, const void *p, size_t n, uint64_t at)
{
	const char *from = p;
	while (n) {
		ssize_t done = pwrite(fd, from, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? errno : EIO;
		from += done;
		at += (size_t)done;
		n -= (size_t)done;
	}
	return 0;
}

static enum cv_status
write_bytes(struct cv_volumes *s, struct cv_volume *v, const void *p, size_t n, uint64_t at,
            struct cv_err *err)
{
	unsigned slot = cv_watch_enter(s->watchdog, "volume.write");
	int why = cv_fail_point("volume.append");
#ifdef CV_KILL_POINTS
	if (!why && atomic_load_explicit(&cv_kill_armed, memory_order_relaxed)) {
		CV_KILL_POINT("volume.append");
		why = pwrite_all(v->fd, p, n / 2, at);
		CV_KILL_POINT("volume.append.half");
	}
#endif
	if (!why)
		why = pwrite_all(v->fd, p, n, at);
	cv_watch_leave(s->watchdog, slot);
	return why ? cv_fail_errno(err, CV_TEMPFAIL, why, "writing to volume %u", v->number)
	           : CV_OK;
}

/* What was written behind `end` is nobody's; the next record would overwrite it anyway. */
static void
cut(struct cv_volume *v)
{
	v->zeroed = 0;
	if (ftruncate(v->fd, (off_t)atomic_load(&v->end)))
		errno = 0;
}

/* Fills the current volume with zeros behind a record of N bytes at AT, when there are none left. A
 * disk that has no room for them may still have some for the record. The append lock is held. */
static void
zero_ahead(struct cv_volumes *s, struct cv_volume *v, uint64_t at, uint64_t n)
{
	if (at + n <= v->zeroed || at + n >= s->volume_bytes)
		return;
	static const char zeros[ZERO_PIECE];
	uint64_t to = CV_MIN(at + n + ZERO_BYTES, s->volume_bytes);
	v->zeroed = at + n;
	while (v->zeroed < to) {
		size_t piece = (size_t)CV_MIN(to - v->zeroed, sizeof zeros);
		if (pwrite_all(v->fd, zeros, piece, v->zeroed))
			break;
		v->zeroed += piece;
	}
}

static void
grow(struct put *p, struct cv_volume *v, uint64_t at)
{
	uint64_t n = cv_record_bytes(p->record.size, p->record.stored);
	atomic_store(&v->end, at + n);
	atomic_fetch_add(&p->s->appended, n);
	cv_volume_dirty(p->s, v);
}

/* ---- frames ---- */

static enum cv_status
pack_to_lane(struct put *p, struct cv_str raw, struct cv_frame *f, struct cv_err *err)
{
	char *memory = cv_frame_take(p->s);
	*f = cv_frame_pack(p->s, raw, memory, CV_FRAME_MEMORY);
	enum cv_status status = write_bytes(p->s, p->lane, memory, f->stored & ~CV_FRAME_RAW,
		p->lane_at + p->head_n + p->record.stored, err);
	cv_frame_give(p->s, memory);
	return status;
}

static enum cv_status
pack(struct put *p, struct cv_str raw, struct cv_err *err)
{
	struct cv_frame *f = &p->frames[p->frames_done++];
	enum cv_status status = CV_OK;
	if (p->lane) {
		status = pack_to_lane(p, raw, f, err);
	} else {
		size_t room = ZSTD_compressBound(raw.n);
		char *to = cv_buf_room(&p->staged, room);
		assert(to); /* the maximum was counted out at the beginning */
		*f = cv_frame_pack(p->s, raw, to, room);
		p->staged.n += f->stored & ~CV_FRAME_RAW;
	}
	p->record.stored += f->stored & ~CV_FRAME_RAW;
	return status;
}

/* Takes as much of BYTES as makes one frame, or keeps it until there is more. */
static enum cv_status
take_some(struct put *p, struct cv_str *bytes, struct cv_err *err)
{
	uint64_t left = p->record.size - (p->taken - p->raw_n);
	size_t frame_n = (size_t)CV_MIN(left, CV_FRAME_BYTES);
	size_t n = CV_MIN(frame_n - p->raw_n, bytes->n);
	struct cv_str part = cv_str(bytes->p, n);
	bytes->p += n;
	bytes->n -= n;
	p->taken += n;
	if (!p->raw_n && n == frame_n)
		return pack(p, part, err);
	if (!p->raw)
		p->raw = cv_frame_take(p->s);
	memcpy(p->raw + p->raw_n, part.p, n);
	p->raw_n += n;
	if (p->raw_n < frame_n)
		return CV_OK;
	part = cv_str(p->raw, p->raw_n);
	p->raw_n = 0;
	return pack(p, part, err);
}

/* ---- the operations ---- */

static void
release(struct put *p)
{
	cv_buf_done(&p->staged);
	cv_frame_give(p->s, p->raw);
	if (p->frames != p->one)
		free(p->frames);
	EVP_MD_CTX_free(p->sha256);
	free(p);
}

enum cv_status
cv_volumes_begin(struct cv_blobs *b, struct cv_str delivery_id, uint64_t size_bytes,
                 struct cv_blob_put **out, struct cv_err *err)
{
	struct cv_volumes *s = cv_volumes_of(b);
	if (delivery_id.n > CV_DELIVERY_ID_BYTES)
		return cv_fail(err, CV_LIMIT, "a delivery id of %zu bytes", delivery_id.n);
	if (size_bytes > CV_BODY_MAX)
		return cv_fail(err, CV_LIMIT, "a body of more than 2 GB");
	struct cv_volume *lane = NULL;
	enum cv_status status = size_bytes > CV_STAGE_MAX ? take_lane(s, &lane, err) : CV_OK;
	if (status)
		return status;

	struct put *p = cv_calloc(1, sizeof *p);
	p->s = s;
	p->lane = lane;
	p->lane_at = lane ? atomic_load(&lane->end) : 0;
	p->record.size = size_bytes;
	p->record.frames = cv_record_frames(size_bytes);
	p->record.id_n = (uint8_t)delivery_id.n;
	if (delivery_id.n)
		memcpy(p->record.id, delivery_id.p, delivery_id.n);
	p->frames = p->record.frames <= 1 ? p->one : cv_calloc(p->record.frames, sizeof *p->frames);
	p->head_n = cv_record_head_bytes(p->record.frames);
	cv_buf_init(&p->staged, p->head_n + CV_STAGE_MAX + cv_frame_room() + CV_RECORD_ALIGN);
	if (!lane)
		(void)cv_buf_room(&p->staged, p->head_n);
	p->staged.n = lane ? 0 : p->head_n;
	p->sha256 = EVP_MD_CTX_new();
	if (!p->sha256 || EVP_DigestInit_ex(p->sha256, s->sha256, NULL) != 1)
		cv_die("out of memory");
	p->base.blobs = b;
	*out = &p->base;
	return CV_OK;
}

enum cv_status
cv_volumes_write(struct cv_blob_put *put, struct cv_str bytes, struct cv_err *err)
{
	struct put *p = put_of(put);
	if (p->failed)
		return cv_fail(err, p->failed, "an earlier part of this body was not written");
	if (bytes.n > p->record.size - p->taken)
		return cv_fail(err, p->failed = CV_INVALID, "a body longer than announced");
	if (EVP_DigestUpdate(p->sha256, bytes.p, bytes.n) != 1)
		cv_die("SHA-256 does not work");
	while (bytes.n && !p->failed)
		p->failed = take_some(p, &bytes, err);
	return p->failed;
}

/* A volume with room for N more bytes as `current`. The append lock is held. */
static enum cv_status
make_room(struct cv_volumes *s, uint64_t n, struct cv_err *err)
{
	if (s->current) {
		uint64_t end = atomic_load(&s->current->end);
		if (end == CV_VOLUME_HEADER || end + n <= s->volume_bytes)
			return CV_OK;
		cut(s->current);
		cv_volume_seal(s, s->current);
		s->current = NULL;
	}
	return cv_volume_create(s, &s->current, err);
}

static enum cv_status
append(struct put *p, struct cv_volume **v_out, uint64_t *at_out, struct cv_err *err)
{
	struct cv_volumes *s = p->s;
	static const char zeros[CV_RECORD_ALIGN];
	uint64_t n = cv_record_bytes(p->record.size, p->record.stored);
	cv_buf_add(&p->staged, zeros, n - p->staged.n);
	pthread_mutex_lock(&s->append);
	enum cv_status status = make_room(s, n, err);
	if (!status) {
		struct cv_volume *v = s->current;
		uint64_t at = atomic_load(&v->end);
		cv_record_encode(&p->record, p->frames, v->salt, (unsigned char *)p->staged.p);
		status = write_bytes(s, v, p->staged.p, p->staged.n, at, err);
		if (status) {
			cut(v);
		} else {
			zero_ahead(s, v, at, n);
			grow(p, v, at);
		}
		*v_out = v;
		*at_out = at;
	}
	pthread_mutex_unlock(&s->append);
	return status;
}

/* The head goes last: a record without it is not there. */
static enum cv_status
end_lane(struct put *p, struct cv_err *err)
{
	unsigned char *head = cv_malloc(p->head_n);
	cv_record_encode(&p->record, p->frames, p->lane->salt, head);
	enum cv_status status = write_bytes(p->s, p->lane, head, p->head_n, p->lane_at, err);
	free(head);
	if (!status) {
		/* The padding belongs to the record: the file reaches as far as `end`. */
		uint64_t end = p->lane_at + cv_record_bytes(p->record.size, p->record.stored);
		if (ftruncate(p->lane->fd, (off_t)end))
			status = cv_fail_errno(err, CV_TEMPFAIL, errno, "ending a record");
	}
	if (!status)
		grow(p, p->lane, p->lane_at);
	return status;
}

enum cv_status
cv_volumes_finish(struct cv_blob_put *put, struct cv_blob_ref *ref_out, struct cv_err *err)
{
	struct put *p = put_of(put);
	struct cv_volume *v = p->lane;
	uint64_t at = p->lane_at;
	enum cv_status status = p->failed;
	if (status)
		(void)cv_fail(err, status, "a part of this body was not written");
	else if (p->taken != p->record.size)
		status = cv_fail(err, CV_INVALID, "a body shorter than announced");
	else if (EVP_DigestFinal_ex(p->sha256, p->record.sha256, NULL) != 1)
		cv_die("SHA-256 does not work");
	if (status) {
		cv_volumes_abort(put);
		return status;
	}
	status = v ? end_lane(p, err) : append(p, &v, &at, err);
	if (status) {
		cv_volumes_abort(put);
		return status;
	}
	struct cv_place place = {.volume = v->number, .at = at, .size = p->record.size,
		.stored = p->record.stored};
	memcpy(place.check, p->record.sha256, sizeof place.check);
	cv_place_encode(&place, ref_out);
	if (p->lane)
		give_lane(p->s, p->lane);
	release(p);
	return CV_OK;
}

void
cv_volumes_abort(struct cv_blob_put *put)
{
	struct put *p = put_of(put);
	if (p->lane) {
		cut(p->lane);
		give_lane(p->s, p->lane);
	}
	release(p);
}
