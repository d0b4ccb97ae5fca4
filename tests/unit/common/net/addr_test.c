/* addr_test.c - addresses in text, sets of networks, listening, inherited sockets, pools. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/net/net_kit.h"

#include <signal.h>

#include "common/net/daemon.h"
#include "common/net/pool.h"

static void
test_parse__takes_what_the_manual_says_and_no_more(void **state)
{
	static const struct {
		const char *text, *ip;
		unsigned port;
		enum cv_status want;
	} rows[] = {
		{ "127.0.0.1:25", "127.0.0.1", 25, CV_OK },
		{ "[::1]:993", "::1", 993, CV_OK },
		{ "[2001:db8::25]:0", "2001:db8::25", 0, CV_OK },
		{ "[::ffff:192.0.2.1]:25", "192.0.2.1", 25, CV_OK },
		{ "*:65535", "::", 65535, CV_OK },
		{ "unix:/run/x", "local", 0, CV_OK },
		{ "", NULL, 0, CV_INVALID },
		{ "127.0.0.1", NULL, 0, CV_INVALID },
		{ "127.0.0.1:", NULL, 0, CV_INVALID },
		{ "127.0.0.1:65536", NULL, 0, CV_INVALID },
		{ "127.0.0.1:+5", NULL, 0, CV_INVALID },
		{ "127.1:25", NULL, 0, CV_INVALID },
		{ "::1:25", NULL, 0, CV_INVALID },
		{ "[127.0.0.1]:25", NULL, 0, CV_INVALID },
		{ "localhost:25", NULL, 0, CV_INVALID },
		{ ":25", NULL, 0, CV_INVALID },
		{ "unix:", NULL, 0, CV_INVALID },
	};
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct sockaddr_storage a;
		socklen_t len;
		struct cv_err err;
		char text[64];
		enum cv_status got = cv_sockaddr_parse(cv_str_z(rows[i].text), &a, &len, &err);
		if (got != rows[i].want)
			fail_msg("'%s': status %d", rows[i].text, got);
		if (got)
			continue;
		assert_string_equal(cv_sockaddr_text(&a, text, sizeof(text)), rows[i].ip);
		assert_int_equal(cv_sockaddr_port(&a), rows[i].port);
	}
}

static struct sockaddr_storage
ip(const char *text)
{
	struct sockaddr_storage a;
	socklen_t len;
	struct cv_err err;
	char whole[80];
	snprintf(whole, sizeof(whole), strchr(text, ':') ? "[%s]:1" : "%s:1", text);
	assert_int_equal(cv_sockaddr_parse(cv_str_z(whole), &a, &len, &err), CV_OK);
	return a;
}

static void
test_netset__knows_its_members(void **state)
{
	static const struct { const char *set, *ip; bool want; } rows[] = {
		{"127.0.0.0/8 ::1/128 10.0.0.0/9", "127.9.9.9", true},
		{"127.0.0.0/8,::1/128, 10.0.0.0/9", "10.127.0.1", true},
		{"127.0.0.0/8 ::1/128 10.0.0.0/9", "10.128.0.1", false},
		{"127.0.0.0/8 ::1/128 10.0.0.0/9", "::1", true},
		{"127.0.0.0/8 ::1/128 10.0.0.0/9", "::2", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.0/24", "::ffff:192.0.2.77", true},
		{"::ffff:192.0.2.0/120", "192.0.2.77", true},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"0.0.0.0/0", "198.51.100.1", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{" ", "127.0.0.1", false},
	};
	static const char *bad[] = {
		"10.0.0.0/33",  "10.0.0.0/",         "::/129", "x", "10.0.0.0/-1",
		"10.0.0.0/8/8", "::ffff:10.0.0.0/64"
	};
	struct cv_netset *s;
	struct cv_err err;
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct sockaddr_storage a = ip(rows[i].ip);
		assert_int_equal(cv_netset_parse(cv_str_z(rows[i].set), &s, &err), CV_OK);
		if (cv_netset_has(s, &a) != rows[i].want)
			fail_msg("%s in '%s'", rows[i].ip, rows[i].set);
		assert_false(cv_netset_has(NULL, &a));
		cv_netset_free(s);
	}
	for (size_t i = 0; i < CV_COUNT(bad); i++)
		if (cv_netset_parse(cv_str_z(bad[i]), &s, &err) != CV_INVALID)
			fail_msg("'%s' was taken", bad[i]);
}

static void
test_listen__replaces_a_dead_unix_socket_but_not_a_live_one(void **state)
{
	struct sockaddr_storage a;
	socklen_t len;
	struct cv_err err;
	char dir[] = "/tmp/congvu-addr-XXXXXX", text[64];
	int first, second;
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(text, sizeof(text), "unix:%s/s", dir);
	assert_int_equal(cv_sockaddr_parse(cv_str_z(text), &a, &len, &err), CV_OK);
	assert_int_equal(cv_addr_listen(&a, len, 0660, &first, &err), CV_OK);
	assert_int_equal(cv_addr_listen(&a, len, 0660, &second, &err), CV_EXISTS);
	close(first);
	assert_int_equal(cv_addr_listen(&a, len, 0660, &second, &err), CV_OK);
	close(second);
	unlink(text + 5);
	FILE *f = fopen(text + 5, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(cv_addr_listen(&a, len, 0660, &second, &err), CV_EXISTS);
	unlink(text + 5);
	rmdir(dir);
}

static void
test_listen__serves_both_families_on_one_socket(void **state)
{
	struct sockaddr_storage a;
	socklen_t len;
	struct cv_err err;
	int fd;
	(void)state;
	assert_int_equal(cv_sockaddr_parse(CV_STR("*:0"), &a, &len, &err), CV_OK);
	assert_int_equal(cv_addr_listen(&a, len, 0, &fd, &err), CV_OK);
	len = sizeof(a);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	struct sockaddr_in in = { .sin_family = AF_INET,
		                  .sin_port = htons((uint16_t)cv_sockaddr_port(&a)),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int peer = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(peer, (struct sockaddr *)&in, sizeof(in)), 0);
	close(peer);
	close(fd);
}

/* ---- daemon.h ---- */

static void
collect(int fd, void *arg)
{
	int *sum = arg;
	*sum += fd;
}

static void
test_daemon__finds_inherited_sockets_and_says_ready(void **state)
{
	struct sockaddr_storage a;
	socklen_t len;
	struct cv_err err;
	char text[100], got[16] = "";
	int fd[3], ready[2], sum = 0;
	(void)state;
	assert_int_equal(cv_sockaddr_parse(CV_STR("127.0.0.1:0"), &a, &len, &err), CV_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(cv_addr_listen(&a, len, 0, &fd[i], &err), CV_OK);
	snprintf(text, sizeof(text), "mx=%d mx=%d ctl=%d mx=999 mx=x", fd[0], fd[1], fd[2]);
	setenv("CONGVU_SOCKETS", text, 1);
	assert_int_equal(cv_daemon_sockets("mx", collect, &sum), 2);
	assert_int_equal(sum, fd[0] + fd[1]);
	assert_int_equal(cv_daemon_sockets("ctl", collect, &sum), 1);
	assert_int_equal(cv_daemon_sockets("imap", collect, &sum), 0);
	unsetenv("CONGVU_SOCKETS");
	assert_int_equal(cv_daemon_sockets("mx", collect, &sum), 0);
	for (int i = 0; i < 3; i++)
		close(fd[i]);

	assert_int_equal(pipe(ready), 0);
	snprintf(text, sizeof(text), "%d", ready[1]);
	setenv("CONGVU_READY_FD", text, 1);
	cv_daemon_ready();
	assert_int_equal(read(ready[0], got, sizeof(got)), 6);
	assert_memory_equal(got, "READY\n", 6);
	assert_int_equal(read(ready[0], got, sizeof(got)), 0);
	close(ready[0]);
}

static void
test_daemon__takes_signals_by_waiting(void **state)
{
	(void)state;
	cv_daemon_signals_block();
	kill(getpid(), SIGHUP);
	assert_int_equal(cv_daemon_wait(), SIGHUP);
	kill(getpid(), SIGTERM);
	assert_int_equal(cv_daemon_wait(), SIGTERM);
}

/* ---- pool.h ---- */

struct gate {
	_Atomic unsigned running, done;
	_Atomic bool open;
};

static void
pass_gate(void *arg)
{
	struct gate *g = arg;
	atomic_fetch_add(&g->running, 1);
	while (!atomic_load(&g->open))
		usleep(500);
	atomic_fetch_add(&g->done, 1);
}

static void
test_pool__refuses_when_full_and_ends_after_its_work(void **state)
{
	struct cv_pool *p;
	struct cv_err err;
	struct gate g = {0};
	(void)state;
	assert_int_equal(cv_pool_new("test", 2, 3, &p, &err), CV_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(cv_pool_run(p, pass_gate, &g), CV_OK);
	KIT_UNTIL(atomic_load(&g.running) == 2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(cv_pool_run(p, pass_gate, &g), CV_OK);
	assert_int_equal(cv_pool_run(p, pass_gate, &g), CV_LIMIT);
	atomic_store(&g.open, true);
	cv_pool_free(p);
	assert_int_equal(atomic_load(&g.done), 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse__takes_what_the_manual_says_and_no_more),
		cmocka_unit_test(test_netset__knows_its_members),
		cmocka_unit_test(test_listen__replaces_a_dead_unix_socket_but_not_a_live_one),
		cmocka_unit_test(test_listen__serves_both_families_on_one_socket),
		cmocka_unit_test(test_daemon__finds_inherited_sockets_and_says_ready),
		cmocka_unit_test(test_daemon__takes_signals_by_waiting),
		cmocka_unit_test(test_pool__refuses_when_full_and_ends_after_its_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
