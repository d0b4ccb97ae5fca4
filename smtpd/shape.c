/* shape.c - see shape.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/shape.h"

#include "common/base/log.h"
#include "common/text/header.h"
#include "smtpd/recode.h"
#include "smtpd/submission.h"

static enum cv_status
spool_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	return cv_spool_write(arg, bytes, err);
}

/* The register's name in From: a field to stand in place of another. */
struct renaming {
	bool is_needed;
	size_t start, end;
	struct cv_buf field;
};

/* MESSAGE without its Return-Path fields, with the new From field. Where a line that is no field
 * ends the header the empty line is put in: others might read on and find authors there that nobody
 * has looked at. */
static enum cv_status
write_changed(struct cv_spool *to, struct cv_str message, const struct renaming *from,
	bool is_cut, struct cv_err *err)
{
	struct cv_header_scan scan;
	struct cv_field field;
	enum cv_status status = CV_OK;
	size_t done = 0;

	cv_header_scan_init(&scan, message);
	while (status == CV_OK && cv_header_next(&scan, &field)) {
		bool renamed = from->is_needed && field.start == from->start;
		if (!renamed && !cv_str_ieq_z(field.name, "Return-Path"))
			continue;
		status = cv_spool_write(to, cv_str_sub(message, done, field.start), err);
		if (status == CV_OK && renamed)
			status = cv_spool_write(to, cv_buf_view(&from->field), err);
		done = field.end;
	}
	if (status == CV_OK && is_cut) {
		status = cv_spool_write(to, cv_str_sub(message, done, scan.body_at), err);
		if (status == CV_OK)
			status = cv_spool_write(to, CV_STR("\r\n"), err);
		done = scan.body_at;
	}
	return status == CV_OK ? cv_spool_write(to, cv_str_sub(message, done, message.n), err)
			       : status;
}

static void
replace(struct smtpd_tx *tx, struct cv_spool *fresh)
{
	cv_spool_done(&tx->message);
	tx->message = *fresh;
}

/* New fields in front, Return-Path fields out, From by the register, an end to the header. */
static enum cv_status
change_fields(struct smtpd_session *s, const struct smtpd_header_facts *facts,
	struct cv_str message, const struct renaming *from, struct cv_err *err)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_spool fresh;

	if (s->kind == SMTPD_SUBMISSION)
		smtpd_header_complete(s, facts, &tx->header);
	cv_spool_init(&fresh, s->server->spool_dir);
	enum cv_status status = cv_spool_write(&fresh, cv_buf_view(&tx->header), err);
	if (status == CV_OK)
		status = write_changed(&fresh, message, from,
			s->kind == SMTPD_SUBMISSION && facts->is_cut, err);
	cv_spool_unmap(&tx->message, message);
	if (status == CV_OK)
		replace(tx, &fresh);
	else
		cv_spool_done(&fresh);
	return status;
}

/* CV_INVALID: it cannot be made into lines. */
static enum cv_status
make_lines(struct smtpd_session *s, struct cv_err *err)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_spool fresh;
	struct cv_str message;

	tx->body_kind = CV_BODY_8BITMIME;
	enum cv_status status = cv_spool_map(&tx->message, &message, err);
	if (status != CV_OK)
		return status;
	if (smtpd_carries(SMTPD_CARRIES_LINES, message)) {
		cv_spool_unmap(&tx->message, message);
		return CV_OK;
	}
	cv_spool_init(&fresh, s->server->spool_dir);
	status = smtpd_recode(message, SMTPD_CARRIES_LINES, spool_bytes, &fresh, err);
	cv_spool_unmap(&tx->message, message);
	if (status != CV_OK) {
		cv_spool_done(&fresh);
		return status;
	}
	cv_log(cv_conn_id(s->conn), CV_INFO, "msg.recoded", "id=%s bytes=%llu was=%llu", tx->id,
		(unsigned long long)fresh.size_bytes, (unsigned long long)tx->message.size_bytes);
	replace(tx, &fresh);
	return CV_OK;
}

enum smtpd_reply
smtpd_shape(struct smtpd_session *s, const struct smtpd_header_facts *facts, struct cv_str message)
{
	struct smtpd_tx *tx = s->tx;
	struct cv_err err = {0};
	enum cv_status status = CV_OK;
	bool lacks = s->kind == SMTPD_SUBMISSION &&
		     (!facts->has_date || !facts->has_message_id || facts->is_cut);

	struct renaming from = {.field = CV_BUF_INIT(CV_HEADER_BYTES_MAX)};

	from.is_needed = smtpd_submission_edit(s, cv_str_sub(message, 0, facts->body_at),
		&from.start, &from.end, &from.field);
	if (lacks || facts->return_paths || from.is_needed)
		status = change_fields(s, facts, message, &from, &err);
	else
		cv_spool_unmap(&tx->message, message);
	cv_buf_done(&from.field);
	if (status == CV_OK && tx->body_kind == CV_BODY_BINARYMIME)
		status = make_lines(s, &err);
	if (status == CV_OK)
		return R_OKAY;
	cv_log(cv_conn_id(s->conn), status == CV_INVALID ? CV_INFO : CV_ERROR, "msg.unshaped",
		"id=%s why=\"%s\"", tx->id, err.text);
	return status == CV_INVALID ? R_BAD_BINARY : status == CV_FULL ? R_STORE_FULL : R_TEMPFAIL;
}
