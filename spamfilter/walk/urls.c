/* urls.c - the addresses of a message, each once. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/walk/walk_impl.h"

#define TRIES_MAX 4000 /* addresses that are read, known ones too */

static struct spam_url *
keep(struct spam_walk *w, const struct spam_url *url, uint32_t part)
{
	struct spam_url *known = cv_map_get(&w->url_index, url->url);

	if (known) {
		known->count++;
		known->flags |= url->flags & ~(unsigned)SPAM_URL_HIDDEN;
		/* Hidden once and seen once is seen. */
		if (!(url->flags & SPAM_URL_HIDDEN))
			known->flags &= ~(unsigned)SPAM_URL_HIDDEN;
		return known;
	}
	if (w->url_count == SPAM_URLS_MAX) {
		w->facts |= SPAM_FACT(URLS_CUT);
		return NULL;
	}
	known = &w->urls[w->url_count++];
	*known = *url;
	known->part = part;
	known->url = cv_arena_str(&w->arena, url->url);
	known->host = cv_arena_str(&w->arena, url->host);
	known->organisation = cv_str_sub(known->host,
		known->host.n - CV_MIN(url->organisation.n, known->host.n), known->host.n);
	(void)cv_map_put(&w->url_index, known->url, known);
	return known;
}

/* The text of a link reads as the host of another organisation than those it goes to. */
static void
compare_shown(struct spam_walk *w, struct cv_arena *scratch, struct spam_url *url,
	const struct spam_url *inner, struct cv_str shown)
{
	struct spam_url seen;
	struct cv_str raw;
	size_t pos = 0;

	if (!shown.n || !spam_url_next(shown, &pos, &raw) || !spam_url_parse(scratch, raw, &seen) ||
		seen.flags & SPAM_URL_BROKEN)
		return;
	if (!url->shown_host.n)
		url->shown_host = cv_arena_str(&w->arena, seen.host);
	if (cv_str_eq(seen.organisation, url->organisation) ||
		(inner && cv_str_eq(seen.organisation, inner->organisation)))
		return;
	url->shown_host = cv_arena_str(&w->arena, seen.host);
	url->flags |= SPAM_URL_MISMATCH;
	w->facts |= SPAM_FACT(LINK_MISMATCH);
}

void
spam_walk_add_url(struct spam_walk *w, uint32_t part, enum spam_url_source source,
	struct cv_str raw, struct cv_str shown, unsigned flags)
{
	struct cv_arena scratch = CV_ARENA_INIT;
	struct spam_url url, inner, deeper;
	bool has_inner = false;

	if (w->is_over)
		return;
	if (++w->url_tries > TRIES_MAX) {
		w->facts |= SPAM_FACT(URLS_CUT);
		return;
	}
	if (w->url_tries % 64 == 0 && !spam_walk_has_time(w))
		return;
	if (spam_url_parse(&scratch, raw, &url)) {
		url.source = source;
		url.flags |= flags;
		has_inner = spam_url_inner(&scratch, &url, &inner);
		if (has_inner && !cv_str_eq(inner.organisation, url.organisation))
			url.flags |= SPAM_URL_REDIRECT;
		struct spam_url *kept = keep(w, &url, part);
		if (has_inner && kept) {
			inner.flags |= flags;
			(void)keep(w, &inner, part);
			if (spam_url_inner(&scratch, &inner, &deeper)) {
				deeper.flags |= flags;
				(void)keep(w, &deeper, part);
			}
		}
		if (kept && source == SPAM_URL_LINK)
			compare_shown(w, &scratch, kept, has_inner ? &inner : NULL, shown);
	}
	cv_arena_done(&scratch);
}

void
spam_walk_add_urls_of(
	struct spam_walk *w, uint32_t part, enum spam_url_source source, struct cv_str text)
{
	struct cv_str raw;
	size_t pos = 0;

	while (!w->is_over && w->url_tries <= TRIES_MAX && spam_url_next(text, &pos, &raw))
		spam_walk_add_url(w, part, source, raw, CV_STR_EMPTY, 0);
}
