/* log.c - writing log lines.
 *
 * A line is built on the stack and written once, so lines of threads and of processes that share
 * a file (O_APPEND) never mix. What does not fit in a line is cut, and the line says so.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/base/clock.h"

#define LINE_MAX_BYTES 4096
#define CUT_MARK       " [cut]"

static const char *program = "congvu";
static char *log_path;
static atomic_int max_level = CV_INFO;
static atomic_int log_fd = STDERR_FILENO;

struct line {
	char text[LINE_MAX_BYTES];
	size_t n;
	bool cut;
};

/* Room for the mark and the newline is always kept. */
static void
add(struct line *l, const char *p, size_t n)
{
	if (l->cut || n > sizeof l->text - sizeof CUT_MARK - l->n) {
		l->cut = true;
		return;
	}
	memcpy(l->text + l->n, p, n);
	l->n += n;
}

static void
add_escaped(struct line *l, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";
	char out[4] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
	add(l, out, sizeof out);
}

/* The length of the well-formed UTF-8 sequence at P (RFC 3629, section 4), or 0. */
static size_t
utf8_length(const unsigned char *p, size_t n)
{
	static const struct {
		unsigned char first_low, first_high, second_low, second_high, length;
	} rows[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		if (p[0] < rows[i].first_low || p[0] > rows[i].first_high)
			continue;
		if (n < rows[i].length || p[1] < rows[i].second_low || p[1] > rows[i].second_high)
			return 0;
		for (size_t k = 2; k < rows[i].length; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].length;
	}
	return 0;
}

/* The number of bytes at the start of P that need no second look. */
static size_t
plain_length(const unsigned char *p, size_t n)
{
	size_t i = 0;
	while (i < n && p[i] >= 0x20 && p[i] < 0x7f)
		i++;
	return i;
}

static void
add_text(struct line *l, const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	for (size_t i = 0; i < n && !l->cut;) {
		size_t length = plain_length(p + i, n - i);
		size_t left = sizeof l->text - sizeof CUT_MARK - l->n;
		if (length) {
			add(l, text + i, CV_MIN(length, left));
			l->cut = length > left;
			i += length;
			continue;
		}
		length = p[i] < 0x80 ? 0 : utf8_length(p + i, n - i);
		/* U+0080 to U+009F are control characters to some terminals. */
		bool control = length == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0;
		if (length && !control) {
			add(l, text + i, length);
			i += length;
			continue;
		}
		for (size_t bad = CV_MAX(length, (size_t)1); bad; bad--)
			add_escaped(l, p[i++]);
	}
}

/* "2026-11-22T08:00:00" and "+07:00" change once a second: localtime_r takes a lock shared by all
 * threads, so each keeps its last answer. */
static void
add_time(struct line *l)
{
	static _Thread_local struct {
		time_t secs;
		char date[32], zone[24];
	} last = {.secs = -1};
	int64_t now = cv_wall_ms();
	time_t secs = (time_t)(now / 1000);
	if (secs != last.secs) {
		struct tm tm;
		localtime_r(&secs, &tm);
		long east = tm.tm_gmtoff / 60, size = east < 0 ? -east : east;
		strftime(last.date, sizeof last.date, "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(last.zone, sizeof last.zone, "%c%02ld:%02ld", east < 0 ? '-' : '+',
			size / 60, size % 60);
		last.secs = secs;
	}
	char out[64];
	int n = snprintf(out, sizeof out, "%s.%03d%s", last.date, (int)(now % 1000), last.zone);
	add(l, out, (size_t)n);
}

static void
write_line(struct line *l)
{
	if (l->cut) {
		memcpy(l->text + l->n, CUT_MARK, sizeof CUT_MARK - 1);
		l->n += sizeof CUT_MARK - 1;
	}
	l->text[l->n++] = '\n';
	/* A log that cannot be written has nowhere to complain; the service goes on. */
	while (write(atomic_load(&log_fd), l->text, l->n) < 0 && errno == EINTR)
		;
}

/* Replaces the descriptor under the same number, so that writers in other threads never see a
 * closed one. */
static bool
open_log(void)
{
	int fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd < 0)
		return false;
	int current = atomic_load(&log_fd);
	if (current == STDERR_FILENO) {
		atomic_store(&log_fd, fd);
		return true;
	}
	bool moved = dup3(fd, current, O_CLOEXEC) >= 0;
	close(fd);
	return moved;
}

void
cv_log_init(const char *name, enum cv_level level, const char *path)
{
	program = name;
	cv_log_level(level);
	tzset();
	free(log_path);
	log_path = path ? cv_strdup(path) : NULL;
	if (!path) {
		int before = atomic_exchange(&log_fd, STDERR_FILENO);
		if (before != STDERR_FILENO)
			close(before);
	} else if (!open_log()) {
		cv_log(0, CV_ERROR, "log.open-failed", "path=%s errno=%d", path, errno);
	}
}

void
cv_log_level(enum cv_level level)
{
	atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

bool
cv_log_wants(enum cv_level level)
{
	return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

void
cv_log_reopen(void)
{
	if (log_path && !open_log())
		cv_log(0, CV_ERROR, "log.open-failed", "path=%s errno=%d", log_path, errno);
}

void
cv_log(uint64_t conn_id, enum cv_level level, const char *event, const char *fmt, ...)
{
	static const char letters[] = {'E', 'W', 'I', 'D'}; /* as enum cv_level */
	if (!cv_log_wants(level))
		return;
	int errno_before = errno;
	struct line l;
	l.n = 0;
	l.cut = false;
	char text[LINE_MAX_BYTES];
	int n = snprintf(text, sizeof text, " %c %s[%d]", letters[level], program, (int)getpid());
	add_time(&l);
	add_text(&l, text, (size_t)n);
	if (conn_id) {
		n = snprintf(text, sizeof text, " c=%06" PRIx64, conn_id);
		add_text(&l, text, (size_t)n);
	}
	add(&l, " ", 1);
	add_text(&l, event, strlen(event));
	va_list args;
	va_start(args, fmt);
	n = vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (n > 0) {
		add(&l, " ", 1);
		add_text(&l, text, CV_MIN((size_t)n, sizeof text - 1));
		l.cut = l.cut || (size_t)n >= sizeof text;
	}
	write_line(&l);
	errno = errno_before;
}
