/* files.c - boxes that lie in files: Maildirs and mbox, see migrate.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "admin/files.h"
#include "admin/migrate/migrate.h"
#include "common/store/mailbox.h"
#include "common/text/charset.h"
#include "common/text/date.h"
#include "common/text/utf7.h"

#define PATH_BYTES 4096
#define DEPTH_MAX  16
#define MBOX_MAX   ((uint64_t)64 << 30)

struct file_source {
	struct migrate_source base;
	char *path;
};

static const char *
path_of(struct migrate_source *s)
{
	return ((struct file_source *)(void *)s)->path;
}

static void
file_close(struct migrate_source *s)
{
	free(((struct file_source *)(void *)s)->path);
	free(s);
}

static enum cv_status
open_files(const char *path, const struct migrate_source_ops *ops, struct migrate_source **out,
	struct cv_err *err)
{
	struct stat st;

	if (stat(path, &st))
		return cv_fail_errno(err, errno == ENOENT ? CV_NOT_FOUND : CV_DENIED, errno,
			"cannot look at %s", path);
	struct file_source *s = cv_calloc(1, sizeof *s);
	s->base.ops = ops;
	s->path = cv_strdup(path);
	*out = &s->base;
	return CV_OK;
}

/* ---- folders ---- */

struct folders {
	struct migrate_folder *list;
	size_t n;
	enum cv_status status;
	struct cv_err *err;
};

static void
add(struct folders *f, const char *name, const char *raw)
{
	struct cv_str text = cv_str_z(name);

	if (f->status)
		return;
	if (f->n == MIGRATE_FOLDERS_MAX || text.n > MIGRATE_NAME_MAX || !cv_utf8_is_valid(text)) {
		f->status = cv_fail(f->err, CV_INVALID,
			"a folder has no name that can be kept, or there are more than %u: %.200s",
			MIGRATE_FOLDERS_MAX, raw);
		return;
	}
	f->list[f->n].name = cv_strdup(name);
	f->list[f->n++].raw = cv_strdup(raw);
}

static bool
is_dir(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static bool
is_maildir(const char *path)
{
	char cur[PATH_BYTES + 8];

	snprintf(cur, sizeof cur, "%s/cur", path);
	return is_dir(cur);
}

/* ".Sent.2026" of Maildir++, names in modified UTF-7 or UTF-8, as "Sent/2026". */
static void
name_maildir_plus(const char *entry, struct cv_buf *out)
{
	struct cv_buf text = CV_BUF_INIT(4 * MIGRATE_NAME_MAX);

	if (cv_utf7_decode(cv_str_z(entry + 1), &text) != CV_OK) {
		cv_buf_reset(&text);
		cv_buf_z(&text, entry + 1);
	}
	for (size_t i = 0; i < text.n; i++)
		cv_buf_c(out, text.p[i] == '.' ? '/' : text.p[i] == '/' ? '_' : text.p[i]);
	cv_buf_done(&text);
}

/* Links in a box are its owner's: they would bring in what he cannot read, since root may. */
static bool
is_link(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISLNK(st.st_mode);
}

/* Everything below PATH that IS_BOX is one, by name. ABOVE: name of PATH, "" for the top. */
static void
walk_tree(struct folders *f, const char *path, const char *above, unsigned depth,
	bool (*is_box)(const char *path))
{
	struct dirent **found = NULL;
	int n = depth < DEPTH_MAX ? scandir(path, &found, NULL, alphasort) : 0;

	for (int i = 0; i < n; i++) {
		const char *entry = found[i]->d_name;
		char inner[PATH_BYTES];
		struct cv_buf name = CV_BUF_INIT(2 * MIGRATE_NAME_MAX);
		bool is_long =
			snprintf(inner, sizeof inner, "%s/%s", path, entry) >= (int)sizeof inner;
		if (strcmp(entry, ".") != 0 && strcmp(entry, "..") != 0 && !is_long &&
			!is_link(inner)) {
			if (above[0])
				cv_buf_printf(&name, "%s/", above);
			if (entry[0] == '.' && is_maildir(inner))
				name_maildir_plus(entry, &name);
			else
				cv_buf_z(&name, entry);
			bool is_inner = !strcmp(entry, "cur") || !strcmp(entry, "new") ||
					!strcmp(entry, "tmp");
			if (is_box(inner))
				add(f, name.p, inner);
			if (is_dir(inner) && !is_inner)
				walk_tree(f, inner, name.p, depth + 1, is_box);
		}
		cv_buf_done(&name);
		free(found[i]);
	}
	free(found);
}

static enum cv_status
maildir_folders(
	struct migrate_source *s, struct migrate_folder **out, size_t *n_out, struct cv_err *err)
{
	struct folders f = {.list = cv_calloc(MIGRATE_FOLDERS_MAX, sizeof *f.list), .err = err};

	if (is_maildir(path_of(s)))
		add(&f, "INBOX", path_of(s));
	walk_tree(&f, path_of(s), "", 0, is_maildir);
	*out = f.list;
	*n_out = f.n;
	return f.status;
}

/* ---- Maildir ---- */

/* Info behind ":2,": flags as letters. */
static uint32_t
maildir_flags(const char *name)
{
	static const struct {
		char letter;
		uint32_t flag;
	} rows[] = {
		{'S', CV_FLAG_SEEN    },
		{'R', CV_FLAG_ANSWERED},
		{'F', CV_FLAG_FLAGGED },
		{'T', CV_FLAG_DELETED },
		{'D', CV_FLAG_DRAFT   }
	};
	const char *info = strstr(name, ":2,");
	uint32_t flags = 0;

	for (size_t i = 0; info && i < CV_COUNT(rows); i++)
		if (strchr(info + 3, rows[i].letter))
			flags |= rows[i].flag;
	return flags;
}

static enum cv_status
list_maildir(const char *folder, const char *part, struct migrate_list *list, struct cv_err *err)
{
	char dir[PATH_BYTES];
	struct dirent *d;
	enum cv_status status = CV_OK;

	snprintf(dir, sizeof dir, "%s/%s", folder, part);
	DIR *open = opendir(dir);
	if (!open)
		return errno == ENOENT
			       ? CV_OK
			       : cv_fail_errno(err, CV_DENIED, errno, "cannot read %s", dir);
	while (status == CV_OK && (d = readdir(open))) {
		char path[PATH_BYTES + 300];
		struct stat st;
		snprintf(path, sizeof path, "%s/%s", dir, d->d_name);
		if (d->d_name[0] == '.' || lstat(path, &st) || !S_ISREG(st.st_mode))
			continue;
		struct migrate_message *m = migrate_list_add(list);
		if (!m) {
			status = cv_fail(err, CV_LIMIT, "%s has too many messages", dir);
			break;
		}
		/* The part before the colon stays when flags change. */
		snprintf(m->key, sizeof m->key, "%.*s", (int)strcspn(d->d_name, ":"), d->d_name);
		m->path = cv_strdup(path);
		m->size = (uint64_t)st.st_size;
		m->secs = st.st_mtime; /* where Maildir keeps the internal date */
		m->zone = 420;
		m->flags = maildir_flags(d->d_name);
	}
	closedir(open);
	return status;
}

static int
by_key(const void *a, const void *b)
{
	const struct migrate_message *x = a, *y = b;

	return x->secs != y->secs ? (x->secs < y->secs ? -1 : 1) : strcmp(x->key, y->key);
}

static enum cv_status
maildir_messages(struct migrate_source *s, const struct migrate_folder *folder,
	struct migrate_list *list, struct cv_err *err)
{
	(void)s;
	enum cv_status status = list_maildir(folder->raw, "cur", list, err);
	if (status == CV_OK)
		status = list_maildir(folder->raw, "new", list, err);
	if (list->n)
		qsort(list->items, list->n, sizeof *list->items, by_key);
	return status;
}

static enum cv_status
file_read(struct migrate_source *s, const struct migrate_message *m, struct cv_buf *out,
	struct cv_err *err)
{
	struct cv_str bytes;
	enum cv_status status = admin_file_read(m->path, MIGRATE_MESSAGE_MAX, &bytes, err);

	(void)s;
	if (status != CV_OK)
		return status == CV_TEMPFAIL ? CV_DENIED : status; /* the file, not a connection */
	migrate_crlf(bytes, out);
	free((void *)(uintptr_t)bytes.p);
	return out->full ? cv_fail(err, CV_LIMIT, "larger than %u MB", MIGRATE_MESSAGE_MAX >> 20)
	       : out->n  ? CV_OK
			 : cv_fail(err, CV_INVALID, "an empty file");
}

static const struct migrate_source_ops maildir_ops = {
	.folders = maildir_folders,
	.messages = maildir_messages,
	.read = file_read,
	.close = file_close,
};

enum cv_status
migrate_maildir_open(const char *path, struct migrate_source **out, struct cv_err *err)
{
	return open_files(path, &maildir_ops, out, err);
}

/* ---- mbox ---- */

/* Begins with a "From " line that ends in a year, as all writers of mbox agree. */
static bool
is_mbox(const char *path)
{
	char line[6] = "";
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* a FIFO waits */

	if (fd < 0)
		return false;
	bool ok = !fstat(fd, &st) && S_ISREG(st.st_mode) && read(fd, line, 5) == 5 &&
		  !strcmp(line, "From ");
	close(fd);
	return ok;
}

static enum cv_status
mbox_folders(
	struct migrate_source *s, struct migrate_folder **out, size_t *n_out, struct cv_err *err)
{
	struct folders f = {.list = cv_calloc(MIGRATE_FOLDERS_MAX, sizeof *f.list), .err = err};

	if (is_dir(path_of(s)))
		walk_tree(&f, path_of(s), "", 0, is_mbox);
	else
		add(&f, "INBOX", path_of(s));
	*out = f.list;
	*n_out = f.n;
	return f.status;
}

struct mapped {
	const char *p;
	size_t n;
};

static enum cv_status
map_file(const char *path, struct mapped *out, struct cv_err *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*out = (struct mapped){0};
	if (fd < 0 || fstat(fd, &st)) {
		int why = errno;
		if (fd >= 0)
			close(fd);
		return cv_fail_errno(err, CV_DENIED, why, "cannot read %s", path);
	}
	if (st.st_size > 0 && (uint64_t)st.st_size <= MBOX_MAX) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED)
			*out = (struct mapped){p, (size_t)st.st_size};
	}
	close(fd);
	return out->p || !st.st_size ? CV_OK : cv_fail(err, CV_LIMIT, "cannot map %s", path);
}

static void
unmap(struct mapped *m)
{
	if (m->p)
		munmap((void *)(uintptr_t)m->p, m->n);
}

/* A line "From ..." behind an empty line, or at the beginning. */
static bool
is_from_line(struct mapped f, size_t at)
{
	bool behind_empty =
		at == 0 || (at >= 2 && f.p[at - 1] == '\n' &&
				   (f.p[at - 2] == '\n' || (at >= 3 && f.p[at - 2] == '\r' &&
								   f.p[at - 3] == '\n')));

	return behind_empty && f.n - at > 5 && !memcmp(f.p + at, "From ", 5);
}

static size_t
line_end(struct mapped f, size_t at)
{
	const char *end = memchr(f.p + at, '\n', f.n - at);

	return end ? (size_t)(end - f.p) + 1 : f.n;
}

/* "From user@host Mon Nov 22 08:00:05 2026": the date is what counts. */
static int64_t
date_of_from_line(struct cv_str line)
{
	struct cv_str rest = cv_str_trim(line), word[8];
	struct cv_date date;
	char text[80];
	size_t n = 0;

	while (n < CV_COUNT(word) && cv_str_split(&rest, ' ', &word[n]))
		n += word[n].n > 0;
	for (size_t i = 2; i + 4 < n + 1 && n >= 6; i++) {
		/* Mon Nov 22 08:00:05 2026 -> 22 Nov 2026 08:00:05 */
		if (i + 5 > n)
			break;
		snprintf(text, sizeof text, "%.*s %.*s %.*s %.*s +0000", CV_STR_ARGS(word[i + 2]),
			CV_STR_ARGS(word[i + 1]), CV_STR_ARGS(word[i + 4]),
			CV_STR_ARGS(word[i + 3]));
		if (cv_date_parse_mail(cv_str_z(text), &date) == CV_OK)
			return date.unix_secs;
	}
	return 0;
}

/* Status: and X-Status: of the header, as mail programs leave them. */
static uint32_t
mbox_flags(struct cv_str message)
{
	static const struct {
		const char *field;
		char letter;
		uint32_t flag;
	} rows[] = {
		{"Status:",   'R', CV_FLAG_SEEN    },
		{"X-Status:", 'A', CV_FLAG_ANSWERED},
		{"X-Status:", 'F', CV_FLAG_FLAGGED },
		{"X-Status:", 'D', CV_FLAG_DELETED },
		{"X-Status:", 'T', CV_FLAG_DRAFT   },
	};
	struct cv_str rest = message, line;
	uint32_t flags = 0;

	while (cv_str_split(&rest, '\n', &line) && cv_str_trim(line).n)
		for (size_t i = 0; i < CV_COUNT(rows); i++)
			if (cv_str_has_iprefix(line, rows[i].field) &&
				cv_str_find(line, rows[i].letter, strlen(rows[i].field)) < line.n)
				flags |= rows[i].flag;
	return flags;
}

static enum cv_status
add_mbox_message(const char *path, struct mapped f, size_t from, size_t end,
	struct migrate_list *list, struct cv_err *err)
{
	struct migrate_message *m = migrate_list_add(list);
	size_t body = line_end(f, from);
	uint8_t hash[32];

	if (!m)
		return cv_fail(err, CV_LIMIT, "%s has too many messages", path);
	m->path = cv_strdup(path);
	m->at = body;
	m->size = end - body;
	m->secs = date_of_from_line(cv_str(f.p + from, body - from));
	m->zone = 420;
	m->flags = mbox_flags(cv_str(f.p + body, CV_MIN(end - body, (size_t)65536)));
	/* An mbox has no names for messages: the content is the name. */
	SHA256((const unsigned char *)f.p + from, end - from, hash);
	for (size_t i = 0; i < 16; i++)
		snprintf(m->key + 2 * i, 3, "%02x", hash[i]);
	return CV_OK;
}

static enum cv_status
mbox_messages(struct migrate_source *s, const struct migrate_folder *folder,
	struct migrate_list *list, struct cv_err *err)
{
	struct mapped f;
	enum cv_status status = map_file(folder->raw, &f, err);

	(void)s;
	if (status == CV_OK && f.n && !is_from_line(f, 0))
		status = cv_fail(
			err, CV_INVALID, "%s is no mbox: it begins without \"From \"", folder->raw);
	for (size_t from = 0; status == CV_OK && from < f.n;) {
		size_t next = line_end(f, from);
		while (next < f.n && !is_from_line(f, next))
			next = line_end(f, next);
		status = add_mbox_message(folder->raw, f, from, next, list, err);
		from = next;
	}
	unmap(&f);
	return status;
}

/* ">From " was "From " (mboxrd); the empty line before the next "From " is not the message's. */
static void
put_unquoted(struct cv_str bytes, struct cv_buf *out)
{
	struct cv_str rest = bytes, line;

	while (rest.n) {
		const char *end = memchr(rest.p, '\n', rest.n);
		size_t n = end ? (size_t)(end - rest.p) + 1 : rest.n;
		line = cv_str(rest.p, n);
		size_t quotes = 0;
		while (quotes < line.n && line.p[quotes] == '>')
			quotes++;
		if (quotes && cv_str_has_prefix(cv_str_sub(line, quotes, line.n), "From "))
			line = cv_str_sub(line, 1, line.n);
		cv_buf_str(out, line);
		rest = cv_str_sub(rest, n, rest.n);
	}
}

static enum cv_status
mbox_read(struct migrate_source *s, const struct migrate_message *m, struct cv_buf *out,
	struct cv_err *err)
{
	struct mapped f;
	struct cv_buf plain = CV_BUF_INIT(MIGRATE_MESSAGE_MAX);
	enum cv_status status = map_file(m->path, &f, err);

	(void)s;
	if (status == CV_OK && (m->at > f.n || m->size > f.n - m->at))
		status = cv_fail(err, CV_NOT_FOUND, "the file was changed meanwhile");
	if (status == CV_OK) {
		struct cv_str bytes = cv_str(f.p + m->at, m->size);
		if (bytes.n >= 2 && bytes.p[bytes.n - 1] == '\n' && bytes.p[bytes.n - 2] == '\n')
			bytes.n--;
		else if (bytes.n >= 4 && !memcmp(bytes.p + bytes.n - 4, "\r\n\r\n", 4))
			bytes.n -= 2;
		put_unquoted(bytes, &plain);
		migrate_crlf(cv_buf_view(&plain), out);
		if (plain.full || out->full)
			status = cv_fail(
				err, CV_LIMIT, "larger than %u MB", MIGRATE_MESSAGE_MAX >> 20);
		else if (!out->n)
			status = cv_fail(err, CV_INVALID, "an empty message");
	}
	cv_buf_done(&plain);
	unmap(&f);
	return status;
}

static const struct migrate_source_ops mbox_ops = {
	.folders = mbox_folders,
	.messages = mbox_messages,
	.read = mbox_read,
	.close = file_close,
};

enum cv_status
migrate_mbox_open(const char *path, struct migrate_source **out, struct cv_err *err)
{
	return open_files(path, &mbox_ops, out, err);
}
