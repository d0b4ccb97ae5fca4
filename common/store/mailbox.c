/* mailbox.c - the list of mailboxes of an account: make, delete, rename, subscribe.
 *
 * The list is an array sorted by name. Every act here is one batch: the mailbox rows, the head that
 * gives ids, and what subscriptions change. A deleted mailbox only loses its B row; its
 * messages wait for the end of the restore window, and the reaper takes them then.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"
#include "common/store/notes.h"
#include "common/store/seen.h"

/* ---- one mailbox ---- */

struct cv_mbox *
cv_box_new(struct cv_acct *a, uint32_t id, const struct cv_row_box *row)
{
	struct cv_mbox *m = cv_calloc(1, sizeof *m);
	m->acct = a;
	m->id = id;
	atomic_init(&m->refs, 1);
	m->name = cv_str_dup(row->name);
	m->row = *row;
	m->row.name = cv_str_z(m->name);
	pthread_mutex_init(&m->view_lock, NULL);
	cv_list_init(&m->watches);
	return m;
}

void
cv_box_unref(struct cv_mbox *m)
{
	if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return;
	cv_seen_free(m);
	cv_view_unref(m->view);
	cv_page_unref(m->tail);
	cv_keywords_unref(m->keywords);
	free(m->feed);
	pthread_mutex_destroy(&m->view_lock);
	free(m->name);
	free(m->acl);
	free(m);
}

void
cv_box_gone(struct cv_mbox *m)
{
	m->gone = true;
	m->row.exists = 0;
	cv_box_drop_view(m);
	cv_box_publish(m, NULL, 0);
}

enum cv_status
cv_box_lock(struct cv_mbox *m, struct cv_err *err)
{
	enum cv_status status = cv_acct_lock(m->acct, err);
	if (status)
		return status;
	if (!m->gone && m->row.selectable)
		return CV_OK;
	cv_acct_unlock(m->acct);
	return cv_fail(err, CV_NOT_FOUND, "the mailbox is gone");
}

void
cv_box_put(uint32_t id, const struct cv_row_box *row, struct cv_writer *w)
{
	cv_key_box(cv_writer_key(w), 'B', id);
	cv_row_box_encode(row, cv_writer_value(w));
	cv_writer_end(w);
}

static void
put_acl(uint32_t id, struct cv_str row, struct cv_writer *w)
{
	cv_key_acl(cv_writer_key(w), id);
	if (!row.n) {
		cv_writer_delete(w);
		return;
	}
	cv_buf_str(cv_writer_value(w), row);
	cv_writer_end(w);
}

struct cv_str
cv_box_acl(const struct cv_mbox *m)
{
	return cv_str(m->acl, m->acl_n);
}

void
cv_box_set_acl(struct cv_mbox *m, struct cv_str row)
{
	char *copy = row.n ? cv_malloc(row.n) : NULL;
	if (copy)
		memcpy(copy, row.p, row.n);
	free(m->acl);
	m->acl = copy;
	m->acl_n = (uint32_t)row.n;
	atomic_fetch_add(&m->acl_version, 1);
}

/* ---- the sorted list ---- */

/* The index of the first mailbox whose name is not below NAME. */
static size_t
at_least(const struct cv_acct *a, struct cv_str name)
{
	size_t low = 0, high = a->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (cv_str_cmp(a->boxes[mid]->row.name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void
cv_box_insert(struct cv_acct *a, struct cv_mbox *m)
{
	if (a->count == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 8;
		a->boxes = cv_realloc(a->boxes, a->cap * sizeof(struct cv_mbox *));
	}
	size_t at = at_least(a, m->row.name);
	memmove(a->boxes + at + 1, a->boxes + at, (a->count - at) * sizeof(struct cv_mbox *));
	a->boxes[at] = m;
	a->count++;
}

void
cv_box_take_out(struct cv_acct *a, struct cv_mbox *m)
{
	size_t at = 0;
	while (at < a->count && a->boxes[at] != m)
		at++;
	assert(at < a->count);
	a->count--;
	memmove(a->boxes + at, a->boxes + at + 1, (a->count - at) * sizeof(struct cv_mbox *));
}

struct cv_mbox *
cv_box_find(struct cv_acct *a, struct cv_str canon)
{
	size_t at = at_least(a, canon);
	return at < a->count && cv_str_eq(a->boxes[at]->row.name, canon) ? a->boxes[at] : NULL;
}

struct cv_mbox *
cv_box_find_use(struct cv_acct *a, enum cv_special_use use)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->boxes[i]->row.use == use && a->boxes[i]->row.selectable)
			return a->boxes[i];
	return NULL;
}

/* NAME with the separator behind it: what its children begin with. */
static struct cv_str
stem(const struct cv_acct *a, struct cv_str name, struct cv_arena *arena)
{
	return cv_arena_printf(arena, "%.*s%c", (int)name.n, name.p, a->store->separator);
}

static bool
begins_with(struct cv_str s, struct cv_str prefix)
{
	return s.n >= prefix.n && !memcmp(s.p, prefix.p, prefix.n);
}

static bool
has_children(const struct cv_acct *a, struct cv_str name, struct cv_arena *arena)
{
	struct cv_str prefix = stem(a, name, arena);
	size_t at = at_least(a, prefix);
	return at < a->count && begins_with(a->boxes[at]->row.name, prefix);
}

static struct cv_str
parent_of(const struct cv_acct *a, struct cv_str name)
{
	while (name.n && name.p[name.n - 1] != a->store->separator)
		name.n--;
	return cv_str_sub(name, 0, name.n ? name.n - 1 : 0);
}

static struct cv_sub *
find_sub(struct cv_acct *a, struct cv_str name)
{
	for (size_t i = 0; i < a->sub_count; i++)
		if (cv_str_eq_z(name, a->subs[i].name))
			return &a->subs[i];
	return NULL;
}

bool
cv_box_is_subscribed(struct cv_acct *a, struct cv_str name)
{
	return find_sub(a, name) != NULL;
}

void
cv_box_info(const struct cv_mbox *m, struct cv_arena *arena, struct cv_mbox_info *out)
{
	*out = (struct cv_mbox_info){
		.name = cv_arena_str(arena, m->row.name),
		.id = m->id,
		.uidvalidity = m->row.uidvalidity,
		.uidnext = m->row.uidnext,
		.highest_modseq = m->row.highest_modseq,
		.exists = m->row.exists,
		.unseen = m->row.unseen,
		.deleted = m->row.deleted,
		.recent = m->row.recent,
		.size_bytes = m->row.size_bytes,
		.use = m->row.use,
		.selectable = m->row.selectable,
		.subscribed = m->row.subscribed,
		.has_children = has_children(m->acct, m->row.name, arena),
		.acl = m->acl_n ? cv_arena_str(arena, cv_box_acl(m)) : CV_STR_EMPTY,
	};
}

/* ---- one act: what will change, written, committed, then done in memory ---- */

struct act {
	struct cv_acct *a;
	struct cv_arena arena;
	struct cv_writer w;
	struct cv_row_head head;
	/* done in memory after the commit */
	struct cv_mbox **added, **removed;
	size_t added_count, removed_count;
	struct renaming {
		struct cv_mbox *m;
		struct cv_row_box row;
	} * renamed;
	size_t renamed_count;
	struct cv_sub subs_added; /* name NULL: none */
	struct cv_str *subs_removed;
	size_t subs_removed_count;
};

static void
act_begin(struct act *t, struct cv_acct *a)
{
	*t = (struct act){.a = a, .w = CV_WRITER_INIT, .head = a->head};
	/* room for every level of a name, and for every mailbox when a hierarchy moves */
	t->added = CV_ARENA_ARRAY(&t->arena, struct cv_mbox *, CV_MBOX_DEPTH_MAX + 2);
	t->removed = CV_ARENA_ARRAY(&t->arena, struct cv_mbox *, CV_MBOX_DEPTH_MAX + 2);
	size_t most = a->count + CV_MBOX_DEPTH_MAX + 2;
	t->renamed = CV_ARENA_ARRAY(&t->arena, struct renaming, most);
	t->subs_removed = CV_ARENA_ARRAY(&t->arena, struct cv_str, most);
}

static void
act_end(struct act *t)
{
	for (size_t i = 0; i < t->added_count; i++)
		cv_box_unref(t->added[i]);
	free(t->subs_added.name);
	cv_writer_done(&t->w);
	cv_arena_done(&t->arena);
}

/* The name gets a mailbox, so its subscription moves from a row of its own to the mailbox's. */
static bool
absorb_sub(struct act *t, struct cv_str name)
{
	struct cv_sub *sub = find_sub(t->a, name);
	if (!sub)
		return false;
	cv_key_sub(cv_writer_key(&t->w), sub->number);
	cv_writer_delete(&t->w);
	t->subs_removed[t->subs_removed_count++] = cv_arena_str(&t->arena, name);
	return true;
}

static void
act_add(struct act *t, struct cv_str name, enum cv_special_use use, bool selectable,
	bool subscribed)
{
	struct cv_row_box row = {
		.name = name,
		.epoch = t->a->store->epoch,
		.uidvalidity = cv_acct_new_uidvalidity(t->a->store, &t->head),
		.uidnext = 1,
		.recent_from = 1,
		.highest_modseq = t->a->modseq + 1,
		.vanished_floor = t->a->modseq,
		.use = use,
		.selectable = selectable,
		.subscribed = absorb_sub(t, name) || subscribed,
	};
	uint32_t id = cv_acct_new_id(&t->head);
	cv_box_put(id, &row, &t->w);
	struct cv_mbox *m = cv_box_new(t->a, id, &row);
	m->tail_known = true;
	t->added[t->added_count++] = m;
}

/* What is new has the list of the mailbox above it (RFC 4314 4), which may be new itself. */
static struct cv_str
inherited_acl(const struct act *t, struct cv_str name)
{
	struct cv_str above = parent_of(t->a, name);
	if (!above.n)
		return CV_STR_EMPTY;
	for (size_t i = 0; i < t->added_count; i++)
		if (cv_str_eq(t->added[i]->row.name, above))
			return cv_box_acl(t->added[i]);
	const struct cv_mbox *parent = cv_box_find(t->a, above);
	return parent ? cv_box_acl(parent) : CV_STR_EMPTY;
}

static void
act_add_child(struct act *t, struct cv_str name, enum cv_special_use use)
{
	struct cv_str acl = inherited_acl(t, name);
	act_add(t, name, use, true, false);
	struct cv_mbox *m = t->added[t->added_count - 1];
	if (!acl.n)
		return;
	put_acl(m->id, acl, &t->w);
	cv_box_set_acl(m, acl);
}

static void
act_row(struct act *t, struct cv_mbox *m, const struct cv_row_box *row)
{
	struct cv_row_box now = *row;
	now.epoch = t->a->store->epoch;
	cv_box_put(m->id, &now, &t->w);
	t->renamed[t->renamed_count++] = (struct renaming){m, now};
}

static void
act_remove(struct act *t, struct cv_mbox *m)
{
	cv_key_box(cv_writer_key(&t->w), 'B', m->id);
	cv_writer_delete(&t->w);
	if (m->acl_n)
		put_acl(m->id, CV_STR_EMPTY, &t->w);
	/* The names of its keywords stay with its messages; a name without mailbox has nothing to
	 * restore. Numbers of this kind never meet those of expunges in the same second. */
	struct cv_row_removed gone = {.kind = CV_REMOVED_BOX,
		.box = m->id,
		.name = m->row.selectable ? m->row.name : CV_STR_EMPTY};
	cv_key_removed(cv_writer_key(&t->w), cv_wall_secs(),
		CV_REMOVED_BOX_BIT | cv_acct_new_id(&t->head));
	cv_row_removed_encode(&gone, cv_writer_value(&t->w));
	cv_writer_end(&t->w);
	t->head.modseq = CV_MAX(t->head.modseq, m->row.highest_modseq);
	t->removed[t->removed_count++] = m;
}

static void
act_keep_sub(struct act *t, struct cv_str name)
{
	t->subs_added = (struct cv_sub){cv_acct_new_id(&t->head), cv_str_dup(name)};
	cv_key_sub(cv_writer_key(&t->w), t->subs_added.number);
	cv_buf_str(cv_writer_value(&t->w), name);
	cv_writer_end(&t->w);
}

static void
drop_sub(struct cv_acct *a, struct cv_str name)
{
	struct cv_sub *sub = find_sub(a, name);
	if (!sub)
		return;
	free(sub->name);
	*sub = a->subs[--a->sub_count];
}

static void
apply_renames(struct act *t)
{
	struct cv_acct *a = t->a;
	for (size_t i = 0; i < t->renamed_count; i++)
		cv_box_take_out(a, t->renamed[i].m);
	for (size_t i = 0; i < t->renamed_count; i++) {
		struct cv_mbox *m = t->renamed[i].m;
		char *name = cv_str_dup(t->renamed[i].row.name);
		free(m->name);
		m->name = name;
		m->row = t->renamed[i].row;
		m->row.name = cv_str_z(name);
		cv_box_insert(a, m);
	}
}

/* What becomes of rows that stay: a new name for the first of them and for all below it, a
 * subscription, a mailbox where there was only a name. */
static void
tell_changed(struct act *t)
{
	for (size_t i = 0; i < t->renamed_count; i++) {
		const struct cv_row_box *was = &t->renamed[i].m->row, *is = &t->renamed[i].row;
		if (!cv_str_eq(was->name, is->name)) {
			if (!i)
				cv_feed_event(t->a, CV_FEED_RENAMED, is->name, was->name);
		} else if (!was->selectable && is->selectable) {
			cv_feed_event(t->a, CV_FEED_CREATED, is->name, CV_STR_EMPTY);
		} else if (was->subscribed != is->subscribed) {
			cv_feed_event(t->a, CV_FEED_SUBSCRIBED, is->name, CV_STR_EMPTY);
		}
	}
}

/* To be called before anything is applied; nobody reads the feed before all is. */
static void
act_tell(struct act *t)
{
	for (size_t i = 0; i < t->removed_count; i++)
		cv_feed_event(t->a, CV_FEED_DELETED, t->removed[i]->row.name,
			cv_box_acl(t->removed[i]));
	for (size_t i = 0; i < t->added_count; i++) {
		struct cv_str name = t->added[i]->row.name;
		/* What stays for its children was told as deleted. */
		if (!t->removed_count || !cv_str_eq(name, t->removed[0]->row.name))
			cv_feed_event(t->a, CV_FEED_CREATED, name, CV_STR_EMPTY);
	}
	tell_changed(t);
	/* A subscription that moves between a row of its own and a mailbox's is none. */
	if (t->subs_added.name && !t->removed_count)
		cv_feed_event(t->a, CV_FEED_SUBSCRIBED, cv_str_z(t->subs_added.name), CV_STR_EMPTY);
	for (size_t i = 0; i < t->subs_removed_count; i++)
		if (!t->added_count && !t->renamed_count)
			cv_feed_event(t->a, CV_FEED_SUBSCRIBED, t->subs_removed[i], CV_STR_EMPTY);
}

static void
act_apply(struct act *t)
{
	struct cv_acct *a = t->a;
	act_tell(t);
	a->head = t->head;
	if (t->added_count)
		a->modseq++;
	for (size_t i = 0; i < t->subs_removed_count; i++)
		drop_sub(a, t->subs_removed[i]);
	if (t->subs_added.name) {
		a->subs = cv_realloc(a->subs, (a->sub_count + 1) * sizeof *a->subs);
		a->subs[a->sub_count++] = t->subs_added;
		t->subs_added.name = NULL;
	}
	for (size_t i = 0; i < t->removed_count; i++) {
		struct cv_mbox *m = t->removed[i];
		cv_box_take_out(a, m);
		cv_acct_count(a, &m->row, -1);
		cv_box_gone(m);
		cv_box_unref(m);
	}
	if (t->removed_count)
		cv_quota_changed(a);
	apply_renames(t);
	for (size_t i = 0; i < t->added_count; i++)
		cv_box_insert(a, t->added[i]);
	t->added_count = 0;
}

static enum cv_status
act_commit(struct act *t, cv_ticket *ticket_out, struct cv_err *err)
{
	t->head.epoch = t->a->store->epoch;
	t->head.modseq = CV_MAX(t->head.modseq, t->a->modseq + 1);
	cv_acct_put_head(&t->head, &t->w);
	enum cv_status status = CV_OK;
	for (size_t i = 0; !status && i < t->removed_count; i++)
		status = cv_notes_drop(t->a, t->removed[i]->id, &t->w, err);
	if (!status)
		status = cv_acct_commit(t->a, &t->w, ticket_out, err);
	if (!status)
		act_apply(t);
	return status;
}

/* ---- create ---- */

static enum cv_status
add_with_parents(struct act *t, struct cv_str name, enum cv_special_use use, struct cv_err *err)
{
	for (size_t at = 0; at < name.n; at++) {
		at = cv_str_find(name, t->a->store->separator, at);
		if (at == name.n)
			break;
		struct cv_str parent = cv_str_sub(name, 0, at);
		if (!cv_box_find(t->a, parent))
			act_add_child(t, parent, CV_USE_NONE);
	}
	if (use && cv_box_find_use(t->a, use))
		return cv_fail(err, CV_EXISTS, "another mailbox has that special use");
	act_add_child(t, name, use);
	if (t->a->count + t->added_count > CV_MBOXES_MAX)
		return cv_fail(err, CV_LIMIT, "an account has at most %u mailboxes", CV_MBOXES_MAX);
	return CV_OK;
}

struct creation {
	enum cv_special_use use;
	uint64_t *id_out;
};

static enum cv_status
do_create(struct act *t, struct cv_str name, struct cv_str none, void *arg, cv_ticket *ticket_out,
	struct cv_err *err)
{
	(void)none;
	struct creation *c = arg;
	struct cv_mbox *m = cv_box_find(t->a, name);
	if (m && m->row.selectable)
		return cv_fail(err, CV_EXISTS, "the mailbox exists");
	enum cv_status status = CV_OK;
	struct cv_str acl = m ? inherited_acl(t, name) : CV_STR_EMPTY;
	if (m) {
		struct cv_row_box row = m->row;
		row.selectable = true;
		row.use = c->use;
		row.uidvalidity = cv_acct_new_uidvalidity(t->a->store, &t->head);
		act_row(t, m, &row);
		put_acl(m->id, acl, &t->w);
	} else {
		status = add_with_parents(t, name, c->use, err);
	}
	if (status)
		return status;
	uint64_t id = m ? m->id : t->added[t->added_count - 1]->id;
	if (c->id_out)
		*c->id_out = id;
	status = act_commit(t, ticket_out, err);
	if (m && !status)
		cv_box_set_acl(m, acl);
	return status;
}

/* Runs ACT on canonical names, again after a conflict. */
typedef enum cv_status act_fn(struct act *t, struct cv_str name, struct cv_str other, void *arg,
	cv_ticket *ticket_out, struct cv_err *err);

static enum cv_status
run_canon(struct cv_acct *a, act_fn *fn, struct cv_str canon, struct cv_str canon_other,
	void *arg, cv_ticket *ticket_out, struct cv_err *err)
{
	enum cv_status status = cv_acct_lock(a, err);
	if (status)
		return status;
	for (int i = 0; i < CV_TRIES; i++) {
		struct act t;
		status = cv_acct_fresh(a, err);
		if (status)
			break;
		act_begin(&t, a);
		status = fn(&t, canon, canon_other, arg, ticket_out, err);
		act_end(&t);
		if (status != CV_CONFLICT && status != CV_RETRY)
			break;
	}
	cv_acct_unlock(a);
	return status;
}

static enum cv_status
run(struct cv_acct *a, act_fn *fn, struct cv_str name, struct cv_str other, void *arg,
	cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_str canon = CV_STR_EMPTY, canon_other = CV_STR_EMPTY;
	if (ticket_out)
		*ticket_out = 0;
	enum cv_status status = cv_name_canon(a->store->separator, name, &arena, &canon, err);
	if (!status && other.p)
		status = cv_name_canon(a->store->separator, other, &arena, &canon_other, err);
	if (!status)
		status = run_canon(a, fn, canon, canon_other, arg, ticket_out, err);
	cv_arena_done(&arena);
	return status;
}

/* What clients send behind a name to say that it will have children. */
static struct cv_str
without_last_separator(const struct cv_acct *a, struct cv_str name)
{
	if (name.n > 1 && name.p[name.n - 1] == a->store->separator)
		name.n--;
	return name;
}

enum cv_status
cv_mbox_create(struct cv_acct *a, struct cv_str name, enum cv_special_use use, uint64_t *id_out,
	cv_ticket *ticket_out, struct cv_err *err)
{
	struct creation c = {use, id_out};
	return run(
		a, do_create, without_last_separator(a, name), CV_STR_EMPTY, &c, ticket_out, err);
}

static enum cv_status
do_hold(struct act *t, struct cv_str name, struct cv_str none, void *arg, cv_ticket *ticket_out,
	struct cv_err *err)
{
	(void)none;
	(void)arg;
	if (cv_box_find_use(t->a, CV_USE_QUARANTINE))
		return CV_OK;
	act_add(t, name, CV_USE_QUARANTINE, true, false);
	return act_commit(t, ticket_out, err);
}

enum cv_status
cv_box_make_quarantine(struct cv_acct *a, struct cv_err *err)
{
	cv_ticket ticket; /* what is delivered there makes it durable */
	return run_canon(
		a, do_hold, CV_STR(CV_QUARANTINE_NAME), CV_STR_EMPTY, NULL, &ticket, err);
}

enum cv_status
cv_boxes_create_default(struct cv_acct *a, cv_ticket *ticket_out, struct cv_err *err)
{
	static const struct {
		const char *name;
		enum cv_special_use use;
	} rows[] = {
		{"INBOX",           CV_USE_NONE   },
		{"Thư nháp",      CV_USE_DRAFTS },
		{"Thư đã gửi", CV_USE_SENT   },
		{CV_JUNK_NAME,      CV_USE_JUNK   },
		{"Thùng rác",     CV_USE_TRASH  },
		{"Lưu trữ",      CV_USE_ARCHIVE},
	};
	struct act t;
	a->head = (struct cv_row_head){.created_secs = cv_wall_secs()};
	act_begin(&t, a);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		act_add(&t, cv_str_z(rows[i].name), rows[i].use, true, true);
	enum cv_status status = act_commit(&t, ticket_out, err);
	act_end(&t);
	if (!status)
		a->loaded = true;
	return status;
}

/* ---- delete ---- */

/* A parent that only stood for its children goes with the last of them. */
static void
remove_empty_parents(struct act *t, struct cv_str name)
{
	struct cv_str child = name;
	for (struct cv_str up = parent_of(t->a, name); up.n; up = parent_of(t->a, up)) {
		struct cv_mbox *m = cv_box_find(t->a, up);
		if (!m || m->row.selectable)
			return;
		struct cv_str prefix = stem(t->a, up, &t->arena);
		struct cv_str below = stem(t->a, child, &t->arena);
		for (size_t i = at_least(t->a, prefix);
			i < t->a->count && begins_with(t->a->boxes[i]->row.name, prefix); i++) {
			struct cv_str other = t->a->boxes[i]->row.name;
			if (!cv_str_eq(other, child) && !begins_with(other, below))
				return;
		}
		act_remove(t, m);
		child = up;
	}
}

static enum cv_status
do_delete(struct act *t, struct cv_str name, struct cv_str none, void *arg, cv_ticket *ticket_out,
	struct cv_err *err)
{
	(void)none;
	(void)arg;
	struct cv_mbox *m = cv_box_find(t->a, name);
	if (!m)
		return cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	if (cv_str_eq_z(name, "INBOX"))
		return cv_fail(err, CV_DENIED, "INBOX cannot be deleted");
	bool children = has_children(t->a, name, &t->arena);
	if (children && !m->row.selectable)
		return cv_fail(err, CV_DENIED, "the name only stands for its children");
	act_remove(t, m);
	if (children)
		act_add(t, name, CV_USE_NONE, false, m->row.subscribed);
	else {
		if (m->row.subscribed)
			act_keep_sub(t, name);
		remove_empty_parents(t, name);
	}
	struct cv_str acl = cv_arena_str(&t->arena, cv_box_acl(m));
	enum cv_status status = act_commit(t, ticket_out, err);
	if (!status)
		cv_grants_drop(t->a, acl);
	return status;
}

enum cv_status
cv_mbox_delete(struct cv_acct *a, struct cv_str name, cv_ticket *ticket_out, struct cv_err *err)
{
	return run(a, do_delete, name, CV_STR_EMPTY, NULL, ticket_out, err);
}

/* ---- rename ---- */

static void
rename_one(struct act *t, struct cv_mbox *m, struct cv_str to)
{
	struct cv_row_box row = m->row;
	row.name = to;
	row.subscribed = absorb_sub(t, to) || row.subscribed;
	act_row(t, m, &row);
}

static enum cv_status
rename_children(struct act *t, struct cv_str from, struct cv_str to, struct cv_err *err)
{
	struct cv_str prefix = stem(t->a, from, &t->arena);
	for (size_t i = at_least(t->a, prefix);
		i < t->a->count && begins_with(t->a->boxes[i]->row.name, prefix); i++) {
		struct cv_str rest = cv_str_sub(t->a->boxes[i]->row.name, from.n, SIZE_MAX);
		struct cv_str name = cv_arena_printf(
			&t->arena, "%.*s%.*s", (int)to.n, to.p, (int)rest.n, rest.p);
		struct cv_str canon;
		enum cv_status status =
			cv_name_canon(t->a->store->separator, name, &t->arena, &canon, err);
		if (status)
			return status;
		rename_one(t, t->a->boxes[i], canon);
	}
	return CV_OK;
}

static enum cv_status
do_rename(struct act *t, struct cv_str from, struct cv_str to, void *arg, cv_ticket *ticket_out,
	struct cv_err *err)
{
	(void)arg;
	struct cv_mbox *m = cv_box_find(t->a, from);
	if (!m)
		return cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	if (cv_box_find(t->a, to))
		return cv_fail(err, CV_EXISTS, "the new name exists");
	if (begins_with(to, stem(t->a, from, &t->arena)))
		return cv_fail(err, CV_INVALID, "a mailbox cannot move below itself");
	for (struct cv_str up = parent_of(t->a, to); up.n; up = parent_of(t->a, up))
		if (!cv_box_find(t->a, up))
			act_add_child(t, up, CV_USE_NONE);
	if (t->a->count + t->added_count > CV_MBOXES_MAX)
		return cv_fail(err, CV_LIMIT, "an account has at most %u mailboxes", CV_MBOXES_MAX);
	rename_one(t, m, to);
	enum cv_status status = rename_children(t, from, to, err);
	if (status)
		return status;
	if (!begins_with(to, stem(t->a, parent_of(t->a, from), &t->arena)))
		remove_empty_parents(t, from);
	return act_commit(t, ticket_out, err);
}

/* INBOX itself stays; its messages move to a new mailbox (RFC 3501 6.3.5), its notes are on both
 * then (RFC 5464 4.1). */
static enum cv_status
rename_inbox(struct cv_acct *a, struct cv_str to, cv_ticket *ticket_out, struct cv_err *err)
{
	enum cv_status status = cv_mbox_create(a, to, CV_USE_NONE, NULL, ticket_out, err);
	struct cv_mbox *inbox = NULL, *dst = NULL;
	const struct cv_view *view = NULL;
	uint32_t *uids = NULL;
	cv_ticket later = 0;
	if (!status)
		status = cv_mbox_open(a, CV_STR("INBOX"), &inbox, err);
	if (!status)
		status = cv_mbox_open(a, to, &dst, err);
	if (!status)
		status = cv_notes_copy(a, inbox->id, dst->id, &later, err);
	*ticket_out = CV_MAX(*ticket_out, later);
	if (!status)
		status = cv_mbox_view(inbox, &view, err);
	if (!status && view->exists) {
		size_t done;
		uids = cv_calloc(3 * (size_t)view->exists, sizeof *uids);
		for (uint32_t i = 0; i < view->exists; i++)
			uids[i] = cv_view_seq(view, i + 1)->uid;
		status = cv_mbox_copy(inbox, uids, view->exists, dst, true, uids + view->exists,
			uids + 2 * (size_t)view->exists, &done, &later, err);
		*ticket_out = CV_MAX(*ticket_out, later); /* 0 when all has gone meanwhile */
	}
	free(uids);
	cv_view_unref(view);
	cv_mbox_close(dst);
	cv_mbox_close(inbox);
	return status;
}

enum cv_status
cv_mbox_rename(struct cv_acct *a, struct cv_str from, struct cv_str to, cv_ticket *ticket_out,
	struct cv_err *err)
{
	if (cv_str_ieq_z(from, "INBOX"))
		return rename_inbox(a, to, ticket_out, err);
	return run(a, do_rename, from, without_last_separator(a, to), NULL, ticket_out, err);
}

/* ---- subscribe ---- */

static enum cv_status
do_subscribe(struct act *t, struct cv_str name, struct cv_str none, void *arg,
	cv_ticket *ticket_out, struct cv_err *err)
{
	(void)none;
	bool on = *(bool *)arg;
	struct cv_mbox *m = cv_box_find(t->a, name);
	if (m) {
		if (m->row.subscribed == on)
			return CV_OK;
		struct cv_row_box row = m->row;
		row.subscribed = on;
		act_row(t, m, &row);
	} else if (on) {
		if (find_sub(t->a, name))
			return CV_OK;
		if (t->a->sub_count >= CV_MBOXES_MAX)
			return cv_fail(err, CV_LIMIT, "too many subscriptions");
		act_keep_sub(t, name);
	} else if (!absorb_sub(t, name)) {
		return CV_OK;
	}
	return act_commit(t, ticket_out, err);
}

enum cv_status
cv_mbox_subscribe(
	struct cv_acct *a, struct cv_str name, bool on, cv_ticket *ticket_out, struct cv_err *err)
{
	return run(a, do_subscribe, name, CV_STR_EMPTY, &on, ticket_out, err);
}

/* ---- access control ---- */

struct acl_act {
	const struct cv_acl_change *change;
	bool *changed_out;
};

static enum cv_status
do_change_acl(struct act *t, struct cv_str name, struct cv_str none, void *arg,
	cv_ticket *ticket_out, struct cv_err *err)
{
	(void)none;
	const struct acl_act *act = arg;
	struct cv_mbox *m = cv_box_find(t->a, name);
	if (!m)
		return cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	struct cv_buf row = CV_BUF_INIT(2 * CV_ACL_ROW_MAX);
	enum cv_status status = cv_acl_apply(cv_box_acl(m), act->change, &row, err);
	bool changes = !status && !cv_str_eq(cv_box_acl(m), cv_buf_view(&row));
	if (act->changed_out)
		*act->changed_out = changes;
	uint32_t unused;
	if (changes && !act->change->is_negative &&
		cv_acl_find(cv_buf_view(&row), act->change->id, false, &unused))
		status = cv_grant_note(t->a, act->change->id, err);
	if (changes && !status) {
		put_acl(m->id, cv_buf_view(&row), &t->w);
		status = act_commit(t, ticket_out, err);
	}
	if (changes && !status) {
		struct cv_str before = cv_arena_str(&t->arena, cv_box_acl(m));
		cv_box_set_acl(m, cv_buf_view(&row));
		cv_grants_drop(t->a, before);
		cv_feed_event(t->a, CV_FEED_RIGHTS, m->row.name, before);
		cv_box_tell(m);
	}
	cv_buf_done(&row);
	return status;
}

enum cv_status
cv_mbox_change_acl(struct cv_acct *a, struct cv_str name, const struct cv_acl_change *change,
	bool *changed_out, cv_ticket *ticket_out, struct cv_err *err)
{
	struct acl_act act = {change, changed_out};
	return run(a, do_change_acl, name, CV_STR_EMPTY, &act, ticket_out, err);
}

enum cv_status
cv_mbox_acl(struct cv_mbox *m, struct cv_arena *arena, struct cv_str *out, struct cv_err *err)
{
	*out = CV_STR_EMPTY;
	enum cv_status status = cv_acct_lock(m->acct, err);
	if (status)
		return status;
	if (m->acl_n)
		*out = cv_arena_str(arena, cv_box_acl(m));
	cv_acct_unlock(m->acct);
	return CV_OK;
}

unsigned
cv_mbox_acl_version(const struct cv_mbox *m)
{
	return atomic_load(&((struct cv_mbox *)(uintptr_t)m)->acl_version);
}

/* ---- list ---- */

static int
by_info(const void *a, const void *b)
{
	const struct cv_mbox_info *x = a, *y = b;
	bool x_inbox = cv_str_eq_z(x->name, "INBOX"), y_inbox = cv_str_eq_z(y->name, "INBOX");
	return x_inbox != y_inbox ? (x_inbox ? -1 : 1) : cv_str_cmp(x->name, y->name);
}

/* With the counts of VIEWER where that is a person. */
static enum cv_status
fill_info_as(struct cv_mbox *m, const struct cv_viewer *viewer, struct cv_arena *arena,
	struct cv_mbox_info *out, struct cv_err *err)
{
	cv_box_info(m, arena, out);
	if (!viewer || !viewer->person || !m->row.selectable)
		return CV_OK;
	return cv_seen_counts(m, viewer->person, &out->unseen, &out->recent, err);
}

enum cv_status
cv_mbox_list(struct cv_acct *a, struct cv_arena *arena, struct cv_mbox_info **list_out,
	size_t *count_out, struct cv_err *err)
{
	return cv_mbox_list_as(a, NULL, arena, list_out, count_out, err);
}

enum cv_status
cv_mbox_list_as(struct cv_acct *a, const struct cv_viewer *viewer, struct cv_arena *arena,
	struct cv_mbox_info **list_out, size_t *count_out, struct cv_err *err)
{
	enum cv_status status = cv_acct_lock(a, err);
	if (status)
		return status;
	size_t count = 0, most = a->count + a->sub_count;
	struct cv_mbox_info *list = CV_ARENA_ARRAY(arena, struct cv_mbox_info, most + 1);
	for (size_t i = 0; i < a->count && !status; i++)
		if (a->boxes[i]->row.use != CV_USE_QUARANTINE)
			status = fill_info_as(a->boxes[i], viewer, arena, &list[count++], err);
	for (size_t i = 0; i < a->sub_count; i++)
		list[count++] = (struct cv_mbox_info){
			.name = cv_arena_str(arena, cv_str_z(a->subs[i].name)), .subscribed = true};
	cv_acct_unlock(a);
	if (status)
		return status;
	qsort(list, count, sizeof *list, by_info);
	*list_out = list;
	*count_out = count;
	return CV_OK;
}

enum cv_status
cv_mbox_info(struct cv_acct *a, struct cv_str name, struct cv_arena *arena,
	struct cv_mbox_info *out, struct cv_err *err)
{
	return cv_mbox_info_as(a, NULL, name, arena, out, err);
}

enum cv_status
cv_mbox_info_as(struct cv_acct *a, const struct cv_viewer *viewer, struct cv_str name,
	struct cv_arena *arena, struct cv_mbox_info *out, struct cv_err *err)
{
	struct cv_str canon;
	enum cv_status status = cv_name_canon(a->store->separator, name, arena, &canon, err);
	if (!status)
		status = cv_acct_lock(a, err);
	if (status)
		return status;
	struct cv_mbox *m = cv_box_find(a, canon);
	if (m)
		status = fill_info_as(m, viewer, arena, out, err);
	else
		status = cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	cv_acct_unlock(a);
	return status;
}

/* ---- handles ---- */

enum cv_status
cv_mbox_open(struct cv_acct *a, struct cv_str name, struct cv_mbox **out, struct cv_err *err)
{
	*out = NULL;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_str canon;
	enum cv_status status = cv_name_canon(a->store->separator, name, &arena, &canon, err);
	if (!status)
		status = cv_acct_lock(a, err);
	if (!status) {
		struct cv_mbox *m = cv_box_find(a, canon);
		if (m && m->row.selectable) {
			atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
			*out = m;
		} else {
			status = cv_fail(err, CV_NOT_FOUND, "no such mailbox");
		}
		cv_acct_unlock(a);
	}
	cv_arena_done(&arena);
	if (!status)
		cv_acct_ref(a);
	return status;
}

void
cv_mbox_close(struct cv_mbox *m)
{
	if (!m)
		return;
	struct cv_acct *a = m->acct;
	cv_box_unref(m);
	cv_acct_close(a);
}

struct cv_acct *
cv_mbox_acct(struct cv_mbox *m)
{
	return m->acct;
}

uint64_t
cv_mbox_id(const struct cv_mbox *m)
{
	return m->id;
}
