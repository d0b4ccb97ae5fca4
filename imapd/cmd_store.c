/* cmd_store.c - STORE, also conditional (RFC 7162 UNCHANGEDSINCE). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/access.h"
#include "imapd/arrivals.h"
#include "imapd/limit.h"
#include "imapd/names.h"
#include "imapd/rights.h"
#include "imapd/teach.h"

struct store {
	struct imapd_range *seqs;
	uint32_t seqs_count;
	uint32_t *uids, count;
	uint32_t *failed;
	size_t failed_count;
};

static bool
is_failed(const struct store *s, uint32_t uid)
{
	for (size_t low = 0, high = s->failed_count; low < high;) {
		size_t mid = low + (high - low) / 2;
		if (s->failed[mid] == uid)
			return true;
		if (s->failed[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static void
write_flags(
	struct imapd_conn *c, uint32_t seq, const struct cv_entry *e, const struct cv_view *view)
{
	struct cv_buf *out = imapd_out(c);

	imapd_write_fetch(out, c->uid_only, seq, e->uid);
	if ((c->cmd->is_uid || c->qresync) && !c->uid_only) {
		cv_buf_add(out, "UID ", 4);
		cv_buf_u64(out, e->uid);
		cv_buf_c(out, ' ');
	}
	if (c->condstore) {
		cv_buf_z(out, "MODSEQ (");
		cv_buf_u64(out, e->modseq);
		cv_buf_add(out, ") ", 2);
	}
	cv_buf_z(out, "FLAGS (");
	imapd_write_flags(out, e->flags, e->keywords, view->keywords,
		imapd_session_is_recent(c->session, e->uid));
	cv_buf_add(out, "))\r\n", 4);
}

/* The flags of every message of the set, changed or not, as they are now. */
static void
write_all_flags(struct imapd_conn *c, const struct store *s)
{
	const struct cv_view *told = c->session->view;
	const struct cv_view *now = c->session->fresh ? c->session->fresh : told;

	for (uint32_t i = 0; i < s->seqs_count; i++) {
		for (uint32_t seq = s->seqs[i].from; seq <= s->seqs[i].to; seq++) {
			uint32_t uid = cv_view_seq(told, seq)->uid;
			const struct cv_entry *e = cv_view_uid(now, uid);
			if (e && !is_failed(s, uid))
				write_flags(c, seq, e, now);
		}
	}
}

/* "MODIFIED 7,9", by UID or by number. */
static struct cv_str
modified_code(struct imapd_conn *c, const struct store *s)
{
	uint32_t *numbers = s->failed;

	if (!s->failed_count)
		return CV_STR_EMPTY;
	if (!c->cmd->is_uid) {
		numbers = CV_ARENA_ARRAY(&c->arena, uint32_t, s->failed_count);
		for (size_t i = 0; i < s->failed_count; i++)
			numbers[i] = cv_view_seq_at(c->session->view, s->failed[i]);
	}
	struct cv_buf buf = CV_BUF_INIT(16 + 22 * s->failed_count);
	cv_buf_z(&buf, "MODIFIED ");
	imapd_set_write(&buf, numbers, s->failed_count);
	struct cv_str code = cv_arena_str(&c->arena, cv_buf_view(&buf));
	cv_buf_done(&buf);
	return code;
}

/* RFC 4314 4: what of the flags may not be changed is left out without a word, unless that is
 * everything. */
static bool
limit_change(struct imapd_conn *c, struct cv_flag_change *change)
{
	uint32_t rights = imapd_rights_selected(c);
	bool asks = change->flags || change->keyword_count;

	imapd_limit_flags(rights, change);
	change->keep_flags = ~imapd_flags_of_rights(rights);
	change->keep_keywords = !(rights & CV_RIGHT_W);
	if (c->cmd->args.store->op == CV_STORE_SET)
		return imapd_flags_of_rights(rights) != 0;
	return !asks || change->flags || change->keyword_count;
}

enum cv_step
imapd_cmd_store(struct imapd_conn *c)
{
	struct imapd_args *a = &c->cmd->args;
	struct imapd_session *session = c->session;
	struct cv_flag_change change = {.flags = a->store->flags.flags,
		.keywords = a->store->flags.keywords,
		.keyword_count = a->store->flags.keyword_count};
	struct store s = {0};
	struct cv_err err = {0};
	cv_ticket ticket = 0;
	uint64_t modseq = 0;

	if (!limit_change(c, &change))
		return imapd_done(c, IMAPD_R_NO_PERMISSION);
	if (a->store->has_unchanged_since)
		imapd_know_modseq(c);
	struct imapd_sync_how how = imapd_news_how(c, c->cmd->is_uid);
	imapd_set_seqs(&a->set, c->cmd->is_uid, session->view, &c->arena, &s.seqs, &s.seqs_count);
	s.seqs_count = imapd_limit_ranges(c, s.seqs, s.seqs_count);
	s.uids = imapd_seqs_uids(s.seqs, s.seqs_count, session->view, &c->arena, &s.count);
	if (!s.count)
		return imapd_done(c, IMAPD_R_OK);
	s.failed = CV_ARENA_ARRAY(&c->arena, uint32_t, s.count);
	enum cv_status status = cv_mbox_store_as(session->mbox, &session->viewer, s.uids, s.count,
		a->store->op, &change,
		a->store->has_unchanged_since ? a->store->unchanged_since : UINT64_MAX, s.failed,
		&s.failed_count, &modseq, &ticket, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	if (modseq && a->store->op != CV_STORE_REMOVE && (change.flags & CV_FLAG_SEEN))
		imapd_note_seen(c, s.uids, s.count);
	if (modseq && a->store->op != CV_STORE_REMOVE && (change.flags & CV_FLAG_ANSWERED))
		imapd_note_answered(c, s.uids, s.count);
	if (modseq)
		imapd_teach_flagged(c, a->store->op, &change, s.uids, s.count);
	c->cmd->code = modified_code(c, &s);
	/* The answers below say it all, so the news need not; new keywords come with the news,
	 * before the first FETCH that has them. */
	if (a->store->is_silent)
		imapd_session_silence_store(session, modseq, a->store->op, &change);
	else
		imapd_session_silence(session, modseq);
	how.silent_modseq_untold = !a->store->is_silent;
	status = imapd_session_sync(session, how, &c->arena, imapd_out(c), &err);
	if (status)
		return imapd_refuse(c, status, &err);
	if (!a->store->is_silent)
		write_all_flags(c, &s);
	return imapd_done_durable(c, ticket);
}
