/* rules.c - the tool `rules`: every rule there is, with the weight that is in force. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/tool/tool.h"

static enum cv_status
load_weights(const struct spam_tool *t, struct spam_weights **out, struct cv_err *err)
{
	struct cv_conf *conf;

	if (!t->conf_path)
		return spam_weights_load(NULL, out, err);
	enum cv_status status =
		cv_conf_load(t->conf_path, cv_sections, cv_sections_count, &conf, err);
	if (status)
		return status;
	const struct spamfilter_options *opt = cv_conf_get(conf, &spamfilter_section);
	status = spam_weights_load(opt->weights_file, out, err);
	cv_conf_free(conf);
	return status;
}

static void
print_json(const struct spam_weights *w)
{
	json_t *rows = json_array();

	for (enum spam_rule r = 0; r < SPAM_RULES; r++)
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:f, s:f, s:s, s:s}", "name", spam_rules[r].name,
				"group", spam_group_word(spam_rules[r].group), "weight",
				spam_weights_of(w, r), "weight_default", spam_rules[r].weight, "en",
				spam_rules[r].en, "vi", spam_rules[r].vi));
	json_t *o = json_pack("{s:o}", "rules", rows);
	json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(o);
}

/* As lines of a file of weights: what is printed can be edited and used. */
static void
print_lines(const struct spam_weights *w, bool vietnamese)
{
	for (enum spam_group g = 0; g < SPAM_GROUPS; g++) {
		printf("%s# %s\n", g ? "\n" : "", spam_group_word(g));
		for (enum spam_rule r = 0; r < SPAM_RULES; r++)
			if (spam_rules[r].group == g)
				printf("%-24s %6.2f  # %s\n", spam_rules[r].name,
					spam_weights_of(w, r),
					vietnamese ? spam_rules[r].vi : spam_rules[r].en);
	}
}

int
spam_tool_rules(struct spam_tool *t)
{
	struct spam_weights *w;
	struct cv_err err;

	if (load_weights(t, &w, &err) != CV_OK) {
		spam_tool_fault(t, "rules", err.text);
		return SPAM_EXIT_FAILED;
	}
	if (t->json)
		print_json(w);
	else
		print_lines(w, t->vietnamese);
	spam_weights_free(w);
	return fflush(stdout) ? SPAM_EXIT_FAILED : SPAM_EXIT_OK;
}
