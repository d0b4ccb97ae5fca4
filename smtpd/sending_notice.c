/* sending_notice.c - tells people, once, that an account may not send: its owner, the agency it
 * belongs to, postmaster.
 *
 * A plain text in Vietnamese and English, from the null sender, Auto-Submitted. The owner hears
 * what happened and what to do; the others also how the account is released. The delivery id comes
 * from the account and the time of the freeze, so what is put again after a crash arrives once. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/text/date.h"
#include "common/text/encode.h"
#include "common/text/encoded_word.h"
#include "common/text/header.h"
#include "smtpd/outbound.h"
#include "smtpd/sending.h"
#include "smtpd/server.h"

#define TEXT_MAX (64u << 10)

/* One who is told. */
struct reader {
	cv_acct_id acct;    /* 0: outside the province */
	struct cv_str address;
	bool is_owner;
};
#define READERS_MAX 3
struct notice {
	struct smtpd_server *server;
	const struct cv_reg_account *account;
	const struct smtpd_freeze *freeze;
};

/* ---- the text ---- */

static void
write_vietnamese(const struct notice *n, const struct reader *r, const char *when,
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
	cv_buf_z(out, r->is_owner
			      ? "Việc cần làm:\r\n"
				"1. Nếu không phải anh/chị gửi, mật khẩu có thể đã bị lộ: hãy đổi mật khẩu ngay.\r\n"
				"2. Liên hệ quản trị của cơ quan để mở lại. Không trả lời thư này.\r\n"
			      : "Việc cần làm:\r\n"
				"1. Hỏi chủ tài khoản có gửi những thư này không; nếu không, hãy đặt lại mật khẩu.\r\n"
				"2. Xem số đã gửi, rồi mở lại và thả (hoặc xóa) thư đang giữ:\r\n");
}

static void
write_english(const struct notice *n, const struct reader *r, const char *when,
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
		r->is_owner
			? "What to do:\r\n"
			  "1. If it was not you who sent it, your password may be known: change it now.\r\n"
			  "2. Ask your agency's administrator to release the account. Do not answer this mail.\r\n"
			: "What to do:\r\n"
			  "1. Ask the owner whether they sent this mail; if not, reset the password.\r\n"
			  "2. Look at what was sent, then release the account and the held mail (or delete it):\r\n");
}

static void
write_commands(const struct notice *n, const struct reader *r, struct cv_buf *out)
{
	if (r->is_owner)
		return;
	cv_buf_printf(out,
		"     congvu sending show %.*s\r\n"
		"     congvu sending release %.*s --release-queue\r\n",
		CV_STR_ARGS(n->account->address), CV_STR_ARGS(n->account->address));
}

static void
write_text(const struct notice *n, const struct reader *r, struct cv_buf *out)
{
	struct cv_buf when = CV_BUF_INIT(64);

	cv_date_write_vn_time(&when, cv_date_at(n->freeze->since_secs, CV_ZONE_VIETNAM));
	write_vietnamese(n, r, when.p, out);
	write_commands(n, r, out);
	cv_buf_z(out, "\r\n-- English --\r\n\r\n");
	write_english(n, r, when.p, out);
	write_commands(n, r, out);
	cv_buf_done(&when);
}

static void
write_header(const struct notice *n, const struct reader *r, const char *id, struct cv_buf *out)
{
	const char *hostname = n->server->main->hostname;
	struct cv_buf value = CV_BUF_INIT(2000);

	cv_buf_z(out, "Date: ");
	cv_date_write_mail(out, cv_date_at(cv_wall_secs(), CV_ZONE_VIETNAM));
	cv_buf_z(out, "\r\n");
	cv_phrase_encode(CV_STR("Hệ thống thư công vụ"), &value);
	cv_buf_printf(&value, " <MAILER-DAEMON@%s>", hostname);
	cv_header_fold_tokens(out, "From", cv_buf_view(&value));
	cv_buf_reset(&value);
	cv_buf_printf(&value, "<%.*s>", CV_STR_ARGS(r->address));
	cv_header_fold_tokens(out, "To", cv_buf_view(&value));
	cv_buf_reset(&value);
	cv_buf_printf(&value, "Tài khoản %.*s bị khóa gửi / Sending stopped",
		CV_STR_ARGS(n->account->address));
	cv_header_fold(out, "Subject", cv_buf_view(&value));
	cv_buf_printf(out,
		"Message-ID: <%s.notice@%s>\r\nAuto-Submitted: auto-generated\r\n"
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		id, hostname);
	cv_buf_done(&value);
}

/* ---- the readers ---- */

/* Adds the box of ADDRESS, unless it is there already. */
static void
add_reader(const struct cv_snapshot *snap, struct reader *readers, size_t *count,
           struct cv_str address)
{
	struct cv_reg_hit hit;

	if (!address.n)
		return;
	cv_snapshot_find_address(snap, address, &hit);
	struct reader r = {.address = address};
	if (hit.found == CV_REG_ACCOUNT && hit.account.state != CV_STATE_RETIRED) {
		r.acct = hit.account.acct;
		r.address = hit.account.address;
	} else if (hit.found != CV_REG_NOT_OURS) {
		return;
	}
	for (size_t i = 0; i < *count; i++)
		if (r.acct ? readers[i].acct == r.acct
			   : cv_str_ieq(readers[i].address, r.address))
			return;
	readers[(*count)++] = r;
}

static size_t
find_readers(const struct cv_snapshot *snap, const struct cv_reg_account *account,
             struct reader readers[READERS_MAX], struct cv_arena *arena)
{
	struct cv_reg_agency agency;
	size_t count = 0;

	add_reader(snap, readers, &count, account->address);
	for (size_t i = 0; i < count; i++)
		readers[i].is_owner = true;
	if (account->agency.n && cv_snapshot_agency(snap, account->agency, &agency))
		add_reader(snap, readers, &count, agency.address);
	add_reader(snap, readers, &count,
		cv_arena_printf(arena, "postmaster@%.*s",
			CV_STR_ARGS(cv_snapshot_default_domain(snap))));
	return count;
}

static enum cv_status
put_notice(const struct notice *n, const struct reader *r, struct cv_err *err)
{
	char id[64];
	int64_t now = cv_wall_secs();
	struct cv_buf text = CV_BUF_INIT(TEXT_MAX), mail = CV_BUF_INIT(TEXT_MAX * 4);
	struct cv_spool spool;
	cv_ticket ticket;

	snprintf(id, sizeof id, "z%llx-%llx", (unsigned long long)n->account->acct,
		(unsigned long long)n->freeze->since_secs);
	struct cv_queue_rcpt rcpt = {.address = r->address, .notify = CV_NOTIFY_NEVER,
		.local_acct = r->acct, .next_secs = now};
	struct cv_queue_msg msg = {
		.delivery_id = cv_str_z(id),
		.sender = CV_STR_EMPTY,
		.arrived_secs = now,
		.expires_secs = now + n->server->opt->queue_life,
		.rcpt_count = 1,
		.rcpts = &rcpt,
	};
	write_text(n, r, &text);
	write_header(n, r, id, &mail);
	cv_qp_encode(cv_buf_view(&text), &mail);
	cv_spool_init(&spool, n->server->spool_dir);
	enum cv_status status = mail.full || text.full
					? cv_fail(err, CV_LIMIT, "the notice is too long")
					: cv_spool_write(&spool, cv_buf_view(&mail), err);
	if (status == CV_OK)
		status = cv_queue_put(n->server->queue, &msg,
			r->acct ? CV_STR("Return-Path: <>\r\n") : CV_STR_EMPTY, &spool, &ticket,
			err);
	cv_spool_done(&spool);
	cv_buf_done(&text);
	cv_buf_done(&mail);
	if (status == CV_OK)
		cv_ticket_block(cv_queue_engine(n->server->queue), ticket);
	return status;
}

enum cv_status
smtpd_sending_notify(struct smtpd_server *server, cv_acct_no acct,
                     const struct smtpd_freeze *freeze, struct cv_err *err)
{
	const struct cv_snapshot *snap = cv_register_get(server->reg);
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_reg_account account;
	struct reader readers[READERS_MAX] = {{0}};
	enum cv_status status = CV_OK;

	if (cv_snapshot_account(snap, acct, &account)) {
		struct notice n = {server, &account, freeze};
		size_t count = find_readers(snap, &account, readers, &arena);
		for (size_t i = 0; i < count && status == CV_OK; i++)
			status = put_notice(&n, &readers[i], err);
		if (status == CV_OK)
			cv_log(0, CV_INFO, "sending.told", "account=%.*s notices=%zu",
				CV_STR_ARGS(account.address), count);
	}
	cv_snapshot_unref(snap);
	cv_arena_done(&arena);
	if (server->outbound)
		smtpd_outbound_kick(server->outbound);
	return status;
}
