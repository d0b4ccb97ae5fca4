/* serve.c - a worker's turn with one connection.
 *
 * A turn goes round: take what was signalled, call run() while there is something for it to do,
 * send what it wrote in one go, try to read once more, and only then park. Each phase has one
 * function that answers what comes next: NEXT (look again), PARK, YIELD (others wait) or GONE.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <unistd.h>

#include "common/net/private.h"
#include "common/net/proxy.h"

#define TURN_RUNS 64            /* calls of run() before others get their turn */
#define TURN_US 1000
#define FLUSH_EARLY (16u << 10) /* output that does not wait for the end of a pipeline */
#define FLUSH_MS 5000           /* for the last output of a closing connection */
#define LINGER_MS 2000
#define LINGER_BYTES (256u << 10)
#define RUNS_WITHOUT_PROGRESS 8
#define URGENT (CV_EV_TIMEOUT | CV_EV_FAILED)

enum verdict { NEXT, PARK, YIELD, GONE };

struct turn {
	struct cv_worker *worker;
	int64_t began_us;
	unsigned runs, idle_runs;
	uint32_t wants; /* with PARK */
};

static enum verdict
close_now(struct cv_conn *c)
{
	cv_conn_gone(c);
	return GONE;
}

/* The socket or TLS failed: an outgoing connection's protocol is told, an incoming one just
 * ends. */
static enum verdict
fail(struct cv_conn *c, const char *why)
{
	if (why && !c->error)
		cv_conn_set_error(c, "%s", why);
	if (cv_log_wants(CV_DEBUG))
		cv_log(c->id, CV_DEBUG, "conn.failed", "label=%s reason=\"%s\"", cv_conn_label(c),
		       cv_conn_error(c));
	if (c->outgoing) {
		c->opened = true;
		(void)c->proto->run(c, CV_EV_FAILED);
	}
	return close_now(c);
}

static enum verdict
begin_close(struct cv_conn *c)
{
	c->phase = CV_PH_FLUSH;
	c->events = 0;
	c->deadline_ms = cv_mono_ms() + (atomic_load(&c->net->stopping) ? FLUSH_MS / 5 : FLUSH_MS);
	return NEXT;
}

/* ---- signals ---- */

static void
absorb_timer(struct cv_conn *c)
{
	int64_t now_ms = cv_mono_ms();
	if (c->stall_ms && now_ms >= c->stall_ms) {
		cv_conn_set_error(c, "the peer takes no data");
		c->broken = true;
	} else if (c->deadline_ms && now_ms >= c->deadline_ms &&
	           !(c->phase == CV_PH_OPEN && c->step == CV_STEP_MORE)) {
		c->events |= CV_EV_TIMEOUT;
		c->deadline_ms = 0;
	}
}

static void
absorb(struct cv_conn *c, uint32_t signals)
{
	if (signals & (CV_W_IN | CV_W_HUP)) {
		c->readable = true;
		if (c->tls_wants_in)
			c->blocked = false;
	}
	if (signals & (CV_W_OUT | CV_W_HUP)) {
		c->blocked = false;
		if (c->tls_wants_out)
			c->readable = true;
	}
	if (signals & CV_W_WAKE)
		c->events |= CV_EV_WAKE;
	if (signals & CV_W_TIMER)
		absorb_timer(c);
	if ((signals & CV_W_KILL) && !c->killed && c->phase < CV_PH_FLUSH) {
		c->killed = true;
		c->events |= CV_EV_TIMEOUT | CV_EV_KILLED;
	}
	if (signals & CV_W_ABORT)
		c->broken = true;
}

/* ---- before run(): connect, PROXY, TLS ---- */

static enum verdict
enter_open(struct cv_conn *c, unsigned event)
{
	c->phase = CV_PH_OPEN;
	c->step = CV_STEP_READ;
	c->events = (c->events & ~(unsigned)CV_EV_TIMEOUT) | event;
	c->deadline_ms = 0;
	return NEXT;
}

static enum verdict
enter_handshake(struct cv_conn *c)
{
	struct cv_err err;
	enum cv_tls_wish wish = c->tls_wish;
	c->tls_wish = CV_TLS_NOT_WANTED;
	c->tls = wish == CV_TLS_AS_SERVER
	                 ? cv_tls_new_server(c->listener->l.tls, c->fd, &err)
	                 : cv_tls_new_client(c->tls_client, c->tls_host, c->tls_peer, c->fd,
		                                     &err);
	if (!c->tls)
		return fail(c, err.text);
	c->phase = CV_PH_HANDSHAKE;
	c->deadline_ms = cv_mono_ms() + CV_NET_HANDSHAKE_SECS * 1000;
	return NEXT;
}

/* True when a connection that is not open yet must end: too slow, killed, or the net stops. */
static bool
gives_up(const struct cv_conn *c)
{
	return (c->events & CV_EV_TIMEOUT) || atomic_load(&c->net->stopping);
}

static enum verdict
serve_connecting(struct cv_conn *c, struct turn *t)
{
	int errnum = 0;
	socklen_t len = sizeof(errnum), peer_len = sizeof(struct sockaddr_storage);
	struct sockaddr_storage peer;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &errnum, &len))
		errnum = errno;
	if (errnum) {
		char text[64];
		cv_conn_set_error(c, "connect: %s", strerror_r(errnum, text, sizeof(text)));
		return fail(c, NULL);
	}
	if (!getpeername(c->fd, (struct sockaddr *)&peer, &peer_len))
		return enter_open(c, CV_EV_CONNECTED);
	if (gives_up(c))
		return fail(c, c->killed || atomic_load(&c->net->stopping) ? "connect: given up"
		                                                           : "connect: timed out");
	t->wants = CV_W_WANT_OUT;
	return PARK;
}

static enum verdict
refuse(struct cv_conn *c)
{
	atomic_fetch_add_explicit(&c->net->refused, 1, memory_order_relaxed);
	const struct cv_listener *l = c->listener;
	const char *text = l->refusal_peer ? l->refusal_peer : l->refusal;
	if (text && !l->l.implicit_tls)
		cv_buf_z(cv_conn_out(c), text);
	return begin_close(c);
}

/* A front end that is set up wrongly should not have to be guessed at. */
static enum verdict
fail_proxy(struct cv_conn *c, const char *why)
{
	cv_log(c->id, CV_WARN, "proxy.refused", "label=%s peer=%s reason=\"%s\"", cv_conn_label(c),
	       cv_conn_peer_text(c), why);
	return fail(c, why);
}

/* The header is looked at in the kernel's buffer and taken exactly: what follows may be TLS. */
static enum verdict
serve_proxy(struct cv_conn *c, struct turn *t)
{
	char head[CV_PROXY_MAX];
	struct cv_proxy proxy;
	size_t used = 0;
	struct cv_err err;

	if (gives_up(c))
		return fail_proxy(c, "no PROXY header in time");
	ssize_t n = recv(c->fd, head, sizeof(head), MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		n = 0;
	else if (n <= 0)
		return fail(c, "closed before its PROXY header");
	enum cv_status status = cv_proxy_parse(cv_str(head, (size_t)n), &proxy, &used, &err);
	if (status == CV_AGAIN && (size_t)n < sizeof(head)) {
		t->wants = CV_W_WANT_IN;
		return PARK;
	}
	if (status)
		return fail_proxy(c, status == CV_AGAIN ? "PROXY header too long" : err.text);
	if (recv(c->fd, head, used, 0) != (ssize_t)used)
		return fail(c, "cannot take the PROXY header");
	if (proxy.has_addresses) {
		cv_conn_set_peer(c, &proxy.peer);
		cv_conn_set_local(c, &proxy.local);
	}
	if (!cv_limit_enter(c))
		return refuse(c);
	cv_conn_greet(c);
	return NEXT;
}

static void
count_one(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static enum verdict
serve_handshake(struct cv_conn *c, struct turn *t)
{
	struct cv_err err;
	bool wants_write = false;
	if (gives_up(c)) {
		count_one(&t->worker->tls_failures);
		return fail(c, "TLS handshake: given up");
	}
	enum cv_status status = cv_tls_handshake(c->tls, &wants_write, &err);
	if (status == CV_AGAIN) {
		t->wants = wants_write ? CV_W_WANT_OUT : CV_W_WANT_IN;
		return PARK;
	}
	if (status) {
		count_one(&t->worker->tls_failures);
		return fail(c, err.text);
	}
	count_one(&t->worker->tls_handshakes);
	c->readable = true;
	return enter_open(c, c->handshake_event);
}

/* ---- while run() is called ---- */

static bool
takes_input(const struct cv_conn *c)
{
	return c->step == CV_STEP_DONE || c->step == CV_STEP_READ || c->step == CV_STEP_LISTEN;
}

/* What run() should be told now; 0: nothing. */
static unsigned
due_events(struct cv_conn *c)
{
	unsigned input = c->fresh && cv_conn_in_left(c) ? CV_EV_INPUT : 0;
	if (c->events & URGENT)
		return c->events | input;
	if (c->step == CV_STEP_MORE)
		return cv_conn_out_left(c) ? 0 : c->events | input | CV_EV_DRAINED;
	if (c->step == CV_STEP_WAIT)
		return c->events & ~(unsigned)CV_EV_EOF ? c->events | input : 0;
	/* A peer that asks and does not read is not asked for more. */
	if (c->blocked && cv_conn_out_is_high(c))
		return 0;
	return c->events | input;
}

/* Without a wish of run() the idle limit begins anew, unless a mere wake visited an IDLE. */
static void
choose_deadline(struct cv_conn *c, enum cv_step was, unsigned events)
{
	if (c->deadline_set)
		return;
	if (events == CV_EV_WAKE && was == CV_STEP_LISTEN && c->step == CV_STEP_LISTEN)
		return;
	c->deadline_ms = c->proto->idle_secs ? cv_mono_ms() + (int64_t)c->proto->idle_secs * 1000
	                                     : 0;
}

/* DONE with input left means 'again at once'; a run() that repeats it without taking anything has
 * to wait for more instead of spinning. */
static void
look_at_rest(struct cv_conn *c, struct turn *t, size_t before, unsigned events)
{
	bool idle = events == CV_EV_INPUT && cv_conn_in_left(c) == before;
	t->idle_runs = idle ? t->idle_runs + 1 : 0;
	/* What lies behind a command that waits has not been seen either. */
	bool unseen = c->step == CV_STEP_DONE ? t->idle_runs < RUNS_WITHOUT_PROGRESS
	                                      : c->step == CV_STEP_WAIT || c->step == CV_STEP_MORE;
	c->fresh = unseen && cv_conn_in_left(c);
}

static enum verdict
call_run(struct cv_conn *c, struct turn *t, unsigned events)
{
	enum cv_step was = c->step;
	size_t before = cv_conn_in_left(c);

	c->events = 0;
	c->deadline_set = false;
	c->opened = true;
	c->step = c->proto->run(c, events);
	t->runs++;
	if (events & CV_EV_FAILED)
		return close_now(c);
	if (c->out.full)
		return fail(c, "more output than the hard limit");
	if (c->step == CV_STEP_CLOSE || c->killed)
		return begin_close(c);
	look_at_rest(c, t, before, events);
	choose_deadline(c, was, events);
	if (c->slow && !c->slow_held)
		return YIELD;
	int64_t spent_us = cv_mono_us() - t->began_us;
	if (!c->blocked && (cv_conn_out_left(c) >= FLUSH_EARLY || spent_us > TURN_US) &&
	    cv_conn_flush(c) == CV_TEMPFAIL)
		return fail(c, NULL);
	if ((t->runs >= TURN_RUNS || spent_us > TURN_US) &&
	    atomic_load_explicit(&c->net->queue.waiting, memory_order_relaxed))
		return YIELD;
	return NEXT;
}

static enum verdict
serve_starttls(struct cv_conn *c, struct turn *t)
{
	if (c->killed)
		return begin_close(c);
	enum cv_status status = cv_conn_flush(c);
	if (status == CV_AGAIN) {
		t->wants = CV_W_WANT_OUT;
		return PARK;
	}
	if (status)
		return fail(c, NULL);
	/* Whatever came in the clear after the command could have been put there by anyone. */
	c->in_off = 0;
	cv_buf_reset(&c->in);
	c->fresh = false;
	return enter_handshake(c);
}

static enum verdict
read_more(struct cv_conn *c)
{
	enum cv_status status = cv_conn_fill(c);
	if (status == CV_OK) {
		c->fresh = true;
		return NEXT;
	}
	if (status == CV_AGAIN)
		return NEXT;
	if (status != CV_EOF)
		return fail(c, NULL);
	c->eof = true;
	c->readable = false;
	c->events |= CV_EV_EOF;
	return NEXT;
}

/* Nothing is due: sends, reads, or says what to wait for. */
static enum verdict
rest(struct cv_conn *c, struct turn *t)
{
	if (cv_conn_out_left(c) && !c->blocked) {
		if (cv_conn_flush(c) == CV_TEMPFAIL)
			return fail(c, NULL);
		if (due_events(c))
			return NEXT;
	}
	if (takes_input(c)) {
		bool held_back = c->blocked && cv_conn_out_is_high(c);
		if (c->eof && !held_back)
			return begin_close(c);
		if (cv_conn_in_is_full(c) && !held_back)
			return fail(c, "the input is full and nothing was taken");
		if (c->readable && !c->eof && !held_back)
			return read_more(c);
		if (!cv_conn_out_left(c) && !c->killed && atomic_load(&c->net->stopping)) {
			c->killed = true;
			c->events |= CV_EV_TIMEOUT | CV_EV_KILLED;
			return NEXT;
		}
		t->wants |= held_back ? 0 : CV_W_WANT_IN;
	}
	if (cv_conn_out_left(c))
		t->wants |= c->tls_wants_in ? CV_W_WANT_IN : CV_W_WANT_OUT;
	if (c->tls_wants_out)
		t->wants |= CV_W_WANT_OUT;
	return PARK;
}

static enum verdict
serve_open(struct cv_conn *c, struct turn *t)
{
	if (c->tls_wish)
		return serve_starttls(c, t);
	unsigned events = due_events(c);
	return events ? call_run(c, t, events) : rest(c, t);
}

/* ---- after run() ---- */

/* Input that nobody will read makes the kernel answer with a reset, which may overtake our last
 * words: it is thrown away, and while more comes the socket stays half open a little. */
static enum verdict
serve_linger(struct cv_conn *c, struct turn *t)
{
	char waste[4096];
	ssize_t n;
	if (c->events & CV_EV_TIMEOUT)
		return close_now(c);
	while ((n = recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT)) > 0) {
		c->linger_bytes += (uint32_t)n;
		if (c->linger_bytes > LINGER_BYTES)
			return close_now(c);
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR) || !c->linger_bytes)
		return close_now(c);
	t->wants = CV_W_WANT_IN;
	return PARK;
}

static enum verdict
serve_flush(struct cv_conn *c, struct turn *t)
{
	if (c->events & CV_EV_TIMEOUT)
		return close_now(c);
	enum cv_status status = cv_conn_flush(c);
	if (status == CV_AGAIN) {
		t->wants = c->tls_wants_in ? CV_W_WANT_IN : CV_W_WANT_OUT;
		return PARK;
	}
	if (status)
		return close_now(c);
	if (c->tls)
		cv_tls_notify(c->tls);
	shutdown(c->fd, SHUT_WR);
	c->phase = CV_PH_LINGER;
	c->linger_bytes = cv_conn_in_left(c) && !c->eof;
	c->events = 0;
	c->deadline_ms = cv_mono_ms() +
	                 (atomic_load(&c->net->stopping) ? LINGER_MS / 10 : LINGER_MS);
	return NEXT;
}

static enum verdict
serve_phase(struct cv_conn *c, struct turn *t)
{
	if (c->broken)
		return c->phase < CV_PH_FLUSH ? fail(c, "ended") : close_now(c);
	switch (c->phase) {
	case CV_PH_CONNECTING:
		return serve_connecting(c, t);
	case CV_PH_PROXY:
		return serve_proxy(c, t);
	case CV_PH_HANDSHAKE:
		return serve_handshake(c, t);
	case CV_PH_OPEN:
		return serve_open(c, t);
	case CV_PH_FLUSH:
		return serve_flush(c, t);
	case CV_PH_LINGER:
		return serve_linger(c, t);
	}
	cv_die("connection in no phase");
}

static void
set_timer(struct cv_conn *c)
{
	int64_t when_ms = c->phase == CV_PH_OPEN && c->step == CV_STEP_MORE ? 0 : c->deadline_ms;
	if (c->stall_ms && (!when_ms || c->stall_ms < when_ms))
		when_ms = c->stall_ms;
	if (cv_timer_set(&c->net->timers, &c->timer, when_ms))
		cv_net_ring(c->net);
}

static void
drop_slow_place(struct cv_conn *c)
{
	if (c->slow_held)
		cv_queue_slow_release(&c->net->queue);
	c->slow_held = false;
}

void
cv_conn_serve(struct cv_worker *w, struct cv_conn *c)
{
	struct turn t = {.worker = w, .began_us = cv_mono_us()};
	c->worker = w;
	absorb(c, cv_conn_take(c));
	for (;;) {
		if (atomic_load_explicit(&c->word, memory_order_relaxed) & CV_W_SIGNALS)
			absorb(c, cv_conn_take(c));
		t.wants = 0;
		enum verdict verdict = serve_phase(c, &t);
		if (verdict == GONE)
			return;
		if (verdict == NEXT)
			continue;
		if (verdict == YIELD && cv_conn_out_left(c) && !c->blocked)
			c->broken = cv_conn_flush(c) == CV_TEMPFAIL;
		cv_conn_settle(c);
		if (verdict == PARK) {
			set_timer(c);
			/* After it parked, it is somebody else's. A signal that came before keeps
			 * it. */
			bool slow_held = c->slow_held;
			if (slow_held)
				drop_slow_place(c);
			if (cv_conn_park(c, t.wants))
				return;
			if (!slow_held)
				continue;
		}
		drop_slow_place(c);
		cv_conn_requeue(c);
		return;
	}
}
