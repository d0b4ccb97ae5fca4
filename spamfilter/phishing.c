/* phishing.c - examiners of mail that deceives (SPM-04) and of advertising that says so (SPM-07):
 * the facts for common/policy's rules, and what follows from these. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/text/address.h"
#include "common/text/domain.h"
#include "common/text/encoded_word.h"
#include "spamfilter/judge.h"
#include "spamfilter/walk/walk.h"

#define HOSTS_MAX    100
#define BULK_WORDS   3 /* fewer say nothing */
#define BULK_WEIGHT  0.4

static const enum spam_rule rule_of[CV_PHISH_COUNT] = {
	[CV_PHISH_MAILBOX] = SPAM_RULE_PHISH_MAILBOX,
	[CV_PHISH_TAX] = SPAM_RULE_PHISH_TAX,
	[CV_PHISH_IT] = SPAM_RULE_PHISH_IT,
	[CV_PHISH_BANK] = SPAM_RULE_PHISH_BANK,
	[CV_PHISH_COURIER] = SPAM_RULE_PHISH_COURIER,
	[CV_PHISH_INVOICE] = SPAM_RULE_PHISH_INVOICE,
	[CV_PHISH_LOGIN_LINK] = SPAM_RULE_PHISH_LOGIN_LINK,
	[CV_PHISH_ASK] = SPAM_RULE_PHISH_ASK,
	[CV_PHISH_URGENCY] = SPAM_RULE_PHISH_URGENCY,
};

/* ---- facts ---- */

struct cv_str
spam_shown_name(struct spam_mail *m)
{
	const struct spam_header_field *f = spam_mail_field(m, "From", 0);
	struct cv_buf name = CV_BUF_INIT(4096);
	struct cv_str out = CV_STR_EMPTY;

	if (f) {
		cv_words_decode(cv_str_sub(f->value, 0, 2000), CV_STR_EMPTY, &name);
		size_t end = cv_str_find(cv_buf_view(&name), '<', 0);
		out = cv_arena_str(&m->arena, cv_str_sub(cv_buf_view(&name), 0, end));
	}
	cv_buf_done(&name);
	return out;
}

static struct cv_str
reply_domain(struct spam_mail *m)
{
	const struct spam_header_field *f = spam_mail_field(m, "Reply-To", 0);
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	struct cv_addr_list list = {0};
	struct cv_str out = CV_STR_EMPTY;

	if (f)
		cv_addr_list_parse(&m->arena, f->value, &list);
	for (size_t i = 0; i < list.n && !out.n; i++)
		if (list.items[i].kind == CV_ADDR_MAILBOX &&
			!cv_domain_to_ascii(list.items[i].host, &ascii, NULL))
			out = cv_arena_str(&m->arena, cv_buf_view(&ascii));
	cv_buf_done(&ascii);
	return out;
}

/* Hosts of the addresses in TEXT that are not the province's. */
static size_t
read_hosts(struct spam_mail *m, struct cv_str text, struct cv_str hosts[HOSTS_MAX])
{
	struct cv_str raw;
	size_t pos = 0, n = 0;

	while (n < HOSTS_MAX && spam_url_next(text, &pos, &raw)) {
		struct spam_url url;
		if (spam_url_parse(&m->arena, raw, &url) &&
			!spam_is_ours(m->server, m->snap, url.host))
			hosts[n++] = url.host;
	}
	return n;
}

/* The same of what the walk over the message found; pictures lead nowhere. */
static size_t
walked_hosts(struct spam_mail *m, struct cv_str hosts[HOSTS_MAX])
{
	const struct spam_url *urls;
	size_t count = spam_walk_urls(m->walk, &urls), n = 0;

	for (size_t i = 0; i < count && n < HOSTS_MAX; i++)
		if (urls[i].source != SPAM_URL_IMAGE && urls[i].host.n &&
			!spam_is_ours(m->server, m->snap, urls[i].host))
			hosts[n++] = urls[i].host;
	return n;
}

static bool
has_password_form(const struct spam_mail *m)
{
	return m->walk && (spam_walk_facts(m->walk) & SPAM_FACT(HTML_PASSWORD));
}

/* A page as attachment: forms come so where filters look at links. */
static bool
has_page(const struct spam_mail *m)
{
	const struct cv_str *files;
	size_t n = cv_content_files(m->content, &files);

	for (size_t i = 0; i < n; i++)
		if (cv_str_has_isuffix(files[i], ".html") ||
			cv_str_has_isuffix(files[i], ".htm") ||
			cv_str_has_isuffix(files[i], ".xhtml") ||
			cv_str_has_isuffix(files[i], ".shtml"))
			return true;
	return false;
}

/* What nobody sees could else fill what is read of a text. */
struct cv_str
spam_seen_text(const struct spam_mail *m)
{
	struct cv_str other = cv_content_other_text(m->content);
	const struct spam_text *texts;
	size_t n = m->walk ? spam_walk_texts(m->walk, &texts) : 0;

	for (size_t i = 0; i < n; i++)
		if (texts[i].is_html && !texts[i].is_attachment)
			return other.n || texts[i].hidden.n ? texts[i].visible : CV_STR_EMPTY;
	return other;
}

/* ---- examiners ---- */

static void
report(struct spam_mail *m, const struct cv_phishing_finding *found)
{
	for (size_t i = 0; i < CV_PHISH_COUNT; i++)
		if (found->found[i])
			spam_found(m, rule_of[i], "%s", found->detail[i]);
	if (found->bulk_words >= BULK_WORDS)
		spam_found_weight(m, SPAM_RULE_BULK_WORDS, BULK_WEIGHT * found->bulk_words,
			"words=%u", found->bulk_words);
}

void
spam_examine_phishing(struct spam_mail *m)
{
	struct cv_str hosts[HOSTS_MAX];
	struct cv_phishing_finding found;

	if (m->is_submission)
		return;
	const char *domain = cv_arena_z(&m->arena, m->author.domain);
	bool vouched = m->author.is_plain && domain[0] && spam_is_vouched(m, domain);
	struct cv_phishing_facts facts = {
		.from_domain = m->author.domain,
		.from_name = spam_shown_name(m),
		.reply_domain = reply_domain(m),
		.subject = m->subject,
		.text = cv_content_text(m->content),
		.link_hosts = hosts,
		.link_count = m->walk ? walked_hosts(m, hosts)
				      : read_hosts(m, cv_content_links(m->content), hosts),
		.is_vouched = vouched,
		.is_ours = vouched && spam_is_ours(m->server, m->snap, m->author.domain),
		.has_form = has_page(m) || has_password_form(m),
	};
	cv_policy_phishing_find(m->policy->policy, &facts, &found);
	report(m, &found);
	facts.text = spam_seen_text(m);
	if (!facts.text.n)
		return;
	cv_policy_phishing_find(m->policy->policy, &facts, &found);
	report(m, &found);
}

bool
spam_is_phishing(const struct spam_mail *m)
{
	for (size_t i = 0; i < CV_PHISH_COUNT; i++)
		if (i != CV_PHISH_URGENCY && spam_has(m, rule_of[i]))
			return true;
	return false;
}

/* SPM-07: who labels advertising wants it known; where it goes is the option's. */
void
spam_examine_advertising(struct spam_mail *m)
{
	const char *option = m->opt->advertising;

	if (m->is_submission || !cv_policy_is_labelled(m->policy->policy, m->subject))
		return;
	spam_found(m, SPAM_RULE_ADVERTISING, "%s", "");
	if (!strcmp(option, "accept"))
		return;
	spam_want(m, !strcmp(option, "junk") ? SPAM_JUNK : SPAM_MARK, NULL);
	spam_policy_mark(m, SPAM_RULE_ADVERTISING);
}
