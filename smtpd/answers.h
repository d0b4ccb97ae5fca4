/* answers.h - what boxes answer by themselves: that somebody is away (ACC-06), that mail has
 * reached an agency (SMT-08); by RFC 3834.
 *
 * One answer a sender and box in seven days, one receipt a day, kept as hashes in rows of the
 * queue's environment. Only people who wrote to the box itself are answered: never lists, robots,
 * bounces, other answers, mail that a filter marked; receipts only go outside, to senders that SPF
 * or DMARC vouches for. Answers have the null sender, say "Auto-Submitted: auto-replied", pass the
 * filters of submissions (which sign them) and go through the queue. Decided by one flag of the
 * register at RCPT, so mail for those who are there costs nothing. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_ANSWERS_H
#define SMTPD_ANSWERS_H

#include "smtpd/session.h"

struct smtpd_answers;
CV_MUST_CHECK enum cv_status smtpd_answers_new(struct smtpd_server *server,
                                               struct smtpd_answers **out, struct cv_err *err);
/* Gives up answers that wait for filters, and makes no more; call it while the net still runs.
 * NULL: nothing, here and below. */
void smtpd_answers_stop(struct smtpd_answers *a);
void smtpd_answers_free(struct smtpd_answers *a); /* no session is left */

/* The message of S was taken: tx->answers are made on a thread of its own. */
void smtpd_answers_give(struct smtpd_session *s);

/* What a header says about answering by machine. Pure. */
struct smtpd_answers_facts {
	bool is_personal;              /* nothing speaks against an answer */
	struct cv_str message_id, references, subject; /* slices of the header, raw */
};
void smtpd_answers_look(struct cv_str header, struct smtpd_answers_facts *out);
/* Is SENDER (an envelope's) somebody who may be answered? */
bool smtpd_answers_is_person(struct cv_str sender);

struct smtpd_answers_text {
	struct cv_str from_name, from, to, subject, message_id, references; /* the last three raw */
	bool is_receipt;
	struct cv_str delivery_id;     /* told in a receipt */
	struct cv_str vi, en;          /* of an absence; one may be empty */
	const char *id, *hostname;
	int64_t now_secs;
};
/* The whole answer, CRLF lines. */
void smtpd_answers_compose(const struct smtpd_answers_text *t, struct cv_buf *out);

#endif
