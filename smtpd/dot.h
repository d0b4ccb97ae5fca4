/* dot.h - the DATA stream: dot-stuffing undone, the end found, bad bytes noticed.
 *
 * Only CR LF "." CR LF ends a message. A bare LF, bare CR or NUL never ends or splits anything: it
 * stays an ordinary byte, sets `bad`, and the message is refused once its real end has come. Fed in
 * any pieces with the same result. Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_DOT_H
#define SMTPD_DOT_H

#include "common/base/str.h"

struct smtpd_dot {
	unsigned char state;
	bool bad;       /* a bare CR, bare LF or NUL was seen */
	bool ended;
};

#define SMTPD_DOT_INIT ((struct smtpd_dot){0})

/* Reads from *IN and gives the next run of message bytes in *out (a slice of the input or of a
 * constant); advances *in past what was used. False when *in is used up or the end was reached
 * (dot->ended). Call again until false. */
bool smtpd_dot_next(struct smtpd_dot *dot, struct cv_str *in, struct cv_str *out);

/* Notes bare CR, bare LF and NUL in bytes that are not dot-stuffed (BDAT); uses `state`, `bad`. */
void smtpd_dot_check(struct smtpd_dot *dot, struct cv_str bytes);
/* A CR as very last byte is bare too. */
void smtpd_dot_check_end(struct smtpd_dot *dot);

#endif
