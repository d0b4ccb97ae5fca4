/* notices.h - tells people that their box is filling up, once at 75 and once at 90 per cent
 * (ACC-09): a message in INBOX, in Vietnamese and English.
 *
 * The store says whose use passed a mark; a thread of its own writes to them. What is not written
 * before a stop is found again at the account's next change or log-in: which notice was told stands
 * in the account's rows, in the same commit as the message.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_NOTICES_H
#define IMAPD_NOTICES_H

#include "common/base/err.h"

struct imapd;
struct imapd_notices;

/* D's store and register are open. */
CV_MUST_CHECK enum cv_status imapd_notices_start(
	struct imapd *d, struct imapd_notices **out, struct cv_err *err);
/* Ends the thread; N may be NULL. */
void imapd_notices_stop(struct imapd_notices *n);
/* After the store was closed. */
void imapd_notices_free(struct imapd_notices *n);

#endif
