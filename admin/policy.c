/* policy.c - `congvu policy explain [RULE]`: the sentences behind a refusal's code. */
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

static json_t *
explained(const char *rule)
{
	const char *vi, *en;

	if (!cv_policy_explain(rule, &vi, &en))
		return NULL;
	char *text_vi = sentence_of(vi), *text_en = sentence_of(en);
	json_t *row = json_pack("{s:s, s:s, s:s}", "rule", rule, "vi", text_vi, "en", text_en);
	free(text_vi);
	free(text_en);
	return row;
}

static int
explain_all(struct admin_call *call)
{
	json_t *rules = json_array(), *row;
	const char *rule;
	size_t i;

	for (size_t n = 0; (rule = cv_policy_rule(n)); n++)
		json_array_append_new(rules, explained(rule));
	json_t *reply = json_pack("{s:b, s:o}", "ok", 1, "rules", rules);
	if (!admin_json(call, reply))
		json_array_foreach(rules, i, row)
			printf("%s\n  %s\n", json_string_value(json_object_get(row, "rule")),
				json_string_value(
					json_object_get(row, call->vietnamese ? "vi" : "en")));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_explain(struct admin_call *call)
{
	if (!call->word_count)
		return explain_all(call);
	json_t *reply = explained(call->words[0]);
	if (!reply)
		return admin_error(call, EXIT_FAILED, "no such rule", "không có quy tắc này");
	json_object_set_new(reply, "ok", json_true());
	if (!admin_json(call, reply))
		printf("%s\n%s\n", json_string_value(json_object_get(reply, "vi")),
			json_string_value(json_object_get(reply, "en")));
	json_decref(reply);
	return EXIT_OK;
}

const struct admin_command admin_policy_explain = {
	.noun = "policy",
	.verb = "explain",
	.words = "[RULE]",
	.words_max = 1,
	.help = "explain the rule that a refusal named, or all rules",
	.help_vi = "giải thích quy tắc từ chối, hoặc mọi quy tắc",
	.examples = "  congvu policy explain POL-05.from\n  congvu policy explain --json",
	.run = run_explain,
};
