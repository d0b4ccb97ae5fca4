/* conf_test.c - the configuration file: what it sets, what it refuses and in which words. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "common/base/buf.h"
#include "common/options/sections.h"

static enum cv_status
parse(const char *text, struct cv_conf **out, struct cv_err *err)
{
	return cv_conf_parse(cv_str_z(text), "t.conf", cv_sections, cv_sections_count, out, err);
}

static void
test_conf__empty_file_gives_every_default(void **state)
{
	(void)state;
	struct cv_err err = {0};
	struct cv_conf *c;
	assert_int_equal(parse("", &c, &err), CV_OK);
	const struct congvu_options *o = cv_conf_get(c, &congvu_section);
	assert_string_equal(o->base_dir, "/var/lib/congvu");
	assert_string_equal(o->mail_dir, "/var/lib/congvu/mail");
	assert_string_equal(o->log_file, "");
	const struct smtpd_options *s = cv_conf_get(c, &smtpd_section);
	assert_int_equal(s->max_message, 29360128);
	assert_int_equal(s->idle_timeout, 300);
	assert_false(s->allow_loopback_targets);
	const struct imapd_options *i = cv_conf_get(c, &imapd_section);
	assert_int_equal(i->quota_default, (uint64_t)2 << 30);
	cv_conf_free(c);
}

static void
test_conf__values_of_every_kind_are_read(void **state)
{
	(void)state;
	struct cv_err err = {0};
	struct cv_conf *c;
	assert_int_equal(parse("\xef\xbb\xbf# first\r\n"
		"[ smtpd ]  # the server\n"
		"max_message = 30m # thirty\n"
		"\tretry_max=2h\n"
		"allow_loopback_targets = Yes\n"
		"smarthost = relay.example:2525\n"
		"milters =\n"
		"[congvu]\nbase_dir = /srv/congvu/\nprovince = Tỉnh Trà Sơn\nkeys_dir = /etc/congvu/keys\n"
		"[smtpd]\nworkers = 8", &c, &err), CV_OK);
	const struct smtpd_options *s = cv_conf_get(c, &smtpd_section);
	assert_int_equal(s->max_message, 30u << 20);
	assert_int_equal(s->retry_max, 7200);
	assert_true(s->allow_loopback_targets);
	assert_string_equal(s->smarthost, "relay.example:2525");
	assert_string_equal(s->milters, "");
	assert_int_equal(s->workers, 8);
	const struct congvu_options *o = cv_conf_get(c, &congvu_section);
	assert_string_equal(o->province, "Tỉnh Trà Sơn");
	assert_string_equal(o->mail_dir, "/srv/congvu/mail");
	assert_string_equal(o->keys_dir, "/etc/congvu/keys");
	cv_conf_free(c);
}

static void
test_conf__refusals_name_file_line_and_reason(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *want;
	} rows[] = {
		{ "[smtpd]\nmax_mesage = 1M\n",
			"t.conf:2: no option 'max_mesage' in [smtpd]; did you mean 'max_message'?" },
		{ "[smtpd]\nfrobnicate_all = 1\n", "t.conf:2: no option 'frobnicate_all' in [smtpd]" },
		{ "\n\n[smtp]\n", "t.conf:3: no section [smtp]" },
		{ "[smtpd\n", "t.conf:1: ']' is missing after the section's name" },
		{ "workers = 2\n", "t.conf:1: 'workers' stands before any [section]" },
		{ "[smtpd]\nworkers\n", "t.conf:2: 'workers' is neither 'name = value' nor '[section]'" },
		{ "[smtpd]\nworkers = 2\nworkers = 2\n",
			"t.conf:3: 'workers' was given before, at t.conf:2" },
		{ "[smtpd]\nworkers = 257\n", "t.conf:2: workers: value above the most allowed, 256" },
		{ "[smtpd]\nmax_message = 1K\n",
			"t.conf:2: max_message: value below the least allowed, 64K" },
		{ "[smtpd]\nworkers = -1\n", "t.conf:2: workers: '-1' is not a number" },
		{ "[smtpd]\nworkers = 99999999999999999999\n",
			"t.conf:2: workers: '99999999999999999999' is not a number" },
		{ "[smtpd]\nmax_message = 18446744073709551615K\n",
			"t.conf:2: max_message: '18446744073709551615K' is not a size such as 25M" },
		{ "[smtpd]\nidle_timeout = 5 m\n",
			"t.conf:2: idle_timeout: '5 m' is not a duration such as 5m" },
		{ "[smtpd]\nidle_timeout = M\n",
			"t.conf:2: idle_timeout: 'M' is not a duration such as 5m" },
		{ "[spamfilter]\nspf = maybe\n", "t.conf:2: spf: 'maybe' is not yes or no" },
		{ "[imapd]\nseparator = //\n",
			"t.conf:2: separator: length above the most allowed, 1" },
		{ "[imapd]\nseparator =\n", "t.conf:2: separator: length below the least allowed, 1" },
		{ "[congvu]\nprovince = a\x01"
		  "b\n", "t.conf:2: province: a control byte in the value" },
		{ "include /nonexistent/congvu.conf\n",
			"t.conf:1: cannot read the configuration /nonexistent/congvu.conf: No such file or directory" },
		{ "include \n[smtpd]\n", "t.conf:1: 'include' is neither 'name = value' nor '[section]'" },
		{ "[congvu]\ninclude = 1\n", "t.conf:2: no option 'include' in [congvu]" },
	};
	unsigned failed = 0;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_err err = {0};
		struct cv_conf *c = NULL;
		enum cv_status status = parse(rows[i].text, &c, &err);
		if (status == CV_OK || strcmp(err.text, rows[i].want)) {
			print_error("row %zu: status %d\n got  %s\n want %s\n", i, status, err.text,
			            rows[i].want);
			failed++;
		}
		cv_conf_free(c);
	}
	assert_int_equal(failed, 0);
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static enum cv_status
load(const char *dir, const char *name, struct cv_conf **out, struct cv_err *err)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return cv_conf_load(path, cv_sections, cv_sections_count, out, err);
}

static void
test_conf__include_and_relative_base_start_at_the_file(void **state)
{
	(void)state;
	char dir[] = "/tmp/cv_conf_XXXXXX";
	assert_non_null(mkdtemp(dir));
	write_file(dir, "a.conf", "[congvu]\nbase_dir = data\ninclude b.conf\nhostname = mx.example\n");
	write_file(dir, "b.conf", "[smtpd]\nworkers = 3\n");
	write_file(dir, "bad.conf", "[congvu]\ninclude worse.conf\n");
	write_file(dir, "worse.conf", "[smtpd]\n\nworkers = x\n");
	write_file(dir, "loop.conf", "include loop.conf\n");
	struct cv_err err = {0};
	struct cv_conf *c;
	assert_int_equal(load(dir, "a.conf", &c, &err), CV_OK);
	const struct congvu_options *o = cv_conf_get(c, &congvu_section);
	const struct smtpd_options *s = cv_conf_get(c, &smtpd_section);
	char want[256];
	snprintf(want, sizeof want, "%s/data/queue", dir);
	assert_string_equal(o->queue_dir, want);
	assert_string_equal(o->hostname, "mx.example");
	assert_int_equal(s->workers, 3);
	char *resolved = cv_conf_resolve(c, CV_STR("unix:run/x.sock"));
	snprintf(want, sizeof want, "unix:%s/data/run/x.sock", dir);
	assert_string_equal(resolved, want);
	free(resolved);
	resolved = cv_conf_resolve(c, CV_STR("inet:8891@localhost"));
	assert_string_equal(resolved, "inet:8891@localhost");
	free(resolved);
	resolved = cv_conf_resolve_list(c, "tls.pem  /etc/x.pem inet:1@localhost");
	snprintf(want, sizeof want, "%s/data/tls.pem /etc/x.pem inet:1@localhost", dir);
	assert_string_equal(resolved, want);
	free(resolved);
	resolved = cv_conf_resolve_list(c, "");
	assert_string_equal(resolved, "");
	free(resolved);
	cv_conf_free(c);

	assert_int_equal(load(dir, "bad.conf", &c, &err), CV_INVALID);
	snprintf(want, sizeof want, "%s/worse.conf:3: workers: 'x' is not a number", dir);
	assert_string_equal(err.text, want);
	assert_int_equal(load(dir, "loop.conf", &c, &err), CV_LIMIT);
	assert_int_equal(load(dir, "none.conf", &c, &err), CV_NOT_FOUND);
	assert_int_equal(load(dir, ".", &c, &err), CV_INVALID);
	for (const char *const *name = (const char *const[]){ "a.conf", "b.conf", "bad.conf",
			"worse.conf", "loop.conf", NULL }; *name; name++) {
		snprintf(want, sizeof want, "%s/%s", dir, *name);
		unlink(want);
	}
	rmdir(dir);
}

static void
test_conf__printed_defaults_read_back_as_the_defaults(void **state)
{
	(void)state;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	cv_conf_print_default(f, cv_sections, cv_sections_count);
	fclose(f);
	/* "#name = value" becomes "name = value"; "# sentence" stays. */
	for (size_t i = 0; i + 1 < n; i++)
		if (text[i] == '#' && (!i || text[i - 1] == '\n') && text[i + 1] != ' ')
			text[i] = ' ';
	struct cv_err err = {0};
	struct cv_conf *given, *plain;
	if (parse(text, &given, &err))
		fail_msg("%s", err.text);
	assert_int_equal(parse("", &plain, &err), CV_OK);
	const struct smtpd_options *a = cv_conf_get(given, &smtpd_section);
	const struct smtpd_options *b = cv_conf_get(plain, &smtpd_section);
	assert_int_equal(a->queue_life, b->queue_life);
	assert_string_equal(a->listen_mx, b->listen_mx);
	cv_conf_free(given);
	cv_conf_free(plain);
	free(text);
	f = open_memstream(&text, &n);
	cv_conf_print_manual(f, cv_sections, cv_sections_count);
	fclose(f);
	assert_non_null(strstr(text, ".B quota_agency"));
	free(text);
}

static void
test_conf__path_comes_from_option_then_environment(void **state)
{
	(void)state;
	unsetenv("CONGVU_CONF");
	assert_string_equal(cv_conf_path(NULL), "/etc/congvu/congvu.conf");
	setenv("CONGVU_CONF", "/x/y.conf", 1);
	assert_string_equal(cv_conf_path(""), "/x/y.conf");
	assert_string_equal(cv_conf_path("/z.conf"), "/z.conf");
	unsetenv("CONGVU_CONF");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf__empty_file_gives_every_default),
		cmocka_unit_test(test_conf__values_of_every_kind_are_read),
		cmocka_unit_test(test_conf__refusals_name_file_line_and_reason),
		cmocka_unit_test(test_conf__include_and_relative_base_start_at_the_file),
		cmocka_unit_test(test_conf__printed_defaults_read_back_as_the_defaults),
		cmocka_unit_test(test_conf__path_comes_from_option_then_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
