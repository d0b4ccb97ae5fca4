/* mend.c - rows walked through as they are, and mailboxes made true again. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"

/* ---- walking ---- */

struct walk {
	cv_each_msg_fn *fn;
	void *arg;
	bool bad;
};

static bool
on_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct walk *w = arg;
	uint32_t box, uid;
	struct cv_row_msg row;
	if (!cv_key_read_uid(key, 'M', &box, &uid) || cv_row_msg_decode(value, &row)) {
		w->bad = true;
		return true;
	}
	return w->fn(w->arg, box, uid, &row);
}

enum cv_status
cv_acct_each_msg(
	struct cv_store *s, cv_acct_id id, cv_each_msg_fn *fn, void *arg, struct cv_err *err)
{
	struct walk w = {.fn = fn, .arg = arg};
	enum cv_status status =
		cv_meta_scan(s->engine, id, CV_STR("M"), CV_STR("N"), 0, on_row, &w, err);
	if (!status && w.bad)
		status = cv_fail(err, CV_CORRUPT, "a message row of account %llx is damaged",
			(unsigned long long)id);
	return status;
}

static bool
add_acct(void *arg, cv_acct_id acct, uint64_t version)
{
	struct cv_acct_list *list = arg;
	(void)version;
	if (list->count == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 64;
		list->ids = cv_realloc(list->ids, list->cap * sizeof *list->ids);
	}
	list->ids[list->count++] = acct;
	return true;
}

enum cv_status
cv_accts_list(
	struct cv_store *s, enum cv_acct_class class_, struct cv_acct_list *out, struct cv_err *err)
{
	*out = (struct cv_acct_list){0};
	enum cv_status status = cv_meta_accts(s->engine, class_, add_acct, out, err);
	if (status) {
		free(out->ids);
		out->ids = NULL;
	}
	return status;
}

/* ---- mending ---- */

struct recount {
	struct cv_edit *e;
	uint64_t bytes;
};

static bool
add_size(void *arg, const struct cv_msg *msg)
{
	struct recount *r = arg;
	r->bytes += msg->size_bytes;
	return true;
}

/* Counts again what the drafts and untouched pages hold. */
static enum cv_status
recount(struct cv_edit *e, struct cv_err *err)
{
	const struct cv_view *v = e->m->view;
	uint32_t *uids = cv_malloc((v->exists + 1) * sizeof *uids);
	struct cv_row_box *row = &e->row;
	uint32_t recent = 0;
	row->exists = row->unseen = row->deleted = 0;
	for (uint32_t i = 0; i < v->pages_count; i++) {
		const struct cv_draft *d = cv_edit_page(e, v->pages[i].page->number);
		for (uint32_t k = 0; k < d->count; k++) {
			const struct cv_entry *entry = &d->entries[k];
			uids[row->exists++] = entry->uid;
			row->unseen += !(entry->flags & CV_FLAG_SEEN);
			row->deleted += (entry->flags & CV_FLAG_DELETED) != 0;
			recent += entry->uid >= row->recent_from;
			row->uidnext = CV_MAX(row->uidnext, entry->uid + 1);
			row->highest_modseq = CV_MAX(row->highest_modseq, entry->modseq);
		}
	}
	row->recent = recent;
	struct recount r = {.e = e};
	enum cv_status status = cv_msg_each(e->m, uids, row->exists, false, add_size, &r, err);
	row->size_bytes = r.bytes;
	free(uids);
	return status;
}

static void
put_dropped(
	struct cv_edit *e, const uint32_t *uids, size_t count, uint64_t modseq, struct cv_writer *w)
{
	struct cv_buf list = CV_BUF_INIT(CV_VALUE_MAX);
	cv_uids_encode(uids, count, &list);
	cv_key_modseq(cv_writer_key(w), e->m->id, modseq);
	cv_buf_str(cv_writer_value(w), cv_buf_view(&list));
	cv_writer_end(w);
	cv_buf_done(&list);
	for (size_t i = 0; i < count; i++) {
		cv_key_uid(cv_writer_key(w), 'M', e->m->id, uids[i]);
		cv_writer_delete(w);
		cv_key_uid(cv_writer_key(w), CV_KEY_SUMMARY, e->m->id, uids[i]);
		cv_writer_delete(w);
	}
}

static enum cv_status
try_mend(struct cv_mbox *m, const uint32_t *drop, size_t count, cv_ticket *ticket_out,
	struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_writer w = CV_WRITER_INIT;
	struct cv_edit e;
	enum cv_status status = cv_box_load(m, err);
	if (status)
		return status;
	cv_edit_begin(&e, m, &arena);
	for (size_t i = 0; i < count; i++)
		if (cv_edit_find(&e, drop[i]))
			cv_edit_remove(&e, drop[i], 0);
	status = recount(&e, err);
	uint64_t modseq = CV_MAX(m->acct->modseq, e.row.highest_modseq) + 1;
	if (!status) {
		if (count)
			put_dropped(&e, drop, count, modseq, &w);
		cv_edit_write(&e, modseq, &w);
		status = cv_acct_commit(m->acct, &w, ticket_out, err);
	}
	if (!status) {
		m->acct->modseq = modseq;
		cv_edit_apply(&e);
	}
	cv_edit_done(&e);
	cv_writer_done(&w);
	cv_arena_done(&arena);
	return status;
}

enum cv_status
cv_box_mend(struct cv_mbox *m, const uint32_t *drop, size_t count, cv_ticket *ticket_out,
	struct cv_err *err)
{
	enum cv_status status = CV_OK;
	do {
		size_t n = CV_MIN(count, (size_t)2000);
		for (int i = 0; i < CV_TRIES; i++) {
			status = cv_acct_fresh(m->acct, err);
			if (!status)
				status = try_mend(m, drop, n, ticket_out, err);
			if (status != CV_CONFLICT)
				break;
		}
		drop += n;
		count -= n;
	} while (count && !status);
	return status;
}
