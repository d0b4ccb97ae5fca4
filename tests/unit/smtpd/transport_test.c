/* transport_test.c - the operator's table of where mail goes: what it takes, and who wins. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/transport.h"

static void
test_transports__the_longest_name_wins_split_domains_before_all(void **state)
{
	(void)state;
	static const struct {
		const char *domain, *key;
	} rows[] = {
		{ "a.example",       "smtp:one.example:2525" },
		{ "x.a.example",     "smtps:two.example:465" },
		{ "x.y.a.example",   "smtps:two.example:465" },
		{ "y.a.example",     "lmtp:[192.0.2.1]:24" },
		{ "sock.example",    "lmtp:/run/lmtp.sock:0" },
		{ "stop.example",    "error::0" },
		{ "ours.example",    "smtp:old.example:25" },
		{ "other.example",   "smarthost:relay.example:465" },
		{ "xa.example",      "smarthost:relay.example:465" },
		{ "[192.0.2.9]",     "smarthost:relay.example:465" },
		{ "bare.example",    "smtp:[192.0.2.7]:2526" },
		{ "xn--d-8ga.example", "smtp:[IPv6:2001:db8::1]:26" },
	};
	struct smtpd_transports *t;
	struct cv_err err = { 0 };

	if (smtpd_transports_parse("A.example=smtp:one.example:2525 .a.example=smtps:Two.example "
			"y.a.example=lmtp:[192.0.2.1] sock.example=lmtp:unix:/run/lmtp.sock "
			"bare.example=smtp:192.0.2.7:2526 stop.example=error:khong_con_nua ours.example=smtp:wrong.example "
			"xn--d-8ga.example=smtp:[IPv6:2001:db8::1]:26",
		    "smtps:relay.example", "ours.example=old.example", 25, &t, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const struct smtpd_transport *to =
			smtpd_transports_find(t, cv_str_z(rows[i].domain));
		if (!to || strcmp(to->key, rows[i].key) != 0)
			fail_msg("%s: %s", rows[i].domain, to ? to->key : "none");
	}
	assert_string_equal(smtpd_transports_find(t, CV_STR("stop.example"))->text,
		"khong con nua");
	assert_non_null(smtpd_transports_split(t, CV_STR("OURS.example")));
	assert_null(smtpd_transports_split(t, CV_STR("a.example")));
	smtpd_transports_free(t);
}

static void
test_transports__a_star_goes_before_the_smarthost(void **state)
{
	(void)state;
	struct smtpd_transports *t;
	struct cv_err err = { 0 };

	assert_int_equal(smtpd_transports_parse("*=smtp:all.example", "relay.example", "", 25, &t,
		&err), CV_OK);
	assert_string_equal(smtpd_transports_find(t, CV_STR("x.example"))->key,
		"smtp:all.example:25");
	smtpd_transports_free(t);
	assert_int_equal(smtpd_transports_parse("", "", "", 25, &t, &err), CV_OK);
	assert_null(smtpd_transports_find(t, CV_STR("x.example")));
	smtpd_transports_free(t);
}

static void
test_transports__say_what_is_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *transports, *smarthost, *split;
	} rows[] = {
		{ "a.example", "", "" }, { "a.example=", "", "" }, { "=smtp:b.example", "", "" },
		{ "a.example=b.example", "", "" }, { "a.example=smtp:", "", "" },
		{ "a.example=smtp:b.example:0", "", "" }, { "a.example=smtp:b.example:65536", "", "" },
		{ "a.example=smtp:[192.0.2.1", "", "" }, { "a.example=smtp:[x]", "", "" },
		{ "a.example=lmtp:unix:relative", "", "" }, { "a.example=error:", "", "" },
		{ "a..example=smtp:b.example", "", "" }, { "", "b.example:x", "" },
		{ "", "lmtp:b.example:24:9", "" }, { "", "", "*=b.example" },
		{ "", "", ".a.example=b.example" }, { "", "", "a.example=smtp:" },
	};
	unsigned failed = 0;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct smtpd_transports *t = NULL;
		struct cv_err err = { 0 };
		if (smtpd_transports_parse(rows[i].transports, rows[i].smarthost, rows[i].split, 25,
			    &t, &err) != CV_INVALID || !err.text[0]) {
			print_error("taken: %s|%s|%s\n", rows[i].transports, rows[i].smarthost,
				rows[i].split);
			failed++;
			smtpd_transports_free(t);
		}
	}
	assert_int_equal(failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transports__the_longest_name_wins_split_domains_before_all),
		cmocka_unit_test(test_transports__a_star_goes_before_the_smarthost),
		cmocka_unit_test(test_transports__say_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
