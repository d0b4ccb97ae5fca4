/* spool.c - the work space of a message: memory first, then a nameless file. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdatomic.h>

#include "common/base/kill.h"

static atomic_size_t memory_total;

size_t
cv_spool_memory_total(void)
{
	return atomic_load_explicit(&memory_total, memory_order_relaxed);
}

/* The memory of S has grown or gone. */
static void
count_memory(struct cv_spool *s)
{
	if (s->mem.cap > s->counted)
		atomic_fetch_add_explicit(
			&memory_total, s->mem.cap - s->counted, memory_order_relaxed);
	else if (s->mem.cap < s->counted)
		atomic_fetch_sub_explicit(
			&memory_total, s->counted - s->mem.cap, memory_order_relaxed);
	s->counted = s->mem.cap;
}

void
cv_spool_init(struct cv_spool *s, const char *dir)
{
	*s = (struct cv_spool){.mem = CV_BUF_INIT(CV_SPOOL_MEMORY_BYTES), .fd = -1, .dir = dir};
}

void
cv_spool_done(struct cv_spool *s)
{
	cv_buf_done(&s->mem);
	count_memory(s);
	if (s->fd >= 0)
		close(s->fd);
	cv_spool_init(s, s->dir);
}

void
cv_spool_reset(struct cv_spool *s)
{
	struct cv_buf mem = s->mem;
	size_t counted = s->counted;
	if (s->fd >= 0)
		close(s->fd);
	cv_spool_init(s, s->dir);
	s->mem = mem;
	s->counted = counted;
	cv_buf_reset(&s->mem);
}

/* O_TMPFILE where the file system has it, else a name that is unlinked at once. */
static int
open_nameless(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	char path[4096];
	if ((size_t)snprintf(path, sizeof path, "%s/spool.XXXXXX", dir) >= sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static enum cv_status
write_all(struct cv_spool *s, struct cv_str bytes, struct cv_err *err)
{
	while (bytes.n) {
		int injected = cv_fail_point("spool.write");
		if (injected)
			errno = injected;
		ssize_t n = injected ? -1 : pwrite(s->fd, bytes.p, bytes.n, (off_t)s->size_bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cv_fail_errno(
				err, CV_TEMPFAIL, errno, "cannot write a spool file in %s", s->dir);
		s->size_bytes += (uint64_t)n;
		bytes = cv_str_sub(bytes, (size_t)n, bytes.n);
	}
	return CV_OK;
}

/* Moves what memory holds to a new file. */
static enum cv_status
spill(struct cv_spool *s, struct cv_err *err)
{
	s->fd = open_nameless(s->dir);
	if (s->fd < 0)
		return cv_fail_errno(
			err, CV_TEMPFAIL, errno, "cannot open a spool file in %s", s->dir);
	s->size_bytes = 0;
	enum cv_status status = write_all(s, cv_buf_view(&s->mem), err);
	cv_buf_done(&s->mem);
	count_memory(s);
	return status;
}

static bool
has_room(const struct cv_spool *s, size_t n)
{
	if (n > CV_SPOOL_MEMORY_BYTES - s->mem.n)
		return false;
	return s->mem.n + n <= CV_SPOOL_SMALL_BYTES || s->mem.n + n < s->mem.cap
		|| cv_spool_memory_total() < CV_SPOOL_TOTAL_BYTES;
}

enum cv_status
cv_spool_write(struct cv_spool *s, struct cv_str bytes, struct cv_err *err)
{
	if (s->failed)
		return cv_fail(err, s->failed, "an earlier write to the spool failed");
	if (s->fd < 0 && has_room(s, bytes.n)) {
		cv_buf_str(&s->mem, bytes);
		count_memory(s);
		s->size_bytes = s->mem.n;
		return CV_OK;
	}
	if (s->fd < 0)
		s->failed = spill(s, err);
	if (!s->failed)
		s->failed = write_all(s, bytes, err);
	return s->failed;
}

enum cv_status
cv_spool_read(
	struct cv_spool *s, uint64_t offset, void *p, size_t n, size_t *n_out, struct cv_err *err)
{
	*n_out = 0;
	if (s->failed)
		return cv_fail(err, s->failed, "an earlier write to the spool failed");
	if (offset >= s->size_bytes)
		return CV_OK;
	n = (size_t)CV_MIN((uint64_t)n, s->size_bytes - offset);
	if (s->fd < 0) {
		if (n)
			memcpy(p, s->mem.p + offset, n);
		*n_out = n;
		return CV_OK;
	}
	while (*n_out < n) {
		ssize_t got =
			pread(s->fd, (char *)p + *n_out, n - *n_out, (off_t)(offset + *n_out));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot read a spool file");
		if (!got)
			return cv_fail(
				err, CV_CORRUPT, "a spool file is shorter than what was written");
		*n_out += (size_t)got;
	}
	return CV_OK;
}

enum cv_status
cv_spool_map(struct cv_spool *s, struct cv_str *view_out, struct cv_err *err)
{
	*view_out = CV_STR_EMPTY;
	if (s->failed)
		return cv_fail(err, s->failed, "an earlier write to the spool failed");
	if (s->fd < 0) {
		*view_out = cv_buf_view(&s->mem);
		return CV_OK;
	}
	void *p = mmap(NULL, (size_t)s->size_bytes, PROT_READ, MAP_PRIVATE, s->fd, 0);
	if (p == MAP_FAILED)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot map a spool file");
	*view_out = cv_str(p, (size_t)s->size_bytes);
	return CV_OK;
}

void
cv_spool_unmap(struct cv_spool *s, struct cv_str view)
{
	if (s->fd >= 0 && view.n)
		munmap((void *)(uintptr_t)view.p, view.n);
}
