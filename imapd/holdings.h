/* holdings.h - whose boxes a person may open because the register says so: role and agency boxes
 * that the person holds, and boxes delegated to the person.
 *
 * The register lists holders by box; sessions ask by person. One table turns that round, made anew
 * when somebody asks after the register changed; it is counted, immutable and shared by all.
 * Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_HOLDINGS_H
#define IMAPD_HOLDINGS_H

#include <pthread.h>

#include "common/register/register.h"

enum imapd_hold {
	IMAPD_HOLD_READ = 1,    /* the box was delegated for reading */
	IMAPD_HOLD_FULL = 2,    /* delegated whole */
	IMAPD_HOLD_HOLDER = 4,  /* a role or agency box that the person holds */
};
struct imapd_holding {
	cv_acct_no person, owner;
	unsigned how; /* of enum imapd_hold */
};
struct imapd_holdings {
	unsigned refs;
	uint64_t generation; /* of the register */
	size_t count;
	struct imapd_holding *items; /* by person, then owner */
};
struct imapd_holdings_cache {
	pthread_mutex_t lock;
	struct imapd_holdings *now;
};

void imapd_holdings_init(struct imapd_holdings_cache *cache);
void imapd_holdings_done(struct imapd_holdings_cache *cache);
/* The table for SNAPSHOT or a newer one; give it back. */
struct imapd_holdings *imapd_holdings_get(
	struct imapd_holdings_cache *cache, const struct cv_snapshot *snapshot);
void imapd_holdings_unref(struct imapd_holdings_cache *cache, struct imapd_holdings *h);
/* The boxes of PERSON: *first_out and the *count_out - 1 behind it. Boxes that are suspended or
 * retired, and people who are, have none. */
void imapd_holdings_of(const struct imapd_holdings *h, cv_acct_no person,
	const struct imapd_holding **first_out, size_t *count_out);
/* How PERSON holds OWNER's box: 0 when not at all. */
unsigned imapd_holdings_how(
	const struct imapd_holdings *h, cv_acct_no person, cv_acct_no owner);

#endif
