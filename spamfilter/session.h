/* session.h - one MTA connection and the message in it, between libmilter's call-backs.
 *
 * The call-backs of one session come one after the other, but from any thread: all state is here.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SESSION_H
#define SPAM_SESSION_H

#include <sys/socket.h>

#include <libmilter/mfapi.h>

#include "spamfilter/mail.h"

struct spam_session {
	struct spam_server *server;
	uint64_t id;
	uint32_t protocol;              /* SMFIP_* agreed on */
	bool can_edit;                  /* the MTA takes header changes */
	bool can_quarantine;            /* and holds mail for us */
	struct sockaddr_storage client; /* family AF_UNSPEC: no network client */
	char client_text[64];
	char client_name[256];
	char helo[256];
	char authserv_id[256];
	struct spam_mail *mail;
};

/* Registers the call-backs; S outlives smfi_main(). False when libmilter refuses. */
bool spam_session_register(struct spam_server *s);

#endif
