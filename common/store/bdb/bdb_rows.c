/* bdb_rows.c - keys, locks and reading.
 *
 * Every function here copies what it found and lets go of the lock before it returns or calls back.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/bdb/bdb.h"

#define HEAD_BYTES 9u
#define VALUE_GUESS 1024u       /* room offered for a value of unknown size at first */
#define BULK_SMALL (16u << 10)  /* the first fetch of a scan: most scans are short */
#define BULK_LARGE (256u << 10) /* room for the largest row many times over */
#define ACCTS_A_TURN 256u       /* accounts looked up under one hold of the lock */

static struct cv_bdb *
bdb(struct cv_meta *m)
{
	return CV_CONTAINER(m, struct cv_bdb, meta);
}

/* ---- keys ---- */

static void
put_acct(unsigned char *p, cv_acct_id acct)
{
	for (int i = 7; i >= 0; i--, acct >>= 8)
		p[i] = (unsigned char)acct;
}

cv_acct_id
cv_bdb_key_acct(const void *p)
{
	const unsigned char *byte = p;
	cv_acct_id acct = 0;
	for (int i = 0; i < 8; i++)
		acct = acct << 8 | byte[i];
	return acct;
}

void
cv_bdb_key(struct cv_bdb_key *k, cv_acct_id acct, struct cv_str key)
{
	assert(key.n <= sizeof k->bytes - sizeof acct);
	put_acct(k->bytes, acct);
	if (key.n)
		memcpy(k->bytes + sizeof acct, key.p, key.n);
	k->n = (uint32_t)(sizeof acct + key.n);
}

static DBT
dbt_of(struct cv_bdb_key *k)
{
	return (DBT){.data = k->bytes, .size = k->n, .ulen = sizeof k->bytes,
		.flags = DB_DBT_USERMEM};
}

DB *
cv_bdb_tree_of(struct cv_bdb *b, struct cv_str key)
{
	bool is_summary = key.n && key.p[0] == CV_KEY_SUMMARY;
	return b->trees[is_summary ? CV_BDB_SUMMARY : CV_BDB_HOT];
}

/* ---- locks ---- */

unsigned
cv_bdb_lock_read(struct cv_bdb *b, const char *what)
{
	unsigned slot = cv_watch_enter(b->watchdog, what);
	pthread_rwlock_rdlock(&b->rows);
	return slot;
}

void
cv_bdb_unlock_read(struct cv_bdb *b, unsigned slot)
{
	pthread_rwlock_unlock(&b->rows);
	cv_watch_leave(b->watchdog, slot);
}

unsigned
cv_bdb_lock_write(struct cv_bdb *b, const char *what)
{
	unsigned slot = cv_watch_enter(b->watchdog, what);
	pthread_mutex_lock(&b->writers);
	pthread_rwlock_wrlock(&b->rows);
	return slot;
}

void
cv_bdb_unlock_write(struct cv_bdb *b, unsigned slot)
{
	pthread_rwlock_unlock(&b->rows);
	pthread_mutex_unlock(&b->writers);
	cv_watch_leave(b->watchdog, slot);
}

/* ---- single rows ---- */

int
cv_bdb_get_head(struct cv_bdb *b, DB_TXN *txn, cv_acct_id acct, struct cv_bdb_head *out)
{
	struct cv_bdb_key k;
	unsigned char bytes[HEAD_BYTES];
	cv_bdb_key(&k, acct, CV_STR_EMPTY);
	DBT key = dbt_of(&k),
	    value = { .data = bytes, .ulen = sizeof bytes, .flags = DB_DBT_USERMEM };
	DB *hot = b->trees[CV_BDB_HOT];
	*out = (struct cv_bdb_head){0};
	int rc = hot->get(hot, txn, &key, &value, 0);
	if (rc == DB_NOTFOUND)
		return 0;
	if (rc)
		return rc;
	if (value.size != HEAD_BYTES)
		return DB_VERIFY_BAD;
	out->version = cv_bdb_key_acct(bytes);
	out->is_closed = bytes[8] != 0;
	return 0;
}

/* Reads one row to the end of HOLD. The slice is relative until the caller adds the base. */
static int
get_row(struct cv_bdb *b, cv_acct_id acct, struct cv_str row, struct cv_buf *hold,
        struct cv_str *value_out)
{
	struct cv_bdb_key k;
	cv_bdb_key(&k, acct, row);
	DB *tree = cv_bdb_tree_of(b, row);
	size_t room = VALUE_GUESS;
	for (;;) {
		char *p = cv_buf_room(hold, room);
		if (!p)
			return DB_BUFFER_SMALL;
		DBT key = dbt_of(&k), value = {.data = p, .ulen = (uint32_t)room,
			.flags = DB_DBT_USERMEM};
		int rc = tree->get(tree, NULL, &key, &value, 0);
		if (rc == DB_BUFFER_SMALL && value.size > room) {
			room = value.size;
			continue;
		}
		if (!rc) {
			*value_out = (struct cv_str){(char *)hold->n, value.size};
			hold->n += value.size;
		}
		return rc;
	}
}

static enum cv_status
read_locked(struct cv_bdb *b, cv_acct_id acct, const struct cv_str *keys, size_t count,
            struct cv_str *values, struct cv_buf *hold, struct cv_bdb_head *head,
            struct cv_err *err)
{
	int rc = cv_bdb_get_head(b, NULL, acct, head);
	if (rc)
		return cv_bdb_fail(b, err, rc, "reading a version");
	for (size_t i = 0; i < count; i++) {
		values[i] = (struct cv_str){NULL, SIZE_MAX};
		rc = get_row(b, acct, keys[i], hold, &values[i]);
		if (rc == DB_BUFFER_SMALL)
			return cv_fail(err, CV_LIMIT, "the rows do not fit in %zu bytes",
			               hold->max);
		if (rc && rc != DB_NOTFOUND)
			return cv_bdb_fail(b, err, rc, "reading a row");
	}
	return CV_OK;
}

enum cv_status
cv_bdb_read(struct cv_meta *m, cv_acct_id acct, const struct cv_str *keys, size_t count,
            struct cv_str *values, struct cv_buf *hold, uint64_t *version_out, struct cv_err *err)
{
	struct cv_bdb *b = bdb(m);
	struct cv_bdb_head head = {0};
	cv_buf_reset(hold);
	unsigned slot = cv_bdb_lock_read(b, "read");
	enum cv_status status = read_locked(b, acct, keys, count, values, hold, &head, err);
	cv_bdb_unlock_read(b, slot);
	if (!status && head.is_closed)
		status = cv_fail(err, CV_RETRY, "the account is being imported");
	if (status)
		return status;
	/* HOLD has stopped moving: offsets become pointers. */
	for (size_t i = 0; i < count; i++)
		values[i] = values[i].n == SIZE_MAX ? CV_STR_EMPTY :
			(struct cv_str){hold->p + (size_t)values[i].p, values[i].n};
	if (version_out)
		*version_out = head.version;
	return CV_OK;
}

enum cv_status
cv_bdb_versions(struct cv_meta *m, const cv_acct_id *accts, size_t count, uint64_t *versions_out,
                struct cv_err *err)
{
	struct cv_bdb *b = bdb(m);
	for (size_t i = 0; i < count;) {
		int rc = 0;
		unsigned slot = cv_bdb_lock_read(b, "versions");
		for (size_t turn = 0; !rc && i < count && turn < ACCTS_A_TURN; turn++, i++) {
			struct cv_bdb_head head;
			rc = cv_bdb_get_head(b, NULL, accts[i], &head);
			versions_out[i] = head.version;
		}
		cv_bdb_unlock_read(b, slot);
		if (rc)
			return cv_bdb_fail(b, err, rc, "reading versions");
	}
	return CV_OK;
}

/* ---- scans ---- */

static char *
bulk_take(struct cv_bdb *b)
{
	char *p = NULL;
	pthread_mutex_lock(&b->spare_lock);
	if (b->spare_count)
		p = b->spare[--b->spare_count];
	pthread_mutex_unlock(&b->spare_lock);
	return p ? p : cv_malloc(BULK_LARGE);
}

static void
bulk_give(struct cv_bdb *b, char *p)
{
	pthread_mutex_lock(&b->spare_lock);
	if (b->spare_count < CV_COUNT(b->spare)) {
		b->spare[b->spare_count++] = p;
		p = NULL;
	}
	pthread_mutex_unlock(&b->spare_lock);
	free(p);
}

/* Fills BULK with rows from K on. The cursor is gone when it returns. */
static int
fetch(DB *tree, struct cv_bdb_key *k, DBT *bulk)
{
	DBC *cursor = NULL;
	int rc = tree->cursor(tree, NULL, &cursor, DB_CURSOR_BULK);
	if (rc)
		return rc;
	DBT key = dbt_of(k);
	rc = cursor->get(cursor, &key, bulk, DB_SET_RANGE | DB_MULTIPLE_KEY);
	int closed = cursor->close(cursor);
	return rc ? rc : closed;
}

struct scan {
	struct cv_bdb *b;
	cv_acct_id acct;
	size_t left; /* rows still wanted */
	cv_row_fn *fn;
	void *arg;
	bool stopped;
};

/* Hands the rows of BULK below TO on. Leaves in K the place to go on from; false when the segment
 * or the scan is over. */
static bool
hand_on(struct scan *s, DBT *bulk, struct cv_str to, struct cv_bdb_key *k)
{
	void *at, *key_p, *value_p;
	size_t key_n, value_n;
	bool any = false;
	DB_MULTIPLE_INIT(at, bulk);
	for (;;) {
		DB_MULTIPLE_KEY_NEXT(at, bulk, key_p, key_n, value_p, value_n);
		if (!at)
			break;
		if (key_n < sizeof s->acct || cv_bdb_key_acct(key_p) != s->acct)
			return false;
		struct cv_str key = cv_str((char *)key_p + sizeof s->acct, key_n - sizeof s->acct);
		if (to.n && cv_str_cmp(key, to) >= 0)
			return false;
		if (key.n) { /* else the version row */
			if (!s->left || !s->fn(s->arg, key, cv_str(value_p, value_n))) {
				s->stopped = true;
				return false;
			}
			s->left--;
		}
		cv_bdb_key(k, s->acct, key);
		any = true;
	}
	k->bytes[k->n++] = 0; /* the smallest key after the last one */
	return any;
}

static enum cv_status
scan_segment(struct scan *s, enum cv_bdb_tree tree, struct cv_str from, struct cv_str to,
             struct cv_err *err)
{
	struct cv_bdb *b = s->b;
	struct cv_bdb_key k;
	cv_bdb_key(&k, s->acct, from);
	char *memory = bulk_take(b);
	uint32_t room = BULK_SMALL;
	int rc;
	for (;;) {
		DBT bulk = {.data = memory, .ulen = room, .flags = DB_DBT_USERMEM};
		unsigned slot = cv_bdb_lock_read(b, "scan");
		rc = fetch(b->trees[tree], &k, &bulk);
		cv_bdb_unlock_read(b, slot);
		if (rc == DB_BUFFER_SMALL && room < BULK_LARGE) {
			room = BULK_LARGE;
			continue;
		}
		if (rc || !hand_on(s, &bulk, to, &k) || !s->left)
			break;
		/* What is read past the end of the scan is read in vain: never more than before. */
		room = CV_MIN(2 * room, BULK_LARGE);
	}
	bulk_give(b, memory);
	return rc && rc != DB_NOTFOUND ? cv_bdb_fail(b, err, rc, "scanning rows") : CV_OK;
}

/* The lesser (greater) of two ends; an empty TO is the end of everything. */
static struct cv_str
least_end(struct cv_str a, struct cv_str b)
{
	return !a.n || (b.n && cv_str_cmp(b, a) < 0) ? b : a;
}

static struct cv_str
greatest(struct cv_str a, struct cv_str b)
{
	return cv_str_cmp(a, b) > 0 ? a : b;
}

enum cv_status
cv_bdb_scan(struct cv_meta *m, cv_acct_id acct, struct cv_str from, struct cv_str to, size_t limit,
            bool importing, cv_row_fn *fn, void *arg, struct cv_err *err)
{
	static const char first[] = {CV_KEY_SUMMARY}, after[] = {CV_KEY_SUMMARY + 1};
	const struct cv_str summary = {first, 1}, rest = {after, 1};
	const struct {
		enum cv_bdb_tree tree;
		struct cv_str from, to;
	} segments[] = {
		{CV_BDB_HOT,     from,                    least_end(to, summary)},
		{CV_BDB_SUMMARY, greatest(from, summary), least_end(to, rest)   },
		{CV_BDB_HOT,     greatest(from, rest),    to                    },
	};
	struct cv_bdb *b = bdb(m);
	struct scan s = {.b = b, .acct = acct, .left = limit ? limit : SIZE_MAX, .fn = fn,
		.arg = arg};
	struct cv_bdb_head head = {0};
	unsigned slot = cv_bdb_lock_read(b, "scan");
	int rc = cv_bdb_get_head(b, NULL, acct, &head);
	cv_bdb_unlock_read(b, slot);
	if (rc)
		return cv_bdb_fail(b, err, rc, "reading a version");
	if (head.is_closed && !importing)
		return cv_fail(err, CV_RETRY, "the account is being imported");
	enum cv_status status = CV_OK;
	for (size_t i = 0; !status && !s.stopped && s.left && i < CV_COUNT(segments); i++)
		if (!segments[i].to.n || cv_str_cmp(segments[i].from, segments[i].to) < 0)
			status = scan_segment(&s, segments[i].tree, segments[i].from,
				segments[i].to, err);
	return status;
}

/* ---- accounts ---- */

struct found {
	cv_acct_id acct;
	uint64_t version;
};

/* The first key of TREE at or after ACCT; *found_out tells whether it is one of ACCT's own rows
 * other than its version row, *next_out is the account found. */
static int
first_of(DB *tree, cv_acct_id acct, bool skip_head, bool *has_rows_out, cv_acct_id *next_out)
{
	DBC *cursor = NULL;
	struct cv_bdb_key k;
	cv_bdb_key(&k, acct, CV_STR_EMPTY);
	if (skip_head)
		k.bytes[k.n++] = 0;
	DBT key = dbt_of(&k), value = {.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
	int rc = tree->cursor(tree, NULL, &cursor, 0);
	if (rc)
		return rc;
	rc = cursor->get(cursor, &key, &value, DB_SET_RANGE);
	int closed = cursor->close(cursor);
	if (rc || closed)
		return rc ? rc : closed;
	*next_out = cv_bdb_key_acct(k.bytes);
	*has_rows_out = *next_out == acct && key.size > sizeof acct;
	return 0;
}

static int
has_rows(struct cv_bdb *b, cv_acct_id acct, bool *out)
{
	cv_acct_id next;
	*out = false;
	for (enum cv_bdb_tree t = 0; !*out && t < CV_BDB_TREES; t++) {
		int rc = first_of(b->trees[t], acct, true, out, &next);
		if (rc && rc != DB_NOTFOUND)
			return rc;
	}
	return 0;
}

/* Up to ACCTS_A_TURN accounts from *FROM below END; *FROM moves on. */
static int
collect(struct cv_bdb *b, cv_acct_id *from, cv_acct_id end, struct found *found, size_t *count)
{
	*count = 0;
	for (size_t turn = 0; turn < ACCTS_A_TURN && *from < end; turn++) {
		bool any;
		int rc = first_of(b->trees[CV_BDB_HOT], *from, false, &any, from);
		if (rc == DB_NOTFOUND)
			*from = end;
		if (rc || *from >= end)
			return rc == DB_NOTFOUND ? 0 : rc;
		rc = has_rows(b, *from, &any);
		if (!rc && any) {
			struct cv_bdb_head head;
			rc = cv_bdb_get_head(b, NULL, *from, &head);
			found[(*count)++] = (struct found){*from, head.version};
		}
		if (rc)
			return rc;
		++*from;
	}
	return 0;
}

enum cv_status
cv_bdb_accts(struct cv_meta *m, enum cv_acct_class class_,
             bool (*fn)(void *arg, cv_acct_id acct, uint64_t version), void *arg,
             struct cv_err *err)
{
	struct cv_bdb *b = bdb(m);
	struct found found[ACCTS_A_TURN];
	size_t count;
	cv_acct_id from = cv_acct(class_, 0);
	const cv_acct_id end = cv_acct((enum cv_acct_class)(class_ + 1), 0);
	while (from < end) {
		unsigned slot = cv_bdb_lock_read(b, "accounts");
		int rc = collect(b, &from, end, found, &count);
		cv_bdb_unlock_read(b, slot);
		if (rc)
			return cv_bdb_fail(b, err, rc, "listing accounts");
		for (size_t i = 0; i < count; i++)
			if (!fn(arg, found[i].acct, found[i].version))
				return CV_OK;
	}
	return CV_OK;
}
