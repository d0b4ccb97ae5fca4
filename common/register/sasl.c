/* sasl.c - PLAIN (RFC 4616), LOGIN and SCRAM as one kind of object.
 *
 * A password check may end on a pool thread while the connection goes away: the object is then left
 * to the check, which frees it. Its lock guards exactly that meeting.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>

#include "common/register/auth_impl.h"

#define RESPONSE_MAX 4096

enum mechanism { MECH_PLAIN, MECH_LOGIN, MECH_SCRAM, MECH_SCRAM_PLUS };
static const char *const mechanisms[] = {
	[MECH_PLAIN] = "PLAIN", [MECH_LOGIN] = "LOGIN", [MECH_SCRAM] = "SCRAM-SHA-256",
	[MECH_SCRAM_PLUS] = "SCRAM-SHA-256-PLUS",
};

struct cv_sasl {
	enum mechanism mechanism;
	struct cv_sasl_env env;
	struct sockaddr_storage peer;
	struct scram *scram;
	struct cv_buf login;           /* LOGIN: the name between its two steps */
	bool has_asked;                /* LOGIN: "Username:" was sent */
	enum cv_auth_result result;

	pthread_mutex_t lock;          /* rank: above the connection's own */
	struct cv_auth_check check;
	bool is_checking, is_waiting, is_abandoned;
};

struct cv_sasl *
cv_sasl_new(struct cv_str mechanism, const struct cv_sasl_env *env)
{
	for (size_t i = 0; i < CV_COUNT(mechanisms); i++) {
		if (!cv_str_ieq_z(mechanism, mechanisms[i]))
			continue;
		struct cv_sasl *s = cv_calloc(1, sizeof *s);
		s->mechanism = (enum mechanism)i;
		s->env = *env;
		if (env->peer) {
			s->peer = *env->peer;
			s->env.peer = &s->peer;
		}
		s->result = CV_AUTH_BAD;
		cv_buf_init(&s->login, 320);
		pthread_mutex_init(&s->lock, NULL);
		if (i == MECH_SCRAM || i == MECH_SCRAM_PLUS)
			s->scram = scram_new(&s->env, i == MECH_SCRAM_PLUS);
		return s;
	}
	return NULL;
}

static void
destroy(struct cv_sasl *s)
{
	scram_free(s->scram);
	cv_buf_done(&s->login);
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

static void
checked(struct cv_auth_check *c)
{
	struct cv_sasl *s = CV_CONTAINER(c, struct cv_sasl, check);
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

static enum cv_sasl_step
conclude(struct cv_sasl *s)
{
	s->result = s->check.result;
	return s->result == CV_AUTH_OK ? CV_SASL_OK : CV_SASL_FAIL;
}

static enum cv_sasl_step
verify(struct cv_sasl *s, struct cv_str login, struct cv_str password)
{
	s->is_checking = true;
	s->check = (struct cv_auth_check){
		.login = login, .password = password, .peer = s->env.peer, .done = checked,
	};
	cv_auth_verify(s->env.auth, &s->check);
	pthread_mutex_lock(&s->lock);
	s->is_waiting = s->is_checking;
	bool waiting = s->is_waiting;
	pthread_mutex_unlock(&s->lock);
	return waiting ? CV_SASL_WAIT : conclude(s);
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
step_plain(struct cv_sasl *s, struct cv_str response)
{
	if (!response.p)
		return CV_SASL_SEND;
	struct cv_str rest = response, authzid, login;
	if (!cv_str_split(&rest, '\0', &authzid) || !cv_str_split(&rest, '\0', &login) || !rest.p ||
	    !login.n || memchr(rest.p, 0, rest.n))
		return CV_SASL_FAIL;
	if (authzid.n && !cv_str_ieq(authzid, login) && !is_same_account(s, authzid, login))
		return CV_SASL_FAIL;
	return verify(s, login, rest);
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
	return verify(s, cv_buf_view(&s->login), response);
}

enum cv_sasl_step
cv_sasl_step(struct cv_sasl *s, struct cv_str response, struct cv_buf *out)
{
	if (response.n > RESPONSE_MAX)
		return CV_SASL_FAIL;
	switch (s->mechanism) {
	case MECH_PLAIN:
		return step_plain(s, response);
	case MECH_LOGIN:
		return step_login(s, response, out);
	default:
		return scram_step(s->scram, response, out);
	}
}

enum cv_sasl_step
cv_sasl_resume(struct cv_sasl *s, struct cv_buf *out)
{
	(void)out; /* no mechanism has data left when a check ends */
	pthread_mutex_lock(&s->lock);
	bool checking = s->is_checking;
	pthread_mutex_unlock(&s->lock);
	return checking ? CV_SASL_WAIT : conclude(s);
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
