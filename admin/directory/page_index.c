/* page_index.c - the page of the province: every agency by kind, with its official address. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory/page.h"
#include "common/text/encode.h"

/* Columns that would be empty in a whole group are left out of its table. */
struct group_columns {
	size_t count;
	bool has_parent, has_phone, has_address;
};

static struct group_columns
columns_of_group(const struct admin_directory *d, size_t group)
{
	struct group_columns c = {0};

	for (size_t i = 0; i < d->count; i++) {
		const struct admin_unit *u = &d->units[i];
		if (admin_unit_group_of(u->type) != group)
			continue;
		c.count++;
		c.has_parent = c.has_parent || u->parent_name.n;
		c.has_phone = c.has_phone || u->phone.n;
		c.has_address = c.has_address || u->address.n;
	}
	return c;
}

static void
put_unit_row(struct cv_buf *out, const struct admin_directory *d, const struct admin_unit *u,
	const struct group_columns *c, size_t number)
{
	cv_buf_printf(out,
		"<tr><td class=\"stt\">%zu</td><th scope=\"row\" class=\"ten\">"
		"<a href=\"donvi/%.*s.html\">",
		number, CV_STR_ARGS(u->code));
	cv_html_escape(u->name, out);
	cv_buf_z(out, "</a></th>");
	if (c->has_parent)
		page_cell(out, "cha", u->parent_name);
	if (c->has_phone) {
		cv_buf_z(out, "<td class=\"dt\">");
		page_phone(out, u->phone);
		cv_buf_z(out, "</td>");
	}
	if (c->has_address) {
		cv_buf_z(out, "<td class=\"thu\">");
		page_mail(out, d, u->address);
		cv_buf_z(out, "</td>");
	}
	cv_buf_z(out, "<td class=\"so\">");
	page_number(out, u->count - u->roles);
	cv_buf_z(out, "</td></tr>\n");
}

static void
put_group(struct cv_buf *out, const struct admin_directory *d, size_t group)
{
	const struct admin_unit_group *g = &admin_unit_groups[group];
	const struct group_columns c = columns_of_group(d, group);
	size_t number = 0;

	if (!c.count)
		return;
	cv_buf_printf(out, "<section id=\"%s\" aria-labelledby=\"h-%s\">\n<h2 id=\"h-%s\">",
		g->anchor, g->anchor, g->anchor);
	page_label(out, d, g->title, g->title_en);
	cv_buf_z(out, "</h2>\n<table class=\"danhba donvi\" data-tim>\n<caption>");
	page_number(out, c.count);
	cv_buf_z(out, " ");
	page_label(out, d, "đơn vị và địa chỉ công vụ", "units and their official addresses");
	cv_buf_z(out, "</caption>\n<thead><tr>");
	page_column_number(out, d);
	page_column(out, d, "", "Cơ quan, đơn vị", "Agency");
	if (c.has_parent)
		page_column(out, d, "", "Trực thuộc", "Part of");
	if (c.has_phone)
		page_column(out, d, "", "Điện thoại", "Telephone");
	if (c.has_address)
		page_column(out, d, "", "Thư điện tử công vụ", "Official mail");
	page_column(out, d, "so", "Số người", "People");
	cv_buf_z(out, "</tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < d->count; i++)
		if (admin_unit_group_of(d->units[i].type) == group)
			put_unit_row(out, d, &d->units[i], &c, ++number);
	cv_buf_z(out, "</tbody>\n</table>\n</section>\n");
}

static void
put_groups_nav(struct cv_buf *out, const struct admin_directory *d)
{
	cv_buf_z(out, "<nav class=\"nhom\" aria-label=\"Nhóm cơ quan\"><ul>\n");
	for (size_t g = 0; g < admin_unit_groups_count; g++) {
		size_t n = columns_of_group(d, g).count;
		if (!n)
			continue;
		cv_buf_printf(out, "<li><a href=\"#%s\">", admin_unit_groups[g].anchor);
		page_label(out, d, admin_unit_groups[g].title, admin_unit_groups[g].title_en);
		cv_buf_z(out, " <span>");
		page_number(out, n);
		cv_buf_z(out, "</span></a></li>\n");
	}
	cv_buf_z(out, "</ul></nav>\n");
}

void
admin_html_index(const struct admin_directory *d, struct cv_buf *out)
{
	const struct page page = {.d = d,
		.root = "",
		.path = "index.html",
		.csv = "danhba.csv",
		.json = "danhba.json",
		.vcard = "danhba.vcf",
		.xlsx = ADMIN_SITE_XLSX,
		.script = "tim.js"};

	page_head(out, &page);
	page_banner(out, &page);
	cv_buf_z(out, "<main id=\"noi-dung\" class=\"wrap\">\n<h1>");
	page_label(out, d, "Cơ quan, đơn vị trong danh bạ", "Agencies in the directory");
	cv_buf_z(out, "</h1>\n<ul class=\"facts\">\n");
	page_fact(out, d, "Cơ quan, đơn vị", "Agencies");
	page_number(out, d->count);
	page_fact_end(out);
	page_fact(out, d, "Người trong danh bạ", "People listed");
	page_number(out, d->people);
	page_fact_end(out);
	page_fact(out, d, "Công bố ngày", "Published");
	page_day(out, d->day);
	page_fact_end(out);
	cv_buf_z(out, "</ul>\n");
	if (d->count)
		put_groups_nav(out, d);
	else
		cv_buf_z(out, "<p class=\"trong\">Chưa có cơ quan nào trong danh bạ.</p>\n");
	for (size_t g = 0; g < admin_unit_groups_count; g++)
		put_group(out, d, g);
	cv_buf_z(out, "</main>\n");
	page_footer(out, &page);
}
