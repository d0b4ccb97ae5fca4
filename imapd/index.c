/* index.c - see index.h.
 *
 * Boxes, the index's knowledge of a mailbox, are shared under the lock; a box with `holds` stays.
 * Handles on mailboxes, and every file, are the thread's alone. The lock is never held while the
 * store or a file is used, as the store calls on_change() under locks of its own.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/rng.h"
#include "common/net/thread.h"
#include "imapd/index_build.h"
#include "imapd/signature.h"

#define BOXES_MAX   1024u
#define WATCHED_MAX 128u /* mailboxes in which arriving mail is signed */
#define REST_MS     1000 /* between two visits of a mailbox, and REST_TIMES what one took */
#define REST_TIMES  50
#define LOOK_MS     500  /* between two looks at what changed */
#define MISSED_MAX  256u /* messages that a search read unsigned: more are signed at once */
#define SWEEP_MS    (24 * 3600 * 1000)
#define FIRST_MS    (10 * 60 * 1000) /* after the start, to the first sweep */
#define HOLD_OFF_MS (10 * 60 * 1000) /* after a failure to write */
#define TIDY_SECS   (24 * 3600)
#define UNUSED_SECS (60 * 24 * 3600)
#define PLACES_MAX  64u /* of one text that are asked for */
#define MARK_BYTES  32u
#define NICENESS    15

struct box {
	struct imapd_index_key key;
	struct cv_link link; /* the latest used first */
	unsigned holds;
	bool is_wanted; /* a search lacked messages */
	int64_t used_secs;
	struct imapd_index_image *image; /* whole; or NULL: not looked at yet */
	/* the thread's: */
	struct cv_acct *acct;
	struct cv_mbox *mbox; /* watched while it is open */
	struct cv_watch watch;
	atomic_bool has_changed;
	int64_t visited_ms, took_ms, tidied_secs;
	bool is_hurried; /* the visit under way is for a search */
};

struct imapd_index {
	char *dir;
	struct cv_store *store;
	struct imapd_texts *texts; /* NULL: documents are not searched */
	uint64_t max_bytes;
	int lock_fd;
	pthread_t thread;
	bool is_running;
	atomic_bool is_allowed, is_stopping;
	pthread_mutex_t lock; /* guards boxes, by_use, box_count */
	pthread_cond_t wake;
	struct cv_map boxes;
	struct cv_link by_use;
	unsigned box_count;
	atomic_uint_fast64_t bytes, signed_messages, files_begun;
	/* the thread's: */
	struct imapd_indexer *indexer;
	int64_t sweep_ms, hold_off_ms;
	struct imapd_quiet quiet;
};

static struct imapd_index_key
key_of(const struct imapd_index *index, cv_acct_id acct, uint64_t mbox)
{
	return (struct imapd_index_key){
		acct, mbox, index->texts ? imapd_texts_kind(index->texts) : 0};
}

static struct cv_str
key_str(const struct imapd_index_key *key)
{
	return cv_str((const char *)key, sizeof *key);
}

static void
path_of(const struct imapd_index *index, const struct imapd_index_key *key, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%016llx-%llx.sig", index->dir, (unsigned long long)key->acct,
		(unsigned long long)key->mbox);
}

/* ---- boxes; under the lock ---- */

static struct box *
get_box(struct imapd_index *index, const struct imapd_index_key *key)
{
	struct box *b = cv_map_get(&index->boxes, key_str(key));

	if (b) {
		cv_list_remove(&b->link);
	} else {
		b = cv_calloc(1, sizeof *b);
		b->key = *key;
		cv_list_init(&b->link);
		cv_map_put(&index->boxes, key_str(&b->key), b);
		index->box_count++;
	}
	cv_list_prepend(&index->by_use, &b->link);
	b->used_secs = cv_wall_secs();
	return b;
}

static void
set_image(struct box *b, struct imapd_index_image *image)
{
	if (image)
		imapd_index_image_ref(image);
	imapd_index_image_unref(b->image);
	b->image = image;
}

static void
drop_box(struct imapd_index *index, struct box *b)
{
	assert(!b->holds && !b->mbox);
	cv_map_del(&index->boxes, key_str(&b->key));
	cv_list_remove(&b->link);
	index->box_count--;
	set_image(b, NULL);
	free(b);
}

/* ---- the thread: mailboxes ---- */

static void
on_change(struct cv_watch *w)
{
	atomic_store_explicit(
		&CV_CONTAINER(w, struct box, watch)->has_changed, true, memory_order_relaxed);
}

static void
let_go(struct box *b)
{
	if (b->mbox) {
		cv_mbox_unwatch(b->mbox, &b->watch);
		cv_mbox_close(b->mbox);
	}
	if (b->acct)
		cv_acct_close(b->acct);
	b->mbox = NULL;
	b->acct = NULL;
}

/* The name of mailbox ID of ACCT now, in ARENA. */
static enum cv_status
find_name(struct cv_acct *acct, uint64_t id, struct cv_arena *arena, struct cv_str *name_out,
	struct cv_err *err)
{
	struct cv_mbox_info *list;
	size_t count;
	enum cv_status status = cv_mbox_list(acct, arena, &list, &count, err);

	if (status)
		return status;
	for (size_t i = 0; i < count; i++) {
		if (id && list[i].id == id && list[i].selectable) {
			*name_out = list[i].name;
			return CV_OK;
		}
	}
	return cv_fail(err, CV_NOT_FOUND, "the mailbox is gone");
}

static enum cv_status
open_mbox(struct imapd_index *index, struct box *b, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_str name;
	cv_ticket unused;

	if (b->mbox)
		return CV_OK;
	enum cv_status status =
		cv_acct_open(index->store, b->key.acct, false, &b->acct, &unused, err);
	if (!status)
		status = find_name(b->acct, b->key.mbox, &arena, &name, err);
	if (!status)
		status = cv_mbox_open(b->acct, name, &b->mbox, err);
	if (!status) {
		b->watch = (struct cv_watch){.fn = on_change};
		cv_mbox_watch(b->mbox, &b->watch);
		if (cv_mbox_id(b->mbox) != b->key.mbox) /* renamed just now */
			status = cv_fail(err, CV_RETRY, "another mailbox has that name");
	}
	if (status)
		let_go(b);
	cv_arena_done(&arena);
	return status;
}

struct publishing {
	struct imapd_index *index;
	struct box *box;
};

static void
publish(void *arg, struct imapd_index_image *image)
{
	struct publishing *p = arg;

	pthread_mutex_lock(&p->index->lock);
	set_image(p->box, image);
	pthread_mutex_unlock(&p->index->lock);
}

static uint64_t
size_of(const char *path)
{
	struct stat st;
	return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

static void
forget_file(struct imapd_index *index, struct box *b, const char *path)
{
	atomic_fetch_sub(&index->bytes, size_of(path));
	(void)unlink(path);
	publish(&(struct publishing){index, b}, NULL);
}

static void
visit(struct imapd_index *index, struct box *b)
{
	struct publishing p = {index, b};
	struct cv_err err = {0};
	char path[PATH_MAX];

	int64_t began = cv_mono_ms();
	path_of(index, &b->key, path);
	atomic_store(&b->has_changed, false);
	enum cv_status status = open_mbox(index, b, &err);
	if (!status) {
		uint64_t before = size_of(path), used = atomic_load(&index->bytes);
		struct imapd_index_task task = {
			.path = path,
			.key = b->key,
			.mbox = b->mbox,
			.quiet = b->is_hurried ? NULL : &index->quiet,
			.tidy = cv_wall_secs() - b->tidied_secs > TIDY_SECS,
			.room_bytes = index->max_bytes - CV_MIN(index->max_bytes, used),
			.publish = publish,
			.arg = &p,
		};
		pthread_mutex_lock(&index->lock);
		task.image = b->image;
		if (task.image)
			imapd_index_image_ref(task.image);
		pthread_mutex_unlock(&index->lock);
		status = imapd_indexer_run(index->indexer, &task, &err);
		imapd_index_image_unref(task.image);
		atomic_fetch_add(&index->signed_messages, task.signed_out);
		atomic_fetch_add(&index->files_begun, task.was_rewritten_out);
		atomic_fetch_add(&index->bytes, size_of(path) - before);
		if (task.tidy && !status)
			b->tidied_secs = cv_wall_secs();
		if (task.was_left_out)
			atomic_store(&b->has_changed, true);
		b->took_ms = task.signed_out ? 0 : cv_mono_ms() - began;
	}
	if (status == CV_NOT_FOUND) {
		let_go(b);
		forget_file(index, b, path);
	} else if (status == CV_FULL || status == CV_TEMPFAIL || status == CV_CORRUPT) {
		cv_log(0, CV_WARN, "index.paused", "file=%s error=\"%s\"", path, err.text);
		if (status != CV_FULL)
			forget_file(index, b, path);
		index->hold_off_ms = cv_mono_ms() + HOLD_OFF_MS;
		index->sweep_ms = CV_MIN(index->sweep_ms, index->hold_off_ms);
	}
	b->visited_ms = cv_mono_ms();
}

/* ---- the thread: the folder ---- */

struct file {
	struct imapd_index_key key;
	int64_t used_secs;
	uint64_t bytes;
};

static bool
key_of_name(const struct imapd_index *index, const char *name, struct imapd_index_key *key)
{
	unsigned long long acct, mbox;
	int end = 0;

	if (sscanf(name, "%16llx-%16llx.sig%n", &acct, &mbox, &end) != 2 || !end || name[end])
		return false;
	*key = key_of(index, acct, mbox);
	return true;
}

/* Every file of the index; what is none of it and looks like ours is removed. */
static uint32_t
list_files(struct imapd_index *index, struct file **files_out)
{
	DIR *dir = opendir(index->dir);
	struct file *files = NULL;
	uint32_t count = 0, room = 0;
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		struct file f = {.bytes = 0};
		struct stat st;
		size_t n = strlen(d->d_name);
		if (n > 4 && !strcmp(d->d_name + n - 4, ".new"))
			(void)unlinkat(dirfd(dir), d->d_name, 0);
		if (!key_of_name(index, d->d_name, &f.key) ||
			fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		f.used_secs = st.st_mtime;
		f.bytes = (uint64_t)st.st_size;
		if (count == room) {
			room = room ? 2 * room : 256;
			files = cv_realloc(files, room * sizeof *files);
		}
		files[count++] = f;
	}
	if (dir)
		closedir(dir);
	*files_out = files;
	return count;
}

static bool
is_gone(struct imapd_index *index, const struct imapd_index_key *key)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_acct *acct = NULL;
	struct cv_err unused = {0};
	struct cv_str name;
	cv_ticket ticket;

	enum cv_status status =
		cv_acct_open(index->store, key->acct, false, &acct, &ticket, &unused);
	if (!status)
		status = find_name(acct, key->mbox, &arena, &name, &unused);
	if (acct)
		cv_acct_close(acct);
	cv_arena_done(&arena);
	return status == CV_NOT_FOUND;
}

static int
by_use_latest_first(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	return (x->used_secs < y->used_secs) - (x->used_secs > y->used_secs);
}

/* When the box was last used, as far as this process knows; its day of tidying has come. */
static int64_t
note_sweep(struct imapd_index *index, const struct imapd_index_key *key, bool remove)
{
	int64_t used = 0;

	pthread_mutex_lock(&index->lock);
	struct box *b = cv_map_get(&index->boxes, key_str(key));
	if (b) {
		used = b->used_secs;
		b->is_wanted |= !remove;
		if (remove)
			set_image(b, NULL);
	}
	pthread_mutex_unlock(&index->lock);
	return used;
}

/* How much may stay: a disk that fills up gets everything back. */
static uint64_t
room_of(const struct imapd_index *index)
{
	struct statvfs fs;
	bool is_tight = !statvfs(index->dir, &fs) && fs.f_bavail < fs.f_blocks / 25;
	return is_tight || !atomic_load(&index->is_allowed) ? 0 : index->max_bytes;
}

static uint64_t
room_of_texts(const struct imapd_index *index)
{
	struct statvfs fs;
	bool is_tight = !statvfs(index->dir, &fs) && fs.f_bavail < fs.f_blocks / 25;
	return is_tight ? 0 : imapd_texts_max(index->texts);
}

/* Removes what nobody needs, then the least used while there is too much. */
static void
sweep(struct imapd_index *index)
{
	uint64_t room = room_of(index);
	struct file *files;
	uint32_t count = list_files(index, &files);
	uint64_t total = 0;
	char path[PATH_MAX];

	for (uint32_t i = 0; i < count; i++)
		files[i].used_secs =
			CV_MAX(files[i].used_secs, note_sweep(index, &files[i].key, false));
	if (count)
		qsort(files, count, sizeof *files, by_use_latest_first);
	for (uint32_t i = 0; i < count && !atomic_load(&index->is_stopping); i++) {
		bool keep = total + files[i].bytes <= (i ? room / 4 * 3 : room) &&
			    files[i].used_secs > cv_wall_secs() - UNUSED_SECS &&
			    !is_gone(index, &files[i].key);
		if (keep) {
			total += files[i].bytes;
			continue;
		}
		path_of(index, &files[i].key, path);
		(void)unlink(path);
		note_sweep(index, &files[i].key, true);
	}
	if (!atomic_load(&index->is_stopping))
		atomic_store(&index->bytes, total);
	free(files);
}

/* ---- the thread ---- */

/* What a search waits for is signed now, what only arrived when the daemon is QUIET. */
static bool
is_due(const struct box *b, int64_t now, bool quiet)
{
	bool asked = b->is_wanted ||
		     (quiet && atomic_load_explicit(&b->has_changed, memory_order_relaxed));
	int64_t rest_ms = REST_MS + REST_TIMES * b->took_ms;
	return asked && (!b->visited_ms || now - b->visited_ms >= rest_ms);
}

/* Under the lock: the next box to visit, held; also closes what is too much. */
static struct box *
next_box(struct imapd_index *index, struct box **drop_out)
{
	int64_t now = cv_mono_ms();
	bool is_quiet = imapd_quiet_now(&index->quiet);
	unsigned watched = 0, seen = 0;
	struct box *due = NULL;

	*drop_out = NULL;
	CV_LIST_EACH (link, next, &index->by_use) {
		struct box *b = CV_CONTAINER(link, struct box, link);
		watched += b->mbox != NULL;
		if (!due && is_due(b, now, is_quiet))
			due = b;
		bool is_old = (b->mbox && watched > WATCHED_MAX) || ++seen > BOXES_MAX;
		if (is_old && b != due && !b->holds && !*drop_out)
			*drop_out = b;
	}
	if (due) {
		due->holds++;
		due->is_hurried = due->is_wanted;
		due->is_wanted = false;
	}
	if (*drop_out)
		(*drop_out)->holds++;
	return due;
}

/* Under the lock; in slices, as nobody wakes the thread for a change. */
static void
wait_a_while(struct imapd_index *index)
{
	bool is_idle = index->box_count == 0;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + (is_idle ? 60 * 1000 : LOOK_MS) * INT64_C(1000000);
	until.tv_sec += ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_cond_timedwait(&index->wake, &index->lock, &until);
}

static void
release(struct imapd_index *index, struct box *b, bool drop)
{
	if (--b->holds == 0 && drop)
		drop_box(index, b);
}

static void *
index_main(void *arg)
{
	struct imapd_index *index = arg;

	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	pthread_mutex_lock(&index->lock);
	while (!atomic_load(&index->is_stopping)) {
		bool may_work =
			atomic_load(&index->is_allowed) && cv_mono_ms() > index->hold_off_ms;
		struct box *old = NULL, *due = may_work ? next_box(index, &old) : NULL;
		bool must_sweep = cv_mono_ms() > index->sweep_ms;
		if (!due && !old && !must_sweep) {
			wait_a_while(index);
			continue;
		}
		pthread_mutex_unlock(&index->lock);
		if (must_sweep) {
			index->sweep_ms = cv_mono_ms() + SWEEP_MS;
			sweep(index);
			if (index->texts)
				imapd_texts_sweep(index->texts, room_of_texts(index));
		}
		if (due)
			visit(index, due);
		if (old)
			let_go(old);
		pthread_mutex_lock(&index->lock);
		if (due)
			release(index, due, false);
		if (old)
			release(index, old, true);
	}
	pthread_mutex_unlock(&index->lock);
	return NULL;
}

/* ---- opening ---- */

static bool
read_mark(const char *path, char mark[MARK_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool ok = fd >= 0 && read(fd, mark, MARK_BYTES) == MARK_BYTES;

	if (fd >= 0)
		close(fd);
	return ok;
}

static enum cv_status
write_mark(const char *path, const char mark[MARK_BYTES], struct cv_err *err)
{
	(void)unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", path);
	bool ok = write(fd, mark, MARK_BYTES) == MARK_BYTES;
	int errnum = errno;
	close(fd);
	return ok ? CV_OK : cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot write %s", path);
}

/* Store and index bear the same mark, a new one at each start. A store that was put back from a
 * copy bears another one, or none: it may give numbers again that the index knows. */
static enum cv_status
match_marks(struct imapd_index *index, const char *mail_dir, struct cv_err *err)
{
	char ours[PATH_MAX], its[PATH_MAX], a[MARK_BYTES], b[MARK_BYTES], path[PATH_MAX];
	struct file *files;

	snprintf(ours, sizeof ours, "%s/mark", index->dir);
	snprintf(its, sizeof its, "%s/index.mark", mail_dir);
	uint32_t count = list_files(index, &files);
	bool match = read_mark(ours, a) && read_mark(its, b) && !memcmp(a, b, MARK_BYTES);
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < count; i++) {
		path_of(index, &files[i].key, path);
		if (!match)
			(void)unlink(path);
		else
			bytes += files[i].bytes;
	}
	if (!match && index->texts)
		imapd_texts_forget(index->texts);
	if (count && !match)
		cv_log(0, CV_INFO, "index.dropped", "dir=%s files=%u", index->dir, count);
	free(files);
	atomic_store(&index->bytes, bytes);
	cv_random(a, sizeof a);
	(void)unlink(ours); /* from here until both are written they do not match */
	enum cv_status status = write_mark(its, a, err);
	return status ? status : write_mark(ours, a, err);
}

static enum cv_status
own_folder(struct imapd_index *index, struct cv_err *err)
{
	char path[PATH_MAX];

	if (mkdir(index->dir, 0700) && errno != EEXIST)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", index->dir);
	snprintf(path, sizeof path, "%s/lock", index->dir);
	index->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (index->lock_fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot open %s", path);
	if (flock(index->lock_fd, LOCK_EX | LOCK_NB))
		return cv_fail(err, CV_EXISTS, "another process uses %s", index->dir);
	return CV_OK;
}

enum cv_status
imapd_index_open(const char *dir, const char *mail_dir, struct cv_store *store, uint64_t max_bytes,
	struct imapd_texts *texts, struct imapd_index **out, struct cv_err *err)
{
	struct imapd_index *index = cv_calloc(1, sizeof *index);
	pthread_condattr_t attr;

	index->dir = cv_strdup(dir);
	index->store = store;
	index->texts = texts;
	index->max_bytes = max_bytes;
	index->lock_fd = -1;
	index->sweep_ms = cv_mono_ms() + FIRST_MS;
	atomic_init(&index->is_allowed, true);
	pthread_mutex_init(&index->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&index->wake, &attr);
	pthread_condattr_destroy(&attr);
	cv_map_init(&index->boxes);
	cv_list_init(&index->by_use);
	index->indexer = imapd_indexer_new(&index->is_stopping, texts);
	enum cv_status status = own_folder(index, err);
	if (!status)
		status = match_marks(index, mail_dir, err);
	if (!status)
		status = cv_thread_start(&index->thread, "index", index_main, index, err);
	index->is_running = !status;
	if (status) {
		imapd_index_close(index);
		return status;
	}
	*out = index;
	return CV_OK;
}

void
imapd_index_stop(struct imapd_index *index)
{
	if (!index || !index->is_running)
		return;
	pthread_mutex_lock(&index->lock);
	atomic_store(&index->is_stopping, true);
	pthread_cond_signal(&index->wake);
	pthread_mutex_unlock(&index->lock);
	pthread_join(index->thread, NULL);
	index->is_running = false;
	CV_LIST_EACH (link, next, &index->by_use)
		let_go(CV_CONTAINER(link, struct box, link));
}

void
imapd_index_close(struct imapd_index *index)
{
	if (!index)
		return;
	imapd_index_stop(index);
	CV_LIST_EACH (link, next, &index->by_use)
		drop_box(index, CV_CONTAINER(link, struct box, link));
	cv_map_done(&index->boxes);
	imapd_indexer_free(index->indexer);
	pthread_cond_destroy(&index->wake);
	pthread_mutex_destroy(&index->lock);
	if (index->lock_fd >= 0)
		close(index->lock_fd);
	free(index->dir);
	free(index);
}

void
imapd_index_allow(struct imapd_index *index, bool on)
{
	atomic_store(&index->is_allowed, on);
}

void
imapd_index_figures(struct imapd_index *index, struct imapd_index_figures *out)
{
	*out = (struct imapd_index_figures){atomic_load(&index->bytes),
		atomic_load(&index->signed_messages), atomic_load(&index->files_begun)};
}

/* ---- one search ---- */

struct imapd_index_look {
	struct imapd_index *index;
	struct box *box; /* held */
	struct cv_mbox *m;
	uint32_t uidvalidity;
	struct imapd_index_image *image;   /* whole; NULL: nothing is known */
	struct imapd_index_image *loading; /* not whole yet */
	bool is_ready;
	uint32_t missed; /* messages of which nothing is known */
	uint32_t hint, text_count;
	uint32_t *places, *ends; /* of text i: from ends[i - 1] to ends[i] */
	bool *absent;
};

struct imapd_index_look *
imapd_index_look(struct imapd_index *index, struct cv_mbox *m, uint32_t uidvalidity,
	const struct imapd_search *search)
{
	uint32_t places = 0;

	if (!atomic_load(&index->is_allowed) || !search->text_count)
		return NULL;
	struct imapd_index_look *l = cv_calloc(1, sizeof *l);
	l->index = index;
	l->m = m;
	l->uidvalidity = uidvalidity;
	l->text_count = search->text_count;
	l->places = cv_malloc(l->text_count * PLACES_MAX * sizeof *l->places);
	l->ends = cv_malloc(l->text_count * sizeof *l->ends);
	l->absent = cv_calloc(l->text_count, sizeof *l->absent);
	for (uint32_t i = 0; i < l->text_count; i++) {
		places += imapd_signature_places(search->texts[i], l->places + places, PLACES_MAX);
		l->ends[i] = places;
	}
	if (!places) { /* all are shorter than three bytes */
		imapd_index_look_end(l);
		return NULL;
	}
	struct imapd_index_key key = key_of(index, cv_acct_number(cv_mbox_acct(m)), cv_mbox_id(m));
	pthread_mutex_lock(&index->lock);
	l->box = get_box(index, &key);
	l->box->holds++;
	l->image = l->box->image;
	if (l->image)
		imapd_index_image_ref(l->image);
	pthread_mutex_unlock(&index->lock);
	l->is_ready = l->image != NULL;
	return l;
}

/* What was loaded becomes everybody's, unless another one was there first or it is in doubt. */
static void
end_loading(struct imapd_index_look *l)
{
	const struct imapd_index_image *image = l->loading;
	const struct cv_view *view;
	struct cv_err unused = {0};
	bool is_good = false;

	if (!cv_mbox_view(l->m, &view, &unused)) {
		is_good = image->uidvalidity == view->uidvalidity &&
			  (!image->count || image->rows[image->count - 1].uid < view->uidnext);
		cv_view_unref(view);
	}
	pthread_mutex_lock(&l->index->lock);
	if (!l->box->image && is_good)
		set_image(l->box, l->loading);
	l->image = l->box->image;
	if (l->image)
		imapd_index_image_ref(l->image);
	pthread_mutex_unlock(&l->index->lock);
	imapd_index_image_unref(l->loading);
	l->loading = NULL;
}

bool
imapd_index_look_load(struct imapd_index_look *l, int64_t end_us)
{
	char path[PATH_MAX];

	if (l->is_ready)
		return true;
	if (!l->loading) {
		path_of(l->index, &l->box->key, path);
		l->loading = imapd_index_image_map(path, &l->box->key);
	}
	if (l->loading) {
		if (!imapd_index_image_check(l->loading, end_us))
			return false;
		end_loading(l);
	}
	l->is_ready = true;
	return true;
}

const bool *
imapd_index_look_absent(struct imapd_index_look *l, uint32_t uid)
{
	const struct imapd_index_row *row = NULL;

	if (l->image && l->image->uidvalidity == l->uidvalidity)
		row = imapd_index_image_find(l->image, uid, &l->hint);
	if (!row) {
		l->missed++;
		return NULL;
	}
	for (uint32_t i = 0, from = 0; i < l->text_count; from = l->ends[i++])
		l->absent[i] = !imapd_signature_has(
			l->image->words + row->at, row->words, l->places + from, l->ends[i] - from);
	return l->absent;
}

void
imapd_index_look_end(struct imapd_index_look *l)
{
	if (!l)
		return;
	if (l->box) {
		pthread_mutex_lock(&l->index->lock);
		l->box->holds--;
		if (!l->image || l->missed > MISSED_MAX)
			l->box->is_wanted |= l->missed > 0;
		else if (l->missed)
			atomic_store(&l->box->has_changed, true);
		if (l->missed)
			pthread_cond_signal(&l->index->wake);
		pthread_mutex_unlock(&l->index->lock);
	}
	imapd_index_image_unref(l->image);
	imapd_index_image_unref(l->loading);
	free(l->places);
	free(l->ends);
	free(l->absent);
	free(l);
}
