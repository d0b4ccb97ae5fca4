/* html.c - documents as one page without scripts and without outside files; prints on A4. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/office/office_impl.h"

static const char style[] =
	":root{color-scheme:light}*{box-sizing:border-box}"
	"body{margin:0 auto;max-width:64rem;padding:1.5rem 1.25rem 3rem;color:#1a2230;"
	"background:#fff;font:1rem/1.5 \"Be Vietnam Pro\",\"Segoe UI\",Roboto,\"Noto Sans\","
	"\"Helvetica Neue\",Arial,sans-serif}"
	"h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 .3rem}"
	"h2{font-size:1.2rem;margin:2rem 0 .6rem}"
	".sub{color:#4a5568;margin:0 0 1.4rem;padding-bottom:.8rem;border-bottom:3px solid #0b3566}"
	".note{color:#4a5568;font-size:.875rem;margin:.4rem 0}p{white-space:pre-line}"
	"figure{margin:1.2rem 0}figcaption{font-weight:600;margin-bottom:.4rem}"
	"svg{max-width:100%;height:auto;font-size:12px;fill:#1a2230}"
	"svg .grid{stroke:#dde3ea}svg .axis{stroke:#6b7686}"
	".wide{overflow-x:auto}"
	"table{border-collapse:collapse;width:100%;font-size:.9rem;margin:0 0 1rem}"
	"caption{text-align:left;font-weight:600;padding:.2rem 0 .5rem}"
	"th,td{padding:.35rem .6rem;border-bottom:1px solid #d5dce6;text-align:left;"
	"vertical-align:top}"
	"thead th{background:#e9eff7;border-bottom:2px solid #9fb0c6;vertical-align:bottom;"
	"font-size:.82rem}"
	".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
	"thead .n{white-space:normal}.w{min-width:13rem}"
	"tbody th{font-weight:400}tbody .sum>*{font-weight:700;border-top:2px solid #9fb0c6;"
	"background:#f7f9fc}"
	"@media print{@page{size:A4;margin:18mm 15mm}body{max-width:none;padding:0;font-size:10pt}"
	"thead{display:table-header-group}tr,figure{break-inside:avoid}.wide{overflow:visible}"
	"table{font-size:8.5pt}h2{break-after:avoid}}";

#define WIDE_COLUMN 28 /* of texts that shall not break at each word */

static void
put_element(struct cv_buf *out, const char *open, struct cv_str text, const char *close)
{
	cv_buf_z(out, open);
	admin_put_xml(out, text);
	cv_buf_z(out, close);
}

static void
put_cell(struct cv_buf *out, const struct admin_doc_table *t, size_t column,
	struct admin_value value)
{
	bool is_number = admin_is_number(t->columns[column].kind);
	const char *tag = column ? "td" : "th";
	struct cv_buf text = CV_BUF_INIT(1u << 20);

	admin_put_shown(&text, value);
	cv_buf_printf(out, "<%s%s%s>", tag, column ? "" : " scope=\"row\"",
		is_number				? " class=\"n\""
		: t->columns[column].width >= WIDE_COLUMN ? " class=\"w\""
							  : "");
	admin_put_xml(out, cv_buf_view(&text));
	cv_buf_printf(out, "</%s>", tag);
	cv_buf_done(&text);
}

static void
put_table(struct cv_buf *out, const struct admin_doc_table *t)
{
	/* What may scroll sideways must be reachable by keys, and then it needs a name. */
	cv_buf_z(out, "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"");
	admin_put_xml(out, t->caption.n ? t->caption : t->key);
	cv_buf_z(out, "\">\n<table>\n");
	if (t->caption.n)
		put_element(out, "<caption>", t->caption, "</caption>\n");
	cv_buf_z(out, "<thead><tr>");
	for (size_t c = 0; c < t->column_count; c++)
		put_element(out,
			admin_is_number(t->columns[c].kind) ? "<th scope=\"col\" class=\"n\">"
							    : "<th scope=\"col\">",
			cv_str_z(t->columns[c].title), "</th>");
	cv_buf_z(out, "</tr></thead>\n<tbody>\n");
	for (size_t r = 0; r < t->row_count; r++) {
		cv_buf_z(out, t->rows[r].is_total ? "<tr class=\"sum\">" : "<tr>");
		for (size_t c = 0; c < t->column_count; c++)
			put_cell(out, t, c, t->rows[r].cells[c]);
		cv_buf_z(out, "</tr>\n");
	}
	cv_buf_z(out, "</tbody>\n</table>\n</div>\n");
}

/* A chart stands before its table: it shows what the rows tell one by one. */
static void
put_charts(struct cv_buf *out, const struct admin_doc *d, const struct admin_doc_table *t,
	unsigned *charts)
{
	for (size_t i = 0; i < d->block_count; i++) {
		const struct admin_block *b = &d->blocks[i];
		if (b->kind != ADMIN_BLOCK_CHART || b->table != t)
			continue;
		put_element(out, "<figure>\n<figcaption>", cv_str_z(b->chart.title), "");
		if (t->row_count > ADMIN_CHART_ROWS_MAX)
			cv_buf_printf(out, " (%d / %zu)", ADMIN_CHART_ROWS_MAX, t->row_count);
		cv_buf_z(out, "</figcaption>\n");
		admin_write_chart(b, ++*charts, out);
		cv_buf_z(out, "</figure>\n");
	}
}

void
admin_write_html(const struct admin_doc *d, struct cv_buf *out)
{
	unsigned charts = 0;

	cv_buf_printf(out, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
			   "<meta name=\"viewport\" content=\"width=device-width, "
			   "initial-scale=1\">\n",
		d->vietnamese ? "vi" : "en");
	put_element(out, "<title>", d->title, "</title>\n");
	cv_buf_printf(out, "<style>%s</style>\n</head>\n<body>\n<main>\n", style);
	put_element(out, "<h1>", d->title, "</h1>\n");
	put_element(out, "<p class=\"sub\">", d->subtitle, "</p>\n");
	for (size_t i = 0; i < d->block_count; i++) {
		const struct admin_block *b = &d->blocks[i];
		switch (b->kind) {
		case ADMIN_BLOCK_HEADING:
		case ADMIN_BLOCK_ANNEX:
			put_element(out, "<h2>", b->text, "</h2>\n");
			break;
		case ADMIN_BLOCK_TEXT:
			put_element(out, "<p>", b->text, "</p>\n");
			break;
		case ADMIN_BLOCK_NOTE:
			put_element(out, "<p class=\"note\">", b->text, "</p>\n");
			break;
		case ADMIN_BLOCK_TABLE:
			put_charts(out, d, b->table, &charts);
			put_table(out, b->table);
			break;
		case ADMIN_BLOCK_CHART:
			break;
		}
	}
	cv_buf_z(out, "</main>\n</body>\n</html>\n");
}
