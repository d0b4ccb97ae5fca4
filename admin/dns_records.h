/* dns_records.h - every record the operator must publish for a domain of ours, made from the
 * configuration, the keys and the certificates; pure but for reading those files.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_DNS_RECORDS_H
#define ADMIN_DNS_RECORDS_H

#include "common/base/buf.h"
#include "common/net/resolver.h"
#include "common/options/sections.h"

/* What a record is for; explanations are by kind. */
enum admin_dns_kind {
	ADMIN_DNS_MX,
	ADMIN_DNS_HOST,        /* addresses of the mail server: VALUE is empty, any will do */
	ADMIN_DNS_SPF,
	ADMIN_DNS_SPF_HOST,
	ADMIN_DNS_DKIM,
	ADMIN_DNS_DMARC,
	ADMIN_DNS_DMARC_REPORTS,
	ADMIN_DNS_STS,
	ADMIN_DNS_STS_HOST,
	ADMIN_DNS_TLSRPT,
	ADMIN_DNS_TLSA,
	ADMIN_DNS_SRV,
	ADMIN_DNS_AUTOCONFIG,
	ADMIN_DNS_KINDS
};
const char *admin_dns_why(enum admin_dns_kind kind, bool vietnamese);

struct admin_dns_record {
	enum admin_dns_kind kind;
	enum cv_dns_type type;
	char *name;            /* without the last dot */
	char *value;           /* TXT: the text; others as in a zone file */
};
struct admin_dns_set {
	struct admin_dns_record *records;
	size_t count;
	char *policy;          /* the MTA-STS policy, CRLF lines */
	char policy_id[33];    /* changes with it */
};
struct admin_dns_wish {
	const char *domain;    /* A-labels */
	const char *sts_mode;  /* "testing", "enforce", "none" */
	const char *next_cert; /* a certificate or key to come, or NULL */
	bool without_host;     /* the records of the server's own name were told before */
};
/* CV_INVALID when a certificate cannot be read. A domain without DKIM keys has no such records. */
CV_MUST_CHECK enum cv_status admin_dns_make(struct cv_conf *conf,
	const struct admin_dns_wish *wish, struct admin_dns_set *out, struct cv_err *err);
void admin_dns_done(struct admin_dns_set *set);

/* The port of the first address of LIST (an option like listen_imaps); 0 when the service is not
 * offered. */
unsigned admin_dns_port_of(const char *list);
const char *admin_dns_type_name(enum cv_dns_type type);
/* Appends the record as a line of a zone file; one of addresses becomes a comment. */
void admin_dns_zone_line(const struct admin_dns_record *r, struct cv_buf *out);

#endif
