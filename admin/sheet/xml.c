/* xml.c - expat without document types and without namespaces in names. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <expat.h>
#include <string.h>

#include "admin/sheet/sheet_impl.h"

#define DEPTH_MAX   64
#define PIECE_BYTES (256u << 10)

static const char *
local(const char *name)
{
	const char *bar = strrchr(name, '|');

	return bar ? bar + 1 : name;
}

static void
on_start(void *arg, const XML_Char *name, const XML_Char **attrs)
{
	struct sheet_xml *x = arg;

	if (x->status != CV_OK)
		return;
	if (++x->depth > DEPTH_MAX) {
		(void)cv_fail(x->err, CV_LIMIT, "elements stand too deep in each other");
		sheet_xml_fail(x, CV_LIMIT);
		return;
	}
	x->h->start(x->arg, x, local(name), attrs);
}

static void
on_end(void *arg, const XML_Char *name)
{
	struct sheet_xml *x = arg;

	if (x->status != CV_OK)
		return;
	if (x->h->end)
		x->h->end(x->arg, x, local(name));
	x->depth--;
}

static void
on_text(void *arg, const XML_Char *p, int n)
{
	struct sheet_xml *x = arg;

	if (x->status == CV_OK && x->h->text)
		x->h->text(x->arg, p, (size_t)n);
}

/* No office program writes one, and entities are an old way to fill memories. */
static void
on_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public,
	int has_subset)
{
	struct sheet_xml *x = arg;

	(void)name;
	(void)system;
	(void)public;
	(void)has_subset;
	(void)cv_fail(x->err, CV_INVALID, "it has a document type");
	sheet_xml_fail(x, CV_INVALID);
}

void
sheet_xml_fail(struct sheet_xml *x, enum cv_status status)
{
	x->status = status;
	XML_StopParser(x->parser, XML_FALSE);
}

enum cv_status
sheet_xml_parse(struct cv_str bytes, const char *path, const struct sheet_xml_handlers *h,
	void *arg, struct cv_err *err)
{
	struct cv_err why = { 0 };
	struct sheet_xml x = { .h = h, .arg = arg, .err = &why };
	XML_Parser parser = XML_ParserCreateNS(NULL, '|');
	const char *p = bytes.p ? bytes.p : "";
	bool well = true;

	if (!parser)
		cv_die("out of memory");
	x.parser = parser;
	XML_SetUserData(parser, &x);
	XML_SetElementHandler(parser, on_start, on_end);
	XML_SetCharacterDataHandler(parser, on_text);
	XML_SetStartDoctypeDeclHandler(parser, on_doctype);
	for (size_t at = 0; well && at <= bytes.n; at += PIECE_BYTES) {
		size_t n = CV_MIN(bytes.n - at, (size_t)PIECE_BYTES);
		bool is_last = at + n == bytes.n;
		well = XML_Parse(parser, p + at, (int)n, is_last) == XML_STATUS_OK;
		if (is_last)
			break;
	}
	enum cv_status status = x.status;
	if (status != CV_OK)
		(void)cv_fail(err, status, "%s", why.text);
	else if (!well)
		status = cv_fail(err, CV_INVALID,
			"%s in the file is damaged, line %lu: %s (is the file protected by a "
			"password?)",
			path, (unsigned long)XML_GetCurrentLineNumber(parser),
			XML_ErrorString(XML_GetErrorCode(parser)));
	XML_ParserFree(parser);
	return status;
}

const char *
sheet_attr(const char **attrs, const char *space, const char *name)
{
	for (size_t i = 0; attrs[i]; i += 2) {
		const char *bar = strrchr(attrs[i], '|');
		if (strcmp(local(attrs[i]), name) != 0)
			continue;
		if (!space || !bar)
			return attrs[i + 1];
		struct cv_str uri = cv_str(attrs[i], (size_t)(bar - attrs[i])), part;
		while (cv_str_split(&uri, ':', &part))
			if (cv_str_eq_z(part, space))
				return attrs[i + 1];
	}
	return NULL;
}

size_t
sheet_attr_number(
	const char **attrs, const char *space, const char *name, size_t dflt, size_t max)
{
	const char *text = sheet_attr(attrs, space, name);
	uint64_t n;

	if (!text)
		return dflt;
	return cv_str_u64(cv_str_z(text), max, &n) == CV_OK ? (size_t)n : max;
}
