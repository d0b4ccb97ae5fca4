/* notices.h - the owner of an address hears of a sign-up with it (POL-02): once for each service in
 * so many days.
 *
 * imapd writes the letter and puts it into the box ("mail.notice" on its control socket); this side
 * remembers what was told, in the table of sign-ups, and never waits: a queue and one thread.
 * Beside another MTA there is no imapd; then nobody is told, and the log says so once. Threads:
 * any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_NOTICES_H
#define SPAM_NOTICES_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "spamfilter/stats.h"

#define SPAM_NOTICES_WAITING 1000u /* more at once are left out */
#define SPAM_NOTICES_DAYS    60u   /* longest memory */

struct spam_notices;

/* STATS stays the caller's and outlives it. RUN_DIR: where imapd.ctl is; "" or NULL: nobody is
 * told. */
struct spam_notices *spam_notices_new(struct spam_stats *stats, const char *run_dir);
/* Starts the thread; not before the sandbox is entered. */
CV_MUST_CHECK enum cv_status spam_notices_start(struct spam_notices *n, struct cv_err *err);
/* Ends the thread; what waits is left out. NULL is fine. */
void spam_notices_free(struct spam_notices *n);
/* SERVICE wrote to ADDRESS of ACCT: told unless that was so within DAYS (0: never told). */
void spam_notices_tell(struct spam_notices *n, uint64_t acct, struct cv_str address,
	struct cv_str service, unsigned days);

#endif
