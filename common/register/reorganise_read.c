/* reorganise_read.c - the acts of a plan, as units, domains and who goes where. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdarg.h>

#include "common/register/reorganise.h"
#include "common/text/charset.h"
#include "common/text/domain.h"
#include "common/text/fold.h"

#define PARENTS_MAX 16u

const char *const reorg_words[] = {
	[REORG_MERGE] = "merge", [REORG_SPLIT] = "split", [REORG_RENAME] = "rename",
	[REORG_MOVE] = "move", [REORG_DISSOLVE] = "dissolve", [REORG_DOMAIN] = "domain",
	[REORG_ADDRESS] = "address", [REORG_TITLE] = "title", [REORG_KINDS] = NULL,
};

void
reorg_problem(struct reorg *o, const struct reorg_act *act, const char *propose, const char *en,
              const char *vi, ...)
{
	char text[2][600];
	va_list list, again;
	if (json_array_size(o->problems) >= REORG_PROBLEMS_MAX)
		return;
	va_start(list, vi);
	va_copy(again, list);
	vsnprintf(text[0], sizeof text[0], en, list);
	vsnprintf(text[1], sizeof text[1], vi, again);
	va_end(again);
	va_end(list);
	/* A cut may have split a letter. */
	for (size_t i = 0; i < 2; i++)
		text[i][cv_utf8_cut(cv_str_z(text[i]), sizeof text[i] - 8).n] = 0;
	json_array_append_new(o->problems, json_pack("{s:i, s:s, s:s, s:s, s:s}", "line",
		act ? act->line : 0, "act", act ? reorg_words[act->kind] : "", "problem", text[0],
		"problem_vi", text[1], "propose", propose ? propose : ""));
}

/* ---- fields ---- */

static const char *
field(struct reorg *o, const struct reorg_act *act, const char *name)
{
	struct cv_str text;
	struct cv_err err = {0};
	if (reg_field(o->c, act->object, name, 400, &text, &err)) {
		reorg_problem(o, act, NULL, "%s", "%s", err.text);
		return "";
	}
	return cv_arena_z(o->arena, text);
}

/* The texts of a list, or of one text. */
static const char **
field_list(struct reorg *o, const struct reorg_act *act, const char *name, size_t max,
           size_t *count_out)
{
	json_t *value = json_object_get(act->object, name), *item;
	size_t n = json_is_array(value) ? json_array_size(value) : json_is_string(value), i;
	const char **out = CV_ARENA_ARRAY(o->arena, const char *, CV_MIN(n, max) + 1);
	*count_out = 0;
	if (n > max) {
		reorg_problem(o, act, NULL, "more than %zu names", "nhiều hơn %zu tên", max);
		return out;
	}
	for (i = 0; i < n; i++) {
		struct cv_str text;
		item = json_is_array(value) ? json_array_get(value, i) : value;
		struct cv_str raw = cv_str(json_string_value(item), json_string_length(item));
		if (!json_is_string(item) || reg_clean(o->arena, raw, &text)) {
			reorg_problem(o, act, NULL, "field '%s' is no list of texts",
				"mục '%s' không phải danh sách", name);
			return out;
		}
		if (text.n)
			out[(*count_out)++] = cv_arena_z(o->arena, text);
	}
	return out;
}

/* ---- units ---- */

struct reorg_unit *
reorg_standing(struct reorg_unit *u)
{
	while (u && u->into)
		u = u->into;
	return u;
}

static struct cv_str
folded(struct reorg *o, const char *text)
{
	struct cv_buf out = CV_BUF_INIT(4096);
	(void)cv_fold(cv_str_z(text), &out);
	struct cv_str copy = cv_arena_str(o->arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return copy;
}

static bool
is_code(const char *s)
{
	size_t n = strlen(s);
	for (size_t i = 0; i < n; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') && !cv_is_digit((unsigned char)s[i]))
			return false;
	return n > 0 && n <= 12;
}

/* The standing unit with that code, or that name when only one has it. Several: NULL, and their
 * codes in SEVERAL. */
static struct reorg_unit *
look_up(struct reorg *o, const char *text, struct cv_buf *several)
{
	struct reorg_unit *u = cv_map_get(&o->units, cv_str_z(text)), *only = NULL;
	struct cv_str want = folded(o, text), key;
	void *value;
	if (u)
		return u;
	size_t found = 0;
	for (size_t pos = 0; cv_map_each(&o->units, &pos, &key, &value);) {
		u = value;
		if (u->is_closed || !cv_str_eq(folded(o, u->now.text[AG_NAME]), want))
			continue;
		only = u;
		cv_buf_printf(several, "%s%s", found++ ? ", " : "", u->code);
	}
	return found == 1 ? only : NULL;
}

/* The unit that TEXT names and that still stands; NULL after noting why not. */
static struct reorg_unit *
unit_of(struct reorg *o, const struct reorg_act *act, const char *text)
{
	struct cv_buf several = CV_BUF_INIT(2000);
	struct reorg_unit *u = *text ? look_up(o, text, &several) : NULL;
	const char *codes = cv_arena_z(o->arena, cv_buf_view(&several));
	cv_buf_done(&several);
	if (u && !u->is_closed)
		return u;
	if (u)
		reorg_problem(o, act, NULL, "unit '%s' is closed by line %d already",
			"đơn vị '%s' đã được giải quyết ở dòng %d", u->code,
			u->act ? u->act->line : 0);
	else if (!*text)
		reorg_problem(o, act, NULL, "the unit is missing%s", "thiếu tên đơn vị%s", "");
	else if (strchr(codes, ','))
		reorg_problem(o, act, codes, "several units are called '%s': write the code (%s)",
			"có nhiều đơn vị tên '%s': hãy ghi mã (%s)", text, codes);
	else
		reorg_problem(o, act, NULL, "no unit '%s'", "không có đơn vị '%s'", text);
	return NULL;
}

static struct reorg_unit *
add_unit(struct reorg *o, const char *code)
{
	struct reorg_unit *u = CV_ARENA_NEW(o->arena, struct reorg_unit);
	u->code = cv_arena_z(o->arena, cv_str_z(code));
	u->now.code = (char *)(uintptr_t)u->code;
	for (size_t i = 0; i < AG_COUNT; i++)
		u->now.text[i] = (char *)(uintptr_t)"";
	u->now.rank = 50;
	cv_map_put(&o->units, cv_str_z(u->code), u);
	return u;
}

static void
set_text(struct reorg *o, struct reorg_unit *u, enum reg_agency_text which, const char *text)
{
	u->now.text[which] = cv_arena_z(o->arena, cv_str_z(text));
	u->is_touched = true;
}

static void
note_order(struct reorg *o, struct reorg_unit *u)
{
	if (!u->order)
		u->order = ++o->orders;
}

/* The unit that a merger, a split or a renaming makes. NULL after noting why it cannot. */
static struct reorg_unit *
make_unit(struct reorg *o, const struct reorg_act *act, const char *code, const char *name)
{
	const char *after = cv_map_get(&o->m->closed, cv_str_z(code));
	const struct reorg_unit *there = cv_map_get(&o->units, cv_str_z(code));
	if (!is_code(code)) {
		reorg_problem(o, act, "mã mới = ...",
			"'%s' is no code of a unit: 1 to 12 letters a-z or digits",
			"'%s' không phải mã đơn vị: 1 đến 12 chữ a-z hoặc số", code);
		return NULL;
	}
	if (after || there) {
		reorg_problem(o, act, NULL, "the code '%s' was another unit's; a code is never given again",
			"mã '%s' đã từng cấp cho đơn vị khác; không dùng lại mã", code);
		return NULL;
	}
	if (!*name) {
		reorg_problem(o, act, "tên = ...", "the new unit '%s' needs a name",
			"đơn vị mới '%s' cần có tên", code);
		return NULL;
	}
	struct reorg_unit *u = add_unit(o, code);
	set_text(o, u, AG_NAME, name);
	u->act = act;
	return u;
}

/* Would U stand below itself under PARENT? */
static bool
is_below(struct reorg *o, const struct reorg_unit *u, const char *parent)
{
	for (unsigned depth = 0; *parent && depth <= PARENTS_MAX; depth++) {
		const struct reorg_unit *p =
			reorg_standing(cv_map_get(&o->units, cv_str_z(parent)));
		if (p == u)
			return true;
		parent = p ? p->now.text[AG_PARENT] : "";
	}
	return *parent != 0;
}

static void
read_parent(struct reorg *o, const struct reorg_act *act, struct reorg_unit *u, const char *text)
{
	if (!*text)
		return;
	if (!strcmp(text, "-")) {
		set_text(o, u, AG_PARENT, "");
		return;
	}
	struct reorg_unit *parent = unit_of(o, act, text);
	if (!parent)
		return;
	if (is_below(o, u, parent->code))
		reorg_problem(o, act, NULL, "unit '%s' would stand below itself",
			"đơn vị '%s' sẽ trực thuộc chính nó", u->code);
	else
		set_text(o, u, AG_PARENT, parent->code);
}

/* What an act says of the unit that comes out of it. */
static void
read_facts(struct reorg *o, const struct reorg_act *act, struct reorg_unit *u)
{
	static const struct {
		const char *field;
		enum reg_agency_text which;
	} rows[] = { { "name", AG_NAME }, { "type", AG_TYPE }, { "phone", AG_PHONE },
		{ "website", AG_WEBSITE }, { "location", AG_LOCATION } };
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const char *text = field(o, act, rows[i].field);
		if (strlen(text) > reg_agency_texts[rows[i].which].max_bytes)
			reorg_problem(o, act, NULL, "field '%s' is too long", "mục '%s' quá dài",
				rows[i].field);
		else if (*text)
			set_text(o, u, rows[i].which, text);
	}
	read_parent(o, act, u, field(o, act, "parent"));
	uint64_t rank = u->now.rank;
	bool given;
	struct cv_err err = {0};
	if (reg_number(act->object, "rank", 1000000, &rank, &given, &err))
		reorg_problem(o, act, NULL, "%s", "%s", err.text);
	u->is_touched |= given;
	u->now.rank = (uint32_t)rank;
	u->act = act;
	const char *head = field(o, act, "head");
	if (*head)
		json_array_append_new(o->heads, json_pack("{s:s, s:s, s:I}", "unit", u->code,
			"head", head, "act", (json_int_t)(act - o->acts)));
	size_t n;
	const char **roles = field_list(o, act, "new_boxes", 20, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(o->new_boxes, json_pack("{s:s, s:s, s:I}", "unit", u->code,
			"role", roles[i], "act", (json_int_t)(act - o->acts)));
}

/* ---- who goes where ---- */

struct reorg_person *
reorg_person_of(struct reorg *o, uint64_t acct)
{
	size_t low = 0, high = o->m->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (o->m->accounts[mid]->acct == acct)
			return &o->people[mid];
		if (o->m->accounts[mid]->acct < acct)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static struct reorg_person *
person_of(struct reorg *o, const struct reorg_act *act, const char *address)
{
	struct reg_account *a;
	struct cv_err err = {0};
	if (reg_account_of(o->c, cv_str_z(address), &a, &err)) {
		reorg_problem(o, act, NULL, "no account %s", "không có tài khoản %s", address);
		return NULL;
	}
	return reorg_person_of(o, a->acct);
}

/* Everybody and everything of F belongs to INTO. */
static void
close_unit(struct reorg *o, const struct reorg_act *act, struct reorg_unit *f,
           struct reorg_unit *into)
{
	struct cv_str key;
	void *value;
	note_order(o, f);
	f->is_closed = true;
	f->into = into;
	f->act = act;
	for (size_t i = 0; i < o->m->count; i++)
		if (o->people[i].to == f)
			o->people[i].to = into;
	if (into && !strcmp(into->now.text[AG_PARENT], f->code))
		set_text(o, into, AG_PARENT, f->now.text[AG_PARENT]);
	for (size_t pos = 0; cv_map_each(&o->units, &pos, &key, &value);) {
		struct reorg_unit *u = value;
		if (!u->is_closed && u != into && !strcmp(u->now.text[AG_PARENT], f->code)) {
			set_text(o, u, AG_PARENT, into ? into->code : "");
			u->act = u->act ? u->act : act;
		}
	}
}

static void
ask_for(struct reorg *o, const struct reorg_act *act, enum reg_agency_text which,
        const struct reorg_unit *first, const struct reorg_unit *into)
{
	const char *text = first->now.text[which];
	struct cv_str line = cv_arena_printf(o->arena, "%s = %s",
		which == AG_TYPE ? "loại" : "trực thuộc", *text ? text : "-");
	reorg_problem(o, act, line.p, "the units differ in '%s': say which '%s' gets",
		"các đơn vị khác nhau ở mục '%s': hãy ghi rõ cho '%s'",
		reg_agency_texts[which].json, into->code);
}

/* What the units that go have to say to the one that comes: type, parent and rank where it has
 * none, the pool. */
static void
inherit(struct reorg *o, const struct reorg_act *act, struct reorg_unit **from, size_t n,
        struct reorg_unit *into, bool is_new)
{
	static const enum reg_agency_text same[] = { AG_TYPE, AG_PARENT };
	for (size_t k = 0; is_new && k < CV_COUNT(same); k++) {
		const char *text = from[0]->now.text[same[k]];
		for (size_t i = 1; i < n && text; i++)
			if (strcmp(from[i]->now.text[same[k]], text))
				text = NULL;
		if (text)
			set_text(o, into, same[k], text);
		else if (!*field(o, act, reg_agency_texts[same[k]].json))
			ask_for(o, act, same[k], from[0], into);
	}
	for (size_t i = 0; is_new && i < n; i++)
		into->now.rank = i ? CV_MIN(into->now.rank, from[i]->now.rank) : from[i]->now.rank;
}

static void
read_pool(struct reorg *o, const struct reorg_act *act, struct reorg_unit **from, size_t n,
          struct reorg_unit *into)
{
	uint64_t sum = into->now.pool_bytes, given_bytes = 0;
	bool closes_one = false, given = false;
	struct cv_err err = {0};
	for (size_t i = 0; i < n; i++) {
		sum += from[i] == into ? 0 : from[i]->now.pool_bytes;
		closes_one |= from[i] != into && from[i]->now.pool_bytes;
	}
	const char *word = field(o, act, "pool");
	if (!strcmp(word, "sum"))
		into->now.pool_bytes = sum;
	else if (*word && reg_number(act->object, "pool", (uint64_t)1 << 50, &given_bytes, &given,
			&err))
		reorg_problem(o, act, "hạn mức chung = cộng", "%s", "%s", err.text);
	else if (given)
		into->now.pool_bytes = given_bytes;
	else if (closes_one)
		reorg_problem(o, act, "hạn mức chung = cộng",
			"a unit with a quota pool is closed: say what pool '%s' gets",
			"có đơn vị dùng hạn mức chung: hãy ghi hạn mức của '%s'", into->code);
	into->is_touched = true;
}

/* What happens to the boxes of the units that go, by the act or, for the whole plan, by the
 * request. */
static void
read_boxes(struct reorg *o, const struct reorg_act *act, struct reorg_unit **from, size_t n,
           struct reorg_unit *into)
{
	const char *boxes_of = field(o, act, "boxes_of");
	struct reorg_act whole = { .kind = act->kind, .line = act->line,
		.object = o->c->request };
	const char *mail = field(o, act, "old_boxes"), *holders = field(o, act, "holders");
	const char *admins = field(o, act, "admins");
	admins = *admins ? admins : field(o, &whole, "admins");
	into->chose_admins |= !strcmp(admins, "all") || !strcmp(admins, "keep");
	into->joins_admins = !strcmp(admins, "all");
	mail = *mail ? mail : field(o, &whole, "old_boxes");
	holders = *holders ? holders : field(o, &whole, "holders");
	into->chose_mail |= !strcmp(mail, "read") || !strcmp(mail, "move");
	into->moves_mail = !strcmp(mail, "move");
	into->chose_holders |= !strcmp(holders, "all") || !strcmp(holders, "keep");
	into->joins_holders = !strcmp(holders, "all");
	if (into->old && !*boxes_of) {
		into->boxes_of = into->boxes_of ? into->boxes_of : into;
		into->chose_boxes = true;
	}
	if (n == 1 && !into->boxes_of) {
		into->boxes_of = from[0];
		into->chose_boxes = true;
	}
	if (!*boxes_of)
		return;
	/* A unit that goes may be named here. */
	struct cv_buf several = CV_BUF_INIT(2000);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(from[i]->code, boxes_of) ||
		    cv_str_eq(folded(o, from[i]->now.text[AG_NAME]), folded(o, boxes_of)))
			into->boxes_of = from[i];
	cv_buf_done(&several);
	if (!into->boxes_of && !strcmp(into->code, boxes_of))
		into->boxes_of = into;
	into->chose_boxes = into->boxes_of != NULL;
	if (!into->boxes_of)
		reorg_problem(o, act, NULL, "'%s' is none of the units that are merged",
			"'%s' không nằm trong các đơn vị được sáp nhập", boxes_of);
}

/* ---- the acts ---- */

static size_t
units_of(struct reorg *o, const struct reorg_act *act, const char *name, struct reorg_unit ***out)
{
	size_t n, count = 0;
	const char **texts = field_list(o, act, name, REORG_UNITS_MAX, &n);
	struct reorg_unit **list = CV_ARENA_ARRAY(o->arena, struct reorg_unit *, n + 1);
	for (size_t i = 0; i < n; i++) {
		struct reorg_unit *u = unit_of(o, act, texts[i]);
		bool is_twice = false;
		for (size_t k = 0; k < count; k++)
			is_twice |= list[k] == u;
		if (u && is_twice)
			reorg_problem(o, act, NULL, "unit '%s' is named twice",
				"đơn vị '%s' được ghi hai lần", u->code);
		else if (u)
			list[count++] = u;
	}
	*out = list;
	if (!n)
		reorg_problem(o, act, "từ = ...", "no units to start from%s",
			"chưa ghi đơn vị nguồn%s", "");
	return count == n ? count : 0;
}

static void
merge(struct reorg *o, const struct reorg_act *act)
{
	struct reorg_unit **from;
	struct cv_buf several = CV_BUF_INIT(2000);
	size_t n = units_of(o, act, "from", &from);
	const char *text = field(o, act, "into"), *name = field(o, act, "name");
	if (n && !*text)
		reorg_problem(o, act, cv_arena_printf(o->arena, "thành = %s", from[0]->code).p,
			"the unit that they become is missing%s", "chưa ghi đơn vị mới%s", "");
	struct reorg_unit *into = n && *text ? look_up(o, text, &several) : NULL;
	bool is_new = !into;
	cv_buf_done(&several);
	if (into && into->is_closed)
		into = unit_of(o, act, text);
	else if (!into && n && *text)
		into = make_unit(o, act, text, name);
	if (!into || !n)
		return;
	note_order(o, into);
	if (is_new)
		inherit(o, act, from, n, into, true);
	read_boxes(o, act, from, n, into);
	read_pool(o, act, from, n, into);
	for (size_t i = 0; i < n; i++)
		if (from[i] != into)
			close_unit(o, act, from[i], into);
	read_facts(o, act, into);
}

static void
dissolve(struct reorg *o, const struct reorg_act *act)
{
	struct reorg_unit *u = unit_of(o, act, field(o, act, "unit"));
	const char *text = field(o, act, "into");
	size_t people = 0;
	if (!u)
		return;
	for (size_t i = 0; i < o->m->count; i++)
		people += o->people[i].to == u && o->people[i].a->state != CV_STATE_RETIRED;
	if (people && !*text) {
		reorg_problem(o, act, "chuyển về = ...",
			"unit '%s' still has %zu accounts: say where they go",
			"đơn vị '%s' còn %zu tài khoản: hãy ghi chuyển về đơn vị nào", u->code,
			people);
		return;
	}
	struct reorg_unit *into = *text ? unit_of(o, act, text) : NULL;
	if (into == u)
		reorg_problem(o, act, "chuyển về = ...", "unit '%s' cannot take its own people",
			"không thể chuyển về chính đơn vị '%s'", u->code);
	if (into == u || (*text && !into))
		return;
	if (into) {
		note_order(o, into);
		read_boxes(o, act, &u, 1, into);
		into->boxes_of = into;
		read_pool(o, act, &u, 1, into);
	}
	close_unit(o, act, u, into);
}

static bool
is_in(struct reorg *o, const char *text, const char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cv_str_eq(folded(o, text), folded(o, list[i])))
			return true;
	return false;
}

static void
move_department(struct reorg *o, const struct reorg_act *act, struct reorg_unit *from,
                struct reorg_unit *into, const char **departments, size_t n)
{
	for (size_t d = 0; d < n; d++) {
		size_t moved = 0;
		for (size_t i = 0; i < o->m->count; i++) {
			struct reorg_person *p = &o->people[i];
			if (p->to != from ||
			    !is_in(o, p->a->text[T_DEPARTMENT], &departments[d], 1))
				continue;
			p->to = into;
			moved++;
		}
		if (!moved)
			reorg_problem(o, act, NULL, "nobody in '%s' is in the department '%s'",
				"trong '%s' không có ai thuộc phòng '%s'", from->code,
				departments[d]);
	}
}

static void
split(struct reorg *o, const struct reorg_act *act)
{
	struct reorg_unit *from = unit_of(o, act, field(o, act, "unit"));
	struct cv_buf several = CV_BUF_INIT(2000);
	const char *text = field(o, act, "into");
	size_t departments, people;
	const char **department = field_list(o, act, "departments", 100, &departments);
	const char **person = field_list(o, act, "people", 20000, &people);
	if (from && !*text)
		reorg_problem(o, act, "thành = ...", "the unit that is made of '%s' is missing",
			"chưa ghi đơn vị tách ra từ '%s'", from->code);
	if (from && !departments && !people)
		reorg_problem(o, act, "phòng = ...",
			"say who leaves '%s': departments or people",
			"hãy ghi ai rời '%s': phòng hoặc người", from->code);
	struct reorg_unit *into = from && *text ? look_up(o, text, &several) : NULL;
	cv_buf_done(&several);
	bool is_new = !into;
	if (into && into->is_closed)
		into = unit_of(o, act, text);
	else if (!into && from && *text)
		into = make_unit(o, act, text, field(o, act, "name"));
	if (!into)
		return;
	note_order(o, from);
	note_order(o, into);
	if (is_new) {
		inherit(o, act, &from, 1, into, true);
		into->boxes_of = into;
		into->chose_boxes = true;
	}
	move_department(o, act, from, into, department, departments);
	for (size_t i = 0; i < people; i++) {
		struct reorg_person *p = person_of(o, act, person[i]);
		if (p && p->to != from && p->to != into)
			reorg_problem(o, act, NULL, "%s is not in '%s'", "%s không thuộc '%s'",
				p->a->text[T_ADDRESS], from->code);
		else if (p)
			p->to = into;
	}
	read_facts(o, act, into);
}

static void
rename_unit(struct reorg *o, const struct reorg_act *act)
{
	struct reorg_unit *u = unit_of(o, act, field(o, act, "unit"));
	const char *code = field(o, act, "code"), *name = field(o, act, "name");
	if (!u)
		return;
	if (!*code && !*name) {
		reorg_problem(o, act, "tên mới = ...", "neither a new name nor a new code for '%s'",
			"chưa ghi tên mới hoặc mã mới cho '%s'", u->code);
		return;
	}
	note_order(o, u);
	if (*code && strcmp(code, u->code)) {
		struct reorg_unit *into =
			make_unit(o, act, code, *name ? name : u->now.text[AG_NAME]);
		if (!into)
			return;
		for (size_t i = AG_PARENT; i < AG_COUNT; i++)
			into->now.text[i] = u->now.text[i];
		into->now.rank = u->now.rank;
		into->now.pool_bytes = u->now.pool_bytes;
		into->boxes_of = u;
		into->chose_boxes = into->chose_admins = into->joins_admins = true;
		note_order(o, into);
		close_unit(o, act, u, into);
		u = into;
	}
	read_facts(o, act, u);
}

static void
move_unit(struct reorg *o, const struct reorg_act *act)
{
	struct reorg_unit *u = unit_of(o, act, field(o, act, "unit"));
	if (u && !*field(o, act, "parent"))
		reorg_problem(o, act, "vào = ...", "where '%s' goes is missing",
			"chưa ghi chuyển '%s' vào đâu", u->code);
	if (u)
		read_facts(o, act, u);
}

static struct cv_str
domain_name(struct reorg *o, const struct reorg_act *act, const char *text)
{
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	struct cv_err err = {0};
	struct cv_str out = CV_STR("");
	if (cv_domain_to_ascii(cv_str_z(text), &ascii, &err) ||
	    !cv_domain_is_full(cv_buf_view(&ascii)))
		reorg_problem(o, act, NULL, "'%s' is not a whole domain name",
			"'%s' không phải tên miền đầy đủ", text);
	else
		out = cv_arena_str(o->arena, cv_buf_view(&ascii));
	cv_buf_done(&ascii);
	return out;
}

static void
domain(struct reorg *o, const struct reorg_act *act)
{
	const char *name = field(o, act, "domain"), *target = field(o, act, "alias_of");
	struct reorg_domain d = { .name = domain_name(o, act, name), .target = CV_STR(""),
		.act = act };
	if (*target)
		d.target = domain_name(o, act, target);
	if (!d.name.n || (*target && !d.target.n))
		return;
	const struct reg_domain *old = cv_map_get(&o->m->domains, d.name);
	const struct reg_domain *to = cv_map_get(&o->m->domains, d.target);
	bool to_is_new = false;
	for (size_t i = 0; i < o->domain_count; i++)
		to_is_new |= cv_str_eq(o->domains[i].name, d.target) && !o->domains[i].target.n;
	if (*target && !to && !to_is_new)
		reorg_problem(o, act, NULL, "no domain %s to be an alias of",
			"chưa có tên miền %s", target);
	else if ((to && *to->target) || cv_str_eq(d.name, d.target))
		reorg_problem(o, act, NULL, "%s cannot be the target of an alias domain",
			"%s không thể là đích của tên miền bí danh", target);
	else if (*target && cv_str_eq_z(d.name, o->m->default_domain))
		reorg_problem(o, act, NULL, "the default domain %s cannot become an alias",
			"tên miền mặc định %s không thể thành bí danh", name);
	else if (old && !*target)
		reorg_problem(o, act, NULL, "the domain %s is there already",
			"tên miền %s đã có", name);
	else if (!old || !cv_str_eq_z(d.target, old->target))
		o->domains[o->domain_count++] = d;
}

static void
address(struct reorg *o, const struct reorg_act *act)
{
	struct reorg_person *p = person_of(o, act, field(o, act, "of"));
	struct cv_str key;
	struct cv_err err = {0};
	if (!p)
		return;
	if (reg_address_key(o->c, cv_str_z(field(o, act, "new")), &key, &err)) {
		reorg_problem(o, act, NULL, "%s", "%s", err.text);
		return;
	}
	p->address = cv_arena_z(o->arena, key);
	p->is_explicit = true;
	/* Checked for being free with the others. */
	const struct reg_address *there = cv_map_get(&o->m->addresses, key);
	struct reorg_person *other = cv_map_get(&o->taken, key);
	if ((there && there->acct != p->a->acct) || (other && other != p))
		reorg_problem(o, act, NULL, "%s belongs, or belonged, to somebody",
			"%s đã thuộc về người khác", p->address);
	cv_map_put(&o->taken, key, p);
}

static void
title(struct reorg *o, const struct reorg_act *act)
{
	struct reorg_person *p = person_of(o, act, field(o, act, "of"));
	const char *text = field(o, act, "title");
	if (p && strlen(text) <= reg_texts[T_TITLE].max_bytes)
		p->title = text;
	else if (p)
		reorg_problem(o, act, NULL, "the title is too long: %s", "chức vụ quá dài: %s",
			text);
}

/* ---- all of them ---- */

static void
load(struct reorg *o)
{
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&o->m->agencies, &pos, &key, &value);) {
		const struct reg_agency *g = value;
		struct reorg_unit *u = add_unit(o, g->code);
		u->old = g;
		u->now = *g;
	}
	o->people = CV_ARENA_ARRAY(o->arena, struct reorg_person, o->m->count + 1);
	for (size_t i = 0; i < o->m->count; i++) {
		struct reorg_person *p = &o->people[i];
		p->a = o->m->accounts[i];
		p->from = p->to = cv_map_get(&o->units, cv_str_z(p->a->text[T_AGENCY]));
	}
}

static void
run_act(struct reorg *o, const struct reorg_act *act)
{
	static void (*const runs[])(struct reorg *o, const struct reorg_act *act) = {
		[REORG_MERGE] = merge, [REORG_SPLIT] = split, [REORG_RENAME] = rename_unit,
		[REORG_MOVE] = move_unit, [REORG_DISSOLVE] = dissolve, [REORG_DOMAIN] = domain,
		[REORG_ADDRESS] = address, [REORG_TITLE] = title,
	};
	runs[act->kind](o, act);
}

enum cv_status
reorg_read(struct reorg *o, struct cv_err *err)
{
	json_t *acts = json_object_get(o->c->request, "acts"), *object;
	size_t n = json_array_size(acts), i;
	if (!json_is_array(acts) || !n || n > REORG_ACTS_MAX)
		return cv_fail(err, CV_INVALID, "field 'acts' is a list of 1 to %d acts",
			REORG_ACTS_MAX);
	o->acts = CV_ARENA_ARRAY(o->arena, struct reorg_act, n);
	o->domains = CV_ARENA_ARRAY(o->arena, struct reorg_domain, n);
	json_array_foreach(acts, i, object) {
		const char *word = json_string_value(json_object_get(object, "act"));
		size_t kind = 0;
		while (word && reorg_words[kind] && strcmp(reorg_words[kind], word))
			kind++;
		if (!word || !reorg_words[kind])
			return cv_fail(err, CV_INVALID, "act %zu is of no known kind", i + 1);
		json_t *line = json_object_get(object, "line");
		o->acts[o->act_count++] = (struct reorg_act){ .kind = (enum reorg_kind)kind,
			.line = (int)json_integer_value(line), .object = object };
	}
	load(o);
	for (i = 0; i < n; i++)
		run_act(o, &o->acts[i]);
	return CV_OK;
}
