/* copy.c - COPY and MOVE, all or none.
 *
 * Within an account a copy is a new M row that points at the same body and, for the summary, at the
 * S row of the first message; the body's count stays, because it counts accounts. A copy to another
 * account raises the counts first, while the source holds the bodies.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"
#include "common/store/seen.h"

struct copying {
	struct cv_mbox *src, *dst;
	bool move, across;
	const uint32_t *uids;
	size_t count;
	uint32_t *from, *to;
	size_t done;
	struct cv_arena arena;
	struct cv_edit src_edit, dst_edit;
	struct cv_edit *into, *out_of; /* the same one within one mailbox */
	struct cv_row_msg *rows;
	struct cv_str *summaries; /* across accounts only */
	struct cv_writer bulk;
	uint64_t bits[CV_KEYWORDS_MAX]; /* of src's keyword i in dst; 0: not asked yet */
	const struct cv_viewer *src_viewer, *dst_viewer;
	struct cv_seen_edit src_seen, dst_seen;
	struct cv_seen_carry others; /* within an account only */
};

/* ---- what is there to copy ---- */

static void
choose(struct copying *c)
{
	c->done = 0;
	for (size_t i = 0; i < c->count; i++)
		if (cv_view_uid(c->src->view, c->uids[i]))
			c->from[c->done++] = c->uids[i];
}

struct collecting {
	struct copying *c;
	size_t at;
};

/* A message whose row is gone has a page entry and nothing else: damage for `store check`, and no
 * reason to copy anything by half. */
static enum cv_status
check_rows(struct copying *c, struct cv_err *err)
{
	for (size_t i = 0; i < c->done; i++)
		if (!c->rows[i].body.n)
			return cv_fail(err, CV_CORRUPT, "message %u has no row", c->from[i]);
	return CV_OK;
}

static bool
take_summary(void *arg, const struct cv_msg *msg)
{
	struct collecting *t = arg;
	while (t->at < t->c->done && t->c->from[t->at] < msg->uid)
		t->at++;
	if (t->at < t->c->done && t->c->from[t->at] == msg->uid && msg->summary.p)
		t->c->summaries[t->at] = cv_arena_str(&t->c->arena, msg->summary);
	return true;
}

static enum cv_status
read_source(struct copying *c, struct cv_err *err)
{
	enum cv_status status = cv_msg_rows(c->src, c->from, c->done, &c->arena, &c->rows, err);
	if (!status)
		status = check_rows(c, err);
	if (status || !c->across)
		return status;
	c->summaries = CV_ARENA_ARRAY(&c->arena, struct cv_str, c->done);
	struct collecting t = {.c = c};
	return cv_msg_each(c->src, c->from, c->done, true, take_summary, &t, err);
}

/* ---- what the copies are ---- */

static enum cv_status
map_keywords(struct copying *c, uint64_t mask, uint64_t *mapped_out, struct cv_err *err)
{
	*mapped_out = 0;
	for (uint32_t i = 0; mask; i++, mask >>= 1) {
		if (!(mask & 1) || i >= c->src->keywords->count)
			continue;
		struct cv_str name = cv_str_z(c->src->keywords->names[i]);
		if (!c->bits[i]) {
			enum cv_status status =
				cv_edit_keywords(c->into, &name, 1, true, &c->bits[i], err);
			if (status)
				return status;
		}
		*mapped_out |= c->bits[i];
	}
	return CV_OK;
}

static void
put_copy(struct copying *c, size_t i, uint32_t uid)
{
	struct cv_row_msg row = c->rows[i];
	row.saved_secs = cv_wall_secs();
	row.delivery_id = CV_STR_EMPTY;
	if (row.place == CV_SUMMARY_OWN && !c->across) {
		row.place = CV_SUMMARY_OTHER;
		row.summary_box = c->src->id;
		row.summary_uid = c->from[i];
	} else if (row.place == CV_SUMMARY_OTHER && c->across) {
		row.place = CV_SUMMARY_OWN;
	}
	cv_msg_put(c->dst->id, uid, &row, &c->bulk);
	if (!c->across || row.place != CV_SUMMARY_OWN || !c->summaries[i].p)
		return;
	cv_key_uid(cv_writer_key(&c->bulk), CV_KEY_SUMMARY, c->dst->id, uid);
	cv_writer_outside(&c->bulk, c->summaries[i]);
}

/* The mailbox's own flags of the copy UID of E. Within an account those who saw the message keep
 * having seen it; to another account goes what the one who copies has seen. */
static uint32_t
flags_of_copy(struct copying *c, const struct cv_entry *e, uint32_t uid)
{
	uint32_t bars = c->dst_viewer ? c->dst_viewer->bars : 0;
	uint32_t flags = cv_seen_flags(&c->src_seen, e) & ~bars;
	uint32_t own = c->across ? 0 : e->flags & ~bars;

	if (c->dst_seen.s && ((flags | own) & CV_FLAG_SEEN))
		flags = cv_seen_set(&c->dst_seen, uid, own, flags);
	cv_seen_carry_add(&c->others, e->uid, uid, flags);
	return flags;
}

static enum cv_status
begin_seen(struct copying *c, struct cv_err *err)
{
	enum cv_status status =
		cv_seen_begin(&c->src_seen, c->src, c->src_viewer, &c->arena, err);

	if (!status)
		status = cv_seen_begin(&c->dst_seen, c->dst, c->dst_viewer, &c->arena, err);
	if (status || c->across)
		return status;
	cv_acct_id me = c->dst_seen.s ? c->dst_seen.s->person : 0;
	return cv_seen_carry_begin(
		&c->others, c->src, c->dst, c->done, me, &c->arena, err);
}

/* What changes in the destination, as it will be. */
static void
write_into(struct copying *c, uint64_t modseq, struct cv_writer *w)
{
	cv_edit_write(c->into, modseq, w);
	cv_seen_write(&c->dst_seen, &c->into->row, w);
	for (size_t i = 0; i < c->others.count; i++)
		cv_seen_write(&c->others.edits[i], &c->into->row, w);
}

static void
apply_into(struct copying *c)
{
	cv_seen_apply(&c->dst_seen, &c->into->row);
	for (size_t i = 0; i < c->others.count; i++)
		cv_seen_apply(&c->others.edits[i], &c->into->row);
	cv_edit_apply(c->into);
}

static enum cv_status
add_copies(struct copying *c, struct cv_err *err)
{
	uint64_t modseq = c->dst->acct->modseq + 1, keywords;
	for (size_t i = 0; i < c->done; i++) {
		const struct cv_entry *e = cv_view_uid(c->src->view, c->from[i]);
		bool is_barred = c->dst_viewer && c->dst_viewer->bars_keywords;
		enum cv_status status =
			map_keywords(c, is_barred ? 0 : e->keywords, &keywords, err);
		if (status)
			return status;
		uint32_t flags = flags_of_copy(c, e, c->into->row.uidnext);
		c->to[i] = cv_edit_add(c->into, flags, keywords, modseq, c->rows[i].size_bytes);
		put_copy(c, i, c->to[i]);
	}
	return CV_OK;
}

static void
remove_sources(struct copying *c)
{
	for (size_t i = 0; i < c->done; i++) {
		cv_edit_remove(c->out_of, c->from[i], c->rows[i].size_bytes);
		if (c->out_of != c->into)
			continue;
		cv_seen_gone(&c->dst_seen, c->from[i]);
		for (size_t k = 0; k < c->others.count; k++)
			cv_seen_gone(&c->others.edits[k], c->from[i]);
	}
}

/* ---- within one account: one batch ---- */

static enum cv_status
commit_within(struct copying *c, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_acct *a = c->src->acct;
	struct cv_writer last = CV_WRITER_INIT;
	struct cv_writer *w = &c->bulk;
	enum cv_status status = CV_OK;
	uint64_t modseq = a->modseq + 1;
	if (c->bulk.size_bytes > CV_BATCH_SOFT) {
		w = &last;
		status = cv_acct_stage(a, c->dst->id, c->to, c->done, &c->bulk, &last, err);
	}
	if (!status) {
		if (c->move)
			modseq = cv_removed_put(
				c->out_of, c->from, c->done, CV_REMOVED_MOVED, modseq, w);
		write_into(c, modseq, w);
		if (c->move && c->out_of != c->into)
			cv_edit_write(c->out_of, modseq, w);
		cv_ticket ticket;
		status = cv_acct_commit(a, w, &ticket, err);
		if (!status) {
			CV_KILL_POINT("copy");
			a->modseq = modseq;
			cv_acct_gave(a, c->done, ticket);
			apply_into(c);
			if (c->move && c->out_of != c->into)
				cv_edit_apply(c->out_of);
			*ticket_out = ticket;
		}
	}
	cv_writer_done(&last);
	return status;
}

/* ---- to another account ---- */

struct named {
	struct cv_map *map;
	bool bad;
};

static bool
note_body(void *arg, struct cv_str key, struct cv_str value)
{
	struct named *n = arg;
	struct cv_row_msg row;
	(void)key;
	if (cv_row_msg_decode(value, &row)) {
		n->bad = true;
		return false;
	}
	cv_map_put(n->map, cv_str((const char *)row.body.bytes, row.body.n), n);
	return true;
}

/* Bodies the other account does not name yet, each once. */
static enum cv_status
new_bodies(struct copying *c, struct cv_blob_ref *bodies, size_t *count_out, struct cv_err *err)
{
	struct cv_map map;
	cv_map_init(&map);
	struct named n = {.map = &map};
	enum cv_status status = cv_meta_scan(c->dst->acct->store->engine, c->dst->acct->id,
		CV_STR("M"), CV_STR("N"), 0, note_body, &n, err);
	if (!status && n.bad)
		status = cv_fail(err, CV_CORRUPT, "a message row is damaged");
	*count_out = 0;
	for (size_t i = 0; !status && i < c->done; i++) {
		const struct cv_blob_ref *ref = &c->rows[i].body;
		if (!cv_map_put(&map, cv_str((const char *)ref->bytes, ref->n), &n))
			bodies[(*count_out)++] = *ref;
	}
	cv_map_done(&map);
	return status;
}

static enum cv_status
commit_destination(struct copying *c, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_acct *a = c->dst->acct;
	struct cv_writer last = CV_WRITER_INIT;
	struct cv_writer *w = &c->bulk;
	enum cv_status status = CV_OK;
	if (c->bulk.size_bytes > CV_BATCH_SOFT) {
		w = &last;
		status = cv_acct_stage(a, c->dst->id, c->to, c->done, &c->bulk, &last, err);
	}
	if (!status) {
		write_into(c, a->modseq + 1, w);
		status = cv_acct_commit(a, w, ticket_out, err);
	}
	if (!status) {
		CV_KILL_POINT("move");
		a->modseq++;
		cv_acct_gave(a, c->done, *ticket_out);
		apply_into(c);
	}
	cv_writer_done(&last);
	return status;
}

static enum cv_status
commit_source(struct copying *c, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_acct *a = c->src->acct;
	struct cv_writer w = CV_WRITER_INIT;
	uint64_t modseq =
		cv_removed_put(c->out_of, c->from, c->done, CV_REMOVED_MOVED, a->modseq + 1, &w);
	cv_edit_write(c->out_of, modseq, &w);
	enum cv_status status = cv_acct_commit(a, &w, ticket_out, err);
	if (!status) {
		a->modseq = modseq;
		cv_acct_gave(a, 1, *ticket_out);
		cv_edit_apply(c->out_of);
	}
	cv_writer_done(&w);
	return status;
}

static enum cv_status
commit_across(struct copying *c, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_store *s = c->dst->acct->store;
	struct cv_blob_ref *bodies = CV_ARENA_ARRAY(&c->arena, struct cv_blob_ref, c->done);
	size_t count;
	enum cv_status status = new_bodies(c, bodies, &count, err);
	if (!status)
		status = cv_body_change(s, bodies, count, 1, false, NULL, err);
	if (status)
		return status;
	CV_KILL_POINT("copy");
	status = commit_destination(c, ticket_out, err);
	if (status && status != CV_UNKNOWN) {
		(void)!cv_body_change(s, bodies, count, -1, false, NULL, NULL);
		return status;
	}
	return status || !c->move ? status : commit_source(c, ticket_out, err);
}

/* ---- the whole ---- */

static enum cv_status
try_copy(struct copying *c, cv_ticket *ticket_out, struct cv_err *err)
{
	if (c->src->gone || c->dst->gone || !c->dst->row.selectable)
		return cv_fail(err, CV_NOT_FOUND, "the mailbox is gone");
	enum cv_status status = cv_box_load(c->src, err);
	if (!status)
		status = cv_box_load_keywords(c->dst, err);
	if (!status)
		status = cv_box_load_tail(c->dst, err);
	if (status)
		return status;
	choose(c);
	if (!c->done)
		return CV_OK;
	status = cv_acct_may_give(c->dst->acct, c->done, err);
	if (!status)
		status = read_source(c, err);
	if (status)
		return status;
	uint64_t total = 0;
	for (size_t i = 0; i < c->done; i++)
		total += c->rows[i].size_bytes;
	if ((!c->move || c->across) && !cv_acct_has_room(c->dst->acct, total, c->done))
		return cv_fail(err, CV_OVERQUOTA, "the mailbox's owner has no room left");
	if (c->dst->row.uidnext > UINT32_MAX - c->done - 1)
		return cv_fail(err, CV_LIMIT, "the mailbox has no UIDs left");
	cv_edit_begin(&c->dst_edit, c->dst, &c->arena);
	cv_edit_begin(&c->src_edit, c->src, &c->arena);
	c->into = &c->dst_edit;
	c->out_of = c->src == c->dst ? &c->dst_edit : &c->src_edit;
	status = begin_seen(c, err);
	if (!status)
		status = add_copies(c, err);
	if (!status && c->move)
		remove_sources(c);
	if (!status)
		status = c->across ? commit_across(c, ticket_out, err)
				   : commit_within(c, ticket_out, err);
	cv_edit_done(&c->dst_edit);
	cv_edit_done(&c->src_edit);
	return status;
}

/* Accounts are locked in the order of their ids. */
static enum cv_status
lock_both(struct copying *c, struct cv_err *err)
{
	if (!c->across)
		return cv_acct_lock(c->src->acct, err);
	struct cv_acct *x = c->src->acct, *y = c->dst->acct;
	struct cv_acct *first = x->id < y->id ? x : y, *second = first == x ? y : x;
	enum cv_status status = cv_acct_lock(first, err);
	if (status)
		return status;
	status = cv_acct_lock(second, err);
	if (status)
		cv_acct_unlock(first);
	return status;
}

enum cv_status
cv_mbox_copy(struct cv_mbox *m, const uint32_t *uids, size_t count, struct cv_mbox *dst, bool move,
	uint32_t *from_uids, uint32_t *to_uids, size_t *done_out, cv_ticket *ticket_out,
	struct cv_err *err)
{
	return cv_mbox_copy_as(m, NULL, uids, count, dst, NULL, move, from_uids, to_uids, done_out,
		ticket_out, err);
}

enum cv_status
cv_mbox_copy_as(struct cv_mbox *m, const struct cv_viewer *src_viewer, const uint32_t *uids,
	size_t count, struct cv_mbox *dst, const struct cv_viewer *dst_viewer, bool move,
	uint32_t *from_uids, uint32_t *to_uids, size_t *done_out, cv_ticket *ticket_out,
	struct cv_err *err)
{
	*ticket_out = 0;
	*done_out = 0;
	struct copying c = {.src = m,
		.dst = dst,
		.move = move,
		.across = m->acct != dst->acct,
		.uids = uids,
		.count = count,
		.src_viewer = src_viewer,
		.dst_viewer = dst_viewer,
		.from = from_uids,
		.to = to_uids};
	cv_gate_enter(m->acct->store);
	enum cv_status status = lock_both(&c, err);
	if (status) {
		cv_gate_leave(m->acct->store);
		return status;
	}
	for (int i = 0; i < CV_TRIES; i++) {
		status = cv_acct_fresh(m->acct, err);
		if (!status && c.across)
			status = cv_acct_fresh(dst->acct, err);
		if (!status) {
			c.bulk = CV_WRITER_INIT;
			memset(c.bits, 0, sizeof c.bits);
			status = try_copy(&c, ticket_out, err);
			cv_writer_done(&c.bulk);
			cv_arena_done(&c.arena);
		}
		if (status != CV_CONFLICT)
			break;
	}
	cv_acct_unlock(m->acct);
	if (c.across)
		cv_acct_unlock(dst->acct);
	cv_gate_leave(m->acct->store);
	*done_out = status ? 0 : c.done;
	return status;
}
