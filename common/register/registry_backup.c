/* registry_backup.c - what a backup asks of the store's owner: a copy of the environment, and to
 * take messages of an older copy back into boxes.
 *
 * The register only says whose account it is; the rest runs without its lock. A message is known
 * again by its SHA-256 and its internal date, so that whoever restores can leave out what is there
 * already. Every restored batch leaves an event in the audit trail, without subjects. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <string.h>

#include "common/base/kill.h"
#include "common/register/registry_impl.h"
#include "common/text/encode.h"

#define PUT_MAX     1000u
#define KEYWORD_MAX CV_KEYWORDS_MAX
#define MAILBOX_MAX 4000u

/* ---- the copy ---- */

static enum cv_status
note(struct reg_call *c, const char *action, const char *object, json_t *detail, struct cv_err *err)
{
	cv_ticket ticket;
	struct cv_audit_event event = {.actor = c->actor,
		.action = action,
		.object = object,
		.result = "ok",
		.detail = detail};
	enum cv_status status = cv_audit_write(c->r->audit, &event, &ticket, err);
	json_decref(detail);
	if (!status)
		cv_ticket_block(cv_store_engine(c->r->store), ticket);
	return status;
}

static enum cv_status
run_copy(struct reg_call *c, struct cv_err *err)
{
	char *path = NULL;
	enum cv_status status = note(c, "backup.copy", "mail", NULL, err);
	if (!status)
		status = cv_engine_stage(cv_store_engine(c->r->store), &path, err);
	if (!status)
		json_object_set_new(c->reply, "dir", json_string(path));
	free(path);
	return status;
}

/* {} -> {"dir"}: a consistent copy of the environment, below it. */
enum cv_status
reg_backup_copy(struct reg_call *c, struct cv_err *err)
{
	(void)err;
	c->after = run_copy;
	return CV_OK;
}

static enum cv_status
run_done(struct reg_call *c, struct cv_err *err)
{
	return cv_engine_unstage(cv_store_engine(c->r->store), err);
}

/* {} -> {}: that copy is no longer needed. */
enum cv_status
reg_backup_done(struct reg_call *c, struct cv_err *err)
{
	(void)err;
	c->after = run_done;
	return CV_OK;
}

/* {"what", "detail"?} -> {}: an event of a drill or of a restore of everything. */
enum cv_status
reg_backup_note(struct reg_call *c, struct cv_err *err)
{
	struct cv_str what;
	json_t *detail = json_object_get(c->request, "detail");
	enum cv_status status = reg_field(c, c->request, "what", 40, &what, err);
	if (status)
		return status;
	if (!cv_str_eq_z(what, "drill") && !cv_str_eq_z(what, "restore") &&
		!cv_str_eq_z(what, "failed"))
		return cv_fail(err, CV_INVALID, "field 'what' is drill, restore or failed");
	const char *action = cv_str_eq_z(what, "drill")    ? "backup.drill"
			     : cv_str_eq_z(what, "failed") ? "backup.failed"
							   : "backup.restore";
	return note(c, action, "backup", json_is_object(detail) ? json_incref(detail) : NULL, err);
}

/* ---- boxes ---- */

struct box_job {
	cv_acct_id acct;
	char *address;
	struct cv_str mailbox;
};

static enum cv_status
read_box(struct reg_call *c, struct box_job **out, struct cv_err *err)
{
	struct box_job *job = CV_ARENA_NEW(&c->arena, struct box_job);
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, "account", &a, err);
	if (!status)
		status = reg_field(c, c->request, "mailbox", MAILBOX_MAX, &job->mailbox, err);
	if (status)
		return status;
	job->acct = a->acct;
	job->address = (char *)(uintptr_t)cv_arena_str(
		&c->arena, cv_str(a->text[T_ADDRESS], strlen(a->text[T_ADDRESS]) + 1))
			       .p;
	c->after_arg = *out = job;
	return CV_OK;
}

static void
put_hex(const uint8_t sha256[32], char out[65])
{
	for (size_t i = 0; i < 32; i++)
		snprintf(out + 2 * i, 3, "%02x", sha256[i]);
}

struct listing {
	struct cv_engine *engine;
	json_t *rows;
	enum cv_status status;
	struct cv_err *err;
};

/* One text a message, "<sha256> <date>": a box of 40,000 is 3 MB. */
static bool
add_message(void *arg, const struct cv_msg *msg)
{
	struct listing *l = arg;
	struct cv_blob_stat stat;
	char hex[65], text[100];
	if (cv_blob_stat(l->engine, &msg->body, &stat, l->err))
		return true; /* what cannot be read is not there, and may come back */
	put_hex(stat.sha256, hex);
	snprintf(text, sizeof text, "%s %lld", hex, (long long)msg->internal_secs);
	json_array_append_new(l->rows, json_string(text));
	return true;
}

static enum cv_status
list_messages(struct cv_acct *a, struct listing *l, struct cv_str name, struct cv_err *err)
{
	struct cv_mbox *m;
	const struct cv_view *view;
	enum cv_status status = cv_mbox_open(a, name, &m, err);
	if (status == CV_NOT_FOUND)
		return CV_OK;
	if (status)
		return status;
	status = cv_mbox_view(m, &view, err);
	if (!status) {
		uint32_t *uids = cv_malloc((view->exists + 1) * sizeof *uids);
		for (uint32_t i = 0; i < view->exists; i++)
			uids[i] = cv_view_seq(view, i + 1)->uid;
		status = cv_msg_each(m, uids, view->exists, false, add_message, l, err);
		free(uids);
		cv_view_unref(view);
	}
	cv_mbox_close(m);
	return status;
}

static enum cv_status
run_contents(struct reg_call *c, struct cv_err *err)
{
	struct box_job *job = c->after_arg;
	struct cv_err ignored;
	struct cv_acct *a;
	struct listing l = {
		.engine = cv_store_engine(c->r->store), .rows = json_array(), .err = &ignored};
	enum cv_status status = cv_acct_open(c->r->store, job->acct, false, &a, NULL, err);
	if (!status) {
		status = job->mailbox.n ? list_messages(a, &l, job->mailbox, err) : CV_OK;
		cv_acct_close(a);
	}
	if (status == CV_NOT_FOUND)
		status = CV_OK;
	char number[32];
	snprintf(number, sizeof number, "%llx", (unsigned long long)job->acct);
	json_object_set_new(c->reply, "acct", json_string(number));
	json_object_set_new(c->reply, "account", json_string(job->address));
	json_object_set_new(c->reply, "messages", l.rows);
	return status;
}

/* {"account", "mailbox"?} -> {"acct", "account", "messages": ["<sha256> <date>"]} */
enum cv_status
reg_backup_contents(struct reg_call *c, struct cv_err *err)
{
	struct box_job *job;
	enum cv_status status = read_box(c, &job, err);
	if (!status)
		c->after = run_contents;
	return status;
}

/* ---- putting back ---- */

struct putting {
	struct cv_append items[PUT_MAX];
	struct cv_spool spools[PUT_MAX];
	size_t count;
	uint64_t bytes;
};

static enum cv_status
read_keywords(struct reg_call *c, json_t *list, struct cv_flag_change *out, struct cv_err *err)
{
	size_t n = json_array_size(list);
	if (n > KEYWORD_MAX)
		return cv_fail(err, CV_LIMIT, "a message has more than %u keywords", KEYWORD_MAX);
	struct cv_str *names = CV_ARENA_ARRAY(&c->arena, struct cv_str, n + 1);
	for (size_t i = 0; i < n; i++) {
		json_t *word = json_array_get(list, i);
		size_t bytes = json_string_length(word);
		if (!json_is_string(word) || !bytes || bytes > CV_KEYWORD_BYTES_MAX)
			return cv_fail(err, CV_INVALID, "keywords are words of up to %d octets",
				CV_KEYWORD_BYTES_MAX);
		names[i] = cv_str(json_string_value(word), bytes);
	}
	out->keywords = names;
	out->keyword_count = n;
	return CV_OK;
}

static enum cv_status
read_message(struct reg_call *c, json_t *row, struct putting *p, struct cv_err *err)
{
	struct cv_append *item = &p->items[p->count];
	struct cv_spool *spool = &p->spools[p->count];
	json_t *body = json_object_get(row, "body");
	json_int_t flags = json_integer_value(json_object_get(row, "flags"));
	json_int_t zone = json_integer_value(json_object_get(row, "zone"));
	struct cv_buf bytes = CV_BUF_INIT(64u << 20);
	if (!json_is_string(body) || flags < 0 || flags > 31 || zone < -1440 || zone > 1440)
		return cv_fail(err, CV_INVALID, "a message needs body, date, zone and flags");
	cv_spool_init(spool, cv_store_spool_dir(c->r->store));
	p->count++;
	enum cv_status status =
		cv_base64_decode(cv_str(json_string_value(body), json_string_length(body)), &bytes);
	if (status || !bytes.n)
		status = cv_fail(err, CV_INVALID, "the body of a message is not base64");
	else
		status = cv_spool_write(spool, cv_buf_view(&bytes), err);
	p->bytes += bytes.n;
	cv_buf_done(&bytes);
	*item = (struct cv_append){
		.message = spool,
		.flags.flags = (uint32_t)flags,
		.internal_secs = json_integer_value(json_object_get(row, "date")),
		.internal_zone = (int16_t)zone,
	};
	return status ? status
		      : read_keywords(c, json_object_get(row, "keywords"), &item->flags, err);
}

static enum cv_status
append_all(struct reg_call *c, struct cv_acct *a, struct cv_str name, struct putting *p,
	struct cv_err *err)
{
	struct cv_mbox *m;
	cv_ticket ticket = 0;
	uint64_t id;
	enum cv_status status = cv_mbox_open(a, name, &m, err);
	if (status == CV_NOT_FOUND) {
		status = cv_mbox_create(a, name, CV_USE_NONE, &id, &ticket, err);
		if (!status || status == CV_EXISTS)
			status = cv_mbox_subscribe(a, name, true, &ticket, err);
		if (!status)
			status = cv_mbox_open(a, name, &m, err);
	}
	if (status)
		return status;
	if (p->count)
		status = cv_mbox_append(m, p->items, p->count, &ticket, err);
	cv_mbox_close(m);
	if (!status && ticket)
		cv_ticket_block(cv_store_engine(c->r->store), ticket);
	return status;
}

static enum cv_status
run_put(struct reg_call *c, struct cv_err *err)
{
	struct box_job *job = c->after_arg;
	struct putting *p = cv_calloc(1, sizeof *p);
	json_t *rows = json_object_get(c->request, "messages"), *row;
	enum cv_status status = CV_OK;
	struct cv_acct *a = NULL;
	size_t i;
	json_array_foreach(rows, i, row) if (!status) status = read_message(c, row, p, err);
	if (!status)
		status = cv_acct_open(c->r->store, job->acct, true, &a, NULL, err);
	CV_KILL_POINT("backup.put");
	if (!status)
		status = append_all(c, a, job->mailbox, p, err);
	if (a)
		cv_acct_close(a);
	json_t *counts = json_pack(
		"{s:I, s:I}", "messages", (json_int_t)p->count, "bytes", (json_int_t)p->bytes);
	json_object_update(c->reply, counts);
	json_object_set_new(counts, "mailbox", json_stringn(job->mailbox.p, job->mailbox.n));
	if (!status)
		status = note(c, "backup.restore", job->address, counts, err);
	else
		json_decref(counts);
	for (i = 0; i < p->count; i++)
		cv_spool_done(&p->spools[i]);
	free(p);
	return status;
}

/* {"account", "mailbox", "messages": [{"body": base64, "date", "zone", "flags", "keywords"?}]} ->
 * {"messages", "bytes"}; all or none; the mailbox is made and subscribed when it is missing. */
enum cv_status
reg_backup_put(struct reg_call *c, struct cv_err *err)
{
	struct box_job *job;
	json_t *rows = json_object_get(c->request, "messages");
	enum cv_status status = read_box(c, &job, err);
	if (!status && !job->mailbox.n)
		status = cv_fail(err, CV_INVALID, "field 'mailbox' is missing");
	if (!status && (!json_is_array(rows) || json_array_size(rows) > PUT_MAX))
		status =
			cv_fail(err, CV_LIMIT, "field 'messages' is a list of at most %u", PUT_MAX);
	if (!status)
		c->after = run_put;
	return status;
}
