/* rng_test.c - random bytes and the clocks. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/rng.h"

static void
test_every_bit_of_every_size_varies(CV_UNUSED void **state)
{
	static const size_t sizes[] = {1, 7, 8, 100, 128, 129, 512, 513, 2000};
	for (size_t i = 0; i < CV_COUNT(sizes); i++) {
		unsigned char any[2000] = {0}, all[2000];
		memset(all, 0xff, sizeof all);
		for (int round = 0; round < 100; round++) {
			unsigned char bytes[2001] = {0};
			bytes[sizes[i]] = 0xa5;
			cv_random(bytes, sizes[i]);
			assert_int_equal(bytes[sizes[i]], 0xa5);
			for (size_t k = 0; k < sizes[i]; k++) {
				any[k] |= bytes[k];
				all[k] &= bytes[k];
			}
		}
		for (size_t k = 0; k < sizes[i]; k++) {
			assert_int_equal(any[k], 0xff);
			assert_int_equal(all[k], 0);
		}
	}
}

static void
test_below_is_uniform_and_keeps_its_bound(CV_UNUSED void **state)
{
	size_t seen[7] = {0};
	for (int i = 0; i < 70000; i++) {
		uint64_t v = cv_random_below(7);
		assert_true(v < 7);
		seen[v]++;
	}
	for (size_t i = 0; i < CV_COUNT(seen); i++)
		assert_in_range(seen[i], 9400, 10600);
	assert_true(cv_random_below(1) == 0);
	/* A bound just above 2^63 throws away nearly half of the draws and must still end. */
	for (int i = 0; i < 100; i++)
		assert_true(cv_random_below((1ull << 63) + 1) <= 1ull << 63);
}

static void
test_a_fork_does_not_repeat_its_parent(CV_UNUSED void **state)
{
	int ends[2];
	uint64_t theirs = 0;
	(void)cv_random_u64(); /* fills the buffer that the child inherits */
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (!child) {
		theirs = cv_random_u64();
		_exit(write(ends[1], &theirs, sizeof theirs) != sizeof theirs);
	}
	uint64_t ours = cv_random_u64();
	assert_int_equal(read(ends[0], &theirs, sizeof theirs), sizeof theirs);
	waitpid(child, NULL, 0);
	close(ends[0]);
	close(ends[1]);
	assert_true(ours != theirs);
}

static void *
draw(void *arg)
{
	uint64_t *out = arg;
	for (int i = 0; i < 1000; i++)
		out[i] = cv_random_u64();
	return NULL;
}

static int
compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void
test_threads_draw_different_numbers(CV_UNUSED void **state)
{
	static uint64_t drawn[4000];
	pthread_t threads[4];
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, draw, drawn + 1000 * i), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	qsort(drawn, CV_COUNT(drawn), sizeof drawn[0], compare_u64);
	for (size_t i = 1; i < CV_COUNT(drawn); i++)
		assert_true(drawn[i] != drawn[i - 1]);
}

static void
test_clocks_move_forward_and_the_wall_can_be_shifted(CV_UNUSED void **state)
{
	int64_t mono = cv_mono_us(), wall = cv_wall_ms();
	struct timespec ts = {.tv_nsec = 3000000};
	nanosleep(&ts, NULL);
	assert_true(cv_mono_us() >= mono + 3000);
	assert_true(llabs(cv_mono_ms() - cv_mono_us() / 1000) <= 1);
	assert_true(cv_wall_ms() >= wall);
	assert_true(llabs((long long)(cv_wall_secs() - (int64_t)time(NULL))) <= 1);
	mono = cv_mono_ms();
	cv_clock_shift(86400 * 365);
	assert_true(cv_wall_secs() - (int64_t)time(NULL) >= 86400 * 365 - 1);
	assert_true(cv_mono_ms() - mono < 60000);
	cv_clock_shift(-86400 * 365);
	assert_true(llabs((long long)(cv_wall_secs() - (int64_t)time(NULL))) <= 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_bit_of_every_size_varies),
		cmocka_unit_test(test_below_is_uniform_and_keeps_its_bound),
		cmocka_unit_test(test_a_fork_does_not_repeat_its_parent),
		cmocka_unit_test(test_threads_draw_different_numbers),
		cmocka_unit_test(test_clocks_move_forward_and_the_wall_can_be_shifted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
