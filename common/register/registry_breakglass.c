/* registry_breakglass.c - breakglass.request, approve, deny, list, end, expire: how somebody reads
 * a box that is not his, when the law asks for it (SEC-07).
 *
 * Nobody who administers reads mail. An operator or auditor asks, with a reason and the number of a
 * letter; another one approves, and then one named person reads the box for at most 24 hours, as a
 * delegate who may not write: each message he opens stands in the log of readers. Both must be
 * named administrators (`congvu admin add`), so that root, who can be anybody, is nobody here;
 * neither the owner nor the reader approves. The owner and the head of his agency are told,
 * unless the approver says which law forbids it. What is open ends by itself: the daemon looks each
 * 10 s, and before its first snapshot when it starts.
 *
 * Body of a row B: {"state": "pending" | "open" | "denied" | "ended", "account", "reader": numbers,
 * "reason", "letter", "hours", "by", "at", "decided_by"?, "decided"?, "until"?, "law"?, "note"?,
 * "ended"?, "ended_by"?}.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_people.h"

#define HOURS_MAX 24u
#define TEXT_MAX 1000u
#define PENDING_SECS ((int64_t)7 * 86400)
#define OPEN_MAX 100u
#define PENDING_MAX 100u /* of those that can still be approved */
#define LIST_MAX 1000u

static struct reg_account *
account_of(const struct reg_call *c, const json_t *body, const char *key)
{
	return reg_model_find(&c->r->model, (uint64_t)reg_doc_number(body, key));
}

static const char *
address_of(const struct reg_call *c, const json_t *body, const char *key)
{
	const struct reg_account *a = account_of(c, body, key);
	return a ? a->text[T_ADDRESS] : "";
}

bool
reg_is_glass(const struct reg_call *c, uint64_t owner, uint64_t reader)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'B', &list);
	bool found = false;
	for (size_t i = 0; i < n && !found; i++)
		found = (uint64_t)reg_doc_number(list[i]->body, "account") == owner &&
			(uint64_t)reg_doc_number(list[i]->body, "reader") == reader &&
			(reg_doc_is(list[i]->body, "open") || reg_doc_is(list[i]->body, "ended"));
	free(list);
	return found;
}

/* A person who was named, not whoever is root. */
static enum cv_status
check_named(struct reg_call *c, struct cv_err *err)
{
	if (cv_map_get(&c->r->model.admins, cv_str_z(c->actor)))
		return CV_OK;
	return reg_refuse(c, CV_DENIED,
		"break-glass is for named administrators: log in with --as, or as a Unix account that "
		"has a role (congvu admin add)",
		"truy cập khẩn cấp phải do quản trị viên được nêu tên thực hiện: dùng --as, hoặc tài "
		"khoản Unix đã được giao vai trò (congvu admin add)", err);
}

static enum cv_status
need_text(struct reg_call *c, const char *name, struct cv_str *out, struct cv_err *err)
{
	enum cv_status status = reg_field(c, c->request, name, TEXT_MAX, out, err);
	if (!status && !out->n)
		status = cv_fail(err, CV_INVALID, "field '%s' is needed", name);
	return status;
}

static json_t *
text_json(struct cv_str text)
{
	return json_stringn(text.n ? text.p : "", text.n);
}

/* Puts BODY (taken over) under NUMBER and commits it. */
static enum cv_status
finish(struct reg_call *c, uint64_t number, json_t *body, const char *action, struct cv_err *err)
{
	static const char *const carried[] = { "reason", "letter", "by", "decided_by", "until",
		"law", "note", "hours" };
	json_t *detail = json_pack("{s:I, s:s}", "number", (json_int_t)number, "reader",
		address_of(c, body, "reader"));
	const char *object = address_of(c, body, "account");
	for (size_t i = 0; i < CV_COUNT(carried); i++)
		if (json_object_get(body, carried[i]))
			json_object_set(detail, carried[i], json_object_get(body, carried[i]));
	json_object_set_new(c->reply, "number", json_integer((json_int_t)number));
	json_object_set_new(c->reply, "account", json_string(object));
	json_object_set_new(c->reply, "reader", json_string(address_of(c, body, "reader")));
	json_object_set(c->reply, "state", json_object_get(body, "state"));
	if (json_object_get(body, "until"))
		json_object_set(c->reply, "until", json_object_get(body, "until"));
	reg_save_doc(c, 'B', number, 0, body);
	return reg_commit(c, action, object, detail, err);
}

/* ---- asking ---- */

static enum cv_status
read_reader(struct reg_call *c, const struct reg_account *a, struct reg_account **out,
            struct cv_err *err)
{
	struct cv_str text;
	enum cv_status status = reg_field(c, c->request, "reader", 320, &text, err);
	if (status)
		return status;
	if (!text.n && cv_str_find(cv_str_z(c->actor), '@', 0) < strlen(c->actor))
		text = cv_str_z(c->actor);
	if (!text.n)
		return cv_fail(err, CV_INVALID, "field 'reader' names the person who is to read");
	status = reg_account_of(c, text, out, err);
	if (status)
		return status;
	if ((*out)->kind != CV_KIND_PERSON || (*out)->state != CV_STATE_ACTIVE || *out == a)
		return cv_fail(err, CV_INVALID, "%s is not another active person",
			(*out)->text[T_ADDRESS]);
	if (reg_list_has(&a->readers, (*out)->acct) || reg_list_has(&a->stewards, (*out)->acct))
		return cv_fail(err, CV_EXISTS, "%s may read that box already",
			(*out)->text[T_ADDRESS]);
	return CV_OK;
}

/* Rows stay for good, since they are evidence: so they are few. */
static enum cv_status
check_pending(struct reg_call *c, struct cv_err *err)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'B', &list), pending = 0;
	int64_t after = cv_wall_secs() - PENDING_SECS;
	for (size_t i = 0; i < n; i++)
		pending += reg_doc_is(list[i]->body, "pending") &&
		           reg_doc_number(list[i]->body, "at") >= after;
	free(list);
	if (pending < PENDING_MAX)
		return CV_OK;
	return reg_refuse(c, CV_LIMIT, "100 requests wait for an approval already",
		"đã có 100 đề nghị đang chờ phê duyệt", err);
}

/* {"account", "reason", "letter", "reader"?, "hours"?} ->
 * {"number", "account", "reader", "state"} */
enum cv_status
reg_breakglass_request(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a, *reader;
	struct cv_str reason, letter;
	uint64_t hours = HOURS_MAX;
	bool given;
	enum cv_status status = reg_account_field(c, "account", &a, err);
	if (!status)
		status = check_named(c, err);
	if (!status)
		status = need_text(c, "reason", &reason, err);
	if (!status)
		status = need_text(c, "letter", &letter, err);
	if (!status)
		status = reg_number(c->request, "hours", HOURS_MAX, &hours, &given, err);
	if (!status && !hours)
		status = cv_fail(err, CV_INVALID, "field 'hours' is 1 to %u", HOURS_MAX);
	if (!status)
		status = read_reader(c, a, &reader, err);
	if (!status)
		status = check_pending(c, err);
	if (status)
		return status;
	json_t *body = json_pack("{s:s, s:I, s:I, s:o, s:o, s:I, s:s, s:I}", "state", "pending",
		"account", (json_int_t)a->acct, "reader", (json_int_t)reader->acct, "reason",
		text_json(reason), "letter", text_json(letter), "hours", (json_int_t)hours, "by",
		c->actor, "at", (json_int_t)cv_wall_secs());
	return finish(c, c->r->model.docs.last['B' - 'A'] + 1, body, "breakglass.request", err);
}

/* ---- deciding ---- */

/* A copy of the one that "number" names, in STATE. */
static enum cv_status
find(struct reg_call *c, const char *state, uint64_t *number, json_t **body_out,
     struct cv_err *err)
{
	bool given;
	enum cv_status status = reg_number(c->request, "number", UINT32_MAX, number, &given, err);
	if (status)
		return status;
	const json_t *body = reg_doc_get(&c->r->model.docs, 'B', *number, 0);
	if (!given || !body)
		return cv_fail(err, CV_NOT_FOUND, "there is no break-glass request %llu",
			(unsigned long long)*number);
	status = check_named(c, err);
	if (status)
		return status;
	if (!reg_doc_is(body, state))
		return cv_fail(err, CV_INVALID, "request %llu is %s, not %s",
			(unsigned long long)*number, reg_doc_text(body, "state"), state);
	*body_out = json_deep_copy(body);
	return CV_OK;
}

/* Who did something as NAME is the caller, whatever his address is called by now. */
static bool
is_caller(struct reg_call *c, const char *name)
{
	struct reg_account *a, *b;
	struct cv_err none;
	return !strcmp(name, c->actor) ||
		(strchr(name, '@') && strchr(c->actor, '@') &&
			!reg_account_of(c, cv_str_z(name), &a, &none) &&
			!reg_account_of(c, cv_str_z(c->actor), &b, &none) && a == b);
}

static enum cv_status
check_second_person(struct reg_call *c, const json_t *body, struct cv_err *err)
{
	if (is_caller(c, reg_doc_text(body, "by")))
		return reg_refuse(c, CV_DENIED,
			"a single approval: somebody else than who asked must approve",
			"mới có một người: người phê duyệt phải khác người đề nghị", err);
	if (!strcmp(address_of(c, body, "reader"), c->actor) ||
	    !strcmp(address_of(c, body, "account"), c->actor))
		return reg_refuse(c, CV_DENIED,
			"neither the owner of the box nor who is to read it approves",
			"chủ hộp thư và người sẽ đọc không được phê duyệt", err);
	if (cv_wall_secs() > reg_doc_number(body, "at") + PENDING_SECS)
		return reg_refuse(c, CV_DENIED, "the request is older than 7 days: ask again",
			"đề nghị đã quá 7 ngày: hãy lập đề nghị mới", err);
	return CV_OK;
}

static size_t
count_open(const struct reg_call *c)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'B', &list), open = 0;
	for (size_t i = 0; i < n; i++)
		open += reg_doc_is(list[i]->body, "open");
	free(list);
	return open;
}

static const struct reg_account *
head_of(const struct reg_call *c, const struct reg_account *a)
{
	const struct reg_model *m = &c->r->model;
	const struct reg_account *head = NULL;
	for (size_t i = 0; *a->text[T_AGENCY] && i < m->count; i++) {
		const struct reg_account *b = m->accounts[i];
		if (b != a && b->state == CV_STATE_ACTIVE && reg_is_leader(b) &&
		    !strcmp(b->text[T_AGENCY], a->text[T_AGENCY]) &&
		    (!head || b->rank < head->rank))
			head = b;
	}
	return head;
}

/* Whom the daemon writes to: "tell" of the reply. */
static void
name_the_told(struct reg_call *c, const struct reg_account *a)
{
	const struct reg_account *head = head_of(c, a);
	json_t *list = json_array();
	json_array_append_new(list, json_string(a->text[T_ADDRESS]));
	if (head)
		json_array_append_new(list, json_string(head->text[T_ADDRESS]));
	json_object_set_new(c->reply, "tell", list);
}

/* {"number", "law"?} -> {"number", "account", "reader", "state", "until", "tell"?}: LAW says what
 * forbids to tell the owner; else he and the head of his agency are told. */
enum cv_status
reg_breakglass_approve(struct reg_call *c, struct cv_err *err)
{
	uint64_t number;
	json_t *body = NULL;
	struct cv_str law;
	enum cv_status status = find(c, "pending", &number, &body, err);
	if (!status)
		status = check_second_person(c, body, err);
	if (!status)
		status = reg_field(c, c->request, "law", TEXT_MAX, &law, err);
	if (!status && count_open(c) >= OPEN_MAX)
		status = cv_fail(err, CV_LIMIT, "%u boxes are open already", OPEN_MAX);
	struct reg_account *a = status ? NULL : account_of(c, body, "account");
	const struct reg_account *reader = status ? NULL : account_of(c, body, "reader");
	if (!status && (!a || !reader || reader->state != CV_STATE_ACTIVE))
		status = cv_fail(err, CV_INVALID, "the account or the reader is there no more");
	if (!status && reg_list_has(&a->readers, reader->acct))
		status = cv_fail(err, CV_EXISTS, "%s may read that box already",
			reader->text[T_ADDRESS]);
	if (status) {
		json_decref(body);
		return status;
	}
	int64_t now = cv_wall_secs();
	json_object_set_new(body, "state", json_string("open"));
	json_object_set_new(body, "decided_by", json_string(c->actor));
	json_object_set_new(body, "decided", json_integer((json_int_t)now));
	json_object_set_new(body, "until",
		json_integer((json_int_t)now + reg_doc_number(body, "hours") * 3600));
	if (law.n)
		json_object_set_new(body, "law", text_json(law));
	else
		name_the_told(c, a);
	reg_list_add(&a->readers, reader->acct);
	reg_save_link(c, 'V', a->acct, reader->acct, true);
	return finish(c, number, body, "breakglass.approve", err);
}

/* {"number", "note"?} -> {"number", "account", "state"} */
enum cv_status
reg_breakglass_deny(struct reg_call *c, struct cv_err *err)
{
	uint64_t number;
	json_t *body;
	struct cv_str note;
	enum cv_status status = reg_field(c, c->request, "note", TEXT_MAX, &note, err);
	if (!status)
		status = find(c, "pending", &number, &body, err);
	if (status)
		return status;
	json_object_set_new(body, "state", json_string("denied"));
	json_object_set_new(body, "decided_by", json_string(c->actor));
	json_object_set_new(body, "decided", json_integer((json_int_t)cv_wall_secs()));
	if (note.n)
		json_object_set_new(body, "note", text_json(note));
	return finish(c, number, body, "breakglass.deny", err);
}

/* ---- ending ---- */

static enum cv_status
end(struct reg_call *c, uint64_t number, json_t *body, struct cv_err *err)
{
	struct reg_account *a = account_of(c, body, "account");
	uint64_t reader = (uint64_t)reg_doc_number(body, "reader");
	json_object_set_new(body, "state", json_string("ended"));
	json_object_set_new(body, "ended", json_integer((json_int_t)cv_wall_secs()));
	json_object_set_new(body, "ended_by", json_string(c->actor));
	if (a && reg_list_del(&a->readers, reader))
		reg_save_link(c, 'V', a->acct, reader, false);
	return finish(c, number, body, "breakglass.end", err);
}

/* {"number"} -> {"number", "account", "reader", "state"} */
enum cv_status
reg_breakglass_end(struct reg_call *c, struct cv_err *err)
{
	uint64_t number;
	json_t *body;
	enum cv_status status = find(c, "open", &number, &body, err);
	return status ? status : end(c, number, body, err);
}

/* {} -> {"ended": how many}: those whose time is over. Asked by the daemon itself. */
enum cv_status
reg_breakglass_expire(struct reg_call *c, struct cv_err *err)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'B', &list), count = 0;
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < n && !status; i++) {
		if (!reg_doc_is(list[i]->body, "open") ||
		    reg_doc_number(list[i]->body, "until") > cv_wall_secs())
			continue;
		/* The others stay where they are when one is put again. */
		status = end(c, list[i]->a, json_deep_copy(list[i]->body), err);
		count++;
	}
	free(list);
	json_object_clear(c->reply);
	json_object_set_new(c->reply, "ended", json_integer((json_int_t)count));
	return status;
}

/* ---- listing ---- */

static json_t *
describe(const struct reg_call *c, const struct reg_doc *d)
{
	json_t *o = json_copy(d->body);
	json_object_set_new(o, "number", json_integer((json_int_t)d->a));
	json_object_set_new(o, "account", json_string(address_of(c, d->body, "account")));
	json_object_set_new(o, "reader", json_string(address_of(c, d->body, "reader")));
	return o;
}

/* {"state"?} -> {"total", "requests": [...]}, the latest first */
enum cv_status
reg_breakglass_list(struct reg_call *c, struct cv_err *err)
{
	const struct reg_doc **list;
	struct cv_str state;
	enum cv_status status = reg_field(c, c->request, "state", 20, &state, err);
	if (status)
		return status;
	size_t n = reg_docs_list(&c->r->model.docs, 'B', &list), total = 0;
	json_t *rows = json_array();
	for (size_t i = n; i--;) {
		if (state.n && !cv_str_eq_z(state, reg_doc_text(list[i]->body, "state")))
			continue;
		if (total++ < LIST_MAX)
			json_array_append_new(rows, describe(c, list[i]));
	}
	free(list);
	json_object_set_new(c->reply, "total", json_integer((json_int_t)total));
	json_object_set_new(c->reply, "requests", rows);
	return CV_OK;
}
