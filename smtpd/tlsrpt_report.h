/* tlsrpt_report.h - reports on TLS (RFC 8460): what one session adds to them, how they are written,
 * and what is read from those of others. Pure but for memory.
 *
 * The policies of a day and domain are kept in the very form that a report has ("policies" of 4.4),
 * and bounded: so many policies, so many kinds of failure in each; what is over the bound is still
 * counted in the sums.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_TLSRPT_REPORT_H
#define SMTPD_TLSRPT_REPORT_H

#include <jansson.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/list.h"

#define SMTPD_TLSRPT_POLICIES_MAX 5u      /* of one domain and day */
#define SMTPD_TLSRPT_DETAILS_MAX  12u     /* kinds of failure under one policy */
#define SMTPD_TLSRPT_LINES_MAX    20u     /* of a policy, and names of servers in it */
#define SMTPD_TLSRPT_WHY_MAX      120u
#define SMTPD_TLSRPT_PACKED_MAX   (4u << 20)  /* a report as it comes, gzipped */
#define SMTPD_TLSRPT_TEXT_MAX     (16u << 20) /* unpacked */

enum smtpd_tlsrpt_policy { SMTPD_TLSRPT_NONE, SMTPD_TLSRPT_STS, SMTPD_TLSRPT_TLSA };

/* 4.3, in its order. */
enum smtpd_tlsrpt_result {
	SMTPD_TLSRPT_SUCCESS,
	SMTPD_TLSRPT_NO_STARTTLS,
	SMTPD_TLSRPT_HOST_MISMATCH,
	SMTPD_TLSRPT_NOT_TRUSTED,
	SMTPD_TLSRPT_EXPIRED,
	SMTPD_TLSRPT_VALIDATION,
	SMTPD_TLSRPT_TLSA_INVALID,
	SMTPD_TLSRPT_DNSSEC_INVALID,
	SMTPD_TLSRPT_DANE_REQUIRED,
	SMTPD_TLSRPT_STS_FETCH,
	SMTPD_TLSRPT_STS_INVALID,
	SMTPD_TLSRPT_STS_WEBPKI,
	SMTPD_TLSRPT_RESULTS
};
const char *smtpd_tlsrpt_result_name(enum smtpd_tlsrpt_result r);
/* What a handshake that failed with the words WHY comes to. */
enum smtpd_tlsrpt_result smtpd_tlsrpt_classify(const char *why);

/* One decision about TLS. */
struct smtpd_tlsrpt_event {
	struct cv_link link;
	char domain[256];          /* the policy's: A-labels in lower case */
	enum smtpd_tlsrpt_policy policy;
	struct cv_buf strings;     /* lines of the policy, each ended by '\n' */
	struct cv_buf hosts;       /* its servers, the same; names as the policy has them */
	enum smtpd_tlsrpt_result result;
	char host[256], ip[64], own_ip[64]; /* the server, its address, ours; or "" */
	char why[SMTPD_TLSRPT_WHY_MAX + 1]; /* of a failure */
};
struct smtpd_tlsrpt_event *smtpd_tlsrpt_event_new(const char *domain);
void smtpd_tlsrpt_event_free(struct smtpd_tlsrpt_event *e);
/* Counts E into POLICIES (an array). */
void smtpd_tlsrpt_count(json_t *policies, const struct smtpd_tlsrpt_event *e);
/* Sessions in POLICIES. */
void smtpd_tlsrpt_sums(const json_t *policies, json_int_t *good_out, json_int_t *bad_out);

/* ---- a report of ours ---- */
struct smtpd_tlsrpt_report {
	const char *organization, *contact; /* contact: our address */
	const char *submitter;              /* our domain: A-labels */
	const char *domain, *id;            /* of the report: unique */
	int64_t from_secs, to_secs, now_secs;
	const json_t *policies;
};
/* The JSON of 4.4, gzipped, appended to OUT. */
CV_MUST_CHECK enum cv_status smtpd_tlsrpt_pack(const struct smtpd_tlsrpt_report *r,
                                               struct cv_buf *out, struct cv_err *err);
/* The mail of 5.3 around it, to the address TO; CRLF lines. */
CV_MUST_CHECK enum cv_status smtpd_tlsrpt_mail(const struct smtpd_tlsrpt_report *r, const char *to,
                                               struct cv_str packed, struct cv_buf *out,
                                               struct cv_err *err);

/* ---- reports of others ---- */
/* Appends what GZIP holds; more than OUT's maximum is CV_LIMIT, a damaged one CV_INVALID. */
CV_MUST_CHECK enum cv_status smtpd_tlsrpt_unpack(struct cv_str gzip, struct cv_buf *out,
                                                 struct cv_err *err);
/* Reads the JSON of a report strictly. *SUMMARY_OUT (the caller's): "organization", "report_id",
 * "from", "to", "policies" with "domain", "type", "good", "bad", "failures" by result type. Never
 * larger than 60 KB as text. */
CV_MUST_CHECK enum cv_status smtpd_tlsrpt_read(struct cv_str text, json_t **summary_out,
                                               struct cv_err *err);
/* The report in MESSAGE, a whole mail: CV_NOT_FOUND when there is none. */
CV_MUST_CHECK enum cv_status smtpd_tlsrpt_read_mail(struct cv_str message, json_t **summary_out,
                                                    struct cv_err *err);

#endif
