/* audit.h - the hash-chained audit trail and the usage counters (SEC-02, REP-02).
 *
 * An audit row is written in the same commit as the change it records: cv_audit_commit() adds a
 * batch for the audit account to the caller's batches (at most 15, so that one transaction takes
 * all). Each row holds the SHA-256 of the row before it. Counters are per account and local day
 * (the time zone of the process: daemons set TZ first): received, sent, logins, checks; no
 * subjects, no correspondents. They gather in memory and are flushed every few seconds and at
 * close; losing the last seconds of a counter in a crash is allowed, losing an audit row is not.
 * Threads: all calls from any thread of the owner process.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_AUDIT_H
#define CV_AUDIT_H

#include <jansson.h>

#include "common/store/store.h"

struct cv_audit;

struct cv_audit_event {
	const char *actor;    /* who: account, unix user, "system" */
	const char *address;  /* IP, or NULL */
	unsigned port;
	const char *action;   /* "account.add" */
	const char *object;   /* "nvhoa.snv@lamgiang.example" */
	const char *result;   /* "ok", "denied", ... */
	json_t *detail;       /* before/after without secrets; borrowed; may be NULL */
};

CV_MUST_CHECK enum cv_status cv_audit_open(struct cv_store *s, struct cv_audit **out,
                                           struct cv_err *err);
void cv_audit_close(struct cv_audit *a);
/* Writes one event by itself. */
CV_MUST_CHECK enum cv_status cv_audit_write(struct cv_audit *a, const struct cv_audit_event *event,
                                            cv_ticket *ticket_out, struct cv_err *err);
/* Commits BATCHES (count) together with EVENT: the chain is locked meanwhile, so rows stay in
 * order. When any of the caller's batches fails, the event is not written. */
CV_MUST_CHECK enum cv_status cv_audit_commit(struct cv_audit *a, const struct cv_audit_event *event,
                                             struct cv_batch *batches, size_t count,
                                             cv_ticket *ticket_out, struct cv_err *err);
/* Walks the chain from event FIRST; calls FN with each event as JSON text; CV_CORRUPT with the
 * number of the first event whose hash does not fit. */
CV_MUST_CHECK enum cv_status cv_audit_walk(struct cv_audit *a, uint64_t first,
                                           bool (*fn)(void *arg, uint64_t number,
                                                      struct cv_str json),
                                           void *arg, struct cv_err *err);

/* Where the chain ends now. Who keeps HASH elsewhere can prove later that nothing up to there was
 * rewritten: the chain alone cannot. */
struct cv_audit_head {
	uint64_t last; /* number of the last event, 0: none */
	char hash[65]; /* SHA-256 of its text, in hex; zeros for none */
};
struct cv_audit_head cv_audit_head(struct cv_audit *a);
/* The hash of an event's text, as the next one holds it. */
void cv_audit_hash(struct cv_str text, char hex_out[65]);

enum cv_counter {
	CV_COUNT_RECEIVED, CV_COUNT_SENT, CV_COUNT_LOGINS, CV_COUNT_CHECKS, CV_COUNT_SIGNUPS,
	CV_COUNT_KINDS
};
/* Adds to today's counter of ACCT (no wait, no error: memory). */
void cv_audit_count(struct cv_audit *a, cv_acct_id acct, enum cv_counter kind, uint32_t add);
struct cv_counts {
	uint32_t day; /* days since 1970 in the province's time zone */
	uint32_t n[CV_COUNT_KINDS];
	int64_t last_check_secs;
};
/* The stored days of ACCT in [from, to], ascending. */
CV_MUST_CHECK enum cv_status cv_audit_counts(struct cv_audit *a, cv_acct_id acct, uint32_t from_day,
                                             uint32_t to_day,
                                             bool (*fn)(void *arg, const struct cv_counts *c),
                                             void *arg, struct cv_err *err);
#endif
