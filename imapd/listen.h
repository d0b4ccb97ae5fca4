/* listen.h - the daemon's sockets: inherited from the supervisor, or bound as the options say. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_LISTEN_H
#define IMAPD_LISTEN_H

#include "imapd/server.h"

/* IMAP listeners, into d->net. */
CV_MUST_CHECK enum cv_status imapd_listen(
	struct imapd *d, const struct imapd_config *config, struct cv_err *err);
/* The control and delivery sockets; they answer at once. */
CV_MUST_CHECK enum cv_status imapd_serve_local(struct imapd *d, struct cv_err *err);

#endif
