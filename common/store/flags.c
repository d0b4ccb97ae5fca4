/* flags.c - STORE and the claim of \Recent. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"
#include "common/store/seen.h"

struct storing {
	enum cv_store_op op;
	uint32_t flags, keep_flags;
	uint64_t keywords;
	bool keep_keywords;
	uint64_t unchanged_since;
	uint32_t *failed;
	size_t *failed_count;
};

static void
apply_op(const struct storing *t, uint32_t *flags, uint64_t *keywords)
{
	switch (t->op) {
	case CV_STORE_SET:
		*flags = (*flags & t->keep_flags) | (t->flags & ~t->keep_flags);
		if (!t->keep_keywords)
			*keywords = t->keywords;
		break;
	case CV_STORE_ADD:
		*flags |= t->flags;
		*keywords |= t->keywords;
		break;
	case CV_STORE_REMOVE:
		*flags &= ~t->flags;
		*keywords &= ~t->keywords;
		break;
	}
}

/* What is there now, without making a draft: most STOREs of clients repeat what is set already. */
static const struct cv_entry *
present(const struct cv_edit *e, uint32_t uid)
{
	return cv_view_uid(e->m->view, uid);
}

/* Works UIDS into the edit until it holds all the pages one batch may change; returns how many were
 * taken. */
static size_t
change_some(struct storing *t, struct cv_edit *e, struct cv_seen_edit *seen, const uint32_t *uids,
	size_t count, uint64_t modseq, bool *changed_out)
{
	size_t i;
	*changed_out = false;
	for (i = 0; i < count && e->count < CV_EDIT_PAGES_MAX; i++) {
		const struct cv_entry *now = present(e, uids[i]);
		if (!now)
			continue;
		if (now->modseq > t->unchanged_since) {
			t->failed[(*t->failed_count)++] = uids[i];
			continue;
		}
		uint32_t old = cv_seen_flags(seen, now), flags = old;
		uint64_t keywords = now->keywords;
		apply_op(t, &flags, &keywords);
		if (flags == old && keywords == now->keywords)
			continue;
		flags = cv_seen_set(seen, uids[i], now->flags, flags);
		cv_edit_set(e, cv_edit_find(e, uids[i]), flags, keywords, modseq);
		*changed_out = true;
	}
	return i;
}

static enum cv_status
try_store(struct cv_mbox *m, const struct cv_viewer *viewer, const uint32_t *uids, size_t count,
	struct storing *t, const struct cv_flag_change *change, size_t *taken_out,
	uint64_t *modseq_out, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_acct *a = m->acct;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_edit e;
	struct cv_seen_edit seen;
	struct cv_writer w = CV_WRITER_INIT;
	if (m->gone)
		return cv_fail(err, CV_NOT_FOUND, "the mailbox is gone");
	enum cv_status status = cv_box_load(m, err);
	if (!status)
		status = cv_acct_may_give(a, 1, err);
	if (!status)
		status = cv_seen_begin(&seen, m, viewer, &arena, err);
	if (status)
		return status;
	cv_edit_begin(&e, m, &arena);
	bool changed = false;
	size_t failed_before = *t->failed_count;
	status = cv_edit_keywords(&e, change->keywords, change->keyword_count,
		t->op != CV_STORE_REMOVE, &t->keywords, err);
	if (!status)
		*taken_out = change_some(t, &e, &seen, uids, count, a->modseq + 1, &changed);
	if (!status && changed) {
		cv_edit_write(&e, a->modseq + 1, &w);
		cv_seen_write(&seen, &e.row, &w);
		cv_ticket ticket;
		CV_KILL_POINT("store");
		status = cv_acct_commit(a, &w, &ticket, err);
		if (!status) {
			CV_KILL_POINT("store");
			a->modseq++;
			cv_acct_gave(a, 1, ticket);
			cv_seen_apply(&seen, &e.row);
			cv_edit_apply(&e);
			*ticket_out = ticket;
			*modseq_out = a->modseq;
		}
	}
	if (status)
		*t->failed_count = failed_before;
	cv_edit_done(&e);
	cv_writer_done(&w);
	cv_arena_done(&arena);
	return status;
}

enum cv_status
cv_mbox_store(struct cv_mbox *m, const uint32_t *uids, size_t count, enum cv_store_op op,
	const struct cv_flag_change *change, uint64_t unchanged_since, uint32_t *failed,
	size_t *failed_count, uint64_t *modseq_out, cv_ticket *ticket_out, struct cv_err *err)
{
	return cv_mbox_store_as(m, NULL, uids, count, op, change, unchanged_since, failed,
		failed_count, modseq_out, ticket_out, err);
}

enum cv_status
cv_mbox_store_as(struct cv_mbox *m, const struct cv_viewer *viewer, const uint32_t *uids,
	size_t count, enum cv_store_op op, const struct cv_flag_change *change,
	uint64_t unchanged_since, uint32_t *failed, size_t *failed_count, uint64_t *modseq_out,
	cv_ticket *ticket_out, struct cv_err *err)
{
	size_t none_failed = 0;
	uint64_t modseq = 0;
	struct storing t = {.op = op,
		.flags = change->flags & 31u,
		.keep_flags = change->keep_flags,
		.keep_keywords = change->keep_keywords,
		.unchanged_since = unchanged_since,
		.failed = failed,
		.failed_count = failed_count ? failed_count : &none_failed};
	*t.failed_count = 0;
	*ticket_out = 0;
	enum cv_status status = cv_box_lock(m, err);
	if (status)
		return status;
	for (int tries = 0; count && tries < CV_TRIES;) {
		size_t taken = 0;
		status = cv_acct_fresh(m->acct, err);
		if (!status)
			status = try_store(m, viewer, uids, count, &t, change, &taken, &modseq,
				ticket_out, err);
		if (status == CV_CONFLICT || status == CV_UNKNOWN) {
			tries++;
			continue;
		}
		if (status)
			break;
		uids += taken;
		count -= taken;
	}
	cv_acct_unlock(m->acct);
	if (modseq_out)
		*modseq_out = modseq;
	return status;
}

/* ---- \Recent ---- */

enum cv_status
cv_mbox_claim_recent(struct cv_mbox *m, uint32_t *first_uid_out, uint32_t *next_uid_out,
	cv_ticket *ticket_out, struct cv_err *err)
{
	*ticket_out = 0;
	enum cv_status status = cv_box_lock(m, err);
	if (status)
		return status;
	for (int i = 0; i < CV_TRIES; i++) {
		status = cv_acct_fresh(m->acct, err);
		*first_uid_out = m->row.recent ? m->row.recent_from : m->row.uidnext;
		*next_uid_out = m->row.uidnext;
		if (status || !m->row.recent)
			break;
		struct cv_writer w = CV_WRITER_INIT;
		struct cv_row_box row = m->row;
		row.recent = 0;
		row.recent_from = row.uidnext;
		cv_box_put(m->id, &row, &w);
		status = cv_acct_commit(m->acct, &w, ticket_out, err);
		cv_writer_done(&w);
		if (!status)
			m->row = row;
		if (status != CV_CONFLICT && status != CV_UNKNOWN)
			break;
	}
	cv_acct_unlock(m->acct);
	return status;
}
