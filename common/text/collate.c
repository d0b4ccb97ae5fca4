/* collate.c - keys that sort as a Vietnamese list does (declared in fold.h).
 *
 * A key is one run for each word: two bytes or more for each letter, then the tones of the word,
 * then END_WORD. All bytes of letters are above those of tones, and tones above END_WORD, so a word
 * sorts before its continuations and a level tone before the others.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <uninorm.h>

#include "common/text/charset.h"
#include "common/text/fold.h"

enum { END_WORD = 1, TONE_GRAVE, TONE_HOOK, TONE_TILDE, TONE_ACUTE, TONE_DOT };
enum { DIGIT_0 = 0x10, LETTER_A = 0x20, OTHER_SCRIPT = 0x80 };
#define WORD_TONES_MAX 32 /* of one word; no word has so many */

/* The letters in their order; W, F, J, Z at their Latin places. */
static const uint16_t alphabet[] = {
	'a', 0x103, 0xE2, 'b', 'c', 'd', 0x111, 'e', 0xEA, 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm',
	'n', 'o', 0xF4, 0x1A1, 'p', 'q', 'r', 's', 't', 'u', 0x1B0, 'v', 'w', 'x', 'y', 'z',
};

struct word {
	unsigned char tones[WORD_TONES_MAX];
	size_t tone_n;
	bool has_letters;
};

static void
end_word(struct word *w, struct cv_buf *out)
{
	if (!w->has_letters)
		return;
	cv_buf_add(out, w->tones, w->tone_n);
	cv_buf_c(out, END_WORD);
	*w = (struct word){ .has_letters = false };
}

static unsigned char
tone_of(uint32_t mark)
{
	switch (mark) {
	case 0x300: case 0x340: return TONE_GRAVE;
	case 0x309: return TONE_HOOK;
	case 0x303: return TONE_TILDE;
	case 0x301: case 0x341: return TONE_ACUTE;
	case 0x323: return TONE_DOT;
	default: return 0;
	}
}

/* The letter with its shape and without its tone: ế is ê and acute. *tone 0 when it has none. */
static uint32_t
split_tone(uint32_t cp, unsigned char *tone)
{
	ucs4_t two[UC_DECOMPOSITION_MAX_LENGTH];
	*tone = 0;
	if (cp < 0xC0 || uc_canonical_decomposition(cp, two) != 2)
		return cp;
	*tone = tone_of(two[1]);
	if (*tone)
		return two[0];
	/* ặ is ạ with a breve, ệ is ẹ with a circumflex. */
	ucs4_t inner[UC_DECOMPOSITION_MAX_LENGTH];
	if (uc_canonical_decomposition(two[0], inner) == 2 && (*tone = tone_of(inner[1])) != 0) {
		uint32_t shaped = uc_composition(inner[0], two[1]);
		return shaped ? shaped : inner[0];
	}
	return cp;
}

static int
place_of(uint32_t cp)
{
	for (size_t i = 0; i < CV_COUNT(alphabet); i++)
		if (alphabet[i] == cp)
			return (int)i;
	return -1;
}

static uint32_t
small(uint32_t cp)
{
	switch (cp) {
	case 0x102: return 0x103;
	case 0xC2: return 0xE2;
	case 0x110: return 0x111;
	case 0xD0: case 0xF0: return 0x111; /* Ð typed for Đ */
	case 0xCA: return 0xEA;
	case 0xD4: return 0xF4;
	case 0x1A0: return 0x1A1;
	case 0x1AF: return 0x1B0;
	default: return cp < 0x80 ? cv_lower((unsigned char)cp) : cp;
	}
}

/* Letters of other scripts and signs that count: what search folding leaves of them. */
static void
put_other(uint32_t cp, struct word *w, struct cv_buf *out)
{
	struct cv_buf one = CV_BUF_INIT(8), folded = CV_BUF_INIT(64);
	cv_utf8_put(&one, cp);
	(void)cv_fold(cv_buf_view(&one), &folded); /* 64 bytes hold any */
	struct cv_str f = cv_buf_view(&folded);
	for (size_t i = 0; i < f.n;) {
		uint32_t c = cv_utf8_next(f, &i);
		int place = place_of(c);
		if (place >= 0) {
			cv_buf_c(out, (char)(LETTER_A + place));
		} else if (c >= 0x80) {
			/* Five bytes in code point order, none of them below OTHER_SCRIPT. */
			cv_buf_c(out, (char)OTHER_SCRIPT);
			for (int shift = 18; shift >= 0; shift -= 6)
				cv_buf_c(out, (char)(OTHER_SCRIPT | (c >> shift & 0x3F)));
		} else {
			continue;
		}
		w->has_letters = true;
	}
	cv_buf_done(&one);
	cv_buf_done(&folded);
}

static bool
parts_words(uint32_t cp)
{
	if (cp < 0x80) {
		unsigned char c = (unsigned char)cp;
		return !cv_is_alpha(c) && !cv_is_digit(c) && c != '\'';
	}
	return cp == 0xA0 || (cp >= 0x2000 && cp <= 0x206F && cp != 0x2019) || cp == 0x3000;
}

static void
put_letter(uint32_t cp, struct word *w, struct cv_buf *out)
{
	unsigned char tone = tone_of(cp);
	if (tone) {
		if (w->has_letters && w->tone_n < WORD_TONES_MAX)
			w->tones[w->tone_n++] = tone;
		return;
	}
	uint32_t base = small(split_tone(cp, &tone));
	int place = place_of(base);
	if (base < 0x80 && cv_is_digit((unsigned char)base))
		cv_buf_c(out, (char)(DIGIT_0 + (base - '0')));
	else if (place >= 0)
		cv_buf_c(out, (char)(LETTER_A + place));
	else
		put_other(base, w, out);
	w->has_letters |= place >= 0 || cv_is_digit((unsigned char)CV_MIN(base, 255u));
	if (tone && w->has_letters && w->tone_n < WORD_TONES_MAX)
		w->tones[w->tone_n++] = tone;
}

enum cv_status
cv_vi_sort_key(struct cv_str utf8, struct cv_buf *out)
{
	if (out->full)
		return CV_LIMIT;
	size_t start = out->n;
	struct cv_buf nfc = CV_BUF_INIT(utf8.n * 3 + 16);
	struct word w = { .has_letters = false };
	if (cv_utf8_nfc(utf8, &nfc))
		out->full = true;
	struct cv_str s = cv_buf_view(&nfc);
	for (size_t i = 0; i < s.n && !out->full;) {
		uint32_t cp = cv_utf8_next(s, &i);
		if (parts_words(cp))
			end_word(&w, out);
		else
			put_letter(cp, &w, out);
	}
	end_word(&w, out);
	cv_buf_done(&nfc);
	if (out->full) {
		out->n = start;
		return CV_LIMIT;
	}
	return CV_OK;
}
