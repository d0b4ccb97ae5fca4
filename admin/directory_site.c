/* directory_site.c - see directory_site.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory_site.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/certificate.h"

bool
admin_site_path_is_sound(const char *path)
{
	struct cv_str rest = cv_str_z(path), part;

	if (!rest.n || rest.n >= ADMIN_SITE_PATH_MAX || rest.p[rest.n - 1] == '/')
		return false;
	for (size_t i = 0; i < rest.n; i++) {
		unsigned char c = (unsigned char)rest.p[i];
		if (!(c >= 'a' && c <= 'z') && !cv_is_digit(c) && !strchr("._/-", c))
			return false;
	}
	while (cv_str_split(&rest, '/', &part))
		if (!part.n || part.p[0] == '.')
			return false;
	return true;
}

static char *
dump(json_t *o, size_t *n_out)
{
	char *text = json_dumps(o, JSON_INDENT(1) | JSON_PRESERVE_ORDER);

	json_decref(o);
	if (!text)
		cv_die("the directory cannot be written as JSON");
	*n_out = strlen(text);
	return text;
}

/* ---- days ---- */

static void
keep_day(struct admin_unit *u, const json_t *old_units)
{
	char code[64];

	snprintf(code, sizeof code, "%.*s", CV_STR_ARGS(u->code));
	const json_t *old = json_object_get(old_units, code);
	const char *digest = json_string_value(json_object_get(old, "sha256"));
	const char *day = json_string_value(json_object_get(old, "updated"));
	if (!digest || strcmp(digest, u->digest) != 0 || !day || strlen(day) != 10 ||
		strspn(day, "0123456789-") != 10 || strcmp(day, u->updated) > 0)
		return;
	snprintf(u->updated, sizeof u->updated, "%s", day);
}

void
admin_site_date(struct admin_directory *d, const json_t *old_manifest)
{
	const json_t *old_units = json_object_get(old_manifest, "agencies");

	for (size_t i = 0; i < d->count; i++) {
		struct admin_unit *u = &d->units[i];
		size_t n;
		u->digest[0] = '\0'; /* leaves the day itself out of what is compared */
		char *text = dump(admin_json_unit(d, u), &n);
		admin_sha256(cv_str(text, n), u->digest);
		free(text);
		keep_day(u, old_units);
	}
}

/* ---- files ---- */

/* Takes BYTES over. */
static void
add_bytes(struct admin_site *s, const char *path, char *bytes, size_t n)
{
	if (s->count == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->files = cv_realloc(s->files, s->cap * sizeof *s->files);
	}
	struct admin_site_file *f = &s->files[s->count++];
	snprintf(f->path, sizeof f->path, "%s", path);
	f->bytes = bytes;
	f->n = n;
	admin_sha256(cv_str(bytes, n), f->sha256);
}

static void
add(struct admin_site *s, const char *path, struct cv_buf *text)
{
	size_t n = text->n;

	s->is_full = s->is_full || text->full;
	add_bytes(s, path, n ? cv_buf_take(text) : cv_strdup(""), n);
	cv_buf_done(text);
}

static void
add_json(struct admin_site *s, const char *path, json_t *o)
{
	size_t n;
	char *text = dump(o, &n);

	add_bytes(s, path, text, n);
}

static void
unit_path(const struct admin_unit *u, const char *ending, char out[ADMIN_SITE_PATH_MAX])
{
	snprintf(out, ADMIN_SITE_PATH_MAX, "donvi/%.*s.%s", CV_STR_ARGS(u->code), ending);
}

static void
add_unit(struct admin_site *s, const struct admin_directory *d, const struct admin_unit *u,
	const char *url)
{
	struct cv_buf html = CV_BUF_INIT(ADMIN_SITE_FILE_MAX),
		      csv = CV_BUF_INIT(ADMIN_SITE_FILE_MAX);
	char path[ADMIN_SITE_PATH_MAX];

	unit_path(u, "html", path);
	if (!admin_site_path_is_sound(path))
		cv_die("an agency's code is no file name");
	admin_html_unit(d, u, url, &html);
	add(s, path, &html);
	admin_csv_people(d, u, &csv);
	unit_path(u, "csv", path);
	add(s, path, &csv);
	unit_path(u, "json", path);
	add_json(s, path, admin_json_unit(d, u));
}

static void
add_province(struct admin_site *s, const struct admin_directory *d, const char *url)
{
	struct cv_buf index = CV_BUF_INIT(ADMIN_SITE_FILE_MAX),
		      people = CV_BUF_INIT(ADMIN_SITE_FILE_MAX);
	struct cv_buf units = CV_BUF_INIT(ADMIN_SITE_FILE_MAX),
		      style = CV_BUF_INIT(ADMIN_SITE_FILE_MAX);

	admin_html_index(d, url, &index);
	add(s, "index.html", &index);
	admin_csv_people(d, NULL, &people);
	add(s, "danhba.csv", &people);
	admin_csv_units(d, &units);
	add(s, "donvi.csv", &units);
	admin_html_style(&style);
	add(s, "style.css", &style);
	add_json(s, "danhba.json", admin_json_all(d));
}

static int
by_path(const void *a, const void *b)
{
	return strcmp(((const struct admin_site_file *)a)->path,
		((const struct admin_site_file *)b)->path);
}

/* What changed since the last time is found by comparing two of these (DIR-07). */
static json_t *
manifest(const struct admin_directory *d, const struct admin_site *s)
{
	json_t *files = json_array(), *units = json_object();
	char code[64];

	for (size_t i = 0; i < s->count; i++)
		json_array_append_new(
			files, json_pack("{s:s, s:s, s:I}", "path", s->files[i].path, "sha256",
				       s->files[i].sha256, "size", (json_int_t)s->files[i].n));
	for (size_t i = 0; i < d->count; i++) {
		snprintf(code, sizeof code, "%.*s", CV_STR_ARGS(d->units[i].code));
		json_object_set_new(units, code,
			json_pack("{s:s, s:s}", "updated", d->units[i].updated, "sha256",
				d->units[i].digest));
	}
	return json_pack("{s:s, s:i, s:s, s:s#, s:o, s:o}", "kind", "congvu-directory", "schema",
		ADMIN_DIRECTORY_SCHEMA, "generated", d->day, "province", d->province.p,
		(int)d->province.n, "agencies", units, "files", files);
}

void
admin_site_build(const struct admin_directory *d, const char *url, struct admin_site *out)
{
	*out = (struct admin_site){0};
	add_province(out, d, url);
	for (size_t i = 0; i < d->count; i++)
		add_unit(out, d, &d->units[i], url);
	qsort(out->files, out->count, sizeof *out->files, by_path);
	add_json(out, ADMIN_SITE_MANIFEST, manifest(d, out));
}

void
admin_site_done(struct admin_site *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->files[i].bytes);
	free(s->files);
	*s = (struct admin_site){0};
}
