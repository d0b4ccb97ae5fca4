/* roles.c - `congvu admin add|remove|list|whoami`: who administers what (OPS-04). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

static const char *
role_name(const struct admin_call *call, const char *word)
{
	/* clang-format off */
	static const char *const names[][3] = {
		{ "operator", "operator",             "vận hành tỉnh"     },
		{ "agency",   "agency administrator", "quản trị cơ quan"  },
		{ "helpdesk", "helpdesk",             "hỗ trợ người dùng" },
		{ "auditor",  "auditor",              "kiểm tra"          },
		{ "none",     "no role",              "chưa có vai trò"   },
	};
	/* clang-format on */

	for (size_t i = 0; word && i < CV_COUNT(names); i++)
		if (!strcmp(word, names[i][0]))
			return admin_say(call, names[i][1], names[i][2]);
	return word ? word : "";
}

static void
print_role(const struct admin_call *call, const json_t *reply)
{
	const char *agency = admin_str(reply, "agency");

	printf("%s: %s%s%s\n", admin_str(reply, "admin"), role_name(call, admin_str(reply, "role")),
		agency[0] ? " " : "", agency);
}

static int
run_add(struct admin_call *call)
{
	json_t *request = admin_request("admin.add");
	int exit_code;

	admin_set(request, "admin", call->words[0]);
	admin_set(request, "role", admin_option(call, "role"));
	admin_set(request, "agency", admin_option(call, "agency"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		print_role(call, reply);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_remove(struct admin_call *call)
{
	json_t *request = admin_request("admin.remove");
	int exit_code;

	admin_set(request, "admin", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s\n", admin_say(call, "No role any more:", "Đã bỏ vai trò:"),
			admin_str(reply, "admin"));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "admin",  "who",    "người"        },
		{ "role",   "role",   "vai trò"      },
		{ "agency", "agency", "cơ quan"      },
		{ "since",  "since",  "từ ngày"      },
		{ "by",     "by",     "người giao"   },
	};
	/* clang-format on */
	json_t *one;
	size_t i;
	int exit_code;
	json_t *reply = admin_ask(call, ADMIN_STORE, admin_request("admin.list"), &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *admins = json_object_get(reply, "admins");
		json_array_foreach(admins, i, one)
		{
			const char *role = role_name(call, admin_str(one, "role"));
			json_object_set_new(one, "role", json_string(role));
			json_object_set_new(one, "since", admin_day(admin_number(one, "since")));
		}
		admin_table(call, admins, columns, CV_COUNT(columns));
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_whoami(struct admin_call *call)
{
	int exit_code;
	json_t *reply = admin_ask(call, ADMIN_STORE, admin_request("admin.whoami"), &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		print_role(call, reply);
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option add_options[] = {
	{ "role", "ROLE", "operator, agency, helpdesk or auditor",
		"operator, agency, helpdesk hoặc auditor" },
	{ "agency", "CODE", "with agency: what is administered, and the agencies below it",
		"với agency: cơ quan được quản trị, kể cả cấp dưới" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_admin_add = {
	.noun = "admin",
	.verb = "add",
	.words = "unix:NAME|ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "give somebody a role, by Unix account of this machine or by address",
	.help_vi = "giao vai trò quản trị, theo tài khoản Unix của máy này hoặc theo địa chỉ",
	.options = add_options,
	.examples = "  congvu admin add unix:binh --role operator\n"
		    "  congvu admin add ttbinh.stp --role agency --agency stp",
	.run = run_add,
};
const struct admin_command admin_admin_remove = {
	.noun = "admin",
	.verb = "remove",
	.words = "unix:NAME|ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "take a role away; the last operator stays",
	.help_vi = "bỏ vai trò quản trị; không bỏ được người vận hành cuối cùng",
	.examples = "  congvu admin remove unix:binh",
	.run = run_remove,
};
const struct admin_command admin_admin_list = {
	.noun = "admin",
	.verb = "list",
	.words = "",
	.help = "who has which role, since when and from whom",
	.help_vi = "ai có vai trò gì, từ khi nào, do ai giao",
	.examples = "  congvu admin list",
	.run = run_list,
};
const struct admin_command admin_admin_whoami = {
	.noun = "admin",
	.verb = "whoami",
	.words = "",
	.help = "who asks, and with which role",
	.help_vi = "tôi đang là ai, với vai trò gì",
	.examples = "  congvu admin whoami\n  congvu --as ttbinh.stp admin whoami",
	.run = run_whoami,
};
