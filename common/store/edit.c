/* edit.c - a change of one mailbox: drafts of the pages it touches and the mailbox row as it will
 * be. Nothing is visible before cv_edit_apply(), which runs after the commit. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"

void
cv_edit_begin(struct cv_edit *e, struct cv_mbox *m, struct cv_arena *arena)
{
	*e = (struct cv_edit){.m = m, .row = m->row, .arena = arena};
	e->row.epoch = m->acct->store->epoch;
}

void
cv_edit_done(struct cv_edit *e)
{
	cv_keywords_unref(e->keywords);
	e->keywords = NULL;
}

/* ---- pages ---- */

static const struct cv_page *
present_page(const struct cv_mbox *m, uint32_t number)
{
	const struct cv_view *v = m->view;
	if (!v)
		return m->tail && m->tail->number == number ? m->tail : NULL;
	uint32_t low = 0, high = v->pages_count;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (v->pages[mid].page->number < number)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == v->pages_count || v->pages[low].page->number != number)
		return NULL;
	return v->pages[low].page;
}

/* Where the draft of page NUMBER is, or belongs. */
static size_t
place_of(const struct cv_edit *e, uint32_t number)
{
	size_t low = 0, high = e->count;
	if (high && e->drafts[high - 1]->number < number)
		return high;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (e->drafts[mid]->number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct cv_draft *
cv_edit_page(struct cv_edit *e, uint32_t number)
{
	size_t at = place_of(e, number);
	if (at < e->count && e->drafts[at]->number == number)
		return e->drafts[at];
	if (e->count == e->cap) {
		size_t cap = e->cap ? e->cap * 2 : 8;
		struct cv_draft **grown = CV_ARENA_ARRAY(e->arena, struct cv_draft *, cap);
		if (e->count)
			memcpy(grown, e->drafts, e->count * sizeof *grown);
		e->drafts = grown;
		e->cap = cap;
	}
	struct cv_draft *d = CV_ARENA_NEW(e->arena, struct cv_draft);
	d->number = number;
	const struct cv_page *p = present_page(e->m, number);
	if (p) {
		d->was_there = true;
		d->count = p->count;
		memcpy(d->entries, p->entries, p->count * sizeof p->entries[0]);
	}
	memmove(e->drafts + at + 1, e->drafts + at, (e->count - at) * sizeof *e->drafts);
	e->drafts[at] = d;
	e->count++;
	return d;
}

static uint32_t
entry_at(const struct cv_draft *d, uint32_t uid)
{
	uint32_t low = 0, high = d->count;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (d->entries[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct cv_entry *
cv_edit_find(struct cv_edit *e, uint32_t uid)
{
	struct cv_draft *d = cv_edit_page(e, uid / CV_PAGE_UIDS);
	uint32_t at = entry_at(d, uid);
	return at < d->count && d->entries[at].uid == uid ? &d->entries[at] : NULL;
}

/* ---- entries and the counts that follow them ---- */

static void
count_flags(struct cv_row_box *row, uint32_t flags, bool up)
{
	if (!(flags & CV_FLAG_SEEN))
		row->unseen = up ? row->unseen + 1 : row->unseen - (row->unseen > 0);
	if (flags & CV_FLAG_DELETED)
		row->deleted = up ? row->deleted + 1 : row->deleted - (row->deleted > 0);
}

uint32_t
cv_edit_add(
	struct cv_edit *e, uint32_t flags, uint64_t keywords, uint64_t modseq, uint64_t size_bytes)
{
	uint32_t uid = e->row.uidnext++;
	struct cv_draft *d = cv_edit_page(e, uid / CV_PAGE_UIDS);
	assert(d->count < CV_PAGE_UIDS);
	d->entries[d->count++] = (struct cv_entry){
		.uid = uid, .flags = flags, .modseq = modseq, .keywords = keywords};
	e->row.exists++;
	e->row.recent++;
	e->row.size_bytes += size_bytes;
	count_flags(&e->row, flags, true);
	return uid;
}

void
cv_edit_set(struct cv_edit *e, struct cv_entry *entry, uint32_t flags, uint64_t keywords,
	uint64_t modseq)
{
	e->sets_flags = true;
	count_flags(&e->row, entry->flags, false);
	count_flags(&e->row, flags, true);
	entry->flags = flags;
	entry->keywords = keywords;
	entry->modseq = modseq;
}

void
cv_edit_remove(struct cv_edit *e, uint32_t uid, uint64_t size_bytes)
{
	struct cv_draft *d = cv_edit_page(e, uid / CV_PAGE_UIDS);
	uint32_t at = entry_at(d, uid);
	assert(at < d->count && d->entries[at].uid == uid);
	count_flags(&e->row, d->entries[at].flags, false);
	memmove(d->entries + at, d->entries + at + 1, (d->count - at - 1) * sizeof d->entries[0]);
	d->count--;
	e->row.exists--;
	e->row.size_bytes -= CV_MIN(size_bytes, e->row.size_bytes);
	if (uid >= e->row.recent_from && e->row.recent)
		e->row.recent--;
}

/* ---- keywords ---- */

/* An atom of RFC 3501: what a client may name a keyword. */
static bool
is_keyword(struct cv_str name)
{
	if (!name.n || name.n > CV_KEYWORD_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		if (c <= ' ' || c > 126 || strchr("(){%*\"\\]", c))
			return false;
	}
	return true;
}

static bool
find_keyword(const struct cv_keywords *k, struct cv_str name, uint32_t *at_out)
{
	for (uint32_t i = 0; i < k->count; i++)
		if (cv_str_ieq_z(name, k->names[i])) {
			*at_out = i;
			return true;
		}
	return false;
}

static void
own_keywords(struct cv_edit *e)
{
	if (e->keywords)
		return;
	struct cv_str names[CV_KEYWORDS_MAX];
	for (uint32_t i = 0; i < e->m->keywords->count; i++)
		names[i] = cv_str_z(e->m->keywords->names[i]);
	e->keywords = cv_keywords_new(names, e->m->keywords->count);
}

enum cv_status
cv_edit_keywords(struct cv_edit *e, const struct cv_str *names, size_t count, bool add,
	uint64_t *mask_out, struct cv_err *err)
{
	*mask_out = 0;
	for (size_t i = 0; i < count; i++) {
		if (!is_keyword(names[i]))
			return cv_fail(
				err, CV_INVALID, "not a keyword: %.*s", CV_STR_ARGS(names[i]));
		const struct cv_keywords *k = e->keywords ? e->keywords : e->m->keywords;
		uint32_t at;
		if (!find_keyword(k, names[i], &at)) {
			if (!add)
				continue;
			if (k->count == CV_KEYWORDS_MAX)
				return cv_fail(err, CV_LIMIT, "a mailbox has at most %d keywords",
					CV_KEYWORDS_MAX);
			own_keywords(e);
			at = e->keywords->count++;
			e->keywords->names[at] = cv_str_dup(names[i]);
		}
		*mask_out |= 1ull << at;
	}
	return CV_OK;
}

/* ---- the end ---- */

static void
write_keywords(struct cv_edit *e, struct cv_writer *w)
{
	struct cv_str names[CV_KEYWORDS_MAX];
	for (uint32_t i = 0; i < e->keywords->count; i++)
		names[i] = cv_str_z(e->keywords->names[i]);
	cv_key_box(cv_writer_key(w), 'K', e->m->id);
	cv_row_keywords_encode(names, e->keywords->count, cv_writer_value(w));
	cv_writer_end(w);
}

void
cv_edit_write(struct cv_edit *e, uint64_t modseq, struct cv_writer *w)
{
	e->row.highest_modseq = CV_MAX(e->row.highest_modseq, modseq);
	cv_box_put(e->m->id, &e->row, w);
	if (e->keywords)
		write_keywords(e, w);
	for (size_t i = 0; i < e->count; i++) {
		const struct cv_draft *d = e->drafts[i];
		if (!d->count && !d->was_there)
			continue;
		cv_key_uid(cv_writer_key(w), 'F', e->m->id, d->number);
		if (!d->count) {
			cv_writer_delete(w);
			continue;
		}
		cv_row_page_encode(d->entries, d->count, d->number, cv_writer_value(w));
		cv_writer_end(w);
	}
}

/* What the watchers of the account's feed are told of E. */
static unsigned
kinds_of(const struct cv_edit *e)
{
	uint32_t added = e->row.uidnext - e->m->row.uidnext;
	bool has_gone = e->m->row.exists + added > e->row.exists;

	return (added ? CV_FEED_NEW : 0u) | (has_gone ? CV_FEED_GONE : 0u) |
	       (e->sets_flags ? CV_FEED_FLAGS : 0u);
}

void
cv_edit_apply(struct cv_edit *e)
{
	struct cv_mbox *m = e->m;
	struct cv_acct *a = m->acct;
	cv_acct_count(a, &m->row, -1);
	cv_acct_count(a, &e->row, 1);
	unsigned kinds = kinds_of(e);
	cv_quota_changed(a);
	m->row = e->row;
	if (e->keywords) {
		cv_keywords_unref(m->keywords);
		m->keywords = e->keywords;
		e->keywords = NULL;
	}
	struct cv_page_change *changes =
		CV_ARENA_ARRAY(e->arena, struct cv_page_change, e->count + 1);
	for (size_t i = 0; i < e->count; i++) {
		const struct cv_draft *d = e->drafts[i];
		changes[i] = (struct cv_page_change){.number = d->number,
			.page = d->count ? cv_page_new(d->number, d->entries, d->count) : NULL};
	}
	cv_box_publish(m, changes, e->count);
	cv_feed_messages(m, kinds);
}
