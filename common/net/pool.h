/* pool.h - a bounded pool of threads for slow outside work: password hashes, HTTPS, control
 * calls. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_POOL_H
#define CV_POOL_H

#include "common/base/err.h"

struct cv_pool;
CV_MUST_CHECK enum cv_status cv_pool_new(const char *name, unsigned threads, unsigned queue_max,
                                         struct cv_pool **out, struct cv_err *err);
/* CV_LIMIT when the queue is full: the caller answers "try again later". */
CV_MUST_CHECK enum cv_status cv_pool_run(struct cv_pool *p, void (*fn)(void *arg), void *arg);
/* Ends after the queued work is done. */
void cv_pool_free(struct cv_pool *p);

#endif
