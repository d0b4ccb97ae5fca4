/* again.h - messages that were refused for now after a part of them had been taken.
 *
 * When the queue cannot take the rest of a message of which some boxes or the mail for outside
 * have been taken, the client hears 4xx and sends the whole again. The same message is then known
 * by its sender, its size and its header, and gets the delivery id of the first try: the store
 * leaves boxes alone that have it under this id, and what is queued for outside is not queued
 * again.
 *
 * Kept in memory, for a day, at most SMTPD_AGAIN_MAX: it is rare that the queue fails while the
 * store does not. After a restart, or for the 257th such message, boxes may get a second copy, as
 * SMTP allows. Thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_AGAIN_H
#define SMTPD_AGAIN_H

#include "common/base/str.h"

#define SMTPD_AGAIN_MAX  256u
#define SMTPD_AGAIN_SECS (24 * 3600)

struct smtpd_tx;
struct smtpd_again;
struct smtpd_again_key {
	unsigned char digest[32];
};

struct smtpd_again *smtpd_again_new(void);
void smtpd_again_free(struct smtpd_again *a);
/* Of a message whose HEADER block, as it came, and SIZE these are. */
void smtpd_again_key(struct cv_str sender, struct cv_str header, uint64_t size_bytes,
                     struct smtpd_again_key *out);
/* QUEUED: of the recipients whose mail for outside is queued already; zeroed when none is. NOW is
 * monotonic, in seconds. */
void smtpd_again_note(struct smtpd_again *a, const struct smtpd_again_key *key,
                      const struct smtpd_again_key *queued, const char *id, int64_t now_secs);
/* False: it was not here before. */
bool smtpd_again_find(struct smtpd_again *a, const struct smtpd_again_key *key,
                      struct smtpd_again_key *queued_out, char id_out[20], int64_t now_secs);

/* For the intake: TX takes the id of its first try, if there was one. */
void smtpd_again_look(struct smtpd_again *a, struct smtpd_tx *tx, struct cv_str header);
/* TX is refused for now, and parts of it are taken: boxes, or with is_queued the mail for
 * outside. */
void smtpd_again_refused(struct smtpd_again *a, const struct smtpd_tx *tx);

#endif
