/* digest_text.c - see digest_text.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/digest_text.h"

#include "common/text/date.h"
#include "common/text/encode.h"

#define LINE "\r\n"

static void
write_time(int64_t secs, struct cv_buf *out)
{
	cv_date_write_vn_time(out, cv_date_at(secs, CV_ZONE_VIETNAM));
}

/* A stranger's words without links. */
static void
write_plain(struct cv_str text, const char *none, struct cv_buf *out)
{
	if (!text.n)
		cv_buf_z(out, none);
	while (text.n) {
		size_t at = cv_str_search(text, CV_STR("://"));
		cv_buf_str(out, cv_str_sub(text, 0, at));
		if (at < text.n)
			cv_buf_z(out, "[:]//");
		text = cv_str_sub(text, CV_MIN(at + 3, text.n), text.n);
	}
}

static void
write_escaped(struct cv_str text, const char *none, struct cv_buf *out)
{
	struct cv_buf plain = CV_BUF_INIT(8192);

	write_plain(text, none, &plain);
	cv_html_escape(cv_buf_view(&plain), out);
	cv_buf_done(&plain);
}

/* "9,1 điểm: luat(3.0), ..." or whatever the filter said. */
static void
write_reason(const struct imapd_held *h, struct cv_buf *out)
{
	if (!h->score.n || !h->rules.n) {
		write_plain(h->reason, "bộ lọc nghi ngờ", out);
		return;
	}
	write_plain(h->score, "", out);
	cv_buf_z(out, " điểm (");
	write_plain(h->rules, "", out);
	cv_buf_c(out, ')');
}

void
imapd_digest_subject(const struct imapd_digest_facts *f, struct cv_buf *out)
{
	cv_buf_printf(out, "Có %zu thư bị giữ lại trong khu cách ly", f->count + f->more);
	if (f->english)
		cv_buf_printf(out, " / %zu messages held in quarantine", f->count + f->more);
}

/* ---- text ---- */

static void
text_item(const struct imapd_digest_facts *f, size_t i, struct cv_buf *out)
{
	const struct imapd_held *h = &f->items[i];

	cv_buf_printf(out, "%zu. Người gửi: ", i + 1);
	write_plain(h->from.n ? h->from : h->sender, "(không rõ)", out);
	cv_buf_z(out, LINE "   Tiêu đề: ");
	write_plain(h->subject, "(không có)", out);
	cv_buf_z(out, LINE "   Đến lúc: ");
	write_time(h->arrived_secs, out);
	cv_buf_z(out, LINE "   Lý do: ");
	write_reason(h, out);
	if (f->url.n)
		cv_buf_printf(out, LINE "   Xem, lấy lại hoặc xóa: %.*s/%.*s", CV_STR_ARGS(f->url),
			CV_STR_ARGS(f->tokens[i]));
	else
		cv_buf_printf(out, LINE "   Số thư: %u", h->uid);
	cv_buf_z(out, LINE LINE);
}

/* Paragraphs, with an empty line behind each: before the items, and after them. */
static void
begin_vietnamese(const struct imapd_digest_facts *f, struct cv_buf *out)
{
	cv_buf_printf(out,
		"Kính gửi %.*s," LINE LINE
		"Bộ lọc đã giữ lại %zu thư mới gửi tới hộp thư %.*s vì nghi là thư rác hoặc thư lừa "
		"đảo. Các thư này chưa vào hộp thư đến và sẽ tự xóa khi hết hạn giữ." LINE LINE,
		CV_STR_ARGS(f->name.n ? f->name : f->address), f->count + f->more,
		CV_STR_ARGS(f->address));
	cv_buf_z(out, f->url.n
			      ? "Nếu có thư công việc bị giữ nhầm, mở liên kết của thư đó rồi xác nhận. "
				"Không lấy lại thư khi chưa chắc chắn về người gửi." LINE LINE
			      : "Nếu có thư công việc bị giữ nhầm, báo số thư cho quản trị hệ thống."
				LINE LINE);
}

static void
end_vietnamese(const struct imapd_digest_facts *f, struct cv_buf *out)
{
	if (f->more)
		cv_buf_printf(out, "Còn %u thư khác sẽ có trong thông báo sau." LINE LINE, f->more);
	if (f->dropped)
		cv_buf_printf(out,
			"Khu cách ly đã đầy: %u thư cũ nhất đã bị xóa trước hạn." LINE LINE,
			f->dropped);
	cv_buf_z(out, "Đây là thư tự động, xin không trả lời." LINE);
}

static void
text_english(const struct imapd_digest_facts *f, struct cv_buf *out)
{
	cv_buf_printf(out,
		LINE "-- English --" LINE LINE
		     "The filter holds %zu new messages to %.*s because they look like spam or "
		     "phishing. They are not in your inbox and go when their time is over." LINE LINE,
		f->count + f->more, CV_STR_ARGS(f->address));
	cv_buf_z(out, f->url.n
			      ? "If one of them is work mail held by mistake, open its link above and "
				"confirm. Do not release what you are not sure of." LINE
			      : "If one of them is work mail held by mistake, tell the administrators "
				"its number (Số thư) above." LINE);
	if (f->dropped)
		cv_buf_printf(out,
			"The quarantine was full: the %u oldest messages went before their time." LINE,
			f->dropped);
}

void
imapd_digest_text(const struct imapd_digest_facts *f, struct cv_buf *out)
{
	begin_vietnamese(f, out);
	for (size_t i = 0; i < f->count; i++)
		text_item(f, i, out);
	end_vietnamese(f, out);
	if (f->english)
		text_english(f, out);
}

/* ---- HTML ---- */

static void
row(const char *title, struct cv_buf *out)
{
	cv_buf_printf(out, "<tr><th scope=\"row\" align=\"left\" valign=\"top\">%s</th><td>", title);
}

void
imapd_held_html(const struct imapd_held *h, struct cv_buf *out)
{
	struct cv_buf reason = CV_BUF_INIT(8192);

	row("Người gửi", out);
	write_escaped(h->from.n ? h->from : h->sender, "(không rõ)", out);
	cv_buf_z(out, "</td></tr>" LINE);
	if (h->from.n) {
		row("Địa chỉ gửi thật", out);
		write_escaped(h->sender, "(không có)", out);
		cv_buf_z(out, "</td></tr>" LINE);
	}
	row("Tiêu đề", out);
	write_escaped(h->subject, "(không có)", out);
	cv_buf_z(out, "</td></tr>" LINE);
	row("Đến lúc", out);
	write_time(h->arrived_secs, out);
	cv_buf_z(out, "</td></tr>" LINE);
	row("Lý do giữ", out);
	write_reason(h, &reason);
	cv_html_escape(cv_buf_view(&reason), out);
	cv_buf_z(out, "</td></tr>" LINE);
	cv_buf_done(&reason);
}

static void
html_item(const struct imapd_digest_facts *f, size_t i, struct cv_buf *out)
{
	cv_buf_z(out, "<table cellpadding=\"4\" border=\"1\" style=\"border-collapse:collapse\">" LINE);
	imapd_held_html(&f->items[i], out);
	if (f->url.n) {
		row("Xử lý", out);
		cv_buf_z(out, "<a href=\"");
		cv_html_escape(f->url, out);
		cv_buf_printf(out, "/%.*s\">Xem, lấy lại hoặc xóa thư này</a></td></tr>" LINE,
			CV_STR_ARGS(f->tokens[i]));
	} else {
		row("Số thư", out);
		cv_buf_printf(out, "%u</td></tr>" LINE, f->items[i].uid);
	}
	cv_buf_z(out, "</table><br>" LINE);
}

static void
paragraphs(void (*write)(const struct imapd_digest_facts *f, struct cv_buf *out),
	const struct imapd_digest_facts *f, struct cv_buf *out)
{
	struct cv_buf all = CV_BUF_INIT(16u << 10);

	write(f, &all);
	for (struct cv_str text = cv_buf_view(&all); text.n;) {
		size_t end = cv_str_search(text, CV_STR(LINE LINE));
		struct cv_str one = cv_str_trim(cv_str_sub(text, 0, end));
		if (one.n) {
			cv_buf_z(out, "<p>");
			cv_html_escape(one, out);
			cv_buf_z(out, "</p>" LINE);
		}
		text = cv_str_sub(text, CV_MIN(end + 4, text.n), text.n);
	}
	cv_buf_done(&all);
}

void
imapd_digest_html(const struct imapd_digest_facts *f, struct cv_buf *out)
{
	cv_buf_z(out, "<!DOCTYPE html>" LINE "<html lang=\"vi\"><head><meta charset=\"utf-8\">"
		      "<title>Thư bị giữ lại</title></head><body>" LINE);
	paragraphs(begin_vietnamese, f, out);
	for (size_t i = 0; i < f->count; i++)
		html_item(f, i, out);
	paragraphs(end_vietnamese, f, out);
	if (f->english) {
		cv_buf_z(out, "<div lang=\"en\">" LINE);
		paragraphs(text_english, f, out);
		cv_buf_z(out, "</div>" LINE);
	}
	cv_buf_z(out, "</body></html>" LINE);
}
