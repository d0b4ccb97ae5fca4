/* events.c - `congvu report policy|spam`: what the filter counted, by agency and month (POL-01,
 * POL-02, POL-08, SPM-09). Needs the running filter, which owns its statistics. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/commands.h"
#include "admin/report/events.h"
#include "common/text/date.h"

static void
set_days(const struct admin_report *r, json_t *request)
{
	static const char *const keys[] = {"from", "to"};
	int64_t days[] = {r->period.from, r->period.to};

	for (size_t i = 0; i < 2; i++) {
		struct cv_buf text = CV_BUF_INIT(40);
		cv_date_write_iso_day(&text, cv_date_at(days[i] * 86400, 0));
		admin_set(request, keys[i], text.p);
		cv_buf_done(&text);
	}
	admin_set(request, "agency", NULL);
}

/* Days since 1970 of "2026-11-23". */
static int64_t
day_of(const json_t *row)
{
	struct cv_date date;

	return cv_date_parse_iso(cv_str_z(admin_str(row, "day")), CV_ZONE_VIETNAM, &date)
		       ? 0
		       : cv_date_local_days(date);
}

/* ---- facts ---- */

static void
count_events(struct admin_report *r, const json_t *events, bool own, struct admin_events *e)
{
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)events, i, one)
	{
		const struct admin_report_agency *g =
			admin_report_agency_of(r, admin_str(one, "agency"));
		json_int_t n = admin_number(one, "count");
		if (r->agency && (!g || !g->is_chosen))
			continue;
		struct admin_event_sums *to[] = {g ? &e->by_agency[g - r->agencies] : NULL,
			&e->total};
		for (size_t k = 0; k < CV_COUNT(to); k++)
			if (to[k])
				*(own ? &to[k]->free_mail : &to[k]->signups) += n;
	}
}

static void
count_mail(struct admin_report *r, const json_t *rows, struct admin_events *e)
{
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)rows, i, one)
	{
		const struct admin_report_agency *g =
			admin_report_agency_of(r, admin_str(one, "agency"));
		const json_t *actions = json_object_get(one, "actions");
		bool is_out = !strcmp(admin_str(one, "direction"), "out");
		json_int_t stopped = admin_number(actions, "junk") +
				     admin_number(actions, "quarantine") +
				     admin_number(actions, "refuse");
		if (r->agency && (!g || !g->is_chosen))
			continue;
		struct admin_event_sums *to[] = {g ? &e->by_agency[g - r->agencies] : NULL,
			&e->total};
		for (size_t k = 0; k < CV_COUNT(to); k++) {
			if (!to[k])
				continue;
			to[k]->secrecy +=
				admin_number(json_object_get(one, "rules"), "secrecy-mark");
			*(is_out ? &to[k]->out : &to[k]->in) += admin_number(one, "messages");
			if (is_out)
				continue;
			to[k]->stopped += stopped;
			to[k]->junk += admin_number(actions, "junk");
			to[k]->quarantined += admin_number(actions, "quarantine");
			to[k]->refused += admin_number(actions, "refuse");
			to[k]->marked += admin_number(actions, "mark");
		}
	}
}

static json_t *
ask(struct admin_report *r, const char *what, bool own, struct cv_err *err)
{
	json_t *request = admin_request(what);

	set_days(r, request);
	if (own)
		json_object_set_new(request, "own_free_mail", json_true());
	return admin_try(r->call, ADMIN_SPAMFILTER, request, err);
}

bool
admin_report_events(struct admin_report *r, struct admin_events *e, struct cv_err *err)
{
	*e = (struct admin_events){0};
	e->by_agency = cv_calloc(r->agency_count + 1, sizeof *e->by_agency);
	e->signups = ask(r, "signup.list", false, err);
	e->free_mail = e->signups ? ask(r, "signup.list", true, err) : NULL;
	e->mail = e->free_mail ? ask(r, "spam.stats", false, err) : NULL;
	if (!e->mail)
		return false;
	count_events(r, json_object_get(e->signups, "events"), false, e);
	count_events(r, json_object_get(e->free_mail, "events"), true, e);
	count_mail(r, json_object_get(e->mail, "rows"), e);
	return true;
}

void
admin_events_free(struct admin_events *e)
{
	json_decref(e->signups);
	json_decref(e->free_mail);
	json_decref(e->mail);
	free(e->by_agency);
}

/* ---- months ---- */

#define MONTHS_MAX 60

struct month {
	int64_t first, second, third;
};
struct months {
	struct month list[MONTHS_MAX];
	int first; /* months since year 0 */
	size_t count;
};

static void
begin_months(const struct admin_report *r, struct months *m)
{
	struct cv_civil from, to;

	cv_civil_from_days(r->period.from, &from);
	cv_civil_from_days(r->period.to, &to);
	*m = (struct months){.first = from.year * 12 + from.month - 1};
	m->count = (size_t)CV_MIN(
		(to.year - from.year) * 12 + to.month - from.month + 1, MONTHS_MAX);
}

static struct month *
month_at(struct months *m, int64_t day)
{
	struct cv_civil c;

	cv_civil_from_days(day, &c);
	int at = c.year * 12 + c.month - 1 - m->first;
	return at >= 0 && (size_t)at < m->count ? &m->list[at] : NULL;
}

static struct cv_str
month_name(const struct months *m, size_t i, char room[16])
{
	int month = m->first + (int)i;

	snprintf(room, 16, "%02d/%d", month % 12 + 1, month / 12);
	return cv_str_z(room);
}

static void
put_months(struct admin_report *r, const struct months *m, const char *caption,
	const struct admin_doc_column *columns, const char *title)
{
	struct admin_doc_table *t = admin_doc_table(r->doc, "months", caption, columns, 4);
	const struct admin_chart chart = {ADMIN_CHART_LINES, title, 0, {1, 2, 3}, 3};
	char room[16];

	for (size_t i = 0; i < m->count; i++) {
		const struct admin_value cells[] = {admin_text(month_name(m, i, room)),
			admin_count(m->list[i].first), admin_count(m->list[i].second),
			admin_count(m->list[i].third)};
		admin_doc_row(r->doc, t, cells, false);
	}
	if (m->count > 1)
		admin_doc_chart(r->doc, t, &chart);
}

/* ---- policy ---- */

static void
put_policy(struct admin_report *r, const struct admin_events *e)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "code",    admin_report_say(r, "Code", "Mã"), 12, ADMIN_TEXT },
		{ "agency",  admin_report_say(r, "Agency", "Cơ quan, đơn vị"), 44, ADMIN_TEXT },
		{ "signups", admin_report_say(r, "Sign-ups", "Đăng ký dịch vụ ngoài"), 0, ADMIN_COUNT },
		{ "free_mail", admin_report_say(r, "To own free mail", "Gửi về thư miễn phí"), 0, ADMIN_COUNT },
		{ "secrecy", admin_report_say(r, "Secrecy marks", "Dấu mật"), 0, ADMIN_COUNT },
	};
	const struct admin_doc_column by_month[] = {
		{ "month",   admin_report_say(r, "Month", "Tháng"), 10, ADMIN_TEXT },
		columns[2], columns[3], columns[4],
	};
	/* clang-format on */
	struct admin_doc_table *t = admin_doc_table(r->doc, "agencies",
		admin_report_say(r, "By agency", "Theo cơ quan, đơn vị"), columns,
		CV_COUNT(columns));
	struct months m;
	json_t *one;
	size_t i;

	for (i = 0; i <= r->agency_count; i++) {
		bool sum = i == r->agency_count;
		const struct admin_event_sums *s = sum ? &e->total : &e->by_agency[i];
		if (!sum && !(s->signups + s->free_mail + s->secrecy))
			continue;
		const struct admin_value cells[] = {
			admin_text_z(sum ? "" : r->agencies[i].code),
			admin_text_z(sum ? admin_report_say(r, "In all", "Tổng cộng")
					 : r->agencies[i].name),
			admin_count(s->signups), admin_count(s->free_mail),
			admin_count(s->secrecy)};
		admin_doc_row(r->doc, t, cells, sum);
	}
	begin_months(r, &m);
	json_array_foreach(json_object_get(e->signups, "events"), i, one)
	{
		struct month *at = month_at(&m, day_of(one));
		if (at)
			at->first += admin_number(one, "count");
	}
	json_array_foreach(json_object_get(e->free_mail, "events"), i, one)
	{
		struct month *at = month_at(&m, day_of(one));
		if (at)
			at->second += admin_number(one, "count");
	}
	json_array_foreach(json_object_get(e->mail, "rows"), i, one)
	{
		struct month *at = month_at(&m, day_of(one));
		if (at)
			at->third += admin_number(json_object_get(one, "rules"), "secrecy-mark");
	}
	if (!r->agency)
		put_months(r, &m, admin_report_say(r, "By month", "Theo tháng"), by_month,
			admin_report_say(r, "Events by month", "Số sự kiện theo tháng"));
	admin_doc_note(r->doc, "%s",
		admin_report_say(r,
			"Sign-ups: official addresses given to public services. To own free mail: "
			"work mail that staff sent to free mailboxes of their own. Secrecy marks: "
			"mail with marks of state secrets that the filter met. Counts only.",
			"Đăng ký dịch vụ ngoài: dùng địa chỉ công vụ để đăng ký dịch vụ công cộng. "
			"Gửi về thư miễn phí: cán bộ gửi thư công việc về hộp thư miễn phí của "
			"mình. Dấu mật: thư mang dấu mật mà bộ lọc gặp. Chỉ thống kê số lượng."));
}

/* ---- spam ---- */

static void
put_spam(struct admin_report *r, const struct admin_events *e)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "code",     admin_report_say(r, "Code", "Mã"), 12, ADMIN_TEXT },
		{ "agency",   admin_report_say(r, "Agency", "Cơ quan, đơn vị"), 44, ADMIN_TEXT },
		{ "in",       admin_report_say(r, "In", "Thư đến"), 0, ADMIN_COUNT },
		{ "marked",   admin_report_say(r, "Marked", "Đánh dấu"), 0, ADMIN_COUNT },
		{ "junk",     admin_report_say(r, "Junk", "Thư rác"), 0, ADMIN_COUNT },
		{ "quarantined", admin_report_say(r, "Quarantine", "Cách ly"), 0, ADMIN_COUNT },
		{ "refused",  admin_report_say(r, "Refused", "Từ chối"), 0, ADMIN_COUNT },
		{ "share",    admin_report_say(r, "Share stopped", "Tỷ lệ bị chặn"), 0, ADMIN_SHARE },
		{ "out",      admin_report_say(r, "Out", "Thư đi"), 0, ADMIN_COUNT },
	};
	const struct admin_doc_column by_month[] = {
		{ "month",   admin_report_say(r, "Month", "Tháng"), 10, ADMIN_TEXT },
		{ "in",      admin_report_say(r, "In", "Thư đến"), 0, ADMIN_COUNT },
		{ "stopped", admin_report_say(r, "Stopped", "Bị chặn"), 0, ADMIN_COUNT },
		{ "out",     admin_report_say(r, "Out", "Thư đi"), 0, ADMIN_COUNT },
	};
	/* clang-format on */
	struct admin_doc_table *t = admin_doc_table(r->doc, "agencies",
		admin_report_say(r, "By agency", "Theo cơ quan, đơn vị"), columns,
		CV_COUNT(columns));
	struct months m;
	json_t *one;
	size_t i;

	for (i = 0; i <= r->agency_count; i++) {
		bool sum = i == r->agency_count;
		const struct admin_event_sums *s = sum ? &e->total : &e->by_agency[i];
		if (!sum && !(s->in + s->out))
			continue;
		const struct admin_value cells[] = {
			admin_text_z(sum ? "" : r->agencies[i].code),
			admin_text_z(sum ? admin_report_say(r, "In all", "Tổng cộng")
					 : r->agencies[i].name),
			admin_count(s->in), admin_count(s->marked), admin_count(s->junk),
			admin_count(s->quarantined), admin_count(s->refused),
			admin_share(s->stopped, s->in), admin_count(s->out)};
		admin_doc_row(r->doc, t, cells, sum);
	}
	begin_months(r, &m);
	json_array_foreach(json_object_get(e->mail, "rows"), i, one)
	{
		struct month *at = month_at(&m, day_of(one));
		const json_t *actions = json_object_get(one, "actions");
		bool is_out = !strcmp(admin_str(one, "direction"), "out");
		if (!at)
			continue;
		*(is_out ? &at->third : &at->first) += admin_number(one, "messages");
		if (!is_out)
			at->second += admin_number(actions, "junk") +
				      admin_number(actions, "quarantine") +
				      admin_number(actions, "refuse");
	}
	if (!r->agency)
		put_months(r, &m, admin_report_say(r, "By month", "Theo tháng"), by_month,
			admin_report_say(r, "Messages by month", "Số thư theo tháng"));
	admin_doc_note(r->doc, "%s",
		admin_report_say(r,
			"Stopped: junk, quarantine and refused, of mail that came in. Messages to "
			"several agencies count in each.",
			"Bị chặn: thư rác, cách ly và từ chối trên số thư đến. Thư gửi nhiều đơn "
			"vị được tính ở từng đơn vị."));
}

static int
run(struct admin_call *call, void (*put)(struct admin_report *r, const struct admin_events *e),
	const char *en, const char *vi)
{
	struct admin_report r;
	struct admin_events e = {0};
	struct cv_err err = {0};
	int exit_code;

	if (admin_report_open(call, &r, &exit_code)) {
		if (admin_report_events(&r, &e, &err)) {
			admin_report_begin(&r, en, vi);
			put(&r, &e);
			exit_code = admin_report_finish(&r);
		} else {
			exit_code = admin_error(call, EXIT_DOWN, err.text, err.text);
		}
	}
	admin_events_free(&e);
	admin_report_close(&r);
	return exit_code;
}

static int
run_policy(struct admin_call *call)
{
	return run(call, put_policy, "Events of the policy for official addresses",
		"Tình hình thực hiện quy chế sử dụng địa chỉ công vụ");
}

static int
run_spam(struct admin_call *call)
{
	return run(call, put_spam, "What the filter did with mail",
		"Kết quả lọc thư rác, thư lừa đảo");
}

/* clang-format off */
static const struct admin_option options[] = { ADMIN_REPORT_OPTIONS, { 0 } };
/* clang-format on */

const struct admin_command admin_report_policy = {
	.noun = "report",
	.verb = "policy",
	.words = "",
	.help = "sign-ups, work mail to free mail and secrecy marks, by agency and month",
	.help_vi = "đăng ký dịch vụ ngoài, thư công việc gửi thư miễn phí, dấu mật",
	.options = options,
	.examples = "  congvu report policy --period 2026-Q3 --format html --output quy-che.html",
	.run = run_policy,
};
const struct admin_command admin_report_spam = {
	.noun = "report",
	.verb = "spam",
	.words = "",
	.help = "what the filter did with mail, by agency and month",
	.help_vi = "kết quả lọc thư theo đơn vị và tháng",
	.options = options,
	.examples = "  congvu report spam --period 2026-10 --format csv --output thu-rac-2026-10.csv",
	.run = run_spam,
};
