/* map.h - a hash table from byte strings to pointers, open addressing, seeded. Not thread-safe.
 *
 * Keys are copied; values belong to the caller.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_MAP_H
#define CV_MAP_H

#include "common/base/str.h"

struct cv_map_slot;
struct cv_map {
	struct cv_map_slot *slots;
	size_t cap, used, dead;
	uint64_t seed;
};

void cv_map_init(struct cv_map *m);
void cv_map_done(struct cv_map *m);
void *cv_map_get(const struct cv_map *m, struct cv_str key); /* NULL when absent */
/* Returns the value that was there before, or NULL. VALUE must not be NULL. */
void *cv_map_put(struct cv_map *m, struct cv_str key, void *value);
void *cv_map_del(struct cv_map *m, struct cv_str key); /* the value that was there, or NULL */
/* Walks all entries in no order: start with *pos = 0; false at the end. The map must not change
 * meanwhile, except that the entry just returned may be deleted. */
bool cv_map_each(const struct cv_map *m, size_t *pos, struct cv_str *key_out, void **value_out);

#endif
