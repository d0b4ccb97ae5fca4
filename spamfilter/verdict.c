/* verdict.c - see verdict.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/verdict.h"

#include <stdarg.h>

#include "spamfilter/mail.h"

#define LINE_WIDTH 76

const char *
spam_action_word(enum spam_action action)
{
	static const char *const words[SPAM_ACTIONS] = {
		"pass", "mark", "junk", "greylist", "quarantine", "refuse"};

	return words[action];
}

static void
add(struct spam_mail *m, enum spam_rule rule, double weight, const char *fmt, va_list ap)
{
	struct spam_verdict *v = &m->verdict;
	char detail[SPAM_DETAIL_MAX + 1];

	assert(rule < SPAM_RULES);
	if (v->has[rule])
		return;
	vsnprintf(detail, sizeof detail, fmt, ap);
	for (char *c = detail; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	v->has[rule] = true;
	v->found[v->count++] =
		(struct spam_finding){rule, weight, cv_arena_z(&m->arena, cv_str_z(detail))};
}

void
spam_found(struct spam_mail *m, enum spam_rule rule, const char *detail_fmt, ...)
{
	va_list ap;

	va_start(ap, detail_fmt);
	add(m, rule, spam_weights_of(m->policy->weights, rule), detail_fmt, ap);
	va_end(ap);
}

void
spam_found_weight(
	struct spam_mail *m, enum spam_rule rule, double weight, const char *detail_fmt, ...)
{
	va_list ap;

	va_start(ap, detail_fmt);
	add(m, rule, spam_weights_scaled(m->policy->weights, rule, weight), detail_fmt, ap);
	va_end(ap);
}

bool
spam_has(const struct spam_mail *m, enum spam_rule rule)
{
	return m->verdict.has[rule];
}

void
spam_want(struct spam_mail *m, enum spam_action at_least, const struct cv_decision *refusal)
{
	struct spam_verdict *v = &m->verdict;

	v->wanted = CV_MAX(v->wanted, at_least);
	if (at_least != SPAM_REFUSE || !refusal || v->has_refusal)
		return;
	v->refusal = *refusal;
	v->has_refusal = true;
}

void
spam_policy_mark(struct spam_mail *m, enum spam_rule rule)
{
	m->verdict.in_policy_field[rule] = true;
}

void
spam_verdict_order(const struct spam_verdict *v, size_t order[SPAM_RULES])
{
	for (size_t i = 0; i < v->count; i++) {
		size_t at = i;
		for (; at > 0 && v->found[order[at - 1]].weight < v->found[i].weight; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

void
spam_verdict_rules(const struct spam_verdict *v, bool fold, struct cv_buf *out)
{
	size_t order[SPAM_RULES], line = 0;

	spam_verdict_order(v, order);
	if (!v->count)
		cv_buf_z(out, "none");
	for (size_t i = 0; i < v->count; i++) {
		const struct spam_finding *f = &v->found[order[i]];
		char text[80];
		int n = snprintf(text, sizeof text, "%s%s(%.1f)", i ? "," : "",
			spam_rules[f->rule].name, f->weight);
		line += (size_t)n;
		if (fold && i && line > LINE_WIDTH - 40) {
			cv_buf_z(out, ",\n\t");
			cv_buf_z(out, text + 1);
			line = (size_t)n;
		} else {
			cv_buf_z(out, text);
		}
	}
}
