/* grants.c - see grants.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/grants.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/store/acl.h"

struct building {
	const struct cv_snapshot *s;
	struct imapd_grants *g;
	size_t cap;
};

/* Whom ID means; false: nobody, or only those whom the register tells anyway. */
static bool
number_of(const struct cv_snapshot *s, struct cv_str id, cv_acct_no *out)
{
	struct cv_str address;
	struct cv_reg_hit hit;

	switch (cv_acl_kind(id, &address)) {
	case CV_ACL_ANYONE:
		*out = IMAPD_GRANT_ANYONE;
		return true;
	case CV_ACL_HOLDERS:
		return false;
	case CV_ACL_PERSON:
	case CV_ACL_GROUP:
		break;
	}
	cv_snapshot_find_address(s, address, &hit);
	*out = hit.account.acct;
	return hit.found == CV_REG_ACCOUNT || hit.found == CV_REG_GROUP;
}

static bool
add(void *arg, cv_acct_id owner, struct cv_str id)
{
	struct building *b = arg;
	struct imapd_grants *g = b->g;
	cv_acct_no to;

	if (!number_of(b->s, id, &to))
		return true;
	if (g->count == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 64;
		g->items = cv_realloc(g->items, b->cap * sizeof(*g->items));
	}
	g->items[g->count++] = (struct imapd_grant){to, owner};
	return true;
}

static int
compare(const void *a, const void *b)
{
	const struct imapd_grant *x = a, *y = b;

	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return (x->owner > y->owner) - (x->owner < y->owner);
}

static void
unref(struct imapd_grants *g)
{
	if (!g || --g->refs)
		return;
	free(g->items);
	free(g);
}

static struct imapd_grants *
build(struct cv_store *store, const struct cv_snapshot *s)
{
	struct building b = {.s = s, .g = cv_calloc(1, sizeof(*b.g))};
	struct cv_err err = {0};

	b.g->refs = 1;
	b.g->version = cv_grants_version(store); /* before the rows: a change raises it again */
	b.g->generation = cv_snapshot_generation(s);
	if (cv_grants_each(store, add, &b, &err)) {
		cv_log(0, CV_ERROR, "grants.unread", "error=\"%s\"", err.text);
		unref(b.g);
		return NULL;
	}
	if (b.g->count)
		qsort(b.g->items, b.g->count, sizeof(*b.g->items), compare);
	return b.g;
}

void
imapd_grants_init(struct imapd_grants_cache *cache)
{
	pthread_mutex_init(&cache->lock, NULL);
	cache->now = NULL;
}

void
imapd_grants_done(struct imapd_grants_cache *cache)
{
	unref(cache->now);
	pthread_mutex_destroy(&cache->lock);
}

struct imapd_grants *
imapd_grants_get(struct imapd_grants_cache *cache, struct cv_store *store,
	const struct cv_snapshot *snapshot)
{
	pthread_mutex_lock(&cache->lock);
	struct imapd_grants *g = cache->now;
	if (!g || g->generation < cv_snapshot_generation(snapshot) ||
		g->version != cv_grants_version(store)) {
		unref(g);
		g = cache->now = build(store, snapshot);
	}
	if (g)
		g->refs++;
	pthread_mutex_unlock(&cache->lock);
	return g;
}

void
imapd_grants_unref(struct imapd_grants_cache *cache, struct imapd_grants *g)
{
	pthread_mutex_lock(&cache->lock);
	unref(g);
	pthread_mutex_unlock(&cache->lock);
}

void
imapd_grants_to(const struct imapd_grants *g, cv_acct_no to, const struct imapd_grant **first_out,
	size_t *count_out)
{
	size_t low = 0, high = g->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (g->items[mid].to < to)
			low = mid + 1;
		else
			high = mid;
	}
	size_t end = low;
	while (end < g->count && g->items[end].to == to)
		end++;
	*first_out = g->items + low;
	*count_out = end - low;
}

bool
imapd_grants_has(const struct imapd_grants *g, cv_acct_no to, cv_acct_no owner)
{
	const struct imapd_grant *first;
	size_t count;

	imapd_grants_to(g, to, &first, &count);
	for (size_t low = 0, high = count; low < high;) {
		size_t mid = low + (high - low) / 2;
		if (first[mid].owner == owner)
			return true;
		if (first[mid].owner < owner)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}
