/* paper.c - set-up sheets: a page of A4 for each person, with what to type and two codes that save
 * typing. No password stands on it: it lies on desks. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/clients/clients.h"
#include "admin/qr.h"
#include "common/text/encode.h"

static const char style[] =
	"*{box-sizing:border-box}"
	"body{margin:0;background:#eef1f5;color:#1a2230;font:10.5pt/1.45 \"Be Vietnam "
	"Pro\",\"Segoe UI\","
	"Roboto,\"Noto Sans\",Arial,sans-serif}"
	".to{background:#fff;max-width:190mm;margin:8mm auto;padding:12mm 14mm}"
	"h1{font-size:16pt;line-height:1.25;margin:2mm 0 1mm}h2{font-size:11.5pt;margin:4mm 0 1mm}"
	".tinh{margin:0;letter-spacing:.06em;text-transform:uppercase;font-size:9pt;color:#4a5568}"
	".ai{font-size:13pt;margin:0 0 3mm;overflow-wrap:anywhere}"
	"table{border-collapse:collapse;width:100%;margin:2mm 0}"
	"caption{text-align:left;font-weight:600;padding-bottom:1mm}"
	"th,td{border:1px solid #b8c2d0;padding:1.2mm 2.5mm;text-align:left;overflow-wrap:anywhere}"
	"thead th{background:#e9eff7}"
	".ma{display:flex;flex-wrap:wrap;gap:6mm;margin:3mm 0}"
	".ma figure{margin:0;width:52mm;flex:1 1 "
	"52mm;max-width:80mm}.qr{width:44mm;height:44mm;display:block;shape-rendering:crispEdges}"
	"figcaption{font-size:9pt;overflow-wrap:anywhere}ol{margin:0;padding-left:5mm}li{margin:."
	"4mm 0}"
	".cach{columns:2 70mm;column-gap:8mm}.cach "
	"section{break-inside:avoid;padding-bottom:3mm}.cach h2{margin-top:0}"
	".nho{border-left:1.2mm solid #0b4f9e;padding:1mm 3mm;margin:3mm 0 0}"
	"@media (max-width:40rem){.to{margin:0;padding:4mm}}"
	"@page{size:A4;margin:12mm}"
	"@media print{body{background:#fff;font-size:9.5pt}.to{margin:0;padding:0;max-width:none;"
	"break-after:page}.to:last-child{break-after:auto}}";

/* ---- codes ---- */

static unsigned
security(struct admin_service_port at)
{
	return at.is_tls ? 3 : 2; /* as the telephone's program numbers them */
}

static void
put_json(struct cv_buf *out, struct cv_str text)
{
	json_t *o = json_stringn(text.p ? text.p : "", text.n);
	char *quoted = o ? json_dumps(o, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;

	cv_buf_z(out, quoted ? quoted : "\"\"");
	free(quoted);
	json_decref(o);
}

/* Format 1, in ASCII, since readers guess at other letters: [version, [part, parts], incoming,
 * [[outgoing, identity]]]; the password is empty. */
void
admin_clients_qr_text(
	const struct admin_clients *c, const struct admin_client_user *user, struct cv_buf *out)
{
	bool is_imap = c->imap.port != 0;
	struct admin_service_port in = is_imap ? c->imap : c->pop3;

	cv_buf_printf(out, "[1,[1,1],[%d,", is_imap ? 0 : 1);
	put_json(out, c->hostname);
	cv_buf_printf(out, ",%u,%u,1,", in.port, security(in));
	put_json(out, user->address);
	cv_buf_c(out, ',');
	put_json(out, user->address);
	cv_buf_z(out, ",\"\"],[[[0,");
	put_json(out, c->hostname);
	cv_buf_printf(out, ",%u,%u,1,", c->smtp.port, security(c->smtp));
	put_json(out, user->address);
	cv_buf_z(out, ",\"\"],[");
	put_json(out, user->address);
	cv_buf_c(out, ',');
	put_json(out, user->name);
	cv_buf_z(out, "]]]]");
}

static enum cv_status
put_codes(struct cv_buf *out, const struct admin_clients *c, const struct admin_client_user *user,
	struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(4000), url = CV_BUF_INIT(1000);

	cv_buf_printf(
		&url, "https://autoconfig.%.*s/mail/congvu.mobileconfig", CV_STR_ARGS(c->domain));
	admin_clients_qr_text(c, user, &text);
	cv_buf_z(out, "<div class=\"ma\">\n<figure>");
	enum cv_status status = admin_qr_svg(cv_buf_view(&text),
		"Mã QR chứa cấu hình cho ứng dụng Thunderbird trên Android", out, err);
	cv_buf_z(out,
		"<figcaption><strong>Android</strong>: quét bằng ứng dụng Thunderbird hoặc K-9 "
		"(không quét bằng máy ảnh).</figcaption></figure>\n<figure>");
	if (status == CV_OK)
		status = admin_qr_svg(cv_buf_view(&url),
			"Mã QR dẫn tới hồ sơ cấu hình cho iPhone và iPad", out, err);
	cv_buf_z(out,
		"<figcaption><strong>iPhone, iPad</strong>: quét bằng máy ảnh, tải hồ sơ cấu hình "
		"(<span>");
	cv_html_escape(cv_buf_view(&url), out);
	cv_buf_z(out, "</span>).</figcaption></figure>\n</div>\n");
	cv_buf_done(&text);
	cv_buf_done(&url);
	return status;
}

/* ---- servers ---- */

static void
put_row(struct cv_buf *out, const struct admin_clients *c, const char *what,
	struct admin_service_port at)
{
	if (!at.port)
		return;
	cv_buf_printf(out, "<tr><th scope=\"row\">%s</th><td>", what);
	cv_html_escape(c->hostname, out);
	cv_buf_printf(out, "</td><td>%u</td><td>%s</td></tr>\n", at.port,
		at.is_tls ? "SSL/TLS" : "STARTTLS");
}

static void
put_servers(struct cv_buf *out, const struct admin_clients *c)
{
	cv_buf_z(out, "<table>\n<caption>Máy chủ</caption>\n<thead><tr><th scope=\"col\">Việc</th>"
		      "<th scope=\"col\">Máy chủ</th><th scope=\"col\">Cổng</th>"
		      "<th scope=\"col\">Bảo mật</th></tr></thead>\n<tbody>\n");
	put_row(out, c, "Nhận thư (IMAP)", c->imap);
	put_row(out, c, "Gửi thư (SMTP)", c->smtp);
	put_row(out, c, "Nhận thư (POP3), khi thật cần", c->pop3);
	cv_buf_z(out,
		"</tbody>\n</table>\n<p>Tên đăng nhập là cả địa chỉ thư. Kiểu xác thực: mật khẩu "
		"thường (trên kết nối đã mã hóa).</p>\n");
}

/* ---- steps ---- */

static const struct {
	const char *title, *steps;
} programs[] = {
	{"Thunderbird (máy tính)",
         "<li>Mở Cài đặt tài khoản › Thêm tài khoản thư.</li><li>Nhập họ tên, địa chỉ thư, "
         "mật khẩu; "
		"bấm Tiếp tục: chương trình tự tìm máy chủ.</li><li>Bấm Hoàn tất.</li>"         },
	{"Outlook (máy tính)",
         "<li>Tệp › Thêm tài khoản, nhập địa chỉ thư.</li><li>Nếu được hỏi loại tài khoản: "
         "chọn "
		"IMAP.</li><li>Nếu được hỏi máy chủ: nhập theo bảng trên; nhập mật khẩu.</li>"},
	{"iPhone, iPad",
         "<li>Quét mã bên phải bằng máy ảnh, cho phép tải hồ sơ.</li><li>Cài đặt › Đã tải "
         "về hồ sơ › "
		"Cài đặt.</li><li>Nhập họ tên, địa chỉ thư và mật khẩu khi được hỏi.</li>"},
	{"Android",                  "<li>Cài ứng dụng Thunderbird từ cửa hàng ứng dụng.</li><li>Chọn Nhập cài đặt "
         "› Quét mã QR, "
		    "quét mã bên trái.</li><li>Nhập mật khẩu. Với Gmail: Thêm tài khoản › Khác, "
		    "nhập theo "
		    "bảng.</li>"												 },
};

static enum cv_status
put_sheet(struct cv_buf *out, const struct admin_clients *c, const struct admin_client_user *user,
	struct cv_err *err)
{
	cv_buf_z(out, "<article class=\"to\">\n<p class=\"tinh\">");
	cv_html_escape(c->province, out);
	cv_buf_z(out, "</p>\n<h1>Phiếu cài đặt thư điện tử công vụ</h1>\n<p class=\"ai\">");
	if (user->name.n) {
		cv_html_escape(user->name, out);
		cv_buf_z(out, " – ");
	}
	cv_buf_z(out, "<strong>");
	cv_html_escape(user->address, out);
	cv_buf_z(out, "</strong></p>\n");
	put_servers(out, c);
	enum cv_status status = put_codes(out, c, user, err);
	cv_buf_z(out, "<div class=\"cach\">\n");
	for (size_t i = 0; i < CV_COUNT(programs); i++)
		cv_buf_printf(out, "<section><h2>%s</h2>\n<ol>%s</ol></section>\n",
			programs[i].title, programs[i].steps);
	cv_buf_z(out,
		"</div>\n<p class=\"nho\">Mật khẩu được giao riêng và không ghi trên phiếu này. "
		"Không ai có quyền hỏi mật khẩu của bạn, kể cả người quản trị.</p>\n</article>\n");
	return status;
}

enum cv_status
admin_clients_sheets(const struct admin_clients *c, const struct admin_client_user *users,
	size_t count, struct cv_buf *out, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	cv_buf_printf(out,
		"<!DOCTYPE html>\n<html lang=\"vi\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<title>Phiếu cài đặt thư điện tử công "
		"vụ</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n",
		style);
	for (size_t i = 0; status == CV_OK && i < count; i++)
		status = put_sheet(out, c, &users[i], err);
	cv_buf_z(out, "</main>\n</body>\n</html>\n");
	return status == CV_OK && out->full
		       ? cv_fail(err, CV_LIMIT,
				 "so many sheets are too much for one file: take an agency")
		       : status;
}
