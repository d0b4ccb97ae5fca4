/* lease.h - whose a queue folder is: a small file that says who holds it and until when.
 *
 * Queue folders may lie where another node can reach them when theirs has died (a replicated or
 * shared disk). The holder renews the file "owner" while it lives and removes it when it ends well;
 * nobody else touches the folder before the time is over. It stands beside the environment because
 * opening that is what must not happen while the holder lives. On one machine the engine's own
 * lock guards as well, and inside the environment adopters take the engine's lease, so two never
 * adopt at once. Clocks of the nodes must agree to within a part of the lease.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_LEASE_H
#define SMTPD_LEASE_H

#include "common/base/err.h"
#include "common/base/str.h"

/* Takes or renews DIR for HOLDER until now + SECS. CV_DENIED, with who and how long, while another
 * holds it. */
CV_MUST_CHECK enum cv_status smtpd_lease_take(const char *dir, const char *holder, unsigned secs,
                                              struct cv_err *err);
/* Gives it up, if it is HOLDER's. */
void smtpd_lease_drop(const char *dir, const char *holder);

#endif
