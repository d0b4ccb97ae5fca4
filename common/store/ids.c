/* ids.c - which delivery ids a busy account has, so that most deliveries need not ask its rows.
 *
 * Hashes of all D rows of one account, read when it gets its first few deliveries in memory. Not in
 * the set means surely not there; in the set means look. The set is as old as the account's
 * version: whoever else writes makes our commit conflict, and reading the account again forgets the
 * set.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"

#define ASKED_BEFORE 4u     /* look-ups before the set is worth reading */
#define IDS_MAX      20000u /* above it the rows are asked every time */

static uint64_t
hash_of(struct cv_str id)
{
	uint64_t h = cv_hash(id.p, id.n, 0x636f6e677675);
	return h ? h : 1; /* 0 is a free slot */
}

static uint64_t *
slot_of(struct cv_ids *ids, uint64_t hash)
{
	size_t at = hash & (ids->cap - 1);
	while (ids->slots[at] && ids->slots[at] != hash)
		at = (at + 1) & (ids->cap - 1);
	return &ids->slots[at];
}

static void
grow(struct cv_ids *ids)
{
	struct cv_ids old = *ids;
	ids->cap = old.cap ? old.cap * 2 : 64;
	ids->slots = cv_calloc(ids->cap, sizeof *ids->slots);
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i])
			*slot_of(ids, old.slots[i]) = old.slots[i];
	free(old.slots);
}

static void
add_hash(struct cv_ids *ids, uint64_t hash)
{
	if (2 * (ids->count + 1) > ids->cap)
		grow(ids);
	uint64_t *slot = slot_of(ids, hash);
	ids->count += !*slot;
	*slot = hash;
}

static bool
add_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct cv_ids *ids = arg;
	(void)value;
	add_hash(ids, hash_of(cv_str_sub(key, 1, key.n)));
	return ids->count < IDS_MAX;
}

static void
read_ids(struct cv_acct *a)
{
	cv_ids_forget(a);
	enum cv_status status = cv_meta_scan(
		a->store->engine, a->id, CV_STR("D"), CV_STR("E"), 0, add_row, &a->ids, NULL);
	if (status || a->ids.count >= IDS_MAX)
		cv_ids_forget(a);
	else
		a->ids.known = true;
}

void
cv_ids_forget(struct cv_acct *a)
{
	free(a->ids.slots);
	a->ids = (struct cv_ids){0};
}

bool
cv_ids_may_have(struct cv_acct *a, struct cv_str id)
{
	if (!a->ids.known && ++a->ids.asked > ASKED_BEFORE)
		read_ids(a);
	return !a->ids.known || (a->ids.cap && *slot_of(&a->ids, hash_of(id)));
}

void
cv_ids_add(struct cv_acct *a, struct cv_str id)
{
	if (!a->ids.known)
		return;
	add_hash(&a->ids, hash_of(id));
	if (a->ids.count >= IDS_MAX)
		cv_ids_forget(a);
}
