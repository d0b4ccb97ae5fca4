/* registry_journal.c - see journal.h: staging an act, switching it on, rolling it forward. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/register/journal.h"

#define HEAD_VERSION 1
#define PAGE_BYTES (80u << 10)  /* below CV_VALUE_MAX */
#define BATCH_BYTES (700u << 10) /* below CV_BATCH_MAX, with the audit event */
#define BATCH_PUTS 900u
#define READ_KEYS 500u
#define HEAD_TEXT_MAX 600u

/* ---- keys and heads ---- */

static struct cv_str
act_key(struct cv_arena *arena, char kind, uint64_t id, int64_t page)
{
	struct cv_buf key = CV_BUF_INIT(32);
	cv_buf_c(&key, 'J');
	cv_buf_c(&key, kind);
	cv_buf_be64(&key, id);
	if (page >= 0)
		cv_buf_be32(&key, (uint32_t)page);
	struct cv_str copy = cv_arena_str(arena, cv_buf_view(&key));
	cv_buf_done(&key);
	return copy;
}

static struct cv_str
head_row(struct cv_arena *arena, const struct reg_act *a)
{
	struct cv_buf row = CV_BUF_INIT(4096);
	cv_buf_c(&row, HEAD_VERSION);
	cv_buf_c(&row, (char)a->state);
	cv_buf_be64(&row, (uint64_t)a->secs);
	cv_buf_varint(&row, a->rows);
	cv_buf_varint(&row, a->bytes);
	cv_buf_varint(&row, a->pages);
	cv_buf_varint(&row, a->undoes);
	cv_buf_bytes(&row, cv_str_z(a->action));
	cv_buf_bytes(&row, cv_str_z(a->object));
	cv_buf_bytes(&row, cv_str_z(a->actor));
	struct cv_str copy = cv_arena_str(arena, cv_buf_view(&row));
	cv_buf_done(&row);
	return copy;
}

static void
act_free(struct reg_act *a)
{
	free(a->action);
	free(a->object);
	free(a->actor);
}

static void
keep_act(struct reg_journal *j, const struct reg_act *a)
{
	if (j->count == j->cap) {
		j->cap = j->cap ? j->cap * 2 : 16;
		j->acts = cv_realloc(j->acts, j->cap * sizeof *j->acts);
	}
	j->acts[j->count++] = *a;
	j->next = CV_MAX(j->next, a->id + 1);
}

void
reg_journal_done(struct reg_journal *j)
{
	for (size_t i = 0; i < j->count; i++)
		act_free(&j->acts[i]);
	free(j->acts);
	*j = (struct reg_journal){ 0 };
}

struct reg_act *
reg_journal_find(struct reg_journal *j, uint64_t id)
{
	for (size_t i = 0; i < j->count; i++)
		if (j->acts[i].id == id)
			return &j->acts[i];
	return NULL;
}

const struct reg_act *
reg_journal_undone_by(const struct reg_journal *j, uint64_t id)
{
	for (size_t i = j->count; i-- > 0 && j->acts[i].id > id;)
		if (j->acts[i].undoes == id && !reg_journal_undone_by(j, j->acts[i].id))
			return &j->acts[i];
	return NULL;
}

/* ---- committing ---- */

/* A batch being gathered; it is committed when it is full. */
struct gather {
	struct cv_registry *r;
	struct cv_put puts[BATCH_PUTS];
	size_t count, bytes;
};

static enum cv_status
flush(struct gather *g, struct cv_err *err)
{
	struct cv_registry *r = g->r;
	struct cv_batch batch = { .acct = REG_ACCT, .expect = r->version, .puts = g->puts,
		.count = g->count };
	if (!g->count)
		return CV_OK;
	enum cv_status status = cv_meta_commit(cv_store_engine(r->store), &batch, 1, &r->ticket,
	                                       err);
	if (!status && batch.result)
		status = cv_fail(err, batch.result, "the register was not changed: %s",
		                 cv_status_name(batch.result));
	g->count = g->bytes = 0;
	if (status)
		r->is_stale = true;
	else
		r->version = batch.version;
	return status;
}

static enum cv_status
add(struct gather *g, struct cv_str key, struct cv_str value, const char *kill_point,
    struct cv_err *err)
{
	size_t bytes = key.n + value.n + 64;
	enum cv_status status = CV_OK;
	if (g->count == BATCH_PUTS || g->bytes + bytes > BATCH_BYTES) {
		status = flush(g, err);
		CV_KILL_POINT(kill_point);
	}
	(void)kill_point; /* in builds without the points */
	g->puts[g->count++] = (struct cv_put){ key, value };
	g->bytes += bytes;
	return status;
}

static struct gather *
gather_new(struct cv_registry *r)
{
	struct gather *g = cv_calloc(1, sizeof *g);
	g->r = r;
	return g;
}

/* ---- reading pages ---- */

struct pages {
	struct cv_arena *arena;
	struct cv_str page[8];
	size_t n;
};

static bool
on_page(void *arg, struct cv_str key, struct cv_str value)
{
	struct pages *p = arg;
	(void)key;
	p->page[p->n++] = cv_arena_str(p->arena, value);
	return true;
}

/* The pages of ACT from number FIRST on, as many as fit. */
static enum cv_status
read_pages(struct cv_registry *r, const struct reg_act *act, uint32_t first, struct pages *p,
           struct cv_err *err)
{
	p->n = 0;
	enum cv_status status = cv_meta_scan(cv_store_engine(r->store), REG_ACCT,
		act_key(p->arena, 'P', act->id, first), act_key(p->arena, 'P', act->id + 1, 0),
		CV_COUNT(p->page), on_page, p, err);
	if (!status && !p->n)
		status = cv_fail(err, CV_CORRUPT, "page %u of act %llu is missing", first,
		                 (unsigned long long)act->id);
	return status;
}

static bool
next_entry(struct cv_rd *rd, struct reg_entry *e)
{
	e->key = cv_rd_bytes(rd);
	unsigned has = cv_rd_u8(rd);
	e->old = has & 1 ? cv_rd_bytes(rd) : CV_STR_EMPTY;
	e->new = has & 2 ? cv_rd_bytes(rd) : CV_STR_EMPTY;
	return !rd->bad && e->key.n > 0 && has <= 3;
}

static void
put_entry(struct cv_buf *out, const struct reg_entry *e)
{
	cv_buf_bytes(out, e->key);
	cv_buf_c(out, (char)((e->old.p ? 1 : 0) | (e->new.p ? 2 : 0)));
	if (e->old.p)
		cv_buf_bytes(out, e->old);
	if (e->new.p)
		cv_buf_bytes(out, e->new);
}

static enum cv_status
damaged(const struct reg_act *act, struct cv_err *err)
{
	return cv_fail(err, CV_CORRUPT, "the journal of act %llu is damaged",
	               (unsigned long long)act->id);
}

/* ---- rolling forward ---- */

static void
note(struct reg_call *c, uint64_t done, uint64_t total)
{
	if (c && c->progress)
		c->progress(c->arg, json_pack("{s:I, s:I}", "done", (json_int_t)done, "total",
		                              (json_int_t)total));
}

static enum cv_status
write_page(struct gather *g, const struct reg_act *act, struct cv_str page, uint64_t *rows,
           struct cv_err *err)
{
	struct cv_rd rd = cv_rd(page);
	enum cv_status status = CV_OK;
	while (!status && cv_rd_left(&rd)) {
		struct reg_entry e;
		if (!next_entry(&rd, &e))
			return damaged(act, err);
		status = add(g, e.key, e.new, "journal.rolled", err);
		++*rows;
	}
	return status;
}

/* Writes the new values of ACT, which is ON. C may be NULL: nobody is told of progress. */
static enum cv_status
roll_forward(struct cv_registry *r, struct reg_call *c, struct reg_act *act, struct cv_err *err)
{
	struct gather *g = gather_new(r);
	struct cv_arena arena = CV_ARENA_INIT;
	struct pages p = { .arena = &arena };
	enum cv_status status = CV_OK;
	uint64_t rows = 0;
	for (uint32_t at = 0; !status && at < act->pages; at += (uint32_t)p.n) {
		status = read_pages(r, act, at, &p, err);
		for (size_t i = 0; !status && i < p.n; i++)
			status = write_page(g, act, p.page[i], &rows, err);
		if (!status)
			status = flush(g, err);
		CV_KILL_POINT("journal.rolled");
		note(c, act->rows + rows, 2 * act->rows);
		cv_arena_reset(&arena);
	}
	if (!status) {
		act->state = REG_ACT_DONE;
		status = add(g, act_key(&arena, 'H', act->id, -1), head_row(&arena, act), "", err);
	}
	if (!status)
		status = flush(g, err);
	CV_KILL_POINT("journal.done");
	cv_arena_done(&arena);
	free(g);
	return status;
}

/* ---- removing ---- */

/* The head goes last: while it is there, what is left of the pages is found. */
static enum cv_status
remove_act(struct cv_registry *r, struct reg_act *act, struct cv_err *err)
{
	struct gather *g = gather_new(r);
	struct cv_arena arena = CV_ARENA_INIT;
	enum cv_status status = CV_OK;
	for (uint32_t i = 0; !status && i < act->pages; i++)
		status = add(g, act_key(&arena, 'P', act->id, i), CV_STR_EMPTY, "journal.removed",
		             err);
	if (!status)
		status = add(g, act_key(&arena, 'H', act->id, -1), CV_STR_EMPTY, "journal.removed",
		             err);
	if (!status)
		status = flush(g, err);
	CV_KILL_POINT("journal.removed");
	cv_arena_done(&arena);
	free(g);
	if (status)
		return status;
	struct reg_journal *j = &r->journal;
	size_t at = (size_t)(act - j->acts);
	act_free(act);
	memmove(act, act + 1, (j->count - at - 1) * sizeof *act);
	j->count--;
	return CV_OK;
}

static uint64_t
bytes_of_all(const struct reg_journal *j)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < j->count; i++)
		sum += j->acts[i].bytes;
	return sum;
}

enum cv_status
reg_journal_expire(struct cv_registry *r, uint64_t room, struct cv_err *err)
{
	struct reg_journal *j = &r->journal;
	int64_t limit = cv_wall_secs() - REG_JOURNAL_SECS;
	enum cv_status status = CV_OK;
	while (!status && j->count && j->acts[0].state == REG_ACT_DONE &&
	       (j->acts[0].secs < limit || bytes_of_all(j) + room > REG_JOURNAL_BYTES))
		status = remove_act(r, &j->acts[0], err);
	return status;
}

/* ---- opening ---- */

struct heads {
	struct reg_journal *journal;
	bool is_bad;
};

static bool
on_head(void *arg, struct cv_str key, struct cv_str value)
{
	struct heads *h = arg;
	struct cv_rd k = cv_rd(cv_str_sub(key, 2, key.n)), rd = cv_rd(value);
	h->is_bad = cv_rd_u8(&rd) != HEAD_VERSION;
	struct reg_act a = { .id = cv_rd_be64(&k), .state = (enum reg_act_state)cv_rd_u8(&rd) };
	a.secs = (int64_t)cv_rd_be64(&rd);
	a.rows = cv_rd_varint(&rd);
	a.bytes = cv_rd_varint(&rd);
	a.pages = (uint32_t)cv_rd_varint(&rd);
	a.undoes = cv_rd_varint(&rd);
	a.action = cv_str_dup(cv_rd_bytes(&rd));
	a.object = cv_str_dup(cv_rd_bytes(&rd));
	a.actor = cv_str_dup(cv_rd_bytes(&rd));
	h->is_bad |= rd.bad || k.bad || a.state < REG_ACT_STAGED || a.state > REG_ACT_DONE;
	if (h->is_bad)
		act_free(&a);
	else
		keep_act(h->journal, &a);
	return !h->is_bad;
}

static enum cv_status
read_heads(struct cv_registry *r, struct cv_err *err)
{
	struct cv_engine *e = cv_store_engine(r->store);
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX + 1);
	struct cv_str key = CV_STR("JC"), value;
	struct heads h = { .journal = &r->journal };
	reg_journal_done(&r->journal);
	enum cv_status status = cv_meta_read(e, REG_ACCT, &key, 1, &value, &hold, NULL, err);
	r->journal.next = 1;
	if (!status && value.p) {
		struct cv_rd rd = cv_rd(value);
		r->journal.next = cv_rd_be64(&rd);
		h.is_bad = rd.bad;
	}
	if (!status)
		status = cv_meta_scan(e, REG_ACCT, CV_STR("JH"), CV_STR("JI"), 0, on_head, &h, err);
	if (!status && h.is_bad)
		status = cv_fail(err, CV_CORRUPT, "a head of the register's journal is damaged");
	cv_buf_done(&hold);
	return status;
}

enum cv_status
reg_journal_recover(struct cv_registry *r, struct cv_err *err)
{
	enum cv_status status = read_heads(r, err);
	for (size_t i = 0; !status && i < r->journal.count;) {
		struct reg_act *a = &r->journal.acts[i];
		if (a->state == REG_ACT_STAGED) {
			status = remove_act(r, a, err);
			continue;
		}
		if (a->state == REG_ACT_ON)
			status = roll_forward(r, NULL, a, err);
		i++;
	}
	return status;
}

enum cv_status
reg_journal_entries(struct reg_call *c, const struct reg_act *act, struct reg_entry **out,
                    size_t *count_out, struct cv_err *err)
{
	struct pages p = { .arena = &c->arena };
	enum cv_status status = CV_OK;
	size_t n = 0;
	*out = CV_ARENA_ARRAY(&c->arena, struct reg_entry, (size_t)act->rows + 1);
	for (uint32_t at = 0; !status && at < act->pages; at += (uint32_t)p.n) {
		status = read_pages(c->r, act, at, &p, err);
		for (size_t i = 0; !status && i < p.n; i++) {
			struct cv_rd rd = cv_rd(p.page[i]);
			while (!status && cv_rd_left(&rd))
				if (n == act->rows || !next_entry(&rd, &(*out)[n++]))
					status = damaged(act, err);
		}
	}
	if (!status && n != act->rows)
		status = damaged(act, err);
	*count_out = n;
	return status;
}

/* ---- an act ---- */

struct writing {
	struct reg_call *c;
	struct reg_entry *entries;
	size_t count;
	struct cv_str *pages;
	struct reg_act act;
};

enum cv_status
reg_journal_values(struct reg_call *c, const struct reg_entry *entries, size_t count,
                   struct cv_str *values, struct cv_err *err)
{
	struct cv_str keys[READ_KEYS];
	struct cv_buf hold = CV_BUF_INIT((size_t)READ_KEYS * (CV_VALUE_MAX + 1));
	enum cv_status status = CV_OK;
	for (size_t i = 0; !status && i < count; i += READ_KEYS) {
		size_t n = CV_MIN(count - i, (size_t)READ_KEYS);
		for (size_t k = 0; k < n; k++)
			keys[k] = entries[i + k].key;
		cv_buf_reset(&hold);
		status = cv_meta_read(cv_store_engine(c->r->store), REG_ACCT, keys, n, values + i,
		                      &hold, NULL, err);
		for (size_t k = 0; !status && k < n; k++)
			if (values[i + k].p)
				values[i + k] = cv_arena_str(&c->arena, values[i + k]);
	}
	if (hold.p)
		cv_wipe(hold.p, hold.n);
	cv_buf_done(&hold);
	return status;
}

static bool
is_same(struct cv_str a, struct cv_str b)
{
	return !a.p == !b.p && cv_str_eq(a, b);
}

/* The recorded rows, each once with its last value, without those that stay as they are. */
static enum cv_status
gather_entries(struct writing *w, struct cv_err *err)
{
	struct reg_call *c = w->c;
	struct cv_map seen;
	cv_map_init(&seen);
	w->entries = CV_ARENA_ARRAY(&c->arena, struct reg_entry, c->put_count + 1);
	for (size_t i = 0; i < c->put_count; i++) {
		struct reg_entry *e = cv_map_get(&seen, c->puts[i].key);
		if (!e) {
			e = &w->entries[w->count++];
			e->key = c->puts[i].key;
			cv_map_put(&seen, e->key, e);
		}
		e->new = c->puts[i].value;
	}
	cv_map_done(&seen);
	struct cv_str *old = CV_ARENA_ARRAY(&c->arena, struct cv_str, w->count + 1);
	enum cv_status status = reg_journal_values(c, w->entries, w->count, old, err);
	size_t kept = 0;
	for (size_t i = 0; !status && i < w->count; i++) {
		struct reg_entry e = { w->entries[i].key, old[i], w->entries[i].new };
		if (!is_same(e.old, e.new))
			w->entries[kept++] = e;
	}
	w->count = kept;
	return status;
}

static enum cv_status
make_pages(struct writing *w, struct cv_err *err)
{
	struct cv_arena *arena = &w->c->arena;
	struct cv_buf page = CV_BUF_INIT(CV_VALUE_MAX), one = CV_BUF_INIT(4 * CV_VALUE_MAX);
	size_t room = 0;
	enum cv_status status = CV_OK;
	struct cv_str *pages = NULL;
	for (size_t i = 0; !status && i <= w->count; i++) {
		cv_buf_reset(&one);
		if (i < w->count)
			put_entry(&one, &w->entries[i]);
		if (one.n > PAGE_BYTES)
			status = cv_fail(err, CV_LIMIT, "a row is too large for the journal");
		if (page.n && (i == w->count || page.n + one.n > PAGE_BYTES)) {
			if (w->act.pages == room) {
				room = room ? room * 2 : 16;
				pages = cv_realloc(pages, room * sizeof *pages);
			}
			pages[w->act.pages++] = cv_arena_str(arena, cv_buf_view(&page));
			w->act.bytes += page.n;
			cv_buf_reset(&page);
		}
		cv_buf_str(&page, cv_buf_view(&one));
	}
	if (!status && w->act.bytes > REG_ACT_BYTES)
		status = cv_fail(err, CV_LIMIT,
		                 "one act may change at most %llu MB of rows: do it in parts",
		                 (unsigned long long)(REG_ACT_BYTES >> 20));
	w->pages = CV_ARENA_ARRAY(arena, struct cv_str, w->act.pages + 1);
	if (pages)
		memcpy(w->pages, pages, w->act.pages * sizeof *pages);
	free(pages);
	cv_buf_done(&page);
	cv_buf_done(&one);
	return status;
}

static enum cv_status
add_head(struct writing *w, struct gather *g, enum reg_act_state state, struct cv_err *err)
{
	struct cv_arena *arena = &w->c->arena;
	w->act.state = state;
	return add(g, act_key(arena, 'H', w->act.id, -1), head_row(arena, &w->act), "", err);
}

/* Number, head and pages; the head first, so that a stop half way leaves nothing unknown. */
static enum cv_status
stage(struct writing *w, struct gather *g, enum reg_act_state state, struct cv_err *err)
{
	struct cv_arena *arena = &w->c->arena;
	struct cv_buf next = CV_BUF_INIT(16);
	cv_buf_be64(&next, w->act.id + 1);
	enum cv_status status = add(g, CV_STR("JC"), cv_arena_str(arena, cv_buf_view(&next)), "",
	                            err);
	cv_buf_done(&next);
	if (!status)
		status = add_head(w, g, state, err);
	for (uint32_t i = 0; !status && i < w->act.pages; i++) {
		status = add(g, act_key(arena, 'P', w->act.id, i), w->pages[i], "journal.staged",
		             err);
		if (!g->count || i % 8 == 0)
			note(w->c, w->act.rows * i / w->act.pages, 2 * w->act.rows);
	}
	return status;
}

/* What stands in G and the audit event, in one commit. */
static enum cv_status
commit_event(struct writing *w, struct gather *g, json_t *detail, struct cv_err *err)
{
	struct cv_registry *r = w->c->r;
	struct cv_audit_event event = { .actor = w->act.actor, .action = w->act.action,
		.object = w->act.object, .result = "ok", .detail = detail };
	struct cv_batch batch = { .acct = REG_ACCT, .expect = r->version, .puts = g->puts,
		.count = g->count };
	enum cv_status status = cv_audit_commit(r->audit, &event, &batch, 1, &r->ticket, err);
	g->count = g->bytes = 0;
	if (status)
		r->is_stale = true;
	else
		r->version = batch.version;
	return status;
}

static enum cv_status
commit_small(struct writing *w, struct gather *g, json_t *detail, struct cv_err *err)
{
	enum cv_status status = stage(w, g, REG_ACT_DONE, err);
	for (size_t i = 0; !status && i < w->count; i++)
		status = add(g, w->entries[i].key, w->entries[i].new, "", err);
	return status ? status : commit_event(w, g, detail, err);
}

static enum cv_status
commit_large(struct writing *w, struct gather *g, json_t *detail, struct cv_err *err)
{
	enum cv_status status = stage(w, g, REG_ACT_STAGED, err);
	if (!status)
		status = flush(g, err);
	CV_KILL_POINT("journal.staged");
	if (!status)
		status = add_head(w, g, REG_ACT_ON, err);
	if (!status)
		status = commit_event(w, g, detail, err);
	/* From here on it has happened: the disk knows it before a row is written. */
	if (!status)
		cv_ticket_block(cv_store_engine(w->c->r->store), w->c->r->ticket);
	CV_KILL_POINT("journal.on");
	return status ? status : roll_forward(w->c->r, w->c, &w->act, err);
}

static bool
is_small(const struct writing *w)
{
	/* Twice: the pages hold old and new values, then the new ones come once more. */
	return w->count + w->act.pages + 2 <= BATCH_PUTS &&
	       2 * w->act.bytes + 100 * w->count < BATCH_BYTES - (16u << 10);
}

/* The event of an act names it, so that the trail leads to its rows. */
static json_t *
detail_of(struct writing *w, json_t *detail)
{
	json_t *o = detail ? json_copy(detail) : json_object();
	if (w->c->who && w->c->who->role)
		json_object_set_new(o, "role", json_string(cv_admin_role_word(w->c->who->role)));
	json_object_set_new(o, "act", json_integer((json_int_t)w->act.id));
	json_object_set_new(o, "rows", json_integer((json_int_t)w->act.rows));
	if (w->act.undoes)
		json_object_set_new(o, "undoes", json_integer((json_int_t)w->act.undoes));
	return o;
}

static enum cv_status
commit_entries(struct writing *w, json_t *detail, struct cv_err *err)
{
	struct cv_registry *r = w->c->r;
	enum cv_status status = reg_journal_expire(r, w->act.bytes, err);
	if (status)
		return status;
	struct gather *g = gather_new(r);
	json_t *more = detail_of(w, detail);
	status = is_small(w) ? commit_small(w, g, more, err) : commit_large(w, g, more, err);
	json_decref(more);
	free(g);
	if (status)
		r->is_stale = true; /* loading finishes the act or removes it */
	else
		keep_act(&r->journal, &w->act);
	return status;
}

enum cv_status
reg_journal_commit(struct reg_call *c, const char *action, const char *object, json_t *detail,
                   uint64_t undoes, struct cv_err *err)
{
	struct cv_registry *r = c->r;
	struct writing w = { .c = c, .act = { .id = r->journal.next, .secs = cv_wall_secs(),
		.undoes = undoes } };
	if (c->is_dry)
		return reg_commit(c, action, object, detail, err);
	enum cv_status status = gather_entries(&w, err);
	if (!status)
		status = make_pages(&w, err);
	w.act.rows = w.count;
	w.act.action = cv_strndup(action, HEAD_TEXT_MAX);
	w.act.object = cv_strndup(object, HEAD_TEXT_MAX);
	w.act.actor = cv_strndup(c->actor, HEAD_TEXT_MAX);
	if (!status && w.count)
		status = commit_entries(&w, detail, err);
	json_decref(detail);
	if (status || !w.count) {
		act_free(&w.act);
		return status;
	}
	json_object_set_new(c->reply, "act", json_integer((json_int_t)w.act.id));
	r->changes++;
	c->put_count = 0;
	c->was_committed = true;
	return CV_OK;
}

enum cv_status
reg_commit_act(struct reg_call *c, const char *action, const char *object, json_t *detail,
               struct cv_err *err)
{
	return reg_journal_commit(c, action, object, detail, 0, err);
}
