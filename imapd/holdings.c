/* holdings.c - see holdings.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/holdings.h"

#include "common/base/base.h"

#define LINKS_MAX 20000u /* of one box; what the register allows */

struct building {
	struct imapd_holdings *h;
	size_t cap;
	cv_acct_no *links;
};

static void
add(struct building *b, cv_acct_no person, cv_acct_no owner, unsigned how)
{
	struct imapd_holdings *h = b->h;

	if (h->count == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 256;
		h->items = cv_realloc(h->items, b->cap * sizeof(*h->items));
	}
	h->items[h->count++] = (struct imapd_holding){person, owner, how};
}

static void
add_box(struct building *b, const struct cv_snapshot *s, const struct cv_reg_account *box)
{
	if (box->state != CV_STATE_ACTIVE || box->kind == CV_KIND_GROUP)
		return;
	if (box->kind != CV_KIND_ROLE && box->kind != CV_KIND_AGENCY)
		return;
	size_t n = cv_snapshot_members(s, box->acct, b->links, LINKS_MAX);
	for (size_t i = 0; i < CV_MIN(n, (size_t)LINKS_MAX); i++)
		add(b, b->links[i], box->acct, IMAPD_HOLD_HOLDER);
}

static int
by_person(const void *a, const void *b)
{
	const struct imapd_holding *x = a, *y = b;

	if (x->person != y->person)
		return x->person < y->person ? -1 : 1;
	return (x->owner > y->owner) - (x->owner < y->owner);
}

/* Several ways to one box become one. */
static void
merge(struct imapd_holdings *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->count; i++) {
		if (n && !by_person(&h->items[n - 1], &h->items[i]))
			h->items[n - 1].how |= h->items[i].how;
		else
			h->items[n++] = h->items[i];
	}
	h->count = n;
}

static struct imapd_holdings *
build(const struct cv_snapshot *s)
{
	struct building b = {.h = cv_calloc(1, sizeof(*b.h)),
		.links = cv_calloc(LINKS_MAX, sizeof(*b.links))};
	struct cv_reg_account box;

	b.h->refs = 1;
	b.h->generation = cv_snapshot_generation(s);
	for (size_t i = 0; cv_snapshot_nth(s, i, &box); i++)
		add_box(&b, s, &box);
	if (b.h->count)
		qsort(b.h->items, b.h->count, sizeof(*b.h->items), by_person);
	merge(b.h);
	free(b.links);
	return b.h;
}

void
imapd_holdings_init(struct imapd_holdings_cache *cache)
{
	pthread_mutex_init(&cache->lock, NULL);
	cache->now = NULL;
}

static void
unref(struct imapd_holdings *h)
{
	if (!h || --h->refs)
		return;
	free(h->items);
	free(h);
}

void
imapd_holdings_done(struct imapd_holdings_cache *cache)
{
	unref(cache->now);
	pthread_mutex_destroy(&cache->lock);
}

struct imapd_holdings *
imapd_holdings_get(struct imapd_holdings_cache *cache, const struct cv_snapshot *snapshot)
{
	pthread_mutex_lock(&cache->lock);
	struct imapd_holdings *h = cache->now;
	if (!h || h->generation < cv_snapshot_generation(snapshot)) {
		cache->now = build(snapshot);
		unref(h);
		h = cache->now;
	}
	h->refs++;
	pthread_mutex_unlock(&cache->lock);
	return h;
}

void
imapd_holdings_unref(struct imapd_holdings_cache *cache, struct imapd_holdings *h)
{
	pthread_mutex_lock(&cache->lock);
	unref(h);
	pthread_mutex_unlock(&cache->lock);
}

void
imapd_holdings_of(const struct imapd_holdings *h, cv_acct_no person,
	const struct imapd_holding **first_out, size_t *count_out)
{
	size_t low = 0, high = h->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (h->items[mid].person < person)
			low = mid + 1;
		else
			high = mid;
	}
	size_t end = low;
	while (end < h->count && h->items[end].person == person)
		end++;
	*first_out = h->items + low;
	*count_out = end - low;
}

unsigned
imapd_holdings_how(const struct imapd_holdings *h, cv_acct_no person, cv_acct_no owner)
{
	const struct imapd_holding *first;
	size_t count;

	imapd_holdings_of(h, person, &first, &count);
	for (size_t i = 0; i < count; i++)
		if (first[i].owner == owner)
			return first[i].how;
	return 0;
}
