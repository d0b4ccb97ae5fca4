/* conn.c - runs a connection: input to commands, commands to handlers, answers in order. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/conn.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/store/feed.h"
#include "imapd/context.h"
#include "imapd/describe.h"
#include "imapd/limit.h"
#include "imapd/login.h"
#include "imapd/metadata.h"
#include "imapd/notify.h"
#include "imapd/progress.h"
#include "imapd/rights.h"

#define COMMANDS_A_RUN  64 /* pipelined commands before others have their turn */
#define ERRORS_MAX      50 /* BAD answers; with fewer than that before log-in */
#define ERRORS_NEW_MAX  5
#define LINE_NEW_MAX    8192 /* limits before log-in */
#define LITERAL_NEW_MAX 4096
#define LITERAL_MAX     (64u << 10)
#define TEXT_MAX        (1u << 20)

struct cv_buf *
imapd_out(struct imapd_conn *c)
{
	return cv_conn_out(c->conn);
}

/* May the state go from FROM to TO? */
static bool
is_edge(enum imapd_state from, enum imapd_state to)
{
	switch (to) {
	case IMAPD_S_AUTH:
		return from & IMAPD_S_ANY;
	case IMAPD_S_SELECTED:
		return from & IMAPD_S_IN;
	case IMAPD_S_GREETED: /* at the start, and by UNAUTHENTICATE */
		return from == 0 || from & IMAPD_S_IN;
	case IMAPD_S_LOGOUT:
		return true;
	default:
		return false;
	}
}

void
imapd_conn_enter(struct imapd_conn *c, enum imapd_state state)
{
	assert(is_edge(c->state, state));
	if (state != IMAPD_S_SELECTED) {
		imapd_session_close(c->session);
		c->session = NULL;
	}
	assert(state != IMAPD_S_SELECTED || c->session);
	c->state = state;
}

/* ---- answers ---- */

enum cv_step
imapd_done(struct imapd_conn *c, enum imapd_reply reply)
{
	c->cmd->reply = reply;
	c->cmd->is_answered = true;
	return CV_STEP_DONE;
}

enum cv_step
imapd_done_durable(struct imapd_conn *c, cv_ticket ticket)
{
	c->cmd->ticket = ticket;
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_refuse(struct imapd_conn *c, enum cv_status status, const struct cv_err *err)
{
	enum imapd_reply reply = imapd_reply_of(status);

	if (reply == IMAPD_R_TEMPFAIL || reply == IMAPD_R_FULL || reply == IMAPD_R_CORRUPT)
		cv_log(cv_conn_id(c->conn), CV_ERROR, "imap.fault",
			"command=%s status=\"%s\" error=\"%s\"", c->cmd->row->name,
			cv_status_name(status), err->text);
	return imapd_done(c, reply);
}

enum cv_step
imapd_yield(struct imapd_conn *c)
{
	cv_conn_wake(c->conn);
	return CV_STEP_WAIT;
}

bool
imapd_may_be_slow(struct imapd_conn *c)
{
	if (!c->is_slow)
		c->is_slow = cv_conn_mark_slow(c->conn, true);
	return c->is_slow;
}

void
imapd_know_modseq(struct imapd_conn *c)
{
	struct cv_buf *out = imapd_out(c);

	if (!c->condstore && c->session) {
		cv_buf_z(out, "* OK [HIGHESTMODSEQ ");
		cv_buf_u64(out, c->session->view->highest_modseq);
		cv_buf_z(out, "] Highest\r\n");
	}
	c->condstore = true;
}

static void
release_command(struct imapd_conn *c)
{
	for (; c->cmd; c->cmd = c->cmd->interrupted)
		if (c->cmd->release)
			c->cmd->release(c->cmd->step);
	imapd_places_done(c);
	if (c->is_slow) {
		cv_conn_mark_slow(c->conn, false);
		c->is_slow = false;
	}
	imapd_input_reset(&c->input);
	cv_arena_reset(&c->arena);
}

/* ---- durable answers ---- */

struct imapd_sync_how
imapd_news_how(const struct imapd_conn *c, bool is_uid)
{
	return (struct imapd_sync_how){
		.with_uid = (is_uid || c->qresync) && !c->uid_only, /* RFC 7162 3.2.4 */
		.with_modseq = c->condstore,
		.vanished = c->qresync || c->uid_only,
		.uid_only = c->uid_only,
	};
}

/* News of the selected mailbox, where the row allows them. False: the mailbox is gone. */
static bool
send_news(struct imapd_conn *c)
{
	const struct imapd_cmd *cmd = c->cmd;
	struct cv_err err = {0};
	struct imapd_sync_how how = imapd_news_how(c, cmd->is_uid);

	if (cmd->row->flags & IMAPD_CMD_QUIET)
		return true;
	imapd_notify_tell(c);
	how.may_expunge = cmd->is_uid || !(cmd->row->flags & IMAPD_CMD_NUMBERS);
	if (!c->session || !imapd_notify_may_sync(c, cmd->row->flags & IMAPD_CMD_WRITES, &how))
		return true;
	imapd_tell_rights(c);
	enum cv_status status = imapd_session_sync(c->session, how, &c->arena, imapd_out(c), &err);
	if (status == CV_OK)
		return true;
	cv_log(cv_conn_id(c->conn), CV_WARN, "imap.mailbox_gone", "error=\"%s\"", err.text);
	return false;
}

void
imapd_write_fetch(struct cv_buf *out, bool uid_only, uint32_t seq, uint32_t uid)
{
	cv_buf_add(out, "* ", 2);
	cv_buf_u64(out, uid_only ? uid : seq);
	cv_buf_z(out, uid_only ? " UIDFETCH (" : " FETCH (");
}

static enum cv_step
bye(struct imapd_conn *c, const char *text)
{
	struct cv_buf *out = imapd_out(c);
	cv_buf_z(out, "* BYE ");
	cv_buf_z(out, text);
	cv_buf_add(out, "\r\n", 2);
	return CV_STEP_CLOSE;
}

/* Counts a fault of the peer; CLOSE when there were too many. */
static enum cv_step
count_error(struct imapd_conn *c)
{
	unsigned max = c->state == IMAPD_S_GREETED ? ERRORS_NEW_MAX : ERRORS_MAX;
	return ++c->errors > max ? bye(c, "Too many errors") : CV_STEP_DONE;
}

/* The handler is done: wait for the disk, tell the news, answer. */
static enum cv_step
finish_command(struct imapd_conn *c)
{
	struct imapd_cmd *cmd = c->cmd;

	if (!imapd_is_durable(c->server, c->conn, cmd->ticket, &cmd->is_waiting))
		return CV_STEP_DURABLE;
	if (imapd_describe_ended(c))
		return CV_STEP_DONE;
	if (!cmd->is_news_told) {
		cmd->is_news_told = true;
		cv_buf_str(imapd_out(c), cmd->untagged);
		imapd_metadata_news(c);
		if (!send_news(c)) {
			release_command(c);
			return bye(c, "The selected mailbox was deleted");
		}
	}
	enum cv_step step = imapd_contexts_step(c);
	if (step != CV_STEP_DONE || imapd_contexts_describe(c))
		return step;
	imapd_choose_code(c);
	imapd_respond(imapd_out(c), cmd->tag, cmd->reply, cmd->code, cmd->row->name, NULL);
	bool is_bad = imapd_reply_is_bad(cmd->reply);
	if (imapd_reply_is_ok(cmd->reply) && (c->state & IMAPD_S_IN))
		c->errors = 0;
	release_command(c);
	if (c->is_compressing) {
		cv_conn_compress(c->conn);
		c->is_compressing = false;
	}
	if (c->state == IMAPD_S_LOGOUT || c->is_unwelcome)
		return CV_STEP_CLOSE;
	if (c->is_handshaking)
		return CV_STEP_READ;
	return is_bad ? count_error(c) : CV_STEP_DONE;
}

/* The selected mailbox is somebody else's, who shares it no more. */
static enum cv_step
leave_lost(struct imapd_conn *c)
{
	bool is_inside = c->cmd && c->cmd->step; /* a BYE would be taken for a part of the answer */

	cv_log(cv_conn_id(c->conn), CV_INFO, "imap.share_ended", "user=%s box=%s", c->address,
		c->session->owner.address);
	release_command(c);
	if (is_inside)
		return CV_STEP_CLOSE;
	return bye(c, "This mailbox is not shared with you any more / Hop thu nay khong con duoc "
		      "chia se");
}

static enum cv_step
run_command(struct imapd_conn *c)
{
	if (!imapd_may_stay(c))
		return leave_lost(c);
	if (!c->cmd->is_answered) {
		if ((c->cmd->row->flags & IMAPD_CMD_SLOW) && !imapd_may_be_slow(c))
			return CV_STEP_WAIT;
		enum cv_step step = c->cmd->row->run(c);
		if (!c->cmd || step != CV_STEP_DONE)
			return step;
		assert(c->cmd->is_answered);
	}
	return finish_command(c);
}

/* ---- new commands ---- */

/* An answer to what never became a command. */
static enum cv_step
answer_fault(struct imapd_conn *c, struct cv_str tag, enum imapd_reply reply, const char *text)
{
	imapd_respond(imapd_out(c), tag, reply, CV_STR_EMPTY, "", text);
	imapd_input_reset(&c->input);
	c->cmd = NULL;
	cv_arena_reset(&c->arena);
	return imapd_reply_is_bad(reply) ? count_error(c) : CV_STEP_DONE;
}

/* TEXT lies in the arena. */
static enum cv_step
start_command(struct imapd_conn *c, struct cv_str text)
{
	struct imapd_parse p = {
		.text = text,
		.arena = &c->arena,
		.spools = c->input.spools,
		.spool_count = c->input.spool_count,
		.utf8 = c->utf8,
		.no_charset = c->utf8_accept && !c->rev2,
		.rev2 = c->rev2,
		.uid_only = c->uid_only,
		.is_exact = imapd_config(c->server)->imapd->search_exact,
	};
	struct cv_str tag, name;
	bool is_uid = false;

	if (!imapd_parse_tag(&p, &tag))
		return answer_fault(c, CV_STR("*"), IMAPD_R_NO_TAG, NULL);
	if (!imapd_parse_sp(&p) || !imapd_parse_atom(&p, &name))
		return answer_fault(c, tag, IMAPD_R_NO_TAG, NULL);
	if (cv_str_ieq_z(name, "UID")) {
		is_uid = true;
		if (!imapd_parse_sp(&p) || !imapd_parse_atom(&p, &name))
			return answer_fault(c, tag, IMAPD_R_NO_TAG, NULL);
	}
	atomic_fetch_add_explicit(&c->login.commands, 1, memory_order_relaxed);
	atomic_store_explicit(&c->login.last_secs, cv_wall_secs(), memory_order_relaxed);
	const struct imapd_cmd_row *row = imapd_cmd_find(name, is_uid);
	if (!row)
		return answer_fault(c, tag, IMAPD_R_UNKNOWN, NULL);
	if (!(row->states & c->state))
		return answer_fault(c, tag, IMAPD_R_BAD_STATE, NULL);

	if (c->uid_only && !is_uid && (row->flags & IMAPD_CMD_UID))
		return answer_fault(c, tag, IMAPD_R_UID_REQUIRED, NULL);

	struct imapd_cmd *cmd = CV_ARENA_NEW(&c->arena, struct imapd_cmd);
	cmd->tag = tag;
	cmd->row = row;
	cmd->is_uid = is_uid;
	if (!imapd_parse_args(&p, row->grammar, &cmd->args))
		return answer_fault(c, tag,
			p.has_numbers ? IMAPD_R_UID_REQUIRED : IMAPD_R_SYNTAX, p.fault);
	c->cmd = cmd;
	if (c->session)
		imapd_set_bind(&cmd->args.set, c->session->saved, c->session->saved_count,
			&c->arena);
	if (cmd->args.is_bad_name)
		imapd_done(c, IMAPD_R_BAD_NAME);
	else if (!is_uid && cmd->args.set.count &&
		 imapd_set_is_beyond(&cmd->args.set, c->session->view->exists))
		imapd_done(c, IMAPD_R_NO_MESSAGE);
	else if ((row->flags & IMAPD_CMD_WRITES) && c->session->is_read_only)
		imapd_done(c, IMAPD_R_READ_ONLY_BOX);
	else
		imapd_check_rights(c);
	return run_command(c);
}

static struct imapd_input_limits
limits_of(struct imapd_conn *c)
{
	const struct imapd_options *o = imapd_config(c->server)->imapd;
	if (!(c->state & IMAPD_S_IN))
		return (struct imapd_input_limits){.line = LINE_NEW_MAX,
			.literal = LITERAL_NEW_MAX,
			.text = 2 * LITERAL_NEW_MAX};
	return (struct imapd_input_limits){
		.line = o->max_line,
		.literal = LITERAL_MAX,
		.text = TEXT_MAX,
		.message = o->max_append,
		.spool_dir = cv_store_spool_dir(c->server->store),
	};
}

static enum cv_step
answer_refused(struct imapd_conn *c)
{
	static const enum imapd_reply replies[] = {
		[IMAPD_REFUSAL_LINE] = IMAPD_R_LINE_TOO_LONG,
		[IMAPD_REFUSAL_LITERAL] = IMAPD_R_LITERAL_TOO_LARGE,
		[IMAPD_REFUSAL_MESSAGE] = IMAPD_R_MESSAGE_TOO_LARGE,
		[IMAPD_REFUSAL_COUNT] = IMAPD_R_TOO_MANY_MESSAGES,
	};
	char tag[IMAPD_TAG_MAX + 1];
	memcpy(tag, c->input.tag, sizeof(tag));
	return answer_fault(c, cv_str_z(tag), replies[c->input.refusal], NULL);
}

/* Takes input up to a whole command and starts it. */
static enum cv_step
next_command(struct imapd_conn *c)
{
	struct imapd_input_limits limits = limits_of(c);
	size_t used;

	enum imapd_input_result r =
		imapd_input_feed(&c->input, &limits, cv_conn_in(c->conn), &used);
	struct cv_str command = c->input.command;
	enum cv_step step = CV_STEP_READ;
	switch (r) {
	case IMAPD_INPUT_MORE:
		cv_conn_consume(c->conn, used);
		if (c->has_eof)
			return CV_STEP_CLOSE;
		return imapd_notify_is_on(c) ? CV_STEP_LISTEN : CV_STEP_READ;
	case IMAPD_INPUT_GO:
		cv_conn_consume(c->conn, used);
		cv_buf_z(imapd_out(c), "+ OK\r\n");
		return CV_STEP_DONE;
	case IMAPD_INPUT_COMMAND:
		/* The command is copied before its bytes go; STARTTLS must see them gone. */
		command = cv_arena_str(&c->arena, command);
		cv_conn_consume(c->conn, used);
		return command.n ? start_command(c, command) : CV_STEP_DONE;
	case IMAPD_INPUT_REFUSED:
		cv_conn_consume(c->conn, used);
		return answer_refused(c);
	case IMAPD_INPUT_HOPELESS:
		step = bye(c, "Literal too large");
		break;
	}
	return step;
}

bool
imapd_read_line(struct imapd_conn *c, struct cv_str *line_out, bool *is_bad_out)
{
	struct imapd_input_limits limits = limits_of(c);
	size_t used;

	*is_bad_out = false;
	enum imapd_input_result r =
		imapd_input_feed_line(&c->input, &limits, cv_conn_in(c->conn), &used);
	if (r == IMAPD_INPUT_COMMAND)
		*line_out = cv_arena_str(&c->arena, c->input.command);
	cv_conn_consume(c->conn, used);
	*is_bad_out = r == IMAPD_INPUT_REFUSED || r == IMAPD_INPUT_HOPELESS;
	return r != IMAPD_INPUT_MORE;
}

/* ---- the connection ---- */

void
imapd_write_capabilities(struct imapd_conn *c, struct cv_buf *out)
{
	cv_buf_z(out, "CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE");
	if (c->state & IMAPD_S_IN) {
		cv_buf_z(out, " NAMESPACE CHILDREN UIDPLUS MOVE UNSELECT SPECIAL-USE "
			      "UNAUTHENTICATE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE CONDSTORE "
			      "QRESYNC ESEARCH SEARCHRES SEARCH=FUZZY MULTISEARCH NOTIFY CONTEXT=SEARCH CONTEXT=SORT PARTIAL WITHIN SAVEDATE OBJECTID PREVIEW SORT SORT=DISPLAY ESORT THREAD=ORDEREDSUBJECT "
			      "THREAD=REFERENCES THREAD=REFS I18NLEVEL=1 MULTIAPPEND QUOTA "
			      "QUOTA=RES-STORAGE ACL RIGHTS=texk LIST-MYRIGHTS UTF8=ACCEPT BINARY REPLACE CATENATE UIDONLY UIDBATCHES METADATA LIST-METADATA INPROGRESS");
		cv_buf_z(out, " QUOTA=RES-MESSAGE");
		imapd_write_limit_capability(c, out);
		cv_buf_z(out, cv_conn_is_compressed(c->conn) ? "" : " COMPRESS=DEFLATE");
		cv_buf_printf(out, " APPENDLIMIT=%llu",
			(unsigned long long)imapd_config(c->server)->imapd->max_append);
		return;
	}
	if (!c->is_secure && c->server->tls && !cv_conn_is_compressed(c->conn))
		cv_buf_z(out, " STARTTLS");
	if (!imapd_may_log_in(c)) {
		cv_buf_z(out, " LOGINDISABLED");
		return;
	}
	struct cv_sasl_env env;
	imapd_conn_sasl_env(c->server, c->conn, c->is_forwarded, &env);
	cv_sasl_mechanisms(&env, " AUTH=", out);
}

bool
imapd_may_log_in(struct imapd_conn *c)
{
	if (c->is_forwarded)
		return c->front_may_log_in || c->is_secure;
	return imapd_peer_may_log_in(c->server, c->conn, c->is_secure);
}

static void
take_tls(struct imapd_conn *c)
{
	struct cv_tls_info info;
	cv_conn_tls_info(c->conn, &info);
	c->is_secure = info.secure;
}

static void
open_conn(struct imapd_conn *c)
{
	const struct imapd_config *config = imapd_config(c->server);

	take_tls(c);
	cv_list_init(&c->login.link);
	c->may_forward = cv_netset_has(config->id_from, cv_conn_peer(c->conn));
	imapd_conn_enter(c, IMAPD_S_GREETED);
	c->login_deadline_ms = cv_mono_ms() + 1000 * (int64_t)config->imapd->login_timeout;
	struct cv_buf *out = imapd_out(c);
	cv_buf_z(out, "* OK [");
	imapd_write_capabilities(c, out);
	cv_buf_z(out, "] ");
	cv_buf_z(out, config->common->hostname);
	cv_buf_z(out, " congvu ready\r\n");
}

static enum cv_step
time_is_up(struct imapd_conn *c, unsigned events)
{
	/* In the middle of an answer a BYE would be taken for a part of it. */
	if (c->cmd && c->cmd->step)
		return CV_STEP_CLOSE;
	if (events & CV_EV_KILLED)
		return bye(c, "The server ends this session");
	return bye(c, "Nothing heard for too long");
}

static enum cv_step
one_step(struct imapd_conn *c)
{
	if (!c->cmd && c->notify) {
		if (!imapd_may_stay(c))
			return leave_lost(c);
		enum cv_step step = imapd_notify_run(c);
		if (step != CV_STEP_DONE)
			return step;
	}
	if (c->cmd)
		return run_command(c);
	if (c->is_idling)
		return imapd_may_stay(c) ? imapd_idle_run(c) : leave_lost(c);
	return next_command(c);
}

/* What the wait after this run costs and how long it may be. */
static enum cv_step
park(struct imapd_conn *c, enum cv_step step)
{
	if (!c->cmd)
		cv_arena_done(&c->arena);
	if (c->state == IMAPD_S_GREETED && step != CV_STEP_CLOSE) {
		int64_t left = (c->login_deadline_ms - cv_mono_ms() + 999) / 1000;
		/* Who sends a byte now and then would move a deadline that is only set. */
		if (left < 1)
			return time_is_up(c, CV_EV_TIMEOUT);
		cv_conn_set_deadline(c->conn, (unsigned)left);
	}
	if (step == CV_STEP_WAIT)
		imapd_progress_park(c);
	return step;
}

static enum cv_step
run_steps(struct imapd_conn *c)
{
	for (unsigned i = 0; i < COMMANDS_A_RUN; i++) {
		enum cv_step step = one_step(c);
		c->events = 0;
		if (step != CV_STEP_DONE)
			return park(c, step);
		if (cv_conn_out_is_high(c->conn))
			return CV_STEP_MORE;
	}
	return imapd_yield(c);
}

static enum cv_step
run(struct cv_conn *conn, unsigned events)
{
	struct imapd_conn *c = cv_conn_user(conn);

	if (events & CV_EV_OPEN) {
		c->conn = conn;
		c->server = cv_conn_ctx(conn);
		open_conn(c);
	}
	if (events & CV_EV_FAILED)
		return CV_STEP_CLOSE;
	if ((events & CV_EV_KILLED) ||
		((events & CV_EV_TIMEOUT) && !imapd_progress_was_timer(c)))
		return time_is_up(c, events);
	if (events & CV_EV_SECURE) {
		take_tls(c);
		c->is_handshaking = false;
	}
	if (events & CV_EV_EOF)
		c->has_eof = true;
	c->events = events;
	imapd_progress_tell(c);

	/* So that it is not told what it does itself. */
	cv_feed_as(cv_conn_id(conn));
	enum cv_step step = run_steps(c);
	cv_feed_as(0);
	return step;
}

static void
closed(struct cv_conn *conn)
{
	struct imapd_conn *c = cv_conn_user(conn);

	if (!c->server)
		return;
	for (struct imapd_cmd *cmd = c->cmd; cmd; cmd = cmd->interrupted)
		if (cmd->release)
			cmd->release(cmd->step);
	imapd_places_done(c);
	imapd_input_done(&c->input);
	cv_arena_done(&c->arena);
	imapd_session_close(c->session);
	imapd_log_out(c);
	if (c->acct) {
		uint64_t in, out;
		cv_conn_bytes(conn, &in, &out);
		cv_log(cv_conn_id(conn), CV_INFO, "imap.end",
			"user=%s box=%s peer=%s secs=%lld commands=%llu bytes_in=%llu "
			"bytes_out=%llu",
			c->address, c->box ? c->box : "-", cv_conn_peer_text(conn),
			(long long)(cv_wall_secs() - c->login.since_secs),
			(unsigned long long)atomic_load(&c->login.commands),
			(unsigned long long)in, (unsigned long long)out);
		cv_acct_close(c->acct);
	}
	free(c->idle_tag);
	free(c->address);
	free(c->box);
	free(c->groups);
}

const struct cv_proto imapd_proto_model = {
	.name = "imap",
	.user_bytes = sizeof(struct imapd_conn),
	.in_max = 64u << 10,
	.out_high = 256u << 10,
	.run = run,
	.closed = closed,
};
