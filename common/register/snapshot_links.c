/* snapshot_links.c - what an account belongs to: the links of a snapshot, read backwards.
 *
 * The file says who the members of a group are. Who asks which groups somebody is in would have to
 * look at every member of every group, so the first who asks has all links turned round at once: 4
 * bytes a link and 8 an account, kept as long as the snapshot. Two who ask first at the same time
 * both do the work, and one result is thrown away.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/snapshot_impl.h"

struct turned {
	uint32_t *first; /* of account i: items[first[i]] up to items[first[i + 1]] */
	uint32_t *items; /* account indexes, ascending */
};
struct snap_reverse {
	struct turned members, delegates;
};

struct run {
	uint32_t first, count;
};
#define RUNS_MAX 3

/* The links of A that are turned round together. */
static size_t
runs_of(const struct snap_account *a, bool of_members, struct run runs[RUNS_MAX])
{
	runs[0] = (struct run){ a->delegates_first, a->delegates_count };
	runs[1] = (struct run){ a->readers_first, a->readers_count };
	runs[2] = (struct run){ a->stewards_first, a->stewards_count };
	if (!of_members)
		return 3;
	runs[0] = (struct run){ a->members_first, a->members_count };
	return 1;
}

static struct turned
turn(const struct cv_snapshot *s, bool of_members)
{
	uint32_t n = (uint32_t)s->n_accounts;
	struct turned t = {.first = cv_calloc((size_t)n + 2, sizeof(*t.first))};
	struct run runs[RUNS_MAX];

	/* first[i + 2] counts, then first[i + 1] is where the next of i goes. */
	for (uint32_t i = 0; i < n; i++)
		for (size_t r = runs_of(&s->accounts[i], of_members, runs); r > 0; r--)
			for (uint32_t k = 0; k < runs[r - 1].count; k++)
				t.first[s->links[runs[r - 1].first + k] + 2]++;
	for (uint32_t i = 1; i <= n; i++)
		t.first[i + 1] += t.first[i];
	t.items = cv_calloc((size_t)t.first[n + 1] + 1, sizeof(*t.items));
	for (uint32_t i = 0; i < n; i++)
		for (size_t r = runs_of(&s->accounts[i], of_members, runs); r > 0; r--)
			for (uint32_t k = 0; k < runs[r - 1].count; k++)
				t.items[t.first[s->links[runs[r - 1].first + k] + 1]++] = i;
	return t;
}

void
snap_reverse_free(struct snap_reverse *r)
{
	if (!r)
		return;
	free(r->members.first);
	free(r->members.items);
	free(r->delegates.first);
	free(r->delegates.items);
	free(r);
}

static const struct snap_reverse *
reverse_of(const struct cv_snapshot *s)
{
	struct cv_snapshot *mine = (struct cv_snapshot *)(uintptr_t)s;
	struct snap_reverse *r = atomic_load(&mine->reverse), *other = NULL;

	if (r)
		return r;
	r = cv_calloc(1, sizeof(*r));
	r->members = turn(s, true);
	r->delegates = turn(s, false);
	if (atomic_compare_exchange_strong(&mine->reverse, &other, r))
		return r;
	snap_reverse_free(r);
	return other;
}

static size_t
give(const struct cv_snapshot *s, const struct turned *t, cv_acct_no acct, cv_acct_no *out,
	size_t max)
{
	const struct snap_account *a = snap_find_account(s, acct);

	if (!a)
		return 0;
	size_t index = (size_t)(a - s->accounts), to = t->first[index + 1], n = 0;
	for (size_t i = t->first[index]; i < to; i++) {
		/* Whoever is named in two ways stands there twice, side by side. */
		if (i > t->first[index] && t->items[i] == t->items[i - 1])
			continue;
		if (n < max)
			out[n] = s->accounts[t->items[i]].acct;
		n++;
	}
	return n;
}

size_t
cv_snapshot_memberships(const struct cv_snapshot *s, cv_acct_no acct, cv_acct_no *out, size_t max)
{
	return s->h ? give(s, &reverse_of(s)->members, acct, out, max) : 0;
}

size_t
cv_snapshot_delegations(const struct cv_snapshot *s, cv_acct_no acct, cv_acct_no *out, size_t max)
{
	return s->h ? give(s, &reverse_of(s)->delegates, acct, out, max) : 0;
}

/* ---- groups in groups ---- */

static bool
has(const cv_acct_no *list, size_t count, cv_acct_no acct)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == acct)
			return true;
	return false;
}

size_t
cv_snapshot_all_memberships(const struct cv_snapshot *s, cv_acct_no acct, cv_acct_no *out,
	size_t max)
{
	size_t n = 0, done = 0;

	/* Breadth first; what is in the list already is not taken again, so a loop ends. */
	for (cv_acct_no at = acct;; at = out[done++]) {
		const struct snap_account *a = snap_find_account(s, at);
		if (a && (at == acct || a->kind == CV_KIND_GROUP)) {
			const struct turned *t = &reverse_of(s)->members;
			size_t i = (size_t)(a - s->accounts);
			for (uint32_t k = t->first[i]; k < t->first[i + 1] && n < max; k++) {
				cv_acct_no above = s->accounts[t->items[k]].acct;
				if (!has(out, n, above))
					out[n++] = above;
			}
		}
		if (done == n)
			return n;
	}
}
