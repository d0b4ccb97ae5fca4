/* outbound_route.h - which servers take mail for a domain, and at which addresses (RFC 5321 5).
 *
 * MX hosts by preference, equal ones in random order; without MX the domain's own addresses; null
 * MX (RFC 7505) and names that do not exist are final; our own name ends the list where it stands,
 * so mail never goes to a server that would send it back. Where DNSSEC vouches for the MX records
 * and a host's addresses, the host's TLSA records come along (RFC 7672 2). A route is immutable and
 * counted.
 * Threads: smtpd_route_find() from any; its callback comes on any thread, perhaps at once.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_OUTBOUND_ROUTE_H
#define SMTPD_OUTBOUND_ROUTE_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "common/net/resolver.h"
#include "common/net/tls.h"

#define SMTPD_ROUTE_HOSTS_MAX 10
#define SMTPD_ROUTE_HOPS_MAX  20
#define SMTPD_ROUTE_PER_HOST  4 /* addresses of one family */

#define SMTPD_TLSA_MAX        16

enum smtpd_route_state { SMTPD_ROUTE_OK, SMTPD_ROUTE_LATER, SMTPD_ROUTE_NEVER };

/* What DNSSEC-validated TLSA records say of one host. */
enum smtpd_tlsa_state {
	SMTPD_TLSA_NONE,     /* there are none, or DNSSEC does not vouch for the way to them */
	SMTPD_TLSA_UNUSABLE, /* only such as may not be used: TLS, but nobody to check (2.2) */
	SMTPD_TLSA_USABLE,
	SMTPD_TLSA_TEMPFAIL  /* they cannot be had now: the host must not be used (2.1.1) */
};
struct smtpd_host_tlsa {
	enum smtpd_tlsa_state state;
	char base[256];      /* the name they stand below, which certificates are for */
	size_t count;        /* the usable ones */
	struct cv_tls_tlsa records[SMTPD_TLSA_MAX];
	struct cv_dns_answer *answer; /* holds their bytes, or NULL */
};
struct smtpd_hop {
	char host[256];
	const struct smtpd_host_tlsa *tlsa;
	struct sockaddr_storage addr;
	socklen_t addr_len;
};
struct smtpd_route {
	atomic_uint refs;
	enum smtpd_route_state state;
	char status[12], why[300];  /* unless OK */
	uint32_t ttl_secs;
	bool is_secure;             /* DNSSEC vouches for the MX records, or their absence */
	struct smtpd_host_tlsa tlsa[SMTPD_ROUTE_HOSTS_MAX];
	size_t count;
	struct smtpd_hop hops[SMTPD_ROUTE_HOPS_MAX];
};
void smtpd_route_ref(struct smtpd_route *r);
void smtpd_route_unref(struct smtpd_route *r);

struct smtpd_route_query {
	struct cv_resolver *resolver;
	const char *domain;      /* A-labels in lower case, or an address literal with brackets */
	bool is_host;            /* a smarthost: its addresses, not its MX */
	unsigned port;
	const char *own_name;
	bool allow_loopback;     /* tests: loopback and own addresses may be targets */
};
/* ROUTE is the receiver's. What QUERY points to is copied. */
typedef void smtpd_route_fn(void *arg, struct smtpd_route *route);
void smtpd_route_find(const struct smtpd_route_query *query, smtpd_route_fn *fn, void *arg);
/* A route to the socket at PATH on this machine. */
struct smtpd_route *smtpd_route_unix(const char *path);
/* The address in an A or AAAA record; false when it is none, or, unless ALLOW_LOOPBACK, no other
 * machine's: loopback, link-local, multicast. */
bool smtpd_route_address(bool is_v6, struct cv_str rdata, unsigned port, bool allow_loopback,
                         struct sockaddr_storage *out);
/* The addresses of HOST that may be asked, IPv4 first, at most MAX. Waits for DNS: pool threads
 * only. */
size_t smtpd_route_host_wait(struct cv_resolver *resolver, const char *host, unsigned port,
                             bool allow_loopback, struct sockaddr_storage *addrs, size_t max);

#endif
