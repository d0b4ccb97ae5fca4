/* sandbox_test.c - a program that enters each daemon's sandbox and tries what must not go, and what
 * must. Each try is a process of its own: what it tries may end it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sandbox/walls.h"

static char dir[64];      /* the province: run, mail, queue, stats, register, keys */
static char conf_dir[64]; /* where congvu.conf stands */
static char outside[64];  /* somebody else's folder */
static enum cv_sandbox_program program;
static bool has_landlock;

static const char *
in(const char *folder, const char *name)
{
	static char path[4][200];
	static unsigned turn;
	char *p = path[turn++ % 4], text[sizeof path[0]];

	snprintf(text, sizeof text, "%s/%s", folder, name); /* FOLDER may be one of ours */
	return memcpy(p, text, sizeof text);
}

static bool
can_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool
can_make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* ---- what must not go: true when it went ---- */

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
try_shadow(void)
{
	return can_read("/etc/shadow");
}

static bool
try_other_owner(void)
{
	return can_read(in(dir, program == CV_SANDBOX_IMAPD ? "queue/x" : "mail/x"));
}

static bool
try_write_outside(void)
{
	return can_make(in(outside, "new")) || can_make("/tmp/congvu-sandbox-test") ||
	       !mkdir(in(outside, "folder"), 0700) || !unlink(in(outside, "x"));
}

static bool
try_read_outside(void)
{
	return can_read(in(outside, "x"));
}

static bool
try_read_by_link(void)
{
	/* A link made where the program may write leads nowhere new. */
	return can_read(in(dir, "run/link"));
}

static bool
try_rename_out(void)
{
	return !rename(in(dir, "run/x"), in(outside, "stolen"));
}

static bool
try_write_keys(void)
{
	return can_make(in(dir, "keys/new")) || !unlink(in(dir, "keys/x"));
}

static bool
try_write_conf(void)
{
	int fd = open(in(conf_dir, "congvu.conf"), O_WRONLY | O_CLOEXEC);

	return fd >= 0;
}

static bool
try_ptrace(void)
{
	return !ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static bool
try_process_memory(void)
{
	return syscall(SYS_process_vm_readv, getpid(), NULL, 0ul, NULL, 0ul, 0ul) == 0;
}

static bool
try_kill_parent(void)
{
	return !kill(getppid(), 0);
}

static bool
try_mount(void)
{
	return !mount("none", outside, "tmpfs", 0, NULL) || !chroot(dir);
}

static bool
try_namespace(void)
{
	return !unshare(CLONE_NEWUSER) || !unshare(CLONE_NEWNET);
}

static bool
try_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0;
}

static bool
try_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0;
}

static bool
try_odd_sockets(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 15) >= 0 ||
	       socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0) >= 0 ||
	       socket(AF_VSOCK, SOCK_STREAM, 0) >= 0;
}

static bool
try_setuid(void)
{
	return !setuid(getuid());
}

static bool
try_setgroups(void)
{
	gid_t gid = getgid();

	return !syscall(SYS_setgroups, 1, &gid) || !setresgid(gid, gid, gid);
}

static bool
try_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno == EFAULT || errno == EINVAL;
}

static bool
try_keys(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0) >= 0 ||
	       errno == ENOKEY;
}

static bool
try_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, 0) >= 0;
}

static bool
try_io_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno == EFAULT;
}

static bool
try_perf(void)
{
	return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0ul) >= 0 || errno == EFAULT;
}

static bool
try_module(void)
{
	return !syscall(SYS_finit_module, -1, "", 0) || errno == EBADF;
}

static bool
try_kexec(void)
{
	return !syscall(SYS_kexec_load, 0ul, 0ul, NULL, 0ul);
}

static bool
try_code_in_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		       MAP_FAILED ||
	       !mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static bool
try_regain(void)
{
	return !prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) || !prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static bool
try_core(void)
{
	struct rlimit l;

	return getrlimit(RLIMIT_CORE, &l) || l.rlim_max;
}

static bool
try_memfd(void)
{
	return syscall(SYS_memfd_create, "x", 0u) >= 0;
}

/* ---- what must go: true when it went ---- */

static bool
go_own_folder(void)
{
	static const char *const own[] = {"queue", "mail", "stats"};
	char mine[100], folder[200];

	snprintf(mine, sizeof mine, "%s/%s", dir, own[program]);
	const char *file = in(mine, "new"), *other = in(mine, "renamed");
	snprintf(folder, sizeof folder, "%s/tmp", mine);
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, "x", 1) == 1 && !fsync(fd) && !fdatasync(fd) &&
		  !ftruncate(fd, 100) &&
		  mmap(NULL, 100, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED &&
		  !posix_fallocate(fd, 0, 4096) && !rename(file, other) &&
		  (!mkdir(folder, 0700) || errno == EEXIST);
	ok = ok && open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) >= 0;
	return ok && !rename(other, in(folder, "x")) && !unlink(in(folder, "x")) && !rmdir(folder);
}

static bool
go_register(void)
{
	return can_read(in(dir, "register/x")) &&
	       can_make(in(dir, "register/new")) == (program == CV_SANDBOX_IMAPD || !has_landlock);
}

static bool
go_keys_and_conf(void)
{
	return can_read(in(dir, "keys/x")) && can_read(in(conf_dir, "congvu.conf")) &&
	       can_read(in(outside, "certs/cert.pem"));
}

/* A socket of our own, bound and connected to, by path and by port. */
static bool
go_sockets(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_in ip = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof ip;
	int one = 1;

	snprintf(un.sun_path, sizeof un.sun_path, "%s", in(dir, "run/s"));
	unlink(un.sun_path);
	int a = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), b = socket(AF_UNIX, SOCK_STREAM, 0);
	bool ok = !bind(a, (struct sockaddr *)&un, sizeof un) && !listen(a, 5) &&
		  !chmod(un.sun_path, 0666) && !connect(b, (struct sockaddr *)&un, sizeof un) &&
		  accept4(a, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) >= 0;
	int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
	    d = socket(AF_INET, SOCK_STREAM, 0);
	ok = ok && !setsockopt(c, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) &&
	     !bind(c, (struct sockaddr *)&ip, sizeof ip) && !listen(c, 5) &&
	     !getsockname(c, (struct sockaddr *)&ip, &len) &&
	     !connect(d, (struct sockaddr *)&ip, sizeof ip);
	return ok && socket(AF_INET, SOCK_DGRAM, 0) >= 0 && socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static bool
go_names(void)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found;

	return !getaddrinfo("localhost", "smtp", &hints, &found) && found;
}

static void *
add_one(void *p)
{
	pthread_setname_np(pthread_self(), "congvu-test");
	__atomic_add_fetch((int *)p, 1, __ATOMIC_SEQ_CST);
	return p;
}

static bool
go_threads(void)
{
	pthread_t t[4];
	int sum = 0;

	for (size_t i = 0; i < CV_COUNT(t); i++)
		if (pthread_create(&t[i], NULL, add_one, &sum))
			return false;
	for (size_t i = 0; i < CV_COUNT(t); i++)
		pthread_join(t[i], NULL);
	return sum == CV_COUNT(t);
}

static bool
go_waiting(void)
{
	struct timespec t = {0, 1000};
	int fds[2], e = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = {.events = EPOLLIN};

	return !pipe2(fds, O_CLOEXEC) && !epoll_ctl(e, EPOLL_CTL_ADD, fds[0], &ev) &&
	       epoll_wait(e, &ev, 1, 1) == 0 && !nanosleep(&t, NULL) && poll(NULL, 0, 1) == 0;
}

static void
ignore(int sig)
{
	(void)sig;
}

static bool
go_signals(void)
{
	struct sigaction act = {.sa_handler = ignore};
	struct rlimit l;

	return !sigaction(SIGUSR1, &act, NULL) && !kill(getpid(), SIGUSR1) && !raise(SIGUSR1) &&
	       !pthread_kill(pthread_self(), SIGUSR1) && !getrlimit(RLIMIT_NOFILE, &l) &&
	       !setrlimit(RLIMIT_NOFILE, &l);
}

static bool
go_memory_and_random(void)
{
	char bytes[16];
	size_t n = 64u << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && !madvise(p, n, MADV_DONTNEED) && !mprotect(p, 4096, PROT_READ) &&
	       !munmap(p, n) && getentropy(bytes, sizeof bytes) == 0 && can_read("/dev/urandom") &&
	       sysconf(_SC_NPROCESSORS_ONLN) > 0 && can_make("/dev/null");
}

/* ---- one process a try ---- */

struct row {
	const char *name;
	bool (*run)(void);
	bool must_go;
	bool by_landlock; /* no other wall stands in the way */
};

static const struct row rows[] = {
	{"execve",              try_exec,             false, false},
	{"fork",                try_fork,             false, false},
	{"open /etc/shadow",    try_shadow,           false, true },
	{"another's folder",    try_other_owner,      false, true },
	{"write outside",       try_write_outside,    false, true },
	{"read outside",        try_read_outside,     false, true },
	{"read through a link", try_read_by_link,     false, true },
	{"rename outwards",     try_rename_out,       false, true },
	{"write keys",          try_write_keys,       false, true },
	{"write configuration", try_write_conf,       false, true },
	{"ptrace",              try_ptrace,           false, false},
	{"process_vm_readv",    try_process_memory,   false, false},
	{"kill another",        try_kill_parent,      false, false},
	{"mount, chroot",       try_mount,            false, false},
	{"unshare",             try_namespace,        false, false},
	{"AF_PACKET",           try_packet_socket,    false, false},
	{"raw socket",          try_raw_socket,       false, false},
	{"AF_ALG, AF_VSOCK",    try_odd_sockets,      false, false},
	{"setuid",              try_setuid,           false, false},
	{"setgroups",           try_setgroups,        false, false},
	{"bpf",		 try_bpf,              false, false},
	{"keyctl",              try_keys,             false, false},
	{"userfaultfd",         try_userfaultfd,      false, false},
	{"io_uring",            try_io_uring,         false, false},
	{"perf_event_open",     try_perf,             false, false},
	{"finit_module",        try_module,           false, false},
	{"kexec_load",          try_kexec,            false, false},
	{"code in memory",      try_code_in_memory,   false, false},
	{"regain privileges",   try_regain,           false, false},
	{"core files",          try_core,             false, false},
	{"memfd_create",        try_memfd,            false, false},
	{"own folder",          go_own_folder,        true,  false},
	{"register",            go_register,          true,  false},
	{"keys, conf, certs",   go_keys_and_conf,     true,  false},
	{"sockets",             go_sockets,           true,  false},
	{"names",               go_names,             true,  false},
	{"threads",             go_threads,           true,  false},
	{"waiting",             go_waiting,           true,  false},
	{"signals to itself",   go_signals,           true,  false},
	{"memory and random",   go_memory_and_random, true,  false},
};

enum { WENT = 10, STOPPED, NO_SANDBOX };

static void
child(const struct row *row, const struct cv_conf *conf)
{
	struct cv_sandbox sb;
	struct cv_err err = {0};

	cv_sandbox_init(&sb);
	sb.strict = true;
	cv_sandbox_open(&sb, program, conf, in(conf_dir, "congvu.conf"));
	if (cv_sandbox_enter(&sb, &err) != CV_OK) {
		fprintf(stderr, "%s\n", err.text);
		_exit(NO_SANDBOX);
	}
	_exit(row->run() ? WENT : STOPPED);
}

static void
touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* A province, its configuration elsewhere, certificates in a third place. */
static struct cv_conf *
prepare(void)
{
	static const char *const names[] = {"run", "mail", "queue", "stats", "register", "keys"};
	char text[2000];
	struct cv_conf *conf;

	snprintf(dir, sizeof dir, "/tmp/congvu-box-XXXXXX");
	snprintf(conf_dir, sizeof conf_dir, "/tmp/congvu-boxconf-XXXXXX");
	snprintf(outside, sizeof outside, "/tmp/congvu-boxout-XXXXXX");
	assert_true(mkdtemp(dir) && mkdtemp(conf_dir) && mkdtemp(outside));
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		assert_false(mkdir(in(dir, names[i]), 0700));
		touch(in(in(dir, names[i]), "x"));
	}
	touch(in(outside, "x"));
	assert_false(mkdir(in(outside, "certs"), 0700));
	touch(in(outside, "certs/cert.pem"));
	assert_false(symlink(in(outside, "x"), in(dir, "run/link")));
	touch(in(conf_dir, "congvu.conf"));
	snprintf(text, sizeof text,
		"[congvu]\nbase_dir = %s\ntls_cert = %s/certs/cert.pem\ntls_key = "
		"%s/certs/cert.pem\n",
		dir, outside, outside);
	assert_int_equal(
		cv_conf_parse(cv_str_z(text), "test", cv_sections, cv_sections_count, &conf, NULL),
		CV_OK);
	return conf;
}

static void
clean(void)
{
	char command[300];

	snprintf(command, sizeof command, "rm -rf %s %s %s", dir, conf_dir, outside);
	assert_int_equal(system(command), 0);
}

static void
try_all(void)
{
	struct cv_conf *conf = prepare();

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		int status;
		if (rows[i].by_landlock && !has_landlock) {
			print_message("no Landlock here: \"%s\" is not tried\n", rows[i].name);
			continue;
		}
		fflush(NULL);
		pid_t pid = fork();
		if (pid == 0)
			child(&rows[i], conf);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
		bool went = WIFEXITED(status) && WEXITSTATUS(status) == WENT;
		bool stopped = WIFEXITED(status) && WEXITSTATUS(status) == STOPPED;
		CHECK(rows[i].name, rows[i].must_go ? went : stopped || killed);
	}
	cv_conf_free(conf);
	clean();
	CHECK_END();
}

static void
test_smtpd__is_shut_in(void **state)
{
	(void)state;
	program = CV_SANDBOX_SMTPD;
	try_all();
}

static void
test_imapd__is_shut_in(void **state)
{
	(void)state;
	program = CV_SANDBOX_IMAPD;
	try_all();
}

static void
test_spamfilter__is_shut_in(void **state)
{
	(void)state;
	program = CV_SANDBOX_SPAMFILTER;
	try_all();
}

/* Without the walls everything in the table goes, or the test proves nothing about them. */
static void
test_outside__the_same_tries_go(void **state)
{
	static const char *const names[] = {"fork", "read outside", "rename outwards", "write keys",
		"another's folder", "kill another", "code in memory", "memfd_create", "setuid"};
	struct cv_conf *conf = prepare();

	(void)state;
	program = CV_SANDBOX_SMTPD;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		for (size_t n = 0; n < CV_COUNT(names); n++) {
			int status;
			if (strcmp(rows[i].name, names[n]))
				continue;
			fflush(NULL);
			pid_t pid = fork();
			if (pid == 0)
				_exit(rows[i].run() ? WENT : STOPPED);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			CHECK(names[n], WIFEXITED(status) && WEXITSTATUS(status) == WENT);
		}
	cv_conf_free(conf);
	clean();
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smtpd__is_shut_in),
		cmocka_unit_test(test_imapd__is_shut_in),
		cmocka_unit_test(test_spamfilter__is_shut_in),
		cmocka_unit_test(test_outside__the_same_tries_go),
	};

	has_landlock = syscall(444, NULL, (size_t)0, 1u) >= 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
