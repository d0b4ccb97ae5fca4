/* directory_html.c - the pages of the directory: plain HTML that needs no script (DIR-03).
 *
 * Everything from the register passes through cv_html_escape(); links are made only of
 * addresses, telephone digits and http(s) addresses.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory_site.h"

#include "common/text/encode.h"

#include "admin/directory_style.inc"

#define SITE_TITLE "Danh bạ thư điện tử công vụ"

/* 12.077, as Vietnamese write it. */
static void
put_number(struct cv_buf *out, size_t n)
{
	if (n >= 1000) {
		put_number(out, n / 1000);
		cv_buf_printf(out, ".%03zu", n % 1000);
	} else {
		cv_buf_printf(out, "%zu", n);
	}
}

/* "2026-11-22" as <time>22/11/2026</time>. */
static void
put_day(struct cv_buf *out, const char *day)
{
	cv_buf_printf(
		out, "<time datetime=\"%s\">%.2s/%.2s/%.4s</time>", day, day + 8, day + 5, day);
}

static void
put_percent(struct cv_buf *out, struct cv_str text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (cv_is_alpha(c) || cv_is_digit(c) || (c && strchr("-._~@+", c)))
			cv_buf_c(out, (char)c);
		else
			cv_buf_printf(out, "%%%02X", c);
	}
}

static void
put_mail(struct cv_buf *out, struct cv_str address)
{
	if (!address.n)
		return;
	cv_buf_z(out, "<a href=\"mailto:");
	put_percent(out, address);
	cv_buf_z(out, "\">");
	/* A long address may break before its @, never inside a name. */
	size_t at = cv_str_find(address, '@', 0);
	cv_html_escape(cv_str_sub(address, 0, at), out);
	cv_buf_z(out, "<wbr>");
	cv_html_escape(cv_str_sub(address, at, address.n), out);
	cv_buf_z(out, "</a>");
}

/* Bare digits in the groups people read them in: 0989 280 483, 0299 3340 394, 024 3825 1234. */
static void
put_digits(struct cv_buf *out, struct cv_str phone)
{
	bool is_big_city = cv_str_has_prefix(phone, "024") || cv_str_has_prefix(phone, "028");
	size_t first = phone.n == 11 && is_big_city ? 3 : 4;
	size_t second = phone.n == 11 ? first + 4 : first + 3;

	if (strspn(phone.p, "0123456789") < phone.n || phone.n < 10 || phone.n > 11) {
		cv_html_escape(phone, out);
		return;
	}
	cv_buf_printf(out, "%.*s %.*s %.*s", (int)first, phone.p, (int)(second - first),
		phone.p + first, (int)(phone.n - second), phone.p + second);
}

static void
put_phone(struct cv_buf *out, struct cv_str phone)
{
	size_t digits = 0;

	for (size_t i = 0; i < phone.n; i++)
		digits += cv_is_digit((unsigned char)phone.p[i]);
	if (digits < 3 ||
		digits > 15) { /* two numbers in one field, an extension: shown, not dialled */
		cv_html_escape(phone, out);
		return;
	}
	cv_buf_z(out, "<a href=\"tel:");
	for (size_t i = 0; i < phone.n; i++)
		if (cv_is_digit((unsigned char)phone.p[i]) || (i == 0 && phone.p[i] == '+'))
			cv_buf_c(out, phone.p[i]);
	cv_buf_z(out, "\">");
	put_digits(out, phone);
	cv_buf_z(out, "</a>");
}

/* Anything but http and https, javascript: above all, is shown and not linked. */
static void
put_website(struct cv_buf *out, struct cv_str url)
{
	bool is_web = cv_str_has_iprefix(url, "https://") || cv_str_has_iprefix(url, "http://");

	if (is_web) {
		cv_buf_z(out, "<a href=\"");
		cv_html_escape(url, out);
		cv_buf_z(out, "\">");
	}
	cv_html_escape(url, out);
	if (is_web)
		cv_buf_z(out, "</a>");
}

/* ---- the frame of every page ---- */

struct page {
	const struct admin_directory *d;
	struct cv_str title;    /* of the agency, or empty on the index */
	const char *root;       /* "" or "../" */
	const char *url, *path; /* of the page itself */
	const char *csv, *json; /* of what it shows */
};

static void
put_head(struct cv_buf *out, const struct page *p)
{
	cv_buf_z(out, "<!DOCTYPE html>\n<html lang=\"vi\">\n<head>\n<meta charset=\"utf-8\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		      "<meta name=\"color-scheme\" content=\"light dark\">\n"
		      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		      "style-src 'self'; "
		      "base-uri 'none'; form-action 'none'\">\n<title>");
	if (p->title.n) {
		cv_html_escape(p->title, out);
		cv_buf_z(out, " – ");
	}
	cv_buf_z(out, SITE_TITLE " – ");
	cv_html_escape(p->d->province, out);
	cv_buf_z(out,
		"</title>\n<meta name=\"description\" content=\"Địa chỉ thư điện tử công vụ của ");
	cv_html_escape(p->title.n ? p->title : p->d->province, out);
	cv_buf_z(out, "\">\n");
	if (p->url[0]) {
		cv_buf_z(out, "<link rel=\"canonical\" href=\"");
		cv_html_escape(cv_str_z(p->url), out);
		cv_buf_printf(out, "%s\">\n", p->path);
	}
	cv_buf_printf(out,
		"<link rel=\"stylesheet\" href=\"%sstyle.css\">\n"
		"<link rel=\"alternate\" type=\"text/csv\" title=\"CSV\" href=\"%s\">\n"
		"<link rel=\"alternate\" type=\"application/json\" title=\"JSON\" "
		"href=\"%s\">\n</head>\n",
		p->root, p->csv, p->json);
}

static void
put_banner(struct cv_buf *out, const struct page *p)
{
	cv_buf_z(out, "<body>\n<a class=\"skip\" href=\"#noi-dung\">Đến nội dung chính</a>\n"
		      "<header class=\"banner\"><div class=\"wrap\">\n<p class=\"province\">");
	cv_html_escape(p->d->province, out);
	cv_buf_printf(out,
		"</p>\n<p class=\"site\"><a href=\"%sindex.html\">" SITE_TITLE "</a></p>\n"
		"</div></header>\n",
		p->root);
}

static void
put_footer(struct cv_buf *out, const struct page *p)
{
	cv_buf_printf(out,
		"<footer class=\"foot\"><div class=\"wrap\">\n"
		"<p>Tải dữ liệu: <a href=\"%s\">bảng tính CSV</a>, <a href=\"%s\">JSON</a>, "
		"<a href=\"%smanifest.json\">bảng kê tệp</a>.</p>\n"
		"<p>Danh bạ chỉ gồm thông tin công vụ; số di động chỉ có khi người đó đồng ý công "
		"khai. "
		"Cơ quan nhà nước không bao giờ hỏi mật khẩu qua thư điện tử.</p>\n"
		"</div></footer>\n</body>\n</html>\n",
		p->csv, p->json, p->root);
}

static void
put_fact(struct cv_buf *out, const char *title)
{
	cv_buf_printf(out, "<li><span>%s</span> <strong>", title);
}

/* ---- an agency ---- */

static void
put_unit_facts(struct cv_buf *out, const struct admin_directory *d, const struct admin_unit *u)
{
	cv_buf_z(out, "<ul class=\"facts\">\n");
	if (u->address.n) {
		put_fact(out, "Thư điện tử công vụ");
		put_mail(out, u->address);
		cv_buf_z(out, "</strong></li>\n");
	}
	if (u->phone.n) {
		put_fact(out, "Điện thoại");
		put_phone(out, u->phone);
		cv_buf_z(out, "</strong></li>\n");
	}
	if (u->website.n) {
		put_fact(out, "Trang thông tin");
		put_website(out, u->website);
		cv_buf_z(out, "</strong></li>\n");
	}
	if (u->location.n) {
		put_fact(out, "Trụ sở");
		cv_html_escape(u->location, out);
		cv_buf_z(out, "</strong></li>\n");
	}
	if (u->parent_name.n) {
		bool is_here = false;
		for (size_t i = 0; i < d->count; i++)
			is_here = is_here || cv_str_eq(d->units[i].code, u->parent);
		put_fact(out, "Trực thuộc");
		if (is_here)
			cv_buf_printf(out, "<a href=\"%.*s.html\">", CV_STR_ARGS(u->parent));
		cv_html_escape(u->parent_name, out);
		cv_buf_printf(out, "%s</strong></li>\n", is_here ? "</a>" : "");
	}
	put_fact(out, "Số người trong danh bạ");
	put_number(out, u->count - u->roles);
	cv_buf_z(out, "</strong></li>\n");
	put_fact(out, "Cập nhật");
	put_day(out, u->updated);
	cv_buf_z(out, "</strong></li>\n</ul>\n");
}

static void
put_cell(struct cv_buf *out, const char *name, struct cv_str text)
{
	cv_buf_printf(out, "<td class=\"%s\">", name);
	cv_html_escape(text, out);
	cv_buf_z(out, "</td>");
}

static void
put_person(struct cv_buf *out, const struct admin_entry *e, size_t number, bool has_mobile)
{
	cv_buf_printf(
		out, "<tr><td class=\"stt\">%zu</td><th scope=\"row\" class=\"ten\">", number);
	cv_html_escape(e->name, out);
	cv_buf_z(out, "</th>");
	put_cell(out, "chucvu", e->title);
	put_cell(out, "phong", e->department);
	cv_buf_z(out, "<td class=\"dt\">");
	put_phone(out, e->phone_office);
	if (has_mobile) {
		cv_buf_z(out, "</td><td class=\"dd\">");
		put_phone(out, e->phone_mobile);
	}
	cv_buf_z(out, "</td><td class=\"thu\">");
	put_mail(out, e->address);
	cv_buf_z(out, "</td></tr>\n");
}

static void
put_people(struct cv_buf *out, const struct admin_unit *u)
{
	size_t number = 0;

	cv_buf_z(out, "<table class=\"danhba\">\n<caption>Cán bộ, công chức, viên chức: ");
	put_number(out, u->count - u->roles);
	cv_buf_printf(out,
		" người</caption>\n<thead><tr><th scope=\"col\" class=\"stt\">"
		"<abbr title=\"Số thứ tự\">STT</abbr></th><th scope=\"col\">Họ và tên</th>"
		"<th scope=\"col\">Chức vụ</th><th scope=\"col\">Phòng, đơn vị</th>"
		"<th scope=\"col\">Điện thoại cơ quan</th>%s<th scope=\"col\">Thư điện tử</th>"
		"</tr></thead>\n<tbody>\n",
		u->has_mobile ? "<th scope=\"col\">Di động</th>" : "");
	for (size_t i = 0; i < u->count; i++)
		if (!u->entries[i].is_role)
			put_person(out, &u->entries[i], ++number, u->has_mobile);
	cv_buf_z(out, "</tbody>\n</table>\n");
}

static void
put_roles(struct cv_buf *out, const struct admin_unit *u)
{
	cv_buf_z(out,
		"<table class=\"danhba hopthu\">\n<caption>Hộp thư chung của đơn vị</caption>\n"
		"<thead><tr><th scope=\"col\">Hộp thư</th><th scope=\"col\">Điện thoại cơ quan</th>"
		"<th scope=\"col\">Thư điện tử</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < u->count; i++) {
		const struct admin_entry *e = &u->entries[i];
		if (!e->is_role)
			continue;
		cv_buf_z(out, "<tr><th scope=\"row\" class=\"ten\">");
		cv_html_escape(e->name, out);
		cv_buf_z(out, "</th><td class=\"dt\">");
		put_phone(out, e->phone_office);
		cv_buf_z(out, "</td><td class=\"thu\">");
		put_mail(out, e->address);
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
		cv_buf_z(out, any ? "" : "<h2>Đơn vị trực thuộc</h2>\n<ul class=\"tructhuoc\">\n");
		any = true;
		cv_buf_printf(out, "<li><a href=\"%.*s.html\">", CV_STR_ARGS(child->code));
		cv_html_escape(child->name, out);
		cv_buf_z(out, "</a></li>\n");
	}
	cv_buf_z(out, any ? "</ul>\n" : "");
}

void
admin_html_unit(const struct admin_directory *d, const struct admin_unit *u, const char *url,
	struct cv_buf *out)
{
	char path[ADMIN_SITE_PATH_MAX], csv[32], json[32];
	const struct page page = {.d = d,
		.title = u->name,
		.root = "../",
		.url = url,
		.path = path,
		.csv = csv,
		.json = json};

	snprintf(path, sizeof path, "donvi/%.*s.html", CV_STR_ARGS(u->code));
	snprintf(csv, sizeof csv, "%.*s.csv", CV_STR_ARGS(u->code));
	snprintf(json, sizeof json, "%.*s.json", CV_STR_ARGS(u->code));
	put_head(out, &page);
	put_banner(out, &page);
	cv_buf_z(out, "<nav class=\"crumbs\" aria-label=\"Đường dẫn\"><div class=\"wrap\"><ol>\n"
		      "<li><a href=\"../index.html\">Toàn tỉnh</a></li>\n<li><a href=\"");
	const struct admin_unit_group *group = &admin_unit_groups[admin_unit_group_of(u->type)];
	cv_buf_printf(out, "../index.html#%s\">%s</a></li>\n<li class=\"day\">", group->anchor,
		group->title);
	cv_html_escape(u->name, out);
	cv_buf_z(out, "</li>\n</ol></div></nav>\n<main id=\"noi-dung\" class=\"wrap\">\n<h1>");
	cv_html_escape(u->name, out);
	cv_buf_z(out, "</h1>\n");
	put_unit_facts(out, d, u);
	if (u->roles)
		put_roles(out, u);
	if (u->count > u->roles)
		put_people(out, u);
	else
		cv_buf_z(out, "<p class=\"trong\">Đơn vị chưa có người nào trong danh bạ công "
			      "khai.</p>\n");
	put_children(out, d, u);
	cv_buf_z(out, "</main>\n");
	put_footer(out, &page);
}

/* ---- the province ---- */

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
put_unit_row(struct cv_buf *out, const struct admin_unit *u, const struct group_columns *c,
	size_t number)
{
	cv_buf_printf(out,
		"<tr><td class=\"stt\">%zu</td><th scope=\"row\" class=\"ten\">"
		"<a href=\"donvi/%.*s.html\">",
		number, CV_STR_ARGS(u->code));
	cv_html_escape(u->name, out);
	cv_buf_z(out, "</a></th>");
	if (c->has_parent)
		put_cell(out, "cha", u->parent_name);
	if (c->has_phone) {
		cv_buf_z(out, "<td class=\"dt\">");
		put_phone(out, u->phone);
		cv_buf_z(out, "</td>");
	}
	if (c->has_address) {
		cv_buf_z(out, "<td class=\"thu\">");
		put_mail(out, u->address);
		cv_buf_z(out, "</td>");
	}
	cv_buf_z(out, "<td class=\"so\">");
	put_number(out, u->count - u->roles);
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
	cv_buf_printf(out,
		"<section id=\"%s\" aria-labelledby=\"h-%s\">\n<h2 id=\"h-%s\">%s</h2>\n"
		"<table class=\"danhba donvi\">\n<caption>",
		g->anchor, g->anchor, g->anchor, g->title);
	put_number(out, c.count);
	cv_buf_printf(out,
		" đơn vị và địa chỉ công vụ</caption>\n<thead><tr><th scope=\"col\" class=\"stt\">"
		"<abbr title=\"Số thứ tự\">STT</abbr></th><th scope=\"col\">Cơ quan, đơn "
		"vị</th>%s%s%s"
		"<th scope=\"col\" class=\"so\">Số người</th></tr></thead>\n<tbody>\n",
		c.has_parent ? "<th scope=\"col\">Trực thuộc</th>" : "",
		c.has_phone ? "<th scope=\"col\">Điện thoại</th>" : "",
		c.has_address ? "<th scope=\"col\">Thư điện tử công vụ</th>" : "");
	for (size_t i = 0; i < d->count; i++)
		if (admin_unit_group_of(d->units[i].type) == group)
			put_unit_row(out, &d->units[i], &c, ++number);
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
		cv_buf_printf(out, "<li><a href=\"#%s\">%s <span>", admin_unit_groups[g].anchor,
			admin_unit_groups[g].title);
		put_number(out, n);
		cv_buf_z(out, "</span></a></li>\n");
	}
	cv_buf_z(out, "</ul></nav>\n");
}

void
admin_html_index(const struct admin_directory *d, const char *url, struct cv_buf *out)
{
	const struct page page = {.d = d,
		.root = "",
		.url = url,
		.path = "index.html",
		.csv = "danhba.csv",
		.json = "danhba.json"};

	put_head(out, &page);
	put_banner(out, &page);
	cv_buf_z(out,
		"<main id=\"noi-dung\" class=\"wrap\">\n<h1>Cơ quan, đơn vị trong danh bạ</h1>\n"
		"<ul class=\"facts\">\n");
	put_fact(out, "Cơ quan, đơn vị");
	put_number(out, d->count);
	cv_buf_z(out, "</strong></li>\n");
	put_fact(out, "Người trong danh bạ");
	put_number(out, d->people);
	cv_buf_z(out, "</strong></li>\n");
	put_fact(out, "Công bố ngày");
	put_day(out, d->day);
	cv_buf_z(out, "</strong></li>\n</ul>\n");
	if (d->count)
		put_groups_nav(out, d);
	else
		cv_buf_z(out, "<p class=\"trong\">Chưa có cơ quan nào trong danh bạ.</p>\n");
	for (size_t g = 0; g < admin_unit_groups_count; g++)
		put_group(out, d, g);
	cv_buf_z(out, "</main>\n");
	put_footer(out, &page);
}

void
admin_html_style(struct cv_buf *out)
{
	cv_buf_z(out, directory_style);
}
