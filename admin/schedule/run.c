/* run.c - one run of a job: a child process with a lock, a time limit and a memory. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/schedule/schedule.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#define WORDS_MAX     24
#define GRACE_MS      10000
#define ROOM_BYTES    1024
#define FREQUENT_SECS 300 /* what runs more often is told at level debug when it went well */
#define NICENESS      10  /* people first */

/* ---- the lock ---- */

static int
take_lock(const char *dir, const struct admin_job *job, struct cv_err *err)
{
	char path[1200];

	snprintf(path, sizeof path, "%s/%s.lock", dir, job->name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0) {
		(void)cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot open %s", path);
		return -1;
	}
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	int errnum = errno;
	close(fd);
	if (errnum == EWOULDBLOCK)
		(void)cv_fail(err, CV_CONFLICT, "the job %s is running already", job->name);
	else
		(void)cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot lock %s", path);
	return -1;
}

/* ---- the child ---- */

/* Runs in the new process; never returns. */
CV_NORETURN static void
exec_job(const char *conf_path, const struct admin_job_run *run, int error_fd, pid_t parent)
{
	char words[400], program[1024], *argv[WORDS_MAX + 4] = { "congvu", "--conf",
		(char *)conf_path };
	size_t n = 3;
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_FAILED);
	snprintf(words, sizeof words, "%s", run->job->words);
	for (char *at = words; at && *at && n < WORDS_MAX + 3;) {
		char *blank = strchr(at, ' ');
		argv[n++] = at;
		if (blank)
			*blank++ = '\0';
		at = blank;
	}
	int quiet = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* dup() leaves the copy open across exec: the lock lives as long as the job does. */
	if (quiet < 0 || dup2(quiet, 0) < 0 || (!run->is_echoed && dup2(quiet, 1) < 0) ||
		dup2(error_fd, 2) < 0 || dup(run->lock_fd) < 0)
		_exit(EXIT_FAILED);
	setpriority(PRIO_PROCESS, 0, NICENESS);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
	if (length <= 0)
		_exit(EXIT_FAILED);
	program[length] = '\0';
	execv(program, argv);
	dprintf(2, "cannot run %s: %s\n", program, strerror(errno));
	_exit(EXIT_FAILED);
}

static void
note_start(struct admin_job_record *record, void *arg)
{
	(void)arg;
	record->running = true;
	record->started = cv_wall_secs();
	record->error[0] = '\0';
}

static enum cv_status
fork_job(const char *conf_path, struct admin_job_run *run, struct cv_err *err)
{
	int ends[2];
	pid_t parent = getpid();

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "no pipe for the job");
	/* The child may wait for room in it; it is we who may not wait. */
	fcntl(ends[1], F_SETFL, 0);
	pid_t pid = fork();
	if (pid == 0)
		exec_job(conf_path, run, ends[1], parent);
	int errnum = errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return cv_fail_errno(err, CV_TEMPFAIL, errnum, "no process for the job");
	}
	run->pid = pid;
	run->error_fd = ends[0];
	return CV_OK;
}

enum cv_status
admin_job_start(const char *dir, const char *conf_path, const struct admin_job *job, int64_t slot,
	bool echo, struct admin_job_run *run, struct cv_err *err)
{
	*run = (struct admin_job_run){ .job = job, .slot = slot, .is_echoed = echo,
		.error_fd = -1, .started_ms = cv_mono_ms() };
	run->end_at_ms = run->started_ms + (int64_t)job->limit_secs * 1000;
	run->lock_fd = take_lock(dir, job, err);
	if (run->lock_fd < 0)
		return err->code;
	enum cv_status status = admin_job_change(dir, job->name, note_start, NULL, err);
	if (status == CV_OK)
		status = fork_job(conf_path, run, err);
	if (status != CV_OK) {
		close(run->lock_fd);
		return status;
	}
	struct admin_job_record record;
	struct cv_when w = { .kind = CV_WHEN_OFF };
	struct cv_err ignored;
	if (!admin_job_load(dir, job->name, &record, &ignored) &&
		!cv_when_parse(cv_str_z(record.when), &w, &ignored))
		run->is_frequent = w.kind == CV_WHEN_EVERY && w.every_secs < FREQUENT_SECS;
	if (!echo)
		cv_log(0, run->is_frequent ? CV_DEBUG : CV_INFO, "job.started", "job=%s pid=%d",
			job->name, (int)run->pid);
	return CV_OK;
}

/* ---- watching ---- */

/* Keeps the last line that says something. */
static void
take_bytes(struct admin_job_run *run, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c == '\n' || c == '\r') {
			if (run->line_n)
				snprintf(run->last, sizeof run->last, "%.*s", (int)run->line_n,
					run->line);
			run->line_n = 0;
		} else if (run->line_n < sizeof run->line - 4) {
			run->line[run->line_n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
		}
	}
}

static void
read_errors(struct admin_job_run *run)
{
	char room[ROOM_BYTES];
	ssize_t n;

	while (run->error_fd >= 0 && (n = read(run->error_fd, room, sizeof room)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* nothing more now */
		take_bytes(run, room, (size_t)n);
		if (run->is_echoed)
			(void)!write(STDERR_FILENO, room, (size_t)n);
	}
	if (run->error_fd >= 0)
		close(run->error_fd);
	run->error_fd = -1;
}

void
admin_job_stop(struct admin_job_run *run)
{
	if (!run->pid || run->is_told)
		return;
	kill(-run->pid, SIGTERM);
	run->is_told = true;
	run->end_at_ms = cv_mono_ms() + GRACE_MS;
}

void
admin_job_watch(struct admin_job_run *run)
{
	int64_t now = cv_mono_ms();

	if (!run->pid)
		return;
	read_errors(run);
	if (now < run->end_at_ms)
		return;
	if (run->is_told) {
		kill(-run->pid, SIGKILL);
		run->end_at_ms = now + GRACE_MS;
		return;
	}
	cv_log(0, CV_WARN, "job.too_long", "job=%s pid=%d limit=%u", run->job->name,
		(int)run->pid, run->job->limit_secs);
	run->is_late = true;
	admin_job_stop(run);
}

/* ---- the end ---- */

struct ending {
	const struct admin_job_run *run;
	const char *result;
	int exit_code;
	unsigned failures;
};

static void
note_end(struct admin_job_record *record, void *arg)
{
	struct ending *e = arg;

	admin_job_settle_end(record, e->run->slot, e->result, e->exit_code, cv_wall_secs());
	snprintf(record->error, sizeof record->error, "%s",
		strcmp(e->result, "ok") ? e->run->last : "");
	e->failures = record->failures;
}

static const char *
result_of(const struct admin_job_run *run, int wait_status, bool is_stopping)
{
	if (run->is_late)
		return "too-long";
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EXIT_OK)
		return "ok";
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EXIT_PARTLY)
		return "partly";
	if (is_stopping || run->is_told)
		return "stopped";
	return WIFEXITED(wait_status) ? "failed" : "interrupted";
}

static void
log_end(const struct ending *e)
{
	const struct admin_job_run *run = e->run;
	bool is_good = !e->failures && strcmp(e->result, "partly") != 0;

	cv_log(0, !is_good ? CV_WARN : run->is_frequent ? CV_DEBUG : CV_INFO, "job.ended",
		"job=%s result=%s exit=%d ms=%lld failures=%u error=\"%s\"", run->job->name,
		e->result, e->exit_code, (long long)(cv_mono_ms() - run->started_ms), e->failures,
		is_good ? "" : run->last);
	if (admin_job_is_alarming(e->failures))
		cv_log(0, CV_ERROR, "job.fails", "job=%s times=%u error=\"%s\"", run->job->name,
			e->failures, run->last);
}

int
admin_job_reaped(const char *dir, struct admin_job_run *run, int wait_status, bool is_stopping)
{
	struct ending e = { .run = run, .exit_code = -1 };
	struct cv_err err = { 0 };

	read_errors(run);
	take_bytes(run, "\n", 1);
	e.result = result_of(run, wait_status, is_stopping);
	if (WIFEXITED(wait_status))
		e.exit_code = WEXITSTATUS(wait_status);
	if (admin_job_change(dir, run->job->name, note_end, &e, &err))
		cv_log(0, CV_ERROR, "job.not_remembered", "job=%s error=\"%s\"", run->job->name,
			err.text);
	if (!run->is_echoed)
		log_end(&e);
	if (run->error_fd >= 0)
		close(run->error_fd);
	close(run->lock_fd);
	run->pid = 0;
	return e.exit_code < 0 ? EXIT_FAILED : e.exit_code;
}

static void
note_lost(struct admin_job_record *record, void *arg)
{
	(void)arg;
	if (record->running)
		admin_job_settle_end(record, 0, "interrupted", -1, cv_wall_secs());
}

bool
admin_job_bury(const char *dir, const struct admin_job *job)
{
	struct cv_err err = { 0 };
	int lock = take_lock(dir, job, &err);

	if (lock < 0)
		return false;
	bool done = admin_job_change(dir, job->name, note_lost, NULL, &err) == CV_OK;
	close(lock);
	cv_log(0, CV_WARN, "job.interrupted", "job=%s", job->name);
	return done;
}
