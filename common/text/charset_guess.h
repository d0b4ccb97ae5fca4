/* charset_guess.h - which charset Vietnamese text is really in, whatever its label says.
 *
 * Old programs send TCVN3, VNI, VISCII or VPS octets as "iso-8859-1" or as nothing, or turn them
 * into UTF-8 letter by letter as if they were windows-1252. Words tell: what reads as Vietnamese
 * syllables in one charset reads as nothing in the others. Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_CHARSET_GUESS_H
#define CV_CHARSET_GUESS_H

#include "common/base/buf.h"

#define CV_GUESS_OCTETS_MAX (8u << 10) /* that a guess looks at */

/* How many words of TEXT (UTF-8) with letters above ASCII are Vietnamese syllables, and how many
 * are not. */
void cv_vietnamese_words(struct cv_str text, unsigned *good_out, unsigned *bad_out);
/* Whether WORD (UTF-8) could be a Vietnamese syllable by its letters and marks; any case. */
bool cv_is_vietnamese_syllable(struct cv_str word);

/* The charset in which OCTETS read as Vietnamese clearly better than as DECLARED (a charset name;
 * may be empty or unknown); NULL: none does. */
const char *cv_charset_guess(struct cv_str declared, struct cv_str octets);

/* Appends TEXT (UTF-8), words that are octets of an old charset shown as letters of windows-1252
 * put right when enough of them are. Returns how many words were; the charset in *CHARSET_OUT
 * (NULL: none). CV_LIMIT never: what does not fit is left out and OUT->full set. */
unsigned cv_charset_mend(struct cv_str text, struct cv_buf *out, const char **charset_out);

#endif
