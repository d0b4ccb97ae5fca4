/* lost.c - bodies that a power failure took, and the rows that name them.
 *
 * Nothing that was acknowledged can be among them: the flusher syncs bodies before rows. The engine
 * tells which count rows name a place without a body; entries and rows that name such a body go
 * before anyone is served (S5), the count rows after them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/store/internal.h"

struct lost {
	struct cv_store *s;
	struct cv_map bodies; /* by account and count key */
	struct cv_arena arena;
	struct place {
		uint32_t box, uid;
	} * found; /* in the account being looked at, ascending */
	size_t count, cap;
};

static void
body_name(cv_acct_id acct, struct cv_str count_key, struct cv_buf *out)
{
	cv_buf_be64(out, acct);
	cv_buf_str(out, count_key);
}

static bool
note_lost(void *arg, cv_acct_id acct, struct cv_str count_key)
{
	struct lost *l = arg;
	struct cv_buf name = CV_BUF_INIT(CV_KEY_MAX + 8);
	body_name(acct, count_key, &name);
	cv_map_put(&l->bodies, cv_buf_view(&name), l);
	cv_buf_done(&name);
	return true;
}

static bool
find_rows(void *arg, uint32_t box, uint32_t uid, const struct cv_row_msg *row)
{
	struct lost *l = arg;
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX), name = CV_BUF_INIT(CV_KEY_MAX + 8);
	cv_blob_count_key(&row->body, &key);
	body_name(cv_blob_acct(&row->body), cv_buf_view(&key), &name);
	if (cv_map_get(&l->bodies, cv_buf_view(&name))) {
		if (l->count == l->cap) {
			l->cap = l->cap ? l->cap * 2 : 16;
			l->found = cv_realloc(l->found, l->cap * sizeof *l->found);
		}
		l->found[l->count++] = (struct place){box, uid};
	}
	cv_buf_done(&key);
	cv_buf_done(&name);
	return true;
}

/* Rows of mailboxes that are gone wait for the reaper; it does not miss the body. */
static enum cv_status
drop_found(struct lost *l, struct cv_acct *a, struct cv_err *err)
{
	enum cv_status status = cv_acct_lock(a, err);
	if (status)
		return status;
	for (size_t i = 0, n; i < l->count && !status; i += n) {
		uint32_t box = l->found[i].box;
		for (n = 1; i + n < l->count && l->found[i + n].box == box;)
			n++;
		uint32_t *uids = CV_ARENA_ARRAY(&l->arena, uint32_t, n);
		for (size_t k = 0; k < n; k++)
			uids[k] = l->found[i + k].uid;
		struct cv_mbox *m = NULL;
		for (size_t k = 0; k < a->count && !m; k++)
			if (a->boxes[k]->id == box)
				m = a->boxes[k];
		cv_ticket ticket;
		if (m)
			status = cv_box_mend(m, uids, n, &ticket, err);
	}
	cv_acct_unlock(a);
	return status;
}

static enum cv_status
clean_acct(struct lost *l, cv_acct_id id, struct cv_err *err)
{
	l->count = 0;
	enum cv_status status = cv_acct_each_msg(l->s, id, find_rows, l, err);
	if (status || !l->count)
		return status;
	struct cv_acct *a;
	status = cv_acct_open(l->s, id, false, &a, NULL, err);
	if (status)
		return status == CV_NOT_FOUND ? CV_OK : status;
	status = drop_found(l, a, err);
	cv_acct_close(a);
	cv_log(0, CV_WARN, "store.lost_rows", "acct=%llx rows=%zu", (unsigned long long)id,
		l->count);
	return status;
}

/* The count rows go last: if we die before, the next open finds them again. */
static enum cv_status
drop_counts(struct lost *l, struct cv_err *err)
{
	size_t pos = 0;
	struct cv_str name;
	void *value;
	enum cv_status status = CV_OK;
	cv_ticket ticket = 0;
	while (!status && cv_map_each(&l->bodies, &pos, &name, &value)) {
		struct cv_rd r = cv_rd(name);
		struct cv_batch batch = {.acct = cv_rd_be64(&r), .expect = CV_VERSION_ANY};
		struct cv_buf summary = CV_BUF_INIT(CV_KEY_MAX);
		cv_buf_str(&summary, cv_str_sub(name, 8, name.n));
		summary.p[0] = CV_KEY_SUMMARY;
		struct cv_put puts[2] = {
			{.key = cv_str_sub(name, 8, name.n)}, {.key = cv_buf_view(&summary)}};
		batch.puts = puts;
		batch.count = 2;
		status = cv_meta_commit(l->s->engine, &batch, 1, &ticket, err);
		status = status ? status : batch.result;
		cv_buf_done(&summary);
	}
	if (!status)
		cv_ticket_block(l->s->engine, ticket);
	return status;
}

enum cv_status
cv_lost_open(struct cv_store *s, struct cv_err *err)
{
	struct lost l = {.s = s};
	struct cv_acct_list accts = {0};
	cv_map_init(&l.bodies);
	enum cv_status status = cv_engine_lost_bodies(s->engine, note_lost, &l, err);
	if (!status && l.bodies.used) {
		cv_log(0, CV_WARN, "store.lost_bodies", "count=%zu", l.bodies.used);
		status = cv_accts_list(s, CV_CLASS_USER, &accts, err);
		for (size_t i = 0; i < accts.count && !status; i++)
			status = clean_acct(&l, accts.ids[i], err);
		if (!status)
			status = drop_counts(&l, err);
	}
	free(accts.ids);
	free(l.found);
	cv_arena_done(&l.arena);
	cv_map_done(&l.bodies);
	return status;
}
