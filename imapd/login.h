/* login.h - proving who one is, the same for IMAP and POP3: a password, or a SASL exchange.
 *
 * Passwords are checked on the pool of common/register; the connection is parked meanwhile and
 * woken. Belongs to its connection's thread, but for the wake-up.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_LOGIN_H
#define IMAPD_LOGIN_H

#include "common/base/arena.h"
#include "imapd/server.h"

#define IMAPD_LOGIN_FAILURES_MAX 5 /* of one connection */

/* Whether CONN may log in: TLS runs, or the peer is in plain_login_networks. */
bool imapd_peer_may_log_in(struct imapd *d, struct cv_conn *conn, bool is_secure);
/* What a SASL exchange on CONN may look at; IS_FORWARDED: its TLS is a front end's, not the
 * client's. */
void imapd_conn_sasl_env(
	struct imapd *d, struct cv_conn *conn, bool is_forwarded, struct cv_sasl_env *out);
/* Counts a log-in that failed; the word for the log. */
const char *imapd_login_failed(struct imapd *d, enum cv_auth_result result);

/* ---- a password ---- */

struct imapd_try;
/* Copies LOGIN and PASSWORD; PASSWORD is wiped where it lies. The connection is woken when the
 * check is done. */
struct imapd_try *imapd_try_begin(
	struct imapd *d, struct cv_conn *conn, struct cv_str login, struct cv_str password);
/* The finished check, or NULL while it is under way. */
const struct cv_auth_check *imapd_try_result(struct imapd_try *t);
void imapd_try_drop(void *t); /* at any time */

/* ---- SASL ---- */

enum imapd_exchange_step {
	IMAPD_X_LINE,      /* a challenge was written: give the next line from the client */
	IMAPD_X_WAIT,      /* the connection will be woken: then resume */
	IMAPD_X_OK,        /* logged in: cv_sasl_acct(), cv_sasl_address() */
	IMAPD_X_FAIL,      /* cv_sasl_result() says why */
	IMAPD_X_CANCELLED, /* the client said "*" */
	IMAPD_X_BAD_BASE64
};
struct imapd_exchange {
	struct cv_sasl *sasl;
	struct cv_conn *conn;
	struct cv_buf challenge;
	bool is_started, is_checking, is_last; /* is_last: an empty line ends what is a success */
};
/* NULL: MECHANISM is not offered here. */
struct imapd_exchange *imapd_exchange_begin(
	struct imapd *d, struct cv_conn *conn, bool is_forwarded, struct cv_str mechanism);
void imapd_exchange_free(void *x);
/* The first step: INITIAL is base64 or "=", p NULL when there is no initial response (RFC 4959,
 * 5034). Challenges go to the connection's output: "+ base64". ARENA keeps what was decoded. */
enum imapd_exchange_step imapd_exchange_start(
	struct imapd_exchange *x, struct cv_str initial, struct cv_arena *arena);
enum imapd_exchange_step imapd_exchange_line(
	struct imapd_exchange *x, struct cv_str line, struct cv_arena *arena);
enum imapd_exchange_step imapd_exchange_resume(struct imapd_exchange *x);

#endif
