/* filters.h - a session's talk with its filters: the macros of each stage, then the step.
 *
 * Each function starts a step of s->milter, which the caller has seen to be there; the answer is
 * smtpd_session_filtered()'s. Macros are those that Sendmail documents for the stage.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_FILTERS_H
#define SMTPD_FILTERS_H

#include "smtpd/session.h"

/* filter_sets.c: what the options of CONF say, `milters` and milters_<kind>. SETS_OUT, one for each
 * kind of listener, NULL for none, is the caller's; empty on failure. Looks up host names. */
CV_MUST_CHECK enum cv_status smtpd_filters_load(struct cv_net *net, const struct cv_conf *conf,
                                                const char *spool_dir,
                                                struct smtpd_milters *sets_out[SMTPD_KINDS],
                                                struct cv_err *err);
void smtpd_filters_free(struct smtpd_milters *sets[SMTPD_KINDS]);
/* The longest of the lists, for counting descriptors. */
unsigned smtpd_filters_most(const struct smtpd_options *opt);

/* Makes the chain of the listener's filters and tells them of the connection. False: there are no
 * filters for this kind of listener. */
bool smtpd_filters_connect(struct smtpd_session *s);
void smtpd_filters_hello(struct smtpd_session *s, struct cv_str name);
void smtpd_filters_mail(struct smtpd_session *s);
void smtpd_filters_rcpt(struct smtpd_session *s, const struct smtpd_rcpt *r);
/* The whole message of s->tx. */
void smtpd_filters_message(struct smtpd_session *s);
/* LINE is a command nobody knows: a filter may have an answer of its own, else R_UNKNOWN. */
enum cv_step smtpd_filters_unknown(struct smtpd_session *s, struct cv_str line);
/* A recipient was refused with what stands in the output from BEFORE on: filters that asked for it
 * hear of it before the client does. */
enum cv_step smtpd_filters_refused(struct smtpd_session *s, size_t before);

/* filtered.c: what the filters made of s->tx, after their verdict on the message: header, body,
 * sender, recipients, quarantine. *nobody_out: no recipient is left. */
enum cv_status smtpd_filters_apply(struct smtpd_session *s, bool *nobody_out);

/* Has our own filter written WORD ("dkim=pass") into the Authentication-Results of MESSAGE, under
 * our name? It takes out fields under that name that others wrote. */
bool smtpd_filters_said(const struct smtpd_server *server, struct cv_str message,
                        struct cv_str word);

#endif
