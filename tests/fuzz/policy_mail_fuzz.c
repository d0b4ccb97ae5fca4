/* fuzz: policy */
/* Any text as subject, text and names: rules answer in time, and never with a piece of it; any text
 * as a phrase of the data. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/policy/mail.h"
#include "common/policy/phrases.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cv_policy *
policy(void)
{
	static struct cv_policy *p;
	struct cv_err err;

	if (!p && cv_policy_load(NULL, "lamgiang.example", &p, &err))
		abort();
	return p;
}

static void
check_detail(const char *detail)
{
	assert(strlen(detail) <= CV_POLICY_DETAIL_MAX);
	for (const char *c = detail; *c; c++)
		assert(*c >= ' ' && *c <= '~');
}

static void
check_phrase(struct cv_str line, struct cv_str text)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct policy_phrases phrases = {0};
	struct policy_hits hits = {0};
	struct cv_buf flat = CV_BUF_INIT(20000);
	struct cv_err err;

	policy_flatten(text, 2048, &flat);
	if (policy_phrases_add(&phrases, &arena, cv_str_sub(line, 0, 200), 0, &err) == CV_OK)
		policy_phrases_find(&phrases, cv_buf_view(&flat), &hits);
	policy_phrases_done(&phrases);
	cv_arena_done(&arena);
	cv_buf_done(&flat);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str all = cv_str((const char *)data, size), subject, local, name, text = all;
	struct cv_str hosts[2] = {CV_STR("evil.example"), CV_STR_EMPTY};
	struct cv_phishing_finding phishing;
	struct cv_signup_finding signup;

	(void)cv_str_split(&text, '\n', &local);
	(void)cv_str_split(&text, '\n', &name);
	(void)cv_str_split(&text, '\n', &subject);
	hosts[1] = cv_str_sub(name, 0, 200);
	struct cv_signup_facts f = {.from_local = local,
		.from_domain = CV_STR("shop.example"),
		.from_name = name,
		.subject = subject,
		.text = text,
		.token_links = 1};
	cv_policy_signup_find(policy(), &f, &signup);
	check_detail(signup.detail);
	struct cv_phishing_facts g = {.from_domain = CV_STR("shop.example"),
		.from_name = name,
		.subject = subject,
		.text = text,
		.link_hosts = hosts,
		.link_count = 2};
	cv_policy_phishing_find(policy(), &g, &phishing);
	for (size_t i = 0; i < CV_PHISH_COUNT; i++)
		check_detail(phishing.detail[i]);
	(void)cv_policy_is_labelled(policy(), subject);
	(void)cv_policy_is_own_name(name, local, subject);
	(void)cv_policy_typo(policy(), local);
	check_phrase(subject, text);
	return 0;
}
