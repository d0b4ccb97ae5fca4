/* cmd_select.c - SELECT, EXAMINE, CLOSE, UNSELECT: into a mailbox and out of it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/conn.h"
#include "imapd/names.h"

static void
write_ok_code(struct cv_buf *out, const char *code, uint64_t number, const char *text)
{
	cv_buf_z(out, "* OK [");
	cv_buf_z(out, code);
	cv_buf_c(out, ' ');
	cv_buf_u64(out, number);
	cv_buf_z(out, text);
}

static void
write_mailbox(struct imapd_conn *c)
{
	struct imapd_session *s = c->session;
	struct cv_buf *out = imapd_out(c);
	uint32_t unseen = imapd_session_first_unseen(s);
	char id[IMAPD_OBJECTID_MAX];

	imapd_session_write_flags(s, out);
	cv_buf_add(out, "* ", 2);
	cv_buf_u64(out, s->view->exists);
	cv_buf_z(out, " EXISTS\r\n* ");
	cv_buf_u64(out, s->recent_told);
	cv_buf_z(out, " RECENT\r\n");
	if (unseen)
		write_ok_code(out, "UNSEEN", unseen, "] First unseen\r\n");
	write_ok_code(out, "UIDVALIDITY", s->view->uidvalidity, "] UIDs valid\r\n");
	write_ok_code(out, "UIDNEXT", s->view->uidnext, "] Next UID\r\n");
	write_ok_code(out, "HIGHESTMODSEQ", s->view->highest_modseq, "] Highest\r\n");
	cv_buf_printf(out, "* OK [MAILBOXID (%s)] Mailbox\r\n",
		imapd_mailbox_id(cv_mbox_id(s->mbox), id));
}

static enum cv_step
open_mailbox(struct imapd_conn *c, bool read_only)
{
	const struct imapd_args *a = &c->cmd->args;
	struct cv_mbox_info info = {0};
	struct cv_mbox *mbox;
	struct cv_err err = {0};
	enum cv_status status = CV_OK;

	if (c->state == IMAPD_S_SELECTED) {
		cv_buf_z(imapd_out(c), "* OK [CLOSED] The mailbox before is closed\r\n");
		imapd_conn_enter(c, IMAPD_S_AUTH);
	}
	if (a->condstore)
		imapd_know_modseq(c);
	if (read_only)
		status = cv_mbox_info(c->acct, a->mailbox[0], &c->arena, &info, &err);
	if (!status)
		status = cv_mbox_open(c->acct, a->mailbox[0], &mbox, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	status = imapd_session_open(c->conn, mbox, read_only, info.recent, &c->session, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	imapd_conn_enter(c, IMAPD_S_SELECTED);
	if (cv_str_eq_z(a->mailbox[0], "INBOX"))
		cv_audit_count(c->server->audit, c->login.acct, CV_COUNT_CHECKS, 1);
	write_mailbox(c);
	return imapd_done(c, read_only ? IMAPD_R_READ_ONLY : IMAPD_R_READ_WRITE);
}

enum cv_step
imapd_cmd_select(struct imapd_conn *c)
{
	return open_mailbox(c, false);
}

enum cv_step
imapd_cmd_examine(struct imapd_conn *c)
{
	return open_mailbox(c, true);
}

/* Expunges without a word, then leaves. */
enum cv_step
imapd_cmd_close(struct imapd_conn *c)
{
	struct cv_err err = {0};
	cv_ticket ticket = 0;
	size_t removed;

	if (!c->session->is_read_only) {
		enum cv_status status =
			cv_mbox_expunge(c->session->mbox, NULL, 0, &removed, &ticket, &err);
		if (status && status != CV_NOT_FOUND)
			return imapd_refuse(c, status, &err);
	}
	imapd_conn_enter(c, IMAPD_S_AUTH);
	return imapd_done_durable(c, ticket);
}

enum cv_step
imapd_cmd_unselect(struct imapd_conn *c)
{
	imapd_conn_enter(c, IMAPD_S_AUTH);
	return imapd_done(c, IMAPD_R_OK);
}
