/* daemon.h - what every daemon's main() does: inherited sockets, signals, readiness.
 *
 * The supervisor passes listening sockets by number: environment CONGVU_SOCKETS is a list
 * "label=fd" separated by blanks ("mx=3 mx=4 submission=5 ctl=6"). Run by hand without it, a daemon
 * binds what its options say. Readiness is one line "READY\n" written to descriptor
 * CONGVU_READY_FD.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_DAEMON_H
#define CV_DAEMON_H

#include "common/base/err.h"

/* Calls FN for every inherited socket with LABEL. Returns how many. */
unsigned cv_daemon_sockets(const char *label, void (*fn)(int fd, void *arg), void *arg);
/* Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 in the calling thread (call before threads start). */
void cv_daemon_signals_block(void);
/* Tells the supervisor that work may come. */
void cv_daemon_ready(void);
/* Waits for a signal and returns it: SIGTERM/SIGINT stop, SIGHUP reload, SIGUSR1 reopen logs. */
int cv_daemon_wait(void);

#endif
