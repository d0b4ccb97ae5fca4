/* cmd_hello.c - HELO, EHLO, LHLO and STARTTLS: who speaks, what we offer, encryption. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/text/domain.h"
#include "smtpd/access.h"
#include "smtpd/filters.h"

/* A domain or an address literal; devices that send underscores or nothing sensible are let in,
 * bytes that could forge a trace field are not. */
static bool
is_helo_name(struct cv_str name)
{
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		if (c <= ' ' || c >= 127 || strchr("()<>@,;\\\"", c))
			return false;
	}
	return name.n > 0 && name.n < 256;
}

static void
put_line(struct cv_buf *out, const char *text, bool last)
{
	cv_buf_z(out, last ? "250 " : "250-");
	cv_buf_z(out, text);
	cv_buf_z(out, "\r\n");
}

static void
put_mechanisms(struct smtpd_session *s, struct cv_buf *out)
{
	cv_buf_z(out, "250-");
	smtpd_access_offer(s, out);
	cv_buf_z(out, "\r\n");
}

static void
put_extensions(struct smtpd_session *s)
{
	struct cv_buf *out = cv_conn_out(s->conn);
	char size[40];

	put_line(out, s->server->main->hostname, false);
	put_line(out, "PIPELINING", false);
	snprintf(size, sizeof size, "SIZE %llu", (unsigned long long)s->server->opt->max_message);
	put_line(out, size, false);
	put_line(out, "8BITMIME", false);
	put_line(out, "SMTPUTF8", false);
	put_line(out, "CHUNKING", false);
	put_line(out, "BINARYMIME", false);
	put_line(out, "DSN", false);
	smtpd_timing_offer(s, out);
	cv_buf_printf(out, "250-LIMITS RCPTMAX=%llu\r\n", (unsigned long long)(
		s->kind == SMTPD_SUBMISSION ? s->server->opt->max_rcpts_submission
					    : s->server->opt->max_rcpts));
	if (s->server->tls && !s->secure)
		put_line(out, "STARTTLS", false);
	if (s->secure)
		put_line(out, "REQUIRETLS", false);
	if (s->kind == SMTPD_SUBMISSION && s->secure)
		put_mechanisms(s, out);
	if (s->guard.may_xclient)
		put_line(out, s->server->opt->xclient_login && s->kind == SMTPD_SUBMISSION
				      ? "XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT LOGIN"
				      : "XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT",
			false);
	put_line(out, "ENHANCEDSTATUSCODES", true);
}

static void
welcome(struct smtpd_session *s)
{
	struct cv_buf *out = cv_conn_out(s->conn);

	if (s->extended)
		put_extensions(s);
	else
		put_line(out, s->server->main->hostname, true);
	smtpd_session_enter(s, S_READY);
}

static enum cv_step
helo_filtered(struct smtpd_session *s)
{
	switch (smtpd_session_filtered(s)) {
	case SMTPD_FILTER_WAIT:
		return CV_STEP_WAIT;
	case SMTPD_FILTER_REFUSED:
		s->helo[0] = '\0';
		smtpd_session_enter(s, S_CONNECTED);
		return CV_STEP_DONE;
	default:
		welcome(s);
		return CV_STEP_DONE;
	}
}

static enum cv_step
hello(struct smtpd_session *s, struct cv_str name, bool extended)
{
	if (!is_helo_name(name)) {
		s->errors++;
		smtpd_reply_put(cv_conn_out(s->conn), R_BAD_ARGS);
		return CV_STEP_DONE;
	}
	smtpd_session_reset(s);
	memcpy(s->helo, name.p, name.n);
	s->helo[name.n] = '\0';
	s->extended = extended;

	if (!smtpd_session_milter(s)) {
		welcome(s);
		return CV_STEP_DONE;
	}
	s->resume = helo_filtered;
	smtpd_filters_hello(s, name);
	return helo_filtered(s);
}

enum cv_step
smtpd_cmd_helo(struct smtpd_session *s, struct cv_str args)
{
	return hello(s, args, false);
}

enum cv_step
smtpd_cmd_ehlo(struct smtpd_session *s, struct cv_str args)
{
	return hello(s, args, true);
}

enum cv_step
smtpd_cmd_lhlo(struct smtpd_session *s, struct cv_str args)
{
	return hello(s, args, true);
}

/* RFC 3207. Whatever was pipelined behind the command is thrown away by cv_conn_starttls(); a
 * client that did so anyway is not to be trusted with a session. */
enum cv_step
smtpd_cmd_starttls(struct smtpd_session *s, struct cv_str args)
{
	struct cv_buf *out = cv_conn_out(s->conn);

	(void)args;
	if (s->secure) {
		s->errors++;
		smtpd_reply_put(out, R_TLS_NOW);
		return CV_STEP_DONE;
	}
	if (!s->server->tls) {
		smtpd_reply_put(out, R_TLS_NONE);
		return CV_STEP_DONE;
	}
	if (cv_conn_in(s->conn).n) {
		cv_log(cv_conn_id(s->conn), CV_WARN, "smtp.starttls_pipelined", "peer=%s",
			cv_conn_peer_text(s->conn));
		smtpd_reply_put(out, R_BAD_ORDER);
		return CV_STEP_CLOSE;
	}
	smtpd_reply_put(out, R_GO_TLS);
	cv_conn_starttls(s->conn);
	return CV_STEP_READ;
}
