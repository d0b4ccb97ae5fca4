/* rates.h - how often a peer may do something: token buckets in a table of fixed size.
 *
 * A bucket that holds COUNT tokens and gets COUNT new ones every PERIOD is kept as one number: when
 * it will be full again. So a bucket that is full is the same as none, and a full table gives the
 * place of the bucket that is nearest to full: those who did most are forgotten last, and strangers
 * by the million cost no memory.
 *
 * Threads: all functions may be called from any thread; a table is many small ones, each with its
 * lock.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_RATES_H
#define CV_RATES_H

#include <sys/socket.h>

#include "common/base/str.h"

#define CV_RATE_KEY_MAX 20 /* bytes */

/* COUNT in PERIOD_SECS, all at once if need be. A COUNT of 0: no limit. */
struct cv_rate {
	uint32_t count, period_secs;
};

struct cv_rates;
/* Room for ENTRIES buckets at least (56 bytes each). */
struct cv_rates *cv_rates_new(size_t entries);
void cv_rates_free(struct cv_rates *t);

/* Takes COST tokens out of the bucket KEY (1 to CV_RATE_KEY_MAX bytes) and answers true; with fewer
 * tokens there takes none and answers false. NOW_MS is cv_mono_ms(). */
bool cv_rates_take(struct cv_rates *t, struct cv_str key, struct cv_rate rate, uint32_t cost,
                   int64_t now_ms);
/* Whether COST tokens are there; takes none. */
bool cv_rates_has(struct cv_rates *t, struct cv_str key, struct cv_rate rate, uint32_t cost,
                  int64_t now_ms);
/* Fills the bucket: it is forgotten. */
void cv_rates_forget(struct cv_rates *t, struct cv_str key);
/* The same table as a memory with an end: KEY is known until UNTIL_MS. */
void cv_rates_mark(struct cv_rates *t, struct cv_str key, int64_t until_ms, int64_t now_ms);
bool cv_rates_is_marked(struct cv_rates *t, struct cv_str key, int64_t now_ms);

/* The key of A's network under CLASS: the first BITS_V4 or BITS_V6 bits of the address (an IPv4
 * address inside IPv6 counts as IPv4). False for families without networks. */
struct cv_rate_key {
	unsigned char bytes[CV_RATE_KEY_MAX];
	size_t n;
};
bool cv_rate_key_network(unsigned char class, const struct sockaddr_storage *a, unsigned bits_v4,
                         unsigned bits_v6, struct cv_rate_key *out);
void cv_rate_key_number(unsigned char class, uint64_t number, struct cv_rate_key *out);
static inline struct cv_str
cv_rate_key_str(const struct cv_rate_key *k)
{
	return cv_str((const char *)k->bytes, k->n);
}

#endif
