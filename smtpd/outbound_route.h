/* outbound_route.h - which servers take mail for a domain, and at which addresses (RFC 5321 5).
 *
 * MX hosts by preference, equal ones in random order; without MX the domain's own addresses; null
 * MX (RFC 7505) and names that do not exist are final; our own name ends the list where it stands,
 * so mail never goes to a server that would send it back. A route is immutable and counted.
 * Threads: smtpd_route_find() from any; its callback comes on any thread, perhaps at once.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_OUTBOUND_ROUTE_H
#define SMTPD_OUTBOUND_ROUTE_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "common/net/resolver.h"

#define SMTPD_ROUTE_HOSTS_MAX 10
#define SMTPD_ROUTE_HOPS_MAX  20
#define SMTPD_ROUTE_PER_HOST  4 /* addresses of one family */

enum smtpd_route_state { SMTPD_ROUTE_OK, SMTPD_ROUTE_LATER, SMTPD_ROUTE_NEVER };

struct smtpd_hop {
	char host[256];
	struct sockaddr_storage addr;
	socklen_t addr_len;
};
struct smtpd_route {
	atomic_uint refs;
	enum smtpd_route_state state;
	char status[12], why[300];  /* unless OK */
	uint32_t ttl_secs;
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

#endif
