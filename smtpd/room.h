/* room.h - remembers for a few seconds which accounts had room, so that RCPT need not ask the store
 * each time. Thread-safe; bounded; an account that has filled up since is still caught on
 * delivery. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_ROOM_H
#define SMTPD_ROOM_H

#include "common/store/deliver.h"

struct smtpd_room_cache;
struct smtpd_room_cache *smtpd_room_new(void);
void smtpd_room_free(struct smtpd_room_cache *c);
bool smtpd_room_known(struct smtpd_room_cache *c, cv_acct_id acct, uint64_t size_bytes);
void smtpd_room_note(struct smtpd_room_cache *c, cv_acct_id acct, uint64_t size_bytes);
void smtpd_room_forget(struct smtpd_room_cache *c, cv_acct_id acct);

#endif
