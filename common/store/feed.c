/* feed.c - see feed.h. All under the account's lock. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/feed.h"

#include "common/store/internal.h"

static _Thread_local uint64_t thread_origin;

struct feed_event {
	uint64_t at, origin;
	enum cv_feed_kind kind;
	char *name, *detail; /* detail: of any bytes; may be NULL */
	size_t detail_n;
};

struct cv_acct_feed {
	struct cv_link watches;
	uint64_t at;       /* of the newest event */
	uint64_t lost_to;  /* events up to it are not in the list any more */
	struct feed_event *events; /* ascending */
	size_t count, cap;
};

/* The newest event of a kind, and the newest one of another origin than that. */
struct cv_box_feed {
	struct {
		uint64_t at, origin, other_at;
	} kinds[3]; /* CV_FEED_NEW, GONE, FLAGS */
};

void
cv_feed_as(uint64_t origin)
{
	thread_origin = origin;
}

static void
free_event(struct feed_event *e)
{
	free(e->name);
	free(e->detail);
}

static void
drop_events(struct cv_acct_feed *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		f->lost_to = f->events[i].at;
		free_event(&f->events[i]);
	}
	f->count -= n;
	if (n && f->count)
		memmove(f->events, f->events + n, f->count * sizeof *f->events);
}

void
cv_feed_free(struct cv_acct *a)
{
	if (!a->feed)
		return;
	drop_events(a->feed, a->feed->count);
	free(a->feed->events);
	free(a->feed);
	a->feed = NULL;
}

static void
call(struct cv_acct_feed *f, unsigned kinds)
{
	CV_LIST_EACH (it, next, &f->watches) {
		struct cv_feed_watch *w = CV_CONTAINER(it, struct cv_feed_watch, link);
		if (w->wants & kinds)
			w->fn(w);
	}
}

static bool
is_watched(const struct cv_acct *a)
{
	return a->feed && !cv_list_is_empty(&a->feed->watches);
}

void
cv_feed_messages(struct cv_mbox *m, unsigned kinds)
{
	if (!kinds || !is_watched(m->acct) || m->row.use == CV_USE_QUARANTINE)
		return;
	struct cv_acct_feed *f = m->acct->feed;
	if (!m->feed)
		m->feed = cv_calloc(1, sizeof *m->feed);
	uint64_t at = ++f->at;
	for (unsigned i = 0; i < CV_COUNT(m->feed->kinds); i++) {
		if (!(kinds & 1u << i))
			continue;
		if (m->feed->kinds[i].origin != thread_origin)
			m->feed->kinds[i].other_at = m->feed->kinds[i].at;
		m->feed->kinds[i].origin = thread_origin;
		m->feed->kinds[i].at = at;
	}
	call(f, kinds);
}

void
cv_feed_event(struct cv_acct *a, enum cv_feed_kind kind, struct cv_str name, struct cv_str detail)
{
	if (!is_watched(a) || cv_str_eq_z(name, CV_QUARANTINE_NAME))
		return;
	struct cv_acct_feed *f = a->feed;
	if (f->count == CV_FEED_EVENTS_MAX)
		drop_events(f, CV_FEED_EVENTS_MAX / 2);
	if (f->count == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 8;
		f->events = cv_realloc(f->events, f->cap * sizeof *f->events);
	}
	f->events[f->count++] = (struct feed_event){.at = ++f->at,
		.origin = thread_origin,
		.kind = kind,
		.name = cv_str_dup(name),
		.detail = detail.n ? cv_str_dup(detail) : NULL,
		.detail_n = detail.n};
	call(f, kind);
}

void
cv_feed_lost(struct cv_acct *a)
{
	if (!is_watched(a))
		return;
	drop_events(a->feed, a->feed->count);
	a->feed->lost_to = ++a->feed->at;
	for (size_t i = 0; i < a->count; i++)
		cv_feed_messages(a->boxes[i], CV_FEED_MESSAGES);
	call(a->feed, CV_FEED_ALL);
}

void
cv_feed_watch(struct cv_acct *a, struct cv_feed_watch *w, uint64_t *place_out)
{
	pthread_mutex_lock(&a->lock);
	if (!a->feed) {
		a->feed = cv_calloc(1, sizeof *a->feed);
		cv_list_init(&a->feed->watches);
	}
	cv_list_append(&a->feed->watches, &w->link);
	*place_out = a->feed->at;
	pthread_mutex_unlock(&a->lock);
}

void
cv_feed_unwatch(struct cv_acct *a, struct cv_feed_watch *w)
{
	pthread_mutex_lock(&a->lock);
	cv_list_remove(&w->link);
	if (cv_list_is_empty(&a->feed->watches)) { /* nobody will ask for what is kept */
		drop_events(a->feed, a->feed->count);
		free(a->feed->events);
		a->feed->events = NULL;
		a->feed->cap = 0;
	}
	pthread_mutex_unlock(&a->lock);
}

void
cv_feed_want(struct cv_acct *a, struct cv_feed_watch *w, unsigned wants)
{
	pthread_mutex_lock(&a->lock);
	w->wants = wants;
	pthread_mutex_unlock(&a->lock);
}

/* ---- reading ---- */

/* What happened to M since PLACE but for what ORIGIN did. */
static unsigned
kinds_since(const struct cv_mbox *m, uint64_t place, uint64_t origin)
{
	unsigned kinds = 0;

	for (unsigned i = 0; m->feed && i < CV_COUNT(m->feed->kinds); i++) {
		uint64_t at = m->feed->kinds[i].at;
		if (origin && m->feed->kinds[i].origin == origin)
			at = m->feed->kinds[i].other_at;
		kinds |= at > place ? 1u << i : 0;
	}
	return kinds;
}

static void
info_of(struct cv_acct *a, struct cv_str name, struct cv_arena *arena, struct cv_mbox_info *out)
{
	struct cv_mbox *m = cv_box_find(a, name);

	if (m) {
		cv_box_info(m, arena, out);
		return;
	}
	*out = (struct cv_mbox_info){
		.name = cv_arena_str(arena, name), .subscribed = cv_box_is_subscribed(a, name)};
}

static void
read_boxes(struct cv_acct *a, uint64_t place, uint64_t origin, unsigned wanted,
	struct cv_arena *arena, struct cv_feed *out)
{
	size_t count = 0;

	for (size_t i = 0; i < a->count; i++)
		count += (kinds_since(a->boxes[i], place, origin) & wanted) != 0;
	out->boxes = CV_ARENA_ARRAY(arena, struct cv_feed_box, count + 1);
	for (size_t i = 0; i < a->count && out->box_count < count; i++) {
		unsigned kinds = kinds_since(a->boxes[i], place, origin) & wanted;
		if (!kinds)
			continue;
		struct cv_feed_box *box = &out->boxes[out->box_count++];
		box->kinds = kinds;
		cv_box_info(a->boxes[i], arena, &box->box);
	}
}

static void
read_event(struct cv_acct *a, const struct feed_event *e, struct cv_arena *arena,
	struct cv_feed_event *out)
{
	struct cv_str name = cv_str_z(e->name);

	*out = (struct cv_feed_event){.kind = e->kind};
	info_of(a, name, arena, &out->box);
	if (e->detail)
		out->detail = cv_arena_str(arena, cv_str(e->detail, e->detail_n));
	if (!(e->kind & (CV_FEED_CREATED | CV_FEED_DELETED)))
		return;
	while (name.n && name.p[name.n - 1] != a->store->separator)
		name.n--;
	if (name.n > 1)
		info_of(a, cv_str(name.p, name.n - 1), arena, &out->parent);
}

enum cv_status
cv_feed_read(struct cv_acct *a, uint64_t place, uint64_t origin, unsigned kinds,
	struct cv_arena *arena, struct cv_feed *out, struct cv_err *err)
{
	*out = (struct cv_feed){.place = place};
	enum cv_status status = cv_acct_lock(a, err);
	if (status)
		return status;
	const struct cv_acct_feed *f = a->feed;
	assert(f);
	out->place = f->at;
	out->is_cut = f->lost_to > place;
	if (f->at > place) {
		size_t first = f->count;
		while (first && f->events[first - 1].at > place)
			first--;
		out->events = CV_ARENA_ARRAY(arena, struct cv_feed_event, f->count - first + 1);
		for (size_t i = first; i < f->count; i++)
			if ((f->events[i].kind & kinds) &&
				!(origin && f->events[i].origin == origin))
				read_event(a, &f->events[i], arena,
					&out->events[out->event_count++]);
		if (kinds & CV_FEED_MESSAGES)
			read_boxes(a, place, origin, kinds, arena, out);
	}
	cv_acct_unlock(a);
	return CV_OK;
}
