/* register.c - which snapshot is the newest, and who still holds older ones.
 *
 * The owner counts register.gen up after each rename; a reader compares one mapped number on each
 * get and opens the files again when it moved. Without that file (first start) it looks at the
 * snapshot's identity once a second. A file that fails its check is remembered, logged once and
 * left alone; the older snapshot goes on answering.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/register/snapshot_format.h"

#define LOOK_EVERY_MS 1000

struct file_id {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};
struct cv_register {
	char *dir;
	bool with_secrets;
	pthread_mutex_t lock;          /* rank: leaf; guards all below */
	struct cv_snapshot *now;
	struct file_id seen, seen_secret;
	const _Atomic uint64_t *gen;   /* mapped register.gen, or NULL */
	uint64_t gen_seen;
	int64_t next_look_ms;
	bool is_forced;
};

static struct file_id
identify(const char *dir, const char *name)
{
	char path[1100];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (stat(path, &st))
		return (struct file_id){0};
	return (struct file_id){ st.st_dev, st.st_ino, st.st_size, st.st_mtim };
}

static bool
same_file(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
		a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static void
map_generation(struct cv_register *r)
{
	char path[1100];
	snprintf(path, sizeof path, "%s/%s", r->dir, SNAP_GEN_FILE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return;
	if (!fstat(fd, &st) && st.st_size >= (off_t)sizeof(uint64_t)) {
		void *map = mmap(NULL, sizeof(uint64_t), PROT_READ, MAP_SHARED, fd, 0);
		r->gen = map == MAP_FAILED ? NULL : map;
	}
	close(fd);
}

static uint64_t
generation(const struct cv_register *r)
{
	return r->gen ? atomic_load_explicit(r->gen, memory_order_acquire) : 0;
}

/* Opens the files again if they changed. The old snapshot stays when the new one is no good. */
static enum cv_status
look(struct cv_register *r, struct cv_err *err)
{
	r->is_forced = false;
	r->next_look_ms = cv_mono_ms() + LOOK_EVERY_MS;
	if (!r->gen)
		map_generation(r);
	r->gen_seen = generation(r);
	struct file_id snap = identify(r->dir, SNAP_FILE);
	struct file_id secret = r->with_secrets ? identify(r->dir, SNAP_SECRET_FILE)
	                                        : r->seen_secret;
	if (r->now && same_file(&snap, &r->seen) && same_file(&secret, &r->seen_secret))
		return CV_OK;
	struct cv_snapshot *fresh;
	enum cv_status status = snap_open_dir(r->dir, r->with_secrets, &fresh, err);
	r->seen = snap;
	r->seen_secret = secret;
	if (status)
		return status;
	if (r->now)
		cv_snapshot_unref(r->now);
	r->now = fresh;
	return CV_OK;
}

enum cv_status
cv_register_open(const char *dir, bool with_secrets, struct cv_register **out, struct cv_err *err)
{
	struct cv_register *r = cv_calloc(1, sizeof *r);
	r->dir = cv_strdup(dir);
	r->with_secrets = with_secrets;
	pthread_mutex_init(&r->lock, NULL);
	enum cv_status status = look(r, err);
	if (status) {
		cv_register_close(r);
		return status;
	}
	*out = r;
	return CV_OK;
}

const char *
cv_register_dir(const struct cv_register *r)
{
	return r->dir;
}

void
cv_register_close(struct cv_register *r)
{
	if (!r)
		return;
	if (r->now)
		cv_snapshot_unref(r->now);
	if (r->gen)
		munmap((void *)(uintptr_t)r->gen, sizeof(uint64_t));
	pthread_mutex_destroy(&r->lock);
	free(r->dir);
	free(r);
}

const struct cv_snapshot *
cv_register_get(struct cv_register *r)
{
	pthread_mutex_lock(&r->lock);
	bool moved = generation(r) != r->gen_seen;
	if (r->is_forced || moved || cv_mono_ms() >= r->next_look_ms) {
		struct cv_err err = {0};
		/* Seen files are remembered, so this is said once a file. */
		if (look(r, &err))
			cv_log(0, CV_ERROR, "register.snapshot", "status=%s error=\"%s\"",
				cv_status_name(err.code), err.text);
	}
	const struct cv_snapshot *s = r->now;
	snap_ref(s);
	pthread_mutex_unlock(&r->lock);
	return s;
}

void
cv_register_refresh(struct cv_register *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_forced = true;
	pthread_mutex_unlock(&r->lock);
}
