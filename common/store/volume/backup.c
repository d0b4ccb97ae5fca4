/* backup.c - copying volumes while bodies are being appended.
 *
 * The lists of removed records come before the rows, the volumes after them (docs/adr/0135). Every
 * body that the copied rows name is in the volumes by then, and no record that they name is in the
 * copied lists: a body is removed only after the rows that named it. A sealed volume is never
 * written to again, so where the copy lies on the same disk it is a second name of the same file. A
 * volume that is in the target already, as long as it is here, is left alone: a second backup into
 * the same folder copies only what is new.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/store/volume/volume.h"

#define COPY_BYTES (1u << 20)

static int
copy_range(int from, int to, uint64_t size)
{
	char *memory = cv_malloc(COPY_BYTES);
	int why = 0;
	for (uint64_t at = 0; !why && at < size; at += COPY_BYTES) {
		size_t n = (size_t)CV_MIN(size - at, COPY_BYTES);
		errno = EIO;
		if (!cv_pread_all(from, memory, n, at) ||
		    pwrite(to, memory, n, (off_t)at) != (ssize_t)n)
			why = errno;
	}
	free(memory);
	return why;
}

static enum cv_status
copy_file(int from, int dir_fd, const char *name, uint64_t size, struct cv_err *err)
{
	struct stat st;
	if (!fstatat(dir_fd, name, &st, 0) && (uint64_t)st.st_size == size)
		return CV_OK;
	int to = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int why = to < 0 ? errno : copy_range(from, to, size);
	if (!why && fsync(to))
		why = errno;
	if (to >= 0)
		close(to);
	bool is_full = why == ENOSPC || why == EDQUOT;
	return why ? cv_fail_errno(err, is_full ? CV_FULL : CV_TEMPFAIL, why, "copying %s", name)
		   : CV_OK;
}

static enum cv_status
copy_dead(struct cv_volumes *s, int dir_fd, uint32_t number, struct cv_err *err)
{
	char name[32];
	struct stat st;
	cv_volume_name(number, "dead", name);
	int from = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return CV_OK; /* nothing was removed from it */
	enum cv_status status = fstat(from, &st) ?
		cv_fail_errno(err, CV_TEMPFAIL, errno, "looking at %s", name) :
		copy_file(from, dir_fd, name, (uint64_t)st.st_size, err);
	close(from);
	return status;
}

/* A second name for the sealed file V. False: it must be copied. */
static bool
link_sealed(struct cv_volumes *s, int dir_fd, const struct cv_volume *v, const char *name,
            uint64_t size)
{
	struct stat st;
	pthread_mutex_lock(&s->lock);
	bool is_still = v->is_sealed && atomic_load(&v->durable) == atomic_load(&v->end);
	pthread_mutex_unlock(&s->lock);
	return is_still && !fstat(v->fd, &st) && (uint64_t)st.st_size == size &&
	       !linkat(s->dir_fd, name, dir_fd, name, 0);
}

static enum cv_status
copy_volume(struct cv_volumes *s, int dir_fd, uint32_t number, struct cv_err *err)
{
	char name[32];
	struct cv_volume *v;
	struct stat st;
	enum cv_status status = cv_volume_get(s, number, &v, err);
	if (status == CV_NOT_FOUND || status == CV_CORRUPT)
		return CV_OK; /* was empty, or already lost here */
	if (status)
		return status;
	cv_volume_name(number, "vol", name);
	uint64_t size = atomic_load(&v->end);
	if (v->is_compacted && !fstat(v->fd, &st))
		size = (uint64_t)st.st_size; /* a compacted one has a map behind its records */
	if (!link_sealed(s, dir_fd, v, name, size))
		status = copy_file(v->fd, dir_fd, name, size, err);
	cv_volume_put(s, v);
	return status;
}

typedef enum cv_status copy_fn(
	struct cv_volumes *s, int dir_fd, uint32_t number, struct cv_err *err);

static enum cv_status
copy_each(struct cv_volumes *s, int dir_fd, copy_fn *copy, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	pthread_mutex_lock(&s->lock);
	uint32_t count = s->table_count;
	pthread_mutex_unlock(&s->lock);
	for (uint32_t i = 0; !status && i < count; i++) {
		pthread_mutex_lock(&s->lock);
		bool is_there = s->table[i] && !s->table[i]->is_bad;
		pthread_mutex_unlock(&s->lock);
		if (is_there)
			status = copy(s, dir_fd, i, err);
	}
	return status;
}

enum cv_status
cv_volumes_backup(struct cv_blobs *b, const char *dir, enum cv_blob_copy what, struct cv_err *err)
{
	struct cv_volumes *s = cv_volumes_of(b);
	enum cv_status status = CV_OK;
	if (mkdir(dir, 0700) && errno != EEXIST)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "making %s", dir);
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "opening %s", dir);
	if (what == CV_COPY_REMOVED)
		status = copy_each(s, dir_fd, copy_dead, err);
	else { /* The catalog first: what it calls durable is in the copies made after it. */
		status = cv_catalog_write(s, dir_fd, err);
		if (!status)
			status = copy_each(s, dir_fd, copy_volume, err);
	}
	if (!status && fsync(dir_fd))
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "syncing %s", dir);
	close(dir_fd);
	return status;
}
