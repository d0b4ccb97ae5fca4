/* sending.h - the ledger of sending: who sent how much, who may send no more (POL-05, SPM-08).
 *
 * For each account that logs in it counts messages, recipients and first-time outside recipients
 * of the day (the province's), and outside and refused recipients inside a sliding window. A day's
 * limit defers until the day ends; a burst freezes the account until somebody releases it. Counts,
 * freezes and the keyed hashes of known correspondents are rows in the queue's environment
 * (sending_rows.h), so a restart or a kill loses at most the last fifth of a second.
 *
 *   MAIL --begin--> transaction --recipient, recipient, ...--> commit
 *                              \--end of transaction without a commit: nothing was counted
 *
 *  N1  What a transaction under way has reserved counts against every limit, so sessions side by
 *      side get no more than one would.
 *  N2  A freeze is seen by every session at its next MAIL, RCPT or end of data.
 *  N3  A freeze is durable before its notices are queued, and they are queued once.
 *  N4  No address of a correspondent is written anywhere.
 *
 * Threads: all calls from any thread; a transaction belongs to one thread at a time. Locks are held
 * for rows in memory and for commits that do not wait for the disk. A keeper thread syncs, holds
 * queued mail and sends notices.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_SENDING_H
#define SMTPD_SENDING_H

#include <jansson.h>

#include "common/policy/policy.h"
#include "smtpd/sending_rows.h"

struct smtpd_server;
struct smtpd_sending;

struct smtpd_sending_options {
	struct cv_engine *engine;        /* the queue's */
	_Atomic(const struct smtpd_options *) *opt; /* the newest are read at each use */
	const char *key_file;            /* made when absent */
};
CV_MUST_CHECK enum cv_status smtpd_sending_open(const struct smtpd_sending_options *o,
                                                struct smtpd_sending **out, struct cv_err *err);
/* Starts the keeper, which acts through SERVER's queue, register and outbound. */
CV_MUST_CHECK enum cv_status smtpd_sending_start(struct smtpd_sending *s,
                                                 struct smtpd_server *server, struct cv_err *err);
/* Ends the keeper; counting goes on. */
void smtpd_sending_stop(struct smtpd_sending *s);
void smtpd_sending_close(struct smtpd_sending *s); /* NULL is fine */

/* ---- a transaction ---- */
struct smtpd_sending_tx {                /* zeroed: none */
	struct smtpd_sending *sending;   /* NULL: nothing is reserved */
	cv_acct_no acct;
	enum cv_reg_kind kind;
	uint32_t rcpts, outside, first_time;
	uint64_t *hashes;                /* of the outside recipients, each once */
	size_t count, room;
	bool last_hashed, last_fresh, last_outside; /* what the last recipient added */
};
/* May ACCT send one message more now? When allowed TX has it reserved. */
enum cv_sending_rule smtpd_sending_begin(struct smtpd_sending *s, cv_acct_no acct,
                                         enum cv_reg_kind kind, struct smtpd_sending_tx *tx);
/* One recipient more. OUTSIDE: its address when it is outside the province, else empty. May freeze
 * the account, and then says so. */
enum cv_sending_rule smtpd_sending_rcpt(struct smtpd_sending_tx *tx, struct cv_str outside);
/* Takes the last recipient back: it was refused elsewhere after all. */
void smtpd_sending_rcpt_undo(struct smtpd_sending_tx *tx);
/* A recipient was refused for what it is (unknown, gone, not allowed). May freeze. */
void smtpd_sending_rcpt_refused(struct smtpd_sending *s, cv_acct_no acct, enum cv_reg_kind kind);
/* The message is about to be taken: counts it, unless the account was frozen meanwhile. */
enum cv_sending_rule smtpd_sending_commit(struct smtpd_sending_tx *tx);
/* Gives back what was reserved and not committed, and TX's memory. */
void smtpd_sending_end(struct smtpd_sending_tx *tx);
/* "00:00 23/11/2026": when today's limits end. */
void smtpd_sending_until(char out[32]);

/* ---- freezing ---- */
bool smtpd_sending_is_frozen(struct smtpd_sending *s, cv_acct_no acct);
/* Whether any account is: lets those who would have to look an account up pass quickly. */
bool smtpd_sending_any_frozen(struct smtpd_sending *s);
/* BY "admin" or what found it; REASON is for people. False: it was frozen already. */
bool smtpd_sending_freeze(struct smtpd_sending *s, cv_acct_no acct, const char *by,
                          const char *reason);
/* False: it was not frozen. Empties the window. */
bool smtpd_sending_release(struct smtpd_sending *s, cv_acct_no acct);
CV_MUST_CHECK enum cv_status smtpd_sending_set_limits(struct smtpd_sending *s, cv_acct_no acct,
                                                      const struct smtpd_limits *own,
                                                      struct cv_err *err);
/* Blocks until all that was counted and changed is on disk. */
void smtpd_sending_sync(struct smtpd_sending *s);

/* What is known of one account now. */
struct smtpd_sending_view {
	struct smtpd_sending_counts counts;
	uint64_t burst, burst_refused; /* in the window */
	struct smtpd_freeze freeze;
	struct smtpd_limits own;
};
void smtpd_sending_look(struct smtpd_sending *s, cv_acct_no acct,
                        struct smtpd_sending_view *out);
/* Every account that ever sent, in order of its number. */
CV_MUST_CHECK enum cv_status smtpd_sending_each(struct smtpd_sending *s,
                                                bool (*fn)(void *arg, cv_acct_no acct), void *arg,
                                                struct cv_err *err);

/* sending_ctl.c: "sending.list", "sending.show", "sending.freeze", "sending.release",
 * "sending.limit" on the control socket; docs/control.md has their fields. */
CV_MUST_CHECK enum cv_status smtpd_sending_do(struct smtpd_server *server, json_t *request,
                                              json_t **reply_out, struct cv_err *err);

/* sending_notice.c: tells the owner, the owner's agency and postmaster that ACCT is frozen. */
CV_MUST_CHECK enum cv_status smtpd_sending_notify(struct smtpd_server *server, cv_acct_no acct,
                                                  const struct smtpd_freeze *freeze,
                                                  struct cv_err *err);

#endif
