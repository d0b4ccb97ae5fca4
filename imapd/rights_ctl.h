/* rights_ctl.h - lists of rights over the control socket: `congvu mailbox rights|grant|revoke`. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_RIGHTS_CTL_H
#define IMAPD_RIGHTS_CTL_H

#include "imapd/server.h"

/* "mailbox.rights.list" {account [, mailbox]}; ".set" {account, mailbox, who, rights};
 * ".delete" {account, mailbox, who}, by ACTOR. Answers when a change is on disk. */
CV_MUST_CHECK enum cv_status imapd_rights_do(struct imapd *d, const char *actor,
	const json_t *request, json_t **reply_out, struct cv_err *err);

#endif
