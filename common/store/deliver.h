/* deliver.h - one message to many accounts, stored once, answered when durable.
 *
 * smtpd uses the client: it speaks over a Unix socket to the process that owns the store (compact
 * frames, body streamed, pipelined, one round trip a message). The owner serves that socket, and
 * may deliver in its own process through the same calls. While the owner is away every delivery
 * ends with CV_TEMPFAIL (or CV_UNKNOWN when the message had been sent already), and the client goes
 * on reconnecting. Repeating a delivery with the same id and account is harmless (S7).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_DELIVER_H
#define CV_DELIVER_H

#include "common/base/list.h"
#include "common/base/spool.h"
#include "common/store/store.h"

#define CV_DELIVERY_ID_MAX 64
#define CV_DELIVER_RCPTS_MAX 1000 /* in one call; callers split larger ones */

struct cv_deliver_rcpt {
	cv_acct_id acct;
	struct cv_str folder;        /* "" is INBOX; made when missing; "\\Junk" etc. finds by
				      * use, INBOX when there is none (\\Junk is made);
				      * "\\Quarantine": quarantine.h, for which there is room
				      * whatever the quota */
	uint32_t flags;              /* CV_FLAG_* at arrival */
	enum cv_status result;       /* OK, OVERQUOTA, FULL, TEMPFAIL, UNKNOWN, NOT_FOUND (no
				      * account) */
	bool duplicate;              /* OK because this id was delivered before */
};
struct cv_delivery {
	struct cv_str id;            /* unique for the message, at most CV_DELIVERY_ID_MAX bytes */
	struct cv_str prefix;        /* trace fields put before the message; complete lines with
				      * CRLF */
	struct cv_spool *message;
	struct cv_deliver_rcpt *rcpts;
	size_t rcpt_count;
	/* Called once, on any thread, when every result is known and durable. The delivery and what
	 * it points to must live until then. */
	void (*done)(struct cv_delivery *d);
	void *arg;
	struct cv_link link;         /* the deliverer's */
	uint64_t tag;
};

struct cv_deliverer;
CV_MUST_CHECK enum cv_status cv_deliverer_local(struct cv_store *s, struct cv_deliverer **out,
                                                struct cv_err *err);
/* Connects in the background. PATH is the owner's socket. */
CV_MUST_CHECK enum cv_status cv_deliverer_client(const char *path, struct cv_deliverer **out,
                                                 struct cv_err *err);
/* Ends every delivery under way (CV_UNKNOWN) first. */
void cv_deliverer_free(struct cv_deliverer *d);
bool cv_deliverer_is_up(struct cv_deliverer *d);
void cv_deliver(struct cv_deliverer *d, struct cv_delivery *delivery);

/* Would SIZE_BYTES fit? Answers through DONE like a delivery: OK, OVERQUOTA, NOT_FOUND,
 * TEMPFAIL. */
struct cv_probe {
	cv_acct_id acct;
	uint64_t size_bytes;
	enum cv_status result;
	void (*done)(struct cv_probe *p);
	void *arg;
	struct cv_link link;
	uint64_t tag;
};
void cv_deliver_probe(struct cv_deliverer *d, struct cv_probe *probe);

/* ---- what the owner may want to count ---- */

#define CV_SENT_HASH     16
#define CV_SENT_REFS_MAX 32u
/* Of a message id, "<...>" or without brackets: what is kept of it. */
void cv_sent_hash(struct cv_str message_id, uint8_t out[CV_SENT_HASH]);
/* An account of ours sent a message that refers to others. */
struct cv_sent_note {
	cv_acct_id acct;
	size_t ref_count;
	uint8_t refs[CV_SENT_REFS_MAX][CV_SENT_HASH];
};
/* Tells the owner, now or when it is back; no answer. What a few thousand notes do not hold, or an
 * end of this process forgets, is not counted. */
void cv_deliver_sent(struct cv_deliverer *d, const struct cv_sent_note *note);

struct cv_delivered { /* to one account, and not a second time */
	cv_acct_id acct;
	uint32_t mailbox, uid;
	bool is_junk;          /* in Junk or the quarantine */
	int64_t secs;
	const uint8_t *email_id; /* 16 */
	struct cv_str summary; /* as stored: summary.h */
};
struct cv_store_watch {
	void (*delivered)(void *arg, const struct cv_delivered *d);
	void (*sent)(void *arg, const struct cv_sent_note *note);
	void *arg;
};
/* Called on delivering threads from now on, with no lock of the store held. Set it before the
 * first delivery; W must live as long as S. */
void cv_store_set_watch(struct cv_store *s, const struct cv_store_watch *w);

/* The owner's side: serves the listening Unix socket FD until freed. */
struct cv_deliver_server;
CV_MUST_CHECK enum cv_status cv_deliver_serve(int fd, struct cv_store *s,
                                              struct cv_deliver_server **out, struct cv_err *err);
void cv_deliver_server_free(struct cv_deliver_server *s);

#endif
