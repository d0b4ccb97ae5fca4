/* body.c - how many accounts name a body (S4).
 *
 * The count row is committed before the rows that use it and lowered only after they are gone, so a
 * crash between leaves a count too high: the body stays, and `store check` mends it. A count falls
 * to zero once; its row is deleted then, and nothing raises a count that is not there.
 * Copies within one account do not count: the reaper lowers only when the last row went.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"

#define KEYS_MAX    500u
#define COUNT_TRIES 64
#define HOLD_MAX    (64u << 20)

void
cv_body_summary_key(const struct cv_blob_ref *body, struct cv_buf *out)
{
	size_t at = out->n;
	cv_blob_count_key(body, out);
	out->p[at] = CV_KEY_SUMMARY;
}

void
cv_body_put_new(
	const struct cv_intake *in, uint64_t accounts, bool shared_summary, struct cv_writer *w)
{
	cv_blob_count_key(&in->body, cv_writer_key(w));
	cv_row_count_encode(accounts, cv_writer_value(w));
	cv_writer_end(w);
	if (!shared_summary)
		return;
	cv_body_summary_key(&in->body, cv_writer_key(w));
	cv_writer_outside(w, cv_buf_view(&in->summary));
}

/* ---- raising and lowering ---- */

struct change {
	struct cv_store *s;
	cv_acct_id acct;
	const struct cv_blob_ref **bodies; /* of one account */
	size_t count;
	int64_t delta;
	bool wait;
	bool *falls; /* to zero */
	struct cv_writer w;
	struct cv_arena arena;
};

static enum cv_status
plan_one(struct change *c, size_t i, struct cv_str value, struct cv_err *err)
{
	uint64_t before = 0;
	c->falls[i] = false;
	if (value.p && cv_row_count_decode(value, &before))
		return cv_fail(err, CV_CORRUPT, "a count row is damaged");
	if (!before && c->delta > 0)
		return cv_fail(err, CV_NOT_FOUND, "the body is gone");
	if (!before) {
		c->falls[i] = !c->wait; /* new, and its count row never came */
		return CV_OK;
	}
	int64_t after = (int64_t)before + c->delta;
	cv_blob_count_key(c->bodies[i], cv_writer_key(&c->w));
	if (after > 0) {
		cv_row_count_encode((uint64_t)after, cv_writer_value(&c->w));
		cv_writer_end(&c->w);
		return CV_OK;
	}
	c->falls[i] = true;
	cv_writer_delete(&c->w);
	cv_body_summary_key(c->bodies[i], cv_writer_key(&c->w));
	cv_writer_delete(&c->w);
	return CV_OK;
}

static enum cv_status
try_change(struct change *c, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_str *keys = CV_ARENA_ARRAY(&c->arena, struct cv_str, c->count);
	struct cv_str *values = CV_ARENA_ARRAY(&c->arena, struct cv_str, c->count);
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX), hold = CV_BUF_INIT(HOLD_MAX);
	for (size_t i = 0; i < c->count; i++) {
		cv_buf_reset(&key);
		cv_blob_count_key(c->bodies[i], &key);
		keys[i] = cv_arena_str(&c->arena, cv_buf_view(&key));
	}
	uint64_t version = 0;
	enum cv_status status =
		cv_meta_read(c->s->engine, c->acct, keys, c->count, values, &hold, &version, err);
	cv_writer_reset(&c->w);
	for (size_t i = 0; !status && i < c->count; i++)
		status = plan_one(c, i, values[i], err);
	cv_buf_done(&key);
	cv_buf_done(&hold);
	if (status || !c->w.count)
		return status;
	struct cv_batch batch = {.acct = c->acct,
		.expect = version,
		.puts = cv_writer_puts(&c->w),
		.count = c->w.count};
	status = cv_meta_commit(c->s->engine, &batch, 1, ticket_out, err);
	if (!status && batch.result)
		status = cv_fail(err, batch.result, "cannot change the count of a body: %s",
			cv_status_name(batch.result));
	return status;
}

static enum cv_status
change_some(struct change *c, cv_ticket *ticket_out, struct cv_err *err)
{
	pthread_mutex_t *stripe = &c->s->body_locks[c->acct % CV_BODY_STRIPES];
	enum cv_status status = CV_CONFLICT;
	c->falls = CV_ARENA_ARRAY(&c->arena, bool, c->count);
	c->w = CV_WRITER_INIT;
	pthread_mutex_lock(stripe);
	for (int i = 0; i < COUNT_TRIES && (status == CV_CONFLICT || status == CV_RETRY); i++)
		status = try_change(c, ticket_out, err);
	pthread_mutex_unlock(stripe);
	cv_writer_done(&c->w);
	bool any = false;
	for (size_t i = 0; !status && i < c->count; i++)
		any |= c->falls[i];
	if (!any)
		return status;
	if (c->wait)
		cv_ticket_block(c->s->engine, *ticket_out);
	for (size_t i = 0; !status && i < c->count; i++)
		if (c->falls[i])
			status = cv_blob_remove(c->s->engine, c->bodies[i], err);
	return status;
}

static int
by_place(const void *a, const void *b)
{
	const struct cv_blob_ref *const *x = a, *const *y = b;
	cv_acct_id p = cv_blob_acct(*x), q = cv_blob_acct(*y);
	if (p != q)
		return p < q ? -1 : 1;
	return cv_str_cmp(cv_str((const char *)(*x)->bytes, (*x)->n),
		cv_str((const char *)(*y)->bytes, (*y)->n));
}

enum cv_status
cv_body_change(struct cv_store *s, const struct cv_blob_ref *bodies, size_t count, int64_t delta,
	bool wait, cv_ticket *ticket_out, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	cv_ticket ticket = 0;
	struct cv_arena arena = CV_ARENA_INIT;
	const struct cv_blob_ref **sorted =
		CV_ARENA_ARRAY(&arena, const struct cv_blob_ref *, count + 1);
	for (size_t i = 0; i < count; i++)
		sorted[i] = &bodies[i];
	qsort(sorted, count, sizeof *sorted, by_place);
	for (size_t i = 0, n; i < count && !status; i += n) {
		cv_acct_id acct = cv_blob_acct(sorted[i]);
		for (n = 1; i + n < count && n < KEYS_MAX && cv_blob_acct(sorted[i + n]) == acct;)
			n++;
		struct change c = {.s = s,
			.acct = acct,
			.bodies = sorted + i,
			.count = n,
			.delta = delta,
			.wait = wait};
		status = change_some(&c, &ticket, err);
		cv_arena_done(&c.arena);
	}
	if (ticket_out && ticket)
		*ticket_out = ticket;
	cv_arena_done(&arena);
	return status;
}

enum cv_status
cv_body_is_used(struct cv_store *s, const struct cv_blob_ref *body, bool *is_used_out,
	struct cv_err *err)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX), hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str value = CV_STR_EMPTY;

	cv_blob_count_key(body, &key);
	struct cv_str view = cv_buf_view(&key);
	enum cv_status status = cv_meta_read(
		s->engine, cv_blob_acct(body), &view, 1, &value, &hold, NULL, err);
	*is_used_out = status || value.p;
	cv_buf_done(&key);
	cv_buf_done(&hold);
	return status;
}
