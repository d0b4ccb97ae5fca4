/* sending_notice.c - tells people, once, that an account may not send: its owner, the agency it
 * belongs to, postmaster.
 *
 * A plain text in Vietnamese and English, from the null sender, Auto-Submitted. The owner hears
 * what happened and what to do; the others also how the account is released. The delivery id comes
 * from the account and the time of the freeze, so what is put again after a crash arrives once. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/text/date.h"
#include "smtpd/notice.h"
#include "smtpd/sending.h"

#define TEXT_MAX (64u << 10)

struct notice {
	struct smtpd_server *server;
	const struct cv_reg_account *account;
	const struct smtpd_freeze *freeze;
};

/* ---- the text ---- */

static void
write_vietnamese(const struct notice *n, bool is_owner, const char *when,
                 struct cv_buf *out)
{
	cv_buf_printf(out, "Thông báo tự động của hệ thống thư công vụ %s.\r\n\r\n",
		n->server->main->province);
	cv_buf_printf(out,
		"Tài khoản %.*s bị KHÓA GỬI từ %s.\r\n"
		"Lý do: %s.\r\n\r\n"
		"Thư đến vẫn nhận bình thường. Thư gửi ra ngoài tỉnh còn trong hàng đợi đang được "
		"giữ lại.\r\n\r\n",
		CV_STR_ARGS(n->account->address), when,
		!strcmp(n->freeze->by, "burst")     ? "gửi cho quá nhiều người ngoài tỉnh trong thời gian ngắn"
		: !strcmp(n->freeze->by, "refused") ? "quá nhiều người nhận bị từ chối trong thời gian ngắn"
						    : "quản trị viên yêu cầu");
	cv_buf_z(out, is_owner
			      ? "Việc cần làm:\r\n"
				"1. Nếu không phải anh/chị gửi, mật khẩu có thể đã bị lộ: hãy đổi mật khẩu ngay.\r\n"
				"2. Liên hệ quản trị của cơ quan để mở lại. Không trả lời thư này.\r\n"
			      : "Việc cần làm:\r\n"
				"1. Hỏi chủ tài khoản có gửi những thư này không; nếu không, hãy đặt lại mật khẩu.\r\n"
				"2. Xem số đã gửi, rồi mở lại và thả (hoặc xóa) thư đang giữ:\r\n");
}

static void
write_english(const struct notice *n, bool is_owner, const char *when,
              struct cv_buf *out)
{
	cv_buf_printf(out, "Automatic notice of the official mail of %s.\r\n\r\n",
		n->server->main->province);
	cv_buf_printf(out,
		"The account %.*s may NOT SEND since %s.\r\nWhy: %s.\r\n\r\n"
		"It still receives mail. Mail for outside the province that waits in the queue is "
		"held.\r\n\r\n",
		CV_STR_ARGS(n->account->address), when,
		n->freeze->reason[0] ? n->freeze->reason : "an administrator asked for it");
	cv_buf_z(out,
		is_owner
			? "What to do:\r\n"
			  "1. If it was not you who sent it, your password may be known: change it now.\r\n"
			  "2. Ask your agency's administrator to release the account. Do not answer this mail.\r\n"
			: "What to do:\r\n"
			  "1. Ask the owner whether they sent this mail; if not, reset the password.\r\n"
			  "2. Look at what was sent, then release the account and the held mail (or delete it):\r\n");
}

static void
write_commands(const struct notice *n, bool is_owner, struct cv_buf *out)
{
	if (is_owner)
		return;
	cv_buf_printf(out,
		"     congvu sending show %.*s\r\n"
		"     congvu sending release %.*s --release-queue\r\n",
		CV_STR_ARGS(n->account->address), CV_STR_ARGS(n->account->address));
}

static void
write_text(const struct notice *n, bool is_owner, struct cv_buf *out)
{
	struct cv_buf when = CV_BUF_INIT(64);

	cv_date_write_vn_time(&when, cv_date_at(n->freeze->since_secs, CV_ZONE_VIETNAM));
	write_vietnamese(n, is_owner, when.p, out);
	write_commands(n, is_owner, out);
	cv_buf_z(out, "\r\n-- English --\r\n\r\n");
	write_english(n, is_owner, when.p, out);
	write_commands(n, is_owner, out);
	cv_buf_done(&when);
}

enum cv_status
smtpd_sending_notify(struct smtpd_server *server, cv_acct_no acct,
                     const struct smtpd_freeze *freeze, struct cv_err *err)
{
	const struct cv_snapshot *snap = cv_register_get(server->reg);
	struct cv_buf subject = CV_BUF_INIT(500);
	struct cv_buf owner = CV_BUF_INIT(TEXT_MAX), others = CV_BUF_INIT(TEXT_MAX);
	struct cv_reg_account account;
	enum cv_status status = CV_OK;
	char id[64];

	if (cv_snapshot_account(snap, acct, &account)) {
		struct notice n = {server, &account, freeze};
		size_t count = 0;
		snprintf(id, sizeof id, "z%llx-%llx", (unsigned long long)acct,
			(unsigned long long)freeze->since_secs);
		cv_buf_printf(&subject, "Tài khoản %.*s bị khóa gửi / Sending stopped",
			CV_STR_ARGS(account.address));
		write_text(&n, true, &owner);
		write_text(&n, false, &others);
		const struct smtpd_notice notice = {.id = id,
			.subject = cv_buf_view(&subject),
			.for_owner = cv_buf_view(&owner),
			.for_others = cv_buf_view(&others)};
		status = smtpd_notice_put(server, snap, &account, &notice, &count, err);
		if (status == CV_OK)
			cv_log(0, CV_INFO, "sending.told", "account=%.*s notices=%zu",
				CV_STR_ARGS(account.address), count);
	}
	cv_buf_done(&subject);
	cv_buf_done(&owner);
	cv_buf_done(&others);
	cv_snapshot_unref(snap);
	return status;
}
