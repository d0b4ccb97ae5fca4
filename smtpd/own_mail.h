/* own_mail.h - mail that the daemon writes itself and that is no report on delivery: it passes the
 * filters like a submission, so that it is signed, and goes into the queue.
 *
 * Waits for filters and the disk: for pool threads only.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_OWN_MAIL_H
#define SMTPD_OWN_MAIL_H

#include <jansson.h>

#include "smtpd/server.h"

struct smtpd_own_mail {
	const char *sender, *rcpt; /* addresses without brackets; the sender may be "" */
	const char *author;        /* the account of ours that it is from, for filters */
	struct cv_str text;        /* header and body, CRLF lines */
	bool tls_optional;         /* arriving matters more than TLS (RFC 8689 4) */
	unsigned life_secs;        /* in the queue */
	const char *id;            /* of the delivery, for logs: unique */
};
/* On CV_OK it is in the queue, durably; CV_DENIED: a filter refused it; CV_NOT_FOUND: RCPT is an
 * address of ours that nobody has. *STOP set by another thread: CV_TEMPFAIL soon. */
CV_MUST_CHECK enum cv_status smtpd_own_mail_send(struct smtpd_server *server,
                                                 const struct smtpd_own_mail *m,
                                                 const atomic_bool *stop, struct cv_err *err);

/* "mail.submit" on the control socket: another daemon of ours has a mail to send, such as a report
 * of the filter's. {"sender", "rcpt", "text"}; the sender is of one of our domains. */
CV_MUST_CHECK enum cv_status smtpd_own_mail_do(struct smtpd_server *server, json_t *request,
                                               json_t **reply_out, struct cv_err *err);

#endif
