/* frame.c - frames packed and unpacked; contexts and memory are kept for the next caller. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/volume/volume.h"

#define LEVEL 1       /* mail is mostly base64 and text: higher levels cost more than the disk */
#define TINY 128u     /* not worth a try */
#define GAIN_PART 16u /* compressed must save at least a sixteenth */

#define TAKE(s, pool, count, make)                                                                 \
	({                                                                                         \
		pthread_mutex_lock(&(s)->spare_lock);                                              \
		typeof((s)->pool[0]) got_ = (s)->count ? (s)->pool[--(s)->count] : NULL;           \
		pthread_mutex_unlock(&(s)->spare_lock);                                            \
		got_ ? got_ : (make);                                                              \
	})

#define GIVE(s, pool, count, thing, drop)                                                          \
	do {                                                                                       \
		typeof((s)->pool[0]) rest_ = (thing);                                              \
		pthread_mutex_lock(&(s)->spare_lock);                                              \
		if ((s)->count < CV_COUNT((s)->pool)) {                                            \
			(s)->pool[(s)->count++] = rest_;                                           \
			rest_ = NULL;                                                              \
		}                                                                                  \
		pthread_mutex_unlock(&(s)->spare_lock);                                            \
		if (rest_)                                                                         \
			drop(rest_);                                                               \
	} while (0)

size_t
cv_frame_room(void)
{
	return ZSTD_COMPRESSBOUND(CV_FRAME_BYTES);
}

static size_t
compress(struct cv_volumes *s, struct cv_str raw, char *out, size_t out_max)
{
	if (raw.n < TINY)
		return 0;
	ZSTD_CCtx *c = TAKE(s, cctx, cctx_count, ZSTD_createCCtx());
	if (!c)
		cv_die("out of memory");
	size_t n = ZSTD_compressCCtx(c, out, out_max, raw.p, raw.n, LEVEL);
	GIVE(s, cctx, cctx_count, c, ZSTD_freeCCtx);
	return ZSTD_isError(n) || n > raw.n - raw.n / GAIN_PART ? 0 : n;
}

struct cv_frame
cv_frame_pack(struct cv_volumes *s, struct cv_str raw, char *out, size_t out_max)
{
	assert(raw.n && raw.n <= CV_FRAME_BYTES && out_max >= raw.n);
	size_t n = compress(s, raw, out, out_max);
	struct cv_frame f = {.stored = (uint32_t)n};
	if (!n) {
		memcpy(out, raw.p, raw.n);
		f.stored = (uint32_t)raw.n | CV_FRAME_RAW;
		n = raw.n;
	}
	f.crc = cv_crc32c(out, n);
	return f;
}

bool
cv_frame_unpack(struct cv_volumes *s, struct cv_frame f, const char *stored, char *out,
                size_t raw_n)
{
	size_t n = f.stored & ~CV_FRAME_RAW;
	if (cv_crc32c(stored, n) != f.crc)
		return false;
	if (f.stored & CV_FRAME_RAW) {
		memcpy(out, stored, raw_n);
		return n == raw_n;
	}
	ZSTD_DCtx *d = TAKE(s, dctx, dctx_count, ZSTD_createDCtx());
	if (!d)
		cv_die("out of memory");
	size_t got = ZSTD_decompressDCtx(d, out, raw_n, stored, n);
	GIVE(s, dctx, dctx_count, d, ZSTD_freeDCtx);
	return got == raw_n;
}

char *
cv_frame_take(struct cv_volumes *s)
{
	return TAKE(s, frames, frame_count, (char *)cv_malloc(CV_FRAME_MEMORY));
}

void
cv_frame_give(struct cv_volumes *s, char *p)
{
	if (p)
		GIVE(s, frames, frame_count, p, free);
}

void
cv_frames_done(struct cv_volumes *s)
{
	for (size_t i = 0; i < s->cctx_count; i++)
		ZSTD_freeCCtx(s->cctx[i]);
	for (size_t i = 0; i < s->dctx_count; i++)
		ZSTD_freeDCtx(s->dctx[i]);
	for (size_t i = 0; i < s->frame_count; i++)
		free(s->frames[i]);
}
