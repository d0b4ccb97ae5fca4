/* restore.h - the parts of restoring that the command and the drill share. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_BACKUP_RESTORE_H
#define ADMIN_BACKUP_RESTORE_H

#include <dirent.h>

#include "admin/backup/backup.h"
#include "common/store/store.h"

/* Opens the mail store in DIR, a copy: nothing is reaped. Its rows are recovered. FETCH (may be
 * NULL) gets what is read of volumes, see struct cv_engine_options. */
typedef bool backup_fetch_fn(void *arg, const char *name, uint64_t from, uint64_t n);
CV_MUST_CHECK enum cv_status backup_open_copy(struct backup *b, const char *dir,
	backup_fetch_fn *fetch, void *arg, struct cv_store **out, struct cv_err *err);
/* Checks and mends it; counts go into OUT: accounts, mailboxes, messages, bodies, body_bytes,
 * faults, and found, a list of sentences. */
CV_MUST_CHECK enum cv_status backup_check_store(
	struct cv_store *s, bool bodies, json_t *out, struct cv_err *err);
uint64_t backup_faults_of(const struct cv_check_report *r);

/* Everything of M to where the configuration (or --to) says; fills REPLY. */
CV_MUST_CHECK enum cv_status backup_restore_all(struct backup *b, struct backup_target *t,
	const struct backup_manifest *m, json_t *reply, struct cv_err *err);
/* Messages of one box into the running (or stopped) service; fills REPLY. */
CV_MUST_CHECK enum cv_status backup_restore_box(struct backup *b, struct backup_target *t,
	const struct backup_manifest *m, const char *address, json_t *reply, struct cv_err *err);

/* The entries of a folder, without "." and "..". */
struct backup_tree {
	DIR *dir;
};
CV_MUST_CHECK enum cv_status backup_tree_open(
	struct backup_tree *t, const char *path, struct cv_err *err); /* none: empty */
const char *backup_tree_next(struct backup_tree *t, bool *is_folder_out);
void backup_tree_close(struct backup_tree *t);

#endif
