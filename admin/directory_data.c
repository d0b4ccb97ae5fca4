/* directory_data.c - the directory for machines: CSV for spreadsheets, JSON for portals (DIR-03,
 * 07). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "admin/csv.h"
#include "admin/directory_site.h"

#define BOM "\xef\xbb\xbf"

/* ---- CSV ---- */

static void
put_number(struct cv_buf *out, size_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%zu", n);
	admin_csv_put(out, cv_str_z(text), false);
}

void
admin_csv_people(const struct admin_directory *d, const struct admin_unit *only, struct cv_buf *out)
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
	json_object_set_new(o, "agency", unit_head(u));
	json_object_set_new(o, "entries", entries_json(u));
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
	return o;
}
