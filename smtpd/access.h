/* access.h - how staff get in: the TLS of the submission listeners, and what a log-in may use.
 *
 * Submission has a TLS server of its own: it asks for a client certificate (and goes on without)
 * when tls_client_ca is set, and speaks authenticated suites alone; port 25 takes what other mail
 * servers can. Threads: start and reload from one thread, the rest from a connection's own.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_ACCESS_H
#define SMTPD_ACCESS_H

#include "smtpd/session.h"

/* Makes SERVER->tls and tls_staff; both stay NULL without a certificate. */
CV_MUST_CHECK enum cv_status smtpd_access_open_tls(struct smtpd_server *server,
                                                   const struct cv_conf *conf, struct cv_err *err);
/* Reads certificates and authorities again, from the files that CONF names. On failure both servers
 * stay as they were. */
CV_MUST_CHECK enum cv_status smtpd_access_reload_tls(struct smtpd_server *server,
                                                     const struct cv_conf *conf,
                                                     struct cv_err *err);
/* What a SASL exchange on this connection may look at. */
void smtpd_access_env(struct smtpd_session *s, struct cv_sasl_env *out);
/* "AUTH PLAIN ...", without CRLF: what this connection can use. */
void smtpd_access_offer(struct smtpd_session *s, struct cv_buf *out);

#endif
