/* fold.h - the two ways text is compared: folded for search, keyed for Vietnamese sorting.
 *
 * The indexer and the query must call the same function: what it yields depends on the input and
 * on the tables of this build alone, never on a locale. Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_FOLD_H
#define CV_FOLD_H

#include "common/base/buf.h"

#define CV_FOLD_VERSION 1 /* goes up when the tables change: indexes must be rebuilt then */

/* Appends UTF8 folded for search: lower case, diacritics dropped, đ as d, fullwidth forms as plain
 * ones. NFC and NFD fold alike, and so do the two ways to place a tone mark (Hoà, Hòa -> hoa).
 * Bad bytes become U+FFFD. The result may be longer than the input (ß -> ss), at most three
 * times. CV_OK, or CV_LIMIT with OUT as it was and `full` set. */
enum cv_status cv_fold(struct cv_str utf8, struct cv_buf *out);

/* Whether NEEDLE, folded already, occurs in UTF8 once that is folded. */
bool cv_fold_contains(struct cv_str utf8, struct cv_str folded_needle);

/* Appends UTF8 in small letters and composed (NFC), with its diacritics: what is compared exactly.
 * Wherever two texts are found in each other so, they are when they are folded. Bad bytes become
 * U+FFFD. CV_OK or CV_LIMIT as above. */
enum cv_status cv_fold_case(struct cv_str utf8, struct cv_buf *out);
/* The same as cv_fold_contains() for such a needle. */
bool cv_fold_case_contains(struct cv_str utf8, struct cv_str cased_needle);

/* Appends S with only A-Z made small: i;ascii-casemap, header names. */
enum cv_status cv_fold_ascii(struct cv_str s, struct cv_buf *out);

/* Appends a key such that memcmp() of two keys orders the texts as a Vietnamese list does:
 * word by word, letters in the order a ă â b c d đ e ê g h i k l m n o ô ơ p q r s t u ư v x y
 * (f j w z at their Latin places), and where the letters of a word are equal its tone in the order
 * ngang, huyền, hỏi, ngã, sắc, nặng. Case, other diacritics and punctuation do not count; digits
 * come before letters, other scripts behind, by code point. Words are parted by one separator
 * however they were spaced. Keys are equal exactly when the texts differ only in what does not
 * count. Holds zero bytes nowhere. At most five times the input. CV_OK or CV_LIMIT as above. */
enum cv_status cv_vi_sort_key(struct cv_str utf8, struct cv_buf *out);

#endif
