/* schedule.h - jobs that run by the clock: their table, what is remembered of them, their runs.
 *
 * `congvu serve` starts one process, `congvu schedule serve`, as the service's user. Each second it
 * looks which job is due and runs its command line as a child, `congvu --conf FILE WORDS`. What it
 * remembers lies in <schedule_dir>/state.json, replaced durably at each change:
 *
 *   slot      the last time of the timetable that is dealt with; a later one that has passed is due
 *   failures  how often in a row it failed; the next try is at `retry_at`, after 1, 2, 4 ... 60 min
 *
 * so that times missed while nothing ran are caught up by one run. <schedule_dir>/JOB.lock is held
 * (flock) by whoever runs JOB and by the child itself: no job runs twice at once, not even when the
 * scheduler was killed and started again.
 *
 * Threads: none of these processes has any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_SCHEDULE_H
#define ADMIN_SCHEDULE_H

#include <sys/types.h>

#include "admin/admin.h"
#include "common/base/buf.h"
#include "common/options/when.h"

/* ---- jobs.c ---- */

#define ADMIN_JOB_NAME_MAX 24

struct admin_job_record;
struct admin_job {
	const char *name;    /* a-z and '-', at most ADMIN_JOB_NAME_MAX */
	const char *words;   /* the command line behind `congvu --conf FILE`, split at blanks */
	const char *option;  /* of section [admin]: when it runs, see common/options/when.h */
	unsigned limit_secs; /* it is ended after so long */
	/* False: nothing to do this time, which counts as done. NULL: always. */
	bool (*is_needed)(const struct cv_conf *conf, const struct admin_job_record *record);
	const char *help, *help_vi;
};
extern const struct admin_job admin_jobs[];
extern const size_t admin_jobs_count;
const struct admin_job *admin_job_find(const char *name);
/* When JOB runs by CONF; *TEXT_OUT is the option's text. */
CV_MUST_CHECK enum cv_status admin_job_when(const struct admin_job *job, const struct cv_conf *conf,
	struct cv_when *out, const char **text_out, struct cv_err *err);

/* ---- record.c: what is remembered ---- */

#define ADMIN_JOB_ERROR_MAX 240

struct admin_job_record {
	int64_t slot;       /* dealt with; 0: the job was never seen */
	int64_t started, ended, good; /* last run; start of the last good one; 0: none */
	int64_t retry_at;
	unsigned failures;  /* in a row */
	int exit_code;      /* of the last run; -1: it did not end by itself */
	bool running, paused;
	char result[16];    /* "ok", "partly", "failed", "too-long", "interrupted", "stopped" */
	char when[64];      /* the timetable that `slot` belongs to */
	char error[ADMIN_JOB_ERROR_MAX]; /* last line that the run wrote to standard error */
};
/* What is remembered of NAME; all zero when there is nothing. */
CV_MUST_CHECK enum cv_status admin_job_load(
	const char *dir, const char *name, struct admin_job_record *out, struct cv_err *err);
/* Reads, lets CHANGE work on it, writes; under a lock against other processes. */
typedef void admin_job_change_fn(struct admin_job_record *record, void *arg);
CV_MUST_CHECK enum cv_status admin_job_change(const char *dir, const char *name,
	admin_job_change_fn *change, void *arg, struct cv_err *err);

/* ---- plan.c: pure ---- */

/* Before anything is decided: a job that was never seen, has a new timetable, or whose record lies
 * in the future (the clock was set back) begins with the times after NOW. True when RECORD
 * changed. */
bool admin_job_settle(struct admin_job_record *record, const struct cv_when *w, const char *when,
	int64_t now);
/* When to run next; at or before NOW: at once. INT64_MAX: not by itself. */
int64_t admin_job_next(const struct admin_job_record *record, const struct cv_when *w, int64_t now);
/* The pause after the Nth failure in a row. */
int64_t admin_job_pause(unsigned failures);
/* RECORD after a run of SLOT that ended at NOW: RESULT as in the struct. */
void admin_job_settle_end(struct admin_job_record *record, int64_t slot, const char *result,
	int exit_code, int64_t now);
/* Failures that the operator hears of now: the 3rd, 6th, 12th ... in a row. */
bool admin_job_is_alarming(unsigned failures);

/* ---- run.c: one run ---- */

struct admin_job_run {
	const struct admin_job *job;
	int64_t slot;
	pid_t pid;          /* 0: none */
	int lock_fd, error_fd;
	int64_t started_ms, end_at_ms; /* monotonic; it is killed at the latter */
	bool is_told, is_late, is_echoed;
	bool is_frequent;   /* a run that went well is no news */
	char line[ADMIN_JOB_ERROR_MAX], last[ADMIN_JOB_ERROR_MAX];
	size_t line_n;
};
/* Takes the lock, remembers the start, forks. CV_CONFLICT when the job runs already. ECHO: its
 * output is the caller's; else only the last line of its errors is kept. */
CV_MUST_CHECK enum cv_status admin_job_start(const char *dir, const char *conf_path,
	const struct admin_job *job, int64_t slot, bool echo, struct admin_job_run *run,
	struct cv_err *err);
/* Reads what it wrote; ends it (SIGTERM, ten seconds later SIGKILL) when its time is over. */
void admin_job_watch(struct admin_job_run *run);
/* Tells it to end (the service stops); it has ten seconds. */
void admin_job_stop(struct admin_job_run *run);
/* After waitpid() gave WAIT_STATUS: logs, remembers, gives the lock back. Returns the exit code,
 * EXIT_FAILED when it did not end by itself. */
int admin_job_reaped(const char *dir, struct admin_job_run *run, int wait_status, bool is_stopping);
/* Remembers that a run whose process is gone without a word was interrupted; false while its lock
 * is held. */
bool admin_job_bury(const char *dir, const struct admin_job *job);

/* ---- serve.c ---- */

/* True when a scheduler runs. */
bool admin_schedule_is_running(const char *dir);
/* How it goes, for `congvu status`: {"running", "failing": [{"job", "failures", "error"}]}; NULL
 * when the caller may not look. */
json_t *admin_schedule_status(struct admin_call *call);

#endif
