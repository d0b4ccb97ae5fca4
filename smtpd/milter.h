/* milter.h - the MTA's side of the milter protocol (version 6), without ever waiting.
 *
 * A chain talks to every configured filter for one SMTP session, in order; each sees the changes of
 * the former. A step is started by one call and answered later: the chain calls its wake function
 * and smtpd_milter_verdict() tells. Only one step may be under way. Filters that fail or are too
 * slow are answered for by their own default action. A chain belongs to the session's thread; wake
 * comes from a worker thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_MILTER_H
#define SMTPD_MILTER_H

#include "common/base/spool.h"
#include "common/net/net.h"
#include "smtpd/milter_wire.h"

enum smtpd_milter_verdict {
	SMTPD_MILTER_PENDING,
	SMTPD_MILTER_CONTINUE,
	SMTPD_MILTER_ACCEPT,   /* a filter's answer; the chain's verdict never */
	SMTPD_MILTER_REJECT,
	SMTPD_MILTER_TEMPFAIL,
	SMTPD_MILTER_DISCARD   /* answer 250 and forget it */
};

struct smtpd_milters;          /* the filters of one kind of listener */
struct smtpd_milter;           /* one session's chain */

struct smtpd_milters_options {
	const char *filters;       /* words as in common/net/filter.h, in order */
	const char *default_action; /* "accept", "tempfail", "reject": words without on-failure */
	unsigned timeout_secs;     /* each step, for words without timeout */
	const char *hostname;      /* macro j */
	const char *spool_dir;     /* where bodies that filters wrote go */
};
/* Looks up host names, so it may wait. *out is NULL when there are no filters ("none"). */
CV_MUST_CHECK enum cv_status smtpd_milters_new(struct cv_net *net,
                                               const struct smtpd_milters_options *o,
                                               struct smtpd_milters **out, struct cv_err *err);
/* Chains under way keep what they need of it. NULL: nothing. */
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
/* Does a filter want to hear of recipients that were refused? If so: RCPT with the macros of a
 * refusal; nothing a filter answers changes anything. */
bool smtpd_milter_wants_rejected(struct smtpd_milter *m);
void smtpd_milter_rcpt_rejected(struct smtpd_milter *m, struct cv_str rcpt, struct cv_str params);
void smtpd_milter_data(struct smtpd_milter *m);
/* A command that smtpd does not know; at any time. */
void smtpd_milter_unknown(struct smtpd_milter *m, struct cv_str line);
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
	struct cv_str header;      /* the new header block with its blank line */
	bool header_changed;
	struct cv_spool *body;     /* the new body, or NULL */
	const struct milter_envelope_change *envelope; /* in the order asked for */
	size_t envelope_count;
	const char *quarantine;    /* reason, or NULL */
	const char *verdict;       /* what filters put into X-Congvu-Verdict last, or NULL */
};
const struct smtpd_milter_changes *smtpd_milter_changes(const struct smtpd_milter *m);

#endif
