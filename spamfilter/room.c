/* room.c - see room.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/room.h"

#include <errno.h>
#include <time.h>

void
spam_room_init(struct spam_room *r)
{
	pthread_condattr_t attr;

	*r = (struct spam_room){0};
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->given, &attr);
	pthread_condattr_destroy(&attr);
}

void
spam_room_done(struct spam_room *r)
{
	pthread_cond_destroy(&r->given);
	pthread_mutex_destroy(&r->lock);
}

bool
spam_room_take(struct spam_room *r, unsigned max, int64_t deadline_ms)
{
	const struct timespec until = {deadline_ms / 1000, deadline_ms % 1000 * 1000000};
	int fault = 0;

	pthread_mutex_lock(&r->lock);
	r->waiting++;
	while (r->taken >= max && fault != ETIMEDOUT)
		fault = pthread_cond_timedwait(&r->given, &r->lock, &until);
	r->waiting--;
	bool has_room = r->taken < max;
	r->taken += has_room;
	pthread_mutex_unlock(&r->lock);
	return has_room;
}

void
spam_room_give(struct spam_room *r)
{
	pthread_mutex_lock(&r->lock);
	r->taken--;
	pthread_cond_signal(&r->given);
	pthread_mutex_unlock(&r->lock);
}

unsigned
spam_room_taken(struct spam_room *r)
{
	pthread_mutex_lock(&r->lock);
	unsigned n = r->taken;
	pthread_mutex_unlock(&r->lock);
	return n;
}
