/* report_read.c - aggregate reports of others, in the forms of RFC 9990 and RFC 7489: hostile until
 * proven otherwise. See report.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <expat.h>
#include <zlib.h>

#include "common/net/addr.h"
#include "common/text/domain.h"
#include "common/text/encode.h"
#include "common/text/mime.h"
#include "spamfilter/dmarc/report.h"

#define COUNT_MAX 1000000000000ull
#define SECS_MAX  253402300799ull /* the year 9999 */
#define DAYS_MAX  62u             /* one report covers */

/* ---- unpacking ---- */

/* WINDOW: 31 for gzip, -15 for the bare stream within a zip. */
static enum cv_status
inflate_all(struct cv_str packed, int window, struct cv_buf *out, struct cv_err *err)
{
	z_stream z = {
		.next_in = (unsigned char *)(uintptr_t)packed.p, .avail_in = (unsigned)packed.n};
	int result = Z_OK;

	if (inflateInit2(&z, window) != Z_OK)
		return cv_fail(err, CV_TEMPFAIL, "a report cannot be unpacked");
	while (result == Z_OK && !out->full) {
		char piece[16384];
		z.next_out = (unsigned char *)piece;
		z.avail_out = sizeof piece;
		result = inflate(&z, Z_NO_FLUSH);
		size_t got = sizeof piece - z.avail_out;
		cv_buf_add(out, piece, got);
		if (result == Z_OK && !got && !z.avail_in)
			break;
	}
	inflateEnd(&z);
	if (out->full)
		return cv_fail(err, CV_LIMIT, "the report is larger than %zu bytes", out->max);
	return result == Z_STREAM_END ? CV_OK
				      : cv_fail(err, CV_INVALID, "the report's packing is damaged");
}

static uint32_t
le(struct cv_str s, size_t at, unsigned bytes)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < bytes; i++)
		n |= (uint32_t)(unsigned char)s.p[at + i] << (8 * i);
	return n;
}

/* The first entry of a zip, by its local header; sizes that stand only behind the data do no harm,
 * for a deflated stream knows its end. */
static enum cv_status
unzip(struct cv_str zip, struct cv_buf *out, struct cv_err *err)
{
	if (zip.n < 30)
		return cv_fail(err, CV_INVALID, "the report's zip is damaged");
	uint32_t flags = le(zip, 6, 2), method = le(zip, 8, 2), packed = le(zip, 18, 4);
	size_t data = 30 + (size_t)le(zip, 26, 2) + le(zip, 28, 2);
	if (data > zip.n || (flags & 1))
		return cv_fail(err, CV_INVALID, "the report's zip is damaged or encrypted");
	struct cv_str body = cv_str_sub(zip, data, zip.n);
	if (method == 8)
		return inflate_all(body, -15, out, err);
	if (method || (flags & 8) || packed > body.n)
		return cv_fail(err, CV_INVALID, "the report's zip is packed in an unknown way");
	cv_buf_str(out, cv_str_sub(body, 0, packed));
	return out->full ? cv_fail(err, CV_LIMIT, "the report is too large") : CV_OK;
}

static bool
is_gzip(struct cv_str s)
{
	return s.n > 2 && (unsigned char)s.p[0] == 0x1f && (unsigned char)s.p[1] == 0x8b;
}

static bool
is_zip(struct cv_str s)
{
	return cv_str_has_prefix(s, "PK\x03\x04");
}

static bool
is_xml(struct cv_str s)
{
	if (cv_str_has_prefix(s, "\xef\xbb\xbf"))
		s = cv_str_sub(s, 3, s.n);
	return cv_str_has_prefix(cv_str_trim(s), "<");
}

/* ---- XML ---- */

/* Where a text goes: the path of its element below <feedback>. */
enum where { IN_REPORT, IN_RECORD };
static const struct {
	const char *path, *key;
	enum where where;
} texts[] = {
	{"report_metadata/org_name",                "organization", IN_REPORT},
	{"report_metadata/email",                   "email",        IN_REPORT},
	{"report_metadata/report_id",               "id",           IN_REPORT},
	{"report_metadata/date_range/begin",        "begin",        IN_REPORT},
	{"report_metadata/date_range/end",          "end",          IN_REPORT},
	{"policy_published/domain",                 "domain",       IN_REPORT},
	{"policy_published/p",                      "p",            IN_REPORT},
	{"policy_published/sp",                     "sp",           IN_REPORT},
	{"record/row/source_ip",                    "ip",           IN_RECORD},
	{"record/row/count",                        "count",        IN_RECORD},
	{"record/row/policy_evaluated/disposition", "disposition",  IN_RECORD},
	{"record/row/policy_evaluated/dkim",        "dkim",         IN_RECORD},
	{"record/row/policy_evaluated/spf",         "spf",          IN_RECORD},
	{"record/row/policy_evaluated/reason/type", "reason",       IN_RECORD},
	{"record/identifiers/header_from",          "from",         IN_RECORD},
	{"record/identifiers/envelope_from",        "envelope",     IN_RECORD},
	{"record/auth_results/dkim/domain",         "dkim_domain",  IN_RECORD},
	{"record/auth_results/spf/domain",          "spf_domain",   IN_RECORD},
};

struct reader {
	XML_Parser parser;
	struct cv_buf path; /* "record/row/count", without <feedback> */
	unsigned depth;
	struct cv_buf text; /* of the innermost element */
	json_t *report, *records, *record;
	const char *fault;
};

static void
stop(struct reader *r, const char *why)
{
	if (!r->fault)
		r->fault = why;
	XML_StopParser(r->parser, XML_FALSE);
}

/* Without its namespace: "urn:...|feedback". */
static const char *
local_name(const char *name)
{
	const char *bar = strrchr(name, '|');

	return bar ? bar + 1 : name;
}

static void
on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *r = arg;

	(void)attributes;
	name = local_name(name);
	if (++r->depth > SPAM_REPORT_DEPTH_MAX)
		return stop(r, "nested too deeply");
	cv_buf_reset(&r->text);
	if (r->depth == 1) {
		if (strcmp(name, "feedback") != 0)
			stop(r, "no <feedback>");
		return;
	}
	cv_buf_printf(&r->path, "%s%s", r->path.n ? "/" : "", name);
	if (r->path.full)
		return stop(r, "names are too long");
	if (!cv_str_eq_z(cv_buf_view(&r->path), "record"))
		return;
	if (json_array_size(r->records) == SPAM_REPORT_RECORDS_MAX)
		return stop(r, "too many records");
	json_decref(r->record);
	r->record = json_object();
}

/* The first of several counts: signatures come best first. */
static void
keep_text(struct reader *r)
{
	struct cv_str path = cv_buf_view(&r->path), text = cv_str_trim(cv_buf_view(&r->text));

	for (size_t i = 0; i < CV_COUNT(texts); i++) {
		json_t *into = texts[i].where == IN_RECORD ? r->record : r->report;
		if (!into || !cv_str_eq_z(path, texts[i].path) ||
			json_object_get(into, texts[i].key))
			continue;
		/* expat gives UTF-8, but a cut may fall within a letter. */
		json_t *value = json_stringn(text.p ? text.p : "", text.n);
		json_object_set_new(into, texts[i].key, value ? value : json_string("?"));
	}
}

static bool
take_number(json_t *o, const char *key, uint64_t max)
{
	const char *text = json_string_value(json_object_get(o, key));
	uint64_t n;

	if (!text || cv_str_u64(cv_str_z(text), max, &n) != CV_OK)
		return false;
	json_object_set_new(o, key, json_integer((json_int_t)n));
	return true;
}

static void
end_record(struct reader *r)
{
	const char *ip = json_string_value(json_object_get(r->record, "ip"));
	struct cv_literal literal;

	if (!ip || !cv_ip_parse(cv_str_z(ip), &literal))
		return stop(r, "a record without an address");
	if (!take_number(r->record, "count", COUNT_MAX))
		return stop(r, "a record without a count");
	json_array_append_new(r->records, r->record);
	r->record = NULL;
}

static void
on_end(void *arg, const XML_Char *name)
{
	struct reader *r = arg;

	(void)name;
	keep_text(r);
	cv_buf_reset(&r->text);
	if (r->record && cv_str_eq_z(cv_buf_view(&r->path), "record"))
		end_record(r);
	r->depth--;
	while (r->path.n && r->path.p[r->path.n - 1] != '/')
		r->path.n--;
	r->path.n -= r->path.n > 0;
}

static void
on_text(void *arg, const XML_Char *text, int n)
{
	struct reader *r = arg;
	size_t room = r->text.max - r->text.n;

	cv_buf_add(&r->text, text, CV_MIN((size_t)n, room));
}

static void
on_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public_id,
	int has_subset)
{
	(void)name;
	(void)system;
	(void)public_id;
	(void)has_subset;
	stop(arg, "a document type is not allowed");
}

static enum cv_status
parse(struct reader *r, struct cv_str xml, struct cv_err *err)
{
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	/* In pieces: expat takes int lengths, and a stop is noticed sooner. */
	for (size_t at = 0;;) {
		size_t n = CV_MIN(xml.n - at, (size_t)65536);
		bool is_last = at + n == xml.n;
		if (XML_Parse(r->parser, xml.p + at, (int)n, is_last) != XML_STATUS_OK) {
			if (!r->fault)
				r->fault = XML_ErrorString(XML_GetErrorCode(r->parser));
			return cv_fail(err, CV_INVALID, "the report is no XML: line %lu: %s",
				(unsigned long)XML_GetCurrentLineNumber(r->parser), r->fault);
		}
		at += n;
		if (is_last)
			return CV_OK;
	}
}

/* What every report has, and a time that can be. */
static enum cv_status
finish(struct reader *r, struct cv_err *err)
{
	static const char *const needed[] = {"organization", "id", "domain"};
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_NAME_MAX + 1);
	json_int_t messages = 0, begin, end;
	json_t *record;
	size_t i;

	for (i = 0; i < CV_COUNT(needed); i++) {
		const char *text = json_string_value(json_object_get(r->report, needed[i]));
		if (!text || !text[0])
			return cv_fail(err, CV_INVALID, "the report has no %s", needed[i]);
	}
	const char *domain = json_string_value(json_object_get(r->report, "domain"));
	bool good = cv_domain_to_ascii(cv_str_z(domain), &ascii, NULL) == CV_OK;
	if (good)
		json_object_set_new(r->report, "domain", json_stringn(ascii.p, ascii.n));
	cv_buf_done(&ascii);
	if (!good || !take_number(r->report, "begin", SECS_MAX) ||
		!take_number(r->report, "end", SECS_MAX))
		return cv_fail(err, CV_INVALID, "the report has no domain or range of time");
	begin = json_integer_value(json_object_get(r->report, "begin"));
	end = json_integer_value(json_object_get(r->report, "end"));
	if (end < begin || end - begin > (json_int_t)DAYS_MAX * 86400)
		return cv_fail(err, CV_INVALID, "the report covers no time that can be");
	json_array_foreach(r->records, i, record)
	{
		messages += json_integer_value(json_object_get(record, "count"));
		messages = CV_MIN(messages, (json_int_t)COUNT_MAX);
	}
	json_object_set_new(r->report, "messages", json_integer(messages));
	json_object_set(r->report, "records", r->records);
	return CV_OK;
}

static enum cv_status
read_xml(struct cv_str xml, json_t **out, struct cv_err *err)
{
	struct reader r = {.parser = XML_ParserCreateNS(NULL, '|'),
		.path = CV_BUF_INIT(200),
		.text = CV_BUF_INIT(SPAM_REPORT_VALUE_MAX),
		.report = json_object(),
		.records = json_array()};

	if (!r.parser)
		cv_die("no memory for an XML parser");
	enum cv_status status = parse(&r, xml, err);
	if (status == CV_OK)
		status = finish(&r, err);
	if (status == CV_OK)
		*out = json_incref(r.report);
	XML_ParserFree(r.parser);
	cv_buf_done(&r.path);
	cv_buf_done(&r.text);
	json_decref(r.report);
	json_decref(r.records);
	json_decref(r.record);
	return status;
}

/* ---- the mail around it ---- */

struct finder {
	struct cv_buf body; /* decoded */
	struct cv_base64_reader base64;
	struct cv_qp_reader qp;
	uint32_t index; /* of the part that is the report; CV_MIME_NONE: not seen */
	enum cv_mime_encoding encoding;
};

/* By type, or by a name that ends as reports' do: many senders say octet-stream. */
static bool
is_report_part(const struct cv_mime_part *part)
{
	static const char *const types[] = {
		"gzip", "x-gzip", "zip", "x-zip-compressed", "xml", "x-zip"};
	const struct cv_param *file = cv_params_find(&part->disposition_params, "filename");
	const struct cv_param *name = cv_params_find(&part->params, "name");
	struct cv_str text = file ? file->value : name ? name->value : CV_STR_EMPTY;

	for (size_t i = 0; i < CV_COUNT(types); i++)
		if (cv_str_eq_z(part->at.subtype, types[i]))
			return true;
	return cv_str_has_isuffix(text, ".xml.gz") || cv_str_has_isuffix(text, ".xml") ||
	       cv_str_has_isuffix(text, ".zip");
}

static void
take_body(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str bytes)
{
	struct finder *f = ctx;

	if (f->index == CV_MIME_NONE && is_report_part(part)) {
		f->index = index;
		f->encoding = part->at.encoding;
	}
	if (index != f->index)
		return;
	if (f->encoding == CV_MIME_BASE64)
		cv_base64_read(&f->base64, bytes, &f->body);
	else if (f->encoding == CV_MIME_QP)
		cv_qp_read(&f->qp, bytes, &f->body);
	else
		cv_buf_str(&f->body, bytes);
}

static enum cv_status
read_packed(struct cv_str data, json_t **out, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(SPAM_REPORT_TEXT_MAX);
	enum cv_status status = CV_OK;

	if (is_xml(data))
		return read_xml(data, out, err);
	if (is_gzip(data))
		status = inflate_all(data, 15 + 16, &text, err);
	else if (is_zip(data))
		status = unzip(data, &text, err);
	else
		status = cv_fail(err, CV_INVALID, "the report is neither XML nor gzip nor zip");
	if (status == CV_OK)
		status = read_xml(cv_buf_view(&text), out, err);
	cv_buf_done(&text);
	return status;
}

static enum cv_status
read_mail(struct cv_str message, json_t **out, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct finder f = {.body = CV_BUF_INIT(SPAM_REPORT_PACKED_MAX), .index = CV_MIME_NONE};
	struct cv_mime_scan *scan = cv_mime_begin(&arena);
	enum cv_status status;

	cv_mime_watch(scan, take_body, &f);
	cv_mime_feed(scan, message);
	(void)cv_mime_finish(scan);
	if (f.encoding == CV_MIME_BASE64)
		cv_base64_read_end(&f.base64, &f.body);
	else if (f.encoding == CV_MIME_QP)
		cv_qp_read_end(&f.qp, &f.body);
	if (f.index == CV_MIME_NONE)
		status = cv_fail(err, CV_NOT_FOUND, "the message has no report in it");
	else if (f.body.full)
		status = cv_fail(err, CV_LIMIT, "the report is larger than %zu bytes", f.body.max);
	else
		status = read_packed(cv_buf_view(&f.body), out, err);
	cv_buf_done(&f.body);
	cv_arena_done(&arena);
	return status;
}

enum cv_status
spam_report_read(struct cv_str data, json_t **out, struct cv_err *err)
{
	if (data.n > 2 * (size_t)SPAM_REPORT_PACKED_MAX && !is_xml(data))
		return cv_fail(err, CV_LIMIT, "larger than %u bytes", 2 * SPAM_REPORT_PACKED_MAX);
	if (data.n > SPAM_REPORT_TEXT_MAX)
		return cv_fail(err, CV_LIMIT, "larger than %u bytes", SPAM_REPORT_TEXT_MAX);
	if (is_xml(data) || is_gzip(data) || is_zip(data))
		return read_packed(data, out, err);
	return read_mail(data, out, err);
}
