/* data.c - the directory for machines: CSV for spreadsheets, JSON for portals (DIR-03, 07), digests
 * of addresses (DIR-08). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/certificate.h"
#include "admin/csv.h"
#include "admin/directory/site.h"
#include "common/register/trap.h"

#define BOM "\xef\xbb\xbf"

/* ---- traps ---- */

void
admin_trap_address(const struct admin_directory *d, const char *path, struct cv_buf *out)
{
	char local[CV_TRAP_LOCAL_SIZE];

	cv_trap_local(d->wish.domain, cv_str_z(path), local);
	cv_buf_printf(out, "%s@%.*s", local, CV_STR_ARGS(d->wish.domain));
}

/* ---- CSV ---- */

static void
put_number(struct cv_buf *out, size_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%zu", n);
	admin_csv_put(out, cv_str_z(text), false);
}

/* A row that tells people what it is; who writes there has not read it. */
static void
put_trap(struct cv_buf *out, const struct admin_directory *d, const char *path)
{
	struct cv_buf trap = CV_BUF_INIT(400);

	if (!d->wish.traps)
		return;
	admin_trap_address(d, path, &trap);
	admin_csv_put(out, CV_STR_EMPTY, false);
	admin_csv_put(out, CV_STR("(địa chỉ bẫy thư rác: không gửi thư tới đây)"), false);
	for (int i = 0; i < 5; i++)
		admin_csv_put(out, CV_STR_EMPTY, false);
	admin_csv_put(out, cv_buf_view(&trap), true);
	cv_buf_done(&trap);
}

void
admin_csv_people(const struct admin_directory *d, const struct admin_unit *only, const char *path,
	struct cv_buf *out)
{
	size_t number = 0;

	cv_buf_z(out, BOM
		"STT,Họ và tên,Chức vụ,Đơn vị,Phòng,Điện thoại cơ quan,Di động,Thư điện tử\r\n");
	for (size_t i = 0; i < d->count; i++) {
		const struct admin_unit *u = &d->units[i];
		if (only && u != only)
			continue;
		for (size_t k = 0; k < u->count; k++) {
			const struct admin_entry *e = &u->entries[k];
			put_number(out, ++number);
			admin_csv_put(out, e->name, false);
			admin_csv_put(out, e->title, false);
			admin_csv_put(out, u->name, false);
			admin_csv_put(out, e->department, false);
			admin_csv_put(out, e->phone_office, false);
			admin_csv_put(out, e->phone_mobile, false);
			admin_csv_put(out, e->address, true);
		}
	}
	put_trap(out, d, path);
}

void
admin_csv_units(const struct admin_directory *d, struct cv_buf *out)
{
	cv_buf_z(out, BOM "STT,Mã,Cơ quan - đơn vị,Loại,Trực thuộc,Thư điện tử công vụ,Điện thoại,"
			  "Trang thông tin,Trụ sở,Số người\r\n");
	for (size_t i = 0; i < d->count; i++) {
		const struct admin_unit *u = &d->units[i];
		char count[24];
		snprintf(count, sizeof count, "%zu", u->count - u->roles);
		put_number(out, i + 1);
		admin_csv_put(out, u->code, false);
		admin_csv_put(out, u->name, false);
		admin_csv_put(out, u->type, false);
		admin_csv_put(out, u->parent_name, false);
		admin_csv_put(out, u->address, false);
		admin_csv_put(out, u->phone, false);
		admin_csv_put(out, u->website, false);
		admin_csv_put(out, u->location, false);
		admin_csv_put(out, cv_str_z(count), true);
	}
}

/* ---- JSON ---- */

static void
set(json_t *o, const char *key, struct cv_str text)
{
	json_object_set_new(o, key, json_stringn(text.p ? text.p : "", text.n));
}

static json_t *
entry_json(const struct admin_entry *e)
{
	json_t *o = json_object();

	json_object_set_new(o, "kind", json_string(e->is_role ? "role" : "person"));
	set(o, "name", e->name);
	set(o, "title", e->title);
	set(o, "department", e->department);
	set(o, "phone_office", e->phone_office);
	set(o, "phone_mobile", e->phone_mobile);
	set(o, "address", e->address);
	return o;
}

static json_t *
unit_head(const struct admin_unit *u)
{
	json_t *o = json_object();

	set(o, "code", u->code);
	set(o, "name", u->name);
	set(o, "type", u->type);
	set(o, "parent", u->parent);
	set(o, "address", u->address);
	set(o, "phone", u->phone);
	set(o, "website", u->website);
	set(o, "location", u->location);
	json_object_set_new(o, "people", json_integer((json_int_t)(u->count - u->roles)));
	if (u->digest[0])
		json_object_set_new(o, "updated", json_string(u->updated));
	return o;
}

static void
set_trap(json_t *o, const struct admin_directory *d, const char *path)
{
	struct cv_buf trap = CV_BUF_INIT(400);

	if (!d->wish.traps)
		return;
	admin_trap_address(d, path, &trap);
	set(o, "trap", cv_buf_view(&trap));
	cv_buf_done(&trap);
}

static json_t *
entries_json(const struct admin_unit *u)
{
	json_t *list = json_array();

	for (size_t i = 0; i < u->count; i++)
		json_array_append_new(list, entry_json(&u->entries[i]));
	return list;
}

json_t *
admin_json_unit(const struct admin_directory *d, const struct admin_unit *u)
{
	json_t *o = json_pack("{s:i}", "schema", ADMIN_DIRECTORY_SCHEMA);

	set(o, "province", d->province);
	char path[ADMIN_SITE_PATH_MAX];

	snprintf(path, sizeof path, "donvi/%.*s.json", CV_STR_ARGS(u->code));
	json_object_set_new(o, "agency", unit_head(u));
	json_object_set_new(o, "entries", entries_json(u));
	set_trap(o, d, path);
	return o;
}

json_t *
admin_json_all(const struct admin_directory *d)
{
	json_t *o = json_pack("{s:i, s:s}", "schema", ADMIN_DIRECTORY_SCHEMA, "generated", d->day);
	json_t *list = json_array();

	set(o, "province", d->province);
	for (size_t i = 0; i < d->count; i++) {
		json_t *u = unit_head(&d->units[i]);
		json_object_set_new(u, "sha256", json_string(d->units[i].digest));
		json_object_set_new(u, "entries", entries_json(&d->units[i]));
		json_array_append_new(list, u);
	}
	json_object_set_new(o, "agencies", list);
	set_trap(o, d, "danhba.json");
	return o;
}

/* ---- is an address official? ---- */

void
admin_official_digest(struct cv_str address, char hex_out[65])
{
	struct cv_buf text = CV_BUF_INIT(8192);

	cv_buf_z(&text, ADMIN_OFFICIAL_PREFIX);
	for (size_t i = 0; i < address.n; i++)
		cv_buf_c(&text, (char)cv_lower((unsigned char)address.p[i]));
	admin_sha256(cv_buf_view(&text), hex_out);
	hex_out[ADMIN_OFFICIAL_DIGITS] = '\0';
	cv_buf_done(&text);
}

static void
append_digest(json_t *list, struct cv_str address)
{
	char hex[65];

	if (!address.n)
		return;
	admin_official_digest(address, hex);
	json_array_append_new(list, json_string(hex));
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of the digests, which says nothing of the people. */
static json_t *
sorted(json_t *list)
{
	size_t n = json_array_size(list);
	const char **texts = cv_malloc((n + 1) * sizeof *texts);
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++)
		texts[i] = json_string_value(json_array_get(list, i));
	qsort(texts, n, sizeof *texts, by_text);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, json_string(texts[i]));
	free(texts);
	json_decref(list);
	return out;
}

json_t *
admin_json_official(const struct admin_directory *d)
{
	json_t *agencies = json_object();
	char code[64];

	for (size_t i = 0; i < d->count; i++) {
		const struct admin_unit *u = &d->units[i];
		json_t *list = json_array(), *o = json_object();
		append_digest(list, u->address);
		for (size_t k = 0; k < u->count; k++)
			append_digest(list, u->entries[k].address);
		set(o, "name", u->name);
		json_object_set_new(o, "digests", sorted(list));
		snprintf(code, sizeof code, "%.*s", CV_STR_ARGS(u->code));
		json_object_set_new(agencies, code, o);
	}
	return json_pack("{s:i, s:s, s:i, s:o}", "schema", ADMIN_DIRECTORY_SCHEMA, "prefix",
		ADMIN_OFFICIAL_PREFIX, "digits", ADMIN_OFFICIAL_DIGITS, "agencies", agencies);
}
