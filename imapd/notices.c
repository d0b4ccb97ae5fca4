/* notices.c - see notices.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/notices.h"

#include "common/base/log.h"
#include "common/store/quota.h"
#include "imapd/letter.h"

#define WAITING_MAX 4096u /* who comes beyond is asked for again at the next change */
#define TEXT_MAX    (16u << 10)

struct imapd_notices {
	struct imapd *d;
	pthread_t thread;
	pthread_mutex_t lock; /* rank: leaf; taken while the store holds an account */
	pthread_cond_t wake;
	cv_acct_id waiting[WAITING_MAX];
	size_t count;
	bool stop, has_thread;
};

static bool
on_quota(void *arg, cv_acct_id id)
{
	struct imapd_notices *n = arg;

	pthread_mutex_lock(&n->lock);
	bool has_room = n->count < WAITING_MAX;
	if (has_room)
		n->waiting[n->count++] = id;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
	return has_room;
}

/* ---- the message ---- */

struct notice {
	struct cv_str address;
	const struct cv_quota *quota;
	unsigned percent;
};

static void
write_size(uint64_t bytes, char out[32])
{
	if (bytes >= 1ull << 30)
		snprintf(out, 32, "%.1f GB", (double)bytes / (double)(1ull << 30));
	else
		snprintf(out, 32, "%.1f MB", (double)bytes / (double)(1ull << 20));
}

static void
write_text(const struct notice *n, struct cv_buf *out)
{
	const struct cv_quota *q = n->quota;
	char used[32], limit[32];

	write_size(q->used_bytes, used);
	write_size(q->limit_bytes, limit);
	cv_buf_printf(out,
		"Hộp thư %.*s đã dùng từ %u%% hạn mức trở lên: %s trên %s, %llu thư.\r\n\r\n"
		"Khi hộp thư đầy, thư gửi tới sẽ bị trả lại cho người gửi. Xin xóa bớt thư có tệp "
		"đính kèm lớn, xóa hẳn thư trong Thùng rác và Thư rác, hoặc lưu thư cũ về máy "
		"tính. Cần thêm dung lượng, xin liên hệ quản trị hệ thống.\r\n\r\n"
		"Thông báo này chỉ gửi một lần cho mỗi mức 75%% và 90%%.\r\n\r\n",
		CV_STR_ARGS(n->address), n->percent, used, limit,
		(unsigned long long)q->used_messages);
	cv_buf_printf(out,
		"-- English --\r\n\r\n"
		"The mailbox %.*s uses %u%% of its quota or more: %s of %s, %llu messages.\r\n\r\n"
		"When it is full, mail to it goes back to its senders. Please delete messages with "
		"large attachments, empty Trash and Junk, or keep old mail on your computer. For "
		"more room, ask the administrators.\r\n\r\n"
		"This is told once for each of 75%% and 90%%.\r\n",
		CV_STR_ARGS(n->address), n->percent, used, limit,
		(unsigned long long)q->used_messages);
}

static void
write_message(const struct imapd_config *config, const struct notice *n, struct cv_buf *out)
{
	struct cv_buf subject = CV_BUF_INIT(200), text = CV_BUF_INIT(TEXT_MAX);

	cv_buf_printf(&subject, "Hộp thư đã dùng %u%% hạn mức / Mailbox %u%% full", n->percent,
		n->percent);
	write_text(n, &text);
	const struct imapd_letter l = {.kind = "quota",
		.to = n->address,
		.subject = cv_buf_view(&subject),
		.text = cv_buf_view(&text)};
	imapd_letter_write(config, &l, out);
	cv_buf_done(&subject);
	cv_buf_done(&text);
}

/* ---- one account ---- */

static enum cv_status
put_notice(struct imapd_notices *n, struct cv_acct *a, enum cv_quota_level level,
	struct cv_str address, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(4 * TEXT_MAX);
	struct cv_quota quota;
	struct cv_spool spool;
	cv_ticket ticket;

	cv_acct_quota(a, &quota);
	struct notice notice = {
		.address = address, .quota = &quota, .percent = cv_quota_percent[level]};
	write_message(imapd_config(n->d), &notice, &text);
	cv_spool_init(&spool, cv_store_spool_dir(n->d->store));
	enum cv_status status = cv_spool_write(&spool, cv_buf_view(&text), err);
	if (!status)
		status = cv_quota_put_notice(a, level, &spool, &ticket, err);
	cv_spool_done(&spool);
	cv_buf_done(&text);
	if (!status)
		cv_log(0, CV_INFO, "quota.notice", "account=%.*s percent=%u used=%llu limit=%llu",
			CV_STR_ARGS(address), notice.percent, (unsigned long long)quota.used_bytes,
			(unsigned long long)quota.limit_bytes);
	return status == CV_EXISTS ? CV_OK : status;
}

static enum cv_status
look_at(struct imapd_notices *n, cv_acct_id id, struct cv_err *err)
{
	const struct cv_snapshot *snapshot = cv_register_get(n->d->reg);
	struct cv_reg_account account;
	enum cv_quota_level level;
	struct cv_acct *a;
	cv_ticket ticket;

	enum cv_status status = cv_acct_open(n->d->store, id, false, &a, NULL, err);
	if (!status) {
		status = cv_quota_due(a, &level, &ticket, err);
		bool tells = !status && level && imapd_config(n->d)->imapd->quota_notices &&
			     cv_snapshot_account(snapshot, id, &account);
		if (tells)
			status = put_notice(n, a, level, account.address, err);
		cv_acct_close(a);
	}
	cv_snapshot_unref(snapshot);
	return status == CV_NOT_FOUND ? CV_OK : status;
}

static void *
run(void *arg)
{
	struct imapd_notices *n = arg;
	struct cv_err err;

	pthread_setname_np(pthread_self(), "notices");
	pthread_mutex_lock(&n->lock);
	while (!n->stop) {
		if (!n->count) {
			pthread_cond_wait(&n->wake, &n->lock);
			continue;
		}
		cv_acct_id id = n->waiting[--n->count];
		pthread_mutex_unlock(&n->lock);
		if (look_at(n, id, &err))
			cv_log(0, CV_WARN, "quota.not_told", "acct=%llx error=\"%s\"",
				(unsigned long long)id, err.text);
		pthread_mutex_lock(&n->lock);
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

enum cv_status
imapd_notices_start(struct imapd *d, struct imapd_notices **out, struct cv_err *err)
{
	struct imapd_notices *n = cv_calloc(1, sizeof(*n));

	n->d = d;
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->wake, NULL);
	*out = n;
	int failed = pthread_create(&n->thread, NULL, run, n);
	if (failed)
		return cv_fail_errno(
			err, CV_TEMPFAIL, failed, "cannot start the thread of the notices");
	n->has_thread = true;
	cv_quota_watch(d->store, on_quota, n);
	return CV_OK;
}

void
imapd_notices_stop(struct imapd_notices *n)
{
	if (!n || !n->has_thread)
		return;
	pthread_mutex_lock(&n->lock);
	n->stop = true;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
	pthread_join(n->thread, NULL);
	n->has_thread = false;
}

void
imapd_notices_free(struct imapd_notices *n)
{
	if (!n)
		return;
	pthread_mutex_destroy(&n->lock);
	pthread_cond_destroy(&n->wake);
	free(n);
}
