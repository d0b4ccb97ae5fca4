/* login.c - see login.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/login.h"

#include <stdatomic.h>

#include "common/text/encode.h"

#define BYTES_MAX (16u << 10) /* of one message of an exchange */

bool
imapd_peer_may_log_in(struct imapd *d, struct cv_conn *conn, bool is_secure)
{
	return is_secure || cv_netset_has(imapd_config(d)->plain_from, cv_conn_peer(conn));
}

const char *
imapd_login_failed(struct imapd *d, enum cv_auth_result result)
{
	static const char *const words[] = {
		[CV_AUTH_BAD] = "bad",
		[CV_AUTH_SUSPENDED] = "suspended",
		[CV_AUTH_LOCKED] = "locked",
		[CV_AUTH_EXPIRED] = "expired",
		[CV_AUTH_BUSY] = "busy",
		[CV_AUTH_DOWN] = "down",
	};

	assert(result != CV_AUTH_OK && (size_t)result < CV_COUNT(words));
	atomic_fetch_add(&d->failed_logins, 1);
	return words[result];
}

/* ---- a password ---- */

/* Shared by the connection and the check; whoever is last frees it. */
struct imapd_try {
	struct cv_auth_check check;
	struct cv_conn *conn;
	atomic_bool is_done;
	atomic_int refs;
};

void
imapd_try_drop(void *arg)
{
	struct imapd_try *t = arg;

	if (atomic_fetch_sub(&t->refs, 1) == 1) {
		cv_conn_unref(t->conn);
		free(t);
	}
}

static void
on_checked(struct cv_auth_check *check)
{
	struct imapd_try *t = check->arg;

	atomic_store(&t->is_done, true);
	cv_conn_wake(t->conn);
	imapd_try_drop(t);
}

struct imapd_try *
imapd_try_begin(
	struct imapd *d, struct cv_conn *conn, struct cv_str login, struct cv_str password)
{
	struct imapd_try *t = cv_calloc(1, sizeof(*t));

	t->conn = conn;
	cv_conn_ref(conn);
	atomic_init(&t->refs, 2);
	t->check.login = login;
	t->check.password = password;
	t->check.peer = cv_conn_peer(conn);
	t->check.use = CV_AUTH_READ;
	t->check.done = on_checked;
	t->check.arg = t;
	cv_auth_verify(d->auth, &t->check);
	cv_wipe((char *)(uintptr_t)password.p, password.n);
	return t;
}

const struct cv_auth_check *
imapd_try_result(struct imapd_try *t)
{
	return atomic_load(&t->is_done) ? &t->check : NULL;
}

/* ---- SASL ---- */

static void
wake_conn(void *arg)
{
	cv_conn_wake(arg);
}

static enum cv_status
bind_channel(void *arg, const char *type, struct cv_buf *out)
{
	return cv_conn_channel_binding(arg, type, out);
}

/* TLS is the front end's: what its client bound to is another. */
static enum cv_status
bind_nothing(void *arg, const char *type, struct cv_buf *out)
{
	(void)arg;
	(void)type;
	(void)out;
	return CV_NOT_FOUND;
}

static bool
client_cert(void *arg, struct cv_tls_cert *out)
{
	return cv_conn_client_cert(arg, out);
}

void
imapd_conn_sasl_env(
	struct imapd *d, struct cv_conn *conn, bool is_forwarded, struct cv_sasl_env *out)
{
	*out = (struct cv_sasl_env){
		.auth = d->auth,
		.peer = cv_conn_peer(conn),
		.channel_binding = is_forwarded ? bind_nothing : bind_channel,
		.client_cert = is_forwarded ? NULL : client_cert,
		.use = CV_AUTH_READ,
		.wake = wake_conn,
		.arg = conn,
	};
}

struct imapd_exchange *
imapd_exchange_begin(
	struct imapd *d, struct cv_conn *conn, bool is_forwarded, struct cv_str mechanism)
{
	struct imapd_exchange *x = cv_calloc(1, sizeof(*x));
	struct cv_sasl_env env;

	imapd_conn_sasl_env(d, conn, is_forwarded, &env);
	x->sasl = cv_sasl_new(mechanism, &env);
	if (!x->sasl) {
		free(x);
		return NULL;
	}
	x->conn = conn;
	cv_conn_ref(conn);
	cv_buf_init(&x->challenge, BYTES_MAX);
	return x;
}

void
imapd_exchange_free(void *arg)
{
	struct imapd_exchange *x = arg;

	cv_sasl_free(x->sasl);
	cv_wipe(x->challenge.p, x->challenge.n);
	cv_buf_done(&x->challenge);
	cv_conn_unref(x->conn);
	free(x);
}

static void
send_challenge(struct imapd_exchange *x)
{
	struct cv_buf *out = cv_conn_out(x->conn);

	cv_buf_add(out, "+ ", 2);
	cv_base64_encode(cv_buf_view(&x->challenge), out);
	cv_buf_add(out, "\r\n", 2);
}

/* What the mechanism wants next. */
static enum imapd_exchange_step
after_step(struct imapd_exchange *x, enum cv_sasl_step step)
{
	x->is_checking = false;
	switch (step) {
	case CV_SASL_SEND:
		send_challenge(x);
		return IMAPD_X_LINE;
	case CV_SASL_WAIT:
		x->is_checking = true;
		return IMAPD_X_WAIT;
	case CV_SASL_OK:
		if (!x->challenge.n)
			return IMAPD_X_OK;
		send_challenge(x); /* neither protocol has success data */
		x->is_last = true;
		return IMAPD_X_LINE;
	case CV_SASL_FAIL:
		break;
	}
	return IMAPD_X_FAIL;
}

/* An empty answer is one, with P set. */
static enum imapd_exchange_step
feed(struct imapd_exchange *x, struct cv_str base64, struct cv_arena *arena)
{
	struct cv_buf bytes = CV_BUF_INIT(BYTES_MAX);
	struct cv_str response = CV_STR("");
	bool is_bad = cv_base64_decode(base64, &bytes) != CV_OK;

	if (bytes.n)
		response = cv_arena_str(arena, cv_buf_view(&bytes));
	cv_wipe(bytes.p, bytes.n);
	cv_buf_done(&bytes);
	if (is_bad)
		return IMAPD_X_BAD_BASE64;
	if (x->is_last)
		return IMAPD_X_OK;
	cv_buf_reset(&x->challenge);
	enum cv_sasl_step step = cv_sasl_step(x->sasl, response, &x->challenge);
	return after_step(x, step);
}

enum imapd_exchange_step
imapd_exchange_start(struct imapd_exchange *x, struct cv_str initial, struct cv_arena *arena)
{
	x->is_started = true;
	if (!initial.p)
		return after_step(x, cv_sasl_step(x->sasl, CV_STR_EMPTY, &x->challenge));
	return feed(x, cv_str_eq_z(initial, "=") ? CV_STR("") : initial, arena);
}

enum imapd_exchange_step
imapd_exchange_line(struct imapd_exchange *x, struct cv_str line, struct cv_arena *arena)
{
	return cv_str_eq_z(line, "*") ? IMAPD_X_CANCELLED : feed(x, line, arena);
}

enum imapd_exchange_step
imapd_exchange_resume(struct imapd_exchange *x)
{
	cv_buf_reset(&x->challenge);
	return after_step(x, cv_sasl_resume(x->sasl, &x->challenge));
}
