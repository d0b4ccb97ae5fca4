/* filtered.c - what filters made of a message is applied: header, body, sender, recipients.
 *
 * Filters are trusted to relay and to choose a sender, but what they write is read as strictly as
 * what clients write; what cannot be read is left out and logged.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/text/encode.h"
#include "smtpd/envelope.h"
#include "smtpd/filters.h"
#include "smtpd/params.h"
#include "smtpd/trace.h"
#include "smtpd/verdict.h"

/* Replaces the message by what the filters made of it. */
static enum cv_status
apply_content(struct smtpd_session *s, const struct smtpd_milter_changes *changes)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_spool fresh;
	struct cv_str old;
	struct cv_err err = {0};

	cv_spool_init(&fresh, s->server->spool_dir);
	enum cv_status status = cv_spool_map(&tx->message, &old, &err);
	if (status != CV_OK)
		return status;
	struct smtpd_header_facts facts;
	smtpd_header_look(old, &facts);
	status = cv_spool_write(&fresh,
		changes->header_changed ? changes->header : cv_str_sub(old, 0, facts.body_at),
		&err);
	if (status == CV_OK && !changes->body)
		status = cv_spool_write(&fresh, cv_str_sub(old, facts.body_at, old.n), &err);
	cv_spool_unmap(&tx->message, old);
	if (status == CV_OK && changes->body) {
		struct cv_str body;
		status = cv_spool_map(changes->body, &body, &err);
		if (status == CV_OK) {
			status = cv_spool_write(&fresh, body, &err);
			cv_spool_unmap(changes->body, body);
		}
	}
	if (status != CV_OK) {
		cv_log(cv_conn_id(s->conn), CV_ERROR, "spool.failed", "id=%s error=%s", tx->id,
			err.text);
		cv_spool_done(&fresh);
		return status;
	}
	cv_spool_done(&tx->message);
	tx->message = fresh;
	return CV_OK;
}

/* ---- the envelope ---- */

/* Filters write addresses with or without brackets. */
static struct cv_str
bracketed(struct smtpd_tx *tx, struct cv_str address)
{
	address = cv_str_trim(address);
	return address.n && address.p[0] == '<'
		       ? address
		       : cv_arena_printf(&tx->arena, "<%.*s>", CV_STR_ARGS(address));
}

static enum cv_status
read_address(struct smtpd_tx *tx, struct cv_str text, unsigned flags, struct cv_str *out)
{
	struct cv_path path;
	struct cv_str rest;

	if (tx->smtputf8)
		flags |= CV_PATH_SMTPUTF8;
	if (cv_path_parse(bracketed(tx, text), flags, &path, &rest, NULL) != CV_OK || rest.n)
		return CV_INVALID;
	return smtpd_envelope_keep(tx, &path, out);
}

/* RET and ENVID of a changed sender; other parameters describe the message as it came. */
static enum cv_status
take_sender_params(struct smtpd_tx *tx, struct cv_str rest)
{
	struct cv_str name, value;
	bool has_value, bad;

	while (smtpd_param_next(&rest, &name, &value, &has_value, &bad)) {
		struct cv_buf raw = CV_BUF_INIT(100);
		enum cv_status status = CV_OK;
		if (cv_str_ieq_z(name, "RET")) {
			tx->ret_full = cv_str_ieq_z(value, "FULL");
			tx->ret_hdrs = cv_str_ieq_z(value, "HDRS");
			status = tx->ret_full || tx->ret_hdrs ? CV_OK : CV_INVALID;
		} else if (cv_str_ieq_z(name, "ENVID")) {
			status = has_value ? cv_xtext_decode(value, &raw) : CV_INVALID;
			if (status == CV_OK)
				tx->envid = cv_arena_str(&tx->arena, value);
		}
		cv_buf_done(&raw);
		if (status != CV_OK)
			return CV_INVALID;
	}
	return bad ? CV_INVALID : CV_OK;
}

static enum cv_status
change_sender(struct smtpd_session *s, const struct milter_envelope_change *c)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_str sender;
	enum cv_status status = read_address(tx, c->address, CV_PATH_ALLOW_NULL, &sender);

	if (status == CV_OK)
		status = take_sender_params(tx, c->params);
	if (status != CV_OK)
		return status;
	tx->sender = sender;
	if (tx->out_count) /* forwards travel under a sender made of it */
		smtpd_rcpt_again(s);
	return CV_OK;
}

static enum cv_status
delete_rcpt(struct smtpd_session *s, const struct milter_envelope_change *c)
{
	struct cv_str address;
	enum cv_status status = read_address(s->tx, c->address, 0, &address);

	if (status == CV_OK && !smtpd_rcpt_delete(s, address))
		status = CV_NOT_FOUND;
	return status;
}

static void
change_envelope(struct smtpd_session *s, const struct milter_envelope_change *c)
{
	static const char *const words[] = {[MILTER_RCPT_ADDED] = "add",
		[MILTER_RCPT_DELETED] = "delete",
		[MILTER_FROM_CHANGED] = "sender"};
	struct smtpd_tx *tx = s->tx;
	enum cv_status status = c->kind == MILTER_FROM_CHANGED ? change_sender(s, c)
				: c->kind == MILTER_RCPT_DELETED
					? delete_rcpt(s, c)
					: smtpd_rcpt_add(s, bracketed(tx, c->address), c->params);

	if (status == CV_OK)
		cv_log(cv_conn_id(s->conn), CV_INFO, "msg.envelope",
			"id=%s by=filter do=%s address=%.*s", tx->id, words[c->kind],
			CV_STR_ARGS(c->address));
	else
		cv_log(cv_conn_id(s->conn), CV_WARN, "msg.envelope_skipped",
			"id=%s by=filter do=%s address=%.*s why=%s", tx->id, words[c->kind],
			CV_STR_ARGS(c->address),
			status == CV_NOT_FOUND ? "no-such-recipient" : "not-well-formed");
}

static bool
is_anybody_left(const struct smtpd_tx *tx)
{
	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (!tx->rcpts[i].deleted)
			return true;
	return false;
}

enum cv_status
smtpd_filters_apply(struct smtpd_session *s, bool *nobody_out)
{
	const struct smtpd_milter_changes *changes = smtpd_milter_changes(s->milter);
	struct smtpd_tx *tx = s->tx;
	enum cv_status status = CV_OK;

	*nobody_out = false;
	smtpd_verdict_take(s, changes);
	if (changes->header_changed || changes->body)
		status = apply_content(s, changes);
	for (size_t i = 0; i < changes->envelope_count; i++)
		change_envelope(s, &changes->envelope[i]);
	*nobody_out = !is_anybody_left(tx);
	return status;
}
