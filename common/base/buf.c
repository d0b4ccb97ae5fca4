/* buf.c - growing buffers and the numbers inside them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/buf.h"

#define SMALLEST_CAP 64

void
cv_buf_init(struct cv_buf *b, size_t max)
{
	*b = CV_BUF_INIT(max);
}

void
cv_buf_done(struct cv_buf *b)
{
	free(b->p);
	*b = CV_BUF_INIT(b->max);
}

void
cv_buf_reset(struct cv_buf *b)
{
	b->n = 0;
	b->full = false;
	if (b->p)
		b->p[0] = '\0';
}

/* Doubling, but never past what the limit and its NUL need. */
static void
grow(struct cv_buf *b, size_t need)
{
	size_t cap = CV_MAX(b->cap, (size_t)SMALLEST_CAP);
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (b->max < SIZE_MAX && cap > b->max + 1)
		cap = CV_MAX(b->max + 1, need);
	b->p = cv_realloc(b->p, cap);
	b->cap = cap;
}

char *
cv_buf_room(struct cv_buf *b, size_t n)
{
	if (b->full || b->n > b->max || n > b->max - b->n || b->n + n == SIZE_MAX) {
		b->full = true;
		return NULL;
	}
	if (b->n + n + 1 > b->cap)
		grow(b, b->n + n + 1);
	/* The caller adds to n itself, so the NUL goes where the bytes will end. */
	b->p[b->n] = '\0';
	b->p[b->n + n] = '\0';
	return b->p + b->n;
}

void
cv_buf_add(struct cv_buf *b, const void *p, size_t n)
{
	char *to = cv_buf_room(b, n);
	if (!to || !n)
		return;
	memcpy(to, p, n);
	b->n += n;
}

void
cv_buf_str(struct cv_buf *b, struct cv_str s)
{
	cv_buf_add(b, s.p, s.n);
}

void
cv_buf_z(struct cv_buf *b, const char *z)
{
	cv_buf_add(b, z, strlen(z));
}

void
cv_buf_c(struct cv_buf *b, char c)
{
	cv_buf_add(b, &c, 1);
}

void
cv_buf_printf(struct cv_buf *b, const char *fmt, ...)
{
	char small[256];
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(small, sizeof small, fmt, args);
	va_end(args);
	if (n < 0)
		cv_die("cannot format \"%s\"", fmt);
	if ((size_t)n < sizeof small) {
		cv_buf_add(b, small, (size_t)n);
	} else {
		char *to = cv_buf_room(b, (size_t)n);
		if (to) {
			vsnprintf(to, (size_t)n + 1, fmt, again);
			b->n += (size_t)n;
		}
	}
	va_end(again);
}

void
cv_buf_u64(struct cv_buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	cv_buf_add(b, digits + at, sizeof digits - at);
}

static void
add_be(struct cv_buf *b, uint64_t v, size_t width)
{
	unsigned char bytes[8];
	for (size_t i = 0; i < width; i++)
		bytes[i] = (unsigned char)(v >> (8 * (width - 1 - i)));
	cv_buf_add(b, bytes, width);
}

void
cv_buf_be16(struct cv_buf *b, uint16_t v)
{
	add_be(b, v, 2);
}

void
cv_buf_be32(struct cv_buf *b, uint32_t v)
{
	add_be(b, v, 4);
}

void
cv_buf_be64(struct cv_buf *b, uint64_t v)
{
	add_be(b, v, 8);
}

void
cv_buf_varint(struct cv_buf *b, uint64_t v)
{
	unsigned char bytes[10];
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		bytes[n++] = (unsigned char)(v | 0x80);
	bytes[n++] = (unsigned char)v;
	cv_buf_add(b, bytes, n);
}

void
cv_buf_bytes(struct cv_buf *b, struct cv_str s)
{
	cv_buf_varint(b, s.n);
	cv_buf_str(b, s);
}

void
cv_buf_drop(struct cv_buf *b, size_t n)
{
	n = CV_MIN(n, b->n);
	if (!n)
		return;
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
	b->p[b->n] = '\0';
}

char *
cv_buf_take(struct cv_buf *b)
{
	char *p = b->p ? b->p : cv_strdup("");
	*b = CV_BUF_INIT(b->max);
	return p;
}

static uint64_t
read_be(struct cv_rd *r, size_t width)
{
	struct cv_str s = cv_rd_take(r, width);
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

uint16_t
cv_rd_be16(struct cv_rd *r)
{
	return (uint16_t)read_be(r, 2);
}

uint32_t
cv_rd_be32(struct cv_rd *r)
{
	return (uint32_t)read_be(r, 4);
}

uint64_t
cv_rd_be64(struct cv_rd *r)
{
	return read_be(r, 8);
}

/* One number has one spelling: overlong forms and bits past the 64th are bad. */
uint64_t
cv_rd_varint_long(struct cv_rd *r)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = cv_rd_u8(r);
		if (r->bad || (shift == 63 && byte > 1) || (shift && !byte))
			break;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	r->bad = true;
	return 0;
}

void
cv_rd_copy(struct cv_rd *r, void *p, size_t n)
{
	struct cv_str s = cv_rd_take(r, n);
	if (n && s.n == n)
		memcpy(p, s.p, n);
}
