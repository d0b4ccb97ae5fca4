/* tlsrpt_report.c - see tlsrpt_report.h: counting, and the reports we write. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/tlsrpt_report.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/rng.h"
#include "common/net/deflate.h"
#include "common/text/date.h"
#include "common/text/encode.h"
#include "common/text/header.h"

static const char *const result_names[SMTPD_TLSRPT_RESULTS] = {
	[SMTPD_TLSRPT_SUCCESS] = "success",
	[SMTPD_TLSRPT_NO_STARTTLS] = "starttls-not-supported",
	[SMTPD_TLSRPT_HOST_MISMATCH] = "certificate-host-mismatch",
	[SMTPD_TLSRPT_NOT_TRUSTED] = "certificate-not-trusted",
	[SMTPD_TLSRPT_EXPIRED] = "certificate-expired",
	[SMTPD_TLSRPT_VALIDATION] = "validation-failure",
	[SMTPD_TLSRPT_TLSA_INVALID] = "tlsa-invalid",
	[SMTPD_TLSRPT_DNSSEC_INVALID] = "dnssec-invalid",
	[SMTPD_TLSRPT_DANE_REQUIRED] = "dane-required",
	[SMTPD_TLSRPT_STS_FETCH] = "sts-policy-fetch-error",
	[SMTPD_TLSRPT_STS_INVALID] = "sts-policy-invalid",
	[SMTPD_TLSRPT_STS_WEBPKI] = "sts-webpki-invalid",
};
static const char *const policy_names[] = { [SMTPD_TLSRPT_NONE] = "no-policy-found",
	[SMTPD_TLSRPT_STS] = "sts", [SMTPD_TLSRPT_TLSA] = "tlsa" };

const char *
smtpd_tlsrpt_result_name(enum smtpd_tlsrpt_result r)
{
	return result_names[r];
}

enum smtpd_tlsrpt_result
smtpd_tlsrpt_classify(const char *why)
{
	/* The words are those of X509_verify_cert_error_string(). */
	static const struct {
		const char *words;
		enum smtpd_tlsrpt_result result;
	} rows[] = {
		{ "ostname mismatch", SMTPD_TLSRPT_HOST_MISMATCH },
		{ "IP address mismatch", SMTPD_TLSRPT_HOST_MISMATCH },
		{ "has expired", SMTPD_TLSRPT_EXPIRED },
		{ "not yet valid", SMTPD_TLSRPT_EXPIRED },
		{ "DANE TLSA", SMTPD_TLSRPT_VALIDATION },
		{ "certificate: ", SMTPD_TLSRPT_NOT_TRUSTED },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (strstr(why, rows[i].words))
			return rows[i].result;
	return SMTPD_TLSRPT_VALIDATION;
}

/* ---- counting ---- */

struct smtpd_tlsrpt_event *
smtpd_tlsrpt_event_new(const char *domain)
{
	struct smtpd_tlsrpt_event *e = cv_calloc(1, sizeof *e);

	snprintf(e->domain, sizeof e->domain, "%s", domain);
	cv_buf_init(&e->strings, 4000);
	cv_buf_init(&e->hosts, 2000);
	return e;
}

void
smtpd_tlsrpt_event_free(struct smtpd_tlsrpt_event *e)
{
	cv_buf_done(&e->strings);
	cv_buf_done(&e->hosts);
	free(e);
}

/* Whatever a peer wrote: printable ASCII alone goes into a report. */
static json_t *
clean(struct cv_str s, size_t most)
{
	struct cv_buf b = CV_BUF_INIT(4000);

	for (size_t i = 0; i < s.n && i < most; i++) {
		unsigned char c = (unsigned char)s.p[i];
		cv_buf_c(&b, c < ' ' || c >= 127 || c == '"' || c == '\\' ? '?' : (char)c);
	}
	json_t *j = json_stringn(b.p ? b.p : "", b.n);
	cv_buf_done(&b);
	return j;
}

static json_t *
lines_of(struct cv_str text)
{
	json_t *list = json_array();
	struct cv_str line;

	while (cv_str_split(&text, '\n', &line))
		if (line.n && json_array_size(list) < SMTPD_TLSRPT_LINES_MAX)
			json_array_append_new(list, clean(line, 300));
	return list;
}

static json_t *
describe_policy(const struct smtpd_tlsrpt_event *e)
{
	json_t *p = json_pack("{s:s}", "policy-type", policy_names[e->policy]);

	if (e->policy != SMTPD_TLSRPT_NONE)
		json_object_set_new(p, "policy-string", lines_of(cv_buf_view(&e->strings)));
	json_object_set_new(p, "policy-domain", json_string(e->domain));
	if (e->hosts.n)
		json_object_set_new(p, "mx-host", lines_of(cv_buf_view(&e->hosts)));
	return p;
}

/* The row of E's policy; when there is no room for another, the last one of its type, or NULL. */
static json_t *
policy_row(json_t *policies, const struct smtpd_tlsrpt_event *e)
{
	json_t *wanted = describe_policy(e), *row, *like = NULL;
	size_t i;

	json_array_foreach(policies, i, row)
	{
		json_t *policy = json_object_get(row, "policy");
		if (json_equal(policy, wanted)) {
			json_decref(wanted);
			return row;
		}
		if (json_equal(json_object_get(policy, "policy-type"),
			json_object_get(wanted, "policy-type")))
			like = row;
	}
	if (json_array_size(policies) >= SMTPD_TLSRPT_POLICIES_MAX) {
		json_decref(wanted);
		return like;
	}
	row = json_pack("{s:o, s:{s:i, s:i}, s:[]}", "policy", wanted, "summary",
		"total-successful-session-count", 0, "total-failure-session-count", 0,
		"failure-details");
	json_array_append_new(policies, row);
	return row;
}

static void
add_one(json_t *object, const char *key)
{
	json_object_set_new(object, key,
		json_integer(json_integer_value(json_object_get(object, key)) + 1));
}

static void
set_text(json_t *object, const char *key, const char *text, size_t most)
{
	if (text[0])
		json_object_set_new(object, key, clean(cv_str_z(text), most));
}

static void
count_failure(json_t *details, const struct smtpd_tlsrpt_event *e)
{
	static const char count[] = "failed-session-count";
	json_t *wanted = json_pack("{s:s}", "result-type", result_names[e->result]), *row;
	size_t i;

	set_text(wanted, "sending-mta-ip", e->own_ip, 64);
	set_text(wanted, "receiving-mx-hostname", e->host, 255);
	set_text(wanted, "receiving-ip", e->ip, 64);
	set_text(wanted, "failure-reason-code", e->why, SMTPD_TLSRPT_WHY_MAX);
	json_array_foreach(details, i, row)
	{
		json_object_set(wanted, count, json_object_get(row, count));
		if (json_equal(row, wanted)) {
			add_one(row, count);
			json_decref(wanted);
			return;
		}
	}
	json_object_set_new(wanted, count, json_integer(1));
	if (json_array_size(details) < SMTPD_TLSRPT_DETAILS_MAX)
		json_array_append(details, wanted);
	json_decref(wanted);
}

void
smtpd_tlsrpt_count(json_t *policies, const struct smtpd_tlsrpt_event *e)
{
	json_t *row = policy_row(policies, e);

	if (!row)
		return;
	json_t *summary = json_object_get(row, "summary");
	if (e->result == SMTPD_TLSRPT_SUCCESS) {
		add_one(summary, "total-successful-session-count");
		return;
	}
	add_one(summary, "total-failure-session-count");
	count_failure(json_object_get(row, "failure-details"), e);
}

void
smtpd_tlsrpt_sums(const json_t *policies, json_int_t *good_out, json_int_t *bad_out)
{
	json_t *row;
	size_t i;

	*good_out = *bad_out = 0;
	json_array_foreach(policies, i, row)
	{
		json_t *s = json_object_get(row, "summary");
		*good_out += json_integer_value(
			json_object_get(s, "total-successful-session-count"));
		*bad_out += json_integer_value(json_object_get(s, "total-failure-session-count"));
	}
}

/* ---- writing ---- */

static void
write_utc(struct cv_buf *out, int64_t secs)
{
	struct cv_civil c;

	cv_date_civil(cv_date_at(secs, 0), &c);
	cv_buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour,
		c.minute, c.second);
}

static json_t *
utc(int64_t secs)
{
	struct cv_buf b = CV_BUF_INIT(40);

	write_utc(&b, secs);
	json_t *j = json_string(b.p);
	cv_buf_done(&b);
	return j;
}

/* Rows without failures have no list of them. */
static json_t *
tidy(const json_t *policies)
{
	json_t *copy = json_deep_copy(policies), *row;
	size_t i;

	json_array_foreach(copy, i, row)
		if (!json_array_size(json_object_get(row, "failure-details")))
			json_object_del(row, "failure-details");
	return copy;
}

enum cv_status
smtpd_tlsrpt_pack(const struct smtpd_tlsrpt_report *r, struct cv_buf *out, struct cv_err *err)
{
	json_t *report = json_pack("{s:s, s:{s:o, s:o}, s:s, s:s, s:o}", "organization-name",
		r->organization, "date-range", "start-datetime", utc(r->from_secs), "end-datetime",
		utc(r->to_secs), "contact-info", r->contact, "report-id", r->id, "policies",
		tidy(r->policies));
	char *text = report ? json_dumps(report, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	enum cv_status status = text ? cv_gzip(cv_str_z(text), out, err)
		: cv_fail(err, CV_INVALID, "a report cannot be written");

	json_decref(report);
	free(text);
	return status;
}

static void
write_base64(struct cv_str bytes, struct cv_buf *out)
{
	struct cv_base64_writer w = { .n = 0 };

	cv_base64_write(&w, bytes, out);
	cv_base64_write_end(&w, out);
}

static void
write_text(const struct smtpd_tlsrpt_report *r, struct cv_buf *out)
{
	json_int_t good, bad;

	smtpd_tlsrpt_sums(r->policies, &good, &bad);
	cv_buf_printf(out, "This is an aggregate TLS report (RFC 8460) from %s\r\nabout mail sent to "
		"%s\r\nfrom ", r->submitter, r->domain);
	write_utc(out, r->from_secs);
	cv_buf_z(out, " to ");
	write_utc(out, r->to_secs);
	cv_buf_printf(out, ".\r\nSessions as the policy wants them: %lld; others: %lld.\r\n"
		"Questions go to %s.\r\n", (long long)good, (long long)bad, r->contact);
}

enum cv_status
smtpd_tlsrpt_mail(const struct smtpd_tlsrpt_report *r, const char *to, struct cv_str packed,
	struct cv_buf *out, struct cv_err *err)
{
	struct cv_buf value = CV_BUF_INIT(2000);
	unsigned long long lot = (unsigned long long)cv_random_u64();

	cv_header_fold_tokens(out, "From", cv_str_z(r->contact));
	cv_header_fold_tokens(out, "To", cv_str_z(to));
	cv_buf_printf(&value, "Report Domain: %s Submitter: %s Report-ID: <%s>", r->domain,
		r->submitter, r->id);
	cv_header_fold(out, "Subject", cv_buf_view(&value));
	cv_buf_z(out, "Date: ");
	cv_date_write_mail(out, cv_date_at(r->now_secs, 0));
	cv_buf_printf(out, "\r\nMessage-ID: <%s>\r\n", r->id);
	cv_buf_printf(out, "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\n", r->domain,
		r->submitter);
	/* 3: a report that says TLS is broken must not wait for it (RFC 8689 4.3). */
	cv_buf_z(out, "TLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
	cv_buf_printf(out, "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
		"\tboundary=\"=_tlsrpt_%016llx\"\r\n\r\n", lot);
	cv_buf_printf(out, "--=_tlsrpt_%016llx\r\nContent-Type: text/plain; charset=us-ascii\r\n"
		"Content-Transfer-Encoding: 7bit\r\n\r\n", lot);
	write_text(r, out);
	cv_buf_printf(out, "\r\n--=_tlsrpt_%016llx\r\nContent-Type: application/tlsrpt+gzip\r\n"
		"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
		"\tfilename=\"%s!%s!%lld!%lld.json.gz\"\r\n\r\n", lot, r->submitter, r->domain,
		(long long)r->from_secs, (long long)r->to_secs);
	write_base64(packed, out);
	cv_buf_printf(out, "\r\n--=_tlsrpt_%016llx--\r\n", lot);
	cv_buf_done(&value);
	return out->full ? cv_fail(err, CV_LIMIT, "a report is too large") : CV_OK;
}
