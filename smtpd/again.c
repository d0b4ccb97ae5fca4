/* again.c - see again.h: a ring under a lock; an atomic count spares everyone the lock while it is
 * empty. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/again.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "smtpd/session.h"

struct entry {
	struct smtpd_again_key key, queued;
	char id[20];
	int64_t until_secs; /* 0: free */
};
struct smtpd_again {
	pthread_mutex_t lock;
	atomic_uint count;  /* not 0: something was noted */
	size_t next;
	struct entry entries[SMTPD_AGAIN_MAX];
};

struct smtpd_again *
smtpd_again_new(void)
{
	struct smtpd_again *a = cv_calloc(1, sizeof *a);

	pthread_mutex_init(&a->lock, NULL);
	return a;
}

void
smtpd_again_free(struct smtpd_again *a)
{
	if (!a)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a);
}

void
smtpd_again_key(struct cv_str sender, struct cv_str header, uint64_t size_bytes,
	struct smtpd_again_key *out)
{
	struct cv_buf whole = CV_BUF_INIT(8u << 20);

	cv_buf_be64(&whole, size_bytes);
	cv_buf_bytes(&whole, sender);
	cv_buf_bytes(&whole, header);
	SHA256((const unsigned char *)whole.p, whole.n, out->digest);
	cv_buf_done(&whole);
}

static bool
same(const struct smtpd_again_key *a, const struct smtpd_again_key *b)
{
	return !memcmp(a->digest, b->digest, sizeof a->digest);
}

static struct entry *
find(struct smtpd_again *a, const struct smtpd_again_key *key, int64_t now_secs)
{
	for (size_t i = 0; i < SMTPD_AGAIN_MAX; i++)
		if (a->entries[i].until_secs > now_secs && same(&a->entries[i].key, key))
			return &a->entries[i];
	return NULL;
}

void
smtpd_again_note(struct smtpd_again *a, const struct smtpd_again_key *key,
	const struct smtpd_again_key *queued, const char *id, int64_t now_secs)
{
	pthread_mutex_lock(&a->lock);
	struct entry *e = find(a, key, now_secs);
	if (!e) {
		e = &a->entries[a->next];
		a->next = (a->next + 1) % SMTPD_AGAIN_MAX;
	}
	*e = (struct entry){.key = *key, .queued = *queued,
		.until_secs = now_secs + SMTPD_AGAIN_SECS};
	snprintf(e->id, sizeof e->id, "%s", id);
	pthread_mutex_unlock(&a->lock);
	atomic_store(&a->count, 1);
}

bool
smtpd_again_find(struct smtpd_again *a, const struct smtpd_again_key *key,
	struct smtpd_again_key *queued_out, char id_out[20], int64_t now_secs)
{
	if (!atomic_load(&a->count))
		return false;
	pthread_mutex_lock(&a->lock);
	const struct entry *e = find(a, key, now_secs);
	if (e) {
		*queued_out = e->queued;
		memcpy(id_out, e->id, sizeof e->id);
	}
	pthread_mutex_unlock(&a->lock);
	return e != NULL;
}

/* ---- for the intake ---- */

/* Of the recipients in their order: where mail for outside goes depends on nothing else. */
static void
rcpts_key(const struct smtpd_tx *tx, struct smtpd_again_key *out)
{
	struct cv_buf all = CV_BUF_INIT(64u << 20);

	*out = (struct smtpd_again_key){{0}};
	for (size_t i = 0; i < tx->rcpt_count; i++)
		cv_buf_bytes(&all, tx->rcpts[i].address);
	if (all.n && !all.full)
		SHA256((const unsigned char *)all.p, all.n, out->digest);
	cv_buf_done(&all);
}

void
smtpd_again_look(struct smtpd_again *a, struct smtpd_tx *tx, struct cv_str header)
{
	struct smtpd_again_key queued, mine, none = {{0}};
	char id[20];

	/* What has one place to go is taken whole or not at all. */
	if (tx->boxes.n + tx->remote_count + tx->out_count < 2)
		return;
	smtpd_again_key(tx->sender, header, tx->message.size_bytes, &tx->again);
	if (!smtpd_again_find(a, &tx->again, &queued, id, cv_mono_ms() / 1000))
		return;
	rcpts_key(tx, &mine);
	tx->is_queued = !same(&queued, &none) && same(&queued, &mine);
	cv_log(cv_conn_id(tx->conn), CV_INFO, "msg.again", "id=%s was=%s queued=%s", tx->id, id,
		tx->is_queued ? "yes" : "no");
	memcpy(tx->id, id, sizeof tx->id);
}

void
smtpd_again_refused(struct smtpd_again *a, const struct smtpd_tx *tx)
{
	struct smtpd_again_key queued;

	if (tx->boxes.n + tx->remote_count + tx->out_count < 2)
		return;
	queued = (struct smtpd_again_key){{0}};
	if (tx->is_queued)
		rcpts_key(tx, &queued);
	smtpd_again_note(a, &tx->again, &queued, tx->id, cv_mono_ms() / 1000);
}
