/* dns_ask.h - many look-ups at once, and what their answers say about the records we want. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_DNS_ASK_H
#define ADMIN_DNS_ASK_H

#include "admin/dns_records.h"

struct admin_dns_query {
	char name[256];
	enum cv_dns_type type;
	struct cv_dns_answer *answer; /* set by admin_dns_ask(), never NULL then */
};
/* Asks all at once and waits for the last answer, at most the resolver's time limit. */
void admin_dns_ask(struct cv_resolver *resolver, struct admin_dns_query *queries, size_t count);
void admin_dns_queries_done(struct admin_dns_query *queries, size_t count);

enum admin_dns_state {
	ADMIN_DNS_OK,
	ADMIN_DNS_MISSING,
	ADMIN_DNS_DIFFERENT,
	ADMIN_DNS_UNSIGNED, /* TLSA: right, but DNSSEC does not vouch for it */
	ADMIN_DNS_FAILED    /* DNS does not answer, or its signatures are wrong */
};
const char *admin_dns_state_name(enum admin_dns_state state);
struct admin_dns_found {
	enum admin_dns_state state;
	bool secure;        /* DNSSEC vouches for the answer */
	unsigned rivals;    /* records of that purpose that stand there */
	struct cv_buf text; /* what stands there; may be no UTF-8 */
};
/* Compares every record of SET with DNS; OUT has set->count places. */
void admin_dns_compare(struct cv_resolver *resolver, const struct admin_dns_set *set,
	struct admin_dns_found *out);
void admin_dns_found_done(struct admin_dns_found *found, size_t count);

/* The MTA-STS policy of DOMAIN as other servers would fetch it (RFC 8461 3.3), into FOUND (or why
 * there is none). CV_OK: it was fetched. */
enum cv_status admin_dns_fetch_policy(struct cv_resolver *resolver,
	const struct smtpd_options *smtpd, const char *domain, unsigned secs, struct cv_buf *found);

#endif
