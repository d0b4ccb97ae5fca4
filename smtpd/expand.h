/* expand.h - from one recipient to the boxes and outside addresses that stand behind it.
 *
 * A group is its members, a group in a group its members too; a box with forwards is their targets,
 * and itself where a copy is kept; a retired address with a successor that gets its mail is the
 * successor. Each account and each address counts once a message, so loops end by themselves.
 * What goes outside this way has an envelope of its own (RFC 5321 3.9, RFC 3461 5.2.7):
 *   a forward   sender by SRS unless it is ours, NOTIFY, ORCPT and ENVID as they came
 *   a group     sender is the group's owner, whose list it is; the poster's DSN wishes end here
 * and a "Delivered-To" field that ends loops through other servers. docs/adr/0038 tells more.
 * Threads: as the session.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_EXPAND_H
#define SMTPD_EXPAND_H

#include "smtpd/session.h"

#define SMTPD_EXPAND_BOXES 60000u /* boxes of one message */
#define SMTPD_EXPAND_OUTS  2000u  /* outside addresses of one message that expansion brings */
#define SMTPD_EXPAND_BYS   50u    /* groups and forwarded boxes that bring them: a body each */

/* Puts what HIT stands for into R and its transaction. R_OKAY, or why not; what was added is then
 * to be taken back with smtpd_expand_cut(). R's first_box and first_out are set in any case. */
enum smtpd_reply smtpd_expand(struct smtpd_session *s, struct smtpd_rcpt *r,
                              const struct cv_snapshot *snap, const struct cv_reg_hit *hit);
/* Takes back what R added, the last recipient so far. */
void smtpd_expand_cut(struct smtpd_tx *tx, const struct smtpd_rcpt *r);

/* The message is whole: looks for loops in its header, marks a group's mail. R_OKAY, or R_LOOP. */
enum smtpd_reply smtpd_expand_prepare(struct smtpd_session *s);
/* Queues the outside copies; each is an operation of the transaction under way. */
CV_MUST_CHECK enum cv_status smtpd_expand_queue(struct smtpd_session *s);

#endif
