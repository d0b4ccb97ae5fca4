/* restore.c - see restore.h.
 *
 * All R rows that can be restored are read into `marks` (one a row) and `cands` (one a message,
 * those of one mark in a row, by UID). A batch gives some of them new rows and entries, deletes the
 * old message rows and writes the R row, or the old pages of a deleted mailbox, without them. The
 * summary rows stay where they are: copies point at them (CV_SUMMARY_OTHER). When somebody else
 * changed the account between two batches, everything is read again. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/restore.h"

#include "common/store/internal.h"

#define BATCH_MESSAGES 500u
#define BATCH_BYTES    (400u << 10)
#define CANDS_MAX      4000000u /* 160 MB; more than any quota holds */

struct cand {
	struct cv_entry entry;
	bool wanted, done;
};
struct mark {
	struct cv_row_removed row; /* name in the arena; lists not kept */
	int64_t secs;
	uint32_t number;
	size_t first, count; /* cands */
	size_t wanted;       /* of them, not restored yet */
	bool matches, box_wanted;
	struct cv_mbox *dst; /* borrowed from `dsts` */
};
struct restoring {
	struct cv_acct *a;
	const struct cv_restore_options *o;
	struct cv_str mailbox, to; /* canonical; p NULL: not given */
	int64_t now;
	struct cv_arena names; /* canonical ones */
	struct cv_restore_report *report;

	/* read under the account's lock at `version` */
	struct cv_arena arena;
	struct mark *marks;
	size_t mark_count, mark_cap;
	struct cand *cands;
	size_t cand_count, cand_cap;
	uint64_t version;
	bool too_many, bad;

	struct cv_mbox **dsts;
	size_t dst_count;
};

static struct cv_mbox *
box_by_id(struct cv_acct *a, uint32_t id)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->boxes[i]->id == id)
			return a->boxes[i]->row.selectable ? a->boxes[i] : NULL;
	return NULL;
}

/* ---- reading what can be restored ---- */

static void
forget(struct restoring *r)
{
	r->mark_count = r->cand_count = 0;
	cv_arena_reset(&r->arena);
}

static void
add_cand(struct restoring *r, const struct cv_entry *entry)
{
	if (r->cand_count == r->cand_cap) {
		if (r->cand_cap >= CANDS_MAX) {
			r->too_many = true;
			return;
		}
		r->cand_cap = r->cand_cap ? r->cand_cap * 2 : 256;
		r->cands = cv_realloc(r->cands, r->cand_cap * sizeof *r->cands);
	}
	r->cands[r->cand_count++] = (struct cand){.entry = *entry};
}

static bool
matches(struct restoring *r, const struct mark *k)
{
	const struct cv_restore_options *o = r->o;
	if (k->secs + r->a->store->restore_secs <= r->now)
		return false;
	if ((o->since_secs && k->secs < o->since_secs) ||
		(o->before_secs && k->secs >= o->before_secs))
		return false;
	if (!r->mailbox.p || cv_str_eq(k->row.name, r->mailbox))
		return true;
	struct cv_mbox *m = box_by_id(r->a, k->row.box);
	return m && cv_str_eq(m->row.name, r->mailbox);
}

static bool
on_removed(void *arg, struct cv_str key, struct cv_str value)
{
	struct restoring *r = arg;
	struct mark k = {.first = r->cand_count};
	if (!cv_key_read_removed(key, &k.secs, &k.number) ||
		cv_row_removed_decode(value, &k.row)) {
		r->bad = true; /* `store check` tells; the others can be restored */
		return true;
	}
	bool is_box = k.row.kind == CV_REMOVED_BOX;
	if ((k.row.kind != CV_REMOVED_EXPUNGED && !is_box) || !k.row.name.n || !matches(r, &k) ||
		cv_str_eq_z(k.row.name, CV_QUARANTINE_NAME))
		return true;
	struct cv_uids_rd uids = cv_uids_read(k.row.uids);
	struct cv_marks_rd marks = cv_marks_read(k.row.marks);
	struct cv_entry entry = {0};
	while (cv_uids_next(&uids, &entry.uid)) {
		if (!cv_marks_next(&marks, &entry.flags, &entry.keywords))
			entry.flags = 0, entry.keywords = 0;
		add_cand(r, &entry);
	}
	k.count = r->cand_count - k.first;
	k.row.name = cv_arena_str(&r->arena, k.row.name);
	k.row.uids = k.row.marks = CV_STR_EMPTY;
	if (r->mark_count == r->mark_cap) {
		r->mark_cap = r->mark_cap ? r->mark_cap * 2 : 64;
		r->marks = cv_realloc(r->marks, r->mark_cap * sizeof *r->marks);
	}
	r->marks[r->mark_count++] = k;
	return !r->too_many;
}

static bool
on_page(void *arg, struct cv_str key, struct cv_str value)
{
	struct restoring *r = arg;
	struct cv_entry entries[CV_PAGE_UIDS];
	uint32_t box, number, count;
	if (!cv_key_read_uid(key, 'F', &box, &number) ||
		cv_row_page_decode(value, number, entries, &count)) {
		r->bad = true;
		return true;
	}
	for (uint32_t i = 0; i < count; i++)
		add_cand(r, &entries[i]);
	return !r->too_many;
}

/* The messages of a deleted mailbox are those of its pages. */
static enum cv_status
read_pages(struct restoring *r, struct mark *k, struct cv_err *err)
{
	struct cv_buf from = CV_BUF_INIT(16), to = CV_BUF_INIT(16);
	cv_key_box(&from, 'F', k->row.box);
	cv_key_box(&to, 'F', k->row.box + 1);
	k->first = r->cand_count;
	enum cv_status status = cv_meta_scan(r->a->store->engine, r->a->id, cv_buf_view(&from),
		cv_buf_view(&to), 0, on_page, r, err);
	k->count = r->cand_count - k->first;
	cv_buf_done(&from);
	cv_buf_done(&to);
	return status;
}

static enum cv_status
collect(struct restoring *r, struct cv_err *err)
{
	forget(r);
	r->version = r->a->version;
	enum cv_status status = cv_meta_scan(r->a->store->engine, r->a->id, CV_STR("R"),
		CV_STR("S"), 0, on_removed, r, err);
	for (size_t i = 0; i < r->mark_count && !status; i++)
		if (r->marks[i].row.kind == CV_REMOVED_BOX)
			status = read_pages(r, &r->marks[i], err);
	if (!status && r->too_many)
		status = cv_fail(err, CV_LIMIT, "more than %u messages: name a mailbox or a time",
			CANDS_MAX);
	return status;
}

/* ---- choosing ---- */

/* A mailbox that is no more, for what reads message rows by its number. */
static struct cv_mbox *
ghost(struct restoring *r, const struct mark *k)
{
	struct cv_row_box row = {.name = k->row.name};
	return cv_box_new(r->a, k->row.box, &row);
}

struct choosing {
	struct restoring *r;
	struct mark *k;
	size_t at;
	uint64_t size_bytes, seen;
};

static struct cv_restorable
describe(const struct restoring *r, const struct mark *k)
{
	return (struct cv_restorable){.mailbox = k->row.name,
		.is_box = k->row.kind == CV_REMOVED_BOX,
		.removed_secs = k->secs,
		.until_secs = k->secs + r->a->store->restore_secs};
}

static bool
on_msg(void *arg, const struct cv_msg *msg)
{
	struct choosing *c = arg;
	struct cand *cands = c->r->cands + c->k->first;
	while (c->at < c->k->count && cands[c->at].entry.uid < msg->uid)
		c->at++;
	if (c->at == c->k->count || cands[c->at].entry.uid != msg->uid)
		return true;
	struct cv_restorable one = describe(c->r, c->k);
	one.flags = cands[c->at].entry.flags;
	one.msg = msg;
	c->seen++;
	if (c->r->o->want && !c->r->o->want(c->r->o->arg, &one))
		return true;
	cands[c->at].wanted = true;
	c->k->wanted++;
	c->size_bytes += msg->size_bytes;
	return true;
}

static enum cv_status
choose_of(struct restoring *r, struct mark *k, struct choosing *c, struct cv_err *err)
{
	uint32_t *uids = cv_malloc((k->count + 1) * sizeof *uids);
	struct cv_mbox *m = ghost(r, k);
	for (size_t i = 0; i < k->count; i++)
		uids[i] = r->cands[k->first + i].entry.uid;
	c->k = k;
	c->at = 0;
	enum cv_status status =
		cv_msg_each(m, uids, k->count, r->o->with_summary, on_msg, c, err);
	cv_box_unref(m);
	free(uids);
	if (status || k->count || k->row.kind != CV_REMOVED_BOX || r->to.p)
		return status;
	struct cv_restorable one = describe(r, k);
	k->box_wanted = !r->o->want || r->o->want(r->o->arg, &one);
	return CV_OK;
}

static enum cv_status
choose(struct restoring *r, uint64_t *messages_out, uint64_t *bytes_out, struct cv_err *err)
{
	struct choosing c = {.r = r};
	enum cv_status status = CV_OK;
	uint64_t messages = 0;
	for (size_t i = 0; i < r->mark_count && !status; i++) {
		status = choose_of(r, &r->marks[i], &c, err);
		messages += r->marks[i].wanted;
	}
	r->report->without_row = r->cand_count - c.seen;
	if (messages_out) {
		*messages_out = messages;
		*bytes_out = c.size_bytes;
	}
	return status;
}

/* ---- where it goes ---- */

static struct cv_str
destination(struct restoring *r, const struct mark *k)
{
	if (r->to.p)
		return r->to;
	struct cv_mbox *m = box_by_id(r->a, k->row.box);
	return m ? m->row.name : k->row.name;
}

/* Opens the mailbox NAME, made when it is missing. The account is not locked. */
static enum cv_status
open_dst(struct restoring *r, struct cv_str name, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_mbox *m;
	if (r->dst_count >= CV_MBOXES_MAX)
		return cv_fail(err, CV_LIMIT, "an account has at most %u mailboxes", CV_MBOXES_MAX);
	enum cv_status status = cv_mbox_open(r->a, name, &m, err);
	if (status == CV_NOT_FOUND) {
		status = cv_mbox_create(r->a, name, CV_USE_NONE, NULL, ticket_out, err);
		r->report->mailboxes += !status;
		if (!status || status == CV_EXISTS)
			status = cv_mbox_open(r->a, name, &m, err);
	}
	if (status)
		return status;
	r->dsts = cv_realloc(r->dsts, (r->dst_count + 1) * sizeof(struct cv_mbox *));
	r->dsts[r->dst_count++] = m;
	return CV_OK;
}

/* The mailbox that K's messages go to; NULL: not open yet. */
static struct cv_mbox *
dst_of(struct restoring *r, const struct mark *k)
{
	struct cv_str name = destination(r, k);
	for (size_t i = 0; i < r->dst_count; i++)
		if (!r->dsts[i]->gone && cv_str_eq(r->dsts[i]->row.name, name))
			return r->dsts[i];
	return NULL;
}

/* ---- one batch ---- */

struct batch {
	struct restoring *r;
	struct cv_mbox *dst;
	struct cv_arena arena;
	struct cv_edit edit;
	struct cv_writer w;
	size_t count;
	uint64_t modseq, size_bytes;
};

/* The bits that the keywords USED of box ID have in the destination; those for which there is no
 * room stay away. */
static enum cv_status
map_keywords(struct batch *b, uint32_t id, uint64_t used, uint64_t bits[CV_KEYWORDS_MAX],
	struct cv_err *err)
{
	struct cv_buf key = CV_BUF_INIT(16), hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str value, names[CV_KEYWORDS_MAX];
	size_t count = 0;
	cv_key_box(&key, 'K', id);
	struct cv_str k = cv_buf_view(&key);
	memset(bits, 0, CV_KEYWORDS_MAX * sizeof *bits);
	enum cv_status status = CV_OK;
	if (used)
		status = cv_meta_read(
			b->r->a->store->engine, b->r->a->id, &k, 1, &value, &hold, NULL, err);
	if (!status && used && value.p && cv_row_keywords_decode(value, names, &count))
		count = 0;
	for (size_t i = 0; !status && i < count; i++)
		if ((used >> i & 1) &&
			cv_edit_keywords(&b->edit, &names[i], 1, true, &bits[i], NULL))
			bits[i] = 0;
	cv_buf_done(&key);
	cv_buf_done(&hold);
	return status;
}

static void
put_restored(struct batch *b, const struct mark *k, struct cand *c, struct cv_row_msg *row,
	const uint64_t bits[CV_KEYWORDS_MAX])
{
	uint64_t keywords = 0, mask = c->entry.keywords;
	for (size_t i = 0; mask; i++, mask >>= 1)
		keywords |= mask & 1 ? bits[i] : 0;
	uint32_t uid = cv_edit_add(&b->edit, c->entry.flags & 31u & ~(uint32_t)CV_FLAG_DELETED,
		keywords, b->modseq, row->size_bytes);
	cv_key_uid(cv_writer_key(&b->w), 'M', k->row.box, c->entry.uid);
	cv_writer_delete(&b->w);
	row->saved_secs = cv_wall_secs();
	row->delivery_id = CV_STR_EMPTY;
	if (row->place == CV_SUMMARY_OWN) {
		row->place = CV_SUMMARY_OTHER;
		row->summary_box = k->row.box;
		row->summary_uid = c->entry.uid;
	}
	cv_msg_put(b->dst->id, uid, row, &b->w);
	c->done = true;
	b->count++;
	b->size_bytes += row->size_bytes;
}

/* The R row without what was restored. */
static void
put_rest(struct batch *b, struct mark *k)
{
	struct cv_entry *left = cv_malloc((k->count + 1) * sizeof *left);
	uint32_t *uids = cv_malloc((k->count + 1) * sizeof *uids);
	struct cv_buf list = CV_BUF_INIT(CV_VALUE_MAX), marks = CV_BUF_INIT(CV_VALUE_MAX);
	size_t n = 0;
	for (size_t i = 0; i < k->count; i++) {
		const struct cand *c = &b->r->cands[k->first + i];
		if (c->done)
			continue;
		left[n] = c->entry;
		uids[n++] = c->entry.uid;
	}
	cv_key_removed(cv_writer_key(&b->w), k->secs, k->number);
	if (n) {
		cv_uids_encode(uids, n, &list);
		cv_marks_encode(left, n, &marks);
		struct cv_row_removed row = k->row;
		row.uids = cv_buf_view(&list);
		row.marks = cv_buf_view(&marks);
		cv_row_removed_encode(&row, cv_writer_value(&b->w));
		cv_writer_end(&b->w);
	} else {
		cv_writer_delete(&b->w);
	}
	cv_buf_done(&list);
	cv_buf_done(&marks);
	free(left);
	free(uids);
}

/* The pages of a deleted mailbox that hold the cands PLACES (N, ascending), without what was
 * restored. */
static void
put_pages(struct batch *b, struct mark *k, const size_t *places, size_t n)
{
	const struct cand *cands = b->r->cands + k->first;
	for (size_t i = 0; i < n;) {
		struct cv_entry left[CV_PAGE_UIDS];
		uint32_t number = cands[places[i]].entry.uid / CV_PAGE_UIDS, count = 0;
		size_t at = places[i];
		while (at && cands[at - 1].entry.uid / CV_PAGE_UIDS == number)
			at--;
		for (; at < k->count && cands[at].entry.uid / CV_PAGE_UIDS == number; at++)
			if (!cands[at].done)
				left[count++] = cands[at].entry;
		while (i < n && cands[places[i]].entry.uid / CV_PAGE_UIDS == number)
			i++;
		cv_key_uid(cv_writer_key(&b->w), 'F', k->row.box, number);
		if (!count) {
			cv_writer_delete(&b->w);
			continue;
		}
		cv_row_page_encode(left, count, number, cv_writer_value(&b->w));
		cv_writer_end(&b->w);
	}
}

/* Nothing of the mailbox can be restored any more; its history waits for the reaper. */
static void
put_box_done(struct batch *b, const struct mark *k)
{
	struct cv_row_removed row = {.kind = CV_REMOVED_BOX, .box = k->row.box};
	cv_key_removed(cv_writer_key(&b->w), k->secs, k->number);
	cv_row_removed_encode(&row, cv_writer_value(&b->w));
	cv_writer_end(&b->w);
}

static bool
is_all_done(const struct restoring *r, const struct mark *k)
{
	for (size_t i = 0; i < k->count; i++)
		if (!r->cands[k->first + i].done)
			return false;
	return true;
}

/* As many of K's messages as the batch has room for. */
static enum cv_status
add_mark(struct batch *b, struct mark *k, struct cv_err *err)
{
	struct restoring *r = b->r;
	struct cand *cands = r->cands + k->first;
	uint64_t bits[CV_KEYWORDS_MAX];
	uint32_t *uids = CV_ARENA_ARRAY(&b->arena, uint32_t, BATCH_MESSAGES);
	size_t *places = CV_ARENA_ARRAY(&b->arena, size_t, BATCH_MESSAGES), n = 0;
	uint64_t used = 0;
	for (size_t i = 0; i < k->count && b->count + n < BATCH_MESSAGES; i++)
		if (cands[i].wanted && !cands[i].done) {
			uids[n] = cands[i].entry.uid;
			used |= cands[i].entry.keywords;
			places[n++] = i;
		}
	struct cv_row_msg *rows;
	struct cv_mbox *m = ghost(r, k);
	enum cv_status status = map_keywords(b, k->row.box, used, bits, err);
	if (!status)
		status = cv_msg_rows(m, uids, n, &b->arena, &rows, err);
	cv_box_unref(m);
	if (status)
		return status;
	k->wanted -= n;
	for (size_t i = 0; i < n; i++)
		if (rows[i].body.n)
			put_restored(b, k, &cands[places[i]], &rows[i], bits);
	if (k->row.kind == CV_REMOVED_EXPUNGED) {
		put_rest(b, k);
		return CV_OK;
	}
	if (n)
		put_pages(b, k, places, n);
	if (is_all_done(r, k))
		put_box_done(b, k);
	k->box_wanted = false;
	return CV_OK;
}

static enum cv_status
fill(struct batch *b, struct cv_err *err)
{
	struct restoring *r = b->r;
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < r->mark_count && !status; i++) {
		struct mark *k = &r->marks[i];
		if (!k->wanted && !k->box_wanted)
			continue;
		if (dst_of(r, k) != b->dst)
			continue;
		if (b->count >= BATCH_MESSAGES || b->w.size_bytes > BATCH_BYTES)
			break;
		status = add_mark(b, k, err);
	}
	return status;
}

static enum cv_status
commit(struct batch *b, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_acct *a = b->r->a;
	cv_ticket ticket;
	if (!b->w.count)
		return CV_OK;
	if (b->dst->row.uidnext > UINT32_MAX - b->count - 1)
		return cv_fail(err, CV_LIMIT, "the mailbox has no UIDs left");
	if (!cv_acct_has_room(a, b->size_bytes, b->count))
		return cv_fail(err, CV_OVERQUOTA, "the mailbox's owner has no room left");
	cv_edit_write(&b->edit, b->modseq, &b->w);
	CV_KILL_POINT("restore");
	enum cv_status status = cv_acct_commit(a, &b->w, &ticket, err);
	if (status)
		return status;
	CV_KILL_POINT("restore");
	a->modseq = b->modseq;
	cv_acct_gave(a, b->count, ticket);
	cv_edit_apply(&b->edit);
	b->r->version = a->version;
	b->r->report->messages += b->count;
	b->r->report->size_bytes += b->size_bytes;
	*ticket_out = ticket;
	return CV_OK;
}

/* What was taken into a batch that did not come is wanted again after collect(). */
static enum cv_status
one_batch(struct restoring *r, struct cv_mbox *dst, cv_ticket *ticket_out, struct cv_err *err)
{
	struct batch b = {.r = r, .dst = dst, .w = CV_WRITER_INIT, .modseq = r->a->modseq + 1};
	enum cv_status status = cv_box_load_keywords(dst, err);
	if (!status)
		status = cv_box_load_tail(dst, err);
	if (!status)
		status = cv_acct_may_give(r->a, BATCH_MESSAGES, err);
	if (status)
		return status;
	cv_edit_begin(&b.edit, dst, &b.arena);
	status = fill(&b, err);
	if (!status)
		status = commit(&b, ticket_out, err);
	cv_edit_done(&b.edit);
	cv_writer_done(&b.w);
	cv_arena_done(&b.arena);
	return status;
}

/* One batch under the lock. When it needs a mailbox that is not open, its name is *MISSING_OUT;
 * *more_out is false when all is done. */
static enum cv_status
step(struct restoring *r, bool *more_out, struct cv_str *missing_out, cv_ticket *ticket_out,
	struct cv_err *err)
{
	size_t i = 0;
	enum cv_status status = cv_acct_lock(r->a, err);
	*missing_out = CV_STR_EMPTY;
	if (status)
		return status;
	if (r->version != r->a->version) {
		status = collect(r, err);
		if (!status)
			status = choose(r, NULL, NULL, err);
	}
	while (!status && i < r->mark_count && !r->marks[i].wanted && !r->marks[i].box_wanted)
		i++;
	*more_out = !status && i < r->mark_count;
	if (*more_out) {
		struct mark *k = &r->marks[i];
		struct cv_mbox *dst = dst_of(r, k);
		if (dst)
			status = one_batch(r, dst, ticket_out, err);
		else
			*missing_out = cv_arena_str(&r->names, destination(r, k));
	}
	if (status) /* what became of it is read again */
		r->version = UINT64_MAX;
	cv_acct_unlock(r->a);
	return status;
}

/* ---- the whole ---- */

static enum cv_status
check_room(struct restoring *r, uint64_t messages, uint64_t size_bytes, struct cv_err *err)
{
	if (cv_acct_has_room(r->a, size_bytes, messages))
		return CV_OK;
	uint64_t limit = cv_acct_quota_limit(r->a);
	return cv_fail(err, CV_OVERQUOTA,
		"%llu messages of %llu bytes do not fit: %llu of %llu bytes are used",
		(unsigned long long)messages, (unsigned long long)size_bytes,
		(unsigned long long)r->a->used_bytes, (unsigned long long)limit);
}

static enum cv_status
prepare(struct restoring *r, struct cv_err *err)
{
	uint64_t messages = 0, size_bytes = 0;
	enum cv_status status = cv_acct_lock(r->a, err);
	if (status)
		return status;
	status = collect(r, err);
	if (!status)
		status = choose(r, &messages, &size_bytes, err);
	if (!status && !r->o->dry_run && messages)
		status = check_room(r, messages, size_bytes, err);
	cv_acct_unlock(r->a);
	if (!status && r->o->dry_run) {
		r->report->messages = messages;
		r->report->size_bytes = size_bytes;
	}
	return status;
}

static enum cv_status
restore(struct restoring *r, cv_ticket *ticket_out, struct cv_err *err)
{
	enum cv_status status = prepare(r, err);
	bool more = !r->o->dry_run;
	for (int tries = 0; more && !status;) {
		struct cv_str missing;
		status = step(r, &more, &missing, ticket_out, err);
		if (!status && missing.n)
			status = open_dst(r, missing, ticket_out, err);
		if (status == CV_RETRY && *ticket_out) { /* the disk is behind */
			cv_ticket_block(r->a->store->engine, *ticket_out);
			status = CV_OK;
			more = true;
		} else if (status == CV_CONFLICT || status == CV_UNKNOWN || status == CV_RETRY) {
			status = ++tries < CV_TRIES ? CV_OK : status;
			more = true;
		}
	}
	return status;
}

enum cv_status
cv_acct_restore(struct cv_acct *a, const struct cv_restore_options *o,
	struct cv_restore_report *report, cv_ticket *ticket_out, struct cv_err *err)
{
	struct restoring r = {.a = a, .o = o, .now = cv_wall_secs(), .report = report};
	enum cv_status status = CV_OK;
	*report = (struct cv_restore_report){0};
	*ticket_out = 0;
	if (o->mailbox.p)
		status = cv_name_canon(a->store->separator, o->mailbox, &r.names, &r.mailbox, err);
	if (!status && o->to.p)
		status = cv_name_canon(a->store->separator, o->to, &r.names, &r.to, err);
	cv_gate_enter(a->store);
	if (!status)
		status = restore(&r, ticket_out, err);
	cv_gate_leave(a->store);
	for (size_t i = 0; i < r.dst_count; i++)
		cv_mbox_close(r.dsts[i]);
	free(r.dsts);
	free(r.marks);
	free(r.cands);
	cv_arena_done(&r.arena);
	cv_arena_done(&r.names);
	return status;
}
