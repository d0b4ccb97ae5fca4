/* site.c - see site.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory/site.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/certificate.h"
#include "common/text/encode.h"

#include "admin/directory/assets.inc"

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
add_text(struct admin_site *s, const char *path, const char *text)
{
	add_bytes(s, path, cv_strdup(text), strlen(text));
}

/* Makes the file PATH of what the caller put into TEXT. */
static void
add_unit_file(struct admin_site *s, const struct admin_unit *u, const char *folder,
	const char *ending, struct cv_buf *text)
{
	char path[ADMIN_SITE_PATH_MAX];

	snprintf(path, sizeof path, "%s/%.*s%s", folder, CV_STR_ARGS(u->code), ending);
	if (!admin_site_path_is_sound(path))
		cv_die("an agency's code is no file name");
	add(s, path, text);
}

static void
add_unit(struct admin_site *s, const struct admin_directory *d, const struct admin_unit *u)
{
	struct cv_buf text = CV_BUF_INIT(ADMIN_SITE_FILE_MAX);
	char path[ADMIN_SITE_PATH_MAX];

	admin_html_unit(d, u, &text);
	add_unit_file(s, u, "donvi", ".html", &text);
	snprintf(path, sizeof path, "donvi/%.*s.csv", CV_STR_ARGS(u->code));
	admin_csv_people(d, u, path, &text);
	add_unit_file(s, u, "donvi", ".csv", &text);
	admin_vcard(d, u, 4, &text);
	add_unit_file(s, u, "donvi", ".vcf", &text);
	admin_vcard(d, u, 3, &text);
	add_unit_file(s, u, "donvi", "-outlook.vcf", &text);
	admin_html_embedded(d, u, &text);
	add_unit_file(s, u, "nhung", ".html", &text);
	admin_html_fragment(d, u, &text);
	add_unit_file(s, u, "nhung", ".inc", &text);
	snprintf(path, sizeof path, "donvi/%.*s.json", CV_STR_ARGS(u->code));
	add_json(s, path, admin_json_unit(d, u));
}

static enum cv_status
add_province(struct admin_site *s, const struct admin_directory *d, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(ADMIN_SITE_FILE_MAX);

	admin_html_index(d, &text);
	add(s, "index.html", &text);
	admin_html_check(d, &text);
	add(s, "kiemtra.html", &text);
	admin_html_embedding(d, &text);
	add(s, "nhung/huong-dan.html", &text);
	admin_csv_people(d, NULL, "danhba.csv", &text);
	add(s, "danhba.csv", &text);
	admin_csv_units(d, &text);
	add(s, "donvi.csv", &text);
	admin_vcard(d, NULL, 4, &text);
	add(s, "danhba.vcf", &text);
	admin_ldif(d, &text);
	add(s, "danhba.ldif", &text);
	add_json(s, "danhba.json", admin_json_all(d));
	add_json(s, "chinhthuc.json", admin_json_official(d));
	add_text(s, "style.css", asset_style);
	add_text(s, "tim.js", asset_search);
	add_text(s, "kiemtra.js", asset_check);
	add_text(s, "schema.json", asset_schema);
	enum cv_status status = admin_xlsx(d, &text, err);
	if (status == CV_OK)
		add(s, ADMIN_SITE_XLSX, &text);
	cv_buf_done(&text);
	return status;
}

/* ---- for search engines ---- */

static void
add_location(struct cv_buf *out, const char *url, const char *path, const char *day)
{
	cv_buf_z(out, "<url><loc>");
	cv_html_escape(cv_str_z(url), out);
	cv_html_escape(cv_str_z(path), out);
	cv_buf_printf(out, "</loc><lastmod>%s</lastmod></url>\n", day);
}

static void
add_sitemap(struct admin_site *s, const struct admin_directory *d)
{
	struct cv_buf text = CV_BUF_INIT(ADMIN_SITE_FILE_MAX);
	char path[ADMIN_SITE_PATH_MAX];

	cv_buf_z(&text, "User-agent: *\nDisallow: /nhung/\n");
	if (d->wish.url[0])
		cv_buf_printf(&text, "\nSitemap: %ssitemap.xml\n", d->wish.url);
	add(s, "robots.txt", &text);
	if (!d->wish.url[0])
		return; /* a sitemap has whole addresses only */
	cv_buf_z(&text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			"<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n");
	add_location(&text, d->wish.url, "index.html", d->day);
	for (size_t i = 0; i < d->count; i++) {
		snprintf(path, sizeof path, "donvi/%.*s.html", CV_STR_ARGS(d->units[i].code));
		add_location(&text, d->wish.url, path, d->units[i].updated);
	}
	cv_buf_z(&text, "</urlset>\n");
	add(s, "sitemap.xml", &text);
}

/* ---- the feed ---- */

static int
by_change(const void *a, const void *b)
{
	const struct admin_unit *const *x = a, *const *y = b;
	int newer = strcmp((*y)->updated, (*x)->updated);

	return newer ? newer : cv_str_cmp((*x)->code, (*y)->code);
}

static bool
is_day(const char *day)
{
	return day && strlen(day) == 10 && strspn(day, "0123456789-") == 10;
}

/* Days from DAY to TODAY, about: months are 31 days long. */
static int
days_between(const char *day, const char *today)
{
	int parts[2][3] = {{0}};
	const char *const texts[2] = {day, today};

	for (int i = 0; i < 2; i++)
		sscanf(texts[i], "%4d-%2d-%2d", &parts[i][0], &parts[i][1], &parts[i][2]);
	return (parts[1][0] - parts[0][0]) * 372 + (parts[1][1] - parts[0][1]) * 31 + parts[1][2] -
	       parts[0][2];
}

static void
append_gone(json_t *list, const struct admin_directory *d, const char *code, const char *day)
{
	if (strlen(code) < 64 && !admin_directory_unit(d, cv_str_z(code)) &&
		days_between(day, d->day) <= ADMIN_SITE_GONE_DAYS)
		json_array_append_new(list, json_pack("{s:s, s:s}", "code", code, "day", day));
}

/* Units that the manifest before told of and that are no more, and those it called gone. */
static json_t *
gone_units(const struct admin_directory *d, const json_t *old)
{
	json_t *list = json_array(), *unit;
	const char *code;
	size_t i;

	json_object_foreach(json_object_get((json_t *)old, "agencies"), code, unit)
		append_gone(list, d, code, d->day);
	json_array_foreach(json_object_get(old, "gone"), i, unit)
	{
		const char *was = json_string_value(json_object_get(unit, "code"));
		const char *day = json_string_value(json_object_get(unit, "day"));
		if (was && is_day(day))
			append_gone(list, d, was, day);
	}
	return list;
}

static void
add_feed(struct admin_site *s, const struct admin_directory *d, json_t *gone)
{
	const struct admin_unit **units = cv_malloc((d->count + 1) * sizeof *units);
	json_t *changes = json_array();
	char path[ADMIN_SITE_PATH_MAX], code[64];

	for (size_t i = 0; i < d->count; i++)
		units[i] = &d->units[i];
	qsort(units, d->count, sizeof *units, by_change);
	for (size_t i = 0; i < d->count; i++) {
		snprintf(path, sizeof path, "donvi/%.*s.json", CV_STR_ARGS(units[i]->code));
		snprintf(code, sizeof code, "%.*s", CV_STR_ARGS(units[i]->code));
		const struct admin_site_file *f = admin_site_find(s, path);
		json_array_append_new(
			changes, json_pack("{s:s, s:s#, s:s, s:s, s:s, s:I}", "code", code, "name",
					 units[i]->name.p, (int)units[i]->name.n, "updated",
					 units[i]->updated, "url", path, "sha256", f->sha256,
					 "size", (json_int_t)f->n));
	}
	free(units);
	add_json(s, "thaydoi.json",
		json_pack("{s:i, s:s#, s:s, s:o, s:O}", "schema", ADMIN_DIRECTORY_SCHEMA,
			"province", d->province.p, (int)d->province.n, "generated", d->day,
			"changes", changes, "gone", gone));
}

/* ---- the manifest ---- */

static int
by_path(const void *a, const void *b)
{
	return strcmp(((const struct admin_site_file *)a)->path,
		((const struct admin_site_file *)b)->path);
}

bool
admin_site_is_record(const char *path)
{
	return !strcmp(path, ADMIN_SITE_MANIFEST) || !strcmp(path, ADMIN_SITE_SIGNATURE);
}

json_t *
admin_site_manifest(struct cv_str text)
{
	json_t *o = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, NULL);
	const char *kind = json_string_value(json_object_get(o, "kind"));

	if (kind && !strcmp(kind, "congvu-directory"))
		return o;
	json_decref(o);
	return NULL;
}

/* What changed since the last time is found by comparing two of these (DIR-07). */
static json_t *
manifest(const struct admin_directory *d, const struct admin_site *s, json_t *gone)
{
	json_t *files = json_array(), *units = json_object();
	char code[64];

	for (size_t i = 0; i < s->count; i++)
		json_array_append_new(
			files, json_pack("{s:s, s:s, s:I}", "path", s->files[i].path, "sha256",
				       s->files[i].sha256, "size", (json_int_t)s->files[i].n));
	for (size_t i = 0; i < d->count; i++) {
		const struct admin_unit *u = &d->units[i];
		snprintf(code, sizeof code, "%.*s", CV_STR_ARGS(u->code));
		json_object_set_new(units, code,
			json_pack("{s:s, s:s, s:I}", "updated", u->updated, "sha256", u->digest,
				"people", (json_int_t)(u->count - u->roles)));
	}
	return json_pack("{s:s, s:i, s:s, s:s#, s:o, s:O, s:o}", "kind", "congvu-directory",
		"schema", ADMIN_DIRECTORY_SCHEMA, "generated", d->day, "province", d->province.p,
		(int)d->province.n, "agencies", units, "gone", gone, "files", files);
}

/* The signature stands before the manifest, so that who publishes file by file ends with that. */
static enum cv_status
add_records(struct admin_site *s, const struct admin_directory *d, json_t *gone,
	struct cv_str key_pem, struct cv_err *err)
{
	unsigned char signature[ADMIN_SIGNATURE_BYTES];
	size_t n;

	char *text = dump(manifest(d, s, gone), &n);
	enum cv_status status = CV_OK;
	if (key_pem.n) {
		status = admin_sign(key_pem, cv_str(text, n), signature, err);
		struct cv_buf bytes = CV_BUF_INIT(sizeof signature);
		cv_buf_add(&bytes, signature, sizeof signature);
		if (status == CV_OK)
			add(s, ADMIN_SITE_SIGNATURE, &bytes);
		cv_buf_done(&bytes);
	}
	add_bytes(s, ADMIN_SITE_MANIFEST, text, n);
	return status;
}

enum cv_status
admin_site_build(const struct admin_directory *d, const json_t *old_manifest, struct cv_str key_pem,
	struct admin_site *out, struct cv_err *err)
{
	struct cv_buf public_key = CV_BUF_INIT(4096);

	*out = (struct admin_site){0};
	enum cv_status status = add_province(out, d, err);
	for (size_t i = 0; i < d->count; i++)
		add_unit(out, d, &d->units[i]);
	add_sitemap(out, d);
	json_t *gone = gone_units(d, old_manifest);
	add_feed(out, d, gone);
	if (status == CV_OK && key_pem.n)
		status = admin_sign_public(key_pem, &public_key, err);
	if (public_key.n)
		add(out, ADMIN_SITE_KEY, &public_key);
	cv_buf_done(&public_key);
	qsort(out->files, out->count, sizeof *out->files, by_path);
	if (status == CV_OK)
		status = add_records(out, d, gone, key_pem, err);
	json_decref(gone);
	return status;
}

const struct admin_site_file *
admin_site_find(const struct admin_site *s, const char *path)
{
	for (size_t i = s->count; i--;)
		if (!strcmp(s->files[i].path, path))
			return &s->files[i];
	return NULL;
}

void
admin_site_done(struct admin_site *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->files[i].bytes);
	free(s->files);
	*s = (struct admin_site){0};
}
