/* sending_internal.h - the ledger's inside, for sending.c (accounts, limits) and sending_keeper.c
 * (opening, syncing, telling). */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_SENDING_INTERNAL_H
#define SMTPD_SENDING_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/map.h"
#include "smtpd/sending.h"

#define SMTPD_SENDING_SHARDS      32u
#define SMTPD_SENDING_NUMBER_MASK (((uint64_t)1 << CV_ACCT_CLASS_SHIFT) - 1)

struct sending_account {
	cv_acct_no acct;
	struct smtpd_sending_counts counts;
	struct smtpd_freeze freeze;
	struct smtpd_limits own;
	int64_t day_from_secs, day_until_secs; /* counts.day in Unix time; 0: not known yet */
	/* of transactions under way */
	uint32_t open_messages, open_rcpts, open_outside, open_first_time;
	bool is_dirty;                         /* its counts are to be written; in the list */
	struct sending_account *next_dirty;
};
struct sending_shard {
	pthread_mutex_t lock;
	struct cv_map accounts; /* number -> struct sending_account */
};
struct sending_job {
	cv_acct_no acct;
	struct sending_job *next;
};
struct smtpd_sending {
	struct smtpd_sending_options o;
	char *key_file;
	uint8_t key[SMTPD_SENDING_KEY_BYTES];
	struct sending_shard shards[SMTPD_SENDING_SHARDS];
	atomic_uint frozen;     /* accounts */
	struct smtpd_server *server;
	pthread_t keeper;
	bool has_keeper;
	pthread_mutex_t lock;   /* all below */
	pthread_cond_t wake;
	bool stopping;
	struct sending_job *jobs;      /* frozen, not told yet */
	struct sending_account *dirty; /* counts that only memory has */
	cv_ticket ticket;              /* the newest commit; 0: all is durable */
};

/* ACCT as it is now, under its shard's lock, read from its rows when it is new here. */
struct sending_account *sending_lock(struct smtpd_sending *s, cv_acct_no acct);
void sending_unlock(struct smtpd_sending *s, const struct sending_account *a);
/* Under the account's lock; what fails is logged: mail goes on with the counts in memory. */
void sending_write_counts(struct smtpd_sending *s, const struct sending_account *a);
void sending_write_freeze(struct smtpd_sending *s, const struct sending_account *a);
/* The keeper's work, from any thread, also under an account's lock. */
void sending_add_job(struct smtpd_sending *s, cv_acct_no acct);
void sending_add_dirty(struct smtpd_sending *s, struct sending_account *a);
void sending_note_ticket(struct smtpd_sending *s, cv_ticket ticket);

#endif
