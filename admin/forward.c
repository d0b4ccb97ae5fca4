/* forward.c - `congvu forward add|remove|list`: mail that goes on to another address (POL-01). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

static int
run_add(struct admin_call *call)
{
	json_t *request = admin_request("forward.add");
	int exit_code;

	admin_set(request, "from", call->words[0]);
	admin_set(request, "to", call->words[1]);
	admin_set(request, "reason", admin_option(call, "reason"));
	admin_set(request, "until", admin_option(call, "until"));
	if (admin_option(call, "no-copy"))
		json_object_set_new(request, "keep", json_false());
	bool dry = admin_option(call, "dry-run") != NULL;
	if (dry)
		json_object_set_new(request, "dry_run", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s -> %s%s\n", dry ? admin_say(call, "Would forward", "Sẽ chuyển tiếp")
			: admin_say(call, "Forwarding", "Đã chuyển tiếp"),
			json_string_value(json_object_get(reply, "from")),
			json_string_value(json_object_get(reply, "to")),
			json_is_true(json_object_get(reply, "outside"))
				? admin_say(call, " (outside our domains)", " (ra ngoài tên miền)")
				: "");
	json_decref(reply);
	return EXIT_OK;
}

static int
run_remove(struct admin_call *call)
{
	json_t *request = admin_request("forward.del");
	int exit_code;

	admin_set(request, "from", call->words[0]);
	admin_set(request, "to", call->words[1]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s -> %s\n", admin_say(call, "No longer forwarding",
			"Đã thôi chuyển tiếp"), call->words[0], call->words[1]);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "from", "FROM", "TỪ" },
		{ "to", "TO", "TỚI" },
		{ "last_day", "LAST DAY", "NGÀY CUỐI" },
		{ "outside", "OUTSIDE", "RA NGOÀI" },
		{ "active", "ACTIVE", "HIỆU LỰC" },
		{ "reason", "REASON", "LÝ DO" },
	};
	/* clang-format on */
	json_t *request = admin_request("forward.list"), *forward;
	size_t i;
	int exit_code;

	if (call->word_count)
		admin_set(request, "from", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	json_t *list = json_object_get(reply, "forwards");
	json_array_foreach(list, i, forward)
	{
		json_object_set_new(forward, "last_day", admin_day(
			json_integer_value(json_object_get(forward, "until")) - 1));
	}
	if (!admin_json(call, reply))
		admin_table(call, list, columns, CV_COUNT(columns));
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option add_options[] = {
	{ "reason", "TEXT", "why; needed outside our domains, kept in the audit trail",
		"lý do; bắt buộc khi ra ngoài, lưu vào nhật ký" },
	{ "until", "DAY", "last day, such as 2026-12-31; needed outside, at most 366 days away",
		"ngày cuối, ví dụ 2026-12-31; bắt buộc khi ra ngoài, tối đa 366 ngày" },
	{ "no-copy", NULL, "leave no copy in the box", "không giữ bản sao trong hộp thư" },
	{ "dry-run", NULL, "check it and change nothing", "chỉ kiểm tra, không thay đổi" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_forward_add = {
	.noun = "forward",
	.verb = "add",
	.words = "FROM TO",
	.words_min = 2,
	.words_max = 2,
	.help = "send what comes to a box on to another address",
	.help_vi = "chuyển tiếp thư của một hộp thư tới địa chỉ khác",
	.options = add_options,
	.examples = "  congvu forward add nvhoa.stp dtduyen.stp --until 2026-12-31\n"
		    "  congvu forward add nvhoa.stp hoa@bo.example --reason \"CV 12/STP\" --until 2027-03-01",
	.run = run_add,
};
const struct admin_command admin_forward_remove = {
	.noun = "forward",
	.verb = "remove",
	.words = "FROM TO",
	.words_min = 2,
	.words_max = 2,
	.help = "end a forward",
	.help_vi = "thôi chuyển tiếp",
	.examples = "  congvu forward remove nvhoa.stp dtduyen.stp",
	.run = run_remove,
};
const struct admin_command admin_forward_list = {
	.noun = "forward",
	.verb = "list",
	.words = "[FROM]",
	.words_max = 1,
	.help = "list forwards, those that are over too",
	.help_vi = "liệt kê các chuyển tiếp, kể cả đã hết hạn",
	.examples = "  congvu forward list --json",
	.run = run_list,
};
