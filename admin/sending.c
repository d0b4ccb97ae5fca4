/* sending.c - `congvu sending ...`: how much accounts send, their limits, freezing, releasing. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <time.h>

#include "admin/commands.h"

/* "12 / 1000", or "12" without a limit. */
static json_t *
count_of(const json_t *account, const char *key, const char *limit)
{
	json_int_t most = admin_number(json_object_get(account, "limits"), limit);
	long long count = (long long)admin_number(account, key);

	return most ? json_sprintf("%lld / %lld", count, (long long)most)
		    : json_sprintf("%lld", count);
}

static json_t *
since_of(struct admin_call *call, const json_t *account)
{
	time_t since = (time_t)admin_number(account, "since");
	struct tm tm;
	char text[32] = "-";

	setenv("TZ", admin_main_options(call)->time_zone, 1);
	tzset();
	if (since && localtime_r(&since, &tm))
		(void)strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm);
	return json_string(text);
}

static void
print_accounts(struct admin_call *call, const json_t *accounts)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "address", "ACCOUNT", "TÀI KHOẢN" },
		{ "class", "CLASS", "LOẠI" },
		{ "messages", "MESSAGES", "SỐ THƯ" },
		{ "recipients", "RECIPIENTS", "NGƯỜI NHẬN" },
		{ "first_time", "FIRST TIME", "NGƯỜI MỚI" },
		{ "burst", "BURST", "DỒN DẬP" },
		{ "refused", "REFUSED", "BỊ TỪ CHỐI" },
		{ "since", "FROZEN SINCE", "KHÓA TỪ" },
		{ "why", "WHY", "LÝ DO" },
	};
	/* clang-format on */
	json_t *rows = json_array(), *a;
	size_t i;

	json_array_foreach(accounts, i, a)
	{
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "address",
				admin_str(a, "address"), "class", admin_str(a, "class"), "messages",
				count_of(a, "messages", "messages"), "recipients",
				count_of(a, "recipients", "recipients"), "first_time",
				count_of(a, "first_time", "first-time"), "burst",
				count_of(a, "burst", "burst"), "refused",
				count_of(a, "burst_refused", "refused"), "since", since_of(call, a),
				"why", admin_str(a, "reason")));
	}
	if (json_array_size(rows))
		admin_table(call, rows, columns, CV_COUNT(columns));
	else
		puts(admin_say(call, "No account is listed.", "Không có tài khoản nào."));
	json_decref(rows);
}

static int
print_account(struct admin_call *call, json_t *reply)
{
	if (!admin_json(call, reply)) {
		json_t *one = json_pack("[O]", json_object_get(reply, "account"));
		print_accounts(call, one);
		json_decref(one);
	}
	json_decref(reply);
	return EXIT_OK;
}

static json_t *
ask_about(struct admin_call *call, const char *what)
{
	json_t *request = admin_request(what);

	admin_set(request, "address", call->words[0]);
	return request;
}

static int
run_list(struct admin_call *call)
{
	json_t *request = admin_request("sending.list");
	int exit_code;

	if (admin_option(call, "frozen"))
		json_object_set_new(request, "frozen", json_true());
	json_t *reply = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		print_accounts(call, json_object_get(reply, "accounts"));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_show(struct admin_call *call)
{
	int exit_code;
	json_t *reply = admin_ask(call, ADMIN_SMTPD, ask_about(call, "sending.show"), &exit_code);

	return reply ? print_account(call, reply) : exit_code;
}

static int
run_freeze(struct admin_call *call)
{
	json_t *request = ask_about(call, "sending.freeze");
	int exit_code;

	admin_set(request, "reason", admin_option(call, "reason"));
	json_t *reply = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	return reply ? print_account(call, reply) : exit_code;
}

static int
run_release(struct admin_call *call)
{
	json_t *request = ask_about(call, "sending.release");
	int exit_code;

	if (admin_option(call, "release-queue"))
		json_object_set_new(request, "release_queue", json_true());
	json_t *reply = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	if (!reply)
		return exit_code;
	const json_t *queue = json_object_get(reply, "queue");
	if (queue && !call->json)
		printf(admin_say(call, "%lld held messages are on their way again\n",
			       "%lld thư đang giữ đã được gửi tiếp\n"),
			(long long)admin_number(queue, "messages"));
	return print_account(call, reply);
}

/* "messages=5000", "burst=default" */
static bool
take_limit(struct admin_call *call, const char *word, json_t *limits)
{
	struct cv_str rest = cv_str_z(word), name;
	uint64_t number = 0;

	cv_str_split(&rest, '=', &name);
	bool is_default = cv_str_eq_z(rest, "default");
	if (!rest.p || (!is_default && cv_str_u64(rest, 100000000, &number) != CV_OK)) {
		admin_error(call, EXIT_USAGE,
			"limits are written NAME=NUMBER or NAME=default; 0 is no limit",
			"hạn mức viết là TÊN=SỐ hoặc TÊN=default; 0 là không giới hạn");
		return false;
	}
	char *key = cv_str_dup(name);
	json_object_set_new(
		limits, key, is_default ? json_null() : json_integer((json_int_t)number));
	free(key);
	return true;
}

static int
run_limit(struct admin_call *call)
{
	json_t *request = ask_about(call, "sending.limit"), *limits = json_object();
	int exit_code;

	json_object_set_new(request, "limits", limits);
	for (unsigned i = 1; i < call->word_count; i++) {
		if (!take_limit(call, call->words[i], limits)) {
			json_decref(request);
			return EXIT_USAGE;
		}
	}
	json_t *reply = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	return reply ? print_account(call, reply) : exit_code;
}

/* clang-format off */
static const struct admin_option list_options[] = {
	{ "frozen", NULL, "only accounts that may not send", "chỉ tài khoản đang bị khóa gửi" },
	{ 0 }
};
static const struct admin_option freeze_options[] = {
	{ "reason", "TEXT", "why, for the notice and the list", "lý do, ghi trong thông báo và danh sách" },
	{ 0 }
};
static const struct admin_option release_options[] = {
	{ "release-queue", NULL, "send what was held meanwhile", "gửi tiếp thư đang bị giữ" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_sending_list = {
	.noun = "sending",
	.verb = "list",
	.words = "",
	.help = "list the accounts that sent today, with their limits, and those that may not send",
	.help_vi = "liệt kê tài khoản đã gửi trong ngày, hạn mức, và tài khoản bị khóa gửi",
	.options = list_options,
	.examples = "  congvu sending list\n  congvu sending list --frozen --json",
	.run = run_list,
};
const struct admin_command admin_sending_show = {
	.noun = "sending",
	.verb = "show",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "show what one account sent today and may send",
	.help_vi = "xem số đã gửi trong ngày và hạn mức của một tài khoản",
	.examples = "  congvu sending show nvhoa.snv@lamgiang.example",
	.run = run_show,
};
const struct admin_command admin_sending_freeze = {
	.noun = "sending",
	.verb = "freeze",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "let an account send no more; its queued outside mail is held",
	.help_vi = "khóa gửi một tài khoản, giữ thư ra ngoài đang chờ",
	.options = freeze_options,
	.examples =
		"  congvu sending freeze nvhoa.snv@lamgiang.example --reason 'lộ mật khẩu'",
	.run = run_freeze,
};
const struct admin_command admin_sending_release = {
	.noun = "sending",
	.verb = "release",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "let a frozen account send again",
	.help_vi = "mở khóa gửi cho một tài khoản",
	.options = release_options,
	.examples = "  congvu sending release nvhoa.snv@lamgiang.example --release-queue",
	.run = run_release,
};
const struct admin_command admin_sending_limit = {
	.noun = "sending",
	.verb = "limit",
	.words = "ADDRESS LIMIT=NUMBER...",
	.words_min = 2,
	.words_max = 6,
	.help = "set an account's own limits: messages, recipients, first-time, burst, refused",
	.help_vi = "đặt hạn mức riêng: messages, recipients, first-time, burst, refused",
	.examples = "  congvu sending limit bantin@lamgiang.example messages=20000 burst=0\n"
		    "  congvu sending limit bantin@lamgiang.example burst=default",
	.run = run_limit,
};
