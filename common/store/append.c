/* append.c - messages put into a mailbox by its owner, all or none; and rows written ahead.
 *
 * Bodies are stored before the account is locked. UIDs, MODSEQ, rows, counts and quota are then one
 * batch; the bodies' count rows are another in the same commit, before it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/rng.h"
#include "common/store/internal.h"
#include "common/store/seen.h"

void
cv_msg_put(uint32_t box, uint32_t uid, const struct cv_row_msg *row, struct cv_writer *w)
{
	cv_key_uid(cv_writer_key(w), 'M', box, uid);
	cv_row_msg_encode(row, cv_writer_value(w));
	cv_writer_end(w);
}

/* ---- large changes: M and S rows go ahead, hidden until the last batch names their UIDs ---- */

static void
put_staged(uint32_t box, const uint32_t *uids, size_t count, int64_t secs, uint32_t number,
	struct cv_writer *w)
{
	struct cv_buf list = CV_BUF_INIT(CV_VALUE_MAX);
	cv_uids_encode(uids, count, &list);
	struct cv_row_removed row = {
		.kind = CV_REMOVED_STAGED, .box = box, .uids = cv_buf_view(&list)};
	cv_key_removed(cv_writer_key(w), secs, number);
	cv_row_removed_encode(&row, cv_writer_value(w));
	cv_writer_end(w);
	cv_buf_done(&list);
}

enum cv_status
cv_acct_stage(struct cv_acct *a, uint32_t box, const uint32_t *uids, size_t count,
	struct cv_writer *bulk, struct cv_writer *last, struct cv_err *err)
{
	int64_t secs = cv_wall_secs();
	uint32_t number = (uint32_t)cv_random_u64();
	struct cv_writer first = CV_WRITER_INIT;
	put_staged(box, uids, count, secs, number, &first);
	enum cv_status status = cv_acct_commit(a, &first, NULL, err);
	const struct cv_put *puts = cv_writer_puts(bulk);
	for (size_t i = 0; i < bulk->count && !status;) {
		size_t n = 0, bytes = 0;
		while (i + n < bulk->count && bytes < CV_BATCH_SOFT) {
			bytes += puts[i + n].key.n + puts[i + n].value.n + 64;
			n++;
		}
		struct cv_batch batch = {
			.acct = a->id, .expect = a->version, .puts = puts + i, .count = n};
		cv_ticket ticket;
		status = cv_meta_commit(a->store->engine, &batch, 1, &ticket, err);
		if (!status && batch.result)
			status = cv_fail(err, batch.result, "cannot write rows ahead: %s",
				cv_status_name(batch.result));
		a->version = batch.version;
		i += n;
	}
	if (status)
		a->loaded = false;
	cv_key_removed(cv_writer_key(last), secs, number);
	cv_writer_delete(last);
	cv_writer_done(&first);
	return status;
}

/* ---- append ---- */

struct appending {
	struct cv_mbox *m;
	struct cv_append *items;
	struct cv_intake *intakes;
	size_t count;
	char id[24];
	struct cv_writer counts; /* rows in the body account */
	bool counted;            /* they are committed */
	const struct cv_viewer *viewer;
	struct cv_seen_edit seen;
	enum cv_quota_level notice; /* it is that of this level: no limit holds it up */
};

static uint64_t
total_bytes(const struct appending *t)
{
	uint64_t total = 0;
	for (size_t i = 0; i < t->count; i++)
		total += t->intakes[i].size_bytes;
	return total;
}

static void
put_message(struct appending *t, size_t i, uint32_t uid, struct cv_writer *w)
{
	const struct cv_intake *in = &t->intakes[i];
	struct cv_row_msg row = {
		.size_bytes = in->size_bytes,
		.internal_secs = t->items[i].internal_secs,
		.internal_zone = t->items[i].internal_zone,
		.saved_secs = cv_wall_secs(),
		.place = CV_SUMMARY_OWN,
		.body = in->body,
		.delivery_id = cv_str(t->id, sizeof t->id),
	};
	memcpy(row.email_id, in->email_id, sizeof row.email_id);
	memcpy(row.thread_id, in->thread_id, sizeof row.thread_id);
	cv_msg_put(t->m->id, uid, &row, w);
	cv_key_uid(cv_writer_key(w), CV_KEY_SUMMARY, t->m->id, uid);
	cv_writer_outside(w, cv_buf_view(&in->summary));
}

/* The count rows of all bodies that lie in the account of the first one: nearly always all. */
static enum cv_status
count_bodies(struct appending *t, struct cv_batch *first, struct cv_err *err)
{
	cv_writer_reset(&t->counts);
	cv_acct_id acct = cv_blob_acct(&t->intakes[0].body);
	for (size_t i = 0; i < t->count; i++) {
		if (cv_blob_acct(&t->intakes[i].body) == acct) {
			cv_body_put_new(&t->intakes[i], 1, false, &t->counts);
			continue;
		}
		struct cv_writer other = CV_WRITER_INIT;
		cv_body_put_new(&t->intakes[i], 1, false, &other);
		struct cv_batch batch = {.acct = cv_blob_acct(&t->intakes[i].body),
			.expect = CV_VERSION_ANY,
			.puts = cv_writer_puts(&other),
			.count = 1};
		cv_ticket ticket;
		enum cv_status status =
			cv_meta_commit(t->m->acct->store->engine, &batch, 1, &ticket, err);
		status = status ? status : batch.result;
		cv_writer_done(&other);
		if (status)
			return status;
		t->counted = true;
	}
	*first = (struct cv_batch){.acct = acct,
		.expect = CV_VERSION_ANY,
		.puts = cv_writer_puts(&t->counts),
		.count = t->counts.count};
	return CV_OK;
}

static enum cv_status
fill_edit(struct appending *t, struct cv_edit *e, struct cv_writer *bulk, uint32_t *uids,
	struct cv_err *err)
{
	uint64_t modseq = t->m->acct->modseq + 1;
	for (size_t i = 0; i < t->count; i++) {
		const struct cv_flag_change *f = &t->items[i].flags;
		uint64_t mask;
		enum cv_status status =
			cv_edit_keywords(e, f->keywords, f->keyword_count, true, &mask, err);
		if (status)
			return status;
		uint32_t flags = f->flags & 31u;
		if (flags & CV_FLAG_SEEN)
			flags = cv_seen_set(&t->seen, e->row.uidnext, 0, flags);
		uids[i] = cv_edit_add(e, flags, mask, modseq, t->intakes[i].size_bytes);
		put_message(t, i, uids[i], bulk);
	}
	return CV_OK;
}

static enum cv_status
commit_append(struct appending *t, struct cv_edit *e, struct cv_writer *bulk, const uint32_t *uids,
	cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_acct *a = t->m->acct;
	struct cv_writer last = CV_WRITER_INIT;
	struct cv_row_head head = a->head;
	struct cv_batch first;
	enum cv_status status = CV_OK;
	struct cv_writer *w = bulk;
	if (!t->counted || t->counts.count == 0)
		status = count_bodies(t, &first, err);
	else
		first = (struct cv_batch){.acct = cv_blob_acct(&t->intakes[0].body),
			.expect = CV_VERSION_ANY,
			.puts = cv_writer_puts(&t->counts),
			.count = t->counts.count};
	if (!status && bulk->size_bytes > CV_BATCH_SOFT) {
		w = &last;
		status = cv_acct_stage(a, t->m->id, uids, t->count, bulk, &last, err);
	}
	cv_ticket ticket = 0;
	if (!status) {
		cv_edit_write(e, a->modseq + 1, w);
		cv_seen_write(&t->seen, &e->row, w);
		if (t->notice) {
			head.notice = (uint8_t)t->notice;
			cv_acct_put_head(&head, w);
		}
		t->counted = true;
		status = cv_acct_commit_after(a, &first, w, &ticket, err);
	}
	cv_writer_done(&last);
	if (status)
		return status;
	CV_KILL_POINT("append");
	a->head = head;
	a->modseq++;
	cv_acct_gave(a, t->count, ticket);
	cv_seen_apply(&t->seen, &e->row);
	cv_edit_apply(e);
	*ticket_out = ticket;
	return CV_OK;
}

static enum cv_status
try_append(struct appending *t, struct cv_arena *arena, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_mbox *m = t->m;
	struct cv_acct *a = m->acct;
	struct cv_edit e;
	struct cv_writer bulk = CV_WRITER_INIT;
	if (m->gone)
		return cv_fail(err, CV_NOT_FOUND, "the mailbox is gone");
	if (t->notice && !cv_quota_is_due(a, t->notice))
		return cv_fail(err, CV_EXISTS, "no notice is due");
	if (!t->notice && !cv_acct_has_room(a, total_bytes(t), t->count))
		return cv_fail(err, CV_OVERQUOTA, "the mailbox's owner has no room left");
	if (m->row.uidnext > UINT32_MAX - t->count - 1)
		return cv_fail(err, CV_LIMIT, "the mailbox has no UIDs left");
	enum cv_status status = cv_acct_may_give(a, t->count, err);
	if (!status)
		status = cv_box_load_keywords(m, err);
	if (!status)
		status = cv_box_load_tail(m, err);
	if (!status)
		status = cv_seen_begin(&t->seen, m, t->viewer, arena, err);
	if (status)
		return status;
	uint32_t *uids = CV_ARENA_ARRAY(arena, uint32_t, t->count);
	cv_edit_begin(&e, m, arena);
	status = fill_edit(t, &e, &bulk, uids, err);
	if (!status)
		status = commit_append(t, &e, &bulk, uids, ticket_out, err);
	for (size_t i = 0; !status && i < t->count; i++)
		t->items[i].uid = uids[i];
	cv_edit_done(&e);
	cv_writer_done(&bulk);
	return status;
}

/* After an UNKNOWN commit the messages are there exactly when the row at the first UID carries our
 * id (S7): then only the answer has to be made. */
static bool
was_applied(struct appending *t, uint32_t first_uid)
{
	struct cv_buf key = CV_BUF_INIT(16), hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str value;
	struct cv_row_msg row;
	cv_key_uid(&key, 'M', t->m->id, first_uid);
	struct cv_str k = cv_buf_view(&key);
	bool found = t->m->row.uidnext > first_uid &&
		     !cv_meta_read(t->m->acct->store->engine, t->m->acct->id, &k, 1, &value, &hold,
			     NULL, NULL) &&
		     value.p && !cv_row_msg_decode(value, &row) &&
		     cv_str_eq(row.delivery_id, cv_str(t->id, sizeof t->id));
	for (size_t i = 0; found && i < t->count; i++)
		t->items[i].uid = first_uid + (uint32_t)i;
	cv_buf_done(&key);
	cv_buf_done(&hold);
	return found;
}

static enum cv_status
touch_head(struct cv_acct *a, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_writer w = CV_WRITER_INIT;
	cv_acct_put_head(&a->head, &w);
	enum cv_status status = cv_acct_commit(a, &w, ticket_out, err);
	cv_writer_done(&w);
	return status ? CV_UNKNOWN : CV_OK;
}

static enum cv_status
append_locked(struct appending *t, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_acct *a = t->m->acct;
	enum cv_status status = CV_OK;
	for (int i = 0; i < CV_TRIES; i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		uint32_t first_uid = t->m->row.uidnext;
		bool unknown = status == CV_UNKNOWN;
		status = cv_acct_fresh(a, err);
		if (!status && unknown && was_applied(t, first_uid))
			return touch_head(
				a, ticket_out, err); /* durable with this, at the latest */
		if (!status)
			status = try_append(t, &arena, ticket_out, err);
		cv_arena_done(&arena);
		if (status != CV_CONFLICT && status != CV_UNKNOWN)
			break;
	}
	return status;
}

static void
give_up_bodies(struct appending *t, size_t stored)
{
	struct cv_store *s = t->m->acct->store;
	for (size_t i = 0; i < stored; i++) {
		if (t->counted)
			(void)!cv_body_change(s, &t->intakes[i].body, 1, -1, false, NULL, NULL);
		else
			(void)!cv_blob_remove(s->engine, &t->intakes[i].body, NULL);
	}
}

/* Refuses early what will not fit, before bodies are written. */
static enum cv_status
check_room(struct appending *t, struct cv_err *err)
{
	uint64_t total = 0;
	for (size_t i = 0; i < t->count; i++)
		total += t->items[i].message->size_bytes;
	enum cv_status status = cv_box_lock(t->m, err);
	if (status)
		return status;
	bool fits = cv_acct_has_room(t->m->acct, total, t->count);
	cv_acct_unlock(t->m->acct);
	return fits ? CV_OK : cv_fail(err, CV_OVERQUOTA, "the mailbox's owner has no room left");
}

static enum cv_status
run_append(struct appending *t, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_mbox *m = t->m;
	enum cv_status status = CV_OK;
	snprintf(t->id, sizeof t->id, "append-%016llx", (unsigned long long)cv_random_u64());
	t->intakes = cv_calloc(t->count, sizeof *t->intakes);
	cv_gate_enter(m->acct->store);
	size_t stored = 0;
	while (!status && stored < t->count) {
		status = cv_intake_store(m->acct->store, cv_str_z(t->id), CV_STR_EMPTY,
			t->items[stored].message, &t->intakes[stored], err);
		stored += !status;
	}
	CV_KILL_POINT("append");
	if (!status)
		status = cv_box_lock(m, err);
	if (!status) {
		status = append_locked(t, ticket_out, err);
		cv_acct_unlock(m->acct);
	}
	if (status && status != CV_UNKNOWN)
		give_up_bodies(t, stored);
	cv_gate_leave(m->acct->store);
	for (size_t i = 0; i < t->count; i++)
		cv_intake_done(&t->intakes[i]);
	free(t->intakes);
	cv_writer_done(&t->counts);
	return status;
}

enum cv_status
cv_mbox_append(struct cv_mbox *m, struct cv_append *items, size_t count, cv_ticket *ticket_out,
	struct cv_err *err)
{
	return cv_mbox_append_as(m, NULL, items, count, ticket_out, err);
}

enum cv_status
cv_mbox_append_as(struct cv_mbox *m, const struct cv_viewer *viewer, struct cv_append *items,
	size_t count, cv_ticket *ticket_out, struct cv_err *err)
{
	struct appending t = {
		.m = m, .viewer = viewer, .items = items, .count = count, .counts = CV_WRITER_INIT};
	*ticket_out = 0;
	if (!count)
		return CV_OK;
	enum cv_status status = check_room(&t, err);
	return status ? status : run_append(&t, ticket_out, err);
}

enum cv_status
cv_quota_put_notice(struct cv_acct *a, enum cv_quota_level level, struct cv_spool *message,
	cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_append item = {.message = message, .internal_secs = cv_wall_secs()};
	struct appending t = {
		.items = &item, .count = 1, .counts = CV_WRITER_INIT, .notice = level};
	*ticket_out = 0;
	enum cv_status status = cv_mbox_open(a, CV_STR("INBOX"), &t.m, err);
	if (status)
		return status;
	status = run_append(&t, ticket_out, err);
	cv_mbox_close(t.m);
	return status;
}
