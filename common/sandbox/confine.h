/* confine.h - processes that turn what they read into what they write, and do nothing else.
 *
 * Stricter than a daemon's sandbox: no file can be opened, no socket made, no program started.
 * CV_CONFINE_KEEPER may make processes, wait for them, take descriptors from its socket and confine
 * its children further. CV_CONFINE_WORKER may read and write what it has open, and use memory and
 * clocks; a call beside these ends it. Asking for a file is answered with EACCES, since libraries
 * look for optional ones, until cv_confine_files(), after which it is deadly too.
 *
 * Each is entered by one process, by its only thread, in that order; there is no way back.
 * docs/adr/0062-text-of-attachments.md
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_CONFINE_H
#define CV_CONFINE_H

#include "common/base/err.h"

enum cv_confinement { CV_CONFINE_KEEPER, CV_CONFINE_WORKER };

/* A kernel without Landlock costs nothing, since seccomp alone keeps files away. Without seccomp:
 * CV_NOT_FOUND, and nothing should be read that a stranger sent. */
CV_MUST_CHECK enum cv_status cv_confine(enum cv_confinement kind, struct cv_err *err);
CV_MUST_CHECK enum cv_status cv_confine_files(struct cv_err *err);

#endif
