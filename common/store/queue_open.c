/* queue_open.c - opens the queue's environment, counts it, and sweeps what a crash left over.
 *
 * A message of very many recipients is written in several batches, its own row last (Q1); a crash
 * between them leaves recipients without a message, which nobody was promised. A crash between the
 * deletion of a message and the removal of its body, or between a body and its rows, leaves a body
 * without a message (Q3). Both are found here, before anything is sent.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/store/queue_internal.h"

#define QUEUE_CACHE_BYTES  (32u << 20)
#define QUEUE_VOLUME_BYTES (64u << 20)
#define SWEEP_ROWS         500u

struct ref_list {
	struct cv_blob_ref *items;
	size_t count, room;
};
struct id_list {
	uint64_t *items;
	size_t count, room;
};
struct key_list {
	struct cv_buf bytes;
	size_t count;
};

struct survey {
	struct cv_queue *queue;
	struct id_list ids;    /* of one shard, ascending */
	struct ref_list refs;  /* of all shards */
	struct key_list lost;  /* keys of rows without a message or a body, of one shard */
	bool crashed;
	size_t swept;
	enum cv_status status;
	struct cv_err *err;
};

static void
add_id(struct id_list *l, uint64_t id)
{
	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 256;
		l->items = cv_realloc(l->items, l->room * sizeof *l->items);
	}
	l->items[l->count++] = id;
}

static void
add_ref(struct ref_list *l, const struct cv_blob_ref *ref)
{
	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 256;
		l->items = cv_realloc(l->items, l->room * sizeof *l->items);
	}
	l->items[l->count++] = *ref;
}

static void
add_lost(struct survey *s, struct cv_str key)
{
	cv_buf_bytes(&s->lost.bytes, key);
	s->lost.count++;
}

/* After a power failure: a body may be gone whose row is there, though only of a message that
 * nobody was promised. A body that cannot be read for another reason keeps its row. */
static bool
is_body_lost(struct survey *s, const struct cv_queue_msg *msg, uint64_t id)
{
	struct cv_blob_stat stat;
	char text[16];

	if (!s->crashed || cv_blob_stat(s->queue->engine, &msg->body, &stat, NULL) != CV_NOT_FOUND)
		return false;
	cv_queue_id_text(id, text);
	cv_log(0, CV_WARN, "queue.body-lost", "queue=%s", text);
	return true;
}

static bool
survey_msg(void *arg, struct cv_str key, struct cv_str value)
{
	struct survey *s = arg;
	struct cv_queue_msg msg;
	uint64_t id;
	uint32_t left;

	if (!cv_queue_key_msg_read(key, &id))
		return true;
	s->status = cv_queue_msg_decode(value, &msg, &left, s->err);
	if (s->status != CV_OK)
		return false;
	s->queue->last_id = CV_MAX(s->queue->last_id, id);
	if (is_body_lost(s, &msg, id)) {
		add_lost(s, key);
		return true;
	}
	add_id(&s->ids, id);
	add_ref(&s->refs, &msg.body);
	cv_queue_count(s->queue, &msg, NULL);
	return true;
}

static int
compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool
is_known(const struct survey *s, uint64_t id)
{
	return s->ids.count
		&& bsearch(&id, s->ids.items, s->ids.count, sizeof id, compare_ids) != NULL;
}

static bool
survey_rcpt(void *arg, struct cv_str key, struct cv_str value)
{
	struct survey *s = arg;
	struct cv_queue_rcpt rcpt;
	uint64_t id;
	uint32_t number;

	if (!cv_queue_key_rcpt_read(key, &id, &number))
		return true;
	/* Ids are never given again, not even those of messages that never came to be. */
	s->queue->last_id = CV_MAX(s->queue->last_id, id);
	if (!is_known(s, id)) {
		add_lost(s, key);
		return true;
	}
	s->status = cv_queue_rcpt_decode(value, &rcpt, s->err);
	if (s->status == CV_OK)
		cv_queue_count(s->queue, NULL, &rcpt);
	return s->status == CV_OK;
}

static bool
survey_due(void *arg, struct cv_str key, struct cv_str value)
{
	struct survey *s = arg;
	struct cv_queue_due due;

	(void)value;
	if (cv_queue_key_due_read(key, &due) && !is_known(s, due.id))
		add_lost(s, key);
	return true;
}

static enum cv_status
sweep_rows(struct survey *s, cv_acct_id acct)
{
	struct cv_rd r = cv_rd(cv_buf_view(&s->lost.bytes));
	enum cv_status status = CV_OK;

	while (s->lost.count && status == CV_OK) {
		struct cv_put puts[SWEEP_ROWS];
		size_t n = CV_MIN(s->lost.count, (size_t)SWEEP_ROWS);
		cv_ticket ticket;
		for (size_t i = 0; i < n; i++)
			puts[i] = (struct cv_put){ cv_rd_bytes(&r), CV_STR_EMPTY };
		struct cv_batch batch = { .acct = acct, .expect = CV_VERSION_ANY, .puts = puts,
			.count = n };
		status = cv_meta_commit(s->queue->engine, &batch, 1, &ticket, s->err);
		if (status == CV_OK && batch.result != CV_OK)
			status = cv_fail(s->err, batch.result, "sweeping the queue");
		s->lost.count -= n;
		s->swept += n;
	}
	cv_buf_reset(&s->lost.bytes);
	return status;
}

static enum cv_status
survey_shard(struct survey *s, size_t shard)
{
	static const struct {
		const char *from, *to;
		cv_row_fn *fn;
	} tables[] = { { "Q", "R", survey_msg }, { "R", "S", survey_rcpt },
		{ "T", "U", survey_due } };
	cv_acct_id acct = cv_acct(CV_CLASS_QUEUE, shard);

	s->ids.count = 0;
	for (size_t i = 0; i < CV_COUNT(tables); i++) {
		enum cv_status status =
			cv_meta_scan(s->queue->engine, acct, cv_str_z(tables[i].from),
				cv_str_z(tables[i].to), 0, tables[i].fn, s, s->err);
		if (status == CV_OK)
			status = s->status;
		if (status != CV_OK)
			return status;
	}
	return sweep_rows(s, acct);
}

/* ---- bodies ---- */

static int
compare_refs(const void *a, const void *b)
{
	const struct cv_blob_ref *x = a, *y = b;
	int order = memcmp(x->bytes, y->bytes, CV_MIN(x->n, y->n));

	return order ? order : (int)x->n - (int)y->n;
}

struct body_call {
	const struct ref_list *known;
	struct ref_list orphans;
};

static bool
look_at_body(void *arg, const struct cv_blob_ref *ref, uint64_t size_bytes, bool dead)
{
	struct body_call *call = arg;

	(void)size_bytes;
	if (!dead && !(call->known->count && bsearch(ref, call->known->items, call->known->count,
					     sizeof *ref, compare_refs)))
		add_ref(&call->orphans, ref);
	return true;
}

static enum cv_status
sweep_bodies(struct survey *s)
{
	struct body_call call = { .known = &s->refs };

	if (s->refs.count)
		qsort(s->refs.items, s->refs.count, sizeof *s->refs.items, compare_refs);
	enum cv_status status = cv_blob_each(s->queue->engine, look_at_body, &call, s->err);
	for (size_t i = 0; i < call.orphans.count && status == CV_OK; i++)
		status = cv_blob_remove(s->queue->engine, &call.orphans.items[i], s->err);
	if (status == CV_OK && (call.orphans.count || s->swept))
		cv_log(0, CV_INFO, "queue.swept", "rows=%zu bodies=%zu", s->swept,
			call.orphans.count);
	free(call.orphans.items);
	return status;
}

static enum cv_status
survey_all(struct cv_queue *q, bool crashed, struct cv_err *err)
{
	struct survey s = { .queue = q, .crashed = crashed, .err = err };
	enum cv_status status = CV_OK;

	cv_buf_init(&s.lost.bytes, SIZE_MAX / 2);
	for (size_t shard = 0; shard < CV_QUEUE_SHARDS && status == CV_OK; shard++)
		status = survey_shard(&s, shard);
	if (status == CV_OK && crashed)
		status = sweep_bodies(&s);
	cv_buf_done(&s.lost.bytes);
	free(s.ids.items);
	free(s.refs.items);
	return status;
}

enum cv_status
cv_queue_open(const char *dir, struct cv_queue **out, struct cv_err *err)
{
	struct cv_engine_options o = { .dir = dir, .cache_bytes = QUEUE_CACHE_BYTES,
		.volume_bytes = QUEUE_VOLUME_BYTES, .with_blobs = true };
	struct cv_queue *q = cv_calloc(1, sizeof *q);
	bool crashed;

	enum cv_status status = cv_engine_open(&o, &q->engine, &crashed, err);
	if (status != CV_OK) {
		free(q);
		return status;
	}
	for (size_t i = 0; i < CV_QUEUE_SHARDS; i++)
		pthread_mutex_init(&q->shard_locks[i], NULL);
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->wake, NULL);
	status = survey_all(q, crashed, err);
	if (status == CV_OK) {
		int errnum = pthread_create(&q->undertaker, NULL, cv_queue_undertaker, q);
		if (errnum)
			status = cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot start a thread");
	}
	if (status != CV_OK) {
		cv_engine_close(q->engine);
		free(q);
		return status;
	}
	*out = q;
	return CV_OK;
}

void
cv_queue_close(struct cv_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closing = true;
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
	cv_engine_end_compaction(q->engine);
	pthread_join(q->undertaker, NULL);
	cv_engine_close(q->engine);
	for (size_t i = 0; i < CV_QUEUE_SHARDS; i++)
		pthread_mutex_destroy(&q->shard_locks[i]);
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->wake);
	free(q);
}

struct cv_engine *
cv_queue_engine(struct cv_queue *q)
{
	return q->engine;
}
