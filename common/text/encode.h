/* encode.h - base64, quoted-printable, hex, xtext: strict for protocols, forgiving for MIME.
 *
 * Writers append to a cv_buf and rely on its `full`. Streaming decoders take their input in any
 * pieces and give the same output however it was cut. Pure, no I/O; a decoder belongs to one
 * thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ENCODE_H
#define CV_ENCODE_H

#include "common/base/buf.h"

#define CV_MIME_COLUMNS 76 /* of base64 and quoted-printable lines (RFC 2045) */

/* How many characters base64 with padding needs for N bytes. */
#define CV_BASE64_SIZE(n) (((n) + 2) / 3 * 4)

/* Base64 with padding, on one line. */
void cv_base64_encode(struct cv_str in, struct cv_buf *out);
/* Exactly RFC 4648 section 4: whole groups, right padding, unused bits zero, nothing else; for
 * SASL and the like. CV_INVALID, nothing appended; CV_LIMIT when OUT is full. */
CV_MUST_CHECK enum cv_status cv_base64_decode(struct cv_str in, struct cv_buf *out);
/* RFC 4648 section 5 without padding. The decoder takes padding too, if it is right. */
void cv_base64url_encode(struct cv_str in, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_base64url_decode(struct cv_str in, struct cv_buf *out);

/* MIME base64 in CRLF lines of 76, streaming. */
struct cv_base64_writer {
	unsigned char held[57]; /* a line's worth */
	size_t n;
};
void cv_base64_write(struct cv_base64_writer *w, struct cv_str in, struct cv_buf *out);
void cv_base64_write_end(struct cv_base64_writer *w, struct cv_buf *out);

/* MIME base64 as it arrives: line ends and foreign bytes are skipped, padding may be missing, and
 * data after padding is read on (parts glued together). Start with a zeroed struct. */
struct cv_base64_reader {
	uint32_t bits;
	unsigned held;   /* base64 digits in `bits`, 0..3 */
	bool in_padding; /* the last digit seen was "=" */
	bool is_damaged; /* foreign bytes, or a digit too many or too few */
};
void cv_base64_read(struct cv_base64_reader *r, struct cv_str in, struct cv_buf *out);
void cv_base64_read_end(struct cv_base64_reader *r, struct cv_buf *out);

/* MIME quoted-printable as it arrives: lower-case hex taken, bad "=xx" kept as written, blanks at
 * line ends dropped, lines of any length. Line ends come out as they went in. Start zeroed. */
#define CV_QP_BLANKS_MAX 1000 /* blanks at one place that can be held back; more are let through */
struct cv_qp_reader {
	unsigned char state, digit;
	bool is_damaged;
	bool has_cr;               /* a CR follows the blanks held back */
	uint16_t blanks;           /* how many blanks are held back */
	unsigned char held[CV_QP_BLANKS_MAX];
};
void cv_qp_read(struct cv_qp_reader *r, struct cv_str in, struct cv_buf *out);
void cv_qp_read_end(struct cv_qp_reader *r, struct cv_buf *out);

/* Quoted-printable of text with CRLF or LF lines (written as CRLF), lines up to 76; "From " and a
 * lone "." at the start of a line are protected. */
void cv_qp_encode(struct cv_str in, struct cv_buf *out);

/* Lower-case hex. The decoder takes both cases and an even number of digits: else CV_INVALID. */
void cv_hex_encode(struct cv_str in, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_hex_decode(struct cv_str in, struct cv_buf *out);
/* The value of a hex digit, or -1. */
int cv_hex_digit(unsigned char c);

/* xtext of RFC 3461 (ORCPT, ENVID, AUTH=). */
void cv_xtext_encode(struct cv_str in, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_xtext_decode(struct cv_str in, struct cv_buf *out);

/* Text for HTML, between tags or in an attribute's quotes: & < > " and ' become entities. */
void cv_html_escape(struct cv_str text, struct cv_buf *out);

#endif
