/* daemon.h - builds the server out of its parts and takes it down in the opposite order. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_DAEMON_H
#define SMTPD_DAEMON_H

#include "common/base/err.h"

struct smtpd_daemon;

/* CONF as cv_conf_path() takes it. On CV_OK every listener is open. */
CV_MUST_CHECK enum cv_status smtpd_daemon_start(const char *conf, struct smtpd_daemon **out,
                                                struct cv_err *err);
/* Configuration, certificates and register are read again. A fault in them is logged with file and
 * line, and everything stays as it was. Sessions go on, under the new options from their next
 * step. */
void smtpd_daemon_reload(struct smtpd_daemon *d);
/* Takes no new connection, says 421 to sessions that are between two messages, and waits for the
 * others for drain_timeout. The queue goes on meanwhile. Before smtpd_daemon_stop(). */
void smtpd_daemon_drain(struct smtpd_daemon *d);
/* Stops taking connections, lets what runs finish for a few seconds, closes everything. */
void smtpd_daemon_stop(struct smtpd_daemon *d);

#endif
