/* files.c - see files.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/files.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/rng.h"

#define PATH_BYTES 1200

enum cv_status
admin_owner_find(const char *user, struct admin_owner *out, struct cv_err *err)
{
	*out = ADMIN_OWNER_SELF;
	if (!user[0])
		return CV_OK;
	struct passwd *pw = getpwnam(user);
	if (!pw)
		return cv_fail(err, CV_NOT_FOUND,
			"no Unix user %s: make it with `adduser --system --group %s`", user, user);
	if (geteuid() == pw->pw_uid)
		return CV_OK;
	if (geteuid() != 0)
		return cv_fail(err, CV_DENIED, "only root, or the user %s, can do this", user);
	*out = (struct admin_owner){pw->pw_uid, pw->pw_gid};
	return CV_OK;
}

static enum cv_status
act_as(struct admin_owner owner, const char *name, bool *switched_out, struct cv_err *err)
{
	if (setegid(owner.gid))
		return cv_fail_errno(err, CV_DENIED, errno, "cannot act as user %s", name);
	*switched_out = true;
	if (seteuid(owner.uid))
		return cv_fail_errno(err, CV_DENIED, errno, "cannot act as user %s", name);
	return CV_OK;
}

enum cv_status
admin_act_as(const char *user, bool *switched_out, struct cv_err *err)
{
	struct admin_owner owner;
	enum cv_status status = admin_owner_find(user, &owner, err);

	*switched_out = false;
	if (status != CV_OK || owner.uid == (uid_t)-1)
		return status;
	return act_as(owner, user, switched_out, err);
}

enum cv_status
admin_act_as_owner_of(const char *path, bool *switched_out, struct cv_err *err)
{
	struct stat st;
	char uid[20];

	*switched_out = false;
	if (geteuid() != 0)
		return CV_OK;
	char *absolute = admin_path_absolute(path), *slash;
	while (stat(absolute, &st) && (slash = strrchr(absolute, '/')))
		slash[slash == absolute] = '\0';
	free(absolute);
	if (st.st_uid == 0)
		return CV_OK;
	snprintf(uid, sizeof uid, "%lu", (unsigned long)st.st_uid);
	return act_as((struct admin_owner){st.st_uid, st.st_gid}, uid, switched_out, err);
}

void
admin_act_as_self(void)
{
	if (seteuid(0) || setegid(0))
		cv_die("cannot become root again");
}

static enum cv_status
parent_of(const char *path, char *out, size_t n, struct cv_err *err)
{
	const char *slash = strrchr(path, '/');
	int written = !slash          ? snprintf(out, n, ".")
		      : slash == path ? snprintf(out, n, "/")
				      : snprintf(out, n, "%.*s", (int)(slash - path), path);

	if (written < 0 || (size_t)written >= n)
		return cv_fail(err, CV_LIMIT, "the path %.100s... is too long", path);
	return CV_OK;
}

/* Through a descriptor: the folder above may belong to somebody who puts a link in our way. */
static enum cv_status
set_rights(const char *path, mode_t mode, struct admin_owner owner, struct cv_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot open the folder %s", path);
	/* The umask may have taken rights away that the daemons need. */
	int failed =
		fchmod(fd, mode) || (owner.uid != (uid_t)-1 && fchown(fd, owner.uid, owner.gid));
	int errnum = errno;
	close(fd);
	return failed ? cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot set the rights of %s", path)
		      : CV_OK;
}

enum cv_status
admin_folder_make(const char *path, mode_t mode, struct admin_owner owner, struct cv_err *err)
{
	char parent[PATH_BYTES];
	struct stat st;

	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? CV_OK
					   : cv_fail(err, CV_EXISTS, "%s is not a folder", path);
	enum cv_status status = parent_of(path, parent, sizeof parent, err);
	if (status == CV_OK && strcmp(parent, path) != 0)
		status = admin_folder_make(parent, 0755, owner, err);
	if (status != CV_OK)
		return status;
	if (mkdir(path, mode) && errno != EEXIST)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make the folder %s", path);
	return set_rights(path, mode, owner, err);
}

enum cv_status
admin_folder_sync(const char *path, struct cv_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot open %s", path);
	int failed = fsync(fd);
	int errnum = errno;
	close(fd);
	return failed ? cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot sync %s", path) : CV_OK;
}

static int
write_all(int fd, struct cv_str bytes)
{
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes = cv_str_sub(bytes, (size_t)n, bytes.n);
	}
	return 0;
}

enum cv_status
admin_file_put(const char *path, mode_t mode, struct cv_str bytes, struct admin_owner owner,
	bool sync, struct cv_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return cv_fail_errno(err, errno == EEXIST ? CV_EXISTS : CV_TEMPFAIL, errno,
			"cannot make %s", path);
	bool failed = write_all(fd, bytes) || fchmod(fd, mode) ||
		      (owner.uid != (uid_t)-1 && fchown(fd, owner.uid, owner.gid)) ||
		      (sync && fsync(fd));
	int errnum = errno;
	if (close(fd) && !failed) {
		failed = true;
		errnum = errno;
	}
	if (!failed)
		return CV_OK;
	unlink(path);
	return cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot write %s", path);
}

enum cv_status
admin_file_new(const char *path, mode_t mode, struct cv_str bytes, struct admin_owner owner,
	struct cv_err *err)
{
	char parent[PATH_BYTES];
	enum cv_status status = parent_of(path, parent, sizeof parent, err);

	if (status == CV_OK)
		status = admin_file_put(path, mode, bytes, owner, true, err);
	return status == CV_OK ? admin_folder_sync(parent, err) : status;
}

enum cv_status
admin_file_replace(const char *path, mode_t mode, struct cv_str bytes, struct admin_owner owner,
	struct cv_err *err)
{
	char parent[PATH_BYTES], room[PATH_BYTES];
	enum cv_status status = parent_of(path, parent, sizeof parent, err);

	if (status != CV_OK)
		return status;
	snprintf(room, sizeof room, "%s.%08x.new", path, (unsigned)(cv_random_u64() & 0xffffffffu));
	status = admin_file_new(room, mode, bytes, owner, err);
	if (status != CV_OK)
		return status;
	if (rename(room, path)) {
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot replace %s", path);
		unlink(room);
		return status;
	}
	return admin_folder_sync(parent, err);
}

enum cv_status
admin_file_read(const char *path, size_t max, struct cv_str *bytes_out, struct cv_err *err)
{
	struct cv_buf b = CV_BUF_INIT(max);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		return cv_fail_errno(err, errno == ENOENT ? CV_NOT_FOUND : CV_TEMPFAIL, errno,
			"cannot open %s", path);
	for (;;) {
		char piece[16384];
		n = read(fd, piece, sizeof piece);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		cv_buf_add(&b, piece, (size_t)n);
		if (b.full)
			break;
	}
	int errnum = errno;
	close(fd);
	if (n < 0 || b.full) {
		cv_buf_done(&b);
		return b.full ? cv_fail(err, CV_LIMIT, "%s is larger than %zu bytes", path, max)
			      : cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot read %s", path);
	}
	size_t length = b.n;
	*bytes_out = cv_str(length ? cv_buf_take(&b) : cv_strdup(""), length);
	return CV_OK;
}

char *
admin_path_absolute(const char *path)
{
	char here[PATH_BYTES] = "";
	struct cv_buf out = CV_BUF_INIT(2 * PATH_BYTES);
	struct cv_str rest, part;

	if (path[0] != '/' && !getcwd(here, sizeof here))
		here[0] = '\0';
	struct cv_buf whole = CV_BUF_INIT(4 * PATH_BYTES);
	cv_buf_printf(&whole, "%s/%s", here, path);
	rest = cv_buf_view(&whole);
	while (cv_str_split(&rest, '/', &part)) {
		if (!part.n || cv_str_eq_z(part, "."))
			continue;
		if (!cv_str_eq_z(part, "..")) {
			cv_buf_c(&out, '/');
			cv_buf_str(&out, part);
			continue;
		}
		while (out.n && out.p[out.n - 1] != '/')
			out.n--;
		out.n -= out.n ? 1 : 0;
		if (out.p)
			out.p[out.n] = '\0';
	}
	cv_buf_done(&whole);
	if (!out.n)
		cv_buf_c(&out, '/');
	return cv_buf_take(&out);
}
