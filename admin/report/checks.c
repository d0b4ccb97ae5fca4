/* checks.c - `congvu report checks` and `congvu report alert`: how often agency and role boxes are
 * looked into, and who is told when one was not in time (IMP-05, DOC-01). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/commands.h"
#include "admin/report/report.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#define TIMES_MAX    8
#define GOOD_PERCENT 90 /* of the times kept: what "Đạt" means */

/* box_check_times, as minutes of the day. */
struct times {
	int minutes[TIMES_MAX];
	size_t count;
};

static bool
read_times(struct admin_call *call, struct times *out)
{
	const struct admin_options *o = cv_conf_get(call->conf, &admin_section);
	struct cv_str rest = cv_str_z(o->box_check_times), word;

	*out = (struct times){0};
	while (cv_str_split(&rest, ' ', &word)) {
		uint64_t hour, minute;
		if (!word.n)
			continue;
		bool is_good = word.n == 5 && word.p[2] == ':' &&
			       !cv_str_u64(cv_str_sub(word, 0, 2), 23, &hour) &&
			       !cv_str_u64(cv_str_sub(word, 3, 5), 59, &minute);
		int at = is_good ? (int)(hour * 60 + minute) : 0;
		if (!is_good || out->count == TIMES_MAX ||
			(out->count && at <= out->minutes[out->count - 1])) {
			admin_error(call, EXIT_CONFIG,
				"box_check_times takes ascending times like 10:00 15:00",
				"box_check_times nhận các giờ tăng dần như 10:00 15:00");
			return false;
		}
		out->minutes[out->count++] = at;
	}
	return true;
}

/* Whether ROW ([day, minute, ...]) has a check after the time before the Nth and up to it. */
static bool
kept_time(const json_t *row, const struct times *times, size_t n)
{
	int from = n ? times->minutes[n - 1] : -1;

	for (size_t i = 1; i < json_array_size(row); i++) {
		json_int_t minute = json_integer_value(json_array_get(row, i));
		if (minute > from && minute <= times->minutes[n])
			return true;
	}
	return false;
}

/* The row of DAY, or NULL: nobody looked. Rows are ascending. */
static const json_t *
row_of(const json_t *days, int64_t day)
{
	for (size_t i = 0; i < json_array_size(days); i++) {
		const json_t *row = json_array_get(days, i);
		if (json_integer_value(json_array_get(row, 0)) == day)
			return row;
	}
	return NULL;
}

static json_t *
ask_checks(struct admin_report *r, int64_t from, int64_t to, bool heads, int *exit_out)
{
	json_t *request = admin_request("report.checks");

	json_object_set_new(request, "from_day", json_integer(from));
	json_object_set_new(request, "to_day", json_integer(to));
	json_object_set_new(request, "heads", json_boolean(heads));
	admin_set(request, "agency", r->agency);
	return admin_ask(r->call, ADMIN_STORE, request, exit_out);
}

/* ---- the report ---- */

struct tally {
	int64_t days, checks, checked_days, due, kept;
	int64_t last_day, last_minute;
};

static void
add_day(struct tally *t, const json_t *row, const struct times *times, int64_t now_minute)
{
	int64_t checks = row ? (int64_t)json_array_size(row) - 1 : 0;

	t->days++;
	t->checks += checks;
	t->checked_days += checks > 0;
	for (size_t i = 0; i < times->count && times->minutes[i] <= now_minute; i++) {
		t->due++;
		t->kept += row && kept_time(row, times, i);
	}
}

static struct tally
tally_of(const struct admin_report *r, const json_t *box, const struct times *times)
{
	const json_t *days = json_object_get(box, "days");
	int64_t now = cv_wall_secs(), to = CV_MIN(r->period.to, r->today);
	int64_t minute = (now - cv_calendar_midnight(r->today)) / 60;
	struct tally t = {0};

	for (int64_t day = r->period.from; day <= to; day++)
		if (cv_calendar_is_workday(r->calendar, day))
			add_day(&t, row_of(days, day), times, day == r->today ? minute : 1440);
	size_t n = json_array_size(days);
	const json_t *last = n ? json_array_get(days, n - 1) : NULL;
	if (last && json_array_size(last) > 1) {
		t.last_day = json_integer_value(json_array_get(last, 0));
		t.last_minute =
			json_integer_value(json_array_get(last, json_array_size(last) - 1));
	}
	return t;
}

static void
put_row(struct admin_report *r, struct admin_doc_table *table, const char *address,
	const char *name, const struct tally *t, bool is_total)
{
	char last[40] = "";
	bool is_good = t->due && t->kept * 100 >= t->due * GOOD_PERCENT;

	if (t->last_day)
		snprintf(last, sizeof last, "%02d:%02d %s", (int)(t->last_minute / 60),
			(int)(t->last_minute % 60), admin_report_day(t->last_day));
	const struct admin_value cells[] = {admin_text_z(address), admin_text_z(name),
		admin_count(t->days), admin_count(t->checks), admin_count(t->checked_days),
		admin_count(t->kept), admin_share(t->kept, t->due), admin_text_z(last),
		admin_text_z(is_total || !t->due ? ""
			     : is_good	 ? admin_report_say(r, "met", "Đạt")
					 : admin_report_say(r, "not met", "Chưa đạt"))};
	admin_doc_row(r->doc, table, cells, is_total);
}

static void
put_boxes(struct admin_report *r, const json_t *boxes, const struct times *times)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "address", admin_report_say(r, "Box", "Hộp thư"), 34, ADMIN_TEXT },
		{ "agency",  admin_report_say(r, "Agency", "Cơ quan, đơn vị"), 40, ADMIN_TEXT },
		{ "days",    admin_report_say(r, "Working days", "Ngày làm việc"), 0, ADMIN_COUNT },
		{ "checks",  admin_report_say(r, "Checks", "Số lần mở"), 0, ADMIN_COUNT },
		{ "checked_days", admin_report_say(r, "Days with a check", "Ngày có mở"), 0, ADMIN_COUNT },
		{ "kept",    admin_report_say(r, "Times kept", "Lần đúng giờ"), 0, ADMIN_COUNT },
		{ "share",   admin_report_say(r, "Share", "Tỷ lệ"), 0, ADMIN_SHARE },
		{ "last",    admin_report_say(r, "Last check", "Lần cuối"), 18, ADMIN_TEXT },
		{ "result",  admin_report_say(r, "Result", "Kết quả"), 12, ADMIN_TEXT },
	};
	/* clang-format on */
	struct admin_doc_table *t = admin_doc_table(r->doc, "boxes",
		admin_report_say(r, "Agency and role boxes",
			"Hộp thư cơ quan và hộp thư chức danh"),
		columns, CV_COUNT(columns));
	struct tally all = {0};
	json_t *box;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)boxes, i, box)
	{
		const char *code = json_string_value(json_object_get(box, "agency"));
		const struct admin_report_agency *g = admin_report_agency_of(r, code ? code : "");
		struct tally one = tally_of(r, box, times);
		put_row(r, t, json_string_value(json_object_get(box, "address")),
			g ? g->name : code, &one, false);
		all.checks += one.checks;
		all.checked_days += one.checked_days;
		all.due += one.due;
		all.kept += one.kept;
		all.days += one.days;
	}
	put_row(r, t, "", admin_report_say(r, "In all", "Tổng cộng"), &all, true);
}

/* Each day of each box with its times: "07:45 14:10" is two checks. */
static void
put_days(struct admin_report *r, const json_t *boxes)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "day",     admin_report_say(r, "Day", "Ngày"), 12, ADMIN_DAY },
		{ "address", admin_report_say(r, "Box", "Hộp thư"), 34, ADMIN_TEXT },
		{ "checks",  admin_report_say(r, "Checks", "Số lần mở"), 0, ADMIN_COUNT },
		{ "times",   admin_report_say(r, "At", "Lúc"), 30, ADMIN_TEXT },
	};
	/* clang-format on */
	struct admin_doc_table *t = admin_doc_table(r->doc, "days",
		admin_report_say(r, "By day", "Theo ngày"), columns, CV_COUNT(columns));
	json_t *box, *row;
	size_t i, k;

	json_array_foreach((json_t *)(uintptr_t)boxes, i, box)
	{
		json_array_foreach(json_object_get(box, "days"), k, row)
		{
			struct cv_buf at = CV_BUF_INIT(2000);
			for (size_t m = 1; m < json_array_size(row); m++) {
				int minute = (int)json_integer_value(json_array_get(row, m));
				cv_buf_printf(&at, "%s%02d:%02d", m > 1 ? " " : "", minute / 60,
					minute % 60);
			}
			const struct admin_value cells[] = {
				admin_on_day(json_integer_value(json_array_get(row, 0))),
				admin_text_z(json_string_value(json_object_get(box, "address"))),
				admin_count((int64_t)json_array_size(row) - 1),
				admin_text(cv_buf_view(&at))};
			admin_doc_row(r->doc, t, cells, false);
			cv_buf_done(&at);
		}
	}
}

bool
admin_report_kept_times(struct admin_report *r, int64_t *kept_out, int64_t *due_out, int *exit_out)
{
	struct times times;
	json_t *reply = NULL, *box;
	size_t i;

	*kept_out = *due_out = 0;
	*exit_out = EXIT_CONFIG;
	if (read_times(r->call, &times))
		reply = ask_checks(r, r->period.from, r->period.to, false, exit_out);
	json_array_foreach(json_object_get(reply, "boxes"), i, box)
	{
		struct tally one = tally_of(r, box, &times);
		*kept_out += one.kept;
		*due_out += one.due;
	}
	json_decref(reply);
	return reply != NULL;
}

static int
run_checks(struct admin_call *call)
{
	struct admin_report r;
	struct times times;
	json_t *reply = NULL;
	int exit_code;

	if (admin_report_open(call, &r, &exit_code)) {
		exit_code = EXIT_CONFIG;
		if (read_times(call, &times))
			reply = ask_checks(&r, r.period.from, r.period.to, false, &exit_code);
	}
	if (reply) {
		const json_t *boxes = json_object_get(reply, "boxes");
		const struct admin_options *o = cv_conf_get(call->conf, &admin_section);
		admin_report_begin(&r, "How often agency boxes are opened",
			"Kỷ luật mở hộp thư cơ quan");
		put_boxes(&r, boxes, &times);
		if (admin_option(call, "days"))
			put_days(&r, boxes);
		admin_doc_note(r.doc,
			admin_report_say(&r,
				"A box is to be opened on every working day by %s, each time anew. "
				"\"Met\": %d%% of these times and more. Holidays do not count.",
				"Mỗi ngày làm việc hộp thư phải được mở trước các mốc %s. \"Đạt\": "
				"đúng giờ từ %d%% trở lên. Không tính ngày nghỉ, lễ, Tết."),
			*o->box_check_times ? o->box_check_times : "-", GOOD_PERCENT);
		exit_code = admin_report_finish(&r);
	}
	json_decref(reply);
	admin_report_close(&r);
	return exit_code;
}

/* ---- the alert ---- */

struct alert {
	struct admin_report *r;
	char time[8], day[16]; /* "10:00", "23/11/2026" */
	json_t *list;
	bool has_failed;
};

/* Tells ACCOUNT of BOX once a day and time; a stopped imapd, or a full box, is said and passed. */
static void
tell(struct alert *a, const char *account, const char *box)
{
	json_t *request = json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s}}", "do", "mail.notice",
		"template", "unopened", "account", account, "values", "box", box, "time", a->time,
		"day", a->day);
	struct cv_err err = {0};
	json_t *reply = admin_try(a->r->call, ADMIN_STORE, request, &err);

	if (!reply) {
		cv_log(0, CV_WARN, "report.alert_not_told", "account=%s box=%s error=\"%s\"",
			account, box, err.text);
		a->has_failed = true;
	}
	json_decref(reply);
}

static void
alert_box(struct alert *a, const json_t *box)
{
	const char *address = json_string_value(json_object_get(box, "address"));
	const char *head = json_string_value(json_object_get(box, "head"));
	json_t *holder;
	size_t i;

	cv_log(0, CV_WARN, "report.unopened", "box=%s agency=%s by=%s", address,
		json_string_value(json_object_get(box, "agency")), a->time);
	json_array_append_new(a->list,
		json_pack("{s:s, s:O, s:O, s:O, s:s}", "box", address, "agency",
			json_object_get(box, "agency"), "clerks", json_object_get(box, "holders"),
			"head", json_object_get(box, "head"), "by", a->time));
	if (admin_option(a->r->call, "dry-run"))
		return;
	json_array_foreach(json_object_get(box, "holders"), i, holder)
	{
		tell(a, json_string_value(holder), address);
	}
	if (head && *head)
		tell(a, head, address);
}

/* The last of the times that has passed today; -1: none, or no working day. */
static int
due_time(const struct admin_report *r, const struct times *times, int64_t now)
{
	int64_t minute = (now - cv_calendar_midnight(r->today)) / 60;
	int due = -1;

	for (size_t i = 0; i < times->count; i++)
		if (times->minutes[i] <= minute)
			due = (int)i;
	return cv_calendar_is_workday(r->calendar, r->today) ? due : -1;
}

static json_t *
clerks_text(const json_t *list)
{
	struct cv_buf text = CV_BUF_INIT(4000);

	for (size_t i = 0; i < json_array_size(list); i++)
		cv_buf_printf(&text, "%s%s", i ? " " : "",
			json_string_value(json_array_get(list, i)));
	json_t *out = json_stringn(text.n ? text.p : "", text.n);
	cv_buf_done(&text);
	return out;
}

static void
print_alert(const struct admin_call *call, json_t *list, const char *time)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "box",    "BOX",    "HỘP THƯ" },
		{ "agency", "AGENCY", "ĐƠN VỊ" },
		{ "clerks", "CLERKS", "VĂN THƯ" },
		{ "head",   "HEAD",   "THỦ TRƯỞNG" },
	};
	/* clang-format on */
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		json_object_set_new(one, "clerks", clerks_text(json_object_get(one, "clerks")));
	}
	admin_table(call, list, columns, CV_COUNT(columns));
	printf(admin_say(call, "%zu boxes not opened by %s\n", "%zu hộp thư chưa mở trước %s\n"),
		json_array_size(list), *time ? time : "-");
}

static int
run_alert(struct admin_call *call)
{
	struct admin_report r;
	struct times times;
	json_t *reply = NULL, *box;
	struct alert a = {.r = &r, .list = json_array()};
	size_t i;
	int exit_code, due = -1;

	if (admin_report_open(call, &r, &exit_code)) {
		exit_code = EXIT_CONFIG;
		if (read_times(call, &times)) {
			exit_code = EXIT_OK;
			due = due_time(&r, &times, cv_wall_secs());
		}
	}
	if (due >= 0)
		reply = ask_checks(&r, r.today, r.today, true, &exit_code);
	if (reply) {
		snprintf(a.time, sizeof a.time, "%02d:%02d", times.minutes[due] / 60 % 24,
			times.minutes[due] % 60);
		snprintf(a.day, sizeof a.day, "%s", admin_report_day(r.today));
		json_array_foreach(json_object_get(reply, "boxes"), i, box)
		{
			const json_t *row = row_of(json_object_get(box, "days"), r.today);
			if (!row || !kept_time(row, &times, (size_t)due))
				alert_box(&a, box);
		}
		exit_code = a.has_failed ? EXIT_PARTLY : EXIT_OK;
	}
	if (exit_code == EXIT_OK || exit_code == EXIT_PARTLY) {
		json_t *out = json_pack("{s:b, s:s, s:O}", "ok", 1, "by", a.time, "boxes", a.list);
		if (!admin_json(call, out))
			print_alert(call, a.list, a.time);
		json_decref(out);
	}
	json_decref(a.list);
	json_decref(reply);
	admin_report_close(&r);
	return exit_code;
}

/* clang-format off */
static const struct admin_option checks_options[] = {
	ADMIN_REPORT_OPTIONS,
	{ "days", NULL, "each day with its times too", "cả từng ngày và giờ mở" },
	{ 0 }
};
static const struct admin_option alert_options[] = {
	{ "agency", "CODE", "this agency and those below it", "đơn vị này và các đơn vị trực thuộc" },
	{ "dry-run", NULL, "only list them", "chỉ liệt kê, không gửi" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_report_checks = {
	.noun = "report",
	.verb = "checks",
	.words = "",
	.help = "how often agency and role boxes are opened, and when last",
	.help_vi = "số lần và giờ mở hộp thư cơ quan, hộp thư chức danh",
	.options = checks_options,
	.examples = "  congvu report checks --period 2026-11-23..2026-11-23 --days\n"
		    "  congvu report checks --period 2026-Q3 --agency stp --format odt --output stp.odt",
	.run = run_checks,
};
const struct admin_command admin_report_alert = {
	.noun = "report",
	.verb = "alert",
	.words = "",
	.help = "tell clerks and heads of agency boxes that were not opened in time today",
	.help_vi = "nhắc văn thư và thủ trưởng về hộp thư cơ quan chưa mở đúng giờ hôm nay",
	.options = alert_options,
	.examples = "  congvu report alert --dry-run",
	.run = run_alert,
};
