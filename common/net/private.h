/* private.h - what the files of common/net share: the net, a connection, workers, timers.
 *
 * One atomic word holds a connection's state: its phase (parked, queued, running, closed), what it
 * is parked for, and the signals nobody has looked at yet. Rules:
 *   1. Whoever moves the word from PARKED to QUEUED puts the connection on the run queue, once.
 *   2. Only the worker that moved it from QUEUED to RUNNING touches the other fields.
 *   3. RUNNING becomes PARKED only when no signal is set; else the worker takes them and goes on.
 *      So a signal is never lost, whichever thread sends it and whenever.
 *   4. CLOSED is final; signals to it are dropped. The net's own reference is dropped by the poller
 *      after the batch of events that might still name the connection.
 * Lock order: conns, timers, queue.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_NET_PRIVATE_H
#define CV_NET_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/net/addr.h"
#include "common/net/deflate.h"
#include "common/net/net.h"
#include "common/net/rates.h"
#include "common/net/tls_private.h"

/* -- timers: a heap of deadlines, kept loosely: a deadline that moves later costs two atomics -- */
struct cv_timer {
	_Atomic int64_t deadline_ms; /* what is wanted; 0: nothing. Any thread may read it */
	_Atomic int64_t entry_ms;    /* when the heap's entry comes up; 0: not in the heap */
	size_t pos;                  /* in the heap; under the lock */
	struct cv_job *job;          /* for cv_net_after(); else the timer of a connection */
};

struct cv_timer_slot {
	int64_t when_ms;
	struct cv_timer *timer;
};

struct cv_timers {
	pthread_mutex_t lock;
	struct cv_timer_slot *heap;
	size_t count, cap;
	int64_t sleep_until_ms; /* when the poller looks again */
};

/* ---- work: what the run queue holds ---- */
struct cv_work {
	struct cv_link link;
	uint64_t seq;
	bool is_conn;
};

struct cv_job {
	struct cv_work work;
	struct cv_timer timer;
	void (*fn)(void *arg);
	void *arg;
};

struct cv_queue {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct cv_link normal, slow;
	unsigned idle;            /* workers waiting for `more` */
	unsigned slow_running, slow_max;
	uint64_t seq;
	bool ended;
	_Atomic unsigned waiting; /* things queued, for a worker's decision to yield */
};

struct cv_worker {
	struct cv_net *net;
	pthread_t thread;
	struct cv_buf in_spare, out_spare; /* memory lent to the connection that is running */
	struct cv_pack pack;               /* for all that are compressed */
	_Atomic uint64_t bytes_in, bytes_out, tls_handshakes, tls_failures;
};

/* ---- what epoll points at ---- */
enum cv_poll_kind { CV_POLL_CONN, CV_POLL_LISTEN, CV_POLL_WATCH, CV_POLL_BELL };
struct cv_poll {
	enum cv_poll_kind kind;
};

struct cv_listener {
	struct cv_poll poll;
	struct cv_link link;
	struct cv_net *net;
	struct cv_listen l;
	char *label, *refusal, *refusal_peer;
	_Atomic int fd;       /* -1: closed */
	_Atomic bool closing; /* by the poller, soon */
	bool paused; /* out of descriptors: tries again a little later */
};

struct cv_watch {
	struct cv_poll poll;
	struct cv_link link;
	int fd;
	void (*fn)(void *arg);
	void *arg;
};

struct cv_net {
	struct cv_net_options o;    /* its limits may change: under conns_lock */
	_Atomic unsigned max_conns; /* o.max_conns, read without the lock too */
	int epoll_fd, bell_fd;
	struct cv_poll bell;
	pthread_t poller;
	struct cv_worker *workers;
	unsigned worker_count;
	bool started;
	struct cv_timers timers;
	struct cv_queue queue;

	pthread_mutex_t conns_lock; /* over the next lines */
	pthread_cond_t all_closed;
	struct cv_link conns, listeners, watches;
	_Atomic unsigned open;      /* read without the lock too */
	struct cv_map per_ip;       /* limit key -> count */
	struct cv_rates *rates;     /* new connections */

	_Atomic(struct cv_conn *) graves; /* closed; the poller drops the net's reference */
	_Atomic unsigned grave_count;
	_Atomic bool stopping, poller_ends;
	_Atomic bool listener_closing; /* some listener waits to be closed */
	_Atomic uint64_t accepted, refused;
};

/* ---- a connection ---- */
enum {
	CV_W_PARKED = 0, CV_W_QUEUED = 1, CV_W_RUNNING = 2, CV_W_CLOSED = 3, CV_W_PHASE = 3,
	CV_W_WANT_IN = 1 << 2,  /* parked until readable */
	CV_W_WANT_OUT = 1 << 3, /* parked until writable */
	CV_W_SLOW = 1 << 4,     /* goes on the slow queue */
	CV_W_IN = 1 << 8, CV_W_OUT = 1 << 9, CV_W_HUP = 1 << 10, CV_W_WAKE = 1 << 11,
	CV_W_TIMER = 1 << 12, CV_W_KILL = 1 << 13, CV_W_STOP = 1 << 14, CV_W_ABORT = 1 << 15,
	CV_W_SIGNALS = 0xff00
};

enum cv_phase {
	CV_PH_CONNECTING, /* outgoing, not yet up */
	CV_PH_PROXY,      /* a PROXY header must come first */
	CV_PH_HANDSHAKE,
	CV_PH_OPEN,       /* run() is called */
	CV_PH_FLUSH,      /* closing: the last output goes out */
	CV_PH_LINGER      /* closing: late input is thrown away so that the peer sees our last
			   * words */
};

/* Between the buffers and the socket (or TLS) of a connection that is compressed. */
struct cv_zip {
	struct cv_unpack unpack;
	struct cv_buf in, out; /* as they are on the wire; no memory at rest */
	size_t in_off, out_off;
};

enum cv_tls_wish { CV_TLS_NOT_WANTED, CV_TLS_AS_SERVER, CV_TLS_AS_CLIENT };

struct cv_conn {
	struct cv_poll poll;
	_Atomic uint32_t word;
	struct cv_work work;
	struct cv_timer timer;
	_Atomic uint32_t refs;
	int fd;
	uint64_t id;
	struct cv_net *net;
	const struct cv_proto *proto;
	void *ctx;
	const struct cv_listener *listener; /* NULL: outgoing */
	struct cv_link all;
	struct cv_conn *next_grave;

	struct cv_worker *worker;  /* while running */
	enum cv_phase phase;
	enum cv_step step;         /* what run() answered last */
	unsigned events;           /* gathered for the next run() */
	bool readable, blocked;    /* the last read did not say EAGAIN; the last write did */
	bool eof, broken;          /* the peer ended; the socket or TLS failed */
	bool fresh;                /* input came that run() has not seen */
	bool opened, outgoing, killed;
	bool deadline_set;         /* by this run() */
	bool tls_wants_out, tls_wants_in; /* TLS must write to read, read to write */
	bool slow, slow_held;
	bool counted, shared, local_known; /* in per_ip; in its listener's share */
	enum cv_tls_wish tls_wish;
	unsigned handshake_event;  /* told when the handshake is complete */
	uint32_t linger_bytes;
	struct cv_buf in, out;
	size_t in_off, out_off;    /* consumed, sent */
	uint64_t bytes_in, bytes_out; /* of the whole connection */
	int64_t deadline_ms, stall_ms;
	struct cv_zip *zip; /* NULL: not compressed */
	struct cv_tls *tls;
	struct cv_tls_client *tls_client;
	const struct cv_tls_peer *tls_peer; /* or NULL */
	char *tls_host, *error;
	struct sockaddr_storage peer, local;
	struct cv_rate_key limit_key, net_key; /* of length 0: not counted so */
	char peer_text[64];
	_Alignas(16) char user[];
};

/* timer.c */
void cv_timers_init(struct cv_timers *t);
void cv_timers_done(struct cv_timers *t);
/* Wants T to fire at WHEN_MS (0: never). True when the poller must be woken to look earlier. */
bool cv_timer_set(struct cv_timers *ts, struct cv_timer *t, int64_t when_ms);
void cv_timer_remove(struct cv_timers *ts, struct cv_timer *t);
/* Calls FIRE under the lock for each timer that is due; returns when to look again (or -1). */
int64_t cv_timers_fire(struct cv_timers *ts, int64_t now_ms,
                       void (*fire)(struct cv_timer *t, void *arg), void *arg);
/* Takes any timer of a job out of the heap, or NULL. */
struct cv_timer *cv_timers_take_job(struct cv_timers *ts);

/* queue.c */
void cv_queue_init(struct cv_queue *q, unsigned workers);
void cv_queue_done(struct cv_queue *q);
void cv_queue_push(struct cv_queue *q, struct cv_work *w, bool slow);
/* Waits; NULL when the queue has ended and is empty. *slow_out: a slow place is now held. */
struct cv_work *cv_queue_pop(struct cv_queue *q, bool *slow_out);
bool cv_queue_slow_try(struct cv_queue *q);
void cv_queue_slow_release(struct cv_queue *q);
void cv_queue_end(struct cv_queue *q);

/* conn.c */
struct cv_conn *cv_conn_new(struct cv_net *net, int fd, const struct cv_proto *proto, void *ctx,
                            uint32_t first_word);
/* Links C into the net and into epoll. On failure C is gone, the descriptor closed. */
CV_MUST_CHECK enum cv_status cv_conn_join(struct cv_conn *c, struct cv_err *err);
void cv_conn_signal(struct cv_conn *c, uint32_t signals);
/* RUNNING -> PARKED for WANTS; false when a signal is there. */
bool cv_conn_park(struct cv_conn *c, uint32_t wants);
/* QUEUED or RUNNING -> RUNNING; returns the signals and clears them. */
uint32_t cv_conn_take(struct cv_conn *c);
/* RUNNING -> QUEUED, back on the run queue. */
void cv_conn_requeue(struct cv_conn *c);
/* RUNNING -> CLOSED: last hook, socket closed, memory dropped when nobody refers to it. */
void cv_conn_gone(struct cv_conn *c);
/* Accepted and counted: TLS first, or straight to run(). */
void cv_conn_greet(struct cv_conn *c);
/* An IPv4 peer of a socket for both families is an IPv4 peer. */
void cv_net_unmap(struct sockaddr_storage *a);
void cv_conn_set_error(struct cv_conn *c, const char *fmt, ...) CV_PRINTF(2, 3);

/* serve.c: runs C, which was taken from the queue, until it parks, yields or closes. */
void cv_conn_serve(struct cv_worker *w, struct cv_conn *c);

/* io.c: bytes between the socket (or TLS) and the connection's buffers. */
enum cv_status cv_conn_flush(struct cv_conn *c); /* CV_OK all gone, CV_AGAIN blocked, CV_TEMPFAIL */
enum cv_status cv_conn_fill(struct cv_conn *c);  /* CV_OK got some, CV_AGAIN, CV_EOF, CV_TEMPFAIL */
/* Gives memory lent by the worker back and keeps only what is needed. */
void cv_conn_settle(struct cv_conn *c);
static inline size_t
cv_conn_in_left(const struct cv_conn *c)
{
	return c->in.n - c->in_off;
}
static inline size_t
cv_conn_out_left(const struct cv_conn *c)
{
	return c->out.n - c->out_off + (c->zip ? c->zip->out.n - c->zip->out_off : 0);
}
void cv_zip_free(struct cv_zip *zip); /* may be NULL */

/* listen.c */
void cv_listener_accept(struct cv_listener *l);
void cv_listener_resume(void *listener);
void cv_listener_close(struct cv_listener *l); /* by the poller, or when it has ended */
/* Counts C's peer; false when it has too many connections, or opens them too fast. */
bool cv_limit_enter(struct cv_conn *c);
void cv_limit_leave(struct cv_conn *c); /* under conns_lock */
/* Gives the place of C among all connections back; under conns_lock. */
void cv_share_leave(struct cv_conn *c);

/* live.c: closes the listeners that cv_net_unlisten() and cv_net_drain() marked; on the poller. */
void cv_listeners_sweep(struct cv_net *net);

/* poller.c */
void *cv_poller_main(void *net);
void cv_net_ring(struct cv_net *net); /* wakes the poller */

#endif
