/* bdb_commit.c - batches into transactions.
 *
 * Up to GROUP batches share one transaction and one hold of the writer lock: a circular to hundreds
 * of accounts neither pays for hundreds of transactions nor keeps readers out for long. A batch
 * whose version does not match is left out before anything of it is written. When the transaction
 * itself fails, every batch of the group failed, and none has changed anything.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>

#include "common/base/kill.h"
#include "common/store/bdb/bdb.h"

#define GROUP 16u
#define HEAD_BYTES 9u
#define BULK_ROWS 32u /* of a batch that is written with a bulk cursor */

static struct cv_bdb *
bdb(struct cv_meta *m)
{
	return CV_CONTAINER(m, struct cv_bdb, meta);
}

static int
put_head(struct cv_bdb *b, DB_TXN *txn, cv_acct_id acct, uint64_t version, bool closed)
{
	struct cv_bdb_key k;
	unsigned char bytes[HEAD_BYTES];
	cv_bdb_key(&k, acct, CV_STR_EMPTY);
	for (int i = 7; i >= 0; i--, version >>= 8)
		bytes[i] = (unsigned char)version;
	bytes[8] = closed;
	DBT key = {.data = k.bytes, .size = k.n}, value = {.data = bytes, .size = sizeof bytes};
	DB *hot = b->trees[CV_BDB_HOT];
	return hot->put(hot, txn, &key, &value, 0);
}

/* The rows of a large batch lie close together: a bulk cursor goes on in the page it has. */
struct puts {
	struct cv_bdb *b;
	DB_TXN *txn;
	cv_acct_id acct;
	DB *tree;
	DBC *cursor; /* in tree, or NULL */
};

static int
end_bulk(struct puts *p)
{
	int rc = p->cursor ? p->cursor->close(p->cursor) : 0;
	p->cursor = NULL;
	return rc;
}

static int
put_bulk(struct puts *p, DB *tree, DBT *key, DBT *value)
{
	int rc = 0;
	if (p->cursor && p->tree != tree)
		rc = end_bulk(p);
	if (!rc && !p->cursor) {
		p->tree = tree;
		rc = tree->cursor(tree, p->txn, &p->cursor, DB_CURSOR_BULK);
	}
	return rc ? rc : p->cursor->put(p->cursor, key, value, DB_KEYLAST);
}

static int
put_row(struct puts *p, const struct cv_put *put, bool is_bulk)
{
	struct cv_bdb_key k;
	cv_bdb_key(&k, p->acct, put->key);
	DB *tree = cv_bdb_tree_of(p->b, put->key);
	DBT key = {.data = k.bytes, .size = k.n};
	if (!put->value.p) {
		int rc = end_bulk(p);
		if (!rc)
			rc = tree->del(tree, p->txn, &key, 0);
		return rc == DB_NOTFOUND ? 0 : rc;
	}
	DBT value = {.size = (uint32_t)put->value.n};
	memcpy(&value.data, &put->value.p, sizeof value.data); /* the library does not write to
							        * it */
	if (is_bulk)
		return put_bulk(p, tree, &key, &value);
	int rc = end_bulk(p);
	return rc ? rc : tree->put(tree, p->txn, &key, &value, 0);
}

/* Decides on BATCH and writes it. Only faults of the library are returned. */
static int
apply(struct cv_bdb *b, DB_TXN *txn, struct cv_batch *batch, bool importing)
{
	struct cv_bdb_head head;
	int rc = cv_bdb_get_head(b, txn, batch->acct, &head);
	if (rc)
		return rc;
	if (head.is_closed != importing)
		batch->result = CV_RETRY;
	else if (batch->expect != CV_VERSION_ANY && batch->expect != head.version)
		batch->result = CV_CONFLICT;
	if (batch->result) {
		batch->version = head.version;
		atomic_fetch_add(&b->conflicts, batch->result == CV_CONFLICT);
		return 0;
	}
	struct puts p = {.b = b, .txn = txn, .acct = batch->acct};
	for (size_t i = 0; !rc && i < batch->count; i++)
		rc = put_row(&p, &batch->puts[i], batch->count >= BULK_ROWS);
	int closed = end_bulk(&p);
	if (rc || closed)
		return rc ? rc : closed;
	batch->version = head.version + 1;
	return put_head(b, txn, batch->acct, batch->version, importing);
}

static void
must_abort(struct cv_bdb *b, DB_TXN *txn)
{
	int rc = txn->abort(txn);
	if (rc)
		cv_engine_die(CV_EXIT_RECOVER, "store.abort_failed", "dir=%s error=\"%s\"", b->home,
			db_strerror(rc));
}

/* After a commit that failed for another reason than a full disk nobody knows what the log
 * holds. */
static int
end(struct cv_bdb *b, DB_TXN *txn, bool keep)
{
	if (!keep) {
		must_abort(b, txn);
		return 0;
	}
	CV_KILL_POINT("commit.before");
	int rc = txn->commit(txn, DB_TXN_NOSYNC);
	CV_KILL_POINT("commit.after");
	if (rc && rc != ENOSPC && rc != EDQUOT)
		cv_engine_die(CV_EXIT_RECOVER, "store.commit_failed", "dir=%s error=\"%s\"",
			b->home, db_strerror(rc));
	return rc;
}

static int
commit_group(struct cv_bdb *b, struct cv_batch *batches, size_t count, bool importing)
{
	DB_TXN *txn = NULL;
	size_t applied = 0;
	int rc = b->env->txn_begin(b->env, NULL, &txn, DB_TXN_NOSYNC);
	if (rc)
		return rc;
	rc = cv_fail_point("commit");
	for (size_t i = 0; !rc && i < count; i++) {
		if (batches[i].result)
			continue;
		rc = apply(b, txn, &batches[i], importing);
		applied += !batches[i].result;
	}
	if (rc) {
		must_abort(b, txn);
		return rc;
	}
	rc = end(b, txn, applied > 0);
	if (!rc)
		atomic_fetch_add(&b->batches, applied);
	return rc;
}

static void
fail_rest(struct cv_batch *batches, size_t count, enum cv_status status)
{
	for (size_t i = 0; i < count; i++)
		if (!batches[i].result)
			batches[i].result = status;
}

enum cv_status
cv_bdb_commit(struct cv_meta *m, struct cv_batch *batches, size_t count, bool importing,
              struct cv_err *err)
{
	struct cv_bdb *b = bdb(m);
	for (size_t i = 0; i < count; i += GROUP) {
		size_t n = CV_MIN(count - i, (size_t)GROUP);
		unsigned slot = cv_bdb_lock_write(b, "commit");
		int rc = commit_group(b, batches + i, n, importing);
		cv_bdb_unlock_write(b, slot);
		if (rc) {
			enum cv_status status = cv_bdb_fail(b, err, rc, "committing");
			fail_rest(batches + i, count - i, status);
			return status;
		}
		atomic_fetch_add(&b->commits, 1);
	}
	return CV_OK;
}

enum cv_status
cv_bdb_mark(struct cv_meta *m, cv_acct_id acct, uint64_t version, bool closed, struct cv_err *err)
{
	struct cv_bdb *b = bdb(m);
	DB_TXN *txn = NULL;
	unsigned slot = cv_bdb_lock_write(b, "mark");
	int rc = b->env->txn_begin(b->env, NULL, &txn, DB_TXN_NOSYNC);
	if (!rc) {
		rc = put_head(b, txn, acct, version, closed);
		int ended = end(b, txn, !rc);
		rc = rc ? rc : ended;
	}
	cv_bdb_unlock_write(b, slot);
	return rc ? cv_bdb_fail(b, err, rc, "marking an account") : CV_OK;
}
