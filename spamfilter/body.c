/* body.c - see body.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/body.h"

void
spam_body_init(struct spam_body *b, size_t limit_bytes)
{
	*b = (struct spam_body){.kept = CV_BUF_INIT(limit_bytes)};
}

void
spam_body_add(struct spam_body *b, struct cv_str bytes)
{
	b->size_bytes += bytes.n;
	cv_buf_str(&b->kept, cv_str_sub(bytes, 0, b->kept.max - b->kept.n));
}

struct cv_str
spam_body_view(struct spam_body *b)
{
	return cv_buf_view(&b->kept);
}

bool
spam_body_is_cut(const struct spam_body *b)
{
	return b->size_bytes > b->kept.n;
}

void
spam_body_done(struct spam_body *b)
{
	cv_buf_done(&b->kept);
}
