/* pop3_auth.c - USER, PASS, AUTH, STLS, and what may be said before log-in: CAPA, LANG, UTF8. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/audit/access.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "imapd/pop3.h"

/* ---- log-in ---- */

static enum cv_step
refuse_login(struct imapd_pop3 *c, enum cv_auth_result result, const char *account)
{
	static const enum imapd_pop3_reply replies[] = {
		[CV_AUTH_BAD] = IMAPD_POP3_R_AUTH_FAILED,
		[CV_AUTH_SUSPENDED] = IMAPD_POP3_R_AUTH_FAILED,
		[CV_AUTH_LOCKED] = IMAPD_POP3_R_AUTH_LOCKED,
		[CV_AUTH_EXPIRED] = IMAPD_POP3_R_AUTH_EXPIRED,
		[CV_AUTH_BUSY] = IMAPD_POP3_R_AUTH_BUSY,
		[CV_AUTH_DOWN] = IMAPD_POP3_R_AUTH_DOWN,
	};

	cv_log(cv_conn_id(c->conn), CV_INFO, "pop3.login_failed", "why=%s peer=%s account=%s",
		imapd_login_failed(c->server, result), cv_conn_peer_text(c->conn),
		account[0] ? account : "-");
	if (++c->failures >= IMAPD_LOGIN_FAILURES_MAX)
		c->is_unwelcome = true;
	/* The advice follows from where the client is, never from what it sent. */
	if (replies[result] == IMAPD_POP3_R_AUTH_FAILED &&
		!cv_auth_is_inside(c->server->auth, cv_conn_peer(c->conn)))
		return imapd_pop3_done(c, IMAPD_POP3_R_AUTH_FAILED_OUT);
	return imapd_pop3_done(c, replies[result]);
}

static void
forget_address(struct imapd_pop3 *c)
{
	free(c->address);
	c->address = NULL;
	c->login.address = NULL;
}

static enum cv_step
log_in(struct imapd_pop3 *c, cv_acct_no acct, const char *address)
{
	struct cv_err err = {0};
	cv_ticket ticket = 0;

	c->address = cv_strdup(address);
	c->login.conn = c->conn;
	c->login.acct = acct;
	c->login.is_pop3 = true;
	c->login.address = c->address;
	c->login.protocol = "pop3";
	c->login.is_secure = c->is_secure;
	c->login.since_secs = cv_wall_secs();
	atomic_store(&c->login.last_secs, c->login.since_secs);
	enum cv_status status = imapd_login_add(c->server, &c->login, &err);
	if (status) {
		forget_address(c);
		return imapd_pop3_done(c, status == CV_EXISTS ? IMAPD_POP3_R_IN_USE
							      : IMAPD_POP3_R_TOO_MANY_SESSIONS);
	}
	c->is_counted = true;
	status = cv_acct_open(c->server->store, acct, true, &c->acct, &ticket, &err);
	if (!status)
		status = imapd_pop3_open_maildrop(c, &err);
	if (status) {
		imapd_pop3_close_maildrop(c);
		forget_address(c);
		return imapd_pop3_refuse(c, status, &err);
	}
	imapd_pop3_enter(c, IMAPD_POP3_TRANSACTION);
	cv_audit_count(c->server->audit, acct, CV_COUNT_LOGINS, 1);
	cv_access_visit(c->server->access, acct, acct, cv_wall_secs(), false);
	atomic_fetch_add(&c->server->pop3_logins, 1);
	cv_log(cv_conn_id(c->conn), CV_INFO, "pop3.login", "user=%s peer=%s tls=%d messages=%u",
		address, cv_conn_peer_text(c->conn), c->is_secure, c->view->exists);
	c->ticket = ticket;
	return imapd_pop3_done(c, IMAPD_POP3_R_OK_READY);
}

static bool
may_log_in(struct imapd_pop3 *c)
{
	return imapd_peer_may_log_in(c->server, c->conn, c->is_secure);
}

enum cv_step
imapd_pop3_user(struct imapd_pop3 *c)
{
	if (!may_log_in(c))
		return imapd_pop3_done(c, IMAPD_POP3_R_NEED_TLS);
	free(c->user);
	struct cv_str name = cv_str_trim(c->args.word[0]);
	c->user = cv_strndup(name.p, name.n);
	return imapd_pop3_done(c, IMAPD_POP3_R_OK_USER);
}

enum cv_step
imapd_pop3_pass(struct imapd_pop3 *c)
{
	if (!may_log_in(c))
		return imapd_pop3_done(c, IMAPD_POP3_R_NEED_TLS);
	if (!c->user)
		return imapd_pop3_done(c, IMAPD_POP3_R_NO_USER);
	if (!c->step) {
		c->step = imapd_try_begin(
			c->server, c->conn, cv_str_z(c->user), c->args.word[0]);
		c->release = imapd_try_drop;
	}
	const struct cv_auth_check *check = imapd_try_result(c->step);
	if (!check)
		return CV_STEP_WAIT;
	free(c->user);
	c->user = NULL;
	if (check->result != CV_AUTH_OK)
		return refuse_login(c, check->result, check->tried);
	return log_in(c, check->acct, check->address);
}

/* ---- AUTH (RFC 5034) ---- */

static void
write_mechanisms(struct imapd_pop3 *c, const char *prefix, struct cv_buf *out)
{
	struct cv_sasl_env env;

	imapd_conn_sasl_env(c->server, c->conn, false, &env);
	cv_sasl_mechanisms(&env, prefix, out);
}

/* Old clients ask so what there is. */
static enum cv_step
list_mechanisms(struct imapd_pop3 *c)
{
	struct cv_buf *out = imapd_pop3_out(c);

	imapd_pop3_respond(out, IMAPD_POP3_R_OK_LIST, c->lang);
	size_t from = out->n;
	write_mechanisms(c, "\n", out);
	struct cv_str rest = cv_arena_str(&c->arena, cv_str(out->p + from, out->n - from)), word;
	out->n = from;
	while (rest.n && cv_str_split(&rest, '\n', &word))
		if (word.n)
			cv_buf_printf(out, "%.*s\r\n", CV_STR_ARGS(word));
	cv_buf_z(out, ".\r\n");
	return imapd_pop3_written(c);
}

/* The exchange's first step of this call. */
static enum imapd_exchange_step
begin_or_resume(struct imapd_pop3 *c)
{
	if (!c->step) {
		c->step = imapd_exchange_begin(c->server, c->conn, false, c->args.word[0]);
		if (!c->step)
			return IMAPD_X_FAIL;
		c->release = imapd_exchange_free;
		return imapd_exchange_start(c->step,
			c->args.count > 1 ? c->args.word[1] : CV_STR_EMPTY, &c->arena);
	}
	struct imapd_exchange *x = c->step;
	return x->is_checking ? imapd_exchange_resume(x) : IMAPD_X_LINE;
}

enum cv_step
imapd_pop3_auth(struct imapd_pop3 *c)
{
	struct cv_str line;
	enum cv_step step;

	if (!may_log_in(c))
		return imapd_pop3_done(c, IMAPD_POP3_R_NEED_TLS);
	if (!c->args.count)
		return list_mechanisms(c);
	enum imapd_exchange_step next = begin_or_resume(c);
	struct imapd_exchange *x = c->step;
	if (!x)
		return imapd_pop3_done(c, IMAPD_POP3_R_NO_MECHANISM);
	/* Lines may be there already: go on until there is none. */
	while (next == IMAPD_X_LINE) {
		if (!imapd_pop3_read_line(c, &line, &step))
			return step;
		next = imapd_exchange_line(x, line, &c->arena);
	}
	switch (next) {
	case IMAPD_X_LINE: /* handled above */
	case IMAPD_X_WAIT:
		return CV_STEP_WAIT;
	case IMAPD_X_OK:
		return log_in(c, cv_sasl_acct(x->sasl), cv_sasl_address(x->sasl));
	case IMAPD_X_FAIL:
		return refuse_login(c, cv_sasl_result(x->sasl), cv_sasl_tried(x->sasl));
	case IMAPD_X_CANCELLED:
		return imapd_pop3_done(c, IMAPD_POP3_R_CANCELLED);
	case IMAPD_X_BAD_BASE64:
		break;
	}
	return imapd_pop3_done(c, IMAPD_POP3_R_BAD_BASE64);
}

/* RFC 2595 4: what was said before is forgotten. */
enum cv_step
imapd_pop3_stls(struct imapd_pop3 *c)
{
	if (!c->server->tls_pop3)
		return imapd_pop3_done(c, IMAPD_POP3_R_NO_TLS);
	if (c->is_secure)
		return imapd_pop3_done(c, IMAPD_POP3_R_BAD_STATE);
	imapd_pop3_respond(imapd_pop3_out(c), IMAPD_POP3_R_OK_STLS, c->lang);
	free(c->user);
	c->user = NULL;
	c->lang = IMAPD_POP3_BOTH;
	c->is_utf8 = false;
	cv_conn_starttls(c->conn);
	c->is_handshaking = true;
	return imapd_pop3_written(c);
}

/* ---- CAPA, LANG ---- */

enum cv_step
imapd_pop3_capa(struct imapd_pop3 *c)
{
	struct cv_buf *out = imapd_pop3_out(c);

	imapd_pop3_respond(out, IMAPD_POP3_R_OK_LIST, c->lang);
	cv_buf_z(out, "TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
		      "EXPIRE NEVER\r\nUTF8 USER\r\nLANG\r\n");
	if (may_log_in(c)) {
		cv_buf_z(out, "USER\r\nSASL");
		write_mechanisms(c, " ", out);
		cv_buf_z(out, "\r\n");
	}
	if (!c->is_secure && c->server->tls_pop3 && c->state == IMAPD_POP3_AUTHORIZATION)
		cv_buf_z(out, "STLS\r\n");
	cv_buf_z(out, "IMPLEMENTATION congvu\r\n.\r\n");
	return imapd_pop3_written(c);
}

/* RFC 6856 2.1. */
enum cv_step
imapd_pop3_utf8(struct imapd_pop3 *c)
{
	c->is_utf8 = true;
	return imapd_pop3_done(c, IMAPD_POP3_R_OK);
}

/* RFC 6856 3: alone it lists; "*" goes back to what a session begins with. */
enum cv_step
imapd_pop3_lang(struct imapd_pop3 *c)
{
	struct cv_buf *out = imapd_pop3_out(c);
	struct cv_str tag = c->args.word[0];

	if (!c->args.count) {
		imapd_pop3_respond(out, IMAPD_POP3_R_OK_LIST, c->lang);
		cv_buf_z(out, "en English\r\nvi Tiếng Việt\r\n.\r\n");
		return imapd_pop3_written(c);
	}
	if (cv_str_eq_z(tag, "*")) {
		c->lang = IMAPD_POP3_BOTH;
		cv_buf_z(out, "+OK i-default English / tieng Viet\r\n");
	} else if (cv_str_ieq_z(tag, "vi") || cv_str_has_iprefix(tag, "vi-")) {
		c->lang = IMAPD_POP3_VI;
		cv_buf_z(out, "+OK vi đã chọn tiếng Việt\r\n");
	} else if (cv_str_ieq_z(tag, "en") || cv_str_has_iprefix(tag, "en-")) {
		c->lang = IMAPD_POP3_EN;
		cv_buf_z(out, "+OK en English it is\r\n");
	} else {
		return imapd_pop3_done(c, IMAPD_POP3_R_NO_LANGUAGE);
	}
	return imapd_pop3_written(c);
}
