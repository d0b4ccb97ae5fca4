/* auth.c - checking a password against the mapped register.
 *
 * The slow hash runs on two threads of its own with a bounded queue. A password that was right is
 * remembered as HMAC(key of this process, account, version of its secret, password), so changing
 * the password forgets it, and the memory of a stopped process is of no use. Every refusal of a
 * name that exists takes as long as one of a name that does not, and so does that of a right
 * password from outside: it is not even looked at.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/rng.h"
#include "common/net/addr.h"
#include "common/net/net.h"
#include "common/net/pool.h"
#include "common/register/auth_impl.h"
#include "common/register/auth_recent.h"
#include "common/register/oauth.h"
#include "common/register/password.h"
#include "common/register/totp.h"

#define HASH_THREADS 2
#define HASH_QUEUE 512
#define CROWD_MAX 512
#define REMEMBERED_MAX 65536

struct remembered {
	uint8_t mac[32];
};
struct cv_auth {
	struct cv_register *reg;
	struct cv_pool *pool;
	struct lockout *lockout;
	struct auth_recent *recent;
	struct totp_steps *steps;
	uint8_t key[32];
	pthread_mutex_t lock;       /* rank: leaf; guards `cache` */
	struct cv_map cache;        /* account number -> struct remembered */
	pthread_mutex_t rule_lock;  /* rank: leaf; guards the next two */
	struct cv_netset *inside;   /* NULL: there is no rule */
	bool outside_allowed;
	struct cv_net *net;
	struct cv_oauth *oauth;
	pthread_mutex_t crowd_lock; /* rank: before lockout's; guards the next two */
	struct cv_link crowd;       /* jobs that wait for others of their account and network */
	size_t crowd_count;
};
struct job {
	struct cv_link link;    /* in `crowd` */
	struct cv_auth *auth;
	struct cv_auth_check *check;
	struct auth_subject subject;
	bool is_taken;          /* the account's own password would do */
	bool needs_code;        /* and a code of the second factor */
	char code[TOTP_DIGITS + 1]; /* "" when none was given */
	size_t password_n;
	char password[PASSWORD_MAX];
};

enum cv_status
cv_auth_new(struct cv_register *r, struct cv_auth **out, struct cv_err *err)
{
	struct cv_auth *a = cv_calloc(1, sizeof *a);
	a->reg = r;
	a->lockout = lockout_new();
	a->recent = auth_recent_new();
	a->steps = totp_steps_open(cv_register_dir(r));
	cv_random(a->key, sizeof a->key);
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->rule_lock, NULL);
	pthread_mutex_init(&a->crowd_lock, NULL);
	cv_list_init(&a->crowd);
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
	cv_oauth_free(a->oauth);
	if (a->pool)
		cv_pool_free(a->pool);
	forget_all(a);
	lockout_free(a->lockout);
	auth_recent_free(a->recent);
	totp_steps_close(a->steps);
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->rule_lock);
	pthread_mutex_destroy(&a->crowd_lock);
	cv_netset_free(a->inside);
	cv_wipe(a->key, sizeof a->key);
	free(a);
}

/* ---- what is set ---- */

enum cv_status
cv_auth_set_inside(struct cv_auth *a, const char *inside, bool allowed, struct cv_err *err)
{
	struct cv_netset *set = NULL;
	enum cv_status status = cv_netset_parse(cv_str_z(inside), &set, err);
	if (status)
		return status;
	pthread_mutex_lock(&a->rule_lock);
	struct cv_netset *old = a->inside;
	a->inside = set;
	a->outside_allowed = allowed;
	pthread_mutex_unlock(&a->rule_lock);
	cv_netset_free(old);
	return CV_OK;
}

bool
cv_auth_is_inside(struct cv_auth *a, const struct sockaddr_storage *peer)
{
	pthread_mutex_lock(&a->rule_lock);
	bool is_here = peer && peer->ss_family == AF_UNIX; /* this machine */
	bool inside = !a->inside || a->outside_allowed || is_here ||
		(peer && cv_netset_has(a->inside, peer));
	pthread_mutex_unlock(&a->rule_lock);
	return inside;
}

void
cv_auth_set_net(struct cv_auth *a, struct cv_net *net)
{
	a->net = net;
}

void
cv_auth_set_oauth(struct cv_auth *a, struct cv_oauth *o)
{
	a->oauth = o;
}

struct cv_oauth *
auth_oauth(struct cv_auth *a)
{
	return a->oauth;
}

struct auth_recent *
auth_recent_of(struct cv_auth *a)
{
	return a->recent;
}

struct lockout *
auth_lockout_of(struct cv_auth *a)
{
	return a->lockout;
}

unsigned
cv_auth_unlock(struct cv_auth *a, struct cv_str address)
{
	struct auth_subject s;
	auth_subject_find(a, address, NULL, &s);
	unsigned count = lockout_unlock(a->lockout, s.is_known ? s.account.address : address);
	auth_subject_done(&s);
	return count;
}

/* ---- the subject ---- */

bool
auth_may_log_in(const struct cv_reg_account *account)
{
	return account->kind == CV_KIND_PERSON || account->kind == CV_KIND_APP;
}

void
auth_find_name(const struct cv_snapshot *snap, struct cv_str login, struct cv_reg_hit *out)
{
	memset(out, 0, sizeof *out);
	if (login.n <= 320 && cv_str_find(login, '@', 0) < login.n)
		cv_snapshot_find_address(snap, login, out);
	else if (login.n <= 320)
		cv_snapshot_find(snap, login, cv_snapshot_default_domain(snap), out);
}

void
auth_subject_find(struct cv_auth *a, struct cv_str login, const struct sockaddr_storage *peer,
                  struct auth_subject *out)
{
	*out = (struct auth_subject){ .snap = cv_register_get(a->reg) };
	struct cv_reg_hit hit;
	auth_find_name(out->snap, login, &hit);
	bool has_login = hit.found == CV_REG_ACCOUNT && auth_may_log_in(&hit.account) &&
	                 cv_snapshot_secret(out->snap, hit.account.acct, &out->secret);
	out->is_known = has_login;
	out->account = hit.account;
	out->takes_own = cv_auth_is_inside(a, peer);
	if (has_login)
		out->device_count = cv_snapshot_devices(out->snap, hit.account.acct, &out->devices);
	if (peer)
		out->peer = *peer;
	if (login.n < sizeof out->login)
		snprintf(out->login, sizeof out->login, "%.*s", CV_STR_ARGS(login));
	out->lock = lockout_id(a->lockout, has_login ? hit.account.address : login, peer);
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
	bool locked = lockout_is_locked(a->lockout, &s->lock, cv_wall_ms());
	if (locked)
		auth_recent_note(a->recent, s, AUTH_WHY_LOCKED, cv_wall_secs());
	return locked;
}

bool
auth_device_may(const struct snap_device *d, enum cv_auth_use use)
{
	return use == CV_AUTH_ANY ||
	       (d->scope & (use == CV_AUTH_SEND ? REG_MAY_SEND : REG_MAY_READ)) != 0;
}

static bool
is_by_other_name(const struct auth_subject *s)
{
	struct cv_str login = cv_str_z(s->login);

	return cv_str_find(login, '@', 0) < login.n && !cv_str_ieq(login, s->account.address);
}

enum cv_auth_result
auth_conclude(struct cv_auth *a, const struct auth_subject *s, enum auth_proof proof)
{
	int64_t now = cv_wall_secs();

	if (proof == AUTH_WRONG || !s->is_known) {
		lockout_fail(a->lockout, &s->lock, cv_wall_ms());
		auth_recent_note(
			a->recent, s, s->takes_own ? AUTH_WHY_WRONG : AUTH_WHY_OUTSIDE, now);
		return CV_AUTH_BAD;
	}
	lockout_clear(a->lockout, &s->lock);
	if (s->account.state != CV_STATE_ACTIVE) {
		auth_recent_note(a->recent, s, AUTH_WHY_SUSPENDED, now);
		return CV_AUTH_SUSPENDED;
	}
	if (proof == AUTH_OWN_PASSWORD && s->secret->expires_secs &&
	    now >= s->secret->expires_secs) {
		auth_recent_note(a->recent, s, AUTH_WHY_EXPIRED, now);
		return CV_AUTH_EXPIRED;
	}
	if (is_by_other_name(s))
		auth_recent_note(a->recent, s, AUTH_WHY_OTHER_NAME, now);
	return CV_AUTH_OK;
}

static void
release(void *arg)
{
	struct cv_auth_check *c = arg;
	c->done(c);
}

void
auth_hold(struct cv_auth *a, const struct lockout_id *id, struct cv_auth_check *c)
{
	unsigned ms = lockout_delay_ms(a->lockout, id, cv_wall_ms());
	if (!a->net || !cv_net_after(a->net, ms, release, c))
		c->done(c);
}

void
auth_network_failed(struct cv_auth *a, const struct sockaddr_storage *peer, struct lockout_id *out)
{
	*out = lockout_id(a->lockout, CV_STR_EMPTY, peer);
	lockout_fail_network(a->lockout, out, cv_wall_ms());
}

void
cv_auth_ticket(const struct cv_auth *a, struct cv_str text, uint8_t out[32])
{
	struct cv_buf whole = CV_BUF_INIT(1000); /* no remembered password begins so */
	cv_buf_z(&whole, "ticket ");
	cv_buf_str(&whole, text);
	scram_hmac(a->key, cv_buf_view(&whole), out);
	cv_buf_done(&whole);
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

/* A bad answer waits for its time; RESULT that only says "later" does not. */
static void
finish(struct cv_auth *a, struct cv_auth_check *c, const struct auth_subject *s,
       enum cv_auth_result result)
{
	bool is_his = result == CV_AUTH_OK || result == CV_AUTH_SUSPENDED ||
	              result == CV_AUTH_EXPIRED;
	c->result = result;
	c->acct = is_his ? s->account.acct : 0;
	snprintf(c->address, sizeof c->address, "%.*s",
	         CV_STR_ARGS(is_his ? s->account.address : CV_STR_EMPTY));
	if (result == CV_AUTH_OK || result == CV_AUTH_BUSY)
		c->done(c);
	else
		auth_hold(a, &s->lock, c);
}

/* The app password that PASSWORD is, or NULL. */
static const struct snap_device *
find_app_password(const struct auth_subject *s, const struct cv_auth_check *c)
{
	const struct snap_device *found = NULL;
	uint8_t check[32];
	if (!s->secret || !s->device_count)
		return NULL;
	reg_app_password_check(s->secret->salt, c->password, check);
	for (size_t i = 0; i < s->device_count; i++) {
		const struct snap_device *d = &s->devices[i];
		if (d->type == REG_APP_PASSWORD && auth_device_may(d, c->use) &&
		    cv_equal_secret(d->check, check, sizeof check))
			found = d;
	}
	cv_wipe(check, sizeof check);
	return found;
}

static bool
check_own(const struct auth_subject *s, bool is_taken, struct cv_str password)
{
	if (is_taken && s->secret && s->secret->argon[0])
		return password_check(s->secret->argon, password);
	return password_check_dummy(password);
}

/* Uses the code of JOB up. The password was right. */
static bool
check_code(struct job *job)
{
	const struct auth_subject *s = &job->subject;
	uint64_t step;
	return s->secret && s->secret->has_totp &&
	       totp_match(s->secret->totp, cv_str_z(job->code), cv_wall_secs(), &step) &&
	       totp_steps_take(job->auth->steps, s->account.acct, step);
}

static void
finish_job(struct job *job, enum cv_auth_result result)
{
	finish(job->auth, job->check, &job->subject, result);
	auth_subject_done(&job->subject);
	cv_wipe(job, sizeof *job);
	free(job);
}

static void settle(struct job *job);

/* What waited for a check of ID to end gets its turn. */
static void
wake_crowd(struct cv_auth *a, const struct lockout_id *id)
{
	struct cv_link woken;

	cv_list_init(&woken);
	pthread_mutex_lock(&a->crowd_lock);
	CV_LIST_EACH (link, next, &a->crowd) {
		if (CV_CONTAINER(link, struct job, link)->subject.lock.pair != id->pair)
			continue;
		cv_list_remove(link);
		cv_list_append(&woken, link);
		a->crowd_count--;
	}
	pthread_mutex_unlock(&a->crowd_lock);
	for (struct cv_link *link; (link = cv_list_pop(&woken));)
		settle(CV_CONTAINER(link, struct job, link));
}

static void
run(void *arg)
{
	struct job *job = arg;
	struct cv_auth *a = job->auth;
	struct lockout_id id = job->subject.lock;
	struct cv_str password = cv_str(job->password, job->password_n);
	bool right = check_own(&job->subject, job->is_taken, password);
	bool asks = right && job->needs_code && !job->code[0];
	if (right && job->needs_code)
		right = check_code(job);
	else if (right)
		remember(a, &job->subject, password);
	/* The verdict first: whoever begins meanwhile must find the failure or the try. */
	enum cv_auth_result result = asks ? CV_AUTH_BAD
		: auth_conclude(a, &job->subject, right ? AUTH_OWN_PASSWORD : AUTH_WRONG);
	job->check->lacks_code = asks;
	lockout_end(a->lockout, &id);
	finish_job(job, result);
	wake_crowd(a, &id);
}

/* GO, or the job waits in the crowd; else what to answer. Under one lock, so that the check that it
 * waits for cannot end between the two. */
static enum lockout_answer
begin_or_wait(struct job *job, bool *waits_out)
{
	struct cv_auth *a = job->auth;

	pthread_mutex_lock(&a->crowd_lock);
	enum lockout_answer answer =
		lockout_begin(a->lockout, &job->subject.lock, cv_wall_ms());
	*waits_out = answer == LOCKOUT_CROWDED && a->crowd_count < CROWD_MAX;
	if (*waits_out) {
		cv_list_append(&a->crowd, &job->link);
		a->crowd_count++;
	}
	pthread_mutex_unlock(&a->crowd_lock);
	return answer;
}

/* A mail program that opens many connections at once gives the same right password on each: one is
 * hashed, and the others find it remembered. */
static void
settle(struct job *job)
{
	struct cv_auth *a = job->auth;
	bool waits;

	if (job->is_taken && !job->needs_code && job->subject.secret &&
	    is_remembered(a, &job->subject, cv_str(job->password, job->password_n))) {
		finish_job(job, auth_conclude(a, &job->subject, AUTH_OWN_PASSWORD));
		return;
	}
	enum lockout_answer answer = begin_or_wait(job, &waits);
	if (waits)
		return;
	if (answer == LOCKOUT_GO && !cv_pool_run(a->pool, run, job))
		return;
	if (answer == LOCKOUT_GO) {
		struct lockout_id id = job->subject.lock;
		lockout_end(a->lockout, &id);
		finish_job(job, CV_AUTH_BUSY);
		wake_crowd(a, &id);
		return;
	}
	finish_job(job, answer == LOCKOUT_LOCKED ? CV_AUTH_LOCKED : CV_AUTH_BUSY);
}

/* Outside, a person with a second factor writes its code behind the password. */
static void
split_code(struct job *job)
{
	size_t n = job->password_n;
	if (n <= TOTP_DIGITS)
		return;
	for (size_t i = n - TOTP_DIGITS; i < n; i++)
		if (!cv_is_digit((unsigned char)job->password[i]))
			return;
	memcpy(job->code, job->password + n - TOTP_DIGITS, TOTP_DIGITS);
	job->password_n -= TOTP_DIGITS;
	job->is_taken = true;
	job->needs_code = true;
}

static void
take_code(struct job *job, const struct cv_auth_check *c)
{
	const struct snap_secret *secret = job->subject.secret;
	if (!secret || !secret->has_totp || c->must_fail)
		return;
	if (!job->subject.takes_own)
		split_code(job);
	else if (c->wants_code)
		job->needs_code = true;
	if (job->needs_code && job->subject.takes_own)
		snprintf(job->code, sizeof job->code, "%.*s",
			c->code.n == TOTP_DIGITS ? TOTP_DIGITS : 0, c->code.n ? c->code.p : "");
}

/* The slow way; S becomes the job's. */
static void
check_slowly(struct cv_auth *a, struct cv_auth_check *c, const struct auth_subject *s)
{
	struct job *job = cv_malloc(sizeof *job);
	*job = (struct job){
		.auth = a, .check = c, .subject = *s, .password_n = c->password.n,
		.is_taken = s->takes_own && !c->must_fail,
	};
	cv_list_init(&job->link);
	memcpy(job->password, c->password.p, c->password.n);
	take_code(job, c);
	settle(job);
}

void
cv_auth_verify(struct cv_auth *a, struct cv_auth_check *c)
{
	struct auth_subject s;
	enum cv_auth_result result;
	const struct snap_device *device = NULL;
	c->device[0] = 0;
	c->lacks_code = false;
	auth_subject_find(a, c->login, c->peer, &s);
	snprintf(c->tried, sizeof c->tried, "%.*s",
	         CV_STR_ARGS(s.is_known ? s.account.address : CV_STR_EMPTY));
	if (auth_is_locked(a, &s)) {
		result = CV_AUTH_LOCKED;
	} else if (!c->password.n || c->password.n > PASSWORD_MAX) {
		result = auth_conclude(a, &s, AUTH_WRONG);
	} else if (!c->must_fail && (device = find_app_password(&s, c))) {
		result = auth_conclude(a, &s, AUTH_DEVICE);
		snprintf(c->device, sizeof c->device, "%s", device->name);
	} else if (!c->must_fail && s.takes_own && s.secret &&
		!(c->wants_code && s.secret->has_totp) && is_remembered(a, &s, c->password)) {
		result = auth_conclude(a, &s, AUTH_OWN_PASSWORD);
	} else {
		check_slowly(a, c, &s);
		return;
	}
	finish(a, c, &s, result);
	auth_subject_done(&s);
}
