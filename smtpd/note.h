/* note.h - what smtpd writes down of each message for `congvu trace` (common/audit/trace.h).
 *
 *   mail    conn, peer, port, helo, tls, account, from       a transaction began
 *   rcpt    to, reply                                        one recipient, taken or refused
 *   data    mid, size                                        the whole message is here
 *   filter  verdict, ms, quarantine
 *   box     to, result                                       the store's answer for one recipient
 *   queue   q, rcpts                                         entered the queue
 *   end     reply, ms                                        the answer to the client
 *   out     q, to, fate, host, tls, status, reply, next      one try from the queue
 *   report  child, to                                        a bounce or delay notice, and its id
 *   queue-* q, to                                            an operator's hold, release, ...
 *
 * Calls are cheap and never wait; without a trace folder they do nothing.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_NOTE_H
#define SMTPD_NOTE_H

#include "smtpd/session.h"
#include "smtpd/trace.h"

struct smtpd_outcome;

void smtpd_note_mail(struct smtpd_session *s);
/* The recipient that the replies from now on are about; kept in the transaction. */
void smtpd_note_try(struct smtpd_session *s, struct cv_str address);
/* It was taken. */
void smtpd_note_rcpt(struct smtpd_session *s);
/* A reply refused it, or, when none is being tried, the transaction. */
void smtpd_note_refused(struct smtpd_session *s, unsigned code, const char *enhanced,
                        const char *text);
void smtpd_note_data(struct smtpd_session *s, const struct smtpd_header_facts *facts);
void smtpd_note_filter(struct smtpd_session *s, const char *verdict);
/* Every recipient that is a box of its own. */
void smtpd_note_boxes(struct smtpd_session *s);
void smtpd_note_queue(struct smtpd_session *s, const struct cv_queue_msg *msg);
/* The answer to the data; 0: the usual one. */
void smtpd_note_end(struct smtpd_session *s, unsigned code, const char *enhanced,
                    const char *text);

/* For records that no session makes: WHAT is the event. */
void smtpd_note_out(struct smtpd_server *server, const struct cv_queue_msg *msg,
                    const struct cv_queue_rcpt *rcpt, const char *fate, const char *host,
                    const char *tls, const char *status, const char *reply, int64_t next_secs);
void smtpd_note_report(struct smtpd_server *server, const struct cv_queue_msg *about,
                       const char *child);
void smtpd_note_change(struct smtpd_server *server, const struct cv_queue_msg *msg,
                       struct cv_str address, const char *what);

#endif
