/* arrivals.h - what deliveries and submissions add to the counters, and to the response clock of
 * agency and role boxes (DOC-02).
 *
 * The clock runs for mail of a person outside: the author's domain is none of ours, it went to
 * INBOX and not to Junk or quarantine, and no program wrote it (null sender, Auto-Submitted,
 * Precedence: bulk, List-Id). Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_ARRIVALS_H
#define IMAPD_ARRIVALS_H

#include "imapd/conn.h"

/* Counts from now on what is delivered to, and sent by, D's accounts. */
void imapd_arrivals_start(struct imapd *d);
/* \Answered was set on these messages of the box that C works in. */
void imapd_note_answered(struct imapd_conn *c, const uint32_t *uids, size_t count);

#endif
