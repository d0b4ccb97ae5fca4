/* room.c - a fixed table of (account, size that fitted, until when); newer entries push out
 * older. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/room.h"

#include <pthread.h>

#include "common/base/clock.h"

#define SLOTS   8192u
#define LIFE_MS 3000

struct slot {
	cv_acct_id acct;
	uint64_t size_bytes;
	int64_t until_ms;
};
struct smtpd_room_cache {
	pthread_mutex_t lock;
	struct slot slots[SLOTS];
};

struct smtpd_room_cache *
smtpd_room_new(void)
{
	struct smtpd_room_cache *c = cv_calloc(1, sizeof *c);
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void
smtpd_room_free(struct smtpd_room_cache *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct slot *
slot_of(struct smtpd_room_cache *c, cv_acct_id acct)
{
	return &c->slots[cv_hash(&acct, sizeof acct, 1) % SLOTS];
}

bool
smtpd_room_known(struct smtpd_room_cache *c, cv_acct_id acct, uint64_t size_bytes)
{
	pthread_mutex_lock(&c->lock);
	struct slot *slot = slot_of(c, acct);
	bool known = slot->acct == acct && slot->size_bytes >= size_bytes &&
		     slot->until_ms > cv_mono_ms();
	pthread_mutex_unlock(&c->lock);
	return known;
}

void
smtpd_room_note(struct smtpd_room_cache *c, cv_acct_id acct, uint64_t size_bytes)
{
	pthread_mutex_lock(&c->lock);
	*slot_of(c, acct) = (struct slot){acct, size_bytes, cv_mono_ms() + LIFE_MS};
	pthread_mutex_unlock(&c->lock);
}

void
smtpd_room_forget(struct smtpd_room_cache *c, cv_acct_id acct)
{
	pthread_mutex_lock(&c->lock);
	struct slot *slot = slot_of(c, acct);
	if (slot->acct == acct)
		slot->until_ms = 0;
	pthread_mutex_unlock(&c->lock);
}
