/* held_notice.h - tells people that a filter holds back what an account submitted: its owner, the
 * agency it belongs to, postmaster; once an hour at most for an account.
 *
 * Threads: the session's; the notice is written on a pool thread. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_HELD_NOTICE_H
#define SMTPD_HELD_NOTICE_H

#include "smtpd/session.h"

void smtpd_held_tell(struct smtpd_session *s);

#endif
