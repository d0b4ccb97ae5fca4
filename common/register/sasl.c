/* sasl.c - PLAIN (RFC 4616), LOGIN, SCRAM, EXTERNAL and tokens as one kind of object.
 *
 * A password check may end on a pool thread while the connection goes away: the object is then left
 * to the check, which frees it. Its lock guards exactly that meeting.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>

#include "common/register/auth_impl.h"
#include "common/register/bearer.h"
#include "common/register/oauth.h"

#define RESPONSE_MAX 4096
#define BEARER_RESPONSE_MAX (BEARER_TOKEN_MAX + 1024)

enum mechanism {
	MECH_PLAIN, MECH_LOGIN, MECH_SCRAM, MECH_SCRAM_PLUS, MECH_EXTERNAL, MECH_OAUTHBEARER,
	MECH_XOAUTH2
};
static const char *const mechanisms[] = {
	[MECH_PLAIN] = "PLAIN", [MECH_LOGIN] = "LOGIN", [MECH_SCRAM] = "SCRAM-SHA-256",
	[MECH_SCRAM_PLUS] = "SCRAM-SHA-256-PLUS", [MECH_EXTERNAL] = "EXTERNAL",
	[MECH_OAUTHBEARER] = "OAUTHBEARER", [MECH_XOAUTH2] = "XOAUTH2",
};

struct cv_sasl {
	enum mechanism mechanism;
	struct cv_sasl_env env;
	struct sockaddr_storage peer;
	struct scram *scram;
	struct cv_buf login;           /* LOGIN: the name between its two steps */
	bool has_asked;                /* LOGIN: "Username:" was sent */
	enum cv_auth_result result;
	struct cv_tls_cert cert;       /* EXTERNAL: the peer's */
	struct cv_buf user;            /* tokens: whom the client wants to be; may be empty */
	struct cv_oauth_check token;
	bool has_explained;            /* tokens: the failure was told, its answer is awaited */

	pthread_mutex_t lock;          /* rank: above the connection's own */
	struct cv_auth_check check;
	bool is_checking, is_waiting, is_abandoned;
};

/* Whether the connection can use it; CERT gets the certificate that EXTERNAL needs. */
static bool
is_offered(const struct cv_sasl_env *env, enum mechanism m, struct cv_tls_cert *cert)
{
	struct cv_buf binding = CV_BUF_INIT(1024);
	bool bound = false;
	switch (m) {
	case MECH_SCRAM_PLUS:
		bound = env->channel_binding &&
			(env->channel_binding(env->arg, "tls-exporter", &binding) == CV_OK ||
			 env->channel_binding(env->arg, "tls-server-end-point", &binding) == CV_OK);
		cv_buf_done(&binding);
		return bound;
	case MECH_EXTERNAL:
		return env->client_cert && env->client_cert(env->arg, cert) &&
		       external_has_account(env->auth, cert, env->use);
	case MECH_OAUTHBEARER:
	case MECH_XOAUTH2:
		return auth_oauth(env->auth) && is_offered(env, MECH_SCRAM_PLUS, NULL);
	default:
		return true;
	}
}

void
cv_sasl_mechanisms(const struct cv_sasl_env *env, const char *prefix, struct cv_buf *out)
{
	struct cv_tls_cert *cert = cv_malloc(sizeof *cert);
	for (size_t i = 0; i < CV_COUNT(mechanisms); i++)
		if (is_offered(env, (enum mechanism)i, cert))
			cv_buf_printf(out, "%s%s", prefix, mechanisms[i]);
	free(cert);
}

static struct cv_sasl *
begin(enum mechanism m, const struct cv_sasl_env *env)
{
	struct cv_sasl *s = cv_calloc(1, sizeof *s);
	if (!is_offered(env, m, &s->cert)) {
		free(s);
		return NULL;
	}
	s->mechanism = m;
	s->env = *env;
	if (env->peer) {
		s->peer = *env->peer;
		s->env.peer = &s->peer;
	}
	s->result = CV_AUTH_BAD;
	cv_buf_init(&s->login, 320);
	cv_buf_init(&s->user, 320);
	pthread_mutex_init(&s->lock, NULL);
	if (m == MECH_SCRAM || m == MECH_SCRAM_PLUS)
		s->scram = scram_new(&s->env, m == MECH_SCRAM_PLUS);
	return s;
}

struct cv_sasl *
cv_sasl_new(struct cv_str mechanism, const struct cv_sasl_env *env)
{
	for (size_t i = 0; i < CV_COUNT(mechanisms); i++)
		if (cv_str_ieq_z(mechanism, mechanisms[i]))
			return begin((enum mechanism)i, env);
	return NULL;
}

static void
destroy(struct cv_sasl *s)
{
	scram_free(s->scram);
	cv_buf_done(&s->login);
	cv_buf_done(&s->user);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void
cv_sasl_free(struct cv_sasl *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	bool checking = s->is_checking;
	s->is_abandoned = true;
	pthread_mutex_unlock(&s->lock);
	if (!checking)
		destroy(s);
}

/* Whatever was under way has ended: the connection goes on, or the object goes. */
static void
ended(struct cv_sasl *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_checking = false;
	bool abandoned = s->is_abandoned;
	/* Under the lock: cv_sasl_free() cannot pass, so the connection is still there. */
	if (!abandoned && s->is_waiting && s->env.wake)
		s->env.wake(s->env.arg);
	pthread_mutex_unlock(&s->lock);
	if (abandoned)
		destroy(s);
}

static void
checked(struct cv_auth_check *c)
{
	ended(CV_CONTAINER(c, struct cv_sasl, check));
}

/* RFC 7628 3.2.3: why, as JSON in a challenge; the client answers with nothing, and then fails. */
static enum cv_sasl_step
explain(struct cv_sasl *s, const char *status, struct cv_buf *out)
{
	const char *scope = cv_oauth_scope(auth_oauth(s->env.auth));
	s->has_explained = true;
	if (s->mechanism == MECH_XOAUTH2)
		cv_buf_printf(out, "{\"status\":\"400\",\"schemes\":\"Bearer\"");
	else
		cv_buf_printf(out, "{\"status\":\"%s\"", status);
	if (scope[0])
		cv_buf_printf(out, ",\"scope\":\"%s\"", scope);
	cv_buf_c(out, '}');
	return CV_SASL_SEND;
}

static bool
takes_tokens(const struct cv_sasl *s)
{
	return s->mechanism == MECH_OAUTHBEARER || s->mechanism == MECH_XOAUTH2;
}

static enum cv_sasl_step
conclude(struct cv_sasl *s, struct cv_buf *out)
{
	s->result = s->check.result;
	if (s->result == CV_AUTH_OK)
		return CV_SASL_OK;
	if (takes_tokens(s) && s->result == CV_AUTH_BAD)
		return explain(s, "invalid_token", out);
	return CV_SASL_FAIL;
}

/* After something was begun with is_checking set. */
static enum cv_sasl_step
await(struct cv_sasl *s, struct cv_buf *out)
{
	pthread_mutex_lock(&s->lock);
	s->is_waiting = s->is_checking;
	bool waiting = s->is_waiting;
	pthread_mutex_unlock(&s->lock);
	return waiting ? CV_SASL_WAIT : conclude(s, out);
}

/* The failure is told when its time has come. */
static enum cv_sasl_step
fail_later(struct cv_sasl *s, enum cv_auth_result result, const struct lockout_id *id,
           struct cv_buf *out)
{
	s->is_checking = true;
	s->check.result = result;
	s->check.done = checked;
	auth_hold(s->env.auth, id, &s->check);
	return await(s, out);
}

static enum cv_sasl_step
verify(struct cv_sasl *s, struct cv_str login, struct cv_str password, bool must_fail,
       struct cv_buf *out)
{
	s->is_checking = true;
	s->check = (struct cv_auth_check){
		.login = login, .password = password, .peer = s->env.peer, .use = s->env.use,
		.must_fail = must_fail, .done = checked,
	};
	cv_auth_verify(s->env.auth, &s->check);
	return await(s, out);
}

/* The identity to act as must be the one that logs in. */
static bool
is_same_account(struct cv_sasl *s, struct cv_str a, struct cv_str b)
{
	struct auth_subject one, two;
	auth_subject_find(s->env.auth, a, s->env.peer, &one);
	auth_subject_find(s->env.auth, b, s->env.peer, &two);
	bool same = one.is_known ? two.is_known && one.account.acct == two.account.acct
		: !two.is_known;
	auth_subject_done(&one);
	auth_subject_done(&two);
	return same;
}

static enum cv_sasl_step
step_plain(struct cv_sasl *s, struct cv_str response, struct cv_buf *out)
{
	if (!response.p)
		return CV_SASL_SEND;
	struct cv_str rest = response, authzid, login;
	if (!cv_str_split(&rest, '\0', &authzid) || !cv_str_split(&rest, '\0', &login) || !rest.p ||
	    !login.n || memchr(rest.p, 0, rest.n))
		return CV_SASL_FAIL;
	/* Another identity fails as a wrong password does, and as slowly: whether a name exists is
	 * nobody's business. */
	bool is_other = authzid.n && !cv_str_ieq(authzid, login) &&
	                !is_same_account(s, authzid, login);
	return verify(s, login, rest, is_other, out);
}

static enum cv_sasl_step
step_login(struct cv_sasl *s, struct cv_str response, struct cv_buf *out)
{
	if (!response.p && !s->has_asked) {
		s->has_asked = true;
		cv_buf_z(out, "Username:");
		return CV_SASL_SEND;
	}
	if (!s->login.n) {
		cv_buf_str(&s->login, response);
		if (!s->login.n || s->login.full || memchr(s->login.p, 0, s->login.n))
			return CV_SASL_FAIL;
		cv_buf_z(out, "Password:");
		return CV_SASL_SEND;
	}
	return verify(s, cv_buf_view(&s->login), response, false, out);
}

static enum cv_sasl_step
step_scram(struct cv_sasl *s, struct cv_str response, struct cv_buf *out)
{
	enum cv_sasl_step step = scram_step(s->scram, response, out);
	if (step != CV_SASL_FAIL)
		return step;
	return fail_later(s, scram_result(s->scram), scram_lock(s->scram), out);
}

static enum cv_sasl_step
step_external(struct cv_sasl *s, struct cv_str response, struct cv_buf *out)
{
	struct lockout_id id;
	if (!response.p)
		return CV_SASL_SEND; /* an empty challenge asks for the authorisation identity */
	if (response.n > 320 || memchr(response.p, 0, response.n))
		return CV_SASL_FAIL;
	s->check = (struct cv_auth_check){ .use = s->env.use };
	external_check(s->env.auth, &s->cert, response, &s->check);
	if (s->check.result == CV_AUTH_OK)
		return conclude(s, out);
	auth_network_failed(s->env.auth, s->env.peer, &id);
	return fail_later(s, s->check.result, &id, out);
}

/* ---- tokens ---- */

/* The account that the token's claim names, if the client wanted no other. */
static void
find_owner(struct cv_sasl *s)
{
	struct auth_subject subject;
	struct cv_reg_hit hit;
	auth_subject_find(s->env.auth, CV_STR_EMPTY, s->env.peer, &subject); /* for its snapshot */
	auth_find_name(subject.snap, cv_str_z(s->token.name), &hit);
	bool is_his = hit.found == CV_REG_ACCOUNT && auth_may_log_in(&hit.account);
	if (is_his && s->user.n) {
		struct cv_reg_hit other;
		auth_find_name(subject.snap, cv_buf_view(&s->user), &other);
		is_his = other.found == CV_REG_ACCOUNT && other.account.acct == hit.account.acct;
	}
	s->check.result = !is_his ? CV_AUTH_BAD
		: hit.account.state == CV_STATE_ACTIVE ? CV_AUTH_OK : CV_AUTH_SUSPENDED;
	s->check.acct = is_his ? hit.account.acct : 0;
	snprintf(s->check.address, sizeof s->check.address, "%.*s",
	         CV_STR_ARGS(is_his ? hit.account.address : CV_STR_EMPTY));
	auth_subject_done(&subject);
}

static void
introspected(struct cv_oauth_check *c)
{
	static const enum cv_auth_result results[] = {
		[CV_OAUTH_GOOD] = CV_AUTH_OK, [CV_OAUTH_BAD] = CV_AUTH_BAD,
		[CV_OAUTH_DOWN] = CV_AUTH_DOWN, [CV_OAUTH_BUSY] = CV_AUTH_BUSY,
	};
	struct cv_sasl *s = CV_CONTAINER(c, struct cv_sasl, token);
	struct lockout_id id;
	s->check.result = results[c->result];
	if (c->result == CV_OAUTH_GOOD)
		find_owner(s);
	if (s->check.result != CV_AUTH_BAD && s->check.result != CV_AUTH_SUSPENDED) {
		ended(s);
		return;
	}
	auth_network_failed(s->env.auth, s->env.peer, &id);
	auth_hold(s->env.auth, &id, &s->check);
}

static enum cv_sasl_step
step_token(struct cv_sasl *s, struct cv_str response, struct cv_buf *out)
{
	if (s->has_explained)
		return CV_SASL_FAIL; /* whatever the client answered */
	if (!response.p)
		return CV_SASL_SEND;
	struct cv_str token;
	bool good = s->mechanism == MECH_XOAUTH2
		? bearer_parse_xoauth2(response, &s->user, &token)
		: bearer_parse_oauthbearer(response, &s->user, &token);
	if (!good)
		return explain(s, "invalid_request", out);
	s->check = (struct cv_auth_check){ .done = checked };
	s->token = (struct cv_oauth_check){ .token = token, .done = introspected };
	s->is_checking = true;
	cv_oauth_verify(auth_oauth(s->env.auth), &s->token);
	return await(s, out);
}

enum cv_sasl_step
cv_sasl_step(struct cv_sasl *s, struct cv_str response, struct cv_buf *out)
{
	if (response.n > (takes_tokens(s) ? BEARER_RESPONSE_MAX : RESPONSE_MAX))
		return CV_SASL_FAIL;
	switch (s->mechanism) {
	case MECH_PLAIN:
		return step_plain(s, response, out);
	case MECH_LOGIN:
		return step_login(s, response, out);
	case MECH_EXTERNAL:
		return step_external(s, response, out);
	case MECH_OAUTHBEARER:
	case MECH_XOAUTH2:
		return step_token(s, response, out);
	default:
		return step_scram(s, response, out);
	}
}

enum cv_sasl_step
cv_sasl_resume(struct cv_sasl *s, struct cv_buf *out)
{
	pthread_mutex_lock(&s->lock);
	bool checking = s->is_checking;
	pthread_mutex_unlock(&s->lock);
	return checking ? CV_SASL_WAIT : conclude(s, out);
}

enum cv_auth_result
cv_sasl_result(const struct cv_sasl *s)
{
	return s->scram ? scram_result(s->scram) : s->result;
}

cv_acct_no
cv_sasl_acct(const struct cv_sasl *s)
{
	if (s->scram)
		return scram_acct(s->scram);
	return s->result == CV_AUTH_OK ? s->check.acct : 0;
}

const char *
cv_sasl_address(const struct cv_sasl *s)
{
	return s->scram ? scram_address(s->scram) : s->check.address;
}

const char *
cv_sasl_tried(const struct cv_sasl *s)
{
	return s->scram ? scram_tried(s->scram) : s->check.tried;
}

const char *
cv_sasl_device(const struct cv_sasl *s)
{
	return s->scram ? scram_device(s->scram) : s->check.device;
}
