/* crash: store */
/* engine_crash.c - kills an engine's owner again and again; whatever it acknowledged must be there.
 *
 * A child opens the store and WRITERS threads put bodies and rows; when a ticket is durable the
 * child says so through a pipe. It dies at a named point, or when the parent pleases. Another child
 * opens the store, which goes on growing from round to round, and checks:
 *   - every row acknowledged is there, with its body, byte for byte (E3)
 *   - rows are there in the order of their commits, without a gap (E2)
 *   - no row names a body that is not there, and each body has its count row (E4)
 *   - an account's version is the number of its commits: nothing half done, nothing done twice (E1)
 * Usage: crash_engine [seconds of random kills, 10 when not given]
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/store/engine.h"

#define WRITERS 3
#define LARGE_BODY (5u << 20)
#define LIFE_MS 20000 /* a child that passes its point too late is killed then */

static char dir[256];
static struct cv_engine *engine;
static int ack_fd;
static uint64_t acked[WRITERS]; /* commits acknowledged, by writer; the parent's knowledge */
static uint64_t rounds, faults;

struct ack {
	uint32_t writer;
	uint32_t number;
};

static void
must(enum cv_status status, const struct cv_err *err)
{
	if (status)
		cv_die("%s: %s", cv_status_name(status), err->text);
}

static void
fill(char *p, size_t n, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
	for (size_t i = 0; i < n; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		p[i] = i % 100 < 60 ? (char)('a' + (i + seed) % 26) : (char)x;
	}
}

static size_t
body_size(uint32_t writer, uint32_t number)
{
	uint64_t x = ((uint64_t)writer << 32 | number) * 0x9e3779b97f4a7c15u;
	return number % 61 == 60 ? LARGE_BODY : (size_t)(x >> 40) % 20000;
}

static cv_acct_id
acct_of(uint32_t writer)
{
	return cv_acct(CV_CLASS_USER, writer + 1);
}

static void
open_store(bool *crashed_out)
{
	struct cv_engine_options o = {.dir = dir, .with_blobs = true, .volume_bytes = 2u << 20,
		.cache_bytes = 4u << 20, .checkpoint_log_bytes = 2u << 20};
	struct cv_err err;
	must(cv_engine_open(&o, &engine, crashed_out, &err), &err);
}

/* ---- the child that works ---- */

static void
row_key(struct cv_buf *key, uint32_t number)
{
	cv_buf_reset(key);
	cv_buf_z(key, "M/");
	cv_buf_be32(key, number);
}

static void
put_body(uint32_t writer, uint32_t number, struct cv_blob_ref *ref)
{
	size_t n = body_size(writer, number);
	char *p = cv_malloc(n + 1);
	struct cv_blob_put *put;
	struct cv_err err;
	fill(p, n, (uint64_t)writer << 32 | number);
	must(cv_blob_begin(engine, CV_STR("crash"), n, &put, &err), &err);
	for (size_t at = 0; at < n; at += 70000)
		must(cv_blob_write(put, cv_str(p + at, CV_MIN(n - at, 70000u)), &err), &err);
	must(cv_blob_finish(put, ref, &err), &err);
	free(p);
}

/* The count row and the row that names the body, in one commit, in this order. */
static cv_ticket
commit_pair(uint32_t writer, uint32_t number, const struct cv_blob_ref *ref)
{
	struct cv_buf count_key = CV_BUF_INIT(64), key = CV_BUF_INIT(64);
	struct cv_err err;
	cv_ticket ticket;
	row_key(&key, number);
	cv_blob_count_key(ref, &count_key);
	struct cv_put count = {cv_buf_view(&count_key), CV_STR("1")};
	struct cv_put row = {cv_buf_view(&key), cv_str((const char *)ref->bytes, ref->n)};
	struct cv_batch batches[] = {
		{.acct = cv_blob_acct(ref), .expect = CV_VERSION_ANY, .puts = &count, .count = 1},
		{.acct = acct_of(writer), .expect = number, .puts = &row, .count = 1},
	};
	must(cv_meta_commit(engine, batches, 2, &ticket, &err), &err);
	for (size_t i = 0; i < CV_COUNT(batches); i++)
		if (batches[i].result)
			cv_die("writer %u, row %u, batch %zu: %s", writer, number, i,
				cv_status_name(batches[i].result));
	cv_buf_done(&count_key);
	cv_buf_done(&key);
	return ticket;
}

static void *
write_on(void *arg)
{
	uint32_t writer = (uint32_t)(uintptr_t)arg;
	uint64_t version;
	struct cv_err err;
	cv_acct_id acct = acct_of(writer);
	must(cv_meta_versions(engine, &acct, 1, &version, &err), &err);
	for (uint32_t number = (uint32_t)version;; number++) {
		struct cv_blob_ref ref;
		put_body(writer, number, &ref);
		cv_ticket_block(engine, commit_pair(writer, number, &ref));
		struct ack ack = {writer, number};
		if (write(ack_fd, &ack, sizeof ack) != sizeof ack)
			cv_die("the parent does not listen");
		if (number % 23 == 5)
			must(cv_engine_checkpoint(engine, &err), &err);
	}
	return NULL;
}

static void
work(const char *point)
{
	bool crashed;
	pthread_t threads[WRITERS];
	if (point) {
		setenv("CONGVU_KILL", point, 1);
		cv_kill_reload();
	}
	open_store(&crashed);
	for (uintptr_t i = 0; i < WRITERS; i++)
		if (pthread_create(&threads[i], NULL, write_on, (void *)i))
			cv_die("cannot start a thread");
	pause();
}

/* ---- the child that checks ---- */

struct check {
	uint32_t writer;
	uint64_t rows;
	struct cv_err err;
};

static void
fault(const char *what, uint32_t writer, uint64_t number)
{
	fprintf(stderr, "FAULT: %s (writer %u, row %" PRIu64 ")\n", what, writer, number);
	faults++;
}

static enum cv_status
collect(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	cv_buf_str(arg, bytes);
	return CV_OK;
}

static void
check_body(struct check *c, const struct cv_blob_ref *ref)
{
	struct cv_buf got = CV_BUF_INIT(LARGE_BODY + 1), key = CV_BUF_INIT(64),
		      hold = CV_BUF_INIT(4096);
	uint32_t number = (uint32_t)c->rows;
	size_t n = body_size(c->writer, number);
	char *want = cv_malloc(n + 1);
	fill(want, n, (uint64_t)c->writer << 32 | number);
	if (cv_blob_read(engine, ref, 0, UINT64_MAX, collect, &got, &c->err))
		fault(c->err.text, c->writer, number);
	else if (!cv_str_eq(cv_buf_view(&got), cv_str(want, n)))
		fault("a body with other bytes", c->writer, number);
	cv_blob_count_key(ref, &key);
	struct cv_str name = cv_buf_view(&key), value;
	must(cv_meta_read(engine, cv_blob_acct(ref), &name, 1, &value, &hold, NULL, &c->err),
	     &c->err);
	if (!value.p)
		fault("a body without its count row", c->writer, number);
	free(want);
	cv_buf_done(&got);
	cv_buf_done(&key);
	cv_buf_done(&hold);
}

static bool
check_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct check *c = arg;
	struct cv_rd r = cv_rd(cv_str_sub(key, 2, key.n));
	struct cv_blob_ref ref = {.n = (uint8_t)value.n};
	if (cv_rd_be32(&r) != c->rows)
		fault("a gap in the rows", c->writer, c->rows);
	memcpy(ref.bytes, value.p, CV_MIN(value.n, sizeof ref.bytes));
	check_body(c, &ref);
	c->rows++;
	return true;
}

static bool
count_lost(void *arg, cv_acct_id acct, struct cv_str key)
{
	(void)arg, (void)acct, (void)key;
	fault("a body was lost by a mere kill", 0, 0);
	return true;
}

static void
check(void)
{
	bool crashed;
	struct cv_err err;
	int64_t start = cv_mono_ms();
	open_store(&crashed);
	int64_t took = cv_mono_ms() - start;
	if (!crashed)
		fault("a killed owner was taken for a clean stop", 0, 0);
	must(cv_engine_lost_bodies(engine, count_lost, NULL, &err), &err);
	for (uint32_t w = 0; w < WRITERS; w++) {
		struct check c = {.writer = w};
		cv_acct_id acct = acct_of(w);
		uint64_t version;
		must(cv_meta_scan(engine, acct, CV_STR("M/"), CV_STR("M0"), 0, check_row, &c, &err),
			&err);
		must(cv_meta_versions(engine, &acct, 1, &version, &err), &err);
		if (c.rows < acked[w])
			fault("acknowledged rows are missing", w, c.rows);
		if (version != c.rows)
			fault("the version is not the number of commits", w, version);
	}
	if (getenv("CRASH_VERBOSE"))
		printf("opened in %" PRId64 " ms\n", took);
	/* Half of the checks end badly too: the next owner then recovers twice in a row. */
	if (cv_random_below(2))
		cv_engine_close(engine);
	fflush(NULL);
	_exit(faults ? 1 : 0);
}

/* ---- the parent ---- */

static void
listen_to(int fd, pid_t pid, int64_t life_ms)
{
	int64_t end = cv_mono_ms() + life_ms;
	struct ack ack;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - cv_mono_ms();
		if (left <= 0 && end) {
			kill(pid, SIGKILL);
			end = 0;
		}
		if (poll(&p, 1, end ? (int)left : -1) <= 0)
			continue;
		ssize_t n = read(fd, &ack, sizeof ack);
		if (n <= 0)
			return;
		if (n == sizeof ack)
			acked[ack.writer] = CV_MAX(acked[ack.writer], ack.number + 1u);
	}
}

static void
run_child(const char *point, int64_t life_ms)
{
	int fds[2], status;
	if (pipe(fds))
		cv_die("no pipe");
	pid_t pid = fork();
	if (!pid) {
		close(fds[0]);
		ack_fd = fds[1];
		work(point);
	}
	close(fds[1]);
	listen_to(fds[0], pid, life_ms);
	close(fds[0]);
	waitpid(pid, &status, 0);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		fprintf(stderr, "FAULT: the worker ended by itself, status %d\n", status);
		faults++;
	}
}

static void
round_of(const char *point, int64_t life_ms)
{
	int status;
	rounds++;
	run_child(point, life_ms);
	pid_t pid = fork();
	if (!pid)
		check();
	waitpid(pid, &status, 0);
	if (status) {
		fprintf(stderr, "FAULT: round %" PRIu64 " (%s): the check ended with %d\n", rounds,
			point ? point : "random", status);
		faults++;
	}
}

static int
unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void
start_anew(void)
{
	const char *tmp = getenv("TMPDIR");
	(void)nftw(dir, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
	snprintf(dir, sizeof dir, "%s/congvu-crash-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		cv_die("cannot make %s", dir);
	memset(acked, 0, sizeof acked);
}

int
main(int argc, char **argv)
{
	static const char *const points[] = {
		"commit.before", "commit.after", "volume.append", "volume.append.half", "flush.volume",
		"flush.before", "flush.after", "checkpoint",
	};
	static const unsigned passes[] = {1, 4, 30};
	uint64_t secs = 10;
	if (argc > 1 && cv_str_u64(cv_str_z(argv[1]), 1000000, &secs))
		cv_die("usage: crash_engine [seconds]");
	cv_log_level(CV_ERROR);
	for (size_t j = 0; j < CV_COUNT(passes) && !faults; j++) {
		start_anew();
		for (size_t i = 0; i < CV_COUNT(points) && !faults; i++) {
			char point[64];
			unsigned pass = strcmp(points[i], "checkpoint") ? passes[j]
			                                                : 1 + passes[j] / 10;
			snprintf(point, sizeof point, "%s:%u", points[i], pass);
			round_of(point, LIFE_MS);
		}
	}
	int64_t end = cv_mono_ms() + (int64_t)secs * 1000;
	for (unsigned i = 0; cv_mono_ms() < end && !faults; i++) {
		if (i % 40 == 0)
			start_anew(); /* checks read everything: keep them short */
		round_of(NULL, 5 + (int64_t)cv_random_below(250));
	}
	printf("%" PRIu64 " deaths, %" PRIu64 " faults; acknowledged in the last store: %" PRIu64
	       " %" PRIu64 " %" PRIu64 "\n", rounds, faults, acked[0], acked[1], acked[2]);
	if (faults)
		printf("left for a look: %s\n", dir);
	else
		(void)nftw(dir, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
	return faults ? 1 : 0;
}
