/* stats.c - the clock, latencies, and the one line of key=value that a run prints. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/load/load.h"

double
load_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
make_room(struct load_stats *s, size_t n)
{
	if (n <= s->cap)
		return;
	s->cap = n > s->cap * 2 ? n : s->cap * 2;
	s->micros = realloc(s->micros, s->cap * sizeof *s->micros);
	if (!s->micros)
		abort();
}

void
load_stats_add(struct load_stats *s, double secs)
{
	make_room(s, s->n + 1);
	s->micros[s->n++] = (uint32_t)(secs * 1e6);
}

void
load_stats_merge(struct load_stats *into, struct load_stats *from)
{
	if (from->n) {
		make_room(into, into->n + from->n);
		memcpy(into->micros + into->n, from->micros, from->n * sizeof *from->micros);
	}
	into->n += from->n;
	into->failed += from->failed;
	into->bytes += from->bytes;
	load_stats_free(from);
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static double
percentile(const struct load_stats *s, double part)
{
	if (!s->n)
		return 0;
	size_t i = (size_t)(part * (double)s->n);
	return s->micros[i < s->n ? i : s->n - 1] / 1e3;
}

void
load_stats_print(struct load_stats *s, double secs, FILE *out)
{
	if (s->n)
		qsort(s->micros, s->n, sizeof *s->micros, by_size);
	fprintf(out,
	        "ops=%zu failed=%llu secs=%.3f rate=%.1f p50_ms=%.3f p99_ms=%.3f max_ms=%.3f bytes=%llu\n",
	        s->n, (unsigned long long)s->failed, secs, secs > 0 ? (double)s->n / secs : 0,
	        percentile(s, 0.50), percentile(s, 0.99), percentile(s, 1),
	        (unsigned long long)s->bytes);
	fflush(out);
}

void
load_stats_free(struct load_stats *s)
{
	free(s->micros);
	*s = (struct load_stats){0};
}
