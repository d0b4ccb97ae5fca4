/* fuzzy.h - FUZZY (RFC 6203): how near a folded text comes to the words that were asked for.
 *
 * Words, not substrings: in any order, whole, begun ("nguy" for "nguyen"), sounding alike as
 * Vietnamese is misspelt (tr and ch, s and x, d, gi and r, l and n, i and y, a final n or ng),
 * or an edit away (two in long words). Tone marks and case are gone before: texts are folded
 * (common/text/fold.h). Of three words one may lack. Work is bounded: at most IMAPD_FUZZY_WORDS
 * words are compared with each word of the text, and only those whose letters are alike are
 * compared letter by letter. Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_FUZZY_H
#define IMAPD_FUZZY_H

#include "common/base/arena.h"

#define IMAPD_FUZZY_WORDS 12 /* further ones are not looked for */

struct imapd_fuzzy_word {
	struct cv_str text;
	uint32_t letters; /* a bit for each that it has */
	unsigned reach;   /* edits that still count */
	char sound[12];   /* "": none, as it is no Vietnamese syllable */
};

struct imapd_fuzzy {
	struct cv_str whole; /* folded, as it was asked for */
	unsigned count;
	struct imapd_fuzzy_word words[IMAPD_FUZZY_WORDS];
};

/* What was seen of the words so far, in one text or in several pieces of one. */
struct imapd_fuzzy_found {
	bool has_whole;
	uint8_t best[IMAPD_FUZZY_WORDS]; /* 0..100 for each word */
};

/* NEEDLE is folded and stays where it is. */
struct imapd_fuzzy *imapd_fuzzy_new(struct cv_str needle, struct cv_arena *arena);
/* Looks at HAY, folded; pieces of a text must not cut words to count them. */
void imapd_fuzzy_look(
	const struct imapd_fuzzy *f, struct cv_str hay, struct imapd_fuzzy_found *found);
/* 0: no match; else 1..100, where 100 is the text as it was asked for. */
unsigned imapd_fuzzy_score(const struct imapd_fuzzy *f, const struct imapd_fuzzy_found *found);
/* How near VALUE comes to a limit that it misses by DISTANCE, of which SLACK would be too much:
 * 100 inside, 0 out of reach. */
unsigned imapd_fuzzy_near(uint64_t distance, uint64_t slack);

#endif
