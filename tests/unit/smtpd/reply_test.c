/* reply_test.c - each refusal that is policy names a rule that can be explained. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <stdio.h>

#include "smtpd/reply.h"

/* By the subject and detail of the enhanced code: mailbox state, policy, size, recipients, loops,
 * content. What is left is grammar, order, and our own trouble. */
static bool
is_policy(enum smtpd_reply reply)
{
	static const char *const subjects[] = {
		".1.1", ".1.6", ".2.", ".3.4", ".4.6", ".5.3", ".6.", ".7."};
	/* Words of the log-in dialogue itself. */
	static const enum smtpd_reply dialogue[] = {R_TLS_NONE, R_AUTH_CANCEL};
	const char *enhanced = smtpd_reply_enhanced(reply);

	if (smtpd_reply_code(reply) < 400 || !enhanced)
		return false;
	for (size_t i = 0; i < CV_COUNT(dialogue); i++)
		if (dialogue[i] == reply)
			return false;
	for (size_t i = 0; i < CV_COUNT(subjects); i++)
		if (!strncmp(enhanced + 1, subjects[i], strlen(subjects[i])))
			return true;
	return false;
}

/* "[RULE] words" */
static bool
names_rule(const char *words, char rule[64])
{
	const char *end = strchr(words, ']');

	if (words[0] != '[' || !end || end - words > 60 || end[1] != ' ')
		return false;
	snprintf(rule, 64, "%.*s", (int)(end - words - 1), words + 1);
	return true;
}

static void
test_reply__policy_refusals_name_a_rule_that_is_explained(void **state)
{
	(void)state;
	for (int i = 0; i < R_COUNT; i++) {
		enum smtpd_reply reply = (enum smtpd_reply)i;
		const char *words = smtpd_reply_words(reply), *vi = NULL, *en = NULL;
		char rule[64];
		bool named = names_rule(words, rule);
		CHECK(words, named || !is_policy(reply));
		CHECK(words, !named || cv_policy_explain(rule, &vi, &en));
		CHECK(words, !named || (vi[0] && en[0] && strcmp(vi, en) != 0));
	}
	CHECK_END();
}

static void
test_reply__lines_are_ascii_and_short_enough(void **state)
{
	(void)state;
	for (int i = 0; i < R_COUNT; i++) {
		struct cv_buf out = CV_BUF_INIT(4096);
		smtpd_reply_put(&out, (enum smtpd_reply)i);
		bool ascii = true;
		for (size_t k = 0; k < out.n; k++)
			ascii = ascii && (unsigned char)out.p[k] < 127;
		CHECK(out.p, ascii && out.n <= 512);
		cv_buf_done(&out);
	}
	/* the longest address a sentence can hold */
	char address[200];
	memset(address, 'w', sizeof address);
	for (int rule = CV_SENDING_FROZEN; rule <= CV_SENDING_FIRST_TIME; rule++) {
		struct cv_decision d;
		struct cv_buf out = CV_BUF_INIT(4096);
		cv_policy_sending((enum cv_sending_rule)rule, cv_str(address, sizeof address), &d);
		smtpd_reply_decision(&out, &d, false);
		CHECK(d.rule, out.n <= 512);
		CHECK(d.rule, d.smtp_code >= 400 && strchr(out.p, '['));
		cv_buf_done(&out);
	}
	CHECK_END();
}

static void
test_rules__are_listed_once_each_and_explained(void **state)
{
	(void)state;
	const char *rule, *other, *vi, *en;
	size_t n = 0;
	for (; (rule = cv_policy_rule(n)); n++) {
		CHECK(rule, cv_policy_explain(rule, &vi, &en));
		for (size_t k = 0; k < n && (other = cv_policy_rule(k)); k++)
			CHECK(rule, strcmp(rule, other) != 0);
	}
	assert_true(n > 30);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply__policy_refusals_name_a_rule_that_is_explained),
		cmocka_unit_test(test_reply__lines_are_ascii_and_short_enough),
		cmocka_unit_test(test_rules__are_listed_once_each_and_explained),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
