/* schedule_test.c - the timetable, what is remembered, and runs that fail, hang and are killed.
 *
 * A run is this program again: with "--conf" it plays the job that the words behind it name.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "admin/schedule/schedule.h"
#include "common/base/clock.h"

static char dir[] = "/tmp/cv_schedule_XXXXXX";

/* "2026-11-23 02:30" in the test's time zone. */
static int64_t
at(const char *text)
{
	struct tm tm = { .tm_isdst = -1 };

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
	return (int64_t)mktime(&tm);
}

static struct cv_when
when(const char *text)
{
	struct cv_when w;
	struct cv_err err = { 0 };

	assert_int_equal(cv_when_parse(cv_str_z(text), &w, &err), CV_OK);
	return w;
}

/* ---- times ---- */

static void
test_when__names_the_times_before_and_after(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *when, *now, *before, *after;
	} rows[] = {
		{ "every 1m",          "2026-11-23 10:00", "2026-11-23 10:00", "2026-11-23 10:01" },
		{ "every 90m",         "2026-11-23 10:00", "2026-11-23 10:00", "2026-11-23 11:30" },
		{ "hourly",            "2026-11-23 10:30", "2026-11-23 10:00", "2026-11-23 11:00" },
		{ "hourly :20",        "2026-11-23 10:19", "2026-11-23 09:20", "2026-11-23 10:20" },
		{ "hourly :20",        "2026-11-23 10:20", "2026-11-23 10:20", "2026-11-23 11:20" },
		{ "daily 02:30",       "2026-11-23 02:29", "2026-11-22 02:30", "2026-11-23 02:30" },
		{ "daily 02:30",       "2026-11-23 02:30", "2026-11-23 02:30", "2026-11-24 02:30" },
		{ "daily 0:00",        "2026-12-31 23:59", "2026-12-31 00:00", "2027-01-01 00:00" },
		{ "weekly mon 06:00",  "2026-11-23 05:59", "2026-11-16 06:00", "2026-11-23 06:00" },
		{ "weekly SUN 06:00",  "2026-11-23 05:59", "2026-11-22 06:00", "2026-11-29 06:00" },
		{ "monthly 1 00:15",   "2026-12-15 12:00", "2026-12-01 00:15", "2027-01-01 00:15" },
		{ "monthly 31 23:00",  "2027-02-28 22:59", "2027-01-31 23:00", "2027-02-28 23:00" },
		{ "monthly 31 23:00",  "2027-02-28 23:00", "2027-02-28 23:00", "2027-03-31 23:00" },
		{ "monthly 29 01:00",  "2028-02-29 01:00", "2028-02-29 01:00", "2028-03-29 01:00" },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_when w = when(rows[i].when);
		CHECK(rows[i].when, cv_when_before(&w, at(rows[i].now)) == at(rows[i].before));
		CHECK(rows[i].when, cv_when_after(&w, at(rows[i].now)) == at(rows[i].after));
	}
	CHECK_END();
}

static void
test_when__refuses_what_is_no_time(void **state)
{
	(void)state;
	static const char *const rows[] = { "", " ", "daily", "daily 24:00", "daily 2:3",
		"daily 02:60", "daily 02:30 x", "every", "every 0m", "every 5", "every 5s",
		"every 25h", "every 1441m", "hourly 20", "hourly :60", "hourly :5",
		"weekly 02:30", "weekly foo 02:30", "monthly 0 02:30", "monthly 32 02:30",
		"off now", "midnight", "daily 99999999999999999999:00" };
	struct cv_when w;
	struct cv_err err;

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i], cv_when_parse(cv_str_z(rows[i]), &w, &err) == CV_INVALID);
	CHECK_END();
	w = when("off");
	assert_int_equal(cv_when_before(&w, at("2026-11-23 10:00")), 0);
	assert_true(cv_when_after(&w, at("2026-11-23 10:00")) == INT64_MAX);
}

/* Where clocks change, a day has one time like any other day: 02:30 does not exist on this one. */
static void
test_when__comes_once_on_days_of_other_lengths(void **state)
{
	(void)state;
	struct cv_when w = when("daily 02:30");

	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	int64_t t = at("2026-03-28 12:00"), last = 0;
	for (int i = 0; i < 4; i++, last = t) {
		t = cv_when_after(&w, t);
		assert_true(t > last);
		assert_int_equal(cv_when_before(&w, t), t);
		if (last)
			assert_in_range(t - last, 22 * 3600, 26 * 3600);
	}
	setenv("TZ", "Asia/Ho_Chi_Minh", 1);
	tzset();
}

/* ---- the plan ---- */

static void
test_plan__begins_with_the_next_time_and_catches_up_once(void **state)
{
	(void)state;
	struct cv_when w = when("daily 02:30");
	struct admin_job_record r = { 0 };
	int64_t now = at("2026-11-23 10:00");

	/* Never seen: nothing runs at once. */
	assert_true(admin_job_settle(&r, &w, "daily 02:30", now));
	assert_true(admin_job_next(&r, &w, now) == at("2026-11-24 02:30"));
	assert_false(admin_job_settle(&r, &w, "daily 02:30", now + 60));
	/* Four days away: one run, at once. */
	now = at("2026-11-27 09:00");
	assert_true(admin_job_next(&r, &w, now) <= now);
	r.started = now;
	admin_job_settle_end(&r, cv_when_before(&w, now), "ok", 0, now + 5);
	assert_true(admin_job_next(&r, &w, now + 5) == at("2026-11-28 02:30"));
	assert_int_equal(r.good, now);
}

static void
test_plan__tries_again_after_growing_pauses(void **state)
{
	(void)state;
	static const int64_t pauses[] = { 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600 };
	struct cv_when w = when("daily 02:30");
	struct admin_job_record r = { .slot = at("2026-11-22 02:30"), .when = "daily 02:30" };
	int64_t now = at("2026-11-23 02:30"), slot = now;

	for (unsigned i = 0; i < CV_COUNT(pauses); i++) {
		assert_true(admin_job_next(&r, &w, now) <= now);
		admin_job_settle_end(&r, slot, "failed", 69, now);
		assert_int_equal(r.failures, i + 1);
		assert_true(admin_job_next(&r, &w, now) == now + pauses[i]);
		assert_int_equal(admin_job_is_alarming(i + 1), i + 1 == 3 || i + 1 == 6);
		now += pauses[i];
	}
	/* A new time does not shorten the pause, success ends it. */
	admin_job_settle_end(&r, slot, "ok", 0, now);
	assert_int_equal(r.failures, 0);
	assert_true(admin_job_next(&r, &w, now) == at("2026-11-24 02:30"));
	/* What was stopped with the service runs again at once, and is no failure. */
	now = at("2026-11-24 02:30");
	admin_job_settle_end(&r, now, "stopped", -1, now);
	assert_int_equal(r.failures, 0);
	assert_true(admin_job_next(&r, &w, now) <= now);
}

static void
test_plan__survives_clocks_that_are_set(void **state)
{
	(void)state;
	struct cv_when w = when("daily 02:30");
	struct admin_job_record r = { .slot = at("2027-11-23 02:30"), .when = "daily 02:30",
		.retry_at = at("2027-11-23 03:00"), .failures = 2 };
	int64_t now = at("2026-11-23 10:00");

	/* A year ahead by mistake, and back: not silent for a year. */
	assert_true(admin_job_settle(&r, &w, "daily 02:30", now));
	assert_true(admin_job_next(&r, &w, now) == at("2026-11-24 02:30"));
	/* What asks for changes since the last good run does not wait for that year either. */
	r.good = at("2027-11-23 02:30");
	assert_true(admin_job_settle(&r, &w, "daily 02:30", now));
	assert_int_equal(r.good, 0);
	r.good = now + 60; /* a little back, as time servers do: nothing is done twice for it */
	assert_false(admin_job_settle(&r, &w, "daily 02:30", now));
	assert_int_equal(r.good, now + 60);
	r.good = 0;
	/* Some minutes back over the time itself: not twice. */
	r.slot = at("2026-11-23 02:30");
	now = at("2026-11-23 02:25");
	assert_false(admin_job_settle(&r, &w, "daily 02:30", now));
	assert_true(admin_job_next(&r, &w, now) == at("2026-11-24 02:30"));
	/* A pause from the future counts no more. */
	r.slot = at("2026-11-22 02:30");
	r.retry_at = at("2027-01-01 00:00");
	now = at("2026-11-23 10:00");
	assert_true(admin_job_next(&r, &w, now) <= now);
	/* Another timetable begins with its next time. */
	struct cv_when later = when("daily 08:00");
	assert_true(admin_job_settle(&r, &later, "daily 08:00", now));
	assert_true(admin_job_next(&r, &later, now) == at("2026-11-24 08:00"));
	/* Off, paused, running: not by itself. */
	struct cv_when off = when("off");
	assert_true(admin_job_next(&r, &off, now) == INT64_MAX);
	r.paused = true;
	assert_true(admin_job_next(&r, &later, at("2026-11-25 10:00")) == INT64_MAX);
}

/* ---- the table ---- */

static void
test_jobs__are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < admin_jobs_count; i++) {
		const struct admin_job *j = &admin_jobs[i];
		char noun[60], verb[60] = "";
		bool known = false;
		assert_true(sscanf(j->words, "%59s %59s", noun, verb) >= 1);
		for (size_t c = 0; c < admin_commands_count; c++)
			known = known || (!strcmp(admin_commands[c]->noun, noun) &&
						 (!admin_commands[c]->verb ||
							 !strcmp(admin_commands[c]->verb, verb)));
		CHECK(j->name, known);
		CHECK(j->name, strlen(j->name) <= ADMIN_JOB_NAME_MAX && j->limit_secs >= 30);
		CHECK(j->name, admin_job_find(j->name) == j && j->help[0] && j->help_vi[0]);
		struct cv_conf *conf;
		struct cv_err err;
		struct cv_when w;
		const char *text;
		assert_int_equal(cv_conf_parse(CV_STR(""), "test", cv_sections, cv_sections_count,
					 &conf, &err),
			CV_OK);
		CHECK(j->name, admin_job_when(j, conf, &w, &text, &err) == CV_OK);
		cv_conf_free(conf);
	}
	CHECK_END();
}

/* ---- memory ---- */

static void
set_slot(struct admin_job_record *r, void *arg)
{
	r->slot = *(const int64_t *)arg;
	r->paused = true;
	snprintf(r->error, sizeof r->error, "lỗi \"x\"");
}

static void
test_record__is_kept_for_each_job(void **state)
{
	(void)state;
	struct admin_job_record r;
	struct cv_err err = { 0 };
	int64_t one = 111, two = 222;

	assert_int_equal(admin_job_load(dir, "one", &r, &err), CV_OK);
	assert_int_equal(r.slot, 0);
	assert_int_equal(admin_job_change(dir, "one", set_slot, &one, &err), CV_OK);
	assert_int_equal(admin_job_change(dir, "two", set_slot, &two, &err), CV_OK);
	assert_int_equal(admin_job_load(dir, "one", &r, &err), CV_OK);
	assert_true(r.slot == 111 && r.paused && !strcmp(r.error, "lỗi \"x\""));
	assert_int_equal(admin_job_load(dir, "two", &r, &err), CV_OK);
	assert_int_equal(r.slot, 222);
}

static void
test_record__that_is_damaged_is_said_not_overwritten(void **state)
{
	(void)state;
	char path[200];
	struct admin_job_record r;
	struct cv_err err = { 0 };
	int64_t one = 1;

	snprintf(path, sizeof path, "%s/state.json", dir);
	FILE *f = fopen(path, "we");
	fputs("{\"one\": {\"slot\"", f);
	fclose(f);
	assert_int_equal(admin_job_load(dir, "one", &r, &err), CV_CORRUPT);
	assert_int_equal(admin_job_change(dir, "one", set_slot, &one, &err), CV_CORRUPT);
	assert_non_null(strstr(err.text, "state.json"));
	unlink(path);
}

/* ---- runs ---- */

/* What the jobs below do, in the child. */
static int
play(const char *what)
{
	if (!strcmp(what, "fail")) {
		fputs("first line\ncongvu: the register does not answer\n", stderr);
		return EXIT_DOWN;
	}
	if (!strcmp(what, "talk")) /* more than a pipe holds, and no line end */
		for (int i = 0; i < 300000; i++)
			fputc('x', stderr);
	if (!strcmp(what, "deaf"))
		signal(SIGTERM, SIG_IGN);
	if (!strcmp(what, "hang") || !strcmp(what, "deaf"))
		for (;;)
			pause();
	return !strcmp(what, "partly") ? EXIT_PARTLY : EXIT_OK;
}

static struct admin_job_record
finish(struct admin_job_run *run, int *exit_out)
{
	struct admin_job_record r;
	struct cv_err err = { 0 };
	int status;

	while (waitpid(run->pid, &status, WNOHANG) == 0) {
		admin_job_watch(run);
		poll(NULL, 0, 10);
	}
	*exit_out = admin_job_reaped(dir, run, status, false);
	assert_int_equal(admin_job_load(dir, run->job->name, &r, &err), CV_OK);
	return r;
}

static void
test_run__remembers_how_it_ended(void **state)
{
	(void)state;
	static const struct {
		const char *what, *result, *error;
		int exit_code;
		unsigned failures;
	} rows[] = {
		{ "well", "ok", "", 0, 0 },
		{ "partly", "partly", "", 2, 0 },
		{ "fail", "failed", "congvu: the register does not answer", 69, 1 },
		{ "talk", "ok", "", 0, 0 },
		{ "hang", "too-long", "", -1, 1 },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct admin_job job = { .name = rows[i].what, .words = rows[i].what,
			.limit_secs = !strcmp(rows[i].what, "hang") ? 1 : 120 };
		struct admin_job_run run;
		struct cv_err err = { 0 };
		int exit_code;
		assert_int_equal(admin_job_start(dir, "x", &job, 5000, false, &run, &err), CV_OK);
		struct admin_job_record r = finish(&run, &exit_code);
		CHECK(rows[i].what, !strcmp(r.result, rows[i].result));
		CHECK(rows[i].what, !strcmp(r.error, rows[i].error));
		CHECK(rows[i].what, r.exit_code == rows[i].exit_code && !r.running);
		CHECK(rows[i].what, r.failures == rows[i].failures);
		CHECK(rows[i].what, (r.slot == 5000) == !rows[i].failures);
		CHECK(rows[i].what, (r.retry_at > r.ended) == (rows[i].failures > 0));
	}
	CHECK_END();
}

static void
test_run__is_killed_when_it_hears_nothing(void **state)
{
	(void)state;
	struct admin_job job = { .name = "deaf", .words = "deaf", .limit_secs = 1 };
	struct admin_job_run run;
	struct cv_err err = { 0 };
	int exit_code;

	assert_int_equal(admin_job_start(dir, "x", &job, 1, false, &run, &err), CV_OK);
	/* The ten seconds of grace are over sooner here. */
	while (!run.is_told) {
		admin_job_watch(&run);
		poll(NULL, 0, 10);
	}
	poll(NULL, 0, 200);
	assert_int_equal(kill(run.pid, 0), 0);
	run.end_at_ms = cv_mono_ms();
	struct admin_job_record r = finish(&run, &exit_code);
	assert_string_equal(r.result, "too-long");
}

/* The lock is the job's own: it holds while the job lives, whoever started it. */
static void
test_run__never_goes_twice_at_once(void **state)
{
	(void)state;
	struct admin_job job = { .name = "hang", .words = "hang", .limit_secs = 1000 };
	struct admin_job_run run, second;
	struct cv_err err = { 0 };
	int status;

	assert_int_equal(admin_job_start(dir, "x", &job, 1, false, &run, &err), CV_OK);
	assert_int_equal(
		admin_job_start(dir, "x", &job, 1, false, &second, &err), CV_CONFLICT);
	/* As if the scheduler was killed: its own descriptor is gone, the child goes on. */
	close(run.lock_fd);
	assert_int_equal(
		admin_job_start(dir, "x", &job, 1, false, &second, &err), CV_CONFLICT);
	assert_false(admin_job_bury(dir, &job));
	kill(run.pid, SIGKILL);
	assert_int_equal(waitpid(run.pid, &status, 0), run.pid);
	close(run.error_fd);
	/* Nobody noted its end: it is found later, and tried again. */
	assert_true(admin_job_bury(dir, &job));
	struct admin_job_record r;
	assert_int_equal(admin_job_load(dir, "hang", &r, &err), CV_OK);
	assert_string_equal(r.result, "interrupted");
	assert_true(!r.running && r.failures >= 1 && r.retry_at > 0);
}

static int
remove_dir(void **state)
{
	(void)state;
	char command[100];

	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

int
main(int argc, char **argv)
{
	if (argc > 3 && !strcmp(argv[1], "--conf"))
		return play(argv[3]);
	setenv("TZ", "Asia/Ho_Chi_Minh", 1);
	tzset();
	if (!mkdtemp(dir))
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_when__names_the_times_before_and_after),
		cmocka_unit_test(test_when__refuses_what_is_no_time),
		cmocka_unit_test(test_when__comes_once_on_days_of_other_lengths),
		cmocka_unit_test(test_plan__begins_with_the_next_time_and_catches_up_once),
		cmocka_unit_test(test_plan__tries_again_after_growing_pauses),
		cmocka_unit_test(test_plan__survives_clocks_that_are_set),
		cmocka_unit_test(test_jobs__are_sound),
		cmocka_unit_test(test_record__is_kept_for_each_job),
		cmocka_unit_test(test_record__that_is_damaged_is_said_not_overwritten),
		cmocka_unit_test(test_run__remembers_how_it_ended),
		cmocka_unit_test(test_run__is_killed_when_it_hears_nothing),
		cmocka_unit_test(test_run__never_goes_twice_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, remove_dir);
}
