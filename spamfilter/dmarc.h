/* dmarc.h - whether what SPF and DKIM vouch for is the author's domain, and what that domain asks
 * for.
 *
 * The policy is looked for at the author's domain and then at its organisational domain (libpsl),
 * as RFC 7489 does. Threads: all calls from any thread; a check waits for DNS.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DMARC_H
#define SPAM_DMARC_H

#include "common/net/resolver.h"

enum spam_dmarc_result {
	SPAM_DMARC_NONE,
	SPAM_DMARC_PASS,
	SPAM_DMARC_FAIL,
	SPAM_DMARC_TEMPERROR,
	SPAM_DMARC_PERMERROR
};
enum spam_dmarc_policy { SPAM_DMARC_P_NONE, SPAM_DMARC_P_QUARANTINE, SPAM_DMARC_P_REJECT };

/* A record, read. */
struct spam_dmarc_record {
	enum spam_dmarc_policy policy, sub_policy;
	bool strict_dkim, strict_spf;
};

struct spam_dmarc_ask {
	const char *from;        /* domain of the one From field; lower-case A-labels */
	const char *spf;         /* domain SPF passed, or NULL */
	const char *const *dkim; /* domains of the signatures that passed */
	size_t dkim_count;
};
struct spam_dmarc_answer {
	enum spam_dmarc_result result;
	enum spam_dmarc_policy policy; /* that applies to this domain */
	bool vouched; /* relaxed alignment holds, whether there is a record or not */
};

struct spam_dmarc;

struct spam_dmarc *spam_dmarc_new(struct cv_resolver *resolver);
void spam_dmarc_free(struct spam_dmarc *d);
void spam_dmarc_check(
	struct spam_dmarc *d, const struct spam_dmarc_ask *ask, struct spam_dmarc_answer *out);
/* The organisational domain of DOMAIN: itself when it is a public suffix. */
void spam_dmarc_organisation(const struct spam_dmarc *d, const char *domain, char out[256]);
/* False when TEXT is no DMARC record or asks for nothing that can be understood. */
bool spam_dmarc_parse(struct cv_str text, struct spam_dmarc_record *out);
const char *spam_dmarc_word(enum spam_dmarc_result result);
const char *spam_dmarc_policy_word(enum spam_dmarc_policy policy);

#endif
