/* tlspolicy_cache.h - the MTA-STS policies of other domains (RFC 8461): asked for, fetched, kept.
 *
 *   row in the queue's environment -> TXT _mta-sts.<domain> -> same id: the row's policy
 *                                          \-- other id or no row: fetched on the pool, row written
 *
 * A kept policy holds until its max_age is over, whatever DNS or the policy server say meanwhile
 * (5.1). One that is half-way there is fetched anew beside the mail that uses it. What could not be
 * fetched is not tried again for five minutes.
 *
 * Threads: all calls from any. The callback comes on any thread, perhaps at once.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_TLSPOLICY_CACHE_H
#define SMTPD_TLSPOLICY_CACHE_H

#include "common/net/resolver.h"
#include "common/store/engine.h"
#include "smtpd/tlspolicy_sts.h"

/* Counted; never changed. */
struct smtpd_sts_entry;
const struct smtpd_sts_policy *smtpd_sts_entry_policy(const struct smtpd_sts_entry *e);
void smtpd_sts_entry_unref(struct smtpd_sts_entry *e); /* NULL is fine */

struct smtpd_sts;
struct smtpd_sts_options {
	struct cv_resolver *resolver;
	struct cv_engine *engine;
	const char *ca_file;      /* of policy servers; NULL: the system's */
	unsigned port;            /* 443 */
	bool allow_loopback;      /* tests: policy servers may be on this machine */
	/* A fetch failed (CV_DENIED: by the server's certificate); any thread. May be NULL. */
	void (*failed)(void *arg, const char *domain, enum cv_status status, const char *why);
	void *arg;
};
CV_MUST_CHECK enum cv_status smtpd_sts_new(const struct smtpd_sts_options *o,
                                           struct smtpd_sts **out, struct cv_err *err);
/* Ends fetches soon and waits for them; from now on only kept policies are found. */
void smtpd_sts_stop(struct smtpd_sts *s);
/* After the last callback. */
void smtpd_sts_free(struct smtpd_sts *s);

/* DOMAIN in A-labels and lower case. ENTRY is the receiver's; NULL: the domain has no policy, or
 * none that could be had. */
typedef void smtpd_sts_fn(void *arg, struct smtpd_sts_entry *entry);
void smtpd_sts_find(struct smtpd_sts *s, const char *domain, smtpd_sts_fn *fn, void *arg);

#endif
