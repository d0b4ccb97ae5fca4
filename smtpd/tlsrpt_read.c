/* tlsrpt_read.c - reports on TLS that others send us (RFC 8460 4): hostile until proven otherwise.
 *
 * The packed and the unpacked size, the depth of the JSON (jansson's own limit), the number of
 * policies and every text that is kept are bounded.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <zlib.h>

#include "common/text/date.h"
#include "common/text/domain.h"
#include "common/text/encode.h"
#include "common/text/mime.h"
#include "smtpd/tlsrpt_report.h"

#define POLICIES_READ_MAX 10000u /* more: no report that anybody writes */
#define POLICIES_KEPT_MAX 50u
#define COUNT_MAX         1000000000000LL
#define NAME_MAX_BYTES    200u

/* ---- unpacking ---- */

static enum cv_status
inflate_all(z_stream *z, struct cv_buf *out, struct cv_err *err)
{
	int result = Z_OK;

	while (result != Z_STREAM_END) {
		char piece[16384];
		z->next_out = (unsigned char *)piece;
		z->avail_out = sizeof piece;
		result = inflate(z, Z_NO_FLUSH);
		size_t got = sizeof piece - z->avail_out;
		cv_buf_add(out, piece, got);
		if (out->full)
			return cv_fail(err, CV_LIMIT, "the report is larger than %zu bytes",
				out->max);
		if ((result != Z_OK && result != Z_STREAM_END) || (result == Z_OK && !got))
			return cv_fail(err, CV_INVALID, "the report's gzip is damaged");
	}
	return CV_OK;
}

enum cv_status
smtpd_tlsrpt_unpack(struct cv_str gzip, struct cv_buf *out, struct cv_err *err)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)gzip.p,
		.avail_in = (unsigned)CV_MIN(gzip.n, (size_t)SMTPD_TLSRPT_PACKED_MAX) };

	if (gzip.n > SMTPD_TLSRPT_PACKED_MAX)
		return cv_fail(err, CV_LIMIT, "the report is larger than %u bytes",
			SMTPD_TLSRPT_PACKED_MAX);
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return cv_fail(err, CV_TEMPFAIL, "a report cannot be unpacked");
	enum cv_status status = inflate_all(&z, out, err);
	inflateEnd(&z);
	return status;
}

/* ---- the JSON ---- */

static enum cv_status
lacks(struct cv_err *err, const char *what)
{
	return cv_fail(err, CV_INVALID, "the report has no good \"%s\"", what);
}

/* Texts go to terminals and into rows: no control bytes, at most NAME_MAX_BYTES octets. */
static json_t *
short_text(const json_t *value)
{
	const char *s = json_string_value(value);
	size_t n = CV_MIN(json_string_length(value), (size_t)NAME_MAX_BYTES);
	struct cv_buf b = CV_BUF_INIT(NAME_MAX_BYTES + 8);

	if (!s)
		return NULL;
	while (n && n < json_string_length(value) && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--; /* not in the middle of a letter */
	for (size_t i = 0; i < n; i++)
		cv_buf_c(&b, (unsigned char)s[i] < ' ' || s[i] == 127 ? '?' : s[i]);
	json_t *j = json_stringn(b.p ? b.p : "", b.n);
	cv_buf_done(&b);
	return j;
}

static bool
read_time(const json_t *value, json_t **out)
{
	const char *text = json_string_value(value);
	struct cv_date date;

	if (!text || cv_date_parse_iso(cv_str_z(text), 0, &date) != CV_OK)
		return false;
	*out = json_integer(date.unix_secs);
	return true;
}

/* A count as it should be, or 0: many writers leave one out. */
static json_int_t
read_count(const json_t *value)
{
	json_int_t n = json_integer_value(value);

	return n < 0 ? 0 : CV_MIN(n, (json_int_t)COUNT_MAX);
}

static void
add_failures(const json_t *details, json_t *failures)
{
	json_t *row;
	size_t i;

	json_array_foreach(details, i, row)
	{
		const char *type = json_string_value(json_object_get(row, "result-type"));
		const char *known = "other";
		for (int r = 1; type && r < SMTPD_TLSRPT_RESULTS; r++)
			if (!strcmp(type, smtpd_tlsrpt_result_name((enum smtpd_tlsrpt_result)r)))
				known = type;
		json_int_t n = read_count(json_object_get(row, "failed-session-count"));
		n += json_integer_value(json_object_get(failures, known));
		json_object_set_new(failures, known, json_integer(CV_MIN(n, COUNT_MAX)));
	}
}

static enum cv_status
read_policy(const json_t *row, json_t *policies, struct cv_err *err)
{
	json_t *policy = json_object_get(row, "policy"), *summary = json_object_get(row, "summary");
	const char *domain = json_string_value(json_object_get(policy, "policy-domain"));
	const char *type = json_string_value(json_object_get(policy, "policy-type"));

	if (!domain || !cv_domain_is_valid(cv_str_z(domain), true))
		return lacks(err, "policy-domain");
	if (!type
		|| (strcmp(type, "sts") && strcmp(type, "tlsa")
			&& strcmp(type, "no-policy-found")))
		return lacks(err, "policy-type");
	if (!json_is_object(summary))
		return lacks(err, "summary");
	if (json_array_size(policies) >= POLICIES_KEPT_MAX)
		return CV_OK;
	json_t *failures = json_object();
	add_failures(json_object_get(row, "failure-details"), failures);
	json_array_append_new(policies, json_pack("{s:o, s:s, s:I, s:I, s:o}", "domain",
		short_text(json_object_get(policy, "policy-domain")), "type", type, "good",
		read_count(json_object_get(summary, "total-successful-session-count")), "bad",
		read_count(json_object_get(summary, "total-failure-session-count")), "failures",
		failures));
	return CV_OK;
}

static enum cv_status
read_report(const json_t *report, json_t *summary, struct cv_err *err)
{
	json_t *range = json_object_get(report, "date-range"), *from = NULL, *to = NULL, *row;
	json_t *rows = json_object_get(report, "policies"), *policies = json_array();
	json_t *organization = short_text(json_object_get(report, "organization-name"));
	json_t *id = short_text(json_object_get(report, "report-id"));
	enum cv_status status = CV_OK;
	size_t i;

	if (!organization || !id)
		status = lacks(err, organization ? "report-id" : "organization-name");
	else if (!read_time(json_object_get(range, "start-datetime"), &from)
		|| !read_time(json_object_get(range, "end-datetime"), &to))
		status = lacks(err, "date-range");
	else if (!json_is_array(rows) || json_array_size(rows) > POLICIES_READ_MAX)
		status = lacks(err, "policies");
	json_array_foreach(rows, i, row)
		if (status == CV_OK)
			status = read_policy(row, policies, err);
	/* A NULL does no harm to these. */
	json_object_set_new(summary, "organization", organization);
	json_object_set_new(summary, "report_id", id);
	json_object_set_new(summary, "from", from);
	json_object_set_new(summary, "to", to);
	json_object_set_new(summary, "policies", policies);
	return status;
}

enum cv_status
smtpd_tlsrpt_read(struct cv_str text, json_t **summary_out, struct cv_err *err)
{
	json_error_t fault;
	json_t *report = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &fault);

	if (!report)
		return cv_fail(err, CV_INVALID, "the report is no JSON: line %d: %.100s",
			fault.line, fault.text);
	json_t *summary = json_object();
	enum cv_status status = read_report(report, summary, err);
	json_decref(report);
	if (status == CV_OK)
		*summary_out = summary;
	else
		json_decref(summary);
	return status;
}

/* ---- the mail around it ---- */

struct finder {
	struct cv_buf body;      /* decoded */
	struct cv_base64_reader base64;
	struct cv_qp_reader qp;
	uint32_t index;          /* of the part that is the report; CV_MIME_NONE: not seen */
	enum cv_mime_encoding encoding;
	bool is_packed;
};

static void
take_body(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str bytes)
{
	struct finder *f = ctx;

	if (f->index == CV_MIME_NONE && cv_str_eq_z(part->at.type, "application")) {
		f->is_packed = cv_str_eq_z(part->at.subtype, "tlsrpt+gzip");
		f->encoding = part->at.encoding;
		if (f->is_packed || cv_str_eq_z(part->at.subtype, "tlsrpt+json"))
			f->index = index;
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
read_found(struct finder *f, json_t **summary_out, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(SMTPD_TLSRPT_TEXT_MAX);
	enum cv_status status = CV_OK;

	if (f->encoding == CV_MIME_BASE64)
		cv_base64_read_end(&f->base64, &f->body);
	else if (f->encoding == CV_MIME_QP)
		cv_qp_read_end(&f->qp, &f->body);
	if (f->body.full)
		return cv_fail(err, CV_LIMIT, "the report is larger than %zu bytes", f->body.max);
	if (f->is_packed)
		status = smtpd_tlsrpt_unpack(cv_buf_view(&f->body), &text, err);
	if (status == CV_OK)
		status = smtpd_tlsrpt_read(cv_buf_view(f->is_packed ? &text : &f->body),
			summary_out, err);
	cv_buf_done(&text);
	return status;
}

enum cv_status
smtpd_tlsrpt_read_mail(struct cv_str message, json_t **summary_out, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct finder f = { .body = CV_BUF_INIT(SMTPD_TLSRPT_PACKED_MAX), .index = CV_MIME_NONE };
	struct cv_mime_scan *scan = cv_mime_begin(&arena);

	cv_mime_watch(scan, take_body, &f);
	cv_mime_feed(scan, message);
	(void)cv_mime_finish(scan);
	enum cv_status status = f.index == CV_MIME_NONE
		? cv_fail(err, CV_NOT_FOUND, "the message has no part of type application/tlsrpt")
		: read_found(&f, summary_out, err);
	cv_buf_done(&f.body);
	cv_arena_done(&arena);
	return status;
}
