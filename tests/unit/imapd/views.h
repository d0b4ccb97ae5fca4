/* views.h - mailbox views built by hand, for tests of what works on them. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef TEST_VIEWS_H
#define TEST_VIEWS_H

#include "common/store/mailbox.h"

/* A view of COUNT entries, ascending by UID. Pages equal to those of LIKE (may be NULL) are shared
 * with it, as the store does. Lives in ARENA. */
static inline struct cv_view *
view_of(struct cv_arena *arena, const struct cv_entry *entries, uint32_t count,
	const struct cv_view *like)
{
	struct cv_view *v = cv_arena_alloc(arena, sizeof(*v) + (count + 1) * sizeof(v->pages[0]));
	v->refs = 1;
	v->uidvalidity = 7;
	v->exists = count;
	v->uidnext = count ? entries[count - 1].uid + 1 : 1;
	for (uint32_t i = 0; i < count;) {
		uint32_t number = entries[i].uid / CV_PAGE_UIDS, n = 0;
		while (i + n < count && entries[i + n].uid / CV_PAGE_UIDS == number)
			n++;
		struct cv_page *page =
			cv_arena_alloc(arena, sizeof(*page) + n * sizeof(page->entries[0]));
		page->refs = 1;
		page->number = number;
		page->count = n;
		memcpy(page->entries, entries + i, n * sizeof(page->entries[0]));
		const struct cv_page *used = page;
		for (uint32_t k = 0; like && k < like->pages_count; k++) {
			const struct cv_page *old = like->pages[k].page;
			if (old->number == number && old->count == n &&
				!memcmp(old->entries, page->entries, n * sizeof(page->entries[0])))
				used = old;
		}
		v->pages[v->pages_count++] = (struct cv_view_page){i + 1, used};
		i += n;
	}
	return v;
}

#endif
