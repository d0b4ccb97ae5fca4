/* table.c - the volumes there are, their descriptors, and syncing those written to. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/kill.h"
#include "common/base/rng.h"
#include "common/store/volume/volume.h"

void
cv_volume_name(uint32_t number, const char *suffix, char out[32])
{
	snprintf(out, 32, "%08u.%s", number, suffix);
}

bool
cv_pread_all(int fd, void *p, size_t n, uint64_t at)
{
	char *to = p;
	while (n) {
		ssize_t got = pread(fd, to, n, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got ? errno : ENODATA;
			return false;
		}
		to += got;
		at += (size_t)got;
		n -= (size_t)got;
	}
	return true;
}

bool
cv_volume_pread(struct cv_volumes *s, uint32_t number, int fd, void *p, size_t n, uint64_t at)
{
	char name[32];
	if (s->fetch) {
		cv_volume_name(number, "vol", name);
		if (!s->fetch(s->fetch_arg, name, at, n))
			return false;
	}
	return cv_pread_all(fd, p, n, at);
}

struct cv_volume *
cv_volume_add(struct cv_volumes *s, uint32_t number)
{
	if (number >= s->table_count) {
		uint32_t count = CV_MAX(number + 1, s->table_count * 2);
		s->table = cv_realloc(s->table, count * sizeof *s->table);
		memset(s->table + s->table_count, 0, (count - s->table_count) * sizeof *s->table);
		s->table_count = count;
	}
	if (!s->table[number]) {
		struct cv_volume *v = cv_calloc(1, sizeof *v);
		v->number = number;
		v->fd = -1;
		cv_list_init(&v->lru);
		s->table[number] = v;
		s->next_number = CV_MAX(s->next_number, number + 1);
	}
	return s->table[number];
}

/* Closes what was used least lately, down to the limit. Lock held. */
static void
trim_open(struct cv_volumes *s)
{
	while (s->open_count > CV_OPEN_VOLUMES_MAX && !cv_list_is_empty(&s->lru)) {
		struct cv_link *oldest = cv_list_pop(&s->lru);
		struct cv_volume *v = CV_CONTAINER(oldest, struct cv_volume, lru);
		close(v->fd);
		v->fd = -1;
		s->open_count--;
	}
}

/* Lock held. */
static enum cv_status
open_file(struct cv_volumes *s, struct cv_volume *v, struct cv_err *err)
{
	char name[32];
	unsigned char head[CV_VOLUME_HEADER];
	cv_volume_name(v->number, "vol", name);
	int fd = openat(s->dir_fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return cv_fail(err, CV_NOT_FOUND, "no volume %u in %s", v->number, s->dir);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "opening volume %u", v->number);
	if (!v->is_known) {
		if (!cv_volume_pread(s, v->number, fd, head, sizeof head, 0) ||
			!cv_volume_header_read(head, v->number, v->salt, &v->is_compacted) ||
			(v->is_compacted && !cv_forward_load(s, v, fd))) {
			close(fd);
			v->is_bad = true;
			return cv_fail(err, CV_CORRUPT, "volume %u has a broken header", v->number);
		}
		v->is_known = true;
	}
	v->fd = fd;
	s->open_count++;
	trim_open(s);
	return CV_OK;
}

enum cv_status
cv_volume_get(struct cv_volumes *s, uint32_t number, struct cv_volume **out, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	pthread_mutex_lock(&s->lock);
	struct cv_volume *v = number < s->table_count ? s->table[number] : NULL;
	if (!v)
		status = cv_fail(err, CV_NOT_FOUND, "no volume %u in %s", number, s->dir);
	else if (v->is_bad)
		status = cv_fail(err, CV_CORRUPT, "volume %u has a broken header", number);
	else if (v->fd < 0)
		status = open_file(s, v, err);
	if (!status) {
		v->users++;
		cv_list_remove(&v->lru);
		*out = v;
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

enum cv_status
cv_volume_find(struct cv_volumes *s, struct cv_place *p, struct cv_volume **out,
               struct cv_err *err)
{
	enum cv_status status = cv_volume_get(s, p->volume, out, err);
	if (status || !(*out)->is_compacted)
		return status;
	uint64_t is = cv_forward_is(*out, p->at);
	if (!is) {
		cv_volume_put(s, *out);
		return cv_fail(err, CV_NOT_FOUND, "the body at %u/%" PRIu64 " was removed",
			p->volume, p->at);
	}
	p->at = is;
	return CV_OK;
}

static void
put_locked(struct cv_volumes *s, struct cv_volume *v)
{
	assert(v->users);
	if (--v->users)
		return;
	cv_list_append(&s->lru, &v->lru);
	trim_open(s);
}

void
cv_volume_put(struct cv_volumes *s, struct cv_volume *v)
{
	pthread_mutex_lock(&s->lock);
	put_locked(s, v);
	pthread_mutex_unlock(&s->lock);
}

/* The file with its header, and its name in the folder, durable before anybody is told of it. */
static int
make_file(struct cv_volumes *s, uint32_t number, const uint8_t salt[16], struct cv_err *err)
{
	char name[32];
	unsigned char head[CV_VOLUME_HEADER];
	cv_volume_name(number, "vol", name);
	cv_volume_header(number, salt, false, head);
	int fd = openat(s->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && pwrite(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
		fdatasync(fd) == 0 && fsync(s->dir_fd) == 0)
		return fd;
	int why = errno ? errno : EIO;
	if (fd >= 0)
		close(fd);
	(void)cv_fail_errno(err, CV_TEMPFAIL, why, "making volume %u", number);
	return -1;
}

enum cv_status
cv_volume_create(struct cv_volumes *s, struct cv_volume **out, struct cv_err *err)
{
	struct cv_err why = {.code = CV_TEMPFAIL};
	uint8_t salt[16];
	pthread_mutex_lock(&s->lock);
	uint32_t number = s->next_number++; /* burnt if the file cannot be made */
	pthread_mutex_unlock(&s->lock);
	cv_random(salt, sizeof salt);
	errno = 0;
	int fd = make_file(s, number, salt, &why);
	if (fd < 0) {
		if (err)
			*err = why;
		return why.code;
	}
	pthread_mutex_lock(&s->lock);
	struct cv_volume *v = cv_volume_add(s, number);
	memcpy(v->salt, salt, sizeof salt);
	v->is_known = true;
	v->fd = fd;
	v->users = 1;
	atomic_store(&v->end, CV_VOLUME_HEADER);
	atomic_store(&v->durable, CV_VOLUME_HEADER);
	s->open_count++;
	trim_open(s);
	pthread_mutex_unlock(&s->lock);
	*out = v;
	return CV_OK;
}

void
cv_volume_dirty(struct cv_volumes *s, struct cv_volume *v)
{
	pthread_mutex_lock(&s->lock);
	if (!v->is_dirty) {
		v->is_dirty = true;
		v->users++; /* until synced */
		cv_list_remove(&v->lru);
		if (s->dirty_count == s->dirty_cap) {
			s->dirty_cap = CV_MAX(8u, s->dirty_cap * 2);
			s->dirty = cv_realloc(s->dirty, s->dirty_cap * sizeof(struct cv_volume *));
		}
		s->dirty[s->dirty_count++] = v;
	}
	pthread_mutex_unlock(&s->lock);
}

/* Takes the whole list: what becomes dirty during the syncs is the next round's, and no commit of
 * this one depends on it. */
static struct cv_volume **
take_dirty(struct cv_volumes *s, size_t *count_out)
{
	pthread_mutex_lock(&s->lock);
	struct cv_volume **dirty = s->dirty;
	*count_out = s->dirty_count;
	for (size_t i = 0; i < s->dirty_count; i++)
		dirty[i]->is_dirty = false;
	s->dirty = NULL;
	s->dirty_count = s->dirty_cap = 0;
	pthread_mutex_unlock(&s->lock);
	return dirty;
}

static enum cv_status
sync_one(struct cv_volumes *s, struct cv_volume *v, struct cv_err *err)
{
	uint64_t end = atomic_load(&v->end);
	int why = cv_fail_point("volume.sync");
	if (!why && fdatasync(v->fd))
		why = errno;
	if (!why && end > atomic_load(&v->durable))
		atomic_store(&v->durable, end);
	cv_volume_put(s, v);
	return why ? cv_fail(err, CV_TEMPFAIL, "syncing volume %u failed: errno %d", v->number, why)
		: CV_OK;
}

enum cv_status
cv_volume_sync_dirty(struct cv_volumes *s, struct cv_err *err)
{
	size_t count;
	enum cv_status status = CV_OK;
	struct cv_volume **dirty = take_dirty(s, &count);
	for (size_t i = 0; i < count; i++) {
		enum cv_status one = sync_one(s, dirty[i], err);
		status = status ? status : one;
	}
	free(dirty);
	return status;
}

void
cv_volume_seal(struct cv_volumes *s, struct cv_volume *v)
{
	pthread_mutex_lock(&s->lock);
	v->is_sealed = true;
	put_locked(s, v);
	pthread_mutex_unlock(&s->lock);
}
