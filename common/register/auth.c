/* auth.c - checking a password against the mapped register.
 *
 * The slow hash runs on two threads of its own with a bounded queue. A password that was right is
 * remembered as HMAC(key of this process, account, version of its secret, password), so changing
 * the password forgets it, and the memory of a stopped process is of no use. Every refusal of a
 * name that exists takes as long as one of a name that does not.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/rng.h"
#include "common/net/pool.h"
#include "common/register/auth_impl.h"
#include "common/register/lockout.h"
#include "common/register/password.h"

#define HASH_THREADS 2
#define HASH_QUEUE 512
#define REMEMBERED_MAX 65536

struct remembered {
	uint8_t mac[32];
};
struct cv_auth {
	struct cv_register *reg;
	struct cv_pool *pool;
	struct lockout *lockout;
	uint8_t key[32];
	pthread_mutex_t lock;       /* rank: leaf; guards `cache` */
	struct cv_map cache;        /* account number -> struct remembered */
};
struct job {
	struct cv_auth *auth;
	struct cv_auth_check *check;
	struct auth_subject subject;
	size_t password_n;
	char password[PASSWORD_MAX];
};

enum cv_status
cv_auth_new(struct cv_register *r, struct cv_auth **out, struct cv_err *err)
{
	struct cv_auth *a = cv_calloc(1, sizeof *a);
	a->reg = r;
	a->lockout = lockout_new();
	cv_random(a->key, sizeof a->key);
	pthread_mutex_init(&a->lock, NULL);
	cv_map_init(&a->cache);
	enum cv_status status = cv_pool_new("auth", HASH_THREADS, HASH_QUEUE, &a->pool, err);
	if (status) {
		cv_auth_free(a);
		return status;
	}
	*out = a;
	return CV_OK;
}

static void
forget_all(struct cv_auth *a)
{
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&a->cache, &pos, &key, &value);)
		free(value);
	cv_map_done(&a->cache);
}

void
cv_auth_free(struct cv_auth *a)
{
	if (!a)
		return;
	if (a->pool)
		cv_pool_free(a->pool);
	forget_all(a);
	lockout_free(a->lockout);
	pthread_mutex_destroy(&a->lock);
	cv_wipe(a->key, sizeof a->key);
	free(a);
}

/* ---- the subject ---- */

void
auth_subject_find(struct cv_auth *a, struct cv_str login, const struct sockaddr_storage *peer,
                  struct auth_subject *out)
{
	*out = (struct auth_subject){ .snap = cv_register_get(a->reg) };
	struct cv_reg_hit hit = {0};
	if (login.n <= 320 && cv_str_find(login, '@', 0) < login.n)
		cv_snapshot_find_address(out->snap, login, &hit);
	else if (login.n <= 320)
		cv_snapshot_find(out->snap, login, cv_snapshot_default_domain(out->snap), &hit);
	bool has_login = hit.found == CV_REG_ACCOUNT &&
	                 cv_snapshot_secret(out->snap, hit.account.acct, &out->secret);
	out->is_known = has_login;
	out->account = hit.account;
	out->lock_key = lockout_key(a->lockout, has_login ? hit.account.address : login, peer);
}

void
auth_subject_done(struct auth_subject *s)
{
	cv_snapshot_unref(s->snap);
	s->snap = NULL;
}

bool
auth_is_locked(struct cv_auth *a, const struct auth_subject *s)
{
	return lockout_is_locked(a->lockout, s->lock_key, cv_wall_ms());
}

enum cv_auth_result
auth_conclude(struct cv_auth *a, const struct auth_subject *s, bool was_right)
{
	if (!was_right || !s->is_known) {
		lockout_fail(a->lockout, s->lock_key, cv_wall_ms());
		return CV_AUTH_BAD;
	}
	lockout_clear(a->lockout, s->lock_key);
	if (s->account.state != CV_STATE_ACTIVE)
		return CV_AUTH_SUSPENDED;
	if (s->secret->expires_secs && cv_wall_secs() >= s->secret->expires_secs)
		return CV_AUTH_EXPIRED;
	return CV_AUTH_OK;
}

/* ---- remembered passwords ---- */

static void
mac_of(const struct cv_auth *a, const struct auth_subject *s, struct cv_str password,
       uint8_t out[32])
{
	struct cv_buf text = CV_BUF_INIT(PASSWORD_MAX + 64);
	cv_buf_be64(&text, s->account.acct);
	cv_buf_be32(&text, s->secret->version);
	cv_buf_be64(&text, (uint64_t)s->secret->changed_secs);
	cv_buf_str(&text, password);
	scram_hmac(a->key, cv_buf_view(&text), out);
	cv_wipe(text.p, text.n);
	cv_buf_done(&text);
}

static struct cv_str
cache_key(const cv_acct_no *acct)
{
	return cv_str((const char *)acct, sizeof *acct);
}

static bool
is_remembered(struct cv_auth *a, const struct auth_subject *s, struct cv_str password)
{
	uint8_t mac[32];
	mac_of(a, s, password, mac);
	pthread_mutex_lock(&a->lock);
	const struct remembered *m = cv_map_get(&a->cache, cache_key(&s->account.acct));
	bool same = m && cv_equal_secret(m->mac, mac, sizeof mac);
	pthread_mutex_unlock(&a->lock);
	return same;
}

static void
remember(struct cv_auth *a, const struct auth_subject *s, struct cv_str password)
{
	struct remembered *m = cv_malloc(sizeof *m);
	mac_of(a, s, password, m->mac);
	pthread_mutex_lock(&a->lock);
	if (a->cache.used >= REMEMBERED_MAX)
		forget_all(a);
	free(cv_map_put(&a->cache, cache_key(&s->account.acct), m));
	pthread_mutex_unlock(&a->lock);
}

/* ---- checking ---- */

static void
finish(struct cv_auth_check *c, const struct auth_subject *s, enum cv_auth_result result)
{
	c->result = result;
	c->acct = result == CV_AUTH_BAD || result == CV_AUTH_LOCKED || result == CV_AUTH_BUSY ? 0
		: s->account.acct;
	snprintf(c->address, sizeof c->address, "%.*s", CV_STR_ARGS(c->acct ? s->account.address
		: CV_STR_EMPTY));
	c->done(c);
}

static void
run(void *arg)
{
	struct job *job = arg;
	struct cv_str password = cv_str(job->password, job->password_n);
	bool right = job->subject.secret ? password_check(job->subject.secret->argon, password)
		: password_check_dummy(password);
	if (right)
		remember(job->auth, &job->subject, password);
	enum cv_auth_result result = auth_conclude(job->auth, &job->subject, right);
	finish(job->check, &job->subject, result);
	auth_subject_done(&job->subject);
	cv_wipe(job, sizeof *job);
	free(job);
}

void
cv_auth_verify(struct cv_auth *a, struct cv_auth_check *c)
{
	struct auth_subject s;
	auth_subject_find(a, c->login, c->peer, &s);
	if (auth_is_locked(a, &s)) {
		finish(c, &s, CV_AUTH_LOCKED);
	} else if (!c->password.n || c->password.n > PASSWORD_MAX) {
		finish(c, &s, auth_conclude(a, &s, false));
	} else if (s.secret && is_remembered(a, &s, c->password)) {
		finish(c, &s, auth_conclude(a, &s, true));
	} else {
		struct job *job = cv_malloc(sizeof *job);
		*job = (struct job){
			.auth = a, .check = c, .subject = s, .password_n = c->password.n
		};
		memcpy(job->password, c->password.p, c->password.n);
		if (!cv_pool_run(a->pool, run, job))
			return; /* the job owns the subject now */
		cv_wipe(job, sizeof *job);
		free(job);
		finish(c, &s, CV_AUTH_BUSY);
	}
	auth_subject_done(&s);
}
