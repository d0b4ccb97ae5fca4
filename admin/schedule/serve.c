/* serve.c - `congvu schedule serve`: the process that `congvu serve` starts to run the jobs. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/schedule/schedule.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#define TICK_MS     1000
#define REREAD_SECS 60
#define JOBS_MAX    32

struct scheduler {
	struct admin_call *call;
	struct cv_conf *conf;
	const char *dir, *conf_path;
	struct admin_job_run runs[JOBS_MAX];
	int64_t reread_ms;
	int signal_fd;
	bool stopping, conf_is_bad, state_is_bad;
};

static const char *
schedule_dir(const struct cv_conf *conf)
{
	return ((const struct admin_options *)cv_conf_get(conf, &admin_section))->schedule_dir;
}

/* ---- one scheduler ---- */

static int
open_lock(const char *dir, int flags)
{
	char path[1200];

	snprintf(path, sizeof path, "%s/serve.lock", dir);
	return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
}

bool
admin_schedule_is_running(const char *dir)
{
	int fd = open_lock(dir, 0);
	bool is_held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return is_held;
}

/* ---- jobs ---- */

struct settling {
	const struct cv_when *when;
	const char *text;
};

static void
settle(struct admin_job_record *record, void *arg)
{
	const struct settling *s = arg;

	(void)admin_job_settle(record, s->when, s->text, cv_wall_secs());
}

struct skipping {
	int64_t slot;
};

static void
skip(struct admin_job_record *record, void *arg)
{
	record->slot = CV_MAX(record->slot, ((const struct skipping *)arg)->slot);
}

/* What is due is started, or put off to its next time when there is nothing to do. */
static enum cv_status
look_at(struct scheduler *s, size_t i, struct cv_err *err)
{
	const struct admin_job *job = &admin_jobs[i];
	struct admin_job_record record, settled;
	struct cv_when when;
	const char *text;
	int64_t now = cv_wall_secs();

	enum cv_status status = admin_job_when(job, s->conf, &when, &text, err);
	if (status == CV_OK)
		status = admin_job_load(s->dir, job->name, &record, err);
	if (status != CV_OK)
		return status;
	if (record.running) {
		(void)admin_job_bury(s->dir, job);
		return CV_OK;
	}
	settled = record;
	if (admin_job_settle(&settled, &when, text, now)) {
		struct settling arg = { &when, text };
		return admin_job_change(s->dir, job->name, settle, &arg, err);
	}
	if (admin_job_next(&record, &when, now) > now)
		return CV_OK;
	struct skipping slot = { cv_when_before(&when, now) };
	if (job->is_needed && !job->is_needed(s->conf, &record))
		return admin_job_change(s->dir, job->name, skip, &slot, err);
	status = admin_job_start(
		s->dir, s->conf_path, job, slot.slot, false, &s->runs[i], err);
	return status == CV_CONFLICT ? CV_OK : status; /* somebody runs it by hand */
}

static void
look_at_all(struct scheduler *s)
{
	bool is_bad = false;

	for (size_t i = 0; i < admin_jobs_count && i < JOBS_MAX; i++) {
		struct cv_err err = { 0 };
		if (s->runs[i].pid || look_at(s, i, &err) == CV_OK)
			continue;
		/* Each second anew, but told once. */
		if (!s->state_is_bad)
			cv_log(0, CV_ERROR, "job.not_started", "job=%s error=\"%s\"",
				admin_jobs[i].name, err.text);
		is_bad = true;
	}
	s->state_is_bad = is_bad;
}

/* ---- signals, configuration ---- */

static void
reap(struct scheduler *s)
{
	int status;

	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		for (size_t i = 0; i < JOBS_MAX; i++)
			if (s->runs[i].pid == pid)
				(void)admin_job_reaped(s->dir, &s->runs[i], status, s->stopping);
}

/* As every command line of a job does, the timetable follows the file; a fault keeps the old. */
static void
read_conf(struct scheduler *s)
{
	struct cv_conf *conf;
	struct cv_err err = { 0 };

	s->reread_ms = cv_mono_ms() + REREAD_SECS * 1000;
	if (cv_conf_open(s->call->conf_option, &conf, &err) != CV_OK) {
		if (!s->conf_is_bad)
			cv_log(0, CV_WARN, "schedule.conf_kept", "error=\"%s\"", err.text);
		s->conf_is_bad = true;
		return;
	}
	s->conf_is_bad = false;
	/* The folder stays where it was: its lock is held. */
	if (s->conf != s->call->conf)
		cv_conf_free(s->conf);
	s->conf = conf;
}

static void
take_signals(struct scheduler *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			s->stopping = true;
		else if (info.ssi_signo == SIGHUP)
			read_conf(s);
		else if (info.ssi_signo == SIGUSR1)
			cv_log_reopen();
	}
}

static bool
is_anything_running(const struct scheduler *s)
{
	for (size_t i = 0; i < JOBS_MAX; i++)
		if (s->runs[i].pid)
			return true;
	return false;
}

static void
loop(struct scheduler *s)
{
	while (!s->stopping || is_anything_running(s)) {
		struct pollfd fd = { .fd = s->signal_fd, .events = POLLIN };
		if (!s->stopping && cv_mono_ms() >= s->reread_ms)
			read_conf(s);
		if (!s->stopping)
			look_at_all(s);
		(void)poll(&fd, 1, is_anything_running(s) ? TICK_MS / 5 : TICK_MS);
		take_signals(s);
		for (size_t i = 0; i < JOBS_MAX; i++) {
			if (s->stopping)
				admin_job_stop(&s->runs[i]);
			admin_job_watch(&s->runs[i]);
		}
		reap(s);
	}
}

static bool
open_signals(struct scheduler *s)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < CV_COUNT(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd >= 0;
}

/* The supervisor waits for a word in this pipe. */
static void
tell_ready(void)
{
	const char *text = getenv("CONGVU_READY_FD");
	uint64_t fd;

	if (!text || cv_str_u64(cv_str_z(text), 1000000, &fd) != CV_OK)
		return;
	(void)!write((int)fd, "1", 1);
	close((int)fd);
	unsetenv("CONGVU_READY_FD");
	unsetenv("CONGVU_SOCKETS");
}

static int
run_schedule_serve(struct admin_call *call)
{
	if (!admin_conf(call))
		return EXIT_CONFIG;
	const char *dir = schedule_dir(call->conf);
	int lock = open_lock(dir, O_CREAT);
	if (lock < 0)
		return admin_error(call, EXIT_FAILED, strerror(errno), strerror(errno));
	if (flock(lock, LOCK_EX | LOCK_NB)) {
		close(lock);
		return admin_error(call, EXIT_FAILED, "a scheduler runs already",
			"bộ lập lịch đang chạy");
	}
	struct scheduler *s = cv_calloc(1, sizeof *s);
	*s = (struct scheduler){ .call = call, .conf = call->conf, .dir = dir,
		.conf_path = call->conf_path, .reread_ms = cv_mono_ms() + REREAD_SECS * 1000 };
	cv_program_start("schedule", admin_main_options(call));
	int exit_code = open_signals(s) ? EXIT_OK : EXIT_FAILED;
	if (exit_code == EXIT_OK) {
		tell_ready();
		loop(s);
		close(s->signal_fd);
	}
	if (s->conf != call->conf)
		cv_conf_free(s->conf);
	free(s);
	close(lock);
	return exit_code;
}

const struct admin_command admin_schedule_serve = {
	.noun = "schedule",
	.verb = "serve",
	.words = "",
	.help = "run the jobs by the clock; `congvu serve` starts this by itself",
	.help_vi = "chạy các việc theo lịch; `congvu serve` tự khởi động lệnh này",
	.examples = "  congvu --conf /etc/congvu/congvu.conf schedule serve",
	.run = run_schedule_serve,
};
