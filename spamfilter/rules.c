/* rules.c - see rules.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/rules.h"

#define SCORE_MAX    1000
#define DECIMALS_MAX 3

const struct spam_rule_row spam_rules[SPAM_RULES] = {
#define RULE(id, name, weight, group, en, vi)                                                      \
	[SPAM_RULE_##id] = {name, weight, SPAM_GROUP_##group, en, vi},
#include "spamfilter/rules.def"
#undef RULE
};

const char *
spam_group_word(enum spam_group group)
{
	static const char *const words[SPAM_GROUPS] = {
		[SPAM_GROUP_AUTH] = "authentication",
		[SPAM_GROUP_AUTHOR] = "author",
		[SPAM_GROUP_CONTENT] = "content",
		[SPAM_GROUP_POLICY] = "policy",
		[SPAM_GROUP_SCANNER] = "scanner",
		[SPAM_GROUP_CLASSIFIER] = "classifier",
		[SPAM_GROUP_REPUTATION] = "reputation",
		[SPAM_GROUP_LIMIT] = "limit",
	};

	return words[group];
}

enum spam_rule
spam_rule_named(struct cv_str name)
{
	enum spam_rule r = 0;

	while (r < SPAM_RULES && !cv_str_eq_z(name, spam_rules[r].name))
		r++;
	return r;
}

static bool
is_digit_at(struct cv_str text, size_t i)
{
	return i < text.n && cv_is_digit((unsigned char)text.p[i]);
}

bool
spam_score_parse(struct cv_str text, double *out)
{
	bool is_minus = text.n && text.p[0] == '-';
	double value = 0, unit = 1;
	size_t i = is_minus, digits = 0, decimals = 0;

	for (; is_digit_at(text, i) && value <= SCORE_MAX; i++, digits++)
		value = value * 10 + (text.p[i] - '0');
	if (digits && i < text.n && text.p[i] == '.')
		for (i++; is_digit_at(text, i) && decimals < DECIMALS_MAX; i++, decimals++)
			value += (text.p[i] - '0') * (unit /= 10);
	if (!digits || i != text.n || text.p[i - 1] == '.' || value > SCORE_MAX)
		return false;
	*out = is_minus ? -value : value;
	return true;
}
