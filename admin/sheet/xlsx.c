/* xlsx.c - workbooks of ECMA-376: which sheets there are, shared strings, formats, cells. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "admin/sheet/sheet_impl.h"

#define SHEETS_MAX 256
#define STYLES_MAX 65536
#define MERGES_MAX 100000

struct tab {
	struct cv_str name, id, path;
	bool is_hidden;
};
struct format {
	uint32_t id;
	bool is_date;
	uint8_t zeros; /* "0000000000" pads to so many digits */
};
struct merge {
	uint32_t row, last_row, column;
};
struct book {
	const struct sheet_members *m;
	struct cv_arena *arena;
	struct tab tabs[SHEETS_MAX];
	size_t tab_count;
	bool is_1904;
	struct cv_str *strings;
	size_t string_count, string_cap, string_bytes;
	struct format *formats; /* own number formats */
	size_t format_count;
	struct format *styles;  /* of cells, by index */
	size_t style_count;
	bool in_cell_styles;

	/* while strings and cells are read */
	struct cv_buf text;
	bool takes_text;
	unsigned phonetic;      /* depth below an <rPh> */

	/* while cells are read */
	struct sheet_grid *g;
	size_t row, column, style;
	char type[12];
	bool has_formula, has_value;
	struct merge *merges;
	size_t merge_count;
};

static struct cv_str
keep(struct book *b, const char *text)
{
	return cv_arena_str(b->arena, cv_str_z(text ? text : ""));
}

/* ---- the workbook and its relations ---- */

static void
workbook_start(void *arg, struct sheet_xml *x, const char *name, const char **attrs)
{
	struct book *b = arg;

	(void)x;
	if (!strcmp(name, "workbookPr")) {
		const char *flag = sheet_attr(attrs, NULL, "date1904");
		b->is_1904 = flag && (!strcmp(flag, "1") || !strcmp(flag, "true"));
	} else if (!strcmp(name, "sheet") && b->tab_count < SHEETS_MAX) {
		struct tab *t = &b->tabs[b->tab_count++];
		const char *state = sheet_attr(attrs, NULL, "state");
		t->name = keep(b, sheet_attr(attrs, NULL, "name"));
		t->id = keep(b, sheet_attr(attrs, NULL, "id"));
		t->is_hidden = state && strcmp(state, "visible") != 0;
	}
}

/* TARGET is relative to xl/ unless it begins with a slash. */
static void
relation_start(void *arg, struct sheet_xml *x, const char *name, const char **attrs)
{
	struct book *b = arg;
	const char *id = sheet_attr(attrs, NULL, "Id");
	const char *target = sheet_attr(attrs, NULL, "Target");

	(void)x;
	if (strcmp(name, "Relationship") || !id || !target)
		return;
	for (size_t i = 0; i < b->tab_count; i++) {
		struct tab *t = &b->tabs[i];
		if (!cv_str_eq_z(t->id, id))
			continue;
		struct cv_buf path = CV_BUF_INIT(2000);
		if (target[0] != '/')
			cv_buf_z(&path, "xl/");
		cv_buf_z(&path, target + (target[0] == '/'));
		t->path = cv_arena_str(b->arena, cv_buf_view(&path));
		cv_buf_done(&path);
	}
}

/* ---- formats ---- */

/* ECMA-376 18.8.30, and the forms that East Asian locales give the same numbers. */
static bool
is_date_number(uint32_t id)
{
	return (id >= 14 && id <= 22) || (id >= 27 && id <= 36) || (id >= 45 && id <= 47) ||
	       (id >= 50 && id <= 58);
}

/* A code with a day, month, year, hour or second outside quotes, brackets and escapes. */
static struct format
format_of(uint32_t id, const char *code)
{
	struct format f = { .id = id };
	size_t zeros = 0;
	bool quoted = false, bracketed = false, plain = true;

	for (const char *c = code; *c && *c != ';'; c++) {
		if (*c == '"') {
			quoted = !quoted;
		} else if (*c == '\\' && c[1]) {
			c++;
		} else if (*c == '[' || *c == ']') {
			bracketed = *c == '[';
		} else if (!quoted && !bracketed && strchr("dmyhsDMYHS", *c)) {
			f.is_date = true;
		}
		zeros += *c == '0';
		plain = plain && *c == '0';
	}
	if (plain && zeros > 1 && zeros <= 15 && !strchr(code, ';'))
		f.zeros = (uint8_t)zeros;
	if (!strcmp(code, "General"))
		f.is_date = false;
	return f;
}

static void
style_start(void *arg, struct sheet_xml *x, const char *name, const char **attrs)
{
	struct book *b = arg;
	uint32_t id = (uint32_t)sheet_attr_number(attrs, NULL, "numFmtId", 0, 1000000);
	const char *code = sheet_attr(attrs, NULL, "formatCode");

	(void)x;
	if (!strcmp(name, "cellXfs")) {
		b->in_cell_styles = true;
	} else if (!strcmp(name, "numFmt") && code && b->format_count < STYLES_MAX) {
		b->formats = cv_realloc(b->formats, (b->format_count + 1) * sizeof *b->formats);
		b->formats[b->format_count++] = format_of(id, code);
	} else if (!strcmp(name, "xf") && b->in_cell_styles && b->style_count < STYLES_MAX) {
		struct format f = { .id = id, .is_date = is_date_number(id) };
		for (size_t i = 0; i < b->format_count; i++)
			if (b->formats[i].id == id)
				f = b->formats[i];
		b->styles = cv_realloc(b->styles, (b->style_count + 1) * sizeof *b->styles);
		b->styles[b->style_count++] = f;
	}
}

static void
style_end(void *arg, struct sheet_xml *x, const char *name)
{
	(void)x;
	if (!strcmp(name, "cellXfs"))
		((struct book *)arg)->in_cell_styles = false;
}

/* ---- texts ---- */

static void
take_text(void *arg, const char *p, size_t n)
{
	struct book *b = arg;

	if (b->takes_text && !b->phonetic)
		cv_buf_add(&b->text, p, n);
}

/* "_x000D_" stands for a control character (ECMA-376 22.4.2.4). */
static void
put_unescaped(struct cv_buf *out, struct cv_str text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned code = 0;
		bool is_escape = i + 7 <= text.n && !memcmp(text.p + i, "_x", 2) &&
				 text.p[i + 6] == '_';
		for (size_t k = i + 2; is_escape && k < i + 6; k++) {
			const char *digits = "0123456789abcdef";
			char c = (char)cv_lower((unsigned char)text.p[k]);
			const char *at = c ? strchr(digits, c) : NULL;
			is_escape = at != NULL;
			code = code * 16 + (at ? (unsigned)(at - digits) : 0);
		}
		if (is_escape && code && code < 0x80) {
			cv_buf_c(out, (char)code);
			i += 6;
		} else {
			cv_buf_c(out, text.p[i]);
		}
	}
}

static void
string_start(void *arg, struct sheet_xml *x, const char *name, const char **attrs)
{
	struct book *b = arg;

	(void)x;
	(void)attrs;
	if (!strcmp(name, "si"))
		cv_buf_reset(&b->text);
	else if (!strcmp(name, "rPh"))
		b->phonetic++;
	b->takes_text = !strcmp(name, "t");
}

static void
string_end(void *arg, struct sheet_xml *x, const char *name)
{
	struct book *b = arg;

	b->takes_text = false;
	if (!strcmp(name, "rPh"))
		b->phonetic--;
	if (strcmp(name, "si") != 0)
		return;
	b->string_bytes += b->text.n;
	if (b->string_count == ADMIN_SHEET_CELLS_MAX || b->string_bytes > ADMIN_SHEET_TEXT_MAX ||
		b->text.full) {
		(void)cv_fail(x->err, CV_LIMIT, "the file holds more texts than a list can");
		sheet_xml_fail(x, CV_LIMIT);
		return;
	}
	if (b->string_count == b->string_cap) {
		b->string_cap = b->string_cap ? b->string_cap * 2 : 1024;
		b->strings = cv_realloc(b->strings, b->string_cap * sizeof *b->strings);
	}
	b->strings[b->string_count++] = cv_arena_str(b->arena, cv_buf_view(&b->text));
}

/* ---- cells ---- */

/* "BC12" -> column 54, row 11. */
static bool
take_ref(const char *ref, size_t *row, size_t *column)
{
	uint64_t c = 0, r = 0;
	const char *at = ref;

	for (; *at >= 'A' && *at <= 'Z' && c < 100000; at++)
		c = c * 26 + (uint64_t)(*at - 'A' + 1);
	if (!c || c > 16384 || cv_str_u64(cv_str_z(at), 1048576, &r) != CV_OK || !r)
		return false;
	*row = (size_t)r - 1;
	*column = (size_t)c - 1;
	return true;
}

static void
take_merge(struct book *b, const char *ref)
{
	char first[24];
	size_t row, column, last_row, last_column;
	const char *colon = ref ? strchr(ref, ':') : NULL;

	if (!colon || (size_t)(colon - ref) >= sizeof first || b->merge_count == MERGES_MAX)
		return;
	memcpy(first, ref, (size_t)(colon - ref));
	first[colon - ref] = '\0';
	if (!take_ref(first, &row, &column) || !take_ref(colon + 1, &last_row, &last_column) ||
		last_row <= row || column >= ADMIN_SHEET_COLUMNS_MAX)
		return;
	b->merges = cv_realloc(b->merges, (b->merge_count + 1) * sizeof *b->merges);
	b->merges[b->merge_count++] = (struct merge){ (uint32_t)row, (uint32_t)last_row,
		(uint32_t)column };
}

static void
cell_start(void *arg, struct sheet_xml *x, const char *name, const char **attrs)
{
	struct book *b = arg;

	(void)x;
	if (!strcmp(name, "row")) {
		b->row = sheet_attr_number(attrs, NULL, "r", b->row + 2, 1048577) - 1;
		b->column = SIZE_MAX;
	} else if (!strcmp(name, "c")) {
		const char *ref = sheet_attr(attrs, NULL, "r"), *type;
		if (!ref || !take_ref(ref, &b->row, &b->column))
			b->column++;
		type = sheet_attr(attrs, NULL, "t");
		snprintf(b->type, sizeof b->type, "%s", type ? type : "n");
		b->style = sheet_attr_number(attrs, NULL, "s", 0, STYLES_MAX);
		b->has_formula = b->has_value = false;
		cv_buf_reset(&b->text);
	} else if (!strcmp(name, "f")) {
		b->has_formula = true;
	} else if (!strcmp(name, "rPh")) {
		b->phonetic++;
	} else if (!strcmp(name, "mergeCell")) {
		take_merge(b, sheet_attr(attrs, NULL, "ref"));
	}
	b->takes_text = !strcmp(name, "v") || !strcmp(name, "t");
	b->has_value = b->has_value || b->takes_text;
}

static void
put_plain_number(struct book *b, struct cv_str v, struct cv_buf *out)
{
	struct format f = b->style < b->style_count ? b->styles[b->style] : (struct format){ 0 };

	if (f.is_date && sheet_put_serial(out, v, b->is_1904))
		return;
	sheet_put_number(out, v);
	bool digits = out->n > 0;
	for (size_t i = 0; i < out->n; i++)
		digits = digits && cv_is_digit((unsigned char)out->p[i]);
	if (!digits || out->n >= f.zeros)
		return;
	struct cv_buf padded = CV_BUF_INIT(64);
	for (size_t i = out->n; i < f.zeros; i++)
		cv_buf_c(&padded, '0');
	cv_buf_str(&padded, cv_buf_view(out));
	cv_buf_reset(out);
	cv_buf_str(out, cv_buf_view(&padded));
	cv_buf_done(&padded);
}

static enum cv_status
put_value(struct book *b, struct cv_buf *out, struct cv_err *err)
{
	struct cv_str v = cv_buf_view(&b->text);
	char ref[24];
	uint64_t index;

	if (b->text.full)
		return cv_fail(err, CV_LIMIT, "%s has more than %u bytes",
			sheet_ref(b->row, b->column, ref), ADMIN_SHEET_CELL_MAX);
	if (!strcmp(b->type, "s")) {
		if (cv_str_u64(cv_str_trim(v), ADMIN_SHEET_CELLS_MAX, &index) != CV_OK ||
			index >= b->string_count)
			return cv_fail(err, CV_INVALID, "%s names a text that is not there",
				sheet_ref(b->row, b->column, ref));
		put_unescaped(out, b->strings[index]);
	} else if (!strcmp(b->type, "inlineStr") || !strcmp(b->type, "str")) {
		put_unescaped(out, v);
	} else if (!strcmp(b->type, "b")) {
		cv_buf_z(out, cv_str_eq_z(cv_str_trim(v), "1") ? "TRUE" : "FALSE");
	} else if (!strcmp(b->type, "d")) {
		if (!sheet_put_iso(out, cv_str_trim(v)))
			cv_buf_str(out, v);
	} else if (!strcmp(b->type, "n")) {
		put_plain_number(b, cv_str_trim(v), out);
	} else {
		cv_buf_str(out, v); /* an error such as #N/A */
	}
	return CV_OK;
}

static enum cv_status
put_cell(struct book *b, struct cv_err *err)
{
	struct cv_buf out = CV_BUF_INIT(ADMIN_SHEET_CELL_MAX * 2);
	char ref[24];

	/* A formula that gives "" has an empty value of type str. */
	if (b->has_formula && !b->text.n && strcmp(b->type, "str") != 0)
		return cv_fail(err, CV_INVALID,
			"%s is a formula without a stored value: open the file in an office "
			"program and save it",
			sheet_ref(b->row, b->column, ref));
	if (!b->has_value || (!b->text.n && strcmp(b->type, "b") != 0))
		return CV_OK;
	enum cv_status status = put_value(b, &out, err);
	if (status == CV_OK)
		status = sheet_put(b->g, b->row, b->column, cv_buf_view(&out), err);
	cv_buf_done(&out);
	return status;
}

static void
cell_end(void *arg, struct sheet_xml *x, const char *name)
{
	struct book *b = arg;

	b->takes_text = false;
	if (!strcmp(name, "rPh"))
		b->phonetic--;
	if (strcmp(name, "c") != 0)
		return;
	enum cv_status status = put_cell(b, x->err);
	if (status != CV_OK)
		sheet_xml_fail(x, status);
}

static enum cv_status
fill_merges(struct book *b, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	for (size_t i = 0; i < b->merge_count; i++) {
		const struct merge *m = &b->merges[i];
		struct cv_str text = sheet_at(b->g, m->row, m->column);
		size_t last = CV_MIN((size_t)m->last_row + 1, b->g->n);
		for (size_t r = m->row + 1; status == CV_OK && text.n && r < last; r++)
			if (!sheet_at(b->g, r, m->column).n)
				status = sheet_put(b->g, r, m->column, text, err);
	}
	return status;
}

static const struct sheet_xml_handlers cell_handlers = { cell_start, cell_end, take_text };

static enum cv_status
read_cells(struct book *b, const struct tab *t, struct cv_err *err)
{
	char path[200];

	snprintf(path, sizeof path, "%.*s", (int)CV_MIN(t->path.n, 150),
		t->path.p ? t->path.p : "");
	b->row = SIZE_MAX;
	b->merge_count = 0;
	enum cv_status status =
		sheet_xml_parse(sheet_member(b->m, t->path), path, &cell_handlers, b, err);
	return status == CV_OK ? fill_merges(b, err) : status;
}

/* ---- choosing ---- */

/* Whether the sheet holds anything, without keeping it. */
static void
probe_start(void *arg, struct sheet_xml *x, const char *name, const char **attrs)
{
	(void)attrs;
	if (strcmp(name, "v") && strcmp(name, "is"))
		return;
	*(bool *)arg = true;
	sheet_xml_fail(x, CV_EOF);
}

static bool
holds_something(struct book *b, const struct tab *t)
{
	static const struct sheet_xml_handlers probe = { probe_start, NULL, NULL };
	bool found = false;
	struct cv_err err;

	(void)!sheet_xml_parse(sheet_member(b->m, t->path), "", &probe, &found, &err);
	return found;
}

static enum cv_status
choose(struct book *b, struct cv_str name, const struct tab **out, struct cv_err *err)
{
	struct cv_buf names = CV_BUF_INIT(4000);
	size_t count = 0;

	*out = NULL;
	for (size_t i = 0; i < b->tab_count; i++) {
		const struct tab *t = &b->tabs[i];
		bool is_it = name.n ? cv_str_eq(t->name, name)
				    : !t->is_hidden && holds_something(b, t);
		if (is_it)
			*out = t;
		count += is_it;
		if (name.n || is_it) {
			cv_buf_z(&names, names.n ? ", " : "");
			cv_buf_str(&names, t->name);
		}
	}
	enum cv_status status = CV_OK;
	if (!*out || count > 1)
		status = sheet_fail_choice(*out ? CV_STR("") : name, cv_buf_view(&names), err);
	cv_buf_done(&names);
	return status;
}

/* ---- the whole ---- */

static enum cv_status
read_tables(struct book *b, struct cv_err *err)
{
	static const struct {
		const char *path;
		struct sheet_xml_handlers h;
		bool is_needed;
	} parts[] = {
		{ "xl/workbook.xml", { workbook_start, NULL, NULL }, true },
		{ "xl/_rels/workbook.xml.rels", { relation_start, NULL, NULL }, true },
		{ "xl/styles.xml", { style_start, style_end, NULL }, false },
		{ "xl/sharedStrings.xml", { string_start, string_end, take_text }, false },
	};
	enum cv_status status = CV_OK;

	for (size_t i = 0; status == CV_OK && i < CV_COUNT(parts); i++) {
		struct cv_str bytes = sheet_member(b->m, cv_str_z(parts[i].path));
		if (!bytes.n && parts[i].is_needed)
			return cv_fail(err, CV_INVALID, "the file is no spreadsheet");
		if (bytes.n)
			status = sheet_xml_parse(bytes, parts[i].path, &parts[i].h, b, err);
	}
	return status;
}

enum cv_status
sheet_read_xlsx(const struct sheet_members *m, struct cv_str name, struct sheet_grid *g,
	struct cv_str *name_out, struct cv_err *err)
{
	struct book *b = cv_calloc(1, sizeof *b);
	const struct tab *t = NULL;

	b->m = m;
	b->arena = g->arena;
	b->g = g;
	cv_buf_init(&b->text, ADMIN_SHEET_CELL_MAX);
	enum cv_status status = read_tables(b, err);
	if (status == CV_OK)
		status = choose(b, name, &t, err);
	if (status == CV_OK)
		status = read_cells(b, t, err);
	if (t)
		*name_out = t->name;
	cv_buf_done(&b->text);
	free(b->strings);
	free(b->formats);
	free(b->styles);
	free(b->merges);
	free(b);
	return status;
}
