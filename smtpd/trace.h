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
	bool broken;              /* too large */
	bool is_cut;              /* ends at a line that is no field, without an empty line */
	size_t return_paths;
	bool has_date, has_message_id;
	struct cv_str message_id; /* without <>; a part of the message */
	bool tls_optional;        /* "TLS-Required: No" (RFC 8689 3) */
};
void smtpd_header_look(struct cv_str message, struct smtpd_header_facts *out);

/* How many of the Received fields of MESSAGE were written by HOST. */
size_t smtpd_received_by(struct cv_str message, const char *host);
/* It has been on the way too often: through any servers, or through this one (RFC 5321 6.3). */
bool smtpd_is_loop(const struct smtpd_session *s, struct cv_str message,
                   const struct smtpd_header_facts *facts);

/* Date and Message-ID for a submission that came without (RFC 6409 8). */
void smtpd_header_complete(struct smtpd_session *s, const struct smtpd_header_facts *facts,
                           struct cv_buf *out);

#endif
