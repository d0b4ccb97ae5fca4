/* page.c - see page.h: plain HTML that needs no script (DIR-03). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory/page.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/text/encode.h"

/* ---- texts ---- */

void
page_number(struct cv_buf *out, size_t n)
{
	if (n >= 1000) {
		page_number(out, n / 1000);
		cv_buf_printf(out, ".%03zu", n % 1000);
	} else {
		cv_buf_printf(out, "%zu", n);
	}
}

void
page_day(struct cv_buf *out, const char *day)
{
	cv_buf_printf(
		out, "<time datetime=\"%s\">%.2s/%.2s/%.4s</time>", day, day + 8, day + 5, day);
}

/* As character references: browsers and screen readers see the letter, a harvester that looks for
 * '@' in the octets does not (DIR-06). */
static void
put_char(struct cv_buf *out, unsigned char c, bool coded)
{
	if (coded)
		cv_buf_printf(out, c % 2 ? "&#%u;" : "&#x%x;", c);
	else
		cv_html_escape(cv_str((const char *)&c, 1), out);
}

static void
put_text(struct cv_buf *out, struct cv_str text, bool coded)
{
	for (size_t i = 0; i < text.n; i++)
		put_char(out, (unsigned char)text.p[i], coded && (unsigned char)text.p[i] < 0x80);
}

static void
put_percent(struct cv_buf *out, struct cv_str text, bool coded)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (cv_is_alpha(c) || cv_is_digit(c) || (c && strchr("-._~@+", c)))
			put_char(out, c, coded);
		else
			cv_buf_printf(out, "%%%02X", c);
	}
}

void
page_mail(struct cv_buf *out, const struct admin_directory *d, struct cv_str address)
{
	bool coded = d->wish.coded;

	if (!address.n)
		return;
	cv_buf_z(out, "<a href=\"");
	put_text(out, CV_STR("mailto:"), coded);
	put_percent(out, address, coded);
	cv_buf_z(out, "\">");
	/* A long address may break before its @, never inside a name. */
	size_t at = cv_str_find(address, '@', 0);
	put_text(out, cv_str_sub(address, 0, at), coded);
	cv_buf_z(out, "<wbr>");
	put_text(out, cv_str_sub(address, at, address.n), coded);
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

void
page_phone(struct cv_buf *out, struct cv_str phone)
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
void
page_website(struct cv_buf *out, struct cv_str url)
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

/* ---- labels ---- */

void
page_label(struct cv_buf *out, const struct admin_directory *d, const char *vi, const char *en)
{
	cv_buf_z(out, vi);
	if (d->wish.english)
		cv_buf_printf(out, " <span class=\"en\" lang=\"en\">%s</span>", en);
}

void
page_column(struct cv_buf *out, const struct admin_directory *d, const char *class, const char *vi,
	const char *en)
{
	cv_buf_printf(
		out, class[0] ? "<th scope=\"col\" class=\"%s\">" : "<th scope=\"col\">", class);
	page_label(out, d, vi, en);
	cv_buf_z(out, "</th>");
}

void
page_column_number(struct cv_buf *out, const struct admin_directory *d)
{
	page_column(out, d, "stt", "<abbr title=\"Số thứ tự\">STT</abbr>", "No.");
}

void
page_fact(struct cv_buf *out, const struct admin_directory *d, const char *vi, const char *en)
{
	cv_buf_z(out, "<li><span>");
	page_label(out, d, vi, en);
	cv_buf_z(out, "</span> <strong>");
}

void
page_fact_end(struct cv_buf *out)
{
	cv_buf_z(out, "</strong></li>\n");
}

void
page_cell(struct cv_buf *out, const char *class, struct cv_str text)
{
	cv_buf_printf(out, "<td class=\"%s\">", class);
	cv_html_escape(text, out);
	cv_buf_z(out, "</td>");
}

/* ---- schema.org ---- */

static void
set_text(json_t *o, const char *key, struct cv_str text)
{
	if (text.n)
		json_object_set_new(o, key, json_stringn(text.p, text.n));
}

/* What search engines read of an agency. Nothing in it can end the element early: '<' is written as
 * an escape. */
static void
put_linked_data(struct cv_buf *out, const struct page *p)
{
	const struct admin_unit *u = p->unit;
	const struct admin_directory *d = p->d;
	json_t *o = json_pack(
		"{s:s, s:s}", "@context", "https://schema.org", "@type", "GovernmentOrganization");
	char url[1400];

	set_text(o, "name", u ? u->name : d->province);
	if (d->wish.url[0]) {
		snprintf(url, sizeof url, "%s%s", d->wish.url, p->path);
		json_object_set_new(o, "url", json_string(url));
	}
	if (u) {
		if (!d->wish.coded)
			set_text(o, "email", u->address);
		set_text(o, "telephone", u->phone);
		set_text(o, "address", u->location);
		json_t *parent = json_pack("{s:s}", "@type", "GovernmentOrganization");
		set_text(parent, "name", u->parent_name.n ? u->parent_name : d->province);
		json_object_set_new(o, "parentOrganization", parent);
	}
	char *text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(o);
	cv_buf_z(out, "<script type=\"application/ld+json\">");
	for (const char *c = text; c && *c; c++)
		if (*c == '<')
			cv_buf_z(out, "\\u003c");
		else
			cv_buf_c(out, *c);
	cv_buf_z(out, "</script>\n");
	free(text);
}

/* ---- the frame of every page ---- */

/* Nothing from elsewhere, no script but ours, no frames but where FRAMES says. */
static void
put_policy(struct cv_buf *out)
{
	cv_buf_z(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		      "style-src 'self'; script-src 'self'; connect-src 'self'; "
		      "base-uri 'none'; form-action 'none'\">\n");
}

static void
put_alternate(struct cv_buf *out, const char *type, const char *title, const char *href)
{
	if (href)
		cv_buf_printf(out,
			"<link rel=\"alternate\" type=\"%s\" title=\"%s\" href=\"%s\">\n", type,
			title, href);
}

void
page_head(struct cv_buf *out, const struct page *p)
{
	cv_buf_z(out, "<!DOCTYPE html>\n<html lang=\"vi\">\n<head>\n<meta charset=\"utf-8\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		      "<meta name=\"color-scheme\" content=\"light dark\">\n");
	put_policy(out);
	cv_buf_z(out, "<title>");
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
	if (p->d->wish.url[0]) {
		cv_buf_z(out, "<link rel=\"canonical\" href=\"");
		cv_html_escape(cv_str_z(p->d->wish.url), out);
		cv_buf_printf(out, "%s\">\n", p->path);
	}
	cv_buf_printf(out, "<link rel=\"stylesheet\" href=\"%sstyle.css\">\n", p->root);
	put_alternate(out, "text/csv", "CSV", p->csv);
	put_alternate(out, "application/json", "JSON", p->json);
	put_alternate(out, "text/vcard", "vCard", p->vcard);
	if (p->script)
		cv_buf_printf(out, "<script src=\"%s%s\" defer></script>\n", p->root, p->script);
	put_linked_data(out, p);
	cv_buf_z(out, "</head>\n");
}

void
page_banner(struct cv_buf *out, const struct page *p)
{
	cv_buf_z(out, "<body>\n<a class=\"skip\" href=\"#noi-dung\">Đến nội dung chính</a>\n"
		      "<header class=\"banner\"><div class=\"wrap\">\n<p class=\"province\">");
	cv_html_escape(p->d->province, out);
	cv_buf_printf(out, "</p>\n<p class=\"site\"><a href=\"%sindex.html\">", p->root);
	page_label(out, p->d, SITE_TITLE, SITE_TITLE_EN);
	cv_buf_z(out, "</a></p>\n</div></header>\n");
}

static void
put_download(struct cv_buf *out, const char *href, const char *text)
{
	if (href)
		cv_buf_printf(out, ", <a href=\"%s\">%s</a>", href, text);
}

/* Nobody sees, hears or tabs to it; who writes there has read the file as harvesters do (DIR-06).
 */
static void
put_trap(struct cv_buf *out, const struct page *p)
{
	struct cv_buf trap = CV_BUF_INIT(400);

	if (!p->d->wish.traps)
		return;
	admin_trap_address(p->d, p->path, &trap);
	cv_buf_z(out, "<p hidden><a href=\"mailto:");
	cv_html_escape(cv_buf_view(&trap), out);
	cv_buf_z(out, "\" tabindex=\"-1\">");
	cv_html_escape(cv_buf_view(&trap), out);
	cv_buf_z(out, "</a></p>\n");
	cv_buf_done(&trap);
}

void
page_footer(struct cv_buf *out, const struct page *p)
{
	cv_buf_z(out, "<footer class=\"foot\"><div class=\"wrap\">\n");
	if (p->csv) {
		cv_buf_z(out, "<p>");
		page_label(out, p->d, "Tải dữ liệu", "Download");
		cv_buf_printf(out, ": <a href=\"%s\">bảng tính CSV</a>", p->csv);
		put_download(out, p->xlsx, "bảng tính Excel (XLSX)");
		put_download(out, p->vcard, "danh thiếp vCard");
		put_download(out, p->json, "JSON");
		cv_buf_printf(out, ", <a href=\"%smanifest.json\">bảng kê tệp</a>.</p>\n", p->root);
	}
	cv_buf_printf(out,
		"<p><a href=\"%skiemtra.html\">Kiểm tra một địa chỉ thư có phải địa chỉ công "
		"vụ</a> · "
		"<a href=\"%snhung/huong-dan.html\">Nhúng danh bạ vào cổng thông tin</a></p>\n"
		"<p>Danh bạ chỉ gồm thông tin công vụ; số di động chỉ có khi người đó đồng ý công "
		"khai. "
		"Cơ quan nhà nước không bao giờ hỏi mật khẩu qua thư điện tử.</p>\n",
		p->root, p->root);
	put_trap(out, p);
	cv_buf_z(out, "</div></footer>\n</body>\n</html>\n");
}
