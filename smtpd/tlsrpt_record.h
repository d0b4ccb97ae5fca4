/* tlsrpt_record.h - where a domain wants to hear of TLS failures: TXT _smtp._tls.<domain> (RFC 8460
 * 3). Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_TLSRPT_RECORD_H
#define SMTPD_TLSRPT_RECORD_H

#include "common/base/err.h"
#include "common/base/str.h"

#define SMTPD_TLSRPT_URIS_MAX 4u   /* more are passed over */
#define SMTPD_TLSRPT_URI_MAX  500u

struct smtpd_tlsrpt_uri {
	bool is_mail;
	char text[SMTPD_TLSRPT_URI_MAX + 1]; /* the address; else the whole https URI */
};
struct smtpd_tlsrpt_record {
	size_t count;
	struct smtpd_tlsrpt_uri uris[SMTPD_TLSRPT_URIS_MAX];
};
/* Is TXT a record of TLS-RPT? *is_tlsrpt_out: it begins like one; true: it is well formed and names
 * at least one place that can be used. Places of other schemes are passed over. */
bool smtpd_tlsrpt_record(struct cv_str txt, struct smtpd_tlsrpt_record *out, bool *is_tlsrpt_out);

/* The pieces of an https URI: slices of it. PATH begins with "/", or is empty. */
struct smtpd_tlsrpt_https {
	char host[256]; /* A-labels in lower case */
	unsigned port;
	struct cv_str path;
};
bool smtpd_tlsrpt_https(const char *uri, struct smtpd_tlsrpt_https *out);

#endif
