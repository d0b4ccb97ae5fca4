/* store.c - `congvu store check`: proves the store's invariants. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

/* clang-format off */
static const char *const faults[] = { "dangling_rows", "wrong_body_counts", "orphan_bodies",
	"wrong_mailbox_counts", "wrong_quotas", "bad_bodies", "bad_rows", "uid_faults" };
/* clang-format on */

static int
run_check(struct admin_call *call)
{
	json_t *request = admin_request("store.check"), *text;
	int exit_code;
	size_t i;
	json_int_t bad = 0;

	if (admin_option(call, "repair"))
		json_object_set_new(request, "repair", json_true());
	if (admin_option(call, "bodies"))
		json_object_set_new(request, "bodies", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	for (i = 0; i < CV_COUNT(faults); i++)
		bad += json_integer_value(json_object_get(reply, faults[i]));
	if (!admin_json(call, reply)) {
		json_array_foreach(json_object_get(reply, "faults"), i, text)
			printf("  %s\n", json_string_value(text));
		printf(admin_say(call,
			       "%lld accounts, %lld mailboxes, %lld messages, %lld bodies: %lld "
			       "faults, %lld mended\n",
			       "%lld tài khoản, %lld thư mục, %lld thư, %lld nội dung: %lld lỗi, "
			       "đã sửa %lld\n"),
			(long long)json_integer_value(json_object_get(reply, "accounts")),
			(long long)json_integer_value(json_object_get(reply, "mailboxes")),
			(long long)json_integer_value(json_object_get(reply, "messages")),
			(long long)json_integer_value(json_object_get(reply, "bodies")),
			(long long)bad,
			(long long)json_integer_value(json_object_get(reply, "repaired")));
	}
	json_decref(reply);
	return bad ? EXIT_FAILED : EXIT_OK;
}

/* clang-format off */
static const struct admin_option check_options[] = {
	{ "repair", NULL, "mend what can be mended without losing mail",
		"sửa những gì sửa được mà không mất thư" },
	{ "bodies", NULL, "read every body and compare its checksum (slow)",
		"đọc và kiểm tra từng nội dung (chậm)" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_store_check = {
	.noun = "store",
	.verb = "check",
	.words = "",
	.help = "check every invariant of the mail store",
	.help_vi = "kiểm tra toàn vẹn kho thư",
	.options = check_options,
	.examples = "  congvu store check\n  congvu store check --bodies --repair",
	.run = run_check,
};
