/* link.c - `congvu alias add|remove`, `congvu role add|remove`: further addresses, and who holds a
 * role or agency box. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

/* One request of two words. */
static int
ask_pair(struct admin_call *call, const char *what, const char *first, const char *second,
	const char *en, const char *vi)
{
	json_t *request = admin_request(what);
	int exit_code;

	admin_set(request, first, call->words[0]);
	if (second)
		admin_set(request, second, call->words[1]);
	if (call->command->options && admin_option(call, "override"))
		json_object_set_new(request, "override", json_true());
	if (call->command->options)
		admin_set(request, "reason", admin_option(call, "reason"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf("%s %s %s\n", admin_say(call, en, vi), call->words[0],
			second ? call->words[1] : "");
	json_decref(reply);
	return EXIT_OK;
}

static int
run_alias_add(struct admin_call *call)
{
	return ask_pair(call, "alias.add", "address", "alias", "Added alias:", "Đã thêm bí danh:");
}

static int
run_alias_remove(struct admin_call *call)
{
	return ask_pair(call, "alias.del", "alias", NULL, "Removed alias:", "Đã bỏ bí danh:");
}

static int
run_role_add(struct admin_call *call)
{
	return ask_pair(call, "role.hold", "role", "holder", "Holder added:", "Đã giao:");
}

static int
run_role_remove(struct admin_call *call)
{
	return ask_pair(call, "role.release", "role", "holder", "Holder removed:", "Đã thôi giao:");
}

/* clang-format off */
static const struct admin_option alias_options[] = {
	{ "override", NULL, "take a reserved or look-alike name, with --reason",
		"dùng tên dành riêng, kèm --reason" },
	{ "reason", "TEXT", "kept in the audit trail", "lý do, lưu vào nhật ký" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_alias_add = {
	.noun = "alias",
	.verb = "add",
	.words = "ADDRESS ALIAS",
	.words_min = 2,
	.words_max = 2,
	.help = "give an account a further address",
	.help_vi = "thêm bí danh cho một tài khoản",
	.options = alias_options,
	.examples = "  congvu alias add dtduyen.stp duyen@lamgiang.example",
	.run = run_alias_add,
};
const struct admin_command admin_alias_remove = {
	.noun = "alias",
	.verb = "remove",
	.words = "ALIAS",
	.words_min = 1,
	.words_max = 1,
	.help = "end a further address; nobody else can have it",
	.help_vi = "bỏ bí danh; không ai khác được dùng lại",
	.examples = "  congvu alias remove duyen@lamgiang.example",
	.run = run_alias_remove,
};
const struct admin_command admin_role_add = {
	.noun = "role",
	.verb = "add",
	.words = "BOX PERSON",
	.words_min = 2,
	.words_max = 2,
	.help = "let a person hold a role or agency box",
	.help_vi = "giao hộp thư chức danh hoặc đơn vị cho một người",
	.examples = "  congvu role add vanthu.stp dtduyen.stp",
	.run = run_role_add,
};
const struct admin_command admin_role_remove = {
	.noun = "role",
	.verb = "remove",
	.words = "BOX PERSON",
	.words_min = 2,
	.words_max = 2,
	.help = "take a role or agency box from a person",
	.help_vi = "thôi giao hộp thư chức danh hoặc đơn vị",
	.examples = "  congvu role remove vanthu.stp dtduyen.stp",
	.run = run_role_remove,
};
