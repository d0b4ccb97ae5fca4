/* workday.c - see workday.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/workday.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/text/date.h"

/* False: no such line. *day_out is 0 for a line that names no day. */
static bool
read_line(struct cv_str line, int64_t *day_out, bool *is_worked_out)
{
	struct cv_str text = cv_str_trim(cv_str_sub(line, 0, cv_str_find(line, '#', 0)));
	struct cv_date date;
	uint64_t n[3];

	*day_out = 0;
	*is_worked_out = text.n && text.p[0] == '+';
	if (!text.n)
		return true;
	text = cv_str_sub(text, *is_worked_out, text.n);
	struct cv_str day = cv_str_sub(text, 0, cv_str_find(text, ' ', 0));
	if (day.n != 10 || day.p[4] != '-' || day.p[7] != '-' ||
		cv_str_u64(cv_str_sub(day, 0, 4), 9999, &n[0]) ||
		cv_str_u64(cv_str_sub(day, 5, 7), 12, &n[1]) ||
		cv_str_u64(cv_str_sub(day, 8, 10), 31, &n[2]) ||
		cv_date_parse_iso(day, 0, &date))
		return false;
	*day_out = date.unix_secs / 86400;
	return true;
}

bool
imapd_is_workday(struct cv_str holidays, int64_t day)
{
	struct cv_civil civil;
	struct cv_str rest = holidays, line;
	int64_t named;
	bool is_worked;

	cv_civil_from_days(day, &civil);
	bool out = civil.weekday != 0 && civil.weekday != 6;
	while (cv_str_split(&rest, '\n', &line))
		if (read_line(line, &named, &is_worked) && named && named == day)
			out = is_worked;
	return out;
}

unsigned
imapd_holidays_fault(struct cv_str holidays)
{
	struct cv_str rest = holidays, line;
	int64_t day;
	bool is_worked;

	for (unsigned n = 1; cv_str_split(&rest, '\n', &line); n++)
		if (!read_line(line, &day, &is_worked))
			return n;
	return 0;
}

enum cv_status
imapd_workday_read(const char *path, int64_t day, bool *out, struct cv_err *err)
{
	char *text = NULL;
	ssize_t n = 0;

	if (path[0]) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot read %s", path);
		text = cv_malloc(IMAPD_HOLIDAYS_MAX);
		n = read(fd, text, IMAPD_HOLIDAYS_MAX);
		close(fd);
	}
	struct cv_str holidays = cv_str(text, n > 0 ? (size_t)n : 0);
	unsigned fault = n < 0 || n == (ssize_t)IMAPD_HOLIDAYS_MAX
				 ? 1
				 : imapd_holidays_fault(holidays);
	*out = imapd_is_workday(holidays, day);
	free(text);
	return fault ? cv_fail(err, CV_INVALID, "%s: line %u is no day (YYYY-MM-DD)", path, fault)
		     : CV_OK;
}
