/* report_write.c - aggregate reports of ours: XML, gzip, the mail around them. See report.h. */
/* SPDX-License-Identifier: MPL-2.0 */

#include "common/base/rng.h"
#include "common/text/charset.h"
#include "common/text/date.h"
#include "common/text/encode.h"
#include "common/text/header.h"
#include "spamfilter/dmarc/report.h"

#define NAMESPACE "urn:ietf:params:xml:ns:dmarc-2.0"

/* ---- XML ---- */

/* Text of an element. Controls are not allowed in XML 1.0 at all. */
static void
write_escaped(struct cv_buf *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		switch (*c) {
		case '<':
			cv_buf_z(out, "&lt;");
			break;
		case '>':
			cv_buf_z(out, "&gt;");
			break;
		case '&':
			cv_buf_z(out, "&amp;");
			break;
		default:
			cv_buf_c(out, (unsigned char)*c < ' ' || *c == 127 ? '?' : *c);
		}
	}
}

static void
element(struct cv_buf *out, unsigned depth, const char *name, const char *text)
{
	cv_buf_printf(out, "%*s<%s>", (int)depth * 2, "", name);
	write_escaped(out, text);
	cv_buf_printf(out, "</%s>\n", name);
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* An element for each KEY that is there. */
static void
elements(struct cv_buf *out, unsigned depth, const json_t *o, const char *const (*rows)[2],
	size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (json_object_get(o, rows[i][1]))
			element(out, depth, rows[i][0], text_of(o, rows[i][1]));
}

static void
write_metadata(const struct spam_report *r, struct cv_buf *out)
{
	cv_buf_z(out, "  <report_metadata>\n");
	element(out, 2, "org_name", r->organization);
	element(out, 2, "email", r->contact);
	element(out, 2, "report_id", r->id);
	cv_buf_printf(out,
		"    <date_range>\n      <begin>%lld</begin>\n      <end>%lld</end>\n"
		"    </date_range>\n",
		(long long)r->begin_secs, (long long)r->end_secs);
	if (r->left_out)
		cv_buf_printf(out,
			"    <error>%lld messages of further sources are left out</error>\n",
			(long long)r->left_out);
	element(out, 2, "generator", "congvu-spamfilter " CV_VERSION);
	cv_buf_z(out, "  </report_metadata>\n");
}

static void
write_policy(const struct spam_report *r, struct cv_buf *out)
{
	/* clang-format off */
	static const char *const rows[][2] = {
		{"discovery_method", "method"}, {"p", "p"}, {"sp", "sp"}, {"np", "np"},
		{"fo", "fo"}, {"adkim", "adkim"}, {"aspf", "aspf"}, {"testing", "testing"},
	};
	/* clang-format on */

	cv_buf_z(out, "  <policy_published>\n");
	element(out, 2, "domain", r->domain);
	elements(out, 2, r->policy, rows, CV_COUNT(rows));
	cv_buf_z(out, "  </policy_published>\n");
}

static void
write_row(const json_t *record, struct cv_buf *out)
{
	/* clang-format off */
	static const char *const rows[][2] = {
		{"disposition", "disposition"}, {"dkim", "dkim"}, {"spf", "spf"},
	};
	/* clang-format on */

	cv_buf_z(out, "    <row>\n");
	element(out, 3, "source_ip", text_of(record, "ip"));
	cv_buf_printf(out, "      <count>%lld</count>\n      <policy_evaluated>\n",
		(long long)json_integer_value(json_object_get(record, "count")));
	elements(out, 4, record, rows, CV_COUNT(rows));
	if (text_of(record, "reason")[0]) {
		cv_buf_z(out, "        <reason>\n");
		element(out, 5, "type", text_of(record, "reason"));
		if (text_of(record, "comment")[0])
			element(out, 5, "comment", text_of(record, "comment"));
		cv_buf_z(out, "        </reason>\n");
	}
	cv_buf_z(out, "      </policy_evaluated>\n    </row>\n");
}

static void
write_record(const json_t *record, struct cv_buf *out)
{
	/* clang-format off */
	static const char *const ids[][2] = {
		{"header_from", "from"}, {"envelope_from", "envelope"},
	};
	static const char *const key[][2] = {
		{"domain", "domain"}, {"selector", "selector"}, {"result", "result"},
	};
	/* clang-format on */
	json_t *one;
	size_t i;

	cv_buf_z(out, "  <record>\n");
	write_row(record, out);
	cv_buf_z(out, "    <identifiers>\n");
	elements(out, 3, record, ids, CV_COUNT(ids));
	cv_buf_z(out, "    </identifiers>\n    <auth_results>\n");
	json_array_foreach(json_object_get(record, "keys"), i, one)
	{
		cv_buf_z(out, "      <dkim>\n");
		elements(out, 4, one, key, CV_COUNT(key));
		cv_buf_z(out, "      </dkim>\n");
	}
	if (text_of(record, "spf_result")[0]) {
		cv_buf_z(out, "      <spf>\n");
		element(out, 4, "domain", text_of(record, "spf_domain"));
		element(out, 4, "scope", "mfrom");
		element(out, 4, "result", text_of(record, "spf_result"));
		cv_buf_z(out, "      </spf>\n");
	}
	cv_buf_z(out, "    </auth_results>\n  </record>\n");
}

enum cv_status
spam_report_xml(const struct spam_report *r, struct cv_buf *out, struct cv_err *err)
{
	json_t *record;
	size_t i;

	cv_buf_z(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback xmlns=\"" NAMESPACE
		      "\">\n  <version>1.0</version>\n");
	write_metadata(r, out);
	write_policy(r, out);
	json_array_foreach(r->records, i, record) write_record(record, out);
	cv_buf_z(out, "</feedback>\n");
	return out->full ? cv_fail(err, CV_LIMIT, "the report is too large") : CV_OK;
}

/* ---- mail ---- */

static void
write_text(const struct spam_report *r, struct cv_buf *out)
{
	cv_buf_printf(out,
		"This is an aggregate DMARC report (RFC 9990) from %s\r\n"
		"about mail that names %s as its author,\r\nfrom ",
		r->submitter, r->domain);
	cv_date_write_mail(out, cv_date_at(r->begin_secs, 0));
	cv_buf_z(out, " to ");
	cv_date_write_mail(out, cv_date_at(r->end_secs, 0));
	cv_buf_printf(out, ".\r\nQuestions go to %s.\r\n", r->contact);
}

enum cv_status
spam_report_mail(const struct spam_report *r, const char *to, struct cv_str gzip,
	struct cv_buf *out, struct cv_err *err)
{
	struct cv_buf value = CV_BUF_INIT(2000);
	struct cv_base64_writer base64 = {.n = 0};
	unsigned long long lot = (unsigned long long)cv_random_u64();

	cv_header_fold_tokens(out, "From", cv_str_z(r->contact));
	cv_header_fold_tokens(out, "To", cv_str_z(to));
	cv_buf_printf(&value, "Report Domain: %s Submitter: %s Report-ID: <%s>", r->domain,
		r->submitter, r->id);
	cv_header_fold(out, "Subject", cv_buf_view(&value));
	cv_buf_z(out, "Date: ");
	cv_date_write_mail(out, cv_date_at(r->now_secs, 0));
	cv_buf_printf(out,
		"\r\nMessage-ID: <%s>\r\nAuto-Submitted: auto-generated\r\n"
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n"
		"\tboundary=\"=_dmarc_%016llx\"\r\n\r\n"
		"--=_dmarc_%016llx\r\nContent-Type: text/plain; charset=us-ascii\r\n"
		"Content-Transfer-Encoding: 7bit\r\n\r\n",
		r->id, lot, lot);
	write_text(r, out);
	cv_buf_printf(out,
		"\r\n--=_dmarc_%016llx\r\nContent-Type: application/gzip\r\n"
		"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
		"\tfilename=\"%s!%s!%lld!%lld.xml.gz\"\r\n\r\n",
		lot, r->submitter, r->domain, (long long)r->begin_secs, (long long)r->end_secs);
	cv_base64_write(&base64, gzip, out);
	cv_base64_write_end(&base64, out);
	cv_buf_printf(out, "\r\n--=_dmarc_%016llx--\r\n", lot);
	cv_buf_done(&value);
	return out->full ? cv_fail(err, CV_LIMIT, "the report is too large") : CV_OK;
}
