/* lease.c - see lease.h. The file has one line: "<until, Unix milliseconds> <holder>". */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"

#define LINE_MAX_BYTES 400

struct owner {
	int64_t until_ms; /* 0: nobody */
	char holder[300];
};

static enum cv_status
read_owner(const char *dir, struct owner *out, struct cv_err *err)
{
	char path[1300], line[LINE_MAX_BYTES] = "";
	uint64_t until;

	*out = (struct owner){0};
	snprintf(path, sizeof path, "%s/owner", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return CV_OK;
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
	int errnum = errno;
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot read %s", path);
	struct cv_str rest = cv_str_trim(cv_str(line, (size_t)n)), word;
	cv_str_split(&rest, ' ', &word);
	/* What cannot be read is nobody's promise. */
	if (cv_str_u64(word, INT64_MAX, &until) != CV_OK || !rest.n)
		return CV_OK;
	out->until_ms = (int64_t)until;
	snprintf(out->holder, sizeof out->holder, "%.*s", CV_STR_ARGS(rest));
	return CV_OK;
}

static enum cv_status
write_owner(const char *dir, const char *holder, int64_t until_ms, struct cv_err *err)
{
	char path[1300], temporary[1350], line[LINE_MAX_BYTES];

	snprintf(path, sizeof path, "%s/owner", dir);
	snprintf(temporary, sizeof temporary, "%s.%d", path, (int)getpid());
	int n = snprintf(line, sizeof line, "%" PRId64 " %.300s\n", until_ms, holder);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", temporary);
	bool ok = write(fd, line, (size_t)n) == n && !fsync(fd);
	int errnum = errno;
	close(fd);
	if (ok && !rename(temporary, path))
		return CV_OK;
	errnum = ok ? errno : errnum;
	unlink(temporary);
	return cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot write %s", path);
}

enum cv_status
smtpd_lease_take(const char *dir, const char *holder, unsigned secs, struct cv_err *err)
{
	struct owner o;
	int64_t now = cv_wall_ms();
	enum cv_status status = read_owner(dir, &o, err);

	if (status != CV_OK)
		return status;
	if (o.until_ms > now && strcmp(o.holder, holder))
		return cv_fail(err, CV_DENIED, "%s is held by %s for another %" PRId64 " s", dir,
			o.holder, (o.until_ms - now + 999) / 1000);
	return write_owner(dir, holder, now + (int64_t)secs * 1000, err);
}

void
smtpd_lease_drop(const char *dir, const char *holder)
{
	struct owner o;
	struct cv_err err;
	char path[1300];

	snprintf(path, sizeof path, "%s/owner", dir);
	if (read_owner(dir, &o, &err) == CV_OK && !strcmp(o.holder, holder))
		unlink(path);
}
