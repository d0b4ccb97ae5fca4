/* copies.c - see copies.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/reputation/copies.h"

#include <stdlib.h>

#include "common/base/clock.h"

#define RUN 4 /* words */

enum { SEEN, SPAM, HAM };

static bool
is_letter(unsigned char c)
{
	return c >= 0x80 || cv_is_alpha(c);
}

/* The next word's hash. Digits part words: numbers are what differs between copies. */
static bool
next_word(struct cv_str *rest, uint64_t *hash_out)
{
	size_t from = 0, to;

	while (from < rest->n && !is_letter((unsigned char)rest->p[from]))
		from++;
	for (to = from; to < rest->n && is_letter((unsigned char)rest->p[to]);)
		to++;
	if (to == from)
		return false;
	*hash_out = cv_hash(rest->p + from, to - from, 7);
	*rest = cv_str_sub(*rest, to, rest->n);
	return true;
}

void
spam_sketch(struct cv_str folded, struct spam_sketch *out)
{
	static const uint64_t turns[SPAM_SKETCH_MARKS] = {
		0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu, 0x165667b19e3779f9u, 0xd6e8feb86659fd93u};
	uint64_t run[RUN];
	size_t words = 0;

	for (size_t i = 0; i < SPAM_SKETCH_MARKS; i++)
		out->marks[i] = UINT64_MAX;
	for (uint64_t word; words < SPAM_SKETCH_WORDS && next_word(&folded, &word);) {
		run[words++ % RUN] = word;
		if (words < RUN)
			continue;
		uint64_t sum = 0;
		for (size_t i = 0; i < RUN; i++)
			sum = sum * 31 + run[(words + i) % RUN];
		for (size_t i = 0; i < SPAM_SKETCH_MARKS; i++) {
			uint64_t turned = (sum ^ turns[i]) * turns[i];
			turned ^= turned >> 29;
			out->marks[i] = CV_MIN(out->marks[i], turned);
		}
	}
	out->is_any = words >= SPAM_SKETCH_LEAST;
}

static struct spam_tally_key
key_of(const struct spam_sketch *s, size_t mark)
{
	const struct cv_str parts[] = {
		{(const char *)&mark,           sizeof mark          },
		{(const char *)&s->marks[mark], sizeof s->marks[mark]},
	};

	return spam_tally_key('t', parts, CV_COUNT(parts));
}

/* first_secs is the beginning of the window. */
static bool
is_over(const struct spam_tally_entry *e, uint32_t now)
{
	return now > e->first_secs && now - e->first_secs > SPAM_COPIES_SECS;
}

static void
see(struct spam_tally_entry *e, void *arg)
{
	uint32_t now = *(const uint32_t *)arg;

	if (is_over(e, now)) {
		e->first_secs = now;
		e->counts[SEEN] = 0;
	}
	e->counts[SEEN] += e->counts[SEEN] < UINT32_MAX;
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* What all but one of the marks reach. */
static uint32_t
most_agree(uint32_t counts[SPAM_SKETCH_MARKS])
{
	qsort(counts, SPAM_SKETCH_MARKS, sizeof *counts, by_size);
	return counts[1];
}

void
spam_copies_look(struct spam_tally *t, const struct spam_sketch *sketch, struct spam_copies *out)
{
	uint32_t seen[SPAM_SKETCH_MARKS], spam[SPAM_SKETCH_MARKS], ham[SPAM_SKETCH_MARKS];
	uint32_t now = (uint32_t)cv_wall_secs();
	struct spam_tally_entry e;

	*out = (struct spam_copies){0};
	if (!sketch->is_any)
		return;
	for (size_t i = 0; i < SPAM_SKETCH_MARKS; i++) {
		(void)spam_tally_get(t, key_of(sketch, i), &e);
		seen[i] = is_over(&e, now) ? 0 : e.counts[SEEN];
		spam[i] = e.counts[SPAM];
		ham[i] = e.counts[HAM];
	}
	out->seen = most_agree(seen);
	out->spam = most_agree(spam);
	out->ham = most_agree(ham);
}

void
spam_copies_note(struct spam_tally *t, const struct spam_sketch *sketch)
{
	uint32_t now = (uint32_t)cv_wall_secs();

	for (size_t i = 0; sketch->is_any && i < SPAM_SKETCH_MARKS; i++)
		spam_tally_update(t, key_of(sketch, i), see, &now);
}

void
spam_copies_learn(
	struct spam_tally *t, const struct spam_sketch *sketch, uint64_t teacher, bool is_spam)
{
	const struct cv_str parts[] = {
		{(const char *)&teacher,      sizeof teacher      },
		{(const char *)sketch->marks, sizeof sketch->marks},
		{is_spam ? "s" : "h",         1                   },
	};

	if (!sketch->is_any ||
		spam_tally_add(t, spam_tally_key('l', parts, CV_COUNT(parts)), 0, 1).counts[0] > 1)
		return;
	for (size_t i = 0; i < SPAM_SKETCH_MARKS; i++)
		spam_tally_add(t, key_of(sketch, i), is_spam ? SPAM : HAM, 1);
}
