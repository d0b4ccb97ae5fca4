/* registry_dormant.c - accounts that nobody uses: warned, then without log-ins, then proposed for
 * withdrawal; mail arrives all the while (ACC-07).
 *
 * Use is a log-in or a look into the box (the daily counters), and being made or let in again. The
 * fact "unused" of an account in one of the stages: {"stage" 1..3, "last" a day, "since" a day,
 * "told"?, "off"? when log-ins were ended for it}. The fact "unused_exempt": {"reason", "until"}.
 * Applications have an end of their own (registry_expiry.c) and are not looked at here; nor is who
 * is on leave.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_people.h"
#include "common/text/calendar.h"
#include "common/text/date.h"

enum { USED, WARNED, OFF, WITHDRAW };

static bool
note_use(void *arg, const struct cv_counts *n)
{
	int64_t *last = arg;
	if (n->n[CV_COUNT_LOGINS] || n->n[CV_COUNT_CHECKS] || n->n[CV_COUNT_SENT])
		*last = CV_MAX(*last, (int64_t)n->day);
	return true;
}

/* The last day on which A was used, as far as it matters. */
static enum cv_status
last_use(struct reg_call *c, const struct reg_account *a, int64_t today, int64_t *out,
         struct cv_err *err)
{
	int64_t from = today - (int64_t)c->r->rules.withdraw_days - 1;
	const json_t *fact = reg_fact(c, a, "unused");
	*out = cv_calendar_day(a->created_secs);
	if (a->state == CV_STATE_ACTIVE && a->state_secs)
		*out = CV_MAX(*out, cv_calendar_day(a->state_secs));
	if (fact)
		*out = CV_MAX(*out, (int64_t)reg_fact_secs(fact, "last"));
	return cv_audit_counts(c->r->audit, a->acct, (uint32_t)CV_MAX(from, 0), (uint32_t)today,
	                       note_use, out, err);
}

static int
stage_of(const struct cv_registry_rules *rules, int64_t days)
{
	return days >= rules->withdraw_days ? WITHDRAW : days >= rules->off_days ? OFF
		: days >= rules->warn_days ? WARNED : USED;
}

/* Somebody decided that A may be unused, until a day. */
static bool
is_exempt(struct reg_call *c, const struct reg_account *a, int64_t today)
{
	const json_t *fact = reg_fact(c, a, "unused_exempt");
	return fact && reg_fact_secs(fact, "until") >= today;
}

static bool
is_looked_at(struct reg_call *c, const struct reg_account *a, int64_t today)
{
	/* Who is locked out for another reason uses nothing, and cannot. */
	bool was_ended = json_is_true(json_object_get(reg_fact(c, a, "unused"), "off"));
	return a->kind == CV_KIND_PERSON && !is_exempt(c, a, today) && !reg_fact(c, a, "leave") &&
	       (a->state == CV_STATE_ACTIVE || (a->state == CV_STATE_SUSPENDED && was_ended));
}

static json_t *
unused_json(const struct reg_account *a, int64_t last, int64_t today)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "address", a->text[T_ADDRESS], "name",
		a->text[T_NAME], "title", a->text[T_TITLE], "agency", a->text[T_AGENCY],
		"last_use", (json_int_t)cv_calendar_midnight(last), "days",
		(json_int_t)(today - last));
}

/* The account goes to STAGE; what has to be said of it goes into the reply's lists. */
static void
enter(struct reg_call *c, struct reg_account *a, int stage, int64_t last, int64_t today)
{
	static const char *const lists[] = { [USED] = "used", [WARNED] = "warned", [OFF] = "off",
		[WITHDRAW] = "withdraw" };
	const json_t *old = reg_fact(c, a, "unused");
	json_t *fact = old ? json_deep_copy(old) : json_object();
	json_array_append_new(json_object_get(c->reply, lists[stage]),
	                      unused_json(a, last, today));
	if (stage == USED) {
		json_decref(fact);
		reg_set_fact(c, a, "unused", NULL);
		return;
	}
	json_object_set_new(fact, "stage", json_integer(stage));
	json_object_set_new(fact, "last", json_integer(last));
	json_object_set_new(fact, "since", json_integer(today));
	if (stage >= OFF && a->state == CV_STATE_ACTIVE) {
		json_object_set_new(fact, "off", json_true());
		a->state = CV_STATE_SUSPENDED;
		a->state_secs = cv_wall_secs();
		reg_save_account(c, a);
	}
	reg_set_fact(c, a, "unused", fact);
}

static void
list_untold(struct reg_call *c, const struct reg_account *a, int64_t last, int64_t today)
{
	const json_t *fact = reg_fact(c, a, "unused");
	if (!fact || json_object_get(fact, "told") || a->state != CV_STATE_ACTIVE)
		return;
	json_t *one = unused_json(a, last, today);
	json_object_set_new(one, "off_on", json_integer(
		cv_calendar_midnight(last + (int64_t)c->r->rules.off_days)));
	json_array_append_new(json_object_get(c->reply, "tell"), one);
}

/* {"told"?: addresses} -> {"warned", "off", "withdraw", "used": who entered or left a stage now,
 * "tell": who has to be warned yet}. Once a day, by the scheduler. */
enum cv_status
reg_dormant_run(struct reg_call *c, struct cv_err *err)
{
	static const char *const lists[] = { "warned", "off", "withdraw", "used", "tell" };
	const struct reg_model *m = &c->r->model;
	int64_t today = cv_calendar_day(cv_wall_secs());
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < CV_COUNT(lists); i++)
		json_object_set_new(c->reply, lists[i], json_array());
	reg_note_told(c, "unused");
	for (size_t i = 0; i < m->count && !status; i++) {
		struct reg_account *a = m->accounts[i];
		const json_t *fact = reg_fact(c, a, "unused");
		int64_t last = today;
		bool is_asked = is_looked_at(c, a, today);
		if (!is_asked && !fact)
			continue;
		if (is_asked)
			status = last_use(c, a, today, &last, err);
		int stage = is_asked ? stage_of(&c->r->rules, today - last) : USED;
		/* Log-ins come back only by somebody's decision. */
		if (stage < OFF && json_is_true(json_object_get(fact, "off")) &&
		    a->state == CV_STATE_SUSPENDED)
			continue;
		if (stage != (int)reg_fact_secs(fact, "stage"))
			enter(c, a, stage, last, today);
		list_untold(c, a, last, today);
	}
	if (status || !c->put_count)
		return status;
	json_t *detail = json_object();
	for (size_t i = 0; i < 4; i++)
		json_object_set_new(detail, lists[i], json_integer((json_int_t)json_array_size(
			json_object_get(c->reply, lists[i]))));
	return reg_commit_act(c, "dormant.run", "accounts", detail, err);
}

/* {"agency"?} -> {"warned", "off", "withdraw", "exempt": lists of accounts with last use and days}.
 * Whoever used the account since is on none of them. */
enum cv_status
reg_dormant_list(struct reg_call *c, struct cv_err *err)
{
	static const char *const lists[] = { [WARNED] = "warned", [OFF] = "off",
		[WITHDRAW] = "withdraw" };
	const struct reg_model *m = &c->r->model;
	int64_t today = cv_calendar_day(cv_wall_secs());
	struct cv_str agency;
	enum cv_status status = reg_field(c, c->request, "agency", 12, &agency, err);
	for (int i = WARNED; i <= WITHDRAW; i++)
		json_object_set_new(c->reply, lists[i], json_array());
	json_t *exempt = json_array();
	json_object_set_new(c->reply, "exempt", exempt);
	for (size_t i = 0; i < m->count && !status; i++) {
		struct reg_account *a = m->accounts[i];
		if ((agency.n && !reg_is_below(c->r, a->text[T_AGENCY], agency.p)) ||
		    !reg_caller_sees(c, a->text[T_AGENCY]))
			continue;
		if (is_exempt(c, a, today) && a->state != CV_STATE_RETIRED) {
			json_t *one = unused_json(a, today, today);
			json_object_set_new(one, "exemption",
			                    json_deep_copy(reg_fact(c, a, "unused_exempt")));
			json_array_append_new(exempt, one);
		}
		int64_t last = today;
		if (!is_looked_at(c, a, today))
			continue;
		status = last_use(c, a, today, &last, err);
		int stage = stage_of(&c->r->rules, today - last);
		if (!status && stage != USED)
			json_array_append_new(json_object_get(c->reply, lists[stage]),
			                      unused_json(a, last, today));
	}
	return status;
}

/* {"address", "reason", "until"} or {"address", "remove": true} -> {"changed"}: an account that may
 * be unused, with who decided so and until when. */
enum cv_status
reg_dormant_exempt(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	struct cv_str reason;
	int64_t until = 0;
	bool given, remove = reg_flag(c->request, "remove", false);
	enum cv_status status = reg_account_field(c, "address", &a, err);
	status = status ? status : reg_field(c, c->request, "reason", 400, &reason, err);
	status = status ? status : reg_time(c, "until", false, &until, &given, err);
	if (!status && !remove && (!reason.n || !given))
		status = cv_fail(err, CV_INVALID, "an exception needs a 'reason' and a last day");
	if (!status && !remove && until < cv_wall_secs())
		status = cv_fail(err, CV_INVALID, "that day has passed");
	if (status)
		return status;
	json_t *fact = remove ? NULL : json_pack("{s:s%, s:I, s:s}", "reason", reason.p, reason.n,
		"until", (json_int_t)cv_calendar_day(until), "by", c->actor);
	json_t *detail = json_pack("{s:O?}", "after", fact);
	reg_set_fact(c, a, "unused_exempt", fact);
	json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
	json_object_set_new(c->reply, "changed", json_boolean(c->put_count > 0));
	return reg_commit(c, "dormant.exempt", a->text[T_ADDRESS], detail, err);
}
