/* cmd_auth.c - LOGIN, AUTHENTICATE, STARTTLS: who is there, and over what.
 *
 * Passwords are checked on the pool of common/register; the connection is parked meanwhile.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/encode.h"
#include "imapd/conn.h"

#define FAILURES_MAX 5

enum cv_step
imapd_cmd_starttls(struct imapd_conn *c)
{
	if (!c->server->tls)
		return imapd_done(c, IMAPD_R_NO_TLS);
	/* TLS goes below compression, which cannot be slid under it any more (RFC 8437). */
	if (c->is_secure || cv_conn_is_compressed(c->conn))
		return imapd_done(c, IMAPD_R_BAD_STATE);
	cv_conn_starttls(c->conn);
	c->is_handshaking = true;
	return imapd_done(c, IMAPD_R_STARTTLS);
}

/* ---- what follows a check ---- */

static enum cv_step
refuse_login(struct imapd_conn *c, enum cv_auth_result result, const char *account)
{
	static const enum imapd_reply replies[] = {
		[CV_AUTH_BAD] = IMAPD_R_AUTH_FAILED,
		[CV_AUTH_SUSPENDED] = IMAPD_R_AUTH_FAILED,
		[CV_AUTH_LOCKED] = IMAPD_R_AUTH_LOCKED,
		[CV_AUTH_EXPIRED] = IMAPD_R_AUTH_EXPIRED,
		[CV_AUTH_BUSY] = IMAPD_R_AUTH_BUSY,
		[CV_AUTH_DOWN] = IMAPD_R_AUTH_DOWN,
	};
	static const char *const words[] = {
		[CV_AUTH_BAD] = "bad",
		[CV_AUTH_SUSPENDED] = "suspended",
		[CV_AUTH_LOCKED] = "locked",
		[CV_AUTH_EXPIRED] = "expired",
		[CV_AUTH_BUSY] = "busy",
		[CV_AUTH_DOWN] = "down",
	};

	assert(result != CV_AUTH_OK && (size_t)result < CV_COUNT(replies));
	atomic_fetch_add(&c->server->failed_logins, 1);
	cv_log(cv_conn_id(c->conn), CV_INFO, "imap.login_failed", "why=%s peer=%s account=%s",
		words[result], cv_conn_peer_text(c->conn), account[0] ? account : "-");
	if (++c->failures >= FAILURES_MAX)
		c->is_unwelcome = true;
	/* The advice follows from where the client is, never from what it sent. */
	if (replies[result] == IMAPD_R_AUTH_FAILED &&
		!cv_auth_is_inside(c->server->auth, cv_conn_peer(c->conn)))
		return imapd_done(c, IMAPD_R_AUTH_FAILED_OUT);
	return imapd_done(c, replies[result]);
}

static struct cv_str
capability_code(struct imapd_conn *c)
{
	struct cv_buf code = CV_BUF_INIT(4096);
	imapd_write_capabilities(c, &code);
	struct cv_str kept = cv_arena_str(&c->arena, cv_buf_view(&code));
	cv_buf_done(&code);
	return kept;
}

void
imapd_log_out(struct imapd_conn *c)
{
	if (c->is_counted)
		imapd_login_remove(c->server, &c->login);
	c->is_counted = false;
}

/* RFC 8437: the connection is as it was before the log-in, but for TLS. */
enum cv_step
imapd_cmd_unauthenticate(struct imapd_conn *c)
{
	const struct imapd_options *o = imapd_config(c->server)->imapd;

	imapd_conn_enter(c, IMAPD_S_GREETED);
	imapd_log_out(c);
	cv_log(cv_conn_id(c->conn), CV_INFO, "imap.unauthenticated", "user=%s", c->address);
	cv_acct_close(c->acct);
	free(c->address);
	c->acct = NULL;
	c->address = NULL;
	c->condstore = c->qresync = c->utf8 = c->utf8_accept = c->rev2 = false;
	c->failures = c->errors = 0;
	c->login_deadline_ms = cv_mono_ms() + 1000 * (int64_t)o->login_timeout;
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_log_in(struct imapd_conn *c, cv_acct_no acct, const char *address)
{
	struct cv_err err = {0};
	cv_ticket ticket = 0;

	free(c->address);
	c->address = cv_strdup(address);
	c->login.conn = c->conn;
	c->login.acct = acct;
	c->login.address = c->address;
	c->login.protocol = "imap";
	c->login.is_secure = c->is_secure;
	c->login.since_secs = cv_wall_secs();
	if (imapd_login_add(c->server, &c->login, &err))
		return imapd_done(c, IMAPD_R_TOO_MANY_SESSIONS);
	c->is_counted = true;
	enum cv_status status = cv_acct_open(c->server->store, acct, true, &c->acct, &ticket, &err);
	if (status) {
		imapd_log_out(c);
		return imapd_refuse(c, status, &err);
	}
	imapd_conn_enter(c, IMAPD_S_AUTH);
	cv_audit_count(c->server->audit, acct, CV_COUNT_LOGINS, 1);
	atomic_fetch_add(&c->server->logins, 1);
	cv_log(cv_conn_id(c->conn), CV_INFO, "imap.login", "user=%s peer=%s tls=%d", address,
		cv_conn_peer_text(c->conn), c->is_secure);
	c->cmd->code = capability_code(c);
	return imapd_done_durable(c, ticket);
}

/* ---- LOGIN ---- */

/* Shared by the connection and the check; whoever is last frees it. */
struct login_try {
	struct cv_auth_check check;
	struct cv_conn *conn;
	atomic_bool is_done;
	atomic_int refs;
};

static void
drop_try(void *arg)
{
	struct login_try *t = arg;
	if (atomic_fetch_sub(&t->refs, 1) == 1) {
		cv_conn_unref(t->conn);
		free(t);
	}
}

static void
on_checked(struct cv_auth_check *check)
{
	struct login_try *t = check->arg;
	atomic_store(&t->is_done, true);
	cv_conn_wake(t->conn);
	drop_try(t);
}

static struct login_try *
begin_try(struct imapd_conn *c)
{
	struct login_try *t = cv_calloc(1, sizeof(*t));
	struct imapd_args *a = &c->cmd->args;

	t->conn = c->conn;
	cv_conn_ref(c->conn);
	atomic_init(&t->refs, 2);
	t->check.login = a->word[0];
	t->check.password = a->word[1];
	t->check.peer = cv_conn_peer(c->conn);
	t->check.use = CV_AUTH_READ;
	t->check.done = on_checked;
	t->check.arg = t;
	c->cmd->step = t;
	c->cmd->release = drop_try;
	cv_auth_verify(c->server->auth, &t->check);
	cv_wipe((char *)(uintptr_t)a->word[1].p, a->word[1].n); /* it lies in our arena */
	return t;
}

enum cv_step
imapd_cmd_login(struct imapd_conn *c)
{
	if (!imapd_may_log_in(c))
		return imapd_done(c, IMAPD_R_NEED_TLS);
	struct login_try *t = c->cmd->step ? c->cmd->step : begin_try(c);
	if (!atomic_load(&t->is_done))
		return CV_STEP_WAIT;
	if (t->check.result != CV_AUTH_OK)
		return refuse_login(c, t->check.result, t->check.tried);
	return imapd_log_in(c, t->check.acct, t->check.address);
}

/* ---- AUTHENTICATE ---- */

struct exchange {
	struct cv_sasl *sasl;
	struct cv_conn *conn;
	enum { NEEDS_STEP, NEEDS_LINE, NEEDS_CHECK, NEEDS_LAST_LINE } next;
	struct cv_buf out;
};

static void
free_exchange(void *arg)
{
	struct exchange *x = arg;
	cv_sasl_free(x->sasl);
	cv_wipe(x->out.p, x->out.n);
	cv_buf_done(&x->out);
	cv_conn_unref(x->conn);
	free(x);
}

static void
wake_exchange(void *arg)
{
	cv_conn_wake(arg);
}

static enum cv_status
bind_channel(void *arg, const char *type, struct cv_buf *out)
{
	return cv_conn_channel_binding(arg, type, out);
}

static bool
client_cert(void *arg, struct cv_tls_cert *out)
{
	return cv_conn_client_cert(arg, out);
}

void
imapd_sasl_env(struct imapd_conn *c, struct cv_sasl_env *out)
{
	*out = (struct cv_sasl_env){
		.auth = c->server->auth,
		.peer = cv_conn_peer(c->conn),
		.channel_binding = bind_channel,
		.client_cert = client_cert,
		.use = CV_AUTH_READ,
		.wake = wake_exchange,
		.arg = c->conn,
	};
}

static struct exchange *
begin_exchange(struct imapd_conn *c)
{
	struct exchange *x = cv_calloc(1, sizeof(*x));
	struct cv_sasl_env env;

	imapd_sasl_env(c, &env);
	x->sasl = cv_sasl_new(c->cmd->args.word[0], &env);
	if (!x->sasl) {
		free(x);
		return NULL;
	}
	x->conn = c->conn;
	cv_conn_ref(c->conn);
	cv_buf_init(&x->out, 16u << 10);
	c->cmd->step = x;
	c->cmd->release = free_exchange;
	return x;
}

static void
send_challenge(struct imapd_conn *c, struct exchange *x)
{
	struct cv_buf *out = imapd_out(c);
	cv_buf_add(out, "+ ", 2);
	cv_base64_encode(cv_buf_view(&x->out), out);
	cv_buf_add(out, "\r\n", 2);
}

/* One line from the client; CV_STEP_DONE with the command answered when it ends the exchange. */
static enum cv_step
read_response(struct imapd_conn *c, struct cv_str *out)
{
	bool is_bad;
	struct cv_str line;

	if (!imapd_read_line(c, &line, &is_bad))
		return c->has_eof ? CV_STEP_CLOSE : CV_STEP_READ;
	if (is_bad)
		return imapd_done(c, IMAPD_R_LINE_TOO_LONG);
	if (cv_str_eq_z(line, "*"))
		return imapd_done(c, IMAPD_R_CANCELLED);
	struct cv_buf bytes = CV_BUF_INIT(16u << 10);
	if (cv_base64_decode(line, &bytes))
		imapd_done(c, IMAPD_R_BAD_BASE64);
	else
		*out = cv_arena_str(&c->arena, cv_buf_view(&bytes));
	cv_wipe(bytes.p, bytes.n);
	cv_buf_done(&bytes);
	return CV_STEP_DONE;
}

/* The initial response: "=" says that it is empty (RFC 4959). */
static enum cv_step
initial_response(struct imapd_conn *c, struct cv_str *out)
{
	const struct imapd_args *a = &c->cmd->args;

	*out = CV_STR_EMPTY;
	if (!a->has_initial)
		return CV_STEP_DONE;
	if (cv_str_eq_z(a->word[1], "=")) {
		*out = CV_STR("");
		return CV_STEP_DONE;
	}
	struct cv_buf bytes = CV_BUF_INIT(16u << 10);
	if (cv_base64_decode(a->word[1], &bytes))
		imapd_done(c, IMAPD_R_BAD_BASE64);
	else
		*out = cv_arena_str(&c->arena, cv_buf_view(&bytes));
	cv_wipe(bytes.p, bytes.n);
	cv_buf_done(&bytes);
	return CV_STEP_DONE;
}

/* What the mechanism wants next. */
static enum cv_step
after_step(struct imapd_conn *c, struct exchange *x, enum cv_sasl_step step)
{
	switch (step) {
	case CV_SASL_SEND:
		send_challenge(c, x);
		x->next = NEEDS_LINE;
		return CV_STEP_READ;
	case CV_SASL_WAIT:
		x->next = NEEDS_CHECK;
		return CV_STEP_WAIT;
	case CV_SASL_OK:
		if (!x->out.n)
			return imapd_log_in(c, cv_sasl_acct(x->sasl), cv_sasl_address(x->sasl));
		send_challenge(c, x);
		x->next = NEEDS_LAST_LINE;
		return CV_STEP_READ;
	case CV_SASL_FAIL:
		return refuse_login(c, cv_sasl_result(x->sasl), cv_sasl_tried(x->sasl));
	}
	return CV_STEP_CLOSE;
}

enum cv_step
imapd_cmd_authenticate(struct imapd_conn *c)
{
	struct exchange *x = c->cmd->step;
	struct cv_str response = CV_STR_EMPTY;
	enum cv_step step = CV_STEP_DONE;

	if (!x) {
		if (!imapd_may_log_in(c))
			return imapd_done(c, IMAPD_R_NEED_TLS);
		x = begin_exchange(c);
		if (!x)
			return imapd_done(c, IMAPD_R_NO_MECHANISM);
	}
	for (;;) {
		cv_buf_reset(&x->out);
		switch (x->next) {
		case NEEDS_CHECK:
			step = after_step(c, x, cv_sasl_resume(x->sasl, &x->out));
			break;
		case NEEDS_STEP:
			step = initial_response(c, &response);
			if (step == CV_STEP_DONE && !c->cmd->is_answered)
				step = after_step(c, x, cv_sasl_step(x->sasl, response, &x->out));
			break;
		case NEEDS_LINE:
			step = read_response(c, &response);
			if (step == CV_STEP_DONE && !c->cmd->is_answered)
				step = after_step(c, x,
					cv_sasl_step(x->sasl, response.p ? response : CV_STR(""),
						&x->out));
			break;
		case NEEDS_LAST_LINE:
			step = read_response(c, &response);
			if (step == CV_STEP_DONE && !c->cmd->is_answered)
				return imapd_log_in(
					c, cv_sasl_acct(x->sasl), cv_sasl_address(x->sasl));
			break;
		}
		/* A line may be there already: go on until there is none. */
		if (step != CV_STEP_READ || !cv_conn_in(c->conn).n)
			return step;
	}
}
