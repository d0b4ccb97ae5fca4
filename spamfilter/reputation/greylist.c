/* greylist.c - see greylist.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/reputation/greylist.h"

#include "common/base/clock.h"

enum { TRIES, RETURNED };

struct visit {
	const struct spam_greylist_ask *ask;
	uint32_t now, left;
	bool waits, is_first_return;
};

static void
visit(struct spam_tally_entry *e, void *arg)
{
	struct visit *v = arg;
	uint32_t waited = v->now > e->first_secs ? v->now - e->first_secs : 0;

	if (e->counts[RETURNED])
		return;
	if (!e->counts[TRIES] || waited > v->ask->window_secs) {
		/* The first time, or as good as that. */
		e->first_secs = v->now;
		waited = 0;
	}
	e->counts[TRIES] += e->counts[TRIES] < UINT32_MAX;
	v->waits = waited < v->ask->pause_secs;
	v->left = v->waits ? v->ask->pause_secs - waited : 0;
	e->counts[RETURNED] = v->is_first_return = !v->waits;
}

static bool
is_trusted_network(struct spam_tally *t, struct spam_tally_key network)
{
	struct spam_tally_entry e;

	return spam_tally_get(t, network, &e) && e.counts[RETURNED] >= SPAM_GREYLIST_NETWORK_OK;
}

static struct spam_tally_key
key_of(const struct spam_greylist_ask *ask)
{
	const struct cv_str parts[] = {ask->network, ask->sender, ask->recipient};

	return spam_tally_key('g', parts, CV_COUNT(parts));
}

enum spam_greylist_answer
spam_greylist_look(struct spam_tally *t, const struct spam_greylist_ask *ask, uint32_t *left_out)
{
	struct visit v = {.ask = ask, .now = (uint32_t)cv_wall_secs()};
	struct spam_tally_entry e;

	if (left_out)
		*left_out = 0;
	if (is_trusted_network(t, spam_tally_key('N', &ask->network, 1)))
		return SPAM_GREYLIST_RETURNED;
	(void)spam_tally_get(t, key_of(ask), &e);
	visit(&e, &v); /* on a copy */
	if (left_out)
		*left_out = v.left;
	return v.waits ? SPAM_GREYLIST_WAIT : SPAM_GREYLIST_RETURNED;
}

void
spam_greylist_note(struct spam_tally *t, const struct spam_greylist_ask *ask)
{
	struct spam_tally_key network = spam_tally_key('N', &ask->network, 1);
	struct visit v = {.ask = ask, .now = (uint32_t)cv_wall_secs()};

	if (is_trusted_network(t, network)) {
		spam_tally_add(t, network, TRIES, 1); /* seen: not to be forgotten */
		return;
	}
	spam_tally_update(t, key_of(ask), visit, &v);
	if (v.is_first_return)
		spam_tally_add(t, network, RETURNED, 1);
}
