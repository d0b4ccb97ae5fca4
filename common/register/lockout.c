/* lockout.c - the table of failed log-ins. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/lockout.h"

#include <netinet/in.h>
#include <pthread.h>

#include "common/base/rng.h"

#define SETS 4096
#define WAYS 8

#define NETWORK_PATIENCE 20u /* failures of a network before its answers wait longer */

struct pair {
	uint64_t key;       /* 0: free */
	uint64_t name;      /* 0: a whole network */
	int64_t until_ms;   /* failures are forgotten then, and the lock ends */
	unsigned failures;
	unsigned pending;   /* tries under way */
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

struct lockout_id
lockout_id(const struct lockout *l, struct cv_str name, const struct sockaddr_storage *peer)
{
	unsigned char net[8];
	char low[320];
	size_t n = network(peer, net), name_n = CV_MIN(name.n, sizeof low);
	for (size_t i = 0; i < name_n; i++)
		low[i] = (char)cv_lower((unsigned char)name.p[i]);
	uint64_t net_hash = cv_hash(net, n, l->seed);
	uint64_t name_hash = cv_hash(low, name_n, ~l->seed);
	uint64_t both = cv_hash(low, name_n, net_hash ^ l->seed);
	return (struct lockout_id){ both ? both : 1, name_hash ? name_hash : 1,
		net_hash ? net_hash : 1 };
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

static bool
is_locked(const struct pair *p, int64_t now_ms)
{
	return p && p->failures >= LOCKOUT_TRIES && p->until_ms > now_ms;
}

bool
lockout_is_locked(struct lockout *l, const struct lockout_id *id, int64_t now_ms)
{
	pthread_mutex_lock(&l->lock);
	bool locked = is_locked(find(l, id->pair), now_ms);
	pthread_mutex_unlock(&l->lock);
	return locked;
}

int64_t
lockout_until(struct lockout *l, const struct lockout_id *id, int64_t now_ms)
{
	pthread_mutex_lock(&l->lock);
	const struct pair *p = find(l, id->pair);
	int64_t until = is_locked(p, now_ms) ? p->until_ms : 0;
	pthread_mutex_unlock(&l->lock);
	return until;
}

/* The place of KEY, taken if there was none or what it held has run out. */
static struct pair *
place(struct lockout *l, uint64_t key, uint64_t name, int64_t now_ms)
{
	struct pair *p = find(l, key);
	unsigned pending = p ? p->pending : 0;
	if (!p)
		p = replaceable(l, key, now_ms);
	if (p->key != key || p->until_ms <= now_ms)
		*p = (struct pair){ .key = key, .name = name, .pending = pending };
	p->until_ms = now_ms + LOCKOUT_SECS * 1000;
	return p;
}

enum lockout_answer
lockout_begin(struct lockout *l, const struct lockout_id *id, int64_t now_ms)
{
	enum lockout_answer answer = LOCKOUT_GO;
	pthread_mutex_lock(&l->lock);
	struct pair *p = find(l, id->pair);
	if (is_locked(p, now_ms)) {
		answer = LOCKOUT_LOCKED;
	} else {
		unsigned failures = p && p->until_ms > now_ms ? p->failures : 0;
		if (p && failures + p->pending >= LOCKOUT_TRIES)
			answer = LOCKOUT_CROWDED;
		else
			place(l, id->pair, id->name, now_ms)->pending++;
	}
	pthread_mutex_unlock(&l->lock);
	return answer;
}

void
lockout_end(struct lockout *l, const struct lockout_id *id)
{
	pthread_mutex_lock(&l->lock);
	struct pair *p = find(l, id->pair);
	if (p && p->pending)
		p->pending--;
	pthread_mutex_unlock(&l->lock);
}

void
lockout_fail_network(struct lockout *l, const struct lockout_id *id, int64_t now_ms)
{
	pthread_mutex_lock(&l->lock);
	place(l, id->network, 0, now_ms)->failures++;
	pthread_mutex_unlock(&l->lock);
}

void
lockout_fail(struct lockout *l, const struct lockout_id *id, int64_t now_ms)
{
	pthread_mutex_lock(&l->lock);
	place(l, id->pair, id->name, now_ms)->failures++;
	place(l, id->network, 0, now_ms)->failures++;
	pthread_mutex_unlock(&l->lock);
}

void
lockout_clear(struct lockout *l, const struct lockout_id *id)
{
	pthread_mutex_lock(&l->lock);
	struct pair *p = find(l, id->pair);
	if (p)
		p->failures = 0;
	pthread_mutex_unlock(&l->lock);
}

static unsigned
doubled(unsigned times)
{
	return times > 3 ? LOCKOUT_DELAY_MAX_MS : LOCKOUT_DELAY_FIRST_MS << times;
}

unsigned
lockout_delay_ms(struct lockout *l, const struct lockout_id *id, int64_t now_ms)
{
	unsigned own = 0, whole = 0;
	pthread_mutex_lock(&l->lock);
	const struct pair *p = find(l, id->pair), *net = find(l, id->network);
	if (p && p->until_ms > now_ms && p->failures)
		own = doubled(p->failures - 1);
	if (net && net->until_ms > now_ms && net->failures > NETWORK_PATIENCE)
		whole = doubled(net->failures / NETWORK_PATIENCE - 1);
	pthread_mutex_unlock(&l->lock);
	return CV_MAX(CV_MAX(own, whole), LOCKOUT_DELAY_FIRST_MS);
}

unsigned
lockout_unlock(struct lockout *l, struct cv_str name)
{
	uint64_t hash = lockout_id(l, name, NULL).name;
	unsigned count = 0;
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < (size_t)SETS * WAYS; i++) {
		struct pair *p = &l->pairs[i / WAYS][i % WAYS];
		if (p->name != hash || !p->failures)
			continue;
		p->failures = 0;
		count++;
	}
	pthread_mutex_unlock(&l->lock);
	return count;
}
