/* manual.c - see manual.h; `congvu manual PAGE` prints them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/manual.h"

#include "admin/commands.h"

#define HEAD                                                                                       \
	".\\\" -*- coding: UTF-8 -*-\n.\\\" SPDX-License-Identifier: MPL-2.0\n"                    \
	".\\\" Made by `congvu manual %s`: change the tables in the sources instead.\n"            \
	".TH %s %s \"\" congvu \"%s\"\n"

/* Text of roff: backslashes and hyphens as such, nothing that begins a request. */
static void
put_text(FILE *out, const char *text)
{
	bool is_start = true;

	for (; *text; text++) {
		if (is_start && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
		is_start = *text == '\n';
	}
}

static void
put_sentence(FILE *out, const char *text)
{
	put_text(out, text);
	fputs(".\n", out);
}

/* "congvu account add", with GLUE for the blanks. */
static void
put_name(FILE *out, const struct admin_command *c, const char *glue)
{
	fprintf(out, "congvu%s", glue);
	put_text(out, c->noun);
	if (c->verb) {
		fputs(glue, out);
		put_text(out, c->verb);
	}
}

/* A command in the list of congvu(1). */
static void
put_line(FILE *out, const struct admin_command *c)
{
	fputs(".TP\n.B ", out);
	put_name(out, c, " ");
	if (c->words[0])
		fputs(" \\fI", out);
	put_text(out, c->words);
	fputs(c->words[0] ? "\\fR\n" : "\n", out);
	put_sentence(out, c->help);
	fputs(".br\n", out);
	put_sentence(out, c->help_vi);
}

static void
put_options(FILE *out, const struct admin_command *c)
{
	if (c->options)
		fputs(".SH OPTIONS\n", out);
	for (const struct admin_option *o = c->options; o && o->name; o++) {
		fputs(".TP\n.B \\-\\-", out);
		put_text(out, o->name);
		if (o->argument)
			fprintf(out, " \\fI%s\\fR", o->argument);
		fputc('\n', out);
		put_sentence(out, o->help);
		fputs(".br\n", out);
		put_sentence(out, o->help_vi);
	}
}

static void
put_exits(FILE *out)
{
	for (size_t i = 0; i < admin_exits_count; i++) {
		fprintf(out, ".TP\n.B %d\n", admin_exits[i].code);
		put_sentence(out, admin_exits[i].en);
		fputs(".br\n", out);
		put_sentence(out, admin_exits[i].vi);
	}
}

void
admin_manual_page(const struct admin_command *c, char *name, size_t n)
{
	snprintf(name, n, "congvu-%s%s%s", c->noun, c->verb ? "-" : "", c->verb ? c->verb : "");
}

void
admin_manual_command(const struct admin_command *c, FILE *out)
{
	char page[100], title[100];

	admin_manual_page(c, page, sizeof page);
	for (size_t i = 0; i <= strlen(page); i++)
		title[i] = (char)(page[i] >= 'a' && page[i] <= 'z' ? page[i] - 32 : page[i]);
	fprintf(out, HEAD, page, title, "1", "official mail");
	fputs(".SH NAME\n", out);
	put_name(out, c, "\\-");
	fputs(" \\- ", out);
	put_text(out, c->help);
	fputs("\n.SH SYNOPSIS\n.B ", out);
	put_name(out, c, " ");
	fputs("\n", out);
	if (c->words[0]) {
		fputs(".I ", out);
		put_text(out, c->words);
		fputc('\n', out);
	}
	fputs(c->options ? "[options]\n" : "", out);
	fputs(".SH DESCRIPTION\n", out);
	put_sentence(out, c->help);
	fputs(".br\n", out);
	put_sentence(out, c->help_vi);
	put_options(out, c);
	fputs(".PP\nThe options for every command, the configuration and the environment are in\n"
	      ".BR congvu (1).\n.SH EXIT STATUS\n", out);
	put_exits(out);
	fputs(".SH EXAMPLES\n.nf\n", out);
	put_text(out, c->examples);
	fputs("\n.fi\n.SH SEE ALSO\n.BR congvu (1),\n.BR congvu.conf (5)\n", out);
}

void
admin_manual_commands(FILE *out)
{
	fprintf(out, HEAD, "congvu", "CONGVU", "1", "official mail");
	fputs(".SH NAME\ncongvu \\- official mail for a province: set up, run, people, directory, "
	      "queue\n"
	      ".SH SYNOPSIS\n.B congvu\n[\\fB\\-\\-conf\\fR \\fIFILE\\fR] [\\fB\\-\\-json\\fR] "
	      "[\\fB\\-\\-lang\\fR vi|en]\n.I noun verb\n[arguments]\n.SH DESCRIPTION\n"
	      "Asks the running daemons over their control sockets, in the folder\n.B run_dir\n"
	      "of the configuration. Accounts, agencies and the store can be worked on while the "
	      "daemons "
	      "are\nstopped, too. Each change is written to the audit trail with who made "
	      "it.\n.PP\n"
	      "Answers are for people, in Vietnamese or English by locale, or with\n.B \\-\\-json\n"
	      "one JSON object on standard output, whose member\n.B ok\ntells whether it was "
	      "done.\n"
	      ".SH OPTIONS FOR EVERY COMMAND\n"
	      ".TP\n.B \\-\\-conf \\fIFILE\\fR\nthe configuration, instead of\n.B CONGVU_CONF\nand "
	      "/etc/congvu/congvu.conf.\n.TP\n.B \\-\\-json\nanswer for machines.\n"
	      ".TP\n.B \\-\\-yes\ndo what cannot be taken back without asking.\n"
	      ".TP\n.B \\-\\-as \\fIADDRESS\\fR\nask as this person, who has a role (see\n.B "
	      "congvu admin add\\fR),\nnot as the Unix account.\n"
	      ".TP\n.B \\-\\-as\\-password\\-stdin\nhis password is the first line of standard "
	      "input.\n"
	      ".TP\n.B \\-\\-lang \\fBvi\\fR|\\fBen\\fR\nlanguage of the answers.\n"
	      ".TP\n.B \\-\\-help\nexplain the command.\n.TP\n.B \\-\\-version\n"
	      "print the version.\n.SH COMMANDS\n",
		out);
	fputs("Each has a page of its own, congvu\\-NOUN\\-VERB(1).\n", out);
	for (size_t i = 0; i < admin_commands_count; i++)
		put_line(out, admin_commands[i]);
	fputs(".SH EXIT STATUS\n", out);
	put_exits(out);
	fputs(".SH ENVIRONMENT\n.TP\n.B CONGVU_CONF\nthe configuration.\n.TP\n.B CONGVU_LANG\n"
	      "vi or en, before the locale's own variables.\n"
	      ".TP\n.B CONGVU_PASSWORD_FD\nnumber of the open file from which the password of\n"
	      ".B \\-\\-as\nis read.\n"
	      ".SH SEE ALSO\n.BR congvu.conf (5),\n.BR congvu\\-smtpd (8),\n.BR congvu\\-imapd "
	      "(8),\n"
	      ".BR congvu\\-spamfilter (8)\n",
		out);
}

void
admin_manual_conf(FILE *out)
{
	fprintf(out, HEAD, "congvu.conf", "CONGVU.CONF", "5", "official mail");
	fputs(".SH NAME\ncongvu.conf \\- configuration of all programs of congvu\n.SH DESCRIPTION\n"
	      "One file configures all programs, so that it is checked whole:\n.B congvu config "
	      "check\n"
	      "names every fault with its line. A section begins with its name in brackets, an "
	      "option is\n"
	      ".IR name \" = \" value ,\nand # begins a comment at the start of a line or behind a "
	      "blank.\n"
	      ".B include \\fIFILE\\fR\nreads another file in its place. Relative paths start at\n"
	      ".BR base_dir ;\na relative\n.B base_dir\nstarts at the folder of the file.\n.PP\n"
	      "Sizes take K, M, G and T; times s, m, h, d and w.\n.SH OPTIONS\n",
		out);
	cv_conf_print_manual(out, cv_sections, cv_sections_count);
	fputs(".SH SEE ALSO\n.BR congvu (1),\n.BR congvu\\-smtpd (8),\n.BR congvu\\-imapd (8),\n"
	      ".BR congvu\\-spamfilter (8)\n",
		out);
}

/* ---- congvu manual ---- */

static bool
write_page(const struct admin_call *call, const char *dir, const char *page, char section,
	const struct admin_command *c, void (*print)(FILE *out))
{
	char path[1200];

	snprintf(path, sizeof path, "%s/%s.%c", dir, page, section);
	FILE *out = fopen(path, "w");
	if (out && c)
		admin_manual_command(c, out);
	else if (out)
		print(out);
	if (out && !fclose(out))
		return true;
	admin_error(call, EXIT_FAILED, path, path);
	return false;
}

/* Every page, into the folder DIR. */
static int
write_all(const struct admin_call *call, const char *dir)
{
	char page[100];
	bool ok = write_page(call, dir, "congvu", '1', NULL, admin_manual_commands) &&
		  write_page(call, dir, "congvu.conf", '5', NULL, admin_manual_conf);

	for (size_t i = 0; ok && i < admin_commands_count; i++) {
		admin_manual_page(admin_commands[i], page, sizeof page);
		ok = write_page(call, dir, page, '1', admin_commands[i], NULL);
	}
	return ok ? EXIT_OK : EXIT_FAILED;
}

static int
run_manual(struct admin_call *call)
{
	const char *dir = admin_option(call, "all"), *wanted = call->words[0];
	char page[100];

	if (dir)
		return write_all(call, dir);
	if (!call->word_count || !strcmp(wanted, "congvu")) {
		admin_manual_commands(stdout);
		return EXIT_OK;
	}
	if (!strcmp(wanted, "congvu.conf")) {
		admin_manual_conf(stdout);
		return EXIT_OK;
	}
	for (size_t i = 0; i < admin_commands_count; i++) {
		admin_manual_page(admin_commands[i], page, sizeof page);
		if (strcmp(wanted, page) != 0)
			continue;
		admin_manual_command(admin_commands[i], stdout);
		return EXIT_OK;
	}
	return admin_error(call, EXIT_USAGE, "the pages are congvu, congvu.conf and congvu-NOUN-VERB",
		"có các trang congvu, congvu.conf và congvu-DANH_TỪ-ĐỘNG_TỪ");
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "all", "DIR", "write every page into this folder", "ghi mọi trang vào thư mục này" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_manual = {
	.noun = "manual",
	.words = "[PAGE]",
	.words_max = 1,
	.help = "print a manual page: congvu, congvu.conf, or congvu-NOUN-VERB",
	.help_vi = "in trang hướng dẫn: congvu, congvu.conf, hoặc congvu-DANH_TỪ-ĐỘNG_TỪ",
	.options = options,
	.examples = "  congvu manual congvu-account-add | man -l -\n  congvu manual --all build/man",
	.run = run_manual,
};
