/* outbound_internal.h - what the files of the sending side share.
 *
 *   queue rows --load--> claimed jobs --by destination--> connections --outcomes--> settle --> rows
 *                                    \--local accounts--> deliverer --outcomes--/
 *
 * One scheduler thread reads what is due, resolves destinations and opens connections; connections
 * take their jobs themselves and settle them on the worker that ran them. A recipient is claimed
 * from the moment it is loaded until its outcome is committed, so nothing is sent twice by one
 * process.
 *
 * Lock: smtpd_outbound.lock covers claims, destinations, lists and counts. Nothing that may take
 * long (queue, DNS, connect, deliver) is called under it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_OUTBOUND_INTERNAL_H
#define SMTPD_OUTBOUND_INTERNAL_H

#include <pthread.h>

#include "common/base/map.h"
#include "smtpd/client.h"
#include "smtpd/outbound.h"
#include "smtpd/outbound_route.h"
#include "smtpd/tlspolicy_cache.h"
#include "smtpd/transport.h"
#include "smtpd/tlsrpt.h"

#define SMTPD_OUT_CLAIMS_MAX   4000u  /* recipients loaded at once */
#define SMTPD_OUT_SHARE_MAX    1000u  /* of them for one destination */
#define SMTPD_OUT_JOB_RCPTS    100u   /* recipients of one transaction (RFC 5321 4.5.3.1.8) */
#define SMTPD_OUT_LOCAL_JOBS   32u    /* deliveries to the store at once */
#define SMTPD_OUT_FIRST_CONNS  3u     /* to a destination not proven yet */
#define SMTPD_OUT_BUSY_SLOTS   4096u
#define SMTPD_OUT_DELAY_NOTICE (4 * 3600) /* age at which the sender hears of the delay */

/* A message in memory, shared by the jobs made of it. */
struct out_load {
	atomic_uint refs;
	struct cv_arena arena;
	struct cv_queue_msg msg;
};

struct out_dest;
struct out_job {
	struct smtpd_job job;
	struct smtpd_outbound *o;
	struct out_load *load;
	struct out_dest *dest;     /* NULL: the store */
	int64_t retry_at_secs;     /* for SMTPD_LATER; 0: by the number of attempts */
	int64_t born_us;           /* when it was loaded */
	bool is_untried;           /* put off without a try: no attempt is counted */
	/* for the store */
	struct cv_delivery delivery;
	struct cv_deliver_rcpt *boxes;
	struct cv_spool spool;
};

/* Messages with other wishes for TLS have destinations, and so connections, of their own. */
struct out_dest {
	char key[320];             /* domain in A-labels, literal, or the transport's key */
	struct smtpd_transport to; /* when is_fixed */
	enum smtpd_tls_wish wish;
	enum smtpd_tls_rule rule;  /* the operator's */
	struct smtpd_sts_entry *sts; /* the domain's, with the route; NULL: none */
	bool is_fixed;             /* by a transport: a host of the operator's, no MX */
	unsigned port;
	struct cv_link jobs;
	size_t job_count;
	unsigned conns, limit, failures;
	int64_t down_until_ms, used_ms;
	struct smtpd_outcome down;   /* why, when down */
	bool resolving;
	struct smtpd_route *route;   /* NULL: not known */
	int64_t route_until_ms;
	struct smtpd_tls_plan plans[SMTPD_ROUTE_HOPS_MAX]; /* with the route */
	bool is_passing;             /* some server failed for a reason other than TLS */
	int64_t bad_until_ms[SMTPD_ROUTE_HOPS_MAX];
	bool is_plain[SMTPD_ROUTE_HOPS_MAX]; /* a TLS handshake failed there */
};

struct out_conn {
	struct smtpd_client client;
	struct smtpd_outbound *o;
	struct out_dest *dest;
	struct smtpd_route *route;
	size_t hop;
	struct cv_conn *conn;
	struct cv_link link;
	bool idle;
	char *auth;                /* this connection's copy of the smarthost's credentials */
};

struct smtpd_outbound {
	atomic_uint refs;          /* the owner, each connection, look-up and delivery */
	struct smtpd_server *server;
	struct cv_tls_client *tls;
	struct smtpd_tls_rules *rules;
	struct smtpd_sts *sts;
	struct smtpd_tlsrpt *tlsrpt; /* NULL: nothing is reported */
	struct smtpd_transports *transports;
	char *auth;                /* initial response for the smarthost, or NULL */
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t wake, quiet; /* for the scheduler; a connection or delivery ended */
	bool kicked, stopping, reload;
	struct cv_map claims;       /* id and number of each claimed recipient */
	size_t claimed;
	uint16_t busy[SMTPD_OUT_BUSY_SLOTS]; /* claims by destination number */
	struct cv_map dests;
	struct cv_link conns;
	unsigned conn_count;
	struct cv_link local_jobs;  /* waiting for a place */
	unsigned local_running;
	struct cv_link unsettled;   /* jobs whose outcome could not be written */
	size_t scan_limit;
};

void out_ref(struct smtpd_outbound *o);
void out_unref(struct smtpd_outbound *o);
/* Seconds to wait after try number ATTEMPTS, with jitter. */
int64_t out_backoff(const struct smtpd_outbound *o, uint32_t attempts);
void out_wake(struct smtpd_outbound *o);

/* outbound_load.c: from rows to jobs. */
/* Claims what is due and hands it to destinations. False: nothing more is due now. */
bool out_load_due(struct smtpd_outbound *o);
struct out_job *out_job_new(struct smtpd_outbound *o, struct out_load *load, size_t room);
void out_job_free(struct out_job *j);
/* Under the lock. */
void out_claim(struct smtpd_outbound *o, uint64_t id, const struct cv_queue_rcpt *rcpt);
bool out_is_claimed(struct smtpd_outbound *o, uint64_t id, uint32_t number);
void out_unclaim(struct smtpd_outbound *o, uint64_t id, const struct cv_queue_rcpt *rcpt);

/* outbound_account.c: MSG was submitted by an account that may not send now. */
bool out_is_stopped(struct smtpd_outbound *o, const struct cv_queue_msg *msg);

/* outbound_dest.c: destinations and their connections. */
/* Under the lock. TO: the transport that KEY is of, or NULL. */
struct out_dest *out_dest_get(struct smtpd_outbound *o, struct cv_str key,
                              enum smtpd_tls_wish wish, const struct smtpd_transport *to);
/* The name or literal that D is looked up by and TLS rules are for. */
const char *out_dest_host(const struct out_dest *d);
/* Resolves, connects, wakes, forgets: whatever the destinations need now. */
void out_dests_pump(struct smtpd_outbound *o);
void out_dests_free(struct smtpd_outbound *o);

/* outbound_local.c: recipients of the store. */
void out_local_pump(struct smtpd_outbound *o);

/* outbound_tlsrpt.c: what the books on TLS hear. Under the lock, but for the last. */
void out_tlsrpt_ready(const struct out_conn *c);
void out_tlsrpt_failed(const struct out_conn *c, enum smtpd_client_end end, const char *why);
void out_tlsrpt_plans(const struct smtpd_outbound *o, const struct out_dest *d);
void out_tlsrpt_sts_failed(void *arg, const char *domain, enum cv_status status, const char *why);

/* outbound_settle.c: writes the outcome of JOB back, tells the sender, frees JOB; a job that cannot
 * be written now is kept and tried again. Not under the lock. */
void out_settle(struct smtpd_outbound *o, struct out_job *job);
/* The same for jobs put off without a try. */
void out_settle_all(struct smtpd_outbound *o, struct cv_link *jobs);
void out_retry_unsettled(struct smtpd_outbound *o);

#endif
