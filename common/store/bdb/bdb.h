/* bdb.h - the meta engine on Berkeley DB 5.3: two trees in one private environment.
 *
 * Trees (key = account, 8 bytes big-endian, then the row's key):
 *   hot.db      4 KB checksummed pages; every row but summaries, and one row an account whose key
 *               is the account alone: version (8), closed (1)
 *   summary.db  16 KB checksummed pages; rows whose key begins with CV_KEY_SUMMARY
 *
 * Locking: none of Berkeley DB's. One writer at a time holds `rows` exclusively for a group of
 * batches, readers share it for one look-up or one bulk fetch; so there are no deadlocks, no lock
 * tables to fill and no lock time-outs (docs/adr/0010-one-writer-lock.md has the measurements).
 * Writers queue on `writers` first, so that readers get their turn between two of them.
 *
 * Errors: DB_RUNRECOVERY, a panic, and a commit or abort that fails end the process
 * (CV_EXIT_RECOVER). A full disk is CV_FULL and leaves everything readable.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_BDB_H
#define CV_BDB_H

#include <pthread.h>
#include <stdatomic.h>

#include <db.h>

#include "common/store/engine_impl.h"

#define CV_BDB_KEY_MAX (sizeof(cv_acct_id) + CV_KEY_MAX + 1)

/* A log file is filled with zeros when it begins, while commits wait: small files, short waits. */
#define CV_BDB_LOG_FILE_BYTES (8u << 20)

enum cv_bdb_tree { CV_BDB_HOT, CV_BDB_SUMMARY, CV_BDB_TREES };

struct cv_bdb {
	struct cv_meta meta;
	DB_ENV *env;
	DB *trees[CV_BDB_TREES];
	char *home;
	struct cv_watchdog *watchdog; /* not ours */
	pthread_mutex_t writers;
	pthread_rwlock_t rows;
	pthread_mutex_t spare_lock;
	char *spare[8]; /* bulk buffers to use again */
	size_t spare_count;
	bool is_open;   /* a panic before this is an error of open */
	_Atomic uint64_t commits, batches, conflicts, checkpoints, last_checkpoint_log;
};

/* Opens (creating) the environment in HOME, which exists; always recovers. */
CV_MUST_CHECK enum cv_status cv_bdb_open(const char *home, size_t cache_bytes,
                                         struct cv_watchdog *w, struct cv_meta **out,
                                         struct cv_err *err);

/* ---- inside the folder ---- */
struct cv_bdb_key {
	unsigned char bytes[CV_BDB_KEY_MAX];
	uint32_t n;
};
void cv_bdb_key(struct cv_bdb_key *k, cv_acct_id acct, struct cv_str key);
cv_acct_id cv_bdb_key_acct(const void *p);
DB *cv_bdb_tree_of(struct cv_bdb *b, struct cv_str key);

/* Turns RC of Berkeley DB into a status; ends the process when it asks for recovery. */
enum cv_status cv_bdb_fail(struct cv_bdb *b, struct cv_err *err, int rc, const char *what);

struct cv_bdb_head {
	uint64_t version;
	bool is_closed;
};
/* The account's version row; zeros when there is none. A lock must be held. */
CV_MUST_CHECK int cv_bdb_get_head(struct cv_bdb *b, DB_TXN *txn, cv_acct_id acct,
                                  struct cv_bdb_head *out);

unsigned cv_bdb_lock_read(struct cv_bdb *b, const char *what);
void cv_bdb_unlock_read(struct cv_bdb *b, unsigned slot);
unsigned cv_bdb_lock_write(struct cv_bdb *b, const char *what);
void cv_bdb_unlock_write(struct cv_bdb *b, unsigned slot);

/* Operations, named as in struct cv_meta_ops. */
enum cv_status cv_bdb_read(struct cv_meta *m, cv_acct_id acct, const struct cv_str *keys,
                           size_t count, struct cv_str *values, struct cv_buf *hold,
                           uint64_t *version_out, struct cv_err *err);
enum cv_status cv_bdb_scan(struct cv_meta *m, cv_acct_id acct, struct cv_str from, struct cv_str to,
                           size_t limit, bool importing, cv_row_fn *fn, void *arg,
                           struct cv_err *err);
enum cv_status cv_bdb_accts(struct cv_meta *m, enum cv_acct_class class_,
                            bool (*fn)(void *arg, cv_acct_id acct, uint64_t version), void *arg,
                            struct cv_err *err);
enum cv_status cv_bdb_versions(struct cv_meta *m, const cv_acct_id *accts, size_t count,
                               uint64_t *versions_out, struct cv_err *err);
enum cv_status cv_bdb_commit(struct cv_meta *m, struct cv_batch *batches, size_t count,
                             bool importing, struct cv_err *err);
enum cv_status cv_bdb_mark(struct cv_meta *m, cv_acct_id acct, uint64_t version, bool closed,
                           struct cv_err *err);

#endif
