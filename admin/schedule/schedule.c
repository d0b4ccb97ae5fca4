/* schedule.c - `congvu schedule list|run|pause|resume`: what runs when, and how it went. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/files.h"
#include "admin/schedule/schedule.h"
#include "common/base/clock.h"

#define DAYS_MAX     366
#define RUNS_A_JOB   400
#define FREQUENT     3600 /* jobs that run more often than this are listed once */

/* The folder belongs to the daemons' user, and what lies there is not to be followed by root: these
 * commands do all they do as that user. */
static const char *
open_folder(struct admin_call *call, int *exit_out)
{
	struct admin_owner owner;
	struct cv_err err = { 0 };

	*exit_out = EXIT_CONFIG;
	if (!admin_conf(call))
		return NULL;
	const struct congvu_options *m = admin_main_options(call);
	setenv("TZ", m->time_zone, 1);
	tzset();
	enum cv_status status = admin_owner_find(m->user, &owner, &err);
	if (status == CV_OK && owner.uid != (uid_t)-1 && owner.uid != geteuid() &&
		(initgroups(m->user, owner.gid) || setgid(owner.gid) || setuid(owner.uid)))
		status = cv_fail_errno(&err, CV_DENIED, errno, "cannot act as user %s", m->user);
	const struct admin_options *a = cv_conf_get(call->conf, &admin_section);
	const char *dir = a->schedule_dir;
	if (status == CV_OK)
		status = admin_folder_make(dir, 0700, ADMIN_OWNER_SELF, &err);
	if (status == CV_OK && access(dir, R_OK | X_OK))
		status = cv_fail_errno(&err, CV_DENIED, errno, "cannot read %s", dir);
	*exit_out = status == CV_OK ? EXIT_OK : EXIT_FAILED;
	if (status == CV_OK)
		return dir;
	admin_error(call, EXIT_FAILED, err.text, err.text);
	return NULL;
}

static const struct admin_job *
take_job(const struct admin_call *call)
{
	const struct admin_job *job = admin_job_find(call->words[0]);

	if (!job)
		admin_error(call, EXIT_USAGE, "no such job; `congvu schedule list` names them",
			"không có việc này; xem `congvu schedule list`");
	return job;
}

/* ---- list ---- */

static const char *
say_result(const struct admin_call *call, const struct admin_job_record *r)
{
	/* clang-format off */
	static const struct { const char *result, *en, *vi; } rows[] = {
		{ "",            "not run yet", "chưa chạy" },
		{ "ok",          "done",        "xong" },
		{ "partly",      "partly done", "xong một phần" },
		{ "failed",      "failed",      "lỗi" },
		{ "too-long",    "took too long", "quá thời gian" },
		{ "interrupted", "interrupted", "bị ngắt" },
		{ "stopped",     "stopped",     "đã dừng" },
	};
	/* clang-format on */

	if (r->running)
		return admin_say(call, "running", "đang chạy");
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (!strcmp(rows[i].result, r->result))
			return admin_say(call, rows[i].en, rows[i].vi);
	return r->result;
}

static json_t *
row_of(const struct admin_call *call, const struct admin_job *job,
	const struct admin_job_record *r, const struct cv_when *w, const char *when, int64_t next)
{
	/* clang-format off */
	static const struct { const char *en, *vi; } states[] = {
		{ "off", "tắt" }, { "paused", "tạm dừng" }, { "running", "đang chạy" }, { "waiting", "chờ" },
	};
	/* clang-format on */
	size_t state = w->kind == CV_WHEN_OFF ? 0 : r->paused ? 1 : r->running ? 2 : 3;

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:o, s:I, s:s, s:s, s:i, s:i, s:s}",
		"job", job->name, "what", admin_say(call, job->help, job->help_vi), "command",
		job->words, "when", when, "state", states[state].en, "shown_state",
		admin_say(call, states[state].en, states[state].vi), "next",
		next == INT64_MAX ? json_string("-") : admin_moment(next), "next_secs",
		(json_int_t)(next == INT64_MAX ? 0 : next), "last", admin_moment(r->started),
		"last_secs", (json_int_t)r->started, "last_result", r->result, "result",
		say_result(call, r), "exit", r->exit_code, "failures", (int)r->failures, "error",
		r->error);
}

/* All runs of one job until LAST. */
static void
add_job(const struct admin_call *call, const struct admin_job *job,
	const struct admin_job_record *r, const struct cv_when *w, const char *when, int64_t last,
	json_t *rows)
{
	int64_t now = cv_wall_secs();
	struct admin_job_record settled = *r;

	(void)admin_job_settle(&settled, w, when, now);
	int64_t next = admin_job_next(&settled, w, now);
	next = next == INT64_MAX ? next : CV_MAX(next, now);
	json_array_append_new(rows, row_of(call, job, r, w, when, next));
	if (w->kind == CV_WHEN_EVERY && w->every_secs < FREQUENT)
		return;
	for (unsigned n = 0; next != INT64_MAX && n < RUNS_A_JOB; n++) {
		next = cv_when_after(w, next);
		if (next > last)
			return;
		json_array_append_new(rows, row_of(call, job, r, w, when, next));
	}
}

static int64_t
next_of(const json_t *row)
{
	json_int_t next = admin_number(row, "next_secs");

	return next ? next : INT64_MAX;
}

static int
compare_rows(const void *a, const void *b)
{
	int64_t x = next_of(*(json_t *const *)a), y = next_of(*(json_t *const *)b);

	return x < y ? -1 : x > y;
}

static json_t *
sorted(json_t *rows)
{
	size_t n = json_array_size(rows);
	json_t **list = cv_calloc(n + 1, sizeof *list), *out = json_array();

	for (size_t i = 0; i < n; i++)
		list[i] = json_array_get(rows, i);
	qsort(list, n, sizeof *list, compare_rows);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, list[i]);
	free(list);
	json_decref(rows);
	return out;
}

static void
print_list(struct admin_call *call, const json_t *rows, bool is_running)
{
	static const struct admin_column columns[] = { { "next", "next", "lần tới" },
		{ "job", "job", "việc" }, { "when", "when", "lịch" },
		{ "shown_state", "state", "trạng thái" }, { "last", "last run", "lần trước" },
		{ "result", "result", "kết quả" }, { "what", "what", "nội dung" } };
	size_t i;
	json_t *row;

	admin_table(call, rows, columns, CV_COUNT(columns));
	json_array_foreach(rows, i, row)
	{
		if (!admin_number(row, "failures"))
			continue;
		printf(admin_say(call, "%s failed %lld times in a row: ",
			       "%s lỗi %lld lần liên tiếp: "),
			json_string_value(json_object_get(row, "job")),
			(long long)admin_number(row, "failures"));
		admin_put(stdout, json_string_value(json_object_get(row, "error")));
		putchar('\n');
	}
	if (!is_running)
		puts(admin_say(call, "No scheduler runs (congvu serve starts it).",
			"Bộ lập lịch không chạy (congvu serve khởi động nó)."));
}

/* Dated acts until LAST: what they are and about whom is `congvu dated list`'s to tell. NULL when
 * the register does not answer. */
static json_t *
dated_acts(struct admin_call *call, int64_t last)
{
	struct cv_err err = { 0 };
	json_t *reply = admin_try(call, ADMIN_STORE, admin_request("dated.list"), &err), *act;
	json_t *rows = reply ? json_array() : NULL;
	size_t i;

	json_array_foreach(json_object_get(reply, "acts"), i, act)
	{
		const char *what = json_string_value(json_object_get(act, "do"));
		if (admin_number(act, "at") <= last)
			json_array_append_new(rows,
				json_pack("{s:I, s:o, s:I, s:s}", "number",
					admin_number(act, "number"), "at",
					admin_moment(admin_number(act, "at")), "at_secs",
					admin_number(act, "at"), "do", what ? what : ""));
	}
	json_decref(reply);
	return rows;
}

static void
print_acts(struct admin_call *call, const json_t *acts)
{
	size_t i;
	json_t *act;

	if (json_array_size(acts))
		printf("\n%s\n", admin_say(call, "Dated acts (congvu dated list):",
					"Việc hẹn theo ngày (congvu dated list):"));
	json_array_foreach(acts, i, act)
		printf("%s  %lld  %s\n", json_string_value(json_object_get(act, "at")),
			(long long)admin_number(act, "number"),
			json_string_value(json_object_get(act, "do")));
}

static int
run_schedule_list(struct admin_call *call)
{
	const char *days_text = admin_option(call, "days");
	uint64_t days = 0;
	struct cv_err err = { 0 };
	int exit_code;

	if (days_text && cv_str_u64(cv_str_z(days_text), DAYS_MAX, &days) != CV_OK)
		return admin_error(call, EXIT_USAGE, "--days takes 0 to 366",
			"--days nhận giá trị từ 0 đến 366");
	const char *dir = open_folder(call, &exit_code);
	if (!dir)
		return exit_code;
	json_t *rows = json_array();
	for (size_t i = 0; i < admin_jobs_count; i++) {
		struct admin_job_record record;
		struct cv_when w;
		const char *when;
		if (admin_job_when(&admin_jobs[i], call->conf, &w, &when, &err) ||
			admin_job_load(dir, admin_jobs[i].name, &record, &err)) {
			json_decref(rows);
			return admin_error(call, EXIT_FAILED, err.text, err.text);
		}
		add_job(call, &admin_jobs[i], &record, &w, when,
			cv_wall_secs() + (int64_t)days * 86400, rows);
	}
	bool is_running = admin_schedule_is_running(dir);
	json_t *acts =
		dated_acts(call, cv_wall_secs() + (int64_t)CV_MAX(days, (uint64_t)1) * 86400);
	json_t *reply = json_pack("{s:b, s:b, s:o, s:o?}", "ok", 1, "running", is_running ? 1 : 0,
		"jobs", sorted(rows), "dated", acts);
	if (!admin_json(call, reply)) {
		print_list(call, json_object_get(reply, "jobs"), is_running);
		print_acts(call, acts);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- run ---- */

static volatile sig_atomic_t is_interrupted;

static void
interrupt(int sig)
{
	(void)sig;
	is_interrupted = 1;
}

static int
run_schedule_run(struct admin_call *call)
{
	struct admin_job_run run;
	struct cv_when w;
	struct cv_err err = { 0 };
	const char *when;
	int exit_code, wait_status;
	const struct admin_job *job = take_job(call);
	const char *dir = job ? open_folder(call, &exit_code) : NULL;

	if (!dir)
		return job ? exit_code : EXIT_USAGE;
	enum cv_status status = admin_job_when(job, call->conf, &w, &when, &err);
	if (status == CV_OK)
		status = admin_job_start(dir, call->conf_path, job,
			cv_when_before(&w, cv_wall_secs()), true, &run, &err);
	if (status != CV_OK)
		return admin_error(call, EXIT_FAILED, err.text,
			status == CV_CONFLICT ? "việc này đang chạy" : err.text);
	struct sigaction action = { .sa_handler = interrupt };
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (waitpid(run.pid, &wait_status, WNOHANG) != run.pid) {
		struct pollfd fd = { .fd = run.error_fd, .events = POLLIN };
		(void)poll(&fd, 1, 100);
		if (is_interrupted)
			admin_job_stop(&run);
		admin_job_watch(&run);
	}
	return admin_job_reaped(dir, &run, wait_status, is_interrupted);
}

/* ---- pause, resume ---- */

static void
set_paused(struct admin_job_record *record, void *arg)
{
	record->paused = *(const bool *)arg;
	if (!record->paused)
		record->retry_at = 0; /* what waited may try again now */
}

static int
change_pause(struct admin_call *call, bool paused)
{
	struct cv_err err = { 0 };
	int exit_code;
	const struct admin_job *job = take_job(call);
	const char *dir = job ? open_folder(call, &exit_code) : NULL;

	if (!dir)
		return job ? exit_code : EXIT_USAGE;
	if (admin_job_change(dir, job->name, set_paused, &paused, &err) != CV_OK)
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	json_t *reply = json_pack(
		"{s:b, s:s, s:b}", "ok", 1, "job", job->name, "paused", paused ? 1 : 0);
	if (!admin_json(call, reply))
		printf("%s: %s\n", job->name,
			paused ? admin_say(call, "paused until `congvu schedule resume`",
					 "tạm dừng đến khi chạy `congvu schedule resume`")
			       : admin_say(call, "runs by its timetable again",
					 "chạy lại theo lịch"));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_schedule_pause(struct admin_call *call)
{
	return change_pause(call, true);
}

static int
run_schedule_resume(struct admin_call *call)
{
	return change_pause(call, false);
}

/* ---- for `congvu status` ---- */

json_t *
admin_schedule_status(struct admin_call *call)
{
	const struct admin_options *a = cv_conf_get(call->conf, &admin_section);
	const char *dir = a->schedule_dir;
	json_t *failing = json_array();

	if (access(dir, R_OK | X_OK)) {
		json_decref(failing);
		return NULL;
	}
	for (size_t i = 0; i < admin_jobs_count; i++) {
		struct admin_job_record r;
		struct cv_err err = { 0 };
		if (admin_job_load(dir, admin_jobs[i].name, &r, &err) == CV_OK && r.failures)
			json_array_append_new(failing,
				json_pack("{s:s, s:i, s:s}", "job", admin_jobs[i].name, "failures",
					(int)r.failures, "error", r.error));
	}
	return json_pack("{s:b, s:o}", "running", admin_schedule_is_running(dir) ? 1 : 0, "failing",
		failing);
}

/* clang-format off */
static const struct admin_option list_options[] = {
	{ "days", "N", "every run and dated act of the next N days",
		"mọi lần chạy và việc hẹn ngày trong N ngày tới" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_schedule_list = {
	.noun = "schedule",
	.verb = "list",
	.words = "",
	.help = "what runs next by the clock, and how it went last",
	.help_vi = "các việc sắp chạy theo lịch và kết quả lần trước",
	.options = list_options,
	.examples = "  congvu schedule list\n  congvu schedule list --days 7 --json",
	.run = run_schedule_list,
};
const struct admin_command admin_schedule_run = {
	.noun = "schedule",
	.verb = "run",
	.words = "JOB",
	.words_min = 1,
	.words_max = 1,
	.help = "run a job now; its exit code is the command's",
	.help_vi = "chạy ngay một việc",
	.examples = "  congvu schedule run publish",
	.run = run_schedule_run,
};
const struct admin_command admin_schedule_pause = {
	.noun = "schedule",
	.verb = "pause",
	.words = "JOB",
	.words_min = 1,
	.words_max = 1,
	.help = "let a job rest until it is resumed",
	.help_vi = "tạm dừng một việc",
	.examples = "  congvu schedule pause publish",
	.run = run_schedule_pause,
};
const struct admin_command admin_schedule_resume = {
	.noun = "schedule",
	.verb = "resume",
	.words = "JOB",
	.words_min = 1,
	.words_max = 1,
	.help = "let a paused job run again; what it missed is caught up once",
	.help_vi = "cho việc đã tạm dừng chạy lại; phần bị lỡ được chạy bù một lần",
	.examples = "  congvu schedule resume publish",
	.run = run_schedule_resume,
};
