/* queue_adopt.c - what moving messages between two queues needs, so that each moves once.
 *
 * A message that comes from another queue brings its origin, a name of that queue and its id there.
 * "A<origin>" is committed in one batch with the message's row, so whoever moves again after a
 * crash sees that it has come, even when it was sent and is gone since. The rows are forgotten when
 * the other queue is empty. "N" is the queue's name. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/rng.h"
#include "common/store/queue_internal.h"

#define FORGET_AT_ONCE 500u

static struct cv_str
origin_key(struct cv_buf *out, struct cv_str origin)
{
	cv_buf_c(out, 'A');
	cv_buf_str(out, origin);
	return cv_buf_view(out);
}

enum cv_status
cv_queue_has_origin(struct cv_queue *q, struct cv_str origin, bool *has_out, struct cv_err *err)
{
	struct cv_buf name = CV_BUF_INIT(CV_KEY_MAX), hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str key = origin_key(&name, origin), value;
	enum cv_status status = CV_OK;

	*has_out = false;
	for (size_t shard = 0; shard < CV_QUEUE_SHARDS && status == CV_OK && !*has_out; shard++) {
		cv_buf_reset(&hold);
		status = cv_meta_read(q->engine, cv_acct(CV_CLASS_QUEUE, shard), &key, 1, &value,
			&hold, NULL, err);
		*has_out = status == CV_OK && value.p;
	}
	cv_buf_done(&name);
	cv_buf_done(&hold);
	return status;
}

/* ---- forgetting ---- */

struct keys {
	struct cv_arena arena;
	struct cv_put puts[FORGET_AT_ONCE];
	size_t count;
};

static bool
collect_key(void *arg, struct cv_str key, CV_UNUSED struct cv_str value)
{
	struct keys *k = arg;

	k->puts[k->count++] = (struct cv_put){cv_arena_str(&k->arena, key), CV_STR_EMPTY};
	return k->count < FORGET_AT_ONCE;
}

static enum cv_status
forget_some(struct cv_queue *q, size_t shard, struct cv_str prefix, struct keys *k,
	struct cv_err *err)
{
	struct cv_buf from = CV_BUF_INIT(CV_KEY_MAX), to = CV_BUF_INIT(CV_KEY_MAX);
	cv_acct_id acct = cv_acct(CV_CLASS_QUEUE, shard);
	cv_ticket ticket;

	origin_key(&from, prefix);
	origin_key(&to, prefix);
	cv_buf_c(&to, '\x7f');
	k->count = 0;
	enum cv_status status = cv_meta_scan(q->engine, acct, cv_buf_view(&from), cv_buf_view(&to),
		FORGET_AT_ONCE, collect_key, k, err);
	if (status == CV_OK && k->count) {
		struct cv_batch batch = {.acct = acct,
			.expect = CV_VERSION_ANY,
			.puts = k->puts,
			.count = k->count};
		status = cv_meta_commit(q->engine, &batch, 1, &ticket, err);
		status = status == CV_OK ? batch.result : status;
	}
	cv_arena_reset(&k->arena);
	cv_buf_done(&from);
	cv_buf_done(&to);
	return status;
}

enum cv_status
cv_queue_forget_origins(struct cv_queue *q, struct cv_str prefix, struct cv_err *err)
{
	struct keys *k = cv_calloc(1, sizeof *k);
	enum cv_status status = CV_OK;

	for (size_t shard = 0; shard < CV_QUEUE_SHARDS && status == CV_OK; shard++)
		do
			status = forget_some(q, shard, prefix, k, err);
		while (status == CV_OK && k->count == FORGET_AT_ONCE);
	cv_arena_done(&k->arena);
	free(k);
	return status;
}

/* ---- name ---- */

enum cv_status
cv_queue_name(struct cv_queue *q, char out[33], struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	cv_acct_id acct = cv_acct(CV_CLASS_QUEUE, 0);
	struct cv_str key = CV_STR("N"), value;
	struct cv_batch batch = {.acct = acct, .count = 1};
	cv_ticket ticket;

	enum cv_status status =
		cv_meta_read(q->engine, acct, &key, 1, &value, &hold, &batch.expect, err);
	if (status == CV_OK && value.p) {
		snprintf(out, 33, "%.*s", CV_STR_ARGS(value));
		cv_buf_done(&hold);
		return CV_OK;
	}
	cv_buf_done(&hold);
	if (status != CV_OK)
		return status;
	snprintf(out, 33, "%016llx%016llx", (unsigned long long)cv_random_u64(),
		(unsigned long long)cv_random_u64());
	struct cv_put put = {key, cv_str_z(out)};
	batch.puts = &put;
	status = cv_meta_commit(q->engine, &batch, 1, &ticket, err);
	if (status == CV_OK)
		status = batch.result;
	if (status == CV_OK)
		cv_ticket_block(q->engine, ticket);
	return status;
}
