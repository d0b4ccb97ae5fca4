/* sources.h - what others report of mail in our name, summed up by day, domain and sending address,
 * so that an operator sees who sends in the province's name.
 *
 * Rows, in the table SPAM_TABLE_DMARC, values are JSON, kept SPAM_SOURCES_DAYS:
 *   "I" be64 hash                        a report that was read: the same one counts once
 *   "C" be32 day, domain, 0, address     messages, those aligned, what was done, who told
 * Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DMARC_SOURCES_H
#define SPAM_DMARC_SOURCES_H

#include <jansson.h>

#include "common/base/err.h"
#include "spamfilter/stats.h"

#define SPAM_SOURCES_DAYS       400u
#define SPAM_SOURCES_PER_REPORT 2000u /* addresses; the rest is counted as "other" */
#define SPAM_SOURCES_LISTED     1000u /* in one answer */

struct spam_sources;
struct spam_sources *spam_sources_new(struct spam_stats *stats);
void spam_sources_free(struct spam_sources *s); /* NULL is fine */

/* Adds REPORT as spam_report_read() gave it. CV_CONFLICT when it was added before. */
CV_MUST_CHECK enum cv_status spam_sources_add(
	struct spam_sources *s, const json_t *report, struct cv_err *err);
/* Sums over the last DAYS days, of DOMAIN or below it ("": all), the greatest first: {"sources":
 * [{"domain", "ip", "messages", "aligned", "dkim", "spf", "quarantine", "reject", "reporters",
 * "dkim_domain", "envelope"}], "reports"}. */
CV_MUST_CHECK enum cv_status spam_sources_list(struct spam_sources *s, unsigned days,
	const char *domain, json_t **out, struct cv_err *err);

#endif
