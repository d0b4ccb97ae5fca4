/* listen.c - listening sockets, outgoing connections, and how many connections there may be: in
 * all, of a share, of one address and of one network. */
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

enum { KEY_ADDRESS = 'a', KEY_NETWORK = 'n', KEY_NEW = 'c' };

/* One more of KEY, unless there are MAX. Under conns_lock. */
static bool
count_in(struct cv_net *net, struct cv_str key, unsigned max)
{
	uintptr_t count = (uintptr_t)cv_map_get(&net->per_ip, key);
	if (count >= max)
		return false;
	cv_map_put(&net->per_ip, key, (void *)(count + 1));
	return true;
}

static void
count_out(struct cv_net *net, struct cv_rate_key *k)
{
	struct cv_str key = cv_rate_key_str(k);
	uintptr_t count = key.n ? (uintptr_t)cv_map_get(&net->per_ip, key) : 0;
	if (count > 1)
		cv_map_put(&net->per_ip, key, (void *)(count - 1));
	else if (count)
		cv_map_del(&net->per_ip, key);
	k->n = 0;
}

static bool
is_too_fast(struct cv_conn *c, const struct cv_net_options *o)
{
	struct cv_rate_key key;
	return cv_rate_key_network(KEY_NEW, &c->peer, o->net_bits_v4, o->net_bits_v6, &key) &&
	       !cv_rates_take(c->net->rates, cv_rate_key_str(&key),
	                      (struct cv_rate){o->conns_per_minute, 60}, 1, cv_mono_ms());
}

/* Under conns_lock. */
static bool
count_peer(struct cv_conn *c, const struct cv_net_options *o)
{
	bool by_ip = o->max_conns_per_ip &&
	             cv_rate_key_network(KEY_ADDRESS, &c->peer, 32, 64, &c->limit_key);
	bool by_net = o->max_conns_per_net &&
	              cv_rate_key_network(KEY_NETWORK, &c->peer, o->net_bits_v4, o->net_bits_v6,
	                                  &c->net_key);

	c->counted = by_ip || by_net;
	if (by_ip && !count_in(c->net, cv_rate_key_str(&c->limit_key), o->max_conns_per_ip)) {
		c->limit_key.n = c->net_key.n = 0;
		c->counted = false;
		return false;
	}
	if (by_net && !count_in(c->net, cv_rate_key_str(&c->net_key), o->max_conns_per_net)) {
		c->net_key.n = 0;
		cv_limit_leave(c);
		return false;
	}
	return true;
}

bool
cv_limit_enter(struct cv_conn *c)
{
	pthread_mutex_lock(&c->net->conns_lock);
	struct cv_net_options o = c->net->o;
	o.net_bits_v4 = o.net_bits_v4 ? o.net_bits_v4 : 24;
	o.net_bits_v6 = o.net_bits_v6 ? o.net_bits_v6 : 64;
	bool enters = cv_netset_has(o.unlimited_from, &c->peer) ||
	              (!is_too_fast(c, &o) && count_peer(c, &o));
	pthread_mutex_unlock(&c->net->conns_lock);
	return enters;
}

void
cv_limit_leave(struct cv_conn *c)
{
	if (!c->counted)
		return;
	c->counted = false;
	count_out(c->net, &c->limit_key);
	count_out(c->net, &c->net_key);
}

bool
cv_conn_recount(struct cv_conn *c)
{
	pthread_mutex_lock(&c->net->conns_lock);
	cv_limit_leave(c);
	pthread_mutex_unlock(&c->net->conns_lock);
	return cv_limit_enter(c);
}

void
cv_share_leave(struct cv_conn *c)
{
	if (c->shared)
		c->listener->l.share->open--;
	c->shared = false;
}

unsigned
cv_conn_load_percent(const struct cv_conn *c)
{
	struct cv_net *net = c->net;
	const struct cv_share *share = c->listener ? c->listener->l.share : NULL;
	unsigned percent = 0;

	unsigned max = atomic_load(&net->max_conns);
	if (max)
		percent = atomic_load(&net->open) * 100u / max;
	unsigned share_max = share ? atomic_load(&share->max) : 0;
	if (share_max)
		percent = CV_MAX(percent, atomic_load(&share->open) * 100u / share_max);
	return percent;
}

/* ---- accepting ---- */

static void
refuse(struct cv_listener *l, int fd, const char *text)
{
	atomic_fetch_add_explicit(&l->net->refused, 1, memory_order_relaxed);
	/* Clear text would only confuse a peer that expects TLS. */
	if (text && !l->l.implicit_tls) {
		ssize_t n = send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)n;
	}
	close(fd);
}

/* Takes a place in the listener's share when the net and the share have one. */
static bool
has_room(struct cv_listener *l)
{
	struct cv_net *net = l->net;
	struct cv_share *share = l->l.share;
	pthread_mutex_lock(&net->conns_lock);
	bool room = (!net->o.max_conns || net->open < net->o.max_conns) &&
	            (!share || !share->max || share->open < share->max);
	if (room && share)
		share->open++;
	pthread_mutex_unlock(&net->conns_lock);
	return room;
}

static void
welcome(struct cv_listener *l, int fd, const struct sockaddr_storage *peer)
{
	struct cv_net *net = l->net;
	if (!has_room(l)) {
		refuse(l, fd, l->refusal);
		return;
	}
	int on = 1;
	if (peer->ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	struct cv_conn *c = cv_conn_new(net, fd, l->l.proto, l->l.ctx, CV_W_QUEUED);
	c->listener = l;
	c->peer = *peer;
	c->shared = l->l.share != NULL;
	if (cv_netset_has(l->l.proxy_from, peer)) {
		c->phase = CV_PH_PROXY;
		c->deadline_ms = cv_mono_ms() + CV_NET_HANDSHAKE_SECS * 1000;
	} else if (!cv_limit_enter(c)) {
		pthread_mutex_lock(&net->conns_lock);
		cv_share_leave(c);
		pthread_mutex_unlock(&net->conns_lock);
		free(c);
		refuse(l, fd, l->refusal_peer ? l->refusal_peer : l->refusal);
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
			cv_net_unmap(&peer);
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
	n->refusal_peer = l->refusal_peer ? cv_strdup(l->refusal_peer) : NULL;
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
	free(n->refusal_peer);
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
