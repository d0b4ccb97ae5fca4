/* folder.c - see publish.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/certificate.h"
#include "admin/directory/publish.h"
#include "common/base/map.h"
#include "common/base/rng.h"

#define PATH_BYTES   1400
#define MANIFEST_MAX (16u << 20)
#define DEPTH_MAX    8

/* ---- what is there ---- */

static bool
folder_is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	bool empty = true;

	if (!d)
		return errno == ENOENT;
	for (struct dirent *e; empty && (e = readdir(d));)
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	closedir(d);
	return empty;
}

enum cv_status
admin_folder_manifest(const char *dir, json_t **out, struct cv_err *err)
{
	char path[PATH_BYTES];
	struct cv_str text;

	*out = NULL;
	snprintf(path, sizeof path, "%.1200s/%s", dir, ADMIN_SITE_MANIFEST);
	enum cv_status status = admin_file_read(path, MANIFEST_MAX, &text, err);
	if (status == CV_NOT_FOUND)
		return folder_is_empty(dir) ? CV_OK
					    : cv_fail(err, CV_EXISTS,
						      "%s holds other files and no directory of "
						      "ours: name an empty folder",
						      dir);
	if (status != CV_OK)
		return status;
	json_t *o = admin_site_manifest(text);
	free((char *)text.p);
	if (!o)
		return cv_fail(
			err, CV_EXISTS, "%s is not the manifest of a directory of ours", path);
	*out = o;
	return CV_OK;
}

/* Paths of MANIFEST to their sums (borrowed from it). */
static void
index_manifest(const json_t *manifest, struct cv_map *sums)
{
	size_t i;
	json_t *f;

	cv_map_init(sums);
	json_array_foreach(json_object_get(manifest, "files"), i, f)
	{
		const char *path = json_string_value(json_object_get(f, "path"));
		const char *sum = json_string_value(json_object_get(f, "sha256"));
		if (path && sum && admin_site_path_is_sound(path))
			cv_map_put(sums, cv_str_z(path), (void *)sum);
	}
}

/* ---- the new folder ---- */

struct job {
	const char *dir;       /* what is to be replaced */
	char room[PATH_BYTES]; /* the new folder beside it */
	const struct admin_site *site;
	struct admin_owner owner;
	struct cv_map old_sums; /* of the former manifest */
	struct cv_map new_paths;
	struct admin_published *out;
};

static enum cv_status
make_parents(const struct job *j, const char *relative, struct cv_err *err)
{
	char path[PATH_BYTES];
	const char *slash = strrchr(relative, '/');

	if (!slash)
		return CV_OK;
	snprintf(path, sizeof path, "%.1200s/%.*s", j->room, (int)(slash - relative), relative);
	return admin_folder_make(path, 0755, j->owner, err);
}

/* The file as it stands, by a second name: also what its web server has cached of it stays right.
 */
static bool
keep_file(const struct job *j, const char *relative)
{
	char from[PATH_BYTES], to[PATH_BYTES];

	snprintf(from, sizeof from, "%.1000s/%.300s", j->dir, relative);
	snprintf(to, sizeof to, "%.1000s/%.300s", j->room, relative);
	return link(from, to) == 0;
}

/* The manifest says what was written; what stands there now must still be that. */
static bool
is_unchanged(const struct job *j, const struct admin_site_file *f)
{
	char path[PATH_BYTES], sum[65];
	struct stat st;
	struct cv_str bytes;
	struct cv_err ignored;
	const char *old = cv_map_get(&j->old_sums, cv_str_z(f->path));

	if (!admin_site_is_record(f->path) && (!old || strcmp(old, f->sha256) != 0))
		return false;
	snprintf(path, sizeof path, "%.1200s/%s", j->dir, f->path);
	/* A restore gives back what is its owner's alone: no web server could read it. */
	if (lstat(path, &st) || !S_ISREG(st.st_mode) || (st.st_mode & 0444) != 0444)
		return false;
	if (admin_file_read(path, ADMIN_SITE_FILE_MAX + 1, &bytes, &ignored) != CV_OK)
		return false;
	admin_sha256(bytes, sum);
	free((char *)bytes.p);
	return !strcmp(sum, f->sha256);
}

static enum cv_status
put_file(const struct job *j, const struct admin_site_file *f, struct cv_err *err)
{
	char path[PATH_BYTES];
	enum cv_status status = make_parents(j, f->path, err);

	if (status != CV_OK)
		return status;
	if (is_unchanged(j, f) && keep_file(j, f->path))
		return CV_OK;
	snprintf(path, sizeof path, "%.1200s/%s", j->room, f->path);
	j->out->changed++;
	return admin_file_put(path, 0644, cv_str(f->bytes, f->n), j->owner, false, err);
}

/* Takes along what is neither ours of old nor ours now, such as a web server's own files. */
static enum cv_status
carry_over(const struct job *j, const char *below, unsigned depth, struct cv_err *err)
{
	char path[PATH_BYTES], relative[PATH_BYTES];
	enum cv_status status = CV_OK;
	struct stat st;

	snprintf(path, sizeof path, "%.700s/%.600s", j->dir, below);
	DIR *d = opendir(path);
	if (!d)
		return errno == ENOENT
			       ? CV_OK
			       : cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot read %s", path);
	for (struct dirent *e; status == CV_OK && (e = readdir(d));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(relative, sizeof relative, "%.600s%s%.255s", below, below[0] ? "/" : "",
			e->d_name);
		snprintf(path, sizeof path, "%.700s/%.600s", j->dir, relative);
		if (lstat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode)) {
			status = depth < DEPTH_MAX
					 ? carry_over(j, relative, depth + 1, err)
					 : cv_fail(err, CV_LIMIT,
						   "%s is too deep to be taken along", path);
			continue;
		}
		struct cv_str key = cv_str_z(relative);
		if (cv_map_get(&j->new_paths, key))
			continue;
		if (cv_map_get(&j->old_sums, key) || admin_site_is_record(relative)) {
			j->out->removed++;
			continue;
		}
		status = make_parents(j, relative, err);
		if (status == CV_OK && !keep_file(j, relative))
			status = cv_fail_errno(
				err, CV_TEMPFAIL, errno, "cannot take %s along", path);
	}
	closedir(d);
	return status;
}

static void
remove_tree(const char *path, unsigned depth)
{
	char below[PATH_BYTES];
	int fd = depth > DEPTH_MAX + 2
			 ? -1
			 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *e; d && (e = readdir(d));) {
		struct stat st;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(below, sizeof below, "%.1100s/%.255s", path, e->d_name);
		if (lstat(below, &st) == 0 && S_ISDIR(st.st_mode))
			remove_tree(below, depth + 1);
		else
			unlink(below);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

/* Some hundred files at once: one call for the file system, not two for each file. */
static enum cv_status
sync_room(const struct job *j, struct cv_err *err)
{
	int fd = open(j->room, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot open %s", j->room);
	int failed = syncfs(fd), errnum = errno;
	close(fd);
	return failed ? cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot sync %s", j->room) : CV_OK;
}

static enum cv_status
fill(const struct job *j, struct cv_err *err)
{
	enum cv_status status = admin_folder_make(j->room, 0755, j->owner, err);

	for (size_t i = 0; status == CV_OK && i < j->site->count; i++)
		status = put_file(j, &j->site->files[i], err);
	if (status == CV_OK)
		status = carry_over(j, "", 0, err);
	if (status == CV_OK)
		status = sync_room(j, err);
	return status;
}

/* The two folders change places in one step. */
static enum cv_status
swap(const struct job *j, struct cv_err *err)
{
	char old[PATH_BYTES];

	if (renameat2(AT_FDCWD, j->room, AT_FDCWD, j->dir, RENAME_EXCHANGE) == 0) {
		remove_tree(j->room, 0);
		return CV_OK;
	}
	if (errno == ENOENT) /* nothing was published before */
		return rename(j->room, j->dir)
			       ? cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", j->dir)
			       : CV_OK;
	if (errno != EINVAL && errno != ENOSYS)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot replace %s", j->dir);
	/* A file system that cannot exchange: a moment without a folder is the best it can do. */
	snprintf(old, sizeof old, "%.1300s.old", j->room);
	if (rename(j->dir, old))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot move %s away", j->dir);
	if (rename(j->room, j->dir)) {
		int errnum = errno;
		if (rename(old, j->dir))
			errnum = errno;
		return cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot replace %s", j->dir);
	}
	remove_tree(old, 0);
	return CV_OK;
}

/* "NAME.0123abcd.new" or the same with ".old" behind it. */
static bool
is_room_of(const char *name, const char *entry)
{
	size_t n = strlen(name);

	if (strncmp(entry, name, n) != 0 || entry[n] != '.' ||
		strspn(entry + n + 1, "0123456789abcdef") != 8)
		return false;
	return !strcmp(entry + n + 9, ".new") || !strcmp(entry + n + 9, ".new.old");
}

/* What a run that was killed left beside the folder may lie where the web server reads: people who
 * have gone since would stay in it. The lock is ours, so nobody works there. */
static void
sweep(const char *dir)
{
	char above[PATH_BYTES], path[PATH_BYTES];
	const char *slash = strrchr(dir, '/');

	snprintf(above, sizeof above, "%.*s/", (int)(slash - dir), dir);
	DIR *d = opendir(above);
	for (struct dirent *e; d && (e = readdir(d));) {
		if (!is_room_of(slash + 1, e->d_name))
			continue;
		snprintf(path, sizeof path, "%.1000s%.255s", above, e->d_name);
		struct stat st;
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			remove_tree(path, 0);
		else
			unlink(path); /* a link that somebody planted leads nowhere */
	}
	if (d)
		closedir(d);
}

static enum cv_status
publish(struct job *j, struct cv_err *err)
{
	json_t *old;
	enum cv_status status = admin_folder_manifest(j->dir, &old, err);

	if (status != CV_OK)
		return status;
	index_manifest(old, &j->old_sums);
	cv_map_init(&j->new_paths);
	for (size_t i = 0; i < j->site->count; i++)
		cv_map_put(&j->new_paths, cv_str_z(j->site->files[i].path), j);
	j->out->files = j->site->count;
	status = fill(j, err);
	if (status == CV_OK)
		status = swap(j, err);
	if (status != CV_OK)
		remove_tree(j->room, 0);
	else
		sweep(j->dir);
	cv_map_done(&j->old_sums);
	cv_map_done(&j->new_paths);
	json_decref(old);
	return status;
}

static enum cv_status
lock(const char *dir, struct admin_owner owner, int *fd_out, struct cv_err *err)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%.1300s.lock", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot open %s", path);
	if (owner.uid != (uid_t)-1 && fchown(fd, owner.uid, owner.gid)) {
		close(fd);
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot give %s away", path);
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return cv_fail(
			err, CV_CONFLICT, "somebody else publishes to %s at this moment", dir);
	}
	*fd_out = fd;
	return CV_OK;
}

enum cv_status
admin_folder_publish(const char *dir, const struct admin_site *site, struct admin_owner owner,
	struct admin_published *out, struct cv_err *err)
{
	struct job j = {.site = site, .owner = owner, .out = out};
	int fd = -1;

	*out = (struct admin_published){0};
	if (site->is_full)
		return cv_fail(err, CV_LIMIT, "a file of the directory would be over %u MB",
			ADMIN_SITE_FILE_MAX >> 20);
	char *absolute = admin_path_absolute(dir);
	char *real = realpath(absolute, NULL); /* a symbolic link stays one */
	j.dir = real ? real : absolute;
	enum cv_status status = CV_OK;
	if (strlen(j.dir) > 600 || !strcmp(j.dir, "/"))
		status = cv_fail(err, CV_INVALID, "%s cannot be published to", dir);
	char *slash = status == CV_OK ? strrchr(absolute, '/') : NULL;
	if (!real && slash && slash != absolute) {
		*slash = '\0';
		status = admin_folder_make(absolute, 0755, owner, err);
		*slash = '/';
	}
	if (status == CV_OK)
		status = lock(j.dir, owner, &fd, err);
	if (status == CV_OK) {
		snprintf(j.room, sizeof j.room, "%s.%08x.new", j.dir,
			(unsigned)(cv_random_u64() & 0xffffffffu));
		status = publish(&j, err);
		close(fd);
	}
	free(real);
	free(absolute);
	return status;
}
