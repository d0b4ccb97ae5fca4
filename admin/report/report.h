/* report.h - what the reports of `congvu report` share: the period, the calendar, the agencies, and
 * how a filled document is handed out.
 *
 * Reports hold counts only: no subjects, no correspondents (REP-02). The same data gives the same
 * octets; the only dates in a report are those of its period and of its data (REP-03).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_REPORT_H
#define ADMIN_REPORT_H

#include "admin/admin.h"
#include "admin/office/office.h"
#include "common/text/calendar.h"

/* Days since 1970 in Vietnam, both ends included. */
struct admin_period {
	int64_t from, to;
	char text[64];  /* "tháng 10/2026": for titles, in the language of the report */
	char word[32];  /* as given */
	bool is_cumulative;
};
/* Reads "2026-10", "2026-Q3", "2026", "3m", "6m", "9m", "12m", "2026-10-01..2026-10-31" or, for
 * NULL, the last month that is over on TODAY. A year's first six months are "6m" of that year:
 * "2026-6m". CUMULATIVE: from 1 January of the year of its last day. False: WORD is no period. */
bool admin_period_read(const char *word, bool cumulative, int64_t today, bool vietnamese,
	struct admin_period *out);

struct admin_report_agency {
	const char *code, *name, *parent, *type, *cluster; /* in the reply */
	int64_t staff; /* as told; 0: not told */
	uint32_t rank;
	bool is_chosen; /* that of --agency or below it */
};

struct admin_report {
	struct admin_call *call;
	enum admin_format format;
	const char *output; /* --output, or NULL */
	const char *agency; /* --agency, or NULL */
	bool vietnamese;
	int64_t today; /* of the data */
	struct admin_period period;
	struct cv_calendar *calendar;
	json_t *agencies_reply;
	struct admin_report_agency *agencies; /* by rank, then code */
	size_t agency_count;
	struct admin_doc *doc;
	char title[300], subtitle[400];
};

/* Reads options, configuration and agencies. On failure it is said and *exit_out is set. R is freed
 * by admin_report_close() either way. */
bool admin_report_open(struct admin_call *call, struct admin_report *r, int *exit_out);
void admin_report_close(struct admin_report *r);
/* Makes r->doc; the subtitle tells period, agency and the day of the data. */
void admin_report_begin(struct admin_report *r, const char *en, const char *vi);
/* Writes the document to --output or standard output, and frees it. */
int admin_report_finish(struct admin_report *r);
/* The working days of the period up to today, as days since 1970. */
json_t *admin_report_workdays(const struct admin_report *r, int64_t from, int64_t to);
/* The agency of CODE; NULL when there is none. */
const struct admin_report_agency *admin_report_agency_of(
	const struct admin_report *r, const char *code);
/* By language of the report. */
const char *admin_report_say(const struct admin_report *r, const char *en, const char *vi);
/* The head of an official document that the configuration and --agency give. */
void admin_report_head(struct admin_report *r, const char *symbol);
/* N as text, for sentences: "12.077". Four calls may be in one sentence. */
const char *admin_report_number(int64_t n);
const char *admin_report_share(int64_t n, int64_t of);
const char *admin_report_day(int64_t days);

/* ---- facts that several reports need ---- */

struct admin_use { /* of one agency, or of all */
	int64_t staff, accounts, regular, sent, received, opened;
};
struct admin_use_facts {
	json_t *reply;             /* accounts */
	struct admin_use *by_agency; /* as r->agencies */
	struct admin_use total;
	int64_t workdays, needed;  /* days that make a regular user */
	int64_t homeless;          /* people of no agency that there is */
};
bool admin_report_use(struct admin_report *r, struct admin_use_facts *out, int *exit_out);
void admin_use_facts_free(struct admin_use_facts *f);
/* The table and the chart of use by agency. */
void admin_report_put_use(struct admin_report *r, const struct admin_use_facts *f);
/* How many of the times at which agency boxes were to be opened were kept (checks.c). */
bool admin_report_kept_times(
	struct admin_report *r, int64_t *kept_out, int64_t *due_out, int *exit_out);

/* The options that every report has. */
#define ADMIN_REPORT_OPTIONS \
	{ "period", "WHEN", "2026-10, 2026-Q3, 2026, 2026-6m, 6m, 9m, 12m or FROM..TO; the last whole month", \
		"2026-10, 2026-Q3, 2026, 2026-6m, 6m, 9m, 12m hoặc TỪ..ĐẾN; mặc định tháng liền trước" }, \
	{ "cumulative", NULL, "from the first day of the year on", "lũy kế từ đầu năm" }, \
	{ "agency", "CODE", "this agency and those below it", "đơn vị này và các đơn vị trực thuộc" }, \
	{ "format", "FORMAT", "table, html, csv, xlsx, odt or json", "table, html, csv, xlsx, odt hoặc json" }, \
	{ "output", "FILE", "write there", "ghi vào tệp" }

#endif
