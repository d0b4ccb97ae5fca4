/* outbound_ctl.c - what an operator may ask of the queue.
 *
 * {"do": "queue.list", "limit": 100, "after": "ID", "sender": "text", "recipient": "text"}
 * {"do": "queue.show", "id": "ID"}
 * {"do": "queue.retry" | "queue.hold" | "queue.release" | "queue.delete" | "queue.bounce",
 *  "id": "ID" or "all": true; "sender", "recipient" and "account" (who submitted, whole) choose
 *  among all; "outside": true leaves recipients of our own store as they are}
 * {"do": "queue.stats"}
 *
 * Recipients that are being sent at this moment are left alone and counted as "busy".
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "smtpd/bounce.h"
#include "smtpd/note.h"
#include "smtpd/outbound_internal.h"

#define LIST_DEFAULT 100
#define LIST_MAX     10000

/* Bytes that a peer chose may be no UTF-8; JSON must be. */
static json_t *
text(struct cv_str s)
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
	return json_pack("{s:o, s:s, s:b, s:I, s:i, s:o}", "address", text(r->address), "state",
		busy ? "sending" : r->state == CV_Q_HELD ? "held"
			: scheduled ? "scheduled" : "waiting", "local",
		r->local_acct != 0, "next", (json_int_t)r->next_secs, "attempts", (int)r->attempts,
		"last_reply", text(r->last_reply));
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
		text(msg->delivery_id), "sender", text(msg->sender), "account",
		text(msg->auth_account), "arrived", (json_int_t)msg->arrived_secs, "expires",
		(json_int_t)cv_queue_expires(msg), "size", (json_int_t)msg->size_bytes, "priority",
		(int)msg->priority, "not_before", (json_int_t)msg->hold_secs, "deliver_by_mode",
		by[msg->by_mode], "deliver_by", (json_int_t)msg->by_secs, "recipients", rcpts);
}

/* ---- choosing ---- */

struct filter {
	uint64_t after;
	struct cv_str sender, recipient; /* parts of them; empty: any */
	struct cv_str account;           /* who submitted; empty: any */
};

static bool
has_part(struct cv_str whole, struct cv_str part)
{
	return !part.n || cv_str_isearch(whole, part) < whole.n;
}

static enum cv_status
read_filter(json_t *request, struct filter *out, struct cv_err *err)
{
	const char *after = json_string_value(json_object_get(request, "after"));

	*out = (struct filter){
		.sender = cv_str_z(json_string_value(json_object_get(request, "sender"))),
		.recipient = cv_str_z(json_string_value(json_object_get(request, "recipient"))),
		.account = cv_str_z(json_string_value(json_object_get(request, "account"))),
	};
	if (after && !cv_queue_id_parse(cv_str_z(after), &out->after))
		return cv_fail(err, CV_INVALID, "\"after\" is no queue id");
	return CV_OK;
}

static bool
filter_takes(const struct filter *f, const struct cv_queue_msg *msg)
{
	if (msg->id <= f->after || !has_part(msg->sender, f->sender))
		return false;
	if (f->account.n && !cv_str_ieq(msg->auth_account, f->account))
		return false;
	for (size_t i = 0; i < msg->rcpt_count; i++)
		if (has_part(msg->rcpts[i].address, f->recipient))
			return true;
	return false;
}

/* ---- list and show ---- */

struct list_call {
	struct smtpd_outbound *o;
	struct filter filter;
	json_t *messages;
	size_t limit;
	bool more;
};

static bool
list_one(void *arg, const struct cv_queue_msg *msg)
{
	struct list_call *call = arg;

	if (!filter_takes(&call->filter, msg))
		return true;
	if (json_array_size(call->messages) == call->limit) {
		call->more = true;
		return false;
	}
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
	enum cv_status status = read_filter(request, &call.filter, err);
	if (status == CV_OK)
		status = cv_queue_each(o->server->queue, list_one, &call, err);
	if (status != CV_OK) {
		json_decref(call.messages);
		return status;
	}
	*reply_out = json_pack("{s:o, s:b}", "messages", call.messages, "more", call.more);
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
	struct filter filter;
	bool only_outside;
	uint64_t *ids;        /* chosen first: the queue is not changed while it is walked */
	size_t count, room;
	size_t changed, busy;
	cv_ticket ticket;
};

static bool
choose_one(void *arg, const struct cv_queue_msg *msg)
{
	struct change_call *call = arg;

	if (!filter_takes(&call->filter, msg))
		return true;
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

/* Claims the recipients that nobody is sending; they come first in MSG's list afterwards. */
static size_t
claim_free(struct smtpd_outbound *o, struct cv_queue_msg *msg, bool only_outside)
{
	size_t n = 0;

	if (only_outside) {
		for (size_t i = 0; i < msg->rcpt_count; i++)
			if (!msg->rcpts[i].local_acct)
				msg->rcpts[n++] = msg->rcpts[i];
		msg->rcpt_count = n;
		n = 0;
	}

	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < msg->rcpt_count; i++) {
		if (out_is_claimed(o, msg->id, msg->rcpts[i].number))
			continue;
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
	size_t n = claim_free(o, &msg, call->only_outside);
	call->busy += msg.rcpt_count - n;
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

static enum cv_status
choose(struct change_call *call, json_t *request, struct cv_err *err)
{
	uint64_t id;

	if (json_is_true(json_object_get(request, "all"))) {
		enum cv_status status = read_filter(request, &call->filter, err);
		return status == CV_OK
			? cv_queue_each(call->o->server->queue, choose_one, call, err)
			: status;
	}
	enum cv_status status = read_id(request, &id, err);
	if (status != CV_OK)
		return status;
	call->ids = cv_malloc(sizeof *call->ids);
	call->ids[call->count++] = id;
	return CV_OK;
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
do_change(struct smtpd_outbound *o, enum change change, json_t *request, json_t **reply_out,
	struct cv_err *err)
{
	struct change_call call = { .o = o, .change = change,
		.what = json_string_value(json_object_get(request, "do")),
		.only_outside = json_is_true(json_object_get(request, "outside")) };
	bool all = json_is_true(json_object_get(request, "all"));

	enum cv_status status = choose(&call, request, err);
	for (size_t i = 0; i < call.count && status == CV_OK; i++) {
		status = change_msg(&call, call.ids[i], err);
		if (status == CV_NOT_FOUND && all)
			status = CV_OK; /* finished meanwhile */
	}
	size_t messages = call.count;
	free(call.ids);
	if (status != CV_OK)
		return status;
	if (call.ticket)
		cv_ticket_block(cv_queue_engine(o->server->queue), call.ticket);
	if (change == RETRY || change == RELEASE)
		revive_all(o);
	smtpd_outbound_kick(o);
	cv_log(0, CV_INFO, "queue.changed", "what=%s messages=%zu recipients=%zu busy=%zu",
		json_string_value(json_object_get(request, "do")), messages, call.changed,
		call.busy);
	*reply_out = json_pack("{s:I, s:I, s:I}", "messages", (json_int_t)messages, "recipients",
		(json_int_t)call.changed, "busy", (json_int_t)call.busy);
	return CV_OK;
}

/* ---- stats ---- */

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
		                                      text(cv_str_z(down ? d->down.text : ""))));
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
smtpd_outbound_do(struct smtpd_outbound *o, json_t *request, json_t **reply_out,
	struct cv_err *err)
{
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
	if (!strcmp(what, "queue.stats"))
		return do_stats(o, reply_out);
	for (size_t i = 0; i < CV_COUNT(changes); i++)
		if (!strcmp(what, changes[i].what))
			return do_change(o, changes[i].change, request, reply_out, err);
	return cv_fail(err, CV_NOT_FOUND, "smtpd knows no request \"%s\"", what);
}
