/* seccomp.c - only the system calls of a mail daemon.
 *
 * The list comes from what the three daemons do under all of the tests (strace) and from what the
 * C library, Berkeley DB, OpenSSL, libunbound, libcurl and libmilter are known to fall back to.
 * What is not listed fails with EPERM; what no fault of ours could ever ask for, and an attacker
 * would first, ends the process.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/sandbox/walls.h"

#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
		CLONE_NEWPID | CLONE_NEWNET)
#define SOCK_TYPE_MASK 0xf

/* clang-format off */
static const char *const allowed[] = {
	/* files */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
	"pwritev2", "lseek", "_llseek", "open", "openat", "close", "close_range", "dup", "dup2",
	"dup3", "fcntl", "fcntl64", "flock", "fsync", "fdatasync", "sync_file_range", "ftruncate",
	"ftruncate64", "truncate", "fallocate", "fadvise64", "stat", "fstat", "lstat", "stat64",
	"fstat64", "lstat64", "newfstatat", "fstatat64", "statx", "statfs", "fstatfs", "statfs64",
	"fstatfs64", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents",
	"getdents64", "getcwd", "rename", "renameat", "renameat2", "link", "linkat", "unlink",
	"unlinkat", "mkdir", "mkdirat", "rmdir", "chmod", "fchmod", "fchmodat", "utimensat",
	"umask", "copy_file_range", "sendfile", "sendfile64",
	/* memory */
	"munmap", "mremap", "madvise", "brk", "mincore", "msync", "mlock", "mlock2", "munlock",
	"membarrier",
	/* time */
	"clock_gettime", "clock_gettime64", "clock_getres", "clock_nanosleep",
	"clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "times", "timerfd_create",
	"timerfd_settime", "timerfd_gettime",
	/* the process and its threads */
	"getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getgroups",
	"getresuid", "getresgid", "getpgrp", "getpgid", "getsid", "getrlimit", "ugetrlimit",
	"setrlimit", "prlimit64", "getrusage", "sysinfo", "uname", "arch_prctl",
	"set_tid_address", "set_robust_list", "get_robust_list", "rseq", "futex", "futex_time64",
	"futex_waitv", "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam",
	"sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "getcpu",
	"getpriority", "setpriority", "capget", "getrandom", "exit", "exit_group", "restart_syscall",
	/* signals */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
	"rt_sigtimedwait_time64", "rt_sigsuspend", "sigaltstack", "signalfd4", "pause",
	/* waiting */
	"poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64",
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	"eventfd2", "pipe", "pipe2",
	/* the net */
	"bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername",
	"getsockopt", "setsockopt", "shutdown", "sendto", "recvfrom", "send", "recv", "sendmsg",
	"recvmsg", "sendmmsg", "recvmmsg", "recvmmsg_time64",
};
/* clang-format on */

/* clang-format off */
static const char *const deadly[] = {
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp",
	"pidfd_getfd", "mount", "umount", "umount2", "move_mount", "fsopen", "fsmount",
	"fsconfig", "fspick", "open_tree", "mount_setattr", "pivot_root", "chroot", "unshare",
	"setns", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
	"bpf", "perf_event_open", "userfaultfd", "open_by_handle_at", "setuid", "setgid",
	"setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid",
	"capset", "iopl", "ioperm", "swapon", "swapoff", "reboot", "acct", "settimeofday",
	"clock_settime", "sethostname", "setdomainname", "mknod", "mknodat",
};
/* clang-format on */

/* Of the sanitizers: a helper that stops and reads the threads, a program that knows symbols. */
/* clang-format off */
static const char *const for_sanitizers[] = {
	"ptrace", "execve", "fork", "vfork", "wait4", "waitid", "kill", "tkill", "tgkill",
	"clone", "prctl", "mprotect", "mmap", "process_vm_readv", "timer_create",
	"timer_settime", "timer_delete", "personality",
};
/* clang-format on */

static bool
is_in(const char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

/* 0, or the first fault; calls that this machine does not have are passed over. */
static int
add_all(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t count, bool strict)
{
	int fault = 0;

	for (size_t i = 0; i < count && !fault; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		if (number == __NR_SCMP_ERROR)
			continue;
		if (action != SCMP_ACT_ALLOW && !strict &&
			is_in(for_sanitizers, CV_COUNT(for_sanitizers), names[i]))
			continue;
		fault = seccomp_rule_add(ctx, action, number, 0);
		if (fault == -EACCES) /* the default action already */
			fault = 0;
	}
	return fault;
}

/* Comparisons name both of their data, though most look at one: clang wants it so. */
#define ALLOW(call, ...)                                                                           \
	do {                                                                                       \
		int fault_ = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(call), __VA_ARGS__);   \
		if (fault_)                                                                        \
			return fault_;                                                             \
	} while (0)

/* Streams and datagrams of local and Internet sockets; netlink only to list addresses, which the C
 * library's resolver does. */
static int
allow_sockets(scmp_filter_ctx ctx)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};

	for (size_t f = 0; f < CV_COUNT(families); f++)
		for (size_t t = 0; t < CV_COUNT(types); t++)
			ALLOW(socket, 2, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[f], 0),
				SCMP_A1(SCMP_CMP_MASKED_EQ, SOCK_TYPE_MASK,
					(scmp_datum_t)types[t]));
	ALLOW(socket, 2, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0), SCMP_A2(SCMP_CMP_EQ, 0, 0));
	ALLOW(socketpair, 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
	return 0;
}

/* Code comes from files alone (libraries), and is never writable. */
static int
allow_memory(scmp_filter_ctx ctx)
{
	static const scmp_datum_t both = PROT_WRITE | PROT_EXEC;

	ALLOW(mprotect, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	ALLOW(mmap, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	ALLOW(mmap, 2, SCMP_A2(SCMP_CMP_MASKED_EQ, both, PROT_EXEC),
		SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, 0));
	return 0;
}

/* Threads but no processes; signals to ourselves; names for threads. */
static int
allow_threads(scmp_filter_ctx ctx)
{
	static const int options[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_SECCOMP,
		PR_GET_NO_NEW_PRIVS, 0x53564d41 /* PR_SET_VMA */};
	scmp_datum_t self = (scmp_datum_t)getpid();

	ALLOW(clone, 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, (scmp_datum_t)(NEW_NAMESPACES | CLONE_THREAD),
			CLONE_THREAD));
	ALLOW(kill, 1, SCMP_A0(SCMP_CMP_EQ, self, 0));
	ALLOW(tgkill, 1, SCMP_A0(SCMP_CMP_EQ, self, 0));
	ALLOW(rt_sigqueueinfo, 1, SCMP_A0(SCMP_CMP_EQ, self, 0));
	for (size_t i = 0; i < CV_COUNT(options); i++)
		ALLOW(prctl, 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)options[i], 0));
	return 0;
}

static int
allow_ioctls(scmp_filter_ctx ctx)
{
	static const unsigned long requests[] = {FIONREAD, FIONBIO, TCGETS, TIOCGWINSZ};

	for (size_t i = 0; i < CV_COUNT(requests); i++)
		ALLOW(ioctl, 1, SCMP_A1(SCMP_CMP_EQ, requests[i], 0));
	return 0;
}

static int
add_rules(scmp_filter_ctx ctx, bool strict)
{
	int fault = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);

	if (!fault)
		fault = add_all(ctx, SCMP_ACT_ALLOW, allowed, CV_COUNT(allowed), strict);
	if (!fault)
		fault = add_all(ctx, strict ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EACCES),
			deadly, CV_COUNT(deadly), strict);
	/* Its flags are in memory, where a filter cannot look; told that it is not there, the C
	 * library takes clone. */
	if (!fault)
		fault = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!fault)
		fault = allow_sockets(ctx);
	if (!fault)
		fault = allow_ioctls(ctx);
	if (!fault && !strict)
		return add_all(
			ctx, SCMP_ACT_ALLOW, for_sanitizers, CV_COUNT(for_sanitizers), false);
	if (!fault)
		fault = allow_memory(ctx);
	return fault ? fault : allow_threads(ctx);
}

enum cv_status
cv_seccomp_enter(bool strict, struct cv_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	enum cv_status status = CV_OK;

	if (!ctx)
		return cv_fail(err, CV_TEMPFAIL, "seccomp: no filter");
	int fault = add_rules(ctx, strict);
	if (fault)
		status = cv_fail_errno(err, CV_TEMPFAIL, -fault, "seccomp: a rule");
	if (!fault) {
		fault = seccomp_load(ctx);
		if (fault == -ENOSYS || fault == -EINVAL || fault == -ECANCELED)
			status = cv_fail_errno(
				err, CV_NOT_FOUND, -fault, "this kernel takes no seccomp filter");
		else if (fault)
			status = cv_fail_errno(err, CV_TEMPFAIL, -fault, "seccomp: cannot load");
	}
	seccomp_release(ctx);
	return status;
}
