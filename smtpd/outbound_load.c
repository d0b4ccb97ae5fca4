/* outbound_load.c - from the queue's rows to jobs: claiming what is due, grouping by destination.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/text/domain.h"
#include "smtpd/envelope.h"
#include "smtpd/outbound_internal.h"

#define SCAN_LIMIT_MAX (1u << 20)

/* ---- claims ---- */

struct claim_key {
	uint64_t id;
	uint32_t number, zero;
};

static struct cv_str
claim_key(struct claim_key *k, uint64_t id, uint32_t number)
{
	*k = (struct claim_key){ id, number, 0 };
	return cv_str((const char *)k, sizeof *k);
}

bool
out_is_claimed(struct smtpd_outbound *o, uint64_t id, uint32_t number)
{
	struct claim_key k;

	return cv_map_get(&o->claims, claim_key(&k, id, number)) != NULL;
}

void
out_claim(struct smtpd_outbound *o, uint64_t id, const struct cv_queue_rcpt *rcpt)
{
	struct claim_key k;

	if (cv_map_put(&o->claims, claim_key(&k, id, rcpt->number), o))
		return;
	o->claimed++;
	o->busy[cv_queue_dest(rcpt) % SMTPD_OUT_BUSY_SLOTS]++;
}

void
out_unclaim(struct smtpd_outbound *o, uint64_t id, const struct cv_queue_rcpt *rcpt)
{
	struct claim_key k;

	if (!cv_map_del(&o->claims, claim_key(&k, id, rcpt->number)))
		return;
	o->claimed--;
	o->busy[cv_queue_dest(rcpt) % SMTPD_OUT_BUSY_SLOTS]--;
}

/* ---- jobs ---- */

static void
load_unref(struct out_load *load)
{
	if (atomic_fetch_sub(&load->refs, 1) != 1)
		return;
	cv_arena_done(&load->arena);
	free(load);
}

struct out_job *
out_job_new(struct smtpd_outbound *o, struct out_load *load, size_t room)
{
	struct out_job *j = cv_calloc(1, sizeof *j);

	cv_list_init(&j->job.link);
	j->o = o;
	j->load = load;
	j->born_us = cv_mono_us();
	j->job.msg = &load->msg;
	j->job.owner = j;
	j->job.rcpts = cv_calloc(room, sizeof *j->job.rcpts);
	j->job.outcomes = cv_calloc(room, sizeof *j->job.outcomes);
	cv_spool_init(&j->spool, o->server->spool_dir);
	atomic_fetch_add(&load->refs, 1);
	return j;
}

void
out_job_free(struct out_job *j)
{
	load_unref(j->load);
	cv_spool_done(&j->spool);
	free(j->boxes);
	free(j->job.rcpts);
	free(j->job.outcomes);
	free(j);
}

/* Jobs of one message while they are being filled. */
struct group {
	struct out_dest *dest; /* NULL: the store */
	struct out_job *job;
};
struct grouping {
	struct smtpd_outbound *o;
	struct out_load *load;
	struct group *groups;
	size_t count, room;
	struct cv_link put_off;  /* jobs of destinations that are down */
	struct cv_link refused;  /* recipients whose domain is none */
	struct cv_queue_rcpt *stopped; /* outside ones of an account that may not send; else NULL */
	size_t stopped_count;
};

/* Behind all that are as urgent. */
static void
add_by_priority(struct cv_link *jobs, struct out_job *j)
{
	struct cv_link *l = jobs->prev;

	while (l != jobs && CV_CONTAINER(l, struct out_job, job.link)->job.msg->priority
			< j->job.msg->priority)
		l = l->prev;
	cv_list_prepend(l, &j->job.link);
}

static void
hand_over(struct grouping *g, struct group *group)
{
	struct smtpd_outbound *o = g->o;
	struct out_job *j = group->job;

	group->job = NULL;
	if (!group->dest) {
		cv_list_append(&o->local_jobs, &j->job.link);
		return;
	}
	int64_t left_ms = group->dest->down_until_ms - cv_mono_ms();
	if (left_ms <= 0) {
		add_by_priority(&group->dest->jobs, j);
		group->dest->job_count++;
		return;
	}
	/* Nobody answered there a moment ago: no slot, no try, until it is time to look again. */
	for (size_t i = 0; i < j->job.count; i++)
		j->job.outcomes[i] = group->dest->down;
	j->is_untried = true;
	j->retry_at_secs = cv_wall_secs() + left_ms / 1000 + 1
		+ (int64_t)cv_random_below((uint64_t)(left_ms / 10000) + 2);
	cv_list_append(&g->put_off, &j->job.link);
}

static void
add_to_group(struct grouping *g, struct out_dest *dest, const struct cv_queue_rcpt *rcpt)
{
	struct group *group = NULL;
	size_t most = dest ? SMTPD_OUT_JOB_RCPTS : CV_DELIVER_RCPTS_MAX;

	for (size_t i = 0; i < g->count && !group; i++)
		if (g->groups[i].dest == dest)
			group = &g->groups[i];
	if (!group) {
		if (g->count == g->room) {
			g->room = g->room ? g->room * 2 : 8;
			g->groups = cv_realloc(g->groups, g->room * sizeof *g->groups);
		}
		group = &g->groups[g->count++];
		*group = (struct group){ dest, NULL };
	}
	if (group->job && group->job->job.count == most)
		hand_over(g, group);
	if (!group->job) {
		group->job = out_job_new(g->o, g->load, CV_MIN(most, g->load->msg.rcpt_count));
		group->job->dest = dest;
	}
	group->job->job.rcpts[group->job->job.count++] = rcpt;
	out_claim(g->o, g->load->msg.id, rcpt);
}

/* The destination's key for an address, and its transport, if there is one; false when its domain
 * cannot be one. */
static bool
dest_key(struct smtpd_outbound *o, struct cv_str address, struct cv_buf *key,
	const struct smtpd_transport **to)
{
	size_t at = address.n;

	while (at && address.p[at - 1] != '@')
		at--;
	struct cv_str domain = cv_str_sub(address, at, address.n);
	if (!at || !domain.n || domain.n > CV_DOMAIN_MAX)
		return false;
	if (domain.p[0] == '[')
		cv_buf_str(key, domain);
	else if (cv_domain_to_ascii(domain, key, NULL) != CV_OK || key->n > CV_DOMAIN_NAME_MAX)
		return false;
	*to = smtpd_transports_find(o->transports, cv_buf_view(key));
	if (*to) {
		cv_buf_reset(key);
		cv_buf_z(key, (*to)->key);
	}
	return true;
}

/* Nobody need be asked: it fails with STATUS. */
static void
refuse_rcpt(struct grouping *g, const struct cv_queue_rcpt *rcpt, const char *status,
	const char *why)
{
	struct out_job *j = out_job_new(g->o, g->load, 1);

	j->job.rcpts[j->job.count++] = rcpt;
	smtpd_outcome_set(&j->job.outcomes[0], SMTPD_FAILED, status, "%s", why);
	out_claim(g->o, g->load->msg.id, rcpt);
	cv_list_append(&g->refused, &j->job.link);
}

static enum smtpd_tls_wish
wish_of(const struct cv_queue_msg *msg)
{
	return msg->require_tls ? SMTPD_WISH_REQUIRE
		: msg->tls_optional ? SMTPD_WISH_OPTIONAL : SMTPD_WISH_USUAL;
}

static void
group_rcpt(struct grouping *g, const struct cv_queue_rcpt *rcpt, int64_t now)
{
	struct cv_buf key = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	const struct smtpd_transport *to = NULL;

	if (rcpt->state != CV_Q_WAITING || rcpt->next_secs > now
		|| out_is_claimed(g->o, g->load->msg.id, rcpt->number))
		return;
	/* RFC 2852 4.1: what was to come back by now must not be delivered any more. */
	if (g->load->msg.by_mode == CV_BY_RETURN && now >= g->load->msg.by_secs) {
		refuse_rcpt(g, rcpt, "5.4.7", "the time for delivery that the sender set is over");
	} else if (rcpt->local_acct) {
		add_to_group(g, NULL, rcpt);
	} else if (g->stopped) {
		out_claim(g->o, g->load->msg.id, rcpt);
		g->stopped[g->stopped_count] = *rcpt;
		g->stopped[g->stopped_count++].state = CV_Q_HELD;
	} else if (!dest_key(g->o, rcpt->address, &key, &to)) {
		refuse_rcpt(g, rcpt, "5.1.2",
			"the part of the address behind the @ is no domain");
	} else if (to && to->kind == SMTPD_BY_ERROR) {
		refuse_rcpt(g, rcpt, "5.7.1", to->text);
	} else {
		add_to_group(g, out_dest_get(g->o, cv_buf_view(&key), wish_of(&g->load->msg), to),
			rcpt);
	}
	cv_buf_done(&key);
}

/* Keeps what a frozen account had queued until somebody lets it go. */
static void
hold_stopped(struct grouping *g)
{
	struct smtpd_outbound *o = g->o;
	struct cv_err err = { 0 };
	cv_ticket ticket;
	uint64_t id = g->load->msg.id;

	if (g->stopped_count
		&& cv_queue_update(o->server->queue, id, g->stopped, g->stopped_count, &ticket,
			&err) != CV_OK)
		cv_log(0, CV_ERROR, "queue.failed", "id=%.*s error=%s",
			CV_STR_ARGS(g->load->msg.delivery_id), err.text);
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < g->stopped_count; i++)
		out_unclaim(o, id, &g->stopped[i]);
	pthread_mutex_unlock(&o->lock);
}

/* Who was on the old server when the mail came may have moved here since (split.h). */
static void
adopt_moved(struct smtpd_outbound *o, struct cv_queue_msg *msg)
{
	const struct cv_snapshot *snap = NULL;

	for (size_t i = 0; i < msg->rcpt_count && o->server->opt->split_domains[0]; i++) {
		struct cv_queue_rcpt *r = &msg->rcpts[i];
		struct smtpd_transport old;
		struct cv_str local, domain;
		struct cv_reg_hit hit;
		smtpd_envelope_split(r->address, &local, &domain);
		if (r->local_acct || !smtpd_outbound_split(o, domain, &old))
			continue;
		snap = snap ? snap : cv_register_get(o->server->reg);
		cv_snapshot_find(snap, local, domain, &hit);
		if (hit.found == CV_REG_ACCOUNT && hit.account.state != CV_STATE_RETIRED)
			r->local_acct = hit.account.acct;
	}
	cv_snapshot_unref(snap);
}

static void
load_message(struct smtpd_outbound *o, uint64_t id, int64_t now)
{
	struct out_load *load = cv_calloc(1, sizeof *load);
	struct grouping g = { .o = o, .load = load };
	struct cv_err err = { 0 };

	atomic_init(&load->refs, 1);
	cv_list_init(&g.put_off);
	cv_list_init(&g.refused);
	enum cv_status status = cv_queue_get(o->server->queue, id, &load->arena, &load->msg, &err);
	if (status == CV_OK) {
		if (out_is_stopped(o, &load->msg))
			g.stopped = CV_ARENA_ARRAY(&load->arena, struct cv_queue_rcpt,
				load->msg.rcpt_count + 1);
		adopt_moved(o, &load->msg);
		pthread_mutex_lock(&o->lock);
		for (size_t i = 0; i < load->msg.rcpt_count; i++)
			group_rcpt(&g, &load->msg.rcpts[i], now);
		for (size_t i = 0; i < g.count; i++)
			if (g.groups[i].job)
				hand_over(&g, &g.groups[i]);
		pthread_mutex_unlock(&o->lock);
		out_settle_all(o, &g.put_off);
		out_settle_all(o, &g.refused);
		if (g.stopped)
			hold_stopped(&g);
	} else if (status != CV_NOT_FOUND) {
		char text[16];
		cv_queue_id_text(id, text);
		cv_log(0, CV_ERROR, "queue.unreadable", "queue=%s error=%s", text, err.text);
	}
	free(g.groups);
	load_unref(load);
}

/* ---- what is due ---- */

struct due_list {
	struct smtpd_outbound *o;
	struct cv_queue_due *items;
	size_t count, room;
};

static bool
collect(void *arg, const struct cv_queue_due *due)
{
	struct due_list *l = arg;

	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 256;
		l->items = cv_realloc(l->items, l->room * sizeof *l->items);
	}
	l->items[l->count++] = *due;
	return true;
}

/* Under the lock: may this one be loaded now? */
static bool
is_wanted(struct smtpd_outbound *o, const struct cv_queue_due *due, bool store_up)
{
	if (due->dest == CV_QUEUE_DEST_LOCAL && !store_up)
		return false; /* it waits where it is until the store answers again */
	return !out_is_claimed(o, due->id, due->number)
		&& o->busy[due->dest % SMTPD_OUT_BUSY_SLOTS] < SMTPD_OUT_SHARE_MAX;
}

bool
out_load_due(struct smtpd_outbound *o)
{
	struct due_list l = { .o = o };
	struct cv_err err = { 0 };
	int64_t now = cv_wall_secs();
	bool store_up = cv_deliverer_is_up(o->server->deliverer);
	size_t loaded = 0;
	bool full = false;

	if (cv_queue_due(o->server->queue, now, o->scan_limit, collect, &l, &err) != CV_OK) {
		cv_log(0, CV_ERROR, "queue.unreadable", "error=%s", err.text);
		free(l.items);
		return false;
	}
	for (size_t i = 0; i < l.count && !full; i++) {
		pthread_mutex_lock(&o->lock);
		bool wanted = is_wanted(o, &l.items[i], store_up);
		full = o->claimed >= SMTPD_OUT_CLAIMS_MAX || o->stopping;
		pthread_mutex_unlock(&o->lock);
		if (full || !wanted)
			continue;
		load_message(o, l.items[i].id, now);
		loaded++;
	}
	/* When all that was looked at must wait, look further next time. */
	bool cut = l.count >= o->scan_limit;
	if (cut && !loaded && !full)
		o->scan_limit = CV_MIN(o->scan_limit * 2, (size_t)SCAN_LIMIT_MAX);
	else if (!cut)
		o->scan_limit = SMTPD_OUT_CLAIMS_MAX * 2;
	free(l.items);
	return cut && loaded && !full;
}
