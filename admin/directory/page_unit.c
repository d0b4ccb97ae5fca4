/* page_unit.c - the page of an agency: its own facts, its role boxes, its people, what is below it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "admin/directory/page.h"
#include "common/text/encode.h"

static void
put_unit_facts(struct cv_buf *out, const struct admin_directory *d, const struct admin_unit *u)
{
	cv_buf_z(out, "<ul class=\"facts\">\n");
	if (u->address.n) {
		page_fact(out, d, "Thư điện tử công vụ", "Official mail");
		page_mail(out, d, u->address);
		page_fact_end(out);
	}
	if (u->phone.n) {
		page_fact(out, d, "Điện thoại", "Telephone");
		page_phone(out, u->phone);
		page_fact_end(out);
	}
	if (u->website.n) {
		page_fact(out, d, "Trang thông tin", "Website");
		page_website(out, u->website);
		page_fact_end(out);
	}
	if (u->location.n) {
		page_fact(out, d, "Trụ sở", "Office");
		cv_html_escape(u->location, out);
		page_fact_end(out);
	}
	if (u->parent_name.n) {
		bool is_here = admin_directory_unit(d, u->parent) != NULL;
		page_fact(out, d, "Trực thuộc", "Part of");
		if (is_here)
			cv_buf_printf(out, "<a href=\"%.*s.html\">", CV_STR_ARGS(u->parent));
		cv_html_escape(u->parent_name, out);
		cv_buf_z(out, is_here ? "</a>" : "");
		page_fact_end(out);
	}
	page_fact(out, d, "Số người trong danh bạ", "People listed");
	page_number(out, u->count - u->roles);
	page_fact_end(out);
	page_fact(out, d, "Cập nhật", "Updated");
	page_day(out, u->updated);
	page_fact_end(out);
	cv_buf_z(out, "</ul>\n");
}

static void
put_person(struct cv_buf *out, const struct admin_directory *d, const struct admin_entry *e,
	size_t number, bool has_mobile)
{
	cv_buf_printf(
		out, "<tr><td class=\"stt\">%zu</td><th scope=\"row\" class=\"ten\">", number);
	cv_html_escape(e->name, out);
	cv_buf_z(out, "</th>");
	page_cell(out, "chucvu", e->title);
	page_cell(out, "phong", e->department);
	cv_buf_z(out, "<td class=\"dt\">");
	page_phone(out, e->phone_office);
	if (has_mobile) {
		cv_buf_z(out, "</td><td class=\"dd\">");
		page_phone(out, e->phone_mobile);
	}
	cv_buf_z(out, "</td><td class=\"thu\">");
	page_mail(out, d, e->address);
	cv_buf_z(out, "</td></tr>\n");
}

void
page_people(struct cv_buf *out, const struct admin_directory *d, const struct admin_unit *u)
{
	size_t number = 0;

	cv_buf_z(out, "<table class=\"danhba\" data-tim>\n<caption>");
	page_label(out, d, "Cán bộ, công chức, viên chức", "Officials");
	cv_buf_z(out, ": ");
	page_number(out, u->count - u->roles);
	cv_buf_z(out, " người</caption>\n<thead><tr>");
	page_column_number(out, d);
	page_column(out, d, "", "Họ và tên", "Full name");
	page_column(out, d, "", "Chức vụ", "Position");
	page_column(out, d, "", "Phòng, đơn vị", "Department");
	page_column(out, d, "", "Điện thoại cơ quan", "Office telephone");
	if (u->has_mobile)
		page_column(out, d, "", "Di động", "Mobile");
	page_column(out, d, "", "Thư điện tử", "Mail");
	cv_buf_z(out, "</tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < u->count; i++)
		if (!u->entries[i].is_role)
			put_person(out, d, &u->entries[i], ++number, u->has_mobile);
	cv_buf_z(out, "</tbody>\n</table>\n");
}

void
page_roles(struct cv_buf *out, const struct admin_directory *d, const struct admin_unit *u)
{
	cv_buf_z(out, "<table class=\"danhba hopthu\" data-tim>\n<caption>");
	page_label(out, d, "Hộp thư chung của đơn vị", "Shared boxes");
	cv_buf_z(out, "</caption>\n<thead><tr>");
	page_column(out, d, "", "Hộp thư", "Box");
	page_column(out, d, "", "Điện thoại cơ quan", "Office telephone");
	page_column(out, d, "", "Thư điện tử", "Mail");
	cv_buf_z(out, "</tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < u->count; i++) {
		const struct admin_entry *e = &u->entries[i];
		if (!e->is_role)
			continue;
		cv_buf_z(out, "<tr><th scope=\"row\" class=\"ten\">");
		cv_html_escape(e->name, out);
		cv_buf_z(out, "</th><td class=\"dt\">");
		page_phone(out, e->phone_office);
		cv_buf_z(out, "</td><td class=\"thu\">");
		page_mail(out, d, e->address);
		cv_buf_z(out, "</td></tr>\n");
	}
	cv_buf_z(out, "</tbody>\n</table>\n");
}

/* Units that belong to U, as links. */
static void
put_children(struct cv_buf *out, const struct admin_directory *d, const struct admin_unit *u)
{
	bool any = false;

	for (size_t i = 0; i < d->count; i++) {
		const struct admin_unit *child = &d->units[i];
		if (!cv_str_eq(child->parent, u->code))
			continue;
		if (!any) {
			cv_buf_z(out, "<h2>");
			page_label(out, d, "Đơn vị trực thuộc", "Units below it");
			cv_buf_z(out, "</h2>\n<ul class=\"tructhuoc\">\n");
		}
		any = true;
		cv_buf_printf(out, "<li><a href=\"%.*s.html\">", CV_STR_ARGS(child->code));
		cv_html_escape(child->name, out);
		cv_buf_z(out, "</a></li>\n");
	}
	cv_buf_z(out, any ? "</ul>\n" : "");
}

static void
put_crumbs(struct cv_buf *out, const struct admin_directory *d, const struct admin_unit *u)
{
	const struct admin_unit_group *group = &admin_unit_groups[admin_unit_group_of(u->type)];

	cv_buf_z(out, "<nav class=\"crumbs\" aria-label=\"Đường dẫn\"><div class=\"wrap\"><ol>\n"
		      "<li><a href=\"../index.html\">");
	page_label(out, d, "Toàn tỉnh", "Province");
	cv_buf_printf(out, "</a></li>\n<li><a href=\"../index.html#%s\">", group->anchor);
	page_label(out, d, group->title, group->title_en);
	cv_buf_z(out, "</a></li>\n<li class=\"day\">");
	cv_html_escape(u->name, out);
	cv_buf_z(out, "</li>\n</ol></div></nav>\n");
}

void
admin_html_unit(const struct admin_directory *d, const struct admin_unit *u, struct cv_buf *out)
{
	char path[ADMIN_SITE_PATH_MAX], csv[40], json[40], vcard[40];
	const struct page page = {.d = d,
		.title = u->name,
		.root = "../",
		.path = path,
		.csv = csv,
		.json = json,
		.vcard = vcard,
		.script = "tim.js",
		.unit = u};

	snprintf(path, sizeof path, "donvi/%.*s.html", CV_STR_ARGS(u->code));
	snprintf(csv, sizeof csv, "%.*s.csv", CV_STR_ARGS(u->code));
	snprintf(json, sizeof json, "%.*s.json", CV_STR_ARGS(u->code));
	snprintf(vcard, sizeof vcard, "%.*s.vcf", CV_STR_ARGS(u->code));
	page_head(out, &page);
	page_banner(out, &page);
	put_crumbs(out, d, u);
	cv_buf_z(out, "<main id=\"noi-dung\" class=\"wrap\">\n<h1>");
	cv_html_escape(u->name, out);
	cv_buf_z(out, "</h1>\n");
	put_unit_facts(out, d, u);
	if (u->roles)
		page_roles(out, d, u);
	if (u->count > u->roles) {
		page_people(out, d, u);
	} else {
		cv_buf_z(out, "<p class=\"trong\">");
		page_label(out, d, "Đơn vị chưa có người nào trong danh bạ công khai.",
			"Nobody of this unit is listed yet.");
		cv_buf_z(out, "</p>\n");
	}
	put_children(out, d, u);
	cv_buf_z(out, "</main>\n");
	page_footer(out, &page);
}
