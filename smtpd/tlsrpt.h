/* tlsrpt.h - reporting on TLS (RFC 8460): what came of every outgoing connection is counted by
 * domain and UTC day, kept in the queue's environment, and told to the domain after the day is
 * over; the reports of others are read and summed up.
 *
 *   event -> list -> (each second) row D/<day>/<domain> -> after midnight UTC and a random wait:
 *   TXT _smtp._tls.<domain> -> no record: the row goes; else mail or HTTPS POST, tried for a day
 *
 * A kill -9 loses at most the last second's events. The table is bounded: so many domains a day,
 * so much a domain. One thread keeps the rows, a small pool looks up and sends.
 * Threads: all calls from any; smtpd_tlsrpt_note() and _offer() only append to a list.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_TLSRPT_H
#define SMTPD_TLSRPT_H

#include "common/base/spool.h"
#include "smtpd/server.h"
#include "smtpd/tlsrpt_report.h"

struct smtpd_tlsrpt;
/* OUTBOUND is kicked when a report went into the queue. */
CV_MUST_CHECK enum cv_status smtpd_tlsrpt_start(struct smtpd_server *server,
                                                struct smtpd_outbound *outbound,
                                                struct smtpd_tlsrpt **out, struct cv_err *err);
/* Writes what was noted and ends the threads; later events are dropped. The net, the resolver and
 * the queue must still be there. */
void smtpd_tlsrpt_stop(struct smtpd_tlsrpt *t);
void smtpd_tlsrpt_free(struct smtpd_tlsrpt *t);

/* Takes E over. T may be NULL (reports are switched off). */
void smtpd_tlsrpt_note(struct smtpd_tlsrpt *t, struct smtpd_tlsrpt_event *e);
/* A message that was taken for ADDRESS: when that is where reports come to, it is read beside its
 * delivery. */
void smtpd_tlsrpt_offer(struct smtpd_tlsrpt *t, struct cv_str address, struct cv_spool *message);

/* The address reports come from and to: tls_report_contact, or tlsrpt@ the default domain. */
void smtpd_tlsrpt_contact(const struct smtpd_server *server, char out[320]);

/* "tlsrpt.pending", "tlsrpt.sent", "tlsrpt.received" ("days"), "tlsrpt.send" ("today": the day
 * under way too; then waits are over) on the control socket. */
CV_MUST_CHECK enum cv_status smtpd_tlsrpt_do(struct smtpd_tlsrpt *t, json_t *request,
                                             json_t **reply_out, struct cv_err *err);

#endif
