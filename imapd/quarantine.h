/* quarantine.h - what the store holds back (common/store/quarantine.h), as owners and operators see
 * it: listed, shown, released into INBOX, deleted.
 *
 * An item is named by its account and its UID there. Who releases or deletes goes into the audit
 * trail before it happens. A release is a delivery whose id is made of the item, followed by the
 * removal: repeated, or cut short by a crash between the two, it still gives one message.
 *
 * The released message is as it came, with one field on top:
 *   X-Congvu-Released: by an@lamgiang.example; Mon, 23 Nov 2026 08:00:00 +0700
 * Threads: any that may wait for the disk.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_QUARANTINE_H
#define IMAPD_QUARANTINE_H

#include "common/store/quarantine.h"
#include "imapd/server.h"

#define IMAPD_HELD_HEAD_MAX (32u << 10) /* of a message, looked at for its fields */

struct imapd_held {
	uint32_t uid, uidvalidity;
	int64_t arrived_secs, expires_secs;
	uint64_t size_bytes;
	bool is_told;          /* its owner had a digest with it */
	struct cv_str sender;  /* of the envelope; "" is the null sender */
	struct cv_str reason;  /* what the filter said, UTF-8 */
	struct cv_str score, rules; /* out of it, or "" */
	/* Content: for the owner's eyes. UTF-8, one line, no control characters. */
	struct cv_str from, subject;
	struct cv_blob_ref body;
};

/* A person who acts on an account's quarantine. */
struct imapd_actor {
	const char *name;    /* "unix:root", or an address */
	const char *address; /* IP, or NULL */
	unsigned port;
};

/* Which items: from the oldest on, at most MAX. */
struct imapd_held_choice {
	uint32_t uid; /* only this one; 0: all */
	bool untold;  /* only those of which the owner was not told */
	size_t max;
};
/* The chosen items of ACCT, in ARENA. None: CV_OK and 0. */
CV_MUST_CHECK enum cv_status imapd_held_list(struct imapd *d, cv_acct_id acct,
	const struct imapd_held_choice *choice, struct cv_arena *arena, struct imapd_held **out,
	size_t *count_out, struct cv_err *err);
/* Appends the whole message of ITEM to OUT, cut at its maximum. */
CV_MUST_CHECK enum cv_status imapd_held_read(struct imapd *d, cv_acct_id acct,
	const struct imapd_held *item, struct cv_buf *out, struct cv_err *err);
/* CV_NOT_FOUND: it is there no more. CV_OVERQUOTA: INBOX has no room, the item stays. Durable when
 * it returns. UIDVALIDITY 0: not compared. */
CV_MUST_CHECK enum cv_status imapd_held_release(struct imapd *d, cv_acct_id acct, uint32_t uid,
	uint32_t uidvalidity, const struct imapd_actor *actor, struct cv_err *err);
CV_MUST_CHECK enum cv_status imapd_held_delete(struct imapd *d, cv_acct_id acct, uint32_t uid,
	uint32_t uidvalidity, const struct imapd_actor *actor, struct cv_err *err);
/* Writes one event, durably. DETAIL may be NULL. */
CV_MUST_CHECK enum cv_status imapd_held_audit(struct imapd *d, const struct imapd_actor *actor,
	const char *action, const char *object, json_t *detail, struct cv_err *err);
/* Marks ITEMS as told to their owner. */
CV_MUST_CHECK enum cv_status imapd_held_told(struct imapd *d, cv_acct_id acct,
	const struct imapd_held *items, size_t count, struct cv_err *err);

/* The limits of CONFIG come into force. */
void imapd_held_configure(struct imapd *d, const struct imapd_config *config);

/* ---- for tests ---- */
/* The facts in HEAD, the first octets of a held message. */
void imapd_held_parse(struct cv_str head, struct cv_arena *arena, struct imapd_held *out);

#endif
