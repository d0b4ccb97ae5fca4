/* flusher.h - one thread that makes commits durable for everyone and then releases the answers.
 *
 * A commit takes a ticket after its log record is in memory; nobody waits. The flusher takes all
 * who wait, syncs once, and calls them in ticket order: the sync of one round gathers the next
 * round's waiters, so the load itself sets the size of a group.
 * Tickets nobody waits for are synced within FLUSH_IDLE_MS.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_FLUSHER_H
#define CV_FLUSHER_H

#include "common/store/engine.h"

struct cv_flusher;

/* SYNC runs on the flusher thread; when it returns everything written before it was called is on
 * disk. It does not fail: it ends the process instead. */
CV_MUST_CHECK enum cv_status cv_flusher_start(void (*sync)(void *arg), void *arg,
                                              struct cv_flusher **out, struct cv_err *err);
/* Syncs once more, calls every waiter, and joins the thread. */
void cv_flusher_stop(struct cv_flusher *f);
/* A new ticket for what this thread has just committed. */
cv_ticket cv_flusher_ticket(struct cv_flusher *f);
void cv_flusher_wait(struct cv_flusher *f, cv_ticket ticket, struct cv_waiter *w);
bool cv_flusher_is_durable(struct cv_flusher *f, cv_ticket ticket);
void cv_flusher_block(struct cv_flusher *f, cv_ticket ticket);
void cv_flusher_counts(struct cv_flusher *f, uint64_t *flushes_out, uint64_t *waiters_out);

#endif
