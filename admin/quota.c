/* quota.c - `congvu quota list|set|report`: how full boxes are, and may be (ACC-09). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "admin/commands.h"

/* "1.5G"; "-" for no limit. */
static json_t *
size_text(json_int_t bytes, bool is_limit)
{
	static const char *const units[] = {"B", "K", "M", "G", "T"};
	double n = (double)bytes;
	size_t u = 0;
	char text[32];

	if (!bytes && is_limit)
		return json_string("-");
	while (n >= 1024 && u + 1 < CV_COUNT(units)) {
		n /= 1024;
		u++;
	}
	snprintf(text, sizeof text, u && n < 10 ? "%.1f%s" : "%.0f%s", n, units[u]);
	return json_string(text);
}

static json_t *
percent_text(json_int_t percent)
{
	char text[32];

	snprintf(text, sizeof text, "%lld%%", (long long)percent);
	return json_string(text);
}

/* Reads a size into KEY of REQUEST; "0" and "none" are no limit. False after saying why not. */
static bool
take_size(struct admin_call *call, json_t *request, const char *key, const char *text)
{
	static const char suffixes[] = "KMGT";
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	const char *suffix = *end ? strchr(suffixes, *end & ~0x20) : NULL;
	unsigned shift = suffix ? 10 * (unsigned)(suffix - suffixes + 1) : 0;

	if (!strcmp(text, "none")) {
		json_object_set_new(request, key, json_integer(0));
		return true;
	}
	if (end == text || text[0] == '-' || (*end && (!suffix || end[1])) ||
		n > (1ull << 50) >> shift) {
		admin_error(call, EXIT_USAGE, "a size is written like 500M, 5G or none",
			"dung lượng viết như 500M, 5G hoặc none");
		return false;
	}
	json_object_set_new(request, key, json_integer((json_int_t)(n << shift)));
	return true;
}

static bool
take_number(struct admin_call *call, json_t *request, const char *name)
{
	const char *text = admin_option(call, name);

	if (text && (!text[0] || strlen(text) > 9 || text[strspn(text, "0123456789")])) {
		admin_error(call, EXIT_USAGE, "--over and --limit take a number",
			"--over và --limit nhận một số");
		return false;
	}
	if (text)
		json_object_set_new(request, name, json_integer(strtoll(text, NULL, 10)));
	return true;
}

static void
pass_filters(struct admin_call *call, json_t *request)
{
	if (call->word_count)
		admin_set(request, "address", call->words[0]);
	admin_set(request, "class", admin_option(call, "class"));
	admin_set(request, "agency", admin_option(call, "agency"));
}

/* ---- list ---- */

static json_t *
list_rows(const json_t *reply)
{
	json_t *rows = json_array(), *one;
	size_t i;

	json_array_foreach(json_object_get(reply, "accounts"), i, one)
	{
		const json_t *pool = json_object_get(one, "pool");
		json_t *row = json_copy(one);
		json_object_set_new(row, "used", size_text(admin_number(one, "used"), false));
		json_object_set_new(row, "limit", size_text(admin_number(one, "limit"), true));
		json_object_set_new(row, "percent", percent_text(admin_number(one, "percent")));
		json_object_set_new(row, "pool",
			pool ? percent_text(admin_number(pool, "percent")) : json_string("-"));
		json_array_append_new(rows, row);
	}
	return rows;
}

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "address",  "ADDRESS",  "ĐỊA CHỈ" },
		{ "class",    "CLASS",    "NHÓM" },
		{ "agency",   "AGENCY",   "ĐƠN VỊ" },
		{ "messages", "MESSAGES", "SỐ THƯ" },
		{ "used",     "USED",     "ĐÃ DÙNG" },
		{ "limit",    "QUOTA",    "HẠN MỨC" },
		{ "percent",  "FULL",     "ĐẦY" },
		{ "pool",     "POOL",     "CHUNG" },
	};
	/* clang-format on */
	json_t *request = admin_request("quota.list");
	int exit_code;

	pass_filters(call, request);
	if (!take_number(call, request, "over") || !take_number(call, request, "limit")) {
		json_decref(request);
		return EXIT_USAGE;
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *rows = list_rows(reply);
		admin_table(call, rows, columns, CV_COUNT(columns));
		if (admin_number(reply, "total") > (json_int_t)json_array_size(rows))
			printf(admin_say(call, "%lld in all: --limit N shows more\n",
				       "Tất cả %lld: dùng --limit N để xem thêm\n"),
				(long long)admin_number(reply, "total"));
		json_decref(rows);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- set ---- */

static int
run_set(struct admin_call *call)
{
	json_t *request = admin_request("quota.set");
	const char *quota = admin_option(call, "quota"), *pool = admin_option(call, "pool");
	int exit_code;

	pass_filters(call, request);
	if ((quota && !take_size(call, request, "quota", quota)) ||
		(pool && !take_size(call, request, "pool", pool))) {
		json_decref(request);
		return EXIT_USAGE;
	}
	if (admin_option(call, "default"))
		json_object_set_new(request, "default", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf(pool ? admin_say(call, "%lld pools changed\n", "Đã đổi %lld hạn mức chung\n")
			    : admin_say(call, "%lld accounts changed\n", "Đã đổi %lld tài khoản\n"),
			(long long)admin_number(reply, "changed"));
	json_decref(reply);
	return EXIT_OK;
}

/* ---- report ---- */

static void
add_report_row(json_t *rows, const json_t *one, const char *agency)
{
	const json_t *pool = json_object_get(one, "pool");
	json_t *row = json_copy((json_t *)(uintptr_t)one);

	json_object_set_new(row, "agency", json_string(agency));
	json_object_set_new(row, "used", size_text(admin_number(one, "used"), false));
	json_object_set_new(row, "limits", size_text(admin_number(one, "limits"), true));
	json_object_set_new(row, "pool",
		pool ? size_text(admin_number(pool, "limit"), true) : json_string("-"));
	json_object_set_new(row, "pool_full",
		pool ? percent_text(admin_number(pool, "percent")) : json_string("-"));
	json_array_append_new(rows, row);
}

static int
run_report(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "agency",    "AGENCY",   "ĐƠN VỊ" },
		{ "accounts",  "BOXES",    "SỐ HỘP THƯ" },
		{ "messages",  "MESSAGES", "SỐ THƯ" },
		{ "used",      "USED",     "ĐÃ DÙNG" },
		{ "limits",    "QUOTAS",   "TỔNG HẠN MỨC" },
		{ "over75",    "75%",      "TRÊN 75%" },
		{ "over90",    "90%",      "TRÊN 90%" },
		{ "full",      "FULL",     "ĐẦY" },
		{ "pool",      "POOL",     "HẠN MỨC CHUNG" },
		{ "pool_full", "POOL FULL", "CHUNG ĐẦY" },
	};
	/* clang-format on */
	json_t *request = admin_request("quota.report"), *one;
	size_t i;
	int exit_code;

	pass_filters(call, request);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *rows = json_array();
		json_array_foreach(json_object_get(reply, "agencies"), i, one)
		{
			const char *code = json_string_value(json_object_get(one, "agency"));
			add_report_row(rows, one, code && code[0] ? code : "-");
		}
		add_report_row(rows, json_object_get(reply, "total"),
			admin_say(call, "in all", "tất cả"));
		admin_table(call, rows, columns, CV_COUNT(columns));
		json_decref(rows);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option list_options[] = {
	{ "class", "CLASS", "staff, leader, agency, role or app",
		"staff (cán bộ), leader (lãnh đạo), agency, role hoặc app" },
	{ "agency", "CODE", "only accounts of this agency", "chỉ tài khoản của đơn vị này" },
	{ "over", "PERCENT", "only boxes that are at least so full", "chỉ hộp thư đầy từ mức này" },
	{ "limit", "N", "rows; 1000", "số dòng; 1000" },
	{ 0 }
};
static const struct admin_option set_options[] = {
	{ "quota", "SIZE", "500M, 5G; none: no limit", "500M, 5G; none: không hạn chế" },
	{ "default", NULL, "what the class has (quota_default, quota_leader, quota_agency)",
		"theo nhóm (quota_default, quota_leader, quota_agency)" },
	{ "class", "CLASS", "all of staff, leader, agency, role or app",
		"mọi tài khoản thuộc staff, leader, agency, role hoặc app" },
	{ "agency", "CODE", "all accounts of this agency; with --pool, whose pool",
		"mọi tài khoản của đơn vị; cùng --pool: hạn mức chung của đơn vị" },
	{ "pool", "SIZE", "what the agency's accounts share; none: no pool",
		"hạn mức chung các tài khoản của đơn vị; none: không có" },
	{ 0 }
};
static const struct admin_option report_options[] = {
	{ "class", "CLASS", "staff, leader, agency, role or app",
		"staff (cán bộ), leader (lãnh đạo), agency, role hoặc app" },
	{ "agency", "CODE", "only this agency", "chỉ đơn vị này" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_quota_list = {
	.noun = "quota",
	.verb = "list",
	.words = "[ADDRESS]",
	.words_max = 1,
	.help = "how full boxes are, the fullest first",
	.help_vi = "mức sử dụng hộp thư, đầy nhất trước",
	.options = list_options,
	.examples = "  congvu quota list --over 75\n  congvu quota list --agency stp --json",
	.run = run_list,
};
const struct admin_command admin_quota_set = {
	.noun = "quota",
	.verb = "set",
	.words = "[ADDRESS]",
	.words_max = 1,
	.help = "set the quota of an account, a class or an agency, or an agency's pool",
	.help_vi = "đặt hạn mức cho tài khoản, nhóm, đơn vị hoặc hạn mức chung của đơn vị",
	.options = set_options,
	.examples = "  congvu quota set nvhoa.stp --quota 5G\n"
		    "  congvu quota set --class leader --default\n"
		    "  congvu quota set --agency stp --pool 200G",
	.run = run_set,
};
const struct admin_command admin_quota_report = {
	.noun = "quota",
	.verb = "report",
	.words = "",
	.help = "use and quotas by agency, and how many boxes are nearly full",
	.help_vi = "tổng hợp dung lượng theo đơn vị và số hộp thư sắp đầy",
	.options = report_options,
	.examples = "  congvu quota report\n  congvu quota report --json",
	.run = run_report,
};
