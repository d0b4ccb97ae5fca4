/* map.c - open addressing with linear probing; deleted slots stay as graves until the table is
 * built again.
 *
 * Invariants: cap is 0 or a power of two; used + dead <= 3/4 cap, so a probe always ends at an
 * empty slot. The seed comes from the kernel, so that peers cannot choose colliding keys.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/map.h"

#include "common/base/rng.h"

#define SMALLEST_CAP ((size_t)16)

struct cv_map_slot {
	uint64_t hash;
	char *key; /* NULL: empty, or a grave when `dead` */
	size_t key_n;
	void *value;
	bool dead;
};

void
cv_map_init(struct cv_map *m)
{
	*m = (struct cv_map){.seed = cv_random_u64()};
}

void
cv_map_done(struct cv_map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free(m->slots[i].key);
	free(m->slots);
	*m = (struct cv_map){.seed = m->seed};
}

static bool
is_key(const struct cv_map_slot *slot, uint64_t hash, struct cv_str key)
{
	return slot->key && slot->hash == hash && cv_str_eq(cv_str(slot->key, slot->key_n), key);
}

static struct cv_map_slot *
find(const struct cv_map *m, uint64_t hash, struct cv_str key)
{
	if (!m->cap)
		return NULL;
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct cv_map_slot *slot = &m->slots[i];
		if (is_key(slot, hash, key))
			return slot;
		if (!slot->key && !slot->dead)
			return NULL;
	}
}

/* The first slot on HASH's path that holds no key. */
static struct cv_map_slot *
free_slot(struct cv_map *m, uint64_t hash)
{
	size_t i = hash & (m->cap - 1);
	while (m->slots[i].key)
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

/* Builds the table again without graves, at most half full. */
static void
rebuild(struct cv_map *m)
{
	struct cv_map_slot *old = m->slots;
	size_t old_cap = m->cap;
	m->cap = SMALLEST_CAP;
	while (m->cap < (m->used + 1) * 2)
		m->cap *= 2;
	m->slots = cv_calloc(m->cap, sizeof *m->slots);
	m->dead = 0;
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].key)
			*free_slot(m, old[i].hash) = old[i];
	free(old);
}

void *
cv_map_get(const struct cv_map *m, struct cv_str key)
{
	const struct cv_map_slot *slot = find(m, cv_hash(key.p, key.n, m->seed), key);
	return slot ? slot->value : NULL;
}

void *
cv_map_put(struct cv_map *m, struct cv_str key, void *value)
{
	assert(value);
	uint64_t hash = cv_hash(key.p, key.n, m->seed);
	struct cv_map_slot *slot = find(m, hash, key);
	if (slot) {
		void *before = slot->value;
		slot->value = value;
		return before;
	}
	if ((m->used + m->dead + 1) * 4 > m->cap * 3)
		rebuild(m);
	slot = free_slot(m, hash);
	m->dead -= slot->dead;
	m->used++;
	*slot = (struct cv_map_slot){hash, cv_str_dup(key), key.n, value, false};
	return NULL;
}

void *
cv_map_del(struct cv_map *m, struct cv_str key)
{
	struct cv_map_slot *slot = find(m, cv_hash(key.p, key.n, m->seed), key);
	if (!slot)
		return NULL;
	void *value = slot->value;
	free(slot->key);
	*slot = (struct cv_map_slot){.dead = true};
	m->used--;
	m->dead++;
	return value;
}

bool
cv_map_each(const struct cv_map *m, size_t *pos, struct cv_str *key_out, void **value_out)
{
	while (*pos < m->cap) {
		const struct cv_map_slot *slot = &m->slots[(*pos)++];
		if (!slot->key)
			continue;
		*key_out = cv_str(slot->key, slot->key_n);
		*value_out = slot->value;
		return true;
	}
	return false;
}
