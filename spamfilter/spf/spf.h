/* spf.h - may this client send for that domain? check_host() of RFC 7208.
 *
 * Records are chosen and read by a strict grammar (record.h), macros expanded (macro.h), and the
 * mechanisms walked here; look-ups go through the message's budget (spamfilter/dns.h). Why this is
 * our own: docs/adr/0070-spf-evaluator.md.
 * Threads: a check keeps nothing and waits for DNS on the caller's thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SPF_H
#define SPAM_SPF_H

#include "spamfilter/client.h"
#include "spamfilter/dns.h"

#define SPF_LOOKUPS_MAX 10    /* terms that ask DNS (RFC 7208 4.6.4) */
#define SPF_VOIDS_MAX   2     /* of them those that found nothing */
#define SPF_NAMES_MAX   10    /* MX or PTR names followed for one term */
#define SPF_CHECK_MS    20000 /* longest check, then temperror */

enum spam_spf_result {
	SPAM_SPF_NONE,
	SPAM_SPF_NEUTRAL,
	SPAM_SPF_PASS,
	SPAM_SPF_FAIL,
	SPAM_SPF_SOFTFAIL,
	SPAM_SPF_TEMPERROR,
	SPAM_SPF_PERMERROR
};

struct spam_spf_ask {
	const struct sockaddr_storage *client;
	struct cv_str helo;
	struct cv_str local, domain; /* of MAIL FROM; DOMAIN empty: postmaster@HELO is checked */
	struct cv_str receiver;      /* our name, for %{r}; empty: "unknown" */
	bool explain;                /* fetch the domain's explanation of a fail (6.2) */
};

struct spam_spf_answer {
	enum spam_spf_result result;
	bool by_helo;            /* the HELO name was checked, for want of a sender */
	char domain[256];        /* what was checked, cleaned; "" when it is no domain name */
	char why[160];           /* of errors, for the log; "" otherwise */
	const char *mechanism;   /* that decided: "ip4"; "default" when none matched; or "" */
	char explanation[512];   /* the domain's words, printable ASCII; "" when it has none */
	unsigned lookups, voids; /* what the check cost */
};

void spam_spf_check(
	struct spam_lookups *lookups, const struct spam_spf_ask *ask, struct spam_spf_answer *out);
const char *spam_spf_word(enum spam_spf_result result); /* "softfail" */

/* Appends the value of Received-SPF (9.1), folded with lone LF. CLIENT is the address in text. */
void spam_spf_received(const struct spam_spf_ask *ask, const struct spam_spf_answer *answer,
	const char *client, struct cv_buf *out);

#endif
