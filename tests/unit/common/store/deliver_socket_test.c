/* deliver_socket_test.c - delivering over a real socket, to an owner that lives in another process
 * and is killed and started again; and to one that meets nonsense. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/mailbox_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "common/base/rng.h"
#include "common/store/wire.h"

#define ACCOUNTS   20
#define PATH_BYTES 100

static int
listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	snprintf(addr.sun_path, sizeof addr.sun_path, "%.*s", PATH_BYTES, path);
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	snprintf(addr.sun_path, sizeof addr.sun_path, "%.*s", PATH_BYTES, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	return fd;
}

static void
socket_path(struct kit *k, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%.90s.sock", k->dir);
}

static bool
wait_until_up(struct cv_deliverer *d, bool up)
{
	for (int i = 0; i < 5000 && cv_deliverer_is_up(d) != up; i++)
		usleep(1000);
	return cv_deliverer_is_up(d) == up;
}

/* ---- in one process ---- */

static void
test_socket__carries_messages_probes_and_answers(void **state)
{
	struct kit *k = *state;
	struct cv_deliver_server *server;
	struct cv_deliverer *d;
	char path[PATH_BYTES];
	static const size_t sizes[] = {0, 1, 100, 65535, 65536, 65537, 300000, 3000000};
	socket_path(k, path);
	OK(cv_deliver_serve(listen_at(path), k->s, &server, &k->err));
	OK(cv_deliverer_client(path, &d, &k->err));
	assert_true(wait_until_up(d, true));
	uint64_t total = 0;
	for (size_t i = 0; i < CV_COUNT(sizes); i++) {
		struct cv_deliver_rcpt rcpts[2] = {
			{.acct = KIT_USER(1), .folder = CV_STR("Công văn")},
			{.acct = KIT_USER(2)                  }
		};
		char id[32], *text = cv_malloc(sizes[i] + 1);
		memset(text, 'x', sizes[i]);
		text[sizes[i]] = 0;
		snprintf(id, sizeof id, "size-%zu", i);
		kit_deliver(d, id, text, rcpts, 2);
		total += sizes[i] + strlen("Return-Path: <a@b.example>\r\n");
		CHECK(id, rcpts[0].result == CV_OK && !rcpts[0].duplicate);
		CHECK(id, rcpts[1].result == CV_NOT_FOUND);
		kit_deliver(d, id, text, rcpts, 1);
		CHECK(id, rcpts[0].result == CV_OK && rcpts[0].duplicate);
		free(text);
	}
	CHECK_END();
	struct cv_mbox_info info = kit_info(k, "Công văn");
	assert_int_equal(info.exists, CV_COUNT(sizes));
	assert_true(info.size_bytes == total);
	cv_deliverer_free(d);
	cv_deliver_server_free(server);
	unlink(path);
	kit_check_sound(k);
}

static void
probed(struct cv_probe *p)
{
	sem_post(p->arg);
}

static void
test_probe__tells_room_and_accounts(void **state)
{
	struct kit *k = *state;
	struct cv_deliver_server *server;
	struct cv_deliverer *d;
	char path[PATH_BYTES];
	sem_t done;
	static const struct {
		const char *name;
		uint64_t acct, size;
		enum cv_status want;
	} rows[] = {
		{"fits",   1,  1000, CV_OK       },
		{"just",   1,  5000, CV_OK       },
		{"over",   1,  5001, CV_OVERQUOTA},
		{"nobody", 77, 1,    CV_NOT_FOUND},
	};
	sem_init(&done, 0, 0);
	socket_path(k, path);
	OK(cv_acct_set_quota(k->a, 5000, &k->t, &k->err));
	OK(cv_deliver_serve(listen_at(path), k->s, &server, &k->err));
	OK(cv_deliverer_client(path, &d, &k->err));
	assert_true(wait_until_up(d, true));
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_probe p = {.acct = KIT_USER(rows[i].acct),
			.size_bytes = rows[i].size,
			.done = probed,
			.arg = &done};
		cv_deliver_probe(d, &p);
		while (sem_wait(&done))
			;
		CHECK(rows[i].name, p.result == rows[i].want);
	}
	CHECK_END();
	cv_deliver_server_free(server);
	assert_true(wait_until_up(d, false));
	struct cv_probe p = {.acct = KIT_USER(1), .done = probed, .arg = &done};
	cv_deliver_probe(d, &p);
	while (sem_wait(&done))
		;
	assert_int_equal(p.result, CV_TEMPFAIL);
	struct cv_deliver_rcpt rcpt = {.acct = KIT_USER(1)};
	kit_deliver(d, "away", "x", &rcpt, 1);
	assert_int_equal(rcpt.result, CV_TEMPFAIL);
	cv_deliverer_free(d);
	unlink(path);
}

static void
test_server__closes_who_talks_nonsense_and_serves_on(void **state)
{
	struct kit *k = *state;
	struct cv_deliver_server *server;
	struct cv_deliverer *d;
	char path[PATH_BYTES];
#define REGISTER "\0\0\0\x12\x05\0\0\0\0\0\0\0\1\3\0\0\0\0\0\0\0\1"
#define HELLO    "\0\0\0\x0a\x01\0\0\0\0\0\0\0\0\x01"
	static const struct {
		const char *name, *bytes;
		size_t n;
	} rows[] = {
		{"text",                  "GET / HTTP/1.1\r\n\r\n",                 18},
		{"no hello",              "\0\0\0\x09\x04\0\0\0\0\0\0\0\1",         13},
		{"other version",         "\0\0\0\x0a\x01\0\0\0\0\0\0\0\0\x09",     14},
		{"hello twice",           HELLO HELLO,                              28},
		{"end without message",   HELLO "\0\0\0\x09\x04\0\0\0\0\0\0\0\1",   27},
		{"body without message",  HELLO "\0\0\0\x0a\x03\0\0\0\0\0\0\0\1x",  28},
		{"answer from a client",  HELLO "\0\0\0\x0a\x06\0\0\0\0\0\0\0\1\0", 28},
		{"empty delivery",        HELLO "\0\0\0\x09\x02\0\0\0\0\0\0\0\1",   27},
		{"too long",              HELLO "\x7f\0\0\0\x02",                   19},
		{"probe of the register", HELLO REGISTER,                           36},
	};
	socket_path(k, path);
	OK(cv_deliver_serve(listen_at(path), k->s, &server, &k->err));
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		int fd = connect_to(path);
		char bytes[64];
		CHECK(rows[i].name, write(fd, rows[i].bytes, rows[i].n) == (ssize_t)rows[i].n);
		struct timeval limit = {.tv_sec = 5};
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
		ssize_t n;
		while ((n = read(fd, bytes, sizeof bytes)) > 0)
			;
		CHECK(rows[i].name, n == 0 || errno == ECONNRESET);
		close(fd);
	}
	CHECK_END();
	OK(cv_deliverer_client(path, &d, &k->err));
	assert_true(wait_until_up(d, true));
	struct cv_deliver_rcpt rcpt = {.acct = KIT_USER(1)};
	char *text = kit_text(1);
	kit_deliver(d, "after", text, &rcpt, 1);
	assert_int_equal(rcpt.result, CV_OK);
	free(text);
	cv_deliverer_free(d);
	cv_deliver_server_free(server);
	unlink(path);
}

/* ---- an owner that dies ---- */

static CV_NORETURN void
be_owner(struct kit *k, const char *path, int ready)
{
	signal(SIGTERM, SIG_IGN);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	struct cv_deliver_server *server;
	kit_open_store(k);
	if (cv_deliver_serve(listen_at(path), k->s, &server, &k->err))
		_exit(1);
	(void)!write(ready, "r", 1);
	int sig;
	sigwait(&set, &sig);
	cv_deliver_server_free(server);
	cv_store_close(k->s);
	_exit(0);
}

/* Forks owners while this process has threads: a helper that has none. A byte tells it to kill the
 * owner and start another ('k') or to end it cleanly and go ('t'); it answers each with one byte.
 */
struct keeper {
	pid_t pid;
	int ask, answer;
};

static pid_t
start_owner(struct kit *k, const char *path)
{
	int ready[2];
	char byte;
	if (pipe(ready))
		_exit(1);
	pid_t pid = fork();
	if (!pid)
		be_owner(k, path, ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		_exit(1);
	close(ready[0]);
	return pid;
}

static CV_NORETURN void
keep(struct kit *k, const char *path, int ask, int answer)
{
	pid_t owner = start_owner(k, path);
	char byte;
	int status;
	(void)!write(answer, "r", 1);
	while (read(ask, &byte, 1) == 1 && byte == 'k') {
		kill(owner, SIGKILL);
		waitpid(owner, NULL, 0);
		owner = start_owner(k, path);
		(void)!write(answer, "r", 1);
	}
	kill(owner, SIGTERM);
	waitpid(owner, &status, 0);
	_exit(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1);
}

static void
await(struct keeper *keeper)
{
	char byte;
	assert_int_equal(read(keeper->answer, &byte, 1), 1);
}

static void
start_keeper(struct kit *k, const char *path, struct keeper *keeper)
{
	int ask[2], answer[2];
	assert_int_equal(pipe(ask), 0);
	assert_int_equal(pipe(answer), 0);
	keeper->pid = fork();
	if (!keeper->pid) {
		close(ask[1]);
		keep(k, path, ask[0], answer[1]);
	}
	close(ask[0]);
	close(answer[1]);
	keeper->ask = ask[1];
	keeper->answer = answer[0];
	await(keeper);
}

static void
kill_owner(struct keeper *keeper)
{
	assert_int_equal(write(keeper->ask, "k", 1), 1);
	await(keeper);
}

static void
end_owner(struct keeper *keeper)
{
	int status;
	assert_int_equal(write(keeper->ask, "t", 1), 1);
	waitpid(keeper->pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(keeper->ask);
	close(keeper->answer);
}

struct sender {
	struct cv_deliverer *d;
	unsigned number;
	atomic_uint *confirmed;
	atomic_bool *stop;
	unsigned sent, acknowledged_first;
};

/* Delivers until told to stop; repeats each with the same id until it is answered OK. */
static void *
send_all(void *arg)
{
	struct sender *s = arg;
	char *text = kit_text((int)s->number);
	while (!atomic_load(s->stop)) {
		char id[40];
		snprintf(id, sizeof id, "s%u-%u", s->number, s->sent++);
		for (bool ok = false, first = true; !ok; first = false) {
			struct cv_deliver_rcpt rcpts[ACCOUNTS];
			for (uint64_t i = 0; i < ACCOUNTS; i++)
				rcpts[i] = (struct cv_deliver_rcpt){.acct = KIT_USER(i + 1)};
			kit_deliver(s->d, id, text, rcpts, ACCOUNTS);
			ok = true;
			for (size_t i = 0; i < ACCOUNTS; i++)
				ok &= rcpts[i].result == CV_OK;
			s->acknowledged_first += ok && first;
			if (!ok)
				usleep(5000);
		}
		atomic_fetch_add(s->confirmed, 1);
	}
	free(text);
	return NULL;
}

static void
test_owner__killed_and_started_again_loses_and_doubles_nothing(void **state)
{
	struct kit *k = *state;
	enum { SENDERS = 6, KILLS = 3 };
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS];
	atomic_uint confirmed = 0;
	atomic_bool stop = false;
	char path[PATH_BYTES];
	socket_path(k, path);
	for (uint64_t i = 0; i < ACCOUNTS; i++) {
		struct cv_acct *a;
		OK(cv_acct_open(k->s, KIT_USER(i + 1), true, &a, &k->t, &k->err));
		cv_acct_close(a);
	}
	kit_close(k);
	struct keeper keeper;
	start_keeper(k, path, &keeper);
	struct cv_deliverer *d;
	OK(cv_deliverer_client(path, &d, &k->err));
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){
			.d = d, .number = i, .confirmed = &confirmed, .stop = &stop};
		pthread_create(&threads[i], NULL, send_all, &senders[i]);
	}
	for (int i = 0; i < KILLS; i++) {
		unsigned before = atomic_load(&confirmed);
		for (int n = 0; n < 20000 && atomic_load(&confirmed) < before + 30; n++)
			usleep(1000);
		assert_true(atomic_load(&confirmed) >= before + 30);
		kill_owner(&keeper);
	}
	atomic_store(&stop, true);
	unsigned sent = 0;
	for (size_t i = 0; i < SENDERS; i++) {
		pthread_join(threads[i], NULL);
		sent += senders[i].sent;
	}
	cv_deliverer_free(d);
	end_owner(&keeper);
	kit_open(k);
	for (uint64_t i = 0; i < ACCOUNTS; i++) {
		struct cv_acct *a;
		struct cv_quota q;
		OK(cv_acct_open(k->s, KIT_USER(i + 1), false, &a, NULL, &k->err));
		cv_acct_quota(a, &q);
		assert_int_equal(q.used_messages, sent); /* each once, none missing */
		cv_acct_close(a);
	}
	struct cv_check_report r;
	OK(cv_store_check(k->s, true, true, NULL, NULL, &r, &k->err));
	assert_true(
		!r.dangling_rows && !r.uid_faults && !r.wrong_mailbox_counts && !r.wrong_quotas);
	kit_check_sound(k);
	unlink(path);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_socket__carries_messages_probes_and_answers),
		TEST(test_probe__tells_room_and_accounts),
		TEST(test_server__closes_who_talks_nonsense_and_serves_on),
		TEST(test_owner__killed_and_started_again_loses_and_doubles_nothing),
	};
	return cmocka_run_group_tests_name("deliver socket", tests, NULL, NULL);
}
