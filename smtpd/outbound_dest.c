/* outbound_dest.c - destinations: where their servers are, how many connections they bear, and when
 * nobody answers there.
 *
 * A destination starts with a few connections; each that gets through doubles the limit up to
 * outbound_per_destination. When none of its servers can be reached it is down for a while that
 * grows with each failure: its jobs go back to the queue at once and new ones are put off untried,
 * so it holds no slot.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "smtpd/outbound_internal.h"

#define FORGET_MS      (10 * 60 * 1000) /* a destination unused for so long */
#define BAD_HOP_MS     (5 * 60 * 1000)  /* a server that could not be reached is passed over */
#define ROUTE_MIN_SECS 60
#define ROUTE_MAX_SECS 3600
#define CONNECT_SECS   30

/* Domain and wish: what tells two destinations apart. */
static struct cv_str
map_key(char buf[324], struct cv_str key, enum smtpd_tls_wish wish)
{
	size_t n = CV_MIN(key.n, (size_t)319);

	memcpy(buf, key.p, n);
	buf[n] = (char)wish;
	return cv_str(buf, n + 1);
}

const char *
out_dest_host(const struct out_dest *d)
{
	return d->is_fixed ? d->to.host : d->key;
}

struct out_dest *
out_dest_get(struct smtpd_outbound *o, struct cv_str key, enum smtpd_tls_wish wish,
	const struct smtpd_transport *to)
{
	char buf[324];
	struct cv_str whole = map_key(buf, key, wish);
	struct out_dest *d = cv_map_get(&o->dests, whole);

	if (!d) {
		d = cv_calloc(1, sizeof *d);
		snprintf(d->key, sizeof d->key, "%.*s", CV_STR_ARGS(key));
		d->wish = wish;
		d->is_fixed = to != NULL;
		if (to)
			d->to = *to;
		d->rule = smtpd_tls_rules_find(o->rules, out_dest_host(d));
		d->port = to ? to->port : (unsigned)o->server->opt->outbound_port;
		d->limit = SMTPD_OUT_FIRST_CONNS;
		cv_list_init(&d->jobs);
		cv_map_put(&o->dests, whole, d);
	}
	d->used_ms = cv_mono_ms();
	return d;
}

static void
dest_free(struct out_dest *d)
{
	smtpd_route_unref(d->route);
	smtpd_sts_entry_unref(d->sts);
	free(d);
}

void
out_dests_free(struct smtpd_outbound *o)
{
	struct cv_str key;
	void *value;
	size_t pos = 0;

	while (cv_map_each(&o->dests, &pos, &key, &value))
		dest_free(value);
}

/* ---- failure ---- */

static void
take_all(struct out_dest *d, struct cv_link *jobs)
{
	struct cv_link *l;

	while ((l = cv_list_pop(&d->jobs)))
		cv_list_append(jobs, l);
	d->job_count = 0;
}

static void
set_outcome(struct cv_link *jobs, const struct smtpd_outcome *outcome)
{
	CV_LIST_EACH(l, next, jobs) {
		struct out_job *j = CV_CONTAINER(l, struct out_job, job.link);
		for (size_t i = 0; i < j->job.count; i++)
			j->job.outcomes[i] = *outcome;
	}
}

/* Under the lock. The jobs go to JOBS with their outcome. */
static void
dest_fails(struct smtpd_outbound *o, struct out_dest *d, const struct smtpd_outcome *why,
	struct cv_link *jobs)
{
	struct cv_link mine;

	cv_list_init(&mine);
	take_all(d, &mine);
	set_outcome(&mine, why);
	for (struct cv_link *l; (l = cv_list_pop(&mine));)
		cv_list_append(jobs, l);
	d->is_passing = false;
	if (why->fate != SMTPD_LATER)
		return;
	d->failures++;
	d->limit = 1;
	d->down = *why;
	d->down_until_ms = cv_mono_ms() + out_backoff(o, d->failures) * 1000;
	memset(d->bad_until_ms, 0, sizeof d->bad_until_ms);
	cv_log(0, CV_WARN, "dest.down", "to=%s failures=%u secs=%lld why=\"%s\"", d->key,
		d->failures, (long long)(d->down_until_ms - cv_mono_ms()) / 1000, why->text);
}

/* ---- the connection's calls ---- */

static struct out_conn *
conn_of(struct smtpd_client *c)
{
	return CV_CONTAINER(c, struct out_conn, client);
}

static void
log_ready(const struct out_conn *c)
{
	const struct smtpd_client *client = &c->client;
	struct cv_tls_info tls = { .version = NULL };

	cv_conn_tls_info(client->conn, &tls);
	cv_log(cv_conn_id(client->conn), CV_INFO, "conn.ready",
		"to=%s host=%s policy=%s version=%s cipher=%s verified=%s", c->dest->key,
		client->host, client->policy, tls.secure ? tls.version : "clear",
		tls.secure ? tls.cipher : "-",
		tls.by_dane ? "dane" : tls.peer_verified ? "yes" : "no");
	const struct smtpd_tls_plan *plan = &c->dest->plans[c->hop];
	if (c->route == c->dest->route && plan->is_test && (plan->why[0] || !tls.peer_verified))
		cv_log(cv_conn_id(client->conn), CV_WARN, "sts.would_refuse",
		       "to=%s host=%s why=\"%s\"", c->dest->key, client->host,
		       plan->why[0] ? plan->why
		       : tls.secure ? "its certificate cannot be verified"
		                    : "it offers no TLS");
}

static void
client_ready(struct smtpd_client *client)
{
	struct out_conn *c = conn_of(client);
	struct smtpd_outbound *o = c->o;

	pthread_mutex_lock(&o->lock);
	log_ready(c);
	out_tlsrpt_ready(c);
	c->dest->failures = 0;
	c->dest->limit =
		CV_MIN(c->dest->limit * 2, (unsigned)o->server->opt->outbound_per_destination);
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
}

static struct smtpd_job *
client_next(struct smtpd_client *client)
{
	struct out_conn *c = conn_of(client);
	struct smtpd_outbound *o = c->o;
	struct smtpd_job *job = NULL;

	pthread_mutex_lock(&o->lock);
	/* After a new look at DNS and policies another plan may hold: a connection under the old
	 * one takes nothing more. */
	bool is_over = o->stopping || c->route != c->dest->route;
	if (is_over)
		client->is_draining = true;
	struct cv_link *l = is_over ? NULL : cv_list_pop(&c->dest->jobs);
	if (l) {
		c->dest->job_count--;
		job = CV_CONTAINER(l, struct smtpd_job, link);
	}
	c->idle = !job && !client->is_draining;
	c->dest->used_ms = cv_mono_ms();
	pthread_mutex_unlock(&o->lock);
	return job;
}

static void
client_done(struct smtpd_client *client, struct smtpd_job *job)
{
	struct out_conn *c = conn_of(client);

	out_settle(c->o, job->owner);
}

static void
client_back(struct smtpd_client *client, struct smtpd_job *job)
{
	struct out_conn *c = conn_of(client);
	struct smtpd_outbound *o = c->o;

	pthread_mutex_lock(&o->lock);
	if (o->stopping) {
		out_job_free(job->owner);
	} else {
		cv_list_prepend(&c->dest->jobs, &job->link);
		c->dest->job_count++;
	}
	pthread_mutex_unlock(&o->lock);
}

/* Under the lock: the server at this hop could not be used. True when none is left. */
static bool
hop_fails(struct out_dest *d, const struct smtpd_route *route, size_t hop)
{
	int64_t now = cv_mono_ms();

	if (d->route != route)
		return false; /* looked up anew meanwhile */
	d->bad_until_ms[hop] = now + BAD_HOP_MS;
	for (size_t i = 0; i < route->count; i++)
		if (!d->plans[i].is_refused && d->bad_until_ms[i] <= now)
			return false;
	return true;
}

/* Under the lock: what a server that could not be used means for the mail. Where REQUIRETLS is all
 * that stands in the way, another try will not help (RFC 8689 4.2.1). */
static void
hop_outcome(struct out_dest *d, bool by_tls, const char *host, const char *why,
	struct smtpd_outcome *out)
{
	if (d->wish == SMTPD_WISH_REQUIRE && !d->is_passing)
		smtpd_outcome_set(out, SMTPD_FAILED, "5.7.30",
			"the message may only travel under REQUIRETLS; %s: %s", host, why);
	else
		smtpd_outcome_set(out, SMTPD_LATER, by_tls ? "4.7.5" : "4.4.1", "%s: %s", host,
			why);
}

static void
conn_over(struct out_conn *c)
{
	struct smtpd_outbound *o = c->o;

	pthread_mutex_lock(&o->lock);
	cv_list_remove(&c->link);
	o->conn_count--;
	o->reload = true;
	pthread_cond_signal(&o->wake);
	pthread_cond_broadcast(&o->quiet);
	pthread_mutex_unlock(&o->lock);
	if (c->conn)
		cv_conn_unref(c->conn);
	smtpd_route_unref(c->route);
	if (c->auth)
		cv_wipe(c->auth, strlen(c->auth));
	free(c->auth);
	free(c);
	out_unref(o);
}

static void
client_closed(struct smtpd_client *client, enum smtpd_client_end end, const char *why)
{
	struct out_conn *c = conn_of(client);
	struct smtpd_outbound *o = c->o;
	struct smtpd_outcome outcome = { 0 };
	struct cv_link failed;

	cv_list_init(&failed);
	if (end != SMTPD_END_GOOD)
		cv_log(0, CV_INFO, "conn.lost", "to=%s host=%s why=\"%s\"", c->dest->key,
			client->host, why);
	pthread_mutex_lock(&o->lock);
	c->dest->conns--;
	out_tlsrpt_failed(c, end, why);
	bool may_be_plain = client->level == SMTPD_TLS_MAY && c->route == c->dest->route
		&& !c->dest->is_plain[c->hop];
	if (end == SMTPD_END_TLS && may_be_plain) {
		c->dest->is_plain[c->hop] = true; /* once more without */
	} else if (end == SMTPD_END_CONNECT || end == SMTPD_END_GREETING || end == SMTPD_END_TLS
		|| end == SMTPD_END_POLICY) {
		bool by_tls = end == SMTPD_END_POLICY
			|| (end == SMTPD_END_TLS && client->level > SMTPD_TLS_MAY);
		/* A handshake may break for many reasons; a certificate does not get better. */
		c->dest->is_passing |= end != SMTPD_END_POLICY && !strstr(why, "certificate:");
		hop_outcome(c->dest, by_tls, client->host, why, &outcome);
		if (hop_fails(c->dest, c->route, c->hop) && !c->dest->conns && !o->stopping)
			dest_fails(o, c->dest, &outcome, &failed);
	}
	pthread_mutex_unlock(&o->lock);
	out_settle_all(o, &failed);
	conn_over(c);
}

static const struct smtpd_client_owner client_owner = { .ready = client_ready, .next = client_next,
	.done = client_done, .back = client_back, .closed = client_closed };

/* ---- opening connections ---- */

/* Under the lock: the hop to try, or route->count when all are bad. */
static size_t
choose_hop(const struct out_dest *d)
{
	int64_t now = cv_mono_ms();
	size_t i = 0;

	while (i < d->route->count && (d->plans[i].is_refused || d->bad_until_ms[i] > now))
		i++;
	return i;
}

/* Whom the connection must meet, by the plan for its server. */
static void
set_tls(struct out_conn *c)
{
	const struct smtpd_tls_plan *plan = &c->dest->plans[c->hop];
	const struct smtpd_host_tlsa *tlsa = c->route->hops[c->hop].tlsa;

	c->client.level = plan->level;
	c->client.policy = plan->policy;
	c->client.require_tls = c->dest->wish == SMTPD_WISH_REQUIRE;
	c->client.tls_peer = (struct cv_tls_peer){ .host = c->client.host,
		.must_verify = plan->level == SMTPD_TLS_VERIFY };
	if (plan->by_dane) {
		/* RFC 7672 3.2.2: the base name, or the domain that mail is for. */
		c->client.tls_peer.host = tlsa->base;
		c->client.tls_peer.also = out_dest_host(c->dest);
		c->client.tls_peer.tlsa = tlsa->records;
		c->client.tls_peer.tlsa_count = tlsa->count;
	}
	/* A literal is no name to ask for. */
	if (c->client.tls_peer.host[0] == '[')
		c->client.tls_peer.host = NULL;
}

/* Under the lock. */
static struct out_conn *
conn_new(struct smtpd_outbound *o, struct out_dest *d, size_t hop)
{
	struct out_conn *c = cv_calloc(1, sizeof *c);

	c->client.owner = &client_owner;
	c->client.queue = o->server->queue;
	c->client.hello = o->server->main->hostname;
	c->client.no_chunks = !o->server->opt->outbound_chunking;
	c->client.spool_dir = o->server->spool_dir;
	snprintf(c->client.host, sizeof c->client.host, "%s", d->route->hops[hop].host);
	c->client.tls = d->is_plain[hop] ? NULL : o->tls;
	c->client.is_lmtp = d->is_fixed && d->to.kind == SMTPD_BY_LMTP;
	c->client.no_chunks |= c->client.is_lmtp;
	c->client.implicit_tls = d->is_fixed && d->to.kind == SMTPD_BY_SMTPS;
	if (d->is_fixed && d->to.is_smarthost && o->auth)
		c->client.auth = c->auth = cv_strdup(o->auth);
	c->o = o;
	c->dest = d;
	c->route = d->route;
	c->hop = hop;
	set_tls(c);
	smtpd_route_ref(c->route);
	out_ref(o);
	cv_list_append(&o->conns, &c->link);
	o->conn_count++;
	d->conns++;
	return c;
}

static void
open_conn(struct out_conn *c)
{
	const struct smtpd_hop *hop = &c->route->hops[c->hop];
	struct cv_err err = { 0 };
	struct cv_conn *conn = NULL;
	struct smtpd_outbound *o = c->o;

	/* The list and the scheduler's lock keep C alive: closed() runs on a worker and may be
	 * there before this returns, so what it needs is set before. */
	enum cv_status status = cv_net_connect(o->server->net, (const struct sockaddr *)&hop->addr,
		hop->addr_len, &smtpd_client_proto, &c->client, CONNECT_SECS, &conn, &err);
	if (status != CV_OK) {
		client_closed(&c->client, SMTPD_END_CONNECT, err.text);
		return;
	}
	pthread_mutex_lock(&o->lock);
	bool alive = false;
	CV_LIST_EACH(l, next, &o->conns)
		if (l == &c->link)
			alive = true;
	if (alive) {
		c->conn = conn;
		conn = NULL;
		/* It may have asked for work, found none and gone idle before it could be woken. */
		if (c->idle)
			cv_conn_wake(c->conn);
	}
	pthread_mutex_unlock(&o->lock);
	if (conn)
		cv_conn_unref(conn);
}

/* ---- routes ---- */

/* Under the lock: what each server of a new route must offer. */
static void
make_plans(struct out_dest *d, bool has_auth)
{
	const struct smtpd_sts_policy *sts = d->sts ? smtpd_sts_entry_policy(d->sts) : NULL;

	enum smtpd_tls_rule rule = d->rule;

	/* A socket of this machine needs no TLS. A password goes only to a server that proves who
	 * it is, and TLS from the first octet is no offer that could be declined. */
	if (d->is_fixed && !d->port)
		rule = SMTPD_RULE_NONE;
	else if (has_auth && rule == SMTPD_RULE_AUTO)
		rule = SMTPD_RULE_VERIFY;
	else if (d->is_fixed && d->to.kind == SMTPD_BY_SMTPS && rule <= SMTPD_RULE_MAY)
		rule = SMTPD_RULE_ENCRYPT;
	d->is_passing = false;
	for (size_t i = 0; i < d->route->count; i++) {
		struct smtpd_tls_facts facts = { .wish = d->wish, .rule = rule,
			.route_is_secure = d->route->is_secure,
			.tlsa = d->route->hops[i].tlsa->state,
			.sts = sts ? sts->mode : SMTPD_STS_ABSENT,
			.sts_has_host = sts && smtpd_sts_has_host(sts, d->route->hops[i].host) };
		smtpd_tls_plan(&facts, &d->plans[i]);
		d->is_passing |= d->plans[i].is_passing;
	}
}

struct route_call {
	struct smtpd_outbound *o;
	struct out_dest *dest;
	struct smtpd_route *route;
};

static void
sts_found(void *arg, struct smtpd_sts_entry *sts)
{
	struct route_call *call = arg;
	struct smtpd_outbound *o = call->o;
	struct out_dest *d = call->dest;
	struct smtpd_route *route = call->route;

	pthread_mutex_lock(&o->lock);
	smtpd_sts_entry_unref(d->sts);
	d->sts = sts;
	smtpd_route_unref(d->route);
	d->route = route;
	d->route_until_ms = cv_mono_ms()
		+ 1000 * (int64_t)CV_MIN(CV_MAX(route->ttl_secs, ROUTE_MIN_SECS), ROUTE_MAX_SECS);
	d->resolving = false;
	make_plans(d, d->is_fixed && d->to.is_smarthost && o->auth);
	out_tlsrpt_plans(o, d);
	memset(d->bad_until_ms, 0, sizeof d->bad_until_ms);
	memset(d->is_plain, 0, sizeof d->is_plain);
	o->reload = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	free(call);
	out_unref(o);
}

/* What domains publish about their MX hosts: nothing for smarthosts and literals, and nothing that
 * the plan would not look at. Under the lock: a reload may change the rule. */
static bool
wants_sts(const struct out_dest *d)
{
	return !d->is_fixed && d->key[0] != '['
		&& (d->wish == SMTPD_WISH_REQUIRE
			|| (d->wish == SMTPD_WISH_USUAL && d->rule == SMTPD_RULE_AUTO));
}

static void
route_found(void *arg, struct smtpd_route *route)
{
	struct route_call *call = arg;

	call->route = route;
	pthread_mutex_lock(&call->o->lock);
	bool asks = route->state == SMTPD_ROUTE_OK && wants_sts(call->dest);
	pthread_mutex_unlock(&call->o->lock);
	if (asks)
		smtpd_sts_find(call->o->sts, call->dest->key, sts_found, call);
	else
		sts_found(call, NULL);
}

static void
find_route(struct smtpd_outbound *o, struct out_dest *d)
{
	struct route_call *call = cv_malloc(sizeof *call);
	pthread_mutex_lock(&o->lock); /* a reload may change it */
	unsigned port = d->port;
	pthread_mutex_unlock(&o->lock);
	struct smtpd_route_query query = {
		.resolver = o->server->resolver,
		.domain = out_dest_host(d),
		.is_host = d->is_fixed,
		.port = port,
		.own_name = o->server->main->hostname,
		.allow_loopback = o->server->opt->allow_loopback_targets || d->is_fixed,
	};

	*call = (struct route_call){ o, d, NULL };
	out_ref(o);
	if (d->is_fixed && !port) {
		route_found(call, smtpd_route_unix(d->to.host));
		return;
	}
	smtpd_route_find(&query, route_found, call);
}

/* ---- one look at a destination ---- */

struct work {
	struct out_dest *resolve;
	struct out_conn *open[16];
	size_t open_count;
	struct cv_link failed;
};

/* Under the lock: a route that leads nowhere. */
static bool
route_is_dead(struct smtpd_outbound *o, struct out_dest *d, struct work *work)
{
	struct smtpd_outcome outcome = { 0 };

	if (d->route->state == SMTPD_ROUTE_OK)
		return false;
	smtpd_outcome_set(&outcome,
		d->route->state == SMTPD_ROUTE_NEVER ? SMTPD_FAILED : SMTPD_LATER, d->route->status,
		"%s", d->route->why);
	dest_fails(o, d, &outcome, &work->failed);
	smtpd_route_unref(d->route);
	d->route = NULL; /* asked again for the next job */
	return true;
}

/* Under the lock: no server of the route may be used. */
static bool
plans_are_dead(struct smtpd_outbound *o, struct out_dest *d, struct work *work)
{
	struct smtpd_outcome outcome = { 0 };

	for (size_t i = 0; i < d->route->count; i++)
		if (!d->plans[i].is_refused)
			return false;
	hop_outcome(d, true, d->route->hops[0].host, d->plans[0].why, &outcome);
	dest_fails(o, d, &outcome, &work->failed);
	smtpd_route_unref(d->route);
	d->route = NULL;
	return true;
}

static void
wake_idle(struct smtpd_outbound *o, struct out_dest *d)
{
	size_t jobs = d->job_count;

	CV_LIST_EACH(l, next, &o->conns) {
		struct out_conn *c = CV_CONTAINER(l, struct out_conn, link);
		if (!jobs)
			return;
		if (c->dest == d && c->idle && c->conn) {
			cv_conn_wake(c->conn);
			jobs--;
		}
	}
}

/* Under the lock: what is to be done outside of it goes to WORK. */
static void
look_at(struct smtpd_outbound *o, struct out_dest *d, struct work *work)
{
	int64_t now = cv_mono_ms();
	unsigned total_max = (unsigned)o->server->opt->outbound_concurrency;

	if (!d->job_count || d->resolving)
		return;
	if (!d->route || d->route_until_ms <= now) {
		d->resolving = true;
		work->resolve = d;
		return;
	}
	if (route_is_dead(o, d, work) || plans_are_dead(o, d, work))
		return;
	wake_idle(o, d);
	while (d->conns < CV_MIN((size_t)d->limit, d->job_count) && o->conn_count < total_max
		&& work->open_count < CV_COUNT(work->open)) {
		size_t hop = choose_hop(d);
		if (hop == d->route->count) {
			if (!d->conns) /* all failed while others were still trying */
				memset(d->bad_until_ms, 0, sizeof d->bad_until_ms);
			else
				return;
			hop = choose_hop(d);
		}
		work->open[work->open_count++] = conn_new(o, d, hop);
	}
	if (work->open_count == CV_COUNT(work->open))
		o->reload = true;
}

static bool
is_forgotten(const struct out_dest *d)
{
	return !d->job_count && !d->conns && !d->resolving
		&& d->down_until_ms <= cv_mono_ms() && d->used_ms + FORGET_MS < cv_mono_ms();
}

/* The next destination after *POS that needs something. */
static bool
find_work(struct smtpd_outbound *o, size_t *pos, struct work *work)
{
	struct cv_str key;
	void *value;

	*work = (struct work){ .resolve = NULL };
	cv_list_init(&work->failed);
	pthread_mutex_lock(&o->lock);
	while (!o->stopping && cv_map_each(&o->dests, pos, &key, &value)) {
		struct out_dest *d = value;
		if (is_forgotten(d)) {
			cv_map_del(&o->dests, key);
			dest_free(d);
			continue;
		}
		look_at(o, d, work);
		if (work->resolve || work->open_count || !cv_list_is_empty(&work->failed)) {
			pthread_mutex_unlock(&o->lock);
			return true;
		}
	}
	pthread_mutex_unlock(&o->lock);
	return false;
}

void
out_dests_pump(struct smtpd_outbound *o)
{
	struct work work;
	size_t pos = 0;

	/* Only this thread adds destinations and deletes them, so POS holds between two looks. */
	while (find_work(o, &pos, &work)) {
		if (work.resolve)
			find_route(o, work.resolve);
		for (size_t i = 0; i < work.open_count; i++)
			open_conn(work.open[i]);
		out_settle_all(o, &work.failed);
	}
}
