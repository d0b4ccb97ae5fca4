/* session.h - one MTA connection and the message in it, between libmilter's call-backs.
 *
 * The call-backs of one session come one after the other, but from any thread: all state is here.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SESSION_H
#define SPAM_SESSION_H

#include <sys/socket.h>

#include <libmilter/mfapi.h>

#include "common/text/header.h"
#include "common/text/content.h"
#include "spamfilter/server.h"

#define SPAM_RCPTS_MAX 1000 /* remembered of one message; more are let through uncounted */

struct spam_header_field {
	struct cv_str name, value; /* value as the MTA gave it */
};

/* One message; gone at its end or abort. */
struct spam_mail {
	struct cv_arena arena;
	const char *queue_id;
	struct cv_str sender, sender_local, sender_domain; /* domain: A-labels; all empty for <> */
	struct cv_str rcpts[SPAM_RCPTS_MAX];
	size_t rcpt_count;
	struct spam_header_field *fields;
	size_t field_count, field_room, header_bytes;
	bool header_too_large;
	bool is_submission; /* by a user of ours: to be signed, not verified */
	bool has_spf;
	struct spam_spf_answer spf;
	struct spam_dkim_stream *verifier;
	struct spam_dkim_stream *signers[SPAM_KEYS_MAX];
	char sign_names[SPAM_KEYS_MAX][64];
	size_t signer_count;
	const struct spam_key_set *key_set;
	struct cv_content *content;
};

struct spam_session {
	struct spam_server *server;
	uint64_t id;
	uint32_t protocol;              /* SMFIP_* agreed on */
	bool can_edit;                  /* the MTA takes header changes */
	struct sockaddr_storage client; /* family AF_UNSPEC: no network client */
	char client_text[64];
	char helo[256];
	char authserv_id[256];
	struct spam_mail *mail;
};

/* Registers the call-backs; S outlives smfi_main(). False when libmilter refuses. */
bool spam_session_register(struct spam_server *s);

/* judge.c: the end of a message: verdict, reply and header edits. */
sfsistat spam_judge(SMFICTX *ctx, struct spam_session *s);
/* Refuses by DECISION. */
sfsistat spam_refuse(SMFICTX *ctx, struct spam_session *s, const struct cv_decision *decision);

/* author.c: whom the From fields name. */
#define SPAM_AUTHORS_MAX 50
struct spam_author {
	bool is_plain;               /* exactly one From, strictly readable */
	struct cv_str local, domain; /* of the first mailbox; the domain in lower-case A-labels */
	struct cv_str domains[SPAM_AUTHORS_MAX]; /* every different domain in any From field */
	size_t domain_count;
};
void spam_author_read(struct spam_mail *m, struct spam_author *out);
/* The field NAME number NTH (from 0), or NULL. */
const struct spam_header_field *spam_mail_field(
	const struct spam_mail *m, const char *name, size_t nth);

#endif
