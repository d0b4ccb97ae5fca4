/* lockout.c - the table of failed log-ins. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/lockout.h"

#include <netinet/in.h>
#include <pthread.h>

#include "common/base/rng.h"

#define SETS 4096
#define WAYS 8

struct pair {
	uint64_t key;       /* 0: free */
	int64_t until_ms;   /* failures are forgotten then, and the lock ends */
	unsigned failures;
};
struct lockout {
	pthread_mutex_t lock; /* rank: leaf */
	uint64_t seed;
	struct pair pairs[SETS][WAYS];
};

struct lockout *
lockout_new(void)
{
	struct lockout *l = cv_calloc(1, sizeof *l);
	pthread_mutex_init(&l->lock, NULL);
	l->seed = cv_random_u64();
	return l;
}

void
lockout_free(struct lockout *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* The /24 or /64 of PEER; an IPv4 address inside IPv6 counts as IPv4. */
static size_t
network(const struct sockaddr_storage *peer, unsigned char out[8])
{
	if (peer && peer->ss_family == AF_INET) {
		memcpy(out, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 3);
		return 3;
	}
	if (!peer || peer->ss_family != AF_INET6)
		return 0;
	const struct in6_addr *ip = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
	if (IN6_IS_ADDR_V4MAPPED(ip)) {
		memcpy(out, ip->s6_addr + 12, 3);
		return 3;
	}
	memcpy(out, ip->s6_addr, 8);
	return 8;
}

uint64_t
lockout_key(const struct lockout *l, struct cv_str name, const struct sockaddr_storage *peer)
{
	unsigned char net[8];
	size_t n = network(peer, net);
	uint64_t key = cv_hash(net, n, l->seed);
	char low[320];
	size_t name_n = CV_MIN(name.n, sizeof low);
	for (size_t i = 0; i < name_n; i++)
		low[i] = (char)cv_lower((unsigned char)name.p[i]);
	key = cv_hash(low, name_n, key ^ l->seed);
	return key ? key : 1;
}

static struct pair *
find(struct lockout *l, uint64_t key)
{
	struct pair *set = l->pairs[key % SETS];
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].key == key)
			return &set[i];
	return NULL;
}

static struct pair *
replaceable(struct lockout *l, uint64_t key, int64_t now_ms)
{
	struct pair *set = l->pairs[key % SETS], *best = &set[0];
	for (size_t i = 0; i < WAYS; i++) {
		if (!set[i].key || set[i].until_ms <= now_ms)
			return &set[i];
		if (set[i].failures < best->failures ||
		    (set[i].failures == best->failures && set[i].until_ms < best->until_ms))
			best = &set[i];
	}
	return best;
}

bool
lockout_is_locked(struct lockout *l, uint64_t key, int64_t now_ms)
{
	pthread_mutex_lock(&l->lock);
	const struct pair *p = find(l, key);
	bool locked = p && p->failures >= LOCKOUT_TRIES && p->until_ms > now_ms;
	pthread_mutex_unlock(&l->lock);
	return locked;
}

void
lockout_fail(struct lockout *l, uint64_t key, int64_t now_ms)
{
	pthread_mutex_lock(&l->lock);
	struct pair *p = find(l, key);
	if (!p)
		p = replaceable(l, key, now_ms);
	if (p->key != key || p->until_ms <= now_ms)
		*p = (struct pair){ .key = key };
	p->failures++;
	p->until_ms = now_ms + LOCKOUT_SECS * 1000;
	pthread_mutex_unlock(&l->lock);
}

void
lockout_clear(struct lockout *l, uint64_t key)
{
	pthread_mutex_lock(&l->lock);
	struct pair *p = find(l, key);
	if (p)
		*p = (struct pair){0};
	pthread_mutex_unlock(&l->lock);
}
