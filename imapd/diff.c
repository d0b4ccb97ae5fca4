/* diff.c - merges two views page by page, entry by entry; see diff.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/diff.h"

struct differ {
	struct cv_arena *arena;
	struct imapd_diff *out;
	size_t expunged_cap, changed_cap;
};

static void *
grown(struct cv_arena *arena, const void *old, size_t n, size_t *cap, size_t size)
{
	*cap = *cap ? *cap * 2 : 64;
	void *array = cv_arena_array(arena, *cap, size);
	if (n)
		memcpy(array, old, n * size);
	return array;
}

static void
add_expunged(struct differ *d, uint32_t seq)
{
	struct imapd_diff *o = d->out;
	if (o->expunged_count == d->expunged_cap)
		o->expunged = grown(d->arena, o->expunged, o->expunged_count, &d->expunged_cap,
			sizeof(*o->expunged));
	o->expunged[o->expunged_count++] = seq;
}

static void
add_changed(
	struct differ *d, uint32_t seq, const struct cv_entry *entry, const struct cv_entry *old)
{
	struct imapd_diff *o = d->out;
	if (o->changed_count == d->changed_cap)
		o->changed = grown(d->arena, o->changed, o->changed_count, &d->changed_cap,
			sizeof(*o->changed));
	o->changed[o->changed_count++] = (struct imapd_change){seq, entry, old};
}

/* Two pages of one number. */
static void
merge_pages(struct differ *d, const struct cv_view_page *a, const struct cv_view_page *b)
{
	uint32_t i = 0, k = 0;

	while (i < a->page->count || k < b->page->count) {
		const struct cv_entry *x = i < a->page->count ? &a->page->entries[i] : NULL;
		const struct cv_entry *y = k < b->page->count ? &b->page->entries[k] : NULL;
		if (y && (!x || y->uid < x->uid)) {
			d->out->arrived++;
			k++;
		} else if (x && (!y || x->uid < y->uid)) {
			add_expunged(d, a->first_seq + i++);
		} else {
			if (x->modseq != y->modseq)
				add_changed(d, b->first_seq + k, y, x);
			i++;
			k++;
		}
	}
}

void
imapd_view_diff(const struct cv_view *old_view, const struct cv_view *new_view,
	struct cv_arena *arena, struct imapd_diff *out)
{
	struct differ d = {.arena = arena, .out = out};
	uint32_t i = 0, k = 0;

	*out = (struct imapd_diff){0};
	while (i < old_view->pages_count || k < new_view->pages_count) {
		const struct cv_view_page *a =
			i < old_view->pages_count ? &old_view->pages[i] : NULL;
		const struct cv_view_page *b =
			k < new_view->pages_count ? &new_view->pages[k] : NULL;
		if (b && (!a || b->page->number < a->page->number)) {
			out->arrived += b->page->count;
			k++;
		} else if (a && (!b || a->page->number < b->page->number)) {
			for (uint32_t n = 0; n < a->page->count; n++)
				add_expunged(&d, a->first_seq + n);
			i++;
		} else {
			if (a->page != b->page)
				merge_pages(&d, a, b);
			i++;
			k++;
		}
	}
}
