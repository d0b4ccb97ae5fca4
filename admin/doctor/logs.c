/* logs.c - how often the log said error or warning in the last day, by event. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/doctor/doctor.h"
#include "common/base/clock.h"

#define TAIL_BYTES (32u << 20)
#define LINE_BYTES 8192
#define EVENTS_MAX 200u
#define SHOWN_MAX  8u

struct tally {
	char since[20]; /* "2026-11-22T08:00:00": as lines begin */
	json_t *errors; /* event -> count */
	json_int_t error_count, warning_count;
};

/* The words of a line in text form: time, level, program, maybe a connection, event. */
static void
count_text(struct tally *t, struct cv_str line)
{
	struct cv_str rest = line, word, event = CV_STR_EMPTY, level = CV_STR_EMPTY;

	for (unsigned i = 0; i < 5 && cv_str_split(&rest, ' ', &word); i++) {
		if (i == 1)
			level = word;
		else if (i > 1 && cv_str_find(word, '.', 0) < word.n &&
			 cv_str_find(word, '=', 0) == word.n && !event.n)
			event = word;
	}
	if (cv_str_ieq_z(level, "warn"))
		t->warning_count++;
	if (!cv_str_ieq_z(level, "error"))
		return;
	t->error_count++;
	char *name = cv_str_dup(event.n && event.n < 60 ? event : CV_STR("?"));
	if (json_object_size(t->errors) < EVENTS_MAX || json_object_get(t->errors, name)) {
		json_int_t n = admin_number(t->errors, name);
		json_object_set_new(t->errors, name, json_integer(n + 1));
	}
	free(name);
}

static void
count_json(struct tally *t, struct cv_str line)
{
	json_t *o = json_loadb(line.p, line.n, 0, NULL);
	const char *time_text = json_string_value(json_object_get(o, "time"));
	const char *severity = json_string_value(json_object_get(o, "severity"));
	const char *event = json_string_value(json_object_get(o, "event"));

	if (time_text && severity && strncmp(time_text, t->since, strlen(t->since)) >= 0) {
		bool is_error = !strcasecmp(severity, "error");
		t->error_count += is_error;
		t->warning_count += !strncasecmp(severity, "warn", 4);
		if (is_error && event && json_object_size(t->errors) < EVENTS_MAX)
			json_object_set_new(t->errors, event,
				json_integer(admin_number(t->errors, event) + 1));
	}
	json_decref(o);
}

static void
count_line(void *arg, struct cv_str line)
{
	struct tally *t = arg;

	/* Under systemd a priority stands first. */
	if (line.n > 3 && line.p[0] == '<' && line.p[2] == '>')
		line = cv_str_sub(line, 3, line.n);
	if (line.n && line.p[0] == '{')
		count_json(t, line);
	else if (line.n > 19 && strncmp(line.p, t->since, 19) >= 0)
		count_text(t, line);
}

static bool
read_tail(const char *path, struct tally *t)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	struct stat st;

	if (!f)
		return false;
	if (!fstat(fileno(f), &st) && st.st_size > (off_t)TAIL_BYTES) {
		(void)fseeko(f, st.st_size - (off_t)TAIL_BYTES, SEEK_SET);
		n = getline(&line, &room, f); /* the rest of a line */
	}
	while ((n = getline(&line, &room, f)) > 0)
		if (n < LINE_BYTES)
			count_line(t, cv_str_trim(cv_str(line, (size_t)n)));
	free(line);
	fclose(f);
	return true;
}

static void
report(struct doctor_job *j, const struct tally *t)
{
	const char *event;
	json_t *n;
	unsigned shown = 0;
	struct cv_buf text = CV_BUF_INIT(1000);

	json_object_foreach(t->errors, event, n)
	{
		if (shown++ < SHOWN_MAX)
			cv_buf_printf(&text, "%s%s %lld", text.n ? ", " : "", event,
				(long long)json_integer_value(n));
	}
	doctor_say(j, "errors", !t->error_count, j->d->main->log_file,
		"%lld%s%s; %s %lld", (long long)t->error_count, text.n ? ": " : "",
		text.n ? text.p : "", admin_say(j->d->call, "warnings", "cảnh báo"),
		(long long)t->warning_count);
	cv_buf_done(&text);
}

void
doctor_logs(struct doctor_job *j)
{
	struct tally t = {.errors = json_object()};
	time_t since = (time_t)cv_wall_secs() - 86400;
	struct tm tm;

	localtime_r(&since, &tm);
	(void)strftime(t.since, sizeof t.since, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!j->d->main->log_file[0])
		doctor_find(j, "errors", DOCTOR_NOTE, "log_file", "%s",
			"journalctl -u congvu -p err --since -1d");
	else if (read_tail(j->d->main->log_file, &t))
		report(j, &t);
	else
		doctor_find(j, "errors", DOCTOR_NOTE, j->d->main->log_file, "%s", strerror(errno));
	json_decref(t.errors);
}
