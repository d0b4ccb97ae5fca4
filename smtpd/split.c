/* split.c - see split.h.
 *
 * The lock covers the answers, the routes and who waits; look-ups and connections are begun outside
 * of it. A question is removed from `asking` before those who wait are woken, and then they find
 * its answer.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/split.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "smtpd/client_reply.h"
#include "smtpd/envelope.h"
#include "smtpd/outbound.h"
#include "smtpd/outbound_route.h"
#include "smtpd/transport.h"

#define ANSWERS_MAX  20000u
#define ASKING_MAX   200u      /* questions under way */
#define WAITERS_MAX  100u      /* sessions that wait for one */
#define TAKEN_MS     (3600 * 1000)
#define REFUSED_MS   (600 * 1000)
#define LATER_MS     (30 * 1000)
#define ROUTE_MS     (300 * 1000)
#define CONNECT_SECS 10
#define STEP_SECS    30

struct answer {
	enum smtpd_split_answer what;
	int64_t until_ms;
	char text[SMTPD_SPLIT_TEXT];
};
struct route {
	struct smtpd_route *route;
	int64_t until_ms;
};
enum ask_state { A_CONNECT, A_GREETING, A_HELLO, A_MAIL, A_RCPT, A_QUIT };
struct asking {
	struct smtpd_split *split;
	char address[400];
	struct smtpd_transport to;
	struct smtpd_route *route;  /* NULL while it is looked up */
	size_t hop;
	enum ask_state state;
	struct answer answer;
	struct cv_conn *waiters[WAITERS_MAX];
	size_t waiter_count;
};
struct smtpd_split {
	struct smtpd_server *server;
	pthread_mutex_t lock;
	struct cv_map answers;      /* address -> struct answer */
	struct cv_map routes;       /* transport's key -> struct route */
	struct cv_map asking;       /* address -> struct asking */
};

struct smtpd_split *
smtpd_split_new(struct smtpd_server *server)
{
	struct smtpd_split *s = cv_calloc(1, sizeof *s);

	s->server = server;
	pthread_mutex_init(&s->lock, NULL);
	cv_map_init(&s->answers);
	cv_map_init(&s->routes);
	cv_map_init(&s->asking);
	return s;
}

static void
asking_free(struct asking *a)
{
	for (size_t i = 0; i < a->waiter_count; i++)
		cv_conn_unref(a->waiters[i]);
	smtpd_route_unref(a->route);
	free(a);
}

void
smtpd_split_free(struct smtpd_split *s)
{
	struct cv_str key;
	void *value;

	if (!s)
		return;
	for (size_t pos = 0; cv_map_each(&s->answers, &pos, &key, &value);)
		free(value);
	for (size_t pos = 0; cv_map_each(&s->routes, &pos, &key, &value);) {
		smtpd_route_unref(((struct route *)value)->route);
		free(value);
	}
	for (size_t pos = 0; cv_map_each(&s->asking, &pos, &key, &value);)
		asking_free(value);
	cv_map_done(&s->answers);
	cv_map_done(&s->routes);
	cv_map_done(&s->asking);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- answers ---- */

/* Under the lock: room for one more; what is over goes first, then all. */
static void
make_room(struct smtpd_split *s)
{
	struct cv_str key;
	void *value;
	int64_t now = cv_mono_ms();

	for (int all = 0; s->answers.used >= ANSWERS_MAX && all < 2; all++)
		for (size_t pos = 0; cv_map_each(&s->answers, &pos, &key, &value);) {
			struct answer *a = value;
			if (!all && a->until_ms > now)
				continue;
			cv_map_del(&s->answers, key);
			free(a);
		}
}

/* The question is over: its answer is kept and who waits is told. Takes A over. */
static void
conclude(struct asking *a)
{
	struct smtpd_split *s = a->split;
	struct answer *kept = cv_malloc(sizeof *kept);

	*kept = a->answer;
	kept->until_ms = cv_mono_ms() + (kept->what == SMTPD_SPLIT_TAKEN ? TAKEN_MS
		: kept->what == SMTPD_SPLIT_REFUSED ? REFUSED_MS : LATER_MS);
	cv_log(0, CV_INFO, "split.answer", "to=%s host=%s known=%s text=\"%s\"", a->address,
		a->to.host, kept->what == SMTPD_SPLIT_TAKEN ? "yes"
		: kept->what == SMTPD_SPLIT_REFUSED ? "no" : "unsure", kept->text);
	pthread_mutex_lock(&s->lock);
	make_room(s);
	free(cv_map_put(&s->answers, cv_str_z(a->address), kept));
	(void)cv_map_del(&s->asking, cv_str_z(a->address));
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < a->waiter_count; i++)
		cv_conn_wake(a->waiters[i]);
	asking_free(a);
}

static void
set_answer(struct asking *a, enum smtpd_split_answer what, const char *text)
{
	a->answer.what = what;
	snprintf(a->answer.text, sizeof a->answer.text, "%s", text);
}

/* ---- the call ---- */

static void call_next(struct asking *a);

static enum cv_step
say(struct cv_conn *conn, struct asking *a, enum ask_state state, const char *line)
{
	cv_buf_z(cv_conn_out(conn), line);
	cv_buf_z(cv_conn_out(conn), "\r\n");
	a->state = state;
	return CV_STEP_READ;
}

static enum cv_step
after_reply(struct cv_conn *conn, struct asking *a, const struct smtpd_peer_reply *reply)
{
	char text[SMTPD_SPLIT_TEXT], line[500];
	bool good = reply->code / 100 == 2;

	smtpd_peer_reply_text(reply, text, sizeof text);
	if (a->state == A_QUIT)
		return CV_STEP_CLOSE;
	/* Only what it says of the recipient is about the recipient. */
	if (a->state == A_RCPT)
		set_answer(a, good ? SMTPD_SPLIT_TAKEN : reply->code >= 500 ? SMTPD_SPLIT_REFUSED
			: SMTPD_SPLIT_LATER, text);
	else if (!good)
		set_answer(a, SMTPD_SPLIT_LATER, text);
	if (!good || a->state == A_RCPT)
		return say(conn, a, A_QUIT, "QUIT");
	switch (a->state) {
	case A_GREETING:
		snprintf(line, sizeof line, "EHLO %s", a->split->server->main->hostname);
		return say(conn, a, A_HELLO, line);
	case A_HELLO:
		return say(conn, a, A_MAIL, "MAIL FROM:<>");
	default:
		snprintf(line, sizeof line, "RCPT TO:<%s>", a->address);
		return say(conn, a, A_RCPT, line);
	}
}

static enum cv_step
run(struct cv_conn *conn, unsigned events)
{
	struct asking *a = cv_conn_ctx(conn);
	struct smtpd_peer_reply reply;
	struct cv_err err = { 0 };
	size_t used;

	if (events & (CV_EV_FAILED | CV_EV_TIMEOUT | CV_EV_KILLED))
		return CV_STEP_CLOSE;
	if (events & CV_EV_CONNECTED)
		a->state = A_GREETING;
	cv_conn_set_deadline(conn, STEP_SECS);
	while (cv_conn_in(conn).n) {
		enum cv_status status =
			smtpd_peer_reply_parse(cv_conn_in(conn), &reply, &used, &err);
		if (status == CV_AGAIN)
			break;
		if (status != CV_OK)
			return CV_STEP_CLOSE;
		enum cv_step step = after_reply(conn, a, &reply);
		cv_conn_consume(conn, used);
		if (step != CV_STEP_READ)
			return step;
	}
	return events & CV_EV_EOF ? CV_STEP_CLOSE : CV_STEP_READ;
}

static void
closed(struct cv_conn *conn)
{
	struct asking *a = cv_conn_ctx(conn);

	if (a->state <= A_GREETING && ++a->hop < a->route->count)
		call_next(a);
	else
		conclude(a);
}

static const struct cv_proto ask_proto = {
	.name = "split-ask",
	.in_max = 32u << 10,
	.out_high = 64u << 10,
	.idle_secs = STEP_SECS,
	.run = run,
	.closed = closed,
};

static void
call_next(struct asking *a)
{
	struct cv_err err = { 0 };

	for (; a->hop < a->route->count; a->hop++) {
		const struct smtpd_hop *hop = &a->route->hops[a->hop];
		a->state = A_CONNECT;
		if (cv_net_connect(a->split->server->net, (const struct sockaddr *)&hop->addr,
			    hop->addr_len, &ask_proto, a, CONNECT_SECS, NULL, &err) == CV_OK)
			return;
	}
	conclude(a);
}

/* ---- where the old server is ---- */

static void
route_found(void *arg, struct smtpd_route *route)
{
	struct asking *a = arg;
	struct smtpd_split *s = a->split;

	a->route = route;
	if (route->state == SMTPD_ROUTE_OK) {
		struct route *kept = cv_malloc(sizeof *kept), *old;
		*kept = (struct route){ route, cv_mono_ms() + ROUTE_MS };
		smtpd_route_ref(route);
		pthread_mutex_lock(&s->lock);
		old = cv_map_put(&s->routes, cv_str_z(a->to.key), kept);
		pthread_mutex_unlock(&s->lock);
		if (old)
			smtpd_route_unref(old->route);
		free(old);
		call_next(a);
		return;
	}
	set_answer(a, SMTPD_SPLIT_LATER, route->why);
	conclude(a);
}

/* Under the lock; counted for the caller, or NULL. */
static struct smtpd_route *
known_route(struct smtpd_split *s, const struct smtpd_transport *to)
{
	const struct route *r = cv_map_get(&s->routes, cv_str_z(to->key));

	if (!r || r->until_ms <= cv_mono_ms())
		return NULL;
	smtpd_route_ref(r->route);
	return r->route;
}

static bool
comes_from(const struct smtpd_route *route, struct cv_conn *conn)
{
	for (size_t i = 0; i < route->count; i++)
		if (cv_sockaddr_eq_ip(&route->hops[i].addr, cv_conn_peer(conn)))
			return true;
	return false;
}

/* ---- asking ---- */

static void
begin(struct asking *a)
{
	struct smtpd_server *server = a->split->server;

	if (a->route) {
		call_next(a);
		return;
	}
	struct smtpd_route_query query = { .resolver = server->resolver, .domain = a->to.host,
		.is_host = true, .port = a->to.port, .own_name = server->main->hostname,
		.allow_loopback = true };
	smtpd_route_find(&query, route_found, a);
}

static void
wait_for(struct asking *a, struct cv_conn *conn)
{
	cv_conn_ref(conn);
	a->waiters[a->waiter_count++] = conn;
}

/* Under the lock. *begin_out: a new question that is to be begun. */
static enum smtpd_split_answer
look(struct smtpd_split *s, struct cv_str address, const struct smtpd_transport *to, bool is_null,
	struct cv_conn *conn, char text[SMTPD_SPLIT_TEXT], struct asking **begin_out)
{
	const struct answer *known = cv_map_get(&s->answers, address);
	struct asking *a = cv_map_get(&s->asking, address);
	struct smtpd_route *route = known_route(s, to);

	if (route && comes_from(route, conn)) {
		smtpd_route_unref(route);
		return SMTPD_SPLIT_LOOP;
	}
	/* Without a route nobody can be seen to come from there: then only "later" is an answer. It
	 * must be one, or a session would ask for ever where the name has no address. */
	if (known && known->until_ms > cv_mono_ms()
		&& (route || known->what == SMTPD_SPLIT_LATER)) {
		snprintf(text, SMTPD_SPLIT_TEXT, "%s", known->text);
		smtpd_route_unref(route);
		return known->what;
	}
	/* Who asks as we ask may be asked by us: two that ask each other would never end. */
	if (s->asking.used >= ASKING_MAX || (a && (is_null || a->waiter_count == WAITERS_MAX))) {
		smtpd_route_unref(route);
		return SMTPD_SPLIT_LATER;
	}
	if (!a) {
		a = cv_calloc(1, sizeof *a);
		a->split = s;
		a->to = *to;
		a->route = route;
		snprintf(a->address, sizeof a->address, "%.*s", CV_STR_ARGS(address));
		set_answer(a, SMTPD_SPLIT_LATER, "the old server does not answer");
		cv_map_put(&s->asking, address, a);
		*begin_out = a;
	} else {
		smtpd_route_unref(route);
	}
	wait_for(a, conn);
	return SMTPD_SPLIT_WAIT;
}

enum smtpd_split_answer
smtpd_split_ask(struct smtpd_split *s, struct cv_str address, bool is_null, struct cv_conn *conn,
	char text[SMTPD_SPLIT_TEXT])
{
	struct smtpd_transport to;
	struct asking *fresh = NULL;
	struct cv_str local, domain;

	text[0] = '\0';
	smtpd_envelope_split(address, &local, &domain);
	if (!smtpd_outbound_split(s->server->outbound, domain, &to))
		return SMTPD_SPLIT_NONE;
	if (address.n >= sizeof ((struct asking *)0)->address || smtpd_envelope_has_8bit(address))
		return SMTPD_SPLIT_REFUSED;
	pthread_mutex_lock(&s->lock);
	enum smtpd_split_answer what = look(s, address, &to, is_null, conn, text, &fresh);
	pthread_mutex_unlock(&s->lock);
	if (fresh)
		begin(fresh);
	return what;
}
