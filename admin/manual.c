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

static void
put_command(FILE *out, const struct admin_command *c)
{
	fputs(".SS congvu ", out);
	put_text(out, c->noun);
	fprintf(out, "%s%s%s", c->verb ? " " : "", c->verb ? c->verb : "", c->words[0] ? " " : "");
	put_text(out, c->words);
	fputs(c->options ? " [options]\n" : "\n", out);
	put_sentence(out, c->help);
	fputs(".br\n", out);
	put_sentence(out, c->help_vi);
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
	fputs(".PP\nExamples:\n.PP\n.nf\n", out);
	put_text(out, c->examples);
	fputs("\n.fi\n", out);
}

void
admin_manual_commands(FILE *out)
{
	/* clang-format off */
	static const struct {
		int code;
		const char *text;
	} exits[] = {
		{ EXIT_OK, "done" },
		{ EXIT_FAILED, "understood, but refused or failed" },
		{ EXIT_PARTLY, "partly done: some rows were refused, some mail is being sent" },
		{ EXIT_USAGE, "the command line is wrong" },
		{ EXIT_DOWN, "a daemon or a server that is needed does not answer" },
		{ EXIT_CONFIG, "the configuration is wrong" },
	};
	/* clang-format on */

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
	for (size_t i = 0; i < admin_commands_count; i++)
		put_command(out, admin_commands[i]);
	fputs(".SH EXIT STATUS\n", out);
	for (size_t i = 0; i < CV_COUNT(exits); i++)
		fprintf(out, ".TP\n.B %d\n%s.\n", exits[i].code, exits[i].text);
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

static int
run_manual(struct admin_call *call)
{
	if (!strcmp(call->words[0], "congvu"))
		admin_manual_commands(stdout);
	else if (!strcmp(call->words[0], "congvu.conf"))
		admin_manual_conf(stdout);
	else
		return admin_error(call, EXIT_USAGE, "the pages are congvu and congvu.conf",
			"có các trang congvu và congvu.conf");
	return EXIT_OK;
}

const struct admin_command admin_manual = {
	.noun = "manual",
	.words = "PAGE",
	.words_min = 1,
	.words_max = 1,
	.help = "print a manual page: congvu or congvu.conf",
	.help_vi = "in trang hướng dẫn: congvu hoặc congvu.conf",
	.examples = "  congvu manual congvu | man -l -",
	.run = run_manual,
};
