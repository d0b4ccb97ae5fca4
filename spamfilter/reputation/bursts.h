/* bursts.h - accounts that suddenly send as no person does (SPM-08).
 *
 * For each login a window counts messages judged spam and recipients outside; one step too many and
 * the account is frozen for a while. smtpd keeps its own, stricter ledger of what it lets out; this
 * one stands where another MTA does the sending. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_BURSTS_H
#define SPAM_BURSTS_H

#include "spamfilter/reputation/tally.h"

struct spam_burst_limits {
	uint32_t rcpts, spam;   /* in a window; 0: no limit */
	uint32_t window_secs, freeze_secs;
};

enum spam_burst { SPAM_BURST_NONE, SPAM_BURST_BEGINS, SPAM_BURST_FROZEN };

/* Counts one message of LOGIN to OUTSIDE recipients. BEGINS: this one froze the account. */
enum spam_burst spam_burst_note(struct spam_tally *t, const struct spam_burst_limits *limits,
	struct cv_str login, uint32_t outside, bool is_spam);
/* Whether it is frozen; nothing is counted. *LEFT_OUT: for how many seconds. */
bool spam_burst_is_frozen(struct spam_tally *t, struct cv_str login, uint32_t *left_out);
/* The operator lets it go; false when it was not frozen. */
bool spam_burst_release(struct spam_tally *t, struct cv_str login);

#endif
