/* thread.h - threads that leave signals to the main thread. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_THREAD_H
#define CV_THREAD_H

#include <pthread.h>

#include "common/base/err.h"

/* Starts MAIN_FN(ARG) with every signal blocked but those that tell of a fault in the thread
 * itself; a peer that is gone is then an error of write() (SIGPIPE is blocked too). NAME: at most
 * 15 bytes. */
CV_MUST_CHECK enum cv_status cv_thread_start(pthread_t *thread, const char *name,
                                             void *(*main_fn)(void *arg), void *arg,
                                             struct cv_err *err);

#endif
