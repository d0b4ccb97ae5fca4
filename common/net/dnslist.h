/* dnslist.h - lists of addresses in DNS (RFC 5782): which are asked, and what an answer counts.
 *
 * An entry of the options is zone[=codes][*weight]. Codes say which answers count: four parts, each
 * a number or [a..b;c..d], as in bl.example=127.0.0.[2..11]*2. Without codes every answer below
 * 127.0.0.0/8 counts, but for 127.255.255.0/24, where lists tell that they were asked wrongly.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_DNSLIST_H
#define CV_DNSLIST_H

#include "common/net/resolver.h"

#define CV_DNSLISTS_MAX 16

struct cv_dnslist {
	char zone[200];
	uint64_t octets[4][4];  /* allowed values of each part, as bits */
	bool any_code;
	bool allows;            /* an allow-list: its weight is taken off */
	int weight;             /* 1 to 100 */
};

struct cv_dnslists {
	struct cv_dnslist rows[CV_DNSLISTS_MAX];
	size_t n;
};

/* Adds the entries of TEXT to *lists. */
CV_MUST_CHECK enum cv_status cv_dnslists_add(struct cv_dnslists *lists, const char *text,
                                                bool allows, struct cv_err *err);
/* "7.2.0.192.bl.example", or for IPv6 32 nibbles. False when the peer has no IP address. */
bool cv_dnslist_name(const struct cv_dnslist *list, const struct sockaddr_storage *peer,
                        char *out, size_t n);
/* The peer is on the list, says this answer to a question for A. */
bool cv_dnslist_has(const struct cv_dnslist *list, const struct cv_dns_answer *answer);

#endif
