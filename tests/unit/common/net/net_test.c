/* net_test.c - real sockets through a real net: reading, writing, parking, limits, stopping. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/net/net_kit.h"

static const struct cv_net_options plain_options = {.workers = 2};

static void
test_input__comes_whole_or_byte_by_byte(void **state)
{
	static const char dialogue[] = "one\ntwo\n\nfour words in line\n";
	static const char *answers[] = {"= one", "= two", "= ", "= four words in line"};
	struct kit k;
	struct cv_listen l = {0};
	(void)state;
	kit_start(&k, &plain_options, &l);
	for (int whole = 0; whole < 2; whole++) {
		int fd = kit_connect(&k);
		kit_expect(fd, "hello 127.0.0.1 plain");
		if (whole)
			kit_send(fd, dialogue);
		for (size_t i = 0; !whole && dialogue[i]; i++)
			kit_send(fd, (char[]){dialogue[i], '\0'});
		for (size_t i = 0; i < CV_COUNT(answers); i++)
			kit_expect(fd, answers[i]);
		kit_send(fd, "quit\n");
		kit_expect(fd, "bye");
		kit_expect(fd, "");
		close(fd);
	}
	KIT_UNTIL(atomic_load(&k.closed) == 2);
	kit_stop(&k);
}

static void
test_half_closed_peer__gets_every_answer(void **state)
{
	struct kit k;
	struct cv_listen l = {0};
	(void)state;
	kit_start(&k, &plain_options, &l);
	int fd = kit_connect(&k);
	kit_send(fd, "a\nb\nbig 300000\nc\nincomplete");
	shutdown(fd, SHUT_WR);
	kit_expect(fd, "hello 127.0.0.1 plain");
	kit_expect(fd, "= a");
	kit_expect(fd, "= b");
	size_t got = 0;
	char byte;
	while (recv(fd, &byte, 1, 0) == 1 && byte == 'x')
		got++;
	assert_int_equal(got, 300000);
	kit_expect(fd, "big done");
	kit_expect(fd, "= c");
	kit_expect(fd, "");
	close(fd);
	kit_stop(&k);
}

static void
test_pipeline__of_thousands_is_answered_in_order(void **state)
{
	struct kit k;
	struct cv_listen l = {0};
	struct cv_buf all = CV_BUF_INIT(1u << 20);
	char want[32];
	(void)state;
	kit_start(&k, &plain_options, &l);
	int fd = kit_connect(&k);
	for (int i = 0; i < 5000; i++)
		cv_buf_printf(&all, "%d\n", i);
	assert_int_equal(send(fd, all.p, all.n, 0), (ssize_t)all.n);
	kit_expect(fd, "hello 127.0.0.1 plain");
	for (int i = 0; i < 5000; i++) {
		snprintf(want, sizeof(want), "= %d", i);
		kit_expect(fd, want);
	}
	close(fd);
	cv_buf_done(&all);
	kit_stop(&k);
}

static void
test_line_too_long__is_answered_although_more_comes(void **state)
{
	struct kit k;
	struct cv_listen l = {0};
	char much[100000];
	(void)state;
	kit_start(&k, &plain_options, &l);
	int fd = kit_connect(&k);
	memset(much, 'y', sizeof(much));
	assert_int_equal(send(fd, much, sizeof(much), MSG_NOSIGNAL), (ssize_t)sizeof(much));
	kit_expect(fd, "hello 127.0.0.1 plain");
	kit_expect(fd, "too long");
	kit_expect(fd, "");
	close(fd);
	kit_stop(&k);
}

static void
test_wait__leaves_input_alone_until_woken(void **state)
{
	struct kit k;
	struct cv_listen l = {0};
	(void)state;
	kit_start(&k, &plain_options, &l);
	int fd = kit_connect(&k);
	kit_expect(fd, "hello 127.0.0.1 plain");
	kit_send(fd, "wait\nafter\n");
	KIT_UNTIL(atomic_load(&k.parked));
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 50), 0);
	cv_conn_wake(atomic_load(&k.parked));
	kit_expect(fd, "woken");
	kit_expect(fd, "= after");
	close(fd);
	kit_stop(&k);
}

static void
test_listen__takes_input_and_wakes(void **state)
{
	struct kit k;
	struct cv_listen l = {0};
	(void)state;
	kit_start(&k, &plain_options, &l);
	int fd = kit_connect(&k);
	kit_expect(fd, "hello 127.0.0.1 plain");
	kit_send(fd, "listen\n");
	kit_expect(fd, "listening");
	for (int i = 0; i < 3; i++) {
		cv_conn_wake(atomic_load(&k.parked));
		kit_expect(fd, "* woken");
	}
	kit_send(fd, "done\n");
	kit_expect(fd, "= done");
	close(fd);
	kit_stop(&k);
}

static void
test_deadline__is_told_and_starts_again_with_input(void **state)
{
	static const struct cv_proto hasty = {
		.name = "hasty", .user_bytes = sizeof(struct line_state), .in_max = 2048,
		.out_high = 4096, .idle_secs = 1, .run = kit_run, .closed = kit_closed};
	struct kit k;
	struct cv_listen l = {.proto = &hasty};
	(void)state;
	kit_start(&k, &plain_options, &l);
	int fd = kit_connect(&k), patient = kit_connect(&k);
	kit_expect(fd, "hello 127.0.0.1 plain");
	kit_expect(patient, "hello 127.0.0.1 plain");
	kit_send(patient, "deadline 0\n");
	int64_t began_ms = cv_mono_ms();
	usleep(600000);
	kit_send(fd, "x\n");
	kit_expect(fd, "= x");
	kit_expect(fd, "timeout");
	kit_expect(fd, "");
	assert_in_range(cv_mono_ms() - began_ms, 1500, 4000);
	kit_send(patient, "still here\n");
	kit_expect(patient, "= still here");
	assert_int_equal(atomic_load(&k.timeouts), 1);
	close(fd);
	close(patient);
	kit_stop(&k);
}

static void
test_output__of_a_peer_that_reads_late_is_held_back(void **state)
{
	struct kit k;
	struct cv_listen l = {0};
	(void)state;
	kit_start(&k, &plain_options, &l);
	int fd = kit_connect(&k);
	kit_expect(fd, "hello 127.0.0.1 plain");
	kit_send(fd, "big 30000000\nquit\n");
	usleep(200000);
	size_t total = 0;
	char buf[65536];
	for (ssize_t n; (n = recv(fd, buf, sizeof(buf), 0)) > 0;)
		total += (size_t)n;
	assert_int_equal(total, 30000000 + strlen("\nbig done\nbye\n"));
	close(fd);
	kit_stop(&k);
}

static void
test_peer_that_takes_nothing__is_closed(void **state)
{
	static const struct cv_net_options hasty = {.workers = 2, .stall_secs = 1};
	struct kit k;
	struct cv_listen l = {0};
	(void)state;
	kit_start(&k, &hasty, &l);
	int fd = kit_connect(&k);
	kit_expect(fd, "hello 127.0.0.1 plain");
	kit_send(fd, "big 100000000\n");
	int64_t began_ms = cv_mono_ms();
	KIT_UNTIL(atomic_load(&k.closed) == 1);
	assert_in_range(cv_mono_ms() - began_ms, 900, 5000);
	close(fd);
	kit_stop(&k);
}

static enum cv_step
flood_run(struct cv_conn *c, unsigned events)
{
	static char piece[1u << 20];
	(void)events;
	for (int i = 0; i < 66; i++)
		cv_buf_add(cv_conn_out(c), piece, sizeof(piece));
	cv_conn_consume(c, cv_conn_in(c).n);
	return CV_STEP_DONE;
}

static void
test_output__has_a_hard_limit(void **state)
{
	static const struct cv_proto flood = {.name = "flood", .in_max = 100, .out_high = 1000,
	                                      .run = flood_run, .closed = kit_closed};
	struct kit k;
	struct cv_listen l = {.proto = &flood};
	(void)state;
	kit_start(&k, &plain_options, &l);
	int fd = kit_connect(&k);
	KIT_UNTIL(atomic_load(&k.closed) == 1);
	close(fd);
	kit_stop(&k);
}

static void
test_limits__refuse_with_a_line(void **state)
{
	static const struct { const char *name; struct cv_net_options o; } rows[] = {
		{"connections of the process", {.workers = 1, .max_conns = 2}},
		{"connections of one address", {.workers = 1, .max_conns_per_ip = 2}},
		{"connections of one network", {.workers = 1, .max_conns_per_net = 2}},
		{"connections of the listener's share", {.workers = 1}},
	};
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct kit k;
		struct cv_share share = {.max = i == 3 ? 2 : 0};
		struct cv_listen l = {.refusal = "421 too many\r\n", .share = &share};
		struct cv_net_stats stats;
		kit_start(&k, &rows[i].o, &l);
		int a = kit_connect(&k), b = kit_connect(&k);
		kit_expect(a, "hello 127.0.0.1 plain");
		kit_expect(b, "hello 127.0.0.1 plain");
		int c = kit_connect(&k);
		kit_expect(c, "421 too many\r");
		kit_expect(c, "");
		close(a);
		KIT_UNTIL((cv_net_stats(k.net, &stats), stats.open == 1));
		int d = kit_connect(&k);
		kit_expect(d, "hello 127.0.0.1 plain");
		cv_net_stats(k.net, &stats);
		assert_int_equal(stats.refused, 1);
		assert_int_equal(stats.accepted, 3);
		close(b);
		close(c);
		close(d);
		kit_stop(&k);
	}
}

static void
test_new_connections__are_refused_when_too_many_come_at_once(void **state)
{
	static const struct cv_net_options three_a_minute = {.workers = 1, .conns_per_minute = 3};
	struct kit k;
	struct cv_netset *here;
	struct cv_err err;
	struct cv_listen l = {.refusal = "421 full\n", .refusal_peer = "421 too fast\n"};
	(void)state;
	kit_start(&k, &three_a_minute, &l);
	for (int i = 0; i < 4; i++) {
		int fd = kit_connect(&k);
		kit_expect(fd, i < 3 ? "hello 127.0.0.1 plain" : "421 too fast");
		close(fd);
	}
	kit_stop(&k);

	assert_int_equal(cv_netset_parse(CV_STR("127.0.0.1"), &here, &err), CV_OK);
	struct cv_net_options but_here = three_a_minute;
	but_here.unlimited_from = here;
	but_here.max_conns_per_ip = but_here.max_conns_per_net = 1;
	kit_start(&k, &but_here, &l);
	int fd[5];
	for (size_t i = 0; i < CV_COUNT(fd); i++) {
		fd[i] = kit_connect(&k);
		kit_expect(fd[i], "hello 127.0.0.1 plain");
	}
	for (size_t i = 0; i < CV_COUNT(fd); i++)
		close(fd[i]);
	kit_stop(&k);
	cv_netset_free(here);
}

static void
test_slow_work__takes_half_of_the_workers_at_most(void **state)
{
	static const struct cv_net_options four = {.workers = 4};
	struct kit k;
	struct cv_listen l = {0};
	int fd[8];
	(void)state;
	kit_start(&k, &four, &l);
	for (size_t i = 0; i < CV_COUNT(fd); i++) {
		fd[i] = kit_connect(&k);
		kit_expect(fd[i], "hello 127.0.0.1 plain");
		kit_send(fd[i], "slow 300\n");
	}
	usleep(50000);
	int quick = kit_connect(&k);
	int64_t began_ms = cv_mono_ms();
	kit_expect(quick, "hello 127.0.0.1 plain");
	kit_send(quick, "x\n");
	kit_expect(quick, "= x");
	/* All of the slow work takes 1.2 s. */
	assert_in_range(cv_mono_ms() - began_ms, 0, 900);
	for (size_t i = 0; i < CV_COUNT(fd); i++) {
		kit_expect(fd[i], "slow done");
		close(fd[i]);
	}
	assert_int_equal(atomic_load(&k.slow_most), 2);
	close(quick);
	kit_stop(&k);
}

static void
test_kill__says_goodbye_and_closes(void **state)
{
	struct kit k;
	struct cv_listen l = {0};
	(void)state;
	kit_start(&k, &plain_options, &l);
	int fd = kit_connect(&k);
	kit_expect(fd, "hello 127.0.0.1 plain");
	kit_send(fd, "wait\n");
	KIT_UNTIL(atomic_load(&k.parked));
	cv_conn_kill(atomic_load(&k.parked));
	kit_expect(fd, "stopping");
	kit_expect(fd, "");
	KIT_UNTIL(atomic_load(&k.closed) == 1);
	cv_conn_wake(atomic_load(&k.parked)); /* on a closed connection: nothing */
	close(fd);
	kit_stop(&k);
}

static void *
wake_later(void *arg)
{
	struct kit *k = arg;
	usleep(200000);
	cv_conn_wake(atomic_load(&k->parked));
	return NULL;
}

static void
test_stop__lets_a_waiting_command_end(void **state)
{
	struct kit k;
	struct cv_listen l = {0};
	pthread_t thread;
	(void)state;
	kit_start(&k, &plain_options, &l);
	int busy = kit_connect(&k), idle = kit_connect(&k);
	kit_expect(busy, "hello 127.0.0.1 plain");
	kit_expect(idle, "hello 127.0.0.1 plain");
	kit_send(busy, "wait\n");
	KIT_UNTIL(atomic_load(&k.parked));
	assert_int_equal(pthread_create(&thread, NULL, wake_later, &k), 0);
	cv_net_stop(k.net, 5000);
	pthread_join(thread, NULL);
	kit_expect(idle, "stopping");
	kit_expect(idle, "");
	kit_expect(busy, "woken");
	kit_expect(busy, "stopping");
	kit_expect(busy, "");
	assert_int_equal(atomic_load(&k.closed), 2);
	close(busy);
	close(idle);
	kit_stop(&k);
}

static void
test_stop__does_not_wait_longer_than_its_grace(void **state)
{
	struct kit k;
	struct cv_listen l = {0};
	(void)state;
	kit_start(&k, &plain_options, &l);
	int fd = kit_connect(&k);
	kit_expect(fd, "hello 127.0.0.1 plain");
	kit_send(fd, "wait\n");
	KIT_UNTIL(atomic_load(&k.parked));
	int64_t began_ms = cv_mono_ms();
	cv_net_stop(k.net, 100);
	assert_in_range(cv_mono_ms() - began_ms, 90, 2000);
	kit_expect(fd, "stopping");
	close(fd);
	kit_stop(&k);
}

/* ---- outgoing ---- */

struct caller {
	_Atomic unsigned connected, failed, closed;
	char error[200], greeting[100];
};

static enum cv_step
caller_run(struct cv_conn *c, unsigned events)
{
	struct caller *caller = cv_conn_ctx(c);
	if (events & CV_EV_FAILED) {
		snprintf(caller->error, sizeof(caller->error), "%s", cv_conn_error(c));
		atomic_fetch_add(&caller->failed, 1);
		return CV_STEP_CLOSE;
	}
	if (events & CV_EV_CONNECTED)
		atomic_fetch_add(&caller->connected, 1);
	struct cv_str in = cv_conn_in(c);
	if (cv_str_find(in, '\n', 0) == in.n)
		return CV_STEP_READ;
	snprintf(caller->greeting, sizeof(caller->greeting), "%.*s", CV_STR_ARGS(cv_str_trim(in)));
	return CV_STEP_CLOSE;
}

static void
caller_closed(struct cv_conn *c)
{
	struct caller *caller = cv_conn_ctx(c);
	atomic_fetch_add(&caller->closed, 1);
}

static const struct cv_proto caller_proto = {.name = "caller", .in_max = 1000, .out_high = 1000,
                                             .idle_secs = 5, .run = caller_run,
                                             .closed = caller_closed};

static void
test_connect__is_told_when_up_or_failed(void **state)
{
	struct kit k;
	struct cv_listen l = {0};
	struct caller up = {0}, refused = {0};
	struct cv_conn *conn = NULL;
	struct cv_err err;
	(void)state;
	kit_start(&k, &plain_options, &l);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)k.fd_port),
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(cv_net_connect(k.net, (struct sockaddr *)&in, sizeof(in), &caller_proto,
	                                &up, 5, &conn, &err),
	                 CV_OK);
	assert_non_null(conn);
	KIT_UNTIL(atomic_load(&up.closed) == 1);
	assert_string_equal(up.greeting, "hello 127.0.0.1 plain");
	assert_int_equal(atomic_load(&up.failed), 0);
	cv_conn_unref(conn);

	int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening: refuses */
	socklen_t len = sizeof(in);
	in.sin_port = 0;
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	getsockname(fd, (struct sockaddr *)&in, &len);
	assert_int_equal(cv_net_connect(k.net, (struct sockaddr *)&in, sizeof(in), &caller_proto,
	                                &refused, 5, NULL, &err), CV_OK);
	KIT_UNTIL(atomic_load(&refused.closed) == 1);
	assert_int_equal(atomic_load(&refused.connected), 0);
	assert_string_equal(refused.error, "connect: Connection refused");
	close(fd);
	kit_stop(&k);
}

/* ---- PROXY protocol ---- */

static void
test_proxy__is_needed_from_trusted_peers_and_a_line_from_others(void **state)
{
	static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\x7f\0\0\x01\x12\x34\0\x19";
	struct kit k;
	struct cv_netset *trusted, *others;
	struct cv_err err;
	(void)state;
	assert_int_equal(cv_netset_parse(CV_STR("127.0.0.0/8"), &trusted, &err), CV_OK);
	assert_int_equal(cv_netset_parse(CV_STR("192.0.2.0/24"), &others, &err), CV_OK);
	struct cv_listen l = {.proxy_from = trusted};
	kit_start(&k, &plain_options, &l);
	int fd = kit_connect(&k);
	static const char v1[] = "PROXY TCP6 2001:db8::7 2001:db8::1 4660 25\r\nfirst\n";
	for (size_t i = 0; i < sizeof(v1) - 1; i++)
		assert_int_equal(send(fd, v1 + i, 1, 0), 1);
	kit_expect(fd, "hello 2001:db8::7 plain");
	kit_expect(fd, "= first");
	close(fd);
	fd = kit_connect(&k);
	assert_int_equal(send(fd, v2, sizeof(v2) - 1, 0), (ssize_t)sizeof(v2) - 1);
	kit_send(fd, "second\n");
	kit_expect(fd, "hello 198.51.100.7 plain");
	kit_expect(fd, "= second");
	close(fd);
	fd = kit_connect(&k);
	kit_send(fd, "EHLO without a header\r\n");
	kit_expect(fd, "");
	close(fd);
	kit_stop(&k);

	l.proxy_from = others;
	kit_start(&k, &plain_options, &l);
	fd = kit_connect(&k);
	kit_send(fd, "PROXY TCP4 198.51.100.7 127.0.0.1 1 25\n");
	kit_expect(fd, "hello 127.0.0.1 plain");
	kit_expect(fd, "= PROXY TCP4 198.51.100.7 127.0.0.1 1 25");
	close(fd);
	kit_stop(&k);
	cv_netset_free(trusted);
	cv_netset_free(others);
}

static void
test_limit_of_one_address__counts_ipv6_by_network(void **state)
{
	static const struct { const char *name, *peer; bool welcome; } rows[] = {
		{"first", "2001:db8:0:1::1", true},
		{"same network", "2001:db8:0:1:ffff::2", false},
		{"next network", "2001:db8:0:2::1", true},
		{"IPv4 inside IPv6", "::ffff:192.0.2.1", true},
		{"the same again", "::ffff:192.0.2.1", false},
		{"its neighbour", "::ffff:192.0.2.2", true},
	};
	static const struct cv_net_options one_each = {.workers = 2, .max_conns_per_ip = 1};
	struct kit k;
	struct cv_netset *trusted;
	struct cv_err err;
	int fd[CV_COUNT(rows)];
	(void)state;
	assert_int_equal(cv_netset_parse(CV_STR("127.0.0.1"), &trusted, &err), CV_OK);
	struct cv_listen l = {.proxy_from = trusted, .refusal = "421 no\n"};
	kit_start(&k, &one_each, &l);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char text[200], got[100];
		fd[i] = kit_connect(&k);
		snprintf(text, sizeof(text), "PROXY TCP6 %s 2001:db8::25 1 25\r\n", rows[i].peer);
		kit_send(fd[i], text);
		kit_line_from(fd[i], got, sizeof(got));
		if (!strcmp(got, "421 no") == rows[i].welcome)
			fail_msg("%s: %s", rows[i].name, got);
	}
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		close(fd[i]);
	kit_stop(&k);
	cv_netset_free(trusted);
}

/* ---- jobs ---- */

static void
bump(void *arg)
{
	atomic_fetch_add((_Atomic unsigned *)arg, 1);
}

static void
test_jobs__run_now_later_or_when_the_net_stops(void **state)
{
	struct kit k;
	struct cv_listen l = {0};
	_Atomic unsigned now = 0, soon = 0, late = 0, watched = 0;
	struct cv_err err;
	int pipe_fd[2];
	(void)state;
	kit_start(&k, &plain_options, &l);
	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(cv_net_watch(k.net, pipe_fd[0], bump, &watched, &err), CV_OK);
	int64_t began_ms = cv_mono_ms();
	assert_true(cv_net_run(k.net, bump, &now));
	assert_true(cv_net_after(k.net, 100, bump, &soon));
	assert_true(cv_net_after(k.net, 3600 * 1000, bump, &late));
	KIT_UNTIL(atomic_load(&soon) == 1);
	assert_in_range(cv_mono_ms() - began_ms, 99, 2000);
	assert_int_equal(atomic_load(&now), 1);
	assert_int_equal(atomic_load(&watched), 0);
	assert_int_equal(write(pipe_fd[1], "x", 1), 1);
	KIT_UNTIL(atomic_load(&watched) > 0);
	assert_int_equal(atomic_load(&late), 0);
	cv_net_stop(k.net, 100);
	assert_int_equal(atomic_load(&late), 1);
	assert_false(cv_net_run(k.net, bump, &now));
	kit_stop(&k);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_input__comes_whole_or_byte_by_byte),
		cmocka_unit_test(test_half_closed_peer__gets_every_answer),
		cmocka_unit_test(test_pipeline__of_thousands_is_answered_in_order),
		cmocka_unit_test(test_line_too_long__is_answered_although_more_comes),
		cmocka_unit_test(test_wait__leaves_input_alone_until_woken),
		cmocka_unit_test(test_listen__takes_input_and_wakes),
		cmocka_unit_test(test_deadline__is_told_and_starts_again_with_input),
		cmocka_unit_test(test_output__of_a_peer_that_reads_late_is_held_back),
		cmocka_unit_test(test_peer_that_takes_nothing__is_closed),
		cmocka_unit_test(test_output__has_a_hard_limit),
		cmocka_unit_test(test_limits__refuse_with_a_line),
		cmocka_unit_test(test_new_connections__are_refused_when_too_many_come_at_once),
		cmocka_unit_test(test_slow_work__takes_half_of_the_workers_at_most),
		cmocka_unit_test(test_kill__says_goodbye_and_closes),
		cmocka_unit_test(test_stop__lets_a_waiting_command_end),
		cmocka_unit_test(test_stop__does_not_wait_longer_than_its_grace),
		cmocka_unit_test(test_connect__is_told_when_up_or_failed),
		cmocka_unit_test(test_proxy__is_needed_from_trusted_peers_and_a_line_from_others),
		cmocka_unit_test(test_limit_of_one_address__counts_ipv6_by_network),
		cmocka_unit_test(test_jobs__run_now_later_or_when_the_net_stops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
