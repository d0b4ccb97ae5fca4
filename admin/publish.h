/* publish.h - putting the directory's files into a folder, and from there onto a web server. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_PUBLISH_H
#define ADMIN_PUBLISH_H

#include "admin/directory_site.h"
#include "admin/files.h"

/* ---- publish_folder.c ---- */

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

/* ---- publish_push.c ---- */

struct admin_push_options {
	const char *url;       /* of the folder on the server */
	const char *auth_file; /* "user:password"; "" for none */
	const char *ca_file;   /* authority of the server's certificate; "" for the system's */
	bool allow_plain_http; /* http to other machines than this one */
};
/* PUTs the files that the server's manifest does not list with the same sum, DELETEs those that are
 * no more, and puts the manifest last: until then a reader of the manifest sees the old state.
 * PROGRESS gets {"done", "total"} and owns it. */
CV_MUST_CHECK enum cv_status admin_push(const struct admin_site *site,
	const struct admin_push_options *options, void (*progress)(void *arg, json_t *note),
	void *arg, struct admin_published *out, struct cv_err *err);

#endif
