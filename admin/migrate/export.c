/* export.c - boxes into files: a Maildir tree or mbox files an account, see export.h.
 *
 * A Maildir takes a message once: the name tells which it is, and one that is there is left alone.
 * An mbox file is written anew beside the old one and takes its place when it is whole.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/migrate/export.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/files.h"
#include "common/store/mailbox.h"

#define PATH_BYTES 4096

/* One level of a folder's name as a file name: no '/', no leading dot. */
static void
put_level(struct cv_buf *out, const char *name)
{
	for (bool first = true; *name; name++) {
		cv_buf_c(out, (unsigned char)*name < ' ' || (first && *name == '.') ? '_' : *name);
		first = *name == '/';
	}
}

static char *
path_of(const char *dir, const char *folder, const char *end)
{
	struct cv_buf out = CV_BUF_INIT(PATH_BYTES);

	cv_buf_printf(&out, "%s/", dir);
	put_level(&out, folder);
	cv_buf_z(&out, end);
	return cv_buf_take(&out);
}

static const char *
flag_letters(uint32_t flags, char out[8])
{
	static const struct {
		uint32_t flag;
		char letter; /* in the order Maildir wants */
	} rows[] = {
		{CV_FLAG_DRAFT,    'D'},
		{CV_FLAG_FLAGGED,  'F'},
		{CV_FLAG_ANSWERED, 'R'},
		{CV_FLAG_SEEN,     'S'},
		{CV_FLAG_DELETED,  'T'}
	};
	size_t n = 0;

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (flags & rows[i].flag)
			out[n++] = rows[i].letter;
	out[n] = '\0';
	return out;
}

/* ---- Maildir ---- */

static enum cv_status
maildir_begin(struct migrate_sink *s, const char *folder, struct cv_err *err)
{
	static const char *const parts[] = {"/cur", "/new", "/tmp"};
	enum cv_status status = CV_OK;

	free(s->folder);
	s->folder = path_of(s->dir, folder, "");
	for (size_t i = 0; i < CV_COUNT(parts) && status == CV_OK; i++) {
		char *path = path_of(s->dir, folder, parts[i]);
		status = admin_folder_make(path, 0700, ADMIN_OWNER_SELF, err);
		free(path);
	}
	return status;
}

static void
maildir_name(const struct migrate_sink *s, const struct migrate_message *m, char out[PATH_BYTES])
{
	char key[MIGRATE_KEY_MAX], letters[8];

	snprintf(key, sizeof key, "%s", m->key);
	for (char *p = key; *p; p++)
		if (*p == '/' || *p == ':')
			*p = '_';
	snprintf(out, PATH_BYTES, "%.3000s/cur/%lld.%s.congvu:2,%s", s->folder, (long long)m->secs,
		key, flag_letters(m->flags, letters));
}

static bool
maildir_has(struct migrate_sink *s, const struct migrate_message *m)
{
	char path[PATH_BYTES];

	maildir_name(s, m, path);
	return access(path, F_OK) == 0;
}

static enum cv_status
maildir_put(struct migrate_sink *s, const struct migrate_message *m, struct cv_str body,
	struct cv_err *err)
{
	char path[PATH_BYTES], tmp[PATH_BYTES];
	struct timespec times[2] = {{.tv_sec = m->secs}, {.tv_sec = m->secs}};

	maildir_name(s, m, path);
	snprintf(tmp, sizeof tmp, "%.3000s/tmp/part", s->folder);
	(void)unlink(tmp);
	enum cv_status status = admin_file_put(tmp, 0600, body, ADMIN_OWNER_SELF, false, err);
	if (status != CV_OK)
		return status;
	/* The date that IMAP calls INTERNALDATE is the file's. */
	if (utimensat(AT_FDCWD, tmp, times, 0) || rename(tmp, path))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot write %s", path);
	return CV_OK;
}

static enum cv_status
maildir_end(struct migrate_sink *s, struct cv_err *err)
{
	return admin_folder_sync(s->folder, err);
}

/* ---- mbox ---- */

static enum cv_status
mbox_begin(struct migrate_sink *s, const char *folder, struct cv_err *err)
{
	free(s->folder);
	s->folder = path_of(s->dir, folder, ".mbox");
	char *slash = strrchr(s->folder, '/');
	*slash = '\0';
	enum cv_status status = admin_folder_make(s->folder, 0700, ADMIN_OWNER_SELF, err);
	*slash = '/';
	char *part = path_of(s->dir, folder, ".mbox.part");
	if (status == CV_OK) {
		s->file = fopen(part, "w");
		if (!s->file || fchmod(fileno(s->file), 0600))
			status = cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot write %s", part);
	}
	free(part);
	return status;
}

static bool
mbox_has(struct migrate_sink *s, const struct migrate_message *m)
{
	(void)s, (void)m;
	return false;
}

/* mboxrd: "From " at the beginning of a line, with any number of '>' before it, gets one more. */
static void
put_quoted(struct cv_str body, FILE *to)
{
	while (body.n) {
		const char *end = memchr(body.p, '\n', body.n);
		size_t n = end ? (size_t)(end - body.p) + 1 : body.n, quotes = 0;
		struct cv_str line = cv_str(body.p, n);
		while (quotes < line.n && line.p[quotes] == '>')
			quotes++;
		if (cv_str_has_prefix(cv_str_sub(line, quotes, line.n), "From "))
			fputc('>', to);
		/* LF ends, as mbox has them. */
		bool has_crlf = n >= 2 && line.p[n - 2] == '\r' && line.p[n - 1] == '\n';
		fwrite(line.p, 1, has_crlf ? n - 2 : n, to);
		if (has_crlf)
			fputc('\n', to);
		body = cv_str_sub(body, n, body.n);
	}
}

static enum cv_status
mbox_put(struct migrate_sink *s, const struct migrate_message *m, struct cv_str body,
	struct cv_err *err)
{
	char date[64];
	time_t at = (time_t)m->secs;
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", &tm);
	fprintf(s->file, "From MAILER-DAEMON %s\n", date);
	fprintf(s->file, "Status: %sO\nX-Status: %s%s%s%s\n", m->flags & CV_FLAG_SEEN ? "R" : "",
		m->flags & CV_FLAG_ANSWERED ? "A" : "", m->flags & CV_FLAG_FLAGGED ? "F" : "",
		m->flags & CV_FLAG_DELETED ? "D" : "", m->flags & CV_FLAG_DRAFT ? "T" : "");
	put_quoted(body, s->file);
	if (body.n && body.p[body.n - 1] != '\n')
		fputc('\n', s->file);
	fputc('\n', s->file);
	return ferror(s->file)
		       ? cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot write %s", s->folder)
		       : CV_OK;
}

static enum cv_status
mbox_end(struct migrate_sink *s, struct cv_err *err)
{
	char part[PATH_BYTES];
	bool ok = !fflush(s->file) && !fsync(fileno(s->file));

	ok = !fclose(s->file) && ok;
	s->file = NULL;
	snprintf(part, sizeof part, "%.4000s.part", s->folder);
	if (!ok || rename(part, s->folder))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot write %s", s->folder);
	return CV_OK;
}

/* ---- any ---- */

static const struct migrate_sink_ops maildir_sink = {
	maildir_begin, maildir_has, maildir_put, maildir_end};
static const struct migrate_sink_ops mbox_sink = {mbox_begin, mbox_has, mbox_put, mbox_end};

void
migrate_sink_open(struct migrate_sink *s, bool is_mbox, const char *dir)
{
	*s = (struct migrate_sink){
		.ops = is_mbox ? &mbox_sink : &maildir_sink, .dir = cv_strdup(dir)};
}

void
migrate_sink_close(struct migrate_sink *s)
{
	if (s->file)
		fclose(s->file);
	free(s->folder);
	free(s->dir);
}

static enum cv_status
export_folder(struct migrate_source *from, const struct migrate_folder *folder,
	struct migrate_sink *to, struct migrate_account *a, struct cv_err *err)
{
	struct migrate_list list = {0};
	enum cv_status status = to->ops->begin(to, folder->name, err);

	if (status == CV_OK)
		status = from->ops->messages(from, folder, &list, err);
	for (size_t i = 0; i < list.n && status == CV_OK; i++) {
		struct cv_buf body = CV_BUF_INIT(MIGRATE_MESSAGE_MAX);
		a->found++;
		if (to->ops->has(to, &list.items[i])) {
			a->there++;
			continue;
		}
		status = from->ops->read(from, &list.items[i], &body, err);
		if (status == CV_OK)
			status = to->ops->put(to, &list.items[i], cv_buf_view(&body), err);
		a->copied += status == CV_OK;
		a->bytes += body.n;
		cv_buf_done(&body);
	}
	if (status == CV_OK)
		status = to->ops->end(to, err);
	migrate_list_done(&list);
	return status;
}

enum cv_status
migrate_export(struct migrate_source *from, struct migrate_sink *to, struct migrate_account *a,
	struct cv_err *err)
{
	struct migrate_folder *folders;
	size_t n;
	enum cv_status status = from->ops->folders(from, &folders, &n, err);

	a->folders = n;
	for (size_t i = 0; i < n && status == CV_OK; i++)
		status = export_folder(from, &folders[i], to, a, err);
	migrate_folders_free(folders, n);
	return status;
}
