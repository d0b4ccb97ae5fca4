/* data.c - documents for machines: CSV (RFC 4180, as spreadsheets read it) and JSON. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <jansson.h>
#include <stdlib.h>

#include "admin/csv.h"
#include "admin/office/office_impl.h"
#include "common/text/date.h"

#define BOM "\xef\xbb\xbf"

/* Counts without points between thousands: so they stay numbers in every spreadsheet. */
static void
put_csv_value(struct cv_buf *out, struct cv_buf *room, struct admin_value value, bool is_last)
{
	cv_buf_reset(room);
	if (value.kind == ADMIN_COUNT) {
		cv_buf_printf(out, "%lld%s", (long long)value.n, is_last ? "\r\n" : ",");
		return;
	}
	admin_value_put(room, value);
	bool is_ours = value.kind != ADMIN_TEXT; /* a minus sign of ours begins no formula */
	if (is_ours && room->n && room->p[0] == '-')
		cv_buf_printf(out, "\"%.*s\"%s", (int)room->n, room->p, is_last ? "\r\n" : ",");
	else
		admin_csv_put(out, cv_buf_view(room), is_last);
}

void
admin_write_csv(const struct admin_doc *d, struct cv_buf *out)
{
	const struct admin_doc_table *t = admin_doc_main_table(d);
	struct cv_buf room = CV_BUF_INIT(1u << 20);

	cv_buf_z(out, BOM);
	for (size_t c = 0; t && c < t->column_count; c++)
		admin_csv_put(out, cv_str_z(t->columns[c].title), c + 1 == t->column_count);
	for (size_t r = 0; t && r < t->row_count; r++)
		for (size_t c = 0; c < t->column_count; c++)
			put_csv_value(out, &room, t->rows[r].cells[c], c + 1 == t->column_count);
	cv_buf_done(&room);
}

static json_t *
text_json(struct cv_str text)
{
	return json_stringn(text.p ? text.p : "", text.n);
}

static json_t *
day_json(int64_t days)
{
	struct cv_buf text = CV_BUF_INIT(40);

	cv_date_write_iso_day(&text, cv_date_at(days * 86400, 0));
	json_t *day = text_json(cv_buf_view(&text));
	cv_buf_done(&text);
	return day;
}

/* A share and a decimal are rounded to four and one places, so that texts are the same on every
 * machine. */
static json_t *
value_json(struct admin_value value)
{
	switch (value.kind) {
	case ADMIN_TEXT:
		return text_json(value.text);
	case ADMIN_COUNT:
		return json_integer(value.n);
	case ADMIN_SHARE:
		return json_real((double)admin_ratio(value.n, value.of, 10000) / 10000);
	case ADMIN_DECIMAL:
		return json_real((double)admin_ratio(value.n, value.of, 10) / 10);
	case ADMIN_DAY:
		return day_json(value.n);
	case ADMIN_NONE:
		break;
	}
	return json_null();
}

static json_t *
table_json(const struct admin_doc_table *t)
{
	json_t *rows = json_array(), *titles = json_object();

	for (size_t c = 0; c < t->column_count; c++)
		json_object_set_new(
			titles, t->columns[c].key, text_json(cv_str_z(t->columns[c].title)));
	for (size_t r = 0; r < t->row_count; r++) {
		json_t *row = json_object();
		for (size_t c = 0; c < t->column_count; c++)
			json_object_set_new(
				row, t->columns[c].key, value_json(t->rows[r].cells[c]));
		if (t->rows[r].is_total)
			json_object_set_new(row, "is_total", json_true());
		json_array_append_new(rows, row);
	}
	return json_pack("{s:o, s:o, s:o}", "caption", text_json(t->caption), "columns", titles,
		"rows", rows);
}

void
admin_write_json(const struct admin_doc *d, struct cv_buf *out)
{
	json_t *tables = json_object(), *texts = json_array();

	for (size_t i = 0; i < d->block_count; i++) {
		const struct admin_block *b = &d->blocks[i];
		if (b->kind == ADMIN_BLOCK_TABLE)
			json_object_set_new(tables, b->table->key.p, table_json(b->table));
		else if (b->kind == ADMIN_BLOCK_TEXT || b->kind == ADMIN_BLOCK_NOTE)
			json_array_append_new(texts, text_json(b->text));
	}
	json_t *all = json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "ok", 1, "title",
		text_json(d->title), "subtitle", text_json(d->subtitle), "day", day_json(d->day),
		"texts", texts, "tables", tables);
	char *text = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
	json_decref(all);
	if (!text)
		cv_die("out of memory");
	cv_buf_z(out, text);
	cv_buf_c(out, '\n');
	free(text);
}
