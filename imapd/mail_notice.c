/* mail_notice.c - see mail_notice.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/mail_notice.h"

#include <openssl/evp.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/charset.h"
#include "common/text/date.h"
#include "common/text/encode.h"
#include "imapd/letter.h"

#define DAY_SECS  86400
#define TEXT_MAX  (16u << 10)
#define RATE_KIND 'n'

static const struct template {
	const char *name;
	unsigned per_day; /* for one account */
	const char *subject, *text;
} templates[] = {
	{"signup", 5,
		"Địa chỉ công vụ được dùng để đăng ký dịch vụ {sender} / Official address given to a "
		"public service",
		"Địa chỉ thư công vụ {address} dường như vừa được dùng để đăng ký hoặc xác nhận tài "
		"khoản tại dịch vụ {sender}.\r\n\r\n"
		"Quy định không cho dùng hộp thư công vụ để đăng ký mạng xã hội, mua bán và các dịch "
		"vụ ngoài công việc. Nếu chính bạn đăng ký vì công việc, xin báo quản trị hệ thống để "
		"được ghi vào danh sách cho phép. Nếu bạn không đăng ký, đừng bấm vào liên kết trong "
		"thư đó và báo ngay cho quản trị.\r\n\r\n"
		"Thư của dịch vụ vẫn được chuyển tới hộp thư. Hệ thống không lưu nội dung thư.\r\n\r\n"
		"-- English --\r\n\r\n"
		"The official address {address} seems to have been used to sign up for, or to confirm "
		"an account at, {sender}.\r\n\r\n"
		"Official mailboxes may not be used for social networks, shopping and other services "
		"outside work. If you signed up for your work, ask the administrators to allow this "
		"sender. If it was not you, do not follow the links of that message and tell the "
		"administrators at once.\r\n\r\n"
		"The service's message was delivered all the same. Its content is not kept.\r\n"},
	{"unused", 1,
		"Hộp thư công vụ {address} đã {days} ngày không sử dụng / Official mailbox not in use",
		"Hộp thư công vụ {address} đã {days} ngày không đăng nhập. Nếu vẫn không sử dụng, từ "
		"ngày {off_on} hệ thống khóa đăng nhập (thư vẫn đến) và sau đó cơ quan được đề nghị "
		"thu hồi tài khoản.\r\n\r\n"
		"Chỉ cần đăng nhập và đọc thư. Nếu đi học, nghỉ dài ngày, xin báo quản trị của cơ "
		"quan.\r\n\r\n"
		"-- English --\r\n\r\n"
		"Nobody has used the official mailbox {address} for {days} days. If that goes on, "
		"log-ins end on {off_on} (mail still arrives), and your agency is asked to withdraw "
		"the account. To keep it, log in and read your mail. If you are away for long, tell "
		"your agency's administrator.\r\n"},
	{"expiring", 3,
		"Tài khoản {address} hết hạn ngày {until} / Account {address} ends on {until}",
		"Tài khoản {address} do ông/bà phụ trách hết hạn vào cuối ngày {until}; sau đó không "
		"gửi và không đăng nhập được. Nếu còn cần, xin đề nghị quản trị gia hạn trước ngày "
		"đó.\r\n\r\n"
		"-- English --\r\n\r\n"
		"The account {address}, which you own, ends after {until}; it can neither send nor log "
		"in afterwards. If it is still needed, ask your administrator to extend it before "
		"that day.\r\n"},
	{"breakglass", 20,
		"Hộp thư {box} được mở để đọc theo yêu cầu / Mailbox {box} is being read",
		"Theo yêu cầu đã được hai người có thẩm quyền phê duyệt, {reader} được đọc hộp thư "
		"{box} đến {until}. Người đọc không gửi, không sửa và không xóa được thư; mỗi thư đã "
		"mở đều được ghi lại, chủ hộp thư có quyền xem bản ghi đó.\r\n\r\n"
		"-- English --\r\n\r\n"
		"By a request that two persons approved, {reader} may read the mailbox {box} until "
		"{until}. The reader can neither send, change nor remove mail; every message that is "
		"opened is recorded, and the owner may ask for that record.\r\n"},
	{"unopened", 4,
		"Hộp thư {box} chưa được mở trước {time} / {box} was not opened by {time}",
		"Đến {time} hôm nay ({day}) chưa có ai mở hộp thư công vụ {box}.\r\n\r\n"
		"Theo quy định, hộp thư của cơ quan phải được kiểm tra ít nhất hai lần mỗi ngày làm "
		"việc. Đề nghị văn thư mở hộp thư ngay; thủ trưởng đơn vị đôn đốc.\r\n\r\n"
		"-- English --\r\n\r\n"
		"By {time} today ({day}) nobody had looked into the official mailbox {box}. It is to "
		"be checked at least twice on each working day. Clerks: please open it now.\r\n"},
};

static const struct template *
find_template(const char *name)
{
	for (size_t i = 0; name && i < CV_COUNT(templates); i++)
		if (!strcmp(templates[i].name, name))
			return &templates[i];
	return NULL;
}

/* ---- the text ---- */

static enum cv_status
put_value(const json_t *values, struct cv_str name, struct cv_buf *out, struct cv_err *err)
{
	const json_t *value = json_object_getn(values, name.p, name.n);
	struct cv_str text = cv_str(json_string_value(value), json_string_length(value));

	if (!json_is_string(value) || !text.n || text.n > IMAPD_NOTICE_VALUE_MAX)
		return cv_fail(err, CV_INVALID, "value '%.*s' is missing or too long",
			CV_STR_ARGS(name));
	for (size_t i = 0; i < text.n; i++)
		cv_buf_c(out, (unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f ? ' '
										   : text.p[i]);
	return CV_OK;
}

enum cv_status
imapd_notice_fill(const char *text, const json_t *values, struct cv_buf *out, struct cv_err *err)
{
	struct cv_str rest = cv_str_z(text);

	for (;;) {
		size_t open = cv_str_find(rest, '{', 0), close = cv_str_find(rest, '}', open);
		cv_buf_str(out, cv_str_sub(rest, 0, open));
		if (close == rest.n)
			return CV_OK;
		enum cv_status status =
			put_value(values, cv_str_sub(rest, open + 1, close), out, err);
		if (status)
			return status;
		rest = cv_str_sub(rest, close + 1, rest.n);
	}
}

/* ---- to whom ---- */

struct job {
	struct imapd *d;
	const struct template *template;
	const json_t *values;
	cv_acct_no acct;
	char address[320];
	struct cv_buf subject, text;
	const char *why; /* it was not told; NULL: it was */
};

static enum cv_status
find_account(struct job *j, const json_t *request, struct cv_err *err)
{
	const struct cv_snapshot *s = cv_register_get(j->d->reg);
	const char *address = json_string_value(json_object_get(request, "account"));
	struct cv_reg_hit hit = {.found = CV_REG_NONE};

	if (address)
		cv_snapshot_find_address(s, cv_str_z(address), &hit);
	else if (cv_snapshot_account(s,
			 (cv_acct_no)json_integer_value(json_object_get(request, "acct")),
			 &hit.account))
		hit.found = CV_REG_ACCOUNT;
	bool is_box = hit.found == CV_REG_ACCOUNT;
	if (is_box) {
		j->acct = hit.account.acct;
		snprintf(j->address, sizeof(j->address), "%.*s", CV_STR_ARGS(hit.account.address));
		if (hit.account.state == CV_STATE_RETIRED)
			j->why = "retired";
	}
	cv_snapshot_unref(s);
	return is_box ? CV_OK : cv_fail(err, CV_NOT_FOUND, "there is no such account");
}

/* The same template with the same values on the same day. */
static void
write_id(const struct job *j, char out[CV_DELIVERY_ID_MAX + 1])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	struct cv_buf hex = CV_BUF_INIT(64);
	size_t n = 0;

	if (!EVP_Q_digest(NULL, "SHA256", NULL, j->text.p, j->text.n, md, &n))
		cv_die("no SHA-256 in the crypto library");
	cv_hex_encode(cv_str((const char *)md, 16), &hex);
	snprintf(out, CV_DELIVERY_ID_MAX + 1, "notice.%s.%lld.%.*s", j->template->name,
		(long long)((cv_wall_secs() + CV_ZONE_VIETNAM * 60) / DAY_SECS), (int)hex.n, hex.p);
	cv_buf_done(&hex);
}

static enum cv_status
tell(struct job *j, struct cv_err *err)
{
	const struct cv_rate rate = {j->template->per_day, DAY_SECS};
	struct cv_rate_key key;
	char id[CV_DELIVERY_ID_MAX + 1];
	bool is_new;

	cv_rate_key_number(RATE_KIND, j->acct, &key);
	if (!cv_rates_has(j->d->notice_rates, cv_rate_key_str(&key), rate, 1, cv_mono_ms())) {
		j->why = "limit";
		return CV_OK;
	}
	write_id(j, id);
	const struct imapd_letter l = {.kind = j->template->name,
		.to = cv_str_z(j->address),
		.subject = cv_buf_view(&j->subject),
		.text = cv_buf_view(&j->text)};
	enum cv_status status =
		imapd_letter_put(j->d, &l, j->acct, cv_str_z(id), &is_new, err);
	if (status == CV_OVERQUOTA) {
		j->why = "no-room";
		return CV_OK;
	}
	if (status)
		return status;
	if (!is_new)
		j->why = "repeated";
	else
		cv_rates_take(j->d->notice_rates, cv_rate_key_str(&key), rate, 1, cv_mono_ms());
	return CV_OK;
}

enum cv_status
imapd_mail_notice(struct imapd *d, const json_t *request, json_t **reply_out, struct cv_err *err)
{
	struct job j = {.d = d,
		.template = find_template(
			json_string_value(json_object_get(request, "template"))),
		.values = json_object_get(request, "values"),
		.subject = CV_BUF_INIT(2000),
		.text = CV_BUF_INIT(TEXT_MAX)};

	if (!j.template)
		return cv_fail(err, CV_NOT_FOUND, "there is no such template");
	enum cv_status status = find_account(&j, request, err);
	if (!status)
		status = imapd_notice_fill(j.template->subject, j.values, &j.subject, err);
	if (!status)
		status = imapd_notice_fill(j.template->text, j.values, &j.text, err);
	if (!status && !cv_utf8_is_valid(cv_buf_view(&j.text)))
		status = cv_fail(err, CV_INVALID, "a value is not UTF-8");
	if (!status && !j.why)
		status = tell(&j, err);
	cv_buf_done(&j.subject);
	cv_buf_done(&j.text);
	if (status)
		return status;
	*reply_out = json_pack("{s:b}", "told", !j.why);
	if (j.why)
		json_object_set_new(*reply_out, "why", json_string(j.why));
	cv_log(0, CV_INFO, "notice.told", "account=%s template=%s why=%s", j.address,
		j.template->name, j.why ? j.why : "told");
	return CV_OK;
}
