/* registry_life.c - account.transfer, second, return, leave, rename: what happens to people at work
 * (ACC-06), and what the moves of people share.
 *
 * Facts in the account's document Z: "second": what a seconded person comes back to; "leave": until
 * when somebody is away. Both end by account.return, which waits for its day as a dated act.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_impl.h"
#include "common/register/registry_people.h"
#include "common/text/calendar.h"
#include "common/text/date.h"

#define COLLISIONS_MAX 9999

/* ---- facts of an account ---- */

const json_t *
reg_fact(const struct reg_call *c, const struct reg_account *a, const char *name)
{
	return json_object_get(reg_doc_get(&c->r->model.docs, 'Z', a->acct, 0), name);
}

void
reg_set_fact(struct reg_call *c, const struct reg_account *a, const char *name, json_t *value)
{
	const json_t *old = reg_doc_get(&c->r->model.docs, 'Z', a->acct, 0);
	json_t *body = old ? json_deep_copy(old) : json_object();
	if (value)
		json_object_set_new(body, name, value);
	else
		json_object_del(body, name);
	bool is_empty = !json_object_size(body);
	if (is_empty)
		json_decref(body);
	if (!is_empty || old)
		reg_save_doc(c, 'Z', a->acct, 0, is_empty ? NULL : body);
}

void
reg_note_told(struct reg_call *c, const char *name)
{
	json_t *list = json_object_get(c->request, "told"), *one;
	size_t i;
	json_array_foreach(list, i, one) {
		struct reg_account *a;
		struct cv_err none;
		if (!json_is_string(one) ||
		    reg_account_of(c, cv_str_z(json_string_value(one)), &a, &none) ||
		    !reg_fact(c, a, name))
			continue;
		json_t *fact = json_deep_copy(reg_fact(c, a, name));
		json_object_set_new(fact, "told", json_integer(cv_wall_secs()));
		reg_set_fact(c, a, name, fact);
	}
}

json_int_t
reg_fact_secs(const json_t *fact, const char *key)
{
	return json_integer_value(json_object_get(fact, key));
}

/* ---- what people share with others ---- */

static const struct {
	char kind;
	const char *word;
} link_words[] = {
	{ 'M', "member" }, { 'O', "poster" }, { 'L', "send-as" }, { 'U', "full" }, { 'V', "read" },
};

static void
note_left(json_t *left, char kind, const struct reg_account *owner,
          const struct reg_account *other)
{
	for (size_t i = 0; left && i < CV_COUNT(link_words); i++)
		if (link_words[i].kind == kind)
			json_array_append_new(left, json_pack("{s:s, s:s, s:s}", "what",
				kind == 'M' && owner->kind != CV_KIND_GROUP ? "holder"
				: link_words[i].word, "of", owner->text[T_ADDRESS], "who",
				other->text[T_ADDRESS]));
}

static void
unlink_one(struct reg_call *c, char kind, struct reg_account *owner, struct reg_account *other,
           json_t *left)
{
	if (!reg_list_has(reg_list_of(owner, kind), other->acct))
		return;
	if (kind != 'V' || !reg_is_glass(c, owner->acct, other->acct))
		note_left(left, kind, owner, other);
	reg_save_link(c, kind, owner->acct, other->acct, false);
	reg_list_del(reg_list_of(owner, kind), other->acct);
	if (kind == 'M' && owner->kind != CV_KIND_GROUP)
		reg_note_holder(c, owner, other, false);
}

static bool
is_in_agency(const struct reg_account *a, const char *agency)
{
	return !agency || !strcmp(a->text[T_AGENCY], agency);
}

void
reg_leave_links(struct reg_call *c, struct reg_account *a, const char *agency, json_t *left)
{
	struct reg_model *m = &c->r->model;
	for (size_t i = 0; i < m->count; i++) {
		struct reg_account *o = m->accounts[i];
		if (o == a || !is_in_agency(o, agency))
			continue;
		for (size_t k = 0; k < CV_COUNT(link_words); k++)
			unlink_one(c, link_words[k].kind, o, a, left);
		/* What a person lent to colleagues is not lent across agencies. */
		for (size_t k = 2; k < CV_COUNT(link_words); k++)
			unlink_one(c, link_words[k].kind, a, o, left);
	}
}

/* Puts back what a list of reg_leave_links() says; what no longer can be is left out. */
static void
link_again(struct reg_call *c, const json_t *left)
{
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)(uintptr_t)left, i, one) {
		const char *what = json_string_value(json_object_get(one, "what"));
		const char *of = json_string_value(json_object_get(one, "of"));
		const char *who = json_string_value(json_object_get(one, "who"));
		struct reg_account *owner, *other;
		struct cv_err none;
		char kind = what && !strcmp(what, "holder") ? 'M' : 0;
		for (size_t k = 0; what && k < CV_COUNT(link_words); k++)
			if (!strcmp(what, link_words[k].word))
				kind = link_words[k].kind;
		if (!kind || !of || !who || reg_account_of(c, cv_str_z(of), &owner, &none) ||
		    reg_account_of(c, cv_str_z(who), &other, &none) ||
		    owner->state == CV_STATE_RETIRED || other->state == CV_STATE_RETIRED ||
		    reg_list_has(reg_list_of(owner, kind), other->acct))
			continue;
		reg_save_link(c, kind, owner->acct, other->acct, true);
		reg_list_add(reg_list_of(owner, kind), other->acct);
		if (kind == 'M' && owner->kind != CV_KIND_GROUP)
			reg_note_holder(c, owner, other, true);
	}
}

/* ---- addresses ---- */

/* What A is called by name and UNIT: an address of its own that fits, or the first free one. */
static enum cv_status
address_for(struct reg_call *c, const struct reg_account *a, struct cv_str unit,
            struct cv_str *key_out, struct cv_err *err)
{
	const struct cv_registry *r = c->r;
	if (r->name_template != CV_NAME_INITIALS)
		unit = CV_STR("");
	for (unsigned number = 0; number <= COLLISIONS_MAX; number += number ? 1 : 2) {
		struct cv_buf local = CV_BUF_INIT(256);
		enum cv_status status = cv_name_local_part(r->name_template,
			cv_str_z(a->text[T_SURNAME]), cv_str_z(a->text[T_MIDDLE]),
			cv_str_z(a->text[T_GIVEN]), unit, number, &local, err);
		*key_out = status ? CV_STR_EMPTY : cv_arena_printf(&c->arena, "%s@%s", local.p,
			r->model.default_domain);
		cv_buf_done(&local);
		if (status)
			return status;
		const struct reg_address *old = cv_map_get(&r->model.addresses, *key_out);
		if (old && old->acct == a->acct)
			return CV_OK;
		if (!old)
			return reg_free_address(c, cv_str_z(a->text[T_SURNAME]),
				cv_str_z(a->text[T_MIDDLE]), cv_str_z(a->text[T_GIVEN]), unit,
				reg_flag(c->request, "override", false), key_out, err);
	}
	return cv_fail(err, CV_LIMIT, "no free number for that name");
}

/* The old address stays as an alias: mail to it arrives, nobody else ever gets it. */
static void
move_address(struct reg_call *c, struct reg_account *a, struct cv_str key)
{
	struct cv_str old = cv_arena_str(&c->arena, cv_str_z(a->text[T_ADDRESS]));
	if (cv_str_eq(old, key))
		return;
	reg_save_address(c, old, REG_ALIAS, a->acct);
	reg_save_address(c, key, REG_PRIMARY, a->acct);
	reg_account_set(a, T_ADDRESS, key);
	reg_admin_follow(c, old, a);
	json_object_set_new(c->reply, "alias", json_stringn(old.p, old.n));
}

/* TEXT as A's new address: the caller's to give, nobody else's ever, no reserved word. */
static enum cv_status
given_address(struct reg_call *c, const struct reg_account *a, struct cv_str text,
              struct cv_str *key_out, struct cv_err *err)
{
	enum cv_status status = reg_check_new_address(c, text, err);
	if (!status)
		status = reg_address_key(c, text, key_out, err);
	if (status)
		return status;
	const struct reg_address *old = cv_map_get(&c->r->model.addresses, *key_out);
	if (old && old->acct == a->acct)
		return CV_OK;
	if (old)
		return cv_fail(err, CV_EXISTS, "the address %.*s belongs, or belonged, to somebody",
			CV_STR_ARGS(*key_out));
	return reg_check_refused(c, cv_str_sub(*key_out, 0, cv_str_find(*key_out, '@', 0)),
		reg_flag(c->request, "override", false), err);
}

/* Field "new_address", or what name and unit make; with "keep_address" what there is. */
static enum cv_status
choose_new_address(struct reg_call *c, struct reg_account *a, struct cv_err *err)
{
	struct cv_str text, key;
	enum cv_status status = reg_field(c, c->request, "new_address", 320, &text, err);
	if (status || reg_flag(c->request, "keep_address", false))
		return status;
	if (text.n) {
		status = given_address(c, a, text, &key, err);
	} else {
		status = address_for(c, a, cv_str_z(a->text[T_AGENCY]), &key, err);
	}
	if (!status)
		move_address(c, a, key);
	return status;
}

/* ---- shared by all moves ---- */

static json_t *
place_json(const struct reg_account *a)
{
	static const enum reg_text texts[] = { T_ADDRESS, T_NAME, T_AGENCY, T_DEPARTMENT, T_TITLE,
		T_PHONE_OFFICE };
	json_t *o = json_object();
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		json_object_set_new(o, reg_texts[texts[i]].json, json_string(a->text[texts[i]]));
	json_object_set_new(o, "rank", json_integer(a->rank));
	json_object_set_new(o, "quota", json_integer((json_int_t)a->quota_bytes));
	return o;
}

static enum cv_status
person_field(struct reg_call *c, struct reg_account **out, struct cv_err *err)
{
	enum cv_status status = reg_account_field(c, "address", out, err);
	if (!status && (*out)->kind != CV_KIND_PERSON)
		status = cv_fail(err, CV_INVALID, "%s is no person", (*out)->text[T_ADDRESS]);
	if (!status && (*out)->state == CV_STATE_RETIRED)
		status = cv_fail(err, CV_DENIED, "%s is retired", (*out)->text[T_ADDRESS]);
	return status;
}

/* What was given by class follows the class. */
static void
follow_class(struct reg_call *c, struct reg_account *a, uint64_t class_before)
{
	if (a->quota_bytes != class_before || class_before == reg_class_quota(c->r, a))
		return;
	a->quota_bytes = reg_class_quota(c->r, a);
	reg_want_box(c, a, true);
}

/* The commit of a move: BEFORE and LEFT are taken over. */
static enum cv_status
commit_move(struct reg_call *c, struct reg_account *a, const char *action, json_t *before,
            json_t *left, struct cv_err *err)
{
	static const char *const carried[] = { "letter", "reason", "request_id", "until" };
	json_t *after = place_json(a);
	json_t *detail = json_pack("{s:O, s:O}", "before", before, "after", after);
	for (size_t i = 0; i < CV_COUNT(carried); i++)
		if (json_object_get(c->request, carried[i]))
			json_object_set(detail, carried[i],
			                json_object_get(c->request, carried[i]));
	if (left && json_array_size(left) <= 100)
		json_object_set(detail, "left", left);
	json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
	json_object_set_new(c->reply, "before", before);
	json_object_set_new(c->reply, "after", after);
	if (left)
		json_object_set_new(c->reply, "left", left);
	return reg_commit_act(c, action, a->text[T_ADDRESS], detail, err);
}

/* Agency, department, title and office telephone of OBJECT; empty what it does not say but the
 * title. */
static enum cv_status
set_place(struct reg_call *c, struct reg_account *a, json_t *object, struct cv_err *err)
{
	static const char *const keys[] = { "agency", "department", "phone_office", "title",
		"rank" };
	json_t *place = json_pack("{s:s, s:s}", "department", "", "phone_office", "");
	uint64_t class_before = reg_class_quota(c->r, a);
	bool changed;
	for (size_t i = 0; i < CV_COUNT(keys); i++)
		if (json_object_get(object, keys[i]))
			json_object_set(place, keys[i], json_object_get(object, keys[i]));
	enum cv_status status = reg_update_account(c, place, a, &changed, err);
	json_decref(place);
	if (!status)
		follow_class(c, a, class_before);
	return status;
}

static enum cv_status
other_agency(struct reg_call *c, const struct reg_account *a, struct cv_err *err)
{
	struct cv_str agency;
	enum cv_status status = reg_field(c, c->request, "agency", 12, &agency, err);
	if (!status && !agency.n)
		status = cv_fail(err, CV_INVALID, "field 'agency' must name the new agency");
	if (!status && !reg_find_agency(c->r, agency))
		status = cv_fail(err, CV_NOT_FOUND, "no agency '%.*s'", CV_STR_ARGS(agency));
	if (!status && cv_str_eq_z(agency, a->text[T_AGENCY]))
		status = cv_fail(err, CV_INVALID,
			"%s is in '%s' already; use account.set for a new department or title",
			a->text[T_ADDRESS], a->text[T_AGENCY]);
	return status;
}

void
reg_drop_waiting(struct reg_call *c, const char *what, const struct reg_account *a)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'Y', &list);
	for (size_t i = 0; i < n; i++) {
		const json_t *request = json_object_get(list[i]->body, "request");
		const char *name = json_string_value(json_object_get(request, "do"));
		const char *state = json_string_value(json_object_get(list[i]->body, "state"));
		json_t *address = json_object_get(request, "address");
		struct reg_account *of;
		struct cv_err none;
		if (!state || strcmp(state, "waiting") || !name || strcmp(name, what) ||
		    !json_is_string(address) ||
		    reg_account_of(c, cv_str_z(json_string_value(address)), &of, &none) || of != a)
			continue;
		(void)reg_drop_acts(c, (uint64_t)reg_fact_secs(list[i]->body, "group"),
		                    "done already");
	}
	free(list);
}

static enum cv_status
until_field(struct reg_call *c, int64_t *until_out, struct cv_err *err)
{
	bool given;
	enum cv_status status = reg_time(c, "until", true, until_out, &given, err);
	if (!status && !given)
		status = cv_fail(err, CV_INVALID, "field 'until' must name the last day");
	if (!status && *until_out <= cv_wall_secs())
		status = cv_fail(err, CV_INVALID, "that would be over before it begins");
	return status;
}

static enum cv_status
come_back_at(struct reg_call *c, const struct reg_account *a, int64_t at, struct cv_err *err)
{
	uint64_t number;
	json_t *request = json_pack("{s:s, s:s}", "do", "account.return", "address",
		a->text[T_ADDRESS]);
	enum cv_status status = reg_put_off(c, request, at, 0, &number, err);
	json_decref(request);
	if (!status) {
		json_object_set_new(c->reply, "return_act", json_integer((json_int_t)number));
		json_object_set_new(c->reply, "return_at", json_integer(at));
	}
	return status;
}

/* ---- the requests ---- */

/* {"address", "agency", "department"?, "title"?, "rank"?, "phone_office"?, "keep_address"?,
 *  "new_address"?, "letter"?, "reason"?, "on"?} -> {"address", "alias"?, "before", "after", "left"}
 * Groups, role boxes and delegations of the old agency are left, and its administration. */
enum cv_status
reg_account_transfer(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = person_field(c, &a, err);
	if (!status)
		status = other_agency(c, a, err);
	if (!status && reg_fact(c, a, "second"))
		status = cv_fail(err, CV_DENIED, "%s is seconded: account.return first",
		                 a->text[T_ADDRESS]);
	if (status)
		return status;
	json_t *before = place_json(a), *left = json_array();
	const char *agency = cv_arena_z(&c->arena, cv_str_z(a->text[T_AGENCY]));
	reg_leave_links(c, a, agency, left);
	status = set_place(c, a, c->request, err);
	if (!status)
		status = choose_new_address(c, a, err);
	if (status) {
		json_decref(before);
		json_decref(left);
		return status;
	}
	reg_save_account(c, a);
	json_t *ended = reg_admin_left(c, a, agency);
	status = commit_move(c, a, "account.transfer", before, left, err);
	if (!status)
		return reg_admin_note_left(c, a, ended, err);
	json_decref(ended);
	return status;
}

/* {"address", "agency", "until", "department"?, "title"?, "rank"?, "letter"?, "on"?}: with another
 * agency for a time, under the same address; everything comes back after the last day. */
enum cv_status
reg_account_second(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	int64_t until = 0;
	enum cv_status status = person_field(c, &a, err);
	if (!status)
		status = other_agency(c, a, err);
	if (!status)
		status = until_field(c, &until, err);
	if (!status && reg_fact(c, a, "second"))
		status = cv_fail(err, CV_DENIED, "%s is seconded already", a->text[T_ADDRESS]);
	if (status)
		return status;
	json_t *before = place_json(a), *left = json_array();
	reg_leave_links(c, a, cv_arena_z(&c->arena, cv_str_z(a->text[T_AGENCY])), left);
	json_t *fact = json_pack("{s:O, s:O, s:I}", "before", before, "left", left, "until",
		(json_int_t)until);
	status = set_place(c, a, c->request, err);
	if (!status)
		status = come_back_at(c, a, until, err);
	if (status) {
		json_decref(before);
		json_decref(left);
		json_decref(fact);
		return status;
	}
	reg_save_account(c, a);
	reg_set_fact(c, a, "second", fact);
	return commit_move(c, a, "account.second", before, left, err);
}

static enum cv_status
end_second(struct reg_call *c, struct reg_account *a, json_t *left, struct cv_err *err)
{
	json_t *fact = json_deep_copy(reg_fact(c, a, "second"));
	json_t *place = json_object_get(fact, "before");
	reg_leave_links(c, a, cv_arena_z(&c->arena, cv_str_z(a->text[T_AGENCY])), left);
	enum cv_status status = set_place(c, a, place, err);
	if (!status) {
		link_again(c, json_object_get(fact, "left"));
		reg_set_fact(c, a, "second", NULL);
		uint64_t quota = (uint64_t)reg_fact_secs(place, "quota");
		if (quota != a->quota_bytes) {
			a->quota_bytes = quota;
			reg_want_box(c, a, true);
		}
		reg_save_account(c, a);
	}
	json_decref(fact);
	return status;
}

bool
reg_stay_off(struct reg_call *c, const struct reg_account *a)
{
	const json_t *old = reg_fact(c, a, "leave");
	if (!old || json_is_true(json_object_get(old, "was_suspended")))
		return false;
	json_t *fact = json_deep_copy(old);
	json_object_set_new(fact, "was_suspended", json_true());
	reg_set_fact(c, a, "leave", fact);
	return true;
}

static void
end_leave(struct reg_call *c, struct reg_account *a)
{
	const json_t *fact = reg_fact(c, a, "leave");
	bool stays_off = json_is_true(json_object_get(fact, "was_suspended"));
	if (a->state == CV_STATE_SUSPENDED && !stays_off) {
		a->state = CV_STATE_ACTIVE;
		a->state_secs = cv_wall_secs();
		reg_save_account(c, a);
	}
	if (a->route) {
		a->route->secs[RM_ABSENCE_FROM] = a->route->secs[RM_ABSENCE_UNTIL] = 0;
		for (int i = RT_ABSENCE_VI; i <= RT_ABSENCE_OUTSIDE; i++)
			reg_route_set(a->route, (enum reg_route_text)i, CV_STR(""));
		reg_save_route(c, a);
	}
	reg_set_fact(c, a, "leave", NULL);
}

/* {"address"}: back from a secondment or a leave, at its end or before. */
enum cv_status
reg_account_return(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = person_field(c, &a, err);
	if (status)
		return status;
	bool is_seconded = reg_fact(c, a, "second") != NULL;
	bool is_away = reg_fact(c, a, "leave") != NULL;
	if (!is_seconded && !is_away)
		return cv_fail(err, CV_DENIED, "%s is neither seconded nor away",
		               a->text[T_ADDRESS]);
	json_t *before = place_json(a), *left = json_array();
	c->was_changed = true;
	if (is_away)
		end_leave(c, a);
	if (is_seconded)
		status = end_second(c, a, left, err);
	if (status) {
		json_decref(before);
		json_decref(left);
		return status;
	}
	reg_drop_waiting(c, "account.return", a);
	return commit_move(c, a, "account.return", before, left, err);
}

static void
default_absence(struct reg_route *route, const struct reg_account *a, int64_t until)
{
	struct cv_buf last = CV_BUF_INIT(40), text = CV_BUF_INIT(REG_ABSENCE_MAX);
	cv_date_write_vn(&last, cv_date_at(until - 1, CV_ZONE_VIETNAM));
	cv_buf_printf(&text, "%s vắng mặt đến hết ngày %s. Thư của ông/bà đã đến hộp thư và sẽ được "
		"xem sau ngày đó.", a->text[T_NAME], last.p);
	if (!*route->text[RT_ABSENCE_VI])
		reg_route_set(route, RT_ABSENCE_VI, cv_buf_view(&text));
	cv_buf_reset(&text);
	cv_buf_printf(&text, "%s is away up to and including %s. Your message has arrived and will be "
		"read afterwards.", a->text[T_NAME], last.p);
	if (!*route->text[RT_ABSENCE_EN])
		reg_route_set(route, RT_ABSENCE_EN, cv_buf_view(&text));
	cv_buf_done(&last);
	cv_buf_done(&text);
}

/* {"address", "until", "vi"?, "en"?, "login"?, "reason"?, "on"?}: away to the end of the last day:
 * no log-in unless "login", mail arrives, senders are told. */
enum cv_status
reg_account_leave(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	int64_t until = 0;
	struct cv_str vi, en;
	enum cv_status status = person_field(c, &a, err);
	if (!status)
		status = until_field(c, &until, err);
	if (!status)
		status = reg_field(c, c->request, "vi", REG_ABSENCE_MAX, &vi, err);
	if (!status)
		status = reg_field(c, c->request, "en", REG_ABSENCE_MAX, &en, err);
	if (status)
		return status;
	if (reg_fact(c, a, "leave"))
		reg_drop_waiting(c, "account.return", a); /* a longer or shorter one in its place */
	json_t *before = place_json(a);
	c->was_changed = true;
	struct reg_route *route = reg_route_of(a);
	reg_route_set(route, RT_ABSENCE_VI, vi);
	reg_route_set(route, RT_ABSENCE_EN, en);
	default_absence(route, a, until);
	route->secs[RM_ABSENCE_FROM] = cv_wall_secs();
	route->secs[RM_ABSENCE_UNTIL] = until;
	reg_save_route(c, a);
	const json_t *old = reg_fact(c, a, "leave");
	bool was_off = old ? json_is_true(json_object_get(old, "was_suspended"))
	                   : a->state == CV_STATE_SUSPENDED;
	if (a->state == CV_STATE_ACTIVE && !reg_flag(c->request, "login", false)) {
		a->state = CV_STATE_SUSPENDED;
		a->state_secs = cv_wall_secs();
		reg_save_account(c, a);
	}
	reg_set_fact(c, a, "leave", json_pack("{s:I, s:b}", "until", (json_int_t)until,
		"was_suspended", was_off));
	status = come_back_at(c, a, until, err);
	if (status) {
		json_decref(before);
		return status;
	}
	return commit_move(c, a, "account.leave", before, NULL, err);
}

/* {"address", "name" or "surname", "middle", "given", "keep_address"?, "new_address"?, "letter"?,
 *  "reason"?, "on"?}: a corrected name; the address follows it, the old one stays as an alias. */
enum cv_status
reg_account_rename(struct reg_call *c, struct cv_err *err)
{
	static const char *const keys[] = { "name", "surname", "middle", "given" };
	struct reg_account *a;
	bool changed;
	json_t *name = json_object();
	enum cv_status status = person_field(c, &a, err);
	for (size_t i = 0; i < CV_COUNT(keys); i++)
		if (json_object_get(c->request, keys[i]))
			json_object_set(name, keys[i], json_object_get(c->request, keys[i]));
	if (!status && !json_object_size(name))
		status = cv_fail(err, CV_INVALID, "field 'name' must be the right name");
	json_t *before = status ? NULL : place_json(a);
	if (!status)
		status = reg_update_account(c, name, a, &changed, err);
	if (!status)
		status = choose_new_address(c, a, err);
	json_decref(name);
	if (status) {
		json_decref(before);
		return status;
	}
	reg_save_account(c, a);
	return commit_move(c, a, "account.rename", before, NULL, err);
}
