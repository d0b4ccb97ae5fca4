/* rng.c - getrandom(2) in batches, one buffer a thread. Bytes are wiped as they are given out, and
 * a fork throws the buffer away, so no two processes ever hand out the same bytes. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/rng.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>

#define BATCH_BYTES 512

static atomic_uint forks;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static _Thread_local struct {
	unsigned char bytes[BATCH_BYTES];
	size_t left;    /* unused bytes, at the end */
	unsigned forks; /* the value of `forks` when filled */
} batch;

static void
count_fork(void)
{
	atomic_fetch_add(&forks, 1);
}

static void
watch_forks(void)
{
	if (pthread_atfork(NULL, NULL, count_fork))
		cv_die("cannot watch for forks");
}

static void
fill(unsigned char *p, size_t n)
{
	while (n) {
		ssize_t got = getrandom(p, n, 0);
		if (got < 0 && errno != EINTR)
			cv_die("the kernel gives no random bytes (errno %d)", errno);
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
}

void
cv_random(void *p, size_t n)
{
	if (n > BATCH_BYTES / 4) {
		fill(p, n);
		return;
	}
	pthread_once(&once, watch_forks);
	unsigned now = atomic_load_explicit(&forks, memory_order_relaxed);
	if (n > batch.left || batch.forks != now) {
		fill(batch.bytes, sizeof batch.bytes);
		batch.left = sizeof batch.bytes;
		batch.forks = now;
	}
	unsigned char *from = batch.bytes + sizeof batch.bytes - batch.left;
	memcpy(p, from, n);
	explicit_bzero(from, n);
	batch.left -= n;
}

uint64_t
cv_random_u64(void)
{
	uint64_t v;
	cv_random(&v, sizeof v);
	return v;
}

uint64_t
cv_random_below(uint64_t bound)
{
	assert(bound > 0);
	/* 2^64 mod bound values at the bottom would make some answers likelier: draw again. */
	uint64_t unfair = (0 - bound) % bound;
	uint64_t v;
	do
		v = cv_random_u64();
	while (v < unfair);
	return v % bound;
}
