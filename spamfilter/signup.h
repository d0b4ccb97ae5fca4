/* signup.h - who seems to use an official address on public services (POL-02): counts, no texts.
 *
 * A row is day, account, address, sender's domain and rule, with how often; kept 400 days. Without
 * a folder nothing is kept, only logged. Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SIGNUP_H
#define SPAM_SIGNUP_H

#include <jansson.h>

#include "common/base/err.h"
#include "common/base/str.h"

struct spam_signup;

/* DIR is stats_dir, or NULL. */
CV_MUST_CHECK enum cv_status spam_signup_open(
	const char *dir, struct spam_signup **out, struct cv_err *err);
void spam_signup_close(struct spam_signup *s);
/* Closes the rows for good while others may still call in: they are not kept any more. */
void spam_signup_stop(struct spam_signup *s);
/* Counts one mail. ACCT 0: an MTA's user that is not in the register. */
void spam_signup_note(struct spam_signup *s, uint64_t acct, struct cv_str address,
	struct cv_str sender_domain, const char *rule);
/* [{"day": "2026-11-22", "account": 7, "address": ..., "domain": ..., "rule": ..., "count": 2},
 * ...] of the last DAYS days, newest first, at most LIMIT. */
CV_MUST_CHECK enum cv_status spam_signup_list(
	struct spam_signup *s, unsigned days, size_t limit, json_t **out, struct cv_err *err);

#endif
