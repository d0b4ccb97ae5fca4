/* registry_import.c - import: a staff list becomes accounts (ACC-01).
 *
 * The whole list is one act (journal.h): it happens wholly or not at all, and can be taken back.
 * Running the same list again changes nothing. A row is the person it was before when the staff
 * number is the same, or the address and the name, or unit and name (the first of three equal names
 * stays the first).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/import.h"
#include "common/register/registry_people.h"
#include "common/text/encode.h"
#include "common/text/fold.h"

#define NOTE_EVERY 500

struct run {
	struct reg_call *c;
	struct csv csv;
	struct import_rows rows;
	struct cv_str dflt_agency;
	struct cv_map people;       /* unit NUL folded name -> struct same */
	struct cv_map staff;        /* staff number -> account */
	struct cv_map agencies;     /* folded name -> struct reg_agency, or &several */
	struct cv_map touched;      /* account number -> row number + 1: rows of this list */
	json_t *repaired, *rejected;
	size_t added, updated, unchanged;
};
struct same {                   /* people of one name in one unit, in order of their accounts */
	struct reg_account **list;
	size_t n, next;
};
static char several;

/* ---- indexes ---- */

static struct cv_str
person_key(struct cv_arena *arena, struct cv_str agency, struct cv_str name)
{
	struct cv_buf key = CV_BUF_INIT(REG_TEXT_MAX * 4);
	cv_buf_str(&key, agency);
	cv_buf_c(&key, 0);
	(void)cv_fold(name, &key);
	struct cv_str copy = cv_arena_str(arena, cv_buf_view(&key));
	cv_buf_done(&key);
	return copy;
}

static void
index_person(struct run *run, struct reg_account *a)
{
	struct cv_str key = person_key(&run->c->arena, cv_str_z(a->text[T_AGENCY]),
		cv_str_z(a->text[T_NAME]));
	struct same *same = cv_map_get(&run->people, key);
	if (!same) {
		same = cv_calloc(1, sizeof *same);
		cv_map_put(&run->people, key, same);
	}
	same->list = cv_realloc(same->list, (same->n + 1) * sizeof(struct reg_account *));
	same->list[same->n++] = a;
	if (*a->text[T_STAFF_ID])
		cv_map_put(&run->staff, cv_str_z(a->text[T_STAFF_ID]), a);
}

static void
index_all(struct run *run)
{
	const struct reg_model *m = &run->c->r->model;
	cv_map_init(&run->people);
	cv_map_init(&run->staff);
	cv_map_init(&run->agencies);
	cv_map_init(&run->touched);
	for (size_t i = 0; i < m->count; i++)
		if (m->accounts[i]->kind == CV_KIND_PERSON &&
		    m->accounts[i]->state != CV_STATE_RETIRED)
			index_person(run, m->accounts[i]);
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&m->agencies, &pos, &key, &value);) {
		struct reg_agency *g = value;
		struct cv_buf name = CV_BUF_INIT(REG_TEXT_MAX * 4);
		(void)cv_fold(cv_str_z(g->text[AG_NAME]), &name);
		if (cv_map_put(&run->agencies, cv_buf_view(&name), g))
			cv_map_put(&run->agencies, cv_buf_view(&name), &several);
		cv_buf_done(&name);
	}
}

static void
drop_indexes(struct run *run)
{
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&run->people, &pos, &key, &value);) {
		struct same *same = value;
		free(same->list);
		free(same);
	}
	cv_map_done(&run->people);
	cv_map_done(&run->staff);
	cv_map_done(&run->agencies);
	cv_map_done(&run->touched);
}

/* ---- notes ---- */

/* The cells of row NUMBER as they stand in the list. */
static json_t *
cells_of(const struct run *run, size_t number)
{
	const struct csv_row *row = &run->csv.rows[number - 1];
	json_t *cells = json_array();
	for (size_t i = 0; i < row->n; i++) {
		/* A charset may give characters that JSON does not take. */
		json_t *text = json_stringn(row->cells[i].p ? row->cells[i].p : "",
		                            row->cells[i].n);
		json_array_append_new(cells, text ? text : json_string(""));
	}
	return cells;
}

/* What it needs to be written down for correction: the rows themselves (two, when one person was
 * split) and the group row above. */
static void
add_cells(const struct run *run, const struct import_row *row, size_t last, json_t *note)
{
	json_t *lines = json_array();
	for (size_t number = row->number; number <= last; number++)
		json_array_append_new(lines, cells_of(run, number));
	json_object_set_new(note, "lines", lines);
	if (row->group_number)
		json_object_set_new(note, "group", cells_of(run, row->group_number));
}

static void
note_rejected(struct run *run, const struct import_row *row, const struct import_row *next,
              const struct import_verdict *v, const char *more)
{
	bool is_split = import_is_continuation(&run->rows, row, next);
	json_t *o = json_pack("{s:I, s:s%, s:s, s:s, s:s, s:s%}",
		"row", (json_int_t)row->number,
		"name", v->name.p, v->name.n,
		"code", import_fault_code(v->why),
		"reason", more ? more : import_fault_text(v->why, false),
		"reason_vi", import_fault_text(v->why, true),
		"proposal", v->proposal.p, v->proposal.n);
	add_cells(run, row, is_split ? next->number : row->number, o);
	json_array_append_new(run->rejected, o);
}

/* What the repaired cells say now, for people who look it over. */
static void
add_after(json_t *note, const struct import_verdict *v)
{
	static const unsigned of_name = 1u << FIX_BLANKS | 1u << FIX_NFD | 1u << FIX_TONE,
			      of_email = 1u << FIX_BLANK_AT_SIGN | 1u << FIX_LINE_BREAK,
			      of_number = 1u << FIX_NUMBER;
	const struct {
		bool is_shown;
		struct cv_str text;
	} parts[] = {
		{ v->fixed & of_name, v->name },
		{ v->fixed & of_email, v->email },
		{ v->fixed & ~(of_name | of_email | of_number), v->phone_office },
		{ v->fixed & ~(of_name | of_email | of_number), v->phone_mobile },
	};
	struct cv_buf text = CV_BUF_INIT(REG_TEXT_MAX * 8);
	for (size_t i = 0; i < CV_COUNT(parts); i++)
		if (parts[i].is_shown && parts[i].text.n)
			cv_buf_printf(&text, "%s%.*s", text.n ? "; " : "",
			              CV_STR_ARGS(parts[i].text));
	json_object_set_new(note, "after", json_stringn(text.p ? text.p : "", text.n));
	cv_buf_done(&text);
}

static void
note_repaired(struct run *run, const struct import_row *row, const struct import_verdict *v)
{
	struct cv_buf code = CV_BUF_INIT(2048), en = CV_BUF_INIT(4096), vi = CV_BUF_INIT(4096);
	for (unsigned f = 0; f < NO_COMMA; f++) {
		if (!(v->fixed & (1u << f)))
			continue;
		const char *glue = code.n ? "; " : "";
		cv_buf_printf(&code, "%s%s", code.n ? " " : "",
		              import_fault_code((enum import_fault)f));
		cv_buf_printf(&en, "%s%s", glue, import_fault_text((enum import_fault)f, false));
		cv_buf_printf(&vi, "%s%s", glue, import_fault_text((enum import_fault)f, true));
	}
	json_t *o = json_pack("{s:I, s:s%, s:s, s:s, s:s}", "row", (json_int_t)row->number, "name",
		v->name.p, v->name.n, "code", code.p, "reason", en.p, "reason_vi", vi.p);
	add_after(o, v);
	add_cells(run, row, row->number, o);
	json_array_append_new(run->repaired, o);
	cv_buf_done(&code);
	cv_buf_done(&en);
	cv_buf_done(&vi);
}

static void
refuse(struct import_verdict *v, enum import_fault why, struct cv_str proposal)
{
	v->is_refused = true;
	v->why = why;
	v->proposal = proposal;
}

/* ---- units ---- */

static struct reg_agency *
agency_by_text(struct run *run, struct cv_str text, bool *several_out)
{
	struct cv_buf plain = CV_BUF_INIT(REG_TEXT_MAX * 4);
	(void)cv_fold(text, &plain);
	void *found = reg_find_agency(run->c->r, cv_buf_view(&plain));
	if (!found)
		found = cv_map_get(&run->agencies, cv_buf_view(&plain));
	cv_buf_done(&plain);
	*several_out = found == &several;
	return *several_out ? NULL : found;
}

/* The codes of all units of that name. */
static struct cv_str
codes_of(struct run *run, struct cv_str text)
{
	struct cv_buf out = CV_BUF_INIT(2000), plain = CV_BUF_INIT(REG_TEXT_MAX * 4);
	struct cv_str key;
	void *value;
	(void)cv_fold(text, &plain);
	for (size_t pos = 0; cv_map_each(&run->c->r->model.agencies, &pos, &key, &value);) {
		const struct reg_agency *g = value;
		struct cv_buf name = CV_BUF_INIT(REG_TEXT_MAX * 4);
		(void)cv_fold(cv_str_z(g->text[AG_NAME]), &name);
		if (cv_str_eq(cv_buf_view(&name), cv_buf_view(&plain)))
			cv_buf_printf(&out, "%s%s", out.n ? ", " : "", g->code);
		cv_buf_done(&name);
	}
	struct cv_str copy = cv_arena_str(&run->c->arena, cv_buf_view(&out));
	cv_buf_done(&out);
	cv_buf_done(&plain);
	return copy;
}

/* The row's unit: its own cell, the group above it, or the list's default. A group that is no unit
 * is a department. */
static struct reg_agency *
find_unit(struct run *run, const struct import_row *row, struct import_verdict *v)
{
	bool many = false;
	struct reg_agency *g = NULL;
	if (v->agency_text.n) {
		g = agency_by_text(run, v->agency_text, &many);
		if (!g && many)
			refuse(v, NO_SAME_AGENCY, codes_of(run, v->agency_text));
		else if (!g)
			refuse(v, NO_UNKNOWN_AGENCY, CV_STR(""));
	}
	if (!g && row->group.n && !v->is_refused)
		g = agency_by_text(run, row->group, &many);
	if (!g && row->group.n && !v->is_refused && many)
		refuse(v, NO_SAME_AGENCY, codes_of(run, row->group));
	struct reg_agency *group = row->group.n ? agency_by_text(run, row->group, &many) : NULL;
	if (row->group.n && !group && !many && !v->department.n)
		(void)!reg_clean(&run->c->arena, row->group, &v->department);
	if (!g && run->dflt_agency.n && !v->is_refused)
		g = reg_find_agency(run->c->r, run->dflt_agency);
	if (!g && !v->is_refused)
		refuse(v, NO_AGENCY, CV_STR(""));
	return g;
}

/* ---- one row ---- */

static bool
same_name(struct run *run, const struct reg_account *a, struct cv_str name)
{
	struct cv_str x = person_key(&run->c->arena, CV_STR(""), cv_str_z(a->text[T_NAME]));
	return cv_str_eq(x, person_key(&run->c->arena, CV_STR(""), name));
}

/* The account that this row was before, or NULL. */
static struct reg_account *
known_person(struct run *run, const struct import_row *row, struct import_verdict *v,
             const struct reg_agency *unit)
{
	struct cv_err none;
	struct reg_account *a = v->staff_id.n ? cv_map_get(&run->staff, v->staff_id) : NULL;
	if (!a && v->email.n && !reg_account_of(run->c, v->email, &a, &none)) {
		uintptr_t before = (uintptr_t)cv_map_get(&run->touched,
		                                         cv_str((char *)&a->acct, 8));
		if (!same_name(run, a, v->name) || (before && before != row->number + 1)) {
			refuse(v, NO_TWO_PEOPLE, CV_STR(""));
			return NULL;
		}
	}
	if (a)
		return a;
	struct same *same = cv_map_get(&run->people,
	                               person_key(&run->c->arena, cv_str_z(unit->code), v->name));
	while (same && same->next < same->n) {
		a = same->list[same->next++];
		if (!cv_map_get(&run->touched, cv_str((char *)&a->acct, 8)))
			return a;
	}
	return NULL;
}

static void
set(json_t *o, const char *name, struct cv_str value)
{
	if (value.n)
		json_object_set_new(o, name, json_stringn(value.p, value.n));
}

static json_t *
object_of(struct run *run, const struct import_row *row, const struct import_verdict *v,
          const struct reg_agency *unit)
{
	json_t *o = json_object();
	set(o, "name", v->name);
	set(o, "title", v->title);
	set(o, "department", v->department);
	set(o, "agency", cv_str_z(unit->code));
	set(o, "phone_office", v->phone_office);
	set(o, "phone_mobile", v->phone_mobile);
	set(o, "staff_id", v->staff_id);
	set(o, "address", v->email);
	set(o, "password", cv_str_trim(row->raw[IM_PASSWORD]));
	if (run->rows.has[IM_CONSENT]) {
		struct cv_str yes = cv_str_trim(row->raw[IM_CONSENT]);
		bool no = !yes.n || cv_str_eq_z(yes, "0") || cv_str_ieq_z(yes, "no") ||
			cv_str_ieq_z(yes, "không");
		json_object_set_new(o, "mobile_consent", json_boolean(!no));
	}
	static const char *const passed_on[] = { "allow_weak", "force", "must_change", "letter" };
	for (size_t i = 0; i < CV_COUNT(passed_on); i++)
		if (json_object_get(run->c->request, passed_on[i]))
			json_object_set(o, passed_on[i],
			                json_object_get(run->c->request, passed_on[i]));
	return o;
}

/* What the person would get by the template; empty when that cannot be said. */
static struct cv_str
official_address(struct run *run, const struct import_verdict *v, const struct reg_agency *unit)
{
	struct cv_buf s = CV_BUF_INIT(400), m = CV_BUF_INIT(400), g = CV_BUF_INIT(400);
	struct cv_str key = CV_STR("");
	if (cv_name_split(v->name, &s, &m, &g, NULL) ||
	    reg_free_address(run->c, cv_buf_view(&s), cv_buf_view(&m), cv_buf_view(&g),
			cv_str_z(unit->code), false, &key, NULL))
		key = CV_STR("");
	cv_buf_done(&s);
	cv_buf_done(&m);
	cv_buf_done(&g);
	return key;
}

static enum cv_status
save_row(struct run *run, const struct import_row *row, struct import_verdict *v,
         const struct reg_agency *unit, struct cv_err *why)
{
	struct reg_account *a = known_person(run, row, v, unit);
	if (v->is_refused)
		return CV_INVALID;
	json_t *o = object_of(run, row, v, unit);
	enum cv_status status;
	if (a) {
		bool changed = false;
		json_object_del(o, "password");
		status = reg_update_account(run->c, o, a, &changed, why);
		run->updated += !status && changed;
		run->unchanged += !status && !changed;
	} else {
		status = reg_make_account(run->c, o, false, &a, NULL, why);
		if (!status) {
			run->added++;
			if (*a->text[T_STAFF_ID])
				cv_map_put(&run->staff, cv_str_z(a->text[T_STAFF_ID]), a);
		}
	}
	json_decref(o);
	if (!status)
		cv_map_put(&run->touched, cv_str((char *)&a->acct, 8),
		           (void *)(uintptr_t)(row->number + 1));
	return status;
}

static enum cv_status
do_row(struct run *run, size_t i, struct cv_err *err)
{
	const struct import_row *row = &run->rows.rows[i];
	const struct import_row *next = i + 1 < run->rows.n ? row + 1 : NULL;
	struct import_verdict v;
	struct cv_err why = {0};
	import_check(&run->c->arena, &run->rows, row, next, &v);
	struct reg_agency *unit = v.is_refused ? NULL : find_unit(run, row, &v);
	if (!v.is_refused)
		import_check_email(&run->c->arena, run->c->r->model.default_domain,
			v.email.n ? official_address(run, &v, unit) : CV_STR(""), &v);
	struct cv_str key;
	if (!v.is_refused && v.email.n && reg_address_key(run->c, v.email, &key, &why))
		refuse(&v, NO_FOREIGN, official_address(run, &v, unit));
	why.text[0] = 0;
	enum cv_status status = v.is_refused ? CV_INVALID : save_row(run, row, &v, unit, &why);
	if (status == CV_OK) {
		if (v.fixed)
			note_repaired(run, row, &v);
		return CV_OK;
	}
	/* A refusal is the row's own; anything else stops the import. */
	if (!v.is_refused && status != CV_INVALID && status != CV_LIMIT && status != CV_DENIED &&
	    status != CV_EXISTS)
		return cv_fail(err, status, "row %zu: %s", row->number, why.text);
	if (!v.is_refused)
		refuse(&v, NO_ACCOUNT, CV_STR(""));
	note_rejected(run, row, next, &v, why.text[0] ? why.text : NULL);
	return CV_OK;
}

/* ---- the request ---- */

/* The whole list is one act. */
static enum cv_status
commit_list(struct run *run, struct cv_err *err)
{
	char object[64];
	if (!run->c->put_count)
		return CV_OK;
	snprintf(object, sizeof object, "%zu rows", run->rows.n);
	json_t *detail = json_pack("{s:I, s:I}", "added", (json_int_t)run->added, "updated",
		(json_int_t)run->updated);
	return reg_commit_act(run->c, "import", object, detail, err);
}

static void
note_progress(struct run *run, size_t done)
{
	if (run->c->progress)
		run->c->progress(run->c->arg, json_pack("{s:I, s:I}", "done", (json_int_t)done,
		                                        "total", (json_int_t)run->rows.n));
}

static enum cv_status
do_rows(struct run *run, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	for (size_t i = 0; !status && i < run->rows.n; i++) {
		const struct import_row *row = &run->rows.rows[i];
		const struct import_row *next = i + 1 < run->rows.n ? row + 1 : NULL;
		bool is_split = import_is_continuation(&run->rows, row, next);
		status = do_row(run, i, err);
		i += is_split; /* its second half was refused with it */
		if ((i + 1) % NOTE_EVERY == 0)
			note_progress(run, i + 1);
	}
	note_progress(run, run->rows.n);
	return status ? status : commit_list(run, err);
}

static enum cv_status
read_list(struct run *run, struct cv_err *err)
{
	struct reg_call *c = run->c;
	json_t *plain = json_object_get(c->request, "csv");
	json_t *coded = json_object_get(c->request, "csv_base64");
	struct cv_str bytes, charset;
	enum cv_status status = reg_field(c, c->request, "charset", CV_ERR_TEXT_MAX, &charset, err);
	if (status)
		return status;
	if (json_is_string(plain)) {
		bytes = cv_str(json_string_value(plain), json_string_length(plain));
	} else if (json_is_string(coded)) {
		struct cv_buf raw = CV_BUF_INIT(CSV_BYTES_MAX);
		status = cv_base64_decode(cv_str(json_string_value(coded),
		                                 json_string_length(coded)),
		                          &raw);
		bytes = cv_arena_str(&c->arena, cv_buf_view(&raw));
		cv_buf_done(&raw);
		if (status)
			return cv_fail(err, status,
			               "field 'csv_base64' is not base64 of at most %u MB",
			               CSV_BYTES_MAX >> 20);
	} else {
		return cv_fail(err, CV_INVALID, "an import needs \"csv\" or \"csv_base64\"");
	}
	status = csv_read(&c->arena, bytes, cv_arena_z(&c->arena, charset), &run->csv, err);
	return status ? status : import_read(&c->arena, &run->csv, &run->rows, err);
}

/* {"csv" | "csv_base64", "charset"?, "agency"?, "dry_run"?, "allow_weak", "force", "must_change",
 *  "letter"} -> {"rows", "added", "updated", "unchanged", "header": [[cell]], "repaired": [{"row",
 *  "name", "code", "reason", "reason_vi", "after", "lines": [[cell]], "group"?: [cell]}],
 *  "rejected": [the same with "proposal" instead of "after"], "dry_run"}
 * Accounts made here have no password unless the list has a column of them. */
enum cv_status
reg_import(struct reg_call *c, struct cv_err *err)
{
	struct run run = { .c = c };
	if (c->r->rules.requests_required && !reg_by_operator(c))
		return reg_refuse(c, CV_DENIED,
			"accounts are made for requests that were approved: congvu request new --list",
			"chỉ cấp tài khoản theo đề nghị đã được duyệt: congvu request new --list", err);
	enum cv_status status = reg_field(c, c->request, "agency", 12, &run.dflt_agency, err);
	if (!status && run.dflt_agency.n && !reg_find_agency(c->r, run.dflt_agency))
		status = cv_fail(err, CV_NOT_FOUND, "no agency '%.*s'",
		                 CV_STR_ARGS(run.dflt_agency));
	if (!status)
		status = read_list(&run, err);
	if (status)
		return status;
	run.repaired = json_array();
	run.rejected = json_array();
	index_all(&run);
	status = do_rows(&run, err);
	drop_indexes(&run);
	json_object_set_new(c->reply, "rows", json_integer((json_int_t)run.rows.n));
	json_object_set_new(c->reply, "added", json_integer((json_int_t)run.added));
	json_object_set_new(c->reply, "updated", json_integer((json_int_t)run.updated));
	json_object_set_new(c->reply, "unchanged", json_integer((json_int_t)run.unchanged));
	json_object_set_new(c->reply, "dry_run", json_boolean(c->is_dry));
	json_t *header = json_array();
	for (size_t k = 0; k < run.rows.header_rows; k++)
		json_array_append_new(header, cells_of(&run, run.rows.header + k));
	json_object_set_new(c->reply, "header", header);
	json_object_set_new(c->reply, "repaired", run.repaired);
	json_object_set_new(c->reply, "rejected", run.rejected);
	return status;
}
