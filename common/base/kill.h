/* kill.h - named points at which a crash test stops the process, or makes a system call fail.
 *
 * CONGVU_KILL="volume.append:3" in the environment kills the process with SIGKILL when it passes
 * the point of that name for the third time. CONGVU_FAIL="log.sync:EIO:2:5" makes passes 2 to 6 of
 * the point of that name answer EIO; without the last number one pass fails, with 0 all from there
 * on. Errors are numbers or the names listed in kill.c. Several specifications are separated by
 * commas, at most 8 of each kind. A specification that cannot be read ends the process: a crash
 * test that silently tests nothing is worse than none.
 *
 * Nothing set costs one relaxed load a point; built without CV_KILL_POINTS there is no code at all.
 * Thread-safe, but for cv_kill_reload().
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_KILL_H
#define CV_KILL_H

#include "common/base/base.h"

#ifdef CV_KILL_POINTS

#include <stdatomic.h>

extern atomic_bool cv_kill_armed; /* the environment names any point */

void cv_kill_pass(const char *name);
int cv_fail_pass(const char *name);
/* Reads the environment again; tests call it, programs read the environment as they start. */
void cv_kill_reload(void);

#define CV_KILL_POINT(name)                                                                        \
	do {                                                                                       \
		if (atomic_load_explicit(&cv_kill_armed, memory_order_relaxed))                    \
			cv_kill_pass(name);                                                        \
	} while (0)

/* 0, or the errno value to act on as if the system call about to be made had failed with it. */
static inline int
cv_fail_point(const char *name)
{
	return atomic_load_explicit(&cv_kill_armed, memory_order_relaxed) ? cv_fail_pass(name) : 0;
}

#else

#define CV_KILL_POINT(name) ((void)0)

static inline int
cv_fail_point(const char *name)
{
	(void)name;
	return 0;
}

#endif
#endif
