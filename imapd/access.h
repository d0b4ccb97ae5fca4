/* access.h - what a session tells the log of readers and the counters of checks
 * (common/audit/access.h). Openings are noted of other people's boxes only. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_ACCESS_H
#define IMAPD_ACCESS_H

#include "imapd/conn.h"

/* A mailbox was selected. */
void imapd_note_select(struct imapd_conn *c);
/* SECTIONS of MSG are about to be sent: whether they show more than headers counts. */
void imapd_note_fetch(struct imapd_conn *c, const struct imapd_fetch_args *args,
	const struct cv_msg *msg);
/* The person set \Seen on UIDS. */
void imapd_note_seen(struct imapd_conn *c, const uint32_t *uids, size_t count);

#endif
