/* lists.h - the data files of the walk: sorted words by section, built in or from a file.
 *
 * Read-only once read; private to the folder. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_LISTS_H
#define SPAM_LISTS_H

#include "common/base/arena.h"
#include "common/base/err.h"

#define SPAM_LIST_SECTIONS 8

struct spam_lists {
	struct cv_arena arena;
	struct spam_list {
		struct cv_str section; /* "" before any [section] */
		struct cv_str *words;  /* in order */
		size_t n, cap;
	} lists[SPAM_LIST_SECTIONS];
	size_t count;
	bool is_built_in;
	struct spam_lists *older; /* that this one replaced: somebody may still read it */
};

/* Reads FILE, or, when it is NULL or "", the built-in copy of NAME. A file may have the sections of
 * the built-in copy only. */
CV_MUST_CHECK enum cv_status spam_lists_read(
	const char *name, const char *file, struct spam_lists **out, struct cv_err *err);
void spam_lists_free(struct spam_lists *l); /* NULL is fine */
bool spam_lists_has(const struct spam_lists *l, const char *section, struct cv_str word);

#endif
