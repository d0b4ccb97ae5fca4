/* results.h - what the checks found, as Authentication-Results (RFC 8601) and Received-SPF say it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_RESULTS_H
#define SPAM_RESULTS_H

#include "spamfilter/mail.h"

/* Appends what SPF, DKIM, ARC, iprev and S/MIME found, between spam_authres_begin() and _end(). */
void spam_results_write(const struct spam_mail *m, struct cv_buf *out);
/* Appends the value of Received-SPF. False when SPF was not checked. */
bool spam_results_received_spf(const struct spam_mail *m, struct cv_buf *out);

#endif
