/* unpack.c - the members of a zip file that can matter, into memory, with limits. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

#include "admin/sheet/sheet_impl.h"

#define FREE_BYTES (16u << 20) /* no ratio is looked at below this */

static bool
is_wanted(struct cv_str path)
{
	return cv_str_has_suffix(path, ".xml") || cv_str_has_suffix(path, ".rels") ||
	       cv_str_eq_z(path, "mimetype");
}

static enum cv_status
read_member(struct archive *a, const char *path, size_t packed, size_t *total,
	struct cv_buf *out, struct cv_err *err)
{
	for (;;) {
		char *room = cv_buf_room(out, 64u << 10);
		if (!room)
			return cv_fail(err, CV_LIMIT, "the file unpacks to more than %u MB",
				ADMIN_SHEET_BYTES_MAX >> 20);
		la_ssize_t n = archive_read_data(a, room, 64u << 10);
		if (n < 0)
			return cv_fail(err, CV_INVALID, "'%.100s' in the file cannot be read: "
				"it is damaged or protected by a password", path);
		if (!n)
			return CV_OK;
		out->n += (size_t)n;
		*total += (size_t)n;
		if (*total > ADMIN_SHEET_BYTES_MAX ||
			(*total > FREE_BYTES && *total / ADMIN_SHEET_RATIO_MAX > packed))
			return cv_fail(err, CV_LIMIT,
				"the file unpacks to more than a list of staff can be");
	}
}

static enum cv_status
read_members(struct archive *a, size_t packed, struct sheet_members *m, struct cv_err *err)
{
	struct archive_entry *entry;
	size_t total = 0, count = 0;
	enum cv_status status = CV_OK;
	int got;

	while (status == CV_OK && (got = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
		const char *path = archive_entry_pathname(entry);
		if (++count > ADMIN_SHEET_MEMBERS_MAX)
			return cv_fail(err, CV_LIMIT, "more than %u members in the file",
				ADMIN_SHEET_MEMBERS_MAX);
		if (!path || !is_wanted(cv_str_z(path)))
			continue;
		if (archive_entry_is_encrypted(entry))
			return cv_fail(err, CV_INVALID, "the file is protected by a password");
		if (cv_map_get(&m->by_name, cv_str_z(path)))
			return cv_fail(err, CV_INVALID, "'%.100s' is in the file twice", path);
		struct cv_buf *bytes = cv_calloc(1, sizeof *bytes);
		cv_buf_init(bytes, ADMIN_SHEET_BYTES_MAX + 1);
		cv_map_put(&m->by_name, cv_str_z(path), bytes);
		status = read_member(a, path, packed, &total, bytes, err);
	}
	if (status == CV_OK && got != ARCHIVE_EOF)
		status = cv_fail(err, CV_INVALID, "the file is damaged: %.200s",
			archive_error_string(a) ? archive_error_string(a) : "");
	return status;
}

enum cv_status
sheet_unpack(struct cv_str bytes, struct sheet_members *out, struct cv_err *err)
{
	struct archive *a = archive_read_new();
	enum cv_status status = CV_INVALID;

	cv_map_init(&out->by_name);
	if (!a)
		cv_die("out of memory");
	archive_read_support_format_zip(a);
	if (archive_read_open_memory(a, bytes.p, bytes.n) == ARCHIVE_OK)
		status = read_members(a, bytes.n, out, err);
	else
		(void)cv_fail(err, CV_INVALID, "the file is no spreadsheet");
	archive_read_free(a);
	return status;
}

struct cv_str
sheet_member(const struct sheet_members *m, struct cv_str path)
{
	const struct cv_buf *bytes = cv_map_get(&m->by_name, path);

	return bytes ? cv_buf_view(bytes) : CV_STR_EMPTY;
}

void
sheet_members_done(struct sheet_members *m)
{
	struct cv_str key;
	void *value;

	for (size_t pos = 0; cv_map_each(&m->by_name, &pos, &key, &value);) {
		cv_buf_done(value);
		free(value);
	}
	cv_map_done(&m->by_name);
}
