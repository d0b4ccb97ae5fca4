/* shape.h - a message as it came is made into what is kept.
 *
 * A submission gets the fields it lacks (RFC 6409 8), the register's name in From (from_name.h),
 * and an empty line where its header ends without one; Return-Path fields go, because ours is
 * written on delivery (RFC 5321 4.4); what came as BINARYMIME and does not consist of lines is
 * encoded anew (recode.h), so that nothing behind the intake meets binary. Where none of it is
 * needed the message stays as it came, byte for byte.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_SHAPE_H
#define SMTPD_SHAPE_H

#include "smtpd/trace.h"

/* MESSAGE is the mapped tx->message, which this unmaps. R_OKAY, or the refusal. */
enum smtpd_reply smtpd_shape(struct smtpd_session *s, const struct smtpd_header_facts *facts,
                             struct cv_str message);

#endif
