/* lookup.h - what DNS says of a peer and of a sender's domain, asked while the session goes on.
 *
 * A look-up is counted: the session holds one reference, every question under way another, so a
 * session that ends does not wait. Each ends by waking the connection. Answers may be read while
 * others are still to come; nothing here waits, and whoever has no more time goes on without.
 * Threads: made and read by the session's worker; answers come on the resolver's thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_LOOKUP_H
#define SMTPD_LOOKUP_H

#include "common/net/net.h"
#include "common/net/dnslist.h"

struct smtpd_lookup;

/* Asks for the name of C's peer (PTR, confirmed by A or AAAA; RFC 1912 2.1) when WITH_NAME, and
 * LISTS about it; they may be NULL, and must outlive the resolver. */
struct smtpd_lookup *smtpd_lookup_peer(struct cv_resolver *resolver, struct cv_conn *c,
                                       bool with_name, const struct cv_dnslists *lists);
/* Asks whether mail can be sent to DOMAIN: MX, else A or AAAA. */
struct smtpd_lookup *smtpd_lookup_domain(struct cv_resolver *resolver, struct cv_conn *c,
                                         const char *domain);
void smtpd_lookup_unref(struct smtpd_lookup *l); /* NULL is nothing */

bool smtpd_lookup_has_name(struct smtpd_lookup *l);  /* the name is known, or that there is none */
bool smtpd_lookup_has_lists(struct smtpd_lookup *l); /* every list has answered */
/* The confirmed name, or "". Valid as long as the reference. */
const char *smtpd_lookup_name(struct smtpd_lookup *l);

struct smtpd_listing {
	int score;         /* weights of lists, less those of allow-lists */
	bool allowed;      /* on an allow-list */
	char names[256];   /* zones that have it, "a.example,b.example" */
};
void smtpd_lookup_listing(struct smtpd_lookup *l, struct smtpd_listing *out);

enum smtpd_domain_state {
	SMTPD_DOMAIN_PENDING,
	SMTPD_DOMAIN_GOOD,
	SMTPD_DOMAIN_NONE,     /* no such domain, or nothing that takes mail */
	SMTPD_DOMAIN_NULL_MX,  /* it says that it takes none (RFC 7505) */
	SMTPD_DOMAIN_TEMPFAIL  /* DNS did not answer, or not with the truth */
};
enum smtpd_domain_state smtpd_lookup_domain_state(struct smtpd_lookup *l);

#endif
