/* registry_review.c - review.start, list, confirm, status: each agency looks through who has access
 * to what, and stands for it (ACC-10).
 *
 * A review is the row X number, 0: {"state", "at", "due", "by", "count", "agencies": {code:
 * {"items", "open", "withdraw", "done"?}}}; what it asks are rows X number, n: {"agency", "what",
 * "object", "who"?, "detail"?, "decision"?, "by"?, "at"?}. What stood there when the review began
 * is what is confirmed. The last REVIEWS_KEPT reviews stay.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_people.h"
#include "common/text/calendar.h"
#include "common/text/date.h"

#define REVIEWS_KEPT 6u
#define LIST_MAX     5000u
#define DAY_SECS     86400

/* ---- beginning one ---- */

struct making {
	struct reg_call *c;
	uint64_t review, count;
	json_t *agencies;
	char empty[1];
};

static void
ask_about(struct making *k, const struct reg_account *a, const char *what, const char *who,
          const char *detail)
{
	const char *code = *a->text[T_AGENCY] ? a->text[T_AGENCY] : "-";
	json_t *sum = json_object_get(k->agencies, code);
	json_t *item = json_pack("{s:s, s:s, s:s}", "agency", code, "what", what, "object",
		a->text[T_ADDRESS]);
	if (who)
		json_object_set_new(item, "who", json_string(who));
	if (detail && *detail)
		json_object_set_new(item, "detail", json_string(detail));
	if (!sum) {
		sum = json_pack("{s:i, s:i, s:i}", "items", 0, "open", 0, "withdraw", 0);
		json_object_set_new(k->agencies, code, sum);
	}
	json_int_t n = reg_fact_secs(sum, "items") + 1;
	json_object_set_new(sum, "items", json_integer(n));
	json_object_set_new(sum, "open", json_integer(n));
	reg_save_doc(k->c, 'X', k->review, ++k->count, item);
}

static void
ask_about_links(struct making *k, struct reg_account *a)
{
	static const struct { char kind; const char *what; } rows[] = {
		{ 'M', "holder" }, { 'L', "send-as" }, { 'U', "full" }, { 'V', "read" } };
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const struct reg_list *list = reg_list_of(a, rows[i].kind);
		for (size_t n = 0; n < list->n && a->kind != CV_KIND_GROUP; n++) {
			const struct reg_account *who = reg_model_find(&k->c->r->model,
				list->items[n]);
			if (who)
				ask_about(k, a, rows[i].what, who->text[T_ADDRESS], NULL);
		}
	}
	for (size_t i = 0; i < a->devices.n; i++)
		ask_about(k, a, "device", NULL, a->devices.items[i].name);
}

/* Who administers: asked of the agency whose person it is, or of the operators ("-"). */
static void
ask_about_admins(struct making *k)
{
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&k->c->r->model.admins, &pos, &key, &value);) {
		const struct reg_admin *admin = value;
		const struct reg_address *address = cv_map_get(&k->c->r->model.addresses, key);
		struct reg_account *a =
			address ? reg_model_find(&k->c->r->model, address->acct) : NULL;
		struct reg_account nobody = {0};
		for (size_t i = 0; i < T_COUNT; i++)
			nobody.text[i] = i == T_ADDRESS ? admin->name : k->empty;
		ask_about(k, a ? a : &nobody, "admin", cv_admin_role_word(admin->role),
		          admin->agency);
	}
}

static void
drop_old(struct reg_call *c, uint64_t newest)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'X', &list);
	for (size_t i = 0; i < n; i++)
		if (list[i]->a + REVIEWS_KEPT <= newest)
			reg_save_doc(c, 'X', list[i]->a, list[i]->b, NULL);
	free(list);
}

/* The newest review, or NULL. */
static const json_t *
newest(const struct reg_call *c, uint64_t *number_out)
{
	*number_out = c->r->model.docs.last['X' - 'A'];
	return reg_doc_get(&c->r->model.docs, 'X', *number_out, 0);
}

static bool
is_time_for_one(const struct reg_call *c, const json_t *last)
{
	struct cv_civil civil;
	if (!last)
		return true;
	cv_civil_from_days(cv_calendar_day(reg_fact_secs(last, "at")), &civil);
	int month = civil.month - 1 + (int)c->r->rules.review_months;
	int year = civil.year + month / 12;
	int day = CV_MIN(civil.day, 28);
	return cv_calendar_day(cv_wall_secs()) >= cv_days_from_civil(year, month % 12 + 1, day);
}

/* {"if_due"?} -> {"number", "items", "agencies": how many, "due"}: asks every agency about its
 * accounts, role boxes, delegations and app passwords. With "if_due" only when the last review is
 * review_months old. */
enum cv_status
reg_review_start(struct reg_call *c, struct cv_err *err)
{
	struct reg_model *m = &c->r->model;
	uint64_t last;
	const json_t *before = newest(c, &last);
	json_object_set_new(c->reply, "changed", json_false());
	if (reg_flag(c->request, "if_due", false) && !is_time_for_one(c, before))
		return CV_OK;
	struct making k = { .c = c, .review = last + 1, .agencies = json_object() };
	for (size_t i = 0; i < m->count; i++) {
		struct reg_account *a = m->accounts[i];
		if (a->state == CV_STATE_RETIRED || a->kind == CV_KIND_GROUP)
			continue;
		ask_about(&k, a, a->kind == CV_KIND_PERSON ? "account" : reg_kind_words[a->kind],
			NULL, a->text[T_TITLE]);
		ask_about_links(&k, a);
	}
	ask_about_admins(&k);
	int64_t due = cv_wall_secs() + (int64_t)c->r->rules.review_days * DAY_SECS;
	json_object_set_new(c->reply, "changed", json_true());
	json_object_set_new(c->reply, "number", json_integer((json_int_t)k.review));
	json_object_set_new(c->reply, "items", json_integer((json_int_t)k.count));
	json_object_set_new(c->reply, "agencies",
		json_integer((json_int_t)json_object_size(k.agencies)));
	json_object_set_new(c->reply, "due", json_integer(due));
	json_t *body = json_pack("{s:s, s:I, s:I, s:s, s:I, s:o}", "state", "open", "at",
		(json_int_t)cv_wall_secs(), "due", (json_int_t)due, "by", c->actor, "count",
		(json_int_t)k.count, "agencies", k.agencies);
	reg_save_doc(c, 'X', k.review, 0, body);
	drop_old(c, k.review);
	return reg_commit_act(c, "review.start", "review", json_pack("{s:I, s:I}", "number",
		(json_int_t)k.review, "items", (json_int_t)k.count), err);
}

/* ---- looking ---- */

static enum cv_status
review_field(struct reg_call *c, uint64_t *number_out, const json_t **body_out, struct cv_err *err)
{
	bool given;
	enum cv_status status = reg_number(c->request, "number", INT64_MAX, number_out, &given,
	                                   err);
	if (status)
		return status;
	*body_out = given ? reg_doc_get(&c->r->model.docs, 'X', *number_out, 0)
	                  : newest(c, number_out);
	return *body_out ? CV_OK : cv_fail(err, CV_NOT_FOUND,
		given ? "no such review" : "there was no review yet: review.start begins one");
}

/* {"number"?, "agency"?, "open"?} -> {"number", "items": [{"item", "agency", "what", "object",
 * "who"?, "decision"?, "by"?, "at"?}], "total"} */
enum cv_status
reg_review_list(struct reg_call *c, struct cv_err *err)
{
	uint64_t number = 0;
	const json_t *body;
	const struct reg_doc **list;
	struct cv_str agency;
	json_int_t total = 0;
	enum cv_status status = review_field(c, &number, &body, err);
	status = status ? status : reg_field(c, c->request, "agency", 12, &agency, err);
	if (status)
		return status;
	bool open_only = reg_flag(c->request, "open", false);
	size_t n = reg_docs_list(&c->r->model.docs, 'X', &list);
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++) {
		const json_t *item = list[i]->body;
		if (list[i]->a != number || !list[i]->b ||
		    (agency.n && !cv_str_eq_z(agency, reg_doc_text(item, "agency"))) ||
		    (open_only && json_object_get(item, "decision")) ||
		    !reg_caller_sees(c, reg_doc_text(item, "agency")))
			continue;
		if (total++ >= LIST_MAX)
			continue;
		json_t *one = json_copy((json_t *)(uintptr_t)item);
		json_object_set_new(one, "item", json_integer((json_int_t)list[i]->b));
		json_array_append_new(items, one);
	}
	free(list);
	json_object_set_new(c->reply, "number", json_integer((json_int_t)number));
	json_object_set_new(c->reply, "items", items);
	json_object_set_new(c->reply, "total", json_integer(total));
	return CV_OK;
}

/* {"number"?} -> {"number", "at", "due", "agencies": [{"agency", "name", "items", "open",
 * "withdraw", "overdue", "done"?: {"by", "at"}}], "overdue": how many} */
enum cv_status
reg_review_status(struct reg_call *c, struct cv_err *err)
{
	uint64_t number = 0;
	const json_t *body;
	enum cv_status status = review_field(c, &number, &body, err);
	if (status)
		return status;
	json_t *list = json_array(), *sum;
	const char *code;
	json_int_t overdue = 0;
	bool is_late = reg_fact_secs(body, "due") < cv_wall_secs();
	json_object_foreach(json_object_get(body, "agencies"), code, sum) {
		if (!reg_caller_sees(c, code))
			continue;
		const struct reg_agency *g = reg_find_agency(c->r, cv_str_z(code));
		json_t *one = json_deep_copy(sum);
		bool late = is_late && reg_fact_secs(sum, "open") > 0;
		json_object_set_new(one, "agency", json_string(code));
		json_object_set_new(one, "name", json_string(g ? g->text[AG_NAME] : ""));
		json_object_set_new(one, "overdue", json_boolean(late));
		overdue += late;
		json_array_append_new(list, one);
	}
	json_object_set_new(c->reply, "number", json_integer((json_int_t)number));
	json_object_set(c->reply, "at", json_object_get(body, "at"));
	json_object_set(c->reply, "due", json_object_get(body, "due"));
	json_object_set_new(c->reply, "agencies", list);
	json_object_set_new(c->reply, "overdue", json_integer(overdue));
	return CV_OK;
}

/* ---- confirming ---- */

static bool
is_chosen(const json_t *chosen, uint64_t item)
{
	json_t *one;
	size_t i;
	if (!json_is_array(chosen))
		return true;
	json_array_foreach((json_t *)(uintptr_t)chosen, i, one)
		if (json_integer_value(one) == (json_int_t)item ||
		    (json_is_string(one) && strtoull(json_string_value(one), NULL, 10) == item))
			return true;
	return false;
}

static void
decide_item(struct reg_call *c, const struct reg_doc *d, const char *decision)
{
	json_t *copy = json_deep_copy(d->body);
	const char *reason = json_string_value(json_object_get(c->request, "reason"));
	json_object_set_new(copy, "decision", json_string(decision));
	json_object_set_new(copy, "by", json_string(c->actor));
	json_object_set_new(copy, "at", json_integer(cv_wall_secs()));
	if (reason)
		json_object_set_new(copy, "reason", json_string(reason));
	reg_save_doc(c, 'X', d->a, d->b, copy);
}

static void
count_again(struct reg_call *c, uint64_t number, const char *agency)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'X', &list);
	json_int_t open = 0, withdraw = 0;
	for (size_t i = 0; i < n; i++) {
		if (list[i]->a != number || !list[i]->b ||
		    strcmp(reg_doc_text(list[i]->body, "agency"), agency))
			continue;
		open += !json_object_get(list[i]->body, "decision");
		withdraw += !strcmp(reg_doc_text(list[i]->body, "decision"), "withdraw");
	}
	free(list);
	json_t *body = json_deep_copy(reg_doc_get(&c->r->model.docs, 'X', number, 0));
	json_t *sum = json_object_get(json_object_get(body, "agencies"), agency);
	json_object_set_new(sum, "open", json_integer(open));
	json_object_set_new(sum, "withdraw", json_integer(withdraw));
	if (!open)
		json_object_set_new(sum, "done", json_pack("{s:s, s:I}", "by", c->actor, "at",
			(json_int_t)cv_wall_secs()));
	reg_save_doc(c, 'X', number, 0, body);
	json_object_set_new(c->reply, "open", json_integer(open));
}

/* {"agency", "items"?: [numbers], "decision"? = "keep" | "withdraw", "reason"?, "number"?} ->
 * {"changed", "open"}: the agency stands for these; without "items" for all that are open. */
enum cv_status
reg_review_confirm(struct reg_call *c, struct cv_err *err)
{
	uint64_t number = 0;
	const json_t *body, *chosen = json_object_get(c->request, "items");
	const struct reg_doc **list;
	struct cv_str agency, decision;
	json_int_t changed = 0;
	enum cv_status status = review_field(c, &number, &body, err);
	status = status ? status : reg_field(c, c->request, "agency", 12, &agency, err);
	status = status ? status : reg_field(c, c->request, "decision", 10, &decision, err);
	if (status)
		return status;
	if (!decision.n)
		decision = CV_STR("keep");
	if (!cv_str_eq_z(decision, "keep") && !cv_str_eq_z(decision, "withdraw"))
		return cv_fail(err, CV_INVALID, "field 'decision' is keep or withdraw");
	if (cv_str_eq_z(decision, "withdraw") && !json_is_array(chosen))
		return cv_fail(err, CV_INVALID, "name the 'items' that are to be withdrawn");
	if (!agency.n || !json_object_get(json_object_get(body, "agencies"), agency.p) ||
	    !reg_caller_sees(c, agency.p))
		return cv_fail(err, CV_NOT_FOUND, "the review asks nothing of agency '%.*s'",
		               CV_STR_ARGS(agency));
	size_t n = reg_docs_list(&c->r->model.docs, 'X', &list);
	for (size_t i = 0; i < n; i++) {
		const struct reg_doc d = *list[i];
		if (d.a != number || !d.b || !cv_str_eq_z(agency, reg_doc_text(d.body, "agency")) ||
		    !is_chosen(chosen, d.b) ||
		    (!json_is_array(chosen) && json_object_get(d.body, "decision")) ||
		    cv_str_eq_z(decision, reg_doc_text(d.body, "decision")))
			continue;
		decide_item(c, &d, decision.p);
		changed++;
	}
	free(list);
	json_object_set_new(c->reply, "changed", json_integer(changed));
	if (!changed)
		return CV_OK;
	count_again(c, number, agency.p);
	return reg_commit_act(c, "review.confirm", agency.p,
		json_pack("{s:I, s:I, s:s%}", "number", (json_int_t)number, "items", changed,
			"decision", decision.p, decision.n), err);
}
