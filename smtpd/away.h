/* away.h - what senders hear while somebody is away (ACC-06), by RFC 3834.
 *
 * One answer a sender and box in seven days, kept as hashes in rows of the queue's environment.
 * Only people who wrote to the box itself are answered: never lists, robots, bounces, other
 * answers, mail that a filter marked. Answers have the null sender, say "Auto-Submitted:
 * auto-replied", pass the filters of submissions (which sign them) and go through the queue.
 * Decided by one flag of the register at RCPT, so mail for those who are there costs nothing.
 * Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_AWAY_H
#define SMTPD_AWAY_H

#include "smtpd/session.h"

struct smtpd_away;
CV_MUST_CHECK enum cv_status smtpd_away_new(struct smtpd_server *server, struct smtpd_away **out,
                                            struct cv_err *err);
/* Gives up answers that wait for filters, and makes no more; call it while the net still runs.
 * NULL: nothing, here and below. */
void smtpd_away_stop(struct smtpd_away *a);
void smtpd_away_free(struct smtpd_away *a); /* no session is left */

/* The message of S was taken: answers for tx->absent are made on a thread of its own. */
void smtpd_away_answer(struct smtpd_session *s);

/* What a header says about answering by machine. Pure. */
struct smtpd_away_facts {
	bool is_personal;              /* nothing speaks against an answer */
	struct cv_str message_id, references, subject; /* slices of the header, raw */
};
void smtpd_away_look(struct cv_str header, struct smtpd_away_facts *out);
/* Is SENDER (an envelope's) somebody who may be answered? */
bool smtpd_away_is_person(struct cv_str sender);

struct smtpd_away_text {
	struct cv_str from_name, from, to, subject, message_id, references; /* the last three raw */
	struct cv_str vi, en;          /* one may be empty */
	const char *id, *hostname;
	int64_t now_secs;
};
/* The whole answer, CRLF lines. */
void smtpd_away_compose(const struct smtpd_away_text *t, struct cv_buf *out);

#endif
