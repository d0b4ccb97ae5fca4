/* rates_test.c - token buckets: bursts, refilling, forgetting, networks, many threads. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "common/net/addr.h"
#include "common/net/rates.h"

#define T0 1000000 /* any moment, ms */

static void
test_bucket__allows_a_burst_and_then_the_rate(void **state)
{
	static const struct cv_rate ten_a_minute = {10, 60};
	struct cv_rates *t = cv_rates_new(1000);
	struct cv_str key = CV_STR("k");
	(void)state;

	for (int i = 0; i < 10; i++)
		assert_true(cv_rates_take(t, key, ten_a_minute, 1, T0));
	assert_false(cv_rates_take(t, key, ten_a_minute, 1, T0));
	assert_false(cv_rates_has(t, key, ten_a_minute, 1, T0 + 5999));
	assert_true(cv_rates_take(t, key, ten_a_minute, 1, T0 + 6000));
	assert_false(cv_rates_take(t, key, ten_a_minute, 1, T0 + 6000));
	/* A minute of silence fills it, and no more than that. */
	for (int i = 0; i < 10; i++)
		assert_true(cv_rates_take(t, key, ten_a_minute, 1, T0 + 3600000));
	assert_false(cv_rates_take(t, key, ten_a_minute, 1, T0 + 3600000));
	/* Others have their own. */
	assert_true(cv_rates_take(t, CV_STR("k2"), ten_a_minute, 10, T0));
	assert_false(cv_rates_take(t, CV_STR("k3"), ten_a_minute, 11, T0));
	assert_true(cv_rates_has(t, CV_STR("k3"), ten_a_minute, 10, T0));
	cv_rates_forget(t, key);
	assert_true(cv_rates_take(t, key, ten_a_minute, 10, T0 + 3600000));
	/* No limit. */
	for (int i = 0; i < 1000; i++)
		assert_true(cv_rates_take(t, key, (struct cv_rate){0, 60}, 1, T0));
	cv_rates_free(t);
}

static void
test_full_table__forgets_those_who_did_least(void **state)
{
	static const struct cv_rate rate = {100, 60};
	struct cv_rates *t = cv_rates_new(256);
	(void)state;

	for (int i = 0; i < 90; i++)
		assert_true(cv_rates_take(t, CV_STR("guesser"), rate, 1, T0));
	for (uint32_t i = 0; i < 100000; i++)
		assert_true(cv_rates_take(t, cv_str((const char *)&i, 4), rate, 1, T0));
	assert_true(cv_rates_has(t, CV_STR("guesser"), rate, 10, T0));
	assert_false(cv_rates_has(t, CV_STR("guesser"), rate, 11, T0));
	cv_rates_free(t);
}

static void
test_mark__ends(void **state)
{
	struct cv_rates *t = cv_rates_new(256);
	(void)state;

	assert_false(cv_rates_is_marked(t, CV_STR("a"), T0));
	cv_rates_mark(t, CV_STR("a"), T0 + 1000, T0);
	assert_true(cv_rates_is_marked(t, CV_STR("a"), T0 + 999));
	assert_false(cv_rates_is_marked(t, CV_STR("a"), T0 + 1000));
	assert_false(cv_rates_is_marked(t, CV_STR("b"), T0));
	cv_rates_free(t);
}

static void
test_network_key__is_cut_at_its_bits(void **state)
{
	static const struct { const char *a, *b; unsigned v4, v6; bool same; } rows[] = {
		{"192.0.2.1:1",             "192.0.2.254:1",                24, 64,  true },
		{"192.0.2.1:1",             "192.0.3.1:1",                  24, 64,  false},
		{"192.0.2.1:1",             "192.0.3.1:1",                  23, 64,  true },
		{"192.0.2.1:1",             "192.0.2.2:1",                  32, 64,  false},
		{"192.0.2.1:1",             "10.0.0.1:1",                   0,  64,  true },
		{"[2001:db8:0:1::1]:1",     "[2001:db8:0:1:ffff::1]:1",     24, 64,  true },
		{"[2001:db8:0:1::1]:1",     "[2001:db8:0:2::1]:1",          24, 64,  false},
		{"[2001:db8:0:1::1]:1",     "[2001:db8:0:1::2]:1",          24, 128, false},
		{"[::ffff:192.0.2.1]:1",    "192.0.2.9:1",                  24, 64,  true },
		{"[2001:db8:0:1::1]:1",     "192.0.2.9:1",                  0,  0,   false},
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct sockaddr_storage a, b;
		socklen_t n;
		struct cv_rate_key ka, kb, other;
		struct cv_err err;
		assert_int_equal(cv_sockaddr_parse(cv_str_z(rows[i].a), &a, &n, &err), CV_OK);
		assert_int_equal(cv_sockaddr_parse(cv_str_z(rows[i].b), &b, &n, &err), CV_OK);
		assert_true(cv_rate_key_network('c', &a, rows[i].v4, rows[i].v6, &ka));
		assert_true(cv_rate_key_network('c', &b, rows[i].v4, rows[i].v6, &kb));
		if (cv_str_eq(cv_rate_key_str(&ka), cv_rate_key_str(&kb)) != rows[i].same)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
		assert_true(cv_rate_key_network('d', &a, rows[i].v4, rows[i].v6, &other));
		assert_false(cv_str_eq(cv_rate_key_str(&ka), cv_rate_key_str(&other)));
	}
	struct sockaddr_storage local = {.ss_family = AF_UNIX};
	struct cv_rate_key key;
	assert_false(cv_rate_key_network('c', &local, 24, 64, &key));
}

struct crowd {
	struct cv_rates *t;
	atomic_uint taken;
};

static void *
take_many(void *arg)
{
	struct crowd *c = arg;
	for (uint32_t i = 0; i < 2000; i++) {
		struct cv_rate_key key;
		cv_rate_key_number('x', i % 10, &key);
		if (cv_rates_take(c->t, cv_rate_key_str(&key), (struct cv_rate){50, 60}, 1, T0))
			atomic_fetch_add(&c->taken, 1);
		cv_rate_key_number('y', i, &key);
		cv_rates_mark(c->t, cv_rate_key_str(&key), T0 + 1, T0);
	}
	return NULL;
}

static void
test_many_threads__get_no_more_than_there_is(void **state)
{
	struct crowd c = {.t = cv_rates_new(4096)};
	pthread_t threads[4];
	(void)state;

	for (size_t i = 0; i < CV_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, &c), 0);
	for (size_t i = 0; i < CV_COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&c.taken), 500);
	cv_rates_free(c.t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket__allows_a_burst_and_then_the_rate),
		cmocka_unit_test(test_full_table__forgets_those_who_did_least),
		cmocka_unit_test(test_mark__ends),
		cmocka_unit_test(test_network_key__is_cut_at_its_bits),
		cmocka_unit_test(test_many_threads__get_no_more_than_there_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
