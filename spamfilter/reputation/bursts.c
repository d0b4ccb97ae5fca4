/* bursts.c - see bursts.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/reputation/bursts.h"

#include "common/base/clock.h"

enum { MESSAGES, OUTSIDE, SPAM, FROZEN_UNTIL };

static struct spam_tally_key
key_of(struct cv_str login)
{
	return spam_tally_key('b', &login, 1);
}

struct note {
	const struct spam_burst_limits *limits;
	uint32_t now, outside;
	bool is_spam;
	enum spam_burst answer;
};

static void
note(struct spam_tally_entry *e, void *arg)
{
	struct note *n = arg;
	const struct spam_burst_limits *l = n->limits;

	if (e->counts[FROZEN_UNTIL] > n->now) {
		n->answer = SPAM_BURST_FROZEN;
		return;
	}
	/* first_secs is the beginning of the window. */
	if (e->counts[FROZEN_UNTIL] || n->now < e->first_secs ||
		n->now - e->first_secs >= l->window_secs) {
		e->first_secs = n->now;
		e->counts[MESSAGES] = e->counts[OUTSIDE] = e->counts[SPAM] = 0;
		e->counts[FROZEN_UNTIL] = 0;
	}
	e->counts[MESSAGES] += e->counts[MESSAGES] < UINT32_MAX;
	e->counts[OUTSIDE] = CV_MIN(e->counts[OUTSIDE], UINT32_MAX - n->outside) + n->outside;
	e->counts[SPAM] += n->is_spam;
	if ((!l->rcpts || e->counts[OUTSIDE] <= l->rcpts) &&
		(!l->spam || e->counts[SPAM] <= l->spam))
		return;
	e->counts[FROZEN_UNTIL] = n->now + l->freeze_secs;
	n->answer = SPAM_BURST_BEGINS;
}

enum spam_burst
spam_burst_note(struct spam_tally *t, const struct spam_burst_limits *limits, struct cv_str login,
	uint32_t outside, bool is_spam)
{
	struct note n = {limits, (uint32_t)cv_wall_secs(), outside, is_spam, SPAM_BURST_NONE};

	spam_tally_update(t, key_of(login), note, &n);
	return n.answer;
}

bool
spam_burst_is_frozen(struct spam_tally *t, struct cv_str login, uint32_t *left_out)
{
	struct spam_tally_entry e;
	uint32_t now = (uint32_t)cv_wall_secs();
	bool is_frozen = spam_tally_get(t, key_of(login), &e) && e.counts[FROZEN_UNTIL] > now;

	*left_out = is_frozen ? e.counts[FROZEN_UNTIL] - now : 0;
	return is_frozen;
}

static void
release(struct spam_tally_entry *e, void *arg)
{
	*(bool *)arg = e->counts[FROZEN_UNTIL] > (uint32_t)cv_wall_secs();
	e->counts[FROZEN_UNTIL] = 0;
	e->counts[OUTSIDE] = e->counts[SPAM] = 0;
}

bool
spam_burst_release(struct spam_tally *t, struct cv_str login)
{
	bool was_frozen = false;
	uint32_t left;

	if (spam_burst_is_frozen(t, login, &left))
		spam_tally_update(t, key_of(login), release, &was_frozen);
	return was_frozen;
}
