/* cmd_rcpt.c - RCPT: each recipient against grammar, register, policy, filters and quota. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/encode.h"
#include "smtpd/envelope.h"
#include "smtpd/filters.h"
#include "smtpd/params.h"
#include "smtpd/room.h"

static enum smtpd_reply
take_notify(struct smtpd_rcpt *r, struct cv_str value)
{
	static const struct {
		const char *word;
		uint32_t bit;
	} words[] = {
		{"NEVER",   CV_NOTIFY_NEVER  },
		{"SUCCESS", CV_NOTIFY_SUCCESS},
		{"FAILURE", CV_NOTIFY_FAILURE},
		{"DELAY",   CV_NOTIFY_DELAY  }
	};
	struct cv_str word;

	while (cv_str_split(&value, ',', &word)) {
		uint32_t bit = 0;
		for (size_t i = 0; i < CV_COUNT(words); i++)
			if (cv_str_ieq_z(word, words[i].word))
				bit = words[i].bit;
		if (!bit)
			return R_BAD_PARAM;
		r->notify |= bit;
	}
	/* NEVER stands alone (RFC 3461 4.1). */
	return r->notify & CV_NOTIFY_NEVER && r->notify != CV_NOTIFY_NEVER ? R_BAD_PARAM : R_OKAY;
}

/* addr-type ";" xtext (RFC 3461 4.2), with SMTPUTF8 also UTF-8 as it is (RFC 6533 3). */
static bool
is_orcpt(struct cv_str value, bool utf8)
{
	size_t semicolon = cv_str_find(value, ';', 0);
	struct cv_buf raw = CV_BUF_INIT(1000);
	struct cv_str address = cv_str_sub(value, semicolon + 1, value.n);

	if (semicolon == 0 || semicolon >= value.n || !address.n)
		return false;
	for (size_t i = 0; i < semicolon; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if (!cv_is_alpha(c) && !cv_is_digit(c) && c != '-')
			return false;
	}
	if (smtpd_envelope_has_8bit(address))
		return utf8;
	bool good = cv_xtext_decode(address, &raw) == CV_OK;
	cv_buf_done(&raw);
	return good;
}

static enum smtpd_reply
take_rcpt_params(struct smtpd_tx *tx, struct smtpd_rcpt *r, struct cv_str rest)
{
	struct cv_str name, value;
	bool has_value, bad;

	while (smtpd_param_next(&rest, &name, &value, &has_value, &bad)) {
		enum smtpd_reply reply = R_BAD_PARAM;
		if (cv_str_ieq_z(name, "NOTIFY") && has_value && !r->notify)
			reply = take_notify(r, value);
		else if (cv_str_ieq_z(name, "ORCPT") && has_value && value.n <= 500 &&
			 !r->orcpt.n) {
			r->orcpt = cv_arena_str(&tx->arena, value);
			reply = is_orcpt(value, tx->smtputf8) ? R_OKAY : R_BAD_PARAM;
		}
		if (reply != R_OKAY)
			return reply;
	}
	return bad ? R_BAD_ARGS : R_OKAY;
}

#define GROUP_MAX 20000u

/* The same group named before in this message: its members are in. */
static bool
is_named(const struct smtpd_tx *tx, struct cv_str address)
{
	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (cv_str_eq(tx->rcpts[i].address, address))
			return true;
	return false;
}

/* False when nobody is in it. */
static bool
add_members(struct smtpd_tx *tx, const struct cv_snapshot *snap, cv_acct_id group)
{
	bool any = false;
	cv_acct_no *members = cv_malloc(GROUP_MAX * sizeof *members);
	size_t n = cv_snapshot_members(snap, group, members, GROUP_MAX);

	for (size_t i = 0; i < CV_MIN(n, GROUP_MAX); i++) {
		struct cv_reg_account account;
		if (!cv_snapshot_account(snap, members[i], &account) ||
			account.state == CV_STATE_RETIRED)
			continue;
		smtpd_boxes_add(&tx->boxes, members[i]);
		any = true;
	}
	free(members);
	return any;
}

static struct smtpd_rcpt *
last_rcpt(struct smtpd_tx *tx)
{
	return &tx->rcpts[tx->rcpt_count - 1];
}

static void
push_rcpt(struct smtpd_tx *tx, const struct smtpd_rcpt *r)
{
	if (tx->rcpt_count == tx->rcpt_room) {
		tx->rcpt_room = tx->rcpt_room ? tx->rcpt_room * 2 : 4;
		tx->rcpts = cv_realloc(tx->rcpts, tx->rcpt_room * sizeof *tx->rcpts);
	}
	tx->rcpts[tx->rcpt_count++] = *r;
}

static enum cv_step
rcpt_done(struct smtpd_session *s)
{
	struct smtpd_rcpt *r = last_rcpt(s->tx);

	if (!r->is_local)
		s->tx->remote_count++;
	smtpd_session_enter(s, S_RCPT);
	smtpd_reply_put(cv_conn_out(s->conn), R_RCPT_OK);
	return CV_STEP_DONE;
}

/* Takes back what the refused recipient added. */
static void
drop_last_rcpt(struct smtpd_tx *tx)
{
	smtpd_boxes_cut(&tx->boxes, last_rcpt(tx)->first_box);
	tx->rcpt_count--;
}

static enum cv_step
rcpt_filtered(struct smtpd_session *s)
{
	switch (smtpd_session_filtered(s)) {
	case SMTPD_FILTER_WAIT:
		return CV_STEP_WAIT;
	case SMTPD_FILTER_REFUSED:
		drop_last_rcpt(s->tx);
		return CV_STEP_DONE;
	default:
		return rcpt_done(s);
	}
}

static enum cv_step
rcpt_filter(struct smtpd_session *s)
{
	if (!smtpd_session_milter(s))
		return rcpt_done(s);
	s->resume = rcpt_filtered;
	smtpd_filters_rcpt(s, last_rcpt(s->tx));
	return rcpt_filtered(s);
}

static void
probe_done(struct cv_probe *p)
{
	struct smtpd_tx *tx = p->arg;

	atomic_store(&tx->pending, 0);
	cv_conn_wake(tx->conn);
	smtpd_tx_unref(tx);
}

static enum cv_step
rcpt_probed(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;

	if (atomic_load(&tx->pending))
		return CV_STEP_WAIT;
	s->resume = NULL;
	if (tx->probe.result == CV_OVERQUOTA) {
		drop_last_rcpt(tx);
		return smtpd_envelope_refuse(s, R_RCPT_FULL);
	}
	/* Anything else is no reason to refuse: with the store away mail is queued. */
	if (tx->probe.result == CV_OK)
		smtpd_room_note(s->server->room, tx->probe.acct, tx->probe.size_bytes);
	return rcpt_filter(s);
}

/* Asks the store whether one account has room, unless it was seen to have lately. */
static enum cv_step
rcpt_probe(struct smtpd_session *s, cv_acct_id acct)
{
	struct smtpd_tx *tx = s->tx;
	uint64_t size = CV_MAX(tx->declared_bytes, (uint64_t)1);

	if (smtpd_room_known(s->server->room, acct, size) ||
		!cv_deliverer_is_up(s->server->deliverer))
		return rcpt_filter(s);
	tx->probe =
		(struct cv_probe){.acct = acct, .size_bytes = size, .done = probe_done, .arg = tx};
	atomic_store(&tx->pending, 1);
	smtpd_tx_ref(tx);
	s->resume = rcpt_probed;
	cv_deliver_probe(s->server->deliverer, &tx->probe);
	return rcpt_probed(s);
}

static enum cv_step
rcpt_local(struct smtpd_session *s, struct smtpd_rcpt *r, const struct cv_snapshot *snap,
	const struct cv_reg_hit *hit)
{
	struct smtpd_tx *tx = s->tx;

	r->is_local = true;
	r->is_group = hit->found == CV_REG_GROUP;
	r->first_box = tx->boxes.n;
	if (!r->is_group)
		r->box = smtpd_boxes_add(&tx->boxes, hit->account.acct);
	else if (!is_named(tx, r->address) && !add_members(tx, snap, hit->account.acct))
		return smtpd_envelope_refuse(s, R_EMPTY_GROUP);
	r->box_count = tx->boxes.n - r->first_box;
	push_rcpt(tx, r);
	/* One copy for each box, however many of its addresses are named. */
	return r->is_group || !r->box_count ? rcpt_filter(s) : rcpt_probe(s, hit->account.acct);
}

static enum cv_step
route(struct smtpd_session *s, struct smtpd_rcpt *r, const struct cv_path *path)
{
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);
	struct cv_reg_hit hit;
	struct cv_decision d;
	enum cv_step step;

	if (path->is_postmaster) {
		/* RFC 5321 4.5.1: every server takes mail for its postmaster. */
		cv_snapshot_find(
			snap, CV_STR("postmaster"), cv_snapshot_default_domain(snap), &hit);
	} else {
		struct cv_str local, domain;
		smtpd_envelope_split(r->address, &local, &domain);
		cv_snapshot_find(snap, local, domain, &hit);
	}
	if (hit.found == CV_REG_NOT_OURS && (!s->authed || s->kind != SMTPD_SUBMISSION)) {
		step = smtpd_envelope_refuse(s, R_NO_RELAY);
	} else {
		cv_policy_recipient(s->server->policy, snap, s->authed ? s->acct : 0, &hit, &d);
		if (d.verdict == CV_REFUSE || d.verdict == CV_DEFER)
			step = smtpd_envelope_refuse_decision(s, &d);
		else if (hit.found == CV_REG_ACCOUNT || hit.found == CV_REG_GROUP)
			step = rcpt_local(s, r, snap, &hit);
		else {
			r->first_box = s->tx->boxes.n;
			push_rcpt(s->tx, r);
			step = rcpt_filter(s);
		}
	}
	cv_snapshot_unref(snap);
	return step;
}

enum cv_step
smtpd_cmd_rcpt(struct smtpd_session *s, struct cv_str args)
{
	struct smtpd_tx *tx = s->tx;
	struct smtpd_rcpt r = {.is_local = false};
	struct cv_path path;
	struct cv_str rest;
	uint64_t max = s->kind == SMTPD_SUBMISSION ? s->server->opt->max_rcpts_submission
						   : s->server->opt->max_rcpts;
	unsigned flags = CV_PATH_POSTMASTER | CV_PATH_LEADING_SPACE |
			 (tx->smtputf8 ? (unsigned)CV_PATH_SMTPUTF8 : 0);

	tx->rcpt_path = CV_STR_EMPTY;
	if (!smtpd_envelope_word(&args, "TO:"))
		return smtpd_envelope_refuse(s, R_BAD_ARGS);
	if (cv_path_parse(args, flags, &path, &rest, NULL) != CV_OK) {
		if (!tx->smtputf8 &&
			cv_path_parse(args, flags | CV_PATH_SMTPUTF8, &path, &rest, NULL) == CV_OK)
			return smtpd_envelope_refuse(s, R_NEED_UTF8);
		return smtpd_envelope_refuse(s, R_BAD_PATH);
	}
	if (tx->rcpt_count >= max || tx->rcpt_bytes >= max * SMTPD_RCPT_BYTES) {
		/* A long list is heard to its end, once; who goes on and on is no list. */
		if (++tx->rcpt_tries > max + 1000)
			s->errors++;
		return smtpd_envelope_refuse(s, R_MANY_RCPTS);
	}
	tx->rcpt_path = cv_arena_printf(&tx->arena, "<%.*s>", CV_STR_ARGS(path.address));
	tx->rcpt_params = cv_arena_str(&tx->arena, rest);
	enum smtpd_reply reply = take_rcpt_params(tx, &r, rest);
	tx->rcpt_bytes += r.orcpt.n;
	if (reply != R_OKAY)
		return smtpd_envelope_refuse(s, reply);
	if (smtpd_envelope_keep(tx, &path, &r.address) != CV_OK)
		return smtpd_envelope_refuse(s, R_BAD_PATH);
	tx->rcpt_bytes += 3 * r.address.n; /* the filters' copies too */
	return route(s, &r, &path);
}

/* ---- what filters change ---- */

static void
find_address(const struct cv_snapshot *snap, struct cv_str address, struct cv_reg_hit *hit)
{
	struct cv_str local, domain;

	smtpd_envelope_split(address, &local, &domain);
	cv_snapshot_find(snap, local, domain, hit);
}

enum cv_status
smtpd_rcpt_add(struct smtpd_session *s, struct cv_str text, struct cv_str params)
{
	struct smtpd_tx *tx = s->tx;
	struct smtpd_rcpt r = {.by_filter = true, .first_box = tx->boxes.n};
	struct cv_path path;
	struct cv_str rest;
	struct cv_reg_hit hit;
	unsigned flags = CV_PATH_LEADING_SPACE | (tx->smtputf8 ? (unsigned)CV_PATH_SMTPUTF8 : 0);

	if (cv_path_parse(text, flags, &path, &rest, NULL) != CV_OK || rest.n ||
		take_rcpt_params(tx, &r, params) != R_OKAY ||
		smtpd_envelope_keep(tx, &path, &r.address) != CV_OK)
		return CV_INVALID;
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);
	enum cv_status status = CV_OK;
	find_address(snap, r.address, &hit);
	if (hit.found == CV_REG_ACCOUNT || hit.found == CV_REG_GROUP) {
		r.is_local = true;
		r.is_group = hit.found == CV_REG_GROUP;
		if (hit.account.state == CV_STATE_RETIRED)
			status = CV_NOT_FOUND;
		else if (!r.is_group)
			r.box = smtpd_boxes_add(&tx->boxes, hit.account.acct);
		else if (!add_members(tx, snap, hit.account.acct))
			status = CV_NOT_FOUND;
	} else if (hit.found != CV_REG_NOT_OURS) {
		status = CV_NOT_FOUND;
	}
	cv_snapshot_unref(snap);
	r.box_count = tx->boxes.n - r.first_box;
	if (status != CV_OK)
		return status;
	push_rcpt(tx, &r);
	tx->remote_count += !r.is_local;
	return CV_OK;
}

/* Boxes of the recipients that are left, in their order. */
static void
rebuild_boxes(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);
	struct smtpd_boxes old = tx->boxes;

	tx->boxes = (struct smtpd_boxes){0};
	for (size_t i = 0; i < tx->rcpt_count; i++) {
		struct smtpd_rcpt *r = &tx->rcpts[i];
		struct cv_reg_hit hit;
		if (!r->is_local || r->deleted)
			continue;
		r->first_box = tx->boxes.n;
		if (!r->is_group) {
			r->box = smtpd_boxes_add(&tx->boxes, old.ids[r->box]);
		} else {
			find_address(snap, r->address, &hit);
			if (hit.found == CV_REG_GROUP)
				add_members(tx, snap, hit.account.acct);
		}
		r->box_count = tx->boxes.n - r->first_box;
	}
	smtpd_boxes_done(&old);
	cv_snapshot_unref(snap);
}

bool
smtpd_rcpt_delete(struct smtpd_session *s, struct cv_str address)
{
	struct smtpd_tx *tx = s->tx;
	bool any = false, any_local = false;

	for (size_t i = 0; i < tx->rcpt_count; i++) {
		struct smtpd_rcpt *r = &tx->rcpts[i];
		if (r->deleted || !cv_str_ieq(r->address, address))
			continue;
		r->deleted = any = true;
		any_local = any_local || r->is_local;
		tx->remote_count -= !r->is_local;
	}
	if (any_local)
		rebuild_boxes(s);
	return any;
}
