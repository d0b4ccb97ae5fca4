/* ods.c - spreadsheets of OpenDocument 1.3: tables, repeated rows and cells, values, paragraphs. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "admin/sheet/sheet_impl.h"

#define REPEAT_MAX 1048576

struct span {
	struct cv_str text;
	size_t rows; /* below this one */
};
struct reader {
	struct cv_str wanted;     /* table's name; "" on the first way through: only look */
	struct sheet_grid *g;     /* NULL: only look */
	struct cv_buf names;      /* of tables that hold something, or all */
	struct cv_str chosen;
	struct cv_arena *arena;
	size_t filled;            /* tables that hold something */
	unsigned table_depth, cell_depth, text_depth;
	char table[300];
	bool is_taken, is_there;

	size_t row, row_repeat, column, column_repeat, span_rows;
	bool row_has_cells;
	struct cv_str *line;      /* cells of the row under way */
	size_t line_n;
	struct span spans[ADMIN_SHEET_COLUMNS_MAX];
	char type[16];
	struct cv_buf value, text;
	bool has_formula, has_paragraph, at_blank;
};

/* ---- values ---- */

static bool
is_digits(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!cv_is_digit((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

/* "PT07H30M00S" */
static bool
put_duration(struct cv_buf *out, struct cv_str v)
{
	if (v.n < 11 || memcmp(v.p, "PT", 2) != 0 || v.p[4] != 'H' || v.p[7] != 'M')
		return false;
	cv_buf_printf(out, "%.2s:%.2s:%.2s", v.p + 2, v.p + 5, v.p + 8);
	return true;
}

/* A number that is shown with zeros before it was written so. */
static void
put_number(struct reader *r, struct cv_buf *out)
{
	struct cv_str shown = cv_str_trim(cv_buf_view(&r->text)), plain = shown;

	sheet_put_number(out, cv_buf_view(&r->value));
	while (plain.n > 1 && plain.p[0] == '0')
		plain = cv_str_sub(plain, 1, plain.n);
	if (is_digits(shown) && shown.n > plain.n && cv_str_eq(plain, cv_buf_view(out))) {
		cv_buf_reset(out);
		cv_buf_str(out, shown);
	}
}

static enum cv_status
put_value(struct reader *r, struct cv_buf *out, struct cv_err *err)
{
	char ref[24];
	struct cv_str v = cv_buf_view(&r->value);

	if (r->text.full || r->value.full)
		return cv_fail(err, CV_LIMIT, "%s has more than %u bytes",
			sheet_ref(r->row, r->column, ref), ADMIN_SHEET_CELL_MAX);
	if (r->has_formula && !r->type[0])
		return cv_fail(err, CV_INVALID,
			"%s is a formula without a stored value: open the file in an office "
			"program and save it",
			sheet_ref(r->row, r->column, ref));
	if (!strcmp(r->type, "float") || !strcmp(r->type, "percentage") ||
		!strcmp(r->type, "currency"))
		put_number(r, out);
	else if (!strcmp(r->type, "boolean"))
		cv_buf_z(out, cv_str_eq_z(v, "true") ? "TRUE" : "FALSE");
	else if (!strcmp(r->type, "date") ? !sheet_put_iso(out, v)
		 : !strcmp(r->type, "time") ? !put_duration(out, v)
					    : true)
		/* A text; its attribute, when it has one, is the whole of it. */
		cv_buf_str(out, v.n && !strcmp(r->type, "string") ? v : cv_buf_view(&r->text));
	return CV_OK;
}

static void
fail(struct sheet_xml *x, enum cv_status status)
{
	if (status != CV_OK)
		sheet_xml_fail(x, status);
}

/* ---- rows ---- */

static void
begin_cell(struct reader *r, const char **attrs)
{
	static const char *const values[] = { "value", "date-value", "time-value",
		"boolean-value", "string-value" };
	const char *type = sheet_attr(attrs, "office", "value-type"), *value = NULL;

	snprintf(r->type, sizeof r->type, "%s", type ? type : "");
	cv_buf_reset(&r->text);
	cv_buf_reset(&r->value);
	for (size_t i = 0; !value && i < CV_COUNT(values); i++)
		value = sheet_attr(attrs, "office", values[i]);
	cv_buf_z(&r->value, value ? value : "");
	r->has_formula = sheet_attr(attrs, "table", "formula") != NULL;
	r->has_paragraph = false;
	r->column_repeat = CV_MAX(
		sheet_attr_number(attrs, "table", "number-columns-repeated", 1, REPEAT_MAX),
		(size_t)1);
	r->span_rows = sheet_attr_number(attrs, "table", "number-rows-spanned", 1, REPEAT_MAX);
}

static enum cv_status
end_cell(struct reader *r, bool is_covered, struct cv_err *err)
{
	struct cv_buf out = CV_BUF_INIT(ADMIN_SHEET_CELL_MAX * 2);
	enum cv_status status = put_value(r, &out, err);
	struct cv_str text = CV_STR("");

	r->row_has_cells = r->row_has_cells || out.n;
	if (r->g && status == CV_OK && out.n)
		text = cv_arena_str(r->arena, cv_buf_view(&out));
	for (size_t i = 0; r->g && status == CV_OK && i < r->column_repeat; i++) {
		size_t c = r->column + i;
		struct cv_str here = text;
		if (c >= ADMIN_SHEET_COLUMNS_MAX) {
			if (text.n)
				status = cv_fail(err, CV_LIMIT, "more than %u columns",
					ADMIN_SHEET_COLUMNS_MAX);
			break;
		}
		struct span *s = &r->spans[c];
		if (is_covered && !text.n && s->rows)
			here = s->text;
		if (!is_covered)
			*s = (struct span){ text, r->span_rows > 1 ? r->span_rows : 0 };
		r->line[c] = here;
		if (here.n)
			r->line_n = CV_MAX(r->line_n, c + 1);
	}
	r->column += r->column_repeat;
	cv_buf_done(&out);
	return status;
}

static enum cv_status
end_row(struct reader *r, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	for (size_t i = 0; r->g && r->line_n && status == CV_OK && i < r->row_repeat; i++)
		for (size_t c = 0; status == CV_OK && c < r->line_n; c++)
			status = sheet_put(r->g, r->row + i, c, r->line[c], err);
	for (size_t c = 0; c < ADMIN_SHEET_COLUMNS_MAX; c++)
		r->spans[c].rows -= CV_MIN(r->spans[c].rows, r->row_repeat);
	r->is_there = r->is_there || r->row_has_cells;
	r->row += r->row_repeat;
	return status;
}

/* ---- elements ---- */

static void
begin_table(struct reader *r, unsigned depth, const char **attrs)
{
	const char *name = sheet_attr(attrs, "table", "name");

	r->table_depth = depth;
	snprintf(r->table, sizeof r->table, "%s", name ? name : "");
	r->is_taken = !r->g || cv_str_eq_z(r->wanted, r->table);
	r->is_there = false;
	r->row = 0;
	memset(r->spans, 0, sizeof r->spans);
}

static void
end_table(struct reader *r)
{
	r->table_depth = 0;
	if (r->g)
		return;
	bool is_it = r->wanted.n ? cv_str_eq_z(r->wanted, r->table) : r->is_there;
	if (is_it && !r->filled++)
		r->chosen = cv_arena_str(r->arena, cv_str_z(r->table));
	if (is_it || r->wanted.n) {
		cv_buf_z(&r->names, r->names.n ? ", " : "");
		cv_buf_z(&r->names, r->table);
	}
}

static void
on_start(void *arg, struct sheet_xml *x, const char *name, const char **attrs)
{
	struct reader *r = arg;

	if (!r->table_depth) {
		if (!strcmp(name, "table"))
			begin_table(r, x->depth, attrs);
		return;
	}
	if (!r->is_taken)
		return;
	if (!r->cell_depth && !strcmp(name, "table-row")) {
		r->row_repeat = CV_MAX(
			sheet_attr_number(attrs, "table", "number-rows-repeated", 1, REPEAT_MAX),
			(size_t)1);
		r->column = r->line_n = 0;
		r->row_has_cells = false;
		for (size_t c = 0; c < ADMIN_SHEET_COLUMNS_MAX; c++)
			r->line[c] = CV_STR("");
	} else if (!r->cell_depth &&
		   (!strcmp(name, "table-cell") || !strcmp(name, "covered-table-cell"))) {
		r->cell_depth = x->depth;
		begin_cell(r, attrs);
	} else if (r->cell_depth && !r->text_depth && x->depth == r->cell_depth + 1 &&
		   !strcmp(name, "p")) {
		if (r->has_paragraph)
			cv_buf_c(&r->text, '\n');
		r->has_paragraph = r->at_blank = true;
		r->text_depth = x->depth;
	} else if (r->text_depth && !strcmp(name, "s")) {
		size_t n = sheet_attr_number(attrs, "text", "c", 1, ADMIN_SHEET_CELL_MAX);
		for (size_t i = 0; i < n; i++)
			cv_buf_c(&r->text, ' ');
		r->at_blank = false;
	} else if (r->text_depth && (!strcmp(name, "tab") || !strcmp(name, "line-break"))) {
		cv_buf_c(&r->text, name[0] == 't' ? '\t' : '\n');
		r->at_blank = true;
	}
}

static void
on_end(void *arg, struct sheet_xml *x, const char *name)
{
	struct reader *r = arg;

	if (!r->table_depth)
		return;
	if (x->depth == r->table_depth) {
		end_table(r);
	} else if (r->text_depth == x->depth) {
		r->text_depth = 0;
		/* A blank that ends a paragraph and was not said by an element means nothing. */
		if (r->at_blank && r->text.n && r->text.p[r->text.n - 1] == ' ')
			r->text.p[--r->text.n] = '\0';
	} else if (r->cell_depth == x->depth) {
		r->cell_depth = 0;
		fail(x, end_cell(r, !strcmp(name, "covered-table-cell"), x->err));
	} else if (r->is_taken && !r->cell_depth && !strcmp(name, "table-row")) {
		fail(x, end_row(r, x->err));
	}
}

/* White space in a paragraph counts once, and not at its start (ODF 1.3 part 3, 6.1.2). */
static void
on_text(void *arg, const char *p, size_t n)
{
	struct reader *r = arg;

	if (!r->text_depth)
		return;
	for (size_t i = 0; i < n; i++) {
		bool blank = p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r';
		if (blank && r->at_blank)
			continue;
		cv_buf_c(&r->text, blank ? ' ' : p[i]);
		r->at_blank = blank;
	}
}

enum cv_status
sheet_read_ods(const struct sheet_members *m, struct cv_str name, struct sheet_grid *g,
	struct cv_str *name_out, struct cv_err *err)
{
	static const struct sheet_xml_handlers h = { on_start, on_end, on_text };
	struct cv_str bytes = sheet_member(m, CV_STR("content.xml"));
	struct reader *r = cv_calloc(1, sizeof *r);

	r->wanted = name;
	r->arena = g->arena;
	cv_buf_init(&r->names, 4000);
	cv_buf_init(&r->value, ADMIN_SHEET_CELL_MAX);
	cv_buf_init(&r->text, ADMIN_SHEET_CELL_MAX);
	r->line = cv_calloc(ADMIN_SHEET_COLUMNS_MAX, sizeof *r->line);
	/* Once to see which tables hold something, once to read the one. */
	enum cv_status status = sheet_xml_parse(bytes, "content.xml", &h, r, err);
	if (status == CV_OK && r->filled != 1)
		status = sheet_fail_choice(
			r->filled ? CV_STR("") : name, cv_buf_view(&r->names), err);
	if (status == CV_OK) {
		r->wanted = *name_out = r->chosen;
		r->g = g;
		status = sheet_xml_parse(bytes, "content.xml", &h, r, err);
	}
	cv_buf_done(&r->names);
	cv_buf_done(&r->value);
	cv_buf_done(&r->text);
	free(r->line);
	free(r);
	return status;
}
