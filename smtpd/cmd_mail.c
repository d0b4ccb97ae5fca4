/* cmd_mail.c - MAIL: the sender and what it asks for, against grammar and policy. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/encode.h"
#include "smtpd/envelope.h"
#include "smtpd/filters.h"
#include "smtpd/params.h"
#include "smtpd/note.h"
#include "smtpd/stats.h"
#include "smtpd/submission.h"

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

/* 1 to 20 digits (RFC 1870 4). */
static bool
is_size(struct cv_str value)
{
	for (size_t i = 0; i < value.n; i++)
		if (!cv_is_digit((unsigned char)value.p[i]))
			return false;
	return value.n > 0 && value.n <= 20;
}

/* Parameters that say when and how urgently (timing.h). */
static enum smtpd_reply
take_timing(struct smtpd_session *s, struct cv_str name, struct cv_str value, bool has_value)
{
	static const enum smtpd_reply replies[] = { [SMTPD_TIMING_OTHER] = R_BAD_PARAM,
		[SMTPD_TIMING_TAKEN] = R_OKAY, [SMTPD_TIMING_BAD] = R_BAD_TIME,
		[SMTPD_TIMING_SHORT] = R_BY_SHORT, [SMTPD_TIMING_FAR] = R_HOLD_FAR };

	return replies[smtpd_timing_param(s, name, value, has_value)];
}

static enum smtpd_reply
take_mail_param(struct smtpd_session *s, struct smtpd_tx *tx, struct cv_str name,
	struct cv_str value, bool has_value)
{
	uint64_t number;

	if (cv_str_ieq_z(name, "SIZE")) {
		if (!is_size(value))
			return R_BAD_VALUE;
		if (cv_str_u64(value, UINT64_MAX / 2, &number) != CV_OK)
			return R_SIZE;
		tx->declared_bytes = number;
		return number > s->server->opt->max_message ? R_SIZE : R_OKAY;
	}
	if (cv_str_ieq_z(name, "BODY")) {
		if (cv_str_ieq_z(value, "8BITMIME"))
			tx->body_kind = CV_BODY_8BITMIME;
		else if (cv_str_ieq_z(value, "BINARYMIME"))
			tx->body_kind = CV_BODY_BINARYMIME;
		else if (!cv_str_ieq_z(value, "7BIT"))
			return R_BAD_VALUE;
		return R_OKAY;
	}
	if (cv_str_ieq_z(name, "SMTPUTF8")) {
		tx->smtputf8 = !has_value;
		return has_value ? R_BAD_VALUE : R_OKAY;
	}
	if (cv_str_ieq_z(name, "REQUIRETLS")) {
		if (has_value)
			return R_BAD_VALUE;
		/* RFC 8689 4.2: not a word to say in the clear. */
		tx->require_tls = s->secure;
		return s->secure ? R_OKAY : R_NEED_TLS;
	}
	if (cv_str_ieq_z(name, "RET")) {
		tx->ret_full = cv_str_ieq_z(value, "FULL");
		tx->ret_hdrs = cv_str_ieq_z(value, "HDRS");
		return tx->ret_full || tx->ret_hdrs ? R_OKAY : R_BAD_VALUE;
	}
	if (cv_str_ieq_z(name, "ENVID")) {
		if (!has_value || value.n > 100)
			return R_BAD_VALUE;
		struct cv_buf raw = CV_BUF_INIT(100);
		enum cv_status status = cv_xtext_decode(value, &raw);
		tx->envid = cv_arena_str(&tx->arena, value);
		cv_buf_done(&raw);
		return status == CV_OK ? R_OKAY : R_BAD_VALUE;
	}
	/* AUTH= says who the submitter is to a relay that trusts us (RFC 4954 5): read, not
	 * believed. */
	if (cv_str_ieq_z(name, "AUTH"))
		return has_value ? R_OKAY : R_BAD_VALUE;
	return take_timing(s, name, value, has_value);
}

static enum smtpd_reply
take_mail_params(struct smtpd_session *s, struct smtpd_tx *tx, struct cv_str rest)
{
	struct cv_str name, value;
	bool has_value, bad;

	static const char *const names[] = {
		"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH", "REQUIRETLS", "BY",
		"HOLDFOR", "HOLDUNTIL", "MT-PRIORITY"};
	unsigned seen = 0;

	tx->mail_params = cv_arena_str(&tx->arena, rest);
	while (smtpd_param_next(&rest, &name, &value, &has_value, &bad)) {
		enum smtpd_reply reply = take_mail_param(s, tx, name, value, has_value);
		for (unsigned i = 0; i < CV_COUNT(names) && reply == R_OKAY; i++) {
			if (!cv_str_ieq_z(name, names[i]))
				continue;
			if (seen & 1u << i)
				reply = R_BAD_VALUE; /* a keyword stands once */
			seen |= 1u << i;
		}
		if (reply != R_OKAY)
			return reply;
	}
	/* RFC 6531 3.4: without SMTPUTF8 all of the command is ASCII. */
	if (!bad && !tx->smtputf8 && smtpd_envelope_has_8bit(tx->mail_params))
		return R_BAD_VALUE;
	if (!bad && !smtpd_timing_fits(&tx->timing))
		return R_BAD_TIME;
	return bad ? R_BAD_ARGS : R_OKAY;
}

static void
mail_done(struct smtpd_session *s)
{
	const struct smtpd_timing *t = &s->tx->timing;

	smtpd_session_enter(s, S_MAIL);
	smtpd_note_mail(s);
	/* Whoever asked for more than it may have is told (RFC 6710 4.1). */
	smtpd_reply_put(cv_conn_out(s->conn),
		t->priority == t->asked_priority ? R_SENDER_OK
		: t->priority ? R_PRIORITY_LESS : R_PRIORITY_NONE);
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
	enum cv_step step = smtpd_envelope_refuse(s, reply);

	smtpd_session_reset(s);
	return step;
}

enum cv_step
smtpd_cmd_mail(struct smtpd_session *s, struct cv_str args)
{
	struct cv_path path;
	struct cv_str rest, local, domain;
	unsigned flags = CV_PATH_ALLOW_NULL | CV_PATH_LEADING_SPACE;

	if (!smtpd_envelope_word(&args, "FROM:"))
		return smtpd_envelope_refuse(s, R_BAD_ARGS);
	if (asks_utf8(args))
		flags |= CV_PATH_SMTPUTF8;
	if (cv_path_parse(args, flags, &path, &rest, NULL) != CV_OK) {
		bool needs_utf8 =
			cv_path_parse(args, flags | CV_PATH_SMTPUTF8, &path, &rest, NULL) == CV_OK;
		return smtpd_envelope_refuse(s, needs_utf8 ? R_NEED_UTF8 : R_BAD_SENDER);
	}
	if (smtpd_disk_is_low(s->server))
		return smtpd_envelope_refuse(s, R_STORE_FULL);
	s->tx = smtpd_tx_new(s);
	struct smtpd_tx *tx = s->tx;
	/* Before the parameters, so that whose mail they had refused is known to log and trace. */
	if (smtpd_envelope_keep(tx, &path, &tx->sender) != CV_OK)
		return mail_refused(s, R_BAD_SENDER);
	enum smtpd_reply reply = take_mail_params(s, tx, rest);
	if (reply != R_OKAY)
		return mail_refused(s, reply);
	if (path.has_utf8 && !tx->smtputf8) /* the word stood inside the path */
		return mail_refused(s, R_NEED_UTF8);
	if (s->authed) {
		struct cv_decision d;
		const struct cv_snapshot *snap = cv_register_get(s->server->reg);
		smtpd_envelope_split(tx->sender, &local, &domain);
		cv_policy_envelope_from(s->server->policy, snap, s->acct, local, domain, &d);
		cv_snapshot_unref(snap);
		bool refused = d.verdict == CV_REFUSE || d.verdict == CV_DEFER;
		if (refused || !smtpd_submission_mail(s, &d)) {
			enum cv_step step = smtpd_envelope_refuse_decision(s, &d);
			smtpd_session_reset(s);
			return step;
		}
	}
	if (!smtpd_session_milter(s)) {
		mail_done(s);
		return CV_STEP_DONE;
	}
	s->resume = mail_filtered;
	smtpd_filters_mail(s);
	return mail_filtered(s);
}
