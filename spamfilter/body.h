/* body.h - the body of one message, kept while it streams in and seen whole at the end.
 *
 * In memory while small, else in a nameless file (common/base/spool.h), mapped when somebody looks.
 * All bodies of the process share one budget: when that is used up, a message keeps its head only
 * and is judged by that (`is_cut`), never lost or held up. Threads: a spam_body belongs to one
 * thread at a time; the budget is shared by all.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_BODY_H
#define SPAM_BODY_H

#include <stdatomic.h>

#include "common/base/spool.h"

#define SPAM_BODY_MEMORY_MAX (64u << 20)
#define SPAM_BODY_HEAD_BYTES (64u << 10) /* kept of every message, whatever the budget says */

/* What all bodies hold, in memory and on disk. Zeroed with `max_bytes` set. */
struct spam_body_budget {
	_Atomic uint64_t used_bytes;
	_Atomic uint64_t max_bytes;
};

struct spam_body {
	struct cv_spool spool;
	struct cv_buf whole; /* instead of the spool, without a folder */
	struct spam_body_budget *budget; /* NULL: no bound but the caller's */
	uint64_t charged_bytes;
	uint64_t size_bytes;    /* that came, kept or not */
	bool is_cut, is_mapped;
	struct cv_str view;
};

/* DIR is for the file of a large body: kept, not copied; NULL or "": all stays in memory, within
 * SPAM_BODY_MEMORY_MAX. */
void spam_body_init(struct spam_body *b, const char *dir, struct spam_body_budget *budget);
/* Never fails: see spam_body_is_cut(). */
void spam_body_add(struct spam_body *b, struct cv_str bytes);
/* All that was kept; valid until the next call on B. Empty when its file cannot be mapped (it is
 * cut then). */
struct cv_str spam_body_view(struct spam_body *b);
/* Not all that came was kept: no room, or the file failed. */
bool spam_body_is_cut(const struct spam_body *b);
/* Gives back memory, file and budget; B may be used again. */
void spam_body_done(struct spam_body *b);

#endif
