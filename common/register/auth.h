/* auth.h - who are you: passwords, SCRAM, client certificates and tokens for smtpd and imapd, over
 * the mapped register.
 *
 * PLAIN and LOGIN: argon2id on a bounded pool (a dummy hash for unknown names, so time tells
 * nothing); a password verified once is remembered under a per-process key, so the next log-in
 * costs a HMAC. App passwords are random and cost a HMAC always. SCRAM-SHA-256 (RFC 5802, 7677)
 * needs no pool. From outside the province's networks an account's own password is refused, in the
 * same time and words as a wrong one (ACC-05), unless the six digits of the account's second factor
 * stand behind it; a code works once, at whichever daemon (totp.h). Five failures of an account
 * from one network (/24, /64) lock that pair for 15 minutes, and the answer to a failure waits,
 * without a thread, longer each time (SEC-05).
 * Login names: full address, or local part in the default domain.
 * Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_AUTH_H
#define CV_AUTH_H

#include "common/base/buf.h"
#include "common/net/tls.h"
#include "common/register/register.h"

struct cv_auth;
CV_MUST_CHECK enum cv_status cv_auth_new(struct cv_register *r, struct cv_auth **out,
                                         struct cv_err *err);
/* Makes what cv_auth_new() shares with other daemons beside the register (DIR is register_dir),
 * before a sandbox forbids making files there. */
void cv_auth_prepare(const char *dir);
void cv_auth_free(struct cv_auth *a);
/* From where an account's own password is taken: INSIDE is a list of networks; ALLOWED drops the
 * rule. Without a call it is taken from everywhere. May be called again at any time. */
CV_MUST_CHECK enum cv_status cv_auth_set_inside(struct cv_auth *a, const char *inside, bool allowed,
                                                struct cv_err *err);
bool cv_auth_is_inside(struct cv_auth *a, const struct sockaddr_storage *peer);
/* A word of this process about TEXT that nobody else can write: for who gave his code. */
void cv_auth_ticket(const struct cv_auth *a, struct cv_str text, uint8_t out[32]);
struct cv_net;
/* The timers that hold answers to failures back. Without a call they are not held. Once, before the
 * first check; NET must be stopped before cv_auth_free(). */
void cv_auth_set_net(struct cv_auth *a, struct cv_net *net);
struct cv_oauth;
/* Tokens are taken from now on; A takes O over. Once, before the first. */
void cv_auth_set_oauth(struct cv_auth *a, struct cv_oauth *o);
struct congvu_options;
/* Both from the options; the server of tokens only the first time. On failure the networks stay as
 * they were. */
CV_MUST_CHECK enum cv_status cv_auth_configure(struct cv_auth *a, const struct congvu_options *m,
                                               struct cv_err *err);
/* Forgets the failed log-ins of ADDRESS from everywhere; from how many networks there were any. */
unsigned cv_auth_unlock(struct cv_auth *a, struct cv_str address);

/* Why a log-in failed. The client hears one sentence for all but EXPIRED and LOCKED. */
enum cv_auth_result {
	CV_AUTH_OK, CV_AUTH_BAD,       /* unknown name or wrong password */
	CV_AUTH_SUSPENDED, CV_AUTH_LOCKED, CV_AUTH_EXPIRED, /* first password not changed in time */
	CV_AUTH_BUSY,                  /* too many checks under way: temporary */
	CV_AUTH_DOWN                   /* the server of tokens does not answer: temporary */
};
/* What the log-in is for: a device's scope must allow it. */
enum cv_auth_use { CV_AUTH_ANY, CV_AUTH_SEND, CV_AUTH_READ };

struct cv_auth_check {
	/* in: copied by cv_auth_verify() */
	struct cv_str login, password;
	const struct sockaddr_storage *peer;
	enum cv_auth_use use;
	bool wants_code;               /* inside too, of who has a second factor */
	struct cv_str code;            /* six digits, or empty */
	bool must_fail;                /* whatever the password: in the time of a wrong one */
	/* out, valid when done */
	enum cv_auth_result result;
	cv_acct_no acct;
	char address[320];             /* the account's primary address */
	char device[64];               /* the name of the device, or "" */
	char tried[320];               /* the account that LOGIN names, or "" */
	bool lacks_code;               /* the password was right, and no code was given: BAD */
	/* called once, maybe before cv_auth_verify() returns, maybe on a pool thread */
	void (*done)(struct cv_auth_check *c);
	void *arg;
};
/* C must live until done. The password is wiped from our memory afterwards. */
void cv_auth_verify(struct cv_auth *a, struct cv_auth_check *c);

/* The server's side of a SASL exchange, one object a try. Mechanisms: "PLAIN", "LOGIN",
 * "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL", "OAUTHBEARER", "XOAUTH2". */
struct cv_sasl;
enum cv_sasl_step {
	CV_SASL_SEND,   /* send *out base64-encoded as a challenge, then feed the answer */
	CV_SASL_WAIT,   /* a password check is under way: wake() will be called, then call resume */
	CV_SASL_OK,     /* logged in: cv_sasl_acct(); *out may hold final server data (SCRAM) that
	                 * must be sent as a last challenge when the protocol has no success data */
	CV_SASL_FAIL    /* cv_sasl_result() says why */
};
struct cv_sasl_env {
	struct cv_auth *auth;
	const struct sockaddr_storage *peer;
	/* Channel binding of the connection; CV_NOT_FOUND without TLS. */
	enum cv_status (*channel_binding)(void *arg, const char *type, struct cv_buf *out);
	/* The peer's verified certificate; false when there is none. NULL: never any. */
	bool (*client_cert)(void *arg, struct cv_tls_cert *out);
	enum cv_auth_use use;
	void (*wake)(void *arg);       /* any thread; usually cv_conn_wake */
	void *arg;
};
/* Appends the mechanisms that this connection can use, each behind PREFIX: " " or " AUTH=". Those
 * of the connection's own security stand only where TLS runs: -PLUS, tokens, and EXTERNAL when the
 * certificate is an account's. */
void cv_sasl_mechanisms(const struct cv_sasl_env *env, const char *prefix, struct cv_buf *out);
/* NULL for an unknown mechanism, and for one that cv_sasl_mechanisms() would not name. */
struct cv_sasl *cv_sasl_new(struct cv_str mechanism, const struct cv_sasl_env *env);
/* RESPONSE: decoded bytes from the client; p NULL at the start when there is no initial
 * response. */
enum cv_sasl_step cv_sasl_step(struct cv_sasl *s, struct cv_str response, struct cv_buf *out);
enum cv_sasl_step cv_sasl_resume(struct cv_sasl *s, struct cv_buf *out);
enum cv_auth_result cv_sasl_result(const struct cv_sasl *s);
cv_acct_no cv_sasl_acct(const struct cv_sasl *s);
const char *cv_sasl_address(const struct cv_sasl *s);
/* The device whose app password or certificate it was; "" for the account's own password. */
const char *cv_sasl_device(const struct cv_sasl *s);
/* For the log when it failed: the address of the account that the client named, "" when there is no
 * such account (people type passwords into the wrong field) or the mechanism names none. */
const char *cv_sasl_tried(const struct cv_sasl *s);
/* Safe while a check is under way. */
void cv_sasl_free(struct cv_sasl *s);

#endif
