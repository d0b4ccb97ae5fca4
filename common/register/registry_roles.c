/* registry_roles.c - who may ask what (OPS-04, INT-04): roles, the subjects of requests, and
 * admin.add, admin.remove, admin.list, admin.whoami.
 *
 * Somebody is known by his Unix account ("unix:nam", from the socket) or by his own address (after
 * a log-in). A row of the register gives him a role. The table of requests says which right a
 * request needs, and what it is about; an agency's administrator acts only on what belongs to his
 * agency and those below it. Two rules hold beside the table: the account of an administrator is
 * changed only by himself or an operator (or a helpdesk could reset an operator's password), and
 * what leaves the rules of addresses, passwords and quotas is an operator's.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pwd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/register/registry_people.h"

#define ROW_VERSION 1
#define PARENTS_MAX 64 /* of an agency: more is a loop */
#define TEXT_MAX 1400

/* clang-format off */
static const struct {
	enum cv_admin_role role;
	const char *word, *en, *vi;
} roles[] = {
	{ CV_ROLE_OPERATOR, "operator", "an operator",                "người vận hành tỉnh"       },
	{ CV_ROLE_AGENCY,   "agency",   "an agency's administrator",  "quản trị của cơ quan"      },
	{ CV_ROLE_HELPDESK, "helpdesk", "of the helpdesk",            "hỗ trợ người dùng"         },
	{ CV_ROLE_AUDITOR,  "auditor",  "an auditor",                 "kiểm tra, chỉ được xem"    },
};
/* What is an operator's in requests of others. */
static const char *const operator_fields[] = { "override", "allow_weak", "force", "quota" };
/* clang-format on */

const char *
cv_admin_role_word(enum cv_admin_role role)
{
	for (size_t i = 0; i < CV_COUNT(roles); i++)
		if (roles[i].role == role)
			return roles[i].word;
	return "none";
}

static const char *
role_text(enum cv_admin_role role, bool vi)
{
	for (size_t i = 0; i < CV_COUNT(roles); i++)
		if (roles[i].role == role)
			return vi ? roles[i].vi : roles[i].en;
	return vi ? "không có vai trò" : "nobody";
}

/* ---- rows ---- */

void
reg_admin_encode(const struct reg_admin *a, struct cv_buf *out)
{
	cv_buf_c(out, ROW_VERSION);
	cv_buf_c(out, (char)a->role);
	cv_buf_be64(out, (uint64_t)a->since_secs);
	cv_buf_bytes(out, cv_str_z(a->agency));
	cv_buf_bytes(out, cv_str_z(a->by));
}

enum cv_status
reg_admin_decode(struct cv_str row, struct reg_admin *a)
{
	struct cv_rd r = cv_rd(row);
	if (cv_rd_u8(&r) != ROW_VERSION)
		return CV_CORRUPT;
	a->role = (enum cv_admin_role)cv_rd_u8(&r);
	a->since_secs = (int64_t)cv_rd_be64(&r);
	struct cv_str agency = cv_rd_bytes(&r), by = cv_rd_bytes(&r);
	if (r.bad || !strcmp(cv_admin_role_word(a->role), "none"))
		return CV_CORRUPT;
	a->agency = cv_str_dup(agency);
	a->by = cv_str_dup(by);
	return CV_OK;
}

void
reg_admin_free(struct reg_admin *a)
{
	if (!a)
		return;
	free(a->name);
	free(a->agency);
	free(a->by);
	free(a);
}

/* Puts A (taken over; NULL takes NAME out) into model and rows. */
void
reg_save_admin(struct reg_call *c, struct cv_str name, struct reg_admin *a)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX), row = CV_BUF_INIT(2000);
	cv_buf_c(&key, 'R');
	cv_buf_str(&key, name);
	if (a)
		reg_admin_encode(a, &row);
	reg_put(c, cv_buf_view(&key), a ? cv_buf_view(&row) : CV_STR_EMPTY);
	struct reg_admin *old = a ? cv_map_put(&c->r->model.admins, name, a)
	                          : cv_map_del(&c->r->model.admins, name);
	reg_admin_free(old);
	cv_buf_done(&key);
	cv_buf_done(&row);
}

/* ---- who ---- */

static void
take_role(struct cv_registry *r, struct cv_registry_who *who)
{
	pthread_mutex_lock(&r->lock);
	const struct reg_admin *a = cv_map_get(&r->model.admins, cv_str_z(who->name));
	who->role = a ? a->role : CV_ROLE_NONE;
	snprintf(who->agency, sizeof who->agency, "%s", a ? a->agency : "");
	pthread_mutex_unlock(&r->lock);
}

void
cv_registry_who_unix(struct cv_registry *r, uid_t uid, struct cv_registry_who *who)
{
	char space[4096];
	struct passwd entry, *found = NULL;
	*who = (struct cv_registry_who){ .role = CV_ROLE_OPERATOR };
	if (!getpwuid_r(uid, &entry, space, sizeof space, &found) && found)
		snprintf(who->name, sizeof who->name, "unix:%s", found->pw_name);
	else
		snprintf(who->name, sizeof who->name, "unix:%u", (unsigned)uid);
	if (uid != 0 && uid != geteuid())
		take_role(r, who);
}

void
cv_registry_who_account(struct cv_registry *r, const char *address, struct cv_registry_who *who)
{
	*who = (struct cv_registry_who){ .role = CV_ROLE_NONE };
	snprintf(who->name, sizeof who->name, "%s", address);
	take_role(r, who);
}

/* "root, unix:binh": whom to ask. */
static const char *
operators(struct reg_call *c)
{
	struct cv_buf out = CV_BUF_INIT(400);
	struct cv_str key;
	void *value;
	unsigned n = 0;
	cv_buf_z(&out, "root");
	for (size_t pos = 0; cv_map_each(&c->r->model.admins, &pos, &key, &value);)
		if (((const struct reg_admin *)value)->role == CV_ROLE_OPERATOR && n++ < 3)
			cv_buf_printf(&out, ", %.*s", CV_STR_ARGS(key));
	const char *text = cv_arena_z(&c->arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return text;
}

/* ---- scope ---- */

bool
reg_in_scope(const struct reg_call *c, const char *agency)
{
	if (!c->who || c->who->role != CV_ROLE_AGENCY)
		return true;
	for (unsigned i = 0; i < PARENTS_MAX && *agency; i++) {
		if (!strcmp(agency, c->who->agency))
			return true;
		const struct reg_agency *g = reg_find_agency(c->r, cv_str_z(agency));
		agency = g ? g->text[AG_PARENT] : "";
	}
	return false;
}

enum cv_status
reg_check_scope(struct reg_call *c, const char *what, const char *agency, struct cv_err *err)
{
	char en[TEXT_MAX], vi[TEXT_MAX];
	if (reg_in_scope(c, agency))
		return CV_OK;
	snprintf(en, sizeof en, "%s belongs to %s%s, and %s administers %s only", what,
	         *agency ? "agency " : "no agency", agency, c->who->name, c->who->agency);
	snprintf(vi, sizeof vi, "%s thuộc %s%s, còn %s chỉ quản trị %s", what,
	         *agency ? "cơ quan " : "ngoài mọi cơ quan", agency, c->who->name, c->who->agency);
	return reg_refuse(c, CV_DENIED, en, vi, err);
}

enum cv_status
reg_check_new_address(struct reg_call *c, struct cv_str address, struct cv_err *err)
{
	char en[TEXT_MAX], vi[TEXT_MAX];
	if (!c->who || c->who->role != CV_ROLE_AGENCY || !address.n)
		return CV_OK;
	struct cv_str local = cv_str_sub(address, 0, cv_str_find(address, '@', 0));
	size_t dot = local.n;
	while (dot > 0 && local.p[dot - 1] != '.')
		dot--;
	const char *code = cv_arena_z(&c->arena, cv_str_sub(local, dot, local.n));
	if (reg_find_agency(c->r, cv_str_z(code)) && reg_in_scope(c, code))
		return CV_OK;
	snprintf(en, sizeof en, "%.*s: an address that %s gives ends in .%s@", CV_STR_ARGS(address),
	         c->who->name, c->who->agency);
	snprintf(vi, sizeof vi, "%.*s: địa chỉ do %s cấp phải kết thúc bằng .%s@",
	         CV_STR_ARGS(address), c->who->name, c->who->agency);
	return reg_refuse(c, CV_DENIED, en, vi, err);
}

static enum cv_status
refuse_role(struct reg_call *c, const char *what, struct cv_err *err)
{
	const struct cv_registry_who *w = c->who;
	char en[TEXT_MAX], vi[TEXT_MAX];
	const char *ask = operators(c);
	if (w->role == CV_ROLE_NONE) {
		snprintf(en, sizeof en,
			"%s has no role here; an operator (%s) can give one: congvu admin add %s",
			w->name, ask, w->name);
		snprintf(vi, sizeof vi,
			"%s chưa được giao vai trò quản trị; người vận hành (%s) có thể giao: "
			"congvu admin add %s", w->name, ask, w->name);
	} else {
		snprintf(en, sizeof en, "%s is %s and may not do %s; an operator may (%s)",
		         w->name, role_text(w->role, false), what, ask);
		snprintf(vi, sizeof vi, "%s là %s, không được làm %s; hãy nhờ người vận hành (%s)",
		         w->name, role_text(w->role, true), what, ask);
	}
	return reg_refuse(c, CV_DENIED, en, vi, err);
}

static enum cv_status
refuse_whole(struct reg_call *c, const char *what, struct cv_err *err)
{
	char en[TEXT_MAX], vi[TEXT_MAX];
	snprintf(en, sizeof en, "%s concerns more than %s: name an account or agency of it", what,
	         c->who->agency);
	snprintf(vi, sizeof vi, "%s vượt phạm vi %s: hãy nêu tài khoản hoặc cơ quan thuộc phạm vi đó",
	         what, c->who->agency);
	return reg_refuse(c, CV_DENIED, en, vi, err);
}

/* The account of an administrator is his own and the operators' matter. */
static enum cv_status
check_is_no_admin(struct reg_call *c, const struct reg_account *a, struct cv_err *err)
{
	char en[TEXT_MAX], vi[TEXT_MAX];
	const char *address = a->text[T_ADDRESS];
	if (!strcmp(address, c->who->name) ||
	    !cv_map_get(&c->r->model.admins, cv_str_z(address)))
		return CV_OK;
	snprintf(en, sizeof en, "%s has a role in administration: only an operator changes it (%s)",
	         address, operators(c));
	snprintf(vi, sizeof vi, "%s có vai trò quản trị: chỉ người vận hành được thay đổi (%s)",
	         address, operators(c));
	return reg_refuse(c, CV_DENIED, en, vi, err);
}

/* ---- what a request is about ---- */

/* An item of the subject column: "account:owner", "agency:agency?", "address:alias". */
struct item {
	struct cv_str kind, field;
	bool is_optional;
};

static bool
next_item(struct cv_str *rest, struct item *out)
{
	struct cv_str word;
	if (!cv_str_split(rest, ',', &word))
		return false;
	size_t colon = cv_str_find(word, ':', 0);
	out->kind = cv_str_sub(word, 0, colon);
	out->field = colon < word.n ? cv_str_sub(word, colon + 1, word.n) : CV_STR("");
	out->is_optional = cv_str_has_suffix(out->field, "?");
	out->field.n -= out->is_optional;
	return true;
}

/* The agency for which request NUMBER asks; one that is not there is the handler's to refuse. */
static enum cv_status
check_asked(struct reg_call *c, uint64_t number, struct cv_err *err)
{
	const json_t *body = reg_doc_get(&c->r->model.docs, 'E', number, 0);
	const char *agency = json_string_value(json_object_get(body, "agency"));
	char what[40];
	snprintf(what, sizeof what, "%llu", (unsigned long long)number);
	return body ? reg_check_scope(c, what, agency ? agency : "", err) : CV_OK;
}

/* Sets *CHECKED when the item is there. */
static enum cv_status
check_item(struct reg_call *c, json_t *request, const struct item *item, bool changes,
           bool *checked, struct cv_err *err)
{
	struct cv_str value;
	struct reg_account *a;
	const char *field = cv_arena_z(&c->arena, item->field);
	uint64_t number = 0;
	enum cv_status status = CV_OK;
	if (cv_str_eq_z(item->kind, "request")) {
		status = reg_number(request, field, INT64_MAX, &number, checked, err);
		return status || !*checked ? status : check_asked(c, number, err);
	}
	status = reg_field(c, request, field, 600, &value, err);
	if (status || !value.n)
		return status;
	*checked = true;
	if (cv_str_eq_z(item->kind, "agency"))
		return reg_check_scope(c, cv_arena_z(&c->arena, value),
		                       cv_arena_z(&c->arena, value), err);
	if (cv_str_eq_z(item->kind, "address"))
		return reg_check_new_address(c, value, err);
	status = reg_account_of(c, value, &a, err);
	if (status)
		return status;
	status = changes ? check_is_no_admin(c, a, err) : CV_OK;
	return status ? status
	              : reg_check_scope(c, a->text[T_ADDRESS], a->text[T_AGENCY], err);
}

static enum cv_status
check_fields(struct reg_call *c, json_t *request, struct cv_err *err)
{
	char en[TEXT_MAX], vi[TEXT_MAX];
	const char *what = json_string_value(json_object_get(request, "do"));
	if (strncmp(what, "account.", 8) && strncmp(what, "alias.", 6) && strcmp(what, "import"))
		return CV_OK;
	for (size_t i = 0; i < CV_COUNT(operator_fields); i++) {
		json_t *value = json_object_get(request, operator_fields[i]);
		if (!value || json_is_null(value) || json_is_false(value))
			continue;
		snprintf(en, sizeof en, "\"%s\" is an operator's to give (%s)", operator_fields[i],
		         operators(c));
		snprintf(vi, sizeof vi, "\"%s\" phải do người vận hành thực hiện (%s)",
		         operator_fields[i], operators(c));
		return reg_refuse(c, CV_DENIED, en, vi, err);
	}
	return CV_OK;
}

enum cv_status
reg_authorise(struct reg_call *c, json_t *request, unsigned right, const char *about,
              struct cv_err *err)
{
	const char *what = json_string_value(json_object_get(request, "do"));
	struct cv_str rest = cv_str_z(about ? about : "");
	struct item item;
	bool checked = false;
	enum cv_status status = CV_OK;
	if (!c->who || c->who->role == CV_ROLE_OPERATOR || right == REG_ANYONE)
		return CV_OK;
	if (!((unsigned)c->who->role & right))
		return refuse_role(c, what, err);
	if (about && !strcmp(about, "self"))
		return CV_OK;
	if (about && !strncmp(about, "inner:", 6)) /* a request that carries another */
		return reg_authorise_named(c, json_object_get(request, about + 6), err);
	if (c->who->role == CV_ROLE_AUDITOR)
		return CV_OK;
	bool changes = right != REG_READ && right != REG_AUDIT;
	status = changes ? check_fields(c, request, err) : CV_OK;
	while (!status && rest.n && next_item(&rest, &item)) {
		bool is_there = false;
		status = check_item(c, request, &item, changes, &is_there, err);
		checked |= is_there;
	}
	if (!status && !checked && c->who->role == CV_ROLE_AGENCY)
		return refuse_whole(c, what, err);
	return status;
}

enum cv_status
cv_registry_may(struct cv_registry *r, const struct cv_registry_who *who, json_t *request,
                unsigned right, const char *about, json_t **refusal_out, struct cv_err *err)
{
	struct reg_call c = { .r = r, .who = who, .actor = who->name, .request = request,
		.reply = json_object() };
	*refusal_out = NULL;
	pthread_mutex_lock(&r->lock);
	enum cv_status status = r->is_stale ? reg_reload(&c, err) : CV_OK;
	if (!status)
		status = reg_authorise(&c, request, right, about, err);
	pthread_mutex_unlock(&r->lock);
	if (status)
		*refusal_out = json_incref(c.reply);
	reg_call_end(&c);
	return status;
}

/* ---- before and after ---- */

/* Long lists stand as their length. */
static void
shorten(json_t *object)
{
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value)
		if (json_array_size(value) > 50)
			json_object_set_new(object, key,
				json_integer((json_int_t)json_array_size(value)));
}

/* The account or agency that TEXT names, whole, without secrets; NULL when it is none. *ID_OUT
 * (in the arena) is the same as long as it is the same one. */
static json_t *
subject_json(struct reg_call *c, struct cv_str text, const char **id_out)
{
	const struct reg_agency *g = reg_find_agency(c->r, text);
	struct reg_account *a;
	struct cv_err none;
	json_t *o = NULL;
	if (g) {
		*id_out = g->code;
		o = reg_agency_whole(g);
	} else if (text.n && !reg_account_of(c, text, &a, &none)) {
		*id_out = cv_arena_printf(&c->arena, "#%llu", (unsigned long long)a->acct).p;
		o = reg_account_whole(c, a);
		json_object_set_new(o, "password_changed",
		                    json_integer((json_int_t)a->secret.changed_secs));
	}
	if (o)
		shorten(o);
	return o;
}

void
reg_note_before(struct reg_call *c, unsigned right, const char *about)
{
	struct cv_str rest = cv_str_z(about ? about : ""), value;
	struct item item;
	struct cv_err none;
	if (right == REG_READ || right == REG_AUDIT || right == REG_ANYONE)
		return;
	while (!c->before && rest.n && next_item(&rest, &item)) {
		const char *field = cv_arena_z(&c->arena, item.field), *id;
		if (reg_field(c, c->request, field, 600, &value, &none) || !value.n)
			continue;
		c->before = subject_json(c, value, &id);
		if (c->before)
			c->before_id = cv_arena_z(&c->arena, cv_str_z(id));
	}
}

void
reg_add_difference(json_t *object, json_t *before, json_t *after)
{
	const char *key;
	json_t *value;
	void *next;
	if (before && after)
		json_object_foreach_safe(before, next, key, value)
			if (json_equal(value, json_object_get(after, key))) {
				json_object_del(after, key);
				json_object_del(before, key);
			}
	if (before && json_object_size(before))
		json_object_set(object, "before", before);
	if (after && json_object_size(after))
		json_object_set(object, "after", after);
	json_decref(before);
	json_decref(after);
}

json_t *
reg_event_detail(struct reg_call *c, const char *action, const char *object, json_t *detail)
{
	json_t *o = detail ? detail : json_object();
	const char *id = "";
	if (c->who && c->who->role)
		json_object_set_new(o, "role", json_string(cv_admin_role_word(c->who->role)));
	if (json_object_get(o, "before") || json_object_get(o, "after"))
		return o; /* the handler knows better */
	json_t *after = subject_json(c, cv_str_z(object), &id);
	bool is_same = c->before && after && !strcmp(id, c->before_id);
	bool is_new = !strcmp(action, "account.add") ||
		(!strcmp(action, "agency.add") && !c->before);
	if (is_same || is_new)
		reg_add_difference(o, is_same ? json_incref(c->before) : NULL, after);
	else
		json_decref(after);
	return o;
}

/* ---- requests ---- */

/* "unix:nam", or the address of an account that can log in. */
static enum cv_status
admin_field(struct reg_call *c, bool must_exist, struct cv_str *out, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = reg_field(c, c->request, "admin", 320, out, err);
	if (status)
		return status;
	if (cv_str_has_prefix(*out, "unix:") && out->n > 5)
		return CV_OK;
	if (!must_exist && cv_map_get(&c->r->model.admins, *out))
		return CV_OK;
	if (!out->n)
		return cv_fail(err, CV_INVALID,
		               "field 'admin' must be unix:NAME or an address");
	status = reg_account_of(c, *out, &a, err);
	if (status == CV_NOT_FOUND)
		return cv_fail(err, CV_NOT_FOUND,
			"no account %.*s; a Unix account of this machine is written unix:%.*s",
			CV_STR_ARGS(*out), CV_STR_ARGS(*out));
	if (!status && must_exist && (a->kind != CV_KIND_PERSON || a->state != CV_STATE_ACTIVE))
		return cv_fail(err, CV_INVALID, "%s is not an active person's account",
		               a->text[T_ADDRESS]);
	if (!status)
		*out = cv_arena_str(&c->arena, cv_str_z(a->text[T_ADDRESS]));
	return status;
}

/* Somebody can still come in by that name: a Unix account, or an account whose address it is and
 * which is let in. */
static bool
is_usable(const struct reg_model *m, struct cv_str name)
{
	if (cv_str_has_prefix(name, "unix:"))
		return true;
	const struct reg_address *address = cv_map_get(&m->addresses, name);
	const struct reg_account *a = address ? reg_model_find(m, address->acct) : NULL;
	return a && a->state == CV_STATE_ACTIVE && cv_str_eq_z(name, a->text[T_ADDRESS]);
}

static size_t
count_operators(const struct reg_model *m)
{
	struct cv_str key;
	void *value;
	size_t n = 0;
	for (size_t pos = 0; cv_map_each(&m->admins, &pos, &key, &value);)
		n += ((const struct reg_admin *)value)->role == CV_ROLE_OPERATOR &&
			is_usable(m, key);
	return n;
}

static enum cv_status
check_last(struct reg_call *c, const struct reg_admin *a, struct cv_err *err)
{
	if (!a || a->role != CV_ROLE_OPERATOR || !is_usable(&c->r->model, cv_str_z(a->name)) ||
	    count_operators(&c->r->model) > 1)
		return CV_OK;
	return reg_refuse(c, CV_DENIED, "the last operator stays: name another one first",
	                  "không thể bỏ người vận hành cuối cùng: hãy thêm người khác trước", err);
}

static json_t *
admin_json(struct cv_str name, const struct reg_admin *a)
{
	return json_pack("{s:s%, s:s, s:s, s:I, s:s}", "admin", name.p, name.n, "role",
		cv_admin_role_word(a->role), "agency", a->agency, "since",
		(json_int_t)a->since_secs, "by", a->by);
}

/* ---- following the account ---- */

void
reg_admin_follow(struct reg_call *c, struct cv_str old, const struct reg_account *a)
{
	struct cv_map *admins = &c->r->model.admins;
	struct cv_str name = cv_str_z(a->text[T_ADDRESS]);
	const struct reg_admin *row = cv_map_get(admins, old);
	if (!row || cv_str_eq(old, name))
		return;
	struct reg_admin *copy = cv_map_get(admins, name) ? NULL : cv_calloc(1, sizeof *copy);
	if (copy) {
		*copy = *row;
		copy->name = cv_str_dup(name);
		copy->agency = cv_strdup(row->agency);
		copy->by = cv_strdup(row->by);
	}
	reg_save_admin(c, old, NULL);
	if (copy)
		reg_save_admin(c, cv_arena_str(&c->arena, name), copy);
}

json_t *
reg_admin_left(struct reg_call *c, const struct reg_account *a, const char *agency)
{
	struct cv_str name = cv_arena_str(&c->arena, cv_str_z(a->text[T_ADDRESS]));
	const struct reg_admin *row = cv_map_get(&c->r->model.admins, name);
	if (!row || row->role != CV_ROLE_AGENCY || !reg_is_below(c->r, agency, row->agency) ||
	    reg_is_below(c->r, a->text[T_AGENCY], row->agency))
		return NULL;
	json_t *ended = admin_json(name, row);
	reg_save_admin(c, name, NULL);
	return ended;
}

enum cv_status
reg_admin_note_left(struct reg_call *c, const struct reg_account *a, json_t *ended,
                    struct cv_err *err)
{
	if (!ended)
		return CV_OK;
	json_object_set(c->reply, "role_ended", ended);
	return reg_commit(c, "admin.remove", a->text[T_ADDRESS],
		json_pack("{s:o, s:s}", "before", ended, "reason", "left the agency"), err);
}

/* The same with "second_factor" of who logs in here: the others are Unix accounts. */
static json_t *
listed_json(struct reg_call *c, const struct reg_admin *a)
{
	json_t *o = admin_json(cv_str_z(a->name), a);
	struct reg_account *account;
	struct cv_err none;
	if (!cv_str_has_prefix(cv_str_z(a->name), "unix:") &&
	    !reg_account_of(c, cv_str_z(a->name), &account, &none))
		json_object_set_new(o, "second_factor", json_string(reg_second_state(c, account)));
	return o;
}

static enum cv_status
read_role(struct reg_call *c, struct reg_admin *a, struct cv_err *err)
{
	struct cv_str role, agency;
	enum cv_status status = reg_field(c, c->request, "role", 20, &role, err);
	if (!status)
		status = reg_field(c, c->request, "agency", 12, &agency, err);
	if (status)
		return status;
	for (size_t i = 0; i < CV_COUNT(roles); i++)
		if (cv_str_eq_z(role, roles[i].word))
			a->role = roles[i].role;
	if (!a->role)
		return cv_fail(err, CV_INVALID,
		               "field 'role' is operator, agency, helpdesk or auditor");
	if ((a->role == CV_ROLE_AGENCY) != (agency.n > 0))
		return cv_fail(err, CV_INVALID, "field 'agency' goes with role agency alone");
	if (agency.n && !reg_find_agency(c->r, agency))
		return cv_fail(err, CV_NOT_FOUND, "no agency '%.*s'", CV_STR_ARGS(agency));
	a->agency = cv_str_dup(agency);
	return CV_OK;
}

/* {"admin": "unix:NAME" | address, "role", "agency"?} -> {"admin", "role", "agency", "changed"} */
enum cv_status
reg_admin_add(struct reg_call *c, struct cv_err *err)
{
	struct cv_str name;
	struct reg_admin *a = cv_calloc(1, sizeof *a);
	enum cv_status status = admin_field(c, true, &name, err);
	if (!status)
		status = read_role(c, a, err);
	const struct reg_admin *old = status ? NULL : cv_map_get(&c->r->model.admins, name);
	if (!status && a->role != CV_ROLE_OPERATOR)
		status = check_last(c, old, err);
	if (status) {
		reg_admin_free(a);
		return status;
	}
	bool changed = !old || old->role != a->role || strcmp(old->agency, a->agency) != 0;
	a->name = cv_str_dup(name);
	a->by = cv_strdup(c->actor);
	a->since_secs = cv_wall_secs();
	json_t *detail = json_object();
	if (old)
		json_object_set_new(detail, "before", admin_json(name, old));
	json_object_set_new(detail, "after", admin_json(name, a));
	json_object_update(c->reply, json_object_get(detail, "after"));
	json_object_set_new(c->reply, "changed", json_boolean(changed));
	if (!changed) {
		json_decref(detail);
		reg_admin_free(a);
		return CV_OK;
	}
	reg_save_admin(c, name, a);
	return reg_commit(c, "admin.add", cv_arena_z(&c->arena, name), detail, err);
}

/* {"admin"} -> {"admin"} */
enum cv_status
reg_admin_remove(struct reg_call *c, struct cv_err *err)
{
	struct cv_str name;
	enum cv_status status = admin_field(c, false, &name, err);
	if (status)
		return status;
	const struct reg_admin *a = cv_map_get(&c->r->model.admins, name);
	if (!a)
		return cv_fail(err, CV_NOT_FOUND, "%.*s has no role", CV_STR_ARGS(name));
	status = check_last(c, a, err);
	if (status)
		return status;
	json_t *detail = json_pack("{s:o}", "before", admin_json(name, a));
	json_object_set_new(c->reply, "admin", json_stringn(name.p, name.n));
	reg_save_admin(c, name, NULL);
	return reg_commit(c, "admin.remove", cv_arena_z(&c->arena, name), detail, err);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(const struct reg_admin *const *)a)->name,
	              (*(const struct reg_admin *const *)b)->name);
}

/* {} -> {"admins": [{"admin", "role", "agency", "since", "by"}]}, by name; an agency's
 * administrator sees those of his own agencies. */
enum cv_status
reg_admin_list(struct reg_call *c, struct cv_err *err)
{
	(void)err;
	const struct cv_map *m = &c->r->model.admins;
	const struct reg_admin **all = CV_ARENA_ARRAY(&c->arena, const struct reg_admin *,
	                                              m->used + 1);
	struct cv_str key;
	void *value;
	size_t n = 0;
	for (size_t pos = 0; cv_map_each(m, &pos, &key, &value);)
		all[n++] = value;
	qsort(all, n, sizeof *all, by_name);
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		if (reg_in_scope(c, all[i]->agency))
			json_array_append_new(list, listed_json(c, all[i]));
	json_object_set_new(c->reply, "admins", list);
	return CV_OK;
}

/* {} -> {"admin", "role": "none" for who has none, "agency"} */
enum cv_status
reg_admin_whoami(struct reg_call *c, struct cv_err *err)
{
	(void)err;
	json_object_set_new(c->reply, "admin", json_string(c->actor));
	json_object_set_new(c->reply, "role",
		json_string(c->who ? cv_admin_role_word(c->who->role) : "operator"));
	json_object_set_new(c->reply, "agency", json_string(c->who ? c->who->agency : ""));
	return CV_OK;
}
