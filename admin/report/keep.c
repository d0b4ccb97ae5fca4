/* keep.c - `congvu report keep`: the month's reports into a folder, for who reads them later. What
 * the job `reports` runs on the first of each month. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/cli.h"
#include "admin/commands.h"
#include "admin/files.h"
#include "admin/report/report.h"
#include "common/base/clock.h"

/* Each as a page to read and as a sheet to reckon with. */
static const char *const reports[] = {
	"usage", "response", "checks", "score", "policy", "spam", "capacity"};
static const char *const formats[] = {"html", "xlsx"};

/* "2026-10": the month asked for, or the last one that is over. */
static bool
choose_month(struct admin_call *call, char out[16])
{
	const char *word = admin_option(call, "period");
	struct admin_period period;
	int64_t today = cv_calendar_day(cv_wall_secs());

	if (!admin_period_read(word, false, today, call->vietnamese, &period))
		return false;
	time_t first = (time_t)(period.from * 86400);
	struct tm tm;
	gmtime_r(&first, &tm);
	strftime(out, 16, "%Y-%m", &tm);
	return !word || !strcmp(word, out);
}

/* Runs `congvu report KIND` as it would be typed; its exit code. */
static int
make_one(struct admin_call *call, const char *kind, const char *month, const char *format,
	const char *dir)
{
	char path[1400];
	const char *words[] = {"congvu", "--conf", call->conf_path, "--lang",
		call->vietnamese ? "vi" : "en", "report", kind, "--period", month, "--format",
		format, "--output", path};

	snprintf(path, sizeof path, "%s/%s.%s", dir, kind, format);
	return admin_cli((int)CV_COUNT(words), (char **)(uintptr_t)words);
}

/* All of them into DIR; the worst exit code. */
static int
make_all(struct admin_call *call, const char *month, const char *dir, json_t *files)
{
	struct cv_err err = {0};
	int worst = EXIT_OK;

	if (admin_folder_make(dir, 0750, ADMIN_OWNER_SELF, &err) != CV_OK)
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	for (size_t i = 0; i < CV_COUNT(reports); i++)
		for (size_t f = 0; f < CV_COUNT(formats); f++) {
			int exit_code = make_one(call, reports[i], month, formats[f], dir);
			worst = CV_MAX(worst, exit_code);
			if (exit_code == EXIT_OK)
				json_array_append_new(files,
					json_sprintf("%s/%s.%s", dir, reports[i], formats[f]));
		}
	return worst;
}

static int
run_keep(struct admin_call *call)
{
	char month[16], dir[1200];
	struct cv_err err = {0};
	bool switched = false;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	const struct admin_options *o = cv_conf_get(call->conf, &admin_section);
	const char *to = admin_option(call, "output");
	if (!choose_month(call, month))
		return admin_error(call, EXIT_USAGE, "--period is a month such as 2026-10",
			"--period là một tháng, ví dụ 2026-10");
	snprintf(dir, sizeof dir, "%.1000s/%s", to ? to : o->reports_dir, month);
	/* The folder is the job's, which is not root. */
	if (!to && admin_act_as(admin_main_options(call)->user, &switched, &err) != CV_OK)
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	json_t *files = json_array();
	int worst = make_all(call, month, dir, files);
	if (switched)
		admin_act_as_self();
	json_t *reply = json_pack("{s:b, s:s, s:s, s:o}", "ok", worst == EXIT_OK, "period", month,
		"dir", dir, "files", files);
	if (!admin_json(call, reply))
		printf(admin_say(call, "%zu files in %s\n", "%zu tệp trong %s\n"),
			json_array_size(files), dir);
	json_decref(reply);
	return worst;
}

/* clang-format off */
static const struct admin_option keep_options[] = {
	{ "period", "MONTH", "2026-10; the last whole month unless told", "2026-10; mặc định tháng liền trước" },
	{ "output", "DIR", "instead of reports_dir; a folder a month is made there",
		"thay cho reports_dir; mỗi tháng một thư mục con" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_report_keep = {
	.noun = "report",
	.verb = "keep",
	.words = "",
	.help = "write all reports of a month into a folder, as HTML and XLSX",
	.help_vi = "ghi mọi báo cáo của một tháng vào thư mục, dạng HTML và XLSX",
	.options = keep_options,
	.examples =
		"  congvu report keep\n  congvu report keep --period 2026-10 --output /srv/bao-cao",
	.run = run_keep,
};
