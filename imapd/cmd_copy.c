/* cmd_copy.c - COPY and MOVE (RFC 6851), with COPYUID (RFC 4315). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/limit.h"
#include "imapd/rights.h"
#include "imapd/teach.h"

struct copy {
	struct cv_mbox *dst;
	uint32_t *uids, *from, *to;
	uint32_t count;
	size_t done;
};

/* "COPYUID 38505 304,319:320 3956:3958" */
static struct cv_str
copy_code(struct imapd_conn *c, const struct copy *copy)
{
	const struct cv_view *view;
	struct cv_str code = CV_STR_EMPTY;

	if (!copy->done || cv_mbox_view(copy->dst, &view, NULL))
		return code;
	struct cv_buf buf = CV_BUF_INIT(64 + 44 * copy->done);
	cv_buf_z(&buf, "COPYUID ");
	cv_buf_u64(&buf, view->uidvalidity);
	cv_buf_c(&buf, ' ');
	imapd_set_write(&buf, copy->from, copy->done);
	cv_buf_c(&buf, ' ');
	imapd_set_write(&buf, copy->to, copy->done);
	code = cv_arena_str(&c->arena, cv_buf_view(&buf));
	cv_buf_done(&buf);
	cv_view_unref(view);
	return code;
}

static enum cv_step
copy_messages(struct imapd_conn *c, bool move)
{
	struct imapd_args *a = &c->cmd->args;
	struct copy copy = {0};
	struct imapd_place place;
	struct imapd_range *seqs;
	struct cv_err err = {0};
	cv_ticket ticket = 0;
	uint32_t n;

	/* It may have waited for others: rights may be gone since it was read. */
	if (!imapd_check_rights(c))
		return CV_STEP_DONE;
	enum cv_status status = imapd_place(c, a->mailbox[0], &place, &err);
	if (!status)
		status = imapd_place_mbox(&place, &copy.dst, &err);
	if (status == CV_NOT_FOUND)
		return imapd_done(c, IMAPD_R_TRY_CREATE);
	if (status)
		return imapd_refuse(c, status, &err);
	imapd_set_seqs(&a->set, c->cmd->is_uid, c->session->view, &c->arena, &seqs, &n);
	if (move)
		n = imapd_limit_ranges(c, seqs, n);
	copy.uids = imapd_seqs_uids(seqs, n, c->session->view, &c->arena, &copy.count);
	if (!move && imapd_limit_refuses(c, copy.uids, copy.count)) {
		cv_mbox_close(copy.dst);
		return CV_STEP_DONE;
	}
	if (copy.count) {
		copy.from = CV_ARENA_ARRAY(&c->arena, uint32_t, copy.count);
		copy.to = CV_ARENA_ARRAY(&c->arena, uint32_t, copy.count);
		status = cv_mbox_copy_as(c->session->mbox, &c->session->viewer, copy.uids,
			copy.count, copy.dst, &place.viewer, move, copy.from, copy.to, &copy.done,
			&ticket, &err);
	}
	if (!status)
		imapd_teach_copied(c, &place, cv_mbox_id(copy.dst), copy.to, copy.done);
	struct cv_str code = status ? CV_STR_EMPTY : copy_code(c, &copy);
	cv_mbox_close(copy.dst);
	if (status)
		return imapd_refuse(c, status, &err);
	/* MOVE tells where messages went before it tells that they are gone. */
	if (move && code.n)
		c->cmd->untagged = cv_arena_printf(
			&c->arena, "* OK [%s] Moved\r\n", cv_arena_z(&c->arena, code));
	else
		c->cmd->code = code;
	return imapd_done_durable(c, ticket);
}

enum cv_step
imapd_cmd_copy(struct imapd_conn *c)
{
	return copy_messages(c, false);
}

enum cv_step
imapd_cmd_move(struct imapd_conn *c)
{
	return copy_messages(c, true);
}
