/* stats.c - see stats.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/stats.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "common/base/clock.h"

#define DAY_SECS   86400
#define LOCAL_ZONE (7 * 3600) /* days are days in Việt Nam */
#define SWEEP_ROWS 1000

struct writer {
	void (*fn)(struct cv_engine *e, void *arg);
	void *arg;
};

struct spam_stats {
	pthread_rwlock_t lock;    /* read: the engine is in use */
	struct cv_engine *engine; /* NULL: nothing is kept */
	struct writer writers[SPAM_STATS_TABLES_MAX];
	size_t writer_count;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t wake_lock;
	pthread_cond_t wake;
	bool stopping;
};

cv_acct_id
spam_stats_acct(enum spam_stats_table table)
{
	return cv_acct(CV_CLASS_STATS, (uint64_t)table);
}

uint32_t
spam_stats_today(void)
{
	return (uint32_t)((cv_wall_secs() + LOCAL_ZONE) / DAY_SECS);
}

enum cv_status
spam_stats_open(const char *dir, struct spam_stats **out, struct cv_err *err)
{
	struct spam_stats *st = cv_calloc(1, sizeof *st);
	struct cv_engine_options o = {.dir = dir, .cache_bytes = SPAM_STATS_CACHE_BYTES};
	enum cv_status status = CV_OK;
	pthread_condattr_t attr;
	bool crashed;

	pthread_rwlock_init(&st->lock, NULL);
	pthread_mutex_init(&st->wake_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&st->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (dir && dir[0])
		status = cv_engine_open(&o, &st->engine, &crashed, err);
	if (status) {
		st->engine = NULL;
		spam_stats_close(st);
		return status;
	}
	*out = st;
	return CV_OK;
}

struct cv_engine *
spam_stats_engine(struct spam_stats *st)
{
	pthread_rwlock_rdlock(&st->lock);
	if (st->engine)
		return st->engine;
	pthread_rwlock_unlock(&st->lock);
	return NULL;
}

void
spam_stats_done(struct spam_stats *st)
{
	pthread_rwlock_unlock(&st->lock);
}

/* ---- writing behind ---- */

void
spam_stats_behind(struct spam_stats *st, void (*fn)(struct cv_engine *e, void *arg), void *arg)
{
	assert(st->writer_count < SPAM_STATS_TABLES_MAX && !st->has_thread);
	st->writers[st->writer_count++] = (struct writer){fn, arg};
}

static void
write_all(struct spam_stats *st)
{
	struct cv_engine *e = spam_stats_engine(st);

	if (!e)
		return;
	for (size_t i = 0; i < st->writer_count; i++)
		st->writers[i].fn(e, st->writers[i].arg);
	spam_stats_done(st);
}

static void *
run(void *arg)
{
	struct spam_stats *st = arg;
	struct timespec until;

	pthread_mutex_lock(&st->wake_lock);
	while (!st->stopping) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += SPAM_STATS_FLUSH_SECS;
		(void)pthread_cond_timedwait(&st->wake, &st->wake_lock, &until);
		if (st->stopping)
			break;
		pthread_mutex_unlock(&st->wake_lock);
		write_all(st);
		pthread_mutex_lock(&st->wake_lock);
	}
	pthread_mutex_unlock(&st->wake_lock);
	/* A stop may come before the first wait, or while something was written. */
	write_all(st);
	return NULL;
}

enum cv_status
spam_stats_start(struct spam_stats *st, struct cv_err *err)
{
	sigset_t all, old;

	if (!st->engine || !st->writer_count)
		return CV_OK;
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	st->has_thread = !pthread_create(&st->thread, NULL, run, st);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return st->has_thread ? CV_OK : cv_fail(err, CV_TEMPFAIL, "no thread for statistics");
}

void
spam_stats_stop(struct spam_stats *st)
{
	pthread_mutex_lock(&st->wake_lock);
	st->stopping = true;
	pthread_cond_signal(&st->wake);
	pthread_mutex_unlock(&st->wake_lock);
	if (st->has_thread)
		pthread_join(st->thread, NULL); /* it writes once more at its end */
	else
		write_all(st);
	st->has_thread = false;
	pthread_rwlock_wrlock(&st->lock);
	if (st->engine)
		cv_engine_close(st->engine);
	st->engine = NULL;
	pthread_rwlock_unlock(&st->lock);
}

void
spam_stats_close(struct spam_stats *st)
{
	if (!st)
		return;
	spam_stats_stop(st);
	pthread_rwlock_destroy(&st->lock);
	pthread_mutex_destroy(&st->wake_lock);
	pthread_cond_destroy(&st->wake);
	free(st);
}

/* ---- sweeping ---- */

struct sweep {
	struct cv_buf keys; /* each with its length */
	size_t count;
};

static bool
take_key(void *arg, struct cv_str key, struct cv_str value)
{
	struct sweep *sweep = arg;

	(void)value;
	cv_buf_bytes(&sweep->keys, key);
	return ++sweep->count < SWEEP_ROWS;
}

enum cv_status
spam_stats_sweep(struct cv_engine *e, enum spam_stats_table table, struct cv_str from,
	struct cv_str to, size_t *count_out, struct cv_err *err)
{
	struct sweep old = {.keys = CV_BUF_INIT(SWEEP_ROWS * (CV_KEY_MAX + 4))};
	struct cv_put puts[SWEEP_ROWS];
	cv_ticket ticket;
	enum cv_status status = cv_meta_scan(
		e, spam_stats_acct(table), from, to, SWEEP_ROWS, take_key, &old, err);
	struct cv_rd r = cv_rd(cv_buf_view(&old.keys));

	for (size_t i = 0; i < old.count; i++)
		puts[i] = (struct cv_put){cv_rd_bytes(&r), CV_STR_EMPTY};
	struct cv_batch batch = {.acct = spam_stats_acct(table),
		.expect = CV_VERSION_ANY,
		.puts = puts,
		.count = old.count};
	if (status == CV_OK && old.count)
		status = cv_meta_commit(e, &batch, 1, &ticket, err);
	if (status == CV_OK && old.count)
		status = batch.result;
	if (count_out)
		*count_out = old.count;
	cv_buf_done(&old.keys);
	return status;
}
