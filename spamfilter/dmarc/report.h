/* report.h - aggregate reports as RFC 9990 has them: written for others, read from others.
 *
 * Writing trusts its input; reading trusts nothing: the packed and the unpacked size, the depth,
 * the records and every text that is kept are bounded, a document type ends it. Pure but for
 * memory.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DMARC_REPORT_H
#define SPAM_DMARC_REPORT_H

#include <jansson.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define SPAM_REPORT_PACKED_MAX  (10u << 20) /* gzip, zip, or the mail around it */
#define SPAM_REPORT_TEXT_MAX    (32u << 20) /* XML */
#define SPAM_REPORT_DEPTH_MAX   12u
#define SPAM_REPORT_RECORDS_MAX 20000u
#define SPAM_REPORT_VALUE_MAX   255u /* octets of a text that is kept */

/* ---- ours ---- */

struct spam_report {
	const char *organization, *contact; /* contact: our address */
	const char *submitter;              /* our domain: A-labels */
	const char *domain, *id; /* id: of the report, a dot-atom, perhaps @ and another */
	int64_t begin_secs, end_secs, now_secs;
	const json_t *policy, *records; /* of spam_tally_load() */
	json_int_t left_out;
};
/* The XML of 3.1; CV_LIMIT when OUT is full. */
CV_MUST_CHECK enum cv_status spam_report_xml(
	const struct spam_report *r, struct cv_buf *out, struct cv_err *err);
/* The mail of 3.5.2 around it, CRLF lines. */
CV_MUST_CHECK enum cv_status spam_report_mail(const struct spam_report *r, const char *to,
	struct cv_str gzip, struct cv_buf *out, struct cv_err *err);

/* ---- of others ---- */

/* DATA is XML, gzip, zip, or a whole mail that has one of them as a part. The report is
 * {"organization", "email", "id", "domain", "begin", "end", "p", "sp", "records": [{"ip", "count",
 * "disposition", "dkim", "spf", "from", "envelope", "reason", "dkim_domain", "spf_domain"}],
 * "messages"}, the caller's. CV_INVALID, CV_LIMIT, or CV_NOT_FOUND: a mail without one. */
CV_MUST_CHECK enum cv_status spam_report_read(struct cv_str data, json_t **out, struct cv_err *err);

#endif
