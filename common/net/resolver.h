/* resolver.h - DNS answers without waiting: libunbound, or a zone file for tests and isolated
 * sites.
 *
 * Answers are cached by the back-end. Bogus (DNSSEC) is its own state: a temporary failure for
 * delivery, never "no record". Threads: everything may be called from any thread; callbacks come on
 * some thread of the resolver's and must be quick (wake a connection).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_RESOLVER_H
#define CV_RESOLVER_H

#include <sys/socket.h>

#include "common/base/err.h"
#include "common/base/str.h"

enum cv_dns_state { CV_DNS_OK, CV_DNS_NODATA, CV_DNS_NXDOMAIN, CV_DNS_TEMPFAIL, CV_DNS_BOGUS };
enum cv_dns_type {
	CV_DNS_A = 1, CV_DNS_NS = 2, CV_DNS_CNAME = 5, CV_DNS_SOA = 6, CV_DNS_PTR = 12,
	CV_DNS_MX = 15, CV_DNS_TXT = 16, CV_DNS_AAAA = 28, CV_DNS_SRV = 33, CV_DNS_TLSA = 52,
	CV_DNS_CAA = 257 /* as it comes: rdata alone; no zone file has it */
};

struct cv_dns_record {
	struct cv_str rdata;       /* wire form; TXT: the character strings joined */
	uint16_t preference;       /* MX; SRV: the priority */
	char name[256];            /* MX, PTR, NS, CNAME, SRV: the name in text without final dot,
	                            * lower case; "" is the root, so an MX of "" says 'no mail' (RFC
	                            * 7505) */
};

struct cv_dns_answer {
	enum cv_dns_state state;
	bool secure;               /* validated by DNSSEC */
	uint32_t ttl_secs;
	char canonical[256];       /* the name the records belong to, after CNAMEs */
	unsigned count;            /* at most CV_DNS_RECORDS_MAX; MX and SRV sorted by preference */
	struct cv_dns_record *records;
};
#define CV_DNS_RECORDS_MAX 128

struct cv_resolver;

struct cv_resolver_options {
	const char *zone_file;     /* not NULL: answer only from this master file */
	const char *forwarders;    /* addresses[@port] separated by blanks, or NULL: recurse */
	const char *trust_anchor;  /* root key file, or NULL: no validation */
	const char *hosts_conf;    /* text of extra unbound.conf lines ("name: value" of the server:
	                            * clause, then other clauses such as auth-zone:), for tests; or
	                            * NULL */
	unsigned timeout_secs;     /* for one look-up; 0: 10 */
	bool isolated;             /* no packet leaves: everything outside the zones of the zone
	                            * file (below a SOA, or named there) is TEMPFAIL */
};
CV_MUST_CHECK enum cv_status cv_resolver_new(const struct cv_resolver_options *o,
                                             struct cv_resolver **out, struct cv_err *err);
void cv_resolver_free(struct cv_resolver *r);

/* NAME: ASCII (A-labels), with or without final dot; one that breaks the limits of DNS is NXDOMAIN.
 * At most 4,096 look-ups are under way at once; more are TEMPFAIL.
 * ANSWER is the receiver's: give it back with cv_dns_answer_free(). The callback is called exactly
 * once, possibly before this function returns. */
typedef void cv_resolved_fn(void *arg, struct cv_dns_answer *answer);
void cv_resolve(struct cv_resolver *r, const char *name, enum cv_dns_type type, cv_resolved_fn *fn,
                void *arg);
/* Appends what it counted: look-ups by outcome, and how long answers took. */
struct cv_buf;
void cv_resolver_metrics(struct cv_resolver *r, struct cv_buf *out);
/* The same, waiting: for pool threads and the milter's own threads only. Never NULL. */
struct cv_dns_answer *cv_resolve_wait(struct cv_resolver *r, const char *name,
                                      enum cv_dns_type type);
void cv_dns_answer_free(struct cv_dns_answer *a);

/* The name to ask PTR for: "1.2.0.192.in-addr.arpa". False for other families than IP. */
bool cv_dns_reverse_name(const struct sockaddr_storage *a, char *buf, size_t n);

#endif
