/* purge.c - an account goes for good: every row, then what its bodies were counted for.
 *
 * The head row is marked first and deleted last, so an account half gone is found by nobody and a
 * purge that was interrupted can be repeated. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"

#define DELETES_MAX 2000u

struct purging {
	struct cv_store *s;
	struct cv_acct *a;
	struct cv_map bodies;
	struct cv_writer w;
};

static bool
note_body(void *arg, uint32_t box, uint32_t uid, const struct cv_row_msg *row)
{
	struct purging *p = arg;
	(void)box;
	(void)uid;
	cv_map_put(&p->bodies, cv_str((const char *)row->body.bytes, row->body.n), p);
	return true;
}

static bool
doom(void *arg, struct cv_str key, struct cv_str value)
{
	struct purging *p = arg;
	(void)value;
	if (cv_str_eq_z(key, "H"))
		return true;
	cv_buf_str(cv_writer_key(&p->w), key);
	cv_writer_delete(&p->w);
	return p->w.count < DELETES_MAX;
}

static enum cv_status
commit(struct purging *p, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_batch batch = {.acct = p->a->id,
		.expect = CV_VERSION_ANY,
		.puts = cv_writer_puts(&p->w),
		.count = p->w.count};
	enum cv_status status = cv_meta_commit(p->s->engine, &batch, 1, ticket_out, err);
	if (!status && batch.result)
		status = cv_fail(err, batch.result, "cannot purge account %llx: %s",
			(unsigned long long)p->a->id, cv_status_name(batch.result));
	cv_writer_reset(&p->w);
	return status;
}

static enum cv_status
mark(struct purging *p, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_row_head head = p->a->head;
	head.state = CV_ROW_PURGING;
	cv_acct_put_head(&head, &p->w);
	return commit(p, ticket_out, err);
}

static enum cv_status
remove_rows(struct purging *p, cv_ticket *ticket_out, struct cv_err *err)
{
	for (;;) {
		enum cv_status status = cv_meta_scan(
			p->s->engine, p->a->id, CV_STR_EMPTY, CV_STR_EMPTY, 0, doom, p, err);
		if (status)
			return status;
		bool last = p->w.count < DELETES_MAX;
		if (last) {
			cv_key_head(cv_writer_key(&p->w));
			cv_writer_delete(&p->w);
		}
		status = commit(p, ticket_out, err);
		if (status || last)
			return status;
	}
}

static enum cv_status
lower(struct purging *p, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_blob_ref *bodies = cv_malloc((p->bodies.used + 1) * sizeof *bodies);
	size_t pos = 0, count = 0;
	struct cv_str name;
	void *value;
	while (cv_map_each(&p->bodies, &pos, &name, &value)) {
		memcpy(bodies[count].bytes, name.p, name.n);
		bodies[count++].n = (uint8_t)name.n;
	}
	enum cv_status status = cv_body_change(p->s, bodies, count, -1, true, ticket_out, err);
	free(bodies);
	return status;
}

static void
forget(struct cv_acct *a)
{
	while (a->count) {
		struct cv_mbox *m = a->boxes[0];
		cv_box_take_out(a, m);
		cv_box_gone(m);
		cv_box_unref(m);
	}
	a->loaded = false;
	a->head = (struct cv_row_head){0};
	a->used_bytes = a->used_messages = 0;
	cv_quota_changed(a);
}

enum cv_status
cv_acct_purge(struct cv_store *s, cv_acct_id id, cv_ticket *ticket_out, struct cv_err *err)
{
	struct purging p = {.s = s, .w = CV_WRITER_INIT, .a = cv_acct_find_or_add(s, id)};
	*ticket_out = 0;
	cv_map_init(&p.bodies);
	cv_gate_enter(s);
	pthread_mutex_lock(&p.a->lock);
	enum cv_status status = cv_acct_fresh(p.a, err);
	bool half_gone = status == CV_NOT_FOUND && p.a->head.state == CV_ROW_PURGING;
	if (!status || half_gone) {
		status = cv_acct_each_msg(s, id, note_body, &p, err);
		if (!status)
			status = mark(&p, ticket_out, err);
		if (!status)
			status = cv_grants_purge(s, id, err);
		if (!status)
			status = remove_rows(&p, ticket_out, err);
		forget(p.a);
	}
	pthread_mutex_unlock(&p.a->lock);
	if (!status)
		status = lower(&p, ticket_out, err);
	cv_gate_leave(s);
	cv_acct_close(p.a);
	cv_map_done(&p.bodies);
	cv_writer_done(&p.w);
	return status;
}
