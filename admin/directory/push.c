/* push.c - see publish.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "admin/directory/publish.h"
#include "common/base/map.h"

#define MANIFEST_MAX (16u << 20)

static void
index_old(const json_t *manifest, struct cv_map *sums)
{
	size_t i;
	json_t *f;

	cv_map_init(sums);
	json_array_foreach(json_object_get(manifest, "files"), i, f)
	{
		const char *path = json_string_value(json_object_get(f, "path"));
		const char *sum = json_string_value(json_object_get(f, "sha256"));
		if (path && sum && admin_site_path_is_sound(path) && !admin_site_is_record(path))
			cv_map_put(sums, cv_str_z(path), (void *)sum);
	}
}

static enum cv_status
put(struct admin_remote *r, const struct admin_site_file *f, struct admin_published *out,
	struct cv_err *err)
{
	out->changed++;
	return admin_remote_put(r, f->path, cv_str(f->bytes, f->n), err);
}

static enum cv_status
put_changed(struct admin_remote *r, const struct admin_site *site, struct cv_map *old,
	void (*progress)(void *, json_t *), void *arg, struct admin_published *out,
	struct cv_err *err)
{
	enum cv_status status = CV_OK;

	for (size_t i = 0; status == CV_OK && i < site->count; i++) {
		const struct admin_site_file *f = &site->files[i];
		const char *sum = cv_map_del(old, cv_str_z(f->path));
		if (!admin_site_is_record(f->path) && (!sum || strcmp(sum, f->sha256) != 0))
			status = put(r, f, out, err);
		if (progress)
			progress(arg, json_pack("{s:i, s:i}", "done", (int)i + 1, "total",
					      (int)site->count));
	}
	return status;
}

static enum cv_status
delete_gone(struct admin_remote *r, const struct cv_map *old, struct admin_published *out,
	struct cv_err *err)
{
	enum cv_status status = CV_OK;
	struct cv_str path;
	void *sum;

	for (size_t pos = 0; status == CV_OK && cv_map_each(old, &pos, &path, &sum);) {
		char name[ADMIN_SITE_PATH_MAX];
		snprintf(name, sizeof name, "%.*s", CV_STR_ARGS(path));
		status = admin_remote_delete(r, name, err);
		out->removed++;
	}
	return status;
}

/* The signature, and last the manifest: it must fit what was sent before. */
static enum cv_status
put_records(struct admin_remote *r, const struct admin_site *site, bool was_signed,
	struct admin_published *out, struct cv_err *err)
{
	const struct admin_site_file *signature = admin_site_find(site, ADMIN_SITE_SIGNATURE);
	enum cv_status status = CV_OK;

	if (signature)
		status = put(r, signature, out, err);
	else if (was_signed)
		status = admin_remote_delete(r, ADMIN_SITE_SIGNATURE, err);

	return status == CV_OK ? put(r, &site->files[site->count - 1], out, err) : status;
}

static enum cv_status
push_all(struct admin_remote *r, const struct admin_site *site, void (*progress)(void *, json_t *),
	void *arg, struct admin_published *out, struct cv_err *err)
{
	const struct admin_site_file *last = &site->files[site->count - 1];
	struct cv_buf text = CV_BUF_INIT(MANIFEST_MAX);
	struct cv_map old;

	enum cv_status status = admin_remote_get(r, ADMIN_SITE_MANIFEST, &text, err);
	if (status != CV_OK && status != CV_NOT_FOUND) {
		cv_buf_done(&text);
		return status;
	}
	bool is_same = cv_str_eq(cv_buf_view(&text), cv_str(last->bytes, last->n));
	/* NULL when it has none, or something else in its place: then everything is sent. */
	json_t *manifest = admin_site_manifest(cv_buf_view(&text));
	index_old(manifest, &old);
	bool was_signed = cv_map_get(&old, CV_STR(ADMIN_SITE_KEY));
	status = put_changed(r, site, &old, progress, arg, out, err);
	if (status == CV_OK)
		status = delete_gone(r, &old, out, err);
	if (status == CV_OK && !is_same)
		status = put_records(r, site, was_signed, out, err);
	cv_map_done(&old);
	json_decref(manifest);
	cv_buf_done(&text);
	return status;
}

enum cv_status
admin_push(const struct admin_site *site, const struct admin_remote_options *options,
	void (*progress)(void *arg, json_t *note), void *arg, struct admin_published *out,
	struct cv_err *err)
{
	struct admin_remote *r;

	*out = (struct admin_published){.files = site->count};
	if (!site->count)
		return cv_fail(err, CV_INVALID, "there is nothing to push");
	enum cv_status status = admin_remote_open(options, &r, err);
	if (status != CV_OK)
		return status;
	status = push_all(r, site, progress, arg, out, err);
	admin_remote_close(r);
	return status;
}
