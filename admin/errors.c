/* errors.c - matching error sentences against the table of their formats, errors.h.
 *
 * A format is cut at its %s into chunks of fixed text and numbers. The first chunk is anchored at
 * the sentence's start and the last at its end; each one between is taken at the first place where
 * it fits, as in matching names with *: no place is tried twice for a chunk. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/errors.h"

#include <string.h>

#include "admin/admin.h"
#include "common/base/err.h"
#include "common/base/str.h"

#define PIECES_MAX 12
#define DEEP_MAX   3 /* sentences within sentences */
#define COLONS_MAX 8 /* places to cut a sentence at */

struct piece {
	const char *p;
	size_t n;
};

struct match {
	struct piece pieces[PIECES_MAX];
	size_t count;
	bool ends_in_text; /* the last piece is the sentence's end, and a %s */
};

static const struct row {
	const char *en, *vi;
} rows[] = {
#define TEXT(en, vi) {en, vi},
#define WORD(en, vi) {en, vi},
#include "admin/error_texts.def"
#undef TEXT
#undef WORD
};

static unsigned short by_length[CV_COUNT(rows)]; /* the row with the most fixed text first */
static bool is_sorted;

enum kind { FIXED, PERCENT, NUMBER, TEXT, NOTHING };

/* What begins at *F of a format; *F moves behind it, *ORDER is N of %N$s, else 0. */
static enum kind
next_part(const char **f, size_t *order)
{
	const char *p = *f;
	size_t number = 0;
	bool is_nothing;

	*order = 0;
	if (*p != '%') {
		*f = p + 1;
		return FIXED;
	}
	p++;
	if (*p == '%') {
		*f = p + 1;
		return PERCENT;
	}
	is_nothing = p[0] == '.' && p[1] == '0' && p[2] == 's';
	for (; *p && !strchr("scdiuxX", *p); p++) {
		number = *p >= '0' && *p <= '9' && number < 100 ? number * 10 + (size_t)(*p - '0')
								  : number;
		if (*p == '$')
			*order = number;
	}
	char letter = *p;
	*f = p + (letter != '\0');
	if (is_nothing)
		return NOTHING;
	return letter == 's' || letter == 'c' || !letter ? TEXT : NUMBER;
}

static size_t
digits(const char *p, char letter)
{
	size_t n = p[0] == '-' ? 1 : 0, sign = n;

	while (p[n] && strchr(letter == 'x' ? "0123456789abcdef" : "0123456789", p[n]))
		n++;
	return n > sign ? n : 0;
}

static bool
add(struct match *m, const char *p, size_t n)
{
	if (m->count == PIECES_MAX)
		return false;
	m->pieces[m->count++] = (struct piece){p, n};
	return true;
}

/* Does the chunk at FORMAT, up to its next %s or its end, fit at AT? *FORMAT and *AT move behind
 * it, and its numbers become pieces. */
static bool
chunk_fits(const char **format, const char **at, struct match *m)
{
	const char *f = *format, *p = *at;
	size_t order;

	while (*f) {
		const char *part = f;
		enum kind kind = next_part(&f, &order);
		if (kind == TEXT) {
			f = part;
			break;
		}
		if (kind == NOTHING)
			continue;
		if (kind == NUMBER) {
			size_t n = digits(p, f[-1]);
			if (!n || !add(m, p, n))
				return false;
			p += n;
			continue;
		}
		if (*p != *part)
			return false;
		p++;
	}
	*format = f;
	*at = p;
	return true;
}

static bool
match(const char *format, const char *sentence, struct match *m)
{
	const char *at = sentence, *end = sentence + strlen(sentence);
	size_t order;

	*m = (struct match){0};
	if (!chunk_fits(&format, &at, m))
		return false;
	while (*format) {
		next_part(&format, &order);
		const char *from = at;
		size_t mine = m->count;
		if (!add(m, from, 0))
			return false;
		if (!*format) {
			m->pieces[mine].n = (size_t)(end - from);
			m->ends_in_text = true;
			return true;
		}
		bool fits = false;
		for (const char *try = from; try <= end && !fits; try++) {
			const char *f = format;
			m->count = mine + 1;
			at = try;
			fits = chunk_fits(&f, &at, m) && (*f || at == end);
			if (fits) {
				m->pieces[mine].n = (size_t)(try - from);
				format = f;
			}
		}
		if (!fits)
			return false;
	}
	return at == end;
}

/* ---- the Vietnamese ---- */

struct out {
	char *p;
	size_t n, room;
	bool is_full;
};

static void
put(struct out *o, const char *p, size_t n)
{
	if (n >= o->room - o->n) {
		o->is_full = true;
		return;
	}
	memcpy(o->p + o->n, p, n);
	o->n += n;
	o->p[o->n] = '\0';
}

static bool translate(struct out *o, const char *sentence, size_t n, unsigned deep);

/* A word of the table that stands as a piece: the name of a state. */
static const char *
word_for(struct piece piece)
{
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (strlen(rows[i].en) == piece.n && !memcmp(rows[i].en, piece.p, piece.n) &&
			!memchr(piece.p, '%', piece.n))
			return rows[i].vi;
	return NULL;
}

/* The text M found goes into VI. What is quoted was typed by somebody and stays. */
static void
fill(struct out *o, const char *vi, const struct match *m, unsigned deep)
{
	size_t next = 0, order;

	while (*vi) {
		const char *part = vi;
		enum kind kind = next_part(&vi, &order);
		if (kind == FIXED || kind == PERCENT) {
			put(o, part, 1);
			continue;
		}
		if (kind == NOTHING)
			continue;
		size_t which = order ? order - 1 : next++;
		if (which >= m->count) {
			o->is_full = true;
			return;
		}
		struct piece piece = m->pieces[which];
		bool is_last = m->ends_in_text && which + 1 == m->count;
		bool is_quoted = piece.n && (piece.p[piece.n] == '\'' || piece.p[piece.n] == '"');
		const char *word = deep && !is_quoted ? word_for(piece) : NULL;
		if (word)
			put(o, word, strlen(word));
		else if (!is_last || !deep || !translate(o, piece.p, piece.n, deep - 1))
			put(o, piece.p, piece.n);
	}
}

/* Letters of the format that are no conversion. */
static size_t
fixed_length(const char *format)
{
	size_t n = 0, order;

	while (*format)
		n += next_part(&format, &order) <= PERCENT ? 1 : 0;
	return n;
}

static int
compare_length(const void *a, const void *b)
{
	unsigned short x = *(const unsigned short *)a, y = *(const unsigned short *)b;
	size_t m = fixed_length(rows[x].en), n = fixed_length(rows[y].en);

	return m != n ? (m < n ? 1 : -1) : (x > y) - (x < y);
}

static void
sort_rows(void)
{
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		by_length[i] = (unsigned short)i;
	qsort(by_length, CV_COUNT(rows), sizeof by_length[0], compare_length);
	is_sorted = true;
}

static bool
translate_whole(struct out *o, const char *sentence, unsigned deep)
{
	struct match m;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const struct row *row = &rows[by_length[i]];
		if (match(row->en, sentence, &m)) {
			fill(o, row->vi, &m, deep);
			return true;
		}
	}
	return false;
}

/* "HEAD: TAIL" where the table knows the tail, or the head. */
static bool
translate_parts(struct out *o, char *sentence, unsigned deep)
{
	size_t start = o->n;

	for (unsigned want_tail = 2; want_tail-- > 0;) {
		char *colon = sentence;
		for (unsigned c = 0; c < COLONS_MAX && (colon = strstr(colon, ": ")) != NULL; c++) {
			*colon = '\0';
			bool has_head = translate_whole(o, sentence, deep);
			if (!has_head)
				put(o, sentence, (size_t)(colon - sentence));
			*colon = ':';
			colon += 2;
			if (want_tail || has_head) {
				put(o, ": ", 2);
				if (translate_whole(o, colon, deep))
					return true;
			}
			if (!want_tail && has_head) {
				put(o, colon, strlen(colon));
				return true;
			}
			o->n = start;
			o->p[start] = '\0';
		}
	}
	return false;
}

/* Adds the Vietnamese of the N bytes at SENTENCE to O; false, O as it was, when there is none. */
static bool
translate(struct out *o, const char *sentence, size_t n, unsigned deep)
{
	char copy[CV_ERR_TEXT_MAX];

	if (!n || n >= sizeof copy)
		return false;
	memcpy(copy, sentence, n);
	copy[n] = '\0';
	return translate_whole(o, copy, deep) || translate_parts(o, copy, deep);
}

bool
admin_error_match(const char *en, const char *vi, const char *sentence, char *out, size_t n)
{
	struct out o = {.p = out, .room = n};
	struct match m;

	if (!n || strnlen(sentence, CV_ERR_TEXT_MAX) >= CV_ERR_TEXT_MAX || !match(en, sentence, &m))
		return false;
	out[0] = '\0';
	fill(&o, vi, &m, 0);
	return !o.is_full;
}

bool
admin_error_vietnamese(const char *sentence, char *out, size_t n)
{
	struct out o = {.p = out, .room = n};

	if (!n)
		return false;
	if (!is_sorted)
		sort_rows();
	out[0] = '\0';
	return translate(&o, sentence, strnlen(sentence, CV_ERR_TEXT_MAX), DEEP_MAX) && !o.is_full;
}
