/* view.c - immutable, counted pictures of a mailbox.
 *
 * Reference counts are the only shared words readers write. A reader takes its reference under the
 * mailbox's view lock, which is held for a few instructions; giving one back needs no lock. Whoever
 * takes a count to zero frees: the release of each decrement and the acquire of the last order all
 * use before the free.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"
#include "common/store/seen.h"

static void
count_up(uint32_t *refs)
{
	__atomic_add_fetch(refs, 1, __ATOMIC_RELAXED);
}

static bool
count_down(uint32_t *refs)
{
	return __atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL) == 0;
}

/* ---- pages and keywords ---- */

struct cv_page *
cv_page_new(uint32_t number, const struct cv_entry *entries, uint32_t count)
{
	struct cv_page *p = cv_malloc(sizeof *p + count * sizeof *entries);
	*p = (struct cv_page){.refs = 1, .number = number, .count = count};
	memcpy(p->entries, entries, count * sizeof *entries);
	return p;
}

void
cv_page_unref(struct cv_page *p)
{
	if (p && count_down(&p->refs))
		free(p);
}

struct cv_keywords *
cv_keywords_new(const struct cv_str *names, size_t count)
{
	struct cv_keywords *k = cv_calloc(1, sizeof *k);
	k->refs = 1;
	k->count = (uint32_t)count;
	for (size_t i = 0; i < count; i++)
		k->names[i] = cv_str_dup(names[i]);
	return k;
}

void
cv_keywords_unref(const struct cv_keywords *k)
{
	struct cv_keywords *mine = (struct cv_keywords *)(uintptr_t)k;
	if (!mine || !count_down(&mine->refs))
		return;
	for (uint32_t i = 0; i < mine->count; i++)
		free(mine->names[i]);
	free(mine);
}

/* ---- views ---- */

static struct cv_view *
view_new(struct cv_mbox *m, uint32_t pages)
{
	struct cv_view *v = cv_malloc(sizeof *v + pages * sizeof v->pages[0]);
	*v = (struct cv_view){
		.refs = 1,
		.uidvalidity = m->row.uidvalidity,
		.uidnext = m->row.uidnext,
		.highest_modseq = m->row.highest_modseq,
		.keywords = m->keywords,
	};
	count_up(&m->keywords->refs);
	return v;
}

void
cv_view_add(struct cv_view *v, struct cv_page *page)
{
	v->pages[v->pages_count++] = (struct cv_view_page){v->exists + 1, page};
	v->exists += page->count;
}

struct cv_view *
cv_view_like(const struct cv_view *base)
{
	struct cv_view *v = cv_malloc(sizeof *v + base->pages_count * sizeof v->pages[0]);
	*v = (struct cv_view){
		.refs = 1,
		.uidvalidity = base->uidvalidity,
		.uidnext = base->uidnext,
		.highest_modseq = base->highest_modseq,
		.keywords = base->keywords,
	};
	count_up(&((struct cv_keywords *)(uintptr_t)v->keywords)->refs);
	return v;
}

void
cv_view_share(struct cv_view *v, const struct cv_page *page)
{
	struct cv_page *mine = (struct cv_page *)(uintptr_t)page;
	count_up(&mine->refs);
	cv_view_add(v, mine);
}

void
cv_view_ref(const struct cv_view *v)
{
	count_up(&((struct cv_view *)(uintptr_t)v)->refs);
}

void
cv_view_unref(const struct cv_view *v)
{
	struct cv_view *mine = (struct cv_view *)(uintptr_t)v;
	if (!mine || !count_down(&mine->refs))
		return;
	for (uint32_t i = 0; i < mine->pages_count; i++)
		cv_page_unref((struct cv_page *)(uintptr_t)mine->pages[i].page);
	cv_keywords_unref(mine->keywords);
	free(mine);
}

const struct cv_entry *
cv_view_seq(const struct cv_view *v, uint32_t seq)
{
	if (!seq || seq > v->exists)
		return NULL;
	uint32_t low = 0, high = v->pages_count;
	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;
		if (v->pages[mid].first_seq <= seq)
			low = mid;
		else
			high = mid;
	}
	return &v->pages[low].page->entries[seq - v->pages[low].first_seq];
}

/* The index of the first page whose number is at least NUMBER. */
static uint32_t
page_at(const struct cv_view *v, uint32_t number)
{
	uint32_t low = 0, high = v->pages_count;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (v->pages[mid].page->number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t
cv_view_seq_at(const struct cv_view *v, uint32_t uid)
{
	uint32_t at = page_at(v, uid / CV_PAGE_UIDS);
	if (at == v->pages_count)
		return v->exists + 1;
	const struct cv_page *p = v->pages[at].page;
	uint32_t low = 0, high = p->count;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (p->entries[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return v->pages[at].first_seq + low;
}

const struct cv_entry *
cv_view_uid(const struct cv_view *v, uint32_t uid)
{
	const struct cv_entry *e = cv_view_seq(v, cv_view_seq_at(v, uid));
	return e && e->uid == uid ? e : NULL;
}

/* ---- reading a mailbox into memory ---- */

struct page_list {
	struct cv_page **pages;
	uint32_t count, cap;
	bool bad;
};

static bool
add_page_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct page_list *list = arg;
	struct cv_entry entries[CV_PAGE_UIDS];
	uint32_t box, number, count;
	if (!cv_key_read_uid(key, 'F', &box, &number) ||
		cv_row_page_decode(value, number, entries, &count)) {
		list->bad = true;
		return false;
	}
	if (list->count == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 16;
		list->pages = cv_realloc(list->pages, list->cap * sizeof list->pages[0]);
	}
	list->pages[list->count++] = cv_page_new(number, entries, count);
	return true;
}

enum cv_status
cv_box_load_keywords(struct cv_mbox *m, struct cv_err *err)
{
	if (m->keywords_known)
		return CV_OK;
	struct cv_buf key = CV_BUF_INIT(16), hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str value, names[CV_KEYWORDS_MAX];
	size_t count = 0;
	cv_key_box(&key, 'K', m->id);
	struct cv_str k = cv_buf_view(&key);
	enum cv_status status =
		cv_meta_read(m->acct->store->engine, m->acct->id, &k, 1, &value, &hold, NULL, err);
	if (!status && value.p)
		status = cv_row_keywords_decode(value, names, &count);
	if (status == CV_CORRUPT)
		cv_fail(err, CV_CORRUPT, "keyword row of mailbox %u is damaged", m->id);
	if (!status) {
		cv_keywords_unref(m->keywords);
		m->keywords = cv_keywords_new(names, count);
		m->keywords_known = true;
	}
	cv_buf_done(&key);
	cv_buf_done(&hold);
	return status;
}

static enum cv_status
read_pages(struct cv_mbox *m, struct page_list *list, struct cv_err *err)
{
	struct cv_buf from = CV_BUF_INIT(16), to = CV_BUF_INIT(16);
	cv_key_box(&from, 'F', m->id);
	cv_key_box(&to, 'F', m->id + 1);
	enum cv_status status = cv_meta_scan(m->acct->store->engine, m->acct->id,
		cv_buf_view(&from), cv_buf_view(&to), 0, add_page_row, list, err);
	cv_buf_done(&from);
	cv_buf_done(&to);
	if (!status && list->bad)
		status = cv_fail(err, CV_CORRUPT, "a flag page of mailbox %u is damaged", m->id);
	return status;
}

enum cv_status
cv_box_load(struct cv_mbox *m, struct cv_err *err)
{
	if (m->view)
		return CV_OK;
	enum cv_status status = cv_box_load_keywords(m, err);
	struct page_list list = {0};
	if (!status)
		status = read_pages(m, &list, err);
	if (!status) {
		struct cv_view *v = view_new(m, list.count);
		for (uint32_t i = 0; i < list.count; i++)
			cv_view_add(v, list.pages[i]);
		pthread_mutex_lock(&m->view_lock);
		m->view = v;
		pthread_mutex_unlock(&m->view_lock);
		cv_page_unref(m->tail);
		m->tail = NULL;
		m->tail_known = false;
	} else {
		for (uint32_t i = 0; i < list.count; i++)
			cv_page_unref(list.pages[i]);
	}
	free(list.pages);
	return status;
}

enum cv_status
cv_box_set_tail(struct cv_mbox *m, struct cv_str value, struct cv_err *err)
{
	struct cv_entry entries[CV_PAGE_UIDS];
	uint32_t number = m->row.uidnext / CV_PAGE_UIDS, count;
	if (value.p && cv_row_page_decode(value, number, entries, &count))
		return cv_fail(err, CV_CORRUPT, "a flag page of mailbox %u is damaged", m->id);
	cv_page_unref(m->tail);
	m->tail = value.p ? cv_page_new(number, entries, count) : NULL;
	m->tail_known = true;
	return CV_OK;
}

bool
cv_box_needs_tail(const struct cv_mbox *m)
{
	return !m->view && !m->tail_known;
}

enum cv_status
cv_box_load_tail(struct cv_mbox *m, struct cv_err *err)
{
	if (!cv_box_needs_tail(m))
		return CV_OK;
	struct cv_buf key = CV_BUF_INIT(16), hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str value;
	cv_key_uid(&key, 'F', m->id, m->row.uidnext / CV_PAGE_UIDS);
	struct cv_str k = cv_buf_view(&key);
	enum cv_status status =
		cv_meta_read(m->acct->store->engine, m->acct->id, &k, 1, &value, &hold, NULL, err);
	if (!status)
		status = cv_box_set_tail(m, value, err);
	cv_buf_done(&key);
	cv_buf_done(&hold);
	return status;
}

void
cv_box_drop_view(struct cv_mbox *m)
{
	pthread_mutex_lock(&m->view_lock);
	struct cv_view *v = m->view;
	m->view = NULL;
	pthread_mutex_unlock(&m->view_lock);
	cv_view_unref(v);
	cv_page_unref(m->tail);
	m->tail = NULL;
	m->tail_known = false;
	cv_seen_forget(m);
}

enum cv_status
cv_mbox_view(struct cv_mbox *m, const struct cv_view **out, struct cv_err *err)
{
	pthread_mutex_lock(&m->view_lock);
	struct cv_view *v = m->view;
	if (v)
		count_up(&v->refs);
	pthread_mutex_unlock(&m->view_lock);
	*out = v;
	if (v)
		return CV_OK;
	enum cv_status status = cv_box_lock(m, err);
	if (status)
		return status;
	status = cv_box_load(m, err);
	if (!status) {
		count_up(&m->view->refs);
		*out = m->view;
	}
	cv_acct_unlock(m->acct);
	return status;
}

/* ---- changes ---- */

static struct cv_view *
merge(struct cv_mbox *m, const struct cv_view *old, const struct cv_page_change *changed,
	size_t count)
{
	struct cv_view *v = view_new(m, old->pages_count + (uint32_t)count);
	size_t c = 0;
	for (uint32_t i = 0; i < old->pages_count || c < count;) {
		struct cv_page *p = i < old->pages_count
					    ? (struct cv_page *)(uintptr_t)old->pages[i].page
					    : NULL;
		if (c < count && (!p || changed[c].number <= p->number)) {
			if (p && changed[c].number == p->number)
				i++;
			if (changed[c].page)
				cv_view_add(v, changed[c].page);
			c++;
			continue;
		}
		count_up(&p->refs);
		cv_view_add(v, p);
		i++;
	}
	return v;
}

/* Without a view in memory only appends happen: the last changed page is the tail. */
static void
keep_tail(struct cv_mbox *m, const struct cv_page_change *changed, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cv_page_unref(m->tail);
		m->tail = changed[i].page;
		m->tail_known = true;
	}
}

/* The view lock is held. */
static void
call_watches(struct cv_mbox *m)
{
	CV_LIST_EACH (it, next, &m->watches) {
		struct cv_watch *w = CV_CONTAINER(it, struct cv_watch, link);
		w->fn(w);
	}
}

void
cv_box_tell(struct cv_mbox *m)
{
	pthread_mutex_lock(&m->view_lock);
	call_watches(m);
	pthread_mutex_unlock(&m->view_lock);
}

void
cv_box_publish(struct cv_mbox *m, const struct cv_page_change *changed, size_t count)
{
	struct cv_view *old = m->view;
	struct cv_view *new_view = old ? merge(m, old, changed, count) : NULL;
	if (!old)
		keep_tail(m, changed, count);
	pthread_mutex_lock(&m->view_lock);
	m->view = new_view;
	call_watches(m);
	pthread_mutex_unlock(&m->view_lock);
	cv_view_unref(old);
}

void
cv_mbox_watch(struct cv_mbox *m, struct cv_watch *w)
{
	pthread_mutex_lock(&m->view_lock);
	cv_list_append(&m->watches, &w->link);
	pthread_mutex_unlock(&m->view_lock);
}

void
cv_mbox_unwatch(struct cv_mbox *m, struct cv_watch *w)
{
	pthread_mutex_lock(&m->view_lock);
	cv_list_remove(&w->link);
	pthread_mutex_unlock(&m->view_lock);
}
