/* auth.h - who are you: passwords and SCRAM for smtpd and imapd, over the mapped register.
 *
 * PLAIN and LOGIN: argon2id on a bounded pool (a dummy hash for unknown names, so time tells
 * nothing); a password verified once is remembered under a per-process key, so the next log-in
 * costs a HMAC. SCRAM-SHA-256 (RFC 5802, 7677) needs no pool. Five failures of an account from one
 * network (/24, /64) lock that pair for 15 minutes (SEC-05). Login names: full address, or local
 * part in the default domain. Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_AUTH_H
#define CV_AUTH_H

#include "common/base/buf.h"
#include "common/register/register.h"

struct cv_auth;
CV_MUST_CHECK enum cv_status cv_auth_new(struct cv_register *r, struct cv_auth **out,
                                         struct cv_err *err);
void cv_auth_free(struct cv_auth *a);

/* Why a log-in failed. The client hears one sentence for all but EXPIRED and LOCKED. */
enum cv_auth_result {
	CV_AUTH_OK, CV_AUTH_BAD,       /* unknown name or wrong password */
	CV_AUTH_SUSPENDED, CV_AUTH_LOCKED, CV_AUTH_EXPIRED, /* first password not changed in time */
	CV_AUTH_BUSY                   /* too many checks under way: temporary */
};

struct cv_auth_check {
	/* in: copied by cv_auth_verify() */
	struct cv_str login, password;
	const struct sockaddr_storage *peer;
	/* out, valid when done */
	enum cv_auth_result result;
	cv_acct_no acct;
	char address[320];             /* the account's primary address */
	/* called once, maybe before cv_auth_verify() returns, maybe on a pool thread */
	void (*done)(struct cv_auth_check *c);
	void *arg;
};
/* C must live until done. The password is wiped from our memory afterwards. */
void cv_auth_verify(struct cv_auth *a, struct cv_auth_check *c);

/* The server's side of a SASL exchange, one object a try. Mechanisms: "PLAIN", "LOGIN",
 * "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS". */
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
	void (*wake)(void *arg);       /* any thread; usually cv_conn_wake */
	void *arg;
};
/* NULL for an unknown mechanism. */
struct cv_sasl *cv_sasl_new(struct cv_str mechanism, const struct cv_sasl_env *env);
/* RESPONSE: decoded bytes from the client; p NULL at the start when there is no initial
 * response. */
enum cv_sasl_step cv_sasl_step(struct cv_sasl *s, struct cv_str response, struct cv_buf *out);
enum cv_sasl_step cv_sasl_resume(struct cv_sasl *s, struct cv_buf *out);
enum cv_auth_result cv_sasl_result(const struct cv_sasl *s);
cv_acct_no cv_sasl_acct(const struct cv_sasl *s);
const char *cv_sasl_address(const struct cv_sasl *s);
/* Safe while a check is under way. */
void cv_sasl_free(struct cv_sasl *s);

#endif
