/* dead.c - which records of a volume were removed: 16 bytes each, place and check, appended.
 *
 * Not synced on their own: a lost entry makes an orphan, which `store check` removes again.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/store/volume/volume.h"

#define ENTRY_BYTES 16u
#define MARK 0xdeadb0d1u

static void
encode(uint64_t at, unsigned char out[ENTRY_BYTES])
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (unsigned char)(at >> (56 - 8 * i));
	uint32_t mark = MARK;
	memcpy(out + 8, &mark, 4);
	uint32_t crc = cv_crc32c(out, 12);
	memcpy(out + 12, &crc, 4);
}

static bool
decode(const unsigned char *p, uint64_t *at_out)
{
	unsigned char want[ENTRY_BYTES];
	uint64_t at = 0;
	for (unsigned i = 0; i < 8; i++)
		at = at << 8 | p[i];
	encode(at, want);
	*at_out = at;
	return memcmp(want, p, sizeof want) == 0;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

enum cv_status
cv_dead_load(struct cv_volumes *s, uint32_t number, struct cv_dead *out, struct cv_err *err)
{
	char name[32];
	struct stat st;
	*out = (struct cv_dead){0};
	cv_volume_name(number, "dead", name);
	int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return CV_OK;
	if (fd < 0 || fstat(fd, &st)) {
		int why = errno;
		if (fd >= 0)
			close(fd);
		return cv_fail_errno(err, CV_TEMPFAIL, why, "opening %s", name);
	}
	size_t n = (size_t)st.st_size / ENTRY_BYTES;
	unsigned char *bytes = cv_malloc(n * ENTRY_BYTES + 1);
	bool ok = cv_pread_all(fd, bytes, n * ENTRY_BYTES, 0);
	close(fd);
	out->at = cv_malloc((n + 1) * sizeof *out->at);
	for (size_t i = 0; ok && i < n; i++)
		if (decode(bytes + i * ENTRY_BYTES, &out->at[out->count]))
			out->count++;
	free(bytes);
	qsort(out->at, out->count, sizeof *out->at, compare);
	return ok ? CV_OK : cv_fail(err, CV_TEMPFAIL, "reading %s", name);
}

bool
cv_dead_has(const struct cv_dead *d, uint64_t at)
{
	return d->count && bsearch(&at, d->at, d->count, sizeof at, compare);
}

void
cv_dead_done(struct cv_dead *d)
{
	free(d->at);
}

enum cv_status
cv_dead_add(struct cv_volumes *s, uint32_t number, uint64_t at, struct cv_err *err)
{
	char name[32];
	unsigned char entry[ENTRY_BYTES];
	struct stat st;
	cv_volume_name(number, "dead", name);
	encode(at, entry);
	pthread_mutex_lock(&s->dead_lock);
	int fd = openat(s->dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && fstat(fd, &st) == 0;
	if (ok) { /* behind the last whole entry: a torn one is overwritten */
		off_t end = st.st_size / ENTRY_BYTES * ENTRY_BYTES;
		ok = pwrite(fd, entry, sizeof entry, end) == (ssize_t)sizeof entry;
	}
	int why = errno;
	if (fd >= 0)
		close(fd);
	pthread_mutex_unlock(&s->dead_lock);
	return ok ? CV_OK : cv_fail_errno(err, CV_TEMPFAIL, why, "noting a removed body");
}

enum cv_status
cv_volumes_remove(struct cv_blobs *b, const struct cv_blob_ref *ref, struct cv_err *err)
{
	struct cv_volumes *s = cv_volumes_of(b);
	struct cv_place p;
	struct cv_volume *v;
	enum cv_status status = cv_place_decode(ref, &p, err);
	uint64_t was = p.at;
	if (!status)
		status = cv_volume_find(s, &p, &v, err);
	if (status)
		return status;
	if (p.at < CV_VOLUME_HEADER || p.at >= atomic_load(&v->end))
		status = cv_fail(err, CV_NOT_FOUND, "no body at %u/%" PRIu64, v->number, p.at);
	else
		status = cv_dead_add(s, v->number, was, err);
	cv_volume_put(s, v);
	return status;
}
