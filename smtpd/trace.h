/* trace.h - the fields an MTA adds: Return-Path, Received; on submission Message-ID and Date. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_TRACE_H
#define SMTPD_TRACE_H

#include "smtpd/session.h"

/* Fills tx->return_path and tx->trace (RFC 5321 4.4). */
void smtpd_trace_write(struct smtpd_session *s);

/* What the header block of a message tells before it is taken. */
struct smtpd_header_facts {
	size_t fields, received;  /* of them trace fields: loop detection */
	size_t body_at;
	bool broken;              /* too large, or its first line is no field */
	bool has_date, has_message_id;
	bool tls_optional;        /* "TLS-Required: No" (RFC 8689 3) */
};
void smtpd_header_look(struct cv_str message, struct smtpd_header_facts *out);

/* Date and Message-ID for a submission that came without (RFC 6409 8). */
void smtpd_header_complete(struct smtpd_session *s, const struct smtpd_header_facts *facts,
                           struct cv_buf *out);

#endif
