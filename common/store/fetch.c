/* fetch.c - message rows in bulk, and ranges of bodies.
 *
 * UIDs that lie close together are read by one scan of M and one of S; scattered ones by key. The
 * rows of one piece are decoded before the callback runs, so nothing of the engine is held while it
 * does. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"

#define PIECE    512u /* messages at a time */
#define HOLD_MAX (96u << 20)

struct piece {
	struct cv_mbox *m;
	const uint32_t *uids;
	size_t count;
	struct cv_arena arena;
	struct cv_row_msg *rows;  /* count of them; body.n 0: no row */
	struct cv_str *summaries; /* those not in S/<mbox>/<uid> */
	bool with_summary, bad;
	size_t at;   /* next to be handed out */
	size_t near; /* where the row before was found: rows come in order */
	cv_msg_fn *fn;
	void *arg;
	bool stopped;
};

static struct cv_store *
store_of(const struct piece *p)
{
	return p->m->acct->store;
}

static size_t
index_of(struct piece *p, uint32_t uid)
{
	size_t low = p->near, high = p->count;
	while (low < high && low < p->near + 4) {
		if (p->uids[low] >= uid)
			return p->near = low;
		low++;
	}
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (p->uids[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return p->near = low;
}

/* ---- M rows ---- */

static bool
take_msg(struct piece *p, size_t at, struct cv_str value)
{
	if (cv_row_msg_decode(value, &p->rows[at])) {
		p->rows[at].body.n = 0;
		p->bad = true;
		return false;
	}
	p->rows[at].delivery_id = CV_STR_EMPTY;
	return true;
}

static bool
on_msg(void *arg, struct cv_str key, struct cv_str value)
{
	struct piece *p = arg;
	uint32_t box, uid;
	if (!cv_key_read_uid(key, 'M', &box, &uid))
		return true;
	size_t at = index_of(p, uid);
	return at >= p->count || p->uids[at] != uid || take_msg(p, at, value);
}

static enum cv_status
scan(struct piece *p, char kind, cv_row_fn *fn, struct cv_err *err)
{
	struct cv_buf from = CV_BUF_INIT(16), to = CV_BUF_INIT(16);
	uint32_t last = p->uids[p->count - 1];
	p->near = 0;
	cv_key_uid(&from, kind, p->m->id, p->uids[0]);
	if (last == UINT32_MAX)
		cv_key_box(&to, kind, p->m->id + 1);
	else
		cv_key_uid(&to, kind, p->m->id, last + 1);
	enum cv_status status = cv_meta_scan(store_of(p)->engine, p->m->acct->id,
		cv_buf_view(&from), cv_buf_view(&to), 0, fn, p, err);
	cv_buf_done(&from);
	cv_buf_done(&to);
	return status;
}

static struct cv_str
key_of(struct cv_arena *arena, char kind, uint32_t box, uint32_t uid)
{
	struct cv_buf key = CV_BUF_INIT(16);
	cv_key_uid(&key, kind, box, uid);
	struct cv_str s = cv_arena_str(arena, cv_buf_view(&key));
	cv_buf_done(&key);
	return s;
}

static enum cv_status
read_msgs(struct piece *p, struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(HOLD_MAX);
	struct cv_str *keys = CV_ARENA_ARRAY(&p->arena, struct cv_str, p->count);
	struct cv_str *values = CV_ARENA_ARRAY(&p->arena, struct cv_str, p->count);
	for (size_t i = 0; i < p->count; i++)
		keys[i] = key_of(&p->arena, 'M', p->m->id, p->uids[i]);
	enum cv_status status = cv_meta_read(
		store_of(p)->engine, p->m->acct->id, keys, p->count, values, &hold, NULL, err);
	for (size_t i = 0; !status && i < p->count && !p->bad; i++)
		if (values[i].p)
			take_msg(p, i, values[i]);
	cv_buf_done(&hold);
	return status;
}

static bool
is_dense(const struct piece *p)
{
	return p->count > 1 && p->uids[p->count - 1] - p->uids[0] < 4 * p->count;
}

/* ---- summaries kept elsewhere ---- */

static bool
is_elsewhere(const struct piece *p, size_t i)
{
	const struct cv_row_msg *row = &p->rows[i];
	if (!row->body.n)
		return false;
	return row->place != CV_SUMMARY_OWN || !is_dense(p);
}

static cv_acct_id
summary_acct(const struct piece *p, size_t i)
{
	return p->rows[i].place == CV_SUMMARY_SHARED ? cv_blob_acct(&p->rows[i].body)
						     : p->m->acct->id;
}

static struct cv_str
summary_key(struct piece *p, size_t i)
{
	const struct cv_row_msg *row = &p->rows[i];
	if (row->place == CV_SUMMARY_OTHER)
		return key_of(&p->arena, CV_KEY_SUMMARY, row->summary_box, row->summary_uid);
	if (row->place == CV_SUMMARY_OWN)
		return key_of(&p->arena, CV_KEY_SUMMARY, p->m->id, p->uids[i]);
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX);
	cv_body_summary_key(&row->body, &key);
	struct cv_str s = cv_arena_str(&p->arena, cv_buf_view(&key));
	cv_buf_done(&key);
	return s;
}

/* One read for each account that holds any; nearly always one or two. */
static enum cv_status
read_elsewhere(struct piece *p, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	bool *done = CV_ARENA_ARRAY(&p->arena, bool, p->count);
	struct cv_str *keys = CV_ARENA_ARRAY(&p->arena, struct cv_str, p->count);
	struct cv_str *values = CV_ARENA_ARRAY(&p->arena, struct cv_str, p->count);
	size_t *places = CV_ARENA_ARRAY(&p->arena, size_t, p->count);
	for (size_t i = 0; i < p->count && !status; i++) {
		if (done[i] || !is_elsewhere(p, i))
			continue;
		cv_acct_id acct = summary_acct(p, i);
		size_t n = 0;
		for (size_t j = i; j < p->count; j++)
			if (!done[j] && is_elsewhere(p, j) && summary_acct(p, j) == acct) {
				done[j] = true;
				places[n] = j;
				keys[n++] = summary_key(p, j);
			}
		struct cv_buf part = CV_BUF_INIT(HOLD_MAX);
		status = cv_meta_read(store_of(p)->engine, acct, keys, n, values, &part, NULL, err);
		for (size_t k = 0; !status && k < n; k++)
			if (values[k].p)
				p->summaries[places[k]] = cv_arena_str(&p->arena, values[k]);
		cv_buf_done(&part);
	}
	return status;
}

/* ---- handing out ---- */

static void
hand_out(struct piece *p, size_t i, struct cv_str summary)
{
	const struct cv_row_msg *row = &p->rows[i];
	if (!row->body.n || p->stopped)
		return;
	struct cv_msg msg = {
		.uid = p->uids[i],
		.size_bytes = row->size_bytes,
		.internal_secs = row->internal_secs,
		.saved_secs = row->saved_secs,
		.internal_zone = row->internal_zone,
		.body = row->body,
		.summary = summary,
	};
	memcpy(msg.email_id, row->email_id, sizeof msg.email_id);
	memcpy(msg.thread_id, row->thread_id, sizeof msg.thread_id);
	p->stopped = !p->fn(p->arg, &msg);
}

static void
hand_out_before(struct piece *p, size_t end)
{
	for (; p->at < end; p->at++)
		hand_out(p, p->at, p->summaries ? p->summaries[p->at] : CV_STR_EMPTY);
}

static bool
on_summary(void *arg, struct cv_str key, struct cv_str value)
{
	struct piece *p = arg;
	uint32_t box, uid;
	if (!cv_key_read_uid(key, CV_KEY_SUMMARY, &box, &uid))
		return true;
	size_t at = index_of(p, uid);
	if (at < p->count && p->uids[at] == uid && at >= p->at &&
		p->rows[at].place == CV_SUMMARY_OWN) {
		hand_out_before(p, at);
		hand_out(p, at, value);
		p->at = at + 1;
	}
	return !p->stopped;
}

/* Fills rows: count of them, all zero. */
static enum cv_status
read_rows(struct piece *p, struct cv_err *err)
{
	enum cv_status status = is_dense(p) ? scan(p, 'M', on_msg, err) : read_msgs(p, err);
	if (!status && p->bad)
		status = cv_fail(
			err, CV_CORRUPT, "a message row of mailbox %u is damaged", p->m->id);
	return status;
}

enum cv_status
cv_msg_rows(struct cv_mbox *m, const uint32_t *uids, size_t count, struct cv_arena *arena,
	struct cv_row_msg **rows_out, struct cv_err *err)
{
	struct piece p = {.m = m};
	enum cv_status status = CV_OK;
	*rows_out = CV_ARENA_ARRAY(arena, struct cv_row_msg, count + 1);
	for (size_t i = 0; i < count && !status; i += p.count) {
		p.uids = uids + i;
		p.count = CV_MIN(count - i, (size_t)PIECE);
		p.rows = *rows_out + i;
		cv_arena_reset(&p.arena);
		status = read_rows(&p, err);
	}
	cv_arena_done(&p.arena);
	return status;
}

static enum cv_status
do_piece(struct piece *p, struct cv_err *err)
{
	p->rows = CV_ARENA_ARRAY(&p->arena, struct cv_row_msg, p->count);
	enum cv_status status = read_rows(p, err);
	if (!status && p->with_summary) {
		p->summaries = CV_ARENA_ARRAY(&p->arena, struct cv_str, p->count);
		status = read_elsewhere(p, err);
		if (!status && is_dense(p))
			status = scan(p, CV_KEY_SUMMARY, on_summary, err);
	}
	if (!status)
		hand_out_before(p, p->count);
	return status;
}

enum cv_status
cv_msg_each(struct cv_mbox *m, const uint32_t *uids, size_t count, bool with_summary, cv_msg_fn *fn,
	void *arg, struct cv_err *err)
{
	struct piece p = {.m = m, .with_summary = with_summary, .fn = fn, .arg = arg};
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < count && !status && !p.stopped; i += p.count) {
		p.uids = uids + i;
		p.count = CV_MIN(count - i, (size_t)PIECE);
		p.at = 0;
		p.summaries = NULL;
		cv_arena_reset(&p.arena);
		status = do_piece(&p, err);
	}
	cv_arena_done(&p.arena);
	return status;
}

enum cv_status
cv_msg_read(struct cv_mbox *m, const struct cv_blob_ref *body, uint64_t offset, uint64_t length,
	cv_sink_fn *sink, void *arg, struct cv_err *err)
{
	return cv_blob_read(m->acct->store->engine, body, offset, length, sink, arg, err);
}
