/* milter_internal.h - what milter.c (the chain and its steps) and milter_link.c (connections and
 * answers) share; nobody else includes it.
 *
 * A chain has a link for each filter of its set; a link speaks over a peer, which is a connection.
 * A peer belongs to a link while a session uses it and to its set's idle list between sessions; it
 * changes hands under the set's lock: away from a link only on the worker that runs its
 * connection, to a link on any thread. All else of a chain is under the chain's lock, which is
 * taken first.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_MILTER_INTERNAL_H
#define SMTPD_MILTER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/net/filter.h"
#include "smtpd/milter.h"
#include "smtpd/milter_wire.h"

#define MILTER_MACROS_MAX 48
#define MILTER_OUT_HIGH   (256u << 10)
#define MILTER_BODY_MAX   (1u << 30) /* of a body that a filter writes */
#define MILTER_IDLE_MAX   16u        /* connections kept for the next session, of one filter */
#define MILTER_IDLE_SECS  30u

struct milter_link;

struct milter_peer {
	struct smtpd_milters *set;   /* counted */
	unsigned number;             /* of its filter in the set */
	struct cv_conn *conn;        /* counted */
	struct milter_link *link;    /* NULL: idle, or given up */
	struct milter_peer *next;    /* in the idle list */
	struct milter_offer offer;
};

struct smtpd_milters {
	atomic_uint refs;            /* the server's, one for each chain and each peer */
	struct cv_net *net;
	struct cv_filter filters[CV_FILTERS_MAX];
	unsigned count;
	char hostname[256];
	char *spool_dir;
	pthread_mutex_t lock;
	struct milter_peer *idle[CV_FILTERS_MAX];
	unsigned idle_count[CV_FILTERS_MAX];
};

enum milter_link_state {
	LINK_NONE,    /* not connected yet */
	LINK_OPENING, /* connecting or negotiating */
	LINK_READY,
	LINK_OUT,   /* said ACCEPT before MAIL: not asked again */
	LINK_FAILED /* the default action answers for it */
};

/* What is being sent of a message. */
enum milter_phase { PHASE_NONE, PHASE_HEADER, PHASE_EOH, PHASE_BODY, PHASE_EOM };

struct milter_link {
	struct smtpd_milter *chain;
	const struct cv_filter *filter;
	struct milter_peer *peer;
	enum milter_link_state state;
	bool message_accepted; /* ACCEPT for this message: skipped until the next */
	bool out_at_helo; /* LINK_OUT until the next HELO, which may be another client's word */
	bool open;        /* it has a message begun and not ended */
	bool sent;        /* the present step went out; its answer is awaited */
	bool due;         /* an answer is to come, even if nobody waits for it any more */
	bool abort;       /* the transaction ended early: tell the filter */
	bool quit;        /* the session ended: tell the filter and close */
	bool used_before; /* the peer served another session, and may be gone since */
	bool heard;       /* it has answered in this session */
	unsigned steps;   /* given to it in this session */
};

struct milter_macro {
	char *name, *value;
};

struct smtpd_milter {
	atomic_uint refs; /* the session's and one for each peer of a link */
	pthread_mutex_t lock;
	struct smtpd_milters *set;
	void (*wake)(void *arg); /* NULL once freed */
	void *arg;
	struct milter_link links[CV_FILTERS_MAX];
	struct milter_macro macros[MILTER_MACROS_MAX];
	/* the step under way */
	char command;         /* 'C', 'H', 'M', 'R', 'T', 'U', 'E' for the message, 0: none */
	bool rejected;        /* the recipient is one that smtpd refused */
	struct cv_buf packet; /* its packet, macros apart */
	unsigned at;          /* the link that is working on it */
	enum smtpd_milter_verdict verdict;
	bool failed; /* it is the default action's */
	struct cv_buf reply;
	/* the message step */
	struct cv_spool *message;
	struct cv_str message_view;
	struct milter_header header;
	enum milter_phase phase;
	size_t field_at, body_at;
	struct cv_str body; /* what the present link is shown of the body */
	bool body_mapped;   /* it is a map of new_body */
	struct cv_spool new_body;
	bool body_replaced;
	struct cv_buf header_out;
	char *quarantine, *field_verdict;
	struct cv_arena envelope_arena;
	struct milter_envelope_change *envelope;
	size_t envelope_count, envelope_room;
	/* what the present filter asks for counts when it has said its last word: if it fails
	 * before, nothing of it stays */
	struct milter_header_copy header_before;
	struct cv_spool body_coming;
	bool body_comes, body_ends_cr;
	char *quarantine_coming, *field_verdict_coming;
	size_t envelope_before;
	struct smtpd_milter_changes changes;
};

/* One row a step: the bits with which a filter does without it or without an answer, and the macros
 * that go with it unless the filter named its own. */
struct milter_step {
	char command;
	uint32_t no, nr;
	int stage;           /* enum milter_stage, -1: no macros */
	const char *macros;
};

/* ---- milter.c, all under the chain's lock ---- */
const struct milter_step *milter_step_of(char command);
/* The step under way is with L. */
bool milter_is_at(const struct smtpd_milter *m, const struct milter_link *l);
/* Moves the step to the first link, from `at`, that wants it, and starts it there. */
void milter_chain_advance(struct smtpd_milter *m);
/* L has just negotiated; it may do without the step that waits for it. */
void milter_link_is_ready(struct smtpd_milter *m, struct milter_link *l);
/* The link's answer to the present step. */
void milter_answered(struct smtpd_milter *m, struct milter_link *l,
                     enum smtpd_milter_verdict verdict);
/* Sends the present step on L's connection; runs on the worker that owns it. CV_STEP_MORE: call
 * again when the output has gone. */
enum cv_step milter_link_send(struct smtpd_milter *m, struct milter_link *l);
void milter_link_fail(struct milter_link *l, const char *why);
void milter_undo_changes(struct smtpd_milter *m);
void milter_chain_unref(struct smtpd_milter *m);

/* ---- milter_link.c ---- */
/* Gives L a connection: an idle one, or a new one. The chain's lock is held. */
CV_MUST_CHECK enum cv_status milter_link_open(struct milter_link *l, struct cv_err *err);
void milter_set_unref(struct smtpd_milters *set);

#endif
