/* signature.c - see signature.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/signature.h"

#define PLACES       (1u << 20)
#define PLACE_WORDS  (PLACES / 64)
#define GAP_MAX      4u /* bytes between two words that still count as one gap */
#define ROOM_BITS    4u /* of the table, for each feature */

struct imapd_signer {
	uint64_t places[PLACE_WORDS];
};

struct imapd_signer *
imapd_signer_new(void)
{
	return cv_calloc(1, sizeof(struct imapd_signer));
}

void
imapd_signer_free(struct imapd_signer *s)
{
	free(s);
}

void
imapd_signer_reset(struct imapd_signer *s)
{
	memset(s, 0, sizeof *s);
}

/* ---- places ---- */

static uint32_t
place_of_three(uint32_t three)
{
	return (uint32_t)(three * 0x9E3779B1u) >> 12;
}

/* Of N bytes, at most IMAPD_FEATURE_BYTES_MAX. */
static uint32_t
place_of(const char *p, size_t n)
{
	uint64_t h = n * 0x9FB21C651E98DF25u;

	for (; n; p += CV_MIN(n, 8u), n -= CV_MIN(n, 8u)) {
		uint64_t w = 0;
		memcpy(&w, p, CV_MIN(n, 8u));
		h = (h ^ w) * 0xD6E8FEB86659FD93u;
		h ^= h >> 32;
	}
	return (uint32_t)((h * 0xD6E8FEB86659FD93u) >> 44);
}

/* Gets each feature of TEXT as it is found. */
typedef void place_fn(void *arg, uint32_t place);

/* Folded text has no capitals; what is not ASCII counts as letters. */
static const bool of_word[256] = {
	['0' ... '9'] = true, ['a' ... 'z'] = true, [0x80 ... 0xFF] = true};

/* Features that reach over the gaps between words. A word at either end of TEXT may be cut: only
 * its bytes beside a gap count. */
static inline void
each_gap(struct cv_str text, place_fn *fn, void *arg)
{
	const char *p = text.p;
	size_t before_end = 0;          /* of the word before the present one */
	size_t end = 0, start = 0;      /* of the present one */
	bool has = false, joined = false; /* there is a present word; it follows closely */

	for (size_t at = 0; at < text.n;) {
		if (!of_word[(unsigned char)p[at]]) {
			at++;
			continue;
		}
		size_t from = at;
		while (at < text.n && of_word[(unsigned char)p[at]])
			at++;
		bool close = has && from - end <= GAP_MAX;
		if (close && joined && from + 1 - (before_end - 1) <= IMAPD_FEATURE_BYTES_MAX)
			fn(arg, place_of(p + before_end - 1, from + 1 - (before_end - 1)));
		for (size_t side = 3; side >= 2 && close; side--)
			if (end - start >= side && at - from >= side)
				fn(arg, place_of(p + end - side, from + side - (end - side)));
		joined = close;
		before_end = end;
		start = from;
		end = at;
		has = true;
	}
}

static inline void
each_three(struct cv_str text, place_fn *fn, void *arg)
{
	const unsigned char *p = (const unsigned char *)text.p;

	if (text.n < 3)
		return;
	uint32_t three = (uint32_t)p[0] << 8 | p[1];
	for (size_t i = 2; i < text.n; i++) {
		three = (three << 8 | p[i]) & 0xFFFFFFu;
		fn(arg, place_of_three(three));
	}
}

/* ---- signing ---- */

static inline void
set_place(void *arg, uint32_t place)
{
	uint64_t *places = arg;
	places[place / 64] |= (uint64_t)1 << (place % 64);
}

void
imapd_signer_add(struct imapd_signer *s, struct cv_str text)
{
	each_three(text, set_place, s->places);
	each_gap(text, set_place, s->places);
}

uint32_t
imapd_signer_finish(struct imapd_signer *s, uint64_t *bits)
{
	uint32_t features = 0;

	for (uint32_t i = 0; i < PLACE_WORDS; i++)
		features += (uint32_t)__builtin_popcountll(s->places[i]);
	uint32_t words = CV_MAX(1u, CV_MIN((features * ROOM_BITS + 63) / 64,
					IMAPD_SIGNATURE_WORDS_MAX));
	memset(bits, 0, words * sizeof *bits);
	for (uint32_t i = 0; i < PLACE_WORDS; i++) {
		for (uint64_t w = s->places[i]; w; w &= w - 1) {
			uint64_t place = i * 64u + (uint32_t)__builtin_ctzll(w);
			uint64_t bit = place * (words * 64u) >> 20;
			bits[bit / 64] |= (uint64_t)1 << (bit % 64);
		}
	}
	return words;
}

/* ---- asking ---- */

struct gather {
	uint32_t *places;
	uint32_t count, max;
};

static void
gather(void *arg, uint32_t place)
{
	struct gather *g = arg;
	if (g->count < g->max)
		g->places[g->count++] = place;
}

uint32_t
imapd_signature_places(struct cv_str needle, uint32_t *places, uint32_t max)
{
	struct gather g = {places, 0, max};

	each_gap(needle, gather, &g);
	each_three(needle, gather, &g);
	return g.count;
}
