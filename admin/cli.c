/* cli.c - see cli.h. Options may stand anywhere behind the verb; "--" ends them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/cli.h"

#include "admin/admin.h"
#include "common/base/log.h"
#include "common/base/str.h"

static const char *
locale_of_environment(void)
{
	static const char *const names[] = {"CONGVU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"};

	for (size_t i = 0; i < CV_COUNT(names); i++) {
		const char *value = getenv(names[i]);
		if (value && value[0])
			return value;
	}
	return "C";
}

/* ---- help ---- */

/* NOUN: only what can be done with it; NULL: everything. */
static void
print_overview(const struct admin_call *call, const char *noun, FILE *to)
{
	fprintf(to, "%s\n\n",
		admin_say(call, "congvu: official mail for a province",
			"congvu: thư điện tử công vụ của tỉnh"));
	fprintf(to, "%s: congvu [--conf FILE] [--json] [--lang vi|en] [--as ADDRESS] [--yes] %s %s\n\n",
		admin_say(call, "Usage", "Cách dùng"),
		noun ? noun : admin_say(call, "NOUN", "DANH_TỪ"),
		admin_say(call, "VERB [ARGUMENTS]", "ĐỘNG_TỪ [THAM SỐ]"));
	for (size_t i = 0; i < admin_commands_count; i++) {
		const struct admin_command *c = admin_commands[i];
		char name[64];
		if (noun && strcmp(c->noun, noun) != 0)
			continue;
		snprintf(name, sizeof name, "%s%s%s", c->noun, c->verb ? " " : "",
			c->verb ? c->verb : "");
		fprintf(to, "  %-26s  %s\n", name, admin_say(call, c->help, c->help_vi));
	}
	fprintf(to, "\n%s:\n", admin_say(call, "Exit codes", "Mã kết thúc"));
	for (size_t i = 0; i < admin_exits_count; i++)
		fprintf(to, "  %2d  %s\n", admin_exits[i].code,
			admin_say(call, admin_exits[i].en, admin_exits[i].vi));
	fprintf(to, "\n");
	fprintf(to, admin_say(call, "`congvu %s %s --help` shows options and examples.\n",
			    "`congvu %s %s --help` cho biết tùy chọn và ví dụ.\n"),
		noun ? noun : admin_say(call, "NOUN", "DANH_TỪ"),
		admin_say(call, "VERB", "ĐỘNG_TỪ"));
}

static void
print_command_help(const struct admin_call *call, FILE *to)
{
	const struct admin_command *c = call->command;

	fprintf(to, "%s: congvu %s%s%s%s%s%s\n\n%s\n", admin_say(call, "Usage", "Cách dùng"),
		c->noun, c->verb ? " " : "", c->verb ? c->verb : "", c->words[0] ? " " : "",
		c->words, c->options ? admin_say(call, " [OPTIONS]", " [TÙY CHỌN]") : "",
		admin_say(call, c->help, c->help_vi));
	if (c->options)
		fprintf(to, "\n%s:\n", admin_say(call, "Options", "Tùy chọn"));
	for (const struct admin_option *o = c->options; o && o->name; o++) {
		char name[64];
		snprintf(name, sizeof name, "--%s%s%s", o->name, o->argument ? " " : "",
			o->argument ? o->argument : "");
		fprintf(to, "  %-24s %s\n", name, admin_say(call, o->help, o->help_vi));
	}
	if (c->examples)
		fprintf(to, "\n%s:\n%s\n", admin_say(call, "Examples", "Ví dụ"), c->examples);
}

/* ---- arguments ---- */

static int
usage_fault(const struct admin_call *call, const char *en, const char *vi, const char *what)
{
	char text_en[300], text_vi[300];

	snprintf(text_en, sizeof text_en, "%s: %s", en, what);
	snprintf(text_vi, sizeof text_vi, "%s: %s", vi, what);
	admin_error(call, EXIT_USAGE, text_en, text_vi);
	if (!call->json && call->command)
		print_command_help(call, stderr);
	return EXIT_USAGE;
}

static const struct admin_command *
find_command(const char *noun, const char *verb)
{
	for (size_t i = 0; i < admin_commands_count; i++) {
		const struct admin_command *c = admin_commands[i];
		if (!strcmp(c->noun, noun) && (!c->verb || (verb && !strcmp(c->verb, verb))))
			return c;
	}
	return NULL;
}

static bool
is_noun(const char *word)
{
	for (size_t i = 0; i < admin_commands_count; i++)
		if (!strcmp(admin_commands[i]->noun, word))
			return true;
	return false;
}

/* The global option at ARGV[*i], wherever it stands. */
static bool
take_global(struct admin_call *call, int argc, char **argv, int *i, bool *help)
{
	const char *a = argv[*i];

	if (!strcmp(a, "--json"))
		call->json = true;
	else if (!strcmp(a, "--yes"))
		call->yes = true;
	else if (!strcmp(a, "--as-password-stdin"))
		call->password_stdin = true;
	else if (!strcmp(a, "--as") && *i + 1 < argc)
		call->as = argv[++*i];
	else if (!strncmp(a, "--as=", 5))
		call->as = a + 5;
	else if (!strcmp(a, "--help") || !strcmp(a, "-h"))
		*help = true;
	else if (!strcmp(a, "--conf") && *i + 1 < argc)
		call->conf_option = argv[++*i];
	else if (!strncmp(a, "--conf=", 7))
		call->conf_option = a + 7;
	else if (!strcmp(a, "--lang") && *i + 1 < argc)
		admin_set_language(call, argv[++*i]);
	else
		return false;
	return true;
}

/* An option of the command: "--name value", "--name=value" or a switch. 0: none of these. */
static int
take_option(struct admin_call *call, int argc, char **argv, int *i)
{
	struct cv_str word = cv_str_z(argv[*i] + 2);
	size_t equals = cv_str_find(word, '=', 0);
	struct cv_str name = cv_str_sub(word, 0, equals);

	for (unsigned o = 0; call->command->options && call->command->options[o].name; o++) {
		const struct admin_option *option = &call->command->options[o];
		if (!cv_str_eq_z(name, option->name))
			continue;
		if (!option->argument)
			call->values[o] = "";
		else if (equals < word.n)
			call->values[o] = word.p + equals + 1;
		else if (*i + 1 < argc)
			call->values[o] = argv[++*i];
		else
			return usage_fault(call, "an option needs a value",
				"tùy chọn thiếu giá trị", argv[*i]);
		return 0;
	}
	return usage_fault(call, "unknown option", "không có tùy chọn", argv[*i]);
}

static int
parse_rest(struct admin_call *call, int argc, char **argv, int i, bool *help)
{
	bool options_ended = false;

	for (; i < argc; i++) {
		int fault = 0;
		if (!options_ended && take_global(call, argc, argv, &i, help))
			continue;
		if (!options_ended && !strcmp(argv[i], "--"))
			options_ended = true;
		else if (!options_ended && !strncmp(argv[i], "--", 2))
			fault = take_option(call, argc, argv, &i);
		else if (call->word_count < call->command->words_max)
			call->words[call->word_count++] = argv[i];
		else
			fault = usage_fault(call, "one word too many", "thừa tham số", argv[i]);
		if (fault)
			return *help ? 0 : fault;
	}
	return 0;
}

int
admin_cli(int argc, char **argv)
{
	struct admin_call call = {0};
	bool help = false;
	int i = 1;

	cv_log_init("congvu", CV_WARN, NULL);
	admin_set_language(&call, locale_of_environment());
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--version")) {
			puts("congvu " CV_VERSION);
			return EXIT_OK;
		}
		if (!take_global(&call, argc, argv, &i, &help))
			return usage_fault(&call, "unknown option", "không có tùy chọn", argv[i]);
	}
	if (i >= argc || !strcmp(argv[i], "help")) {
		const char *about = i + 1 < argc && is_noun(argv[i + 1]) ? argv[i + 1] : NULL;
		print_overview(&call, about, help || i < argc ? stdout : stderr);
		return help || i < argc ? EXIT_OK : EXIT_USAGE;
	}
	const char *noun = argv[i], *verb = i + 1 < argc ? argv[i + 1] : NULL;
	call.command = find_command(noun, verb);
	if (!call.command) {
		if (verb && (!strcmp(verb, "--help") || !strcmp(verb, "-h"))) {
			print_overview(&call, is_noun(noun) ? noun : NULL, stdout);
			return EXIT_OK;
		}
		char what[200];
		snprintf(what, sizeof what, "%s %s", noun, verb ? verb : "");
		usage_fault(&call, "no such command (congvu --help lists them)",
			"không có lệnh (xem congvu --help)", what);
		if (!call.json && is_noun(noun))
			print_overview(&call, noun, stderr);
		return EXIT_USAGE;
	}
	int exit_code = parse_rest(&call, argc, argv, i + (call.command->verb ? 2 : 1), &help);
	if (exit_code)
		return exit_code;
	if (help) {
		print_command_help(&call, stdout);
		return EXIT_OK;
	}
	if (call.word_count < call.command->words_min)
		return usage_fault(
			&call, "an argument is missing", "thiếu tham số", call.command->words);
	exit_code = call.command->run(&call);
	admin_forget_password(&call);
	if (call.local)
		admin_local_close(call.local);
	if (call.conf)
		cv_conf_free(call.conf);
	return exit_code;
}
