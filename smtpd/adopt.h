/* adopt.h - {"do": "queue.adopt", "dir": DIR, "dry_run"?}: takes over the mail of a node that died.
 *
 * DIR is its queue folder, one of queue_adopt_from. Refused while its lease runs. Each message is
 * put into our queue, durably and with its origin, before it is deleted there; whoever repeats it
 * after a crash loses and doubles nothing. The folder stays, empty.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_ADOPT_H
#define SMTPD_ADOPT_H

#include "common/net/ctl.h"
#include "smtpd/server.h"

CV_MUST_CHECK enum cv_status smtpd_adopt(struct smtpd_server *s, struct cv_ctl_call *call,
                                         json_t **reply_out, struct cv_err *err);

#endif
