/* plan.c - see plan.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/reorganise/plan.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/buf.h"
#include "common/text/charset.h"
#include "common/text/fold.h"

#define LINES_MAX    20000
#define LINE_MAX     4000u
#define ACTS_MAX     2000u
#define PROBLEMS_MAX 200u
#define ITEMS_MAX    20000u

/* ---- the words of a plan, folded ---- */

enum section {
	S_PLAN, S_MERGE, S_SPLIT, S_RENAME, S_MOVE, S_DISSOLVE, S_DOMAIN, S_ADDRESS, S_TITLE,
	S_COUNT
};
#define IN(section) (1u << (section))
#define MAKING      (IN(S_MERGE) | IN(S_SPLIT) | IN(S_RENAME))
#define CLOSING     (IN(S_PLAN) | IN(S_MERGE) | IN(S_DISSOLVE))

static const struct {
	const char *names; /* the first is how people write it */
	const char *act;   /* NULL: the plan itself */
} sections[S_COUNT] = {
	[S_PLAN] = {"kế hoạch|plan", NULL},
	[S_MERGE] = {"sáp nhập|nhap|hop nhat|merge", "merge"},
	[S_SPLIT] = {"tách|chia tach|split", "split"},
	[S_RENAME] = {"đổi tên|rename", "rename"},
	[S_MOVE] = {"chuyển|move", "move"},
	[S_DISSOLVE] = {"giải thể|dissolve", "dissolve"},
	[S_DOMAIN] = {"tên miền|domain", "domain"},
	[S_ADDRESS] = {"địa chỉ|address|addresses", "address"},
	[S_TITLE] = {"chức vụ|title|titles", "title"},
};

enum kind { K_TEXT, K_LIST, K_MONTHS, K_MAIL, K_HOLDERS, K_POOL, K_HEAD, K_BOXES };

static const struct key {
	const char *names, *field;
	unsigned in;
	enum kind kind;
} keys[] = {
	{"tên|title|name", "title", IN(S_PLAN), K_TEXT},
	{"căn cứ|ly do|reason", "reason", IN(S_PLAN), K_TEXT},
	{"giữ địa chỉ cũ|keep old addresses", "old_months", IN(S_PLAN), K_MONTHS},
	{"từ|cac don vi|from", "from", IN(S_MERGE), K_LIST},
	{"từ|don vi|from|unit", "unit", IN(S_SPLIT), K_TEXT},
	{"đơn vị|tu|unit", "unit", IN(S_RENAME) | IN(S_MOVE) | IN(S_DISSOLVE), K_TEXT},
	{"thành|into", "into", IN(S_MERGE) | IN(S_SPLIT), K_TEXT},
	{"chuyển về|ve|into", "into", IN(S_DISSOLVE), K_TEXT},
	{"mã mới|code|new code", "code", IN(S_RENAME), K_TEXT},
	{"tên|ten moi|name|new name", "name", MAKING, K_TEXT},
	{"loại|type", "type", MAKING, K_TEXT},
	{"trực thuộc|parent", "parent", MAKING, K_TEXT},
	{"vào|truc thuoc|under|parent", "parent", IN(S_MOVE), K_TEXT},
	{"thứ tự|rank", "rank", MAKING | IN(S_MOVE), K_TEXT},
	{"điện thoại|phone", "phone", MAKING, K_TEXT},
	{"trang thông tin|website", "website", MAKING, K_TEXT},
	{"trụ sở|location", "location", MAKING, K_TEXT},
	{"hạn mức chung|pool", "pool", IN(S_MERGE) | IN(S_DISSOLVE), K_POOL},
	{"đứng đầu|nguoi dung dau|head", "head", MAKING, K_HEAD},
	{"giữ hộp của|keep boxes of", "boxes_of", IN(S_MERGE), K_TEXT},
	{"hộp cũ|old boxes", "old_boxes", CLOSING, K_MAIL},
	{"người giữ hộp|holders", "holders", CLOSING, K_HOLDERS},
	{"quản trị|admins", "admins", CLOSING, K_HOLDERS},
	{"lập hộp|new boxes", "new_boxes", MAKING, K_BOXES},
	{"phòng|departments", "departments", IN(S_SPLIT), K_LIST},
	{"người|people", "people", IN(S_SPLIT), K_LIST},
	{"tên miền|domain", "domain", IN(S_DOMAIN), K_TEXT},
	{"bí danh của|alias of", "alias_of", IN(S_DOMAIN), K_TEXT},
};

/* What a value of that kind may say: word, then what the request says. */
static const struct {
	enum kind kind;
	const char *names, *means;
} words[] = {
	{K_MAIL, "để đọc|read", "read"},
	{K_MAIL, "chuyển|move", "move"},
	{K_HOLDERS, "tất cả|all", "all"},
	{K_HOLDERS, "giữ nguyên|keep", "keep"},
	{K_POOL, "cộng|sum", "sum"},
	{K_HEAD, "chưa có|none", "none"},
	{K_BOXES, "cơ quan|don vi|agency", "agency"},
	{K_BOXES, "văn thư|vanthu", "vanthu"},
	{K_BOXES, "tiếp công dân|tiepcongdan", "tiepcongdan"},
};

/* ---- reading ---- */

struct reader {
	json_t *request, *acts, *problems, *act; /* act: the section's, or NULL */
	enum section section;
	bool has_section;
	int line, act_line;
};

static void problem(struct reader *r, int line, const char *propose, const char *en,
	const char *vi, ...) CV_PRINTF(4, 6);

static void
problem(struct reader *r, int line, const char *propose, const char *en, const char *vi, ...)
{
	char text[2][700];
	va_list list, again;

	if (json_array_size(r->problems) >= PROBLEMS_MAX)
		return;
	va_start(list, vi);
	va_copy(again, list);
	vsnprintf(text[0], sizeof text[0], en, list);
	vsnprintf(text[1], sizeof text[1], vi, again);
	va_end(again);
	va_end(list);
	for (size_t i = 0; i < 2; i++) /* a cut may have split a letter */
		text[i][cv_utf8_cut(cv_str_z(text[i]), sizeof text[i] - 8).n] = 0;
	json_array_append_new(r->problems,
		json_pack("{s:i, s:s, s:s, s:s}", "line", line, "problem", text[0], "problem_vi",
			text[1], "propose", propose ? propose : ""));
}

/* TEXT folded, blanks made one. */
static void
fold(struct cv_str text, char *out, size_t size)
{
	struct cv_buf folded = CV_BUF_INIT(LINE_MAX * 3 + 16);
	size_t n = 0;

	(void)cv_fold(cv_str_trim(text), &folded);
	for (size_t i = 0; i < folded.n && n + 1 < size; i++) {
		char c = folded.p[i] == '\t' || folded.p[i] == '_' ? ' ' : folded.p[i];
		if (c != ' ' || (n && out[n - 1] != ' '))
			out[n++] = c;
	}
	out[n] = 0;
	cv_buf_done(&folded);
}

/* Is TEXT, folded, one of NAMES? */
static bool
is_one_of(const char *text, const char *names)
{
	struct cv_str rest = cv_str_z(names), name;
	char folded[200];

	while (cv_str_split(&rest, '|', &name)) {
		fold(name, folded, sizeof folded);
		if (!strcmp(text, folded))
			return true;
	}
	return false;
}

static void
first_name(const char *names, struct cv_buf *out)
{
	cv_buf_str(out, cv_str_sub(cv_str_z(names), 0, cv_str_find(cv_str_z(names), '|', 0)));
}

static void
begin_section(struct reader *r, struct cv_str name)
{
	char folded[200];

	fold(name, folded, sizeof folded);
	r->has_section = false;
	r->act_line = r->line;
	r->act = NULL;
	for (size_t i = 0; i < S_COUNT; i++) {
		if (!is_one_of(folded, sections[i].names))
			continue;
		r->has_section = true;
		r->section = (enum section)i;
		/* Each line of these two is an act of its own. */
		if (i == S_PLAN || i == S_ADDRESS || i == S_TITLE)
			return;
		r->act = json_pack("{s:s, s:i}", "act", sections[i].act, "line", r->line);
		json_array_append_new(r->acts, r->act);
		return;
	}
	struct cv_buf all = CV_BUF_INIT(1000);
	for (size_t i = 0; i < S_COUNT; i++) {
		cv_buf_z(&all, i ? ", [" : "[");
		first_name(sections[i].names, &all);
		cv_buf_c(&all, ']');
	}
	problem(r, r->line, NULL, "there is no section [%.*s]; there are %s",
		"không có mục [%.*s]; chỉ có %s", CV_STR_ARGS(name), all.p);
	cv_buf_done(&all);
}

static const struct key *
find_key(const struct reader *r, const char *folded)
{
	for (size_t i = 0; i < CV_COUNT(keys); i++)
		if ((keys[i].in & IN(r->section)) && is_one_of(folded, keys[i].names))
			return &keys[i];
	return NULL;
}

static void
unknown_key(struct reader *r, struct cv_str name)
{
	struct cv_buf all = CV_BUF_INIT(1000), section = CV_BUF_INIT(100);

	for (size_t i = 0; i < CV_COUNT(keys); i++) {
		if (!(keys[i].in & IN(r->section)))
			continue;
		cv_buf_z(&all, all.n ? ", " : "");
		first_name(keys[i].names, &all);
	}
	first_name(sections[r->section].names, &section);
	problem(r, r->line, NULL, "'%.*s' means nothing in [%s]; there are: %s",
		"'%.*s' không dùng trong [%s]; chỉ có: %s", CV_STR_ARGS(name), section.p, all.p);
	cv_buf_done(&all);
	cv_buf_done(&section);
}

/* The request's word for VALUE; NULL when no word of that kind is meant. */
static const char *
word_of(enum kind kind, struct cv_str value)
{
	char folded[200];

	fold(value, folded, sizeof folded);
	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (words[i].kind == kind && is_one_of(folded, words[i].names))
			return words[i].means;
	return NULL;
}

static void
bad_word(struct reader *r, const struct key *key, struct cv_str value)
{
	struct cv_buf all = CV_BUF_INIT(400), line = CV_BUF_INIT(400);

	first_name(key->names, &line);
	cv_buf_z(&line, " = ");
	for (size_t i = 0; i < CV_COUNT(words); i++) {
		if (words[i].kind != key->kind)
			continue;
		if (!all.n)
			first_name(words[i].names, &line);
		cv_buf_z(&all, all.n ? ", " : "");
		first_name(words[i].names, &all);
	}
	problem(r, r->line, line.p, "'%.*s' is none of: %s", "'%.*s' không phải một trong: %s",
		CV_STR_ARGS(value), all.p);
	cv_buf_done(&all);
	cv_buf_done(&line);
}

static void
put(struct reader *r, json_t *to, const char *field, json_t *value)
{
	if (json_object_get(to, field))
		problem(r, r->line, NULL, "said twice%s", "ghi hai lần%s", "");
	json_object_set_new(to, field, value);
}

/* "Một cửa" is the box motcua.<unit>. */
static json_t *
box_word(struct cv_str item)
{
	char folded[200];
	size_t n = 0;
	const char *word = word_of(K_BOXES, item);

	fold(item, folded, sizeof folded);
	for (size_t i = 0; folded[i]; i++)
		if (folded[i] != ' ')
			folded[n++] = folded[i];
	return word ? json_string(word) : json_stringn(folded, n);
}

static void
put_list(struct reader *r, json_t *to, const struct key *key, struct cv_str value)
{
	json_t *list = json_object_get(to, key->field);
	struct cv_str rest = value, item;

	if (!list) {
		list = json_array();
		json_object_set_new(to, key->field, list);
	}
	for (size_t i = 0, from = 0; i <= value.n; i++) {
		if (i < value.n && value.p[i] != ',' && value.p[i] != ';')
			continue;
		item = cv_str_trim(cv_str_sub(rest, from, i));
		from = i + 1;
		if (json_array_size(list) >= ITEMS_MAX) {
			problem(r, r->line, NULL, "more than %u names", "nhiều hơn %u tên",
				ITEMS_MAX);
			return;
		}
		if (item.n)
			json_array_append_new(list,
				key->kind == K_BOXES ? box_word(item)
						     : json_stringn(item.p, item.n));
	}
}

static void
put_months(struct reader *r, json_t *to, struct cv_str value)
{
	char folded[200], *unit;

	fold(value, folded, sizeof folded);
	unsigned long n = strtoul(folded, &unit, 10);
	while (*unit == ' ')
		unit++;
	bool years = !strcmp(unit, "nam") || !strcmp(unit, "years");
	if (unit == folded || n > 600 ||
		(!years && strcmp(unit, "thang") && strcmp(unit, "months") && *unit))
		problem(r, r->line, "giữ địa chỉ cũ = 24 tháng",
			"'%.*s' is no time: write months or years",
			"'%.*s' không phải thời hạn: hãy ghi số tháng hoặc năm",
			CV_STR_ARGS(value));
	else
		put(r, to, "old_months", json_integer((json_int_t)(years ? n * 12 : n)));
}

static void
put_value(struct reader *r, json_t *to, const struct key *key, struct cv_str value)
{
	const char *word = word_of(key->kind, value);

	switch (key->kind) {
	case K_LIST:
	case K_BOXES:
		put_list(r, to, key, value);
		break;
	case K_MONTHS:
		put_months(r, to, value);
		break;
	case K_MAIL:
	case K_HOLDERS:
		if (word)
			put(r, to, key->field, json_string(word));
		else
			bad_word(r, key, value);
		break;
	default:
		put(r, to, key->field,
			word ? json_string(word) : json_stringn(value.p, value.n));
	}
}

/* "old = new" and "who = title". */
static void
pair(struct reader *r, struct cv_str name, struct cv_str value)
{
	json_array_append_new(r->acts,
		json_pack("{s:s, s:i, s:s%, s:s%}", "act", sections[r->section].act, "line",
			r->line, "of", name.p, name.n, r->section == S_TITLE ? "title" : "new",
			value.p, value.n));
}

static void
read_pair(struct reader *r, struct cv_str line)
{
	char folded[200];
	size_t at = cv_str_find(line, '=', 0), colon = cv_str_find(line, ':', 0);

	at = at < line.n ? at : colon;
	struct cv_str name = cv_str_trim(cv_str_sub(line, 0, at));
	struct cv_str value = cv_str_trim(cv_str_sub(line, CV_MIN(at + 1, line.n), line.n));
	if (!r->has_section) {
		if (!r->act_line)
			problem(r, r->line, "[kế hoạch]", "a line before the first section%s",
				"dòng nằm trước mục đầu tiên%s", "");
		r->act_line = r->line; /* said once; below a section that is not there too */
		return;
	}
	if (at == line.n || !name.n || !value.n) {
		problem(r, r->line, NULL, "'%.*s' is not of the form key = value",
			"'%.*s' không có dạng: khóa = giá trị",
			CV_STR_ARGS(cv_utf8_cut(line, 200)));
		return;
	}
	if (r->section == S_ADDRESS || r->section == S_TITLE) {
		pair(r, name, value);
		return;
	}
	fold(name, folded, sizeof folded);
	const struct key *key = find_key(r, folded);
	if (key)
		put_value(r, r->section == S_PLAN ? r->request : r->act, key, value);
	else
		unknown_key(r, name);
}

static void
read_line(struct reader *r, struct cv_str line)
{
	if (!line.n || line.p[0] == '#' || line.p[0] == ';')
		return;
	if (line.n > LINE_MAX)
		problem(r, r->line, NULL, "a line of over %u bytes", "dòng dài quá %u byte",
			LINE_MAX);
	else if (line.p[0] == '[' && line.p[line.n - 1] == ']')
		begin_section(r, cv_str_trim(cv_str_sub(line, 1, line.n - 1)));
	else if (line.p[0] == '[')
		problem(r, r->line, NULL, "the section has no ]%s", "thiếu dấu ]%s", "");
	else
		read_pair(r, line);
}

json_t *
admin_plan_read(struct cv_str text, json_t *problems)
{
	struct reader r = {.request = json_pack("{s:s}", "do", "reorganise.apply"),
		.acts = json_array(),
		.problems = problems};
	struct cv_str line;

	json_object_set_new(r.request, "acts", r.acts);
	if (cv_str_has_prefix(text, "\xef\xbb\xbf"))
		text = cv_str_sub(text, 3, text.n);
	if (text.n > ADMIN_PLAN_BYTES_MAX || !cv_utf8_is_valid(text) ||
		cv_str_find(text, 0, 0) < text.n) {
		problem(&r, 1, NULL, "the plan is no UTF-8 text of at most 1 MB%s",
			"tệp kế hoạch không phải văn bản UTF-8 (tối đa 1 MB)%s", "");
		return r.request;
	}
	while (r.line < LINES_MAX && cv_str_split(&text, '\n', &line)) {
		r.line++;
		read_line(&r, cv_str_trim(line));
	}
	if (text.n && r.line >= LINES_MAX)
		problem(&r, r.line, NULL, "more than %d lines", "nhiều hơn %d dòng", LINES_MAX);
	if (!json_array_size(r.acts) && !json_array_size(problems))
		problem(&r, 1, "[sáp nhập]", "the plan has no acts%s",
			"kế hoạch chưa có việc nào%s", "");
	if (json_array_size(r.acts) > ACTS_MAX)
		problem(&r, r.line, NULL, "more than %u acts", "nhiều hơn %u việc", ACTS_MAX);
	return r.request;
}
