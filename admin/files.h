/* files.h - making folders and files durably, and only new ones where keys are concerned. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_FILES_H
#define ADMIN_FILES_H

#include <sys/types.h>

#include "common/base/err.h"
#include "common/base/str.h"

/* Who shall own what is made: (uid_t)-1 leaves it with whoever runs this. */
struct admin_owner {
	uid_t uid;
	gid_t gid;
};
#define ADMIN_OWNER_SELF ((struct admin_owner){(uid_t)-1, (gid_t)-1})
/* The Unix user of option `user` ("" is self). CV_NOT_FOUND; CV_DENIED when only root could. */
CV_MUST_CHECK enum cv_status admin_owner_find(
	const char *user, struct admin_owner *out, struct cv_err *err);
/* Root acts as Unix user USER from now on, so that what is made belongs to the daemons;
 * *SWITCHED_OUT tells whether admin_act_as_self() must end it. Others stay who they are, or get
 * CV_DENIED. */
CV_MUST_CHECK enum cv_status admin_act_as(
	const char *user, bool *switched_out, struct cv_err *err);
void admin_act_as_self(void);
/* Root acts as the owner of PATH, or of the folder above it that is there: links that the owner
 * planted lead root nowhere. What root owns is worked on as root. */
CV_MUST_CHECK enum cv_status admin_act_as_owner_of(
	const char *path, bool *switched_out, struct cv_err *err);

/* Makes PATH with all folders above it. One that exists is left as it is. */
CV_MUST_CHECK enum cv_status admin_folder_make(
	const char *path, mode_t mode, struct admin_owner owner, struct cv_err *err);
/* A file that must not exist yet: CV_EXISTS. On disk when it returns CV_OK. */
CV_MUST_CHECK enum cv_status admin_file_new(const char *path, mode_t mode, struct cv_str bytes,
	struct admin_owner owner, struct cv_err *err);
/* The same without its folder synced, and unless SYNC without the file: for many files, which the
 * caller makes durable together. */
CV_MUST_CHECK enum cv_status admin_file_put(const char *path, mode_t mode, struct cv_str bytes,
	struct admin_owner owner, bool sync, struct cv_err *err);
/* As admin_file_new(), but by rename over what may be there: readers see the old or the new. */
CV_MUST_CHECK enum cv_status admin_file_replace(const char *path, mode_t mode, struct cv_str bytes,
	struct admin_owner owner, struct cv_err *err);
/* The whole file, NUL behind it; the caller frees *BYTES_OUT. CV_NOT_FOUND, CV_LIMIT over MAX. */
CV_MUST_CHECK enum cv_status admin_file_read(
	const char *path, size_t max, struct cv_str *bytes_out, struct cv_err *err);
/* Syncs the folder itself, so that names made in it stay. */
CV_MUST_CHECK enum cv_status admin_folder_sync(const char *path, struct cv_err *err);
/* PATH made absolute, without "." and ".."; it need not exist. The caller frees the result. */
char *admin_path_absolute(const char *path);

#endif
