/* envelope.h - a header block as a ready IMAP ENVELOPE, and IMAP strings in general.
 *
 * Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ENVELOPE_H
#define CV_ENVELOPE_H

#include "common/base/buf.h"

#define CV_ENVELOPE_MAX        (8u << 20)  /* bytes of one envelope; none comes near */
#define CV_ENVELOPE_LIST_MAX   (1u << 20)  /* bytes of one address list; the rest is left out */
#define CV_ENVELOPE_TEXT_MAX   (64u << 10) /* bytes of a subject or another text field */
#define CV_IMAP_QUOTED_MAX     1000         /* a longer string goes as a literal */

#define CV_ENVELOPE_EMPTY "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"

/* Appends S as an IMAP string: quoted when it is short 7-bit text without CR and LF, else as a
 * literal {n}CRLF. NUL bytes, which neither may hold, are left out. */
void cv_imap_string(struct cv_buf *out, struct cv_str s);
/* The same, but NIL when S is empty. */
void cv_imap_nstring(struct cv_buf *out, struct cv_str s);

/* Appends "(date subject from sender reply-to to cc bcc in-reply-to message-id)" of HEADER (fields
 * with CRLF or LF; an empty line ends it). Subject and names stay encoded as sent; raw bytes above
 * 127 go as literals; sender and reply-to default to from; groups by RFC 3501 7.4.2. Always well
 * formed: CV_OK, or CV_LIMIT when OUT became full (then OUT is as it was). */
enum cv_status cv_envelope_format(struct cv_str header, struct cv_buf *out);

#endif
