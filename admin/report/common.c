/* common.c - options, calendar and agencies of a report; handing it out. See report.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/files.h"
#include "admin/report/report.h"
#include "common/base/clock.h"
#include "common/config/calendar.h"
#include "common/text/date.h"

#define REPORT_MAX (256u << 20)

const char *
admin_report_say(const struct admin_report *r, const char *en, const char *vi)
{
	return r->vietnamese ? vi : en;
}

static const char *
keep_text(struct cv_buf *text)
{
	static char kept[8][40];
	static unsigned turn;
	char *to = kept[turn++ % CV_COUNT(kept)];

	snprintf(to, sizeof kept[0], "%s", text->n ? text->p : "");
	cv_buf_done(text);
	return to;
}

const char *
admin_report_number(int64_t n)
{
	struct cv_buf text = CV_BUF_INIT(40);

	admin_value_put(&text, admin_count(n));
	return keep_text(&text);
}

const char *
admin_report_share(int64_t n, int64_t of)
{
	struct cv_buf text = CV_BUF_INIT(40);

	admin_value_put(&text, of > 0 ? admin_share(n, of) : admin_text_z("–"));
	return keep_text(&text);
}

const char *
admin_report_day(int64_t days)
{
	struct cv_buf text = CV_BUF_INIT(40);

	admin_value_put(&text, admin_on_day(days));
	return keep_text(&text);
}

/* ---- options ---- */

static bool
read_format(struct admin_report *r)
{
	const char *word = admin_option(r->call, "format");

	r->format = r->call->json ? ADMIN_FORMAT_JSON : ADMIN_FORMAT_TABLE;
	if (!word || admin_format_of(word, &r->format))
		return true;
	admin_error(r->call, EXIT_USAGE, "--format is table, html, csv, xlsx, odt or json",
		"--format là table, html, csv, xlsx, odt hoặc json");
	return false;
}

static bool
read_period(struct admin_report *r)
{
	bool cumulative = admin_option(r->call, "cumulative") != NULL;

	if (admin_period_read(admin_option(r->call, "period"), cumulative, r->today,
		    r->vietnamese, &r->period))
		return true;
	admin_error(r->call, EXIT_USAGE,
		"--period is written like 2026-10, 2026-Q3, 2026, 2026-6m, 6m or "
		"2026-10-01..2026-10-31",
		"--period viết như 2026-10, 2026-Q3, 2026, 2026-6m, 6m hoặc "
		"2026-10-01..2026-10-31");
	return false;
}

/* ---- agencies ---- */

const struct admin_report_agency *
admin_report_agency_of(const struct admin_report *r, const char *code)
{
	for (size_t i = 0; i < r->agency_count; i++)
		if (!strcmp(r->agencies[i].code, code))
			return &r->agencies[i];
	return NULL;
}

/* Marks what --agency names and all below it. */
static bool
choose_agencies(struct admin_report *r)
{
	bool found = !r->agency;

	for (size_t i = 0; i < r->agency_count; i++) {
		const struct admin_report_agency *g = &r->agencies[i];
		r->agencies[i].is_chosen = !r->agency;
		for (unsigned depth = 0; r->agency && g && depth < 20; depth++) {
			if (!strcmp(g->code, r->agency))
				r->agencies[i].is_chosen = found = true;
			g = *g->parent ? admin_report_agency_of(r, g->parent) : NULL;
		}
	}
	return found;
}

static bool
read_agencies(struct admin_report *r, int *exit_out)
{
	size_t i;
	json_t *one;

	r->agencies_reply = admin_ask(r->call, ADMIN_STORE, admin_request("agency.list"), exit_out);
	if (!r->agencies_reply)
		return false;
	json_t *list = json_object_get(r->agencies_reply, "agencies");
	r->agencies = cv_calloc(json_array_size(list) + 1, sizeof *r->agencies);
	json_array_foreach(list, i, one)
	{
		r->agencies[r->agency_count++] = (struct admin_report_agency){
			.code = admin_str(one, "code"),
			.name = admin_str(one, "name"),
			.parent = admin_str(one, "parent"),
			.type = admin_str(one, "type"),
			.cluster = admin_str(one, "cluster"),
			.staff = admin_number(one, "staff"),
			.rank = (uint32_t)admin_number(one, "rank"),
		};
	}
	if (choose_agencies(r))
		return true;
	*exit_out = admin_error(r->call, EXIT_FAILED,
		"no such agency: `congvu agency list` shows them",
		"không có đơn vị này: `congvu agency list` liệt kê các đơn vị");
	return false;
}

/* ---- begin and end ---- */

bool
admin_report_open(struct admin_call *call, struct admin_report *r, int *exit_out)
{
	struct cv_err err = {0};

	*r = (struct admin_report){.call = call, .vietnamese = call->vietnamese};
	*exit_out = EXIT_USAGE;
	r->output = admin_option(call, "output");
	r->agency = admin_option(call, "agency");
	r->today = cv_calendar_day(cv_wall_secs());
	if (!read_format(r) || !read_period(r))
		return false;
	*exit_out = EXIT_CONFIG;
	if (!admin_conf(call))
		return false;
	const struct congvu_options *o = admin_main_options(call);
	/* The days of counters are those of the province. */
	setenv("TZ", o->time_zone, 1);
	tzset();
	if (cv_calendar_load(o->holidays_file, o->working_hours, &r->calendar, &err)) {
		admin_error(call, EXIT_CONFIG, err.text, err.text);
		if (!r->calendar)
			return false;
	}
	return read_agencies(r, exit_out);
}

void
admin_report_close(struct admin_report *r)
{
	admin_doc_free(r->doc);
	cv_calendar_free(r->calendar);
	free(r->agencies);
	json_decref(r->agencies_reply);
}

void
admin_report_begin(struct admin_report *r, const char *en, const char *vi)
{
	const char *province = admin_main_options(r->call)->province;
	const struct admin_report_agency *g =
		r->agency ? admin_report_agency_of(r, r->agency) : NULL;

	snprintf(r->title, sizeof r->title, "%s", admin_report_say(r, en, vi));
	snprintf(r->subtitle, sizeof r->subtitle,
		admin_report_say(r, "%s%s%s - %s%s (%s to %s); data of %s",
			"%s%s%s - %s%s (từ %s đến %s); số liệu ngày %s"),
		province, g ? " - " : "", g ? g->name : "", r->period.text,
		r->period.is_cumulative ? admin_report_say(r, ", cumulative", ", lũy kế") : "",
		admin_report_day(r->period.from), admin_report_day(r->period.to),
		admin_report_day(r->today));
	r->doc = admin_doc_new(r->vietnamese, r->today, r->title, r->subtitle);
}

static int
say_failure(struct admin_report *r, const struct cv_err *err)
{
	return admin_error(r->call, EXIT_FAILED, err->text, err->text);
}

static bool
put_out(struct cv_str bytes)
{
	return fwrite(bytes.p ? bytes.p : "", 1, bytes.n, stdout) == bytes.n && !fflush(stdout);
}

int
admin_report_finish(struct admin_report *r)
{
	struct cv_buf out = CV_BUF_INIT(REPORT_MAX);
	struct cv_err err = {0};
	int exit_code = EXIT_OK;
	bool is_binary = r->format == ADMIN_FORMAT_XLSX || r->format == ADMIN_FORMAT_ODT;

	if (is_binary && !r->output && isatty(STDOUT_FILENO))
		return admin_error(r->call, EXIT_USAGE, "this format needs --output FILE",
			"định dạng này cần --output TỆP");
	if (admin_doc_write(r->doc, r->format, &out, &err))
		exit_code = say_failure(r, &err);
	else if (r->output) {
		if (admin_file_replace(
			    r->output, 0644, cv_buf_view(&out), ADMIN_OWNER_SELF, &err))
			exit_code = say_failure(r, &err);
	} else if (!put_out(cv_buf_view(&out))) {
		exit_code = EXIT_FAILED;
	}
	cv_buf_done(&out);
	return exit_code;
}

json_t *
admin_report_workdays(const struct admin_report *r, int64_t from, int64_t to)
{
	json_t *list = json_array();

	for (int64_t day = from; day <= to; day++)
		if (cv_calendar_is_workday(r->calendar, day))
			json_array_append_new(list, json_integer(day));
	return list;
}

void
admin_report_head(struct admin_report *r, const char *symbol)
{
	const char *province = admin_main_options(r->call)->province;
	const struct admin_report_agency *g =
		r->agency ? admin_report_agency_of(r, r->agency) : NULL;
	const char *place = !strncmp(province, "Tỉnh ", strlen("Tỉnh "))
				    ? province + strlen("Tỉnh ")
				    : province;
	char body[280], number[40];

	snprintf(body, sizeof body, "Ủy ban nhân dân %s", province);
	snprintf(number, sizeof number, "BC-%s", symbol);
	struct admin_doc_head head = {
		.superior = g ? body : NULL,
		.agency = g ? g->name : body,
		.symbol = number,
		.place = place,
		.kind = "BÁO CÁO",
		.recipients = "- UBND tỉnh;\n- Các cơ quan, đơn vị liên quan;\n- Lưu: VT.",
		.signer = g ? "THỦ TRƯỞNG ĐƠN VỊ" : "TM. ỦY BAN NHÂN DÂN",
	};
	admin_doc_set_head(r->doc, &head);
}
