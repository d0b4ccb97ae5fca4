/* registry_report.c - facts for reports: who used mail on how many days, and use that was counted
 * in an older system (REP-01, REP-02). Counts only: no subjects, no correspondents. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "common/audit/use.h"
#include "common/register/registry_impl.h"

#define ROWS_MAX     2000000u
#define WORKDAYS_MAX 3660u
#define FAULTS_MAX   100

/* ---- use brought along ---- */

static uint32_t
number_at(const json_t *row, size_t i)
{
	json_int_t n = json_integer_value(json_array_get(row, i));

	return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* Accounts by staff number, for lists that have no addresses. */
static void
index_staff(const struct reg_model *m, struct cv_map *out)
{
	cv_map_init(out);
	for (size_t i = 0; i < m->count; i++) {
		struct cv_str id = cv_str_z(m->accounts[i]->text[T_STAFF_ID]);
		if (id.n)
			cv_map_put(out, id, m->accounts[i]);
	}
}

static struct reg_account *
owner_of(struct reg_call *c, const struct cv_map *staff, const json_t *row)
{
	struct cv_str who = cv_str_z(json_string_value(json_array_get(row, 0)));
	struct reg_account *a = NULL;
	struct cv_err none;

	if (!memchr(who.p, '@', who.n))
		a = cv_map_get(staff, who);
	if (!a && reg_account_of(c, who, &a, &none))
		a = NULL;
	return a;
}

/* {"rows": [[address or staff number, first day, days, active, sent, received, opened], ...]}
 * -> {"rows", "unknown", "faults": [{"row", "who"}]}: days are counted from 1970. */
enum cv_status
reg_use_import(struct reg_call *c, struct cv_err *err)
{
	json_t *rows = json_object_get(c->request, "rows"), *row, *faults = json_array();
	size_t i, count = 0;
	json_int_t unknown = 0;
	struct cv_map staff;

	json_object_set_new(c->reply, "faults", faults);
	if (!json_is_array(rows) || json_array_size(rows) > ROWS_MAX)
		return cv_fail(err, CV_INVALID, "field 'rows' must be a list of at most %u rows",
			ROWS_MAX);
	struct cv_use_span *spans = cv_calloc(json_array_size(rows) + 1, sizeof *spans);
	index_staff(&c->r->model, &staff);
	json_array_foreach(rows, i, row) {
		const char *who = json_string_value(json_array_get(row, 0));
		struct reg_account *a = who ? owner_of(c, &staff, row) : NULL;
		struct cv_use_span s = {a ? a->acct : 0, number_at(row, 1), number_at(row, 2),
			number_at(row, 3), number_at(row, 4), number_at(row, 5), number_at(row, 6)};
		if (a && s.days && s.days <= CV_USE_DAYS_MAX && s.active <= s.days) {
			spans[count++] = s;
			continue;
		}
		unknown++;
		if (json_array_size(faults) < FAULTS_MAX)
			json_array_append_new(faults,
				json_pack("{s:I, s:s}", "row", (json_int_t)i + 1, "who",
					who ? who : ""));
	}
	cv_map_done(&staff);
	enum cv_status status = CV_OK;
	if (!c->is_dry && count)
		status = cv_use_put(c->r->audit, spans, count, err);
	free(spans);
	json_object_set_new(c->reply, "rows", json_integer((json_int_t)count));
	json_object_set_new(c->reply, "unknown", json_integer(unknown));
	return status ? status
		      : reg_commit(c, "report.import-use", "(list)",
				json_pack("{s:I, s:I}", "rows", (json_int_t)count, "unknown",
					unknown), err);
}

bool
reg_agency_is_below(const struct cv_registry *r, const char *code, struct cv_str top)
{
	for (unsigned depth = 0; *code && depth < 20; depth++) {
		if (cv_str_eq_z(top, code))
			return true;
		const struct reg_agency *g = reg_find_agency(r, cv_str_z(code));
		if (!g)
			return false;
		code = g->text[AG_PARENT];
	}
	return false;
}

/* ---- use ---- */

struct person {
	cv_acct_id acct;
	uint32_t active;  /* working days of the period with mail sent or opened */
	uint64_t sent, received, opened, logins;
};
struct use_job {
	uint32_t from_day, to_day;
	uint32_t *workdays; /* ascending */
	size_t workday_count;
	struct person *people;
	size_t count;
	json_t *list;
};
struct reading {
	const struct use_job *job;
	struct person *p;
};

static int
by_day(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool
on_counts(void *arg, const struct cv_counts *n)
{
	const struct reading *g = arg;

	g->p->sent += n->n[CV_COUNT_SENT];
	g->p->received += n->n[CV_COUNT_RECEIVED];
	g->p->opened += n->n[CV_COUNT_CHECKS];
	g->p->logins += n->n[CV_COUNT_LOGINS];
	if ((n->n[CV_COUNT_SENT] || n->n[CV_COUNT_CHECKS]) && g->job->workday_count &&
		bsearch(&n->day, g->job->workdays, g->job->workday_count,
			sizeof *g->job->workdays, by_day))
		g->p->active++;
	return true;
}

static bool
on_span(void *arg, const struct cv_use_span *s)
{
	const struct reading *g = arg;

	g->p->sent += s->sent;
	g->p->received += s->received;
	g->p->opened += s->opened;
	g->p->active += s->active;
	return true;
}

static enum cv_status
run_use(struct reg_call *c, struct cv_err *err)
{
	struct use_job *job = c->after_arg;
	enum cv_status status = CV_OK;

	for (size_t i = 0; i < job->count && !status; i++) {
		struct person *p = &job->people[i];
		struct reading g = {job, p};
		status = cv_audit_counts(
			c->r->audit, p->acct, job->from_day, job->to_day, on_counts, &g, err);
		if (!status)
			status = cv_use_each(c->r->audit, p->acct, job->from_day, job->to_day,
				on_span, &g, err);
		p->active = CV_MIN(p->active, (uint32_t)job->workday_count);
		json_t *row = json_array_get(job->list, i);
		json_object_set_new(row, "active", json_integer(p->active));
		json_object_set_new(row, "sent", json_integer((json_int_t)p->sent));
		json_object_set_new(row, "received", json_integer((json_int_t)p->received));
		json_object_set_new(row, "opened", json_integer((json_int_t)p->opened));
		json_object_set_new(row, "logins", json_integer((json_int_t)p->logins));
	}
	return status;
}

static enum cv_status
read_workdays(struct reg_call *c, struct use_job *job, struct cv_err *err)
{
	json_t *list = json_object_get(c->request, "workdays"), *day;
	size_t i;

	if (json_array_size(list) > WORKDAYS_MAX)
		return cv_fail(err, CV_LIMIT, "more than %u working days", WORKDAYS_MAX);
	job->workdays = CV_ARENA_ARRAY(&c->arena, uint32_t, json_array_size(list) + 1);
	json_array_foreach(list, i, day)
		job->workdays[i] = (uint32_t)json_integer_value(day);
	job->workday_count = json_array_size(list);
	qsort(job->workdays, job->workday_count, sizeof *job->workdays, by_day);
	return CV_OK;
}

/* {"from_day", "to_day", "workdays": [days since 1970], "agency"?, "kinds"?: ["person", ...]}
 * -> {"accounts": [{"address", "name", "title", "agency", "kind", "state", "active", "sent",
 * "received", "opened", "logins"}]}: all that are not retired, by number; of people alone unless
 * told. With "agency" of it and those below. */
enum cv_status
reg_report_use(struct reg_call *c, struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	struct use_job *job = CV_ARENA_NEW(&c->arena, struct use_job);
	uint64_t from = 0, to = 0;
	struct cv_str agency;
	bool given;
	enum cv_status status = reg_field(c, c->request, "agency", 12, &agency, err);

	if (!status)
		status = reg_number(c->request, "from_day", UINT32_MAX - 1, &from, &given, err);
	if (!status)
		status = reg_number(c->request, "to_day", UINT32_MAX - 1, &to, &given, err);
	if (!status && agency.n && !reg_find_agency(c->r, agency))
		status = cv_fail(
			err, CV_NOT_FOUND, "no agency '%.*s'", CV_STR_ARGS(agency));
	*job = (struct use_job){.from_day = (uint32_t)from, .to_day = (uint32_t)to};
	if (!status)
		status = read_workdays(c, job, err);
	if (status)
		return status;
	bool with_boxes = reg_flag(c->request, "boxes", false);
	job->people = CV_ARENA_ARRAY(&c->arena, struct person, m->count + 1);
	job->list = json_array();
	json_object_set_new(c->reply, "accounts", job->list);
	for (size_t i = 0; i < m->count; i++) {
		const struct reg_account *a = m->accounts[i];
		bool is_box = a->kind == CV_KIND_AGENCY || a->kind == CV_KIND_ROLE;
		if (a->state == CV_STATE_RETIRED ||
			(a->kind != CV_KIND_PERSON && !(with_boxes && is_box)) ||
			(agency.n && !reg_agency_is_below(c->r, a->text[T_AGENCY], agency)))
			continue;
		job->people[job->count++] = (struct person){.acct = a->acct};
		json_array_append_new(job->list,
			json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "address", a->text[T_ADDRESS],
				"name", a->text[T_NAME], "title", a->text[T_TITLE], "agency",
				a->text[T_AGENCY], "kind", reg_kind_words[a->kind], "state",
				reg_state_words[a->state]));
	}
	c->after = run_use;
	c->after_arg = job;
	return CV_OK;
}
