/* override.h - where the province knows better than a published policy: a file of exceptions, each
 * with a reason and an end.
 *
 *     # kind     what                until       reason
 *     from       partner.example     2027-01-31  their DKIM is broken, letter 12/CV
 *     client     192.0.2.0/24        2027-01-31  the old relay of the tax office
 *     forwarder  alumni.example      2027-06-30  forwards to two officers
 *     list       users.lists.example 2027-06-30  a list of ours there
 *     alike      langiang.example    2028-12-31  a town of that name, not an imitation
 *
 * `from` is an author's domain and all below it; `client` the network that hands mail in;
 * `forwarder` a domain that SPF or DKIM vouches for, or its subdomain; `list` a List-Id whose own
 * domain is vouched for. Threads: read-only once loaded.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DMARC_OVERRIDE_H
#define SPAM_DMARC_OVERRIDE_H

#include <sys/socket.h>

#include "common/base/err.h"
#include "common/base/str.h"

#define SPAM_OVERRIDES_MAX 10000

/* Why a policy was not applied, in the words of RFC 9990. */
enum spam_override {
	SPAM_OVERRIDE_NONE,
	SPAM_OVERRIDE_LOCAL_POLICY,
	SPAM_OVERRIDE_TRUSTED_FORWARDER,
	SPAM_OVERRIDE_MAILING_LIST,
	SPAM_OVERRIDE_TEST_MODE,
	SPAM_OVERRIDE_OTHER,
	SPAM_OVERRIDES
};
const char *spam_override_word(enum spam_override o); /* "local_policy"; "none" */

struct spam_overrides;

/* PATH "": none at all. CV_INVALID names the line. */
CV_MUST_CHECK enum cv_status spam_overrides_load(
	const char *path, struct spam_overrides **out, struct cv_err *err);
void spam_overrides_free(struct spam_overrides *o); /* NULL is fine */

/* Who is behind a message; all domains in lower-case A-labels. */
struct spam_override_ask {
	struct cv_str from;
	const struct sockaddr_storage *client; /* or NULL */
	struct cv_str list_id;                 /* "users.lists.example", or empty */
	const struct cv_str *vouched;          /* domains SPF or DKIM passed for */
	size_t vouched_count;
	int64_t now_secs;
};
/* The first row that fits and has not ended, or SPAM_OVERRIDE_NONE; *REASON_OUT lives as long as O.
 */
enum spam_override spam_overrides_find(const struct spam_overrides *o,
	const struct spam_override_ask *ask, struct cv_str *reason_out);
/* DOMAIN, or one above it, is known to be no imitation. */
bool spam_overrides_alike(const struct spam_overrides *o, struct cv_str domain, int64_t now_secs);

#endif
