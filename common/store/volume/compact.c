/* compact.c - giving back the room of removed bodies.
 *
 * A sealed volume is copied without its dead records to NNNNNNNN.new; behind the records comes a
 * map of 16 bytes each (place it had, place it has; ascending) and a trailer of 24 (mark, CRC-32C
 * of the map, number of entries, where the map begins). Synced, it is renamed over the volume at a
 * moment when nobody reads it. A crash before the rename leaves a .new that the next open removes.
 *
 * A body whose removal was noted is dropped only after all commits up to then are durable: a crash
 * can not bring back a row that names it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/log.h"
#include "common/store/volume/volume.h"

#define TRAILER_BYTES 24u
#define TRAILER_MARK 0xc0317ac7u
#define COPY_BYTES (1u << 20)
#define SWAP_TRIES 200
#define SWAP_PAUSE_US 10000
#define NAP_MS 50 /* between two looks whether somebody waits for us */

static void
put_be(unsigned char *p, uint64_t v, unsigned n)
{
	for (unsigned i = n; i-- > 0; v >>= 8)
		p[i] = (unsigned char)v;
}

/* ---- the map ---- */

bool
cv_forward_load(struct cv_volumes *s, struct cv_volume *v, int fd)
{
	struct stat st;
	char trailer[TRAILER_BYTES];
	if (fstat(fd, &st) || st.st_size < (off_t)(CV_VOLUME_HEADER + TRAILER_BYTES))
		return false;
	uint64_t size = (uint64_t)st.st_size;
	if (!cv_volume_pread(s, v->number, fd, trailer, sizeof trailer, size - sizeof trailer))
		return false;
	struct cv_rd r = cv_rd(cv_str(trailer, sizeof trailer));
	uint32_t mark = cv_rd_be32(&r), crc = cv_rd_be32(&r);
	uint64_t count = cv_rd_be64(&r), at = cv_rd_be64(&r);
	if (mark != TRAILER_MARK || at < CV_VOLUME_HEADER || count > size / 16 ||
		at + count * 16 + sizeof trailer != size)
		return false;
	size_t n = (size_t)count * 16;
	char *map = cv_malloc(n + 1);
	bool ok = cv_volume_pread(s, v->number, fd, map, n, at) && cv_crc32c(map, n) == crc;
	if (ok) {
		free(v->forward);
		v->forward = cv_calloc((size_t)count + 1, sizeof *v->forward);
		v->forward_count = (size_t)count;
		r = cv_rd(cv_str(map, n));
		for (size_t i = 0; i < count; i++) {
			v->forward[i].was = cv_rd_be64(&r);
			v->forward[i].is = cv_rd_be64(&r);
		}
		atomic_store(&v->end, at);
		atomic_store(&v->durable, at);
	}
	free(map);
	return ok;
}

static int
compare_was(const void *key, const void *entry)
{
	uint64_t a = *(const uint64_t *)key, b = ((const struct cv_forward *)entry)->was;
	return a < b ? -1 : a > b;
}

static int
compare_is(const void *key, const void *entry)
{
	uint64_t a = *(const uint64_t *)key, b = ((const struct cv_forward *)entry)->is;
	return a < b ? -1 : a > b;
}

uint64_t
cv_forward_is(const struct cv_volume *v, uint64_t was)
{
	const struct cv_forward *f =
		bsearch(&was, v->forward, v->forward_count, sizeof *f, compare_was);
	return f ? f->is : 0;
}

uint64_t
cv_forward_was(const struct cv_volume *v, uint64_t is)
{
	const struct cv_forward *f =
		bsearch(&is, v->forward, v->forward_count, sizeof *f, compare_is);
	return f ? f->was : is;
}

/* ---- one volume ---- */

struct job {
	struct cv_volumes *s;
	const struct cv_compact *how;
	struct cv_volume *v; /* in use by us while it is read */
	struct cv_dead dead;
	struct cv_forward *map; /* the living */
	uint64_t *sizes;        /* of their records */
	size_t count, cap;
	uint64_t dead_bytes, end;
	int fd;                 /* of the new file */
	char *memory;
	int64_t start_ms;
	uint64_t moved;
};

static bool
is_hurried(const struct cv_compact *how)
{
	return atomic_load(how->hurry) > 0;
}

/* False when the compaction shall end. */
static bool
keep_pace(struct job *j, uint64_t n)
{
	j->moved += n;
	while (j->how->bytes_per_sec && !is_hurried(j->how)) {
		int64_t due_ms = (int64_t)(j->moved * 1000 / j->how->bytes_per_sec);
		int64_t early_ms = due_ms - (cv_mono_ms() - j->start_ms);
		if (early_ms <= 0)
			break;
		usleep((unsigned)CV_MIN(early_ms, NAP_MS) * 1000);
	}
	return !is_hurried(j->how);
}

/* Lists the living records and adds up the dead. False: the compaction shall end, or a record is
 * broken, which a person must see before anything is thrown away. */
static bool
survey(struct job *j)
{
	uint64_t at = CV_VOLUME_HEADER, end = atomic_load(&j->v->end);
	while (at < end) {
		struct cv_reader r;
		bool ok = cv_reader_open(j->s, j->v, at, end, 4096, &r);
		uint64_t n = ok ? cv_record_bytes(r.record.size, r.record.stored) : 0;
		cv_reader_close(&r);
		if (!ok) {
			cv_log(0, CV_ERROR, "store.volume_broken",
				"volume=%u; it is not compacted", j->v->number);
			return false;
		}
		uint64_t was = j->v->is_compacted ? cv_forward_was(j->v, at) : at;
		if (cv_dead_has(&j->dead, was)) {
			j->dead_bytes += n;
		} else {
			if (j->count == j->cap) {
				j->cap = CV_MAX(256u, j->cap * 2);
				j->map = cv_realloc(j->map, j->cap * sizeof *j->map);
				j->sizes = cv_realloc(j->sizes, j->cap * sizeof *j->sizes);
			}
			j->sizes[j->count] = n;
			j->map[j->count++] = (struct cv_forward){was, at};
		}
		at += n;
		if (!keep_pace(j, CV_RECORD_HEADER))
			return false;
	}
	return true;
}

static bool
write_at(struct job *j, const void *p, size_t n, uint64_t at)
{
	errno = cv_fail_point("compact.write");
	return !errno && pwrite(j->fd, p, n, (off_t)at) == (ssize_t)n;
}

static bool
copy_record(struct job *j, uint64_t from, uint64_t n)
{
	for (uint64_t done = 0; done < n;) {
		size_t part = (size_t)CV_MIN(n - done, COPY_BYTES);
		if (!cv_pread_all(j->v->fd, j->memory, part, from + done) ||
			!write_at(j, j->memory, part, j->end + done))
			return false;
		done += part;
		if (!keep_pace(j, part)) {
			errno = ECANCELED;
			return false;
		}
	}
	return true;
}

static bool
write_map(struct job *j)
{
	size_t n = j->count * 16;
	unsigned char *map = cv_malloc(n + TRAILER_BYTES);
	for (size_t i = 0; i < j->count; i++) {
		put_be(map + i * 16, j->map[i].was, 8);
		put_be(map + i * 16 + 8, j->map[i].is, 8);
	}
	put_be(map + n, TRAILER_MARK, 4);
	put_be(map + n + 4, cv_crc32c(map, n), 4);
	put_be(map + n + 8, j->count, 8);
	put_be(map + n + 16, j->end, 8);
	bool ok = write_at(j, map, n + TRAILER_BYTES, j->end);
	free(map);
	return ok;
}

static bool
write_new(struct job *j)
{
	unsigned char head[CV_VOLUME_HEADER];
	cv_volume_header(j->v->number, j->v->salt, true, head);
	bool ok = write_at(j, head, sizeof head, 0);
	j->end = CV_VOLUME_HEADER;
	for (size_t i = 0; ok && i < j->count; i++) {
		ok = copy_record(j, j->map[i].is, j->sizes[i]);
		j->map[i].is = j->end;
		j->end += j->sizes[i];
	}
	return ok && write_map(j) && fdatasync(j->fd) == 0;
}

/* Puts the new file in the volume's place if nobody has the volume in use. Lock held. */
static int
swap_locked(struct job *j, const char *new_name, const char *name)
{
	struct cv_volume *v = j->v;
	if (v->users)
		return EBUSY;
	CV_KILL_POINT("compact.swap");
	if (renameat(j->s->dir_fd, new_name, j->s->dir_fd, name))
		return errno;
	if (v->fd >= 0) {
		cv_list_remove(&v->lru);
		close(v->fd);
		v->fd = -1;
		j->s->open_count--;
	}
	v->is_known = false; /* the next to open it loads the map */
	return 0;
}

static int
swap(struct job *j, const char *new_name, const char *name)
{
	int why = EBUSY;
	cv_volume_put(j->s, j->v);
	for (int i = 0; why == EBUSY && i < SWAP_TRIES; i++) {
		if (i)
			usleep(SWAP_PAUSE_US);
		pthread_mutex_lock(&j->s->lock);
		why = swap_locked(j, new_name, name);
		pthread_mutex_unlock(&j->s->lock);
	}
	if (!why && fsync(j->s->dir_fd))
		why = errno;
	return why;
}

/* The entries have done their work, unless one came meanwhile: entries of records that are gone do
 * no harm, so the file then stays as it is. */
static void
drop_entries(struct job *j)
{
	char name[32];
	struct cv_dead now;
	cv_volume_name(j->v->number, "dead", name);
	pthread_mutex_lock(&j->s->dead_lock);
	if (!cv_dead_load(j->s, j->v->number, &now, NULL) && now.count == j->dead.count)
		(void)unlinkat(j->s->dir_fd, name, 0);
	pthread_mutex_unlock(&j->s->dead_lock);
	cv_dead_done(&now);
}

static enum cv_status
rewrite(struct job *j, uint64_t *freed, struct cv_err *err)
{
	char name[32], new_name[32];
	cv_volume_name(j->v->number, "vol", name);
	cv_volume_name(j->v->number, "new", new_name);
	j->how->settle(j->how->arg);
	j->fd = openat(j->s->dir_fd, new_name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int why = j->fd >= 0 && write_new(j) ? 0 : errno ? errno : EIO;
	if (j->fd >= 0)
		close(j->fd);
	if (why)
		cv_volume_put(j->s, j->v);
	else
		why = swap(j, new_name, name);
	if (why) {
		(void)unlinkat(j->s->dir_fd, new_name, 0);
		return why == EBUSY || why == ECANCELED ? CV_OK : /* another day */
			cv_fail_errno(err, CV_TEMPFAIL, why, "compacting volume %u", j->v->number);
	}
	drop_entries(j);
	*freed += j->dead_bytes;
	cv_log(0, CV_INFO, "store.volume_compacted", "volume=%u freed_bytes=%" PRIu64
		" bodies=%zu", j->v->number, j->dead_bytes, j->count);
	return CV_OK;
}

static enum cv_status
compact_one(struct cv_volumes *s, uint32_t number, const struct cv_compact *how, char *memory,
            uint64_t *freed, struct cv_err *err)
{
	struct job j = {.s = s, .how = how, .fd = -1, .memory = memory, .start_ms = cv_mono_ms()};
	enum cv_status status = cv_dead_load(s, number, &j.dead, err);
	if (!status && j.dead.count)
		status = cv_volume_get(s, number, &j.v, err);
	if (status || !j.dead.count) {
		cv_dead_done(&j.dead);
		return status == CV_NOT_FOUND || status == CV_CORRUPT ? CV_OK : status;
	}
	bool ok = survey(&j);
	uint64_t all = atomic_load(&j.v->end);
	if (ok && j.dead_bytes && j.dead_bytes >= all / 100 * how->dead_percent) {
		status = rewrite(&j, freed, err);
	} else {
		cv_volume_put(s, j.v);
	}
	cv_dead_done(&j.dead);
	free(j.map);
	free(j.sizes);
	return status;
}

enum cv_status
cv_volumes_compact(struct cv_blobs *b, const struct cv_compact *how, uint64_t *freed_out,
                   struct cv_err *err)
{
	struct cv_volumes *s = cv_volumes_of(b);
	enum cv_status status = CV_OK;
	char *memory = cv_malloc(COPY_BYTES);
	for (uint32_t number = 0; !status; number++) {
		pthread_mutex_lock(&s->lock);
		bool is_last = number >= s->table_count;
		const struct cv_volume *v = is_last ? NULL : s->table[number];
		bool is_fit = v && v->is_sealed && !v->is_bad && !v->is_dirty;
		pthread_mutex_unlock(&s->lock);
		if (is_last || is_hurried(how))
			break;
		if (is_fit)
			status = compact_one(s, number, how, memory, freed_out, err);
	}
	free(memory);
	return status;
}
