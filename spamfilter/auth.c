/* auth.c - examiner: SPF and DKIM of mail from outside. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/judge.h"

static void
refuse_by_spf(struct spam_mail *m)
{
	struct cv_decision d = {
		.verdict = CV_REFUSE, .rule = "SPF.fail", .smtp_code = 550, .enhanced = "5.7.23"};

	snprintf(d.en, sizeof d.en,
		"The SPF record of %.100s does not let %s send its mail: use its own mail server.",
		m->spf.domain, m->client_text);
	snprintf(d.vi, sizeof d.vi, "Máy chủ %s không được gửi thư của %.100s theo bản ghi SPF.",
		m->client_text, m->spf.domain);
	spam_want(m, SPAM_REFUSE, &d);
}

void
spam_examine_spf(struct spam_mail *m)
{
	struct spam_spf_ask ask = {.client = &m->client,
		.helo = cv_str_z(m->helo),
		.local = m->sender_local,
		.domain = m->sender_domain,
		.receiver = cv_str_z(m->authserv_id)};

	if (m->has_spf || !m->opt->spf || m->is_submission || m->client.ss_family == AF_UNSPEC)
		return;
	if (m->sender.n && !m->sender_domain.n) /* a literal has no record */
		return;
	spam_spf_check(&m->lookups, &ask, &m->spf);
	m->has_spf = true;
	if (m->spf.result != SPAM_SPF_FAIL)
		return;
	spam_found(m, SPAM_RULE_SPF_FAIL, "%.100s", m->spf.domain);
	if (m->opt->spf_reject_fail)
		refuse_by_spf(m);
}

void
spam_examine_authentication(struct spam_mail *m)
{
	spam_examine_spf(m);
	if (m->verifier) {
		spam_dkim_end(m->verifier);
		m->sig_count = spam_dkim_signatures(m->verifier, m->sigs);
	}
	if (m->is_submission)
		return;
	if (m->progress) /* look-ups may have taken a while, and more come */
		m->progress(m->progress_arg);
}

bool
spam_is_vouched(const struct spam_mail *m, const char *domain)
{
	const struct spam_dmarc *dmarc = m->server->dmarc;
	char ours[256], theirs[256];

	spam_dmarc_organisation(dmarc, domain, ours);
	if (m->has_spf && m->spf.result == SPAM_SPF_PASS) {
		spam_dmarc_organisation(dmarc, m->spf.domain, theirs);
		if (!strcmp(ours, theirs))
			return true;
	}
	for (size_t i = 0; i < m->sig_count; i++) {
		if (m->sigs[i].result != SPAM_DKIM_PASS)
			continue;
		spam_dmarc_organisation(dmarc, m->sigs[i].domain, theirs);
		if (!strcmp(ours, theirs))
			return true;
	}
	return false;
}
