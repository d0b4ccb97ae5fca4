/* lookalike.h - words and names of domains that are made to be taken for others.
 *
 * A skeleton is what a hasty reader sees: small letters without diacritics, with the letters of
 * other scripts that look like Latin ones, and groups such as "rn", put into one form. Two texts
 * with one skeleton look alike. It is made for comparing, never for showing. A subset of Unicode's
 * confusables (UTS 39) that covers Latin, Greek, Cyrillic, Armenian, Cherokee, mathematical and
 * enclosed letters. Pure functions, no I/O, thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_LOOKALIKE_H
#define CV_LOOKALIKE_H

#include "common/base/buf.h"

#define CV_LOOKALIKE_LABEL_MAX 63u /* octets of a label's skeleton that are compared */

/* Appends the skeleton of UTF8. Bad bytes become U+FFFD. CV_OK, or CV_LIMIT with OUT as it was. */
enum cv_status cv_skeleton(struct cv_str utf8, struct cv_buf *out);

/* The small ASCII letter or digit that the character C, which is above ASCII and not a Latin letter
 * with marks, is taken for; 0 when there is none. Unlike in a skeleton an i is an i. */
char cv_lookalike_latin(uint32_t c);

/* Whether UTF8 mixes letters of scripts that are never written together in one word: Latin with
 * Cyrillic or Greek, and so on. Digits, hyphens and marks belong to every script. */
bool cv_is_mixed_script(struct cv_str utf8);

/* How near THEIRS, a label or a short name in UTF-8, comes to OURS. */
enum cv_likeness {
	CV_UNLIKE,
	CV_ALIKE_EQUAL,   /* the same word: what differs lies elsewhere */
	CV_ALIKE_LETTERS, /* letters that look the same: lаmgiang, larngiang, 1amgiang */
	CV_ALIKE_TYPING,  /* one letter more, less, other, or two swapped; of six letters or more */
	CV_ALIKE_WORDS    /* ours among words parted by hyphens, or glued to OFFICIAL words */
};
const char *cv_likeness_word(enum cv_likeness likeness); /* "letters" */
/* OFFICIAL: words that are put beside a name to make it look official ("gov", "vn", "ubnd"), ended
 * by NULL; or NULL. */
enum cv_likeness cv_likeness(struct cv_str theirs, struct cv_str ours, const char *const *official);

#endif
