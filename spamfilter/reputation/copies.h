/* copies.h - texts that come again and again, word for word or nearly.
 *
 * A text is sketched by the least of four hashes over its runs of four words (min-hash): texts that
 * share most of their runs share most of their sketch, whatever name stands in the greeting. The
 * table counts sketches in a window; it holds no text. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_COPIES_H
#define SPAM_COPIES_H

#include "spamfilter/reputation/tally.h"

#define SPAM_SKETCH_MARKS 4
#define SPAM_SKETCH_WORDS 2000 /* looked at */
#define SPAM_SKETCH_LEAST 12   /* words; a shorter text is no sketch */
#define SPAM_COPIES_SECS  86400u

struct spam_sketch {
	uint64_t marks[SPAM_SKETCH_MARKS];
	bool is_any; /* the text was long enough */
};
/* FOLDED: as cv_fold() gives it. */
void spam_sketch(struct cv_str folded, struct spam_sketch *out);

struct spam_copies {
	uint32_t seen;      /* in the last day */
	uint32_t spam, ham; /* how often people called its like so */
};
/* How often its like came before: what three of the four marks agree on. */
void spam_copies_look(
	struct spam_tally *t, const struct spam_sketch *sketch, struct spam_copies *out);
/* One more came. */
void spam_copies_note(struct spam_tally *t, const struct spam_sketch *sketch);
/* TEACHER said so; his word counts once for a text. */
void spam_copies_learn(
	struct spam_tally *t, const struct spam_sketch *sketch, uint64_t teacher, bool is_spam);

#endif
