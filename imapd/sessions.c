/* sessions.c - who is logged in now, and ending sessions (SEC-05), for `congvu session`. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "imapd/server.h"

/* Sessions that a request means: of one account, of one connection, or all. */
struct wanted {
	bool is_by_account, is_by_id;
	cv_acct_no acct;
	uint64_t id;
};

static enum cv_status
read_wanted(struct imapd *d, const json_t *request, struct wanted *out, struct cv_err *err)
{
	const char *address = json_string_value(json_object_get(request, "account"));
	const json_t *id = json_object_get(request, "id");

	*out = (struct wanted){0};
	if (id) {
		if (!json_is_integer(id) || json_integer_value(id) <= 0)
			return cv_fail(err, CV_INVALID, "\"id\" is the number of a session");
		out->is_by_id = true;
		out->id = (uint64_t)json_integer_value(id);
	}
	if (!address)
		return CV_OK;
	const struct cv_snapshot *snapshot = cv_register_get(d->reg);
	struct cv_reg_hit hit;
	struct cv_str given = cv_str_z(address);
	struct cv_buf whole = CV_BUF_INIT(1000);
	cv_buf_str(&whole, given);
	if (cv_str_find(given, '@', 0) == given.n) { /* short, in the province's domain */
		cv_buf_c(&whole, '@');
		cv_buf_str(&whole, cv_snapshot_default_domain(snapshot));
	}
	cv_snapshot_find_address(snapshot, cv_buf_view(&whole), &hit);
	cv_buf_done(&whole);
	out->is_by_account = true;
	out->acct = hit.account.acct;
	bool is_known = hit.found == CV_REG_ACCOUNT;
	cv_snapshot_unref(snapshot);
	return is_known ? CV_OK : cv_fail(err, CV_NOT_FOUND, "there is no account %s", address);
}

static bool
is_wanted(const struct wanted *w, const struct imapd_login *l)
{
	return (!w->is_by_account || l->acct == w->acct) &&
	       (!w->is_by_id || cv_conn_id(l->conn) == w->id);
}

static json_t *
session_json(const struct imapd_login *l)
{
	return json_pack("{s:I s:s s:s s:s s:b s:I s:I s:I}", "id", (json_int_t)cv_conn_id(l->conn),
		"account", l->address, "protocol", l->protocol, "peer", cv_conn_peer_text(l->conn),
		"tls", l->is_secure, "since", (json_int_t)l->since_secs, "last",
		(json_int_t)atomic_load(&l->last_secs), "commands",
		(json_int_t)atomic_load(&l->commands));
}

/* Walks the sessions that W means. ROWS NULL: ends them. */
static unsigned
visit(struct imapd *d, const struct wanted *w, json_t *rows)
{
	size_t pos = 0;
	struct cv_str key;
	void *value;
	unsigned count = 0;

	pthread_mutex_lock(&d->users_lock);
	while (cv_map_each(&d->users, &pos, &key, &value)) {
		const struct imapd_user *user = value;
		CV_LIST_EACH (link, next, &user->sessions) {
			struct imapd_login *l = CV_CONTAINER(link, struct imapd_login, link);
			if (!is_wanted(w, l))
				continue;
			count++;
			if (rows)
				json_array_append_new(rows, session_json(l));
			else
				cv_conn_kill(l->conn);
		}
	}
	pthread_mutex_unlock(&d->users_lock);
	return count;
}

enum cv_status
imapd_sessions_do(struct imapd *d, const json_t *request, json_t **reply_out, struct cv_err *err)
{
	const char *what = json_string_value(json_object_get(request, "do"));
	bool kills = !strcmp(what, "session.kill");
	struct wanted w;

	if (!kills && strcmp(what, "session.list") != 0)
		return cv_fail(err, CV_INVALID, "unknown request \"%s\"", what);
	enum cv_status status = read_wanted(d, request, &w, err);
	if (status)
		return status;
	if (!kills) {
		json_t *rows = json_array();
		visit(d, &w, rows);
		*reply_out = json_pack("{s:o}", "sessions", rows);
		return CV_OK;
	}
	if (!w.is_by_id && !w.is_by_account)
		return cv_fail(err, CV_INVALID, "say whose session, or which");
	unsigned count = visit(d, &w, NULL);
	cv_log(0, CV_INFO, "imap.sessions_ended", "account=%llu sessions=%u",
		(unsigned long long)w.acct, count);
	*reply_out = json_pack("{s:I}", "ended", (json_int_t)count);
	return CV_OK;
}
