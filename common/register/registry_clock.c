/* registry_clock.c - facts of agency and role boxes for reports: when they were looked into
 * (IMP-05, DOC-01), and how long mail from outside waited (DOC-02). Times and UIDs only. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "common/audit/access.h"
#include "common/audit/answers.h"
#include "common/register/registry_impl.h"

#define TIMES_A_DAY_MAX 64u

struct clock_box {
	cv_acct_id acct;
	json_t *row, *list; /* list: what is gathered, in ROW */
};
struct clock_job {
	int64_t from, to; /* days, or seconds */
	struct clock_box *boxes;
	size_t count;
};

/* Whoever leads the agency: the person of the smallest rank, by number among equals. */
static const struct reg_account *
head_of(const struct reg_model *m, const char *agency)
{
	const struct reg_account *best = NULL;

	for (size_t i = 0; *agency && i < m->count; i++) {
		const struct reg_account *a = m->accounts[i];
		if (a->kind == CV_KIND_PERSON && a->state == CV_STATE_ACTIVE &&
			!strcmp(a->text[T_AGENCY], agency) && (!best || a->rank < best->rank))
			best = a;
	}
	return best;
}

static json_t *
holders_json(const struct reg_model *m, const struct reg_account *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->members.n; i++) {
		const struct reg_account *holder = reg_model_find(m, a->members.items[i]);
		if (holder && holder->state == CV_STATE_ACTIVE)
			json_array_append_new(list, json_string(holder->text[T_ADDRESS]));
	}
	return list;
}

/* A row for each agency and role box that is not retired, of "agency" and below when given. KEY is
 * the name of its list. */
static enum cv_status
gather_boxes(struct reg_call *c, const char *key, struct clock_job **out, struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	struct clock_job *job = CV_ARENA_NEW(&c->arena, struct clock_job);
	json_t *rows = json_array();
	struct cv_str agency;
	bool with_heads = reg_flag(c->request, "heads", false);
	enum cv_status status = reg_field(c, c->request, "agency", 12, &agency, err);

	job->boxes = CV_ARENA_ARRAY(&c->arena, struct clock_box, m->count + 1);
	json_object_set_new(c->reply, "boxes", rows);
	if (!status && agency.n && !reg_find_agency(c->r, agency))
		status = cv_fail(err, CV_NOT_FOUND, "no agency '%.*s'", CV_STR_ARGS(agency));
	for (size_t i = 0; i < m->count && !status; i++) {
		const struct reg_account *a = m->accounts[i];
		if ((a->kind != CV_KIND_AGENCY && a->kind != CV_KIND_ROLE) ||
			a->state == CV_STATE_RETIRED ||
			(agency.n && !reg_agency_is_below(c->r, a->text[T_AGENCY], agency)))
			continue;
		json_t *list = json_array();
		json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:o}", "address",
			a->text[T_ADDRESS], "name", a->text[T_NAME], "agency",
			a->text[T_AGENCY], "kind", reg_kind_words[a->kind], key, list);
		if (with_heads) {
			const struct reg_account *head = head_of(m, a->text[T_AGENCY]);
			json_object_set_new(row, "holders", holders_json(m, a));
			json_object_set_new(
				row, "head", json_string(head ? head->text[T_ADDRESS] : ""));
		}
		json_array_append_new(rows, row);
		job->boxes[job->count++] = (struct clock_box){a->acct, row, list};
	}
	*out = job;
	return status;
}

/* ---- checks ---- */

struct day {
	json_t *list;
	json_t *row; /* [day, minute, ...] of the day under way, or NULL */
	uint32_t day;
};

static int
by_minute(const void *a, const void *b)
{
	uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;

	return (x > y) - (x < y);
}

/* Rows come by day and person: several people make one box's day. */
static bool
on_visits(void *arg, const struct cv_visits *v)
{
	struct day *d = arg;
	uint16_t times[TIMES_A_DAY_MAX];
	size_t n = 0;

	if (!v->count)
		return true;
	if (!d->row || d->day != v->day) {
		d->day = v->day;
		d->row = json_pack("[I]", (json_int_t)v->day);
		json_array_append_new(d->list, d->row);
	}
	for (size_t i = 1; i < json_array_size(d->row) && n < TIMES_A_DAY_MAX; i++)
		times[n++] = (uint16_t)json_integer_value(json_array_get(d->row, i));
	for (uint32_t i = 0; i < v->count && i < CV_VISIT_TIMES_MAX && n < TIMES_A_DAY_MAX; i++)
		times[n++] = v->times[i];
	qsort(times, n, sizeof *times, by_minute);
	while (json_array_size(d->row) > 1)
		json_array_remove(d->row, json_array_size(d->row) - 1);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(d->row, json_integer(times[i]));
	return true;
}

static enum cv_status
run_box_checks(struct reg_call *c, struct cv_err *err)
{
	struct clock_job *job = c->after_arg;
	enum cv_status status = CV_OK;

	for (size_t i = 0; i < job->count && !status; i++) {
		struct day d = {.list = job->boxes[i].list};
		status = cv_access_visits(c->r->store, job->boxes[i].acct, (uint32_t)job->from,
			(uint32_t)job->to, on_visits, &d, err);
	}
	return status;
}

/* {"from_day", "to_day", "agency"?, "heads"?} -> {"boxes": [{"address", "name", "agency", "kind",
 * "days": [[day, minute, ...]], "holders"?, "head"?}]}: when people looked into each agency and
 * role box, in minutes of the day. */
enum cv_status
reg_report_checks(struct reg_call *c, struct cv_err *err)
{
	struct clock_job *job;
	uint64_t from = 0, to = 0;
	bool given;
	enum cv_status status =
		reg_number(c->request, "from_day", UINT32_MAX - 1, &from, &given, err);

	if (!status)
		status = reg_number(c->request, "to_day", UINT32_MAX - 1, &to, &given, err);
	if (!status)
		status = gather_boxes(c, "days", &job, err);
	if (status)
		return status;
	job->from = (int64_t)from;
	job->to = (int64_t)to;
	c->after = run_box_checks;
	c->after_arg = job;
	return CV_OK;
}

/* ---- the response clock ---- */

struct opened {
	uint8_t email_id[16];
	int64_t secs;
};
struct openings {
	struct opened *list; /* by id, then time */
	size_t count, cap;
};

static bool
on_opening(void *arg, const struct cv_opening *o)
{
	struct openings *g = arg;

	if (g->count == g->cap) {
		g->cap = g->cap ? 2 * g->cap : 64;
		g->list = cv_realloc(g->list, g->cap * sizeof *g->list);
	}
	memcpy(g->list[g->count].email_id, o->email_id, 16);
	g->list[g->count++].secs = o->secs;
	return true;
}

static int
by_id(const void *a, const void *b)
{
	const struct opened *x = a, *y = b;
	int order = memcmp(x->email_id, y->email_id, 16);

	return order ? order : (x->secs > y->secs) - (x->secs < y->secs);
}

/* When it was first opened; 0: not yet. */
static int64_t
opened_at(const struct openings *g, const uint8_t id[16])
{
	size_t low = 0, high = g->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (memcmp(g->list[mid].email_id, id, 16) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < g->count && !memcmp(g->list[low].email_id, id, 16) ? g->list[low].secs : 0;
}

struct arrivals {
	json_t *list;
	const struct openings *openings;
};

static bool
on_arrival(void *arg, const struct cv_arrival_note *n)
{
	const struct arrivals *g = arg;

	json_array_append_new(g->list,
		json_pack("[I, I, I, I]", (json_int_t)n->secs,
			(json_int_t)opened_at(g->openings, n->email_id),
			(json_int_t)n->answered_secs, (json_int_t)n->uid));
	return true;
}

static enum cv_status
run_response(struct reg_call *c, struct cv_err *err)
{
	struct clock_job *job = c->after_arg;
	enum cv_status status = CV_OK;

	for (size_t i = 0; i < job->count && !status; i++) {
		struct openings opened = {0};
		struct arrivals g = {job->boxes[i].list, &opened};
		status = cv_access_openings(c->r->store, job->boxes[i].acct, NULL, job->from,
			on_opening, &opened, err);
		if (!status && opened.count)
			qsort(opened.list, opened.count, sizeof *opened.list, by_id);
		if (!status)
			status = cv_answers_each(c->r->store, job->boxes[i].acct, job->from,
				job->to, on_arrival, &g, err);
		free(opened.list);
	}
	return status;
}

/* {"from", "to" (seconds, TO excluded), "agency"?} -> {"boxes": [{"address", "name", "agency",
 * "kind", "items": [[arrived, opened, answered, UID]]}]}: 0 where it did not happen. */
enum cv_status
reg_report_response(struct reg_call *c, struct cv_err *err)
{
	struct clock_job *job;
	uint64_t from = 0, to = 0;
	bool given;
	enum cv_status status =
		reg_number(c->request, "from", (uint64_t)1 << 40, &from, &given, err);

	if (!status)
		status = reg_number(c->request, "to", (uint64_t)1 << 40, &to, &given, err);
	if (!status)
		status = gather_boxes(c, "items", &job, err);
	if (status)
		return status;
	job->from = (int64_t)from;
	job->to = (int64_t)to;
	c->after = run_response;
	c->after_arg = job;
	return CV_OK;
}
