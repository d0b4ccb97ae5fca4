/* lockout.h - five failures of an account from one network lock that pair for 15 minutes (SEC-05).
 * Private to the folder.
 *
 * A fixed table, so nobody can make it grow: 8-way sets; a new pair takes the place of one that has
 * run out, else of the one that failed least and longest ago. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_LOCKOUT_H
#define CV_REGISTER_LOCKOUT_H

#include <sys/socket.h>

#include "common/base/str.h"

#define LOCKOUT_TRIES 5
#define LOCKOUT_SECS 900

struct lockout;
struct lockout *lockout_new(void);
void lockout_free(struct lockout *l);
/* NAME is the account's address, or what was given for an unknown one. PEER may be NULL. */
uint64_t lockout_key(const struct lockout *l, struct cv_str name,
                     const struct sockaddr_storage *peer);
bool lockout_is_locked(struct lockout *l, uint64_t key, int64_t now_ms);
void lockout_fail(struct lockout *l, uint64_t key, int64_t now_ms);
void lockout_clear(struct lockout *l, uint64_t key);

#endif
