/* deliver.c - one message to many accounts in the owner's process.
 *
 *   body stored, scanned once          an orphan if we die here
 *   count row committed                a count too high if we die here
 *   accounts in groups, one batch each some have it, the others not; the id tells which (S7)
 *   count lowered by those that failed
 *
 * With few recipients the count row and the batches are one commit, the count row first. Accounts
 * of a group are locked in ascending order, so two deliveries never wait for each other in a
 * circle.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/deliver_impl.h"
#include "common/store/internal.h"
#include "common/store/quarantine.h"

#define GROUP     32u /* accounts locked and committed together */
#define SHARE_MIN 3u  /* from so many accounts on the summary is stored once, with the body */

struct target {
	struct cv_deliver_rcpt *rcpt;
	struct cv_acct *acct;
	struct cv_mbox *box;
	struct cv_edit edit;
	struct cv_writer w;
	bool open;    /* not decided yet */
	bool counted; /* the body's count includes it, and no row does yet */
	bool tried;   /* a commit of ours may have reached the disk */
	bool locked;
	bool over;      /* the quarantine it went to has more than it may hold */
	bool duplicate; /* the id is there; the batch only makes that durable */
	bool is_new, is_junk; /* it got the message now; where to */
	uint32_t mailbox, uid;
};
struct job {
	struct cv_store *s;
	struct cv_delivery *d;
	struct cv_intake in;
	struct target *targets;
	size_t count;
	bool shared;
	bool count_missing; /* the count row did not come with the first group */
	int64_t now;
	cv_ticket ticket;
	struct cv_arena arena; /* of the group */
	struct cv_writer counts;
	struct cv_err err;
};

/* The few words a delivery is answered with. */
static enum cv_status
answer_of(enum cv_status status)
{
	switch (status) {
	case CV_OK:
	case CV_OVERQUOTA:
	case CV_FULL:
	case CV_UNKNOWN:
	case CV_NOT_FOUND:
		return status;
	default:
		return CV_TEMPFAIL;
	}
}

static void
decide(struct target *t, enum cv_status status)
{
	t->rcpt->result = answer_of(status);
	t->open = false;
}

/* ---- targets ---- */

static int
by_acct(const void *a, const void *b)
{
	const struct target *x = a, *y = b;
	return (x->rcpt->acct > y->rcpt->acct) - (x->rcpt->acct < y->rcpt->acct);
}

static enum cv_special_use
use_of(struct cv_str name)
{
	static const char *const names[] = {
		[CV_USE_DRAFTS] = "\\Drafts",
		[CV_USE_SENT] = "\\Sent",
		[CV_USE_JUNK] = "\\Junk",
		[CV_USE_TRASH] = "\\Trash",
		[CV_USE_ARCHIVE] = "\\Archive",
		[CV_USE_ALL] = "\\All",
		[CV_USE_FLAGGED] = "\\Flagged",
		[CV_USE_QUARANTINE] = CV_QUARANTINE_FOLDER,
	};
	for (size_t i = 1; i < CV_COUNT(names); i++)
		if (cv_str_ieq_z(name, names[i]))
			return (enum cv_special_use)i;
	return CV_USE_NONE;
}

static bool
is_held(const struct cv_deliver_rcpt *rcpt)
{
	return cv_str_ieq_z(rcpt->folder, CV_QUARANTINE_FOLDER);
}

/* Who deleted their Junk folder gets another one rather than spam in the inbox. */
static void
make_junk(struct target *t)
{
	cv_ticket ticket;
	if (cv_acct_lock(t->acct, NULL))
		return;
	bool is_there = cv_box_find_use(t->acct, CV_USE_JUNK);
	cv_acct_unlock(t->acct);
	if (is_there || cv_mbox_create(t->acct, CV_STR(CV_JUNK_NAME), CV_USE_JUNK, NULL, &ticket,
				NULL))
		return;
	(void)!cv_mbox_subscribe(t->acct, CV_STR(CV_JUNK_NAME), true, &ticket, NULL);
}

/* A folder that is named and missing is made; a name that cannot be is the inbox. */
static void
make_folder(struct target *t)
{
	struct cv_str name = t->rcpt->folder;
	cv_ticket ticket;
	if (is_held(t->rcpt)) {
		/* Without it plan() tells the sender to come again. */
		(void)!cv_box_make_quarantine(t->acct, NULL);
		return;
	}
	if (cv_str_ieq_z(name, "\\Junk")) {
		make_junk(t);
		return;
	}
	if (!name.n || name.p[0] == '\\')
		return;
	struct cv_mbox *m;
	if (!cv_mbox_open(t->acct, name, &m, NULL))
		cv_mbox_close(m);
	else
		(void)!cv_mbox_create(t->acct, name, CV_USE_NONE, NULL, &ticket, NULL);
}

static void
open_targets(struct job *j)
{
	for (size_t i = 0; i < j->d->rcpt_count; i++)
		j->targets[i] = (struct target){.rcpt = &j->d->rcpts[i], .w = CV_WRITER_INIT};
	qsort(j->targets, j->d->rcpt_count, sizeof *j->targets, by_acct);
	for (size_t i = 0; i < j->d->rcpt_count; i++) {
		struct target *t = &j->targets[i];
		t->rcpt->duplicate = false;
		if (i && j->targets[i - 1].rcpt->acct == t->rcpt->acct)
			continue; /* takes the answer of the one before */
		enum cv_status status =
			cv_acct_open(j->s, t->rcpt->acct, false, &t->acct, NULL, &j->err);
		if (status) {
			decide(t, status);
			continue;
		}
		make_folder(t);
		t->open = t->counted = true;
		j->count++;
	}
}

static struct cv_mbox *
box_for(struct target *t)
{
	struct cv_str name = t->rcpt->folder;
	struct cv_mbox *m = NULL;
	if (name.n && name.p[0] == '\\') {
		enum cv_special_use use = use_of(name);
		m = use ? cv_box_find_use(t->acct, use) : NULL;
		if (use == CV_USE_QUARANTINE)
			return m; /* nothing else will do */
	} else if (name.n) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_str canon;
		if (!cv_name_canon(t->acct->store->separator, name, &arena, &canon, NULL))
			m = cv_box_find(t->acct, canon);
		cv_arena_done(&arena);
	}
	return m && m->row.selectable ? m : cv_box_find(t->acct, CV_STR("INBOX"));
}

/* ---- one account's batch ---- */

/* Looks the id up and, in the same read, fetches the page new entries go to; in an account that
 * gets mail often neither is needed. */
static enum cv_status
look_up(struct job *j, struct target *t)
{
	bool ask = cv_ids_may_have(t->acct, j->d->id), page = cv_box_needs_tail(t->box);
	t->duplicate = false;
	if (!ask && !page)
		return CV_OK;
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX), hold = CV_BUF_INIT(2 * CV_VALUE_MAX);
	struct cv_str keys[2], values[2];
	cv_key_delivery(&key, j->d->id);
	size_t first = key.n, n = 1;
	if (page) {
		cv_key_uid(&key, 'F', t->box->id, t->box->row.uidnext / CV_PAGE_UIDS);
		n = 2;
	}
	keys[0] = cv_str(key.p, first);
	keys[1] = cv_str(key.p + first, key.n - first);
	enum cv_status status =
		cv_meta_read(j->s->engine, t->acct->id, keys, n, values, &hold, NULL, &j->err);
	if (!status && page)
		status = cv_box_set_tail(t->box, values[1], &j->err);
	t->duplicate = !status && values[0].p;
	cv_buf_done(&key);
	cv_buf_done(&hold);
	return status;
}

static void
write_rows(struct job *j, struct target *t)
{
	struct cv_acct *a = t->acct;
	uint64_t modseq = a->modseq + 1;
	cv_edit_begin(&t->edit, t->box, &j->arena);
	uint32_t uid = cv_edit_add(&t->edit, t->rcpt->flags & 31u, 0, modseq, j->in.size_bytes);
	t->mailbox = t->box->id;
	t->uid = uid;
	t->is_junk = t->box->row.use == CV_USE_JUNK || t->box->row.use == CV_USE_QUARANTINE;
	struct cv_row_msg row = {
		.size_bytes = j->in.size_bytes,
		.internal_secs = j->now,
		.saved_secs = j->now,
		.place = j->shared ? CV_SUMMARY_SHARED : CV_SUMMARY_OWN,
		.body = j->in.body,
		.delivery_id = j->d->id,
	};
	memcpy(row.email_id, j->in.email_id, sizeof row.email_id);
	memcpy(row.thread_id, j->in.thread_id, sizeof row.thread_id);
	cv_edit_write(&t->edit, modseq, &t->w);
	cv_msg_put(t->box->id, uid, &row, &t->w);
	if (!j->shared) {
		cv_key_uid(cv_writer_key(&t->w), CV_KEY_SUMMARY, t->box->id, uid);
		cv_writer_outside(&t->w, cv_buf_view(&j->in.summary));
	}
	struct cv_row_delivery delivery = {.secs = j->now, .box = t->box->id, .uid = uid};
	cv_key_delivery(cv_writer_key(&t->w), j->d->id);
	cv_row_delivery_encode(&delivery, cv_writer_value(&t->w));
	cv_writer_end(&t->w);
}

/* Fills the target's writer; false when it is decided already. The account is locked. */
static bool
plan(struct job *j, struct target *t)
{
	struct cv_acct *a = t->acct;
	cv_writer_reset(&t->w);
	t->box = box_for(t);
	enum cv_status status = t->box ? look_up(j, t) : CV_TEMPFAIL;
	if (!status && t->duplicate) {
		cv_acct_put_head(&a->head, &t->w);
		return true;
	}
	if (!status && t->box->row.use != CV_USE_QUARANTINE &&
		!cv_acct_has_room(a, j->in.size_bytes, 1))
		status = CV_OVERQUOTA;
	if (!status)
		status = cv_acct_may_give(a, 1, &j->err);
	if (!status && t->box->row.uidnext == UINT32_MAX)
		status = CV_LIMIT;
	if (status) {
		decide(t, status);
		return false;
	}
	write_rows(j, t);
	return true;
}

static void
settle(struct job *j, struct target *t, const struct cv_batch *batch)
{
	struct cv_acct *a = t->acct;
	switch (batch->result) {
	case CV_OK:
		a->version = batch->version;
		if (t->duplicate) {
			t->rcpt->duplicate = !t->tried;
			t->counted = t->counted && !t->tried;
		} else {
			a->modseq++;
			cv_acct_gave(a, 1, j->ticket);
			cv_edit_apply(&t->edit);
			cv_ids_add(a, j->d->id);
			t->over = t->box->row.use == CV_USE_QUARANTINE &&
				  cv_quarantine_is_over(t->box);
			t->counted = false;
			t->is_new = true;
		}
		decide(t, CV_OK);
		break;
	case CV_UNKNOWN:
		t->tried = true;
		a->loaded = false;
		break;
	case CV_CONFLICT:
	case CV_RETRY:
		a->loaded = false;
		break;
	default:
		decide(t, batch->result);
	}
}

/* ---- groups ---- */

static size_t
lock_group(struct job *j, struct target **group, size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		enum cv_status status = cv_acct_lock(group[i]->acct, &j->err);
		if (status) {
			decide(group[i], status);
			continue;
		}
		if (plan(j, group[i]))
			group[kept++] = group[i];
		else
			cv_acct_unlock(group[i]->acct);
	}
	return kept;
}

static void
count_batch(struct job *j, struct cv_batch *out)
{
	cv_writer_reset(&j->counts);
	cv_body_put_new(&j->in, j->count, j->shared, &j->counts);
	*out = (struct cv_batch){.acct = cv_blob_acct(&j->in.body),
		.expect = CV_VERSION_ANY,
		.puts = cv_writer_puts(&j->counts),
		.count = j->counts.count};
}

/* WITH_COUNT: the count row goes first in the same commit. */
static enum cv_status
commit_group(struct job *j, struct target **group, size_t count, bool with_count)
{
	struct cv_batch batches[GROUP + 1];
	size_t n = 0;
	if (with_count)
		count_batch(j, &batches[n++]);
	struct cv_batch *first = &batches[n];
	for (size_t i = 0; i < count; i++)
		batches[n++] = (struct cv_batch){.acct = group[i]->acct->id,
			.expect = group[i]->acct->version,
			.puts = cv_writer_puts(&group[i]->w),
			.count = group[i]->w.count};
	cv_ticket ticket = 0;
	enum cv_status status = cv_meta_commit(j->s->engine, batches, n, &ticket, &j->err);
	j->ticket = CV_MAX(j->ticket, ticket);
	if (!status && with_count && batches[0].result)
		status = batches[0].result;
	j->count_missing = with_count && status;
	for (size_t i = 0; i < count; i++) {
		/* a commit that failed half way leaves no ticket: what it did is looked up again */
		if (status && !first[i].result)
			first[i].result = CV_UNKNOWN;
		settle(j, group[i], &first[i]);
		cv_edit_done(&group[i]->edit);
		cv_acct_unlock(group[i]->acct);
	}
	return status;
}

static bool
run_round(struct job *j, bool with_count)
{
	struct target *group[GROUP];
	bool left = false;
	for (size_t i = 0; i < j->d->rcpt_count;) {
		size_t n = 0;
		for (; i < j->d->rcpt_count && n < GROUP; i++)
			if (j->targets[i].open)
				group[n++] = &j->targets[i];
		if (!n)
			break;
		n = lock_group(j, group, n);
		if (n)
			(void)!commit_group(j, group, n, with_count);
		cv_arena_reset(&j->arena);
		if (i < j->d->rcpt_count)
			CV_KILL_POINT("deliver.batch");
	}
	for (size_t i = 0; i < j->d->rcpt_count; i++)
		left |= j->targets[i].open;
	return left;
}

static enum cv_status
commit_count(struct job *j)
{
	struct cv_batch batch;
	cv_ticket ticket = 0;
	count_batch(j, &batch);
	enum cv_status status = cv_meta_commit(j->s->engine, &batch, 1, &ticket, &j->err);
	CV_KILL_POINT("deliver.count");
	return status ? status : batch.result;
}

static void
deliver_body(struct job *j)
{
	enum cv_status status = CV_OK;
	bool with_count = j->count <= GROUP;
	j->shared = j->count >= SHARE_MIN;
	if (!with_count)
		status = commit_count(j);
	for (int i = 0; !status && i < CV_TRIES; i++) {
		if (j->count_missing)
			status = commit_count(j);
		j->count_missing = false;
		if (status || !run_round(j, with_count && !i))
			break;
	}
	size_t unused = 0;
	bool unknown = false;
	for (size_t i = 0; i < j->d->rcpt_count; i++) {
		struct target *t = &j->targets[i];
		unknown |= t->open && t->tried;
		if (t->open)
			decide(t, status ? status : t->tried ? CV_UNKNOWN : CV_TEMPFAIL);
		unused += t->counted;
	}
	if (unused && !unknown)
		(void)!cv_body_change(j->s, &j->in.body, 1, -(int64_t)unused, false, NULL, &j->err);
}

static void
tell_watch(const struct job *j, const struct target *t)
{
	const struct cv_store_watch *w = j->s->watch;
	struct cv_delivered d = {.acct = t->rcpt->acct,
		.mailbox = t->mailbox,
		.uid = t->uid,
		.is_junk = t->is_junk,
		.secs = j->now,
		.email_id = j->in.email_id,
		.summary = cv_buf_view(&j->in.summary)};

	if (w && t->is_new)
		w->delivered(w->arg, &d);
}

static void
fail_all(struct job *j, enum cv_status status)
{
	for (size_t i = 0; i < j->d->rcpt_count; i++)
		if (j->targets[i].open)
			decide(&j->targets[i], status);
}

void
cv_deliver_now(struct cv_store *s, struct cv_delivery *d, cv_ticket *ticket_out)
{
	struct job j = {.s = s, .d = d, .now = cv_wall_secs(), .counts = CV_WRITER_INIT};
	j.targets = cv_calloc(d->rcpt_count + 1, sizeof *j.targets);
	open_targets(&j);
	if (!d->id.n || d->id.n > CV_DELIVERY_ID_MAX || d->rcpt_count > CV_DELIVER_RCPTS_MAX) {
		fail_all(&j, CV_TEMPFAIL);
	} else if (j.count) {
		cv_gate_enter(s);
		enum cv_status status =
			cv_intake_store(s, d->id, d->prefix, d->message, &j.in, &j.err);
		CV_KILL_POINT("deliver.body");
		if (status)
			fail_all(&j, status);
		else
			deliver_body(&j);
		cv_gate_leave(s);
		for (size_t i = 0; i < d->rcpt_count; i++)
			tell_watch(&j, &j.targets[i]);
		cv_intake_done(&j.in);
	}
	for (size_t i = 0; i < d->rcpt_count; i++) {
		struct target *t = &j.targets[i];
		if (i && t->rcpt->acct == t[-1].rcpt->acct) {
			t->rcpt->result = t[-1].rcpt->result;
			t->rcpt->duplicate = !t->rcpt->result;
		}
		cv_writer_done(&t->w);
		if (t->over)
			(void)!cv_quarantine_tidy(s, t->rcpt->acct, j.now, NULL);
		cv_acct_close(t->acct);
	}
	cv_writer_done(&j.counts);
	cv_arena_done(&j.arena);
	free(j.targets);
	*ticket_out = j.ticket;
}

void
cv_sent_now(struct cv_store *s, const struct cv_sent_note *note)
{
	if (s->watch)
		s->watch->sent(s->watch->arg, note);
}

void
cv_probe_now(struct cv_store *s, struct cv_probe *probe)
{
	struct cv_acct *a;
	enum cv_status status = cv_acct_open(s, probe->acct, false, &a, NULL, NULL);
	if (!status) {
		pthread_mutex_lock(&a->lock);
		if (!cv_acct_has_room(a, probe->size_bytes, 1))
			status = CV_OVERQUOTA;
		pthread_mutex_unlock(&a->lock);
		cv_acct_close(a);
	}
	probe->result = answer_of(status);
}

/* ---- the local deliverer ---- */

struct local {
	struct cv_deliverer base;
	struct cv_store *s;
	pthread_mutex_t lock;
	pthread_cond_t none_left;
	size_t under_way;
};
struct parked {
	struct cv_waiter waiter;
	struct local *l;
	struct cv_delivery *d;
};

static void
on_durable(struct cv_waiter *w)
{
	struct parked *p = CV_CONTAINER(w, struct parked, waiter);
	struct local *l = p->l;
	p->d->done(p->d);
	free(p);
	pthread_mutex_lock(&l->lock);
	if (!--l->under_way)
		pthread_cond_signal(&l->none_left);
	pthread_mutex_unlock(&l->lock);
}

static void
local_deliver(struct cv_deliverer *base, struct cv_delivery *d)
{
	struct local *l = CV_CONTAINER(base, struct local, base);
	struct parked *p = cv_malloc(sizeof *p);
	*p = (struct parked){.waiter.fn = on_durable, .l = l, .d = d};
	pthread_mutex_lock(&l->lock);
	l->under_way++;
	pthread_mutex_unlock(&l->lock);
	cv_deliver_now(l->s, d, &p->waiter.ticket);
	cv_ticket_wait(l->s->engine, p->waiter.ticket, &p->waiter);
}

static void
local_probe(struct cv_deliverer *base, struct cv_probe *probe)
{
	cv_probe_now(CV_CONTAINER(base, struct local, base)->s, probe);
	probe->done(probe);
}

static void
local_sent(struct cv_deliverer *base, const struct cv_sent_note *note)
{
	cv_sent_now(CV_CONTAINER(base, struct local, base)->s, note);
}

static bool
local_is_up(struct cv_deliverer *base)
{
	(void)base;
	return true;
}

/* The disk is asked by those under way; they end by themselves. */
static void
local_free(struct cv_deliverer *base)
{
	struct local *l = CV_CONTAINER(base, struct local, base);
	pthread_mutex_lock(&l->lock);
	while (l->under_way)
		pthread_cond_wait(&l->none_left, &l->lock);
	pthread_mutex_unlock(&l->lock);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->none_left);
	free(l);
}

enum cv_status
cv_deliverer_local(struct cv_store *s, struct cv_deliverer **out, struct cv_err *err)
{
	static const struct cv_deliverer_ops ops = {
		local_deliver, local_probe, local_is_up, local_sent, local_free};
	(void)err;
	struct local *l = cv_calloc(1, sizeof *l);
	l->base.ops = &ops;
	l->s = s;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->none_left, NULL);
	*out = &l->base;
	return CV_OK;
}

/* ---- both kinds ---- */

void
cv_deliver(struct cv_deliverer *d, struct cv_delivery *delivery)
{
	d->ops->deliver(d, delivery);
}

void
cv_deliver_probe(struct cv_deliverer *d, struct cv_probe *probe)
{
	d->ops->probe(d, probe);
}

bool
cv_deliverer_is_up(struct cv_deliverer *d)
{
	return d->ops->is_up(d);
}

void
cv_deliver_sent(struct cv_deliverer *d, const struct cv_sent_note *note)
{
	d->ops->sent(d, note);
}

void
cv_store_set_watch(struct cv_store *s, const struct cv_store_watch *w)
{
	s->watch = w;
}

void
cv_deliverer_free(struct cv_deliverer *d)
{
	if (d)
		d->ops->free(d);
}
