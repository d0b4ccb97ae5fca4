/* trust.c - see trust.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/reputation/trust.h"

#include <math.h>

#include "common/base/clock.h"

#define HALF_LIFE_SECS (30u * 86400)
#define TRACES_MIN     3  /* fewer say nothing */
#define TRACES_HALF    10 /* with these a name has half of its weight */
#define TRACES_MAX     100000
#define STEEPNESS      0.6

enum { GOOD, BAD };

/* For each kind: how far it can pull to either side. */
static double
clamp_for(enum spam_trust_kind kind, double weight)
{
	static const struct {
		enum spam_trust_kind kind;
		double least, most;
	} limits[] = {
		{SPAM_TRUST_PROVED,  -1.5, 2.5},
		{SPAM_TRUST_CLAIMED, 0,    1.5},
		{SPAM_TRUST_NETWORK, -0.5, 1.5},
		{SPAM_TRUST_HOST,    0,    2.5},
	};

	for (size_t i = 0; i < CV_COUNT(limits); i++)
		if (limits[i].kind == kind)
			return CV_MIN(CV_MAX(weight, limits[i].least), limits[i].most);
	return 0;
}

/* first_secs is the time of the last halving. */
static void
fade(struct spam_tally_entry *e, uint32_t now)
{
	if (now < e->first_secs || now - e->first_secs < HALF_LIFE_SECS)
		return;
	uint32_t times = (now - e->first_secs) / HALF_LIFE_SECS;
	for (size_t i = 0; i < SPAM_TALLY_COUNTS; i++)
		e->counts[i] = times < 32 ? e->counts[i] >> times : 0;
	e->first_secs += times * HALF_LIFE_SECS;
}

double
spam_trust_weight(
	struct spam_tally *t, enum spam_trust_kind kind, struct cv_str name, uint32_t *seen_out)
{
	struct spam_tally_entry e;
	double good, bad, seen;

	if (seen_out)
		*seen_out = 0;
	if (!name.n || !spam_tally_get(t, spam_tally_key((char)kind, &name, 1), &e))
		return 0;
	fade(&e, (uint32_t)cv_wall_secs());
	good = e.counts[GOOD];
	bad = e.counts[BAD];
	seen = good + bad;
	if (seen_out)
		*seen_out = e.counts[GOOD] + e.counts[BAD];
	if (seen < TRACES_MIN)
		return 0;
	double odds = log((bad + 1) / (good + 1));
	return clamp_for(kind, STEEPNESS * odds * seen / (seen + TRACES_HALF));
}

struct trace {
	unsigned index;
	uint32_t how_much;
};

static void
leave(struct spam_tally_entry *e, void *arg)
{
	const struct trace *trace = arg;

	fade(e, (uint32_t)cv_wall_secs());
	e->counts[trace->index] =
		CV_MIN(e->counts[trace->index] + trace->how_much, (uint32_t)TRACES_MAX);
}

void
spam_trust_note(struct spam_tally *t, enum spam_trust_kind kind, struct cv_str name, bool is_good,
	uint32_t how_much)
{
	struct trace trace = {is_good ? GOOD : BAD, how_much};

	if (name.n)
		spam_tally_update(t, spam_tally_key((char)kind, &name, 1), leave, &trace);
}
