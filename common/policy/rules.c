/* rules.c - each rule's code, answer and two sentences, in one table. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/policy/policy_impl.h"
#include "common/text/charset.h"
#include "common/text/fold.h"

#define WHAT_BYTES_MAX 70

/* One "%s" at most in each sentence: the address or domain in question. */
static const struct {
	const char *rule;
	enum cv_verdict verdict;
	unsigned smtp_code;
	const char *enhanced, *en, *vi;
} rules[RULE_COUNT] = {
	[RULE_ALLOW] = { "allow", CV_ALLOW, 250, "2.0.0", "Nothing speaks against it.",
		"Không có quy định nào cản trở." },
	[RULE_ENVELOPE] = { "POL-05.envelope", CV_REFUSE, 550, "5.7.1",
		"You may not send as %s: use your own address, a role box you hold, or ask its owner for a delegation.",
		"Bạn không được gửi bằng địa chỉ %s: hãy dùng địa chỉ của mình, hộp thư chức danh được giao hoặc xin ủy quyền." },
	[RULE_FROM] = { "POL-05.from", CV_REFUSE, 550, "5.7.1",
		"The From field names %s, which is not yours: choose your own address as sender in your mail program.",
		"Dòng From ghi %s, không phải của bạn: hãy chọn đúng địa chỉ người gửi trong phần mềm thư." },
	[RULE_FROM_COUNT] = { "POL-05.from-count", CV_REFUSE, 550, "5.6.0",
		"A message must have exactly one From field: check your mail program.",
		"Thư phải có đúng một dòng From: hãy kiểm tra phần mềm thư." },
	[RULE_FROM_SYNTAX] = { "POL-05.from-syntax", CV_REFUSE, 550, "5.6.0",
		"The From or Sender field cannot be read as plain addresses: check the sender in your mail program.",
		"Không đọc được địa chỉ ở dòng From hoặc Sender: hãy kiểm tra người gửi trong phần mềm thư." },
	[RULE_FROM_NAME] = { "POL-05.from-name", CV_REFUSE, 550, "5.7.1",
		"The sender's name shows %s, an address that is not yours: use your own name in your mail program.",
		"Tên người gửi có địa chỉ %s, không phải của bạn: hãy ghi đúng tên mình trong phần mềm thư." },
	[RULE_SENDER] = { "POL-05.sender", CV_REFUSE, 550, "5.7.1",
		"The Sender field names %s, which is not yours: choose your own address.",
		"Dòng Sender ghi %s, không phải của bạn: hãy chọn địa chỉ của mình." },
	[RULE_RESENT] = { "POL-05.resent", CV_REFUSE, 550, "5.7.1",
		"A Resent field names %s, which is not yours: resend with your own address.",
		"Dòng Resent ghi %s, không phải của bạn: hãy gửi lại bằng địa chỉ của mình." },
	[RULE_NULL_SENDER] = { "POL-05.null-sender", CV_REFUSE, 550, "5.7.1",
		"Only receipts, reports and automatic replies may have an empty sender: send with your own address.",
		"Chỉ biên nhận, báo cáo và thư trả lời tự động được để trống người gửi: hãy gửi bằng địa chỉ của mình." },
	[RULE_FROZEN] = { "POL-05.frozen", CV_REFUSE, 550, "5.7.1",
		"%s may not send for now, because it sent unusually much: change your password, then ask your agency's administrator to release it.",
		"%s tạm thời bị khóa gửi vì gửi nhiều bất thường: hãy đổi mật khẩu rồi đề nghị quản trị của cơ quan mở lại." },
	[RULE_SUSPENDED] = { "POL-05.suspended", CV_REFUSE, 550, "5.7.1",
		"%s is suspended or has left and may not send: ask your agency's administrator.",
		"%s đã bị tạm ngưng hoặc thôi sử dụng nên không được gửi: hãy liên hệ quản trị của cơ quan." },
	[RULE_MESSAGES_DAY] = { "POL-05.messages-day", CV_DEFER, 450, "4.7.1",
		"You have sent as many messages today as your account may: go on after %s, or ask your agency's administrator for more.",
		"Tài khoản đã gửi đủ số thư cho phép trong ngày: gửi tiếp sau %s hoặc đề nghị quản trị của cơ quan tăng hạn mức." },
	[RULE_RCPTS_DAY] = { "POL-05.recipients-day", CV_DEFER, 452, "4.5.3",
		"You have written to as many recipients today as your account may: go on after %s, or ask your agency's administrator for more.",
		"Tài khoản đã gửi tới đủ số người nhận cho phép trong ngày: gửi tiếp sau %s hoặc đề nghị quản trị của cơ quan tăng hạn mức." },
	[RULE_FIRST_DAY] = { "POL-05.first-time-day", CV_DEFER, 452, "4.5.3",
		"You have written to as many new outside addresses today as your account may: go on after %s, or ask your agency's administrator for more.",
		"Tài khoản đã gửi tới đủ số địa chỉ ngoài tỉnh mới cho phép trong ngày: gửi tiếp sau %s hoặc đề nghị quản trị của cơ quan tăng hạn mức." },
	[RULE_RCPT_UNKNOWN] = { "RCPT.unknown", CV_REFUSE, 550, "5.1.1",
		"There is no such mailbox here: check the spelling or the directory of the province.",
		"Không có hộp thư này: hãy kiểm tra chính tả hoặc tra danh bạ của tỉnh." },
	[RULE_RCPT_RETIRED] = { "RCPT.retired", CV_REFUSE, 550, "5.1.6",
		"%s has left; write to the agency's own address instead.",
		"%s đã thôi công tác; hãy gửi tới địa chỉ của cơ quan." },
	[RULE_RCPT_GROUP] = { "RCPT.group", CV_REFUSE, 550, "5.7.2",
		"%s is a group for the province's own staff: log in to write to it.",
		"%s là nhóm nội bộ của tỉnh: hãy đăng nhập để gửi thư." },
	[RULE_RCPT_MOVED] = { "RCPT.moved", CV_REFUSE, 551, "5.1.6",
		"This address has moved: write to %s from now on.",
		"Địa chỉ này đã thay đổi: từ nay hãy gửi tới %s." },
	[RULE_GROUP_OFFICIAL] = { "RCPT.group-official", CV_REFUSE, 550, "5.7.2",
		"%s takes mail from official domains only: write from your office's address.",
		"%s chỉ nhận thư từ tên miền công vụ: hãy gửi bằng địa chỉ cơ quan." },
	[RULE_GROUP_MEMBERS] = { "RCPT.group-members", CV_REFUSE, 550, "5.7.2",
		"Only members may write to %s: ask its owner to add you.",
		"Chỉ thành viên được gửi tới %s: hãy đề nghị người phụ trách nhóm thêm bạn." },
	[RULE_GROUP_NAMED] = { "RCPT.group-named", CV_REFUSE, 550, "5.7.2",
		"Only accounts named by its owner may write to %s.",
		"Chỉ tài khoản được chỉ định mới được gửi tới %s." },
	[RULE_GROUP_CLOSED] = { "RCPT.group-closed", CV_REFUSE, 550, "5.7.2",
		"%s takes no mail at present.", "%s hiện không nhận thư." },
	[RULE_SECRECY] = { "POL-04.secrecy", CV_REFUSE, 550, "5.7.1",
		"This looks like a state secret (%s): it must not travel by Internet mail; no copy was kept.",
		"Nội dung có dấu chỉ độ mật (%s): không được gửi qua thư điện tử trên Internet; không lưu bản sao." },
	[RULE_SIGNUP] = { "POL-02.signup", CV_MARK, 250, "2.0.0",
		"An official address seems to have been used to register at %s; use a private address for private services.",
		"Địa chỉ công vụ có thể đã được dùng để đăng ký tại %s; dịch vụ cá nhân phải dùng địa chỉ cá nhân." },
	[RULE_SIGNUP_ALLOWED] = { "POL-03.allowed", CV_ALLOW, 250, "2.0.0",
		"%s is on the allow-list of services.", "%s có trong danh sách dịch vụ được phép." },
	[RULE_FORGED] = { "POL-06.forged-own", CV_REFUSE, 550, "5.7.1",
		"Mail from outside must not name %s as sender: log in and use the submission port.",
		"Thư từ bên ngoài không được mạo danh %s: hãy đăng nhập và gửi qua cổng gửi thư của tỉnh." },
	[RULE_FORWARD] = { "POL-01.forward", CV_REFUSE, 550, "5.7.1",
		"Official mail may not be forwarded automatically to addresses outside the official domains.",
		"Không được tự động chuyển tiếp thư công vụ ra ngoài các tên miền công vụ." },
	[RULE_VIRUS] = { "VIRUS.found", CV_REFUSE, 550, "5.7.1",
		"The message holds something harmful (%s): check your machine before you send again.",
		"Thư có mã độc (%s): hãy kiểm tra máy tính trước khi gửi lại." },
	[RULE_UNSCANNED] = { "VIRUS.unscanned", CV_DEFER, 451, "4.7.1",
		"Messages cannot be scanned for harmful content now: try again later.",
		"Hiện chưa quét được mã độc trong thư: hãy thử lại sau." },
	[RULE_DMARC_REJECT] = { "DMARC.reject", CV_REFUSE, 550, "5.7.1",
		"The domain %s asks to refuse mail that neither SPF nor DKIM vouches for (DMARC, RFC 9989): send through its own mail server.",
		"Tên miền %s yêu cầu từ chối thư không được SPF hay DKIM xác thực (DMARC, RFC 9989): hãy gửi qua máy chủ thư của tên miền đó." },
	[RULE_DMARC_FROM] = { "DMARC.from", CV_REFUSE, 550, "5.7.1",
		"The From field cannot be read as one author, and a domain that it names, or may name (%s), protects itself: write exactly one address.",
		"Dòng From không đọc được thành một người gửi mà có thể ghi một tên miền được bảo vệ (%s): hãy ghi đúng một địa chỉ." },
	[RULE_DMARC_LATER] = { "DMARC.later", CV_DEFER, 451, "4.7.0",
		"What the domain %s asks for its mail (DMARC) cannot be looked up now, try again later.",
		"Hiện không tra được chính sách DMARC của tên miền %s, hãy thử lại sau." },
	[RULE_TYPO] = { "POL-01.typo", CV_MARK, 250, "2.1.5",
		"The recipient's domain looks misspelt, probably %s was meant: check the address and send again.",
		"Tên miền người nhận có thể gõ sai, có lẽ ý bạn là %s: hãy kiểm tra địa chỉ và gửi lại." },
	[RULE_ATTACHMENT] = { "SPM-06.attachment", CV_REFUSE, 550, "5.7.1",
		"The attachment %s runs as a program when it is opened, or hides one: such files are not taken. Send a document instead.",
		"Tệp đính kèm %s là chương trình hoặc chứa chương trình khi mở ra: không được gửi loại tệp này, hãy gửi dưới dạng tài liệu." },
	[RULE_PEER + CV_PEER_CONNECTIONS] = { "PEER.connections", CV_DEFER, 421, "4.7.0",
		"Too many connections from your network, try again later.",
		"Quá nhiều kết nối từ mạng của bạn, hãy thử lại sau." },
	[RULE_PEER + CV_PEER_EARLY] = { "PEER.early", CV_REFUSE, 554, "5.5.0",
		"You spoke before the greeting: a mail server waits for it (RFC 5321 4.3.1).",
		"Máy của bạn gửi lệnh trước lời chào: máy chủ thư phải chờ (RFC 5321 4.3.1)." },
	[RULE_PEER + CV_PEER_COMMANDS] = { "PEER.commands", CV_DEFER, 421, "4.7.0",
		"Too many commands from your network, try again later.",
		"Quá nhiều lệnh từ mạng của bạn, hãy thử lại sau." },
	[RULE_PEER + CV_PEER_MESSAGES] = { "PEER.messages", CV_DEFER, 450, "4.7.1",
		"Too many messages from your network in a minute, try again later.",
		"Mạng của bạn gửi quá nhiều thư trong một phút, hãy thử lại sau." },
	[RULE_PEER + CV_PEER_RECIPIENTS] = { "PEER.recipients", CV_DEFER, 452, "4.7.1",
		"Too many recipients from your network in a minute, try again later.",
		"Mạng của bạn gửi tới quá nhiều người trong một phút, hãy thử lại sau." },
	[RULE_PEER + CV_PEER_AUTH] = { "PEER.auth", CV_DEFER, 421, "4.7.0",
		"Too many failed log-ins from your network, try again in an hour.",
		"Quá nhiều lần đăng nhập sai từ mạng của bạn, hãy thử lại sau một giờ." },
	[RULE_PEER + CV_PEER_BLOCKLIST] = { "PEER.blocklist", CV_REFUSE, 554, "5.7.1",
		"Your address is on %s: ask there to be taken off, or write to our postmaster.",
		"Địa chỉ máy của bạn có trong %s: hãy đề nghị nơi đó gỡ ra hoặc viết cho postmaster." },
	[RULE_PEER + CV_ACCOUNT_MESSAGES] = { "ACCOUNT.messages", CV_DEFER, 450, "4.7.1",
		"%s sends too many messages in a minute: the rest can go in a moment.",
		"%s gửi quá nhiều thư trong một phút: hãy gửi tiếp sau ít phút." },
	[RULE_PEER + CV_ACCOUNT_RECIPIENTS] = { "ACCOUNT.recipients", CV_DEFER, 452, "4.7.1",
		"%s sends to too many recipients in a minute: the rest can go in a moment.",
		"%s gửi tới quá nhiều người trong một phút: hãy gửi tiếp sau ít phút." },
	[RULE_PEER + CV_SENDER_DOMAIN] = { "SENDER.domain", CV_REFUSE, 550, "5.1.8",
		"The sender's domain %s does not exist or takes no mail: nobody could answer.",
		"Tên miền người gửi %s không tồn tại hoặc không nhận thư: không thể trả lời." },
	[RULE_PEER + CV_SENDER_NULL_MX] = { "SENDER.null-mx", CV_REFUSE, 550, "5.7.27",
		"The sender's domain %s says that it takes no mail (RFC 7505): nobody could answer.",
		"Tên miền người gửi %s tuyên bố không nhận thư (RFC 7505): không thể trả lời." },
	[RULE_PEER + CV_SENDER_DNS] = { "SENDER.dns", CV_DEFER, 451, "4.1.8",
		"The sender's domain %s cannot be looked up now, try again later.",
		"Hiện không tra được tên miền người gửi %s, hãy thử lại sau." },
};

/* Printable, short, without what would end a reply line or a sentence's brackets early. */
static void
clean(struct cv_str what, char out[WHAT_BYTES_MAX + 4])
{
	struct cv_str cut = cv_utf8_cut(cv_str_sub(what, 0, cv_utf8_valid_prefix(what)),
	                                WHAT_BYTES_MAX);
	for (size_t i = 0; i < cut.n; i++) {
		unsigned char c = (unsigned char)cut.p[i];
		out[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	snprintf(out + cut.n, 4, "%s", cut.n < what.n ? "..." : "");
}

static void
write_sentence(char *out, size_t n, const char *pattern, const char *what)
{
	const char *at = strstr(pattern, "%s");
	if (at)
		snprintf(out, n, "%.*s%s%s", (int)(at - pattern), pattern, what, at + 2);
	else
		snprintf(out, n, "%s", pattern);
	out[cv_utf8_cut(cv_str_z(out), n - 1).n] = 0;
	/* snprintf may have cut inside a letter. */
	out[cv_utf8_valid_prefix(cv_str_z(out))] = 0;
}

void
policy_decide(struct cv_decision *out, enum policy_rule rule, struct cv_str what)
{
	char cleaned[WHAT_BYTES_MAX + 4];
	clean(what, cleaned);
	*out = (struct cv_decision){
		.verdict = rules[rule].verdict, .rule = rules[rule].rule,
		.smtp_code = rules[rule].smtp_code, .enhanced = rules[rule].enhanced,
	};
	write_sentence(out->en, sizeof out->en, rules[rule].en, cleaned);
	write_sentence(out->vi, sizeof out->vi, rules[rule].vi, cleaned);
}

void
cv_policy_sending(enum cv_sending_rule rule, struct cv_str what, struct cv_decision *out)
{
	static const enum policy_rule of[] = {
		[CV_SENDING_ALLOWED] = RULE_ALLOW,
		[CV_SENDING_FROZEN] = RULE_FROZEN,
		[CV_SENDING_SUSPENDED] = RULE_SUSPENDED,
		[CV_SENDING_MESSAGES] = RULE_MESSAGES_DAY,
		[CV_SENDING_RCPTS] = RULE_RCPTS_DAY,
		[CV_SENDING_FIRST_TIME] = RULE_FIRST_DAY,
	};
	policy_decide(out, of[rule], what);
}

void
cv_policy_peer(enum cv_peer_rule rule, struct cv_str what, struct cv_decision *out)
{
	policy_decide(out, (enum policy_rule)(RULE_PEER + rule), what);
}

bool
cv_policy_named(const char *rule, struct cv_str what, struct cv_decision *out)
{
	for (size_t i = 0; i < RULE_COUNT; i++) {
		if (strcmp(rules[i].rule, rule))
			continue;
		policy_decide(out, (enum policy_rule)i, what);
		return true;
	}
	return false;
}

/* Rules that the filter names in its verdicts. */
static const struct {
	const char *rule, *en, *vi;
} mail_rules[] = {
#define RULE(id, name, weight, group, en, vi) { name, en, vi },
#include "common/policy/mail_rules.def"
#undef RULE
};

bool
cv_policy_explain(const char *rule, const char **vi_out, const char **en_out)
{
	for (size_t i = 0; i < RULE_COUNT; i++) {
		if (strcmp(rules[i].rule, rule))
			continue;
		*vi_out = rules[i].vi;
		*en_out = rules[i].en;
		return true;
	}
	for (size_t i = 0; i < CV_COUNT(mail_rules); i++) {
		if (strcmp(mail_rules[i].rule, rule))
			continue;
		*vi_out = mail_rules[i].vi;
		*en_out = mail_rules[i].en;
		return true;
	}
	for (size_t i = 0; i < policy_replies_count; i++) {
		if (strcmp(policy_replies[i].rule, rule))
			continue;
		*vi_out = policy_replies[i].vi;
		*en_out = policy_replies[i].en;
		return true;
	}
	return false;
}

const char *
cv_policy_rule(size_t n)
{
	if (n < RULE_COUNT)
		return rules[n].rule;
	n -= RULE_COUNT;
	if (n < CV_COUNT(mail_rules))
		return mail_rules[n].rule;
	n -= CV_COUNT(mail_rules);
	return n < policy_replies_count ? policy_replies[n].rule : NULL;
}

/* ---- replies ---- */

static bool
is_capital(uint32_t c)
{
	if (c >= 0xc0 && c <= 0xde)
		return true;
	if (c == 0x1af)
		return true;
	if (c == 0x102 || c == 0x110 || c == 0x128 || c == 0x168 || c == 0x1a0)
		return true;
	return c >= 0x1ea0 && c <= 0x1ef9 && !(c & 1);
}

/* Vietnamese without diacritics, capitals kept; what has no ASCII letter becomes '?'. */
static void
add_ascii(struct cv_str text, struct cv_buf *out)
{
	for (size_t pos = 0; pos < text.n;) {
		size_t start = pos;
		uint32_t c = cv_utf8_next(text, &pos);
		if (c < 0x80) {
			cv_buf_c(out, (char)c);
			continue;
		}
		struct cv_buf folded = CV_BUF_INIT(32);
		(void)cv_fold(cv_str_sub(text, start, pos), &folded);
		char letter = folded.n == 1 && (unsigned char)folded.p[0] < 0x80 ? folded.p[0]
		                                                                 : '?';
		if (is_capital(c) && cv_is_alpha((unsigned char)letter))
			letter = (char)(letter - 32);
		cv_buf_c(out, letter);
		cv_buf_done(&folded);
	}
}

size_t
cv_decision_reply(const struct cv_decision *d, bool utf8, char *buf, size_t n)
{
	struct cv_buf out = CV_BUF_INIT(2048);
	/* The rule first: it is what `congvu policy explain` wants, and it survives a cut. */
	struct cv_str parts[] = { CV_STR("["), cv_str_z(d->rule), CV_STR("] "), cv_str_z(d->en),
		CV_STR(" / "), cv_str_z(d->vi) };
	for (size_t i = 0; i < CV_COUNT(parts); i++) {
		if (utf8)
			cv_buf_str(&out, parts[i]);
		else
			add_ascii(parts[i], &out);
	}
	struct cv_str cut = n ? cv_utf8_cut(cv_buf_view(&out), n - 1) : CV_STR_EMPTY;
	if (n) {
		memcpy(buf, cut.p, cut.n);
		buf[cut.n] = 0;
	}
	cv_buf_done(&out);
	return cut.n;
}
