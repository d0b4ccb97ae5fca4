/* mail.h - one message under examination, free of libmilter: session.c fills one from an MTA,
 * tool.c from a file.
 *
 * The order of calls: new, client, from, rcpt..., header..., eoh, body..., then spam_judge()
 * (judge.h), free. One thread at a time; what SERVER holds is shared.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_MAIL_H
#define SPAM_MAIL_H

#include <sys/socket.h>

#include "common/base/arena.h"
#include "common/policy/mail.h"
#include "common/text/content.h"
#include "common/text/header.h"
#include "spamfilter/auth.h"
#include "spamfilter/author.h"
#include "spamfilter/body.h"
#include "spamfilter/server.h"
#include "spamfilter/verdict.h"

#define SPAM_RCPTS_MAX 1000      /* remembered of one message; more are let through uncounted */

struct spam_header_field {
	struct cv_str name, value; /* value as the MTA gave it: its leading blank may be there */
};

struct spam_walk;
struct spam_classified;
struct spam_documents;

struct spam_mail {
	struct spam_server *server;
	uint64_t id; /* of the session, for the log */
	struct cv_arena arena;
	const char *queue_id; /* "-" while unknown */
	const struct congvu_options *main;   /* in force when the message began */
	const struct spamfilter_options *opt;
	/* where it comes from */
	struct sockaddr_storage client; /* family AF_UNSPEC: no network client */
	char client_text[64];           /* "192.0.2.1"; "local" */
	const char *client_name;        /* as the MTA resolved it, "" */
	const char *helo;               /* "" when none was given */
	const char *authserv_id;        /* our name in Authentication-Results */
	bool is_submission;             /* by a user of ours: to be signed, not verified */
	const char *login;              /* by which it was submitted; "": the MTA does not say */
	/* envelope */
	struct cv_str sender, sender_local, sender_domain; /* domain: A-labels; all empty for <> */
	struct cv_str rcpts[SPAM_RCPTS_MAX];
	size_t rcpt_count;
	/* message */
	struct spam_header_field *fields;
	size_t field_count, field_room, header_bytes;
	bool header_too_large, header_ended;
	struct spam_body body;
	struct cv_content *content;
	struct spam_walk *walk; /* examiner "walk" */
	struct spam_documents *documents; /* documents.h; NULL until somebody asks */
	struct cv_str subject;  /* decoded; from spam_judge() on, like all below */
	struct spam_author author;
	enum cv_signup_class signup_class; /* of the rule "signup" */
	struct spam_lookups lookups; /* what its checks may still ask DNS */
	/* results */
	struct spam_auth auth;
	bool has_spf; /* may be known from the sender on */
	struct spam_spf_answer spf;
	struct spam_dkim_stream *verifier;
	struct spam_dkim_signature sigs[SPAM_DKIM_SIGNATURES_MAX];
	size_t sig_count;
	bool has_dmarc;
	struct spam_dmarc_answer dmarc;
	struct spam_dmarc_outcome dmarc_outcome;
	struct spam_classified *opinion; /* examiner "classifier"; NULL: it was not asked */
	/* signing */
	struct spam_dkim_stream *signers[SPAM_KEYS_MAX];
	char sign_names[SPAM_KEYS_MAX][64];
	size_t signer_count;
	const struct spam_key_set *key_set;
	struct spam_policy *policy;      /* in force when the message began */
	const struct cv_snapshot *snap;  /* from spam_judge() on */
	struct spam_verdict verdict;
	/* budgets, begun anew by spam_judge() */
	int64_t deadline_ms;     /* cv_mono_ms(): waiting for others ends by then */
	int64_t cpu_end_us;      /* of this thread's clock: looking at the message ends by then */
	/* a milter session tells its MTA that it is still there before a long wait; NULL: nobody */
	void (*progress)(void *arg);
	void *progress_arg;
};

/* ID is for the log. The client is none, the names "". */
struct spam_mail *spam_mail_new(struct spam_server *server, uint64_t id);
void spam_mail_free(struct spam_mail *m); /* NULL is fine */
/* All strings are copied. ADDR of family AF_UNSPEC, or NULL: no network client. */
void spam_mail_client(struct spam_mail *m, const struct sockaddr_storage *addr, const char *name,
	const char *helo);
void spam_mail_queue_id(struct spam_mail *m, const char *id);
void spam_mail_authserv(struct spam_mail *m, const char *name);
void spam_mail_login(struct spam_mail *m, const char *name);
/* PATH with or without angle brackets and behind them parameters; what cannot be read is none. */
void spam_mail_from(struct spam_mail *m, struct cv_str path);
void spam_mail_rcpt(struct spam_mail *m, struct cv_str path);
void spam_mail_header(struct spam_mail *m, struct cv_str name, struct cv_str value);
void spam_mail_eoh(struct spam_mail *m);
void spam_mail_body(struct spam_mail *m, struct cv_str bytes);
/* header, eoh and body at once, of a whole message with CRLF line ends. */
void spam_mail_message(struct spam_mail *m, struct cv_str message);

/* The budgets begin: message_secs to wait, message_cpu_ms to work. */
void spam_mail_budget(struct spam_mail *m);
/* Whether the work has cost more than message_cpu_ms: examiners then stop where they are. Finds
 * rule too-costly. */
bool spam_mail_is_costly(struct spam_mail *m);
/* How long may still be waited for others, in milliseconds; 0: no longer. */
unsigned spam_mail_wait_ms(const struct spam_mail *m);

/* The field NAME number NTH (from 0), or NULL. */
const struct spam_header_field *spam_mail_field(
	const struct spam_mail *m, const char *name, size_t nth);

#endif
