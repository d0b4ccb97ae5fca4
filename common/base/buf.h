/* buf.h - a growing byte buffer with a hard maximum.
 *
 * Appending past the maximum sets `full`, keeps what was there, and makes every later append a
 * no-op, so a writer may check once at the end. Memory belongs to the buffer until
 * cv_buf_done() or cv_buf_take(). Not thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_BUF_H
#define CV_BUF_H

#include "common/base/str.h"

struct cv_buf {
	char *p;    /* always NUL-terminated once anything was appended */
	size_t n;   /* bytes used */
	size_t cap; /* bytes allocated */
	size_t max; /* hard limit on n */
	bool full;  /* an append was refused */
};

#define CV_BUF_INIT(limit) ((struct cv_buf){.max = (limit)})

void cv_buf_init(struct cv_buf *b, size_t max);
void cv_buf_done(struct cv_buf *b);  /* frees; the buffer may be used again */
void cv_buf_reset(struct cv_buf *b); /* n = 0, full = false, memory kept */
/* Makes room for N more bytes and returns where they go, or NULL when that passes the limit
 * (and sets `full`). The caller then adds what it wrote to b->n; the NUL behind the bytes is kept
 * when that is all N, and is the caller's matter when it is less. */
char *cv_buf_room(struct cv_buf *b, size_t n);
void cv_buf_add(struct cv_buf *b, const void *p, size_t n);
void cv_buf_str(struct cv_buf *b, struct cv_str s);
void cv_buf_z(struct cv_buf *b, const char *z);
void cv_buf_c(struct cv_buf *b, char c);
void cv_buf_printf(struct cv_buf *b, const char *fmt, ...) CV_PRINTF(2, 3);
void cv_buf_u64(struct cv_buf *b, uint64_t v); /* decimal, fast */
/* Big-endian numbers, for keys and frames. */
void cv_buf_be16(struct cv_buf *b, uint16_t v);
void cv_buf_be32(struct cv_buf *b, uint32_t v);
void cv_buf_be64(struct cv_buf *b, uint64_t v);
/* LEB128, and a length followed by the bytes. */
void cv_buf_varint(struct cv_buf *b, uint64_t v);
void cv_buf_bytes(struct cv_buf *b, struct cv_str s);
/* Drops the first N bytes, moving the rest down. */
void cv_buf_drop(struct cv_buf *b, size_t n);
/* The memory, NUL-terminated, now the caller's to free; the buffer is empty afterwards. */
char *cv_buf_take(struct cv_buf *b);

static inline struct cv_str
cv_buf_view(const struct cv_buf *b)
{
	return (struct cv_str){b->p, b->n};
}

/* Reading what the functions above wrote. A read past the end sets `bad` and yields zeros, so a
 * decoder may check once at the end. Slices point into the input. */
struct cv_rd {
	const unsigned char *p, *end;
	bool bad;
};

uint16_t cv_rd_be16(struct cv_rd *r);
uint32_t cv_rd_be32(struct cv_rd *r);
uint64_t cv_rd_be64(struct cv_rd *r);
/* N bytes to P, which stays as it was when there are fewer (then r->bad is set). */
void cv_rd_copy(struct cv_rd *r, void *p, size_t n);
uint64_t cv_rd_varint_long(struct cv_rd *r); /* any varint; cv_rd_varint() is faster */

/* Rows are read octet by octet, so these are inline. */
static inline struct cv_rd
cv_rd(struct cv_str s)
{
	/* A pointer that is never NULL keeps the arithmetic below defined. */
	const unsigned char *p = (const unsigned char *)(s.p ? s.p : "");
	return (struct cv_rd){.p = p, .end = p + s.n};
}

static inline size_t
cv_rd_left(const struct cv_rd *r)
{
	return (size_t)(r->end - r->p);
}

static inline uint8_t
cv_rd_u8(struct cv_rd *r)
{
	if (r->bad || r->p == r->end) {
		r->bad = true;
		return 0;
	}
	return *r->p++;
}

static inline uint64_t
cv_rd_varint(struct cv_rd *r)
{
	if (!r->bad && r->p < r->end && *r->p < 0x80) /* most numbers */
		return *r->p++;
	return cv_rd_varint_long(r);
}

static inline struct cv_str
cv_rd_take(struct cv_rd *r, size_t n)
{
	if (r->bad || n > cv_rd_left(r)) {
		r->bad = true;
		return CV_STR_EMPTY;
	}
	struct cv_str s = cv_str((const char *)r->p, n);
	r->p += n;
	return s;
}

/* What cv_buf_bytes() wrote. */
static inline struct cv_str
cv_rd_bytes(struct cv_rd *r)
{
	uint64_t n = cv_rd_varint(r);
	if (n > cv_rd_left(r))
		r->bad = true;
	return r->bad ? CV_STR_EMPTY : cv_rd_take(r, (size_t)n);
}

#endif
