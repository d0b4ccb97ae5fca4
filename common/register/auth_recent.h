/* auth_recent.h - the last log-ins that failed, and those under another name than the account's,
 * kept in memory for `congvu diagnose`: when, from where, why. No passwords; of names that are no
 * account's only those in our own domains (people type passwords into the wrong field). A ring of
 * fixed size, lost at a restart as the lock-outs are. Threads: any. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_AUTH_RECENT_H
#define CV_REGISTER_AUTH_RECENT_H

#include <jansson.h>

#include "common/register/auth_impl.h"

enum auth_why {
	AUTH_WHY_WRONG,
	AUTH_WHY_OUTSIDE,   /* the account's own password from outside (ACC-05), or a wrong one */
	AUTH_WHY_SUSPENDED,
	AUTH_WHY_EXPIRED,
	AUTH_WHY_LOCKED,
	AUTH_WHY_OTHER_NAME /* it succeeded, by an alias */
};

struct auth_recent;
struct auth_recent *auth_recent_new(void);
void auth_recent_free(struct auth_recent *r);
void auth_recent_note(
	struct auth_recent *r, const struct auth_subject *s, enum auth_why why, int64_t now_secs);
struct auth_recent *auth_recent_of(struct cv_auth *a); /* auth.c */
struct lockout *auth_lockout_of(struct cv_auth *a);

/* {"address", "names"?: [further names of the same account]} -> {"recent": [{"time", "from", "why",
 * "login"}], newest first, "locked": [{"from", "until"}]} */
CV_MUST_CHECK enum cv_status cv_auth_recent_do(
	struct cv_auth *a, const json_t *request, json_t **reply_out, struct cv_err *err);

#endif
