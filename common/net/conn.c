/* conn.c - a connection's life: made, signalled, parked, gone; and what protocols ask of it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/net/private.h"

#define GRAVES_BEFORE_RING 64

static _Atomic uint64_t last_id;

struct cv_conn *
cv_conn_new(struct cv_net *net, int fd, const struct cv_proto *proto, void *ctx,
            uint32_t first_word)
{
	struct cv_conn *c = cv_calloc(1, sizeof(*c) + proto->user_bytes);
	c->poll.kind = CV_POLL_CONN;
	atomic_init(&c->word, first_word);
	atomic_init(&c->refs, 1);
	c->work.is_conn = true;
	cv_list_init(&c->work.link);
	cv_list_init(&c->all);
	c->fd = fd;
	c->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
	c->net = net;
	c->proto = proto;
	c->ctx = ctx;
	c->step = CV_STEP_READ;
	c->readable = true;
	cv_buf_init(&c->in, proto->in_max);
	cv_buf_init(&c->out, proto->out_high + CV_NET_OUT_MAX);
	return c;
}

enum cv_status
cv_conn_join(struct cv_conn *c, struct cv_err *err)
{
	struct cv_net *net = c->net;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		                  .data.ptr = c };

	pthread_mutex_lock(&net->conns_lock);
	cv_list_append(&net->conns, &c->all);
	net->open++;
	if (!atomic_load(&net->stopping) && !epoll_ctl(net->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev)) {
		pthread_mutex_unlock(&net->conns_lock);
		return CV_OK;
	}
	int errnum = atomic_load(&net->stopping) ? ESHUTDOWN : errno;
	cv_list_remove(&c->all);
	net->open--;
	cv_limit_leave(c);
	cv_share_leave(c);
	pthread_mutex_unlock(&net->conns_lock);
	close(c->fd);
	free(c);
	return cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot watch a new connection");
}

void
cv_conn_greet(struct cv_conn *c)
{
	c->phase = CV_PH_OPEN;
	c->deadline_ms = 0;
	if (c->listener->l.implicit_tls) {
		c->tls_wish = CV_TLS_AS_SERVER;
		c->handshake_event = CV_EV_OPEN;
	} else {
		c->events |= CV_EV_OPEN;
	}
}

/* ---- the state word ---- */

static bool
is_relevant(uint32_t word)
{
	if (word & (CV_W_WAKE | CV_W_TIMER | CV_W_KILL | CV_W_STOP | CV_W_ABORT))
		return true;
	if ((word & CV_W_WANT_IN) && (word & (CV_W_IN | CV_W_HUP)))
		return true;
	return (word & CV_W_WANT_OUT) && (word & (CV_W_OUT | CV_W_HUP));
}

void
cv_conn_signal(struct cv_conn *c, uint32_t signals)
{
	uint32_t old = atomic_load_explicit(&c->word, memory_order_relaxed), new;
	bool queue;
	do {
		if ((old & CV_W_PHASE) == CV_W_CLOSED)
			return;
		new = old | signals;
		queue = (old & CV_W_PHASE) == CV_W_PARKED && is_relevant(new);
		if (queue)
			new = (new & ~(uint32_t)CV_W_PHASE) | CV_W_QUEUED;
		/* Even an unchanged word is stored: the taker must see what was written before. */
	} while (!atomic_compare_exchange_weak(&c->word, &old, new));
	if (queue)
		cv_queue_push(&c->net->queue, &c->work, new & CV_W_SLOW);
}

bool
cv_conn_park(struct cv_conn *c, uint32_t wants)
{
	uint32_t old = atomic_load(&c->word), new;
	do {
		new = (old & ~(uint32_t)(CV_W_PHASE | CV_W_WANT_IN | CV_W_WANT_OUT)) | wants;
		if (is_relevant(new))
			return false;
	} while (!atomic_compare_exchange_weak(&c->word, &old, new | CV_W_PARKED));
	return true;
}

uint32_t
cv_conn_take(struct cv_conn *c)
{
	uint32_t old = atomic_load(&c->word), new;
	do
		new = (old & CV_W_SLOW) | CV_W_RUNNING;
	while (!atomic_compare_exchange_weak(&c->word, &old, new));
	return old & CV_W_SIGNALS;
}

void
cv_conn_requeue(struct cv_conn *c)
{
	uint32_t old = atomic_load(&c->word);
	while (!atomic_compare_exchange_weak(&c->word, &old,
	                                     (old & ~(uint32_t)CV_W_PHASE) | CV_W_QUEUED))
		;
	cv_queue_push(&c->net->queue, &c->work, old & CV_W_SLOW);
}

/* ---- the end ---- */

static void
bury(struct cv_conn *c)
{
	struct cv_net *net = c->net;
	c->next_grave = atomic_load(&net->graves);
	while (!atomic_compare_exchange_weak(&net->graves, &c->next_grave, c))
		;
	if (atomic_fetch_add(&net->grave_count, 1) == GRAVES_BEFORE_RING)
		cv_net_ring(net);
}

void
cv_conn_gone(struct cv_conn *c)
{
	struct cv_net *net = c->net;

	if (c->opened && c->proto->closed)
		c->proto->closed(c);
	if (c->slow_held)
		cv_queue_slow_release(&net->queue);
	cv_timer_remove(&net->timers, &c->timer);
	cv_tls_free(c->tls);
	c->tls = NULL;
	epoll_ctl(net->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	c->in_off = c->in.n;
	c->out_off = c->out.n;
	cv_zip_free(c->zip);
	c->zip = NULL;
	cv_conn_settle(c);
	free(c->tls_host);
	free(c->error);
	c->tls_host = c->error = NULL;
	atomic_store(&c->word, CV_W_CLOSED);

	/* Buried inside the lock: after the last connection has left the list, none is on its way
	 * to the graves any more, and cv_net_stop() may end the poller. */
	pthread_mutex_lock(&net->conns_lock);
	cv_list_remove(&c->all);
	cv_limit_leave(c);
	cv_share_leave(c);
	bury(c);
	if (--net->open == 0)
		pthread_cond_broadcast(&net->all_closed);
	pthread_mutex_unlock(&net->conns_lock);
}

void
cv_conn_ref(struct cv_conn *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

void
cv_conn_unref(struct cv_conn *c)
{
	if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		free(c);
}

void
cv_conn_wake(struct cv_conn *c)
{
	cv_conn_signal(c, CV_W_WAKE);
}

void
cv_conn_kill(struct cv_conn *c)
{
	cv_conn_signal(c, CV_W_KILL);
}

void
cv_conn_set_error(struct cv_conn *c, const char *fmt, ...)
{
	char text[CV_ERR_TEXT_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	free(c->error);
	c->error = cv_strdup(text);
}

/* ---- what run() asks ---- */

void *
cv_conn_user(struct cv_conn *c)
{
	return c->user;
}

void *
cv_conn_ctx(struct cv_conn *c)
{
	return c->ctx;
}

struct cv_net *
cv_conn_net(struct cv_conn *c)
{
	return c->net;
}

void
cv_conn_bytes(const struct cv_conn *c, uint64_t *in_out, uint64_t *out_out)
{
	*in_out = c->bytes_in;
	*out_out = c->bytes_out;
}

uint64_t
cv_conn_id(const struct cv_conn *c)
{
	return c->id;
}

const char *
cv_conn_label(const struct cv_conn *c)
{
	return c->listener && c->listener->label ? c->listener->label : c->proto->name;
}

struct cv_str
cv_conn_in(struct cv_conn *c)
{
	size_t left = cv_conn_in_left(c);
	return left ? cv_str(c->in.p + c->in_off, left) : CV_STR_EMPTY;
}

bool
cv_conn_input_waits(struct cv_conn *c)
{
	char byte;

	return cv_conn_in_left(c) ||
	       (!c->tls && !c->zip && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
}

void
cv_conn_consume(struct cv_conn *c, size_t n)
{
	assert(n <= cv_conn_in_left(c));
	c->in_off += n;
	if (c->in_off == c->in.n) {
		c->in_off = 0;
		cv_buf_reset(&c->in);
	}
}

bool
cv_conn_in_is_full(struct cv_conn *c)
{
	return cv_conn_in_left(c) >= c->proto->in_max;
}

struct cv_buf *
cv_conn_out(struct cv_conn *c)
{
	if (!c->out.p && c->worker && c->worker->out_spare.p) {
		c->out.p = c->worker->out_spare.p;
		c->out.cap = c->worker->out_spare.cap;
		c->worker->out_spare.p = NULL;
		c->worker->out_spare.cap = 0;
	}
	return &c->out;
}

bool
cv_conn_out_is_high(struct cv_conn *c)
{
	return cv_conn_out_left(c) > c->proto->out_high;
}

void
cv_conn_set_deadline(struct cv_conn *c, unsigned secs)
{
	c->deadline_set = true;
	c->deadline_ms = secs ? cv_mono_ms() + (int64_t)secs * 1000 : 0;
}

bool
cv_conn_mark_slow(struct cv_conn *c, bool slow)
{
	struct cv_queue *q = &c->net->queue;
	if (slow == c->slow)
		return !slow || c->slow_held;
	c->slow = slow;
	if (!slow) {
		if (c->slow_held)
			cv_queue_slow_release(q);
		c->slow_held = false;
		atomic_fetch_and(&c->word, ~(uint32_t)CV_W_SLOW);
		return true;
	}
	c->slow_held = cv_queue_slow_try(q);
	atomic_fetch_or(&c->word, c->slow_held ? CV_W_SLOW : CV_W_SLOW | CV_W_WAKE);
	return c->slow_held;
}

void
cv_conn_set_deadline_at(struct cv_conn *c, int64_t when_ms)
{
	c->deadline_set = true;
	c->deadline_ms = when_ms;
}

void
cv_conn_starttls(struct cv_conn *c)
{
	assert(c->listener && c->listener->l.tls && !c->tls);
	c->tls_wish = CV_TLS_AS_SERVER;
	c->handshake_event = CV_EV_SECURE;
}

void
cv_conn_starttls_client(struct cv_conn *c, struct cv_tls_client *client, const char *host)
{
	assert(client && !c->tls);
	c->tls_wish = CV_TLS_AS_CLIENT;
	c->tls_client = client;
	free(c->tls_host);
	c->tls_host = host ? cv_strdup(host) : NULL;
	c->tls_peer = NULL;
	c->handshake_event = CV_EV_SECURE;
}

void
cv_conn_starttls_peer(struct cv_conn *c, struct cv_tls_client *client,
                      const struct cv_tls_peer *peer)
{
	cv_conn_starttls_client(c, client, peer->host);
	c->tls_peer = peer;
}

const char *
cv_conn_error(const struct cv_conn *c)
{
	return c->error ? c->error : "";
}

const struct sockaddr_storage *
cv_conn_peer(const struct cv_conn *c)
{
	return &c->peer;
}

const struct sockaddr_storage *
cv_conn_local(const struct cv_conn *c)
{
	/* Asked of the kernel once, when somebody wants to know. */
	if (!c->local_known) {
		struct cv_conn *w = (struct cv_conn *)(uintptr_t)c;
		socklen_t len = sizeof(w->local);
		if (getsockname(c->fd, (struct sockaddr *)&w->local, &len))
			memset(&w->local, 0, sizeof(w->local));
		w->local_known = true;
	}
	return &c->local;
}

const char *
cv_conn_peer_text(const struct cv_conn *c)
{
	if (!c->peer_text[0]) {
		struct cv_conn *w = (struct cv_conn *)(uintptr_t)c;
		cv_sockaddr_text(&w->peer, w->peer_text, sizeof(w->peer_text));
	}
	return c->peer_text;
}

unsigned
cv_conn_peer_port(const struct cv_conn *c)
{
	return cv_sockaddr_port(&c->peer);
}

void
cv_net_unmap(struct sockaddr_storage *a)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
	if (a->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = in6->sin6_port};
	memcpy(&in.sin_addr, in6->sin6_addr.s6_addr + 12, 4);
	memset(a, 0, sizeof(*a));
	memcpy(a, &in, sizeof(in));
}

void
cv_conn_set_peer(struct cv_conn *c, const struct sockaddr_storage *peer)
{
	c->peer = *peer;
	cv_net_unmap(&c->peer);
	c->peer_text[0] = '\0';
}

void
cv_conn_set_local(struct cv_conn *c, const struct sockaddr_storage *local)
{
	c->local = *local;
	c->local_known = true;
}

void
cv_conn_tls_info(struct cv_conn *c, struct cv_tls_info *info_out)
{
	memset(info_out, 0, sizeof(*info_out));
	if (c->tls && c->phase != CV_PH_HANDSHAKE)
		cv_tls_info(c->tls, info_out);
}

bool
cv_conn_client_cert(struct cv_conn *c, struct cv_tls_cert *out)
{
	return c->tls && cv_tls_client_cert(c->tls, out);
}

enum cv_status
cv_conn_channel_binding(struct cv_conn *c, const char *type, struct cv_buf *out)
{
	return c->tls ? cv_tls_channel_binding(c->tls, type, out) : CV_NOT_FOUND;
}
