/* expunge.c - messages leave a mailbox; what left after when.
 *
 * An expunge rewrites pages, the mailbox row and two lists; the M and S rows stay until the reaper
 * takes them after the restore window. So a thousand messages go in a dozen row writes.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"

#define LIST_MAX  20000u /* UIDs one batch removes */
#define PIECE_MAX 4000u  /* in one X or R row: 20 bytes each at worst, under CV_VALUE_MAX */

/* What flags UIDS have, before the edit is applied. Moved messages keep theirs elsewhere. */
static void
put_marks(const struct cv_mbox *m, const uint32_t *uids, size_t count, struct cv_arena *arena,
	struct cv_buf *out)
{
	struct cv_entry *entries = CV_ARENA_ARRAY(arena, struct cv_entry, count);
	for (size_t i = 0; i < count; i++) {
		const struct cv_entry *e = m->view ? cv_view_uid(m->view, uids[i]) : NULL;
		entries[i] = e ? *e : (struct cv_entry){0};
	}
	cv_marks_encode(entries, count, out);
}

uint64_t
cv_removed_put(struct cv_edit *e, const uint32_t *uids, size_t count, enum cv_removed_kind kind,
	uint64_t modseq, struct cv_writer *w)
{
	int64_t now = cv_wall_secs();
	struct cv_buf list = CV_BUF_INIT(CV_VALUE_MAX), marks = CV_BUF_INIT(CV_VALUE_MAX);
	for (size_t i = 0; i < count; i += PIECE_MAX, modseq++) {
		size_t n = CV_MIN(count - i, (size_t)PIECE_MAX);
		cv_buf_reset(&list);
		cv_buf_reset(&marks);
		if (kind == CV_REMOVED_EXPUNGED)
			put_marks(e->m, uids + i, n, e->arena, &marks);
		cv_uids_encode(uids + i, n, &list);
		cv_key_modseq(cv_writer_key(w), e->m->id, modseq);
		cv_buf_str(cv_writer_value(w), cv_buf_view(&list));
		cv_writer_end(w);
		struct cv_row_removed row = {.kind = kind,
			.box = e->m->id,
			.name = e->row.name,
			.uids = cv_buf_view(&list),
			.marks = cv_buf_view(&marks)};
		cv_key_removed(cv_writer_key(w), now, (uint32_t)modseq);
		cv_row_removed_encode(&row, cv_writer_value(w));
		cv_writer_end(w);
	}
	cv_buf_done(&list);
	cv_buf_done(&marks);
	return modseq - 1;
}

/* ---- EXPUNGE ---- */

struct sizes {
	const uint32_t *uids;
	uint64_t *bytes;
	size_t at, count;
};

static bool
take_size(void *arg, const struct cv_msg *msg)
{
	struct sizes *s = arg;
	while (s->at < s->count && s->uids[s->at] < msg->uid)
		s->at++;
	if (s->at < s->count && s->uids[s->at] == msg->uid)
		s->bytes[s->at] = msg->size_bytes;
	return true;
}

enum cv_status
cv_edit_remove_all(struct cv_edit *e, const uint32_t *uids, size_t count, struct cv_err *err)
{
	struct sizes s = {.uids = uids,
		.count = count,
		.bytes = CV_ARENA_ARRAY(e->arena, uint64_t, count + 1)};
	enum cv_status status = cv_msg_each(e->m, uids, count, false, take_size, &s, err);
	for (size_t i = 0; !status && i < count; i++)
		cv_edit_remove(e, uids[i], s.bytes[i]);
	return status;
}

struct choice {
	uint32_t *uids;
	size_t count, cap;
	bool is_any; /* \Deleted or not */
};

static void
choose(struct choice *c, const struct cv_entry *entry)
{
	if (!entry || !(c->is_any || (entry->flags & CV_FLAG_DELETED)))
		return;
	if (c->count == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 64;
		c->uids = cv_realloc(c->uids, c->cap * sizeof *c->uids);
	}
	c->uids[c->count++] = entry->uid;
}

static void
choose_all(struct choice *c, const struct cv_view *v)
{
	for (uint32_t i = 0; i < v->pages_count && c->count < LIST_MAX; i++)
		for (uint32_t k = 0; k < v->pages[i].page->count; k++)
			choose(c, &v->pages[i].page->entries[k]);
	c->count = CV_MIN(c->count, (size_t)LIST_MAX);
}

static size_t
pages_spanned(const uint32_t *uids, size_t *count)
{
	size_t pages = 0;
	for (size_t i = 0; i < *count; i++) {
		pages += !i || uids[i] / CV_PAGE_UIDS != uids[i - 1] / CV_PAGE_UIDS;
		if (pages > CV_EDIT_PAGES_MAX) {
			*count = i;
			return pages - 1;
		}
	}
	return pages;
}

/* Removes up to one batch of the chosen; *chosen_out is 0 when nothing was left to remove. */
static enum cv_status
try_expunge(struct cv_mbox *m, const uint32_t *uids, size_t count, bool any, size_t *chosen_out,
	cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_acct *a = m->acct;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_writer w = CV_WRITER_INIT;
	struct cv_edit e;
	struct choice c = {.is_any = any};
	*chosen_out = 0;
	if (m->gone)
		return cv_fail(err, CV_NOT_FOUND, "the mailbox is gone");
	enum cv_status status = cv_box_load(m, err);
	if (!status)
		status = cv_acct_may_give(a, 1, err);
	if (status)
		return status;
	if (!uids)
		choose_all(&c, m->view);
	for (size_t i = 0; uids && i < count && c.count < LIST_MAX; i++)
		choose(&c, cv_view_uid(m->view, uids[i]));
	pages_spanned(c.uids, &c.count);
	cv_edit_begin(&e, m, &arena);
	if (c.count)
		status = cv_edit_remove_all(&e, c.uids, c.count, err);
	if (c.count && !status) {
		uint64_t modseq =
			cv_removed_put(&e, c.uids, c.count, CV_REMOVED_EXPUNGED, a->modseq + 1, &w);
		cv_edit_write(&e, modseq, &w);
		cv_ticket ticket;
		status = cv_acct_commit(a, &w, &ticket, err);
		if (!status) {
			CV_KILL_POINT("expunge");
			a->modseq = modseq;
			cv_acct_gave(a, 1, ticket);
			cv_edit_apply(&e);
			*ticket_out = ticket;
			*chosen_out = c.count;
		}
	}
	cv_edit_done(&e);
	cv_writer_done(&w);
	cv_arena_done(&arena);
	free(c.uids);
	return status;
}

static enum cv_status
expunge(struct cv_mbox *m, const uint32_t *uids, size_t count, bool any, size_t *removed_out,
	cv_ticket *ticket_out, struct cv_err *err)
{
	size_t removed = 0, some = 0;
	*ticket_out = 0;
	enum cv_status status = cv_box_lock(m, err);
	if (status)
		return status;
	for (int tries = 0; tries < CV_TRIES;) {
		status = cv_acct_fresh(m->acct, err);
		if (!status)
			status = try_expunge(m, uids, count, any, &some, ticket_out, err);
		if (status == CV_CONFLICT || status == CV_UNKNOWN) {
			tries++;
			continue;
		}
		if (status || !some)
			break;
		removed += some;
	}
	cv_acct_unlock(m->acct);
	if (removed_out)
		*removed_out = removed;
	return status;
}

enum cv_status
cv_mbox_expunge(struct cv_mbox *m, const uint32_t *uids, size_t count, size_t *removed_out,
	cv_ticket *ticket_out, struct cv_err *err)
{
	return expunge(m, uids, count, false, removed_out, ticket_out, err);
}

enum cv_status
cv_mbox_remove(struct cv_mbox *m, const uint32_t *uids, size_t count, size_t *removed_out,
	cv_ticket *ticket_out, struct cv_err *err)
{
	static const uint32_t none; /* NULL would mean all */

	return expunge(
		m, uids ? uids : &none, uids ? count : 0, true, removed_out, ticket_out, err);
}

/* ---- what vanished ---- */

struct vanished {
	struct choice c;
	uint64_t since;
	bool bad;
};

static bool
add_vanished(void *arg, struct cv_str key, struct cv_str value)
{
	struct vanished *v = arg;
	uint32_t box, uid;
	uint64_t modseq;
	if (!cv_key_read_modseq(key, &box, &modseq)) {
		v->bad = true;
		return false;
	}
	struct cv_entry entry = {.flags = CV_FLAG_DELETED};
	struct cv_uids_rd r = cv_uids_read(value);
	while (cv_uids_next(&r, &uid)) {
		entry.uid = uid;
		choose(&v->c, &entry);
	}
	v->bad = r.rd.bad;
	return !v->bad;
}

static int
by_uid(const void *a, const void *b)
{
	uint32_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

static enum cv_status
scan_vanished(struct cv_mbox *m, struct vanished *v, struct cv_err *err)
{
	struct cv_buf from = CV_BUF_INIT(32), to = CV_BUF_INIT(32);
	cv_key_modseq(&from, m->id, v->since + 1);
	cv_key_box(&to, 'X', m->id + 1);
	enum cv_status status = cv_meta_scan(m->acct->store->engine, m->acct->id,
		cv_buf_view(&from), cv_buf_view(&to), 0, add_vanished, v, err);
	cv_buf_done(&from);
	cv_buf_done(&to);
	if (!status && v->bad)
		status = cv_fail(err, CV_CORRUPT, "a list of expunged messages is damaged");
	return status;
}

enum cv_status
cv_mbox_vanished(struct cv_mbox *m, uint64_t since_modseq, struct cv_arena *arena,
	uint32_t **uids_out, size_t *count_out, struct cv_err *err)
{
	*uids_out = NULL;
	*count_out = 0;
	enum cv_status status = cv_box_lock(m, err);
	if (status)
		return status;
	uint64_t floor = m->row.vanished_floor;
	cv_acct_unlock(m->acct);
	if (since_modseq < floor)
		return cv_fail(err, CV_NOT_FOUND, "the history before MODSEQ %llu is gone",
			(unsigned long long)floor);
	struct vanished v = {.since = since_modseq};
	if (since_modseq < UINT64_MAX)
		status = scan_vanished(m, &v, err);
	if (!status && v.c.count) {
		qsort(v.c.uids, v.c.count, sizeof *v.c.uids, by_uid);
		*uids_out = CV_ARENA_ARRAY(arena, uint32_t, v.c.count);
		memcpy(*uids_out, v.c.uids, v.c.count * sizeof **uids_out);
		*count_out = v.c.count;
	}
	free(v.c.uids);
	return status;
}
