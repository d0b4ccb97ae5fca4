/* device.h - what a device logs in with instead of its owner's password: an app password or a
 * client certificate. Private to the folder.
 *
 * An app password is made here, random (92 bits), so a fast keyed hash of it is as good as a slow
 * one; SCRAM keys stand beside it, made with the account's own salt and iterations, so that one
 * salt serves whichever password a client knows. Threads: a list belongs to its account.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_DEVICE_H
#define CV_REGISTER_DEVICE_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define REG_DEVICES_MAX 20       /* of one account */
#define REG_DEVICE_NAME_MAX 60   /* bytes of UTF-8 */
#define REG_APP_PASSWORD_BYTES 24

enum reg_device_type { REG_APP_PASSWORD = 1, REG_CERTIFICATE };
enum { REG_MAY_SEND = 1, REG_MAY_READ = 2, REG_MAY_BOTH = 3 };

struct reg_device {
	uint32_t number;         /* within the account, from 1 */
	enum reg_device_type type;
	uint8_t scope;           /* REG_MAY_* */
	int64_t created_secs;
	uint8_t check[32];       /* HMAC(account's salt, password), or the certificate's SHA-256 */
	uint8_t stored_key[32], server_key[32]; /* of an app password */
	char name[REG_DEVICE_NAME_MAX + 1];
};
struct reg_devices {
	struct reg_device *items; /* ascending by number */
	size_t n;
};

struct reg_device *reg_devices_find(const struct reg_devices *l, uint32_t number);
/* Adds a copy, or takes the place of the one with its number. */
void reg_devices_put(struct reg_devices *l, const struct reg_device *d);
bool reg_devices_del(struct reg_devices *l, uint32_t number);
struct reg_devices reg_devices_copy(const struct reg_devices *l);
void reg_devices_done(struct reg_devices *l); /* wipes */

/* Rows: the number is in the key. The decoder refuses what the encoder does not write. */
void reg_device_encode(const struct reg_device *d, struct cv_buf *out);
CV_MUST_CHECK enum cv_status reg_device_decode(struct cv_str row, struct reg_device *d);

/* "send", "read", "both"; false for another word. */
bool reg_scope_parse(struct cv_str word, uint8_t *out);
const char *reg_scope_word(uint8_t scope);
/* A random password in four groups, NUL-terminated: "kT7m-2pQx-RvW9-dH4s". */
void reg_app_password_make(char out[REG_APP_PASSWORD_BYTES]);
/* What `check` of an app password must be. */
void reg_app_password_check(const uint8_t salt[16], struct cv_str password, uint8_t out[32]);

#endif
