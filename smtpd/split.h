/* split.h - a domain of ours that an old server shares while its people move here (SMT-09).
 *
 * An address that the register does not know may still live there. It is asked for by a call to the
 * old server - MAIL FROM:<>, RCPT TO - before we take the message, so that who it refuses is
 * refused here too, at once and without a bounce to a sender who may be made up. Answers are kept:
 * yes for an hour, no for ten minutes, silence for half a minute.
 *
 * No loops: a peer that is the old server itself is never sent back there; an address that is being
 * asked for is not asked for again by a peer that asks in the same way; and mail with our own
 * Received field goes nowhere (expand.h). docs/adr/0040 tells more.
 * Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_SPLIT_H
#define SMTPD_SPLIT_H

#include "smtpd/server.h"

struct smtpd_split;
struct smtpd_split *smtpd_split_new(struct smtpd_server *server);
/* After the net and the resolver have stopped. */
void smtpd_split_free(struct smtpd_split *s);

enum smtpd_split_answer {
	SMTPD_SPLIT_NONE,    /* the domain is not shared */
	SMTPD_SPLIT_WAIT,    /* asked; CONN is woken when the same question has its answer */
	SMTPD_SPLIT_TAKEN,
	SMTPD_SPLIT_REFUSED, /* TEXT has its words */
	SMTPD_SPLIT_LATER,   /* it does not answer, or not now */
	SMTPD_SPLIT_LOOP     /* the peer is the old server: nobody knows the address */
};
#define SMTPD_SPLIT_TEXT 300u
/* ADDRESS at one of our domains, unknown here. IS_NULL: the message has the null sender. */
enum smtpd_split_answer smtpd_split_ask(struct smtpd_split *s, struct cv_str address, bool is_null,
                                        struct cv_conn *conn, char text[SMTPD_SPLIT_TEXT]);

#endif
