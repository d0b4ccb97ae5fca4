/* daemon.h - builds the server out of its parts and takes it down in the opposite order. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_DAEMON_H
#define SMTPD_DAEMON_H

#include "common/base/err.h"

struct smtpd_daemon;

/* CONF as cv_conf_path() takes it. On CV_OK every listener is open. */
CV_MUST_CHECK enum cv_status smtpd_daemon_start(const char *conf, struct smtpd_daemon **out,
                                                struct cv_err *err);
/* Certificates and the register are read again; what cannot be read leaves the old in use. */
void smtpd_daemon_reload(struct smtpd_daemon *d);
/* Stops taking connections, lets what runs finish for a few seconds, closes everything. */
void smtpd_daemon_stop(struct smtpd_daemon *d);

#endif
