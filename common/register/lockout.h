/* lockout.h - five failures of an account from one network lock that pair for 15 minutes (SEC-05),
 * and each failure's answer comes later than the one before. Private to the folder.
 *
 * A network is a /24 or a /64. Tries that are still being checked count as failures until they end,
 * so guessing on many connections at once gains nothing. A fixed table, so nobody can make it grow:
 * 8-way sets; a new pair takes the place of one that has run out, else of the one that failed least
 * and longest ago. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_LOCKOUT_H
#define CV_REGISTER_LOCKOUT_H

#include <sys/socket.h>

#include "common/base/str.h"

#define LOCKOUT_TRIES 5
#define LOCKOUT_SECS 900
#define LOCKOUT_DELAY_FIRST_MS 250u
#define LOCKOUT_DELAY_MAX_MS 2000u

struct lockout;
struct lockout *lockout_new(void);
void lockout_free(struct lockout *l);

/* An account, a network, and both together. */
struct lockout_id {
	uint64_t pair, name, network;
};
/* NAME is the account's address, or what was given for an unknown one. PEER may be NULL. */
struct lockout_id lockout_id(const struct lockout *l, struct cv_str name,
                             const struct sockaddr_storage *peer);
bool lockout_is_locked(struct lockout *l, const struct lockout_id *id, int64_t now_ms);

/* When the lock of the pair ends, in ms; 0 when there is none. */
int64_t lockout_until(struct lockout *l, const struct lockout_id *id, int64_t now_ms);

enum lockout_answer {
	LOCKOUT_GO,      /* counted: lockout_end() must follow */
	LOCKOUT_LOCKED,
	LOCKOUT_CROWDED  /* as many are being checked as could lock: try again */
};
enum lockout_answer lockout_begin(struct lockout *l, const struct lockout_id *id, int64_t now_ms);
void lockout_end(struct lockout *l, const struct lockout_id *id);

void lockout_fail(struct lockout *l, const struct lockout_id *id, int64_t now_ms);
/* A failure that says nothing about an account: a token, say. */
void lockout_fail_network(struct lockout *l, const struct lockout_id *id, int64_t now_ms);
void lockout_clear(struct lockout *l, const struct lockout_id *id);
/* How long the answer to a failure waits: doubles with each of the pair's failures, and grows with
 * those of the whole network, in which many people may sit. */
unsigned lockout_delay_ms(struct lockout *l, const struct lockout_id *id, int64_t now_ms);
/* Forgets the failures of an account from everywhere; how many pairs there were. */
unsigned lockout_unlock(struct lockout *l, struct cv_str name);

#endif
