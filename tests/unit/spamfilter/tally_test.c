/* tally_test.c - counters by key: bounded, aged, written behind, read again at any size. */
/* labels: tsan */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pthread.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "spamfilter/reputation/tally.h"
#include "tests/unit/check.h"
#include "tests/unit/common/scratch.h"

#define KEEP (30u * 86400)

static struct cv_engine *
open_engine(const char *dir)
{
	struct cv_engine_options o = {.dir = dir, .cache_bytes = 4u << 20};
	struct cv_engine *engine = NULL;
	struct cv_err err = {0};
	bool crashed;

	if (cv_engine_open(&o, &engine, &crashed, &err) != CV_OK)
		fail_msg("%s", err.text);
	return engine;
}

static struct spam_tally *
open_tally(struct cv_engine *engine, uint32_t entries_max, uint32_t keep_secs)
{
	struct spam_tally_options o = {cv_acct(CV_CLASS_STATS, 99), entries_max, keep_secs};
	struct spam_tally *t = NULL;
	struct cv_err err = {0};

	if (spam_tally_open(&o, engine, &t, &err) != CV_OK)
		fail_msg("%s", err.text);
	return t;
}

static void
write_and_close(struct spam_tally *t, struct cv_engine *engine)
{
	struct cv_err err = {0};

	if (spam_tally_write(t, engine, &err) != CV_OK)
		fail_msg("%s", err.text);
	spam_tally_close(t);
}

static struct spam_tally_key
key_of(unsigned n)
{
	struct cv_str part = {(const char *)&n, sizeof n};

	return spam_tally_key('t', &part, 1);
}

static uint32_t
count_of(struct spam_tally *t, unsigned n)
{
	struct spam_tally_entry e;

	return spam_tally_get(t, key_of(n), &e) ? e.counts[0] : 0;
}

static void
keys_know_where_their_parts_end(void **state)
{
	const struct cv_str a[] = {CV_STR("a"), CV_STR("bc")}, b[] = {CV_STR("ab"), CV_STR("c")};
	struct spam_tally_key one = spam_tally_key('x', a, 2), two = spam_tally_key('x', b, 2),
			      three = spam_tally_key('y', a, 2);

	(void)state;
	assert_memory_not_equal(&one, &two, sizeof one);
	assert_memory_not_equal(&one, &three, sizeof one);
	two = spam_tally_key('x', a, 2);
	assert_memory_equal(&one, &two, sizeof one);
}

static void
counts_add_up_and_stay_at_the_largest(void **state)
{
	struct spam_tally *t = open_tally(NULL, 64, KEEP);

	(void)state;
	assert_int_equal(count_of(t, 1), 0);
	spam_tally_add(t, key_of(1), 0, 5);
	struct spam_tally_entry e = spam_tally_add(t, key_of(1), 0, 2);
	assert_int_equal(e.counts[0], 7);
	e = spam_tally_add(t, key_of(1), 3, UINT32_MAX);
	e = spam_tally_add(t, key_of(1), 3, 9);
	assert_int_equal(e.counts[3], UINT32_MAX);
	assert_int_equal(e.counts[0], 7);
	assert_int_equal(spam_tally_used(t), 1);
	spam_tally_close(t);
}

static void
a_full_table_forgets_what_was_touched_longest_ago(void **state)
{
	struct spam_tally *t = open_tally(NULL, 8, KEEP);

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		spam_tally_add(t, key_of(i), 0, 1);
		cv_clock_shift(1);
	}
	spam_tally_add(t, key_of(0), 0, 1); /* touched again: the second is the oldest now */
	cv_clock_shift(1);
	spam_tally_add(t, key_of(100), 0, 1);
	assert_int_equal(count_of(t, 0), 2);
	assert_int_equal(count_of(t, 1), 0);
	assert_int_equal(count_of(t, 2), 1);
	assert_int_equal(count_of(t, 100), 1);
	assert_int_equal(spam_tally_used(t), 8);
	spam_tally_close(t);
}

static void
an_entry_left_alone_for_long_is_gone(void **state)
{
	struct spam_tally *t = open_tally(NULL, 64, 60);

	(void)state;
	spam_tally_add(t, key_of(1), 0, 9);
	cv_clock_shift(60);
	assert_int_equal(count_of(t, 1), 9);
	cv_clock_shift(2);
	assert_int_equal(count_of(t, 1), 0);
	assert_int_equal(spam_tally_add(t, key_of(1), 0, 1).counts[0], 1);
	spam_tally_close(t);
}

static void
what_was_counted_is_there_after_a_restart_whatever_the_size(void **state)
{
	char dir[64];

	scratch_make("tally", dir);
	static const uint32_t sizes[] = {4096, 16384, 2048, 4096};

	(void)state;
	for (size_t round = 0; round < CV_COUNT(sizes); round++) {
		struct cv_engine *engine = open_engine(dir);
		struct spam_tally *t = open_tally(engine, sizes[round], KEEP);
		for (unsigned i = 0; i < 300; i++) {
			CHECK("kept", count_of(t, i) == round * (i + 1));
			spam_tally_add(t, key_of(i), 0, i + 1);
		}
		write_and_close(t, engine);
		cv_engine_close(engine);
	}
	CHECK_END();
	scratch_remove(dir);
}

static void
rows_of_a_larger_table_do_not_come_back(void **state)
{
	char dir[64];

	scratch_make("tally", dir);
	struct cv_engine *engine = open_engine(dir);
	struct spam_tally *t = open_tally(engine, 8000, 100);

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		spam_tally_add(t, key_of(i), 0, 1);
	write_and_close(t, engine);
	t = open_tally(engine, 80, 100); /* most do not fit */
	size_t used = spam_tally_used(t);
	assert_in_range(used, 1, 80);
	write_and_close(t, engine);
	t = open_tally(engine, 8000, 100);
	assert_int_equal(spam_tally_used(t), used);
	write_and_close(t, engine);
	cv_engine_close(engine);
	scratch_remove(dir);
}

static void
broken_rows_are_passed_over(void **state)
{
	char dir[64];

	scratch_make("tally", dir);
	struct cv_engine *engine = open_engine(dir);
	struct cv_put puts[] = {
		{{"T\0\0\0\1", 5}, CV_STR("\1\7short")},
		{{"T\0\0\0\2", 5}, CV_STR("\xff")     },
		{{"T", 1},         CV_STR("\1\0")     },
		{{"T\0\0\0\3", 5}, CV_STR("")         },
	};
	struct cv_batch batch = {.acct = cv_acct(CV_CLASS_STATS, 99),
		.expect = CV_VERSION_ANY,
		.puts = puts,
		.count = CV_COUNT(puts)};
	struct cv_err err;
	cv_ticket ticket;

	(void)state;
	assert_int_equal(cv_meta_commit(engine, &batch, 1, &ticket, &err), CV_OK);
	assert_int_equal(batch.result, CV_OK);
	struct spam_tally *t = open_tally(engine, 64, KEEP);
	assert_int_equal(spam_tally_used(t), 0);
	spam_tally_add(t, key_of(1), 0, 3);
	write_and_close(t, engine);
	t = open_tally(engine, 64, KEEP);
	assert_int_equal(count_of(t, 1), 3);
	write_and_close(t, engine);
	cv_engine_close(engine);
	scratch_remove(dir);
}

struct race {
	struct spam_tally *t;
	struct cv_engine *engine;
	atomic_bool over;
};

static void *
count_many(void *arg)
{
	struct race *race = arg;

	for (unsigned i = 0; i < 20000; i++)
		spam_tally_add(race->t, key_of(i % 50), 0, 1);
	return NULL;
}

static void *
write_many(void *arg)
{
	struct race *race = arg;
	struct cv_err err;

	while (!atomic_load(&race->over))
		if (spam_tally_write(race->t, race->engine, &err) != CV_OK)
			return "a writing failed";
	return NULL;
}

static void
threads_count_while_it_is_written(void **state)
{
	char dir[64];

	scratch_make("tally", dir);
	struct cv_engine *engine = open_engine(dir);
	struct race race = {.t = open_tally(engine, 4096, KEEP), .engine = engine};
	pthread_t counters[4], writer;
	void *fault;

	(void)state;
	pthread_create(&writer, NULL, write_many, &race);
	for (size_t i = 0; i < CV_COUNT(counters); i++)
		pthread_create(&counters[i], NULL, count_many, &race);
	for (size_t i = 0; i < CV_COUNT(counters); i++)
		pthread_join(counters[i], NULL);
	atomic_store(&race.over, true);
	pthread_join(writer, &fault);
	assert_null(fault);
	write_and_close(race.t, engine);
	race.t = open_tally(engine, 4096, KEEP);
	for (unsigned i = 0; i < 50; i++)
		CHECK("count", count_of(race.t, i) == 4 * 20000 / 50);
	CHECK_END();
	write_and_close(race.t, engine);
	cv_engine_close(engine);
	scratch_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_know_where_their_parts_end),
		cmocka_unit_test(counts_add_up_and_stay_at_the_largest),
		cmocka_unit_test(a_full_table_forgets_what_was_touched_longest_ago),
		cmocka_unit_test(an_entry_left_alone_for_long_is_gone),
		cmocka_unit_test(what_was_counted_is_there_after_a_restart_whatever_the_size),
		cmocka_unit_test(rows_of_a_larger_table_do_not_come_back),
		cmocka_unit_test(broken_rows_are_passed_over),
		cmocka_unit_test(threads_count_while_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
