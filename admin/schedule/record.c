/* record.c - what is remembered of the jobs: one small JSON file, replaced as a whole. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "admin/files.h"
#include "admin/schedule/schedule.h"

#define STATE_MAX (1u << 20)

static json_t *
read_all(const char *dir, struct cv_err *err)
{
	char path[1200];
	struct cv_str text;
	json_error_t fault;

	snprintf(path, sizeof path, "%s/state.json", dir);
	enum cv_status status = admin_file_read(path, STATE_MAX, &text, err);
	if (status == CV_NOT_FOUND)
		return json_object();
	if (status != CV_OK)
		return NULL;
	json_t *all = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &fault);
	free((char *)text.p);
	if (!json_is_object(all)) {
		json_decref(all);
		(void)cv_fail(err, CV_CORRUPT,
			"%s cannot be read: remove it, and every job begins with its next time",
			path);
		return NULL;
	}
	return all;
}

static void
take_text(const json_t *o, const char *key, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(o, key));

	snprintf(out, size, "%s", text ? text : "");
}

static void
decode(const json_t *o, struct admin_job_record *r)
{
	*r = (struct admin_job_record){
		.slot = admin_number(o, "slot"),
		.started = admin_number(o, "started"),
		.ended = admin_number(o, "ended"),
		.good = admin_number(o, "good"),
		.retry_at = admin_number(o, "retry_at"),
		.failures = (unsigned)CV_MIN(CV_MAX(admin_number(o, "failures"), 0), 1000000),
		.exit_code = (int)CV_MIN(CV_MAX(admin_number(o, "exit"), -1), 255),
		.running = json_is_true(json_object_get(o, "running")),
		.paused = json_is_true(json_object_get(o, "paused")),
	};
	take_text(o, "result", r->result, sizeof r->result);
	take_text(o, "when", r->when, sizeof r->when);
	take_text(o, "error", r->error, sizeof r->error);
}

static json_t *
encode(const struct admin_job_record *r)
{
	json_t *o = json_pack("{s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:b, s:b, s:s, s:s}", "slot",
		(json_int_t)r->slot, "started", (json_int_t)r->started, "ended",
		(json_int_t)r->ended, "good", (json_int_t)r->good, "retry_at",
		(json_int_t)r->retry_at, "failures", (int)r->failures, "exit", r->exit_code,
		"running", r->running ? 1 : 0, "paused", r->paused ? 1 : 0, "result", r->result,
		"when", r->when);
	json_t *error = json_string(r->error); /* NULL when it is not UTF-8 */

	if (o)
		json_object_set_new(o, "error", error ? error : json_string(""));
	return o;
}

enum cv_status
admin_job_load(
	const char *dir, const char *name, struct admin_job_record *out, struct cv_err *err)
{
	json_t *all = read_all(dir, err);

	*out = (struct admin_job_record){ 0 };
	if (!all)
		return err->code;
	decode(json_object_get(all, name), out);
	json_decref(all);
	return CV_OK;
}

static enum cv_status
write_all(const char *dir, const json_t *all, struct cv_err *err)
{
	char path[1200], *text = json_dumps(all, JSON_INDENT(1) | JSON_SORT_KEYS);

	snprintf(path, sizeof path, "%s/state.json", dir);
	if (!text)
		cv_die("a record of a job cannot be written as JSON");
	enum cv_status status =
		admin_file_replace(path, 0600, cv_str_z(text), ADMIN_OWNER_SELF, err);
	free(text);
	return status;
}

enum cv_status
admin_job_change(const char *dir, const char *name, admin_job_change_fn *change, void *arg,
	struct cv_err *err)
{
	char path[1200];
	struct admin_job_record record;

	snprintf(path, sizeof path, "%s/state.lock", dir);
	int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (lock < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot open %s", path);
	while (flock(lock, LOCK_EX))
		if (errno != EINTR) {
			int errnum = errno;
			close(lock);
			return cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot lock %s", path);
		}
	json_t *all = read_all(dir, err);
	enum cv_status status = all ? CV_OK : err->code;
	if (status == CV_OK) {
		decode(json_object_get(all, name), &record);
		change(&record, arg);
		json_object_set_new(all, name, encode(&record));
		status = write_all(dir, all, err);
	}
	json_decref(all);
	close(lock);
	return status;
}
