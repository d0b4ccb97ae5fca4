/* quarantine_ctl.h - "quarantine.list", "quarantine.show", "quarantine.release",
 * "quarantine.delete", "quarantine.digest" on the control socket.
 *
 *   list     {account | agency | neither: all; limit}   facts of the envelope, the reasons
 *   show     {account, item, body}                      the same; with body the message in base64
 *   release  {account, item}, delete {account, item}
 *   digest   {account | neither: all}                   what the morning does, now
 *
 * Operators see no content (SEC-07): no subject and no author's name, unless they ask for the body.
 * All of them, reading too, are in the audit trail with who asked for what before the answer goes.
 * Runs on the control server's threads.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_QUARANTINE_CTL_H
#define IMAPD_QUARANTINE_CTL_H

#include "imapd/server.h"

#define IMAPD_HELD_LIST_MAX 1000u      /* items in one answer */
#define IMAPD_HELD_SHOW_MAX (8u << 20) /* octets of a message that are shown */

CV_MUST_CHECK enum cv_status imapd_quarantine_do(struct imapd *d, const char *actor,
	const json_t *request, json_t **reply_out, struct cv_err *err);

#endif
