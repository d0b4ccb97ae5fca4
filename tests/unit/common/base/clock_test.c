/* clock_test.c - a program begins on the day that CONGVU_CLOCK_SHIFT names, and on no other. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

/* What this program, started anew with the shift, takes for the time; -1 when it did not say. */
static long long
time_with(const char *shift)
{
	int ends[2], how;
	char said[64] = "";

	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (!child) {
		if (shift)
			setenv("CONGVU_CLOCK_SHIFT", shift, 1);
		dup2(ends[1], STDOUT_FILENO);
		close(STDERR_FILENO);
		execl("/proc/self/exe", "clock_test", "tell", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], said, sizeof said - 1);
	close(ends[0]);
	waitpid(child, &how, 0);
	return n > 0 && WIFEXITED(how) && !WEXITSTATUS(how) ? strtoll(said, NULL, 10) : -1;
}

static void
test_shift__moves_the_day_of_a_program(CV_UNUSED void **state)
{
	static const struct {
		const char *shift;
		long long secs;
	} rows[] = {
		{NULL,       0       },
		{"",         0       },
		{"0",        0       },
		{"86400",    86400   },
		{"-3600",    -3600   },
		{"15811200", 15811200},
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		long long off = time_with(rows[i].shift) - (long long)time(NULL) - rows[i].secs;
		CHECK(rows[i].shift ? rows[i].shift : "none", off >= -120 && off <= 120);
	}
	CHECK_END();
}

static void
test_shift__that_cannot_be_read_ends_the_program(CV_UNUSED void **state)
{
	static const char *const rows[] = {"tomorrow", "1d", "-", "99999999999"};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i], time_with(rows[i]) == -1);
	CHECK_END();
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shift__moves_the_day_of_a_program),
		cmocka_unit_test(test_shift__that_cannot_be_read_ends_the_program),
	};

	if (argc > 1 && !strcmp(argv[1], "tell")) {
		printf("%lld\n", (long long)cv_wall_secs());
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
