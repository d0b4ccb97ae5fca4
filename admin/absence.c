/* absence.c - `congvu absence set|show|clear`: what senders hear while one is away (ACC-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "admin/files.h"

#define TEXT_MAX 4000u

/* The value of an option, or with "@FILE" what the file says. */
static bool
set_text(struct admin_call *call, json_t *request, const char *key)
{
	const char *value = admin_option(call, key);
	struct cv_str text;
	struct cv_err err = { 0 };

	if (!value)
		return true;
	if (value[0] != '@') {
		admin_set(request, key, value);
		return true;
	}
	if (admin_file_read(value + 1, TEXT_MAX, &text, &err) != CV_OK) {
		admin_error(call, EXIT_FAILED, err.text, err.text);
		return false;
	}
	json_object_set_new(request, key, json_stringn(text.p ? text.p : "", text.n));
	free((char *)(uintptr_t)text.p);
	return true;
}

static int
run_set(struct admin_call *call)
{
	static const char *const texts[] = { "vi", "en", "outside" };
	json_t *request = admin_request("absence.set");
	int exit_code;

	admin_set(request, "address", call->words[0]);
	admin_set(request, "from", admin_option(call, "from"));
	admin_set(request, "until", admin_option(call, "until"));
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		if (!set_text(call, request, texts[i])) {
			json_decref(request);
			return EXIT_FAILED;
		}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s\n", admin_say(call, "Away:", "Vắng mặt:"),
			json_string_value(json_object_get(reply, "address")));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_show(struct admin_call *call)
{
	static const char *const keys[] = { "absence_from", "absence_until", "absence_vi",
		"absence_en", "absence_outside" };
	json_t *request = admin_request("account.show"), *shown = json_object();
	int exit_code;

	admin_set(request, "address", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply) {
		json_decref(shown);
		return exit_code;
	}
	json_t *account = json_object_get(reply, "account");
	json_object_set_new(shown, "ok", json_true());
	json_object_set(shown, "address", json_object_get(account, "address"));
	for (size_t i = 0; i < CV_COUNT(keys); i++)
		if (json_object_get(account, keys[i]))
			json_object_set(shown, keys[i], json_object_get(account, keys[i]));
	json_int_t until = json_integer_value(json_object_get(account, "absence_until"));
	if (!admin_json(call, shown) && !until) {
		printf("%s\n", admin_say(call, "not away", "không vắng mặt"));
	} else if (!call->json) {
		json_t *first = admin_day(json_integer_value(
			json_object_get(account, "absence_from")));
		json_t *last = admin_day(until - 1);
		printf("%s - %s\n", json_string_value(first), json_string_value(last));
		for (size_t i = 2; i < CV_COUNT(keys); i++)
			if (json_object_get(account, keys[i]))
				printf("\n[%s]\n%s\n", keys[i] + strlen("absence_"),
					json_string_value(json_object_get(account, keys[i])));
		json_decref(first);
		json_decref(last);
	}
	json_decref(shown);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_clear(struct admin_call *call)
{
	json_t *request = admin_request("absence.clear");
	int exit_code;

	admin_set(request, "address", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s\n", admin_say(call, "No longer away:", "Đã hết vắng mặt:"),
			json_string_value(json_object_get(reply, "address")));
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option set_options[] = {
	{ "from", "DAY", "first day; today unless told", "ngày đầu; mặc định là hôm nay" },
	{ "until", "DAY", "last day, such as 2026-12-31", "ngày cuối, ví dụ 2026-12-31" },
	{ "vi", "TEXT", "the reply in Vietnamese, or @FILE", "nội dung trả lời tiếng Việt, hoặc @TỆP" },
	{ "en", "TEXT", "the reply in English, or @FILE", "nội dung trả lời tiếng Anh, hoặc @TỆP" },
	{ "outside", "TEXT", "the reply to senders who are not ours, or @FILE",
		"nội dung trả lời cho người gửi bên ngoài, hoặc @TỆP" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_absence_set = {
	.noun = "absence",
	.verb = "set",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "answer senders by itself while somebody is away",
	.help_vi = "tự động trả lời khi vắng mặt",
	.options = set_options,
	.examples = "  congvu absence set nvhoa.stp --until 2026-12-31 --vi \"Tôi nghỉ phép, việc gấp "
		    "xin gửi vanthu.stp\"",
	.run = run_set,
};
const struct admin_command admin_absence_show = {
	.noun = "absence",
	.verb = "show",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "show what senders hear",
	.help_vi = "xem nội dung trả lời",
	.examples = "  congvu absence show nvhoa.stp",
	.run = run_show,
};
const struct admin_command admin_absence_clear = {
	.noun = "absence",
	.verb = "clear",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "end an absence",
	.help_vi = "hết vắng mặt",
	.examples = "  congvu absence clear nvhoa.stp",
	.run = run_clear,
};
