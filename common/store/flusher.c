/* flusher.c - see flusher.h.
 *
 * `issued` grows after a commit, so whatever is issued when a round begins is covered by its sync.
 * Waiters are taken before `issued` is read: every waiter taken is released by that round.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/flusher.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/clock.h"

#define FLUSH_IDLE_MS 200

struct cv_flusher {
	void (*sync)(void *arg);
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock; /* guards waiting, stop */
	pthread_cond_t wake;
	struct cv_waiter *waiting; /* newest first */
	bool stop;
	_Atomic cv_ticket issued, durable;
	_Atomic uint64_t flushes, parked;
};

struct blocked {
	struct cv_waiter waiter;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done;
};

static struct cv_waiter *
merge(struct cv_waiter *a, struct cv_waiter *b)
{
	struct cv_waiter *head = NULL, **tail = &head;
	while (a && b) {
		struct cv_waiter **least = a->ticket <= b->ticket ? &a : &b;
		*tail = *least;
		tail = &(*least)->next;
		*least = (*least)->next;
	}
	*tail = a ? a : b;
	return head;
}

/* Merge sort with runs of doubling length in `runs`: 2^32 waiters would not fill it. */
static struct cv_waiter *
by_ticket(struct cv_waiter *list)
{
	struct cv_waiter *runs[32] = {0};
	while (list) {
		struct cv_waiter *run = list;
		list = list->next;
		run->next = NULL;
		size_t i = 0;
		for (; runs[i]; i++) {
			run = merge(runs[i], run);
			runs[i] = NULL;
		}
		runs[i] = run;
	}
	struct cv_waiter *all = NULL;
	for (size_t i = 0; i < CV_COUNT(runs); i++)
		all = merge(runs[i], all);
	return all;
}

static void
release(struct cv_flusher *f, struct cv_waiter *list)
{
	for (struct cv_waiter *w = by_ticket(list), *next; w; w = next) {
		next = w->next; /* w is its owner's again once fn ran */
		atomic_fetch_sub(&f->parked, 1);
		w->fn(w);
	}
}

/* Sleeps until somebody waits, the flusher shall stop, or commits have been left alone a while. */
static struct cv_waiter *
next_round(struct cv_flusher *f, bool *stop_out)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += FLUSH_IDLE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;

	pthread_mutex_lock(&f->lock);
	int timed_out = 0;
	while (!f->waiting && !f->stop && !timed_out)
		timed_out = pthread_cond_timedwait(&f->wake, &f->lock, &until);
	struct cv_waiter *taken = f->waiting;
	f->waiting = NULL;
	*stop_out = f->stop;
	pthread_mutex_unlock(&f->lock);
	return taken;
}

static void *
run(void *arg)
{
	struct cv_flusher *f = arg;
	bool stop = false;
	while (!stop) {
		struct cv_waiter *taken = next_round(f, &stop);
		cv_ticket goal = atomic_load(&f->issued);
		if (goal > atomic_load(&f->durable)) {
			f->sync(f->arg);
			atomic_fetch_add(&f->flushes, 1);
			atomic_store(&f->durable, goal);
		}
		release(f, taken);
	}
	return NULL;
}

enum cv_status
cv_flusher_start(void (*sync)(void *arg), void *arg, struct cv_flusher **out, struct cv_err *err)
{
	struct cv_flusher *f = cv_calloc(1, sizeof *f);
	f->sync = sync;
	f->arg = arg;
	pthread_mutex_init(&f->lock, NULL);
	cv_cond_init(&f->wake);
	int failed = pthread_create(&f->thread, NULL, run, f);
	if (failed) {
		free(f);
		return cv_fail_errno(err, CV_TEMPFAIL, failed, "cannot start the flusher");
	}
	*out = f;
	return CV_OK;
}

void
cv_flusher_stop(struct cv_flusher *f)
{
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	/* The last round's callbacks may have parked again on what that round made durable. */
	release(f, f->waiting);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

cv_ticket
cv_flusher_ticket(struct cv_flusher *f)
{
	return atomic_fetch_add(&f->issued, 1) + 1;
}

bool
cv_flusher_is_durable(struct cv_flusher *f, cv_ticket ticket)
{
	return ticket <= atomic_load(&f->durable);
}

void
cv_flusher_wait(struct cv_flusher *f, cv_ticket ticket, struct cv_waiter *w)
{
	assert(ticket <= atomic_load(&f->issued));
	w->ticket = ticket;
	if (cv_flusher_is_durable(f, ticket)) {
		w->fn(w);
		return;
	}
	atomic_fetch_add(&f->parked, 1);
	pthread_mutex_lock(&f->lock);
	w->next = f->waiting;
	f->waiting = w;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

static void
unblock(struct cv_waiter *w)
{
	struct blocked *b = CV_CONTAINER(w, struct blocked, waiter);
	pthread_mutex_lock(&b->lock);
	b->is_done = true;
	pthread_cond_signal(&b->done);
	pthread_mutex_unlock(&b->lock);
}

void
cv_flusher_block(struct cv_flusher *f, cv_ticket ticket)
{
	struct blocked b = {.waiter.fn = unblock};
	if (cv_flusher_is_durable(f, ticket))
		return;
	pthread_mutex_init(&b.lock, NULL);
	pthread_cond_init(&b.done, NULL);
	cv_flusher_wait(f, ticket, &b.waiter);
	pthread_mutex_lock(&b.lock);
	while (!b.is_done)
		pthread_cond_wait(&b.done, &b.lock);
	pthread_mutex_unlock(&b.lock);
	pthread_cond_destroy(&b.done);
	pthread_mutex_destroy(&b.lock);
}

void
cv_flusher_counts(struct cv_flusher *f, uint64_t *flushes_out, uint64_t *waiters_out)
{
	*flushes_out = atomic_load(&f->flushes);
	*waiters_out = atomic_load(&f->parked);
}
