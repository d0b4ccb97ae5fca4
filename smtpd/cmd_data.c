/* cmd_data.c - DATA and BDAT: message bytes from the wire into the transaction's spool.
 *
 * A message that is too large or has bad bytes is read to its end, kept nowhere, and refused there:
 * a client in the middle of a message cannot be answered.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "smtpd/note.h"

static enum cv_step
refuse(struct smtpd_session *s, enum smtpd_reply reply)
{
	smtpd_session_refuse(s, reply);
	return CV_STEP_DONE;
}

/* Keeps BYTES, or notes why the message will be refused. */
static void
keep(struct smtpd_session *s, struct cv_str bytes)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_err err;

	s->data_bytes += bytes.n;
	if (s->data_fault != R_OKAY)
		return;
	if (tx->message.size_bytes + bytes.n > s->server->opt->max_message) {
		s->data_fault = R_SIZE;
	} else if (cv_spool_write(&tx->message, bytes, &err) != CV_OK) {
		cv_log(cv_conn_id(s->conn), CV_ERROR, "spool.failed", "id=%s error=%s", tx->id,
			err.text);
		s->data_fault = err.code == CV_FULL ? R_STORE_FULL : R_TEMPFAIL;
	}
	if (s->data_fault != R_OKAY)
		cv_spool_reset(&tx->message);
}

/* WHOLE: the client has sent its end and expects the last answers. */
static enum cv_step
refuse_message(struct smtpd_session *s, enum smtpd_reply reply, bool whole)
{
	smtpd_note_refused(s, smtpd_reply_code(reply), smtpd_reply_enhanced(reply),
		smtpd_reply_words(reply));
	atomic_fetch_add(&s->server->counters.refused, 1);
	if (s->kind == SMTPD_LMTP && whole) /* one answer a recipient (RFC 2033 4.2) */
		for (size_t i = 1; i < s->tx->rcpt_count; i++)
			smtpd_reply_put(cv_conn_out(s->conn), reply);
	smtpd_session_reset(s);
	return refuse(s, reply);
}

static void
begin_message(struct smtpd_session *s, enum smtpd_reply fault)
{
	s->dot = SMTPD_DOT_INIT;
	s->data_fault = fault;
	s->data_bytes = 0;
	s->data_until_ms = cv_mono_ms() + SMTPD_MESSAGE_SECS * 1000;
}

/* Nobody feeds us for ever: neither drop by drop, nor what will be refused anyway. */
static bool
is_endless(const struct smtpd_session *s, enum smtpd_reply *reply_out)
{
	bool is_large = s->data_bytes > 2 * s->server->opt->max_message + (1u << 20);
	*reply_out = is_large ? R_SIZE : R_TIMEOUT;
	return is_large || cv_mono_ms() > s->data_until_ms;
}

static enum cv_step
give_up(struct smtpd_session *s, enum smtpd_reply reply)
{
	cv_log(cv_conn_id(s->conn), CV_INFO, "msg.endless", "peer=%s bytes=%llu",
		cv_conn_peer_text(s->conn), (unsigned long long)s->data_bytes);
	smtpd_reply_put(cv_conn_out(s->conn), reply);
	return CV_STEP_CLOSE;
}

static enum cv_step
message_ended(struct smtpd_session *s)
{
	smtpd_dot_check_end(&s->dot);
	/* BINARYMIME is no lines: what it has of them is looked at when all is here. */
	if (s->data_fault == R_OKAY && s->dot.bad && s->tx->body_kind != CV_BODY_BINARYMIME)
		s->data_fault = R_BARE_DATA;
	if (s->data_fault != R_OKAY)
		return refuse_message(s, s->data_fault, true);
	return smtpd_intake(s);
}

/* What both commands need before bytes may come. R_OKAY: go on. */
static enum smtpd_reply
ready_for_data(struct smtpd_session *s)
{
	return s->tx->rcpt_count ? R_OKAY : R_NO_RCPTS;
}

static enum cv_step
data_go(struct smtpd_session *s)
{
	smtpd_session_enter(s, S_DATA);
	begin_message(s, R_OKAY);
	smtpd_reply_put(cv_conn_out(s->conn), R_GO_DATA);
	return CV_STEP_DONE;
}

static enum cv_step
data_filtered(struct smtpd_session *s)
{
	switch (smtpd_session_filtered(s)) {
	case SMTPD_FILTER_WAIT:
		return CV_STEP_WAIT;
	case SMTPD_FILTER_REFUSED:
		smtpd_session_reset(s);
		return CV_STEP_DONE;
	default:
		return data_go(s);
	}
}

enum cv_step
smtpd_cmd_data(struct smtpd_session *s, struct cv_str args)
{
	enum smtpd_reply reply = ready_for_data(s);
	struct smtpd_milter *m = smtpd_session_milter(s);

	(void)args;
	if (reply == R_OKAY && s->tx->body_kind == CV_BODY_BINARYMIME)
		reply = R_NEED_BDAT; /* RFC 3030 3 */
	if (reply != R_OKAY)
		return refuse(s, reply);
	if (!m)
		return data_go(s);
	s->resume = data_filtered;
	smtpd_milter_data(m);
	return data_filtered(s);
}

enum cv_step
smtpd_data_input(struct smtpd_session *s)
{
	struct cv_str in = cv_conn_in(s->conn), run;
	size_t n = in.n;

	while (smtpd_dot_next(&s->dot, &in, &run))
		keep(s, run);
	cv_conn_consume(s->conn, n - in.n);
	if (s->dot.ended)
		return message_ended(s);
	enum smtpd_reply reply;
	return is_endless(s, &reply) ? give_up(s, reply) : CV_STEP_READ;
}

/* ---- BDAT, RFC 3030 ---- */

static bool
parse_bdat(struct cv_str args, uint64_t *size_out, bool *last_out)
{
	size_t blank = cv_str_find(args, ' ', 0);
	struct cv_str word = cv_str_sub(args, CV_MIN(blank + 1, args.n), args.n);

	*last_out = cv_str_ieq_z(word, "LAST");
	return (word.n == 0 || *last_out) &&
	       cv_str_u64(cv_str_sub(args, 0, blank), UINT64_MAX / 4, size_out) == CV_OK;
}

static enum cv_step
chunk_ended(struct smtpd_session *s)
{
	if (s->bdat_last && s->data_fault == R_OKAY)
		return message_ended(s);
	if (s->data_fault != R_OKAY && s->tx && s->tx->rcpt_count)
		return refuse_message(s, s->data_fault, s->bdat_last);
	if (s->bdat_refused) {
		enum smtpd_reply reply = s->data_fault;
		enum smtpd_state back = s->tx ? S_READY : s->bdat_back;
		smtpd_session_reset(s);
		smtpd_session_enter(s, back);
		return refuse(s, reply);
	}
	smtpd_reply_put(cv_conn_out(s->conn), R_CHUNK_OK);
	return CV_STEP_DONE;
}

enum cv_step
smtpd_cmd_bdat(struct smtpd_session *s, struct cv_str args)
{
	uint64_t size;
	bool last;

	if (!parse_bdat(args, &size, &last)) {
		/* Where the chunk ends is unknown, so is where the next command begins. */
		smtpd_reply_put(cv_conn_out(s->conn), R_BAD_ARGS);
		return CV_STEP_CLOSE;
	}
	if (s->state != S_BDAT) {
		/* Also a chunk that is out of order is read: its bytes must never become
		 * commands. */
		begin_message(s, s->tx ? ready_for_data(s) : R_BAD_ORDER);
		s->bdat_refused = s->data_fault != R_OKAY;
		s->bdat_back = s->state;
		smtpd_session_enter(s, S_BDAT);
	}
	s->noise += !size && !last; /* an empty chunk brings no mail nearer */
	s->bdat_left = size;
	s->bdat_last = last;
	return size ? CV_STEP_DONE : chunk_ended(s);
}

enum cv_step
smtpd_bdat_input(struct smtpd_session *s)
{
	struct cv_str in = cv_conn_in(s->conn);
	size_t n = (size_t)CV_MIN((uint64_t)in.n, s->bdat_left);

	in.n = n;
	smtpd_dot_check(&s->dot, in);
	keep(s, in);
	cv_conn_consume(s->conn, n);
	s->bdat_left -= n;
	/* Many small chunks are no more patient than one. */
	enum smtpd_reply reply;
	if (is_endless(s, &reply))
		return give_up(s, reply);
	return s->bdat_left ? CV_STEP_READ : chunk_ended(s);
}
