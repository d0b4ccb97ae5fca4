/* held_notice.c - see held_notice.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/held_notice.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/rates.h"
#include "common/text/date.h"
#include "smtpd/notice.h"

#define TEXT_MAX (32u << 10)
#define HOUR_MS  (3600 * 1000)
#define KEY_HELD 'h'

struct job {
	struct smtpd_server *server;
	cv_acct_no acct;
	int64_t secs;
	char id[20];
};

static void
write_text(const struct job *j, const struct cv_reg_account *a, bool is_owner, struct cv_buf *out)
{
	struct cv_buf when = CV_BUF_INIT(64);

	cv_date_write_vn_time(&when, cv_date_at(j->secs, CV_ZONE_VIETNAM));
	cv_buf_printf(out,
		"Thông báo tự động của hệ thống thư công vụ %s.\r\n\r\n"
		"Thư do tài khoản %.*s gửi lúc %s (mã %s) đang được GIỮ LẠI để kiểm tra vì bộ lọc "
		"nghi ngờ. Thư chưa được gửi tới ai.\r\n\r\n",
		j->server->main->province, CV_STR_ARGS(a->address), when.p, j->id);
	cv_buf_z(out, is_owner
			      ? "Nếu không phải anh/chị gửi thư này, hãy đổi mật khẩu ngay và báo "
				"quản trị của cơ quan.\r\n"
			      : "Hãy hỏi chủ tài khoản; nếu thư hợp lệ thì cho gửi, nếu không thì "
				"xóa và đặt lại mật khẩu:\r\n"
				"     congvu queue list\r\n     congvu queue release MÃ\r\n"
				"     congvu queue delete MÃ\r\n");
	cv_buf_printf(out,
		"\r\n-- English --\r\n\r\n"
		"A message submitted by %.*s at %s (id %s) is HELD because a filter distrusts it. "
		"It was sent to nobody yet.\r\n\r\n",
		CV_STR_ARGS(a->address), when.p, j->id);
	cv_buf_z(out, is_owner
			      ? "If you did not send it, change your password now and tell your "
				"agency's administrator.\r\n"
			      : "Ask the owner; then let it go, or delete it and reset the "
				"password:\r\n"
				"     congvu queue list\r\n     congvu queue release ID\r\n"
				"     congvu queue delete ID\r\n");
	cv_buf_done(&when);
}

static void
tell(void *arg)
{
	struct job *j = arg;
	const struct cv_snapshot *snap = cv_register_get(j->server->reg);
	struct cv_buf owner = CV_BUF_INIT(TEXT_MAX), others = CV_BUF_INIT(TEXT_MAX);
	struct cv_buf subject = CV_BUF_INIT(500);
	struct cv_reg_account a;
	struct cv_err err = {0};
	char id[40];
	size_t told = 0;

	snprintf(id, sizeof id, "held-%s", j->id);
	if (cv_snapshot_account(snap, j->acct, &a)) {
		cv_buf_printf(&subject, "Thư gửi từ %.*s bị giữ lại / Message held",
			CV_STR_ARGS(a.address));
		write_text(j, &a, true, &owner);
		write_text(j, &a, false, &others);
		const struct smtpd_notice notice = {.id = id,
			.subject = cv_buf_view(&subject),
			.for_owner = cv_buf_view(&owner),
			.for_others = cv_buf_view(&others)};
		if (smtpd_notice_put(j->server, snap, &a, &notice, &told, &err) != CV_OK)
			cv_log(0, CV_ERROR, "held.untold", "id=%s error=\"%s\"", j->id, err.text);
		else
			cv_log(0, CV_INFO, "held.told", "id=%s account=%.*s notices=%zu", j->id,
				CV_STR_ARGS(a.address), told);
	}
	cv_buf_done(&owner);
	cv_buf_done(&others);
	cv_buf_done(&subject);
	cv_snapshot_unref(snap);
	free(j);
}

void
smtpd_held_tell(struct smtpd_session *s)
{
	struct smtpd_server *server = s->server;
	struct cv_rate_key key;
	int64_t now = cv_mono_ms();

	cv_rate_key_number(KEY_HELD, s->acct, &key);
	if (cv_rates_is_marked(server->rates, cv_rate_key_str(&key), now))
		return;
	cv_rates_mark(server->rates, cv_rate_key_str(&key), now + HOUR_MS, now);
	struct job *j = cv_calloc(1, sizeof *j);
	*j = (struct job){.server = server, .acct = s->acct, .secs = cv_wall_secs()};
	snprintf(j->id, sizeof j->id, "%s", s->tx->id);
	if (!cv_net_run(server->net, tell, j))
		free(j); /* stopping; the log says it */
}
