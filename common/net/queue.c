/* queue.c - what waits for a worker, in the order it came; slow work in a lane of its own.
 *
 * A push wakes one idle worker; a worker that takes something and sees more wakes the next. So a
 * batch of events costs one wake-up when one worker is enough for it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/private.h"

void
cv_queue_init(struct cv_queue *q, unsigned workers)
{
	memset(q, 0, sizeof(*q));
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->more, NULL);
	cv_list_init(&q->normal);
	cv_list_init(&q->slow);
	q->slow_max = CV_MAX(workers / 2, 1u);
}

void
cv_queue_done(struct cv_queue *q)
{
	pthread_cond_destroy(&q->more);
	pthread_mutex_destroy(&q->lock);
}

static bool
slow_has_room(const struct cv_queue *q)
{
	return q->slow_running < q->slow_max;
}

/* The older of the two heads that may run now, unlinked; or NULL. */
static struct cv_work *
choose(struct cv_queue *q, bool *slow_out)
{
	struct cv_link *normal = cv_list_is_empty(&q->normal) ? NULL : q->normal.next;
	struct cv_link *slow = cv_list_is_empty(&q->slow) || !slow_has_room(q) ? NULL
	                                                                       : q->slow.next;
	struct cv_work *a = normal ? CV_CONTAINER(normal, struct cv_work, link) : NULL;
	struct cv_work *b = slow ? CV_CONTAINER(slow, struct cv_work, link) : NULL;
	*slow_out = b && (!a || b->seq < a->seq);
	struct cv_work *w = *slow_out ? b : a;
	if (!w)
		return NULL;
	if (*slow_out)
		q->slow_running++;
	cv_list_remove(&w->link);
	atomic_fetch_sub_explicit(&q->waiting, 1, memory_order_relaxed);
	return w;
}

void
cv_queue_push(struct cv_queue *q, struct cv_work *w, bool slow)
{
	pthread_mutex_lock(&q->lock);
	w->seq = q->seq++;
	cv_list_append(slow ? &q->slow : &q->normal, &w->link);
	atomic_fetch_add_explicit(&q->waiting, 1, memory_order_relaxed);
	bool wake = q->idle > 0;
	pthread_mutex_unlock(&q->lock);
	if (wake)
		pthread_cond_signal(&q->more);
}

struct cv_work *
cv_queue_pop(struct cv_queue *q, bool *slow_out)
{
	struct cv_work *w;
	pthread_mutex_lock(&q->lock);
	while (!(w = choose(q, slow_out)) && !q->ended) {
		q->idle++;
		pthread_cond_wait(&q->more, &q->lock);
		q->idle--;
	}
	bool wake = w && q->idle > 0 &&
	            (!cv_list_is_empty(&q->normal) ||
	             (!cv_list_is_empty(&q->slow) && slow_has_room(q)));
	pthread_mutex_unlock(&q->lock);
	if (wake)
		pthread_cond_signal(&q->more);
	return w;
}

bool
cv_queue_slow_try(struct cv_queue *q)
{
	pthread_mutex_lock(&q->lock);
	bool got = slow_has_room(q) && cv_list_is_empty(&q->slow);
	if (got)
		q->slow_running++;
	pthread_mutex_unlock(&q->lock);
	return got;
}

void
cv_queue_slow_release(struct cv_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->slow_running--;
	bool wake = q->idle > 0 && !cv_list_is_empty(&q->slow);
	pthread_mutex_unlock(&q->lock);
	if (wake)
		pthread_cond_signal(&q->more);
}

void
cv_queue_end(struct cv_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->ended = true;
	pthread_mutex_unlock(&q->lock);
	pthread_cond_broadcast(&q->more);
}
