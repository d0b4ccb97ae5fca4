/* sending_limits.h - how much an account may send: options, classes, its own.
 *
 * The strongest voice first: what an administrator set for the account, then the words of
 * `send_classes` for its class ("app.recipients=20000"), then the options. 0 is no limit.
 * common/config checks what can be read; a word that cannot is passed over. Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_SENDING_LIMITS_H
#define SMTPD_SENDING_LIMITS_H

#include "common/options/sections.h"
#include "common/register/register.h"

enum smtpd_limit {
	SMTPD_LIMIT_MESSAGES,   /* messages a day */
	SMTPD_LIMIT_RCPTS,      /* recipients a day, a group counted once */
	SMTPD_LIMIT_FIRST_TIME, /* outside addresses a day never written to before */
	SMTPD_LIMIT_BURST,      /* outside recipients inside the window */
	SMTPD_LIMIT_REFUSED,    /* recipients refused inside the window */
	SMTPD_LIMIT_COUNT
};
/* "messages", "recipients", "first-time", "burst", "refused": in options and requests. */
extern const char *const smtpd_limit_names[SMTPD_LIMIT_COUNT];
/* The limit of that NAME; SMTPD_LIMIT_COUNT when there is none. */
enum smtpd_limit smtpd_limit_named(struct cv_str name);

#define SMTPD_LIMIT_MAX   100000000u
#define SMTPD_LIMIT_UNSET UINT32_MAX

struct smtpd_limits {
	uint32_t n[SMTPD_LIMIT_COUNT];
};
/* All unset. */
void smtpd_limits_clear(struct smtpd_limits *l);
/* What counts for an account of KIND whose own limits are OWN. */
void smtpd_limits_of(const struct smtpd_options *opt, enum cv_reg_kind kind,
                     const struct smtpd_limits *own, struct smtpd_limits *out);
/* "person", "agency", "role", "app" */
const char *smtpd_limit_class(enum cv_reg_kind kind);

#endif
