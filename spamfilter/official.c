/* official.c - examiners of the policy for official addresses: secrecy marks (POL-04), sign-ups at
 * public services (POL-02, POL-03). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "spamfilter/judge.h"

/* POL-04: never out; in as the option says. */
void
spam_examine_secrecy(struct spam_mail *m)
{
	const char *option = m->opt->secrecy_inbound;
	const struct cv_str *files;
	size_t file_count = cv_content_files(m->content, &files);
	struct cv_decision d;

	cv_policy_secrecy(m->policy->policy, m->subject, files, file_count,
		cv_content_text(m->content), &d);
	if (d.verdict != CV_REFUSE)
		return;
	cv_log(m->id, CV_INFO, "policy.secrecy", "id=%s submission=%d subject_hash=%016llx",
		m->queue_id, m->is_submission,
		(unsigned long long)cv_hash(m->subject.p, m->subject.n, 0));
	spam_found(m, SPAM_RULE_SECRECY_MARK, "%s", d.rule);
	if (m->is_submission || !strcmp(option, "reject")) {
		spam_want(m, SPAM_REFUSE, &d);
	} else if (!strcmp(option, "mark")) {
		spam_want(m, SPAM_MARK, NULL);
		spam_policy_mark(m, SPAM_RULE_SECRECY_MARK);
	}
}

void
spam_examine_signup(struct spam_mail *m)
{
	struct cv_policy *p = m->policy->policy;
	struct cv_signup_facts facts = {
		.from_local = m->author.local,
		.from_domain = m->author.domain,
		.subject = m->subject,
		.text = cv_content_text(m->content),
		.list_unsubscribe = spam_mail_field(m, "List-Unsubscribe", 0) != NULL,
		.token_links = cv_content_token_links(m->content),
	};
	struct cv_decision d;

	if (m->is_submission || m->verdict.wanted == SPAM_REFUSE)
		return;
	if (!m->author.is_plain || spam_is_ours(m->server, m->snap, m->author.domain))
		return;
	cv_policy_signup(p, &facts, &d);
	if (d.verdict != CV_MARK)
		return;
	if (cv_policy_signup_allowed(p, m->author.local, m->author.domain, cv_wall_secs())) {
		spam_found(m, SPAM_RULE_SIGNUP_ALLOWED, "%.*s", CV_STR_ARGS(m->author.domain));
		return;
	}
	spam_found(m, SPAM_RULE_SIGNUP, "%.*s", CV_STR_ARGS(m->author.domain));
	spam_want(m, SPAM_MARK, NULL);
	spam_policy_mark(m, SPAM_RULE_SIGNUP);
}

void
spam_after_signup(struct spam_mail *m)
{
	static const char rule[] = "POL-02.signup";

	if (!spam_has(m, SPAM_RULE_SIGNUP) || m->verdict.action == SPAM_REFUSE ||
		m->verdict.action == SPAM_GREYLIST)
		return;
	for (size_t i = 0; i < m->rcpt_count; i++) {
		struct cv_reg_hit hit;
		cv_snapshot_find_address(m->snap, m->rcpts[i], &hit);
		bool is_known = hit.found == CV_REG_ACCOUNT;
		struct cv_str address = is_known ? hit.account.address : m->rcpts[i];
		spam_signup_note(m->server->signup, is_known ? hit.account.acct : 0, address,
			m->author.domain, rule);
		cv_log(m->id, CV_INFO, "policy.signup", "id=%s to=<%.*s> service=%.*s rule=%s",
			m->queue_id, CV_STR_ARGS(address), CV_STR_ARGS(m->author.domain), rule);
	}
	atomic_fetch_add(&m->server->signups, 1);
}
