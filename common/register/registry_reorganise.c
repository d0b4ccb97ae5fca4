/* registry_reorganise.c - reorganise.apply: a plan tried or carried out (MIG-01). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <time.h>

#include "common/base/clock.h"
#include "common/register/reorganise.h"

#define MONTHS_DEFAULT 24u
#define MONTHS_MAX 600u

/* The end of the day that many months from now, in Vietnam, where clocks are never changed. */
static int64_t
after_months(unsigned months)
{
	const int64_t zone = 7 * 3600;
	time_t now = (time_t)(cv_wall_secs() + zone);
	struct tm tm;
	gmtime_r(&now, &tm);
	tm.tm_mon += (int)months;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday++;
	return (int64_t)timegm(&tm) - zone;
}

static enum cv_status
begin(struct reg_call *c, struct reorg *o, struct cv_err *err)
{
	uint64_t months = MONTHS_DEFAULT;
	bool given;
	*o = (struct reorg){ .c = c, .arena = &c->arena, .m = &c->r->model,
		.problems = json_array(), .new_boxes = json_array(), .heads = json_array() };
	cv_map_init(&o->units);
	cv_map_init(&o->taken);
	cv_map_init(&o->changed);
	enum cv_status status = reg_number(c->request, "old_months", MONTHS_MAX, &months, &given,
		err);
	if (!status && months < MONTHS_DEFAULT)
		status = cv_fail(err, CV_INVALID,
			"old addresses are kept for %u months at least (MIG-02)", MONTHS_DEFAULT);
	o->old_until = after_months((unsigned)months);
	return status;
}

static void
end(struct reorg *o)
{
	cv_map_done(&o->units);
	cv_map_done(&o->taken);
	cv_map_done(&o->changed);
	json_decref(o->problems);
	json_decref(o->new_boxes);
	json_decref(o->heads);
}

/* The same decisions give the same text: who was shown a plan gets what he was shown. */
static struct cv_str
fingerprint(struct reorg *o)
{
	uint64_t h[2] = { 1, 2 };
	for (size_t i = 0; i < o->m->count; i++) {
		const struct reorg_person *p = &o->people[i];
		const char *texts[] = { p->a->text[T_ADDRESS], p->address ? p->address : "",
			p->to ? p->to->code : "", p->into ? p->into->a->text[T_ADDRESS] : "",
			p->title ? p->title : "" };
		for (size_t k = 0; k < CV_COUNT(texts); k++)
			for (size_t j = 0; j < 2; j++)
				h[j] = cv_hash(texts[k], strlen(texts[k]) + 1, h[j]);
	}
	return cv_arena_printf(o->arena, "%016llx%016llx", (unsigned long long)h[0],
		(unsigned long long)h[1]);
}

/* What the audit trail keeps beside the act's number: the journal holds each row. */
static json_t *
detail_of(struct reorg *o, const json_t *reply)
{
	json_t *detail = json_pack("{s:O, s:O}", "counts", json_object_get(reply, "counts"),
		"units", json_object_get(reply, "units"));
	json_object_set_new(detail, "old_until", json_integer((json_int_t)o->old_until));
	json_t *reason = json_object_get(o->c->request, "reason");
	if (json_is_string(reason))
		json_object_set(detail, "reason", reason);
	return detail;
}

static enum cv_status
first_problem(struct reorg *o, struct cv_err *err)
{
	const json_t *one = json_array_get(o->problems, 0);
	const char *propose = json_string_value(json_object_get(one, "propose"));
	return cv_fail(err, CV_INVALID, "line %d of the plan: %s%s%s",
		(int)json_integer_value(json_object_get(one, "line")),
		json_string_value(json_object_get(one, "problem")), *propose ? "; write: " : "",
		propose);
}

static enum cv_status
carry_out(struct reorg *o, struct cv_err *err)
{
	struct reg_call *c = o->c;
	struct cv_str title, expect;
	struct cv_str print = fingerprint(o);
	bool has_problems = json_array_size(o->problems) > 0;
	enum cv_status status = reg_field(c, c->request, "title", 400, &title, err);
	if (!status)
		status = reg_field(c, c->request, "expect", 64, &expect, err);
	reorg_tell(o, c->reply);
	json_object_set_new(c->reply, "fingerprint", json_stringn(print.p, print.n));
	if (status || (has_problems && c->is_dry))
		return status;
	if (has_problems)
		return first_problem(o, err);
	if (expect.n && !cv_str_eq(expect, print))
		return cv_fail(err, CV_CONFLICT,
			"the register changed since the plan was shown: look at it again");
	json_t *detail = detail_of(o, c->reply);
	status = reorg_apply(o, err);
	if (status) {
		json_decref(detail);
		return status;
	}
	json_object_set(c->reply, "new_boxes", o->new_boxes);
	return reg_commit_act(c, "reorganise.apply", title.n ? cv_arena_z(&c->arena, title)
		: "(plan)", detail, err);
}

/* {"acts": [{"act", "line", ...}], "title"?, "old_months"? = 24, "old_boxes"?: "read" | "move",
 *  "holders"?: "all" | "keep", "expect"?: a fingerprint, "reason"?, "dry_run"?}
 * -> {"units", "people", "boxes", "delegations", "domains", "new_boxes", "problems", "counts",
 *  "old_until", "fingerprint", "act"}. A plan with problems is refused; a dry run lists them. */
enum cv_status
reg_reorganise_apply(struct reg_call *c, struct cv_err *err)
{
	struct reorg o;
	enum cv_status status = begin(c, &o, err);
	if (!status)
		status = reorg_read(&o, err);
	if (!status)
		status = reorg_solve(&o, err);
	if (!status)
		status = carry_out(&o, err);
	end(&o);
	return status;
}
