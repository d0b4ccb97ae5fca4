/* lockout_test.c - five failures lock a pair, answers come ever later, tries under way count. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/lockout.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/unit/check.h"

static struct sockaddr_storage
peer(const char *ip)
{
	struct sockaddr_storage out = {0};
	struct sockaddr_in *v4 = (void *)&out;
	struct sockaddr_in6 *v6 = (void *)&out;
	if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1)
		out.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1)
		out.ss_family = AF_INET6;
	return out;
}

static struct lockout_id
id_of(const struct lockout *l, const char *name, const char *ip)
{
	struct sockaddr_storage p = peer(ip);
	return lockout_id(l, cv_str_z(name), &p);
}

static void
test_lockout__a_pair_is_an_account_and_a_network(void **state)
{
	(void)state;
	static const struct {
		const char *name, *ip;
		bool is_same;
	} rows[] = {
		{ "an", "192.0.2.200", true },
		{ "AN", "192.0.2.1", true },
		{ "an", "::ffff:192.0.2.7", true },
		{ "an", "192.0.3.1", false },
		{ "binh", "192.0.2.1", false },
	};
	struct lockout *l = lockout_new();
	struct lockout_id own = id_of(l, "an", "192.0.2.1");
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].ip, (id_of(l, rows[i].name, rows[i].ip).pair == own.pair) ==
			rows[i].is_same);
	struct lockout_id six = id_of(l, "an", "2001:db8:1:2::1");
	CHECK("same /64", id_of(l, "an", "2001:db8:1:2:ffff::9").pair == six.pair);
	CHECK("other /64", id_of(l, "an", "2001:db8:1:3::1").pair != six.pair);
	lockout_free(l);
	CHECK_END();
}

static void
test_lockout__delays_double_and_the_fifth_failure_locks(void **state)
{
	(void)state;
	static const unsigned delays[] = { 250, 500, 1000, 2000, 2000, 2000 };
	struct lockout *l = lockout_new();
	struct lockout_id id = id_of(l, "an", "192.0.2.1"), far = id_of(l, "an", "198.51.100.1");
	for (unsigned i = 0; i < CV_COUNT(delays); i++) {
		assert_int_equal(lockout_is_locked(l, &id, 1000), i >= LOCKOUT_TRIES);
		lockout_fail(l, &id, 1000);
		assert_int_equal(lockout_delay_ms(l, &id, 1000), delays[i]);
	}
	assert_int_equal(lockout_begin(l, &id, 1000), LOCKOUT_LOCKED);
	assert_false(lockout_is_locked(l, &far, 1000));
	assert_int_equal(lockout_delay_ms(l, &far, 1000), 250);
	int64_t later = 1000 + LOCKOUT_SECS * 1000;
	assert_true(lockout_is_locked(l, &id, later - 1));
	assert_false(lockout_is_locked(l, &id, later));
	assert_int_equal(lockout_delay_ms(l, &id, later), 250);
	lockout_free(l);
}

static void
test_lockout__tries_under_way_count(void **state)
{
	(void)state;
	struct lockout *l = lockout_new();
	struct lockout_id id = id_of(l, "an", "192.0.2.1");
	for (unsigned i = 0; i < LOCKOUT_TRIES; i++)
		assert_int_equal(lockout_begin(l, &id, 1000), LOCKOUT_GO);
	assert_int_equal(lockout_begin(l, &id, 1000), LOCKOUT_CROWDED);
	lockout_end(l, &id);
	assert_int_equal(lockout_begin(l, &id, 1000), LOCKOUT_GO);
	lockout_fail(l, &id, 1000);
	lockout_end(l, &id);
	assert_int_equal(lockout_begin(l, &id, 1000), LOCKOUT_CROWDED);
	lockout_free(l);
}

static void
test_lockout__unlock_opens_an_account_from_everywhere(void **state)
{
	(void)state;
	static const char *const from[] = { "192.0.2.1", "198.51.100.1", "2001:db8::1" };
	struct lockout *l = lockout_new();
	struct lockout_id other = id_of(l, "binh", "192.0.2.1");
	for (size_t i = 0; i < CV_COUNT(from); i++) {
		struct lockout_id id = id_of(l, "an@lamgiang.example", from[i]);
		for (unsigned n = 0; n < LOCKOUT_TRIES; n++)
			lockout_fail(l, &id, 1000);
	}
	for (unsigned n = 0; n < LOCKOUT_TRIES; n++)
		lockout_fail(l, &other, 1000);
	assert_int_equal(lockout_unlock(l, CV_STR("An@lamgiang.example")), CV_COUNT(from));
	for (size_t i = 0; i < CV_COUNT(from); i++) {
		struct lockout_id id = id_of(l, "an@lamgiang.example", from[i]);
		assert_false(lockout_is_locked(l, &id, 1000));
	}
	assert_true(lockout_is_locked(l, &other, 1000));
	lockout_free(l);
}

/* Many names from one network: each answer waits although no pair has failed twice. */
static void
test_lockout__a_spraying_network_is_slowed_and_never_locked(void **state)
{
	(void)state;
	struct lockout *l = lockout_new();
	char name[32];
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "name%u", i);
		struct lockout_id id = id_of(l, name, "192.0.2.1");
		lockout_fail(l, &id, 1000);
	}
	struct lockout_id fresh = id_of(l, "fresh", "192.0.2.9");
	struct lockout_id far = id_of(l, "fresh", "10.0.0.1");
	assert_int_equal(lockout_delay_ms(l, &fresh, 1000), LOCKOUT_DELAY_MAX_MS);
	assert_int_equal(lockout_delay_ms(l, &far, 1000), LOCKOUT_DELAY_FIRST_MS);
	assert_int_equal(lockout_begin(l, &fresh, 1000), LOCKOUT_GO);
	lockout_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lockout__a_pair_is_an_account_and_a_network),
		cmocka_unit_test(test_lockout__delays_double_and_the_fifth_failure_locks),
		cmocka_unit_test(test_lockout__tries_under_way_count),
		cmocka_unit_test(test_lockout__unlock_opens_an_account_from_everywhere),
		cmocka_unit_test(test_lockout__a_spraying_network_is_slowed_and_never_locked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
