/* capacity.c - `congvu report capacity` and `sample`: growth of boxes and disk, months left
 * (OPS-05).
 *
 * A sample is a row a day in <schedule_dir>/capacity.csv: day, boxes, octets in boxes, octets of
 * the disk in use, octets of the disk. The scheduler takes one each day.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "admin/commands.h"
#include "admin/csv.h"
#include "admin/files.h"
#include "admin/report/report.h"
#include "common/base/clock.h"
#include "common/text/date.h"

#define SAMPLES_MAX   3660
#define FILE_MAX      (1u << 20)
#define WINDOW_DAYS   90 /* growth is that of so many days */
#define DAYS_A_MONTH  30
#define MB            (1024 * 1024)

struct sample {
	int64_t day, boxes, used, disk_used, disk_size;
};
struct samples {
	struct sample list[SAMPLES_MAX];
	size_t count;
};

static bool
read_numbers(const struct cv_str *fields, size_t n, struct sample *out)
{
	int64_t *const to[] = {&out->boxes, &out->used, &out->disk_used, &out->disk_size};
	struct cv_date date;

	if (n != 5 || fields[0].n != 10 || cv_date_parse_iso(fields[0], CV_ZONE_VIETNAM, &date))
		return false;
	out->day = cv_date_local_days(date);
	for (size_t i = 0; i < CV_COUNT(to); i++) {
		uint64_t value;
		if (cv_str_u64(fields[i + 1], INT64_MAX / 4, &value))
			return false;
		*to[i] = (int64_t)value;
	}
	return true;
}

/* A file that is not there has no samples. */
static enum cv_status
read_samples(const char *path, struct samples *out, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_str text, fields[ADMIN_CSV_COLUMNS_MAX];
	struct admin_csv csv;
	size_t n;
	enum cv_status status = admin_file_read(path, FILE_MAX, &text, err);

	out->count = 0;
	if (status)
		return status == CV_NOT_FOUND ? CV_OK : status;
	admin_csv_init(&csv, text);
	while (!(status = admin_csv_next(&csv, &arena, fields, &n, err))) {
		struct sample s;
		if (out->count < SAMPLES_MAX && read_numbers(fields, n, &s) &&
			(!out->count || s.day > out->list[out->count - 1].day))
			out->list[out->count++] = s;
	}
	cv_arena_done(&arena);
	free((char *)(uintptr_t)text.p);
	return status == CV_EOF ? CV_OK : status;
}

static enum cv_status
write_samples(const char *path, const struct samples *s, struct cv_err *err)
{
	struct cv_buf out = CV_BUF_INIT(FILE_MAX);
	struct stat st;
	struct admin_owner owner = ADMIN_OWNER_SELF;

	cv_buf_z(&out, "day,boxes,used_bytes,disk_used_bytes,disk_bytes\r\n");
	for (size_t i = 0; i < s->count; i++) {
		const struct sample *one = &s->list[i];
		cv_date_write_iso_day(&out, cv_date_at(one->day * 86400, 0));
		cv_buf_printf(&out, ",%lld,%lld,%lld,%lld\r\n", (long long)one->boxes,
			(long long)one->used, (long long)one->disk_used,
			(long long)one->disk_size);
	}
	if (!stat(path, &st))
		owner = (struct admin_owner){st.st_uid, st.st_gid};
	enum cv_status status =
		out.full ? cv_fail(err, CV_LIMIT, "too many samples")
			 : admin_file_replace(path, 0640, cv_buf_view(&out), owner, err);
	cv_buf_done(&out);
	return status;
}

static void
samples_path(struct admin_call *call, char *path, size_t room)
{
	const struct admin_options *o = cv_conf_get(call->conf, &admin_section);

	snprintf(path, room, "%s/capacity.csv", o->schedule_dir);
}

/* How things stand now. The reply of quota.report is kept for the report. */
static bool
take_sample(struct admin_call *call, struct sample *out, json_t **reply_out, int *exit_out)
{
	struct statvfs v;

	*out = (struct sample){.day = cv_calendar_day(cv_wall_secs())};
	*reply_out = admin_ask(call, ADMIN_STORE, admin_request("quota.report"), exit_out);
	if (!*reply_out)
		return false;
	const json_t *total = json_object_get(*reply_out, "total");
	out->boxes = admin_number(total, "accounts");
	out->used = admin_number(total, "used");
	if (!statvfs(admin_main_options(call)->mail_dir, &v)) {
		out->disk_size = (int64_t)(v.f_blocks * v.f_frsize);
		out->disk_used = (int64_t)((v.f_blocks - v.f_bavail) * v.f_frsize);
	}
	return true;
}

/* Puts NOW in the place of a sample of the same day, or behind the last. Samples of days to come
 * are those of a clock that ran ahead: they would hide all that follow. */
static void
add_sample(struct samples *s, const struct sample *now)
{
	while (s->count && s->list[s->count - 1].day >= now->day)
		s->count--;
	if (s->count == SAMPLES_MAX)
		memmove(s->list, s->list + 1, --s->count * sizeof *s->list);
	s->list[s->count++] = *now;
}

static int
run_sample(struct admin_call *call)
{
	struct samples *s = cv_calloc(1, sizeof *s);
	struct sample now;
	struct cv_err err = {0};
	char path[1200];
	json_t *reply = NULL;
	int exit_code = EXIT_CONFIG;

	if (admin_conf(call) && take_sample(call, &now, &reply, &exit_code)) {
		const struct admin_options *o = cv_conf_get(call->conf, &admin_section);
		samples_path(call, path, sizeof path);
		enum cv_status status =
			admin_folder_make(o->schedule_dir, 0750, ADMIN_OWNER_SELF, &err);
		if (!status)
			status = read_samples(path, s, &err);
		if (!status) {
			add_sample(s, &now);
			status = write_samples(path, s, &err);
		}
		exit_code = status ? admin_error(call, EXIT_FAILED, err.text, err.text) : EXIT_OK;
		json_t *out = json_pack("{s:b, s:I, s:I, s:I}", "ok", 1, "boxes",
			(json_int_t)now.boxes, "used", (json_int_t)now.used, "samples",
			(json_int_t)s->count);
		if (!status && !admin_json(call, out))
			printf(admin_say(call, "%zu samples\n", "%zu lần đo\n"), s->count);
		json_decref(out);
	}
	json_decref(reply);
	free(s);
	return exit_code;
}

/* ---- the report ---- */

/* The first sample of the window that ends with the last. */
static const struct sample *
window_begin(const struct samples *s)
{
	const struct sample *last = &s->list[s->count - 1];

	for (size_t i = 0; i < s->count; i++)
		if (last->day - s->list[i].day <= WINDOW_DAYS)
			return &s->list[i];
	return last;
}

static struct admin_value
megabytes(int64_t bytes)
{
	return admin_count(admin_ratio(bytes, MB, 1));
}

/* Octets a month between two samples, 0 without growth. */
static int64_t
growth(int64_t before, int64_t now, int64_t days)
{
	return days > 0 && now > before ? admin_ratio(now - before, days, DAYS_A_MONTH) : 0;
}

static void
put_forecast(struct admin_report *r, const struct samples *s)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "what",   admin_report_say(r, "What", "Chỉ tiêu"), 30, ADMIN_TEXT },
		{ "now",    admin_report_say(r, "Now (MB)", "Hiện nay (MB)"), 0, ADMIN_COUNT },
		{ "limit",  admin_report_say(r, "Room (MB)", "Giới hạn (MB)"), 0, ADMIN_COUNT },
		{ "share",  admin_report_say(r, "In use", "Đã dùng"), 0, ADMIN_SHARE },
		{ "growth", admin_report_say(r, "Growth a month (MB)", "Tăng mỗi tháng (MB)"), 0, ADMIN_COUNT },
		{ "months", admin_report_say(r, "Months left", "Còn (tháng)"), 0, ADMIN_DECIMAL },
	};
	/* clang-format on */
	const struct sample *last = &s->list[s->count - 1], *first = window_begin(s);
	int64_t days = last->day - first->day;
	int64_t disk = growth(first->disk_used, last->disk_used, days);
	int64_t boxes = growth(first->used, last->used, days);
	struct admin_doc_table *t = admin_doc_table(r->doc, "forecast",
		admin_report_say(r, "Forecast", "Dự báo"), columns, CV_COUNT(columns));
	const struct admin_value disk_row[] = {
		admin_text_z(admin_report_say(r, "Disk of the mail store", "Ổ đĩa kho thư")),
		megabytes(last->disk_used), megabytes(last->disk_size),
		admin_share(last->disk_used, last->disk_size), megabytes(disk),
		disk ? admin_decimal(last->disk_size - last->disk_used, disk) : admin_none()};
	const struct admin_value box_row[] = {
		admin_text_z(admin_report_say(r, "Mail in boxes", "Thư trong các hộp thư")),
		megabytes(last->used), admin_none(), admin_none(), megabytes(boxes),
		boxes ? admin_decimal(last->disk_size - last->disk_used, boxes) : admin_none()};

	admin_doc_row(r->doc, t, disk_row, false);
	admin_doc_row(r->doc, t, box_row, false);
	admin_doc_note(r->doc,
		admin_report_say(r,
			"Growth a month = (now - before) x %d / days between, of the samples of the "
			"last %d days (%s days, %s samples). Months left = free room of the disk / "
			"growth a month; – when nothing grew or there are too few samples.",
			"Tăng mỗi tháng = (hiện nay - trước) x %d / số ngày, theo các lần đo trong "
			"%d ngày gần nhất (%s ngày, %s lần đo). Số tháng còn lại = dung lượng đĩa "
			"trống / mức tăng mỗi tháng; – khi không tăng hoặc chưa đủ số lần đo."),
		DAYS_A_MONTH, WINDOW_DAYS, admin_report_number(days),
		admin_report_number((int64_t)s->count));
}

/* The last sample of each month. */
static void
put_months(struct admin_report *r, const struct samples *s)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "month", admin_report_say(r, "Month", "Tháng"), 10, ADMIN_TEXT },
		{ "boxes", admin_report_say(r, "Boxes", "Số hộp thư"), 0, ADMIN_COUNT },
		{ "used",  admin_report_say(r, "In boxes (MB)", "Trong hộp thư (MB)"), 0, ADMIN_COUNT },
		{ "disk",  admin_report_say(r, "On disk (MB)", "Trên đĩa (MB)"), 0, ADMIN_COUNT },
	};
	const struct admin_chart chart = { ADMIN_CHART_LINES,
		admin_report_say(r, "Growth by month (MB)", "Tăng trưởng theo tháng (MB)"), 0,
		{ 2, 3 }, 2 };
	/* clang-format on */
	struct admin_doc_table *t = admin_doc_table(r->doc, "months",
		admin_report_say(r, "By month", "Theo tháng"), columns, CV_COUNT(columns));
	size_t rows = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct cv_civil here, next = {0};
		char name[24];
		cv_civil_from_days(s->list[i].day, &here);
		if (i + 1 < s->count)
			cv_civil_from_days(s->list[i + 1].day, &next);
		if (next.month == here.month && next.year == here.year)
			continue;
		snprintf(name, sizeof name, "%02d/%d", here.month, here.year);
		const struct admin_value cells[] = {admin_text_z(name),
			admin_count(s->list[i].boxes), megabytes(s->list[i].used),
			megabytes(s->list[i].disk_used)};
		admin_doc_row(r->doc, t, cells, false);
		rows++;
	}
	if (rows > 1)
		admin_doc_chart(r->doc, t, &chart);
}

static void
put_agencies(struct admin_report *r, const json_t *reply)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "code",   admin_report_say(r, "Code", "Mã"), 12, ADMIN_TEXT },
		{ "agency", admin_report_say(r, "Agency", "Cơ quan, đơn vị"), 44, ADMIN_TEXT },
		{ "boxes",  admin_report_say(r, "Boxes", "Số hộp thư"), 0, ADMIN_COUNT },
		{ "used",   admin_report_say(r, "In use (MB)", "Đã dùng (MB)"), 0, ADMIN_COUNT },
		{ "limits", admin_report_say(r, "Quotas (MB)", "Hạn mức (MB)"), 0, ADMIN_COUNT },
		{ "share",  admin_report_say(r, "Share", "Tỷ lệ"), 0, ADMIN_SHARE },
		{ "over75", admin_report_say(r, "Over 75%", "Trên 75%"), 0, ADMIN_COUNT },
		{ "over90", admin_report_say(r, "Over 90%", "Trên 90%"), 0, ADMIN_COUNT },
	};
	/* clang-format on */
	struct admin_doc_table *t = admin_doc_table(r->doc, "agencies",
		admin_report_say(r, "By agency", "Theo cơ quan, đơn vị"), columns,
		CV_COUNT(columns));
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(reply, "agencies"), i, one)
	{
		const char *code = json_string_value(json_object_get(one, "agency"));
		const struct admin_report_agency *g = admin_report_agency_of(r, code ? code : "");
		if (r->agency && (!g || !g->is_chosen))
			continue;
		const struct admin_value cells[] = {admin_text_z(code),
			admin_text_z(g ? g->name
				       : admin_report_say(r, "of no agency", "chưa thuộc đơn vị")),
			admin_count(admin_number(one, "accounts")),
			megabytes(admin_number(one, "used")),
			megabytes(admin_number(one, "limits")),
			admin_share(admin_number(one, "used"), admin_number(one, "limits")),
			admin_count(admin_number(one, "over75")),
			admin_count(admin_number(one, "over90"))};
		admin_doc_row(r->doc, t, cells, false);
	}
}

static int
run_capacity(struct admin_call *call)
{
	struct samples *s = cv_calloc(1, sizeof *s);
	struct admin_report r;
	struct sample now;
	struct cv_err err = {0};
	char path[1200];
	json_t *reply = NULL;
	int exit_code;

	if (admin_report_open(call, &r, &exit_code) &&
		take_sample(call, &now, &reply, &exit_code)) {
		samples_path(call, path, sizeof path);
		if (read_samples(path, s, &err)) {
			exit_code = admin_error(call, EXIT_FAILED, err.text, err.text);
		} else {
			add_sample(s, &now);
			/* It tells of all that was ever noted. */
			r.period.from = s->list[0].day;
			r.period.to = r.today;
			r.period.is_cumulative = false;
			snprintf(r.period.text, sizeof r.period.text, "%s",
				admin_report_day(r.today));
			admin_report_begin(&r, "Room and growth of the mail store",
				"Dung lượng và dự báo tăng trưởng của hệ thống thư");
			put_forecast(&r, s);
			put_months(&r, s);
			put_agencies(&r, reply);
			exit_code = admin_report_finish(&r);
		}
	}
	json_decref(reply);
	free(s);
	admin_report_close(&r);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = { ADMIN_REPORT_OPTIONS, { 0 } };
/* clang-format on */

const struct admin_command admin_report_capacity = {
	.noun = "report",
	.verb = "capacity",
	.words = "",
	.help = "how boxes and disk grow, and how many months are left",
	.help_vi = "dung lượng, mức tăng và số tháng còn lại",
	.options = options,
	.examples = "  congvu report capacity\n"
		    "  congvu report capacity --format html --output dung-luong.html",
	.run = run_capacity,
};
const struct admin_command admin_report_sample = {
	.noun = "report",
	.verb = "sample",
	.words = "",
	.help = "note today's use of disk and boxes for the forecast (a job does it each day)",
	.help_vi = "ghi lại dung lượng hôm nay để dự báo (chạy theo lịch hằng ngày)",
	.examples = "  congvu report sample",
	.run = run_sample,
};
