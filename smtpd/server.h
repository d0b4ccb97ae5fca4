/* server.h - what the whole daemon shares: configuration, register, store, queue, filters.
 *
 * Made once by main() before the first connection and torn down after the last. What a reload may
 * replace is an atomic pointer: `server->opt->max_rcpts` is always whole and always the newest, in
 * any thread, without a lock. What was replaced is kept until the daemon ends, so that a pointer
 * taken from it stays good; nobody keeps one longer than the step he is in, so as to see the new.
 * Everything else is constant. The things pointed at look after their own threads.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_SERVER_H
#define SMTPD_SERVER_H

#include <stdatomic.h>

#include "common/net/addr.h"
#include "common/net/net.h"
#include "common/net/resolver.h"
#include "common/net/tls.h"
#include "common/options/sections.h"
#include "common/policy/policy.h"
#include "common/register/auth.h"
#include "common/store/deliver.h"
#include "common/store/queue.h"

struct smtpd_defence;
struct smtpd_milters;
struct smtpd_outbound;
struct smtpd_again;
struct smtpd_answers;
struct smtpd_room_cache;
struct smtpd_sending;
struct smtpd_split;
struct smtpd_srs;
struct cv_trace;

enum smtpd_kind { SMTPD_MX, SMTPD_SUBMISSION, SMTPD_LMTP };
#define SMTPD_KINDS 3

/* The names of the listeners, in the order of their rows. */
#define SMTPD_LABELS 4u
extern const char *const smtpd_labels[SMTPD_LABELS];

/* Counted since start; shown by `congvu status`. */
struct smtpd_counters {
	atomic_ullong by_label[SMTPD_LABELS]; /* sessions */
	atomic_ullong sessions, accepted, refused, delivered, queued, auth_failed;
	atomic_ullong trapped;                /* mail to traps of the public directory */
};

struct smtpd_server {
	_Atomic(const struct congvu_options *) main;
	_Atomic(const struct smtpd_options *) opt;
	struct cv_net *net;
	struct cv_tls_server *tls;          /* NULL: STARTTLS is not offered */
	struct cv_tls_server *tls_staff;    /* the same for submission: see access.h */
	struct cv_register *reg;
	struct cv_auth *auth;
	_Atomic(struct cv_policy *) policy;
	struct cv_deliverer *deliverer;     /* the store, by its owner's socket */
	struct cv_queue *queue;
	struct cv_resolver *resolver;
	_Atomic(struct smtpd_milters *) milters[SMTPD_KINDS]; /* by kind of listener; NULL: none */
	struct smtpd_outbound *outbound;
	struct smtpd_again *again;          /* what was taken in part and refused */
	struct smtpd_room_cache *room;      /* who was seen to have room lately */
	struct smtpd_answers *answers;          /* what boxes answer by themselves */
	struct smtpd_sending *sending;      /* the ledger of what accounts send */
	struct smtpd_alias_use *aliases;    /* how often old addresses are used */
	_Atomic(struct cv_netset *) inside, proxies, priority_from;
	_Atomic(struct smtpd_defence *) defence;
	struct cv_rates *rates, *good_peers; /* what peers and accounts did lately */
	struct cv_share outside;            /* connections to MX and LMTP */
	struct smtpd_split *split;          /* what old servers know */
	struct smtpd_srs *srs;              /* senders of what is forwarded */
	const char *spool_dir;
	struct cv_trace *trace;             /* the course of messages; NULL: not kept */
	atomic_bool draining;               /* no new message: 421 to who is idle */
	struct smtpd_counters counters;
};

/* What a listener knows: the ctx of its connections. */
struct smtpd_listener {
	struct smtpd_server *server;
	enum smtpd_kind kind;
	bool implicit_tls;
	size_t index;                /* of its label */
};

#endif
