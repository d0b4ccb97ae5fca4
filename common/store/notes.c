/* notes.c - see notes.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/notes.h"

#include "common/store/internal.h"

#define PRIVATE "/private/"
#define SHARED  "/shared/"

bool
cv_note_is_private(struct cv_str name)
{
	return cv_str_has_iprefix(name, PRIVATE);
}

bool
cv_note_name_is_valid(struct cv_str name)
{
	if (name.n > CV_NOTE_NAME_MAX ||
		!(cv_note_is_private(name) || cv_str_has_iprefix(name, SHARED)) ||
		name.p[name.n - 1] == '/')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		if (c < ' ' || c > 126 || c == '*' || c == '%' ||
			(c == '/' && name.p[i + 1] == '/'))
			return false;
	}
	return true;
}

/* ---- reading ---- */

/* A row taken apart; slices as long as the row's. */
struct found {
	uint32_t box;
	cv_acct_id person; /* 0: shared */
	struct cv_str key_name, name, value;
};
typedef void found_fn(void *arg, const struct found *f);

struct walk {
	found_fn *fn;
	void *arg;
	bool bad;
};

static bool
on_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct walk *w = arg;
	struct found f;

	if (!cv_key_read_note(key, &f.box, &f.person, &f.key_name) ||
		cv_row_note_decode(value, &f.name, &f.value)) {
		w->bad = true;
		return false;
	}
	w->fn(w->arg, &f);
	return true;
}

/* Calls FN for every note of the mailbox BOX or of all. */
static enum cv_status
each(struct cv_acct *a, uint64_t box, found_fn *fn, void *arg, struct cv_err *err)
{
	bool is_all = box == CV_NOTES_ALL;
	struct cv_buf from = CV_BUF_INIT(32), to = CV_BUF_INIT(32);
	struct walk w = {fn, arg, false};

	cv_key_box(&from, CV_KEY_NOTE, is_all ? 0 : (uint32_t)box);
	if (is_all || box == UINT32_MAX)
		cv_buf_c(&to, CV_KEY_NOTE + 1);
	else
		cv_key_box(&to, CV_KEY_NOTE, (uint32_t)box + 1);
	enum cv_status status = cv_meta_scan(a->store->engine, a->id, cv_buf_view(&from),
		cv_buf_view(&to), 0, on_row, &w, err);
	cv_buf_done(&from);
	cv_buf_done(&to);
	if (!status && w.bad)
		status = cv_fail(err, CV_CORRUPT, "a note of account %llx is damaged",
			(unsigned long long)a->id);
	return status;
}

struct getting {
	struct cv_arena *arena;
	cv_acct_id person;
	struct cv_note *notes;
	size_t count, cap;
};

static void
get_one(void *arg, const struct found *f)
{
	struct getting *g = arg;

	if (f->person && f->person != g->person)
		return;
	if (g->count == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 16;
		struct cv_note *grown = CV_ARENA_ARRAY(g->arena, struct cv_note, cap);
		if (g->count)
			memcpy(grown, g->notes, g->count * sizeof *grown);
		g->notes = grown;
		g->cap = cap;
	}
	g->notes[g->count++] = (struct cv_note){
		f->box, cv_arena_str(g->arena, f->name), cv_arena_str(g->arena, f->value)};
}

enum cv_status
cv_notes_get(struct cv_acct *a, uint64_t box, cv_acct_id person, struct cv_arena *arena,
	struct cv_note **out, size_t *count_out, struct cv_err *err)
{
	struct getting g = {.arena = arena, .person = person};
	enum cv_status status = each(a, box, get_one, &g, err);

	*out = g.notes;
	*count_out = g.count;
	return status;
}

/* ---- changing ---- */

/* Every note of the account as it will be. */
struct inventory {
	struct cv_arena *arena;
	struct held {
		uint32_t box;
		cv_acct_id person;
		struct cv_str key_name;
		size_t bytes;
	} * held;
	size_t count, cap;
	size_t bytes;
	struct cv_writer w;
};

static size_t
bytes_of(struct cv_str key_name, struct cv_str value)
{
	return key_name.n + value.n;
}

static void
hold(struct inventory *v, struct held h)
{
	if (v->count == v->cap) {
		size_t cap = v->cap ? 2 * v->cap : 64;
		struct held *grown = CV_ARENA_ARRAY(v->arena, struct held, cap);
		if (v->count)
			memcpy(grown, v->held, v->count * sizeof *grown);
		v->held = grown;
		v->cap = cap;
	}
	v->held[v->count++] = h;
	v->bytes += h.bytes;
}

static void
hold_found(void *arg, const struct found *f)
{
	struct inventory *v = arg;

	hold(v, (struct held){f->box, f->person, cv_arena_str(v->arena, f->key_name),
			bytes_of(f->key_name, f->value)});
}

static void
drop(struct inventory *v, struct held *h)
{
	v->bytes -= h->bytes;
	*h = v->held[--v->count];
}

static struct held *
find(struct inventory *v, uint32_t box, cv_acct_id person, struct cv_str key_name)
{
	for (size_t i = 0; i < v->count; i++) {
		struct held *h = &v->held[i];
		if (h->box == box && h->person == person && cv_str_eq(h->key_name, key_name))
			return h;
	}
	return NULL;
}

static size_t
count_of(const struct inventory *v, uint32_t box, cv_acct_id person)
{
	size_t n = 0;

	for (size_t i = 0; i < v->count; i++)
		n += v->held[i].box == box && v->held[i].person == person;
	return n;
}

static struct cv_str
lower(struct cv_str name, struct cv_arena *arena)
{
	char *copy = cv_arena_alloc(arena, name.n + 1);

	for (size_t i = 0; i < name.n; i++)
		copy[i] = (char)cv_lower((unsigned char)name.p[i]);
	return cv_str(copy, name.n);
}

static void
change(struct inventory *v, uint32_t box, cv_acct_id person, const struct cv_note *note)
{
	struct cv_str key_name = lower(note->name, v->arena);
	struct held *h = find(v, box, person, key_name);

	if (!h && !note->value.p)
		return;
	if (h)
		drop(v, h);
	cv_key_note(cv_writer_key(&v->w), box, person, key_name);
	if (!note->value.p) {
		cv_writer_delete(&v->w);
		return;
	}
	hold(v, (struct held){box, person, key_name, bytes_of(key_name, note->value)});
	cv_row_note_encode(note->name, note->value, cv_writer_value(&v->w));
	cv_writer_end(&v->w);
}

/* Whether what grew has become too much; what shrinks may always do so. */
static bool
is_too_much(const struct inventory *before, const struct inventory *v, uint32_t box,
	cv_acct_id person)
{
	const cv_acct_id owners[] = {0, person};

	for (size_t i = 0; i < CV_COUNT(owners); i++) {
		size_t n = count_of(v, box, owners[i]);
		if (n > CV_NOTES_MAX && n > count_of(before, box, owners[i]))
			return true;
	}
	return (v->count > CV_NOTES_ACCT_MAX && v->count > before->count) ||
	       (v->bytes > CV_NOTES_ACCT_BYTES && v->bytes > before->bytes);
}

static struct cv_mbox *
box_of(struct cv_acct *a, uint64_t id)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->boxes[i]->id == id)
			return a->boxes[i];
	return NULL;
}

static enum cv_status
change_use(struct cv_acct *a, struct cv_mbox *m, enum cv_special_use use, struct cv_writer *w,
	struct cv_err *err)
{
	struct cv_row_box row = m->row;

	if (use && (!row.selectable || cv_str_eq_z(row.name, "INBOX")))
		return cv_fail(err, CV_DENIED, "this mailbox has no special use");
	if (use && cv_box_find_use(a, use))
		return cv_fail(err, CV_EXISTS, "another mailbox has that special use");
	row.use = use;
	row.epoch = a->store->epoch;
	cv_box_put(m->id, &row, w);
	return CV_OK;
}

struct setting {
	uint64_t box;
	cv_acct_id person;
	const struct cv_note *changes;
	size_t count;
	const enum cv_special_use *use;
};

static enum cv_status
try_set(struct cv_acct *a, const struct setting *s, struct cv_arena *arena, cv_ticket *ticket_out,
	struct cv_err *err)
{
	struct inventory v = {.arena = arena, .w = CV_WRITER_INIT}, before;
	struct cv_mbox *m = s->box ? box_of(a, s->box) : NULL;
	enum cv_status status = CV_OK;
	bool changes_use = m && s->use && *s->use != m->row.use;

	if (s->box && !m)
		return cv_fail(err, CV_NOT_FOUND, "no such mailbox");
	if (s->count)
		status = each(a, CV_NOTES_ALL, hold_found, &v, err);
	if (status)
		return status;
	before = v;
	before.held = CV_ARENA_ARRAY(arena, struct held, v.count + 1);
	if (v.count)
		memcpy(before.held, v.held, v.count * sizeof *v.held);
	for (size_t i = 0; i < s->count; i++) {
		bool is_private = cv_note_is_private(s->changes[i].name);
		change(&v, (uint32_t)s->box, is_private ? s->person : 0, &s->changes[i]);
	}
	if (is_too_much(&before, &v, (uint32_t)s->box, s->person))
		status = cv_fail(err, CV_LIMIT, "too many notes");
	if (!status && changes_use)
		status = change_use(a, m, *s->use, &v.w, err);
	if (!status && v.w.count)
		status = cv_acct_commit(a, &v.w, ticket_out, err);
	if (!status && changes_use) {
		m->row.use = *s->use;
		m->row.epoch = a->store->epoch;
	}
	/* Private notes of others are nobody's business who watches this account. */
	for (size_t i = 0; !status && i < s->count; i++)
		if (s->person == a->id || !cv_note_is_private(s->changes[i].name))
			cv_feed_event(a, CV_FEED_METADATA, m ? m->row.name : CV_STR(""),
				s->changes[i].name);
	cv_writer_done(&v.w);
	return status;
}

enum cv_status
cv_notes_set(struct cv_acct *a, uint64_t box, cv_acct_id person, const struct cv_note *changes,
	size_t count, const enum cv_special_use *use, cv_ticket *ticket_out, struct cv_err *err)
{
	struct setting s = {box, person, changes, count, use};

	*ticket_out = 0;
	enum cv_status status = cv_acct_lock(a, err);
	if (status)
		return status;
	for (int i = 0; i < CV_TRIES; i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		status = cv_acct_fresh(a, err);
		if (!status)
			status = try_set(a, &s, &arena, ticket_out, err);
		cv_arena_done(&arena);
		if (status != CV_CONFLICT && status != CV_UNKNOWN)
			break;
	}
	cv_acct_unlock(a);
	return status;
}

/* ---- with the mailbox ---- */

static void
delete_found(void *arg, const struct found *f)
{
	struct cv_writer *w = arg;

	cv_key_note(cv_writer_key(w), f->box, f->person, f->key_name);
	cv_writer_delete(w);
}

enum cv_status
cv_notes_drop(struct cv_acct *a, uint64_t box, struct cv_writer *w, struct cv_err *err)
{
	return each(a, box, delete_found, w, err);
}

struct copying {
	struct inventory v;
	uint32_t from, to;
	size_t copied, copied_bytes;
};

static void
copy_found(void *arg, const struct found *f)
{
	struct copying *c = arg;

	c->v.count++;
	c->v.bytes += bytes_of(f->key_name, f->value);
	if (f->box != c->from)
		return;
	c->copied++;
	c->copied_bytes += bytes_of(f->key_name, f->value);
	if (c->copied_bytes > CV_BATCH_SOFT)
		return; /* it will not be written */
	cv_key_note(cv_writer_key(&c->v.w), c->to, f->person, f->key_name);
	cv_row_note_encode(f->name, f->value, cv_writer_value(&c->v.w));
	cv_writer_end(&c->v.w);
}

static enum cv_status
try_copy(struct cv_acct *a, uint64_t from, uint64_t to, cv_ticket *ticket_out, struct cv_err *err)
{
	struct copying c = {
		.v.w = CV_WRITER_INIT, .from = (uint32_t)from, .to = (uint32_t)to};
	enum cv_status status = each(a, CV_NOTES_ALL, copy_found, &c, err);
	bool has_room = c.copied_bytes <= CV_BATCH_SOFT &&
			c.v.count + c.copied <= CV_NOTES_ACCT_MAX &&
			c.v.bytes + c.copied_bytes <= CV_NOTES_ACCT_BYTES;

	if (!status && c.copied && has_room)
		status = cv_acct_commit(a, &c.v.w, ticket_out, err);
	cv_writer_done(&c.v.w);
	return status;
}

enum cv_status
cv_notes_copy(
	struct cv_acct *a, uint64_t from, uint64_t to, cv_ticket *ticket_out, struct cv_err *err)
{
	enum cv_status status = cv_acct_lock(a, err);

	if (status)
		return status;
	for (int i = 0; i < CV_TRIES; i++) {
		status = cv_acct_fresh(a, err);
		if (!status)
			status = try_copy(a, from, to, ticket_out, err);
		if (status != CV_CONFLICT && status != CV_UNKNOWN)
			break;
	}
	cv_acct_unlock(a);
	return status;
}
