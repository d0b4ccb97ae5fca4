/* live.c - what may change on a net that runs: its limits, its listeners; and how it is drained.
 *
 * A listener is closed by the poller, between two batches of events, so that nobody accepts on a
 * descriptor whose number somebody else has got meanwhile. Its struct stays: connections that came
 * through it name it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/net/private.h"

void
cv_net_limits(struct cv_net *net, const struct cv_net_options *o)
{
	pthread_mutex_lock(&net->conns_lock);
	/* One by one: the rest is read without the lock. */
	net->o.max_conns = o->max_conns;
	net->o.max_conns_per_ip = o->max_conns_per_ip;
	net->o.max_conns_per_net = o->max_conns_per_net;
	net->o.conns_per_minute = o->conns_per_minute;
	net->o.net_bits_v4 = o->net_bits_v4;
	net->o.net_bits_v6 = o->net_bits_v6;
	net->o.unlimited_from = o->unlimited_from;
	atomic_store(&net->max_conns, o->max_conns);
	pthread_mutex_unlock(&net->conns_lock);
}

/* Under conns_lock. The description may be shared with a supervisor that keeps it: closing alone
 * would leave it in epoll. */
static void
begin_close(struct cv_net *net, struct cv_listener *l)
{
	(void)epoll_ctl(net->epoll_fd, EPOLL_CTL_DEL, atomic_load(&l->fd), NULL);
	atomic_store(&l->closing, true);
	atomic_store(&net->listener_closing, true);
}

void
cv_net_unlisten(struct cv_net *net, int fd)
{
	pthread_mutex_lock(&net->conns_lock);
	CV_LIST_EACH(it, next, &net->listeners)
	{
		struct cv_listener *l = CV_CONTAINER(it, struct cv_listener, link);
		if (atomic_load(&l->fd) == fd)
			begin_close(net, l);
	}
	pthread_mutex_unlock(&net->conns_lock);
	cv_net_ring(net);
}

void
cv_net_drain(struct cv_net *net)
{
	pthread_mutex_lock(&net->conns_lock);
	CV_LIST_EACH(it, next, &net->listeners)
	{
		struct cv_listener *l = CV_CONTAINER(it, struct cv_listener, link);
		if (atomic_load(&l->fd) >= 0)
			begin_close(net, l);
	}
	CV_LIST_EACH(it, next, &net->conns)
	{
		struct cv_conn *c = CV_CONTAINER(it, struct cv_conn, all);
		if (c->listener)
			cv_conn_signal(c, CV_W_WAKE);
	}
	pthread_mutex_unlock(&net->conns_lock);
	cv_net_ring(net);
}

unsigned
cv_net_incoming(struct cv_net *net)
{
	unsigned count = 0;

	pthread_mutex_lock(&net->conns_lock);
	CV_LIST_EACH(it, next, &net->conns)
		count += CV_CONTAINER(it, struct cv_conn, all)->listener != NULL;
	pthread_mutex_unlock(&net->conns_lock);
	return count;
}

void
cv_listeners_sweep(struct cv_net *net)
{
	if (!atomic_exchange(&net->listener_closing, false))
		return;
	pthread_mutex_lock(&net->conns_lock);
	CV_LIST_EACH(it, next, &net->listeners)
	{
		struct cv_listener *l = CV_CONTAINER(it, struct cv_listener, link);
		if (atomic_load(&l->closing))
			cv_listener_close(l);
	}
	pthread_mutex_unlock(&net->conns_lock);
}
