/* calendar.c - see calendar.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/config/calendar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static enum cv_status
read_file(const char *path, char *text, size_t *n_out, struct cv_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot read %s", path);
	ssize_t got = 1;
	for (*n_out = 0; got > 0 && *n_out <= CV_HOLIDAYS_MAX;) {
		got = read(fd, text + *n_out, CV_HOLIDAYS_MAX + 1 - *n_out);
		*n_out += got > 0 ? (size_t)got : 0;
	}
	int failed = errno;
	close(fd);
	return got < 0 ? cv_fail_errno(err, CV_TEMPFAIL, failed, "cannot read %s", path) : CV_OK;
}

enum cv_status
cv_calendar_load(const char *path, const char *hours, struct cv_calendar **out, struct cv_err *err)
{
	struct cv_str list = CV_STR_EMPTY;
	char *text = NULL;
	enum cv_status status = CV_OK;
	if (path && *path) {
		text = cv_malloc(CV_HOLIDAYS_MAX + 1);
		status = read_file(path, text, &list.n, err);
		list.p = text;
	}
	struct cv_err fault = {0};
	if (!status) {
		status = cv_calendar_new(list, cv_str_z(hours ? hours : ""), out, &fault);
		if (status)
			(void)cv_fail(err, status, "%s%s%s", text ? path : "", text ? ": " : "",
			              fault.text);
	}
	free(text);
	return status;
}
