/* auth.c - examiner: SPF, DKIM, ARC, S/MIME of mail from outside, and its host. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "spamfilter/judge.h"
#include "spamfilter/spf/libspf2.h"

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
spam_auth_spf_ask(const struct spam_mail *m, struct spam_spf_ask *out)
{
	*out = (struct spam_spf_ask){.client = &m->client,
		.helo = cv_str_z(m->helo),
		.local = m->sender_local,
		.domain = m->sender_domain,
		.receiver = cv_str_z(m->authserv_id)};
}

/* Our own evaluation decides; that libspf2 walks otherwise is something to be looked into. */
static void
cross_check_spf(struct spam_mail *m, const struct spam_spf_ask *ask)
{
	enum spam_spf_result second = spam_spf_libspf2(&m->lookups, ask);

	if (second == m->spf.result)
		return;
	atomic_fetch_add(&m->server->spf_differs, 1);
	cv_log(m->id, CV_WARN, "spf.differs", "id=%s client=%s domain=%s ours=%s libspf2=%s",
		m->queue_id, m->client_text, m->spf.domain, spam_spf_word(m->spf.result),
		spam_spf_word(second));
}

void
spam_examine_spf(struct spam_mail *m)
{
	static const struct {
		enum spam_spf_result result;
		enum spam_rule rule;
	} rows[] = {
		{SPAM_SPF_FAIL,      SPAM_RULE_SPF_FAIL     },
		{SPAM_SPF_SOFTFAIL,  SPAM_RULE_SPF_SOFTFAIL },
		{SPAM_SPF_PERMERROR, SPAM_RULE_SPF_PERMERROR},
	};
	struct spam_spf_ask ask;

	if (m->has_spf || !m->opt->spf || m->is_submission || m->client.ss_family == AF_UNSPEC)
		return;
	if (m->sender.n && !m->sender_domain.n) /* a literal has no record */
		return;
	spam_auth_spf_ask(m, &ask);
	spam_spf_check(&m->lookups, &ask, &m->spf);
	m->has_spf = true;
	if (m->opt->spf_cross_check)
		cross_check_spf(m, &ask);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (m->spf.result == rows[i].result)
			spam_found(m, rows[i].rule, "%.100s", m->spf.domain);
	if (m->spf.result == SPAM_SPF_FAIL && m->opt->spf_reject_fail)
		refuse_by_spf(m);
}

/* The HELO identity too, as RFC 7208 2.3 recommends; it only weighs. */
static void
check_helo_spf(struct spam_mail *m)
{
	struct spam_spf_ask ask;

	if (!m->has_spf || m->spf.by_helo || !m->opt->spf_helo || !m->helo[0])
		return;
	spam_auth_spf_ask(m, &ask);
	ask.local = ask.domain = CV_STR_EMPTY;
	spam_spf_check(&m->lookups, &ask, &m->auth.helo_spf);
	m->auth.has_helo_spf = m->auth.helo_spf.domain[0] != '\0';
	if (m->auth.helo_spf.result == SPAM_SPF_FAIL)
		spam_found(m, SPAM_RULE_SPF_HELO_FAIL, "%.100s", m->auth.helo_spf.domain);
}

static void
check_arc(struct spam_mail *m)
{
	struct spam_auth *a = &m->auth;

	if (!m->opt->arc)
		return;
	a->has_arc = true;
	a->arc = (struct spam_arc_answer){.why = ""};
	if (!a->chain)
		return;
	spam_arc_end(a->chain, &a->arc);
	if (!m->author.is_plain || m->author.domain_count != 1)
		return;
	a->vouching =
		spam_arc_vouching(&a->arc, cv_str_z(m->opt->arc_trusted_sealers), m->author.domain);
	if (a->vouching)
		spam_found(m, SPAM_RULE_ARC_TRUSTED, "%.100s", a->vouching->sealer);
}

static void
check_smime(struct spam_mail *m)
{
	const struct spam_header_field *type = spam_mail_field(m, "Content-Type", 0);
	const struct spam_header_field *encoding =
		spam_mail_field(m, "Content-Transfer-Encoding", 0);
	struct cv_buf author = CV_BUF_INIT(1024);

	if (!m->opt->smime || !type || !spam_smime_is_signed(type->value) ||
		spam_body_is_cut(&m->body))
		return;
	if (m->author.is_plain) {
		cv_buf_str(&author, m->author.local);
		cv_buf_c(&author, '@');
		cv_buf_str(&author, m->author.domain);
	}
	spam_smime_check(m->policy->smime, type->value, encoding ? encoding->value : CV_STR_EMPTY,
		spam_body_view(&m->body), cv_buf_view(&author), &m->auth.smime);
	m->auth.has_smime = true;
	cv_buf_done(&author);
	if (m->auth.smime.result == SPAM_SMIME_PASS)
		spam_found(m, SPAM_RULE_SMIME_SIGNED, "%.100s", m->auth.smime.signer);
	else if (m->auth.smime.result == SPAM_SMIME_POLICY)
		spam_found(m, SPAM_RULE_SMIME_UNTRUSTED, "%.100s", m->auth.smime.why);
	else if (m->auth.smime.result == SPAM_SMIME_FAIL)
		spam_found(m, SPAM_RULE_SMIME_BROKEN, "%.100s", m->auth.smime.why);
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
	check_helo_spf(m);
	check_arc(m);
	spam_auth_host(m);
	check_smime(m);
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
