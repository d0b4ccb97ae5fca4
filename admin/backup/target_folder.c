/* target_folder.c - a folder, of another disk or mount, as a target.
 *
 * Objects are written below tmp/, synced, and renamed into place; what a crash left in tmp/ goes
 * when the target is opened next. The folder itself must be there: a disk that is not mounted must
 * not become a folder on the disk it should protect.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/backup/target.h"
#include "common/base/kill.h"

struct folder {
	struct backup_target target;
	int dir_fd;
	unsigned number; /* of the next file in tmp/ */
};

static struct folder *
folder_of(struct backup_target *t)
{
	return CV_CONTAINER(t, struct folder, target);
}

static enum cv_status
fail(struct cv_err *err, int why, const char *what, const char *name)
{
	enum cv_status status = why == ENOENT                                   ? CV_NOT_FOUND
				: why == ENOSPC || why == EDQUOT                ? CV_FULL
				: why == EACCES || why == EROFS || why == EPERM ? CV_DENIED
										: CV_TEMPFAIL;
	/* By hand it works, by the clock not: the unit keeps the service from the folder. */
	if (why == EROFS)
		return cv_fail(err, status,
			"%s %s: read-only file system (under systemd: name the folder in "
			"ReadWritePaths, `systemctl edit congvu`)",
			what, name);
	return cv_fail_errno(err, status, why, "%s %s", what, name);
}

/* The folders above NAME, each synced into the one above it. */
static int
make_folders(struct folder *f, const char *name)
{
	char path[BACKUP_PATH_MAX];
	for (size_t i = 0; name[i] && i < sizeof path; i++) {
		if (name[i] == '/') {
			path[i] = '\0';
			if (mkdirat(f->dir_fd, path, 0700) && errno != EEXIST)
				return errno;
		}
		path[i] = name[i];
	}
	return 0;
}

static int
sync_folder_of(struct folder *f, const char *name)
{
	char path[BACKUP_PATH_MAX];
	snprintf(path, sizeof path, "%s", name);
	char *slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	int fd = openat(f->dir_fd, slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int why = fd < 0 || fsync(fd) ? errno : 0;
	if (fd >= 0)
		close(fd);
	return why;
}

static int
write_all(int fd, struct cv_str bytes)
{
	int why = cv_fail_point("backup.write");
	while (!why && bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno != EINTR)
			why = errno;
		if (n > 0)
			bytes = cv_str_sub(bytes, (size_t)n, bytes.n);
	}
	return !why && fsync(fd) ? errno : why;
}

static enum cv_status
put(struct backup_target *t, const char *name, struct cv_str bytes, struct cv_err *err)
{
	struct folder *f = folder_of(t);
	char tmp[64];
	snprintf(tmp, sizeof tmp, "tmp/%u", f->number++);
	int why = make_folders(f, name);
	if (!why)
		why = make_folders(f, tmp);
	int fd = why ? -1 : openat(f->dir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (!why && fd < 0)
		why = errno;
	if (!why)
		why = write_all(fd, bytes);
	if (fd >= 0)
		close(fd);
	CV_KILL_POINT("backup.rename");
	if (!why && renameat(f->dir_fd, tmp, f->dir_fd, name))
		why = errno;
	if (!why)
		why = sync_folder_of(f, name);
	if (why)
		(void)unlinkat(f->dir_fd, tmp, 0);
	/* The folder went away, not the object: nobody mistakes it for an answer to get(). */
	if (why == ENOENT)
		return cv_fail(err, CV_TEMPFAIL, "the folder of target %s is gone", t->place.name);
	return why ? fail(err, why, "writing", name) : CV_OK;
}

static enum cv_status
get(struct backup_target *t, const char *name, uint64_t from, uint64_t n, struct cv_buf *out,
	struct cv_err *err)
{
	struct stat st;
	int fd = openat(folder_of(t)->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st)) {
		int why = errno;
		if (fd >= 0)
			close(fd);
		return fail(err, why, "reading", name);
	}
	uint64_t size = (uint64_t)st.st_size;
	uint64_t want = from > size ? 0 : n ? CV_MIN(n, size - from) : size - from;
	char *room = cv_buf_room(out, (size_t)want);
	int why = 0;
	for (uint64_t at = 0; room && !why && at < want;) {
		ssize_t got = pread(fd, room + at, (size_t)(want - at), (off_t)(from + at));
		if (got <= 0 && !(got < 0 && errno == EINTR))
			why = got ? errno : EIO;
		at += got > 0 ? (uint64_t)got : 0;
	}
	close(fd);
	if (!room)
		return cv_fail(err, CV_LIMIT, "%s is larger than it may be", name);
	out->n += why ? 0 : (size_t)want;
	return why ? fail(err, why, "reading", name) : CV_OK;
}

/* Files of the folder PATH, and of the folders in it, one level down. */
static enum cv_status
walk(struct folder *f, const char *path, const char *above, backup_list_fn *fn, void *arg,
	bool *stop, struct cv_err *err)
{
	int fd = openat(f->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int why = errno;
		if (fd >= 0)
			close(fd);
		return why == ENOENT ? CV_OK : fail(err, why, "listing", path);
	}
	enum cv_status status = CV_OK;
	int why = 0;
	while (!status && !*stop) {
		errno = 0;
		struct dirent *entry = readdir(dir);
		why = entry ? cv_fail_point("backup.list") : errno;
		if (!entry || why)
			break;
		char name[512], below[BACKUP_PATH_MAX];
		struct stat st;
		if (entry->d_name[0] == '.')
			continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW)) {
			why = errno == ENOENT ? 0 : errno; /* one that went away is no fault */
			if (why)
				break;
			continue;
		}
		snprintf(name, sizeof name, "%s%s", above, entry->d_name);
		snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
		if (S_ISREG(st.st_mode))
			*stop = !fn(arg, cv_str_z(name), (uint64_t)st.st_size);
		else if (S_ISDIR(st.st_mode) && !above[0]) {
			snprintf(name, sizeof name, "%s/", entry->d_name);
			status = walk(f, below, name, fn, arg, stop, err);
		}
	}
	closedir(dir);
	return why ? fail(err, why, "listing", path) : status;
}

static enum cv_status
list(struct backup_target *t, const char *prefix, backup_list_fn *fn, void *arg, struct cv_err *err)
{
	char path[256];
	bool stop = false;
	snprintf(path, sizeof path, "%.*s", (int)strlen(prefix) - 1, prefix);
	return walk(folder_of(t), path, "", fn, arg, &stop, err);
}

static enum cv_status
remove_object(struct backup_target *t, const char *name, struct cv_err *err)
{
	struct folder *f = folder_of(t);
	char path[256];
	if (unlinkat(f->dir_fd, name, 0))
		return fail(err, errno, "removing", name);
	snprintf(path, sizeof path, "%s", name);
	char *slash = strrchr(path, '/');
	if (slash && slash - path > 8) { /* a day's folder goes with its last pack */
		*slash = '\0';
		(void)unlinkat(f->dir_fd, path, AT_REMOVEDIR);
	}
	return CV_OK;
}

static void
close_folder(struct backup_target *t)
{
	close(folder_of(t)->dir_fd);
	free(folder_of(t));
}

static const struct backup_target_ops ops = {
	.put = put, .get = get, .list = list, .remove = remove_object, .close = close_folder};

/* What a run that was killed left behind. */
static void
sweep(struct folder *f)
{
	int fd = openat(f->dir_fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			(void)unlinkat(fd, entry->d_name, 0);
	if (dir)
		closedir(dir);
}

enum cv_status
backup_folder_open(const struct backup_place *place, struct backup_target **out, struct cv_err *err)
{
	const char *path = place->url + strlen("file:");
	while (path[0] == '/' && path[1] == '/')
		path++;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cv_fail_errno(err, errno == ENOENT ? CV_NOT_FOUND : CV_DENIED, errno,
			"target %s: %s (is its disk mounted?)", place->name, path);
	struct folder *f = cv_calloc(1, sizeof *f);
	f->target.ops = &ops;
	f->dir_fd = fd;
	if (!place->append_only)
		sweep(f);
	*out = &f->target;
	return CV_OK;
}
