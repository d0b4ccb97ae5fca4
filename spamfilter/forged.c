/* forged.c - examiner: our domains in From, in Sender or in the envelope, from outside, and nobody
 * vouches (POL-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/address.h"
#include "spamfilter/dmarc/guarded.h"
#include "spamfilter/judge.h"

#define SENDER_MAX 1000 /* octets of a Sender field that are read */

/* Domains we had before send no mail from outside either. */
static bool
is_ours(const struct spam_mail *m, struct cv_str domain)
{
	return spam_is_ours(m->server, m->snap, domain) || spam_is_former(m, domain);
}

/* On an isolated network what vouches may be out of reach: then nothing is refused (SMT-04). */
static bool
is_out_of_reach(const struct spam_mail *m)
{
	bool failed = m->has_spf && m->spf.result == SPAM_SPF_TEMPERROR;

	for (size_t i = 0; i < m->sig_count; i++)
		failed |= m->sigs[i].result == SPAM_DKIM_TEMPERROR;
	return failed && m->opt->isolated_network;
}

/* True when DOMAIN is ours and the mail is as good as refused. */
static bool
refuse_forged(struct spam_mail *m, struct cv_str domain, const char *where)
{
	struct cv_decision d;

	if (!cv_policy_named("POL-06.forged-own", domain, &d))
		return false;
	spam_found(m, SPAM_RULE_FORGED_DOMAIN, "%s %.*s", where, CV_STR_ARGS(domain));
	/* An exception of the province's own lets such mail in, marked. */
	if (m->opt->reject_forged_own && !m->dmarc_outcome.is_excepted && !is_out_of_reach(m)) {
		spam_want(m, SPAM_REFUSE, &d);
	} else {
		spam_want(m, SPAM_MARK, NULL);
		spam_policy_mark(m, SPAM_RULE_FORGED_DOMAIN);
	}
	return true;
}

/* Some programs show who is in Sender or Resent-From beside, or instead of, the author. */
static void
check_senders(struct spam_mail *m)
{
	static const char *const names[] = {"Sender", "Resent-From", "Resent-Sender"};

	for (size_t i = 0; i < m->field_count; i++) {
		struct cv_addr_list list;
		bool is_sender = false;
		for (size_t k = 0; k < CV_COUNT(names); k++)
			is_sender |= cv_str_ieq_z(cv_str_trim(m->fields[i].name), names[k]);
		if (!is_sender)
			continue;
		cv_addr_list_parse(&m->arena, cv_str_sub(m->fields[i].value, 0, SENDER_MAX), &list);
		for (size_t k = 0; k < list.n; k++) {
			struct cv_str host = list.items[k].host;
			if (!host.n || !is_ours(m, host) ||
				spam_is_vouched(m, cv_arena_z(&m->arena, host)))
				continue;
			spam_found(m, SPAM_RULE_SENDER_FORGED, "%.*s", CV_STR_ARGS(host));
			spam_want(m, SPAM_MARK, NULL);
			spam_policy_mark(m, SPAM_RULE_SENDER_FORGED);
			return;
		}
	}
}

void
spam_examine_forged(struct spam_mail *m)
{
	const struct spam_author *a = &m->author;

	if (m->is_submission)
		return;
	check_senders(m);
	for (size_t i = 0; i <= a->domain_count; i++) {
		bool is_envelope = i == a->domain_count;
		struct cv_str domain = is_envelope ? m->sender_domain : a->domains[i];
		if (!domain.n || !is_ours(m, domain))
			continue;
		/* An unreadable From vouches for nothing. */
		if ((is_envelope || a->form == SPAM_AUTHOR_PLAIN) &&
			spam_is_vouched(m, cv_arena_z(&m->arena, domain)))
			continue;
		if (refuse_forged(m, domain, is_envelope ? "envelope" : "From"))
			return;
	}
}
