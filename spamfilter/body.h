/* body.h - the body of one message, kept while it streams in and seen whole at the end.
 *
 * What is past the limit is not kept: the view is then the beginning. One thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_BODY_H
#define SPAM_BODY_H

#include "common/base/buf.h"

struct spam_body {
	struct cv_buf kept;
	uint64_t size_bytes; /* that came, kept or not */
};

void spam_body_init(struct spam_body *b, size_t limit_bytes);
void spam_body_add(struct spam_body *b, struct cv_str bytes);
/* All that was kept; valid until the next call on B. */
struct cv_str spam_body_view(struct spam_body *b);
bool spam_body_is_cut(const struct spam_body *b);
void spam_body_done(struct spam_body *b);

#endif
