/* cmd_select.c - SELECT, EXAMINE, CLOSE, UNSELECT: into a mailbox and out of it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "imapd/access.h"
#include "imapd/conn.h"
#include "imapd/diff.h"
#include "imapd/names.h"
#include "imapd/notify.h"
#include "imapd/resync.h"
#include "imapd/rights.h"

static void
write_ok_code(struct cv_buf *out, const char *code, uint64_t number, const char *text)
{
	cv_buf_z(out, "* OK [");
	cv_buf_z(out, code);
	cv_buf_c(out, ' ');
	cv_buf_u64(out, number);
	cv_buf_z(out, text);
}

/* RFC 9051 6.3.2: under which name the mailbox is known, and what the client called it. */
static void
write_name(struct imapd_conn *c, const struct cv_mbox_info *info)
{
	struct cv_str given = c->cmd->args.given[0];
	bool is_same = cv_str_eq(given, info->name);

	imapd_write_list(c, info, is_same ? CV_STR_EMPTY : given, imapd_out(c));
}

static void
write_mailbox(struct imapd_conn *c, const struct cv_mbox_info *info)
{
	struct imapd_session *s = c->session;
	struct cv_buf *out = imapd_out(c);
	uint32_t unseen = imapd_session_first_unseen(s);
	char id[IMAPD_OBJECTID_MAX];

	imapd_session_write_flags(s, out);
	cv_buf_add(out, "* ", 2);
	cv_buf_u64(out, s->view->exists);
	cv_buf_z(out, " EXISTS\r\n");
	if (!c->rev2) {
		cv_buf_add(out, "* ", 2);
		cv_buf_u64(out, s->recent_told);
		cv_buf_z(out, " RECENT\r\n");
	}
	if (unseen && !c->rev2 && !c->uid_only) /* a message number */
		write_ok_code(out, "UNSEEN", unseen, "] First unseen\r\n");
	write_ok_code(out, "UIDVALIDITY", s->view->uidvalidity, "] UIDs valid\r\n");
	write_ok_code(out, "UIDNEXT", s->view->uidnext, "] Next UID\r\n");
	write_ok_code(out, "HIGHESTMODSEQ", s->view->highest_modseq, "] Highest\r\n");
	cv_buf_printf(out, "* OK [MAILBOXID (%s)] Mailbox\r\n",
		imapd_mailbox_id(
			cv_mbox_id(s->mbox), s->owner.is_other ? s->owner.acct : 0, id));
	if (c->rev2)
		write_name(c, info);
}

/* What a client that comes back has missed (RFC 7162 3.2.5). */
struct resync {
	uint64_t modseq;
	struct imapd_range *known; /* UIDs; NULL: all */
	uint32_t known_count, next_seq;
};

static bool
is_missed(const struct resync *r, const struct cv_entry *e)
{
	return e->modseq > r->modseq &&
	       (!r->known || imapd_ranges_have(r->known, r->known_count, e->uid));
}

static void
write_missed(struct imapd_conn *c, uint32_t seq, const struct cv_entry *e)
{
	struct cv_buf *out = imapd_out(c);

	imapd_write_fetch(out, c->uid_only, seq, e->uid);
	if (!c->uid_only)
		cv_buf_printf(out, "UID %u ", e->uid);
	cv_buf_z(out, "FLAGS (");
	imapd_write_flags(out, e->flags, e->keywords, imapd_session_keywords(c->session),
		imapd_session_is_recent(c->session, e->uid));
	cv_buf_printf(out, ") MODSEQ (%llu))\r\n", (unsigned long long)e->modseq);
}

/* RFC 4314 5.2: who may change nothing has it for reading, whatever was asked. */
static enum cv_step
selected(struct imapd_conn *c)
{
	return imapd_done(c, imapd_may_write(c) ? IMAPD_R_READ_WRITE : IMAPD_R_READ_ONLY);
}

/* Goes on where the output was full. */
static enum cv_step
tell_missed(struct imapd_conn *c)
{
	struct resync *r = c->cmd->step;
	const struct cv_view *view = c->session->view;

	while (r->next_seq <= view->exists) {
		uint32_t seq = r->next_seq++;
		const struct cv_entry *e = cv_view_seq(view, seq);
		if (is_missed(r, e))
			write_missed(c, seq, e);
		if (cv_conn_out_is_high(c->conn))
			return CV_STEP_MORE;
	}
	return selected(c);
}

static enum cv_step
begin_resync(struct imapd_conn *c)
{
	const struct imapd_qresync *q = &c->cmd->args.qresync;
	struct resync *r = CV_ARENA_NEW(&c->arena, struct resync);
	struct cv_err err = {0};

	*r = (struct resync){.modseq = q->modseq, .next_seq = 1};
	if (q->has_known)
		imapd_set_resolve(&q->known, c->session->view->uidnext - 1, &c->arena, &r->known,
			&r->known_count);
	enum cv_status status = imapd_write_vanished(c->session, r->modseq, r->known,
		r->known_count, &c->arena, imapd_out(c), &err);
	if (status) {
		imapd_conn_enter(c, IMAPD_S_AUTH);
		return imapd_refuse(c, status, &err);
	}
	c->cmd->step = r;
	return tell_missed(c);
}

static enum cv_step
open_mailbox(struct imapd_conn *c, bool read_only)
{
	if (c->cmd->step)
		return tell_missed(c);
	if (c->cmd->args.qresync.is_given && !c->qresync)
		return imapd_done(c, IMAPD_R_ENABLE_FIRST); /* RFC 7162 3.2.5 */
	const struct imapd_args *a = &c->cmd->args;
	struct cv_mbox_info info = {0};
	struct imapd_place place;
	struct cv_mbox *mbox;
	struct cv_err err = {0};

	if (c->state == IMAPD_S_SELECTED) {
		cv_buf_z(imapd_out(c), "* OK [CLOSED] The mailbox before is closed\r\n");
		imapd_conn_enter(c, IMAPD_S_AUTH);
	}
	if (a->condstore)
		imapd_know_modseq(c);
	enum cv_status status = imapd_place(c, a->mailbox[0], &place, &err);
	if (!status && place.exists && !(place.rights & CV_RIGHT_R))
		return imapd_done(c, IMAPD_R_NO_PERMISSION);
	if (!status && (read_only || c->rev2))
		status = imapd_place_info(c, &place, &info, &err);
	if (!status)
		status = imapd_place_mbox(&place, &mbox, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	status = imapd_session_open(
		c->conn, mbox, &place.viewer, read_only, info.recent, &c->session, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	c->session->hides_recent = c->rev2;
	imapd_session_set_owner(c->session, place.owner, place.space != IMAPD_SPACE_OWN,
		place.address, place.name, imapd_place_name(c, &place, place.name));
	atomic_store(&c->login.has_other, c->session->owner.is_other);
	if (c->session->owner.is_other)
		imapd_notify_others_changed(c);
	if (c->session->owner.is_other)
		cv_log(cv_conn_id(c->conn), CV_INFO, "imap.share_opened",
			"user=%s box=%s mailbox=%llu", c->address, c->session->owner.address,
			(unsigned long long)cv_mbox_id(mbox));
	imapd_conn_enter(c, IMAPD_S_SELECTED);
	imapd_note_select(c);
	imapd_rights_selected(c);
	write_mailbox(c, &info);
	if (a->qresync.is_given && a->qresync.uidvalidity == c->session->view->uidvalidity)
		return begin_resync(c);
	return selected(c);
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

/* RFC 7162 3.2.8: the MODSEQ of the expunge, unless there are other news that the client has not
 * heard: with them untold it would never ask for them. */
static void
tell_modseq(struct imapd_conn *c)
{
	struct imapd_session *s = c->session;
	const struct cv_view *view;
	struct imapd_diff diff;

	if (cv_mbox_view(s->mbox, &view, NULL))
		return;
	imapd_view_diff(s->view, view, &c->arena, &diff);
	bool is_own = !diff.arrived && !diff.changed_count;
	for (uint32_t i = 0; is_own && i < diff.expunged_count; i++)
		is_own = imapd_session_entry(s, diff.expunged[i])->flags & CV_FLAG_DELETED;
	if (is_own)
		c->cmd->code = cv_arena_printf(&c->arena, "HIGHESTMODSEQ %llu",
			(unsigned long long)view->highest_modseq);
	cv_view_unref(view);
}

/* Expunges without a word, then leaves. */
enum cv_step
imapd_cmd_close(struct imapd_conn *c)
{
	struct cv_err err = {0};
	cv_ticket ticket = 0;
	size_t removed;

	/* RFC 4314 4: without e the mailbox is left as if nothing were deleted. */
	if (!c->session->is_read_only && (imapd_rights_selected(c) & CV_RIGHT_E)) {
		enum cv_status status =
			cv_mbox_expunge(c->session->mbox, NULL, 0, &removed, &ticket, &err);
		if (status && status != CV_NOT_FOUND)
			return imapd_refuse(c, status, &err);
		if (!status && removed && c->qresync)
			tell_modseq(c);
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
