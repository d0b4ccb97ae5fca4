/* session.c - see session.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/session.h"

#include "imapd/context.h"
#include "imapd/diff.h"
#include "imapd/names.h"
#include "imapd/rights.h"

/* On the changing thread: quick, and no call to the store. */
static void
on_change(struct cv_watch *w)
{
	struct imapd_session *s = CV_CONTAINER(w, struct imapd_session, watch);

	atomic_store(&s->has_news, true);
	if (atomic_load(&s->is_idling))
		cv_conn_wake(s->conn);
}

static void
add_recent(struct imapd_session *s, uint32_t from, uint32_t to)
{
	if (from > to)
		return;
	if (s->recent_count && s->recent[s->recent_count - 1].to + 1 == from) {
		s->recent[s->recent_count - 1].to = to;
		return;
	}
	s->recent = cv_realloc(s->recent, (s->recent_count + 1) * sizeof(*s->recent));
	s->recent[s->recent_count++] = (struct imapd_range){from, to};
}

/* Takes what no session had as recent. A session that only reads sees the newest RECENT messages
 * so, and takes nothing. */
static void
claim(struct imapd_session *s)
{
	uint32_t first, next;
	cv_ticket unused;

	if (s->is_read_only)
		return;
	enum cv_status status =
		s->viewer.person
			? cv_mbox_enter_as(s->mbox, &s->viewer, true, &first, &next, &unused, NULL)
			: cv_mbox_claim_recent(s->mbox, &first, &next, &unused, NULL);
	if (status)
		return; /* nothing is recent then: a nicety, not a promise */
	/* Some may have come after the view was taken: they are told as recent when they are told.
	 */
	if (first < next)
		add_recent(s, first, next - 1);
}

/* From now on what the person has seen is the person's own, also when nothing is changed here. */
static enum cv_status
begin_person(struct imapd_session *s, struct cv_err *err)
{
	uint32_t first, next;
	cv_ticket unused; /* a crash before it is on disk: it begins when the person comes again */

	if (!s->viewer.person)
		return CV_OK;
	return cv_mbox_enter_as(s->mbox, &s->viewer, false, &first, &next, &unused, err);
}

enum cv_status
imapd_session_open(struct cv_conn *conn, struct cv_mbox *mbox, const struct cv_viewer *viewer,
	bool read_only, uint32_t recent_before, struct imapd_session **out, struct cv_err *err)
{
	struct imapd_session *s = cv_calloc(1, sizeof(*s));

	s->mbox = mbox;
	s->viewer = *viewer;
	s->conn = conn;
	s->is_read_only = read_only;
	s->watch.fn = on_change;
	cv_list_init(&s->watch.link);
	cv_mbox_watch(mbox, &s->watch);
	enum cv_status status = begin_person(s, err);
	if (!status)
		status = cv_mbox_view_as(mbox, viewer, &s->view, err);
	if (status) {
		cv_mbox_unwatch(mbox, &s->watch);
		cv_mbox_close(mbox);
		free(s);
		return status;
	}
	claim(s);
	if (read_only && recent_before && recent_before <= s->view->exists) {
		uint32_t first = s->view->exists - recent_before + 1;
		add_recent(s, cv_view_seq(s->view, first)->uid, s->view->uidnext - 1);
	}
	s->recent_told = imapd_session_recent(s);
	*out = s;
	return CV_OK;
}

static void
drop_fresh(struct imapd_session *s)
{
	if (s->fresh)
		cv_view_unref(s->fresh);
	s->fresh = NULL;
}

/* What was told of messages that NEWER has lost since `fresh` must not fall back to what `view`
 * says of them. */
static void
keep_ghosts(struct imapd_session *s, const struct cv_view *newer, struct cv_arena *arena)
{
	struct imapd_diff diff;

	if (!s->fresh)
		return;
	imapd_view_diff(s->fresh, newer, arena, &diff);
	if (!diff.expunged_count)
		return;
	s->ghosts =
		cv_realloc(s->ghosts, (s->ghost_count + diff.expunged_count) * sizeof(*s->ghosts));
	for (uint32_t i = 0; i < diff.expunged_count; i++) {
		const struct cv_entry *e = cv_view_seq(s->fresh, diff.expunged[i]);
		if (cv_view_uid(s->view, e->uid))
			s->ghosts[s->ghost_count++] = *e;
	}
}

static void
drop_ghosts(struct imapd_session *s)
{
	free(s->ghosts);
	s->ghosts = NULL;
	s->ghost_count = 0;
}

static const struct cv_entry *
find_ghost(const struct imapd_session *s, uint32_t uid)
{
	for (uint32_t i = 0; i < s->ghost_count; i++)
		if (s->ghosts[i].uid == uid)
			return &s->ghosts[i];
	return NULL;
}

void
imapd_session_save(struct imapd_session *s, uint32_t *uids, uint32_t count)
{
	free(s->saved);
	s->saved = uids;
	s->saved_count = count;
}

void
imapd_session_close(struct imapd_session *s)
{
	if (!s)
		return;
	cv_mbox_unwatch(s->mbox, &s->watch);
	drop_fresh(s);
	drop_ghosts(s);
	cv_view_unref(s->view);
	cv_mbox_view_done(s->mbox, &s->viewer);
	cv_mbox_close(s->mbox);
	imapd_contexts_free(s->contexts);
	free(s->recent);
	free(s->saved);
	free(s->owner.address);
	free(s->owner.mailbox);
	free(s->owner.told);
	free(s);
}

void
imapd_session_set_owner(struct imapd_session *s, cv_acct_no acct, bool is_other,
	struct cv_str address, struct cv_str mailbox, struct cv_str told)
{
	s->owner = (struct imapd_owner){acct, is_other, cv_str_dup(address), cv_str_dup(mailbox),
		cv_str_dup(told)};
}

const struct cv_entry *
imapd_session_entry(const struct imapd_session *s, uint32_t seq)
{
	const struct cv_entry *entry = cv_view_seq(s->view, seq);
	const struct cv_entry *fresh = s->fresh ? cv_view_uid(s->fresh, entry->uid) : NULL;

	if (!fresh && s->ghost_count)
		fresh = find_ghost(s, entry->uid);
	return fresh ? fresh : entry;
}

const struct cv_keywords *
imapd_session_keywords(const struct imapd_session *s)
{
	return s->fresh ? s->fresh->keywords : s->view->keywords;
}

bool
imapd_session_is_there(const struct imapd_session *s, uint32_t uid)
{
	const struct cv_view *now;

	if (cv_mbox_view(s->mbox, &now, NULL))
		return false;
	bool is_there = cv_view_uid(now, uid);
	cv_view_unref(now);
	return is_there;
}

bool
imapd_session_is_recent(const struct imapd_session *s, uint32_t uid)
{
	return !s->hides_recent && imapd_ranges_have(s->recent, s->recent_count, uid);
}

uint32_t
imapd_session_recent(const struct imapd_session *s)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < s->recent_count; i++)
		n += cv_view_seq_at(s->view, s->recent[i].to + 1) -
		     cv_view_seq_at(s->view, s->recent[i].from);
	return n;
}

uint32_t
imapd_session_first_unseen(const struct imapd_session *s)
{
	for (uint32_t i = 0; i < s->view->pages_count; i++) {
		const struct cv_view_page *page = &s->view->pages[i];
		for (uint32_t k = 0; k < page->page->count; k++)
			if (!(page->page->entries[k].flags & CV_FLAG_SEEN))
				return page->first_seq + k;
	}
	return 0;
}

static void
add_silent(struct imapd_session *s, struct imapd_silent silent)
{
	/* Past the limit the oldest is forgotten: a FETCH answer more, nothing worse. */
	if (!silent.modseq)
		return;
	if (s->silent_count == IMAPD_SILENT_MAX) {
		memmove(s->silent, s->silent + 1, (IMAPD_SILENT_MAX - 1) * sizeof(s->silent[0]));
		s->silent_count--;
	}
	s->silent[s->silent_count++] = silent;
}

void
imapd_session_silence(struct imapd_session *s, uint64_t modseq)
{
	add_silent(s, (struct imapd_silent){.modseq = modseq, .is_told = true});
}

static uint64_t
keyword_bits(const struct cv_keywords *names, const struct cv_flag_change *change)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; names && i < names->count; i++)
		for (size_t k = 0; k < change->keyword_count; k++)
			if (cv_str_ieq_z(change->keywords[k], names->names[i]))
				bits |= (uint64_t)1 << i;
	return bits;
}

void
imapd_session_silence_store(struct imapd_session *s, uint64_t modseq, enum cv_store_op op,
	const struct cv_flag_change *change)
{
	const struct cv_view *now;

	/* While expunges wait, other flags may have been told than `view` has: tell once more. */
	if (s->fresh || cv_mbox_view(s->mbox, &now, NULL))
		return;
	add_silent(s, (struct imapd_silent){.modseq = modseq,
			      .op = op,
			      .flags = change->flags,
			      .keep_flags = change->keep_flags,
			      .keep_keywords = change->keep_keywords,
			      .keywords = keyword_bits(now->keywords, change)});
	cv_view_unref(now);
}

static uint64_t
after(enum cv_store_op op, uint64_t old, uint64_t change)
{
	return op == CV_STORE_SET ? change : op == CV_STORE_ADD ? old | change : old & ~change;
}

/* What SILENT made of E: flags and keywords that its client may not change stay. */
static bool
is_made_by(const struct imapd_silent *silent, const struct cv_entry *old, const struct cv_entry *e)
{
	uint32_t keep = silent->op == CV_STORE_SET ? silent->keep_flags : 0;
	uint64_t flags = after(silent->op, old->flags, silent->flags) & ~(uint64_t)keep;
	bool keeps_words = silent->op == CV_STORE_SET && silent->keep_keywords;

	return (flags | (old->flags & keep)) == e->flags &&
	       (keeps_words ? old->keywords
			    : after(silent->op, old->keywords, silent->keywords)) == e->keywords;
}

/* Whether the client knows the flags that CHANGE tells of. */
static bool
is_known(const struct imapd_session *s, const struct imapd_change *change)
{
	const struct cv_entry *old = change->old, *e = change->entry;

	for (unsigned i = 0; i < s->silent_count; i++) {
		const struct imapd_silent *silent = &s->silent[i];
		if (silent->modseq == e->modseq)
			return silent->is_told || is_made_by(silent, old, e);
	}
	return false;
}

void
imapd_session_write_flags(struct imapd_session *s, struct cv_buf *out)
{
	const struct cv_keywords *names = imapd_session_keywords(s);
	uint32_t count = names ? names->count : 0;
	uint32_t all =
		CV_FLAG_SEEN | CV_FLAG_ANSWERED | CV_FLAG_FLAGGED | CV_FLAG_DELETED | CV_FLAG_DRAFT;
	uint64_t words = count == 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1;
	uint32_t may = s->has_rights ? s->rights : CV_RIGHTS_ALL;

	cv_buf_z(out, "* FLAGS (");
	imapd_write_flags(out, all, words, names, false);
	cv_buf_z(out, ")\r\n* OK [PERMANENTFLAGS (");
	s->flags_told = imapd_flags_of_rights(may);
	if (!s->is_read_only) {
		bool may_words = may & CV_RIGHT_W;
		imapd_write_flags(out, s->flags_told, may_words ? words : 0, names, false);
		if (may_words && count < CV_KEYWORDS_MAX)
			cv_buf_z(out, " \\*");
	}
	cv_buf_z(out, ")] Flags that stay\r\n");
	s->keywords_told = count;
}

static void
tell_keywords(struct imapd_session *s, struct cv_buf *out)
{
	const struct cv_keywords *names = imapd_session_keywords(s);
	if (names && names->count != s->keywords_told)
		imapd_session_write_flags(s, out);
}

static void
write_number(struct cv_buf *out, uint32_t n, const char *word)
{
	cv_buf_add(out, "* ", 2);
	cv_buf_u64(out, n);
	cv_buf_z(out, word);
}

static void
write_change(struct imapd_session *s, const struct imapd_change *change, struct imapd_sync_how how,
	struct cv_buf *out)
{
	const struct cv_entry *e = change->entry;
	bool knows = is_known(s, change);

	if (knows && (!how.with_modseq || how.silent_modseq_untold))
		return;
	write_number(out, how.uid_only ? e->uid : change->seq,
		how.uid_only ? " UIDFETCH (" : " FETCH (");
	if (how.with_uid) {
		cv_buf_z(out, "UID ");
		cv_buf_u64(out, e->uid);
	}
	if (how.with_modseq) {
		cv_buf_z(out, how.with_uid ? " MODSEQ (" : "MODSEQ (");
		cv_buf_u64(out, e->modseq);
		cv_buf_c(out, ')');
	}
	if (!knows) {
		cv_buf_z(out, how.with_uid || how.with_modseq ? " FLAGS (" : "FLAGS (");
		imapd_write_flags(out, e->flags, e->keywords, s->view->keywords,
			imapd_session_is_recent(s, e->uid));
		cv_buf_c(out, ')');
	}
	cv_buf_add(out, ")\r\n", 3);
}

/* A new MODSEQ may be all: another reader has seen the message. */
static bool
has_changed(const struct imapd_change *change)
{
	return change->entry->flags != change->old->flags ||
	       change->entry->keywords != change->old->keywords;
}

static void
write_expunges(const struct imapd_session *s, const struct imapd_diff *diff,
	struct imapd_sync_how how, struct cv_arena *arena, struct cv_buf *out)
{
	if (!how.vanished) {
		/* From the last to the first, so that no number moves before it was told. */
		for (uint32_t i = diff->expunged_count; i > 0; i--)
			write_number(out, diff->expunged[i - 1], " EXPUNGE\r\n");
		return;
	}
	if (!diff->expunged_count)
		return;
	uint32_t *uids = CV_ARENA_ARRAY(arena, uint32_t, diff->expunged_count);
	for (uint32_t i = 0; i < diff->expunged_count; i++)
		uids[i] = cv_view_seq(s->view, diff->expunged[i])->uid;
	cv_buf_z(out, "* VANISHED ");
	imapd_set_write(out, uids, diff->expunged_count);
	cv_buf_add(out, "\r\n", 2);
}

enum cv_status
imapd_session_sync(struct imapd_session *s, struct imapd_sync_how how, struct cv_arena *arena,
	struct cv_buf *out, struct cv_err *err)
{
	const struct cv_view *view;
	struct imapd_diff diff;

	if (!atomic_load(&s->has_news))
		return CV_OK;
	/* Before the view is taken, so that a change behind it raises the flag again. */
	atomic_store(&s->has_news, false);
	enum cv_status status = cv_mbox_view_as(s->mbox, &s->viewer, &view, err);
	if (status) {
		atomic_store(&s->has_news, true);
		return status;
	}
	imapd_view_diff(s->view, view, arena, &diff);
	if (diff.expunged_count && !how.may_expunge) {
		keep_ghosts(s, view, arena);
		drop_fresh(s);
		s->fresh = view;
		atomic_store(&s->has_news, true);
		tell_keywords(s, out);
		return CV_OK;
	}
	/* What the client was told of flags is what `view` has: then the same flags are no news. */
	bool is_plain = !s->fresh && !s->silent_count;
	imapd_contexts_expunge(s->contexts, s->view, &diff, out);
	write_expunges(s, &diff, how, arena, out);
	drop_fresh(s);
	drop_ghosts(s);
	const struct cv_view *old = s->view;
	s->view = view;
	if (diff.arrived && !s->undescribed)
		s->undescribed = cv_view_seq(view, view->exists - diff.arrived + 1)->uid;
	if (diff.arrived)
		claim(s);
	if (diff.arrived)
		write_number(out, view->exists, " EXISTS\r\n");
	uint32_t recent = imapd_session_recent(s);
	if (!s->hides_recent && (diff.arrived || recent != s->recent_told))
		write_number(out, recent, " RECENT\r\n");
	s->recent_told = recent;
	tell_keywords(s, out);
	for (uint32_t i = 0; i < diff.changed_count && !how.no_flags; i++)
		if (how.with_modseq || !is_plain || has_changed(&diff.changed[i]))
			write_change(s, &diff.changed[i], how, out);
	imapd_contexts_note(s->contexts, view, &diff);
	cv_view_unref(old);
	s->silent_count = 0;
	return CV_OK;
}
