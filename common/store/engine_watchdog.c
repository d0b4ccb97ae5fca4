/* engine_watchdog.c - ends the process when a thread stays inside the engine for too long.
 *
 * Time is counted in passes of the watchdog thread, not by a clock: a machine that was suspended
 * does not look like a stuck thread. Slots are claimed by compare-and-swap, beginning at the slot
 * this thread used last, so an enter and a leave cost two uncontended atomic writes.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/store/engine_impl.h"

#define SLOTS 256u
#define NO_SLOT SLOTS
#define PASSES_PER_SEC 2u
#define SLOW_DISK_LIMIT_SECS 60u

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SLOW_BUILD true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SLOW_BUILD true
#endif
#endif
#ifndef IS_SLOW_BUILD
#define IS_SLOW_BUILD false
#endif

struct slot {
	_Alignas(64) _Atomic uint32_t since; /* pass of the enter; 0: free */
	_Atomic(const char *) what;
};

struct cv_watchdog {
	struct slot slots[SLOTS];
	_Atomic uint32_t pass; /* begins at 1 */
	_Atomic uint32_t sync_since;
	unsigned limit_secs;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

static _Thread_local unsigned last_slot;

void
cv_engine_die(int status, const char *event, const char *fmt, ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	cv_log(0, CV_ERROR, event, "%s", text);
	_exit(status);
}

static bool
runs_in_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");
	return preload && strstr(preload, "vgpreload");
}

unsigned
cv_watch_enter(struct cv_watchdog *w, const char *what)
{
	uint32_t now = atomic_load_explicit(&w->pass, memory_order_relaxed);
	for (unsigned i = 0; i < SLOTS; i++) {
		unsigned at = (last_slot + i) % SLOTS;
		uint32_t is_free = 0;
		if (!atomic_compare_exchange_strong(&w->slots[at].since, &is_free, now))
			continue;
		atomic_store_explicit(&w->slots[at].what, what, memory_order_relaxed);
		last_slot = at;
		return at;
	}
	return NO_SLOT; /* more threads than slots: this one goes unwatched */
}

void
cv_watch_leave(struct cv_watchdog *w, unsigned slot)
{
	if (slot != NO_SLOT)
		atomic_store_explicit(&w->slots[slot].since, 0, memory_order_release);
}

void
cv_watch_sync(struct cv_watchdog *w, bool under_way)
{
	atomic_store(&w->sync_since, under_way ? atomic_load(&w->pass) : 0);
}

static unsigned
limit_now(struct cv_watchdog *w, uint32_t now)
{
	uint32_t since = atomic_load(&w->sync_since);
	bool is_disk_slow = since && now - since >= PASSES_PER_SEC;
	return is_disk_slow ? CV_MAX(w->limit_secs, SLOW_DISK_LIMIT_SECS) : w->limit_secs;
}

static void
look(struct cv_watchdog *w)
{
	uint32_t now = atomic_fetch_add(&w->pass, 1) + 1;
	unsigned limit = limit_now(w, now);
	for (unsigned i = 0; i < SLOTS; i++) {
		uint32_t since = atomic_load(&w->slots[i].since);
		if (!since || now - since <= limit * PASSES_PER_SEC)
			continue;
		const char *what = atomic_load(&w->slots[i].what);
		cv_engine_die(CV_EXIT_STUCK, "store.stuck", "call=%s secs=%u", what ? what : "?",
			(now - since) / PASSES_PER_SEC);
	}
}

static void *
run(void *arg)
{
	struct cv_watchdog *w = arg;
	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += 1000000000L / PASSES_PER_SEC;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&w->wake, &w->lock, &until);
		if (!w->stop)
			look(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct cv_watchdog *
cv_watchdog_start(unsigned limit_secs)
{
	struct cv_watchdog *w = aligned_alloc(64, (sizeof *w + 63) / 64 * 64);
	if (!w)
		cv_die("out of memory");
	memset(w, 0, sizeof *w);
	w->pass = 1;
	w->limit_secs = limit_secs ? limit_secs : IS_SLOW_BUILD || runs_in_valgrind() ? 60 : 5;
	pthread_mutex_init(&w->lock, NULL);
	cv_cond_init(&w->wake);
	if (pthread_create(&w->thread, NULL, run, w))
		cv_die("cannot start the watchdog");
	return w;
}

void
cv_watchdog_stop(struct cv_watchdog *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
