/* office.h - documents with tables and charts, written once and handed out as a table on the
 * terminal, CSV, XLSX, ODT, HTML or JSON.
 *
 * A document is filled from top to bottom: heading, texts, tables, charts. Everything is copied
 * into it. Values keep their kind until a writer needs text, so that XLSX and JSON hold numbers and
 * the others the forms of Vietnamese offices, whatever the locale: 12.077, 88,0%, 23/11/2026.
 * The same document gives the same octets in every format: nothing in it is the time of writing.
 *
 * Texts are UTF-8. What cannot stand in a document (control characters, broken UTF-8) becomes '?'.
 * Threads: a document belongs to one thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_OFFICE_H
#define ADMIN_OFFICE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

enum admin_format {
	ADMIN_FORMAT_TABLE, /* for a terminal: aligned columns, control characters as '?' */
	ADMIN_FORMAT_HTML,  /* one page without scripts or outside files, made for printing too */
	ADMIN_FORMAT_CSV,   /* the main table alone, with BOM; cells are harmless to spreadsheets */
	ADMIN_FORMAT_XLSX,  /* a sheet for each table; numbers, shares and days are such */
	ADMIN_FORMAT_ODT,   /* with the heading of an official document, when it has one */
	ADMIN_FORMAT_JSON,
	ADMIN_FORMAT_COUNT
};
/* "table", "html", "csv", "xlsx", "odt", "json"; false for any other word. */
bool admin_format_of(const char *word, enum admin_format *out);

/* ---- values ---- */

enum admin_value_kind {
	ADMIN_NONE,    /* not known: an empty cell, "–" for people, null in JSON */
	ADMIN_TEXT,
	ADMIN_COUNT,   /* 12.077 */
	ADMIN_SHARE,   /* n of `of`: 88,0% (halves up); "–" when `of` is 0 */
	ADMIN_DECIMAL, /* n / of with one decimal: 3,5 */
	ADMIN_DAY      /* days since 1970: 23/11/2026 */
};
struct admin_value {
	enum admin_value_kind kind;
	int64_t n, of;
	struct cv_str text;
};
static inline struct admin_value
admin_none(void)
{
	return (struct admin_value){.kind = ADMIN_NONE};
}
static inline struct admin_value
admin_text(struct cv_str text)
{
	return (struct admin_value){.kind = ADMIN_TEXT, .text = text};
}
static inline struct admin_value
admin_text_z(const char *text)
{
	return admin_text(cv_str_z(text ? text : ""));
}
static inline struct admin_value
admin_count(int64_t n)
{
	return (struct admin_value){.kind = ADMIN_COUNT, .n = n};
}
static inline struct admin_value
admin_share(int64_t n, int64_t of)
{
	return (struct admin_value){.kind = of > 0 ? ADMIN_SHARE : ADMIN_NONE, .n = n, .of = of};
}
static inline struct admin_value
admin_decimal(int64_t n, int64_t of)
{
	return (struct admin_value){.kind = of > 0 ? ADMIN_DECIMAL : ADMIN_NONE, .n = n, .of = of};
}
static inline struct admin_value
admin_on_day(int64_t days)
{
	return (struct admin_value){.kind = ADMIN_DAY, .n = days};
}
/* As people read it; of ADMIN_NONE nothing. */
void admin_value_put(struct cv_buf *out, struct admin_value value);
/* |n| * scale / of, halves away from zero; no overflow below 2^53. */
int64_t admin_ratio(int64_t n, int64_t of, int64_t scale);

/* ---- documents ---- */

#define ADMIN_DOC_COLUMNS_MAX 24

struct admin_doc_column {
	const char *key;   /* in JSON: "with_address" */
	const char *title; /* for people */
	unsigned width;    /* of a sheet's column, in characters; 0: by kind and title */
	enum admin_value_kind kind; /* how its cells stand: text left, numbers right */
};
struct admin_doc_row {
	const struct admin_value *cells;
	bool is_total; /* set off: in bold, with a line above */
};
struct admin_doc_table {
	struct cv_str key, caption;
	struct admin_doc_column columns[ADMIN_DOC_COLUMNS_MAX];
	size_t column_count;
	struct admin_doc_row *rows;
	size_t row_count, row_cap;
};

/* A chart draws columns of a table, so the table is its alternative in text. */
enum admin_chart_kind {
	ADMIN_CHART_BARS, /* a lying bar for each row, columns beside each other */
	ADMIN_CHART_LINES /* rows are points in time from left to right, columns are lines */
};
#define ADMIN_CHART_SERIES_MAX 4
#define ADMIN_CHART_ROWS_MAX   40 /* the first so many rows that are no totals */
struct admin_chart {
	enum admin_chart_kind kind;
	const char *title;
	size_t label; /* index of the column with the names of rows */
	size_t series[ADMIN_CHART_SERIES_MAX];
	size_t series_count;
};

enum admin_block_kind {
	ADMIN_BLOCK_HEADING, ADMIN_BLOCK_TEXT, ADMIN_BLOCK_NOTE, ADMIN_BLOCK_TABLE,
	ADMIN_BLOCK_CHART, ADMIN_BLOCK_ANNEX
};
struct admin_block {
	enum admin_block_kind kind;
	struct cv_str text;
	struct admin_doc_table *table;
	struct admin_chart chart;
};

/* The heading and the end of an official document (Nghị định 30/2020/NĐ-CP, phụ lục I); texts may
 * be NULL. With `agency` NULL the document is a plain one. */
struct admin_doc_head {
	const char *superior, *agency; /* upper left: the agency above, the agency that writes */
	const char *symbol;            /* "BC-SKHCN": behind "Số:      /" */
	const char *place;             /* "Lam Giang" */
	const char *kind;              /* "BÁO CÁO" */
	const char *recipients;        /* lines */
	const char *signer;            /* "GIÁM ĐỐC" */
};

struct admin_doc {
	struct cv_arena arena;
	struct cv_str title, subtitle;
	struct admin_doc_head head;
	int64_t day; /* of the data, days since 1970: the only date in the files themselves */
	bool vietnamese;
	struct admin_block *blocks;
	size_t block_count, block_cap;
};

/* TITLE and SUBTITLE are shown on top. admin_doc_free() frees everything. */
struct admin_doc *admin_doc_new(
	bool vietnamese, int64_t day, const char *title, const char *subtitle);
void admin_doc_free(struct admin_doc *d);
void admin_doc_set_head(struct admin_doc *d, const struct admin_doc_head *head);
void admin_doc_heading(struct admin_doc *d, const char *text);
/* A paragraph. */
void admin_doc_text(struct admin_doc *d, const char *format, ...) CV_PRINTF(2, 3);
/* Small print: formulas, definitions. */
void admin_doc_note(struct admin_doc *d, const char *format, ...) CV_PRINTF(2, 3);
/* What follows is an annex: on pages of its own, lying, in ODT. */
void admin_doc_annex(struct admin_doc *d, const char *title);
/* An empty table; KEY names it in JSON and its sheet in XLSX when the caption is empty. */
struct admin_doc_table *admin_doc_table(struct admin_doc *d, const char *key, const char *caption,
	const struct admin_doc_column *columns, size_t count);
/* Adds as many cells as the table has columns. */
void admin_doc_row(struct admin_doc *d, struct admin_doc_table *t, const struct admin_value *cells,
	bool is_total);
void admin_doc_chart(struct admin_doc *d, struct admin_doc_table *t, const struct admin_chart *c);
/* The first table with most rows: what CSV holds. NULL without tables. */
const struct admin_doc_table *admin_doc_main_table(const struct admin_doc *d);

/* Appends D in FORMAT. CV_LIMIT when OUT has no room, CV_TEMPFAIL when a temporary file failed. */
CV_MUST_CHECK enum cv_status admin_doc_write(const struct admin_doc *d, enum admin_format format,
	struct cv_buf *out, struct cv_err *err);

#endif
