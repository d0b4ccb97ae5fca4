/* trace_read.c - finding the records of a message. See trace.h.
 *
 * Two passes over the segments: the first finds which messages have the term somewhere, the second
 * gives all records of those. The message that reports another's failure is one of "those": its id
 * stands in a record of the first. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/audit/trace.h"
#include "common/audit/trace_files.h"
#include "common/base/map.h"

#define HEAD "{\"m\":\""
#define CHILD "\"child\":\""
#define TERM_MAX 400u

/* ---- files ---- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct cv_trace_file *)a)->name,
		((const struct cv_trace_file *)b)->name);
}

enum cv_status
cv_trace_files_list(const char *dir, struct cv_trace_files *out, struct cv_err *err)
{
	DIR *d = opendir(dir);
	size_t room = 0;

	*out = (struct cv_trace_files){0};
	if (!d)
		return cv_fail_errno(err,
			errno == EACCES   ? CV_DENIED
			: errno == ENOENT ? CV_NOT_FOUND
					  : CV_TEMPFAIL,
			errno, "cannot open %s", dir);
	for (struct dirent *e; (e = readdir(d));) {
		struct stat st;
		uint64_t first;
		struct cv_str name = cv_str_z(e->d_name);
		if (name.n != 19 || strcmp(e->d_name + 13, ".trace")
			|| cv_str_u64(cv_str_sub(name, 0, 13), INT64_MAX, &first)
			|| fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW)
			|| !S_ISREG(st.st_mode))
			continue;
		if (out->count == room) {
			room = room ? room * 2 : 64;
			out->items = cv_realloc(out->items, room * sizeof *out->items);
		}
		struct cv_trace_file *f = &out->items[out->count++];
		*f = (struct cv_trace_file){.first_ms = (int64_t)first,
			.last_secs = (int64_t)st.st_mtime,
			.bytes = (uint64_t)st.st_size};
		memcpy(f->name, e->d_name, name.n + 1);
	}
	closedir(d);
	if (out->count)
		qsort(out->items, out->count, sizeof *out->items, by_name);
	return CV_OK;
}

void
cv_trace_files_done(struct cv_trace_files *files)
{
	free(files->items);
	*files = (struct cv_trace_files){0};
}

/* ---- searching ---- */

struct search {
	const char *dir;
	const struct cv_trace_query *q;
	struct cv_map ids;
	size_t count;
	bool more, stopped;
	cv_trace_fn *fn;
	void *arg;
	char term[2 * TERM_MAX + 3], lower[2 * TERM_MAX + 3]; /* as they stand in a record */
	size_t term_n, lower_n;
};

static void
quote(struct cv_str term, bool lower, char *out, size_t *n_out)
{
	size_t n = 0;

	out[n++] = '"';
	for (size_t i = 0; i < term.n; i++) {
		char c = term.p[i];
		if (lower && c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		if (c == '"' || c == '\\')
			out[n++] = '\\';
		out[n++] = c;
	}
	out[n++] = '"';
	*n_out = n;
}

/* The id of the message of LINE, or nothing when it is no record. */
static struct cv_str
id_of(struct cv_str line)
{
	size_t head = sizeof HEAD - 1;

	if (!cv_str_has_prefix(line, HEAD))
		return CV_STR_EMPTY;
	struct cv_str rest = cv_str_sub(line, head, line.n);
	return cv_str_sub(rest, 0, cv_str_find(rest, '"', 0));
}

static int64_t
time_of(struct cv_str line)
{
	static const char key[] = "\"t\":";
	const char *p = memmem(line.p, line.n, key, sizeof key - 1);
	int64_t t = 0;

	if (!p)
		return 0;
	for (p += sizeof key - 1; p < line.p + line.n && *p >= '0' && *p <= '9'; p++)
		t = t * 10 + (*p - '0');
	return t;
}

static bool
is_in_time(const struct cv_trace_query *q, struct cv_str line)
{
	int64_t t = q->since_ms || q->until_ms ? time_of(line) : 0;

	return (!q->since_ms || t >= q->since_ms) && (!q->until_ms || t <= q->until_ms);
}

static void
choose(struct search *s, struct cv_str id)
{
	if (!id.n || cv_map_get(&s->ids, id))
		return;
	if (s->count >= s->q->messages_max) {
		s->more = true;
		return;
	}
	cv_map_put(&s->ids, id, s);
	s->count++;
}

static struct cv_str
line_around(struct cv_str text, const char *at)
{
	const char *start = at, *end = memchr(at, '\n', (size_t)(text.p + text.n - at));

	while (start > text.p && start[-1] != '\n')
		start--;
	return cv_str(start, (size_t)((end ? end : text.p + text.n) - start));
}

static void
find_term(struct search *s, struct cv_str text, const char *term, size_t n)
{
	const char *p = text.p, *end = text.p + text.n;

	while ((p = memmem(p, (size_t)(end - p), term, n))) {
		struct cv_str line = line_around(text, p);
		/* Between quotes a key would do too; keys are followed by a colon. */
		if ((p + n >= end || p[n] != ':') && is_in_time(s->q, line))
			choose(s, id_of(line));
		p = line.p + line.n;
	}
}

static void
first_pass(struct search *s, struct cv_str text)
{
	find_term(s, text, s->term, s->term_n);
	if (s->lower_n != s->term_n || memcmp(s->lower, s->term, s->term_n))
		find_term(s, text, s->lower, s->lower_n);
}

static void
second_pass(struct search *s, struct cv_str text)
{
	struct cv_str line;

	while (!s->stopped && cv_str_split(&text, '\n', &line)) {
		struct cv_str id = id_of(line);
		if (!id.n || !cv_map_get(&s->ids, id))
			continue;
		const char *child = memmem(line.p, line.n, CHILD, sizeof CHILD - 1);
		if (child) {
			size_t at = (size_t)(child - line.p) + sizeof CHILD - 1;
			struct cv_str rest = cv_str_sub(line, at, line.n);
			choose(s, cv_str_sub(rest, 0, cv_str_find(rest, '"', 0)));
		}
		s->stopped = !s->fn(s->arg, line);
	}
}

static enum cv_status
each_file(struct search *s, const struct cv_trace_files *files,
	void (*pass)(struct search *s, struct cv_str text), struct cv_err *err)
{
	for (size_t i = 0; i < files->count && !s->stopped; i++) {
		const struct cv_trace_file *f = &files->items[i];
		char path[1300];
		struct stat st;
		bool too_old = s->q->since_ms && f->last_secs + 2 < s->q->since_ms / 1000;
		bool too_new = s->q->until_ms && f->first_ms > s->q->until_ms + 1000;
		if (pass == first_pass && (too_old || too_new))
			continue;
		snprintf(path, sizeof path, "%s/%s", s->dir, f->name);
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno == ENOENT)
			continue; /* its time was over */
		if (fd < 0 || fstat(fd, &st)) {
			int errnum = errno;
			if (fd >= 0)
				close(fd);
			return cv_fail_errno(err, errnum == EACCES ? CV_DENIED : CV_TEMPFAIL,
				errnum, "cannot read %s", path);
		}
		/* Read, not mapped: the writer may take back half a line when the disk is full. */
		char *p = cv_malloc((size_t)st.st_size + 1);
		size_t n = 0;
		ssize_t got = 1;
		for (; got > 0 && n < (size_t)st.st_size; n += (size_t)CV_MAX(got, 0))
			got = read(fd, p + n, (size_t)st.st_size - n);
		close(fd);
		pass(s, cv_str(p, n));
		free(p);
	}
	return CV_OK;
}

enum cv_status
cv_trace_search(const char *dir, const struct cv_trace_query *q, cv_trace_fn *fn, void *arg,
	bool *more_out, struct cv_err *err)
{
	struct search s = {.dir = dir, .q = q, .fn = fn, .arg = arg};
	struct cv_trace_files files;

	*more_out = false;
	if (!q->term.n || q->term.n > TERM_MAX)
		return cv_fail(err, CV_INVALID, "what to look for has 1 to %u bytes", TERM_MAX);
	quote(q->term, false, s.term, &s.term_n);
	quote(q->term, true, s.lower, &s.lower_n);
	enum cv_status status = cv_trace_files_list(dir, &files, err);
	if (status != CV_OK)
		return status;
	cv_map_init(&s.ids);
	status = each_file(&s, &files, first_pass, err);
	if (status == CV_OK && s.count)
		status = each_file(&s, &files, second_pass, err);
	*more_out = s.more;
	cv_map_done(&s.ids);
	cv_trace_files_done(&files);
	return status;
}
