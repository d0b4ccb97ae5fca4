/* encoded_word.h - non-ASCII text in header fields (RFC 2047), both ways.
 *
 * Decoding is forgiving and always yields valid UTF-8: it is for display, search and filing.
 * Pure functions, no I/O, thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ENCODED_WORD_H
#define CV_ENCODED_WORD_H

#include "common/base/buf.h"

#define CV_WORD_MAX 75           /* octets of an encoded word that we write */
#define CV_WORD_READ_MAX 65536   /* octets of an encoded word that we read; longer stays as it is */
#define CV_WORD_CHARSET_MAX 64

/* Appends VALUE (raw or unfolded) unfolded and decoded. Blanks between adjacent encoded words go;
 * words of one charset are joined before conversion, so a character split between two survives; a
 * charset nobody knows gives U+FFFD for each byte above 127; a broken word stays as written.
 * Bytes above 127 outside words are taken as UTF-8 if they are that, else as FALLBACK (a charset
 * name; may be empty: U+FFFD). Control bytes become blanks. */
void cv_words_decode(struct cv_str value, struct cv_str fallback, struct cv_buf *out);

/* Whether VALUE has anything that cv_words_decode() would change beside folding. */
bool cv_words_is_coded(struct cv_str value);

/* Appends UTF-8 TEXT as unstructured field text: plain runs of words stay, runs that need it become
 * UTF-8 encoded words (B or Q, the shorter) of at most 75 octets, each of whole characters,
 * separated by blanks. No folding. */
void cv_words_encode(struct cv_str text, struct cv_buf *out);

/* The same for a phrase (a display name): atoms, a quoted string, or encoded words whose Q form
 * keeps to the letters that a phrase allows. */
void cv_phrase_encode(struct cv_str text, struct cv_buf *out);

#endif
