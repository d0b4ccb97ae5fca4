/* landlock.c - only the profile's files can be opened. Raw system calls: the C library of Debian 12
 * has no names for them, and its headers know the first version only. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/sandbox/walls.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

/* linux/landlock.h */
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11,
	FS_MAKE_SYM = 1 << 12,
	FS_REFER = 1 << 13,     /* version 2 */
	FS_TRUNCATE = 1 << 14,  /* 3 */
	FS_IOCTL_DEV = 1 << 15, /* 5 */

	FS_READ = FS_READ_FILE | FS_READ_DIR,
	FS_WRITE = FS_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |
		   FS_MAKE_REG | FS_MAKE_SOCK | FS_REFER | FS_TRUNCATE,
	FS_OF_FILES = FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE,
};
enum { SCOPE_ABSTRACT_UNIX = 1, SCOPE_SIGNAL = 2 }; /* version 6 */
#define RULE_PATH_BENEATH 1
#define GET_VERSION       1u

struct ruleset {
	uint64_t fs, net, scoped;
};
struct rule {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

static uint64_t
known_rights(int version)
{
	uint64_t rights = (1u << 13) - 1;

	if (version >= 2)
		rights |= FS_REFER;
	if (version >= 3)
		rights |= FS_TRUNCATE;
	if (version >= 5)
		rights |= FS_IOCTL_DEV;
	return rights;
}

static enum cv_status
add_path(int ruleset, const struct cv_sandbox_path *p, uint64_t known, struct cv_err *err)
{
	struct stat st;
	int fd = open(p->path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return CV_OK; /* not there: nothing to open */
	uint64_t rights = p->write ? FS_WRITE : FS_READ;
	if (!fstat(fd, &st) && !S_ISDIR(st.st_mode))
		rights &= FS_OF_FILES;
	struct rule rule = {.allowed = rights & known, .parent_fd = fd};
	long failed = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0u);
	int errnum = errno;
	close(fd);
	return failed ? cv_fail_errno(err, CV_TEMPFAIL, errnum, "landlock: cannot open %s", p->path)
		      : CV_OK;
}

enum cv_status
cv_landlock_enter(const struct cv_sandbox *sb, struct cv_err *err)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, GET_VERSION);

	if (version < 1)
		return cv_fail(err, CV_NOT_FOUND, "this kernel has no Landlock");
	uint64_t fs = known_rights((int)version);
	if (!sb->strict)
		fs &= ~(uint64_t)FS_EXECUTE;
	struct ruleset rules = {
		.fs = fs, .scoped = version >= 6 ? SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL : 0};
	size_t size = version >= 6 ? 3 * sizeof rules.fs : sizeof rules.fs;
	int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0u);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "landlock: no rules");
	enum cv_status status = CV_OK;
	for (unsigned i = 0; i < sb->count && status == CV_OK; i++)
		status = add_path(fd, &sb->paths[i], rules.fs, err);
	if (status == CV_OK && syscall(SYS_landlock_restrict_self, fd, 0u))
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "landlock: cannot restrict");
	close(fd);
	return status;
}
