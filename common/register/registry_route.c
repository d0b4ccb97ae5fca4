/* registry_route.c - where mail goes beside the box: groups' posters and owners, outside members,
 * forwards, retired addresses' successors, absences. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_impl.h"
#include "common/text/address.h"
#include "common/text/date.h"

#define TARGETS_MAX 2000
#define FORWARDS_MAX 20
#define DAY_SECS 86400
#define TIME_MAX INT64_C(253402300799) /* the end of the year 9999 */
#define FORWARD_DAYS_MAX 366 /* an allowance outside is looked at again once a year */
#define NOTICE_DAYS_MAX 1830
#define NEST_MAX 10

/* ---- fields and rows ---- */

struct reg_list *
reg_list_of(struct reg_account *a, char kind)
{
	switch (kind) {
	case 'M':
		return &a->members;
	case 'O':
		return &a->posters;
	case 'U':
		return &a->stewards;
	case 'V':
		return &a->readers;
	default:
		return &a->delegates;
	}
}

enum cv_status
reg_any_key(struct reg_call *c, struct cv_str address, struct cv_str *key_out, bool *ours_out,
            struct cv_err *err)
{
	struct cv_buf key = CV_BUF_INIT(1024);
	if (cv_str_find(address, '@', 0) == address.n) {
		*ours_out = true;
		return reg_address_key(c, address, key_out, err);
	}
	enum cv_status status = cv_address_key(address, &key, err);
	struct cv_str whole = cv_arena_str(&c->arena, cv_buf_view(&key));
	cv_buf_done(&key);
	if (status)
		return status;
	size_t at = whole.n;
	while (whole.p[at - 1] != '@')
		at--;
	struct cv_str domain = cv_str_sub(whole, at, whole.n);
	*ours_out = cv_map_get(&c->r->model.domains, domain) != NULL;
	if (*ours_out)
		return reg_address_key(c, address, key_out, err);
	/* Of another server only the domain is ours to lower. */
	struct cv_buf as_written = CV_BUF_INIT(1024);
	status = cv_address_normalise(address, &as_written, err);
	*key_out = cv_arena_str(&c->arena, cv_buf_view(&as_written));
	cv_buf_done(&as_written);
	return status;
}

enum cv_status
reg_time(struct reg_call *c, const char *name, bool is_end, int64_t *secs_out, bool *given_out,
         struct cv_err *err)
{
	json_t *value = json_object_get(c->request, name);
	struct cv_date date;
	*given_out = false;
	if (json_is_integer(value)) {
		*secs_out = (int64_t)json_integer_value(value);
		*given_out = true;
		return *secs_out >= 0 && *secs_out <= TIME_MAX ? CV_OK
			: cv_fail(err, CV_INVALID, "field '%s' is no time", name);
	}
	struct cv_str text;
	enum cv_status status = reg_field(c, c->request, name, 40, &text, err);
	if (status || !text.n)
		return status;
	/* "2026-12-31 08:00" and with seconds: in Vietnam, as people write it. */
	struct cv_str whole = text;
	if (text.n == 16 || text.n == 19)
		whole = cv_arena_printf(&c->arena, "%.*s%s+07:00", CV_STR_ARGS(text),
			text.n == 16 ? ":00" : "");
	if (cv_date_parse_iso(whole, CV_ZONE_VIETNAM, &date) != CV_OK)
		return cv_fail(err, CV_INVALID,
			"field '%s' must be a day such as 2026-12-31, or 2026-12-31 08:00", name);
	*secs_out = date.unix_secs + (is_end && text.n == 10 ? DAY_SECS : 0);
	*given_out = true;
	return CV_OK;
}

static struct cv_str
row_key(struct reg_call *c, char kind, uint64_t acct, int sub, struct cv_str rest)
{
	struct cv_buf key = CV_BUF_INIT(1100);
	cv_buf_c(&key, kind);
	cv_buf_be64(&key, acct);
	if (sub >= 0)
		cv_buf_c(&key, (char)sub);
	cv_buf_str(&key, rest);
	struct cv_str copy = cv_arena_str(&c->arena, cv_buf_view(&key));
	cv_buf_done(&key);
	return copy;
}

void
reg_save_route(struct reg_call *c, struct reg_account *a)
{
	struct cv_buf row = CV_BUF_INIT(CV_VALUE_MAX);
	bool is_default = reg_route_is_default(a->route);
	if (!is_default)
		reg_route_encode(a->route, &row);
	reg_put(c, row_key(c, 'Q', a->acct, -1, CV_STR_EMPTY),
	        is_default ? CV_STR_EMPTY : cv_buf_view(&row));
	cv_buf_done(&row);
	if (is_default) {
		reg_route_free(a->route);
		a->route = NULL;
	}
}

void
reg_save_target(struct reg_call *c, struct reg_account *a, const struct reg_target *t,
                bool is_there)
{
	struct cv_buf row = CV_BUF_INIT(CV_VALUE_MAX);
	if (is_there)
		reg_target_encode(t, &row);
	reg_put(c, row_key(c, 'T', a->acct, (int)t->kind, cv_str_z(t->address)),
	        is_there ? cv_buf_view(&row) : CV_STR_EMPTY);
	cv_buf_done(&row);
	if (is_there)
		reg_target_put(a, t);
	else
		(void)reg_target_del(a, t->kind, cv_str_z(t->address));
}

static const char *
key_z(struct reg_call *c, struct cv_str key)
{
	return cv_arena_z(&c->arena, key);
}

/* ---- groups ---- */

static enum cv_status
group_field(struct reg_call *c, struct reg_account **out, struct cv_err *err)
{
	enum cv_status status = reg_account_field(c, "group", out, err);
	if (!status && (*out)->kind != CV_KIND_GROUP)
		status = cv_fail(err, CV_INVALID, "%s is no group", (*out)->text[T_ADDRESS]);
	return status;
}

/* Would GROUP come back to itself through MEMBER, or nest too deep? */
static bool
leads_to(const struct reg_model *m, const struct reg_account *member, uint64_t group,
         unsigned depth)
{
	if (member->acct == group || depth > NEST_MAX)
		return true;
	for (size_t i = 0; member->kind == CV_KIND_GROUP && i < member->members.n; i++) {
		const struct reg_account *next = reg_model_find(m, member->members.items[i]);
		if (next && next->kind == CV_KIND_GROUP && leads_to(m, next, group, depth + 1))
			return true;
	}
	return false;
}

static enum cv_status
outside_member(struct reg_call *c, struct reg_account *group, struct cv_str key, bool add,
               struct cv_err *err)
{
	bool is_there = reg_target_find(group, CV_TARGET_MEMBER, key) != NULL;
	json_object_set_new(c->reply, "changed", json_boolean(is_there != add));
	if (is_there == add)
		return CV_OK;
	if (add && group->target_count >= TARGETS_MAX)
		return cv_fail(err, CV_LIMIT, "%s has %d outside members already",
		               group->text[T_ADDRESS], TARGETS_MAX);
	/* Bounces of outside members must go to somebody who can act on them. */
	if (add && (!group->route || !*group->route->text[RT_OWNER]))
		return cv_fail(err, CV_INVALID,
		               "%s needs an owner before it may have outside members",
		               group->text[T_ADDRESS]);
	struct reg_target t = { .kind = CV_TARGET_MEMBER, .since_secs = cv_wall_secs(),
		.address = (char *)(uintptr_t)key_z(c, key), .reason = (char *)(uintptr_t)"" };
	reg_save_target(c, group, &t, add);
	return reg_commit(c, "group.member", group->text[T_ADDRESS],
		json_pack("{s:s, s:b, s:b}", "who", t.address, "outside", 1, "removed", !add), err);
}

/* {"group", "member", "remove"?}: an account, another group, or an address outside. */
enum cv_status
reg_group_member(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *group, *member;
	struct cv_str text, key;
	bool is_ours, add = !reg_flag(c->request, "remove", false);
	enum cv_status status = group_field(c, &group, err);
	if (!status)
		status = reg_field(c, c->request, "member", 320, &text, err);
	if (!status && !text.n)
		status = cv_fail(err, CV_INVALID, "field 'member' must name an address");
	if (!status)
		status = reg_any_key(c, text, &key, &is_ours, err);
	if (!status && !is_ours)
		return outside_member(c, group, key, add, err);
	if (!status)
		status = reg_account_of(c, text, &member, err);
	if (status)
		return status;
	if (add && leads_to(&c->r->model, member, group->acct, 1))
		return cv_fail(err, CV_INVALID, "%s would come back to %s, or nest too deep",
		               member->text[T_ADDRESS], group->text[T_ADDRESS]);
	return reg_link(c, 'M', group, member, add, "group.member", err);
}

/* {"group", "poster", "remove"?}: an account that may write to a group for named accounts. */
enum cv_status
reg_group_poster(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *group, *poster;
	enum cv_status status = group_field(c, &group, err);
	if (!status)
		status = reg_account_field(c, "poster", &poster, err);
	return status ? status : reg_link(c, 'O', group, poster,
		!reg_flag(c->request, "remove", false), "group.poster", err);
}

static bool
set_text(struct reg_route *route, enum reg_route_text which, struct cv_str text)
{
	bool changed = !cv_str_eq_z(text, route->text[which]);
	reg_route_set(route, which, text);
	return changed;
}

static bool
set_secs(struct reg_route *route, enum reg_route_time which, int64_t secs)
{
	bool changed = route->secs[which] != secs;
	route->secs[which] = secs;
	return changed;
}

static bool
is_given(struct reg_call *c, const char *name)
{
	return json_is_string(json_object_get(c->request, name));
}

static enum cv_status
set_post(struct reg_call *c, struct reg_route *route, bool *changed, struct cv_err *err)
{
	struct cv_str word;
	enum cv_status status = reg_field(c, c->request, "post", 20, &word, err);
	if (status || !word.n)
		return status;
	for (int i = 0; reg_post_words[i]; i++)
		if (cv_str_eq_z(word, reg_post_words[i])) {
			*changed |= route->post != (enum cv_reg_post)i;
			route->post = (enum cv_reg_post)i;
			return CV_OK;
		}
	return cv_fail(err, CV_INVALID,
		"field 'post' is none of staff, anyone, official, members, named, nobody");
}

/* An account that is ours and gets mail; the text is its key. */
static enum cv_status
own_address(struct reg_call *c, const char *name, struct cv_str *key_out, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, name, &a, err);
	if (!status && (a->state == CV_STATE_RETIRED || a->kind == CV_KIND_GROUP))
		status = cv_fail(err, CV_INVALID, "%s is no box that gets mail",
		                 a->text[T_ADDRESS]);
	if (!status)
		*key_out = cv_str_z(a->text[T_ADDRESS]);
	return status;
}

/* {"group", "post"?, "owner"?} -> {"changed"} */
enum cv_status
reg_group_set(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *group;
	struct cv_str owner;
	bool changed = false;
	enum cv_status status = group_field(c, &group, err);
	if (status)
		return status;
	c->was_changed = true; /* whatever follows, the model may be touched */
	struct reg_route *route = reg_route_of(group);
	status = set_post(c, route, &changed, err);
	if (!status && is_given(c, "owner")) {
		status = own_address(c, "owner", &owner, err);
		if (!status)
			changed |= set_text(route, RT_OWNER, owner);
	}
	if (status)
		return status;
	json_object_set_new(c->reply, "changed", json_boolean(changed));
	if (!changed)
		return CV_OK;
	reg_save_route(c, group);
	return reg_commit(c, "group.set", group->text[T_ADDRESS],
		group->route ? json_pack("{s:s, s:s}", "post", reg_post_words[group->route->post],
			"owner", group->route->text[RT_OWNER]) : NULL, err);
}

/* ---- forwards ---- */

static size_t
forwards_of(const struct reg_account *a)
{
	size_t n = 0;
	for (size_t i = 0; i < a->target_count; i++)
		n += a->targets[i].kind == CV_TARGET_FORWARD;
	return n;
}

/* Outside only by a decision that somebody answers for and that ends (POL-01). */
static enum cv_status
check_forward(struct reg_call *c, struct reg_account *from, struct cv_str to, bool is_ours,
              struct cv_str reason, int64_t until, struct cv_err *err)
{
	int64_t now = cv_wall_secs();
	if (from->kind == CV_KIND_GROUP)
		return cv_fail(err, CV_INVALID, "%s is a group: give it members instead",
		               from->text[T_ADDRESS]);
	if (until && until <= now)
		return cv_fail(err, CV_INVALID, "the forward would be over already");
	if (!is_ours && (!reason.n || !until))
		return cv_fail(err, CV_DENIED,
			"a forward outside our domains needs a reason and a last day (POL-01)");
	if (!is_ours && until > now + (int64_t)FORWARD_DAYS_MAX * DAY_SECS)
		return cv_fail(err, CV_DENIED, "a forward outside our domains lasts at most %d days",
		               FORWARD_DAYS_MAX);
	if (forwards_of(from) >= FORWARDS_MAX &&
	    !reg_target_find(from, CV_TARGET_FORWARD, to))
		return cv_fail(err, CV_LIMIT, "%s is forwarded to %d addresses already",
		               from->text[T_ADDRESS], FORWARDS_MAX);
	struct reg_account *target;
	enum cv_status status = CV_OK;
	if (is_ours)
		status = reg_account_of(c, to, &target, err);
	if (!status && is_ours && target == from)
		status = cv_fail(err, CV_INVALID, "%s cannot be forwarded to itself",
		                 from->text[T_ADDRESS]);
	return status;
}

static enum cv_status
forward_fields(struct reg_call *c, struct reg_account **from, struct cv_str *to, bool *is_ours,
               struct cv_err *err)
{
	struct cv_str text;
	enum cv_status status = reg_account_field(c, "from", from, err);
	if (!status)
		status = reg_field(c, c->request, "to", 320, &text, err);
	if (!status && !text.n)
		status = cv_fail(err, CV_INVALID, "field 'to' must name an address");
	return status ? status : reg_any_key(c, text, to, is_ours, err);
}

/* {"from", "to", "reason"?, "until"?, "keep"? = true, "dry_run"?} -> {"from", "to", "outside"} */
enum cv_status
reg_forward_add(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *from;
	struct cv_str to, reason;
	bool is_ours, has_until;
	int64_t until = 0;
	enum cv_status status = forward_fields(c, &from, &to, &is_ours, err);
	if (!status)
		status = reg_field(c, c->request, "reason", 300, &reason, err);
	if (!status)
		status = reg_time(c, "until", true, &until, &has_until, err);
	if (!status)
		status = check_forward(c, from, to, is_ours, reason, until, err);
	if (status)
		return status;
	json_object_set_new(c->reply, "from", json_string(from->text[T_ADDRESS]));
	json_object_set_new(c->reply, "to", json_stringn(to.p, to.n));
	json_object_set_new(c->reply, "outside", json_boolean(!is_ours));
	if (c->is_dry)
		return CV_OK;
	struct reg_target t = { .kind = CV_TARGET_FORWARD, .since_secs = cv_wall_secs(),
		.until_secs = until, .keep = reg_flag(c->request, "keep", true),
		.address = (char *)(uintptr_t)key_z(c, to),
		.reason = (char *)(uintptr_t)key_z(c, reason) };
	reg_save_target(c, from, &t, true);
	return reg_commit(c, "forward.add", from->text[T_ADDRESS],
		json_pack("{s:s, s:s, s:I, s:b, s:b}", "to", t.address, "reason", t.reason, "until",
			(json_int_t)until, "keep", t.keep, "outside", !is_ours), err);
}

/* {"from", "to"} */
enum cv_status
reg_forward_del(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *from;
	struct cv_str to;
	bool is_ours;
	enum cv_status status = forward_fields(c, &from, &to, &is_ours, err);
	if (status)
		return status;
	const struct reg_target *old = reg_target_find(from, CV_TARGET_FORWARD, to);
	if (!old)
		return cv_fail(err, CV_NOT_FOUND, "%s is not forwarded to %.*s",
		               from->text[T_ADDRESS], CV_STR_ARGS(to));
	struct reg_target t = { .kind = CV_TARGET_FORWARD,
		.address = (char *)(uintptr_t)key_z(c, to) };
	reg_save_target(c, from, &t, false);
	return reg_commit(c, "forward.del", from->text[T_ADDRESS],
		json_pack("{s:s}", "to", t.address), err);
}

static void
list_forwards(struct reg_call *c, const struct reg_account *a, json_t *list)
{
	int64_t now = cv_wall_secs();
	for (size_t i = 0; i < a->target_count; i++) {
		const struct reg_target *t = &a->targets[i];
		if (t->kind != CV_TARGET_FORWARD)
			continue;
		bool is_ours;
		struct cv_str key;
		struct cv_err none;
		if (reg_any_key(c, cv_str_z(t->address), &key, &is_ours, &none))
			is_ours = false;
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:b, s:b}",
			"from", a->text[T_ADDRESS], "to", t->address, "reason", t->reason,
			"since", (json_int_t)t->since_secs, "until", (json_int_t)t->until_secs,
			"keep", t->keep, "outside", !is_ours, "active",
			!t->until_secs || t->until_secs > now));
	}
}

/* {"from"?} -> {"forwards": [...]} */
enum cv_status
reg_forward_list(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *from = NULL;
	enum cv_status status = CV_OK;
	if (is_given(c, "from"))
		status = reg_account_field(c, "from", &from, err);
	if (status)
		return status;
	json_t *list = json_array();
	const struct reg_model *m = &c->r->model;
	for (size_t i = 0; i < m->count; i++)
		if (!from || m->accounts[i] == from)
			list_forwards(c, m->accounts[i], list);
	json_object_set_new(c->reply, "forwards", list);
	return CV_OK;
}

/* ---- retired addresses ---- */

enum cv_status
reg_retire_route(struct reg_call *c, struct reg_account *a, bool *changed_out, struct cv_err *err)
{
	struct cv_str successor;
	bool has_notice, has_forward;
	int64_t notice = 0, forward = 0;
	int64_t most = cv_wall_secs() + (int64_t)NOTICE_DAYS_MAX * DAY_SECS;
	enum cv_status status = reg_time(c, "notice_until", true, &notice, &has_notice, err);
	if (!status)
		status = reg_time(c, "forward_until", true, &forward, &has_forward, err);
	if (status || (!is_given(c, "successor") && !has_notice && !has_forward))
		return status;
	if (notice > most || forward > most)
		return cv_fail(err, CV_INVALID, "a notice lasts at most %d days", NOTICE_DAYS_MAX);
	if (!is_given(c, "successor") && (!a->route || !*a->route->text[RT_SUCCESSOR]))
		return cv_fail(err, CV_INVALID, "a notice needs a successor to name");
	if (is_given(c, "successor")) {
		status = own_address(c, "successor", &successor, err);
		if (!status && cv_str_eq_z(successor, a->text[T_ADDRESS]))
			status = cv_fail(err, CV_INVALID, "%s cannot be its own successor",
			                 a->text[T_ADDRESS]);
		if (status)
			return status;
	}
	c->was_changed = true;
	struct reg_route *route = reg_route_of(a);
	if (is_given(c, "successor"))
		*changed_out |= set_text(route, RT_SUCCESSOR, successor);
	if (has_notice)
		*changed_out |= set_secs(route, RM_NOTICE_UNTIL, notice);
	if (has_forward)
		*changed_out |= set_secs(route, RM_FORWARD_UNTIL, forward);
	reg_save_route(c, a);
	return CV_OK;
}

/* ---- absences ---- */

/* Texts keep their lines, so they are not cleaned as names are. */
static enum cv_status
absence_text(struct reg_call *c, const char *name, struct reg_route *route,
             enum reg_route_text which, struct cv_err *err)
{
	json_t *value = json_object_get(c->request, name);
	if (!value || json_is_null(value))
		return CV_OK;
	if (!json_is_string(value))
		return cv_fail(err, CV_INVALID, "field '%s' must be a text", name);
	struct cv_str text = cv_str(json_string_value(value), json_string_length(value));
	if (text.n > REG_ABSENCE_MAX)
		return cv_fail(err, CV_LIMIT, "field '%s' is longer than %u bytes", name,
		               REG_ABSENCE_MAX);
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' && !strchr("\t\r\n", text.p[i]))
			return cv_fail(err, CV_INVALID, "field '%s' has control characters", name);
	if (memchr(text.p, 0, text.n))
		return cv_fail(err, CV_INVALID, "field '%s' has control characters", name);
	reg_route_set(route, which, text);
	return CV_OK;
}

static enum cv_status
absence_times(struct reg_call *c, struct reg_route *route, struct cv_err *err)
{
	int64_t from = cv_wall_secs(), until = 0;
	bool has_from, has_until;
	enum cv_status status = reg_time(c, "from", false, &from, &has_from, err);
	if (!status)
		status = reg_time(c, "until", true, &until, &has_until, err);
	if (status)
		return status;
	if (!has_until)
		return cv_fail(err, CV_INVALID, "an absence has a last day: field 'until'");
	if (until <= from || until <= cv_wall_secs())
		return cv_fail(err, CV_INVALID, "the absence would be over before it begins");
	route->secs[RM_ABSENCE_FROM] = from;
	route->secs[RM_ABSENCE_UNTIL] = until;
	return CV_OK;
}

/* {"address", "from"?, "until", "vi"?, "en"?, "outside"?}: one of vi and en at least. */
enum cv_status
reg_absence_set(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (!status && (a->kind == CV_KIND_GROUP || a->kind == CV_KIND_APP))
		status = cv_fail(err, CV_INVALID, "%s is nobody who could be away",
		                 a->text[T_ADDRESS]);
	if (status)
		return status;
	c->was_changed = true;
	struct reg_route *route = reg_route_of(a);
	status = absence_times(c, route, err);
	if (!status)
		status = absence_text(c, "vi", route, RT_ABSENCE_VI, err);
	if (!status)
		status = absence_text(c, "en", route, RT_ABSENCE_EN, err);
	if (!status)
		status = absence_text(c, "outside", route, RT_ABSENCE_OUTSIDE, err);
	if (!status && !*route->text[RT_ABSENCE_VI] && !*route->text[RT_ABSENCE_EN])
		status = cv_fail(err, CV_INVALID, "an absence needs a text: field 'vi' or 'en'");
	if (status)
		return status;
	json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
	reg_save_route(c, a);
	return reg_commit(c, "absence.set", a->text[T_ADDRESS],
		json_pack("{s:I, s:I}", "from", (json_int_t)route->secs[RM_ABSENCE_FROM], "until",
			(json_int_t)route->secs[RM_ABSENCE_UNTIL]), err);
}

/* {"address"} -> {"changed"} */
enum cv_status
reg_absence_clear(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (status)
		return status;
	bool changed = a->route && a->route->secs[RM_ABSENCE_UNTIL];
	json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
	json_object_set_new(c->reply, "changed", json_boolean(changed));
	if (!changed)
		return CV_OK;
	a->route->secs[RM_ABSENCE_FROM] = a->route->secs[RM_ABSENCE_UNTIL] = 0;
	for (int i = RT_ABSENCE_VI; i <= RT_ABSENCE_OUTSIDE; i++)
		reg_route_set(a->route, (enum reg_route_text)i, CV_STR(""));
	reg_save_route(c, a);
	return reg_commit(c, "absence.clear", a->text[T_ADDRESS], NULL, err);
}

/* ---- showing ---- */

static void
show_times(const struct reg_route *route, json_t *out)
{
	static const char *const names[RM_COUNT] = { [RM_NOTICE_UNTIL] = "notice_until",
		[RM_FORWARD_UNTIL] = "forward_until", [RM_ABSENCE_FROM] = "absence_from",
		[RM_ABSENCE_UNTIL] = "absence_until" };
	for (size_t i = 0; i < RM_COUNT; i++)
		if (route->secs[i])
			json_object_set_new(out, names[i], json_integer(route->secs[i]));
}

void
reg_route_json(struct reg_call *c, const struct reg_account *a, json_t *out)
{
	static const char *const names[RT_COUNT] = { [RT_OWNER] = "owner",
		[RT_SUCCESSOR] = "successor", [RT_ABSENCE_VI] = "absence_vi",
		[RT_ABSENCE_EN] = "absence_en", [RT_ABSENCE_OUTSIDE] = "absence_outside" };
	const struct reg_model *m = &c->r->model;
	json_t *outside = json_array(), *forwards = json_array(), *posters = json_array();
	if (a->kind == CV_KIND_GROUP)
		json_object_set_new(out, "post", json_string(
			reg_post_words[a->route ? a->route->post : CV_POST_STAFF]));
	for (size_t i = 0; a->route && i < RT_COUNT; i++)
		if (*a->route->text[i])
			json_object_set_new(out, names[i], json_string(a->route->text[i]));
	if (a->route)
		show_times(a->route, out);
	for (size_t i = 0; i < a->target_count; i++)
		if (a->targets[i].kind == CV_TARGET_MEMBER)
			json_array_append_new(outside, json_string(a->targets[i].address));
	list_forwards(c, a, forwards);
	for (size_t i = 0; i < a->posters.n; i++) {
		const struct reg_account *p = reg_model_find(m, a->posters.items[i]);
		if (p)
			json_array_append_new(posters, json_string(p->text[T_ADDRESS]));
	}
	json_t *lists[] = { outside, forwards, posters };
	static const char *const keys[] = { "outside_members", "forwards", "posters" };
	for (size_t i = 0; i < CV_COUNT(lists); i++) {
		if (json_array_size(lists[i]))
			json_object_set(out, keys[i], lists[i]);
		json_decref(lists[i]);
	}
}
