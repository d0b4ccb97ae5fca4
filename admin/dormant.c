/* dormant.c - `congvu account dormant`, `congvu account exempt`: accounts that nobody uses
 * (ACC-07). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "admin/csv.h"
#include "common/base/str.h"

static const struct {
	const char *key, *en, *vi;
} stages[] = {
	{"warned",   "unused, warned",              "chưa sử dụng, đã nhắc"             },
	{"off",      "log-ins ended; mail arrives", "đã khóa đăng nhập, thư vẫn đến"},
	{"withdraw", "withdrawal is proposed",      "đề nghị thu hồi"                     },
};

/* ---- showing ---- */

static void
print_stage(const struct admin_call *call, const json_t *list)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "address", "ADDRESS", "ĐỊA CHỈ" },
		{ "name", "NAME", "HỌ VÀ TÊN" },
		{ "title", "TITLE", "CHỨC VỤ" },
		{ "agency", "AGENCY", "ĐƠN VỊ" },
		{ "last", "LAST USE", "DÙNG LẦN CUỐI" },
		{ "count", "DAYS", "SỐ NGÀY" },
	};
	/* clang-format on */
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		json_object_set_new(one, "last", admin_day(admin_number(one, "last_use")));
		admin_set_number(one, "count", admin_number(one, "days"));
	}
	admin_table(call, list, columns, CV_COUNT(columns));
}

static void
print_csv(const struct admin_call *call, const json_t *reply)
{
	struct cv_buf out = CV_BUF_INIT(64u << 20);
	const char *head[] = {admin_say(call, "stage", "mức"),
		admin_say(call, "address", "địa chỉ"), admin_say(call, "name", "họ và tên"),
		admin_say(call, "title", "chức vụ"), admin_say(call, "agency", "đơn vị"),
		admin_say(call, "last use", "dùng lần cuối"), admin_say(call, "days", "số ngày")};
	json_t *one;
	size_t i;

	cv_buf_z(&out, "\xef\xbb\xbf");
	for (size_t h = 0; h < CV_COUNT(head); h++)
		admin_csv_put(&out, cv_str_z(head[h]), h + 1 == CV_COUNT(head));
	for (size_t s = 0; s < CV_COUNT(stages); s++)
		json_array_foreach(json_object_get(reply, stages[s].key), i, one)
		{
			json_t *last = admin_day(admin_number(one, "last_use"));
			char days[32];
			snprintf(days, sizeof days, "%lld", (long long)admin_number(one, "days"));
			const char *cells[] = {admin_say(call, stages[s].en, stages[s].vi),
				admin_str(one, "address"), admin_str(one, "name"),
				admin_str(one, "title"), admin_str(one, "agency"),
				json_string_value(last), days};
			for (size_t k = 0; k < CV_COUNT(cells); k++)
				admin_csv_put(&out, cv_str_z(cells[k]), k + 1 == CV_COUNT(cells));
			json_decref(last);
		}
	fwrite(out.p, 1, out.n, stdout);
	cv_buf_done(&out);
}

static int
show(struct admin_call *call)
{
	json_t *request = admin_request("dormant.list");
	int exit_code;

	admin_set(request, "agency", admin_option(call, "agency"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (admin_option(call, "csv")) {
		print_csv(call, reply);
	} else if (!admin_json(call, reply)) {
		for (size_t s = 0; s < CV_COUNT(stages); s++) {
			const json_t *list = json_object_get(reply, stages[s].key);
			printf("%s: %zu\n", admin_say(call, stages[s].en, stages[s].vi),
				json_array_size(list));
			if (json_array_size(list))
				print_stage(call, list);
			printf("\n");
		}
		printf("%s: %zu\n", admin_say(call, "exceptions", "ngoại lệ"),
			json_array_size(json_object_get(reply, "exempt")));
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- the daily look ---- */

/* Mails the warning; whoever heard it is noted, so that it comes once. */
static json_t *
tell(struct admin_call *call, const json_t *list)
{
	json_t *told = json_array(), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		json_t *day = admin_day(admin_number(one, "off_on"));
		char days[32];
		struct cv_err err;
		snprintf(days, sizeof days, "%lld", (long long)admin_number(one, "days"));
		json_t *request = json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:o}}", "do",
			"mail.notice", "template", "unused", "account", admin_str(one, "address"),
			"values", "address", admin_str(one, "address"), "days", days, "off_on",
			day);
		json_t *reply = admin_try(call, ADMIN_STORE, request, &err);
		/* "no-room" too: the box would not take another one tomorrow either. */
		if (reply)
			json_array_append_new(told, json_string(admin_str(one, "address")));
		json_decref(reply);
	}
	return told;
}

static int
look(struct admin_call *call)
{
	json_t *request = admin_request("dormant.run");
	int exit_code;
	bool is_dry = admin_set_dry_run(call, request);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);

	if (!reply)
		return exit_code;
	json_t *list = json_object_get(reply, "tell");
	if (!is_dry && json_array_size(list)) {
		json_t *told = tell(call, list), *again = NULL;
		if (json_array_size(told)) {
			request = admin_request("dormant.run");
			json_object_set(request, "told", told);
			again = admin_ask(call, ADMIN_STORE, request, &exit_code);
		}
		json_object_set_new(reply, "told", json_integer((json_int_t)json_array_size(told)));
		json_decref(told);
		json_decref(again);
	}
	if (!admin_json(call, reply))
		for (size_t s = 0; s < CV_COUNT(stages); s++)
			printf("%s: %zu\n", admin_say(call, stages[s].en, stages[s].vi),
				json_array_size(json_object_get(reply, stages[s].key)));
	json_decref(reply);
	return exit_code;
}

static int
run_dormant(struct admin_call *call)
{
	return admin_option(call, "run") ? look(call) : show(call);
}

static int
run_exempt(struct admin_call *call)
{
	json_t *request = admin_request("dormant.exempt");
	int exit_code;

	admin_set(request, "address", call->words[0]);
	admin_set(request, "reason", admin_option(call, "reason"));
	admin_set(request, "until", admin_option(call, "until"));
	if (admin_option(call, "remove"))
		json_object_set_new(request, "remove", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s\n", admin_str(reply, "address"));
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option dormant_options[] = {
	{ "agency", "CODE", "of this unit and those below it", "đơn vị này và các đơn vị trực thuộc" },
	{ "csv", NULL, "as a list for office software", "xuất danh sách CSV" },
	{ "run", NULL, "warn, end log-ins and propose (the scheduler does so each day)",
		"nhắc, khóa đăng nhập, đề nghị thu hồi (bộ lập lịch chạy hằng ngày)" },
	ADMIN_DRY_RUN, { 0 }
};
static const struct admin_option exempt_options[] = {
	{ "reason", "TEXT", "why it may be unused", "lý do" },
	{ "until", "DAY", "the last day of the exception", "ngày cuối" },
	{ "remove", NULL, "no exception any more", "bỏ ngoại lệ" },
	{ 0 }
};

const struct admin_command admin_account_dormant = {
	.noun = "account", .verb = "dormant", .words = "",
	.help = "list accounts that nobody uses: warned, without log-ins, to be withdrawn",
	.help_vi = "liệt kê tài khoản không sử dụng: đã nhắc, đã khóa đăng nhập, đề nghị thu hồi",
	.options = dormant_options,
	.examples = "  congvu account dormant --agency stp\n  congvu account dormant --csv > ds.csv",
	.run = run_dormant,
};
const struct admin_command admin_account_exempt = {
	.noun = "account", .verb = "exempt", .words = "ADDRESS", .words_min = 1, .words_max = 1,
	.help = "an account may be unused until a day, with a reason",
	.help_vi = "cho phép tài khoản không sử dụng đến một ngày, kèm lý do",
	.options = exempt_options,
	.examples = "  congvu account exempt nvhoa.stp --reason \"đi học\" --until 2027-06-30",
	.run = run_exempt,
};
/* clang-format on */
