/* libspf2.h - the second opinion on a client: libspf2, over the same answers and the same guard.
 *
 * Records are chosen and read by our grammar, then rewritten so that libspf2 meets no macro, no
 * name and no byte of a peer's choosing; limits, errors and none are settled as in spf.c. What is
 * left to it is the walk over the mechanisms, which is what is compared. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SPF_LIBSPF2_H
#define SPAM_SPF_LIBSPF2_H

#include "spamfilter/spf/spf.h"

/* The result alone. Asks DNS as spam_spf_check() does, mostly from memory. */
enum spam_spf_result spam_spf_libspf2(struct spam_lookups *lookups, const struct spam_spf_ask *ask);

#endif
