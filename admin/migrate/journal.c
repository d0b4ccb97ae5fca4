/* journal.c - what of an account was brought over, see migrate.h.
 *
 * Lines: "S<TAB>folder<TAB>key<TAB>sha256<TAB>secs" before a message is sent,
 * "D<TAB>folder<TAB>key" when the answer came. Who is killed between the two leaves an S without D:
 * the next run asks the box whether such a message is there. Tabs, line ends and backslashes in
 * names are escaped.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/files.h"
#include "admin/migrate/migrate.h"

#define JOURNAL_MAX (1u << 30)

static void
put_escaped(struct cv_buf *out, const char *text)
{
	for (; *text; text++)
		if (*text == '\t' || *text == '\n' || *text == '\\')
			cv_buf_printf(out, "\\%c",
				*text == '\t'   ? 't'
				: *text == '\n' ? 'n'
						: '\\');
		else
			cv_buf_c(out, *text);
}

/* A field as it was before it was escaped, to be freed. */
static char *
unescaped(struct cv_str field)
{
	struct cv_buf out = CV_BUF_INIT(MIGRATE_NAME_MAX + MIGRATE_KEY_MAX);

	for (size_t i = 0; i < field.n; i++) {
		char c = field.p[i];
		if (c == '\\' && i + 1 < field.n) {
			c = field.p[++i];
			c = c == 't' ? '\t' : c == 'n' ? '\n' : c;
		}
		cv_buf_c(&out, c);
	}
	return cv_buf_take(&out);
}

static void
name_message(struct cv_buf *out, const char *folder, const char *key)
{
	cv_buf_printf(out, "%s\n%s", folder, key);
}

static void
set_done(struct migrate_journal *j, const char *folder, const char *key)
{
	static char yes;
	struct cv_buf name = CV_BUF_INIT(MIGRATE_NAME_MAX + MIGRATE_KEY_MAX + 2);

	name_message(&name, folder, key);
	(void)cv_map_put(&j->done, cv_buf_view(&name), &yes);
	cv_buf_done(&name);
}

static json_t *
unsure_of(struct migrate_journal *j, const char *folder)
{
	json_t *list = json_object_get(j->unsure, folder);

	if (!list) {
		list = json_array();
		json_object_set_new(j->unsure, folder, list);
	}
	return list;
}

static void
read_line(struct migrate_journal *j, struct cv_str line)
{
	struct cv_str rest = line, field[5] = {{0}};
	size_t n = 0;

	while (n < CV_COUNT(field) && cv_str_split(&rest, '\t', &field[n]))
		n++;
	if (n < 3 || field[0].n != 1)
		return;
	char *folder = unescaped(field[1]), *key = unescaped(field[2]);
	if (field[0].p[0] == 'D') {
		set_done(j, folder, key);
	} else if (field[0].p[0] == 'S' && n == 5) {
		uint64_t secs = 0;
		bool bad = field[4].n && field[4].p[0] == '-';
		if (cv_str_u64(cv_str_sub(field[4], bad, field[4].n), INT64_MAX, &secs) == 0)
			json_array_append_new(unsure_of(j, folder),
				json_pack("[s, s%, I]", key, field[3].p, field[3].n,
					bad ? -(json_int_t)secs : (json_int_t)secs));
	}
	free(folder);
	free(key);
}

/* Leaves those that no D follows. */
static void
drop_sure(struct migrate_journal *j)
{
	const char *folder;
	json_t *list, *item, *left = json_object();
	size_t i;

	json_object_foreach(j->unsure, folder, list)
	{
		json_t *still = json_array();
		json_array_foreach(
			list, i, item) if (!migrate_journal_has(j, folder,
						   json_string_value(json_array_get(item, 0))))
			json_array_append(still, item);
		if (json_array_size(still))
			json_object_set(left, folder, still);
		json_decref(still);
	}
	json_decref(j->unsure);
	j->unsure = left;
}

enum cv_status
migrate_journal_open(const char *path, struct admin_owner owner, struct migrate_journal *out,
	struct cv_err *err)
{
	struct cv_str text = CV_STR_EMPTY, rest, line;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		0600);

	/* Held as long as it is open: two runs at once would send everything twice. */
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return cv_fail(err, CV_CONFLICT, "another run brings this box over: wait for its end");
	}
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot write %s", path);
	enum cv_status status = admin_file_read(path, JOURNAL_MAX, &text, err);
	if (status != CV_OK && status != CV_NOT_FOUND) {
		close(fd);
		return status;
	}
	*out = (struct migrate_journal){.fd = fd, .unsure = json_object()};
	cv_map_init(&out->done);
	/* A torn last line says nothing: its message is looked for, or sent again. */
	size_t whole = text.n;
	while (whole && text.p[whole - 1] != '\n')
		whole--;
	rest = cv_str_sub(text, 0, whole);
	while (rest.n && cv_str_split(&rest, '\n', &line))
		read_line(out, line);
	if (status == CV_OK)
		free((void *)(uintptr_t)text.p);
	drop_sure(out);
	if (out->fd < 0 || (whole < text.n && ftruncate(out->fd, (off_t)whole)) ||
		(owner.uid != (uid_t)-1 && fchown(out->fd, owner.uid, owner.gid))) {
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot write %s", path);
		migrate_journal_close(out);
		return status;
	}
	return CV_OK;
}

void
migrate_journal_close(struct migrate_journal *j)
{
	cv_map_done(&j->done);
	json_decref(j->unsure);
	if (j->fd >= 0)
		close(j->fd);
	*j = (struct migrate_journal){.fd = -1};
}

bool
migrate_journal_has(const struct migrate_journal *j, const char *folder, const char *key)
{
	struct cv_buf name = CV_BUF_INIT(MIGRATE_NAME_MAX + MIGRATE_KEY_MAX + 2);

	name_message(&name, folder, key);
	bool has = cv_map_get(&j->done, cv_buf_view(&name)) != NULL;
	cv_buf_done(&name);
	return has;
}

/* A line that cannot be written shows at the next sync. */
static void
append(struct migrate_journal *j, const struct cv_buf *line)
{
	if (j->fd >= 0 && write(j->fd, line->p, line->n) != (ssize_t)line->n) {
		close(j->fd);
		j->fd = -1;
	}
}

void
migrate_journal_send(struct migrate_journal *j, const char *folder, const char *key,
	const char *sha256, int64_t secs)
{
	struct cv_buf line = CV_BUF_INIT(8192);

	cv_buf_z(&line, "S\t");
	put_escaped(&line, folder);
	cv_buf_c(&line, '\t');
	put_escaped(&line, key);
	cv_buf_printf(&line, "\t%s\t%lld\n", sha256, (long long)secs);
	append(j, &line);
	cv_buf_done(&line);
}

void
migrate_journal_done(struct migrate_journal *j, const char *folder, const char *key)
{
	struct cv_buf line = CV_BUF_INIT(8192);

	cv_buf_z(&line, "D\t");
	put_escaped(&line, folder);
	cv_buf_c(&line, '\t');
	put_escaped(&line, key);
	cv_buf_c(&line, '\n');
	append(j, &line);
	cv_buf_done(&line);
	set_done(j, folder, key);
}

enum cv_status
migrate_journal_sync(struct migrate_journal *j, struct cv_err *err)
{
	if (j->fd < 0 || fdatasync(j->fd))
		return cv_fail_errno(
			err, CV_TEMPFAIL, errno, "writing the journal of the migration");
	return CV_OK;
}
