/* queue_internal.h - what the files of the queue share. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_QUEUE_INTERNAL_H
#define CV_QUEUE_INTERNAL_H

#include <pthread.h>
#include <stdlib.h>

#include "common/store/queue_rows.h"

#define CV_QUEUE_SHARDS 4u
#define CV_QUEUE_RCPTS_MAX 100000u
#define CV_QUEUE_TEXT_MAX 4096u      /* of the envelope's texts */
#define CV_QUEUE_RCPT_TEXT_MAX 1024u /* of one recipient's: a full update must fit into a batch */

/* A body whose message is being deleted. */
struct cv_queue_dead {
	struct cv_waiter waiter;
	struct cv_queue *queue;
	struct cv_blob_ref ref;
	uint64_t size_bytes;
	struct cv_queue_dead *next;
};

struct cv_queue {
	struct cv_engine *engine;
	pthread_mutex_t shard_locks[CV_QUEUE_SHARDS]; /* read-and-commit of one shard */
	pthread_mutex_t lock;                         /* all below */
	pthread_cond_t wake;
	uint64_t last_id;
	struct cv_queue_stats stats;   /* without oldest_secs */
	struct cv_queue_dead *dead;    /* to be removed */
	size_t waiting;                /* deletions not durable yet */
	uint64_t removed_bytes;        /* of bodies, since the volumes were compacted last */
	bool closing;
	pthread_t undertaker;
};

cv_acct_id cv_queue_shard(uint64_t id);
uint64_t cv_queue_new_id(struct cv_queue *q);
/* Adds to the counts while the queue is being opened; no lock. */
void cv_queue_count(struct cv_queue *q, const struct cv_queue_msg *msg,
                    const struct cv_queue_rcpt *rcpt);
void *cv_queue_undertaker(void *arg);

#endif
