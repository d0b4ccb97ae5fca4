/* utf7.h - modified UTF-7 of IMAP mailbox names (RFC 3501 5.1.3), both ways.
 *
 * Strict: each name has one spelling, so that two byte strings never mean one mailbox. Pure
 * functions, no I/O, thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_UTF7_H
#define CV_UTF7_H

#include "common/base/buf.h"

#define CV_UTF7_MAX 4096 /* octets of a name that is converted, either way */

/* Appends the UTF-8 of IN. CV_INVALID, and nothing appended, for 8-bit or control bytes, an
 * unended shift, a shift that need not be, padding bits that are not zero, lone surrogates, U+0000
 * to U+001F and U+007F; CV_LIMIT over CV_UTF7_MAX or the buffer's room. */
CV_MUST_CHECK enum cv_status cv_utf7_decode(struct cv_str in, struct cv_buf *out);

/* Appends the modified UTF-7 of UTF-8 TEXT. CV_INVALID for broken UTF-8 and control characters,
 * CV_LIMIT as above. */
CV_MUST_CHECK enum cv_status cv_utf7_encode(struct cv_str text, struct cv_buf *out);

#endif
