/* sheet.c - the directory as a spreadsheet: everybody on one sheet, all agencies on another. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "admin/directory/site.h"
#include "admin/office/office.h"
#include "common/text/date.h"

static void
add_people(struct admin_doc *doc, const struct admin_directory *d)
{
	/* clang-format off */
	static const struct admin_doc_column columns[] = {
		{ "number", "STT", 6, ADMIN_COUNT }, { "name", "Họ và tên", 28, ADMIN_TEXT },
		{ "title", "Chức vụ", 24, ADMIN_TEXT }, { "agency", "Đơn vị", 36, ADMIN_TEXT },
		{ "department", "Phòng", 28, ADMIN_TEXT },
		{ "phone_office", "Điện thoại cơ quan", 18, ADMIN_TEXT },
		{ "phone_mobile", "Di động", 14, ADMIN_TEXT },
		{ "address", "Thư điện tử", 36, ADMIN_TEXT } };
	/* clang-format on */
	struct admin_doc_table *t =
		admin_doc_table(doc, "danhba", "Danh bạ", columns, CV_COUNT(columns));
	int64_t number = 0;

	for (size_t i = 0; i < d->count; i++) {
		const struct admin_unit *u = &d->units[i];
		for (size_t k = 0; k < u->count; k++) {
			const struct admin_entry *e = &u->entries[k];
			const struct admin_value cells[] = {admin_count(++number),
				admin_text(e->name), admin_text(e->title), admin_text(u->name),
				admin_text(e->department), admin_text(e->phone_office),
				admin_text(e->phone_mobile), admin_text(e->address)};
			admin_doc_row(doc, t, cells, false);
		}
	}
}

static void
add_units(struct admin_doc *doc, const struct admin_directory *d)
{
	/* clang-format off */
	static const struct admin_doc_column columns[] = {
		{ "number", "STT", 6, ADMIN_COUNT }, { "code", "Mã", 14, ADMIN_TEXT },
		{ "name", "Cơ quan, đơn vị", 40, ADMIN_TEXT },
		{ "parent", "Trực thuộc", 36, ADMIN_TEXT },
		{ "address", "Thư điện tử công vụ", 34, ADMIN_TEXT },
		{ "phone", "Điện thoại", 16, ADMIN_TEXT },
		{ "website", "Trang thông tin", 30, ADMIN_TEXT },
		{ "location", "Trụ sở", 36, ADMIN_TEXT }, { "people", "Số người", 10, ADMIN_COUNT } };
	/* clang-format on */
	struct admin_doc_table *t =
		admin_doc_table(doc, "donvi", "Đơn vị", columns, CV_COUNT(columns));

	for (size_t i = 0; i < d->count; i++) {
		const struct admin_unit *u = &d->units[i];
		const struct admin_value cells[] = {admin_count((int64_t)i + 1),
			admin_text(u->code), admin_text(u->name), admin_text(u->parent_name),
			admin_text(u->address), admin_text(u->phone), admin_text(u->website),
			admin_text(u->location), admin_count((int64_t)(u->count - u->roles))};
		admin_doc_row(doc, t, cells, false);
	}
}

enum cv_status
admin_xlsx(const struct admin_directory *d, struct cv_buf *out, struct cv_err *err)
{
	struct cv_buf province = CV_BUF_INIT(1u << 16);
	int year, month, day;

	if (sscanf(d->day, "%4d-%2d-%2d", &year, &month, &day) != 3)
		return cv_fail(err, CV_INVALID, "'%s' is no day", d->day);
	cv_buf_str(&province, d->province);
	cv_buf_c(&province, '\0');
	struct admin_doc *doc = admin_doc_new(true, cv_days_from_civil(year, month, day),
		"Danh bạ thư điện tử công vụ", province.p);
	cv_buf_done(&province);
	add_people(doc, d);
	add_units(doc, d);
	enum cv_status status = admin_doc_write(doc, ADMIN_FORMAT_XLSX, out, err);
	admin_doc_free(doc);
	return status;
}
