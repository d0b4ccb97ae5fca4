/* sandbox.h - what a daemon can still do once it has read its configuration.
 *
 * Three walls, each useful without the others: no new privileges and no core files; Landlock, so
 * that only the files of the profile can be opened at all; seccomp, so that only the system calls
 * a mail daemon makes are there. A kernel without one of them is told of in the log, and the daemon
 * runs with the rest.
 *
 * Entered once, before the first thread and before the first byte from a peer. There is no way out.
 * docs/adr/0046-sandbox.md tells why; SECURITY.md what it is worth.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_SANDBOX_H
#define CV_SANDBOX_H

#include "common/options/sections.h"

#define CV_SANDBOX_PATHS_MAX 160u

enum cv_sandbox_program { CV_SANDBOX_SMTPD, CV_SANDBOX_IMAPD, CV_SANDBOX_SPAMFILTER };

struct cv_sandbox_path {
	char *path;
	bool write; /* a folder: everything in it; a device: writing */
};
struct cv_sandbox {
	struct cv_sandbox_path paths[CV_SANDBOX_PATHS_MAX];
	unsigned count;
	bool strict; /* no exceptions for the sanitizers of a test build: what releases run under */
};

/* A profile that opens what the C library and the resolver need to read. */
void cv_sandbox_init(struct cv_sandbox *sb);
void cv_sandbox_done(struct cv_sandbox *sb);
/* Opens PATH, a file or a folder with all below it. What is not there is passed over; a folder to
 * be written is made first (0700). More than CV_SANDBOX_PATHS_MAX: CV_LIMIT from enter. */
void cv_sandbox_read(struct cv_sandbox *sb, const char *path);
void cv_sandbox_write(struct cv_sandbox *sb, const char *path);
/* Opens what PROGRAM needs by the options of CONF, which was read from CONF_PATH (or NULL). */
void cv_sandbox_open(struct cv_sandbox *sb, enum cv_sandbox_program program,
                     const struct cv_conf *conf, const char *conf_path);

/* Shuts the calling process in. Walls that the kernel lacks are logged and left out; fails only
 * when a wall is there and cannot be put up. */
CV_MUST_CHECK enum cv_status cv_sandbox_enter(const struct cv_sandbox *sb, struct cv_err *err);
/* What every daemon calls: open and enter, or nothing when the option says no. SOCKET is one that
 * the command line names ("unix:/path"), or NULL. */
CV_MUST_CHECK enum cv_status cv_sandbox_start(enum cv_sandbox_program program,
                                              const struct cv_conf *conf, const char *conf_path,
                                              const char *socket, struct cv_err *err);
/* "no", or what holds: "landlock,seccomp", "seccomp", "none" (a kernel with neither). */
const char *cv_sandbox_state(void);

#endif
