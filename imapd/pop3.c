/* pop3.c - runs a POP3 connection: lines to commands, commands to handlers, answers in order. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/pop3.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#define COMMANDS_A_RUN 64 /* pipelined commands before others have their turn */
#define ERRORS_MAX     50 /* -ERR answers to what is no command */
#define ERRORS_NEW_MAX 10 /* any -ERR before log-in */
#define LINE_MAX_NEW   16384 /* AUTH with an initial response (RFC 5034 4) */
#define LINE_MAX_IN    512   /* RFC 2449 4 asks for 255 */

#define NEW   IMAPD_POP3_AUTHORIZATION
#define IN    IMAPD_POP3_TRANSACTION
#define ANY   IMAPD_POP3_ANY

/* clang-format off */
const struct imapd_pop3_row imapd_pop3_rows[] = {
	/* verb   handler          in   behind it */
	{ "STAT", imapd_pop3_stat, IN,  IMAPD_POP3_NOTHING },
	{ "LIST", imapd_pop3_list, IN,  IMAPD_POP3_MAY_NUMBER },
	{ "UIDL", imapd_pop3_uidl, IN,  IMAPD_POP3_MAY_NUMBER },
	{ "RETR", imapd_pop3_retr, IN,  IMAPD_POP3_NUMBER },
	{ "TOP",  imapd_pop3_top,  IN,  IMAPD_POP3_TWO_NUMBERS },
	{ "DELE", imapd_pop3_dele, IN,  IMAPD_POP3_NUMBER },
	{ "RSET", imapd_pop3_rset, IN,  IMAPD_POP3_NOTHING },
	{ "NOOP", imapd_pop3_noop, IN,  IMAPD_POP3_NOTHING },
	{ "USER", imapd_pop3_user, NEW, IMAPD_POP3_REST },
	{ "PASS", imapd_pop3_pass, NEW, IMAPD_POP3_REST },
	{ "AUTH", imapd_pop3_auth, NEW, IMAPD_POP3_MAY_WORDS },
	{ "STLS", imapd_pop3_stls, NEW, IMAPD_POP3_NOTHING },
	{ "UTF8", imapd_pop3_utf8, NEW, IMAPD_POP3_NOTHING },
	{ "CAPA", imapd_pop3_capa, ANY, IMAPD_POP3_NOTHING },
	{ "LANG", imapd_pop3_lang, ANY, IMAPD_POP3_MAY_WORD },
	{ "QUIT", imapd_pop3_quit, ANY, IMAPD_POP3_NOTHING },
};
/* clang-format on */
const size_t imapd_pop3_rows_count = CV_COUNT(imapd_pop3_rows);

const struct imapd_pop3_row *
imapd_pop3_find(struct cv_str verb)
{
	for (size_t i = 0; i < imapd_pop3_rows_count; i++)
		if (cv_str_ieq_z(verb, imapd_pop3_rows[i].name))
			return &imapd_pop3_rows[i];
	return NULL;
}

struct cv_buf *
imapd_pop3_out(struct imapd_pop3 *c)
{
	return cv_conn_out(c->conn);
}

void
imapd_pop3_enter(struct imapd_pop3 *c, enum imapd_pop3_state state)
{
	assert(state > c->state); /* there is no way back */
	assert(state != IMAPD_POP3_TRANSACTION || c->view);
	c->state = state;
}

/* ---- answers ---- */

enum cv_step
imapd_pop3_done(struct imapd_pop3 *c, enum imapd_pop3_reply reply)
{
	c->reply = reply;
	c->is_answered = true;
	return CV_STEP_DONE;
}

enum cv_step
imapd_pop3_written(struct imapd_pop3 *c)
{
	c->is_answer_written = true;
	return imapd_pop3_done(c, IMAPD_POP3_R_OK);
}

enum cv_step
imapd_pop3_refuse(struct imapd_pop3 *c, enum cv_status status, const struct cv_err *err)
{
	cv_log(cv_conn_id(c->conn), CV_ERROR, "pop3.fault",
		"command=%s status=\"%s\" error=\"%s\"", c->row->name, cv_status_name(status),
		err->text);
	return imapd_pop3_done(
		c, status == CV_CORRUPT ? IMAPD_POP3_R_CORRUPT : IMAPD_POP3_R_TEMPFAIL);
}

enum cv_step
imapd_pop3_yield(struct imapd_pop3 *c)
{
	cv_conn_wake(c->conn);
	return CV_STEP_WAIT;
}

bool
imapd_pop3_is_durable(struct imapd_pop3 *c)
{
	return imapd_is_durable(c->server, c->conn, c->ticket, &c->is_waiting);
}

/* ---- commands ---- */

static void
release_command(struct imapd_pop3 *c)
{
	if (c->release)
		c->release(c->step);
	c->row = NULL;
	c->step = NULL;
	c->release = NULL;
	c->ticket = 0;
	c->is_answered = c->is_waiting = c->is_answer_written = false;
	cv_arena_reset(&c->arena);
}

/* CLOSE when there were too many. */
static enum cv_step
count_error(struct imapd_pop3 *c)
{
	unsigned max = c->state == IMAPD_POP3_AUTHORIZATION ? ERRORS_NEW_MAX : ERRORS_MAX;
	return ++c->errors > max ? CV_STEP_CLOSE : CV_STEP_DONE;
}

/* An answer to what never became a command. */
static enum cv_step
answer_fault(struct imapd_pop3 *c, enum imapd_pop3_reply reply)
{
	imapd_pop3_respond(imapd_pop3_out(c), reply, c->lang);
	return count_error(c);
}

static enum cv_step
run_command(struct imapd_pop3 *c)
{
	if (!c->is_answered) {
		enum cv_step step = c->row->run(c);
		if (step != CV_STEP_DONE)
			return step;
		assert(c->is_answered);
	}
	if (!imapd_pop3_is_durable(c))
		return CV_STEP_DURABLE;
	if (!c->is_answer_written)
		imapd_pop3_respond(imapd_pop3_out(c), c->reply, c->lang);
	bool is_ok = imapd_pop3_reply_is_ok(c->reply);
	if (is_ok && c->state == IMAPD_POP3_TRANSACTION)
		c->errors = 0;
	release_command(c);
	if (c->state == IMAPD_POP3_UPDATE || c->is_unwelcome)
		return CV_STEP_CLOSE;
	if (c->is_handshaking)
		return CV_STEP_READ;
	return is_ok || c->state != IMAPD_POP3_AUTHORIZATION ? CV_STEP_DONE : count_error(c);
}

/* LINE lies in the arena. */
static enum cv_step
start_command(struct imapd_pop3 *c, struct cv_str line)
{
	struct cv_str verb, rest;

	atomic_fetch_add_explicit(&c->login.commands, 1, memory_order_relaxed);
	if (c->is_counted)
		atomic_store_explicit(&c->login.last_secs, cv_wall_secs(), memory_order_relaxed);
	if (!imapd_pop3_verb(line, &verb, &rest))
		return answer_fault(c, IMAPD_POP3_R_UNKNOWN);
	const struct imapd_pop3_row *row = imapd_pop3_find(verb);
	if (!row)
		return answer_fault(c, IMAPD_POP3_R_UNKNOWN);
	if (!(row->states & c->state))
		return answer_fault(c, IMAPD_POP3_R_BAD_STATE);
	if (!imapd_pop3_args(rest, row->grammar, &c->args))
		return answer_fault(c, IMAPD_POP3_R_SYNTAX);
	c->row = row;
	return run_command(c);
}

static enum imapd_pop3_frame
next_line(struct imapd_pop3 *c, struct cv_str *line_out)
{
	size_t max = c->state == IMAPD_POP3_AUTHORIZATION ? LINE_MAX_NEW : LINE_MAX_IN, used;
	struct cv_str line;

	enum imapd_pop3_frame frame =
		imapd_pop3_frame(cv_conn_in(c->conn), max, &c->is_skipping, &line, &used);
	/* The line is copied before its bytes go; STLS must see them gone. */
	if (frame == IMAPD_POP3_LINE)
		*line_out = cv_arena_str(&c->arena, line);
	cv_conn_consume(c->conn, used);
	return frame;
}

static enum cv_step
next_command(struct imapd_pop3 *c)
{
	struct cv_str line;

	switch (next_line(c, &line)) {
	case IMAPD_POP3_MORE:
		break;
	case IMAPD_POP3_LINE: {
		enum cv_step step = start_command(c, line);
		if (!c->row)
			cv_arena_reset(&c->arena);
		return step;
	}
	case IMAPD_POP3_TOO_LONG:
		return answer_fault(c, IMAPD_POP3_R_LINE_TOO_LONG);
	}
	return c->has_eof ? CV_STEP_CLOSE : CV_STEP_READ;
}

bool
imapd_pop3_read_line(struct imapd_pop3 *c, struct cv_str *line_out, enum cv_step *step_out)
{
	switch (next_line(c, line_out)) {
	case IMAPD_POP3_MORE:
		*step_out = c->has_eof ? CV_STEP_CLOSE : CV_STEP_READ;
		return false;
	case IMAPD_POP3_TOO_LONG:
		*step_out = imapd_pop3_done(c, IMAPD_POP3_R_LINE_TOO_LONG);
		return false;
	case IMAPD_POP3_LINE:
		break;
	}
	return true;
}

/* ---- the connection ---- */

static void
take_tls(struct imapd_pop3 *c)
{
	struct cv_tls_info info;

	cv_conn_tls_info(c->conn, &info);
	c->is_secure = info.secure;
}

static void
open_conn(struct imapd_pop3 *c)
{
	const struct imapd_config *config = imapd_config(c->server);

	take_tls(c);
	cv_list_init(&c->login.link);
	imapd_pop3_enter(c, IMAPD_POP3_AUTHORIZATION);
	c->login_deadline_ms = cv_mono_ms() + 1000 * (int64_t)config->imapd->login_timeout;
	cv_buf_printf(imapd_pop3_out(c), "+OK %s congvu ready\r\n", config->common->hostname);
}

/* What the wait after this run costs and how long it may be. */
static enum cv_step
park(struct imapd_pop3 *c, enum cv_step step)
{
	if (!c->row)
		cv_arena_done(&c->arena);
	if (c->state == IMAPD_POP3_AUTHORIZATION && step != CV_STEP_CLOSE) {
		int64_t left = (c->login_deadline_ms - cv_mono_ms() + 999) / 1000;
		/* Who sends a byte now and then would move a deadline that is only set. */
		if (left < 1)
			return CV_STEP_CLOSE;
		cv_conn_set_deadline(c->conn, (unsigned)left);
	}
	return step;
}

static enum cv_step
run(struct cv_conn *conn, unsigned events)
{
	struct imapd_pop3 *c = cv_conn_user(conn);

	if (events & CV_EV_OPEN) {
		c->conn = conn;
		c->server = cv_conn_ctx(conn);
		open_conn(c);
	}
	/* RFC 1939 3: an inactive session ends without a word, and removes nothing. */
	if (events & (CV_EV_FAILED | CV_EV_TIMEOUT))
		return CV_STEP_CLOSE;
	if (events & CV_EV_SECURE) {
		take_tls(c);
		c->is_handshaking = false;
	}
	if (events & CV_EV_EOF)
		c->has_eof = true;

	for (unsigned i = 0; i < COMMANDS_A_RUN; i++) {
		enum cv_step step = c->row ? run_command(c) : next_command(c);
		if (step != CV_STEP_DONE)
			return park(c, step);
		if (cv_conn_out_is_high(conn))
			return CV_STEP_MORE;
	}
	return imapd_pop3_yield(c);
}

static void
log_end(const struct imapd_pop3 *c)
{
	uint64_t in, out;

	cv_conn_bytes(c->conn, &in, &out);
	cv_log(cv_conn_id(c->conn), CV_INFO, "pop3.end",
		"user=%s peer=%s secs=%lld commands=%llu retrieved=%u deleted=%u quit=%d "
		"bytes_in=%llu bytes_out=%llu",
		c->address, cv_conn_peer_text(c->conn),
		(long long)(cv_wall_secs() - c->login.since_secs),
		(unsigned long long)atomic_load(&c->login.commands), c->retrieved, c->removed,
		c->state == IMAPD_POP3_UPDATE, (unsigned long long)in, (unsigned long long)out);
}

static void
closed(struct cv_conn *conn)
{
	struct imapd_pop3 *c = cv_conn_user(conn);

	if (!c->server)
		return;
	if (c->row)
		release_command(c);
	cv_arena_done(&c->arena);
	imapd_pop3_close_maildrop(c);
	if (c->address)
		log_end(c);
	free(c->address);
	free(c->user);
}

const struct cv_proto imapd_pop3_proto_model = {
	.name = "pop3",
	.user_bytes = sizeof(struct imapd_pop3),
	.in_max = 64u << 10,
	.out_high = 256u << 10,
	.run = run,
	.closed = closed,
};
