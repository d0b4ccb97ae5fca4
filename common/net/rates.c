/* rates.c - see rates.h: the generic cell rate algorithm over sets of eight buckets.
 *
 * A bucket is the moment at which it will be full. Taking COST tokens moves that moment by COST
 * times PERIOD/COUNT, and is allowed while it stays within PERIOD of now. Times are microseconds.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/rates.h"

#include <netinet/in.h>
#include <pthread.h>

#include "common/base/rng.h"

#define SHARDS 32u
#define WAYS 8u

struct bucket {
	int64_t full_us; /* 0: free */
	uint32_t n;
	unsigned char key[CV_RATE_KEY_MAX];
};

struct shard {
	pthread_mutex_t lock;
	struct bucket *buckets; /* sets of WAYS */
};

struct cv_rates {
	uint64_t seed;
	size_t sets; /* of a shard */
	struct shard shards[SHARDS];
};

struct cv_rates *
cv_rates_new(size_t entries)
{
	struct cv_rates *t = cv_calloc(1, sizeof *t);

	t->seed = cv_random_u64();
	t->sets = CV_MAX((entries + SHARDS * WAYS - 1) / (SHARDS * WAYS), (size_t)1);
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&t->shards[i].lock, NULL);
		t->shards[i].buckets = cv_calloc(t->sets * WAYS, sizeof(struct bucket));
	}
	return t;
}

void
cv_rates_free(struct cv_rates *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_destroy(&t->shards[i].lock);
		free(t->shards[i].buckets);
	}
	free(t);
}

/* KEY's set, its shard locked. */
static struct bucket *
enter(struct cv_rates *t, struct cv_str key, struct shard **shard_out)
{
	assert(key.n && key.n <= CV_RATE_KEY_MAX);
	uint64_t hash = cv_hash(key.p, key.n, t->seed);

	*shard_out = &t->shards[hash % SHARDS];
	pthread_mutex_lock(&(*shard_out)->lock);
	return &(*shard_out)->buckets[hash / SHARDS % t->sets * WAYS];
}

static struct bucket *
find(struct bucket *set, struct cv_str key)
{
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].n == key.n && !memcmp(set[i].key, key.p, key.n))
			return &set[i];
	return NULL;
}

/* KEY's own bucket, or the one that is nearest to full, made KEY's. */
static struct bucket *
find_or_replace(struct bucket *set, struct cv_str key)
{
	struct bucket *b = find(set, key);

	if (b)
		return b;
	b = set;
	for (size_t i = 1; i < WAYS; i++)
		if (set[i].full_us < b->full_us)
			b = &set[i];
	*b = (struct bucket){.n = (uint32_t)key.n};
	memcpy(b->key, key.p, key.n);
	return b;
}

/* When the bucket would be full again after COST more; 0: there are not so many tokens. */
static int64_t
after(const struct bucket *b, struct cv_rate rate, uint32_t cost, int64_t now_us)
{
	int64_t period_us = (int64_t)rate.period_secs * 1000000;
	int64_t full_us = CV_MAX(b ? b->full_us : 0, now_us) + cost * period_us / rate.count;

	return full_us - now_us > period_us ? 0 : full_us;
}

bool
cv_rates_take(struct cv_rates *t, struct cv_str key, struct cv_rate rate, uint32_t cost,
              int64_t now_ms)
{
	struct shard *shard;

	if (!rate.count || !cost)
		return true;
	struct bucket *set = enter(t, key, &shard), *b = find(set, key);
	int64_t full_us = after(b, rate, cost, now_ms * 1000);
	if (full_us)
		(b ? b : find_or_replace(set, key))->full_us = full_us;
	pthread_mutex_unlock(&shard->lock);
	return full_us != 0;
}

bool
cv_rates_has(struct cv_rates *t, struct cv_str key, struct cv_rate rate, uint32_t cost,
             int64_t now_ms)
{
	struct shard *shard;

	if (!rate.count || !cost)
		return true;
	struct bucket *set = enter(t, key, &shard);
	bool has = after(find(set, key), rate, cost, now_ms * 1000) != 0;
	pthread_mutex_unlock(&shard->lock);
	return has;
}

void
cv_rates_forget(struct cv_rates *t, struct cv_str key)
{
	struct shard *shard;
	struct bucket *b = find(enter(t, key, &shard), key);

	if (b)
		*b = (struct bucket){0};
	pthread_mutex_unlock(&shard->lock);
}

void
cv_rates_mark(struct cv_rates *t, struct cv_str key, int64_t until_ms, int64_t now_ms)
{
	struct shard *shard;

	if (until_ms <= now_ms)
		return;
	find_or_replace(enter(t, key, &shard), key)->full_us = until_ms * 1000;
	pthread_mutex_unlock(&shard->lock);
}

bool
cv_rates_is_marked(struct cv_rates *t, struct cv_str key, int64_t now_ms)
{
	struct shard *shard;
	const struct bucket *b = find(enter(t, key, &shard), key);
	bool marked = b && b->full_us > now_ms * 1000;

	pthread_mutex_unlock(&shard->lock);
	return marked;
}

/* ---- keys ---- */

bool
cv_rate_key_network(unsigned char class, const struct sockaddr_storage *a, unsigned bits_v4,
                    unsigned bits_v6, struct cv_rate_key *out)
{
	const unsigned char *ip;
	size_t bytes = 16;
	unsigned bits = bits_v6;

	if (a->ss_family == AF_INET) {
		ip = (const unsigned char *)&((const struct sockaddr_in *)a)->sin_addr;
		bytes = 4;
	} else if (a->ss_family == AF_INET6) {
		ip = ((const struct sockaddr_in6 *)a)->sin6_addr.s6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)a)->sin6_addr)) {
			ip += 12;
			bytes = 4;
		}
	} else {
		return false;
	}
	if (bytes == 4)
		bits = bits_v4;
	*out = (struct cv_rate_key){.n = 2 + bytes};
	out->bytes[0] = class;
	out->bytes[1] = (unsigned char)bytes;
	for (size_t i = 0; i < bytes && i * 8 < bits; i++) {
		unsigned left = bits - (unsigned)i * 8;
		unsigned mask = left >= 8 ? 0xffu : 0xff00u >> left;
		out->bytes[2 + i] = (unsigned char)(ip[i] & mask);
	}
	return true;
}

void
cv_rate_key_number(unsigned char class, uint64_t number, struct cv_rate_key *out)
{
	*out = (struct cv_rate_key){.n = 9};
	out->bytes[0] = class;
	memcpy(out->bytes + 1, &number, sizeof number);
}
