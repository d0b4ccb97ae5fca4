/* grants.h - which accounts share a mailbox with a person by a list of rights: a table over the
 * rows of common/store/grants.h, identifiers as numbers, made anew when somebody asks after they
 * or the register changed. Counted, immutable, shared by all. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_GRANTS_H
#define IMAPD_GRANTS_H

#include <pthread.h>

#include "common/register/register.h"
#include "common/store/grants.h"

#define IMAPD_GRANT_ANYONE 0u

struct imapd_grant {
	cv_acct_no to, owner; /* TO: a person, a group, or IMAPD_GRANT_ANYONE */
};
struct imapd_grants {
	unsigned refs;
	uint64_t version, generation;
	size_t count;
	struct imapd_grant *items; /* by TO, then owner */
};
struct imapd_grants_cache {
	pthread_mutex_t lock;
	struct imapd_grants *now;
};

void imapd_grants_init(struct imapd_grants_cache *cache);
void imapd_grants_done(struct imapd_grants_cache *cache);
/* The table as it is now; give it back. NULL: the rows cannot be read. */
struct imapd_grants *imapd_grants_get(struct imapd_grants_cache *cache, struct cv_store *store,
	const struct cv_snapshot *snapshot);
void imapd_grants_unref(struct imapd_grants_cache *cache, struct imapd_grants *g);
/* What is given to TO: *first_out and the *count_out - 1 behind it. */
void imapd_grants_to(const struct imapd_grants *g, cv_acct_no to,
	const struct imapd_grant **first_out, size_t *count_out);
/* Whether OWNER may give something to TO. */
bool imapd_grants_has(const struct imapd_grants *g, cv_acct_no to, cv_acct_no owner);

#endif
