/* import_use.c - `congvu report import-use`: counters brought along from an older system. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/commands.h"
#include "admin/csv.h"
#include "admin/files.h"
#include "admin/report/report.h"

#define FILE_MAX    (64u << 20)
#define ROWS_AT_ONCE 20000

/* clang-format off */
enum column { C_WHO, C_WHEN, C_DAYS, C_SENT, C_RECEIVED, C_OPENED, C_COUNT };
static const struct { enum column column; const char *title; } titles[] = {
	{ C_WHO, "address" }, { C_WHO, "staff_id" }, { C_WHO, "thư điện tử" }, { C_WHO, "mã cán bộ" },
	{ C_WHEN, "when" }, { C_WHEN, "day" }, { C_WHEN, "month" }, { C_WHEN, "ngày" }, { C_WHEN, "tháng" },
	{ C_DAYS, "days" }, { C_DAYS, "số ngày dùng" },
	{ C_SENT, "sent" }, { C_SENT, "thư gửi" },
	{ C_RECEIVED, "received" }, { C_RECEIVED, "thư nhận" },
	{ C_OPENED, "opened" }, { C_OPENED, "số lần mở" },
};
/* clang-format on */

struct reading {
	struct admin_csv csv;
	struct cv_arena arena;
	int at[C_COUNT]; /* index of the column; -1: there is none */
	unsigned faults;
	unsigned first_fault; /* its line */
};

static enum cv_status
read_header(struct reading *g, struct cv_err *err)
{
	struct cv_str fields[ADMIN_CSV_COLUMNS_MAX];
	size_t n = 0;
	enum cv_status status = admin_csv_next(&g->csv, &g->arena, fields, &n, err);

	if (status)
		return status == CV_EOF ? cv_fail(err, CV_INVALID, "the list is empty") : status;
	for (size_t c = 0; c < C_COUNT; c++)
		g->at[c] = -1;
	for (size_t i = 0; i < n; i++)
		for (size_t t = 0; t < CV_COUNT(titles); t++)
			if (cv_str_ieq_z(cv_str_trim(fields[i]), titles[t].title) ||
				cv_str_eq_z(cv_str_trim(fields[i]), titles[t].title))
				g->at[titles[t].column] = (int)i;
	if (g->at[C_WHO] < 0 || g->at[C_WHEN] < 0)
		return cv_fail(err, CV_INVALID,
			"the list needs the columns address (or staff_id) and month (2026-10) or "
			"day (2026-10-01); days, sent, received and opened may follow");
	return CV_OK;
}

static bool
number(const struct reading *g, enum column column, const struct cv_str *fields, size_t n,
	uint64_t *out)
{
	*out = 0;
	if (g->at[column] < 0 || (size_t)g->at[column] >= n)
		return true;
	struct cv_str text = cv_str_trim(fields[g->at[column]]);
	return !text.n || !cv_str_u64(text, 1000000000, out);
}

/* One row as the register takes it, or NULL when it is none. */
static json_t *
read_row(const struct reading *g, const struct cv_str *fields, size_t n)
{
	struct admin_period p;
	uint64_t days, sent, received, opened;
	char when[32];

	if ((size_t)g->at[C_WHO] >= n || (size_t)g->at[C_WHEN] >= n)
		return NULL;
	struct cv_str who = cv_str_trim(fields[g->at[C_WHO]]);
	struct cv_str text = cv_str_trim(fields[g->at[C_WHEN]]);
	if (!who.n || who.n > 320 || text.n > 10)
		return NULL;
	snprintf(when, sizeof when, text.n == 10 ? "%.*s..%.*s" : "%.*s", CV_STR_ARGS(text),
		CV_STR_ARGS(text));
	if (!admin_period_read(when, false, 0, false, &p) || text.n < 7 ||
		!number(g, C_DAYS, fields, n, &days) || !number(g, C_SENT, fields, n, &sent) ||
		!number(g, C_RECEIVED, fields, n, &received) ||
		!number(g, C_OPENED, fields, n, &opened))
		return NULL;
	uint64_t length = (uint64_t)(p.to - p.from + 1);
	if (length == 1 && g->at[C_DAYS] < 0)
		days = sent || opened;
	if (days > length)
		return NULL;
	return json_pack("[s%, I, I, I, I, I, I]", who.p, who.n, (json_int_t)p.from,
		(json_int_t)length, (json_int_t)days, (json_int_t)sent, (json_int_t)received,
		(json_int_t)opened);
}

/* Sends ROWS (taken over); adds what the answer counts to TOTAL. */
static bool
send_rows(struct admin_call *call, json_t *rows, json_int_t *taken, json_int_t *unknown,
	json_t *faults, int *exit_out)
{
	json_t *request = admin_request("use.import");

	json_object_set_new(request, "rows", rows);
	if (admin_option(call, "dry-run"))
		json_object_set_new(request, "dry_run", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, exit_out);
	if (!reply)
		return false;
	*taken += admin_number(reply, "rows");
	*unknown += admin_number(reply, "unknown");
	json_array_extend(faults, json_object_get(reply, "faults"));
	json_decref(reply);
	return true;
}

static int
send_list(struct admin_call *call, struct reading *g)
{
	struct cv_str fields[ADMIN_CSV_COLUMNS_MAX];
	json_t *rows = json_array(), *faults = json_array();
	json_int_t taken = 0, unknown = 0;
	struct cv_err err = {0};
	int exit_code = EXIT_OK;
	size_t n;
	bool good = true;
	enum cv_status status = read_header(g, &err);

	while (!status && good) {
		status = admin_csv_next(&g->csv, &g->arena, fields, &n, &err);
		json_t *row = status ? NULL : read_row(g, fields, n);
		if (row)
			json_array_append_new(rows, row);
		else if (!status && !g->faults++)
			g->first_fault = g->csv.line;
		if (json_array_size(rows) >= (status ? 1 : ROWS_AT_ONCE)) {
			good = send_rows(call, rows, &taken, &unknown, faults, &exit_code);
			rows = json_array();
			cv_arena_reset(&g->arena);
		}
	}
	if (good && status != CV_EOF)
		exit_code = admin_error(call, EXIT_FAILED, err.text, err.text);
	else if (good) {
		json_t *reply = json_pack("{s:b, s:I, s:I, s:I, s:I, s:O}", "ok", 1, "rows", taken,
			"unknown", unknown, "faulty", (json_int_t)g->faults, "first_faulty_line",
			(json_int_t)g->first_fault, "faults", faults);
		if (!admin_json(call, reply)) {
			printf(admin_say(call, "%lld rows taken, %lld of unknown people, %u faulty",
				       "Đã nhận %lld dòng, %lld dòng không rõ người, %u dòng lỗi"),
				(long long)taken, (long long)unknown, g->faults);
			if (g->faults)
				printf(admin_say(call, " (the first: line %u)",
					       " (đầu tiên: dòng %u)"),
					g->first_fault);
			putchar('\n');
		}
		json_decref(reply);
		exit_code = unknown || g->faults ? EXIT_PARTLY : EXIT_OK;
	}
	json_decref(rows);
	json_decref(faults);
	return exit_code;
}

static int
run_import(struct admin_call *call)
{
	struct cv_str text;
	struct cv_err err = {0};
	struct reading g = {.arena = CV_ARENA_INIT};

	if (admin_file_read(call->words[0], FILE_MAX, &text, &err))
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	admin_csv_init(&g.csv, text);
	int exit_code = send_list(call, &g);
	cv_arena_done(&g.arena);
	free((char *)(uintptr_t)text.p);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "dry-run", NULL, "only tell what would be taken", "chỉ cho biết kết quả, không ghi" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_report_import_use = {
	.noun = "report",
	.verb = "import-use",
	.words = "FILE.csv",
	.words_min = 1,
	.words_max = 1,
	.help = "bring use along that an older system counted, by address and month or day",
	.help_vi = "đưa vào số liệu sử dụng của hệ thống cũ, theo địa chỉ và tháng hoặc ngày",
	.options = options,
	.examples = "  congvu report import-use su-dung-2026.csv\n"
		    "  (columns: address or staff_id; month 2026-10 or day 2026-10-01; days of use;\n"
		    "  sent; received; opened)",
	.run = run_import,
};
