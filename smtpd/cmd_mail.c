/* cmd_mail.c - MAIL and RCPT: the envelope, checked against grammar, policy, register and quota. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/text/domain.h"
#include "common/text/encode.h"
#include "smtpd/params.h"
#include "smtpd/room.h"
#include "smtpd/session.h"

static enum cv_step
refuse(struct smtpd_session *s, enum smtpd_reply reply)
{
	atomic_fetch_add(&s->server->counters.refused, 1);
	smtpd_session_refuse(s, reply);
	return CV_STEP_DONE;
}

static enum cv_step
refuse_decision(struct smtpd_session *s, const struct cv_decision *d)
{
	/* Staff may have a list with people who left; outside it is how addresses are guessed. */
	if (d->smtp_code >= 500 && !s->authed)
		s->errors++;
	atomic_fetch_add(&s->server->counters.refused, 1);
	cv_log(cv_conn_id(s->conn), CV_INFO, "policy.refused", "rule=%s account=%s", d->rule,
		s->authed ? s->login : "-");
	smtpd_reply_decision(cv_conn_out(s->conn), d, s->tx && s->tx->smtputf8);
	return CV_STEP_DONE;
}

/* "FROM:" or "TO:" and what stands behind it, blanks before the path allowed as many devices send.
 */
static bool
skip_word(struct cv_str *args, const char *word)
{
	if (!cv_str_has_iprefix(*args, word))
		return false;
	*args = cv_str_sub(*args, strlen(word), args->n);
	return true;
}

/* SMTPUTF8 stands behind the address it allows, so it is looked for before the address is read. */
static bool
asks_utf8(struct cv_str args)
{
	struct cv_str word;

	while (cv_str_split(&args, ' ', &word))
		if (cv_str_ieq_z(word, "SMTPUTF8"))
			return true;
	return false;
}

static bool
has_8bit(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 127)
			return true;
	return false;
}

static enum smtpd_reply
take_mail_param(struct smtpd_session *s, struct smtpd_tx *tx, struct cv_str name,
	struct cv_str value, bool has_value)
{
	uint64_t number;

	if (cv_str_ieq_z(name, "SIZE")) {
		if (!has_value || cv_str_u64(value, UINT64_MAX / 2, &number) != CV_OK)
			return R_BAD_PARAM;
		tx->declared_bytes = number;
		return number > s->server->opt->max_message ? R_SIZE : R_OKAY;
	}
	if (cv_str_ieq_z(name, "BODY")) {
		if (cv_str_ieq_z(value, "8BITMIME"))
			tx->body_kind = CV_BODY_8BITMIME;
		else if (!cv_str_ieq_z(value, "7BIT"))
			return R_BAD_PARAM;
		return R_OKAY;
	}
	if (cv_str_ieq_z(name, "SMTPUTF8") && !has_value) {
		tx->smtputf8 = true;
		return R_OKAY;
	}
	if (cv_str_ieq_z(name, "REQUIRETLS") && !has_value) {
		/* RFC 8689 4.2: not a word to say in the clear. */
		tx->require_tls = s->secure;
		return s->secure ? R_OKAY : R_NEED_TLS;
	}
	if (cv_str_ieq_z(name, "RET")) {
		tx->ret_full = cv_str_ieq_z(value, "FULL");
		tx->ret_hdrs = cv_str_ieq_z(value, "HDRS");
		return tx->ret_full || tx->ret_hdrs ? R_OKAY : R_BAD_PARAM;
	}
	if (cv_str_ieq_z(name, "ENVID") && has_value && value.n <= 100) {
		struct cv_buf raw = CV_BUF_INIT(100);
		enum cv_status status = cv_xtext_decode(value, &raw);
		tx->envid = cv_arena_str(&tx->arena, value);
		cv_buf_done(&raw);
		return status == CV_OK ? R_OKAY : R_BAD_PARAM;
	}
	/* AUTH= says who the submitter is to a relay that trusts us (RFC 4954 5): read, not
	 * believed. */
	if (cv_str_ieq_z(name, "AUTH") && has_value)
		return R_OKAY;
	return R_BAD_PARAM;
}

static enum smtpd_reply
take_mail_params(struct smtpd_session *s, struct smtpd_tx *tx, struct cv_str rest)
{
	struct cv_str name, value;
	bool has_value, bad;

	static const char *const names[] = {
		"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH", "REQUIRETLS"};
	unsigned seen = 0;

	tx->mail_params = cv_arena_str(&tx->arena, rest);
	while (smtpd_param_next(&rest, &name, &value, &has_value, &bad)) {
		enum smtpd_reply reply = take_mail_param(s, tx, name, value, has_value);
		for (unsigned i = 0; i < CV_COUNT(names) && reply == R_OKAY; i++) {
			if (!cv_str_ieq_z(name, names[i]))
				continue;
			if (seen & 1u << i)
				reply = R_BAD_PARAM; /* a keyword stands once */
			seen |= 1u << i;
		}
		if (reply != R_OKAY)
			return reply;
	}
	/* RFC 6531 3.4: without SMTPUTF8 all of the command is ASCII. */
	if (!bad && !tx->smtputf8 && has_8bit(tx->mail_params))
		return R_BAD_PARAM;
	return bad ? R_BAD_ARGS : R_OKAY;
}

static void
mail_done(struct smtpd_session *s)
{
	smtpd_session_enter(s, S_MAIL);
	smtpd_reply_put(cv_conn_out(s->conn), R_SENDER_OK);
}

static enum cv_step
mail_filtered(struct smtpd_session *s)
{
	switch (smtpd_session_filtered(s)) {
	case SMTPD_FILTER_WAIT:
		return CV_STEP_WAIT;
	case SMTPD_FILTER_REFUSED:
		smtpd_session_reset(s);
		return CV_STEP_DONE;
	default:
		mail_done(s);
		return CV_STEP_DONE;
	}
}

static enum cv_step
mail_refused(struct smtpd_session *s, enum smtpd_reply reply)
{
	smtpd_session_reset(s);
	return refuse(s, reply);
}

/* A sender is kept as local@domain with the domain in A-labels, unless SMTPUTF8 keeps both. */
static enum cv_status
keep_address(struct smtpd_tx *tx, const struct cv_path *path, struct cv_str *out)
{
	struct cv_buf text = CV_BUF_INIT(CV_PATH_MAX * 2);
	enum cv_status status = cv_path_normalise(path, &text, NULL);

	if (status == CV_OK)
		*out = cv_arena_str(&tx->arena, cv_buf_view(&text));
	cv_buf_done(&text);
	return status;
}

/* The two halves of a normalised address: the last @ divides. */
static void
split_at(struct cv_str address, struct cv_str *local, struct cv_str *domain)
{
	size_t at = address.n;

	while (at && address.p[at - 1] != '@')
		at--;
	*local = cv_str_sub(address, 0, at ? at - 1 : address.n);
	*domain = at ? cv_str_sub(address, at, address.n) : CV_STR_EMPTY;
}

enum cv_step
smtpd_cmd_mail(struct smtpd_session *s, struct cv_str args)
{
	struct cv_path path;
	struct cv_str rest, local, domain;
	unsigned flags = CV_PATH_ALLOW_NULL | CV_PATH_LEADING_SPACE;

	if (!skip_word(&args, "FROM:"))
		return refuse(s, R_BAD_ARGS);
	if (asks_utf8(args))
		flags |= CV_PATH_SMTPUTF8;
	if (cv_path_parse(args, flags, &path, &rest, NULL) != CV_OK) {
		bool needs_utf8 =
			cv_path_parse(args, flags | CV_PATH_SMTPUTF8, &path, &rest, NULL) == CV_OK;
		return refuse(s, needs_utf8 ? R_NEED_UTF8 : R_BAD_SENDER);
	}
	s->tx = smtpd_tx_new(s);
	struct smtpd_tx *tx = s->tx;
	enum smtpd_reply reply = take_mail_params(s, tx, rest);
	if (reply != R_OKAY)
		return mail_refused(s, reply);
	if (path.has_utf8 && !tx->smtputf8) /* the word stood inside the path */
		return mail_refused(s, R_NEED_UTF8);
	if (keep_address(tx, &path, &tx->sender) != CV_OK)
		return mail_refused(s, R_BAD_SENDER);
	if (s->authed) {
		struct cv_decision d;
		const struct cv_snapshot *snap = cv_register_get(s->server->reg);
		split_at(tx->sender, &local, &domain);
		cv_policy_envelope_from(s->server->policy, snap, s->acct, local, domain, &d);
		cv_snapshot_unref(snap);
		if (d.verdict == CV_REFUSE || d.verdict == CV_DEFER) {
			enum cv_step step = refuse_decision(s, &d);
			smtpd_session_reset(s);
			return step;
		}
	}
	struct smtpd_milter *m = smtpd_session_milter(s);
	if (!m) {
		mail_done(s);
		return CV_STEP_DONE;
	}
	smtpd_milter_macro(m, "i", tx->id);
	smtpd_milter_macro(m, "{auth_authen}", s->authed ? s->login : NULL);
	smtpd_milter_macro(m, "{auth_type}", s->authed ? s->sasl_name : NULL);
	struct cv_str bracketed = cv_arena_printf(&tx->arena, "<%.*s>", CV_STR_ARGS(tx->sender));
	smtpd_milter_macro(m, "{mail_addr}", cv_arena_z(&tx->arena, tx->sender));
	s->resume = mail_filtered;
	smtpd_milter_mail(m, bracketed, tx->mail_params);
	return mail_filtered(s);
}

/* ---- RCPT ---- */

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
	if (has_8bit(address))
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
	struct smtpd_milter *m = smtpd_session_milter(s);
	struct smtpd_rcpt *r = last_rcpt(s->tx);

	if (!m)
		return rcpt_done(s);
	smtpd_milter_macro(m, "{rcpt_addr}", cv_arena_z(&s->tx->arena, r->address));
	smtpd_milter_macro(m, "{rcpt_mailer}", r->is_local ? "local" : "smtp");
	s->resume = rcpt_filtered;
	smtpd_milter_rcpt(
		m, cv_arena_printf(&s->tx->arena, "<%.*s>", CV_STR_ARGS(r->address)), CV_STR_EMPTY);
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
		return refuse(s, R_RCPT_FULL);
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
		return refuse(s, R_EMPTY_GROUP);
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
		split_at(r->address, &local, &domain);
		cv_snapshot_find(snap, local, domain, &hit);
	}
	if (hit.found == CV_REG_NOT_OURS && (!s->authed || s->kind != SMTPD_SUBMISSION)) {
		step = refuse(s, R_NO_RELAY);
	} else {
		cv_policy_recipient(s->server->policy, snap, s->authed ? s->acct : 0, &hit, &d);
		if (d.verdict == CV_REFUSE || d.verdict == CV_DEFER)
			step = refuse_decision(s, &d);
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

	if (!skip_word(&args, "TO:"))
		return refuse(s, R_BAD_ARGS);
	if (cv_path_parse(args, flags, &path, &rest, NULL) != CV_OK) {
		if (!tx->smtputf8 &&
			cv_path_parse(args, flags | CV_PATH_SMTPUTF8, &path, &rest, NULL) == CV_OK)
			return refuse(s, R_NEED_UTF8);
		return refuse(s, R_BAD_PATH);
	}
	if (tx->rcpt_count >= max || tx->rcpt_bytes >= max * SMTPD_RCPT_BYTES) {
		/* A long list is heard to its end, once; who goes on and on is no list. */
		if (++tx->rcpt_tries > max + 1000)
			s->errors++;
		return refuse(s, R_MANY_RCPTS);
	}
	enum smtpd_reply reply = take_rcpt_params(tx, &r, rest);
	tx->rcpt_bytes += r.orcpt.n;
	if (reply != R_OKAY)
		return refuse(s, reply);
	if (keep_address(tx, &path, &r.address) != CV_OK)
		return refuse(s, R_BAD_PATH);
	tx->rcpt_bytes += 3 * r.address.n; /* the filters' copies too */
	return route(s, &r, &path);
}
