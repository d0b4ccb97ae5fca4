/* client.c - see client.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/client.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/log.h"
#include "common/text/domain.h"
#include "common/text/encode.h"
#include "smtpd/recode.h"

#define CHUNK_BYTES (64u << 10)
#define BDAT_BYTES  (256u << 10) /* a chunk on the wire, about; each waits for its answer */

/* Seconds of silence borne in each state: RFC 5321 4.5.3.2 where it speaks. */
static const unsigned patience[] = {
	[C_CONNECT] = 30, [C_GREETING] = 300, [C_EHLO] = 300, [C_HELO] = 300, [C_STARTTLS] = 120,
	[C_TLS] = 60, [C_AUTH] = 120, [C_ENVELOPE] = 300, [C_BODY] = 180, [C_CHUNK] = 600,
	[C_ANSWER] = 600, [C_EMPTY] = 300,
	[C_RSET] = 60, [C_IDLE] = 2, [C_QUIT] = 5, [C_OVER] = 5,
};

void
smtpd_outcome_set(struct smtpd_outcome *o, enum smtpd_fate fate, const char *status,
	const char *fmt, ...)
{
	va_list ap;

	if (o->fate != SMTPD_UNTRIED)
		return;
	o->fate = fate;
	snprintf(o->status, sizeof o->status, "%s", status);
	va_start(ap, fmt);
	vsnprintf(o->text, sizeof o->text, fmt, ap);
	va_end(ap);
}

static void
outcome_by_reply(struct smtpd_outcome *o, const struct smtpd_peer_reply *reply)
{
	enum smtpd_fate fate = reply->code < 300 ? SMTPD_SENT
		: reply->code < 500 ? SMTPD_LATER : SMTPD_FAILED;
	static const char *const plain[] = { "2.0.0", "4.0.0", "4.0.0", "5.0.0" };

	if (o->fate != SMTPD_UNTRIED)
		return;
	o->fate = fate;
	snprintf(o->status, sizeof o->status, "%s",
		reply->status[0] ? reply->status : plain[CV_MIN(reply->code / 100, 5u) - 2]);
	smtpd_peer_reply_text(reply, o->text, sizeof o->text);
	o->by_peer = true;
}

/* ---- the end ---- */

static enum cv_step
give_up(struct smtpd_client *c, enum smtpd_client_end end, const char *why)
{
	if (c->state != C_OVER) {
		c->end = c->was_ready && end != SMTPD_END_GOOD ? SMTPD_END_LOST : end;
		snprintf(c->why, sizeof c->why, "%s", why);
		c->state = C_OVER;
	}
	return CV_STEP_CLOSE;
}

static enum cv_step
say_quit(struct smtpd_client *c)
{
	cv_buf_z(cv_conn_out(c->conn), "QUIT\r\n");
	c->state = C_QUIT;
	return CV_STEP_READ;
}

/* ---- the envelope ---- */

static bool
is_ascii(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 127)
			return false;
	return true;
}

struct scan {
	bool in_header, high_in_header, high;
	char last[2]; /* the last two bytes other than CR: LF LF ends the header */
};

static enum cv_status
scan_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct scan *s = arg;

	(void)err;
	for (size_t i = 0; i < bytes.n; i++) {
		char ch = bytes.p[i];
		if ((unsigned char)ch > 127) {
			s->high = true;
			s->high_in_header |= s->in_header;
		}
		if (ch == '\r')
			continue;
		if (ch == '\n' && s->last[1] == '\n')
			s->in_header = false;
		s->last[0] = s->last[1];
		s->last[1] = ch;
	}
	return CV_OK;
}

/* What the message itself needs of the next server. */
static bool
scan_message(struct smtpd_client *c, struct scan *s)
{
	struct cv_err err = { 0 };

	*s = (struct scan){ .in_header = true, .last = { '\n', '\0' } };
	if (cv_queue_read(c->queue, c->job->msg, scan_bytes, s, &err) == CV_OK)
		return true;
	for (size_t i = 0; i < c->job->count; i++)
		smtpd_outcome_set(&c->job->outcomes[i], SMTPD_LATER, "4.3.0",
			"the queued message cannot be read: %s", err.text);
	return false;
}

static void
fail_all(struct smtpd_job *job, const char *status, const char *text)
{
	for (size_t i = 0; i < job->count; i++)
		smtpd_outcome_set(&job->outcomes[i], SMTPD_FAILED, status, "%s", text);
}

static struct cv_str
domain_of(struct cv_str address)
{
	size_t at = address.n;

	while (at && address.p[at - 1] != '@')
		at--;
	return cv_str_sub(address, at, address.n);
}

static bool
has_utf8_address(const struct smtpd_job *job)
{
	if (!is_ascii(job->msg->sender))
		return true;
	for (size_t i = 0; i < job->count; i++)
		if (!is_ascii(job->rcpts[i]->address))
			return true;
	return false;
}

static enum cv_status
spool_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	return cv_spool_write(arg, bytes, err);
}

static enum cv_status
recode_spooled(struct smtpd_client *c, struct cv_spool *whole, struct cv_err *err)
{
	struct cv_str message;
	enum cv_status status = cv_queue_read(c->queue, c->job->msg, spool_bytes, whole, err);

	if (status == CV_OK)
		status = cv_spool_map(whole, &message, err);
	if (status != CV_OK)
		return status;
	cv_spool_init(&c->recoded, c->spool_dir);
	status = smtpd_recode(message, SMTPD_CARRIES_7BIT, spool_bytes, &c->recoded, err);
	cv_spool_unmap(whole, message);
	c->is_recoded = status == CV_OK;
	if (!c->is_recoded)
		cv_spool_done(&c->recoded);
	return status;
}

/* 8-bit text for a server without 8BITMIME (RFC 6152 3). */
static void
recode(struct smtpd_client *c)
{
	struct cv_spool whole;
	struct cv_err err = { 0 };

	cv_spool_init(&whole, c->spool_dir);
	enum cv_status status = recode_spooled(c, &whole, &err);
	cv_spool_done(&whole);
	for (size_t i = 0; i < c->job->count && status != CV_OK; i++)
		smtpd_outcome_set(&c->job->outcomes[i],
			status == CV_INVALID ? SMTPD_FAILED : SMTPD_LATER,
			status == CV_INVALID ? "5.6.3" : "4.3.0",
			"the message has 8-bit text, and the server does not offer 8BITMIME: %s",
			err.text);
}

static void
drop_recoded(struct smtpd_client *c)
{
	if (c->is_recoded)
		cv_spool_done(&c->recoded);
	c->is_recoded = false;
}

/* What the message's own bytes ask of the server. */
static void
check_content(struct smtpd_client *c)
{
	const struct cv_queue_msg *msg = c->job->msg;
	struct scan s;

	if (!scan_message(c, &s))
		return;
	c->utf8_needed |= msg->smtputf8 && s.high_in_header;
	if (c->utf8_needed && !c->caps.utf8)
		fail_all(c->job, "5.6.7",
			"the header is not ASCII, and the server does not offer SMTPUTF8");
	else if (s.high && msg->body_kind != CV_BODY_7BIT && !c->caps.eightbit)
		recode(c);
}

/* DELIVERBY with R goes to nobody who cannot keep to it (RFC 2852 4.1). */
static const char *
by_fault(const struct smtpd_client *c)
{
	const struct cv_queue_msg *msg = c->job->msg;
	int64_t left = msg->by_secs - cv_wall_secs();

	if (msg->by_mode != CV_BY_RETURN)
		return NULL;
	if (left <= 0)
		return "the time for delivery that the sender set is over";
	if (!c->caps.deliverby)
		return "the message must be delivered in time, and the server does not offer DELIVERBY";
	return left < (int64_t)c->caps.by_min_secs
		? "the time for delivery is shorter than the server takes" : NULL;
}

/* False: the next server cannot take this message, and every recipient has its outcome. */
static bool
is_fit(struct smtpd_client *c)
{
	struct smtpd_job *job = c->job;
	const struct cv_queue_msg *msg = job->msg;

	c->utf8_needed = has_utf8_address(job);
	if (msg->require_tls && !(c->require_tls && c->caps.requiretls && c->secure))
		fail_all(job, "5.7.30", "the message may only travel under REQUIRETLS");
	else if (c->caps.has_size && c->caps.size_max && msg->size_bytes > c->caps.size_max)
		fail_all(job, "5.3.4", "the message is larger than the server takes");
	else if (by_fault(c))
		fail_all(job, c->caps.deliverby ? "5.4.7" : "5.3.3", by_fault(c));
	else if (c->utf8_needed && !c->caps.utf8)
		fail_all(job, "5.6.7",
			"an address is not ASCII, and the server does not offer SMTPUTF8");
	else if ((msg->smtputf8 && !c->utf8_needed)
		|| (msg->body_kind != CV_BODY_7BIT && !c->caps.eightbit))
		check_content(c);
	return job->outcomes[0].fate == SMTPD_UNTRIED;
}

/* "BY=120;RT", with the time that is left. */
static void
put_by(struct smtpd_client *c, struct cv_buf *out)
{
	const struct cv_queue_msg *msg = c->job->msg;
	int64_t left = msg->by_secs - cv_wall_secs();

	left = CV_MAX(CV_MIN(left, (int64_t)999999999), (int64_t)-999999999);
	if (msg->by_mode == CV_BY_RETURN)
		left = CV_MAX(left, (int64_t)1);
	cv_buf_printf(out, " BY=%lld;%c%s", (long long)left,
		msg->by_mode == CV_BY_RETURN ? 'R' : 'N', msg->by_trace ? "T" : "");
}

static void
put_mail(struct smtpd_client *c)
{
	const struct cv_queue_msg *msg = c->job->msg;
	struct cv_buf *out = cv_conn_out(c->conn);

	cv_buf_z(out, "MAIL FROM:<");
	cv_buf_str(out, msg->sender);
	cv_buf_c(out, '>');
	if (c->caps.has_size)
		cv_buf_printf(out, " SIZE=%llu", (unsigned long long)(
			c->is_recoded ? c->recoded.size_bytes : msg->size_bytes));
	if (c->caps.eightbit && msg->body_kind != CV_BODY_7BIT)
		cv_buf_z(out, " BODY=8BITMIME");
	if (c->utf8_needed)
		cv_buf_z(out, " SMTPUTF8");
	if (msg->require_tls)
		cv_buf_z(out, " REQUIRETLS");
	if (msg->by_mode != CV_BY_NONE && c->caps.deliverby)
		put_by(c, out);
	if (msg->priority && c->caps.priority)
		cv_buf_printf(out, " MT-PRIORITY=%d", msg->priority);
	if (c->caps.dsn) {
		if (msg->ret_full || msg->ret_hdrs)
			cv_buf_z(out, msg->ret_full ? " RET=FULL" : " RET=HDRS");
		if (msg->envid.n) {
			cv_buf_z(out, " ENVID=");
			cv_buf_str(out, msg->envid);
		}
	}
	cv_buf_z(out, "\r\n");
}

static void
put_notify(struct cv_buf *out, uint32_t notify)
{
	static const struct {
		uint32_t bit;
		const char *word;
	} words[] = { { CV_NOTIFY_NEVER, "NEVER" }, { CV_NOTIFY_SUCCESS, "SUCCESS" },
		{ CV_NOTIFY_FAILURE, "FAILURE" }, { CV_NOTIFY_DELAY, "DELAY" } };
	const char *before = " NOTIFY=";

	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (notify & words[i].bit) {
			cv_buf_z(out, before);
			cv_buf_z(out, words[i].word);
			before = ",";
		}
}

static void
put_rcpt(struct smtpd_client *c, const struct cv_queue_rcpt *rcpt)
{
	struct cv_buf *out = cv_conn_out(c->conn);

	cv_buf_z(out, "RCPT TO:<");
	cv_buf_str(out, rcpt->address);
	cv_buf_c(out, '>');
	if (c->caps.dsn) {
		put_notify(out, rcpt->notify);
		if (rcpt->orcpt.n) {
			cv_buf_z(out, " ORCPT=");
			cv_buf_str(out, rcpt->orcpt);
		} else if (is_ascii(rcpt->address)) {
			cv_buf_z(out, " ORCPT=rfc822;");
			cv_xtext_encode(rcpt->address, out);
		}
	}
	cv_buf_z(out, "\r\n");
}

static bool
in_chunks(const struct smtpd_client *c)
{
	return c->caps.chunking && !c->no_chunks;
}

/* How many commands the envelope has: with chunks no DATA. */
static size_t
envelope_length(const struct smtpd_client *c)
{
	return c->window + (in_chunks(c) ? 1 : 2);
}

/* Sends what may be sent now: everything with PIPELINING, else one command at a time. */
static void
pump_envelope(struct smtpd_client *c)
{
	while (c->sent < envelope_length(c) && (c->caps.pipelining || c->sent == c->got)) {
		if (!c->sent)
			put_mail(c);
		else if (c->sent <= c->window)
			put_rcpt(c, c->job->rcpts[c->first + c->sent - 1]);
		else
			cv_buf_z(cv_conn_out(c->conn), "DATA\r\n");
		c->sent++;
	}
}

/* The domain of recipient I is none of those from FROM to I. */
static bool
is_new_domain(const struct smtpd_job *job, size_t from, size_t i)
{
	for (size_t k = from; k < i; k++)
		if (cv_str_ieq(domain_of(job->rcpts[k]->address),
			domain_of(job->rcpts[i]->address)))
			return false;
	return true;
}

/* How many recipients from FIRST on one transaction may have (RFC 9422 3). */
static size_t
window_at(const struct smtpd_client *c, size_t first)
{
	const struct smtpd_job *job = c->job;
	size_t most = c->caps.rcpt_max ? CV_MIN((uint64_t)job->count - first, c->caps.rcpt_max)
				       : job->count - first;
	size_t n = 0;

	if (!c->caps.domain_max)
		return most;
	for (uint64_t domains = 0; n < most; n++) {
		domains += is_new_domain(job, first, first + n);
		if (domains > c->caps.domain_max)
			break;
	}
	return n;
}

static enum cv_step start_job(struct smtpd_client *c);

static bool
is_spent(const struct smtpd_client *c)
{
	return c->caps.mail_max && c->mails >= c->caps.mail_max;
}

/* A transaction for the recipients from FIRST on. */
static enum cv_step
begin_window(struct smtpd_client *c, size_t first)
{
	c->first = first;
	c->window = window_at(c, first);
	c->sent = c->got = c->accepted = 0;
	c->mail_refused = false;
	c->mails++;
	c->state = C_ENVELOPE;
	pump_envelope(c);
	return CV_STEP_READ;
}

/* The transaction is over, whatever came of it. */
static enum cv_step
job_done(struct smtpd_client *c)
{
	struct smtpd_job *job = c->job;
	size_t next = c->first + c->window;

	c->messages++;
	if (next < job->count && !is_spent(c))
		return begin_window(c, next);
	for (size_t i = next; i < job->count; i++)
		smtpd_outcome_set(&job->outcomes[i], SMTPD_LATER, "4.5.3",
			"the server takes no more mail on one connection");
	c->job = NULL;
	drop_recoded(c);
	c->owner->done(c, job);
	return start_job(c);
}

/* The transaction failed but the connection is good: clean up before the next one. */
static enum cv_step
reset(struct smtpd_client *c)
{
	cv_buf_z(cv_conn_out(c->conn), "RSET\r\n");
	c->state = C_RSET;
	return CV_STEP_READ;
}

static enum cv_step
start_job(struct smtpd_client *c)
{
	for (;;) {
		c->state = C_IDLE;
		if (is_spent(c)) /* MAILMAX: the next mail takes a new connection */
			return say_quit(c);
		c->job = c->owner->next(c);
		if (!c->job)
			return c->is_draining ? say_quit(c) : CV_STEP_LISTEN;
		snprintf(c->job->peer, sizeof c->job->peer, "%s", c->host);
		c->job->tls = c->secure ? c->policy : "clear";
		c->sent = c->got = 0;
		if (is_fit(c))
			break;
		struct smtpd_job *job = c->job;
		c->job = NULL;
		c->owner->done(c, job);
	}
	return begin_window(c, 0);
}

static enum cv_step send_body(struct smtpd_client *c);
static enum cv_step send_chunk(struct smtpd_client *c);

static enum cv_step
start_body(struct smtpd_client *c)
{
	c->state = C_BODY;
	c->body_at = 0;
	c->line_start = true;
	c->after_cr = false;
	return in_chunks(c) ? send_chunk(c) : send_body(c);
}

/* The answer to DATA. */
static enum cv_step
after_data(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	if (reply->code == 354 && c->accepted)
		return start_body(c);
	if (reply->code == 354) {
		/* Nobody to send it to: the empty message ends the state (RFC 2920 3.1). */
		cv_buf_z(cv_conn_out(c->conn), ".\r\n");
		c->state = C_EMPTY;
		return CV_STEP_READ;
	}
	for (size_t i = c->first; i < c->first + c->window; i++) {
		if (reply->code < 400)
			smtpd_outcome_set(&c->job->outcomes[i], SMTPD_LATER, "4.5.0",
				"the server answered DATA with %u", reply->code);
		outcome_by_reply(&c->job->outcomes[i], reply);
	}
	return reset(c);
}

static void
window_outcome(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	for (size_t i = c->first; i < c->first + c->window; i++)
		outcome_by_reply(&c->job->outcomes[i], reply);
}

static enum cv_step
after_envelope_reply(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	size_t number = c->got++;
	struct smtpd_outcome *rcpt = number && number <= c->window
		? &c->job->outcomes[c->first + number - 1] : NULL;

	if (number > c->window)
		return after_data(c, reply);
	if (number == 0 && reply->code >= 300) {
		c->mail_refused = true;
		window_outcome(c, reply);
	} else if (rcpt && reply->code >= 300) {
		outcome_by_reply(rcpt, reply);
	} else if (rcpt && !c->mail_refused) {
		c->accepted++;
		rcpt->dsn_passed_on = c->caps.dsn;
		rcpt->by_passed_on = c->caps.deliverby;
	}
	bool heard_all = c->got == c->window + 1;
	if (in_chunks(c) && heard_all)
		return c->accepted ? start_body(c) : reset(c);
	if (!c->caps.pipelining) {
		if (c->mail_refused || (heard_all && !c->accepted))
			return reset(c);
		pump_envelope(c);
	}
	return CV_STEP_READ;
}

/* ---- the body ---- */

static void
write_lines(struct cv_buf *out, struct cv_str bytes, bool *line_start, bool *after_cr, bool dots)
{
	for (size_t i = 0; i < bytes.n;) {
		char ch = bytes.p[i];
		if (*after_cr) {
			/* The CR seen before ends a line, whatever follows it. */
			cv_buf_z(out, "\r\n");
			*after_cr = false;
			*line_start = true;
			if (ch == '\n') {
				i++;
				continue;
			}
		}
		if (ch == '\r') {
			*after_cr = true;
			i++;
			continue;
		}
		if (ch == '\n') {
			cv_buf_z(out, "\r\n");
			*line_start = true;
			i++;
			continue;
		}
		if (ch == '.' && *line_start && dots)
			cv_buf_c(out, '.');
		*line_start = false;
		if (ch == '\0') {
			cv_buf_c(out, '?');
			i++;
			continue;
		}
		size_t run = i + 1;
		while (run < bytes.n && bytes.p[run] != '\r' && bytes.p[run] != '\n'
			&& bytes.p[run])
			run++;
		cv_buf_add(out, bytes.p + i, run - i);
		i = run;
	}
}

void
smtpd_client_stuff(struct cv_buf *out, struct cv_str bytes, bool *line_start, bool *after_cr)
{
	write_lines(out, bytes, line_start, after_cr, true);
}

void
smtpd_client_lines(struct cv_buf *out, struct cv_str bytes, bool *line_start, bool *after_cr)
{
	write_lines(out, bytes, line_start, after_cr, false);
}

struct body_piece {
	struct smtpd_client *client;
	struct cv_buf *out;
};

static enum cv_status
take_piece(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct body_piece *p = arg;
	struct smtpd_client *c = p->client;

	(void)err;
	write_lines(p->out, bytes, &c->line_start, &c->after_cr, !in_chunks(c));
	return CV_OK;
}

static uint64_t
body_bytes(const struct smtpd_client *c)
{
	return c->is_recoded ? c->recoded.size_bytes : c->job->msg->size_bytes;
}

/* The next piece of the message, as lines, to OUT; false: the connection is given up, because
 * without its end the peer must throw the message away. */
static bool
read_piece(struct smtpd_client *c, struct cv_buf *out)
{
	struct body_piece piece = { c, out };
	struct cv_err err = { 0 };
	enum cv_status status;

	if (c->is_recoded) {
		char *bytes = cv_malloc(CHUNK_BYTES);
		size_t n = 0;
		status = cv_spool_read(&c->recoded, c->body_at, bytes, CHUNK_BYTES, &n, &err);
		if (status == CV_OK)
			status = take_piece(&piece, cv_str(bytes, n), &err);
		free(bytes);
	} else {
		status = cv_queue_read_at(c->queue, c->job->msg, c->body_at, CHUNK_BYTES,
			take_piece, &piece, &err);
	}
	c->body_at += CHUNK_BYTES;
	CV_KILL_POINT("outbound.body");
	if (status == CV_OK)
		return true;
	for (size_t i = 0; i < c->job->count; i++)
		smtpd_outcome_set(&c->job->outcomes[i], SMTPD_LATER, "4.3.0",
			"the queued message cannot be read: %s", err.text);
	return false;
}

static void
end_last_line(struct smtpd_client *c, struct cv_buf *out)
{
	if (c->after_cr || !c->line_start)
		cv_buf_z(out, "\r\n");
}

static enum cv_step
send_body(struct smtpd_client *c)
{
	struct cv_buf *out = cv_conn_out(c->conn);

	while (c->body_at < body_bytes(c)) {
		if (cv_conn_out_is_high(c->conn))
			return CV_STEP_MORE;
		if (!read_piece(c, out))
			return give_up(c, SMTPD_END_LOST, "the queued message cannot be read");
	}
	end_last_line(c, out);
	cv_buf_z(out, ".\r\n");
	c->state = C_ANSWER;
	return CV_STEP_READ;
}

/* RFC 3030 2. A chunk's length is known only when its lines are written; the next one waits for its
 * answer. */
static enum cv_step
send_chunk(struct smtpd_client *c)
{
	struct cv_buf chunk = CV_BUF_INIT(BDAT_BYTES + 4 * CHUNK_BYTES);
	bool good = true;

	while (good && c->body_at < body_bytes(c) && chunk.n < BDAT_BYTES)
		good = read_piece(c, &chunk);
	bool is_last = c->body_at >= body_bytes(c);
	if (is_last)
		end_last_line(c, &chunk);
	assert(!chunk.full);
	if (good) {
		cv_buf_printf(cv_conn_out(c->conn), "BDAT %zu%s\r\n", chunk.n,
			is_last ? " LAST" : "");
		cv_buf_str(cv_conn_out(c->conn), cv_buf_view(&chunk));
	}
	cv_buf_done(&chunk);
	if (!good)
		return give_up(c, SMTPD_END_LOST, "the queued message cannot be read");
	c->state = is_last ? C_ANSWER : C_CHUNK;
	return CV_STEP_READ;
}

static enum cv_step
after_chunk(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	if (reply->code < 300)
		return send_chunk(c);
	window_outcome(c, reply);
	return reset(c);
}

/* RFC 2033 4.2: the next recipient that was taken hears its own answer. True: more are to come. */
static bool
one_answer(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	size_t last = c->first + c->window, i = c->first;

	while (i < last && c->job->outcomes[i].fate != SMTPD_UNTRIED)
		i++;
	if (i == last)
		return false;
	outcome_by_reply(&c->job->outcomes[i], reply);
	while (i < last && c->job->outcomes[i].fate != SMTPD_UNTRIED)
		i++;
	return i < last;
}

static enum cv_step
after_answer(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	CV_KILL_POINT("outbound.answered");
	if (c->is_lmtp && one_answer(c, reply))
		return CV_STEP_READ;
	window_outcome(c, reply);
	return job_done(c);
}

/* ---- hello ---- */

static enum cv_step
say_hello(struct smtpd_client *c, bool extended)
{
	cv_buf_printf(cv_conn_out(c->conn), "%s %s\r\n",
		c->is_lmtp ? "LHLO" : extended ? "EHLO" : "HELO", c->hello);
	c->state = extended ? C_EHLO : C_HELO;
	return CV_STEP_READ;
}

static enum cv_step
refused(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	char text[501];

	smtpd_peer_reply_text(reply, text, sizeof text);
	cv_buf_z(cv_conn_out(c->conn), "QUIT\r\n");
	return give_up(c, SMTPD_END_GREETING, text);
}

static enum cv_step
falls_short(struct smtpd_client *c, const char *why)
{
	cv_buf_z(cv_conn_out(c->conn), "QUIT\r\n");
	return give_up(c, SMTPD_END_POLICY, why);
}

/* RFC 4954, RFC 4616. */
static enum cv_step
log_in(struct smtpd_client *c)
{
	if (!c->secure)
		return falls_short(c, "the server does not offer TLS, which our password needs");
	if (!c->caps.auth_plain)
		return falls_short(c, "the server does not offer AUTH PLAIN");
	cv_buf_z(cv_conn_out(c->conn), "AUTH PLAIN ");
	cv_buf_z(cv_conn_out(c->conn), c->auth);
	cv_buf_z(cv_conn_out(c->conn), "\r\n");
	c->state = C_AUTH;
	return CV_STEP_READ;
}

static enum cv_step be_ready(struct smtpd_client *c);

static enum cv_step
after_auth(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	if (reply->code != 235)
		return refused(c, reply);
	c->is_authed = true;
	return be_ready(c);
}

static enum cv_step
be_ready(struct smtpd_client *c)
{
	if (c->level >= SMTPD_TLS_ENCRYPT && !c->secure)
		return falls_short(c, "the server does not offer TLS, which mail for it needs");
	if (c->require_tls && !c->caps.requiretls)
		return falls_short(c, "the server does not support REQUIRETLS");
	if (c->auth && !c->is_authed)
		return log_in(c);
	c->was_ready = true;
	c->owner->ready(c);
	return start_job(c);
}

static enum cv_step
after_hello(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	if (reply->code / 100 != 2) {
		if (c->state == C_EHLO && reply->code >= 500 && !c->is_lmtp)
			return say_hello(c, false);
		return refused(c, reply);
	}
	c->caps = (struct smtpd_peer_caps){ 0 };
	if (c->state == C_EHLO)
		smtpd_peer_caps_read(reply, &c->caps);
	if (c->is_lmtp)
		c->caps.pipelining = c->caps.chunking = false; /* one answer a command, then many */
	if (c->caps.starttls && c->tls && c->level > SMTPD_TLS_NEVER && !c->secure) {
		cv_buf_z(cv_conn_out(c->conn), "STARTTLS\r\n");
		c->state = C_STARTTLS;
		return CV_STEP_READ;
	}
	return be_ready(c);
}

static enum cv_step
after_starttls(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	if (reply->code != 220 && reply->code < 500 && c->level >= SMTPD_TLS_ENCRYPT)
		return refused(c, reply); /* not now: no reason to give the message up */
	if (reply->code != 220)
		return be_ready(c); /* offered and refused: as good as not offered */
	if (cv_conn_in(c->conn).n)
		return give_up(c, SMTPD_END_TLS, "the server spoke on before the TLS handshake");
	cv_conn_starttls_peer(c->conn, c->tls, &c->tls_peer);
	c->state = C_TLS;
	return CV_STEP_READ;
}

/* ---- dispatch ---- */

static enum cv_step
take_reply(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	switch (c->state) {
	case C_GREETING:
		return reply->code == 220 ? say_hello(c, true) : refused(c, reply);
	case C_EHLO:
	case C_HELO:
		return after_hello(c, reply);
	case C_STARTTLS:
		return after_starttls(c, reply);
	case C_ENVELOPE:
		return after_envelope_reply(c, reply);
	case C_CHUNK:
		return after_chunk(c, reply);
	case C_AUTH:
		return after_auth(c, reply);
	case C_ANSWER:
		return after_answer(c, reply);
	case C_EMPTY:
		return job_done(c);
	case C_RSET:
		return c->job ? job_done(c) : start_job(c);
	case C_QUIT:
		return give_up(c, SMTPD_END_GOOD, "");
	default:
		return give_up(c, SMTPD_END_LOST, "the server spoke out of turn");
	}
}

/* 421 means the server is leaving, whenever it comes (RFC 5321 3.8). */
static enum cv_step
server_leaves(struct smtpd_client *c, const struct smtpd_peer_reply *reply)
{
	char text[501];

	smtpd_peer_reply_text(reply, text, sizeof text);
	return give_up(c, c->state == C_IDLE ? SMTPD_END_GOOD : SMTPD_END_GREETING, text);
}

static enum cv_step
take_input(struct smtpd_client *c)
{
	struct smtpd_peer_reply reply;
	struct cv_err err = { 0 };
	size_t used;

	enum cv_status status = smtpd_peer_reply_parse(cv_conn_in(c->conn), &reply, &used, &err);
	if (status == CV_AGAIN)
		return c->state == C_IDLE ? CV_STEP_LISTEN : CV_STEP_READ;
	if (status != CV_OK)
		return give_up(c, SMTPD_END_GREETING, err.text);
	if (reply.code == 421 && c->state != C_QUIT)
		return server_leaves(c, &reply);
	/* The reply points into the input: it is taken out first where the handshake looks at the
	 * rest, and afterwards everywhere else. */
	if (c->state == C_STARTTLS) {
		cv_conn_consume(c->conn, used);
		return take_reply(c, &reply);
	}
	enum cv_step step = take_reply(c, &reply);
	cv_conn_consume(c->conn, used);
	return step == CV_STEP_READ ? CV_STEP_DONE : step;
}

static enum cv_step
timed_out(struct smtpd_client *c, unsigned events)
{
	if (events & CV_EV_KILLED)
		return give_up(c, SMTPD_END_LOST, "we are stopping");
	if (c->state == C_IDLE) {
		c->is_draining = true;
		return start_job(c);
	}
	return give_up(c, c->state == C_QUIT ? SMTPD_END_GOOD : SMTPD_END_GREETING,
		"the server was silent for too long");
}

static enum cv_step
step(struct smtpd_client *c, unsigned events)
{
	if (events & CV_EV_FAILED) {
		enum smtpd_client_end end = c->state == C_CONNECT ? SMTPD_END_CONNECT
			: c->state == C_TLS ? SMTPD_END_TLS
			: c->state == C_QUIT ? SMTPD_END_GOOD : SMTPD_END_GREETING;
		return give_up(c, end, cv_conn_error(c->conn));
	}
	if (c->state == C_OVER)
		return CV_STEP_CLOSE;
	if (events & (CV_EV_TIMEOUT | CV_EV_KILLED))
		return timed_out(c, events);
	if (events & CV_EV_CONNECTED) {
		c->state = C_GREETING;
		if (c->implicit_tls) {
			c->state = C_TLS;
			cv_conn_starttls_peer(c->conn, c->tls, &c->tls_peer);
			return CV_STEP_READ;
		}
	}
	if (events & CV_EV_SECURE) {
		c->secure = true;
		if (c->implicit_tls) {
			c->state = C_GREETING;
			return CV_STEP_READ;
		}
		return say_hello(
			c, true); /* what was said in the clear counts no more (RFC 3207 4.2) */
	}
	if (c->state == C_BODY)
		return send_body(c);
	if (cv_conn_in(c->conn).n) {
		enum cv_step next = take_input(c);
		if (next != CV_STEP_READ || !(events & CV_EV_EOF))
			return next;
	}
	if (events & CV_EV_EOF)
		return give_up(c, c->state == C_QUIT || c->state == C_IDLE ? SMTPD_END_GOOD
			: SMTPD_END_GREETING, "the server closed the connection");
	if (c->state == C_IDLE)
		return start_job(c);
	return CV_STEP_READ;
}

static enum cv_step
run(struct cv_conn *conn, unsigned events)
{
	struct smtpd_client *c = cv_conn_ctx(conn);

	c->conn = conn;
	enum cv_step next = step(c, events);
	cv_conn_set_deadline(conn, patience[c->state]);
	return next;
}

static void
closed(struct cv_conn *conn)
{
	struct smtpd_client *c = cv_conn_ctx(conn);
	struct smtpd_job *job = c->job;

	c->conn = conn;
	if (c->state != C_OVER) /* the peer closed while nothing was asked of it */
		(void)give_up(c, c->state == C_QUIT || c->state == C_IDLE ? SMTPD_END_GOOD
			: SMTPD_END_GREETING, "the server closed the connection");
	c->job = NULL;
	drop_recoded(c);
	if (job && c->messages && !c->got && job->outcomes[0].fate == SMTPD_UNTRIED) {
		c->owner->back(c, job);
	} else if (job) {
		for (size_t i = 0; i < job->count; i++)
			smtpd_outcome_set(&job->outcomes[i], SMTPD_LATER, "4.4.2",
				"lost the connection: %s", c->why);
		c->owner->done(c, job);
	}
	c->owner->closed(c, c->end, c->why);
}

const struct cv_proto smtpd_client_proto = {
	.name = "smtp-out",
	.in_max = 32u << 10,
	.out_high = 256u << 10,
	.idle_secs = 300,
	.run = run,
	.closed = closed,
};
