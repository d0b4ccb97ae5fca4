/* phrases.h - lists of phrases that are looked for in folded text, all at once.
 *
 * A phrase of a data file is words without diacritics; "#" stands for a number, "*" for up to five
 * words, "(a|b|)" for one of several or none. Private to the folder. Threads: read-only once built.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_POLICY_PHRASES_H
#define CV_POLICY_PHRASES_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#define POLICY_PHRASES_MAX 8000
#define POLICY_GROUPS_MAX  64
#define POLICY_HEADS       512 /* chains by a phrase's first word; a power of two */

struct policy_phrase {
	struct cv_str text;
	/* At a '(': its ')'. At a '(' or '|': where the branch behind it ends. */
	const uint16_t *close, *bar;
	unsigned group;
};
struct policy_first {
	struct cv_str word; /* that a phrase may begin with; "#" for numbers */
	unsigned phrase;
	bool is_whole; /* the word alone is the phrase */
	unsigned next; /* in its chain, plus one; 0 ends it */
};
struct policy_phrases {
	struct policy_phrase *items;
	size_t n, cap;
	struct policy_first *firsts;
	size_t first_count, first_cap;
	unsigned heads[POLICY_HEADS]; /* plus one; 0: empty */
};

/* Adds LINE (folded) to GROUP. */
CV_MUST_CHECK enum cv_status policy_phrases_add(struct policy_phrases *p, struct cv_arena *arena,
                                                struct cv_str line, unsigned group,
                                                struct cv_err *err);
void policy_phrases_done(struct policy_phrases *p);

#define POLICY_HITS_MAX    6  /* different phrases remembered of one group */
/* What was found of each group. */
struct policy_hits {
	unsigned count[POLICY_GROUPS_MAX]; /* different phrases, up to POLICY_HITS_MAX */
	const struct policy_phrase *seen[POLICY_GROUPS_MAX][POLICY_HITS_MAX];
};
/* Adds what FLAT holds to HITS. */
void policy_phrases_find(const struct policy_phrases *p, struct cv_str flat,
                         struct policy_hits *hits);
/* The same for the groups from FIRST to LAST, telling each place: phrases can be judged by what
 * stands before them. */
typedef void policy_phrase_seen(void *arg, const struct policy_phrase *phrase, size_t at);
void policy_phrases_each(const struct policy_phrases *p, struct cv_str flat,
                         policy_phrase_seen *seen, void *arg);

/* Appends at most MAX bytes of UTF8 folded, with letters of other scripts that look like Latin ones
 * as those, zero-width characters gone, everything but letters and digits one blank; a blank at
 * both ends. */
void policy_flatten(struct cv_str utf8, size_t max, struct cv_buf *out);

#endif
