/* recover.c - which volumes there are, and how far each is whole.
 *
 * After a clean stop the catalog says it all. After a crash the tail of every volume that was not
 * sealed (or is new since the last catalog) is read and checked from its known durable end on; it
 * is cut behind its last whole record and sealed (V2). A broken record in front of a whole one is
 * left where it is: only damage to the disk makes one, and what lies behind it was acknowledged.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/store/volume/volume.h"

static void
add_place(struct cv_blob_tail *t, size_t *cap, uint64_t at)
{
	if (t->count == *cap) {
		*cap = CV_MAX(64u, *cap * 2);
		t->places = cv_realloc(t->places, *cap * sizeof *t->places);
	}
	t->places[t->count++] = at;
}

/* The end of the last whole record in [from, limit). */
static uint64_t
walk(struct cv_volumes *s, struct cv_volume *v, uint64_t limit, struct cv_blob_tail *t)
{
	size_t cap = 0;
	uint64_t at = t->from, end = t->from;
	while (at < limit) {
		struct cv_reader r;
		bool ok = cv_reader_open(s, v, at, limit, CV_FRAME_BYTES, &r) &&
			cv_reader_is_whole(&r);
		uint64_t n = ok ? cv_record_bytes(r.record.size, r.record.stored) : 0;
		cv_reader_close(&r);
		if (!ok) {
			at = cv_record_find(s, v, at + CV_RECORD_ALIGN, limit);
			continue;
		}
		add_place(t, &cap, at);
		end = at += n;
	}
	return end;
}

static struct cv_blob_tail *
new_tail(struct cv_volumes *s, uint32_t number, uint64_t from)
{
	s->tails = cv_realloc(s->tails, (s->tail_count + 1) * sizeof *s->tails);
	s->tails[s->tail_count] = (struct cv_blob_tail){.volume = number, .from = from};
	return &s->tails[s->tail_count++];
}

static enum cv_status
recover_tail(struct cv_volumes *s, struct cv_volume *v, struct cv_err *err)
{
	struct stat st;
	enum cv_status status = CV_OK;
	if (fstat(v->fd, &st))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "looking at volume %u", v->number);
	uint64_t from = CV_MAX(atomic_load(&v->durable), (uint64_t)CV_VOLUME_HEADER);
	uint64_t size = (uint64_t)st.st_size;
	if (size < from) { /* the disk lost what it had promised: look at all that is left */
		cv_log(0, CV_ERROR, "store.volume_short",
		       "volume=%u size=%" PRIu64 " durable=%" PRIu64, v->number, size, from);
		from = CV_VOLUME_HEADER;
	}
	struct cv_blob_tail *t = new_tail(s, v->number, from);
	uint64_t end = walk(s, v, size, t);
	if (size > end && (ftruncate(v->fd, (off_t)end) || fdatasync(v->fd)))
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "cutting volume %u", v->number);
	else if (fdatasync(v->fd)) /* what the page cache held across a kill is on disk now */
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "syncing volume %u", v->number);
	atomic_store(&v->end, end);
	atomic_store(&v->durable, end);
	v->is_sealed = true;
	cv_log(0, CV_INFO, "store.volume_recovered", "volume=%u bodies=%zu cut_bytes=%" PRIu64,
		v->number, t->count, size > end ? size - end : 0);
	return status;
}

static enum cv_status
recover_volume(struct cv_volumes *s, uint32_t number, bool was_clean, struct cv_err *err)
{
	struct cv_volume *v = s->table[number];
	if (v->is_sealed || (was_clean && atomic_load(&v->end)))
		return CV_OK;
	enum cv_status status = cv_volume_get(s, number, &v, err);
	if (status == CV_CORRUPT && !atomic_load(&v->durable)) {
		/* Its very beginning was not written: nobody was told of anything in it. */
		v->is_sealed = true;
		(void)new_tail(s, number, CV_VOLUME_HEADER);
		return CV_OK;
	}
	if (status == CV_CORRUPT || status == CV_NOT_FOUND) {
		cv_log(0, CV_ERROR, "store.volume_lost", "volume=%u", number);
		v->is_sealed = true;
		return CV_OK;
	}
	if (status)
		return status;
	if (v->is_compacted) /* came into its place whole */
		v->is_sealed = true;
	else
		status = recover_tail(s, v, err);
	cv_volume_put(s, v);
	return status;
}

static enum cv_status
list_files(struct cv_volumes *s, struct cv_err *err)
{
	int fd = dup(s->dir_fd);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "listing %s", s->dir);
	}
	rewinddir(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		struct cv_str name = cv_str_z(entry->d_name), word;
		uint64_t number;
		if (cv_str_has_suffix(name, ".new"))
			(void)unlinkat(s->dir_fd, entry->d_name, 0);
		if (!cv_str_has_suffix(name, ".vol"))
			continue;
		word = cv_str_sub(name, 0, name.n - 4);
		if (!cv_str_u64(word, UINT32_MAX - 1, &number))
			(void)cv_volume_add(s, (uint32_t)number);
	}
	closedir(dir);
	return CV_OK;
}

/* After a clean stop the open volumes are filled on: one as the current, the rest as lanes. */
static enum cv_status
go_on_with(struct cv_volumes *s, struct cv_volume *v, struct cv_err *err)
{
	enum cv_status status = cv_volume_get(s, v->number, &v, err);
	if (status)
		return status;
	if (!s->current)
		s->current = v;
	else if (s->lane_count < CV_COUNT(s->lanes))
		s->lanes[s->lane_count++] = v;
	else
		cv_volume_seal(s, v);
	return CV_OK;
}

enum cv_status
cv_volumes_recover(struct cv_volumes *s, bool was_clean, struct cv_err *err)
{
	enum cv_status status = cv_catalog_read(s, err);
	if (!status)
		status = list_files(s, err);
	for (uint32_t i = 0; !status && i < s->table_count; i++)
		if (s->table[i])
			status = recover_volume(s, i, was_clean, err);
	for (uint32_t i = 0; !status && i < s->table_count; i++)
		if (s->table[i] && !s->table[i]->is_sealed && !s->table[i]->is_bad)
			status = go_on_with(s, s->table[i], err);
	return status ? status : cv_catalog_write(s, s->dir_fd, err);
}
