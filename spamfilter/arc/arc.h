/* arc.h - Authenticated Received Chain (RFC 8617): validated, never made.
 *
 * A chain is begun at the end of the header, sees the body in pieces, and is settled at the end.
 * Threads: a chain belongs to one thread at a time and waits for DNS on it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_ARC_H
#define SPAM_ARC_H

#include "spamfilter/sig/sig.h"

#define SPAM_ARC_SETS_MAX 50 /* RFC 8617 4.2.1 */

enum spam_arc_result { SPAM_ARC_NONE, SPAM_ARC_PASS, SPAM_ARC_FAIL };

struct spam_arc_hop {
	char sealer[256];      /* d= of its seal */
	struct cv_str results; /* its ARC-Authentication-Results, behind "i=N;" */
};

struct spam_arc_answer {
	enum spam_arc_result result;
	bool is_temporary;               /* a FAIL because DNS could not answer */
	const char *why;                 /* of a FAIL; "" otherwise */
	unsigned count;                  /* sets; 0 when they are in disorder */
	const struct spam_arc_hop *hops; /* COUNT, the first hop first; as long as the chain */
};

struct spam_arc;

/* FIELDS stay where they are as long as the chain. NULL: the message has no such field. */
struct spam_arc *spam_arc_begin(
	struct spam_lookups *lookups, const struct sig_field *fields, size_t count);
void spam_arc_body(struct spam_arc *a, struct cv_str bytes);
/* Once. */
void spam_arc_end(struct spam_arc *a, struct spam_arc_answer *out);
void spam_arc_free(struct spam_arc *a);                 /* NULL is fine */
const char *spam_arc_word(enum spam_arc_result result); /* "pass" */

/* The hop that speaks for AUTHOR, a domain: every sealer from the last back to it is below a name
 * of TRUSTED (domains between blanks or commas), and it recorded dmarc=pass for that domain. NULL:
 * none, or the chain did not pass. */
const struct spam_arc_hop *spam_arc_vouching(
	const struct spam_arc_answer *a, struct cv_str trusted, struct cv_str author);

#endif
