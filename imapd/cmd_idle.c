/* cmd_idle.c - IDLE (RFC 2177): thousands of connections do nothing else, so it keeps no command
 * and no arena, only its tag. A change of the mailbox wakes the connection; see session.c. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "imapd/context.h"
#include "imapd/metadata.h"
#include "imapd/notify.h"
#include "imapd/rights.h"

enum cv_step
imapd_cmd_idle(struct imapd_conn *c)
{
	cv_buf_z(imapd_out(c), "+ idling\r\n");
	c->idle_tag = cv_strndup(c->cmd->tag.p, c->cmd->tag.n);
	c->is_idling = true;
	c->cmd = NULL;
	imapd_input_reset(&c->input);
	cv_arena_done(&c->arena);
	if (c->session)
		atomic_store(&c->session->is_idling, true);
	return imapd_idle_run(c);
}

static enum cv_step
end_idle(struct imapd_conn *c, enum imapd_reply reply)
{
	if (c->session)
		atomic_store(&c->session->is_idling, false);
	imapd_respond(imapd_out(c), cv_str_z(c->idle_tag), reply, CV_STR_EMPTY, "IDLE", NULL);
	free(c->idle_tag);
	c->idle_tag = NULL;
	c->is_idling = false;
	imapd_input_reset(&c->input);
	cv_arena_reset(&c->arena);
	return CV_STEP_DONE;
}

enum cv_step
imapd_idle_run(struct imapd_conn *c)
{
	struct imapd_sync_how how = imapd_news_how(c, false);
	struct cv_err err = {0};
	struct cv_str line;
	bool is_bad;

	how.may_expunge = true;
	imapd_tell_rights(c);
	if (c->session && !imapd_contexts_are_due(c->session) &&
		imapd_notify_may_sync(c, false, &how) &&
		imapd_session_sync(c->session, how, &c->arena, imapd_out(c), &err)) {
		cv_log(cv_conn_id(c->conn), CV_WARN, "imap.mailbox_gone", "error=\"%s\"", err.text);
		cv_buf_z(imapd_out(c), "* BYE The selected mailbox was deleted\r\n");
		return CV_STEP_CLOSE;
	}
	imapd_metadata_news(c);
	enum cv_step step = imapd_contexts_step(c);
	if (step != CV_STEP_DONE || imapd_contexts_describe(c))
		return step;
	if (cv_conn_out_is_high(c->conn))
		return CV_STEP_MORE;
	if (!imapd_read_line(c, &line, &is_bad)) {
		cv_arena_done(&c->arena);
		return c->has_eof ? CV_STEP_CLOSE : CV_STEP_LISTEN;
	}
	if (is_bad || !cv_str_ieq_z(line, "DONE"))
		return end_idle(c, IMAPD_R_SYNTAX);
	return end_idle(c, IMAPD_R_OK);
}
