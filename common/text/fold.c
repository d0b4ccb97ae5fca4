/* fold.c - search folding: ASCII eight bytes at a time, a table below U+2000, Unicode's own rules
 * above it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/fold.h"

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include "common/text/charset.h"
#include "common/text/fold_tables.h"

#define ONES 0x0101010101010101u
#define LONG_ASCII 32 /* bytes; shorter runs go with the letters around them */
#define RUN_BYTES 4096
#define ENTRY_BYTES sizeof(((struct cv_fold_entry *)NULL)->bytes)

/* W, eight bytes below 128, with A-Z made small. */
static uint64_t
lower_8(uint64_t w)
{
	/* Bit 7 of each byte: at least 'A'; above 'Z'. */
	uint64_t from_a = w + (128 - 'A') * ONES;
	uint64_t past_z = w + (128 - 'Z' - 1) * ONES;
	return w | ((from_a & ~past_z & 0x80 * ONES) >> 2);
}

/* Where the ASCII run that starts at FROM ends. */
static size_t
ascii_end(struct cv_str s, size_t from)
{
	size_t i = from;
	uint64_t w;
	for (; i + 8 <= s.n; i += 8) {
		memcpy(&w, s.p + i, 8);
		if (w & 0x80 * ONES)
			break;
	}
	while (i < s.n && (unsigned char)s.p[i] < 0x80)
		i++;
	return i;
}

/* Appends [from, end) of S, all ASCII, in small letters. */
static void
put_ascii_run(struct cv_str s, size_t from, size_t end, struct cv_buf *out)
{
	size_t n = end - from, i = 0;
	char *room = cv_buf_room(out, n);
	if (!room)
		return;
	for (; i + 8 <= n; i += 8) {
		uint64_t w;
		memcpy(&w, s.p + from + i, 8);
		w = lower_8(w);
		memcpy(room + i, &w, 8);
	}
	for (; i < n; i++)
		room[i] = (char)cv_lower((unsigned char)s.p[from + i]);
	out->n += n;
}

static const struct cv_fold_entry *
entry_of(uint32_t cp)
{
	return &cv_fold_entries[cv_fold_page[cp / CV_FOLD_PAGE]][cp % CV_FOLD_PAGE];
}

static void
put_small(uint32_t cp, struct cv_buf *out)
{
	const struct cv_fold_entry *e = entry_of(cp);
	cv_buf_add(out, e->bytes, e->n);
}

/* Signs that people type for each other. */
static uint32_t
plain_sign(uint32_t cp)
{
	if (cp >= 0x2010 && cp <= 0x2015)
		return '-';
	if (cp >= 0x2018 && cp <= 0x201B)
		return '\'';
	if (cp >= 0x201C && cp <= 0x201F)
		return '"';
	return uc_is_general_category(cp, UC_SPACE_SEPARATOR) ? ' ' : cp;
}

/* One code point of what a large one was taken apart into. */
static void
put_part(uint32_t cp, struct cv_buf *out)
{
	if (cp < CV_FOLD_TABLE_END) {
		put_small(cp, out);
		return;
	}
	int class = uc_combining_class(cp);
	if ((class && class != UC_CCC_KV && class != UC_CCC_VR) ||
	    uc_is_property_default_ignorable_code_point(cp))
		return;
	uint32_t lower = uc_tolower(cp);
	if (lower < CV_FOLD_TABLE_END)
		put_small(lower, out); /* the Kelvin and Angstrom signs */
	else
		cv_utf8_put(out, plain_sign(lower));
}

/* Takes CP apart as far as it goes (three steps at the most in Unicode) and appends the parts. */
static void
put_large(uint32_t cp, struct cv_buf *out)
{
	if (cp >= 0xFF01 && cp <= 0xFF5E) {
		put_small(cp - 0xFF01 + '!', out); /* fullwidth forms */
		return;
	}
	if (cp == 0xFFFD || (cp >= 0x3400 && cp <= 0x9FFF)) {
		cv_utf8_put(out, cp);
		return;
	}
	uint32_t parts[16], tail[16];
	size_t n = 1, tail_n = 0;
	parts[0] = cp;
	ucs4_t two[UC_DECOMPOSITION_MAX_LENGTH];
	for (int steps = 0; steps < 8; steps++) {
		int k = uc_canonical_decomposition(parts[0], two);
		if (k < 1)
			break;
		parts[0] = two[0];
		for (int i = k - 1; i > 0 && tail_n < CV_COUNT(tail); i--)
			tail[tail_n++] = two[i];
	}
	while (tail_n)
		parts[n++ % CV_COUNT(parts)] = tail[--tail_n];
	for (size_t i = 0; i < CV_MIN(n, CV_COUNT(parts)); i++)
		put_part(parts[i], out);
}

/* Some large letters are several once small, such as the ligature ﬃ. */
static void
put_large_cased(uint32_t cp, struct cv_buf *out)
{
	if (cp >= 0xFB00 && cp <= 0xFB17) {
		uint32_t small[8];
		size_t n = CV_COUNT(small);
		uint32_t *folded = u32_casefold(&cp, 1, NULL, NULL, small, &n);
		for (size_t i = 0; folded && i < n; i++)
			put_part(folded[i], out);
		if (folded != small)
			free(folded);
		return;
	}
	put_large(cp, out);
}

/* Two- and three-byte letters below CV_FOLD_TABLE_END that follow each other, and the ASCII between
 * them, straight into memory: most of Vietnamese text. Stops at anything else. */
static size_t
put_table_run(struct cv_str s, size_t from, struct cv_buf *out)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = from, end = CV_MIN(s.n, from + RUN_BYTES),
	       room_n = (end - from) * 3 + ENTRY_BYTES;
	if (room_n > out->max - out->n)
		return from;
	char *room = cv_buf_room(out, room_n), *q = room;
	while (i < end) {
		uint32_t cp;
		if (p[i] < 0x80) {
			*q++ = (char)cv_lower(p[i++]);
			continue;
		}
		if (p[i] >= 0xC2 && p[i] < 0xE0 && s.n - i > 1 && (p[i + 1] & 0xC0) == 0x80) {
			cp = (uint32_t)(p[i] & 0x1F) << 6 | (p[i + 1] & 0x3F);
			i += 2;
		} else if (p[i] == 0xE1 && s.n - i > 2 && (p[i + 1] & 0xC0) == 0x80 &&
		           (p[i + 2] & 0xC0) == 0x80) {
			cp = 0x1000u | (uint32_t)(p[i + 1] & 0x3F) << 6 | (p[i + 2] & 0x3F);
			i += 3;
		} else {
			break;
		}
		const struct cv_fold_entry *e = entry_of(cp);
		memcpy(q, e->bytes, ENTRY_BYTES); /* a fixed length is one or two stores */
		q += e->n;
	}
	out->n += (size_t)(q - room);
	return i;
}

enum cv_status
cv_fold(struct cv_str utf8, struct cv_buf *out)
{
	if (out->full)
		return CV_LIMIT;
	size_t start = out->n;
	for (size_t i = 0; i < utf8.n && !out->full;) {
		size_t end = ascii_end(utf8, i);
		if (end - i >= LONG_ASCII || end == utf8.n) {
			put_ascii_run(utf8, i, end, out);
			i = end;
			continue;
		}
		end = put_table_run(utf8, i, out);
		if (end > i) {
			i = end;
			continue;
		}
		uint32_t cp = cv_utf8_next(utf8, &i);
		if (cp < CV_FOLD_TABLE_END)
			put_small(cp, out);
		else
			put_large_cased(cp, out);
	}
	if (out->full) {
		out->n = start;
		return CV_LIMIT;
	}
	return CV_OK;
}

bool
cv_fold_contains(struct cv_str utf8, struct cv_str needle)
{
	struct cv_buf folded = CV_BUF_INIT(utf8.n * 3 + 16);
	bool found = cv_fold(utf8, &folded) == CV_OK &&
	             (!needle.n || cv_str_search(cv_buf_view(&folded), needle) < folded.n);
	cv_buf_done(&folded);
	return found;
}

/* As folding has it, which leaves Cherokee alone. */
static uint32_t
small_of(uint32_t cp)
{
	return cp >= 0x13A0 && cp <= 0x13F5 ? cp : uc_tolower(cp);
}

/* S is composed. */
static void
put_cased(struct cv_str s, struct cv_buf *out)
{
	for (size_t i = 0; i < s.n && !out->full;) {
		size_t end = ascii_end(s, i);
		if (end > i) {
			put_ascii_run(s, i, end, out);
			i = end;
			continue;
		}
		cv_utf8_put(out, small_of(cv_utf8_next(s, &i)));
	}
}

enum cv_status
cv_fold_case(struct cv_str utf8, struct cv_buf *out)
{
	if (out->full)
		return CV_LIMIT;
	struct cv_buf nfc = CV_BUF_INIT(6 * utf8.n + 64);
	size_t start = out->n;
	if (ascii_end(utf8, 0) == utf8.n) {
		put_cased(utf8, out);
	} else if (!cv_utf8_nfc(utf8, &nfc)) {
		put_cased(cv_buf_view(&nfc), out);
	}
	bool is_whole = !out->full && !nfc.full;
	cv_buf_done(&nfc);
	if (!is_whole) {
		out->n = start;
		return CV_LIMIT;
	}
	return CV_OK;
}

bool
cv_fold_case_contains(struct cv_str utf8, struct cv_str needle)
{
	struct cv_buf cased = CV_BUF_INIT(utf8.n * 6 + 64);
	bool found = cv_fold_case(utf8, &cased) == CV_OK &&
	             (!needle.n || cv_str_search(cv_buf_view(&cased), needle) < cased.n);
	cv_buf_done(&cased);
	return found;
}

enum cv_status
cv_fold_ascii(struct cv_str s, struct cv_buf *out)
{
	char *room = cv_buf_room(out, s.n);
	if (!room)
		return CV_LIMIT;
	for (size_t i = 0; i < s.n; i++)
		room[i] = (char)cv_lower((unsigned char)s.p[i]);
	out->n += s.n;
	return CV_OK;
}
