/* trace.c - see trace.h. What peers said is written with care: nothing they send can end a field.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/trace.h"

#include "common/base/clock.h"
#include "common/text/date.h"
#include "common/text/header.h"
#include "smtpd/defence.h"

static const char *
protocol_word(const struct smtpd_session *s)
{
	static const char *const smtp[] = {"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"};
	static const char *const utf8[] = {"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"};
	static const char *const lmtp[] = {"LMTP", "LMTPS"};
	static const char *const lmtp_utf8[] = {"UTF8LMTP", "UTF8LMTPS"};
	unsigned i = (s->secure ? 1u : 0u) + (s->authed ? 2u : 0u);

	if (s->kind == SMTPD_LMTP)
		return s->tx->smtputf8 ? lmtp_utf8[s->secure] : lmtp[s->secure];
	if (!s->extended)
		return "SMTP";
	return s->tx->smtputf8 ? utf8[i] : smtp[i];
}

static void
write_client(struct smtpd_session *s, struct cv_buf *out)
{
	bool is_v6 = strchr(cv_conn_peer_text(s->conn), ':') != NULL;

	cv_buf_printf(out, "Received: from %s (%s [%s%s])\r\n", s->helo,
		smtpd_defence_peer_name(s), is_v6 ? "IPv6:" : "", cv_conn_peer_text(s->conn));
}

static void
write_tls(struct smtpd_session *s, struct cv_buf *out)
{
	struct cv_tls_info tls;

	cv_conn_tls_info(s->conn, &tls);
	if (tls.secure)
		cv_buf_printf(out, "\t(using %s with cipher %s (%u bits))\r\n", tls.version,
			tls.cipher, tls.bits);
}

void
smtpd_trace_write(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_buf *out = &tx->trace;

	cv_buf_printf(&tx->return_path, "Return-Path: <%.*s>\r\n", CV_STR_ARGS(tx->sender));
	write_client(s, out);
	write_tls(s, out);
	cv_buf_printf(out, "\tby %s (congvu) with %s id %s", s->server->main->hostname,
		protocol_word(s), tx->id);
	/* With one recipient its address helps to trace; with more it would tell one of another. */
	if (tx->rcpt_count == 1)
		cv_buf_printf(out, "\r\n\tfor <%.*s>", CV_STR_ARGS(tx->rcpts[0].address));
	if (tx->timing.asked_priority) /* RFC 6710 9 */
		cv_buf_printf(out, "\r\n\tPRIORITY %d", tx->timing.asked_priority);
	cv_buf_z(out, ";\r\n\t");
	cv_date_write_mail(out, cv_date_at(cv_wall_secs(), CV_ZONE_VIETNAM));
	cv_buf_z(out, "\r\n");
}

/* What stands between the brackets, or all of it. */
static struct cv_str
id_in(struct cv_str value)
{
	size_t open = cv_str_find(value, '<', 0), close = cv_str_find(value, '>', open);

	return open < value.n && close < value.n ? cv_str_sub(value, open + 1, close)
						 : cv_str_trim(value);
}

void
smtpd_header_look(struct cv_str message, struct smtpd_header_facts *out)
{
	struct cv_header_scan scan;
	struct cv_field field;

	*out = (struct smtpd_header_facts){0};
	cv_header_scan_init(&scan, message);
	while (cv_header_next(&scan, &field)) {
		out->fields++;
		if (cv_str_ieq_z(field.name, "Received"))
			out->received++;
		else if (cv_str_ieq_z(field.name, "Return-Path"))
			out->return_paths++;
		else if (cv_str_ieq_z(field.name, "Date"))
			out->has_date = true;
		else if (cv_str_ieq_z(field.name, "Message-ID")) {
			out->has_message_id = true;
			out->message_id = id_in(field.value);
		}
		else if (cv_str_ieq_z(field.name, "TLS-Required"))
			out->tls_optional = cv_str_ieq_z(cv_str_trim(field.value), "No");
	}
	out->body_at = scan.body_at;
	out->broken = scan.end == CV_HEADER_TOO_LARGE;
	out->is_cut = out->fields && scan.end == CV_HEADER_BAD_LINE;
}

/* The next word of a Received field; comments and quotes are passed over. False at the end or at
 * the semicolon, behind which the date stands. */
static bool
next_word(struct cv_str *rest, struct cv_str *word)
{
	const char *p = rest->p, *end = rest->p + rest->n;
	size_t depth = 0;
	bool quoted = false;

	for (; p < end; p++) {
		if (*p == '\\' && (depth || quoted) && p + 1 < end)
			p++;
		else if (*p == '"' && !depth)
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && depth)
			depth--;
		else if (!depth && !strchr(" \t\r\n", *p))
			break;
	}
	const char *start = p;
	while (p < end && *p && !strchr(" \t\r\n();\"", *p))
		p++;
	*word = cv_str(start, (size_t)(p - start));
	*rest = cv_str(p, (size_t)(end - p));
	return word->n > 0;
}

static bool
is_by(struct cv_str value, const char *host)
{
	struct cv_str word;

	while (next_word(&value, &word))
		if (cv_str_ieq_z(word, "by"))
			return next_word(&value, &word) && cv_str_ieq_z(word, host);
	return false;
}

size_t
smtpd_received_by(struct cv_str message, const char *host)
{
	struct cv_header_scan scan;
	struct cv_field field;
	size_t n = 0;

	cv_header_scan_init(&scan, message);
	while (cv_header_next(&scan, &field))
		n += cv_str_ieq_z(field.name, "Received") && is_by(field.value, host);
	return n;
}

bool
smtpd_is_loop(const struct smtpd_session *s, struct cv_str message,
	const struct smtpd_header_facts *facts)
{
	const struct smtpd_options *opt = s->server->opt;

	return facts->received > opt->max_hops
		|| (facts->received > opt->max_own_hops
			&& smtpd_received_by(message, s->server->main->hostname)
				> opt->max_own_hops);
}

void
smtpd_header_complete(
	struct smtpd_session *s, const struct smtpd_header_facts *facts, struct cv_buf *out)
{
	if (!facts->has_date) {
		cv_buf_z(out, "Date: ");
		cv_date_write_mail(out, cv_date_at(cv_wall_secs(), CV_ZONE_VIETNAM));
		cv_buf_z(out, "\r\n");
	}
	if (!facts->has_message_id)
		cv_buf_printf(out, "Message-ID: <%s@%s>\r\n", s->tx->id, s->server->main->hostname);
	/* A message that starts with its text gets the line that divides. */
	if (!facts->fields && !facts->body_at)
		cv_buf_z(out, "\r\n");
}
