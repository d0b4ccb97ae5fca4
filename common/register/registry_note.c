/* registry_note.c - changes that are no rows of the register but are decided by the same people: a
 * row of the audit trail before a file changes. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/registry_impl.h"

/* {"action": "allow.add" | "allow.remove", "object", "reason"?, "until"?}: POL-03 */
enum cv_status
reg_policy_note(struct reg_call *c, struct cv_err *err)
{
	static const char *const actions[] = { "allow.add", "allow.remove" };
	struct cv_str action, object, reason, until;
	enum cv_status status = reg_field(c, c->request, "action", 40, &action, err);
	if (!status)
		status = reg_field(c, c->request, "object", 320, &object, err);
	if (!status)
		status = reg_field(c, c->request, "reason", 300, &reason, err);
	if (!status)
		status = reg_field(c, c->request, "until", 40, &until, err);
	if (status)
		return status;
	if (!object.n)
		return cv_fail(err, CV_INVALID, "field 'object' must name a sender");
	for (size_t i = 0; i < CV_COUNT(actions); i++) {
		char name[60];
		if (!cv_str_eq_z(action, actions[i]))
			continue;
		snprintf(name, sizeof name, "policy.%s", actions[i]);
		return reg_commit(c, name, cv_arena_z(&c->arena, object),
			json_pack("{s:s%, s:s%}", "reason", reason.p ? reason.p : "", reason.n,
				"until", until.p ? until.p : "", until.n), err);
	}
	return cv_fail(err, CV_INVALID, "unknown action");
}
