/* cmd_rcpt.c - RCPT: each recipient against grammar, register, policy, filters and quota. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/register/trap.h"
#include "common/text/encode.h"
#include "smtpd/alias_use.h"
#include "smtpd/envelope.h"
#include "smtpd/expand.h"
#include "smtpd/filters.h"
#include "smtpd/outbound.h"
#include "smtpd/params.h"
#include "smtpd/room.h"
#include "smtpd/note.h"
#include "smtpd/split.h"
#include "smtpd/srs.h"
#include "smtpd/transport.h"
#include "smtpd/submission.h"

#define TRAP_FAULTS 20 /* one letter to a trap says as much as so many unknown addresses */

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
			return R_BAD_VALUE;
		r->notify |= bit;
	}
	/* NEVER stands alone (RFC 3461 4.1). */
	return r->notify & CV_NOTIFY_NEVER && r->notify != CV_NOTIFY_NEVER ? R_BAD_VALUE : R_OKAY;
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
		if (cv_str_ieq_z(name, "NOTIFY")) {
			reply = has_value && !r->notify ? take_notify(r, value) : R_BAD_VALUE;
		} else if (cv_str_ieq_z(name, "ORCPT")) {
			bool good = value.n <= 500 && !r->orcpt.n && is_orcpt(value, tx->smtputf8);
			r->orcpt = cv_arena_str(&tx->arena, value);
			reply = good ? R_OKAY : R_BAD_VALUE;
		}
		if (reply != R_OKAY)
			return reply;
	}
	return bad ? R_BAD_ARGS : R_OKAY;
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
	smtpd_note_rcpt(s);
	struct cv_decision warning;
	if (!r->is_moved && !r->is_local && smtpd_submission_rcpt_warns(s, r->address, &warning))
		smtpd_reply_decision(cv_conn_out(s->conn), &warning, s->tx->smtputf8);
	else
		smtpd_reply_put(
			cv_conn_out(s->conn), r->is_moved ? R_RCPT_MOVED : R_RCPT_OK);
	return CV_STEP_DONE;
}

/* Takes back what the refused recipient added. */
static void
drop_last_rcpt(struct smtpd_tx *tx)
{
	smtpd_submission_rcpt_undo(tx);
	smtpd_expand_cut(tx, last_rcpt(tx));
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

/* So that an operator can tell which old names are still in use: counted when the message is
 * accepted. */
static void
note_alias(struct smtpd_session *s, struct smtpd_rcpt *r, const struct cv_snapshot *snap,
	const struct cv_reg_hit *hit)
{
	struct cv_str local, domain;

	smtpd_envelope_split(s->tx->sender, &local, &domain);
	r->alias = smtpd_alias_of(hit, &s->tx->arena);
	r->is_inside = s->authed || cv_snapshot_has_domain(snap, domain);
	cv_log(cv_conn_id(s->conn), CV_DEBUG, "alias.used", "alias=%.*s account=%.*s",
		CV_STR_ARGS(r->alias), CV_STR_ARGS(hit->account.address));
}

static enum cv_step
rcpt_local(struct smtpd_session *s, struct smtpd_rcpt *r, const struct cv_snapshot *snap,
	const struct cv_reg_hit *hit)
{
	enum smtpd_reply reply = smtpd_expand(s, r, snap, hit);

	if (reply != R_OKAY) {
		smtpd_submission_rcpt_undo(s->tx);
		smtpd_expand_cut(s->tx, r);
		return smtpd_envelope_refuse(s, reply);
	}
	if (hit->by_alias)
		note_alias(s, r, snap, hit);
	r->is_moved = hit->account.state == CV_STATE_RETIRED;
	push_rcpt(s->tx, r);
	/* One copy for each box, however many of its addresses are named. */
	return r->is_group || !r->box_count ? rcpt_filter(s) : rcpt_probe(s, hit->account.acct);
}

/* Somewhere else: put into the queue. */
static enum cv_step
rcpt_remote(struct smtpd_session *s, struct smtpd_rcpt *r)
{
	r->first_box = s->tx->boxes.n;
	r->first_out = s->tx->out_count;
	r->first_answer = s->tx->answer_count;
	push_rcpt(s->tx, r);
	return rcpt_filter(s);
}

static void
find(const struct cv_snapshot *snap, struct cv_str address, struct cv_reg_hit *hit)
{
	struct cv_str local, domain;

	smtpd_envelope_split(address, &local, &domain);
	cv_snapshot_find(snap, local, domain, hit);
}

/* "local+detail" is "local" when nobody has the whole as an address (RFC 5233 calls it so). */
static void
find_without_detail(struct smtpd_session *s, const struct cv_snapshot *snap, struct cv_str address,
	struct cv_reg_hit *hit)
{
	const char *separator = s->server->opt->subaddress_separator;
	struct cv_str local, domain;

	smtpd_envelope_split(address, &local, &domain);
	if (!separator[0] || !local.n || local.p[0] == '"')
		return;
	size_t at = cv_str_find(local, separator[0], 0);
	if (at && at < local.n)
		cv_snapshot_find(snap, cv_str_sub(local, 0, at), domain, hit);
}

static void
find_any(struct smtpd_session *s, const struct cv_snapshot *snap, struct cv_str address,
	struct cv_reg_hit *hit)
{
	find(snap, address, hit);
	if (hit->found == CV_REG_NONE)
		find_without_detail(s, snap, address, hit);
}

/* A bounce to a sender that we rewrote goes on to that sender. R_OKAY: R has his address. */
static enum smtpd_reply
restore(struct smtpd_session *s, struct smtpd_rcpt *r, struct cv_str local)
{
	struct cv_buf address = CV_BUF_INIT(600);
	enum smtpd_reply reply = R_OKAY;

	if (s->tx->sender.n)
		return R_BOUNCE_ONLY;
	enum cv_status status = smtpd_srs_restore(s->server->srs, local, &address);
	if (status == CV_OK)
		r->address = cv_arena_str(&s->tx->arena, cv_buf_view(&address));
	else
		reply = status == CV_TEMPFAIL ? R_TEMPFAIL : R_BOUNCE_OLD;
	cv_buf_done(&address);
	return reply;
}

/* RFC 5321 4.5.1: every server takes mail for its postmaster, also under its own name, which is
 * what our reports give; RFC 2142 wants abuse. NULL: it is neither. */
static const char *
own_box(const struct smtpd_session *s, const struct cv_path *path, struct cv_str address)
{
	static const char *const rows[][2] = {{"postmaster", "postmaster"},
		{"mailer-daemon", "postmaster"}, {"abuse", "abuse"}};
	struct cv_str local, domain;

	if (path->is_postmaster)
		return "postmaster";
	smtpd_envelope_split(address, &local, &domain);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_str_ieq_z(domain, s->server->main->hostname)
			&& cv_str_ieq_z(local, rows[i][0]))
			return rows[i][1];
	return NULL;
}

/* Who R is: exactly, without a detail, or as a sender that we rewrote; then IS_BOUNCE is set and R
 * may be anybody in the world. */
static enum smtpd_reply
look_up(struct smtpd_session *s, struct smtpd_rcpt *r, const struct cv_path *path,
	const struct cv_snapshot *snap, struct cv_reg_hit *hit, bool *is_bounce)
{
	const char *box = own_box(s, path, r->address);
	struct cv_str local, domain;

	find_any(s, snap, r->address, hit);
	if (box && (path->is_postmaster || hit->found == CV_REG_NOT_OURS)) {
		cv_snapshot_find(snap, cv_str_z(box), cv_snapshot_default_domain(snap), hit);
		return R_OKAY;
	}
	smtpd_envelope_split(r->address, &local, &domain);
	if (hit->found != CV_REG_NONE || !smtpd_srs_is(local))
		return R_OKAY;
	enum smtpd_reply reply = restore(s, r, local);
	if (reply == R_OKAY) {
		*is_bounce = true;
		find(snap, r->address, hit);
	}
	return reply;
}

/* ---- the old server beside us (split.h) ---- */

/* Its own words, so that who wrote a wrong address hears what is wrong with it. */
static enum cv_step
refuse_by_old(struct smtpd_session *s, const char *words)
{
	char text[SMTPD_SPLIT_TEXT + 100];

	snprintf(text, sizeof text, "[RCPT.old-server] %s", words);
	for (char *c = text; *c; c++)
		*c = (unsigned char)*c > 126 || (unsigned char)*c < ' ' ? '?' : *c;
	if (!s->authed)
		s->errors++;
	smtpd_submission_rcpt_refused(s);
	atomic_fetch_add(&s->server->counters.refused, 1);
	smtpd_note_refused(s, 550, "5.1.1", text);
	smtpd_reply_text(cv_conn_out(s->conn), 550, "5.1.1", text);
	return CV_STEP_DONE;
}

static enum cv_step
old_asked(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	char text[SMTPD_SPLIT_TEXT];
	struct cv_decision d;
	enum smtpd_split_answer answer = smtpd_split_ask(
		s->server->split, tx->asked.address, !tx->sender.n, s->conn, text);

	if (answer == SMTPD_SPLIT_WAIT) {
		s->resume = old_asked;
		return CV_STEP_WAIT;
	}
	s->resume = NULL;
	if (answer == SMTPD_SPLIT_REFUSED)
		return refuse_by_old(s, text);
	if (answer == SMTPD_SPLIT_NONE || answer == SMTPD_SPLIT_LOOP)
		return smtpd_envelope_refuse(s, R_RCPT_GONE);
	/* Our own people are told by a report if it comes to nothing; a stranger's sender may be
	 * made up, so he waits. */
	if (answer == SMTPD_SPLIT_LATER && !s->authed)
		return smtpd_envelope_refuse(s, R_OLD_LATER);
	/* Another machine, but the province's own people. */
	if (!smtpd_submission_rcpt(s, tx->asked.address, false, &d))
		return smtpd_envelope_refuse_decision(s, &d);
	tx->has_split = true;
	return rcpt_remote(s, &tx->asked);
}

static bool
is_shared(struct smtpd_session *s, const struct smtpd_rcpt *r)
{
	struct cv_str local, domain;
	struct smtpd_transport to;

	smtpd_envelope_split(r->address, &local, &domain);
	return smtpd_outbound_split(s->server->outbound, domain, &to);
}

/* An address that stands in one file of the public directory, where no person sees it: who writes
 * to it took addresses from there (DIR-06). It is refused like any that nobody has, so that he
 * learns nothing, and counts as many guesses. */
static void
note_trap(struct smtpd_session *s, const struct cv_snapshot *snap, struct cv_str address)
{
	char path[CV_TRAP_PATH_SIZE];
	struct cv_str local, domain;

	smtpd_envelope_split(address, &local, &domain);
	if (!cv_trap_find(snap, local, domain, path))
		return;
	atomic_fetch_add(&s->server->counters.trapped, 1);
	cv_log(cv_conn_id(s->conn), CV_WARN, "trap.hit", "peer=%s file=%s sender=%.*s",
		cv_conn_peer_text(s->conn), path, CV_STR_ARGS(s->tx->sender));
	if (!s->authed)
		s->errors += TRAP_FAULTS;
}

static enum cv_step
decide(struct smtpd_session *s, struct smtpd_rcpt *r, const struct cv_path *path,
	const struct cv_snapshot *snap)
{
	struct cv_reg_hit hit;
	struct cv_decision d;
	bool may_relay = s->authed && s->kind == SMTPD_SUBMISSION;
	enum smtpd_reply reply = look_up(s, r, path, snap, &hit, &may_relay);

	if (reply != R_OKAY)
		return smtpd_envelope_refuse(s, reply);
	if (hit.found == CV_REG_NOT_OURS && !may_relay)
		return smtpd_envelope_refuse(s, R_NO_RELAY);
	if (hit.found == CV_REG_NONE)
		note_trap(s, snap, r->address);
	if (hit.found == CV_REG_NONE && !path->is_postmaster && is_shared(s, r)) {
		s->tx->asked = *r;
		return old_asked(s);
	}
	cv_policy_recipient_from(s->server->policy, snap, s->authed ? s->acct : 0, s->tx->sender,
		hit.account.has_route ? cv_wall_secs() : 0, &hit, &d);
	if (d.verdict == CV_REFUSE || d.verdict == CV_DEFER) {
		smtpd_submission_rcpt_refused(s);
		return smtpd_envelope_refuse_decision(s, &d);
	}
	if (!smtpd_submission_rcpt(s, r->address, hit.found == CV_REG_NOT_OURS, &d))
		return smtpd_envelope_refuse_decision(s, &d);
	if (hit.found == CV_REG_ACCOUNT || hit.found == CV_REG_GROUP)
		return rcpt_local(s, r, snap, &hit);
	return rcpt_remote(s, r);
}

static enum cv_step
route(struct smtpd_session *s, struct smtpd_rcpt *r, const struct cv_path *path)
{
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);
	enum cv_step step = decide(s, r, path, snap);

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
	smtpd_note_try(s, r.address);
	tx->rcpt_bytes += 3 * r.address.n; /* the filters' copies too */
	return route(s, &r, &path);
}

/* ---- what filters change ---- */

enum cv_status
smtpd_rcpt_add(struct smtpd_session *s, struct cv_str text, struct cv_str params)
{
	struct smtpd_tx *tx = s->tx;
	struct smtpd_rcpt r = {.by_filter = true,
		.first_box = tx->boxes.n,
		.first_out = tx->out_count,
		.first_answer = tx->answer_count};
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
	find_any(s, snap, r.address, &hit);
	if (hit.found == CV_REG_ACCOUNT || hit.found == CV_REG_GROUP)
		status = smtpd_expand(s, &r, snap, &hit) == R_OKAY ? CV_OK : CV_NOT_FOUND;
	else if (hit.found != CV_REG_NOT_OURS)
		status = CV_NOT_FOUND;
	cv_snapshot_unref(snap);
	if (status != CV_OK) {
		smtpd_expand_cut(tx, &r);
		return status;
	}
	push_rcpt(tx, &r);
	tx->remote_count += !r.is_local;
	return CV_OK;
}

void
smtpd_rcpt_again(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);
	struct smtpd_boxes old = tx->boxes;

	tx->boxes = (struct smtpd_boxes){0};
	tx->out_count = tx->out_bys = tx->answer_count = 0;
	for (size_t i = 0; i < tx->rcpt_count; i++) {
		struct smtpd_rcpt *r = &tx->rcpts[i];
		struct cv_reg_hit hit;
		if (!r->is_local || r->deleted)
			continue;
		cv_acct_id own = r->is_group ? 0 : old.ids[r->box];
		find_any(s, snap, r->address, &hit);
		if (hit.found == CV_REG_ACCOUNT || hit.found == CV_REG_GROUP) {
			(void)smtpd_expand(s, r, snap, &hit);
		} else if (own) { /* <Postmaster> */
			r->first_box = tx->boxes.n;
			r->box = smtpd_boxes_add(&tx->boxes, own);
			r->box_count = tx->boxes.n - r->first_box;
		}
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
		smtpd_rcpt_again(s);
	return any;
}
