/* registry_request.c - request.add, list, show, approve, reject, issue: an agency's letter asks for
 * accounts, its administrator approves, an operator issues (ACC-02).
 *
 * Body of a row E: {"state", "kind", "agency", "letter", "letter_date"?, "by", "at", "due",
 * "items": [{..., "done"?, "address"?, "error"?}], "approved"?, "rejected"?, "issued"?: {"by",
 * "at", "reason"?}}. An item is marked as done in the commit of what it asked for, so that a stop
 * in the middle issues nothing twice. No password stands here.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/config/calendar.h"
#include "common/register/csv.h"
#include "common/register/registry_people.h"
#include "common/text/encode.h"
#include "common/text/fold.h"

#define ITEMS_MAX  1000u
#define BODY_BYTES (80u << 10) /* below CV_VALUE_MAX */
#define LIST_MAX   5000u
#define OPEN_MAX   500u /* of one who asks */
#define KEEP_SECS  ((int64_t)2 * 366 * 86400) /* of what is closed */
#define DROP_MAX   200u /* at once */
#define PARENTS_MAX 64u /* of an agency: more is a loop */

/* What a letter may ask, and the request that does it. */
static const struct {
	const char *kind, *what;
	bool is_new;
} kinds[] = {
	{ "issue",    "account.add",    true  },
	{ "change",   "account.set",    false },
	{ "withdraw", "account.retire", false },
};
static const char *const item_fields[] = { "address", "name", "surname", "middle", "given",
	"department", "title", "phone_office", "phone_mobile", "mobile_consent", "staff_id", "agency",
	"kind", "role", "successor", "notice_until", "forward_until", "handover", "on", "owner",
	"expires" };
/* Headings of a list, folded, and the field that they mean. */
static const struct {
	const char *heading, *field;
} headings[] = {
	{ "ho va ten", "name" },       { "ho ten", "name" },         { "name", "name" },
	{ "chuc vu", "title" },        { "title", "title" },         { "phong", "department" },
	{ "phong ban", "department" }, { "department", "department" },
	{ "dien thoai", "phone_office" }, { "dien thoai co quan", "phone_office" },
	{ "ma can bo", "staff_id" },   { "dia chi", "address" },     { "thu dien tu", "address" },
	{ "address", "address" },      { "email", "address" },       { "ma don vi", "agency" },
	{ "nguoi ke nhiem", "successor" }, { "successor", "successor" }, { "ngay", "on" },
	{ "on", "on" },
};

/* ---- who asks ---- */

bool
reg_is_below(const struct cv_registry *r, const char *code, const char *top)
{
	for (unsigned depth = 0; *code && depth < PARENTS_MAX; depth++) {
		if (!strcmp(code, top))
			return true;
		const struct reg_agency *g = reg_find_agency(r, cv_str_z(code));
		code = g ? g->text[AG_PARENT] : "";
	}
	return false;
}

bool
reg_by_operator(const struct reg_call *c)
{
	return !c->who || c->who->role == CV_ROLE_OPERATOR;
}

bool
reg_caller_sees(const struct reg_call *c, const char *agency)
{
	return reg_in_scope(c, agency);
}

enum cv_status
reg_refuse_unseen(struct reg_call *c, const struct reg_account *a, struct cv_err *err)
{
	return reg_caller_sees(c, a->text[T_AGENCY]) ? CV_OK
		: cv_fail(err, CV_DENIED, "%s belongs to another agency", a->text[T_ADDRESS]);
}

/* ---- asking ---- */

static json_t *
clean_item(const json_t *item)
{
	json_t *out = json_object();
	for (size_t i = 0; i < CV_COUNT(item_fields); i++) {
		json_t *value = json_object_get(item, item_fields[i]);
		if (json_is_string(value) ? json_string_length(value) > 0 : json_is_boolean(value))
			json_object_set(out, item_fields[i], value);
	}
	return out;
}

/* The request that does ITEM of a letter. */
static json_t *
request_of(const json_t *body, const json_t *item)
{
	const char *kind = reg_doc_text(body, "kind");
	json_t *request = clean_item(item);
	for (size_t i = 0; i < CV_COUNT(kinds); i++)
		if (!strcmp(kind, kinds[i].kind))
			json_object_set_new(request, "do", json_string(kinds[i].what));
	/* A letter that moves or renames somebody does so with what follows. */
	if (!strcmp(kind, "change") && json_object_get(item, "agency"))
		json_object_set_new(request, "do", json_string("account.transfer"));
	else if (!strcmp(kind, "change") && json_object_get(item, "name"))
		json_object_set_new(request, "do", json_string("account.rename"));
	if (!strcmp(kind, "issue") && !json_object_get(item, "agency"))
		json_object_set(request, "agency", json_object_get(body, "agency"));
	if (!strcmp(kind, "issue"))
		json_object_set_new(request, "must_change", json_true());
	json_object_set(request, "letter", json_object_get(body, "letter"));
	return request;
}

static enum cv_status
items_of_csv(struct reg_call *c, struct cv_str text, json_t *items, struct cv_err *err)
{
	struct csv csv;
	const char *fields[CSV_CELLS_MAX] = {0};
	unsigned known = 0;
	enum cv_status status = csv_read(&c->arena, text, "", &csv, err);
	if (status)
		return status;
	for (size_t i = 0; csv.n && i < csv.rows[0].n; i++) {
		struct cv_buf folded = CV_BUF_INIT(4096);
		(void)cv_fold(cv_str_trim(csv.rows[0].cells[i]), &folded);
		for (size_t h = 0; h < CV_COUNT(headings); h++)
			if (cv_str_eq_z(cv_buf_view(&folded), headings[h].heading))
				fields[i] = headings[h].field;
		known += fields[i] != NULL;
		cv_buf_done(&folded);
	}
	if (!known)
		return cv_fail(err, CV_INVALID,
			"the first row of the list has none of the headings Họ và tên, Chức vụ, "
			"Phòng, Điện thoại, Mã cán bộ, Địa chỉ");
	for (size_t r = 1; r < csv.n; r++) {
		json_t *item = json_object();
		for (size_t i = 0; i < csv.rows[r].n; i++) {
			struct cv_str cell = cv_str_trim(csv.rows[r].cells[i]);
			if (fields[i] && cell.n)
				json_object_set_new(item, fields[i], json_stringn(cell.p, cell.n));
		}
		if (json_object_size(item))
			json_array_append(items, item);
		json_decref(item);
	}
	return CV_OK;
}

static enum cv_status
read_items(struct reg_call *c, json_t *items, struct cv_err *err)
{
	json_t *list = json_object_get(c->request, "items"), *item;
	json_t *csv = json_object_get(c->request, "csv_base64");
	enum cv_status status = CV_OK;
	size_t i;
	if (json_is_string(csv)) {
		struct cv_buf bytes = CV_BUF_INIT(CSV_BYTES_MAX);
		struct cv_str text = cv_str(json_string_value(csv), json_string_length(csv));
		if (cv_base64_decode(text, &bytes))
			status = cv_fail(err, CV_INVALID, "field 'csv_base64' is no base64");
		else
			status = items_of_csv(c, cv_buf_view(&bytes), items, err);
		cv_buf_done(&bytes);
	} else if (json_is_array(list)) {
		json_array_foreach(list, i, item)
			json_array_append_new(items, clean_item(item));
	}
	if (!status && !json_array_size(items))
		status = cv_fail(err, CV_INVALID, "a request names at least one person: 'items'");
	if (!status && json_array_size(items) > ITEMS_MAX)
		status = cv_fail(err, CV_LIMIT, "a request names at most %u people", ITEMS_MAX);
	return status;
}

/* Would all of it be done? *reply gets "preview" with what each would answer. */
static enum cv_status
try_items(struct reg_call *c, const json_t *body, struct cv_err *err)
{
	json_t *items = json_object_get(body, "items"), *item, *preview = json_array();
	enum cv_status status = CV_OK;
	size_t i;
	json_array_foreach(items, i, item) {
		struct reg_call inner;
		struct cv_err why = {0};
		json_t *request = request_of(body, item);
		json_object_del(request, "on");
		reg_call_begin(&inner, c, c->actor, request);
		inner.is_dry = inner.is_for_request = true;
		status = reg_find_request(request)(&inner, &why);
		c->was_changed |= inner.was_changed;
		if (status)
			status = cv_fail(err, status, "person %zu (%s): %s", i + 1,
				*reg_doc_text(item, "name") ? reg_doc_text(item, "name")
				                       : reg_doc_text(item, "address"), why.text);
		else
			json_array_append_new(preview, json_pack("{s:O?}", "address",
				json_object_get(inner.reply, "address")));
		reg_call_end(&inner);
		json_decref(request);
		if (status)
			break;
	}
	struct cv_err second;
	enum cv_status reloaded = reg_reload(c, &second);
	json_object_set_new(c->reply, "preview", preview);
	return status || !reloaded ? status : cv_fail(err, reloaded, "%s", second.text);
}

/* Everybody named belongs to AGENCY or below it; changes of others are not asked for. */
static enum cv_status
check_items(struct reg_call *c, const json_t *body, bool is_new, struct cv_err *err)
{
	json_t *items = json_object_get(body, "items"), *item;
	const char *agency = reg_doc_text(body, "agency");
	size_t i;
	json_array_foreach(items, i, item) {
		const char *own = reg_doc_text(item, "agency");
		const char *code = is_new && *own ? own : agency;
		struct reg_account *a;
		enum cv_status status = CV_OK;
		if (!is_new) {
			struct cv_str address = cv_str_z(reg_doc_text(item, "address"));
			status = !address.n ? cv_fail(err, CV_INVALID,
				"person %zu: 'address' must say whose account it is", i + 1)
				: reg_account_of(c, address, &a, err);
			code = status ? "" : a->text[T_AGENCY];
		}
		if (!status && !reg_is_below(c->r, code, agency))
			status = cv_fail(err, CV_DENIED, "person %zu belongs to '%s', not to '%s'",
				i + 1, code, agency);
		if (status)
			return status;
	}
	return CV_OK;
}

struct cv_calendar *
reg_calendar(struct reg_call *c)
{
	struct cv_calendar *calendar = NULL;
	struct cv_err err;
	const struct cv_registry_rules *rules = &c->r->rules;
	if (cv_calendar_load(rules->holidays_file, rules->working_hours, &calendar, &err) &&
	    cv_calendar_new(CV_STR_EMPTY, CV_STR_EMPTY, &calendar, &err))
		cv_die("the built-in calendar is damaged: %s", err.text);
	return calendar;
}

static int64_t
due_of(struct reg_call *c)
{
	struct cv_calendar *calendar = reg_calendar(c);
	int64_t due = cv_calendar_deadline(calendar, cv_wall_secs(), c->r->rules.issue_days);
	cv_calendar_free(calendar);
	return due;
}

static enum cv_status
read_letter(struct reg_call *c, json_t *body, bool *is_new_out, struct cv_err *err)
{
	struct cv_str kind, agency, letter, by, date;
	bool known = false;
	enum cv_status status = reg_field(c, c->request, "kind", 20, &kind, err);
	status = status ? status : reg_field(c, c->request, "agency", 12, &agency, err);
	status = status ? status : reg_field(c, c->request, "letter", 100, &letter, err);
	status = status ? status : reg_field(c, c->request, "letter_date", 20, &date, err);
	status = status ? status : reg_field(c, c->request, "asked_by", 200, &by, err);
	if (status)
		return status;
	for (size_t i = 0; i < CV_COUNT(kinds); i++)
		if (cv_str_eq_z(kind, kinds[i].kind)) {
			known = true;
			*is_new_out = kinds[i].is_new;
		}
	if (!known)
		return cv_fail(err, CV_INVALID, "field 'kind' is issue, change or withdraw");
	if (!letter.n)
		return cv_fail(err, CV_INVALID,
			"field 'letter' must be the number of the letter, such as 12/STP-VP");
	if (!agency.n || !reg_find_agency(c->r, agency))
		return cv_fail(err, CV_NOT_FOUND, "no agency '%.*s'", CV_STR_ARGS(agency));
	json_object_set_new(body, "kind", json_stringn(kind.p, kind.n));
	json_object_set_new(body, "agency", json_stringn(agency.p, agency.n));
	json_object_set_new(body, "letter", json_stringn(letter.p, letter.n));
	if (date.n)
		json_object_set_new(body, "letter_date", json_stringn(date.p, date.n));
	if (by.n)
		json_object_set_new(body, "asked_by", json_stringn(by.p, by.n));
	return CV_OK;
}

/* When BODY was rejected, or all of it issued; 0: it is open. */
static json_int_t
closed_at(const json_t *body)
{
	const char *state = reg_doc_text(body, "state");
	if (strcmp(state, "rejected") && strcmp(state, "issued"))
		return 0;
	json_int_t at = json_integer_value(json_object_get(json_object_get(body, state), "at"));
	return at ? at : json_integer_value(json_object_get(body, "at"));
}

/* The trail keeps what was asked; the newest row stays, since its number is not given again. */
static void
drop_old(struct reg_call *c)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'E', &list), dropped = 0;
	int64_t limit = cv_wall_secs() - KEEP_SECS;
	for (size_t i = 0; i + 1 < n && dropped < DROP_MAX; i++) {
		json_int_t at = closed_at(list[i]->body);
		if (at && at < limit) {
			reg_save_doc(c, 'E', list[i]->a, 0, NULL);
			dropped++;
		}
	}
	free(list);
}

static enum cv_status
check_open(struct reg_call *c, struct cv_err *err)
{
	const struct reg_doc **list;
	size_t n = reg_docs_list(&c->r->model.docs, 'E', &list), open = 0;
	for (size_t i = 0; i < n; i++)
		open += !closed_at(list[i]->body) &&
			!strcmp(reg_doc_text(list[i]->body, "by"), c->actor);
	free(list);
	return open < OPEN_MAX ? CV_OK : cv_fail(err, CV_LIMIT,
		"%zu requests of %s are open: let some be issued, or reject them first", open,
		c->actor);
}

/* {"kind": "issue" | "change" | "withdraw", "agency", "letter", "letter_date"?, "asked_by"?,
 * "items": [...] or "csv_base64"} -> {"number", "due", "preview"}: tried, recorded, waits. */
enum cv_status
reg_request_add(struct reg_call *c, struct cv_err *err)
{
	struct reg_docs *docs = &c->r->model.docs;
	bool is_new = false;
	json_t *body = json_object(), *items = json_array();
	json_object_set_new(body, "items", items);
	enum cv_status status = check_open(c, err);
	status = status ? status : read_letter(c, body, &is_new, err);
	status = status ? status : read_items(c, items, err);
	status = status ? status : check_items(c, body, is_new, err);
	status = status ? status : try_items(c, body, err);
	if (!status && docs->last['E' - 'A'] >= INT32_MAX)
		status = cv_fail(err, CV_LIMIT, "there are too many requests");
	if (!status && json_dumpb(body, NULL, 0, JSON_COMPACT) > BODY_BYTES)
		status = cv_fail(err, CV_LIMIT, "the list is too long for one request: divide it");
	if (status) {
		json_decref(body);
		return status;
	}
	uint64_t number = docs->last['E' - 'A'] + 1;
	int64_t due = due_of(c);
	json_object_set_new(body, "state", json_string("new"));
	json_object_set_new(body, "by", json_string(c->actor));
	json_object_set_new(body, "at", json_integer(cv_wall_secs()));
	json_object_set_new(body, "due", json_integer(due));
	json_t *detail = json_pack("{s:I, s:O, s:O, s:I}", "number", (json_int_t)number, "kind",
		json_object_get(body, "kind"), "letter", json_object_get(body, "letter"), "people",
		(json_int_t)json_array_size(items));
	json_object_set_new(c->reply, "number", json_integer((json_int_t)number));
	json_object_set_new(c->reply, "due", json_integer(due));
	struct cv_str agency = cv_arena_str(&c->arena, cv_str_z(reg_doc_text(body, "agency")));
	reg_save_doc(c, 'E', number, 0, body);
	drop_old(c);
	return reg_commit(c, "request.add", agency.p, detail, err);
}

/* ---- looking ---- */

static enum cv_status
request_field(struct reg_call *c, const char *name, uint64_t *number_out, const json_t **body_out,
              struct cv_err *err)
{
	bool given;
	enum cv_status status = reg_number(c->request, name, INT64_MAX, number_out, &given, err);
	if (status)
		return status;
	*body_out = given ? reg_doc_get(&c->r->model.docs, 'E', *number_out, 0) : NULL;
	if (!*body_out || !reg_caller_sees(c, reg_doc_text(*body_out, "agency")))
		return cv_fail(err, CV_NOT_FOUND, "no request %llu",
		               (unsigned long long)*number_out);
	return CV_OK;
}

static bool
is_open(const json_t *body)
{
	return reg_doc_is(body, "new") || reg_doc_is(body, "approved");
}

static json_t *
summary(const struct reg_doc *d)
{
	json_t *out = json_copy(d->body);
	size_t n = json_array_size(json_object_get(d->body, "items"));
	json_object_del(out, "items");
	json_object_set_new(out, "number", json_integer((json_int_t)d->a));
	json_object_set_new(out, "people", json_integer((json_int_t)n));
	json_object_set_new(out, "overdue", json_boolean(is_open(d->body) &&
		reg_fact_secs(d->body, "due") < cv_wall_secs()));
	return out;
}

/* {"state"? ("open" unless told, "new", "approved", "rejected", "issued", "all"), "agency"?,
 * "overdue"?} -> {"requests": [...], "overdue": how many}, oldest first. */
enum cv_status
reg_request_list(struct reg_call *c, struct cv_err *err)
{
	struct cv_str state, agency;
	const struct reg_doc **list;
	enum cv_status status = reg_field(c, c->request, "state", 20, &state, err);
	status = status ? status : reg_field(c, c->request, "agency", 12, &agency, err);
	if (status)
		return status;
	bool late_only = reg_flag(c->request, "overdue", false);
	size_t n = reg_docs_list(&c->r->model.docs, 'E', &list);
	json_t *out = json_array();
	json_int_t overdue = 0;
	for (size_t i = 0; i < n && json_array_size(out) < LIST_MAX; i++) {
		const json_t *body = list[i]->body;
		bool wanted = !state.n || cv_str_eq_z(state, "open") ? is_open(body)
			: cv_str_eq_z(state, "all") ||
			  cv_str_eq_z(state, reg_doc_text(body, "state"));
		if (!wanted || (agency.n && !cv_str_eq_z(agency, reg_doc_text(body, "agency"))) ||
		    !reg_caller_sees(c, reg_doc_text(body, "agency")))
			continue;
		json_t *one = summary(list[i]);
		bool is_late = json_is_true(json_object_get(one, "overdue"));
		overdue += is_late;
		if (!late_only || is_late)
			json_array_append(out, one);
		json_decref(one);
	}
	free(list);
	json_object_set_new(c->reply, "requests", out);
	json_object_set_new(c->reply, "overdue", json_integer(overdue));
	return CV_OK;
}

/* {"number"} -> {"request": {..., "items"}} */
enum cv_status
reg_request_show(struct reg_call *c, struct cv_err *err)
{
	uint64_t number = 0;
	const json_t *body;
	enum cv_status status = request_field(c, "number", &number, &body, err);
	if (status)
		return status;
	json_t *out = json_deep_copy(body);
	json_object_set_new(out, "number", json_integer((json_int_t)number));
	json_object_set_new(c->reply, "request", out);
	return CV_OK;
}

/* ---- deciding ---- */

static json_t *
decided(struct reg_call *c, const json_t *body, const char *state)
{
	json_t *copy = json_deep_copy(body), *mark;
	mark = json_pack("{s:s, s:I}", "by", c->actor, "at", (json_int_t)cv_wall_secs());
	const char *reason = json_string_value(json_object_get(c->request, "reason"));
	if (reason)
		json_object_set_new(mark, "reason", json_string(reason));
	json_object_set_new(copy, "state", json_string(state));
	json_object_set_new(copy, state, mark);
	return copy;
}

static enum cv_status
decide(struct reg_call *c, const char *from, const char *also_from, const char *to,
       struct cv_err *err)
{
	uint64_t number = 0;
	const json_t *body;
	enum cv_status status = request_field(c, "number", &number, &body, err);
	if (status)
		return status;
	json_object_set_new(c->reply, "changed", json_boolean(!reg_doc_is(body, to)));
	if (reg_doc_is(body, to))
		return CV_OK;
	if (!reg_doc_is(body, from) && !reg_doc_is(body, also_from))
		return cv_fail(err, CV_DENIED, "request %llu is %s", (unsigned long long)number,
		               reg_doc_text(body, "state"));
	struct cv_str agency = cv_arena_str(&c->arena, cv_str_z(reg_doc_text(body, "agency")));
	json_t *detail = json_pack("{s:I, s:O, s:O?}", "number", (json_int_t)number, "letter",
		json_object_get(body, "letter"), "reason", json_object_get(c->request, "reason"));
	reg_save_doc(c, 'E', number, 0, decided(c, body, to));
	return reg_commit(c, cv_arena_printf(&c->arena, "request.%s", to).p, agency.p, detail, err);
}

/* {"number"} -> {"changed"}: the agency stands for it. */
enum cv_status
reg_request_approve(struct reg_call *c, struct cv_err *err)
{
	return decide(c, "new", "new", "approved", err);
}

/* {"number", "reason"} -> {"changed"} */
enum cv_status
reg_request_reject(struct reg_call *c, struct cv_err *err)
{
	struct cv_str reason;
	enum cv_status status = reg_field(c, c->request, "reason", 400, &reason, err);
	if (!status && !reason.n)
		status = cv_fail(err, CV_INVALID, "a rejection needs a 'reason'");
	return status ? status : decide(c, "new", "approved", "rejected", err);
}

/* ---- issuing ---- */

static json_t *
with_item_done(const json_t *body, size_t i, const char *address, const char *actor)
{
	json_t *copy = json_deep_copy(body), *items = json_object_get(copy, "items"), *one;
	json_t *item = json_array_get(items, i);
	size_t k;
	bool all = true;
	json_object_set_new(item, "done", json_integer(cv_wall_secs()));
	json_object_del(item, "error");
	if (*address)
		json_object_set_new(item, "issued_as", json_string(address));
	json_array_foreach(items, k, one)
		all &= json_object_get(one, "done") != NULL;
	if (all) {
		json_object_set_new(copy, "state", json_string("issued"));
		json_object_set_new(copy, "issued", json_pack("{s:s, s:I}", "by", actor, "at",
			(json_int_t)cv_wall_secs()));
	}
	return copy;
}

static enum cv_status
issue_item(struct reg_call *c, uint64_t number, size_t i, json_t *results, struct cv_err *err)
{
	const json_t *body = reg_doc_get(&c->r->model.docs, 'E', number, 0);
	json_t *item = json_array_get(json_object_get(body, "items"), i);
	if (json_object_get(item, "done"))
		return CV_OK;
	json_t *request = request_of(body, item), *name = json_object_get(item, "name");
	struct cv_str agency = cv_arena_str(&c->arena, cv_str_z(reg_doc_text(body, "agency")));
	struct reg_call inner;
	reg_call_begin(&inner, c, c->actor, request);
	inner.is_for_request = true;
	name = name ? json_deep_copy(name) : json_null();
	reg_save_doc(&inner, 'E', number, 0, with_item_done(body, i, "", c->actor));
	bool is_put_off = false;
	enum cv_status status = json_object_get(request, "on")
		? reg_when(&inner, &is_put_off, err) : CV_OK;
	if (!status && !is_put_off)
		status = reg_run(&inner, err);
	/* Nothing to change: the mark all the same. */
	if (!status && inner.put_count)
		status = reg_commit(&inner, "request.item", agency.p, NULL, err);
	c->was_committed |= inner.was_committed;
	c->was_changed |= inner.was_changed;
	if (!status)
		status = reg_make_boxes(&inner, err);
	if (!status && is_put_off)
		status = reg_reload(c, err); /* trying it had read the mark away */
	if (!status) {
		json_t *one = json_deep_copy(inner.reply);
		json_object_set(one, "name", name);
		json_object_del(one, "before");
		json_object_del(one, "after");
		json_array_append_new(results, one);
	}
	reg_call_end(&inner);
	json_decref(request);
	json_decref(name);
	return status;
}

/* {"number"} -> {"results": [{"address", "password"?, ...}], "failed": [{"person", "error"}]}: does
 * what was approved. Passwords are said here, once. What was refused can be mended and issued
 * again: what was done is not done twice. */
enum cv_status
reg_request_issue(struct reg_call *c, struct cv_err *err)
{
	uint64_t number = 0;
	const json_t *body;
	enum cv_status status = request_field(c, "number", &number, &body, err);
	if (status)
		return status;
	if (!reg_doc_is(body, "approved"))
		return cv_fail(err, CV_DENIED, "request %llu is %s: only what was approved is issued",
		               (unsigned long long)number, reg_doc_text(body, "state"));
	json_t *results = json_array(), *failed = json_array();
	size_t n = json_array_size(json_object_get(body, "items"));
	json_object_set_new(c->reply, "results", results);
	json_object_set_new(c->reply, "failed", failed);
	for (size_t i = 0; i < n && !status; i++) {
		struct cv_err why = {0};
		enum cv_status one = issue_item(c, number, i, results, &why);
		if (!one)
			continue;
		if (one == CV_TEMPFAIL)
			return cv_fail(err, one, "%s", why.text);
		json_array_append_new(failed, json_pack("{s:I, s:s}", "person", (json_int_t)i + 1,
			"error", why.text));
		status = reg_reload(c, err);
	}
	body = reg_doc_get(&c->r->model.docs, 'E', number, 0);
	json_object_set(c->reply, "state", json_object_get(body, "state"));
	return status;
}

/* ---- account.add for a request ---- */

/* Diacritics tell people apart: Tý is not Tỵ. */
static bool
is_item_for(struct reg_call *c, const json_t *item, const char *name)
{
	struct cv_str asked;
	return !json_object_get(item, "done") &&
	       !reg_clean(&c->arena, cv_str_z(reg_doc_text(item, "name")), &asked) &&
	       cv_str_eq_z(asked, name);
}

enum cv_status
reg_check_request(struct reg_call *c, const struct reg_account *a, struct cv_err *err)
{
	uint64_t number = 0;
	const json_t *body;
	json_t *item;
	size_t i;
	bool is_given = json_object_get(c->request, "request_id") != NULL;
	if (c->is_for_request)
		return CV_OK;
	if (!is_given && (!c->r->rules.requests_required || reg_by_operator(c)))
		return CV_OK;
	if (!is_given)
		return reg_refuse(c, CV_DENIED,
			"an account is made for a request that was approved: give its number as "
			"request_id (congvu request new)",
			"chỉ cấp tài khoản theo đề nghị đã được duyệt: nêu số đề nghị (request_id); "
			"lập đề nghị bằng lệnh congvu request new", err);
	enum cv_status status = request_field(c, "request_id", &number, &body, err);
	if (status)
		return status;
	if (!reg_doc_is(body, "approved") || strcmp(reg_doc_text(body, "kind"), "issue"))
		return cv_fail(err, CV_DENIED,
			"request %llu is no approved request to issue accounts",
			(unsigned long long)number);
	json_array_foreach(json_object_get(body, "items"), i, item)
		if (is_item_for(c, item, a->text[T_NAME]) && reg_is_below(c->r, a->text[T_AGENCY],
			reg_doc_text(body, "agency"))) {
			reg_save_doc(c, 'E', number, 0,
				with_item_done(body, i, a->text[T_ADDRESS], c->actor));
			return CV_OK;
		}
	return cv_fail(err, CV_DENIED, "request %llu asks for no account of %s",
		(unsigned long long)number, a->text[T_NAME]);
}
