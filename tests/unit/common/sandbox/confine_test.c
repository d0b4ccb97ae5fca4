/* confine_test.c - a keeper makes workers, and what these try: each in a process of its own. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sandbox/confine.h"

enum { WENT = 10, REFUSED, NO_WALLS };

/* True when it went. */
static bool
try_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool
try_make(void)
{
	return syscall(SYS_mkdirat, AT_FDCWD, "/tmp/congvu-confined", 0700) == 0;
}

static bool
try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
}

static bool
try_socketpair(void)
{
	int pair[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
}

static bool
try_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return false;
}

static bool
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool
try_kill(void)
{
	return syscall(SYS_kill, (int)getpid(), 0) == 0;
}

static bool
try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool
try_code(void)
{
	return syscall(SYS_mmap, 0, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0) != -1;
}

static bool
try_dup(void)
{
	return dup(1) >= 0;
}

static bool
try_limits(void)
{
	return syscall(SYS_prlimit64, 0, 0, NULL, NULL) == 0;
}

static bool
go_work(void)
{
	char *p = malloc(3u << 20);

	if (!p)
		return false;
	memset(p, 1, 3u << 20);
	bool good = p[12345] == 1 && write(1, "", 0) == 0;
	free(p);
	return good;
}

enum want { GOES, IS_REFUSED, IS_DEADLY };

static const struct row {
	const char *name;
	bool (*run)(void);
	enum want want, without_files; /* after cv_confine_files() */
} rows[] = {
	{"open a file",     try_open,       IS_REFUSED, IS_DEADLY},
	{"make a folder",   try_make,       IS_DEADLY,  IS_DEADLY},
	{"socket",          try_socket,     IS_DEADLY,  IS_DEADLY},
	{"socketpair",      try_socketpair, IS_DEADLY,  IS_DEADLY},
	{"execve",          try_exec,       IS_DEADLY,  IS_DEADLY},
	{"fork",            try_fork,       IS_DEADLY,  IS_DEADLY},
	{"kill",            try_kill,       IS_DEADLY,  IS_DEADLY},
	{"ptrace",          try_ptrace,     IS_DEADLY,  IS_DEADLY},
	{"code in memory",  try_code,       IS_DEADLY,  IS_DEADLY},
	{"dup",             try_dup,        IS_DEADLY,  IS_DEADLY},
	{"raise a limit",   try_limits,     IS_DEADLY,  IS_DEADLY},
	{"memory, writing", go_work,        GOES,       GOES     },
};

/* What became of ROW, tried by a worker. */
static int
ask_worker(const struct row *row, bool without_files)
{
	struct cv_err err = {0};
	int status;

	pid_t pid = fork();
	if (pid == 0) {
		if (cv_confine(CV_CONFINE_WORKER, &err) ||
			(without_files && cv_confine_files(&err)))
			_exit(NO_WALLS);
		_exit(row->run() ? WENT : REFUSED);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static bool
is_so(int status, enum want want)
{
	if (want == IS_DEADLY)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	return WIFEXITED(status) && WEXITSTATUS(status) == (want == GOES ? WENT : REFUSED);
}

static void
test_worker__may_do_nothing_but_work(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		CHECK(rows[i].name, is_so(ask_worker(&rows[i], false), rows[i].want));
		CHECK(rows[i].name, is_so(ask_worker(&rows[i], true), rows[i].without_files));
	}
	CHECK_END();
}

/* The keeper's walls are below the worker's: a worker of a keeper is no freer. */
static void
test_keeper__makes_workers_and_opens_nothing(void **state)
{
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		struct cv_err err = {0};
		if (cv_confine(CV_CONFINE_KEEPER, &err))
			_exit(NO_WALLS);
		if (try_open() || try_socket() || try_exec() || try_ptrace() || try_code())
			_exit(1);
		for (size_t i = 0; i < CV_COUNT(rows); i++) {
			if (!is_so(ask_worker(&rows[i], false), rows[i].want) ||
				!is_so(ask_worker(&rows[i], true), rows[i].without_files))
				_exit((int)(20 + i));
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker__may_do_nothing_but_work),
		cmocka_unit_test(test_keeper__makes_workers_and_opens_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
