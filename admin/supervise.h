/* supervise.h - `congvu serve`: binds ports, starts the daemons, restarts what dies.
 *
 * The supervisor is the only process that may need root: it binds the sockets, gives them to the
 * daemons by number (CONGVU_SOCKETS) and starts those as the configured user. A daemon says it is
 * ready through a pipe. One that dies is started again after a wait that doubles from one second to
 * half a minute; the others go on. The scheduler (admin/schedule/) is one of them, but nothing
 * waits for it to be ready. SIGTERM stops them in the order scheduler, smtpd, spamfilter, imapd, so
 * that what was taken can still be stored; SIGHUP and SIGUSR1 are passed on.
 *
 * Threads: one; it owns the process.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_SUPERVISE_H
#define ADMIN_SUPERVISE_H

#include "common/options/sections.h"

/* Runs until told to stop. Returns the exit code: 0 after a clean stop, 1 when a daemon could not
 * be started at all or a port could not be bound (*ERR says which). CONF_PATH is passed to the
 * daemons. */
int admin_supervise(const char *conf_path, const struct cv_conf *conf, struct cv_err *err);

#endif
