/* totp.h - one-time codes of a second factor (RFC 6238 over RFC 4226), and which were used.
 *
 * Six digits, SHA-1, steps of 30 s: what every authenticator app knows. A code is taken in its step
 * and in the ones beside it, and each step of an account once: the step last used stands in a small
 * mapped file beside the register, which all daemons share, so a code that was used at one is
 * of no use at another, also after a restart. Private to the folder; also fit for tests. Threads:
 * any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_TOTP_H
#define CV_REGISTER_TOTP_H

#include "common/base/buf.h"

#define TOTP_SECRET_BYTES 20 /* RFC 4226 section 4, R6 */
#define TOTP_DIGITS 6
#define TOTP_STEP_SECS 30
#define TOTP_FILE "register.steps"

/* The code of STEP (RFC 4226 section 5.3), DIGITS of 6 to 8. */
uint32_t totp_code(const uint8_t secret[TOTP_SECRET_BYTES], uint64_t step, unsigned digits);
/* Is CODE one of NOW_SECS's step or those beside it? Takes as long whatever the answer. */
bool totp_match(const uint8_t secret[TOTP_SECRET_BYTES], struct cv_str code, int64_t now_secs,
                uint64_t *step_out);
/* Base32 without padding (RFC 4648 section 6), appended. */
void totp_base32(const uint8_t *p, size_t n, struct cv_buf *out);

struct totp_steps;
/* DIR is register_dir; where it cannot be written, what is used is remembered by this process. */
struct totp_steps *totp_steps_open(const char *dir);
void totp_steps_close(struct totp_steps *s);
/* Takes STEP of ACCT: false when it or a later one was taken before. */
bool totp_steps_take(struct totp_steps *s, uint64_t acct, uint64_t step);

#endif
