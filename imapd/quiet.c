/* quiet.c - see quiet.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/quiet.h"

#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

#define SAMPLE_US  200000
#define QUIET_PART 8 /* of the cores */

static int64_t
cpu_us(clockid_t clock)
{
	struct timespec t = {0};

	(void)clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

bool
imapd_quiet_now(struct imapd_quiet *q)
{
	int64_t now = cv_mono_us(), passed = now - q->at_us;

	if (q->at_us && passed < SAMPLE_US)
		return q->is_quiet;
	int64_t others = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_us(CLOCK_THREAD_CPUTIME_ID);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t little = passed * (cores > 0 ? cores : 1) / QUIET_PART;
	q->is_quiet = q->at_us && others - q->others_us < little;
	q->at_us = now;
	q->others_us = others;
	return q->is_quiet;
}
