/* charset.h - text in any charset that reaches a Vietnamese office, turned into UTF-8.
 *
 * iconv does the families it knows; tables of ours do VISCII, TCVN3 (ABC fonts), VNI, VPS and VIQR,
 * which iconv lacks or gets wrong. What comes out is always valid UTF-8 in NFC. Bad bytes never
 * fail a conversion: each becomes U+FFFD and the next byte is tried. Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_CHARSET_H
#define CV_CHARSET_H

#include "common/base/buf.h"

#define CV_CHARSET_NAME_MAX 64   /* a longer charset name is unknown */
#define CV_CHARSET_GROWTH   4    /* UTF-8 bytes out for each byte in, at most, before NFC */
#define CV_UTF8_RUN_MAX     64   /* combining marks kept in one cluster by cv_utf8_nfc() */

/* Appends IN, written in CHARSET (any case; empty means US-ASCII), to OUT as UTF-8 in NFC.
 * CV_OK; CV_NOT_FOUND when the charset is unknown: then ASCII was appended as it is and every other
 * byte as U+FFFD (text that is valid UTF-8 all the same is appended as such); CV_LIMIT when OUT
 * became full: then OUT is as it was, with `full` set. Text labelled US-ASCII that is valid UTF-8
 * is taken for UTF-8. */
enum cv_status cv_charset_to_utf8(struct cv_str charset, struct cv_str in, struct cv_buf *out);

/* The same for cv_fold(), which mends and takes apart what it reads: neither valid nor composed for
 * certain, and a third faster. */
enum cv_status cv_charset_decode(struct cv_str charset, struct cv_str in, struct cv_buf *out);

/* Whether cv_charset_to_utf8() can decode CHARSET. */
bool cv_charset_known(struct cv_str charset);

/* The reverse, for the charsets of our own tables and for every one of iconv: used to compose
 * fixtures and to answer SEARCH in odd charsets. UTF8 in NFC. What CHARSET lacks becomes '?'.
 * CV_NOT_FOUND, CV_INVALID (UTF8 is not valid) or CV_LIMIT as above. */
enum cv_status cv_charset_from_utf8(struct cv_str charset, struct cv_str utf8, struct cv_buf *out);

/* Strict: no overlong forms, surrogates or code points above U+10FFFF. */
bool cv_utf8_is_valid(struct cv_str s);

/* The length of the longest prefix of S that is valid UTF-8. */
size_t cv_utf8_valid_prefix(struct cv_str s);

/* Decodes the code point at *POS (< s.n) and moves *POS behind it. A bad byte yields U+FFFD and
 * moves *POS by one. */
uint32_t cv_utf8_next(struct cv_str s, size_t *pos);

/* Appends CODE_POINT (a surrogate or one above U+10FFFF as U+FFFD). */
void cv_utf8_put(struct cv_buf *out, uint32_t code_point);

/* S cut to at most MAX_BYTES without splitting a code point. */
struct cv_str cv_utf8_cut(struct cv_str s, size_t max_bytes);

/* Appends IN composed to NFC; bad bytes become U+FFFD. More than CV_UTF8_RUN_MAX combining marks on
 * one letter are cut off. CV_OK, or CV_LIMIT with OUT as it was and `full` set. */
enum cv_status cv_utf8_nfc(struct cv_str in, struct cv_buf *out);

#endif
