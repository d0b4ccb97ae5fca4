/* publish.h - putting the directory's files into a folder, and from there onto a web server. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_PUBLISH_H
#define ADMIN_PUBLISH_H

#include "admin/admin.h"
#include "admin/directory/remote.h"
#include "admin/directory/site.h"
#include "admin/files.h"

/* ---- folder.c ---- */

struct admin_published {
	size_t files, changed, removed;
};
/* The manifest of what was published to DIR before; NULL when there is none. CV_EXISTS when DIR
 * holds other things and no manifest of ours: it will not be touched. */
CV_MUST_CHECK enum cv_status admin_folder_manifest(
	const char *dir, json_t **out, struct cv_err *err);
/* Makes DIR hold exactly SITE, in one step: a new folder is filled beside it and the two change
 * places, so a reader never sees half of each. Files that did not change are the same files as
 * before; files that somebody else put there are taken along. One publisher at a time: CV_CONFLICT.
 */
CV_MUST_CHECK enum cv_status admin_folder_publish(const char *dir, const struct admin_site *site,
	struct admin_owner owner, struct admin_published *out, struct cv_err *err);

/* ---- push.c ---- */

/* Sends the files that the server's manifest does not list with the same sum, deletes those that
 * are no more, and sends the manifest last: until then a reader of the manifest sees the old state.
 * PROGRESS gets {"done", "total"} and owns it. */
CV_MUST_CHECK enum cv_status admin_push(const struct admin_site *site,
	const struct admin_remote_options *options, void (*progress)(void *arg, json_t *note),
	void *arg, struct admin_published *out, struct cv_err *err);

/* ---- edition.c: what every `congvu directory` command begins with ---- */

struct admin_edition {
	struct cv_register *reg;
	const struct cv_snapshot *snapshot;
	struct admin_directory d;
};
/* The register's snapshot as it is. E is to be closed in any case. */
CV_MUST_CHECK enum cv_status admin_edition_open(
	struct admin_call *call, struct admin_edition *e, struct cv_err *err);
/* Builds E->d from it, for AGENCY alone when that is not NULL. */
CV_MUST_CHECK enum cv_status admin_edition_build(struct admin_call *call, const char *agency,
	struct admin_edition *e, struct cv_err *err);
void admin_edition_close(struct admin_edition *e);
/* Today in the configured time zone. */
void admin_edition_day(struct admin_call *call, char out[11]);
/* The private key that signs manifests, or an empty text when none was made; to be wiped and freed
 * by admin_edition_key_done(). */
CV_MUST_CHECK enum cv_status admin_edition_key(
	struct admin_call *call, struct cv_str *pem_out, struct cv_err *err);
void admin_edition_key_done(struct cv_str *pem);
/* <keys_dir>/directory.key */
void admin_edition_key_path(struct admin_call *call, char out[1200]);
void admin_edition_remote(
	struct admin_call *call, const char *url, struct admin_remote_options *out);

#endif
