/* completion.c - `congvu completion bash|zsh`: what could stand next on a command line.
 *
 * The shells' scripts are a few lines that ask `congvu completion words -- WORD...`; the answer
 * comes from the table of commands, so that it is never older than the program, and for addresses,
 * units and domains from the register, when the service runs. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <strings.h>

#include "admin/commands.h"
#include "common/base/str.h"

#define VALUES_MAX 200

static const char *const bash_script =
	"# congvu: completion for bash. Put it into /usr/share/bash-completion/completions/congvu.\n"
	"_congvu() {\n"
	"	local line=${COMP_LINE:0:COMP_POINT} cur keep word\n"
	"	local -a words\n"
	"	read -ra words <<<\"$line\"\n"
	"	[[ $line == *[[:space:]] ]] && words+=(\"\")\n"
	"	cur=${words[-1]}\n"
	"	# Readline cuts words at @, : and =: what stands before the last of them stays.\n"
	"	keep=${cur%\"${cur##*[@:=]}\"}\n"
	"	COMPREPLY=()\n"
	"	while IFS= read -r word; do\n"
	"		COMPREPLY+=(\"${word#\"$keep\"}\")\n"
	"	done < <(\"${words[0]}\" completion words -- \"${words[@]:1}\" 2>/dev/null)\n"
	"}\n"
	"complete -o default -F _congvu congvu\n";

static const char *const zsh_script =
	"#compdef congvu\n"
	"# congvu: completion for zsh. Put it as _congvu into a folder of $fpath.\n"
	"_congvu() {\n"
	"	local -a out\n"
	"	out=(\"${(@f)$(\"${words[1]}\" completion words -- \"${(@)words[2,CURRENT]}\" "
	"2>/dev/null)}\")\n"
	"	out=(${out:#})\n"
	"	(( $#out )) && compadd -- $out || _files\n"
	"}\n"
	"compdef _congvu congvu\n";

/* ---- candidates ---- */

struct line {
	const char *const *words;
	unsigned count;      /* the last one is being written, and may be empty */
	const char *prefix;  /* that one */
};

static void
offer(const struct line *l, const char *word)
{
	if (!strncmp(word, l->prefix, strlen(l->prefix)))
		printf("%s\n", word);
}

static void
offer_list(const struct line *l, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		offer(l, list[i]);
}

static const char *const globals[] = { "--conf", "--json", "--lang", "--as", "--as-password-stdin",
	"--yes", "--help" };

static bool
takes_value(const char *global)
{
	return !strcmp(global, "--conf") || !strcmp(global, "--lang") || !strcmp(global, "--as");
}

/* ---- values from the register ---- */

static void
offer_values(struct admin_call *call, const struct line *l, const char *what, const char *list,
	const char *key)
{
	json_t *request = admin_request(what), *one;
	struct cv_err err = {0};
	size_t i;
	char find[200];

	snprintf(find, sizeof find, "%s", l->prefix);
	find[strcspn(find, "@")] = '\0';
	if (!strcmp(what, "account.list")) {
		admin_set(request, "find", find);
		json_object_set_new(request, "limit", json_integer(VALUES_MAX));
	}
	call->only_running = true;
	json_t *reply = admin_conf(call) ? admin_try(call, ADMIN_STORE, request, &err) : NULL;
	json_array_foreach(json_object_get(reply, list), i, one)
		offer(l, json_string_value(json_object_get(one, key)));
	json_decref(reply);
}

/* WHAT is how the usage line calls it: "ADDRESS", "CODE", "vi|en". */
static void
offer_for(struct admin_call *call, const struct line *l, struct cv_str what)
{
	static const char *const kinds[] = { "person", "agency", "role", "group", "app" };
	static const char *const roles[] = { "operator", "agency", "helpdesk", "auditor" };
	struct cv_str rest = what, word;

	if (cv_str_eq_z(what, "KIND"))
		offer_list(l, kinds, CV_COUNT(kinds));
	else if (cv_str_eq_z(what, "ROLE"))
		offer_list(l, roles, CV_COUNT(roles));
	else if (cv_str_eq_z(what, "CODE") || cv_str_eq_z(what, "AGENCY"))
		offer_values(call, l, "agency.list", "agencies", "code");
	else if (cv_str_eq_z(what, "DOMAIN"))
		offer_values(call, l, "domain.list", "domains", "domain");
	else
		while (cv_str_split(&rest, '|', &word)) {
			char text[60];
			bool is_place = word.n && word.p[0] >= 'A' && word.p[0] <= 'Z';
			snprintf(text, sizeof text, "%.*s", CV_STR_ARGS(word));
			if (cv_str_eq_z(word, "ADDRESS") || cv_str_eq_z(word, "PERSON"))
				offer_values(call, l, "account.list", "accounts", "address");
			else if (!is_place && !strchr(text, ':'))
				offer(l, text);
		}
}

/* ---- the line ---- */

static const struct admin_command *
command_at(const struct line *l, unsigned at, unsigned *next)
{
	const struct admin_command *alone = NULL;

	for (size_t i = 0; i < admin_commands_count; i++) {
		const struct admin_command *c = admin_commands[i];
		if (strcmp(c->noun, l->words[at]) != 0)
			continue;
		bool has_verb = c->verb && at + 2 < l->count && !strcmp(c->verb, l->words[at + 1]);
		if (has_verb) {
			*next = at + 2;
			return c;
		}
		alone = c->verb ? alone : c;
	}
	*next = at + 1;
	return alone;
}

static void
offer_nouns(const struct line *l)
{
	for (size_t i = 0; i < admin_commands_count; i++)
		if (!i || strcmp(admin_commands[i]->noun, admin_commands[i - 1]->noun) != 0)
			offer(l, admin_commands[i]->noun);
	offer_list(l, globals, l->prefix[0] == '-' ? CV_COUNT(globals) : 0);
}

static void
offer_verbs(const struct line *l, const char *noun)
{
	for (size_t i = 0; i < admin_commands_count; i++)
		if (!strcmp(admin_commands[i]->noun, noun) && admin_commands[i]->verb)
			offer(l, admin_commands[i]->verb);
}

static const struct admin_option *
option_of(const struct admin_command *c, const char *word)
{
	for (const struct admin_option *o = c->options; o && o->name; o++)
		if (!strncmp(word, "--", 2) && !strcmp(word + 2, o->name))
			return o;
	return NULL;
}

/* Word number N of the usage line, without brackets and dots: "ADDRESS". */
static struct cv_str
place(const struct admin_command *c, unsigned n)
{
	struct cv_str rest = cv_str_z(c->words), word = CV_STR("");

	for (unsigned i = 0; i <= n; i++)
		if (!cv_str_split(&rest, ' ', &word))
			break; /* the last one may be repeated */
	while (word.n && strchr("[.", word.p[0]))
		word = cv_str_sub(word, 1, word.n);
	while (word.n && strchr("].", word.p[word.n - 1]))
		word.n--;
	return word;
}

static void
offer_arguments(struct admin_call *call, const struct line *l, const struct admin_command *c,
	unsigned at)
{
	unsigned given = 0;

	for (; at + 1 < l->count; at++) {
		const struct admin_option *o = option_of(c, l->words[at]);
		bool has_value = (o && o->argument) || takes_value(l->words[at]);
		if (has_value && at + 2 == l->count) {
			if (o)
				offer_for(call, l, cv_str_z(o->argument));
			else if (!strcmp(l->words[at], "--lang"))
				offer_for(call, l, CV_STR("vi|en"));
			else if (!strcmp(l->words[at], "--as"))
				offer_for(call, l, CV_STR("ADDRESS"));
			return;
		}
		at += has_value;
		given += !has_value && strncmp(l->words[at], "-", 1) != 0;
	}
	if (l->prefix[0] == '-') {
		for (const struct admin_option *o = c->options; o && o->name; o++) {
			char text[80];
			snprintf(text, sizeof text, "--%s", o->name);
			offer(l, text);
		}
		offer_list(l, globals, CV_COUNT(globals));
	} else if (given < c->words_max) {
		offer_for(call, l, place(c, given));
	}
}

static int
offer_words(struct admin_call *call)
{
	struct line l = { call->words + 1, call->word_count - 1, "" };
	unsigned at = 0, next = 0;

	if (!l.count)
		return EXIT_OK;
	l.prefix = l.words[l.count - 1];
	for (; at + 1 < l.count && l.words[at][0] == '-'; at++) {
		if (!takes_value(l.words[at]))
			continue;
		at++;
		if (!strcmp(l.words[at - 1], "--conf"))
			call->conf_option = l.words[at];
	}
	if (at + 1 >= l.count) {
		offer_nouns(&l);
		return EXIT_OK;
	}
	const struct admin_command *c = command_at(&l, at, &next);
	if (at + 2 == l.count)
		offer_verbs(&l, l.words[at]);
	if (c)
		offer_arguments(call, &l, c, next);
	return EXIT_OK;
}

static int
run_completion(struct admin_call *call)
{
	if (!strcmp(call->words[0], "bash") && call->word_count == 1)
		fputs(bash_script, stdout);
	else if (!strcmp(call->words[0], "zsh") && call->word_count == 1)
		fputs(zsh_script, stdout);
	else if (!strcmp(call->words[0], "words"))
		return offer_words(call);
	else
		return admin_error(call, EXIT_USAGE, "completion is for bash and zsh",
			"có cho bash và zsh");
	return EXIT_OK;
}

const struct admin_command admin_completion = {
	.noun = "completion",
	.words = "bash|zsh|words [WORD...]",
	.words_min = 1,
	.words_max = ADMIN_WORDS_MAX,
	.help = "print the completion of command lines for a shell",
	.help_vi = "in phần tự điền câu lệnh cho bash hoặc zsh",
	.examples = "  source <(congvu completion bash)\n"
		    "  congvu completion zsh > /usr/local/share/zsh/site-functions/_congvu",
	.run = run_completion,
};
