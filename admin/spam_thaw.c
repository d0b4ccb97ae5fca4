/* spam_thaw.c - `congvu spam thaw`: an account that the filter froze sends again. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

static int
run_thaw(struct admin_call *call)
{
	json_t *request = admin_request("burst.release");
	int exit_code;

	admin_set(request, "login", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_SPAMFILTER, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf(json_is_true(json_object_get(reply, "was_frozen"))
				? admin_say(
					  call, "%s may send again\n", "%s được gửi thư trở lại\n")
				: admin_say(call, "%s was not frozen\n", "%s không bị khóa gửi\n"),
			call->words[0]);
	json_decref(reply);
	return EXIT_OK;
}

const struct admin_command admin_spam_thaw = {
	.noun = "spam",
	.verb = "thaw",
	.words = "LOGIN",
	.words_min = 1,
	.words_max = 1,
	.help = "let an account send again that the filter froze for a burst (SPM-08)",
	.help_vi = "mở khóa gửi cho tài khoản bị bộ lọc khóa vì gửi dồn dập (SPM-08)",
	.examples = "  congvu spam thaw nvhoa.snv@lamgiang.example",
	.run = run_thaw,
};
