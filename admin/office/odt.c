/* odt.c - documents as OpenDocument texts (ODF 1.2), with the heading of Vietnamese offices.
 *
 * Page, margins, letters and the order of heading, title, text, recipients and signature are those
 * of Nghị định 30/2020/NĐ-CP, phụ lục I: A4; 20 mm above and below, 30 left, 20 right; Times New
 * Roman 14.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/admin.h"
#include "admin/office/office_impl.h"
#include "common/text/date.h"

#define PART_MAX (256u << 20)

static const char manifest[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<manifest:manifest "
	"xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\" "
	"manifest:version=\"1.2\">"
	"<manifest:file-entry manifest:full-path=\"/\" manifest:version=\"1.2\" "
	"manifest:media-type=\"application/vnd.oasis.opendocument.text\"/>"
	"<manifest:file-entry manifest:full-path=\"content.xml\" manifest:media-type=\"text/xml\"/>"
	"<manifest:file-entry manifest:full-path=\"styles.xml\" manifest:media-type=\"text/xml\"/>"
	"<manifest:file-entry manifest:full-path=\"meta.xml\" manifest:media-type=\"text/xml\"/>"
	"</manifest:manifest>\n";

#define NAMESPACES \
	"xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" " \
	"xmlns:style=\"urn:oasis:names:tc:opendocument:xmlns:style:1.0\" " \
	"xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" " \
	"xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\" " \
	"xmlns:fo=\"urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0\" " \
	"xmlns:svg=\"urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0\" " \
	"xmlns:meta=\"urn:oasis:names:tc:opendocument:xmlns:meta:1.0\" " \
	"xmlns:dc=\"http://purl.org/dc/elements/1.1/\" office:version=\"1.2\""

#define HEADER_STYLE \
	"<style:header-style><style:header-footer-properties fo:min-height=\"9mm\" " \
	"fo:margin-bottom=\"4mm\"/></style:header-style>"

/* Pages standing and lying, and their masters; the number of the page from the second on. */
static const char styles[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<office:document-styles " NAMESPACES ">"
	"<office:font-face-decls><style:font-face style:name=\"Times New Roman\" "
	"svg:font-family=\"'Times New Roman'\" style:font-family-generic=\"roman\"/>"
	"</office:font-face-decls><office:styles>"
	"<style:default-style style:family=\"paragraph\"><style:paragraph-properties "
	"fo:line-height=\"115%\"/><style:text-properties style:font-name=\"Times New Roman\" "
	"fo:font-size=\"14pt\" fo:language=\"vi\" fo:country=\"VN\"/></style:default-style>"
	"<style:style style:name=\"Standard\" style:family=\"paragraph\" style:class=\"text\"/>"
	"</office:styles><office:automatic-styles>"
	"<style:style style:name=\"PageNumber\" style:family=\"paragraph\">"
	"<style:paragraph-properties fo:text-align=\"center\"/>"
	"<style:text-properties fo:font-size=\"13pt\"/></style:style>"
	"<style:page-layout style:name=\"PL1\"><style:page-layout-properties "
	"fo:page-width=\"210mm\" fo:page-height=\"297mm\" style:print-orientation=\"portrait\" "
	"fo:margin-top=\"20mm\" fo:margin-bottom=\"20mm\" fo:margin-left=\"30mm\" "
	"fo:margin-right=\"20mm\"/>" HEADER_STYLE "</style:page-layout>"
	"<style:page-layout style:name=\"PL2\"><style:page-layout-properties "
	"fo:page-width=\"297mm\" fo:page-height=\"210mm\" style:print-orientation=\"landscape\" "
	"fo:margin-top=\"20mm\" fo:margin-bottom=\"15mm\" fo:margin-left=\"20mm\" "
	"fo:margin-right=\"20mm\"/>" HEADER_STYLE "</style:page-layout>"
	"</office:automatic-styles><office:master-styles>"
	"<style:master-page style:name=\"Standard\" style:page-layout-name=\"PL1\" "
	"style:next-style-name=\"Next\"/>"
	"<style:master-page style:name=\"Next\" style:page-layout-name=\"PL1\"><style:header>"
	"<text:p text:style-name=\"PageNumber\"><text:page-number "
	"text:select-page=\"current\">2</text:page-number></text:p></style:header>"
	"</style:master-page>"
	"<style:master-page style:name=\"Annex\" style:page-layout-name=\"PL2\"><style:header>"
	"<text:p text:style-name=\"PageNumber\"><text:page-number "
	"text:select-page=\"current\">2</text:page-number></text:p></style:header>"
	"</style:master-page></office:master-styles></office:document-styles>\n";

/* ---- styles of paragraphs, made from rows ---- */

static const struct {
	const char *name, *paragraph, *text;
} paragraphs[] = {
	{ "Body", "fo:text-align=\"justify\" fo:text-indent=\"10mm\" fo:margin-bottom=\"2.1mm\"", "" },
	{ "Small", "fo:text-align=\"justify\" fo:margin-bottom=\"1mm\"", "fo:font-size=\"11pt\" fo:font-style=\"italic\"" },
	{ "Heading", "fo:text-indent=\"10mm\" fo:margin-top=\"2.1mm\" fo:margin-bottom=\"2.1mm\" fo:keep-with-next=\"always\"", "fo:font-weight=\"bold\"" },
	{ "Kind", "fo:text-align=\"center\" fo:margin-top=\"6mm\" fo:keep-with-next=\"always\"", "fo:font-weight=\"bold\"" },
	{ "Title", "fo:text-align=\"center\" fo:keep-with-next=\"always\"", "fo:font-weight=\"bold\"" },
	{ "Subtitle", "fo:text-align=\"center\" fo:margin-bottom=\"6mm\"", "fo:font-style=\"italic\"" },
	{ "Caption", "fo:margin-top=\"2.1mm\" fo:margin-bottom=\"1mm\" fo:keep-with-next=\"always\"", "fo:font-weight=\"bold\" fo:font-size=\"13pt\"" },
	{ "Upper", "fo:text-align=\"center\"", "fo:font-size=\"12pt\"" },
	{ "UpperAbove", "fo:text-align=\"center\"", "fo:font-size=\"12pt\" fo:text-transform=\"uppercase\"" },
	{ "UpperBold", "fo:text-align=\"center\"", "fo:font-size=\"12pt\" fo:font-weight=\"bold\" fo:text-transform=\"uppercase\"" },
	{ "Motto", "fo:text-align=\"center\"", "fo:font-size=\"13pt\" fo:font-weight=\"bold\"" },
	{ "Rule", "fo:margin-left=\"25mm\" fo:margin-right=\"25mm\" fo:border-top=\"0.5pt solid #000000\"", "fo:font-size=\"4pt\"" },
	{ "RuleWide", "fo:margin-left=\"14mm\" fo:margin-right=\"14mm\" fo:border-top=\"0.5pt solid #000000\"", "fo:font-size=\"4pt\"" },
	{ "Place", "fo:text-align=\"center\"", "fo:font-size=\"13pt\" fo:font-style=\"italic\"" },
	{ "Recipients", "", "fo:font-size=\"12pt\" fo:font-style=\"italic\" fo:font-weight=\"bold\"" },
	{ "Recipient", "", "fo:font-size=\"11pt\"" },
	{ "Signer", "fo:text-align=\"center\"", "fo:font-weight=\"bold\"" },
	{ "Cell", "", "fo:font-size=\"11pt\"" },
	{ "CellRight", "fo:text-align=\"end\"", "fo:font-size=\"11pt\"" },
	{ "CellHead", "fo:text-align=\"center\"", "fo:font-size=\"11pt\" fo:font-weight=\"bold\"" },
	{ "CellSum", "", "fo:font-size=\"11pt\" fo:font-weight=\"bold\"" },
	{ "CellSumRight", "fo:text-align=\"end\"", "fo:font-size=\"11pt\" fo:font-weight=\"bold\"" },
};

/* How much room its contents need. */
static unsigned
column_weight(const struct admin_doc_table *t, size_t column)
{
	struct cv_buf room = CV_BUF_INIT(1u << 20);
	size_t longest = 4;

	for (size_t r = 0; r < CV_MIN(t->row_count, 200); r++) {
		cv_buf_reset(&room);
		admin_put_shown(&room, t->rows[r].cells[column]);
		longest = CV_MAX(longest, admin_width(room.n ? room.p : ""));
	}
	for (const char *word = t->columns[column].title; *word;) {
		size_t n = strcspn(word, " ");
		longest = CV_MAX(longest, n + 1);
		word += n + strspn(word + n, " ");
	}
	cv_buf_done(&room);
	return (unsigned)CV_MIN(longest, 40) + 3; /* and for what is beside the text */
}

#define ALL_COLUMNS 65535u /* what the shares of a table's columns sum up to */

static void
put_column_styles(struct cv_buf *out, const struct admin_doc_table *t, size_t block)
{
	unsigned sum = 0;

	for (size_t c = 0; c < t->column_count; c++)
		sum += column_weight(t, c);
	for (size_t c = 0; c < t->column_count; c++)
		cv_buf_printf(out,
			"<style:style style:name=\"T%zuC%zu\" style:family=\"table-column\">"
			"<style:table-column-properties style:rel-column-width=\"%u*\"/>"
			"</style:style>",
			block, c, ALL_COLUMNS * column_weight(t, c) / sum);
}

static void
put_styles(struct cv_buf *out, const struct admin_doc *d)
{
	cv_buf_z(out, "<office:automatic-styles>");
	for (size_t i = 0; i < CV_COUNT(paragraphs); i++)
		cv_buf_printf(out,
			"<style:style style:name=\"%s\" style:family=\"paragraph\" "
			"style:parent-style-name=\"Standard\"><style:paragraph-properties %s/>"
			"<style:text-properties %s/></style:style>",
			paragraphs[i].name, paragraphs[i].paragraph, paragraphs[i].text);
	cv_buf_z(out,
		"<style:style style:name=\"Annex\" style:family=\"paragraph\" "
		"style:parent-style-name=\"Standard\" style:master-page-name=\"Annex\">"
		"<style:paragraph-properties fo:text-align=\"center\" fo:break-before=\"page\" "
		"fo:keep-with-next=\"always\"/><style:text-properties fo:font-weight=\"bold\"/>"
		"</style:style>"
		"<style:style style:name=\"Plain\" style:family=\"table-cell\">"
		"<style:table-cell-properties fo:padding=\"0\" fo:border=\"none\"/></style:style>"
		"<style:style style:name=\"Box\" style:family=\"table-cell\">"
		"<style:table-cell-properties fo:padding=\"1mm\" "
		"fo:border=\"0.5pt solid #000000\"/></style:style>"
		"<style:style style:name=\"Full\" style:family=\"table\"><style:table-properties "
		"style:rel-width=\"100%\" table:align=\"margins\"/></style:style>"
		"<style:style style:name=\"Left\" style:family=\"table-column\">"
		"<style:table-column-properties style:rel-column-width=\"24248*\"/></style:style>"
		"<style:style style:name=\"Right\" style:family=\"table-column\">"
		"<style:table-column-properties style:rel-column-width=\"41287*\"/></style:style>");
	for (size_t i = 0; i < d->block_count; i++)
		if (d->blocks[i].kind == ADMIN_BLOCK_TABLE)
			put_column_styles(out, d->blocks[i].table, i);
	cv_buf_z(out, "</office:automatic-styles>");
}

/* ---- contents ---- */

/* TEXT as paragraphs, one a line. */
static void
put_paragraphs(struct cv_buf *out, const char *style_name, struct cv_str text)
{
	struct cv_str line;

	if (!text.n) {
		cv_buf_printf(out, "<text:p text:style-name=\"%s\"/>", style_name);
		return;
	}
	while (cv_str_split(&text, '\n', &line)) {
		cv_buf_printf(out, "<text:p text:style-name=\"%s\">", style_name);
		admin_put_xml(out, line);
		cv_buf_z(out, "</text:p>");
	}
}

static void
put_z(struct cv_buf *out, const char *style_name, const char *text)
{
	put_paragraphs(out, style_name, cv_str_z(text ? text : ""));
}

static void
put_cell(struct cv_buf *out, const char *style_name, struct cv_str text)
{
	cv_buf_z(out, "<table:table-cell table:style-name=\"Box\" office:value-type=\"string\">");
	put_paragraphs(out, style_name, text);
	cv_buf_z(out, "</table:table-cell>");
}

static void
put_table(struct cv_buf *out, const struct admin_doc_table *t, size_t block)
{
	struct cv_buf room = CV_BUF_INIT(1u << 20);

	if (t->caption.n)
		put_paragraphs(out, "Caption", t->caption);
	cv_buf_z(out, "<table:table table:name=\"");
	admin_put_xml(out, t->key);
	cv_buf_z(out, "\" table:style-name=\"Full\">");
	for (size_t c = 0; c < t->column_count; c++)
		cv_buf_printf(out, "<table:table-column table:style-name=\"T%zuC%zu\"/>", block, c);
	cv_buf_z(out, "<table:table-header-rows><table:table-row>");
	for (size_t c = 0; c < t->column_count; c++)
		put_cell(out, "CellHead", cv_str_z(t->columns[c].title));
	cv_buf_z(out, "</table:table-row></table:table-header-rows>");
	for (size_t r = 0; r < t->row_count; r++) {
		bool sum = t->rows[r].is_total;
		cv_buf_z(out, "<table:table-row>");
		for (size_t c = 0; c < t->column_count; c++) {
			bool right = admin_is_number(t->columns[c].kind);
			cv_buf_reset(&room);
			admin_put_shown(&room, t->rows[r].cells[c]);
			put_cell(out,
				sum ? (right ? "CellSumRight" : "CellSum")
				    : (right ? "CellRight" : "Cell"),
				cv_buf_view(&room));
		}
		cv_buf_z(out, "</table:table-row>");
	}
	cv_buf_z(out, "</table:table><text:p text:style-name=\"Cell\"/>");
	cv_buf_done(&room);
}

static void
open_pair(struct cv_buf *out, const char *name)
{
	cv_buf_printf(out,
		"<table:table table:name=\"%s\" table:style-name=\"Full\"><table:table-column "
		"table:style-name=\"Left\"/><table:table-column table:style-name=\"Right\"/>"
		"<table:table-row><table:table-cell table:style-name=\"Plain\">",
		name);
}

#define NEXT_CELL "</table:table-cell><table:table-cell table:style-name=\"Plain\">"
#define END_PAIR  "</table:table-cell></table:table-row></table:table>"

/* Agency and number on the left, the country's name, place and day on the right. The day of the
 * letter is left open as clerks do: it is given when the letter is signed. */
static void
put_head(struct cv_buf *out, const struct admin_doc *d)
{
	const struct admin_doc_head *h = &d->head;
	struct cv_civil day;
	struct cv_buf text = CV_BUF_INIT(4000);

	cv_civil_from_days(d->day, &day);
	open_pair(out, "Heading");
	if (h->superior)
		put_z(out, "UpperAbove", h->superior);
	put_z(out, "UpperBold", h->agency);
	put_z(out, "Rule", "");
	cv_buf_printf(&text, "Số: ……/%s", h->symbol ? h->symbol : "BC");
	put_paragraphs(out, "Upper", cv_buf_view(&text));
	cv_buf_z(out, NEXT_CELL);
	put_z(out, "UpperBold", "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM");
	put_z(out, "Motto", "Độc lập - Tự do - Hạnh phúc");
	put_z(out, "RuleWide", "");
	cv_buf_reset(&text);
	cv_buf_printf(&text, "%s, ngày …… tháng %02d năm %04d", h->place ? h->place : "……",
		day.month, day.year);
	put_paragraphs(out, "Place", cv_buf_view(&text));
	cv_buf_z(out, END_PAIR);
	cv_buf_done(&text);
}

static void
put_end(struct cv_buf *out, const struct admin_doc_head *h)
{
	cv_buf_z(out, "<text:p text:style-name=\"Cell\"/>");
	open_pair(out, "End");
	put_z(out, "Recipients", "Nơi nhận:");
	put_z(out, "Recipient", h->recipients ? h->recipients : "- Như trên;\n- Lưu: VT.");
	cv_buf_z(out, NEXT_CELL);
	put_z(out, "Signer", h->signer ? h->signer : "THỦ TRƯỞNG ĐƠN VỊ");
	put_z(out, "Place", "(Chữ ký, dấu)");
	cv_buf_z(out, END_PAIR);
}

static void
put_block(struct cv_buf *out, const struct admin_doc *d, size_t i)
{
	const struct admin_block *b = &d->blocks[i];
	struct cv_str rest = b->text, first = CV_STR_EMPTY;

	switch (b->kind) {
	case ADMIN_BLOCK_HEADING:
		put_paragraphs(out, "Heading", b->text);
		break;
	case ADMIN_BLOCK_TEXT:
		put_paragraphs(out, "Body", b->text);
		break;
	case ADMIN_BLOCK_NOTE:
		put_paragraphs(out, "Small", b->text);
		break;
	case ADMIN_BLOCK_TABLE:
		put_table(out, b->table, i);
		break;
	case ADMIN_BLOCK_ANNEX:
		(void)!cv_str_split(&rest, '\n', &first); /* one of its lines begins the page */
		put_paragraphs(out, "Annex", first);
		if (rest.n)
			put_paragraphs(out, "Title", rest);
		break;
	case ADMIN_BLOCK_CHART: /* its table is there */
		break;
	}
}

static void
put_content(struct cv_buf *out, const struct admin_doc *d)
{
	size_t i = 0;

	cv_buf_z(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<office:document-content " NAMESPACES ">");
	put_styles(out, d);
	cv_buf_z(out, "<office:body><office:text>");
	if (d->head.agency)
		put_head(out, d);
	if (d->head.kind)
		put_z(out, "Kind", d->head.kind);
	put_paragraphs(out, "Title", d->title);
	put_paragraphs(out, "Subtitle", d->subtitle);
	/* The signature stands behind the text, before the annexes. */
	for (; i < d->block_count && d->blocks[i].kind != ADMIN_BLOCK_ANNEX; i++)
		put_block(out, d, i);
	if (d->head.agency)
		put_end(out, &d->head);
	for (; i < d->block_count; i++)
		put_block(out, d, i);
	cv_buf_z(out, "</office:text></office:body></office:document-content>\n");
}

static void
put_meta(struct cv_buf *out, const struct admin_doc *d)
{
	cv_buf_z(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<office:document-meta " NAMESPACES "><office:meta><dc:title>");
	admin_put_xml(out, d->title);
	cv_buf_z(out, "</dc:title><meta:creation-date>");
	cv_date_write_iso_day(out, cv_date_at(d->day * 86400, 0));
	cv_buf_z(out, "T00:00:00</meta:creation-date></office:meta></office:document-meta>\n");
}

enum cv_status
admin_write_odt(const struct admin_doc *d, struct cv_buf *out, struct cv_err *err)
{
	struct cv_buf content = CV_BUF_INIT(PART_MAX), meta = CV_BUF_INIT(1u << 20);
	struct admin_zip zip;
	enum cv_status status;

	put_content(&content, d);
	put_meta(&meta, d);
	admin_zip_begin(&zip, out);
	struct {
		const char *name;
		struct cv_str bytes;
		bool pack;
	} parts[] = {
		{"mimetype", cv_str_z("application/vnd.oasis.opendocument.text"), false},
		{"content.xml", cv_buf_view(&content), true},
		{"styles.xml", cv_str_z(styles), true},
		{"meta.xml", cv_buf_view(&meta), true},
		{"META-INF/manifest.xml", cv_str_z(manifest), true},
	};
	status = content.full || meta.full ? cv_fail(err, CV_LIMIT, "the document is too large")
					   : CV_OK;
	for (size_t i = 0; i < CV_COUNT(parts) && status == CV_OK; i++)
		status = admin_zip_add(&zip, parts[i].name, parts[i].bytes, parts[i].pack, err);
	enum cv_status end = admin_zip_end(&zip, err);
	cv_buf_done(&content);
	cv_buf_done(&meta);
	return status != CV_OK ? status : end;
}
