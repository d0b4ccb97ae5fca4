/* intake.c - a whole message has come: look at it, filter it, store it, answer.
 *
 *   checks -> filters -> local boxes (store) and other recipients (queue) side by side -> answer
 *
 * The answer goes out when every part is durable (invariant S3). A local part that the store could
 * not take now goes to our own queue under the same delivery id, so a retry that finds the first
 * try had worked after all changes nothing (S7). Only when neither took it the client hears "try
 * again"; what was taken of it by then is known when it comes again (again.h).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/log.h"
#include "common/text/header.h"
#include "smtpd/alias_use.h"
#include "smtpd/answers.h"
#include "smtpd/expand.h"
#include "smtpd/filters.h"
#include "smtpd/note.h"
#include "smtpd/outbound.h"
#include "smtpd/room.h"
#include "smtpd/session.h"
#include "smtpd/stats.h"
#include "smtpd/shape.h"
#include "smtpd/submission.h"
#include "smtpd/trace.h"
#include "smtpd/verdict.h"

static enum cv_step store_and_queue(struct smtpd_session *s);

/* ---- the answer ---- */

static void
put_answer(struct smtpd_session *s, enum smtpd_reply reply)
{
	struct cv_buf *out = cv_conn_out(s->conn);

	if (reply != R_OKAY) {
		smtpd_reply_put(out, reply);
		return;
	}
	cv_buf_z(out, "250 2.0.0 Ok: taken as ");
	cv_buf_z(out, s->tx->id);
	cv_buf_z(out, "\r\n");
}

static void
put_answers(struct smtpd_session *s, enum smtpd_reply reply)
{
	if (s->kind != SMTPD_LMTP)
		put_answer(s, reply);
	else
		for (size_t i = 0; i < s->tx->rcpt_count; i++)
			if (!s->tx->rcpts[i].by_filter)
				put_answer(s, reply);
}

static enum cv_step
finish(struct smtpd_session *s)
{
	smtpd_session_reset(s);
	return CV_STEP_DONE;
}

static enum cv_step
refuse(struct smtpd_session *s, enum smtpd_reply reply)
{
	smtpd_note_refused(s, smtpd_reply_code(reply), smtpd_reply_enhanced(reply),
		smtpd_reply_words(reply));
	atomic_fetch_add(&s->server->counters.refused, 1);
	if (smtpd_reply_code(reply) >= 500)
		s->errors++;
	put_answers(s, reply);
	return finish(s);
}

/* What the store said of the box that is recipient R's own. */
static enum cv_status
result_of(const struct smtpd_tx *tx, const struct smtpd_rcpt *r)
{
	if (!r->is_local || r->is_group || r->deleted || tx->boxes_wait)
		return CV_OK;
	return tx->deliveries[r->box / CV_DELIVER_RCPTS_MAX]
		.rcpts[r->box % CV_DELIVER_RCPTS_MAX]
		.result;
}

/* What a result that repeating would not change soon means to the client; R_OKAY: none such. */
static enum smtpd_reply
verdict_on(enum cv_status result)
{
	static const struct {
		enum cv_status result;
		enum smtpd_reply reply;
	} rows[] = {
		{CV_OVERQUOTA, R_RCPT_FULL },
		{CV_FULL,      R_STORE_FULL},
		{CV_NOT_FOUND, R_RCPT_GONE },
		{CV_LIMIT,     R_SIZE      },
		{CV_INVALID,   R_BAD_HEADER},
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].result == result)
			return rows[i].reply;
	return R_OKAY;
}

/* RFC 2033 4.2: each recipient hears of its own box. What is queued counts as taken. */
static void
put_lmtp_answers(struct smtpd_session *s)
{
	for (size_t i = 0; i < s->tx->rcpt_count; i++)
		if (!s->tx->rcpts[i].by_filter)
			put_answer(s, verdict_on(result_of(s->tx, &s->tx->rcpts[i])));
}

/* When the queue could not take the rest: who has a copy must not be told to send it again. */
static enum cv_step
refuse_lmtp_rest(struct smtpd_session *s, enum smtpd_reply reply)
{
	for (size_t i = 0; i < s->tx->rcpt_count; i++) {
		const struct smtpd_rcpt *r = &s->tx->rcpts[i];
		enum cv_status result = result_of(s->tx, r);
		bool is_unsure = result != CV_OK && verdict_on(result) == R_OKAY;
		if (!r->by_filter)
			put_answer(s, is_unsure || r->is_group ? reply : verdict_on(result));
	}
	cv_log(cv_conn_id(s->conn), CV_INFO, "msg.refused", "id=%s code=%u", s->tx->id,
		smtpd_reply_code(reply));
	return finish(s);
}

static enum cv_step
accept_message(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;

	cv_log(cv_conn_id(s->conn), CV_INFO, "msg.accepted",
		"id=%s size=%llu rcpts=%zu boxes=%zu remote=%zu peer=%s account=%s", tx->id,
		(unsigned long long)tx->message.size_bytes, tx->rcpt_count, tx->boxes.n,
		tx->remote_count, cv_conn_peer_text(s->conn), s->authed ? s->login : "-");
	smtpd_note_end(s, 0, NULL, NULL);
	if (tx->sent && !tx->discarded)
		cv_deliver_sent(s->server->deliverer, tx->sent);
	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (tx->rcpts[i].alias.n)
			smtpd_alias_use_count(
				s->server->aliases, tx->rcpts[i].alias, tx->rcpts[i].is_inside);
	atomic_fetch_add(&s->server->counters.accepted, 1);
	s->messages++;
	if (tx->place == CV_Q_INBOX && !tx->held && !tx->discarded)
		smtpd_defence_good_mail(s);
	s->errors = s->noise = 0;
	if (s->kind == SMTPD_LMTP)
		put_lmtp_answers(s);
	else
		put_answer(s, R_OKAY);
	CV_KILL_POINT("smtpd.answered");
	smtpd_answers_give(s);
	return finish(s);
}

/* ---- store and queue ---- */

void
smtpd_intake_done(struct smtpd_tx *tx)
{
	if (atomic_fetch_sub(&tx->pending, 1) == 1)
		cv_conn_wake(tx->conn);
	smtpd_tx_unref(tx);
}

static void
remote_durable(struct cv_waiter *w)
{
	smtpd_intake_done(CV_CONTAINER(w, struct smtpd_tx, remote_waiter));
}

static void
boxes_durable(struct cv_waiter *w)
{
	smtpd_intake_done(CV_CONTAINER(w, struct smtpd_tx, box_waiter));
}

/* A sender who wants to hear of success does not hear who is in a group (RFC 3461 5.2.7.3). */
static uint32_t
member_notify(uint32_t notify)
{
	uint32_t rest = notify & ~(uint32_t)CV_NOTIFY_SUCCESS;

	return notify && !rest ? CV_NOTIFY_NEVER : rest;
}

static void
add_queue_rcpt(struct smtpd_tx *tx, struct cv_queue_msg *msg, const struct smtpd_rcpt *r,
	cv_acct_id acct, int64_t due_secs)
{
	msg->rcpts[msg->rcpt_count++] = (struct cv_queue_rcpt){
		.address = r->address,
		.orcpt = r->orcpt,
		.notify = r->is_group ? member_notify(r->notify) : r->notify,
		.local_acct = acct,
		/* What a filter distrusts goes outside only by an operator's hand. */
		.state = tx->held || (!acct && tx->place == CV_Q_QUARANTINE) ? CV_Q_HELD
									    : CV_Q_WAITING,
		.place = acct ? tx->place : CV_Q_INBOX,
		.next_secs = CV_MAX(due_secs, tx->timing.hold_secs),
	};
}

/* The recipient that brought box number I into the transaction. */
static const struct smtpd_rcpt *
rcpt_of_box(const struct smtpd_tx *tx, size_t i)
{
	for (size_t r = 0; r < tx->rcpt_count; r++)
		if (tx->rcpts[r].is_local && !tx->rcpts[r].deleted && i >= tx->rcpts[r].first_box &&
			i < tx->rcpts[r].first_box + tx->rcpts[r].box_count)
			return &tx->rcpts[r];
	return &tx->rcpts[0];
}

void
smtpd_intake_queue_msg(struct smtpd_session *s, struct cv_queue_msg *msg, size_t room)
{
	struct smtpd_tx *tx = s->tx;
	int64_t now = cv_wall_secs();

	*msg = (struct cv_queue_msg){
		.delivery_id = cv_str_z(tx->id),
		.sender = tx->sender,
		.envid = tx->envid,
		.ret_full = tx->ret_full,
		.ret_hdrs = tx->ret_hdrs,
		.require_tls = tx->require_tls,
		.tls_optional = tx->tls_optional,
		.smtputf8 = tx->smtputf8,
		.body_kind = tx->body_kind,
		.priority = tx->timing.priority,
		.by_mode = tx->timing.by_mode,
		.by_trace = tx->timing.by_trace,
		.by_secs = tx->timing.by_secs,
		.hold_secs = tx->timing.hold_secs,
		.arrived_secs = now,
		.expires_secs = CV_MAX(now, tx->timing.hold_secs) + s->server->opt->queue_life,
		.auth_account = cv_str_z(s->authed ? s->login : ""),
		.rcpts = CV_ARENA_ARRAY(&tx->arena, struct cv_queue_rcpt, room),
	};
}

/* Puts MSG (recipients filled in) into the queue and waits for its ticket as one operation. What is
 * for boxes has its Return-Path, which mail for outside has not. */
static enum cv_status
queue_put(struct smtpd_session *s, struct cv_queue_msg *msg, bool for_boxes)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_err err = {0};
	struct cv_buf prefix = CV_BUF_INIT(16u << 10);
	cv_ticket ticket;

	if (for_boxes)
		cv_buf_str(&prefix, cv_buf_view(&tx->return_path));
	cv_buf_str(&prefix, cv_buf_view(&tx->trace));
	enum cv_status status = cv_queue_put(
		s->server->queue, msg, cv_buf_view(&prefix), &tx->message, &ticket, &err);
	cv_buf_done(&prefix);
	if (status != CV_OK) {
		cv_log(cv_conn_id(s->conn), CV_ERROR, "queue.failed", "id=%s error=%s", tx->id,
			err.text);
		return status;
	}
	CV_KILL_POINT("smtpd.queued");
	smtpd_note_queue(s, msg);
	atomic_fetch_add(&s->server->counters.queued, msg->rcpt_count);
	smtpd_tx_ref(tx);
	atomic_fetch_add(&tx->pending, 1);
	struct cv_waiter *w = for_boxes ? &tx->box_waiter : &tx->remote_waiter;
	*w = (struct cv_waiter){.ticket = ticket, .fn = for_boxes ? boxes_durable : remote_durable};
	cv_ticket_wait(cv_queue_engine(s->server->queue), ticket, w);
	return CV_OK;
}

static enum cv_step
answer_after_requeue(struct smtpd_session *s)
{
	if (atomic_load(&s->tx->pending))
		return CV_STEP_WAIT;
	smtpd_outbound_kick(s->server->outbound);
	return accept_message(s);
}

/* What the store said, box by box. */
struct tally {
	size_t taken, refused, unsure; /* refused: for a reason that verdict_on() knows */
	enum smtpd_reply reply;        /* the worst of the refusals */
};

static void
count_results(const struct smtpd_tx *tx, struct tally *out)
{
	*out = (struct tally){.reply = R_OKAY};
	for (size_t d = 0; d < tx->delivery_count; d++)
		for (size_t i = 0; i < tx->deliveries[d].rcpt_count; i++) {
			const struct cv_deliver_rcpt *r = &tx->deliveries[d].rcpts[i];
			enum smtpd_reply reply = verdict_on(r->result);
			out->taken += r->result == CV_OK;
			out->refused += reply != R_OKAY;
			out->unsure += r->result != CV_OK && reply == R_OKAY;
			/* One that may be tried again speaks for all. */
			if (reply != R_OKAY &&
				(out->reply == R_OKAY || smtpd_reply_code(reply) < 500))
				out->reply = reply;
			if (r->result == CV_OVERQUOTA)
				smtpd_room_forget(tx->server->room, r->acct);
		}
}

/* Must the queue see to it: what an LMTP client was told of its box is the client's matter. */
static bool
is_ours_to_retry(const struct smtpd_session *s, const struct smtpd_rcpt *r, enum cv_status result)
{
	return result != CV_OK &&
	       (s->kind != SMTPD_LMTP || r->is_group || verdict_on(result) == R_OKAY);
}

/* Boxes the store did not take. What is worth a retry goes to the queue. */
static enum cv_step
requeue_untaken(struct smtpd_session *s, size_t untaken)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_queue_msg msg;
	int64_t now = cv_wall_secs();

	smtpd_intake_queue_msg(s, &msg, untaken);
	size_t box = 0;
	for (size_t d = 0; d < tx->delivery_count; d++)
		for (size_t i = 0; i < tx->deliveries[d].rcpt_count; i++, box++) {
			const struct cv_deliver_rcpt *b = &tx->deliveries[d].rcpts[i];
			const struct smtpd_rcpt *r = rcpt_of_box(tx, box);
			if (is_ours_to_retry(s, r, b->result))
				add_queue_rcpt(tx, &msg, r, b->acct, now + 1);
		}
	if (!msg.rcpt_count)
		return accept_message(s);
	enum cv_status status = queue_put(s, &msg, true);
	if (status != CV_OK) {
		enum smtpd_reply reply = status == CV_FULL ? R_STORE_FULL : R_TEMPFAIL;
		smtpd_again_refused(s->server->again, tx);
		return s->kind == SMTPD_LMTP ? refuse_lmtp_rest(s, reply) : refuse(s, reply);
	}
	atomic_fetch_add(&smtpd_stats.deferred_boxes, msg.rcpt_count);
	cv_log(cv_conn_id(s->conn), CV_WARN, "store.deferred", "id=%s boxes=%zu", tx->id,
		msg.rcpt_count);
	s->resume = answer_after_requeue;
	return answer_after_requeue(s);
}

static enum cv_step
all_done(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	struct tally t;

	if (atomic_load(&tx->pending))
		return CV_STEP_WAIT;
	s->resume = NULL;
	if (tx->remote_count + tx->out_count || tx->boxes_wait)
		smtpd_outbound_kick(s->server->outbound);
	smtpd_note_boxes(s);
	count_results(tx, &t);
	atomic_fetch_add(&s->server->counters.delivered, t.taken);
	if (!t.refused && !t.unsure)
		return accept_message(s);
	/* Nobody has it and nobody might have: the sender's server may hear why. */
	bool is_out = tx->remote_count + tx->out_count;
	if (!t.taken && !t.unsure && !is_out && s->kind != SMTPD_LMTP)
		return refuse(s, t.reply);
	return requeue_untaken(s, t.refused + t.unsure);
}

static void
delivery_done(struct cv_delivery *d)
{
	smtpd_intake_done(d->arg);
}

static void
deliver_local(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_str prefix = cv_arena_printf(&tx->arena, "%s%s", tx->return_path.p, tx->trace.p);

	tx->store_us = cv_mono_us();
	tx->delivery_count = (tx->boxes.n + CV_DELIVER_RCPTS_MAX - 1) / CV_DELIVER_RCPTS_MAX;
	tx->deliveries = CV_ARENA_ARRAY(&tx->arena, struct cv_delivery, tx->delivery_count);
	for (size_t d = 0; d < tx->delivery_count; d++) {
		size_t first = d * CV_DELIVER_RCPTS_MAX;
		size_t n = CV_MIN(tx->boxes.n - first, (size_t)CV_DELIVER_RCPTS_MAX);
		struct cv_deliver_rcpt *rcpts =
			CV_ARENA_ARRAY(&tx->arena, struct cv_deliver_rcpt, n);
		for (size_t i = 0; i < n; i++)
			rcpts[i] = (struct cv_deliver_rcpt){.acct = tx->boxes.ids[first + i],
				.folder = smtpd_place_folder(tx->place),
				.result = CV_TEMPFAIL};
		tx->deliveries[d] = (struct cv_delivery){
			.id = cv_str_z(tx->id),
			.prefix = prefix,
			.message = &tx->message,
			.rcpts = rcpts,
			.rcpt_count = n,
			.done = delivery_done,
			.arg = tx,
		};
	}
	for (size_t d = 0; d < tx->delivery_count; d++) {
		smtpd_tx_ref(tx);
		atomic_fetch_add(&tx->pending, 1);
		cv_deliver(s->server->deliverer, &tx->deliveries[d]);
	}
}

/* The same address twice gets one copy, under the wishes named first. */
static bool
is_repeated(const struct smtpd_tx *tx, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!tx->rcpts[k].is_local && !tx->rcpts[k].deleted &&
			cv_str_eq(tx->rcpts[k].address, tx->rcpts[i].address))
			return true;
	return false;
}

static enum cv_status
queue_remote(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_queue_msg msg;

	smtpd_intake_queue_msg(s, &msg, tx->remote_count);
	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (!tx->rcpts[i].is_local && !tx->rcpts[i].deleted && !is_repeated(tx, i))
			add_queue_rcpt(tx, &msg, &tx->rcpts[i], 0, msg.arrived_secs);
	return queue_put(s, &msg, false);
}

/* Do the boxes get it from the queue: because it is not to go yet (FUTURERELEASE, a filter's
 * doubt), or because the sender wants to hear that it arrived, which is what the queue tells (RFC
 * 3461 4.1)? */
static bool
must_wait(const struct smtpd_tx *tx)
{
	bool wants_success = false;

	for (size_t i = 0; i < tx->rcpt_count; i++)
		wants_success |= tx->rcpts[i].is_local && !tx->rcpts[i].is_group
			&& tx->rcpts[i].notify & CV_NOTIFY_SUCCESS;
	return tx->boxes.n
		&& (tx->timing.hold_secs || tx->held ||
			(wants_success && tx->sender.n && tx->place == CV_Q_INBOX));
}

static enum cv_status
queue_boxes(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_queue_msg msg;

	smtpd_intake_queue_msg(s, &msg, tx->boxes.n);
	for (size_t i = 0; i < tx->boxes.n; i++)
		add_queue_rcpt(tx, &msg, rcpt_of_box(tx, i), tx->boxes.ids[i], msg.arrived_secs);
	return queue_put(s, &msg, true);
}

/* Mail for outside, by its recipients and by our own groups and forwards. */
static enum cv_status
queue_outside(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	enum cv_status status = tx->remote_count ? queue_remote(s) : CV_OK;

	if (status == CV_OK)
		status = smtpd_expand_queue(s);
	tx->is_queued = status == CV_OK && (tx->remote_count || tx->out_count);
	return status;
}

static enum cv_step
store_and_queue(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;

	smtpd_verdict_keep_home(s);
	enum smtpd_reply fault = smtpd_expand_prepare(s);
	if (fault != R_OKAY)
		return refuse(s, fault);
	if (smtpd_submission_count_refuses(s))
		return finish(s);
	smtpd_trace_write(s);
	smtpd_verdict_write(s);
	cv_buf_str(&tx->trace, cv_buf_view(&tx->list_fields));
	/* One count is ours until everything was started, so that no early answer wakes us too
	 * soon. */
	atomic_store(&tx->pending, 1);
	s->resume = all_done;
	/* The queue first: while nothing is in the store yet, its failure can still refuse the
	 * whole. */
	enum cv_status status = tx->is_queued ? CV_OK : queue_outside(s);
	tx->boxes_wait = must_wait(tx);
	if (status == CV_OK && tx->boxes_wait)
		status = queue_boxes(s);
	if (status != CV_OK) {
		if (tx->is_queued)
			smtpd_again_refused(s->server->again, tx);
		return refuse(s, status == CV_FULL ? R_STORE_FULL : R_TEMPFAIL);
	}
	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (tx->rcpts[i].is_local)
			smtpd_outbound_offer(
				s->server->outbound, tx->rcpts[i].address, &tx->message);
	if (tx->boxes.n && !tx->boxes_wait)
		deliver_local(s);
	atomic_fetch_sub(&tx->pending, 1);
	return all_done(s);
}

/* ---- filters ---- */

/* A filter wants it gone without a word to the sender. */
static enum cv_step
discard(struct smtpd_session *s, const char *why)
{
	cv_log(cv_conn_id(s->conn), CV_INFO, "msg.discarded", "id=%s by=filter why=%s", s->tx->id,
		why);
	put_answers(s, R_OKAY);
	s->errors = s->noise = 0;
	return finish(s);
}

static enum cv_step
message_filtered(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;

	switch (smtpd_session_filtered(s)) {
	case SMTPD_FILTER_WAIT:
		return CV_STEP_WAIT;
	case SMTPD_FILTER_REFUSED:
		return finish(s);
	default:
		break;
	}
	const struct smtpd_milter_changes *changes = smtpd_milter_changes(s->milter);
	smtpd_note_filter(s, tx->discarded         ? "discard"
			     : changes->quarantine ? "quarantine"
						   : "pass");
	if (tx->discarded)
		return smtpd_verdict_rescues(s) ? store_and_queue(s) : discard(s, "verdict");
	struct smtpd_kept kept = {0};
	bool nobody;
	if (changes->envelope_count)
		smtpd_verdict_note_boxes(s, &kept);
	enum cv_status status = smtpd_filters_apply(s, &nobody);
	if (status != CV_OK)
		return refuse(s, status == CV_FULL ? R_STORE_FULL : R_TEMPFAIL);
	if (nobody && !smtpd_verdict_rescues_from(s, &kept))
		return discard(s, "no-recipients");
	return store_and_queue(s);
}

/* ---- checks ---- */

enum cv_step
smtpd_intake(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	struct smtpd_header_facts facts;
	struct cv_str message;
	struct cv_err err = {0};

	if (tx->discarded && !smtpd_verdict_rescues(s))
		return discard(s, "verdict");
	if (cv_spool_map(&tx->message, &message, &err) != CV_OK)
		return refuse(s, R_TEMPFAIL);
	smtpd_header_look(message, &facts);
	smtpd_note_data(s, &facts);
	tx->tls_optional = facts.tls_optional && !tx->require_tls; /* RFC 8689 4.1 */
	enum smtpd_reply fault = facts.broken                        ? R_BAD_HEADER
				 : smtpd_is_loop(s, message, &facts) ? R_LOOP
								     : R_OKAY;
	if (fault != R_OKAY) {
		cv_spool_unmap(&tx->message, message);
		return refuse(s, fault);
	}
	if (smtpd_submission_refuses(s, &message, facts.body_at)) {
		cv_spool_unmap(&tx->message, message);
		return finish(s);
	}
	smtpd_again_look(s->server->again, tx, cv_str_sub(message, 0, facts.body_at));
	fault = smtpd_shape(s, &facts, message);
	if (fault != R_OKAY)
		return refuse(s, fault);
	/* One that was discarded before its data came is over for the filters. */
	if (!smtpd_session_milter(s) || tx->place != CV_Q_INBOX) {
		smtpd_verdict_relayed(s);
		return store_and_queue(s);
	}
	s->resume = message_filtered;
	smtpd_filters_message(s);
	return message_filtered(s);
}
