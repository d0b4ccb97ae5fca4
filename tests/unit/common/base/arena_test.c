/* arena_test.c - pieces are zeroed, aligned, apart, and all gone at once. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/arena.h"

static void
test_pieces_of_every_size_are_zeroed_aligned_and_apart(CV_UNUSED void **state)
{
	static const size_t sizes[] = {
		0, 1, 15, 16, 17, 100, 1000, 4000, 4096, 16000, 16384, 16385, 65536, 1u << 20};
	struct cv_arena a = CV_ARENA_INIT;
	for (int round = 0; round < 3; round++) {
		unsigned char *pieces[8 * CV_COUNT(sizes)];
		for (size_t i = 0; i < CV_COUNT(pieces); i++) {
			size_t n = sizes[(i * 5) % CV_COUNT(sizes)];
			pieces[i] = cv_arena_alloc(&a, n);
			assert_int_equal((uintptr_t)pieces[i] % 16, 0);
			for (size_t k = 0; k < n; k++)
				assert_int_equal(pieces[i][k], 0);
			memset(pieces[i], (int)i + 1, n);
		}
		for (size_t i = 0; i < CV_COUNT(pieces); i++) {
			size_t n = sizes[(i * 5) % CV_COUNT(sizes)];
			for (size_t k = 0; k < n; k++)
				assert_int_equal(pieces[i][k], i + 1);
		}
		assert_true(a.used_bytes > 8u << 20);
		cv_arena_reset(&a);
		assert_int_equal(a.used_bytes, 0);
	}
	cv_arena_done(&a);
	assert_null(a.blocks);
}

static void
test_reset_keeps_one_block_for_the_next_command(CV_UNUSED void **state)
{
	struct cv_arena a = CV_ARENA_INIT;
	cv_arena_reset(&a);
	assert_null(a.blocks);
	void *first = cv_arena_alloc(&a, 100);
	for (int i = 0; i < 1000; i++)
		(void)cv_arena_alloc(&a, 500);
	cv_arena_reset(&a);
	assert_non_null(a.blocks);
	assert_ptr_equal(cv_arena_alloc(&a, 100), first);
	cv_arena_done(&a);
}

static void
test_strings_are_copied_with_a_nul(CV_UNUSED void **state)
{
	struct cv_arena a = CV_ARENA_INIT;
	char source[] = "a\0b";
	struct cv_str copy = cv_arena_str(&a, cv_str(source, 3));
	char *z = cv_arena_z(&a, CV_STR_EMPTY);
	source[0] = 'x';
	assert_int_equal(copy.n, 3);
	assert_memory_equal(copy.p, "a\0b\0", 4);
	assert_string_equal(z, "");
	for (int n = 250; n < 260; n++) {
		struct cv_str s = cv_arena_printf(&a, "%*d", n, 5);
		assert_int_equal(s.n, n);
		assert_int_equal(strlen(s.p), n);
		assert_int_equal(s.p[n - 1], '5');
	}
	cv_arena_done(&a);
}

static void
test_an_array_whose_size_overflows_ends_the_process(CV_UNUSED void **state)
{
	int how;
	pid_t child = fork();
	if (!child) {
		struct cv_arena a = CV_ARENA_INIT;
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		(void)CV_ARENA_ARRAY(&a, uint64_t, SIZE_MAX / 4);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_of_every_size_are_zeroed_aligned_and_apart),
		cmocka_unit_test(test_reset_keeps_one_block_for_the_next_command),
		cmocka_unit_test(test_strings_are_copied_with_a_nul),
		cmocka_unit_test(test_an_array_whose_size_overflows_ends_the_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
