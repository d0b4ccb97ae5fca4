/* auth_impl.h - what sasl.c, scram.c and external.c need from auth.c. Private to the folder. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_AUTH_IMPL_H
#define CV_REGISTER_AUTH_IMPL_H

#include "common/register/auth.h"
#include "common/register/lockout.h"
#include "common/register/snapshot_format.h"

#define AUTH_LOGIN_KEPT 128

/* What a login name stands for, looked up once; hold the snapshot while using the slices. */
struct auth_subject {
	const struct cv_snapshot *snap;     /* counted: auth_subject_done() */
	bool is_known;                      /* an account that may have a password */
	bool takes_own;                     /* its own password is taken from where the peer is */
	struct cv_reg_account account;
	const struct snap_secret *secret;   /* NULL: none */
	const struct snap_device *devices;  /* app passwords and certificates */
	size_t device_count;
	struct lockout_id lock;
	struct sockaddr_storage peer;       /* family 0: not known */
	char login[AUTH_LOGIN_KEPT];        /* as it was given; "" when it is longer */
};
void auth_subject_find(struct cv_auth *a, struct cv_str login, const struct sockaddr_storage *peer,
                       struct auth_subject *out);
void auth_subject_done(struct auth_subject *s);
bool auth_is_locked(struct cv_auth *a, const struct auth_subject *s);
/* May an app password or certificate be used for that? */
bool auth_device_may(const struct snap_device *d, enum cv_auth_use use);

enum auth_proof { AUTH_WRONG, AUTH_OWN_PASSWORD, AUTH_DEVICE };
/* The result once it is known what the proof or password was; keeps the lock-out table. */
enum cv_auth_result auth_conclude(struct cv_auth *a, const struct auth_subject *s,
                                  enum auth_proof proof);
/* Calls C->done when the answer to a failure is due. */
void auth_hold(struct cv_auth *a, const struct lockout_id *id, struct cv_auth_check *c);
/* A failure that was no password's: only the network is slowed down. *ID_OUT for auth_hold(). */
void auth_network_failed(struct cv_auth *a, const struct sockaddr_storage *peer,
                         struct lockout_id *id_out);
struct cv_oauth *auth_oauth(struct cv_auth *a);
/* LOGIN as an address, or as a local part in the default domain. */
void auth_find_name(const struct cv_snapshot *snap, struct cv_str login, struct cv_reg_hit *out);
/* An account that a person or an application logs in to; false for any other. */
bool auth_may_log_in(const struct cv_reg_account *account);

/* ---- external.c ---- */
/* Does the certificate belong to an active account that may be used so? */
bool external_has_account(struct cv_auth *a, const struct cv_tls_cert *cert, enum cv_auth_use use);
/* Logs in by certificate; AUTHZID "" takes the only account the certificate is for. Fills result,
 * acct, address and device of C. */
void external_check(struct cv_auth *a, const struct cv_tls_cert *cert, struct cv_str authzid,
                    struct cv_auth_check *c);

/* One server side of SCRAM-SHA-256. */
struct scram;
struct scram *scram_new(const struct cv_sasl_env *env, bool with_binding);
void scram_free(struct scram *s);
enum cv_sasl_step scram_step(struct scram *s, struct cv_str response, struct cv_buf *out);
enum cv_auth_result scram_result(const struct scram *s);
cv_acct_no scram_acct(const struct scram *s);
const char *scram_address(const struct scram *s);
const char *scram_device(const struct scram *s);
const char *scram_tried(const struct scram *s);
const struct lockout_id *scram_lock(const struct scram *s);

#endif
