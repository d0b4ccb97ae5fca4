/* agencies_test.c - verdicts are counted by agency and day, survive, are listed and go (SPM-09). */
/* labels: tsan */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "spamfilter/agencies.h"
#include "spamfilter/verdict.h"
#include "tests/unit/check.h"

static char folder[] = "/tmp/congvu-agencies-XXXXXX";
static struct spam_stats *stats;
static struct spam_agencies *agencies;

static int
setup(void **state)
{
	(void)state;
	return !mkdtemp(folder);
}

static int
teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

static void
open_all(const char *dir)
{
	struct cv_err err;

	if (spam_stats_open(dir, &stats, &err))
		fail_msg("%s", err.text);
	agencies = spam_agencies_new(stats);
	if (spam_stats_start(stats, &err))
		fail_msg("%s", err.text);
}

static void
close_all(void)
{
	spam_stats_close(stats);
	spam_agencies_free(agencies);
}

static void
note(const char *agency, bool is_submission, enum spam_action action, enum spam_rule rule)
{
	struct spam_verdict v = {.action = action};

	if (rule < SPAM_RULES)
		v.found[v.count++].rule = rule;
	spam_agencies_note(agencies, cv_str_z(agency), is_submission, &v);
}

/* The sum of PATH ("messages", "actions/junk", "rules/signup") over the rows. */
static json_int_t
sum(const char *agency, unsigned days, const char *group, const char *key, size_t *rows_out)
{
	uint32_t today = spam_stats_today();
	json_t *list, *row;
	json_int_t n = 0;
	size_t i;
	struct cv_err err;

	assert_int_equal(spam_agencies_list(agencies, today - days, today, cv_str_z(agency), &list,
				 &err),
		CV_OK);
	json_array_foreach (list, i, row)
		n += json_integer_value(
			json_object_get(group ? json_object_get(row, group) : row, key));
	*rows_out = json_array_size(list);
	json_decref(list);
	return n;
}

static void *
note_many(void *arg)
{
	size_t rows;

	for (int i = 0; i < 100; i++) {
		note("race", false, SPAM_JUNK, SPAM_RULE_SIGNUP);
		if (i % 50 == 49)
			(void)sum("race", 0, NULL, "messages", &rows);
	}
	return arg;
}

static void
test_SPM_09__verdicts_are_counted_by_agency_and_day(void **state)
{
	pthread_t threads[4];
	size_t rows;

	(void)state;
	open_all(folder);
	note("stp", false, SPAM_PASS, SPAM_RULES);
	note("stp", false, SPAM_JUNK, SPAM_RULE_SIGNUP);
	note("stp", true, SPAM_PASS, SPAM_RULES);
	note("syt", false, SPAM_REFUSE, SPAM_RULE_SPF_FAIL);
	note("", false, SPAM_REFUSE, SPAM_RULE_SPF_FAIL);
	note("a-code-that-is-much-longer-than-any-code-of-an-agency", false, SPAM_PASS, SPAM_RULES);
	CHECK("messages", sum("", 0, NULL, "messages", &rows) == 6);
	CHECK("rows by direction", rows == 4);
	CHECK("one agency", sum("stp", 0, NULL, "messages", &rows) == 3 && rows == 2);
	CHECK("actions", sum("stp", 0, "actions", "junk", &rows) == 1);
	CHECK("rules", sum("", 0, "rules", "spf-fail", &rows) == 2);
	CHECK("nobody's", sum("-", 0, NULL, "messages", &rows) == 2 && rows == 1);
	for (size_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, note_many, NULL);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK("no count is lost between threads", sum("race", 0, NULL, "messages", &rows) == 400);
	note("stp", false, SPAM_MARK, SPAM_RULES);
	close_all();
	open_all(folder);
	CHECK("what was in memory is written at the end",
		sum("stp", 0, "actions", "mark", &rows) == 1);
	CHECK("all of it", sum("", 0, NULL, "messages", &rows) == 407 && rows == 5);
	cv_clock_shift(86400);
	note("stp", false, SPAM_PASS, SPAM_RULES);
	CHECK("a day is a row", sum("stp", 1, NULL, "messages", &rows) == 5 && rows == 3);
	CHECK("the last day alone", sum("stp", 0, NULL, "messages", &rows) == 1 && rows == 1);
	cv_clock_shift(401 * 86400);
	note("stp", false, SPAM_PASS, SPAM_RULES);
	(void)sum("", 0, NULL, "messages", &rows);
	CHECK("after 400 days they go", sum("", 3000, NULL, "messages", &rows) == 1 && rows == 1);
	close_all();
	CHECK_END();
}

/* A tool stops as soon as it is done: perhaps before the writing thread has begun. */
static void
test_SPM_09__a_stop_right_after_the_start_loses_nothing(void **state)
{
	size_t rows;

	(void)state;
	for (int i = 0; i < 20; i++) {
		open_all(folder);
		note("brief", false, SPAM_PASS, SPAM_RULES);
		close_all();
	}
	open_all(folder);
	CHECK("all were written", sum("brief", 0, NULL, "messages", &rows) == 20);
	close_all();
	CHECK_END();
}

static void
test_memory__is_bounded(void **state)
{
	char code[20];
	size_t rows;

	(void)state;
	open_all(folder);
	for (int i = 0; i < SPAM_AGENCIES_ROWS_MAX + 100; i++) {
		snprintf(code, sizeof code, "bound%d", i);
		note(code, false, SPAM_PASS, SPAM_RULES);
	}
	json_int_t n = sum("", 0, NULL, "messages", &rows);
	CHECK("what is over is lost",
		n >= SPAM_AGENCIES_ROWS_MAX && n <= SPAM_AGENCIES_ROWS_MAX + 101);
	note("bound", false, SPAM_PASS, SPAM_RULES);
	CHECK("and room is made by writing", sum("bound", 0, NULL, "messages", &rows) == 1);
	close_all();
	CHECK_END();
}

static void
test_without_a_folder__nothing_is_kept(void **state)
{
	size_t rows;

	(void)state;
	open_all(NULL);
	note("stp", false, SPAM_PASS, SPAM_RULES);
	CHECK("an empty list", sum("", 0, NULL, "messages", &rows) == 0 && rows == 0);
	close_all();
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_SPM_09__verdicts_are_counted_by_agency_and_day),
		cmocka_unit_test(test_SPM_09__a_stop_right_after_the_start_loses_nothing),
		cmocka_unit_test(test_memory__is_bounded),
		cmocka_unit_test(test_without_a_folder__nothing_is_kept),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
