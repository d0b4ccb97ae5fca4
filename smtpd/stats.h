/* stats.h - what smtpd counts for `congvu status` and for Prometheus, and whether it is well.
 *
 * Counters are the process's and are only ever added to; labels that a peer could make up are never
 * kept. Any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_STATS_H
#define SMTPD_STATS_H

#include "common/net/metrics.h"
#include "smtpd/server.h"

enum smtpd_stats_fate { SMTPD_STATS_SENT, SMTPD_STATS_DEFERRED, SMTPD_STATS_FAILED,
	SMTPD_STATS_EXPIRED, SMTPD_STATS_FATES };

enum smtpd_stats_place { SMTPD_PLACED_JUNK, SMTPD_PLACED_QUARANTINE, SMTPD_PLACED_HELD,
	SMTPD_PLACES };

struct smtpd_stats {
	struct cv_histogram accept;   /* end of data to durable */
	struct cv_histogram filter;   /* the filters' step with the whole message */
	struct cv_histogram store;    /* deliveries to the store */
	struct cv_histogram outbound; /* from loaded to outcome */
	atomic_ullong fates[SMTPD_STATS_FATES];
	atomic_ullong bytes;          /* of messages accepted */
	atomic_ullong bounces;
	atomic_ullong deferred_boxes; /* the store could not take them now */
	atomic_ullong placed[SMTPD_PLACES]; /* messages by what filters said of them */
};
extern struct smtpd_stats smtpd_stats;

/* A reply of 400 or more was written; its rule is the word in brackets at the start of TEXT. */
void smtpd_stats_refused(unsigned code, const char *enhanced, const char *text);
/* A session's transport is known: the TLS version, or NULL for none. */
void smtpd_stats_tls(const char *version);

/* Whether the disk of the queue has less left than disk_reserve (or 5 % of it, if that is less);
 * looked up once a second. New messages are put off then: what is already queued must still be
 * able to move. */
bool smtpd_disk_is_low(struct smtpd_server *s);

/* For cv_metrics_listen(): SERVER is a struct smtpd_server. */
void smtpd_stats_collect(void *server, struct cv_buf *out);
void smtpd_stats_ready(void *server, struct cv_buf *why);

#endif
