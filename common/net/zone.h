/* zone.h - a master file (RFC 1035, section 5) that answers by itself: tests, demo, isolated sites.
 *
 * Knows A AAAA MX TXT CNAME NS SOA PTR TLSA SRV, $ORIGIN, $TTL, parentheses, wildcards. Comments at
 * the start of a line can ask for answers that no record can give:
 *     ; fail NAME [TYPE]     a temporary failure
 *     ; bogus NAME [TYPE]    a failed DNSSEC check
 *     ; secure NAME          NAME and everything below it is answered as validated
 * Threads: read-only once parsed.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ZONE_H
#define CV_ZONE_H

#include "common/net/resolver.h"

struct cv_zone;

/* CV_INVALID names the line. */
CV_MUST_CHECK enum cv_status cv_zone_parse(struct cv_str text, struct cv_zone **out,
                                           struct cv_err *err);
void cv_zone_free(struct cv_zone *z);
/* NAME is clean (dns.h). ISOLATED: what lies outside the zones is TEMPFAIL instead of NXDOMAIN. */
struct cv_dns_answer *cv_zone_answer(const struct cv_zone *z, const char *name,
                                     enum cv_dns_type type, bool isolated);

#endif
