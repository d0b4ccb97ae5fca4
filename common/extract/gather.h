/* gather.h - the documents of one message, which is fed in pieces, and the text of each.
 *
 * One thread. Documents are converted one after the other while the message is fed; faults are
 * outcomes (extract.h).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_GATHER_H
#define CV_GATHER_H

#include "common/extract/extract.h"
#include "common/text/mime.h"

struct cv_gather_options {
	struct cv_extract *extract;
	unsigned documents_max; /* more are passed over */
	unsigned within_ms;     /* of one document */
	int64_t end_ms;         /* of cv_mono_ms(): none is begun later; 0: no end */
	/* Told of each document; TEXT is valid during the call. Says false: no more are wanted. */
	bool (*fn)(void *arg, enum cv_extract_outcome outcome, struct cv_str text);
	void *arg;
};
struct cv_gather;
struct cv_gather *cv_gather_begin(const struct cv_gather_options *options);
void cv_gather_feed(struct cv_gather *g, struct cv_str bytes);
/* The end of the message: how many documents there were, told or passed over. Frees G. */
unsigned cv_gather_end(struct cv_gather *g);

/* Whether PART, whose body begins, is a document. Texts go to ARENA. */
bool cv_gather_is_document(struct cv_arena *arena, const struct cv_mime_part *part);

#endif
