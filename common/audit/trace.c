/* trace.c - writing trace records: memory, a thread, segments. See trace.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/audit/trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/audit/trace_files.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/charset.h"

#define MEMORY_MAX (4u << 20) /* gathered while the disk is slow; more is dropped and counted */
#define WAKE_BYTES (256u << 10)
#define WAKE_MS 500
#define SEGMENT_MAX (64u << 20)
#define VALUE_MAX_BYTES 600u
#define PRUNE_MS (10 * 60 * 1000)

struct cv_trace {
	char *dir;
	pthread_t thread;
	pthread_mutex_t lock; /* over the next lines */
	pthread_cond_t more;
	struct cv_buf gathered;
	uint64_t dropped;
	bool ended;
	unsigned days;
	uint64_t max_bytes;
	pthread_mutex_t file_lock; /* over the segment */
	int fd;                    /* -1: none */
	uint64_t segment_bytes;
	bool failing;              /* said once */
	int64_t prune_ms;
};

/* ---- records ---- */

static void
put_text(struct cv_buf *b, struct cv_str s, bool lower)
{
	size_t n = CV_MIN(s.n, (size_t)VALUE_MAX_BYTES);

	/* A cut does not stand inside a character. A peer's bytes may be no UTF-8; JSON must be. */
	while (n < s.n && n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	bool is_text = cv_utf8_is_valid(cv_str(s.p, n));
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (lower && c >= 'A' && c <= 'Z')
			c = (unsigned char)(c + 32);
		if (c == '"' || c == '\\')
			cv_buf_c(b, '\\');
		if (c < 0x20 || c == 0x7f)
			cv_buf_printf(b, "\\u%04x", c);
		else if (c >= 0x80 && !is_text)
			cv_buf_c(b, '?');
		else
			cv_buf_c(b, (char)c);
	}
}

void
cv_trace_put(struct cv_trace *t, struct cv_str id, const char *event,
	const struct cv_trace_field *fields, size_t count)
{
	struct cv_buf b = CV_BUF_INIT(16u << 10);

	if (!t)
		return;
	cv_buf_z(&b, "{\"m\":\"");
	put_text(&b, id, false);
	cv_buf_printf(&b, "\",\"t\":%" PRId64 ",\"e\":\"%s\"", cv_wall_ms(), event);
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].value.n)
			continue;
		cv_buf_printf(&b, ",\"%s\":\"", fields[i].key);
		put_text(&b, fields[i].value, fields[i].is_address);
		cv_buf_c(&b, '"');
	}
	cv_buf_z(&b, "}\n");
	pthread_mutex_lock(&t->lock);
	if (!t->days) {
		/* nothing is kept */
	} else if (b.full || t->gathered.n + b.n > MEMORY_MAX) {
		t->dropped++;
	} else {
		cv_buf_str(&t->gathered, cv_buf_view(&b));
		if (t->gathered.n >= WAKE_BYTES)
			pthread_cond_signal(&t->more);
	}
	pthread_mutex_unlock(&t->lock);
	cv_buf_done(&b);
}

/* ---- segments ---- */

static void
say_failing(struct cv_trace *t, const char *what, int errnum)
{
	if (!t->failing)
		cv_log(0, CV_ERROR, "trace.failed", "what=%s dir=%s errno=%d", what, t->dir,
			errnum);
	t->failing = true;
}

static bool
open_segment(struct cv_trace *t)
{
	char path[1200];

	if (t->fd >= 0 && t->segment_bytes < SEGMENT_MAX)
		return true;
	if (t->fd >= 0)
		close(t->fd);
	snprintf(path, sizeof path, "%s/%013" PRId64 ".trace", t->dir, cv_wall_ms());
	t->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	t->segment_bytes = 0;
	if (t->fd < 0)
		say_failing(t, "open", errno);
	return t->fd >= 0;
}

/* Whole lines, or the rest of a line that a full disk cut is taken back. */
static bool
write_all(struct cv_trace *t, struct cv_str text)
{
	off_t before = lseek(t->fd, 0, SEEK_END);
	size_t done = 0;

	while (done < text.n) {
		ssize_t n = write(t->fd, text.p + done, text.n - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			say_failing(t, "write", errno);
			if (before >= 0 && ftruncate(t->fd, before))
				say_failing(t, "truncate", errno);
			return false;
		}
		done += (size_t)n;
	}
	t->segment_bytes += text.n;
	t->failing = false;
	return true;
}

static void
prune(struct cv_trace *t, unsigned days, uint64_t max_bytes)
{
	struct cv_trace_files files;
	struct cv_err err;
	uint64_t total = 0;
	int64_t oldest = cv_wall_secs() - (int64_t)days * 86400;

	if (cv_trace_files_list(t->dir, &files, &err) != CV_OK)
		return;
	for (size_t i = 0; i < files.count; i++)
		total += files.items[i].bytes;
	/* The newest stays: it is being written. */
	for (size_t i = 0; i + 1 < files.count; i++) {
		const struct cv_trace_file *f = &files.items[i];
		char path[1300];
		if (f->last_secs >= oldest && total <= max_bytes)
			break;
		snprintf(path, sizeof path, "%s/%s", t->dir, f->name);
		if (!unlink(path))
			cv_log(0, CV_INFO, "trace.removed", "file=%s bytes=%" PRIu64, f->name,
				f->bytes);
		total -= f->bytes;
	}
	cv_trace_files_done(&files);
}

void
cv_trace_flush(struct cv_trace *t)
{
	struct cv_buf fresh = CV_BUF_INIT(MEMORY_MAX + (64u << 10)), out;

	pthread_mutex_lock(&t->file_lock);
	pthread_mutex_lock(&t->lock);
	out = t->gathered;
	t->gathered = fresh;
	uint64_t dropped = t->dropped;
	t->dropped = 0;
	unsigned days = t->days;
	uint64_t max_bytes = t->max_bytes;
	pthread_mutex_unlock(&t->lock);
	bool kept = !out.n || (open_segment(t) && write_all(t, cv_buf_view(&out)));
	if (!kept || dropped)
		cv_log(0, CV_WARN, "trace.lost", "records=%" PRIu64 " bytes=%zu", dropped,
			kept ? (size_t)0 : out.n);
	if (cv_mono_ms() >= t->prune_ms) {
		t->prune_ms = cv_mono_ms() + PRUNE_MS;
		prune(t, CV_MAX(days, 1u), max_bytes);
	}
	pthread_mutex_unlock(&t->file_lock);
	cv_buf_done(&out);
}

static void *
writer(void *arg)
{
	struct cv_trace *t = arg;
	bool ended = false;

	while (!ended) {
		struct timespec until;
		pthread_mutex_lock(&t->lock);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += WAKE_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		while (!t->ended && t->gathered.n < WAKE_BYTES
			&& pthread_cond_timedwait(&t->more, &t->lock, &until) != ETIMEDOUT)
			;
		ended = t->ended;
		pthread_mutex_unlock(&t->lock);
		cv_trace_flush(t);
	}
	return NULL;
}

enum cv_status
cv_trace_open(const char *dir, unsigned days, uint64_t max_bytes, struct cv_trace **out,
	struct cv_err *err)
{

	if (mkdir(dir, 0700) && errno != EEXIST)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", dir);
	struct cv_trace *t = cv_calloc(1, sizeof *t);
	t->dir = cv_strdup(dir);
	t->fd = -1;
	t->days = days;
	t->max_bytes = max_bytes;
	cv_buf_init(&t->gathered, MEMORY_MAX + (64u << 10));
	pthread_mutex_init(&t->lock, NULL);
	pthread_mutex_init(&t->file_lock, NULL);
	cv_cond_init(&t->more);
	int errnum = pthread_create(&t->thread, NULL, writer, t);
	if (errnum) {
		t->thread = 0;
		cv_trace_close(t);
		return cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot start a thread");
	}
	*out = t;
	return CV_OK;
}

void
cv_trace_limits(struct cv_trace *t, unsigned days, uint64_t max_bytes)
{
	pthread_mutex_lock(&t->lock);
	t->days = days;
	t->max_bytes = max_bytes;
	pthread_mutex_unlock(&t->lock);
}

void
cv_trace_close(struct cv_trace *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->ended = true;
	pthread_cond_signal(&t->more);
	pthread_mutex_unlock(&t->lock);
	if (t->thread)
		pthread_join(t->thread, NULL);
	if (t->fd >= 0)
		close(t->fd);
	cv_buf_done(&t->gathered);
	pthread_cond_destroy(&t->more);
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->file_lock);
	free(t->dir);
	free(t);
}
