/* sending_keeper.c - opens the ledger, and keeps it: writes, syncs, tells of freezes.
 *
 * Counts reach the disk within SYNC_MS. A freeze is made durable, then the account's queued mail is
 * held, then people are told; what fails is done again. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "smtpd/outbound.h"
#include "smtpd/sending_internal.h"
#include "smtpd/server.h"

#define SYNC_MS  200
#define RETRY_MS 5000

/* ---- what is to be done ---- */

void
sending_note_ticket(struct smtpd_sending *s, cv_ticket ticket)
{
	pthread_mutex_lock(&s->lock);
	bool first = !s->ticket;
	s->ticket = CV_MAX(s->ticket, ticket);
	if (first)
		pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void
sending_add_job(struct smtpd_sending *s, cv_acct_no acct)
{
	struct sending_job *job = cv_calloc(1, sizeof *job);

	job->acct = acct;
	pthread_mutex_lock(&s->lock);
	job->next = s->jobs;
	s->jobs = job;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void
sending_add_dirty(struct smtpd_sending *s, struct sending_account *a)
{
	if (a->is_dirty)
		return;
	a->is_dirty = true;
	pthread_mutex_lock(&s->lock);
	if (!s->dirty)
		pthread_cond_signal(&s->wake);
	a->next_dirty = s->dirty;
	s->dirty = a;
	pthread_mutex_unlock(&s->lock);
}

/* Writes the counts that only memory has. Accounts stay until the ledger is closed. */
static void
write_dirty(struct smtpd_sending *s)
{
	pthread_mutex_lock(&s->lock);
	struct sending_account *list = s->dirty;
	s->dirty = NULL;
	pthread_mutex_unlock(&s->lock);
	while (list) {
		/* Once it is not dirty it may be put into another list. */
		struct sending_account *a = sending_lock(s, list->acct);
		list = a->next_dirty;
		a->is_dirty = false;
		sending_write_counts(s, a);
		sending_unlock(s, a);
	}
}

void
smtpd_sending_sync(struct smtpd_sending *s)
{
	write_dirty(s);
	pthread_mutex_lock(&s->lock);
	cv_ticket ticket = s->ticket;
	s->ticket = 0;
	pthread_mutex_unlock(&s->lock);
	if (ticket)
		cv_ticket_block(s->o.engine, ticket);
}

/* ---- the thread ---- */

/* Durable first (N3); what is told twice after a crash has the same delivery id, so it arrives
 * once. */
static bool
tell(struct smtpd_sending *s, cv_acct_no acct)
{
	struct smtpd_sending_view view;
	struct cv_err err = {0};

	smtpd_sending_sync(s);
	smtpd_sending_look(s, acct, &view);
	if (!view.freeze.since_secs)
		return true; /* released meanwhile */
	enum cv_status status = smtpd_outbound_hold_account(s->server, acct, true, NULL, &err);
	CV_KILL_POINT("sending.held");
	if (status == CV_OK && !view.freeze.is_told)
		status = smtpd_sending_notify(s->server, acct, &view.freeze, &err);
	CV_KILL_POINT("sending.put");
	if (status != CV_OK) {
		cv_log(0, CV_ERROR, "sending.untold", "account=%llu error=\"%s\"",
			(unsigned long long)(acct & SMTPD_SENDING_NUMBER_MASK), err.text);
		return false;
	}
	struct sending_account *a = sending_lock(s, acct);
	if (a->freeze.since_secs == view.freeze.since_secs) {
		a->freeze.is_told = true;
		sending_write_freeze(s, a);
	}
	sending_unlock(s, a);
	return true;
}

static void
wait_ms(struct smtpd_sending *s, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&s->wake, &s->lock, &until);
}

static void
run_jobs(struct smtpd_sending *s, struct sending_job *jobs)
{
	for (struct sending_job *job = jobs, *next; job; job = next) {
		next = job->next;
		if (!tell(s, job->acct))
			sending_add_job(s, job->acct);
		free(job);
	}
}

static void *
keep(void *arg)
{
	struct smtpd_sending *s = arg;
	int64_t next_jobs_ms = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		bool due = s->jobs && cv_mono_ms() >= next_jobs_ms;
		if (!due && !s->ticket && !s->dirty) {
			wait_ms(s, s->jobs ? RETRY_MS : 60000);
			continue;
		}
		struct sending_job *jobs = due ? s->jobs : NULL;
		if (due)
			s->jobs = NULL;
		pthread_mutex_unlock(&s->lock);
		run_jobs(s, jobs);
		smtpd_sending_sync(s);
		pthread_mutex_lock(&s->lock);
		/* What could not be told waits; a fresh freeze does so at most as long. */
		if (due)
			next_jobs_ms = s->jobs ? cv_mono_ms() + RETRY_MS : 0;
		if (!s->stopping)
			wait_ms(s, SYNC_MS);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- opening ---- */

static enum cv_status
read_key(struct smtpd_sending *s, bool *missing_out, struct cv_err *err)
{
	int fd = open(s->key_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	*missing_out = fd < 0 && errno == ENOENT;
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot read %s", s->key_file);
	ssize_t n = read(fd, s->key, sizeof s->key);
	close(fd);
	return n == (ssize_t)sizeof s->key
		? CV_OK
		: cv_fail(err, CV_CORRUPT, "%s is damaged: remove it, and every correspondent "
					   "counts as new once",
			  s->key_file);
}

/* Under another name first: a crash leaves no half a key. */
static enum cv_status
make_key(struct smtpd_sending *s, struct cv_err *err)
{
	char fresh[1200];

	cv_random(s->key, sizeof s->key);
	snprintf(fresh, sizeof fresh, "%s.new", s->key_file);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", fresh);
	bool ok = write(fd, s->key, sizeof s->key) == (ssize_t)sizeof s->key && !fsync(fd);
	int errnum = errno;
	close(fd);
	if (!ok || rename(fresh, s->key_file))
		return cv_fail_errno(err, CV_TEMPFAIL, ok ? errno : errnum, "cannot write %s",
			s->key_file);
	return CV_OK;
}

static bool
open_frozen(void *arg, cv_acct_no acct)
{
	struct smtpd_sending *s = arg;
	struct sending_account *a = sending_lock(s, acct);

	if (a->freeze.since_secs) {
		atomic_fetch_add(&s->frozen, 1);
		if (!a->freeze.is_told)
			sending_add_job(s, acct);
	}
	sending_unlock(s, a);
	return true;
}

enum cv_status
smtpd_sending_open(
	const struct smtpd_sending_options *o, struct smtpd_sending **out, struct cv_err *err)
{
	struct smtpd_sending *s = cv_calloc(1, sizeof *s);
	pthread_condattr_t attr;
	bool missing = false;

	s->o = *o;
	s->key_file = cv_strdup(o->key_file);
	for (size_t i = 0; i < SMTPD_SENDING_SHARDS; i++) {
		pthread_mutex_init(&s->shards[i].lock, NULL);
		cv_map_init(&s->shards[i].accounts);
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	enum cv_status status = read_key(s, &missing, err);
	if (missing)
		status = make_key(s, err);
	if (status == CV_OK)
		status = smtpd_sending_each(s, open_frozen, s, err);
	if (status != CV_OK) {
		smtpd_sending_close(s);
		return status;
	}
	*out = s;
	return CV_OK;
}

enum cv_status
smtpd_sending_start(struct smtpd_sending *s, struct smtpd_server *server, struct cv_err *err)
{
	s->server = server;
	int errnum = pthread_create(&s->keeper, NULL, keep, s);
	if (errnum)
		return cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot start a thread");
	s->has_keeper = true;
	return CV_OK;
}

void
smtpd_sending_stop(struct smtpd_sending *s)
{
	if (!s->has_keeper)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->keeper, NULL);
	s->has_keeper = false;
}

void
smtpd_sending_close(struct smtpd_sending *s)
{
	if (!s)
		return;
	smtpd_sending_stop(s);
	smtpd_sending_sync(s);
	for (size_t i = 0; i < SMTPD_SENDING_SHARDS; i++) {
		struct cv_str key;
		void *value;
		size_t pos = 0;
		while (cv_map_each(&s->shards[i].accounts, &pos, &key, &value))
			free(value);
		cv_map_done(&s->shards[i].accounts);
		pthread_mutex_destroy(&s->shards[i].lock);
	}
	for (struct sending_job *job = s->jobs, *next; job; job = next) {
		next = job->next;
		free(job);
	}
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	free(s->key_file);
	cv_wipe(s->key, sizeof s->key);
	free(s);
}
