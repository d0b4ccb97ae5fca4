/* registry_undo.c - undo.list, undo.show, undo: what acts did, and taking one back.
 *
 * An act is taken back wholly or not at all: when every row that it changed still holds what it
 * wrote, and nothing that stays needs a row that would go. Taking back is an act itself, so it is
 * redone by taking it back. Some rows are left alone: numbers of accounts are never given twice (a
 * box with that number may hold mail), and the key of fake salts is made once. An address that the
 * act gave to an account that stays becomes its alias, and an account that has mail does not go:
 * nobody else ever gets an address that somebody may have written to (ADR-02).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/journal.h"
#include "common/register/registry_people.h"

#define NAMED_MAX 100u /* rows that a refusal names */
#define ROWS_MAX 1000u /* in one answer of undo.show */

/* ---- list and show ---- */

static json_t *
act_json(const struct reg_journal *j, const struct reg_act *a)
{
	const struct reg_act *by = reg_journal_undone_by(j, a->id);
	json_t *o = json_pack("{s:I, s:I, s:s, s:s, s:s, s:I, s:I}", "id", (json_int_t)a->id,
		"time", (json_int_t)a->secs, "actor", a->actor, "action", a->action, "object",
		a->object, "rows", (json_int_t)a->rows, "bytes", (json_int_t)a->bytes);
	if (a->undoes)
		json_object_set_new(o, "undoes", json_integer((json_int_t)a->undoes));
	if (by)
		json_object_set_new(o, "undone_by", json_integer((json_int_t)by->id));
	json_object_set_new(o, "until", json_integer((json_int_t)(a->secs + REG_JOURNAL_SECS)));
	return o;
}

static bool
is_within(const struct reg_act *a)
{
	return a->secs >= cv_wall_secs() - REG_JOURNAL_SECS;
}

/* An agency's administrator sees and takes back what he did himself. */
static bool
is_own(const struct reg_call *c, const struct reg_act *a)
{
	return !c->who || c->who->role != CV_ROLE_AGENCY || !strcmp(a->actor, c->actor);
}

/* {} -> {"acts": [{"id", "time", "actor", "action", "object", "rows", "bytes", "until", "undoes"?,
 * "undone_by"?}]}, the latest first */
enum cv_status
reg_undo_list(struct reg_call *c, struct cv_err *err)
{
	(void)err;
	const struct reg_journal *j = &c->r->journal;
	json_t *list = json_array();
	for (size_t i = j->count; i-- > 0;)
		if (is_within(&j->acts[i]) && is_own(c, &j->acts[i]))
			json_array_append_new(list, act_json(j, &j->acts[i]));
	json_object_set_new(c->reply, "acts", list);
	return CV_OK;
}

static enum cv_status
act_field(struct reg_call *c, struct reg_act **out, struct cv_err *err)
{
	uint64_t id = 0;
	bool given;
	enum cv_status status = reg_number(c->request, "id", INT64_MAX, &id, &given, err);
	if (status)
		return status;
	*out = reg_journal_find(&c->r->journal, id);
	if (*out && is_within(*out) && is_own(c, *out))
		return CV_OK;
	return cv_fail(err, CV_NOT_FOUND,
	               "no act %llu in the journal (acts are kept for %u days)",
	               (unsigned long long)id, REG_JOURNAL_DAYS);
}

/* Of the account that the row KEY holds as VALUE, or is of. */
static enum cv_status
check_row(struct reg_call *c, struct cv_str key, struct cv_str value, struct cv_err *err)
{
	const struct reg_row_kind *kind = reg_row_kind(key);
	struct cv_rd rd = cv_rd(cv_str_sub(key, 1, key.n));
	struct reg_address address;
	struct reg_account *a = NULL, *was = NULL;
	if (!value.p || !kind || kind->shape == REG_ROW_ONE || kind->shape == REG_ROW_ITEM)
		return CV_OK;
	if (key.p[0] == 'A')
		a = was = reg_account_new();
	if (was && reg_account_decode(value, was))
		reg_account_set(was, T_AGENCY, CV_STR(""));
	if (!was && kind->shape != REG_ROW_TEXT)
		a = reg_model_find(&c->r->model, cv_rd_be64(&rd));
	bool is_address = key.p[0] == 'N' && !reg_address_decode(value, &address);
	if (is_address)
		a = reg_model_find(&c->r->model, address.acct);
	const char *name = cv_arena_z(&c->arena, cv_str_sub(key, 1, key.n));
	enum cv_status status = CV_OK;
	if (a)
		status = reg_check_scope(c, a->text[T_ADDRESS], a->text[T_AGENCY], err);
	else if (kind->shape == REG_ROW_TEXT && !is_address)
		status = reg_check_scope(c, name, key.p[0] == 'G' ? name : "", err);
	reg_account_free(was);
	return status;
}

/* Who did something with more rights, or in another agency, does not take it back with fewer. */
static enum cv_status
check_reach(struct reg_call *c, const struct reg_entry *entries, size_t count, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	if (!c->who || c->who->role != CV_ROLE_AGENCY)
		return CV_OK;
	for (size_t i = 0; i < count && !status; i++) {
		status = check_row(c, entries[i].key, entries[i].old, err);
		if (!status)
			status = check_row(c, entries[i].key, entries[i].new, err);
	}
	return status;
}

/* The account of an A row; NULL for a row that is not there or cannot be read. */
static json_t *
account_json(struct cv_str key, struct cv_str value)
{
	struct cv_rd rd = cv_rd(cv_str_sub(key, 1, key.n));
	if (!value.p)
		return NULL;
	struct reg_account *a = reg_account_new();
	a->acct = cv_rd_be64(&rd);
	json_t *o = reg_account_decode(value, a) ? NULL : reg_account_json(a);
	reg_account_free(a);
	json_object_del(o, "has_password"); /* stands in another row */
	return o;
}

static json_t *
agency_json(struct cv_str key, struct cv_str value)
{
	if (!value.p)
		return NULL;
	struct reg_agency *g = reg_agency_new(cv_str_sub(key, 1, key.n));
	json_t *o = reg_agency_decode(value, g) ? NULL : reg_agency_whole(g);
	reg_agency_free(g);
	return o;
}

static json_t *
entry_json(const struct reg_model *m, const struct reg_entry *e)
{
	json_t *row = reg_row_json(m, e->key);
	const char *change = !e->old.p ? "added" : !e->new.p ? "removed" : "changed";
	json_object_set_new(row, "change", json_string(change));
	if (e->key.p[0] == 'A')
		reg_add_difference(row, account_json(e->key, e->old), account_json(e->key, e->new));
	if (e->key.p[0] == 'G')
		reg_add_difference(row, agency_json(e->key, e->old), agency_json(e->key, e->new));
	return row;
}

/* {"id", "offset"?, "limit"? = 1000} -> {"act", "total", "rows": [{"kind", "kind_vi", "name",
 * "change": "added" | "changed" | "removed", "before"?, "after"?}]}: before and after of accounts
 * and agencies, without what is the same; nothing of passwords but that they changed */
enum cv_status
reg_undo_show(struct reg_call *c, struct cv_err *err)
{
	struct reg_act *act;
	struct reg_entry *entries;
	uint64_t offset = 0, limit = ROWS_MAX;
	size_t count;
	bool given;
	enum cv_status status = act_field(c, &act, err);
	if (!status)
		status = reg_number(c->request, "offset", UINT32_MAX, &offset, &given, err);
	if (!status)
		status = reg_number(c->request, "limit", ROWS_MAX, &limit, &given, err);
	if (!status)
		status = reg_journal_entries(c, act, &entries, &count, err);
	if (!status)
		status = check_reach(c, entries, count, err);
	if (status)
		return status;
	json_t *rows = json_array();
	for (size_t i = (size_t)offset; i < count && i - offset < limit; i++)
		json_array_append_new(rows, entry_json(&c->r->model, &entries[i]));
	json_object_set_new(c->reply, "act", act_json(&c->r->journal, act));
	json_object_set_new(c->reply, "total", json_integer((json_int_t)count));
	json_object_set_new(c->reply, "rows", rows);
	return CV_OK;
}

/* ---- may it be taken back? ---- */

struct check {
	struct reg_call *c;
	struct cv_map after;         /* key -> entry: rows as they would be */
	struct cv_map present;       /* keys of accounts, agencies, domains that would stay */
	json_t *named;               /* rows in the way */
	size_t count;
};

static void
name_row(struct check *k, struct cv_str key)
{
	if (k->count++ < NAMED_MAX)
		json_array_append_new(k->named, reg_row_json(&k->c->r->model, key));
}

/* What the act cancelled waits again; what was done, or refused, stays so. */
static bool
is_cancelled(struct cv_str value)
{
	json_t *body = json_loadb(value.p, value.n, 0, NULL);
	const char *state = json_string_value(json_object_get(body, "state"));
	bool is = state && !strcmp(state, "cancelled");
	json_decref(body);
	return is;
}

/* A dated act that was marked as done stays done; one that was put off by the act goes. A box that
 * was opened for a time (SEC-07) is not opened again. */
static bool
is_left_alone(const struct reg_call *c, const struct reg_entry *e)
{
	struct cv_rd rd = cv_rd(cv_str_sub(e->key, 1, e->key.n));
	if (e->key.p[0] == 'V' && e->old.p) {
		uint64_t owner = cv_rd_be64(&rd), reader = cv_rd_be64(&rd);
		return reg_is_glass(c, owner, reader);
	}
	return cv_str_eq_z(e->key, "C") || cv_str_eq_z(e->key, "K") ||
	       (e->key.p[0] == 'Y' && e->old.p && e->new.p && !is_cancelled(e->new));
}

/* Rows that hold something else than the act wrote. */
static enum cv_status
find_changed(struct check *k, const struct reg_entry *entries, size_t count, struct cv_err *err)
{
	struct cv_str *now = CV_ARENA_ARRAY(&k->c->arena, struct cv_str, count + 1);
	enum cv_status status = reg_journal_values(k->c, entries, count, now, err);
	for (size_t i = 0; !status && i < count; i++) {
		bool is_same = !now[i].p == !entries[i].new.p &&
			cv_str_eq(now[i], entries[i].new);
		if (!is_same && !is_left_alone(k->c, &entries[i]))
			name_row(k, entries[i].key);
	}
	return status;
}

/* The value KEY would have, and whether the row would be there. */
static bool
value_after(struct check *k, struct cv_str key, struct cv_str *value)
{
	const struct reg_entry *e = cv_map_get(&k->after, key);
	if (e)
		*value = e->old;
	return value->p != NULL;
}

static bool
has_account(struct check *k, uint64_t acct)
{
	struct cv_buf key = CV_BUF_INIT(16);
	cv_buf_c(&key, 'A');
	cv_buf_be64(&key, acct);
	bool has = cv_map_get(&k->present, cv_buf_view(&key)) != NULL;
	cv_buf_done(&key);
	return has;
}

static bool
has_agency(struct check *k, const char *code)
{
	struct cv_buf key = CV_BUF_INIT(300);
	cv_buf_printf(&key, "G%s", code);
	bool has = !*code || cv_map_get(&k->present, cv_buf_view(&key)) != NULL;
	cv_buf_done(&key);
	return has;
}

/* Of an address: alias domains have none of their own. */
static bool
has_domain(struct check *k, struct cv_str key)
{
	size_t at = key.n;
	struct cv_buf domain = CV_BUF_INIT(300);
	while (at > 1 && key.p[at - 1] != '@')
		at--;
	cv_buf_c(&domain, 'D');
	cv_buf_str(&domain, cv_str_sub(key, at, key.n));
	bool has = cv_map_get(&k->present, cv_buf_view(&domain)) != NULL;
	cv_buf_done(&domain);
	return has;
}

static bool
has_agency_of_account(struct check *k, struct cv_str value)
{
	struct reg_account *a = reg_account_new();
	bool has = reg_account_decode(value, a) || has_agency(k, a->text[T_AGENCY]);
	reg_account_free(a);
	return has;
}

static bool
has_parent(struct check *k, struct cv_str key, struct cv_str value)
{
	struct reg_agency *g = reg_agency_new(cv_str_sub(key, 1, key.n));
	bool has = reg_agency_decode(value, g) || has_agency(k, g->text[AG_PARENT]);
	reg_agency_free(g);
	return has;
}

static bool
has_owner(struct check *k, struct cv_str key, struct cv_str value)
{
	const struct reg_row_kind *kind = reg_row_kind(key);
	struct cv_rd rd = cv_rd(cv_str_sub(key, 1, key.n));
	struct reg_address address;
	if (key.p[0] == 'A')
		return has_agency_of_account(k, value);
	if (key.p[0] == 'G')
		return has_parent(k, key, value);
	if (key.p[0] == 'N')
		return reg_address_decode(value, &address) ||
			(has_account(k, address.acct) && has_domain(k, key));
	if (!kind || (kind->shape != REG_ROW_ACCT && kind->shape != REG_ROW_LINK))
		return true;
	bool has = has_account(k, cv_rd_be64(&rd));
	return has && (kind->shape != REG_ROW_LINK || has_account(k, cv_rd_be64(&rd)));
}

static bool
note_present(void *arg, struct cv_str key, struct cv_str value)
{
	struct check *k = arg;
	if (strchr("ADG", key.p[0]) && value_after(k, key, &value))
		cv_map_put(&k->present, key, k);
	return true;
}

static bool
note_orphan(void *arg, struct cv_str key, struct cv_str value)
{
	struct check *k = arg;
	if (value_after(k, key, &value) && !has_owner(k, key, value))
		name_row(k, key);
	return true;
}

static enum cv_status
scan_rows(struct check *k, cv_row_fn *fn, struct cv_err *err)
{
	return reg_scan_rows(k->c->r, fn, k, err);
}

/* Rows that would stay and need one that would go: an account added later to an agency of the act,
 * a group's member. Rows that the taking back would bring are looked at too. */
static enum cv_status
find_orphans(struct check *k, const struct reg_entry *entries, size_t count, struct cv_err *err)
{
	for (size_t i = 0; i < count; i++) {
		cv_map_put(&k->after, entries[i].key, (void *)(uintptr_t)&entries[i]);
		if (entries[i].old.p)
			note_present(k, entries[i].key, entries[i].old);
	}
	enum cv_status status = scan_rows(k, note_present, err);
	if (!status)
		status = scan_rows(k, note_orphan, err);
	for (size_t i = 0; !status && i < count; i++)
		if (entries[i].old.p && !entries[i].new.p &&
		    !has_owner(k, entries[i].key, entries[i].old))
			name_row(k, entries[i].key);
	return status;
}

/* Accounts that would go and have mail. */
static void
find_mail(struct check *k, const struct reg_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct cv_rd rd = cv_rd(cv_str_sub(entries[i].key, 1, entries[i].key.n));
		bool goes = entries[i].key.p[0] == 'A' && !entries[i].old.p;
		const struct reg_account *a = goes
			? reg_model_find(&k->c->r->model, cv_rd_be64(&rd)) : NULL;
		json_t *use = json_object();
		if (a)
			reg_put_use(k->c, a, use);
		if (json_integer_value(json_object_get(use, "used_messages")) > 0)
			name_row(k, entries[i].key);
		json_decref(use);
	}
}

static enum cv_status
refuse(struct check *k, const char *en, const char *vi, struct cv_err *err)
{
	char text[CV_ERR_TEXT_MAX], text_vi[CV_ERR_TEXT_MAX];
	json_t *first = json_array_get(k->named, 0);
	const char *name = json_string_value(json_object_get(first, "name"));
	const char *kind = json_string_value(json_object_get(first, "kind"));
	const char *kind_vi = json_string_value(json_object_get(first, "kind_vi"));
	snprintf(text, sizeof text, "%s: %s %s%s", en, kind, name, k->count > 1 ? ", ..." : "");
	snprintf(text_vi, sizeof text_vi, "%s: %s %s%s", vi, kind_vi, name,
	         k->count > 1 ? ", ..." : "");
	json_object_set(k->c->reply, "rows", k->named);
	json_object_set_new(k->c->reply, "count", json_integer((json_int_t)k->count));
	return reg_refuse(k->c, CV_CONFLICT, text, text_vi, err);
}

static enum cv_status
check_act(struct check *k, const struct reg_entry *entries, size_t count, struct cv_err *err)
{
	enum cv_status status = find_changed(k, entries, count, err);
	if (!status && k->count)
		return refuse(k, "rows of the act were changed since",
		              "có dòng đã thay đổi sau lần thao tác này", err);
	if (!status)
		status = find_orphans(k, entries, count, err);
	if (!status && k->count)
		return refuse(k, "what was added since needs rows of the act",
		              "có dữ liệu thêm sau đó phụ thuộc lần thao tác này", err);
	if (!status)
		find_mail(k, entries, count);
	if (!status && k->count)
		return refuse(k, "mail has arrived in boxes that the act made: end them instead",
		              "đã có thư đến hộp thư do lần thao tác này tạo: hãy chấm dứt các tài "
		              "khoản đó", err);
	return status;
}

/* ---- undo ---- */

/* What the row of E holds afterwards. */
static struct cv_str
value_back(struct check *k, const struct reg_entry *e)
{
	struct reg_address address;
	struct cv_buf row = CV_BUF_INIT(64), key = CV_BUF_INIT(16);
	if (e->key.p[0] != 'N' || e->old.p || reg_address_decode(e->new, &address))
		return e->old;
	cv_buf_c(&key, 'A');
	cv_buf_be64(&key, address.acct);
	const struct reg_entry *account = cv_map_get(&k->after, cv_buf_view(&key));
	cv_buf_done(&key);
	if (account && !account->old.p)
		return e->old; /* its account goes with it */
	if (address.type == REG_PRIMARY)
		address.type = REG_ALIAS;
	reg_address_encode(&address, &row);
	struct cv_str copy = cv_arena_str(&k->c->arena, cv_buf_view(&row));
	cv_buf_done(&row);
	return copy;
}

static enum cv_status
take_back(struct check *k, const struct reg_act *act, const struct reg_entry *entries,
          size_t count, struct cv_err *err)
{
	struct reg_call *c = k->c;
	char object[64];
	uint64_t id = act->id; /* ACT may move when the journal grows */
	for (size_t i = 0; i < count; i++)
		if (!is_left_alone(c, &entries[i]))
			reg_put(c, entries[i].key, value_back(k, &entries[i]));
	snprintf(object, sizeof object, "act %llu", (unsigned long long)id);
	json_t *detail = json_pack("{s:s, s:s}", "action", act->action, "object", act->object);
	enum cv_status status = reg_journal_commit(c, "undo", object, detail, id, err);
	if (status || c->is_dry)
		return status;
	/* The model still shows the act. */
	status = reg_reload(c, err);
	for (size_t i = 0; !status && i < count; i++) {
		struct cv_rd rd = cv_rd(cv_str_sub(entries[i].key, 1, entries[i].key.n));
		const struct reg_account *a = entries[i].key.p[0] == 'A'
			? reg_model_find(&c->r->model, cv_rd_be64(&rd)) : NULL;
		if (a && a->state != CV_STATE_RETIRED)
			reg_want_box(c, a, true);
	}
	return status;
}

/* {"id"} -> {"id", "act": the number of the act that took it back, "rows": how many}; refused with
 * "rows" and "count" when rows were changed since. */
enum cv_status
reg_undo(struct reg_call *c, struct cv_err *err)
{
	struct reg_act *act;
	struct reg_entry *entries;
	size_t count;
	enum cv_status status = act_field(c, &act, err);
	if (status)
		return status;
	const struct reg_act *by = reg_journal_undone_by(&c->r->journal, act->id);
	if (by)
		return cv_fail(err, CV_EXISTS, "act %llu was taken back already, by act %llu",
		               (unsigned long long)act->id, (unsigned long long)by->id);
	if (!strcmp(act->action, "reorganise.apply"))
		return reg_refuse(c, CV_DENIED,
			"a reorganisation is taken back by congvu reorganise rollback, which keeps "
			"the addresses that people have written to since",
			"hãy dùng congvu reorganise rollback để hoàn tác sắp xếp đơn vị: lệnh này giữ lại "
			"các địa chỉ đã nhận thư", err);
	status = reg_journal_entries(c, act, &entries, &count, err);
	if (!status)
		status = check_reach(c, entries, count, err);
	if (status)
		return status;
	struct check k = { .c = c, .named = json_array() };
	cv_map_init(&k.after);
	cv_map_init(&k.present);
	status = check_act(&k, entries, count, err);
	if (!status) {
		json_object_set_new(c->reply, "id", json_integer((json_int_t)act->id));
		json_object_set_new(c->reply, "rows", json_integer((json_int_t)count));
		status = take_back(&k, act, entries, count, err);
	}
	cv_map_done(&k.after);
	cv_map_done(&k.present);
	json_decref(k.named);
	return status;
}
