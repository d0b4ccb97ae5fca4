/* net_kit.h - what the net tests share: a small line protocol served by a real net, and a client.
 *
 * Lines: "quit", "wait" (parked until woken), "listen" (parked for both), "big N" (N bytes in
 * pieces, by STEP_MORE), "starttls", "slow MS", "drop", anything else is echoed after "= ".
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef NET_KIT_H
#define NET_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/net/addr.h"
#include "common/net/net.h"
#include "common/net/tls.h"

struct kit {
	struct cv_net *net;
	int fd_port;
	struct cv_conn *_Atomic parked; /* the last connection that said "wait" or "listen", with a
					 * ref */
	_Atomic unsigned opened, closed, timeouts, killed, slow_now, slow_most, wakes;
};

struct line_state {
	size_t big_left;
	bool waiting, listening;
	unsigned slow_ms;
};

static void
kit_park(struct kit *k, struct cv_conn *c)
{
	cv_conn_ref(c);
	struct cv_conn *old = atomic_exchange(&k->parked, c);
	if (old)
		cv_conn_unref(old);
}

static enum cv_step
kit_slow(struct kit *k, struct cv_conn *c, struct line_state *s)
{
	if (!cv_conn_mark_slow(c, true))
		return CV_STEP_WAIT;
	unsigned now = atomic_fetch_add(&k->slow_now, 1) + 1, most = atomic_load(&k->slow_most);
	while (now > most && !atomic_compare_exchange_weak(&k->slow_most, &most, now))
		;
	usleep(s->slow_ms * 1000);
	atomic_fetch_sub(&k->slow_now, 1);
	s->slow_ms = 0;
	cv_conn_mark_slow(c, false);
	cv_buf_z(cv_conn_out(c), "slow done\n");
	return CV_STEP_DONE;
}

static enum cv_step
kit_big(struct cv_conn *c, struct line_state *s)
{
	while (s->big_left && !cv_conn_out_is_high(c)) {
		char piece[1000];
		size_t n = CV_MIN(s->big_left, sizeof(piece));
		memset(piece, 'x', n);
		cv_buf_add(cv_conn_out(c), piece, n);
		s->big_left -= n;
	}
	if (s->big_left)
		return CV_STEP_MORE;
	cv_buf_z(cv_conn_out(c), "\nbig done\n");
	return CV_STEP_DONE;
}

static enum cv_step
kit_line(struct kit *k, struct cv_conn *c, struct line_state *s, struct cv_str line)
{
	uint64_t n;
	if (cv_str_eq_z(line, "quit")) {
		cv_buf_z(cv_conn_out(c), "bye\n");
		return CV_STEP_CLOSE;
	}
	if (cv_str_eq_z(line, "drop"))
		return CV_STEP_CLOSE;
	if (cv_str_eq_z(line, "wait")) {
		s->waiting = true;
		kit_park(k, c);
		return CV_STEP_WAIT;
	}
	if (cv_str_eq_z(line, "listen")) {
		s->listening = true;
		cv_buf_z(cv_conn_out(c), "listening\n");
		kit_park(k, c);
		return CV_STEP_LISTEN;
	}
	if (cv_str_eq_z(line, "starttls")) {
		cv_buf_z(cv_conn_out(c), "go\n");
		cv_conn_starttls(c);
		return CV_STEP_READ;
	}
	if (cv_str_has_prefix(line, "deadline ") &&
	    !cv_str_u64(cv_str_sub(line, 9, line.n), 60, &n)) {
		cv_conn_set_deadline(c, (unsigned)n);
		return CV_STEP_READ;
	}
	if (cv_str_has_prefix(line, "big ") &&
	    !cv_str_u64(cv_str_sub(line, 4, line.n), 1u << 30, &n)) {
		s->big_left = n;
		return kit_big(c, s);
	}
	if (cv_str_has_prefix(line, "slow ") &&
	    !cv_str_u64(cv_str_sub(line, 5, line.n), 1000, &n)) {
		s->slow_ms = (unsigned)n;
		return kit_slow(k, c, s);
	}
	cv_buf_printf(cv_conn_out(c), "= %.*s\n", CV_STR_ARGS(line));
	return CV_STEP_DONE;
}

static enum cv_step
kit_run(struct cv_conn *c, unsigned events)
{
	struct kit *k = cv_conn_ctx(c);
	struct line_state *s = cv_conn_user(c);
	struct cv_tls_info tls;

	if (events & (CV_EV_OPEN | CV_EV_SECURE)) {
		if (events & CV_EV_OPEN)
			atomic_fetch_add(&k->opened, 1);
		cv_conn_tls_info(c, &tls);
		cv_buf_printf(cv_conn_out(c), "hello %s %s\n", cv_conn_peer_text(c),
		              tls.secure ? tls.version : "plain");
	}
	if (events & CV_EV_TIMEOUT) {
		atomic_fetch_add(events & CV_EV_KILLED ? &k->killed : &k->timeouts, 1);
		cv_buf_z(cv_conn_out(c), events & CV_EV_KILLED ? "stopping\n" : "timeout\n");
		return CV_STEP_CLOSE;
	}
	if (events & CV_EV_WAKE) {
		atomic_fetch_add(&k->wakes, 1);
		if (s->listening)
			cv_buf_z(cv_conn_out(c), "* woken\n");
		if (s->waiting)
			cv_buf_z(cv_conn_out(c), "woken\n");
		s->waiting = false;
	}
	if (s->big_left)
		return kit_big(c, s);
	if (s->slow_ms)
		return kit_slow(k, c, s);
	if (s->waiting)
		return CV_STEP_WAIT;
	struct cv_str in = cv_conn_in(c);
	size_t end = cv_str_find(in, '\n', 0);
	if (end == in.n) {
		if (cv_conn_in_is_full(c)) {
			cv_buf_z(cv_conn_out(c), "too long\n");
			return CV_STEP_CLOSE;
		}
		return s->listening ? CV_STEP_LISTEN : CV_STEP_READ;
	}
	s->listening = false;
	char line[4096];
	memcpy(line, in.p, CV_MIN(end, sizeof(line)));
	struct cv_str view = cv_str(line, CV_MIN(end, sizeof(line)));
	cv_conn_consume(c, end + 1);
	return kit_line(k, c, s, view);
}

static void
kit_closed(struct cv_conn *c)
{
	struct kit *k = cv_conn_ctx(c);
	atomic_fetch_add(&k->closed, 1);
}

CV_UNUSED static const struct cv_proto kit_proto = {
	.name = "line", .user_bytes = sizeof(struct line_state), .in_max = 2048,
	.out_high = 64u << 10, .idle_secs = 60, .run = kit_run, .closed = kit_closed};

/* A net that listens on a loopback port; the port is in k->fd_port. */
CV_UNUSED static void
kit_start(struct kit *k, const struct cv_net_options *o, struct cv_listen *l)
{
	struct cv_err err;
	struct sockaddr_storage a;
	socklen_t len;
	int fd;
	memset(k, 0, sizeof(*k));
	assert_int_equal(cv_net_new(o, &k->net, &err), CV_OK);
	assert_int_equal(cv_sockaddr_parse(CV_STR("127.0.0.1:0"), &a, &len, &err), CV_OK);
	assert_int_equal(cv_addr_listen(&a, len, 0, &fd, &err), CV_OK);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	k->fd_port = (int)cv_sockaddr_port(&a);
	if (!l->proto)
		l->proto = &kit_proto;
	if (!l->ctx)
		l->ctx = k;
	assert_int_equal(cv_net_listen(k->net, fd, l, &err), CV_OK);
	assert_int_equal(cv_net_start(k->net, &err), CV_OK);
}

CV_UNUSED static void
kit_stop(struct kit *k)
{
	cv_net_stop(k->net, 1000);
	struct cv_conn *c = atomic_exchange(&k->parked, NULL);
	if (c)
		cv_conn_unref(c);
	cv_net_free(k->net);
}

CV_UNUSED static int
kit_connect(const struct kit *k)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)k->fd_port),
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	struct timeval limit = {.tv_sec = 20};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

CV_UNUSED static void
kit_send(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One line without its end; "" when the peer closed. */
CV_UNUSED static const char *
kit_line_from(int fd, char *buf, size_t cap)
{
	size_t n = 0;
	while (n + 1 < cap && recv(fd, buf + n, 1, 0) == 1 && buf[n] != '\n')
		n++;
	buf[n] = '\0';
	return buf;
}

CV_UNUSED static void
kit_expect(int fd, const char *want)
{
	char got[4096];
	assert_string_equal(kit_line_from(fd, got, sizeof(got)), want);
}

/* Until CONDITION holds, at most ten seconds. */
#define KIT_UNTIL(condition)                                                                       \
	do {                                                                                       \
		int64_t until_ms_ = cv_mono_ms() + 10000;                                          \
		while (!(condition) && cv_mono_ms() < until_ms_)                                   \
			usleep(1000);                                                              \
		assert_true(condition);                                                            \
	} while (0)

#endif
