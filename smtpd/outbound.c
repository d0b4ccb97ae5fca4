/* outbound.c - the scheduler: starts, wakes, sleeps, stops. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/outbound_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/text/encode.h"

#define SLEEP_MAX_MS 10000
#define SLEEP_BUSY_MS 1000 /* while anything is under way or the store is away */
#define LOAD_PAUSE_MS 20   /* between two looks at the queue */
#define KILL_WAIT_MS 3000

static void free_auth(char *auth);

void
out_ref(struct smtpd_outbound *o)
{
	atomic_fetch_add(&o->refs, 1);
}

void
out_unref(struct smtpd_outbound *o)
{
	if (atomic_fetch_sub(&o->refs, 1) != 1)
		return;
	out_dests_free(o);
	cv_map_done(&o->claims);
	cv_map_done(&o->dests);
	if (o->tls)
		cv_tls_client_free(o->tls);
	smtpd_tls_rules_free(o->rules);
	smtpd_transports_free(o->transports);
	free_auth(o->auth);
	smtpd_sts_free(o->sts);
	smtpd_tlsrpt_free(o->tlsrpt);
	pthread_mutex_destroy(&o->lock);
	pthread_cond_destroy(&o->wake);
	pthread_cond_destroy(&o->quiet);
	free(o);
}

int64_t
out_backoff(const struct smtpd_outbound *o, uint32_t attempts)
{
	int64_t base = o->server->opt->retry_min, most = o->server->opt->retry_max;

	most = CV_MAX(most, base);
	for (uint32_t i = 1; i < attempts && base < most; i++)
		base *= 2;
	base = CV_MIN(base, most);
	/* A fifth more or less, so that what failed together does not come back together. */
	return CV_MAX(base - base / 5 + (int64_t)cv_random_below((uint64_t)(base * 2 / 5) + 1), 1);
}

void
out_wake(struct smtpd_outbound *o)
{
	pthread_mutex_lock(&o->lock);
	o->reload = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
}

void
smtpd_outbound_kick(struct smtpd_outbound *o)
{
	pthread_mutex_lock(&o->lock);
	o->kicked = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
}

static void
wait_ms(struct smtpd_outbound *o, pthread_cond_t *cond, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(cond, &o->lock, &until);
}

/* Looks into the queue, so without the lock. */
static int64_t
sleep_ms(struct smtpd_outbound *o, bool is_busy)
{
	int64_t now = cv_wall_secs(), next = cv_queue_next_due(o->server->queue, now);
	int64_t most = is_busy || !cv_deliverer_is_up(o->server->deliverer) ? SLEEP_BUSY_MS
									    : SLEEP_MAX_MS;

	if (next == INT64_MAX)
		return most;
	return CV_MIN(most, CV_MAX((next - now) * 1000, (int64_t)50));
}

static void *
schedule(void *arg)
{
	struct smtpd_outbound *o = arg;
	bool more = true;

	pthread_mutex_lock(&o->lock);
	while (!o->stopping) {
		if (!more && !o->kicked && !o->reload) {
			bool is_busy = o->claimed || !cv_list_is_empty(&o->unsettled);
			pthread_mutex_unlock(&o->lock);
			int64_t ms = sleep_ms(o, is_busy);
			pthread_mutex_lock(&o->lock);
			if (!o->kicked && !o->reload && !o->stopping)
				wait_ms(o, &o->wake, ms);
		}
		o->kicked = o->reload = false;
		pthread_mutex_unlock(&o->lock);
		out_retry_unsettled(o);
		more = out_load_due(o);
		out_local_pump(o);
		out_dests_pump(o);
		pthread_mutex_lock(&o->lock);
		/* Many small kicks are one look. */
		if (!o->stopping)
			wait_ms(o, &o->quiet, LOAD_PAUSE_MS);
	}
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

#define AUTH_FILE_MAX 1000u

/* "user:password" in FILE, which nobody else may read, as AUTH PLAIN's initial response. */
static enum cv_status
read_auth(const char *file, char **out, struct cv_err *err)
{
	char text[AUTH_FILE_MAX + 1];
	struct cv_buf plain = CV_BUF_INIT(AUTH_FILE_MAX + 10), base64 = CV_BUF_INIT(2000);
	struct stat st;

	*out = NULL;
	if (!file[0])
		return CV_OK;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		if (fd >= 0)
			close(fd);
		return cv_fail_errno(err, CV_INVALID, errno, "smarthost_auth: cannot read %s",
			file);
	}
	ssize_t n = read(fd, text, AUTH_FILE_MAX);
	close(fd);
	struct cv_str line = cv_str(text, n > 0 ? (size_t)n : 0);
	line = cv_str_trim(cv_str_sub(line, 0, cv_str_find(line, '\n', 0)));
	size_t colon = cv_str_find(line, ':', 0);
	enum cv_status status = CV_OK;
	if (st.st_mode & 077) {
		status = cv_fail(err, CV_INVALID,
			"smarthost_auth: others may read %s: chmod 600", file);
	} else if (!colon || colon + 1 >= line.n || memchr(line.p, 0, line.n)) {
		status = cv_fail(err, CV_INVALID, "smarthost_auth: %s is not user:password", file);
	} else {
		cv_buf_c(&plain, 0);
		cv_buf_str(&plain, cv_str_sub(line, 0, colon));
		cv_buf_c(&plain, 0);
		cv_buf_str(&plain, cv_str_sub(line, colon + 1, line.n));
		cv_base64_encode(cv_buf_view(&plain), &base64);
		*out = cv_str_dup(cv_buf_view(&base64));
		cv_wipe(plain.p, plain.n);
		cv_wipe(base64.p, base64.n);
	}
	cv_wipe(text, sizeof text);
	cv_buf_done(&plain);
	cv_buf_done(&base64);
	return status;
}

static void
free_auth(char *auth)
{
	if (auth)
		cv_wipe(auth, strlen(auth));
	free(auth);
}

static enum cv_status
open_sts(struct smtpd_outbound *o, struct cv_err *err)
{
	const struct smtpd_options *opt = o->server->opt;
	struct smtpd_sts_options options = { .resolver = o->server->resolver,
		.engine = cv_queue_engine(o->server->queue),
		.ca_file = opt->outbound_ca[0] ? opt->outbound_ca : NULL,
		.port = (unsigned)opt->mta_sts_port,
		.allow_loopback = opt->allow_loopback_targets,
		.failed = o->tlsrpt ? out_tlsrpt_sts_failed : NULL, .arg = o };

	return smtpd_sts_new(&options, &o->sts, err);
}

/* Destinations go on under the new rules; what was loaded for one keeps it. */
static void
revise_dests(struct smtpd_outbound *o, const struct smtpd_options *opt)
{
	struct cv_str key;
	void *value;
	size_t pos = 0;

	while (cv_map_each(&o->dests, &pos, &key, &value)) {
		struct out_dest *d = value;
		/* A transport's key says all there is to it; a domain may have got or lost one. */
		d->rule = smtpd_tls_rules_find(o->rules, out_dest_host(d));
		if (!d->is_fixed)
			d->port = (unsigned)opt->outbound_port;
		d->route_until_ms = 0;
	}
}

enum cv_status
smtpd_outbound_configure(
	struct smtpd_outbound *o, const struct smtpd_options *opt, struct cv_err *err)
{
	struct smtpd_tls_rules *rules = NULL, *old;
	struct smtpd_transports *transports = NULL, *old_transports;
	char *auth = NULL, *old_auth;
	enum cv_status status = smtpd_transports_parse(opt->transports, opt->smarthost,
		opt->split_domains, (unsigned)opt->outbound_port, &transports, err);

	if (status == CV_OK)
		status = read_auth(opt->smarthost_auth, &auth, err);
	if (status == CV_OK)
		status = smtpd_tls_rules_parse(opt->outbound_tls, &rules, err);
	if (status != CV_OK) {
		smtpd_transports_free(transports);
		free_auth(auth);
		return status;
	}
	pthread_mutex_lock(&o->lock);
	old = o->rules;
	o->rules = rules;
	old_transports = o->transports;
	o->transports = transports;
	old_auth = o->auth;
	o->auth = auth;
	revise_dests(o, opt);
	pthread_mutex_unlock(&o->lock);
	smtpd_tls_rules_free(old);
	smtpd_transports_free(old_transports);
	free_auth(old_auth);
	return CV_OK;
}

enum cv_status
smtpd_outbound_start(struct smtpd_server *server, struct smtpd_outbound **out, struct cv_err *err)
{
	struct smtpd_outbound *o = cv_calloc(1, sizeof *o);
	pthread_condattr_t attr;

	atomic_init(&o->refs, 1);
	o->server = server;
	pthread_mutex_init(&o->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&o->wake, &attr);
	pthread_cond_init(&o->quiet, &attr);
	pthread_condattr_destroy(&attr);
	cv_map_init(&o->claims);
	cv_map_init(&o->dests);
	cv_list_init(&o->conns);
	cv_list_init(&o->local_jobs);
	cv_list_init(&o->unsettled);
	o->scan_limit = SMTPD_OUT_CLAIMS_MAX * 2;
	enum cv_status status = smtpd_outbound_configure(o, server->opt, err);
	if (status == CV_OK)
		status = cv_tls_client_new(server->opt->outbound_ca[0] ? server->opt->outbound_ca
			: NULL, CV_TLS_OPPORTUNISTIC, &o->tls, err);
	if (status == CV_OK && server->opt->tls_reports)
		status = smtpd_tlsrpt_start(server, o, &o->tlsrpt, err);
	if (status == CV_OK)
		status = open_sts(o, err);
	if (status == CV_OK) {
		int errnum = pthread_create(&o->thread, NULL, schedule, o);
		if (errnum)
			status = cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot start a thread");
	}
	if (status != CV_OK) {
		out_unref(o);
		return status;
	}
	*out = o;
	return CV_OK;
}

/* Jobs that nobody has begun: their rows are as they were. */
static void
drop_waiting(struct smtpd_outbound *o)
{
	struct cv_link *l;
	struct cv_str key;
	void *value;
	size_t pos = 0;

	while ((l = cv_list_pop(&o->local_jobs)) || (l = cv_list_pop(&o->unsettled)))
		out_job_free(CV_CONTAINER(l, struct out_job, job.link));
	while (cv_map_each(&o->dests, &pos, &key, &value)) {
		struct out_dest *d = value;
		while ((l = cv_list_pop(&d->jobs)))
			out_job_free(CV_CONTAINER(l, struct out_job, job.link));
		d->job_count = 0;
	}
}

static void
wake_conns(struct smtpd_outbound *o, bool kill)
{
	CV_LIST_EACH(l, next, &o->conns) {
		struct out_conn *c = CV_CONTAINER(l, struct out_conn, link);
		if (c->conn && kill)
			cv_conn_kill(c->conn);
		else if (c->conn)
			cv_conn_wake(c->conn);
	}
}

void
smtpd_outbound_stop(struct smtpd_outbound *o, unsigned grace_ms)
{
	pthread_mutex_lock(&o->lock);
	o->stopping = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	pthread_join(o->thread, NULL);
	smtpd_sts_stop(o->sts);

	pthread_mutex_lock(&o->lock);
	drop_waiting(o);
	wake_conns(o, false);
	for (int64_t end = cv_mono_ms() + grace_ms; o->conn_count + o->local_running;) {
		int64_t left = end - cv_mono_ms();
		if (left <= 0)
			break;
		wait_ms(o, &o->quiet, left);
	}
	wake_conns(o, true);
	for (int64_t end = cv_mono_ms() + KILL_WAIT_MS; o->conn_count;) {
		int64_t left = end - cv_mono_ms();
		if (left <= 0)
			break;
		wait_ms(o, &o->quiet, left);
	}
	drop_waiting(o);
	pthread_mutex_unlock(&o->lock);
	smtpd_tlsrpt_stop(o->tlsrpt);
}

void
smtpd_outbound_offer(struct smtpd_outbound *o, struct cv_str address, struct cv_spool *message)
{
	smtpd_tlsrpt_offer(o->tlsrpt, address, message);
}

void
smtpd_outbound_free(struct smtpd_outbound *o)
{
	out_unref(o);
}

bool
smtpd_outbound_split(struct smtpd_outbound *o, struct cv_str domain, struct smtpd_transport *out)
{
	if (!o) /* nothing is sent here */
		return false;
	pthread_mutex_lock(&o->lock);
	const struct smtpd_transport *to = smtpd_transports_split(o->transports, domain);
	if (to)
		*out = *to;
	pthread_mutex_unlock(&o->lock);
	return to != NULL;
}
