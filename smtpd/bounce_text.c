/* bounce_text.c - why mail did not arrive, in plain Vietnamese and English, and what to do next.
 *
 * The first row whose status (RFC 3463, class digit left out) and words fit is the cause. Words are
 * looked for in the other server's answer, because many servers say everything with 5.0.0 or 5.7.1.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/bounce.h"

static const struct row {
	const char *status;  /* "2.2": subject.detail; "7.": any detail; NULL: any */
	const char *words[4];/* any of them in the answer; none given: any answer */
	struct smtpd_cause cause;
} rows[] = {
	{ "2.2", { NULL },
		{ "Hộp thư người nhận đã đầy.", "The recipient's mailbox is full.",
			"Hãy báo cho người nhận qua điện thoại hoặc kênh khác để dọn hộp thư, rồi "
			"gửi lại.",
			"Tell the recipient by telephone or otherwise to make room, then send "
			"again." } },
	{ NULL, { "quota", "mailbox full", "mailbox is full", "over limit" },
		{ "Hộp thư người nhận đã đầy.", "The recipient's mailbox is full.",
			"Hãy báo cho người nhận qua điện thoại hoặc kênh khác để dọn hộp thư, rồi "
			"gửi lại.",
			"Tell the recipient by telephone or otherwise to make room, then send "
			"again." } },
	{ "1.10", { NULL },
		{ "Tên miền của người nhận không nhận thư điện tử.",
			"The recipient's domain does not take mail.",
			"Hãy kiểm tra lại phần sau dấu @; nếu đúng, hãy liên hệ người nhận bằng "
			"cách khác.",
			"Check what stands behind the @; if it is right, reach the recipient in "
			"another way." } },
	{ "1.2", { NULL },
		{ "Không tìm thấy tên miền của người nhận.",
			"The recipient's domain was not found.",
			"Hãy kiểm tra chính tả phần sau dấu @ rồi gửi lại.",
			"Check the spelling of what stands behind the @ and send again." } },
	{ "4.4", { NULL },
		{ "Tên miền của người nhận chưa có máy chủ thư dùng được.",
			"The recipient's domain has no mail server that can be used.",
			"Hãy kiểm tra chính tả địa chỉ; nếu đúng, hãy báo cho cơ quan nhận biết.",
			"Check the spelling of the address; if it is right, tell the other "
			"organisation." } },
	{ "1.1", { NULL },
		{ "Địa chỉ người nhận không tồn tại.", "The recipient's address does not exist.",
			"Hãy kiểm tra chính tả phần trước dấu @, tra danh bạ công khai, rồi gửi "
			"lại.",
			"Check the spelling before the @, look the address up in the directory, "
			"and send again." } },
	{ "1.6", { NULL },
		{ "Người nhận đã đổi địa chỉ.", "The recipient has moved to another address.",
			"Hãy hỏi hoặc tra danh bạ để biết địa chỉ mới.",
			"Ask, or look the new address up in the directory." } },
	{ NULL, { "user unknown", "unknown user", "no such user", "does not exist" },
		{ "Địa chỉ người nhận không tồn tại.", "The recipient's address does not exist.",
			"Hãy kiểm tra chính tả phần trước dấu @, tra danh bạ công khai, rồi gửi "
			"lại.",
			"Check the spelling before the @, look the address up in the directory, "
			"and send again." } },
	{ "2.1", { NULL },
		{ "Hộp thư người nhận đang bị khóa.", "The recipient's mailbox is disabled.",
			"Hãy liên hệ cơ quan của người nhận bằng cách khác.",
			"Reach the recipient's organisation in another way." } },
	{ "3.4", { NULL },
		{ "Thư quá lớn đối với máy chủ nhận.",
			"The message is too large for the other server.",
			"Hãy bớt tệp đính kèm, chia thành nhiều thư, hoặc gửi đường dẫn thay cho "
			"tệp.",
			"Attach less, split the message, or send a link instead of the file." } },
	{ "2.3", { NULL },
		{ "Thư quá lớn đối với hộp thư người nhận.",
			"The message is too large for the mailbox.",
			"Hãy bớt tệp đính kèm, chia thành nhiều thư, hoặc gửi đường dẫn thay cho "
			"tệp.",
			"Attach less, split the message, or send a link instead of the file." } },
	{ "6.7", { NULL },
		{ "Máy chủ nhận không hiểu địa chỉ hoặc tiêu đề có dấu tiếng Việt.",
			"The other server cannot take addresses or headers that are not ASCII.",
			"Hãy dùng địa chỉ không dấu của người nhận rồi gửi lại.",
			"Use an address without diacritics and send again." } },
	{ "6.3", { NULL },
		{ "Máy chủ nhận không nhận thư 8 bit.",
			"The other server does not take 8-bit text.",
			"Hãy gửi nội dung trong tệp đính kèm, hoặc đặt phần mềm thư mã hóa base64.",
			"Send the text as an attachment, or let the mail program encode it as "
			"base64." } },
	{ "7.10", { NULL },
		{ "Thư chỉ được gửi qua kênh mã hóa, nhưng máy chủ nhận không hỗ trợ.",
			"The message may only travel encrypted, and the other server cannot.",
			"Hãy liên hệ người nhận bằng cách khác.",
			"Reach the recipient in another way." } },
	{ "7.30", { NULL },
		{ "Thư chỉ được gửi qua đường truyền bảo mật suốt tuyến (REQUIRETLS), nhưng máy chủ "
		  "nhận không bảo đảm được.",
			"The message asked to be protected all the way (REQUIRETLS), and the other "
			"server cannot.",
			"Hãy gửi lại không kèm yêu cầu này nếu nội dung cho phép, hoặc liên hệ người "
			"nhận bằng cách khác.",
			"Send again without asking for this if the content allows it, or reach the "
			"recipient in another way." } },
	{ "7.5", { NULL },
		{ "Không xác thực được máy chủ nhận: chứng thư TLS của họ không khớp với chính sách "
		  "mà tên miền công bố.",
			"The other server could not prove who it is: its TLS certificate does not "
			"fit what the domain publishes.",
			"Hãy chuyển thông báo này cho quản trị và báo cho cơ quan nhận biết.",
			"Pass this report to the postmaster, and tell the other organisation." } },
	{ "7.", { NULL },
		{ "Máy chủ nhận từ chối thư theo quy định của họ (chống thư rác, chính sách bảo "
		  "mật).",
			"The other server refused the message by its policy (spam or security).",
			"Hãy đọc câu trả lời của máy chủ bên dưới; nếu thư hợp lệ, hãy chuyển "
			"thông báo này cho quản trị.",
			"Read the server's answer below; if the message is proper, pass this "
			"report to the postmaster." } },
	{ "4.7", { "that the sender set", "time for delivery" },
		{ "Thư không kịp đến trong thời hạn người gửi đã đặt.",
			"The message could not be delivered in the time that its sender set.",
			"Nếu nội dung vẫn còn cần thiết, hãy gửi lại không kèm thời hạn, hoặc liên "
			"hệ người nhận bằng cách khác.",
			"If it still matters, send again without a time limit, or reach the "
			"recipient in another way." } },
	{ "3.3", { "DELIVERBY" },
		{ "Máy chủ nhận không cam kết được thời hạn phát thư.",
			"The other server cannot promise delivery in time.",
			"Hãy gửi lại không kèm thời hạn trả lại.",
			"Send again without asking for return after a time." } },
	{ "4.6", { NULL },
		{ "Thư sẽ quay vòng về chính máy chủ này.",
			"The message would come back to this server.",
			"Cấu hình tên miền nhận bị sai; hãy chuyển thông báo này cho quản trị.",
			"The domain is set up wrongly; pass this report to the postmaster." } },
	{ "4.3", { NULL },
		{ "Không tra cứu được tên miền của người nhận.",
			"The recipient's domain could not be looked up.",
			"Hãy gửi lại sau, hoặc liên hệ người nhận bằng cách khác.",
			"Send again later, or reach the recipient in another way." } },
	{ "4.", { NULL },
		{ "Không kết nối được tới máy chủ nhận.",
			"The other mail server could not be reached.",
			"Hãy gửi lại sau, hoặc liên hệ người nhận bằng cách khác.",
			"Send again later, or reach the recipient in another way." } },
	{ NULL, { NULL },
		{ "Máy chủ nhận không nhận thư này.", "The other server did not take the message.",
			"Hãy đọc câu trả lời của máy chủ bên dưới; nếu không rõ, hãy chuyển thông "
			"báo này cho quản trị.",
			"Read the server's answer below; if it is not clear, pass this report to "
			"the postmaster." } },
};

static bool
status_fits(const char *want, const char *status)
{
	if (!want)
		return true;
	/* "5.1.1": the class is not looked at */
	const char *rest = strchr(status, '.');
	if (!rest)
		return false;
	rest++;
	size_t n = strlen(want);
	return want[n - 1] == '.' ? !strncmp(rest, want, n) : !strcmp(rest, want);
}

static bool
words_fit(const char *const words[4], const char *text)
{
	if (!words[0])
		return true;
	for (size_t i = 0; i < 4 && words[i]; i++)
		if (cv_str_isearch(cv_str_z(text), cv_str_z(words[i])) < strlen(text))
			return true;
	return false;
}

const struct smtpd_cause *
smtpd_bounce_cause(const struct smtpd_report_rcpt *r)
{
	size_t i = 0;

	/* The last row fits everything. */
	while (!status_fits(rows[i].status, r->outcome->status)
		|| !words_fit(rows[i].words, r->outcome->text))
		i++;
	return &rows[i].cause;
}
