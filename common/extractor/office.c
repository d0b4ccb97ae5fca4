/* office.c - the texts of DOCX, XLSX, PPTX, ODT, ODS and ODP.
 *
 * All are ZIP archives of XML files. What a file is, its root element says: packages may name their
 * parts as they like. Elements are known by their local names, since prefixes are free too. A file
 * with a document type declaration is left out: no such document needs one, and all that XML can do
 * to a reader by entities begins there.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <expat.h>

#include "common/text/charset.h"
#include "common/extractor/extractor.h"
#include "common/extractor/zip.h"

#define DEPTH_MAX  300u
#define PIECE_MAX  (256u << 10) /* of characters that are looked at together */
#define SPACES_MAX 64u          /* of one text:s */

enum family { NONE, WORDS, SHARED, SHEET, BOOK, ODF };

/* clang-format off */
static const struct root {
	const char *name;
	enum family family;
} roots[] = {
	{ "document",         WORDS  }, /* WordprocessingML */
	{ "hdr",              WORDS  },
	{ "ftr",              WORDS  },
	{ "footnotes",        WORDS  },
	{ "endnotes",         WORDS  },
	{ "comments",         WORDS  }, /* SpreadsheetML's too */
	{ "glossaryDocument", WORDS  },
	{ "sld",              WORDS  }, /* PresentationML and DrawingML write "t" and "p" as well */
	{ "notes",            WORDS  },
	{ "cmLst",            WORDS  },
	{ "wsDr",             WORDS  },
	{ "sst",              SHARED },
	{ "worksheet",        SHEET  },
	{ "workbook",         BOOK   },
	{ "document-content", ODF    },
	{ "document-styles",  ODF    }, /* headers and footers */
};
/* clang-format on */

struct reader {
	XML_Parser parser;
	struct extractor_text *t;
	enum family family;
	bool is_foreign, is_bad;    /* no text; no XML of a document */
	unsigned depth, skip_depth; /* skip_depth: of the element that is left out, or 0 */
	unsigned capture;           /* elements that are open whose characters count */
	bool is_shared_cell;        /* its value is a number of the shared strings */
	const char *charset;        /* of an old font's letters, or NULL */
	struct cv_buf piece;
};

static bool
is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

static const char *
local(const char *name)
{
	const char *colon = strrchr(name, ':');
	return colon ? colon + 1 : name;
}

static const char *
attribute(const char **attributes, const char *name)
{
	for (; attributes[0]; attributes += 2)
		if (!strcmp(local(attributes[0]), name))
			return attributes[1];
	return NULL;
}

/* Letters of an old font are octets that stand for themselves. */
static bool
put_legacy(struct reader *r, struct cv_str piece)
{
	struct cv_buf octets = CV_BUF_INIT(PIECE_MAX), utf8 = CV_BUF_INIT(8 * PIECE_MAX);
	bool fits = true;

	for (size_t at = 0; at < piece.n && fits;) {
		uint32_t c = cv_utf8_next(piece, &at);
		fits = c < 256;
		cv_buf_c(&octets, (char)c);
	}
	fits = fits && !cv_charset_to_utf8(cv_str_z(r->charset), cv_buf_view(&octets), &utf8);
	if (fits)
		extractor_text_add(r->t, cv_buf_view(&utf8));
	cv_buf_done(&octets);
	cv_buf_done(&utf8);
	return fits;
}

/* A line end inside a text is a blank to every reader of these formats. */
static void
flush(struct reader *r)
{
	for (size_t i = 0; i < r->piece.n; i++)
		if ((unsigned char)r->piece.p[i] < ' ')
			r->piece.p[i] = ' ';
	if (r->piece.n && (!r->charset || !put_legacy(r, cv_buf_view(&r->piece))))
		extractor_text_add(r->t, cv_buf_view(&r->piece));
	cv_buf_reset(&r->piece);
	if (extractor_text_is_enough(r->t))
		XML_StopParser(r->parser, XML_FALSE);
}

/* ".VnTime", ".VnArialH": TCVN 5712 (ABC). "VNI-Times": VNI. What styles name is not looked up. */
static void
take_font(struct reader *r, const char **attributes)
{
	const char *font = attribute(attributes, "ascii");

	if (!font)
		font = attribute(attributes, "hAnsi");
	struct cv_str name = cv_str_z(font);
	r->charset = cv_str_has_iprefix(name, ".vn")    ? "tcvn3"
		     : cv_str_has_iprefix(name, "vni-") ? "vni"
							: NULL;
}

static void
begin_root(struct reader *r, const char *name)
{
	for (size_t i = 0; i < CV_COUNT(roots); i++)
		if (!strcmp(name, roots[i].name))
			r->family = roots[i].family;
	if (r->family)
		return;
	r->is_foreign = true;
	XML_StopParser(r->parser, XML_FALSE);
}

static void
begin_sheet_element(struct reader *r, const char *name, const char **attributes)
{
	if (!strcmp(name, "c")) {
		const char *type = attribute(attributes, "t");
		r->is_shared_cell = type && !strcmp(type, "s");
	} else if (!strcmp(name, "t") || (!strcmp(name, "v") && !r->is_shared_cell)) {
		r->capture++;
	}
}

static void
begin_odf_element(struct reader *r, const char *name, const char **attributes)
{
	if (!strcmp(name, "p") || !strcmp(name, "h")) {
		r->capture++;
	} else if (!strcmp(name, "s")) {
		const char *count = attribute(attributes, "c");
		uint64_t n = 1;
		if (count && cv_str_u64(cv_str_z(count), SPACES_MAX, &n))
			n = 1;
		while (n-- && r->capture)
			cv_buf_c(&r->piece, ' ');
	} else if (!strcmp(name, "tab") || !strcmp(name, "line-break")) {
		cv_buf_c(&r->piece, ' ');
	} else if (!strcmp(name, "table")) {
		const char *title = attribute(attributes, "name");
		extractor_text_line(r->t);
		if (title)
			extractor_text_add(r->t, cv_str_z(title));
		extractor_text_line(r->t);
	}
}

static void
begin_office_element(struct reader *r, const char *name, const char **attributes)
{
	static const char *const spaces[] = {"tab", "br", "cr", "noBreakHyphen", NULL};

	if (!strcmp(name, "t"))
		r->capture++;
	else if (!strcmp(name, "r"))
		r->charset = NULL;
	else if (!strcmp(name, "rFonts"))
		take_font(r, attributes);
	else if (is_one_of(name, spaces))
		extractor_text_space(r->t);
	else if (r->family == BOOK && !strcmp(name, "sheet") && attribute(attributes, "name"))
		cv_buf_z(&r->piece, attribute(attributes, "name"));
}

static void
on_begin(void *arg, const char *qualified, const char **attributes)
{
	/* Said twice for old readers; furigana; what was deleted with changes tracked. */
	static const char *const skipped[] = {"Fallback", "rPh", "del", "moveFrom",
		"tracked-changes", "ruby-text", "binary-data", NULL};
	struct reader *r = arg;
	const char *name = local(qualified);

	if (++r->depth > DEPTH_MAX) {
		r->is_bad = true;
		XML_StopParser(r->parser, XML_FALSE);
	} else if (r->depth == 1) {
		begin_root(r, name);
	} else if (!r->skip_depth && is_one_of(name, skipped)) {
		r->skip_depth = r->depth;
	} else if (!r->skip_depth && r->family == SHEET) {
		begin_sheet_element(r, name, attributes);
	} else if (!r->skip_depth && r->family == ODF) {
		begin_odf_element(r, name, attributes);
	} else if (!r->skip_depth) {
		begin_office_element(r, name, attributes);
	}
}

static void
on_end(void *arg, const char *qualified)
{
	static const char *const lines[] = {"p", "h", "si", "c", "sheet", "comment", NULL};
	struct reader *r = arg;
	const char *name = local(qualified);
	unsigned depth = r->depth--;

	if (r->skip_depth) {
		if (depth == r->skip_depth)
			r->skip_depth = 0;
		return;
	}
	bool is_text = r->family == ODF
			       ? !strcmp(name, "p") || !strcmp(name, "h")
			       : !strcmp(name, "t") || (r->family == SHEET && !strcmp(name, "v") &&
							       !r->is_shared_cell);
	if (is_text && r->capture)
		r->capture--;
	if (is_text || is_one_of(name, lines))
		flush(r);
	if (is_one_of(name, lines))
		extractor_text_line(r->t);
}

static void
on_characters(void *arg, const char *p, int n)
{
	struct reader *r = arg;

	if (!r->capture || r->skip_depth)
		return;
	cv_buf_add(&r->piece, p, (size_t)n);
	if (r->piece.n > PIECE_MAX / 2)
		flush(r);
}

static void
on_doctype(void *arg, const char *name, const char *system, const char *public_, int internal)
{
	struct reader *r = arg;

	(void)name;
	(void)system;
	(void)public_;
	(void)internal;
	r->is_bad = true;
	XML_StopParser(r->parser, XML_FALSE);
}

static bool
on_bytes(void *arg, struct cv_str bytes)
{
	struct reader *r = arg;

	return XML_Parse(r->parser, bytes.p, (int)bytes.n, 0) == XML_STATUS_OK;
}

/* What came of one file. */
enum result { FOREIGN, READ, BAD };

static enum result
read_member(struct extractor_zip *z, const struct extractor_member *m, struct extractor_text *t)
{
	struct reader r = {.t = t, .piece = CV_BUF_INIT(PIECE_MAX)};

	r.parser = XML_ParserCreate(NULL);
	if (!r.parser)
		return BAD;
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_begin, on_end);
	XML_SetCharacterDataHandler(r.parser, on_characters);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	XML_SetParamEntityParsing(r.parser, XML_PARAM_ENTITY_PARSING_NEVER);
	bool whole = extractor_zip_read(z, m, on_bytes, &r) &&
		     XML_Parse(r.parser, "", 0, 1) == XML_STATUS_OK;
	XML_ParserFree(r.parser);
	cv_buf_done(&r.piece);
	extractor_text_line(t);
	if (r.is_foreign)
		return FOREIGN;
	return whole || extractor_text_is_enough(t) ? READ : BAD;
}

/* OpenDocument says which files a password hides. */
static bool
on_manifest(void *arg, struct cv_str bytes)
{
	bool *is_encrypted = arg;

	*is_encrypted |= cv_str_search(bytes, CV_STR("encryption-data")) < bytes.n;
	return true;
}

enum cv_extract_outcome
extractor_office(struct cv_str document, struct extractor_text *t)
{
	struct extractor_zip z;
	struct extractor_member m;
	unsigned read = 0, bad = 0, encrypted = 0;
	bool is_hidden = false;

	if (!extractor_zip_open(&z, document))
		return CV_EXTRACT_BROKEN;
	while (!extractor_text_is_enough(t) && !z.is_too_large && extractor_zip_next(&z, &m)) {
		encrypted += m.is_encrypted;
		if (cv_str_eq_z(m.name, "META-INF/manifest.xml"))
			(void)extractor_zip_read(&z, &m, on_manifest, &is_hidden);
		if (m.is_encrypted || !cv_str_has_isuffix(m.name, ".xml"))
			continue;
		enum result result = read_member(&z, &m, t);
		read += result == READ;
		bad += result == BAD;
	}
	if (extractor_is_late())
		return CV_EXTRACT_LIMIT;
	if (is_hidden || (encrypted && !read))
		return CV_EXTRACT_ENCRYPTED;
	if (z.is_too_large)
		return CV_EXTRACT_TOO_LARGE;
	if (read)
		return CV_EXTRACT_TEXT;
	return bad ? CV_EXTRACT_BROKEN : CV_EXTRACT_UNKNOWN;
}
