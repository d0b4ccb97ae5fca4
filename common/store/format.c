/* format.c - see format.h. The file is one line: "congvu-store 1 1 0.1.0". */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/format.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/log.h"

#define MAGIC "congvu-store "
#define LINE_MAX_BYTES 128u

struct cv_format
cv_format_here(void)
{
	struct cv_format here = {.number = CV_FORMAT, .reader = CV_FORMAT_READER};

	snprintf(here.writer, sizeof here.writer, "%s", CV_VERSION);
#ifdef CV_TESTING
	/* "2/1": acts as a later program would, so that a test can go there and back. */
	const char *as = getenv("CONGVU_FORMAT");
	unsigned number, reader;
	if (as && sscanf(as, "%u/%u", &number, &reader) == 2)
		here.number = number, here.reader = reader;
#endif
	return here;
}

/* A number of up to nine digits and the blank behind it. */
static bool
take_number(struct cv_str *rest, uint32_t *out)
{
	size_t end = cv_str_find(*rest, ' ', 0);
	uint64_t n = 0;

	if (end == 0 || end > 9 || end >= rest->n)
		return false;
	for (size_t i = 0; i < end; i++) {
		if (rest->p[i] < '0' || rest->p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(rest->p[i] - '0');
	}
	*out = (uint32_t)n;
	*rest = cv_str_sub(*rest, end + 1, rest->n);
	return true;
}

enum cv_status
cv_format_parse(struct cv_str text, struct cv_format *out, struct cv_err *err)
{
	struct cv_str rest = text;

	*out = (struct cv_format){0};
	if (rest.n && rest.p[rest.n - 1] == '\n')
		rest.n--;
	bool ok = cv_str_has_prefix(rest, MAGIC);
	if (ok)
		rest = cv_str_sub(rest, sizeof MAGIC - 1, rest.n);
	ok = ok && take_number(&rest, &out->number) && take_number(&rest, &out->reader) && rest.n &&
	     rest.n < sizeof out->writer && out->number && out->reader &&
	     out->reader <= out->number;
	for (size_t i = 0; ok && i < rest.n; i++)
		ok = rest.p[i] > ' ' && rest.p[i] < 0x7f;
	if (!ok)
		return cv_fail(err, CV_CORRUPT, "the file `format` is not what congvu writes");
	memcpy(out->writer, rest.p, rest.n);
	return CV_OK;
}

enum cv_status
cv_format_read(int dir_fd, struct cv_format *out, struct cv_err *err)
{
	char line[LINE_MAX_BYTES];
	int fd = openat(dir_fd, "format", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return cv_fail_errno(err, errno == ENOENT ? CV_NOT_FOUND : CV_TEMPFAIL, errno,
			"opening the file `format`");
	ssize_t n = read(fd, line, sizeof line);
	int why = errno;
	close(fd);
	if (n < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, why, "reading the file `format`");
	return cv_format_parse(cv_str(line, (size_t)n), out, err);
}

enum cv_status
cv_format_fits(const struct cv_format *found, const struct cv_format *here, struct cv_err *err)
{
	if (found->reader > here->number)
		return cv_fail(err, CV_INVALID,
			"it was written by congvu %s in format %u, which needs a program of "
			"format %u at least; this one, %s, knows format %u: install congvu %s "
			"again, or restore what `congvu upgrade save` kept",
			found->writer, found->number, found->reader, here->writer, here->number,
			found->writer);
	if (found->number < CV_FORMAT_FIRST)
		return cv_fail(err, CV_INVALID,
			"it was written by congvu %s in format %u; this program, %s, begins "
			"with format %u: install a version between the two first",
			found->writer, found->number, here->writer, CV_FORMAT_FIRST);
	return CV_OK;
}

static enum cv_status
write_here(int dir_fd, const struct cv_format *here, struct cv_err *err)
{
	char line[LINE_MAX_BYTES];
	int n = snprintf(line, sizeof line, MAGIC "%u %u %s\n", here->number, here->reader,
		here->writer);
	int fd = openat(dir_fd, "format.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, line, (size_t)n) == n && !fsync(fd);

	if (fd >= 0 && close(fd))
		ok = false;
	if (!ok || renameat(dir_fd, "format.new", dir_fd, "format") || fsync(dir_fd))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "writing the file `format`");
	return CV_OK;
}

enum cv_status
cv_format_open(int dir_fd, const char *dir, struct cv_err *err)
{
	struct cv_format found = {.number = 1, .reader = 1}, here = cv_format_here();
	struct cv_err why = {0};
	enum cv_status status = cv_format_read(dir_fd, &found, &why);
	bool is_absent = status == CV_NOT_FOUND;

	if (is_absent)
		status = CV_OK;
	if (!status)
		status = cv_format_fits(&found, &here, &why);
	if (status)
		return cv_fail(err, status, "%s: %s", dir, why.text);
	if (!is_absent && found.number >= here.number)
		return CV_OK;
	if (!is_absent)
		cv_log(0, CV_INFO, "store.format_raised", "dir=%s from=%u to=%u", dir, found.number,
			here.number);
	return write_here(dir_fd, &here, err);
}
