/* clock.h - the two clocks, in milliseconds, and a test's hand on them. Thread-safe. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_CLOCK_H
#define CV_CLOCK_H

#include <pthread.h>

#include "common/base/base.h"

int64_t cv_mono_ms(void); /* never goes back; for timeouts */
int64_t cv_mono_us(void);
int64_t cv_wall_ms(void); /* Unix time; for what people read */
int64_t cv_wall_secs(void);

/* Adds SECS to the wall clock of this process (tests of dated acts). Programs built with CV_TESTING
 * (every mode but release) begin with the shift that CONGVU_CLOCK_SHIFT names, in seconds, so that
 * a test starts a daemon on another day; what cannot be read ends the process. */
void cv_clock_shift(int64_t secs);

/* A condition whose pthread_cond_timedwait() goes by CLOCK_MONOTONIC, which nobody sets back. */
void cv_cond_init(pthread_cond_t *cond);

#endif
