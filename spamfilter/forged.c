/* forged.c - examiner: our domains in From or in the envelope, from outside, and nobody vouches
 * (POL-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/judge.h"

/* cv_policy_forged_own() knows the register's domains alone; beside an MTA without a register,
 * default_domain counts too. */
static void
decide_forged(struct spam_mail *m, struct cv_str domain, struct cv_decision *out)
{
	const char *vi, *en;

	cv_policy_forged_own(m->policy->policy, m->snap, &domain, 1, false, out);
	if (out->verdict != CV_ALLOW || !spam_is_ours(m->server, m->snap, domain))
		return;
	out->rule = "POL-06.forged-own";
	if (!cv_policy_explain(out->rule, &vi, &en))
		en = vi = "%s";
	out->verdict = CV_REFUSE;
	out->smtp_code = 550;
	out->enhanced = "5.7.1";
	const struct {
		const char *pattern;
		char *text;
	} rows[] = {
		{en, out->en},
		{vi, out->vi}
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const char *at = strstr(rows[i].pattern, "%s");
		int before = at ? (int)(at - rows[i].pattern) : (int)strlen(rows[i].pattern);
		snprintf(rows[i].text, sizeof out->en, "%.*s%.*s%s", before, rows[i].pattern,
			(int)CV_MIN(domain.n, 70), domain.p, at ? at + 2 : "");
	}
}

void
spam_examine_forged(struct spam_mail *m)
{
	const struct spam_author *a = &m->author;
	struct cv_decision d;

	for (size_t i = 0; !m->is_submission && i <= a->domain_count; i++) {
		bool is_envelope = i == a->domain_count;
		struct cv_str domain = is_envelope ? m->sender_domain : a->domains[i];
		if (!domain.n || !spam_is_ours(m->server, m->snap, domain))
			continue;
		/* An unreadable From vouches for nothing. */
		if ((is_envelope || (a->is_plain && a->domain_count == 1)) &&
			spam_is_vouched(m, cv_arena_z(&m->arena, domain)))
			continue;
		decide_forged(m, domain, &d);
		if (d.verdict != CV_REFUSE)
			continue;
		spam_found(m, SPAM_RULE_FORGED_DOMAIN, "%s %.*s", is_envelope ? "envelope" : "From",
			CV_STR_ARGS(domain));
		if (m->opt->reject_forged_own) {
			spam_want(m, SPAM_REFUSE, &d);
		} else {
			spam_want(m, SPAM_MARK, NULL);
			spam_policy_mark(m, SPAM_RULE_FORGED_DOMAIN);
		}
		return;
	}
}
