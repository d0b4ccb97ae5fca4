/* registry_incident.c - incident.open, list, step, close: incidents of security and their clocks
 * (SEC-03).
 *
 * The clock of an incident starts when it became known. The first word is due at once, a first
 * report within 24 hours, a full one within 72; an incident is closed when all three were made.
 * Nothing of an incident is ever taken out, and each step is an event of the audit trail.
 *
 * Body of a row I: {"state", "kind", "severity", "what", "agency", "by", "known", "opened",
 * "steps": {step: {"at", "by", "note"}}, "closed"?, "closed_by"?, "lesson"?}.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_impl.h"

#define WHAT_MAX   1000u
#define NOTE_MAX   2000u
#define LIST_LIMIT 1000u

static const char *const kinds[] = {
	"account", "phishing", "malware", "leak", "personal-data", "outage", "other"};
static const char *const severities[] = {"low", "medium", "high", "critical"};

static const struct step {
	const char *name;
	int64_t due_secs; /* after it became known */
} steps[] = {
	{"notify",  0        }, /* tell the operator and who watches over the network */
	{"initial", 24 * 3600},
	{"full",    72 * 3600},
};

/* ---- what requests say ---- */

static enum cv_status
read_word(struct reg_call *c, const char *name, const char *const *words, size_t count,
	const char **out, struct cv_err *err)
{
	struct cv_str text;
	struct cv_buf list = CV_BUF_INIT(200);
	enum cv_status status = reg_field(c, c->request, name, 40, &text, err);
	for (size_t i = 0; !status && i < count; i++) {
		cv_buf_printf(&list, "%s%s", i ? ", " : "", words[i]);
		if (cv_str_eq_z(text, words[i])) {
			cv_buf_done(&list);
			*out = words[i];
			return CV_OK;
		}
	}
	if (!status)
		status = cv_fail(err, CV_INVALID, "field '%s' is one of %.*s", name,
			CV_STR_ARGS(cv_buf_view(&list)));
	cv_buf_done(&list);
	return status;
}

/* A moment that has been: "at" of a step, "known" of an incident; now when it is not given. */
static enum cv_status
read_past(struct reg_call *c, const char *name, int64_t *out, struct cv_err *err)
{
	bool given;
	int64_t now = cv_wall_secs();
	enum cv_status status = reg_time(c, name, false, out, &given, err);
	if (status)
		return status;
	if (!given)
		*out = now;
	return *out > now || *out < now - (int64_t)400 * 86400
		       ? cv_fail(err, CV_INVALID, "field '%s' must be within the last 400 days",
				 name)
		       : CV_OK;
}

/* The incident that "number" names, as a copy to be changed. */
static enum cv_status
find(struct reg_call *c, uint64_t *number_out, json_t **body_out, struct cv_err *err)
{
	bool given;
	enum cv_status status =
		reg_number(c->request, "number", UINT32_MAX, number_out, &given, err);
	if (status)
		return status;
	const json_t *body = reg_doc_get(&c->r->model.docs, 'I', *number_out, 0);
	if (!given || !body)
		return cv_fail(err, CV_NOT_FOUND,
			"there is no incident %llu: incident.list has "
			"their numbers",
			(unsigned long long)*number_out);
	*body_out = json_deep_copy(body);
	return CV_OK;
}

static bool
is_closed(const json_t *body)
{
	const char *state = json_string_value(json_object_get(body, "state"));
	return state && !strcmp(state, "closed");
}

/* ---- describing ---- */

/* Each step with its deadline, when it was made, and whether it is or was late. */
static json_t *
clocks(const json_t *body, int64_t now, bool *is_late_out)
{
	int64_t known = json_integer_value(json_object_get(body, "known"));
	json_t *list = json_array(), *done = json_object_get(body, "steps");
	*is_late_out = false;
	for (size_t i = 0; i < CV_COUNT(steps); i++) {
		json_t *made = json_object_get(done, steps[i].name);
		int64_t due = known + steps[i].due_secs;
		int64_t at = made ? json_integer_value(json_object_get(made, "at")) : now;
		/* "At once" is judged kindly: within the hour. */
		bool is_late = at > due + (steps[i].due_secs ? 0 : 3600);
		*is_late_out = *is_late_out || (is_late && !made);
		json_t *row = json_pack("{s:s, s:I, s:b}", "step", steps[i].name, "due",
			(json_int_t)due, "late", is_late);
		if (made)
			json_object_update(row, made);
		json_array_append_new(list, row);
	}
	return list;
}

static json_t *
describe(uint64_t number, const json_t *body, int64_t now, bool *is_late_out)
{
	json_t *o = json_deep_copy(body);
	json_object_set_new(o, "number", json_integer((json_int_t)number));
	json_object_set_new(o, "clocks", clocks(body, now, is_late_out));
	json_object_set_new(o, "overdue", json_boolean(*is_late_out && !is_closed(body)));
	json_object_del(o, "steps");
	return o;
}

/* ---- requests ---- */

/* {"kind", "severity", "what", "agency"?, "known"?} -> {"number", "incident"} */
enum cv_status
reg_incident_open(struct reg_call *c, struct cv_err *err)
{
	const char *kind = NULL, *severity = NULL;
	struct cv_str what, agency;
	int64_t known = 0;
	bool is_late;
	enum cv_status status = read_word(c, "kind", kinds, CV_COUNT(kinds), &kind, err);
	if (!status)
		status = read_word(c, "severity", severities, CV_COUNT(severities), &severity, err);
	if (!status)
		status = reg_field(c, c->request, "what", WHAT_MAX, &what, err);
	if (!status)
		status = reg_field(c, c->request, "agency", 12, &agency, err);
	if (!status)
		status = read_past(c, "known", &known, err);
	if (!status && !what.n)
		status = cv_fail(err, CV_INVALID, "field 'what' says what happened");
	if (!status && agency.n && !reg_find_agency(c->r, agency))
		status = cv_fail(err, CV_NOT_FOUND, "there is no agency %.*s", CV_STR_ARGS(agency));
	if (status)
		return status;
	uint64_t number = c->r->model.docs.last['I' - 'A'] + 1;
	json_t *body = json_pack("{s:s, s:s, s:s, s:s%, s:s%, s:s, s:I, s:I, s:{}}", "state",
		"open", "kind", kind, "severity", severity, "what", what.p, what.n, "agency",
		agency.p ? agency.p : "", agency.n, "by", c->actor, "known", (json_int_t)known,
		"opened", (json_int_t)cv_wall_secs(), "steps");
	json_object_set_new(c->reply, "number", json_integer((json_int_t)number));
	json_object_set_new(c->reply, "incident", describe(number, body, cv_wall_secs(), &is_late));
	reg_save_doc(c, 'I', number, 0, body);
	char object[40];
	snprintf(object, sizeof object, "incident %llu", (unsigned long long)number);
	return reg_commit(c, "incident.open", object,
		json_pack("{s:s, s:s}", "kind", kind, "severity", severity), err);
}

/* {"number"?, "state"?, "overdue"?} -> {"total", "incidents"}, the latest first. */
enum cv_status
reg_incident_list(struct reg_call *c, struct cv_err *err)
{
	struct cv_str state;
	const struct reg_doc **list;
	uint64_t only = 0;
	bool given;
	enum cv_status status = reg_field(c, c->request, "state", 10, &state, err);
	if (!status)
		status = reg_number(c->request, "number", UINT32_MAX, &only, &given, err);
	if (status)
		return status;
	bool want_overdue = reg_flag(c->request, "overdue", false);
	json_t *rows = json_array();
	int64_t now = cv_wall_secs();
	size_t n = reg_docs_list(&c->r->model.docs, 'I', &list), total = 0;
	for (size_t i = n; i-- > 0;) {
		bool is_late;
		const char *is = json_string_value(json_object_get(list[i]->body, "state"));
		json_t *row = describe(list[i]->a, list[i]->body, now, &is_late);
		bool wanted = (!only || list[i]->a == only) &&
			      (!state.n || cv_str_eq_z(state, is)) &&
			      (!want_overdue || json_is_true(json_object_get(row, "overdue")));
		if (wanted && total++ < LIST_LIMIT)
			json_array_append(rows, row);
		json_decref(row);
	}
	free(list);
	json_object_set_new(c->reply, "incidents", rows);
	json_object_set_new(c->reply, "total", json_integer((json_int_t)total));
	return only && !total ? cv_fail(err, CV_NOT_FOUND, "there is no incident %llu",
					(unsigned long long)only)
			      : CV_OK;
}

/* {"number", "step", "note"?, "at"?} -> {"incident"} */
enum cv_status
reg_incident_step(struct reg_call *c, struct cv_err *err)
{
	const char *names[CV_COUNT(steps)], *step = NULL;
	struct cv_str note;
	int64_t at = 0;
	uint64_t number = 0;
	json_t *body = NULL;
	bool is_late;
	for (size_t i = 0; i < CV_COUNT(steps); i++)
		names[i] = steps[i].name;
	enum cv_status status = read_word(c, "step", names, CV_COUNT(names), &step, err);
	if (!status)
		status = reg_field(c, c->request, "note", NOTE_MAX, &note, err);
	if (!status)
		status = read_past(c, "at", &at, err);
	if (!status)
		status = find(c, &number, &body, err);
	if (!status && (is_closed(body) || json_object_get(json_object_get(body, "steps"), step)))
		status = cv_fail(err, CV_EXISTS, "incident %llu is closed, or this step was made",
			(unsigned long long)number);
	if (!status && at < json_integer_value(json_object_get(body, "known")))
		status = cv_fail(err, CV_INVALID, "a step cannot be before the incident was known");
	if (status) {
		json_decref(body);
		return status;
	}
	json_object_set_new(json_object_get(body, "steps"), step,
		json_pack("{s:I, s:s, s:s%}", "at", (json_int_t)at, "by", c->actor, "note",
			note.p ? note.p : "", note.n));
	json_object_set_new(c->reply, "incident", describe(number, body, cv_wall_secs(), &is_late));
	reg_save_doc(c, 'I', number, 0, body);
	char object[40];
	snprintf(object, sizeof object, "incident %llu", (unsigned long long)number);
	return reg_commit(c, "incident.step", object,
		json_pack("{s:s, s:I}", "step", step, "at", (json_int_t)at), err);
}

/* The steps that still have to be made. */
static void
list_open_steps(const json_t *body, struct cv_buf *out)
{
	for (size_t i = 0; i < CV_COUNT(steps); i++)
		if (!json_object_get(json_object_get(body, "steps"), steps[i].name))
			cv_buf_printf(out, "%s%s", out->n ? ", " : "", steps[i].name);
}

/* {"number", "lesson"} -> {"incident"} */
enum cv_status
reg_incident_close(struct reg_call *c, struct cv_err *err)
{
	struct cv_str lesson;
	uint64_t number = 0;
	json_t *body = NULL;
	bool is_late;
	struct cv_buf open = CV_BUF_INIT(100);
	enum cv_status status = reg_field(c, c->request, "lesson", NOTE_MAX, &lesson, err);
	if (!status)
		status = find(c, &number, &body, err);
	if (!status)
		list_open_steps(body, &open);
	if (!status && (is_closed(body) || open.n || !lesson.n))
		status = cv_fail(err, is_closed(body) ? CV_EXISTS : CV_INVALID,
			is_closed(body) ? "incident %llu is closed already%.0s"
			: open.n ? "incident %llu cannot be closed: these steps were not made: %s"
				 : "incident %llu needs a lesson: what is done so that it does not "
				   "happen again%.0s",
			(unsigned long long)number, open.p ? open.p : "");
	cv_buf_done(&open);
	if (status) {
		json_decref(body);
		return status;
	}
	json_object_set_new(body, "state", json_string("closed"));
	json_object_set_new(body, "closed", json_integer(cv_wall_secs()));
	json_object_set_new(body, "closed_by", json_string(c->actor));
	json_object_set_new(body, "lesson", json_stringn(lesson.p, lesson.n));
	json_object_set_new(c->reply, "incident", describe(number, body, cv_wall_secs(), &is_late));
	reg_save_doc(c, 'I', number, 0, body);
	char object[40];
	snprintf(object, sizeof object, "incident %llu", (unsigned long long)number);
	return reg_commit(c, "incident.close", object, NULL, err);
}
