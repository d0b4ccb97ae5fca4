/* cmd_append.c - APPEND, also of several messages at once (RFC 3502), with APPENDUID (RFC 4315),
 * and REPLACE (RFC 8508). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/catenate.h"
#include "imapd/limit.h"
#include "imapd/rights.h"
#include "imapd/teach.h"

/* "APPENDUID 38505 3955:3957" */
static struct cv_str
append_code(struct imapd_conn *c, struct cv_mbox *mbox)
{
	const struct imapd_append_args *a = c->cmd->args.append;
	struct cv_str code = CV_STR_EMPTY;
	const struct cv_view *view;

	if (cv_mbox_view(mbox, &view, NULL))
		return code; /* deleted meanwhile: the append was done all the same */
	uint32_t *uids = CV_ARENA_ARRAY(&c->arena, uint32_t, a->count);
	for (size_t i = 0; i < a->count; i++)
		uids[i] = a->items[i].uid;
	struct cv_buf buf = CV_BUF_INIT(64 + 24 * a->count);
	cv_buf_z(&buf, "APPENDUID ");
	cv_buf_u64(&buf, view->uidvalidity);
	cv_buf_c(&buf, ' ');
	imapd_set_write(&buf, uids, a->count);
	code = cv_arena_str(&c->arena, cv_buf_view(&buf));
	cv_buf_done(&buf);
	cv_view_unref(view);
	return code;
}

/* What kept a message from its spool, or OK. */
static enum cv_status
check_messages(const struct imapd_append_args *a, struct cv_err *err)
{
	for (size_t i = 0; i < a->count; i++) {
		if (a->items[i].message->failed)
			return cv_fail(err, a->items[i].message->failed, "cannot spool a message");
		if (!a->items[i].message->size_bytes)
			return cv_fail(err, CV_INVALID, "an empty message");
	}
	return CV_OK;
}

/* Appends what the arguments hold. The command is answered when that fails. */
static bool
append_messages(struct imapd_conn *c, struct cv_str *code_out, cv_ticket *ticket_out)
{
	const struct imapd_args *a = &c->cmd->args;
	struct cv_err err = {0};
	struct imapd_place place;
	struct cv_mbox *mbox;

	if (!imapd_catenate(c))
		return false;
	if (imapd_limit_refuses(c, NULL, a->append->count))
		return false;
	enum cv_status status = check_messages(a->append, &err);
	if (status) {
		imapd_refuse(c, status, &err);
		return false;
	}
	status = imapd_place(c, a->mailbox[0], &place, &err);
	if (!status)
		status = imapd_place_mbox(&place, &mbox, &err);
	if (status) {
		status == CV_NOT_FOUND ? imapd_done(c, IMAPD_R_TRY_CREATE)
				       : imapd_refuse(c, status, &err);
		return false;
	}
	for (size_t i = 0; i < a->append->count; i++)
		imapd_limit_flags(place.rights, &a->append->items[i].flags);
	status = cv_mbox_append_as(
		mbox, &place.viewer, a->append->items, a->append->count, ticket_out, &err);
	if (status) {
		imapd_refuse(c, status, &err);
	} else {
		imapd_teach_appended(
			c, &place, cv_mbox_id(mbox), a->append->items, a->append->count);
		*code_out = append_code(c, mbox);
	}
	cv_mbox_close(mbox);
	return !status;
}

enum cv_step
imapd_cmd_append(struct imapd_conn *c)
{
	cv_ticket ticket = 0;

	if (!append_messages(c, &c->cmd->code, &ticket))
		return CV_STEP_DONE;
	return imapd_done_durable(c, ticket);
}

/* The new message is there before the old one goes: whatever stops the server between the two, none
 * is lost. */
enum cv_step
imapd_cmd_replace(struct imapd_conn *c)
{
	struct imapd_args *a = &c->cmd->args;
	struct imapd_range *seqs;
	uint32_t n, count = 0;
	struct cv_str code = CV_STR_EMPTY;
	struct cv_err err = {0};
	cv_ticket ticket = 0, removal = 0;
	size_t removed;

	imapd_set_seqs(&a->set, c->cmd->is_uid, c->session->view, &c->arena, &seqs, &n);
	const uint32_t *uids = imapd_seqs_uids(seqs, n, c->session->view, &c->arena, &count);
	if (count > 1 || a->append->count != 1)
		return imapd_done(c, IMAPD_R_SYNTAX);
	if (!count || !imapd_session_is_there(c->session, uids[0]))
		return imapd_done(c, IMAPD_R_NOTHING_TO_REPLACE);
	if (!append_messages(c, &code, &ticket))
		return CV_STEP_DONE;
	enum cv_status status =
		cv_mbox_remove(c->session->mbox, uids, 1, &removed, &removal, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	if (code.n)
		c->cmd->untagged = cv_arena_printf(
			&c->arena, "* OK [%s] Replaced\r\n", cv_arena_z(&c->arena, code));
	return imapd_done_durable(c, CV_MAX(ticket, removal));
}
