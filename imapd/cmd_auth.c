/* cmd_auth.c - LOGIN, AUTHENTICATE, STARTTLS: who is there, and over what.
 *
 * Passwords are checked on the pool of common/register; the connection is parked meanwhile.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "imapd/conn.h"
#include "imapd/login.h"
#include "imapd/metadata.h"
#include "imapd/notify.h"

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

	assert(result != CV_AUTH_OK && (size_t)result < CV_COUNT(replies));
	cv_log(cv_conn_id(c->conn), CV_INFO, "imap.login_failed", "why=%s peer=%s account=%s",
		imapd_login_failed(c->server, result), cv_conn_peer_text(c->conn),
		account[0] ? account : "-");
	if (++c->failures >= IMAPD_LOGIN_FAILURES_MAX)
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
	imapd_metadata_forget(&c->login);
	c->is_counted = false;
	imapd_notify_free(c);
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
	free(c->box);
	free(c->groups);
	c->box = NULL;
	c->acct = NULL;
	c->groups = NULL;
	c->address = NULL;
	c->condstore = c->qresync = c->utf8 = c->utf8_accept = c->rev2 = c->uid_only =
		c->metadata = false;
	atomic_store(&c->login.wants_metadata, false);
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

enum cv_step
imapd_cmd_login(struct imapd_conn *c)
{
	struct imapd_args *a = &c->cmd->args;

	if (!imapd_may_log_in(c))
		return imapd_done(c, IMAPD_R_NEED_TLS);
	if (!c->cmd->step) {
		c->cmd->step = imapd_try_begin(c->server, c->conn, a->word[0], a->word[1]);
		c->cmd->release = imapd_try_drop;
	}
	const struct cv_auth_check *check = imapd_try_result(c->cmd->step);
	if (!check)
		return CV_STEP_WAIT;
	if (check->result != CV_AUTH_OK)
		return refuse_login(c, check->result, check->tried);
	return imapd_log_in(c, check->acct, check->address);
}

/* ---- AUTHENTICATE ---- */

static struct imapd_exchange *
begin_exchange(struct imapd_conn *c)
{
	c->cmd->step = imapd_exchange_begin(
		c->server, c->conn, c->is_forwarded, c->cmd->args.word[0]);
	c->cmd->release = c->cmd->step ? imapd_exchange_free : NULL;
	return c->cmd->step;
}

/* One line from the client, fed. False: *step_out is what the handler answers now. */
static bool
take_line(struct imapd_conn *c, struct imapd_exchange *x, enum imapd_exchange_step *out,
	enum cv_step *step_out)
{
	struct cv_str line;
	bool is_bad;

	if (!imapd_read_line(c, &line, &is_bad))
		*step_out = c->has_eof ? CV_STEP_CLOSE : CV_STEP_READ;
	else if (is_bad)
		*step_out = imapd_done(c, IMAPD_R_LINE_TOO_LONG);
	else
		return *out = imapd_exchange_line(x, line, &c->arena), true;
	return false;
}

enum cv_step
imapd_cmd_authenticate(struct imapd_conn *c)
{
	struct imapd_exchange *x = c->cmd->step;
	const struct imapd_args *a = &c->cmd->args;
	enum imapd_exchange_step next = IMAPD_X_LINE;
	enum cv_step step;

	if (!x) {
		if (!imapd_may_log_in(c))
			return imapd_done(c, IMAPD_R_NEED_TLS);
		x = begin_exchange(c);
		if (!x)
			return imapd_done(c, IMAPD_R_NO_MECHANISM);
		next = imapd_exchange_start(
			x, a->has_initial ? a->word[1] : CV_STR_EMPTY, &c->arena);
	} else if (x->is_checking) {
		next = imapd_exchange_resume(x);
	}
	/* Lines may be there already: go on until there is none. */
	while (next == IMAPD_X_LINE)
		if (!take_line(c, x, &next, &step))
			return step;
	switch (next) {
	case IMAPD_X_LINE: /* handled above */
	case IMAPD_X_WAIT:
		return CV_STEP_WAIT;
	case IMAPD_X_OK:
		return imapd_log_in(c, cv_sasl_acct(x->sasl), cv_sasl_address(x->sasl));
	case IMAPD_X_FAIL:
		return refuse_login(c, cv_sasl_result(x->sasl), cv_sasl_tried(x->sasl));
	case IMAPD_X_CANCELLED:
		return imapd_done(c, IMAPD_R_CANCELLED);
	case IMAPD_X_BAD_BASE64:
		break;
	}
	return imapd_done(c, IMAPD_R_BAD_BASE64);
}
