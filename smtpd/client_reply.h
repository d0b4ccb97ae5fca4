/* client_reply.h - what another server answers (RFC 5321 4.2), read strictly. Pure, no I/O.
 *
 * A reply is read out of the connection's input once all of its lines are there; nothing is kept
 * between calls, so it does not matter how the bytes arrived.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_CLIENT_REPLY_H
#define SMTPD_CLIENT_REPLY_H

#include "common/base/err.h"
#include "common/base/str.h"

#define SMTPD_PEER_LINE_MAX  2048u /* RFC 5321 4.5.3.1.5 asks 512 */
#define SMTPD_PEER_LINES_MAX 100u
#define SMTPD_PEER_REPLY_MAX (16u << 10)

struct smtpd_peer_reply {
	unsigned code;          /* 200..599 */
	char status[12];        /* enhanced code of the first line that fits the code, or "" */
	struct cv_str raw;      /* all lines with their CRLFs; a slice of the input */
};

/* Reads one reply at the start of IN. CV_AGAIN: more bytes are needed. CV_INVALID and CV_LIMIT:
 * this is no SMTP server. On CV_OK *used_out bytes belong to the reply. */
CV_MUST_CHECK enum cv_status smtpd_peer_reply_parse(struct cv_str in, struct smtpd_peer_reply *out,
                                                    size_t *used_out, struct cv_err *err);
/* The texts of all lines in one, "550 5.1.1 No such user", printable, at most N - 1 bytes, UTF-8
 * not cut inside a letter. */
void smtpd_peer_reply_text(const struct smtpd_peer_reply *reply, char *out, size_t n);

/* What EHLO offered. */
struct smtpd_peer_caps {
	bool pipelining, eightbit, utf8, dsn, starttls, chunking, has_size, requiretls, auth_plain;
	bool deliverby, priority;
	uint64_t size_max; /* 0: no limit said; so with all below */
	uint64_t by_min_secs;
	uint64_t mail_max, rcpt_max, domain_max; /* LIMITS (RFC 9422), at least 1 */
};
void smtpd_peer_caps_read(const struct smtpd_peer_reply *ehlo, struct smtpd_peer_caps *out);

#endif
