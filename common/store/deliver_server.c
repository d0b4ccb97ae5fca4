/* deliver_server.c - the owner's side of the delivery socket.
 *
 * One thread waits for all connections, takes frames apart and gathers messages in spools; a few
 * workers deliver what is complete; the answer is written by the flusher's thread when the ticket
 * is durable. Answers leave in the order they become durable, by tag.
 *
 * Limits: connections, bytes gathered and not yet delivered (above that nobody is read until
 * workers catch up), frame sizes, message size. A peer that breaks the protocol is closed.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/store/deliver_impl.h"
#include "common/store/wire.h"

#define WORKERS      3u
#define CONNS_MAX    64u
#define QUEUED_BYTES (64u << 20) /* gathered, not yet delivered */
#define QUEUED_JOBS  2000u
#define MESSAGE_MAX  (1ull << 30)
#define READ_BYTES   (128u << 10)
#define OUT_MAX      (16u << 20) /* answers a peer does not read */
#define EVENTS       32

struct conn;
struct job {
	struct cv_link link;
	struct conn *conn;
	uint64_t tag;
	struct cv_arena arena;
	struct cv_spool spool;
	uint64_t size_bytes; /* announced */
	struct cv_delivery d;
	struct cv_probe probe;
	bool is_probe;
	struct cv_waiter waiter;
};
struct conn {
	struct cv_deliver_server *server;
	struct cv_link link;
	unsigned refs; /* under server->lock: the list's, and each job's */
	bool greeted, paused;
	struct cv_buf in;
	struct job *gathering;
	pthread_mutex_t lock; /* the socket's writing side */
	int fd;               /* -1: closed */
	struct cv_buf out;
};
struct cv_deliver_server {
	struct cv_store *s;
	int listen_fd, epoll, wake;
	pthread_t thread, workers[WORKERS];
	unsigned started;
	pthread_mutex_t lock;
	pthread_cond_t work, none_left;
	struct cv_link conns, queue;
	size_t conn_count, queued_jobs, jobs; /* jobs: queued, running or waiting for the disk */
	uint64_t queued_bytes;
	bool stop, any_paused;
};

static void
wake_thread(struct cv_deliver_server *s)
{
	uint64_t one = 1;
	(void)!write(s->wake, &one, sizeof one);
}

/* ---- connections ---- */

static void
unref_conn(struct conn *c)
{
	struct cv_deliver_server *s = c->server;
	pthread_mutex_lock(&s->lock);
	bool last = !--c->refs;
	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	cv_buf_done(&c->in);
	cv_buf_done(&c->out);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void
free_job(struct job *j)
{
	cv_spool_done(&j->spool);
	cv_arena_done(&j->arena);
	free(j);
}

/* Only the I/O thread closes. */
static void
close_conn(struct conn *c)
{
	struct cv_deliver_server *s = c->server;
	pthread_mutex_lock(&c->lock);
	epoll_ctl(s->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	c->fd = -1;
	pthread_mutex_unlock(&c->lock);
	if (c->gathering) {
		free_job(c->gathering);
		c->gathering = NULL;
	}
	cv_list_remove(&c->link);
	s->conn_count--;
	unref_conn(c);
}

/* The socket's lock is held. */
static void
listen_for(struct conn *c)
{
	struct epoll_event ev = {.data.ptr = c};
	ev.events = (c->paused ? 0u : (uint32_t)EPOLLIN) | (c->out.n ? (uint32_t)EPOLLOUT : 0u);
	epoll_ctl(c->server->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

static void
set_paused(struct conn *c, bool paused)
{
	pthread_mutex_lock(&c->lock);
	c->paused = paused;
	listen_for(c);
	pthread_mutex_unlock(&c->lock);
}

/* The lock is held. What the socket does not take is left for EPOLLOUT. */
static void
flush_locked(struct conn *c)
{
	size_t at = 0;
	while (at < c->out.n) {
		ssize_t n = send(c->fd, c->out.p + at, c->out.n - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		at += (size_t)n;
	}
	bool was_left = c->out.n > at;
	cv_buf_drop(&c->out, at);
	if (was_left)
		listen_for(c);
}

static void
send_answer(struct conn *c, const struct cv_buf *frame)
{
	pthread_mutex_lock(&c->lock);
	if (c->fd >= 0) {
		bool idle = !c->out.n;
		cv_buf_str(&c->out, cv_buf_view(frame));
		if (c->out.full)
			shutdown(c->fd, SHUT_RDWR); /* a peer that reads no answers */
		else if (idle)
			flush_locked(c);
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- jobs ---- */

static void
end_job(struct job *j)
{
	struct conn *c = j->conn;
	struct cv_deliver_server *s = c->server;
	free_job(j);
	unref_conn(c);
	pthread_mutex_lock(&s->lock);
	if (!--s->jobs)
		pthread_cond_signal(&s->none_left);
	pthread_mutex_unlock(&s->lock);
}

static void
answer(struct job *j)
{
	struct cv_buf frame = CV_BUF_INIT(CV_DELIVER_RCPTS_MAX + 64);
	if (j->is_probe)
		cv_wire_put_probed(&frame, j->tag, j->probe.result);
	else
		cv_wire_put_result(&frame, j->tag, &j->d);
	send_answer(j->conn, &frame);
	cv_buf_done(&frame);
	end_job(j);
}

static void
on_durable(struct cv_waiter *w)
{
	answer(CV_CONTAINER(w, struct job, waiter));
}

static void
do_job(struct cv_deliver_server *s, struct job *j)
{
	if (j->is_probe) {
		cv_probe_now(s->s, &j->probe);
		answer(j);
		return;
	}
	cv_deliver_now(s->s, &j->d, &j->waiter.ticket);
	cv_spool_done(&j->spool);
	j->waiter.fn = on_durable;
	cv_ticket_wait(cv_store_engine(s->s), j->waiter.ticket, &j->waiter);
}

static bool
is_congested(const struct cv_deliver_server *s)
{
	return s->queued_bytes >= QUEUED_BYTES || s->queued_jobs >= QUEUED_JOBS;
}

static void *
run_worker(void *arg)
{
	struct cv_deliver_server *s = arg;
	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct cv_link *l = cv_list_pop(&s->queue);
		if (!l && s->stop)
			break;
		if (!l) {
			pthread_cond_wait(&s->work, &s->lock);
			continue;
		}
		struct job *j = CV_CONTAINER(l, struct job, link);
		s->queued_jobs--;
		s->queued_bytes -= j->size_bytes;
		bool resume = s->any_paused && !is_congested(s);
		if (resume)
			s->any_paused = false;
		pthread_mutex_unlock(&s->lock);
		if (resume)
			wake_thread(s);
		do_job(s, j);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void
queue_job(struct job *j)
{
	struct conn *c = j->conn;
	struct cv_deliver_server *s = c->server;
	pthread_mutex_lock(&s->lock);
	c->refs++;
	s->jobs++;
	s->queued_jobs++;
	s->queued_bytes += j->size_bytes;
	cv_list_append(&s->queue, &j->link);
	bool full = is_congested(s);
	s->any_paused |= full;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	if (full && !c->paused)
		set_paused(c, true);
}

/* ---- frames ---- */

static struct job *
new_job(struct conn *c, uint64_t tag)
{
	struct job *j = cv_calloc(1, sizeof *j);
	cv_list_init(&j->link);
	j->conn = c;
	j->tag = tag;
	cv_spool_init(&j->spool, cv_store_spool_dir(c->server->s));
	return j;
}

static bool
on_deliver(struct conn *c, const struct cv_wire_frame *f)
{
	if (c->gathering)
		return false;
	struct job *j = c->gathering = new_job(c, f->tag);
	struct cv_str payload = cv_arena_str(&j->arena, f->payload);
	j->d.message = &j->spool;
	return !cv_wire_read_deliver(payload, &j->arena, &j->d, &j->size_bytes) &&
	       j->size_bytes <= MESSAGE_MAX;
}

static bool
on_body(struct conn *c, const struct cv_wire_frame *f)
{
	struct job *j = c->gathering;
	if (!j || j->tag != f->tag || f->payload.n > j->size_bytes - j->d.tag)
		return false;
	/* A spool that fails remembers it: the delivery will answer FULL or TEMPFAIL. */
	(void)!cv_spool_write(&j->spool, f->payload, NULL);
	j->d.tag += f->payload.n; /* the bytes that came, whether the spool took them or not */
	return true;
}

static bool
on_end(struct conn *c, const struct cv_wire_frame *f)
{
	struct job *j = c->gathering;
	if (!j || j->tag != f->tag || f->payload.n || j->d.tag != j->size_bytes)
		return false;
	c->gathering = NULL;
	queue_job(j);
	return true;
}

static bool
on_probe(struct conn *c, const struct cv_wire_frame *f)
{
	struct job *j = new_job(c, f->tag);
	j->is_probe = true;
	if (cv_wire_read_probe(f->payload, &j->probe)) {
		free_job(j);
		return false;
	}
	queue_job(j);
	return true;
}

static bool
on_sent(struct conn *c, const struct cv_wire_frame *f)
{
	struct cv_sent_note note;

	if (cv_wire_read_sent(f->payload, &note))
		return false;
	cv_sent_now(c->server->s, &note);
	return true;
}

static bool
on_hello(struct conn *c, const struct cv_wire_frame *f)
{
	if (c->greeted || cv_wire_read_hello(f->payload))
		return false;
	struct cv_buf hello = CV_BUF_INIT(64);
	cv_wire_put_hello(&hello);
	send_answer(c, &hello);
	cv_buf_done(&hello);
	c->greeted = true;
	return true;
}

static bool
on_frame(void *arg, const struct cv_wire_frame *f)
{
	struct conn *c = arg;

	if (!c->greeted)
		return f->type == CV_WIRE_HELLO && on_hello(c, f);
	switch (f->type) {
	case CV_WIRE_DELIVER:
		return on_deliver(c, f);
	case CV_WIRE_BODY:
		return on_body(c, f);
	case CV_WIRE_END:
		return on_end(c, f);
	case CV_WIRE_PROBE:
		return on_probe(c, f);
	case CV_WIRE_SENT:
		return on_sent(c, f);
	default:
		return false;
	}
}

/* False when the connection is over. */
static bool
on_readable(struct conn *c)
{
	char *room = cv_buf_room(&c->in, READ_BYTES);
	if (!room)
		return false;
	ssize_t n = recv(c->fd, room, READ_BYTES, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return false;
	c->in.n += (size_t)n;
	return cv_wire_each(&c->in, on_frame, c);
}

/* ---- the I/O thread ---- */

static void
on_accept(struct cv_deliver_server *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (s->conn_count >= CONNS_MAX) {
		close(fd);
		return;
	}
	struct conn *c = cv_calloc(1, sizeof *c);
	c->server = s;
	c->refs = 1;
	c->fd = fd;
	c->in = CV_BUF_INIT(CV_WIRE_PAYLOAD_MAX + 2 * READ_BYTES);
	c->out = CV_BUF_INIT(OUT_MAX);
	pthread_mutex_init(&c->lock, NULL);
	cv_list_append(&s->conns, &c->link);
	s->conn_count++;
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev))
		close_conn(c);
}

static void
resume_all(struct cv_deliver_server *s)
{
	uint64_t count;
	(void)!read(s->wake, &count, sizeof count);
	CV_LIST_EACH (l, next, &s->conns) {
		struct conn *c = CV_CONTAINER(l, struct conn, link);
		if (c->paused)
			set_paused(c, false);
	}
}

static void
on_event(struct conn *c, uint32_t events)
{
	bool alive = true;
	if (events & EPOLLOUT) {
		pthread_mutex_lock(&c->lock);
		flush_locked(c);
		listen_for(c);
		pthread_mutex_unlock(&c->lock);
	}
	if (events & EPOLLIN)
		alive = on_readable(c);
	else if (events & (EPOLLHUP | EPOLLERR))
		alive = false;
	if (!alive)
		close_conn(c);
}

static void *
run(void *arg)
{
	struct cv_deliver_server *s = arg;
	struct epoll_event events[EVENTS];
	for (;;) {
		int n = epoll_wait(s->epoll, events, EVENTS, -1);
		pthread_mutex_lock(&s->lock);
		bool stop = s->stop;
		pthread_mutex_unlock(&s->lock);
		if (stop)
			break;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == s)
				on_accept(s);
			else if (events[i].data.ptr == &s->wake)
				resume_all(s);
			else
				on_event(events[i].data.ptr, events[i].events);
		}
	}
	for (struct cv_link *l; !cv_list_is_empty(&s->conns);) {
		l = s->conns.next;
		close_conn(CV_CONTAINER(l, struct conn, link));
	}
	return NULL;
}

/* ---- making and freeing ---- */

static enum cv_status
start(struct cv_deliver_server *s, struct cv_err *err)
{
	struct epoll_event listen_ev = {.events = EPOLLIN, .data.ptr = s};
	struct epoll_event wake_ev = {.events = EPOLLIN, .data.ptr = &s->wake};
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->epoll < 0 || s->wake < 0 ||
		epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listen_fd, &listen_ev) ||
		epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->wake, &wake_ev))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot wait on the delivery socket");
	for (; s->started < WORKERS; s->started++) {
		int failed = pthread_create(&s->workers[s->started], NULL, run_worker, s);
		if (failed)
			return cv_fail_errno(err, CV_TEMPFAIL, failed, "cannot start a worker");
	}
	int failed = pthread_create(&s->thread, NULL, run, s);
	if (failed)
		return cv_fail_errno(err, CV_TEMPFAIL, failed, "cannot serve the delivery socket");
	s->started++;
	return CV_OK;
}

enum cv_status
cv_deliver_serve(int fd, struct cv_store *store, struct cv_deliver_server **out, struct cv_err *err)
{
	struct cv_deliver_server *s = cv_calloc(1, sizeof *s);
	s->s = store;
	s->listen_fd = fd;
	s->epoll = s->wake = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->none_left, NULL);
	cv_list_init(&s->conns);
	cv_list_init(&s->queue);
	enum cv_status status = start(s, err);
	if (status) {
		cv_deliver_server_free(s);
		s = NULL;
	}
	*out = s;
	return status;
}

void
cv_deliver_server_free(struct cv_deliver_server *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	if (s->wake >= 0)
		wake_thread(s);
	if (s->started > WORKERS)
		pthread_join(s->thread, NULL);
	for (unsigned i = 0; i < CV_MIN(s->started, WORKERS); i++)
		pthread_join(s->workers[i], NULL);
	pthread_mutex_lock(&s->lock);
	while (s->jobs)
		pthread_cond_wait(&s->none_left, &s->lock);
	pthread_mutex_unlock(&s->lock);
	if (s->epoll >= 0)
		close(s->epoll);
	if (s->wake >= 0)
		close(s->wake);
	close(s->listen_fd);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->none_left);
	free(s);
}
