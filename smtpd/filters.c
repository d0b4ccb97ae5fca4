/* filters.c - see filters.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/filters.h"

#include "common/net/addr.h"
#include "common/text/encode.h"
#include "common/text/header.h"
#include "smtpd/envelope.h"
#include "smtpd/params.h"

#define RESULTS_MAX 20u /* fields of a kind that are looked at */

static void
woken(void *arg)
{
	cv_conn_wake(arg);
}

static void
put_number(struct smtpd_milter *m, const char *name, unsigned number)
{
	char text[16];

	snprintf(text, sizeof text, "%u", number);
	smtpd_milter_macro(m, name, text);
}

static void
put_text(struct smtpd_milter *m, const char *name, struct cv_str value)
{
	char *text = cv_str_dup(value);

	smtpd_milter_macro(m, name, text);
	free(text);
}

static void
put_client(struct smtpd_session *s)
{
	struct smtpd_milter *m = s->milter;
	const char *address = cv_conn_peer_text(s->conn), *name = smtpd_defence_peer_name(s);
	char local[64], seen[400];

	cv_sockaddr_text(cv_conn_local(s->conn), local, sizeof local);
	snprintf(seen, sizeof seen, "%s [%s]", name, address);
	smtpd_milter_macro(m, "v", "congvu " CV_VERSION);
	smtpd_milter_macro(m, "_", seen);
	smtpd_milter_macro(m, "{daemon_name}", cv_conn_label(s->conn));
	smtpd_milter_macro(m, "{daemon_addr}", local);
	put_number(m, "{daemon_port}", cv_sockaddr_port(cv_conn_local(s->conn)));
	smtpd_milter_macro(m, "{if_name}", s->server->main->hostname);
	smtpd_milter_macro(m, "{if_addr}", local);
	smtpd_milter_macro(m, "{client_addr}", address);
	smtpd_milter_macro(m, "{client_name}", name);
	smtpd_milter_macro(m, "{client_ptr}", name);
	put_number(m, "{client_port}", cv_conn_peer_port(s->conn));
}

bool
smtpd_filters_connect(struct smtpd_session *s)
{
	struct smtpd_milters *set = s->server->milters[s->kind];

	if (!set)
		return false;
	s->milter = smtpd_milter_new(set, woken, s->conn);
	put_client(s);
	smtpd_milter_connect(s->milter, smtpd_defence_peer_name(s), cv_conn_peer(s->conn));
	return true;
}

void
smtpd_filters_hello(struct smtpd_session *s, struct cv_str name)
{
	struct smtpd_milter *m = s->milter;
	struct cv_tls_info tls;

	cv_conn_tls_info(s->conn, &tls);
	smtpd_milter_macro(m, "{tls_version}", tls.secure ? tls.version : NULL);
	smtpd_milter_macro(m, "{cipher}", tls.secure ? tls.cipher : NULL);
	if (tls.secure)
		put_number(m, "{cipher_bits}", tls.bits);
	smtpd_milter_macro(m, "{cert_subject}",
		tls.secure && tls.peer_verified && tls.peer_subject[0] ? tls.peer_subject : NULL);
	smtpd_milter_helo(m, name);
}

/* AUTH= of MAIL, when a logged-in client gave it. */
static void
put_author(struct smtpd_session *s)
{
	struct cv_str rest = s->tx->mail_params, name, value;
	bool has_value, bad;

	smtpd_milter_macro(s->milter, "{auth_author}", NULL);
	while (s->authed && smtpd_param_next(&rest, &name, &value, &has_value, &bad)) {
		struct cv_buf plain = CV_BUF_INIT(1000);
		if (cv_str_ieq_z(name, "AUTH") && has_value &&
			cv_xtext_decode(value, &plain) == CV_OK)
			put_text(s->milter, "{auth_author}", cv_buf_view(&plain));
		cv_buf_done(&plain);
	}
}

/* {NAME_addr} and {NAME_host} of ADDRESS. */
static void
put_address(struct smtpd_milter *m, const char *addr, const char *host, struct cv_str address)
{
	struct cv_str local, domain;

	smtpd_envelope_split(address, &local, &domain);
	put_text(m, addr, address);
	put_text(m, host, domain);
}

void
smtpd_filters_mail(struct smtpd_session *s)
{
	struct smtpd_milter *m = s->milter;
	struct smtpd_tx *tx = s->tx;

	smtpd_milter_macro(m, "i", tx->id);
	smtpd_milter_macro(m, "{auth_authen}", s->authed ? s->login : NULL);
	smtpd_milter_macro(m, "{auth_type}", s->authed ? s->sasl_name : NULL);
	smtpd_milter_macro(m, "{auth_ssf}", s->authed ? "0" : NULL);
	put_author(s);
	smtpd_milter_macro(m, "{mail_mailer}", s->kind == SMTPD_LMTP ? "local" : "smtp");
	put_address(m, "{mail_addr}", "{mail_host}", tx->sender);
	smtpd_milter_mail(
		m, cv_arena_printf(&tx->arena, "<%.*s>", CV_STR_ARGS(tx->sender)), tx->mail_params);
}

void
smtpd_filters_rcpt(struct smtpd_session *s, const struct smtpd_rcpt *r)
{
	struct smtpd_milter *m = s->milter;
	struct smtpd_tx *tx = s->tx;

	put_address(m, "{rcpt_addr}", "{rcpt_host}", r->address);
	smtpd_milter_macro(m, "{rcpt_mailer}", r->is_local ? "local" : "smtp");
	smtpd_milter_rcpt(
		m, cv_arena_printf(&tx->arena, "<%.*s>", CV_STR_ARGS(r->address)), tx->rcpt_params);
}

void
smtpd_filters_message(struct smtpd_session *s)
{
	struct cv_header_scan scan;
	struct cv_field field;
	struct cv_str message, id = CV_STR_EMPTY;

	if (cv_spool_map(&s->tx->message, &message, NULL) == CV_OK) {
		cv_header_scan_init(&scan, message);
		while (!id.n && cv_header_next(&scan, &field))
			if (cv_str_ieq_z(field.name, "Message-ID"))
				id = cv_str_sub(cv_str_trim(field.value), 0, 998);
		if (id.n)
			put_text(s->milter, "{msg_id}", id);
		else
			smtpd_milter_macro(s->milter, "{msg_id}", NULL);
		cv_spool_unmap(&s->tx->message, message);
	}
	smtpd_milter_message(s->milter, &s->tx->message);
}

/* ---- commands nobody knows ---- */

static enum cv_step
unknown_filtered(struct smtpd_session *s)
{
	switch (smtpd_session_filtered(s)) {
	case SMTPD_FILTER_WAIT:
		return CV_STEP_WAIT;
	case SMTPD_FILTER_REFUSED:
		return CV_STEP_DONE;
	default:
		smtpd_session_refuse(s, R_UNKNOWN);
		return CV_STEP_DONE;
	}
}

enum cv_step
smtpd_filters_unknown(struct smtpd_session *s, struct cv_str line)
{
	struct smtpd_milter *m = smtpd_session_milter(s);

	if (!m) {
		smtpd_session_refuse(s, R_UNKNOWN);
		return CV_STEP_DONE;
	}
	s->resume = unknown_filtered;
	smtpd_milter_unknown(m, line);
	return unknown_filtered(s);
}

/* ---- refused recipients ---- */

/* The client's answer is ready and waits in the transaction. */
static enum cv_step
refused_told(struct smtpd_session *s)
{
	if (smtpd_milter_verdict(s->milter) == SMTPD_MILTER_PENDING)
		return CV_STEP_WAIT;
	s->resume = NULL;
	cv_buf_str(cv_conn_out(s->conn), s->tx->rcpt_refusal);
	return CV_STEP_DONE;
}

/* "550 5.1.1 No such mailbox" in the three macros of a refusal. */
static void
put_refusal(struct smtpd_milter *m, struct cv_str reply)
{
	size_t end = cv_str_search(reply, CV_STR("\r\n"));
	struct cv_str text = cv_str_sub(reply, CV_MIN((size_t)4, end), end);
	size_t blank = cv_str_find(text, ' ', 0);

	smtpd_milter_macro(m, "{rcpt_mailer}", "error");
	put_text(m, "{rcpt_host}", cv_str_sub(text, 0, blank));
	put_text(m, "{rcpt_addr}", cv_str_sub(text, CV_MIN(blank + 1, text.n), text.n));
}

enum cv_step
smtpd_filters_refused(struct smtpd_session *s, size_t before)
{
	struct smtpd_milter *m = s->tx ? smtpd_session_milter(s) : NULL;
	struct cv_buf *out = cv_conn_out(s->conn);

	if (!m || !(s->state & (S_MAIL | S_RCPT)) || !s->tx->rcpt_path.n ||
		!smtpd_milter_wants_rejected(m))
		return CV_STEP_DONE;
	s->tx->rcpt_refusal =
		cv_arena_str(&s->tx->arena, cv_str_sub(cv_buf_view(out), before, out->n));
	out->n = before;
	put_refusal(m, s->tx->rcpt_refusal);
	s->resume = refused_told;
	smtpd_milter_rcpt_rejected(m, s->tx->rcpt_path, s->tx->rcpt_params);
	return refused_told(s);
}

bool
smtpd_filters_said(const struct smtpd_server *server, struct cv_str message, struct cv_str word)
{
	struct cv_field f;

	for (size_t i = 0; i < RESULTS_MAX &&
		cv_header_find(message, "Authentication-Results", i, &f); i++) {
		struct cv_str value = cv_str_trim(f.value);
		struct cv_str name = cv_str_sub(value, 0, cv_str_find(value, ';', 0));
		if (cv_str_ieq_z(cv_str_trim(name), server->main->hostname))
			return cv_str_isearch(value, word) < value.n;
	}
	return false;
}
