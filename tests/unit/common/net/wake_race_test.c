/* wake_race_test.c - wakes, kills and peers from many threads at once. Meant for
 * ThreadSanitizer. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/net/net_kit.h"

#define WAKERS 4
#define ROUNDS 16000

/* A counter grows, then the connection is woken: the run() that follows must see the growth. */
struct race {
	struct cv_net *net;
	int port;
	struct cv_conn *conns[8];
	_Atomic unsigned count, closed;
	_Atomic uint64_t wanted[8];
	_Atomic uint64_t seen[8];
	_Atomic bool over;
};

static enum cv_step
race_run(struct cv_conn *c, unsigned events)
{
	struct race *r = cv_conn_ctx(c);
	unsigned *slot = cv_conn_user(c);
	if (events & CV_EV_OPEN) {
		cv_conn_ref(c);
		*slot = atomic_load(&r->count);
		r->conns[*slot] = c;
		atomic_fetch_add(&r->count, 1);
	}
	if (events & CV_EV_WAKE)
		atomic_store(&r->seen[*slot], atomic_load(&r->wanted[*slot]));
	if (events & (CV_EV_TIMEOUT | CV_EV_EOF))
		return CV_STEP_CLOSE;
	struct cv_str in = cv_conn_in(c);
	cv_buf_str(cv_conn_out(c), in);
	cv_conn_consume(c, in.n);
	/* Odd connections only wait for wakes, even ones for input as well. */
	return *slot % 2 && !(events & CV_EV_OPEN) ? CV_STEP_LISTEN : CV_STEP_DONE;
}

static void
race_closed(struct cv_conn *c)
{
	struct race *r = cv_conn_ctx(c);
	atomic_fetch_add(&r->closed, 1);
}

static const struct cv_proto race_proto = {.name = "race", .user_bytes = sizeof(unsigned),
                                           .in_max = 4096, .out_high = 65536, .idle_secs = 30,
                                           .run = race_run, .closed = race_closed};

static void *
waker(void *arg)
{
	struct race *r = arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned slot = i % 8;
		atomic_fetch_add(&r->wanted[slot], 1);
		cv_conn_wake(r->conns[slot]);
		if (i % 64 == 0)
			usleep(100);
	}
	return NULL;
}

static void *
chatter(void *arg)
{
	int fd = *(int *)arg;
	char byte = 'c';
	for (unsigned i = 0; i < 2000; i++)
		if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1)
			return arg;
	return NULL;
}

static void
test_wakes__are_never_lost(void **state)
{
	static const struct cv_net_options four = {.workers = 4};
	struct kit k;
	struct race r;
	struct cv_listen l = {.proto = &race_proto, .ctx = &r};
	pthread_t wakers[WAKERS], chatters[8];
	int fd[8];
	(void)state;
	memset(&r, 0, sizeof(r));
	kit_start(&k, &four, &l);
	for (unsigned i = 0; i < 8; i++) {
		fd[i] = kit_connect(&k);
		KIT_UNTIL(atomic_load(&r.count) == i + 1);
	}
	for (unsigned i = 0; i < WAKERS; i++)
		assert_int_equal(pthread_create(&wakers[i], NULL, waker, &r), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&chatters[i], NULL, chatter, &fd[i]), 0);
	for (unsigned i = 0; i < 8; i++) {
		void *failed;
		pthread_join(chatters[i], &failed);
		assert_null(failed);
	}
	for (unsigned i = 0; i < WAKERS; i++)
		pthread_join(wakers[i], NULL);
	for (unsigned i = 0; i < 8; i++) {
		KIT_UNTIL(atomic_load(&r.seen[i]) == atomic_load(&r.wanted[i]));
		assert_int_equal(atomic_load(&r.wanted[i]), WAKERS * ROUNDS / 8);
	}
	cv_net_stop(k.net, 1000);
	assert_int_equal(atomic_load(&r.closed), 8);
	for (unsigned i = 0; i < 8; i++) {
		cv_conn_wake(r.conns[i]);
		cv_conn_unref(r.conns[i]);
		close(fd[i]);
	}
	kit_stop(&k);
}

/* ---- closing at any moment ---- */

struct storm {
	pthread_mutex_t lock; /* over the next lines */
	struct cv_conn *conns[16];
	unsigned next;
	_Atomic unsigned opened, closed;
	_Atomic bool over;
};

static enum cv_step
storm_run(struct cv_conn *c, unsigned events)
{
	struct storm *s = cv_conn_ctx(c);
	if (events & CV_EV_OPEN) {
		atomic_fetch_add(&s->opened, 1);
		cv_conn_ref(c);
		pthread_mutex_lock(&s->lock);
		struct cv_conn **slot = &s->conns[s->next++ % CV_COUNT(s->conns)], *old = *slot;
		*slot = c;
		pthread_mutex_unlock(&s->lock);
		if (old)
			cv_conn_unref(old);
	}
	if (events & (CV_EV_TIMEOUT | CV_EV_EOF))
		return CV_STEP_CLOSE;
	struct cv_str in = cv_conn_in(c);
	cv_buf_str(cv_conn_out(c), in);
	bool quit = in.n && in.p[in.n - 1] == 'q';
	cv_conn_consume(c, in.n);
	cv_conn_set_deadline(c, 1 + (unsigned)(cv_conn_id(c) % 3));
	return quit ? CV_STEP_CLOSE : in.n % 2 ? CV_STEP_LISTEN : CV_STEP_DONE;
}

static void
storm_closed(struct cv_conn *c)
{
	struct storm *s = cv_conn_ctx(c);
	cv_conn_wake(c); /* while closing: nothing may come of it */
	atomic_fetch_add(&s->closed, 1);
}

static const struct cv_proto storm_proto = {.name = "storm", .in_max = 4096, .out_high = 65536,
                                            .idle_secs = 30, .run = storm_run,
                                            .closed = storm_closed};

static void *
storm_waker(void *arg)
{
	struct storm *s = arg;
	for (unsigned i = 0; !atomic_load(&s->over); i++) {
		struct cv_conn *c;
		pthread_mutex_lock(&s->lock);
		c = s->conns[i % CV_COUNT(s->conns)];
		if (c)
			cv_conn_ref(c);
		pthread_mutex_unlock(&s->lock);
		if (!c)
			continue;
		if (i % 61 == 0)
			cv_conn_kill(c);
		else
			cv_conn_wake(c);
		cv_conn_unref(c);
		if (i % 16 == 0)
			usleep(50);
	}
	return NULL;
}

/* Comes and goes: by quitting, by closing with answers unread, by silence until a wake or kill. */
static void *
storm_peer(void *arg)
{
	struct kit *k = arg;
	for (unsigned i = 0; i < 500; i++) {
		int fd = kit_connect(k);
		char buf[16];
		if (i % 3 == 0) {
			if (send(fd, "abcq", 4, MSG_NOSIGNAL) == 4)
				while (recv(fd, buf, sizeof(buf), 0) > 0)
					;
		} else if (i % 3 == 1) {
			ssize_t n = send(fd, "x", 1, MSG_NOSIGNAL);
			(void)n;
		}
		close(fd);
	}
	return NULL;
}

static void
test_closing__while_others_wake_and_kill(void **state)
{
	static const struct cv_net_options four = {.workers = 4, .max_conns_per_ip = 1000};
	struct kit k;
	struct storm s;
	struct cv_listen l = {.proto = &storm_proto, .ctx = &s};
	struct cv_net_stats stats;
	pthread_t wakers[3], peers[3];
	(void)state;
	memset(&s, 0, sizeof(s));
	pthread_mutex_init(&s.lock, NULL);
	kit_start(&k, &four, &l);
	for (unsigned i = 0; i < CV_COUNT(wakers); i++)
		assert_int_equal(pthread_create(&wakers[i], NULL, storm_waker, &s), 0);
	for (unsigned i = 0; i < CV_COUNT(peers); i++)
		assert_int_equal(pthread_create(&peers[i], NULL, storm_peer, &k), 0);
	for (unsigned i = 0; i < CV_COUNT(peers); i++)
		pthread_join(peers[i], NULL);
	cv_net_stop(k.net, 1000);
	atomic_store(&s.over, true);
	for (unsigned i = 0; i < CV_COUNT(wakers); i++)
		pthread_join(wakers[i], NULL);
	cv_net_stats(k.net, &stats);
	assert_int_equal(stats.open, 0);
	assert_int_equal(atomic_load(&s.opened), atomic_load(&s.closed));
	assert_true(atomic_load(&s.opened) > 0);
	for (unsigned i = 0; i < CV_COUNT(s.conns); i++)
		if (s.conns[i])
			cv_conn_unref(s.conns[i]);
	pthread_mutex_destroy(&s.lock);
	kit_stop(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wakes__are_never_lost),
		cmocka_unit_test(test_closing__while_others_wake_and_kill),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
