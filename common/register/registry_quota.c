/* registry_quota.c - who may keep how much mail: by class, for one account, for an agency's pool.
 *
 * The class follows from kind and rank; its quota is given when an account is made, or set for all
 * of a class at once. A pool belongs to an agency and holds the accounts of that agency and of
 * those below it that have none of their own. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/register/registry_people.h"
#include "common/store/quota.h"

#define LEADER_RANK      29u /* heads of agencies and units, and their deputies; see title_ranks */
#define PARENTS_MAX      16u
#define LIST_MAX         100000u
#define LIST_DEFAULT     1000u

/* ---- classes ---- */

bool
reg_is_leader(const struct reg_account *a)
{
	return a->kind == CV_KIND_PERSON && a->rank <= LEADER_RANK;
}

static const char *
class_of(const struct reg_account *a)
{
	switch (a->kind) {
	case CV_KIND_AGENCY:
		return "agency";
	case CV_KIND_ROLE:
		return "role";
	case CV_KIND_APP:
		return "app";
	default:
		return a->rank <= LEADER_RANK ? "leader" : "staff";
	}
}

uint64_t
reg_class_quota(const struct cv_registry *r, const struct reg_account *a)
{
	const char *class_ = class_of(a);
	if (!strcmp(class_, "agency") || !strcmp(class_, "role"))
		return r->quota_agency;
	return strcmp(class_, "leader") ? r->quota_default : r->quota_leader;
}

static bool
has_box(const struct reg_account *a)
{
	return a->kind != CV_KIND_GROUP;
}

/* ---- pools ---- */

/* The agency whose pool A is in, or NULL. */
static const struct reg_agency *
pool_of(const struct cv_registry *r, const struct reg_account *a)
{
	const char *code = a->text[T_AGENCY];
	for (unsigned i = 0; i < PARENTS_MAX && *code; i++) {
		const struct reg_agency *g = reg_find_agency(r, cv_str_z(code));
		if (!g || g->pool_bytes)
			return g;
		code = g->text[AG_PARENT];
	}
	return NULL;
}

struct in_pool {
	const struct reg_agency *pool;
	cv_acct_id acct;
};

static int
by_pool(const void *a, const void *b)
{
	const struct in_pool *x = a, *y = b;
	int order = strcmp(x->pool->code, y->pool->code);
	return order ? order : (x->acct > y->acct) - (x->acct < y->acct);
}

static bool
any_pool(const struct cv_registry *r)
{
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&r->model.agencies, &pos, &key, &value);)
		if (((const struct reg_agency *)value)->pool_bytes)
			return true;
	return false;
}

void
reg_tell_pools(struct cv_registry *r)
{
	const struct reg_model *m = &r->model;
	bool any = any_pool(r);
	if (!any && !r->has_pools)
		return;
	struct in_pool *all = cv_malloc((m->count + 1) * sizeof *all);
	cv_acct_id *ids = cv_malloc((m->count + 1) * sizeof *ids);
	struct cv_pool_def *defs = cv_calloc(m->agencies.used + 1, sizeof *defs);
	char(*names)[CV_POOL_NAME_MAX + 1] = cv_calloc(m->agencies.used + 1, sizeof *names);
	size_t n = 0, pools = 0;
	for (size_t i = 0; any && i < m->count; i++) {
		const struct reg_agency *g =
			has_box(m->accounts[i]) ? pool_of(r, m->accounts[i]) : NULL;
		if (g)
			all[n++] = (struct in_pool){g, m->accounts[i]->acct};
	}
	if (n)
		qsort(all, n, sizeof *all, by_pool);
	for (size_t i = 0; i < n; i++) {
		ids[i] = all[i].acct;
		if (!i || all[i].pool != all[i - 1].pool) {
			snprintf(names[pools], sizeof names[pools], "agency/%s", all[i].pool->code);
			defs[pools] = (struct cv_pool_def){.name = cv_str_z(names[pools]),
				.limit_bytes = all[i].pool->pool_bytes,
				.members = &ids[i]};
			pools++;
		}
		defs[pools - 1].member_count++;
	}
	cv_pools_set(r->store, defs, pools);
	r->has_pools = pools;
	free(all);
	free(ids);
	free(defs);
	free(names);
}

/* ---- quota.set ---- */

struct choice {
	struct cv_str class_, agency;
	const struct reg_account *one; /* NULL: all that fit */
};

static bool
is_chosen(const struct choice *o, const struct reg_account *a)
{
	if (!has_box(a) || (o->one && o->one != a))
		return false;
	if (o->class_.n && !cv_str_eq_z(o->class_, class_of(a)))
		return false;
	return !o->agency.n || cv_str_eq_z(o->agency, a->text[T_AGENCY]);
}

static enum cv_status
read_choice(struct reg_call *c, struct choice *o, struct cv_err *err)
{
	static const char *const words[] = {"staff", "leader", "agency", "role", "app"};
	struct cv_str address;
	*o = (struct choice){0};
	enum cv_status status = reg_field(c, c->request, "class", 20, &o->class_, err);
	if (!status)
		status = reg_field(c, c->request, "agency", 64, &o->agency, err);
	if (!status)
		status = reg_field(c, c->request, "address", 320, &address, err);
	if (status)
		return status;
	bool known = !o->class_.n;
	for (size_t i = 0; i < CV_COUNT(words); i++)
		known |= cv_str_eq_z(o->class_, words[i]);
	if (!known)
		return cv_fail(
			err, CV_INVALID, "field 'class' is staff, leader, agency, role or app");
	if (o->agency.n && !reg_find_agency(c->r, o->agency))
		return cv_fail(err, CV_NOT_FOUND, "no agency '%.*s'", CV_STR_ARGS(o->agency));
	struct reg_account *a = NULL;
	if (address.n)
		status = reg_account_of(c, address, &a, err);
	o->one = a;
	return status;
}

static enum cv_status
set_pool(struct reg_call *c, const struct choice *o, uint64_t bytes, struct cv_err *err)
{
	struct reg_agency *g = o->agency.n ? reg_find_agency(c->r, o->agency) : NULL;
	if (!g || o->one || o->class_.n)
		return cv_fail(err, CV_INVALID, "a pool belongs to an agency: name that alone");
	bool changed = g->pool_bytes != bytes;
	json_object_set_new(c->reply, "changed", json_integer(changed));
	if (!changed)
		return CV_OK;
	json_t *detail = json_pack("{s:I, s:I}", "before", (json_int_t)g->pool_bytes, "after",
		(json_int_t)bytes);
	g->pool_bytes = bytes;
	reg_save_agency(c, g);
	return reg_commit(c, "quota.pool", g->code, detail, err);
}

/* All of them are one act. */
static enum cv_status
commit_quotas(struct reg_call *c, const struct choice *o, size_t count, struct cv_err *err)
{
	if (!count)
		return CV_OK;
	char object[400];
	if (o->one)
		snprintf(object, sizeof object, "%s", o->one->text[T_ADDRESS]);
	else
		snprintf(object, sizeof object, "(class %.*s, agency %.*s)",
			(int)o->class_.n, o->class_.n ? o->class_.p : "", (int)o->agency.n,
			o->agency.n ? o->agency.p : "");
	json_t *quota = json_object_get(c->request, "quota");
	return reg_commit_act(c, "quota.set", object,
		json_pack("{s:I, s:O}", "accounts", (json_int_t)count, "quota",
			quota ? quota : json_null()),
		err);
}

/* {"address" | "class"? and "agency"?, "quota" | "default": true} or {"agency", "pool"}
 * -> {"changed"}. A quota or pool of 0 is no limit. */
enum cv_status
reg_quota_set(struct reg_call *c, struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	struct choice o;
	uint64_t quota = 0, pool = 0;
	bool has_quota = false, has_pool = false;
	bool dflt = reg_flag(c->request, "default", false);
	enum cv_status status = read_choice(c, &o, err);
	if (!status)
		status = reg_number(
			c->request, "quota", (uint64_t)1 << 50, &quota, &has_quota, err);
	if (!status)
		status = reg_number(c->request, "pool", (uint64_t)1 << 50, &pool, &has_pool, err);
	if (status)
		return status;
	if (has_quota + has_pool + dflt != 1)
		return cv_fail(err, CV_INVALID, "say one of 'quota', 'default' and 'pool'");
	if (has_pool)
		return set_pool(c, &o, pool, err);
	if (!o.one && !o.class_.n && !o.agency.n)
		return cv_fail(err, CV_INVALID, "say whose quota: 'address', 'class' or 'agency'");
	size_t changed = 0;
	for (size_t i = 0; i < m->count; i++) {
		struct reg_account *a = m->accounts[i];
		uint64_t want = dflt ? reg_class_quota(c->r, a) : quota;
		if (!is_chosen(&o, a) || a->quota_bytes == want)
			continue;
		a->quota_bytes = want;
		reg_save_account(c, a);
		reg_want_box(c, a, true);
		changed++;
	}
	json_object_set_new(c->reply, "changed", json_integer((json_int_t)changed));
	return commit_quotas(c, &o, changed, err);
}

/* ---- quota.list, quota.report: the store is asked without the register's lock ---- */

struct quota_row {
	cv_acct_id acct;
	const char *address, *name, *class_, *agency; /* in the arena */
	struct cv_quota quota;
	unsigned percent;
};
struct quota_job {
	struct quota_row *rows;
	size_t count;
	uint64_t over, limit;
	const char *(*agencies)[2]; /* code, name; for the report */
	size_t agency_count;
};

static const char *
keep(struct reg_call *c, const char *text)
{
	return cv_arena_str(&c->arena, cv_str(text, strlen(text) + 1)).p;
}

static enum cv_status
choose_rows(struct reg_call *c, struct quota_job *job, struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	struct choice o;
	enum cv_status status = read_choice(c, &o, err);
	if (status)
		return status;
	job->rows = CV_ARENA_ARRAY(&c->arena, struct quota_row, m->count + 1);
	for (size_t i = 0; i < m->count; i++) {
		const struct reg_account *a = m->accounts[i];
		if (!is_chosen(&o, a) || !reg_in_scope(c, a->text[T_AGENCY]))
			continue;
		job->rows[job->count++] = (struct quota_row){.acct = a->acct,
			.address = keep(c, a->text[T_ADDRESS]),
			.name = keep(c, a->text[T_NAME]),
			.class_ = class_of(a),
			.agency = keep(c, a->text[T_AGENCY])};
	}
	return CV_OK;
}

static unsigned
share(uint64_t used, uint64_t limit)
{
	return limit ? (unsigned)CV_MIN((double)used * 100 / (double)limit, 9999.0) : 0;
}

static enum cv_status
read_use(struct reg_call *c, struct quota_job *job, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < job->count && !status; i++) {
		struct quota_row *row = &job->rows[i];
		struct cv_quota *q = &row->quota;
		status = cv_quota_used(c->r->store, row->acct, q, err);
		row->percent = CV_MAX(share(q->used_bytes, q->limit_bytes),
			share(q->used_messages, q->limit_messages));
	}
	return status;
}

static int
by_fullness(const void *a, const void *b)
{
	const struct quota_row *x = a, *y = b;
	if (x->percent != y->percent)
		return x->percent > y->percent ? -1 : 1;
	return strcmp(x->address, y->address);
}

static json_t *
pool_json(const struct cv_pool_info *pool)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:i}", "root", pool->name, "used",
		(json_int_t)pool->used_bytes, "limit", (json_int_t)pool->limit_bytes, "accounts",
		(json_int_t)pool->members, "percent",
		(int)share(pool->used_bytes, pool->limit_bytes));
}

static enum cv_status
run_list(struct reg_call *c, struct cv_err *err)
{
	struct quota_job *job = c->after_arg;
	enum cv_status status = read_use(c, job, err);
	if (status)
		return status;
	if (job->count)
		qsort(job->rows, job->count, sizeof *job->rows, by_fullness);
	json_t *list = json_array();
	size_t fitting = 0;
	for (size_t i = 0; i < job->count && job->rows[i].percent >= job->over; i++) {
		const struct quota_row *row = &job->rows[i];
		struct cv_pool_info pool;
		if (fitting++ >= job->limit)
			continue;
		json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i}", "address",
			row->address, "name", row->name, "class", row->class_, "agency",
			row->agency, "used", (json_int_t)row->quota.used_bytes, "limit",
			(json_int_t)row->quota.limit_bytes, "messages",
			(json_int_t)row->quota.used_messages, "limit_messages",
			(json_int_t)row->quota.limit_messages, "percent", (int)row->percent);
		if (cv_pool_of(c->r->store, row->acct, &pool))
			json_object_set_new(o, "pool", pool_json(&pool));
		json_array_append_new(list, o);
	}
	json_object_set_new(c->reply, "total", json_integer((json_int_t)fitting));
	json_object_set_new(c->reply, "accounts", list);
	return CV_OK;
}

/* {"address"?, "class"?, "agency"?, "over"? per cent, "limit"?} -> {"total", "accounts":
 * [{"address", "name", "class", "agency", "used", "limit", "messages", "limit_messages",
 * "percent", "pool"?}]}, the fullest first. */
enum cv_status
reg_quota_list(struct reg_call *c, struct cv_err *err)
{
	struct quota_job *job = CV_ARENA_NEW(&c->arena, struct quota_job);
	bool given;
	job->limit = LIST_DEFAULT;
	enum cv_status status = choose_rows(c, job, err);
	if (!status)
		status = reg_number(c->request, "over", 1000, &job->over, &given, err);
	if (!status)
		status = reg_number(c->request, "limit", LIST_MAX, &job->limit, &given, err);
	c->after = run_list;
	c->after_arg = job;
	return status;
}

/* ---- quota.report ---- */

struct tally {
	uint64_t accounts, used, limits, messages, over75, over90, full;
};

static void
add_to(struct tally *t, const struct quota_row *row)
{
	t->accounts++;
	t->used += row->quota.used_bytes;
	t->limits += row->quota.limit_bytes;
	t->messages += row->quota.used_messages;
	t->over75 += row->percent >= 75;
	t->over90 += row->percent >= 90;
	t->full += row->percent >= 100;
}

static json_t *
tally_json(const struct tally *t)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accounts",
		(json_int_t)t->accounts, "used", (json_int_t)t->used, "limits",
		(json_int_t)t->limits, "messages", (json_int_t)t->messages, "over75",
		(json_int_t)t->over75, "over90", (json_int_t)t->over90, "full",
		(json_int_t)t->full);
}

static int
by_agency(const void *a, const void *b)
{
	const struct quota_row *x = a, *y = b;
	int order = strcmp(x->agency, y->agency);
	return order ? order : strcmp(x->address, y->address);
}

static const char *
agency_name(const struct quota_job *job, const char *code)
{
	for (size_t i = 0; i < job->agency_count; i++)
		if (!strcmp(job->agencies[i][0], code))
			return job->agencies[i][1];
	return "";
}

static enum cv_status
run_report(struct reg_call *c, struct cv_err *err)
{
	struct quota_job *job = c->after_arg;
	enum cv_status status = read_use(c, job, err);
	if (status)
		return status;
	if (job->count)
		qsort(job->rows, job->count, sizeof *job->rows, by_agency);
	struct tally all = {0};
	json_t *list = json_array();
	for (size_t i = 0; i < job->count;) {
		const char *code = job->rows[i].agency;
		struct tally t = {0};
		for (; i < job->count && !strcmp(job->rows[i].agency, code); i++) {
			add_to(&t, &job->rows[i]);
			add_to(&all, &job->rows[i]);
		}
		json_t *o = tally_json(&t);
		json_object_set_new(o, "agency", json_string(code));
		json_object_set_new(o, "name", json_string(agency_name(job, code)));
		char root[CV_POOL_NAME_MAX];
		struct cv_pool_info pool;
		snprintf(root, sizeof root, "agency/%s", code);
		if (cv_pool_named(c->r->store, cv_str_z(root), &pool))
			json_object_set_new(o, "pool", pool_json(&pool));
		json_array_append_new(list, o);
	}
	json_object_set_new(c->reply, "agencies", list);
	json_object_set_new(c->reply, "total", tally_json(&all));
	return CV_OK;
}

/* {"class"?, "agency"?} -> {"agencies": [{"agency", "name", "accounts", "used", "limits",
 * "messages", "over75", "over90", "full", "pool"?}], "total": {...}} */
enum cv_status
reg_quota_report(struct reg_call *c, struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	struct quota_job *job = CV_ARENA_NEW(&c->arena, struct quota_job);
	struct cv_str key;
	void *value;
	job->agencies = (const char *(*)[2])CV_ARENA_ARRAY(
		&c->arena, const char *, 2 * (m->agencies.used + 1));
	for (size_t pos = 0; cv_map_each(&m->agencies, &pos, &key, &value);) {
		const struct reg_agency *g = value;
		job->agencies[job->agency_count][0] = keep(c, g->code);
		job->agencies[job->agency_count++][1] = keep(c, g->text[AG_NAME]);
	}
	c->after = run_report;
	c->after_arg = job;
	return choose_rows(c, job, err);
}
