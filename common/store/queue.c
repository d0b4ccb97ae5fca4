/* queue.c - see queue.h: putting, reading, updating; the bodies of finished messages.
 *
 * Locks: one mutex a shard around read-and-commit (never while waiting for the disk), and one for
 * the counts and the list of bodies to remove. They are not held together.
 * A thread of its own removes bodies once the deletion of their message is durable (Q3).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/queue_internal.h"

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/log.h"

#define BATCH_SOFT   (700u << 10) /* rows of one commit; the engine's limit is CV_BATCH_MAX */
#define ROWS_A_BATCH 1000u
#define UPDATE_ROWS  300u         /* recipients changed by one commit */
#define TRIES        16
#define COMPACT_BYTES  (32ull << 20) /* removed before volumes are looked at */
#define COMPACT_DEAD   40u           /* percent of a volume that must be dead */
#define COMPACT_SPEED  (64ull << 20) /* bytes a second */
#define HOLD_MAX     (8u << 20)

cv_acct_id
cv_queue_shard(uint64_t id)
{
	return cv_acct(CV_CLASS_QUEUE, id % CV_QUEUE_SHARDS);
}

static pthread_mutex_t *
shard_lock(struct cv_queue *q, uint64_t id)
{
	return &q->shard_locks[id % CV_QUEUE_SHARDS];
}

uint32_t
cv_queue_dest(const struct cv_queue_rcpt *rcpt)
{
	char domain[256];
	size_t n = 0, at = rcpt->address.n;

	if (rcpt->local_acct)
		return CV_QUEUE_DEST_LOCAL;
	while (at && rcpt->address.p[at - 1] != '@')
		at--;
	for (size_t i = at; i < rcpt->address.n && n < sizeof domain; i++)
		domain[n++] = (char)cv_lower((unsigned char)rcpt->address.p[i]);
	uint32_t hash = (uint32_t)cv_hash(domain, n, 0);
	return hash == CV_QUEUE_DEST_LOCAL ? 1 : hash;
}

/* ---- batches ---- */

struct rows {
	struct cv_buf bytes;
	struct cv_put puts[ROWS_A_BATCH];
	size_t key_n[ROWS_A_BATCH], at[ROWS_A_BATCH], end[ROWS_A_BATCH];
	bool is_delete[ROWS_A_BATCH];
	size_t count;
};

static struct rows *
rows_new(void)
{
	struct rows *r = cv_malloc(sizeof *r);

	cv_buf_init(&r->bytes, CV_BATCH_MAX * 2);
	r->count = 0;
	return r;
}

static void
rows_free(struct rows *r)
{
	cv_buf_done(&r->bytes);
	free(r);
}

static void
rows_reset(struct rows *r)
{
	cv_buf_reset(&r->bytes);
	r->count = 0;
}

/* A row: rows_key(), the key into the buffer returned, rows_value(), the value, rows_end(). */
static struct cv_buf *
rows_key(struct rows *r)
{
	assert(r->count < ROWS_A_BATCH);
	r->at[r->count] = r->bytes.n;
	return &r->bytes;
}

static struct cv_buf *
rows_value(struct rows *r)
{
	r->key_n[r->count] = r->bytes.n - r->at[r->count];
	return &r->bytes;
}

static void
rows_end(struct rows *r, bool is_delete)
{
	r->end[r->count] = r->bytes.n;
	r->is_delete[r->count++] = is_delete;
}

static void
rows_delete(struct rows *r)
{
	rows_value(r);
	rows_end(r, true);
}

static bool
rows_are_many(const struct rows *r, size_t more)
{
	return r->bytes.n > BATCH_SOFT || r->count + more > ROWS_A_BATCH;
}

static enum cv_status
rows_commit(struct cv_queue *q, struct rows *r, cv_acct_id acct, uint64_t expect,
	cv_ticket *ticket_out, struct cv_err *err)
{
	assert(!r->bytes.full);
	for (size_t i = 0; i < r->count; i++) {
		const char *p = r->bytes.p + r->at[i];
		size_t n = r->end[i] - r->at[i] - r->key_n[i];
		r->puts[i].key = cv_str(p, r->key_n[i]);
		r->puts[i].value = r->is_delete[i] ? CV_STR_EMPTY : cv_str(p + r->key_n[i], n);
	}
	struct cv_batch batch = {
		.acct = acct, .expect = expect, .puts = r->puts, .count = r->count
	};
	enum cv_status status = cv_meta_commit(q->engine, &batch, 1, ticket_out, err);
	if (status != CV_OK || batch.result == CV_OK)
		return status;
	return cv_fail(err, batch.result, "the queue's rows could not be written: %s",
		cv_status_name(batch.result));
}

static void
put_rcpt_rows(struct rows *r, uint64_t id, int8_t priority, const struct cv_queue_rcpt *rcpt)
{
	cv_queue_key_rcpt(rows_key(r), id, rcpt->number);
	cv_queue_rcpt_encode(rcpt, rows_value(r));
	rows_end(r, false);
	if (rcpt->state != CV_Q_WAITING)
		return;
	cv_queue_key_due(rows_key(r), rcpt->next_secs, id, rcpt->number);
	cv_queue_due_encode(cv_queue_dest(rcpt), priority, rows_value(r));
	rows_end(r, false);
}

static void
delete_rcpt_rows(struct rows *r, uint64_t id, uint32_t number, int64_t due_secs)
{
	cv_queue_key_rcpt(rows_key(r), id, number);
	rows_delete(r);
	cv_queue_key_due(rows_key(r), due_secs, id, number);
	rows_delete(r);
}

/* ---- counts ---- */

static void
count_rcpt(struct cv_queue_stats *stats, const struct cv_queue_rcpt *rcpt, int sign)
{
	stats->recipients += (uint64_t)(int64_t)sign;
	if (rcpt->state == CV_Q_HELD)
		stats->held += (uint64_t)(int64_t)sign;
}

static void
count_msg(struct cv_queue_stats *stats, const struct cv_queue_msg *msg, int sign)
{
	stats->messages += (uint64_t)(int64_t)sign;
	stats->bytes += sign > 0 ? msg->size_bytes : (uint64_t)0 - msg->size_bytes;
}

void
cv_queue_count(struct cv_queue *q, const struct cv_queue_msg *msg, const struct cv_queue_rcpt *rcpt)
{
	if (msg)
		count_msg(&q->stats, msg, 1);
	if (rcpt)
		count_rcpt(&q->stats, rcpt, 1);
}

/* ---- putting ---- */

uint64_t
cv_queue_new_id(struct cv_queue *q)
{
	uint64_t now = (uint64_t)cv_wall_ms() * 1000;

	pthread_mutex_lock(&q->lock);
	q->last_id = now > q->last_id ? now : q->last_id + 1;
	uint64_t id = q->last_id;
	pthread_mutex_unlock(&q->lock);
	return id;
}

static enum cv_status
store_body(struct cv_queue *q, struct cv_queue_msg *msg, struct cv_str prefix,
	struct cv_spool *message, struct cv_err *err)
{
	struct cv_blob_put *put;
	char id[16], chunk[16384];

	cv_queue_id_text(msg->id, id);
	msg->size_bytes = prefix.n + message->size_bytes;
	enum cv_status status =
		cv_blob_begin(q->engine, cv_str_z(id), msg->size_bytes, &put, err);
	if (status != CV_OK)
		return status;
	status = prefix.n ? cv_blob_write(put, prefix, err) : CV_OK;
	for (uint64_t at = 0; status == CV_OK && at < message->size_bytes;) {
		size_t n;
		status = cv_spool_read(message, at, chunk, sizeof chunk, &n, err);
		if (status == CV_OK && !n)
			status = cv_fail(err, CV_TEMPFAIL, "the spooled message ended early");
		if (status == CV_OK)
			status = cv_blob_write(put, cv_str(chunk, n), err);
		at += n;
	}
	if (status != CV_OK) {
		cv_blob_abort(put);
		return status;
	}
	return cv_blob_finish(put, &msg->body, err);
}

/* Takes back the recipients [0, count) written ahead of a message row that never came. */
static void
take_back(struct cv_queue *q, struct rows *r, const struct cv_queue_msg *msg, size_t count)
{
	struct cv_err err = { 0 };
	cv_ticket ticket;
	enum cv_status status = CV_OK;

	rows_reset(r);
	for (size_t i = 0; i < count && status == CV_OK; i++) {
		delete_rcpt_rows(r, msg->id, msg->rcpts[i].number, msg->rcpts[i].next_secs);
		if (rows_are_many(r, 2) || i + 1 == count) {
			status = rows_commit(q, r, cv_queue_shard(msg->id), CV_VERSION_ANY, &ticket,
				&err);
			rows_reset(r);
		}
	}
	/* What stays behind is swept when the queue is opened next. */
	if (status != CV_OK)
		cv_log(0, CV_WARN, "queue.rows-left", "error=%s", err.text);
}

static enum cv_status
commit_new(struct cv_queue *q, struct rows *r, const struct cv_queue_msg *msg,
	cv_ticket *ticket_out, struct cv_err *err)
{
	cv_acct_id acct = cv_queue_shard(msg->id);
	enum cv_status status = CV_OK;
	size_t written = 0;

	for (size_t i = 0; i < msg->rcpt_count && status == CV_OK; i++) {
		put_rcpt_rows(r, msg->id, msg->priority, &msg->rcpts[i]);
		if (!rows_are_many(r, 4))
			continue;
		/* Q1: what does not fit into one batch goes ahead, the message row comes last. */
		status = rows_commit(q, r, acct, CV_VERSION_ANY, ticket_out, err);
		CV_KILL_POINT("queue.put.rows");
		rows_reset(r);
		written = i + 1;
	}
	if (status == CV_OK) {
		cv_queue_key_msg(rows_key(r), msg->id);
		cv_queue_msg_encode(msg, (uint32_t)msg->rcpt_count, rows_value(r));
		rows_end(r, false);
		if (msg->origin.n) {
			cv_buf_c(rows_key(r), 'A');
			cv_buf_str(&r->bytes, msg->origin);
			cv_buf_be64(rows_value(r), msg->id);
			rows_end(r, false);
		}
		status = rows_commit(q, r, acct, CV_VERSION_ANY, ticket_out, err);
	}
	if (status != CV_OK && written)
		take_back(q, r, msg, written);
	return status;
}

static enum cv_status
check_msg(const struct cv_queue_msg *msg, struct cv_err *err)
{
	size_t texts = msg->delivery_id.n + msg->sender.n + msg->envid.n + msg->auth_account.n;

	if (!msg->rcpt_count || msg->rcpt_count > CV_QUEUE_RCPTS_MAX)
		return cv_fail(err, CV_LIMIT, "a message of %zu recipients", msg->rcpt_count);
	if (texts > CV_QUEUE_TEXT_MAX)
		return cv_fail(err, CV_LIMIT, "the envelope is too long");
	for (size_t i = 0; i < msg->rcpt_count; i++)
		if (msg->rcpts[i].address.n + msg->rcpts[i].orcpt.n > CV_QUEUE_RCPT_TEXT_MAX)
			return cv_fail(err, CV_LIMIT, "a recipient is too long");
	return CV_OK;
}

enum cv_status
cv_queue_put(struct cv_queue *q, struct cv_queue_msg *msg, struct cv_str prefix,
	struct cv_spool *message, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_err ignored;
	enum cv_status status = check_msg(msg, err);

	if (status != CV_OK)
		return status;
	msg->id = cv_queue_new_id(q);
	for (size_t i = 0; i < msg->rcpt_count; i++)
		msg->rcpts[i].number = (uint32_t)i;
	status = store_body(q, msg, prefix, message, err);
	if (status != CV_OK)
		return status;
	CV_KILL_POINT("queue.put.body");
	struct rows *r = rows_new();
	pthread_mutex_lock(shard_lock(q, msg->id));
	status = commit_new(q, r, msg, ticket_out, err);
	pthread_mutex_unlock(shard_lock(q, msg->id));
	rows_free(r);
	CV_KILL_POINT("queue.put.committed");
	if (status == CV_UNKNOWN)
		return status; /* perhaps there: a body too many does no harm, one too few would */
	if (status != CV_OK) {
		if (cv_blob_remove(q->engine, &msg->body, &ignored) != CV_OK)
			cv_log(0, CV_WARN, "queue.body-left", "error=%s", ignored.text);
		return status;
	}
	pthread_mutex_lock(&q->lock);
	count_msg(&q->stats, msg, 1);
	for (size_t i = 0; i < msg->rcpt_count; i++)
		count_rcpt(&q->stats, &msg->rcpts[i], 1);
	pthread_mutex_unlock(&q->lock);
	return CV_OK;
}

/* ---- reading ---- */

struct get_call {
	struct cv_arena *arena;
	struct cv_queue_msg *msg;
	size_t room;
	enum cv_status status;
	struct cv_err *err;
};

static bool
get_rcpt(void *arg, struct cv_str key, struct cv_str value)
{
	struct get_call *call = arg;
	struct cv_queue_msg *msg = call->msg;
	struct cv_queue_rcpt *r;
	uint64_t id;
	uint32_t number;

	if (msg->rcpt_count == call->room)
		return false; /* more rows than the message row says: a torn write is impossible */
	r = &msg->rcpts[msg->rcpt_count];
	call->status = cv_queue_rcpt_decode(cv_arena_str(call->arena, value), r, call->err);
	if (call->status != CV_OK || !cv_queue_key_rcpt_read(key, &id, &number))
		return false;
	r->number = number;
	msg->rcpt_count++;
	return true;
}

enum cv_status
cv_queue_get(struct cv_queue *q, uint64_t id, struct cv_arena *arena, struct cv_queue_msg *out,
	struct cv_err *err)
{
	struct cv_buf from = CV_BUF_INIT(32), to = CV_BUF_INIT(32), hold = CV_BUF_INIT(HOLD_MAX);
	struct cv_str key, value;
	uint32_t left;

	cv_queue_key_msg(&from, id);
	key = cv_buf_view(&from);
	enum cv_status status =
		cv_meta_read(q->engine, cv_queue_shard(id), &key, 1, &value, &hold, NULL, err);
	if (status == CV_OK && !value.p)
		status = cv_fail(err, CV_NOT_FOUND, "no such message in the queue");
	if (status == CV_OK)
		status = cv_queue_msg_decode(cv_arena_str(arena, value), out, &left, err);
	if (status == CV_OK) {
		struct get_call call = { arena, out, left, CV_OK, err };
		out->id = id;
		out->rcpts = CV_ARENA_ARRAY(arena, struct cv_queue_rcpt, left ? left : 1);
		out->rcpt_count = 0;
		cv_buf_reset(&from);
		cv_queue_key_rcpt(&from, id, 0);
		cv_queue_key_rcpt(&to, id, UINT32_MAX);
		status = cv_meta_scan(q->engine, cv_queue_shard(id), cv_buf_view(&from),
			cv_buf_view(&to), left, get_rcpt, &call, err);
		if (status == CV_OK)
			status = call.status;
	}
	cv_buf_done(&from);
	cv_buf_done(&to);
	cv_buf_done(&hold);
	return status;
}

struct due_call {
	struct cv_queue_due *items;
	size_t count, room;
};

static bool
collect_due(void *arg, struct cv_str key, struct cv_str value)
{
	struct due_call *call = arg;
	struct cv_queue_due d;

	if (!cv_queue_key_due_read(key, &d) || !cv_queue_due_decode(value, &d))
		return true;
	if (call->count == call->room) {
		call->room = call->room ? call->room * 2 : 64;
		call->items = cv_realloc(call->items, call->room * sizeof *call->items);
	}
	call->items[call->count++] = d;
	return true;
}

static int
compare_due(const void *a, const void *b)
{
	const struct cv_queue_due *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	if (x->due_secs != y->due_secs)
		return x->due_secs < y->due_secs ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static enum cv_status
scan_due(struct cv_queue *q, size_t shard, int64_t from_secs, int64_t to_secs, size_t limit,
	struct due_call *call, struct cv_err *err)
{
	struct cv_buf from = CV_BUF_INIT(32), to = CV_BUF_INIT(32);

	cv_queue_key_due(&from, from_secs, 0, 0);
	if (to_secs < INT64_MAX)
		cv_queue_key_due(&to, to_secs + 1, 0, 0);
	else
		cv_buf_c(&to, 'T' + 1);
	enum cv_status status = cv_meta_scan(q->engine, cv_acct(CV_CLASS_QUEUE, shard),
		cv_buf_view(&from), cv_buf_view(&to), limit, collect_due, call, err);
	cv_buf_done(&from);
	cv_buf_done(&to);
	return status;
}

enum cv_status
cv_queue_due(struct cv_queue *q, int64_t now_secs, size_t limit, cv_queue_due_fn *fn, void *arg,
	struct cv_err *err)
{
	struct due_call call = { 0 };
	enum cv_status status = CV_OK;

	for (size_t shard = 0; shard < CV_QUEUE_SHARDS && status == CV_OK; shard++)
		status = scan_due(q, shard, 0, now_secs, limit, &call, err);
	if (status == CV_OK && call.count) {
		qsort(call.items, call.count, sizeof *call.items, compare_due);
		for (size_t i = 0; i < CV_MIN(call.count, limit); i++)
			if (!fn(arg, &call.items[i]))
				break;
	}
	free(call.items);
	return status;
}

int64_t
cv_queue_next_due(struct cv_queue *q, int64_t after_secs)
{
	int64_t first = INT64_MAX;
	struct cv_err err = { 0 };

	for (size_t shard = 0; shard < CV_QUEUE_SHARDS; shard++) {
		struct due_call call = { 0 };
		if (scan_due(q, shard, after_secs + 1, INT64_MAX, 1, &call, &err) != CV_OK)
			first = after_secs + 1; /* look again soon rather than never */
		else if (call.count)
			first = CV_MIN(first, call.items[0].due_secs);
		free(call.items);
	}
	return first;
}

/* ---- updating ---- */

static void
body_removable(struct cv_waiter *w)
{
	struct cv_queue_dead *dead = CV_CONTAINER(w, struct cv_queue_dead, waiter);
	struct cv_queue *q = dead->queue;

	pthread_mutex_lock(&q->lock);
	q->waiting--;
	dead->next = q->dead;
	q->dead = dead;
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

static void
remove_body_later(
	struct cv_queue *q, const struct cv_blob_ref *ref, uint64_t size_bytes, cv_ticket ticket)
{
	struct cv_queue_dead *dead = cv_calloc(1, sizeof *dead);

	dead->queue = q;
	dead->ref = *ref;
	dead->size_bytes = size_bytes;
	dead->waiter.ticket = ticket;
	dead->waiter.fn = body_removable;
	pthread_mutex_lock(&q->lock);
	q->waiting++;
	pthread_mutex_unlock(&q->lock);
	cv_ticket_wait(q->engine, ticket, &dead->waiter);
}

/* What one commit of cv_queue_update() will have changed. */
struct change {
	struct cv_queue_stats delta; /* differences, modulo 2^64 */
	bool msg_gone;
	struct cv_blob_ref body;
	uint64_t size_bytes;
};

/* Works the new states into rows. RCPTS are recipients of message ID, OLD their rows or p NULL. */
static enum cv_status
build_update(struct rows *r, uint64_t id, struct cv_str msg_row,
	const struct cv_queue_rcpt *rcpts, const struct cv_str *old, size_t count,
	struct change *change, struct cv_err *err)
{
	struct cv_queue_msg msg;
	uint32_t left, done = 0;
	enum cv_status status = cv_queue_msg_decode(msg_row, &msg, &left, err);

	*change = (struct change){ .body = msg.body, .size_bytes = msg.size_bytes };
	for (size_t i = 0; i < count && status == CV_OK; i++) {
		struct cv_queue_rcpt now;
		if (!old[i].p)
			continue; /* done already: deleted by hand meanwhile */
		status = cv_queue_rcpt_decode(old[i], &now, err);
		if (status != CV_OK)
			return status;
		now.number = rcpts[i].number;
		count_rcpt(&change->delta, &now, -1);
		if (rcpts[i].state == CV_Q_DONE) {
			delete_rcpt_rows(r, id, now.number, now.next_secs);
			done++;
			continue;
		}
		/* One key may stand in a batch only once. */
		if (rcpts[i].state != CV_Q_WAITING || rcpts[i].next_secs != now.next_secs) {
			cv_queue_key_due(rows_key(r), now.next_secs, id, now.number);
			rows_delete(r);
		}
		now.state = rcpts[i].state;
		now.next_secs = rcpts[i].next_secs;
		now.attempts = rcpts[i].attempts;
		now.last_reply = rcpts[i].last_reply;
		now.delay_notified = rcpts[i].delay_notified;
		now.by_notified = rcpts[i].by_notified;
		count_rcpt(&change->delta, &now, 1);
		put_rcpt_rows(r, id, msg.priority, &now);
	}
	if (status != CV_OK || !done)
		return status;
	cv_queue_key_msg(rows_key(r), id);
	if (done < left) {
		cv_queue_msg_encode(&msg, left - done, rows_value(r));
		rows_end(r, false);
		return CV_OK;
	}
	rows_delete(r);
	change->msg_gone = true;
	count_msg(&change->delta, &msg, -1);
	return CV_OK;
}

static void
apply_counts(struct cv_queue *q, const struct cv_queue_stats *delta)
{
	pthread_mutex_lock(&q->lock);
	q->stats.messages += delta->messages;
	q->stats.recipients += delta->recipients;
	q->stats.held += delta->held;
	q->stats.bytes += delta->bytes;
	pthread_mutex_unlock(&q->lock);
}

/* One commit; the shard is locked. COUNT is at most UPDATE_ROWS. */
static enum cv_status
update_some(struct cv_queue *q, struct rows *r, uint64_t id, const struct cv_queue_rcpt *rcpts,
	size_t count, struct change *change, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(HOLD_MAX), keys = CV_BUF_INIT(64u << 10);
	struct cv_str key[UPDATE_ROWS + 1], value[UPDATE_ROWS + 1];
	size_t ends[UPDATE_ROWS + 1];
	uint64_t version;

	cv_queue_key_msg(&keys, id);
	ends[0] = keys.n;
	for (size_t i = 0; i < count; i++) {
		cv_queue_key_rcpt(&keys, id, rcpts[i].number);
		ends[i + 1] = keys.n;
	}
	for (size_t i = 0; i <= count; i++)
		key[i] = cv_str_sub(cv_buf_view(&keys), i ? ends[i - 1] : 0, ends[i]);
	enum cv_status status = cv_meta_read(q->engine, cv_queue_shard(id), key, count + 1, value,
		&hold, &version, err);
	if (status == CV_OK && !value[0].p)
		status = cv_fail(err, CV_NOT_FOUND, "no such message in the queue");
	if (status == CV_OK)
		status = build_update(r, id, value[0], rcpts, value + 1, count, change, err);
	if (status == CV_OK && r->count)
		status = rows_commit(q, r, cv_queue_shard(id), version, ticket_out, err);
	cv_buf_done(&keys);
	cv_buf_done(&hold);
	return status;
}

enum cv_status
cv_queue_update(struct cv_queue *q, uint64_t id, const struct cv_queue_rcpt *rcpts, size_t count,
	cv_ticket *ticket_out, struct cv_err *err)
{
	struct rows *r = rows_new();
	enum cv_status status = CV_OK;

	*ticket_out = 0;
	for (size_t at = 0; at < count && status == CV_OK; at += UPDATE_ROWS) {
		struct change change;
		size_t n = CV_MIN(count - at, (size_t)UPDATE_ROWS);
		for (int i = 0; i < TRIES; i++) {
			rows_reset(r);
			pthread_mutex_lock(shard_lock(q, id));
			status = update_some(q, r, id, rcpts + at, n, &change, ticket_out, err);
			pthread_mutex_unlock(shard_lock(q, id));
			if (status != CV_CONFLICT && status != CV_RETRY)
				break;
		}
		if (status != CV_OK)
			break;
		CV_KILL_POINT("queue.update.committed");
		apply_counts(q, &change.delta);
		if (change.msg_gone)
			remove_body_later(q, &change.body, change.size_bytes, *ticket_out);
	}
	rows_free(r);
	return status;
}

/* ---- bodies of finished messages ---- */

static void
bury(struct cv_queue *q, struct cv_queue_dead *dead)
{
	struct cv_err err = { 0 };

	CV_KILL_POINT("queue.remove");
	/* A body that stays is found and removed when the queue is opened after a crash. */
	if (cv_blob_remove(q->engine, &dead->ref, &err) != CV_OK)
		cv_log(0, CV_WARN, "queue.body-left", "error=%s", err.text);
	free(dead);
}

static void
compact(struct cv_queue *q)
{
	struct cv_err err = { 0 };
	uint64_t freed;

	enum cv_status status =
		cv_engine_compact(q->engine, COMPACT_DEAD, COMPACT_SPEED, &freed, &err);
	if (status != CV_OK)
		cv_log(0, CV_WARN, "queue.not-compacted", "error=%s", err.text);
	else if (freed)
		cv_log(0, CV_INFO, "queue.compacted", "bytes=%llu", (unsigned long long)freed);
}

void *
cv_queue_undertaker(void *arg)
{
	struct cv_queue *q = arg;

	pthread_mutex_lock(&q->lock);
	for (;;) {
		while (!q->dead && !(q->closing && !q->waiting))
			pthread_cond_wait(&q->wake, &q->lock);
		struct cv_queue_dead *dead = q->dead;
		if (!dead)
			break;
		q->dead = dead->next;
		q->removed_bytes += dead->size_bytes;
		bool much = q->removed_bytes >= COMPACT_BYTES && !q->closing;
		if (much)
			q->removed_bytes = 0;
		pthread_mutex_unlock(&q->lock);
		bury(q, dead);
		if (much)
			compact(q);
		pthread_mutex_lock(&q->lock);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

/* ---- all of it ---- */

struct ids {
	uint64_t *items;
	size_t count, room;
};

static bool
collect_id(void *arg, struct cv_str key, struct cv_str value)
{
	struct ids *ids = arg;
	uint64_t id;

	(void)value;
	if (!cv_queue_key_msg_read(key, &id))
		return true;
	if (ids->count == ids->room) {
		ids->room = ids->room ? ids->room * 2 : 64;
		ids->items = cv_realloc(ids->items, ids->room * sizeof *ids->items);
	}
	ids->items[ids->count++] = id;
	return true;
}

static int
compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

enum cv_status
cv_queue_each(struct cv_queue *q, cv_queue_fn *fn, void *arg, struct cv_err *err)
{
	struct ids ids = { 0 };
	struct cv_arena arena = CV_ARENA_INIT;
	enum cv_status status = CV_OK;

	for (size_t shard = 0; shard < CV_QUEUE_SHARDS && status == CV_OK; shard++)
		status = cv_meta_scan(q->engine, cv_acct(CV_CLASS_QUEUE, shard), CV_STR("Q"),
			CV_STR("R"), 0, collect_id, &ids, err);
	if (status == CV_OK && ids.count)
		qsort(ids.items, ids.count, sizeof *ids.items, compare_ids);
	for (size_t i = 0; i < ids.count && status == CV_OK; i++) {
		struct cv_queue_msg msg;
		status = cv_queue_get(q, ids.items[i], &arena, &msg, err);
		if (status == CV_NOT_FOUND)
			status = CV_OK; /* finished meanwhile */
		else if (status == CV_OK && !fn(arg, &msg))
			break;
		cv_arena_reset(&arena);
	}
	free(ids.items);
	cv_arena_done(&arena);
	return status;
}

/* Ids behind AFTER, ascending, at most COUNT; *more_out: there are others behind them. */
static enum cv_status
ids_behind(struct cv_queue *q, uint64_t after, size_t count, struct ids *ids, bool *more_out,
	struct cv_err *err)
{
	struct cv_buf from = CV_BUF_INIT(32);
	enum cv_status status = CV_OK;
	uint64_t bound = UINT64_MAX;

	cv_queue_key_msg(&from, after + 1);
	for (size_t shard = 0; shard < CV_QUEUE_SHARDS && status == CV_OK; shard++) {
		size_t before = ids->count;
		status = cv_meta_scan(q->engine, cv_acct(CV_CLASS_QUEUE, shard), cv_buf_view(&from),
			CV_STR("R"), count, collect_id, ids, err);
		/* A shard that was cut says nothing of what lies behind its last one. */
		if (ids->count - before >= count)
			bound = CV_MIN(bound, ids->items[ids->count - 1]);
	}
	cv_buf_done(&from);
	if (status != CV_OK || !ids->count)
		return status;
	qsort(ids->items, ids->count, sizeof *ids->items, compare_ids);
	size_t kept = 0;
	while (kept < ids->count && kept < count && ids->items[kept] <= bound)
		kept++;
	*more_out = kept < ids->count || bound != UINT64_MAX;
	ids->count = kept;
	return CV_OK;
}

enum cv_status
cv_queue_walk(struct cv_queue *q, uint64_t after, size_t count, cv_queue_fn *fn, void *arg,
	uint64_t *last_out, bool *more_out, struct cv_err *err)
{
	struct ids ids = { 0 };
	struct cv_arena arena = CV_ARENA_INIT;

	*more_out = false;
	enum cv_status status = ids_behind(q, after, count, &ids, more_out, err);
	*last_out = after;
	for (size_t i = 0; i < ids.count && status == CV_OK; i++) {
		struct cv_queue_msg msg;
		status = cv_queue_get(q, ids.items[i], &arena, &msg, err);
		if (status == CV_NOT_FOUND) {
			status = CV_OK; /* finished meanwhile */
		} else if (status == CV_OK && !fn(arg, &msg)) {
			*more_out = true;
			break;
		}
		*last_out = ids.items[i];
		cv_arena_reset(&arena);
	}
	free(ids.items);
	cv_arena_done(&arena);
	return status;
}

enum cv_status
cv_queue_read_at(struct cv_queue *q, const struct cv_queue_msg *msg, uint64_t offset,
	uint64_t length, cv_sink_fn *sink, void *arg, struct cv_err *err)
{
	return cv_blob_read(q->engine, &msg->body, offset, length, sink, arg, err);
}

enum cv_status
cv_queue_read(struct cv_queue *q, const struct cv_queue_msg *msg, cv_sink_fn *sink, void *arg,
	struct cv_err *err)
{
	return cv_queue_read_at(q, msg, 0, msg->size_bytes, sink, arg, err);
}

static bool
first_id(void *arg, struct cv_str key, struct cv_str value)
{
	(void)value;
	return !cv_queue_key_msg_read(key, arg);
}

void
cv_queue_stats(struct cv_queue *q, struct cv_queue_stats *out)
{
	uint64_t oldest = UINT64_MAX, id;
	struct cv_err err;

	pthread_mutex_lock(&q->lock);
	*out = q->stats;
	pthread_mutex_unlock(&q->lock);
	for (size_t shard = 0; shard < CV_QUEUE_SHARDS; shard++) {
		id = UINT64_MAX;
		if (cv_meta_scan(q->engine, cv_acct(CV_CLASS_QUEUE, shard), CV_STR("Q"),
			    CV_STR("R"), 1, first_id, &id, &err) == CV_OK)
			oldest = CV_MIN(oldest, id);
	}
	out->oldest_secs = oldest == UINT64_MAX ? 0 : (int64_t)(oldest / 1000000);
}

/* ---- names of messages ---- */

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

void
cv_queue_id_text(uint64_t id, char text[16])
{
	char back[16];
	size_t n = 0;

	do {
		back[n++] = digits[id % 36];
		id /= 36;
	} while (id);
	for (size_t i = 0; i < n; i++)
		text[i] = back[n - 1 - i];
	text[n] = '\0';
}

bool
cv_queue_id_parse(struct cv_str text, uint64_t *id_out)
{
	uint64_t id = 0;

	if (!text.n || text.n > 13)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i] >= 'a' && text.p[i] <= 'z' ? (char)(text.p[i] - 32) : text.p[i];
		const char *at = c ? strchr(digits, c) : NULL;
		if (!at || __builtin_mul_overflow(id, 36u, &id)
			|| __builtin_add_overflow(id, (uint64_t)(at - digits), &id))
			return false;
	}
	*id_out = id;
	return true;
}
