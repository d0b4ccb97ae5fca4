/* mails.c - see mails.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/tool/mails.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/base.h"

#define DEPTH_MAX 32
#define PATH_MAX_ 4096
#define STDIN_MAX (256u << 20)

struct reader {
	const struct spam_mails *m;
	uint64_t done_bytes, total_bytes;
	bool is_counting; /* the first round only adds up sizes */
	bool stopped;
	struct cv_buf message;
};

/* ---- texts ---- */

/* The line at AT: where the next one starts. */
static size_t
next_line(struct cv_str text, size_t at)
{
	size_t end = cv_str_find(text, '\n', at);

	return end < text.n ? end + 1 : text.n;
}

static bool
is_blank_line(struct cv_str line)
{
	return (line.n == 1 && line.p[0] == '\n') || (line.n == 2 && line.p[0] == '\r');
}

/* ">From ", ">>From ": quoted by whoever wrote the mbox. */
static bool
is_quoted_from(struct cv_str line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] == '>')
		n++;
	return n && cv_str_has_prefix(cv_str_sub(line, n, line.n), "From ");
}

static void
add_line(struct cv_buf *out, struct cv_str line)
{
	bool has_lf = line.n && line.p[line.n - 1] == '\n';
	bool has_cr = has_lf && line.n > 1 && line.p[line.n - 2] == '\r';

	cv_buf_str(out, cv_str_sub(line, 0, line.n - has_lf - has_cr));
	if (has_lf)
		cv_buf_z(out, "\r\n");
}

static void
give(struct reader *r, const char *name)
{
	if (r->message.full)
		r->m->fault(r->m->arg, name, "larger than 128 MB");
	else if (r->message.n && !r->m->fn(r->m->arg, name, cv_buf_view(&r->message)))
		r->stopped = true;
	cv_buf_reset(&r->message);
}

static void
read_message(struct reader *r, const char *name, struct cv_str text)
{
	for (size_t at = 0, next; at < text.n; at = next) {
		next = next_line(text, at);
		add_line(&r->message, cv_str_sub(text, at, next));
	}
	give(r, name);
}

/* A message ends where an empty line is followed by "From ". That empty line is the mbox's. */
static void
read_mbox(struct reader *r, const char *name, struct cv_str text)
{
	char numbered[PATH_MAX_ + 16];
	struct cv_str blank = CV_STR_EMPTY;
	bool was_blank = true;
	size_t number = 0;

	for (size_t at = 0, next; at < text.n && !r->stopped; at = next) {
		next = next_line(text, at);
		struct cv_str line = cv_str_sub(text, at, next);
		if (was_blank && cv_str_has_prefix(line, "From ")) {
			snprintf(numbered, sizeof numbered, "%s#%zu", name, number);
			give(r, numbered);
			number++;
			was_blank = false;
			blank = CV_STR_EMPTY;
			continue;
		}
		add_line(&r->message, blank);
		was_blank = is_blank_line(line);
		blank = was_blank ? line : CV_STR_EMPTY;
		if (!was_blank)
			add_line(&r->message, cv_str_sub(line, is_quoted_from(line), line.n));
	}
	snprintf(numbered, sizeof numbered, "%s#%zu", name, number);
	if (!r->stopped)
		give(r, numbered);
}

static void
read_text(struct reader *r, const char *name, struct cv_str text)
{
	if (cv_str_has_prefix(text, "From "))
		read_mbox(r, name, text);
	else
		read_message(r, name, text);
}

/* ---- files ---- */

static void
fault_errno(struct reader *r, const char *name)
{
	if (!r->is_counting)
		r->m->fault(r->m->arg, name, strerror(errno));
}

static void
read_file(struct reader *r, const char *name, const struct stat *st)
{
	size_t n = (size_t)st->st_size;

	if (r->is_counting || !n) {
		r->total_bytes += r->is_counting ? n : 0;
		return;
	}
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		fault_errno(r, name);
	} else {
		read_text(r, name, cv_str(p, n));
		munmap(p, n);
	}
	if (fd >= 0)
		close(fd);
	r->done_bytes += n;
	if (r->m->progress)
		r->m->progress(r->m->arg, r->done_bytes, r->total_bytes);
}

static void
read_stdin(struct reader *r)
{
	struct cv_buf text = CV_BUF_INIT(STDIN_MAX);
	char piece[65536];
	ssize_t n;

	if (r->is_counting)
		return;
	while ((n = read(STDIN_FILENO, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR))
		cv_buf_add(&text, piece, n > 0 ? (size_t)n : 0);
	if (n < 0)
		fault_errno(r, "-");
	else if (text.full)
		r->m->fault(r->m->arg, "-", "larger than 256 MB");
	else
		read_text(r, "-", cv_buf_view(&text));
	cv_buf_done(&text);
}

static void read_path(struct reader *r, const char *path, unsigned depth);

static bool
is_maildir(const char *folder)
{
	char cur[PATH_MAX_];
	struct stat st;

	snprintf(cur, sizeof cur, "%s/cur", folder);
	return !stat(cur, &st) && S_ISDIR(st.st_mode);
}

static void
read_folder(struct reader *r, const char *folder, unsigned depth)
{
	char path[PATH_MAX_];
	struct dirent **entries;
	bool has_maildir = is_maildir(folder);
	int count = scandir(folder, &entries, NULL, alphasort);

	if (count < 0) {
		fault_errno(r, folder);
		return;
	}
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		bool is_wanted = has_maildir ? !strcmp(name, "cur") || !strcmp(name, "new")
					     : name[0] != '.';
		int n = snprintf(path, sizeof path, "%s/%s", folder, name);
		if (is_wanted && n < (int)sizeof path && !r->stopped)
			read_path(r, path, depth + 1);
		free(entries[i]);
	}
	free(entries);
}

static void
read_path(struct reader *r, const char *path, unsigned depth)
{
	struct stat st, link;

	if (!strcmp(path, "-") && !depth)
		read_stdin(r);
	else if (stat(path, &st) || lstat(path, &link))
		fault_errno(r, path);
	else if (S_ISDIR(st.st_mode) && (!depth || !S_ISLNK(link.st_mode)) && depth < DEPTH_MAX)
		read_folder(r, path, depth);
	else if (S_ISREG(st.st_mode))
		read_file(r, path, &st);
	else if (!depth)
		r->m->fault(r->m->arg, path, "neither a file nor a folder");
}

bool
spam_mails_each(const struct spam_mails *m, const char *const *paths, size_t count)
{
	struct reader r = {.m = m, .message = CV_BUF_INIT(SPAM_MAILS_BYTES_MAX)};

	for (r.is_counting = m->progress != NULL;; r.is_counting = false) {
		for (size_t i = 0; i < count && !r.stopped; i++)
			read_path(&r, paths[i], 0);
		if (!r.is_counting)
			break;
	}
	cv_buf_done(&r.message);
	return !r.stopped;
}

bool
spam_mails_of(const struct spam_mails *m, const char *name, struct cv_str text)
{
	struct reader r = {.m = m, .message = CV_BUF_INIT(SPAM_MAILS_BYTES_MAX)};

	read_text(&r, name, text);
	cv_buf_done(&r.message);
	return !r.stopped;
}
