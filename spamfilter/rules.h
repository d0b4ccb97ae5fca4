/* rules.h - the rules by number: names, groups, weights. The rows are in rules.def.
 *
 * Pure; constant data, any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_RULES_H
#define SPAM_RULES_H

#include "common/base/str.h"

enum spam_group {
	SPAM_GROUP_AUTH,
	SPAM_GROUP_AUTHOR,
	SPAM_GROUP_CONTENT,
	SPAM_GROUP_POLICY,
	SPAM_GROUP_SCANNER,
	SPAM_GROUP_CLASSIFIER,
	SPAM_GROUP_REPUTATION,
	SPAM_GROUP_LIMIT,
	SPAM_GROUPS
};

enum spam_rule {
#define RULE(id, name, weight, group, en, vi) SPAM_RULE_##id,
#include "spamfilter/rules.def"
#undef RULE
	SPAM_RULES
};

struct spam_rule_row {
	const char *name; /* "secrecy-mark" */
	double weight;
	enum spam_group group;
	const char *en, *vi;
};
extern const struct spam_rule_row spam_rules[SPAM_RULES];

const char *spam_group_word(enum spam_group group); /* "policy" */
/* SPAM_RULES when there is none of that NAME. */
enum spam_rule spam_rule_named(struct cv_str name);
/* "5", "-2.5", "0.25": a score or weight within -1000 to 1000, in any locale. False otherwise. */
bool spam_score_parse(struct cv_str text, double *out);

#endif
