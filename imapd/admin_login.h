/* admin_login.h - who speaks on the control socket: a Unix account, or a person who logs in there.
 *
 * A request may carry "as": {"address", "password", "code"? or "ticket"?}: the person's own
 * password, checked as any log-in is,
 * with the same lock after failures; app passwords of devices are not for this. Without
 * it the socket's peer is who asks. The role is the register's matter (registry_roles.c).
 * Who has a second factor gives its code too, or one of his recovery codes: "needs_code" in a
 * refusal asks for it. Since a code works once, "admin.code" answers it with a ticket, for the
 * requests of the next ten minutes of that Unix account. An administrator whose password is too
 * old, or who has no second factor where one is required, may change that and nothing else.
 * Threads: the control server's; a check waits for the pool that hashes.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_ADMIN_LOGIN_H
#define IMAPD_ADMIN_LOGIN_H

#include "common/net/ctl.h"
#include "common/register/registry.h"

struct imapd;

/* Fills WHO. Takes "as" out of the request and wipes the password. CV_DENIED after a failed log-in,
 * with "error_vi" in *reply_out. */
CV_MUST_CHECK enum cv_status imapd_admin_who(struct imapd *d, struct cv_ctl_call *call,
	struct cv_registry_who *who, json_t **reply_out, struct cv_err *err);

/* "admin.code" by WHO, who has just given his: {"ticket"}. */
json_t *imapd_admin_ticket(
	struct imapd *d, const struct cv_ctl_call *call, const struct cv_registry_who *who);

#endif
