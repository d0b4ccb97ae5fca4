/* memory.h - all that the filter remembers of former mail, in one hand.
 *
 * Five tables of counters, read from the statistics at the start and written behind by their
 * thread. What looks (spam_examine_*) changes nothing; what notes (spam_after_*) runs once a
 * verdict takes effect. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_MEMORY_H
#define SPAM_MEMORY_H

#include <jansson.h>

#include "spamfilter/reputation/dnslists.h"
#include "spamfilter/reputation/tally.h"
#include "spamfilter/stats.h"

struct spam_mail;
struct spam_server;

struct spam_memory {
	struct spam_tally *trust, *letters, *greylist, *copies, *bursts;
};

/* Reads what STATS kept; before spam_stats_start(). */
CV_MUST_CHECK enum cv_status spam_memory_open(
	struct spam_stats *stats, struct spam_memory **out, struct cv_err *err);
/* NULL is fine; the statistics must have been stopped. */
void spam_memory_close(struct spam_memory *m);
/* Bytes all tables take, which never grows. */
size_t spam_memory_bytes(const struct spam_memory *m);

/* TEACHER (an account) called this stored message spam or not: its text, its links and its sender
 * are remembered so, the sender as proved where our own results in its header say dmarc=pass. His
 * word counts once for each. */
void spam_memory_learn(
	struct spam_server *s, struct cv_str message, uint64_t teacher, bool is_spam);

/* Control request {"do": "burst.release", "login": ...}: answers {"was_frozen": bool}. */
CV_MUST_CHECK enum cv_status spam_burst_answer(
	struct spam_memory *m, const json_t *request, json_t **reply_out, struct cv_err *err);

/* The mail came back after its pause, or need not wait: the judge asks before it greylists. */
bool spam_greylist_is_over(struct spam_mail *m);

#endif
