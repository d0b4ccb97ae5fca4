/* defence.h - how strangers are met: what a session may do, how soon it is answered, what DNS says
 * of its peer.
 *
 * Strangers are peers outside inside_networks; who logs in is none any more. The port for mail from
 * outside looks at them most (pause before the greeting, names, lists); submission counts and slows
 * down; LMTP, which only other servers of ours reach, is left alone. Nothing here waits: a session
 * that must is parked with a deadline.
 *
 * Threads: a session's functions run on its worker; the tables behind them are shared and locked.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_DEFENCE_H
#define SMTPD_DEFENCE_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/net/net.h"
#include "smtpd/lookup.h"
#include "smtpd/reply.h"
#include "smtpd/xclient.h"

struct congvu_options;
struct smtpd_options;
struct smtpd_server;
struct smtpd_session;
struct smtpd_defence;

/* What a session remembers of it. */
struct smtpd_guard {
	bool stranger, known_good;
	bool may_xclient;            /* the peer, before any XCLIENT, is a trusted front end */
	bool repeated;               /* greeted anew after XCLIENT: no pause */
	bool filtered;               /* the filters have answered about the connection */
	bool paid;                   /* the next command has had its delay */
	bool replayed;               /* it runs again after a look-up */
	bool sender_asked, list_logged;
	unsigned errors_seen;
	int64_t until_ms;            /* parked until then at most; 0: not for us */
	int64_t line_until_ms;       /* a command that has begun must be whole by then; 0: none */
	int64_t dns_until_ms;        /* what DNS says counts if it comes by then */
	int64_t greet_ms;            /* the pause before the greeting ends */
	struct smtpd_lookup *peer, *sender; /* or NULL */
	char name[256];              /* from XCLIENT; else "" */
	struct cv_str parked;        /* a command that waits for a look-up; on the heap */
};

/* What one configuration says of it: networks and lists. It must outlive the sessions and look-ups
 * that began under it. */
CV_MUST_CHECK enum cv_status smtpd_defence_new(const struct congvu_options *main,
                                               const struct smtpd_options *opt,
                                               struct smtpd_defence **out, struct cv_err *err);
void smtpd_defence_free(struct smtpd_defence *d);
/* The limits of connections: the net's, and MAX_OUTSIDE_OUT for MX and LMTP together. */
void smtpd_defence_limits(const struct smtpd_defence *d, const struct smtpd_options *opt,
                          struct cv_net_options *out, unsigned *max_outside_out);
/* What is remembered of peers and accounts while the daemon runs. */
void smtpd_defence_tables_new(struct smtpd_server *server);
void smtpd_defence_tables_free(struct smtpd_server *server);

/* ---- a session's beginning and end ---- */
/* The peer is known: judges it and begins to ask DNS. X: what XCLIENT said, or NULL. */
void smtpd_defence_open(struct smtpd_session *s, const struct smtpd_xclient *x);
/* Names are known or not worth more time, so that filters can be told. */
bool smtpd_defence_has_name(struct smtpd_session *s);
/* The pause is over, too. */
bool smtpd_defence_may_greet(struct smtpd_session *s);
/* A stranger has spoken already. */
bool smtpd_defence_is_early(struct smtpd_session *s);
/* The peer spoke too early: answers, counts and closes. */
enum cv_step smtpd_defence_early(struct smtpd_session *s);
void smtpd_defence_close(struct smtpd_session *s);

/* The peer's confirmed name, or "unknown". */
const char *smtpd_defence_peer_name(struct smtpd_session *s);

/* ---- while it talks ---- */
/* True when the next command must be delayed: answer CV_STEP_WAIT. */
bool smtpd_defence_delays(struct smtpd_session *s);
/* A whole command has been run. */
void smtpd_defence_ran(struct smtpd_session *s);
/* Before a command that is allowed in this order: true lets it run. False: it is answered, or
 * parked until DNS has answered; *step_out says how to go on. */
bool smtpd_defence_admits(struct smtpd_session *s, struct cv_str line, enum cv_step *step_out);
/* The deadline that passed was one of ours: go on. */
bool smtpd_defence_takes_timeout(struct smtpd_session *s);
/* Shorter limits than usual: the server is nearly full and the peer a stranger. */
bool smtpd_defence_is_stressed(struct smtpd_session *s);

/* ---- what others tell ---- */
void smtpd_defence_auth_failed(struct smtpd_session *s);
/* A message was taken, and nothing was wrong with it. */
void smtpd_defence_good_mail(struct smtpd_session *s);

#endif
