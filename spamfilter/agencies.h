/* agencies.h - verdicts by agency and day (SPM-09): counts of messages, actions and rules, no
 * addresses, no texts.
 *
 * A message to several agencies counts once for each; recipients that are nobody's of the register,
 * and senders refused before a recipient was named, count for the agency "-". Mail that staff
 * submit counts for the sender's agency. Rows are kept SPAM_AGENCIES_KEEP_DAYS; counts are kept in
 * memory and written behind (stats.h). Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_AGENCIES_H
#define SPAM_AGENCIES_H

#include <jansson.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "spamfilter/stats.h"

#define SPAM_AGENCIES_KEEP_DAYS 400
#define SPAM_AGENCIES_ROWS_MAX  2000   /* in memory: an agency, a day, a direction each */
#define SPAM_AGENCIES_LIST_MAX  100000 /* rows in one answer */

struct spam_agencies;
struct spam_verdict;

/* STATS stays the caller's and outlives it; not yet started. */
struct spam_agencies *spam_agencies_new(struct spam_stats *stats);
void spam_agencies_free(struct spam_agencies *a); /* NULL is fine */
void spam_agencies_note(struct spam_agencies *a, struct cv_str agency, bool is_submission,
	const struct spam_verdict *v);
/* [{"day": "2026-11-23", "agency": "stp", "direction": "in" | "out", "messages": 9, "actions":
 * {"pass": 7, ...}, "rules": {"signup": 1}}, ...] of the days FROM to TO (as spam_stats_today()
 * counts them, both included), oldest first. AGENCY empty: all. CV_LIMIT when there are more than
 * SPAM_AGENCIES_LIST_MAX. */
CV_MUST_CHECK enum cv_status spam_agencies_list(struct spam_agencies *a, uint32_t from_day,
	uint32_t to_day, struct cv_str agency, json_t **out, struct cv_err *err);

#endif
