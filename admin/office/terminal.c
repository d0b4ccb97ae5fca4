/* terminal.c - documents on a terminal: aligned columns, one line a row. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/admin.h"
#include "admin/office/office_impl.h"

#define GAP 2

static void
put_blanks(struct cv_buf *out, size_t n)
{
	while (n--)
		cv_buf_c(out, ' ');
}

/* One cell, padded but for the last of the line. Newlines become blanks. */
static void
put_cell(struct cv_buf *out, const char *text, size_t width, bool is_right, bool is_last)
{
	size_t own = admin_width(text);
	size_t pad = width > own ? width - own : 0;

	if (is_right)
		put_blanks(out, pad);
	for (const char *p = text; *p; p++)
		cv_buf_c(out, *p == '\n' ? ' ' : *p);
	if (!is_last)
		put_blanks(out, GAP + (is_right ? 0 : pad));
}

static const char *
shown(struct cv_buf *room, struct admin_value value)
{
	cv_buf_reset(room);
	admin_put_shown(room, value);
	return room->n ? room->p : "";
}

static void
put_rule(struct cv_buf *out, size_t width)
{
	while (width--)
		cv_buf_z(out, "─");
	cv_buf_c(out, '\n');
}

static void
put_table(const struct admin_doc_table *t, struct cv_buf *out)
{
	size_t widths[ADMIN_DOC_COLUMNS_MAX], all = 0;
	struct cv_buf room = CV_BUF_INIT(1u << 20);

	for (size_t c = 0; c < t->column_count; c++) {
		widths[c] = admin_width(t->columns[c].title);
		for (size_t r = 0; r < t->row_count; r++)
			widths[c] = CV_MAX(
				widths[c], admin_width(shown(&room, t->rows[r].cells[c])));
		all += widths[c] + (c ? GAP : 0);
	}
	for (size_t c = 0; c < t->column_count; c++)
		put_cell(out, t->columns[c].title, widths[c], admin_is_number(t->columns[c].kind),
			c + 1 == t->column_count);
	cv_buf_c(out, '\n');
	put_rule(out, all);
	for (size_t r = 0; r < t->row_count; r++) {
		if (t->rows[r].is_total && r && !t->rows[r - 1].is_total)
			put_rule(out, all);
		for (size_t c = 0; c < t->column_count; c++)
			put_cell(out, shown(&room, t->rows[r].cells[c]), widths[c],
				admin_is_number(t->columns[c].kind), c + 1 == t->column_count);
		cv_buf_c(out, '\n');
	}
	cv_buf_done(&room);
}

void
admin_write_terminal(const struct admin_doc *d, struct cv_buf *out)
{
	cv_buf_str(out, d->title);
	cv_buf_c(out, '\n');
	if (d->subtitle.n) {
		cv_buf_str(out, d->subtitle);
		cv_buf_c(out, '\n');
	}
	for (size_t i = 0; i < d->block_count; i++) {
		const struct admin_block *b = &d->blocks[i];
		if (b->kind == ADMIN_BLOCK_CHART)
			continue; /* its table is there */
		cv_buf_c(out, '\n');
		if (b->kind == ADMIN_BLOCK_TABLE) {
			if (b->table->caption.n) {
				cv_buf_str(out, b->table->caption);
				cv_buf_c(out, '\n');
			}
			put_table(b->table, out);
		} else {
			cv_buf_str(out, b->text);
			cv_buf_c(out, '\n');
		}
	}
}
