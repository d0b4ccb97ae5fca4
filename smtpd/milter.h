/* milter.h - the MTA's side of the milter protocol (version 6), without ever waiting.
 *
 * A chain talks to every configured filter for one SMTP session, in order; each sees the changes of
 * the former. A step is started by one call and answered later: the chain calls its wake function
 * and smtpd_milter_verdict() tells. Only one step may be under way. Filters that fail or are too
 * slow are answered for by the default action. A chain belongs to the session's thread; wake comes
 * from a worker thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_MILTER_H
#define SMTPD_MILTER_H

#include "common/base/spool.h"
#include "common/net/net.h"

enum smtpd_milter_verdict {
	SMTPD_MILTER_PENDING,
	SMTPD_MILTER_CONTINUE,
	SMTPD_MILTER_ACCEPT,   /* a filter's answer; the chain's verdict never */
	SMTPD_MILTER_REJECT,
	SMTPD_MILTER_TEMPFAIL,
	SMTPD_MILTER_DISCARD   /* answer 250 and forget it */
};

struct smtpd_milters;          /* the configured filters */
struct smtpd_milter;           /* one session's chain */

struct smtpd_milters_options {
	const char *filters;       /* "unix:/path inet:port@host", in order */
	const char *default_action; /* "accept", "tempfail", "reject" */
	unsigned timeout_secs;     /* each step */
	const char *hostname;      /* macro j */
	const char *daemon_name;   /* macro {daemon_name} */
	const char *spool_dir;     /* where bodies that filters wrote go; kept, not copied */
};
CV_MUST_CHECK enum cv_status smtpd_milters_new(struct cv_net *net,
                                               const struct smtpd_milters_options *o,
                                               struct smtpd_milters **out, struct cv_err *err);
void smtpd_milters_free(struct smtpd_milters *ms);

/* Nothing is sent yet; filters are connected to at the first step. */
struct smtpd_milter *smtpd_milter_new(struct smtpd_milters *ms, void (*wake)(void *arg), void *arg);
/* Ends the session with every filter. WAKE is not called after it returns. */
void smtpd_milter_free(struct smtpd_milter *m);

/* Sets a macro sent with all later steps ("{auth_authen}", "i", "{tls_version}"); VALUE is copied,
 * NULL removes it. Names longer than one letter carry their braces. */
void smtpd_milter_macro(struct smtpd_milter *m, const char *name, const char *value);

/* The steps, in protocol order; each is followed by wake(). `connect` repeats after XCLIENT. */
void smtpd_milter_connect(struct smtpd_milter *m, const char *hostname,
                          const struct sockaddr_storage *peer);
void smtpd_milter_helo(struct smtpd_milter *m, struct cv_str name);
/* SENDER is the path with its brackets, PARAMS the ESMTP parameters, separated by blanks. */
void smtpd_milter_mail(struct smtpd_milter *m, struct cv_str sender, struct cv_str params);
void smtpd_milter_rcpt(struct smtpd_milter *m, struct cv_str rcpt, struct cv_str params);
void smtpd_milter_data(struct smtpd_milter *m);
/* Headers, body and end of message in one step. MESSAGE must stay as it is until the verdict. */
void smtpd_milter_message(struct smtpd_milter *m, struct cv_spool *message);
/* Ends the transaction at the filters that are in one, and forgets the message and its changes;
 * no wake. */
void smtpd_milter_abort(struct smtpd_milter *m);

/* DISCARD is a verdict on a message: MAIL and later. CONTINUE also stands for ACCEPT: a filter that
 * accepted is not asked again until the next message (at connect: the session, HELO: the next
 * HELO). */
enum smtpd_milter_verdict smtpd_milter_verdict(const struct smtpd_milter *m);
/* The filter's own reply text for REJECT and TEMPFAIL ("550 5.7.1 ..." lines without CRLF, checked
 * for control bytes), or NULL. */
const char *smtpd_milter_reply(const struct smtpd_milter *m);

/* The verdict is the default action: a filter did not answer. */
bool smtpd_milter_has_failed(const struct smtpd_milter *m);

/* After the message step with CONTINUE: what the filters changed. Valid until the next
 * step. */
struct smtpd_milter_changes {
	bool any;
	struct cv_str header;      /* the new header block with its blank line */
	bool header_changed;
	struct cv_spool *body;     /* the new body, or NULL */
	const char *sender;        /* new envelope sender with brackets, or NULL */
	struct cv_str *add_rcpts, *del_rcpts; /* with brackets */
	size_t add_count, del_count;
	const char *quarantine;    /* reason, or NULL */
};
const struct smtpd_milter_changes *smtpd_milter_changes(const struct smtpd_milter *m);

#endif
