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
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"

#define LINE_MAX_BYTES 4096
#define CUT_MARK       " [cut]"

static const char *program = "congvu";
static char *log_path;
static atomic_int max_level = CV_INFO;
static atomic_int log_fd = STDERR_FILENO;
static atomic_bool as_json;
static atomic_bool with_priority; /* standard error is the journal */
static char mark[20];             /* unguessable: stands before each key of a rendered format */

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

/* ---- JSON ---- */

#define JSON_TAIL ",\"cut\":true}" /* room for it is always kept */

/* True when C can be part of a key. */
static bool
is_key_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The length of a key with its '=' at the start of P, or 0. */
static size_t
key_length(const char *p)
{
	size_t n = 0;

	while (is_key_byte(p[n]))
		n++;
	return n && p[n] == '=' ? n + 1 : 0;
}

/* Whether the value that starts at P of a format is one decimal number. */
static bool
is_number(const char *p)
{
	if (*p++ != '%')
		return false;
	while (*p == 'l' || *p == 'h' || *p == 'z' || *p == 'j')
		p++;
	bool number = *p == 'd' || *p == 'i' || *p == 'u';
	return number && (p[1] == '\0' || p[1] == ' ');
}

/* FMT with MARK and a type before each key: what is between two marks is one field, whatever the
 * values hold. False when it does not fit. */
static bool
mark_format(const char *fmt, char *out, size_t room)
{
	size_t n = 0, mark_n = strlen(mark);
	bool at_start = true;

	for (const char *p = fmt; *p; p++) {
		size_t key = at_start ? key_length(p) : 0;
		if (n + mark_n + key + 4 > room)
			return false;
		if (key) {
			memcpy(out + n, mark, mark_n);
			n += mark_n;
			out[n++] = is_number(p + key) ? 'n' : 's';
			memcpy(out + n, p, key);
			n += key;
			p += key - 1;
		} else {
			out[n++] = *p;
		}
		at_start = *p == ' ' && p > fmt;
	}
	out[n] = '\0';
	return true;
}

/* Adds N bytes that must stay together. */
static void
json_raw(struct line *l, const char *p, size_t n)
{
	if (l->cut || l->n + n + sizeof JSON_TAIL + 2 > sizeof l->text) {
		l->cut = true;
		return;
	}
	memcpy(l->text + l->n, p, n);
	l->n += n;
}

/* The bytes of a JSON string: well-formed UTF-8 as it is, the rest as \u00NN. */
static void
json_text(struct line *l, const char *text, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0; i < n && !l->cut;) {
		size_t length = p[i] < 0x80 ? (p[i] >= 0x20 && p[i] != 0x7f)
					    : utf8_length(p + i, n - i);
		bool control = length == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0;
		if (p[i] == '"' || p[i] == '\\') {
			json_raw(l, (const char[]){'\\', (char)p[i]}, 2);
			i++;
		} else if (length && !control) {
			json_raw(l, text + i, length);
			i += length;
		} else {
			const char out[] = {'\\', 'u', '0', '0', hex[p[i] >> 4], hex[p[i] & 15]};
			json_raw(l, out, sizeof out);
			i++;
		}
	}
}

static void
json_string(struct line *l, const char *key, const char *text, size_t n)
{
	size_t before = l->n;
	bool first = l->n && l->text[l->n - 1] == '{';

	json_raw(l, first ? "\"" : ",\"", first ? 1 : 2);
	json_raw(l, key, strlen(key));
	json_raw(l, "\":\"", 3);
	if (l->cut) {
		l->n = before;
		return;
	}
	json_text(l, text, n);
	/* A value that did not fit ends early; the quote has room. */
	l->text[l->n++] = '"';
}

static bool
is_decimal(const char *p, size_t n)
{
	size_t i = n && p[0] == '-';

	if (i == n || n > 24)
		return false;
	for (; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

/* One field: "skey=value" or "nkey=value", N bytes. */
static void
json_field(struct line *l, const char *field, size_t n)
{
	const char *equals = memchr(field, '=', n);
	char key[64];

	if (!equals || (size_t)(equals - field) > sizeof key)
		return;
	snprintf(key, sizeof key, "%.*s", (int)(equals - field - 1), field + 1);
	const char *value = equals + 1;
	size_t value_n = n - (size_t)(value - field);
	while (value_n && value[value_n - 1] == ' ')
		value_n--;
	if (value_n >= 2 && value[0] == '"' && value[value_n - 1] == '"') {
		value++;
		value_n -= 2;
	}
	if (field[0] == 's' || !is_decimal(value, value_n)) {
		json_string(l, key, value, value_n);
		return;
	}
	char out[128];
	int out_n = snprintf(out, sizeof out, ",\"%s\":%.*s", key, (int)value_n, value);
	json_raw(l, out, (size_t)out_n);
}

static void
json_fields(struct line *l, const char *text, size_t n)
{
	size_t mark_n = strlen(mark);
	const char *end = text + n, *p = memmem(text, n, mark, mark_n);

	while (p && !l->cut) {
		p += mark_n;
		const char *next = memmem(p, (size_t)(end - p), mark, mark_n);
		json_field(l, p, (size_t)((next ? next : end) - p));
		p = next;
	}
}

static void
json_line(struct line *l, uint64_t conn_id, enum cv_level level, const char *event,
	const char *fmt, va_list args)
{
	static const char *const words[] = {"error", "warning", "info", "debug"};
	char format[1024], text[LINE_MAX_BYTES], number[64];
	struct line when = {.n = 0};

	add_time(&when);
	json_raw(l, "{", 1);
	json_string(l, "time", when.text, when.n);
	json_string(l, "severity", words[level], strlen(words[level]));
	json_string(l, "daemon", program, strlen(program));
	int n = snprintf(number, sizeof number, ",\"process\":%d", (int)getpid());
	json_raw(l, number, (size_t)n);
	if (conn_id) {
		n = snprintf(number, sizeof number, "%06" PRIx64, conn_id);
		json_string(l, "conn", number, (size_t)n);
	}
	json_string(l, "event", event, strlen(event));
	if (mark_format(fmt, format, sizeof format)) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		n = vsnprintf(text, sizeof text, format, args);
#pragma GCC diagnostic pop
		if (n > 0)
			json_fields(l, text, CV_MIN((size_t)n, sizeof text - 1));
		l->cut = l->cut || (size_t)n >= sizeof text;
	}
	if (l->cut) {
		memcpy(l->text + l->n, JSON_TAIL, sizeof JSON_TAIL - 1);
		l->n += sizeof JSON_TAIL - 1;
		l->cut = false; /* said */
	} else {
		l->text[l->n++] = '}';
	}
}

void
cv_log_json(bool json)
{
	atomic_store(&as_json, json);
}

/* systemd names the journal's socket by device and inode; only when it is ours are priorities
 * understood. */
static bool
stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (!text || fstat(STDERR_FILENO, &st))
		return false;
	snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return !strcmp(text, ours);
}

static void
make_mark(void)
{
	uint64_t random = 0;

	if (mark[0])
		return;
	if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
		random = (uint64_t)cv_mono_us() * 0x9e3779b97f4a7c15u;
	snprintf(mark, sizeof mark, "\x01%016" PRIx64, random);
}

void
cv_log_init(const char *name, enum cv_level level, const char *path)
{
	program = name;
	make_mark();
	atomic_store(&with_priority, !path && stderr_is_journal());
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
	if (atomic_load_explicit(&with_priority, memory_order_relaxed)) {
		static const char priorities[] = {'3', '4', '6', '7'};
		add(&l, (const char[]){'<', priorities[level], '>'}, 3);
	}
	va_list args;
	if (atomic_load_explicit(&as_json, memory_order_relaxed) && mark[0]) {
		va_start(args, fmt);
		json_line(&l, conn_id, level, event, fmt, args);
		va_end(args);
		write_line(&l);
		errno = errno_before;
		return;
	}
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
