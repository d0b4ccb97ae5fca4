/* cmd_expunge.c - EXPUNGE and UID EXPUNGE. What went is told as news, from the view. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/limit.h"

/* RFC 7162 3.2.7: the answer tells the MODSEQ of the change. All news are told before it. */
static void
tell_modseq(struct imapd_conn *c)
{
	const struct cv_view *view;

	if (cv_mbox_view(c->session->mbox, &view, NULL))
		return;
	c->cmd->code = cv_arena_printf(
		&c->arena, "HIGHESTMODSEQ %llu", (unsigned long long)view->highest_modseq);
	cv_view_unref(view);
}

/* Leaves of UIDS those with \Deleted, where there is a limit for them (RFC 9738 3.1); how many at
 * their end may go. */
static uint32_t
limit_deleted(struct imapd_conn *c, uint32_t *uids, uint32_t *count)
{
	const struct cv_view *view;
	uint32_t n = 0;

	if (imapd_limit_uids(c, uids, *count) == *count ||
		cv_mbox_view(c->session->mbox, &view, NULL))
		return *count;
	for (uint32_t i = 0; i < *count; i++) {
		const struct cv_entry *e = cv_view_uid(view, uids[i]);
		if (e && (e->flags & CV_FLAG_DELETED))
			uids[n++] = uids[i];
	}
	cv_view_unref(view);
	*count = n;
	c->cmd->limit_code = CV_STR_EMPTY;
	return imapd_limit_uids(c, uids, n);
}

enum cv_step
imapd_cmd_expunge(struct imapd_conn *c)
{
	struct imapd_args *a = &c->cmd->args;
	struct cv_err err = {0};
	struct imapd_range *seqs;
	uint32_t *uids = NULL, count = 0, n;
	cv_ticket ticket = 0;
	size_t removed;

	if (c->cmd->is_uid) {
		imapd_set_seqs(&a->set, true, c->session->view, &c->arena, &seqs, &n);
		uids = imapd_seqs_uids(seqs, n, c->session->view, &c->arena, &count);
		uint32_t most = limit_deleted(c, uids, &count);
		uids += count - most;
		count = most;
		if (!count)
			return imapd_done(c, IMAPD_R_OK);
	}
	enum cv_status status =
		cv_mbox_expunge(c->session->mbox, uids, count, &removed, &ticket, &err);
	if (!status && removed && c->condstore)
		tell_modseq(c);
	return status ? imapd_refuse(c, status, &err) : imapd_done_durable(c, ticket);
}
