/* account.c - which accounts are in memory, reading them, and committing for them.
 *
 * A handle is found or made under the store's table lock and read under its own lock. One nobody
 * uses stays for the next delivery or log-in until there are too many: then the longest unused
 * goes. Nothing in memory is ever newer than the rows, so forgetting needs no writing.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"

/* ---- the table ---- */

static struct cv_acct **
bucket_of(struct cv_store *s, cv_acct_id id)
{
	return &s->buckets[(id * 0x9e3779b97f4a7c15ull) >> 32 & (CV_TABLE_BUCKETS - 1)];
}

static struct cv_acct *
new_acct(struct cv_store *s, cv_acct_id id)
{
	struct cv_acct *a = cv_calloc(1, sizeof *a);
	a->store = s;
	a->id = id;
	cv_list_init(&a->idle);
	pthread_mutex_init(&a->lock, NULL);
	return a;
}

static void
forget_rows(struct cv_acct *a)
{
	for (size_t i = 0; i < a->count; i++)
		cv_box_unref(a->boxes[i]);
	for (size_t i = 0; i < a->sub_count; i++)
		free(a->subs[i].name);
	a->count = a->sub_count = 0;
	cv_ids_forget(a);
}

static void
free_acct(struct cv_acct *a)
{
	forget_rows(a);
	cv_feed_free(a);
	free(a->boxes);
	free(a->subs);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* The table lock is held. */
static void
take_out(struct cv_store *s, struct cv_acct *a)
{
	struct cv_acct **at = bucket_of(s, a->id);
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	if (!cv_list_is_empty(&a->idle)) {
		cv_list_remove(&a->idle);
		s->idle_count--;
		s->idle_bytes -= a->idle_bytes;
	}
}

struct cv_acct *
cv_acct_find_or_add(struct cv_store *s, cv_acct_id id)
{
	pthread_mutex_lock(&s->lock);
	struct cv_acct **bucket = bucket_of(s, id), *a = *bucket;
	while (a && a->id != id)
		a = a->next;
	if (!a) {
		a = new_acct(s, id);
		a->next = *bucket;
		*bucket = a;
	}
	if (!a->refs++ && !cv_list_is_empty(&a->idle)) {
		cv_list_remove(&a->idle);
		s->idle_count--;
		s->idle_bytes -= a->idle_bytes;
	}
	pthread_mutex_unlock(&s->lock);
	return a;
}

void
cv_acct_ref(struct cv_acct *a)
{
	pthread_mutex_lock(&a->store->lock);
	a->refs++;
	pthread_mutex_unlock(&a->store->lock);
}

static uint64_t
bytes_held(const struct cv_acct *a)
{
	uint64_t n = 0;
	for (size_t i = 0; i < a->count; i++)
		if (a->boxes[i]->view)
			n += a->boxes[i]->row.exists * sizeof(struct cv_entry);
	return n;
}

static struct cv_acct *
too_many(struct cv_store *s)
{
	if (s->idle_count <= CV_IDLE_ACCTS_MAX && s->idle_bytes <= CV_IDLE_VIEW_BYTES)
		return NULL;
	struct cv_acct *old = CV_CONTAINER(s->idle.next, struct cv_acct, idle);
	take_out(s, old);
	return old;
}

void
cv_acct_close(struct cv_acct *a)
{
	if (!a)
		return;
	struct cv_store *s = a->store;
	struct cv_acct *drop[4];
	size_t count = 0;
	pthread_mutex_lock(&s->lock);
	assert(a->refs);
	if (!--a->refs) {
		if (!a->loaded) {
			take_out(s, a);
			drop[count++] = a;
		} else {
			a->idle_bytes = bytes_held(a);
			cv_list_append(&s->idle, &a->idle);
			s->idle_count++;
			s->idle_bytes += a->idle_bytes;
		}
		while (count < CV_COUNT(drop) && (drop[count] = too_many(s)))
			count++;
	}
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < count; i++)
		free_acct(drop[i]);
}

void
cv_accts_free(struct cv_store *s)
{
	for (size_t i = 0; i < CV_TABLE_BUCKETS; i++)
		while (s->buckets[i]) {
			struct cv_acct *a = s->buckets[i];
			s->buckets[i] = a->next;
			free_acct(a);
		}
	cv_list_init(&s->idle);
}

/* ---- reading ---- */

struct loading {
	struct cv_acct *a;
	struct cv_mbox *last; /* whose list may follow */
	enum cv_status status;
};

static struct cv_mbox *
box_by_id(struct cv_acct *a, uint32_t id)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->boxes[i]->id == id)
			return a->boxes[i];
	return NULL;
}

static void
add_sub(struct cv_acct *a, uint32_t number, struct cv_str name)
{
	a->subs = cv_realloc(a->subs, (a->sub_count + 1) * sizeof *a->subs);
	a->subs[a->sub_count++] = (struct cv_sub){number, cv_str_dup(name)};
}

/* A row of a mailbox that may be in memory from before a conflict. */
static struct cv_mbox *
take_box(struct cv_acct *a, uint32_t id, struct cv_row_box *row)
{
	cv_fence_box(a->store, row);
	struct cv_mbox *m = box_by_id(a, id);
	if (!m) {
		m = cv_box_new(a, id, row);
		cv_box_insert(a, m);
	} else {
		char *name = cv_str_dup(row->name);
		free(m->name);
		m->name = name;
		m->row = *row;
		m->row.name = cv_str_z(name);
		cv_box_set_acl(m, CV_STR_EMPTY); /* its row follows, if there is one */
	}
	m->seen = true;
	cv_acct_count(a, row, 1);
	a->modseq = CV_MAX(a->modseq, row->highest_modseq);
	return m;
}

static bool
load_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct loading *l = arg;
	uint32_t box, number;
	struct cv_row_box row;
	if (cv_key_read_uid(key, 'B', &box, &number)) {
		add_sub(l->a, number, value);
	} else if (cv_key_read_box(key, 'B', &box) && !cv_row_box_decode(value, &row)) {
		l->last = take_box(l->a, box, &row);
	} else if (cv_key_read_acl(key, &box) && l->last && l->last->id == box &&
		   cv_acl_is_valid(value)) {
		cv_box_set_acl(l->last, value);
	} else {
		l->status = CV_CORRUPT;
		return false;
	}
	return true;
}

static int
by_name(const void *a, const void *b)
{
	const struct cv_mbox *const *x = a, *const *y = b;
	return cv_str_cmp((*x)->row.name, (*y)->row.name);
}

/* After a conflict: views are read again where somebody has one, what vanished is gone. */
static enum cv_status
refresh_boxes(struct cv_acct *a, struct cv_err *err)
{
	for (size_t i = 0; i < a->count;) {
		struct cv_mbox *m = a->boxes[i];
		if (!m->seen) {
			cv_box_take_out(a, m);
			cv_box_gone(m);
			cv_box_unref(m);
			continue;
		}
		bool had_view = m->view;
		m->keywords_known = false;
		cv_box_drop_view(m);
		enum cv_status status = had_view ? cv_box_load(m, err) : CV_OK;
		if (status)
			return status;
		if (had_view)
			cv_box_publish(m, NULL, 0);
		i++;
	}
	if (a->count)
		qsort(a->boxes, a->count, sizeof *a->boxes, by_name);
	return CV_OK;
}

static enum cv_status
read_head(struct cv_acct *a, struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str key = CV_STR("H"), value;
	enum cv_status status =
		cv_meta_read(a->store->engine, a->id, &key, 1, &value, &hold, &a->version, err);
	if (!status && !value.p)
		status = cv_fail(err, CV_NOT_FOUND, "no account %llx", (unsigned long long)a->id);
	else if (!status && cv_row_head_decode(value, &a->head))
		status = cv_fail(err, CV_CORRUPT, "the head row of account %llx is damaged",
			(unsigned long long)a->id);
	else if (!status && a->head.state == CV_ROW_PURGING)
		status = cv_fail(err, CV_NOT_FOUND, "account %llx is being purged",
			(unsigned long long)a->id);
	cv_buf_done(&hold);
	if (!status)
		cv_fence_head(a->store, &a->head);
	return status;
}

static enum cv_status
load(struct cv_acct *a, struct cv_err *err)
{
	cv_ids_forget(a);
	enum cv_status status = read_head(a, err);
	if (status)
		return status;
	bool again = a->count;
	for (size_t i = 0; i < a->count; i++)
		a->boxes[i]->seen = false;
	for (size_t i = 0; i < a->sub_count; i++)
		free(a->subs[i].name);
	a->sub_count = 0;
	a->used_bytes = a->used_messages = 0;
	a->modseq = CV_MAX(a->modseq, a->head.modseq);
	struct loading l = {.a = a};
	status = cv_meta_scan(
		a->store->engine, a->id, CV_STR("B"), CV_STR("C"), 0, load_row, &l, err);
	if (!status && l.status)
		status = cv_fail(err, l.status, "a mailbox row of account %llx is damaged",
			(unsigned long long)a->id);
	if (!status && again) {
		status = refresh_boxes(a, err);
		cv_feed_lost(a);
	}
	a->loaded = !status;
	if (!status)
		cv_quota_changed(a);
	return status;
}

enum cv_status
cv_acct_fresh(struct cv_acct *a, struct cv_err *err)
{
	return a->loaded ? CV_OK : load(a, err);
}

enum cv_status
cv_acct_lock(struct cv_acct *a, struct cv_err *err)
{
	pthread_mutex_lock(&a->lock);
	enum cv_status status = cv_acct_fresh(a, err);
	if (status)
		pthread_mutex_unlock(&a->lock);
	return status;
}

void
cv_acct_unlock(struct cv_acct *a)
{
	pthread_mutex_unlock(&a->lock);
}

enum cv_status
cv_acct_open(struct cv_store *s, cv_acct_id id, bool create, struct cv_acct **out,
	cv_ticket *ticket_out, struct cv_err *err)
{
	*out = NULL;
	if (ticket_out)
		*ticket_out = 0;
	struct cv_acct *a = cv_acct_find_or_add(s, id);
	pthread_mutex_lock(&a->lock);
	enum cv_status status = cv_acct_fresh(a, err);
	if (status == CV_NOT_FOUND && create && a->head.state != CV_ROW_PURGING)
		for (int i = 0; i < CV_TRIES; i++) {
			cv_ticket ticket = 0;
			status = cv_boxes_create_default(a, &ticket, err);
			if (!status && ticket_out)
				*ticket_out = ticket;
			if (status == CV_CONFLICT)
				status = load(a, err);
			if (status != CV_NOT_FOUND && status != CV_RETRY)
				break;
		}
	pthread_mutex_unlock(&a->lock);
	if (status) {
		cv_acct_close(a);
		return status;
	}
	*out = a;
	return CV_OK;
}

/* ---- committing ---- */

enum cv_status
cv_acct_commit_after(struct cv_acct *a, struct cv_batch *first, struct cv_writer *w,
	cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_batch batches[2];
	size_t n = 0;
	if (first)
		batches[n++] = *first;
	struct cv_batch *mine = &batches[n++];
	*mine = (struct cv_batch){
		.acct = a->id, .expect = a->version, .puts = cv_writer_puts(w), .count = w->count};
	cv_ticket ticket = 0;
	enum cv_status status = cv_meta_commit(a->store->engine, batches, n, &ticket, err);
	if (first)
		*first = batches[0];
	if (status) {
		a->loaded = false;
		return status;
	}
	if (mine->result) {
		if (mine->result == CV_CONFLICT || mine->result == CV_UNKNOWN)
			a->loaded = false;
		return cv_fail(err, mine->result, "cannot change account %llx: %s",
			(unsigned long long)a->id, cv_status_name(mine->result));
	}
	a->version = mine->version;
	if (ticket_out)
		*ticket_out = ticket;
	return first ? first->result : CV_OK;
}

enum cv_status
cv_acct_commit(struct cv_acct *a, struct cv_writer *w, cv_ticket *ticket_out, struct cv_err *err)
{
	return cv_acct_commit_after(a, NULL, w, ticket_out, err);
}

enum cv_status
cv_acct_may_give(struct cv_acct *a, uint64_t count, struct cv_err *err)
{
	uint64_t ahead = a->given - a->safe;
	if (count > CV_ACT_MAX)
		return cv_fail(err, CV_LIMIT, "more than %u messages at once", CV_ACT_MAX);
	if (ahead + count <= CV_AHEAD_MAX / 4)
		return CV_OK; /* far from the limit */
	if (a->mark && cv_ticket_is_durable(a->store->engine, a->mark)) {
		a->safe = a->mark_given;
		a->mark = 0;
		ahead = a->given - a->safe;
	}
	if (ahead <= CV_AHEAD_MAX)
		return CV_OK; /* with COUNT still well under a gap */
	return cv_fail(err, CV_RETRY,
		"the disk is behind: %llu changes of this account wait for it",
		(unsigned long long)ahead);
}

void
cv_acct_gave(struct cv_acct *a, uint64_t count, cv_ticket ticket)
{
	a->given += count;
	if (a->mark)
		return;
	a->mark = ticket;
	a->mark_given = a->given;
}

/* ---- head ---- */

uint32_t
cv_acct_new_id(struct cv_row_head *head)
{
	return ++head->next_id;
}

uint32_t
cv_acct_new_uidvalidity(struct cv_store *s, struct cv_row_head *head)
{
	uint64_t now = (uint64_t)cv_wall_secs() + s->epoch * CV_ID_GAP;
	uint64_t next = CV_MAX(now, (uint64_t)head->last_uidvalidity + 1);
	head->last_uidvalidity = (uint32_t)CV_MIN(next, (uint64_t)UINT32_MAX);
	return head->last_uidvalidity;
}

void
cv_acct_put_head(const struct cv_row_head *head, struct cv_writer *w)
{
	cv_key_head(cv_writer_key(w));
	cv_row_head_encode(head, cv_writer_value(w));
	cv_writer_end(w);
}

cv_acct_id
cv_acct_number(const struct cv_acct *a)
{
	return a->id;
}
