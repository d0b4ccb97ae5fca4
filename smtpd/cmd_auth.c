/* cmd_auth.c - AUTH (RFC 4954): base64 lines around a SASL exchange, under TLS only. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/text/encode.h"
#include "smtpd/access.h"

static enum cv_step
fail(struct smtpd_session *s, enum smtpd_reply reply)
{
	cv_sasl_free(s->sasl);
	s->sasl = NULL;
	s->resume = NULL;
	s->errors++;
	smtpd_session_enter(s, S_READY);
	smtpd_reply_put(cv_conn_out(s->conn), reply);
	return CV_STEP_DONE;
}

static enum cv_step
fail_result(struct smtpd_session *s, enum cv_auth_result result)
{
	static const enum smtpd_reply replies[] = {
		[CV_AUTH_OK] = R_AUTH_FAIL,
		[CV_AUTH_BAD] = R_AUTH_FAIL,
		[CV_AUTH_SUSPENDED] = R_AUTH_FAIL,
		[CV_AUTH_LOCKED] = R_AUTH_LOCKED,
		[CV_AUTH_EXPIRED] = R_AUTH_EXPIRED,
		[CV_AUTH_BUSY] = R_AUTH_BUSY,
		[CV_AUTH_DOWN] = R_AUTH_DOWN,
	};
	static const char *const words[] = {
		[CV_AUTH_OK] = "bad",
		[CV_AUTH_BAD] = "bad",
		[CV_AUTH_SUSPENDED] = "suspended",
		[CV_AUTH_LOCKED] = "locked",
		[CV_AUTH_EXPIRED] = "expired",
		[CV_AUTH_BUSY] = "busy",
		[CV_AUTH_DOWN] = "down",
	};
	enum smtpd_reply reply = replies[result];

	/* The advice follows from where the client is, never from what it sent. */
	if (reply == R_AUTH_FAIL && !cv_auth_is_inside(s->server->auth, cv_conn_peer(s->conn)))
		reply = R_AUTH_FAIL_OUT;

	atomic_fetch_add(&s->server->counters.auth_failed, 1);
	smtpd_defence_auth_failed(s);
	const char *account = cv_sasl_tried(s->sasl);
	cv_log(cv_conn_id(s->conn), CV_WARN, "auth.failed",
		"peer=%s account=%s mechanism=%s why=%s", cv_conn_peer_text(s->conn),
		account[0] ? account : "-", s->sasl_name, words[result]);
	return fail(s, reply);
}

static enum cv_step
succeed(struct smtpd_session *s)
{
	char device[64];

	s->authed = true;
	s->acct = cv_sasl_acct(s->sasl);
	snprintf(s->login, sizeof s->login, "%s", cv_sasl_address(s->sasl));
	snprintf(device, sizeof device, "%s", cv_sasl_device(s->sasl));
	cv_sasl_free(s->sasl);
	s->sasl = NULL;
	s->resume = NULL;
	smtpd_session_enter(s, S_READY);
	cv_log(cv_conn_id(s->conn), CV_INFO, "auth.ok",
		"peer=%s account=%s mechanism=%s device=\"%s\"", cv_conn_peer_text(s->conn),
		s->login, s->sasl_name, device);
	smtpd_reply_put(cv_conn_out(s->conn), R_AUTH_OK);
	return CV_STEP_DONE;
}

static void
send_challenge(struct smtpd_session *s, struct cv_str data)
{
	struct cv_buf *out = cv_conn_out(s->conn);

	cv_buf_z(out, "334 ");
	cv_base64_encode(data, out);
	cv_buf_z(out, "\r\n");
}

static enum cv_step after_wait(struct smtpd_session *s);

static enum cv_step
take_step(struct smtpd_session *s, enum cv_sasl_step step, struct cv_buf *data)
{
	switch (step) {
	case CV_SASL_SEND:
		send_challenge(s, cv_buf_view(data));
		smtpd_session_enter(s, S_AUTH);
		return CV_STEP_DONE;
	case CV_SASL_WAIT:
		s->resume = after_wait;
		return CV_STEP_WAIT;
	case CV_SASL_OK:
		if (!data->n)
			return succeed(s);
		/* SMTP has no data beside success: SCRAM's last word is a challenge that the client
		 * answers with an empty line. */
		send_challenge(s, cv_buf_view(data));
		s->auth_wait_initial = true;
		smtpd_session_enter(s, S_AUTH);
		return CV_STEP_DONE;
	default:
		return fail_result(s, cv_sasl_result(s->sasl));
	}
}

static enum cv_step
after_wait(struct smtpd_session *s)
{
	struct cv_buf data = CV_BUF_INIT(16u << 10);
	enum cv_sasl_step sasl = cv_sasl_resume(s->sasl, &data);

	s->resume = NULL;
	enum cv_step step = take_step(s, sasl, &data);
	cv_buf_done(&data);
	return step;
}

static enum cv_step
feed(struct smtpd_session *s, struct cv_str response)
{
	struct cv_buf data = CV_BUF_INIT(16u << 10);
	enum cv_step step = take_step(s, cv_sasl_step(s->sasl, response, &data), &data);

	cv_buf_done(&data);
	return step;
}

static enum cv_step
feed_base64(struct smtpd_session *s, struct cv_str line)
{
	struct cv_buf raw = CV_BUF_INIT(SMTPD_AUTH_LINE_MAX);
	enum cv_step step;

	if (cv_base64_decode(line, &raw) != CV_OK)
		step = fail(s, R_AUTH_BAD64);
	else
		step = feed(s, cv_str(raw.p ? raw.p : "", raw.n));
	if (raw.p)
		cv_wipe(raw.p, raw.cap);
	cv_buf_done(&raw);
	return step;
}

enum cv_step
smtpd_cmd_auth(struct smtpd_session *s, struct cv_str args)
{
	size_t blank = cv_str_find(args, ' ', 0);
	struct cv_str mechanism = cv_str_sub(args, 0, blank);
	struct cv_str initial = cv_str_sub(args, CV_MIN(blank + 1, args.n), args.n);
	struct cv_sasl_env env;

	if (s->kind != SMTPD_SUBMISSION)
		return fail(s, R_AUTH_NOT_HERE);
	if (!s->secure)
		return fail(s, R_NEED_TLS);
	if (s->authed)
		return fail(s, R_AUTH_TWICE);
	smtpd_access_env(s, &env);
	s->sasl = cv_sasl_new(mechanism, &env);
	if (!s->sasl)
		return fail(s, R_AUTH_BAD_MECH);
	snprintf(s->sasl_name, sizeof s->sasl_name, "%.*s", CV_STR_ARGS(mechanism));
	s->auth_wait_initial = false;
	if (!initial.n)
		return feed(s, CV_STR_EMPTY);
	if (cv_str_eq_z(initial, "=")) /* an empty initial response */
		return feed(s, CV_STR(""));
	return feed_base64(s, initial);
}

enum cv_step
smtpd_auth_line(struct smtpd_session *s, struct cv_str line)
{
	if (cv_str_eq_z(line, "*"))
		return fail(s, R_AUTH_CANCEL);
	if (s->auth_wait_initial)
		return line.n ? fail(s, R_BAD_ARGS) : succeed(s);
	return feed_base64(s, line);
}
