/* auth_recent.c - see auth_recent.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/auth_recent.h"

#include <pthread.h>

#include "common/base/clock.h"
#include "common/net/addr.h"

#define ROWS  4096u
#define SHOWN 50u

struct row {
	cv_acct_no acct; /* 0: no account has that name */
	int64_t secs;    /* 0: free */
	enum auth_why why;
	struct sockaddr_storage peer;
	char login[AUTH_LOGIN_KEPT];
};
struct auth_recent {
	pthread_mutex_t lock; /* rank: leaf */
	size_t next;
	struct row rows[ROWS];
};

struct auth_recent *
auth_recent_new(void)
{
	struct auth_recent *r = cv_calloc(1, sizeof *r);

	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void
auth_recent_free(struct auth_recent *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* May the name that was given be kept? */
static bool
is_ours(const struct auth_subject *s)
{
	struct cv_str login = cv_str_z(s->login);
	size_t at = cv_str_find(login, '@', 0);

	return at < login.n && cv_snapshot_has_domain(s->snap, cv_str_sub(login, at + 1, login.n));
}

void
auth_recent_note(
	struct auth_recent *r, const struct auth_subject *s, enum auth_why why, int64_t now_secs)
{
	if (!s->is_known && !is_ours(s))
		return;
	pthread_mutex_lock(&r->lock);
	struct row *row = &r->rows[r->next++ % ROWS];
	*row = (struct row){.acct = s->is_known ? s->account.acct : 0,
		.secs = now_secs,
		.why = why,
		.peer = s->peer};
	if (is_ours(s))
		memcpy(row->login, s->login, sizeof row->login);
	pthread_mutex_unlock(&r->lock);
}

/* ---- asking ---- */

static bool
is_meant(const struct row *row, cv_acct_no acct, const json_t *request)
{
	const json_t *name;
	size_t i;

	if (row->acct)
		return row->acct == acct;
	json_array_foreach(json_object_get(request, "names"), i, name)
		if (json_is_string(name) &&
			cv_str_ieq_z(cv_str_z(row->login), json_string_value(name)))
			return true;
	const char *address = json_string_value(json_object_get(request, "address"));
	return cv_str_ieq_z(cv_str_z(row->login), address ? address : "");
}

static json_t *
describe(const struct row *row)
{
	static const char *const words[] = {
		"wrong", "outside", "suspended", "expired", "locked", "other-name"};
	char from[80] = "";

	if (row->peer.ss_family)
		cv_sockaddr_text(&row->peer, from, sizeof from);
	return json_pack("{s:I, s:s, s:s, s:s}", "time", (json_int_t)row->secs, "from", from, "why",
		words[row->why], "login", row->login);
}

/* Each network of the rows found once, while its lock lasts. */
static void
add_lock(struct cv_auth *a, struct cv_str address, const struct row *row, json_t *locked)
{
	int64_t now = cv_wall_ms();
	struct lockout_id id = lockout_id(auth_lockout_of(a), address, &row->peer);
	int64_t until = lockout_until(auth_lockout_of(a), &id, now);
	char from[80] = "";
	const json_t *one;
	size_t i;

	if (until <= now)
		return;
	cv_sockaddr_text(&row->peer, from, sizeof from);
	json_array_foreach(locked, i, one)
		if (!strcmp(json_string_value(json_object_get(one, "from")), from))
			return;
	json_array_append_new(
		locked, json_pack("{s:s, s:I}", "from", from, "until", (json_int_t)(until / 1000)));
}

enum cv_status
cv_auth_recent_do(struct cv_auth *a, const json_t *request, json_t **reply_out, struct cv_err *err)
{
	const char *address = json_string_value(json_object_get(request, "address"));
	struct auth_recent *r = auth_recent_of(a);
	json_t *rows = json_array(), *locked = json_array();
	struct auth_subject s;

	if (!address) {
		json_decref(rows);
		json_decref(locked);
		return cv_fail(err, CV_INVALID, "field 'address' is missing");
	}
	auth_subject_find(a, cv_str_z(address), NULL, &s);
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < ROWS && json_array_size(rows) < SHOWN; i++) {
		const struct row *row = &r->rows[(r->next + ROWS - 1 - i) % ROWS];
		if (!row->secs)
			break;
		if (!is_meant(row, s.is_known ? s.account.acct : UINT64_MAX, request))
			continue;
		json_array_append_new(rows, describe(row));
		if (s.is_known)
			add_lock(a, s.account.address, row, locked);
	}
	pthread_mutex_unlock(&r->lock);
	auth_subject_done(&s);
	*reply_out = json_pack("{s:o, s:o}", "recent", rows, "locked", locked);
	return CV_OK;
}
