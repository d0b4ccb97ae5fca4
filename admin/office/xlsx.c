/* xlsx.c - documents as workbooks: a sheet for each table, with numbers, shares and days that
 * spreadsheets count with. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xlsxwriter.h>

#include "admin/admin.h"
#include "admin/office/office_impl.h"
#include "common/text/charset.h"

#define SHEET_NAME_MAX 31 /* characters */
#define CELL_BYTES_MAX 32000
#define WIDTH_MIN      7
#define WIDTH_MAX      60
#define TEXT_WIDTH     28 /* of a column of texts that says nothing else */

struct formats {
	lxw_format *head, *title, *note;
	lxw_format *cell[ADMIN_DAY + 1], *total[ADMIN_DAY + 1];
};
struct book {
	const struct admin_doc *doc;
	lxw_workbook *book;
	struct formats formats;
	lxw_error fault; /* the first */
	unsigned sheets;
};

static void
note_fault(struct book *b, lxw_error fault)
{
	if (b->fault == LXW_NO_ERROR)
		b->fault = fault;
}

/* The decimal comma and the point between thousands are the spreadsheet's own, by its locale. */
static const char *
number_format(enum admin_value_kind kind)
{
	switch (kind) {
	case ADMIN_COUNT:
		return "#,##0";
	case ADMIN_SHARE:
		return "0.0%";
	case ADMIN_DECIMAL:
		return "#,##0.0";
	case ADMIN_DAY:
		return "dd/mm/yyyy";
	case ADMIN_TEXT:
	case ADMIN_NONE:
		break;
	}
	return NULL;
}

static void
make_formats(struct book *b)
{
	struct formats *f = &b->formats;

	f->title = workbook_add_format(b->book);
	format_set_bold(f->title);
	format_set_font_size(f->title, 14);
	f->note = workbook_add_format(b->book);
	format_set_font_color(f->note, 0x555555);
	f->head = workbook_add_format(b->book);
	format_set_bold(f->head);
	format_set_text_wrap(f->head);
	format_set_align(f->head, LXW_ALIGN_CENTER);
	format_set_align(f->head, LXW_ALIGN_VERTICAL_CENTER);
	format_set_bg_color(f->head, 0xE9EFF7);
	format_set_border(f->head, LXW_BORDER_THIN);
	for (unsigned total = 0; total < 2; total++) {
		for (unsigned kind = 0; kind <= ADMIN_DAY; kind++) {
			lxw_format *cell = workbook_add_format(b->book);
			const char *form = number_format((enum admin_value_kind)kind);
			if (form)
				format_set_num_format(cell, form);
			format_set_border(cell, LXW_BORDER_THIN);
			format_set_align(cell, LXW_ALIGN_VERTICAL_TOP);
			if (kind == ADMIN_TEXT)
				format_set_text_wrap(cell);
			if (total)
				format_set_bold(cell);
			*(total ? &f->total[kind] : &f->cell[kind]) = cell;
		}
	}
}

/* A name that the format allows and no other sheet has. */
static void
sheet_name(struct book *b, const struct admin_doc_table *t, char *name, size_t room)
{
	struct cv_str text = t->caption.n ? t->caption : t->key;
	size_t pos = 0, n = 0, characters = 0;

	n += (size_t)snprintf(name, room, "%u. ", b->sheets + 1);
	characters = n;
	while (pos < text.n && characters < SHEET_NAME_MAX) {
		size_t start = pos;
		uint32_t c = cv_utf8_next(text, &pos);
		if (c > 0xffff || (c < 0x80 && strchr("[]:*?/\\'\n", (int)c)))
			continue;
		if (n + (pos - start) + 1 > room)
			break;
		memcpy(name + n, text.p + start, pos - start);
		n += pos - start;
		characters++;
	}
	name[n] = '\0';
}

static double
column_width(const struct admin_doc_column *c)
{
	size_t title = admin_width(c->title), longest = 0;

	if (c->width)
		return c->width;
	if (c->kind == ADMIN_TEXT)
		return TEXT_WIDTH;
	/* Titles wrap at blanks; their longest word must fit. */
	for (const char *word = c->title; *word;) {
		size_t n = strcspn(word, " ");
		char copy[64];
		snprintf(copy, sizeof copy, "%.*s", (int)CV_MIN(n, sizeof copy - 1), word);
		longest = CV_MAX(longest, admin_width(copy));
		word += n + strspn(word + n, " ");
	}
	title = CV_MAX(longest + 2, title / 2 + 2);
	return (double)CV_MIN(CV_MAX(title, WIDTH_MIN), WIDTH_MAX);
}

static void
write_text(struct book *b, lxw_worksheet *sheet, lxw_row_t row, lxw_col_t column,
	struct cv_str text, lxw_format *format)
{
	struct cv_str cut = cv_utf8_cut(text, CELL_BYTES_MAX);
	char *z = cv_str_dup(cut);

	note_fault(b, worksheet_write_string(sheet, row, column, z, format));
	free(z);
}

static void
write_cell(struct book *b, lxw_worksheet *sheet, lxw_row_t row, lxw_col_t column,
	struct admin_value value, bool is_total)
{
	lxw_format *format =
		is_total ? b->formats.total[value.kind] : b->formats.cell[value.kind];

	if (value.kind == ADMIN_NONE)
		note_fault(b, worksheet_write_blank(sheet, row, column, format));
	else if (value.kind == ADMIN_TEXT)
		write_text(b, sheet, row, column, value.text, format);
	else
		note_fault(b, worksheet_write_number(
				      sheet, row, column, admin_value_number(value), format));
}

static void
write_table(struct book *b, const struct admin_doc_table *t)
{
	char name[4 * SHEET_NAME_MAX + 1];
	lxw_row_t row = 0;

	sheet_name(b, t, name, sizeof name);
	lxw_worksheet *sheet = workbook_add_worksheet(b->book, name);
	if (!sheet) {
		note_fault(b, LXW_ERROR_SHEETNAME_ALREADY_USED);
		return;
	}
	for (size_t c = 0; c < t->column_count; c++)
		note_fault(b, worksheet_set_column(sheet, (lxw_col_t)c, (lxw_col_t)c,
				      column_width(&t->columns[c]), NULL));
	worksheet_set_landscape(sheet);
	worksheet_set_paper(sheet, 9); /* A4 */
	worksheet_fit_to_pages(sheet, 1, 0);
	if (!b->sheets) {
		write_text(b, sheet, row++, 0, b->doc->title, b->formats.title);
		write_text(b, sheet, row++, 0, b->doc->subtitle, b->formats.note);
	}
	if (t->caption.n)
		write_text(b, sheet, row++, 0, t->caption, b->formats.note);
	for (size_t c = 0; c < t->column_count; c++)
		write_text(b, sheet, row, (lxw_col_t)c, cv_str_z(t->columns[c].title),
			b->formats.head);
	worksheet_repeat_rows(sheet, row, row);
	worksheet_freeze_panes(sheet, row + 1, 0);
	for (size_t r = 0; r < t->row_count; r++) {
		row++;
		for (size_t c = 0; c < t->column_count; c++)
			write_cell(b, sheet, row, (lxw_col_t)c, t->rows[r].cells[c],
				t->rows[r].is_total);
	}
	b->sheets++;
}

/* What the texts and notes of the document say, on a sheet of their own. */
static void
write_texts(struct book *b)
{
	lxw_worksheet *sheet = NULL;
	lxw_row_t row = 0;

	for (size_t i = 0; i < b->doc->block_count; i++) {
		const struct admin_block *block = &b->doc->blocks[i];
		if (block->kind != ADMIN_BLOCK_TEXT && block->kind != ADMIN_BLOCK_NOTE)
			continue;
		if (!sheet) {
			sheet = workbook_add_worksheet(
				b->book, b->doc->vietnamese ? "Ghi chú" : "Notes");
			if (!sheet) {
				note_fault(b, LXW_ERROR_SHEETNAME_ALREADY_USED);
				return;
			}
			note_fault(b, worksheet_set_column(sheet, 0, 0, 110, NULL));
		}
		write_text(b, sheet, row++, 0, block->text, b->formats.cell[ADMIN_TEXT]);
	}
	if (!sheet && !b->sheets)
		workbook_add_worksheet(b->book, NULL);
}

static lxw_error
write_book(const struct admin_doc *d, const char *path)
{
	lxw_workbook_options options = {.constant_memory = LXW_TRUE};
	lxw_doc_properties properties = {.created = (time_t)(CV_MAX(d->day, 1) * 86400)};
	struct book b = {.doc = d, .book = workbook_new_opt(path, &options)};

	if (!b.book)
		return LXW_ERROR_MEMORY_MALLOC_FAILED;
	char *title = cv_str_dup(cv_utf8_cut(d->title, 250));
	properties.title = title;
	note_fault(&b, workbook_set_properties(b.book, &properties));
	make_formats(&b);
	for (size_t i = 0; i < d->block_count; i++)
		if (d->blocks[i].kind == ADMIN_BLOCK_TABLE)
			write_table(&b, d->blocks[i].table);
	write_texts(&b);
	note_fault(&b, workbook_close(b.book));
	free(title);
	return b.fault;
}

static enum cv_status
read_all(int fd, struct cv_buf *out, struct cv_err *err)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *to = size > 0 ? cv_buf_room(out, (size_t)size) : NULL;

	if (!to)
		return size > 0 ? cv_fail(err, CV_LIMIT, "the workbook is too large")
				: cv_fail(err, CV_TEMPFAIL, "the workbook is empty");
	if (pread(fd, to, (size_t)size, 0) != size)
		return cv_fail(err, CV_TEMPFAIL, "cannot read the workbook back");
	out->n += (size_t)size;
	return CV_OK;
}

enum cv_status
admin_write_xlsx(const struct admin_doc *d, struct cv_buf *out, struct cv_err *err)
{
	char path[64];
	int fd = memfd_create("workbook", MFD_CLOEXEC); /* the library writes to a path */

	if (fd < 0)
		return cv_fail(err, CV_TEMPFAIL, "no memory file for the workbook");
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	/* The library prints numbers with printf: under a Vietnamese locale with a comma. */
	locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
	locale_t before = plain ? uselocale(plain) : (locale_t)0;
	lxw_error fault = write_book(d, path);
	if (plain) {
		uselocale(before);
		freelocale(plain);
	}
	enum cv_status status = fault == LXW_NO_ERROR
					? read_all(fd, out, err)
					: cv_fail(err, CV_TEMPFAIL, "cannot write the workbook: %s",
						  lxw_strerror(fault));
	close(fd);
	return status;
}
