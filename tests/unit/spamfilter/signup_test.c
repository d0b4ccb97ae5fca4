/* signup_test.c - events are counted by day, account and service, survive, and are listed. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "spamfilter/signup.h"
#include "tests/unit/check.h"

static char folder[] = "/tmp/congvu-signup-XXXXXX";

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

static struct spam_stats *stats;

static struct spam_signup *
open_events(const char *dir)
{
	struct cv_err err;
	enum cv_status status = spam_stats_open(dir, &stats, &err);

	if (status)
		print_error("%s\n", err.text);
	assert_int_equal(status, CV_OK);
	return spam_signup_new(stats);
}

static void
close_events(struct spam_signup *s)
{
	spam_stats_close(stats);
	spam_signup_free(s);
}

static json_int_t
count_of(struct spam_signup *s, unsigned days, size_t *rows_out)
{
	json_t *list, *row;
	json_int_t count = 0;
	size_t i;
	struct cv_err err;

	assert_int_equal(spam_signup_list(s,
		&(struct spam_signup_asked){.from = spam_stats_today() - days,
			.to = UINT32_MAX - 1, .limit = 1000}, &list, &err), CV_OK);
	json_array_foreach (list, i, row)
		count += json_integer_value(json_object_get(row, "count"));
	*rows_out = json_array_size(list);
	json_decref(list);
	return count;
}

static void *
note_many(void *s)
{
	for (int i = 0; i < 50; i++)
		spam_signup_note(s, 7, CV_STR("a@b.test"), CV_STR("race.test"), "code");
	return NULL;
}

static void
test_signup__counts_and_remembers(void **state)
{
	struct spam_signup *s = open_events(folder);
	pthread_t threads[4];
	size_t rows;

	(void)state;
	spam_signup_note(s, 1, CV_STR("a@b.test"), CV_STR("shop.test"), "code");
	spam_signup_note(s, 1, CV_STR("a@b.test"), CV_STR("shop.test"), "code");
	spam_signup_note(s, 2, CV_STR("c@b.test"), CV_STR("shop.test"), "code");
	spam_signup_note(s, 0, CV_STR("d@b.test"), CV_STR("shop.test"), "code");
	spam_signup_note(s, 0, CV_STR("e@b.test"), CV_STR("shop.test"), "code");
	CHECK("by account, and by address without one", count_of(s, 1, &rows) == 5 && rows == 4);
	for (size_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, note_many, s);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK("no count is lost between threads", count_of(s, 1, &rows) == 205 && rows == 5);
	close_events(s);
	s = open_events(folder);
	CHECK("they outlive the filter", count_of(s, 1, &rows) == 205 && rows == 5);
	cv_clock_shift(40 * 86400);
	spam_signup_note(s, 1, CV_STR("a@b.test"), CV_STR("shop.test"), "code");
	CHECK("a later day is another row", count_of(s, 100, &rows) == 206 && rows == 6);
	CHECK("the last days alone", count_of(s, 30, &rows) == 1 && rows == 1);
	cv_clock_shift(380 * 86400);
	spam_signup_note(s, 1, CV_STR("a@b.test"), CV_STR("shop.test"), "code");
	CHECK("after 400 days they go", count_of(s, 1000, &rows) == 2 && rows == 2);
	spam_stats_stop(stats);
	spam_signup_note(s, 1, CV_STR("a@b.test"), CV_STR("shop.test"), "code");
	CHECK("stopped, nothing is kept and nothing breaks", count_of(s, 1000, &rows) == 0);
	close_events(s);
	CHECK_END();
}

static void
test_signup__without_a_folder_keeps_nothing(void **state)
{
	struct spam_signup *s = open_events(NULL);
	size_t rows;

	(void)state;
	spam_signup_note(s, 1, CV_STR("a@b.test"), CV_STR("shop.test"), "code");
	CHECK("an empty list", count_of(s, 1, &rows) == 0 && rows == 0);
	close_events(s);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signup__counts_and_remembers),
		cmocka_unit_test(test_signup__without_a_folder_keeps_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
