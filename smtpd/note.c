/* note.c - see note.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/note.h"

#include "common/audit/trace.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "smtpd/stats.h"

static struct cv_str
number(char *buf, size_t n, int64_t value)
{
	snprintf(buf, n, "%lld", (long long)value);
	return cv_str_z(buf);
}

static struct cv_str
reply_text(char *buf, size_t n, unsigned code, const char *enhanced, const char *text)
{
	snprintf(buf, n, "%u%s%s %s", code, enhanced ? " " : "", enhanced ? enhanced : "", text);
	return cv_str_z(buf);
}

static bool
is_wanted(const struct smtpd_session *s)
{
	return s->tx && s->server->trace;
}

void
smtpd_note_mail(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_tls_info tls;
	char conn[24], version[64] = "";

	if (!tx || tx->mail_noted)
		return;
	tx->mail_noted = true;
	cv_conn_tls_info(s->conn, &tls);
	smtpd_stats_tls(tls.secure ? tls.version : NULL);
	if (!s->server->trace)
		return;
	snprintf(conn, sizeof conn, "%06llx", (unsigned long long)cv_conn_id(s->conn));
	if (tls.secure)
		snprintf(version, sizeof version, "%s %s", tls.version, tls.cipher);
	CV_TRACE(s->server->trace, cv_str_z(tx->id), "mail",
		{"conn", cv_str_z(conn), false},
		{"peer", cv_str_z(cv_conn_peer_text(s->conn)), false},
		{"port", cv_str_z(cv_conn_label(s->conn)), false},
		{"helo", cv_str_z(s->helo), false}, {"tls", cv_str_z(version), false},
		{"account", cv_str_z(s->authed ? s->login : ""), true},
		{"mech", cv_str_z(s->authed ? s->sasl_name : ""), false},
		{"from", tx->sender.n ? tx->sender : CV_STR("<>"), true});
}

void
smtpd_note_try(struct smtpd_session *s, struct cv_str address)
{
	s->tx->trying = address;
}

void
smtpd_note_rcpt(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;

	if (is_wanted(s) && tx->trying.n)
		CV_TRACE(s->server->trace, cv_str_z(tx->id), "rcpt", {"to", tx->trying, true},
			{"reply", CV_STR("250"), false});
	tx->trying = CV_STR_EMPTY;
}

/* One line says who wanted what of whom, and why not: it is what operators search for first. */
static void
log_refused(struct smtpd_session *s, unsigned code, const char *text)
{
	struct smtpd_tx *tx = s->tx;

	cv_log(cv_conn_id(s->conn), CV_INFO, "smtp.refused",
		"id=%s peer=%s helo=%s account=%s from=<%.*s> to=<%.*s> code=%u reason=\"%s\"",
		tx->id, cv_conn_peer_text(s->conn), s->helo, s->authed ? s->login : "-",
		CV_STR_ARGS(tx->sender), CV_STR_ARGS(tx->trying), code, text);
}

static void
trace_refused(struct smtpd_session *s, struct cv_str reply)
{
	struct smtpd_tx *tx = s->tx;

	if (!is_wanted(s))
		return;
	smtpd_note_mail(s);
	if (tx->trying.n)
		CV_TRACE(s->server->trace, cv_str_z(tx->id), "rcpt", {"to", tx->trying, true},
			{"reply", reply, false});
	else
		CV_TRACE(s->server->trace, cv_str_z(tx->id), "end", {"reply", reply, false});
}

void
smtpd_note_refused(
	struct smtpd_session *s, unsigned code, const char *enhanced, const char *text)
{
	struct smtpd_tx *tx = s->tx;
	char reply[600];

	/* A transaction that ends before it has a sender is noise of the line. */
	if (!tx || (!tx->mail_noted && !tx->sender.n && !tx->trying.n))
		return;
	log_refused(s, code, text);
	trace_refused(s, reply_text(reply, sizeof reply, code, enhanced, text));
	tx->trying = CV_STR_EMPTY;
}

void
smtpd_note_data(struct smtpd_session *s, const struct smtpd_header_facts *facts)
{
	struct smtpd_tx *tx = s->tx;
	char size[32], made[300];
	struct cv_str mid = facts->message_id;

	tx->whole_us = cv_mono_us();
	if (!is_wanted(s))
		return;
	if (!facts->has_message_id && s->kind == SMTPD_SUBMISSION) {
		snprintf(made, sizeof made, "%s@%s", tx->id, s->server->main->hostname);
		mid = cv_str_z(made);
	}
	CV_TRACE(s->server->trace, cv_str_z(tx->id), "data", {"mid", mid, false},
		{"size", number(size, sizeof size, (int64_t)tx->message.size_bytes), false});
}

void
smtpd_note_filter(struct smtpd_session *s, const char *verdict)
{
	struct smtpd_tx *tx = s->tx;
	int64_t us = cv_mono_us() - tx->whole_us;
	char ms[32];

	cv_histogram_add(&smtpd_stats.filter, us);
	if (is_wanted(s))
		CV_TRACE(s->server->trace, cv_str_z(tx->id), "filter",
			{"verdict", cv_str_z(verdict), false},
			{"ms", number(ms, sizeof ms, us / 1000), false});
}

static const char *
box_word(const struct cv_deliver_rcpt *r)
{
	return r->result != CV_OK ? cv_status_name(r->result)
	       : r->duplicate     ? "delivered before"
				  : "delivered";
}

void
smtpd_note_boxes(struct smtpd_session *s)
{
	static const char *const places[] = {
		[CV_Q_INBOX] = "", [CV_Q_JUNK] = "junk", [CV_Q_QUARANTINE] = "quarantine"};
	struct smtpd_tx *tx = s->tx;

	if (!tx->delivery_count)
		return;
	cv_histogram_add(&smtpd_stats.store, cv_mono_us() - tx->store_us);
	for (size_t i = 0; is_wanted(s) && i < tx->rcpt_count; i++) {
		const struct smtpd_rcpt *r = &tx->rcpts[i];
		char count[48];
		if (!r->is_local)
			continue;
		if (r->deleted) { /* its box may be nobody's in this message */
			CV_TRACE(s->server->trace, cv_str_z(tx->id), "box",
				{"to", r->address, true},
				{"result", CV_STR("taken out by a filter"), false});
			continue;
		}
		const struct cv_deliver_rcpt *b =
			&tx->deliveries[r->box / CV_DELIVER_RCPTS_MAX]
				 .rcpts[r->box % CV_DELIVER_RCPTS_MAX];
		snprintf(count, sizeof count, "group of %zu", r->box_count);
		CV_TRACE(s->server->trace, cv_str_z(tx->id), "box", {"to", r->address, true},
			{"result", cv_str_z(r->is_group ? count : box_word(b)), false},
			{"place", cv_str_z(places[tx->place]), false});
	}
}

void
smtpd_note_queue(struct smtpd_session *s, const struct cv_queue_msg *msg)
{
	char id[16], count[32];

	if (!is_wanted(s))
		return;
	cv_queue_id_text(msg->id, id);
	CV_TRACE(s->server->trace, cv_str_z(s->tx->id), "queue", {"q", cv_str_z(id), false},
		{"rcpts", number(count, sizeof count, (int64_t)msg->rcpt_count), false},
		{"held", s->tx->held ? CV_STR("quarantined") : CV_STR_EMPTY, false});
}

void
smtpd_note_end(struct smtpd_session *s, unsigned code, const char *enhanced, const char *text)
{
	struct smtpd_tx *tx = s->tx;
	int64_t us = tx->whole_us ? cv_mono_us() - tx->whole_us : 0;
	char reply[600], ms[32];

	if (!code) {
		cv_histogram_add(&smtpd_stats.accept, us);
		atomic_fetch_add(&smtpd_stats.bytes, tx->message.size_bytes);
	}
	if (is_wanted(s))
		CV_TRACE(s->server->trace, cv_str_z(tx->id), "end",
			{"reply", code ? reply_text(reply, sizeof reply, code, enhanced, text)
				       : CV_STR("250"), false},
			{"ms", number(ms, sizeof ms, us / 1000), false});
}

/* ---- from the queue ---- */

void
smtpd_note_out(struct smtpd_server *server, const struct cv_queue_msg *msg,
	const struct cv_queue_rcpt *rcpt, const char *fate, const char *host, const char *tls,
	const char *status, const char *reply, int64_t next_secs)
{
	char id[16], next[32] = "";

	if (!server->trace)
		return;
	cv_queue_id_text(msg->id, id);
	if (next_secs)
		number(next, sizeof next, next_secs);
	CV_TRACE(server->trace, msg->delivery_id, "out", {"q", cv_str_z(id), false},
		{"to", rcpt->address, true}, {"fate", cv_str_z(fate), false},
		{"host", rcpt->local_acct ? CV_STR("store") : cv_str_z(host), false},
		{"tls", cv_str_z(tls ? tls : ""), false}, {"status", cv_str_z(status), false},
		{"reply", cv_str_z(reply), false}, {"next", cv_str_z(next), false});
}

void
smtpd_note_report(
	struct smtpd_server *server, const struct cv_queue_msg *about, const char *child)
{
	atomic_fetch_add(&smtpd_stats.bounces, 1);
	CV_TRACE(server->trace, about->delivery_id, "report", {"child", cv_str_z(child), false},
		{"to", about->sender, true});
}

void
smtpd_note_change(struct smtpd_server *server, const struct cv_queue_msg *msg,
	struct cv_str address, const char *what)
{
	char id[16];

	cv_queue_id_text(msg->id, id);
	CV_TRACE(server->trace, msg->delivery_id, what, {"q", cv_str_z(id), false},
		{"to", address, true});
}
