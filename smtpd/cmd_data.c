/* cmd_data.c - DATA and BDAT: message bytes from the wire into the transaction's spool.
 *
 * A message that is too large or has bad bytes is read to its end, kept nowhere, and refused there:
 * a client in the middle of a message cannot be answered.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "smtpd/session.h"

static enum cv_step
refuse(struct smtpd_session *s, enum smtpd_reply reply)
{
	s->errors++;
	smtpd_reply_put(cv_conn_out(s->conn), reply);
	return CV_STEP_DONE;
}

/* Keeps BYTES, or notes why the message will be refused. */
static void
keep(struct smtpd_session *s, struct cv_str bytes)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_err err;

	if (s->data_fault != R_OKAY)
		return;
	if (tx->message.size_bytes + bytes.n > s->server->opt->max_message) {
		s->data_fault = R_SIZE;
	} else if (cv_spool_write(&tx->message, bytes, &err) != CV_OK) {
		cv_log(cv_conn_id(s->conn), CV_ERROR, "spool.failed", "id=%s error=%s", tx->id, err.text);
		s->data_fault = err.code == CV_FULL ? R_STORE_FULL : R_TEMPFAIL;
	}
	if (s->data_fault != R_OKAY)
		cv_spool_reset(&tx->message);
}

static enum cv_step
refuse_message(struct smtpd_session *s, enum smtpd_reply reply)
{
	cv_log(cv_conn_id(s->conn), CV_INFO, "msg.refused", "id=%s code=%u", s->tx->id,
		smtpd_reply_code(reply));
	if (s->milter)
		smtpd_milter_abort(s->milter);
	atomic_fetch_add(&s->server->counters.refused, 1);
	if (s->kind == SMTPD_LMTP) /* one answer a recipient (RFC 2033 4.2) */
		for (size_t i = 1; i < s->tx->rcpt_count; i++)
			smtpd_reply_put(cv_conn_out(s->conn), reply);
	smtpd_session_reset(s);
	cv_conn_set_deadline(s->conn, s->server->opt->idle_timeout);
	return refuse(s, reply);
}

static enum cv_step
message_ended(struct smtpd_session *s)
{
	smtpd_dot_check_end(&s->dot);
	if (s->data_fault == R_OKAY && s->dot.bad)
		s->data_fault = R_BARE_DATA;
	if (s->data_fault != R_OKAY)
		return refuse_message(s, s->data_fault);
	cv_conn_set_deadline(s->conn, 0); /* our own steps have limits of their own */
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
	s->dot = SMTPD_DOT_INIT;
	s->data_fault = R_OKAY;
	cv_conn_set_deadline(s->conn, s->server->opt->data_timeout);
	smtpd_reply_put(cv_conn_out(s->conn), R_GO_DATA);
	return CV_STEP_DONE;
}

static enum cv_step
data_filtered(struct smtpd_session *s)
{
	enum smtpd_milter_verdict verdict = smtpd_milter_verdict(s->milter);

	if (verdict == SMTPD_MILTER_PENDING)
		return CV_STEP_WAIT;
	s->resume = NULL;
	if (smtpd_milter_refused(s)) {
		s->errors++;
		smtpd_session_reset(s);
		return CV_STEP_DONE;
	}
	if (verdict == SMTPD_MILTER_ACCEPT)
		s->milter_accepted = true;
	return data_go(s);
}

enum cv_step
smtpd_cmd_data(struct smtpd_session *s, struct cv_str args)
{
	enum smtpd_reply reply = ready_for_data(s);
	struct smtpd_milter *m = smtpd_session_milter(s);

	(void)args;
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
	cv_conn_set_deadline(s->conn, s->server->opt->data_timeout);
	return s->dot.ended ? message_ended(s) : CV_STEP_READ;
}

/* ---- BDAT, RFC 3030 ---- */

static bool
parse_bdat(struct cv_str args, uint64_t *size_out, bool *last_out)
{
	size_t blank = cv_str_find(args, ' ', 0);
	struct cv_str word = cv_str_sub(args, CV_MIN(blank + 1, args.n), args.n);

	*last_out = cv_str_ieq_z(word, "LAST");
	return (word.n == 0 || *last_out)
		&& cv_str_u64(cv_str_sub(args, 0, blank), UINT64_MAX / 4, size_out) == CV_OK;
}

static enum cv_step
chunk_ended(struct smtpd_session *s)
{
	if (s->bdat_last && s->data_fault == R_OKAY)
		return message_ended(s);
	if (s->data_fault != R_OKAY && s->tx && s->tx->rcpt_count)
		return refuse_message(s, s->data_fault);
	if (s->bdat_refused) {
		enum smtpd_reply reply = s->data_fault;
		smtpd_session_reset(s);
		if (!s->helo[0])
			smtpd_session_enter(s, S_CONNECTED);
		return refuse(s, reply);
	}
	cv_conn_set_deadline(s->conn, s->server->opt->idle_timeout);
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
		s->dot = SMTPD_DOT_INIT;
		/* Also a chunk that is out of order is read: its bytes must never become commands. */
		s->data_fault = s->tx ? ready_for_data(s) : R_BAD_ORDER;
		s->bdat_refused = s->data_fault != R_OKAY;
		smtpd_session_enter(s, S_BDAT);
	}
	s->bdat_left = size;
	s->bdat_last = last;
	cv_conn_set_deadline(s->conn, s->server->opt->data_timeout);
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
	cv_conn_set_deadline(s->conn, s->server->opt->data_timeout);
	return s->bdat_left ? CV_STEP_READ : chunk_ended(s);
}
