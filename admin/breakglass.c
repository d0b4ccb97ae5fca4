/* breakglass.c - `congvu breakglass ...`: two persons open a box for a third to read (SEC-07). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <string.h>

#include "admin/commands.h"

static void
print_one(struct admin_call *call, const json_t *reply)
{
	printf("%s %lld: %s, %s %s, %s", admin_say(call, "Request", "Đề nghị"),
		(long long)admin_number(reply, "number"), admin_str(reply, "account"),
		admin_say(call, "read by", "người đọc"), admin_str(reply, "reader"),
		admin_str(reply, "state"));
	if (json_object_get(reply, "until")) {
		json_t *until = admin_moment(admin_number(reply, "until"));
		printf(", %s %s", admin_say(call, "until", "đến"), json_string_value(until));
		json_decref(until);
	}
	printf("\n");
	size_t told = json_array_size(json_object_get(reply, "told"));
	if (told < json_array_size(json_object_get(reply, "tell")))
		printf("%s\n", admin_say(call, "Not everybody who must be told could be told by mail: "
						"tell them otherwise.",
			"Chưa báo được bằng thư cho đủ người phải báo: hãy báo bằng cách khác."));
}

static int
send_request(struct admin_call *call, json_t *request)
{
	int exit_code;
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		print_one(call, reply);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_request(struct admin_call *call)
{
	json_t *request = admin_request("breakglass.request");

	admin_set(request, "account", call->words[0]);
	admin_set(request, "reason", admin_option(call, "reason"));
	admin_set(request, "letter", admin_option(call, "letter"));
	admin_set(request, "reader", admin_option(call, "reader"));
	admin_set(request, "hours", admin_option(call, "hours"));
	return send_request(call, request);
}

static json_t *
numbered(struct admin_call *call, const char *what)
{
	json_t *request = admin_request(what);

	admin_set(request, "number", call->words[0]);
	return request;
}

static int
run_approve(struct admin_call *call)
{
	json_t *request = numbered(call, "breakglass.approve");

	admin_set(request, "law", admin_option(call, "tell-nobody"));
	return send_request(call, request);
}

static int
run_deny(struct admin_call *call)
{
	json_t *request = numbered(call, "breakglass.deny");

	admin_set(request, "note", admin_option(call, "reason"));
	return send_request(call, request);
}

static int
run_end(struct admin_call *call)
{
	return send_request(call, numbered(call, "breakglass.end"));
}

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "no", "NO.", "SỐ" }, { "state", "STATE", "TÌNH TRẠNG" },
		{ "account", "BOX", "HỘP THƯ" }, { "reader", "READER", "NGƯỜI ĐỌC" },
		{ "by", "ASKED BY", "ĐỀ NGHỊ" }, { "decided_by", "DECIDED BY", "PHÊ DUYỆT" },
		{ "until_at", "UNTIL", "ĐẾN" }, { "letter", "LETTER", "VĂN BẢN" },
		{ "reason", "REASON", "LÝ DO" },
	};
	/* clang-format on */
	json_t *request = admin_request("breakglass.list"), *row;
	int exit_code;
	size_t i;

	admin_set(request, "state", admin_option(call, "state"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_array_foreach(json_object_get(reply, "requests"), i, row)
		{
			admin_set_number(row, "no", admin_number(row, "number"));
			json_object_set_new(
				row, "until_at", admin_moment(admin_number(row, "until")));
			if (!json_object_get(row, "decided_by"))
				admin_set(row, "decided_by", "-");
		}
		admin_table(call, json_object_get(reply, "requests"), columns,
			sizeof(columns) / sizeof(*columns));
	}
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option request_options[] = {
	{ "reason", "TEXT", "why the box is to be read", "lý do cần đọc hộp thư" },
	{ "letter", "TEXT", "number of the letter that asks for it", "số văn bản yêu cầu" },
	{ "reader", "ADDRESS", "who is to read; who asks, unless said", "người được đọc; mặc định là người đề nghị" },
	{ "hours", "N", "for how long, at most 24", "thời gian, tối đa 24 giờ" },
	{ 0 }
};
static const struct admin_option approve_options[] = {
	{ "tell-nobody", "LAW", "what forbids to tell the owner; recorded", "căn cứ không được báo cho chủ hộp thư; được ghi lại" },
	{ 0 }
};
static const struct admin_option deny_options[] = {
	{ "reason", "TEXT", "kept with the request", "lý do, lưu cùng đề nghị" },
	{ 0 }
};
static const struct admin_option list_options[] = {
	{ "state", "WORD", "pending, open, denied or ended", "pending, open, denied hoặc ended" },
	{ 0 }
};

const struct admin_command admin_breakglass_request = {
	.noun = "breakglass", .verb = "request", .words = "ACCOUNT", .words_min = 1, .words_max = 1,
	.help = "ask to have a box read; another administrator must approve",
	.help_vi = "đề nghị đọc một hộp thư; phải có quản trị viên khác phê duyệt",
	.options = request_options,
	.examples = "  congvu --as ktnoi.ttcds breakglass request nvhoa.stp --reason \"Xác minh\" --letter 12/QĐ-TTr",
	.run = run_request,
};
const struct admin_command admin_breakglass_approve = {
	.noun = "breakglass", .verb = "approve", .words = "NUMBER", .words_min = 1, .words_max = 1,
	.help = "approve a request of somebody else: the named person may read for a day at most",
	.help_vi = "phê duyệt đề nghị của người khác: người được nêu tên được đọc tối đa một ngày",
	.options = approve_options,
	.examples = "  congvu --as lmtam.ttcds breakglass approve 3",
	.run = run_approve,
};
const struct admin_command admin_breakglass_deny = {
	.noun = "breakglass", .verb = "deny", .words = "NUMBER", .words_min = 1, .words_max = 1,
	.help = "deny a request", .help_vi = "từ chối đề nghị", .options = deny_options,
	.examples = "  congvu --as lmtam.ttcds breakglass deny 3 --reason \"Không đủ căn cứ\"",
	.run = run_deny,
};
const struct admin_command admin_breakglass_end = {
	.noun = "breakglass", .verb = "end", .words = "NUMBER", .words_min = 1, .words_max = 1,
	.help = "end reading before its time", .help_vi = "kết thúc việc đọc trước hạn",
	.examples = "  congvu --as lmtam.ttcds breakglass end 3",
	.run = run_end,
};
const struct admin_command admin_breakglass_list = {
	.noun = "breakglass", .verb = "list", .words = "",
	.help = "list requests to read a box, and what became of them",
	.help_vi = "liệt kê các đề nghị đọc hộp thư và kết quả", .options = list_options,
	.examples = "  congvu breakglass list --state open",
	.run = run_list,
};
/* clang-format on */
