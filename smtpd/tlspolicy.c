/* tlspolicy.c - see tlspolicy.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/tlspolicy.h"

#include <stdlib.h>

#include "common/text/domain.h"

#define RULES_MAX 10000u

/* ---- plans ---- */

static void
set(struct smtpd_tls_plan *p, enum smtpd_tls_level level, const char *policy)
{
	p->level = level;
	p->policy = policy;
}

static void
refuse(struct smtpd_tls_plan *p, const char *policy, const char *why)
{
	set(p, SMTPD_TLS_VERIFY, policy);
	p->is_refused = true;
	p->why = why;
}

static void
set_dane(struct smtpd_tls_plan *p)
{
	set(p, SMTPD_TLS_VERIFY, "dane");
	p->by_dane = true;
}

/* RFC 8689 4.2.1: the way to the server must be as sure as the server. */
static void
plan_require(const struct smtpd_tls_facts *f, struct smtpd_tls_plan *p)
{
	if (f->rule == SMTPD_RULE_NONE)
		refuse(p, "requiretls", "TLS is switched off for this destination");
	else if (f->tlsa == SMTPD_TLSA_USABLE)
		set_dane(p);
	else if (f->sts >= SMTPD_STS_TESTING && f->sts_has_host)
		set(p, SMTPD_TLS_VERIFY, "mta-sts");
	else if (f->route_is_secure)
		set(p, SMTPD_TLS_VERIFY, "dnssec");
	else
		refuse(p, "requiretls",
			"neither DNSSEC nor MTA-STS says that it is the domain's server");
}

static void
plan_auto(const struct smtpd_tls_facts *f, struct smtpd_tls_plan *p)
{
	/* RFC 8461 2: MTA-STS never takes back what DANE asks, nor DANE what MTA-STS does. */
	if (f->sts == SMTPD_STS_ENFORCE && !f->sts_has_host)
		refuse(p, "mta-sts", "the domain's MTA-STS policy does not name this server");
	else if (f->tlsa == SMTPD_TLSA_USABLE)
		set_dane(p);
	else if (f->sts == SMTPD_STS_ENFORCE)
		set(p, SMTPD_TLS_VERIFY, "mta-sts");
	else if (f->tlsa == SMTPD_TLSA_UNUSABLE)
		set(p, SMTPD_TLS_ENCRYPT, "dane-unusable");
	else
		set(p, SMTPD_TLS_MAY, f->sts == SMTPD_STS_TESTING ? "mta-sts-testing" : "may");
	p->is_test = f->sts == SMTPD_STS_TESTING;
	if (p->is_test && !f->sts_has_host)
		p->why = "the domain's MTA-STS policy does not name this server";
}

static void
plan_by_rule(const struct smtpd_tls_facts *f, struct smtpd_tls_plan *p)
{
	switch (f->rule) {
	case SMTPD_RULE_NONE:
		set(p, SMTPD_TLS_NEVER, "none");
		break;
	case SMTPD_RULE_MAY:
		set(p, SMTPD_TLS_MAY, "may");
		break;
	case SMTPD_RULE_ENCRYPT:
		set(p, SMTPD_TLS_ENCRYPT, "encrypt");
		break;
	case SMTPD_RULE_VERIFY:
		set(p, SMTPD_TLS_VERIFY, "verify");
		break;
	case SMTPD_RULE_DANE:
		if (f->tlsa == SMTPD_TLSA_USABLE)
			set_dane(p);
		else
			refuse(p, "dane", "it has no usable TLSA record");
		break;
	case SMTPD_RULE_AUTO:
		plan_auto(f, p);
		break;
	}
}

void
smtpd_tls_plan(const struct smtpd_tls_facts *f, struct smtpd_tls_plan *out)
{
	bool dane_matters = f->wish == SMTPD_WISH_REQUIRE || f->rule == SMTPD_RULE_DANE
		|| (f->rule == SMTPD_RULE_AUTO && f->wish == SMTPD_WISH_USUAL);

	*out = (struct smtpd_tls_plan){ .why = "" };
	if (f->tlsa == SMTPD_TLSA_TEMPFAIL && dane_matters) {
		refuse(out, "dane", "its TLSA records cannot be looked up now");
		out->is_passing = true;
	} else if (f->wish == SMTPD_WISH_REQUIRE) {
		plan_require(f, out);
	} else if (f->wish == SMTPD_WISH_OPTIONAL && f->rule == SMTPD_RULE_AUTO) {
		set(out, SMTPD_TLS_MAY, "tls-optional"); /* RFC 8689 4.3: what domains publish
							  * waits for another message */
	} else {
		plan_by_rule(f, out);
	}
}

/* ---- rules ---- */

struct smtpd_tls_rules {
	size_t count;
	struct {
		char name[CV_DOMAIN_MAX + 2]; /* "*" is kept as "." and fits everything */
		enum smtpd_tls_rule rule;
	} rows[];
};

static bool
read_rule(struct cv_str word, enum smtpd_tls_rule *out)
{
	static const struct {
		const char *word;
		enum smtpd_tls_rule rule;
	} words[] = { { "auto", SMTPD_RULE_AUTO }, { "none", SMTPD_RULE_NONE },
		{ "may", SMTPD_RULE_MAY }, { "encrypt", SMTPD_RULE_ENCRYPT },
		{ "dane", SMTPD_RULE_DANE }, { "verify", SMTPD_RULE_VERIFY } };

	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (cv_str_ieq_z(word, words[i].word)) {
			*out = words[i].rule;
			return true;
		}
	return false;
}

static enum cv_status
read_row(struct smtpd_tls_rules *rules, struct cv_str word, struct cv_err *err)
{
	size_t equals = cv_str_find(word, '=', 0);
	struct cv_str name = cv_str_sub(word, 0, equals);
	struct cv_buf clean = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	enum smtpd_tls_rule rule;

	if (equals >= word.n || !read_rule(cv_str_sub(word, equals + 1, word.n), &rule))
		return cv_fail(err, CV_INVALID,
			"outbound_tls: \"%.*s\" is not domain=auto|none|may|encrypt|dane|verify",
			CV_STR_ARGS(word));
	bool is_below = name.n && name.p[0] == '.';
	if (is_below || cv_str_eq_z(name, "*"))
		cv_buf_c(&clean, '.');
	enum cv_status status = CV_OK;
	if (!cv_str_eq_z(name, "*"))
		status = cv_domain_to_ascii(cv_str_sub(name, is_below, name.n), &clean, NULL);
	if (status != CV_OK || clean.n > CV_DOMAIN_MAX || rules->count == RULES_MAX)
		status = cv_fail(err, CV_INVALID, "outbound_tls: \"%.*s\" is no domain",
			CV_STR_ARGS(name));
	if (status == CV_OK) {
		memcpy(rules->rows[rules->count].name, clean.p, clean.n);
		rules->rows[rules->count++].rule = rule;
	}
	cv_buf_done(&clean);
	return status;
}

enum cv_status
smtpd_tls_rules_parse(const char *list, struct smtpd_tls_rules **out, struct cv_err *err)
{
	struct cv_str rest = cv_str_z(list), word;
	enum cv_status status = CV_OK;
	size_t words = 0;

	while (cv_str_split(&rest, ' ', &word))
		words += word.n > 0;
	struct smtpd_tls_rules *rules =
		cv_calloc(1, sizeof *rules + words * sizeof rules->rows[0]);
	rest = cv_str_z(list);
	while (status == CV_OK && cv_str_split(&rest, ' ', &word))
		if (word.n)
			status = read_row(rules, word, err);
	if (status != CV_OK) {
		smtpd_tls_rules_free(rules);
		return status;
	}
	*out = rules;
	return CV_OK;
}

void
smtpd_tls_rules_free(struct smtpd_tls_rules *rules)
{
	free(rules);
}

static bool
row_fits(const char *name, struct cv_str domain)
{
	size_t n = strlen(name);

	if (name[0] != '.')
		return cv_str_eq_z(domain, name);
	return n == 1 || (domain.n > n && !memcmp(domain.p + domain.n - n, name, n));
}

enum smtpd_tls_rule
smtpd_tls_rules_find(const struct smtpd_tls_rules *rules, const char *domain)
{
	enum smtpd_tls_rule rule = SMTPD_RULE_AUTO;
	size_t longest = 0;

	for (size_t i = 0; i < rules->count; i++) {
		size_t n = strlen(rules->rows[i].name);
		/* The name itself is longer than any part of it that begins with a dot. */
		if (n >= longest && row_fits(rules->rows[i].name, cv_str_z(domain))) {
			longest = n;
			rule = rules->rows[i].rule;
		}
	}
	return rule;
}
