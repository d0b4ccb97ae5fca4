/* queue.h - the outbound queue on the store's rows, in an environment of its own (smtpd's).
 *
 * A message is stored once as a body; each recipient is a row with its own fate. Rows (accounts of
 * CV_CLASS_QUEUE, one a shard): Q/<msg> message, R/<msg>/<n> recipient, T/<due>/<msg>/<n> what to
 * try when. Claims live in memory: the process that owns the environment is the only one that
 * sends.
 *
 *  Q1  A message row exists only with the rows of all its recipients: they go first.
 *  Q2  A recipient that is done has no row; a waiting one has exactly one T row, a held one none.
 *  Q3  A body is removed after the deletion of its message is durable, never before; opening after
 *      a crash removes the bodies and rows that no message names.
 * Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_QUEUE_H
#define CV_QUEUE_H

#include "common/base/arena.h"
#include "common/base/spool.h"
#include "common/store/engine.h"

struct cv_queue;

/* Opens the environment in DIR, recovering when needed. */
CV_MUST_CHECK enum cv_status cv_queue_open(const char *dir, struct cv_queue **out,
                                           struct cv_err *err);
void cv_queue_close(struct cv_queue *q);
struct cv_engine *cv_queue_engine(struct cv_queue *q);

enum cv_queue_body { CV_BODY_7BIT, CV_BODY_8BITMIME, CV_BODY_BINARYMIME };
enum cv_queue_state { CV_Q_WAITING, CV_Q_HELD, CV_Q_DONE };
/* DELIVERBY (RFC 2852): what is to happen when the time is over. */
enum cv_queue_by { CV_BY_NONE, CV_BY_NOTIFY, CV_BY_RETURN };
#define CV_QUEUE_PRIORITY_MAX 9 /* MT-PRIORITY (RFC 6710) is -9 to 9 */
enum { CV_NOTIFY_NEVER = 1, CV_NOTIFY_SUCCESS = 2, CV_NOTIFY_FAILURE = 4, CV_NOTIFY_DELAY = 8 };

/* Which folder of a box: see smtpd/verdict.h. */
enum cv_queue_place { CV_Q_INBOX, CV_Q_JUNK, CV_Q_QUARANTINE };

struct cv_queue_rcpt {
	uint32_t number;               /* given by cv_queue_put(), from 0 */
	struct cv_str address;         /* as to be sent in RCPT TO, without <> */
	struct cv_str orcpt;           /* ORCPT as given, or "" */
	uint32_t notify;               /* CV_NOTIFY_*, 0: default (FAILURE | DELAY) */
	cv_acct_id local_acct;         /* not 0: goes to the store's deliverer, not outside */
	enum cv_queue_state state;
	int64_t next_secs;             /* when to try next, Unix time */
	uint32_t attempts;
	struct cv_str last_reply;      /* last answer or fault, at most 500 bytes */
	bool delay_notified;
	bool by_notified;              /* the sender knows that the DELIVERBY time is over */
	enum cv_queue_place place;     /* with local_acct */
};
struct cv_queue_msg {
	uint64_t id;                   /* given by cv_queue_put(); base36 of it is the queue id */
	struct cv_str delivery_id;     /* for local_acct recipients: makes retries harmless */
	struct cv_str sender;          /* envelope, "" is the null sender */
	struct cv_str envid;
	bool ret_full, ret_hdrs;       /* RET as the sender gave it; neither: not given */
	bool smtputf8;
	bool require_tls;              /* REQUIRETLS (RFC 8689): only over verified TLS */
	bool tls_optional;             /* "TLS-Required: No": arriving matters more than TLS */
	enum cv_queue_body body_kind;
	int8_t priority;               /* -9..9, 0 is usual: who goes first among those due */
	enum cv_queue_by by_mode;
	bool by_trace;
	int64_t by_secs;               /* the DELIVERBY time; with CV_BY_NONE 0 */
	int64_t hold_secs;             /* FUTURERELEASE (RFC 4865): not before this; 0: at once */
	int64_t arrived_secs, expires_secs;
	uint64_t size_bytes;           /* prefix included */
	struct cv_blob_ref body;
	struct cv_str auth_account;    /* who submitted, or "" */
	size_t rcpt_count;
	struct cv_queue_rcpt *rcpts;
	struct cv_str origin;          /* cv_queue_put() alone: see cv_queue_has_origin(), or "" */
};

/* When MSG is given up: at the end of its life, or when DELIVERBY says to return it. */
static inline int64_t
cv_queue_expires(const struct cv_queue_msg *msg)
{
	return msg->by_mode == CV_BY_RETURN ? CV_MIN(msg->by_secs, msg->expires_secs)
					    : msg->expires_secs;
}

/* Stores PREFIX + MESSAGE and rows for every recipient; durable with *ticket_out. MSG's body, id,
 * size_bytes and rcpt numbers are filled in. CV_FULL when the disk is. */
CV_MUST_CHECK enum cv_status cv_queue_put(struct cv_queue *q, struct cv_queue_msg *msg,
                                          struct cv_str prefix, struct cv_spool *message,
                                          cv_ticket *ticket_out, struct cv_err *err);
/* Reads a message with its recipients that are not done. CV_NOT_FOUND. */
CV_MUST_CHECK enum cv_status cv_queue_get(struct cv_queue *q, uint64_t id, struct cv_arena *arena,
                                          struct cv_queue_msg *out, struct cv_err *err);
/* Calls FN for the recipients due at or before NOW_SECS, the most urgent and then the oldest first,
 * at most LIMIT (the oldest; urgency orders among them); false stops.
 * DEST is cv_queue_dest() of the recipient, so that a caller may pass over busy destinations. */
struct cv_queue_due {
	uint64_t id;
	uint32_t number, dest;
	int8_t priority;
	int64_t due_secs;
};
typedef bool cv_queue_due_fn(void *arg, const struct cv_queue_due *due);
CV_MUST_CHECK enum cv_status cv_queue_due(struct cv_queue *q, int64_t now_secs, size_t limit,
                                          cv_queue_due_fn *fn, void *arg, struct cv_err *err);
/* When the first recipient due after AFTER_SECS is due; INT64_MAX when there is none. */
int64_t cv_queue_next_due(struct cv_queue *q, int64_t after_secs);
/* A number for where a recipient goes: CV_QUEUE_DEST_LOCAL, or a hash of the domain, any case. */
#define CV_QUEUE_DEST_LOCAL 0u
uint32_t cv_queue_dest(const struct cv_queue_rcpt *rcpt);
/* Writes the new state of some recipients of one message (state, next_secs, attempts, last_reply,
 * delay_notified, by_notified); when all are done the message and its body go. */
CV_MUST_CHECK enum cv_status cv_queue_update(struct cv_queue *q, uint64_t id,
                                             const struct cv_queue_rcpt *rcpts, size_t count,
                                             cv_ticket *ticket_out, struct cv_err *err);
/* Every message, oldest first. */
typedef bool cv_queue_fn(void *arg, const struct cv_queue_msg *msg);
CV_MUST_CHECK enum cv_status cv_queue_each(struct cv_queue *q, cv_queue_fn *fn, void *arg,
                                           struct cv_err *err);
/* At most COUNT messages behind AFTER, oldest first: the queue in pieces, so that nobody holds
 * 100,000 of them. *LAST_OUT is where the next piece begins; *MORE_OUT: there is one. */
CV_MUST_CHECK enum cv_status cv_queue_walk(struct cv_queue *q, uint64_t after, size_t count,
                                           cv_queue_fn *fn, void *arg, uint64_t *last_out,
                                           bool *more_out, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_queue_read(struct cv_queue *q, const struct cv_queue_msg *msg,
                                           cv_sink_fn *sink, void *arg, struct cv_err *err);
/* [offset, offset + length) of it, cut at the end. */
CV_MUST_CHECK enum cv_status cv_queue_read_at(struct cv_queue *q, const struct cv_queue_msg *msg,
                                              uint64_t offset, uint64_t length, cv_sink_fn *sink,
                                              void *arg, struct cv_err *err);
/* "1X9K3": for logs and people, and back. */
void cv_queue_id_text(uint64_t id, char text[16]);
bool cv_queue_id_parse(struct cv_str text, uint64_t *id_out);

/* Messages that come from another queue. ORIGIN is committed with the message and kept, also when
 * that is done, until it is forgotten with all origins that begin with PREFIX. */
CV_MUST_CHECK enum cv_status cv_queue_has_origin(struct cv_queue *q, struct cv_str origin,
                                                 bool *has_out, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_queue_forget_origins(struct cv_queue *q, struct cv_str prefix,
                                                     struct cv_err *err);
/* 32 hex digits that no other queue has; made at the first call, durable then. */
CV_MUST_CHECK enum cv_status cv_queue_name(struct cv_queue *q, char out[33], struct cv_err *err);

struct cv_queue_stats {
	uint64_t messages, recipients, held, bytes;
	int64_t oldest_secs;
};
void cv_queue_stats(struct cv_queue *q, struct cv_queue_stats *out);

#endif
