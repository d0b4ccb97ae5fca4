/* jobs.c - the jobs that run by the clock, a row each. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <sys/stat.h>

#include "admin/backup/backup.h"
#include "admin/directory/site.h"
#include "admin/schedule/schedule.h"
#include "common/base/clock.h"
#include "common/text/calendar.h"

/* DIR-04: the pages follow the register within the hour. Only where somebody published before, and
 * only when the register is newer than the last good run; once a day anyway, since pages show
 * their date. */
static bool
directory_has_changed(const struct cv_conf *conf, const struct admin_job_record *record)
{
	const struct congvu_options *m = cv_conf_get(conf, &congvu_section);
	const struct admin_options *a = cv_conf_get(conf, &admin_section);
	char path[2200];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", a->directory_dir, ADMIN_SITE_MANIFEST);
	if (stat(path, &st))
		return false;
	snprintf(path, sizeof path, "%s/register.gen", m->register_dir);
	return stat(path, &st) || st.st_mtime >= record->good - 1 ||
	       cv_wall_secs() >= record->good + 86400;
}

/* DOC-01: within half an hour after each of box_check_times, until it went well once. */
static bool
box_alert_is_due(const struct cv_conf *conf, const struct admin_job_record *record)
{
	const struct admin_options *a = cv_conf_get(conf, &admin_section);
	int64_t now = cv_wall_secs(), midnight = cv_calendar_midnight(cv_calendar_day(now));
	struct cv_str rest = cv_str_z(a->box_check_times), word;

	while (cv_str_split(&rest, ' ', &word)) {
		uint64_t hour, minute;
		if (word.n != 5 || cv_str_u64(cv_str_sub(word, 0, 2), 23, &hour) ||
			cv_str_u64(cv_str_sub(word, 3, 5), 59, &minute))
			continue;
		int64_t due = midnight + (int64_t)(hour * 60 + minute) * 60;
		if (now >= due && now < due + 1800 && record->good < due)
			return true;
	}
	return false;
}

/* Where nobody set up targets and a key there is nothing to do; `congvu doctor` says so. */
static bool
has_backups(const struct cv_conf *conf, const struct admin_job_record *record)
{
	const struct congvu_options *m = cv_conf_get(conf, &congvu_section);
	const struct admin_options *a = cv_conf_get(conf, &admin_section);
	char path[1200];
	struct stat st;

	(void)record;
	snprintf(path, sizeof path, "%s/" BACKUP_PUBLIC_FILE, m->keys_dir);
	return a->backup_targets[0] && !stat(path, &st);
}

/* clang-format off */
const struct admin_job admin_jobs[] = {
	/* name, command line, option of [admin], seconds it may take, condition, help */
	{ "dated", "dated run", "job_dated", 600, NULL,
		"do what was put off to this day: transfers, leaves, retirements, new holders",
		"thực hiện các việc đã hẹn đến ngày: điều chuyển, nghỉ, đổi người giữ" },
	{ "expiring", "account expiring --run", "job_expiring", 600, NULL,
		"tell owners of accounts that end soon",
		"báo người phụ trách tài khoản sắp hết hạn" },
	{ "review", "review start --if-due", "job_review", 600, NULL,
		"begin the review of access when it is due",
		"bắt đầu đợt rà soát quyền truy cập khi đến kỳ" },
	{ "unused", "account dormant --run", "job_unused", 1800, NULL,
		"warn of unused accounts, end their log-ins, propose withdrawal",
		"nhắc, khóa đăng nhập và đề nghị thu hồi tài khoản không sử dụng" },
	{ "publish", "directory publish --if-changed", "job_publish", 1800, directory_has_changed,
		"publish the public directory when the register changed",
		"xuất lại danh bạ công khai khi dữ liệu có thay đổi" },
	{ "sample", "report sample", "job_sample", 600, NULL,
		"note the use of disk and boxes for the forecast",
		"ghi lại dung lượng để dự báo tăng trưởng" },
	{ "box-alert", "report alert", "job_box_alert", 600, box_alert_is_due,
		"tell clerks and heads of agency boxes that were not opened in time",
		"nhắc văn thư và thủ trưởng về hộp thư cơ quan chưa mở đúng giờ" },
	{ "reports", "report keep", "job_reports", 3600, NULL,
		"write the reports of the month that is over",
		"ghi các báo cáo của tháng vừa qua" },
	{ "backup", "backup run", "job_backup", 12 * 3600, has_backups,
		"back up mail, queue, keys and configuration (BAK-01)",
		"sao lưu thư, hàng đợi, khóa và cấu hình" },
	{ "backup-verify", "backup verify", "job_backup_verify", 24 * 3600, has_backups,
		"read every backup again and compare checksums and signatures (BAK-03)",
		"đọc lại các bản sao lưu và đối chiếu mã kiểm tra, chữ ký" },
	{ "dkim-rotate", "dkim rotate", "job_dkim_rotate", 600, NULL,
		"make the next DKIM key when the one in use is old, and sign with it once DNS has it",
		"tạo khóa DKIM mới khi khóa cũ quá hạn, chuyển sang dùng khi DNS đã có bản ghi" },
};
/* clang-format on */
const size_t admin_jobs_count = CV_COUNT(admin_jobs);

const struct admin_job *
admin_job_find(const char *name)
{
	for (size_t i = 0; i < admin_jobs_count; i++)
		if (!strcmp(admin_jobs[i].name, name))
			return &admin_jobs[i];
	return NULL;
}

enum cv_status
admin_job_when(const struct admin_job *job, const struct cv_conf *conf, struct cv_when *out,
	const char **text_out, struct cv_err *err)
{
	*text_out = cv_conf_text(conf, "admin", job->option, NULL);
	if (!*text_out)
		cv_die("no option %s", job->option);
	return cv_when_parse(cv_str_z(*text_out), out, err);
}
