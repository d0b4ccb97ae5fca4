/* oauth.c - see oauth.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/oauth.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/https.h"
#include "common/net/pool.h"
#include "common/register/bearer.h"
#include "common/register/password.h"

#define ASK_THREADS 4
#define ASK_QUEUE 256
#define CONNECT_SECS 3
#define TOTAL_SECS 8
#define ANSWER_MAX (64u << 10)
#define GOOD_SECS 600
#define BAD_SECS 10
#define FAULTS_MAX 3u
#define REST_MS 2000
#define SETS 2048
#define WAYS 4

struct kept {
	uint8_t sha256[32];
	int64_t until_secs;  /* 0: free */
	char *name;          /* NULL: not good */
};
struct cv_oauth {
	char *host, *path, *credentials, *ca_file, *claim, *scope;
	unsigned port;
	struct cv_pool *pool;
	atomic_bool stop;
	atomic_uint faults;              /* in a row */
	_Atomic int64_t rest_until_ms;
	pthread_mutex_t lock;            /* rank: leaf; guards `kept` */
	struct kept kept[SETS][WAYS];
};
struct job {
	struct cv_oauth *oauth;
	struct cv_oauth_check *check;
	uint8_t sha256[32];
	size_t token_n;
	char token[BEARER_TOKEN_MAX];
};

/* ---- opening ---- */

/* "https://host[:port]/path"; an address in brackets is not taken. */
static enum cv_status
take_url(struct cv_oauth *o, const char *url, struct cv_err *err)
{
	struct cv_str rest = cv_str_z(url);
	if (!cv_str_has_iprefix(rest, "https://"))
		return cv_fail(err, CV_INVALID, "oauth_introspection_url must begin with https://");
	rest = cv_str_sub(rest, 8, rest.n);
	size_t slash = cv_str_find(rest, '/', 0), colon = cv_str_find(rest, ':', 0);
	uint64_t port = 443;
	bool has_port = colon < slash;
	struct cv_str host = cv_str_sub(rest, 0, has_port ? colon : slash);
	if (!host.n || memchr(rest.p, '@', rest.n) || memchr(rest.p, '#', rest.n) ||
	    (has_port && (cv_str_u64(cv_str_sub(rest, colon + 1, slash), 65535, &port) || !port)))
		return cv_fail(err, CV_INVALID, "oauth_introspection_url: '%s' is no address", url);
	o->host = cv_str_dup(host);
	o->port = (unsigned)port;
	o->path = slash < rest.n ? cv_str_dup(cv_str_sub(rest, slash, rest.n)) : cv_strdup("/");
	return CV_OK;
}

/* application/x-www-form-urlencoded, as RFC 6749 2.3.1 wants both halves of the credentials. */
static void
form_encode(struct cv_str s, struct cv_buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (cv_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c && strchr("-._~", c)))
			cv_buf_c(out, (char)c);
		else
			cv_buf_printf(out, "%%%02X", c);
	}
}

static enum cv_status
take_credentials(struct cv_oauth *o, const char *file, struct cv_err *err)
{
	char text[1024];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
	int saved = errno;
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return cv_fail_errno(err, CV_INVALID, saved, "cannot read %s", file);
	struct cv_str rest = cv_str(text, (size_t)n);
	struct cv_str line = cv_str_trim(cv_str_sub(rest, 0, cv_str_find(rest, '\n', 0)));
	size_t colon = cv_str_find(line, ':', 0);
	if (!colon || colon >= line.n || (size_t)n == sizeof text) {
		cv_wipe(text, sizeof text);
		return cv_fail(err, CV_INVALID, "%s must hold one line 'id:secret'", file);
	}
	struct cv_buf out = CV_BUF_INIT(4096);
	form_encode(cv_str_sub(line, 0, colon), &out);
	cv_buf_c(&out, ':');
	form_encode(cv_str_sub(line, colon + 1, line.n), &out);
	o->credentials = cv_str_dup(cv_buf_view(&out));
	cv_wipe(out.p, out.n);
	cv_buf_done(&out);
	cv_wipe(text, sizeof text);
	return CV_OK;
}

enum cv_status
cv_oauth_new(const struct cv_oauth_options *options, struct cv_oauth **out, struct cv_err *err)
{
	static const char *const claims[] = { "username", "email", "sub" };
	struct cv_oauth *o = cv_calloc(1, sizeof *o);
	pthread_mutex_init(&o->lock, NULL);
	bool is_claim = false;
	for (size_t i = 0; i < CV_COUNT(claims); i++)
		is_claim = is_claim || !strcmp(options->claim, claims[i]);
	o->claim = cv_strdup(options->claim);
	o->scope = cv_strdup(options->scope ? options->scope : "");
	if (options->ca_file && options->ca_file[0])
		o->ca_file = cv_strdup(options->ca_file);
	enum cv_status status = take_url(o, options->url, err);
	if (!status && !is_claim)
		status = cv_fail(err, CV_INVALID,
			"oauth_claim: '%s' is none of username, email, sub", options->claim);
	if (!status)
		status = take_credentials(o, options->client_file, err);
	if (!status)
		status = cv_pool_new("oauth", ASK_THREADS, ASK_QUEUE, &o->pool, err);
	if (status)
		cv_oauth_free(o);
	else
		*out = o;
	return status;
}

void
cv_oauth_free(struct cv_oauth *o)
{
	if (!o)
		return;
	atomic_store(&o->stop, true);
	if (o->pool)
		cv_pool_free(o->pool);
	for (size_t i = 0; i < (size_t)SETS * WAYS; i++)
		free(o->kept[i / WAYS][i % WAYS].name);
	if (o->credentials)
		cv_wipe(o->credentials, strlen(o->credentials));
	free(o->credentials);
	free(o->host);
	free(o->path);
	free(o->ca_file);
	free(o->claim);
	free(o->scope);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

const char *
cv_oauth_scope(const struct cv_oauth *o)
{
	return o->scope;
}

/* ---- what is kept ---- */

static struct kept *
set_of(struct cv_oauth *o, const uint8_t sha256[32])
{
	return o->kept[(sha256[0] | (unsigned)sha256[1] << 8) % SETS];
}

/* The answer known for the token; false when there is none. */
static bool
recall(struct cv_oauth *o, const uint8_t sha256[32], struct cv_oauth_check *c)
{
	int64_t now = cv_wall_secs();
	bool found = false;
	pthread_mutex_lock(&o->lock);
	const struct kept *set = set_of(o, sha256);
	for (size_t i = 0; i < WAYS && !found; i++) {
		if (set[i].until_secs <= now || memcmp(set[i].sha256, sha256, 32))
			continue;
		found = true;
		c->result = set[i].name ? CV_OAUTH_GOOD : CV_OAUTH_BAD;
		snprintf(c->name, sizeof c->name, "%s", set[i].name ? set[i].name : "");
	}
	pthread_mutex_unlock(&o->lock);
	return found;
}

/* Free places first, then bad tokens, then what ends soonest: guesses push no good token out as
 * long as there is another guess. */
static struct kept *
worst_of(struct kept *set, int64_t now)
{
	struct kept *worst = &set[0];
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].until_secs <= now)
			return &set[i];
		bool is_worse = !set[i].name == !worst->name ? set[i].until_secs < worst->until_secs
		                                             : !set[i].name;
		if (is_worse)
			worst = &set[i];
	}
	return worst;
}

static void
keep(struct cv_oauth *o, const uint8_t sha256[32], const char *name, int64_t until_secs)
{
	int64_t now = cv_wall_secs();
	pthread_mutex_lock(&o->lock);
	struct kept *set = set_of(o, sha256), *place = NULL;
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].until_secs && !memcmp(set[i].sha256, sha256, 32))
			place = &set[i];
	if (!place)
		place = worst_of(set, now);
	free(place->name);
	*place = (struct kept){ .until_secs = until_secs, .name = name ? cv_strdup(name) : NULL };
	memcpy(place->sha256, sha256, 32);
	pthread_mutex_unlock(&o->lock);
}

/* ---- asking ---- */

/* Is WANT among the blank-separated words of SCOPE? */
static bool
has_scope(const char *scope, const char *want)
{
	struct cv_str rest = cv_str_z(scope ? scope : ""), word;
	while (cv_str_split(&rest, ' ', &word))
		if (cv_str_eq_z(word, want))
			return true;
	return false;
}

/* The name in a good answer, or NULL; *END_OUT is when the token ends. */
static const char *
judge(const struct cv_oauth *o, const json_t *answer, int64_t *end_out)
{
	int64_t now = cv_wall_secs();
	const json_t *exp = json_object_get(answer, "exp"), *nbf = json_object_get(answer, "nbf");
	const json_t *name = json_object_get(answer, o->claim);
	if (!json_is_true(json_object_get(answer, "active")))
		return NULL;
	*end_out = json_is_number(exp) ? (int64_t)json_number_value(exp) : INT64_MAX;
	if (*end_out <= now || (json_is_number(nbf) && (int64_t)json_number_value(nbf) > now + 60))
		return NULL;
	const char *scope = json_string_value(json_object_get(answer, "scope"));
	if (o->scope[0] && !has_scope(scope, o->scope))
		return NULL;
	size_t n = json_string_length(name);
	return json_is_string(name) && n && n < 320 && !memchr(json_string_value(name), 0, n)
		? json_string_value(name) : NULL;
}

static enum cv_status
ask(struct cv_oauth *o, struct cv_str token, struct cv_buf *answer, struct cv_err *err)
{
	struct cv_buf form = CV_BUF_INIT(BEARER_TOKEN_MAX * 3 + 100);
	cv_buf_z(&form, "token=");
	form_encode(token, &form);
	cv_buf_z(&form, "&token_type_hint=access_token");
	struct cv_https_request r = {
		.host = o->host, .port = o->port, .path = o->path, .ca_file = o->ca_file,
		.media_type = "application/json", .connect_secs = CONNECT_SECS,
		.total_secs = TOTAL_SECS, .stop = &o->stop, .credentials = o->credentials,
		.form = cv_buf_view(&form),
	};
	enum cv_status status = cv_https_get(&r, answer, err);
	cv_wipe(form.p, form.n);
	cv_buf_done(&form);
	return status;
}

static void
note_fault(struct cv_oauth *o, const char *why)
{
	cv_log(0, CV_WARN, "oauth.failed", "host=%s error=\"%s\"", o->host, why);
	if (atomic_fetch_add(&o->faults, 1) + 1 >= FAULTS_MAX)
		atomic_store(&o->rest_until_ms, cv_mono_ms() + REST_MS);
}

static void
settle(struct job *job, const json_t *answer)
{
	struct cv_oauth *o = job->oauth;
	struct cv_oauth_check *c = job->check;
	int64_t end = 0, now = cv_wall_secs();
	const char *name = judge(o, answer, &end);
	atomic_store(&o->faults, 0);
	c->result = name ? CV_OAUTH_GOOD : CV_OAUTH_BAD;
	snprintf(c->name, sizeof c->name, "%s", name ? name : "");
	keep(o, job->sha256, name, name ? CV_MIN(end, now + GOOD_SECS) : now + BAD_SECS);
}

static void
run(void *arg)
{
	struct job *job = arg;
	struct cv_oauth_check *c = job->check;
	struct cv_buf body = CV_BUF_INIT(ANSWER_MAX);
	struct cv_err err = {0};
	json_t *answer = NULL;
	c->result = CV_OAUTH_DOWN;
	/* Another connection's question may have been answered while this one waited. */
	if (!recall(job->oauth, job->sha256, c)) {
		if (ask(job->oauth, cv_str(job->token, job->token_n), &body, &err))
			note_fault(job->oauth, err.text);
		else if (!(answer = json_loadb(body.p ? body.p : "", body.n, 0, NULL)) ||
		         !json_is_boolean(json_object_get(answer, "active")))
			note_fault(job->oauth, "the answer is not one of RFC 7662");
		else
			settle(job, answer);
	}
	json_decref(answer);
	cv_buf_done(&body);
	cv_wipe(job, sizeof *job);
	free(job);
	c->done(c);
}

void
cv_oauth_verify(struct cv_oauth *o, struct cv_oauth_check *c)
{
	uint8_t sha256[32];
	c->name[0] = 0;
	c->result = CV_OAUTH_BAD;
	if (!c->token.n || c->token.n > BEARER_TOKEN_MAX) {
		c->done(c);
		return;
	}
	scram_hash((const uint8_t *)c->token.p, c->token.n, sha256);
	if (recall(o, sha256, c)) {
		c->done(c);
		return;
	}
	c->result = CV_OAUTH_DOWN;
	if (cv_mono_ms() >= atomic_load(&o->rest_until_ms)) {
		struct job *job = cv_malloc(sizeof *job);
		*job = (struct job){ .oauth = o, .check = c, .token_n = c->token.n };
		memcpy(job->sha256, sha256, sizeof sha256);
		memcpy(job->token, c->token.p, c->token.n);
		if (!cv_pool_run(o->pool, run, job))
			return;
		cv_wipe(job, sizeof *job);
		free(job);
		c->result = CV_OAUTH_BUSY;
	}
	c->done(c);
}
