/* kill_test.c - the named points act on the pass they are told, and on no other. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/kill.h"

#ifdef CV_KILL_POINTS

static void
set(const char *kill_spec, const char *fail_spec)
{
	setenv("CONGVU_KILL", kill_spec, 1);
	setenv("CONGVU_FAIL", fail_spec, 1);
	cv_kill_reload();
}

static int
clear(CV_UNUSED void **state)
{
	unsetenv("CONGVU_KILL");
	unsetenv("CONGVU_FAIL");
	cv_kill_reload();
	return 0;
}

/* Passes "a" and "b" in turn, five times; answers how many passes the child survived, or -1 when
 * it did not die of SIGKILL. */
static int
passes_survived(const char *spec)
{
	int ends[2], how;
	char done[16];
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (!child) {
		set(spec, "");
		for (int i = 0; i < 5; i++) {
			CV_KILL_POINT("a");
			if (write(ends[1], "x", 1) != 1)
				_exit(1);
			CV_KILL_POINT("b");
			if (write(ends[1], "x", 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(waitpid(child, &how, 0), child);
	int n = (int)read(ends[0], done, sizeof done);
	close(ends[0]);
	if (WIFEXITED(how) && !WEXITSTATUS(how))
		return 100 + n;
	return WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL ? n : -1;
}

static void
test_the_named_pass_kills(CV_UNUSED void **state)
{
	static const struct {
		const char *spec;
		int survived; /* 100 more: all passes, and an ordinary end */
	} rows[] = {
		{"a:1",     0  },
		{"b:1",     1  },
		{"a:3",     4  },
		{"b:5",     9  },
		{"a:6",     110},
		{"ab:1",    110},
		{"",        110},
		{"a:4,b:2", 3  },
		{"b:5,a:2", 2  },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].spec, passes_survived(rows[i].spec) == rows[i].survived);
	CHECK_END();
}

static void
test_the_named_passes_fail(CV_UNUSED void **state)
{
	static const struct {
		const char *spec;
		int want[4];
	} rows[] = {
		{"",                  {0, 0, 0, 0}          },
		{"p:EIO:1",           {EIO, 0, 0, 0}        },
		{"p:5:2",             {0, 5, 0, 0}          },
		{"p:ENOSPC:2:2",      {0, ENOSPC, ENOSPC, 0}},
		{"p:EIO:3:0",         {0, 0, EIO, EIO}      },
		{"q:EIO:1:0",         {0, 0, 0, 0}          },
		{"p:EIO:1,p:EROFS:4", {EIO, 0, 0, EROFS}    },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		set("", rows[i].spec);
		for (size_t k = 0; k < CV_COUNT(rows[i].want); k++)
			CHECK(rows[i].spec, cv_fail_point("p") == rows[i].want[k]);
	}
	CHECK_END();
}

static void
test_unreadable_specifications_end_the_process(CV_UNUSED void **state)
{
	static const struct {
		const char *kill_spec, *fail_spec;
	} rows[] = {
		{"a",				   ""           },
		{"a:",				  ""           },
		{":1",				  ""           },
		{"a:0",				 ""           },
		{"a:x",				 ""           },
		{"a:1:1",			       ""           },
		{"a:1,",				""           },
		{"",				    "p"          },
		{"",				    "p:EIO"      },
		{"",				    "p:EWHAT:1"  },
		{"",				    "p:0:1"      },
		{"",				    "p:EIO:0"    },
		{"",				    "p:EIO:1:x"  },
		{"",				    "p:EIO:1:1:1"},
		{"a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1", ""           },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		int how = 0;
		pid_t child = fork();
		if (!child) {
			signal(SIGABRT, SIG_DFL);
			close(STDERR_FILENO);
			set(rows[i].kill_spec, rows[i].fail_spec);
			_exit(0);
		}
		waitpid(child, &how, 0);
		CHECK(*rows[i].kill_spec ? rows[i].kill_spec : rows[i].fail_spec,
			WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
	}
	CHECK_END();
}

static void
test_nothing_is_armed_when_nothing_is_set(CV_UNUSED void **state)
{
	assert_false(cv_kill_armed);
	CV_KILL_POINT("a");
	assert_int_equal(cv_fail_point("p"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_the_named_pass_kills, clear),
		cmocka_unit_test_teardown(test_the_named_passes_fail, clear),
		cmocka_unit_test_teardown(test_unreadable_specifications_end_the_process, clear),
		cmocka_unit_test_setup(test_nothing_is_armed_when_nothing_is_set, clear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void
test_points_are_nothing_when_built_without_them(CV_UNUSED void **state)
{
	setenv("CONGVU_KILL", "a:1", 1);
	setenv("CONGVU_FAIL", "p:EIO:1:0", 1);
	CV_KILL_POINT("a");
	assert_int_equal(cv_fail_point("p"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_points_are_nothing_when_built_without_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
