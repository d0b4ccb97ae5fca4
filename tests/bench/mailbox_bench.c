/* bench: store */
/* mailbox_bench.c - deliveries, appends, flag changes and reads a second, all of them durable.
 *
 * Writers keep several acts under way each, as connections do: an act is done when its ticket is
 * durable. Usage: bench_mailbox [seconds] [directory] [word of the lines wanted]
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <ftw.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/rng.h"
#include "common/store/internal.h"

#define SESSIONS 10
#define ACCOUNTS 1000

static struct cv_store *store;
static atomic_bool stop;
static atomic_uint_fast64_t acts;
static double seconds = 2;
static const char *only = "";
static char *message;
static size_t message_n;

static void
must(enum cv_status status, const struct cv_err *err)
{
	if (status)
		cv_die("%s: %s", cv_status_name(status), err->text);
}

static int
unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* A letter of 10 KB with text that compresses like text. */
static void
make_message(size_t n)
{
	struct cv_buf b = CV_BUF_INIT(4u << 20);
	cv_buf_printf(&b,
		"Received: from mx.example (mx.example [192.0.2.1])\r\n\tby mail.lamgiang.example;"
		" Sun, 22 Nov 2026 08:00:00 +0700\r\nFrom: =?utf-8?Q?V=C4=83n_th=C6=B0?= "
		"<vanthu@lamgiang.example>\r\n"
		"To: <a@lamgiang.example>, <b@lamgiang.example>\r\nSubject: Giay moi hop\r\n"
		"Message-ID: <1@lamgiang.example>\r\nDate: Sun, 22 Nov 2026 08:00:00 +0700\r\n"
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
	for (unsigned i = 0; b.n < n; i++)
		cv_buf_printf(&b,
			"Dong %u %08x: kinh gui cac don vi, de nghi chuan bi tai lieu hop.\r\n", i,
			i * 2654435761u);
	message_n = b.n;
	message = cv_buf_take(&b);
}

/* ---- one session: one act at a time, waits for its ticket ---- */

struct session {
	unsigned number;
	struct cv_mbox *m;
	sem_t done;
	struct cv_waiter waiter;
	uint64_t longest_us;
};

static void
durable(struct cv_waiter *w)
{
	sem_post(&CV_CONTAINER(w, struct session, waiter)->done);
}

static void
wait_for(struct session *s, cv_ticket ticket)
{
	s->waiter.fn = durable;
	s->waiter.ticket = ticket;
	cv_ticket_wait(cv_store_engine(store), ticket, &s->waiter);
	while (sem_wait(&s->done))
		;
}

static void *
append_some(void *arg)
{
	struct session *s = arg;
	struct cv_err err;
	while (!atomic_load(&stop)) {
		struct cv_spool spool;
		cv_spool_init(&spool, "/tmp");
		must(cv_spool_write(&spool, cv_str(message, message_n), &err), &err);
		struct cv_append item = {.message = &spool};
		cv_ticket t;
		must(cv_mbox_append(s->m, &item, 1, &t, &err), &err);
		cv_spool_done(&spool);
		wait_for(s, t);
		atomic_fetch_add(&acts, 1);
	}
	return NULL;
}

static void *
store_some(void *arg)
{
	struct session *s = arg;
	struct cv_err err;
	for (uint32_t i = 0; !atomic_load(&stop); i++) {
		struct cv_flag_change change = {.flags = CV_FLAG_SEEN};
		uint32_t uid = 1 + i % 1000, failed;
		size_t failed_count;
		uint64_t modseq;
		cv_ticket t;
		must(cv_mbox_store(s->m, &uid, 1, i / 1000 % 2 ? CV_STORE_REMOVE : CV_STORE_ADD,
			     &change, UINT64_MAX, &failed, &failed_count, &modseq, &t, &err),
			&err);
		wait_for(s, t);
		atomic_fetch_add(&acts, 1);
	}
	return NULL;
}

struct delivering {
	struct cv_deliverer *with;
	sem_t done;
	unsigned rcpts, number;
};

static void
delivered(struct cv_delivery *d)
{
	for (size_t i = 0; i < d->rcpt_count; i++)
		if (d->rcpts[i].result)
			cv_die("delivery answered %s", cv_status_name(d->rcpts[i].result));
	sem_post(d->arg);
}

static void *
deliver_some(void *arg)
{
	struct delivering *s = arg;
	struct cv_err err;
	struct cv_deliver_rcpt *rcpts = cv_calloc(s->rcpts, sizeof *rcpts);
	for (uint64_t i = 0; !atomic_load(&stop); i++) {
		char id[40];
		struct cv_spool spool;
		snprintf(id, sizeof id, "%u-%" PRIx64 "-%" PRIu64, s->number, cv_random_u64(), i);
		cv_spool_init(&spool, "/tmp");
		must(cv_spool_write(&spool, cv_str(message, message_n), &err), &err);
		uint64_t first = cv_random_below(ACCOUNTS);
		for (unsigned k = 0; k < s->rcpts; k++)
			rcpts[k] = (struct cv_deliver_rcpt){
				.acct = cv_acct(CV_CLASS_USER, 1 + (first + k) % ACCOUNTS)};
		struct cv_delivery d = {.id = cv_str_z(id),
			.message = &spool,
			.rcpts = rcpts,
			.prefix = CV_STR("Return-Path: <x@y.example>\r\n"),
			.rcpt_count = s->rcpts,
			.done = delivered,
			.arg = &s->done};
		cv_deliver(s->with, &d);
		while (sem_wait(&s->done))
			;
		cv_spool_done(&spool);
		atomic_fetch_add(&acts, 1);
	}
	free(rcpts);
	return NULL;
}

/* ---- running ---- */

static double
cpu_secs(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
run(const char *what, unsigned threads, void *(*fn)(void *arg), void **args)
{
	pthread_t t[64];
	if (!strstr(what, only))
		return;
	atomic_store(&stop, false);
	atomic_store(&acts, 0);
	double cpu = cpu_secs();
	int64_t start = cv_mono_us();
	for (unsigned i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, fn, args[i]);
	usleep((useconds_t)(seconds * 1e6));
	atomic_store(&stop, true);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	double secs = (double)(cv_mono_us() - start) / 1e6, n = (double)atomic_load(&acts);
	printf("%-34s %9.0f /s  %7.1f us CPU each\n", what, n / secs, (cpu_secs() - cpu) * 1e6 / n);
	fflush(stdout);
}

static struct cv_mbox *
inbox(uint64_t number)
{
	struct cv_err err;
	struct cv_acct *a;
	struct cv_mbox *m;
	must(cv_acct_open(store, cv_acct(CV_CLASS_USER, number), true, &a, NULL, &err), &err);
	must(cv_mbox_open(a, CV_STR("INBOX"), &m, &err), &err);
	cv_acct_close(a);
	return m;
}

static void
bench_sessions(const char *what, unsigned threads, void *(*fn)(void *arg), bool fill)
{
	struct session s[SESSIONS] = {0};
	void *args[SESSIONS];
	struct cv_err err;
	for (unsigned i = 0; i < threads; i++) {
		s[i].m = inbox(5000 + i);
		sem_init(&s[i].done, 0, 0);
		args[i] = &s[i];
		const struct cv_view *v;
		must(cv_mbox_view(s[i].m, &v, &err), &err);
		uint32_t have = v->exists;
		cv_view_unref(v);
		for (; fill && have < 1000; have++) {
			struct cv_spool spool;
			cv_spool_init(&spool, "/tmp");
			must(cv_spool_write(&spool, cv_str(message, 1000), &err), &err);
			struct cv_append item = {.message = &spool};
			cv_ticket t;
			must(cv_mbox_append(s[i].m, &item, 1, &t, &err), &err);
			cv_spool_done(&spool);
		}
	}
	run(what, threads, fn, args);
	for (unsigned i = 0; i < threads; i++)
		cv_mbox_close(s[i].m);
}

static void
bench_deliver(const char *what, unsigned threads, unsigned rcpts, struct cv_deliverer *with)
{
	struct delivering d[64] = {0};
	void *args[64];
	for (unsigned i = 0; i < threads; i++) {
		d[i] = (struct delivering){.with = with, .rcpts = rcpts, .number = i};
		sem_init(&d[i].done, 0, 0);
		args[i] = &d[i];
	}
	run(what, threads, deliver_some, args);
}

/* ---- reading ---- */

static bool
count_msg(void *arg, const struct cv_msg *msg)
{
	*(size_t *)arg += msg->summary.n;
	return true;
}

static void
timed(const char *what, int64_t start)
{
	printf("%-34s %9.2f ms\n", what, (double)(cv_mono_us() - start) / 1e3);
}

static void
bench_reading(void)
{
	struct cv_err err;
	struct cv_mbox *m = inbox(9000), *dst = inbox(9000);
	const struct cv_view *v;
	uint32_t *uids = cv_calloc(30000, sizeof *uids);
	struct cv_spool spool;
	cv_ticket t = 0;
	cv_spool_init(&spool, "/tmp");
	must(cv_spool_write(&spool, cv_str(message, 2000), &err), &err);
	for (uint32_t i = 0; i < 10000; i++) {
		struct cv_append item = {.message = &spool};
		must(cv_mbox_append(m, &item, 1, &t, &err), &err);
		uids[i] = item.uid;
		if (i % 500 == 0)
			cv_ticket_block(cv_store_engine(store), t);
	}
	cv_spool_done(&spool);
	cv_ticket_block(cv_store_engine(store), t);
	must(cv_acct_lock(cv_mbox_acct(m), &err), &err);
	cv_box_drop_view(m);
	cv_acct_unlock(cv_mbox_acct(m));
	int64_t start = cv_mono_us();
	must(cv_mbox_view(m, &v, &err), &err);
	timed("view of 10,000, cold", start);
	cv_view_unref(v);
	start = cv_mono_us();
	for (int i = 0; i < 1000; i++) {
		must(cv_mbox_view(m, &v, &err), &err);
		cv_view_unref(v);
	}
	timed("view of 10,000, warm, 1,000 times", start);
	for (int i = 0; i < 2; i++) {
		size_t bytes = 0;
		start = cv_mono_us();
		must(cv_msg_each(m, uids, 10000, false, count_msg, &bytes, &err), &err);
		timed("msg_each 10,000", start);
		start = cv_mono_us();
		must(cv_msg_each(m, uids, 10000, true, count_msg, &bytes, &err), &err);
		timed("msg_each 10,000 with summary", start);
	}
	size_t done;
	struct cv_acct *a = cv_mbox_acct(m);
	must(cv_mbox_create(a, CV_STR("dst"), CV_USE_NONE, NULL, &t, &err), &err);
	cv_mbox_close(dst);
	must(cv_mbox_open(a, CV_STR("dst"), &dst, &err), &err);
	start = cv_mono_us();
	must(cv_mbox_copy(m, uids, 1000, dst, false, uids + 10000, uids + 20000, &done, &t, &err),
		&err);
	cv_ticket_block(cv_store_engine(store), t);
	timed("copy of 1,000", start);
	start = cv_mono_us();
	must(cv_mbox_copy(m, uids, 1000, dst, true, uids + 10000, uids + 20000, &done, &t, &err),
		&err);
	cv_ticket_block(cv_store_engine(store), t);
	timed("move of 1,000", start);
	struct cv_flag_change change = {.flags = CV_FLAG_DELETED};
	uint64_t modseq;
	start = cv_mono_us();
	must(cv_mbox_store(m, uids + 1000, 1000, CV_STORE_ADD, &change, UINT64_MAX, uids + 10000,
		     &done, &modseq, &t, &err),
		&err);
	cv_ticket_block(cv_store_engine(store), t);
	timed("store of 1,000", start);
	start = cv_mono_us();
	must(cv_mbox_expunge(m, NULL, 0, &done, &t, &err), &err);
	cv_ticket_block(cv_store_engine(store), t);
	timed("expunge of 1,000", start);
	free(uids);
	cv_mbox_close(dst);
	cv_mbox_close(m);
}

static void
bench_socket(const char *dir)
{
	struct cv_err err;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	snprintf(addr.sun_path, sizeof addr.sun_path, "%s/deliver.sock", dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&addr, sizeof addr) || listen(fd, 16))
		cv_die("cannot listen on %s", addr.sun_path);
	struct cv_deliver_server *server;
	struct cv_deliverer *client;
	must(cv_deliver_serve(fd, store, &server, &err), &err);
	must(cv_deliverer_client(addr.sun_path, &client, &err), &err);
	while (!cv_deliverer_is_up(client))
		usleep(1000);
	bench_deliver("deliver 10 KB, socket, 1 session", 1, 1, client);
	bench_deliver("deliver 10 KB, socket, 10 sessions", 10, 1, client);
	bench_deliver("deliver to 100, socket, 10 sessions", 10, 100, client);
	cv_deliverer_free(client);
	cv_deliver_server_free(server);
}

int
main(int argc, char **argv)
{
	struct cv_err err;
	char made[] = "/tmp/congvu-bench-XXXXXX";
	const char *dir = argc > 2 && *argv[2] ? argv[2] : mkdtemp(made);
	if (argc > 1)
		seconds = strtod(argv[1], NULL);
	if (argc > 3)
		only = argv[3];
	struct cv_store_options o = {
		.engine = {.dir = dir, .cache_bytes = 256u << 20},
		.default_quota_bytes = 1ull << 50
	};
	must(cv_store_open(&o, &store, &err), &err);
	make_message(10000);
	cv_ticket t = 0;
	int64_t start = cv_mono_us();
	for (uint64_t i = 1; i <= ACCOUNTS; i++) {
		struct cv_acct *a;
		must(cv_acct_open(store, cv_acct(CV_CLASS_USER, i), true, &a, &t, &err), &err);
		cv_acct_close(a);
	}
	cv_ticket_block(cv_store_engine(store), t);
	timed("1,000 accounts made", start);
	struct cv_deliverer *local;
	must(cv_deliverer_local(store, &local, &err), &err);
	bench_deliver("deliver 10 KB, 1 session", 1, 1, local);
	bench_deliver("deliver 10 KB, 10 sessions", 10, 1, local);
	bench_deliver("deliver 10 KB to 100, 1 session", 1, 100, local);
	bench_deliver("deliver 10 KB to 100, 10 sessions", 10, 100, local);
	cv_deliverer_free(local);
	bench_socket(dir);
	bench_sessions("append 10 KB, 1 session", 1, append_some, false);
	bench_sessions("append 10 KB, 10 sessions", 10, append_some, false);
	bench_sessions("store, 1 session", 1, store_some, true);
	bench_sessions("store, 10 sessions", 10, store_some, true);
	if (!*only)
		bench_reading();
	cv_store_close(store);
	free(message);
	if (dir == made)
		(void)nftw(dir, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
