/* bounce.h - reports to the sender (RFC 3461, 3462, 3464): failed, delayed, relayed, delivered.
 *
 * A multipart/report of a text in Vietnamese and English (what happened, why, what to do next), the
 * machine's message/delivery-status, and the message itself or its header. Sent from the null
 * sender, to the store when the sender is ours, else through the queue; mail from the null sender
 * is never reported. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_BOUNCE_H
#define SMTPD_BOUNCE_H

#include "smtpd/client.h"
#include "smtpd/server.h"

enum smtpd_report_action {
	SMTPD_REPORT_FAILED, SMTPD_REPORT_DELAYED, SMTPD_REPORT_RELAYED, SMTPD_REPORT_DELIVERED
};
struct smtpd_report_rcpt {
	const struct cv_queue_rcpt *rcpt;
	const struct smtpd_outcome *outcome;
	enum smtpd_report_action action;
	bool expired;              /* failed because its time ran out */
	const char *peer;          /* the server that answered, or "" */
};

/* Why, for people: chosen by status code and reply. */
struct smtpd_cause {
	const char *vi, *en;           /* what is wrong */
	const char *next_vi, *next_en; /* what to do */
};
const struct smtpd_cause *smtpd_bounce_cause(const struct smtpd_report_rcpt *r);

struct smtpd_report {
	const char *hostname, *province;
	const struct cv_queue_msg *msg;
	const struct smtpd_report_rcpt *rcpts;
	size_t count;
	struct cv_str original;    /* the whole message when IS_FULL, else its header block */
	bool is_full;
	int64_t now_secs;
	const char *id;            /* of Message-ID and boundary: unique */
};
/* Appends the whole report, CRLF lines. CV_LIMIT when OUT is full. */
CV_MUST_CHECK enum cv_status smtpd_bounce_compose(const struct smtpd_report *report,
                                                  struct cv_buf *out, struct cv_err *err);

/* Composes a report on RCPTS of MSG and puts it into the queue; *queued_out tells whether there was
 * anybody to send it to. Not OK: nothing was put, try again later. */
CV_MUST_CHECK enum cv_status smtpd_bounce_send(struct smtpd_server *server,
                                               const struct cv_queue_msg *msg,
                                               const struct smtpd_report_rcpt *rcpts, size_t count,
                                               bool *queued_out, struct cv_err *err);

#endif
