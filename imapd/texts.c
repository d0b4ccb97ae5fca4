/* texts.c - see texts.h.
 *
 * Jobs and those who wait for them are shared under the lock, which is not held while anything is
 * read or converted. A file is written beside its place and renamed, so it is whole or not there;
 * nothing is ever synced, as all of it can be made again.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/texts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/pool.h"
#include "imapd/texts_file.h"
#include "imapd/texts_make.h"

#define THREADS     2u
#define JOBS_MAX    256u
#define FREE_PART   20u /* of the disk stays free of us: 1/20 */
#define TOUCH_SECS  (24 * 3600)
#define UNUSED_SECS (60 * 24 * 3600)
#define HALF_SECS   3600             /* a file that nobody finished */
#define FULL_MS     (10 * 60 * 1000) /* between two sweeps because it is full */
#define NAME_MAX_   40

struct job {
	struct imapd_texts *texts;
	struct cv_msg msg;
	struct cv_link link;    /* in jobs */
	struct cv_link waiters; /* of struct imapd_texts_wait */
};

struct imapd_texts {
	char *dir;
	struct cv_store *store;
	struct cv_engine *engine;
	struct cv_extract *extract;
	struct cv_net *net;
	struct cv_pool *pool;
	uint64_t max_bytes, kind;
	atomic_bool is_stopping, was_away;
	pthread_mutex_t lock; /* guards jobs, job_count and their waiters */
	struct cv_link jobs;
	unsigned job_count;
	atomic_uint_fast64_t bytes, files_made, documents, without;
	atomic_uint serial;       /* of unfinished files */
	_Atomic int64_t swept_ms; /* because it was full */
};

/* ---- names ---- */

/* "ab/cdef...": 256 folders. */
static void
name_of(const uint8_t id[16], char name[NAME_MAX_])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < 16; i++) {
		name[n++] = digits[id[i] >> 4];
		name[n++] = digits[id[i] & 15];
		if (i == 0)
			name[n++] = '/';
	}
	name[n] = '\0';
}

static void
path_of(const struct imapd_texts *t, const uint8_t id[16], char path[PATH_MAX])
{
	char name[NAME_MAX_];

	name_of(id, name);
	snprintf(path, PATH_MAX, "%s/%s", t->dir, name);
}

/* ---- reading ---- */

/* At most MAX octets of PATH. */
static bool
read_file(const char *path, size_t max, struct cv_buf *out, int64_t *used_secs_out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
		size_t want = (size_t)CV_MIN((uint64_t)st.st_size, max);
		char *room = cv_buf_room(out, want);
		n = room ? pread(fd, room, want, 0) : -1;
		out->n += n > 0 ? (size_t)n : 0;
		*used_secs_out = st.st_mtime;
	}
	close(fd);
	return n > 0;
}

bool
imapd_texts_read(
	struct imapd_texts *t, const struct cv_msg *msg, struct cv_buf *texts, bool *is_final_out)
{
	struct cv_buf file = CV_BUF_INIT(IMAPD_TEXTS_FILE_MAX);
	struct imapd_texts_head head;
	char path[PATH_MAX];
	int64_t used;

	cv_buf_reset(texts);
	path_of(t, msg->email_id, path);
	bool good = read_file(path, IMAPD_TEXTS_FILE_MAX, &file, &used);
	if (good) {
		good = imapd_texts_decode(cv_buf_view(&file), &head, texts) &&
		       head.kind == t->kind &&
		       !memcmp(head.email_id, msg->email_id, sizeof head.email_id) &&
		       head.body.n == msg->body.n &&
		       !memcmp(head.body.bytes, msg->body.bytes, head.body.n);
		if (!good)
			(void)unlink(path);
		else if (cv_wall_secs() - used > TOUCH_SECS)
			(void)utimensat(AT_FDCWD, path, NULL, 0);
		*is_final_out = head.is_final;
	}
	cv_buf_done(&file);
	if (!good)
		cv_buf_reset(texts);
	return good;
}

/* ---- making ---- */

static bool
has_room(struct imapd_texts *t, size_t n)
{
	struct statvfs fs;
	int64_t now = cv_mono_ms(), swept = atomic_load(&t->swept_ms);

	if (atomic_load(&t->bytes) + n > t->max_bytes && (!swept || now - swept > FULL_MS) &&
		atomic_compare_exchange_strong(&t->swept_ms, &swept, now))
		imapd_texts_sweep(t, t->max_bytes);
	return atomic_load(&t->bytes) + n <= t->max_bytes &&
	       (statvfs(t->dir, &fs) || fs.f_bavail >= fs.f_blocks / FREE_PART);
}

static bool
write_file(const char *path, struct cv_str bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool good = fd >= 0;

	while (good && bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		good = n > 0 || (n < 0 && errno == EINTR);
		if (n > 0)
			bytes = cv_str_sub(bytes, (size_t)n, bytes.n);
	}
	if (fd >= 0)
		close(fd);
	return good;
}

static bool
put_file(struct imapd_texts *t, const uint8_t id[16], struct cv_str bytes)
{
	char path[PATH_MAX], fresh[PATH_MAX];

	path_of(t, id, path);
	if ((size_t)snprintf(fresh, sizeof fresh, "%.*s.%u.new", PATH_MAX - 30, path,
		    atomic_fetch_add(&t->serial, 1)) >= sizeof fresh)
		return false;
	char *slash = strrchr(path, '/');
	*slash = '\0';
	(void)mkdir(t->dir, 0700); /* what fails here fails again below */
	(void)mkdir(path, 0700);
	*slash = '/';
	bool good = write_file(fresh, bytes) && !rename(fresh, path);
	if (!good) {
		cv_log(0, CV_WARN, "attachments.not_kept", "file=%s error=%s", path,
			strerror(errno));
		(void)unlink(fresh);
	}
	return good;
}

/* Once, until it answers again. */
static void
note_away(struct imapd_texts *t, bool is_away)
{
	if (is_away && !atomic_exchange(&t->was_away, true))
		cv_log(0, CV_WARN, "attachments.away",
			"reason=\"congvu-extract does not answer: restart the daemon\"");
	else if (!is_away)
		atomic_store(&t->was_away, false);
}

bool
imapd_texts_make(struct imapd_texts *t, const struct cv_msg *msg, const atomic_bool *stop)
{
	struct imapd_texts_made made;
	struct cv_err unused = {0};
	struct imapd_texts_head head = {.kind = t->kind, .body = msg->body};

	enum cv_status status =
		imapd_texts_gather(t->engine, t->extract, msg, stop, &made, &unused);
	bool good = !status && !made.is_away;
	if (!status) {
		note_away(t, made.is_away);
		atomic_fetch_add(&t->documents, made.documents);
		atomic_fetch_add(&t->without, made.without);
	}
	if (good) {
		struct cv_buf file = CV_BUF_INIT(IMAPD_TEXTS_FILE_MAX);
		head.is_final = made.is_final;
		memcpy(head.email_id, msg->email_id, sizeof head.email_id);
		imapd_texts_encode(&head, cv_buf_view(&made.texts), &file);
		good = has_room(t, file.n) && put_file(t, msg->email_id, cv_buf_view(&file));
		if (good) {
			atomic_fetch_add(&t->bytes, file.n);
			atomic_fetch_add(&t->files_made, 1);
		}
		cv_buf_done(&file);
	}
	cv_buf_done(&made.texts);
	return good;
}

/* ---- jobs ---- */

static struct job *
find_job(struct imapd_texts *t, const uint8_t id[16])
{
	CV_LIST_EACH (link, next, &t->jobs) {
		struct job *j = CV_CONTAINER(link, struct job, link);
		if (!memcmp(j->msg.email_id, id, sizeof j->msg.email_id))
			return j;
	}
	return NULL;
}

/* Under the lock. */
static void
tell_all(struct cv_link *waiters)
{
	struct cv_link *link;

	while ((link = cv_list_pop(waiters))) {
		struct imapd_texts_wait *w = CV_CONTAINER(link, struct imapd_texts_wait, link);
		w->fn(w);
	}
}

static void
run_job(void *arg)
{
	struct job *j = arg;
	struct imapd_texts *t = j->texts;
	bool is_final;
	struct cv_buf texts = CV_BUF_INIT(IMAPD_TEXTS_MAX);

	if (!atomic_load(&t->is_stopping) && !imapd_texts_read(t, &j->msg, &texts, &is_final))
		(void)imapd_texts_make(t, &j->msg, &t->is_stopping);
	cv_buf_done(&texts);
	pthread_mutex_lock(&t->lock);
	cv_list_remove(&j->link);
	t->job_count--;
	tell_all(&j->waiters);
	pthread_mutex_unlock(&t->lock);
	free(j);
}

/* Under the lock. */
static struct job *
begin_job(struct imapd_texts *t, const struct cv_msg *msg)
{
	if (t->job_count >= JOBS_MAX)
		return NULL;
	struct job *j = cv_calloc(1, sizeof *j);
	*j = (struct job){.texts = t, .msg = *msg};
	j->msg.summary = CV_STR_EMPTY;
	cv_list_init(&j->link);
	cv_list_init(&j->waiters);
	if (cv_pool_run(t->pool, run_job, j)) {
		free(j);
		return NULL;
	}
	cv_list_append(&t->jobs, &j->link);
	t->job_count++;
	return j;
}

/* A timer: tells those who may not wait any longer. */
static void
tell_late(void *arg)
{
	struct imapd_texts *t = arg;
	int64_t now = cv_mono_ms();

	pthread_mutex_lock(&t->lock);
	CV_LIST_EACH (link, next, &t->jobs) {
		struct job *j = CV_CONTAINER(link, struct job, link);
		CV_LIST_EACH (other, after, &j->waiters) {
			struct imapd_texts_wait *w =
				CV_CONTAINER(other, struct imapd_texts_wait, link);
			if (w->until_ms > now)
				continue;
			cv_list_remove(&w->link);
			w->fn(w);
		}
	}
	pthread_mutex_unlock(&t->lock);
}

bool
imapd_texts_ask(struct imapd_texts *t, const struct cv_msg *msg, struct imapd_texts_wait *w)
{
	int64_t left_ms = w ? w->until_ms - cv_mono_ms() : 0;

	if (atomic_load(&t->is_stopping) || left_ms < 0)
		return false;
	pthread_mutex_lock(&t->lock);
	struct job *j = find_job(t, msg->email_id);
	if (!j)
		j = begin_job(t, msg);
	if (j && w)
		cv_list_append(&j->waiters, &w->link);
	pthread_mutex_unlock(&t->lock);
	/* One that cannot be set belongs to a daemon that ends. */
	if (j && w)
		(void)cv_net_after(t->net, (unsigned)left_ms + 10, tell_late, t);
	return j != NULL;
}

void
imapd_texts_cancel(struct imapd_texts *t, struct imapd_texts_wait *w)
{
	if (!w->fn) /* it never waited */
		return;
	pthread_mutex_lock(&t->lock);
	cv_list_remove(&w->link);
	pthread_mutex_unlock(&t->lock);
}

/* ---- the folder ---- */

struct file {
	char name[NAME_MAX_];
	int64_t used_secs;
	uint64_t bytes;
};
struct listing {
	struct imapd_texts *t;
	bool is_all; /* every file is to go */
	struct file *files;
	size_t count, room;
};

static bool
is_ours(const char *name)
{
	return strlen(name) == 30 && strspn(name, "0123456789abcdef") == 30;
}

/* Whether anybody has the body still, as far as can be told. */
static bool
is_wanted(struct imapd_texts *t, const char *path)
{
	struct cv_buf bytes = CV_BUF_INIT(IMAPD_TEXTS_HEAD_MAX);
	struct imapd_texts_head head;
	struct cv_err unused = {0};
	int64_t used;
	bool is_used = true;

	bool good = read_file(path, IMAPD_TEXTS_HEAD_MAX, &bytes, &used) &&
		    imapd_texts_decode(cv_buf_view(&bytes), &head, NULL) && head.kind == t->kind;
	cv_buf_done(&bytes);
	if (!good)
		return false;
	return cv_body_is_used(t->store, &head.body, &is_used, &unused) || is_used;
}

/* One file in a folder of files: removed, or listed. */
static void
look_at(struct listing *l, const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s/%s", l->t->dir, folder, name);
	if (lstat(path, &st) || !S_ISREG(st.st_mode))
		return;
	int64_t age = cv_wall_secs() - st.st_mtime;
	bool keep = !l->is_all && is_ours(name) && age < UNUSED_SECS && is_wanted(l->t, path);
	if (!keep && (is_ours(name) || l->is_all || age > HALF_SECS))
		(void)unlink(path);
	if (!keep)
		return;
	if (l->count == l->room) {
		l->room = l->room ? 2 * l->room : 256;
		l->files = cv_realloc(l->files, l->room * sizeof *l->files);
	}
	struct file *f = &l->files[l->count++];
	*f = (struct file){.used_secs = st.st_mtime, .bytes = (uint64_t)st.st_size};
	snprintf(f->name, sizeof f->name, "%.2s/%.30s", folder, name);
}

static void
look_at_folder(struct listing *l, const char *folder)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", l->t->dir, folder);
	DIR *dir = opendir(path);
	struct dirent *d;
	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.' && !atomic_load(&l->t->is_stopping))
			look_at(l, folder, d->d_name);
	if (dir)
		closedir(dir);
}

static void
look_at_all(struct listing *l)
{
	char folder[8];

	for (unsigned i = 0; i < 256; i++) {
		snprintf(folder, sizeof folder, "%02x", i);
		look_at_folder(l, folder);
	}
}

static int
by_use_latest_first(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	return (x->used_secs < y->used_secs) - (x->used_secs > y->used_secs);
}

void
imapd_texts_sweep(struct imapd_texts *t, uint64_t room_bytes)
{
	struct listing l = {.t = t};
	uint64_t room = CV_MIN(room_bytes, t->max_bytes), total = 0;
	char path[PATH_MAX];

	look_at_all(&l);
	if (l.count)
		qsort(l.files, l.count, sizeof *l.files, by_use_latest_first);
	uint64_t all = 0;
	for (size_t i = 0; i < l.count; i++)
		all += l.files[i].bytes;
	/* Something is to come. */
	if (all > room / 10 * 9)
		room = room / 4 * 3;
	for (size_t i = 0; i < l.count && !atomic_load(&t->is_stopping); i++) {
		total += l.files[i].bytes;
		if (total <= room)
			continue;
		total -= l.files[i].bytes;
		snprintf(path, sizeof path, "%s/%s", t->dir, l.files[i].name);
		(void)unlink(path);
	}
	if (!atomic_load(&t->is_stopping))
		atomic_store(&t->bytes, total);
	free(l.files);
}

void
imapd_texts_forget(struct imapd_texts *t)
{
	struct listing l = {.t = t, .is_all = true};

	look_at_all(&l);
	free(l.files);
	atomic_store(&t->bytes, 0);
}

/* ---- opening ---- */

static uint64_t
hash_of(const char *text)
{
	uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001B3u;
	return h ? h : 1;
}

enum cv_status
imapd_texts_open(const char *dir, struct cv_store *store, struct cv_engine *engine,
	struct cv_extract *extract, uint64_t max_bytes, struct imapd_texts **out,
	struct cv_err *err)
{
	struct imapd_texts *t = cv_calloc(1, sizeof *t);

	t->dir = cv_strdup(dir);
	t->store = store;
	t->engine = engine;
	t->extract = extract;
	t->max_bytes = max_bytes;
	t->kind = hash_of(cv_extract_ability(extract));
	pthread_mutex_init(&t->lock, NULL);
	cv_list_init(&t->jobs);
	enum cv_status status = CV_OK;
	if (mkdir(dir, 0700) && errno != EEXIST)
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", dir);
	if (!status)
		status = cv_pool_new("texts", THREADS, JOBS_MAX, &t->pool, err);
	if (status) {
		imapd_texts_close(t);
		return status;
	}
	*out = t;
	return CV_OK;
}

void
imapd_texts_set_net(struct imapd_texts *t, struct cv_net *net)
{
	t->net = net;
}

void
imapd_texts_stop(struct imapd_texts *t)
{
	if (!t)
		return;
	atomic_store(&t->is_stopping, true);
	cv_extract_end_all(t->extract);
	if (t->pool)
		cv_pool_free(t->pool);
	t->pool = NULL;
}

void
imapd_texts_close(struct imapd_texts *t)
{
	if (!t)
		return;
	if (t->pool)
		cv_pool_free(t->pool);
	pthread_mutex_destroy(&t->lock);
	free(t->dir);
	free(t);
}

uint64_t
imapd_texts_kind(const struct imapd_texts *t)
{
	return t->kind;
}

uint64_t
imapd_texts_max(const struct imapd_texts *t)
{
	return t->max_bytes;
}

void
imapd_texts_figures(struct imapd_texts *t, struct imapd_texts_figures *out)
{
	*out = (struct imapd_texts_figures){
		.bytes = atomic_load(&t->bytes),
		.files_made = atomic_load(&t->files_made),
		.documents = atomic_load(&t->documents),
		.without = atomic_load(&t->without),
	};
}
