/* cmd_quota.h - what STATUS tells of quotas. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_CMD_QUOTA_H
#define IMAPD_CMD_QUOTA_H

#include "imapd/conn.h"

/* Octets of the messages in a mailbox that have \Deleted, whoever set it: DELETED-STORAGE (RFC 9208
 * 5). They are summed now; INFO has the name that the client knows. */
uint64_t imapd_deleted_storage(struct imapd_conn *c, const struct cv_mbox_info *info);

#endif
