/* body.c - see body.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/body.h"

void
spam_body_init(struct spam_body *b, const char *dir, struct spam_body_budget *budget)
{
	*b = (struct spam_body){.budget = budget, .whole = CV_BUF_INIT(SPAM_BODY_MEMORY_MAX)};
	cv_spool_init(&b->spool, dir && dir[0] ? dir : NULL);
}

static void
unmap(struct spam_body *b)
{
	if (b->is_mapped)
		cv_spool_unmap(&b->spool, b->view);
	b->is_mapped = false;
	b->view = CV_STR_EMPTY;
}

void
spam_body_done(struct spam_body *b)
{
	struct spam_body_budget *budget = b->budget;
	const char *dir = b->spool.dir;

	unmap(b);
	cv_spool_done(&b->spool);
	cv_buf_done(&b->whole);
	if (budget && b->charged_bytes)
		atomic_fetch_sub(&budget->used_bytes, b->charged_bytes);
	spam_body_init(b, dir, budget);
}

/* Takes N octets out of the budget; the head of a message is always granted. */
static bool
charge(struct spam_body *b, size_t n)
{
	if (!b->budget)
		return true;
	uint64_t used = atomic_fetch_add(&b->budget->used_bytes, n) + n;
	if (used > atomic_load(&b->budget->max_bytes)
		&& b->charged_bytes + n > SPAM_BODY_HEAD_BYTES) {
		atomic_fetch_sub(&b->budget->used_bytes, n);
		return false;
	}
	b->charged_bytes += n;
	return true;
}

/* What is there of BYTES when no more may be had: the rest of the head. */
static struct cv_str
head_of(const struct spam_body *b, struct cv_str bytes)
{
	uint64_t kept = b->spool.dir ? b->spool.size_bytes : b->whole.n;

	return cv_str_sub(
		bytes, 0, kept < SPAM_BODY_HEAD_BYTES ? SPAM_BODY_HEAD_BYTES - (size_t)kept : 0);
}

void
spam_body_add(struct spam_body *b, struct cv_str bytes)
{
	struct cv_err err;

	b->size_bytes += bytes.n;
	if (b->is_cut || !bytes.n)
		return;
	unmap(b);
	if (!charge(b, bytes.n)) {
		b->is_cut = true;
		bytes = head_of(b, bytes);
		if (!charge(b, bytes.n))
			return;
	}
	if (!b->spool.dir) {
		cv_buf_str(&b->whole, cv_str_sub(bytes, 0, b->whole.max - b->whole.n));
		b->is_cut |= b->whole.n == b->whole.max;
	} else if (cv_spool_write(&b->spool, bytes, &err)) {
		b->is_cut = true;
	}
}

/* A write to the file failed: memory was given up for it, so only what the file holds is there. */
static struct cv_str
map(struct spam_body *b)
{
	struct cv_str view = CV_STR_EMPTY;
	struct cv_err err;

	if (!b->spool.dir)
		return cv_buf_view(&b->whole);
	b->spool.failed = CV_OK; /* what was written can be read all the same */
	if (b->spool.fd < 0 || b->spool.size_bytes) {
		if (cv_spool_map(&b->spool, &view, &err))
			b->is_cut = true;
		else
			b->is_mapped = true;
	}
	return view;
}

struct cv_str
spam_body_view(struct spam_body *b)
{
	if (!b->is_mapped)
		b->view = map(b);
	return b->view;
}

bool
spam_body_is_cut(const struct spam_body *b)
{
	return b->is_cut;
}
