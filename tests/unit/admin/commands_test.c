/* commands_test.c - the table of commands is whole, help works in both languages, copies are fresh.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/cli.h"
#include "admin/commands.h"
#include "admin/files.h"
#include "admin/manual.h"
#include "common/text/charset.h"

#define TEXT_MAX (1u << 20)

static const char *
name_of(const struct admin_command *c)
{
	static char name[64];

	snprintf(name, sizeof name, "%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "");
	return name;
}

/* Runs `congvu WORDS...` with standard output and error in *TEXT_OUT (the caller frees it). */
static int
run(char **words, char **text_out)
{
	char *argv[24] = {(char *)"congvu"};
	char path[] = "/tmp/cv_commands_XXXXXX";
	int argc = 1, fd = mkstemp(path), out = dup(1), error = dup(2);
	struct cv_str text;
	struct cv_err err = {0};

	assert_true(fd >= 0);
	while (words[argc - 1]) {
		argv[argc] = words[argc - 1];
		argc++;
	}
	fflush(stdout);
	fflush(stderr);
	dup2(fd, 1);
	dup2(fd, 2);
	int code = admin_cli(argc, argv);
	fflush(stdout);
	fflush(stderr);
	dup2(out, 1);
	dup2(error, 2);
	close(out);
	close(error);
	close(fd);
	assert_int_equal(admin_file_read(path, TEXT_MAX, &text, &err), CV_OK);
	unlink(path);
	*text_out = (char *)text.p;
	return code;
}

static bool
is_vietnamese(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			return true;
	return false;
}

static void
test_table__has_every_text_of_every_command(void **state)
{
	(void)state;
	assert_true(admin_commands_count >= 27);
	for (size_t i = 0; i < admin_commands_count; i++) {
		const struct admin_command *c = admin_commands[i];
		const char *name = name_of(c);
		unsigned options = 0;

		CHECK(name, c->run && c->help && c->help[0] && c->words);
		CHECK(name, c->help_vi && is_vietnamese(c->help_vi) &&
				    cv_utf8_is_valid(cv_str_z(c->help_vi)));
		CHECK(name, !is_vietnamese(c->help));
		CHECK(name, c->examples && strstr(c->examples, "congvu") &&
				    !strchr("\n", c->examples[strlen(c->examples) - 1]));
		CHECK(name, c->words_min <= c->words_max && c->words_max <= ADMIN_WORDS_MAX);
		CHECK(name, (c->words_max > 0) == (c->words[0] != '\0'));
		for (const struct admin_option *o = c->options; o && o->name; o++, options++) {
			CHECK(name, o->help && o->help[0] && o->help_vi && o->help_vi[0]);
			for (const struct admin_option *p = c->options; p != o; p++)
				CHECK(o->name, strcmp(p->name, o->name) != 0);
			CHECK(o->name, strcmp(o->name, "json") && strcmp(o->name, "conf") &&
					       strcmp(o->name, "lang") && strcmp(o->name, "help") &&
					       strcmp(o->name, "yes") && strcmp(o->name, "as") &&
					       strcmp(o->name, "as-password-stdin"));
		}
		CHECK(name, options <= ADMIN_OPTIONS_MAX);
		for (size_t k = 0; k < i; k++)
			CHECK(name, strcmp(admin_commands[k]->noun, c->noun) ||
					    !admin_commands[k]->verb || !c->verb ||
					    strcmp(admin_commands[k]->verb, c->verb));
	}
	CHECK_END();
}

static void
test_help__of_each_command_explains_it_in_both_languages(void **state)
{
	(void)state;
	for (size_t i = 0; i < admin_commands_count; i++) {
		const struct admin_command *c = admin_commands[i];
		for (int vi = 0; vi < 2; vi++) {
			char *words[6] = {
				(char *)"--lang", (char *)(vi ? "vi" : "en"), (char *)c->noun};
			int n = 3;
			char *text;
			if (c->verb)
				words[n++] = (char *)c->verb;
			words[n] = (char *)"--help";
			int code = run(words, &text);
			CHECK(name_of(c), code == EXIT_OK);
			CHECK(name_of(c), strstr(text, vi ? c->help_vi : c->help) != NULL);
			CHECK(name_of(c), strstr(text, c->examples) != NULL);
			for (const struct admin_option *o = c->options; o && o->name; o++)
				CHECK(o->name, strstr(text, vi ? o->help_vi : o->help) != NULL);
			free(text);
		}
	}
	CHECK_END();
}

static void
test_cli__answers_wrong_command_lines_with_64(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *name, *words[6];
		const char *want;
	} rows[] = {
		{ "nothing",          { NULL },                                      "Usage" },
		{ "unknown noun",     { "frob", "add" },
			"no such command" },
		{ "unknown verb",     { "domain", "frob" },
			"no such command" },
		{ "noun alone",       { "domain" },
			"no such command" },
		{ "unknown option",   { "domain", "add", "a.example", "--frob" },
			"unknown option" },
		{ "option's value",   { "domain", "add", "a.example", "--alias-of" },
			"needs a value" },
		{ "missing word",     { "domain", "add" },
			"an argument is missing" },
		{ "too many words",   { "domain", "list", "x" },
			"one word too many" },
		{ "global option",    { "--frob", "domain" },
			"unknown option" },
		{ "queue without id", { "queue", "retry" },
			"name one message" },
		{ "id and --all",     { "queue", "hold", "1", "--all" },
			"name one message" },
		{ "delete, no --yes", { "queue", "delete", "1" },                    "--yes" },
		{ "bounce, no --yes", { "queue", "bounce", "--all" },                "--yes" },
		{ "retire, no --yes", { "account", "retire", "a.stp" },              "--yes" },
		{ "path, not domain", { "dkim", "show", "../../etc" },
			"a label of a domain" },
		{ "half a domain",    { "dkim", "show", "etc/passwd" },
			"not a whole domain" },
		{ "few bits",         { "dkim", "keygen", "a.example", "--bits", "512" },
			"1024 to 4096" },
		{ "page",             { "manual", "frob" },
			"the pages are" },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char *words[9] = {(char *)"--lang", (char *)"en"}, *text;
		for (size_t k = 0; k < CV_COUNT(rows[i].words) && rows[i].words[k]; k++)
			words[2 + k] = (char *)rows[i].words[k];
		int code = run(words, &text);
		if (code != EXIT_USAGE || !strstr(text, rows[i].want))
			print_error("%s: exit %d, %s\n", rows[i].name, code, text);
		CHECK(rows[i].name, code == EXIT_USAGE);
		CHECK(rows[i].name, strstr(text, rows[i].want) != NULL);
		free(text);
	}
	CHECK_END();
}

static void
test_cli__says_faults_as_json_when_asked(void **state)
{
	(void)state;
	char *words[] = {(char *)"--conf", (char *)"/nowhere/congvu.conf", (char *)"domain",
		(char *)"list", (char *)"--json", NULL};
	char *text;

	assert_int_equal(run(words, &text), EXIT_CONFIG);
	json_t *o = json_loads(text, 0, NULL);
	assert_non_null(o);
	assert_true(json_is_false(json_object_get(o, "ok")));
	assert_non_null(
		strstr(json_string_value(json_object_get(o, "error")), "/nowhere/congvu.conf"));
	json_decref(o);
	free(text);
}

static void
test_width__counts_columns_of_vietnamese(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *text;
		size_t want;
	} rows[] = {
		{ "", 0 }, { "abc", 3 }, { "Đặng Thị Duyên", 14 }, { "Hoa\xcc\x80", 3 }, { "ữ", 1 },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].text, admin_width(rows[i].text) == rows[i].want);
	CHECK_END();
}

static void
test_put__lets_no_control_character_reach_the_terminal(void **state)
{
	(void)state;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	admin_put(f, "a\x1b[31mđỏ\x07\r\n\xc2\x9bz\x7f");
	fclose(f);
	assert_string_equal(text, "a?[31mđỏ????z?");
	free(text);
}

/* ---- copies made of the tables ---- */

static void
compare(const char *path, const char *wanted, const char *how)
{
	struct cv_str text;
	struct cv_err err = {0};

	if (admin_file_read(path, TEXT_MAX, &text, &err))
		fail_msg("%s", err.text);
	/* What stands above the copy is the file's own. */
	const char *at = strstr(text.p, wanted);
	bool same = at && at[strlen(wanted)] == '\0';
	free((char *)text.p);
	if (!same)
		fail_msg("%s is older than its table: run `%s > %s`", path, how, path);
}

static void
test_copies__are_what_the_tables_say(void **state)
{
	(void)state;
	static void (*const printers[])(FILE *) = {admin_manual_commands, admin_manual_conf};
	static const char *const paths[] = {"docs/man/congvu.1", "docs/man/congvu.conf.5"};
	static const char *const hows[] = {"congvu manual congvu", "congvu manual congvu.conf"};
	char *text;
	size_t n;
	FILE *f;

	for (size_t i = 0; i < CV_COUNT(printers); i++) {
		f = open_memstream(&text, &n);
		printers[i](f);
		fclose(f);
		compare(paths[i], text, hows[i]);
		free(text);
	}
	f = open_memstream(&text, &n);
	cv_conf_print_default(f, cv_sections, cv_sections_count);
	fclose(f);
	compare("conf/congvu.conf", text, "(head -5 conf/congvu.conf; congvu config show)");
	free(text);
}

static void
test_default_file__is_taken_as_it_stands(void **state)
{
	(void)state;
	struct cv_conf *conf;
	struct cv_err err = {0};

	if (cv_conf_load("conf/congvu.conf", cv_sections, cv_sections_count, &conf, &err))
		fail_msg("%s", err.text);
	cv_conf_free(conf);
}

int
main(void)
{
	/* clang-format off */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table__has_every_text_of_every_command),
		cmocka_unit_test(test_help__of_each_command_explains_it_in_both_languages),
		cmocka_unit_test(test_cli__answers_wrong_command_lines_with_64),
		cmocka_unit_test(test_cli__says_faults_as_json_when_asked),
		cmocka_unit_test(test_width__counts_columns_of_vietnamese),
		cmocka_unit_test(test_put__lets_no_control_character_reach_the_terminal),
		cmocka_unit_test(test_copies__are_what_the_tables_say),
		cmocka_unit_test(test_default_file__is_taken_as_it_stands),
	};
	/* clang-format on */
	setenv("LC_ALL", "C", 1);
	unsetenv("CONGVU_CONF");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
