/* confine.c - see confine.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/sandbox/confine.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/sandbox/walls.h"

/* clang-format off */
static const char *const of_workers[] = {
	"read", "readv", "write", "writev", "close",
	"brk", "munmap", "mremap", "madvise", "futex", "futex_time64",
	"clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday", "time", "times",
	"getrusage", "getrandom", "sched_yield", "getpid", "gettid",
	"rt_sigreturn", "rt_sigprocmask", "restart_syscall", "exit", "exit_group",
	"seccomp", /* which can only take more away */
};
static const char *const of_keepers[] = {
	"recvmsg", "sendmsg", "recvfrom", "sendto", "poll", "ppoll", "ppoll_time64", "wait4",
	"waitid", "kill", "dup2", "dup3", "close_range", "prctl", "fcntl", "fcntl64",
	"getppid", "getrlimit", "ugetrlimit", "setrlimit", "prlimit64", "rt_sigaction",
	"rt_sigpending", "sigaltstack", "set_robust_list", "set_tid_address", "rseq", "getcpu",
	"sched_getaffinity", "sysinfo", "uname", "getuid", "geteuid", "getgid", "getegid",
};
/* Libraries look for optional files, and go on without. */
static const char *const of_files[] = {
	"open", "openat", "openat2", "access", "faccessat", "faccessat2", "stat", "lstat", "fstat",
	"stat64", "lstat64", "fstat64", "newfstatat", "fstatat64", "statx", "statfs", "fstatfs",
	"readlink", "readlinkat", "getcwd", "ioctl", "lseek", "_llseek", "fcntl", "fcntl64",
};
static const char *const of_sanitizers[] = {
	"sigaltstack", "rt_sigaction", "sched_getaffinity", "prctl", "getppid",
};
/* clang-format on */

static int
add(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t count)
{
	int fault = 0;

	for (size_t i = 0; i < count && !fault; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		if (number != __NR_SCMP_ERROR)
			fault = seccomp_rule_add(ctx, action, number, 0);
		if (fault == -EACCES || fault == -EEXIST) /* the default action already */
			fault = 0;
	}
	return fault;
}

/* Memory is never executable from here on: all code is loaded. */
static int
add_memory(scmp_filter_ctx ctx)
{
	int fault = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	return fault ? fault
		     : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/* Processes of its own, in no new namespace. */
static int
add_forking(scmp_filter_ctx ctx)
{
	const scmp_datum_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	int fault = seccomp_rule_add(
		ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, spaces, 0));

	if (!fault)
		fault = add(ctx, SCMP_ACT_ALLOW, (const char *const[]){"fork", "vfork"}, 2);
	/* Its flags are in memory; told that it is not there, the C library takes clone. */
	return fault ? fault : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int
add_rules(scmp_filter_ctx ctx, enum cv_confinement kind)
{
	/* Said already, and a worker may not say it again. */
	int fault = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);

	if (!fault)
		fault = add(ctx, SCMP_ACT_ALLOW, of_workers, CV_COUNT(of_workers));

	if (!fault)
		fault = add_memory(ctx);
	if (!fault && kind == CV_CONFINE_KEEPER) {
		fault = add(ctx, SCMP_ACT_ALLOW, of_keepers, CV_COUNT(of_keepers));
		if (!fault)
			fault = add_forking(ctx);
	}
	if (!fault && CV_SANDBOX_SANITIZED)
		fault = add(ctx, SCMP_ACT_ALLOW, of_sanitizers, CV_COUNT(of_sanitizers));
	if (!fault && kind == CV_CONFINE_WORKER)
		fault = add(ctx, SCMP_ACT_ERRNO(EACCES), of_files, CV_COUNT(of_files));
	return fault;
}

static enum cv_status
load(scmp_filter_ctx ctx, int fault, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	if (fault)
		status = cv_fail_errno(err, CV_TEMPFAIL, -fault, "seccomp: a rule");
	else if ((fault = seccomp_load(ctx)))
		status = cv_fail_errno(err, CV_NOT_FOUND, -fault, "seccomp: cannot load");
	seccomp_release(ctx);
	return status;
}

/* Nothing of the file system at all. */
static enum cv_status
shut_files(struct cv_err *err)
{
	const struct cv_sandbox none = {.strict = true};
	enum cv_status status = cv_landlock_enter(&none, err);

	return status == CV_NOT_FOUND ? CV_OK : status;
}

enum cv_status
cv_confine(enum cv_confinement kind, struct cv_err *err)
{
	struct rlimit none = {0, 0};
	bool is_keeper = kind == CV_CONFINE_KEEPER;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || (is_keeper && setrlimit(RLIMIT_CORE, &none)))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot give up rights");
	/* With the rights above a process that has others shows nothing of its memory. */
	if (is_keeper && !CV_SANDBOX_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot forbid looking at memory");
#ifndef CV_COVERAGE /* whose counters are written at exit */
	enum cv_status status = is_keeper ? shut_files(err) : CV_OK;
	if (status)
		return status;
#endif
	/* A keeper that asks for something odd goes on without; a worker has no business left. */
	scmp_filter_ctx ctx =
		seccomp_init(is_keeper ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS);
	if (!ctx)
		return cv_fail(err, CV_TEMPFAIL, "seccomp: no filter");
	return load(ctx, add_rules(ctx, kind), err);
}

enum cv_status
cv_confine_files(struct cv_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	if (!ctx)
		return cv_fail(err, CV_TEMPFAIL, "seccomp: no filter");
	int fault = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (!fault)
		fault = add(ctx, SCMP_ACT_KILL_PROCESS, of_files, CV_COUNT(of_files));
	return load(ctx, fault, err);
}
