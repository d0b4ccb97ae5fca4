/* policy.c - `congvu policy explain RULE`: the sentences behind a refusal's code. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "admin/commands.h"
#include "common/base/buf.h"
#include "common/policy/policy.h"

/* The sentence with an ellipsis where a refusal names the address or word in question. */
static char *
sentence_of(const char *pattern)
{
	struct cv_buf out = CV_BUF_INIT(4096);

	for (const char *p = pattern; *p; p++) {
		if (strncmp(p, "%s", 2) != 0) {
			cv_buf_c(&out, *p);
			continue;
		}
		cv_buf_z(&out, "…");
		p++;
	}
	return out.n ? cv_buf_take(&out) : cv_strdup("");
}

static int
run_explain(struct admin_call *call)
{
	const char *vi, *en;

	if (!cv_policy_explain(call->words[0], &vi, &en))
		return admin_error(call, EXIT_FAILED, "no such rule", "không có quy tắc này");
	char *text_vi = sentence_of(vi), *text_en = sentence_of(en);
	json_t *reply = json_pack("{s:b, s:s, s:s, s:s}", "ok", 1, "rule", call->words[0], "vi",
		text_vi, "en", text_en);
	if (!admin_json(call, reply))
		printf("%s\n%s\n", text_vi, text_en);
	json_decref(reply);
	free(text_vi);
	free(text_en);
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
