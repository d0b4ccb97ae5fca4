/* registry_account.c - account.add, set, list, show, passwd, suspend, resume, retire. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_people.h"
#include "common/text/fold.h"

#define FIRST_PASSWORD_HOURS 6
#define COLLISIONS_MAX 9999
#define LIST_MAX 100000
#define NUMBER_MASK (((uint64_t)1 << CV_ACCT_CLASS_SHIFT) - 1)

/* ---- titles ---- */

/* Rank by title (folded, the longest that the title begins with): order in the directory. */
static const struct {
	const char *title;
	uint32_t rank;
} title_ranks[] = {
	{ "chu tich", 10 },        { "bi thu", 10 },           { "pho chu tich", 12 },
	{ "pho bi thu", 12 },      { "giam doc", 20 },         { "chanh van phong", 20 },
	{ "chanh thanh tra", 20 }, { "truong ban", 20 },       { "hieu truong", 20 },
	{ "pho giam doc", 22 },    { "pho chanh van phong", 22 }, { "pho chanh thanh tra", 22 },
	{ "pho truong ban", 22 },  { "pho hieu truong", 22 },  { "truong phong", 30 },
	{ "pho truong phong", 32 },{ "chuyen vien chinh", 40 },{ "chuyen vien", 50 },
	{ "ke toan", 55 },         { "van thu", 56 },          { "can su", 60 },
	{ "nhan vien", 70 },
};

uint32_t
reg_rank_of_title(const char *title)
{
	struct cv_buf folded = CV_BUF_INIT(REG_TEXT_MAX * 3);
	uint32_t rank = 50;
	size_t longest = 0;
	(void)cv_fold(cv_str_z(title), &folded);
	for (size_t i = 0; i < CV_COUNT(title_ranks); i++) {
		size_t n = strlen(title_ranks[i].title);
		if (n > longest && cv_str_has_prefix(cv_buf_view(&folded), title_ranks[i].title)) {
			longest = n;
			rank = title_ranks[i].rank;
		}
	}
	cv_buf_done(&folded);
	return rank;
}

/* ---- fields ---- */

static bool
parse_kind(const char *word, enum cv_reg_kind *out)
{
	for (size_t i = 0; reg_kind_words[i]; i++) {
		if (word && !strcmp(word, reg_kind_words[i])) {
			*out = (enum cv_reg_kind)i;
			return true;
		}
	}
	return false;
}

/* "2G", "500M", "70": what people type. */
static bool
number_of_text(const char *text, uint64_t *out)
{
	struct cv_str s = cv_str_z(text);
	static const char units[] = "KMGT";
	const char *unit = s.n ? strchr(units, s.p[s.n - 1] & ~0x20) : NULL;
	uint64_t factor = unit && *unit ? (uint64_t)1 << (10 * (unit - units + 1)) : 1;
	s.n -= factor > 1;
	if (cv_str_u64(s, UINT64_MAX / factor, out))
		return false;
	*out *= factor;
	return true;
}

enum cv_status
reg_number(json_t *object, const char *name, uint64_t max, uint64_t *value, bool *given,
           struct cv_err *err)
{
	json_t *field = json_object_get(object, name);
	*given = field && !json_is_null(field);
	if (!*given)
		return CV_OK;
	uint64_t n = (uint64_t)json_integer_value(field);
	bool ok = json_is_string(field) ? number_of_text(json_string_value(field), &n)
		: json_is_integer(field) && json_integer_value(field) >= 0;
	if (!ok || n > max)
		return cv_fail(err, CV_INVALID, "field '%s' must be a number from 0 to %llu", name,
			(unsigned long long)max);
	*value = n;
	return CV_OK;
}

/* Keeps the whole name and its three parts in step: whichever OBJECT gives decides. */
static enum cv_status
settle_name(struct reg_account *a, bool has_whole, bool has_parts, struct cv_err *err)
{
	struct cv_buf s = CV_BUF_INIT(400), m = CV_BUF_INIT(400), g = CV_BUF_INIT(400);
	enum cv_status status = CV_OK;
	if (has_parts && !has_whole) {
		cv_buf_printf(&s, "%s%s%s%s%s", a->text[T_SURNAME], *a->text[T_SURNAME] ? " " : "",
			a->text[T_MIDDLE], *a->text[T_MIDDLE] ? " " : "", a->text[T_GIVEN]);
		reg_account_set(a, T_NAME, cv_buf_view(&s));
	} else if (has_whole && !has_parts && a->kind == CV_KIND_PERSON) {
		status = cv_name_split(cv_str_z(a->text[T_NAME]), &s, &m, &g, err);
		if (!status) {
			reg_account_set(a, T_SURNAME, cv_buf_view(&s));
			reg_account_set(a, T_MIDDLE, cv_buf_view(&m));
			reg_account_set(a, T_GIVEN, cv_buf_view(&g));
		}
	}
	cv_buf_done(&s);
	cv_buf_done(&m);
	cv_buf_done(&g);
	return status;
}

static enum cv_status
read_texts(struct reg_call *c, json_t *object, struct reg_account *a, struct cv_err *err)
{
	bool has[T_COUNT] = {0};
	for (size_t i = 0; i < T_COUNT; i++) {
		struct cv_str text;
		if (i == T_ADDRESS || !json_object_get(object, reg_texts[i].json))
			continue;
		enum cv_status status = reg_field(c, object, reg_texts[i].json,
		                                  reg_texts[i].max_bytes, &text, err);
		if (status)
			return status;
		has[i] = text.n > 0;
		if (strcmp(a->text[i], text.p))
			reg_account_set(a, (enum reg_text)i, text);
	}
	if (*a->text[T_AGENCY] && !reg_find_agency(c->r, cv_str_z(a->text[T_AGENCY])))
		return cv_fail(err, CV_NOT_FOUND, "no agency '%s'", a->text[T_AGENCY]);
	return settle_name(a, has[T_NAME], has[T_SURNAME] || has[T_GIVEN], err);
}

static enum cv_status
read_numbers(json_t *object, struct reg_account *a, struct cv_err *err)
{
	uint64_t rank = 0;
	bool given;
	enum cv_status status = reg_number(object, "rank", 1000000, &rank, &given, err);
	if (!status && given)
		a->rank = (uint32_t)rank;
	else if (!status && json_object_get(object, "title"))
		a->rank = reg_rank_of_title(a->text[T_TITLE]);
	if (!status)
		status = reg_number(object, "quota", (uint64_t)1 << 50, &a->quota_bytes, &given,
		                    err);
	a->listed = reg_flag(object, "listed", a->listed);
	a->mobile_consent = reg_flag(object, "mobile_consent", a->mobile_consent);
	return status;
}

static bool
differs(const struct reg_account *a, const struct reg_account *b)
{
	for (size_t i = 0; i < T_COUNT; i++)
		if (strcmp(a->text[i], b->text[i]))
			return true;
	return a->rank != b->rank || a->quota_bytes != b->quota_bytes || a->listed != b->listed ||
		a->mobile_consent != b->mobile_consent;
}

/* DIR-02: that somebody agreed to publish his mobile number, or took that back, is kept with the
 * day and with who wrote it down: fact "consent" {"is", "at", "by", "letter"?}. */
static void
note_consent(struct reg_call *c, const struct reg_account *a)
{
	const char *letter = json_string_value(json_object_get(c->request, "letter"));
	reg_set_fact(c, a, "consent", json_pack("{s:b, s:I, s:s, s:s*}", "is", a->mobile_consent,
		"at", (json_int_t)cv_wall_secs(), "by", c->actor, "letter", letter));
}

enum cv_status
reg_update_account(struct reg_call *c, json_t *object, struct reg_account *a, bool *changed_out,
                   struct cv_err *err)
{
	struct reg_account *copy = reg_account_copy(a);
	enum cv_status status = read_texts(c, object, copy, err);
	if (!status)
		status = read_numbers(object, copy, err);
	/* Nobody takes a person out of an agency that is not his, or puts one there. */
	if (!status)
		status = reg_check_scope(c, a->text[T_ADDRESS], a->text[T_AGENCY], err);
	if (!status)
		status = reg_check_scope(c, a->text[T_ADDRESS], copy->text[T_AGENCY], err);
	*changed_out = !status && differs(a, copy);
	if (*changed_out) {
		struct reg_account swap = *a;
		if (a->quota_bytes != copy->quota_bytes)
			reg_want_box(c, copy, true);
		*a = *copy;
		*copy = swap;
		reg_save_account(c, a);
		if (a->mobile_consent != copy->mobile_consent)
			note_consent(c, a);
	}
	reg_account_free(copy);
	return status;
}

/* ---- addresses ---- */

enum cv_status
reg_check_refused(struct reg_call *c, struct cv_str local, bool override, struct cv_err *err)
{
	const char *why, *why_vi;
	if (override || !cv_name_is_refused(local, c->r->more_reserved, &why, &why_vi))
		return CV_OK;
	return cv_fail(err, CV_DENIED, "'%.*s' %s; give \"override\" with a \"reason\" to use it",
		CV_STR_ARGS(local), why);
}

enum cv_status
reg_free_address(struct reg_call *c, struct cv_str surname, struct cv_str middle,
                 struct cv_str given, struct cv_str unit, bool override, struct cv_str *key_out,
                 struct cv_err *err)
{
	const struct cv_registry *r = c->r;
	if (r->name_template != CV_NAME_INITIALS)
		unit = CV_STR("");
	for (unsigned number = 0; number <= COLLISIONS_MAX; number += number ? 1 : 2) {
		struct cv_buf local = CV_BUF_INIT(256);
		enum cv_status status = cv_name_local_part(r->name_template, surname, middle, given,
		                                           unit, number, &local, err);
		if (!status)
			status = reg_check_refused(c, cv_buf_view(&local), override, err);
		*key_out = status ? CV_STR_EMPTY : cv_arena_printf(&c->arena, "%s@%s", local.p,
			r->model.default_domain);
		cv_buf_done(&local);
		if (status)
			return status;
		/* Whoever had it, for whatever time, keeps it (ADR-02). */
		if (!cv_map_get(&r->model.addresses, *key_out))
			return CV_OK;
	}
	return cv_fail(err, CV_LIMIT, "no free number for that name");
}

static enum cv_status
explicit_address(struct reg_call *c, struct cv_str text, const struct reg_account *a, bool override,
                 struct cv_str *key_out, struct cv_err *err)
{
	enum cv_status status = reg_address_key(c, text, key_out, err);
	if (status)
		return status;
	if (cv_map_get(&c->r->model.addresses, *key_out))
		return cv_fail(err, CV_EXISTS, "the address %.*s belongs, or belonged, to somebody",
			CV_STR_ARGS(*key_out));
	/* Role boxes are what reserved names are reserved for. */
	if (a->kind != CV_KIND_PERSON && a->kind != CV_KIND_APP)
		return CV_OK;
	struct cv_str local = cv_str_sub(*key_out, 0, cv_str_find(*key_out, '@', 0));
	return reg_check_refused(c, local, override, err);
}

/* The address of a new account: the one given, or by kind from agency, role word or name. */
static enum cv_status
choose_address(struct reg_call *c, json_t *object, struct reg_account *a, struct cv_str *key_out,
               struct cv_err *err)
{
	struct cv_str address, role, reason;
	enum cv_status status = reg_field(c, object, "address", 320, &address, err);
	if (!status)
		status = reg_field(c, object, "role", 40, &role, err);
	if (!status)
		status = reg_field(c, object, "reason", 400, &reason, err);
	if (status)
		return status;
	bool override = reg_flag(object, "override", false);
	if (override && !reason.n)
		return cv_fail(err, CV_INVALID, "an override needs a \"reason\"");
	if (!address.n && a->kind == CV_KIND_AGENCY && *a->text[T_AGENCY])
		address = cv_str_z(a->text[T_AGENCY]);
	else if (!address.n && role.n && *a->text[T_AGENCY])
		address = cv_arena_printf(&c->arena, "%.*s.%s", CV_STR_ARGS(role),
		                          a->text[T_AGENCY]);
	status = reg_check_new_address(c, address, err);
	if (status)
		return status;
	if (address.n)
		return explicit_address(c, address, a, override, key_out, err);
	if (a->kind != CV_KIND_PERSON)
		return cv_fail(err, CV_INVALID, "a box of this kind needs an \"address\"");
	if (!*a->text[T_GIVEN])
		return cv_fail(err, CV_INVALID, "an account needs a name or an address");
	if (!*a->text[T_AGENCY] && c->r->name_template == CV_NAME_INITIALS)
		return cv_fail(err, CV_INVALID, "the address is made of name and agency: name the agency");
	return reg_free_address(c, cv_str_z(a->text[T_SURNAME]), cv_str_z(a->text[T_MIDDLE]),
		cv_str_z(a->text[T_GIVEN]), cv_str_z(a->text[T_AGENCY]), override, key_out, err);
}

/* ---- passwords ---- */

bool
reg_may_log_in(const struct reg_account *a)
{
	return a->kind == CV_KIND_PERSON || a->kind == CV_KIND_APP;
}

static void
take_hashed(struct reg_secret *to, const struct reg_secret *from)
{
	memcpy(to->argon, from->argon, sizeof to->argon);
	memcpy(to->salt, from->salt, sizeof to->salt);
	to->iterations = from->iterations;
	memcpy(to->stored_key, from->stored_key, sizeof to->stored_key);
	memcpy(to->server_key, from->server_key, sizeof to->server_key);
}

/* The password in OBJECT, or a new one in MADE (24 bytes). */
static enum cv_status
set_password(struct reg_call *c, json_t *object, struct reg_account *a, char *made,
             struct cv_err *err)
{
	json_t *field = json_object_get(object, "password");
	struct cv_str password = cv_str(json_string_value(field), json_string_length(field));
	enum password_rule rule = reg_flag(object, "allow_weak", false) ? PASSWORD_WEAK
		: reg_flag(object, "force", false) ? PASSWORD_FORCED
		: reg_has_second(c, a) ? PASSWORD_SECOND : PASSWORD_FULL;
	if (!reg_may_log_in(a))
		return cv_fail(err, CV_DENIED,
			"%s is not a person's or an application's box: people log in as themselves",
			a->text[T_ADDRESS]);
	enum cv_status status = CV_OK;
	if (c->hashed) /* a first password, which nobody chose: there is no history to look at */
		status = password_judge(password, PASSWORD_FULL, cv_str_z(a->text[T_ADDRESS]), err);
	else if (json_is_string(field))
		status = reg_judge_password(c, a, password, rule, err);
	else
		password_make(made);
	if (status)
		return status;
	if (!json_is_string(field))
		password = cv_str_z(made);
	reg_keep_password(c, a);
	/* App passwords are bound to the salt, so they keep it. */
	bool keeps_salt = a->devices.n && a->secret.version;
	if (c->hashed && !keeps_salt)
		take_hashed(&a->secret, c->hashed);
	else
		status = password_hash(password, keeps_salt, &a->secret, err);
	if (status)
		return status;
	uint64_t hours = FIRST_PASSWORD_HOURS;
	bool given;
	status = reg_number(object, "expires_hours", 24 * 366, &hours, &given, err);
	a->must_change = reg_flag(object, "must_change", false);
	a->secret.version++;
	a->secret.changed_secs = cv_wall_secs();
	a->secret.expires_secs = a->must_change || given
		? a->secret.changed_secs + (int64_t)hours * 3600 : 0;
	return status;
}

/* ---- making one ---- */

static enum cv_status
fill_new(struct reg_call *c, json_t *object, struct reg_account *a, struct cv_err *err)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));
	if (json_object_get(object, "kind") && !parse_kind(kind, &a->kind))
		return cv_fail(err, CV_INVALID, "field 'kind' is person, agency, role, group or app");
	enum cv_status status = read_texts(c, object, a, err);
	if (status)
		return status;
	bool is_shared = a->kind == CV_KIND_AGENCY || a->kind == CV_KIND_ROLE;
	a->rank = 50;
	a->listed = *a->text[T_AGENCY] && (a->kind == CV_KIND_PERSON || is_shared);
	a->created_secs = a->state_secs = cv_wall_secs();
	status = read_numbers(object, a, err);
	if (!json_object_get(object, "quota"))
		a->quota_bytes = reg_class_quota(c->r, a);
	return status;
}

enum cv_status
reg_make_account(struct reg_call *c, json_t *object, bool with_password, struct reg_account **out,
                 char *password_out, struct cv_err *err)
{
	struct reg_account *a = reg_account_new();
	struct cv_str key = CV_STR_EMPTY;
	char made[24] = "";
	enum cv_status status = fill_new(c, object, a, err);
	if (!status)
		status = reg_check_scope(c, a->text[T_NAME], a->text[T_AGENCY], err);
	if (!status)
		status = choose_address(c, object, a, &key, err);
	if (!status) {
		reg_account_set(a, T_ADDRESS, key);
		if (!*a->text[T_NAME])
			reg_account_set(a, T_NAME, cv_str_sub(key, 0, cv_str_find(key, '@', 0)));
	}
	bool has_password = json_is_string(json_object_get(object, "password"));
	if (!status && (has_password || (with_password && reg_may_log_in(a))))
		status = set_password(c, object, a, made, err);
	if (status) {
		reg_account_free(a);
		return status;
	}
	struct reg_model *m = &c->r->model;
	a->acct = cv_acct(CV_CLASS_USER, m->next_number++);
	reg_model_add(m, a);
	reg_save_account(c, a);
	reg_save_address(c, key, REG_PRIMARY, a->acct);
	reg_save_counter(c);
	if (a->secret.version)
		reg_save_secret(c, a);
	reg_want_box(c, a, true);
	if (a->mobile_consent)
		note_consent(c, a);
	if (password_out)
		memcpy(password_out, made, sizeof made);
	cv_wipe(made, sizeof made);
	*out = a;
	return CV_OK;
}

static json_t *
event_detail(struct reg_call *c, const struct reg_account *a)
{
	json_t *detail = json_pack("{s:s, s:s, s:s}", "kind", reg_kind_words[a->kind], "name",
		a->text[T_NAME], "agency", a->text[T_AGENCY]);
	static const char *const carried[] = { "letter", "reason", "request_id", "successor",
		"notice_until", "forward_until" };
	for (size_t i = 0; i < CV_COUNT(carried); i++)
		if (json_is_string(json_object_get(c->request, carried[i])))
			json_object_set(detail, carried[i],
			                json_object_get(c->request, carried[i]));
	return detail;
}

static void
reply_account(struct reg_call *c, const struct reg_account *a)
{
	json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
	json_object_set_new(c->reply, "number", json_integer((json_int_t)(a->acct & NUMBER_MASK)));
}

/* {"address"?, "name" | "surname", "middle", "given", "agency", "department", "title", "rank",
 *  "kind", "role", "phone_office", "phone_mobile", "mobile_consent", "listed", "quota", "letter",
 *  "staff_id", "password"?, "no_password", "force", "allow_weak", "must_change", "expires_hours",
 *  "override", "reason"} -> {"address", "number", "password"?}
 * A password that was made is returned here, once. */
enum cv_status
reg_account_add(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	char made[24];
	bool with_password = !reg_flag(c->request, "no_password", false);
	enum cv_status status = reg_make_account(c, c->request, with_password, &a, made, err);
	if (!status)
		status = reg_check_request(c, a, err);
	if (!status)
		status = reg_commit(c, "account.add", a->text[T_ADDRESS], event_detail(c, a), err);
	if (!status) {
		reply_account(c, a);
		if (*made)
			json_object_set_new(c->reply, "password", json_string(made));
	}
	cv_wipe(made, sizeof made);
	return status;
}

/* Who says the current password may choose another one: CV_DENIED when it is wrong or over. */
static enum cv_status
check_current(struct reg_call *c, const struct reg_account *a, json_t *field, struct cv_err *err)
{
	struct cv_str current = cv_str(json_string_value(field), json_string_length(field));
	bool is_right = a->secret.version && a->state == CV_STATE_ACTIVE &&
	                password_check(a->secret.argon, current);
	if (!is_right)
		return reg_refuse(c, CV_DENIED, "the current password is wrong",
			"mật khẩu hiện tại không đúng", err);
	if (a->secret.expires_secs && cv_wall_secs() >= a->secret.expires_secs)
		return reg_refuse(c, CV_DENIED,
			"the first password was not changed in time: ask the agency's admin",
			"mật khẩu lần đầu không được đổi đúng hạn: hãy gặp quản trị của đơn vị",
			err);
	if (!json_is_string(json_object_get(c->request, "password")))
		return cv_fail(err, CV_INVALID, "a change of one's own names the new password");
	if (json_equal(field, json_object_get(c->request, "password")))
		return reg_refuse(c, CV_INVALID, "the new password is the current one",
			"mật khẩu mới trùng mật khẩu hiện tại", err);
	return CV_OK;
}

/* {"address", "current"?, "password"?, "force", "allow_weak", "must_change", "expires_hours"} ->
 * {"password"?} */
enum cv_status
reg_account_passwd(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	char made[24] = "";
	json_t *current = json_object_get(c->request, "current");
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (!status && json_is_string(current))
		status = check_current(c, a, current, err);
	if (!status)
		status = reg_count_reset(c, a, err);
	if (!status)
		status = set_password(c, c->request, a, made, err);
	if (!status) {
		reg_save_secret(c, a);
		reg_save_account(c, a);
		status = reg_commit(c, "account.passwd", a->text[T_ADDRESS], event_detail(c, a),
		                    err);
	}
	if (!status) {
		reply_account(c, a);
		if (*made)
			json_object_set_new(c->reply, "password", json_string(made));
	}
	cv_wipe(made, sizeof made);
	return status;
}

/* ---- states ---- */

static enum cv_status
change_state(struct reg_call *c, enum cv_reg_state from_a, enum cv_reg_state from_b,
             enum cv_reg_state to, const char *action, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (status)
		return status;
	reply_account(c, a);
	/* Who is locked out while on leave is no longer let in at its end. */
	bool stays_off = to == CV_STATE_SUSPENDED && reg_stay_off(c, a);
	json_object_set_new(c->reply, "changed", json_boolean(a->state != to || stays_off));
	if (a->state == to && !stays_off)
		return CV_OK;
	if (a->state != to && a->state != from_a && a->state != from_b)
		return cv_fail(err, CV_DENIED, "%s is %s", a->text[T_ADDRESS],
		               reg_state_words[a->state]);
	if (a->state != to) {
		a->state = to;
		a->state_secs = cv_wall_secs();
		reg_save_account(c, a);
	}
	if (to == CV_STATE_ACTIVE && reg_fact(c, a, "unused"))
		reg_set_fact(c, a, "unused", NULL);
	return reg_commit(c, action, a->text[T_ADDRESS], event_detail(c, a), err);
}

enum cv_status
reg_account_suspend(struct reg_call *c, struct cv_err *err)
{
	return change_state(c, CV_STATE_ACTIVE, CV_STATE_ACTIVE, CV_STATE_SUSPENDED,
	                    "account.suspend", err);
}

/* One whose time was up (ACC-11) comes back by another last day alone. */
enum cv_status
reg_account_resume(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (status)
		return status;
	if (json_is_true(json_object_get(reg_fact(c, a, "expires"), "ended")))
		return reg_refuse(c, CV_DENIED,
			"the time of this account is up: account.expire with another last day lets "
			"it in again",
			"tài khoản đã hết thời hạn: hãy gia hạn (account.expire) để sử dụng lại", err);
	return change_state(c, CV_STATE_SUSPENDED, CV_STATE_SUSPENDED, CV_STATE_ACTIVE,
		"account.resume", err);
}

static enum cv_status
retire_again(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	bool changed = false;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (!status && a->state != CV_STATE_RETIRED)
		return CV_NOT_FOUND;
	if (!status)
		status = reg_retire_route(c, a, &changed, err);
	if (!status)
		status = reg_leaving(c, a, false, err);
	if (status)
		return status;
	reply_account(c, a);
	json_object_set_new(c->reply, "changed", json_boolean(c->put_count > 0));
	return c->put_count ? reg_commit(c, "account.retire", a->text[T_ADDRESS],
	                                 event_detail(c, a), err) : CV_OK;
}

/* {"address", "reason"?, "successor"?, "notice_until"?, "forward_until"?, "handover"?, "on"?}
 * For good: no log-in, no mail, and nobody else ever gets the address. Senders are told of the
 * successor, or it gets the mail, for a time; both can be changed later by the same request. */
enum cv_status
reg_account_retire(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	bool changed = false;
	enum cv_status status = retire_again(c, err);
	if (status != CV_NOT_FOUND)
		return status;
	status = reg_account_field(c, "address", &a, err);
	if (!status)
		status = reg_retire_route(c, a, &changed, err);
	if (!status)
		status = reg_leaving(c, a, true, err);
	if (status)
		return status;
	return change_state(c, CV_STATE_ACTIVE, CV_STATE_SUSPENDED, CV_STATE_RETIRED,
	                    "account.retire", err);
}

/* {"address", any field of account.add but kind, address and password} -> {"changed"} */
enum cv_status
reg_account_change(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	bool changed = false;
	const char *agency = "";
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (!status) {
		agency = cv_arena_z(&c->arena, cv_str_z(a->text[T_AGENCY]));
		status = reg_update_account(c, c->request, a, &changed, err);
	}
	if (status)
		return status;
	reply_account(c, a);
	json_object_set_new(c->reply, "changed", json_boolean(changed));
	if (!changed)
		return CV_OK;
	json_t *ended = reg_admin_left(c, a, agency);
	status = reg_commit(c, "account.set", a->text[T_ADDRESS], event_detail(c, a), err);
	if (!status)
		return reg_admin_note_left(c, a, ended, err);
	json_decref(ended);
	return status;
}

/* ---- reading ---- */

json_t *
reg_account_json(const struct reg_account *a)
{
	json_t *o = json_pack("{s:I, s:s, s:s, s:i, s:b, s:b, s:b, s:b, s:I, s:I}",
		"number", (json_int_t)(a->acct & NUMBER_MASK), "kind", reg_kind_words[a->kind],
		"state", reg_state_words[a->state], "rank", (int)a->rank, "listed", a->listed,
		"mobile_consent", a->mobile_consent, "must_change", a->must_change,
		"has_password", a->secret.version > 0, "quota", (json_int_t)a->quota_bytes,
		"created", (json_int_t)a->created_secs);
	for (size_t i = 0; i < T_COUNT; i++)
		json_object_set_new(o, reg_texts[i].json, json_string(a->text[i]));
	return o;
}

struct filter {
	struct cv_str agency, kind, state, query;
};

static bool
passes(const struct reg_account *a, const struct filter *f)
{
	if (f->agency.n && !cv_str_eq_z(f->agency, a->text[T_AGENCY]))
		return false;
	if (f->kind.n && !cv_str_eq_z(f->kind, reg_kind_words[a->kind]))
		return false;
	if (f->state.n && !cv_str_eq_z(f->state, reg_state_words[a->state]))
		return false;
	return !f->query.n || cv_fold_contains(cv_str_z(a->text[T_NAME]), f->query) ||
		cv_fold_contains(cv_str_z(a->text[T_ADDRESS]), f->query);
}

/* {"agency"?, "kind"?, "state"?, "find"? (or "query"), "offset"?, "limit"?} -> {"total",
 * "accounts": [...]} */
enum cv_status
reg_account_list(struct reg_call *c, struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	struct filter f;
	struct cv_str query;
	uint64_t offset = 0, limit = LIST_MAX, total = 0;
	bool given;
	enum cv_status status = reg_field(c, c->request, "agency", 12, &f.agency, err);
	status = status ? status : reg_field(c, c->request, "kind", 20, &f.kind, err);
	status = status ? status : reg_field(c, c->request, "state", 20, &f.state, err);
	const char *find = json_object_get(c->request, "find") ? "find" : "query";
	status = status ? status : reg_field(c, c->request, find, 200, &query, err);
	status = status ? status
	                : reg_number(c->request, "offset", INT32_MAX, &offset, &given, err);
	status = status ? status : reg_number(c->request, "limit", LIST_MAX, &limit, &given, err);
	if (status)
		return status;
	struct cv_buf folded = CV_BUF_INIT(1024);
	(void)cv_fold(query, &folded);
	f.query = cv_buf_view(&folded);
	json_t *list = json_array();
	for (size_t i = 0; i < m->count; i++) {
		if (!passes(m->accounts[i], &f) ||
		    !reg_in_scope(c, m->accounts[i]->text[T_AGENCY]))
			continue;
		if (total >= offset && total - offset < limit)
			json_array_append_new(list, reg_account_json(m->accounts[i]));
		total++;
	}
	cv_buf_done(&folded);
	json_object_set_new(c->reply, "total", json_integer((json_int_t)total));
	json_object_set_new(c->reply, "accounts", list);
	return CV_OK;
}

static json_t *
address_list(const struct reg_model *m, const struct reg_list *l)
{
	json_t *list = json_array();
	for (size_t i = 0; i < l->n; i++) {
		const struct reg_account *a = reg_model_find(m, l->items[i]);
		if (a)
			json_array_append_new(list, json_string(a->text[T_ADDRESS]));
	}
	return list;
}

void
reg_put_use(struct reg_call *c, const struct reg_account *a, json_t *o)
{
	struct cv_acct *box;
	struct cv_err none;
	cv_ticket ticket;
	if (a->kind == CV_KIND_GROUP ||
	    cv_acct_open(c->r->store, a->acct, false, &box, &ticket, &none))
		return;
	struct cv_quota q;
	cv_acct_quota(box, &q);
	cv_acct_close(box);
	json_object_set_new(o, "used_bytes", json_integer((json_int_t)q.used_bytes));
	json_object_set_new(o, "used_messages", json_integer((json_int_t)q.used_messages));
}

json_t *
reg_account_whole(struct reg_call *c, struct reg_account *a)
{
	const struct reg_model *m = &c->r->model;
	json_t *o = reg_account_json(a), *aliases = json_array(), *holds = json_array();
	json_t *former = json_array();
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&m->addresses, &pos, &key, &value);) {
		const struct reg_address *address = value;
		if (address->acct == a->acct && address->type == REG_ALIAS)
			json_array_append_new(aliases, json_stringn(key.p, key.n));
		else if (address->acct == a->acct && address->type == REG_HISTORY)
			json_array_append_new(former, json_stringn(key.p, key.n));
	}
	static const char *const facts[] = { "leave", "unused" };
	json_object_set_new(o, "second_factor", json_string(reg_second_state(c, a)));
	for (size_t i = 0; i < CV_COUNT(facts); i++)
		if (reg_fact(c, a, facts[i]))
			json_object_set_new(
				o, facts[i], json_deep_copy(reg_fact(c, a, facts[i])));
	json_object_set_new(o, "former", former);
	json_object_set_new(o, "state_since", json_integer((json_int_t)a->state_secs));
	json_object_set_new(
		o, "password_changed", json_integer((json_int_t)a->secret.changed_secs));
	json_object_set_new(
		o, "password_expires", json_integer((json_int_t)a->secret.expires_secs));
	for (size_t i = 0; i < m->count; i++)
		if (reg_list_has(&m->accounts[i]->members, a->acct))
			json_array_append_new(holds, json_string(m->accounts[i]->text[T_ADDRESS]));
	json_object_set_new(o, "aliases", aliases);
	json_object_set_new(o, "member_of", holds);
	json_object_set_new(o, "members", address_list(m, &a->members));
	json_object_set_new(o, "delegates", address_list(m, &a->delegates));
	json_object_set_new(o, "delegated", reg_delegates_json(m, a));
	reg_route_json(c, a, o);
	return o;
}

/* {"address"} -> the account with aliases, members (or holders), delegates, boxes it holds, use. */
enum cv_status
reg_account_show(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (status)
		return status;
	json_t *o = reg_account_whole(c, a);
	reg_put_use(c, a, o);
	const json_t *consent = reg_fact(c, a, "consent");
	if (consent)
		json_object_set_new(o, "consent", json_deep_copy(consent));
	json_object_set_new(c->reply, "account", o);
	return CV_OK;
}
