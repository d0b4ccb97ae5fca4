/* session.c - runs a conversation: takes lines or message bytes from the input, keeps the state.
 *
 * The only place that looks at events. Everything a peer can grow is bounded: a line by
 * SMTPD_LINE_MAX, a message by max_message, recipients, errors and silence by options.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/session.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/text/header.h"
#include "smtpd/filters.h"
#include "smtpd/note.h"

static struct smtpd_session *
session_of(struct cv_conn *c)
{
	return cv_conn_user(c);
}

void
smtpd_session_enter(struct smtpd_session *s, enum smtpd_state state)
{
	s->state = state;
}

void
smtpd_id_new(char *out, size_t n)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	uint64_t time_part = (uint64_t)cv_wall_ms(), random_part = cv_random_u64();
	size_t i = 0;

	for (; i < 8 && i + 1 < n; i++, time_part /= 36)
		out[i] = digits[time_part % 36];
	for (size_t a = 0, b = i; a + 1 < b; a++, b--) { /* biggest digit first: ids sort by time */
		char t = out[a];
		out[a] = out[b - 1];
		out[b - 1] = t;
	}
	for (; i < 16 && i + 1 < n; i++, random_part /= 36)
		out[i] = digits[random_part % 36];
	out[i] = '\0';
}

struct smtpd_tx *
smtpd_tx_new(struct smtpd_session *s)
{
	struct smtpd_tx *tx = cv_calloc(1, sizeof *tx);

	atomic_init(&tx->refs, 1);
	tx->server = s->server;
	tx->conn = s->conn;
	cv_conn_ref(s->conn);
	smtpd_id_new(tx->id, sizeof tx->id);
	cv_spool_init(&tx->message, s->server->spool_dir);
	cv_buf_init(&tx->trace, 16u << 10);
	cv_buf_init(&tx->return_path, 4u << 10);
	cv_buf_init(&tx->list_fields, 8u << 10);
	cv_buf_init(&tx->header, CV_HEADER_BYTES_MAX + (64u << 10));
	return tx;
}

void
smtpd_tx_ref(struct smtpd_tx *tx)
{
	atomic_fetch_add_explicit(&tx->refs, 1, memory_order_relaxed);
}

void
smtpd_tx_unref(struct smtpd_tx *tx)
{
	if (!tx || atomic_fetch_sub_explicit(&tx->refs, 1, memory_order_acq_rel) != 1)
		return;
	smtpd_sending_end(&tx->sending);
	cv_spool_done(&tx->message);
	cv_buf_done(&tx->trace);
	cv_buf_done(&tx->return_path);
	cv_buf_done(&tx->header);
	cv_buf_done(&tx->list_fields);
	free(tx->rcpts);
	free(tx->outs);
	smtpd_boxes_done(&tx->boxes);
	cv_arena_done(&tx->arena);
	cv_conn_unref(tx->conn);
	free(tx);
}

void
smtpd_session_reset(struct smtpd_session *s)
{
	if (s->tx && s->milter)
		smtpd_milter_abort(s->milter);
	smtpd_tx_unref(s->tx);
	s->tx = NULL;
	s->resume = NULL;
	s->bdat_left = 0;
	s->bdat_last = s->bdat_refused = false;
	s->data_fault = R_OKAY;
	if (s->state & (S_MAIL | S_RCPT | S_DATA | S_BDAT))
		smtpd_session_enter(s, S_READY);
}

struct smtpd_milter *
smtpd_session_milter(struct smtpd_session *s)
{
	return s->tx && s->tx->discarded ? NULL : s->milter;
}

void
smtpd_session_refuse(struct smtpd_session *s, enum smtpd_reply reply)
{
	/* "Not now" is our trouble or the recipient's; a client that only heard that goes on. */
	if (smtpd_reply_code(reply) >= 500)
		s->errors++;
	smtpd_reply_put(cv_conn_out(s->conn), reply);
}

/* Once for each recipient at the end of an LMTP message, else once. */
static void
put_filters_reply(struct smtpd_session *s, enum smtpd_milter_verdict verdict)
{
	struct cv_buf *out = cv_conn_out(s->conn);
	bool whole = s->kind == SMTPD_LMTP && s->state & (S_DATA | S_BDAT);

	const char *own = smtpd_milter_reply(s->milter);
	smtpd_note_refused(s, verdict == SMTPD_MILTER_REJECT ? 550 : 451, NULL,
		own && strlen(own) > 4                  ? own + 4
		: smtpd_milter_has_failed(s->milter) ? "[FILTER.down]"
						     : "[FILTER]");
	for (size_t times = whole ? s->tx->rcpt_count : 1; times; times--) {
		if (smtpd_milter_reply(s->milter)) {
			cv_buf_z(out, smtpd_milter_reply(s->milter));
			cv_buf_z(out, "\r\n");
		} else if (verdict == SMTPD_MILTER_REJECT) {
			smtpd_reply_put(out, R_FILTER_REFUSED);
		} else {
			smtpd_reply_put(out, smtpd_milter_has_failed(s->milter) ? R_FILTER_DOWN
										: R_FILTER_DEFER);
		}
	}
}

enum smtpd_filtered
smtpd_session_filtered(struct smtpd_session *s)
{
	enum smtpd_milter_verdict verdict = smtpd_milter_verdict(s->milter);

	if (verdict == SMTPD_MILTER_PENDING)
		return SMTPD_FILTER_WAIT;
	s->resume = NULL;
	if (verdict == SMTPD_MILTER_DISCARD && s->tx) {
		s->tx->discarded = true;
		smtpd_milter_abort(s->milter);
	}
	if (verdict != SMTPD_MILTER_REJECT && verdict != SMTPD_MILTER_TEMPFAIL)
		return SMTPD_FILTER_PASS;
	if (verdict == SMTPD_MILTER_REJECT)
		s->errors++;
	atomic_fetch_add(&s->server->counters.refused, 1);
	put_filters_reply(s, verdict);
	return SMTPD_FILTER_REFUSED;
}

static void
greet(struct smtpd_session *s)
{
	struct cv_buf *out = cv_conn_out(s->conn);

	cv_buf_z(out, "220 ");
	cv_buf_z(out, s->server->main->hostname);
	cv_buf_z(out, s->kind == SMTPD_LMTP ? " LMTP congvu\r\n" : " ESMTP congvu\r\n");
	/* XCLIENT may have said EHLO for the client already. */
	smtpd_session_enter(s, s->helo[0] ? S_READY : S_CONNECTED);
}

/* A chain of their own for each client: after XCLIENT it is another. */
static void
tell_filters(struct smtpd_session *s)
{
	if (s->milter)
		smtpd_milter_free(s->milter);
	s->milter = NULL;
	s->guard.filtered = !smtpd_filters_connect(s);
}

/* The filters know the peer. Input is listened for until the greeting: it would be too early. */
static enum cv_step
connect_filtered(struct smtpd_session *s)
{
	if (smtpd_defence_is_early(s))
		return smtpd_defence_early(s);
	if (!s->guard.filtered) {
		switch (smtpd_session_filtered(s)) {
		case SMTPD_FILTER_WAIT:
			return CV_STEP_LISTEN;
		case SMTPD_FILTER_REFUSED:
			return CV_STEP_CLOSE;
		default:
			s->guard.filtered = true;
			s->resume = connect_filtered;
		}
	}
	if (!smtpd_defence_may_greet(s))
		return CV_STEP_LISTEN;
	s->resume = NULL;
	greet(s);
	return CV_STEP_DONE;
}

static enum cv_step
peer_named(struct smtpd_session *s)
{
	if (smtpd_defence_is_early(s))
		return smtpd_defence_early(s);
	if (!smtpd_defence_has_name(s))
		return CV_STEP_LISTEN;
	s->resume = connect_filtered;
	tell_filters(s);
	return connect_filtered(s);
}

enum cv_step
smtpd_session_begin(struct smtpd_session *s)
{
	smtpd_session_enter(s, S_START);
	s->resume = peer_named;
	return peer_named(s);
}

static enum cv_step
session_open(struct smtpd_session *s)
{
	const struct smtpd_listener *l = cv_conn_ctx(s->conn);

	s->server = l->server;
	s->kind = l->kind;
	s->secure = l->implicit_tls;
	s->state = S_START;
	atomic_fetch_add(&s->server->counters.sessions, 1);
	atomic_fetch_add(&s->server->counters.by_label[l->index], 1);
	cv_log(cv_conn_id(s->conn), CV_DEBUG, "smtp.open", "peer=%s kind=%s",
		cv_conn_peer_text(s->conn), cv_conn_label(s->conn));
	smtpd_defence_open(s, NULL);
	return smtpd_session_begin(s);
}

/* One command or response line at the start of the input. */
static enum cv_step
take_line(struct smtpd_session *s)
{
	struct cv_str in = cv_conn_in(s->conn);
	/* RFC 4954 4: a token may come as the initial response, on the command's own line. */
	bool is_auth = s->state == S_AUTH ||
	               (s->kind == SMTPD_SUBMISSION && cv_str_has_iprefix(in, "AUTH "));
	size_t max = is_auth ? SMTPD_AUTH_LINE_MAX : SMTPD_LINE_MAX;
	size_t lf = 0;

	/* A line ends at CR LF. A bare LF is a byte of a line that will be refused. */
	for (;;) {
		lf = cv_str_find(in, '\n', lf);
		if (lf >= in.n || (lf > 0 && in.p[lf - 1] == '\r'))
			break;
		lf++;
	}
	if (lf >= in.n && in.n <= max)
		return CV_STEP_READ;
	if (lf > max) {
		/* Too long to be kept. There is no safe place to go on from: the session ends. */
		smtpd_reply_put(cv_conn_out(s->conn), R_LONG);
		return CV_STEP_CLOSE;
	}

	/* A copy, so that what the handler finds in the input is what came behind the line. */
	char line[SMTPD_AUTH_LINE_MAX + 1];
	size_t n = lf - 1;
	memcpy(line, in.p, n);
	cv_conn_consume(s->conn, lf + 1);
	if (memchr(line, '\r', n) || memchr(line, '\n', n) || memchr(line, '\0', n)) {
		smtpd_reply_put(cv_conn_out(s->conn), R_BARE);
		return CV_STEP_CLOSE;
	}
	bool secret = s->state == S_AUTH;
	enum cv_step step =
		secret ? smtpd_auth_line(s, cv_str(line, n)) : smtpd_command(s, cv_str(line, n));
	if (secret || cv_str_has_iprefix(cv_str(line, n), "AUTH "))
		cv_wipe(line, n); /* a password may be in it */
	return step;
}

static enum cv_step
take_input(struct smtpd_session *s)
{
	switch (s->state) {
	case S_DATA:
		return smtpd_data_input(s);
	case S_BDAT:
		return s->bdat_left ? smtpd_bdat_input(s) : take_line(s);
	default:
		return take_line(s);
	}
}

/* Between two messages, and the server wants to stop. */
static bool
should_leave(const struct smtpd_session *s)
{
	return atomic_load_explicit(&s->server->draining, memory_order_relaxed) && !s->tx
	       && !s->resume && s->state != S_AUTH;
}

static enum cv_step
say_goodbye(struct smtpd_session *s)
{
	smtpd_reply_put(cv_conn_out(s->conn), R_SHUTDOWN);
	return CV_STEP_CLOSE;
}

/* Too many faults, or too much talk that brings no mail nearer. */
static bool
is_tiresome(struct smtpd_session *s)
{
	return s->errors > s->server->opt->max_errors || s->noise > SMTPD_NOISE_MAX ||
	       (s->errors > 1 && smtpd_defence_is_stressed(s));
}

static enum cv_step
converse(struct smtpd_session *s, unsigned events)
{
	struct cv_conn *c = s->conn;
	enum cv_step step;

	if (events & CV_EV_OPEN) {
		step = session_open(s);
		if (step != CV_STEP_DONE)
			return step;
	}
	if (events & CV_EV_TIMEOUT && !(events & CV_EV_KILLED) && smtpd_defence_takes_timeout(s))
		events &= ~(unsigned)CV_EV_TIMEOUT;
	if (events & CV_EV_TIMEOUT) {
		/* No reply in the middle of an answer that is still being made. */
		if (!s->resume)
			smtpd_reply_put(
				cv_conn_out(c), events & CV_EV_KILLED ? R_SHUTDOWN : R_TIMEOUT);
		return CV_STEP_CLOSE;
	}
	if (events & CV_EV_SECURE) {
		s->secure = true;
		s->helo[0] = '\0';
		smtpd_session_enter(s, S_CONNECTED);
	}
	if (s->resume) {
		step = s->resume(s);
		if (step != CV_STEP_DONE)
			return step;
	}
	/* All commands that are here run at once; their replies leave in one write. */
	while (cv_conn_in(c).n) {
		if (smtpd_defence_delays(s))
			return CV_STEP_WAIT;
		step = take_input(s);
		if (step == CV_STEP_READ)
			return step;
		smtpd_defence_ran(s);
		if (step != CV_STEP_DONE)
			return step;
		if (is_tiresome(s)) {
			cv_log(cv_conn_id(c), CV_INFO, "smtp.tiresome",
				"peer=%s errors=%u noise=%u", cv_conn_peer_text(c), s->errors,
				s->noise);
			smtpd_reply_put(cv_conn_out(c), R_ERRORS);
			return CV_STEP_CLOSE;
		}
		if (cv_conn_out_is_high(c))
			return CV_STEP_MORE;
		if (should_leave(s))
			return say_goodbye(s);
	}
	if (should_leave(s))
		return say_goodbye(s);
	return events & CV_EV_EOF ? CV_STEP_CLOSE : CV_STEP_READ;
}

/* How long the next wait may last. */
static unsigned
patience(struct smtpd_session *s)
{
	const struct smtpd_options *o = s->server->opt;
	uint64_t secs = s->state == S_DATA || s->bdat_left ? o->data_timeout : o->idle_timeout;

	if (s->resume)
		return SMTPD_ANSWER_SECS;
	if (smtpd_defence_is_stressed(s))
		secs = CV_MIN(secs, o->stress_idle_timeout);
	return (unsigned)secs;
}

/* Bytes that come one by one do not make a command's time longer. */
static void
set_deadline(struct smtpd_session *s, enum cv_step step)
{
	struct smtpd_guard *g = &s->guard;
	bool begun = step == CV_STEP_READ && cv_conn_in(s->conn).n && s->state != S_DATA &&
		     !s->bdat_left;

	if (!begun)
		g->line_until_ms = 0;
	else if (!g->line_until_ms)
		g->line_until_ms = cv_mono_ms() + (int64_t)patience(s) * 1000;
	if (g->until_ms || g->line_until_ms)
		cv_conn_set_deadline_at(s->conn, g->until_ms ? g->until_ms : g->line_until_ms);
	else
		cv_conn_set_deadline(s->conn, patience(s));
}

static enum cv_step
run(struct cv_conn *c, unsigned events)
{
	struct smtpd_session *s = session_of(c);

	s->conn = c;
	enum cv_step step = converse(s, events);
	set_deadline(s, step);
	return step;
}

static void
closed(struct cv_conn *c)
{
	struct smtpd_session *s = session_of(c);

	if (!s->server)
		return;
	if (s->milter)
		smtpd_milter_free(s->milter);
	smtpd_defence_close(s);
	cv_sasl_free(s->sasl);
	smtpd_tx_unref(s->tx);
	cv_log(cv_conn_id(c), CV_DEBUG, "smtp.closed", "messages=%u errors=%u", s->messages,
		s->errors);
}

const struct cv_proto smtpd_proto = {
	.name = "smtp",
	.user_bytes = sizeof(struct smtpd_session),
	.in_max = SMTPD_IN_MAX,
	.out_high = 64u << 10,
	.idle_secs = 300, /* run() sets a limit for each wait */
	.run = run,
	.closed = closed,
};
