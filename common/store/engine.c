/* engine.c - one directory, one owner: opens the two engines, checks limits, hands calls on.
 *
 *   lock      held (flock) by the owning process, its pid inside
 *   format    which programs may open this (format.h)
 *   clean     exists while nobody has the directory open and the last owner closed it
 *   ballast   room set aside: given up when the log cannot be written, so that what was committed
 *             can still become durable
 *   rows/     Berkeley DB
 *   bodies/   volumes
 *
 * Threads of its own: flusher, watchdog, upkeep (checkpoints, old logs, free space).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/log.h"
#include "common/store/bdb/bdb.h"
#include "common/store/engine_impl.h"
#include "common/store/flusher.h"
#include "common/store/format.h"
#include "common/store/volume/volume.h"

#define CACHE_BYTES_DEFAULT (64u << 20)
#define CACHE_BYTES_MIN (1u << 20)
#define CHECKPOINT_SECS_DEFAULT 60u
#define CHECKPOINT_LOG_DEFAULT ((uint64_t)64 << 20)
#define CHECKPOINT_BODIES ((uint64_t)128 << 20) /* written between two catalogs: what recovery
						 * reads */
#define UPKEEP_MS 1000
#define BALLAST_BYTES ((uint64_t)32 << 20)
#define ROOM_CHECK_BYTES (1u << 20) /* taken in between two looks at the free room */
/* Recovery fills the rest of the last log file with zeros, and makes a checkpoint. */
#define LOG_ROOM (40u << 20)
#define STAGE "backup" /* the copy made for a backup, below the store */
#define BALLAST_PART 16u /* at most this part of the file system */
#define SYNC_TRIES 20
#define SYNC_PAUSE_US 500000

/* Recovery writes again what the log holds, so that much room must be left, always. */
enum room {
	ROOM_ENOUGH,
	ROOM_SHORT, /* only deletions */
	ROOM_NONE   /* nothing */
};

struct cv_engine {
	char *dir;
	int dir_fd, lock_fd;
	struct cv_watchdog *watchdog;
	struct cv_meta *meta;
	struct cv_blobs *blobs; /* NULL: rows only */
	struct cv_flusher *flusher;
	struct cv_blob_syncer *syncer; /* with blobs */
	struct cv_engine_options o;
	_Atomic enum room room;
	_Atomic uint64_t unchecked_bytes; /* taken in since the last look */

	_Atomic unsigned hurry;      /* who wants compactions to end */
	pthread_mutex_t copy_lock;   /* one backup or compaction at a time; taken before the next */
	pthread_mutex_t upkeep_lock; /* one checkpoint or backup at a time */
	pthread_mutex_t stop_lock;
	pthread_cond_t stop_wake;
	bool stop;
	bool has_upkeep;
	pthread_t upkeep;
	_Atomic int64_t last_checkpoint_ms;
};

/* ---- the directory ---- */

static enum cv_status
make_dir(const char *path, struct cv_err *err)
{
	if (mkdir(path, 0700) && errno != EEXIST)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "making %s", path);
	return CV_OK;
}

static enum cv_status
take_lock(struct cv_engine *e, struct cv_err *err)
{
	char pid[32] = "";
	e->lock_fd = openat(e->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (e->lock_fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "opening %s/lock", e->dir);
	if (flock(e->lock_fd, LOCK_EX | LOCK_NB)) {
		int why = errno;
		ssize_t n = pread(e->lock_fd, pid, sizeof pid - 1, 0);
		if (why != EWOULDBLOCK)
			return cv_fail_errno(err, CV_TEMPFAIL, why, "locking %s/lock", e->dir);
		struct cv_str owner = cv_str_trim(cv_str(pid, n > 0 ? (size_t)n : 0));
		return cv_fail(err, CV_TEMPFAIL, "the store in %s is open in process %.*s already",
			e->dir, CV_STR_ARGS(owner));
	}
	int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
	if (ftruncate(e->lock_fd, 0) || pwrite(e->lock_fd, pid, (size_t)n, 0) != n)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "writing %s/lock", e->dir);
	return CV_OK;
}

static bool
is_there(struct cv_engine *e, const char *name)
{
	return faccessat(e->dir_fd, name, F_OK, 0) == 0;
}

/* From now on until set_clean_mark() an end of this process is a crash. */
static enum cv_status
clear_clean_mark(struct cv_engine *e, struct cv_err *err)
{
	if ((unlinkat(e->dir_fd, "clean", 0) && errno != ENOENT) || fsync(e->dir_fd))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "removing %s/clean", e->dir);
	return CV_OK;
}

static void
set_clean_mark(struct cv_engine *e)
{
	int fd = openat(e->dir_fd, "clean", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fsync(fd) || fsync(e->dir_fd))
		cv_log(0, CV_WARN, "store.no_clean_mark", "dir=%s; the next start recovers",
		       e->dir);
	if (fd >= 0)
		close(fd);
}

/* ---- room ---- */

static uint64_t
free_bytes(struct cv_engine *e, uint64_t *size_out)
{
	struct statvfs fs;
	if (fstatvfs(e->dir_fd, &fs))
		return UINT64_MAX;
	if (size_out)
		*size_out = (uint64_t)fs.f_blocks * fs.f_frsize;
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* A missing ballast is no reason not to start; with little room it is left away. */
static void
lay_ballast(struct cv_engine *e)
{
	struct stat st;
	uint64_t size = 0, room = free_bytes(e, &size);
	uint64_t want = CV_MIN(BALLAST_BYTES, size / BALLAST_PART);
	if (!fstatat(e->dir_fd, "ballast", &st, 0) && st.st_size > 0)
		return;
	if (room < want * 4)
		return;
	int fd = openat(e->dir_fd, "ballast", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0) {
		if (fallocate(fd, 0, 0, (off_t)want))
			(void)unlinkat(e->dir_fd, "ballast", 0);
		close(fd);
	}
}

static bool
drop_ballast(struct cv_engine *e)
{
	return unlinkat(e->dir_fd, "ballast", 0) == 0;
}

static enum room
look_for_room(struct cv_engine *e)
{
	uint64_t room = free_bytes(e, NULL);
	uint64_t need = LOG_ROOM + e->meta->ops->log_bytes(e->meta);
	enum room now = room >= need ? ROOM_ENOUGH : room >= need / 2 ? ROOM_SHORT : ROOM_NONE;
	enum room before = atomic_exchange(&e->room, now);
	if (!before != !now)
		cv_log(0, CV_WARN, now ? "store.full" : "store.room_again",
			"dir=%s free_bytes=%" PRIu64 " needed=%" PRIu64, e->dir, room, need);
	return now;
}

/* N bytes are about to be written. */
static void
count_bytes(struct cv_engine *e, uint64_t n)
{
	if (atomic_fetch_add_explicit(&e->unchecked_bytes, n, memory_order_relaxed) + n <
		ROOM_CHECK_BYTES)
		return;
	atomic_store_explicit(&e->unchecked_bytes, 0, memory_order_relaxed);
	if (look_for_room(e) != ROOM_ENOUGH) /* a checkpoint may give back logs */
		pthread_cond_signal(&e->stop_wake);
}

static enum cv_status
refuse_full(struct cv_engine *e, struct cv_err *err)
{
	return cv_fail(err, CV_FULL, "no room left on the disk of %s", e->dir);
}

/* ---- the flusher's work ---- */

/* A volume that failed its sync cannot be asked again: the kernel has forgotten which pages were
 * lost. A log that found no room keeps its bytes, so giving up the ballast and trying again is
 * safe. */
static void
sync_all(void *arg)
{
	struct cv_engine *e = arg;
	struct cv_err err;
	cv_watch_sync(e->watchdog, true);
	CV_KILL_POINT("flush.volume");
	bool any_bodies = e->blobs && e->blobs->ops->is_dirty(e->blobs);
	if (any_bodies)
		cv_blob_syncer_begin(e->syncer);
	CV_KILL_POINT("flush.before");
	enum cv_status status;
	for (int i = 0; (status = e->meta->ops->sync(e->meta, &err)) == CV_FULL; i++) {
		atomic_store(&e->room, ROOM_NONE);
		if (!drop_ballast(e) && i)
			usleep(SYNC_PAUSE_US);
		if (i == SYNC_TRIES)
			break;
	}
	if (!status && any_bodies)
		status = cv_blob_syncer_end(e->syncer, &err);
	if (status)
		cv_engine_die(CV_EXIT_SYNC, "store.sync_failed", "dir=%s error=\"%s\"", e->dir,
			err.text);
	CV_KILL_POINT("flush.after");
	cv_watch_sync(e->watchdog, false);
}

/* ---- upkeep ---- */

enum cv_status
cv_engine_checkpoint(struct cv_engine *e, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	pthread_mutex_lock(&e->upkeep_lock);
	e->last_checkpoint_ms = cv_mono_ms();
	if (e->blobs)
		status = e->blobs->ops->checkpoint(e->blobs, err);
	if (!status)
		status = e->meta->ops->checkpoint(e->meta, err);
	pthread_mutex_unlock(&e->upkeep_lock);
	return status;
}

static void
look_after(struct cv_engine *e)
{
	struct cv_err err;
	enum cv_status status = CV_OK;
	bool is_short = look_for_room(e) != ROOM_ENOUGH;
	if (!is_short && !is_there(e, "ballast"))
		lay_ballast(e);
	uint64_t log_bytes = e->meta->ops->log_bytes(e->meta);
	bool due = cv_mono_ms() - e->last_checkpoint_ms >= (int64_t)e->o.checkpoint_secs * 1000;
	due |= is_short && log_bytes >= ROOM_CHECK_BYTES;
	if (log_bytes >= e->o.checkpoint_log_bytes || (due && log_bytes))
		status = cv_engine_checkpoint(e, &err);
	else if (e->blobs && e->blobs->ops->unmarked_bytes(e->blobs) >= CHECKPOINT_BODIES) {
		pthread_mutex_lock(&e->upkeep_lock);
		status = e->blobs->ops->checkpoint(e->blobs, &err);
		pthread_mutex_unlock(&e->upkeep_lock);
	}
	if (status)
		cv_log(0, CV_ERROR, "store.checkpoint_failed", "dir=%s error=\"%s\"", e->dir,
		       err.text);
}

static void *
run_upkeep(void *arg)
{
	struct cv_engine *e = arg;
	pthread_mutex_lock(&e->stop_lock);
	while (!e->stop) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += UPKEEP_MS / 1000;
		pthread_cond_timedwait(&e->stop_wake, &e->stop_lock, &until);
		if (e->stop)
			break;
		pthread_mutex_unlock(&e->stop_lock);
		look_after(e);
		pthread_mutex_lock(&e->stop_lock);
	}
	pthread_mutex_unlock(&e->stop_lock);
	return NULL;
}

static enum cv_status
start_upkeep(struct cv_engine *e, struct cv_err *err)
{
	e->last_checkpoint_ms = cv_mono_ms();
	int failed = pthread_create(&e->upkeep, NULL, run_upkeep, e);
	if (failed)
		return cv_fail_errno(err, CV_TEMPFAIL, failed, "cannot start the upkeep of %s",
		                     e->dir);
	e->has_upkeep = true;
	return CV_OK;
}

static void
stop_upkeep(struct cv_engine *e)
{
	if (!e->has_upkeep)
		return;
	pthread_mutex_lock(&e->stop_lock);
	e->stop = true;
	pthread_cond_signal(&e->stop_wake);
	pthread_mutex_unlock(&e->stop_lock);
	pthread_join(e->upkeep, NULL);
}

static void
settle(void *arg)
{
	struct cv_engine *e = arg;
	cv_flusher_block(e->flusher, cv_flusher_ticket(e->flusher));
}

/* The copy is of this program's format, wherever it is opened. */
static enum cv_status
mark_format(const char *dir, struct cv_err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "opening %s", dir);
	enum cv_status status = cv_format_open(fd, dir, err);
	close(fd);
	return status;
}

enum cv_status
cv_engine_backup(struct cv_engine *e, const char *dir, struct cv_err *err)
{
	char path[PATH_MAX];
	enum cv_status status = make_dir(dir, err);
	atomic_fetch_add(&e->hurry, 1);
	pthread_mutex_lock(&e->copy_lock);
	atomic_fetch_sub(&e->hurry, 1);
	pthread_mutex_lock(&e->upkeep_lock);
	snprintf(path, sizeof path, "%s/bodies", dir);
	if (!status && e->blobs)
		status = e->blobs->ops->backup(e->blobs, path, CV_COPY_REMOVED, err);
	settle(e); /* the copy is made from files: what is committed now shall be in it */
	CV_KILL_POINT("backup.rows");
	snprintf(path, sizeof path, "%s/rows", dir);
	if (!status)
		status = make_dir(path, err);
	if (!status)
		status = e->meta->ops->backup(e->meta, path, err);
	CV_KILL_POINT("backup.bodies");
	snprintf(path, sizeof path, "%s/bodies", dir);
	if (!status && e->blobs)
		status = e->blobs->ops->backup(e->blobs, path, CV_COPY_BODIES, err);
	if (!status)
		status = mark_format(dir, err);
	pthread_mutex_unlock(&e->upkeep_lock);
	pthread_mutex_unlock(&e->copy_lock);
	return status;
}

enum cv_status
cv_engine_compact(struct cv_engine *e, unsigned dead_percent, uint64_t bytes_per_sec,
                  uint64_t *freed_out, struct cv_err *err)
{
	const struct cv_compact how = {.dead_percent = dead_percent, .bytes_per_sec = bytes_per_sec,
		.settle = settle, .arg = e, .hurry = &e->hurry};
	*freed_out = 0;
	if (!e->blobs)
		return CV_OK;
	pthread_mutex_lock(&e->copy_lock);
	enum cv_status status = e->blobs->ops->compact(e->blobs, &how, freed_out, err);
	pthread_mutex_unlock(&e->copy_lock);
	return status;
}

void
cv_engine_end_compaction(struct cv_engine *e)
{
	atomic_fetch_add(&e->hurry, 1);
}

/* ---- open and close ---- */

static void
set_defaults(struct cv_engine_options *o)
{
	o->cache_bytes = o->cache_bytes ? CV_MAX(o->cache_bytes, CACHE_BYTES_MIN)
	                                : CACHE_BYTES_DEFAULT;
	o->checkpoint_secs = o->checkpoint_secs ? o->checkpoint_secs : CHECKPOINT_SECS_DEFAULT;
	if (!o->checkpoint_log_bytes)
		o->checkpoint_log_bytes = CHECKPOINT_LOG_DEFAULT;
}

/* The folders of a copy hold files alone. */
static enum cv_status
remove_folder(const char *path, struct cv_err *err)
{
	DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? CV_OK
				       : cv_fail_errno(err, CV_TEMPFAIL, errno, "opening %s", path);
	int why = 0;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
			unlinkat(dirfd(dir), entry->d_name, 0) && !why)
			why = errno;
	closedir(dir);
	if (!why && rmdir(path))
		why = errno;
	return why ? cv_fail_errno(err, CV_TEMPFAIL, why, "removing %s", path) : CV_OK;
}

enum cv_status
cv_engine_unstage(struct cv_engine *e, struct cv_err *err)
{
	static const char *const parts[] = {"/rows", "/bodies", ""};
	char path[PATH_MAX];
	enum cv_status status = CV_OK;
	pthread_mutex_lock(&e->copy_lock);
	for (size_t i = 0; !status && i < CV_COUNT(parts); i++) {
		snprintf(path, sizeof path, "%s/" STAGE "%s", e->dir, parts[i]);
		status = remove_folder(path, err);
	}
	pthread_mutex_unlock(&e->copy_lock);
	return status;
}

static uint64_t
folder_bytes(const char *path)
{
	uint64_t sum = 0;
	struct stat st;
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (!fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
			S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	if (dir)
		closedir(dir);
	return sum;
}

enum cv_status
cv_engine_stage(struct cv_engine *e, char **path_out, struct cv_err *err)
{
	char path[PATH_MAX];
	enum cv_status status = cv_engine_unstage(e, err);
	if (status)
		return status;
	snprintf(path, sizeof path, "%s/rows", e->dir);
	uint64_t rows = folder_bytes(path);
	if (free_bytes(e, NULL) < rows + LOG_ROOM)
		return cv_fail(err, CV_FULL,
			"copying the rows of %s needs %" PRIu64 " MB free on its disk", e->dir,
			(rows + LOG_ROOM) >> 20);
	snprintf(path, sizeof path, "%s/" STAGE, e->dir);
	status = cv_engine_backup(e, path, err);
	if (status) {
		struct cv_err second;
		if (cv_engine_unstage(e, &second))
			cv_log(0, CV_WARN, "store.stage_left", "dir=%s error=\"%s\"", e->dir,
				second.text);
		return status;
	}
	*path_out = cv_strdup(path);
	return CV_OK;
}

static struct cv_engine *
new_engine(const struct cv_engine_options *o)
{
	struct cv_engine *e = cv_calloc(1, sizeof *e);
	e->o = *o;
	set_defaults(&e->o);
	e->dir = cv_strdup(o->dir);
	e->o.dir = e->dir;
	e->dir_fd = e->lock_fd = -1;
	pthread_mutex_init(&e->copy_lock, NULL);
	pthread_mutex_init(&e->upkeep_lock, NULL);
	pthread_mutex_init(&e->stop_lock, NULL);
	cv_cond_init(&e->stop_wake);
	e->watchdog = cv_watchdog_start(o->stuck_secs);
	return e;
}

/* Ends what was started, in the order in which the parts need one another. */
static enum cv_status
stop(struct cv_engine *e, struct cv_err *err)
{
	enum cv_status status = CV_OK, rows = CV_OK;
	stop_upkeep(e);
	if (e->flusher)
		cv_flusher_stop(e->flusher);
	cv_blob_syncer_stop(e->syncer);
	if (e->blobs)
		status = e->blobs->ops->close(e->blobs, err);
	if (e->meta)
		rows = e->meta->ops->close(e->meta, err);
	return status ? status : rows;
}

static void
release(struct cv_engine *e)
{
	cv_watchdog_stop(e->watchdog);
	if (e->lock_fd >= 0)
		close(e->lock_fd);
	if (e->dir_fd >= 0)
		close(e->dir_fd);
	pthread_cond_destroy(&e->stop_wake);
	pthread_mutex_destroy(&e->stop_lock);
	pthread_mutex_destroy(&e->upkeep_lock);
	pthread_mutex_destroy(&e->copy_lock);
	free(e->dir);
	free(e);
}

static enum cv_status
open_rows(struct cv_engine *e, struct cv_err *err)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/rows", e->dir);
	enum cv_status status = make_dir(path, err);
	if (status)
		return status;
	status = cv_bdb_open(path, e->o.cache_bytes, e->watchdog, &e->meta, err);
	if (status && free_bytes(e, NULL) < LOG_ROOM && drop_ballast(e))
		status = cv_bdb_open(path, e->o.cache_bytes, e->watchdog, &e->meta, err);
	if (status && free_bytes(e, NULL) < LOG_ROOM)
		return cv_fail(err, CV_FULL, "no room on the disk of %s to recover in", e->dir);
	return status;
}

static enum cv_status
open_bodies(struct cv_engine *e, bool was_clean, struct cv_err *err)
{
	char path[PATH_MAX];
	if (!e->o.with_blobs)
		return CV_OK;
	snprintf(path, sizeof path, "%s/bodies", e->dir);
	enum cv_status status = make_dir(path, err);
	return status ? status :
		cv_volumes_open(path, &e->o, was_clean, e->watchdog, &e->blobs, err);
}

static enum cv_status
open_parts(struct cv_engine *e, bool *crashed_out, struct cv_err *err)
{
	enum cv_status status = make_dir(e->dir, err);
	if (status)
		return status;
	e->dir_fd = open(e->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->dir_fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "opening %s", e->dir);
	status = take_lock(e, err);
	if (status)
		return status;
	status = cv_format_open(e->dir_fd, e->dir, err); /* before anything of it is touched */
	if (status)
		return status;
	bool is_new = !is_there(e, "rows") && !is_there(e, "bodies");
	bool was_clean = is_new || is_there(e, "clean");
	status = clear_clean_mark(e, err);
	if (!status)
		status = open_rows(e, err);
	if (!status)
		status = open_bodies(e, was_clean, err);
	if (!status && fsync(e->dir_fd))
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "syncing %s", e->dir);
	if (!status && e->blobs)
		status = cv_blob_syncer_start(e->blobs, &e->syncer, err);
	if (!status)
		status = cv_flusher_start(sync_all, e, &e->flusher, err);
	if (status)
		return status;
	lay_ballast(e);
	*crashed_out = !was_clean;
	return start_upkeep(e, err);
}

enum cv_status
cv_engine_open(const struct cv_engine_options *o, struct cv_engine **out, bool *crashed_out,
               struct cv_err *err)
{
	if (strlen(o->dir) > PATH_MAX - 64)
		return cv_fail(err, CV_INVALID, "the name of the store's directory is too long");
	struct cv_engine *e = new_engine(o);
	enum cv_status status = open_parts(e, crashed_out, err);
	if (status) {
		(void)stop(e, NULL);
		release(e);
		return status;
	}
	*out = e;
	return CV_OK;
}

void
cv_engine_close(struct cv_engine *e)
{
	struct cv_err err;
	if (!e)
		return;
	if (stop(e, &err))
		cv_log(0, CV_ERROR, "store.close_failed", "dir=%s error=\"%s\"", e->dir, err.text);
	else
		set_clean_mark(e);
	release(e);
}

/* ---- rows ---- */

enum cv_status
cv_meta_read(struct cv_engine *e, cv_acct_id acct, const struct cv_str *keys, size_t count,
             struct cv_str *values, struct cv_buf *hold, uint64_t *version_out, struct cv_err *err)
{
	for (size_t i = 0; i < count; i++)
		if (!keys[i].n || keys[i].n > CV_KEY_MAX)
			return cv_fail(err, CV_LIMIT, "a key of %zu bytes", keys[i].n);
	return e->meta->ops->read(e->meta, acct, keys, count, values, hold, version_out, err);
}

enum cv_status
cv_meta_scan(struct cv_engine *e, cv_acct_id acct, struct cv_str from, struct cv_str to,
             size_t limit, cv_row_fn *fn, void *arg, struct cv_err *err)
{
	if (from.n > CV_KEY_MAX || to.n > CV_KEY_MAX)
		return cv_fail(err, CV_LIMIT, "a key of %zu bytes", CV_MAX(from.n, to.n));
	return e->meta->ops->scan(e->meta, acct, from, to, limit, false, fn, arg, err);
}

enum cv_status
cv_meta_accts(struct cv_engine *e, enum cv_acct_class class_,
              bool (*fn)(void *arg, cv_acct_id acct, uint64_t version), void *arg,
              struct cv_err *err)
{
	return e->meta->ops->accts(e->meta, class_, fn, arg, err);
}

enum cv_status
cv_meta_versions(struct cv_engine *e, const cv_acct_id *accts, size_t count, uint64_t *versions_out,
                 struct cv_err *err)
{
	return e->meta->ops->versions(e->meta, accts, count, versions_out, err);
}

static enum cv_status
check_batch(const struct cv_batch *b, uint64_t *bytes)
{
	size_t sum = 0;
	for (size_t i = 0; i < b->count; i++) {
		const struct cv_put *put = &b->puts[i];
		if (!put->key.n || put->key.n > CV_KEY_MAX || put->value.n > CV_VALUE_MAX)
			return CV_LIMIT;
		sum += put->key.n + put->value.n;
	}
	*bytes += sum;
	return sum > CV_BATCH_MAX ? CV_LIMIT : CV_OK;
}

/* Taking things away is allowed on a full disk: somebody has to make room. */
static bool
only_deletes(const struct cv_batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->puts[i].value.p)
			return false;
	return true;
}

enum cv_status
cv_engine_commit(struct cv_engine *e, struct cv_batch *batches, size_t count, bool importing,
                 cv_ticket *ticket_out, struct cv_err *err)
{
	enum room room = atomic_load_explicit(&e->room, memory_order_relaxed);
	uint64_t bytes = 0;
	bool any = false;
	for (size_t i = 0; i < count; i++) {
		batches[i].result = check_batch(&batches[i], &bytes);
		batches[i].version = 0;
		if (room && !batches[i].result && (room == ROOM_NONE || !only_deletes(&batches[i])))
			batches[i].result = CV_FULL;
	}
	count_bytes(e, bytes);
	*ticket_out = 0;
	enum cv_status status = e->meta->ops->commit(e->meta, batches, count, importing, err);
	for (size_t i = 0; i < count; i++)
		any |= !batches[i].result;
	if (!any)
		return status;
	*ticket_out = cv_flusher_ticket(e->flusher);
	return CV_OK; /* what failed says so in its own result */
}

enum cv_status
cv_meta_commit(struct cv_engine *e, struct cv_batch *batches, size_t count, cv_ticket *ticket_out,
               struct cv_err *err)
{
	return cv_engine_commit(e, batches, count, false, ticket_out, err);
}

cv_ticket
cv_engine_ticket(struct cv_engine *e)
{
	return cv_flusher_ticket(e->flusher);
}

struct cv_meta *
cv_engine_meta(struct cv_engine *e)
{
	return e->meta;
}

struct cv_blobs *
cv_engine_blobs(struct cv_engine *e)
{
	return e->blobs;
}

/* ---- tickets ---- */

void
cv_ticket_wait(struct cv_engine *e, cv_ticket ticket, struct cv_waiter *w)
{
	cv_flusher_wait(e->flusher, ticket, w);
}

bool
cv_ticket_is_durable(struct cv_engine *e, cv_ticket ticket)
{
	return cv_flusher_is_durable(e->flusher, ticket);
}

void
cv_ticket_block(struct cv_engine *e, cv_ticket ticket)
{
	cv_flusher_block(e->flusher, ticket);
}

/* ---- bodies ---- */

static enum cv_status
need_blobs(struct cv_engine *e, struct cv_err *err)
{
	return e->blobs ? CV_OK
	                : cv_fail(err, CV_INVALID, "the store in %s keeps no bodies", e->dir);
}

enum cv_status
cv_blob_begin(struct cv_engine *e, struct cv_str delivery_id, uint64_t size_bytes,
              struct cv_blob_put **out, struct cv_err *err)
{
	enum cv_status status = need_blobs(e, err);
	if (!status && atomic_load_explicit(&e->room, memory_order_relaxed))
		status = refuse_full(e, err);
	if (!status)
		count_bytes(e, size_bytes);
	return status ? status : e->blobs->ops->begin(e->blobs, delivery_id, size_bytes, out, err);
}

enum cv_status
cv_blob_write(struct cv_blob_put *p, struct cv_str bytes, struct cv_err *err)
{
	return p->blobs->ops->write(p, bytes, err);
}

enum cv_status
cv_blob_finish(struct cv_blob_put *p, struct cv_blob_ref *ref_out, struct cv_err *err)
{
	return p->blobs->ops->finish(p, ref_out, err);
}

void
cv_blob_abort(struct cv_blob_put *p)
{
	if (p)
		p->blobs->ops->abort(p);
}

enum cv_status
cv_blob_read(struct cv_engine *e, const struct cv_blob_ref *ref, uint64_t offset, uint64_t length,
             cv_sink_fn *sink, void *arg, struct cv_err *err)
{
	enum cv_status status = need_blobs(e, err);
	return status ? status : e->blobs->ops->read(e->blobs, ref, offset, length, sink, arg, err);
}

enum cv_status
cv_blob_stat(struct cv_engine *e, const struct cv_blob_ref *ref, struct cv_blob_stat *out,
             struct cv_err *err)
{
	enum cv_status status = need_blobs(e, err);
	return status ? status : e->blobs->ops->stat(e->blobs, ref, out, err);
}

enum cv_status
cv_blob_remove(struct cv_engine *e, const struct cv_blob_ref *ref, struct cv_err *err)
{
	enum cv_status status = need_blobs(e, err);
	return status ? status : e->blobs->ops->remove(e->blobs, ref, err);
}

enum cv_status
cv_blob_each(struct cv_engine *e, cv_blob_fn *fn, void *arg, struct cv_err *err)
{
	enum cv_status status = need_blobs(e, err);
	return status ? status : e->blobs->ops->each(e->blobs, fn, arg, err);
}

cv_acct_id
cv_blob_acct(const struct cv_blob_ref *ref)
{
	struct cv_rd r = cv_rd(cv_str((const char *)ref->bytes, ref->n));
	(void)cv_rd_u8(&r);
	return cv_acct(CV_CLASS_BODY, cv_rd_be32(&r));
}

void
cv_blob_count_key(const struct cv_blob_ref *ref, struct cv_buf *key_out)
{
	struct cv_rd r = cv_rd(cv_str((const char *)ref->bytes, ref->n));
	(void)cv_rd_take(&r, 5);
	cv_buf_c(key_out, 'C');
	cv_buf_str(key_out, cv_rd_take(&r, 5));
}

void
cv_engine_stats(struct cv_engine *e, struct cv_engine_stats *out)
{
	*out = (struct cv_engine_stats){0};
	e->meta->ops->stats(e->meta, out);
	cv_flusher_counts(e->flusher, &out->flushes, &out->waiters);
	if (e->blobs)
		out->blob_bytes = e->blobs->ops->bytes(e->blobs);
}
