/* source.c - see source.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/source.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/files.h"

#define DEPTH_MAX  16u
#define FILES_MAX  BACKUP_FILES_MAX
#define CACHE_MAX  ((uint64_t)4 << 30)
#define FIRST_LINE "CVFILES1"

/* ---- the list ---- */

static void
add(struct backup_sources *s, const char *path, const char *logical, const struct stat *st)
{
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 256;
		s->items = cv_realloc(s->items, s->room * sizeof *s->items);
	}
	s->items[s->count++] = (struct backup_source){.path = cv_strdup(path),
		.logical = cv_strdup(logical),
		.st = *st,
		.is_body = strstr(logical, "/bodies/") != NULL};
	s->bytes += (uint64_t)st->st_size;
}

void
backup_sources_add_file(struct backup_sources *s, const char *path, const char *logical)
{
	struct stat st;
	char *real = path[0] ? realpath(path, NULL) : NULL;
	if (real && !stat(real, &st) && S_ISREG(st.st_mode) && backup_is_path(cv_str_z(logical)))
		add(s, real, logical, &st);
	free(real);
}

void
backup_sources_unread(struct backup_sources *s, const char *path)
{
	if (!s->unread++)
		snprintf(s->unread_as, sizeof s->unread_as, "%s", path);
}

static bool
is_skipped(const char *path, const char *const *skip)
{
	for (; skip && *skip; skip++)
		if (!strcmp(path, *skip))
			return true;
	return false;
}

static enum cv_status
walk(struct backup_sources *s, const char *dir, const char *prefix, const char *const *skip,
	unsigned depth, struct cv_err *err)
{
	DIR *d = opendir(dir);
	enum cv_status status = CV_OK;
	if (!d && errno == EACCES && depth && !strncmp(prefix, "base/", 5))
		backup_sources_unread(s, dir);
	else if (!d && errno != ENOENT)
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "opening %s", dir);
	if (!d)
		return status;
	for (struct dirent *entry; !status && (entry = readdir(d));) {
		char path[4096], logical[1200];
		struct stat st;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		int n = snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
		int m = snprintf(logical, sizeof logical, "%s/%s", prefix, entry->d_name);
		if (n >= (int)sizeof path || m >= (int)sizeof logical || depth > DEPTH_MAX ||
			s->count >= FILES_MAX)
			status = cv_fail(err, CV_LIMIT, "too many or too deep: %.200s", path);
		else if (is_skipped(path, skip) || lstat(path, &st))
			continue; /* a socket, or gone since */
		else if (S_ISDIR(st.st_mode))
			status = walk(s, path, logical, skip, depth + 1, err);
		else if (S_ISREG(st.st_mode) && backup_is_path(cv_str_z(logical)))
			add(s, path, logical, &st);
	}
	closedir(d);
	return status;
}

static int
by_logical(const void *a, const void *b)
{
	const struct backup_source *x = a, *y = b;
	return strcmp(x->logical, y->logical);
}

enum cv_status
backup_sources_add(struct backup_sources *s, const char *dir, const char *prefix,
	const char *const *skip, struct cv_err *err)
{
	size_t first = s->count;
	enum cv_status status = walk(s, dir, prefix, skip, 0, err);
	if (s->count > first)
		qsort(s->items + first, s->count - first, sizeof *s->items, by_logical);
	return status;
}

void
backup_sources_done(struct backup_sources *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].path);
		free(s->items[i].logical);
	}
	free(s->items);
	*s = (struct backup_sources){0};
}

/* ---- what was unchanged ---- */

struct cached {
	uint64_t device, inode, size, mtime_ns;
	uint32_t count;
	uint8_t (*sha256s)[32];
};

static uint64_t
mtime_ns(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

static void
free_cached(struct cached *f)
{
	if (f)
		free(f->sha256s);
	free(f);
}

static void
load(struct backup_cache *c, struct cv_str bytes)
{
	uint8_t sha256[32];
	struct cv_rd r = cv_rd(bytes);
	struct cv_str magic = cv_rd_take(&r, sizeof FIRST_LINE - 1), check = cv_rd_take(&r, 32);
	struct cv_str rest = cv_str((const char *)r.p, cv_rd_left(&r));
	backup_sha256(rest, sha256);
	if (r.bad || !cv_str_eq_z(magic, FIRST_LINE) || memcmp(check.p, sha256, 32) != 0)
		return;
	while (cv_rd_left(&r)) {
		struct cv_str name = cv_rd_bytes(&r);
		struct cached f = {.device = cv_rd_varint(&r), .inode = cv_rd_varint(&r)};
		f.size = cv_rd_varint(&r);
		f.mtime_ns = cv_rd_varint(&r);
		uint64_t count = cv_rd_varint(&r);
		if (r.bad || count > cv_rd_left(&r) / 32)
			return;
		f.count = (uint32_t)count;
		struct cv_str all = cv_rd_take(&r, (size_t)count * 32);
		f.sha256s = cv_malloc(all.n + 1);
		memcpy(f.sha256s, all.p, all.n);
		struct cached *kept = cv_malloc(sizeof *kept);
		*kept = f;
		free_cached(cv_map_put(&c->files, name, kept));
	}
}

void
backup_cache_load(struct backup_cache *c, const char *path)
{
	struct cv_str bytes;
	struct cv_err ignored;
	cv_map_init(&c->files);
	if (admin_file_read(path, CACHE_MAX, &bytes, &ignored))
		return;
	load(c, bytes);
	free((char *)(uintptr_t)bytes.p);
}

void
backup_cache_save(struct backup_cache *c, const char *path)
{
	struct cv_buf rows = CV_BUF_INIT(CACHE_MAX), all = CV_BUF_INIT(CACHE_MAX);
	struct cv_str name;
	struct cv_err err;
	uint8_t sha256[32];
	void *value;
	for (size_t pos = 0; cv_map_each(&c->files, &pos, &name, &value);) {
		const struct cached *f = value;
		cv_buf_bytes(&rows, name);
		cv_buf_varint(&rows, f->device);
		cv_buf_varint(&rows, f->inode);
		cv_buf_varint(&rows, f->size);
		cv_buf_varint(&rows, f->mtime_ns);
		cv_buf_varint(&rows, f->count);
		cv_buf_add(&rows, f->sha256s, (size_t)f->count * 32);
	}
	backup_sha256(cv_buf_view(&rows), sha256);
	cv_buf_z(&all, FIRST_LINE);
	cv_buf_add(&all, sha256, sizeof sha256);
	cv_buf_str(&all, cv_buf_view(&rows));
	/* Without it the next backup reads every file again: slower, not wrong. */
	if (admin_file_replace(path, 0600, cv_buf_view(&all), ADMIN_OWNER_SELF, &err))
		fprintf(stderr, "congvu: %s\n", err.text);
	cv_buf_done(&rows);
	cv_buf_done(&all);
}

void
backup_cache_done(struct backup_cache *c)
{
	struct cv_str name;
	void *value;
	for (size_t pos = 0; cv_map_each(&c->files, &pos, &name, &value);)
		free_cached(value);
	cv_map_done(&c->files);
}

const uint8_t (*backup_cache_find(
	const struct backup_cache *c, const struct backup_source *s, uint32_t *count_out))[32]
{
	const struct cached *f = cv_map_get(&c->files, cv_str_z(s->logical));
	if (!f || f->device != (uint64_t)s->st.st_dev || f->inode != (uint64_t)s->st.st_ino ||
		f->size != (uint64_t)s->st.st_size || f->mtime_ns != mtime_ns(&s->st))
		return NULL;
	*count_out = f->count;
	return (const uint8_t(*)[32])f->sha256s;
}

void
backup_cache_put(struct backup_cache *c, const struct backup_source *s, uint8_t (*sha256s)[32],
	uint32_t count)
{
	struct cached *f = cv_malloc(sizeof *f);
	*f = (struct cached){.device = (uint64_t)s->st.st_dev,
		.inode = (uint64_t)s->st.st_ino,
		.size = (uint64_t)s->st.st_size,
		.mtime_ns = mtime_ns(&s->st),
		.count = count,
		.sha256s = sha256s};
	free_cached(cv_map_put(&c->files, cv_str_z(s->logical), f));
}
