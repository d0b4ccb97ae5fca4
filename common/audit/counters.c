/* counters.c - usage per account and local day, gathered in memory and added to rows.
 *
 * Row "C" + account + day holds the counts. The day is that of the process's time zone: the daemons
 * set TZ from the option time_zone before they start.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/audit/audit_impl.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#define FLUSH_SECS 5
#define ROWS_AT_ONCE 2000
#define KEY_BYTES 13

static uint32_t
local_day(int64_t secs)
{
	time_t t = (time_t)secs;
	struct tm tm;
	localtime_r(&t, &tm);
	return (uint32_t)((secs + tm.tm_gmtoff) / 86400);
}

static void
count_key(cv_acct_id acct, uint32_t day, struct cv_buf *out)
{
	cv_buf_c(out, 'C');
	cv_buf_be64(out, acct);
	cv_buf_be32(out, day);
}

static void
encode(const struct cv_counts *c, struct cv_buf *out)
{
	cv_buf_be64(out, (uint64_t)c->last_check_secs);
	for (size_t i = 0; i < CV_COUNT_KINDS; i++)
		cv_buf_be32(out, c->n[i]);
}

static bool
decode(struct cv_str value, struct cv_counts *c)
{
	struct cv_rd r = cv_rd(value);
	c->last_check_secs = (int64_t)cv_rd_be64(&r);
	for (size_t i = 0; i < CV_COUNT_KINDS; i++)
		c->n[i] = cv_rd_left(&r) ? cv_rd_be32(&r) : 0; /* kinds may be added */
	return !r.bad;
}

void
cv_audit_count(struct cv_audit *a, cv_acct_id acct, enum cv_counter kind, uint32_t add)
{
	int64_t now = cv_wall_secs();
	struct cv_buf key = CV_BUF_INIT(64);
	count_key(acct, local_day(now), &key);
	pthread_mutex_lock(&a->count_lock);
	struct cv_counts *c = cv_map_get(&a->pending, cv_buf_view(&key));
	if (!c) {
		c = cv_calloc(1, sizeof *c);
		cv_map_put(&a->pending, cv_buf_view(&key), c);
	}
	c->n[kind] += add;
	if (kind == CV_COUNT_CHECKS)
		c->last_check_secs = now;
	pthread_mutex_unlock(&a->count_lock);
	cv_buf_done(&key);
}

/* ---- flushing ---- */

struct rows {
	struct cv_str keys[ROWS_AT_ONCE], values[ROWS_AT_ONCE];
	struct cv_put puts[ROWS_AT_ONCE];
	const struct cv_counts *adds[ROWS_AT_ONCE];
	size_t n;
};

static enum cv_status
add_to_rows(struct cv_audit *a, struct rows *rows, struct cv_err *err)
{
	struct cv_engine *e = cv_store_engine(a->store);
	struct cv_buf hold = CV_BUF_INIT(CV_BATCH_MAX), fresh = CV_BUF_INIT(CV_BATCH_MAX);
	enum cv_status status = cv_meta_read(e, AUDIT_COUNT_ACCT, rows->keys, rows->n, rows->values,
		&hold, NULL, err);
	size_t size = 8 + 4 * CV_COUNT_KINDS;
	for (size_t i = 0; !status && i < rows->n; i++) {
		struct cv_counts sum = {0};
		if (rows->values[i].p && !decode(rows->values[i], &sum))
			sum = (struct cv_counts){0};
		for (size_t k = 0; k < CV_COUNT_KINDS; k++)
			sum.n[k] += rows->adds[i]->n[k];
		sum.last_check_secs = CV_MAX(sum.last_check_secs, rows->adds[i]->last_check_secs);
		encode(&sum, &fresh);
	}
	for (size_t i = 0; !status && i < rows->n; i++)
		rows->puts[i] = (struct cv_put){ rows->keys[i], cv_str(fresh.p + i * size, size) };
	struct cv_batch batch = { .acct = AUDIT_COUNT_ACCT, .expect = CV_VERSION_ANY,
		.puts = rows->puts, .count = rows->n };
	cv_ticket ticket;
	if (!status)
		status = cv_meta_commit(e, &batch, 1, &ticket, err);
	if (!status && batch.result)
		status = cv_fail(err, batch.result, "usage counters were not written: %s",
			cv_status_name(batch.result));
	cv_buf_done(&hold);
	cv_buf_done(&fresh);
	return status;
}

/* Puts what could not be written back for the next try. */
static void
keep(struct cv_audit *a, const struct rows *rows)
{
	pthread_mutex_lock(&a->count_lock);
	for (size_t i = 0; i < rows->n; i++) {
		struct cv_counts *c = cv_map_get(&a->pending, rows->keys[i]);
		if (!c) {
			c = cv_calloc(1, sizeof *c);
			cv_map_put(&a->pending, rows->keys[i], c);
		}
		for (size_t k = 0; k < CV_COUNT_KINDS; k++)
			c->n[k] += rows->adds[i]->n[k];
		c->last_check_secs = CV_MAX(c->last_check_secs, rows->adds[i]->last_check_secs);
	}
	pthread_mutex_unlock(&a->count_lock);
}

static enum cv_status
write_rows(struct cv_audit *a, struct rows *rows, struct cv_err *err)
{
	if (!rows->n)
		return CV_OK;
	enum cv_status status = add_to_rows(a, rows, err);
	if (status)
		keep(a, rows);
	rows->n = 0;
	return status;
}

static enum cv_status
flush(struct cv_audit *a, struct cv_err *err)
{
	struct cv_map taken;
	cv_map_init(&taken);
	pthread_mutex_lock(&a->flush_lock);
	pthread_mutex_lock(&a->count_lock);
	if (!a->pending.used) { /* as a rule, for reports that ask account by account */
		pthread_mutex_unlock(&a->count_lock);
		pthread_mutex_unlock(&a->flush_lock);
		cv_map_done(&taken);
		return CV_OK;
	}
	struct cv_map swap = a->pending;
	a->pending = taken;
	taken = swap;
	pthread_mutex_unlock(&a->count_lock);
	struct rows *rows = cv_calloc(1, sizeof *rows);
	enum cv_status status = CV_OK;
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&taken, &pos, &key, &value);) {
		rows->keys[rows->n] = key;
		rows->adds[rows->n++] = value;
		if (rows->n == ROWS_AT_ONCE) {
			enum cv_status one = write_rows(a, rows, err);
			status = status ? status : one;
		}
	}
	enum cv_status last = write_rows(a, rows, err);
	pthread_mutex_unlock(&a->flush_lock);
	for (size_t pos = 0; cv_map_each(&taken, &pos, &key, &value);)
		free(value);
	cv_map_done(&taken);
	free(rows);
	return status ? status : last;
}

static void *
flusher(void *arg)
{
	struct cv_audit *a = arg;
	pthread_setname_np(pthread_self(), "counters");
	pthread_mutex_lock(&a->count_lock);
	while (!a->has_ended) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += FLUSH_SECS;
		pthread_cond_timedwait(&a->wake, &a->count_lock, &until);
		if (!a->pending.used)
			continue;
		pthread_mutex_unlock(&a->count_lock);
		struct cv_err err;
		if (flush(a, &err))
			cv_log(0, CV_WARN, "audit.counters", "error=\"%s\"", err.text);
		pthread_mutex_lock(&a->count_lock);
	}
	pthread_mutex_unlock(&a->count_lock);
	return NULL;
}

enum cv_status
audit_counters_start(struct cv_audit *a, struct cv_err *err)
{
	int failed = pthread_create(&a->thread, NULL, flusher, a);
	if (failed)
		return cv_fail_errno(err, CV_TEMPFAIL, failed,
		                     "cannot start the thread of the counters");
	a->has_thread = true;
	return CV_OK;
}

void
audit_counters_stop(struct cv_audit *a)
{
	if (!a->has_thread)
		return;
	pthread_mutex_lock(&a->count_lock);
	a->has_ended = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->count_lock);
	pthread_join(a->thread, NULL);
	struct cv_err err;
	if (flush(a, &err))
		cv_log(0, CV_WARN, "audit.counters", "error=\"%s\"", err.text);
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&a->pending, &pos, &key, &value);)
		free(value);
}

/* ---- reading ---- */

struct reading {
	bool (*fn)(void *arg, const struct cv_counts *c);
	void *arg;
	bool is_bad;
};

static bool
on_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct reading *g = arg;
	struct cv_counts c = {0};
	struct cv_rd r = cv_rd(cv_str_sub(key, KEY_BYTES - 4, key.n));
	c.day = cv_rd_be32(&r);
	if (r.bad || !decode(value, &c)) {
		g->is_bad = true;
		return false;
	}
	return g->fn(g->arg, &c);
}

enum cv_status
cv_audit_counts(struct cv_audit *a, cv_acct_id acct, uint32_t from_day, uint32_t to_day,
                bool (*fn)(void *arg, const struct cv_counts *c), void *arg, struct cv_err *err)
{
	enum cv_status status = flush(a, err);
	if (status)
		return status;
	struct cv_buf from = CV_BUF_INIT(64), to = CV_BUF_INIT(64);
	count_key(acct, from_day, &from);
	count_key(acct, to_day, &to);
	cv_buf_c(&to, 0); /* TO is not part of a scan, to_day is part of ours */
	struct reading g = { fn, arg, false };
	status = cv_meta_scan(cv_store_engine(a->store), AUDIT_COUNT_ACCT, cv_buf_view(&from),
		cv_buf_view(&to), 0, on_row, &g, err);
	cv_buf_done(&from);
	cv_buf_done(&to);
	if (!status && g.is_bad)
		status = cv_fail(err, CV_CORRUPT, "a row of usage counters is damaged");
	return status;
}
