/* official.c - examiners of the policy for official addresses: secrecy marks (POL-04), sign-ups at
 * public services (POL-02, POL-03). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/address.h"
#include "spamfilter/judge.h"
#include "spamfilter/walk/walk.h"

/* POL-04: never out; in as the option says. */
void
spam_secrecy_found(struct spam_mail *m, const struct cv_decision *d, const char *where)
{
	const char *option = m->opt->secrecy_inbound;

	cv_log(m->id, CV_INFO, "policy.secrecy",
		"id=%s submission=%d where=%s subject_hash=%016llx", m->queue_id, m->is_submission,
		where, (unsigned long long)cv_hash(m->subject.p, m->subject.n, 0));
	spam_found(m, SPAM_RULE_SECRECY_MARK, "%s, %s", d->rule, where);
	if (m->is_submission || !strcmp(option, "reject")) {
		spam_want(m, SPAM_REFUSE, d);
	} else if (!strcmp(option, "mark")) {
		spam_want(m, SPAM_MARK, NULL);
		spam_policy_mark(m, SPAM_RULE_SECRECY_MARK);
	}
}

/* A name inside an archive is as good as one outside. */
static bool
examine_archives(struct spam_mail *m, struct cv_decision *d)
{
	const struct spam_file *files;
	size_t n = m->walk ? spam_walk_files(m->walk, &files) : 0;

	for (size_t i = 0; i < n; i++) {
		if (!files[i].level)
			continue;
		cv_policy_secrecy(m->policy->policy, CV_STR_EMPTY, &files[i].name, 1, CV_STR_EMPTY,
			d);
		if (d->verdict == CV_REFUSE)
			return true;
	}
	return false;
}

void
spam_examine_secrecy(struct spam_mail *m)
{
	const struct cv_str *files;
	size_t file_count = cv_content_files(m->content, &files);
	struct cv_decision d;

	cv_policy_secrecy(m->policy->policy, m->subject, files, file_count,
		cv_content_text(m->content), &d);
	if (d.verdict == CV_REFUSE)
		spam_secrecy_found(m, &d, "mail");
	else if (examine_archives(m, &d))
		spam_secrecy_found(m, &d, "archive");
}

/* ---- sign-ups ---- */

static bool
has_field(const struct spam_mail *m, const char *name)
{
	return spam_mail_field(m, name, 0) != NULL;
}

/* A machine sent it, to many or to one. */
static bool
is_automatic(const struct spam_mail *m)
{
	const struct spam_header_field *f = spam_mail_field(m, "Auto-Submitted", 0);

	if (f && !cv_str_has_iprefix(cv_str_trim(f->value), "no"))
		return true;
	f = spam_mail_field(m, "Precedence", 0);
	if (f && cv_str_ieq_z(cv_str_trim(f->value), "bulk"))
		return true;
	return has_field(m, "Feedback-ID") || has_field(m, "X-Auto-Response-Suppress");
}

/* Fields that programs and houses for mass mail put in. */
static bool
is_bulk_mailer(const struct spam_mail *m)
{
	static const char *const names[] = {
		"List-Unsubscribe-Post", "X-Campaign", "X-CampaignID", "X-Campaign-ID", "X-Mailgun-Sid",
		"X-SG-EID", "X-SES-Outgoing", "X-MC-User", "X-Mandrill-User", "X-PM-Message-Id",
		"X-Mailer-RecptId", "X-MSYS-API", "X-Mailin-Campaign", "X-Mailin-EID", "X-CSA-Complaints",
		"X-Report-Abuse", "X-Report-Abuse-To", "X-EmailType-Id", "X-Mailchimp-Campaign",
		"X-SFMC-Stack", "X-Postmark-Server", "X-Notification-Type", "X-Roving-Id"};

	for (size_t i = 0; i < CV_COUNT(names); i++)
		if (has_field(m, names[i]))
			return true;
	return false;
}

static unsigned
count_addressees(struct spam_mail *m)
{
	static const char *const names[] = {"To", "Cc"};
	unsigned count = 0;

	for (size_t i = 0; i < CV_COUNT(names); i++) {
		const struct spam_header_field *f = spam_mail_field(m, names[i], 0);
		struct cv_addr_list list;
		if (!f)
			continue;
		cv_addr_list_parse(&m->arena, f->value, &list);
		for (size_t k = 0; k < list.n; k++)
			count += list.items[k].kind == CV_ADDR_MAILBOX;
	}
	return count;
}

/* Files as offices send them. */
static unsigned
count_documents(const struct spam_mail *m)
{
	static const char *const ends[] = {
		".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods"};
	const struct cv_str *files;
	size_t n = cv_content_files(m->content, &files);
	unsigned count = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < CV_COUNT(ends); k++)
			count += cv_str_has_isuffix(files[i], ends[k]);
	return count;
}

/* Of the only recipient: services greet by account name. */
static struct cv_str
rcpt_local(const struct spam_mail *m)
{
	if (m->rcpt_count != 1)
		return CV_STR_EMPTY;
	return cv_str_sub(m->rcpts[0], 0, cv_str_find(m->rcpts[0], '@', 0));
}

void
spam_examine_signup(struct spam_mail *m)
{
	struct cv_policy *p = m->policy->policy;
	struct cv_signup_finding found;

	/* Who pretends to be a service was not asked for anything. */
	if (m->is_submission || m->verdict.wanted == SPAM_REFUSE || spam_is_phishing(m) ||
		!m->author.is_plain || spam_is_ours(m->server, m->snap, m->author.domain))
		return;
	struct cv_signup_facts facts = {
		.from_local = m->author.local,
		.from_domain = m->author.domain,
		.from_name = spam_shown_name(m),
		.subject = m->subject,
		.text = cv_content_text(m->content),
		.list_unsubscribe = has_field(m, "List-Unsubscribe"),
		.token_links = cv_content_token_links(m->content),
		.is_automatic = is_automatic(m),
		.is_bulk_mailer = is_bulk_mailer(m),
		.to_local = rcpt_local(m),
		.is_reply = has_field(m, "In-Reply-To"),
		.addressees = count_addressees(m),
		.documents = count_documents(m),
	};
	cv_policy_signup_find(p, &facts, &found);
	facts.text = spam_seen_text(m);
	if (!found.found && facts.text.n)
		cv_policy_signup_find(p, &facts, &found);
	if (!found.found)
		return;
	if (cv_policy_signup_allowed(p, m->author.local, m->author.domain, cv_wall_secs())) {
		spam_found(m, SPAM_RULE_SIGNUP_ALLOWED, "%.*s", CV_STR_ARGS(m->author.domain));
		return;
	}
	m->signup_class = found.class;
	spam_found(m, SPAM_RULE_SIGNUP, "%s", found.detail);
	spam_want(m, SPAM_MARK, NULL);
	spam_policy_mark(m, SPAM_RULE_SIGNUP);
}

void
spam_after_signup(struct spam_mail *m)
{
	const char *class = cv_signup_class_word(m->signup_class);

	/* Spam that reads like a service's mail says nothing of its recipient. */
	if (!spam_has(m, SPAM_RULE_SIGNUP) || m->verdict.action >= SPAM_JUNK)
		return;
	for (size_t i = 0; i < m->rcpt_count; i++) {
		struct cv_reg_hit hit;
		cv_snapshot_find_address(m->snap, m->rcpts[i], &hit);
		bool is_known = hit.found == CV_REG_ACCOUNT;
		struct cv_str address = is_known ? hit.account.address : m->rcpts[i];
		spam_signup_note(m->server->signup, is_known ? hit.account.acct : 0, address,
			m->author.domain, class);
		if (is_known && m->signup_class != CV_SIGNUP_NEWSLETTER)
			spam_notices_tell(m->server->notices, hit.account.acct, address,
				m->author.domain, (unsigned)m->opt->signup_notice_days);
		cv_log(m->id, CV_INFO, "policy.signup", "id=%s to=<%.*s> service=%.*s class=%s",
			m->queue_id, CV_STR_ARGS(address), CV_STR_ARGS(m->author.domain), class);
	}
	atomic_fetch_add(&m->server->signups, 1);
}
