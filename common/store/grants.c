/* grants.c - see grants.h. Keys: G, the owner's number, the identifier; values: a version byte. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/grants.h"

#include "common/store/internal.h"

#define GRANTS_ACCT cv_acct(CV_CLASS_SYSTEM, 2)

static void
write_key(struct cv_buf *out, cv_acct_id owner, struct cv_str id)
{
	cv_buf_c(out, 'G');
	cv_buf_be64(out, owner);
	cv_buf_str(out, id);
}

static enum cv_status
try_put(struct cv_store *s, cv_acct_id owner, struct cv_str id, bool is_there, struct cv_err *err)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX), hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_writer w = CV_WRITER_INIT;
	struct cv_str value;
	uint64_t version = 0;
	cv_ticket unused;

	write_key(&key, owner, id);
	struct cv_str k = cv_buf_view(&key);
	enum cv_status status =
		cv_meta_read(s->engine, GRANTS_ACCT, &k, 1, &value, &hold, &version, err);
	if (!status && (value.p != NULL) != is_there) {
		cv_buf_str(cv_writer_key(&w), k);
		if (is_there) {
			cv_buf_c(cv_writer_value(&w), CV_ROW_VERSION);
			cv_writer_end(&w);
		} else {
			cv_writer_delete(&w);
		}
		struct cv_batch batch = {.acct = GRANTS_ACCT,
			.expect = version,
			.puts = cv_writer_puts(&w),
			.count = w.count};
		status = cv_meta_commit(s->engine, &batch, 1, &unused, err);
		if (!status && batch.result)
			status = cv_fail(err, batch.result, "cannot note who has rights: %s",
				cv_status_name(batch.result));
		if (!status)
			atomic_fetch_add(&s->grants_version, 1);
	}
	cv_writer_done(&w);
	cv_buf_done(&key);
	cv_buf_done(&hold);
	return status;
}

/* Its commit is before any that follows, so the ticket of a later one covers it. */
static enum cv_status
put(struct cv_store *s, cv_acct_id owner, struct cv_str id, bool is_there, struct cv_err *err)
{
	enum cv_status status = CV_CONFLICT;

	for (int i = 0; i < CV_TRIES && (status == CV_CONFLICT || status == CV_UNKNOWN); i++)
		status = try_put(s, owner, id, is_there, err);
	return status;
}

enum cv_status
cv_grant_note(struct cv_acct *a, struct cv_str id, struct cv_err *err)
{
	return put(a->store, a->id, id, true, err);
}

static enum cv_status
has_row(struct cv_acct *a, struct cv_str id, bool *has_out, struct cv_err *err)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX), hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str value = CV_STR_EMPTY;

	write_key(&key, a->id, id);
	struct cv_str k = cv_buf_view(&key);
	enum cv_status status =
		cv_meta_read(a->store->engine, GRANTS_ACCT, &k, 1, &value, &hold, NULL, err);
	*has_out = value.p != NULL;
	cv_buf_done(&key);
	cv_buf_done(&hold);
	return status;
}

enum cv_status
cv_grants_check(struct cv_mbox *m, bool repair, unsigned *missing_out, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_acl acl;
	enum cv_status status = cv_acl_decode(cv_box_acl(m), &arena, &acl);

	*missing_out = 0;
	for (size_t i = 0; i < acl.count && !status; i++) {
		struct cv_str id = cv_arena_str(&arena, acl.entries[i].id);
		bool has = true;
		if (!acl.entries[i].is_negative)
			status = has_row(m->acct, id, &has, err);
		*missing_out += !has;
		if (!status && !has && repair)
			status = cv_grant_note(m->acct, id, err);
	}
	cv_arena_done(&arena);
	return status;
}

static bool
is_granted(const struct cv_acct *a, struct cv_str id)
{
	uint32_t rights;

	for (size_t i = 0; i < a->count; i++)
		if (a->boxes[i]->acl_n && cv_acl_find(cv_box_acl(a->boxes[i]), id, false, &rights))
			return true;
	return false;
}

void
cv_grants_drop(struct cv_acct *a, struct cv_str row)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_acl acl;

	if (!cv_acl_decode(row, &arena, &acl))
		for (size_t i = 0; i < acl.count; i++) {
			struct cv_str id = acl.entries[i].id;
			/* A row that stays is one too many, which is allowed. */
			if (!acl.entries[i].is_negative && !is_granted(a, id))
				(void)put(a->store, a->id, id, false, NULL);
		}
	cv_arena_done(&arena);
}

struct each {
	cv_grant_fn *fn;
	void *arg;
	bool is_bad;
};

static bool
on_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct each *e = arg;
	struct cv_rd r = cv_rd(key);

	(void)value;
	cv_rd_u8(&r);
	cv_acct_id owner = cv_rd_be64(&r);
	struct cv_str id = cv_rd_take(&r, cv_rd_left(&r));
	e->is_bad = r.bad || !id.n;
	return !e->is_bad && e->fn(e->arg, owner, id);
}

enum cv_status
cv_grants_each(struct cv_store *s, cv_grant_fn *fn, void *arg, struct cv_err *err)
{
	struct each e = {.fn = fn, .arg = arg};

	enum cv_status status = cv_meta_scan(
		s->engine, GRANTS_ACCT, CV_STR("G"), CV_STR("H"), 0, on_row, &e, err);
	if (!status && e.is_bad)
		status = cv_fail(err, CV_CORRUPT, "a row of who has rights is damaged");
	return status;
}

uint64_t
cv_grants_version(struct cv_store *s)
{
	return atomic_load(&s->grants_version);
}

/* ---- an account goes ---- */

struct doomed {
	struct cv_arena arena;
	cv_acct_id owner;
	struct cv_str *ids;
	size_t count, cap;
};

static bool
note_owned(void *arg, cv_acct_id owner, struct cv_str id)
{
	struct doomed *d = arg;

	if (owner == d->owner) {
		if (d->count == d->cap) {
			d->cap = d->cap ? d->cap * 2 : 16;
			d->ids = cv_realloc(d->ids, d->cap * sizeof(*d->ids));
		}
		d->ids[d->count++] = cv_arena_str(&d->arena, id);
	}
	return owner <= d->owner;
}

enum cv_status
cv_grants_purge(struct cv_store *s, cv_acct_id owner, struct cv_err *err)
{
	struct doomed d = {.owner = owner};

	enum cv_status status = cv_grants_each(s, note_owned, &d, err);
	for (size_t i = 0; i < d.count && !status; i++)
		status = put(s, owner, d.ids[i], false, err);
	free(d.ids);
	cv_arena_done(&d.arena);
	return status;
}
