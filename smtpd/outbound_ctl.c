/* outbound_ctl.c - what an operator may ask of the queue.
 *
 * {"do": "queue.list", "limit": 100, FILTER}: "messages", "more", "next" (an id for "after")
 * {"do": "queue.show", "id": "ID"}
 * {"do": "queue.retry" | "queue.hold" | "queue.release" | "queue.delete" | "queue.bounce",
 *  "id": "ID" or "all": true, FILTER, "dry_run": true}
 * {"do": "queue.stats"}, {"do": "queue.summary"}
 *
 * FILTER: see outbound_filter.h. Long work is done in pieces and tells of its progress.
 * Recipients that are being sent at this moment are left alone and counted as "busy".
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "smtpd/bounce.h"
#include "smtpd/note.h"
#include "smtpd/outbound_filter.h"
#include "smtpd/outbound_internal.h"
#include "smtpd/outbound_summary.h"

#define LIST_DEFAULT 100
#define LIST_MAX     10000
#define CHUNK        2000u /* messages of the queue looked at in one go */

/* Bytes that a peer chose may be no UTF-8; JSON must be. */
json_t *
out_json_text(struct cv_str s)
{
	json_t *j = json_stringn(s.n ? s.p : "", s.n);

	if (j)
		return j;
	struct cv_buf b = CV_BUF_INIT(8192);
	for (size_t i = 0; i < s.n; i++)
		cv_buf_c(&b, (unsigned char)s.p[i] < 128 ? s.p[i] : '?');
	j = json_stringn(b.p ? b.p : "", b.n);
	cv_buf_done(&b);
	return j;
}

static json_t *
describe_rcpt(struct smtpd_outbound *o, uint64_t id, int64_t hold_secs,
	const struct cv_queue_rcpt *r)
{
	pthread_mutex_lock(&o->lock);
	bool busy = out_is_claimed(o, id, r->number);
	pthread_mutex_unlock(&o->lock);
	bool scheduled = hold_secs > cv_wall_secs() && r->next_secs == hold_secs;
	return json_pack("{s:o, s:s, s:b, s:I, s:i, s:o}", "address", out_json_text(r->address),
		"state",
		busy ? "sending" : r->state == CV_Q_HELD ? "held"
			: scheduled ? "scheduled" : "waiting", "local",
		r->local_acct != 0, "next", (json_int_t)r->next_secs, "attempts", (int)r->attempts,
		"last_reply", out_json_text(r->last_reply));
}

static json_t *
describe(struct smtpd_outbound *o, const struct cv_queue_msg *msg)
{
	char id[16];
	json_t *rcpts = json_array();

	cv_queue_id_text(msg->id, id);
	for (size_t i = 0; i < msg->rcpt_count; i++)
		json_array_append_new(
			rcpts, describe_rcpt(o, msg->id, msg->hold_secs, &msg->rcpts[i]));
	static const char *const by[] = { "", "notify", "return" };
	return json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:i, s:I, s:s, s:I, s:o}", "id", id,
		"delivery_id",
		out_json_text(msg->delivery_id), "sender", out_json_text(msg->sender), "account",
		out_json_text(msg->auth_account), "arrived", (json_int_t)msg->arrived_secs,
		"expires",
		(json_int_t)cv_queue_expires(msg), "size", (json_int_t)msg->size_bytes, "priority",
		(int)msg->priority, "not_before", (json_int_t)msg->hold_secs, "deliver_by_mode",
		by[msg->by_mode], "deliver_by", (json_int_t)msg->by_secs, "recipients", rcpts);
}

/* ---- list and show ---- */

struct list_call {
	struct smtpd_outbound *o;
	struct smtpd_queue_filter filter;
	json_t *messages;
	size_t limit;
};

static bool
list_one(void *arg, const struct cv_queue_msg *msg)
{
	struct list_call *call = arg;

	if (!smtpd_queue_filter_takes(&call->filter, msg))
		return true;
	if (json_array_size(call->messages) == call->limit)
		return false;
	json_array_append_new(call->messages, describe(call->o, msg));
	return true;
}

static enum cv_status
do_list(struct smtpd_outbound *o, json_t *request, json_t **reply_out, struct cv_err *err)
{
	json_int_t limit = json_integer_value(json_object_get(request, "limit"));
	struct list_call call = { .o = o, .messages = json_array() };

	if (limit < 0 || limit > LIST_MAX)
		return cv_fail(err, CV_INVALID, "\"limit\" is 1 to %d", LIST_MAX);
	call.limit = limit ? (size_t)limit : LIST_DEFAULT;
	enum cv_status status = smtpd_queue_filter_read(request, &call.filter, err);
	uint64_t last = call.filter.after;
	bool more = true;
	while (status == CV_OK && more && json_array_size(call.messages) < call.limit)
		status = cv_queue_walk(
			o->server->queue, last, CHUNK, list_one, &call, &last, &more, err);
	if (status != CV_OK) {
		json_decref(call.messages);
		return status;
	}
	char next[16];
	cv_queue_id_text(last, next);
	*reply_out = json_pack(
		"{s:o, s:b, s:s}", "messages", call.messages, "more", more, "next", next);
	return CV_OK;
}

static enum cv_status
read_id(json_t *request, uint64_t *id_out, struct cv_err *err)
{
	const char *id = json_string_value(json_object_get(request, "id"));

	if (!id || !cv_queue_id_parse(cv_str_z(id), id_out))
		return cv_fail(err, CV_INVALID, "\"id\" is no queue id");
	return CV_OK;
}

static enum cv_status
do_show(struct smtpd_outbound *o, json_t *request, json_t **reply_out, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_queue_msg msg;
	uint64_t id;

	enum cv_status status = read_id(request, &id, err);
	if (status == CV_OK)
		status = cv_queue_get(o->server->queue, id, &arena, &msg, err);
	if (status == CV_OK)
		*reply_out = json_pack("{s:o}", "message", describe(o, &msg));
	cv_arena_done(&arena);
	return status;
}

/* ---- changing ---- */

enum change { RETRY, HOLD, RELEASE, DELETE, BOUNCE };

struct change_call {
	struct smtpd_outbound *o;
	enum change change;
	const char *what;
	struct smtpd_queue_filter filter;
	bool dry_run;
	uint64_t *ids;        /* chosen first: the queue is not changed while it is walked */
	size_t count, room;
	size_t messages, changed, busy;
	cv_ticket ticket;
};

static bool
choose_one(void *arg, const struct cv_queue_msg *msg)
{
	struct change_call *call = arg;

	if (!smtpd_queue_filter_takes(&call->filter, msg))
		return true;
	if (call->dry_run) {
		call->messages++;
		for (size_t i = 0; i < msg->rcpt_count; i++)
			call->changed +=
				smtpd_queue_filter_takes_rcpt(&call->filter, &msg->rcpts[i]);
		return true;
	}
	if (call->count == call->room) {
		call->room = call->room ? call->room * 2 : 64;
		call->ids = cv_realloc(call->ids, call->room * sizeof *call->ids);
	}
	call->ids[call->count++] = msg->id;
	return true;
}

static void
change_rcpt(enum change change, struct cv_queue_rcpt *r, int64_t now, int64_t hold_secs)
{
	/* What its sender set for later is not sent before, whatever is asked of the queue. */
	now = CV_MAX(now, hold_secs);
	switch (change) {
	case RETRY:
		if (r->state == CV_Q_WAITING)
			r->next_secs = now;
		break;
	case HOLD:
		r->state = CV_Q_HELD;
		break;
	case RELEASE:
		if (r->state == CV_Q_HELD)
			r->next_secs = now;
		r->state = CV_Q_WAITING;
		break;
	case DELETE:
	case BOUNCE:
		r->state = CV_Q_DONE;
		break;
	}
}

/* Claims the recipients that the request is about and nobody is sending; they come first in MSG's
 * list afterwards. */
static size_t
claim_free(struct change_call *call, struct cv_queue_msg *msg)
{
	struct smtpd_outbound *o = call->o;
	size_t n = 0;

	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < msg->rcpt_count; i++) {
		if (!smtpd_queue_filter_takes_rcpt(&call->filter, &msg->rcpts[i]))
			continue;
		if (out_is_claimed(o, msg->id, msg->rcpts[i].number)) {
			call->busy++;
			continue;
		}
		struct cv_queue_rcpt r = msg->rcpts[i];
		msg->rcpts[i] = msg->rcpts[n];
		msg->rcpts[n++] = r;
		out_claim(o, msg->id, &r);
	}
	pthread_mutex_unlock(&o->lock);
	return n;
}

static enum cv_status
change_msg(struct change_call *call, uint64_t id, struct cv_err *err)
{
	struct smtpd_outbound *o = call->o;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_queue_msg msg;
	int64_t now = cv_wall_secs();

	enum cv_status status = cv_queue_get(o->server->queue, id, &arena, &msg, err);
	if (status != CV_OK) {
		cv_arena_done(&arena);
		return status;
	}
	size_t n = claim_free(call, &msg);
	struct smtpd_report_rcpt *reports = CV_ARENA_ARRAY(&arena, struct smtpd_report_rcpt, n + 1);
	struct smtpd_outcome *outcomes = CV_ARENA_ARRAY(&arena, struct smtpd_outcome, n + 1);
	struct cv_queue_rcpt *changed = CV_ARENA_ARRAY(&arena, struct cv_queue_rcpt, n + 1);
	for (size_t i = 0; i < n; i++) {
		changed[i] = msg.rcpts[i];
		change_rcpt(call->change, &changed[i], now, msg.hold_secs);
		smtpd_outcome_set(
			&outcomes[i], SMTPD_FAILED, "5.7.1", "returned by the postmaster");
		reports[i] = (struct smtpd_report_rcpt){ .rcpt = &msg.rcpts[i],
			.outcome = &outcomes[i], .action = SMTPD_REPORT_FAILED, .peer = "" };
	}
	bool queued;
	if (n && call->change == BOUNCE)
		status = smtpd_bounce_send(o->server, &msg, reports, n, &queued, err);
	if (n && status == CV_OK)
		status = cv_queue_update(o->server->queue, id, changed, n, &call->ticket, err);
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < n; i++)
		out_unclaim(o, id, &msg.rcpts[i]);
	pthread_mutex_unlock(&o->lock);
	for (size_t i = 0; status == CV_OK && i < n; i++)
		smtpd_note_change(o->server, &msg, msg.rcpts[i].address, call->what);
	if (status == CV_OK)
		call->changed += n;
	cv_arena_done(&arena);
	return status;
}

/* The ids of the next piece of the queue that the filter takes, into call->ids. */
static enum cv_status
choose(struct change_call *call, uint64_t *last, bool *more, struct cv_err *err)
{
	call->count = 0;
	return cv_queue_walk(
		call->o->server->queue, *last, CHUNK, choose_one, call, last, more, err);
}

/* A destination believed dead is asked again at once when somebody says so. */
static void
revive_all(struct smtpd_outbound *o)
{
	struct cv_str key;
	void *value;
	size_t pos = 0;

	pthread_mutex_lock(&o->lock);
	while (cv_map_each(&o->dests, &pos, &key, &value)) {
		struct out_dest *d = value;
		d->down_until_ms = 0;
		memset(d->bad_until_ms, 0, sizeof d->bad_until_ms);
	}
	pthread_mutex_unlock(&o->lock);
}

static enum cv_status
change_chosen(struct change_call *call, bool all, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	for (size_t i = 0; i < call->count && status == CV_OK; i++) {
		status = change_msg(call, call->ids[i], err);
		if (status == CV_NOT_FOUND && all)
			status = CV_OK; /* finished meanwhile */
		else
			call->messages++;
	}
	return status;
}

static void
tell_progress(struct change_call *call, struct cv_ctl_call *ctl, size_t looked_at)
{
	struct cv_queue_stats s;

	cv_queue_stats(call->o->server->queue, &s);
	if (ctl->progress)
		ctl->progress(ctl, json_pack("{s:I, s:I, s:I}", "done", (json_int_t)looked_at,
			"total", (json_int_t)CV_MAX(s.messages, (uint64_t)looked_at), "changed",
			(json_int_t)call->changed));
}

/* Piece by piece: mail goes in and out between two messages, however many there are. */
static enum cv_status
change_all(struct change_call *call, struct cv_ctl_call *ctl, struct cv_err *err)
{
	uint64_t last = call->filter.after;
	size_t pieces = 0;
	bool more = true;
	enum cv_status status = CV_OK;

	while (status == CV_OK && more) {
		status = choose(call, &last, &more, err);
		if (status == CV_OK)
			status = change_chosen(call, true, err);
		if (more)
			tell_progress(call, ctl, ++pieces * CHUNK);
	}
	return status;
}

static enum cv_status
change_one(struct change_call *call, json_t *request, struct cv_err *err)
{
	uint64_t id;
	enum cv_status status = read_id(request, &id, err);

	if (status != CV_OK)
		return status;
	if (call->dry_run) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_queue_msg msg;
		status = cv_queue_get(call->o->server->queue, id, &arena, &msg, err);
		if (status == CV_OK)
			choose_one(call, &msg);
		cv_arena_done(&arena);
		return status;
	}
	call->ids = cv_malloc(sizeof *call->ids);
	call->ids[call->count++] = id;
	return change_chosen(call, false, err);
}

static enum cv_status
do_change(struct smtpd_outbound *o, enum change change, struct cv_ctl_call *ctl,
	json_t **reply_out, struct cv_err *err)
{
	json_t *request = ctl->request;
	struct change_call call = { .o = o, .change = change,
		.what = json_string_value(json_object_get(request, "do")),
		.dry_run = json_is_true(json_object_get(request, "dry_run")) };

	enum cv_status status = smtpd_queue_filter_read(request, &call.filter, err);
	if (status == CV_OK)
		status = json_is_true(json_object_get(request, "all"))
			? change_all(&call, ctl, err) : change_one(&call, request, err);
	free(call.ids);
	if (status != CV_OK)
		return status;
	if (call.ticket)
		cv_ticket_block(cv_queue_engine(o->server->queue), call.ticket);
	if (!call.dry_run && (change == RETRY || change == RELEASE))
		revive_all(o);
	if (!call.dry_run) {
		smtpd_outbound_kick(o);
		cv_log(0, CV_INFO, "queue.changed",
			"what=%s messages=%zu recipients=%zu busy=%zu", call.what, call.messages,
			call.changed, call.busy);
	}
	*reply_out = json_pack("{s:I, s:I, s:I, s:b}", "messages", (json_int_t)call.messages,
		"recipients", (json_int_t)call.changed, "busy", (json_int_t)call.busy, "dry_run",
		call.dry_run);
	return CV_OK;
}

/* ---- stats ---- */

static json_t *
why_down(const struct out_dest *d, int64_t down_secs)
{
	return out_json_text(cv_str_z(down_secs ? d->down.text : ""));
}

static json_t *
describe_dests(struct smtpd_outbound *o)
{
	static const char *const wishes[] = { [SMTPD_WISH_USUAL] = "usual",
		[SMTPD_WISH_REQUIRE] = "required", [SMTPD_WISH_OPTIONAL] = "optional" };
	json_t *list = json_array();
	struct cv_str key;
	void *value;
	size_t pos = 0;
	int64_t now = cv_mono_ms();

	pthread_mutex_lock(&o->lock);
	while (cv_map_each(&o->dests, &pos, &key, &value)) {
		const struct out_dest *d = value;
		int64_t down = CV_MAX(d->down_until_ms - now, (int64_t)0) / 1000;
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:i, s:i, s:I, s:o}", "name",
		                                      d->key, "tls", wishes[d->wish], "jobs",
		                                      (json_int_t)d->job_count, "connections",
		                                      (int)d->conns, "limit", (int)d->limit,
		                                      "down_secs", (json_int_t)down, "why",
		                                      why_down(d, down)));
	}
	pthread_mutex_unlock(&o->lock);
	return list;
}

static enum cv_status
do_stats(struct smtpd_outbound *o, json_t **reply_out)
{
	struct cv_queue_stats s;

	cv_queue_stats(o->server->queue, &s);
	pthread_mutex_lock(&o->lock);
	json_int_t claimed = (json_int_t)o->claimed, conns = o->conn_count;
	pthread_mutex_unlock(&o->lock);
	*reply_out = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "messages",
		(json_int_t)s.messages, "recipients", (json_int_t)s.recipients, "held",
		(json_int_t)s.held, "bytes", (json_int_t)s.bytes, "oldest",
		(json_int_t)s.oldest_secs, "sending", claimed, "connections", conns, "destinations",
		describe_dests(o));
	return CV_OK;
}

enum cv_status
smtpd_outbound_do(struct smtpd_outbound *o, struct cv_ctl_call *call, json_t **reply_out,
	struct cv_err *err)
{
	json_t *request = call->request;
	static const struct {
		const char *what;
		enum change change;
	} changes[] = { { "queue.retry", RETRY }, { "queue.hold", HOLD },
		{ "queue.release", RELEASE }, { "queue.delete", DELETE },
		{ "queue.bounce", BOUNCE } };
	const char *what = json_string_value(json_object_get(request, "do"));

	if (!what)
		return cv_fail(err, CV_INVALID, "the request does not say what to do");
	if (!strncmp(what, "tlsrpt.", 7))
		return smtpd_tlsrpt_do(o->tlsrpt, request, reply_out, err);
	if (!strcmp(what, "queue.list"))
		return do_list(o, request, reply_out, err);
	if (!strcmp(what, "queue.show"))
		return do_show(o, request, reply_out, err);
	if (!strcmp(what, "queue.summary"))
		return smtpd_outbound_summary(o, request, reply_out, err);
	if (!strcmp(what, "queue.stats"))
		return do_stats(o, reply_out);
	for (size_t i = 0; i < CV_COUNT(changes); i++)
		if (!strcmp(what, changes[i].what))
			return do_change(o, changes[i].change, call, reply_out, err);
	return cv_fail(err, CV_NOT_FOUND, "smtpd knows no request \"%s\"", what);
}
