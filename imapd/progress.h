/* progress.h - INPROGRESS (RFC 9585): a client whose command takes long hears that it is worked on.
 *
 * "* OK [INPROGRESS ("tag" done goal)]" goes out when a command has run for progress_interval, and
 * each time so much has passed again, whatever it waits for: its turn among slow commands, the
 * disk, or its own slices. Handlers that know how far they are say so; of others only the tag is
 * told. A quick command costs nothing: its clock starts when it is parked for the first time. FETCH
 * is left out, since it answers as it goes and may be in the middle of a literal.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_PROGRESS_H
#define IMAPD_PROGRESS_H

#include "imapd/conn.h"

/* A command is parked: it is looked at again in time. */
void imapd_progress_park(struct imapd_conn *c);
/* At each run: tells what is due. */
void imapd_progress_tell(struct imapd_conn *c);
/* Whether a deadline that passed was set here, and the command may go on waiting. */
bool imapd_progress_was_timer(struct imapd_conn *c);

#endif
