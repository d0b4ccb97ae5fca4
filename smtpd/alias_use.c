/* alias_use.c - see alias_use.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/alias_use.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/net/ctl.h"

#define WAITING_MAX 50000u /* aliases and days; the register has not many more */
#define ROWS_MAX    5000u  /* of one request */
#define HAND_SECS   3
#define ASK_SECS    20

struct use {
	uint32_t day, inside, outside;
	int64_t last_secs;
};
struct smtpd_alias_use {
	char path[1100];
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct cv_map waiting; /* alias, NUL, day -> struct use */
	size_t dropped;
	pthread_t thread;
	bool stopping, was_down;
};

static uint32_t
local_day(int64_t secs)
{
	time_t t = (time_t)secs;
	struct tm tm;

	localtime_r(&t, &tm);
	return (uint32_t)((secs + tm.tm_gmtoff) / 86400);
}

struct cv_str
smtpd_alias_of(const struct cv_reg_hit *hit, struct cv_arena *arena)
{
	if (!hit->by_alias)
		return CV_STR_EMPTY;
	if (!hit->alias_domain.n)
		return cv_arena_str(arena, hit->key);
	size_t at = hit->key.n;
	while (at && hit->key.p[at - 1] != '@')
		at--;
	return cv_arena_printf(arena, "%.*s%.*s", CV_STR_ARGS(cv_str_sub(hit->key, 0, at)),
		CV_STR_ARGS(hit->alias_domain));
}

/* Under the lock. */
static void
add(struct smtpd_alias_use *u, struct cv_str key, const struct use *more)
{
	struct use *use = cv_map_get(&u->waiting, key);

	if (!use && u->waiting.used >= WAITING_MAX) {
		u->dropped++;
		return;
	}
	if (!use) {
		use = cv_calloc(1, sizeof *use);
		use->day = more->day;
		cv_map_put(&u->waiting, key, use);
	}
	use->inside += more->inside;
	use->outside += more->outside;
	use->last_secs = CV_MAX(use->last_secs, more->last_secs);
}

void
smtpd_alias_use_count(struct smtpd_alias_use *u, struct cv_str alias, bool is_inside)
{
	struct cv_buf key = CV_BUF_INIT(1024);
	int64_t now = cv_wall_secs();
	struct use one = {.day = local_day(now), .inside = is_inside, .outside = !is_inside,
		.last_secs = now};

	if (!u || !alias.n || alias.n > 400)
		return;
	cv_buf_str(&key, alias);
	cv_buf_c(&key, 0);
	cv_buf_be32(&key, one.day);
	pthread_mutex_lock(&u->lock);
	add(u, cv_buf_view(&key), &one);
	pthread_mutex_unlock(&u->lock);
	cv_buf_done(&key);
}

/* ---- handing over ---- */

struct batch {
	json_t *rows;
	struct cv_map taken; /* as `waiting`: comes back when nobody took it */
};

static void
batch_done(struct batch *b)
{
	struct cv_str key;
	void *value;

	json_decref(b->rows);
	for (size_t pos = 0; cv_map_each(&b->taken, &pos, &key, &value);)
		free(value);
	cv_map_done(&b->taken);
}

/* Under the lock: up to ROWS_MAX of what waits. */
static void
take(struct smtpd_alias_use *u, struct batch *b)
{
	struct cv_str key;
	void *value;
	size_t n = 0;

	b->rows = json_array();
	cv_map_init(&b->taken);
	for (size_t pos = 0; n < ROWS_MAX && cv_map_each(&u->waiting, &pos, &key, &value); n++) {
		struct use *use = value;
		struct cv_str alias = cv_str_sub(key, 0, key.n - 5);
		json_array_append_new(b->rows, json_pack("{s:s%, s:I, s:I, s:I, s:I}", "alias",
			alias.p, alias.n, "day", (json_int_t)use->day, "inside",
			(json_int_t)use->inside, "outside", (json_int_t)use->outside, "last",
			(json_int_t)use->last_secs));
		cv_map_put(&b->taken, key, use);
	}
	for (size_t pos = 0; cv_map_each(&b->taken, &pos, &key, &value);)
		(void)cv_map_del(&u->waiting, key);
}

static bool
hand_over(struct smtpd_alias_use *u, struct batch *b)
{
	json_t *request = json_pack("{s:s, s:O}", "do", "alias.note", "rows", b->rows);
	json_t *reply = NULL;
	struct cv_err err = {0};
	enum cv_status status = cv_ctl_ask(u->path, request, ASK_SECS, NULL, NULL, &reply, &err);

	json_decref(request);
	json_decref(reply);
	if (status && !u->was_down)
		cv_log(0, CV_WARN, "alias.use_waits", "socket=%s error=\"%s\"", u->path, err.text);
	u->was_down = status != CV_OK;
	return status == CV_OK;
}

/* False when nothing waits, or nobody takes it. Under the lock, which it gives up meanwhile. */
static bool
hand_some(struct smtpd_alias_use *u)
{
	struct batch b;
	struct cv_str key;
	void *value;

	if (!u->waiting.used)
		return false;
	take(u, &b);
	pthread_mutex_unlock(&u->lock);
	bool ok = hand_over(u, &b);
	pthread_mutex_lock(&u->lock);
	for (size_t pos = 0; !ok && cv_map_each(&b.taken, &pos, &key, &value);)
		add(u, key, value);
	batch_done(&b);
	return ok;
}

static void *
run(void *arg)
{
	struct smtpd_alias_use *u = arg;

	pthread_mutex_lock(&u->lock);
	while (!u->stopping) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += HAND_SECS;
		while (!u->stopping &&
			pthread_cond_timedwait(&u->wake, &u->lock, &until) != ETIMEDOUT)
			;
		while (hand_some(u))
			;
	}
	if (u->waiting.used || u->dropped)
		cv_log(0, CV_WARN, "alias.use_lost", "rows=%zu dropped=%zu", u->waiting.used,
			u->dropped);
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

static void
use_free(struct smtpd_alias_use *u)
{
	struct cv_str key;
	void *value;

	for (size_t pos = 0; cv_map_each(&u->waiting, &pos, &key, &value);)
		free(value);
	cv_map_done(&u->waiting);
	pthread_cond_destroy(&u->wake);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

enum cv_status
smtpd_alias_use_start(const char *run_dir, struct smtpd_alias_use **out, struct cv_err *err)
{
	struct smtpd_alias_use *u = cv_calloc(1, sizeof *u);
	sigset_t all, old;

	snprintf(u->path, sizeof u->path, "%s/imapd.ctl", run_dir);
	pthread_mutex_init(&u->lock, NULL);
	cv_cond_init(&u->wake);
	cv_map_init(&u->waiting);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	bool failed = pthread_create(&u->thread, NULL, run, u);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failed) {
		use_free(u);
		return cv_fail(err, CV_TEMPFAIL, "no thread for the use of aliases");
	}
	*out = u;
	return CV_OK;
}

void
smtpd_alias_use_stop(struct smtpd_alias_use *u)
{
	if (!u)
		return;
	pthread_mutex_lock(&u->lock);
	u->stopping = true;
	pthread_cond_signal(&u->wake);
	pthread_mutex_unlock(&u->lock);
	pthread_join(u->thread, NULL);
	use_free(u);
}
