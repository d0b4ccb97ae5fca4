/* dns.h - the one way in which the filter asks DNS: answers kept for all, a budget for each
 * message.
 *
 * Over common/net/resolver, which validates and limits the time of a look-up. Here answers are kept
 * a while (their TTL, at most five minutes; failures five seconds), so that a message like the last
 * one asks nobody, and each message has a number of look-ups and a time of waiting that it may
 * cost. What is past them is answered CV_DNS_TEMPFAIL at once: a check that needed it becomes a
 * temporary error, never a pass. Threads: one spam_dns serves all; a spam_lookups belongs to its
 * message's thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DNS_H
#define SPAM_DNS_H

#include <stdatomic.h>

#include "common/base/buf.h"
#include "common/net/resolver.h"

#define SPAM_LOOKUPS_MAX 200   /* of one message: SPF alone may ask 10 terms with 10 hosts each */
#define SPAM_WAIT_MS     30000 /* of one message, over all its look-ups */

struct spam_dns;

/* What somebody made of an answer's records, a public key for one; the first member of it. */
struct spam_parsed {
	void (*give_back)(struct spam_parsed *p);
};

/* An answer, held. Everything in it is read-only. */
struct spam_answer {
	struct cv_dns_answer *dns;
	_Atomic(struct spam_parsed *) parsed; /* kept as long as the records are */
	atomic_uint refs;
	int64_t until_ms;
};

/* What one message may still ask. */
struct spam_lookups {
	struct spam_dns *dns;
	unsigned left;
	unsigned asked;  /* questions, those answered from memory too */
	unsigned fresh;  /* those that went to the resolver */
	unsigned denied; /* those past the budget */
	int64_t wait_us; /* still to be waited */
};

/* RESOLVER outlives it. */
struct spam_dns *spam_dns_new(struct cv_resolver *resolver);
void spam_dns_free(struct spam_dns *d);

/* A message begins. */
void spam_lookups_start(struct spam_lookups *l, struct spam_dns *dns);
/* It ends: its numbers go to the metrics. */
void spam_lookups_end(struct spam_lookups *l);

/* At least LEFT look-ups and WAIT_US to wait are left from here on: for questions that no sender
 * may keep from being asked by using up the budget with names of its own. */
void spam_lookups_reserve(struct spam_lookups *l, unsigned left, int64_t wait_us);

/* Waits for the answer. NAME as for cv_resolve(). Never NULL; give it back with
 * spam_answer_free(). */
struct spam_answer *spam_ask(struct spam_lookups *l, const char *name, enum cv_dns_type type);
void spam_answer_free(struct spam_answer *a);
/* Keeps PARSED with A, if nobody else was faster: returns what is kept, PARSED or theirs (then
 * PARSED was given back). Only one kind of thing is ever kept for a name and type. */
struct spam_parsed *spam_answer_keep(struct spam_answer *a, struct spam_parsed *parsed);

/* Appends what was counted, as Prometheus text. */
void spam_dns_metrics(struct spam_dns *d, struct cv_buf *out);

#endif
