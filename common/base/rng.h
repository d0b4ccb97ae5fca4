/* rng.h - random bytes from the kernel, buffered per thread. Thread-safe. Fit for secrets. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_RNG_H
#define CV_RNG_H

#include "common/base/base.h"

void cv_random(void *p, size_t n);
uint64_t cv_random_u64(void);
uint64_t cv_random_below(uint64_t bound); /* uniform in [0, bound); bound > 0 */

#endif
