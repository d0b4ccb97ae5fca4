/* causes_account.c - finders that look at an account: its state, log-ins, room, routes, limits. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "admin/doctor/diagnose.h"

#define NEAREST_MAX   3
#define NEAREST_FAR   4u
#define NAME_MAX_     64u

static bool
is_state(const struct diagnosis *d, const char *state)
{
	return !strcmp(diagnose_text(d->account, "state"), state);
}

/* ---- no such address ---- */

/* Edits from A to B (insert, delete, change a byte, swap two), at most NEAREST_FAR + 1. */
static unsigned
distance(struct cv_str a, struct cv_str b)
{
	unsigned rows[3][NAME_MAX_ + 1];

	if (a.n > NAME_MAX_ || b.n > NAME_MAX_)
		return NEAREST_FAR + 1;
	for (size_t k = 0; k <= b.n; k++)
		rows[0][k] = (unsigned)k;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];
		row[0] = (unsigned)i;
		for (size_t k = 1; k <= b.n; k++) {
			unsigned change = above[k - 1] + (a.p[i - 1] != b.p[k - 1]);
			row[k] = CV_MIN(CV_MIN(row[k - 1], above[k]) + 1, change);
			if (i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] && a.p[i - 2] == b.p[k - 1])
				row[k] = CV_MIN(row[k], two[k - 2] + 1);
		}
	}
	return rows[a.n % 3][b.n];
}

struct near {
	unsigned far;
	struct cv_str address;
};

static void
keep_nearest(struct near best[NEAREST_MAX], struct near one)
{
	for (size_t i = 0; i < NEAREST_MAX; i++)
		if (one.far < best[i].far) {
			struct near pushed = best[i];
			best[i] = one;
			one = pushed;
		}
}

bool
find_unknown(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	struct near best[NEAREST_MAX] = {{NEAREST_FAR + 1, CV_STR_EMPTY},
		{NEAREST_FAR + 1, CV_STR_EMPTY}, {NEAREST_FAR + 1, CV_STR_EMPTY}};
	struct cv_str local = cv_str_z(d->address);
	struct cv_reg_account a;

	if (d->mid[0] || !d->is_ours || d->hit.found != CV_REG_NONE || d->account)
		return false;
	local = cv_str_sub(local, 0, cv_str_find(local, '@', 0));
	for (size_t i = 0; cv_snapshot_nth(d->snap, i, &a); i++) {
		struct cv_str other = cv_str_sub(a.address, 0, cv_str_find(a.address, '@', 0));
		if (a.state != CV_STATE_RETIRED)
			keep_nearest(best, (struct near){distance(local, other), a.address});
	}
	for (size_t i = 0; i < NEAREST_MAX && best[i].far <= NEAREST_FAR; i++)
		cv_buf_printf(facts, "%s%.*s",
			i ? ", " : admin_say(d->call, "nearest: ", "gần giống: "),
			CV_STR_ARGS(best[i].address));
	return true;
}

bool
find_outside_domain(
	const struct diagnosis *d, CV_UNUSED const void *arg, CV_UNUSED struct cv_buf *facts)
{
	return !d->mid[0] && !d->is_ours;
}

/* ---- state ---- */

/* "22/11/2026 08:00, root", with the reason that was given. */
static void
say_trail(const struct diagnosis *d, const char *action, struct cv_buf *facts)
{
	char when[40];
	const json_t *e;
	size_t i;

	cv_buf_z(facts, diagnose_time(admin_number(d->account, "state_since"), when));
	json_array_foreach(d->trail, i, e)
	{
		if (strcmp(diagnose_text(e, "action"), action) != 0)
			continue;
		cv_buf_printf(facts, ", %s", diagnose_text(e, "actor"));
		if (diagnose_text(e, "reason")[0])
			cv_buf_printf(facts, ": %s", diagnose_text(e, "reason"));
		return;
	}
}

bool
find_retired(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	if (!is_state(d, "retired"))
		return false;
	say_trail(d, "account.retire", facts);
	if (diagnose_text(d->account, "successor")[0])
		cv_buf_printf(facts, "; %s %s", admin_say(d->call, "successor", "người thay"),
			diagnose_text(d->account, "successor"));
	return true;
}

bool
find_by_alias(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	const char *primary = diagnose_text(d->account, "address");

	if (!d->account || !strcmp(primary, d->address))
		return false;
	cv_buf_z(facts, primary);
	return true;
}

bool
find_suspended(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	if (!is_state(d, "suspended"))
		return false;
	say_trail(d, "account.suspend", facts);
	return true;
}

bool
find_dormant(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	static const char *const steps[] = {"", "warned", "no log-in", "withdrawal proposed"};
	static const char *const steps_vi[] = {
		"", "đã nhắc", "đã tắt đăng nhập", "đề nghị thu hồi"};
	json_int_t stage = admin_number(json_object_get(d->account, "unused"), "stage");

	if (stage < 1 || stage >= (json_int_t)CV_COUNT(steps))
		return false;
	cv_buf_z(facts, admin_say(d->call, steps[stage], steps_vi[stage]));
	return true;
}

static bool
logs_in(const struct diagnosis *d)
{
	return diagnose_is_kind(d, "person") || diagnose_is_kind(d, "app");
}

bool
find_no_password(
	const struct diagnosis *d, CV_UNUSED const void *arg, CV_UNUSED struct cv_buf *facts)
{
	return is_state(d, "active") && logs_in(d) &&
	       !json_is_true(json_object_get(d->account, "has_password"));
}

bool
find_first_password_expired(
	const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	int64_t expires = admin_number(d->account, "password_expires");
	char when[40];

	if (!expires || expires > d->now || !is_state(d, "active"))
		return false;
	cv_buf_z(facts, diagnose_time(expires, when));
	return true;
}

bool
find_must_change(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	int64_t expires = admin_number(d->account, "password_expires");
	char when[40];

	if (!json_is_true(json_object_get(d->account, "must_change")) ||
		(expires && expires <= d->now))
		return false;
	if (expires)
		cv_buf_printf(facts, "%s %s", admin_say(d->call, "until", "hạn"),
			diagnose_time(expires, when));
	return true;
}

/* ---- log-ins ---- */

bool
find_locked(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	const json_t *one;
	char when[40];
	size_t i;

	json_array_foreach(d->locked, i, one)
		cv_buf_printf(facts, "%s%s %s %s", i ? "; " : "", diagnose_text(one, "from"),
			admin_say(d->call, "until", "đến"),
			diagnose_time(admin_number(one, "until"), when));
	return json_array_size(d->locked) > 0;
}

/* The newest failure with the reason ARG. */
bool
find_recent_why(const struct diagnosis *d, const void *arg, struct cv_buf *facts)
{
	const json_t *one, *newest = NULL;
	unsigned count = 0;
	char when[40];
	size_t i;

	json_array_foreach(d->recent, i, one)
	{
		if (strcmp(diagnose_text(one, "why"), arg) != 0 || !d->account)
			continue;
		count++;
		if (!newest || admin_number(one, "time") > admin_number(newest, "time"))
			newest = one;
	}
	if (!newest)
		return false;
	cv_buf_printf(facts, "%s %s (%u)", diagnose_text(newest, "from"),
		diagnose_time(admin_number(newest, "time"), when), count);
	return true;
}

/* Logs in, or tries to, under another name than the account's own. */
bool
find_old_name(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	const char *primary = diagnose_text(d->account, "address");
	const json_t *one;
	char when[40];
	size_t i;

	json_array_foreach(d->recent, i, one)
	{
		const char *login = diagnose_text(one, "login");
		if (!strchr(login, '@') || cv_str_ieq(cv_str_z(login), cv_str_z(primary)) ||
			!d->account)
			continue;
		cv_buf_printf(facts, "%s, %s %s", login, diagnose_text(one, "from"),
			diagnose_time(admin_number(one, "time"), when));
		return true;
	}
	return false;
}

bool
find_many_sessions(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	size_t count = json_array_size(d->sessions), most = d->imapd->max_conns_per_user;

	if (!most || count * 10 < most * 9)
		return false;
	cv_buf_printf(facts, "%zu / %zu", count, most);
	return true;
}

/* ---- room ---- */

static void
say_room(json_int_t used, json_int_t limit, struct cv_buf *facts)
{
	char a[32], b[32];

	cv_buf_printf(facts, "%s / %s", diagnose_size(used, a), diagnose_size(limit, b));
}

bool
find_full(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	json_int_t used = admin_number(d->quota, "used"), limit = admin_number(d->quota, "limit");

	if (!limit || used * 100 < limit * 99)
		return false;
	say_room(used, limit, facts);
	return true;
}

bool
find_nearly_full(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	json_int_t used = admin_number(d->quota, "used"), limit = admin_number(d->quota, "limit");

	if (!limit || used * 100 >= limit * 99 || used * 100 < limit * 75)
		return false;
	say_room(used, limit, facts);
	return true;
}

bool
find_pool_full(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	const json_t *pool = json_object_get(d->quota, "pool");
	json_int_t used = admin_number(pool, "used"), limit = admin_number(pool, "limit");

	if (!limit || used * 100 < limit * 95)
		return false;
	cv_buf_printf(facts, "%s: ", diagnose_text(pool, "root"));
	say_room(used, limit, facts);
	return true;
}

bool
find_many(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	json_int_t used = admin_number(d->quota, "messages"),
		   limit = admin_number(d->quota, "limit_messages");

	if (!limit || used * 100 < limit * 90)
		return false;
	cv_buf_printf(facts, "%lld / %lld", (long long)used, (long long)limit);
	return true;
}

/* ---- boxes of several ---- */

bool
find_no_holder(
	const struct diagnosis *d, CV_UNUSED const void *arg, CV_UNUSED struct cv_buf *facts)
{
	bool is_shared = diagnose_is_kind(d, "agency") || diagnose_is_kind(d, "role");

	return is_shared && is_state(d, "active") &&
	       !json_array_size(json_object_get(d->account, "members")) &&
	       !json_array_size(json_object_get(d->account, "delegated"));
}

static bool
names(const json_t *list, const char *address)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *text = json_is_string(one) ? json_string_value(one)
						       : diagnose_text(one, "who");
		if (!strcmp(text, address))
			return true;
	}
	return false;
}

/* With --with: is the person among those who may use the shared box? */
bool
find_no_rights(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	const json_t *box = d->account, *person = d->other;

	if (!box || !person)
		return false;
	if (!strcmp(diagnose_text(box, "kind"), "person")) {
		box = d->other;
		person = d->account;
	}
	if (!strcmp(diagnose_text(box, "kind"), "person"))
		return false;
	const char *who = diagnose_text(person, "address");
	if (names(json_object_get(box, "members"), who) ||
		names(json_object_get(box, "delegated"), who))
		return false;
	cv_buf_printf(facts, "%s → %s", who, diagnose_text(box, "address"));
	return true;
}

/* ---- routes ---- */

static bool
say_forwards(const struct diagnosis *d, bool keeps, struct cv_buf *facts)
{
	const json_t *one;
	bool any = false;
	size_t i;

	json_array_foreach(json_object_get(d->account, "forwards"), i, one)
	{
		if (json_is_false(json_object_get(one, "keep")) == keeps)
			continue;
		cv_buf_printf(facts, "%s%s", any ? ", " : "", diagnose_text(one, "to"));
		any = true;
	}
	return any;
}

bool
find_forwarded(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	return say_forwards(d, true, facts);
}

bool
find_forwarded_away(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	return say_forwards(d, false, facts);
}

bool
find_absence(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	struct cv_reg_route route;
	char when[40];

	if (!d->account || !d->hit.account.has_route ||
		!cv_snapshot_route(d->snap, d->hit.account.acct, &route) ||
		route.absence_until_secs <= d->now || route.absence_from_secs > d->now)
		return false;
	cv_buf_printf(facts, "%s %s", admin_say(d->call, "until", "đến"),
		diagnose_time(route.absence_until_secs, when));
	return true;
}

/* ---- sending ---- */

bool
find_frozen(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	char when[40];

	if (!json_is_true(json_object_get(d->sending, "frozen")))
		return false;
	cv_buf_printf(facts, "%s, %s: %s", diagnose_time(admin_number(d->sending, "since"), when),
		diagnose_text(d->sending, "by"), diagnose_text(d->sending, "reason"));
	return true;
}

bool
find_limit(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	static const char *const rows[][2] = {{"messages", "messages"},
		{"recipients", "recipients"}, {"first_time", "first-time"}};
	const json_t *limits = json_object_get(d->sending, "limits");
	bool any = false;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		json_int_t most = admin_number(limits, rows[i][1]),
			   count = admin_number(d->sending, rows[i][0]);
		if (!most || count < most)
			continue;
		cv_buf_printf(facts, "%s%s %lld / %lld", any ? ", " : "", rows[i][1],
			(long long)count, (long long)most);
		any = true;
	}
	return any;
}
