/* check.c - is the store what store.h promises? One fault, one line, by the number of the
 * invariant.
 *
 *   accounts   each under its lock: rows decode; entries, message rows and counts agree (S1, S2,
 * S6); what bodies they name is noted bodies     every count row against what was noted (S4), every
 * body named against what is there (S5), every body against being named
 *
 * While this runs nobody changes which bodies are named (the gate), so deliveries wait; flags and
 * reading go on. Bodies are read, when asked for, after the gate is open again.
 *
 * A text begins with the number of the invariant that is broken, or with "leak" for what a crash
 * may leave behind and nobody misses: a count too high, a body or row that nothing names.
 *
 * Mending never takes a message away that can be read: entries without row or body go, counts are
 * set to what was found, bodies nobody names are removed.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"
#include "common/store/seen.h"
#include "common/text/summary.h"

struct body {
	struct cv_blob_ref ref;
	uint64_t named;   /* accounts */
	cv_acct_id last;  /* the last account counted */
	uint64_t counted; /* what the count row says; 0: none */
	bool there, dead;
};
struct check {
	struct cv_store *s;
	bool repair;
	void (*fault)(void *arg, const char *text);
	void *arg;
	struct cv_check_report *r;
	struct cv_map bodies;  /* by account of the count row and its key */
	struct cv_arena arena; /* of the bodies */
	struct cv_err *err;
};

/* One fault: counted in the report, told in a line. */
static void CV_PRINTF(3, 4) tell(struct check *c, uint64_t *counter, const char *fmt, ...)
{
	char text[300];
	va_list args;
	++*counter;
	if (!c->fault)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	c->fault(c->arg, text);
}

/* ---- bodies noted ---- */

static struct body *
body_at(struct check *c, cv_acct_id acct, struct cv_str count_key)
{
	struct cv_buf name = CV_BUF_INIT(CV_KEY_MAX + 8);
	cv_buf_be64(&name, acct);
	cv_buf_str(&name, count_key);
	struct body *b = cv_map_get(&c->bodies, cv_buf_view(&name));
	if (!b) {
		b = CV_ARENA_NEW(&c->arena, struct body);
		cv_map_put(&c->bodies, cv_buf_view(&name), b);
	}
	cv_buf_done(&name);
	return b;
}

static struct body *
body_of(struct check *c, const struct cv_blob_ref *ref)
{
	struct cv_buf key = CV_BUF_INIT(CV_KEY_MAX);
	cv_blob_count_key(ref, &key);
	struct body *b = body_at(c, cv_blob_acct(ref), cv_buf_view(&key));
	b->ref = *ref;
	cv_buf_done(&key);
	return b;
}

static bool
note_there(void *arg, const struct cv_blob_ref *ref, uint64_t size_bytes, bool dead)
{
	struct check *c = arg;
	struct body *b = body_of(c, ref);
	b->there = true;
	b->dead = dead;
	if (!dead) {
		c->r->bodies++;
		c->r->body_bytes += size_bytes;
	}
	return true;
}

/* ---- one account ---- */

struct msg {
	uint32_t box, uid;
	uint64_t size_bytes;
	struct body *body;
	bool has_entry, may_wait; /* in a page; in an R row */
};
struct account {
	struct check *c;
	struct cv_acct *a;
	struct msg *msgs; /* ascending */
	size_t count, cap;
	struct removed_box {
		uint32_t box;
	} * removed;
	size_t removed_count;
};

static bool
note_msg(void *arg, struct cv_str key, struct cv_str value)
{
	struct account *t = arg;
	struct cv_row_msg row;
	uint32_t box, uid;
	if (!cv_key_read_uid(key, 'M', &box, &uid) || cv_row_msg_decode(value, &row)) {
		tell(t->c, &t->c->r->bad_rows, "a message row of account %llx is damaged",
			(unsigned long long)t->a->id);
		return true;
	}
	if (t->count == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 256;
		t->msgs = cv_realloc(t->msgs, t->cap * sizeof *t->msgs);
	}
	struct body *b = body_of(t->c, &row.body);
	if (b->last != t->a->id) {
		b->last = t->a->id;
		b->named++;
	}
	t->msgs[t->count++] =
		(struct msg){.box = box, .uid = uid, .size_bytes = row.size_bytes, .body = b};
	return true;
}

static struct msg *
find_msg(const struct account *t, uint32_t box, uint32_t uid)
{
	size_t low = 0, high = t->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct msg *m = &t->msgs[mid];
		if (m->box < box || (m->box == box && m->uid < uid))
			low = mid + 1;
		else
			high = mid;
	}
	bool found = low < t->count && t->msgs[low].box == box && t->msgs[low].uid == uid;
	return found ? &t->msgs[low] : NULL;
}

static bool
note_removed(void *arg, struct cv_str key, struct cv_str value)
{
	struct account *t = arg;
	struct cv_row_removed row;
	int64_t secs;
	uint32_t number, uid;
	if (!cv_key_read_removed(key, &secs, &number) || cv_row_removed_decode(value, &row)) {
		tell(t->c, &t->c->r->bad_rows, "a restore row of account %llx is damaged",
			(unsigned long long)t->a->id);
		return true;
	}
	if (row.kind == CV_REMOVED_BOX) {
		t->removed = cv_realloc(t->removed, (t->removed_count + 1) * sizeof *t->removed);
		t->removed[t->removed_count++].box = row.box;
	}
	struct cv_uids_rd rd = cv_uids_read(row.uids);
	while (cv_uids_next(&rd, &uid)) {
		struct msg *m = find_msg(t, row.box, uid);
		if (m)
			m->may_wait = true;
	}
	if (rd.rd.bad)
		tell(t->c, &t->c->r->bad_rows, "a restore row of account %llx is damaged",
			(unsigned long long)t->a->id);
	return true;
}

static bool
check_delivery(void *arg, struct cv_str key, struct cv_str value)
{
	struct account *t = arg;
	struct cv_row_delivery row;
	(void)key;
	if (cv_row_delivery_decode(value, &row))
		tell(t->c, &t->c->r->bad_rows, "a delivery row of account %llx is damaged",
			(unsigned long long)t->a->id);
	return true;
}

static bool
check_note(void *arg, struct cv_str key, struct cv_str value)
{
	struct account *t = arg;
	cv_acct_id person;
	struct cv_str name;
	uint32_t box;
	if (!cv_key_read_note(key, &box, &person, &name) ||
		cv_row_note_decode(value, &name, &value))
		tell(t->c, &t->c->r->bad_rows, "a note of account %llx is damaged",
			(unsigned long long)t->a->id);
	return true;
}

static bool
check_seen(void *arg, struct cv_str key, struct cv_str value)
{
	struct account *t = arg;
	struct cv_seen head;
	struct cv_seen_chunk chunk;
	cv_acct_id person;
	uint32_t box, n;
	bool bad = !cv_key_read_seen(key, &box, &person, &n);
	if (!bad)
		bad = n ? n > CV_SEEN_CHUNKS_MAX || cv_row_chunk_decode(value, &chunk)
			: cv_row_seen_decode(value, &head);
	if (bad)
		tell(t->c, &t->c->r->bad_rows,
			"what somebody has seen in account %llx is damaged",
			(unsigned long long)t->a->id);
	return true;
}

static bool
check_summary(void *arg, struct cv_str key, struct cv_str value)
{
	struct account *t = arg;
	struct cv_summary summary;
	(void)key;
	if (cv_summary_decode(value, &summary))
		tell(t->c, &t->c->r->bad_rows, "a summary of account %llx is damaged",
			(unsigned long long)t->a->id);
	return true;
}

static enum cv_status
scan(struct account *t, const char *from, const char *to, cv_row_fn *fn)
{
	return cv_meta_scan(
		t->c->s->engine, t->a->id, cv_str_z(from), cv_str_z(to), 0, fn, t, t->c->err);
}

/* ---- one mailbox ---- */

struct tally {
	uint32_t exists, unseen, deleted, recent;
	uint64_t size_bytes;
	uint32_t *drop; /* entries without row or body */
	size_t drop_count;
};

static void
check_entry(struct account *t, struct cv_mbox *m, const struct cv_entry *e, struct tally *n)
{
	struct check *c = t->c;
	struct msg *row = find_msg(t, m->id, e->uid);
	c->r->messages++;
	if (e->uid >= m->row.uidnext || e->modseq > m->row.highest_modseq)
		tell(c, &c->r->uid_faults,
			"S1: account %llx mailbox %u: UID %u MODSEQ %llu is past %u, %llu",
			(unsigned long long)t->a->id, m->id, e->uid, (unsigned long long)e->modseq,
			m->row.uidnext, (unsigned long long)m->row.highest_modseq);
	if (!row || !row->body->there || row->body->dead) {
		tell(c, &c->r->dangling_rows, "S5: account %llx mailbox %u: message %u has no %s",
			(unsigned long long)t->a->id, m->id, e->uid, row ? "body" : "row");
		n->drop[n->drop_count++] = e->uid;
	}
	if (row)
		row->has_entry = true;
	n->exists++;
	n->unseen += !(e->flags & CV_FLAG_SEEN);
	n->deleted += (e->flags & CV_FLAG_DELETED) != 0;
	n->recent += e->uid >= m->row.recent_from;
	n->size_bytes += row ? row->size_bytes : 0;
}

static void
check_counts(struct account *t, const struct cv_mbox *m, const struct tally *n)
{
	struct check *c = t->c;
	const struct cv_row_box *row = &m->row;
	if (n->exists != row->exists || n->unseen != row->unseen || n->deleted != row->deleted ||
		n->recent != row->recent)
		tell(c, &c->r->wrong_mailbox_counts,
			"S6: account %llx mailbox %u: %u/%u/%u/%u messages/unseen/deleted/recent "
			"counted, "
			"%u/%u/%u/%u noted",
			(unsigned long long)t->a->id, m->id, n->exists, n->unseen, n->deleted,
			n->recent, row->exists, row->unseen, row->deleted, row->recent);
	if (n->size_bytes != row->size_bytes)
		tell(c, &c->r->wrong_quotas,
			"S6: account %llx mailbox %u: %llu bytes counted, %llu noted",
			(unsigned long long)t->a->id, m->id, (unsigned long long)n->size_bytes,
			(unsigned long long)row->size_bytes);
}

/* An account that was imported has lists, but nothing says yet to whom they give rights. */
static enum cv_status
check_grants(struct account *t, struct cv_mbox *m)
{
	struct check *c = t->c;
	unsigned missing;

	enum cv_status status = cv_grants_check(m, c->repair, &missing, c->err);
	if (missing)
		tell(c, &c->r->bad_rows,
			"account %llx mailbox %u: %u entries of its list of rights cannot be found "
			"by those they mean",
			(unsigned long long)t->a->id, m->id, missing);
	if (!status && c->repair)
		c->r->repaired += missing;
	return status;
}

static enum cv_status
check_box(struct account *t, struct cv_mbox *m)
{
	struct check *c = t->c;
	struct cv_err why;
	enum cv_status status = check_grants(t, m);
	if (status)
		return status;
	status = cv_box_load(m, &why);
	c->r->mailboxes++;
	if (status == CV_CORRUPT) {
		tell(c, &c->r->bad_rows, "account %llx: %s", (unsigned long long)t->a->id,
			why.text);
		return CV_OK;
	}
	if (status)
		return cv_fail(c->err, status, "%s", why.text);
	uint64_t before = c->r->wrong_mailbox_counts + c->r->wrong_quotas + c->r->uid_faults;
	struct tally n = {.drop = cv_malloc((m->view->exists + 1) * sizeof(uint32_t))};
	for (uint32_t i = 0; i < m->view->pages_count; i++)
		for (uint32_t k = 0; k < m->view->pages[i].page->count; k++)
			check_entry(t, m, &m->view->pages[i].page->entries[k], &n);
	check_counts(t, m, &n);
	bool wrong = n.drop_count ||
		     before != c->r->wrong_mailbox_counts + c->r->wrong_quotas + c->r->uid_faults;
	if (wrong && c->repair) {
		cv_ticket ticket;
		status = cv_box_mend(m, n.drop, n.drop_count, &ticket, c->err);
		c->r->repaired += !status;
	}
	free(n.drop);
	return status;
}

static bool
is_removed(const struct account *t, uint32_t box)
{
	for (size_t i = 0; i < t->removed_count; i++)
		if (t->removed[i].box == box)
			return true;
	return false;
}

/* Message rows that nothing will ever reach or take away. */
static enum cv_status
check_stray(struct account *t)
{
	struct check *c = t->c;
	struct cv_writer w = CV_WRITER_INIT;
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < t->count; i++) {
		const struct msg *m = &t->msgs[i];
		if (m->has_entry || m->may_wait || is_removed(t, m->box))
			continue;
		tell(c, &c->r->bad_rows,
			"leak: account %llx mailbox %u: row %u belongs to no message",
			(unsigned long long)t->a->id, m->box, m->uid);
		cv_key_uid(cv_writer_key(&w), 'M', m->box, m->uid);
		cv_writer_delete(&w);
		if (w.count == 1000)
			break; /* the rest at the next check */
	}
	if (w.count && c->repair) {
		cv_ticket ticket;
		status = cv_acct_commit(t->a, &w, &ticket, c->err);
		c->r->repaired += status ? 0 : w.count;
	}
	cv_writer_done(&w);
	return status;
}

static enum cv_status
check_locked(struct account *t)
{
	enum cv_status status = scan(t, "M", "N", note_msg);
	if (!status)
		status = scan(t, "N", "O", check_note);
	if (!status)
		status = scan(t, "P", "Q", check_seen);
	if (!status)
		status = scan(t, "R", "S", note_removed);
	if (!status)
		status = scan(t, "D", "E", check_delivery);
	if (!status)
		status = scan(t, "S", "T", check_summary);
	for (size_t i = 0; !status && i < t->a->count; i++)
		status = check_box(t, t->a->boxes[i]);
	return status ? status : check_stray(t);
}

/* The account's part of its pool; it is only in memory, and put right with the next change. */
static void
check_pool(struct check *c, struct cv_acct *a)
{
	uint64_t bytes;
	if (!cv_pool_is_wrong(a, &bytes))
		return;
	tell(c, &c->r->wrong_quotas, "S6: account %llx: %llu bytes used, %llu in its pool",
		(unsigned long long)a->id, (unsigned long long)a->used_bytes,
		(unsigned long long)bytes);
	if (c->repair) {
		cv_quota_changed(a);
		c->r->repaired++;
	}
}

static enum cv_status
check_acct(struct check *c, cv_acct_id id)
{
	struct account t = {.c = c};
	struct cv_err why;
	enum cv_status status = cv_acct_open(c->s, id, false, &t.a, NULL, &why);
	c->r->accounts++;
	if (status == CV_CORRUPT || status == CV_NOT_FOUND) {
		tell(c, &c->r->bad_rows, "account %llx cannot be opened: %s",
			(unsigned long long)id, why.text);
		return CV_OK;
	}
	if (status)
		return cv_fail(c->err, status, "%s", why.text);
	status = cv_acct_lock(t.a, c->err);
	if (!status) {
		check_pool(c, t.a);
		status = check_locked(&t);
		cv_acct_unlock(t.a);
	}
	cv_acct_close(t.a);
	free(t.msgs);
	free(t.removed);
	return status;
}

/* ---- counts of bodies ---- */

struct shard {
	struct check *c;
	cv_acct_id acct;
};

static bool
note_count(void *arg, struct cv_str key, struct cv_str value)
{
	struct shard *t = arg;
	uint64_t count;
	if (cv_row_count_decode(value, &count)) {
		tell(t->c, &t->c->r->bad_rows, "a count row of shard %llx is damaged",
			(unsigned long long)t->acct);
		return true;
	}
	body_at(t->c, t->acct, key)->counted = count;
	return true;
}

static enum cv_status
read_counts(struct check *c)
{
	struct cv_acct_list shards;
	enum cv_status status = cv_accts_list(c->s, CV_CLASS_BODY, &shards, c->err);
	if (status)
		return status;
	for (size_t i = 0; !status && i < shards.count; i++) {
		struct shard t = {c, shards.ids[i]};
		status = cv_meta_scan(
			c->s->engine, t.acct, CV_STR("C"), CV_STR("D"), 0, note_count, &t, c->err);
	}
	free(shards.ids);
	return status;
}

static enum cv_status
set_count(struct check *c, struct cv_str name, const struct body *b)
{
	struct cv_rd rd = cv_rd(name);
	struct cv_writer w = CV_WRITER_INIT;
	struct cv_batch batch = {.acct = cv_rd_be64(&rd), .expect = CV_VERSION_ANY, .count = 1};
	cv_buf_str(cv_writer_key(&w), cv_str_sub(name, 8, name.n));
	if (b->named) {
		cv_row_count_encode(b->named, cv_writer_value(&w));
		cv_writer_end(&w);
	} else {
		cv_writer_delete(&w);
	}
	batch.puts = cv_writer_puts(&w);
	cv_ticket ticket = 0;
	enum cv_status status = cv_meta_commit(c->s->engine, &batch, 1, &ticket, c->err);
	status = status ? status : batch.result;
	if (!status)
		cv_ticket_block(c->s->engine, ticket);
	cv_writer_done(&w);
	c->r->repaired += !status;
	return status;
}

static enum cv_status
check_body(struct check *c, struct cv_str name, struct body *b)
{
	enum cv_status status = CV_OK;
	bool is_live = b->there && !b->dead;
	struct cv_rd shard = cv_rd(name);
	if (b->named != b->counted) {
		tell(c, &c->r->wrong_body_counts,
			"%s: a body of shard %llx is named by %llu accounts, its count says %llu",
			b->named > b->counted ? "S4" : "leak",
			(unsigned long long)cv_rd_be64(&shard), (unsigned long long)b->named,
			(unsigned long long)b->counted);
		if (c->repair)
			status = set_count(c, name, b);
	}
	if (is_live && !b->named) {
		tell(c, &c->r->orphan_bodies, "leak: a body of shard %llx is named by nobody",
			(unsigned long long)cv_blob_acct(&b->ref));
		if (!status && c->repair) {
			status = cv_blob_remove(c->s->engine, &b->ref, c->err);
			c->r->repaired += !status;
		}
	}
	return status;
}

static enum cv_status
check_bodies(struct check *c)
{
	size_t pos = 0;
	struct cv_str name;
	void *value;
	enum cv_status status = CV_OK;
	while (!status && cv_map_each(&c->bodies, &pos, &name, &value))
		status = check_body(c, name, value);
	return status;
}

static enum cv_status
swallow(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)arg;
	(void)bytes;
	(void)err;
	return CV_OK;
}

static enum cv_status
read_all_bodies(struct check *c)
{
	size_t pos = 0;
	struct cv_str name;
	void *value;
	while (cv_map_each(&c->bodies, &pos, &name, &value)) {
		const struct body *b = value;
		struct cv_err why;
		if (!b->there || b->dead || !b->named)
			continue;
		enum cv_status status =
			cv_blob_read(c->s->engine, &b->ref, 0, UINT64_MAX, swallow, NULL, &why);
		if (status == CV_CORRUPT)
			tell(c, &c->r->bad_bodies, "a body cannot be read: %s", why.text);
		else if (status && status != CV_NOT_FOUND) /* removed since */
			return cv_fail(c->err, status, "%s", why.text);
	}
	return CV_OK;
}

/* ---- the whole ---- */

static enum cv_status
check_shut(struct check *c)
{
	struct cv_acct_list accts = {0};
	enum cv_status status = cv_blob_each(c->s->engine, note_there, c, c->err);
	if (!status)
		status = cv_accts_list(c->s, CV_CLASS_USER, &accts, c->err);
	for (size_t i = 0; !status && i < accts.count; i++)
		status = check_acct(c, accts.ids[i]);
	free(accts.ids);
	if (!status)
		status = read_counts(c);
	return status ? status : check_bodies(c);
}

static void
check_done(struct check *c)
{
	cv_map_done(&c->bodies);
	cv_arena_done(&c->arena);
}

/* Entries that went took names of bodies with them: counts are looked at once more. */
static enum cv_status
check_again(struct check *c)
{
	struct cv_check_report second = {0}, *first = c->r;
	check_done(c);
	cv_map_init(&c->bodies);
	c->r = &second;
	c->fault = NULL;
	enum cv_status status = check_shut(c);
	c->r = first;
	first->repaired += second.repaired;
	return status;
}

enum cv_status
cv_store_check(struct cv_store *s, bool repair, bool read_bodies,
	void (*fault)(void *arg, const char *text), void *arg, struct cv_check_report *out,
	struct cv_err *err)
{
	struct check c = {
		.s = s, .repair = repair, .fault = fault, .arg = arg, .r = out, .err = err};
	*out = (struct cv_check_report){0};
	cv_map_init(&c.bodies);
	pthread_rwlock_wrlock(&s->gate);
	enum cv_status status = check_shut(&c);
	if (!status && repair && out->dangling_rows)
		status = check_again(&c);
	pthread_rwlock_unlock(&s->gate);
	if (!status && read_bodies)
		status = read_all_bodies(&c);
	check_done(&c);
	return status;
}
