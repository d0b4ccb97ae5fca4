/* registry_password.c - which passwords an account may have: the rules and its last ten (ACC-04).
 *
 * Body of a row H: {"hashes": [argon2id, ...]}, the oldest first: what was set before, never what
 * holds now. Each costs 18 ms to compare, so a change takes at most 0.2 s; the lock of the register
 * is held meanwhile, which changes wait for, and log-ins do not.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/registry_impl.h"

#define HISTORY_MAX 10u

static bool
was_used(const struct reg_call *c, const struct reg_account *a, struct cv_str password)
{
	const json_t *body = reg_doc_get(&c->r->model.docs, 'H', a->acct, 0);
	size_t i;
	json_t *hash;
	bool found = a->secret.argon[0] && password_check(a->secret.argon, password);
	json_array_foreach(json_object_get(body, "hashes"), i, hash)
		found = found || password_check(json_string_value(hash), password);
	return found;
}

enum cv_status
reg_judge_password(struct reg_call *c, const struct reg_account *a, struct cv_str password,
                   enum password_rule rule, struct cv_err *err)
{
	struct cv_str address = cv_str_z(a->text[T_ADDRESS]);
	enum cv_status status = password_judge(password, rule, address, err);
	if (status) {
		const char *vi = password_fault_vi(password, rule, address);
		json_object_set_new(c->reply, "error_vi", json_string(vi));
		return status;
	}
	if (rule == PASSWORD_WEAK || !a->secret.version || !was_used(c, a, password))
		return CV_OK;
	return reg_refuse(c, CV_INVALID, "the new password is one of the last ten of this account",
	                  "mật khẩu mới trùng một trong mười mật khẩu gần nhất của tài khoản", err);
}

void
reg_keep_password(struct reg_call *c, const struct reg_account *a)
{
	if (!a->secret.version || !a->secret.argon[0])
		return;
	const json_t *body = reg_doc_get(&c->r->model.docs, 'H', a->acct, 0);
	json_t *copy = body ? json_deep_copy(body) : json_pack("{s:[]}", "hashes");
	json_t *hashes = json_object_get(copy, "hashes");
	/* Nine before, and the one that was last: with what comes now they are ten and one. */
	while (json_array_size(hashes) >= HISTORY_MAX - 1)
		json_array_remove(hashes, 0);
	json_array_append_new(hashes, json_string(a->secret.argon));
	reg_save_doc(c, 'H', a->acct, 0, copy);
}
