/* clock.c - reading the clocks. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"

#include <stdatomic.h>

#include "common/base/str.h"

static _Atomic int64_t shift_ms;

#ifdef CV_TESTING
/* A test of dated acts starts a program on another day. */
__attribute__((constructor)) static void
read_shift(void)
{
	const char *text = getenv("CONGVU_CLOCK_SHIFT");
	struct cv_str number = cv_str_z(text);
	uint64_t secs;
	bool is_back = number.n && number.p[0] == '-';

	if (!number.n)
		return;
	if (cv_str_u64(cv_str_sub(number, is_back, number.n), UINT32_MAX, &secs))
		cv_die("CONGVU_CLOCK_SHIFT=\"%s\" cannot be read", text);
	cv_clock_shift(is_back ? -(int64_t)secs : (int64_t)secs);
}
#endif

static int64_t
read_us(clockid_t id)
{
	struct timespec ts;
	if (clock_gettime(id, &ts))
		cv_die("the clock cannot be read");
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
cv_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t
cv_mono_ms(void)
{
	return cv_mono_us() / 1000;
}

int64_t
cv_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000 +
	       atomic_load_explicit(&shift_ms, memory_order_relaxed);
}

int64_t
cv_wall_secs(void)
{
	return cv_wall_ms() / 1000;
}

void
cv_clock_shift(int64_t secs)
{
	atomic_fetch_add_explicit(&shift_ms, secs * 1000, memory_order_relaxed);
}

void
cv_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}
