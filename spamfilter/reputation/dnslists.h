/* dnslists.h - block and allow lists in DNS, asked for the client's address and for linked hosts.
 *
 * All questions of a message go out at once and share one wait; what has not answered by then says
 * nothing. Threads: a spam_dnslists is read only; an ask waits on the caller's thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DNSLISTS_H
#define SPAM_DNSLISTS_H

#include "common/net/dnslist.h"

#define SPAM_LIST_HOSTS_MAX 10 /* asked about in one message */
#define SPAM_LIST_HITS_MAX  32

struct spam_dnslists;

/* Entries as in dnslist.h, blanks between: BLOCK and ALLOW are asked for client addresses, HOSTS
 * for domains ("host.example" + zone). CV_INVALID names the entry. */
CV_MUST_CHECK enum cv_status spam_dnslists_new(const char *block, const char *allow,
	const char *hosts, struct spam_dnslists **out, struct cv_err *err);
void spam_dnslists_free(struct spam_dnslists *l); /* NULL is fine */

struct spam_list_hit {
	const char *zone; /* lives as long as the lists */
	int weight;       /* as configured; below 0 for an allow-list */
	size_t host;      /* index of the host, or SIZE_MAX for the client */
};

struct spam_list_ask {
	const struct sockaddr_storage *client; /* family AF_UNSPEC: none */
	const struct cv_str *hosts;            /* A-labels in small letters, without final dot */
	size_t host_count;
	unsigned wait_ms;
	unsigned questions_max; /* what is left of the message's look-ups */
};
/* Answers how many hits there are; *asked_out: how many questions went out. */
size_t spam_dnslists_ask(const struct spam_dnslists *l, struct cv_resolver *resolver,
	const struct spam_list_ask *ask, struct spam_list_hit hits[SPAM_LIST_HITS_MAX],
	unsigned *asked_out);

#endif
