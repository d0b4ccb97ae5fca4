/* auth_impl.h - what sasl.c and scram.c need from auth.c. Private to the folder. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_AUTH_IMPL_H
#define CV_REGISTER_AUTH_IMPL_H

#include "common/register/auth.h"
#include "common/register/snapshot_format.h"

/* What a login name stands for, looked up once; hold the snapshot while using the slices. */
struct auth_subject {
	const struct cv_snapshot *snap;     /* counted: auth_subject_done() */
	bool is_known;                      /* an account that may have a password */
	struct cv_reg_account account;
	const struct snap_secret *secret;   /* NULL: none */
	uint64_t lock_key;
};
void auth_subject_find(struct cv_auth *a, struct cv_str login, const struct sockaddr_storage *peer,
                       struct auth_subject *out);
void auth_subject_done(struct auth_subject *s);
bool auth_is_locked(struct cv_auth *a, const struct auth_subject *s);
/* The result once it is known whether the proof or password was right; keeps the lock-out table. */
enum cv_auth_result auth_conclude(struct cv_auth *a, const struct auth_subject *s, bool was_right);

/* One server side of SCRAM-SHA-256. */
struct scram;
struct scram *scram_new(const struct cv_sasl_env *env, bool with_binding);
void scram_free(struct scram *s);
enum cv_sasl_step scram_step(struct scram *s, struct cv_str response, struct cv_buf *out);
enum cv_auth_result scram_result(const struct scram *s);
cv_acct_no scram_acct(const struct scram *s);
const char *scram_address(const struct scram *s);

#endif
