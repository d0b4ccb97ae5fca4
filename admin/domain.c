/* domain.c - `congvu domain add|list`: the domains whose mail is ours. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

static int
run_add(struct admin_call *call)
{
	json_t *request = admin_request("domain.add");
	int exit_code;

	admin_set(request, "domain", call->words[0]);
	admin_set(request, "alias_of", admin_option(call, "alias-of"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s\n", admin_say(call, "Added domain", "Đã thêm tên miền"),
			call->words[0]);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_list(struct admin_call *call)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "domain", "DOMAIN", "TÊN MIỀN" },
		{ "alias_of", "ALIAS OF", "BÍ DANH CỦA" },
	};
	/* clang-format on */
	int exit_code;
	json_t *reply = admin_ask(call, ADMIN_STORE, admin_request("domain.list"), &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		admin_table(call, json_object_get(reply, "domains"), columns, CV_COUNT(columns));
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option add_options[] = {
	{ "alias-of", "DOMAIN", "mail to this domain goes to the same local part there",
		"thư gửi tới tên miền này chuyển về tên miền kia" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_domain_add = {
	.noun = "domain",
	.verb = "add",
	.words = "DOMAIN",
	.words_min = 1,
	.words_max = 1,
	.help = "take mail for a domain",
	.help_vi = "nhận thư cho một tên miền",
	.options = add_options,
	.examples = "  congvu domain add lamgiang.example\n"
		    "  congvu domain add trason.example --alias-of lamgiang.example",
	.run = run_add,
};
const struct admin_command admin_domain_list = {
	.noun = "domain",
	.verb = "list",
	.words = "",
	.help = "list our domains",
	.help_vi = "liệt kê các tên miền",
	.examples = "  congvu domain list --json",
	.run = run_list,
};
