/* net.c - the net as a whole: made, started, stopped; jobs and watched descriptors. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/net/private.h"
#include "common/net/thread.h"

#define SPARE_DESCRIPTORS 1024
#define RATE_ENTRIES 32768 /* networks whose new connections are counted */
#define LAST_WORDS_MS 2000 /* after the grace: to send goodbyes before sockets are just closed */

static unsigned
default_workers(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	return cores > 0 ? (unsigned)cores * 2 : 2;
}

/* A descriptor a connection, and some for files and outgoing ones. */
static void
raise_descriptor_limit(unsigned max_conns)
{
	struct rlimit limit;
	rlim_t want = (rlim_t)max_conns + SPARE_DESCRIPTORS;
	if (!max_conns || getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = CV_MIN(want, limit.rlim_max);
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < want)
		cv_log(0, CV_WARN, "net.descriptors", "wanted=%llu allowed=%llu",
		       (unsigned long long)want, (unsigned long long)limit.rlim_cur);
}

enum cv_status
cv_net_new(const struct cv_net_options *o, struct cv_net **net_out, struct cv_err *err)
{
	struct cv_net *net = cv_calloc(1, sizeof(*net));
	net->o = *o;
	net->worker_count = o->workers ? o->workers : default_workers();
	raise_descriptor_limit(o->max_conns);
	if (!net->o.stall_secs)
		net->o.stall_secs = CV_NET_STALL_SECS;
	net->bell.kind = CV_POLL_BELL;
	net->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	net->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &net->bell};
	if (net->epoll_fd < 0 || net->bell_fd < 0 ||
	    epoll_ctl(net->epoll_fd, EPOLL_CTL_ADD, net->bell_fd, &ev)) {
		enum cv_status status = cv_fail_errno(err, CV_TEMPFAIL, errno,
		                                      "cannot make a poller");
		if (net->epoll_fd >= 0)
			close(net->epoll_fd);
		if (net->bell_fd >= 0)
			close(net->bell_fd);
		free(net);
		return status;
	}
	cv_timers_init(&net->timers);
	cv_queue_init(&net->queue, net->worker_count);
	cv_cond_init(&net->all_closed);
	pthread_mutex_init(&net->conns_lock, NULL);
	cv_list_init(&net->conns);
	cv_list_init(&net->listeners);
	cv_list_init(&net->watches);
	cv_map_init(&net->per_ip);
	atomic_init(&net->max_conns, o->max_conns);
	net->rates = cv_rates_new(RATE_ENTRIES);
	net->workers = cv_calloc(net->worker_count, sizeof(*net->workers));
	*net_out = net;
	return CV_OK;
}

static void *
worker_main(void *arg)
{
	struct cv_worker *w = arg;
	struct cv_queue *q = &w->net->queue;
	struct cv_work *work;
	bool slow;

	while ((work = cv_queue_pop(q, &slow))) {
		if (work->is_conn) {
			struct cv_conn *c = CV_CONTAINER(work, struct cv_conn, work);
			c->slow_held = slow;
			cv_conn_serve(w, c);
			continue;
		}
		struct cv_job *job = CV_CONTAINER(work, struct cv_job, work);
		job->fn(job->arg);
		free(job);
	}
	return NULL;
}

static void
join_workers(struct cv_net *net, unsigned count)
{
	cv_queue_end(&net->queue);
	for (unsigned i = 0; i < count; i++)
		pthread_join(net->workers[i].thread, NULL);
}

enum cv_status
cv_net_start(struct cv_net *net, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	unsigned started = 0;
	for (; started < net->worker_count && !status; started++) {
		struct cv_worker *w = &net->workers[started];
		w->net = net;
		cv_buf_init(&w->in_spare, SIZE_MAX);
		cv_buf_init(&w->out_spare, SIZE_MAX);
		status = cv_thread_start(&w->thread, "worker", worker_main, w, err);
		if (status)
			break;
	}
	if (!status)
		status = cv_thread_start(&net->poller, "poller", cv_poller_main, net, err);
	if (status)
		join_workers(net, started);
	else
		net->started = true;
	return status;
}

/* ---- the end ---- */

static void
signal_all(struct cv_net *net, uint32_t signals)
{
	CV_LIST_EACH(it, next, &net->conns)
	cv_conn_signal(CV_CONTAINER(it, struct cv_conn, all), signals);
}

/* Waits under conns_lock until no connection is left, at most MS. */
static void
wait_closed(struct cv_net *net, unsigned ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (net->open && !pthread_cond_timedwait(&net->all_closed, &net->conns_lock, &until))
		;
}

void
cv_net_stop(struct cv_net *net, unsigned grace_ms)
{
	if (!net->started)
		return;
	net->started = false;
	pthread_mutex_lock(&net->conns_lock);
	/* From here nothing joins: cv_conn_join() looks at it under the same lock. */
	atomic_store(&net->stopping, true);
	CV_LIST_EACH(it, next, &net->listeners)
		epoll_ctl(net->epoll_fd, EPOLL_CTL_DEL,
		          CV_CONTAINER(it, struct cv_listener, link)->fd, NULL);
	signal_all(net, CV_W_STOP);
	wait_closed(net, grace_ms);
	signal_all(net, CV_W_KILL);
	wait_closed(net, LAST_WORDS_MS);
	signal_all(net, CV_W_ABORT);
	while (net->open)
		pthread_cond_wait(&net->all_closed, &net->conns_lock);
	pthread_mutex_unlock(&net->conns_lock);

	atomic_store(&net->poller_ends, true);
	cv_net_ring(net);
	pthread_join(net->poller, NULL);
	CV_LIST_EACH(it, next, &net->listeners)
	cv_listener_close(CV_CONTAINER(it, struct cv_listener, link));
	/* Jobs whose time has not come are called now: their arguments are theirs to free. */
	for (struct cv_timer *t; (t = cv_timers_take_job(&net->timers));)
		cv_queue_push(&net->queue, &t->job->work, false);
	join_workers(net, net->worker_count);
}

void
cv_net_free(struct cv_net *net)
{
	struct cv_link *link;
	if (!net)
		return;
	cv_net_stop(net, 0);
	/* Only a net that never started still has jobs: nobody is there to call them. */
	for (struct cv_timer *t; (t = cv_timers_take_job(&net->timers));)
		free(t->job);
	while ((link = cv_list_pop(&net->queue.normal))) {
		struct cv_work *work = CV_CONTAINER(link, struct cv_work, link);
		if (!work->is_conn)
			free(CV_CONTAINER(work, struct cv_job, work));
	}
	while ((link = cv_list_pop(&net->listeners))) {
		struct cv_listener *l = CV_CONTAINER(link, struct cv_listener, link);
		cv_listener_close(l);
		free(l->label);
		free(l->refusal);
		free(l->refusal_peer);
		free(l);
	}
	while ((link = cv_list_pop(&net->watches)))
		free(CV_CONTAINER(link, struct cv_watch, link));
	for (unsigned i = 0; i < net->worker_count; i++) {
		cv_buf_done(&net->workers[i].in_spare);
		cv_pack_done(&net->workers[i].pack);
		cv_buf_done(&net->workers[i].out_spare);
	}
	free(net->workers);
	cv_map_done(&net->per_ip);
	cv_rates_free(net->rates);
	cv_timers_done(&net->timers);
	cv_queue_done(&net->queue);
	pthread_cond_destroy(&net->all_closed);
	pthread_mutex_destroy(&net->conns_lock);
	close(net->epoll_fd);
	close(net->bell_fd);
	free(net);
}

/* ---- jobs, descriptors, numbers ---- */

static struct cv_job *
job_new(void (*fn)(void *arg), void *arg)
{
	struct cv_job *job = cv_calloc(1, sizeof(*job));
	cv_list_init(&job->work.link);
	job->timer.job = job;
	job->fn = fn;
	job->arg = arg;
	return job;
}

/* True, with conns_lock held, while jobs are still taken. */
static bool
enter_open_net(struct cv_net *net)
{
	pthread_mutex_lock(&net->conns_lock);
	if (!atomic_load(&net->stopping))
		return true;
	pthread_mutex_unlock(&net->conns_lock);
	return false;
}

bool
cv_net_run(struct cv_net *net, void (*fn)(void *arg), void *arg)
{
	if (!enter_open_net(net))
		return false;
	cv_queue_push(&net->queue, &job_new(fn, arg)->work, false);
	pthread_mutex_unlock(&net->conns_lock);
	return true;
}

bool
cv_net_after(struct cv_net *net, unsigned delay_ms, void (*fn)(void *arg), void *arg)
{
	if (!enter_open_net(net))
		return false;
	struct cv_job *job = job_new(fn, arg);
	if (cv_timer_set(&net->timers, &job->timer, cv_mono_ms() + CV_MAX(delay_ms, 1u)))
		cv_net_ring(net);
	pthread_mutex_unlock(&net->conns_lock);
	return true;
}

enum cv_status
cv_net_watch(struct cv_net *net, int fd, void (*fn)(void *arg), void *arg, struct cv_err *err)
{
	struct cv_watch *w = cv_calloc(1, sizeof(*w));
	*w = (struct cv_watch){.poll.kind = CV_POLL_WATCH, .fd = fd, .fn = fn, .arg = arg};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = w};
	pthread_mutex_lock(&net->conns_lock);
	cv_list_append(&net->watches, &w->link);
	bool failed = epoll_ctl(net->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0;
	int errnum = errno;
	if (failed)
		cv_list_remove(&w->link);
	pthread_mutex_unlock(&net->conns_lock);
	if (!failed)
		return CV_OK;
	free(w);
	return cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot watch descriptor %d", fd);
}

void
cv_net_stats(struct cv_net *net, struct cv_net_stats *out)
{
	*out = (struct cv_net_stats){.accepted = atomic_load(&net->accepted),
	                             .refused = atomic_load(&net->refused)};
	pthread_mutex_lock(&net->conns_lock);
	out->open = net->open;
	pthread_mutex_unlock(&net->conns_lock);
	out->workers = net->worker_count;
	pthread_mutex_lock(&net->queue.lock);
	out->workers_busy = net->worker_count - CV_MIN(net->queue.idle, net->worker_count);
	pthread_mutex_unlock(&net->queue.lock);
	out->work_waiting = atomic_load_explicit(&net->queue.waiting, memory_order_relaxed);
	for (unsigned i = 0; i < net->worker_count; i++) {
		struct cv_worker *w = &net->workers[i];
		out->tls_handshakes += atomic_load_explicit(&w->tls_handshakes,
		                                            memory_order_relaxed);
		out->tls_failures += atomic_load_explicit(&w->tls_failures, memory_order_relaxed);
		out->bytes_in += atomic_load_explicit(&w->bytes_in, memory_order_relaxed);
		out->bytes_out += atomic_load_explicit(&w->bytes_out, memory_order_relaxed);
	}
}
