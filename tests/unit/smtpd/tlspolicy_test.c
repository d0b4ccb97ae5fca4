/* tlspolicy_test.c - who decides about TLS, and the operator's list. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "smtpd/tlspolicy.h"
#include "tests/unit/check.h"

enum { USUAL = SMTPD_WISH_USUAL, REQUIRE = SMTPD_WISH_REQUIRE, OPTIONAL = SMTPD_WISH_OPTIONAL };
enum {
	AUTO = SMTPD_RULE_AUTO, NONE = SMTPD_RULE_NONE, MAY = SMTPD_RULE_MAY,
	ENCRYPT = SMTPD_RULE_ENCRYPT, DANE = SMTPD_RULE_DANE, VERIFY = SMTPD_RULE_VERIFY
};
enum {
	NO = SMTPD_TLSA_NONE, UNUSABLE = SMTPD_TLSA_UNUSABLE, USABLE = SMTPD_TLSA_USABLE,
	LOST = SMTPD_TLSA_TEMPFAIL
};
enum {
	ABSENT = SMTPD_STS_ABSENT, STS_NONE = SMTPD_STS_NONE, TESTING = SMTPD_STS_TESTING,
	ENFORCE = SMTPD_STS_ENFORCE
};

static void
test_plan__heeds_message_operator_dane_and_sts_in_this_order(void **state)
{
	static const struct {
		const char *name;
		int wish, rule, secure, tlsa, sts, has_host;
		const char *want; /* level, policy, "dane" by records; or "refused", "later" */
	} rows[] = {
		{ "nobody speaks", USUAL, AUTO, 0, NO, ABSENT, 0, "may may" },
		{ "usable records", USUAL, AUTO, 1, USABLE, ABSENT, 0, "verify dane dane" },
		{ "unusable records", USUAL, AUTO, 1, UNUSABLE, ABSENT, 0,
			"encrypt dane-unusable" },
		{ "records lost", USUAL, AUTO, 1, LOST, ABSENT, 0, "later" },
		{ "enforce", USUAL, AUTO, 0, NO, ENFORCE, 1, "verify mta-sts" },
		{ "enforce, not named", USUAL, AUTO, 0, NO, ENFORCE, 0, "refused" },
		{ "enforce and records", USUAL, AUTO, 1, USABLE, ENFORCE, 1, "verify dane dane" },
		{ "enforce, records, not named", USUAL, AUTO, 1, USABLE, ENFORCE, 0, "refused" },
		{ "enforce beats unusable", USUAL, AUTO, 1, UNUSABLE, ENFORCE, 1, "verify mta-sts" },
		{ "enforce does not heal", USUAL, AUTO, 1, LOST, ENFORCE, 1, "later" },
		{ "testing", USUAL, AUTO, 0, NO, TESTING, 0, "may mta-sts-testing" },
		{ "mode none", USUAL, AUTO, 0, NO, STS_NONE, 0, "may may" },
		{ "operator: none", USUAL, NONE, 1, USABLE, ENFORCE, 0, "never none" },
		{ "operator: may", USUAL, MAY, 1, LOST, ENFORCE, 0, "may may" },
		{ "operator: encrypt", USUAL, ENCRYPT, 0, NO, ABSENT, 0, "encrypt encrypt" },
		{ "operator: verify", USUAL, VERIFY, 0, NO, ABSENT, 0, "verify verify" },
		{ "operator: dane", USUAL, DANE, 1, USABLE, ABSENT, 0, "verify dane dane" },
		{ "operator: dane, none there", USUAL, DANE, 1, NO, ABSENT, 0, "refused" },
		{ "operator: dane, lost", USUAL, DANE, 1, LOST, ABSENT, 0, "later" },
		{ "REQUIRETLS, nothing sure", REQUIRE, AUTO, 0, NO, ABSENT, 0, "refused" },
		{ "REQUIRETLS, records", REQUIRE, AUTO, 1, USABLE, ABSENT, 0, "verify dane dane" },
		{ "REQUIRETLS, DNSSEC alone", REQUIRE, AUTO, 1, NO, ABSENT, 0, "verify dnssec" },
		{ "REQUIRETLS, enforce", REQUIRE, AUTO, 0, NO, ENFORCE, 1, "verify mta-sts" },
		{ "REQUIRETLS, testing", REQUIRE, AUTO, 0, NO, TESTING, 1, "verify mta-sts" },
		{ "REQUIRETLS, not named", REQUIRE, AUTO, 0, NO, ENFORCE, 0, "refused" },
		{ "REQUIRETLS, operator: none", REQUIRE, NONE, 1, USABLE, ABSENT, 0, "refused" },
		{ "REQUIRETLS, operator: may", REQUIRE, MAY, 0, NO, ABSENT, 0, "refused" },
		{ "REQUIRETLS, lost", REQUIRE, MAY, 1, LOST, ABSENT, 0, "later" },
		{ "optional", OPTIONAL, AUTO, 1, USABLE, ENFORCE, 0, "may tls-optional" },
		{ "optional, lost", OPTIONAL, AUTO, 1, LOST, ABSENT, 0, "may tls-optional" },
		{ "optional, operator: encrypt", OPTIONAL, ENCRYPT, 0, NO, ABSENT, 0,
			"encrypt encrypt" },
		{ "optional, operator: dane", OPTIONAL, DANE, 1, LOST, ABSENT, 0, "later" },
	};
	static const char *const levels[] = { "never", "may", "encrypt", "verify" };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct smtpd_tls_facts f = { .wish = (enum smtpd_tls_wish)rows[i].wish,
			.rule = (enum smtpd_tls_rule)rows[i].rule,
			.route_is_secure = rows[i].secure,
			.tlsa = (enum smtpd_tlsa_state)rows[i].tlsa,
			.sts = (enum smtpd_sts_mode)rows[i].sts, .sts_has_host = rows[i].has_host };
		struct smtpd_tls_plan p;
		char got[100];
		smtpd_tls_plan(&f, &p);
		snprintf(got, sizeof got, "%s %s%s", levels[p.level], p.policy,
			p.by_dane ? " dane" : "");
		if (p.is_refused)
			snprintf(got, sizeof got, "%s", p.is_passing ? "later" : "refused");
		if (strcmp(got, rows[i].want) != 0)
			print_error("got %s\n", got);
		CHECK(rows[i].name, !strcmp(got, rows[i].want));
		CHECK(rows[i].name, (p.is_refused || p.is_test) == (p.why[0] != '\0'));
	}
	CHECK_END();
}

static void
test_rules__the_longest_fitting_name_counts(void **state)
{
	static const char list[] = "*=encrypt  a.example=none .a.example=dane .b.a.example=verify "
				   "c.b.a.example=may xn--bcher-kva.example=auto b\xc3\xbc.example=none";
	static const struct {
		const char *domain;
		int want;
	} rows[] = {
		{ "other.example", ENCRYPT }, { "a.example", NONE }, { "x.a.example", DANE },
		{ "xa.example", ENCRYPT }, { "b.a.example", DANE }, { "x.b.a.example", VERIFY },
		{ "c.b.a.example", MAY }, { "d.c.b.a.example", VERIFY },
		{ "xn--bcher-kva.example", AUTO }, { "xn--b-eha.example", NONE },
		{ "[192.0.2.1]", ENCRYPT },
	};
	struct smtpd_tls_rules *rules;
	struct cv_err err = { 0 };

	(void)state;
	assert_int_equal(smtpd_tls_rules_parse(list, &rules, &err), CV_OK);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].domain,
			(int)smtpd_tls_rules_find(rules, rows[i].domain) == rows[i].want);
	smtpd_tls_rules_free(rules);
	assert_int_equal(smtpd_tls_rules_parse("", &rules, &err), CV_OK);
	CHECK("empty", smtpd_tls_rules_find(rules, "a.example") == SMTPD_RULE_AUTO);
	smtpd_tls_rules_free(rules);
	CHECK_END();
}

static void
test_rules__refuse_what_is_none(void **state)
{
	static const char *const lists[] = { "a.example", "a.example=", "a.example=secure", "=may",
		".=may", "a b=may", "a..example=may", "a.example=may=may" };
	struct smtpd_tls_rules *rules;
	struct cv_err err;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(lists); i++)
		CHECK(lists[i], smtpd_tls_rules_parse(lists[i], &rules, &err) == CV_INVALID);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan__heeds_message_operator_dane_and_sts_in_this_order),
		cmocka_unit_test(test_rules__the_longest_fitting_name_counts),
		cmocka_unit_test(test_rules__refuse_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
