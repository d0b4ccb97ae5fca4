/* delegate.c - `congvu delegate add|remove`: a person reads, keeps or answers for somebody else's
 * box without knowing a password that is not theirs. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

static int
ask(struct admin_call *call, const char *what, const char *en, const char *vi)
{
	json_t *request = admin_request(what);
	int exit_code;

	admin_set(request, "owner", call->words[0]);
	admin_set(request, "delegate", call->words[1]);
	if (call->command->options)
		admin_set(request, "rights", admin_option(call, "rights"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		size_t i;
		json_t *word;
		printf("%s %s %s", admin_say(call, en, vi), call->words[0], call->words[1]);
		json_array_foreach(json_object_get(reply, "rights"), i, word)
			printf("%s%s", i ? "," : " ", json_string_value(word));
		printf("\n");
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_add(struct admin_call *call)
{
	return ask(call, "delegate.add", "Delegated:", "Đã ủy quyền:");
}

static int
run_remove(struct admin_call *call)
{
	return ask(call, "delegate.del", "Delegation ended:", "Đã thôi ủy quyền:");
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "rights", "LIST", "read, full, send-as or read,send-as; send-as when left out",
		"read (chỉ đọc), full (toàn quyền), send-as (gửi thay) hoặc read,send-as; mặc định send-as" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_delegate_add = {
	.noun = "delegate",
	.verb = "add",
	.words = "BOX PERSON",
	.words_min = 2,
	.words_max = 2,
	.help = "let a person use somebody else's box; these rights replace those before",
	.help_vi = "ủy quyền hộp thư cho một người; các quyền này thay quyền cũ",
	.options = options,
	.examples = "  congvu delegate add lthoa.stp dtduyen.stp --rights read,send-as\n"
		    "  congvu delegate add lthoa.stp tvbinh.stp --rights full",
	.run = run_add,
};
const struct admin_command admin_delegate_remove = {
	.noun = "delegate",
	.verb = "remove",
	.words = "BOX PERSON",
	.words_min = 2,
	.words_max = 2,
	.help = "take a delegated box from a person",
	.help_vi = "thôi ủy quyền hộp thư",
	.examples = "  congvu delegate remove lthoa.stp dtduyen.stp",
	.run = run_remove,
};
