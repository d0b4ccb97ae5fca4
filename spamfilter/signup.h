/* signup.h - who seems to use an official address on public services (POL-02): counts, no texts.
 *
 * A row is day, account, address, sender's domain and class, with how often; kept 400 days. Without
 * an engine nothing is kept, only logged. Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SIGNUP_H
#define SPAM_SIGNUP_H

#include <jansson.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "spamfilter/stats.h"

struct spam_signup;

/* STATS stays the caller's and outlives it. */
struct spam_signup *spam_signup_new(struct spam_stats *stats);
void spam_signup_free(struct spam_signup *s); /* NULL is fine */
/* Counts one mail. ACCT 0: an MTA's user that is not in the register. */
void spam_signup_note(struct spam_signup *s, uint64_t acct, struct cv_str address,
	struct cv_str sender_domain, const char *class);
/* What counts beside sign-ups: staff who write to their own free mail (POL-01). */
#define SPAM_SIGNUP_FREE_MAIL "own-free-mail"

struct spam_signup_asked {
	uint32_t from, to;  /* days, as spam_stats_today() counts them, both included */
	size_t limit;       /* the newest */
	bool own_free_mail; /* rows of that class alone, else all others */
};
/* [{"day": "2026-11-22", "account": 7, "address": ..., "domain": ..., "class": "code",
 * "count": 2}, ...], newest first. */
CV_MUST_CHECK enum cv_status spam_signup_list(struct spam_signup *s,
	const struct spam_signup_asked *asked, json_t **out, struct cv_err *err);

#endif
