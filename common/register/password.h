/* password.h - passwords: made, judged, hashed, checked. Private to the folder,
 * to tests, and password_make() to slips.
 *
 * A stored password is two things: an argon2id hash (19 MiB, 2 passes, 1 lane; 18 ms) for PLAIN and
 * LOGIN, and SCRAM-SHA-256 keys. Passwords are UTF-8 and compared in NFC. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_PASSWORD_H
#define CV_REGISTER_PASSWORD_H

#include "common/base/err.h"
#include "common/register/model.h"

#define PASSWORD_MAX 255
#define SCRAM_ITERATIONS 20000
#define SCRAM_SALT_BYTES 16

/* How strict password_judge() is. */
enum password_rule {
	PASSWORD_FULL,   /* ACC-04: 14 characters, four classes, not on the banned list, not the
			  * name */
	PASSWORD_SECOND, /* ACC-04, of an account with a second factor: the same from 8 on */
	PASSWORD_FORCED, /* an operator's choice: 8 characters, not on the banned list */
	PASSWORD_WEAK    /* trials: anything but nothing */
};
CV_MUST_CHECK enum cv_status password_judge(struct cv_str password, enum password_rule rule,
                                            struct cv_str address, struct cv_err *err);
/* The same fault in Vietnamese; "" when there is none. */
const char *password_fault_vi(struct cv_str password, enum password_rule rule,
                              struct cv_str address);
/* A random password that passes PASSWORD_FULL, NUL-terminated: "kT7m-2pQx-RvW9-dH4s". */
void password_make(char out[24]);
/* Fills hash and keys of S, and its SCRAM salt unless that is kept; leaves version and times
 * alone. */
CV_MUST_CHECK enum cv_status password_hash(struct cv_str password, bool keep_salt,
                                           struct reg_secret *s, struct cv_err *err);
/* Slow. ENCODED is what password_hash() left in `argon`. */
bool password_check(const char *encoded, struct cv_str password);
/* Takes as long as password_check() and always fails. */
bool password_check_dummy(struct cv_str password);
/* The password as it is hashed: NFC. The caller wipes and frees. */
void password_normal(struct cv_str password, struct cv_buf *out);

/* ServerKey and StoredKey of RFC 5802 from the salted password. */
CV_MUST_CHECK bool scram_keys(struct cv_str password, const uint8_t *salt, size_t salt_n,
                              uint32_t iterations, uint8_t stored_key[32], uint8_t server_key[32]);
void scram_hmac(const uint8_t key[32], struct cv_str text, uint8_t out[32]);
void scram_hash(const uint8_t *p, size_t n, uint8_t out[32]);

#endif
