/* registry_holder.c - who held a role or agency box when (ADR-06), and changing holders by date.
 *
 * The history is the fact "holders" of the box: [{"who", "from", "until"?}], oldest first; the last
 * HISTORY_MAX of them.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_people.h"

#define HISTORY_MAX 200u

void
reg_note_holder(struct reg_call *c, const struct reg_account *role, const struct reg_account *who,
                bool holds)
{
	const json_t *old = reg_fact(c, role, "holders");
	json_t *list = old ? json_deep_copy(old) : json_array();
	json_t *one;
	size_t i;
	bool was_noted = false;
	json_array_foreach(list, i, one) {
		if (reg_fact_secs(one, "acct") != (json_int_t)who->acct || json_object_get(one, "until"))
			continue;
		was_noted = true;
		if (!holds)
			json_object_set_new(one, "until", json_integer(cv_wall_secs()));
	}
	if (holds && !was_noted)
		json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "who",
			who->text[T_ADDRESS], "acct", (json_int_t)who->acct, "from",
			(json_int_t)cv_wall_secs()));
	/* Somebody who held it before histories were kept. */
	if (!holds && !was_noted)
		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I}", "who",
			who->text[T_ADDRESS], "acct", (json_int_t)who->acct, "from", (json_int_t)0,
			"until", (json_int_t)cv_wall_secs()));
	while (json_array_size(list) > HISTORY_MAX)
		json_array_remove(list, 0);
	reg_set_fact(c, role, "holders", list);
}

static enum cv_status
box_and_person(struct reg_call *c, struct reg_account **role, struct reg_account **holder,
               struct cv_err *err)
{
	enum cv_status status = reg_account_field(c, "role", role, err);
	if (!status)
		status = reg_account_field(c, "holder", holder, err);
	if (!status && (*role)->kind != CV_KIND_ROLE && (*role)->kind != CV_KIND_AGENCY)
		status = cv_fail(err, CV_INVALID, "%s is no role or agency box",
		                 (*role)->text[T_ADDRESS]);
	if (!status && ((*holder)->kind != CV_KIND_PERSON || (*holder)->state == CV_STATE_RETIRED))
		status = cv_fail(err, CV_INVALID, "%s is no person at work",
		                 (*holder)->text[T_ADDRESS]);
	return status;
}

static enum cv_status
until_day(struct reg_call *c, const struct reg_account *role, const struct reg_account *holder,
          struct cv_err *err)
{
	int64_t until;
	bool given;
	uint64_t number;
	enum cv_status status = reg_time(c, "until", true, &until, &given, err);
	if (status || !given)
		return status;
	if (until <= cv_wall_secs())
		return cv_fail(err, CV_INVALID, "that would be over before it begins");
	json_t *request = json_pack("{s:s, s:s, s:s}", "do", "role.release", "role",
		role->text[T_ADDRESS], "holder", holder->text[T_ADDRESS]);
	status = reg_put_off(c, request, until, 0, &number, err);
	json_decref(request);
	if (!status)
		json_object_set_new(c->reply, "release_act", json_integer((json_int_t)number));
	return status;
}

/* {"role", "holder", "until"?, "letter"?, "on"?} -> {"role", "holder", "released": [...]}: HOLDER
 * in place of all who hold the box now. Mail stays in it. */
enum cv_status
reg_role_change(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *role, *holder;
	enum cv_status status = box_and_person(c, &role, &holder, err);
	if (status)
		return status;
	json_t *released = json_array();
	json_object_set_new(c->reply, "role", json_string(role->text[T_ADDRESS]));
	json_object_set_new(c->reply, "holder", json_string(holder->text[T_ADDRESS]));
	json_object_set_new(c->reply, "released", released);
	for (size_t i = role->members.n; i-- > 0;) {
		struct reg_account *old = reg_model_find(&c->r->model, role->members.items[i]);
		if (!old || old == holder)
			continue;
		json_array_append_new(released, json_string(old->text[T_ADDRESS]));
		reg_save_link(c, 'M', role->acct, old->acct, false);
		reg_list_del(&role->members, old->acct);
		reg_note_holder(c, role, old, false);
	}
	bool is_new = !reg_list_has(&role->members, holder->acct);
	if (is_new) {
		reg_save_link(c, 'M', role->acct, holder->acct, true);
		reg_list_add(&role->members, holder->acct);
		reg_note_holder(c, role, holder, true);
	}
	status = until_day(c, role, holder, err);
	json_object_set_new(c->reply, "changed", json_boolean(c->put_count > 0));
	if (status || !c->put_count)
		return status;
	json_t *letter = json_object_get(c->request, "letter");
	return reg_commit_act(c, "role.change", role->text[T_ADDRESS],
		json_pack("{s:O, s:s, s:O?}", "before", released, "after", holder->text[T_ADDRESS],
			"letter", letter), err);
}

/* {"role"} -> {"role", "holders": [{"who", "from", "until"?}]}: who held it when, oldest first. */
enum cv_status
reg_role_history(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *role;
	enum cv_status status = reg_account_field(c, "role", &role, err);
	if (status)
		return status;
	const json_t *list = reg_fact(c, role, "holders");
	json_object_set_new(c->reply, "role", json_string(role->text[T_ADDRESS]));
	json_object_set_new(c->reply, "holders", list ? json_deep_copy(list) : json_array());
	return CV_OK;
}
