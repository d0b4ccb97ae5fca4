/* bench: net */
/* net_echo_bench.c - how fast the net answers, and what idle connections cost.
 *
 *     bench_net_echo ping [connections] [seconds]     NOOP-like ping-pong
 *     bench_net_echo idle [connections] [cert key]    resident memory, with TLS if a certificate is
 *     given
 *
 * The client is a process of its own on the same cores, so read the numbers as ratios.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/net/addr.h"
#include "common/net/net.h"
#include "common/net/tls.h"

static enum cv_step
run(struct cv_conn *c, unsigned events)
{
	if (events & (CV_EV_EOF | CV_EV_TIMEOUT))
		return CV_STEP_CLOSE;
	struct cv_str in = cv_conn_in(c);
	size_t end = cv_str_find(in, '\n', 0);
	if (end == in.n)
		return CV_STEP_READ;
	cv_conn_consume(c, end + 1);
	cv_buf_z(cv_conn_out(c), "a1 OK NOOP completed.\r\n");
	return CV_STEP_DONE;
}

static const struct cv_proto proto = {.name = "echo", .user_bytes = 64, .in_max = 8192,
				      .out_high = 65536, .idle_secs = 1800, .run = run};

static int
listen_loopback(struct sockaddr_in *in)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(*in);
	struct cv_err err;
	int fd;
	if (cv_sockaddr_parse(CV_STR("127.0.0.1:0"), &a, &len, &err) ||
	    cv_addr_listen(&a, len, 0, &fd, &err))
		cv_die("listen: %s", err.text);
	len = sizeof(*in);
	getsockname(fd, (struct sockaddr *)in, &len);
	return fd;
}

static struct cv_net *
serve(int fd, struct cv_tls_server *tls)
{
	struct cv_net_options o = {0};
	struct cv_listen l = {.proto = &proto, .tls = tls, .implicit_tls = tls != NULL};
	struct cv_net *net;
	struct cv_err err;
	if (cv_net_new(&o, &net, &err) || cv_net_listen(net, fd, &l, &err) ||
	    cv_net_start(net, &err))
		cv_die("net: %s", err.text);
	return net;
}

static int
dial(const struct sockaddr_in *in)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	if (fd < 0 || connect(fd, (const struct sockaddr *)in, sizeof(*in)))
		cv_die("connect: errno %d", errno);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static double
cpu_secs(int who)
{
	struct rusage u;
	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* One client thread over epoll: a line goes out when the answer to the last one is there. */
static uint64_t
drive(const struct sockaddr_in *in, unsigned conns, unsigned secs, uint64_t *worst_us_out)
{
	int ep = epoll_create1(0), *fd = cv_calloc(conns, sizeof(*fd));
	int64_t *sent_us = cv_calloc(conns, sizeof(*sent_us)), until_us;
	uint64_t answers = 0;
	char buf[4096];
	for (unsigned i = 0; i < conns; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};
		fd[i] = dial(in);
		epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &ev);
		sent_us[i] = cv_mono_us();
		if (send(fd[i], "a1 NOOP\r\n", 9, 0) != 9)
			cv_die("send");
	}
	until_us = cv_mono_us() + (int64_t)secs * 1000000;
	while (cv_mono_us() < until_us) {
		struct epoll_event ev[64];
		int n = epoll_wait(ep, ev, 64, 1000);
		int64_t now_us = cv_mono_us();
		for (int i = 0; i < n; i++) {
			unsigned k = ev[i].data.u32;
			if (recv(fd[k], buf, sizeof(buf), 0) <= 0)
				cv_die("closed");
			answers++;
			*worst_us_out = CV_MAX(*worst_us_out, (uint64_t)(now_us - sent_us[k]));
			sent_us[k] = now_us;
			if (send(fd[k], "a1 NOOP\r\n", 9, 0) != 9)
				cv_die("send");
		}
	}
	for (unsigned i = 0; i < conns; i++)
		close(fd[i]);
	close(ep);
	free(fd);
	free(sent_us);
	return answers;
}

static int
ping(unsigned conns, unsigned secs)
{
	struct sockaddr_in in;
	int fd = listen_loopback(&in);
	pid_t client = fork(); /* before any thread */
	if (client == 0) {
		uint64_t worst_us = 0;
		usleep(100000);
		uint64_t answers = drive(&in, conns, secs, &worst_us);
		printf("%u connections: %.0f answers/s, slowest %.2f ms, client CPU %.2f s\n", conns,
		       (double)answers / secs, (double)worst_us / 1000, cpu_secs(RUSAGE_SELF));
		fflush(stdout);
		_exit(0);
	}
	struct cv_net *net = serve(fd, NULL);
	waitpid(client, NULL, 0);
	printf("server CPU %.2f s\n", cpu_secs(RUSAGE_SELF));
	cv_net_stop(net, 100);
	cv_net_free(net);
	return 0;
}

static long
resident_kb(void)
{
	char line[200];
	long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static void
hold_idle(const struct sockaddr_in *in, unsigned conns, bool tls, int ready_fd, int end_fd)
{
	SSL_CTX *ctx = tls ? SSL_CTX_new(TLS_client_method()) : NULL;
	char buf[100];
	for (unsigned i = 0; i < conns; i++) {
		int fd = dial(in);
		if (!tls) {
			if (send(fd, "x\n", 2, 0) != 2 || recv(fd, buf, sizeof(buf), 0) <= 0)
				cv_die("plain connection %u", i);
			continue;
		}
		SSL *ssl = SSL_new(ctx);
		SSL_set_fd(ssl, fd);
		if (SSL_connect(ssl) != 1 || SSL_write(ssl, "x\n", 2) != 2 ||
		    SSL_read(ssl, buf, sizeof(buf)) <= 0)
			cv_die("TLS connection %u", i);
	}
	if (write(ready_fd, "r", 1) != 1 || read(end_fd, buf, 1) < 0)
		cv_die("pipe");
	_exit(0);
}

static int
idle(unsigned conns, const char *cert, const char *key)
{
	struct sockaddr_in in;
	struct cv_tls_server *tls = NULL;
	struct cv_err err;
	struct rlimit limit = {conns + 100, conns + 100};
	int fd, ready[2], end[2];
	char byte;
	setrlimit(RLIMIT_NOFILE, &limit);
	fd = listen_loopback(&in);
	if (pipe(ready) || pipe(end))
		cv_die("pipe");
	pid_t client = fork();
	if (client == 0) {
		close(end[1]);
		hold_idle(&in, conns, cert != NULL, ready[1], end[0]);
	}
	struct cv_tls_server_options o = {.cert_files = cert, .key_files = key};
	if (cert && cv_tls_server_new(&o, &tls, &err))
		cv_die("%s", err.text);
	long before_kb = resident_kb();
	struct cv_net *net = serve(fd, tls);
	if (read(ready[0], &byte, 1) != 1)
		cv_die("the client ended");
	usleep(300000);
	long after_kb = resident_kb();
	printf("%u idle %s connections: %ld KB resident, %.2f KB each\n", conns, cert ? "TLS" : "plain",
	       after_kb, (double)(after_kb - before_kb) / conns);
	close(end[1]);
	waitpid(client, NULL, 0);
	cv_net_stop(net, 1000);
	cv_net_free(net);
	cv_tls_server_free(tls);
	return 0;
}

static unsigned
number(const char *text, unsigned otherwise)
{
	uint64_t v;
	return text && !cv_str_u64(cv_str_z(text), 1000000, &v) ? (unsigned)v : otherwise;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "ping", *n = argc > 2 ? argv[2] : NULL;
	if (!strcmp(what, "idle"))
		return idle(number(n, 5000), argc > 4 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL);
	return ping(number(n, 10), number(argc > 3 ? argv[3] : NULL, 3));
}
