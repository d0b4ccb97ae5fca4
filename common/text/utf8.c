/* utf8.c - UTF-8 itself: checking, walking, cutting, composing to NFC. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "common/text/charset.h"

#define REPLACEMENT 0xFFFDu

/* The length of the valid sequence at P (at least one byte there), 0 when it is none. */
static size_t
sequence(const unsigned char *p, size_t n, uint32_t *cp)
{
	unsigned char c = p[0];
	if (c < 0x80) {
		*cp = c;
		return 1;
	}
	if (c < 0xC2 || c > 0xF4)
		return 0;
	if (c < 0xE0) {
		if (n < 2 || (p[1] & 0xC0) != 0x80)
			return 0;
		*cp = (uint32_t)(c & 0x1F) << 6 | (p[1] & 0x3F);
		return 2;
	}
	if (c < 0xF0) {
		if (n < 3 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80)
			return 0;
		uint32_t v = (uint32_t)(c & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 |
		             (p[2] & 0x3F);
		if (v < 0x800 || (v >= 0xD800 && v <= 0xDFFF))
			return 0;
		*cp = v;
		return 3;
	}
	if (n < 4 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || (p[3] & 0xC0) != 0x80)
		return 0;
	uint32_t v = (uint32_t)(c & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 |
	             (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
	if (v < 0x10000 || v > 0x10FFFF)
		return 0;
	*cp = v;
	return 4;
}

/* The index of the first byte above 127 at or after FROM. */
static size_t
ascii_run(struct cv_str s, size_t from)
{
	size_t i = from;
	for (; i + 8 <= s.n; i += 8) {
		uint64_t w;
		memcpy(&w, s.p + i, 8);
		if (w & 0x8080808080808080u)
			break;
	}
	while (i < s.n && (unsigned char)s.p[i] < 0x80)
		i++;
	return i;
}

size_t
cv_utf8_valid_prefix(struct cv_str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	for (size_t i = 0;;) {
		i = ascii_run(s, i);
		if (i == s.n)
			return i;
		uint32_t cp;
		size_t len = sequence(p + i, s.n - i, &cp);
		if (!len)
			return i;
		i += len;
	}
}

bool
cv_utf8_is_valid(struct cv_str s)
{
	return cv_utf8_valid_prefix(s) == s.n;
}

uint32_t
cv_utf8_next(struct cv_str s, size_t *pos)
{
	uint32_t cp;
	size_t len = sequence((const unsigned char *)s.p + *pos, s.n - *pos, &cp);
	*pos += len ? len : 1;
	return len ? cp : REPLACEMENT;
}

void
cv_utf8_put(struct cv_buf *out, uint32_t cp)
{
	if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
		cp = REPLACEMENT;
	if (cp < 0x80) {
		cv_buf_c(out, (char)cp);
		return;
	}
	char b[4];
	size_t n;
	if (cp < 0x800) {
		b[0] = (char)(0xC0 | cp >> 6);
		b[1] = (char)(0x80 | (cp & 0x3F));
		n = 2;
	} else if (cp < 0x10000) {
		b[0] = (char)(0xE0 | cp >> 12);
		b[1] = (char)(0x80 | (cp >> 6 & 0x3F));
		b[2] = (char)(0x80 | (cp & 0x3F));
		n = 3;
	} else {
		b[0] = (char)(0xF0 | cp >> 18);
		b[1] = (char)(0x80 | (cp >> 12 & 0x3F));
		b[2] = (char)(0x80 | (cp >> 6 & 0x3F));
		b[3] = (char)(0x80 | (cp & 0x3F));
		n = 4;
	}
	cv_buf_add(out, b, n);
}

struct cv_str
cv_utf8_cut(struct cv_str s, size_t max_bytes)
{
	if (s.n <= max_bytes)
		return s;
	size_t n = max_bytes;
	/* Back over at most one code point's continuation bytes. */
	for (int i = 0; i < 3 && n && ((unsigned char)s.p[n] & 0xC0) == 0x80; i++)
		n--;
	return cv_str(s.p, n);
}

/* Whether CP can neither be changed by NFC nor change its left neighbour: the ranges of what is
 * common in mail. False only costs time. */
static bool
is_settled(uint32_t cp)
{
	return cp < 0x300 || (cp >= 0x1E00 && cp <= 0x1EFF) || (cp >= 0x2010 && cp <= 0x20CF) ||
	       (cp >= 0x2190 && cp <= 0x2328) || (cp >= 0x2460 && cp <= 0x27BF) ||
	       (cp >= 0x3000 && cp <= 0x3029) || (cp >= 0x3041 && cp <= 0x3096) ||
	       (cp >= 0x30A1 && cp <= 0x30FE) || (cp >= 0x3400 && cp <= 0x9FFF) ||
	       (cp >= 0xAC00 && cp <= 0xD7A3) || (cp >= 0xFF01 && cp <= 0xFFEF) ||
	       (cp >= 0x1F300 && cp <= 0x1FAFF) || cp == REPLACEMENT || cp == 0xFEFF;
}

/* Appends IN made valid, runs of combining marks cut; tells whether NFC may still change it. What
 * is kept goes over in runs as long as they come. */
static bool
repair(struct cv_str in, struct cv_buf *out)
{
	const unsigned char *p = (const unsigned char *)in.p;
	bool settled = true;
	unsigned marks = 0;
	size_t kept = 0; /* [kept, i) is still to be appended */
	if (!in.n)
		return true; /* there may be no pointer to count from */
	for (size_t i = 0; i < in.n;) {
		uint32_t cp;
		if (p[i] < 0x80) {
			i = ascii_run(in, i);
			marks = 0;
			continue;
		}
		size_t len = sequence(p + i, in.n - i, &cp);
		if (len && is_settled(cp)) {
			marks = 0;
			i += len;
			continue;
		}
		if (len) {
			settled = false;
			marks = uc_combining_class(cp) ? marks + 1 : 0;
			if (marks <= CV_UTF8_RUN_MAX) {
				i += len;
				continue;
			}
		}
		/* A bad byte, or a mark too many. */
		cv_buf_add(out, in.p + kept, i - kept);
		if (!len) {
			cv_utf8_put(out, REPLACEMENT);
			marks = 0;
		}
		i += len ? len : 1;
		kept = i;
	}
	cv_buf_add(out, in.p + kept, in.n - kept);
	return settled;
}

enum cv_status
cv_utf8_nfc(struct cv_str in, struct cv_buf *out)
{
	if (out->full)
		return CV_LIMIT;
	size_t start = out->n;
	bool settled = repair(in, out);
	if (out->full) {
		out->n = start;
		return CV_LIMIT;
	}
	if (settled)
		return CV_OK;

	size_t n;
	uint8_t *composed = u8_normalize(UNINORM_NFC, (const uint8_t *)out->p + start,
	                                 out->n - start, NULL, &n);
	if (!composed)
		cv_die("u8_normalize: out of memory");
	out->n = start;
	cv_buf_add(out, composed, n);
	free(composed);
	return out->full ? CV_LIMIT : CV_OK;
}
