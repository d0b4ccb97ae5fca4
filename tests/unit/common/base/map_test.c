/* map_test.c - the table agrees with a plain array through a long random life. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "common/base/map.h"
#include "common/base/rng.h"

static void
test_put_get_del_and_each_agree_with_an_array(CV_UNUSED void **state)
{
	enum { KEYS = 500 };
	static int values[KEYS][2];
	int *model[KEYS] = {0};
	struct cv_map m;
	cv_map_init(&m);
	for (int step = 0; step < 60000; step++) {
		size_t k = cv_random_below(KEYS);
		char name[16];
		int n = snprintf(name, sizeof name, "key-%zu", k);
		struct cv_str key = cv_str(name, (size_t)n);
		/* Long phases of growing and of shrinking, so that graves pile up. */
		bool grow = step / 3000 % 2 == 0;
		if (cv_random_below(4) < (grow ? 3u : 1u)) {
			int *value = &values[k][cv_random_below(2)];
			assert_ptr_equal(cv_map_put(&m, key, value), model[k]);
			model[k] = value;
		} else {
			assert_ptr_equal(cv_map_del(&m, key), model[k]);
			model[k] = NULL;
		}
		assert_ptr_equal(cv_map_get(&m, key), model[k]);
		assert_true((m.used + m.dead) * 4 <= m.cap * 3);
	}
	size_t there = 0, seen = 0, pos = 0;
	for (size_t k = 0; k < KEYS; k++)
		there += model[k] != NULL;
	struct cv_str key;
	void *value;
	while (cv_map_each(&m, &pos, &key, &value)) {
		uint64_t k = 0;
		assert_int_equal(cv_str_u64(cv_str_sub(key, 4, key.n), KEYS - 1, &k), CV_OK);
		assert_ptr_equal(value, model[k]);
		seen++;
	}
	assert_int_equal(seen, there);
	assert_int_equal(m.used, there);
	cv_map_done(&m);
}

static void
test_entries_may_be_deleted_while_walking(CV_UNUSED void **state)
{
	struct cv_map m;
	cv_map_init(&m);
	int value;
	for (uint32_t i = 0; i < 100; i++)
		assert_null(cv_map_put(&m, cv_str((char *)&i, sizeof i), &value));
	size_t pos = 0, n = 0;
	struct cv_str key;
	void *found;
	for (; cv_map_each(&m, &pos, &key, &found); n++)
		assert_ptr_equal(cv_map_del(&m, key), &value);
	assert_int_equal(n, 100);
	assert_int_equal(m.used, 0);
	cv_map_done(&m);
}

static void
test_keys_are_bytes_and_are_copied(CV_UNUSED void **state)
{
	struct cv_map m;
	cv_map_init(&m);
	assert_null(cv_map_get(&m, CV_STR("absent")));
	assert_null(cv_map_del(&m, CV_STR("absent")));
	int a, b, c;
	char key[] = "k\0x";
	assert_null(cv_map_put(&m, cv_str(key, 3), &a));
	key[2] = 'y';
	assert_null(cv_map_put(&m, cv_str(key, 3), &b));
	assert_null(cv_map_put(&m, CV_STR_EMPTY, &c));
	assert_ptr_equal(cv_map_get(&m, CV_STR("k\0x")), &a);
	assert_ptr_equal(cv_map_get(&m, CV_STR("k\0y")), &b);
	assert_ptr_equal(cv_map_get(&m, CV_STR_EMPTY), &c);
	assert_null(cv_map_get(&m, CV_STR("k")));
	cv_map_done(&m);
	assert_null(cv_map_get(&m, CV_STR("k\0x")));
	assert_null(cv_map_put(&m, CV_STR("again"), &a));
	cv_map_done(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_get_del_and_each_agree_with_an_array),
		cmocka_unit_test(test_entries_may_be_deleted_while_walking),
		cmocka_unit_test(test_keys_are_bytes_and_are_copied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
