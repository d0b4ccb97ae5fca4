/* client.h - one outgoing SMTP connection (RFC 5321, 1870, 2852, 2920, 3030, 3207, 3461, 6152,
 * 6531, 6710, 8689, 9422).
 *
 *   connect -> greeting -> EHLO (HELO) -> STARTTLS, EHLO when offered -> ready
 *   ready -> MAIL, RCPT..., DATA (in one go with PIPELINING) -> body -> answer -> ready ...
 *            or, with CHUNKING, MAIL, RCPT..., then BDAT piece by piece -> answer
 *            again for the recipients that a limit of the server left over
 *   ready without a job -> idle for a moment -> QUIT
 *
 * How much TLS the server must offer is its owner's word; a server that falls short gets QUIT
 * before any envelope. The client asks its owner for jobs and tells how each recipient fared; it
 * never waits and never decides what a failure means for the queue. All owner calls come from the
 * worker that runs the connection, one at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_CLIENT_H
#define SMTPD_CLIENT_H

#include "common/base/spool.h"
#include "common/net/net.h"
#include "common/net/tls.h"
#include "common/store/queue.h"
#include "smtpd/client_reply.h"
#include "smtpd/tlspolicy.h"

enum smtpd_fate { SMTPD_UNTRIED, SMTPD_SENT, SMTPD_LATER, SMTPD_FAILED };

/* How one recipient fared. */
struct smtpd_outcome {
	enum smtpd_fate fate;
	char status[12];       /* RFC 3463, never empty once there is a fate */
	char text[501];        /* the peer's answer, or our words */
	bool by_peer;          /* TEXT is the peer's */
	bool dsn_passed_on;    /* the next server will report success and failure */
	bool by_passed_on;     /* the next server knows the DELIVERBY time */
};

/* Some recipients of one message that go to one place. */
struct smtpd_job {
	struct cv_link link;
	const struct cv_queue_msg *msg;
	const struct cv_queue_rcpt **rcpts;
	struct smtpd_outcome *outcomes; /* one a recipient */
	size_t count;
	char peer[256];                 /* name of the server that answered, or "" */
	const char *tls;                /* the policy it travelled under, for logs; or NULL */
	bool reported;                  /* the owner's: the sender has been told */
	void *owner;                    /* the owner's: what the job is made of */
};

enum smtpd_client_end {
	SMTPD_END_GOOD,       /* said QUIT */
	SMTPD_END_CONNECT,    /* never connected */
	SMTPD_END_GREETING,   /* refused or no SMTP server */
	SMTPD_END_TLS,        /* the handshake failed: may work without */
	SMTPD_END_POLICY,     /* the server offers less than the owner asked for */
	SMTPD_END_LOST        /* broke after it had been ready */
};

struct smtpd_client;
struct smtpd_client_owner {
	/* The connection is ready for jobs (once). */
	void (*ready)(struct smtpd_client *c);
	/* The next job, or NULL: the client idles and asks again when its connection is woken. With
	 * is_draining (the owner may set it) NULL makes it say QUIT; a job is then the last. */
	struct smtpd_job *(*next)(struct smtpd_client *c);
	/* JOB has an outcome for every recipient. */
	void (*done)(struct smtpd_client *c, struct smtpd_job *job);
	/* The reused connection was closed before it took JOB: nothing happened to it. */
	void (*back)(struct smtpd_client *c, struct smtpd_job *job);
	/* Last call. */
	void (*closed)(struct smtpd_client *c, enum smtpd_client_end end, const char *why);
};

enum smtpd_client_state {
	C_CONNECT, C_GREETING, C_EHLO, C_HELO, C_STARTTLS, C_TLS, C_AUTH,
	C_ENVELOPE, C_BODY, C_CHUNK,
	C_ANSWER,
	C_EMPTY, C_RSET, C_IDLE, C_QUIT, C_OVER
};

/* Filled in by the owner down to the line, which keeps it until closed(). */
struct smtpd_client {
	const struct smtpd_client_owner *owner;
	struct cv_queue *queue;
	const char *hello;            /* our name */
	char host[256];               /* the server's name, for SNI and logs */
	struct cv_tls_client *tls;    /* NULL: never TLS */
	enum smtpd_tls_level level;   /* what is wanted of it */
	struct cv_tls_peer tls_peer;  /* whom it must meet; what it points to lasts as long as
	                               * this */
	const char *policy;           /* one word, for logs */
	bool require_tls;             /* the server must offer REQUIRETLS */
	bool is_lmtp;                 /* RFC 2033: LHLO, and an answer for each recipient */
	bool implicit_tls;            /* TLS from the first octet */
	const char *auth;             /* AUTH PLAIN's initial response in base64, never in the
	                               * clear; NULL: none */
	bool no_chunks;               /* DATA, also where CHUNKING is offered */
	const char *spool_dir;        /* for a message that must be encoded anew */
	/* ---- */
	struct cv_conn *conn;         /* inside run() */
	enum smtpd_client_state state;
	struct smtpd_peer_caps caps;
	bool secure, was_ready, is_draining, is_authed;
	unsigned messages;            /* finished on this connection */
	struct smtpd_job *job;
	size_t first, window;         /* the recipients of the job that are being sent to */
	unsigned mails;               /* transactions begun on this connection */
	size_t sent, got, accepted;   /* envelope: commands sent, answers read, recipients taken */
	bool mail_refused, utf8_needed;
	struct cv_spool recoded;      /* what is sent instead of the message, when it is */
	bool is_recoded;
	uint64_t body_at;
	bool line_start, after_cr;    /* of the body as sent */
	enum smtpd_client_end end;
	char why[501];
};

/* For cv_net_connect(); the ctx is the struct smtpd_client. */
extern const struct cv_proto smtpd_client_proto;

/* Appends BYTES of a message to OUT as DATA wants them: lone CR and LF become CR LF, dots at line
 * starts are doubled, a NUL (which some servers drop, so that a dot comes to stand alone) becomes a
 * question mark. *line_start begins true, *after_cr false; both are kept between calls. */
void smtpd_client_stuff(struct cv_buf *out, struct cv_str bytes, bool *line_start, bool *after_cr);
/* The same as BDAT wants them: lines, no dots added. */
void smtpd_client_lines(struct cv_buf *out, struct cv_str bytes, bool *line_start, bool *after_cr);

/* Sets the outcome of a recipient that has none yet. */
void smtpd_outcome_set(struct smtpd_outcome *o, enum smtpd_fate fate, const char *status,
                       const char *fmt, ...) CV_PRINTF(4, 5);

#endif
