/* spf.h - may this client send for that domain? check_host() of RFC 7208.
 *
 * libspf2 walks the mechanisms; a guard decides what it sees (docs/adr/0020-spf-guard.md). Records
 * are chosen and read by our own strict grammar, and rewritten so that libspf2 meets no macro, no
 * name and no byte of a peer's choosing; look-ups, limits and errors belong to the guard.
 * Threads: one spam_spf serves all; a check waits for DNS on the caller's thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SPF_H
#define SPAM_SPF_H

#include "common/net/resolver.h"

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
};

struct spam_spf_answer {
	enum spam_spf_result result;
	bool by_helo;            /* the HELO name was checked, for want of a sender */
	char domain[256];        /* what was checked, cleaned; "" when it is no domain name */
	char why[160];           /* of errors, for the log; "" otherwise */
	unsigned lookups, voids; /* what the check cost */
};

struct spam_spf;

CV_MUST_CHECK enum cv_status spam_spf_new(
	struct cv_resolver *resolver, struct spam_spf **out, struct cv_err *err);
void spam_spf_free(struct spam_spf *s);
void spam_spf_check(
	struct spam_spf *s, const struct spam_spf_ask *ask, struct spam_spf_answer *out);
const char *spam_spf_word(enum spam_spf_result result); /* "softfail" */

#endif
