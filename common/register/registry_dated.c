/* registry_dated.c - dated.add, list, cancel, run: requests that wait for their moment (ACC-06).
 *
 * An act is a request of this table with the moment at which it is to be done. It is tried when it
 * is put off, so that faults show while somebody is looking, and again when it is due. It is marked
 * as done in the same commit as its first change, so that a stop at any moment leaves it done or
 * waiting, never twice. What it answered, or why it was refused, stays with it.
 *
 * Body of a row Y: {"state", "at", "group", "by", "added", "request", "agency"?, "reason"?,
 * "ended"?, "answer"?, "error"?}. "agency": what was asked by its administrator is within his reach
 * on its day too, or it is refused; people move.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_people.h"

#define WAITING_MAX   100000u
#define A_RUN_MAX     500u
#define KEEP_SECS     (400 * 86400)
#define YEARS_MAX     30
#define REQUEST_BYTES (16u << 10)
#define ANSWER_BYTES  (4u << 10)
#define LIST_MAX      10000u

/* What may wait: changes of the register that hold no secret and end while it is locked. */
static const char *const may_wait[] = {
	"absence.clear", "absence.set", "account.end", "account.leave", "account.rename", "account.resume",
	"account.retire", "account.return", "account.second", "account.set", "account.suspend",
	"account.transfer", "agency.add", "alias.add", "alias.del", "delegate.add", "delegate.del",
	"domain.add", "forward.add", "forward.del", "group.member", "group.poster", "group.set",
	"quota.set", "reorganise.apply", "role.change", "role.hold", "role.release",
};

static bool
can_wait(json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "do"));
	for (size_t i = 0; name && i < CV_COUNT(may_wait); i++)
		if (!strcmp(name, may_wait[i]))
			return reg_find_request(request) != NULL;
	return false;
}

/* It would stand in the register and in the audit trail. */
static bool
holds_secret(const json_t *request)
{
	static const char *const secrets[] = { "password", "current", "as" };
	for (size_t i = 0; i < CV_COUNT(secrets); i++)
		if (json_object_get(request, secrets[i]))
			return true;
	return false;
}

/* ---- putting off ---- */

enum cv_status
reg_try(struct reg_call *c, json_t *request, json_t **reply_out, struct cv_err *err)
{
	struct reg_call inner;
	struct cv_err second;
	reg_call_begin(&inner, c, c->actor, request);
	inner.is_dry = true;
	enum cv_status status = reg_run(&inner, err);
	enum cv_status reloaded = inner.was_changed ? reg_reload(c, &second) : CV_OK;
	if (reloaded && !status)
		status = cv_fail(err, reloaded, "%s", second.text);
	if (status && json_object_get(inner.reply, "error_vi"))
		json_object_set(c->reply, "error_vi", json_object_get(inner.reply, "error_vi"));
	*reply_out = status ? NULL : json_incref(inner.reply);
	reg_call_end(&inner);
	return status;
}

static bool
same_act(const json_t *body, int64_t at, const json_t *request)
{
	return reg_doc_is(body, "waiting") && reg_doc_number(body, "at") == at &&
	       json_equal(json_object_get(body, "request"), request);
}

/* REACH: the agency beyond whose people it is not done; NULL: anybody. */
static enum cv_status
put_off(struct reg_call *c, json_t *request, int64_t at, uint64_t group, const char *reach,
        uint64_t *number_out, struct cv_err *err)
{
	struct reg_docs *docs = &c->r->model.docs;
	const struct reg_doc **list;
	size_t n = reg_docs_list(docs, 'Y', &list), waiting = 0;
	*number_out = 0;
	for (size_t i = 0; i < n; i++) {
		waiting += reg_doc_is(list[i]->body, "waiting");
		if (same_act(list[i]->body, at, request))
			*number_out = list[i]->a;
	}
	free(list);
	if (*number_out)
		return CV_OK; /* asked for again */
	if (waiting >= WAITING_MAX)
		return cv_fail(err, CV_LIMIT, "%zu acts are waiting already", waiting);
	*number_out = docs->last['Y' - 'A'] + 1;
	json_t *body = json_pack("{s:s, s:I, s:I, s:s, s:I, s:O}", "state", "waiting", "at",
		(json_int_t)at, "group", (json_int_t)(group ? group : *number_out), "by", c->actor,
		"added", (json_int_t)cv_wall_secs(), "request", request);
	const char *reason = json_string_value(json_object_get(c->request, "reason"));
	if (reason)
		json_object_set_new(body, "reason", json_string(reason));
	if (reach)
		json_object_set_new(body, "agency", json_string(reach));
	reg_save_doc(c, 'Y', *number_out, 0, body);
	return CV_OK;
}

enum cv_status
reg_put_off(struct reg_call *c, json_t *request, int64_t at, uint64_t group, uint64_t *number_out,
            struct cv_err *err)
{
	return put_off(c, request, at, group, NULL, number_out, err);
}

static const char *
reach_of(const struct reg_call *c)
{
	return c->who && c->who->role == CV_ROLE_AGENCY ? c->who->agency : NULL;
}

/* May REQUEST be put off at all? */
static enum cv_status
check_waiting(json_t *request, struct cv_err *err)
{
	if (holds_secret(request))
		return cv_fail(err, CV_INVALID, "a request that waits holds no password");
	if (json_dumpb(request, NULL, 0, JSON_COMPACT) > REQUEST_BYTES)
		return cv_fail(err, CV_LIMIT, "a request that waits has at most %u bytes",
		               REQUEST_BYTES);
	return CV_OK;
}

/* {"at", "request": {"do", ...}, "reason"?} -> {"number", "at", "preview", "changed"} */
enum cv_status
reg_dated_add(struct reg_call *c, struct cv_err *err)
{
	json_t *request = json_object_get(c->request, "request"), *preview = NULL;
	int64_t at = 0, now = cv_wall_secs();
	bool given;
	uint64_t number;
	enum cv_status status = reg_time(c, "at", false, &at, &given, err);
	if (status)
		return status;
	if (!given || at <= now || at > now + (int64_t)YEARS_MAX * 366 * 86400)
		return cv_fail(err, CV_INVALID,
			"field 'at' must be a day or moment to come, within %d years", YEARS_MAX);
	if (!json_is_object(request) || !can_wait(request))
		return cv_fail(err, CV_INVALID, "field 'request' is no request that can wait");
	status = check_waiting(request, err);
	c->as_of = at;
	if (!status)
		status = reg_try(c, request, &preview, err);
	c->as_of = 0;
	if (status)
		return status;
	json_object_set_new(c->reply, "at", json_integer(at));
	json_object_set_new(c->reply, "preview", preview);
	status = put_off(c, request, at, 0, reach_of(c), &number, err);
	if (status)
		return status;
	json_object_set_new(c->reply, "number", json_integer((json_int_t)number));
	json_object_set_new(c->reply, "changed", json_boolean(c->put_count > 0));
	return c->put_count ? reg_commit(c, "dated.add", reg_doc_text(request, "do"),
		json_pack("{s:I, s:I, s:O}", "number", (json_int_t)number, "at", (json_int_t)at,
			"request", request), err) : CV_OK;
}

/* The last day at work is whole: what ends it comes after. */
static bool
is_after_day(const json_t *request)
{
	return !strcmp(reg_doc_text(request, "do"), "account.retire");
}

enum cv_status
reg_when(struct reg_call *c, bool *put_off_out, struct cv_err *err)
{
	int64_t at = 0;
	bool given;
	uint64_t number;
	json_t *preview = NULL;
	*put_off_out = false;
	enum cv_status status = reg_time(c, "on", is_after_day(c->request), &at, &given, err);
	if (status || !given || at <= cv_wall_secs())
		return status;
	if (at > cv_wall_secs() + (int64_t)YEARS_MAX * 366 * 86400 || !can_wait(c->request))
		return cv_fail(err, CV_INVALID, "field 'on': that cannot be done so late");
	json_t *request = json_deep_copy(c->request);
	json_object_del(request, "on");
	json_object_del(request, "dry_run");
	status = check_waiting(request, err);
	c->as_of = at;
	if (!status)
		status = reg_try(c, request, &preview, err);
	c->as_of = 0;
	if (!status)
		status = put_off(c, request, at, 0, reach_of(c), &number, err);
	if (!status) {
		*put_off_out = true;
		json_object_set_new(c->reply, "dated", json_integer((json_int_t)number));
		json_object_set_new(c->reply, "at", json_integer(at));
		json_object_set(c->reply, "preview", preview);
		json_object_set_new(c->reply, "changed", json_boolean(c->put_count > 0));
	}
	if (!status && c->put_count)
		status = reg_commit(c, "dated.add", reg_doc_text(request, "do"),
			json_pack("{s:I, s:I, s:O}", "number", (json_int_t)number, "at",
				(json_int_t)at, "request", request), err);
	json_decref(preview);
	json_decref(request);
	return status;
}

/* ---- whose acts ---- */

/* An agency's administrator sees and cancels what he could ask for himself. */
static bool
is_his(struct reg_call *c, const json_t *body)
{
	struct reg_call inner;
	struct cv_err err;
	json_t *request = json_object_get(body, "request");
	if (!reach_of(c))
		return true;
	reg_call_begin(&inner, c, c->actor, request);
	bool may = !reg_authorise_named(&inner, request, &err);
	reg_call_end(&inner);
	return may;
}

static enum cv_status
refuse_others(struct reg_call *c, struct cv_err *err)
{
	return reg_refuse(c, CV_DENIED, "the act is about more than the agency you administer",
		"việc hẹn này liên quan đến đơn vị ngoài phạm vi bạn quản trị", err);
}

/* GROUP, wholly. */
static enum cv_status
check_group(struct reg_call *c, uint64_t group, struct cv_err *err)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'Y', &list);
	bool may = true;
	for (size_t i = 0; i < n && may; i++)
		may = (uint64_t)reg_doc_number(list[i]->body, "group") != group ||
		      !reg_doc_is(list[i]->body, "waiting") || is_his(c, list[i]->body);
	free(list);
	return may ? CV_OK : refuse_others(c, err);
}

/* ---- cancelling ---- */

static json_t *
ended(const json_t *body, const char *state)
{
	json_t *copy = json_deep_copy(body);
	json_object_set_new(copy, "state", json_string(state));
	json_object_set_new(copy, "ended", json_integer(cv_wall_secs()));
	return copy;
}

unsigned
reg_drop_acts(struct reg_call *c, uint64_t group, const char *why)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'Y', &list);
	unsigned dropped = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t number = list[i]->a;
		if ((uint64_t)reg_doc_number(list[i]->body, "group") != group ||
		    !reg_doc_is(list[i]->body, "waiting"))
			continue;
		json_t *copy = ended(list[i]->body, "cancelled");
		json_object_set_new(copy, "error", json_string(why));
		reg_save_doc(c, 'Y', number, 0, copy);
		dropped++;
	}
	free(list);
	return dropped;
}

/* What people write stands for nobody. */
static bool
is_text(const char *key)
{
	static const char *const texts[] = { "do", "reason", "letter", "name", "surname", "middle",
		"given", "title", "department", "vi", "en" };
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		if (!strcmp(key, texts[i]))
			return true;
	return false;
}

static bool
names(struct reg_call *c, const json_t *value, const struct reg_account *a)
{
	struct reg_account *of;
	struct cv_err none;
	struct cv_str text = cv_str(json_string_value(value), json_string_length(value));
	const char *key;
	json_t *one;
	size_t i;
	if (json_is_string(value))
		return text.n && text.n <= 320 && !reg_account_of(c, text, &of, &none) && of == a;
	json_array_foreach((json_t *)(uintptr_t)value, i, one)
		if (names(c, one, a))
			return true;
	json_object_foreach((json_t *)(uintptr_t)value, key, one)
		if (!is_text(key) && names(c, one, a))
			return true;
	return false;
}

void
reg_drop_acts_naming(struct reg_call *c, const struct reg_account *a, const char *why,
                     json_t *dropped)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'Y', &list);
	for (size_t i = 0; i < n; i++) {
		const json_t *body = list[i]->body, *request = json_object_get(body, "request");
		if (!reg_doc_is(body, "waiting") || !names(c, request, a))
			continue;
		json_array_append_new(dropped, json_pack("{s:I, s:s, s:I}", "number",
			(json_int_t)list[i]->a, "do", reg_doc_text(request, "do"), "at",
			reg_doc_number(body, "at")));
		json_t *copy = ended(body, "cancelled");
		json_object_set_new(copy, "error", json_string(why));
		reg_save_doc(c, 'Y', list[i]->a, 0, copy);
	}
	free(list);
}

static enum cv_status
act_field(struct reg_call *c, uint64_t *number_out, const json_t **body_out, struct cv_err *err)
{
	bool given;
	enum cv_status status =
		reg_number(c->request, "number", INT64_MAX, number_out, &given, err);
	if (status)
		return status;
	*body_out = given ? reg_doc_get(&c->r->model.docs, 'Y', *number_out, 0) : NULL;
	return *body_out ? CV_OK : cv_fail(err, CV_NOT_FOUND, "no act %llu",
		(unsigned long long)*number_out);
}

/* {"number", "reason"?} -> {"cancelled"}: that act, and what waits to be done together with it. */
enum cv_status
reg_dated_cancel(struct reg_call *c, struct cv_err *err)
{
	uint64_t number = 0;
	const json_t *body;
	struct cv_str reason;
	enum cv_status status = act_field(c, &number, &body, err);
	if (!status)
		status = reg_field(c, c->request, "reason", 400, &reason, err);
	if (status)
		return status;
	if (!is_his(c, body)) /* nor learns what became of it */
		return refuse_others(c, err);
	if (!reg_doc_is(body, "waiting"))
		return cv_fail(err, CV_DENIED, "act %llu is %s already", (unsigned long long)number,
		               reg_doc_text(body, "state"));
	status = check_group(c, (uint64_t)reg_doc_number(body, "group"), err);
	if (status)
		return status;
	json_t *detail = json_pack("{s:I, s:O}", "number", (json_int_t)number, "before", body);
	unsigned n = reg_drop_acts(c, (uint64_t)reg_doc_number(body, "group"),
	                           reason.n ? cv_arena_z(&c->arena, reason) : "");
	json_object_set_new(c->reply, "cancelled", json_integer(n));
	return reg_commit(c, "dated.cancel", "act", detail, err);
}

/* ---- listing ---- */

static bool
is_about(const json_t *request, const char *address)
{
	const char *key;
	json_t *value;
	if (!*address)
		return true;
	json_object_foreach((json_t *)(uintptr_t)request, key, value)
		if (json_is_string(value) && !strcmp(json_string_value(value), address))
			return true;
	return false;
}

static json_t *
act_json(const struct reg_doc *d)
{
	json_t *out = json_copy(d->body);
	json_object_set_new(out, "number", json_integer((json_int_t)d->a));
	json_object_set_new(out, "do",
		json_string(reg_doc_text(json_object_get(d->body, "request"), "do")));
	return out;
}

static int
by_moment(const void *x, const void *y)
{
	const struct reg_doc *d = *(const struct reg_doc *const *)x;
	const struct reg_doc *e = *(const struct reg_doc *const *)y;
	json_int_t a = reg_doc_number(d->body, "at"), b = reg_doc_number(e->body, "at");
	if (a != b)
		return a < b ? -1 : 1;
	return (d->a > e->a) - (d->a < e->a);
}

/* {"state"? ("waiting", "done", "failed", "cancelled", "all"; waiting unless told), "address"?,
 *  "until"?, "limit"?} -> {"total", "acts": [{"number", "at", "do", "request", "state", ...}],
 * "failed": how many were refused and not looked at}, in the order in which they are due. */
enum cv_status
reg_dated_list(struct reg_call *c, struct cv_err *err)
{
	struct cv_str state, address;
	int64_t until = INT64_MAX;
	uint64_t limit = LIST_MAX, total = 0, failed = 0;
	bool given;
	const struct reg_doc **list;
	enum cv_status status = reg_field(c, c->request, "state", 20, &state, err);
	status = status ? status : reg_field(c, c->request, "address", 320, &address, err);
	status = status ? status : reg_time(c, "until", true, &until, &given, err);
	status = status ? status : reg_number(c->request, "limit", LIST_MAX, &limit, &given, err);
	if (!status && address.n)
		status = reg_address_key(c, address, &address, err);
	if (status)
		return status;
	if (!state.n)
		state = CV_STR("waiting");
	size_t n = reg_docs_list(&c->r->model.docs, 'Y', &list);
	qsort(list, n, sizeof *list, by_moment);
	json_t *acts = json_array();
	for (size_t i = 0; i < n; i++) {
		const json_t *body = list[i]->body;
		bool is_failed = reg_doc_is(body, "failed");
		if (!is_failed && !cv_str_eq_z(state, "all") &&
		    !cv_str_eq_z(state, reg_doc_text(body, "state")))
			continue;
		if (!is_his(c, body))
			continue;
		failed += is_failed;
		if ((!cv_str_eq_z(state, "all") &&
		     !cv_str_eq_z(state, reg_doc_text(body, "state"))) ||
		    reg_doc_number(body, "at") > until ||
		    !is_about(json_object_get(body, "request"), address.p))
			continue;
		if (total++ < limit)
			json_array_append_new(acts, act_json(list[i]));
	}
	free(list);
	json_object_set_new(c->reply, "total", json_integer((json_int_t)total));
	json_object_set_new(c->reply, "failed", json_integer((json_int_t)failed));
	json_object_set_new(c->reply, "acts", acts);
	return CV_OK;
}

/* ---- doing ---- */

static json_t *
short_answer(const json_t *reply)
{
	size_t n = json_dumpb(reply, NULL, 0, JSON_COMPACT);
	return n <= ANSWER_BYTES ? json_deep_copy(reply) : json_object();
}

/* The unit that stands for CODE now, when it was closed since. */
static const char *
standing(const struct cv_registry *r, const char *code)
{
	for (unsigned i = 0; i < 16 && !reg_find_agency(r, cv_str_z(code)); i++) {
		const char *next = cv_map_get(&r->model.closed, cv_str_z(code));
		if (!next || !*next)
			break;
		code = next;
	}
	return code;
}

/* The act is marked in the commit of its own first change. */
static enum cv_status
do_act(struct reg_call *c, uint64_t number, struct cv_err *err)
{
	const json_t *body = reg_doc_get(&c->r->model.docs, 'Y', number, 0);
	json_t *request = json_deep_copy(json_object_get(body, "request"));
	struct cv_str actor = cv_arena_printf(&c->arena, "dated:%llu (%s)",
		(unsigned long long)number, reg_doc_text(body, "by"));
	struct cv_str what = cv_arena_str(&c->arena, cv_str_z(reg_doc_text(request, "do")));
	struct reg_call inner;
	struct cv_registry_who who = { .role = CV_ROLE_AGENCY };
	reg_call_begin(&inner, c, actor.p, request);
	if (json_object_get(body, "agency")) {
		snprintf(who.name, sizeof who.name, "%s", reg_doc_text(body, "by"));
		snprintf(who.agency, sizeof who.agency, "%s",
			standing(c->r, reg_doc_text(body, "agency")));
		inner.who = &who;
	}
	reg_save_doc(&inner, 'Y', number, 0, ended(body, "done"));
	enum cv_status status = reg_run(&inner, err);
	bool was_committed = inner.was_committed;
	if (!status && !was_committed)
		status = reg_commit(&inner, "dated.done", what.p, json_pack("{s:I}", "number",
			(json_int_t)number), err);
	c->was_committed |= inner.was_committed;
	if (!status)
		status = reg_make_boxes(&inner, err);
	json_t *answer = status ? NULL : short_answer(inner.reply);
	reg_call_end(&inner);
	json_decref(request);
	if (answer && json_object_size(answer)) {
		json_t *copy = json_deep_copy(reg_doc_get(&c->r->model.docs, 'Y', number, 0));
		json_object_set(copy, "answer", answer);
		reg_save_doc(c, 'Y', number, 0, copy);
	}
	json_decref(answer);
	return status;
}

/* A refusal is kept with the act; only a store that does not work leaves it waiting. */
static enum cv_status
note_refusal(struct reg_call *c, uint64_t number, enum cv_status why, const char *text,
             struct cv_err *err)
{
	enum cv_status status = c->put_count
		? reg_commit(c, "dated.run", "acts", NULL, err) : CV_OK; /* answers until now */
	status = status ? status : reg_reload(c, err);
	if (status || why == CV_TEMPFAIL)
		return status ? status : cv_fail(err, why, "%s", text);
	const json_t *body = reg_doc_get(&c->r->model.docs, 'Y', number, 0);
	json_t *copy = ended(body, "failed");
	json_object_set_new(copy, "error", json_string(text));
	struct cv_str what = cv_arena_str(&c->arena,
		cv_str_z(reg_doc_text(json_object_get(body, "request"), "do")));
	reg_save_doc(c, 'Y', number, 0, copy);
	return reg_commit(c, "dated.failed", what.p, json_pack("{s:I, s:s}", "number",
		(json_int_t)number, "error", text), err);
}

/* Acts that are due now, in their order; the caller frees the list. */
static size_t
due_acts(struct reg_call *c, uint64_t only, uint64_t **out, bool *more_out)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'Y', &list), due = 0;
	int64_t now = cv_wall_secs();
	qsort(list, n, sizeof *list, by_moment);
	*out = cv_calloc(A_RUN_MAX, sizeof **out);
	*more_out = false;
	for (size_t i = 0; i < n; i++) {
		const json_t *body = list[i]->body;
		bool is_due = only ? list[i]->a == only
		                   : reg_doc_is(body, "waiting") &&
		                     reg_doc_number(body, "at") <= now;
		*more_out |= is_due && due == A_RUN_MAX;
		if (is_due && due < A_RUN_MAX)
			(*out)[due++] = list[i]->a;
	}
	free(list);
	return due;
}

static void
drop_old(struct reg_call *c)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'Y', &list);
	int64_t limit = cv_wall_secs() - KEEP_SECS;
	/* The newest stays: its number is never given again. */
	for (size_t i = 0; i + 1 < n; i++)
		if (!reg_doc_is(list[i]->body, "waiting") &&
		    reg_doc_number(list[i]->body, "ended") < limit)
			reg_save_doc(c, 'Y', list[i]->a, 0, NULL);
	free(list);
}

static enum cv_status
run_due(struct reg_call *c, const uint64_t *acts, size_t n, json_t *failed, struct cv_err *err)
{
	json_int_t done = 0;
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < n && !status; i++) {
		struct cv_err why = {0};
		status = do_act(c, acts[i], &why);
		done += !status;
		if (!status)
			continue;
		json_array_append_new(failed, json_pack("{s:I, s:s}", "number",
			(json_int_t)acts[i], "error", why.text));
		status = note_refusal(c, acts[i], status, why.text, err);
	}
	json_object_set_new(c->reply, "done", json_integer(done));
	return status;
}

/* {"number"?} -> {"done", "failed": [{"number", "error"}], "more"}: does what is due, in order; or
 * one act again that failed. At most 500 a call. */
enum cv_status
reg_dated_run(struct reg_call *c, struct cv_err *err)
{
	uint64_t only = 0, *acts;
	const json_t *body = NULL;
	bool more;
	enum cv_status status = CV_OK;
	if (json_object_get(c->request, "number"))
		status = act_field(c, &only, &body, err);
	if (!status && only && !reg_doc_is(body, "failed"))
		status = cv_fail(err, CV_DENIED, "act %llu is %s: only one that failed is done again",
		                 (unsigned long long)only, reg_doc_text(body, "state"));
	if (status)
		return status;
	size_t n = due_acts(c, only, &acts, &more);
	json_t *failed = json_array();
	json_object_set_new(c->reply, "failed", failed);
	json_object_set_new(c->reply, "more", json_boolean(more));
	status = run_due(c, acts, n, failed, err);
	free(acts);
	if (!status && n)
		drop_old(c);
	/* Answers of the acts; losing them in a crash loses no act. */
	return status || !c->put_count ? status
		: reg_commit(c, "dated.run", "acts", json_copy(c->reply), err);
}
