/* policy.c - `congvu policy explain RULE`: the sentences behind a refusal's code. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/policy/policy.h"
#include "admin/commands.h"

static int
run_explain(struct admin_call *call)
{
	const char *vi, *en;

	if (!cv_policy_explain(call->words[0], &vi, &en))
		return admin_error(call, EXIT_FAILED, "no such rule", "không có quy tắc này");
	json_t *reply = json_pack("{s:s, s:s, s:s}", "rule", call->words[0], "vi", vi, "en", en);
	if (!admin_json(call, reply))
		printf("%s\n%s\n", vi, en);
	json_decref(reply);
	return EXIT_OK;
}

const struct admin_command admin_policy_explain = {
	.noun = "policy",
	.verb = "explain",
	.words = "RULE",
	.words_min = 1,
	.words_max = 1,
	.help = "explain the rule that a refusal named",
	.help_vi = "giải thích quy tắc từ chối",
	.examples = "  congvu policy explain POL-05.from",
	.run = run_explain,
};
