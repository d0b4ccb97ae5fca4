/* submission.h - what a logged-in session must pass beyond the grammar: who it is, how much it
 * sent, what it says.
 *
 * Each check fills a decision or writes the refusal itself; in sessions nobody logged in to they
 * all pass. Threads: a session's worker.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_SUBMISSION_H
#define SMTPD_SUBMISSION_H

#include "smtpd/session.h"

/* MAIL: may the account send one message more? False: D says why not. */
bool smtpd_submission_mail(struct smtpd_session *s, struct cv_decision *d);
/* RCPT: one recipient more, OUTSIDE the province or not. False: D says why not. */
bool smtpd_submission_rcpt(
	struct smtpd_session *s, struct cv_str address, bool outside, struct cv_decision *d);
/* A recipient outside was taken whose domain looks misspelt (POL-01): D is what to say in the
 * answer. */
bool smtpd_submission_rcpt_warns(
	struct smtpd_session *s, struct cv_str address, struct cv_decision *d);
/* The recipient taken last was refused after all. */
void smtpd_submission_rcpt_undo(struct smtpd_tx *tx);
/* A recipient was refused for what it is. */
void smtpd_submission_rcpt_refused(struct smtpd_session *s);
/* The whole MESSAGE, whose body starts at BODY_AT: sender identity and secrecy marks. True:
 * refused, the answer is out and nothing of the message is in memory any more. */
bool smtpd_submission_refuses(struct smtpd_session *s, struct cv_str *message, size_t body_at);
/* The message is about to be stored: counts it. True: refused (the account was frozen meanwhile),
 * the answer is out. */
bool smtpd_submission_count_refuses(struct smtpd_session *s);
/* What to write instead of the octets [*start_out, *end_out) of MESSAGE's header; false: nothing.
 * OUT is the caller's. */
bool smtpd_submission_edit(struct smtpd_session *s, struct cv_str header, size_t *start_out,
                           size_t *end_out, struct cv_buf *out);

#endif
