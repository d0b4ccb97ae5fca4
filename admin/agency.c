/* agency.c - `congvu agency add|list`: the units of the province. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

static int
run_add(struct admin_call *call)
{
	static const char *const fields[] = { "parent", "type", "address", "phone", "website", "location" };
	json_t *request = admin_request("agency.add");
	const char *rank = admin_option(call, "rank");
	int exit_code;

	admin_set(request, "code", call->words[0]);
	admin_set(request, "name", call->words[1]);
	for (size_t i = 0; i < CV_COUNT(fields); i++)
		admin_set(request, fields[i], admin_option(call, fields[i]));
	if (rank)
		json_object_set_new(request, "rank", json_integer(strtol(rank, NULL, 10)));
	if (admin_option(call, "mailbox"))
		json_object_set_new(request, "mailbox", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		printf("%s %s (%s)\n", admin_say(call, "Added agency", "Đã thêm đơn vị"), call->words[1],
			call->words[0]);
		const char *address = json_string_value(json_object_get(reply, "address"));
		if (address && address[0])
			printf("%s: %s\n", admin_say(call, "Official address", "Địa chỉ công vụ"), address);
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_list(struct admin_call *call)
{
	static const struct admin_column columns[] = {
		{ "code", "CODE", "MÃ" },
		{ "name", "NAME", "TÊN ĐƠN VỊ" },
		{ "parent", "PARENT", "TRỰC THUỘC" },
		{ "type", "TYPE", "LOẠI" },
		{ "address", "ADDRESS", "ĐỊA CHỈ" },
	};
	int exit_code;
	json_t *reply = admin_ask(call, ADMIN_STORE, admin_request("agency.list"), &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		admin_table(call, json_object_get(reply, "agencies"), columns, CV_COUNT(columns));
	json_decref(reply);
	return EXIT_OK;
}

static const struct admin_option add_options[] = {
	{ "parent", "CODE", "unit it belongs to", "mã đơn vị cấp trên" },
	{ "type", "TYPE", "so, xa, phuong, dac_khu, dvsn, ...", "so, xa, phuong, dac_khu, dvsn, ..." },
	{ "rank", "N", "place in the directory: smaller first", "thứ tự trong danh bạ" },
	{ "address", "ADDRESS", "official address (with --mailbox its box is made)",
		"địa chỉ công vụ của đơn vị" },
	{ "phone", "NUMBER", "telephone", "điện thoại" },
	{ "website", "URL", "portal", "trang thông tin điện tử" },
	{ "location", "TEXT", "postal address", "địa chỉ trụ sở" },
	{ "mailbox", NULL, "make the agency's own box", "tạo hộp thư của đơn vị" },
	{ 0 }
};

const struct admin_command admin_agency_add = {
	.noun = "agency", .verb = "add", .words = "CODE NAME", .words_min = 2, .words_max = 2,
	.help = "add a unit", .help_vi = "thêm một đơn vị",
	.options = add_options,
	.examples = "  congvu agency add stp \"Sở Tư pháp\" --type so --rank 13 --mailbox",
	.run = run_add,
};
const struct admin_command admin_agency_list = {
	.noun = "agency", .verb = "list", .words = "",
	.help = "list units", .help_vi = "liệt kê các đơn vị",
	.examples = "  congvu agency list",
	.run = run_list,
};
