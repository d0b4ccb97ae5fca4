/* outbound.h - sends what is in the queue: scheduling, connections, the SMTP client, bounces.
 *
 * A scheduler claims due recipients, groups them by destination (domain, smarthost, or the local
 * store), keeps at most so many connections in all and to one destination, reuses connections, and
 * writes the outcome back. Temporary failures come again with exponential back-off and jitter until
 * the message's life ends; then, and on permanent failures, the sender gets an RFC 3464 report in
 * Vietnamese and English, put into the same queue or the local store. Recipients with a local_acct
 * go to the store's deliverer under the message's delivery id.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_OUTBOUND_H
#define SMTPD_OUTBOUND_H

#include <jansson.h>

#include "common/net/ctl.h"
#include "smtpd/server.h"

CV_MUST_CHECK enum cv_status smtpd_outbound_start(struct smtpd_server *server,
                                                  struct smtpd_outbound **out, struct cv_err *err);
/* Takes smarthost and TLS rules from OPT; a fault in them changes nothing. What is already loaded
 * for a destination goes there still. */
CV_MUST_CHECK enum cv_status smtpd_outbound_configure(struct smtpd_outbound *o,
                                                      const struct smtpd_options *opt,
                                                      struct cv_err *err);
/* Finishes or abandons what is under way within GRACE_MS; unfinished recipients stay in the queue.
 * Kicks and requests may still come afterwards, until smtpd_outbound_free(). */
void smtpd_outbound_stop(struct smtpd_outbound *o, unsigned grace_ms);
/* After the net, the deliverer and the resolver have stopped, before the queue is closed. */
void smtpd_outbound_free(struct smtpd_outbound *o);
/* The old server that shares DOMAIN with us (split.h); false when none does. Any thread. */
struct smtpd_transport;
bool smtpd_outbound_split(struct smtpd_outbound *o, struct cv_str domain,
                          struct smtpd_transport *out);
/* Something was put: look at the queue now. Any thread, cheap. */
void smtpd_outbound_kick(struct smtpd_outbound *o);
/* Appends connections, claims and the busiest destinations. */
struct cv_buf;
void smtpd_outbound_metrics(struct smtpd_outbound *o, struct cv_buf *out);
/* A message that was taken for ADDRESS of ours: a report on TLS, perhaps. Any thread, cheap. */
void smtpd_outbound_offer(struct smtpd_outbound *o, struct cv_str address,
                          struct cv_spool *message);
/* "tlsrpt.*" (tlsrpt.h); "queue.list", "queue.show", "queue.retry", "queue.hold",
 * "queue.release", "queue.delete",  "queue.bounce", "queue.stats" on the control socket. */
CV_MUST_CHECK enum cv_status smtpd_outbound_do(struct smtpd_outbound *o, struct cv_ctl_call *call,
                                               json_t **reply_out, struct cv_err *err);

/* outbound_account.c: holds (or releases) the queued outside mail that ACCT submitted; what is
 * being sent at this moment goes. *REPLY_OUT (may be NULL): counts as "queue.hold" answers them.
 * Blocks on the disk. */
CV_MUST_CHECK enum cv_status smtpd_outbound_hold_account(struct smtpd_server *server,
                                                         cv_acct_no acct, bool hold,
                                                         json_t **reply_out, struct cv_err *err);

#endif
