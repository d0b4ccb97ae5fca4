/* page_more.c - the pages beside the lists: is an address official (DIR-08), and an agency's list
 * for its own portal. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "admin/directory/page.h"
#include "common/text/encode.h"

void
admin_html_check(const struct admin_directory *d, struct cv_buf *out)
{
	const struct page page = {.d = d,
		.title = CV_STR("Kiểm tra địa chỉ công vụ"),
		.root = "",
		.path = "kiemtra.html",
		.script = "kiemtra.js"};

	page_head(out, &page);
	page_banner(out, &page);
	cv_buf_z(out, "<main id=\"noi-dung\" class=\"wrap\">\n<h1>");
	page_label(out, d, "Địa chỉ này có phải địa chỉ công vụ?", "Is this address official?");
	cv_buf_z(out, "</h1>\n<p>Nhập địa chỉ người gửi của thư vừa nhận. Việc so sánh thực hiện "
		      "ngay trên "
		      "máy của bạn: địa chỉ được hỏi không gửi đi đâu cả.</p>\n"
		      "<form id=\"kiem-tra\" class=\"kiemtra\" hidden>\n<label for=\"dia-chi\">");
	page_label(out, d, "Địa chỉ thư điện tử", "Mail address");
	cv_buf_z(out, "</label>\n<input type=\"email\" id=\"dia-chi\" autocomplete=\"off\" "
		      "aria-describedby=\"tra-loi\" required>\n<button type=\"submit\">");
	page_label(out, d, "Kiểm tra", "Check");
	cv_buf_z(out,
		"</button>\n</form>\n<p id=\"tra-loi\" role=\"status\"></p>\n"
		"<noscript><p>Trang này cần JavaScript. Không có JavaScript: tìm cơ quan trong "
		"<a href=\"index.html\">danh bạ</a> và so địa chỉ ở đó.</p></noscript>\n"
		"<p>Câu trả lời chỉ gồm có hay không và tên cơ quan. Địa chỉ có trong danh bạ "
		"không "
		"chứng minh rằng thư đúng là do người đó gửi: nếu nội dung đáng ngờ, hãy gọi điện "
		"cho cơ quan theo số trong danh bạ.</p>\n</main>\n");
	page_footer(out, &page);
}

/* The bare list: for server-side includes, in whatever page the portal has. */
void
admin_html_fragment(const struct admin_directory *d, const struct admin_unit *u, struct cv_buf *out)
{
	cv_buf_z(out, "<div class=\"congvu-danhba\" lang=\"vi\">\n");
	if (u->address.n) {
		cv_buf_z(out, "<p>");
		page_label(out, d, "Thư điện tử công vụ", "Official mail");
		cv_buf_z(out, ": ");
		page_mail(out, d, u->address);
		cv_buf_z(out, "</p>\n");
	}
	if (u->roles)
		page_roles(out, d, u);
	if (u->count > u->roles)
		page_people(out, d, u);
	cv_buf_z(out, "<p>");
	page_label(out, d, "Cập nhật", "Updated");
	cv_buf_z(out, ": ");
	page_day(out, u->updated);
	cv_buf_z(out, "</p>\n</div>\n");
}

void
admin_html_embedded(const struct admin_directory *d, const struct admin_unit *u, struct cv_buf *out)
{
	char path[ADMIN_SITE_PATH_MAX];
	const struct page page = {.d = d,
		.title = u->name,
		.root = "../",
		.path = path,
		.script = "tim.js",
		.unit = u};

	snprintf(path, sizeof path, "nhung/%.*s.html", CV_STR_ARGS(u->code));
	page_head(out, &page);
	cv_buf_z(out, "<body class=\"nhunggon\">\n<main>\n<h1>");
	cv_html_escape(u->name, out);
	cv_buf_z(out, "</h1>\n");
	admin_html_fragment(d, u, out);
	cv_buf_z(out, "</main>\n</body>\n</html>\n");
}

static void
put_example(struct cv_buf *out, const char *title, const char *text, const char *code)
{
	cv_buf_printf(out, "<h2>%s</h2>\n<p>%s</p>\n<pre tabindex=\"0\"><code>", title, text);
	cv_html_escape(cv_str_z(code), out);
	cv_buf_z(out, "</code></pre>\n");
}

void
admin_html_embedding(const struct admin_directory *d, struct cv_buf *out)
{
	const struct page page = {.d = d,
		.title = CV_STR("Nhúng danh bạ vào cổng thông tin"),
		.root = "../",
		.path = "nhung/huong-dan.html"};
	struct cv_str unit = d->count ? d->units[0].code : CV_STR("stp");
	const char *base = d->wish.url[0] ? d->wish.url : "https://danhba.lamgiang.example/";
	char code[3000];

	page_head(out, &page);
	page_banner(out, &page);
	cv_buf_z(out, "<main id=\"noi-dung\" class=\"wrap\">\n<h1>");
	page_label(out, d, "Nhúng danh bạ vào cổng thông tin", "Put the directory on your portal");
	cv_buf_z(out,
		"</h1>\n<p>Mỗi đơn vị có một danh sách riêng theo mã đơn vị. Danh sách tự đổi "
		"khi danh bạ đổi; cổng thông tin không phải nhập lại.</p>\n");
	snprintf(code, sizeof code, "<a href=\"%sdonvi/%.*s.html\">Danh bạ thư điện tử công vụ</a>",
		base, CV_STR_ARGS(unit));
	put_example(
		out, "Liên kết", "Cách đơn giản nhất: một liên kết tới trang của đơn vị.", code);
	snprintf(code, sizeof code,
		"<iframe src=\"%snhung/%.*s.html\" title=\"Danh bạ thư điện tử công vụ\"\n"
		"  style=\"width:100%%;height:40rem;border:0\" loading=\"lazy\"></iframe>",
		base, CV_STR_ARGS(unit));
	put_example(out, "Khung nhúng (iframe)", "Dùng được trên mọi cổng thông tin.", code);
	snprintf(code, sizeof code,
		"# nginx\nlocation /danhba/ { proxy_pass %s; }\nlocation = /lien-he.html { ssi on; "
		"}\n\n"
		"# Apache\nProxyPass /danhba/ %s\n<Files lien-he.html>\n  Options +Includes\n"
		"  SetOutputFilter INCLUDES\n</Files>\n\n"
		"<!-- lien-he.html -->\n<!--#include virtual=\"/danhba/nhung/%.*s.inc\" -->",
		base, base, CV_STR_ARGS(unit));
	put_example(out, "Chèn ở máy chủ (SSI)",
		"Danh sách nằm trong trang của cổng và theo kiểu chữ của cổng, không cần script.",
		code);
	snprintf(code, sizeof code,
		"thaydoi.json: đơn vị nào đổi ngày nào\n"
		"donvi/%.*s.json: một đơn vị\n"
		"danhba.json: toàn tỉnh\n"
		"schema.json: lược đồ (JSON Schema)\n"
		"manifest.json: mọi tệp kèm SHA-256",
		CV_STR_ARGS(unit));
	put_example(out, "Dữ liệu",
		"Cổng tổng hợp đọc thaydoi.json rồi chỉ tải đơn vị có mã SHA-256 khác bản đang có.",
		code);
	cv_buf_z(out, "</main>\n");
	page_footer(out, &page);
}
