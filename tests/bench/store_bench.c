/* bench: store */
/* store_bench.c - durable commits a second, and bodies in megabytes a second, of the engines alone.
 *
 * Each thread keeps PARKED deliveries under way, as a worker does: it commits, parks the answer on
 * the ticket, and goes on with another. A delivery is six rows, about 3 KB, in one of 12,077
 * accounts. Usage: bench_store [seconds] [threads] [directory]
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/store/engine.h"

#define PARKED 64
#define ACCOUNTS 12077
#define THREADS_MAX 64

struct worker;
struct parked {
	struct cv_waiter waiter;
	struct worker *worker;
	struct parked *next;
	int64_t since_us;
};
struct worker {
	struct cv_engine *e;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct parked *ready;
	struct parked all[PARKED];
	uint64_t done, wait_us, reads;
	unsigned number;
	bool with_bodies;
};

static atomic_bool stop;

static void
released(struct cv_waiter *w)
{
	struct parked *p = CV_CONTAINER(w, struct parked, waiter);
	struct worker *k = p->worker;
	pthread_mutex_lock(&k->lock);
	bool was_empty = !k->ready;
	p->next = k->ready;
	k->ready = p;
	if (was_empty)
		pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
}

static struct parked *
next_ready(struct worker *k)
{
	pthread_mutex_lock(&k->lock);
	while (!k->ready)
		pthread_cond_wait(&k->wake, &k->lock);
	struct parked *p = k->ready;
	k->ready = p->next;
	pthread_mutex_unlock(&k->lock);
	return p;
}

static void
must(enum cv_status status, const struct cv_err *err)
{
	if (status)
		cv_die("%s: %s", cv_status_name(status), err->text);
}

static void
row_key(char *p, char type, uint64_t number)
{
	p[0] = type;
	p[1] = '/';
	for (int i = 0; i < 8; i++)
		p[2 + i] = (char)(number >> (56 - 8 * i));
}

static cv_ticket
deliver(struct worker *k, const char *bytes)
{
	static const struct { char type; size_t n; bool is_new; } rows[] = {
		{'H', 60, false}, {'B', 120, false}, {'M', 200, true}, {'S', 2000, true},
		{'F', 480, false}, {'D', 40, true},
	};
	struct cv_err err;
	char keys[6][10];
	struct cv_put puts[6];
	uint64_t random = cv_random_u64();
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		row_key(keys[i], rows[i].type, rows[i].is_new ? k->done << 8 | k->number : 1);
		puts[i] = (struct cv_put){{keys[i], 10}, {bytes + i, rows[i].n}};
	}
	struct cv_batch b = {.acct = cv_acct(CV_CLASS_USER, random % ACCOUNTS),
		.expect = CV_VERSION_ANY, .puts = puts, .count = CV_COUNT(puts)};
	cv_ticket ticket;
	must(cv_meta_commit(k->e, &b, 1, &ticket, &err), &err);
	must(b.result, &err);
	return ticket;
}

static void
put_body(struct worker *k, const char *bytes, size_t n)
{
	struct cv_err err;
	struct cv_blob_put *put;
	struct cv_blob_ref ref;
	must(cv_blob_begin(k->e, CV_STR("bench"), n, &put, &err), &err);
	must(cv_blob_write(put, cv_str(bytes, n), &err), &err);
	must(cv_blob_finish(put, &ref, &err), &err);
}

static void *
work(void *arg)
{
	struct worker *k = arg;
	char bytes[10240];
	for (size_t i = 0; i < sizeof bytes; i++) /* about as dense as base64 */
		bytes[i] = (char)('0' + cv_random_below(64));
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		struct parked *p = next_ready(k);
		int64_t now = cv_mono_us();
		if (p->since_us)
			k->wait_us += (uint64_t)(now - p->since_us);
		p->since_us = now;
		if (k->with_bodies)
			put_body(k, bytes, sizeof bytes);
		cv_ticket ticket = deliver(k, bytes);
		k->done++;
		cv_ticket_wait(k->e, ticket, &p->waiter);
	}
	for (int i = 0; i < PARKED; i++)
		(void)next_ready(k);
	return NULL;
}

static double
cpu_secs(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
run(struct cv_engine *e, unsigned threads, unsigned secs, bool with_bodies)
{
	static struct worker workers[THREADS_MAX];
	struct cv_engine_stats before, after;
	uint64_t done = 0, wait_us = 0;
	cv_engine_stats(e, &before);
	double cpu = cpu_secs();
	int64_t start = cv_mono_us();
	atomic_store(&stop, false);
	for (unsigned i = 0; i < threads; i++) {
		struct worker *k = &workers[i];
		*k = (struct worker){.e = e, .number = i, .with_bodies = with_bodies};
		pthread_mutex_init(&k->lock, NULL);
		pthread_cond_init(&k->wake, NULL);
		for (int j = 0; j < PARKED; j++) {
			k->all[j].worker = k;
			k->all[j].waiter.fn = released;
			k->all[j].next = k->ready;
			k->ready = &k->all[j];
		}
		if (pthread_create(&k->thread, NULL, work, k))
			cv_die("cannot start a thread");
	}
	sleep(secs);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		done += workers[i].done;
		wait_us += workers[i].wait_us;
	}
	double elapsed = (double)(cv_mono_us() - start) / 1e6;
	cv_engine_stats(e, &after);
	uint64_t flushes = after.flushes - before.flushes;
	printf("%-12s %u threads x %d: %8.0f durable commits/s, mean wait %5.2f ms, %5.1f a flush, "
	       "%5.1f us CPU each, log %4.0f B each, checkpoints %" PRIu64 "\n",
		with_bodies ? "rows + 10 KB" : "rows", threads, PARKED, (double)done / elapsed,
		(double)wait_us / 1e3 / (double)CV_MAX(done, 1u),
		(double)done / (double)CV_MAX(flushes, 1u), (cpu_secs() - cpu) * 1e6 / (double)done,
		(double)(after.log_bytes - before.log_bytes) / (double)done,
		after.checkpoints - before.checkpoints);
}

static void
run_bodies(struct cv_engine *e, size_t n, unsigned secs)
{
	struct worker k = {.e = e};
	char *bytes = cv_malloc(n);
	uint64_t count = 0;
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)('0' + cv_random_below(64));
	double cpu = cpu_secs();
	int64_t start = cv_mono_us(), end = start + (int64_t)secs * 1000000;
	for (; cv_mono_us() < end; count++)
		put_body(&k, bytes, n);
	double elapsed = (double)(cv_mono_us() - start) / 1e6;
	printf("bodies of %7zu bytes: %8.0f/s, %6.1f MB/s, %6.1f us CPU each\n", n,
		(double)count / elapsed, (double)(count * n) / 1e6 / elapsed,
		(cpu_secs() - cpu) * 1e6 / (double)count);
	free(bytes);
}

static int
unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

int
main(int argc, char **argv)
{
	uint64_t secs = 3, threads = 2;
	if ((argc > 1 && cv_str_u64(cv_str_z(argv[1]), 3600, &secs)) ||
		(argc > 2 && cv_str_u64(cv_str_z(argv[2]), THREADS_MAX, &threads)))
		cv_die("usage: bench_store [seconds] [threads] [directory]");
	char dir[512];
	snprintf(dir, sizeof dir, "%s/store-bench-XXXXXX", argc > 3 ? argv[3] : "/var/tmp");
	if (!mkdtemp(dir))
		cv_die("cannot make %s", dir);
	struct cv_engine_options o = {.dir = dir, .with_blobs = true, .cache_bytes = 256u << 20};
	struct cv_engine *e;
	struct cv_err err;
	bool crashed;
	must(cv_engine_open(&o, &e, &crashed, &err), &err);
	run(e, (unsigned)threads, (unsigned)secs, false);
	run(e, (unsigned)threads, (unsigned)secs, true);
	run_bodies(e, 3000, (unsigned)secs);
	run_bodies(e, 10240, (unsigned)secs);
	run_bodies(e, 1u << 20, (unsigned)secs);
	int64_t before = cv_mono_us();
	cv_engine_close(e);
	printf("close: %.1f ms\n", (double)(cv_mono_us() - before) / 1e3);
	(void)nftw(dir, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
