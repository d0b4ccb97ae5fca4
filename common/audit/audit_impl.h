/* audit_impl.h - the parts of a cv_audit. Private to the folder. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_AUDIT_IMPL_H
#define CV_AUDIT_IMPL_H

#include <pthread.h>

#include "common/audit/audit.h"
#include "common/base/map.h"

#define AUDIT_CHAIN_ACCT cv_acct(CV_CLASS_AUDIT, 0)
#define AUDIT_COUNT_ACCT cv_acct(CV_CLASS_AUDIT, 1)

struct cv_audit {
	struct cv_store *store;

	/* The chain: rows "E" + number hold events as JSON, row "H" the next number and last
	 * hash. */
	pthread_mutex_t chain_lock;  /* rank: above the engine's; held over the commit */
	uint64_t next;               /* number of the next event, from 1 */
	uint8_t last_hash[32];       /* of the text of event next - 1; zeros before the first */
	bool is_stale;               /* a commit ended unknown: read the head again */

	/* The counters: what was added since the last flush. */
	pthread_mutex_t count_lock;  /* rank: leaf; guards pending and has_ended */
	pthread_mutex_t flush_lock;  /* one flush at a time; rank: above count_lock */
	pthread_cond_t wake;
	struct cv_map pending;       /* count row's key -> struct cv_counts */
	bool has_ended, has_thread;
	pthread_t thread;
};

CV_MUST_CHECK enum cv_status audit_counters_start(struct cv_audit *a, struct cv_err *err);
void audit_counters_stop(struct cv_audit *a);

#endif
