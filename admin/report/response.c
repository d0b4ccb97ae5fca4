/* response.c - `congvu report response`: how soon mail from outside to agency and role boxes is
 * opened and answered (DOC-02). Times and UIDs, no subjects, no correspondents. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/commands.h"
#include "admin/report/report.h"
#include "admin/report/response.h"
#include "common/base/clock.h"

#define LATE_MAX 1000 /* rows of the list of what is overdue */

struct waits { /* working seconds until the answers */
	int64_t *list;
	size_t count, cap;
};

static void
add_wait(struct waits *w, int64_t secs)
{
	if (w->count == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 64;
		w->list = cv_realloc(w->list, w->cap * sizeof *w->list);
	}
	w->list[w->count++] = secs;
}

static int
by_secs(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Hours of work, the lower one of two in the middle. */
static struct admin_value
median(struct waits *w)
{
	if (!w->count)
		return admin_none();
	qsort(w->list, w->count, sizeof *w->list, by_secs);
	return admin_decimal(w->list[(w->count - 1) / 2], 3600);
}

void
admin_response_add(const struct admin_report *r, const json_t *item, int64_t now,
	struct admin_response *t)
{
	const struct admin_options *o = cv_conf_get(r->call->conf, &admin_section);
	int64_t arrived = json_integer_value(json_array_get(item, 0));
	int64_t opened = json_integer_value(json_array_get(item, 1));
	int64_t answered = json_integer_value(json_array_get(item, 2));
	int64_t see_by = cv_calendar_deadline(
		r->calendar, arrived, (unsigned)o->acknowledge_days);
	int64_t answer_by = cv_calendar_deadline(r->calendar, arrived, (unsigned)o->answer_days);
	int64_t seen = opened && (!answered || opened < answered) ? opened : answered;

	t->arrived++;
	t->opened += seen > 0;
	t->opened_in_time += seen > 0 && seen <= see_by;
	t->answered += answered > 0;
	t->in_time += answered > 0 && answered <= answer_by;
	t->overdue += !answered && now > answer_by;
	t->due += answered > 0 || now > answer_by;
	t->open += !answered;
}

/* ---- the document ---- */

struct building {
	struct admin_report *r;
	struct admin_doc_table *table;
	json_t *late; /* [box, arrived, due, UID] */
	int64_t now;
};

static void
put_row(struct building *b, const char *address, const char *name,
	const struct admin_response *t, struct waits *w, bool is_total)
{
	const struct admin_value cells[] = {admin_text_z(address), admin_text_z(name),
		admin_count(t->arrived), admin_share(t->opened_in_time, t->arrived),
		admin_count(t->answered), admin_count(t->in_time),
		admin_share(t->in_time, t->due), admin_count(t->open - t->overdue),
		admin_count(t->overdue), median(w)};

	admin_doc_row(b->r->doc, b->table, cells, is_total);
}

static void
add_box(struct building *b, const json_t *box, struct admin_response *all, struct waits *all_waits)
{
	const struct admin_options *o = cv_conf_get(b->r->call->conf, &admin_section);
	const char *address = json_string_value(json_object_get(box, "address"));
	const char *code = json_string_value(json_object_get(box, "agency"));
	const struct admin_report_agency *g = admin_report_agency_of(b->r, code ? code : "");
	struct admin_response one = {0};
	struct waits waits = {0};
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(box, "items"), i, item)
	{
		int64_t arrived = json_integer_value(json_array_get(item, 0));
		int64_t answered = json_integer_value(json_array_get(item, 2));
		int64_t due = cv_calendar_deadline(
			b->r->calendar, arrived, (unsigned)o->answer_days);
		admin_response_add(b->r, item, b->now, &one);
		admin_response_add(b->r, item, b->now, all);
		if (answered) {
			int64_t secs = cv_calendar_work_secs(b->r->calendar, arrived, answered);
			add_wait(&waits, secs);
			add_wait(all_waits, secs);
		} else if (b->now > due && json_array_size(b->late) < LATE_MAX) {
			json_array_append_new(b->late,
				json_pack("[s, I, I, O]", address, (json_int_t)arrived,
					(json_int_t)due, json_array_get(item, 3)));
		}
	}
	if (one.arrived)
		put_row(b, address, g ? g->name : code, &one, &waits, false);
	free(waits.list);
}

static void
put_late(struct building *b)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "box",     admin_report_say(b->r, "Box", "Hộp thư"), 34, ADMIN_TEXT },
		{ "arrived", admin_report_say(b->r, "Arrived", "Ngày đến"), 12, ADMIN_DAY },
		{ "due",     admin_report_say(b->r, "Due", "Hạn trả lời"), 12, ADMIN_DAY },
		{ "late",    admin_report_say(b->r, "Working days late", "Số ngày làm việc quá hạn"), 0, ADMIN_COUNT },
		{ "uid",     admin_report_say(b->r, "Message no.", "Số thư (UID)"), 0, ADMIN_COUNT },
	};
	/* clang-format on */
	json_t *one;
	size_t i;

	if (!json_array_size(b->late))
		return;
	struct admin_doc_table *t = admin_doc_table(b->r->doc, "overdue",
		admin_report_say(b->r, "Overdue", "Thư quá hạn trả lời"), columns,
		CV_COUNT(columns));
	json_array_foreach(b->late, i, one)
	{
		int64_t due = cv_calendar_day(json_integer_value(json_array_get(one, 2)));
		const struct admin_value cells[] = {
			admin_text_z(json_string_value(json_array_get(one, 0))),
			admin_on_day(
				cv_calendar_day(json_integer_value(json_array_get(one, 1)))),
			admin_on_day(due),
			admin_count(cv_calendar_workdays(
				b->r->calendar, due + 1, b->r->today + 1)),
			admin_count(json_integer_value(json_array_get(one, 3)))};
		admin_doc_row(b->r->doc, t, cells, false);
	}
}

static void
put_document(struct admin_report *r, const json_t *boxes)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "box",      admin_report_say(r, "Box", "Hộp thư"), 34, ADMIN_TEXT },
		{ "agency",   admin_report_say(r, "Agency", "Cơ quan, đơn vị"), 40, ADMIN_TEXT },
		{ "arrived",  admin_report_say(r, "Arrived", "Thư đến"), 0, ADMIN_COUNT },
		{ "seen_in_time", admin_report_say(r, "Opened in time", "Mở đúng hạn"), 0, ADMIN_SHARE },
		{ "answered", admin_report_say(r, "Answered", "Đã trả lời"), 0, ADMIN_COUNT },
		{ "in_time",  admin_report_say(r, "In time", "Đúng hạn"), 0, ADMIN_COUNT },
		{ "share",    admin_report_say(r, "Share", "Tỷ lệ đúng hạn"), 0, ADMIN_SHARE },
		{ "open",     admin_report_say(r, "Open", "Đang chờ"), 0, ADMIN_COUNT },
		{ "overdue",  admin_report_say(r, "Overdue", "Quá hạn"), 0, ADMIN_COUNT },
		{ "median",   admin_report_say(r, "Median (hours)", "Trung vị (giờ làm việc)"), 0, ADMIN_DECIMAL },
	};
	/* clang-format on */
	const struct admin_options *o = cv_conf_get(r->call->conf, &admin_section);
	struct building b = {.r = r, .late = json_array(), .now = cv_wall_secs()};
	struct admin_response all = {0};
	struct waits waits = {0};
	json_t *box;
	size_t i;

	b.table = admin_doc_table(r->doc, "boxes",
		admin_report_say(r, "By box", "Theo hộp thư"), columns, CV_COUNT(columns));
	json_array_foreach((json_t *)(uintptr_t)boxes, i, box)
	{
		add_box(&b, box, &all, &waits);
	}
	put_row(&b, "", admin_report_say(r, "In all", "Tổng cộng"), &all, &waits, true);
	put_late(&b);
	admin_doc_note(r->doc,
		admin_report_say(r,
			"Mail of people outside the province to agency and role boxes; not mail "
			"that programs or lists sent, nor what was filtered. To be opened within "
			"%s and answered within %s working days. Answered: something that refers "
			"to it went out, or it was marked as answered. Median: working hours from "
			"arrival to answer. Share: of what is answered or overdue.",
			"Thư của người ngoài tỉnh gửi hộp thư cơ quan và hộp thư chức danh; không "
			"tính thư tự động, thư danh sách và thư rác. Phải mở trong %s, trả lời "
			"trong %s ngày làm việc. Đã trả lời: có thư trả lời gửi đi hoặc thư được "
			"đánh dấu đã trả lời. Trung vị: số giờ làm việc từ khi đến tới khi trả lời. "
			"Tỷ lệ tính trên số thư đã trả lời hoặc đã quá hạn."),
		admin_report_number((int64_t)o->acknowledge_days),
		admin_report_number((int64_t)o->answer_days));
	json_decref(b.late);
	free(waits.list);
}

json_t *
admin_response_ask(struct admin_report *r, int *exit_out)
{
	json_t *request = admin_request("report.response");

	json_object_set_new(request, "from", json_integer(cv_calendar_midnight(r->period.from)));
	json_object_set_new(request, "to", json_integer(cv_calendar_midnight(r->period.to + 1)));
	admin_set(request, "agency", r->agency);
	return admin_ask(r->call, ADMIN_STORE, request, exit_out);
}

static int
run_response(struct admin_call *call)
{
	struct admin_report r;
	json_t *reply = NULL;
	int exit_code;

	if (admin_report_open(call, &r, &exit_code))
		reply = admin_response_ask(&r, &exit_code);
	if (reply) {
		admin_report_begin(&r, "Answers to mail from citizens and businesses",
			"Tình hình trả lời thư của người dân và doanh nghiệp");
		put_document(&r, json_object_get(reply, "boxes"));
		exit_code = admin_report_finish(&r);
	}
	json_decref(reply);
	admin_report_close(&r);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = { ADMIN_REPORT_OPTIONS, { 0 } };
/* clang-format on */

const struct admin_command admin_report_response = {
	.noun = "report",
	.verb = "response",
	.words = "",
	.help = "how soon agency boxes open and answer mail from outside; what is overdue",
	.help_vi = "thời gian mở và trả lời thư của người dân; thư quá hạn",
	.options = options,
	.examples = "  congvu report response --period 2026-Q3\n"
		    "  congvu report response --agency stp --format xlsx --output tra-loi.xlsx",
	.run = run_response,
};
