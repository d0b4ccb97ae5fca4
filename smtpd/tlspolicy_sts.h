/* tlspolicy_sts.h - MTA-STS (RFC 8461): the TXT record, the policy, and which servers it names.
 * Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_TLSPOLICY_STS_H
#define SMTPD_TLSPOLICY_STS_H

#include "smtpd/tlspolicy.h"

#define SMTPD_STS_BYTES_MAX (64u << 10) /* of a policy */
#define SMTPD_STS_MX_MAX    200u
#define SMTPD_STS_AGE_MAX   31557600u   /* a year (3.2) */
#define SMTPD_STS_ID_MAX    32u

struct smtpd_sts_policy {
	enum smtpd_sts_mode mode;
	uint32_t max_age_secs;
	struct cv_buf mx;       /* names in lower case, "*.example" too, each ended by '\n' */
};
#define SMTPD_STS_POLICY_INIT { .mx = CV_BUF_INIT(SMTPD_STS_BYTES_MAX) }

/* Reads a policy; *OUT was initialised and is the caller's in any case, to be given to
 * smtpd_sts_policy_done(). Unknown fields are passed over, repeated ones but mx too (3.2). */
CV_MUST_CHECK enum cv_status smtpd_sts_parse(struct cv_str text, struct smtpd_sts_policy *out,
                                             struct cv_err *err);
void smtpd_sts_policy_done(struct smtpd_sts_policy *p);
/* Does the policy name HOST (A-labels)? "*.example" stands for one label (4.1). */
bool smtpd_sts_has_host(const struct smtpd_sts_policy *p, const char *host);

/* Is TXT a record of MTA-STS (3.1)? *is_sts_out: it begins like one; true: it is well formed, and
 * its id is in ID. */
bool smtpd_sts_record(struct cv_str txt, char id[SMTPD_STS_ID_MAX + 1], bool *is_sts_out);

#endif
