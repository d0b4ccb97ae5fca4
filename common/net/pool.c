/* pool.c - a bounded queue and some threads that empty it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>

#include "common/net/pool.h"
#include "common/net/thread.h"

struct pool_job {
	void (*fn)(void *arg);
	void *arg;
};

struct cv_pool {
	char name[16];
	pthread_mutex_t lock; /* over the next lines */
	pthread_cond_t more;
	struct pool_job *ring;
	unsigned cap, first, count;
	bool ended;
	unsigned thread_count;
	pthread_t threads[];
};

static bool
next_job(struct cv_pool *p, struct pool_job *job_out)
{
	pthread_mutex_lock(&p->lock);
	while (!p->count && !p->ended)
		pthread_cond_wait(&p->more, &p->lock);
	bool found = p->count > 0;
	if (found) {
		*job_out = p->ring[p->first];
		p->first = (p->first + 1) % p->cap;
		p->count--;
	}
	pthread_mutex_unlock(&p->lock);
	return found;
}

static void *
pool_main(void *arg)
{
	struct cv_pool *p = arg;
	struct pool_job job;
	while (next_job(p, &job))
		job.fn(job.arg);
	return NULL;
}

enum cv_status
cv_pool_new(const char *name, unsigned threads, unsigned queue_max, struct cv_pool **out,
            struct cv_err *err)
{
	if (!threads || !queue_max)
		return cv_fail(err, CV_INVALID, "pool %s: needs threads and room", name);
	struct cv_pool *p = cv_calloc(1, sizeof(*p) + threads * sizeof(p->threads[0]));
	snprintf(p->name, sizeof(p->name), "%s", name);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->cap = queue_max;
	p->ring = cv_calloc(queue_max, sizeof(*p->ring));
	enum cv_status status = CV_OK;
	while (!status && p->thread_count < threads) {
		status = cv_thread_start(&p->threads[p->thread_count], p->name, pool_main, p, err);
		p->thread_count += !status;
	}
	if (status)
		cv_pool_free(p);
	else
		*out = p;
	return status;
}

enum cv_status
cv_pool_run(struct cv_pool *p, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&p->lock);
	bool full = p->count == p->cap || p->ended;
	if (!full)
		p->ring[(p->first + p->count++) % p->cap] = (struct pool_job){fn, arg};
	pthread_mutex_unlock(&p->lock);
	if (full)
		return CV_LIMIT;
	pthread_cond_signal(&p->more);
	return CV_OK;
}

void
cv_pool_free(struct cv_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	pthread_mutex_unlock(&p->lock);
	pthread_cond_broadcast(&p->more);
	for (unsigned i = 0; i < p->thread_count; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p->ring);
	free(p);
}
