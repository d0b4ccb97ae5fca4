/* registry_agency.c - agency.add, agency.list: the tree of units. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/registry_impl.h"

#define CODE_MAX 12
#define DEPTH_MAX 16
#define AGENCIES_MAX 20000

static bool
is_code(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !cv_is_digit((unsigned char)s.p[i]))
			return false;
	return s.n > 0 && s.n <= CODE_MAX;
}

/* PARENT exists and CODE is not above itself. */
static enum cv_status
check_parent(const struct cv_registry *r, struct cv_str code, struct cv_str parent,
             struct cv_err *err)
{
	for (unsigned depth = 0; parent.n; depth++) {
		const struct reg_agency *g = reg_find_agency(r, parent);
		if (!g)
			return cv_fail(err, CV_NOT_FOUND,
			               "no agency '%.*s' to be the parent of '%.*s'",
			               CV_STR_ARGS(parent), CV_STR_ARGS(code));
		if (cv_str_eq(parent, code) || depth > DEPTH_MAX)
			return cv_fail(err, CV_INVALID, "agency '%.*s' would stand below itself",
				CV_STR_ARGS(code));
		parent = cv_str_z(g->text[AG_PARENT]);
	}
	return CV_OK;
}

static bool
same_agency(const struct reg_agency *a, const struct reg_agency *b)
{
	for (size_t i = 0; i < AG_COUNT; i++)
		if (strcmp(a->text[i], b->text[i]))
			return false;
	return a->rank == b->rank && a->pool_bytes == b->pool_bytes && a->staff == b->staff &&
	       !strcmp(a->cluster, b->cluster);
}

/* Fills G with the fields OBJECT has. */
static enum cv_status
read_fields(struct reg_call *c, json_t *object, struct reg_agency *g, struct cv_err *err)
{
	for (size_t i = 0; i < AG_COUNT; i++) {
		struct cv_str text;
		enum cv_status failed = reg_field(c, object, reg_agency_texts[i].json,
			reg_agency_texts[i].max_bytes, &text, err);
		if (failed)
			return failed;
		if (json_object_get(object, reg_agency_texts[i].json))
			reg_agency_set(g, (enum reg_agency_text)i, text);
	}
	uint64_t rank = g->rank;
	bool given;
	enum cv_status status = reg_number(object, "rank", 1000000, &rank, &given, err);
	if (status)
		return status;
	g->rank = (uint32_t)rank;
	status = reg_number(object, "pool", (uint64_t)1 << 50, &g->pool_bytes, &given, err);
	if (status)
		return status;
	uint64_t staff = g->staff;
	struct cv_str cluster;
	status = reg_number(object, "staff", 1000000, &staff, &given, err);
	if (!status)
		status = reg_field(c, object, "cluster", 100, &cluster, err);
	if (status)
		return status;
	g->staff = (uint32_t)staff;
	if (json_object_get(object, "cluster"))
		reg_agency_set_cluster(g, cluster);
	if (!*g->text[AG_NAME])
		return cv_fail(err, CV_INVALID, "agency '%s' needs a name", g->code);
	return check_parent(c->r, cv_str_z(g->code), cv_str_z(g->text[AG_PARENT]), err);
}

static enum cv_status
add_one(struct reg_call *c, json_t *object, bool update, bool *changed_out, struct cv_err *err)
{
	struct cv_str code;
	enum cv_status status = reg_field(c, object, "code", 64, &code, err);
	if (status)
		return status;
	if (!is_code(code))
		return cv_fail(err, CV_INVALID,
			"the code '%.*s' is not 1 to %d letters a-z or digits", CV_STR_ARGS(code), CODE_MAX);
	const char *successor = cv_map_get(&c->r->model.closed, code);
	if (successor)
		return cv_fail(err, CV_EXISTS, "the code '%.*s' was a unit's that is no more%s%s; "
			"a code is never given again", CV_STR_ARGS(code),
			*successor ? ", now " : "", successor);
	const struct reg_agency *old = reg_find_agency(c->r, code);
	struct reg_agency *g = reg_agency_new(code);
	g->rank = old ? old->rank : 50;
	g->pool_bytes = old ? old->pool_bytes : 0;
	g->staff = old ? old->staff : 0;
	if (old)
		reg_agency_set_cluster(g, cv_str_z(old->cluster));
	for (size_t i = 0; old && i < AG_COUNT; i++)
		reg_agency_set(g, (enum reg_agency_text)i, cv_str_z(old->text[i]));
	status = read_fields(c, object, g, err);
	if (!status && old && !update && !same_agency(old, g))
		status = cv_fail(err, CV_EXISTS,
			"agency '%s' exists with other data; say \"update\" to change it", g->code);
	if (status || (old && same_agency(old, g))) {
		reg_agency_free(g);
		return status;
	}
	*changed_out = true;
	reg_save_agency(c, g);
	reg_model_put_agency(&c->r->model, g);
	return CV_OK;
}

/* "mailbox": the agency's own box, at its address or <code>@, made when it is not there. */
static enum cv_status
add_mailbox(struct reg_call *c, json_t *object, bool *changed_out, struct cv_err *err)
{
	const char *code = json_string_value(json_object_get(object, "code"));
	struct reg_agency *g = code ? reg_find_agency(c->r, cv_str_z(code)) : NULL;
	struct cv_str key;
	if (!g || !reg_flag(object, "mailbox", false))
		return CV_OK;
	const char *address = *g->text[AG_ADDRESS] ? g->text[AG_ADDRESS] : g->code;
	enum cv_status status = reg_address_key(c, cv_str_z(address), &key, err);
	if (status || cv_map_get(&c->r->model.addresses, key))
		return status;
	json_t *box = json_pack("{s:s, s:s, s:s%, s:s}", "kind", "agency", "agency", g->code,
	                        "address", key.p, key.n, "name", g->text[AG_NAME]);
	struct reg_account *a;
	status = reg_make_account(c, box, false, &a, NULL, err);
	json_decref(box);
	if (status)
		return status;
	reg_agency_set(g, AG_ADDRESS, key);
	reg_save_agency(c, g);
	*changed_out = true;
	return CV_OK;
}

static enum cv_status
add_many(struct reg_call *c, json_t *list, bool update, struct cv_err *err)
{
	if (json_array_size(list) > AGENCIES_MAX)
		return cv_fail(err, CV_LIMIT, "more than %d agencies", AGENCIES_MAX);
	json_int_t changed = 0;
	size_t i;
	json_t *object;
	json_array_foreach(list, i, object) {
		bool one = false;
		enum cv_status status = add_one(c, object, update, &one, err);
		if (!status)
			status = add_mailbox(c, object, &one, err);
		changed += one;
		if (status)
			return status;
	}
	json_object_set_new(c->reply, "changed", json_integer(changed));
	if (!c->put_count)
		return CV_OK;
	return reg_commit_act(c, "agency.add", "(list)", json_pack("{s:I}", "agencies", changed),
	                      err);
}

/* {"code", "name", "parent", "type", "rank", "pool", "address", "phone", "website", "location",
 *  "staff", "cluster", "mailbox"?, "update"?} -> {"code", "address", "changed"}, or
 * {"agencies": [...], "update"?} -> {"changed"}: parents before children. */
enum cv_status
reg_agency_add(struct reg_call *c, struct cv_err *err)
{
	bool update = reg_flag(c->request, "update", false), changed = false;
	json_t *list = json_object_get(c->request, "agencies");
	if (json_is_array(list))
		return add_many(c, list, update, err);
	enum cv_status status = add_one(c, c->request, update, &changed, err);
	if (!status)
		status = add_mailbox(c, c->request, &changed, err);
	if (status)
		return status;
	json_t *code = json_object_get(c->request, "code");
	const struct reg_agency *g = reg_find_agency(c->r, cv_str_z(json_string_value(code)));
	json_object_set(c->reply, "code", code);
	if (g)
		json_object_set_new(c->reply, "address", json_string(g->text[AG_ADDRESS]));
	json_object_set_new(c->reply, "changed", json_boolean(changed));
	if (!changed)
		return CV_OK;
	return reg_commit(c, "agency.add", json_string_value(json_object_get(c->request, "code")),
		json_pack("{s:O?}", "name", json_object_get(c->request, "name")), err);
}

static int
by_rank_and_code(const void *a, const void *b)
{
	const struct reg_agency *x = *(const struct reg_agency *const *)a;
	const struct reg_agency *y = *(const struct reg_agency *const *)b;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->code, y->code);
}

json_t *
reg_agency_whole(const struct reg_agency *g)
{
	json_t *o = json_pack("{s:s, s:i}", "code", g->code, "rank", (int)g->rank);
	for (size_t i = 0; i < AG_COUNT; i++)
		json_object_set_new(o, reg_agency_texts[i].json, json_string(g->text[i]));
	json_object_set_new(o, "pool", json_integer((json_int_t)g->pool_bytes));
	json_object_set_new(o, "staff", json_integer(g->staff));
	json_object_set_new(o, "cluster", json_string(g->cluster));
	return o;
}

/* {"parent"?} -> {"agencies": [{"code", ..., "accounts"}]}, by rank, then code. */
enum cv_status
reg_agency_list(struct reg_call *c, struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	struct cv_str parent, key;
	enum cv_status status = reg_field(c, c->request, "parent", CODE_MAX, &parent, err);
	if (status)
		return status;
	const struct reg_agency **list = CV_ARENA_ARRAY(&c->arena, const struct reg_agency *,
		m->agencies.used + 1);
	size_t n = 0;
	void *value;
	for (size_t pos = 0; cv_map_each(&m->agencies, &pos, &key, &value);) {
		const struct reg_agency *g = value;
		if ((!parent.n || cv_str_eq_z(parent, g->text[AG_PARENT])) &&
		    reg_in_scope(c, g->code))
			list[n++] = g;
	}
	qsort(list, n, sizeof *list, by_rank_and_code);
	struct cv_map counts;
	cv_map_init(&counts);
	for (size_t i = 0; i < m->count; i++) {
		struct cv_str code = cv_str_z(m->accounts[i]->text[T_AGENCY]);
		if (m->accounts[i]->state != CV_STATE_RETIRED && code.n)
			cv_map_put(&counts, code,
			           (void *)((uintptr_t)cv_map_get(&counts, code) + 1));
	}
	json_t *out = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *o = reg_agency_whole(list[i]);
		uintptr_t accounts = (uintptr_t)cv_map_get(&counts, cv_str_z(list[i]->code));
		json_object_set_new(o, "accounts", json_integer((json_int_t)accounts));
		json_array_append_new(out, o);
	}
	cv_map_done(&counts);
	json_object_set_new(c->reply, "agencies", out);
	return CV_OK;
}
