/* listen.c - listening sockets, outgoing connections, and how many connections one peer may
 * have. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/net/private.h"

#define ACCEPTS_AT_ONCE 64
#define PAUSE_MS 200 /* without descriptors left: others must close first */

/* ---- limits ---- */

/* Family and address, IPv6 by /64: who has one address there has them all. */
static bool
limit_key(const struct sockaddr_storage *a, unsigned char key[9])
{
	memset(key, 0, 9);
	if (a->ss_family == AF_INET) {
		key[0] = 4;
		memcpy(key + 1, &((const struct sockaddr_in *)a)->sin_addr, 4);
		return true;
	}
	if (a->ss_family != AF_INET6)
		return false;
	const unsigned char *ip = ((const struct sockaddr_in6 *)a)->sin6_addr.s6_addr;
	bool mapped = IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)a)->sin6_addr);
	key[0] = mapped ? 4 : 6;
	memcpy(key + 1, mapped ? ip + 12 : ip, mapped ? 4 : 8);
	return true;
}

static struct cv_str
key_of(const struct cv_conn *c)
{
	return cv_str((const char *)c->limit_key, sizeof(c->limit_key));
}

bool
cv_limit_enter(struct cv_conn *c)
{
	struct cv_net *net = c->net;
	unsigned max = __atomic_load_n(&net->o.max_conns_per_ip, __ATOMIC_RELAXED);
	if (!max || !limit_key(&c->peer, c->limit_key))
		return true;
	pthread_mutex_lock(&net->conns_lock);
	uintptr_t count = (uintptr_t)cv_map_get(&net->per_ip, key_of(c));
	c->counted = count < max;
	if (c->counted)
		cv_map_put(&net->per_ip, key_of(c), (void *)(count + 1));
	pthread_mutex_unlock(&net->conns_lock);
	return c->counted;
}

void
cv_limit_leave(struct cv_conn *c)
{
	if (!c->counted)
		return;
	c->counted = false;
	uintptr_t count = (uintptr_t)cv_map_get(&c->net->per_ip, key_of(c));
	if (count > 1)
		cv_map_put(&c->net->per_ip, key_of(c), (void *)(count - 1));
	else
		cv_map_del(&c->net->per_ip, key_of(c));
}

/* ---- accepting ---- */

static void
refuse(struct cv_listener *l, int fd)
{
	atomic_fetch_add_explicit(&l->net->refused, 1, memory_order_relaxed);
	/* Clear text would only confuse a peer that expects TLS. */
	if (l->refusal && !l->l.implicit_tls) {
		ssize_t n = send(fd, l->refusal, strlen(l->refusal), MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)n;
	}
	close(fd);
}

static bool
is_full(struct cv_net *net)
{
	pthread_mutex_lock(&net->conns_lock);
	bool full = net->o.max_conns && net->open >= net->o.max_conns;
	pthread_mutex_unlock(&net->conns_lock);
	return full;
}

static void
welcome(struct cv_listener *l, int fd, const struct sockaddr_storage *peer)
{
	struct cv_net *net = l->net;
	if (is_full(net) || (l->l.proxy_protocol && !cv_netset_has(l->l.proxy_from, peer))) {
		refuse(l, fd);
		return;
	}
	int on = 1;
	if (peer->ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	struct cv_conn *c = cv_conn_new(net, fd, l->l.proto, l->l.ctx, CV_W_QUEUED);
	c->listener = l;
	c->peer = *peer;
	if (l->l.proxy_protocol) {
		c->phase = CV_PH_PROXY;
		c->deadline_ms = cv_mono_ms() + CV_NET_HANDSHAKE_SECS * 1000;
	} else if (!cv_limit_enter(c)) {
		free(c);
		refuse(l, fd);
		return;
	} else {
		cv_conn_greet(c);
	}
	struct cv_err err;
	if (cv_conn_join(c, &err)) {
		cv_log(0, CV_WARN, "conn.refused", "label=%s reason=\"%s\"", l->label, err.text);
		return;
	}
	atomic_fetch_add_explicit(&net->accepted, 1, memory_order_relaxed);
	cv_queue_push(&net->queue, &c->work, false);
}

/* An IPv4 peer of a socket for both families is an IPv4 peer. */
static void
unmap(struct sockaddr_storage *a)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
	if (a->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = in6->sin6_port};
	memcpy(&in.sin_addr, in6->sin6_addr.s6_addr + 12, 4);
	memset(a, 0, sizeof(*a));
	memcpy(a, &in, sizeof(in));
}

static void
set_interest(struct cv_listener *l, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = l};
	(void)epoll_ctl(l->net->epoll_fd, EPOLL_CTL_MOD, l->fd, &ev);
}

void
cv_listener_resume(void *arg)
{
	set_interest(arg, EPOLLIN);
}

void
cv_listener_accept(struct cv_listener *l)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE && !atomic_load(&l->closing); i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		memset(&peer, 0, sizeof(peer));
		int fd = accept4(l->fd, (struct sockaddr *)&peer, &len,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			unmap(&peer);
			welcome(l, fd, &peer);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			cv_log(0, CV_WARN, "listen.paused", "label=%s errno=%d", l->label, errno);
			set_interest(l, 0);
			cv_net_after(l->net, PAUSE_MS, cv_listener_resume, l);
		}
		return;
	}
}

enum cv_status
cv_net_listen(struct cv_net *net, int fd, const struct cv_listen *l, struct cv_err *err)
{
	struct cv_listener *n = cv_calloc(1, sizeof(*n));
	n->poll.kind = CV_POLL_LISTEN;
	n->net = net;
	n->l = *l;
	n->label = cv_strdup(l->label ? l->label : l->proto->name);
	n->refusal = l->refusal ? cv_strdup(l->refusal) : NULL;
	n->fd = fd;
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = n};
	int one = 1;
	pthread_mutex_lock(&net->conns_lock);
	bool ok = !ioctl(fd, FIONBIO, &one) && !epoll_ctl(net->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
	int errnum = errno;
	if (ok)
		cv_list_append(&net->listeners, &n->link);
	pthread_mutex_unlock(&net->conns_lock);
	if (ok)
		return CV_OK;
	enum cv_status status = cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot listen for %s",
	                                      n->label);
	close(fd);
	free(n->label);
	free(n->refusal);
	free(n);
	return status;
}

void
cv_listener_close(struct cv_listener *l)
{
	int fd = atomic_exchange(&l->fd, -1);
	if (fd >= 0)
		close(fd);
}

/* ---- going out ---- */

enum cv_status
cv_net_connect(struct cv_net *net, const struct sockaddr *addr, socklen_t addr_len,
               const struct cv_proto *proto, void *ctx, unsigned connect_secs,
               struct cv_conn **conn_out, struct cv_err *err)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make a socket");
	if (addr->sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, addr, addr_len) && errno != EINPROGRESS) {
		enum cv_status status = cv_fail_errno(err, CV_TEMPFAIL, errno, "connect");
		close(fd);
		return status;
	}
	struct cv_conn *c = cv_conn_new(net, fd, proto, ctx, CV_W_QUEUED);
	c->outgoing = true;
	c->phase = CV_PH_CONNECTING;
	c->deadline_ms = connect_secs ? cv_mono_ms() + (int64_t)connect_secs * 1000 : 0;
	memcpy(&c->peer, addr, CV_MIN((size_t)addr_len, sizeof(c->peer)));
	if (conn_out) {
		cv_conn_ref(c);
		*conn_out = c;
	}
	enum cv_status status = cv_conn_join(c, err);
	if (status) {
		if (conn_out)
			*conn_out = NULL;
		return status;
	}
	cv_queue_push(&net->queue, &c->work, false);
	return CV_OK;
}
