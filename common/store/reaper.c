/* reaper.c - what time takes away: rows of expunged messages after the restore window, then bodies
 * nobody names, delivery ids after 7 days, the oldest history of expunged UIDs.
 *
 * One thread, one account after the other, with pauses. For an account with rows that are due it
 * reads all message rows once: a body's count falls only when no row that stays names it, and a
 * summary goes only when no copy that stays points at it. Rows go before counts, so dying between
 * leaves counts too high, never too low (S4). After every slow pass volumes that are mostly dead
 * are compacted, at a speed that leaves the disk to others; a store that closes stops that.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/store/internal.h"
#include "common/store/quarantine.h"

#define PASS_SECS_MAX   3600 /* less where the restore window is shorter than four of them */
#define FIRST_PASS_SECS 60
#define SLOW_PASSES     6     /* every so many passes ids and history are looked at too */
#define MOVED_KEEP_SECS 3600  /* a session may still be reading under the old UID */
#define PAUSE_MS        2     /* after an account with work */
#define DELETES_MAX     2000u /* in one batch */
#define COMPACT_DEAD    50u   /* per cent of a volume, for its room to be worth the copying */
#define COMPACT_SPEED   (8u << 20) /* bytes a second */

struct cv_reaper {
	struct cv_store *s;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop, sum; /* sum: pools wait for it */
};

/* ---- what is due in one account ---- */

struct doomed_list {
	uint32_t box;
	bool whole;     /* the mailbox is gone, with all its rows */
	uint32_t *uids; /* ascending after sort_doomed() */
	size_t count, cap;
};
struct reaping {
	struct cv_store *s;
	cv_acct_id id;
	int64_t now;
	struct doomed_list *lists; /* one a mailbox */
	size_t list_count;
	struct cv_writer marks; /* the R rows, deleted at last */
	struct cv_map kept_bodies, kept_summaries;
	struct cv_map lost_bodies, lost_summaries;
	struct cv_writer w;
	size_t rows;
};

static struct doomed_list *
list_of(struct reaping *r, uint32_t box, bool add)
{
	for (size_t i = 0; i < r->list_count; i++)
		if (r->lists[i].box == box)
			return &r->lists[i];
	if (!add)
		return NULL;
	r->lists = cv_realloc(r->lists, (r->list_count + 1) * sizeof *r->lists);
	r->lists[r->list_count] = (struct doomed_list){.box = box};
	return &r->lists[r->list_count++];
}

static bool
is_due(const struct reaping *r, const struct cv_row_removed *row, int64_t secs)
{
	bool quick = row->kind == CV_REMOVED_MOVED || row->kind == CV_REMOVED_STAGED;
	return secs + (quick ? MOVED_KEEP_SECS : r->s->restore_secs) <= r->now;
}

static bool
on_removed(void *arg, struct cv_str key, struct cv_str value)
{
	struct reaping *r = arg;
	struct cv_row_removed row;
	int64_t secs;
	uint32_t number, uid;
	if (!cv_key_read_removed(key, &secs, &number) || cv_row_removed_decode(value, &row))
		return true; /* `store check` tells */
	if (!is_due(r, &row, secs))
		return true;
	struct doomed_list *list = list_of(r, row.box, true);
	list->whole |= row.kind == CV_REMOVED_BOX;
	struct cv_uids_rd rd = cv_uids_read(row.uids);
	while (cv_uids_next(&rd, &uid)) {
		if (list->count == list->cap) {
			list->cap = list->cap ? list->cap * 2 : 64;
			list->uids = cv_realloc(list->uids, list->cap * sizeof *list->uids);
		}
		list->uids[list->count++] = uid;
	}
	cv_buf_str(cv_writer_key(&r->marks), key);
	cv_writer_delete(&r->marks);
	return true;
}

static int
by_uid(const void *a, const void *b)
{
	uint32_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

static void
sort_doomed(struct reaping *r)
{
	for (size_t i = 0; i < r->list_count; i++)
		if (r->lists[i].count)
			qsort(r->lists[i].uids, r->lists[i].count, sizeof(uint32_t), by_uid);
}

static bool
is_doomed(struct reaping *r, uint32_t box, uint32_t uid)
{
	struct doomed_list *list = list_of(r, box, false);
	return list && (list->whole || (list->count && bsearch(&uid, list->uids, list->count,
							       sizeof uid, by_uid)));
}

/* ---- rows that go, rows that stay ---- */

static void
summary_name(uint32_t box, uint32_t uid, const struct cv_row_msg *row, struct cv_buf *out)
{
	if (row->place == CV_SUMMARY_OTHER)
		cv_key_uid(out, CV_KEY_SUMMARY, row->summary_box, row->summary_uid);
	else if (row->place == CV_SUMMARY_OWN)
		cv_key_uid(out, CV_KEY_SUMMARY, box, uid);
}

static bool
sort_row(void *arg, uint32_t box, uint32_t uid, const struct cv_row_msg *row)
{
	struct reaping *r = arg;
	bool goes = is_doomed(r, box, uid);
	struct cv_buf name = CV_BUF_INIT(16);
	struct cv_str body = cv_str((const char *)row->body.bytes, row->body.n);
	summary_name(box, uid, row, &name);
	cv_map_put(goes ? &r->lost_bodies : &r->kept_bodies, body, r);
	if (name.n)
		cv_map_put(goes ? &r->lost_summaries : &r->kept_summaries, cv_buf_view(&name), r);
	cv_buf_done(&name);
	if (goes) {
		cv_key_uid(cv_writer_key(&r->w), 'M', box, uid);
		cv_writer_delete(&r->w);
		r->rows++;
	}
	return true;
}

static void
doom_summaries(struct reaping *r)
{
	size_t pos = 0;
	struct cv_str name;
	void *value;
	while (cv_map_each(&r->lost_summaries, &pos, &name, &value))
		if (!cv_map_get(&r->kept_summaries, name)) {
			cv_buf_str(cv_writer_key(&r->w), name);
			cv_writer_delete(&r->w);
		}
}

static bool
doom_key(void *arg, struct cv_str key, struct cv_str value)
{
	struct reaping *r = arg;
	(void)value;
	cv_buf_str(cv_writer_key(&r->w), key);
	cv_writer_delete(&r->w);
	return true;
}

/* The pages, keywords, history and readers of mailboxes that are gone. */
static enum cv_status
doom_boxes(struct reaping *r, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < r->list_count && !status; i++) {
		for (const char *kind = "FKXP"; r->lists[i].whole && *kind && !status; kind++) {
			struct cv_buf from = CV_BUF_INIT(16), to = CV_BUF_INIT(16);
			cv_key_box(&from, *kind, r->lists[i].box);
			cv_key_box(&to, *kind, r->lists[i].box + 1);
			status = cv_meta_scan(r->s->engine, r->id, cv_buf_view(&from),
				cv_buf_view(&to), 0, doom_key, r, err);
			cv_buf_done(&from);
			cv_buf_done(&to);
		}
	}
	return status;
}

/* ---- committing ---- */

/* Commits the deletes of W in pieces; the account's lock is held. */
static enum cv_status
commit_deletes(struct cv_acct *a, struct cv_writer *w, cv_ticket *ticket_out, struct cv_err *err)
{
	const struct cv_put *puts = cv_writer_puts(w);
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < w->count && !status; i += DELETES_MAX) {
		struct cv_batch batch = {.acct = a->id,
			.expect = a->version,
			.puts = puts + i,
			.count = CV_MIN(w->count - i, (size_t)DELETES_MAX)};
		status = cv_meta_commit(a->store->engine, &batch, 1, ticket_out, err);
		if (!status && batch.result)
			status =
				cv_fail(err, batch.result, "cannot remove rows of account %llx: %s",
					(unsigned long long)a->id, cv_status_name(batch.result));
		if (!status)
			a->version = batch.version;
	}
	if (status)
		a->loaded = false;
	return status;
}

static enum cv_status
lower_bodies(struct reaping *r, struct cv_err *err)
{
	struct cv_blob_ref *bodies = cv_malloc((r->lost_bodies.used + 1) * sizeof *bodies);
	size_t pos = 0, count = 0;
	struct cv_str name;
	void *value;
	while (cv_map_each(&r->lost_bodies, &pos, &name, &value))
		if (!cv_map_get(&r->kept_bodies, name)) {
			memcpy(bodies[count].bytes, name.p, name.n);
			bodies[count++].n = (uint8_t)name.n;
		}
	enum cv_status status = cv_body_change(r->s, bodies, count, -1, true, NULL, err);
	free(bodies);
	return status;
}

static enum cv_status
reap_locked(struct reaping *r, struct cv_acct *a, struct cv_err *err)
{
	cv_ticket ticket = 0;
	enum cv_status status =
		cv_meta_scan(r->s->engine, r->id, CV_STR("R"), CV_STR("S"), 0, on_removed, r, err);
	if (status || !r->marks.count)
		return status;
	sort_doomed(r);
	status = cv_acct_each_msg(r->s, r->id, sort_row, r, err);
	doom_summaries(r);
	if (!status)
		status = doom_boxes(r, err);
	if (!status)
		status = commit_deletes(a, &r->w, &ticket, err);
	if (!status)
		status = commit_deletes(a, &r->marks, &ticket, err);
	return status;
}

static void
reaping_done(struct reaping *r)
{
	for (size_t i = 0; i < r->list_count; i++)
		free(r->lists[i].uids);
	free(r->lists);
	cv_writer_done(&r->marks);
	cv_writer_done(&r->w);
	cv_map_done(&r->kept_bodies);
	cv_map_done(&r->lost_bodies);
	cv_map_done(&r->kept_summaries);
	cv_map_done(&r->lost_summaries);
}

static enum cv_status
reap_messages(struct cv_store *s, struct cv_acct *a, int64_t now, struct cv_err *err)
{
	struct reaping r = {
		.s = s, .id = a->id, .now = now, .marks = CV_WRITER_INIT, .w = CV_WRITER_INIT};
	cv_map_init(&r.kept_bodies);
	cv_map_init(&r.lost_bodies);
	cv_map_init(&r.kept_summaries);
	cv_map_init(&r.lost_summaries);
	cv_gate_enter(s);
	enum cv_status status = cv_acct_lock(a, err);
	if (!status) {
		status = reap_locked(&r, a, err);
		cv_acct_unlock(a);
	}
	if (!status)
		status = lower_bodies(&r, err);
	cv_gate_leave(s);
	reaping_done(&r);
	return status;
}

/* ---- delivery ids and history ---- */

struct expiring {
	int64_t before;
	struct cv_writer w;
	uint32_t box; /* whose X rows are being counted */
	size_t count, excess;
	uint64_t floor;
};

static bool
on_delivery(void *arg, struct cv_str key, struct cv_str value)
{
	struct expiring *e = arg;
	struct cv_row_delivery row;
	if (cv_row_delivery_decode(value, &row) || row.secs < e->before) {
		cv_buf_str(cv_writer_key(&e->w), key);
		cv_writer_delete(&e->w);
	}
	return true;
}

static bool
count_history(void *arg, struct cv_str key, struct cv_str value)
{
	struct expiring *e = arg;
	(void)key;
	(void)value;
	e->count++;
	return true;
}

static bool
drop_history(void *arg, struct cv_str key, struct cv_str value)
{
	struct expiring *e = arg;
	uint32_t box;
	uint64_t modseq;
	(void)value;
	if (!e->excess-- || !cv_key_read_modseq(key, &box, &modseq))
		return false;
	e->floor = modseq;
	cv_buf_str(cv_writer_key(&e->w), key);
	cv_writer_delete(&e->w);
	return true;
}

static enum cv_status
trim_history(struct cv_acct *a, struct cv_mbox *m, struct cv_err *err)
{
	struct expiring e = {.w = CV_WRITER_INIT};
	struct cv_buf from = CV_BUF_INIT(16), to = CV_BUF_INIT(16);
	cv_key_box(&from, 'X', m->id);
	cv_key_box(&to, 'X', m->id + 1);
	enum cv_status status = cv_meta_scan(a->store->engine, a->id, cv_buf_view(&from),
		cv_buf_view(&to), 0, count_history, &e, err);
	if (!status && e.count > CV_VANISHED_ROWS) {
		e.excess = e.count - CV_VANISHED_ROWS / 2;
		status = cv_meta_scan(a->store->engine, a->id, cv_buf_view(&from), cv_buf_view(&to),
			0, drop_history, &e, err);
		struct cv_row_box row = m->row;
		row.vanished_floor = CV_MAX(row.vanished_floor, e.floor);
		cv_box_put(m->id, &row, &e.w);
		cv_ticket ticket;
		if (!status)
			status = cv_acct_commit(a, &e.w, &ticket, err);
		if (!status)
			m->row = row;
	}
	cv_buf_done(&from);
	cv_buf_done(&to);
	cv_writer_done(&e.w);
	return status;
}

static enum cv_status
expire(struct cv_acct *a, int64_t now, struct cv_err *err)
{
	struct expiring e = {.before = now - CV_DELIVERY_DAYS * 86400, .w = CV_WRITER_INIT};
	cv_ticket ticket;
	enum cv_status status = cv_meta_scan(
		a->store->engine, a->id, CV_STR("D"), CV_STR("E"), 0, on_delivery, &e, err);
	if (!status)
		status = cv_acct_lock(a, err);
	if (!status) {
		status = commit_deletes(a, &e.w, &ticket, err);
		for (size_t i = 0; i < a->count && !status; i++)
			status = trim_history(a, a->boxes[i], err);
		cv_acct_unlock(a);
	}
	cv_writer_done(&e.w);
	return status;
}

/* ---- the pass ---- */

/* Looked for without the account in memory, so that a pass over all does not push out those in use.
 */
struct due {
	struct reaping r; /* for is_due() */
	int64_t ids_before;
	size_t history;
	bool messages, rest;
};

static bool
look_at_removed(void *arg, struct cv_str key, struct cv_str value)
{
	struct due *d = arg;
	struct cv_row_removed row;
	int64_t secs;
	uint32_t number;
	d->messages = cv_key_read_removed(key, &secs, &number) &&
		      !cv_row_removed_decode(value, &row) && is_due(&d->r, &row, secs);
	return !d->messages;
}

static bool
look_at_delivery(void *arg, struct cv_str key, struct cv_str value)
{
	struct due *d = arg;
	struct cv_row_delivery row;
	(void)key;
	d->rest = cv_row_delivery_decode(value, &row) || row.secs < d->ids_before;
	return !d->rest;
}

static bool
look_at_history(void *arg, struct cv_str key, struct cv_str value)
{
	struct due *d = arg;
	(void)key;
	(void)value;
	d->rest |= ++d->history > CV_VANISHED_ROWS;
	return !d->rest;
}

static enum cv_status
look(struct due *d, cv_acct_id id, bool slow, struct cv_err *err)
{
	struct cv_engine *e = d->r.s->engine;
	enum cv_status status =
		cv_meta_scan(e, id, CV_STR("R"), CV_STR("S"), 0, look_at_removed, d, err);
	if (!status && slow)
		status = cv_meta_scan(e, id, CV_STR("D"), CV_STR("E"), 0, look_at_delivery, d, err);
	if (!status && slow && !d->rest)
		status = cv_meta_scan(e, id, CV_STR("X"), CV_STR("Y"), 0, look_at_history, d, err);
	return status;
}

static enum cv_status
reap_acct(struct cv_store *s, cv_acct_id id, int64_t now, bool slow, struct cv_err *err)
{
	struct due due = {
		.r = {.s = s, .id = id, .now = now},
		.ids_before = now - CV_DELIVERY_DAYS * 86400,
	};
	struct cv_acct *a;
	enum cv_status status = look(&due, id, slow, err);
	if (!status)
		status = cv_quarantine_tidy(s, id, now, err);
	if (status || (!due.messages && !due.rest))
		return status;
	status = cv_acct_open(s, id, false, &a, NULL, err);
	if (status)
		return status == CV_NOT_FOUND ? CV_OK : status;
	for (int i = 0; i < CV_TRIES; i++) {
		status = due.messages ? reap_messages(s, a, now, err) : CV_OK;
		if (!status && due.rest)
			status = expire(a, now, err);
		if (status != CV_CONFLICT)
			break;
	}
	cv_acct_close(a);
	return status;
}

enum cv_status
cv_store_reap(struct cv_store *s, int64_t now_secs, struct cv_err *err)
{
	struct cv_acct_list accts;
	enum cv_status status = cv_accts_list(s, CV_CLASS_USER, &accts, err);
	for (size_t i = 0; !status && i < accts.count; i++)
		status = reap_acct(s, accts.ids[i], now_secs, true, err);
	if (!status)
		free(accts.ids);
	return status;
}

/* The lock is held, and given back meanwhile. */
static void
sum_pools(struct cv_reaper *r)
{
	struct cv_err err;
	r->sum = false;
	pthread_mutex_unlock(&r->lock);
	if (cv_pools_sum(r->s, &err))
		cv_log(0, CV_WARN, "store.pools_not_summed", "error=\"%s\"", err.text);
	pthread_mutex_lock(&r->lock);
}

void
cv_reaper_wake(struct cv_store *s)
{
	struct cv_reaper *r = s->reaper;
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->sum = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

bool
cv_reaper_is_ending(struct cv_store *s)
{
	struct cv_reaper *r = s->reaper;
	if (!r)
		return false;
	pthread_mutex_lock(&r->lock);
	bool stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return stop;
}

/* Waits; false when the store closes. */
static bool
wait_ms(struct cv_reaper *r, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&r->lock);
	while (!r->stop && (r->sum || !pthread_cond_timedwait(&r->wake, &r->lock, &until)))
		if (r->sum)
			sum_pools(r);
	bool stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return !stop;
}

static bool
pass(struct cv_reaper *r, bool slow)
{
	struct cv_acct_list accts;
	struct cv_err err;
	bool go_on = true;
	if (cv_accts_list(r->s, CV_CLASS_USER, &accts, &err)) {
		cv_log(0, CV_WARN, "store.reap_failed", "error=\"%s\"", err.text);
		return true;
	}
	for (size_t i = 0; go_on && i < accts.count; i++) {
		if (reap_acct(r->s, accts.ids[i], cv_wall_secs(), slow, &err))
			cv_log(0, CV_WARN, "store.reap_failed", "acct=%llx error=\"%s\"",
				(unsigned long long)accts.ids[i], err.text);
		go_on = wait_ms(r, PAUSE_MS);
	}
	free(accts.ids);
	return go_on;
}

enum cv_status
cv_store_compact(struct cv_store *s, uint64_t *freed_out, struct cv_err *err)
{
	return cv_engine_compact(s->engine, COMPACT_DEAD, COMPACT_SPEED, freed_out, err);
}

static void
compact(struct cv_reaper *r)
{
	struct cv_err err;
	uint64_t freed;
	if (cv_store_compact(r->s, &freed, &err))
		cv_log(0, CV_WARN, "store.not_compacted", "error=\"%s\"", err.text);
}

static void *
run(void *arg)
{
	struct cv_reaper *r = arg;
	unsigned passes = 0;
	int64_t pass_secs = CV_MAX(CV_MIN(r->s->restore_secs / 4, (int64_t)PASS_SECS_MAX), 1);
	bool go_on = wait_ms(r, CV_MIN(pass_secs, (int64_t)FIRST_PASS_SECS) * 1000);
	while (go_on) {
		bool slow = passes++ % SLOW_PASSES == 0;
		go_on = pass(r, slow);
		if (go_on && slow)
			compact(r);
		go_on = go_on && wait_ms(r, pass_secs * 1000);
	}
	return NULL;
}

enum cv_status
cv_reaper_start(struct cv_store *s, struct cv_err *err)
{
	struct cv_reaper *r = cv_calloc(1, sizeof *r);
	r->s = s;
	pthread_mutex_init(&r->lock, NULL);
	cv_cond_init(&r->wake);
	int failed = pthread_create(&r->thread, NULL, run, r);
	if (failed) {
		free(r);
		return cv_fail_errno(err, CV_TEMPFAIL, failed, "cannot start the reaper");
	}
	s->reaper = r;
	return CV_OK;
}

void
cv_reaper_stop(struct cv_store *s)
{
	struct cv_reaper *r = s->reaper;
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	cv_engine_end_compaction(s->engine);
	pthread_join(r->thread, NULL);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->wake);
	free(r);
	s->reaper = NULL;
}
