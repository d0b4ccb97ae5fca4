/* bdb_env.c - opening, closing and looking after the Berkeley DB environment. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>

#include "common/base/kill.h"
#include "common/base/log.h"
#include "common/store/bdb/bdb.h"

#define LOG_BUFFER_BYTES (1u << 20) /* the zeros are written in pieces of this size, too */
#define TRANSACTIONS_MAX 64u

static const struct {
	const char *file;
	uint32_t page_bytes;
} trees[CV_BDB_TREES] = {
	[CV_BDB_HOT]     = {"hot.db",     4096 },
	[CV_BDB_SUMMARY] = {"summary.db", 16384},
};

#if defined(__SANITIZE_THREAD__)
/* The library itself is not instrumented, and its page latches are tried in orders that look like
 * deadlocks to ThreadSanitizer (it backs off where they would be). Nothing of ours is hidden. */
const char *__tsan_default_suppressions(void);
const char *
__tsan_default_suppressions(void)
{
	return "deadlock:libdb-5.3.so\n"
	       "mutex:libdb-5.3.so\n";
}
#endif

static struct cv_bdb *
bdb(struct cv_meta *m)
{
	return CV_CONTAINER(m, struct cv_bdb, meta);
}

enum cv_status
cv_bdb_fail(struct cv_bdb *b, struct cv_err *err, int rc, const char *what)
{
	if (rc == DB_RUNRECOVERY && b->is_open)
		cv_engine_die(CV_EXIT_RECOVER, "store.panic", "dir=%s while=%s", b->home, what);
	if (rc == ENOSPC || rc == EDQUOT)
		return cv_fail(err, CV_FULL, "%s: no room left on the disk of %s", what, b->home);
	enum cv_status code = rc == DB_PAGE_NOTFOUND || rc == DB_VERIFY_BAD ? CV_CORRUPT
	                                                                    : CV_TEMPFAIL;
	return cv_fail(err, code, "%s: %s", what, db_strerror(rc));
}

static void
on_message(const DB_ENV *env, const char *prefix, const char *text)
{
	const struct cv_bdb *b = env->app_private;
	(void)prefix;
	cv_log(0, CV_WARN, "store.bdb", "dir=%s text=\"%s\"", b->home, text);
}

static void
on_event(DB_ENV *env, uint32_t event, void *info)
{
	const struct cv_bdb *b = env->app_private;
	(void)info;
	if (event == DB_EVENT_PANIC && b->is_open)
		cv_engine_die(CV_EXIT_RECOVER, "store.panic", "dir=%s", b->home);
}

/* All options are set here; a DB_CONFIG file in the home would be read too, and is not ours. */
static int
set_options(struct cv_bdb *b, size_t cache_bytes)
{
	DB_ENV *env = b->env;
	env->app_private = b;
	env->set_errcall(env, on_message);
	int rc = env->set_event_notify(env, on_event);
	if (!rc)
		rc = env->set_cachesize(env, (uint32_t)(cache_bytes >> 30),
			(uint32_t)(cache_bytes & ((1u << 30) - 1)), 1);
	if (!rc)
		rc = env->set_lg_bsize(env, LOG_BUFFER_BYTES);
	if (!rc)
		rc = env->set_lg_max(env, CV_BDB_LOG_FILE_BYTES);
	if (!rc) /* log files are filled with zeros when they begin: syncing them is data only */
		rc = env->log_set_config(env, DB_LOG_ZERO, 1);
	if (!rc)
		rc = env->set_tx_max(env, TRANSACTIONS_MAX);
	return rc;
}

static int
open_tree(struct cv_bdb *b, enum cv_bdb_tree tree)
{
	DB *db = NULL;
	int rc = db_create(&db, b->env, 0);
	if (rc)
		return rc;
	b->trees[tree] = db;
	rc = db->set_pagesize(db, trees[tree].page_bytes);
	if (!rc)
		rc = db->set_flags(db, DB_CHKSUM);
	if (!rc)
		rc = db->open(db, NULL, trees[tree].file, NULL, DB_BTREE,
			DB_CREATE | DB_AUTO_COMMIT | DB_THREAD, 0600);
	return rc;
}

static int
close_all(struct cv_bdb *b)
{
	int first = 0, rc;
	for (size_t i = 0; i < CV_BDB_TREES; i++) {
		rc = b->trees[i] ? b->trees[i]->close(b->trees[i], DB_NOSYNC) : 0;
		first = first ? first : rc;
	}
	rc = b->env ? b->env->close(b->env, 0) : 0;
	return first ? first : rc;
}

static void
release(struct cv_bdb *b)
{
	for (size_t i = 0; i < b->spare_count; i++)
		free(b->spare[i]);
	pthread_mutex_destroy(&b->spare_lock);
	pthread_rwlock_destroy(&b->rows);
	pthread_mutex_destroy(&b->writers);
	free(b->home);
	free(b);
}

static enum cv_status
bdb_sync(struct cv_meta *m, struct cv_err *err)
{
	struct cv_bdb *b = bdb(m);
	int rc = cv_fail_point("log.sync");
	if (!rc)
		rc = b->env->log_flush(b->env, NULL);
	return rc ? cv_bdb_fail(b, err, rc, "syncing the log") : CV_OK;
}

static uint64_t
log_position(struct cv_bdb *b)
{
	DB_LOG_STAT *stat = NULL;
	if (b->env->log_stat(b->env, &stat, 0))
		return 0;
	uint64_t at = (uint64_t)stat->st_cur_file * CV_BDB_LOG_FILE_BYTES + stat->st_cur_offset;
	free(stat);
	return at;
}

static uint64_t
bdb_log_bytes(struct cv_meta *m)
{
	struct cv_bdb *b = bdb(m);
	uint64_t now = log_position(b), last = atomic_load(&b->last_checkpoint_log);
	return now > last ? now - last : 0;
}

static enum cv_status
bdb_checkpoint(struct cv_meta *m, struct cv_err *err)
{
	struct cv_bdb *b = bdb(m);
	uint64_t at = log_position(b);
	int rc = cv_fail_point("checkpoint");
	if (!rc)
		rc = b->env->txn_checkpoint(b->env, 0, 0, 0);
	CV_KILL_POINT("checkpoint");
	if (rc)
		return cv_bdb_fail(b, err, rc, "checkpoint");
	atomic_store(&b->last_checkpoint_log, at);
	atomic_fetch_add(&b->checkpoints, 1);
	rc = b->env->log_archive(b->env, NULL, DB_ARCH_REMOVE);
	return rc ? cv_bdb_fail(b, err, rc, "removing old logs") : CV_OK;
}

static enum cv_status
bdb_backup(struct cv_meta *m, const char *dir, struct cv_err *err)
{
	struct cv_bdb *b = bdb(m);
	int rc = b->env->backup(b->env, dir, DB_CREATE | DB_BACKUP_CLEAN);
	return rc ? cv_bdb_fail(b, err, rc, "copying the rows") : CV_OK;
}

static void
bdb_stats(struct cv_meta *m, struct cv_engine_stats *out)
{
	struct cv_bdb *b = bdb(m);
	out->commits = atomic_load(&b->commits);
	out->batches = atomic_load(&b->batches);
	out->conflicts = atomic_load(&b->conflicts);
	out->checkpoints = atomic_load(&b->checkpoints);
	out->log_bytes = log_position(b);
}

static enum cv_status
bdb_close(struct cv_meta *m, struct cv_err *err)
{
	struct cv_bdb *b = bdb(m);
	enum cv_status status = bdb_sync(m, err);
	if (!status)
		status = bdb_checkpoint(m, err);
	b->is_open = false;
	int rc = close_all(b);
	if (rc && !status)
		status = cv_bdb_fail(b, err, rc, "closing the environment");
	release(b);
	return status;
}

static const struct cv_meta_ops ops = {
	.read = cv_bdb_read,
	.scan = cv_bdb_scan,
	.accts = cv_bdb_accts,
	.versions = cv_bdb_versions,
	.commit = cv_bdb_commit,
	.mark = cv_bdb_mark,
	.sync = bdb_sync,
	.checkpoint = bdb_checkpoint,
	.backup = bdb_backup,
	.log_bytes = bdb_log_bytes,
	.stats = bdb_stats,
	.close = bdb_close,
};

static int
open_env(struct cv_bdb *b, size_t cache_bytes)
{
	int rc = db_env_create(&b->env, 0);
	if (rc)
		return rc;
	rc = set_options(b, cache_bytes);
	if (!rc)
		rc = b->env->open(b->env, b->home, DB_CREATE | DB_INIT_MPOOL | DB_INIT_LOG |
			DB_INIT_TXN | DB_THREAD | DB_PRIVATE | DB_RECOVER, 0600);
	for (enum cv_bdb_tree t = 0; !rc && t < CV_BDB_TREES; t++)
		rc = open_tree(b, t);
	return rc;
}

enum cv_status
cv_bdb_open(const char *home, size_t cache_bytes, struct cv_watchdog *w, struct cv_meta **out,
            struct cv_err *err)
{
	struct cv_bdb *b = cv_calloc(1, sizeof *b);
	b->meta.ops = &ops;
	b->home = cv_strdup(home);
	b->watchdog = w;
	pthread_mutex_init(&b->writers, NULL);
	pthread_mutex_init(&b->spare_lock, NULL);
	pthread_rwlockattr_t attr;
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&b->rows, &attr);
	pthread_rwlockattr_destroy(&attr);
	int rc = open_env(b, cache_bytes);
	if (rc) {
		enum cv_status status = cv_bdb_fail(b, err, rc, "opening the rows");
		close_all(b);
		release(b);
		return status;
	}
	b->is_open = true;
	atomic_store(&b->last_checkpoint_log, log_position(b));
	*out = &b->meta;
	return CV_OK;
}
