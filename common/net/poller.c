/* poller.c - the one thread that waits: for sockets, for deadlines, for the bell. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/net/private.h"

#define BATCH 256
#define LONGEST_SLEEP_MS 60000

void
cv_net_ring(struct cv_net *net)
{
	uint64_t one = 1;
	ssize_t n = write(net->bell_fd, &one, sizeof(one));
	(void)n; /* a full counter rings as well */
}

static void
bell(struct cv_net *net)
{
	uint64_t count;
	ssize_t n = read(net->bell_fd, &count, sizeof(count));
	(void)n;
}

static void
conn_event(struct cv_conn *c, uint32_t events)
{
	uint32_t signals = 0;
	if (events & EPOLLIN)
		signals |= CV_W_IN;
	if (events & EPOLLOUT)
		signals |= CV_W_OUT;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		signals |= CV_W_HUP;
	cv_conn_signal(c, signals);
}

static void
fire(struct cv_timer *t, void *arg)
{
	struct cv_net *net = arg;
	if (t->job)
		cv_queue_push(&net->queue, &t->job->work, false);
	else
		cv_conn_signal(CV_CONTAINER(t, struct cv_conn, timer), CV_W_TIMER);
}

/* Drops the net's reference to connections closed before the epoll_wait() that comes next: no event
 * can name them any more. */
static void
bury_dead(struct cv_net *net)
{
	struct cv_conn *c = atomic_exchange(&net->graves, NULL);
	atomic_store(&net->grave_count, 0);
	while (c) {
		struct cv_conn *next = c->next_grave;
		cv_conn_unref(c);
		c = next;
	}
}

static void
dispatch(struct cv_net *net, const struct epoll_event *ev)
{
	struct cv_poll *poll = ev->data.ptr;
	switch (poll->kind) {
	case CV_POLL_CONN:
		conn_event(CV_CONTAINER(poll, struct cv_conn, poll), ev->events);
		break;
	case CV_POLL_LISTEN:
		cv_listener_accept(CV_CONTAINER(poll, struct cv_listener, poll));
		break;
	case CV_POLL_WATCH: {
		struct cv_watch *w = CV_CONTAINER(poll, struct cv_watch, poll);
		w->fn(w->arg);
		break;
	}
	case CV_POLL_BELL:
		bell(net);
		break;
	}
}

void *
cv_poller_main(void *arg)
{
	struct cv_net *net = arg;
	struct epoll_event events[BATCH];

	while (!atomic_load(&net->poller_ends)) {
		bury_dead(net);
		int64_t now_ms = cv_mono_ms();
		int64_t next_ms = cv_timers_fire(&net->timers, now_ms, fire, net);
		int64_t sleep_ms = next_ms < 0
		                           ? LONGEST_SLEEP_MS
		                           : CV_MIN(next_ms - now_ms, (int64_t)LONGEST_SLEEP_MS);
		int n = epoll_wait(net->epoll_fd, events, BATCH, (int)sleep_ms);
		if (n < 0 && errno != EINTR)
			cv_die("epoll_wait: errno %d", errno);
		for (int i = 0; i < n; i++)
			dispatch(net, &events[i]);
		cv_listeners_sweep(net);
	}
	bury_dead(net);
	return NULL;
}
