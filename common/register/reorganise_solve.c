/* reorganise_solve.c - the address of everybody after a plan, and which shared boxes are kept. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/reorganise.h"
#include "common/text/charset.h"

#define NUMBERS_MAX 9999u
#define ARCHIVE_PREFIX "luu-"

struct cv_str
reorg_domain_of(struct cv_str key)
{
	size_t at = key.n;
	while (at && key.p[at - 1] != '@')
		at--;
	return cv_str_sub(key, at, key.n);
}

/* The domain that addresses of DOMAIN are in after the plan. */
static struct cv_str
new_domain(const struct reorg *o, struct cv_str domain)
{
	for (size_t i = 0; i < o->domain_count; i++)
		if (o->domains[i].target.n && cv_str_eq(o->domains[i].name, domain))
			return o->domains[i].target;
	return domain;
}

static bool
is_shared(const struct reg_account *a)
{
	return a->kind == CV_KIND_ROLE || a->kind == CV_KIND_AGENCY || a->kind == CV_KIND_GROUP;
}

/* ---- an address in parts: "nvan" "2" ".stp" "lamgiang.example" ---- */

struct parts {
	struct cv_str base, stem, suffix, domain; /* base: stem and number */
};

static struct cv_str
strip_suffix(struct cv_str local, const char *code)
{
	size_t n = strlen(code);
	if (n && local.n > n + 1 && local.p[local.n - n - 1] == '.' &&
	    cv_str_eq_z(cv_str_sub(local, local.n - n, local.n), code))
		return cv_str_sub(local, 0, local.n - n - 1);
	return local;
}

/* The stem that a number is put behind: the name's, when the local part was made of it. */
static struct cv_str
stem_of(struct reorg *o, const struct reg_account *a, struct cv_str base)
{
	struct cv_buf local = CV_BUF_INIT(256);
	struct cv_err none = {0};
	struct cv_str stem = base;
	if (a->kind == CV_KIND_PERSON && *a->text[T_GIVEN] &&
	    !cv_name_local_part(o->c->r->name_template, cv_str_z(a->text[T_SURNAME]),
		    cv_str_z(a->text[T_MIDDLE]), cv_str_z(a->text[T_GIVEN]), CV_STR(""), 0, &local,
		    &none) &&
	    local.n < base.n && !memcmp(base.p, local.p, local.n)) {
		size_t digits = local.n;
		while (digits < base.n && cv_is_digit((unsigned char)base.p[digits]))
			digits++;
		if (digits == base.n)
			stem = cv_str_sub(base, 0, local.n);
	}
	cv_buf_done(&local);
	return stem;
}

static void
take_apart(struct reorg *o, const struct reorg_person *p, struct parts *out)
{
	struct cv_str key = cv_str_z(p->a->text[T_ADDRESS]);
	const char *code = p->a->text[T_AGENCY];
	out->domain = reorg_domain_of(key);
	struct cv_str local = cv_str_sub(key, 0, key.n - out->domain.n - 1);
	out->base = strip_suffix(local, code);
	out->suffix = cv_str_sub(local, out->base.n, local.n);
	if (*code && cv_str_eq_z(local, code)) {
		/* The unit's own: its code is all of the local part. */
		out->suffix = local;
		out->base = CV_STR("");
	}
	out->stem = stem_of(o, p->a, out->base);
}

/* What stands behind the stem: "" for a unit's own address. */
static struct cv_str
new_suffix(struct reorg *o, const struct reorg_person *p, const struct parts *parts)
{
	if (!parts->suffix.n || !p->to || p->to == p->from)
		return parts->suffix;
	return cv_arena_printf(o->arena, "%s%s", parts->base.n ? "." : "", p->to->code);
}

static const char *
put_together(struct reorg *o, struct cv_str base, unsigned number, struct cv_str suffix,
             struct cv_str domain)
{
	char digits[16] = "";
	if (number)
		snprintf(digits, sizeof digits, "%u", number);
	struct cv_str key = cv_arena_printf(o->arena, "%.*s%s%.*s@%.*s", CV_STR_ARGS(base),
		digits, CV_STR_ARGS(suffix), CV_STR_ARGS(domain));
	return cv_arena_z(o->arena, key);
}

/* Whose ADDRESS is, was, or will be, if not P's; NULL: it is free. */
static const char *
holder_of(struct reorg *o, const struct reorg_person *p, const char *address)
{
	struct cv_str key = cv_str_z(address);
	const struct reorg_person *other = cv_map_get(&o->taken, key);
	if (other)
		return other == p ? NULL : other->a->text[T_ADDRESS];
	const struct reg_address *there = cv_map_get(&o->m->addresses, key);
	if (!there || there->acct == p->a->acct)
		return NULL;
	const struct reg_account *a = reg_model_find(o->m, there->acct);
	return a ? a->text[T_ADDRESS] : address;
}

static void
take(struct reorg *o, struct reorg_person *p, const char *address)
{
	p->address = address;
	cv_map_put(&o->taken, cv_str_z(address), p);
}

/* ---- people and boxes whose address follows unit or domain ---- */

static bool
is_moved(const struct reorg *o, const struct reorg_person *p)
{
	struct cv_str domain = reorg_domain_of(cv_str_z(p->a->text[T_ADDRESS]));
	return p->to != p->from || !cv_str_eq(new_domain(o, domain), domain);
}

static void
find_address(struct reorg *o, struct reorg_person *p)
{
	struct parts parts;
	take_apart(o, p, &parts);
	struct cv_str suffix = new_suffix(o, p, &parts), domain = new_domain(o, parts.domain);
	const char *wanted = put_together(o, parts.base, 0, suffix, domain);
	if (!strcmp(wanted, p->a->text[T_ADDRESS]))
		return;
	if (cv_str_find(cv_str_z(wanted), '@', 0) > 64) {
		reorg_problem(o, p->to ? p->to->act : NULL, NULL,
			"the address of %s would be longer than 64 letters",
			"địa chỉ mới của %s sẽ dài quá 64 ký tự", p->a->text[T_ADDRESS]);
		return;
	}
	const char *holder = holder_of(o, p, wanted);
	if (!holder) {
		take(o, p, wanted);
		return;
	}
	p->wanted = wanted;
	p->because = holder;
	/* The number of a shared box would say nothing to anybody. */
	if (is_shared(p->a)) {
		const char *line = cv_arena_printf(o->arena, "[địa chỉ] %s = ...",
			p->a->text[T_ADDRESS]).p;
		reorg_problem(o, p->to ? p->to->act : NULL, line,
			"%s would become %s, which belongs to %s",
			"%s sẽ thành %s, nhưng địa chỉ này thuộc %s", p->a->text[T_ADDRESS],
			wanted, holder);
		return;
	}
	for (unsigned number = 2; number <= NUMBERS_MAX; number++) {
		const char *address = put_together(o, parts.stem, number, suffix, domain);
		if (!holder_of(o, p, address)) {
			take(o, p, address);
			return;
		}
	}
	reorg_problem(o, p->to ? p->to->act : NULL, NULL, "no free number for %s",
		"không còn số trống cho %s", p->a->text[T_ADDRESS]);
}

/* ---- shared boxes: one of a kind in each unit ---- */

/* "vanthu" of vanthu.stp, "" of the unit's own box; NULL: it follows no pattern. */
static const char *
role_word(struct reorg *o, const struct reorg_person *p)
{
	struct parts parts;
	if (!p->from)
		return NULL;
	take_apart(o, p, &parts);
	if (!parts.suffix.n)
		return NULL;
	return cv_arena_z(o->arena, parts.base);
}

static const char *
box_key(struct reorg *o, const struct reorg_person *p, const char *word)
{
	return cv_arena_printf(o->arena, "%s/%d/%s", p->to->code, (int)p->a->kind, word).p;
}

/* Is A kept rather than B: the box of the unit that the plan names, else of the one named first. */
static bool
is_before(const struct reorg_person *a, const struct reorg_person *b)
{
	const struct reorg_unit *chosen = a->to->boxes_of;
	if ((a->from == chosen) != (b->from == chosen))
		return a->from == chosen;
	if (a->from->order != b->from->order)
		return a->from->order < b->from->order;
	return a->a->acct < b->a->acct;
}

static void
check_decided(struct reorg *o, struct reorg_unit *u)
{
	const struct reorg_act *act = u->act;
	if (!u->chose_boxes)
		reorg_problem(o, act, cv_arena_printf(o->arena, "giữ hộp của = %s",
			u->boxes_of ? u->boxes_of->code : "...").p,
			"several units bring the same box to '%s': say whose is kept",
			"nhiều đơn vị có cùng loại hộp thư khi về '%s': hãy ghi giữ hộp của đơn vị nào",
			u->code);
	if (!u->chose_mail)
		reorg_problem(o, act, "hộp cũ = để đọc",
			"say what happens to the mail in the boxes that '%s' does not keep",
			"hãy ghi cách xử lý thư trong các hộp không giữ của '%s'", u->code);
	if (!u->chose_holders)
		reorg_problem(o, act, "người giữ hộp = tất cả",
			"say who holds the boxes of '%s': all, or keep",
			"hãy ghi ai giữ hộp của '%s': tất cả hay giữ nguyên", u->code);
	u->chose_boxes = u->chose_mail = u->chose_holders = true; /* said once */
}

static void
pair_boxes(struct reorg *o)
{
	struct cv_map kept;
	cv_map_init(&kept);
	for (size_t i = 0; i < o->m->count; i++) {
		struct reorg_person *p = &o->people[i], *other;
		const char *word = is_shared(p->a) && p->a->state != CV_STATE_RETIRED && p->to &&
			p->to->order ? role_word(o, p) : NULL;
		if (!word)
			continue;
		struct cv_str key = cv_str_z(box_key(o, p, word));
		other = cv_map_get(&kept, key);
		if (!other || is_before(p, other))
			cv_map_put(&kept, key, p);
		if (other && other != p && other->from != p->from) {
			check_decided(o, p->to);
			if (is_before(p, other))
				other->into = p;
			else
				p->into = other;
		}
	}
	cv_map_done(&kept);
	for (size_t i = 0; i < o->m->count; i++)
		while (o->people[i].into && o->people[i].into->into)
			o->people[i].into = o->people[i].into->into;
}

/* A box that is not kept stays readable under an address that nobody knows. */
static void
find_archive_address(struct reorg *o, struct reorg_person *p)
{
	struct cv_str key = cv_str_z(p->a->text[T_ADDRESS]), domain = reorg_domain_of(key);
	struct cv_str local = cv_str_sub(key, 0, key.n - domain.n - 1);
	struct cv_str base = cv_arena_printf(o->arena, ARCHIVE_PREFIX "%.*s", CV_STR_ARGS(local));
	domain = new_domain(o, domain);
	for (unsigned number = 0; number <= NUMBERS_MAX; number += number ? 1 : 2) {
		const char *address = put_together(o, base, number, CV_STR(""), domain);
		if (!holder_of(o, p, address)) {
			take(o, p, address);
			return;
		}
	}
}

/* ---- the order in which people come ---- */

static int
by_turn(const void *x, const void *y)
{
	const struct reorg_person *a = *(struct reorg_person *const *)x;
	const struct reorg_person *b = *(struct reorg_person *const *)y;
	/* Boxes first: what they are called is not for a number to decide. */
	if (is_shared(a->a) != is_shared(b->a))
		return is_shared(a->a) ? -1 : 1;
	size_t i = a->from ? a->from->order : 0, j = b->from ? b->from->order : 0;
	if (i != j)
		return i < j ? -1 : 1;
	return (a->a->acct > b->a->acct) - (a->a->acct < b->a->acct);
}

static void
find_addresses(struct reorg *o)
{
	size_t n = 0;
	struct reorg_person **turn =
		CV_ARENA_ARRAY(o->arena, struct reorg_person *, o->m->count + 1);
	for (size_t i = 0; i < o->m->count; i++) {
		struct reorg_person *p = &o->people[i];
		if (p->a->state != CV_STATE_RETIRED && !p->is_explicit && is_moved(o, p))
			turn[n++] = p;
	}
	if (n)
		qsort(turn, n, sizeof(struct reorg_person *), by_turn);
	for (size_t i = 0; i < n; i++) {
		if (turn[i]->into)
			find_archive_address(o, turn[i]);
		else
			find_address(o, turn[i]);
	}
	/* A kept box's rivals that stand where they stood get out of its way too. */
	for (size_t i = 0; i < o->m->count; i++)
		if (o->people[i].into && !o->people[i].address)
			find_archive_address(o, &o->people[i]);
	for (size_t i = 0; i < o->m->count; i++)
		if (o->people[i].address)
			cv_map_put(&o->changed, cv_str_z(o->people[i].a->text[T_ADDRESS]),
				&o->people[i]);
}

/* ---- names of boxes ---- */

/* "Văn thư UBND xã A" of a unit that is called otherwise now. */
static void
find_name(struct reorg *o, struct reorg_person *p)
{
	if (!p->from || !p->to || !p->from->old || !is_shared(p->a))
		return;
	struct cv_str name = cv_str_z(p->a->text[T_NAME]);
	struct cv_str old = cv_str_z(p->from->old->text[AG_NAME]);
	const char *now = p->to->now.text[AG_NAME];
	size_t at = old.n ? cv_str_search(name, old) : name.n;
	if (p->into) {
		struct cv_str text = cv_arena_printf(o->arena, "%s (hộp thư cũ)",
			p->a->text[T_NAME]);
		p->name = cv_arena_z(o->arena, cv_utf8_cut(text, reg_texts[T_NAME].max_bytes));
		return;
	}
	if (at >= name.n || cv_str_eq_z(old, now))
		return;
	struct cv_str text = cv_arena_printf(o->arena, "%.*s%s%.*s",
		CV_STR_ARGS(cv_str_sub(name, 0, at)), now,
		CV_STR_ARGS(cv_str_sub(name, at + old.n, name.n)));
	p->name = cv_arena_z(o->arena, cv_utf8_cut(text, reg_texts[T_NAME].max_bytes));
}

/* ---- heads ---- */

#define HEAD_RANK 29u

/* The highest rank of people in U from SOURCE; *first_out is one of them. */
static uint32_t
top_rank(const struct reorg *o, const struct reorg_unit *u, const struct reorg_unit *source,
         const struct reorg_person **first_out)
{
	uint32_t top = UINT32_MAX;
	for (size_t i = 0; i < o->m->count; i++) {
		const struct reorg_person *p = &o->people[i];
		if (p->a->kind != CV_KIND_PERSON || p->a->state == CV_STATE_RETIRED ||
		    p->to != u || p->from != source)
			continue;
		uint32_t rank = p->title ? reg_rank_of_title(p->title) : p->a->rank;
		if (rank < top) {
			top = rank;
			*first_out = p;
		}
	}
	return top;
}

static const char *
head_of(const struct reorg *o, const struct reorg_unit *u)
{
	size_t i;
	json_t *one;
	const char *found = NULL;
	json_array_foreach(o->heads, i, one)
		if (!strcmp(json_string_value(json_object_get(one, "unit")), u->code))
			found = json_string_value(json_object_get(one, "head"));
	return found;
}

/* Two units bring leaders of the same rank: who heads what they become? */
static void
check_head(struct reorg *o, struct reorg_unit *u)
{
	struct cv_str key;
	void *value;
	size_t leaders = 0;
	const struct reorg_person *first = NULL, *seen = NULL;
	const char *head = head_of(o, u);
	for (size_t pos = 0; cv_map_each(&o->units, &pos, &key, &value);) {
		const struct reorg_unit *source = value;
		bool is_source = source == u || (source->order && source->is_closed);
		if (is_source && top_rank(o, u, source, &seen) <= HEAD_RANK) {
			leaders++;
			if (!first || seen->from->order < first->from->order)
				first = seen;
		}
	}
	if (leaders > 1 && !head)
		reorg_problem(o, u->act, cv_arena_printf(o->arena, "đứng đầu = %s",
			first->a->text[T_ADDRESS]).p,
			"%zu units bring leaders to '%s': say who heads it, or none",
			"%zu đơn vị có lãnh đạo về '%s': hãy ghi ai đứng đầu, hoặc 'chưa có'", leaders,
			u->code);
}

static void
read_heads(struct reorg *o)
{
	size_t i;
	json_t *one;
	json_array_foreach(o->heads, i, one) {
		const char *head = json_string_value(json_object_get(one, "head"));
		struct reorg_act *act =
			&o->acts[json_integer_value(json_object_get(one, "act"))];
		struct reorg_unit *u = reorg_standing(cv_map_get(&o->units,
			cv_str_z(json_string_value(json_object_get(one, "unit")))));
		struct reg_account *a;
		struct cv_err err = {0};
		if (!strcmp(head, "none"))
			continue;
		if (reg_account_of(o->c, cv_str_z(head), &a, &err)) {
			reorg_problem(o, act, NULL, "no account %s", "không có tài khoản %s", head);
			continue;
		}
		const struct reorg_person *p = reorg_person_of(o, a->acct);
		if (!p || p->to != u || a->kind != CV_KIND_PERSON)
			reorg_problem(o, act, NULL, "%s is not a person in '%s' after this plan",
				"%s không phải người của '%s' sau khi sắp xếp", a->text[T_ADDRESS],
				u ? u->code : "");
		else
			json_object_set_new(one, "acct", json_integer((json_int_t)a->acct));
	}
}

static int
by_order(const void *x, const void *y)
{
	const struct reorg_unit *a = *(struct reorg_unit *const *)x;
	const struct reorg_unit *b = *(struct reorg_unit *const *)y;
	return (a->order > b->order) - (a->order < b->order);
}

static void
check_heads(struct reorg *o)
{
	struct cv_str key;
	void *value;
	size_t n = 0;
	struct reorg_unit **list =
		CV_ARENA_ARRAY(o->arena, struct reorg_unit *, o->units.used + 1);
	for (size_t pos = 0; cv_map_each(&o->units, &pos, &key, &value);)
		if (((struct reorg_unit *)value)->order && !((struct reorg_unit *)value)->is_closed)
			list[n++] = value;
	if (n)
		qsort(list, n, sizeof(struct reorg_unit *), by_order);
	for (size_t i = 0; i < n; i++)
		check_head(o, list[i]);
}

/* An administrator whose unit is closed: does he administer what follows it? */
static void
check_admins(struct reorg *o)
{
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&o->m->admins, &pos, &key, &value);) {
		const struct reg_admin *a = value;
		const struct reorg_unit *u =
			*a->agency ? cv_map_get(&o->units, cv_str_z(a->agency)) : NULL;
		struct reorg_unit *into = u && u->is_closed ? reorg_standing(u->into) : NULL;
		if (!into || into->chose_admins)
			continue;
		into->chose_admins = true; /* said once */
		reorg_problem(o, into->act, "quản trị = giữ nguyên",
			"%s administers '%s', which becomes a part of '%s': say whether he "
			"administers that (all, or keep)",
			"%s quản trị '%s', sẽ nhập vào '%s': hãy ghi có tiếp tục quản trị không (tất cả "
			"hay giữ nguyên)",
			a->name, a->agency, into->code);
	}
}

enum cv_status
reorg_solve(struct reorg *o, struct cv_err *err)
{
	(void)err;
	pair_boxes(o);
	find_addresses(o);
	for (size_t i = 0; i < o->m->count; i++)
		find_name(o, &o->people[i]);
	read_heads(o);
	check_heads(o);
	check_admins(o);
	return CV_OK;
}
