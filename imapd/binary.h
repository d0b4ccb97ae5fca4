/* binary.h - a part of a message with its transfer encoding undone, for BINARY (RFC 3516).
 *
 * Encoded octets are fed in order; what comes out goes to a spool, so that memory does not grow
 * with the message, or is only counted. Belongs to one connection. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_BINARY_H
#define IMAPD_BINARY_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/text/mime.h"

struct imapd_decoding;

/* Whether the encoding of the part at PLACE can be undone. */
bool imapd_can_decode(const struct cv_mime_place *place);

/* ENCODING is CV_MIME_QP or CV_MIME_BASE64. No more than the first LIMIT octets are wanted; 0: they
 * are counted and not kept. DIR outlives it. */
struct imapd_decoding *imapd_decoding_new(
	enum cv_mime_encoding encoding, uint64_t limit, const char *dir);
void imapd_decoding_free(struct imapd_decoding *d); /* may be NULL */
/* CV_FULL or CV_TEMPFAIL when the spool cannot be written. */
CV_MUST_CHECK enum cv_status imapd_decoding_feed(
	struct imapd_decoding *d, struct cv_str bytes, struct cv_err *err);
bool imapd_decoding_has_enough(const struct imapd_decoding *d);
/* No more is fed. *size_out: how many octets there are. */
CV_MUST_CHECK enum cv_status imapd_decoding_finish(
	struct imapd_decoding *d, uint64_t *size_out, struct cv_err *err);
/* Appends N octets from OFFSET on, which must be there. */
CV_MUST_CHECK enum cv_status imapd_decoding_read(struct imapd_decoding *d, uint64_t offset,
	size_t n, struct cv_buf *out, struct cv_err *err);

#endif
