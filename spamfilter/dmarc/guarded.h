/* guarded.h - the names that are ours to guard: domains of the register, those that the province
 * had before, and whoever is below them. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DMARC_GUARDED_H
#define SPAM_DMARC_GUARDED_H

#include "spamfilter/mail.h"

#define SPAM_GUARDED_MAX 200 /* domains that are looked through */

/* DOMAIN (lower-case A-labels) is one of ours, was one, or is below one. After the snapshot is
 * held. */
bool spam_is_guarded(const struct spam_mail *m, struct cv_str domain);
/* It is none of ours any more, or below such a one. */
bool spam_is_former(const struct spam_mail *m, struct cv_str domain);
/* All of them, at most SPAM_GUARDED_MAX; slices live as long as options and snapshot of M. */
size_t spam_guarded(const struct spam_mail *m, struct cv_str out[SPAM_GUARDED_MAX]);

#endif
