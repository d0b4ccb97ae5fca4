/* tlspolicy_cache.c - see tlspolicy_cache.h.
 *
 * Rows: account (system, STS_ACCT), key "M" + domain. The lock covers `stopping`, the pool's life
 * and the list of failures; rows are read and written without it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/tlspolicy_cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/net/https.h"
#include "common/net/pool.h"
#include "common/text/domain.h"
#include "smtpd/outbound_route.h"

#define STS_ACCT      cv_acct(CV_CLASS_SYSTEM, 0x737473)
#define ROW_FORMAT    1
#define FETCHERS      8
#define FETCHES_MAX   2000
#define CONNECT_SECS  10
#define FETCH_SECS    30
#define PAUSE_MS      (5 * 60 * 1000) /* after a fetch that failed (RFC 8461 3.3) */
#define FAILURES_MAX  4096
#define REFRESH_SECS  86400           /* a younger policy is not fetched anew */
#define ADDRS_MAX     8
#define SWEEP_ROWS    500

struct smtpd_sts_entry {
	atomic_uint refs;
	struct smtpd_sts_policy policy;
	char id[SMTPD_STS_ID_MAX + 1];
	int64_t fetched_secs;
};

struct smtpd_sts {
	struct smtpd_sts_options o;
	char *ca_file;
	atomic_bool stop;          /* what fetches look at */
	pthread_mutex_t lock;
	struct cv_pool *pool;      /* NULL once stopped */
	struct cv_map failures;    /* domain -> when it may be tried again */
};

/* One question, from smtpd_sts_find() to its callback. */
struct question {
	struct smtpd_sts *s;
	smtpd_sts_fn *fn;          /* NULL: a refresh nobody waits for */
	void *arg;
	struct smtpd_sts_entry *kept;
	char domain[256], id[SMTPD_STS_ID_MAX + 1];
};

static struct smtpd_sts_entry *
entry_new(void)
{
	struct smtpd_sts_entry *e = cv_calloc(1, sizeof *e);

	atomic_init(&e->refs, 1);
	e->policy = (struct smtpd_sts_policy)SMTPD_STS_POLICY_INIT;
	return e;
}

const struct smtpd_sts_policy *
smtpd_sts_entry_policy(const struct smtpd_sts_entry *e)
{
	return &e->policy;
}

void
smtpd_sts_entry_unref(struct smtpd_sts_entry *e)
{
	if (!e || atomic_fetch_sub(&e->refs, 1) != 1)
		return;
	smtpd_sts_policy_done(&e->policy);
	free(e);
}

static bool
is_over(const struct smtpd_sts_entry *e)
{
	return cv_wall_secs() >= e->fetched_secs + (int64_t)e->policy.max_age_secs;
}

/* ---- rows ---- */

static void
row_key(const char *domain, struct cv_buf *out)
{
	cv_buf_c(out, 'M');
	cv_buf_z(out, domain);
}

static void
encode(const struct smtpd_sts_entry *e, struct cv_buf *out)
{
	cv_buf_c(out, ROW_FORMAT);
	cv_buf_bytes(out, cv_str_z(e->id));
	cv_buf_varint(out, (uint64_t)e->fetched_secs);
	cv_buf_varint(out, e->policy.max_age_secs);
	cv_buf_varint(out, (uint64_t)e->policy.mode);
	cv_buf_bytes(out, cv_buf_view(&e->policy.mx));
}

/* NULL: damaged, which is as good as never fetched. */
static struct smtpd_sts_entry *
decode(struct cv_str row)
{
	struct smtpd_sts_entry *e = entry_new();
	struct cv_rd r = cv_rd(row);

	uint8_t format = cv_rd_u8(&r);
	struct cv_str id = cv_rd_bytes(&r);
	e->fetched_secs = (int64_t)cv_rd_varint(&r);
	uint64_t age = cv_rd_varint(&r), mode = cv_rd_varint(&r);
	cv_buf_str(&e->policy.mx, cv_rd_bytes(&r));
	if (r.bad || cv_rd_left(&r) || format != ROW_FORMAT || id.n > SMTPD_STS_ID_MAX
		|| age > SMTPD_STS_AGE_MAX || mode > SMTPD_STS_ENFORCE || e->policy.mx.full) {
		smtpd_sts_entry_unref(e);
		return NULL;
	}
	memcpy(e->id, id.p, id.n);
	e->policy.max_age_secs = (uint32_t)age;
	e->policy.mode = (enum smtpd_sts_mode)mode;
	return e;
}

static struct smtpd_sts_entry *
read_row(struct smtpd_sts *s, const char *domain)
{
	struct cv_buf key = CV_BUF_INIT(300), hold = CV_BUF_INIT(CV_VALUE_MAX + 1000);
	struct smtpd_sts_entry *e = NULL;
	struct cv_err err = { 0 };
	struct cv_str k, value;

	row_key(domain, &key);
	k = cv_buf_view(&key);
	if (cv_meta_read(s->o.engine, STS_ACCT, &k, 1, &value, &hold, NULL, &err) != CV_OK)
		cv_log(0, CV_ERROR, "sts.unreadable", "domain=%s error=\"%s\"", domain, err.text);
	else if (value.p)
		e = decode(value);
	cv_buf_done(&key);
	cv_buf_done(&hold);
	if (e && is_over(e)) {
		smtpd_sts_entry_unref(e);
		return NULL;
	}
	return e;
}

static enum cv_status
commit(struct smtpd_sts *s, const struct cv_put *puts, size_t count, struct cv_err *err)
{
	struct cv_batch batch = { .acct = STS_ACCT, .expect = CV_VERSION_ANY, .puts = puts,
		.count = count };
	cv_ticket ticket;
	enum cv_status status = cv_meta_commit(s->o.engine, &batch, 1, &ticket, err);

	return status != CV_OK ? status : batch.result;
}

static void
write_row(struct smtpd_sts *s, const char *domain, const struct smtpd_sts_entry *e)
{
	struct cv_buf key = CV_BUF_INIT(300), value = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_err err = { 0 };

	row_key(domain, &key);
	encode(e, &value);
	struct cv_put put = { cv_buf_view(&key), cv_buf_view(&value) };
	enum cv_status status = value.full ? CV_LIMIT : commit(s, &put, 1, &err);
	/* Without the row the policy is fetched again next time. */
	if (status != CV_OK)
		cv_log(0, CV_WARN, "sts.unwritten", "domain=%s status=%s", domain,
			cv_status_name(status));
	cv_buf_done(&key);
	cv_buf_done(&value);
}

/* Rows whose time is over, found when the daemon starts. */
struct sweep {
	struct cv_arena arena;
	struct cv_put puts[SWEEP_ROWS];
	size_t count;
};

static bool
sweep_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct sweep *w = arg;
	struct smtpd_sts_entry *e = decode(value);

	if (!e || is_over(e))
		w->puts[w->count++] = (struct cv_put){ cv_arena_str(&w->arena, key), { NULL, 0 } };
	smtpd_sts_entry_unref(e);
	return w->count < SWEEP_ROWS;
}

static enum cv_status
sweep(struct smtpd_sts *s, struct cv_err *err)
{
	struct sweep *w = cv_calloc(1, sizeof *w);

	w->arena = (struct cv_arena)CV_ARENA_INIT;
	enum cv_status status = cv_meta_scan(s->o.engine, STS_ACCT, CV_STR("M"), CV_STR("N"), 0,
		sweep_row, w, err);

	if (status == CV_OK && w->count)
		status = commit(s, w->puts, w->count, err);
	cv_arena_done(&w->arena);
	free(w);
	return status;
}

/* ---- failures ---- */

static bool
failed_lately(struct smtpd_sts *s, const char *domain)
{
	pthread_mutex_lock(&s->lock);
	int64_t *until = cv_map_get(&s->failures, cv_str_z(domain));
	bool lately = until && *until > cv_mono_ms();
	pthread_mutex_unlock(&s->lock);
	return lately;
}

static void
forget_failures(struct smtpd_sts *s)
{
	struct cv_str key;
	void *value;
	size_t pos = 0;

	while (cv_map_each(&s->failures, &pos, &key, &value))
		free(value);
	cv_map_done(&s->failures);
	cv_map_init(&s->failures);
}

static void
note_failure(struct smtpd_sts *s, const char *domain)
{
	int64_t *until = cv_malloc(sizeof *until);

	*until = cv_mono_ms() + PAUSE_MS;
	pthread_mutex_lock(&s->lock);
	if (s->failures.used >= FAILURES_MAX)
		forget_failures(s);
	free(cv_map_put(&s->failures, cv_str_z(domain), until));
	pthread_mutex_unlock(&s->lock);
}

/* ---- fetching, on the pool ---- */

static void
answer(struct question *q, struct smtpd_sts_entry *e)
{
	if (q->fn)
		q->fn(q->arg, e);
	else
		smtpd_sts_entry_unref(e);
	free(q);
}

static enum cv_status
fetch(struct smtpd_sts *s, const char *domain, struct smtpd_sts_policy *out, struct cv_err *err)
{
	struct sockaddr_storage addrs[ADDRS_MAX];
	struct cv_buf body = CV_BUF_INIT(SMTPD_STS_BYTES_MAX);
	char host[256 + 8];

	if ((size_t)snprintf(host, sizeof host, "mta-sts.%s", domain) > CV_DOMAIN_NAME_MAX)
		return cv_fail(err, CV_INVALID, "the domain is too long");
	size_t count = smtpd_route_host_wait(s->o.resolver, host, s->o.port, s->o.allow_loopback,
		addrs, ADDRS_MAX);
	if (!count)
		return cv_fail(err, CV_TEMPFAIL, "%s has no address that can be asked", host);
	struct cv_https_request r = { .host = host, .port = s->o.port,
		.path = "/.well-known/mta-sts.txt", .addrs = addrs, .addr_count = count,
		.ca_file = s->ca_file, .media_type = "text/plain", .connect_secs = CONNECT_SECS,
		.total_secs = FETCH_SECS, .stop = &s->stop };
	enum cv_status status = cv_https_get(&r, &body, err);
	if (status == CV_OK)
		status = smtpd_sts_parse(cv_buf_view(&body), out, err);
	cv_buf_done(&body);
	return status;
}

static void
fetch_job(void *arg)
{
	static const char *const modes[] = { "absent", "none", "testing", "enforce" };
	struct question *q = arg;
	struct smtpd_sts_entry *e = entry_new();
	struct cv_err err = { 0 };

	enum cv_status status = atomic_load(&q->s->stop)
		? cv_fail(&err, CV_TEMPFAIL, "the daemon is stopping")
		: fetch(q->s, q->domain, &e->policy, &err);
	if (status == CV_OK) {
		e->fetched_secs = cv_wall_secs();
		snprintf(e->id, sizeof e->id, "%s", q->id);
		write_row(q->s, q->domain, e);
		cv_log(0, CV_INFO, "sts.fetched", "domain=%s mode=%s max_age=%u id=%s", q->domain,
			modes[e->policy.mode], e->policy.max_age_secs, e->id);
		smtpd_sts_entry_unref(q->kept);
		answer(q, e);
		return;
	}
	smtpd_sts_entry_unref(e);
	note_failure(q->s, q->domain);
	if (q->s->o.failed && !atomic_load(&q->s->stop))
		q->s->o.failed(q->s->o.arg, q->domain, status, err.text);
	cv_log(0, CV_WARN, "sts.failed", "domain=%s kept=%s error=\"%s\"", q->domain,
		q->kept ? "yes" : "no", err.text);
	answer(q, q->kept);
}

static bool
start_fetch(struct question *q)
{
	struct smtpd_sts *s = q->s;

	pthread_mutex_lock(&s->lock);
	bool started = s->pool && cv_pool_run(s->pool, fetch_job, q) == CV_OK;
	pthread_mutex_unlock(&s->lock);
	return started;
}

/* ---- asking ---- */

/* Exactly one record of MTA-STS, and that well formed: else there is no policy (3.1). */
static bool
read_record(const struct cv_dns_answer *a, char id[SMTPD_STS_ID_MAX + 1])
{
	unsigned records = 0;
	bool good = false;

	for (unsigned i = 0; a->state == CV_DNS_OK && i < a->count; i++) {
		bool is_sts;
		char one[SMTPD_STS_ID_MAX + 1];
		bool fine = smtpd_sts_record(a->records[i].rdata, one, &is_sts);
		records += is_sts;
		if (fine) {
			good = true;
			memcpy(id, one, sizeof one);
		}
	}
	return good && records == 1;
}

static bool
is_old(const struct smtpd_sts_entry *e)
{
	int64_t age = cv_wall_secs() - e->fetched_secs;

	return age > REFRESH_SECS && age > (int64_t)e->policy.max_age_secs / 2;
}

/* Renews what the mail at hand may still use, so that nobody can make it run out by hiding the
 * record (10.2). */
static void
refresh(const struct question *q)
{
	struct question *again = cv_malloc(sizeof *again);

	*again = *q;
	again->fn = NULL;
	again->kept = NULL;
	if (!start_fetch(again))
		free(again);
}

static void
record_found(void *arg, struct cv_dns_answer *a)
{
	struct question *q = arg;
	bool has_record = read_record(a, q->id);

	cv_dns_answer_free(a);
	bool is_same = q->kept && has_record && !strcmp(q->kept->id, q->id);
	bool may_fetch = has_record && !failed_lately(q->s, q->domain);
	if (is_same && may_fetch && is_old(q->kept))
		refresh(q);
	if (!is_same && may_fetch && start_fetch(q))
		return;
	answer(q, q->kept);
}

void
smtpd_sts_find(struct smtpd_sts *s, const char *domain, smtpd_sts_fn *fn, void *arg)
{
	struct question *q = cv_calloc(1, sizeof *q);
	char name[256 + 10];

	*q = (struct question){ .s = s, .fn = fn, .arg = arg };
	snprintf(q->domain, sizeof q->domain, "%s", domain);
	if ((size_t)snprintf(name, sizeof name, "_mta-sts.%s", domain) > CV_DOMAIN_NAME_MAX) {
		answer(q, NULL);
		return;
	}
	q->kept = read_row(s, q->domain);
	cv_resolve(s->o.resolver, name, CV_DNS_TXT, record_found, q);
}

/* ---- life ---- */

enum cv_status
smtpd_sts_new(const struct smtpd_sts_options *o, struct smtpd_sts **out, struct cv_err *err)
{
	struct smtpd_sts *s = cv_calloc(1, sizeof *s);

	s->o = *o;
	s->ca_file = o->ca_file ? cv_strdup(o->ca_file) : NULL;
	atomic_init(&s->stop, false);
	pthread_mutex_init(&s->lock, NULL);
	cv_map_init(&s->failures);
	enum cv_status status = sweep(s, err);
	if (status == CV_OK)
		status = cv_pool_new("mta-sts", FETCHERS, FETCHES_MAX, &s->pool, err);
	if (status != CV_OK) {
		smtpd_sts_free(s);
		return status;
	}
	*out = s;
	return CV_OK;
}

void
smtpd_sts_stop(struct smtpd_sts *s)
{
	pthread_mutex_lock(&s->lock);
	struct cv_pool *pool = s->pool;
	s->pool = NULL;
	pthread_mutex_unlock(&s->lock);
	atomic_store(&s->stop, true);
	cv_pool_free(pool);
}

void
smtpd_sts_free(struct smtpd_sts *s)
{
	if (!s)
		return;
	smtpd_sts_stop(s);
	forget_failures(s);
	cv_map_done(&s->failures);
	pthread_mutex_destroy(&s->lock);
	free(s->ca_file);
	free(s);
}
