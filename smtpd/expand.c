/* expand.c - see expand.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/expand.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/encoded_word.h"
#include "common/text/header.h"
#include "smtpd/envelope.h"
#include "smtpd/srs.h"

#define NEST_MAX 20u
#define MEMBERS_MAX 20000u

struct expansion {
	struct smtpd_session *s;
	struct smtpd_tx *tx;
	const struct cv_snapshot *snap;
	struct smtpd_rcpt *r;
	int64_t now;
	struct smtpd_boxes seen; /* accounts that were expanded */
	enum smtpd_reply reply;
	bool any;
};

static void expand(struct expansion *x, const struct cv_reg_account *a, unsigned depth);

/* ---- what is added ---- */

static void
add_box(struct expansion *x, cv_acct_no acct)
{
	x->any = true;
	if (x->tx->boxes.n >= SMTPD_EXPAND_BOXES)
		x->reply = R_MANY_RCPTS;
	else
		(void)smtpd_boxes_add(&x->tx->boxes, acct);
}

static bool
is_out_already(const struct smtpd_tx *tx, struct cv_str address)
{
	for (size_t i = 0; i < tx->out_count; i++)
		if (cv_str_eq(tx->outs[i].address, address))
			return true;
	return false;
}

static bool
has_by(const struct smtpd_tx *tx, cv_acct_no by)
{
	for (size_t i = tx->out_count; i; i--)
		if (tx->outs[i - 1].by == by)
			return true;
	return false;
}

static void
add_out(struct expansion *x, const struct cv_reg_account *by, struct cv_str address,
	struct cv_str sender, bool is_forward)
{
	struct smtpd_tx *tx = x->tx;

	x->any = true;
	if (is_out_already(tx, address))
		return;
	tx->out_bys += !has_by(tx, by->acct);
	if (tx->out_count >= SMTPD_EXPAND_OUTS || tx->out_bys > SMTPD_EXPAND_BYS) {
		x->reply = R_MANY_RCPTS;
		return;
	}
	if (tx->out_count == tx->out_room) {
		tx->out_room = tx->out_room ? tx->out_room * 2 : 4;
		tx->outs = cv_realloc(tx->outs, tx->out_room * sizeof *tx->outs);
	}
	tx->outs[tx->out_count++] = (struct smtpd_out){
		.address = cv_arena_str(&tx->arena, address),
		.sender = sender,
		.by = by->acct,
		.by_address = cv_arena_str(&tx->arena, by->address),
		.by_name = cv_arena_str(&tx->arena, by->display_name),
		.orcpt = x->r->orcpt.n || !is_forward
			? x->r->orcpt
			: cv_arena_printf(&tx->arena, "rfc822;%.*s", CV_STR_ARGS(x->r->address)),
		.notify = x->r->notify,
		.is_forward = is_forward,
	};
}

/* Our own domains' SPF names this server: their senders stay. */
static bool
is_own_sender(const struct expansion *x)
{
	struct cv_str local, domain;

	smtpd_envelope_split(x->tx->sender, &local, &domain);
	return !x->tx->sender.n || cv_snapshot_has_domain(x->snap, domain);
}

/* The sender under which A's forwards travel. One that cannot be rewritten becomes A's own address:
 * bounces then end here, and A knows of them. */
static struct cv_str
forward_sender(struct expansion *x, const struct cv_reg_account *a)
{
	struct cv_buf sender = CV_BUF_INIT(400);
	struct cv_str out = x->tx->sender;

	if (is_own_sender(x))
		return out;
	if (smtpd_srs_rewrite(x->s->server->srs, x->tx->sender,
		    cv_snapshot_default_domain(x->snap), &sender) == CV_OK)
		out = cv_arena_str(&x->tx->arena, cv_buf_view(&sender));
	else
		out = cv_arena_str(&x->tx->arena, a->address);
	cv_buf_done(&sender);
	return out;
}

/* ---- what stands behind an account ---- */

/* ADDRESS by A's will: inside on, outside out. */
static void
expand_address(struct expansion *x, const struct cv_reg_account *a, struct cv_str address,
	bool is_forward, struct cv_str sender, unsigned depth)
{
	struct cv_reg_hit hit;

	cv_snapshot_find_address(x->snap, address, &hit);
	if (hit.found == CV_REG_ACCOUNT || hit.found == CV_REG_GROUP)
		expand(x, &hit.account, depth + 1);
	else if (hit.found == CV_REG_NOT_OURS)
		add_out(x, a, address, sender, is_forward);
}

static void
expand_group(struct expansion *x, const struct cv_reg_account *g, unsigned depth)
{
	cv_acct_no *members = cv_malloc(MEMBERS_MAX * sizeof *members);
	size_t n = cv_snapshot_members(x->snap, g->acct, members, MEMBERS_MAX);
	struct cv_reg_route route;
	struct cv_reg_target t;
	struct cv_reg_account a;

	for (size_t i = 0; i < CV_MIN(n, MEMBERS_MAX) && x->reply == R_OKAY; i++)
		if (cv_snapshot_account(x->snap, members[i], &a))
			expand(x, &a, depth + 1);
	free(members);
	if (!g->has_route || !cv_snapshot_route(x->snap, g->acct, &route))
		return;
	/* Bounces go to whoever can mend the list (RFC 5321 3.9.2); nothing bounces a bounce. */
	struct cv_str sender = x->tx->sender.n && route.owner.n
		? cv_arena_str(&x->tx->arena, route.owner) : x->tx->sender;
	for (size_t i = 0; cv_snapshot_target(x->snap, g->acct, i, &t) && x->reply == R_OKAY; i++)
		if (t.kind == CV_TARGET_MEMBER)
			expand_address(x, g, t.address, false, sender, depth);
}

/* True when the box itself keeps a copy. */
static bool
expand_forwards(struct expansion *x, const struct cv_reg_account *a, unsigned depth)
{
	struct cv_reg_target t;
	struct cv_str sender = { .p = NULL };
	bool any = false, keeps = false;

	for (size_t i = 0; cv_snapshot_target(x->snap, a->acct, i, &t) && x->reply == R_OKAY; i++) {
		if (t.kind != CV_TARGET_FORWARD || (t.until_secs && t.until_secs <= x->now))
			continue;
		if (!any)
			sender = forward_sender(x, a);
		any = true;
		keeps |= t.keep;
		expand_address(x, a, t.address, true, sender, depth);
	}
	return keeps || !any;
}

static void
add_answer(struct expansion *x, cv_acct_no acct, enum smtpd_answer_kind kind)
{
	struct smtpd_tx *tx = x->tx;

	for (size_t i = 0; i < tx->answer_count; i++)
		if (tx->answers[i].acct == acct)
			return;
	if (tx->answer_count < CV_COUNT(tx->answers))
		tx->answers[tx->answer_count++] = (struct smtpd_answer){ acct, kind };
}

/* An absence says more than a receipt. */
static void
note_answer(struct expansion *x, const struct cv_reg_account *a, const struct cv_reg_route *route)
{
	if (x->now >= route->absence_from_secs && x->now < route->absence_until_secs)
		add_answer(x, a->acct, SMTPD_ANSWER_ABSENCE);
	else if (a->kind == CV_KIND_AGENCY && x->s->kind == SMTPD_MX &&
		x->s->server->opt->agency_receipts)
		add_answer(x, a->acct, SMTPD_ANSWER_RECEIPT);
}

static void
expand_retired(struct expansion *x, const struct cv_reg_account *a, unsigned depth)
{
	struct cv_reg_route route;
	struct cv_reg_hit hit;

	if (!a->has_route || !cv_snapshot_route(x->snap, a->acct, &route) ||
		route.forward_until_secs <= x->now)
		return;
	cv_snapshot_find_address(x->snap, route.successor, &hit);
	if (hit.found == CV_REG_ACCOUNT || hit.found == CV_REG_GROUP)
		expand(x, &hit.account, depth + 1);
}

static void
expand(struct expansion *x, const struct cv_reg_account *a, unsigned depth)
{
	struct cv_reg_route route;
	size_t before = x->seen.n;

	/* A box without more to it needs no memory of having been here. */
	bool is_plain = !a->has_route && a->kind != CV_KIND_GROUP;
	if (!is_plain) {
		if (depth > NEST_MAX || smtpd_boxes_add(&x->seen, a->acct) < before)
			return;
	}
	if (a->state == CV_STATE_RETIRED) {
		expand_retired(x, a, depth);
	} else if (a->kind == CV_KIND_GROUP) {
		expand_group(x, a, depth);
	} else if (is_plain) {
		add_box(x, a->acct);
		note_answer(x, a, &(struct cv_reg_route){ 0 });
	} else {
		(void)cv_snapshot_route(x->snap, a->acct, &route);
		if (expand_forwards(x, a, depth))
			add_box(x, a->acct);
		note_answer(x, a, &route);
	}
}

enum smtpd_reply
smtpd_expand(struct smtpd_session *s, struct smtpd_rcpt *r, const struct cv_snapshot *snap,
	const struct cv_reg_hit *hit)
{
	struct smtpd_tx *tx = s->tx;
	struct expansion x = { .s = s, .tx = tx, .snap = snap, .r = r, .reply = R_OKAY };

	r->is_local = true;
	r->first_box = tx->boxes.n;
	r->first_out = tx->out_count;
	r->first_answer = tx->answer_count;
	if (hit->account.has_route || hit->found == CV_REG_GROUP)
		x.now = cv_wall_secs();
	expand(&x, &hit->account, 0);
	smtpd_boxes_done(&x.seen);
	r->box_count = tx->boxes.n - r->first_box;
	/* A box of its own answers for it; what stands for others is answered for as a group is. */
	size_t box = hit->found == CV_REG_ACCOUNT ? smtpd_boxes_find(&tx->boxes, hit->account.acct)
						  : SIZE_MAX;
	r->is_group = box == SIZE_MAX;
	r->box = r->is_group ? 0 : box;
	if (x.reply != R_OKAY)
		return x.reply;
	return x.any ? R_OKAY : R_EMPTY_GROUP;
}

void
smtpd_expand_cut(struct smtpd_tx *tx, const struct smtpd_rcpt *r)
{
	smtpd_boxes_cut(&tx->boxes, r->first_box);
	tx->out_count = CV_MIN(tx->out_count, r->first_out);
	tx->answer_count = CV_MIN(tx->answer_count, r->first_answer);
	tx->out_bys = 0;
	for (size_t i = 0; i < tx->out_count; i++)
		tx->out_bys += !i || tx->outs[i].by != tx->outs[i - 1].by;
}

/* ---- loops ---- */

/* Has the message been at ADDRESS before? */
static bool
was_at(struct cv_str header, struct cv_str address)
{
	struct cv_field f;

	for (size_t i = 0; i < 200 && cv_header_find(header, "Delivered-To", i, &f); i++)
		if (cv_str_ieq(cv_str_trim(f.value), address))
			return true;
	return false;
}

/* "by NAME" in a Received field: the message was here before. */
static bool
was_here(struct cv_str header, const char *hostname)
{
	struct cv_field f;
	char by[300];

	snprintf(by, sizeof by, "by %s (congvu)", hostname);
	for (size_t i = 0; i < 200 && cv_header_find(header, "Received", i, &f); i++)
		if (cv_str_isearch(f.value, cv_str_z(by)) < f.value.n)
			return true;
	return false;
}

/* Outside copies that would come round again are not made; the box keeps its own. */
static void
drop_loops(struct smtpd_session *s, struct cv_str header)
{
	struct smtpd_tx *tx = s->tx;
	size_t kept = 0;

	for (size_t i = 0; i < tx->out_count; i++) {
		struct smtpd_out *out = &tx->outs[i];
		if (!was_at(header, out->by_address)) {
			tx->outs[kept++] = *out;
			continue;
		}
		cv_log(cv_conn_id(s->conn), CV_WARN, "route.loop", "id=%s by=%.*s to=%.*s", tx->id,
			CV_STR_ARGS(out->by_address), CV_STR_ARGS(out->address));
		if (out->is_forward)
			(void)smtpd_boxes_add(&tx->boxes, out->by);
	}
	tx->out_count = kept;
}

/* ---- what a group's mail carries (RFC 2919, RFC 2369) ---- */

static void
write_list_fields(struct cv_buf *out, struct cv_str address, struct cv_str name,
	struct cv_str owner)
{
	struct cv_str local, domain;
	struct cv_buf value = CV_BUF_INIT(2000);

	smtpd_envelope_split(address, &local, &domain);
	cv_phrase_encode(name, &value);
	cv_buf_printf(&value, " <%.*s.%.*s>", CV_STR_ARGS(local), CV_STR_ARGS(domain));
	cv_header_fold_tokens(out, "List-Id", cv_buf_view(&value));
	if (owner.n)
		cv_buf_printf(out, "List-Owner: <mailto:%.*s>\r\n", CV_STR_ARGS(owner));
	cv_buf_z(out, "Precedence: list\r\n");
	cv_buf_done(&value);
}

/* Mail for one group and nobody else is marked in every copy. Where others were named beside it
 * the boxes share one body, and only the copies outside are marked. */
static void
mark_group(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);
	struct cv_reg_hit hit;
	struct cv_reg_route route;

	cv_snapshot_find_address(snap, tx->rcpts[0].address, &hit);
	if (hit.found == CV_REG_GROUP) {
		(void)cv_snapshot_route(snap, hit.account.acct, &route);
		write_list_fields(&tx->list_fields, hit.account.address, hit.account.display_name,
			route.owner);
	}
	cv_snapshot_unref(snap);
}

enum smtpd_reply
smtpd_expand_prepare(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	bool one_group = tx->rcpt_count == 1 && tx->rcpts[0].is_group;
	enum smtpd_reply reply = R_OKAY;
	struct cv_str message;
	struct cv_err err;

	if (!tx->out_count && !one_group && !tx->has_split)
		return R_OKAY;
	if (cv_spool_map(&tx->message, &message, &err) != CV_OK)
		return R_TEMPFAIL;
	struct cv_str header = cv_str_sub(message, 0, cv_header_body_at(message));
	if (tx->has_split && was_here(header, s->server->main->hostname))
		reply = R_LOOP;
	tx->is_list_already = cv_header_count(header, "List-Id") > 0;
	drop_loops(s, header);
	cv_spool_unmap(&tx->message, message);
	if (one_group && !tx->is_list_already)
		mark_group(s);
	return reply;
}

/* ---- the queue ---- */

struct out_wait {
	struct cv_waiter waiter;
	struct smtpd_tx *tx;
};

static void
out_durable(struct cv_waiter *w)
{
	smtpd_intake_done(CV_CONTAINER(w, struct out_wait, waiter)->tx);
}

/* Named by the sender too: that copy is enough. */
static bool
is_named(const struct smtpd_tx *tx, struct cv_str address)
{
	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (!tx->rcpts[i].is_local && !tx->rcpts[i].deleted
			&& cv_str_eq(tx->rcpts[i].address, address))
			return true;
	return false;
}

static void
fill_rcpts(struct smtpd_tx *tx, cv_acct_no by, struct cv_queue_msg *msg)
{
	for (size_t i = 0; i < tx->out_count; i++) {
		const struct smtpd_out *out = &tx->outs[i];
		if (out->by != by || is_named(tx, out->address))
			continue;
		msg->rcpts[msg->rcpt_count++] = (struct cv_queue_rcpt){
			.address = out->address,
			.orcpt = out->is_forward ? out->orcpt : CV_STR_EMPTY,
			.notify = out->is_forward ? out->notify : 0,
			.state = tx->held || tx->place == CV_Q_QUARANTINE ? CV_Q_HELD
									  : CV_Q_WAITING,
			.next_secs = CV_MAX(msg->arrived_secs, tx->timing.hold_secs),
		};
	}
}

/* One message for all that OUT's group or box sends outside. */
static enum cv_status
queue_by(struct smtpd_session *s, const struct smtpd_out *out)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_buf prefix = CV_BUF_INIT(32u << 10);
	struct cv_queue_msg msg;
	struct cv_err err = { 0 };
	cv_ticket ticket;

	smtpd_intake_queue_msg(s, &msg, tx->out_count);
	msg.sender = out->sender;
	if (!out->is_forward)
		msg.envid = CV_STR_EMPTY; /* the list is the sender now (RFC 3461 5.2.7.3) */
	fill_rcpts(tx, out->by, &msg);
	if (!msg.rcpt_count)
		return CV_OK;
	cv_buf_printf(&prefix, "Delivered-To: %.*s\r\n", CV_STR_ARGS(out->by_address));
	if (!out->is_forward && !tx->is_list_already && !tx->list_fields.n)
		write_list_fields(&prefix, out->by_address, out->by_name, out->sender);
	cv_buf_str(&prefix, cv_buf_view(&tx->trace));
	enum cv_status status = cv_queue_put(s->server->queue, &msg, cv_buf_view(&prefix),
		&tx->message, &ticket, &err);
	cv_buf_done(&prefix);
	if (status != CV_OK) {
		cv_log(cv_conn_id(s->conn), CV_ERROR, "queue.failed", "id=%s error=%s", tx->id,
			err.text);
		return status;
	}
	cv_log(cv_conn_id(s->conn), CV_INFO, "route.outside",
		"id=%s by=%.*s kind=%s rcpts=%zu sender=%.*s", tx->id,
		CV_STR_ARGS(out->by_address), out->is_forward ? "forward" : "group",
		msg.rcpt_count, CV_STR_ARGS(msg.sender));
	atomic_fetch_add(&s->server->counters.queued, msg.rcpt_count);
	struct out_wait *w = CV_ARENA_ARRAY(&tx->arena, struct out_wait, 1);
	w->tx = tx;
	w->waiter = (struct cv_waiter){ .ticket = ticket, .fn = out_durable };
	smtpd_tx_ref(tx);
	atomic_fetch_add(&tx->pending, 1);
	cv_ticket_wait(cv_queue_engine(s->server->queue), ticket, &w->waiter);
	return CV_OK;
}

enum cv_status
smtpd_expand_queue(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	enum cv_status status = CV_OK;

	for (size_t i = 0; i < tx->out_count && status == CV_OK; i++) {
		bool is_first = true;
		for (size_t k = 0; k < i && is_first; k++)
			is_first = tx->outs[k].by != tx->outs[i].by;
		if (is_first)
			status = queue_by(s, &tx->outs[i]);
	}
	return status;
}
