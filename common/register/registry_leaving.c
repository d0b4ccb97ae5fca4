/* registry_leaving.c - what is left of people who retired: their box for some months, then nothing
 * but the address, which nobody else ever gets (ACC-06, ADR-02).
 *
 * The fact "retired": {"since", "purge_on": a day, "left": [...], "handover"?, "purged"?}. The box
 * is kept to the end of the day "purge_on" at least and is removed by purge.do alone, which
 * somebody asks for by name.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_people.h"
#include "common/text/calendar.h"
#include "common/text/date.h"

#define LEFT_MAX 200u

/* The last day of MONTHS months that begin with DAY. */
static int64_t
last_day_of(int64_t day, unsigned months)
{
	struct cv_civil civil;
	cv_civil_from_days(day, &civil);
	int month = civil.month - 1 + (int)months;
	int year = civil.year + month / 12, last = civil.day;
	month = month % 12 + 1;
	while (!cv_civil_is_valid(year, month, last))
		last--;
	return cv_days_from_civil(year, month, last) - (last == civil.day);
}

static unsigned
keep_months(const struct reg_call *c, const struct reg_account *a)
{
	const struct cv_registry_rules *rules = &c->r->rules;
	return reg_is_leader(a) ? rules->keep_months_leader : rules->keep_months;
}

/* Field "handover": who reads the box from now on. */
static enum cv_status
hand_over(struct reg_call *c, struct reg_account *a, json_t *fact, struct cv_err *err)
{
	struct reg_account *to;
	if (!json_object_get(c->request, "handover"))
		return CV_OK;
	enum cv_status status = reg_account_field(c, "handover", &to, err);
	if (!status && (to->kind != CV_KIND_PERSON || to->state != CV_STATE_ACTIVE || to == a))
		status = cv_fail(err, CV_INVALID, "%s is no other person at work",
		                 to->text[T_ADDRESS]);
	if (!status)
		status = reg_check_scope(c, to->text[T_ADDRESS], to->text[T_AGENCY], err);
	if (!status)
		status = reg_check_not_self(c, a, to, err);
	if (status)
		return status;
	if (!reg_list_has(&a->readers, to->acct)) {
		reg_save_link(c, 'V', a->acct, to->acct, true);
		reg_list_add(&a->readers, to->acct);
	}
	json_object_set_new(fact, "handover", json_string(to->text[T_ADDRESS]));
	return CV_OK;
}

enum cv_status
reg_leaving(struct reg_call *c, struct reg_account *a, bool is_new, struct cv_err *err)
{
	const json_t *old = reg_fact(c, a, "retired");
	json_t *fact = old ? json_deep_copy(old) : json_object();
	if (is_new || !old) {
		int64_t now = c->as_of ? c->as_of : cv_wall_secs();
		int64_t since = is_new ? now : a->state_secs;
		json_t *left = json_array();
		reg_leave_links(c, a, NULL, left);
		while (json_array_size(left) > LEFT_MAX)
			json_array_remove(left, LEFT_MAX);
		json_object_set_new(fact, "since", json_integer(since));
		json_object_set_new(fact, "purge_on", json_integer(
			last_day_of(cv_calendar_day(since), keep_months(c, a))));
		json_object_set(c->reply, "left", left);
		json_object_set_new(fact, "left", left);
	}
	enum cv_status status = hand_over(c, a, fact, err);
	if (status) {
		json_decref(fact);
		return status;
	}
	json_object_set_new(c->reply, "kept_until", json_integer(
		cv_calendar_midnight(reg_fact_secs(fact, "purge_on"))));
	if (old && json_equal(old, fact)) {
		json_decref(fact);
		return CV_OK;
	}
	if (reg_fact(c, a, "second") || reg_fact(c, a, "leave"))
		reg_drop_waiting(c, "account.return", a);
	reg_set_fact(c, a, "second", NULL);
	reg_set_fact(c, a, "leave", NULL);
	reg_set_fact(c, a, "retired", fact);
	return CV_OK;
}

static json_t *
purge_json(const struct reg_account *a, const json_t *fact)
{
	json_int_t day = reg_fact_secs(fact, "purge_on");
	json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I}", "address", a->text[T_ADDRESS], "name",
		a->text[T_NAME], "agency", a->text[T_AGENCY], "since", reg_fact_secs(fact, "since"),
		"kept_until", (json_int_t)cv_calendar_midnight(day));
	if (json_object_get(fact, "handover"))
		json_object_set(o, "handover", json_object_get(fact, "handover"));
	return o;
}

/* {"agency"?, "all"?} -> {"accounts": [{"address", "name", "agency", "since", "kept_until"}]}:
 * whose time is up today; with "all" every retired account whose box is still there. */
enum cv_status
reg_purge_list(struct reg_call *c, struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	struct cv_str agency;
	enum cv_status status = reg_field(c, c->request, "agency", 12, &agency, err);
	if (status)
		return status;
	int64_t today = cv_calendar_day(cv_wall_secs());
	json_t *list = json_array();
	for (size_t i = 0; i < m->count; i++) {
		const struct reg_account *a = m->accounts[i];
		const json_t *fact = reg_fact(c, a, "retired");
		bool is_due = fact && reg_fact_secs(fact, "purge_on") <= today;
		if (a->state != CV_STATE_RETIRED || !fact || json_object_get(fact, "purged") ||
		    (agency.n && !cv_str_eq_z(agency, a->text[T_AGENCY])) ||
		    (!is_due && !reg_flag(c->request, "all", false)))
			continue;
		json_array_append_new(list, purge_json(a, fact));
	}
	json_object_set_new(c->reply, "accounts", list);
	return CV_OK;
}

static enum cv_status
check_purge(const struct reg_account *a, const json_t *fact, struct cv_err *err)
{
	int64_t day = reg_fact_secs(fact, "purge_on");
	if (a->state != CV_STATE_RETIRED || !fact)
		return cv_fail(err, CV_DENIED, "%s is not retired", a->text[T_ADDRESS]);
	if (day <= cv_calendar_day(cv_wall_secs()))
		return CV_OK;
	struct cv_buf text = CV_BUF_INIT(40);
	cv_date_write_vn(&text, cv_date_at(cv_calendar_midnight(day), CV_ZONE_VIETNAM));
	enum cv_status status = cv_fail(err, CV_DENIED, "the box of %s is kept until %s",
		a->text[T_ADDRESS], text.p);
	cv_buf_done(&text);
	return status;
}

/* {"address"} -> {"address", "messages", "bytes", "changed"}: removes the mail of a retired account
 * whose time is up, for good. The order stands in the trail before anything goes; asked for again
 * after a stop in the middle, it goes on. */
enum cv_status
reg_purge_do(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	struct cv_str address;
	enum cv_status status = reg_field(c, c->request, "address", 320, &address, err);
	a = status || !address.n ? NULL : reg_ended_account(c, address);
	if (!status && !a)
		status = reg_account_field(c, "address", &a, err);
	const json_t *fact = status ? NULL : reg_fact(c, a, "retired");
	if (!status)
		status = check_purge(a, fact, err);
	if (status)
		return status;
	bool was_purged = json_object_get(fact, "purged") != NULL;
	json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
	json_object_set_new(c->reply, "changed", json_boolean(!was_purged));
	if (was_purged)
		return CV_OK;
	reg_put_use(c, a, c->reply);
	json_t *detail = json_copy(c->reply);
	json_t *copy = json_deep_copy(fact);
	json_object_set_new(copy, "purging", json_integer(cv_wall_secs()));
	reg_set_fact(c, a, "retired", copy);
	status = reg_commit(c, "account.purge", a->text[T_ADDRESS], detail, err);
	if (status || c->is_dry)
		return status;
	cv_ticket ticket = 0;
	status = cv_acct_purge(c->r->store, a->acct, &ticket, err);
	if (status && status != CV_NOT_FOUND)
		return status;
	if (ticket)
		cv_ticket_block(cv_store_engine(c->r->store), ticket);
	copy = json_deep_copy(reg_fact(c, a, "retired"));
	json_object_del(copy, "purging");
	json_object_set_new(copy, "purged", json_integer(cv_wall_secs()));
	reg_set_fact(c, a, "retired", copy);
	reg_leave_links(c, a, NULL, NULL);
	return reg_commit(c, "account.purged", a->text[T_ADDRESS], NULL, err);
}
