/* recode.h - a message whose bytes the next step cannot carry, with those parts encoded anew.
 *
 * Two ways lead here: BINARYMIME (RFC 3030), which nothing behind the intake ever meets, and 8-bit
 * text for a server without 8BITMIME (RFC 6152 3). A leaf of the MIME tree that does not fit
 * becomes base64 (or quoted-printable, where it is text for a 7-bit server); every other byte stays
 * as it was. What cannot be mended by that is refused: a header or a delimiter that does not fit, a
 * part under multipart/signed, a message that is signed as a whole (DKIM, ARC), parts that may not
 * be encoded. Pure but for the memory of a scan; nothing recursive.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_RECODE_H
#define SMTPD_RECODE_H

#include "common/base/err.h"
#include "common/base/str.h"

enum smtpd_carrier {
	SMTPD_CARRIES_LINES, /* 8-bit lines of up to 998 octets that end in CR LF, no NUL */
	SMTPD_CARRIES_7BIT   /* such lines of ASCII */
};

bool smtpd_carries(enum smtpd_carrier carrier, struct cv_str bytes);

typedef enum cv_status smtpd_recode_fn(void *arg, struct cv_str bytes, struct cv_err *err);
/* Calls FN with the bytes of what MESSAGE becomes, which CARRIER carries. CV_INVALID: it cannot be
 * mended, and ERR says why; FN may have been called by then. Else what FN answered. */
CV_MUST_CHECK enum cv_status smtpd_recode(struct cv_str message, enum smtpd_carrier carrier,
                                          smtpd_recode_fn *fn, void *arg, struct cv_err *err);

#endif
