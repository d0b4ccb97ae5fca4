/* walls.h - the two walls that need the kernel's help; sandbox.c puts them up. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_SANDBOX_WALLS_H
#define CV_SANDBOX_WALLS_H

#include "common/sandbox/sandbox.h"

/* Built for a sanitizer, whose leak check stops its own threads with ptrace and a helper. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CV_SANDBOX_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CV_SANDBOX_SANITIZED true
#endif
#endif
#ifndef CV_SANDBOX_SANITIZED
#define CV_SANDBOX_SANITIZED false
#endif

/* CV_NOT_FOUND: this kernel has no such wall (or was started without it). */
CV_MUST_CHECK enum cv_status cv_landlock_enter(const struct cv_sandbox *sb, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_seccomp_enter(bool strict, struct cv_err *err);

#endif
