/* timer.c - deadlines in a binary heap.
 *
 * Nearly every deadline moves later before it comes (an idle limit after each command). So a
 * timer's heap entry is left where it is; when it comes up too early it is put back at the wanted
 * time. The order of the two atomics matters: a worker stores the deadline, then looks at the
 * entry; the poller clears the entry, then looks at the deadline. One of the two sees the other.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/private.h"

void
cv_timers_init(struct cv_timers *ts)
{
	memset(ts, 0, sizeof(*ts));
	pthread_mutex_init(&ts->lock, NULL);
}

void
cv_timers_done(struct cv_timers *ts)
{
	free(ts->heap);
	pthread_mutex_destroy(&ts->lock);
}

static void
place(struct cv_timers *ts, size_t pos, struct cv_timer_slot slot)
{
	ts->heap[pos] = slot;
	slot.timer->pos = pos;
}

static void
sift_up(struct cv_timers *ts, size_t pos, struct cv_timer_slot slot)
{
	while (pos > 0) {
		size_t parent = (pos - 1) / 2;
		if (ts->heap[parent].when_ms <= slot.when_ms)
			break;
		place(ts, pos, ts->heap[parent]);
		pos = parent;
	}
	place(ts, pos, slot);
}

static void
sift_down(struct cv_timers *ts, size_t pos, struct cv_timer_slot slot)
{
	for (;;) {
		size_t child = pos * 2 + 1;
		if (child >= ts->count)
			break;
		if (child + 1 < ts->count && ts->heap[child + 1].when_ms < ts->heap[child].when_ms)
			child++;
		if (slot.when_ms <= ts->heap[child].when_ms)
			break;
		place(ts, pos, ts->heap[child]);
		pos = child;
	}
	place(ts, pos, slot);
}

static void
heap_add(struct cv_timers *ts, struct cv_timer *t, int64_t when_ms)
{
	if (ts->count == ts->cap) {
		ts->cap = ts->cap ? ts->cap * 2 : 256;
		ts->heap = cv_realloc(ts->heap, ts->cap * sizeof(*ts->heap));
	}
	atomic_store(&t->entry_ms, when_ms);
	ts->count++;
	sift_up(ts, ts->count - 1, (struct cv_timer_slot){when_ms, t});
}

static void
heap_del(struct cv_timers *ts, struct cv_timer *t)
{
	size_t pos = t->pos;
	struct cv_timer_slot last = ts->heap[--ts->count];
	atomic_store(&t->entry_ms, 0);
	if (last.timer == t)
		return;
	if (pos > 0 && ts->heap[(pos - 1) / 2].when_ms > last.when_ms)
		sift_up(ts, pos, last);
	else
		sift_down(ts, pos, last);
}

bool
cv_timer_set(struct cv_timers *ts, struct cv_timer *t, int64_t when_ms)
{
	atomic_store(&t->deadline_ms, when_ms);
	int64_t entry_ms = atomic_load(&t->entry_ms);
	if (!when_ms || (entry_ms && entry_ms <= when_ms))
		return false;
	pthread_mutex_lock(&ts->lock);
	entry_ms = atomic_load(&t->entry_ms);
	if (entry_ms)
		heap_del(ts, t);
	heap_add(ts, t, when_ms);
	bool earlier = when_ms < ts->sleep_until_ms;
	if (earlier)
		ts->sleep_until_ms = when_ms;
	pthread_mutex_unlock(&ts->lock);
	return earlier;
}

void
cv_timer_remove(struct cv_timers *ts, struct cv_timer *t)
{
	pthread_mutex_lock(&ts->lock);
	atomic_store(&t->deadline_ms, 0);
	if (atomic_load(&t->entry_ms))
		heap_del(ts, t);
	pthread_mutex_unlock(&ts->lock);
}

int64_t
cv_timers_fire(struct cv_timers *ts, int64_t now_ms, void (*fire)(struct cv_timer *t, void *arg),
               void *arg)
{
	pthread_mutex_lock(&ts->lock);
	while (ts->count && ts->heap[0].when_ms <= now_ms) {
		struct cv_timer *t = ts->heap[0].timer;
		heap_del(ts, t);
		int64_t deadline_ms = atomic_load(&t->deadline_ms);
		if (deadline_ms > now_ms)
			heap_add(ts, t, deadline_ms);
		else if (deadline_ms)
			fire(t, arg);
	}
	int64_t next_ms = ts->count ? ts->heap[0].when_ms : -1;
	ts->sleep_until_ms = next_ms < 0 ? INT64_MAX : next_ms;
	pthread_mutex_unlock(&ts->lock);
	return next_ms;
}

struct cv_timer *
cv_timers_take_job(struct cv_timers *ts)
{
	struct cv_timer *found = NULL;
	pthread_mutex_lock(&ts->lock);
	for (size_t i = 0; i < ts->count && !found; i++)
		if (ts->heap[i].timer->job)
			found = ts->heap[i].timer;
	if (found)
		heap_del(ts, found);
	pthread_mutex_unlock(&ts->lock);
	return found;
}
