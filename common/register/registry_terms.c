/* registry_terms.c - on what terms people and programs have accounts: until when and under whom
 * (ACC-11), how often a password is set for them (ACC-12), which rules they accepted (POL-07).
 *
 * Facts of an account: "expires": {"until", "owner", "act", "told"?}; "resets": {"month", "count"};
 * "rules": {"version", "at", "by"}. An account's end is a dated act that suspends it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_people.h"
#include "common/text/calendar.h"
#include "common/text/date.h"

#define WARN_DAYS     14
#define CONTRACT_DAYS 365
#define YEARS_MAX     5
#define DAY_SECS      86400

/* ---- an end and an owner ---- */

static enum cv_status
check_expiry(struct reg_call *c, const struct reg_account *a, const struct reg_account *owner,
             int64_t until, struct cv_err *err)
{
	int64_t now = cv_wall_secs();
	struct cv_str reason;
	enum cv_status status = reg_field(c, c->request, "reason", 400, &reason, err);
	if (status)
		return status;
	if (a->kind != CV_KIND_PERSON && a->kind != CV_KIND_APP)
		return cv_fail(err, CV_INVALID, "%s is no person's or application's account",
		               a->text[T_ADDRESS]);
	if (owner->kind != CV_KIND_PERSON || owner->state != CV_STATE_ACTIVE || owner == a)
		return cv_fail(err, CV_INVALID, "%s is no other person at work who could answer "
			"for it", owner->text[T_ADDRESS]);
	if (until <= now || until > now + (int64_t)YEARS_MAX * 366 * DAY_SECS)
		return cv_fail(err, CV_INVALID, "the last day must lie within %d years to come",
		               YEARS_MAX);
	/* Who works for less than a year gets no account of his own. */
	if (a->kind == CV_KIND_PERSON && !reg_fact(c, a, "expires") && !reason.n &&
	    until - a->created_secs < (int64_t)CONTRACT_DAYS * DAY_SECS - DAY_SECS)
		return cv_fail(err, CV_DENIED, "a contract is for a year at least: give a 'reason' "
			"to make an exception");
	return CV_OK;
}

/* {"address", "until", "owner"?, "reason"?} -> {"address", "until", "dated"}: the account of a
 * contractor or an application ends after that day; OWNER answers for it. Again: extends it. */
enum cv_status
reg_account_expire(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a, *owner = NULL;
	int64_t until = 0;
	bool given;
	uint64_t act;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (!status)
		status = reg_time(c, "until", true, &until, &given, err);
	const json_t *old = status ? NULL : reg_fact(c, a, "expires");
	json_t *kept = json_object_get(old, "owner");
	if (!status && json_object_get(c->request, "owner"))
		status = reg_account_field(c, "owner", &owner, err);
	else if (!status && kept)
		status = reg_account_of(c, cv_str_z(json_string_value(kept)), &owner, err);
	else if (!status)
		status = cv_fail(err, CV_INVALID, "field 'owner' must name who answers for it");
	if (!status)
		status = check_expiry(c, a, owner, until, err);
	if (status)
		return status;
	if (old)
		(void)reg_drop_acts(c, (uint64_t)reg_fact_secs(old, "act"), "extended");
	/* One whose time was up begins again. */
	if (json_is_true(json_object_get(old, "ended")) && a->state == CV_STATE_SUSPENDED) {
		a->state = CV_STATE_ACTIVE;
		a->state_secs = cv_wall_secs();
		reg_save_account(c, a);
	}
	json_t *request = json_pack("{s:s, s:s}", "do", "account.end", "address",
		a->text[T_ADDRESS]);
	status = reg_put_off(c, request, until, 0, &act, err);
	json_decref(request);
	if (status)
		return status;
	json_t *fact = json_pack("{s:I, s:s, s:I}", "until", (json_int_t)until, "owner",
		owner->text[T_ADDRESS], "act", (json_int_t)act);
	json_t *detail = json_pack("{s:O?, s:O, s:O?}", "before", old, "after", fact, "reason",
		json_object_get(c->request, "reason"));
	reg_set_fact(c, a, "expires", fact);
	json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
	json_object_set_new(c->reply, "until", json_integer(until));
	json_object_set_new(c->reply, "dated", json_integer((json_int_t)act));
	return reg_commit(c, "account.expire", a->text[T_ADDRESS], detail, err);
}

/* {"address"}: its time is up: what it may do ends, mail arrives. Waits as a dated act. */
enum cv_status
reg_account_end(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (status)
		return status;
	const json_t *old = reg_fact(c, a, "expires");
	if (!old || reg_fact_secs(old, "until") > cv_wall_secs())
		return c->is_dry ? CV_OK : cv_fail(err, CV_DENIED, "the time of %s is not up",
		                                   a->text[T_ADDRESS]);
	json_t *fact = json_deep_copy(old);
	json_object_set_new(fact, "ended", json_true());
	reg_set_fact(c, a, "expires", fact);
	(void)reg_stay_off(c, a);
	if (a->state == CV_STATE_ACTIVE) {
		a->state = CV_STATE_SUSPENDED;
		a->state_secs = cv_wall_secs();
		reg_save_account(c, a);
	}
	json_object_set_new(c->reply, "changed", json_true());
	return reg_commit(c, "account.end", a->text[T_ADDRESS], NULL, err);
}

/* {"agency"?, "told"?} -> {"accounts": [{"address", "owner", "until", "days", "told"}],
 * "without_owner": applications that have none}: by the day on which they end. */
enum cv_status
reg_expiry_list(struct reg_call *c, struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	int64_t now = cv_wall_secs();
	struct cv_str agency;
	json_t *list = json_array(), *ownerless = json_array();
	enum cv_status status = reg_field(c, c->request, "agency", 12, &agency, err);
	json_object_set_new(c->reply, "accounts", list);
	json_object_set_new(c->reply, "without_owner", ownerless);
	for (size_t i = 0; i < m->count && !status; i++) {
		const struct reg_account *a = m->accounts[i];
		const json_t *fact = reg_fact(c, a, "expires");
		if (a->state == CV_STATE_RETIRED || !reg_caller_sees(c, a->text[T_AGENCY]) ||
		    (agency.n && !reg_is_below(c->r, a->text[T_AGENCY], agency.p)))
			continue;
		if (!fact && a->kind == CV_KIND_APP)
			json_array_append_new(ownerless, json_string(a->text[T_ADDRESS]));
		if (!fact)
			continue;
		int64_t until = reg_fact_secs(fact, "until");
		json_array_append_new(list, json_pack("{s:s, s:O?, s:I, s:I, s:b, s:b}", "address",
			a->text[T_ADDRESS], "owner", json_object_get(fact, "owner"), "until",
			(json_int_t)(until - 1), "days", (json_int_t)((until - now) / DAY_SECS),
			"soon", until > now && until - now <= WARN_DAYS * DAY_SECS, "told",
			json_object_get(fact, "told") != NULL));
	}
	return status;
}

/* {"told": [addresses]} -> {"changed"}: whose owners were warned. */
enum cv_status
reg_expiry_told(struct reg_call *c, struct cv_err *err)
{
	reg_note_told(c, "expires");
	json_object_set_new(c->reply, "changed", json_boolean(c->put_count > 0));
	return c->put_count ? reg_commit(c, "expiry.told", "accounts", NULL, err) : CV_OK;
}

/* ---- passwords set for somebody ---- */

static json_int_t
this_month(void)
{
	struct cv_civil civil;
	cv_civil_from_days(cv_calendar_day(cv_wall_secs()), &civil);
	return civil.year * 12 + civil.month;
}

static json_int_t
resets_this_month(const struct reg_call *c, const struct reg_account *a)
{
	const json_t *old = reg_fact(c, a, "resets");
	return reg_fact_secs(old, "month") == this_month() ? reg_fact_secs(old, "count") : 0;
}

enum cv_status
reg_check_resets(struct reg_call *c, const struct reg_account *a, struct cv_err *err)
{
	if (reg_by_operator(c) ||
	    resets_this_month(c, a) < (json_int_t)c->r->rules.resets_a_month)
		return CV_OK;
	return reg_refuse(c, CV_DENIED,
		"this month's passwords were all given out already: the next one is an "
		"operator's to give",
		"đã cấp lại mật khẩu đủ số lần trong tháng: lần này phải do người vận hành "
		"của tỉnh thực hiện", err);
}

enum cv_status
reg_count_reset(struct reg_call *c, const struct reg_account *a, struct cv_err *err)
{
	enum cv_status status = reg_check_resets(c, a, err);
	if (!status && !reg_by_operator(c))
		reg_set_fact(c, a, "resets", json_pack("{s:I, s:I}", "month", this_month(),
			"count", resets_this_month(c, a) + 1));
	return status;
}

/* ---- the usage rules ---- */

/* {"address", "version"?} -> {"changed"}: the person accepted this version (the present one unless
 * told), today. */
enum cv_status
reg_rules_accept(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	struct cv_str version;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (!status)
		status = reg_field(c, c->request, "version", 40, &version, err);
	if (status)
		return status;
	if (!version.n)
		version = cv_str_z(c->r->rules.rules_version);
	if (!version.n)
		return cv_fail(err, CV_INVALID, "there is no version of the rules: set rules_version");
	if (a->kind != CV_KIND_PERSON)
		return cv_fail(err, CV_INVALID, "%s is no person", a->text[T_ADDRESS]);
	const json_t *old = reg_fact(c, a, "rules");
	const char *had = json_string_value(json_object_get(old, "version"));
	bool changed = !had || !cv_str_eq_z(version, had);
	json_object_set_new(c->reply, "changed", json_boolean(changed));
	if (!changed)
		return CV_OK;
	reg_set_fact(c, a, "rules", json_pack("{s:s%, s:I, s:s}", "version", version.p, version.n,
		"at", (json_int_t)cv_wall_secs(), "by", c->actor));
	return reg_commit(c, "rules.accept", a->text[T_ADDRESS],
		json_pack("{s:s%}", "version", version.p, version.n), err);
}

/* {"agency"?} -> {"version", "accepted": how many, "missing": [{"address", "name", "agency",
 * "version"?}]}: people at work who have not accepted the present version. */
enum cv_status
reg_rules_list(struct reg_call *c, struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	const char *version = c->r->rules.rules_version;
	struct cv_str agency;
	json_int_t accepted = 0;
	json_t *missing = json_array();
	enum cv_status status = reg_field(c, c->request, "agency", 12, &agency, err);
	json_object_set_new(c->reply, "missing", missing);
	json_object_set_new(c->reply, "version", json_string(version));
	for (size_t i = 0; i < m->count && !status && *version; i++) {
		const struct reg_account *a = m->accounts[i];
		if (a->kind != CV_KIND_PERSON || a->state == CV_STATE_RETIRED ||
		    !reg_caller_sees(c, a->text[T_AGENCY]) ||
		    (agency.n && !reg_is_below(c->r, a->text[T_AGENCY], agency.p)))
			continue;
		json_t *had = json_object_get(reg_fact(c, a, "rules"), "version");
		if (had && !strcmp(json_string_value(had), version)) {
			accepted++;
			continue;
		}
		json_array_append_new(missing, json_pack("{s:s, s:s, s:s, s:O?}", "address",
			a->text[T_ADDRESS], "name", a->text[T_NAME], "agency", a->text[T_AGENCY],
			"version", had));
	}
	json_object_set_new(c->reply, "accepted", json_integer(accepted));
	return status;
}
