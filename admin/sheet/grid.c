/* grid.c - cells as they come, and what was made of a file in the end. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <string.h>

#include "admin/sheet/sheet_impl.h"

const char *
sheet_ref(size_t row, size_t column, char out[24])
{
	char letters[8];
	size_t at = sizeof letters - 1;

	letters[at] = '\0';
	for (size_t c = column + 1; c && at; c = (c - 1) / 26)
		letters[--at] = (char)('A' + (c - 1) % 26);
	snprintf(out, 24, "%s%zu", letters + at, row + 1);
	return out;
}

static void
need_row(struct sheet_grid *g, size_t row)
{
	if (row >= g->cap) {
		size_t cap = CV_MAX(row + 1, g->cap * 2);
		struct admin_sheet_row *rows =
			CV_ARENA_ARRAY(g->arena, struct admin_sheet_row, cap);
		memset(rows, 0, cap * sizeof *rows);
		if (g->n)
			memcpy(rows, g->rows, g->n * sizeof *rows);
		g->rows = rows;
		g->cap = cap;
	}
	g->n = CV_MAX(g->n, row + 1);
}

static void
need_column(struct sheet_grid *g, struct admin_sheet_row *r, size_t column)
{
	if (column < r->n)
		return;
	/* Rows grow by eights, so that one filled from the left is not copied for each cell. */
	size_t old = (r->n + 7) / 8 * 8, cap = (column / 8 + 1) * 8;
	if (cap > old) {
		struct cv_str *cells = CV_ARENA_ARRAY(g->arena, struct cv_str, cap);
		for (size_t i = 0; i < cap; i++)
			cells[i] = i < r->n ? r->cells[i] : CV_STR("");
		r->cells = cells;
	}
	r->n = column + 1;
}

enum cv_status
sheet_put(struct sheet_grid *g, size_t row, size_t column, struct cv_str text, struct cv_err *err)
{
	char ref[24];

	if (!text.n)
		return CV_OK;
	if (row >= ADMIN_SHEET_ROWS_MAX)
		return cv_fail(err, CV_LIMIT, "more than %u rows", ADMIN_SHEET_ROWS_MAX);
	if (column >= ADMIN_SHEET_COLUMNS_MAX)
		return cv_fail(err, CV_LIMIT, "%s: more than %u columns",
			sheet_ref(row, column, ref), ADMIN_SHEET_COLUMNS_MAX);
	if (text.n > ADMIN_SHEET_CELL_MAX)
		return cv_fail(err, CV_LIMIT, "%s has more than %u bytes",
			sheet_ref(row, column, ref), ADMIN_SHEET_CELL_MAX);
	g->bytes += text.n;
	if (++g->cells > ADMIN_SHEET_CELLS_MAX || g->bytes > ADMIN_SHEET_TEXT_MAX)
		return cv_fail(err, CV_LIMIT, "the sheet holds more than a list of staff can");
	need_row(g, row);
	need_column(g, &g->rows[row], column);
	g->rows[row].cells[column] = cv_arena_str(g->arena, text);
	return CV_OK;
}

struct cv_str
sheet_at(const struct sheet_grid *g, size_t row, size_t column)
{
	return row < g->n && column < g->rows[row].n ? g->rows[row].cells[column] : CV_STR("");
}

enum cv_status
sheet_fail_choice(struct cv_str wanted, struct cv_str names, struct cv_err *err)
{
	if (wanted.n)
		return cv_fail(err, CV_NOT_FOUND, "no sheet '%.*s'; there are: %.*s",
			(int)CV_MIN(wanted.n, 60), wanted.p, (int)CV_MIN(names.n, 250),
			names.p ? names.p : "");
	if (!names.n)
		return cv_fail(err, CV_INVALID, "no sheet of the file holds anything");
	return cv_fail(err, CV_INVALID,
		"several sheets hold something, name one by --sheet: %.*s",
		(int)CV_MIN(names.n, 250), names.p);
}

enum admin_sheet_kind
admin_sheet_kind_of(struct cv_str bytes)
{
	if (cv_str_has_prefix(bytes, "\xd0\xcf\x11\xe0"))
		return ADMIN_SHEET_OLD;
	if (!cv_str_has_prefix(bytes, "PK\x03\x04"))
		return ADMIN_SHEET_NONE;
	/* OpenDocument's first member is its type, not packed, at a known place. */
	struct cv_str type = CV_STR("application/vnd.oasis.opendocument");
	return cv_str_search(cv_str_sub(bytes, 0, 200), type) < CV_MIN(bytes.n, (size_t)200)
		       ? ADMIN_SHEET_ODS
		       : ADMIN_SHEET_XLSX;
}

enum cv_status
admin_sheet_read(struct cv_arena *arena, struct cv_str bytes, struct cv_str name,
	struct admin_sheet *out, struct cv_err *err)
{
	struct sheet_members m;
	struct sheet_grid g = { .arena = arena };

	*out = (struct admin_sheet){ 0 };
	if (bytes.n > ADMIN_SHEET_FILE_MAX)
		return cv_fail(err, CV_LIMIT, "the file is larger than %u MB",
			ADMIN_SHEET_FILE_MAX >> 20);
	if (admin_sheet_kind_of(bytes) == ADMIN_SHEET_OLD)
		return cv_fail(err, CV_INVALID,
			"the file has the format of before 2007, or needs a password: save it as "
			"XLSX, ODS or CSV without one");
	if (admin_sheet_kind_of(bytes) == ADMIN_SHEET_NONE)
		return cv_fail(err, CV_INVALID, "the file is neither XLSX nor ODS");
	enum cv_status status = sheet_unpack(bytes, &m, err);
	if (status == CV_OK)
		status = sheet_member(&m, CV_STR("content.xml")).n
				 ? sheet_read_ods(&m, name, &g, &out->name, err)
				 : sheet_read_xlsx(&m, name, &g, &out->name, err);
	sheet_members_done(&m);
	out->rows = g.rows;
	out->n = g.n;
	return status;
}

void
admin_sheet_put_csv(const struct admin_sheet *sheet, struct cv_buf *out)
{
	for (size_t i = 0; i < sheet->n; i++) {
		for (size_t k = 0; k < sheet->rows[i].n; k++) {
			struct cv_str cell = sheet->rows[i].cells[k];
			cv_buf_z(out, k ? ",\"" : "\"");
			for (size_t b = 0; b < cell.n; b++) {
				if (cell.p[b] == '"')
					cv_buf_c(out, '"');
				cv_buf_c(out, cell.p[b]);
			}
			cv_buf_c(out, '"');
		}
		cv_buf_z(out, "\r\n");
	}
}
