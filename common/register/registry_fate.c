/* registry_fate.c - what `congvu diagnose` asks beyond account.show: who changed an account at a
 * moment, and where in a box a message is now, without its content. Asking for the latter leaves an
 * event in the audit trail (SEC-07). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/register/registry_impl.h"
#include "common/store/restore.h"
#include "common/text/summary.h"

#define EVENTS_LOOKED_AT 20000u
#define EVENTS_SHOWN     20u
#define MESSAGES_MAX     500000u

/* ---- account.trail ---- */

struct trail {
	const char *object;
	int64_t from, until;
	unsigned left;
	bool was_called;
	int64_t secs; /* of the last event seen */
	json_t *events;
};

static int64_t
time_of(const json_t *event)
{
	const char *text = json_string_value(json_object_get(event, "time"));
	struct tm tm = {0};

	return text && strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? (int64_t)timegm(&tm) : 0;
}

static bool
note_time(void *arg, CV_UNUSED uint64_t number, struct cv_str json)
{
	struct trail *t = arg;
	json_t *e = json_loadb(json.p, json.n, 0, NULL);

	t->was_called = true;
	t->secs = time_of(e);
	json_decref(e);
	return false;
}

/* The first event at or after SECS; numbers run with time. */
static enum cv_status
find_first(struct cv_audit *a, int64_t secs, uint64_t *number_out, struct cv_err *err)
{
	uint64_t low = 1, high = 1; /* low: before it or it; high: behind it */
	struct trail t = {0};
	enum cv_status status = CV_OK;

	for (;; high *= 2) {
		t.was_called = false;
		status = cv_audit_walk(a, high, note_time, &t, err);
		if (status || !t.was_called || t.secs >= secs || high > UINT64_MAX / 4)
			break;
		low = high;
	}
	while (!status && low + 1 < high) {
		uint64_t middle = low + (high - low) / 2;
		t.was_called = false;
		status = cv_audit_walk(a, middle, note_time, &t, err);
		if (t.was_called && t.secs < secs)
			low = middle;
		else
			high = middle;
	}
	*number_out = low;
	return status;
}

static bool
take_event(void *arg, CV_UNUSED uint64_t number, struct cv_str json)
{
	struct trail *t = arg;
	json_t *e = json_loadb(json.p, json.n, 0, NULL);
	const char *object = json_string_value(json_object_get(e, "object"));
	int64_t secs = time_of(e);
	bool goes_on = secs <= t->until && --t->left;

	if (object && secs >= t->from && secs <= t->until && !strcmp(object, t->object) &&
		json_array_size(t->events) < EVENTS_SHOWN) {
		json_t *row = json_pack("{s:I}", "time", (json_int_t)secs);
		static const char *const keys[] = {"actor", "action", "result"};
		for (size_t i = 0; i < CV_COUNT(keys); i++)
			json_object_set(row, keys[i], json_object_get(e, keys[i]));
		json_object_set(row, "reason",
			json_object_get(json_object_get(e, "detail"), "reason"));
		json_array_append_new(t->events, row);
	}
	json_decref(e);
	return goes_on;
}

struct trail_job {
	struct cv_str address; /* in the arena */
	int64_t time;
};

static enum cv_status
run_trail(struct reg_call *c, struct cv_err *err)
{
	struct trail_job *job = c->after_arg;
	struct trail t = {.object = job->address.p,
		.from = job->time - 2,
		.until = job->time + 5,
		.left = EVENTS_LOOKED_AT,
		.events = json_array()};
	uint64_t first = 1;
	enum cv_status status = find_first(c->r->audit, t.from, &first, err);

	if (!status)
		status = cv_audit_walk(c->r->audit, first, take_event, &t, err);
	json_object_set_new(c->reply, "events", t.events);
	return status;
}

/* {"address", "time"?} -> {"events": [{"time", "actor", "action", "result", "reason"?}]}: what was
 * done to the account at that moment (some seconds around it); without one, when its state last
 * changed. */
enum cv_status
reg_account_trail(struct reg_call *c, struct cv_err *err)
{
	struct trail_job *job = CV_ARENA_NEW(&c->arena, struct trail_job);
	struct reg_account *a;
	bool given;
	enum cv_status status = reg_account_field(c, "address", &a, err);

	if (!status)
		status = reg_time(c, "time", false, &job->time, &given, err);
	if (status)
		return status;
	if (!given)
		job->time = a->state_secs;
	const char *address = a->text[T_ADDRESS];
	job->address = cv_arena_str(&c->arena, cv_str(address, strlen(address) + 1));
	c->after = run_trail;
	c->after_arg = job;
	return CV_OK;
}

/* ---- message.fate ---- */

struct fate_job {
	cv_acct_id acct;
	struct cv_str address, message_id;
	/* found */
	uint32_t uid;
	int64_t saved_secs;
	bool is_found, is_removed, is_box;
	int64_t removed_secs, until_secs;
	char mailbox[1100];
};

static struct cv_str
without_brackets(struct cv_str id)
{
	return id.n > 2 && id.p[0] == '<' && id.p[id.n - 1] == '>' ? cv_str_sub(id, 1, id.n - 1)
								   : id;
}

static bool
is_it(const struct fate_job *job, const struct cv_msg *msg)
{
	struct cv_summary summary;

	return msg->summary.p && !cv_summary_decode(msg->summary, &summary) &&
	       cv_str_eq(without_brackets(summary.message_id), job->message_id);
}

static bool
on_message(void *arg, const struct cv_msg *msg)
{
	struct fate_job *job = arg;

	if (!is_it(job, msg))
		return true;
	job->is_found = true;
	job->uid = msg->uid;
	job->saved_secs = msg->saved_secs;
	return false;
}

static bool
on_removed(void *arg, const struct cv_restorable *r)
{
	struct fate_job *job = arg;

	if (!r->msg || !is_it(job, r->msg) || r->removed_secs <= job->removed_secs)
		return false;
	job->is_removed = true;
	job->is_box = r->is_box;
	job->removed_secs = r->removed_secs;
	job->until_secs = r->until_secs;
	snprintf(job->mailbox, sizeof job->mailbox, "%.*s", CV_STR_ARGS(r->mailbox));
	return false; /* nothing is to be restored */
}

static enum cv_status
look_in(struct cv_acct *a, const struct cv_mbox_info *box, struct fate_job *job, json_t *reply,
	struct cv_err *err)
{
	static const char *const uses[] = {"", "drafts", "sent", "junk", "trash", "archive", "all",
		"flagged", "quarantine"};
	struct cv_mbox *m;
	const struct cv_view *v = NULL;
	enum cv_status status = cv_mbox_open(a, box->name, &m, err);

	if (status)
		return status == CV_NOT_FOUND ? CV_OK : status;
	status = cv_mbox_view(m, &v, err);
	if (!status) {
		uint32_t n = CV_MIN(v->exists, MESSAGES_MAX);
		uint32_t *uids = cv_malloc((n + 1) * sizeof *uids);
		for (uint32_t i = 0; i < n; i++)
			uids[i] = cv_view_seq(v, v->exists - n + i + 1)->uid;
		status = cv_msg_each(m, uids, n, true, on_message, job, err);
		free(uids);
		const struct cv_entry *e = job->is_found ? cv_view_uid(v, job->uid) : NULL;
		if (e) {
			json_t *o = json_pack("{s:s%, s:s, s:b, s:b, s:I}", "mailbox", box->name.p,
				box->name.n, "use", uses[box->use], "seen",
				(e->flags & CV_FLAG_SEEN) != 0, "answered",
				(e->flags & CV_FLAG_ANSWERED) != 0, "saved",
				(json_int_t)job->saved_secs);
			json_object_set_new(reply, "found", o);
		}
		cv_view_unref(v);
	}
	cv_mbox_close(m);
	return status;
}

static enum cv_status
look_everywhere(struct reg_call *c, struct fate_job *job, struct cv_err *err)
{
	struct cv_acct *a;
	struct cv_arena arena = {0};
	struct cv_mbox_info *list;
	size_t count = 0;
	enum cv_status status = cv_acct_open(c->r->store, job->acct, false, &a, NULL, err);

	if (status)
		return status == CV_NOT_FOUND ? CV_OK : status;
	status = cv_mbox_list(a, &arena, &list, &count, err);
	for (size_t i = 0; i < count && !status && !job->is_found; i++)
		if (list[i].id && list[i].selectable)
			status = look_in(a, &list[i], job, c->reply, err);
	if (!status && !job->is_found) {
		struct cv_restore_options o = {
			.dry_run = true, .with_summary = true, .want = on_removed, .arg = job};
		struct cv_restore_report report;
		cv_ticket ticket;
		status = cv_acct_restore(a, &o, &report, &ticket, err);
	}
	if (!status && job->is_removed)
		json_object_set_new(c->reply, "removed",
			json_pack("{s:s, s:b, s:I, s:I}", "mailbox", job->mailbox, "with_mailbox",
				job->is_box, "time", (json_int_t)job->removed_secs, "until",
				(json_int_t)job->until_secs));
	cv_arena_done(&arena);
	cv_acct_close(a);
	return status;
}

static enum cv_status
run_fate(struct reg_call *c, struct cv_err *err)
{
	struct fate_job *job = c->after_arg;
	struct cv_audit_event event = {.actor = c->actor,
		.action = "message.fate",
		.object = job->address.p,
		.result = "ok"};
	cv_ticket ticket;
	enum cv_status status = cv_audit_write(c->r->audit, &event, &ticket, err);

	if (!status)
		status = look_everywhere(c, job, err);
	return status;
}

/* {"account", "message_id"} -> {"found"?: {"mailbox", "use", "seen", "answered", "saved"},
 * "removed"?: {"mailbox", "with_mailbox", "time", "until"}}; neither: the box never had it, or the
 * time for restoring is over. */
enum cv_status
reg_message_fate(struct reg_call *c, struct cv_err *err)
{
	struct fate_job *job = CV_ARENA_NEW(&c->arena, struct fate_job);
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, "account", &a, err);

	if (!status)
		status = reg_field(c, c->request, "message_id", 1000, &job->message_id, err);
	if (!status && !job->message_id.n)
		status = cv_fail(err, CV_INVALID, "field 'message_id' is missing");
	if (status)
		return status;
	const char *address = a->text[T_ADDRESS];
	job->message_id = without_brackets(job->message_id);
	job->acct = a->acct;
	job->address = cv_arena_str(&c->arena, cv_str(address, strlen(address) + 1));
	c->after = run_fate;
	c->after_arg = job;
	return CV_OK;
}
