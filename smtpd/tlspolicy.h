/* tlspolicy.h - what TLS one server must offer before a message goes to it.
 *
 * Four voices are heard, the stronger first: the message (REQUIRETLS and "TLS-Required: No", RFC
 * 8689), the operator (outbound_tls), DNSSEC with TLSA records (RFC 7672), the domain's MTA-STS
 * policy (RFC 8461). Where nobody speaks, TLS is used when offered. Pure, no I/O.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_TLSPOLICY_H
#define SMTPD_TLSPOLICY_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "smtpd/outbound_route.h"

/* What the message wants. */
enum smtpd_tls_wish { SMTPD_WISH_USUAL, SMTPD_WISH_REQUIRE, SMTPD_WISH_OPTIONAL };

/* What the operator wants for a domain. */
enum smtpd_tls_rule {
	SMTPD_RULE_AUTO,    /* DANE, then MTA-STS, then TLS when offered */
	SMTPD_RULE_NONE,    /* never TLS */
	SMTPD_RULE_MAY,     /* TLS when offered, whatever the domain publishes */
	SMTPD_RULE_ENCRYPT, /* TLS, with any certificate */
	SMTPD_RULE_DANE,    /* only servers with usable TLSA records */
	SMTPD_RULE_VERIFY   /* a certificate for the server's name from a known authority */
};

/* What the domain's MTA-STS policy says. */
enum smtpd_sts_mode { SMTPD_STS_ABSENT, SMTPD_STS_NONE, SMTPD_STS_TESTING, SMTPD_STS_ENFORCE };

struct smtpd_tls_facts {
	enum smtpd_tls_wish wish;
	enum smtpd_tls_rule rule;
	bool route_is_secure;        /* DNSSEC vouches for the MX records */
	enum smtpd_tlsa_state tlsa;
	enum smtpd_sts_mode sts;
	bool sts_has_host;           /* the policy names this server */
};

enum smtpd_tls_level { SMTPD_TLS_NEVER, SMTPD_TLS_MAY, SMTPD_TLS_ENCRYPT, SMTPD_TLS_VERIFY };
struct smtpd_tls_plan {
	enum smtpd_tls_level level;
	bool by_dane;                /* VERIFY by TLSA records instead of authorities */
	bool is_refused;             /* this server gets nothing; WHY says it */
	bool is_passing;             /* refused for now only: a look-up failed */
	bool is_test;                /* an MTA-STS policy that wants to be told, not obeyed */
	const char *policy;          /* one word for logs: "dane", "mta-sts", "may", ... */
	const char *why;             /* also what is_test would refuse; or "" */
};
void smtpd_tls_plan(const struct smtpd_tls_facts *facts, struct smtpd_tls_plan *out);

/* The operator's list "domain=rule .below=rule *=rule": the longest fitting name counts. */
struct smtpd_tls_rules;
CV_MUST_CHECK enum cv_status smtpd_tls_rules_parse(const char *list, struct smtpd_tls_rules **out,
                                                   struct cv_err *err);
void smtpd_tls_rules_free(struct smtpd_tls_rules *rules);
/* DOMAIN in A-labels and lower case. */
enum smtpd_tls_rule smtpd_tls_rules_find(const struct smtpd_tls_rules *rules, const char *domain);

#endif
