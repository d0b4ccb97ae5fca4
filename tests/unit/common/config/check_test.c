/* check_test.c - values of options that are text, and yet not any text. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "common/config/check.h"
#include "tests/unit/check.h"

struct found {
	unsigned count;
	char text[400];
};

static void
note(void *arg, const struct cv_config_fault *f)
{
	struct found *found = arg;

	found->count++;
	snprintf(found->text, sizeof found->text, "%s %s %s", f->where ? f->where : "-", f->option,
		f->text);
}

static struct cv_conf *
conf_of(const char *text)
{
	struct cv_conf *conf;
	struct cv_err err;

	assert_int_equal(cv_conf_parse(cv_str_z(text), "c", cv_sections, cv_sections_count, &conf,
		&err), CV_OK);
	return conf;
}

static void
test_defaults__have_no_faults(void **state)
{
	struct cv_conf *conf = conf_of("");
	struct found found = { 0 };

	(void)state;
	if (cv_config_check(conf, NULL, note, &found))
		fail_msg("%s", found.text);
	cv_conf_free(conf);
}

static void
test_values__are_checked_and_their_lines_named(void **state)
{
	static const struct {
		const char *section, *line, *words; /* NULL: fine */
	} rows[] = {
		{ "congvu", "inside_networks = 10.0.0.0/8 2001:db8::/32", NULL },
		{ "congvu", "inside_networks = 10.0.0.0/33", "10.0.0.0/33" },
		{ "congvu", "proxy_networks = frob", "frob" },
		{ "smtpd", "send_classes = app.messages=0  person.first-time=10", NULL },
		{ "smtpd", "send_classes = robot.messages=1", "none of the classes" },
		{ "smtpd", "send_classes = group.messages=1", "none of the classes" },
		{ "smtpd", "send_classes = app.bytes=1", "names no limit" },
		{ "smtpd", "send_classes = app.messages", "has no number" },
		{ "smtpd", "send_classes = app.messages=many", "has no number" },
		{ "smtpd", "send_classes = app.messages=100000001", "has no number" },
		{ "smtpd", "send_classes = messages=1", "none of the classes" },
		{ "admin", "score_weights = 40 20  20 10 10 0", NULL },
		{ "admin", "score_weights = 30 25 20 10 10", "is not 6 numbers" },
		{ "admin", "score_weights = 30 25 20 10 10 5 5", "is not 6 numbers" },
		{ "admin", "score_weights = 30 25 20 10 10 x", "is not 6 numbers" },
		{ "admin", "report_targets = 100 70 90 101", "up to 100" },
		{ "admin", "box_check_times =", NULL },
		{ "admin", "box_check_times = 09:30", NULL },
		{ "admin", "box_check_times = 10:00 15:0", "\"15:0\"" },
		{ "admin", "box_check_times = 10:00 10:00", "not later" },
		{ "smtpd", "display_name = keep", NULL },
		{ "smtpd", "display_name = none", "none of: register keep" },
		{ "congvu", "hostname = mail.lamgiang.example", NULL },
		{ "congvu", "hostname = mail lamgiang", "is no domain" },
		{ "congvu", "official_suffixes = a.example -.example", "\"-.example\"" },
		{ "congvu", "log_level = loud", "none of: error warn info debug" },
		{ "congvu", "dns_forwarders = 127.0.0.1@5353 2001:db8::1", NULL },
		{ "congvu", "dns_forwarders = 127.0.0.1:53", "is no address[@port]" },
		{ "congvu", "dns_forwarders = 127.0.0.1@0", "is no address[@port]" },
		{ "congvu", "oauth_introspection_url = https://id.example:8443/check", NULL },
		{ "congvu", "oauth_introspection_url = https://id.example", NULL },
		{ "congvu", "oauth_introspection_url = http://id.example/", "is no https:// address" },
		{ "congvu", "oauth_introspection_url = https:///check", "is no https:// address" },
		{ "congvu", "oauth_introspection_url = https://id.example:x/", "is no https:// address" },
		{ "congvu", "oauth_claim = name", "none of: username email sub" },
		{ "smtpd", "listen_mx = *:25 [::1]:2525 unix:/run/x", NULL },
		{ "smtpd", "listen_mx = 127.0.0.1", "127.0.0.1" },
		{ "smtpd", "listen_lmtp = 127.0.0.1:99999", "99999" },
		{ "smtpd", "smarthost = relay.example", NULL },
		{ "smtpd", "smarthost = relay.example:2525", NULL },
		{ "smtpd", "smarthost = [192.0.2.1]:25", NULL },
		{ "smtpd", "smarthost = [IPv6:2001:db8::1]", NULL },
		{ "smtpd", "smarthost = relay.example:x", "is no port" },
		{ "smtpd", "smarthost = relay..example", "is no host" },
		{ "smtpd", "smarthost = [192.0.2.256]", "is no host" },
		{ "smtpd", "smarthost = smtps:relay.example:465", NULL },
		{ "smtpd", "transports = a.example=smtp:b.example:26 .a.example=lmtp:unix:/run/x "
			"*=smtps:[192.0.2.1] b.example=error:khong_con", NULL },
		{ "smtpd", "transports = a.example=b.example", "neither by smtp:" },
		{ "smtpd", "transports = a.example=smtp:", "goes nowhere" },
		{ "smtpd", "transports = a..b=smtp:x.example", "names no domain" },
		{ "smtpd", "transports = a.example=smtp:b.example:x", "is no port" },
		{ "smtpd", "split_domains = a.example=old.example:25", NULL },
		{ "smtpd", "split_domains = *=old.example", "names no domain" },
		{ "smtpd", "outbound_tls = a.example=verify .b.example=DANE *=may", NULL },
		{ "smtpd", "outbound_tls = a.example", "is not domain=rule" },
		{ "smtpd", "outbound_tls = a.example=best", "none of: auto none may" },
		{ "smtpd", "outbound_tls = a..b=may", "is no domain" },
		{ "smtpd", "tls_report_contact = tls@lamgiang.example", NULL },
		{ "smtpd", "tls_report_contact = lamgiang.example", "is no mail address" },
		{ "smtpd", "milter_default_action = explode", "none of: accept" },
		{ "imapd", "listen_imaps = 993", "993" },
		{ "admin", "address_template = long", "none of: initials" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct found found = { 0 };
		char text[300];
		snprintf(text, sizeof text, "[%s]\n%s\n", rows[i].section, rows[i].line);
		struct cv_conf *conf = conf_of(text);
		cv_config_check(conf, NULL, note, &found);
		CHECK(rows[i].line, found.count == (rows[i].words != NULL));
		CHECK(rows[i].line, !rows[i].words || strstr(found.text, rows[i].words));
		CHECK(rows[i].line, !rows[i].words || !strncmp(found.text, "c:2 ", 4));
		cv_conf_free(conf);
	}
	CHECK_END();
}

static void
test_a_program__answers_for_its_own_sections(void **state)
{
	static const char *const mine[] = { "congvu", "smtpd", NULL };
	struct cv_conf *conf = conf_of("[imapd]\nlisten_imap = x\n");
	struct cv_err err = { 0 };

	(void)state;
	assert_int_equal(cv_config_require(conf, mine, &err), CV_OK);
	assert_int_equal(cv_config_require(conf, NULL, &err), CV_INVALID);
	assert_non_null(strstr(err.text, "c:2: listen_imap: "));
	cv_conf_free(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults__have_no_faults),
		cmocka_unit_test(test_values__are_checked_and_their_lines_named),
		cmocka_unit_test(test_a_program__answers_for_its_own_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
