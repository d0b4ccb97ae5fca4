/* trap.h - addresses that nobody has and that stand in one file of the public directory each
 * (DIR-06): mail to one says that somebody harvested addresses, and from which file.
 *
 * A trap follows from the domain and the file's path alone, so the publisher and smtpd need no list
 * in common. Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_TRAP_H
#define CV_REGISTER_TRAP_H

#include "common/register/register.h"

#define CV_TRAP_LOCAL_SIZE 24 /* of a trap's local part, with its NUL */
#define CV_TRAP_PATH_SIZE  80

/* The local part of PATH's trap, "tiepnhan-4f1c09aa7b". */
void cv_trap_local(struct cv_str domain, struct cv_str path, char out[CV_TRAP_LOCAL_SIZE]);

/* Whether LOCAL at DOMAIN is the trap of a file of the directory made from S: of the province's, or
 * of one of S's agencies. PATH_OUT names it. */
bool cv_trap_find(const struct cv_snapshot *s, struct cv_str local, struct cv_str domain,
                  char path_out[CV_TRAP_PATH_SIZE]);

#endif
