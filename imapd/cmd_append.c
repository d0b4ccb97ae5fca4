/* cmd_append.c - APPEND, also of several messages at once (RFC 3502), with APPENDUID (RFC 4315). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/conn.h"

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

enum cv_step
imapd_cmd_append(struct imapd_conn *c)
{
	const struct imapd_args *a = &c->cmd->args;
	struct cv_err err = {0};
	struct cv_mbox *mbox;
	cv_ticket ticket = 0;

	enum cv_status status = check_messages(a->append, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	status = cv_mbox_open(c->acct, a->mailbox[0], &mbox, &err);
	if (status == CV_NOT_FOUND)
		return imapd_done(c, IMAPD_R_TRY_CREATE);
	if (status)
		return imapd_refuse(c, status, &err);
	status = cv_mbox_append(mbox, a->append->items, a->append->count, &ticket, &err);
	if (!status)
		c->cmd->code = append_code(c, mbox);
	cv_mbox_close(mbox);
	return status ? imapd_refuse(c, status, &err) : imapd_done_durable(c, ticket);
}
