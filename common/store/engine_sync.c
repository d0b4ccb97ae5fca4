/* engine_sync.c - a round's two syncs at the same time: bodies on a thread of their own, the log on
 * the flusher's.
 *
 * Nobody is told of a round before both have ended, so a row that is acknowledged has its body on
 * disk (E3). When the power fails between the two, the log may hold rows whose bodies are lost, as
 * it may for a commit that slips into a round whose bodies are being synced already. Nobody was
 * told of these rows, and recovery takes them out by cv_engine_lost_bodies() (E4).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>

#include "common/store/engine_impl.h"

enum state { IDLE, WANTED, STOP };

struct cv_blob_syncer {
	struct cv_blobs *blobs;
	pthread_t thread;
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t wanted, done;
	enum state state;
	enum cv_status status;
	struct cv_err err;
};

static void *
run(void *arg)
{
	struct cv_blob_syncer *y = arg;
	struct cv_err err;
	pthread_mutex_lock(&y->lock);
	for (;;) {
		while (y->state == IDLE)
			pthread_cond_wait(&y->wanted, &y->lock);
		if (y->state == STOP)
			break;
		pthread_mutex_unlock(&y->lock);
		enum cv_status status = y->blobs->ops->sync(y->blobs, &err);
		pthread_mutex_lock(&y->lock);
		y->status = status;
		if (status)
			y->err = err;
		y->state = IDLE;
		pthread_cond_signal(&y->done);
	}
	pthread_mutex_unlock(&y->lock);
	return NULL;
}

enum cv_status
cv_blob_syncer_start(struct cv_blobs *blobs, struct cv_blob_syncer **out, struct cv_err *err)
{
	struct cv_blob_syncer *y = cv_calloc(1, sizeof *y);
	y->blobs = blobs;
	pthread_mutex_init(&y->lock, NULL);
	pthread_cond_init(&y->wanted, NULL);
	pthread_cond_init(&y->done, NULL);
	int failed = pthread_create(&y->thread, NULL, run, y);
	if (failed) {
		free(y);
		return cv_fail_errno(err, CV_TEMPFAIL, failed, "cannot start syncing bodies");
	}
	*out = y;
	return CV_OK;
}

void
cv_blob_syncer_begin(struct cv_blob_syncer *y)
{
	pthread_mutex_lock(&y->lock);
	assert(y->state == IDLE);
	y->state = WANTED;
	pthread_cond_signal(&y->wanted);
	pthread_mutex_unlock(&y->lock);
}

enum cv_status
cv_blob_syncer_end(struct cv_blob_syncer *y, struct cv_err *err)
{
	pthread_mutex_lock(&y->lock);
	while (y->state != IDLE)
		pthread_cond_wait(&y->done, &y->lock);
	enum cv_status status = y->status;
	if (status && err)
		*err = y->err;
	pthread_mutex_unlock(&y->lock);
	return status;
}

void
cv_blob_syncer_stop(struct cv_blob_syncer *y)
{
	if (!y)
		return;
	pthread_mutex_lock(&y->lock);
	y->state = STOP;
	pthread_cond_signal(&y->wanted);
	pthread_mutex_unlock(&y->lock);
	pthread_join(y->thread, NULL);
	pthread_cond_destroy(&y->wanted);
	pthread_cond_destroy(&y->done);
	pthread_mutex_destroy(&y->lock);
	free(y);
}
