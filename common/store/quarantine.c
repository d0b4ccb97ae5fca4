/* quarantine.c - see quarantine.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/quarantine.h"

#include "common/store/internal.h"
#include "common/store/notes.h"

#define MESSAGES_DEFAULT 1000u
#define BYTES_DEFAULT    (100ull << 20)
#define KEEP_DEFAULT     (30 * 86400)
#define AT_ONCE          500u /* taken away in one act */
#define DROPPED_NOTE     "/private/vendor/congvu/quarantine-dropped"

/* ---- limits ---- */

void
cv_quarantine_limit(struct cv_store *s, const struct cv_quarantine_limits *limits)
{
	const struct cv_quarantine_limits *l = limits;
	atomic_store(&s->held_messages, l->max_messages ? l->max_messages : MESSAGES_DEFAULT);
	atomic_store(&s->held_bytes, l->max_bytes ? l->max_bytes : BYTES_DEFAULT);
	atomic_store(&s->held_secs, l->keep_secs ? l->keep_secs : KEEP_DEFAULT);
}

int64_t
cv_quarantine_keep_secs(struct cv_store *s)
{
	return atomic_load(&s->held_secs);
}

/* ---- finding ---- */

struct counting {
	struct cv_quarantine_counts *counts;
	bool found;
};

static bool
on_box(void *arg, struct cv_str key, struct cv_str value)
{
	struct counting *c = arg;
	struct cv_row_box row;
	uint32_t box, number;
	if (cv_key_read_uid(key, 'B', &box, &number) || !cv_key_read_box(key, 'B', &box) ||
		cv_row_box_decode(value, &row) || row.use != CV_USE_QUARANTINE)
		return true;
	*c->counts = (struct cv_quarantine_counts){row.exists, row.unseen, row.size_bytes};
	c->found = true;
	return false;
}

enum cv_status
cv_quarantine_count(
	struct cv_store *s, cv_acct_id id, struct cv_quarantine_counts *out, struct cv_err *err)
{
	struct counting c = {.counts = out};
	*out = (struct cv_quarantine_counts){0};
	return cv_meta_scan(s->engine, id, CV_STR("B"), CV_STR("C"), 0, on_box, &c, err);
}

enum cv_status
cv_quarantine_open(struct cv_acct *a, struct cv_mbox **out, struct cv_err *err)
{
	*out = NULL;
	enum cv_status status = cv_acct_lock(a, err);
	if (status)
		return status;
	struct cv_mbox *m = cv_box_find_use(a, CV_USE_QUARANTINE);
	if (m)
		atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	cv_acct_unlock(a);
	if (!m)
		return cv_fail(err, CV_NOT_FOUND, "nothing was held for this account");
	cv_acct_ref(a);
	*out = m;
	return CV_OK;
}

/* ---- how many were pushed out ---- */

static enum cv_status
read_dropped(struct cv_mbox *m, uint32_t *count_out, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_note *notes;
	size_t count = 0;
	uint64_t n = 0;
	enum cv_status status = cv_notes_get(m->acct, m->id, 0, &arena, &notes, &count, err);
	for (size_t i = 0; !status && i < count; i++)
		if (cv_str_ieq_z(notes[i].name, DROPPED_NOTE) &&
			cv_str_u64(notes[i].value, UINT32_MAX, &n))
			n = 0; /* damaged: what it counted is not worth a failure */
	*count_out = (uint32_t)n;
	cv_arena_done(&arena);
	return status;
}

static enum cv_status
write_dropped(struct cv_mbox *m, uint32_t count, struct cv_err *err)
{
	char text[16];
	cv_ticket ticket;
	snprintf(text, sizeof(text), "%u", count);
	const struct cv_note note = {.box = m->id,
		.name = CV_STR(DROPPED_NOTE),
		.value = count ? cv_str_z(text) : CV_STR_EMPTY};
	return cv_notes_set(m->acct, m->id, 0, &note, 1, NULL, &ticket, err);
}

enum cv_status
cv_quarantine_dropped(struct cv_acct *a, bool forget, uint32_t *count_out, struct cv_err *err)
{
	struct cv_mbox *m;
	*count_out = 0;
	enum cv_status status = cv_quarantine_open(a, &m, err);
	if (status)
		return status == CV_NOT_FOUND ? CV_OK : status;
	status = read_dropped(m, count_out, err);
	if (!status && forget && *count_out)
		status = write_dropped(m, 0, err);
	cv_mbox_close(m);
	return status;
}

/* ---- what goes ---- */

struct choosing {
	int64_t before_secs;    /* what arrived earlier goes */
	uint32_t over_messages; /* and so many of the oldest */
	uint64_t over_bytes;
	uint32_t uids[AT_ONCE];
	size_t count, pushed;   /* pushed: of them, by the limits */
};

static bool
choose(void *arg, const struct cv_msg *msg)
{
	struct choosing *c = arg;
	bool is_old = msg->internal_secs < c->before_secs;
	if (!is_old && !c->over_messages && !c->over_bytes)
		return false;
	c->uids[c->count++] = msg->uid;
	c->pushed += !is_old;
	c->over_messages -= c->over_messages > 0;
	c->over_bytes -= CV_MIN(c->over_bytes, msg->size_bytes);
	return c->count < AT_ONCE;
}

static enum cv_status
choose_oldest(struct cv_mbox *m, struct choosing *c, struct cv_err *err)
{
	const struct cv_view *v;
	uint32_t uids[AT_ONCE];
	enum cv_status status = cv_mbox_view(m, &v, err);
	if (status)
		return status;
	uint32_t n = CV_MIN(v->exists, (uint32_t)AT_ONCE);
	for (uint32_t i = 0; i < n; i++)
		uids[i] = cv_view_seq(v, i + 1)->uid;
	cv_view_unref(v);
	return cv_msg_each(m, uids, n, false, choose, c, err);
}

/* One act; *more_out: there may be more to do. */
static enum cv_status
tidy_some(struct cv_mbox *m, int64_t now, bool *more_out, struct cv_err *err)
{
	struct cv_store *s = m->acct->store;
	struct choosing c = {.before_secs = now - atomic_load(&s->held_secs)};
	size_t removed = 0;
	uint32_t dropped;
	cv_ticket ticket;
	*more_out = false;
	enum cv_status status = cv_acct_lock(m->acct, err);
	if (status)
		return status;
	uint32_t most = atomic_load(&s->held_messages);
	uint64_t most_bytes = atomic_load(&s->held_bytes);
	c.over_messages = m->row.exists > most ? m->row.exists - most : 0;
	c.over_bytes = m->row.size_bytes > most_bytes ? m->row.size_bytes - most_bytes : 0;
	cv_acct_unlock(m->acct);
	status = choose_oldest(m, &c, err);
	if (!status && c.pushed) {
		status = read_dropped(m, &dropped, err);
		if (!status)
			status = write_dropped(m, dropped + (uint32_t)c.pushed, err);
	}
	if (!status && c.count)
		status = cv_mbox_remove(m, c.uids, c.count, &removed, &ticket, err);
	*more_out = c.count == AT_ONCE && removed;
	return status;
}

enum cv_status
cv_quarantine_tidy_box(struct cv_mbox *m, int64_t now_secs, struct cv_err *err)
{
	bool more = true;
	enum cv_status status = CV_OK;
	while (!status && more)
		status = tidy_some(m, now_secs, &more, err);
	return status;
}

bool
cv_quarantine_is_over(const struct cv_mbox *m)
{
	const struct cv_store *s = m->acct->store;
	return m->row.exists > atomic_load(&s->held_messages) ||
	       m->row.size_bytes > atomic_load(&s->held_bytes);
}

enum cv_status
cv_quarantine_tidy(struct cv_store *s, cv_acct_id id, int64_t now_secs, struct cv_err *err)
{
	struct cv_quarantine_counts counts;
	struct cv_acct *a;
	struct cv_mbox *m;
	enum cv_status status = cv_quarantine_count(s, id, &counts, err);
	if (status || !counts.messages)
		return status;
	status = cv_acct_open(s, id, false, &a, NULL, err);
	if (status)
		return status == CV_NOT_FOUND ? CV_OK : status;
	status = cv_quarantine_open(a, &m, err);
	if (!status) {
		status = cv_quarantine_tidy_box(m, now_secs, err);
		cv_mbox_close(m);
	}
	cv_acct_close(a);
	return status == CV_NOT_FOUND ? CV_OK : status;
}
