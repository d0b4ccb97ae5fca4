/* document.c - documents as they are filled; see office.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/office/office_impl.h"
#include "common/text/charset.h"

static const char *const format_words[] = {"table", "html", "csv", "xlsx", "odt", "json"};

bool
admin_format_of(const char *word, enum admin_format *out)
{
	for (size_t i = 0; i < CV_COUNT(format_words); i++) {
		if (strcmp(word, format_words[i]) != 0)
			continue;
		*out = (enum admin_format)i;
		return true;
	}
	return false;
}

/* A copy in the arena that can stand in every format: no control characters but newlines, no
 * broken UTF-8. */
static struct cv_str
clean_text(struct cv_arena *arena, struct cv_str text)
{
	bool is_good = cv_utf8_is_valid(text);

	for (size_t i = 0; i < text.n && is_good; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool is_c1 = c == 0xc2 && i + 1 < text.n && (unsigned char)text.p[i + 1] < 0xa0;
		bool is_noncharacter = c == 0xef && i + 2 < text.n &&
				       (unsigned char)text.p[i + 1] == 0xbf &&
				       (unsigned char)text.p[i + 2] >= 0xbe;
		is_good = (c >= ' ' || c == '\n') && c != 0x7f && !is_c1 && !is_noncharacter;
	}
	if (is_good)
		return cv_arena_str(arena, text);
	struct cv_buf out = CV_BUF_INIT(4 * text.n + 8);
	for (size_t pos = 0; pos < text.n;) {
		size_t prefix = cv_utf8_valid_prefix(cv_str_sub(text, pos, text.n));
		if (!prefix) {
			cv_buf_c(&out, '?');
			pos++;
			continue;
		}
		for (size_t end = pos + prefix; pos < end;) {
			uint32_t c = cv_utf8_next(text, &pos);
			bool is_control = (c < ' ' && c != '\n') || (c >= 0x7f && c < 0xa0) ||
					  (c & 0xfffe) == 0xfffe;
			cv_utf8_put(&out, is_control ? '?' : c);
		}
	}
	struct cv_str copy = cv_arena_str(arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return copy;
}

static const char *
clean_z(struct cv_arena *arena, const char *text)
{
	return text ? clean_text(arena, cv_str_z(text)).p : NULL;
}

struct admin_doc *
admin_doc_new(bool vietnamese, int64_t day, const char *title, const char *subtitle)
{
	struct admin_doc *d = cv_calloc(1, sizeof *d);

	d->vietnamese = vietnamese;
	d->day = day;
	d->title = clean_text(&d->arena, cv_str_z(title));
	d->subtitle = clean_text(&d->arena, cv_str_z(subtitle ? subtitle : ""));
	return d;
}

void
admin_doc_free(struct admin_doc *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->block_count; i++)
		if (d->blocks[i].kind == ADMIN_BLOCK_TABLE)
			free(d->blocks[i].table->rows);
	free(d->blocks);
	cv_arena_done(&d->arena);
	free(d);
}

void
admin_doc_set_head(struct admin_doc *d, const struct admin_doc_head *head)
{
	d->head = (struct admin_doc_head){
		.superior = clean_z(&d->arena, head->superior),
		.agency = clean_z(&d->arena, head->agency),
		.symbol = clean_z(&d->arena, head->symbol),
		.place = clean_z(&d->arena, head->place),
		.kind = clean_z(&d->arena, head->kind),
		.recipients = clean_z(&d->arena, head->recipients),
		.signer = clean_z(&d->arena, head->signer),
	};
}

static struct admin_block *
add_block(struct admin_doc *d, enum admin_block_kind kind)
{
	if (d->block_count == d->block_cap) {
		d->block_cap = d->block_cap ? 2 * d->block_cap : 16;
		d->blocks = cv_realloc(d->blocks, d->block_cap * sizeof *d->blocks);
	}
	struct admin_block *b = &d->blocks[d->block_count++];
	*b = (struct admin_block){.kind = kind};
	return b;
}

void
admin_doc_heading(struct admin_doc *d, const char *text)
{
	add_block(d, ADMIN_BLOCK_HEADING)->text = clean_text(&d->arena, cv_str_z(text));
}

void
admin_doc_annex(struct admin_doc *d, const char *title)
{
	add_block(d, ADMIN_BLOCK_ANNEX)->text = clean_text(&d->arena, cv_str_z(title));
}

static void CV_PRINTF(3, 0)
add_text(
	struct admin_doc *d, enum admin_block_kind kind, const char *format, va_list args)
{
	char *text = NULL;
	int n = vasprintf(&text, format, args);

	assert(n >= 0);
	add_block(d, kind)->text = clean_text(&d->arena, cv_str(text, (size_t)n));
	free(text);
}

void
admin_doc_text(struct admin_doc *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_text(d, ADMIN_BLOCK_TEXT, format, args);
	va_end(args);
}

void
admin_doc_note(struct admin_doc *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_text(d, ADMIN_BLOCK_NOTE, format, args);
	va_end(args);
}

struct admin_doc_table *
admin_doc_table(struct admin_doc *d, const char *key, const char *caption,
	const struct admin_doc_column *columns, size_t count)
{
	struct admin_doc_table *t = CV_ARENA_NEW(&d->arena, struct admin_doc_table);

	assert(count > 0 && count <= ADMIN_DOC_COLUMNS_MAX);
	*t = (struct admin_doc_table){.column_count = count};
	t->key = clean_text(&d->arena, cv_str_z(key));
	t->caption = clean_text(&d->arena, cv_str_z(caption ? caption : ""));
	for (size_t i = 0; i < count; i++) {
		t->columns[i] = columns[i];
		t->columns[i].key = clean_z(&d->arena, columns[i].key);
		t->columns[i].title = clean_z(&d->arena, columns[i].title);
	}
	add_block(d, ADMIN_BLOCK_TABLE)->table = t;
	return t;
}

void
admin_doc_row(struct admin_doc *d, struct admin_doc_table *t, const struct admin_value *cells,
	bool is_total)
{
	struct admin_value *copy = CV_ARENA_ARRAY(&d->arena, struct admin_value, t->column_count);

	for (size_t i = 0; i < t->column_count; i++) {
		copy[i] = cells[i];
		if (cells[i].kind == ADMIN_TEXT)
			copy[i].text = clean_text(&d->arena, cells[i].text);
	}
	if (t->row_count == t->row_cap) {
		t->row_cap = t->row_cap ? 2 * t->row_cap : 32;
		t->rows = cv_realloc(t->rows, t->row_cap * sizeof *t->rows);
	}
	t->rows[t->row_count++] = (struct admin_doc_row){copy, is_total};
}

void
admin_doc_chart(struct admin_doc *d, struct admin_doc_table *t, const struct admin_chart *c)
{
	struct admin_block *b = add_block(d, ADMIN_BLOCK_CHART);

	assert(c->series_count > 0 && c->series_count <= ADMIN_CHART_SERIES_MAX);
	assert(c->label < t->column_count);
	for (size_t i = 0; i < c->series_count; i++)
		assert(c->series[i] < t->column_count);
	b->table = t;
	b->chart = *c;
	b->chart.title = clean_z(&d->arena, c->title);
}

const struct admin_doc_table *
admin_doc_main_table(const struct admin_doc *d)
{
	const struct admin_doc_table *best = NULL;

	for (size_t i = 0; i < d->block_count; i++) {
		const struct admin_doc_table *t = d->blocks[i].table;
		if (d->blocks[i].kind == ADMIN_BLOCK_TABLE &&
			(!best || t->row_count > best->row_count))
			best = t;
	}
	return best;
}

enum cv_status
admin_doc_write(const struct admin_doc *d, enum admin_format format, struct cv_buf *out,
	struct cv_err *err)
{
	enum cv_status status = CV_OK;

	switch (format) {
	case ADMIN_FORMAT_HTML:
		admin_write_html(d, out);
		break;
	case ADMIN_FORMAT_CSV:
		admin_write_csv(d, out);
		break;
	case ADMIN_FORMAT_XLSX:
		status = admin_write_xlsx(d, out, err);
		break;
	case ADMIN_FORMAT_ODT:
		status = admin_write_odt(d, out, err);
		break;
	case ADMIN_FORMAT_JSON:
		admin_write_json(d, out);
		break;
	case ADMIN_FORMAT_TABLE:
	case ADMIN_FORMAT_COUNT:
		admin_write_terminal(d, out);
		break;
	}
	if (status == CV_OK && out->full)
		return cv_fail(err, CV_LIMIT, "the document is too large");
	return status;
}
