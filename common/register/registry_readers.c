/* registry_readers.c - who opened which message of a box, and when people looked into it: requests
 * over the rows of common/audit/access.h. Asking leaves an event in the audit trail. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/audit/access.h"
#include "common/base/clock.h"
#include "common/register/registry_impl.h"
#include "common/text/summary.h"

#define ROWS_DEFAULT 1000u
#define ROWS_MAX     100000u
#define DAYS_DEFAULT 7

struct readers_job {
	cv_acct_id acct;
	const char *address; /* in the arena */
	struct cv_str message;
	uint8_t email_id[16];
	bool has_message;
	int64_t since;
	uint32_t from_day, to_day;
	uint64_t limit, total;
	struct cv_opening *rows; /* heap; by message and person, then by time */
	size_t count, cap;
	json_t *list;
};

/* ---- people and mailboxes by number ---- */

static json_t *
person_text(struct reg_call *c, cv_acct_id person)
{
	const struct reg_account *a = reg_model_find(&c->r->model, person);
	char text[32];
	if (a)
		return json_string(a->text[T_ADDRESS]);
	snprintf(text, sizeof text, "#%llu", (unsigned long long)(person & 0xffffffffffffffull));
	return json_string(text);
}

struct names {
	struct cv_arena arena;
	struct cv_mbox_info *list;
	size_t count;
};

static void
read_names(struct reg_call *c, cv_acct_id id, struct names *out)
{
	struct cv_acct *a;
	struct cv_err none;
	*out = (struct names){0};
	if (cv_acct_open(c->r->store, id, false, &a, NULL, &none))
		return;
	if (cv_mbox_list(a, &out->arena, &out->list, &out->count, &none))
		out->count = 0;
	cv_acct_close(a);
}

static json_t *
mailbox_text(const struct names *names, uint32_t box)
{
	for (size_t i = 0; i < names->count; i++)
		if (names->list[i].id == box)
			return json_stringn(names->list[i].name.p, names->list[i].name.n);
	return json_string("");
}

static json_t *
email_text(const uint8_t id[16])
{
	char text[34] = "M";
	for (unsigned i = 0; i < 16; i++)
		snprintf(text + 1 + 2 * i, 3, "%02x", id[i]);
	return json_string(text);
}

/* ---- a message by its EMAILID or Message-ID ---- */

static bool
read_email_id(struct cv_str text, uint8_t out[16])
{
	if (text.n != 33 || text.p[0] != 'M')
		return false;
	for (size_t i = 0; i < 32; i++) {
		const char *digit = strchr("0123456789abcdef", text.p[1 + i]);
		if (!digit || !*digit)
			return false;
		unsigned v = (unsigned)(digit - "0123456789abcdef");
		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | v : v << 4);
	}
	return true;
}

static bool
on_message(void *arg, const struct cv_msg *msg)
{
	struct readers_job *job = arg;
	struct cv_summary summary;
	if (msg->summary.p && !cv_summary_decode(msg->summary, &summary) &&
		cv_str_eq(summary.message_id, job->message)) {
		memcpy(job->email_id, msg->email_id, sizeof job->email_id);
		job->has_message = true;
	}
	return !job->has_message;
}

static enum cv_status
look_in(struct cv_acct *a, struct cv_str name, struct readers_job *job, struct cv_err *err)
{
	struct cv_mbox *m;
	const struct cv_view *v = NULL;
	enum cv_status status = cv_mbox_open(a, name, &m, err);
	if (status)
		return status == CV_NOT_FOUND ? CV_OK : status;
	status = cv_mbox_view(m, &v, err);
	if (!status) {
		uint32_t *uids = cv_malloc((v->exists + 1) * sizeof *uids);
		for (uint32_t i = 0; i < v->exists; i++)
			uids[i] = cv_view_seq(v, i + 1)->uid;
		status = cv_msg_each(m, uids, v->exists, true, on_message, job, err);
		free(uids);
		cv_view_unref(v);
	}
	cv_mbox_close(m);
	return status;
}

static enum cv_status
find_message(struct reg_call *c, struct readers_job *job, const struct names *names,
	struct cv_err *err)
{
	struct cv_acct *a;
	enum cv_status status = cv_acct_open(c->r->store, job->acct, false, &a, NULL, err);
	if (status)
		return status;
	for (size_t i = 0; i < names->count && !status && !job->has_message; i++)
		if (names->list[i].id && names->list[i].selectable)
			status = look_in(a, names->list[i].name, job, err);
	cv_acct_close(a);
	if (!status && !job->has_message)
		status = cv_fail(err, CV_NOT_FOUND, "the box has no message %.*s",
			CV_STR_ARGS(job->message));
	return status;
}

/* ---- both requests ---- */

static enum cv_status
read_common(struct reg_call *c, struct readers_job **out, struct cv_err *err)
{
	struct readers_job *job = CV_ARENA_NEW(&c->arena, struct readers_job);
	struct reg_account *a;
	bool given;
	job->limit = ROWS_DEFAULT;
	enum cv_status status = reg_account_field(c, "account", &a, err);
	if (!status)
		status = reg_number(c->request, "limit", ROWS_MAX, &job->limit, &given, err);
	if (status)
		return status;
	job->acct = a->acct;
	job->address = cv_arena_str(&c->arena,
		cv_str(a->text[T_ADDRESS], strlen(a->text[T_ADDRESS]) + 1)).p;
	*out = job;
	return CV_OK;
}

static enum cv_status
finish(struct reg_call *c, struct readers_job *job, const char *action, const char *key,
	struct cv_err *err)
{
	struct cv_audit_event event = {
		.actor = c->actor, .action = action, .object = job->address, .result = "ok"};
	cv_ticket ticket;
	json_object_set_new(c->reply, "account", json_string(job->address));
	json_object_set_new(c->reply, "total", json_integer((json_int_t)job->total));
	json_object_set_new(c->reply, key, job->list);
	enum cv_status status = cv_audit_write(c->r->audit, &event, &ticket, err);
	if (!status)
		cv_ticket_block(cv_store_engine(c->r->store), ticket);
	return status;
}

/* ---- readers ---- */

static bool
keep_opening(void *arg, const struct cv_opening *o)
{
	struct readers_job *job = arg;
	if (job->count == job->cap) {
		job->cap = job->cap ? job->cap * 2 : 256;
		job->rows = cv_realloc(job->rows, job->cap * sizeof *job->rows);
	}
	job->rows[job->count++] = *o;
	return true;
}

/* The latest first. */
static int
by_time(const void *a, const void *b)
{
	const struct cv_opening *x = a, *y = b;
	return (x->secs < y->secs) - (x->secs > y->secs);
}

static void
list_openings(struct reg_call *c, struct readers_job *job, const struct names *names)
{
	if (job->count)
		qsort(job->rows, job->count, sizeof *job->rows, by_time);
	job->total = job->count;
	job->list = json_array();
	pthread_mutex_lock(&c->r->lock);
	for (size_t i = 0; i < job->count && i < job->limit; i++) {
		const struct cv_opening *o = &job->rows[i];
		json_array_append_new(job->list,
			json_pack("{s:I, s:o, s:o, s:o, s:I}", "opened", (json_int_t)o->secs,
				"person", person_text(c, o->person), "message",
				email_text(o->email_id), "mailbox", mailbox_text(names, o->box),
				"uid", (json_int_t)o->uid));
	}
	pthread_mutex_unlock(&c->r->lock);
}

static enum cv_status
run_readers(struct reg_call *c, struct cv_err *err)
{
	struct readers_job *job = c->after_arg;
	struct names names;
	enum cv_status status = CV_OK;
	read_names(c, job->acct, &names);
	if (job->message.n && !job->has_message)
		status = find_message(c, job, &names, err);
	if (!status)
		status = cv_access_openings(c->r->store, job->acct,
			job->has_message ? job->email_id : NULL, job->since, keep_opening, job,
			err);
	if (!status) {
		list_openings(c, job, &names);
		status = finish(c, job, "mailbox.readers", "readers", err);
	}
	free(job->rows);
	cv_arena_done(&names.arena);
	return status;
}

/* {"account", "message"? EMAILID or Message-ID, "since"?, "limit"?} -> {"account", "total",
 * "readers": [{"opened", "person", "message", "mailbox", "uid"}]}, the latest first. */
enum cv_status
reg_mailbox_readers(struct reg_call *c, struct cv_err *err)
{
	struct readers_job *job;
	bool given;
	enum cv_status status = read_common(c, &job, err);
	if (!status)
		status = reg_field(c, c->request, "message", 1000, &job->message, err);
	if (!status)
		status = reg_time(c, "since", false, &job->since, &given, err);
	if (status)
		return status;
	job->has_message = read_email_id(job->message, job->email_id);
	c->after = run_readers;
	c->after_arg = job;
	return CV_OK;
}

/* ---- checks ---- */

static bool
keep_visits(void *arg, const struct cv_visits *v)
{
	struct readers_job *job = arg;
	if (!v->count || job->total++ >= job->limit)
		return true;
	json_t *times = json_array();
	for (uint32_t i = 0; i < v->count && i < CV_VISIT_TIMES_MAX; i++) {
		char text[16];
		snprintf(text, sizeof text, "%02u:%02u", v->times[i] / 60u, v->times[i] % 60u);
		json_array_append_new(times, json_string(text));
	}
	json_array_append_new(job->list,
		json_pack("{s:I, s:I, s:I, s:o, s:I}", "day_secs", (json_int_t)v->day * 86400,
			"number", (json_int_t)v->person, "checks", (json_int_t)v->count, "times",
			times, "last", (json_int_t)v->last_secs));
	return true;
}

/* "2026-11-23" */
static json_t *
day_text(json_int_t secs)
{
	time_t t = (time_t)secs;
	struct tm tm;
	char text[16];
	gmtime_r(&t, &tm);
	strftime(text, sizeof text, "%Y-%m-%d", &tm);
	return json_string(text);
}

static enum cv_status
run_checks(struct reg_call *c, struct cv_err *err)
{
	struct readers_job *job = c->after_arg;
	size_t i;
	json_t *row;
	job->list = json_array();
	enum cv_status status = cv_access_visits(c->r->store, job->acct, job->from_day,
		job->to_day, keep_visits, job, err);
	if (status) {
		json_decref(job->list);
		return status;
	}
	pthread_mutex_lock(&c->r->lock);
	json_array_foreach(job->list, i, row) {
		json_object_set_new(row, "day",
			day_text(json_integer_value(json_object_get(row, "day_secs"))));
		json_object_set_new(row, "person",
			person_text(c, (cv_acct_id)json_integer_value(
					       json_object_get(row, "number"))));
		json_object_del(row, "day_secs");
		json_object_del(row, "number");
	}
	pthread_mutex_unlock(&c->r->lock);
	return finish(c, job, "mailbox.checks", "checks", err);
}

/* {"account", "since"?, "until"?, "limit"?} -> {"account", "total", "checks": [{"day", "person",
 * "checks", "times", "last"}]}, by day; the last seven days unless said. */
enum cv_status
reg_mailbox_checks(struct reg_call *c, struct cv_err *err)
{
	struct readers_job *job;
	int64_t now = cv_wall_secs(), since = now - (DAYS_DEFAULT - 1) * 86400, until = now;
	bool given;
	enum cv_status status = read_common(c, &job, err);
	if (!status)
		status = reg_time(c, "since", false, &since, &given, err);
	if (!status)
		status = reg_time(c, "until", true, &until, &given, err);
	if (status)
		return status;
	job->from_day = cv_access_day(since);
	job->to_day = cv_access_day(given && until > 0 ? until - 1 : until);
	c->after = run_checks;
	c->after_arg = job;
	return CV_OK;
}
