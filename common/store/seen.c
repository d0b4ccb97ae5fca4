/* seen.c - see seen.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/seen.h"

/* ---- the mailbox's list of people ---- */

static struct cv_seen *
find(const struct cv_mbox *m, cv_acct_id person)
{
	struct cv_seen *s = m->seens;

	while (s && s->person != person)
		s = s->next;
	return s;
}

static struct cv_seen *
find_or_add(struct cv_mbox *m, cv_acct_id person)
{
	struct cv_seen *s = find(m, person);

	if (s)
		return s;
	s = cv_calloc(1, sizeof(*s));
	s->person = person;
	pthread_mutex_lock(&m->view_lock);
	s->next = m->seens;
	m->seens = s;
	pthread_mutex_unlock(&m->view_lock);
	return s;
}

static void
drop_view(struct cv_seen *s)
{
	cv_view_unref(s->view);
	cv_view_unref(s->base);
	s->view = s->base = NULL;
}

static void
drop_chunks(struct cv_seen *s)
{
	free(s->chunks);
	s->chunks = NULL;
	s->count = 0;
	s->is_read = s->has_own = false;
}

void
cv_seen_forget(struct cv_mbox *m)
{
	pthread_mutex_lock(&m->view_lock);
	for (struct cv_seen *s = m->seens; s; s = s->next)
		drop_view(s);
	pthread_mutex_unlock(&m->view_lock);
	for (struct cv_seen *s = m->seens; s; s = s->next)
		drop_chunks(s);
}

/* Before an act: where too many were read, all are read again when they come. A mailbox that
 * somebody always has open would keep everybody who ever looked at it. */
static void
make_room(struct cv_mbox *m)
{
	size_t count = 0;

	for (const struct cv_seen *s = m->seens; s; s = s->next)
		count += s->is_read;
	for (struct cv_seen *s = m->seens; s && count >= CV_SEEN_KEPT_MAX; s = s->next)
		drop_chunks(s);
}

void
cv_seen_free(struct cv_mbox *m)
{
	while (m->seens) {
		struct cv_seen *s = m->seens;
		m->seens = s->next;
		drop_view(s);
		drop_chunks(s);
		free(s);
	}
}

/* ---- reading ---- */

struct reading {
	struct cv_seen *s;
	size_t cap;
	bool bad;
};

static bool
read_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct reading *r = arg;
	struct cv_seen *s = r->s;
	cv_acct_id person;
	uint32_t box, n;

	r->bad = !cv_key_read_seen(key, &box, &person, &n);
	if (!r->bad && !n) {
		s->has_own = true;
		r->bad = cv_row_seen_decode(value, s);
	} else if (!r->bad) {
		if (s->count == r->cap) {
			r->cap = r->cap ? r->cap * 2 : 4;
			s->chunks = cv_realloc(s->chunks, r->cap * sizeof(*s->chunks));
		}
		struct cv_seen_chunk *chunk = &s->chunks[s->count++];
		chunk->number = n - 1;
		r->bad = n > CV_SEEN_CHUNKS_MAX || cv_row_chunk_decode(value, chunk);
	}
	return !r->bad;
}

enum cv_status
cv_seen_read(struct cv_mbox *m, cv_acct_id person, struct cv_seen **out, struct cv_err *err)
{
	struct cv_seen *s = *out = find_or_add(m, person);

	if (s->is_read)
		return CV_OK;
	struct cv_buf from = CV_BUF_INIT(32), to = CV_BUF_INIT(32);
	struct reading r = {.s = s};
	cv_key_seen(&from, m->id, person, 0);
	cv_key_seen(&to, m->id, person + 1, 0);
	enum cv_status status = cv_meta_scan(m->acct->store->engine, m->acct->id,
		cv_buf_view(&from), cv_buf_view(&to), 0, read_row, &r, err);
	cv_buf_done(&from);
	cv_buf_done(&to);
	if (!status && r.bad)
		status = cv_fail(err, CV_CORRUPT, "what %llx has seen of mailbox %u is damaged",
			(unsigned long long)person, m->id);
	if (status)
		drop_chunks(s);
	s->is_read = !status;
	return status;
}

static const struct cv_seen_chunk *
chunk_of(const struct cv_seen *s, uint32_t number)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (s->chunks[mid].number == number)
			return &s->chunks[mid];
		if (s->chunks[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool
has_bit(const struct cv_seen_chunk *chunk, uint32_t uid)
{
	uint32_t at = uid % CV_SEEN_CHUNK;

	return chunk && (chunk->bits[at / 64] >> (at % 64) & 1);
}

static uint32_t
gaps_of(const struct cv_row_box *row)
{
	return row->uidnext - 1 - row->exists;
}

/* ---- the view of a person ---- */

/* PAGE as the person sees it, counted; PAGE itself where that is the same. */
static struct cv_page *
see_page(const struct cv_seen *s, const struct cv_page *page)
{
	struct cv_entry entries[CV_PAGE_UIDS];
	const struct cv_seen_chunk *chunk =
		chunk_of(s, page->number / (CV_SEEN_CHUNK / CV_PAGE_UIDS));
	bool differs = false;

	for (uint32_t i = 0; i < page->count; i++) {
		entries[i] = page->entries[i];
		entries[i].flags &= ~(uint32_t)CV_FLAG_SEEN;
		if (has_bit(chunk, entries[i].uid))
			entries[i].flags |= CV_FLAG_SEEN;
		differs |= entries[i].flags != page->entries[i].flags;
	}
	return differs ? cv_page_new(page->number, entries, page->count) : NULL;
}

/* A page of BASE as the view before had it, when it is the same page; every change of what the
 * person has seen of a message changes its page. */
static struct cv_page *
page_before(const struct cv_seen *s, const struct cv_page *page, uint32_t *at)
{
	while (s->base && *at < s->base->pages_count &&
		s->base->pages[*at].page->number < page->number)
		++*at;
	if (!s->base || *at == s->base->pages_count || s->base->pages[*at].page != page)
		return NULL;
	return (struct cv_page *)(uintptr_t)s->view->pages[*at].page;
}

static struct cv_view *
see_view(const struct cv_seen *s, const struct cv_view *base)
{
	struct cv_view *v = cv_view_like(base);
	uint32_t at = 0;

	for (uint32_t i = 0; i < base->pages_count; i++) {
		const struct cv_page *page = base->pages[i].page;
		struct cv_page *seen = page_before(s, page, &at);
		struct cv_page *made = seen ? NULL : see_page(s, page);
		if (made)
			cv_view_add(v, made);
		else
			cv_view_share(v, seen ? seen : page);
	}
	return v;
}

static const struct cv_view *
kept_view(struct cv_mbox *m, cv_acct_id person)
{
	const struct cv_view *view = NULL;

	pthread_mutex_lock(&m->view_lock);
	struct cv_seen *s = find(m, person);
	if (s && s->view && s->base == m->view) {
		view = s->view;
		cv_view_ref(view);
	}
	pthread_mutex_unlock(&m->view_lock);
	return view;
}

/* S with references of its own to the views; they are dropped with drop_view(). */
static struct cv_seen
hold_views(struct cv_mbox *m, const struct cv_seen *s)
{
	pthread_mutex_lock(&m->view_lock);
	struct cv_seen held = *s;
	if (held.view) {
		cv_view_ref(held.view);
		cv_view_ref(held.base);
	}
	pthread_mutex_unlock(&m->view_lock);
	return held;
}

static enum cv_status
make_view(struct cv_mbox *m, cv_acct_id person, const struct cv_view **out, struct cv_err *err)
{
	struct cv_seen *s;

	make_room(m);
	enum cv_status status = cv_box_load(m, err);
	if (!status)
		status = cv_seen_read(m, person, &s, err);
	if (status)
		return status;
	/* The account's lock keeps m->view and the chunks as they are; what S has of views may go
	 * at any time, by cv_mbox_view_done(). */
	const struct cv_view *base = m->view;
	struct cv_seen before = hold_views(m, s);
	struct cv_view *view = s->has_own ? see_view(&before, base) : NULL;
	drop_view(&before);
	if (!view)
		cv_view_ref(base);
	cv_view_ref(base);
	pthread_mutex_lock(&m->view_lock);
	drop_view(s);
	s->base = base;
	s->view = view ? view : base;
	cv_view_ref(s->view);
	*out = s->view;
	pthread_mutex_unlock(&m->view_lock);
	return CV_OK;
}

static bool
is_somebody(const struct cv_viewer *viewer)
{
	return viewer && viewer->person;
}

enum cv_status
cv_mbox_view_as(struct cv_mbox *m, const struct cv_viewer *viewer, const struct cv_view **out,
	struct cv_err *err)
{
	if (!is_somebody(viewer))
		return cv_mbox_view(m, out, err);
	*out = kept_view(m, viewer->person);
	if (*out)
		return CV_OK;
	enum cv_status status = cv_box_lock(m, err);
	if (status)
		return status;
	status = make_view(m, viewer->person, out, err);
	cv_acct_unlock(m->acct);
	return status;
}

void
cv_mbox_view_done(struct cv_mbox *m, const struct cv_viewer *viewer)
{
	if (!is_somebody(viewer))
		return;
	pthread_mutex_lock(&m->view_lock);
	struct cv_seen *s = find(m, viewer->person);
	/* Others get their reference under this lock, so a count of one is ours alone; the
	 * mailbox's own view is made again for nothing. */
	if (s && s->view &&
		(s->view == s->base || __atomic_load_n(&s->view->refs, __ATOMIC_ACQUIRE) == 1))
		drop_view(s);
	pthread_mutex_unlock(&m->view_lock);
}

/* ---- counting ---- */

static uint32_t
count_seen(const struct cv_seen *s, const struct cv_view *view)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < view->pages_count; i++) {
		const struct cv_page *page = view->pages[i].page;
		const struct cv_seen_chunk *chunk =
			chunk_of(s, page->number / (CV_SEEN_CHUNK / CV_PAGE_UIDS));
		for (uint32_t k = 0; chunk && k < page->count; k++)
			n += has_bit(chunk, page->entries[k].uid);
	}
	return n;
}

/* The count of S is right after this. */
static enum cv_status
count_again(struct cv_mbox *m, struct cv_seen *s, struct cv_err *err)
{
	if (!s->has_own || s->gaps == gaps_of(&m->row))
		return CV_OK;
	enum cv_status status = cv_box_load(m, err);
	if (status)
		return status;
	s->seen = count_seen(s, m->view);
	s->gaps = gaps_of(&m->row);
	return CV_OK;
}

enum cv_status
cv_seen_counts(struct cv_mbox *m, cv_acct_id person, uint32_t *unseen_out, uint32_t *recent_out,
	struct cv_err *err)
{
	struct cv_seen *s;

	make_room(m);
	enum cv_status status = cv_seen_read(m, person, &s, err);
	if (!status)
		status = count_again(m, s, err);
	if (status || !s->has_own)
		return status;
	*unseen_out = m->row.exists - CV_MIN(s->seen, m->row.exists);
	/* Not in memory: some of these UIDs may be gone, which is no reason to read the mailbox. */
	*recent_out = m->view ? m->view->exists + 1 - cv_view_seq_at(m->view, s->recent_from)
			      : CV_MIN(m->row.uidnext - CV_MIN(s->recent_from, m->row.uidnext),
					m->row.exists);
	return CV_OK;
}

/* ---- a change ---- */

enum cv_status
cv_seen_begin(struct cv_seen_edit *e, struct cv_mbox *m, const struct cv_viewer *viewer,
	struct cv_arena *arena, struct cv_err *err)
{
	*e = (struct cv_seen_edit){.m = m, .arena = arena};
	if (!is_somebody(viewer))
		return CV_OK;
	enum cv_status status = cv_seen_read(m, viewer->person, &e->s, err);
	if (!status)
		status = count_again(m, e->s, err);
	/* For the beginning of the person's state, and to leave out what went. */
	if (!status)
		status = cv_box_load(m, err);
	e->marks_common = viewer->marks_common;
	e->recent_from = e->s->recent_from;
	return status;
}

static struct cv_seen_chunk *
find_draft(const struct cv_seen_edit *e, uint32_t number, size_t *at_out)
{
	size_t low = 0, high = e->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (e->drafts[mid]->number < number)
			low = mid + 1;
		else
			high = mid;
	}
	*at_out = low;
	return low < e->count && e->drafts[low]->number == number ? e->drafts[low] : NULL;
}

static struct cv_seen_chunk *
draft_of(struct cv_seen_edit *e, uint32_t number)
{
	size_t at;
	struct cv_seen_chunk *draft = find_draft(e, number, &at);

	if (draft)
		return draft;
	if (e->count == e->cap) {
		e->cap = e->cap ? e->cap * 2 : 8;
		struct cv_seen_chunk **grown =
			CV_ARENA_ARRAY(e->arena, struct cv_seen_chunk *, e->cap);
		if (e->count)
			memcpy(grown, e->drafts, e->count * sizeof(*grown));
		e->drafts = grown;
	}
	draft = CV_ARENA_NEW(e->arena, struct cv_seen_chunk);
	const struct cv_seen_chunk *now = chunk_of(e->s, number);
	if (now)
		*draft = *now;
	draft->number = number;
	memmove(e->drafts + at + 1, e->drafts + at, (e->count - at) * sizeof(*e->drafts));
	e->drafts[at] = draft;
	e->count++;
	return draft;
}

static void
put_bit(struct cv_seen_edit *e, uint32_t uid, bool on)
{
	struct cv_seen_chunk *draft = draft_of(e, uid / CV_SEEN_CHUNK);
	uint32_t at = uid % CV_SEEN_CHUNK;
	uint64_t mask = (uint64_t)1 << (at % 64);

	e->more += on - has_bit(draft, uid);
	draft->bits[at / 64] = on ? draft->bits[at / 64] | mask : draft->bits[at / 64] & ~mask;
	e->has_changed = true;
}

void
cv_seen_pin(struct cv_seen_edit *e)
{
	if (!e->s || e->s->has_own || e->is_pinned)
		return;
	const struct cv_row_box *row = &e->m->row;
	const struct cv_view *view = e->m->view;
	for (uint32_t i = 0; i < view->pages_count; i++)
		for (uint32_t k = 0; k < view->pages[i].page->count; k++) {
			const struct cv_entry *entry = &view->pages[i].page->entries[k];
			if (entry->flags & CV_FLAG_SEEN)
				put_bit(e, entry->uid, true);
		}
	e->recent_from = row->recent ? row->recent_from : row->uidnext;
	e->is_pinned = e->has_changed = true;
}

uint32_t
cv_seen_flags(const struct cv_seen_edit *e, const struct cv_entry *entry)
{
	size_t at;

	if (!e->s || (!e->s->has_own && !e->is_pinned))
		return entry->flags;
	uint32_t number = entry->uid / CV_SEEN_CHUNK;
	const struct cv_seen_chunk *chunk = find_draft(e, number, &at);
	if (!chunk)
		chunk = chunk_of(e->s, number);
	uint32_t flags = entry->flags & ~(uint32_t)CV_FLAG_SEEN;
	return has_bit(chunk, entry->uid) ? flags | CV_FLAG_SEEN : flags;
}

uint32_t
cv_seen_set(struct cv_seen_edit *e, uint32_t uid, uint32_t own, uint32_t flags)
{
	if (!e->s)
		return flags;
	cv_seen_pin(e);
	put_bit(e, uid, flags & CV_FLAG_SEEN);
	if (!e->marks_common)
		flags &= ~(uint32_t)CV_FLAG_SEEN;
	return flags | (own & CV_FLAG_SEEN);
}

void
cv_seen_gone(struct cv_seen_edit *e, uint32_t uid)
{
	size_t at;

	if (!e->s || (!e->s->has_own && !e->is_pinned))
		return;
	const struct cv_seen_chunk *chunk = find_draft(e, uid / CV_SEEN_CHUNK, &at);
	if (has_bit(chunk ? chunk : chunk_of(e->s, uid / CV_SEEN_CHUNK), uid))
		put_bit(e, uid, false);
}

/* ---- writing ---- */

/* Bits of messages that are not there are what makes the row short: as the one before them. False:
 * nothing of the chunk is there at all. Messages that the change adds are above UIDNEXT. */
static bool
tidy(const struct cv_mbox *m, struct cv_seen_chunk *chunk)
{
	uint32_t first = chunk->number * CV_SEEN_CHUNK, next = m->row.uidnext;
	uint32_t seq = cv_view_seq_at(m->view, first);
	bool before = false, is_any = false;

	for (uint32_t at = 0; at < CV_SEEN_CHUNK; at++) {
		uint32_t uid = first + at;
		const struct cv_entry *entry = cv_view_seq(m->view, seq);
		uint64_t mask = (uint64_t)1 << (at % 64);
		if (uid >= next || (entry && entry->uid == uid)) {
			seq += uid < next;
			before = chunk->bits[at / 64] & mask;
			is_any = is_any || uid < next || before;
		} else {
			chunk->bits[at / 64] = before ? chunk->bits[at / 64] | mask
						      : chunk->bits[at / 64] & ~mask;
		}
	}
	return is_any;
}

static bool
is_empty(const struct cv_seen_chunk *chunk)
{
	uint64_t any = 0;

	for (size_t i = 0; i < CV_SEEN_WORDS; i++)
		any |= chunk->bits[i];
	return !any;
}

static struct cv_seen
head_after(const struct cv_seen_edit *e, const struct cv_row_box *after)
{
	int64_t seen = (e->s->has_own ? e->s->seen : 0) + e->more;

	return (struct cv_seen){.seen = (uint32_t)CV_MAX(seen, (int64_t)0),
		.gaps = gaps_of(after),
		.recent_from = e->recent_from};
}

void
cv_seen_write(struct cv_seen_edit *e, const struct cv_row_box *after, struct cv_writer *w)
{
	if (!e->s || !e->has_changed)
		return;
	struct cv_seen head = head_after(e, after);
	cv_key_seen(cv_writer_key(w), e->m->id, e->s->person, 0);
	cv_row_seen_encode(&head, cv_writer_value(w));
	cv_writer_end(w);
	for (size_t i = 0; i < e->count; i++) {
		struct cv_seen_chunk *draft = e->drafts[i];
		if (!tidy(e->m, draft))
			memset(draft->bits, 0, sizeof(draft->bits));
		cv_key_seen(cv_writer_key(w), e->m->id, e->s->person, draft->number + 1);
		if (is_empty(draft)) {
			cv_writer_delete(w);
			continue;
		}
		cv_row_chunk_encode(draft, cv_writer_value(w));
		cv_writer_end(w);
	}
}

static void
put_chunk(struct cv_seen *s, const struct cv_seen_chunk *draft)
{
	struct cv_seen_chunk *now =
		(struct cv_seen_chunk *)(uintptr_t)chunk_of(s, draft->number);

	if (now) {
		*now = *draft;
		return;
	}
	s->chunks = cv_realloc(s->chunks, (s->count + 1) * sizeof(*s->chunks));
	size_t at = s->count++;
	while (at && s->chunks[at - 1].number > draft->number) {
		s->chunks[at] = s->chunks[at - 1];
		at--;
	}
	s->chunks[at] = *draft;
}

void
cv_seen_apply(struct cv_seen_edit *e, const struct cv_row_box *after)
{
	if (!e->s || !e->has_changed)
		return;
	struct cv_seen head = head_after(e, after);
	for (size_t i = 0; i < e->count; i++)
		put_chunk(e->s, e->drafts[i]);
	e->s->seen = head.seen;
	e->s->gaps = head.gaps;
	e->s->recent_from = head.recent_from;
	e->s->has_own = true;
}

/* ---- the others ---- */

struct people {
	cv_acct_id list[CV_SEEN_CARRY_MAX];
	size_t count;
	cv_acct_id except;
};

static bool
note_person(void *arg, struct cv_str key, struct cv_str value)
{
	struct people *p = arg;
	cv_acct_id person;
	uint32_t box, n;

	(void)value;
	if (!cv_key_read_seen(key, &box, &person, &n) || n || person == p->except)
		return true;
	p->list[p->count++] = person;
	return p->count < CV_SEEN_CARRY_MAX;
}

#define CHUNK_ROW_MAX (sizeof(uint64_t[CV_SEEN_WORDS]) + 32) /* with its key */

/* What the rows of a state that begins with VIEW take at most. */
static size_t
bytes_of_beginning(const struct cv_view *view)
{
	size_t total = CHUNK_ROW_MAX, runs = 0;

	for (uint32_t i = 0; i < view->pages_count; i++) {
		const struct cv_page *page = view->pages[i].page;
		const uint32_t in_chunk = CV_SEEN_CHUNK / CV_PAGE_UIDS;
		bool before = false;
		if (i && page->number / in_chunk != view->pages[i - 1].page->number / in_chunk) {
			total += CV_MIN(4 * runs + 32, CHUNK_ROW_MAX);
			runs = 0;
		}
		for (uint32_t k = 0; k < page->count; k++) {
			bool is_seen = page->entries[k].flags & CV_FLAG_SEEN;
			runs += is_seen && !before;
			before = is_seen;
		}
	}
	return total + CV_MIN(4 * runs + 32, CHUNK_ROW_MAX);
}

enum cv_status
cv_seen_carry_begin(struct cv_seen_carry *c, struct cv_mbox *src, struct cv_mbox *dst,
	size_t count, cv_acct_id except, struct cv_arena *arena, struct cv_err *err)
{
	size_t of_copies = (count / CV_SEEN_CHUNK + 2) * CHUNK_ROW_MAX, of_all = 0, bytes = 0;
	struct cv_buf from = CV_BUF_INIT(16), to = CV_BUF_INIT(16);
	struct people people = {.except = except};

	*c = (struct cv_seen_carry){0};
	cv_key_box(&from, 'P', src->id);
	cv_key_box(&to, 'P', src->id + 1);
	enum cv_status status = cv_meta_scan(src->acct->store->engine, src->acct->id,
		cv_buf_view(&from), cv_buf_view(&to), 0, note_person, &people, err);
	cv_buf_done(&from);
	cv_buf_done(&to);
	c->from = CV_ARENA_ARRAY(arena, struct cv_seen *, people.count + 1);
	c->edits = CV_ARENA_ARRAY(arena, struct cv_seen_edit, people.count + 1);
	for (size_t i = 0; i < people.count && !status; i++) {
		struct cv_viewer viewer = {.person = people.list[i]};
		struct cv_seen_edit *edit = &c->edits[c->count];
		status = cv_seen_read(src, people.list[i], &c->from[c->count], err);
		if (!status)
			status = cv_seen_begin(edit, dst, &viewer, arena, err);
		if (status)
			break;
		if (!edit->s->has_own && !of_all)
			of_all = bytes_of_beginning(dst->view);
		size_t more = of_copies + (edit->s->has_own ? 0 : of_all);
		if (bytes + more > CV_SEEN_CARRY_BYTES)
			continue;
		bytes += more;
		c->count++;
	}
	return status;
}

void
cv_seen_carry_add(struct cv_seen_carry *c, uint32_t from_uid, uint32_t uid, uint32_t own)
{
	for (size_t i = 0; i < c->count; i++) {
		bool seen = has_bit(chunk_of(c->from[i], from_uid / CV_SEEN_CHUNK), from_uid);
		if (seen || (own & CV_FLAG_SEEN))
			(void)cv_seen_set(&c->edits[i], uid, own, seen ? CV_FLAG_SEEN : 0);
	}
}

/* ---- a person comes ---- */

static enum cv_status
try_enter(struct cv_mbox *m, const struct cv_viewer *viewer, bool claims, uint32_t *first_out,
	uint32_t *next_out, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_writer w = CV_WRITER_INIT;
	struct cv_seen_edit e;

	make_room(m);
	enum cv_status status = cv_seen_begin(&e, m, viewer, &arena, err);
	if (!status)
		cv_seen_pin(&e);
	*next_out = m->row.uidnext;
	*first_out = status ? *next_out : e.recent_from;
	if (!status && claims && e.recent_from < m->row.uidnext) {
		e.recent_from = m->row.uidnext;
		e.has_changed = true;
	}
	if (!status && e.has_changed) {
		cv_seen_write(&e, &m->row, &w);
		status = cv_acct_commit(m->acct, &w, ticket_out, err);
		if (!status)
			cv_seen_apply(&e, &m->row);
	}
	cv_writer_done(&w);
	cv_arena_done(&arena);
	return status;
}

enum cv_status
cv_mbox_enter_as(struct cv_mbox *m, const struct cv_viewer *viewer, bool claims,
	uint32_t *first_uid_out, uint32_t *next_uid_out, cv_ticket *ticket_out, struct cv_err *err)
{
	*ticket_out = 0;
	enum cv_status status = cv_box_lock(m, err);
	if (status)
		return status;
	for (int i = 0; i < CV_TRIES; i++) {
		status = cv_acct_fresh(m->acct, err);
		if (!status)
			status = try_enter(m, viewer, claims, first_uid_out, next_uid_out,
				ticket_out, err);
		if (status != CV_CONFLICT && status != CV_UNKNOWN)
			break;
	}
	cv_acct_unlock(m->acct);
	return status;
}
