/* tally.h - what aggregate reports (RFC 9990) will say: messages counted by UTC day, policy domain,
 * source, what was found and what was done.
 *
 * Rows, in the table SPAM_TABLE_DMARC, values are JSON but for counts:
 *   "P" be32 day, domain                     the policy as published last, rows, messages left out
 *   "R" be32 day, domain, 0, be64 hash       version, count, the record as JSON
 *   "S" be32 day, domain                     what became of the report
 * Only domains that ask for reports (rua=) are counted; a domain has SPAM_TALLY_ROWS rows a day at
 * most (what is over them is counted as left out), a day SPAM_TALLY_DOMAINS domains. Counts are in
 * memory until they are written behind. Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DMARC_TALLY_H
#define SPAM_DMARC_TALLY_H

#include <jansson.h>

#include "spamfilter/mail.h"

#define SPAM_TALLY_ROWS      1000u  /* of one domain and day */
#define SPAM_TALLY_DOMAINS   20000u /* of one day */
#define SPAM_TALLY_MEMORY    20000u /* rows that wait to be written */
#define SPAM_TALLY_DAYS      8u     /* rows are kept */
#define SPAM_TALLY_KEYS_KEPT 5u     /* signatures told of in one record (RFC 9990 3.1.3) */

struct spam_tally;

struct spam_tally *spam_tally_new(struct spam_stats *stats);
void spam_tally_free(struct spam_tally *t); /* NULL is fine */

/* Counts M, whose action is known. */
void spam_tally_note(struct spam_tally *t, const struct spam_mail *m);
/* Writes what is in memory and waits for the disk; the stats write by themselves too. */
void spam_tally_flush(struct spam_tally *t);

/* UTC days since 1970. */
uint32_t spam_tally_today(void);

/* One domain and day: {"policy": {}, "records": [{..., "count"}], "left_out"}. CV_NOT_FOUND. */
CV_MUST_CHECK enum cv_status spam_tally_load(
	struct spam_tally *t, uint32_t day, const char *domain, json_t **out, struct cv_err *err);
/* The state of a report as spam_tally_set_state() left it, or NULL: none yet. */
json_t *spam_tally_state(struct spam_tally *t, uint32_t day, const char *domain);
CV_MUST_CHECK enum cv_status spam_tally_set_state(struct spam_tally *t, uint32_t day,
	const char *domain, const json_t *state, struct cv_err *err);
/* Calls FN for each day and domain that has a policy row, from the oldest; false stops. */
CV_MUST_CHECK enum cv_status spam_tally_each(struct spam_tally *t,
	bool (*fn)(void *arg, uint32_t day, const char *domain, const json_t *policy), void *arg,
	struct cv_err *err);
/* Drops what is older than SPAM_TALLY_DAYS. */
void spam_tally_sweep(struct spam_tally *t);

#endif
